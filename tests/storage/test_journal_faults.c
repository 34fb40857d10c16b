/*
 * The journal on a disk that fails: each write and sync in turn is refused, cut short, or forgets
 * what it was given; files are damaged, or taken away. What was committed comes back, and what does
 * not is told.
 */
#include "storage/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/check_main.h"
#include "tests/nomem.h"

#define CALLS_MAX 1000
#define TRIES_MAX 3

/* ---- the disk ---- */

enum fault { FAULT_NONE, FAULT_REFUSED, FAULT_SHORT };
static enum fault fault;
static int calls_left; /* until it comes, once */
static off_t synced;   /* size of the segment after the last good sync */

ssize_t __real_write(int fd, const void *bytes, size_t n);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);

static bool is_now(void)
{
	return fault != FAULT_NONE && calls_left-- == 0;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
	if (!is_now())
		return __real_write(fd, bytes, n);
	if (fault == FAULT_SHORT)
		return __real_write(fd, bytes, n / 2);
	errno = ENOSPC;
	return -1;
}

/* A sync that fails loses what was written since the last one. */
int __wrap_fdatasync(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	if (st.st_size < synced)
		synced = 0; /* another segment */
	if (!is_now()) {
		synced = st.st_size;
		return __real_fdatasync(fd);
	}
	for (off_t at = synced; at < st.st_size; at++)
		ck_assert_int_eq(pwrite(fd, "", 1, at), 1);
	errno = EIO;
	return -1;
}

int __wrap_fsync(int fd)
{
	if (!is_now())
		return __real_fsync(fd);
	errno = EIO;
	return -1;
}

/* ---- */

static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/tocsin-faults-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static void anew(void)
{
	teardown();
	setup();
	synced = 0;
}

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put(const char *name, const char *text, const char *mode)
{
	FILE *file = fopen(path_of(name), mode);

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static struct journal *open_journal(void)
{
	struct journal *journal;
	char *why = NULL;

	ck_assert_msg(journal_open(dir, JOURNAL_SYNC_GROUP, &journal, &why) == 0, "%s", why);
	return journal;
}

static void commit(struct journal *journal)
{
	int code = ERR_IO;

	for (int i = 0; code && i < TRIES_MAX; i++) {
		code = journal_commit(journal);
		if (code) {
			ck_assert_int_eq(code, ERR_IO);
			ck_assert_ptr_nonnull(strstr(journal_error(journal), dir));
			ck_assert_uint_gt(journal_waiting(journal), 0);
		}
	}
	ck_assert_int_eq(code, 0);
	ck_assert_uint_eq(journal_waiting(journal), 0);
}

static void append(struct journal *journal, const char *text)
{
	ck_assert_int_eq(journal_append(journal, RECORD_ALERT, slice_from(text)), 0);
}

static void checkpoint(struct journal *journal)
{
	int code = ERR_IO;

	for (int i = 0; code && i < TRIES_MAX; i++)
		code = journal_checkpoint_begin(journal);
	ck_assert_int_eq(code, 0);
	append(journal, "state");
	code = ERR_IO;
	for (int i = 0; code && i < TRIES_MAX; i++)
		code = journal_checkpoint_end(journal);
	ck_assert_int_eq(code, 0);
}

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
	if (type == RECORD_ALERT)
		buf_printf(ctx, SLICE_FMT " ", SLICE_ARG(payload));
	else
		buf_printf(ctx, "#%d ", type);
}

static int replay(const char *texts, struct journal_replay_stats *stats, char **why)
{
	struct journal *journal = open_journal();
	struct buf out;

	buf_init(&out);
	int code = journal_replay(journal, on_record, &out, stats, why);

	ck_assert_str_eq(out.ptr ? out.ptr : "", texts);
	buf_fini(&out);
	journal_close(journal);
	return code;
}

/* A life with everything in it. */
static void live(void)
{
	struct journal *journal = open_journal();

	append(journal, "one");
	append(journal, "two");
	commit(journal);
	append(journal, "three");
	commit(journal);
	checkpoint(journal);
	append(journal, "four");
	commit(journal);
	journal_close(journal);
}

START_TEST(journal_survives_each_failing_call)
{
	int failed = 0;

	for (fault = FAULT_REFUSED; fault <= FAULT_SHORT; fault++) {
		for (int n = 0; n < CALLS_MAX; n++) {
			struct journal_replay_stats stats;

			anew();
			calls_left = INT32_MAX;
			journal_close(open_journal()); /* FORMAT is there */
			calls_left = n;
			live();
			bool came = calls_left < 0;

			calls_left = INT32_MAX;
			ck_assert_int_eq(replay("#12 state #14 four ", &stats, NULL), 0);
			ck_assert_uint_eq(stats.skipped + stats.torn_bytes + stats.missing, 0);
			failed += came;
			if (!came)
				break;
		}
	}
	ck_assert_int_ge(failed, 20);
}
END_TEST

START_TEST(journal_format_is_written_whole_or_not_at_all)
{
	struct journal *journal;

	fault = FAULT_REFUSED;
	for (int n = 0; n < 2; n++) {
		char *why = NULL;

		anew();
		calls_left = n; /* the write, the sync */
		ck_assert_int_eq(journal_open(dir, JOURNAL_SYNC_GROUP, &journal, &why), ERR_IO);
		ck_assert_ptr_nonnull(strstr(why, "FORMAT"));
		ck_assert_ptr_nonnull(strstr(why, n ? "Input/output" : "No space"));
		free(why);
		ck_assert_int_ne(access(path_of("FORMAT"), F_OK), 0);
		ck_assert_int_ne(access(path_of("FORMAT.new"), F_OK), 0);
		journal_close(open_journal());
	}
}
END_TEST

