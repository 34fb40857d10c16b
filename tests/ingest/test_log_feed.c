/* Extractors and feeds: from lines to rows of derived series. */
#include <check.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/log_feed.h"
#include "rules/expr.h"
#include "tests/check_main.h"

#define BUCKET_MS 10000
#define T0 1700000000000ll /* a multiple of the bucket */

static struct hash_key key;
static struct plan *plan;
static struct extractor_set *set;
static struct log_feed *feed;
static struct batch *batch;
static struct labels *stream_labels;

static void setup(void)
{
	hash_key_derive(&key, "test", 4);
	plan = plan_new();
	set = NULL;
	feed = log_feed_new(&key);
	batch = batch_new();
	struct label pairs[] = { { SLICE("job"), SLICE("api") } };
	ck_assert_int_eq(labels_new(pairs, 1, &stream_labels, NULL), 0);
}

static void teardown(void)
{
	log_feed_free(feed);
	extractor_set_unref(set);
	plan_free(plan);
	batch_free(batch);
	labels_unref(stream_labels);
}

/* Adds an expression to the plan. */
static void rule(const char *text)
{
	struct source source = { .text = slice_from(text), .line0 = 1, .column0 = 1 };
	struct diag_list diags;
	struct arena arena;
	struct expr *expr;
	uint32_t root;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	if (expr_parse(&source, &arena, &diags, &expr)) {
		struct buf out;

		buf_init(&out);
		diag_list_format(&diags, false, &out);
		ck_abort_msg("%s", buf_take(&out));
	}
	ck_assert_int_eq(plan_add(plan, expr, &root), 0);
	expr_fini(expr);
	arena_fini(&arena);
	diag_list_fini(&diags);
}

/* Compiles what the plan has into a set, after the one before, and gives it to the feed. */
static void use_options(const struct extractor_options *options)
{
	struct extractor_spec *specs = calloc(plan->nlogs + 1, sizeof(*specs));
	struct extractor_set *next;
	uint32_t bad;

	for (uint32_t i = 0; i < plan->nlogs; i++)
		specs[i] = extractor_spec_of(&plan->logs[i], BUCKET_MS);
	ck_assert_int_eq(extractor_set_new(specs, plan->nlogs, options, set, NULL, &bad, &next), 0);
	free(specs);
	extractor_set_unref(set);
	set = next;
	ck_assert_int_eq(log_feed_use(feed, set), 0);
}

static void use(void)
{
	use_options(&(struct extractor_options){ 0 });
}

static int line_at(const struct labels *labels, struct slice line, int64_t ms)
{
	struct log_stream *stream = log_feed_stream(feed, labels);
	struct log_entry entry = { ms * 1000000, line, NULL, 0 };

	ck_assert_ptr_nonnull(stream);
	return log_feed_line(feed, stream, &entry);
}

static void line(const char *text, int64_t offset_ms)
{
	ck_assert_int_eq(line_at(stream_labels, slice_from(text), T0 + offset_ms), 0);
}

/* All rows of the next flush, one a line: kind offset value {labels}. */
static const char *flushed(void)
{
	static const char *const kinds[] = { "samples", "sum", "min", "max", "event" };
	static char text[8192];
	size_t n = 0;

	batch_clear(batch);
	ck_assert_int_eq(log_feed_flush(feed, batch), 0);
	ck_assert_uint_eq(batch->nbirths, batch->nrows);
	ck_assert_uint_eq(log_feed_rows(feed), 0);
	text[0] = '\0';
	for (uint32_t i = 0; i < batch->nrows; i++) {
		const struct batch_birth *birth = &batch->births[i];
		struct labels_builder builder;
		struct labels *rest;
		struct buf out;
		double value;

		ck_assert(hash128_is_equal(batch->rows[i].key, labels_hash(birth->labels, &key)));
		ck_assert_uint_gt(labels_get(birth->labels, SLICE(METRIC_NAME)).len, 0);
		labels_builder_init(&builder);
		labels_builder_add_all(&builder, birth->labels);
		labels_builder_remove(&builder, SLICE(METRIC_NAME));
		ck_assert_int_eq(labels_builder_take(&builder, &rest, NULL), 0);
		labels_builder_fini(&builder);
		buf_init(&out);
		labels_format(rest, &out);
		memcpy(&value, &batch->rows[i].bits, sizeof(value));
		ck_assert_uint_lt(n + 256, sizeof(text));
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %lld %g %s\n",
				      kinds[birth->kind], (long long)(batch->rows[i].ts_ms - T0),
				      value, out.ptr);
		buf_fini(&out);
		labels_unref(rest);
	}
	return text;
}

