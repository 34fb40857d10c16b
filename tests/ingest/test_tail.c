/* Files that are followed: real ones, in a folder of their own, on a real loop. */
#include "ingest/tail_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"

#define PATIENCE_MS 8000

static char folder[64], app[128], other[128];
static struct loop *loop;
static struct tail *tail;
static struct tail_positions positions;
static struct log_counters counters;
static struct labels *labels;
static struct buf seen; /* "line\n" of each line; a stream's filename before it, when it changes */
static char *globs[2];
static bool closed, polling;
static size_t full_after; /* lines the door takes before it says once that it is full; 0: all */
static const char *wanted;
static int64_t began_ms;

/* ---- the door ---- */

static int on_stream(void *ctx, struct labels *stream)
{
	struct slice job = labels_get(stream, SLICE("job"));

	ck_assert(slice_is(job, "test"));
	ck_assert(slice_has_prefix(labels_get(stream, SLICE("filename")), slice_from(folder)));
	return 0;
}

static int on_line(void *ctx, const struct log_entry *entry)
{
	if (full_after && --full_after == 0)
		return ERR_FULL;
	ck_assert_int_eq(entry->ts_ns, 42);
	buf_add_slice(&seen, entry->line);
	buf_add_char(&seen, '\n');
	return 0;
}

static bool is_open(void *ctx)
{
	return !closed;
}

static int on_position(void *ctx, struct slice key, struct slice payload)
{
	int code = tail_positions_set(&positions, key, payload);

	tail_positions_check(&positions);
	return code;
}

static void on_flush(void *ctx)
{
}

static int64_t now_ns(void)
{
	return 42;
}

static void run(const char *text);

/* And has its first look around. */
static void start(void)
{
	const struct tail_options options = {
		.loop = loop,
		.name = "test",
		.globs = globs,
		.nglobs = globs[1] ? 2 : 1,
		.labels = labels,
		.door = { .sink = { NULL, on_stream, on_line },
			  .is_open = is_open,
			  .position = on_position,
			  .flush = on_flush },
		.counters = &counters,
		.positions = &positions,
		.now_ns = now_ns,
		.polling = polling,
	};

	ck_assert_int_eq(tail_new(&options, &tail), 0);
	run(NULL);
}

static void stop(void)
{
	tail_free(tail);
	tail = NULL;
}

/* ---- time ---- */

static struct loop_timer *ticker;

static void on_tick(void *ctx)
{
	if (wanted && strcmp(seen.ptr ? seen.ptr : "", wanted) == 0)
		loop_stop(loop);
	else if (clock_monotonic_us() / 1000 - began_ms > (wanted ? PATIENCE_MS : 80))
		loop_stop(loop);
	loop_timer_set(ticker, 2);
}

static void run(const char *text)
{
	wanted = text;
	began_ms = clock_monotonic_us() / 1000;
	loop_timer_set(ticker, 0);
	loop_run(loop);
}

/* Runs until exactly these lines came since the last time. */
static void expect(const char *text)
{
	run(text);
	ck_assert_str_eq(seen.ptr ? seen.ptr : "", text);
	/* And no more than these. */
	wanted = NULL;
	buf_clear(&seen);
	if (seen.ptr)
		seen.ptr[0] = '\0';
}

/* For a moment: nothing comes. */
static void expect_nothing(void)
{
	run(NULL);
	ck_assert_uint_eq(seen.len, 0);
}

/* ---- files ---- */

static void append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void move(const char *from, const char *to)
{
	ck_assert_int_eq(rename(from, to), 0);
}

static void copy_truncate(const char *from, const char *to)
{
	char bytes[65536];
	int in = open(from, O_RDWR), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	ssize_t n = read(in, bytes, sizeof(bytes));

	ck_assert_int_eq(write(out, bytes, (size_t)n), n);
	ck_assert_int_eq(ftruncate(in, 0), 0);
	close(in);
	close(out);
}

