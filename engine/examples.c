/*
 * Example lines: of each series made of log lines the newest few, redacted, for whoever is told of
 * an alert. All together they have a budget; beyond it the series that has had no line for longest
 * loses its own. They are not journaled: after a restart examples are what came since.
 */
#include "engine/engine_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"

#define ENTRY_NONE UINT32_MAX

/* The lines of one series; entries form a ring by use, through `next` and `prev`, of which `oldest`
 * is the one to go first. */
struct example_entry {
	uint32_t uid; /* of the series; 0: free, and `next` leads to another free one */
	uint32_t n;
	uint32_t next, prev;
	struct example_line {
		int64_t ts_ms;
		char *text;
		uint32_t len;
	} lines[EXAMPLES_PER_SERIES_MAX]; /* by time, the oldest first */
};

void examples_init(struct examples *examples)
{
	*examples = (struct examples){ .oldest = ENTRY_NONE, .free = ENTRY_NONE };
}

static void line_drop(struct examples *examples, struct example_entry *entry)
{
	examples->bytes -= entry->lines[0].len;
	free(entry->lines[0].text);
	entry->n--;
	memmove(entry->lines, entry->lines + 1, entry->n * sizeof(*entry->lines));
}

void examples_fini(struct examples *examples)
{
	for (uint32_t i = 0; i < examples->n; i++)
		while (examples->entries[i].uid && examples->entries[i].n > 0)
			line_drop(examples, &examples->entries[i]);
	free(examples->entries);
	id_map_fini(&examples->by_uid);
	examples_init(examples);
}

void engine_lines_forget(struct engine *engine)
{
	for (struct queue_item *item = engine->parked.first; item; item = item->next)
		((struct batch *)item)->nexamples = 0;
	examples_fini(&engine->examples);
}

/* ---- the ring ---- */

static void unlink_entry(struct examples *examples, uint32_t at)
{
	const struct example_entry *entry = &examples->entries[at];
	examples->entries[entry->prev].next = entry->next;
	examples->entries[entry->next].prev = entry->prev;
	if (examples->oldest == at)
		examples->oldest = entry->next == at ? ENTRY_NONE : entry->next;
}

/* As the one used last: before the oldest. */
static void link_newest(struct examples *examples, uint32_t at)
{
	struct example_entry *entry = &examples->entries[at];
	if (examples->oldest == ENTRY_NONE) {
		examples->oldest = entry->next = entry->prev = at;
		return;
	}
	struct example_entry *oldest = &examples->entries[examples->oldest];
	entry->next = examples->oldest;
	entry->prev = oldest->prev;
	examples->entries[oldest->prev].next = at;
	oldest->prev = at;
}

static void evict_oldest(struct examples *examples)
{
	uint32_t at = examples->oldest;
	struct example_entry *entry = &examples->entries[at];
	while (entry->n > 0)
		line_drop(examples, entry);
	unlink_entry(examples, at);
	id_map_remove(&examples->by_uid, entry->uid);
	entry->uid = 0;
	entry->next = examples->free;
	examples->free = at;
}

/* ---- adding ---- */

/* A place without a series. ENTRY_NONE: out of memory. */
static uint32_t entry_new(struct examples *examples)
{
	if (examples->free == ENTRY_NONE && examples->n == EXAMPLES_SERIES_MAX)
		evict_oldest(examples);
	if (examples->free != ENTRY_NONE) {
		uint32_t at = examples->free;
		examples->free = examples->entries[at].next;
		return at;
	}
	if (!ARRAY_RESERVE(&examples->entries, examples->n, &examples->cap))
		return ENTRY_NONE;
	return examples->n++;
}

