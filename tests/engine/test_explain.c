/* Explain: what each node has, who shares it, and why a row is not in a result. */
#include "engine/explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"
#include "tests/engine/harness.h"

static struct harness h;
static const struct query_settings settings;
static struct explain *explain;

static void start(void)
{
	harness_start_warm(&h);
	harness_time(&h, -10); /* the first evaluation is at 0 */
	explain = NULL;
}

static void stop(void)
{
	explain_free(explain);
	harness_stop(&h);
}

/* Pieces of a few units, as everything here. */
static struct explain *ask(const char *text, const char *matchers)
{
	char *why = NULL;
	int code;
	explain_free(explain);
	ck_assert_int_eq(explain_new(slice_from(text), matchers, &settings, &explain, &why), 0);
	for (int i = 0; (code = explain_step(h.engine, explain, 7)) == ERR_AGAIN; i++)
		ck_assert_int_lt(i, 1000000);
	ck_assert_int_eq(code, 0);
	ck_assert_ptr_null(explain->work);
	return explain;
}

static void expect_why(const char *text, const char *matchers, enum explain_reason reason,
		       const char *says)
{
	ask(text, matchers);
	ck_assert_msg(explain->code == 0, "%s", explain->error);
	ck_assert_msg(strcmp(explain->says, says) == 0, "%s: %s, not %s", text, explain->says,
		      says);
	ck_assert_str_eq(explain_reason_text(explain->reason), explain_reason_text(reason));
}

/* A node by its text. */
static const struct explain_node *node_of(const char *text)
{
	for (uint32_t i = 0; i < explain->nnodes; i++)
		if (strcmp(explain->nodes[i].text, text) == 0)
			return &explain->nodes[i];
	ck_abort_msg("no node %s", text);
	return NULL;
}

static void load(const char *rules)
{
	struct buf yaml;
	buf_init(&yaml);
	buf_printf(&yaml, "groups: [{name: g, rules: [%s]}]", rules);
	harness_load(&h, yaml.ptr);
	buf_fini(&yaml);
}

/* ---- nodes ---- */

START_TEST(explain_tells_rows_and_what_is_lost)
{
	load("{alert: A, expr: 'sum by (job) (x) > 5 and on (job) y'}");
	harness_feed(&h, 0,
		     "x{job=\"a\",i=\"1\"} 4; x{job=\"a\",i=\"2\"} 3; x{job=\"b\",i=\"1\"} 2; "
		     "x{job=\"c\",i=\"1\"} 9; x{job=\"d\",i=\"1\"} 1");
	harness_feed(&h, 0, "y{job=\"a\"} 1; y{job=\"d\"} 1");
	harness_feed(&h, 10, "x{job=\"d\",i=\"1\"} stale");
	harness_time(&h, 15);
	ask("A", NULL);
	ck_assert_int_eq(explain->code, 0);
	ck_assert_str_eq(explain->text, "sum by (job) (x) > 5 and on (job) y");
	ck_assert_str_eq(explain->rule->name.ptr ? "A" : "", "A");
	ck_assert_int_eq(explain->t_ms, 15000);
	const struct explain_node *x = node_of("{__name__=\"x\"}");
	ck_assert_uint_eq(x->series, 5);
	ck_assert_uint_eq(x->present, 4);
	ck_assert_str_eq(x->lost, "1 ended");
	ck_assert_int_eq(x->newest_ms, 10000);
	const struct explain_node *sum = node_of("sum by (job)");
	ck_assert_uint_eq(sum->present, 3);
	ck_assert_str_eq(sum->lost, "");
	ck_assert_uint_eq(sum->nchildren, 1);
	ck_assert_ptr_eq(&explain->nodes[sum->children[0]], x);
	const struct explain_node *filter = node_of(">");
	ck_assert_uint_eq(filter->present, 2);
	ck_assert_str_eq(filter->lost, "1 compared false; nearest 2 of {job=\"b\"}");
	const struct explain_node *root = &explain->nodes[explain->nnodes - 1];
	ck_assert_str_eq(root->text, "and on (job)");
	ck_assert_uint_eq(root->present, 1);
	ck_assert_str_eq(root->lost, "1 of the left without a partner");
	ck_assert(node_of("5")->scalar == 5);
}
END_TEST

