#include "storage/lset.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check_main.h"

static struct lset_table *table;

static void setup(void)
{
	struct hash_key key;
	hash_key_derive(&key, "test", 4);
	table = lset_table_new(&key);
	ck_assert_ptr_nonnull(table);
}

static void teardown(void)
{
	lset_table_check(table);
	lset_table_free(table);
}

static uint32_t sym(const char *text)
{
	return symbol_intern(table, slice_from(text));
}

/* name, value, …, NULL */
static uint32_t lset_of(const char *name, ...)
{
	struct label pairs[LABELS_COUNT_MAX];
	struct labels *labels;
	size_t n = 0;
	va_list args;
	va_start(args, name);
	for (; name; name = va_arg(args, const char *))
		pairs[n++] =
			(struct label){ slice_from(name), slice_from(va_arg(args, const char *)) };
	va_end(args);
	ck_assert_int_eq(labels_new(pairs, n, &labels, NULL), 0);
	uint32_t lset = lset_intern(table, labels);
	labels_unref(labels);
	lset_table_check(table);
	return lset;
}

static void assert_text(uint32_t lset, const char *expected)
{
	struct labels *labels = lset_to_labels(table, lset);
	struct buf buf;
	ck_assert_ptr_nonnull(labels);
	buf_init(&buf);
	labels_format(labels, &buf);
	char *text = buf_take(&buf);
	ck_assert_str_eq(text, expected);
	free(text);
	labels_unref(labels);
}

START_TEST(symbol_is_shared_and_reused)
{
	uint32_t a = sym("alpha"), b = sym("beta");
	ck_assert_uint_ne(a, b);
	ck_assert_uint_eq(sym("alpha"), a);
	ck_assert_uint_eq(symbol_find(table, SLICE("alpha")), a);
	ck_assert_uint_eq(symbol_find(table, SLICE("gamma")), SYMBOL_NONE);
	ck_assert(slice_is(symbol_text(table, b), "beta"));
	symbol_unref(table, a);
	ck_assert_uint_eq(symbol_find(table, SLICE("alpha")), a);
	symbol_unref(table, a);
	ck_assert_uint_eq(symbol_find(table, SLICE("alpha")), SYMBOL_NONE);
	lset_table_check(table);
	ck_assert_uint_eq(sym("gamma"), a);
	ck_assert_uint_eq(lset_table_symbols(table), 2);
}
END_TEST

START_TEST(symbol_of_empty_text_is_none)
{
	ck_assert_uint_eq(sym(""), SYMBOL_NONE);
	ck_assert_uint_eq(symbol_find(table, SLICE("")), SYMBOL_NONE);
	ck_assert_uint_eq(symbol_text(table, SYMBOL_NONE).len, 0);
	symbol_ref(table, SYMBOL_NONE);
	symbol_unref(table, SYMBOL_NONE);
}
END_TEST

START_TEST(symbol_keeps_foreign_bytes)
{
	struct slice text = { "a\0b\xc3\xa9", 5 };
	uint32_t symbol = symbol_intern(table, text);
	ck_assert(slice_is_equal(symbol_text(table, symbol), text));
	ck_assert_uint_ne(symbol, sym("a"));
}
END_TEST

START_TEST(lset_is_one_for_equal_sets)
{
	uint32_t a = lset_of("b", "2", "a", "1", NULL);
	uint32_t b = lset_of("a", "1", "b", "2", NULL);
	ck_assert_uint_eq(a, b);
	ck_assert_uint_ne(lset_of("a", "2", "b", "1", NULL), a);
	struct lset_pair pairs[] = { { sym("b"), sym("2") },
				     { sym("a"), sym("1") },
				     { sym("c"), SYMBOL_NONE } };
	ck_assert_uint_eq(lset_intern_pairs(table, pairs, 3), a);
	ck_assert_uint_eq(lset_find(table, pairs, 3), a);
	ck_assert_uint_eq(lset_find(table, pairs, 1), LSET_NONE);
	ck_assert_uint_eq(lset_count(table, a), 2);
	ck_assert_uint_eq(lset_get(table, a, sym("b")), sym("2"));
	ck_assert_uint_eq(lset_get(table, a, sym("zz")), SYMBOL_NONE);
	assert_text(a, "{a=\"1\", b=\"2\"}");
}
END_TEST

