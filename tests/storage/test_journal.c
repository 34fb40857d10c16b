#include "storage/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/check_main.h"

static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/tocsin-journal-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static struct journal *open_journal(enum journal_sync sync)
{
	struct journal *journal;
	char *why = NULL;

	ck_assert_msg(journal_open(dir, sync, &journal, &why) == 0, "%s", why);
	return journal;
}

/* The texts of all alert records, joined by blanks; anything else as its number. */
static void on_record(void *ctx, enum record_type type, struct slice payload)
{
	struct buf *out = ctx;

	if (type == RECORD_ALERT)
		buf_printf(out, SLICE_FMT " ", SLICE_ARG(payload));
	else
		buf_printf(out, "#%d ", type);
}

static int replay(struct journal *journal, struct buf *out, struct journal_replay_stats *stats)
{
	buf_init(out);
	buf_add_str(out, "");
	return journal_replay(journal, on_record, out, stats, NULL);
}

static void expect(const char *texts, struct journal_replay_stats *stats)
{
	struct journal *journal = open_journal(JOURNAL_SYNC_GROUP);
	struct buf out;

	ck_assert_int_eq(replay(journal, &out, stats), 0);
	ck_assert_str_eq(out.ptr ? out.ptr : "", texts);
	buf_fini(&out);
	journal_close(journal);
}

static void write_texts(struct journal *journal, const char *first, ...)
{
	va_list args;

	va_start(args, first);
	for (const char *text = first; text; text = va_arg(args, const char *))
		ck_assert_int_eq(journal_append(journal, RECORD_ALERT, slice_from(text)), 0);
	va_end(args);
	ck_assert_int_eq(journal_commit(journal), 0);
}

static void segment_path(char path[256], int number)
{
	snprintf(path, 256, "%s/journal/%08d.log", dir, number);
}

static long file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -1 : (long)st.st_size;
}

START_TEST(journal_gives_back_what_was_committed)
{
	struct journal_replay_stats stats;
	struct journal *journal = open_journal((enum journal_sync)_i);

	write_texts(journal, "a", "b", NULL);
	write_texts(journal, "c", NULL);
	journal_close(journal);
	journal = open_journal(JOURNAL_SYNC_GROUP);
	struct buf out;

	ck_assert_int_eq(replay(journal, &out, &stats), 0);
	ck_assert_str_eq(out.ptr, "a b c ");
	buf_fini(&out);
	/* A second life appends to a segment of its own. */
	write_texts(journal, "d", NULL);
	journal_close(journal);
	expect("a b c d ", &stats);
	ck_assert_uint_eq(stats.records, 4);
}
END_TEST

START_TEST(journal_loses_only_the_torn_record)
{
	struct journal *journal = open_journal(JOURNAL_SYNC_GROUP);
	char path[256];

	write_texts(journal, "one", "two", "three", NULL);
	journal_close(journal);
	segment_path(path, 1);
	long size = file_size(path), record = BLOCK_HEADER_BYTES + 3;

	for (long cut = size - 1; cut > 0; cut--) {
		struct journal_replay_stats stats;

		ck_assert_int_eq(truncate(path, cut), 0);
		expect(cut >= 2 * record ? "one two " : cut >= record ? "one " : "", &stats);
		ck_assert_uint_eq(stats.torn_bytes, (uint64_t)(cut >= 2 * record ? cut - 2 * record : cut >= record ? cut - record : cut));
	}
}
END_TEST

START_TEST(journal_notices_each_flipped_byte)
{
	struct journal *journal = open_journal(JOURNAL_SYNC_GROUP);
	char path[256];

	write_texts(journal, "one", "two", NULL);
	journal_close(journal);
	segment_path(path, 1);
	long size = file_size(path), record = BLOCK_HEADER_BYTES + 3;

	for (long at = record; at < size; at++) {
		FILE *file = fopen(path, "r+");
		struct journal_replay_stats stats;

		fseek(file, at, SEEK_SET);
		int byte = fgetc(file);

		fseek(file, at, SEEK_SET);
		fputc(byte ^ 0x10, file);
		fclose(file);
		expect("one ", &stats);
		ck_assert_uint_gt(stats.skipped + stats.torn_bytes, 0);
		file = fopen(path, "r+");
		fseek(file, at, SEEK_SET);
		fputc(byte, file);
		fclose(file);
	}
}
END_TEST

