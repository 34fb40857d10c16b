/* resolve_when: a firing alert stays until that matches. Lookback 300 s, interval 15 s. */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include "base/text.h"

static struct harness h;

static void start(void)
{
	harness_start_warm(&h);
}

static void stop(void)
{
	harness_stop(&h);
}

static void expect_alerts(struct harness *of, const char *wanted)
{
	char *alerts = harness_alerts(of);
	ck_assert_str_eq(alerts, wanted);
	free(alerts);
}

/* One evaluation, whose alerts are then as wanted. */
static void at(double time_s, const char *samples, const char *alerts)
{
	harness_run(&h, time_s, time_s, samples);
	expect_alerts(&h, alerts);
}

#define RULE(more) "groups: [{name: g, rules: [{alert: A, expr: x > 10, " more "}]}]"
#define HYSTERESIS "resolve_when: x < 5"
#define FIRING "A firing value=12 active=0 fired=0"

START_TEST(alert_is_held_until_resolve_when_matches)
{
	harness_load(&h, RULE(HYSTERESIS));
	at(0, "x 12", FIRING "\n");
	at(15, "x 7", FIRING " unresolved\n");
	at(30, "x 11", "A firing value=11 active=0 fired=0\n");
	at(45, "x 5", "A firing value=11 active=0 fired=0 unresolved\n");
	ck_assert_uint_eq(harness_rule(&h, 0).held, 1);
	at(60, "x 4", "");
	ck_assert_uint_eq(harness_rule(&h, 0).held, 0);
	at(75, "x 7", ""); /* between the two nothing begins, either */
	harness_expect(&h,
		       "0 A pending>firing value=12 active=0 fired=0 settled\n"
		       "15 A firing value=12 active=0 fired=0 reason=refresh settled unresolved\n"
		       "30 A firing value=11 active=0 fired=0 reason=refresh settled\n"
		       "45 A firing value=11 active=0 fired=0 reason=refresh settled unresolved\n"
		       "60 A firing>inactive value=11 active=0 fired=0 resolved=60 settled\n");
}
END_TEST

START_TEST(alert_that_is_held_is_a_firing_series)
{
	harness_load(&h, RULE(HYSTERESIS));
	harness_run(&h, 0, 0, "x 12");
	harness_run(&h, 15, 15, "x 7");
	harness_expect_query(&h, "ALERTS", 15,
			     "ALERTS{alertname=\"A\", alertstate=\"firing\"} 1\n");
	harness_expect_query(&h, "ALERTS_FOR_STATE", 15, "ALERTS_FOR_STATE{alertname=\"A\"} 0\n");
}
END_TEST

START_TEST(element_ends_the_alerts_that_have_all_its_labels)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: x > 10, labels: {job: z}, "
			 "resolve_when: \"label_replace(ok, 'none', '', '', '') == 1\"}]}]");
	harness_run(&h, 0, 0, "x{i=\"1\",job=\"a\"} 12; x{i=\"2\",job=\"a\"} 12");
	/* Of another instance; with a label that the alerts have not; with the job that only the
	 * rule's label says. */
	harness_run(&h, 15, 15,
		    "x{i=\"1\",job=\"a\"} 1; x{i=\"2\",job=\"a\"} 1; ok{i=\"3\"} 1; "
		    "ok{i=\"1\",more=\"x\"} 1; ok{job=\"z\"} 1; ok{i=\"2\"} 0");
	ck_assert_uint_eq(harness_rule(&h, 0).held, 2);
	/* Fewer labels than the alert has are enough. */
	harness_run(&h, 30, 30, "ok{i=\"2\"} 1");
	expect_alerts(
		&h,
		"A{i=\"1\", job=\"z\"} firing value=12 active=0 fired=0 nodata=15 unresolved\n");
	harness_run(&h, 45, 45, "ok{job=\"a\"} 1");
	expect_alerts(&h, "");
}
END_TEST

