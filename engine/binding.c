#include "engine/binding.h"

#include <assert.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/join.h"

/* What binding costs, in rows. */
#define UNITS_SOURCE 200
#define UNITS_NODE 10
#define UNITS_UNPIN 5

/* ---- which kind ---- */

static bool is_scalar(const struct plan *plan, uint32_t id)
{
	return plan->nodes[id]->type == VALUE_SCALAR;
}

static const struct node_kind *kind_of_call(const struct plan *plan, const struct plan_node *p)
{
	switch (p->function->id) {
	case FN_TIME:
		return &node_time;
	case FN_START:
	case FN_END:
	case FN_STEP:
	case FN_RANGE:
		return &node_bounds;
	case FN_MIN_OF:
	case FN_MAX_OF:
		return &node_scalar_function;
	case FN_SCALAR:
		return &node_scalar;
	case FN_VECTOR:
		return &node_vector;
	case FN_ABSENT:
		return &node_absent;
	case FN_HISTOGRAM_QUANTILE:
	case FN_HISTOGRAM_FRACTION:
		return &node_histogram;
	case FN_HISTOGRAM_QUANTILES:
		return &node_quantile_label;
	case FN_INFO:
		return &node_info;
	case FN_LABEL_REPLACE:
	case FN_LABEL_JOIN:
		return &node_label_function;
	case FN_SORT:
	case FN_SORT_DESC:
	case FN_SORT_BY_LABEL:
	case FN_SORT_BY_LABEL_DESC:
		return &node_identity;
	case FN_HISTOGRAM_AVG:
	case FN_HISTOGRAM_COUNT:
	case FN_HISTOGRAM_SUM:
	case FN_HISTOGRAM_STDDEV:
	case FN_HISTOGRAM_STDVAR:
		return &node_histogram_only;
	case FN_START_TIMESTAMP: /* of anything else than samples there is none */
		return plan->nodes[p->children[0]]->op == PLAN_SELECT ? &node_start_timestamp
								      : &node_histogram_only;
	case FN_TIMESTAMP:
		return plan->nodes[p->children[0]]->op == PLAN_SELECT ? &node_timestamp
								      : &node_element;
	default:
		return &node_element;
	}
}

static const struct node_kind *kind_of_binary(const struct plan *plan, const struct plan_node *p)
{
	bool left = is_scalar(plan, p->children[0]), right = is_scalar(plan, p->children[1]);
	if (left && right)
		return &node_binary_scalar;
	if (left || right)
		return &node_binary_element;
	if (p->fills[0] || p->fills[1])
		return &node_fill;
	return binary_op_is_set(p->binary) ? &node_set : &node_join;
}

static const struct node_kind *kind_of_range(const struct plan_node *p)
{
	bool is_absent = p->function->id == FN_ABSENT_OVER_TIME;
	if (p->selector == PLAN_NONE)
		return is_absent ? &node_subquery_absent : &node_subquery_range;
	if (p->edges != EDGES_PLAIN)
		return &node_edges;
	return is_absent ? &node_absent_over_time : &node_range;
}

static const struct node_kind *kind_of_aggregate(const struct plan_node *p)
{
	switch (p->aggregate) {
	case AGG_TOPK:
	case AGG_BOTTOMK:
		return &node_pick;
	case AGG_LIMITK:
	case AGG_LIMIT_RATIO:
		return &node_limit;
	case AGG_COUNT_VALUES:
		return &node_count_values;
	default:
		return &node_aggregate;
	}
}

static const struct node_kind *kind_of(const struct plan *plan, const struct plan_node *p)
{
	switch (p->op) {
	case PLAN_NUMBER:
		return &node_number;
	case PLAN_STRING:
		return &node_string;
	case PLAN_TIME:
		return &node_time;
	case PLAN_SELECT:
		return p->edges == EDGES_SMOOTHED ? &node_smoothed : &node_select;
	case PLAN_SUBQUERY:
		return &node_subquery;
	case PLAN_RANGE:
		return kind_of_range(p);
	case PLAN_CALL:
		return kind_of_call(plan, p);
	case PLAN_FINISH:
		return &node_finish;
	case PLAN_NEGATE:
		return p->type == VALUE_SCALAR ? &node_negative : &node_element;
	case PLAN_BINARY:
		return kind_of_binary(plan, p);
	case PLAN_AGGREGATE:
		return kind_of_aggregate(p);
	}
	return NULL;
}

