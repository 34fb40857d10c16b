/* The binding: what is shared, kept and followed; what of it is forgotten. */
#include "engine/dynamic.h"
#include "engine/join.h"
#include "engine/range_rows.h"
#include "tests/engine/bound.h"

/* ---- sharing and keeping ---- */

START_TEST(a_shared_node_is_evaluated_once_for_a_time)
{
	struct bound bound;
	BOUND(&bound, "rate(c[5m])", "rate(c[5m]) > 0", "sum(rate(c[5m]))");
	world_load(&bound.world, "c", T0, 60000, "0 60 120");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 1, T0 + 120000), "{} 0.4");
	ck_assert_str_eq(value_of(&bound, 2, T0 + 120000), "{} 0.4");
	ck_assert_str_eq(value_of(&bound, 0, T0 + 120000), "{} 0.4");
	ck_assert_uint_eq(evals_of(&bound, 0), 1);
	value_of(&bound, 0, T0 + 130000);
	ck_assert_uint_eq(evals_of(&bound, 0), 2);
	struct binding_node_stats stats;
	binding_node_stats_get(bound.binding, bound.roots[0], &stats);
	ck_assert_uint_eq(stats.rows, 1);
	ck_assert_uint_eq(stats.live, 1);
	ck_assert_uint_eq(stats.cached, 2);
	bound_fini(&bound);
}
END_TEST

START_TEST(functions_of_one_range_are_evaluated_together)
{
	enum { OF_5M = 4, ALL = 7 }; /* the others: of another range, offset, or with an argument */
	struct bound bound;
	BOUND(&bound, "rate(c[5m])", "max_over_time(c[5m])", "avg_over_time(c[5m])",
	      "increase(c[5m])", "max_over_time(c[6m])", "max_over_time(c[5m] offset 1m)",
	      "quantile_over_time(0.5, c[5m])");
	world_load(&bound.world, "c{l=\"rises\"}", T0, 30000, "0 6 7 9 30 31 31 40 44 45 50 51");
	world_load(&bound.world, "c{l=\"falls\"}", T0, 30000, "4 6 2 _ NaN 3 stale 8 6 7 8 9");
	world_load(&bound.world, "c{l=\"late\"}", T0 + 200000, 30000, "1 2 3 4 5 6");
	follow(&bound);
	int64_t t_ms = T0 + 240000;
	for (uint32_t i = 0; i < ALL; i++)
		expect_as_oracle(&bound, i, t_ms);
	for (uint32_t i = 0; i < ALL; i++)
		ck_assert_uint_eq(evals_of(&bound, i), 1);
	/* All were asked for together: who is first does it for those of his range. */
	t_ms += 30000;
	expect_as_oracle(&bound, 1, t_ms);
	for (uint32_t i = 0; i < ALL; i++)
		ck_assert_uint_eq(evals_of(&bound, i), i < OF_5M ? 2 : 1);
	for (uint32_t i = 0; i < ALL; i++)
		expect_as_oracle(&bound, i, t_ms);
	for (uint32_t i = 0; i < ALL; i++)
		ck_assert_uint_eq(evals_of(&bound, i), 2);
	/* One goes on alone: the others come along once in vain. */
	for (int i = 0; i < 3; i++) {
		t_ms += 15000;
		expect_as_oracle(&bound, 0, t_ms);
	}
	ck_assert_uint_eq(evals_of(&bound, 0), 5);
	ck_assert_uint_eq(evals_of(&bound, 1), 3);
	bound_fini(&bound);
}
END_TEST

START_TEST(more_functions_of_one_range_than_go_together)
{
	struct bound bound;
	BOUND(&bound, "rate(c[5m]) + increase(c[5m])", "delta(c[5m]) + irate(c[5m])",
	      "idelta(c[5m]) + changes(c[5m])", "resets(c[5m]) + avg_over_time(c[5m])",
	      "min_over_time(c[5m]) + max_over_time(c[5m])",
	      "sum_over_time(c[5m]) + count_over_time(c[5m])");
	_Static_assert(12 > 1 + RANGE_COMPANIONS_MAX, "twelve functions are too many");
	world_load(&bound.world, "c", T0, 30000, "0 6 7 9 3 31 31 40 44 45 50 51");
	follow(&bound);
	for (int64_t t_ms = T0 + 240000; t_ms <= T0 + 330000; t_ms += 30000)
		for (uint32_t i = 0; i < bound.n; i++)
			expect_as_oracle(&bound, (i + (uint32_t)(t_ms / 30000)) % bound.n, t_ms);
	bound_fini(&bound);
}
END_TEST

