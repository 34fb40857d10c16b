/* From profiles to series: what language.md promises of them, number by number. */
#include "ingest/profile_summary.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/pprof.h"
#include "rules/expr.h"
#include "rules/plan.h"
#include "tests/check_main.h"

#define END_MS 1700000000000

static struct hash_key key;
static struct profile *profile;
static struct profile_summary *summary;
static struct batch *batch;
static struct labels *labels;
static struct profile_target target;

static void setup(void)
{
	const struct label pairs[] = { { SLICE("job"), SLICE("api") } };

	hash_key_derive(&key, "test", 4);
	profile = profile_new(&key);
	summary = profile_summary_new(&key);
	batch = batch_new();
	ck_assert_int_eq(labels_new(pairs, 1, &labels, NULL), 0);
	target = (struct profile_target){ .labels = labels,
					  .hint = PROFILE_KIND_NONE,
					  .end_ms = END_MS };
}

static void teardown(void)
{
	profile_free(profile);
	profile_summary_free(summary);
	batch_free(batch);
	labels_unref(labels);
}

static void begin_cpu(void)
{
	profile_clear(profile);
	ck_assert_int_eq(profile_type_add(profile, SLICE("samples"), SLICE("count")), 0);
	ck_assert_int_eq(profile_type_add(profile, SLICE("cpu"), SLICE("nanoseconds")), 0);
	profile->period_type = (struct profile_type){ SLICE("cpu"), SLICE("nanoseconds") };
	profile->period = 10000000;
}

static void begin_of(const char *type, const char *unit)
{
	profile_clear(profile);
	ck_assert_int_eq(profile_type_add(profile, slice_from(type), slice_from(unit)), 0);
}

/* A stack "leaf;…;root" with so many samples. */
static void add(const char *stack, double count)
{
	double *values;
	uint32_t function;

	ck_assert_int_eq(profile_sample_add(profile, &values), 0);
	values[0] = count;
	if (profile->ntypes == 2)
		values[1] = count * 1e7;
	while (*stack) {
		size_t n = strcspn(stack, ";");

		ck_assert_int_eq(
			profile_function_add(profile, (struct slice){ stack, n }, &function), 0);
		ck_assert_int_eq(profile_frame_add(profile, function), 0);
		stack += n + (stack[n] == ';');
	}
}

static void summarise(void)
{
	batch_clear(batch);
	ck_assert_int_eq(profile_summary_add(summary, profile, &target, batch), 0);
	ck_assert_uint_eq(batch->nrows, batch->nbirths);
	for (uint32_t i = 0; i < batch->nrows; i++) {
		labels_check(batch->births[i].labels);
		ck_assert_int_eq(batch->rows[i].ts_ms, target.end_ms);
		ck_assert(hash128_is_equal(batch->rows[i].key,
					   labels_hash(batch->births[i].labels, &key)));
	}
}

/* Value of a series by its text as text; "stale", or "" when it is not there. */
static const char *value_of(const char *series)
{
	static char result[64];
	struct buf text;

	result[0] = '\0';
	buf_init(&text);
	for (uint32_t i = 0; i < batch->nrows; i++) {
		double value;

		buf_clear(&text);
		labels_format(batch->births[i].labels, &text);
		if (strcmp(text.ptr, series) != 0)
			continue;
		ck_assert_msg(result[0] == '\0', "twice: %s", series);
		memcpy(&value, &batch->rows[i].bits, sizeof(value));
		if (batch->rows[i].bits == STALE_NAN_BITS)
			strcpy(result, "stale");
		else
			snprintf(result, sizeof(result), "%.10g", value);
	}
	buf_fini(&text);
	return result;
}

static void expect_of(const char *name, const char *type, const char *function, const char *wanted)
{
	char series[300];

	if (function)
		snprintf(series, sizeof(series),
			 "profile_%s{function=\"%s\", job=\"api\", profile_type=\"%s\"}", name,
			 function, type);
	else
		snprintf(series, sizeof(series), "profile_%s{job=\"api\", profile_type=\"%s\"}",
			 name, type);
	ck_assert_msg(strcmp(value_of(series), wanted) == 0, "%s: \"%s\", not \"%s\"", series,
		      value_of(series), wanted);
}