START_TEST(lines_become_sums_of_buckets)
{
	rule("rate(logs{job=\"api\"} |= \"ERR\" [1m])");
	use();
	line("ERR 1", 0); /* (T0-10s, T0] */
	line("ERR 2", 1);
	line("ok", 2);
	line("ERR 3", 10000);
	line("ERR 4", 10001);
	line("ERR 5", 9999);
	ck_assert_str_eq(flushed(), "sum 0 1 {job=\"api\"}\n"
				    "sum 10000 2 {job=\"api\"}\n"
				    "sum 20000 1 {job=\"api\"}\n"
				    "sum 10000 1 {job=\"api\"}\n");
	ck_assert_str_eq(flushed(), "");
	line("ERR 6", 10001);
	ck_assert_str_eq(flushed(), "sum 20000 1 {job=\"api\"}\n");
}
END_TEST

START_TEST(line_that_comes_twice_counts_twice)
{
	rule("rate(logs{job=\"api\"} |= \"ERR\" [1m])");
	use();
	line("ERR", 0);
	line("ERR", 0);
	ck_assert_str_eq(flushed(), "sum 0 2 {job=\"api\"}\n");
}
END_TEST

START_TEST(name_is_the_plan_s)
{
	rule("count_over_time(logs{job=\"api\"} |= \"x\" [1m])");
	use();
	line("x", 1);
	flushed();
	ck_assert(slice_is(labels_get(batch->births[0].labels, SLICE(METRIC_NAME)),
			   plan->logs[0].name));
	ck_assert(slice_is(extractor_set_name(set, 0), plan->logs[0].name));
}
END_TEST

START_TEST(extremes_and_events_have_their_kinds)
{
	rule("max by (p) (max_over_time(logs{job=\"api\"} | logfmt | unwrap n [1m]))");
	rule("min by (p) (min_over_time(logs{job=\"api\"} | logfmt | unwrap n [1m]))");
	rule("sum by (p) (sum_over_time(logs{job=\"api\"} | logfmt | unwrap n [1m]))");
	rule("quantile_over_time(0.9, logs{job=\"api\"} | logfmt | unwrap n [1m]) by (p)");
	use();
	line("n=3 p=a", 1);
	line("n=5 p=a", 2);
	line("n=1 p=b", 3);
	line("n=NaN p=a", 4);
	ck_assert_str_eq(flushed(), "max 10000 5 {p=\"a\"}\n"
				    "min 10000 3 {p=\"a\"}\n"
				    "sum 10000 nan {p=\"a\"}\n"
				    "event 1 3 {p=\"a\"}\n"
				    "event 2 5 {p=\"a\"}\n"
				    "max 10000 1 {p=\"b\"}\n"
				    "min 10000 1 {p=\"b\"}\n"
				    "sum 10000 1 {p=\"b\"}\n"
				    "event 3 1 {p=\"b\"}\n"
				    "event 4 nan {p=\"a\"}\n");
}
END_TEST

START_TEST(times_are_rounded_up)
{
	rule("quantile_over_time(0.9, logs{job=\"api\"} | logfmt | unwrap n [1m]) by (p)");
	rule("count_over_time(logs{job=\"api\"} |= \"n\" [1m])");
	use();
	struct log_stream *stream = log_feed_stream(feed, stream_labels);
	struct log_entry entry = { T0 * 1000000 + 1, SLICE("n=1"), NULL, 0 };

	ck_assert_int_eq(log_feed_line(feed, stream, &entry), 0);
	ck_assert_str_eq(flushed(), "event 1 1 {}\nsum 10000 1 {job=\"api\"}\n");
	entry.ts_ns = -1; /* long ago, but no reason to fail */
	ck_assert_int_eq(log_feed_line(feed, stream, &entry), 0);
	entry.ts_ns = INT64_MAX;
	ck_assert_int_eq(log_feed_line(feed, stream, &entry), 0);
	entry.ts_ns = INT64_MIN;
	ck_assert_int_eq(log_feed_line(feed, stream, &entry), 0);
	flushed();
	ck_assert_uint_eq(batch->nrows, 6);
	ck_assert_int_eq(batch->rows[0].ts_ms, 0);
	ck_assert_int_eq(batch->rows[1].ts_ms, 0);
}
END_TEST

