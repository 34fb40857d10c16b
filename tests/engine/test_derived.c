/*
 * Series made of log lines, on their way through the engine: batches with windows of other kinds,
 * and how far their sources were read.
 */
#include "tests/check_main.h"
#include "tests/engine/harness.h"

#include <math.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/engine_internal.h"

static struct harness h;

/* As feeds make them: `s` is a sum, `lo` and `hi` are extremes, `e` are events. */
static const char *const rules = "groups:\n- name: g\n  rules:\n"
				 "  - {record: sum, expr: 'sum_over_time(s[1h])'}\n"
				 "  - {record: low, expr: 'min_over_time(lo[1h])'}\n"
				 "  - {record: high, expr: 'max_over_time(hi[1h])'}\n"
				 "  - {record: n, expr: 'count_over_time(e[1h])'}\n"
				 "  - {alert: Many, expr: 'sum_over_time(s[1m]) > 5'}\n";

static void begin(struct harness *to)
{
	struct engine_options options;
	harness_options(&options);
	options.warm = true;
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

static enum window_kind kind_of(const struct labels *labels)
{
	struct slice name = labels_get(labels, SLICE("__name__"));
	return slice_is(name, "s")    ? WINDOW_SUM
	       : slice_is(name, "lo") ? WINDOW_MIN
	       : slice_is(name, "hi") ? WINDOW_MAX
	       : slice_is(name, "e")  ? WINDOW_EVENTS
				      : WINDOW_SAMPLES;
}

static struct batch *batch_of(const char *text)
{
	struct batch *batch = harness_batch("agent", 0, text);
	for (uint32_t i = 0; i < batch->nbirths; i++)
		batch->births[i].kind = kind_of(batch->births[i].labels);
	return batch;
}

static void feed(const char *text)
{
	engine_batch(h.engine, batch_of(text));
	harness_settle(&h);
}

START_TEST(batches_add_up_in_buckets)
{
	harness_time(&h, 1000);
	feed("s 1 @ 1020; lo 5 @ 1020; hi 5 @ 1020; e 1 @ 1001; e 2 @ 1001");
	feed("s 2 @ 1020; lo 3 @ 1020; hi 3 @ 1020; e 3 @ 1001");
	ck_assert_uint_eq(h.outcome.stored, 4);
	harness_time(&h, 1020);
	harness_expect_query(&h, "s", 1020, "s 3\n");
	harness_expect_query(&h, "lo", 1020, "lo 3\n");
	harness_expect_query(&h, "hi", 1020, "hi 5\n");
	harness_expect_query(&h, "count_over_time(e[1m])", 1020, "{} 3\n");
	harness_expect_query(&h, "last_over_time(e[1m])", 1020, "e 3\n");
	harness_expect_query(&h, "first_over_time(e[1m])", 1020, "e 1\n");
	/* A late line goes into its bucket. */
	feed("s 4 @ 1020");
	harness_expect_query(&h, "s", 1020, "s 7\n");
}
END_TEST

START_TEST(no_line_is_a_zero_and_no_silence)
{
	struct engine_options options;
	harness_stop(&h);
	harness_options(&options);
	harness_start(&h, &options);
	harness_load(&h, "groups: [{name: g, warmup: off, rules: ["
			 "{alert: Many, expr: 'sum_over_time(s[1m]) > 5'}, "
			 "{alert: Metric, expr: 'sum_over_time(x[1m]) > 5'}]}]");
	harness_time(&h, 1000);
	for (double t = 1000; t < 1060; t += 10) {
		harness_time(&h, t);
		feed("s 1 @ 1060; x 6 @ 1060");
	}
	harness_time(&h, 1065);
	harness_expect(&h, "1065 Many pending>firing value=6 active=1065 fired=1065 settled\n"
			   "1065 Metric pending>firing value=6 active=1065 fired=1065 settled\n");
	/* The agent is overdue: a metric of its would be held. */
	for (double t = 1080; t <= 1140; t += 15)
		harness_time(&h, t);
	harness_expect(&h,
		       "1125 Many firing>inactive value=6 active=1065 fired=1065 resolved=1125 "
		       "settled\n"
		       "1125 Metric firing value=6 active=1065 fired=1065 reason=refresh settled "
		       "held\n");
}
END_TEST

/* ---- exactly once ---- */

#define LINES 240
#define BUCKET_S 60
#define START_S 10000

/* Line i: its time, and what it counts for. Some are late, several have one time. */
static double line_s(uint32_t i)
{
	return START_S + (i / 3) * 2 - (i % 7 == 0 ? 45 : 0);
}

/* The lines [from, to) as a feed makes them, and that the source was read so far. */
static struct batch *batch_of_lines(uint32_t from, uint32_t to)
{
	struct buf text = { 0 };
	char position[16];
	for (uint32_t i = from; i < to; i++) {
		double end_s = ceil(line_s(i) / BUCKET_S) * BUCKET_S;
		buf_printf(&text, "s{i=\"%u\"} 1 @ %g; hi %u @ %g; e %u @ %g;", i % 2, end_s,
			   i * 7 % 100, end_s, i, line_s(i));
	}
	struct batch *batch = batch_of(text.len ? text.ptr : "");
	snprintf(position, sizeof(position), "%u", to);
	ck_assert_int_eq(batch_position_add(batch, SLICE("source"), slice_from(position)), 0);
	buf_fini(&text);
	return batch;
}

static void on_position(void *ctx, struct slice key, struct slice payload)
{
	char text[16] = "";
	ck_assert(slice_is(key, "source"));
	memcpy(text, payload.ptr, payload.len);
	*(uint32_t *)ctx = (uint32_t)strtoul(text, NULL, 10);
}

static uint32_t position_of(const struct harness *of)
{
	uint32_t position = 0;
	engine_positions_each(of->engine, on_position, &position);
	return position;
}

static const char *const asked[] = { "sum_over_time(s[50m])",	"max_over_time(hi[50m])",
				     "count_over_time(e[50m])", "sum_over_time(e[50m])",
				     "last_over_time(e[50m])",	"stddev_over_time(e[50m])" };

/* All lines, never interrupted. */
static void expect_all_lines(struct harness *of, double time_s)
{
	static char expected[6][256];
	static bool known;
	if (!known) {
		struct harness plain;
		begin(&plain);
		harness_time(&plain, time_s);
		engine_batch(plain.engine, batch_of_lines(0, LINES));
		harness_settle(&plain);
		for (int i = 0; i < 6; i++)
			snprintf(expected[i], sizeof(expected[i]), "%s",
				 harness_query(&plain, asked[i], time_s));
		harness_stop(&plain);
		known = true;
		ck_assert_str_eq(expected[0], "{i=\"0\"} 120\n{i=\"1\"} 120\n");
		ck_assert_str_eq(expected[2], "{} 240\n");
	}
	for (int i = 0; i < 6; i++)
		harness_expect_query(of, asked[i], time_s, expected[i]);
}

/* A life: lines come while rules are evaluated; it is written down now and then. */
static size_t live(bool with_checkpoint)
{
	size_t checkpoint_at = SIZE_MAX;
	uint32_t read = 0, round = 0;
	for (double t = START_S; read < LINES; t += 5, round++) {
		uint32_t to = read + 1 + round * 5 % 11;
		to = to < LINES ? to : LINES;
		engine_time(h.engine, llround(t * 1000));
		engine_step(h.engine, h.units); /* a pass may be under way now */
		uint32_t half = read + (to - read) / 2;
		engine_batch(h.engine, batch_of_lines(read, half));
		engine_batch(h.engine, batch_of_lines(half, to));
		read = to;
		if (with_checkpoint && round == 15) {
			checkpoint_at = h.nrecords;
			engine_checkpoint(h.engine);
			engine_step(h.engine, h.units);
		}
		if (round % 3 == 0)
			engine_flush(h.engine);
		if (round % 2 == 0)
			harness_settle(&h);
	}
	harness_settle(&h);
	engine_flush(h.engine);
	return checkpoint_at;
}

/* The reader goes on from where the journal says it was. */
static void go_on(struct harness *other, double time_s)
{
	uint32_t read = position_of(other);
	harness_time(other, time_s);
	engine_batch(other->engine, batch_of_lines(read, LINES));
	harness_settle(other);
	ck_assert_uint_eq(position_of(other), LINES);
	expect_all_lines(other, time_s);
}

static void expect_cut(const struct harness *from, size_t n, double time_s)
{
	struct harness other;
	begin(&other);
	harness_replay(from, n, &other);
	go_on(&other, time_s);
	harness_stop(&other);
}

START_TEST(killed_anywhere_each_line_counts_once)
{
	live(false);
	expect_all_lines(&h, 11000);
	size_t derived = 0;
	for (size_t n = 0; n <= h.nrecords; n++) {
		derived += n > 0 && h.records[n - 1].type == RECORD_DERIVED;
		expect_cut(&h, n, 11000);
	}
	ck_assert_uint_gt(derived, 5);
}
END_TEST

START_TEST(killed_around_a_checkpoint_each_line_counts_once)
{
	size_t checkpoint_at = live(true);
	bool complete = false;
	ck_assert_uint_lt(checkpoint_at, h.nrecords);
	for (size_t n = checkpoint_at; n <= h.nrecords; n++) {
		complete |= n > 0 && h.records[n - 1].type == RECORD_CHECKPOINT_PART;
		/* Whole, or from the checkpoint on, as the journal is read then. */
		expect_cut(&h, n, 11000);
		struct harness tail = h;
		tail.records += checkpoint_at;
		if (complete)
			expect_cut(&tail, n - checkpoint_at, 11000);
	}
	ck_assert(complete);
}
END_TEST

START_TEST(totals_are_written_once_a_flush)
{
	harness_time(&h, 1000);
	for (int i = 0; i < 100; i++)
		feed("s 1 @ 1020");
	size_t before = h.nrecords;
	engine_flush(h.engine);
	size_t derived = 0;
	for (size_t i = before; i < h.nrecords; i++) {
		if (h.records[i].type != RECORD_DERIVED)
			continue;
		derived++;
		ck_assert_uint_eq(h.records[i].len, 8 + 24);
	}
	ck_assert_uint_eq(derived, 1);
}
END_TEST

START_TEST(positions_are_kept_and_forgotten)
{
	struct batch *batch = batch_of("");
	char longest[BATCH_POSITION_BYTES_MAX] = "";
	ck_assert_int_eq(batch_position_add(batch, SLICE(""), SLICE("1")), ERR_LIMIT);
	ck_assert_int_eq(
		batch_position_add(batch, SLICE("k"), (struct slice){ longest, sizeof(longest) }),
		ERR_LIMIT);
	ck_assert_int_eq(batch_position_add(batch, SLICE("source"), SLICE("41")), 0);
	ck_assert_int_eq(batch_position_add(batch, SLICE("source"), SLICE("42")), 0);
	engine_batch(h.engine, batch);
	harness_settle(&h);
	ck_assert_uint_eq(position_of(&h), 42);
	batch = batch_of("");
	ck_assert_int_eq(batch_position_add(batch, SLICE("source"), SLICE("")), 0);
	engine_batch(h.engine, batch);
	engine_flush(h.engine);
	ck_assert_uint_eq(position_of(&h), 0);
	struct harness other;
	begin(&other);
	harness_replay(&h, h.nrecords, &other);
	ck_assert_uint_eq(position_of(&other), 0);
	harness_stop(&other);
}
END_TEST

static void count_position(void *ctx, struct slice key, struct slice payload)
{
	++*(uint32_t *)ctx;
}

START_TEST(positions_are_limited)
{
	struct batch *batch = batch_of("");
	char key[16];
	uint32_t kept = 0, restored = 0;
	for (uint32_t i = 0; i <= POSITIONS_MAX; i++) {
		snprintf(key, sizeof(key), "%u", i);
		ck_assert_int_eq(batch_position_add(batch, slice_from(key), SLICE("1")), 0);
	}
	engine_batch(h.engine, batch);
	harness_settle(&h);
	engine_flush(h.engine);
	engine_positions_each(h.engine, count_position, &kept);
	ck_assert_uint_eq(kept, POSITIONS_MAX);
	struct harness other;
	begin(&other);
	harness_replay(&h, h.nrecords, &other);
	engine_positions_each(other.engine, count_position, &restored);
	ck_assert_uint_eq(restored, POSITIONS_MAX);
	harness_stop(&other);
}
END_TEST

/* ---- examples ---- */

static void feed_example(const char *row, double time_s, const char *line)
{
	struct batch *batch = batch_of(row);
	batch_example_add(batch, 0, llround(time_s * 1000), slice_from(line));
	engine_batch(h.engine, batch);
	harness_settle(&h);
}

/* The lines that alert 4 (of rules[]) would show. "" without an alert that fires. */
static const char *examples_of(const char *labels, double time_s, uint32_t max)
{
	static char text[4096];
	struct example found[16];
	struct label pairs[4];
	size_t npairs = 0;
	if (*labels)
		pairs[npairs++] = (struct label){ SLICE("i"), slice_from(labels) };
	struct labels *set;
	ck_assert_int_eq(labels_new(pairs, npairs, &set, NULL), 0);
	uint32_t lset = lset_intern(h.engine->lsets, set);
	labels_unref(set);
	uint32_t n = examples_find(h.engine, &h.engine->active->rules[4], lset,
				   llround(time_s * 1000), found, max);
	lset_unref(h.engine->lsets, lset);
	text[0] = '\0';
	for (uint32_t i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), SLICE_FMT " ",
			 SLICE_ARG(found[i].line));
	return text;
}