START_TEST(element_without_labels_ends_all)
{
	harness_load(&h, RULE("resolve_when: sum(ok) == 1"));
	harness_run(&h, 0, 0, "x{i=\"1\"} 12; x{i=\"2\"} 12; ok 0");
	harness_run(&h, 15, 15, "x{i=\"1\"} 1; x{i=\"2\"} 1; ok 0");
	ck_assert_uint_eq(harness_rule(&h, 0).held, 2);
	harness_run(&h, 30, 30, "ok 1");
	ck_assert_uint_eq(harness_rule(&h, 0).firing, 0);
}
END_TEST

START_TEST(element_is_known_by_its_labels_and_not_by_its_name)
{
	harness_load(&h, RULE("resolve_when: \"{__name__=~'a|b'} == 1\""));
	harness_run(&h, 0, 0, "x{i=\"1\"} 12; a{i=\"1\"} 0; b{i=\"1\"} 0");
	at(15, "x{i=\"1\"} 1; a{i=\"1\"} 0; b{i=\"1\"} 0",
	   "A{i=\"1\"} firing value=12 active=0 fired=0 unresolved\n");
	at(30, "b{i=\"1\"} 1", "");
}
END_TEST

START_TEST(keep_firing_for_counts_from_the_first_match)
{
	harness_load(&h, RULE(HYSTERESIS ", keep_firing_for: 30s"));
	at(0, "x 12", FIRING "\n");
	at(15, "x 7", FIRING " unresolved\n");
	at(30, "x 4", FIRING " keep=30\n");
	/* Between the two: it counts on, but does not end. */
	at(45, "x 7", FIRING " keep=30 unresolved\n");
	at(60, "x 7", FIRING " keep=30 unresolved\n");
	at(75, "x 4", "");
}
END_TEST

START_TEST(keep_firing_for_counts_anew_when_the_expression_holds_again)
{
	harness_load(&h, RULE(HYSTERESIS ", keep_firing_for: 30s"));
	at(0, "x 12", FIRING "\n");
	at(15, "x 4", FIRING " keep=15\n");
	at(30, "x 12", FIRING "\n");
	at(45, "x 4", FIRING " keep=45\n");
	at(60, "x 4", FIRING " keep=45\n");
	at(75, "x 4", "");
}
END_TEST

START_TEST(alert_that_is_pending_ignores_it)
{
	harness_load(&h, RULE(HYSTERESIS ", for: 1m"));
	at(0, "x 12", "A pending value=12 active=0\n");
	at(15, "x 7", "");
}
END_TEST

#define NO_DATA_RULE                                                                               \
	"groups: [{name: g, rules: [{alert: A, expr: x > 10, resolve_when: y < 5, no_data: %s}]}]"

static void load_no_data(const char *what)
{
	char rules[200];
	snprintf(rules, sizeof(rules), NO_DATA_RULE, what);
	harness_load(&h, rules);
	harness_run(&h, 0, 0, "x 12; y 9");
}

/* Stale, absent and NaN: each ends it one lookback after it was first seen. */
START_TEST(alert_without_data_ends_after_the_lookback)
{
	static const char *const ways[] = { "x 1; y stale", "x 1; y NaN" };
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		load_no_data("resolve");
		harness_run(&h, 15, 15, ways[i]);
		expect_alerts(&h, FIRING " nodata=15 unresolved\n");
		harness_run(&h, 30, 300, ways[i]);
		expect_alerts(&h, FIRING " nodata=15 unresolved\n");
		buf_clear(&h.events);
		harness_run(&h, 315, 315, ways[i]);
		harness_expect(&h, "315 A firing>inactive value=12 active=0 fired=0 resolved=315 "
				   "reason=no_data settled\n");
		harness_stop(&h);
		harness_start_warm(&h);
	}
	load_no_data("resolve");
	harness_run(&h, 15, 285, "x 1");
	expect_alerts(&h, FIRING " unresolved\n"); /* 9 stands yet */
	harness_run(&h, 300, 300, "x 1");
	expect_alerts(&h, FIRING " nodata=300 unresolved\n");
	harness_run(&h, 315, 600, "x 1");
	expect_alerts(&h, "");
}
END_TEST