START_TEST(explain_tells_what_joins_lose)
{
	harness_feed(&h, 0, "");
	load("{record: r, expr: 'x > on (a) y'}, {record: s, expr: 'x unless on (a) y'}, {record: "
	     "t, "
	     "expr: 'topk(1, x)'}, {record: u, expr: 'rate(x[1m])'}");
	harness_feed(&h, 0,
		     "x{a=\"1\"} 1; x{a=\"2\"} 3; x{a=\"3\"} 3; y{a=\"1\"} 2; y{a=\"2\"} 2; "
		     "y{a=\"4\"} 2; y{a=\"5\"} 2");
	harness_time(&h, 0);
	ask("r", NULL);
	ck_assert_str_eq(explain->nodes[explain->nnodes - 1].lost,
			 "1 of the left without a partner, 2 of the right without a partner, 1 "
			 "compared false");
	ask("s", NULL);
	ck_assert_str_eq(explain->nodes[explain->nnodes - 1].lost,
			 "2 of the left taken out by the right");
	ask("t", NULL);
	ck_assert_str_eq(explain->nodes[explain->nnodes - 1].lost, "2 not picked");
	ask("u", NULL);
	ck_assert_str_eq(explain->nodes[explain->nnodes - 1].lost, "3 with too few in the range");
	harness_time(&h, 400);
	ask("s", NULL);
	ck_assert_str_eq(node_of("{__name__=\"y\"}")->lost, "4 with none in the lookback");
}
END_TEST

START_TEST(explain_tells_cost_and_sharing)
{
	load("{record: a, expr: 'sum(rate(x[1m]))'}, {record: b, expr: 'sum(rate(x[1m])) * 2'}, "
	     "{record: c, expr: 'max(rate(x[1m]))'}, {record: d, expr: y}");
	for (int i = 0; i < 4; i++)
		harness_run(&h, 15 * i, 15 * i, "x{i=\"1\"} 1; x{i=\"2\"} 2");
	ask("b", NULL);
	const struct explain_node *rate = node_of("rate {__name__=\"x\"}[1m]");
	ck_assert_uint_eq(rate->rules, 3);
	ck_assert_uint_eq(node_of("sum")->rules, 2);
	ck_assert_uint_eq(node_of("*")->rules, 1);
	ck_assert_uint_eq(node_of("2")->rules, 1);
	/* Once for all who share it at one time: the others find it there. */
	ck_assert_uint_ge(rate->evaluations, 4);
	ck_assert_uint_ge(rate->cached, 2 * rate->evaluations - 2);
	ck_assert_uint_gt(rate->units, 0);
	struct rule_status first = harness_rule(&h, 0), second = harness_rule(&h, 1);
	ck_assert_uint_gt(first.units, 0);
	ck_assert_uint_gt(first.units, second.units);
	/* Without a told pace nobody knows how long that takes. */
	ck_assert(second.seconds == 0);
	engine_spent(h.engine, 1000000);
	second = harness_rule(&h, 1);
	ck_assert(second.seconds > 0 && second.seconds < 0.001);
}
END_TEST

START_TEST(explain_tells_the_parts_of_alerts)
{
	load("{alert: A, expr: 'sum by (job) (x) > on (job) 2 * y', for: 15s}");
	harness_run(&h, 0, 15,
		    "x{job=\"a\",i=\"1\"} 4; x{job=\"a\",i=\"2\"} 3; x{job=\"b\",i=\"1\"} 9; "
		    "y{job=\"a\",l=\"x\"} 3; y{job=\"b\",l=\"y\"} 8");
	harness_feed(&h, 20, "y{job=\"b\",l=\"y\"} 1");
	harness_time(&h, 30);
	ask("A", NULL);
	ck_assert_uint_eq(explain->alerts_all, 2);
	ck_assert_uint_eq(explain->nalerts, 2);
	const struct explain_alert *alert = &explain->alerts[0];
	ck_assert_int_eq(alert->state, ALERT_FIRING);
	ck_assert(slice_is(labels_get(alert->labels, SLICE("job")), "a"));
	const struct {
		const char *text;
		uint32_t rows;
		double value;
	} parts[] = { { "> on (job)", 1, 7 },	    { "sum by (job)", 1, 7 },
		      { "{__name__=\"x\"}", 2, 4 }, { "*", 1, 6 },
		      { "{__name__=\"y\"}", 1, 3 }, { "2", 1, 2 } };
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const struct explain_part *part =
			&alert->parts[node_of(parts[i].text) - explain->nodes];
		ck_assert_msg(part->rows == parts[i].rows && part->value == parts[i].value,
			      "%s: %u %g", parts[i].text, part->rows, part->value);
	}
	ck_assert_int_eq(explain->alerts[1].state, ALERT_PENDING);
}
END_TEST

