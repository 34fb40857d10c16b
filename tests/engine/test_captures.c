/* Captures: what the queries in templates give, for annotations and for labels. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tests/check_main.h"
#include "tests/engine/harness.h"

static struct harness h, other;

static void start(void)
{
	harness_start_warm(&h);
	harness_time(&h, -10); /* the first evaluation is at 0 */
}

static void stop(void)
{
	harness_stop(&h);
}

static void load(struct harness *to, const char *rule)
{
	struct buf yaml;
	buf_init(&yaml);
	buf_printf(&yaml, "groups: [{name: g, rules: [{alert: A, expr: x > 5, %s}]}]", rule);
	harness_load(to, yaml.ptr);
	buf_fini(&yaml);
}

/* ---- annotations as whoever shows them renders them ---- */

static void on_alert(void *ctx, const struct alert_view *view)
{
	struct buf *out = ctx;
	struct lset_table *lsets = store_lsets(engine_store(h.engine));
	struct labels *labels = lset_to_labels(lsets, view->expr_lset), *annotations;
	const struct template_data data = { .labels = labels,
					    .value = view->value,
					    .results = view->asked };
	ck_assert_int_eq(rule_annotations_render(view->rule, &data, &annotations), 0);
	for (size_t i = 0; i < labels_count(annotations); i++)
		buf_printf(out, "%s" SLICE_FMT, out->len ? "; " : "",
			   SLICE_ARG(labels_at(annotations, i).value));
	labels_unref(annotations);
	labels_unref(labels);
}

static void expect(struct harness *of, const char *texts)
{
	struct buf out;
	struct harness kept = h;
	buf_init(&out);
	h = *of;
	engine_alerts_each(of->engine, UINT32_MAX, on_alert, &out);
	h = kept;
	ck_assert_msg(slice_is(buf_slice(&out), texts), SLICE_FMT ", not %s",
		      SLICE_ARG(buf_slice(&out)), texts);
	buf_fini(&out);
}

#define SHARDS                                                                                     \
	"annotations: {a: 'max {{ with printf `shards_max{job=\"%s\"}` $labels.job | query "       \
	"}}{{ . | first | value }}{{ end }} of {{ query \"count(shards_max)\" | first | value "    \
	"}}'}"

/* Where a template of the alert A fails, as Prometheus says it. */
#define AT(column, context)                                                                        \
	"<error expanding template: error executing template __alert_A: template: "                \
	"__alert_A:1:" column ": executing \"__alert_A\" at <" context ">: "

/* ---- annotations ---- */

START_TEST(captures_are_of_series_that_no_rule_reads)
{
	load(&h, SHARDS);
	harness_feed(&h, 0, "shards_max{job=\"a\"} 7; shards_max{job=\"b\"} 8; other 1");
	ck_assert_uint_eq(h.outcome.ignored, 1);
	harness_feed(&h, 0, "x{job=\"a\"} 6; x{job=\"b\"} 6; x{job=\"c\"} 6");
	harness_time(&h, 0);
	expect(&h, "max 7 of 2; max 8 of 2; max  of 2");
}
END_TEST

START_TEST(captures_are_as_of_the_evaluation)
{
	load(&h, "annotations: {a: '{{ query \"y\" | first | value }} at {{ now }}'}");
	harness_feed(&h, 0, "y 1; x 6");
	harness_time(&h, 0);
	harness_feed(&h, 7, "y 2");
	harness_time(&h, 10);
	expect(&h, "1 at 0");
	harness_time(&h, 15);
	expect(&h, "2 at 15");
	/* What is not in the result any more is as it was then. */
	load(&h, "keep_firing_for: 5m, annotations: {a: '{{ query \"y\" | first | value }}'}");
	harness_run(&h, 30, 30, "y 3; x 6");
	harness_run(&h, 45, 60, "y 4; x 0");
	expect(&h, "3");
}
END_TEST

