/* Evidence of alerts: gathered from profile series, kept with the alert, in records. */
#include "engine/engine_internal.h"
#include "engine/evidence.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"
#include "tests/engine/harness.h"

static struct harness h, other;

static const char *const rules =
	"groups: [{name: g, warmup: off, rules: [{alert: A, expr: x > 5, for: 15s}]}]";

static void begin(struct harness *to)
{
	struct engine_options options;
	harness_options(&options);
	options.evidence = true;
	harness_start(to, &options);
	harness_load(to, rules);
}

static void start(void)
{
	begin(&h);
}

static void stop(void)
{
	harness_stop(&h);
}

#define SELF "profile_function_self_ratio"
#define TOTAL "profile_function_total_ratio"
#define CPU ",profile_type=\"cpu\"} "

START_TEST(evidence_names_the_functions_of_the_target)
{
	harness_time(&h, 0);
	harness_feed(&h, 0,
		     SELF "{job=\"a\",instance=\"1\",function=\"hot\"" CPU "0.5; " SELF
			  "{job=\"a\",instance=\"1\",function=\"warm\"" CPU "0.2; " SELF
			  "{job=\"a\",instance=\"2\",function=\"other\"" CPU "0.9; " SELF
			  "{job=\"b\",function=\"another\"" CPU "0.9; " SELF
			  "{region=\"eu\",function=\"stranger\"" CPU "0.9; " TOTAL
			  "{job=\"a\",instance=\"1\",function=\"hot\"" CPU "0.75");
	harness_feed(&h, 0, "x{job=\"a\",instance=\"1\",path=\"/\"} 6");
	harness_time(&h, 15);
	harness_feed(&h, 15, SELF "{job=\"a\",instance=\"1\",function=\"warm\"" CPU "0.625");
	harness_time(&h, 30);
	harness_expect(
		&h,
		"15 A{instance=\"1\", job=\"a\", path=\"/\"} inactive>pending value=6 active=15 "
		"settled\n"
		"30 A{instance=\"1\", job=\"a\", path=\"/\"} pending>firing value=6 active=15 "
		"fired=30 settled "
		"evidence={\"lines\":[],\"functions\":[{\"name\":\"warm\",\"profile_type\":\"cpu\","
		"\"self_ratio\":0.625,\"total_ratio\":null},{\"name\":\"hot\",\"profile_type\":"
		"\"cpu\",\"self_ratio\":0.5,\"total_ratio\":0.75}]}\n");
}
END_TEST

START_TEST(evidence_is_the_top_of_each_profile_type)
{
	char text[256];
	harness_time(&h, 0);
	for (int i = 0; i < 8; i++) {
		snprintf(text, sizeof(text),
			 SELF "{job=\"a\",profile_type=\"%s\",function=\"f%d\"} %g",
			 i < 7 ? "cpu" : "mutex", i, (i + 1) / 16.0);
		harness_feed(&h, 0, text);
	}
	/* Of two instances the hotter counts; what has ended does not. */
	harness_feed(&h, 0,
		     SELF "{job=\"a\",instance=\"2\",function=\"f0\"" CPU "0.75; x{job=\"a\"} 6");
	harness_feed(&h, 0, SELF "{job=\"a\",function=\"gone\"" CPU "0.9");
	harness_time(&h, 15);
	harness_feed(&h, 15, SELF "{job=\"a\",function=\"gone\"" CPU "stale");
	buf_clear(&h.events);
	harness_time(&h, 30);
	const char *names[] = { "f0", "f6", "f5", "f4", "f3", "f7" }, *at = h.events.ptr;
	for (size_t i = 0; i < 6; i++) {
		snprintf(text, sizeof(text), "\"name\":\"%s\"", names[i]);
		at = strstr(at, text);
		ck_assert_msg(at != NULL, "%s: %s", names[i], h.events.ptr);
	}
	ck_assert_ptr_null(strstr(at + 1, "\"name\""));
	ck_assert_ptr_null(strstr(h.events.ptr, "gone"));
}
END_TEST

/* x fires at second 30, with n functions of which the last is the hottest. */
static void fire_with_functions(int n)
{
	struct buf text;
	buf_init(&text);
	for (int i = 0; i < n; i++)
		buf_printf(&text, SELF "{job=\"a\",function=\"f%d\"" CPU "%g; ", i,
			   i < n - 1 ? 0.1 : 0.9);
	buf_add_str(&text, "x{job=\"a\"} 6");
	harness_time(&h, 0);
	harness_feed(&h, 0, text.ptr);
	harness_time(&h, 15);
	buf_fini(&text);
}

START_TEST(evidence_weighs_so_many_functions)
{
	const int max = 128;
	for (int more = 0; more <= 1; more++) {
		stop();
		start();
		fire_with_functions(max + more);
		harness_time(&h, 30);
		ck_assert_ptr_nonnull(strstr(h.events.ptr, "\"name\":\"f"));
		ck_assert((strstr(h.events.ptr, "\"self_ratio\":0.9") != NULL) == !more);
	}
}
END_TEST