START_TEST(alert_without_data_is_held_if_told_so)
{
	load_no_data("hold");
	harness_run(&h, 15, 3000, "x 1; y NaN");
	expect_alerts(&h, FIRING " nodata=15 unresolved\n");
	harness_run(&h, 3015, 3015, "x 1; y 4");
	expect_alerts(&h, "");
}
END_TEST

START_TEST(alert_counts_no_data_anew_when_there_was_some)
{
	load_no_data("resolve");
	harness_run(&h, 15, 300, "x 1; y NaN");
	harness_run(&h, 315, 315, "x 1; y 9");
	harness_run(&h, 330, 615, "x 1; y NaN");
	expect_alerts(&h, FIRING " nodata=330 unresolved\n");
	harness_run(&h, 630, 630, "x 1; y NaN");
	expect_alerts(&h, "");
}
END_TEST

/* What is known is told by the expression without its conditions, however it is made. */
START_TEST(data_is_seen_through_whatever_filters)
{
	static const struct {
		const char *when, *samples;
		bool has_data;
	} cases[] = {
		{ "y < 5", "y 9", true },
		{ "5 > y", "y 9", true },
		{ "y < z", "y 9; z 1", true },
		{ "y < z", "y 9", false },
		{ "y < z", "y +Inf; z +Inf", true },
		{ "y < scalar(z)", "y 9; z 1", true },
		{ "y < scalar(z)", "y 9", false },
		{ "max(y < 5)", "y 9", true },
		{ "abs(y < 5)", "y 9", true },
		{ "y < 5 and z < 5", "y 9; z 9", true },
		{ "y < 5 and z < 5", "y 9", false },
		{ "y < 5 and z < 5", "y 9; z NaN", false },
		{ "y < 5 or z < 5", "z 9", true },
		{ "y < 5 or z < 5", "y NaN; z 9", true },
		{ "y < 5 unless z", "y 9", true },
		{ "topk(1, y < 5)", "y 9", true },
		{ "absent(y)", "y 9", true },
		{ "absent(y < 5) == 0", "w 1", true },
		{ "max_over_time((y < 5)[1m:])", "y 9", true },
		{ "scalar(y) == bool 1", "y 9", true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char rules[300];
		snprintf(rules, sizeof(rules), RULE("resolve_when: '%s'"), cases[i].when);
		harness_load(&h, rules);
		harness_run(&h, 0, 0, "x 12");
		harness_feed(&h, 60, "x 1");
		harness_run(&h, 60, 75, cases[i].samples);
		char *alerts = harness_alerts(&h);
		bool is_scalar = strstr(cases[i].when, "bool") != NULL;
		ck_assert_msg((strstr(alerts, "nodata=") == NULL) == cases[i].has_data,
			      "%s with %s: %s", cases[i].when, cases[i].samples, alerts);
		ck_assert_msg(is_scalar == (*alerts == '\0'), "%s: %s", cases[i].when, alerts);
		free(alerts);
		harness_stop(&h);
		harness_start_warm(&h);
	}
}
END_TEST

START_TEST(error_of_resolve_when_leaves_alerts_alone)
{
	harness_load(&h, RULE("resolve_when: y * on (j) z < 5"));
	at(0, "x{i=\"1\"} 12; x{i=\"2\"} 1", "A{i=\"1\"} firing value=12 active=0 fired=0\n");
	/* Two of z for one of y. The first is left as it is, the second begins all the same. */
	at(15, "x{i=\"1\"} 1; x{i=\"2\"} 13; y 1; z{a=\"1\"} 1; z{a=\"2\"} 1",
	   "A{i=\"1\"} firing value=12 active=0 fired=0\n"
	   "A{i=\"2\"} firing value=13 active=15 fired=15\n");
	struct rule_status status = harness_rule(&h, 0);
	ck_assert_int_eq(status.health, RULE_ERROR);
	ck_assert_uint_eq(status.failures, 1);
	ck_assert_msg(strncmp(status.error, "resolve_when: found duplicate series", 36) == 0, "%s",
		      status.error);
	at(30, "z{a=\"2\"} stale; x{i=\"2\"} 1", "");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_OK);
}
END_TEST

