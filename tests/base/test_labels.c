#include "base/labels.h"

#include <pthread.h>

#include "base/error.h"
#include "tests/check_main.h"

static struct labels *make(const struct label *pairs, size_t n)
{
	struct labels *labels;
	const char *why = "";
	int err = labels_new(pairs, n, &labels, &why);

	ck_assert_msg(err == 0, "%s", why);
	labels_check(labels);
	return labels;
}

#define MAKE(...)                                                                                  \
	make((const struct label[]){ __VA_ARGS__ },                                                \
	     sizeof((const struct label[]){ __VA_ARGS__ }) / sizeof(struct label))
#define L(name, value)                                                                             \
	{                                                                                          \
		SLICE(name), SLICE(value)                                                          \
	}

START_TEST(labels_are_sorted_and_found)
{
	struct labels *labels =
		MAKE(L("job", "x"), L("a", "1"), L("empty", ""), L("__name__", "up"));

	ck_assert_uint_eq(labels_count(labels), 3);
	ck_assert_uint_eq(labels_bytes(labels), strlen("job"
						       "x"
						       "a"
						       "1"
						       "__name__"
						       "up"));
	ck_assert(slice_is(labels_at(labels, 0).name, "__name__"));
	ck_assert(slice_is(labels_at(labels, 2).value, "x"));
	ck_assert(slice_is(labels_get(labels, SLICE("a")), "1"));
	ck_assert_uint_eq(labels_get(labels, SLICE("empty")).len, 0);
	ck_assert_uint_eq(labels_get(labels, SLICE("zz")).len, 0);
	ck_assert_uint_eq(labels_get(labels, SLICE("")).len, 0);
	labels_unref(labels);
	labels_unref(NULL);
}
END_TEST

START_TEST(annotations_may_be_empty)
{
	const struct label pairs[] = { L("b", ""), L("a", "1"), L("", "") };
	struct labels *annotations = NULL;

	ck_assert_int_eq(annotations_new(pairs, 3, &annotations, NULL), ERR_INVALID);
	ck_assert_int_eq(annotations_new(pairs, 2, &annotations, NULL), 0);
	ck_assert_uint_eq(labels_count(annotations), 2);
	ck_assert(slice_is(labels_at(annotations, 1).name, "b"));
	ck_assert_uint_eq(labels_at(annotations, 1).value.len, 0);
	labels_unref(annotations);
}
END_TEST

/* The value is the one that Alertmanager itself gives. */
START_TEST(labels_fingerprint_is_alertmanagers)
{
	struct labels *labels = MAKE(L("inst", "1"), L("alertname", "A"));

	ck_assert_uint_eq(labels_fingerprint(labels), 0xaf90b7bec0c95108ull);
	labels_unref(labels);
	labels = make(NULL, 0);
	ck_assert_uint_eq(labels_fingerprint(labels), 0xcbf29ce484222325ull);
	labels_unref(labels);
}
END_TEST

static void refuse(const struct label *pairs, size_t n, int expect_err, const char *expect_why)
{
	struct labels *labels = NULL;
	const char *why = NULL;

	ck_assert_int_eq(labels_new(pairs, n, &labels, &why), expect_err);
	ck_assert_str_eq(why, expect_why);
	ck_assert_int_eq(labels_new(pairs, n, &labels, NULL), expect_err);
	ck_assert_ptr_null(labels);
}

START_TEST(labels_refuse_bad_sets)
{
	refuse((const struct label[]){ L("a", "1"), L("b", "2"), L("a", "3") }, 3, ERR_INVALID,
	       "label name twice");
	refuse((const struct label[]){ L("", "1") }, 1, ERR_INVALID, "empty label name");
	refuse((const struct label[]){ L("a", "\xFF") }, 1, ERR_INVALID, "label value is no UTF-8");
	refuse((const struct label[]){ L("\xC0\x80", "1") }, 1, ERR_INVALID,
	       "label name is no UTF-8");
}
END_TEST