/* ---- life ---- */

/*
 * Who reads whom, turned round, in three rounds over all nodes: how many parents each has, where
 * they begin, which they are. A round's place is b->parents_at.
 */
enum parents_round { PARENTS_COUNT, PARENTS_SUM, PARENTS_FILL, PARENTS_MADE };

static int parents_begin(struct binding *b)
{
	uint32_t n = b->plan->nnodes;
	if (b->parent_start)
		return 0;
	b->parent_start = calloc(n + 2, sizeof(*b->parent_start));
	b->touched = calloc(words_of(n) + 1, sizeof(*b->touched));
	return b->parent_start && b->touched ? 0 : ERR_NOMEM;
}

static void parents_of(struct binding *b, uint32_t id)
{
	const struct plan_node *node = b->plan->nodes[id];
	uint32_t *start = b->parent_start;
	switch ((enum parents_round)b->parents_round) {
	case PARENTS_COUNT:
		for (uint32_t c = 0; c < node->nchildren; c++)
			start[node->children[c] + 2]++;
		return;
	case PARENTS_SUM:
		start[id + 2] += start[id + 1];
		return;
	case PARENTS_FILL:
		/* Moves each start to the next one's: they end up one place to the left. */
		for (uint32_t c = 0; c < node->nchildren; c++)
			b->parents[start[node->children[c] + 1]++] = id;
		return;
	case PARENTS_MADE:
		return;
	}
}

static int make_parents(struct binding *b, int64_t *units)
{
	uint32_t n = b->plan->nnodes;
	int err = parents_begin(b);
	for (; !err && b->parents_round < PARENTS_MADE; b->parents_round++, b->parents_at = 0) {
		for (; b->parents_at < n; b->parents_at++) {
			if (*units <= 0)
				return ERR_AGAIN;
			parents_of(b, b->parents_at);
			--*units;
		}
		if (b->parents_round != PARENTS_SUM)
			continue;
		b->parents = malloc((b->parent_start[n + 1] + 1) * sizeof(*b->parents));
		err = b->parents ? 0 : ERR_NOMEM;
	}
	return err;
}

static int source_begin(struct binding *b, struct series_source *source,
			const struct plan_selector *p)
{
	if (source->selector || source->selection)
		return 0;
	return b->options.standing
		       ? store_selector_begin(b->store, p->matchers, p->nmatchers,
					      &source->selector)
		       : selection_new(b->store, p->matchers, p->nmatchers, &source->selection);
}

static int source_fill(struct binding *b, struct series_source *source, int64_t *units)
{
	if (b->options.standing)
		return store_selector_fill(b->store, source->selector, units);
	int err = selection_step(source->selection, units);
	if (err)
		return err;
	size_t n;
	source->members = selection_take(source->selection, &n);
	source->nmembers = (uint32_t)n;
	selection_free(source->selection);
	source->selection = NULL;
	return 0;
}

/* Gives back what the source holds of series, some at a time. */
static int source_release(struct binding *b, struct series_source *source, int64_t *units)
{
	if (source->selector && store_selector_drop(b->store, source->selector, units))
		return ERR_AGAIN;
	source->selector = NULL;
	if (source->selection) {
		size_t n;
		free(source->members);
		source->members = selection_take(source->selection, &n);
		source->nmembers = (uint32_t)n;
		selection_free(source->selection);
		source->selection = NULL;
	}
	for (; source->nmembers > 0; source->nmembers--) {
		if (*units <= 0)
			return ERR_AGAIN;
		*units -= UNITS_UNPIN;
		series_unpin(b->store, source->members[source->nmembers - 1]);
	}
	free(source->members);
	source->members = NULL;
	id_list_fini(&source->leaves);
	return 0;
}