static void expect(const char *name, const char *wanted)
{
	expect_of(name, "cpu", NULL, wanted);
}

static void expect_share(const char *function, const char *self, const char *total)
{
	expect_of("function_self_ratio", "cpu", function, self);
	expect_of("function_total_ratio", "cpu", function, total);
}

static uint32_t count_of(const char *name)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < batch->nrows; i++)
		n += slice_is(labels_get(batch->births[i].labels, SLICE(METRIC_NAME)), name);
	return n;
}

START_TEST(summary_of_a_cpu_profile)
{
	begin_cpu();
	add("hash;work;main", 30);
	add("work;main", 10);
	add("work;work;main", 10);
	target.duration_ns = 10000000000;
	target.cpus = 4;
	summarise();
	expect("sample_rate", "100");
	expect("samples", "50");
	expect("samples_per_second", "5");
	expect("duration_seconds", "10");
	expect("value", "0.5");
	expect("value_total", "0.5");
	expect("cpu_cores", "0.05");
	expect("cpu_utilization", "0.0125");
	expect("up", "");
	expect_share("hash", "0.6", "0.6");
	/* Twice in a stack counts once. */
	expect_share("work", "0.4", "1");
	expect_share("main", "", "1");
	ck_assert_uint_eq(batch->nrows, 8 + 2 + 3);
}
END_TEST

/* What the sender says of its rate is so, whatever the period. */
START_TEST(summary_has_the_rate_that_the_sender_tells)
{
	begin_cpu();
	add("a", 50);
	target.duration_ns = 10000000000;
	profile->sampling_rate = 97;
	summarise();
	expect("sample_rate", "97");
	expect("samples_per_second", "5");
	expect("value", "0.5");
}
END_TEST

START_TEST(summary_without_duration_knows_no_rates)
{
	begin_cpu();
	add("a", 1);
	summarise();
	expect("samples", "1");
	expect("samples_per_second", "");
	expect("duration_seconds", "");
	expect("cpu_cores", "");
	expect("cpu_utilization", "");
}
END_TEST

START_TEST(summary_of_an_idle_process_is_no_silence)
{
	begin_cpu();
	add("a", 1);
	target.duration_ns = 1000000000;
	summarise();
	begin_cpu();
	target.end_ms += 1000;
	summarise();
	expect("samples", "0");
	expect("samples_per_second", "0");
	expect("cpu_cores", "0");
	expect_share("a", "0", "0");
}
END_TEST

START_TEST(summary_counts_on_from_profile_to_profile)
{
	begin_cpu();
	add("a", 100);
	target.duration_ns = 1000000000;
	summarise();
	expect("value_total", "1");
	target.end_ms += 1000;
	summarise();
	expect("value_total", "2");
	/* Sent again, it says the same. */
	summarise();
	expect("value_total", "2");
	/* One that is late must not bring a later sum to an earlier time. */
	target.end_ms -= 500;
	summarise();
	expect("value_total", "");
	expect("value", "1");
	expect_share("a", "1", "1");
	target.end_ms += 2500;
	summarise();
	expect("value_total", "3");
}
END_TEST