START_TEST(lset_of_nothing_is_empty)
{
	ck_assert_uint_eq(lset_of(NULL), LSET_EMPTY);
	ck_assert_uint_eq(lset_find(table, NULL, 0), LSET_EMPTY);
	ck_assert_uint_eq(lset_count(table, LSET_EMPTY), 0);
	lset_ref(table, LSET_EMPTY);
	lset_unref(table, LSET_EMPTY);
	assert_text(LSET_EMPTY, "{}");
}
END_TEST

START_TEST(lset_goes_with_last_reference)
{
	uint32_t a = lset_of("job", "x", NULL);
	lset_ref(table, a);
	lset_unref(table, a);
	ck_assert_uint_eq(symbol_find(table, SLICE("job")) != SYMBOL_NONE, 1);
	lset_unref(table, a);
	ck_assert_uint_eq(symbol_find(table, SLICE("job")), SYMBOL_NONE);
	ck_assert_uint_eq(lset_table_symbols(table), 0);
	lset_table_check(table);
	ck_assert_uint_eq(lset_of("other", "y", NULL), a);
}
END_TEST

START_TEST(lset_derives)
{
	uint32_t up = lset_of("__name__", "up", "job", "x", "pod", "p", NULL);
	uint32_t names[] = { sym("__name__"), sym("pod") };
	uint32_t without = lset_without(table, up, names, 2), only = lset_only(table, up, names, 2);
	assert_text(without, "{job=\"x\"}");
	assert_text(only, "up{pod=\"p\"}");
	ck_assert_uint_eq(lset_without(table, up, NULL, 0), up);
	ck_assert_uint_eq(lset_only(table, up, NULL, 0), LSET_EMPTY);
	assert_text(lset_with(table, up, sym("env"), sym("prod")),
		    "up{env=\"prod\", job=\"x\", pod=\"p\"}");
	assert_text(lset_with(table, up, sym("job"), sym("y")), "up{job=\"y\", pod=\"p\"}");
	assert_text(lset_with(table, up, sym("job"), SYMBOL_NONE), "up{pod=\"p\"}");
	ck_assert_uint_eq(lset_with(table, up, sym("none"), SYMBOL_NONE), up);
	ck_assert_uint_eq(lset_with(table, LSET_EMPTY, sym("job"), sym("x")), without);
	lset_table_check(table);
}
END_TEST

START_TEST(lset_takes_from_the_one_side)
{
	uint32_t many = lset_of("pod", "p", "node", "old", "zone", "z", NULL);
	uint32_t one = lset_of("node", "n1", "rack", "r", "ip", "i", NULL);
	uint32_t names[] = { sym("node"), sym("rack"), sym("zone") };
	assert_text(lset_take_from(table, many, one, names, 3),
		    "{node=\"n1\", pod=\"p\", rack=\"r\"}");
	ck_assert_uint_eq(lset_take_from(table, many, one, names, 0), many);
}
END_TEST

START_TEST(lset_compares_by_text)
{
	/* Symbols in an order that is not the texts'. */
	sym("z"), sym("b"), sym("a");
	uint32_t az = lset_of("a", "z", NULL), b = lset_of("b", "a", NULL);
	uint32_t azb = lset_of("a", "z", "b", "a", NULL), aa = lset_of("z", "b", "a", "a", NULL);
	ck_assert_int_lt(lset_compare(table, az, b), 0);
	ck_assert_int_gt(lset_compare(table, b, az), 0);
	ck_assert_int_lt(lset_compare(table, az, azb), 0);
	ck_assert_int_lt(lset_compare(table, aa, az), 0);
	ck_assert_int_eq(lset_compare(table, b, b), 0);
	ck_assert_int_lt(lset_compare(table, LSET_EMPTY, aa), 0);
}
END_TEST