/* Among more ranges of a selector than one looks at, those that stand together still meet. */
START_TEST(neighbours_among_many_ranges_go_together)
{
	enum { SUMS = 16, RANGES = RANGE_MET_MAX / SUMS + 1, LAST = SUMS + 3 };
	const char *texts[LAST + 2] = { "rate(c[5m])", "rate(c[3m])", "max_over_time(c[3m])" };
	struct buf sums[SUMS];
	for (int i = 0; i < SUMS; i++) {
		buf_init(&sums[i]);
		for (int k = 0; k < RANGES; k++)
			buf_printf(&sums[i], "%srate(c[%dms])", k ? " + " : "",
				   400000 + i * RANGES + k);
		buf_add_char(&sums[i], '\0');
		texts[3 + i] = sums[i].ptr;
	}
	texts[LAST] = "max_over_time(c[5m])";
	struct bound bound;
	bound_init(&bound, texts);
	world_load(&bound.world, "c", T0, 30000, "0 6 7 9 3 31 31 40 44 45 50 51");
	follow(&bound);
	for (uint32_t i = 0; i < bound.n; i++)
		expect_as_oracle(&bound, i, T0 + 240000);
	expect_as_oracle(&bound, 0, T0 + 270000);
	expect_as_oracle(&bound, 1, T0 + 270000);
	ck_assert_uint_eq(evals_of(&bound, 2), 2);    /* along with its neighbour */
	ck_assert_uint_eq(evals_of(&bound, LAST), 1); /* too far from the first */
	expect_as_oracle(&bound, LAST, T0 + 270000);
	bound_fini(&bound);
	for (int i = 0; i < SUMS; i++)
		buf_fini(&sums[i]);
}
END_TEST

START_TEST(instants_go_along_with_ranges_of_their_series)
{
	struct bound bound;
	BOUND(&bound, "rate(c[5m])", "c", "max_over_time(c[5m])", "c offset 1m", "c @ 1700000200",
	      "timestamp(c)", "rate(c[1m])");
	world_load(&bound.world, "c{l=\"rises\"}", T0, 30000, "0 6 7 9 30 31 31 40 44 45 50 51");
	world_load(&bound.world, "c{l=\"falls\"}", T0, 30000, "4 6 2 _ NaN 3 stale 8 6 7 8 9");
	world_load(&bound.world, "c{l=\"ended\"}", T0, 30000, "1 2 3 4 5 6 stale");
	world_load(&bound.world, "c{l=\"silent\"}", T0, 30000, "1 2 3");
	world_load(&bound.world, "c{l=\"late\"}", T0 + 200000, 30000, "1 2 3 4 5 6");
	follow(&bound);
	int64_t t_ms = T0 + 210000;
	for (uint32_t i = 0; i < bound.n; i++)
		expect_as_oracle(&bound, i, t_ms);
	for (t_ms += 30000; t_ms <= T0 + 900000; t_ms += 30000) {
		uint64_t before = evals_of(&bound, 1), others = evals_of(&bound, 3);
		expect_as_oracle(&bound, 0, t_ms);
		ck_assert_uint_eq(evals_of(&bound, 1), before + 1);
		ck_assert_uint_eq(evals_of(&bound, 3), others);
		for (uint32_t i = 0; i < bound.n; i++)
			expect_as_oracle(&bound, i, t_ms);
		ck_assert_uint_eq(evals_of(&bound, 1), before + 1);
		/* One that was over is there again. */
		if (t_ms == T0 + 600000)
			world_load(&bound.world, "c{l=\"ended\"}", t_ms + 1, 30000, "7 8 9");
	}
	/* An instant that is asked for first goes alone, and is not made again. */
	uint64_t before = evals_of(&bound, 1);
	expect_as_oracle(&bound, 1, t_ms);
	expect_as_oracle(&bound, 0, t_ms);
	ck_assert_uint_eq(evals_of(&bound, 1), before + 1);
	bound_fini(&bound);
}
END_TEST