static int node_init(struct binding *b, uint32_t id)
{
	struct node *node = &b->nodes[id];
	const struct plan_node *p = b->plan->nodes[id];
	node->plan = p;
	node->kind = kind_of(b->plan, p);
	node->rows = &node->own;
	node->changes = &node->own_changes;
	node->wanted_ms = node->wanted_before_ms = TIME_NONE;
	/* label_join() alone has more: strings, which it reads from the plan. */
	node->nchildren = p->nchildren < NODE_CHILDREN_MAX ? p->nchildren : NODE_CHILDREN_MAX;
	for (uint32_t c = 0; c < node->nchildren; c++)
		node->children[c] = &b->nodes[p->children[c]];
	/*
	 * The times of a sample are not in the selector's columns: timestamp() and
	 * start_timestamp() read them where they are made.
	 */
	bool is_time = node->kind == &node_timestamp || node->kind == &node_start_timestamp;
	const struct plan_node *reads = is_time ? b->plan->nodes[p->children[0]] : p;
	if (!plan_node_is_leaf(reads))
		return 0;
	node->source = &b->sources[reads->selector];
	return plan_node_is_leaf(p) && !id_list_add(&node->source->leaves, id) ? ERR_NOMEM : 0;
}

static int binding_init(struct binding *b)
{
	const struct plan *plan = b->plan;
	b->name = symbol_intern(b->lsets, SLICE(METRIC_NAME));
	b->mark = symbol_intern(b->lsets, SLICE("\xff"));
	if (b->mark == UINT32_MAX)
		return ERR_NOMEM;
	static const char *const metadata[] = { METRIC_NAME, "__type__", "__unit__" };
	for (int i = 0; i < 3; i++) {
		b->metadata[i] = symbol_intern(b->lsets, slice_from(metadata[i]));
		if (b->metadata[i] == UINT32_MAX)
			return ERR_NOMEM;
	}
	b->nodes = calloc(plan->nnodes + 1, sizeof(*b->nodes));
	b->sources = calloc(plan->nselectors + 1, sizeof(*b->sources));
	return b->name == UINT32_MAX || !b->nodes || !b->sources ? ERR_NOMEM : 0;
}

int binding_bind(struct binding *b, int64_t *units)
{
	const struct plan *plan = b->plan;
	for (; b->nsources < plan->nselectors; b->nsources++) {
		struct series_source *source = &b->sources[b->nsources];
		if (*units <= 0)
			return ERR_AGAIN;
		int err = source_begin(b, source, &plan->selectors[b->nsources]);
		if (!err)
			err = source_fill(b, source, units);
		if (err)
			return err;
		*units -= UNITS_SOURCE;
	}
	while (b->nnodes < plan->nnodes) {
		if (*units <= 0)
			return ERR_AGAIN;
		int err = node_init(b, b->nnodes++);
		if (err)
			return err;
		*units -= UNITS_NODE;
	}
	int err = b->bound ? 0 : make_parents(b, units);
	b->bound = !err;
	return err;
}

int binding_new(struct store *store, const struct plan *plan, const struct binding_options *options,
		struct binding **out)
{
	struct binding *b = calloc(1, sizeof(*b));
	if (!b)
		return ERR_NOMEM;
	b->store = store;
	b->lsets = store_lsets(store);
	b->plan = plan;
	b->options = *options;
	memset(b->metadata, 0xff, sizeof(b->metadata));
	b->mark = UINT32_MAX;
	int err = binding_init(b);
	if (err) {
		binding_free(b);
		return err;
	}
	*out = b;
	return 0;
}

/* The rows go some at a time; before them what the kind made of them. */
static int node_release(struct binding *b, struct node *node, int64_t *units)
{
	if (node->kind && node->kind->fini && node->prepared)
		node->kind->fini(b, node);
	node->prepared = false;
	for (; node->own.n > 0; node->own.n--) {
		if (*units <= 0)
			return ERR_AGAIN;
		--*units;
		if (node->own.lsets[node->own.n - 1] != LSET_NONE)
			lset_unref(b->lsets, node->own.lsets[node->own.n - 1]);
	}
	free(node->own.lsets);
	id_list_fini(&node->own.free);
	id_list_fini(&node->own_changes.removed);
	id_list_fini(&node->own_changes.added);
	id_map_fini(&node->lset_uses);
	free(node->own_values);
	free(node->own_present);
	free(node->own_silent);
	free(node->ever);
	free(node->error);
	free(node->fault);
	return 0;
}