START_TEST(examples_are_the_newest_lines_that_agree)
{
	harness_time(&h, 1000);
	feed_example("s{i=\"1\"} 1 @ 1020", 1001, "one");
	feed_example("s{i=\"2\"} 1 @ 1020", 1002, "two");
	feed_example("s{i=\"1\"} 1 @ 1020", 1003, "three");
	feed_example("s{i=\"1\"} 1 @ 1020", 1002.5, "late");
	feed_example("x{i=\"1\"} 1 @ 1020", 1003, "of nobody's");
	ck_assert_str_eq(examples_of("", 1020, 10), "three late two one ");
	ck_assert_str_eq(examples_of("1", 1020, 10), "three late one ");
	ck_assert_str_eq(examples_of("2", 1020, 10), "two ");
	ck_assert_str_eq(examples_of("3", 1020, 10), "");
	ck_assert_str_eq(examples_of("", 1020, 2), "three late ");
	/* Only what the alert's range holds. */
	ck_assert_str_eq(examples_of("", 1002, 10), "two one ");
	ck_assert_str_eq(examples_of("", 1062.2, 10), "three late ");
}
END_TEST

START_TEST(alert_that_begins_to_fire_shows_lines)
{
	struct engine_options options;
	harness_stop(&h);
	harness_options(&options);
	options.warm = options.evidence = true;
	harness_start(&h, &options);
	harness_load(&h, rules);
	harness_time(&h, 1000);
	feed_example("s{i=\"1\"} 6 @ 1020", 1001, "broken <redacted>");
	feed_example("s{i=\"2\"} 1 @ 1020", 1002, "of another series");
	harness_time(&h, 1020);
	harness_expect(&h,
		       "1020 Many{i=\"1\"} pending>firing value=6 active=1020 fired=1020 settled "
		       "evidence={\"lines\":[\"broken <redacted>\"],\"functions\":[]}\n");
}
END_TEST