START_TEST(captures_look_back_as_far_as_their_ranges)
{
	load(&h,
	     "annotations: {a: '{{ query \"sum_over_time(y[10m])\" | first | value }} {{ query "
	     "\"y offset 9m\" | first | value }} {{ query \"max_over_time(y[5m:1m] offset 5m)\" "
	     "| first | value }}'}");
	for (int i = 0; i < 10; i++) {
		char text[40];
		snprintf(text, sizeof(text), "y %d", i);
		harness_feed(&h, 60 * i + 60, text);
		harness_time(&h, 60 * i + 60);
	}
	harness_feed(&h, 600, "x 6");
	harness_time(&h, 615);
	expect(&h, "45 0 4");
}
END_TEST

START_TEST(captures_fail_as_texts)
{
	load(&h,
	     "annotations: {a: '{{ query \"sum(\" }}', b: '{{ query \"nothing\" | first }}', c: "
	     "'{{ query \"y[5m]\" }}', d: '{{ query \"z * on() z\" }}', e: plain}");
	harness_feed(&h, 0, "x 6; z{a=\"1\"} 1; z{a=\"2\"} 1");
	harness_time(&h, 0);
	expect(&h, AT("115",
		      "query \"sum(\"") "error calling query: 1:4: parse error: unclosed left "
					"parenthesis>; " AT(
						"133",
						"first") "error calling first: first() called on "
							 "vector with no elements>; " AT("115",
											 "query "
											 "\"y[5m]"
											 "\"") "err"
											       "or "
											       "cal"
											       "lin"
											       "g "
											       "que"
											       "ry:"
											       " ru"
											       "le "
											       "res"
											       "ult"
											       " is"
											       " no"
											       "t "
											       "a "
											       "vec"
											       "tor"
											       " or"
											       " sc"
											       "ala"
											       "r>;"
											       " " AT("115",
												      "query \"z * on() z\"") "error calling query: found duplicate series for the match group {} on "
															      "the right hand-side of the operation: [{__name__=\"z\", a=\"1\"}, "
															      "{__name__=\"z\", a=\"2\"}];many-to-many matching not allowed: matching "
															      "labels must be unique on one side>; plain");
	/* The alert fires all the same. */
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "pending>firing"));
}
END_TEST

START_TEST(captures_are_made_on_arrival)
{
	harness_load(&h, "groups: [{name: g, evaluate: arrival, rules: [{alert: A, expr: x > 5, labels: "
			 "{l: '{{ query \"y\" | first | label \"l\" }}'}, annotations: {a: '{{ query "
			 "\"y\" | first | value }} at {{ now }}'}}]}]");
	harness_time(&h, 0);
	harness_feed(&h, 2, "y{l=\"z\"} 7");
	harness_time(&h, 2);
	harness_feed(&h, 3, "x 6");
	harness_time(&h, 3);
	expect(&h, "7 at 3");
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "3 A{l=\"z\"} pending>firing"));
}
END_TEST

/* ---- limits ---- */

START_TEST(captures_are_few_of_one_alert)
{
	struct buf rule;
	buf_init(&rule);
	buf_add_str(&rule, "annotations: {a: '");
	for (int i = 0; i < QUERY_RESULTS_MAX; i++)
		buf_printf(&rule, "{{ query \"%d\" | first | value }}", i % 10);
	buf_add_str(&rule, "', b: '");
	for (int i = 0; i < QUERY_RESULTS_MAX + 1; i++)
		buf_printf(&rule, "{{ query \"1%d\" | first | value }}", i);
	buf_add_str(&rule, "'}");
	load(&h, rule.ptr);
	buf_fini(&rule);
	harness_feed(&h, 0, "x 6");
	harness_time(&h, 0);
	expect(&h,
	       "0123456789012345; " AT(
		       "307", "query \"16\"") "error calling query: \"16\" was not asked for when "
					      "the rule was evaluated>");
}
END_TEST

/* Feeds n series of the metric, with a label of so many bytes. */
static void feed_many(const char *metric, int from, int to, int bytes)
{
	struct buf text;
	buf_init(&text);
	for (int i = from; i < to; i++)
		buf_printf(&text, "%s{i=\"%d\",l=\"%0*d\"} 1\n", metric, i, bytes, i);
	harness_feed(&h, 0, text.ptr);
	buf_fini(&text);
}

