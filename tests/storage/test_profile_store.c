#include "storage/profile_store.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "tests/check_main.h"

static char dir[64];
static struct profile_store *store;

static void setup(void)
{
	strcpy(dir, "/tmp/tocsin-profiles.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	store = NULL;
}

static void teardown(void)
{
	char command[128];

	profile_store_close(store);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* _i: 0 in memory, 1 in files. */
static void open_store(int in_files)
{
	char *why = NULL;

	profile_store_close(store);
	ck_assert_int_eq(profile_store_open(in_files ? dir : NULL, &store, &why), 0);
	profile_store_check(store);
}

static uint64_t add(const char *job, const char *types, int64_t end_ms, const char *bytes,
		    const char *trace)
{
	const struct label pairs[] = { { SLICE("job"), slice_from(job) } };
	struct profile_trace_id id = { { 0 } };
	struct profile_entry entry = { .start_ms = end_ms - 5,
				       .end_ms = end_ms,
				       .types = slice_from(types),
				       .traces = &id,
				       .ntraces = trace ? 1 : 0 };
	uint64_t out;

	if (trace)
		memcpy(id.bytes, trace, strlen(trace));
	ck_assert_int_eq(labels_new(pairs, 1, &entry.labels, NULL), 0);
	ck_assert_int_eq(profile_store_add(store, &entry, slice_from(bytes), &out), 0);
	labels_unref(entry.labels);
	profile_store_check(store);
	return out;
}

static bool on_found(void *ctx, const struct profile_entry *entry)
{
	char *text = ctx;

	sprintf(text + strlen(text), "%llu ", (unsigned long long)entry->id);
	return strlen(text) < 50;
}

static const char *find(const char *matchers, const char *type, int64_t start_ms, int64_t end_ms,
			const char *trace)
{
	static char text[100];
	struct profile_trace_id id = { { 0 } };
	struct profile_query query = { .type = slice_from(type),
				       .start_ms = start_ms,
				       .end_ms = end_ms,
				       .trace = trace ? &id : NULL };
	struct matcher *list = NULL;
	char *why = NULL;

	if (trace)
		memcpy(id.bytes, trace, strlen(trace));
	ck_assert_int_eq(matchers_parse(slice_from(matchers), &list, &query.nmatchers, &why), 0);
	query.matchers = list;
	text[0] = '\0';
	profile_store_find(store, &query, on_found, text);
	matchers_free(list, query.nmatchers);
	return text;
}

static const char *read_text(uint64_t id)
{
	static char text[100];
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(profile_store_read(store, id, &out), 0);
	snprintf(text, sizeof(text), "%s", out.ptr);
	buf_fini(&out);
	return text;
}

static void fill(void)
{
	ck_assert_uint_eq(add("a", "cpu", 100, "first", NULL), 1);
	ck_assert_uint_eq(add("b", "heap_inuse,heap_alloc", 300, "second", "t1"), 2);
	ck_assert_uint_eq(add("a", "cpu", 200, "third", "t2"), 3);
}

static void expect_filled(void)
{
	ck_assert_str_eq(find("{}", "", 0, 1000, NULL), "2 3 1 ");
	ck_assert_str_eq(find("{job=\"a\"}", "", 0, 1000, NULL), "3 1 ");
	ck_assert_str_eq(find("{job=~\"a|b\"}", "", 200, 300, NULL), "2 3 ");
	ck_assert_str_eq(find("{}", "heap_alloc", 0, 1000, NULL), "2 ");
	ck_assert_str_eq(find("{}", "heap", 0, 1000, NULL), "");
	ck_assert_str_eq(find("{profile_type=\"heap_inuse\"}", "", 0, 1000, NULL), "2 ");
	ck_assert_str_eq(find("{profile_type!=\"heap_inuse\"}", "", 0, 1000, NULL), "2 3 1 ");
	ck_assert_str_eq(find("{}", "", 0, 1000, "t2"), "3 ");
	ck_assert_str_eq(find("{}", "", 0, 1000, "t3"), "");
	ck_assert_str_eq(read_text(2), "second");
	ck_assert_int_eq(profile_store_get(store, 3)->start_ms, 195);
	ck_assert(slice_is(labels_get(profile_store_get(store, 3)->labels, SLICE("job")), "a"));
	ck_assert_ptr_null(profile_store_get(store, 4));
}

START_TEST(profiles_are_found_again)
{
	open_store(_i);
	fill();
	expect_filled();
}
END_TEST

START_TEST(profiles_survive_a_restart)
{
	open_store(1);
	fill();
	open_store(1);
	expect_filled();
	/* No id is given out twice. */
	ck_assert_uint_eq(add("c", "cpu", 50, "x", NULL), 4);
}
END_TEST

START_TEST(the_oldest_leave_when_there_is_no_room)
{
	open_store(_i);
	fill();
	profile_store_limit(store, 13, INT64_MAX);
	ck_assert_str_eq(find("{}", "", 0, 1000, NULL), "2 3 ");
	add("c", "cpu", 400, "1234567", NULL);
	ck_assert_str_eq(find("{}", "", 0, 1000, NULL), "4 2 ");
	/* What is larger than all is refused, and nobody has to go for it. */
	struct profile_entry entry = { .types = SLICE("cpu") };
	uint64_t id;

	ck_assert_int_eq(labels_new(NULL, 0, &entry.labels, NULL), 0);
	ck_assert_int_eq(profile_store_add(store, &entry, SLICE("12345678901234"), &id), ERR_LIMIT);
	labels_unref(entry.labels);
	ck_assert_str_eq(find("{}", "", 0, 1000, NULL), "4 2 ");
	ck_assert_uint_eq(profile_store_stats(store)->expired, 2);
	profile_store_limit(store, 0, INT64_MAX);
	ck_assert_str_eq(find("{}", "", 0, 1000, NULL), "");
	if (_i) {
		open_store(1);
		ck_assert_uint_eq(profile_store_stats(store)->items, 0);
	}
}
END_TEST

START_TEST(a_profile_is_limited_whatever_room_there_is)
{
	struct profile_entry entry = { .types = SLICE("cpu") };
	char *bytes = calloc(1, PROFILE_STORE_BODY_MAX + 1);
	uint64_t id;

	open_store(0);
	profile_store_limit(store, INT64_MAX, INT64_MAX);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(labels_new(NULL, 0, &entry.labels, NULL), 0);
	ck_assert_int_eq(profile_store_add(store, &entry,
					   (struct slice){ bytes, PROFILE_STORE_BODY_MAX + 1 }, &id),
			 ERR_LIMIT);
	ck_assert_int_eq(profile_store_add(store, &entry, (struct slice){ bytes, 1000 }, &id), 0);
	labels_unref(entry.labels);
	free(bytes);
}
END_TEST

START_TEST(what_is_too_old_leaves)
{
	open_store(_i);
	fill();
	profile_store_limit(store, 1000, 100);
	profile_store_expire(store, 301);
	ck_assert_str_eq(find("{}", "", 0, 1000, NULL), "2 ");
	profile_store_check(store);
}
END_TEST

static void damage(const char *name, long at, const char *with)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *file = fopen(path, "r+");

	ck_assert_ptr_nonnull(file);
	fseek(file, at, at < 0 ? SEEK_END : SEEK_SET);
	fputs(with, file);
	fclose(file);
}

START_TEST(damaged_files_are_told_and_removed)
{
	char path[128];
	struct stat st;
	struct buf out;

	open_store(1);
	fill();
	add("a", "cpu", 400, "fourth", NULL);
	add("a", "cpu", 500, "fifth", NULL);
	damage("0000000000000001.profile", 40, "x"); /* its head */
	damage("0000000000000002.profile", -1, "x"); /* its body: seen when it is read */
	damage("0000000000000003.profile", 15, "2"); /* of a later version */
	snprintf(path, sizeof(path), "%s/0000000000000004.profile", dir);
	ck_assert_int_eq(truncate(path, 50), 0);
	damage("0000000000000005.profile", 17, "\xff\xff\xff\x7f"); /* a head of two GiB */
	snprintf(path, sizeof(path), "%s/0000000000000009.profile.new", dir);
	fclose(fopen(path, "w"));
	open_store(1);
	ck_assert_uint_eq(profile_store_stats(store)->damaged, 3);
	ck_assert_uint_eq(profile_store_stats(store)->foreign, 1);
	ck_assert_str_eq(find("{}", "", 0, 1000, NULL), "2 ");
	ck_assert_int_ne(stat(path, &st), 0);
	buf_init(&out);
	ck_assert_int_eq(profile_store_read(store, 2, &out), ERR_CORRUPT);
	ck_assert_int_eq(profile_store_read(store, 2, &out), ERR_NOT_FOUND);
	buf_fini(&out);
	profile_store_check(store);
	/* The one of another version is not ours to remove, nor its number to give out again. */
	ck_assert_uint_eq(add("c", "cpu", 50, "x", NULL), 6);
}
END_TEST

/* Puts bytes into a file's head, and another number in front of them: its head is whole again. */
static void head_grow(const char *name, size_t count_at, uint32_t count, size_t at, size_t n)
{
	enum { HEAD_LEN_AT = 17, HEAD_AT = 29, ROOM = 16384 };
	static char bytes[ROOM];
	char path[128];
	uint32_t len;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *file = fopen(path, "r+");

	ck_assert_ptr_nonnull(file);
	size_t whole = fread(bytes, 1, ROOM - n, file);

	memmove(bytes + at + n, bytes + at, whole - at);
	memset(bytes + at, 'x', n);
	memcpy(bytes + count_at, &count, sizeof(count));
	memcpy(&len, bytes + HEAD_LEN_AT, sizeof(len));
	len += (uint32_t)n;
	uint64_t checksum = hash_checksum(bytes + HEAD_AT, len);

	memcpy(bytes + HEAD_LEN_AT, &len, sizeof(len));
	memcpy(bytes + HEAD_LEN_AT + 4, &checksum, sizeof(checksum));
	rewind(file);
	ck_assert_uint_eq(fwrite(bytes, 1, whole + n, file), whole + n);
	fclose(file);
}

START_TEST(types_and_traces_of_a_profile_are_limited)
{
	enum { TYPES_AT = 29 + 4 * 8 };
	struct profile_trace_id traces[PROFILE_STORE_TRACES_MAX];
	char types[PROFILE_STORE_TYPES_MAX + 1] = "";
	struct profile_entry entry = { .types = { types, PROFILE_STORE_TYPES_MAX },
				       .traces = traces,
				       .ntraces = PROFILE_STORE_TRACES_MAX };
	struct stat st;
	char path[128];
	uint64_t id;

	memset(types, 't', PROFILE_STORE_TYPES_MAX);
	memset(traces, 1, sizeof(traces));
	open_store(1);
	profile_store_limit(store, INT64_MAX, INT64_MAX);
	ck_assert_int_eq(labels_new(NULL, 0, &entry.labels, NULL), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(profile_store_add(store, &entry, SLICE("body"), &id), 0);
	labels_unref(entry.labels);
	/* One with a longer list of types, and one with a trace more. */
	head_grow("0000000000000002.profile", TYPES_AT, PROFILE_STORE_TYPES_MAX + 1, TYPES_AT + 4,
		  1);
	snprintf(path, sizeof(path), "%s/0000000000000003.profile", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	size_t traces_at = (size_t)st.st_size - strlen("body") - sizeof(traces);

	head_grow("0000000000000003.profile", traces_at - 4, PROFILE_STORE_TRACES_MAX + 1,
		  traces_at, sizeof(traces[0]));
	open_store(1);
	ck_assert_uint_eq(profile_store_stats(store)->damaged, 2);
	ck_assert_uint_eq(profile_store_stats(store)->items, 1);
	ck_assert_uint_eq(profile_store_get(store, 1)->ntraces, PROFILE_STORE_TRACES_MAX);
	ck_assert_uint_eq(profile_store_get(store, 1)->types.len, PROFILE_STORE_TYPES_MAX);
}
END_TEST

START_TEST(a_folder_that_cannot_be_is_told)
{
	struct profile_store *none;
	char *why = NULL;

	ck_assert_int_eq(profile_store_open("/proc/none/here", &none, &why), ERR_IO);
	ck_assert_str_eq(why, "cannot make \"/proc/none/here\": No such file or directory");
	free(why);
}
END_TEST

START_TEST(a_folder_that_is_gone_fails_the_profile_only)
{
	struct profile_entry entry = { .types = SLICE("cpu") };
	uint64_t id;

	open_store(1);
	fill();
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(labels_new(NULL, 0, &entry.labels, NULL), 0);
	ck_assert_int_eq(profile_store_add(store, &entry, SLICE("x"), &id), ERR_IO);
	labels_unref(entry.labels);
	ck_assert_uint_eq(profile_store_stats(store)->failed, 1);
	profile_store_check(store);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
}
END_TEST

START_TEST(profiles_stay_within_their_number)
{
	open_store(0);
	for (int i = 0; i < PROFILE_STORE_ITEMS_MAX + 10; i++) {
		struct profile_entry entry = { .end_ms = i, .types = SLICE("cpu") };
		uint64_t id;

		ck_assert_int_eq(labels_new(NULL, 0, &entry.labels, NULL), 0);
		ck_assert_int_eq(profile_store_add(store, &entry, SLICE("x"), &id), 0);
		labels_unref(entry.labels);
	}
	ck_assert_uint_eq(profile_store_stats(store)->items, PROFILE_STORE_ITEMS_MAX);
	profile_store_check(store);
}
END_TEST

static Suite *profile_store_suite(void)
{
	Suite *suite = suite_create("profile_store");
	TCase *tcase = tcase_create("profile_store");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, profiles_are_found_again, 0, 2);
	tcase_add_test(tcase, profiles_survive_a_restart);
	tcase_add_loop_test(tcase, the_oldest_leave_when_there_is_no_room, 0, 2);
	tcase_add_test(tcase, a_profile_is_limited_whatever_room_there_is);
	tcase_add_loop_test(tcase, what_is_too_old_leaves, 0, 2);
	tcase_add_test(tcase, damaged_files_are_told_and_removed);
	tcase_add_test(tcase, types_and_traces_of_a_profile_are_limited);
	tcase_add_test(tcase, a_folder_that_cannot_be_is_told);
	tcase_add_test(tcase, a_folder_that_is_gone_fails_the_profile_only);
	tcase_add_test(tcase, profiles_stay_within_their_number);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(profile_store_suite)
