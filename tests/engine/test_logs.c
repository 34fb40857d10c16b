/*
 * Functions over log ranges: what the engine makes of derived series is what the lines say.
 *
 * The test is its own extractor: it gives the engine what the plan asks for of each line, in
 * buckets of the width that the rules need. Compared is with all lines, each function in its plain
 * form.
 */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include <math.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/oracle.h"

#define LINES_MAX 4000
#define STREAMS 4

static struct harness h;
static const struct hash_key key;

struct line {
	int64_t ts_ms;
	uint32_t stream; /* job a or b, i 0 or 1 */
	double value;
};
static struct line lines[LINES_MAX];
static uint32_t nlines;
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % n);
}

static const char *job_of(uint32_t stream)
{
	return stream < 2 ? "a" : "b";
}

static const char *i_of(uint32_t stream)
{
	return stream % 2 ? "1" : "0";
}

/* ---- the extractor ---- */

static bool stream_is_selected(const struct plan_log *log, uint32_t stream)
{
	for (uint32_t i = 0; i < log->nmatchers; i++) {
		const struct matcher *matcher = &log->matchers[i];
		const char *value = strcmp(matcher->name, "job") == 0 ? job_of(stream)
				    : strcmp(matcher->name, "i") == 0 ? i_of(stream)
								      : "";
		if (!matcher_is_match(matcher, slice_from(value)))
			return false;
	}
	return true;
}

static bool is_kept(const struct plan_log *log, const char *name)
{
	bool is_named = false;
	for (uint32_t i = 0; i < log->labels.n; i++)
		is_named |= slice_is(log->labels.items[i], name);
	return log->keep == PLAN_LOG_ALL || is_named == (log->keep == PLAN_LOG_BY);
}

static void extract(struct batch *batch, const struct plan_log *log, const struct line *line)
{
	int64_t width_ms = log->bucket_ms;
	static const enum window_kind kinds[] = { [PLAN_LOG_SUM] = WINDOW_SUM,
						  [PLAN_LOG_MIN] = WINDOW_MIN,
						  [PLAN_LOG_MAX] = WINDOW_MAX,
						  [PLAN_LOG_EVENTS] = WINDOW_EVENTS };
	struct label pairs[3] = { { SLICE("__name__"), slice_from(log->name) } };
	size_t n = 1;
	struct labels *labels;
	double value = log->value == PLAN_LOG_LINES ? 1 : line->value;
	uint64_t bits;
	if (is_kept(log, "job"))
		pairs[n++] = (struct label){ SLICE("job"), slice_from(job_of(line->stream)) };
	if (is_kept(log, "i"))
		pairs[n++] = (struct label){ SLICE("i"), slice_from(i_of(line->stream)) };
	ck_assert_int_eq(labels_new(pairs, n, &labels, NULL), 0);
	memcpy(&bits, &value, sizeof(bits));
	int64_t ts_ms = width_ms ? (line->ts_ms + width_ms - 1) / width_ms * width_ms : line->ts_ms;
	ck_assert_int_eq(batch_derived_add(batch, &key, labels, kinds[log->window], ts_ms, bits),
			 0);
	labels_unref(labels);
}

static void feed_line(const struct line *line)
{
	const struct rule_set *set = engine_rules(h.engine);
	struct batch *batch = batch_new();
	for (uint32_t i = 0; i < set->plan->nlogs; i++)
		if (stream_is_selected(&set->plan->logs[i], line->stream))
			extract(batch, &set->plan->logs[i], line);
	ck_assert_uint_lt(nlines, LINES_MAX);
	lines[nlines++] = *line;
	engine_batch(h.engine, batch);
}

/* ---- what the lines say ---- */

enum grouping { BY_ALL, BY_JOB, BY_NOTHING };