START_TEST(captures_are_small)
{
	load(&h, "annotations: {a: '{{ query \"y\" | len }}', b: '{{ query \"z\" | len }}', c: '{{ "
		 "query \"w\" | len }}', d: '{{ query \"w - 0\" | len }}'}");
	feed_many("y", 0, QUERY_SAMPLES_MAX, 1);
	feed_many("z", 0, QUERY_SAMPLES_MAX + 1, 1);
	feed_many("w", 0, 500, 400);
	harness_feed(&h, 0, "x 6");
	harness_time(&h, 0);
#define TOO_MANY(n)                                                                                \
	"error calling query: a result of " n                                                      \
	" elements: more than 1000, or than 262144 bytes of labels>; "
	expect(&h,
	       "1000; " AT("115", "query \"z\"") TOO_MANY("1001") "500; " AT(
		       "115", "query \"w - 0\"") "error calling query: the results of one alert's "
						 "queries are too large together>");
	feed_many("w", 500, 700, 400);
	harness_time(&h, 15);
	expect(&h, "1000; " AT("115", "query \"z\"") TOO_MANY("1001") AT("115", "query \"w\"")
			   TOO_MANY("700")
				   AT("115", "query \"w - 0\"") "error calling query: a result of "
								"700 elements: more than 1000, or "
								"than 262144 bytes of labels>");
}
END_TEST

/* More alerts than results are shared between; each has its own. */
START_TEST(captures_of_many_alerts_are_each_their_own)
{
	struct buf text, expected;
	buf_init(&text);
	buf_init(&expected);
	load(&h, "annotations: {a: '{{ query (printf `y{i=\"%s\"}` $labels.i) | first | value }}{{ "
		 "query \"count(y)\" | first | value }}'}");
	for (int i = 0; i < 200; i++) {
		buf_printf(&text, "x{i=\"%d\"} 6\ny{i=\"%d\"} %d\n", i, i, i);
		buf_printf(&expected, "%s%d200", i ? "; " : "", i);
	}
	harness_feed(&h, 0, text.ptr);
	harness_time(&h, 0);
	expect(&h, expected.ptr);
	buf_fini(&text);
	buf_fini(&expected);
}
END_TEST

/* ---- labels ---- */

START_TEST(labels_may_ask)
{
	load(&h,
	     "for: 1m, labels: {tier: '{{ with query (printf `tier{job=\"%s\"}` $labels.job) "
	     "}}{{ . | first | label \"tier\" }}{{ end }}', n: '{{ query \"count(tier)\" | first "
	     "| value }}'}");
	harness_feed(&h, 0, "tier{job=\"a\",tier=\"gold\"} 1; x{job=\"a\"} 6; x{job=\"b\"} 6");
	harness_time(&h, 0);
	harness_expect(&h, "0 A{job=\"a\", n=\"1\", tier=\"gold\"} inactive>pending value=6 "
			   "active=0 settled\n"
			   "0 A{job=\"b\", n=\"1\"} inactive>pending value=6 active=0 settled\n");
	/* They are the alert's identity: another result, another alert. */
	harness_feed(&h, 10, "tier{job=\"b\",tier=\"iron\"} 1");
	harness_time(&h, 15);
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "15 A{job=\"a\", n=\"2\", tier=\"gold\"} "
						   "inactive>pending"));
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "15 A{job=\"b\", n=\"2\", tier=\"iron\"} "
						   "inactive>pending"));
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "15 A{job=\"b\", n=\"1\"} pending>inactive"));
	buf_clear(&h.events);
	harness_run(&h, 30, 75, "x{job=\"a\"} 6; x{job=\"b\"} 6");
	ck_assert_ptr_nonnull(strstr(h.events.ptr, "75 A{job=\"a\", n=\"2\", tier=\"gold\"} "
						   "pending>firing value=6 active=15 fired=75"));
}
END_TEST

START_TEST(labels_that_ask_in_vain_say_so)
{
	load(&h, "labels: {l: '{{ query \"nothing\" | first | value }}'}");
	harness_feed(&h, 0, "x 6");
	harness_time(&h, 0);
	ck_assert_ptr_nonnull(strstr(h.events.ptr,
				     "at <first>: error calling first: first() called on vector "
				     "with no elements>\""));
}
END_TEST

/* ---- what goes with the alert ---- */

