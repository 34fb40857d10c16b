/* What has new samples of what rules on arrival read: marks of watches, handed out to rules' leaves. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/arrival.h"
#include "engine/engine_internal.h"
#include "engine/node.h"
#include "engine/numeric.h"

/* ---- marks ---- */

static bool bits_reserve(uint64_t **bits, uint32_t *words, uint32_t row)
{
	if (row < *words * 64)
		return true;
	uint32_t wanted = words_of(row + 1) + *words / 2;
	uint64_t *more = realloc(*bits, wanted * sizeof(**bits));
	if (!more)
		return false;
	memset(more + *words, 0, (wanted - *words) * sizeof(**bits));
	*bits = more;
	*words = wanted;
	return true;
}

static void group_touch(struct group_state *group, int64_t ts_ms)
{
	group->arrival.is_touched = true;
	if (group->arrival.newest_ms == TIME_NONE || ts_ms > group->arrival.newest_ms)
		group->arrival.newest_ms = ts_ms;
}

/* A watch of the list that begins with *first. */
static void rows_mark(struct watch_rows *rows, uint32_t row, uint32_t watch, uint32_t *first)
{
	if (!bits_reserve(&rows->bits, &rows->words, row))
		return; /* without memory it is for the tick */
	bit_set(rows->bits, row);
	if (rows->any)
		return;
	rows->any = true;
	rows->next = *first;
	*first = watch;
}

static void rows_clear(struct watch_rows *rows)
{
	if (rows->any)
		memset(rows->bits, 0, rows->words * sizeof(*rows->bits));
	rows->any = false;
}

/* What a rule has recorded is looked at by the later ones, in the same run. */
static void watch_record(struct generation *generation, uint32_t at, const struct pass *writer,
			 uint32_t row)
{
	struct watch *watch = &generation->watches[at];
	struct group_arrival *group = &generation->groups[watch->group].arrival;
	if (!watch->recorded.any)
		for (uint32_t i = 0; i < watch->nreaders; i++)
			if (watch->readers[i].rule > writer->rule)
				bit_set(group->work, watch->readers[i].rule);
	rows_mark(&watch->recorded, row, at, &group->recorded);
}

/* Stale markers touch the group, which may have waited for them, but mark no row. */
static void watch_touch(struct generation *generation, uint32_t at, const struct pass *writer,
			uint32_t row, int64_t ts_ms, bool is_stale)
{
	struct watch *watch = &generation->watches[at];
	struct group_state *group = &generation->groups[watch->group];
	if (writer && watch->group <= writer->group) {
		if (watch->group == writer->group && writer->on_arrival && !is_stale)
			watch_record(generation, at, writer, row);
		return;
	}
	group_touch(group, ts_ms);
	if (!is_stale)
		rows_mark(&watch->touched, row, at, &group->arrival.touched);
}

static void take_sample(struct engine *engine, struct series *series, int64_t ts_ms, bool is_stale,
			const struct pass *writer)
{
	bool is_watched = false;
	bool is_newest = window_newest_ms(&series->window) == ts_ms; /* else it is for the tick */
	if (series->kind == WINDOW_SAMPLES)
		targets_sample(engine, series, ts_ms, is_stale);
	for (uint32_t i = 0; i < series->nmemberships; i++) {
		const struct membership *membership = &series->memberships[i];
		is_watched |= membership->selector->is_watched;
		uint32_t at = membership->selector->watch - 1;
		for (; at != WATCH_NONE && is_newest; at = engine->active->watches[at].next)
			watch_touch(engine->active, at, writer, membership->row, ts_ms, is_stale);
	}
	series->watched = is_watched;
}

void arrival_sample(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits)
{
	take_sample(engine, series, ts_ms, bits == STALE_NAN_BITS, NULL);
}

void arrival_written(struct engine *engine, struct series *series, int64_t ts_ms, uint64_t bits)
{
	const struct pass *writer = engine->pass.running ? &engine->pass : NULL;
	take_sample(engine, series, ts_ms, bits == STALE_NAN_BITS, writer);
}

/* ---- what marks become ---- */

bool leaf_reserve(struct arrival_leaf *leaf, uint32_t words)
{
	if (words <= leaf->words)
		return true;
	uint32_t wanted = words + words / 4;
	uint64_t *marks = calloc((size_t)wanted * LEAF_MARKS, sizeof(*marks));
	if (!marks)
		return false;
	for (int m = 0; m < LEAF_MARKS; m++) {
		if (leaf->words > 0)
			memcpy(marks + (size_t)m * wanted, leaf->marks[m],
			       leaf->words * sizeof(*marks));
	}
	free(leaf->marks[0]);
	for (int m = 0; m < LEAF_MARKS; m++)
		leaf->marks[m] = marks + (size_t)m * wanted;
	leaf->words = wanted;
	return true;
}