START_TEST(elements_are_counted_as_they_come_and_go)
{
	struct bound bound;
	BOUND(&bound, "count by (g) (c)", "sum by (g) (c)", "avg by (g) (c)", "group by (g) (c)",
	      "count (c > 3)", "max by (g) (c)");
	world_load(&bound.world, "c{g=\"a\",i=\"1\"}", T0, 30000,
		   "1 2 stale 4 5 6 stale _ 9 9 9 9");
	world_load(&bound.world, "c{g=\"a\",i=\"2\"}", T0, 30000, "5 5 5 5 5 5 5 5 5 5 5 5");
	world_load(&bound.world, "c{g=\"b\",i=\"3\"}", T0, 30000,
		   "7 stale _ _ 8 stale _ _ _ 1 1 1");
	follow(&bound);
	for (int64_t t_ms = T0; t_ms <= T0 + 330000; t_ms += 15000) {
		/* In another group, in the same, and of one that was none. */
		if (t_ms == T0 + 90000)
			world_load(&bound.world, "c{g=\"b\",i=\"4\"}", t_ms, 15000, "3 4 5");
		if (t_ms == T0 + 120000)
			world_load(&bound.world, "c{g=\"c\",i=\"4\"}", t_ms, 60000, "3 stale 5 6");
		follow(&bound);
		for (uint32_t i = 0; i < bound.n; i++)
			expect_as_oracle(&bound, i, t_ms);
	}
	bound_fini(&bound);
}
END_TEST

START_TEST(what_a_rule_writes_makes_its_readers_anew)
{
	struct bound bound;
	struct lset_table *lsets;
	struct series *series;
	struct label name = { SLICE(METRIC_NAME), SLICE("r") };
	struct labels *labels;
	double value = 5;
	uint64_t bits;
	BOUND(&bound, "r + 1", "other");
	lsets = store_lsets(bound.world.store);
	ck_assert_int_eq(labels_new(&name, 1, &labels, NULL), 0);
	uint32_t lset = lset_intern(lsets, labels);
	ck_assert_int_eq(store_local(bound.world.store, lset, &series), 0);
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, T0), "");
	value_of(&bound, 1, T0);
	memcpy(&bits, &value, sizeof(bits));
	ck_assert_int_eq(store_append_local(bound.world.store, series, T0, bits), APPEND_STORED);
	ck_assert_str_eq(value_of(&bound, 0, T0), "{} 6");
	value_of(&bound, 1, T0);
	ck_assert_uint_eq(evals_of(&bound, 1), 1);
	lset_unref(lsets, lset);
	labels_unref(labels);
	bound_fini(&bound);
}
END_TEST

START_TEST(columns_are_kept_until_they_are_invalidated)
{
	struct bound bound;
	BOUND(&bound, "m");
	world_load(&bound.world, "m", T0, 1000, "1");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, T0 + 5000), "m 1");
	world_add(&bound.world, bound.world.all->members[0], T0 + 4000, 2);
	ck_assert_str_eq(value_of(&bound, 0, T0 + 5000), "m 1");
	binding_invalidate(bound.binding);
	ck_assert_str_eq(value_of(&bound, 0, T0 + 5000), "m 2");
	bound_fini(&bound);
}
END_TEST

START_TEST(a_failure_is_told_at_the_root_and_kept)
{
	struct bound bound;
	BOUND(&bound, "-{x=\"1\"}", "sum(-{x=\"1\"}) > 1");
	world_load(&bound.world, "a{x=\"1\"}", T0, 1000, "1");
	world_load(&bound.world, "b{x=\"1\"}", T0, 1000, "1");
	follow(&bound);
	const char *wanted = "vector cannot contain metrics with the same labelset";
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(
			eval_root(bound.binding, bound.plan, bound.roots[1], T0, INT64_MAX),
			ERR_EVAL);
		ck_assert_str_eq(binding_error(bound.binding, bound.roots[1]), wanted);
		ck_assert_str_eq(binding_error(bound.binding, bound.roots[0]), wanted);
	}
	ck_assert_uint_eq(evals_of(&bound, 0), 1);
	struct relation relation;
	binding_relation(bound.binding, bound.roots[1], &relation);
	ck_assert_uint_eq(relation.nrows, 0);
	/* Only who is present counts: ten minutes later nobody is. */
	ck_assert_int_eq(
		eval_root(bound.binding, bound.plan, bound.roots[1], T0 + 600000, INT64_MAX), 0);
	ck_assert_str_eq(binding_error(bound.binding, bound.roots[1]), "");
	bound_fini(&bound);
}
END_TEST