struct window_of_lines {
	double values[LINES_MAX];
	int64_t times_ms[LINES_MAX];
	uint32_t n;
	double range_s;
	int64_t start_ms, end_ms;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double count_of(struct window_of_lines *w)
{
	return w->n;
}

static double rate_of(struct window_of_lines *w)
{
	return w->n / w->range_s;
}

static double sum_of(struct window_of_lines *w)
{
	double sum = 0;
	for (uint32_t i = 0; i < w->n; i++)
		sum += w->values[i];
	return sum;
}

static double sum_rate_of(struct window_of_lines *w)
{
	return sum_of(w) / w->range_s;
}

static double min_of(struct window_of_lines *w)
{
	qsort(w->values, w->n, sizeof(double), by_value);
	return w->values[0];
}

static double max_of(struct window_of_lines *w)
{
	qsort(w->values, w->n, sizeof(double), by_value);
	return w->values[w->n - 1];
}

static double avg_of(struct window_of_lines *w)
{
	return sum_of(w) / w->n;
}

static double stdvar_of(struct window_of_lines *w)
{
	double mean = avg_of(w), squares = 0;
	for (uint32_t i = 0; i < w->n; i++)
		squares += (w->values[i] - mean) * (w->values[i] - mean);
	return squares / w->n;
}

static double stddev_of(struct window_of_lines *w)
{
	return sqrt(stdvar_of(w));
}

static double quantile_of_lines(struct window_of_lines *w)
{
	double rank = 0.9 * (w->n - 1);
	uint32_t low = (uint32_t)rank;
	qsort(w->values, w->n, sizeof(double), by_value);
	double next = w->values[low + 1 < w->n ? low + 1 : low];
	return w->values[low] * (1 - (rank - low)) + next * (rank - low);
}

static double first_of(struct window_of_lines *w)
{
	return w->values[0];
}

static double last_of(struct window_of_lines *w)
{
	return w->values[w->n - 1];
}

/* As a rate of samples, but 0 where that has too few. */
static double rate_counter_of(struct window_of_lines *w)
{
	uint32_t last = w->n - 1;
	double increase = w->values[last] - w->values[0];
	for (uint32_t i = 1; i < w->n; i++)
		if (w->values[i] < w->values[i - 1])
			increase += w->values[i - 1];
	double sampled = (double)(w->times_ms[last] - w->times_ms[0]) / 1000;
	if (sampled == 0)
		return 0;
	double before = (double)(w->times_ms[0] - w->start_ms) / 1000,
	       after = (double)(w->end_ms - w->times_ms[last]) / 1000, mean = sampled / last;
	before = before >= 1.1 * mean ? mean / 2 : before;
	if (increase > 0 && w->values[0] >= 0)
		before = fmin(before, sampled * (w->values[0] / increase));
	after = after >= 1.1 * mean ? mean / 2 : after;
	return increase * ((sampled + before + after) / sampled) / w->range_s;
}

static const struct asked {
	const char *expr;
	double (*value)(struct window_of_lines *w);
	int range_s, offset_s;
	enum grouping grouping;
} asked[] = {
	{ "count_over_time(logs{job=~\".+\"}[1m])", count_of, 60, 0, BY_ALL },
	{ "sum by (job) (count_over_time(logs{job=~\".+\"}[1m] offset 30s))", count_of, 60, 30,
	  BY_JOB },
	{ "sum(count_over_time(logs{job=~\".+\"}[90s]))", count_of, 90, 0, BY_NOTHING },
	{ "sum(count_over_time(logs{job=~\".+\"}[90s] offset -15s))", count_of, 90, -15,
	  BY_NOTHING },
	{ "count_over_time(logs{job=~\".+\"}[50s] offset 7s)", count_of, 50, 7, BY_ALL },
	{ "rate(logs{job=~\".+\"}[2m])", rate_of, 120, 0, BY_ALL },
	/* Here a line has as many bytes as its value says. */
	{ "bytes_over_time(logs{job=~\".+\"}[1m] offset 15s)", sum_of, 60, 15, BY_ALL },
	{ "sum by (job) (bytes_rate(logs{job=~\".+\"}[2m]))", sum_rate_of, 120, 0, BY_JOB },
	{ "sum_over_time(logs{job=~\".+\"} | unwrap v [1m])", sum_of, 60, 0, BY_ALL },
	{ "rate(logs{job=~\".+\"} | unwrap v [1m])", sum_rate_of, 60, 0, BY_ALL },
	{ "min_over_time(logs{job=~\".+\"} | unwrap v [1m])", min_of, 60, 0, BY_ALL },
	{ "max_over_time(logs{job=~\".+\"} | unwrap v [1m]) by (job)", max_of, 60, 0, BY_JOB },
	{ "avg_over_time(logs{job=~\".+\"} | unwrap v [1m]) by (job)", avg_of, 60, 0, BY_JOB },
	{ "avg_over_time(logs{job=~\".+\"} | unwrap v [1m])", avg_of, 60, 0, BY_ALL },
	{ "stddev_over_time(logs{job=~\".+\"} | unwrap v [1m])", stddev_of, 60, 0, BY_ALL },
	{ "stdvar_over_time(logs{job=~\".+\"} | unwrap v [1m])", stdvar_of, 60, 0, BY_ALL },
	{ "quantile_over_time(0.9, logs{job=~\".+\"} | unwrap v [1m]) by (job)", quantile_of_lines,
	  60, 0, BY_JOB },
	{ "first_over_time(logs{job=~\".+\"} | unwrap v [70s])", first_of, 70, 0, BY_ALL },
	{ "last_over_time(logs{job=~\".+\"} | unwrap v [70s] offset 7s)", last_of, 70, 7, BY_ALL },
	{ "rate_counter(logs{job=~\".+\"} | unwrap v [1m])", rate_counter_of, 60, 0, BY_ALL },
};
#define ASKED (sizeof(asked) / sizeof(asked[0]))

static bool is_in_group(enum grouping grouping, uint32_t stream, uint32_t group)
{
	return grouping == BY_NOTHING || (grouping == BY_JOB && stream / 2 == group / 2) ||
	       stream == group;
}

/* The lines of the group in (t − range − offset, t − offset], by time, then arrival. */
static void window_take(const struct asked *a, uint32_t group, int64_t t_ms,
			struct window_of_lines *w)
{
	w->n = 0;
	w->range_s = a->range_s;
	w->end_ms = t_ms - a->offset_s * 1000;
	w->start_ms = w->end_ms - a->range_s * 1000;
	for (uint32_t i = 0; i < nlines; i++) {
		if (!is_in_group(a->grouping, lines[i].stream, group) ||
		    lines[i].ts_ms <= w->start_ms || lines[i].ts_ms > w->end_ms)
			continue;
		uint32_t at = w->n++;
		for (; at > 0 && w->times_ms[at - 1] > lines[i].ts_ms; at--) {
			w->times_ms[at] = w->times_ms[at - 1];
			w->values[at] = w->values[at - 1];
		}
		w->times_ms[at] = lines[i].ts_ms;
		w->values[at] = lines[i].value;
	}
}

/* The value of the row with these labels; NaN when there is none. */
static double value_in(const char *rows, const char *labels)
{
	const char *row = strstr(rows, labels);
	return row ? strtod(row + strlen(labels), NULL) : NAN;
}

static void compare(const struct asked *a, const char *rows, int64_t t_ms)
{
	static struct window_of_lines w;
	uint32_t nrows = 0, expected = 0;
	char labels[64];
	for (const char *at = rows; (at = strchr(at, '\n')); at++)
		nrows++;
	uint32_t step = a->grouping == BY_ALL ? 1 : a->grouping == BY_JOB ? 2 : STREAMS;
	for (uint32_t group = 0; group < STREAMS; group += step) {
		window_take(a, group, t_ms, &w);
		if (w.n == 0)
			continue;
		expected++;
		if (a->grouping == BY_NOTHING)
			snprintf(labels, sizeof(labels), "r ");
		else if (a->grouping == BY_JOB)
			snprintf(labels, sizeof(labels), "r{job=\"%s\"} ", job_of(group));
		else
			snprintf(labels, sizeof(labels), "r{i=\"%s\", job=\"%s\"} ", i_of(group),
				 job_of(group));
		double value = value_in(rows, labels), wanted = a->value(&w);
		if (!(fabs(value - wanted) <= 1e-9 * fabs(wanted)))
			ck_abort_msg("%s at %lld of %s: %.17g, not %.17g, in\n%s", a->expr,
				     (long long)t_ms, labels, wanted, value, rows);
	}
	ck_assert_msg(nrows == expected, "%s at %lld: %s", a->expr, (long long)t_ms, rows);
}

/* The oracle reads the same series, and must say the same of them. */
static void compare_oracle(const char *text, int64_t t_ms)
{
	struct arena arena;
	struct diag_list diags;
	struct oracle_result result;
	struct expr *expr;
	struct source source = { .text = slice_from(text), .line0 = 1, .column0 = 1 };
	struct buf rows = { 0 };
	arena_init(&arena, 0);
	diag_list_init(&diags);
	ck_assert_int_eq(expr_parse(&source, &arena, &diags, &expr), 0);
	ck_assert_int_eq(oracle_eval(engine_store(h.engine), expr, t_ms, 300000, &result), 0);
	ck_assert_str_eq(result.error, "");
	for (size_t i = 0; i < result.n; i++) {
		labels_format(result.rows[i].labels, &rows);
		buf_add_char(&rows, ' ');
		number_format_g(result.rows[i].value, &rows);
		buf_add_char(&rows, '\n');
	}
	buf_add_str(&rows, "");
	ck_assert_str_eq(harness_query(&h, text, (double)t_ms / 1000), rows.ptr ? rows.ptr : "");
	buf_fini(&rows);
	oracle_result_fini(&result);
	expr_fini(expr);
	arena_fini(&arena);
	diag_list_fini(&diags);
}

/* ---- tests ---- */

static void begin(const struct asked *a, const char *group_keys)
{
	char yaml[1024];
	nlines = 0;
	harness_start_warm(&h);
	h.units = 1000;
	snprintf(yaml, sizeof(yaml),
		 "groups:\n- name: g\n  interval: 15s\n%s  rules:\n  - record: r\n    expr: |\n    "
		 "  "
		 "%s\n",
		 group_keys, a->expr);
	harness_load(&h, yaml);
}

static void live(const struct asked *a, int64_t query_offset_ms, uint64_t seed)
{
	random_state = seed;
	harness_time(&h, 1000);
	for (int64_t t_ms = 1000000; t_ms < 1600000; t_ms += 1000) {
		/* Some seconds are quiet, some streams for long; some lines are late, or early. */
		for (uint32_t n = random_below(3); n > 0 && t_ms % 200000 < 120000; n--) {
			struct line line = { t_ms - (int64_t)random_below(1000),
					     random_below(t_ms < 1300000 ? STREAMS : STREAMS - 1),
					     random_below(100) };
			if (random_below(5) == 0)
				line.ts_ms += (int64_t)random_below(60000) - 50000;
			feed_line(&line);
		}
		harness_time(&h, (double)t_ms / 1000);
		if (t_ms % 15000 == 0)
			compare(a, harness_query(&h, "r", (double)(t_ms - query_offset_ms) / 1000),
				t_ms - query_offset_ms);
		if (t_ms % 60000 == 0)
			compare_oracle(a->expr, t_ms - query_offset_ms);
	}
	ck_assert_uint_gt(nlines, 200);
	harness_stop(&h);
}

START_TEST(log_functions_agree_with_all_lines)
{
	const struct asked *a = &asked[(size_t)_i % ASKED];
	begin(a, "");
	live(a, 0, 3 + (uint64_t)_i);
}
END_TEST

START_TEST(log_functions_agree_at_a_query_offset)
{
	const struct asked *a = &asked[(size_t)_i];
	begin(a, "  query_offset: 10s\n");
	live(a, 10000, 11 + (uint64_t)_i);
}
END_TEST

#define COUNT "count_over_time(logs{job=\"a\"} "

/* Rules of one group due each minute. */
static void load(const char *exprs[], size_t n)
{
	char yaml[2048] = "groups:\n- name: g\n  interval: 1m\n  rules:\n";
	for (size_t i = 0; i < n; i++)
		snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
			 "  - {record: r%zu, expr: '%s'}\n", i, exprs[i]);
	harness_load(&h, yaml);
}

