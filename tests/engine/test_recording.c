/*
 * Recordings: what is written is read, whatever happens to the files in between; and an engine that
 * is told a recording says what the first one said.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/replay.h"
#include "engine/recording_internal.h"
#include "tests/check_main.h"

/* Of a step: so few that a pass is cut into pieces, and batches wait; or enough for all. */
static uint32_t step_units = 3000;
static const uint32_t step_units_each[] = { 300, 1000, 3000, 1000000 };
#define SERIES 12

static char dir[64];
static struct rule_set *rules;

static const char rules_text[] =
	"groups:\n"
	"- name: g\n"
	"  interval: 1s\n"
	"  rules:\n"
	"  - {alert: Sum, expr: 'sum(m) > 50', annotations: {v: '{{ $value }}'}}\n"
	"  - {alert: Each, expr: 'm > 3', for: 1s, keep_firing_for: 1s}\n"
	"  - {record: r, expr: 'rate(m[5s])'}\n"
	"  - {alert: Rate, expr: 'avg by (k) (r) > 0.1'}\n"
	"- name: now\n"
	"  interval: 1s\n"
	"  evaluate: arrival\n"
	"  rules:\n"
	"  - {alert: Now, expr: 'm > 4'}\n";

static struct rule_set *load(const char *text, const char *file)
{
	const struct rule_set_options options = { .interval_ms = 1000, .rules_max = 100 };
	struct rule_set *set;
	struct diag_list diags;
	diag_list_init(&diags);
	ck_assert_int_eq(rule_set_load_text(slice_from(text), file, &options, &diags, &set), 0);
	diag_list_fini(&diags);
	return set;
}

