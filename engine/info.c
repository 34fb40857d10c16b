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
	/* Rows of the same job and instance: by these the first place in `rows`, and the next one. */
	struct id_map first;
	struct id_list next;
	unsigned wanted; /* the identifying labels that any element has */
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

/* A map whose keys are references. */
static void forget_keys(struct binding *b, struct id_map *map)
{
	for (uint32_t i = 0; map->slots && i <= map->mask; i++)
		if (map->slots[i].key != ID_MAP_NONE)
			lset_unref(b->lsets, map->slots[i].key);
	id_map_fini(map);
	*map = (struct id_map){ .slots = NULL };
}

static void forget_newest(struct binding *b, struct info *state)
{
	forget_keys(b, &state->newest);
	forget_keys(b, &state->first);
	id_map_fini(&state->rivals);
	state->rivals = (struct id_map){ .slots = NULL };
	state->rows.n = state->next.n = 0;
	state->wanted = 0;
}

static void fini_info(struct binding *b, struct node *node)
{
	struct info *state = node->state;
	if (!state)
		return;
	forget_newest(b, state);
	id_list_fini(&state->rows);
	id_list_fini(&state->next);
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

/* The rows that were found. */
static int list_rows(struct info *state)
{
	for (uint32_t i = 0; state->newest.slots && i <= state->newest.mask; i++)
		if (state->newest.slots[i].key != ID_MAP_NONE &&
		    !id_list_add(&state->rows, state->newest.slots[i].value))
			return ERR_NOMEM;
	return 0;
}

static uint32_t identity_lset(struct binding *b, const struct info *state, uint32_t lset)
{
	return lset_only(b->lsets, lset, state->identifying, IDENTIFYING);
}

/* Makes the place findable by the job and instance of its row, before those that are so already. */
static int index_row(struct binding *b, struct node *node, uint32_t place)
{
	struct info *state = node->state;
	uint32_t lset = node->children[1]->rows->lsets[state->rows.ids[place]];
	uint32_t key = identity_lset(b, state, lset);
	if (key == LSET_NONE)
		return ERR_NOMEM;
	uint32_t first = id_map_find(&state->first, key);
	bool ok = id_list_add(&state->next, first) && id_map_put(&state->first, key, place);
	if (!ok || first != ID_MAP_NONE)
		lset_unref(b->lsets, key);
	return ok ? 0 : ERR_NOMEM;
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
		if (matcher_is_metric_name(m) && !matcher_is_match(m, name))
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

/* The labels that the info series of the same identity give an element; *found: is there any? */
static int take_from_all(struct binding *b, struct node *node, uint32_t base, uint32_t *lset,
			 bool *found)
{
	struct info *state = node->state;
	const struct node *series = node->children[1];
	uint32_t key = identity_lset(b, state, base);
	if (key == LSET_NONE)
		return ERR_NOMEM;
	uint32_t place = id_map_find(&state->first, key);
	lset_unref(b->lsets, key);
	for (; place != ID_MAP_NONE; place = state->next.ids[place]) {
		uint32_t row = state->rows.ids[place], rival = id_map_find(&state->rivals, row);
		*found = true;
		int err = rival != ID_MAP_NONE
				  ? fail_conflict(b, node, row, rival)
				  : take_labels(b, node, base, series->rows->lsets[row], lset);
		if (err)
			return err;
	}
	return 0;
}

static int enrich(struct binding *b, struct node *node, uint32_t row)
{
	struct info *state = node->state;
	const struct node *in = node->children[0];
	uint32_t base = in->rows->lsets[row], lset = base;
	bool found = false;
	int err = 0;
	lset_ref(b->lsets, lset);
	if (is_info(b, node, base))
		return dynamic_add(b, &state->dynamic, lset, in->values[row]);
	if (state->wanted && identity_of(b, state, base) == state->wanted)
		err = take_from_all(b, node, base, &lset, &found);
	if (err || (!found && !node->plan->info_optional)) {
		lset_unref(b->lsets, lset);
		return err;
	}
	return dynamic_add(b, &state->dynamic, lset, in->values[row]);
}

/* Phases: info series, their index, identities of elements, elements, rows of the result. */
static uint32_t steps_info(const struct node *node)
{
	uint32_t nin = node->children[0]->n, nseries = node->children[1]->n;
	return 2 * steps_padded(nseries) + 2 * steps_padded(nin) + dynamic_steps(nin);
}

static int eval_info(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		     int64_t *units)
{
	struct info *state = node->state;
	const struct node *in = node->children[0], *series = node->children[1];
	struct steps steps = { .from = from, .to = to };
	int err = 0;
	if (from == 0) {
		dynamic_begin(b, &state->dynamic);
		forget_newest(b, state);
	}
	*units -= (int64_t)UNITS_LABELS * (to - from);
	if (steps_take(&steps, series->n))
		FOR_BITS (row, series->present, steps.at, steps.end)
			if (!err)
				err = take_info(b, node, row);
	if (!err && steps_take(&steps, series->n)) {
		if (steps.at == 0)
			err = list_rows(state);
		for (uint32_t i = steps.at; i < steps.end && i < state->rows.n && !err; i++)
			err = index_row(b, node, i);
	}
	if (!err && steps_take(&steps, in->n))
		FOR_BITS (row, in->present, steps.at, steps.end)
			if (!is_info(b, node, in->rows->lsets[row]))
				state->wanted |= identity_of(b, state, in->rows->lsets[row]);
	if (!err && steps_take(&steps, in->n))
		FOR_BITS (row, in->present, steps.at, steps.end)
			if (!err)
				err = enrich(b, node, row);
	return err ? err
		   : dynamic_finish(b, node, &state->dynamic, &steps, in->n,
				    to == steps_info(node));
}

const struct node_kind node_info = {
	.name = "info",
	.makes_rows = true,
	.shape = shape_info,
	.steps = steps_info,
	.eval = eval_info,
	.fini = fini_info,
};