int binding_release(struct binding *b, int64_t *units)
{
	b->releasing = true;
	for (; b->nodes && b->nodes_gone < b->nnodes; b->nodes_gone++) {
		if (*units <= 0)
			return ERR_AGAIN;
		int err = node_release(b, &b->nodes[b->nodes_gone], units);
		if (err)
			return err;
		*units -= UNITS_NODE;
	}
	for (; b->sources && b->sources_gone < b->plan->nselectors; b->sources_gone++) {
		if (*units <= 0)
			return ERR_AGAIN;
		int err = source_release(b, &b->sources[b->sources_gone], units);
		if (err)
			return err;
		*units -= UNITS_NODE;
	}
	return 0;
}

void binding_free(struct binding *b)
{
	if (!b)
		return;
	int64_t units = INT64_MAX;
	binding_release(b, &units);
	if (b->name != UINT32_MAX)
		symbol_unref(b->lsets, b->name);
	if (b->mark != UINT32_MAX)
		symbol_unref(b->lsets, b->mark);
	for (int i = 0; i < 3; i++)
		if (b->metadata[i] != UINT32_MAX)
			symbol_unref(b->lsets, b->metadata[i]);
	free(b->nodes);
	free(b->sources);
	free(b->parent_start);
	free(b->parents);
	free(b->touched);
	free(b->scratch);
	free(b);
}

/* ---- shape ---- */

/* The rows of a child or, of a leaf, the members of its selector: which are there? */
static bool child_has(const struct node *node, uint32_t child, uint32_t row)
{
	if (!plan_node_is_leaf(node->plan))
		return rows_has(node->children[child]->rows, row);
	uint32_t n;
	return source_members(node->source, &n)[row] != NULL;
}

static uint32_t child_rows(const struct node *node, uint32_t child)
{
	if (!plan_node_is_leaf(node->plan))
		return node->children[child]->rows->n;
	uint32_t n;
	source_members(node->source, &n);
	return n;
}

static int shape_rows(struct binding *b, struct node *node, int64_t *units)
{
	/*
	 * A leaf takes its selector as child 0; the scalars that a range function takes have no
	 * rows.
	 */
	uint32_t children = plan_node_is_leaf(node->plan) ? 1 : node->nchildren;
	for (; node->shape_child < children; node->shape_child++, node->shape_row = 0) {
		uint32_t child = node->shape_child;
		while (node->shape_row < child_rows(node, child)) {
			if (*units <= 0)
				return ERR_AGAIN;
			uint32_t row = node->shape_row++;
			if (!child_has(node, child, row))
				continue;
			--*units;
			int err = node->kind->extend(b, node, child, row, true);
			if (err)
				return err;
		}
	}
	return 0;
}

static int shape_node(struct binding *b, struct node *node, int64_t *units)
{
	if (!node->prepared) {
		node->prepared = true;
		int err = node->kind->shape ? node->kind->shape(b, node) : 0;
		if (err)
			return err;
	}
	int err = node->kind->extend ? shape_rows(b, node, units) : 0;
	if (!err)
		node->shaped = true;
	return err;
}

int binding_shape(struct binding *b, int64_t *units)
{
	int bound = b->bound ? 0 : binding_bind(b, units);
	if (bound)
		return bound;
	for (; b->shaped < b->plan->nnodes; b->shaped++) {
		if (*units <= 0)
			return ERR_AGAIN;
		int err = shape_node(b, &b->nodes[b->shaped], units);
		if (err)
			return err;
		--*units;
	}
	return 0;
}

/* ---- extend ---- */

/* Rows that shape has not come to yet will be found as they are then. */
static bool is_followed(const struct node *node, uint32_t child, uint32_t row)
{
	if (node->shaped)
		return true;
	return node->prepared &&
	       (child < node->shape_child || (child == node->shape_child && row < node->shape_row));
}

static int follow(struct binding *b, struct node *node, uint32_t child, uint32_t row, bool added)
{
	return is_followed(node, child, row) ? node->kind->extend(b, node, child, row, added) : 0;
}

/*
 * The log tells which rows changed, not what stands there now: the same row may come and go several
 * times. An addition counts only if a member is there in the end.
 */
static int extend_leaf(struct binding *b, struct node *node)
{
	const struct selector *selector = node->source->selector;
	for (uint32_t i = 0; i < selector->nlog; i++) {
		struct selector_change change = selector->log[i];
		if (change.added && !selector->members[change.row])
			continue;
		int err = follow(b, node, 0, change.row, change.added);
		if (err)
			return err;
	}
	return 0;
}