/* The entry of the series, as the one used last. */
static struct example_entry *entry_of(struct examples *examples, uint32_t uid)
{
	uint32_t at = id_map_find(&examples->by_uid, uid);
	if (at != ID_MAP_NONE) {
		unlink_entry(examples, at);
		link_newest(examples, at);
		return &examples->entries[at];
	}
	at = entry_new(examples);
	if (at == ENTRY_NONE)
		return NULL;
	struct example_entry *entry = &examples->entries[at];
	*entry = (struct example_entry){ .uid = uid };
	if (!id_map_put(&examples->by_uid, uid, at)) {
		entry->uid = 0;
		entry->next = examples->free;
		examples->free = at;
		return NULL;
	}
	link_newest(examples, at);
	return entry;
}

void example_add(struct examples *examples, uint32_t uid, int64_t ts_ms, struct slice line)
{
	struct example_entry *entry = entry_of(examples, uid);
	if (!entry)
		return;
	uint32_t place = entry->n;
	while (place > 0 && entry->lines[place - 1].ts_ms > ts_ms)
		place--;
	bool is_full = entry->n == EXAMPLES_PER_SERIES_MAX;
	if (is_full && place == 0)
		return; /* older than all of them */
	char *text = slice_dup(line);
	if (!text)
		return;
	if (is_full) {
		line_drop(examples, entry);
		place--;
	}
	memmove(&entry->lines[place + 1], &entry->lines[place],
		(entry->n - place) * sizeof(*entry->lines));
	entry->lines[place] = (struct example_line){ ts_ms, text, (uint32_t)line.len };
	entry->n++;
	examples->bytes += line.len;
	while (examples->bytes > EXAMPLES_BYTES_MAX)
		evict_oldest(examples);
}

/* ---- finding ---- */

/* No label that both have differs. */
static bool labels_agree(const struct engine *engine, uint32_t lset, uint32_t expr_lset)
{
	const struct lset_pair *pairs = lset_pairs(engine->lsets, expr_lset);
	for (size_t i = 0; i < lset_count(engine->lsets, expr_lset); i++) {
		uint32_t value = lset_get(engine->lsets, lset, pairs[i].name);
		if (pairs[i].name != engine->symbol.name && value != SYMBOL_NONE &&
		    value != pairs[i].value)
			return false;
	}
	return true;
}

/* Adds a line where it belongs among the newest, of which there is room for `max`. */
static void take_newest(struct example *out, uint32_t *n, uint32_t max,
			const struct example_line *line)
{
	uint32_t place = *n;
	while (place > 0 && out[place - 1].ts_ms < line->ts_ms)
		place--;
	if (place == max)
		return;
	*n += *n < max;
	memmove(&out[place + 1], &out[place], (*n - 1 - place) * sizeof(*out));
	out[place] = (struct example){ line->ts_ms, { line->text, line->len } };
}

static void find_in(struct engine *engine, const struct selector *selector,
		    const struct example_query *query, struct example *out, uint32_t *n)
{
	const struct examples *examples = &engine->examples;
	for (uint32_t row = 0; row < selector->nmembers && evidence_is_within_budget(engine);
	     row++) {
		const struct series *series = selector->members[row];
		if (!series)
			continue;
		if (series->kind == WINDOW_SAMPLES)
			return; /* a selector of metrics */
		engine->evidence.scanned++;
		uint32_t at = id_map_find(&examples->by_uid, series->uid);
		if (at == ID_MAP_NONE || !labels_agree(engine, series->lset, query->expr_lset))
			continue;
		const struct example_entry *entry = &examples->entries[at];
		for (uint32_t i = 0; i < entry->n; i++)
			if (entry->lines[i].ts_ms > query->from_ms &&
			    entry->lines[i].ts_ms <= query->to_ms)
				take_newest(out, n, query->max, &entry->lines[i]);
	}
}

uint32_t examples_find(struct engine *engine, const struct rule_state *rule, uint32_t expr_lset,
		       int64_t t_ms, struct example *out, uint32_t max)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < rule->nown_leaves && engine->examples.n > 0; i++) {
		const struct rule_leaf *leaf = &rule->leaves[i];
		const struct example_query query = { expr_lset, t_ms - leaf->reach_ms, t_ms, max };
		find_in(engine, binding_selector(engine->active->binding, leaf->selector), &query,
			out, &n);
	}
	return n;
}