START_TEST(streams_are_matched_by_their_labels)
{
	struct label other[] = { { SLICE("job"), SLICE("db") } };
	struct labels *db;

	ck_assert_int_eq(labels_new(other, 1, &db, NULL), 0);
	rule("rate(logs{job=\"api\"} |= \"x\" [1m])");
	rule("rate(logs{job=~\".+\"} |= \"x\" [1m])");
	use();
	ck_assert(extractor_set_wants(set, db));
	ck_assert_int_eq(line_at(db, SLICE("x"), T0), 0);
	ck_assert_str_eq(flushed(), "sum 0 1 {job=\"db\"}\n");
	line("x", 0);
	ck_assert_str_eq(flushed(), "sum 0 1 {job=\"api\"}\nsum 0 1 {job=\"api\"}\n");
	labels_unref(db);
}
END_TEST

START_TEST(streams_are_not_matched_by_what_their_lines_say)
{
	rule("sum(count_over_time(logs{job=\"api\", level=\"error\"} | logfmt [1m]))");
	rule("sum(count_over_time(logs{job=\"api\"} | logfmt | level=\"error\" [1m]))");
	use();
	line("level=error", 0);
	ck_assert_str_eq(flushed(), "sum 0 1 {}\n");
}
END_TEST

START_TEST(name_is_not_the_sender_s)
{
	struct label pairs[] = { { SLICE(METRIC_NAME), SLICE("up") }, { SLICE("a"), SLICE("b") } };
	struct labels *labels;

	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	rule("count_over_time(logs{a=\"b\"} |= \"x\" [1m])");
	use();
	ck_assert_int_eq(line_at(labels, SLICE("x"), T0), 0);
	ck_assert_str_eq(flushed(), "sum 0 1 {a=\"b\"}\n");
	ck_assert(slice_is(labels_get(batch->births[0].labels, SLICE(METRIC_NAME)),
			   plan->logs[0].name));
	labels_unref(labels);
}
END_TEST

START_TEST(metadata_is_seen)
{
	struct label metadata[] = { { SLICE("pod"), SLICE("p1") } };

	rule("sum by (pod) (rate(logs{job=\"api\"} | pod=\"p1\" [1m]))");
	rule("rate(logs{job=\"api\"} |= \"x\" [1m])");
	use();
	struct log_stream *stream = log_feed_stream(feed, stream_labels);
	struct log_entry entry = { T0 * 1000000, SLICE("x"), metadata, 1 };

	ck_assert_int_eq(log_feed_line(feed, stream, &entry), 0);
	entry.nmetadata = 0;
	ck_assert_int_eq(log_feed_line(feed, stream, &entry), 0);
	ck_assert_str_eq(flushed(), "sum 0 1 {pod=\"p1\"}\n"
				    "sum 0 1 {job=\"api\", pod=\"p1\"}\n"
				    "sum 0 1 {job=\"api\"}\n");
}
END_TEST

/* With and without the prefilter: few rules are run one by one. */
START_TEST(many_rules_are_told_apart)
{
	char text[128];
	int n = _i;

	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text),
			 i % 3 == 0 ? "sum by (job) (rate(logs{job=\"api\"} |= \"word%dx\" [1m]))"
			 : i % 3 == 1
				 ? "sum by (job) (rate(logs{job=\"api\"} |~ \"(?i)word%dx\" [1m]))"
				 : "sum by (job) (rate(logs{job=\"api\"} != \"word%dx\" [1m]))",
			 i);
		rule(text);
	}
	use();
	ck_assert_uint_eq(extractor_set_count(set), (unsigned)n);
	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "this is %s%dx in capitals", "WORD", i);
		line(text, 0);
		snprintf(text, sizeof(text), "this is word%dx", i);
		line(text, 0);
	}
	flushed();
	for (int i = 0; i < n; i++) {
		struct extractor_counters counters;

		extractor_set_counters(set, (uint32_t)i, &counters);
		ck_assert_uint_eq(counters.seen, 2 * (unsigned)n);
		ck_assert_uint_eq(counters.matched, i % 3 == 0	 ? 1
						    : i % 3 == 1 ? 2
								 : 2 * (unsigned)n - 1);
	}
}
END_TEST

