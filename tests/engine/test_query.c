/* Ad-hoc queries. */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include <stdatomic.h>

#include "base/error.h"
#include "engine/listing.h"
#include "engine/notes.h"

static struct harness h;

static void start(void)
{
	harness_start_warm(&h);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: 'rate(x[1m])'}]}]");
	for (int i = 0; i <= 4; i++) {
		char text[128];
		snprintf(text, sizeof(text), "x{i=\"1\"} %d; x{i=\"2\"} %d; x{i=\"3\"} %d", i * 15,
			 i * 30, 7);
		harness_run(&h, i * 15, i * 15, text);
	}
}

static void stop(void)
{
	harness_stop(&h);
}

START_TEST(query_gives_rows_by_labels)
{
	harness_expect_query(&h, "x", 60, "x{i=\"1\"} 60\nx{i=\"2\"} 120\nx{i=\"3\"} 7\n");
	harness_expect_query(&h, "round(r * 2)", 60, "{i=\"1\"} 2\n{i=\"2\"} 4\n{i=\"3\"} 0\n");
	harness_expect_query(&h, "sum(count_over_time(x[1m]))", 60, "{} 12\n");
	harness_expect_query(&h, "nothing", 60, "");
}
END_TEST

START_TEST(query_keeps_an_order_that_was_asked_for)
{
	harness_expect_query(&h, "sort(x)", 60, "x{i=\"3\"} 7\nx{i=\"1\"} 60\nx{i=\"2\"} 120\n");
	harness_expect_query(&h, "sort_desc(x)", 60,
			     "x{i=\"2\"} 120\nx{i=\"1\"} 60\nx{i=\"3\"} 7\n");
	harness_expect_query(&h, "topk(2, x)", 60, "x{i=\"2\"} 120\nx{i=\"1\"} 60\n");
	harness_expect_query(&h, "bottomk(2, x)", 60, "x{i=\"3\"} 7\nx{i=\"1\"} 60\n");
	harness_expect_query(&h, "sort(x / (x - 7) - x / (x - 7))", 60,
			     "{i=\"1\"} 0\n{i=\"2\"} 0\n{i=\"3\"} NaN\n");
}
END_TEST

START_TEST(query_of_a_scalar)
{
	harness_expect_query(&h, "1 + time()", 60, "61");
	harness_expect_query(&h, "scalar(x{i=\"1\"})", 60, "60");
}
END_TEST

START_TEST(query_beyond_what_is_kept_is_partial)
{
	harness_run(&h, 75, 600, "x{i=\"1\"} 1");
	const char *rows = harness_query(&h, "count_over_time(x[1h])", 600);
	ck_assert_ptr_nonnull(strstr(rows, "partial\n"));
	ck_assert_ptr_null(strstr(harness_query(&h, "count_over_time(x[1m])", 600), "partial\n"));
}
END_TEST

START_TEST(query_error_is_told)
{
	harness_expect_query(&h, "x * on () group_left () x", 60,
			     "error: found duplicate series for the match group {} on the right "
			     "hand-side of the "
			     "operation: [{__name__=\"x\", i=\"1\"}, {__name__=\"x\", "
			     "i=\"2\"}];many-to-many matching "
			     "not allowed: matching labels must be unique on one side\n");
}
END_TEST

START_TEST(query_that_does_not_parse_is_refused)
{
	struct diag_list diags;
	struct engine_query *query;
	diag_list_init(&diags);
	ck_assert_int_eq(engine_query_new(SLICE("rate(x"), 0, &diags, &query), ERR_INVALID);
	ck_assert_uint_eq(diags.errors, 1);
	ck_assert_int_eq(engine_query_range_new(SLICE("x[5m]"),
						&(struct query_bounds){ 0, 60000, 15000 },
						&(struct query_settings){ 0 }, &diags, &query),
			 ERR_INVALID);
	ck_assert_uint_eq(diags.errors, 2);
	ck_assert_str_eq(diags.items[1].message,
			 "invalid expression type \"range vector\" for range query, must be Scalar "
			 "or instant Vector");
	diag_list_fini(&diags);
}
END_TEST