START_TEST(explain_shows_few_alerts_firing_ones_first)
{
	struct buf text;
	buf_init(&text);
	for (int i = 0; i < 20; i++)
		buf_printf(&text, "x{i=\"%d\"} 6\n", i);
	load("{alert: A, expr: x > 5, for: 30s}");
	harness_run(&h, 0, 0, text.ptr);
	harness_run(&h, 15, 30, "x{i=\"17\"} 6; x{i=\"99\"} 6");
	for (int i = 0; i < 17; i++) {
		char line[64];
		snprintf(line, sizeof(line), "x{i=\"%d\"} stale", i);
		harness_feed(&h, 31, line);
	}
	harness_time(&h, 45);
	ask("A", NULL);
	ck_assert_uint_eq(explain->alerts_all, 4);
	ck_assert_uint_eq(explain->nalerts, 4);
	ck_assert_int_eq(explain->alerts[0].state, ALERT_FIRING);
	harness_feed(&h, 46, text.ptr);
	harness_time(&h, 60);
	ask("A", NULL);
	ck_assert_uint_eq(explain->alerts_all, 21);
	ck_assert_uint_eq(explain->nalerts, EXPLAIN_ALERTS_MAX);
	buf_fini(&text);
}
END_TEST

/* ---- which rule ---- */

START_TEST(explain_finds_rules_by_name)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x}, {record: b, expr: y}]}, "
			 "{name: h, rules: [{alert: A, expr: z}]}]");
	harness_time(&h, 0);
	ask("A", NULL);
	ck_assert_int_eq(explain->code, ERR_CONFLICT);
	ck_assert_str_eq(explain->error, "more than one rule is called that; say which: "
					 "rules.yml;g;A, rules.yml;h;A");
	ask("rules.yml;h;A", NULL);
	ck_assert_int_eq(explain->code, 0);
	ck_assert_str_eq(explain->text, "z");
	ask("b", NULL);
	ck_assert_str_eq(explain->text, "y");
	/* What is no rule is an expression. */
	ask("sum(y)  +  1", NULL);
	ck_assert_int_eq(explain->code, 0);
	ck_assert_ptr_null(explain->rule);
	ck_assert_str_eq(explain->text, "sum(y) + 1");
	ask("No Rule", NULL);
	ck_assert_int_eq(explain->code, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(explain->error, "no rule is called \"No Rule\", nor is that "
						     "an expression: "));
}
END_TEST

/* ---- why not ---- */

START_TEST(why_a_comparison_does_not_hold)
{
	load("{alert: A, expr: 'x > 5'}, {alert: B, expr: '5 < sum by (job) (x)'}, {alert: C, "
	     "expr: "
	     "'x > on (job) group_left () y'}, {alert: D, expr: 'abs(-x) > bool 7 > 0'}, "
	     "{alert: E, expr: 'x > 3.8'}");
	harness_feed(&h, 0, "x{job=\"a\",i=\"1\"} 1; x{job=\"a\",i=\"2\"} 3.5; y{job=\"a\"} 4");
	harness_time(&h, 0);
	expect_why("A", "{i=\"1\"}", EXPLAIN_FALSE,
		   "1 > 5 does not hold for x{i=\"1\", job=\"a\"}: it is away by 4");
	/* Of several the nearest. */
	expect_why("A", "", EXPLAIN_FALSE,
		   "3.5 > 5 does not hold for x{i=\"2\", job=\"a\"}: it is away by 1.5");
	/* Labels that the rule adds, or that are gone by then, choose nothing. */
	expect_why("B", "{job=\"a\",i=\"1\",alertname=\"B\",severity=\"page\"}", EXPLAIN_FALSE,
		   "5 < 4.5 does not hold for {job=\"a\"}: it is away by 0.5");
	expect_why("C", "{i=\"2\"}", EXPLAIN_FALSE,
		   "3.5 > 4 does not hold for x{i=\"2\", job=\"a\"}: it is away by 0.5");
	expect_why("E", "", EXPLAIN_FALSE,
		   "3.5 > 3.8 does not hold for x{i=\"2\", job=\"a\"}: it is away by 0.3");
	expect_why("D", "{i=\"2\"}", EXPLAIN_FALSE,
		   "0 > 0 does not hold for {i=\"2\", job=\"a\"}: it is away by 0");
}
END_TEST

