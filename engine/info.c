/*
 * info(): the elements of a vector with the labels of the info series (target_info by default) of
 * the same job and instance, as they are at that time. Of two info series that differ in other
 * labels the one with the newer sample counts.
 *
 * Children: the vector; the info series as a selector, for their labels; the times of their
 * samples, whose rows have the same ids.
 */
#include <math.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/dynamic.h"

enum { INSTANCE, JOB, IDENTIFYING };

struct info {
	struct dynamic dynamic;
	uint32_t identifying[IDENTIFYING]; /* symbols */
	uint32_t *data, ndata;		   /* symbols of the labels that are taken; 0: all */
	struct id_map newest; /* by signature of an info series: its row */
	struct id_map rivals; /* by row: another one whose sample is as new */
	struct id_list rows;  /* of those */
};

static int shape_info(struct binding *b, struct node *node)
{
	static const char *const names[] = { "instance", "job" };
	struct info *state = node->state = calloc(1, sizeof(*state));
	if (!state)
		return ERR_NOMEM;
	for (int i = 0; i < IDENTIFYING; i++) {
		state->identifying[i] = symbol_intern(b->lsets, slice_from(names[i]));
		if (state->identifying[i] == UINT32_MAX)
			return ERR_NOMEM;
	}
	return symbols_take(b, &node->plan->labels, false, &state->data, &state->ndata);
}

static void forget_newest(struct binding *b, struct info *state)
{
	for (uint32_t i = 0; state->newest.slots && i <= state->newest.mask; i++)
		if (state->newest.slots[i].key != ID_MAP_NONE)
			lset_unref(b->lsets, state->newest.slots[i].key);
	id_map_fini(&state->newest);
	id_map_fini(&state->rivals);
	state->newest = state->rivals = (struct id_map){ .slots = NULL };
	state->rows.n = 0;
}

static void fini_info(struct binding *b, struct node *node)
{
	struct info *state = node->state;
	if (!state)
		return;
	forget_newest(b, state);
	id_list_fini(&state->rows);
	dynamic_fini(b, &state->dynamic);
	for (int i = 0; i < IDENTIFYING; i++)
		if (state->identifying[i] && state->identifying[i] != UINT32_MAX)
			symbol_unref(b->lsets, state->identifying[i]);
	if (state->data)
		symbols_give(b, state->data, state->ndata);
	free(state);
}

/* ---- info series ---- */

/* Two of one signature that differ in other labels, and of which neither is newer. */
static int fail_conflict(struct binding *b, struct node *node, uint32_t row, uint32_t rival)
{
	const struct node *series = node->children[1], *times = node->children[2];
	struct labels *one = binding_labels(b, series->rows->lsets[row]);
	struct labels *two = binding_labels(b, series->rows->lsets[rival]);
	long long ms = llround(times->values[row] * 1000);
	struct buf text;
	buf_init(&text);
	if (one && two) {
		buf_add_str(&text, "found duplicate series for info metric: existing ");
		labels_format(one, &text);
		buf_printf(&text, " @ %lld, new ", ms);
		labels_format(two, &text);
		buf_printf(&text, " @ %lld", ms);
	}
	int err = one && two && buf_ok(&text) ? node_fail(node, "%s", text.ptr) : ERR_NOMEM;
	labels_unref(one);
	labels_unref(two);
	buf_fini(&text);
	return err;
}

/* Name, job and instance of an info series. */
static uint32_t info_signature(struct binding *b, const struct info *state, uint32_t lset)
{
	uint32_t names[] = { b->name, state->identifying[INSTANCE], state->identifying[JOB] };
	return lset_only(b->lsets, lset, names, 3);
}

static int take_info(struct binding *b, struct node *node, uint32_t row)
{
	struct info *state = node->state;
	const struct node *times = node->children[2];
	uint32_t lset = node->children[1]->rows->lsets[row];
	uint32_t key = info_signature(b, state, lset);
	if (key == LSET_NONE)
		return ERR_NOMEM;
	uint32_t before = id_map_find(&state->newest, key);
	if (before != ID_MAP_NONE) {
		bool ok = true;
		if (times->values[before] == times->values[row])
			ok = id_map_put(&state->rivals, before, row);
		else if (times->values[before] < times->values[row])
			ok = id_map_put(&state->newest, key, row);
		lset_unref(b->lsets, key);
		return ok ? 0 : ERR_NOMEM;
	}
	if (!id_map_put(&state->newest, key, row)) {
		lset_unref(b->lsets, key);
		return ERR_NOMEM;
	}
	return 0;
}

/* The rows that were found, in the order of their labels, so that results do not depend on ids. */
static int list_rows(struct info *state)
{
	for (uint32_t i = 0; state->newest.slots && i <= state->newest.mask; i++)
		if (state->newest.slots[i].key != ID_MAP_NONE &&
		    !id_list_add(&state->rows, state->newest.slots[i].value))
			return ERR_NOMEM;
	return 0;
}

/* ---- elements ---- */