START_TEST(query_of_a_range_vector_gives_its_samples)
{
	harness_expect_query(&h, "x{i=\"1\"}[30s]", 60, "x{i=\"1\"} 45:45 60:60\n");
	harness_expect_query(&h, "sum(x)[1m:30s]", 60, "{} 30:97 60:187\n");
}
END_TEST

static const char *ask_range(const char *expr, int from_s, int to_s, int step_s)
{
	struct query_bounds bounds = { from_s * 1000, to_s * 1000, step_s * 1000 };
	struct diag_list diags;
	struct engine_query *query;
	diag_list_init(&diags);
	ck_assert_int_eq(engine_query_range_new(slice_from(expr), &bounds,
						&(struct query_settings){ 0 }, &diags, &query),
			 0);
	diag_list_fini(&diags);
	return harness_ask(&h, query);
}

START_TEST(range_query_gives_each_step)
{
	ck_assert_str_eq(ask_range("x{i=\"1\"} * 2", 30, 60, 15), "{i=\"1\"} 30:60 45:90 60:120\n");
	ck_assert_str_eq(ask_range("time()", 10, 20, 10), "{} 10:10 20:20\n");
	/* A series has points only where it is there. */
	ck_assert_str_eq(ask_range("x{i=\"2\"} > 70", 30, 60, 15), "x{i=\"2\"} 45:90 60:120\n");
	ck_assert_str_eq(ask_range("max_over_time(sum(x)[30s:15s])", 45, 60, 15),
			 "{} 45:142 60:187\n");
	ck_assert_str_eq(ask_range("x{i=\"1\"} @ end() - x{i=\"1\"} @ start()", 30, 60, 30),
			 "{i=\"1\"} 30:30 60:30\n");
}
END_TEST

START_TEST(listing_tells_series_and_labels)
{
	struct diag_list diags;
	struct engine_query *query;
	diag_list_init(&diags);
	ck_assert_int_eq(listing_new(LIST_SERIES, &query), 0);
	ck_assert_int_eq(listing_selector_add(query, SLICE("x{i!=\"1\"}"), &diags), 0);
	ck_assert_int_eq(listing_selector_add(query, SLICE("x{i=\"2\",none=\"\"}"), &diags), 0);
	query->listing->limit = 1;
	ck_assert_ptr_nonnull(strstr(harness_ask(&h, query), "\ntruncated\n"));

	ck_assert_int_eq(listing_new(LIST_LABEL_VALUES, &query), 0);
	query->listing->label = SLICE("i");
	query->listing->start_ms = 60000;
	ck_assert_str_eq(harness_ask(&h, query), "1\n2\n3\n");

	ck_assert_int_eq(listing_new(LIST_LABEL_VALUES, &query), 0);
	query->listing->label = SLICE("i");
	query->listing->start_ms = 61000;
	ck_assert_str_eq(harness_ask(&h, query), "");

	ck_assert_int_eq(listing_new(LIST_SERIES, &query), 0);
	ck_assert_int_eq(listing_selector_add(query, SLICE("rate(x[5m])"), &diags), ERR_INVALID);
	engine_query_free(query);
	diag_list_fini(&diags);
}
END_TEST

START_TEST(query_that_touches_too_much_is_stopped)
{
	harness_stop(&h);
	struct engine_options options;
	harness_options(&options);
	options.warm = true;
	options.query_samples_max = 100;
	harness_start(&h, &options);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: x}]}]");
	struct buf text = { 0 };
	for (int i = 0; i < 200; i++)
		buf_printf(&text, "x{i=\"%d\"} 1; ", i);
	harness_run(&h, 0, 0, text.ptr);
	ck_assert_ptr_nonnull(strstr(harness_query(&h, "x", 0),
				     "error: query processing would load too many samples"));
	harness_expect_query(&h, "vector(1)", 0, "{} 1\n");
	buf_fini(&text);
}
END_TEST