static void setup(void)
{
	struct label job = { SLICE("job"), SLICE("test") };

	strcpy(folder, "/tmp/test_tail.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(app, sizeof(app), "%s/app.log", folder);
	snprintf(other, sizeof(other), "%s/other.log", folder);
	ck_assert_int_eq(labels_new(&job, 1, &labels, NULL), 0);
	ck_assert_int_gt(asprintf(&globs[0], "%s/*.log", folder), 0);
	globs[1] = NULL;
	tail_positions_init(&positions);
	counters = (struct log_counters){ 0 };
	buf_init(&seen);
	loop = loop_new();
	ticker = loop_timer_new(loop, on_tick, NULL);
	closed = polling = false;
	full_after = 0;
}

static void teardown(void)
{
	char command[100];

	stop();
	loop_timer_free(ticker);
	loop_free(loop);
	tail_positions_fini(&positions);
	labels_unref(labels);
	buf_fini(&seen);
	free(globs[0]);
	free(globs[1]);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(tail_begins_at_the_end_of_what_is_there_and_at_the_beginning_of_what_comes)
{
	append(app, "before\nhalf of ");
	start();
	expect_nothing();
	append(app, "a line\none\n\ntwo\r\n");
	expect("one\n\ntwo\n");
	append(other, "new\n");
	expect("new\n");
}
END_TEST

START_TEST(tail_waits_for_the_end_of_a_line)
{
	start();
	append(app, "ha");
	expect_nothing();
	append(app, "lf");
	expect_nothing();
	append(app, "\nnext");
	expect("half\n");
	append(app, "\n");
	expect("next\n");
}
END_TEST

START_TEST(tail_reads_a_renamed_file_to_its_end)
{
	char rotated[140];

	snprintf(rotated, sizeof(rotated), "%s.1", app);
	append(app, "");
	start();
	append(app, "1\n");
	expect("1\n");
	int writer = open(app, O_WRONLY | O_APPEND);

	move(app, rotated);
	ck_assert_int_eq(write(writer, "2\n", 2), 2);
	append(app, "3\n");
	expect("2\n3\n");
	/* The writer has not noticed yet. */
	ck_assert_int_eq(write(writer, "4\n", 2), 2);
	expect("4\n");
	close(writer);
	ck_assert_uint_eq(atomic_load(&counters.rotations), 1);
	append(app, "5\n");
	expect("5\n");
}
END_TEST

START_TEST(tail_begins_anew_when_a_file_is_truncated)
{
	char copy[140];

	snprintf(copy, sizeof(copy), "%s.1", app);
	append(app, "");
	start();
	append(app, "1\n2\n");
	expect("1\n2\n");
	copy_truncate(app, copy);
	expect_nothing();
	append(app, "3\n");
	expect("3\n");
	ck_assert_uint_eq(atomic_load(&counters.rotations), 1);
}
END_TEST

START_TEST(tail_finds_what_it_had_not_read_in_the_copy)
{
	char copy[140];

	snprintf(copy, sizeof(copy), "%s-20261127", app);
	append(app, "");
	start();
	append(app, "1\n");
	expect("1\n");
	closed = true;
	append(app, "2\n3\n");
	copy_truncate(app, copy);
	append(app, "4\n");
	expect_nothing();
	closed = false;
	tail_resume(tail);
	expect("2\n3\n4\n");
}
END_TEST

START_TEST(tail_sees_a_truncation_behind_which_the_file_has_grown)
{
	char copy[140];

	snprintf(copy, sizeof(copy), "%s.1", app);
	append(app, "");
	start();
	append(app, "one\n");
	expect("one\n");
	closed = true;
	copy_truncate(app, copy);
	append(app, "two\nthree\n");
	expect_nothing();
	closed = false;
	tail_resume(tail);
	expect("two\nthree\n");
}
END_TEST

START_TEST(tail_goes_on_after_a_restart)
{
	append(app, "old\n");
	start();
	append(app, "1\n2\nhal");
	expect("1\n2\n");
	stop();
	append(app, "f\n3\n");
	append(other, "new\n");
	start();
	expect("half\n3\nnew\n");
	stop();
	start();
	expect_nothing();
}
END_TEST

START_TEST(tail_finds_a_file_that_was_rotated_while_nobody_looked)
{
	char rotated[140];

	snprintf(rotated, sizeof(rotated), "%s.1", app);
	append(app, "");
	start();
	append(app, "1\n");
	expect("1\n");
	stop();
	append(app, "2\n");
	move(app, rotated);
	append(app, "3\n");
	start();
	expect("2\n3\n");
	stop();
	/* And once it was read, it is not read again. */
	start();
	expect_nothing();
}
END_TEST

START_TEST(tail_finds_the_copy_of_a_file_that_was_truncated_while_nobody_looked)
{
	char copy[140];

	snprintf(copy, sizeof(copy), "%s.1", app);
	append(app, "");
	start();
	append(app, "1\n");
	expect("1\n");
	stop();
	append(app, "2\n");
	copy_truncate(app, copy);
	append(app, "3\n");
	start();
	expect("2\n3\n");
	stop();
	start();
	expect_nothing();
}
END_TEST

START_TEST(tail_finds_files_that_came_and_went_while_nobody_looked)
{
	char first[140], second[140];

	snprintf(first, sizeof(first), "%s.1", app);
	snprintf(second, sizeof(second), "%s.2", app);
	append(first, "long ago\n");
	append(app, "");
	start();
	append(app, "1\n");
	expect("1\n");
	stop();
	append(app, "2\n");
	move(app, second);
	unlink(first);
	append(app, "3\n");
	move(app, first);
	append(app, "4\n");
	start();
	run("2\n3\n4\n");
	ck_assert_uint_eq(seen.len, 6);
	ck_assert(strstr(seen.ptr, "2\n") && strstr(seen.ptr, "3\n") && strstr(seen.ptr, "4\n"));
	buf_clear(&seen);
	stop();
	start();
	expect_nothing();
}
END_TEST

START_TEST(tail_finds_copies_that_came_and_went_while_nobody_looked)
{
	char first[140], second[140];

	snprintf(first, sizeof(first), "%s.1", app);
	snprintf(second, sizeof(second), "%s.2", app);
	append(app, "");
	start();
	append(app, "1\n");
	expect("1\n");
	/* A copy of less than was read: not to be read again. */
	append(second, "1\n");
	stop();
	append(app, "2\n");
	copy_truncate(app, second);
	usleep(20000);
	append(app, "3\n");
	copy_truncate(app, first);
	append(app, "4\n");
	start();
	run("2\n3\n4\n");
	ck_assert_uint_eq(seen.len, 6);
	ck_assert(strstr(seen.ptr, "2\n") && strstr(seen.ptr, "3\n") && strstr(seen.ptr, "4\n"));
	buf_clear(&seen);
	stop();
	start();
	expect_nothing();
}
END_TEST

START_TEST(tail_forgets_files_that_are_gone)
{
	append(app, "");
	append(other, "");
	start();
	append(app, "1\n");
	expect("1\n");
	stop();
	ck_assert_uint_eq(positions.n, 3); /* two files and the pattern */
	unlink(app);
	append(app, "2\n");
	start();
	expect("2\n");
	ck_assert_uint_eq(positions.n, 3);
}
END_TEST

START_TEST(tail_follows_so_many_files)
{
	char path[160];

	for (int i = 0; i <= TAIL_FILES_MAX; i++) {
		snprintf(path, sizeof(path), "%s/%04d.log", folder, i);
		append(path, "");
	}
	start();
	ck_assert_uint_eq(atomic_load(&counters.files), TAIL_FILES_MAX);
	/* The one that waited has its turn when another goes. */
	unlink(path);
	snprintf(path, sizeof(path), "%s/%04d.log", folder, 0);
	unlink(path);
	stop();
	start();
	ck_assert_uint_eq(atomic_load(&counters.files), TAIL_FILES_MAX - 1);
}
END_TEST

static void links_make(int from, int n)
{
	char path[160];

	for (int i = from; i < from + n; i++) {
		snprintf(path, sizeof(path), "%s/%03d.log", folder, i);
		ck_assert_int_eq(symlink(path, path), 0); /* to itself: it leads nowhere */
	}
}

static void links_remove(int from, int n)
{
	char path[160];

	for (int i = from; i < from + n; i++) {
		snprintf(path, sizeof(path), "%s/%03d.log", folder, i);
		ck_assert_int_eq(unlink(path), 0);
	}
}

START_TEST(tail_tells_the_errors_of_so_many_files)
{
	links_make(0, TAIL_TOLD_MAX);
	start();
	ck_assert_uint_eq(tail->ntold, TAIL_TOLD_MAX);
	ck_assert(!tail->hushed);
	stop();
	links_make(TAIL_TOLD_MAX, 1);
	start();
	ck_assert_uint_eq(tail->ntold, TAIL_TOLD_MAX);
	ck_assert(tail->hushed);
	/* What is gone leaves its place to others, that are told then. */
	links_remove(0, TAIL_TOLD_MAX);
	append(app, ""); /* the directory is looked through again */
	expect_nothing();
	ck_assert_uint_eq(tail->ntold, 1);
	ck_assert(!tail->hushed);
}
END_TEST

START_TEST(positions_are_remembered_of_so_many)
{
	char key[32];

	/* From behind, so that the others need not move: quick enough. */
	for (int i = 0; i <= TAIL_POSITIONS_MAX; i++) {
		snprintf(key, sizeof(key), "%08d", i);
		ck_assert_int_eq(tail_positions_set(&positions, slice_from(key), SLICE("1")),
				 i < TAIL_POSITIONS_MAX ? 0 : ERR_LIMIT);
	}
	/* Of those that are, also a new one; and room comes when one goes. */
	ck_assert_int_eq(tail_positions_set(&positions, SLICE("00000007"), SLICE("2")), 0);
	ck_assert_int_eq(tail_positions_set(&positions, SLICE("00000007"), SLICE("")), 0);
	ck_assert_int_eq(tail_positions_set(&positions, slice_from(key), SLICE("1")), 0);
	tail_positions_check(&positions);
}
END_TEST

START_TEST(tail_cuts_long_lines)
{
	char *text = malloc(3 * LOG_LINE_MAX);

	append(app, "");
	start();
	memset(text, 'x', 3 * LOG_LINE_MAX);
	memcpy(text + 3 * LOG_LINE_MAX - 6, "\nnext\n", 7 - 1);
	text[3 * LOG_LINE_MAX - 1] = '\0';
	append(app, text);
	append(app, "\n");
	began_ms = clock_monotonic_us() / 1000;
	while (seen.len < LOG_LINE_MAX + 6 && clock_monotonic_us() / 1000 - began_ms < PATIENCE_MS)
		run(NULL);
	ck_assert_uint_eq(seen.len, LOG_LINE_MAX + 1 + 5);
	ck_assert_str_eq(seen.ptr + LOG_LINE_MAX, "\nnext\n");
	ck_assert_uint_eq(atomic_load(&counters.cut), 1);
	free(text);
}
END_TEST

START_TEST(tail_gives_a_line_again_that_the_door_did_not_take)
{
	append(app, "");
	start();
	full_after = 3;
	append(app, "1\n2\n3\n4\n5\n");
	expect("1\n2\n3\n4\n5\n");
}
END_TEST

START_TEST(tail_gives_every_file_its_turn)
{
	static char text[4 * 1024 * 1024];
	char path[160];

	append(app, "");
	append(other, "");
	start();
	closed = true;
	memset(text, 'x', sizeof(text) - 1);
	for (size_t i = 99; i < sizeof(text) - 1; i += 100)
		text[i] = '\n';
	/* Many that have much, and one with a line. */
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "%s/%02d.log", folder, i);
		append(path, text);
	}
	append(other, "small\n");
	closed = false;
	tail_resume(tail);
	began_ms = clock_monotonic_us() / 1000;
	while (seen.len < 20u * 41943 * 100 + 6 &&
	       clock_monotonic_us() / 1000 - began_ms < 3 * PATIENCE_MS)
		run(NULL);
	ck_assert_uint_eq(seen.len, 20u * 41943 * 100 + 6);
	/* It did not wait for all of the others. */
	ck_assert_uint_lt(strstr(seen.ptr, "small\n") - seen.ptr, seen.len / 2);
}
END_TEST