START_TEST(journal_keeps_no_half_record_when_memory_is_short)
{
	struct journal *journal = open_journal();
	struct journal_replay_stats stats;
	char large[5000];

	memset(large, 'x', sizeof(large));
	append(journal, "one");
	nomem_arm(0);
	int code = journal_append(journal, RECORD_ALERT, (struct slice){ large, sizeof(large) });

	nomem_disarm();
	ck_assert_int_eq(code, ERR_NOMEM);
	append(journal, "two");
	commit(journal);
	journal_close(journal);
	ck_assert_int_eq(replay("one two ", &stats, NULL), 0);
	ck_assert_uint_eq(stats.records, 2);
}
END_TEST

/* Three segments, of which the second has a checkpoint if it is so wanted. */
static void three_lives(bool with_checkpoint)
{
	struct journal *journal = open_journal();

	append(journal, "one");
	commit(journal);
	journal_close(journal);
	for (int i = 0; i < 2; i++) {
		journal = open_journal();
		append(journal, i ? "three" : "two");
		commit(journal);
		if (with_checkpoint && i == 0)
			checkpoint(journal);
		journal_close(journal);
	}
}

START_TEST(journal_tells_where_it_is_damaged)
{
	struct journal_replay_stats stats;

	three_lives(false);
	put("journal/00000001.log", "garbage that is longer than a header", "a");
	ck_assert_int_eq(replay("one two three ", &stats, NULL), 0);
	ck_assert_str_eq(stats.damaged, path_of("journal/00000001.log"));
	ck_assert_uint_eq(stats.damaged_at, BLOCK_HEADER_BYTES + 3);
	ck_assert_uint_eq(stats.skipped, 36);
	ck_assert_uint_eq(stats.missing, 0);
}
END_TEST

START_TEST(journal_tells_which_segments_are_missing)
{
	struct journal_replay_stats stats;

	three_lives(false);
	ck_assert_int_eq(unlink(path_of("journal/00000002.log")), 0);
	ck_assert_int_eq(replay("one three ", &stats, NULL), 0);
	ck_assert_uint_eq(stats.missing, 1);
	ck_assert_int_eq(unlink(path_of("journal/00000001.log")), 0);
	ck_assert_int_eq(replay("three ", &stats, NULL), 0);
	ck_assert_uint_eq(stats.missing, 1);
	/* After a checkpoint the first ones are gone by right. */
	anew();
	three_lives(true);
	ck_assert_int_eq(replay("#12 state #14 three ", &stats, NULL), 0);
	ck_assert_uint_eq(stats.missing, 0);
}
END_TEST

START_TEST(journal_refuses_what_it_cannot_read)
{
	struct journal_replay_stats stats;
	struct journal *journal;
	char *why = NULL;

	put("FORMAT", "", "w");
	ck_assert_int_eq(journal_open(dir, JOURNAL_SYNC_GROUP, &journal, &why), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(why, "is not what a journal's FORMAT says"));
	free(why);
	anew();
	three_lives(false);
	ck_assert_int_eq(unlink(path_of("journal/00000002.log")), 0);
	ck_assert_int_eq(mkdir(path_of("journal/00000002.log"), 0700), 0);
	ck_assert_int_eq(replay("", &stats, &why), ERR_IO);
	ck_assert_ptr_nonnull(strstr(why, "00000002.log"));
	free(why);
	anew();
	journal_close(open_journal());
	put("journal/00000001.log", "garbage that is longer than a header", "w");
	ck_assert_int_eq(replay("", &stats, &why), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(why, "to start anew, move it away"));
	free(why);
}
END_TEST

START_TEST(file_is_replaced_whole_or_not_at_all)
{
	char text[32] = "", *why = NULL;

	ck_assert_int_eq(file_replace(path_of("f"), SLICE("first"), NULL), 0);
	fault = FAULT_REFUSED;
	for (int n = 0; n < 2; n++) {
		calls_left = n; /* the write, the sync */
		ck_assert_int_eq(file_replace(path_of("f"), SLICE("second"), &why), ERR_IO);
		ck_assert_ptr_nonnull(strstr(why, "f.new"));
		free(why);
	}
	FILE *file = fopen(path_of("f"), "r");

	ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
	fclose(file);
	ck_assert_str_eq(text, "first");
	fault = FAULT_SHORT;
	calls_left = 0;
	ck_assert_int_eq(file_replace(path_of("f"), SLICE("second"), &why), 0);
	file = fopen(path_of("f"), "r");
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
	fclose(file);
	ck_assert_str_eq(text, "second");
	fault = FAULT_NONE;
	ck_assert_int_eq(mkdir(path_of("d"), 0700), 0);
	ck_assert_int_eq(file_replace(path_of("d"), SLICE("second"), &why), ERR_IO);
	ck_assert_ptr_nonnull(strstr(why, "cannot replace"));
	free(why);
	char *long_path = calloc(1, FILE_PATH_MAX);

	memset(long_path, 'x', FILE_PATH_MAX - 4);
	ck_assert_int_eq(file_replace(long_path, SLICE("x"), &why), ERR_LIMIT);
	free(long_path);
	free(why);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("journal faults");
	TCase *tc = tcase_create("faults");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, journal_survives_each_failing_call);
	tcase_add_test(tc, journal_format_is_written_whole_or_not_at_all);
	tcase_add_test(tc, journal_keeps_no_half_record_when_memory_is_short);
	tcase_add_test(tc, journal_tells_where_it_is_damaged);
	tcase_add_test(tc, journal_tells_which_segments_are_missing);
	tcase_add_test(tc, journal_refuses_what_it_cannot_read);
	tcase_add_test(tc, file_is_replaced_whole_or_not_at_all);
	suite_add_tcase(suite, tc);
	return suite;
}
TEST_MAIN(suite)