START_TEST(why_series_give_nothing)
{
	load("{alert: A, expr: 'sum by (job) (x) > 0'}, {alert: B, expr: 'rate(x[1m]) > 0'}, "
	     "{alert: "
	     "C, expr: 'x offset 1m > 0'}");
	harness_feed(&h, 0, "x{job=\"a\"} 1; x{job=\"b\"} 1");
	harness_time(&h, 0);
	expect_why("B", "{job=\"a\"}", EXPLAIN_TOO_FEW,
		   "x{job=\"a\"} has 1 sample in the 1m that are looked at: too few for rate()");
	expect_why("C", "{job=\"a\"}", EXPLAIN_NO_SAMPLE,
		   "x{job=\"a\"} has no sample up to the time that is looked at");
	harness_feed(&h, 30, "x{job=\"b\"} stale");
	harness_time(&h, 90);
	expect_why("A", "{job=\"b\"}", EXPLAIN_ENDED,
		   "x{job=\"b\"} ended 1m ago, with a stale marker");
	expect_why("B", "{job=\"a\"}", EXPLAIN_TOO_OLD,
		   "x{job=\"a\"} has no sample in the 1m that are looked at; its newest is 1m30s "
		   "old");
	harness_time(&h, 345);
	expect_why("A", "{job=\"a\"}", EXPLAIN_TOO_OLD,
		   "the newest sample of x{job=\"a\"} is 5m45s old: the lookback is 5m");
}
END_TEST

START_TEST(why_no_series_match)
{
	load("{alert: A, expr: 'requests_total{job=\"api\",code=~\"5..\"} > 0'}, {alert: B, expr: "
	     "'requests_totl > 0'}, {alert: C, expr: 'requests_total > 0'}");
	harness_feed(&h, 0,
		     "requests_total{job=\"web\",code=\"200\"} 1; "
		     "requests_total{job=\"db\",code=\"500\"} 1");
	harness_time(&h, 0);
	expect_why("A", "", EXPLAIN_NO_SERIES,
		   "no series matches {__name__=\"requests_total\",code=~\"5..\",job=\"api\"}: of "
		   "the 2 called requests_total none with job=\"api\"; there is job=\"web\", "
		   "\"db\"");
	expect_why("B", "", EXPLAIN_NO_SERIES,
		   "no series matches {__name__=\"requests_totl\"}: none came; did you mean "
		   "\"requests_total\"?");
	expect_why("C", "{job=\"wep\"}", EXPLAIN_NO_LABELS,
		   "{__name__=\"requests_total\"} holds 2 series, none with job=\"wep\"; did you "
		   "mean job=\"web\"?");
	expect_why("C", "{job=\"web\",code=\"500\"}", EXPLAIN_NO_LABELS,
		   "{__name__=\"requests_total\"} holds 2 series, none with all of these labels");
}
END_TEST

START_TEST(why_joins_find_no_partner)
{
	load("{alert: A, expr: 'x > 0 and on (job) y > 5'}, {alert: B, expr: 'x / on (job) "
	     "group_left () y > 0'}, {alert: C, expr: 'x unless on (job) y'}, {alert: D, expr: 'x "
	     "< "
	     "0 or y < 0'}");
	harness_feed(&h, 0, "x{job=\"a\",i=\"1\"} 1; x{job=\"b\",i=\"1\"} 1; y{job=\"b\"} 3");
	harness_time(&h, 0);
	expect_why("A", "{job=\"b\"}", EXPLAIN_FALSE,
		   "3 > 5 does not hold for y{job=\"b\"}: it is away by 2");
	ck_assert_uint_eq(explain->npath, 2);
	ck_assert_str_eq(explain->path[0].says, "on the right nothing is present that matches "
						"{job=\"b\"}");
	expect_why("A", "{job=\"a\"}", EXPLAIN_NO_PARTNER,
		   "{__name__=\"y\"} holds 1 series, none with job=\"a\"; there is job=\"b\"");
	expect_why("B", "{job=\"a\"}", EXPLAIN_NO_PARTNER,
		   "{__name__=\"y\"} holds 1 series, none with job=\"a\"; there is job=\"b\"");
	ck_assert_str_eq(explain->path[0].says,
			 "on the right nothing matches {job=\"a\"}, and so there is no pair");
	expect_why("B", "{i=\"9\"}", EXPLAIN_NO_LABELS,
		   "{__name__=\"x\"} holds 2 series, none with i=\"9\"; there is i=\"1\"");
	expect_why("C", "{job=\"b\"}", EXPLAIN_TAKEN_OUT,
		   "unless takes it out: the right side has y{job=\"b\"}");
	expect_why("D", "{i=\"1\",job=\"a\"}", EXPLAIN_FALSE,
		   "1 < 0 does not hold for x{i=\"1\", job=\"a\"}: it is away by 1");
}
END_TEST