START_TEST(error_of_the_expression_leaves_held_alerts_alone)
{
	harness_load(&h, "groups: [{name: g, rules: [{alert: A, expr: y * on (j) z > 10, "
			 "resolve_when: y < 5}]}]");
	harness_run(&h, 0, 0, "y 12; z 1");
	harness_run(&h, 15, 15, "y 4; z{a=\"2\"} 1");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_ERROR);
	expect_alerts(&h, FIRING "\n");
}
END_TEST

START_TEST(alert_that_is_held_counts_for_the_limit)
{
	harness_load(&h, "groups: [{name: g, limit: 1, rules: [{alert: A, expr: x > 10, "
			 "resolve_when: x < 5}]}]");
	at(0, "x{i=\"1\"} 12; x{i=\"2\"} 1", "A{i=\"1\"} firing value=12 active=0 fired=0\n");
	at(15, "x{i=\"1\"} 7; x{i=\"2\"} 12", "");
	ck_assert_str_eq(harness_rule(&h, 0).error, "exceeded limit of 1 with 2 alerts");
}
END_TEST

START_TEST(series_that_come_and_go_are_followed)
{
	char samples[200];
	harness_load(&h, RULE("resolve_when: y < 5, no_data: hold"));
	harness_run(&h, 0, 0, "x{i=\"1\"} 12");
	for (int k = 1; k < 40; k++) {
		snprintf(samples, sizeof(samples),
			 "x{i=\"1\"} 1; y{i=\"%d\"} 4; y{i=\"%d\"} stale; y{i=\"%d\",j=\"x\"} %d",
			 k + 1, k, k % 3, 2 * k);
		harness_run(&h, 15 * k, 15 * k, samples);
		ck_assert_uint_eq(harness_rule(&h, 0).held, 1);
	}
	harness_run(&h, 615, 615, "y{i=\"1\"} 1");
	ck_assert_uint_eq(harness_rule(&h, 0).firing, 0);
}
END_TEST

START_TEST(result_of_too_many_shapes_is_an_error)
{
	harness_load(&h, RULE("resolve_when: y < 5, no_data: hold"));
	harness_run(&h, 0, 0, "x 12");
	struct buf samples;
	buf_init(&samples);
	buf_add_str(&samples, "x 1");
	for (int i = 0; i < 65; i++)
		buf_printf(&samples, "; y{l%d=\"1\"} 9", i);
	buf_add_char(&samples, '\0');
	harness_run(&h, 15, 15, samples.ptr);
	ck_assert_str_eq(harness_rule(&h, 0).error, "resolve_when: a limit was exceeded");
	expect_alerts(&h, FIRING "\n");
	buf_fini(&samples);
	harness_run(&h, 30, 30, "y{l64=\"1\"} stale");
	harness_run(&h, 3000, 3000, "y 4"); /* they are forgotten, and their shapes */
	harness_run(&h, 4005, 4005, "y 4");
	ck_assert_str_eq(harness_rule(&h, 0).error, "");
	ck_assert_uint_eq(harness_rule(&h, 0).firing, 0);
}
END_TEST

/* ---- restarts and reloads ---- */

START_TEST(alert_that_is_held_survives_a_restart)
{
	struct harness other;
	harness_load(&h, RULE("resolve_when: y < 5, keep_firing_for: 10m"));
	harness_run(&h, 0, 0, "x 12; y 9");
	harness_run(&h, 15, 15, "x 1; y 4");
	harness_run(&h, 30, 30, "x 1; y NaN");
	expect_alerts(&h, FIRING " keep=15 nodata=30 unresolved\n");
	harness_start_warm(&other);
	harness_load(&other, RULE("resolve_when: y < 5, keep_firing_for: 10m"));
	harness_replay(&h, h.nrecords, &other);
	expect_alerts(&other, FIRING " keep=15 nodata=30 unresolved\n");
	harness_run(&other, 45, 60, "x 1; y 9");
	expect_alerts(&other, FIRING " keep=15 unresolved\n");
	/* So does a checkpoint. */
	size_t n = other.nrecords;
	engine_checkpoint(other.engine);
	harness_settle(&other);
	struct harness third, records = { .records = other.records + n };
	harness_start_warm(&third);
	harness_load(&third, RULE("resolve_when: y < 5, keep_firing_for: 10m"));
	harness_replay(&records, other.nrecords - n, &third);
	expect_alerts(&third, FIRING " keep=15 unresolved\n");
	harness_stop(&third);
	harness_stop(&other);
}
END_TEST