/* One more than an answer holds, whatever limit is asked for. */
START_TEST(series_of_a_listing_have_a_limit)
{
	struct store *store = engine_store(h.engine);
	struct engine_query *query;
	struct diag_list diags;
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: many}]}]");
	for (uint64_t i = 0; i <= LISTING_MAX; i++) {
		char text[32];
		struct series *series;
		struct labels *labels;
		snprintf(text, sizeof(text), "%llu", (unsigned long long)i);
		struct label pairs[] = { { SLICE("__name__"), SLICE("many") },
					 { SLICE("i"), slice_from(text) } };
		ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
		ck_assert_int_eq(store_birth(store, (struct hash128){ i, 1 }, labels, &series), 0);
		ck_assert_int_eq(store_append_series(store, series, 2, 60000, 0), APPEND_STORED);
		labels_unref(labels);
	}
	h.units = 100000;
	harness_settle(&h);
	diag_list_init(&diags);
	ck_assert_int_eq(listing_new(LIST_SERIES, &query), 0);
	ck_assert_int_eq(listing_selector_add(query, SLICE("many"), &diags), 0);
	query->listing->limit = 2 * LISTING_MAX;
	const char *answer = harness_ask(&h, query);
	size_t lines = 0;
	for (const char *at = answer; (at = strchr(at, '\n')); at++)
		lines++;
	ck_assert_uint_eq(lines, LISTING_MAX + 1);
	ck_assert_ptr_nonnull(strstr(answer, "\ntruncated\n"));
	diag_list_fini(&diags);
}
END_TEST

START_TEST(selectors_of_a_listing_have_a_limit)
{
	struct diag_list diags;
	struct engine_query *query;
	diag_list_init(&diags);
	ck_assert_int_eq(listing_new(LIST_SERIES, &query), 0);
	for (int i = 0; i < LISTING_SELECTORS_MAX; i++)
		ck_assert_int_eq(listing_selector_add(query, SLICE("x"), &diags), 0);
	ck_assert_int_eq(listing_selector_add(query, SLICE("x"), &diags), ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(harness_ask(&h, query), "x{i=\"1\"}"));
	diag_list_fini(&diags);
}
END_TEST

START_TEST(notes_are_told_once_and_have_a_limit)
{
	struct notes notes = { .n = 0 };
	struct buf text = { 0 };
	notes_add(&notes, NOTE_INFO, 2, 5, "of %d", 0);
	notes_add(&notes, NOTE_INFO, 2, 5, "of %d", 0);
	ck_assert_uint_eq(notes.n, 1);
	note_format(&notes.items[0], SLICE("a\nb"), &text);
	ck_assert_str_eq(text.ptr, "PromQL info: of 0 (2:1)");
	notes_add(&notes, NOTE_INFO, 0, 4, "of %d", 0);
	notes_add(&notes, NOTE_INFO, 1, 6, "of %d", 0);
	notes_add(&notes, NOTE_INFO, 3, 3, "of %d", 0);
	ck_assert_uint_eq(notes.n, 1);
	ck_assert_uint_eq(notes.items[0].place, 1);
	for (int i = 0; i < 2 * NOTES_MAX; i++)
		notes_add(&notes, NOTE_WARNING, 0, 0, "of %d", i);
	ck_assert_uint_eq(notes.n, NOTES_MAX);
	notes_fini(&notes);
	buf_fini(&text);
}
END_TEST

static void expect_note(const char *expr, const char *wanted)
{
	harness_query(&h, expr, 60);
	ck_assert_str_eq(h.notes.ptr, wanted);
}

START_TEST(notes_have_the_place_of_the_last_of_their_like)
{
	static const char no_counter[] =
		"PromQL info: metric might not be a counter, name does not end in "
		"_total/_sum/_count/_bucket: \"x\" ";
	char wanted[256];
	snprintf(wanted, sizeof(wanted), "%s(1:6)\n", no_counter);
	expect_note("rate(x[1m])", wanted);
	snprintf(wanted, sizeof(wanted), "%s(1:24)\n", no_counter);
	expect_note("rate(x[1m]) + increase(x[30s])", wanted);
	snprintf(wanted, sizeof(wanted), "%s(1:20)\n", no_counter);
	expect_note("rate(x[1m]) + rate(x[1m])", wanted);
	snprintf(wanted, sizeof(wanted), "%s(1:1)\n", no_counter);
	expect_note("1 + rate(x[1m:15s])", wanted);
}
END_TEST

/* Whether at one time or at different ones: Prometheus looks at all of a range function's results.
 */