START_TEST(why_others_lose_it)
{
	load("{alert: A, expr: 'topk(1, x)'}, {alert: B, expr: 'absent(x)'}, {alert: C, expr: "
	     "'x * on () y'}, {alert: D, expr: '1 > bool 2'}, {alert: E, expr: 'max_over_time((x > "
	     "5)[5m:1m])'}");
	harness_feed(&h, 0, "x{i=\"1\"} 1; x{i=\"2\"} 2; y{i=\"1\"} 1; y{i=\"2\"} 1");
	harness_time(&h, 0);
	expect_why("A", "{i=\"1\"}", EXPLAIN_NOT_PICKED,
		   "x{i=\"1\"} has 1: not among those that topk takes");
	expect_why("B", "", EXPLAIN_NOT_ABSENT,
		   "absent() has a row only when nothing is there, and something is");
	ask("C", "");
	ck_assert_int_eq(explain->reason, EXPLAIN_FAILED);
	ck_assert_ptr_nonnull(strstr(explain->says, "the rule's last evaluation failed: found "
						    "duplicate series"));
	ck_assert_ptr_nonnull(strstr(explain->nodes[explain->nnodes - 1].error, "duplicate"));
	ask("x * on () y", "");
	ck_assert_ptr_nonnull(strstr(explain->says, "the evaluation fails: found duplicate"));
	expect_why("1 + 1", "", EXPLAIN_OTHER, "it is a number, and has no labels");
	expect_why("E", "", EXPLAIN_OTHER,
		   "it is evaluated within a subquery, at other times than now");
}
END_TEST

/* Of the group that the row fell into, though the label is gone there. */
START_TEST(why_a_group_is_that_of_the_row)
{
	load("{alert: A, expr: 'sum by (job) (x) > 5'}, {alert: B, expr: 'sum by (job) (x) > 1 and on "
	     "(job) y'}");
	harness_feed(&h, 0,
		     "x{job=\"a\",i=\"1\"} 4; x{job=\"b\",i=\"2\"} 2; x{job=\"c\",i=\"3\"} 9; "
		     "y{job=\"c\"} 1");
	harness_time(&h, 0);
	expect_why("A", "{i=\"2\"}", EXPLAIN_FALSE,
		   "2 > 5 does not hold for {job=\"b\"}: it is away by 3");
	expect_why("A", "{i=\"3\"}", EXPLAIN_FIRES, "the alert of {job=\"c\"} fires, since 0s");
	expect_why("B", "{i=\"1\"}", EXPLAIN_NO_PARTNER,
		   "{__name__=\"y\"} holds 1 series, none with job=\"a\"; there is job=\"c\"");
}
END_TEST

/* ---- why it fires, or not yet ---- */

START_TEST(why_it_is_there)
{
	load("{alert: A, expr: x > 5, for: 1m, keep_firing_for: 5m}, {record: r, expr: x}");
	harness_time(&h, -5);
	harness_feed(&h, -5, "x{i=\"1\"} 6");
	expect_why("A", "{i=\"1\"}", EXPLAIN_NOT_YET_RUN,
		   "the rule has not run yet since it was loaded; it will in 5s");
	harness_time(&h, 0);
	expect_why("r", "", EXPLAIN_PRESENT, "x{i=\"1\"} is in the result, with the value 6");
	expect_why("A", "{i=\"1\"}", EXPLAIN_PENDING,
		   "the alert of x{i=\"1\"} is pending since 0s: it fires in 1m, when `for: 1m` is "
		   "over");
	harness_feed(&h, 5, "x{i=\"2\"} 6");
	harness_time(&h, 8);
	expect_why("A", "{i=\"2\"}", EXPLAIN_PRESENT,
		   "x{i=\"2\"} is in the result now; the rule ran 8s ago, and runs again in 7s");
	harness_run(&h, 15, 75, "x{i=\"1\"} 7; x{i=\"2\"} 1");
	expect_why("A", "{i=\"1\"}", EXPLAIN_FIRES, "the alert of x{i=\"1\"} fires, since 15s");
	harness_run(&h, 90, 105, "x{i=\"1\"} 3");
	expect_why(
		"A", "{i=\"1\"}", EXPLAIN_FALSE,
		"the alert is kept for 4m45s more by keep_firing_for, though 3 > 5 does not hold "
		"for x{i=\"1\"}: it is away by 2");
}
END_TEST