static int extend_inner(struct binding *b, struct node *node)
{
	for (int added = 0; added <= 1; added++) {
		for (uint32_t c = 0; c < node->nchildren; c++) {
			const struct node *child = node->children[c];
			const struct id_list *list =
				added ? &child->changes->added : &child->changes->removed;
			for (uint32_t i = 0; i < list->n; i++) {
				if (added && !rows_has(child->rows, list->ids[i]))
					continue; /* it came, and went again */
				int err = follow(b, node, c, list->ids[i], added);
				if (err)
					return err;
			}
		}
	}
	return 0;
}

static int extend_node(struct binding *b, uint32_t id)
{
	struct node *node = &b->nodes[id];
	node->valid = false;
	for (uint32_t i = b->parent_start[id]; i < b->parent_start[id + 1]; i++)
		bit_set(b->touched, b->parents[i]);
	if (!node->kind->extend)
		return 0;
	return plan_node_is_leaf(node->plan) ? extend_leaf(b, node) : extend_inner(b, node);
}

static void forget_changes(struct binding *b)
{
	FOR_BITS (id, b->touched, 0, b->plan->nnodes) {
		b->nodes[id].own_changes.removed.n = 0;
		b->nodes[id].own_changes.added.n = 0;
	}
	bits_clear(b->touched, b->plan->nnodes);
}

/* Parents come after their children: a node is touched before the walk comes to it. */
static int extend_touched(struct binding *b)
{
	int err = 0;
	for (uint32_t word = 0; word < words_of(b->plan->nnodes) && !err; word++) {
		for (uint64_t left = b->touched[word]; left && !err;) {
			uint32_t bit = (uint32_t)__builtin_ctzll(left);
			err = extend_node(b, word * 64 + bit);
			left = bit == 63 ? 0 : b->touched[word] >> (bit + 1) << (bit + 1);
		}
	}
	forget_changes(b);
	if (err || b->broken) {
		b->broken = true;
		return err ? err : ERR_NOMEM;
	}
	return 0;
}

int binding_follow(struct binding *b, struct node *node)
{
	uint32_t id = node->plan->id;
	if (!node->own_changes.removed.n && !node->own_changes.added.n)
		return 0;
	for (uint32_t i = b->parent_start[id]; i < b->parent_start[id + 1]; i++)
		bit_set(b->touched, b->parents[i]);
	int err = extend_touched(b);
	node->own_changes.removed.n = node->own_changes.added.n = 0;
	return err;
}

int binding_extend(struct binding *b)
{
	bool any = false;
	if (!b->bound || b->releasing)
		return 0; /* what came will be found as it is */
	for (uint32_t i = 0; i < b->plan->nselectors; i++) {
		struct series_source *source = &b->sources[i];
		if (!source->selector || !source->selector->nlog)
			continue;
		any = true;
		for (uint32_t l = 0; l < source->leaves.n; l++)
			bit_set(b->touched, source->leaves.ids[l]);
	}
	if (!any)
		return 0;
	b->extends++;
	return extend_touched(b);
}

/* ---- eval ---- */

int node_columns_reserve(struct node *node)
{
	uint32_t n = node->base ? node->base->rows->n : node->rows->n;
	node->n = n;
	if (n <= node->cols_cap && node->own_present)
		return 0;
	uint32_t cap = (n + n / 4 + 64) / 64 * 64;
	free(node->own_values);
	free(node->own_present);
	free(node->own_silent);
	node->own_values = calloc(cap, sizeof(*node->own_values));
	node->own_present = calloc(words_of(cap), sizeof(*node->own_present));
	node->own_silent = calloc(words_of(cap), sizeof(*node->own_silent));
	node->cols_cap = node->own_values && node->own_present && node->own_silent ? cap : 0;
	return node->cols_cap ? 0 : ERR_NOMEM;
}

static uint64_t fed_below(const struct node *node)
{
	if (node->plan->op == PLAN_SUBQUERY)
		return subquery_fed(node);
	const struct selector *selector = node->source ? node->source->selector : NULL;
	uint64_t fed = selector ? selector->fed + selector->late.count : 0;
	for (uint32_t c = 0; c < node->nchildren; c++)
		fed += node->children[c]->fed;
	return fed;
}

/*
 * Rows that count as present: those of this time or, for a range function in a query, of any time
 * so far. Prometheus evaluates it at all the times before it looks for namesakes.
 */
