/*
 * Expressions → the graph. A node is first made in scratch memory, with its children already in
 * the plan; if an equal one is there, that is taken, and else it is copied in.
 */
#include "rules/plan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/expr.h"
#include "rules/fold.h"
#include "rules/names.h"
#include "rules/plan_index.h"
#include "rules/plan_log.h"

struct builder {
	struct plan *plan;
	uint32_t grid; /* of the nodes that are built */
	struct arena scratch;
	const struct expr *aggregate; /* that takes the call about to be built as it is, or NULL */
};

/*
 * What an expression comes to: a constant, which becomes a node only where one is needed, or a
 * node.
 */
struct value {
	bool is_constant;
	double number;
	uint32_t id;
};

static int build_value(struct builder *builder, const struct expr *expr, struct value *out);
static int build(struct builder *builder, const struct expr *expr, uint32_t *out);

struct plan *plan_new(void)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return NULL;
	arena_init(&plan->arena, 0);
	plan->nodes_max = PLAN_NODES_MAX;
	plan->subquery_step_ms = PLAN_SUBQUERY_STEP_MS;
	plan->index = plan_index_new();
	plan->grids = calloc(1, sizeof(*plan->grids));
	plan->ngrids = plan->grids_cap = 1;
	if (!plan->index || !plan->grids) {
		plan_free(plan);
		return NULL;
	}
	return plan;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (uint32_t i = 0; i < plan->nselectors; i++) {
		matchers_free(plan->selectors[i].matchers, plan->selectors[i].nmatchers);
		free(plan->selectors[i].text);
	}
	free(plan->selectors);
	plan_logs_free(plan);
	free(plan->nodes);
	free(plan->grids);
	plan_index_free(plan->index);
	arena_fini(&plan->arena);
	free(plan);
}

/* Room for one more node and one more selector. */
static int reserve(struct plan *plan)
{
	if (plan->nnodes == plan->nodes_cap) {
		uint32_t cap = plan->nodes_cap ? 2 * plan->nodes_cap : 64;
		struct plan_node **nodes = realloc(plan->nodes, cap * sizeof(struct plan_node *));

		if (!nodes)
			return ERR_NOMEM;
		plan->nodes = nodes;
		plan->nodes_cap = cap;
	}
	if (plan->nselectors == plan->selectors_cap) {
		uint32_t cap = plan->selectors_cap ? 2 * plan->selectors_cap : 16;
		struct plan_selector *selectors =
			realloc(plan->selectors, cap * sizeof(*selectors));

		if (!selectors)
			return ERR_NOMEM;
		plan->selectors = selectors;
		plan->selectors_cap = cap;
	}
	return plan_index_reserve(plan);
}

/* Copies into the plan's memory. False: out of memory. */

static bool keep_bytes(struct plan *plan, const void *from, size_t n, void *out_pointer)
{
	void *to = NULL;

	if (n > 0) {
		to = arena_alloc(&plan->arena, n);
		if (!to)
			return false;
		memcpy(to, from, n);
	}
	memcpy(out_pointer, &to, sizeof(to));
	return true;
}

static bool keep_text(struct plan *plan, struct slice *text)
{
	return keep_bytes(plan, text->ptr, text->len, &text->ptr);
}

static bool keep_names(struct plan *plan, struct names *names)
{
	if (!keep_bytes(plan, names->items, names->n * sizeof(*names->items), &names->items))
		return false;
	for (uint32_t i = 0; i < names->n; i++)
		if (!keep_text(plan, &names->items[i]))
			return false;
	return true;
}

static bool keep_labels(struct plan *plan, struct plan_node *node)
{
	struct label *labels;

	if (!keep_bytes(plan, node->absent_labels, node->nabsent_labels * sizeof(*labels), &labels))
		return false;
	for (uint32_t i = 0; i < node->nabsent_labels; i++)
		if (!keep_text(plan, &labels[i].name) || !keep_text(plan, &labels[i].value))
			return false;
	node->absent_labels = labels;
	return true;
}