/* Not warm: a rule waits, and alerts of a silent sender are held. */
START_TEST(why_it_waits_or_is_held)
{
	struct engine_options options;
	harness_stop(&h);
	harness_options(&options);
	harness_start(&h, &options);
	load("{alert: A, expr: 'max_over_time(x[1m]) > 5'}, {alert: R, expr: x > 5, resolve_when: "
	     "x < "
	     "2}, {alert: H, expr: x > 3}");
	harness_run(&h, 0, 30, "x 6");
	expect_why("A", "", EXPLAIN_WARMING,
		   "the rule is warming: it runs once its windows are fed, in 30s");
	ask("A", NULL);
	ck_assert_int_eq(node_of("max_over_time {__name__=\"x\"}[1m]")->warm_at_ms, 60000);
	harness_run(&h, 45, 315, "x 6");
	expect_why("A", "", EXPLAIN_FIRES, "the alert of {} fires, since 4m15s");
	harness_run(&h, 330, 345, "x 4");
	expect_why("R", "", EXPLAIN_FALSE,
		   "the alert is held (resolve_when), though 4 > 5 does not hold for x: it is away "
		   "by 1");
	for (int t = 360; t <= 675; t += 15)
		harness_time(&h, t);
	expect_why("H", "", EXPLAIN_TOO_OLD,
		   "the alert is held (sender silent), though the newest sample of x is 5m30s old: "
		   "the lookback is 5m");
}
END_TEST

/* ---- resolve_when ---- */

START_TEST(explain_tells_resolve_when)
{
	load("{alert: A, expr: 'x > 10', resolve_when: 'sum by (i) (y) < 5'}, "
	     "{alert: B, expr: 'y > 100'}");
	harness_feed(&h, 0, "x{i=\"a\",j=\"1\"} 12; x{i=\"b\",j=\"1\"} 13; y{i=\"a\"} 7");
	harness_time(&h, 0);
	ask("A", NULL);
	ck_assert_int_eq(explain->code, 0);
	const struct explain *when = explain->next, *has = when->next;
	ck_assert_str_eq(when->text, "sum by (i) (y) < 5");
	ck_assert_uint_eq(when->nalerts, 2);
	const struct explain_node *root = &when->nodes[when->nnodes - 1];
	ck_assert_str_eq(root->text, "<");
	ck_assert_uint_eq(root->present, 0);
	ck_assert_str_eq(root->lost, "1 compared false; nearest 7 of {i=\"a\"}");
	for (uint32_t i = 0; i < when->nnodes; i++) {
		if (strcmp(when->nodes[i].text, "{__name__=\"y\"}") == 0)
			ck_assert_uint_eq(when->nodes[i].rules, 2);
		if (strcmp(when->nodes[i].text, "sum by (i)") != 0)
			continue;
		ck_assert_uint_eq(when->nodes[i].rules, 1);
		for (uint32_t k = 0; k < 2; k++) {
			bool is_a = labels_get(when->alerts[k].labels, slice_from("i")).ptr[0] == 'a';
			ck_assert_uint_eq(when->alerts[k].parts[i].rows, is_a);
			ck_assert(!is_a || when->alerts[k].parts[i].value == 7);
		}
	}
	ck_assert_str_eq(has->text, "sum by (i) (y)");
	ck_assert_uint_eq(has->nodes[has->nnodes - 1].present, 1);
	ck_assert_ptr_null(has->next);
	ask("B", NULL);
	ck_assert_ptr_null(explain->next);
}
END_TEST

/* Nobody waits for the windows of a group that is not to warm up. */
START_TEST(explain_without_warmup_misses_nothing)
{
	struct engine_options options;
	harness_stop(&h);
	harness_options(&options);
	harness_start(&h, &options);
	harness_load(&h, "groups: [{name: g, warmup: off, rules: [{alert: A, expr: "
			 "'max_over_time(x[1m]) > 5'}]}]");
	harness_run(&h, 0, 30, "x 6");
	ask("A", NULL);
	ck_assert_int_eq(node_of("max_over_time {__name__=\"x\"}[1m]")->warm_at_ms, TIME_NONE);
}
END_TEST

/* ---- limits, and the world changing meanwhile ---- */