START_TEST(examples_are_forgotten_when_redaction_changes)
{
	harness_time(&h, 1000);
	feed_example("s 1 @ 1020", 1001, "a secret");
	engine_lines_forget(h.engine);
	ck_assert_str_eq(examples_of("", 1020, 10), "");
	ck_assert_uint_eq(h.engine->examples.bytes, 0);
	feed_example("s 1 @ 1020", 1002, "redacted");
	ck_assert_str_eq(examples_of("", 1020, 10), "redacted ");
}
END_TEST

START_TEST(examples_are_bounded_by_series)
{
	char line[16];
	harness_time(&h, 1000);
	for (int i = 1; i <= 8; i++) {
		snprintf(line, sizeof(line), "%d", i);
		feed_example("s 1 @ 1020", 1000 + i, line);
	}
	feed_example("s 1 @ 1020", 1001, "older");
	ck_assert_str_eq(examples_of("", 1020, 10), "8 7 6 5 4 ");
}
END_TEST

START_TEST(examples_are_bounded_by_bytes)
{
	struct examples *examples = &h.engine->examples;
	static char line[1024];
	memset(line, 'x', sizeof(line));
	for (uint32_t uid = 1; uid <= 20000; uid++) {
		example_add(examples, uid, uid, (struct slice){ line, sizeof(line) });
		/* The first one is in use all the time. */
		example_add(examples, 1, uid, SLICE("y"));
		ck_assert_uint_le(examples->bytes, EXAMPLES_BYTES_MAX);
	}
	ck_assert_uint_gt(examples->bytes, EXAMPLES_BYTES_MAX - 2048);
	ck_assert_uint_ne(id_map_find(&examples->by_uid, 1), ID_MAP_NONE);
	ck_assert_uint_eq(id_map_find(&examples->by_uid, 2), ID_MAP_NONE);
	ck_assert_uint_ne(id_map_find(&examples->by_uid, 20000), ID_MAP_NONE);
}
END_TEST