START_TEST(labels_keep_to_their_limits)
{
	static struct label pairs[LABELS_COUNT_MAX + 10];
	static char names[LABELS_COUNT_MAX + 10][16], long_value[LABELS_BYTES_MAX + 1];
	struct labels *labels;

	for (int i = 0; i < LABELS_COUNT_MAX + 10; i++) {
		snprintf(names[i], sizeof(names[i]), "l%d", i);
		pairs[i] = (struct label){ slice_from(names[i]), SLICE("v") };
	}
	labels = make(pairs, LABELS_COUNT_MAX);
	ck_assert_uint_eq(labels_count(labels), LABELS_COUNT_MAX);
	for (int i = 0; i < LABELS_COUNT_MAX; i++)
		ck_assert(slice_is(labels_get(labels, pairs[i].name), "v"));
	labels_unref(labels);
	refuse(pairs, LABELS_COUNT_MAX + 1, ERR_LIMIT, "too many labels");
	/* Empty ones do not count. */
	for (int i = 0; i < 10; i++)
		pairs[i].value = SLICE("");
	labels_unref(make(pairs, LABELS_COUNT_MAX + 10));

	memset(long_value, 'x', sizeof(long_value));
	pairs[0] = (struct label){ SLICE("a"), { long_value, LABELS_BYTES_MAX - 1 } };
	labels_unref(make(pairs, 1));
	pairs[0].value.len = LABELS_BYTES_MAX;
	refuse(pairs, 1, ERR_LIMIT, "labels too long");
}
END_TEST

START_TEST(labels_compare_by_pairs)
{
	struct labels *a = MAKE(L("a", "1"), L("b", "1")), *same = MAKE(L("b", "1"), L("a", "1"));
	struct labels *value = MAKE(L("a", "1"), L("b", "2")),
		      *name = MAKE(L("a", "1"), L("c", "1"));
	struct labels *shorter = MAKE(L("a", "1")), *shifted = MAKE(L("a", "1b"), L("b", "1"));
	struct labels *none = make(NULL, 0);

	ck_assert(labels_is_equal(a, same));
	ck_assert(labels_is_equal(a, a));
	ck_assert(labels_is_equal(none, none));
	ck_assert(!labels_is_equal(a, value));
	ck_assert(!labels_is_equal(a, name));
	ck_assert(!labels_is_equal(a, shorter));
	ck_assert(!labels_is_equal(a, shifted));
	ck_assert_int_eq(labels_compare(a, same), 0);
	ck_assert_int_lt(labels_compare(a, value), 0);
	ck_assert_int_lt(labels_compare(value, name), 0);
	ck_assert_int_lt(labels_compare(shorter, a), 0);
	ck_assert_int_gt(labels_compare(shifted, name), 0);
	ck_assert_int_lt(labels_compare(none, a), 0);
	labels_unref(a);
	labels_unref(same);
	labels_unref(value);
	labels_unref(name);
	labels_unref(shorter);
	labels_unref(shifted);
	labels_unref(none);
}
END_TEST

static void check_format(struct labels *labels, const char *expect)
{
	struct buf buf;

	buf_init(&buf);
	labels_format(labels, &buf);
	ck_assert_str_eq(buf.ptr, expect);
	buf_fini(&buf);
	labels_unref(labels);
}

START_TEST(labels_print_as_series)
{
	check_format(make(NULL, 0), "{}");
	check_format(MAKE(L("__name__", "up")), "up");
	check_format(MAKE(L("__name__", "a:b"), L("job", "x\"y\n")), "a:b{job=\"x\\\"y\\n\"}");
	check_format(MAKE(L("b", "2"), L("a", "1")), "{a=\"1\", b=\"2\"}");
	check_format(MAKE(L("__name__", "my.metric"), L("a.b", "1")),
		     "{\"my.metric\", \"a.b\"=\"1\"}");
	check_format(MAKE(L("__name__", "my.metric")), "{\"my.metric\"}");
}
END_TEST

START_TEST(labels_builder_sets_and_removes)
{
	struct labels *from = MAKE(L("a", "1"), L("b", "2"), L("c", "3"));
	struct labels_builder builder;
	struct labels *made;

	labels_builder_init(&builder);
	labels_builder_add_all(&builder, from);
	labels_builder_set(&builder, SLICE("b"), SLICE("new"));
	labels_builder_set(&builder, SLICE("c"), SLICE(""));
	labels_builder_set(&builder, SLICE("d"), SLICE("4"));
	labels_builder_remove(&builder, SLICE("a"));
	labels_builder_remove(&builder, SLICE("nobody"));
	ck_assert_int_eq(labels_builder_take(&builder, &made, NULL), 0);
	check_format(made, "{b=\"new\", d=\"4\"}");
	/* It stays as it is. */
	labels_builder_set(&builder, SLICE("e"), SLICE("5"));
	ck_assert_int_eq(labels_builder_take(&builder, &made, NULL), 0);
	check_format(made, "{b=\"new\", d=\"4\", e=\"5\"}");
	labels_builder_clear(&builder);
	ck_assert_int_eq(labels_builder_take(&builder, &made, NULL), 0);
	check_format(made, "{}");
	labels_builder_fini(&builder);
	labels_unref(from);
}
END_TEST

