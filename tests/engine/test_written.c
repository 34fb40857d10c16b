/* What rules write is told to whoever sends it on. */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

static struct harness h;

static void start(void)
{
	harness_start_warm(&h);
}

static void stop(void)
{
	harness_stop(&h);
}

static void external(const char *site)
{
	const struct label pairs[] = { { SLICE("site"), slice_from(site) },
				       { SLICE("job"), SLICE("external") } };
	struct labels *labels;
	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	ck_assert_int_eq(engine_external_set(h.engine, labels, ""), 0);
	labels_unref(labels);
}

static const char *const rules = "groups: [{name: g, rules: [{record: r, expr: x > 0}, "
				 "{alert: A, expr: x > 5, for: 15s}]}]";

START_TEST(written_is_told_only_when_asked_for)
{
	harness_load(&h, rules);
	harness_run(&h, 0, 0, "x 1");
	harness_expect_written(&h, "");
	engine_written_set(h.engine, true);
	harness_run(&h, 15, 15, "x 2");
	harness_expect_written(&h, "r 2@15\n");
	engine_written_set(h.engine, false);
	harness_run(&h, 30, 30, "x 3");
	harness_expect_written(&h, "");
}
END_TEST

START_TEST(written_is_what_rules_record_and_the_states_of_alerts)
{
	engine_written_set(h.engine, true);
	harness_load(&h, rules);
	harness_run(&h, 0, 0, "x 6");
	harness_expect_written(&h, "r 6@0\n"
				   "ALERTS{alertname=\"A\", alertstate=\"pending\"} 1@0\n"
				   "ALERTS_FOR_STATE{alertname=\"A\"} 0@0\n");
	harness_run(&h, 15, 15, "x 7");
	harness_expect_written(&h, "r 7@15\n"
				   "ALERTS{alertname=\"A\", alertstate=\"pending\"} stale@15\n"
				   "ALERTS{alertname=\"A\", alertstate=\"firing\"} 1@15\n"
				   "ALERTS_FOR_STATE{alertname=\"A\"} 0@15\n");
	/* What ends is told, too; and what comes again. */
	harness_run(&h, 30, 30, "x 0");
	harness_expect_written(&h, "r stale@30\n"
				   "ALERTS{alertname=\"A\", alertstate=\"firing\"} stale@30\n"
				   "ALERTS_FOR_STATE{alertname=\"A\"} stale@30\n");
	harness_run(&h, 45, 45, "x 1");
	harness_expect_written(&h, "r 1@45\n");
	/* So is the end of a rule. */
	harness_load(&h, "groups: [{name: g, rules: []}]");
	harness_run(&h, 60, 60, "x 1");
	ck_assert_ptr_nonnull(strstr(h.written.ptr, "r stale@"));
}
END_TEST

START_TEST(written_has_the_external_labels_that_it_lacks)
{
	engine_written_set(h.engine, true);
	external("a");
	harness_load(&h, rules);
	harness_run(&h, 0, 0, "x 1; x{job=\"own\"} 2");
	harness_expect_written(&h, "r{job=\"external\", site=\"a\"} 1@0\n"
				   "r{job=\"own\", site=\"a\"} 2@0\n");
	external("b");
	harness_run(&h, 15, 15, "x 1; x{job=\"own\"} 2");
	harness_expect_written(&h, "r{job=\"external\", site=\"b\"} 1@15\n"
				   "r{job=\"own\", site=\"b\"} 2@15\n");
}
END_TEST

/* Rows of the store are used again. */
START_TEST(written_tells_series_apart_for_ever)
{
	char text[32], expected[64];
	engine_written_set(h.engine, true);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: x}]}]");
	for (int i = 0; i < 40; i++) {
		int at_s = i * 600;
		snprintf(text, sizeof(text), "x{i=\"%d\"} %d", i, i);
		buf_clear(&h.written);
		harness_run(&h, at_s, at_s, text);
		snprintf(expected, sizeof(expected), "r{i=\"%d\"} %d@%d\n", i, i, at_s);
		ck_assert_msg(strstr(h.written.ptr, expected) != NULL, "%s", h.written.ptr);
		harness_run(&h, at_s + 15, at_s + 585, NULL);
	}
}
END_TEST

static Suite *written_suite(void)
{
	Suite *suite = suite_create("written");
	TCase *tc = tcase_create("written");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, written_is_told_only_when_asked_for);
	tcase_add_test(tc, written_is_what_rules_record_and_the_states_of_alerts);
	tcase_add_test(tc, written_has_the_external_labels_that_it_lacks);
	tcase_add_test(tc, written_tells_series_apart_for_ever);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(written_suite)