static struct plan_node *keep_node(struct plan *plan, const struct plan_node *from)
{
	struct plan_node *node = ARENA_NEW(&plan->arena, struct plan_node);

	if (!node)
		return NULL;
	*node = *from;
	if (!keep_bytes(plan, from->children, from->nchildren * sizeof(*from->children),
			&node->children) ||
	    !keep_text(plan, &node->string) || !keep_names(plan, &node->include) ||
	    !keep_names(plan, &node->labels) || !keep_labels(plan, node))
		return NULL;
	return node;
}

static bool depends_on_bounds(const struct plan *plan, const struct plan_node *node)
{
	bool depends = node->at == AT_START || node->at == AT_END ||
		       (node->function && node->function->flags & OF_QUERY);

	for (uint32_t i = 0; i < node->nchildren; i++)
		depends = depends || plan->nodes[node->children[i]]->depends_on_bounds;
	return depends;
}

/* The node equal to this one: found, or added. */
static int intern(struct builder *builder, struct plan_node *node, uint32_t *out)
{
	struct plan *plan = builder->plan;

	node->grid = builder->grid;
	node->depends_on_bounds = depends_on_bounds(plan, node);
	node->hash = plan_node_hash(node);
	uint32_t id = plan_index_find_node(plan, node);

	if (id == PLAN_NONE) {
		if (plan->nnodes >= plan->nodes_max)
			return ERR_LIMIT;
		struct plan_node *kept = reserve(plan) == 0 ? keep_node(plan, node) : NULL;

		if (!kept)
			return ERR_NOMEM;
		id = plan->nnodes++;
		kept->id = id;
		plan->nodes[id] = kept;
		plan_index_add_node(plan, id);
		for (uint32_t i = 0; i < kept->nchildren; i++)
			plan->nodes[kept->children[i]]->nparents++;
	}
	struct plan_node *known = plan->nodes[id];
	known->place = node->place;
	known->vector_place = node->vector_place;
	*out = id;
	return 0;
}

/* Selectors */

static int compare_matchers(const void *a, const void *b)
{
	return matcher_compare(*(const struct matcher *const *)a,
			       *(const struct matcher *const *)b);
}

/* Sorted and unique; pointers into the tree. */
static const struct matcher **canonical_matchers(struct builder *builder, const struct expr *expr,
						 uint32_t *n)
{
	const struct matcher **list =
		ARENA_ARRAY(&builder->scratch, const struct matcher *, expr->selector.nmatchers);
	uint32_t kept = 0;

	if (!list)
		return NULL;
	for (uint32_t i = 0; i < expr->selector.nmatchers; i++)
		list[i] = &expr->selector.matchers[i];
	qsort(list, expr->selector.nmatchers, sizeof(*list), compare_matchers);
	for (uint32_t i = 0; i < expr->selector.nmatchers; i++)
		if (i == 0 || !matcher_is_equal(list[i], list[kept - 1]))
			list[kept++] = list[i];
	*n = kept;
	return list;
}

/* Copies to matchers_free(); NULL: out of memory. */
static struct matcher *dup_matchers(const struct matcher *const *list, uint32_t n)
{
	struct matcher *matchers = calloc(n, sizeof(*matchers));

	for (uint32_t i = 0; matchers && i < n; i++) {
		if (matcher_dup(list[i], &matchers[i]) < 0) {
			matchers_free(matchers, i);
			return NULL;
		}
	}
	return matchers;
}

static char *selector_text(const struct matcher *const *list, uint32_t n)
{
	struct buf text;

	buf_init(&text);
	for (uint32_t i = 0; i < n; i++) {
		buf_add_char(&text, i ? ',' : '{');
		matcher_format(list[i], &text);
	}
	buf_add_char(&text, '}');
	return buf_take(&text);
}