static const uint64_t *counted_rows(struct binding *b, struct node *node)
{
	if (node->plan->op != PLAN_RANGE || !b->options.bounds || b->plan->delayed_names)
		return node->present;
	uint32_t words = words_of(node->n);
	if (words > node->ever_cap) {
		uint64_t *ever = realloc(node->ever, words * sizeof(*ever));
		if (!ever)
			return NULL;
		memset(ever + node->ever_cap, 0, (words - node->ever_cap) * sizeof(*ever));
		node->ever = ever;
		node->ever_cap = words;
	}
	for (uint32_t i = 0; i < words; i++)
		node->ever[i] |= node->present[i];
	return node->ever;
}

/* Two present rows with the same labels, of those that have a namesake at all? */
int node_check_repeats(struct binding *b, struct node *node)
{
	struct id_map seen = { .slots = NULL };
	const uint64_t *rows = counted_rows(b, node);
	int err = rows ? 0 : ERR_NOMEM;
	FOR_BITS (row, rows, 0, rows ? node->n : 0) {
		uint32_t lset = node->rows->lsets[row];
		if (err || id_map_find(&node->lset_uses, lset) < 2)
			continue;
		if (id_map_find(&seen, lset) != ID_MAP_NONE)
			err = node_fail(node,
					"vector cannot contain metrics with the same labelset");
		else if (!id_map_put(&seen, lset, row))
			err = ERR_NOMEM;
	}
	id_map_fini(&seen);
	return err;
}

void node_eval_begin(struct binding *b, struct node *node)
{
	node->valid = node->failed = false;
	free(node->error);
	node->error = NULL;
	node->values = node->own_values;
	node->present = node->own_present;
	node->silent = node->base ? node->base->silent : NULL;
	b->silent = b->options.any_silent && *b->options.any_silent;
}

static uint32_t steps_of(const struct node *node)
{
	return node->kind->steps ? node->kind->steps(node) : node->n;
}

int node_eval_whole(struct binding *b, struct node *node, int64_t *units)
{
	return node->kind->eval(b, node, 0, steps_of(node), units);
}

static int eval_rows(struct binding *b, struct node *node, uint32_t *row, int64_t *units)
{
	uint32_t end = steps_of(node);
	if (!node->kind->by_rows && !node->kind->steps) {
		*row = end;
		return node_eval_whole(b, node, units);
	}
	do {
		uint32_t from = *row, left = end - from;
		uint32_t to = left > EVAL_CHUNK ? from + EVAL_CHUNK : end;
		int err = node->kind->eval(b, node, from, to, units);
		if (err)
			return err;
		*row = to;
	} while (*units > 0 && *row < end);
	return *row < end ? ERR_AGAIN : 0;
}

static bool is_current(const struct binding *b, const struct node *node, uint64_t fed)
{
	return node->valid && node->t_ms == b->t_ms && node->fed == fed &&
	       (!node->plan->depends_on_bounds || node->asked_ms == b->bounds.end_ms);
}

void node_eval_end(struct binding *b, struct node *node, uint64_t fed, int err)
{
	node->valid = true;
	node->failed = err != 0;
	node->t_ms = b->t_ms;
	node->asked_ms = b->bounds.end_ms;
	node->fed = fed;
	node->evals++;
	node->rows_evaluated += node->n;
}

static int eval_prepare(struct binding *b, struct node *node)
{
	node->units = 0;
	int err = node_columns_reserve(node);
	if (err)
		return err;
	node_eval_begin(b, node);
	return node->kind->begin ? node->kind->begin(b, node) : 0;
}

/* Evaluates one node from *row on, unless its columns are those of this time already. */
static int eval_node(struct binding *b, struct node *node, uint32_t *row, int64_t *units)
{
	uint64_t fed = fed_below(node);
	if (*row == 0 && node->wanted_ms != b->t_ms) {
		node->wanted_before_ms = node->wanted_ms;
		node->wanted_ms = b->t_ms;
	}
	if (*row == 0 && is_current(b, node, fed)) {
		node->cached++;
		return node->failed ? ERR_EVAL : 0;
	}
	int64_t before = *units;
	uint32_t cap = node->cols_cap;
	int err = *row == 0 ? eval_prepare(b, node) : 0;
	if (err)
		return err;
	if (node->cols_cap != cap)
		*units -= UNITS_COLUMNS + node->cols_cap / 8;
	if (node->fault)
		err = node_fail(node, "%s", node->fault);
	else
		err = eval_rows(b, node, row, units);
	node->units += (uint64_t)(before - *units);
	if (!err && node->repeats)
		err = node_check_repeats(b, node);
	if (err && err != ERR_EVAL)
		return err;
	node_eval_end(b, node, fed, err);
	if (node->kind->end)
		node->kind->end(b, node, err);
	return err;
}