/* ---- following ---- */

START_TEST(only_what_is_below_a_change_is_touched)
{
	struct bound bound;
	BOUND(&bound, "sum(m)", "sum(n)");
	world_load(&bound.world, "m{i=\"1\"}", T0, 1000, "1");
	world_load(&bound.world, "n{i=\"1\"}", T0, 1000, "1");
	follow(&bound);
	value_of(&bound, 0, T0);
	value_of(&bound, 1, T0);
	world_load(&bound.world, "n{i=\"2\"}", T0, 1000, "2");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, T0), "{} 1");
	ck_assert_str_eq(value_of(&bound, 1, T0), "{} 3");
	ck_assert_uint_eq(evals_of(&bound, 0), 1);
	ck_assert_uint_eq(evals_of(&bound, 1), 2);
	bound_fini(&bound);
}
END_TEST

static uint32_t row_of(struct bound *bound, uint32_t i, const char *value)
{
	struct relation relation;
	struct lset_table *lsets = store_lsets(bound->world.store);
	uint32_t name = symbol_find(lsets, SLICE("i"));
	binding_relation(bound->binding, bound->roots[i], &relation);
	for (uint32_t row = 0; row < relation.nrows; row++)
		if (relation.lsets[row] != LSET_NONE &&
		    slice_is(symbol_text(lsets, lset_get(lsets, relation.lsets[row], name)), value))
			return row;
	return UINT32_MAX;
}

START_TEST(row_ids_are_stable_and_used_again)
{
	struct bound bound;
	BOUND(&bound, "m", "count by (i) (m)");
	world_load(&bound.world, "m{i=\"1\"}", T0, 1000, "1");
	world_load(&bound.world, "m{i=\"2\"}", T0, 1000, "1");
	world_load(&bound.world, "m{i=\"3\"}", T0, 1000, "1");
	follow(&bound);
	value_of(&bound, 1, T0);
	uint32_t third = row_of(&bound, 1, "3"), second = row_of(&bound, 1, "2");
	/* The first two are forgotten; the third lives on. */
	bound.world.due_ms = T0 + 40 * 60000;
	for (uint32_t row = 0; row < bound.world.all->nmembers; row++)
		if (row == 2)
			world_add(&bound.world, bound.world.all->members[row], bound.world.due_ms,
				  1);
	store_time_set(bound.world.store, bound.world.due_ms);
	store_sweep(bound.world.store, SIZE_MAX);
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 1, bound.world.due_ms), "{i=\"3\"} 1");
	ck_assert_uint_eq(row_of(&bound, 1, "3"), third);
	ck_assert_uint_eq(row_of(&bound, 1, "2"), UINT32_MAX);
	struct relation relation;
	binding_relation(bound.binding, bound.roots[1], &relation);
	ck_assert_uint_eq(relation.lsets[second], LSET_NONE);
	world_load(&bound.world, "m{i=\"4\"}", bound.world.due_ms, 1000, "1");
	world_load(&bound.world, "m{i=\"5\"}", bound.world.due_ms, 1000, "1");
	follow(&bound);
	value_of(&bound, 1, bound.world.due_ms);
	ck_assert_uint_lt(row_of(&bound, 1, "4"), 3);
	ck_assert_uint_lt(row_of(&bound, 1, "5"), 3);
	bound_fini(&bound);
}
END_TEST

START_TEST(a_row_used_again_knows_nothing_of_the_series_before)
{
	struct bound bound;
	BOUND(&bound, "rate(m[5m])");
	/* The line of its row says that the first is over: no look at the series is needed. */
	world_load(&bound.world, "m{i=\"1\"}", MINUTES(0), 60000, "0 60 120 stale");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(3)), "{i=\"1\"} 0.6");
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(3) + 30000), "{i=\"1\"} 0.5");
	uint32_t row = row_of(&bound, 0, "1");
	bound.world.due_ms = MINUTES(40);
	store_time_set(bound.world.store, bound.world.due_ms);
	store_sweep(bound.world.store, SIZE_MAX);
	follow(&bound);
	ck_assert_uint_eq(row_of(&bound, 0, "1"), UINT32_MAX);
	world_load(&bound.world, "m{i=\"2\"}", MINUTES(40), 60000, "0 120 240");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, MINUTES(42)), "{i=\"2\"} 0.8");
	ck_assert_uint_eq(row_of(&bound, 0, "2"), row);
	bound_fini(&bound);
}
END_TEST