static int add_selector(struct builder *builder, const struct matcher *const *list, uint32_t n,
			uint32_t *out)
{
	struct plan *plan = builder->plan;
	char *text = selector_text(list, n);

	if (!text || reserve(plan) < 0) {
		free(text);
		return ERR_NOMEM;
	}
	*out = plan_index_find_selector(plan, text);
	struct matcher *matchers = *out == PLAN_NONE ? dup_matchers(list, n) : NULL;

	if (!matchers) {
		free(text);
		return *out == PLAN_NONE ? ERR_NOMEM : 0;
	}
	*out = plan->nselectors++;
	plan->selectors[*out] =
		(struct plan_selector){ .text = text, .matchers = matchers, .nmatchers = n };
	plan_index_add_selector(plan, *out);
	return 0;
}

static void put_times(const struct expr *expr, struct plan_node *node)
{
	node->range_ms = expr->selector.range_ms;
	node->offset_ms = expr->selector.offset_ms;
	node->at = expr->at;
	node->at_ms = expr->at_ms;
	node->edges = expr->edges;
}

static int put_selector(struct builder *builder, const struct expr *expr, struct plan_node *node)
{
	uint32_t n = 0;
	const struct matcher **list = canonical_matchers(builder, expr, &n);

	put_times(expr, node);
	return list ? add_selector(builder, list, n, &node->selector) : ERR_NOMEM;
}

/* The derived series of that name: as a selector, which is found or added. */
static int add_log_selector(struct builder *builder, const char *name, uint32_t *out)
{
	struct matcher matcher;
	const struct matcher *list[] = { &matcher };
	char *why; /* an equality has no pattern to be wrong */
	int error = matcher_init(&matcher, MATCH_EQ, SLICE(METRIC_NAME), slice_from(name), &why);

	if (error)
		return error;
	error = add_selector(builder, list, 1, out);
	matcher_fini(&matcher);
	return error;
}

static int put_log(struct builder *builder, const struct expr *expr,
		   const struct matcher *const *list, uint32_t n, struct plan_log *log,
		   uint32_t *out)
{
	struct plan *plan = builder->plan;
	int error = add_log_selector(builder, log->name, &log->selector);

	if (error)
		return error;
	*out = plan->selectors[log->selector].log;
	if (*out != 0) {
		free(log->name);
		return 0;
	}
	log->matchers = dup_matchers(list, n);
	log->nmatchers = n;
	error = log->matchers ? plan_log_add(plan, log, expr->selector.log, out) : ERR_NOMEM;
	if (error && log->matchers)
		matchers_free(log->matchers, n);
	if (!error)
		plan->selectors[log->selector].log = *out;
	return error;
}

/* A log range: the node reads the series that is derived for the call. */
static int put_log_range(struct builder *builder, const struct expr *call, const struct expr *expr,
			 const struct expr *aggregate, struct plan_node *node)
{
	uint32_t n = 0;
	const struct matcher **list = canonical_matchers(builder, expr, &n);
	struct plan_log log;
	int error = list ? plan_log_describe(call, expr, aggregate, &builder->scratch, &log)
			 : ERR_NOMEM;

	if (error)
		return error;
	log.name = plan_log_name(&log, list, n, expr->selector.log);
	if (!log.name)
		return ERR_NOMEM;
	put_times(expr, node);
	error = put_log(builder, expr, list, n, &log, &node->log);
	node->selector = log.selector;
	if (error)
		free(log.name);
	return error;
}

static int build_selector(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node node = { .op = PLAN_SELECT, .type = VALUE_VECTOR };
	int error = put_selector(builder, expr, &node);

	assert(expr->selector.range_ms == 0);
	return error ? error : intern(builder, &node, out);
}

/* Subqueries */

/* The grid of a step below the one that is built on: found, or added. */
static int find_grid(struct builder *builder, int64_t step_ms, uint32_t *out)
{
	struct plan *plan = builder->plan;

	for (*out = 1; *out < plan->ngrids; ++*out)
		if (plan->grids[*out].outer == builder->grid &&
		    plan->grids[*out].step_ms == step_ms)
			return 0;
	if (plan->ngrids == PLAN_GRIDS_MAX)
		return ERR_LIMIT;
	if (plan->ngrids == plan->grids_cap) {
		uint32_t cap = 2 * plan->grids_cap;
		struct plan_grid *grids = realloc(plan->grids, cap * sizeof(*grids));

		if (!grids)
			return ERR_NOMEM;
		plan->grids = grids;
		plan->grids_cap = cap;
	}
	plan->grids[plan->ngrids++] = (struct plan_grid){ builder->grid, step_ms };
	return 0;
}