void node_failure_note(struct node *root, const struct node *node)
{
	if (root == node)
		return;
	free(root->error);
	root->error = node->error ? strdup(node->error) : NULL;
	root->valid = false;
}

int binding_eval_grid(struct binding *b, const uint32_t *order, uint32_t norder,
		      struct eval_cursor *cursor, int64_t *units, struct node **failed)
{
	uint32_t grid = b->plan->nodes[order[norder - 1]]->grid;
	for (; cursor->node < norder; cursor->node++, cursor->row = 0) {
		struct node *node = &b->nodes[order[cursor->node]];
		if (node->plan->grid != grid)
			continue; /* a subquery will see to it */
		if (*units <= 0)
			return ERR_AGAIN;
		int err = eval_node(b, node, &cursor->row, units);
		if (err == ERR_EVAL)
			*failed = node;
		if (err)
			return err;
	}
	return 0;
}

void binding_time_set(struct binding *b, int64_t t_ms)
{
	b->t_ms = t_ms;
	b->bounds = b->options.bounds ? *b->options.bounds : (struct query_bounds){ t_ms, t_ms, 0 };
	b->silent = b->options.any_silent && *b->options.any_silent;
}

int binding_eval(struct binding *b, const uint32_t *order, uint32_t norder, int64_t t_ms,
		 struct eval_cursor *cursor, int64_t *units)
{
	assert(b->shaped == b->plan->nnodes);
	if (b->broken)
		return ERR_NOMEM;
	/*
	 * Columns may have lost rows since the last quantum: what is still valid is passed over
	 * quickly.
	 */
	if (b->eval_extends != b->extends || b->t_ms != t_ms)
		*cursor = (struct eval_cursor){ 0, 0 };
	if (cursor->node == 0 && cursor->row == 0)
		b->samples = 0;
	b->eval_extends = b->extends;
	binding_time_set(b, t_ms);
	struct node *failed;
	int err = binding_eval_grid(b, order, norder, cursor, units, &failed);
	if (err == ERR_EVAL)
		node_failure_note(&b->nodes[order[norder - 1]], failed);
	return err;
}

uint64_t binding_samples(const struct binding *b)
{
	return b->samples;
}

void binding_invalidate(struct binding *b)
{
	for (uint32_t i = 0; i < b->plan->nnodes; i++)
		b->nodes[i].valid = false;
}

/* ---- looking in ---- */

const char *binding_error(const struct binding *b, uint32_t id)
{
	const struct node *node = &b->nodes[id];
	return node->error ? node->error : "";
}

void binding_relation(const struct binding *b, uint32_t id, struct relation *out)
{
	const struct node *node = &b->nodes[id];
	*out = (struct relation){ .type = node->plan->type, .scalar = node->scalar };
	if (node->plan->type != VALUE_VECTOR || !node->valid || node->failed)
		return;
	out->nrows = node->n < node->rows->n ? node->n : node->rows->n;
	out->lsets = node->rows->lsets;
	out->values = node->values;
	out->present = node->present;
	out->silent = node->silent;
}

uint32_t relation_count(const struct relation *relation)
{
	uint32_t count = 0;
	for (uint32_t i = 0, end = words_of(relation->nrows); i < end; i++)
		count += (uint32_t)__builtin_popcountll(relation->present[i]);
	return count;
}

struct selector *binding_selector(const struct binding *b, uint32_t plan_selector)
{
	return b->sources[plan_selector].selector;
}

struct series *const *binding_members(const struct binding *b, uint32_t plan_selector, uint32_t *n)
{
	return source_members(&b->sources[plan_selector], n);
}