START_TEST(errors_are_counted_by_kind)
{
	struct extractor_counters counters;

	rule("sum by (p) (sum_over_time(logs{job=\"api\"} | json | n > 1 | unwrap v [1m]))");
	use();
	line("no json", 0);
	line("{\"n\":\"x\",\"v\":1}", 0);
	line("{\"n\":2,\"v\":\"x\"}", 0);
	line("{\"n\":2}", 0);
	line("{\"n\":2,\"v\":1}", 0);
	ck_assert_str_eq(flushed(), "sum 0 1 {}\n");
	extractor_set_counters(set, 0, &counters);
	ck_assert_uint_eq(counters.seen, 5);
	ck_assert_uint_eq(counters.matched, 1);
	/* The first error counts; what has no value to unwrap is no error, here. */
	ck_assert_uint_eq(counters.errors[LOG_ERROR_JSON], 0);
	ck_assert_uint_eq(counters.errors[LOG_ERROR_FILTER], 1);
	ck_assert_uint_eq(counters.errors[LOG_ERROR_EXTRACTION], 1);
}
END_TEST

START_TEST(series_of_a_selector_are_limited)
{
	struct extractor_counters counters;
	char text[64];

	rule("sum by (p) (rate(logs{job=\"api\"} | logfmt [1m]))");
	use_options(&(struct extractor_options){ .series_max = 10 });
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 15; i++) {
			snprintf(text, sizeof(text), "p=%d", i);
			line(text, 0);
		}
	}
	flushed();
	ck_assert_uint_eq(batch->nrows, 10);
	extractor_set_counters(set, 0, &counters);
	ck_assert_uint_eq(counters.series, 10);
	ck_assert_uint_eq(counters.limited, 10);
	ck_assert_uint_eq(counters.matched, 20);

	/* Another thread's feed counts against the same limit; it may write to the same series. */
	struct log_feed *other = log_feed_new(&key), *mine = feed;

	feed = other;
	ck_assert_int_eq(log_feed_use(feed, set), 0);
	line("p=3", 0);
	line("p=99", 0);
	flushed();
	ck_assert_uint_eq(batch->nrows, 1);
	extractor_set_counters(set, 0, &counters);
	ck_assert_uint_eq(counters.series, 10);
	log_feed_free(other);
	feed = mine;
	extractor_set_counters(set, 0, &counters);
	ck_assert_uint_eq(counters.series, 10);
	ck_assert_int_eq(log_feed_use(feed, NULL), 0);
	extractor_set_counters(set, 0, &counters);
	ck_assert_uint_eq(counters.series, 0);
}
END_TEST

START_TEST(counters_outlive_a_reload)
{
	struct extractor_counters counters;

	rule("rate(logs{job=\"api\"} |= \"x\" [1m])");
	use();
	line("x", 0);
	rule("rate(logs{job=\"api\"} |= \"y\" [1m])");
	struct log_stream *stream = log_feed_stream(feed, stream_labels);
	struct log_entry entry = { T0 * 1000000, SLICE("x y"), NULL, 0 };

	use();
	/* The stream is still good, and what gathered is still there. */
	ck_assert_uint_eq(log_feed_rows(feed), 1);
	ck_assert_int_eq(log_feed_line(feed, stream, &entry), 0);
	ck_assert_str_eq(flushed(), "sum 0 1 {job=\"api\"}\n"
				    "sum 0 1 {job=\"api\"}\n"
				    "sum 0 1 {job=\"api\"}\n");
	extractor_set_counters(set, 0, &counters);
	ck_assert_uint_eq(counters.matched, 2);
	extractor_set_counters(set, 1, &counters);
	ck_assert_uint_eq(counters.matched, 1);
}
END_TEST

START_TEST(rows_that_gather_are_limited)
{
	rule("quantile_over_time(0.9, logs{job=\"api\"} | logfmt | unwrap n [1m]) by (p)");
	use();
	for (uint32_t i = 0; i < LOG_FEED_ROWS_MAX; i++)
		line("n=1", 0);
	ck_assert_int_eq(line_at(stream_labels, SLICE("n=1"), T0), ERR_FULL);
	ck_assert_uint_eq(log_feed_rows(feed), LOG_FEED_ROWS_MAX);
	ck_assert_int_eq(log_feed_flush(feed, batch), 0);
	ck_assert_uint_eq(batch->nrows, LOG_FEED_ROWS_MAX);
	line("n=1", 0);
	ck_assert_uint_eq(log_feed_rows(feed), 1);
}
END_TEST