START_TEST(a_row_used_again_counts_in_its_new_group)
{
	struct bound bound;
	BOUND(&bound, "count by (g) (m)");
	world_load(&bound.world, "m{g=\"a\",i=\"1\"}", T0, 1000, "1");
	world_load(&bound.world, "m{g=\"b\",i=\"2\"}", T0, 1000, "1");
	world_load(&bound.world, "m{g=\"a\",i=\"3\"}", T0, 1000, "1");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, T0), "{g=\"a\"} 2; {g=\"b\"} 1");
	bound.world.due_ms = T0 + 40 * 60000;
	world_add(&bound.world, bound.world.all->members[2], bound.world.due_ms, 1);
	store_time_set(bound.world.store, bound.world.due_ms);
	store_sweep(bound.world.store, SIZE_MAX);
	follow(&bound);
	/* The same rows are present as in the last evaluation. */
	world_load(&bound.world, "m{g=\"b\",i=\"4\"}", bound.world.due_ms, 1000, "1");
	world_load(&bound.world, "m{g=\"b\",i=\"5\"}", bound.world.due_ms, 1000, "1");
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, bound.world.due_ms), "{g=\"a\"} 1; {g=\"b\"} 2");
	bound_fini(&bound);
}
END_TEST

/* ---- limits and small parts ---- */

START_TEST(partners_of_the_past_are_limited)
{
	struct bound bound;
	char text[64];
	BOUND(&bound, "m * on (i) group_left (v) n");
	world_load(&bound.world, "m{i=\"1\"}", T0, 60000, "3");
	for (int i = 0; i < JOIN_PARTNERS_MAX; i++) {
		snprintf(text, sizeof(text), "n{i=\"1\",v=\"%d\"}", i);
		world_load(&bound.world, text, T0, 1000, i == 0 ? "1" : "1 stale");
	}
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, T0 + 2000), "{i=\"1\", v=\"0\"} 3");
	world_load(&bound.world, "n{i=\"1\",v=\"more\"}", T0 + 2000, 1000, "2");
	world_add_bits(&bound.world, bound.world.all->members[1], T0 + 2000, STALE_NAN_BITS);
	follow(&bound);
	snprintf(text, sizeof(text), "error: more than %d series", JOIN_PARTNERS_MAX);
	ck_assert_msg(strncmp(value_of(&bound, 0, T0 + 3000), text, strlen(text)) == 0, "%s",
		      value_of(&bound, 0, T0 + 3000));
	/* Those of the past are forgotten: the newcomer gets its row. */
	bound.world.due_ms = T0 + 40 * 60000;
	world_add(&bound.world, bound.world.all->members[0], bound.world.due_ms, 3);
	for (uint32_t row = 1; row < bound.world.all->nmembers; row++)
		if (row == JOIN_PARTNERS_MAX + 1)
			world_add(&bound.world, bound.world.all->members[row], bound.world.due_ms,
				  2);
	store_sweep(bound.world.store, SIZE_MAX);
	follow(&bound);
	ck_assert_str_eq(value_of(&bound, 0, bound.world.due_ms), "{i=\"1\", v=\"more\"} 6");
	bound_fini(&bound);
}
END_TEST

START_TEST(reach_is_range_or_lookback_and_offset)
{
	struct bound bound;
	BOUND(&bound, "m offset 1m", "rate(m[10m] offset 2m)");
	ck_assert_int_eq(binding_reach_ms(bound.binding, bound.roots[0]),
			 WORLD_LOOKBACK_MS + 60000);
	ck_assert_int_eq(binding_reach_ms(bound.binding, bound.roots[1]), 720000);
	ck_assert_str_eq(binding_selector(bound.binding, 0)->text, bound.plan->selectors[0].text);
	bound_fini(&bound);
}
END_TEST