static enum rule_health health_of(uint32_t id)
{
	return harness_rule(&h, id).health;
}

START_TEST(rule_of_lines_warms_up_from_when_it_was_loaded)
{
	struct engine_options options;
	harness_options(&options);
	harness_start(&h, &options);
	harness_time(&h, 600);
	load((const char *[]){ COUNT "[2m])" }, 1);
	feed_line(&(struct line){ 610000, 0, 1 });
	for (double t = 660; t <= 1020; t += 60) {
		harness_time(&h, t);
		/* What came before it was loaded is not known. */
		ck_assert_int_eq(health_of(0), t < 720 ? RULE_WARMING : RULE_OK);
	}
	/* A silence is no end of it. */
	ck_assert_int_eq(health_of(0), RULE_OK);
	harness_stop(&h);
}
END_TEST

START_TEST(rule_of_lines_stays_warm_while_its_buckets_serve)
{
	struct engine_options options;
	const char *wide = COUNT "[2m])", *finer = COUNT "[90s])", *other = COUNT "|= \"x\" [2m])";
	harness_options(&options);
	harness_start(&h, &options);
	harness_time(&h, 600);
	load((const char *[]){ wide }, 1);
	for (double t = 660; t <= 900; t += 60)
		harness_time(&h, t);
	ck_assert_int_eq(health_of(0), RULE_OK);
	/* Another pipeline is another series. */
	load((const char *[]){ wide, other }, 2);
	harness_time(&h, 960);
	ck_assert_int_eq(health_of(0), RULE_OK);
	ck_assert_int_eq(health_of(1), RULE_WARMING);
	/* Finer buckets: those that were counted do not tell where their lines were. */
	load((const char *[]){ wide, finer }, 2);
	harness_time(&h, 1020);
	ck_assert_int_eq(health_of(0), RULE_WARMING);
	ck_assert_int_eq(health_of(1), RULE_WARMING);
	for (double t = 1080; t <= 1140; t += 60)
		harness_time(&h, t);
	ck_assert_int_eq(health_of(0), RULE_OK);
	ck_assert_int_eq(health_of(1), RULE_OK);
	/* Wider ones are sums of what is there. */
	load((const char *[]){ wide }, 1);
	harness_time(&h, 1200);
	ck_assert_int_eq(health_of(0), RULE_OK);
	harness_stop(&h);
}
END_TEST