int64_t binding_reach_ms(const struct binding *b, uint32_t id)
{
	const struct plan_node *p = b->plan->nodes[id];
	if (p->at == AT_TIME)
		return PLAN_REACH_ALL;
	int64_t back_ms = p->op == PLAN_RANGE ? p->range_ms : 0;
	/* What is at the edges may come from before them. */
	if (p->op == PLAN_SELECT || p->edges != EDGES_PLAIN)
		back_ms += b->options.lookback_ms;
	return back_ms + p->offset_ms;
}

void binding_node_stats_get(const struct binding *b, uint32_t id, struct binding_node_stats *out)
{
	const struct node *node = &b->nodes[id];
	*out = (struct binding_node_stats){
		.rows = node->rows->n,
		.live = node->rows->live,
		.evals = node->evals,
		.rows_evaluated = node->rows_evaluated,
		.cached = node->cached,
		.units = node->units,
	};
}

/* ---- checks ---- */

static void check_node(struct binding *b, const struct node *node)
{
	const struct rows *rows = node->rows;
	uint32_t live = 0;
	assert(rows->n <= rows->cap);
	for (uint32_t row = 0; row < rows->n; row++) {
		live += rows_has(rows, row);
		/* Interned and alive. */
		assert(!rows_has(rows, row) || lset_count(b->lsets, rows->lsets[row]) < UINT32_MAX);
		/* Whose ids are a child's has a row exactly where that has one. */
		if (node->base)
			assert(rows_has(rows, row) == rows_has(node->base->rows, row));
	}
	assert(live == rows->live);
	assert(node->own_changes.removed.n == 0 && node->own_changes.added.n == 0);
	if (node->source && plan_node_is_leaf(node->plan) && node->kind->extend) {
		uint32_t n;
		struct series **members = source_members(node->source, &n);
		for (uint32_t row = 0; row < n; row++)
			assert(rows_has(rows, row) == (members[row] != NULL));
	}
	if (node->kind == &node_join)
		match_check(&((const struct join *)node->state)->match);
	if (!node->may_repeat)
		return;
	uint32_t uses = 0;
	for (uint32_t i = 0; node->lset_uses.slots && i <= node->lset_uses.mask; i++)
		if (node->lset_uses.slots[i].key != ID_MAP_NONE)
			uses += node->lset_uses.slots[i].value - 1;
	assert(uses == node->repeats);
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static uint32_t *sorted_lsets(const struct rows *rows)
{
	uint32_t *lsets = malloc((rows->n + 1) * sizeof(*lsets)), n = 0;
	assert(lsets);
	for (uint32_t row = 0; row < rows->n; row++)
		if (rows_has(rows, row))
			lsets[n++] = rows->lsets[row];
	qsort(lsets, n, sizeof(*lsets), compare_ids);
	return lsets;
}

/* The same label sets, each as often; the ids may differ. */
static void compare_rows(const struct rows *a, const struct rows *b)
{
	assert(a->live == b->live);
	uint32_t *left = sorted_lsets(a), *right = sorted_lsets(b);
	assert(memcmp(left, right, a->live * sizeof(*left)) == 0);
	free(left);
	free(right);
}

void binding_check(struct binding *b)
{
	assert(b->shaped == b->plan->nnodes && !b->broken);
	struct binding *fresh;
	int64_t units = INT64_MAX;
	int err = binding_new(b->store, b->plan, &b->options, &fresh);
	assert(!err);
	err = binding_shape(fresh, &units);
	assert(!err);
	bool *crowded = calloc(b->plan->nnodes + 1, sizeof(*crowded));
	assert(crowded);
	for (uint32_t i = 0; i < b->plan->nnodes; i++) {
		check_node(b, &b->nodes[i]);
		/*
		 * Which of too many partners have a row depends on who came first, and which rows
		 * evaluations made on those, here and in all that is above.
		 */
		crowded[i] = b->nodes[i].kind->makes_rows ||
			     (b->nodes[i].kind == &node_join && join_is_crowded(&b->nodes[i]));
		for (uint32_t c = 0; c < b->nodes[i].nchildren; c++)
			crowded[i] |= crowded[b->nodes[i].children[c]->plan->id];
		if (crowded[i])
			continue;
		assert(b->nodes[i].repeats == fresh->nodes[i].repeats);
		compare_rows(b->nodes[i].rows, fresh->nodes[i].rows);
	}
	free(crowded);
	binding_free(fresh);
}