static void each_file(void (*fn)(const char *path))
{
	struct dirent **entries;
	int n = scandir(dir, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char path[512];
		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			fn(path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void remove_file(const char *path)
{
	unlink(path);
}

static void setup(void)
{
	strcpy(dir, "/tmp/test_recording_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	rules = load(rules_text, "live.yml");
}

static void teardown(void)
{
	each_file(remove_file);
	rmdir(dir);
	rule_set_unref(rules);
}

/* ---- a live run, recorded as the daemon does ---- */

struct live {
	struct engine *engine;
	struct recording_writer *writer;
	struct buf inputs, told;
	uint32_t random;
	int64_t now_ms;
	unsigned events;
};

static uint32_t next_random(struct live *live)
{
	return live->random = live->random * 1664525u + 1013904223u;
}

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
}

static void on_event(void *ctx, struct alert_event *event)
{
	struct live *live = ctx;
	input_event_add(&live->inputs, event);
	recording_event_encode(event, &live->told);
	live->events++;
	alert_event_free(event);
}

static void on_batch(void *ctx, struct batch *batch)
{
	batch_free(batch);
}

static void on_query(void *ctx, struct engine_query *query)
{
	engine_query_free(query);
}

static void on_loaded(void *ctx, struct rule_set *set, int code)
{
	ck_assert(code == 0 || code == ERR_CONFLICT); /* another one came meanwhile */
}

static void on_sender(void *ctx, const struct sender *sender, const char *what)
{
}

static struct recording_settings settings_of(const struct rule_set *set)
{
	return (struct recording_settings){ .interval_ms = 1000,
					    .lookback_ms = 4000,
					    .sender_timeout_ms = 3000,
					    .step_units = step_units,
					    .external_url = SLICE("http://t/"),
					    .rules_hash = recording_rules_hash(set) };
}

static void write_inputs(struct live *live, const struct batch *batch)
{
	ck_assert_int_eq(recording_write(live->writer, buf_slice(&live->inputs), batch), 0);
	buf_clear(&live->inputs);
}

static void live_start(struct live *live, uint32_t seed, int64_t start_ms)
{
	const struct engine_options options = { .store = { .lookback_ms = 4000 },
						.sender_timeout_ms = 3000,
						.external_url = "http://t/",
						.evidence = true,
						.journal = true };
	const struct engine_sink sink = { .ctx = live,
					  .record = on_record,
					  .event = on_event,
					  .batch = on_batch,
					  .query = on_query,
					  .loaded = on_loaded,
					  .sender = on_sender };
	const struct recording_settings settings = settings_of(rules);
	char *why = NULL;
	*live = (struct live){ .random = seed, .now_ms = start_ms };
	buf_init(&live->inputs);
	buf_init(&live->told);
	ck_assert_int_eq(recording_writer_new(dir, 0, start_ms, &live->writer, &why), 0);
	ck_assert_int_eq(engine_new(&options, &sink, &live->engine), 0);
	input_rules_add(&live->inputs, &settings);
	engine_load(live->engine, rules);
	while (engine_step(live->engine, 1000000))
		;
	input_mark_add(&live->inputs, INPUT_RESTORED);
	engine_restore_done(live->engine);
	input_time_add(&live->inputs, start_ms);
	engine_time(live->engine, start_ms);
	write_inputs(live, NULL);
}

static void live_stop(struct live *live)
{
	engine_free(live->engine);
	recording_writer_free(live->writer);
	buf_fini(&live->inputs);
	buf_fini(&live->told);
}

static void live_batch(struct live *live)
{
	static const struct hash_key key = { { 3 } };
	struct batch *batch = batch_new();
	uint32_t n = 1 + next_random(live) % SERIES;
	snprintf(batch->sender.name, sizeof(batch->sender.name), "sender %u",
		 next_random(live) >> 8 & 1);
	batch->sender.hash = hash_fnv1a64(FNV1A64_INIT, batch->sender.name, 8);
	for (uint32_t i = 0; i < n; i++) {
		char k[2] = { (char)('a' + (next_random(live) >> 8) % SERIES), '\0' };
		const struct label pairs[] = { { SLICE("__name__"), SLICE("m") },
					       { SLICE("k"), slice_from(k) } };
		struct labels *labels;
		double value = (double)(next_random(live) >> 8 & 127) / 12;
		uint64_t bits;
		memcpy(&bits, &value, sizeof(bits));
		if (next_random(live) >> 8 & 1 && i % 7 == 3)
			bits = STALE_NAN_BITS;
		ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
		/* Some are of the future: they wait, or come late. */
		int64_t ts_ms = live->now_ms - 700 + (next_random(live) >> 8) % 1200;
		ck_assert_int_eq(batch_sample_add(batch, &key, labels, ts_ms, bits), 0);
		labels_unref(labels);
	}
	write_inputs(live, batch);
	engine_batch(live->engine, batch);
}

/* Told times, batches, pieces of work and reloads, in any order. */
static void live_run(struct live *live, unsigned turns)
{
	for (unsigned i = 0; i < turns; i++) {
		uint32_t what = next_random(live) >> 8;
		if (what % 3 == 0) {
			live->now_ms += what % 400;
			input_time_add(&live->inputs, live->now_ms);
			engine_time(live->engine, live->now_ms);
		}
		if (what % 5 < 2)
			live_batch(live);
		if (what % 97 == 0) {
			const struct recording_settings settings = settings_of(rules);
			input_rules_add(&live->inputs, &settings);
			engine_load(live->engine, rules);
		}
		unsigned steps = what % 4;
		for (unsigned s = 0; s < steps; s++)
			engine_step(live->engine, step_units);
		if (steps)
			input_steps_add(&live->inputs, steps);
	}
	write_inputs(live, NULL);
}

/* ---- its replay ---- */

struct replayed {
	struct buf told;
	unsigned events, sessions;
	int64_t last_ms;
};

static void on_replayed(void *ctx, const struct alert_event *event)
{
	struct replayed *replayed = ctx;
	replayed->events++;
	replayed->last_ms = event->at_ms;
}

static void on_session(void *ctx, int64_t t_ms)
{
	((struct replayed *)ctx)->sessions++;
}

static void replay(struct rule_set *set, struct replayed *replayed, struct replay_result *result)
{
	const struct replay_options options = { .rules = set, .to_ms = TIME_NONE };
	const struct replay_sink sink = { .ctx = replayed,
					  .event = on_replayed,
					  .session = on_session };
	char *why = NULL;
	*replayed = (struct replayed){ .events = 0 };
	ck_assert_int_eq(replay_recording(dir, &options, &sink, result, &why), 0);
}

START_TEST(replay_says_what_was_said_live)
{
	struct live live;
	struct replayed replayed;
	struct replay_result result;
	step_units = step_units_each[_i];
	live_start(&live, 17u + (uint32_t)_i, 1000000);
	live_run(&live, 3000);
	ck_assert_int_eq(recording_end(live.writer, RECORDING_STOPPED), 0);
	ck_assert_uint_gt(live.events, _i ? 100 : 10);
	replay(rules, &replayed, &result);
	ck_assert_msg(!result.live_differs, "%s", result.differs_what);
	ck_assert_uint_eq(result.live_events, live.events);
	ck_assert_uint_eq(result.live_compared, live.events);
	ck_assert_int_eq(result.end, RECORDING_STOPPED);
	ck_assert(!result.others && !result.begins_late);
	live_stop(&live);
}
END_TEST

START_TEST(where_rule_files_lie_makes_no_difference)
{
	struct live live;
	struct replayed replayed;
	struct replay_result result;
	struct rule_set *elsewhere = load(rules_text, "/somewhere/else.yml");
	live_start(&live, 4, 1000000);
	live_run(&live, 500);
	ck_assert_int_eq(recording_end(live.writer, RECORDING_STOPPED), 0);
	replay(elsewhere, &replayed, &result);
	ck_assert(!result.live_differs && !result.others);
	ck_assert_uint_eq(result.live_compared, live.events);
	rule_set_unref(elsewhere);
	live_stop(&live);
}
END_TEST

START_TEST(other_rules_are_told_and_not_compared)
{
	struct live live;
	struct replayed replayed;
	struct replay_result result;
	struct rule_set *other = load("groups: [{name: g, interval: 1s, warmup: off, rules: "
				      "[{alert: Any, expr: 'm > 1'}]}]",
				      "live.yml");
	live_start(&live, 5, 1000000);
	live_run(&live, 500);
	ck_assert_int_eq(recording_end(live.writer, RECORDING_STOPPED), 0);
	replay(other, &replayed, &result);
	ck_assert(result.others && !result.live_differs);
	ck_assert_int_eq(result.others_ms, TIME_NONE);
	ck_assert_uint_eq(result.live_compared, 0);
	ck_assert_uint_gt(replayed.events, 10);
	rule_set_unref(other);
	live_stop(&live);
}
END_TEST

START_TEST(so_many_rules_that_fail_are_told)
{
	struct live live;
	struct replayed replayed;
	struct replay_result result;
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, "groups: [{name: g, interval: 1s, warmup: off, rules: [");
	for (int i = 0; i <= REPLAY_FAILED_MAX; i++)
		buf_printf(&text, "{alert: A%d, expr: 'm * on () m'}, ", i);
	buf_add_str(&text, "]}]");
	struct rule_set *failing = load(text.ptr, "live.yml");
	live_start(&live, 5, 1000000);
	live_run(&live, 500);
	ck_assert_int_eq(recording_end(live.writer, RECORDING_STOPPED), 0);
	replay(failing, &replayed, &result);
	ck_assert_uint_gt(result.failures, REPLAY_FAILED_MAX);
	ck_assert_uint_eq(result.nfailed, REPLAY_FAILED_MAX);
	ck_assert_str_eq(result.failed[REPLAY_FAILED_MAX - 1].rule, "A9");
	rule_set_unref(failing);
	live_stop(&live);
	buf_fini(&text);
}
END_TEST

START_TEST(event_that_is_not_the_live_one_is_told)
{
	struct live live;
	struct replayed replayed;
	struct replay_result result;
	live_start(&live, 6, 1000000);
	live_run(&live, 300);
	/* As if the live engine had said something more. */
	const struct label pairs[] = { { SLICE("alertname"), SLICE("Ghost") } };
	struct alert_event *ghost = alert_event_new();
	ck_assert_int_eq(labels_new(pairs, 1, &ghost->labels, NULL), 0);
	ghost->expr_labels = labels_ref(ghost->labels);
	ghost->file = strdup("f");
	ghost->group = strdup("g");
	ghost->rule = strdup("Ghost");
	ghost->state = ALERT_PENDING;
	ghost->at_ms = ghost->active_at_ms = live.now_ms;
	input_event_add(&live.inputs, ghost);
	input_steps_add(&live.inputs, 1);
	write_inputs(&live, NULL);
	ck_assert_int_eq(recording_end(live.writer, RECORDING_STOPPED), 0);
	replay(rules, &replayed, &result);
	ck_assert(result.live_differs);
	ck_assert_str_eq(result.differs_what, "pending {alertname=\"Ghost\"}: told live only");
	ck_assert_int_eq(result.differs_ms, live.now_ms);
	alert_event_free(ghost);
	live_stop(&live);
}
END_TEST

/* ---- damage ---- */

static struct buf whole;
static char first_path[512];

static void take_whole(const char *path)
{
	FILE *file = fopen(path, "rb");
	buf_init(&whole);
	strcpy(first_path, path);
	for (size_t n = 1; n > 0; whole.len += n)
		n = fread(buf_reserve(&whole, 65536), 1, 65536, file);
	fclose(file);
}

static void put_bytes(const char *bytes, size_t n)
{
	FILE *file = fopen(first_path, "wb");
	ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
	fclose(file);
}

/* Inputs until the end, which is told as what it is. */
static unsigned read_all(enum recording_end *end)
{
	struct recording_reader *reader;
	struct input input;
	char *why = NULL;
	unsigned n = 0;
	int code = recording_reader_new(dir, &reader, &why);
	*end = RECORDING_TORN;
	ck_assert_int_eq(code, 0);
	while ((code = recording_next(reader, &input)) == 1) {
		n++;
		*end = input.kind == INPUT_END ? input.end : RECORDING_TORN;
		if (input.kind == INPUT_BATCH)
			batch_free(input.batch);
	}
	ck_assert(code == 0 || code == ERR_UNSUPPORTED);
	recording_reader_free(reader);
	return n;
}

static void record_parts(unsigned parts)
{
	struct live live;
	live_start(&live, 7, 1000000);
	for (unsigned i = 0; i < parts; i++) {
		live_run(&live, 40);
		ck_assert_int_eq(recording_flush(live.writer), 0);
	}
	ck_assert_int_eq(recording_end(live.writer, RECORDING_STOPPED), 0);
	live_stop(&live);
	each_file(take_whole);
}

START_TEST(torn_file_is_read_up_to_the_tear)
{
	enum recording_end end;
	record_parts(4);
	unsigned all = read_all(&end), before = 0;
	ck_assert_int_eq(end, RECORDING_STOPPED);
	for (size_t n = 0; n < whole.len; n += 1 + n / 16) {
		put_bytes(whole.ptr, n);
		unsigned read = read_all(&end);
		ck_assert_int_eq(end, RECORDING_TORN);
		ck_assert_uint_le(read, all + 1);
		ck_assert_uint_ge(read, before);
		before = read;
	}
	ck_assert_uint_gt(before, all / 2);
	buf_fini(&whole);
}
END_TEST

START_TEST(flipped_bit_ends_the_file)
{
	enum recording_end end;
	record_parts(3);
	unsigned all = read_all(&end);
	for (size_t at = 0; at < whole.len; at += 1 + whole.len / 100) {
		whole.ptr[at] ^= 4;
		put_bytes(whole.ptr, whole.len);
		ck_assert_uint_le(read_all(&end), all);
		ck_assert_int_eq(end, RECORDING_TORN);
		whole.ptr[at] ^= 4;
	}
	buf_fini(&whole);
}
END_TEST

START_TEST(sessions_follow_each_other)
{
	struct live live;
	struct replayed replayed;
	struct replay_result result;
	unsigned events = 0;
	for (uint32_t i = 0; i < 3; i++) {
		live_start(&live, 20 + i, 1000000 + 600000 * (int64_t)i);
		live_run(&live, 400);
		/* The second is killed. */
		if (i != 1)
			ck_assert_int_eq(recording_end(live.writer, RECORDING_STOPPED), 0);
		else
			ck_assert_int_eq(recording_flush(live.writer), 0);
		events += live.events;
		live_stop(&live);
	}
	replay(rules, &replayed, &result);
	ck_assert_msg(!result.live_differs, "%s", result.differs_what);
	ck_assert_uint_eq(result.sessions, 3);
	ck_assert_uint_eq(replayed.sessions, 2);
	ck_assert_uint_eq(result.live_compared, events);
}
END_TEST

/* ---- bounds ---- */

static int64_t all_bytes;
static unsigned all_files;

static void count_file(const char *path)
{
	struct stat status;
	ck_assert_int_eq(stat(path, &status), 0);
	all_bytes += status.st_size;
	all_files++;
}

/* Noise, which does not shrink. */
static void write_noise(struct recording_writer *writer, int64_t bytes)
{
	uint64_t x = 88172645463325252ull;
	struct buf payload, inputs;
	buf_init(&payload);
	buf_init(&inputs);
	for (int64_t n = 0; n < bytes; n += (int64_t)payload.len) {
		buf_clear(&payload);
		for (int i = 0; i < 65536; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			buf_add_u64(&payload, x);
		}
		buf_clear(&inputs);
		input_restore_add(&inputs, RECORD_TILE, buf_slice(&payload));
		ck_assert_int_eq(recording_write(writer, buf_slice(&inputs), NULL), 0);
	}
	buf_fini(&payload);
	buf_fini(&inputs);
}

START_TEST(oldest_files_go_beyond_the_bound)
{
	struct live live;
	struct replayed replayed;
	struct replay_result result;
	struct recording_writer_stats stats;
	live_start(&live, 9, 1000000);
	live_run(&live, 200);
	write_noise(live.writer, RECORDING_BYTES_MIN + RECORDING_BYTES_MIN / 8);
	live_run(&live, 600);
	ck_assert_int_eq(recording_end(live.writer, RECORDING_STOPPED), 0);
	recording_writer_stats(live.writer, &stats);
	ck_assert_uint_ge(stats.files_removed, 2);
	all_bytes = all_files = 0;
	each_file(count_file);
	ck_assert_int_le(all_bytes, RECORDING_BYTES_MIN + RECORDING_BYTES_MIN / RECORDING_FILES);
	ck_assert_uint_gt(all_files, 2);
	/* What is left begins in the middle: series are named again, and nothing is compared. */
	replay(rules, &replayed, &result);
	ck_assert(result.begins_late && !result.live_differs);
	ck_assert_uint_eq(result.live_compared, 0);
	ck_assert_uint_gt(result.samples, 0);
	ck_assert_uint_gt(replayed.events, 0);
	live_stop(&live);
}
END_TEST

/* Whatever room there is for all: a file is 256 MiB, and what was written when that was reached. */
START_TEST(files_are_of_a_bounded_size)
{
	const int64_t file_bytes = 256ll * 1024 * 1024, part_bytes = 1024 * 1024;
	struct recording_writer *writer;
	char *why = NULL;
	ck_assert_int_eq(recording_writer_new(dir, INT64_C(1) << 40, 1000, &writer, &why), 0);
	write_noise(writer, file_bytes - 2 * part_bytes);
	ck_assert_int_eq(recording_flush(writer), 0);
	all_bytes = all_files = 0;
	each_file(count_file);
	ck_assert_int_eq(all_files, 1);
	write_noise(writer, 4 * part_bytes);
	ck_assert_int_eq(recording_end(writer, RECORDING_STOPPED), 0);
	recording_writer_free(writer);
	all_bytes = all_files = 0;
	each_file(count_file);
	ck_assert_int_eq(all_files, 2);
	ck_assert_int_gt(all_bytes, file_bytes + part_bytes);
}
END_TEST

START_TEST(input_that_is_too_large_ends_the_recording)
{
	struct live live;
	enum recording_end end;
	struct buf payload;
	live_start(&live, 10, 1000000);
	live_run(&live, 50);
	buf_init(&payload);
	memset(buf_reserve(&payload, RECORDING_PART_MAX), 0, RECORDING_PART_MAX);
	payload.len = RECORDING_PART_MAX;
	input_restore_add(&live.inputs, RECORD_TILE, buf_slice(&payload));
	ck_assert_int_eq(recording_write(live.writer, buf_slice(&live.inputs), NULL), ERR_LIMIT);
	ck_assert_int_eq(recording_write(live.writer, SLICE(""), NULL), ERR_LIMIT);
	ck_assert_int_eq(recording_end(live.writer, RECORDING_FAILED), 0);
	read_all(&end);
	ck_assert_int_eq(end, RECORDING_FAILED);
	buf_fini(&payload);
	live_stop(&live);
}
END_TEST

/* ---- what goes in comes out ---- */

static struct batch *full_batch(void)
{
	static const struct hash_key key = { { 1 } };
	struct batch *batch = batch_new();
	const struct label pairs[] = { { SLICE("__name__"), SLICE("m") },
				       { SLICE("a"), SLICE("1") } };
	struct labels *labels;
	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	strcpy(batch->sender.name, "10.0.0.1 vmagent");
	batch->sender.hash = 99;
	batch->protocol = BATCH_REMOTE_WRITE_2;
	batch->outcome.invalid = 3;
	ck_assert_int_eq(batch_delta_add(batch, &key, labels, 5000, 2.5), 0);
	ck_assert_int_eq(batch_derived_add(batch, &key, labels, WINDOW_SUM, 6000, 77), 0);
	ck_assert_int_eq(batch_reserve(batch, 1), 0);
	batch->rows[batch->nrows] = batch->rows[0];
	batch->rows[batch->nrows].ts_ms = INT64_MIN / 3;
	batch->rows[batch->nrows++].bits = STALE_NAN_BITS;
	ck_assert_int_eq(batch_start_add(batch, 1, -4000), 0);
	batch_example_add(batch, 1, 5999, SLICE("a line"));
	batch_example_add(batch, 1, 6001, SLICE("another"));
	ck_assert_int_eq(batch_position_add(batch, SLICE("file"), SLICE("12")), 0);
	labels_unref(labels);
	return batch;
}

static void expect_equal(const struct batch *was, const struct batch *is)
{
	ck_assert_str_eq(is->sender.name, was->sender.name);
	ck_assert_uint_eq(is->sender.hash, was->sender.hash);
	ck_assert_int_eq(is->protocol, was->protocol);
	ck_assert_int_eq(is->own, was->own);
	ck_assert_uint_eq(is->outcome.invalid, was->outcome.invalid);
	ck_assert_uint_eq(is->nrows, was->nrows);
	for (uint32_t i = 0; i < was->nrows; i++) {
		ck_assert(hash128_is_equal(is->rows[i].key, was->rows[i].key));
		ck_assert_int_eq(is->rows[i].ts_ms, was->rows[i].ts_ms);
		ck_assert(is->rows[i].bits == was->rows[i].bits);
	}
	ck_assert_uint_eq(is->nbirths, was->nbirths);
	for (uint32_t i = 0; i < was->nbirths; i++) {
		ck_assert_uint_eq(is->births[i].row, was->births[i].row);
		ck_assert_int_eq(is->births[i].kind, was->births[i].kind);
		ck_assert_int_eq(is->births[i].is_delta, was->births[i].is_delta);
		ck_assert(labels_is_equal(is->births[i].labels, was->births[i].labels));
	}
	ck_assert_uint_eq(is->nstarts, was->nstarts);
	ck_assert_mem_eq(is->starts, was->starts, was->nstarts * sizeof(*was->starts));
	ck_assert_uint_eq(is->nexamples, was->nexamples);
	for (uint32_t i = 0; i < was->nexamples; i++) {
		ck_assert_int_eq(is->examples[i].ts_ms, was->examples[i].ts_ms);
		ck_assert(slice_is_equal(batch_example_line(is, &is->examples[i]),
					 batch_example_line(was, &was->examples[i])));
	}
	ck_assert_uint_eq(is->npositions, was->npositions);
	ck_assert(slice_is_equal(buf_slice(&is->positions), buf_slice(&was->positions)));
}

START_TEST(batch_comes_out_as_it_went_in)
{
	struct batch *batch = full_batch(), *copy = batch_copy(batch), *read;
	struct recording_writer *writer;
	struct recording_reader *reader;
	struct input input;
	struct labels *labels;
	char *why = NULL;
	ck_assert_int_eq(recording_writer_new(dir, 0, 1, &writer, &why), 0);
	ck_assert_int_eq(recording_write(writer, SLICE(""), batch), 0);
	ck_assert_int_eq(recording_write(writer, SLICE(""), copy), 0);
	ck_assert_int_eq(recording_flush(writer), 0);
	recording_writer_free(writer);
	ck_assert_int_eq(recording_reader_new(dir, &reader, &why), 0);
	ck_assert_int_eq(recording_next(reader, &input), 1);
	ck_assert_int_eq(input.kind, INPUT_BATCH);
	expect_equal(batch, input.batch);
	read = input.batch;
	ck_assert_int_eq(recording_next(reader, &input), 1);
	expect_equal(batch, input.batch);
	batch_free(input.batch);
	recording_reader_free(reader);
	/* The names outlive the reader. */
	ck_assert_int_eq(batch_labels(read, 2, &labels), 0);
	ck_assert(labels_is_equal(labels, batch->births[0].labels));
	labels_unref(labels);
	batch_free(read);
	batch_free(copy);
	batch_free(batch);
}
END_TEST

START_TEST(directory_has_one_writer)
{
	struct recording_writer *first, *second;
	char *why = NULL;
	ck_assert_int_eq(recording_writer_new(dir, 0, 1, &first, &why), 0);
	ck_assert_int_eq(recording_writer_new(dir, 0, 1, &second, &why), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(why, "another daemon records into"));
	free(why);
	recording_writer_free(first);
	ck_assert_int_eq(recording_writer_new(dir, 0, 1, &second, &why), 0);
	recording_writer_free(second);
}
END_TEST

START_TEST(series_that_ended_are_forgotten)
{
	struct written_names names;
	struct buf out;
	written_names_init(&names);
	names.kept_max = 10;
	buf_init(&out);
	for (uint32_t file = 0; file < 5; file++) {
		struct batch *batch = batch_new();
		for (uint32_t i = 0; i < 8; i++) {
			/* Four go on, four are new in each file. */
			char name[16];
			snprintf(name, sizeof(name), "m%u", i < 4 ? i : 8 * file + i);
			const struct label pair = { SLICE("__name__"), slice_from(name) };
			const struct hash_key key = { { 1 } };
			struct labels *labels;
			ck_assert_int_eq(labels_new(&pair, 1, &labels, NULL), 0);
			ck_assert_int_eq(batch_sample_add(batch, &key, labels, 1000, 1), 0);
			labels_unref(labels);
		}
		buf_clear(&out);
		ck_assert_int_eq(input_batch_add(&out, &names, batch), 0);
		ck_assert_uint_eq(names.next_id, 8);
		ck_assert_int_eq(recording_part_check(buf_slice(&out)), 0);
		ck_assert_uint_le(names.keys.n, 16);
		key_numbers_check(&names.keys);
		written_names_next_file(&names);
		batch_free(batch);
	}
	ck_assert_uint_eq(names.keys.n, 12);
	written_names_fini(&names);
	buf_fini(&out);
}
END_TEST

/* As if so many were named already, with room for one more. */
START_TEST(names_of_too_many_series_are_refused)
{
	struct written_names written;
	struct read_names *read = read_names_new();
	struct buf out;
	uint32_t index;
	const uint32_t few = 5, many = RECORDING_SERIES_MAX;
	const struct hash128 key = { 1, 2 };
	written_names_init(&written);
	written.keys.n = many;
	written.cap = many + 1;
	ck_assert_int_eq(written_series_get(&written, key, &index), ERR_LIMIT);
	written.keys.n = written.cap = 0;
	ck_assert_int_eq(written_series_get(&written, key, &index), 0);
	buf_init(&out);
	for (int i = 0; i < 2; i++) {
		buf_clear(&out);
		written.next_id = read->n = i ? many : few;
		read->cap = read->n + 1;
		read->items = calloc(few + 1, sizeof(*read->items));
		input_series_add(&out, &written, 0);
		struct reader reader;
		reader_init(&reader, (struct slice){ out.ptr + 1, out.len - 1 }); /* behind its kind */
		ck_assert_int_eq(input_series_read(&reader, read), i ? ERR_CORRUPT : 0);
		free(read->items);
	}
	*read = (struct read_names){ .refs = 1 };
	read_names_unref(read);
	written_names_fini(&written);
	buf_fini(&out);
}
END_TEST

START_TEST(directory_without_a_recording_is_none)
{
	struct recording_reader *reader;
	char *why = NULL;
	ck_assert(!recording_is_in(dir));
	ck_assert(!recording_is_in("/nonexistent"));
	ck_assert_int_eq(recording_reader_new(dir, &reader, &why), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(why, "there is no recording"));
	free(why);
	ck_assert_int_eq(recording_writer_new("/proc/no", 0, 1, NULL, &why), ERR_IO);
	ck_assert_ptr_nonnull(strstr(why, "cannot make /proc/no"));
	free(why);
}
END_TEST

static Suite *recording_suite(void)
{
	Suite *suite = suite_create("recording");
	TCase *tcase = tcase_create("recording");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, replay_says_what_was_said_live, 0, 4);
	tcase_add_test(tcase, where_rule_files_lie_makes_no_difference);
	tcase_add_test(tcase, other_rules_are_told_and_not_compared);
	tcase_add_test(tcase, so_many_rules_that_fail_are_told);
	tcase_add_test(tcase, event_that_is_not_the_live_one_is_told);
	tcase_add_test(tcase, torn_file_is_read_up_to_the_tear);
	tcase_add_test(tcase, flipped_bit_ends_the_file);
	tcase_add_test(tcase, sessions_follow_each_other);
	tcase_add_test(tcase, oldest_files_go_beyond_the_bound);
	tcase_add_test(tcase, input_that_is_too_large_ends_the_recording);
	tcase_add_test(tcase, batch_comes_out_as_it_went_in);
	tcase_add_test(tcase, directory_has_one_writer);
	tcase_add_test(tcase, series_that_ended_are_forgotten);
	tcase_add_test(tcase, names_of_too_many_series_are_refused);
	tcase_add_test(tcase, directory_without_a_recording_is_none);
	if (long_limits_are_wanted())
		tcase_add_test(tcase, files_are_of_a_bounded_size);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(recording_suite)
