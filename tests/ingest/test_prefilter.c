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
		{ 0, SLICE("here") },	   { 1, SLICE("There") },  { 2, SLICE("his one") },
		{ 3, SLICE("hereafter") }, { 4, SLICE("eafter") }, { 4, SLICE("zzzzz") },
		{ 5, SLICE("here") },
	};

	make(literals, 7, 6);
	prefilter_scan(prefilter, SLICE("thereafter"), &hits);
	ck_assert_uint_eq(hits.n, 5);
	ck_assert(is_hit(0) && is_hit(1) && is_hit(3) && is_hit(4) && is_hit(5));
	prefilter_scan(prefilter, SLICE("her"), &hits);
	ck_assert_uint_eq(hits.n, 0);
	prefilter_scan(prefilter, SLICE("HIS ONE"), &hits);
	ck_assert_uint_eq(hits.n, 1);
	ck_assert(is_hit(2));
	prefilter_scan(prefilter, SLICE(""), &hits);
	ck_assert_uint_eq(hits.n, 0);
	prefilter_scan(prefilter, SLICE("zzzzzz"), &hits);
	ck_assert(hits.n == 1 && is_hit(4));
	/* What is the same with a bit more is not the same. */
	prefilter_scan(prefilter, SLICE("HIS\0ONE"), &hits);
	ck_assert_uint_eq(hits.n, 0);
}
END_TEST

/* (?i) has letters outside of ASCII. */
START_TEST(short_foreign_literals_are_hit_by_any_foreign_line)
{
	static const struct prefilter_literal literals[] = { { 0, SLICE("disk") },
							     { 0, SLICE("\xc5\xbf") },
							     { 1, SLICE("other text") } };
	char line[32];

	ck_assert(!prefilter_takes(SLICE("abc")));
	ck_assert(prefilter_takes(SLICE("abcd")));
	make(literals, 3, 2);
	for (size_t len = 1; len < sizeof(line); len++) {
		for (size_t at = 0; at < len; at++) {
			memset(line, 'x', len);
			prefilter_scan(prefilter, (struct slice){ line, len }, &hits);
			ck_assert_uint_eq(hits.n, 0);
			line[at] = (char)0xc5;
			prefilter_scan(prefilter, (struct slice){ line, len }, &hits);
			ck_assert(hits.n == 1 && is_hit(0));
		}
	}
}
END_TEST

/* At any place, with any stride. */
START_TEST(every_place_is_looked_at)
{
	static const char text[] = "abcdefghij";
	struct prefilter_literal literal = { 0, { text, (size_t)_i } };
	char line[48];

	make(&literal, 1, 1);
	for (size_t at = 0; at + literal.text.len <= sizeof(line); at++) {
		memset(line, '-', sizeof(line));
		memcpy(line + at, text, literal.text.len);
		prefilter_scan(prefilter, (struct slice){ line, at + literal.text.len }, &hits);
		ck_assert_uint_eq(hits.n, 1);
		prefilter_scan(prefilter, (struct slice){ line, sizeof(line) }, &hits);
		ck_assert_uint_eq(hits.n, 1);
		prefilter_scan(prefilter, (struct slice){ line, at + literal.text.len - 1 }, &hits);
		ck_assert_uint_eq(hits.n, 0);
	}
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
		unsigned n = 4 + below(i % 10 == 0 ? 36 : 5);

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

/* Grams are chosen so that what many literals have in common does not make each look dear. */
START_TEST(common_parts_are_nobody_s_mark)
{
	enum { MANY = 2000 };
	struct prefilter_literal *literals = calloc(MANY, sizeof(*literals));
	char(*texts)[64] = calloc(MANY, sizeof(*texts));

	for (uint32_t i = 0; i < MANY; i++) {
		int n = snprintf(texts[i], sizeof(*texts), "Failed password for user%05u from",
				 i * 7);

		literals[i] = (struct prefilter_literal){ i, { texts[i], (size_t)n } };
	}
	make(literals, MANY, MANY);
	ck_assert_uint_lt(prefilter_worst(prefilter), MANY / 4);
	for (uint32_t i = 0; i < MANY; i += 100) {
		prefilter_scan(prefilter, literals[i].text, &hits);
		ck_assert(hits.n == 1 && is_hit(i));
	}
	free(literals);
	free(texts);
}
END_TEST

START_TEST(marks_start_anew)
{
	static const struct prefilter_literal literal = { 0, SLICE("xxxx") };

	make(&literal, 1, 1);
	prefilter_scan(prefilter, SLICE("xxxx"), &hits);
	hits.mark = UINT32_MAX - 1;
	for (int i = 0; i < 4; i++) {
		prefilter_scan(prefilter, SLICE("xxxx"), &hits);
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
	tcase_add_test(tcase, short_foreign_literals_are_hit_by_any_foreign_line);
	tcase_add_loop_test(tcase, every_place_is_looked_at, 4, 11);
	tcase_add_test(tcase, common_parts_are_nobody_s_mark);
	tcase_add_test(tcase, marks_start_anew);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(prefilter_suite)