START_TEST(tail_does_without_inotify)
{
	char rotated[140];

	snprintf(rotated, sizeof(rotated), "%s.1", app);
	polling = true;
	append(app, "old\n");
	start();
	expect_nothing();
	append(app, "1\n");
	expect("1\n");
	append(app, "2\n");
	move(app, rotated);
	append(app, "3\n");
	expect("2\n3\n");
}
END_TEST

START_TEST(tail_leaves_rotated_and_compressed_files_alone)
{
	static const struct {
		const char *path, *base;
	} names[] = {
		{ "/l/app.log.1", "/l/app.log" },
		{ "/l/app.log-20261127", "/l/app.log" },
		{ "/l/app.log.2026-11-27_10", "/l/app.log" },
		{ "/l/app.log-20261127-1795700000.2", "/l/app.log" },
		{ "/l/app2.1", "/l/app2" },
		{ "/l/app.log", NULL },
		{ "/l/app-1.log", NULL },
		{ "/l.1/app", NULL },
		{ "/l/1.2", "/l/1" },
		{ "/l/2026", NULL },
		{ "/l/app.", NULL },
	};
	char path[200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = tail_rotated_name(names[i].path);

		ck_assert_msg(names[i].base ? len == strlen(names[i].base) : len == 0, "%s: %zu",
			      names[i].path, len);
	}
	free(globs[0]);
	ck_assert_int_gt(asprintf(&globs[0], "%s/app*", folder), 0);
	append(app, "");
	start();
	expect_nothing();
	snprintf(path, sizeof(path), "%s.1", app);
	append(path, "no\n");
	snprintf(path, sizeof(path), "%s.gz", app);
	append(path, "no\n");
	snprintf(path, sizeof(path), "%s/app.err", folder);
	append(path, "yes\n");
	expect("yes\n");
	expect_nothing();
}
END_TEST

