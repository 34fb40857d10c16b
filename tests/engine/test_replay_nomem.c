/* Recordings and replays when memory runs out: they say so, leave nothing behind, and do not crash.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/replay.h"
#include "engine/replay_report.h"
#include "tests/check_main.h"
#include "tests/nomem.h"

static char dir[64], file[96];
static struct rule_set *rules;
static struct batch *batch;

static void setup(void)
{
	static const struct hash_key key = { { 1 } };
	static const char text[] =
		"groups: [{name: g, interval: 1s, warmup: off, rules: [{alert: A, expr: m > 1}, "
		"{alert: L, expr: 'sum(count_over_time(logs{job=\"a\"}[5s])) > 0'}]}]";
	const struct rule_set_options options = { .interval_ms = 1000, .rules_max = 100 };
	const struct label pairs[] = { { SLICE("__name__"), SLICE("m") },
				       { SLICE("a"), SLICE("b") } };
	struct diag_list diags;
	struct labels *labels;
	double value = 2;
	uint64_t bits;
	strcpy(dir, "/tmp/test_replay_nomem_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/00000001" RECORDING_SUFFIX, dir);
	diag_list_init(&diags);
	ck_assert_int_eq(rule_set_load_text(slice_from(text), "f", &options, &diags, &rules), 0);
	diag_list_fini(&diags);
	batch = batch_new();
	memcpy(&bits, &value, sizeof(bits));
	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(batch_sample_add(batch, &key, labels, 100000 + 1000 * i, bits), 0);
	labels_unref(labels);
}

static void teardown(void)
{
	batch_free(batch);
	rule_set_unref(rules);
	unlink(file);
	rmdir(dir);
}

static int record(void)
{
	const struct recording_settings settings = { .interval_ms = 1000,
						     .lookback_ms = 5000,
						     .sender_timeout_ms = 5000,
						     .step_units = 1000,
						     .rules_hash = 1 };
	struct recording_writer *writer = NULL;
	struct buf inputs;
	char *why = NULL;
	buf_init(&inputs);
	unlink(file);
	int code = recording_writer_new(dir, 0, 1, &writer, &why);
	free(why);
	input_rules_add(&inputs, &settings);
	for (int i = 0; i < 3; i++) {
		input_time_add(&inputs, 100000 + 1000 * i);
		input_steps_add(&inputs, 100);
	}
	if (!code)
		code = buf_ok(&inputs) ? recording_write(writer, buf_slice(&inputs), batch)
				       : ERR_NOMEM;
	if (!code)
		code = recording_end(writer, RECORDING_STOPPED);
	recording_writer_free(writer);
	buf_fini(&inputs);
	nomem_disarm();
	return code;
}

START_TEST(recording_without_memory)
{
	ck_assert_uint_gt(nomem_sweep(record), 5);
}
END_TEST

static void on_event(void *ctx, const struct alert_event *event)
{
	replay_report_event(ctx, event);
}

static void on_session(void *ctx, int64_t t_ms)
{
	replay_report_session(ctx, t_ms);
}

static int replay(int (*run)(const struct replay_options *options, const struct replay_sink *sink,
			     struct replay_result *result, char **why))
{
	const struct replay_options options = { .rules = rules,
						.lookback_ms = 5000,
						.to_ms = TIME_NONE };
	struct replay_report report;
	const struct replay_sink sink = { .ctx = &report,
					  .event = on_event,
					  .session = on_session };
	struct replay_result result;
	char *why = NULL;
	int code = replay_report_init(&report, rules, TIME_NONE, REPLAY_FLAP_MS);
	if (code) {
		nomem_disarm();
		return code;
	}
	code = run(&options, &sink, &result, &why);
	if (!code)
		code = replay_report_end(&report, result.from_ms, result.to_ms);
	replay_report_fini(&report);
	free(why);
	nomem_disarm();
	return code;
}

static int run_recording(const struct replay_options *options, const struct replay_sink *sink,
			 struct replay_result *result, char **why)
{
	return replay_recording(dir, options, sink, result, why);
}

static int replay_of_recording(void)
{
	return replay(run_recording);
}

START_TEST(replay_of_a_recording_without_memory)
{
	ck_assert_int_eq(record(), 0);
	ck_assert_uint_gt(nomem_sweep(replay_of_recording), 5);
}
END_TEST

static int run_data(const struct replay_options *options, const struct replay_sink *sink,
		    struct replay_result *result, char **why)
{
	const struct label pair = { SLICE("job"), SLICE("a") };
	const char *paths[] = { dir };
	struct labels *labels;
	int code = labels_new(&pair, 1, &labels, NULL);
	if (code)
		return code;
	const struct replay_data_options data = { .paths = paths,
						  .npaths = 1,
						  .log_labels = labels };
	code = replay_data(&data, options, sink, result, why);
	labels_unref(labels);
	return code;
}

static int replay_of_data(void)
{
	return replay(run_data);
}

static void put(const char *text)
{
	FILE *out = fopen(file, "w");
	fputs(text, out);
	fclose(out);
}

START_TEST(replay_of_data_without_memory)
{
	put("m{a=\"b\"} 2 100000\nm{a=\"b\\\"c\"} 2 101000\nm{a=\"b\"} 1 102000\n");
	ck_assert_uint_gt(nomem_sweep(replay_of_data), 5);
	put("1970-01-01T00:01:40Z x\n1970-01-01T00:01:42Z y\n");
	ck_assert_uint_gt(nomem_sweep(replay_of_data), 5);
}
END_TEST

static Suite *nomem_suite(void)
{
	Suite *suite = suite_create("replay without memory");
	TCase *tcase = tcase_create("nomem");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, recording_without_memory);
	tcase_add_test(tcase, replay_of_a_recording_without_memory);
	tcase_add_test(tcase, replay_of_data_without_memory);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(nomem_suite)
