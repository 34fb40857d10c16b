/* The binding over time: the steps of subqueries and of range queries. */
#include "engine/grid.h"
#include "tests/engine/bound.h"

/* How often what is inside the subquery below the root was evaluated. */
static uint64_t steps_of(const struct bound *bound, uint32_t i)
{
	const struct plan_node *root = bound->plan->nodes[bound->roots[i]];
	const struct plan_node *subquery = bound->plan->nodes[root->children[0]];
	struct binding_node_stats stats;
	ck_assert_int_eq(subquery->op, PLAN_SUBQUERY);
	binding_node_stats_get(bound->binding, subquery->children[0], &stats);
	return stats.evals;
}

START_TEST(a_subquery_computes_only_new_steps)
{
	struct bound bound;
	BOUND(&bound, "max_over_time(sum(m)[5m:1m])");
	world_load(&bound.world, "m", MINUTES(0), 60000, "9 1 2 3 4 5 6 7 8 9 10 11 12");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(8)), "{} 8");
	ck_assert_uint_eq(steps_of(&bound, 0), 5);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(9)), "{} 9");
	ck_assert_uint_eq(steps_of(&bound, 0), 6);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(9) + 30000), "{} 9");
	ck_assert_uint_eq(steps_of(&bound, 0), 6);
	/* After a pause longer than the range nothing is of use. */
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(20)), "{} 12");
	ck_assert_uint_eq(steps_of(&bound, 0), 11);
	bound_fini(&bound);
}
END_TEST

START_TEST(a_late_sample_voids_the_steps_that_would_have_read_it)
{
	struct bound bound;
	BOUND(&bound, "max_over_time(sum(m)[10m:1m])");
	world_load(&bound.world, "m", MINUTES(0), 60000, "0 1 2 3 _ 5 _ 7 8 9 10 11");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(10)), "{} 10");
	ck_assert_uint_eq(steps_of(&bound, 0), 10);
	struct series *series = bound.world.all->members[0];
	world_add(&bound.world, series, MINUTES(6), 70);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(11)), "{} 70");
	/* The steps 6 to 10 once more, and the new one. */
	ck_assert_uint_eq(steps_of(&bound, 0), 16);
	world_add(&bound.world, series, MINUTES(4), 80);
	/* At the same time, too. */
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(11)), "{} 80");
	ck_assert_uint_eq(steps_of(&bound, 0), 24);
	bound_fini(&bound);
}
END_TEST

START_TEST(steps_of_a_subquery_are_limited)
{
	struct bound bound;
	BOUND(&bound, "max_over_time(m[1000s:1ms])", "max_over_time(m[999s:1ms])");
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(9)),
			 "error: subquery has more than 1000000 steps");
	ck_assert_str_eq(value_of(&bound, 1, MINUTES(9)), "");
	bound_fini(&bound);
}
END_TEST

START_TEST(points_of_a_range_query_are_limited)
{
	struct bound bound;
	struct query_bounds bounds = { MINUTES(0), MINUTES(4), 60000 };
	uint32_t *order, n;
	BOUND(&bound, "m");
	world_load(&bound.world, "m", MINUTES(0), 60000, "1 2 3 4 5");
	follow(&bound);
	ck_assert_int_eq(plan_order(bound.plan, bound.roots[0], &order, &n), 0);
	for (uint64_t room = 4; room <= 5; room++) {
		struct grid grid;
		int64_t units = INT64_MAX;
		grid_init(&grid, &bounds);
		grid.points = GRID_POINTS_MAX - room;
		ck_assert_int_eq(
			grid_eval(&grid, bound.world.store, bound.binding, order, n, &units),
			room == 4 ? ERR_LIMIT : 0);
		ck_assert_uint_eq(grid.n, 1);
		ck_assert_uint_eq(grid.series[0].n, room);
		grid_fini(&grid, bound.world.store);
	}
	free(order);
	bound_fini(&bound);
}
END_TEST

static Suite *binding_steps_suite(void)
{
	Suite *suite = suite_create("binding_steps");
	TCase *tcase = tcase_create("binding_steps");
	tcase_add_test(tcase, a_subquery_computes_only_new_steps);
	tcase_add_test(tcase, a_late_sample_voids_the_steps_that_would_have_read_it);
	tcase_add_test(tcase, steps_of_a_subquery_are_limited);
	tcase_add_test(tcase, points_of_a_range_query_are_limited);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(binding_steps_suite)