static int build_subquery(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node node = {
		.op = PLAN_SUBQUERY,
		.type = VALUE_VECTOR,
		.range_ms = expr->subquery.range_ms,
		.offset_ms = expr->subquery.offset_ms,
		.step_ms = expr->subquery.step_ms ? expr->subquery.step_ms
						  : builder->plan->subquery_step_ms,
		.at = expr->at,
		.at_ms = expr->at_ms,
		.nchildren = 1,
	};
	uint32_t outer = builder->grid, grid = 0, child;
	int error = find_grid(builder, node.step_ms, &grid);

	builder->grid = grid;
	if (!error)
		error = build(builder, expr->subquery.operand, &child);
	builder->grid = outer;
	node.children = &child;
	return error ? error : intern(builder, &node, out);
}

/* Calls */

static const struct expr *without_parens(const struct expr *expr)
{
	while (expr->kind == EXPR_PAREN && !expr->unary.is_plus)
		expr = expr->unary.operand;
	return expr;
}

static int compare_labels(const void *a, const void *b)
{
	return slice_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/*
 * Prometheus goes over the matchers as written, but moves those that only take away behind the
 * others: the first equality of a label sets it, anything after that removes it. (So {a!="",a="c"}
 * gives a="c", and {a!="b",a="c"} nothing.)
 */
static bool is_absent_label(const struct expr *selector, uint32_t at)
{
	const struct matcher *matcher = &selector->selector.matchers[at];
	struct slice name = { matcher->name, matcher->name_len };

	if (matcher->type != MATCH_EQ || matcher->value_len == 0 || slice_is(name, METRIC_NAME))
		return false;
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *other = &selector->selector.matchers[i];

		bool takes_away = (other->type == MATCH_NE || other->type == MATCH_NRE) &&
				  matcher_is_match(other, SLICE(""));

		if (i != at &&
		    slice_is_equal(name, (struct slice){ other->name, other->name_len }) &&
		    (i > at || other->type == MATCH_EQ || takes_away))
			return false;
	}
	return true;
}

static int put_absent_labels(struct builder *builder, const struct expr *selector,
			     struct plan_node *node)
{
	struct label *labels =
		ARENA_ARRAY(&builder->scratch, struct label, selector->selector.nmatchers);

	if (!labels)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *matcher = &selector->selector.matchers[i];

		if (is_absent_label(selector, i))
			labels[node->nabsent_labels++] =
				(struct label){ { matcher->name, matcher->name_len },
						{ matcher->value, matcher->value_len } };
	}
	if (node->nabsent_labels)
		qsort(labels, node->nabsent_labels, sizeof(*labels), compare_labels);
	node->absent_labels = labels;
	return 0;
}

/*
 * Notes are of an argument: of the range, the quantile, or the buckets; those of sort() of itself. Of
 * a subquery Prometheus has forgotten the place when it comes to that.
 */
static uint32_t place_of(const struct expr *call)
{
	switch (call->call.function->id) {
	case FN_SORT:
	case FN_SORT_DESC:
	case FN_SORT_BY_LABEL:
	case FN_SORT_BY_LABEL_DESC:
		return call->offset;
	default:
		if (call->call.nargs && call->call.args[0]->kind == EXPR_SUBQUERY)
			return 0;
		return call->call.nargs ? call->call.args[0]->offset : call->offset;
	}
}

/* A subquery goes before the other arguments; a selector is fused into the node. */
static int put_range(struct builder *builder, const struct expr *call, const struct expr *range,
		     struct plan_node *node, uint32_t *children)
{
	const struct expr *aggregate = builder->aggregate;

	builder->aggregate = NULL; /* not for calls among the arguments */
	if (!range)
		return 0;
	node->op = PLAN_RANGE;
	if (range->kind == EXPR_SELECTOR && range->selector.log)
		return put_log_range(builder, call, range, aggregate, node);
	if (range->kind == EXPR_SELECTOR)
		return put_selector(builder, range, node);
	node->selector = PLAN_NONE;
	node->nchildren = 1;
	return build_subquery(builder, range, &children[0]);
}