START_TEST(examples_are_bounded_by_number_of_series)
{
	struct examples *examples = &h.engine->examples;
	for (uint32_t uid = 1; uid <= EXAMPLES_SERIES_MAX + 100; uid++)
		example_add(examples, uid, uid, SLICE("x"));
	ck_assert_uint_eq(examples->n, EXAMPLES_SERIES_MAX);
	ck_assert_uint_eq(id_map_count(&examples->by_uid), EXAMPLES_SERIES_MAX);
	ck_assert_uint_eq(id_map_find(&examples->by_uid, 100), ID_MAP_NONE);
	ck_assert_uint_ne(id_map_find(&examples->by_uid, 101), ID_MAP_NONE);
}
END_TEST

static Suite *derived_suite(void)
{
	Suite *suite = suite_create("derived");
	TCase *tcase = tcase_create("derived");
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, batches_add_up_in_buckets);
	tcase_add_test(tcase, no_line_is_a_zero_and_no_silence);
	tcase_add_test(tcase, killed_anywhere_each_line_counts_once);
	tcase_add_test(tcase, killed_around_a_checkpoint_each_line_counts_once);
	tcase_add_test(tcase, totals_are_written_once_a_flush);
	tcase_add_test(tcase, positions_are_kept_and_forgotten);
	tcase_add_test(tcase, positions_are_limited);
	tcase_add_test(tcase, examples_are_the_newest_lines_that_agree);
	tcase_add_test(tcase, alert_that_begins_to_fire_shows_lines);
	tcase_add_test(tcase, examples_are_forgotten_when_redaction_changes);
	tcase_add_test(tcase, examples_are_bounded_by_series);
	tcase_add_test(tcase, examples_are_bounded_by_bytes);
	tcase_add_test(tcase, examples_are_bounded_by_number_of_series);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(derived_suite)