static void leaf_take(struct arrival_leaf *leaf, const struct watch_rows *rows)
{
	if (!rows->any || !leaf_reserve(leaf, rows->words))
		return;
	for (uint32_t i = 0; i < rows->words; i++)
		leaf->marks[LEAF_WAITING][i] |= rows->bits[i];
	leaf->is_waiting = true;
}

void arrival_take_recorded(const struct generation *generation, struct rule_arrival *arrival)
{
	for (uint32_t i = 0; i < arrival->nleaves; i++)
		if (arrival->leaves[i].watch != WATCH_NONE)
			leaf_take(&arrival->leaves[i],
				  &generation->watches[arrival->leaves[i].watch].recorded);
}

/* What the watches saw becomes the rules' own: they are done with it at different times. */
void watches_hand_out(struct generation *generation, struct group_state *group)
{
	uint32_t at = group->arrival.touched;
	for (; at != WATCH_NONE; at = generation->watches[at].touched.next) {
		struct watch *watch = &generation->watches[at];
		for (uint32_t i = 0; i < watch->nreaders; i++) {
			const struct watch_reader *reader = &watch->readers[i];
			leaf_take(&group->rules[reader->rule].arrival->leaves[reader->leaf],
				  &watch->touched);
			bit_set(group->arrival.work, reader->rule);
		}
		rows_clear(&watch->touched);
	}
	group->arrival.touched = WATCH_NONE;
}

void watches_end(struct generation *generation, struct group_state *group)
{
	uint32_t at = group->arrival.recorded;
	for (; at != WATCH_NONE; at = generation->watches[at].recorded.next)
		rows_clear(&generation->watches[at].recorded);
	group->arrival.recorded = WATCH_NONE;
}

/* ---- ticks ---- */

/* Keeps the marks of rows whose newest sample is later than t_ms: the tick has not seen it. */
static bool keep_later(const struct selector *selector, uint64_t *bits, uint32_t words,
		       int64_t t_ms, int64_t *newest_ms)
{
	struct series *const *members = selector->members;
	bool any = false;
	FOR_BITS (row, bits, 0, words * 64) {
		int64_t ts_ms = row < selector->nmembers && members[row]
					? window_newest_ms(&members[row]->window)
					: TIME_NONE;
		if (ts_ms == TIME_NONE || ts_ms <= t_ms) {
			bit_clear(bits, row);
			continue;
		}
		if (*newest_ms == TIME_NONE || ts_ms > *newest_ms)
			*newest_ms = ts_ms;
		any = true;
	}
	return any;
}

/* All that slept is awake: the tick has ended what they waited for, or never will. */
static void leaf_keep(const struct generation *generation, struct arrival_leaf *leaf, int64_t t_ms,
		      int64_t *newest_ms)
{
	for (uint32_t i = 0; i < leaf->words; i++) {
		leaf->marks[LEAF_WAITING][i] |= leaf->marks[LEAF_ASLEEP][i];
		leaf->marks[LEAF_ASLEEP][i] = leaf->marks[LEAF_STIRRED][i] = 0;
	}
	leaf->is_stirred = false;
	leaf->is_waiting = keep_later(watch_selector(generation, &generation->watches[leaf->watch]),
				      leaf->marks[LEAF_WAITING], leaf->words, t_ms, newest_ms);
}

int64_t rule_marks_ticked(const struct generation *generation, struct rule_state *rule,
			  int64_t t_ms)
{
	struct rule_arrival *arrival = rule->arrival;
	int64_t newest_ms = TIME_NONE;
	for (uint32_t i = 0; i < arrival->nleaves; i++)
		if (arrival->leaves[i].words > 0)
			leaf_keep(generation, &arrival->leaves[i], t_ms, &newest_ms);
	arrival->is_asleep = false;
	if (newest_ms != TIME_NONE)
		bit_set(rule->group->arrival.work, rule_place(rule));
	return newest_ms;
}

int64_t watches_ticked(struct generation *generation, struct group_state *group, int64_t t_ms)
{
	int64_t newest_ms = TIME_NONE;
	uint32_t next, *end = &group->arrival.touched;
	for (uint32_t at = *end; at != WATCH_NONE; at = next) {
		struct watch *watch = &generation->watches[at];
		struct watch_rows *rows = &watch->touched;
		next = rows->next;
		rows->any = keep_later(watch_selector(generation, watch), rows->bits, rows->words,
				       t_ms, &newest_ms);
		if (rows->any) {
			*end = at;
			end = &rows->next;
		}
	}
	*end = WATCH_NONE;
	return newest_ms;
}