START_TEST(journal_checkpoint_replaces_what_was_before)
{
	struct journal *journal = open_journal(JOURNAL_SYNC_GROUP);
	struct journal_replay_stats stats;
	char path[256];

	write_texts(journal, "old", NULL);
	ck_assert_int_eq(journal_checkpoint_begin(journal), 0);
	write_texts(journal, "state", "meanwhile", NULL);
	segment_path(path, 1);
	ck_assert_int_gt(file_size(path), 0);
	ck_assert_int_eq(journal_checkpoint_end(journal), 0);
	ck_assert_int_eq(file_size(path), -1);
	write_texts(journal, "new", NULL);
	journal_close(journal);
	expect("#12 state meanwhile #14 new ", &stats);
}
END_TEST

START_TEST(journal_unfinished_checkpoint_is_a_continuation)
{
	struct journal *journal = open_journal(JOURNAL_SYNC_GROUP);
	struct journal_replay_stats stats;

	write_texts(journal, "old", NULL);
	ck_assert_int_eq(journal_checkpoint_begin(journal), 0);
	write_texts(journal, "half", NULL);
	journal_close(journal); /* killed here */
	expect("old #12 half ", &stats);
}
END_TEST

START_TEST(journal_belongs_to_one_daemon)
{
	struct journal *journal = open_journal(JOURNAL_SYNC_GROUP), *second;
	char *why = NULL;

	ck_assert_int_eq(journal_open(dir, JOURNAL_SYNC_GROUP, &second, &why), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(why, "in use by another daemon"));
	free(why);
	journal_close(journal);
}
END_TEST

START_TEST(journal_refuses_a_newer_format_by_name)
{
	char path[256], *why = NULL;
	struct journal *journal;

	snprintf(path, sizeof(path), "%s/FORMAT", dir);
	FILE *file = fopen(path, "w");

	fputs("tocsin journal 99\n", file);
	fclose(file);
	ck_assert_int_eq(journal_open(dir, JOURNAL_SYNC_GROUP, &journal, &why), ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(why, "format 99"));
	free(why);
}
END_TEST

START_TEST(journal_of_an_older_format_is_read_and_marked_as_ours)
{
	char path[256], line[64];
	struct journal *journal = open_journal(JOURNAL_SYNC_GROUP);

	journal_close(journal);
	snprintf(path, sizeof(path), "%s/FORMAT", dir);
	FILE *file = fopen(path, "w");

	fputs("tocsin journal 1\n", file);
	fclose(file);
	journal_close(open_journal(JOURNAL_SYNC_GROUP));
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
	ck_assert_str_eq(line, "tocsin journal 2\n");
	fclose(file);
}
END_TEST

START_TEST(journal_keeps_what_a_full_disk_refused)
{
	/* /dev/full cannot hold a directory: the segment's place is taken by a link to it instead. */
	struct journal *journal = open_journal(JOURNAL_SYNC_NONE);
	struct journal_replay_stats stats;
	struct journal_stats before;
	char path[256];

	segment_path(path, 1);
	ck_assert_int_eq(mkdir(path, 0700), 0); /* the segment cannot be made */
	ck_assert_int_eq(journal_append(journal, RECORD_ALERT, SLICE("kept")), 0);
	ck_assert_int_eq(journal_commit(journal), ERR_IO);
	journal_stats_get(journal, &before);
	ck_assert_uint_eq(before.errors, 1);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(journal_commit(journal), 0);
	journal_close(journal);
	expect("kept ", &stats);
}
END_TEST

START_TEST(journal_limits_hold)
{
	struct journal *journal = open_journal(JOURNAL_SYNC_NONE);
	struct slice large = { "", BLOCK_PAYLOAD_MAX + 1ul };

	ck_assert_int_eq(journal_append(journal, RECORD_ALERT, large), ERR_LIMIT);
	ck_assert(!journal_wants_checkpoint(journal));
	char *text = calloc(1, 1 << 20);

	for (int i = 0; i <= JOURNAL_SEGMENT_MAX >> 20; i++) {
		ck_assert_int_eq(journal_append(journal, RECORD_ALERT, (struct slice){ text, 1 << 20 }), 0);
		ck_assert_int_eq(journal_commit(journal), 0);
	}
	free(text);
	ck_assert(journal_wants_checkpoint(journal));
	ck_assert_int_eq(journal_checkpoint_begin(journal), 0);
	ck_assert(!journal_wants_checkpoint(journal));
	ck_assert_int_eq(journal_checkpoint_end(journal), 0);
	journal_close(journal);
}
END_TEST