START_TEST(tail_takes_the_last_line_of_a_file_that_was_deleted)
{
	append(app, "");
	start();
	append(app, "1\nno end");
	expect("1\n");
	unlink(app);
	expect("no end\n"); /* after TAIL_UNLINKED_MS */
	ck_assert_uint_eq(positions.n, 1);
}
END_TEST

START_TEST(mark_is_read_back_or_refused)
{
	struct tail_mark mark = { .id = { 1, 2, -3 },
				  .offset = 5000,
				  .head_len = TAIL_HEAD_MAX,
				  .last_len = TAIL_LAST_MAX,
				  .head_hash = 7,
				  .last_hash = 8,
				  .skipping = true },
			 back;
	struct buf key, payload;
	struct slice path;

	buf_init(&key);
	buf_init(&payload);
	file_id_key(mark.id, &key);
	tail_mark_encode(&mark, SLICE("/a/b"), &payload);
	ck_assert_int_eq(tail_mark_decode(buf_slice(&key), buf_slice(&payload), &back, &path), 0);
	ck_assert(file_id_is_equal(mark.id, back.id));
	ck_assert_uint_eq(back.offset, 5000);
	ck_assert(back.skipping && back.head_hash == 7 && back.last_hash == 8);
	ck_assert(slice_is(path, "/a/b"));
	for (size_t n = 0; n < payload.len; n++)
		ck_assert_int_eq(tail_mark_decode(buf_slice(&key),
						  (struct slice){ payload.ptr, n }, &back, &path),
				 ERR_CORRUPT);
	ck_assert_int_eq(tail_mark_decode(SLICE("file/1-2"), buf_slice(&payload), &back, &path),
			 ERR_CORRUPT);
	ck_assert_int_eq(tail_mark_decode(SLICE("glob/x"), buf_slice(&payload), &back, &path),
			 ERR_CORRUPT);
	/* A path as long as one may be, and a longer one. */
	char *longest = malloc(TAIL_PATH_MAX);

	memset(longest, 'p', TAIL_PATH_MAX);
	for (size_t len = TAIL_PATH_MAX - 1; len <= TAIL_PATH_MAX; len++) {
		buf_clear(&payload);
		tail_mark_encode(&mark, (struct slice){ longest, len }, &payload);
		ck_assert_int_eq(
			tail_mark_decode(buf_slice(&key), buf_slice(&payload), &back, &path),
			len < TAIL_PATH_MAX ? 0 : ERR_CORRUPT);
	}
	free(longest);
	buf_fini(&key);
	buf_fini(&payload);
}
END_TEST

