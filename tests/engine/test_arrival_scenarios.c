/*
 * Evaluation on arrival as scenarios: at a time samples come, and these events are told. What looks
 * inside is in test_arrival.c.
 */
#include "tests/engine/arrival.h"

#include "base/text.h"

/* A scrape of one target, complete when it comes a second time. */
#define TWO_ROWS "x{" JOB ",i=\"1\"} 1; x{" JOB ",i=\"2\"} 1"

#define STEPS_MAX 10

/* A step: the time, samples, events. */
#define AT(now, ...) { .now_s = now, .samples = __VA_ARGS__ }

static const struct scenario {
	const char *name, *rules;
	struct step {
		double now_s;
		const char *samples; /* NULL: only the time is told */
		const char *events;  /* NULL: those of this step are told with the next one's */
		double of_s;	     /* the samples' time, unless now */
		double next_s;	     /* what the engine waits for then, unless it does not matter */
	} steps[STEPS_MAX];
} scenarios[] = {
	/* ---- when ---- */

	{ "threshold is evaluated at the sample",
	  GROUP("{alert: A, expr: x > 5}"),
	  { AT(2, "x{i=\"1\"} 6; x{i=\"2\"} 1",
	      "2 A{i=\"1\"} pending>firing value=6 active=2 fired=2 settled\n"),
	    AT(3, "x{i=\"2\"} 7",
	      "3 A{i=\"2\"} pending>firing value=7 active=3 fired=3 settled\n"),
	    AT(4, "x{i=\"1\"} 5",
	      "4 A{i=\"1\"} firing>inactive value=6 active=2 fired=2 resolved=4 settled\n") } },
	{ "time is never before the last",
	  GROUP("{alert: A, expr: x > 5}"),
	  { AT(10, "x{i=\"1\"} 6"),
	    AT(11, "x{i=\"2\"} 6", /* another target, scraped before */
	      "10 A{i=\"1\"} pending>firing value=6 active=10 fired=10 settled\n"
	      "10.001 A{i=\"2\"} pending>firing value=6 active=10.001 fired=10.001 settled\n",
	      .of_s = 9) } },
	{ "time is never after now",
	  GROUP("{alert: A, expr: x > 5}"),
	  { AT(10, "x{i=\"1\"} 6", "", .of_s = 10.5, .next_s = 10.5),
	    AT(10.499, NULL, ""),
	    AT(10.7, NULL,
	      "10.5 A{i=\"1\"} pending>firing value=6 active=10.5 fired=10.5 settled\n") } },
	{ "min gap is kept",
	  "groups: [{name: g, evaluate: arrival, min_gap: 1s, interval: 1m, rules: [{alert: "
	    "A, expr: x > 5}]}]",
	  { AT(2, "x{i=\"1\"} 6",
	      "2 A{i=\"1\"} pending>firing value=6 active=2 fired=2 settled\n"),
	    AT(2.2, "x{i=\"2\"} 6"),
	    AT(2.4, "x{i=\"3\"} 6", "", .next_s = 3),
	    AT(3, NULL,
	      "2.4 A{i=\"2\"} pending>firing value=6 active=2.4 fired=2.4 settled\n"
	      "2.4 A{i=\"3\"} pending>firing value=6 active=2.4 fired=2.4 settled\n") } },
	{ "sample out of order waits for the tick",
	  GROUP("{alert: A, expr: 'max_over_time(x[1m]) > 5'}"),
	  { AT(10, "x 1"),
	    AT(11, "x 7", "", .of_s = 9),
	    AT(60, NULL, "60 A pending>firing value=7 active=60 fired=60 settled\n") } },
	{ "tick takes what waits",
	  GROUP("{alert: A, expr: sum(x) > 5}"),
	  { AT(2, "x{i=\"1\"} 6", ""), /* the first scrape ever: nothing is known of it */
	    AT(60, NULL,
	      "60 A pending>firing value=6 active=60 fired=60 settled\n", .next_s = 120) } },

	/* ---- which rows ---- */

	{ "only rows with new samples are evaluated",
	  GROUP("{alert: A, expr: 'count_over_time(x[10s]) > 1'}"),
	  { AT(2, "x{i=\"1\"} 1; x{i=\"2\"} 1"),
	    AT(3, "x{i=\"1\"} 1; x{i=\"2\"} 1",
	      "3 A{i=\"1\"} pending>firing value=2 active=3 fired=3 settled\n"
	      "3 A{i=\"2\"} pending>firing value=2 active=3 fired=3 settled\n"),
	    AT(20, "x{i=\"2\"} 1",
	      "20 A{i=\"2\"} firing>inactive value=2 active=3 fired=3 resolved=20 settled\n"),
	    AT(60, NULL,
	      "60 A{i=\"1\"} firing>inactive value=2 active=3 fired=3 resolved=60 "
	      "settled\n") } },

	/* ---- one to one ---- */

	{ "match within a scrape waits for both sides",
	  GROUP("{alert: A, expr: errors / requests > 0.5}"),
	  { AT(2, "errors{" JOB "} 1; requests{" JOB "} 10; other{" JOB "} 1"),
	    AT(12, "errors{" JOB "} 8", ""), /* 8 of 10 before: of no scrape */
	    AT(12.1, "requests{" JOB "} 100", "", .of_s = 12),
	    AT(22, "requests{" JOB "} 100"),
	    AT(22.1, "errors{" JOB "} 60", /* no need of `other` */
	      "22.001 A{instance=\"1\", job=\"j\"} pending>firing value=0.6 active=22.001 "
	      "fired=22.001 settled\n",
	      .of_s = 22) } },
	{ "match of two targets takes the newest scrape of each",
	  GROUP("{alert: A, expr: 'a{job=\"j\"} > on (pod) b{job=\"k\"}'}"),
	  { AT(2, "a{job=\"j\",pod=\"p\"} 1"),
	    AT(3, "b{job=\"k\",pod=\"p\"} 5; b{job=\"k\",pod=\"q\"} 5"),
	    AT(12, "a{job=\"j\",pod=\"p\"} 6",
	      "12 A{pod=\"p\"} pending>firing value=6 active=12 fired=12 settled\n"),
	    AT(13, "b{job=\"k\",pod=\"q\"} 5"),
	    AT(14, "a{job=\"j\",pod=\"p\"} 4", ""), /* k's scrape is on its way */
	    AT(14.1, "b{job=\"k\",pod=\"p\"} 3", "", .of_s = 13),
	    AT(22, "a{job=\"j\",pod=\"p\"} 2",
	      "22 A{pod=\"p\"} firing>inactive value=4 active=12 fired=12 resolved=22 "
	      "settled\n") } },

	/* ---- settle ---- */

	{ "aggregation waits for the whole scrape",
	  GROUP("{alert: A, expr: sum by (job) (x) < 2}"),
	  { AT(2, TWO_ROWS),
	    AT(12, TWO_ROWS, ""),
	    AT(22, "x{" JOB ",i=\"1\"} 0", ""), /* 0 + 1 before */
	    AT(22.1, "x{" JOB ",i=\"2\"} 5", "", .of_s = 22),
	    AT(32, "x{" JOB ",i=\"2\"} 0"),
	    AT(32.1, "x{" JOB ",i=\"1\"} 1",
	      "32.001 A{job=\"j\"} pending>firing value=1 active=32.001 fired=32.001 settled\n",
	      .of_s = 32) } },
	{ "stale marker completes a scrape",
	  GROUP("{alert: A, expr: sum by (job) (x) > 5}"),
	  { AT(2, TWO_ROWS),
	    AT(12, TWO_ROWS, ""),
	    AT(22, "x{" JOB ",i=\"1\"} 6", ""),
	    AT(22.1, "x{" JOB ",i=\"2\"} stale",
	      "22.001 A{job=\"j\"} pending>firing value=6 active=22.001 fired=22.001 settled\n",
	      .of_s = 22),
	    AT(32, "x{" JOB ",i=\"1\"} 7"), /* which is all there is now */
	    AT(42, "x{" JOB ",i=\"1\"} 4",
	      "42 A{job=\"j\"} firing>inactive value=7 active=22.001 fired=22.001 "
	      "resolved=42 settled\n") } },
	{ "scrape that is not complete within settle waits for the tick",
	  GROUP("{alert: A, expr: sum by (job) (x) > 5}"),
	  { AT(2, TWO_ROWS),
	    AT(12, TWO_ROWS, ""),
	    AT(22, "x{" JOB ",i=\"1\"} 3"),
	    AT(27.1, "x{" JOB ",i=\"2\"} 3", "", .of_s = 22),
	    AT(60, NULL,
	      "60 A{job=\"j\"} pending>firing value=6 active=60 fired=60 settled\n") } },
	{ "settle is the groups",
	  "groups: [{name: g, evaluate: arrival, settle: 1s, interval: 1m, rules: [{alert: "
	    "A, expr: sum(x) > 5}]}, {name: h, evaluate: arrival, settle: 20s, interval: "
	    "1m, rules: [{alert: B, expr: sum(x) > 5}]}]",
	  { AT(2, "x{i=\"1\"} 1; x{i=\"2\"} 1"),
	    AT(32, "x{i=\"1\"} 3"),
	    AT(34, "x{i=\"2\"} 3",
	      "32.001 B pending>firing value=6 active=32.001 fired=32.001 settled\n",
	      .of_s = 32) } },
	{ "scrape with new series waits for the tick",
	  GROUP("{alert: A, expr: sum by (job) (x) < 2}"),
	  { AT(2, TWO_ROWS),
	    AT(12, TWO_ROWS, ""),
	    AT(22, "x{" JOB ",i=\"1\"} 0; x{" JOB ",i=\"2\"} 0; x{" JOB ",i=\"3\"} 0", ""),
	    /* … as there may be more of them */
	    AT(32, "x{" JOB ",i=\"1\"} 0; x{" JOB ",i=\"2\"} 0; x{" JOB ",i=\"3\"} 0",
	      "32 A{job=\"j\"} pending>firing value=0 active=32 fired=32 settled\n") } },
	{ "series that just ends delays one scrape",
	  GROUP("{alert: A, expr: sum by (job) (x) > 5}"),
	  { AT(2, TWO_ROWS),
	    AT(12, TWO_ROWS, ""),
	    AT(22, "x{" JOB ",i=\"1\"} 9", ""),
	    AT(32, "x{" JOB ",i=\"1\"} 9", /* 9 + 1, as a tick would have it */
	      "32 A{job=\"j\"} pending>firing value=10 active=32 fired=32 settled\n") } },
	{ "scrapes that overlap wait for the tick",
	  GROUP("{alert: A, expr: sum by (job) (x) < 2}"),
	  { AT(2, TWO_ROWS),
	    AT(12, TWO_ROWS, ""),
	    AT(15, "x{" JOB ",i=\"1\"} 0"),
	    AT(18, "x{" JOB ",i=\"1\"} 0", ""), /* while the rest of the one before is on "
	      "its way */
	    AT(18.1, "x{" JOB ",i=\"2\"} 5", .of_s = 15),
	    AT(18.2, "x{" JOB ",i=\"2\"} 5", "", .of_s = 18),
	    AT(60, NULL, "") } },
	{ "aggregation waits for its own targets only",
	  GROUP("{alert: A, expr: max by (job) (x) > 5}"),
	  { AT(2, "x{job=\"a\",instance=\"1\"} 1; x{job=\"a\",instance=\"2\"} 1"),
	    AT(3, "x{job=\"b\",instance=\"1\"} 1; x{job=\"b\",instance=\"1\",i=\"2\"} 1"),
	    AT(12, "x{job=\"a\",instance=\"1\"} 1; x{job=\"a\",instance=\"2\"} 1"),
	    AT(22, "x{job=\"b\",instance=\"1\"} 9"), /* half of b */
	    AT(23, "x{job=\"a\",instance=\"1\"} 6",
	      "23 A{job=\"a\"} pending>firing value=6 active=23 fired=23 settled\n") } },
	{ "ranking waits for all that is ranked",
	  GROUP("{alert: A, expr: 'topk(1, x) > 1'}"),
	  { AT(2, TWO_ROWS),
	    AT(12, TWO_ROWS, ""),
	    AT(22, "x{" JOB ",i=\"1\"} 5", ""),
	    AT(22.1, "x{" JOB ",i=\"2\"} 6",
	      "22.001 A{i=\"2\", instance=\"1\", job=\"j\"} pending>firing value=6 "
	      "active=22.001 fired=22.001 settled\n",
	      .of_s = 22),
	    AT(32, "x{" JOB ",i=\"1\"} 7; x{" JOB ",i=\"2\"} 6",
	      "32 A{i=\"1\", instance=\"1\", job=\"j\"} pending>firing value=7 active=32 "
	      "fired=32 settled\n"
	      "32 A{i=\"2\", instance=\"1\", job=\"j\"} firing>inactive value=6 "
	      "active=22.001 fired=22.001 resolved=32 settled\n") } },
	{ "many to one waits for the scrape",
	  GROUP("{alert: A, expr: \"x / on (job) group_left (v) m > 2\"}"),
	  { AT(2, TWO_ROWS),
	    AT(12, TWO_ROWS, ""),
	    AT(22, "x{" JOB ",i=\"1\"} 6; x{" JOB ",i=\"2\"} 2; m{" JOB ",v=\"7\"} 2"),
	    AT(32, "x{" JOB ",i=\"1\"} 8; x{" JOB ",i=\"2\"} 2", ""),
	    AT(32.1, "m{" JOB ",v=\"7\"} 3",
	      "32.001 A{i=\"1\", instance=\"1\", job=\"j\", v=\"7\"} pending>firing "
	      "value=2.6666666666666665 active=32.001 fired=32.001 settled\n",
	      .of_s = 32) } },
	{ "histogram waits for its buckets",
	  GROUP("{alert: A, expr: \"histogram_quantile(0.5, x) > 1\"}"),
	  { AT(2, "x{" JOB ",le=\"1\"} 5; x{" JOB ",le=\"2\"} 5; x{" JOB ",le=\"+Inf\"} 5"),
	    AT(12, "x{" JOB ",le=\"1\"} 5; x{" JOB ",le=\"+Inf\"} 20", ""),
	    AT(12.1, "x{" JOB ",le=\"2\"} 20",
	      "12.001 A{instance=\"1\", job=\"j\"} pending>firing value=1.3333333333333333 "
	      "active=12.001 fired=12.001 settled\n",
	      .of_s = 12) } },

	/* ---- disappearance ---- */

	{ "disappearance is seen at ticks",
	  GROUP("{alert: A, expr: x > 5}, {alert: B, expr: a / b > 5}"),
	  { AT(2, "x 6; a 6; b 1"),
	    AT(3, "x stale; b stale; a 6",
	      "2 A pending>firing value=6 active=2 fired=2 settled\n"
	      "2 B pending>firing value=6 active=2 fired=2 settled\n"),
	    AT(60, NULL,
	      "60 A firing>inactive value=6 active=2 fired=2 resolved=60 settled\n"
	      "60 B firing>inactive value=6 active=2 fired=2 resolved=60 settled\n") } },
	{ "sample that is too old to be seen ends nothing",
	  GROUP("{alert: A, expr: 'avg_over_time(x[30s]) > 5'}"),
	  { AT(2, "x 6", "2 A pending>firing value=6 active=2 fired=2 settled\n"),
	    AT(50, "x{i=\"2\"} 1"),
	    AT(51, "x 7", "", .of_s = 10), /* nothing of it is within 30 s */
	    AT(60, NULL,
	      "60 A firing>inactive value=6 active=2 fired=2 resolved=60 settled\n") } },

	/* ---- timers ---- */

	{ "for ends by the clock",
	  GROUP("{alert: A, expr: x > 5, for: 10s}"),
	  { AT(2, "x 6", "2 A inactive>pending value=6 active=2 settled\n", .next_s = 12),
	    AT(11.999, NULL, ""),
	    AT(12.5, NULL,
	      "12 A pending>firing value=6 active=2 fired=12 settled\n", .next_s = 60) } },
	{ "timer that began at a tick ends by the clock",
	  GROUP("{alert: A, expr: x > 5 or absent(y) > 5, for: 10s}, {alert: B, expr: "
	    "'max_over_time(z[1m]) > 5', for: 10s}"),
	  { AT(50, "z 1"),
	    AT(51, "z 6", .of_s = 49),
	    AT(60, NULL, "60 B inactive>pending value=6 active=60 settled\n"),
	    AT(70, NULL, "70 B pending>firing value=6 active=60 fired=70 settled\n") } },
	{ "for does not end while the scrape is on its way",
	  GROUP("{alert: A, expr: sum by (job) (x) > 5, for: 10s}"),
	  { AT(2, "x{" JOB ",i=\"1\"} 1; x{" JOB ",i=\"2\"} 1"),
	    AT(12, "x{" JOB ",i=\"1\"} 6; x{" JOB ",i=\"2\"} 6",
	      "12 A{job=\"j\"} inactive>pending value=12 active=12 settled\n"),
	    AT(21.9, "x{" JOB ",i=\"1\"} 1"),
	    AT(22.5, NULL, ""),
	    AT(22.6, "x{" JOB ",i=\"2\"} 1",
	      "22.001 A{job=\"j\"} pending>inactive value=12 active=12 settled\n", .of_s = 21.9),
	    AT(32, "x{" JOB ",i=\"1\"} 6; x{" JOB ",i=\"2\"} 6"),
	    AT(41.9, "x{" JOB ",i=\"1\"} 6"),
	    AT(42.5, NULL, "32 A{job=\"j\"} inactive>pending value=12 active=32 settled\n"),
	    AT(42.6, "x{" JOB ",i=\"2\"} 6",
	      "42.001 A{job=\"j\"} pending>firing value=12 active=32 fired=42.001 settled\n",
	      .of_s = 41.9) } },
	{ "keep firing for ends by the clock",
	  GROUP("{alert: A, expr: x > 5, keep_firing_for: 10s}"),
	  { AT(2, "x 6"),
	    AT(3, "x 1", "2 A pending>firing value=6 active=2 fired=2 settled\n"),
	    AT(12.9, NULL, ""),
	    AT(13.2, NULL,
	      "13 A firing>inactive value=6 active=2 fired=2 resolved=13 keep=3 settled\n") } },
	{ "keep firing for ends though the series is gone",
	  GROUP("{alert: A, expr: x > 5, keep_firing_for: 10s}"),
	  { AT(2, "x 6"),
	    AT(3, "x 1"),
	    AT(4, "x stale"),
	    AT(13, NULL,
	      "2 A pending>firing value=6 active=2 fired=2 settled\n"
	      "13 A firing>inactive value=6 active=2 fired=2 resolved=13 keep=3 settled\n") } },
	{ "hysteresis is looked at by ticks and its timer by the clock",
	  GROUP("{alert: A, expr: x > 5, resolve_when: x < 2, keep_firing_for: 10s}"),
	  { AT(2, "x 6"),
	    AT(3, "x 1", "2 A pending>firing value=6 active=2 fired=2 settled\n"),
	    AT(60, NULL),
	    AT(69, NULL, ""),
	    AT(70.5, NULL,
	      "70 A firing>inactive value=6 active=2 fired=2 resolved=70 keep=60 settled\n") } },
	{ "jump of time counts for no timer",
	  GROUP("{alert: A, expr: x > 5, for: 100s}"),
	  { AT(2, "x 6"),
	    AT(182, NULL, "2 A inactive>pending value=6 active=2 settled\n"),
	    AT(200, NULL, "") } },

	/* ---- what else a rule is ---- */

	{ "alert reads what was just recorded",
	  "groups: [{name: b, evaluate: arrival, interval: 1m, rules: [{alert: A, expr: r > "
	    "5}]}, {name: a, evaluate: arrival, interval: 1m, rules: [{record: r, expr: x * "
	    "2}, {alert: B, expr: r > 5}]}]",
	  { AT(2, "x{i=\"1\"} 3; x{i=\"2\"} 1",
	      "2 B{i=\"1\"} pending>firing value=6 active=2 fired=2 settled\n"
	      "2 A{i=\"1\"} pending>firing value=6 active=2 fired=2 settled\n") } },
	{ "label that reads the value moves the alert",
	  GROUP("{alert: A, expr: x > 5, labels: {v: \"{{ $value }}\"}}"),
	  { AT(2, "x 6"),
	    AT(3, "x 7",
	      "2 A{v=\"6\"} pending>firing value=6 active=2 fired=2 settled\n"
	      "3 A{v=\"6\"} firing>inactive value=6 active=2 fired=2 resolved=3 settled\n"
	      "3 A{v=\"7\"} pending>firing value=7 active=3 fired=3 settled\n") } },
};

START_TEST(events_are_told_as_written)
{
	const struct scenario *scenario = &scenarios[_i];
	harness_time(&h, 1);
	harness_load(&h, scenario->rules);
	for (const struct step *step = scenario->steps; step->now_s > 0; step++) {
		engine_time(h.engine, (int64_t)(step->now_s * 1000));
		if (step->samples)
			harness_feed(&h, step->of_s > 0 ? step->of_s : step->now_s, step->samples);
		harness_settle(&h);
		if (step->next_s > 0)
			ck_assert_int_eq(engine_next_ms(h.engine), (int64_t)(step->next_s * 1000));
		if (!step->events)
			continue;
		const char *events = h.events.len ? h.events.ptr : "";
		ck_assert_msg(strcmp(events, step->events) == 0, "%s, at %g:\n%sinstead of\n%s",
			      scenario->name, step->now_s, events, step->events);
		buf_clear(&h.events);
	}
}
END_TEST

static Suite *arrival_scenarios_suite(void)
{
	Suite *suite = suite_create("arrival scenarios");
	TCase *tc = tcase_create("scenarios");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_loop_test(tc, events_are_told_as_written, 0, sizeof(scenarios) / sizeof(scenarios[0]));
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(arrival_scenarios_suite)