START_TEST(captures_survive_restart_and_reload)
{
	load(&h, SHARDS);
	harness_feed(&h, 0, "shards_max{job=\"a\"} 7; x{job=\"a\"} 6");
	harness_time(&h, 0);
	expect(&h, "max 7 of 1");
	load(&h, SHARDS ", keep_firing_for: 1m");
	expect(&h, "max 7 of 1");
	engine_flush(h.engine);
	harness_start_warm(&other);
	load(&other, SHARDS ", keep_firing_for: 1m");
	harness_replay(&h, h.nrecords, &other);
	harness_time(&other, 5);
	expect(&other, "max 7 of 1");
	ck_assert_ptr_nonnull(strstr(other.events.ptr, "firing"));
	harness_stop(&other);
}
END_TEST

static struct alert_event *an_event(void)
{
	struct alert_event *event = alert_event_new();
	struct query_result *one = query_result_new(SLICE("y")),
			    *two = query_result_new(SLICE("sum("));
	ck_assert_int_eq(labels_new(NULL, 0, &event->labels, NULL), 0);
	event->expr_labels = labels_ref(event->labels);
	event->state = ALERT_FIRING;
	event->at_ms = event->active_at_ms = event->fired_at_ms = 1000;
	event->file = strdup("f");
	event->group = strdup("g");
	event->rule = strdup("r");
	event->asked = query_results_new(1500);
	ck_assert_int_eq(query_result_add(one, event->labels, 0.5), 0);
	ck_assert_int_eq(query_result_fail(two, SLICE("unclosed")), 0);
	ck_assert_int_eq(query_results_add(event->asked, one), 0);
	ck_assert_int_eq(query_results_add(event->asked, two), 0);
	query_result_unref(one);
	query_result_unref(two);
	return event;
}

START_TEST(captures_are_the_same_after_encoding)
{
	struct alert_event *event = an_event(), *again;
	struct buf bytes, without;
	buf_init(&bytes);
	buf_init(&without);
	alert_event_encode(event, &bytes);
	ck_assert_int_eq(alert_event_decode(buf_slice(&bytes), &again), 0);
	ck_assert_int_eq(again->asked->t_ms, 1500);
	ck_assert_uint_eq(again->asked->n, 2);
	ck_assert_uint_eq(again->asked->bytes, event->asked->bytes);
	const struct query_result *result = query_results_find(again->asked, SLICE("y"));
	ck_assert_uint_eq(result->n, 1);
	ck_assert_double_eq(result->samples[0].value, 0.5);
	result = query_results_find(again->asked, SLICE("sum("));
	ck_assert_str_eq(result->error, "unclosed");
	alert_event_free(again);
	/* Cut anywhere within, it is no record; without it is as one that asked for nothing. */
	query_results_unref(event->asked);
	event->asked = NULL;
	alert_event_encode(event, &without);
	for (size_t len = without.len; len < bytes.len; len++) {
		int code = alert_event_decode((struct slice){ bytes.ptr, len }, &again);
		ck_assert_int_eq(code, len == without.len ? 0 : ERR_CORRUPT);
		if (code == 0) {
			ck_assert_ptr_null(again->asked);
			alert_event_free(again);
		}
	}
	/* A later version. */
	bytes.ptr[without.len]++;
	ck_assert_int_eq(alert_event_decode(buf_slice(&bytes), &again), ERR_CORRUPT);
	alert_event_free(event);
	buf_fini(&bytes);
	buf_fini(&without);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("captures");
	TCase *tc = tcase_create("captures");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, captures_are_of_series_that_no_rule_reads);
	tcase_add_test(tc, captures_are_as_of_the_evaluation);
	tcase_add_test(tc, captures_look_back_as_far_as_their_ranges);
	tcase_add_test(tc, captures_fail_as_texts);
	tcase_add_test(tc, captures_are_made_on_arrival);
	tcase_add_test(tc, captures_are_few_of_one_alert);
	tcase_add_test(tc, captures_are_small);
	tcase_add_test(tc, captures_of_many_alerts_are_each_their_own);
	tcase_add_test(tc, labels_may_ask);
	tcase_add_test(tc, labels_that_ask_in_vain_say_so);
	tcase_add_test(tc, captures_survive_restart_and_reload);
	tcase_add_test(tc, captures_are_the_same_after_encoding);
	suite_add_tcase(suite, tc);
	return suite;
}
TEST_MAIN(suite)