START_TEST(rule_of_lines_is_warm_after_a_restart_if_its_buckets_serve)
{
	struct engine_options options;
	const char *wide = COUNT "[2m])", *finer = COUNT "[90s])";
	struct harness other, before;
	harness_options(&options);
	harness_start(&h, &options);
	harness_time(&h, 600);
	load((const char *[]){ wide }, 1);
	for (double t = 660; t <= 900; t += 60)
		harness_time(&h, t);
	engine_flush(h.engine);
	before = h;
	for (int i = 0; i < 2; i++) {
		harness_start(&h, &options);
		load(i ? (const char *[]){ wide, finer } : (const char *[]){ wide }, 1 + i);
		other = h;
		harness_replay(&before, before.nrecords, &other);
		h = other;
		harness_time(&h, 910);
		harness_time(&h, 960);
		ck_assert_int_eq(health_of(0), i ? RULE_WARMING : RULE_OK);
		harness_stop(&h);
	}
	h = before;
	harness_stop(&h);
}
END_TEST

#define ALL "logs{job=~\".+\"}"

START_TEST(query_is_answered_from_what_rules_count)
{
	harness_start_warm(&h);
	nlines = 0;
	harness_load(&h, "groups: [{name: g, interval: 15s, rules: ["
			 "{record: all, expr: 'count_over_time(" ALL "[1m])'}, "
			 "{record: byjob, expr: 'sum by (job) (bytes_over_time(" ALL "[1m]))'}, "
			 "{record: max, expr: 'max_over_time(" ALL " | unwrap v [1m])'}]}]");
	harness_time(&h, 1000);
	for (uint32_t i = 0; i < 8; i++)
		feed_line(&(struct line){ 1001000 + i, i % 3, i });
	harness_time(&h, 1020);
	harness_expect_query(&h, "count_over_time(" ALL "[1m])", 1020,
			     "{i=\"0\", job=\"a\"} 3\n{i=\"0\", job=\"b\"} 2\n"
			     "{i=\"1\", job=\"a\"} 3\n");
	/* Counted the same way, asked for otherwise. */
	harness_expect_query(&h, "rate(" ALL "[30s]) * 30 > 2", 1020,
			     "{i=\"0\", job=\"a\"} 3\n{i=\"1\", job=\"a\"} 3\n");
	/* From series with more labels. */
	harness_expect_query(&h, "sum by (job) (count_over_time(" ALL "[1m]))", 1020,
			     "{job=\"a\"} 6\n{job=\"b\"} 2\n");
	harness_expect_query(&h, "sum without (i) (count_over_time(" ALL "[1m]))", 1020,
			     "{job=\"a\"} 6\n{job=\"b\"} 2\n");
	harness_expect_query(&h, "sum(count_over_time(" ALL "[1m]))", 1020, "{} 8\n");
	harness_expect_query(&h, "absent_over_time(" ALL "[15s] offset 30s)", 1020, "{} 1\n");
	harness_expect_query(&h, "max_over_time(" ALL " | unwrap v [1m])", 1020,
			     "{i=\"0\", job=\"a\"} 6\n{i=\"0\", job=\"b\"} 5\n"
			     "{i=\"1\", job=\"a\"} 7\n");
	/* Between two evaluations: as of the bucket before. */
	harness_time(&h, 1022);
	harness_expect_query(&h, "sum(count_over_time(" ALL "[1m]))", 1022, "{} 8\n");
	harness_expect_query(&h, "sum(count_over_time(" ALL "[20s]))", 1022,
			     "{} 8\nin buckets of 15000 ms\n");
	harness_stop(&h);
}
END_TEST