static bool is_range(enum value_type type)
{
	return type == VALUE_MATRIX || type == VALUE_LOG_RANGE || type == VALUE_UNWRAPPED_RANGE;
}

static const struct expr *range_argument(const struct expr *call)
{
	for (uint32_t i = 0; i < call->call.nargs; i++)
		if (is_range(call->call.args[i]->type))
			return without_parens(call->call.args[i]);
	return NULL;
}

/* vector(time()) */
static int build_now(struct builder *builder, uint32_t *out)
{
	uint32_t time;
	struct plan_node now = { .op = PLAN_TIME, .type = VALUE_SCALAR };
	struct plan_node vector = { .op = PLAN_CALL,
				    .type = VALUE_VECTOR,
				    .function = &functions[FN_VECTOR],
				    .children = &time,
				    .nchildren = 1 };
	int error = intern(builder, &now, &time);

	return error ? error : intern(builder, &vector, out);
}

/* info() */

static struct slice matcher_name(const struct matcher *matcher)
{
	return (struct slice){ matcher->name, matcher->name_len };
}

/* Says a matcher which info metrics there are, not only which there are not? */
static bool names_info(const struct matcher *matcher)
{
	return slice_is(matcher_name(matcher), METRIC_NAME) &&
	       (matcher->type == MATCH_EQ || matcher->type == MATCH_RE);
}

/* Without a name it is target_info; of names that it must not be, what is left of all "…_info". */
static int info_default_name(const struct expr *given, struct matcher *out)
{
	bool excludes = false;
	char *why = NULL;

	for (uint32_t i = 0; given && i < given->selector.nmatchers; i++)
		excludes = excludes ||
			   slice_is(matcher_name(&given->selector.matchers[i]), METRIC_NAME);
	int error = excludes ? matcher_init(out, MATCH_RE, SLICE(METRIC_NAME), SLICE(".+_info"),
					    &why)
			     : matcher_init(out, MATCH_EQ, SLICE(METRIC_NAME),
					    SLICE("target_info"), &why);

	free(why);
	return error;
}

/*
 * The selector of the info series: the second argument's matchers, and a default name. It looks at
 * the time that the first selector of the first argument looks at.
 */
static int info_selector(struct builder *builder, const struct expr *call,
			 struct matcher *default_name, struct expr *out)
{
	const struct expr *given = call->call.nargs > 1 ? call->call.args[1] : NULL;
	uint32_t n = given ? given->selector.nmatchers : 0;
	bool has_name = false;

	*out = (struct expr){ .kind = EXPR_SELECTOR, .type = VALUE_VECTOR };
	out->selector.matchers = ARENA_ARRAY(&builder->scratch, struct matcher, n + 1);
	if (!out->selector.matchers)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		out->selector.matchers[i] = given->selector.matchers[i];
		has_name = has_name || names_info(&given->selector.matchers[i]);
	}
	if (!has_name)
		out->selector.matchers[n++] = *default_name;
	out->selector.nmatchers = n;
	return 0;
}

struct info_time {
	enum at_kind at;
	int64_t at_ms, offset_ms;
	bool is_done;
};

/* On the way down to the first selector: each "@" sets the time anew, offsets add up. */
static void note_time(void *ctx, const struct expr *expr)
{
	struct info_time *time = ctx;
	bool is_selector = expr->kind == EXPR_SELECTOR;

	if (time->is_done || (!is_selector && expr->kind != EXPR_SUBQUERY))
		return;
	if (expr->at != AT_NONE) {
		time->at = expr->at;
		time->at_ms = expr->at_ms;
		time->offset_ms = 0;
	}
	time->offset_ms += is_selector ? expr->selector.offset_ms : expr->subquery.offset_ms;
	time->is_done = is_selector;
}

