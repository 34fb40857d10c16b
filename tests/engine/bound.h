/* Expressions, bound to a store: what the tests of the binding share. */
#ifndef TOCSIN_TESTS_ENGINE_BOUND_H
#define TOCSIN_TESTS_ENGINE_BOUND_H

#include "tests/engine/eval_fixture.h"

#define T0 INT64_C(1700000000000)
/* Whole minutes, as the steps of subqueries are. */
#define MINUTES(n) (INT64_C(1700000040000) + (n) * 60000)
#define EXPRESSIONS_MAX 32

struct bound {
	struct world world;
	struct plan *plan;
	struct query queries[EXPRESSIONS_MAX];
	uint32_t roots[EXPRESSIONS_MAX], n;
	struct binding *binding;
	uint8_t *silent;
	bool any_silent;
};

/* One more expression, before the binding is made. */
static inline void bound_add(struct bound *bound, const char *expr)
{
	ck_assert_msg(query_init(&bound->queries[bound->n], expr, strlen(expr)), "%s", expr);
	ck_assert_int_eq(
		plan_add(bound->plan, bound->queries[bound->n].expr, &bound->roots[bound->n]), 0);
	bound->n++;
}

static inline void bound_init(struct bound *bound, const char *const *exprs)
{
	*bound = (struct bound){ .plan = plan_new(), .silent = calloc(4, 1) };
	world_init(&bound->world, T0, 20 * 60000);
	while (*exprs)
		bound_add(bound, *exprs++);
	struct binding_options options = {
		.lookback_ms = WORLD_LOOKBACK_MS,
		.standing = true,
		.sender_silent = &bound->silent,
		.any_silent = &bound->any_silent,
	};
	int64_t units = INT64_MAX;
	ck_assert_int_eq(binding_new(bound->world.store, bound->plan, &options, &bound->binding),
			 0);
	ck_assert_int_eq(binding_shape(bound->binding, &units), 0);
}
#define BOUND(bound, ...) bound_init(bound, (const char *const[]){ __VA_ARGS__, NULL })

static inline void bound_fini(struct bound *bound)
{
	binding_free(bound->binding);
	plan_free(bound->plan);
	for (uint32_t i = 0; i < bound->n; i++)
		query_fini(&bound->queries[i]);
	world_fini(&bound->world);
	free(bound->silent);
}

/* What has changed in the store is taken in. */
static inline void follow(struct bound *bound)
{
	size_t n;
	ck_assert_int_eq(binding_extend(bound->binding), 0);
	struct selector **changed = store_changed_selectors(bound->world.store, &n);
	for (size_t i = 0; i < n; i++)
		selector_log_clear(changed[i]);
	store_changed_clear(bound->world.store);
	binding_check(bound->binding);
}

/* The result of the i-th expression, good until the next. */
static inline const char *value_of(struct bound *bound, uint32_t i, int64_t t_ms)
{
	static char text[4096];
	struct oracle_result result;
	int code = eval_root(bound->binding, bound->plan, bound->roots[i], t_ms, INT64_MAX);
	result_of(&bound->world, bound->binding, bound->roots[i], code, &result);
	char *made = result_text(&result);
	snprintf(text, sizeof(text), "%s", made);
	free(made);
	oracle_result_fini(&result);
	return text;
}

static inline uint64_t evals_of(const struct bound *bound, uint32_t i)
{
	struct binding_node_stats stats;
	binding_node_stats_get(bound->binding, bound->roots[i], &stats);
	return stats.evals;
}

static inline void expect_as_oracle(struct bound *bound, uint32_t i, int64_t t_ms)
{
	struct oracle_result wanted;
	ck_assert_int_eq(oracle_eval(bound->world.store, bound->queries[i].expr, t_ms,
				     WORLD_LOOKBACK_MS, &wanted),
			 0);
	char *text = result_text(&wanted);
	ck_assert_str_eq(value_of(bound, i, t_ms), text);
	free(text);
	oracle_result_fini(&wanted);
}

/* n series m{i="…"} of two samples. */
static inline void load_many(struct bound *bound, int n)
{
	char text[64];
	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "m{i=\"%d\"}", i);
		world_load(&bound->world, text, T0, 60000, "1 2");
	}
}

#endif