START_TEST(lset_limits_labels)
{
	struct lset_pair pairs[LABELS_COUNT_MAX + 1];
	for (uint32_t i = 0; i <= LABELS_COUNT_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "n%u", LABELS_COUNT_MAX - i);
		pairs[i] = (struct lset_pair){ sym(name), sym("v") };
	}
	ck_assert_uint_eq(lset_intern_pairs(table, pairs, LABELS_COUNT_MAX + 1), LSET_NONE);
	uint32_t full = lset_intern_pairs(table, pairs, LABELS_COUNT_MAX);
	ck_assert_uint_ne(full, LSET_NONE);
	ck_assert_uint_eq(lset_with(table, full, sym("more"), sym("v")), LSET_NONE);
	uint32_t one = lset_of("more", "v", NULL), more = sym("more");
	ck_assert_uint_eq(lset_take_from(table, full, one, &more, 1), LSET_NONE);
	lset_table_check(table);
}
END_TEST

static struct hash128 same_hash(const void *bytes, size_t n)
{
	(void)bytes, (void)n;
	return (struct hash128){ 42, 42 };
}

START_TEST(lset_survives_equal_hashes)
{
	uint32_t lsets[200];
	lset_table_hash_hook(table, same_hash);
	for (int i = 0; i < 200; i++) {
		char value[16];
		snprintf(value, sizeof(value), "v%d", i);
		lsets[i] = lset_of("a", value, NULL);
		for (int k = 0; k < i; k++)
			ck_assert_uint_ne(lsets[i], lsets[k]);
	}
	for (int i = 0; i < 200; i += 2)
		lset_unref(table, lsets[i]);
	lset_table_check(table);
	ck_assert_uint_eq(lset_of("a", "v151", NULL), lsets[151]);
}
END_TEST

/* Against a model: sets come and go at random; equal texts must give equal ids, and others not. */
START_TEST(lset_churns)
{
	enum { SETS = 300 };
	uint32_t held[SETS][2] = { 0 };
	bool alive[SETS] = { false };
	uint64_t random = 7;
	for (int step = 0; step < 20000; step++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		uint32_t i = (uint32_t)(random >> 33) % SETS;
		char a[16], b[16];
		snprintf(a, sizeof(a), "v%u", i % 17);
		snprintf(b, sizeof(b), "w%u", i);
		if (alive[i]) {
			lset_unref(table, held[i][0]);
			symbol_unref(table, held[i][1]);
			alive[i] = false;
			continue;
		}
		struct lset_pair pairs[2] = { { sym("name"), sym(a) }, { sym("other"), sym(b) } };
		held[i][0] = lset_intern_pairs(table, pairs, 2);
		held[i][1] = pairs[1].value;
		symbol_unref(table, pairs[0].name);
		symbol_unref(table, pairs[0].value);
		symbol_unref(table, pairs[1].name);
		alive[i] = true;
		for (int k = 0; k < SETS; k++)
			ck_assert(k == (int)i || !alive[k] || held[k][0] != held[i][0]);
		if (step % 500 == 0)
			lset_table_check(table);
	}
	for (int i = 0; i < SETS; i++) {
		if (!alive[i])
			continue;
		lset_unref(table, held[i][0]);
		symbol_unref(table, held[i][1]);
	}
	ck_assert_uint_eq(lset_table_symbols(table), 0);
}
END_TEST

static Suite *lset_suite(void)
{
	Suite *suite = suite_create("lset");
	TCase *tcase = tcase_create("lset");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, symbol_is_shared_and_reused);
	tcase_add_test(tcase, symbol_of_empty_text_is_none);
	tcase_add_test(tcase, symbol_keeps_foreign_bytes);
	tcase_add_test(tcase, lset_is_one_for_equal_sets);
	tcase_add_test(tcase, lset_of_nothing_is_empty);
	tcase_add_test(tcase, lset_goes_with_last_reference);
	tcase_add_test(tcase, lset_derives);
	tcase_add_test(tcase, lset_takes_from_the_one_side);
	tcase_add_test(tcase, lset_compares_by_text);
	tcase_add_test(tcase, lset_limits_labels);
	tcase_add_test(tcase, lset_survives_equal_hashes);
	tcase_add_test(tcase, lset_churns);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(lset_suite)