START_TEST(alert_that_is_held_survives_a_reload)
{
	harness_load(&h, RULE(HYSTERESIS));
	harness_run(&h, 0, 0, "x 12");
	harness_run(&h, 15, 15, "x 7");
	harness_load(&h,
		     "groups: [{name: g, rules: [{record: new, expr: x}, {alert: A, expr: x > 10, "
		     "resolve_when: x < 6}]}]");
	at(30, "x 7", FIRING " unresolved\n");
	at(45, "x 5", "");
}
END_TEST

START_TEST(alert_that_is_held_ends_when_nothing_holds_it)
{
	harness_load(&h, RULE(HYSTERESIS));
	harness_run(&h, 0, 0, "x 12");
	harness_run(&h, 15, 15, "x 7");
	buf_clear(&h.events);
	harness_load(&h, RULE("for: 0s"));
	harness_run(&h, 30, 30, "x 7");
	harness_expect(&h, "30 A firing>inactive value=12 active=0 fired=0 resolved=30 settled\n");
}
END_TEST

START_TEST(timers_do_not_count_time_that_was_jumped_over)
{
	harness_load(&h, RULE("resolve_when: y < 5"));
	harness_run(&h, 0, 0, "x 12; y 9");
	harness_run(&h, 15, 15, "x 1; y stale");
	expect_alerts(&h, FIRING " nodata=15 unresolved\n");
	harness_run(&h, 1015, 1035, NULL);
	expect_alerts(&h, FIRING " nodata=990 unresolved\n");
}
END_TEST

/* ---- against a plain model ---- */

#define MODEL_TICKS 3000
#define MODEL_KEEP_S 45
#define MODEL_LOOKBACK_S 60
#define MODEL_NONE (-1.0)

struct model {
	bool fires;
	double value, fired_s, keep_s, no_data_s;
	bool is_unresolved;
};

enum model_input { HOLDS, MATCHES, WAITS, IS_NAN, IS_STALE, MODEL_INPUTS };

/* The state machine, as the language tells it. */
static void model_step(struct model *model, double t_s, double x, enum model_input input)
{
	if (input == HOLDS) {
		if (!model->fires)
			model->fired_s = t_s;
		model->fires = true;
		model->value = x;
		model->keep_s = model->no_data_s = MODEL_NONE;
		model->is_unresolved = false;
		return;
	}
	bool has_data = input == MATCHES || input == WAITS;
	if (input == MATCHES && model->keep_s == MODEL_NONE)
		model->keep_s = t_s;
	if (has_data)
		model->no_data_s = MODEL_NONE;
	else if (model->no_data_s == MODEL_NONE)
		model->no_data_s = t_s;
	model->is_unresolved = input != MATCHES;
	if ((input == MATCHES && t_s - model->keep_s >= MODEL_KEEP_S) ||
	    (!has_data && t_s - model->no_data_s >= MODEL_LOOKBACK_S))
		model->fires = false;
}

static void model_format(const struct model *model, char *out, size_t size)
{
	char keep[32] = "", no_data[32] = "";
	if (model->keep_s != MODEL_NONE)
		snprintf(keep, sizeof(keep), " keep=%g", model->keep_s);
	if (model->no_data_s != MODEL_NONE)
		snprintf(no_data, sizeof(no_data), " nodata=%g", model->no_data_s);
	out[0] = '\0';
	if (model->fires)
		snprintf(out, size, "A firing value=%g active=%g fired=%g%s%s%s\n", model->value,
			 model->fired_s, model->fired_s, keep, no_data,
			 model->is_unresolved ? " unresolved" : "");
}