START_TEST(streams_that_are_remembered_are_limited)
{
	struct log_feed_counters counters;

	rule("sum(rate(logs{job=~\".+\"} |= \"x\" [1m]))");
	use();
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < LOG_FEED_STREAMS_MAX + 100; i++) {
			char text[32];
			struct labels *labels;

			snprintf(text, sizeof(text), "j%u", i);
			struct label pair = { SLICE("job"), slice_from(text) };
			ck_assert_int_eq(labels_new(&pair, 1, &labels, NULL), 0);
			ck_assert_int_eq(line_at(labels, SLICE("x"), T0), 0);
			labels_unref(labels);
		}
	}
	ck_assert_str_eq(flushed(), "sum 0 32968 {}\n");
	log_feed_counters(feed, &counters);
	ck_assert_uint_eq(counters.lines, 2 * (LOG_FEED_STREAMS_MAX + 100));
	struct extractor_counters own;

	extractor_set_counters(set, 0, &own);
	ck_assert_uint_eq(own.seen, counters.lines);
}
END_TEST

START_TEST(long_lines_are_cut)
{
	struct log_feed_counters counters;
	char *text = malloc(LOG_LINE_MAX + 10);

	memset(text, 'a', LOG_LINE_MAX + 10);
	memcpy(text + LOG_LINE_MAX - 2, "END", 3);
	rule("rate(logs{job=\"api\"} |= \"END\" [1m])");
	rule("sum(bytes_over_time(logs{job=\"api\"} |= \"a\" [1m]))");
	use();
	ck_assert_int_eq(line_at(stream_labels, (struct slice){ text, LOG_LINE_MAX + 10 }, T0), 0);
	ck_assert_str_eq(flushed(), "sum 0 262144 {}\n");
	log_feed_counters(feed, &counters);
	ck_assert_uint_eq(counters.cut, 1);
	free(text);
}
END_TEST

START_TEST(values_are_made_fit_for_labels)
{
	char text[5000];

	rule("sum by (p) (rate(logs{job=\"api\"} | logfmt [1m]))");
	use();
	strcpy(text, "p=\xff");
	memset(text + 3, 'v', 4000);
	text[4003] = '\0';
	line(text, 0);
	flushed();
	struct slice value = labels_get(batch->births[0].labels, SLICE("p"));

	ck_assert_uint_eq(value.len, 2048);
	ck_assert(slice_has_prefix(value, SLICE("\xef\xbf\xbdvvv")));
}
END_TEST

START_TEST(examples_are_few_and_redacted)
{
	struct redact_rule rules[] = { { SLICE("password=(\\S)\\S*"), SLICE("password=$1***"),
					 NULL } };
	struct redactor *redactor;

	ck_assert_int_eq(redactor_new(rules, 1, NULL, &redactor), 0);
	rule("rate(logs{job=\"api\"} |= \"ERR\" [1m])");
	rule("rate(logs{job=\"api\"} |= \"password\" [1m])");
	use_options(&(struct extractor_options){ .redactor = redactor });
	redactor_unref(redactor);
	line("ERR 1 password=hunter2 end", 1);
	for (int i = 0; i < 10; i++)
		line("ERR more", 2 + i);
	flushed();
	ck_assert_uint_eq(batch->nrows, 2);
	ck_assert_uint_eq(batch->nexamples, LOG_FEED_EXAMPLES_MAX + 1);
	struct slice first = batch_example_line(batch, &batch->examples[0]);

	ck_assert(slice_is(first, "ERR 1 password=h*** end"));
	ck_assert_int_eq(batch->examples[0].ts_ms, T0 + 1);
	ck_assert_uint_eq(batch->examples[LOG_FEED_EXAMPLES_MAX].row, 1);
	ck_assert(slice_is(batch_example_line(batch, &batch->examples[LOG_FEED_EXAMPLES_MAX]),
			   "ERR 1 password=h*** end"));
	/* Anew each second of the lines' time. */
	line("ERR more", 1000);
	flushed();
	ck_assert_uint_eq(batch->nexamples, 0);
	line("ERR more", 1001);
	flushed();
	ck_assert_uint_eq(batch->nexamples, 1);
}
END_TEST