START_TEST(summary_knows_a_kind_by_its_sample_types)
{
	static const struct {
		const char *types[4][2];
		const char *hint;
		const char *kinds[2];
	} cases[] = {
		{ { { "alloc_objects", "count" },
		    { "alloc_space", "bytes" },
		    { "inuse_objects", "count" },
		    { "inuse_space", "bytes" } },
		  "cpu",
		  { "heap_inuse", "heap_alloc" } },
		{ { { "objects", "count" }, { "space", "bytes" } }, "", { "heap_inuse" } },
		{ { { "goroutine", "count" } }, "", { "goroutine" } },
		{ { { "contentions", "count" }, { "delay", "nanoseconds" } }, "", { "mutex" } },
		{ { { "contentions", "count" }, { "delay", "nanoseconds" } },
		  "block",
		  { "block" } },
		{ { { "contentions", "count" }, { "delay", "nanoseconds" } },
		  "app.block_duration",
		  { "block" } },
		{ { { "contentions", "count" }, { "delay", "nanoseconds" } }, "cpu", { "mutex" } },
		{ { { "samples", "count" } }, "", { "cpu" } },
		{ { { "samples", "count" } }, "app.wall", { "wall" } },
		{ { { "wall", "nanoseconds" } }, "cpu", { "wall" } },
		{ { { "threadcreate", "count" } }, "", { "threadcreate" } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct profile_view views[PROFILE_VIEWS_MAX];

		profile_clear(profile);
		for (size_t k = 0; k < 4 && cases[i].types[k][0]; k++)
			ck_assert_int_eq(profile_type_add(profile, slice_from(cases[i].types[k][0]),
							  slice_from(cases[i].types[k][1])),
					 0);
		uint32_t n =
			profile_views(profile, profile_kind_of(slice_from(cases[i].hint)), views);

		ck_assert_uint_eq(n, cases[i].kinds[1] ? 2 : 1);
		for (uint32_t k = 0; k < n; k++)
			ck_assert_msg(slice_is(views[k].name, cases[i].kinds[k]),
				      "case %zu: " SLICE_FMT, i, SLICE_ARG(views[k].name));
	}
}
END_TEST

START_TEST(summary_has_seconds_bytes_and_counts)
{
	begin_of("delay", "nanoseconds");
	add("lock", 2.5e9);
	target.duration_ns = 1000000000;
	summarise();
	expect_of("value", "mutex", NULL, "2.5");
	begin_of("inuse_space", "bytes");
	add("a", 4096);
	summarise();
	expect_of("value", "heap_inuse", NULL, "4096");
	expect_of("value_total", "heap_inuse", NULL, "");
	begin_of("goroutine", "count");
	add("a", 7);
	summarise();
	expect_of("value", "goroutine", NULL, "7");
	expect_of("samples", "goroutine", NULL, "7");
	/* Only samples and a period: time is what they stand for. */
	begin_of("samples", "count");
	add("a", 10);
	profile->sampling_rate = 50;
	summarise();
	expect("value", "0.2");
	expect("sample_rate", "50");
}
END_TEST

START_TEST(summary_of_what_a_process_counts_since_its_start)
{
	begin_of("alloc_space", "bytes");
	add("a", 300);
	add("b", 100);
	summarise();
	expect_of("value_total", "heap_alloc", NULL, "400");
	expect_of("function_self_ratio", "heap_alloc", "a", "0.75");
	/* 100 more, all of them by b. */
	begin_of("alloc_space", "bytes");
	add("a", 300);
	add("b", 200);
	target.end_ms += 1000;
	summarise();
	expect_of("value", "heap_alloc", NULL, "500");
	expect_of("value_total", "heap_alloc", NULL, "500");
	expect_of("function_self_ratio", "heap_alloc", "a", "0");
	expect_of("function_self_ratio", "heap_alloc", "b", "1");
	/* Started anew: b has less than before, though all together have more. */
	begin_of("alloc_space", "bytes");
	add("a", 600);
	add("b", 200 - 1);
	target.end_ms += 1000;
	summarise();
	expect_of("value_total", "heap_alloc", NULL, "799");
	expect_of("function_self_ratio", "heap_alloc", "a", "0.7509386733");
}
END_TEST

/* With more functions than are remembered each profile has the shares of all since the start. */
START_TEST(what_was_counted_before_is_remembered_of_so_many_functions)
{
	for (int over = 0; over <= 1; over++) {
		for (int turn = 0; turn < 2; turn++) {
			char name[16];

			begin_of("alloc_space", "bytes");
			add("a", 300000);
			add("b", 100000 + 100000 * turn);
			for (int i = 2; i < PROFILE_BEFORE_MAX + over; i++) {
				snprintf(name, sizeof(name), "f%d", i);
				add(name, 0);
			}
			target.end_ms += 1000;
			summarise();
		}
		expect_of("function_self_ratio", "heap_alloc", "b", over ? "0.4" : "1");
	}
}
END_TEST

/* Functions f00, f01, …: the first has most. */
static void add_functions(int first, int n)
{
	char name[16];

	begin_cpu();
	for (int i = first; i < first + n; i++) {
		snprintf(name, sizeof(name), "f%02d", i);
		add(name, 1000 - i);
	}
}

START_TEST(summary_has_the_top_functions_and_no_more)
{
	ck_assert_uint_eq(PROFILE_TOP, 20); /* so it is promised */
	add_functions(0, 90);
	summarise();
	ck_assert_uint_eq(count_of("profile_function_self_ratio"), PROFILE_TOP);
	ck_assert_uint_eq(count_of("profile_function_total_ratio"), PROFILE_TOP);
	ck_assert_str_ne(value_of("profile_function_self_ratio{function=\"f19\", job=\"api\", "
				  "profile_type=\"cpu\"}"),
			 "");
	expect_share("f20", "", "");
}
END_TEST

START_TEST(functions_leave_the_top_slowly_and_with_a_stale_marker)
{
	add_functions(0, 20);
	summarise();
	/* Ten others come; those pushed to ranks 21 to 30 stay, however long. */
	for (int i = 0; i < 10; i++) {
		add_functions(0, 20);
		for (int k = 50; k < 60; k++) {
			char name[16];

			snprintf(name, sizeof(name), "f%02d", k);
			add(name, 2000);
		}
		target.end_ms += 1000;
		summarise();
		ck_assert_uint_eq(count_of("profile_function_self_ratio"), 30);
	}
	/* They are gone altogether: two more profiles with a share of 0, then the end. */
	for (int i = 1; i <= PROFILE_TOP_MISSES; i++) {
		begin_cpu();
		add("x", 1);
		target.end_ms += 1000;
		summarise();
		expect_share("f50", i < PROFILE_TOP_MISSES ? "0" : "stale",
			     i < PROFILE_TOP_MISSES ? "0" : "stale");
	}
	target.end_ms += 1000;
	summarise();
	ck_assert_uint_eq(count_of("profile_function_self_ratio"), 1);
}
END_TEST

START_TEST(functions_with_series_stay_within_their_limit)
{
	for (int i = 0; i < 40; i++) {
		add_functions(20 * i, 20);
		target.end_ms += 1000;
		summarise();
		uint32_t n = count_of("profile_function_self_ratio");

		ck_assert_uint_le(n, 2 * PROFILE_LISTED_MAX);
	}
}
END_TEST

START_TEST(functions_that_rules_name_are_there_always)
{
	const struct slice named[] = { SLICE("rare"), SLICE("absent"), SLICE("rare") };
	struct profile_names *names = profile_names_new(named, 3);

	ck_assert_uint_eq(names->n, 2);
	profile_summary_watch(summary, names);
	profile_names_unref(names);
	add_functions(0, 90);
	add("rare", 1);
	summarise();
	ck_assert_str_ne(value_of("profile_function_self_ratio{function=\"rare\", job=\"api\", "
				  "profile_type=\"cpu\"}"),
			 "");
	expect_share("absent", "0", "0");
	ck_assert_uint_eq(count_of("profile_function_self_ratio"), PROFILE_TOP + 2);
	/* No rule names them any more. */
	profile_summary_watch(summary, NULL);
	target.end_ms += 1000;
	summarise();
	expect_share("rare", "stale", "stale");
	expect_share("absent", "stale", "stale");
	target.end_ms += 1000;
	summarise();
	expect_share("rare", "", "");
}
END_TEST

START_TEST(names_stay_within_their_limit)
{
	struct slice named[PROFILE_NAMED_MAX + 5];
	char texts[PROFILE_NAMED_MAX + 5][16];

	ck_assert_uint_eq(PROFILE_NAMED_MAX, 200); /* so it is promised */
	for (int i = 0; i < PROFILE_NAMED_MAX + 5; i++) {
		snprintf(texts[i], sizeof(texts[i]), "n%d", i);
		named[i] = slice_from(texts[i]);
	}
	struct profile_names *names = profile_names_new(named, PROFILE_NAMED_MAX + 5);

	ck_assert_uint_eq(names->n, PROFILE_NAMED_MAX);
	ck_assert_uint_eq(names->over, 5);
	profile_names_unref(names);
}
END_TEST

/* The names in the plan of these expressions, joined by blanks. */
static const char *names_of(const char *const *exprs)
{
	static char out[500];
	struct plan *plan = plan_new();

	for (; *exprs; exprs++) {
		struct source source = { .text = slice_from(*exprs), .line0 = 1, .column0 = 1 };
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
	struct profile_names *names = profile_names_of_plan(plan);

	out[0] = '\0';
	for (uint32_t i = 0; i < names->n; i++)
		sprintf(out + strlen(out), SLICE_FMT " ", SLICE_ARG(names->names[i]));
	profile_names_unref(names);
	plan_free(plan);
	return out;
}

START_TEST(rules_name_functions_by_equality_and_alternatives)
{
	ck_assert_str_eq(
		names_of((const char *const[]){
			"profile_function_self_ratio{function=\"main.work\"} > 0.5",
			"profile_function_total_ratio{function=~\"a|b\\\\.c|d.e|x.*|\"} > 0",
			"sum(profile_function_total_ratio{function=~\"m\\\\.\\\\(\\\\*T\\\\)\\\\."
			"f\"})",
			"rate({function=\"any\",job=\"x\"}[1m])",
			"{__name__=~\"profile_function_.*\",function=\"by.pattern\"}", NULL }),
		"a any b.c by.pattern d.e m.(*T).f main.work ");
	ck_assert_str_eq(
		names_of((const char *const[]){ "calls_total{function=\"other\"}",
						"profile_function_self_ratio{function!=\"not\"}",
						"profile_function_self_ratio{function=~\"(a|b)\"}",
						"profile_function_self_ratio", NULL }),
		"");
}
END_TEST

/* However many rules name one function, another that is named behind them is there. */
START_TEST(rules_may_name_one_function_often)
{
	char(*texts)[80] = calloc(20002, sizeof(*texts));
	const char **exprs = calloc(20003, sizeof(*exprs));

	for (int i = 0; i < 20002; i++) {
		snprintf(texts[i], sizeof(texts[i]),
			 "profile_function_self_ratio{function=\"%s\",i=\"%d\"}",
			 i < 20001 ? "often" : "once", i);
		exprs[i] = texts[i];
	}
	ck_assert_str_eq(names_of(exprs), "often once ");
	free(exprs);
	free(texts);
}
END_TEST

static void fail_at(int64_t ms)
{
	target.end_ms = ms;
	batch_clear(batch);
	ck_assert_int_eq(profile_summary_fail(summary, &target, batch), 0);
}

START_TEST(a_fetch_that_fails_ends_all_series_but_up)
{
	begin_cpu();
	add("a;b", 1);
	target.duration_ns = 1000000000;
	target.is_fetched = true;
	summarise();
	expect("up", "1");
	uint32_t alive = batch->nrows;

	fail_at(END_MS + 1000);
	ck_assert_uint_eq(batch->nrows, alive);
	expect("up", "0");
	expect("samples", "stale");
	expect("value_total", "stale");
	expect("cpu_cores", "stale");
	expect_share("a", "stale", "stale");
	expect_share("b", "", "stale");
	/* Once is enough, but for profile_up. */
	fail_at(END_MS + 2000);
	ck_assert_uint_eq(batch->nrows, 1);
	expect("up", "0");
	/* It is back. */
	target.end_ms = END_MS + 3000;
	summarise();
	expect("up", "1");
	expect("value_total", "0.02");
	/* It is in the configuration no more. */
	batch_clear(batch);
	target.end_ms += 1000;
	ck_assert_int_eq(profile_summary_end(summary, &target, batch), 0);
	expect("up", "stale");
	expect("samples", "stale");
}
END_TEST

START_TEST(a_target_that_was_never_there_is_down_all_the_same)
{
	target.is_fetched = true;
	target.hint = profile_kind_of(SLICE("profile"));
	fail_at(END_MS);
	expect("up", "0");
	/* Two of one job are told apart by their source. */
	target.hint = profile_kind_of(SLICE("goroutine"));
	target.source = 1;
	fail_at(END_MS + 1000);
	ck_assert_uint_eq(batch->nrows, 1);
	expect_of("up", "goroutine", NULL, "0");
	/* Of what kind this one is nobody knows until it answers. */
	target.hint = PROFILE_KIND_NONE;
	target.source = 2;
	fail_at(END_MS + 2000);
	ck_assert_str_eq(value_of("profile_up{job=\"api\"}"), "0");
	begin_of("inuse_space", "bytes");
	add("a", 1);
	target.end_ms += 1000;
	summarise();
	expect_of("up", "heap_inuse", NULL, "1");
	ck_assert_str_eq(value_of("profile_up{job=\"api\"}"), "stale");
}
END_TEST

START_TEST(streams_stay_within_their_limit)
{
	begin_cpu();
	add("a", 100);
	target.duration_ns = 1000000000;
	for (int i = 0; i < PROFILE_STREAMS_MAX + 100; i++) {
		char name[16];
		struct labels *own;

		snprintf(name, sizeof(name), "j%d", i);
		const struct label pairs[] = { { SLICE("job"), slice_from(name) } };

		ck_assert_int_eq(labels_new(pairs, 1, &own, NULL), 0);
		target.labels = own;
		batch_clear(batch);
		ck_assert_int_eq(profile_summary_add(summary, profile, &target, batch), 0);
		labels_unref(own);
		/* This one is in use all the time, and stays. */
		target.labels = labels;
		target.end_ms++;
		summarise();
	}
	ck_assert_uint_eq(profile_summary_streams(summary), PROFILE_STREAMS_MAX);
	char total[16];

	snprintf(total, sizeof(total), "%d", PROFILE_STREAMS_MAX + 100);
	expect("value_total", total);
}
END_TEST

static Suite *profile_summary_suite(void)
{
	Suite *suite = suite_create("profile_summary");
	TCase *tcase = tcase_create("profile_summary");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, summary_of_a_cpu_profile);
	tcase_add_test(tcase, summary_has_the_rate_that_the_sender_tells);
	tcase_add_test(tcase, summary_without_duration_knows_no_rates);
	tcase_add_test(tcase, summary_of_an_idle_process_is_no_silence);
	tcase_add_test(tcase, summary_counts_on_from_profile_to_profile);
	tcase_add_test(tcase, summary_knows_a_kind_by_its_sample_types);
	tcase_add_test(tcase, summary_has_seconds_bytes_and_counts);
	tcase_add_test(tcase, summary_of_what_a_process_counts_since_its_start);
	tcase_add_test(tcase, what_was_counted_before_is_remembered_of_so_many_functions);
	tcase_add_test(tcase, summary_has_the_top_functions_and_no_more);
	tcase_add_test(tcase, functions_leave_the_top_slowly_and_with_a_stale_marker);
	tcase_add_test(tcase, functions_with_series_stay_within_their_limit);
	tcase_add_test(tcase, functions_that_rules_name_are_there_always);
	tcase_add_test(tcase, names_stay_within_their_limit);
	tcase_add_test(tcase, rules_name_functions_by_equality_and_alternatives);
	tcase_add_test(tcase, rules_may_name_one_function_often);
	tcase_add_test(tcase, a_fetch_that_fails_ends_all_series_but_up);
	tcase_add_test(tcase, a_target_that_was_never_there_is_down_all_the_same);
	tcase_add_test(tcase, streams_stay_within_their_limit);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(profile_summary_suite)