#define MODEL_RULE RULE("resolve_when: y < 5, keep_firing_for: 45s")
#define MODEL_RULE_OTHER RULE("resolve_when: y < 5, keep_firing_for: 45s, annotations: {a: b}")

/* An engine's sink knows where its harness stands, which so must stay there. */
static struct harness *model_begin(void)
{
	struct harness *of = malloc(sizeof(*of));
	struct engine_options options;
	harness_options(&options);
	options.warm = true;
	options.store.lookback_ms = MODEL_LOOKBACK_S * 1000;
	harness_start(of, &options);
	harness_load(of, MODEL_RULE);
	return of;
}

static void model_end(struct harness *of)
{
	harness_stop(of);
	free(of);
}

/* What a checkpoint holds is all that a new engine gets. */
static struct harness *restarted(struct harness *old)
{
	size_t n = old->nrecords;
	struct harness *young = model_begin();
	engine_checkpoint(old->engine);
	harness_settle(old);
	struct harness records = { .records = old->records + n };
	harness_replay(&records, old->nrecords - n, young);
	model_end(old);
	return young;
}

START_TEST(alerts_go_as_a_plain_model_does)
{
	static const char *const texts[] = { [HOLDS] = "y 9",
					     [MATCHES] = "y 4",
					     [WAITS] = "y 9",
					     [IS_NAN] = "y NaN",
					     [IS_STALE] = "y stale" };
	struct model model = { .fires = false };
	char samples[64], wanted[200];
	uint64_t state = 1;
	unsigned ended = 0;
	enum model_input input = HOLDS;
	struct harness *of = model_begin();
	for (int i = 0; i < MODEL_TICKS; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		/* What is so often stays so: else no timer would ever end. */
		if (state >> 62 == 0)
			input = (state >> 40) % MODEL_INPUTS;
		double x = input == HOLDS ? 11 + i % 7 : i % 10;
		snprintf(samples, sizeof(samples), "x %g; %s", x, texts[input]);
		bool fired = model.fires;
		if (input == HOLDS || fired)
			model_step(&model, 15 * i, x, input);
		ended += fired && !model.fires;
		harness_run(of, 15 * i, 15 * i, samples);
		model_format(&model, wanted, sizeof(wanted));
		expect_alerts(of, wanted);
		if ((state >> 50) % 50 == 0)
			of = restarted(of);
		else if ((state >> 50) % 50 == 1)
			harness_load(of, (state >> 45) % 2 ? MODEL_RULE : MODEL_RULE_OTHER);
		buf_clear(&of->events);
	}
	model_end(of);
	ck_assert_uint_gt(ended, 50);
}
END_TEST

/* ---- what it reads ---- */

static void start_cold(void)
{
	struct engine_options options;
	harness_options(&options);
	harness_start(&h, &options);
	harness_time(&h, 7);
}

START_TEST(rule_waits_for_what_resolve_when_reads)
{
	harness_load(&h,
		     "groups: [{name: g, rules: [{alert: A, expr: 'sum_over_time(x[15s]) > 10', "
		     "resolve_when: 'max_over_time(y[1m]) < 5'}]}]");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_WARMING);
	harness_run(&h, 15, 60, "x 12; y 1");
	ck_assert_int_eq(harness_rule(&h, 0).warm_at_ms, 67000);
	harness_run(&h, 75, 75, "x 12; y 1");
	ck_assert_int_eq(harness_rule(&h, 0).health, RULE_OK);
	ck_assert_uint_eq(harness_rule(&h, 0).series, 2);
	harness_expect_query(&h, "count_over_time(y[1m])", 75, "{} 4\n");
	ck_assert_uint_eq(h.outcome.ignored, 0);
}
END_TEST