START_TEST(range_functions_have_no_namesakes_in_a_range_query)
{
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: 'rate(x[1h]) + y'}]}]");
	harness_run(&h, 75, 75, "x{i=\"9\"} 1");
	harness_run(&h, 90, 90, "x{i=\"9\"} 2");
	harness_run(&h, 195, 195, "y{i=\"9\"} 1");
	harness_run(&h, 210, 210, "y{i=\"9\"} 2");
	static const char error[] = "error: vector cannot contain metrics with the same labelset\n";
	ck_assert_str_eq(ask_range("increase({__name__=~\"x|y\",i=\"9\"}[30s])", 90, 210, 120),
			 error);
	ck_assert_str_ne(ask_range("increase({__name__=~\"x|y\",i=\"9\"}[30s])", 90, 180, 90),
			 error);
	harness_expect_query(&h,
			     "max_over_time(increase({__name__=~\"x|y\",i=\"9\"}[30s])[3m:30s])",
			     210, error);
}
END_TEST

START_TEST(queries_waiting_have_a_limit)
{
	struct diag_list diags;
	struct engine_query *query;
	diag_list_init(&diags);
	for (int i = 0; i <= QUERIES_MAX; i++) {
		ck_assert_int_eq(engine_query_new(SLICE("x"), 0, &diags, &query), 0);
		ck_assert_int_eq(engine_query(h.engine, query), i < QUERIES_MAX ? 0 : ERR_FULL);
	}
	engine_query_free(query);
	harness_settle(&h);
	struct engine_stats stats;
	engine_stats_get(h.engine, &stats);
	ck_assert_uint_eq(stats.queries, QUERIES_MAX);
	diag_list_fini(&diags);
}
END_TEST

static struct engine_query *ask(const char *text, int64_t deadline_s)
{
	struct diag_list diags;
	struct engine_query *query;
	diag_list_init(&diags);
	ck_assert_int_eq(engine_query_new(slice_from(text), 60000, &diags, &query), 0);
	diag_list_fini(&diags);
	query->deadline_ms = deadline_s * 1000;
	query->interest = query_interest_new();
	ck_assert_ptr_nonnull(query->interest);
	ck_assert_int_eq(engine_query(h.engine, query), 0);
	return query;
}

/* So many steps of a wide query that others would wait long. */
#define LONG_QUERY "max_over_time(sum(x)[1m:10ms])"

START_TEST(queries_take_turns)
{
	ask(LONG_QUERY, 0);
	ask("vector(2)", 0);
	for (int i = 0; i < 1000 && strcmp(h.query.ptr ? h.query.ptr : "", "{} 2\n") != 0; i++)
		engine_step(h.engine, h.units);
	/* The short one is answered long before the one that came first. */
	ck_assert_str_eq(h.query.ptr, "{} 2\n");
	ck_assert(engine_step(h.engine, h.units));
	harness_settle(&h);
	ck_assert_str_eq(h.query.ptr, "{} 187\n");
}
END_TEST

START_TEST(queries_beyond_those_at_once_wait)
{
	struct engine_options options;
	harness_stop(&h);
	harness_options(&options);
	options.warm = true;
	options.queries_at_once = 2;
	harness_start(&h, &options);
	harness_run(&h, 0, 60, "x 1");
	ask(LONG_QUERY, 0);
	ask(LONG_QUERY, 0);
	ask("vector(3)", 70);
	for (int i = 0; i < 1000; i++)
		engine_step(h.engine, h.units);
	ck_assert_uint_eq(h.query.len, 0);
	engine_time(h.engine, 70000);
	engine_step(h.engine, h.units);
	ck_assert_str_eq(h.query.ptr, "error: query timed out in query queue\n");
}
END_TEST

START_TEST(query_that_takes_too_long_is_given_up)
{
	ask(LONG_QUERY, 70);
	for (int i = 0; i < 1000; i++)
		engine_step(h.engine, h.units);
	engine_time(h.engine, 70000);
	harness_settle(&h);
	ck_assert_str_eq(h.query.ptr, "error: query timed out in expression evaluation\n");
}
END_TEST