#define NO_RULE                                                                                    \
	"error: log lines are not kept, and no rule in force counts %s; add a rule that does, or " \
	"ask for what one counts\n"

static void expect_refused(const char *expr, const char *name)
{
	char text[512];
	snprintf(text, sizeof(text), NO_RULE, name);
	harness_expect_query(&h, expr, 1020, text);
}

START_TEST(query_of_what_no_rule_counts_is_refused)
{
	harness_start_warm(&h);
	expect_refused("count_over_time(" ALL "[1m])", ALL " as lines");
	harness_load(&h, "groups: [{name: g, interval: 15s, rules: ["
			 "{record: byjob, expr: 'sum by (job) (count_over_time(" ALL "[1m]))'}, "
			 "{record: max, expr: 'max_over_time(" ALL " | unwrap v [1m])'}]}]");
	harness_time(&h, 1020);
	/* More labels than there are, another pipeline, other values. */
	expect_refused("count_over_time(" ALL "[1m])", ALL " as lines");
	expect_refused("sum by (i) (count_over_time(" ALL "[1m]))", ALL " as lines by (i)");
	expect_refused("sum without (i) (count_over_time(" ALL "[1m]))",
		       ALL " as lines without (i)");
	expect_refused("sum(count_over_time(" ALL " |= \"x\" [1m]))",
		       ALL " |= \"x\" as lines by ()");
	expect_refused("sum(bytes_over_time(" ALL "[1m]))", ALL " as bytes by ()");
	/* This `by` is the function's: nothing would take the greatest of the finer ones. */
	expect_refused("max_over_time(" ALL " | unwrap v [1m]) by (job)",
		       ALL " | unwrap v as max by (job)");
	harness_stop(&h);
}
END_TEST

static Suite *logs_suite(void)
{
	Suite *suite = suite_create("logs");
	TCase *tcase = tcase_create("logs");
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, log_functions_agree_with_all_lines, 0, 2 * (int)ASKED);
	tcase_add_loop_test(tcase, log_functions_agree_at_a_query_offset, 0, (int)ASKED);
	tcase_add_test(tcase, rule_of_lines_warms_up_from_when_it_was_loaded);
	tcase_add_test(tcase, rule_of_lines_stays_warm_while_its_buckets_serve);
	tcase_add_test(tcase, rule_of_lines_is_warm_after_a_restart_if_its_buckets_serve);
	tcase_add_test(tcase, query_is_answered_from_what_rules_count);
	tcase_add_test(tcase, query_of_what_no_rule_counts_is_refused);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(logs_suite)