/* ---- blocks ---- */

struct seen {
	uint32_t n, uids[8];
	int64_t times[8];
	uint64_t bits[8];
};

static void on_sample(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits)
{
	struct seen *seen = ctx;

	seen->uids[seen->n] = uid;
	seen->times[seen->n] = ts_ms;
	seen->bits[seen->n++] = bits;
}

START_TEST(block_samples_come_back)
{
	static struct samples_block block;
	struct seen seen = { 0 };
	struct buf buf;

	samples_block_init(&block);
	ck_assert(samples_block_add(&block, 7, 1700000000000, 0x7ff0000000000002));
	ck_assert(samples_block_add(&block, 8, 1699999999000, 42));
	ck_assert(!samples_block_add(&block, 9, 1700000000000 + (1ll << 33), 1));
	ck_assert(!samples_block_add(&block, 9, 0, 1));
	buf_init(&buf);
	samples_block_encode(&block, &buf);
	ck_assert_int_eq(samples_record_each(buf_slice(&buf), on_sample, &seen), 0);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.uids[0], 7);
	ck_assert_int_eq(seen.times[0], 1700000000000);
	ck_assert_uint_eq(seen.bits[0], 0x7ff0000000000002);
	ck_assert_int_eq(seen.times[1], 1699999999000);
	for (size_t cut = 0; cut < buf.len; cut++)
		ck_assert_int_eq(samples_record_each((struct slice){ buf.ptr, cut }, on_sample, &seen), ERR_CORRUPT);
	buf_fini(&buf);
	for (samples_block_init(&block); samples_block_add(&block, 1, 5, 5);)
		;
	ck_assert_uint_eq(block.n, SAMPLES_BLOCK_MAX);
}
END_TEST

START_TEST(block_tile_series_and_coverage_come_back)
{
	uint32_t offsets[] = { 0, 5000 };
	struct series_entry entry;
	double values[] = { 1.5, -2 };
	struct seen seen = { 0 };
	struct labels *labels, *again;
	struct label pairs[] = { { SLICE("__name__"), SLICE("up") }, { SLICE("job"), SLICE("a\nb") } };
	struct coverage_entry coverage;
	struct buf buf;

	buf_init(&buf);
	tile_record_encode(3, 1000, offsets, values, 2, &buf);
	ck_assert_int_eq(tile_record_each(buf_slice(&buf), on_sample, &seen), 0);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_int_eq(seen.times[1], 6000);
	for (size_t cut = 0; cut < buf.len; cut++)
		ck_assert_int_eq(tile_record_each((struct slice){ buf.ptr, cut }, on_sample, &seen), ERR_CORRUPT);
	buf_clear(&buf);
	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	series_record_encode(&(struct series_entry){ 9, true, WINDOW_EVENTS, labels }, &buf);
	ck_assert_int_eq(series_record_decode(buf_slice(&buf), &entry, &again), 0);
	ck_assert_uint_eq(entry.uid, 9);
	ck_assert(entry.local);
	ck_assert_int_eq(entry.kind, WINDOW_EVENTS);
	ck_assert(labels_is_equal(labels, again));
	for (size_t cut = 0; cut < buf.len; cut++) {
		struct labels *none;

		ck_assert_int_eq(series_record_decode((struct slice){ buf.ptr, cut }, &entry, &none), ERR_CORRUPT);
	}
	buf_clear(&buf);
	coverage_record_encode(&(struct coverage_entry){ SLICE("{__name__=\"up\"}"), 77, 5000 }, &buf);
	ck_assert_int_eq(coverage_record_decode(buf_slice(&buf), &coverage), 0);
	ck_assert(slice_is(coverage.selector, "{__name__=\"up\"}"));
	ck_assert_int_eq(coverage.since_ms, 77);
	ck_assert_int_eq(coverage.bucket_ms, 5000);
	/* Version 1 tells no width. */
	ck_assert_int_eq(coverage_record_decode((struct slice){ buf.ptr, buf.len - 8 }, &coverage), 0);
	ck_assert_int_eq(coverage.bucket_ms, 0);
	labels_unref(labels);
	labels_unref(again);
	buf_fini(&buf);
}
END_TEST

