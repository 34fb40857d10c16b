/* What reads series: selectors, ranges of samples and of log lines, subqueries. */
#include "rules/plan_build.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/expr.h"
#include "rules/plan_index.h"
#include "rules/plan_log.h"

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

	if (!text || plan_reserve(plan) < 0) {
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

int plan_build_selector(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node node = { .op = PLAN_SELECT, .type = VALUE_VECTOR };
	int error = put_selector(builder, expr, &node);

	assert(!expr->selector.is_range);
	return error ? error : plan_intern(builder, &node, out);
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

int plan_build_subquery(struct builder *builder, const struct expr *expr, uint32_t *out)
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
		error = plan_build(builder, expr->subquery.operand, &child);
	builder->grid = outer;
	node.children = &child;
	return error ? error : plan_intern(builder, &node, out);
}

int plan_put_range(struct builder *builder, const struct expr *call, const struct expr *range,
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
	return plan_build_subquery(builder, range, &children[0]);
}
