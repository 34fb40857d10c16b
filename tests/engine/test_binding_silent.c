/* The binding: rows that are gone only because their sender is silent. */
#include "tests/engine/bound.h"

static const char *silent_of(struct bound *bound, uint32_t i, int64_t t_ms)
{
	static char text[4096];
	struct relation relation;
	struct buf buf;
	ck_assert_int_eq(eval_root(bound->binding, bound->plan, bound->roots[i], t_ms, INT64_MAX),
			 0);
	binding_relation(bound->binding, bound->roots[i], &relation);
	if (!relation.silent)
		return "none";
	buf_init(&buf);
	for (uint32_t row = 0; row < relation.nrows; row++) {
		if (!(relation.silent[row / 64] >> (row % 64) & 1) || relation_has(&relation, row))
			continue;
		struct labels *labels =
			lset_to_labels(store_lsets(bound->world.store), relation.lsets[row]);
		buf_add_str(&buf, buf.len ? " " : "");
		labels_format(labels, &buf);
		labels_unref(labels);
	}
	snprintf(text, sizeof(text), "%s", buf.ptr ? buf.ptr : "");
	buf_fini(&buf);
	return text;
}

START_TEST(silent_senders_are_seen_through_all_nodes)
{
	struct bound bound;
	BOUND(&bound, "m", "rate(m[1m]) > 0", "sum by (i) (m)", "m + on (i) n", "m and on (i) n",
	      "m or n", "timestamp(m)", "count(m) > 5");
	world_load(&bound.world, "m{i=\"1\"}", T0, 1000, "1 2");
	world_load(&bound.world, "m{i=\"2\"}", T0, 1000, "1 stale");
	world_load(&bound.world, "n{i=\"1\"}", T0, 600000, "1 1");
	for (uint32_t row = 0; row < bound.world.all->nmembers; row++)
		bound.world.all->members[row]->sender = row == 2 ? 0 : 1;
	follow(&bound);
	int64_t late = T0 + 600000;
	ck_assert_str_eq(silent_of(&bound, 0, late), "none");
	bound.silent[1] = 1;
	bound.any_silent = true;
	binding_invalidate(bound.binding);
	ck_assert_str_eq(silent_of(&bound, 0, T0 + 1000), "");
	ck_assert_str_eq(silent_of(&bound, 0, late), "m{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 1, late), "{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 2, late), "{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 3, late), "{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 4, late), "m{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 5, late), "m{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 6, late), "{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 7, late), "{}");
	bound.any_silent = false;
	binding_invalidate(bound.binding);
	ck_assert_str_eq(silent_of(&bound, 2, late), "none");
	bound_fini(&bound);
}
END_TEST

START_TEST(a_silent_partner_makes_a_join_silent)
{
	struct bound bound;
	BOUND(&bound, "m * on (i) group_left (v) n", "m and on (i) n", "n * on (i) group_right m",
	      "histogram_quantile(0.5, h_bucket)");
	world_load(&bound.world, "m{i=\"1\"}", T0, 600000, "1 1");
	world_load(&bound.world, "n{i=\"1\",v=\"2\"}", T0, 1000, "1");
	world_load(&bound.world, "h_bucket{le=\"1\"}", T0, 1000, "1");
	for (uint32_t row = 0; row < bound.world.all->nmembers; row++)
		bound.world.all->members[row]->sender = row == 0 ? 0 : 1;
	follow(&bound);
	bound.silent[1] = 1;
	bound.any_silent = true;
	ck_assert_str_eq(silent_of(&bound, 0, T0 + 600000), "{i=\"1\", v=\"2\"}");
	ck_assert_str_eq(silent_of(&bound, 1, T0 + 600000), "m{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 2, T0 + 600000), "{i=\"1\"}");
	ck_assert_str_eq(silent_of(&bound, 3, T0 + 600000), "{}");
	bound_fini(&bound);
}
END_TEST

static Suite *binding_silent_suite(void)
{
	Suite *suite = suite_create("binding_silent");
	TCase *tcase = tcase_create("binding_silent");
	tcase_add_test(tcase, silent_senders_are_seen_through_all_nodes);
	tcase_add_test(tcase, a_silent_partner_makes_a_join_silent);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(binding_silent_suite)
