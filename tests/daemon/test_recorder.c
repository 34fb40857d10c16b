/* The recorder where it cannot do what it should: it ends, says so, and nobody waits for it. */
#include "daemon/recorder.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "tests/check_main.h"

static char dir[64];

static void setup(void)
{
	log_level_set(LOG_LEVEL_ERROR + 1);
	strcpy(dir, "/tmp/test_recorder_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	DIR *stream = opendir(dir);
	for (struct dirent *entry; stream && (entry = readdir(stream));) {
		char path[512];
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		unlink(path);
	}
	closedir(stream);
	rmdir(dir);
}

static struct recorder *start(size_t queue_bytes_max)
{
	const struct recorder_options options = { .dir = dir,
						  .queue_bytes_max = queue_bytes_max,
						  .step_units = 1000 };
	struct recorder *recorder;
	char *why = NULL;
	ck_assert_int_eq(recorder_new(&options, &recorder, &why), 0);
	return recorder;
}

/* A thousand samples of noise. */
static void tell(struct recorder *recorder, int64_t now_ms)
{
	static const struct hash_key key = { { 5 } };
	static uint64_t x = 88172645463325252ull;
	const struct label pair = { SLICE("__name__"), SLICE("m") };
	struct batch *batch = batch_new();
	struct labels *labels;
	/* Each assertion is a message in a file of Check's, which may not grow either. */
	int code = labels_new(&pair, 1, &labels, NULL);
	for (int i = 0; i < 1000 && !code; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		code = batch_sample_add(batch, &key, labels, now_ms + i, x);
	}
	if (code)
		abort();
	recorder_time(recorder, now_ms);
	recorder_batch(recorder, batch);
	recorder_step(recorder);
	batch_free(batch);
	labels_unref(labels);
}

/* How it ends, and how many batches are in it. */
static enum recording_end end_of(unsigned *batches)
{
	struct recording_reader *reader;
	struct input input;
	enum recording_end end = RECORDING_TORN;
	char *why = NULL;
	*batches = 0;
	ck_assert_int_eq(recording_reader_new(dir, &reader, &why), 0);
	while (recording_next(reader, &input) == 1) {
		if (input.kind == INPUT_BATCH) {
			(*batches)++;
			batch_free(input.batch);
		}
		if (input.kind == INPUT_END)
			end = input.end;
	}
	recording_reader_free(reader);
	return end;
}

START_TEST(all_that_was_told_is_there)
{
	struct recorder *recorder = start(0);
	struct recorder_stats stats;
	unsigned batches;
	for (int i = 0; i < 50; i++)
		tell(recorder, 1000 * i);
	recorder_stats(recorder, &stats);
	ck_assert(stats.recording);
	recorder_stop(recorder);
	recorder_stats(recorder, &stats);
	ck_assert(!stats.recording);
	ck_assert_uint_eq(stats.samples, 50000);
	ck_assert_uint_gt(stats.bytes, 0);
	recorder_free(recorder);
	ck_assert_int_eq(end_of(&batches), RECORDING_STOPPED);
	ck_assert_uint_eq(batches, 50);
}
END_TEST

START_TEST(recorder_that_is_behind_ends_the_recording)
{
	/* The second batch is more than may ever wait. */
	struct recorder *recorder = start(4096);
	struct recorder_stats stats;
	unsigned batches;
	recorder_mark(recorder, INPUT_RESTORED);
	recorder_push(recorder);
	for (int i = 0; i < 3; i++)
		tell(recorder, 1000 * i);
	recorder_push(recorder);
	recorder_stop(recorder);
	recorder_stats(recorder, &stats);
	ck_assert_uint_eq(stats.lost, 3);
	recorder_free(recorder);
	ck_assert_int_eq(end_of(&batches), RECORDING_BEHIND);
	ck_assert_uint_eq(batches, 0);
}
END_TEST

START_TEST(disk_that_is_full_ends_the_recording)
{
	const struct rlimit limit = { 1 << 20, 1 << 20 };
	struct recorder *recorder;
	struct recorder_stats stats;
	unsigned batches, left = 2000;
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	recorder = start(0);
	do {
		tell(recorder, 1000 * left);
		usleep(1000);
		recorder_stats(recorder, &stats);
	} while (stats.recording && --left);
	ck_assert_uint_gt(left, 0);
	/* Nobody is held up by it. */
	for (int i = 0; i < 100; i++)
		tell(recorder, 3000000 + i);
	recorder_stop(recorder);
	recorder_stats(recorder, &stats);
	ck_assert_uint_ge(stats.lost, 100);
	recorder_free(recorder);
	ck_assert_int_eq(end_of(&batches), RECORDING_TORN);
	ck_assert_uint_gt(batches, 0);
}
END_TEST

START_TEST(without_a_recorder_nothing_is_done)
{
	struct recorder_stats stats;
	tell(NULL, 1);
	recorder_mark(NULL, INPUT_RESTORED);
	recorder_restore(NULL, RECORD_TICK, SLICE("x"));
	recorder_push(NULL);
	recorder_stop(NULL);
	recorder_free(NULL);
	recorder_stats(NULL, &stats);
	ck_assert(!stats.recording);
}
END_TEST

static Suite *recorder_suite(void)
{
	Suite *suite = suite_create("recorder");
	TCase *tcase = tcase_create("recorder");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, all_that_was_told_is_there);
	tcase_add_test(tcase, recorder_that_is_behind_ends_the_recording);
	tcase_add_test(tcase, disk_that_is_full_ends_the_recording);
	tcase_add_test(tcase, without_a_recorder_nothing_is_done);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(recorder_suite)