START_TEST(explain_is_bounded)
{
	struct explain *many[EXPLAINS_MAX + 1];
	struct buf text;
	char *why = NULL;
	harness_time(&h, 0);
	load("{alert: A, expr: x}");
	for (int i = 0; i <= EXPLAINS_MAX; i++) {
		ck_assert_int_eq(explain_new(SLICE("A"), NULL, &settings, &many[i], &why), 0);
		ck_assert_int_eq(explain_step(h.engine, many[i], 1),
				 i < EXPLAINS_MAX ? ERR_AGAIN : ERR_FULL);
	}
	/* What is under way sees that the rules are others. */
	load("{alert: A, expr: y}");
	for (int i = 0; i < EXPLAINS_MAX; i++) {
		ck_assert_int_eq(explain_step(h.engine, many[i], 100), 0);
		ck_assert_str_eq(many[i]->error, "the rules have changed meanwhile: ask again");
		explain_free(many[i]);
	}
	ck_assert_int_eq(explain_step(h.engine, many[EXPLAINS_MAX], 100000), 0);
	ck_assert_str_eq(many[EXPLAINS_MAX]->text, "y");
	explain_free(many[EXPLAINS_MAX]);
	/* An expression of too many nodes. */
	buf_init(&text);
	buf_add_str(&text, "x1");
	for (int i = 2; i < EXPLAIN_NODES_MAX; i++)
		buf_printf(&text, "+x%d", i);
	ask(text.ptr, NULL);
	ck_assert_int_eq(explain->code, ERR_LIMIT);
	buf_fini(&text);
	/* Wishes that are none, or too many. */
	ck_assert_int_eq(explain_new(SLICE("A"), "{a", &settings, &many[0], &why), ERR_INVALID);
	ck_assert_ptr_nonnull(why);
	free(why);
	buf_init(&text);
	for (int i = 0; i <= EXPLAIN_MATCHERS_MAX; i++)
		buf_printf(&text, "%sa=\"b\"", i ? "," : "{");
	buf_add_char(&text, '}');
	ck_assert_int_eq(explain_new(SLICE("A"), text.ptr, &settings, &many[0], &why), ERR_LIMIT);
	buf_fini(&text);
}
END_TEST

/* The likely slip is found among the first values; the others are not looked at. */
START_TEST(explain_looks_at_so_many_values)
{
	struct buf text;
	buf_init(&text);
	for (int n = EXPLAIN_VALUES_MAX; n <= EXPLAIN_VALUES_MAX + 1; n++) {
		for (int i = 1; i < n; i++)
			buf_printf(&text, "m%d{i=\"%d\"} 1; ", n, 1000 + i);
		buf_printf(&text, "m%d{i=\"last\"} 1; ", n);
	}
	load("{alert: A, expr: 'm64 > 0'}, {alert: B, expr: 'm65 > 0'}");
	harness_feed(&h, 0, text.ptr);
	harness_time(&h, 0);
	expect_why("A", "{i=\"lasd\"}", EXPLAIN_NO_LABELS,
		   "{__name__=\"m64\"} holds 64 series, none with i=\"lasd\"; did you mean "
		   "i=\"last\"?");
	expect_why("B", "{i=\"lasd\"}", EXPLAIN_NO_LABELS,
		   "{__name__=\"m65\"} holds 65 series, none with i=\"lasd\"; there is i=\"1001\", "
		   "\"1002\", \"1003\" and others");
	buf_fini(&text);
}
END_TEST

/* Of rules of one name the first few are told; of the way down to a leaf, its beginning. */
START_TEST(explain_tells_no_more_than_can_be_read)
{
	struct buf text;
	buf_init(&text);
	for (int i = 0; i < EXPLAIN_CANDIDATES_MAX + 2; i++)
		buf_printf(&text, "%s{alert: A, expr: x, labels: {l: '%d'}}", i ? ", " : "", i);
	load(text.ptr);
	harness_feed(&h, 0, "x 1");
	harness_time(&h, 0);
	ask("A", NULL);
	ck_assert_int_eq(explain->code, ERR_CONFLICT);
	int told = 0;
	for (const char *at = explain->error; (at = strstr(at, "rules.yml;g;A")); at++)
		told++;
	ck_assert_int_eq(told, EXPLAIN_CANDIDATES_MAX);
	buf_clear(&text);
	for (int i = 0; i < EXPLAIN_PATH_MAX + 5; i++)
		buf_add_str(&text, "x and on () (");
	buf_add_str(&text, "x > 5");
	for (int i = 0; i < EXPLAIN_PATH_MAX + 5; i++)
		buf_add_char(&text, ')');
	ask(text.ptr, "");
	ck_assert_int_eq(explain->reason, EXPLAIN_FALSE);
	ck_assert_uint_eq(explain->npath, EXPLAIN_PATH_MAX);
	buf_fini(&text);
}
END_TEST

/* Series x, so many, and behind them the one that is asked for. */
static void feed_rows(int n)
{
	struct buf text;
	buf_init(&text);
	for (int i = 0; i < n; i++)
		buf_printf(&text, "x{i=\"%d\"} 1; ", i);
	buf_add_str(&text, "x{i=\"last\"} 1");
	harness_feed(&h, 0, text.ptr);
	harness_time(&h, 0);
	buf_fini(&text);
}