/* Is the element an info series itself? */
static bool is_info(const struct binding *b, const struct node *node, uint32_t lset)
{
	const struct plan_node *series = node->children[1]->plan;
	const struct plan_selector *selector = &b->plan->selectors[series->selector];
	struct slice name = symbol_text(b->lsets, lset_get(b->lsets, lset, b->name));
	if (!node->plan->info_names)
		return false;
	for (uint32_t i = 0; i < selector->nmatchers; i++) {
		const struct matcher *m = &selector->matchers[i];
		if (slice_is((struct slice){ m->name, m->name_len }, METRIC_NAME) &&
		    !matcher_is_match(m, name))
			return false;
	}
	return true;
}

/* Bit i: has it the i-th identifying label? */
static unsigned identity_of(const struct binding *b, const struct info *state, uint32_t lset)
{
	unsigned bits = 0;
	for (int i = 0; i < IDENTIFYING; i++)
		if (lset_get(b->lsets, lset, state->identifying[i]) != SYMBOL_NONE)
			bits |= 1u << i;
	return bits;
}

static bool has_same_identity(const struct binding *b, const struct info *state, uint32_t x,
			      uint32_t y)
{
	for (int i = 0; i < IDENTIFYING; i++)
		if (lset_get(b->lsets, x, state->identifying[i]) !=
		    lset_get(b->lsets, y, state->identifying[i]))
			return false;
	return true;
}

static bool takes_label(const struct binding *b, const struct info *state, uint32_t name)
{
	if (name == b->name)
		return false;
	for (uint32_t i = 0; i < state->ndata; i++)
		if (state->data[i] == name)
			return true;
	return state->ndata == 0;
}

/* Adds the labels of one info series that the element lacks; *taken has what others gave. */
static int take_labels(struct binding *b, struct node *node, uint32_t base, uint32_t info,
		       uint32_t *taken)
{
	const struct info *state = node->state;
	size_t n = lset_count(b->lsets, info);
	for (size_t i = 0; i < n; i++) {
		struct lset_pair pair = lset_pairs(b->lsets, info)[i];
		if (!takes_label(b, state, pair.name))
			continue;
		uint32_t before = lset_get(b->lsets, *taken, pair.name);
		if (lset_get(b->lsets, base, pair.name) != SYMBOL_NONE)
			continue; /* the element's own label stays */
		if (before != SYMBOL_NONE && before != pair.value) {
			struct slice name = symbol_text(b->lsets, pair.name);
			return node_fail(node, "conflicting label: " SLICE_FMT, SLICE_ARG(name));
		}
		uint32_t next = lset_with(b->lsets, *taken, pair.name, pair.value);
		if (next == LSET_NONE)
			return ERR_NOMEM;
		lset_unref(b->lsets, *taken);
		*taken = next;
	}
	return 0;
}

static int enrich(struct binding *b, struct node *node, uint32_t row, unsigned wanted)
{
	struct info *state = node->state;
	const struct node *in = node->children[0], *series = node->children[1];
	uint32_t base = in->rows->lsets[row], lset = base;
	bool found = false, is_known = wanted && identity_of(b, state, base) == wanted;
	int err = 0;
	lset_ref(b->lsets, lset);
	for (uint32_t i = 0; is_known && i < state->rows.n && !err; i++) {
		uint32_t info = series->rows->lsets[state->rows.ids[i]];
		if (!has_same_identity(b, state, base, info))
			continue;
		found = true;
		uint32_t rival = id_map_find(&state->rivals, state->rows.ids[i]);
		err = rival != ID_MAP_NONE ? fail_conflict(b, node, state->rows.ids[i], rival)
					   : take_labels(b, node, base, info, &lset);
	}
	if (err || (!found && !node->plan->info_optional)) {
		lset_unref(b->lsets, lset);
		return err;
	}
	return dynamic_add(b, &state->dynamic, lset, in->values[row]);
}

static int eval_info(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		     int64_t *units)
{
	struct info *state = node->state;
	const struct node *in = node->children[0], *series = node->children[1];
	unsigned wanted = 0; /* the identifying labels that any element has */
	int err = 0;
	dynamic_begin(b, &state->dynamic);
	forget_newest(b, state);
	*units -= (in->n + series->n) * 8; /* labels are made */
	FOR_BITS (row, series->present, 0, series->n)
		if (!err)
			err = take_info(b, node, row);
	if (!err)
		err = list_rows(state);
	FOR_BITS (row, in->present, 0, in->n)
		if (!is_info(b, node, in->rows->lsets[row]))
			wanted |= identity_of(b, state, in->rows->lsets[row]);
	FOR_BITS (row, in->present, 0, in->n) {
		uint32_t lset = in->rows->lsets[row];
		if (err)
			break;
		if (!is_info(b, node, lset)) {
			err = enrich(b, node, row, wanted);
			continue;
		}
		lset_ref(b->lsets, lset);
		err = dynamic_add(b, &state->dynamic, lset, in->values[row]);
	}
	return err ? err : dynamic_finish(b, node, &state->dynamic);
}

const struct node_kind node_info = {
	.name = "info",
	.makes_rows = true,
	.shape = shape_info,
	.eval = eval_info,
	.fini = fini_info,
};