START_TEST(labels_builder_keeps_to_its_limit)
{
	static char names[LABELS_COUNT_MAX + 1][16];
	struct labels_builder builder;
	struct labels *made;
	const char *why = NULL;

	labels_builder_init(&builder);
	for (int i = 0; i <= LABELS_COUNT_MAX; i++) {
		if (i == LABELS_COUNT_MAX) {
			ck_assert_int_eq(labels_builder_take(&builder, &made, &why), 0);
			labels_unref(made);
		}
		snprintf(names[i], sizeof(names[i]), "l%d", i);
		labels_builder_set(&builder, slice_from(names[i]), SLICE("v"));
	}
	ck_assert_int_eq(labels_builder_take(&builder, &made, &why), ERR_LIMIT);
	ck_assert_str_eq(why, "too many labels");
	/* One was not taken in: removing another cannot make it right again. */
	labels_builder_remove(&builder, SLICE("l0"));
	ck_assert_int_eq(labels_builder_take(&builder, &made, &why), ERR_LIMIT);
	labels_builder_fini(&builder);
}
END_TEST

static void *ref_many_times(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		labels_ref(arg);
		labels_unref(arg);
	}
	return NULL;
}

START_TEST(labels_are_shared_between_threads)
{
	struct labels *labels = MAKE(L("a", "1"));
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, ref_many_times, labels);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	labels_check(labels);
	labels_unref(labels);
}
END_TEST

START_TEST(names_are_legacy_or_not)
{
	ck_assert(metric_name_is_legacy(SLICE("job:up:rate5m")));
	ck_assert(metric_name_is_legacy(SLICE(":a")));
	ck_assert(!label_name_is_legacy(SLICE("a:b")));
	ck_assert(label_name_is_legacy(SLICE("_a9")));
	ck_assert(!label_name_is_legacy(SLICE("9a")));
	ck_assert(!label_name_is_legacy(SLICE("a.b")));
	ck_assert(!label_name_is_legacy(SLICE("")));
	ck_assert(!metric_name_is_legacy(SLICE("caf\xC3\xA9")));
}
END_TEST

START_TEST(labels_come_back_from_records)
{
	const struct label pairs[] = { { SLICE("b"), SLICE("2") }, { SLICE("a"), SLICE("") }, { SLICE("c"), SLICE("3") } };
	struct labels *labels, *read;
	struct reader reader;
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(labels_new(pairs, 3, &labels, NULL), 0);
	labels_encode(labels, &out);
	labels_encode(NULL, &out);
	reader_init(&reader, buf_slice(&out));
	ck_assert_int_eq(labels_decode(&reader, &read), 0);
	ck_assert(labels_is_equal(labels, read));
	labels_unref(read);
	ck_assert_int_eq(labels_decode(&reader, &read), 0);
	ck_assert_uint_eq(labels_count(read), 0);
	ck_assert_uint_eq(labels_bytes(read), 0);
	ck_assert_uint_eq(reader.len, 0);
	labels_unref(read);
	/* Whatever is missing of the first set, it is none. */
	for (size_t len = 0; len < out.len - 4; len++) {
		reader_init(&reader, (struct slice){ out.ptr, len });
		ck_assert_int_eq(labels_decode(&reader, &read), ERR_CORRUPT);
	}
	buf_clear(&out);
	buf_add_u32(&out, LABELS_COUNT_MAX + 1);
	reader_init(&reader, buf_slice(&out));
	ck_assert_int_eq(labels_decode(&reader, &read), ERR_CORRUPT);
	/* A name twice is no set. */
	buf_clear(&out);
	buf_add_u32(&out, 2);
	for (int i = 0; i < 4; i++)
		buf_add_sized(&out, SLICE("a"));
	reader_init(&reader, buf_slice(&out));
	ck_assert_int_eq(labels_decode(&reader, &read), ERR_CORRUPT);
	labels_unref(labels);
	buf_fini(&out);
}
END_TEST

static Suite *labels_suite(void)
{
	Suite *suite = suite_create("labels");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, labels_are_sorted_and_found);
	tcase_add_test(tcase, annotations_may_be_empty);
	tcase_add_test(tcase, labels_fingerprint_is_alertmanagers);
	tcase_add_test(tcase, labels_refuse_bad_sets);
	tcase_add_test(tcase, labels_keep_to_their_limits);
	tcase_add_test(tcase, labels_compare_by_pairs);
	tcase_add_test(tcase, labels_print_as_series);
	tcase_add_test(tcase, labels_builder_sets_and_removes);
	tcase_add_test(tcase, labels_builder_keeps_to_its_limit);
	tcase_add_test(tcase, labels_are_shared_between_threads);
	tcase_add_test(tcase, names_are_legacy_or_not);
	tcase_add_test(tcase, labels_come_back_from_records);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(labels_suite)