/* The labels that the matchers name are those that are taken; must any of them be there? */
static int put_info_labels(struct builder *builder, const struct expr *call, struct plan_node *node)
{
	const struct expr *given = call->call.nargs > 1 ? call->call.args[1] : NULL;
	uint32_t n = given ? given->selector.nmatchers : 0;
	struct names names = { ARENA_ARRAY(&builder->scratch, struct slice, n + 1), 0 };

	if (!names.items)
		return ERR_NOMEM;
	node->info_optional = true;
	node->info_names = !given;
	for (uint32_t i = 0; i < n; i++) {
		const struct matcher *matcher = &given->selector.matchers[i];

		if (slice_is(matcher_name(matcher), METRIC_NAME)) {
			node->info_names = node->info_names || names_info(matcher);
			continue;
		}
		names.items[names.n++] = matcher_name(matcher);
		node->info_optional = node->info_optional && matcher_is_match(matcher, SLICE(""));
	}
	return names_canonical(&names, &builder->scratch, &node->labels);
}

static int build_info(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node node = { .op = PLAN_CALL,
				  .type = VALUE_VECTOR,
				  .function = expr->call.function,
				  .nchildren = 3 };
	struct plan_node times = { .op = PLAN_CALL,
				   .type = VALUE_VECTOR,
				   .function = &functions[FN_TIMESTAMP],
				   .nchildren = 1 };
	struct info_time time = { .at = AT_NONE };
	struct matcher default_name;
	struct expr selector;
	uint32_t children[3];
	const struct expr *given = expr->call.nargs > 1 ? expr->call.args[1] : NULL;
	int error = info_default_name(given, &default_name);

	if (error)
		return error;
	expr_walk(expr->call.args[0], note_time, &time);
	error = info_selector(builder, expr, &default_name, &selector);
	selector.at = time.at;
	selector.at_ms = time.at_ms;
	selector.selector.offset_ms = time.offset_ms;
	if (!error)
		error = build(builder, expr->call.args[0], &children[0]);
	if (!error)
		error = build_selector(builder, &selector, &children[1]);
	times.children = &children[1];
	if (!error)
		error = intern(builder, &times, &children[2]);
	if (!error)
		error = put_info_labels(builder, expr, &node);
	node.children = children;
	if (!error)
		error = intern(builder, &node, out);
	matcher_fini(&default_name);
	return error;
}

/* histogram_quantiles(v, "l", q, …): histogram_quantile(q, v) of each, labelled, put together. */

static int build_quantile(struct builder *builder, const struct expr *expr, uint32_t vector,
			  uint32_t label, uint32_t at, uint32_t *out)
{
	uint32_t children[3] = { 0, vector, label };
	struct plan_node quantile = { .op = PLAN_CALL,
				      .type = VALUE_VECTOR,
				      .function = &functions[FN_HISTOGRAM_QUANTILE],
				      .place = expr->call.args[at]->offset,
				      .vector_place = expr->call.args[0]->offset,
				      .children = children,
				      .nchildren = 2 };
	struct plan_node node = { .op = PLAN_CALL,
				  .type = VALUE_VECTOR,
				  .function = expr->call.function,
				  .children = children,
				  .nchildren = 3 };
	uint32_t q, id;
	int error = build(builder, expr->call.args[at], &q);

	children[0] = q;
	if (!error)
		error = intern(builder, &quantile, &id);
	children[0] = id;
	children[1] = q;
	return error ? error : intern(builder, &node, out);
}

static int build_quantiles(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node both = { .op = PLAN_BINARY,
				  .type = VALUE_VECTOR,
				  .binary = OP_OR,
				  .card = CARD_MANY_TO_MANY,
				  .nchildren = 2 };
	uint32_t vector, label, children[2];
	int error = build(builder, expr->call.args[0], &vector);

	if (!error)
		error = build(builder, expr->call.args[1], &label);
	if (!error)
		error = build_quantile(builder, expr, vector, label, 2, out);
	for (uint32_t i = 3; i < expr->call.nargs && !error; i++) {
		children[0] = *out;
		error = build_quantile(builder, expr, vector, label, i, &children[1]);
		both.children = children;
		if (!error)
			error = intern(builder, &both, out);
	}
	return error;
}