/* A line is counted also where no example of it is kept. */
START_TEST(examples_have_so_many_bytes)
{
	const size_t max = 1 << 20;
	size_t bytes = 0;
	char text[BATCH_EXAMPLE_BYTES_MAX + 1] = "";

	memset(text, 'x', sizeof(text) - 1);
	rule("rate(logs{job=\"api\"} |= \"x\" [1m])");
	use();
	for (int i = 0; i < 2000; i++)
		line(text, 1000 * i);
	batch_clear(batch);
	ck_assert_int_eq(log_feed_flush(feed, batch), 0);
	for (uint32_t i = 0; i < batch->nexamples; i++)
		bytes += batch->examples[i].len;
	ck_assert_uint_ge(bytes, max);
	ck_assert_uint_le(bytes, max + BATCH_EXAMPLE_BYTES_MAX);
	ck_assert_uint_eq(batch->nexamples, max / BATCH_EXAMPLE_BYTES_MAX);
	ck_assert_uint_ge(batch->nrows, 200);
}
END_TEST

START_TEST(feed_without_extractors_takes_lines)
{
	struct log_feed_counters counters;

	line("x", 0);
	ck_assert_str_eq(flushed(), "");
	log_feed_counters(feed, &counters);
	ck_assert_uint_eq(counters.lines, 1);
}
END_TEST

/* A pattern that gives up is told of. */
START_TEST(patterns_that_give_up_are_counted)
{
	struct extractor_counters counters;
	char *text = malloc(5001);

	memset(text, 'a', 5000);
	text[5000] = '\0';
	rule("rate(logs{job=\"api\"} |~ \"(a+)+(a+)+[b-z]\" [1m])");
	use();
	line(text, 0);
	line("aab", 0);
	ck_assert_str_eq(flushed(), "sum 0 1 {job=\"api\"}\n");
	extractor_set_counters(set, 0, &counters);
	ck_assert_uint_eq(counters.cut_off, 1);
	free(text);
}
END_TEST

/* The checker has refused it by then; a plan may yet come from elsewhere. */
START_TEST(set_says_which_does_not_compile)
{
	struct extractor_spec specs[2];
	struct extractor_set *none;
	struct diag_list diags;
	struct log_stage bad_stage = { .kind = LOG_LINE_FORMAT, .template = SLICE("{{ now }}") };
	uint32_t bad;

	rule("rate(logs{job=\"api\"} |= \"x\" [1m])");
	specs[0] = specs[1] = extractor_spec_of(&plan->logs[0], BUCKET_MS);
	specs[1].stages = &bad_stage;
	specs[1].nstages = 1;
	diag_list_init(&diags);
	ck_assert_int_eq(extractor_set_new(specs, 2, &(struct extractor_options){ 0 }, NULL, &diags,
					   &bad, &none),
			 ERR_UNSUPPORTED);
	ck_assert_uint_eq(bad, 1);
	ck_assert_uint_eq(diags.errors, 1);
	diag_list_fini(&diags);
	ck_assert_int_eq(extractor_set_new(NULL, EXTRACTORS_MAX + 1,
					   &(struct extractor_options){ 0 }, NULL, NULL, &bad,
					   &none),
			 ERR_LIMIT);
}
END_TEST

static Suite *feed_suite(void)
{
	Suite *suite = suite_create("log_feed");
	TCase *tcase = tcase_create("log_feed");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, lines_become_sums_of_buckets);
	tcase_add_test(tcase, line_that_comes_twice_counts_twice);
	tcase_add_test(tcase, name_is_the_plan_s);
	tcase_add_test(tcase, extremes_and_events_have_their_kinds);
	tcase_add_test(tcase, times_are_rounded_up);
	tcase_add_test(tcase, streams_are_matched_by_their_labels);
	tcase_add_test(tcase, streams_are_not_matched_by_what_their_lines_say);
	tcase_add_test(tcase, name_is_not_the_sender_s);
	tcase_add_test(tcase, metadata_is_seen);
	tcase_add_loop_test(tcase, many_rules_are_told_apart, 1, 40);
	tcase_add_test(tcase, errors_are_counted_by_kind);
	tcase_add_test(tcase, series_of_a_selector_are_limited);
	tcase_add_test(tcase, counters_outlive_a_reload);
	tcase_add_test(tcase, rows_that_gather_are_limited);
	tcase_add_test(tcase, streams_that_are_remembered_are_limited);
	tcase_add_test(tcase, long_lines_are_cut);
	tcase_add_test(tcase, values_are_made_fit_for_labels);
	tcase_add_test(tcase, examples_are_few_and_redacted);
	tcase_add_test(tcase, examples_have_so_many_bytes);
	tcase_add_test(tcase, feed_without_extractors_takes_lines);
	tcase_add_test(tcase, patterns_that_give_up_are_counted);
	tcase_add_test(tcase, set_says_which_does_not_compile);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(feed_suite)
