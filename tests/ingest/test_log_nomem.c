/*
 * Extractors and feeds when memory is short: each allocation in turn fails; a line is then taken
 * whole or not at all, and the next one is taken.
 */
#include "tests/nomem.h"

#include <stdlib.h>

#include "base/error.h"
#include "ingest/log_feed.h"
#include "rules/expr.h"
#include "tests/check_main.h"

static struct plan *plan;
static struct hash_key key;
static struct labels *stream_labels;

static void rule(const char *text)
{
	struct source source = { .text = slice_from(text), .line0 = 1, .column0 = 1 };
	struct diag_list diags;
	struct arena arena;
	struct expr *expr;
	uint32_t root;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	ck_assert_int_eq(expr_parse(&source, &arena, &diags, &expr), 0);
	ck_assert_int_eq(plan_add(plan, expr, &root), 0);
	expr_fini(expr);
	arena_fini(&arena);
	diag_list_fini(&diags);
}

static void setup(void)
{
	struct label pairs[] = { { SLICE("job"), SLICE("api") } };

	plan = plan_new();
	hash_key_derive(&key, "test", 4);
	ck_assert_int_eq(labels_new(pairs, 1, &stream_labels, NULL), 0);
	rule("sum by (a) (rate(logs{job=\"api\"} |= \"a\" | json [1m]))");
	rule("sum by (a) (rate(logs{job=\"api\"} | logfmt | a=~\"x.*\" [1m]))");
	rule("sum by (a) (rate(logs{job=\"api\"} |~ \"q(?P<x>.)|tt\" | pattern \"<a> <_>\" [1m]))");
	rule("sum by (a) (rate(logs{job=\"api\"} | line_format \"{{.job | ToUpper}}\" |= \"API\" "
	     "[1m]))");
	rule("rate(logs{job=\"api\"} |~ \"(?i)err|warn|fatal|panic\" [1m])");
	rule("rate(logs{job=\"api\"} |= \"password\" [1m])");
	rule("rate(logs{job=\"api\"} |= \"pass\" [1m])");
	rule("rate(logs{job=\"api\"} |= \"word\" |> \"<_>pass<_>\" [1m])");
}

static void teardown(void)
{
	plan_free(plan);
	labels_unref(stream_labels);
}

static int set_make(struct extractor_set **out)
{
	struct redact_rule rules[] = { { SLICE("w[a-z]*"), SLICE("x"), NULL } };
	struct extractor_options options = { .series_max = 100 };
	struct extractor_spec specs[8];
	uint32_t bad;
	int error = redactor_new(rules, 1, NULL, &options.redactor);

	if (error)
		return error;
	for (uint32_t i = 0; i < plan->nlogs; i++)
		specs[i] = extractor_spec_of(&plan->logs[i], 1000);
	error = extractor_set_new(specs, plan->nlogs, &options, NULL, NULL, &bad, out);
	redactor_unref(options.redactor);
	return error;
}

static int set_alone(void)
{
	struct extractor_set *set = NULL;
	int error = set_make(&set);

	nomem_disarm();
	extractor_set_unref(set);
	return error;
}

static const char *const lines[] = {
	"{\"a\":\"x\\u0041\",\"b.c\":{\"d\":1}}",
	"a=xyz password=secret",
	"tt ERR \xff",
	"plain",
	"{\"a\":\"other\"}",
};
#define LINES (sizeof(lines) / sizeof(*lines))

/* What each line gave, by a feed that was never short of memory. */
static uint64_t matched_by(struct extractor_set *set)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < extractor_set_count(set); i++) {
		struct extractor_counters counters;

		extractor_set_counters(set, i, &counters);
		sum += counters.matched;
	}
	return sum;
}

static struct extractor_set *used;

static int take(struct log_feed *feed, size_t i)
{
	struct log_stream *stream = log_feed_stream(feed, stream_labels);
	struct log_entry entry = { 1700000000000000001 + (int64_t)i, slice_from(lines[i]), NULL,
				   0 };

	return stream ? log_feed_line(feed, stream, &entry) : ERR_NOMEM;
}

static int feed_lines(void)
{
	struct log_feed *feed = log_feed_new(&key);
	struct batch *batch = batch_new();
	uint64_t before = matched_by(used);
	int error = feed && batch ? log_feed_use(feed, used) : ERR_NOMEM;
	bool is_in_use = error == 0;

	for (size_t i = 0; is_in_use && i < LINES; i++) {
		/* Once more when it was not taken. */
		int code = take(feed, i);

		if (code) {
			error = code;
			code = take(feed, i);
		}
		if (code)
			abort();
	}
	if (is_in_use && log_feed_flush(feed, batch)) {
		error = ERR_NOMEM;
		if (log_feed_flush(feed, batch))
			abort();
	}
	nomem_disarm();
	if (is_in_use) {
		ck_assert_uint_eq(matched_by(used) - before, 13);
		ck_assert_uint_eq(batch->nbirths, batch->nrows);
		ck_assert_uint_eq(batch->nrows, 9);
	}
	log_feed_free(feed);
	batch_free(batch);
	return error;
}

START_TEST(set_or_no_memory)
{
	ck_assert_uint_gt(nomem_sweep(set_alone), 50);
}
END_TEST

START_TEST(lines_are_taken_whole_or_not_at_all)
{
	ck_assert_int_eq(set_make(&used), 0);
	ck_assert_uint_gt(nomem_sweep(feed_lines), 20);
	extractor_set_unref(used);
}
END_TEST

static Suite *nomem_suite(void)
{
	Suite *suite = suite_create("log_nomem");
	TCase *tcase = tcase_create("log_nomem");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, set_or_no_memory);
	tcase_add_test(tcase, lines_are_taken_whole_or_not_at_all);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(nomem_suite)