static int build_call(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	const struct function *function = expr->call.function;
	struct plan_node node = { .op = PLAN_CALL, .type = expr->type, .function = function };
	uint32_t *children = ARENA_ARRAY(&builder->scratch, uint32_t, expr->call.nargs + 1);
	const struct expr *range = range_argument(expr);

	node.place = place_of(expr);
	node.vector_place =
		expr->call.nargs ? expr->call.args[expr->call.nargs - 1]->offset : expr->offset;
	if (!children)
		return ERR_NOMEM;
	int error = put_range(builder, expr, range, &node, children);

	for (uint32_t i = 0; i < expr->call.nargs && !error; i++) {
		const struct expr *arg = without_parens(expr->call.args[i]);

		if (!is_range(arg->type))
			error = build(builder, arg, &children[node.nchildren++]);
		if (!error && arg->kind == EXPR_SELECTOR &&
		    (function->id == FN_ABSENT || function->id == FN_ABSENT_OVER_TIME))
			error = put_absent_labels(builder, arg, &node);
	}
	if (error)
		return error;
	if (function->id == FN_TIME)
		node = (struct plan_node){ .op = PLAN_TIME, .type = VALUE_SCALAR };
	if (node.nchildren == 0 && strcmp(function->arguments, "v") == 0) {
		/* hour(): of the evaluation's time. */
		error = build_now(builder, &children[node.nchildren++]);
		if (error)
			return error;
	}
	node.children = children;
	return intern(builder, &node, out);
}

/* Operators and literals */

static int intern_number(struct builder *builder, double number, uint32_t *out)
{
	struct plan_node node = { .op = PLAN_NUMBER, .type = VALUE_SCALAR, .number = number };

	return intern(builder, &node, out);
}

static int intern_value(struct builder *builder, const struct value *value, uint32_t *out)
{
	if (value->is_constant)
		return intern_number(builder, value->number, out);
	*out = value->id;
	return 0;
}

static void put_constant(double number, struct value *out)
{
	*out = (struct value){ .is_constant = true, .number = fold_canonical(number) };
}

static int build_string(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node node = { .op = PLAN_STRING, .type = VALUE_STRING, .string = expr->string };

	return intern(builder, &node, out);
}

static int build_unary(struct builder *builder, const struct expr *expr, struct value *out)
{
	struct value operand;
	int error = build_value(builder, expr->unary.operand, &operand);

	if (error)
		return error;
	if (operand.is_constant) {
		put_constant(-operand.number, out);
		return 0;
	}
	struct plan_node node = {
		.op = PLAN_NEGATE, .type = expr->type, .children = &operand.id, .nchildren = 1
	};

	return intern(builder, &node, &out->id);
}

static int put_matching(struct builder *builder, const struct expr *expr, struct plan_node *node)
{
	int error = names_canonical(&expr->binary.labels, &builder->scratch, &node->labels);

	return error ? error
		     : names_canonical(&expr->binary.include, &builder->scratch, &node->include);
}

static int intern_binary(struct builder *builder, const struct expr *expr, const struct value *left,
			 const struct value *right, uint32_t *out)
{
	struct plan_node node = {
		.op = PLAN_BINARY,
		.type = expr->type,
		.binary = expr->binary.op,
		.is_bool = expr->binary.is_bool,
		.on = expr->binary.on,
		.card = expr->binary.card,
		.nchildren = 2,
		.fills = { expr->binary.fills[0], expr->binary.fills[1] },
		.fill = { expr->binary.fill[0], expr->binary.fill[1] },
	};
	uint32_t children[2];
	int error = intern_value(builder, left, &children[0]);

	if (!error)
		error = intern_value(builder, right, &children[1]);
	if (!error)
		error = put_matching(builder, expr, &node);
	node.children = children;
	return error ? error : intern(builder, &node, out);
}

