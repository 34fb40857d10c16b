/*
 * The life of a binding: it is bound to the store's series, in quanta, and let go in quanta. And
 * what others see of it. Its rows are made in binding_rows.c, its columns in binding_eval.c.
 */
#include "engine/binding.h"

#include <stdlib.h>

#include "base/text.h"
#include "engine/node.h"

/* What binding costs, in rows. */
#define UNITS_SOURCE 200
#define UNITS_NODE 10
#define UNITS_UNPIN 5

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
	node->kind = node_kind_of(b->plan, p);
	node->grid = p->grid;
	node->is_subquery = p->op == PLAN_SUBQUERY;
	node->depends_on_bounds = p->depends_on_bounds;
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
	node->selector = node->source->selector;
	return plan_node_is_leaf(p) && !id_list_add(&node->source->leaves, id) ? ERR_NOMEM : 0;
}

/* The first cache line that begins there: less than a node further on. NULL: no room. */
static void *line_begin(void *room)
{
	return room ? (char *)room + -(uintptr_t)room % NODE_LINE_BYTES : NULL;
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
	b->nodes_room = calloc(plan->nnodes + 1, sizeof(*b->nodes));
	b->nodes = line_begin(b->nodes_room);
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
	bool has_state = node->kind && node->prepared && node->state;
	if (has_state && node->kind->release && node->kind->release(b, node, units))
		return ERR_AGAIN;
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
	free(b->nodes_room);
	free(b->sources);
	free(b->parent_start);
	free(b->parents);
	free(b->touched);
	free(b->scratch);
	free(b);
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
		.cached = node->cached,
		.units = node->units,
	};
}