struct derived_seen {
	struct derived_sample samples[8];
	char positions[256];
	size_t n;
};

static void on_derived(void *ctx, const struct derived_sample *sample)
{
	struct derived_seen *seen = ctx;

	seen->samples[seen->n++] = *sample;
}

static void on_position(void *ctx, struct slice key, struct slice payload)
{
	struct derived_seen *seen = ctx;
	size_t len = strlen(seen->positions);

	snprintf(seen->positions + len, sizeof(seen->positions) - len, SLICE_FMT "=" SLICE_FMT " ",
		 SLICE_ARG(key), SLICE_ARG(payload));
}

/* As if it were full; and a record of more than may be in one. */
START_TEST(block_of_lines_is_limited)
{
	static struct derived_block block;
	const struct derived_visitor visitor = { on_derived, on_position, NULL };
	const uint32_t n = DERIVED_BLOCK_MAX + 1;
	const size_t len = 8 + n * sizeof(struct derived_sample);
	char *record = calloc(1, len);

	derived_block_init(&block);
	block.n = DERIVED_BLOCK_MAX;
	block.cap = DERIVED_BLOCK_MAX + 1;
	ck_assert_int_eq(derived_block_add_event(&block, &(struct derived_sample){ .uid = 8 }),
			 ERR_LIMIT);
	ck_assert_uint_eq(block.n, DERIVED_BLOCK_MAX);
	block.n = block.cap = 0;
	derived_block_fini(&block);
	ck_assert_ptr_nonnull(record);
	memcpy(record, &n, sizeof(n)); /* no positions, and samples of zeros */
	ck_assert_int_eq(derived_record_each((struct slice){ record, len }, &visitor), ERR_CORRUPT);
	free(record);
}
END_TEST

START_TEST(block_of_lines_and_positions_comes_back_whole)
{
	static struct derived_block block;
	struct derived_seen seen = { .n = 0 };
	const struct derived_visitor visitor = { on_derived, on_position, &seen };
	struct buf buf;

	derived_block_init(&block);
	ck_assert_int_eq(derived_block_add_total(&block, 7, 60000, 41), 0);
	ck_assert_int_eq(derived_block_add_event(&block, &(struct derived_sample){ 8, 3, -5, 9 }), 0);
	/* The newest total takes the place of the one before. */
	ck_assert_int_eq(derived_block_add_total(&block, 7, 60000, 42), 0);
	ck_assert_int_eq(derived_block_add_total(&block, 7, 120000, 1), 0);
	ck_assert_int_eq(derived_block_add_position(&block, SLICE("file 1"), SLICE("100")), 0);
	ck_assert_int_eq(derived_block_add_position(&block, SLICE("file 2"), SLICE("")), 0);
	buf_init(&buf);
	derived_block_encode(&block, &buf);
	for (size_t cut = 0; cut < buf.len; cut++)
		ck_assert_int_eq(derived_record_each((struct slice){ buf.ptr, cut }, &visitor), ERR_CORRUPT);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_int_eq(derived_record_each(buf_slice(&buf), &visitor), 0);
	ck_assert_uint_eq(seen.n, 3);
	ck_assert_uint_eq(seen.samples[0].uid, 7);
	ck_assert_uint_eq(seen.samples[0].bits, 42);
	ck_assert_uint_eq(seen.samples[1].ordinal, 3);
	ck_assert_int_eq(seen.samples[1].ts_ms, -5);
	ck_assert_int_eq(seen.samples[2].ts_ms, 120000);
	ck_assert_str_eq(seen.positions, "file 1=100 file 2= ");
	/* Cleared, it remembers no total of before. */
	derived_block_clear(&block);
	ck_assert_int_eq(derived_block_add_total(&block, 7, 60000, 1), 0);
	ck_assert_uint_eq(block.n, 1);
	ck_assert_uint_eq(block.npositions, 0);
	derived_block_fini(&block);
	buf_fini(&buf);
}
END_TEST

