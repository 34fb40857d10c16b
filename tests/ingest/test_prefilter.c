/* Many literals at once, compared with looking for each. */
#include <check.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "ingest/prefilter.h"
#include "tests/check_main.h"

static struct prefilter *prefilter;
static struct prefilter_hits hits;

static void setup(void)
{
	prefilter = NULL;
	hits = (struct prefilter_hits){ .n = 0 };
}

static void teardown(void)
{
	prefilter_free(prefilter);
	prefilter_hits_fini(&hits);
}

static void make(const struct prefilter_literal *literals, size_t n, uint32_t nids)
{
	ck_assert_int_eq(prefilter_new(literals, n, nids, &prefilter), 0);
	ck_assert_int_eq(prefilter_hits_init(&hits, nids), 0);
}

static bool is_hit(uint32_t id)
{
	for (uint32_t i = 0; i < hits.n; i++) {
		if (hits.ids[i] == id)
			return true;
	}
	return false;
}

START_TEST(literals_within_each_other_are_found)
{
	static const struct prefilter_literal literals[] = {
		{ 0, SLICE("he") },   { 1, SLICE("she") }, { 2, SLICE("his") },
		{ 3, SLICE("hers") }, { 4, SLICE("e") },   { 4, SLICE("zzz") },
	};

	make(literals, 6, 5);
	prefilter_scan(prefilter, SLICE("ushers"), &hits);
	ck_assert_uint_eq(hits.n, 4);
	ck_assert(is_hit(0) && is_hit(1) && is_hit(3) && is_hit(4));
	prefilter_scan(prefilter, SLICE("hi"), &hits);
	ck_assert_uint_eq(hits.n, 0);
	prefilter_scan(prefilter, SLICE("HIS"), &hits);
	ck_assert_uint_eq(hits.n, 1);
	ck_assert(is_hit(2));
	prefilter_scan(prefilter, SLICE(""), &hits);
	ck_assert_uint_eq(hits.n, 0);
	prefilter_scan(prefilter, SLICE("zzzz"), &hits);
	ck_assert(hits.n == 1 && is_hit(4));
}
END_TEST

static uint64_t state = 88172645463325252ull;

static unsigned below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % n);
}

static bool occurs(struct slice literal, struct slice line)
{
	if (literal.len > PREFILTER_LITERAL_MAX)
		literal.len = PREFILTER_LITERAL_MAX;
	for (size_t i = 0; i + literal.len <= line.len; i++) {
		if (strncasecmp(line.ptr + i, literal.ptr, literal.len) == 0)
			return true;
	}
	return false;
}

/* Random literals of few letters, so that they share beginnings, ends and everything. */
START_TEST(hits_are_those_of_a_plain_search)
{
	enum { IDS = 60 };
	struct prefilter_literal literals[IDS];
	char texts[IDS][40], line[200];
	unsigned letters = 2 + (unsigned)_i % 5;

	state += (uint64_t)_i * 7919;
	for (uint32_t i = 0; i < IDS; i++) {
		unsigned n = 1 + below(i % 10 == 0 ? 39 : 6);

		for (unsigned k = 0; k < n; k++)
			texts[i][k] = (char)((below(2) ? 'a' : 'A') + (char)below(letters));
		literals[i] = (struct prefilter_literal){ i, { texts[i], n } };
	}
	make(literals, IDS, IDS);
	for (int round = 0; round < 50; round++) {
		struct slice text = { line, below(sizeof(line)) };

		for (size_t k = 0; k < text.len; k++)
			line[k] = below(9) ? (char)((below(2) ? 'a' : 'A') + (char)below(letters))
					   : (char)below(256);
		/* strncasecmp() would stop there. */
		for (size_t k = 0; k < text.len; k++)
			line[k] = line[k] ? line[k] : 'a';
		prefilter_scan(prefilter, text, &hits);
		for (uint32_t i = 0; i < IDS; i++)
			ck_assert_msg(is_hit(i) == occurs(literals[i].text, text),
				      "\"" SLICE_FMT "\" in \"" SLICE_FMT "\"",
				      SLICE_ARG(literals[i].text), SLICE_ARG(text));
	}
}
END_TEST

START_TEST(every_byte_may_be_in_a_literal)
{
	struct prefilter_literal literals[256];
	char bytes[256];

	for (uint32_t i = 0; i < 256; i++) {
		bytes[i] = (char)i;
		literals[i] = (struct prefilter_literal){ i, { &bytes[i], 1 } };
	}
	make(literals, 256, 256);
	for (uint32_t i = 0; i < 256; i++) {
		prefilter_scan(prefilter, (struct slice){ &bytes[i], 1 }, &hits);
		ck_assert(is_hit(i));
		ck_assert_uint_eq(hits.n, (i | 0x20) >= 'a' && (i | 0x20) <= 'z' ? 2 : 1);
	}
}
END_TEST

/* So many literals that the table would be too large: they are cut shorter, and hit no less. */
START_TEST(table_is_bounded)
{
	enum { MANY = 30000, LEN = 24 };
	struct prefilter_literal *literals = calloc(MANY, sizeof(*literals));
	char *texts = malloc((size_t)MANY * LEN);

	for (uint32_t i = 0; i < MANY; i++) {
		for (unsigned k = 0; k < LEN; k++)
			texts[i * LEN + k] = (char)(' ' + (char)below(60));
		literals[i] = (struct prefilter_literal){ i, { texts + (size_t)i * LEN, LEN } };
	}
	make(literals, MANY, MANY);
	ck_assert_uint_le(prefilter_bytes(prefilter), PREFILTER_BYTES_MAX + (8u << 20));
	for (uint32_t i = 0; i < MANY; i += 1000) {
		prefilter_scan(prefilter, literals[i].text, &hits);
		ck_assert(is_hit(i));
	}
	free(literals);
	free(texts);
}
END_TEST

START_TEST(marks_start_anew)
{
	static const struct prefilter_literal literal = { 0, SLICE("x") };

	make(&literal, 1, 1);
	prefilter_scan(prefilter, SLICE("x"), &hits);
	hits.mark = UINT32_MAX - 1;
	for (int i = 0; i < 4; i++) {
		prefilter_scan(prefilter, SLICE("x"), &hits);
		ck_assert_uint_eq(hits.n, 1);
	}
}
END_TEST

static Suite *prefilter_suite(void)
{
	Suite *suite = suite_create("prefilter");
	TCase *tcase = tcase_create("prefilter");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, literals_within_each_other_are_found);
	tcase_add_loop_test(tcase, hits_are_those_of_a_plain_search, 0, 20);
	tcase_add_test(tcase, every_byte_may_be_in_a_literal);
	tcase_add_test(tcase, table_is_bounded);
	tcase_add_test(tcase, marks_start_anew);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(prefilter_suite)