/* Of a thousand directories something new is told at once; one more is looked at each second. */
START_TEST(tail_watches_so_many_directories)
{
	char path[160], last[176];

	free(globs[0]);
	ck_assert_int_gt(asprintf(&globs[0], "%s/*/app.log", folder), 0);
	ck_assert_int_gt(asprintf(&globs[1], "%s/*.log", folder), 0);
	for (int i = 0; i < TAIL_FILES_MAX; i++) {
		snprintf(path, sizeof(path), "%s/%04d", folder, i);
		ck_assert_int_eq(mkdir(path, 0700), 0);
		snprintf(last, sizeof(last), "%s/app.log", path);
		append(last, "");
	}
	start();
	ck_assert_uint_eq(atomic_load(&counters.files), TAIL_FILES_MAX);
	ck_assert_uint_eq(tail->ndirs, 1000); /* of 1001: with the one above */
	snprintf(path, sizeof(path), "%s/0000/app.log", folder);
	append(path, "watched\n");
	expect("watched\n");
	append(last, "looked at\n");
	expect("looked at\n");
}
END_TEST

static Suite *tail_suite(void)
{
	Suite *suite = suite_create("tail");
	TCase *tcase = tcase_create("tail");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 40);
	tcase_add_test(tcase, tail_begins_at_the_end_of_what_is_there_and_at_the_beginning_of_what_comes);
	tcase_add_test(tcase, tail_waits_for_the_end_of_a_line);
	tcase_add_test(tcase, tail_reads_a_renamed_file_to_its_end);
	tcase_add_test(tcase, tail_begins_anew_when_a_file_is_truncated);
	tcase_add_test(tcase, tail_finds_what_it_had_not_read_in_the_copy);
	tcase_add_test(tcase, tail_sees_a_truncation_behind_which_the_file_has_grown);
	tcase_add_test(tcase, tail_goes_on_after_a_restart);
	tcase_add_test(tcase, tail_finds_a_file_that_was_rotated_while_nobody_looked);
	tcase_add_test(tcase, tail_finds_the_copy_of_a_file_that_was_truncated_while_nobody_looked);
	tcase_add_test(tcase, tail_finds_files_that_came_and_went_while_nobody_looked);
	tcase_add_test(tcase, tail_finds_copies_that_came_and_went_while_nobody_looked);
	tcase_add_test(tcase, tail_forgets_files_that_are_gone);
	tcase_add_test(tcase, tail_follows_so_many_files);
	tcase_add_test(tcase, tail_tells_the_errors_of_so_many_files);
	tcase_add_test(tcase, positions_are_remembered_of_so_many);
	tcase_add_test(tcase, tail_cuts_long_lines);
	tcase_add_test(tcase, tail_gives_a_line_again_that_the_door_did_not_take);
	tcase_add_test(tcase, tail_gives_every_file_its_turn);
	tcase_add_test(tcase, tail_does_without_inotify);
	tcase_add_test(tcase, tail_leaves_rotated_and_compressed_files_alone);
	tcase_add_test(tcase, tail_takes_the_last_line_of_a_file_that_was_deleted);
	tcase_add_test(tcase, mark_is_read_back_or_refused);
	if (long_limits_are_wanted())
		tcase_add_test(tcase, tail_watches_so_many_directories);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(tail_suite)