START_TEST(block_of_positions_comes_back)
{
	struct slice key, payload;
	struct buf buf;

	buf_init(&buf);
	position_record_encode(SLICE("k"), SLICE("v"), &buf);
	ck_assert_int_eq(position_record_decode(buf_slice(&buf), &key, &payload), 0);
	ck_assert(slice_is(key, "k") && slice_is(payload, "v"));
	for (size_t cut = 0; cut < buf.len; cut++)
		ck_assert_int_eq(position_record_decode((struct slice){ buf.ptr, cut }, &key, &payload), ERR_CORRUPT);
	buf_fini(&buf);
}
END_TEST

START_TEST(block_of_a_newer_version_is_refused)
{
	enum record_type type;
	struct slice payload;
	struct buf buf;
	size_t used;

	buf_init(&buf);
	record_encode(RECORD_ALERT, SLICE("x"), &buf);
	ck_assert_int_eq(record_decode(buf_slice(&buf), &type, &payload, &used), 0);
	ck_assert_uint_eq(used, buf.len);
	/* The version is under the checksum: changed alone it is corrupt, not new. */
	buf.ptr[6] = 99;
	ck_assert_int_eq(record_decode(buf_slice(&buf), &type, &payload, &used), ERR_CORRUPT);
	buf_fini(&buf);
}
END_TEST

/* Files that are there from long ago; each is looked at when the journal is opened. */
START_TEST(journal_has_so_many_segments)
{
	enum { SEGMENTS = 100000 };
	struct journal_replay_stats stats;
	struct journal *journal = open_journal(JOURNAL_SYNC_NONE);
	struct buf out;
	char path[256], *why = NULL;

	write_texts(journal, "one", NULL);
	journal_close(journal);
	for (int i = 2; i <= SEGMENTS; i++) {
		segment_path(path, i);
		fclose(fopen(path, "w"));
	}
	journal = open_journal(JOURNAL_SYNC_NONE);
	ck_assert_int_eq(replay(journal, &out, &stats), 0);
	ck_assert_str_eq(out.ptr, "one ");
	buf_fini(&out);
	journal_close(journal);
	for (int i = SEGMENTS + 1; i <= SEGMENTS + 2; i++) { /* the journal has begun one */
		segment_path(path, i);
		fclose(fopen(path, "w"));
	}
	ck_assert_int_eq(journal_open(dir, JOURNAL_SYNC_NONE, &journal, &why), ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(why, "/journal\" holds more than 100000 segments"));
	free(why);
}
END_TEST

static Suite *journal_suite(void)
{
	Suite *suite = suite_create("journal");
	TCase *files = tcase_create("files"), *blocks = tcase_create("blocks");

	tcase_add_checked_fixture(files, setup, teardown);
	tcase_set_timeout(files, 60);
	tcase_add_loop_test(files, journal_gives_back_what_was_committed, JOURNAL_SYNC_NONE, JOURNAL_SYNC_EACH + 1);
	tcase_add_test(files, journal_loses_only_the_torn_record);
	tcase_add_test(files, journal_notices_each_flipped_byte);
	tcase_add_test(files, journal_checkpoint_replaces_what_was_before);
	tcase_add_test(files, journal_unfinished_checkpoint_is_a_continuation);
	tcase_add_test(files, journal_belongs_to_one_daemon);
	tcase_add_test(files, journal_refuses_a_newer_format_by_name);
	tcase_add_test(files, journal_of_an_older_format_is_read_and_marked_as_ours);
	tcase_add_test(files, journal_keeps_what_a_full_disk_refused);
	tcase_add_test(files, journal_limits_hold);
	if (long_limits_are_wanted())
		tcase_add_test(files, journal_has_so_many_segments);
	suite_add_tcase(suite, files);
	tcase_add_test(blocks, block_samples_come_back);
	tcase_add_test(blocks, block_tile_series_and_coverage_come_back);
	tcase_add_test(blocks, block_of_lines_and_positions_comes_back_whole);
	tcase_add_test(blocks, block_of_lines_is_limited);
	tcase_add_test(blocks, block_of_positions_comes_back);
	tcase_add_test(blocks, block_of_a_newer_version_is_refused);
	suite_add_tcase(suite, blocks);
	return suite;
}

TEST_MAIN(journal_suite)