START_TEST(explain_looks_at_so_many_rows)
{
	load("{alert: A, expr: x > 5}");
	feed_rows(EXPLAIN_ROWS_MAX - 1);
	expect_why("A", "{i=\"last\"}", EXPLAIN_FALSE, 
		   "1 > 5 does not hold for x{i=\"last\"}: it is away by 4");
	stop();
	start();
	load("{alert: A, expr: x > 5}");
	feed_rows(EXPLAIN_ROWS_MAX);
	ask("A", "{i=\"last\"}");
	ck_assert_int_eq(explain->reason, EXPLAIN_NO_LABELS);
}
END_TEST

/* The name that is near is the last one of n. */
static const char *why_of_near_name(int n)
{
	struct buf text;
	stop();
	start();
	buf_init(&text);
	load("{alert: A, expr: '{__name__=~\".+\"}'}, {alert: B, expr: requests_total}");
	for (int i = 1; i < n; i++)
		buf_printf(&text, "n%d 1; ", i);
	buf_add_str(&text, "request_total 1");
	harness_feed(&h, 0, text.ptr);
	harness_time(&h, 0);
	buf_fini(&text);
	return ask("B", "")->says;
}

START_TEST(explain_looks_at_so_many_names)
{
	static const char none[] =
		"no series matches {__name__=\"requests_total\"}: none came";
	const char *says = why_of_near_name(EXPLAIN_NAMES_MAX);
	ck_assert_msg(strstr(says, "; did you mean \"request_total\"?"), "%s", says);
	ck_assert_str_eq(why_of_near_name(EXPLAIN_NAMES_MAX + 1), none);
}
END_TEST

START_TEST(explain_shows_so_many_values)
{
	struct buf values;
	buf_init(&values);
	load("{alert: A, expr: 'x{a=\"other\"}'}, {alert: B, expr: 'x'}");
	for (int i = 1; i <= EXPLAIN_NEAREST_MAX + 1; i++) {
		char text[32];
		snprintf(text, sizeof(text), "x{a=\"%d\"} 1", i);
		harness_feed(&h, 0, text);
		if (i <= EXPLAIN_NEAREST_MAX)
			buf_printf(&values, "%s\"%d\"", i > 1 ? ", " : "", i);
	}
	harness_time(&h, 0);
	const char *says = ask("A", "")->says;
	buf_add_str(&values, " and others");
	ck_assert_msg(strstr(says, values.ptr), "%s", says);
	buf_fini(&values);
}
END_TEST

/* Left over when the engine ends. */
START_TEST(explain_ends_with_the_engine)
{
	struct explain *left;
	char *why = NULL;
	harness_time(&h, 0);
	load("{alert: A, expr: sum(x)}");
	harness_feed(&h, 0, "x 1");
	ck_assert_int_eq(explain_new(SLICE("A"), NULL, &settings, &left, &why), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(explain_step(h.engine, left, 1), ERR_AGAIN);
	harness_stop(&h);
	explain_free(left);
	harness_start_warm(&h);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("explain");
	TCase *tc = tcase_create("explain");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, explain_tells_rows_and_what_is_lost);
	tcase_add_test(tc, explain_tells_what_joins_lose);
	tcase_add_test(tc, explain_tells_cost_and_sharing);
	tcase_add_test(tc, explain_tells_the_parts_of_alerts);
	tcase_add_test(tc, explain_shows_few_alerts_firing_ones_first);
	tcase_add_test(tc, explain_finds_rules_by_name);
	tcase_add_test(tc, why_a_comparison_does_not_hold);
	tcase_add_test(tc, why_series_give_nothing);
	tcase_add_test(tc, why_no_series_match);
	tcase_add_test(tc, why_joins_find_no_partner);
	tcase_add_test(tc, why_others_lose_it);
	tcase_add_test(tc, why_a_group_is_that_of_the_row);
	tcase_add_test(tc, why_it_is_there);
	tcase_add_test(tc, why_it_waits_or_is_held);
	tcase_add_test(tc, explain_tells_resolve_when);
	tcase_add_test(tc, explain_without_warmup_misses_nothing);
	tcase_add_test(tc, explain_is_bounded);
	tcase_add_test(tc, explain_tells_no_more_than_can_be_read);
	tcase_add_test(tc, explain_looks_at_so_many_values);
	tcase_add_test(tc, explain_looks_at_so_many_rows);
	tcase_add_test(tc, explain_looks_at_so_many_names);
	tcase_add_test(tc, explain_shows_so_many_values);
	tcase_add_test(tc, explain_ends_with_the_engine);
	suite_add_tcase(suite, tc);
	return suite;
}
TEST_MAIN(suite)