/* Alerts of one second look at so many series; one of the next begins anew. */
START_TEST(evidence_has_a_budget_of_a_second)
{
	for (int next = 0; next <= 1; next++) {
		stop();
		start();
		fire_with_functions(3);
		h.engine->evidence.second = next ? 29 : 30;
		h.engine->evidence.scanned = EVIDENCE_SCAN_MAX;
		harness_time(&h, 30);
		ck_assert_ptr_nonnull(strstr(h.events.ptr, "pending>firing"));
		ck_assert((strstr(h.events.ptr, "\"name\":\"f2\"") != NULL) == next);
	}
}
END_TEST

START_TEST(evidence_survives_restart_and_refresh)
{
	harness_time(&h, 0);
	harness_feed(&h, 0, SELF "{job=\"a\",function=\"hot\"" CPU "0.5; x{job=\"a\"} 6");
	harness_run(&h, 15, 30, "x{job=\"a\"} 6");
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "hot"));
	buf_clear(&h.events);
	/* What it refreshes with is of the beginning, though the profile has changed. */
	harness_feed(&h, 31, SELF "{job=\"a\",function=\"new\"" CPU "0.9");
	harness_run(&h, 45, 120, "x{job=\"a\"} 6");
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "hot"));
	ck_assert_ptr_null(strstr(h.events.ptr, "new"));
	engine_flush(h.engine);
	begin(&other);
	harness_replay(&h, h.nrecords, &other);
	harness_time(&other, 125);
	ck_assert_ptr_nonnull(strstr(other.events.ptr, "hot"));
	harness_stop(&other);
}
END_TEST

START_TEST(evidence_is_not_gathered_unless_wanted)
{
	struct engine_options options;
	harness_options(&options);
	harness_start(&other, &options);
	harness_load(&other, rules);
	harness_time(&other, 0);
	harness_feed(&other, 0, SELF "{job=\"a\",function=\"hot\"" CPU "0.5; x{job=\"a\"} 6");
	ck_assert_uint_eq(other.outcome.ignored, 1);
	harness_run(&other, 15, 30, "x{job=\"a\"} 6");
	ck_assert_ptr_null(strstr(other.events.ptr, "evidence"));
	harness_stop(&other);
}
END_TEST

/* ---- records ---- */

static struct alert_event *an_event(void)
{
	struct alert_event *event = alert_event_new();
	ck_assert_int_eq(labels_new(NULL, 0, &event->labels, NULL), 0);
	event->expr_labels = labels_ref(event->labels);
	event->state = ALERT_FIRING;
	event->at_ms = event->active_at_ms = event->fired_at_ms = 1000;
	event->file = strdup("f");
	event->group = strdup("g");
	event->rule = strdup("r");
	event->evidence = evidence_new();
	ck_assert_int_eq(evidence_line_add(event->evidence, SLICE("a line")), 0);
	ck_assert_int_eq(
		evidence_function_add(event->evidence, SLICE("f"), SLICE("cpu"), 0.5, number_nan()),
		0);
	return event;
}

START_TEST(evidence_is_the_same_after_encoding)
{
	struct alert_event *event = an_event(), *again;
	struct buf bytes, text;
	struct json_writer w;
	buf_init(&bytes);
	buf_init(&text);
	alert_event_encode(event, &bytes);
	ck_assert_int_eq(alert_event_decode(buf_slice(&bytes), &again), 0);
	json_writer_init(&w, &text);
	evidence_json(again->evidence, &w);
	ck_assert_str_eq(text.ptr, "{\"lines\":[\"a line\"],\"functions\":[{\"name\":\"f\","
				   "\"profile_type\":\"cpu\",\"self_ratio\":0.5,\"total_ratio\":"
				   "null}]}");
	alert_event_free(again);
	/* Cut anywhere, it is no record; but for where version 0.1 ended. */
	size_t whole = bytes.len;
	evidence_unref(event->evidence);
	event->evidence = NULL;
	buf_clear(&text);
	alert_event_encode(event, &text);
	size_t old = text.len - 9; /* the version, two counts */
	for (size_t len = 0; len < whole; len++) {
		int code = alert_event_decode((struct slice){ bytes.ptr, len }, &again);
		ck_assert_int_eq(code, len == old ? 0 : ERR_CORRUPT);
		if (code == 0) {
			ck_assert_ptr_null(again->evidence);
			alert_event_free(again);
		}
	}
	/* A later version, or more than there may be. */
	text.ptr[old] = 2;
	ck_assert_int_eq(alert_event_decode(buf_slice(&text), &again), ERR_CORRUPT);
	text.ptr[old] = 1;
	text.ptr[old + 1] = EVIDENCE_LINES_MAX + 1;
	for (int i = 0; i < 100; i++)
		buf_add_u32(&text, 0);
	ck_assert_int_eq(alert_event_decode(buf_slice(&text), &again), ERR_CORRUPT);
	alert_event_free(event);
	buf_fini(&bytes);
	buf_fini(&text);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("evidence");
	TCase *tc = tcase_create("evidence");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, evidence_names_the_functions_of_the_target);
	tcase_add_test(tc, evidence_is_the_top_of_each_profile_type);
	tcase_add_test(tc, evidence_weighs_so_many_functions);
	tcase_add_test(tc, evidence_has_a_budget_of_a_second);
	tcase_add_test(tc, evidence_survives_restart_and_refresh);
	tcase_add_test(tc, evidence_is_not_gathered_unless_wanted);
	tcase_add_test(tc, evidence_is_the_same_after_encoding);
	suite_add_tcase(suite, tc);
	return suite;
}
TEST_MAIN(suite)