START_TEST(rows_made_by_evaluations_are_forgotten)
{
	struct bound bound;
	BOUND(&bound, "count_values(\"v\", m)",
	      "count(last_over_time(count_values(\"v\", m)[10s:1s]))");
	struct series *series = world_series_of(&bound.world, "m");
	struct binding_node_stats stats;
	uint32_t inner = bound.plan->nnodes;
	for (uint32_t id = 0; id < bound.plan->nnodes; id++)
		if (bound.plan->nodes[id]->grid && bound.plan->nodes[id]->op == PLAN_AGGREGATE)
			inner = id;
	ck_assert_uint_lt(inner, bound.plan->nnodes);
	follow(&bound);
	for (int i = 0; i < 3 * DYNAMIC_ROWS_KEPT_MAX; i++) {
		char wanted[32];
		world_add(&bound.world, series, T0 + i * 1000, i);
		snprintf(wanted, sizeof(wanted), "{v=\"%d\"} 1", i);
		ck_assert_str_eq(value_of(&bound, 0, T0 + i * 1000), wanted);
		binding_node_stats_get(bound.binding, bound.roots[0], &stats);
		/* A few more, whose rows are not free again at once. */
		ck_assert_uint_le(stats.rows, DYNAMIC_ROWS_KEPT_MAX + 8);
		if (i < 10)
			continue;
		ck_assert_str_eq(value_of(&bound, 1, T0 + i * 1000), "{} 10");
		binding_node_stats_get(bound.binding, inner, &stats);
		ck_assert_uint_le(stats.rows, 2 * DYNAMIC_ROWS_KEPT_MAX);
	}
	binding_check(bound.binding);
	bound_fini(&bound);
}
END_TEST

START_TEST(rows_are_forgotten_some_at_a_time)
{
	struct bound bound;
	BOUND(&bound, "count_values(\"v\", m)");
	const int n = DYNAMIC_ROWS_KEPT_MAX + DYNAMIC_ROWS_FORGOTTEN_MAX + 100;
	struct binding_node_stats stats;
	char text[64];
	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "m{i=\"%d\"}", i);
		world_add(&bound.world, world_series_of(&bound.world, text), MINUTES(0), i);
	}
	follow(&bound);
	value_of(&bound, 0, MINUTES(0));
	binding_node_stats_get(bound.binding, bound.roots[0], &stats);
	ck_assert_uint_eq(stats.live, n);
	/* Out of reach, all of them: no row is present any more. */
	static const uint32_t left[] = { DYNAMIC_ROWS_KEPT_MAX + 100, 0 };
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_str_eq(value_of(&bound, 0, MINUTES(i + 10)), "");
		binding_node_stats_get(bound.binding, bound.roots[0], &stats);
		ck_assert_uint_eq(stats.live, left[i]);
	}
	binding_check(bound.binding);
	bound_fini(&bound);
}
END_TEST

START_TEST(an_empty_plan_can_be_bound)
{
	struct bound bound;
	bound_init(&bound, (const char *const[]){ NULL });
	follow(&bound);
	bound_fini(&bound);
}
END_TEST

static Suite *binding_suite(void)
{
	Suite *suite = suite_create("binding");
	TCase *tcase = tcase_create("binding");
	tcase_set_timeout(tcase, 60); /* the oracle takes its time, most of all with sanitizers */
	tcase_add_test(tcase, a_shared_node_is_evaluated_once_for_a_time);
	tcase_add_test(tcase, functions_of_one_range_are_evaluated_together);
	tcase_add_test(tcase, more_functions_of_one_range_than_go_together);
	tcase_add_test(tcase, neighbours_among_many_ranges_go_together);
	tcase_add_test(tcase, instants_go_along_with_ranges_of_their_series);
	tcase_add_test(tcase, elements_are_counted_as_they_come_and_go);
	tcase_add_test(tcase, what_a_rule_writes_makes_its_readers_anew);
	tcase_add_test(tcase, columns_are_kept_until_they_are_invalidated);
	tcase_add_test(tcase, a_failure_is_told_at_the_root_and_kept);
	tcase_add_test(tcase, only_what_is_below_a_change_is_touched);
	tcase_add_test(tcase, row_ids_are_stable_and_used_again);
	tcase_add_test(tcase, a_row_used_again_knows_nothing_of_the_series_before);
	tcase_add_test(tcase, a_row_used_again_counts_in_its_new_group);
	tcase_add_test(tcase, partners_of_the_past_are_limited);
	tcase_add_test(tcase, reach_is_range_or_lookback_and_offset);
	tcase_add_test(tcase, rows_made_by_evaluations_are_forgotten);
	tcase_add_test(tcase, rows_are_forgotten_some_at_a_time);
	tcase_add_test(tcase, an_empty_plan_can_be_bound);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(binding_suite)