static int build_binary(struct builder *builder, const struct expr *expr, struct value *out)
{
	struct value left, right;
	int error = build_value(builder, expr->binary.left, &left);

	if (!error)
		error = build_value(builder, expr->binary.right, &right);
	if (error)
		return error;
	if (!left.is_constant || !right.is_constant)
		return intern_binary(builder, expr, &left, &right, &out->id);
	put_constant(fold_binary(expr->binary.op, left.number, right.number), out);
	return 0;
}

static int build_aggregate(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node node = {
		.op = PLAN_AGGREGATE,
		.type = VALUE_VECTOR,
		.aggregate = expr->aggregate.op,
		.without = expr->aggregate.without,
		.nchildren = expr->aggregate.param ? 2 : 1,
		.place = (expr->aggregate.param ? expr->aggregate.param : expr->aggregate.operand)
				 ->offset,
	};
	uint32_t children[2];
	const struct expr *operand = without_parens(expr->aggregate.operand);

	builder->aggregate = operand->kind == EXPR_CALL ? expr : NULL;
	int error = build(builder, operand, &children[0]);

	if (!error && expr->aggregate.param)
		error = build(builder, expr->aggregate.param, &children[1]);
	if (!error)
		error = names_canonical(&expr->aggregate.labels, &builder->scratch, &node.labels);
	node.children = children;
	return error ? error : intern(builder, &node, out);
}

static int build_function(struct builder *builder, const struct expr *expr, struct value *out)
{
	switch (expr->call.function->id) {
	case FN_PI:
		put_constant(M_PI, out);
		return 0;
	case FN_INFO:
		builder->aggregate = NULL;
		return build_info(builder, expr, &out->id);
	case FN_HISTOGRAM_QUANTILES:
		builder->aggregate = NULL;
		return build_quantiles(builder, expr, &out->id);
	default:
		return build_call(builder, expr, &out->id);
	}
}

/* Recursion is bounded by the tree's height. */
static int build_value(struct builder *builder, const struct expr *expr, struct value *out)
{
	*out = (struct value){ 0 };
	switch (expr->kind) {
	case EXPR_NUMBER:
		put_constant(expr->number, out);
		return 0;
	case EXPR_STRING:
		return build_string(builder, expr, &out->id);
	case EXPR_SELECTOR:
		return build_selector(builder, expr, &out->id);
	case EXPR_SUBQUERY:
		return build_subquery(builder, expr, &out->id);
	case EXPR_CALL:
		return build_function(builder, expr, out);
	case EXPR_UNARY:
		return build_unary(builder, expr, out);
	case EXPR_BINARY:
		return build_binary(builder, expr, out);
	case EXPR_AGGREGATE:
		return build_aggregate(builder, expr, &out->id);
	case EXPR_PAREN:
		return build_value(builder, expr->unary.operand, out);
	case EXPR_REFUSED:
		break;
	}
	assert(!"a checked tree has nothing refused in it");
	return ERR_INVALID;
}

static int build(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct value value;
	int error = build_value(builder, expr, &value);

	return error ? error : intern_value(builder, &value, out);
}

static int build_finish(struct builder *builder, uint32_t *root)
{
	struct plan_node node = { .op = PLAN_FINISH, .type = VALUE_VECTOR, .nchildren = 1 };
	uint32_t child = *root;

	node.children = &child;
	return intern(builder, &node, root);
}

/* A range by itself: what last_over_time() reads of it is looked at. */
static int build_range(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node node = { .type = VALUE_VECTOR, .function = &functions[FN_LAST_OVER_TIME] };
	uint32_t child;
	int error = put_range(builder, NULL, without_parens(expr), &node, &child);

	node.children = &child;
	return error ? error : intern(builder, &node, out);
}

int plan_add(struct plan *plan, const struct expr *expr, uint32_t *root)
{
	struct builder builder = { .plan = plan };

	assert(expr->type != VALUE_NONE);
	arena_init(&builder.scratch, 0);
	int error = expr->type == VALUE_MATRIX ? build_range(&builder, expr, root)
					       : build(&builder, expr, root);

	if (!error && plan->delayed_names && expr->type == VALUE_VECTOR)
		error = build_finish(&builder, root);

	arena_fini(&builder.scratch);
	return error;
}