START_TEST(query_that_nobody_waits_for_is_given_up)
{
	struct query_interest *interest = query_interest_ref(ask(LONG_QUERY, 0)->interest);
	for (int i = 0; i < 1000; i++)
		engine_step(h.engine, h.units);
	atomic_store(&interest->is_gone, true);
	for (int i = 0; i < 1000 && !h.query.ptr; i++)
		engine_step(h.engine, h.units);
	ck_assert_str_eq(h.query.ptr, "error: query was canceled in expression evaluation\n");
	query_interest_unref(interest);
	/* One that was not begun. */
	interest = query_interest_ref(ask("x", 0)->interest);
	atomic_store(&interest->is_gone, true);
	engine_time(h.engine, 61000);
	engine_step(h.engine, 1);
	ck_assert_str_eq(h.query.ptr, "error: query was canceled in query queue\n");
	query_interest_unref(interest);
}
END_TEST

/* What is in memory at once counts, not what was read in the course of it. */
START_TEST(samples_of_a_query_are_those_at_once)
{
	struct engine_options options;
	harness_stop(&h);
	harness_options(&options);
	options.warm = true;
	options.query_samples_max = 12;
	harness_start(&h, &options);
	harness_load(&h, "groups: [{name: g, rules: [{record: r, expr: 'rate(x[1m])'}]}]");
	for (int i = 0; i <= 4; i++)
		harness_run(&h, i * 15, i * 15, "x{i=\"1\"} 1; x{i=\"2\"} 2");
	ck_assert_ptr_null(strstr(ask_range("count(count_over_time(x[1m]))", 45, 60, 5), "error"));
	/* Four steps, and what the last one has read. */
	harness_expect_query(&h, "sum(count_over_time(x[1m]))", 60, "{} 8\n");
	ck_assert_ptr_nonnull(strstr(harness_query(&h, "sum(sum_over_time(x[1m])) + sum(count_over_time(x[1m]))", 60),
				     "error: query processing would load too many samples"));
	ck_assert_ptr_nonnull(strstr(ask_range("x", 0, 60, 1), "too many samples"));
}
END_TEST

START_TEST(queries_that_wait_at_the_end_are_freed)
{
	struct diag_list diags;
	struct engine_query *query;
	diag_list_init(&diags);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(engine_query_new(SLICE("x + x"), 0, &diags, &query), 0);
		ck_assert_int_eq(engine_query(h.engine, query), 0);
	}
	engine_step(h.engine, 1);
	diag_list_fini(&diags);
}
END_TEST

static Suite *query_suite(void)
{
	Suite *suite = suite_create("query");
	TCase *tc = tcase_create("query");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 60); /* a hundred thousand series, and a sanitizer */
	tcase_add_test(tc, query_gives_rows_by_labels);
	tcase_add_test(tc, query_keeps_an_order_that_was_asked_for);
	tcase_add_test(tc, query_of_a_scalar);
	tcase_add_test(tc, query_beyond_what_is_kept_is_partial);
	tcase_add_test(tc, query_error_is_told);
	tcase_add_test(tc, query_that_does_not_parse_is_refused);
	tcase_add_test(tc, query_of_a_range_vector_gives_its_samples);
	tcase_add_test(tc, range_query_gives_each_step);
	tcase_add_test(tc, listing_tells_series_and_labels);
	tcase_add_test(tc, query_that_touches_too_much_is_stopped);
	tcase_add_test(tc, series_of_a_listing_have_a_limit);
	tcase_add_test(tc, selectors_of_a_listing_have_a_limit);
	tcase_add_test(tc, notes_are_told_once_and_have_a_limit);
	tcase_add_test(tc, notes_have_the_place_of_the_last_of_their_like);
	tcase_add_test(tc, range_functions_have_no_namesakes_in_a_range_query);
	tcase_add_test(tc, queries_waiting_have_a_limit);
	tcase_add_test(tc, queries_take_turns);
	tcase_add_test(tc, queries_beyond_those_at_once_wait);
	tcase_add_test(tc, query_that_takes_too_long_is_given_up);
	tcase_add_test(tc, query_that_nobody_waits_for_is_given_up);
	tcase_add_test(tc, samples_of_a_query_are_those_at_once);
	tcase_add_test(tc, queries_that_wait_at_the_end_are_freed);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(query_suite)