/* Each 15 s a request of sender "b". */
static void run_b(double from_s, double to_s, const char *text)
{
	for (double t = from_s; t <= to_s; t += 15) {
		engine_time(h.engine, (int64_t)(t * 1000));
		harness_feed_from(&h, "b", t, text);
		harness_settle(&h);
	}
}

START_TEST(silence_of_the_sender_that_would_resolve_is_no_missing_data)
{
	harness_load(&h, "groups: [{name: g, warmup: off, rules: [{alert: A, expr: x > 10, "
			 "resolve_when: y < 5}]}]");
	run_b(15, 15, "x 12");
	harness_run(&h, 15, 15, "y 9"); /* its sender falls silent */
	run_b(30, 3000, "x 7");
	expect_alerts(&h, "A firing value=12 active=15 fired=15 held\n");
	/* Back, with a word that resolves. */
	engine_time(h.engine, 3015000);
	harness_feed(&h, 3015, "y 4");
	run_b(3015, 3015, "x 7");
	expect_alerts(&h, "");
}
END_TEST

START_TEST(silence_of_the_alerts_own_sender_comes_before_a_match)
{
	harness_load(&h, "groups: [{name: g, warmup: off, rules: [{alert: A, expr: x > 10, "
			 "resolve_when: y < 5}]}]");
	harness_run(&h, 15, 15, "x 12");
	run_b(15, 600, "y 4");
	expect_alerts(&h, "A firing value=12 active=15 fired=15 held\n");
	for (double t = 615; t <= 720; t += 15) {
		engine_time(h.engine, (int64_t)(t * 1000));
		harness_feed(&h, t, "x 7");
		run_b(t, t, "y 4");
	}
	expect_alerts(&h, "");
}
END_TEST

static Suite *resolve_when_suite(void)
{
	Suite *suite = suite_create("resolve_when");
	TCase *tc = tcase_create("states");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, alert_is_held_until_resolve_when_matches);
	tcase_add_test(tc, alert_that_is_held_is_a_firing_series);
	tcase_add_test(tc, element_ends_the_alerts_that_have_all_its_labels);
	tcase_add_test(tc, element_without_labels_ends_all);
	tcase_add_test(tc, element_is_known_by_its_labels_and_not_by_its_name);
	tcase_add_test(tc, keep_firing_for_counts_from_the_first_match);
	tcase_add_test(tc, keep_firing_for_counts_anew_when_the_expression_holds_again);
	tcase_add_test(tc, alert_that_is_pending_ignores_it);
	tcase_add_test(tc, alert_without_data_ends_after_the_lookback);
	tcase_add_test(tc, alert_without_data_is_held_if_told_so);
	tcase_add_test(tc, alert_counts_no_data_anew_when_there_was_some);
	tcase_add_test(tc, data_is_seen_through_whatever_filters);
	tcase_add_test(tc, error_of_resolve_when_leaves_alerts_alone);
	tcase_add_test(tc, error_of_the_expression_leaves_held_alerts_alone);
	tcase_add_test(tc, alert_that_is_held_counts_for_the_limit);
	tcase_add_test(tc, series_that_come_and_go_are_followed);
	tcase_add_test(tc, result_of_too_many_shapes_is_an_error);
	tcase_add_test(tc, alert_that_is_held_survives_a_restart);
	tcase_add_test(tc, alert_that_is_held_survives_a_reload);
	tcase_add_test(tc, alert_that_is_held_ends_when_nothing_holds_it);
	tcase_add_test(tc, timers_do_not_count_time_that_was_jumped_over);
	tcase_add_test(tc, alerts_go_as_a_plain_model_does);
	suite_add_tcase(suite, tc);
	tc = tcase_create("input");
	tcase_add_checked_fixture(tc, start_cold, stop);
	tcase_add_test(tc, rule_waits_for_what_resolve_when_reads);
	tcase_add_test(tc, silence_of_the_sender_that_would_resolve_is_no_missing_data);
	tcase_add_test(tc, silence_of_the_alerts_own_sender_comes_before_a_match);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(resolve_when_suite)
