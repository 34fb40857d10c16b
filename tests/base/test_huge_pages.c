#include "base/huge_pages.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/check_main.h"

/* Address space that begins with a huge page. */
static char *space(size_t bytes)
{
	char *at = mmap(NULL, bytes + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(at, MAP_FAILED);
	return at + (-(uintptr_t)at & (HUGE_PAGE_BYTES - 1));
}

static enum huge_step all_steps(unsigned *tried)
{
	enum huge_step step;
	*tried = 0;
	while ((step = huge_pages_step()) == HUGE_TRIED)
		++*tried;
	return step;
}

/* What the system says: how many bytes of the mappings that hold [at, at + bytes) are huge. */
static size_t huge_there(const char *at, size_t bytes)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	bool is_there = false;
	size_t huge = 0, kilobytes;
	unsigned long from, to;
	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			is_there = from < (uintptr_t)at + bytes && to > (uintptr_t)at;
		else if (is_there && sscanf(line, "AnonHugePages: %zu kB", &kilobytes) == 1)
			huge += kilobytes * 1024;
	}
	fclose(maps);
	return huge;
}

START_TEST(full_memory_becomes_huge)
{
	size_t bytes = 4 * HUGE_PAGE_BYTES;
	char *at = space(bytes);
	unsigned tried;
	huge_pages_add(at, bytes);
	/* Two full ones, one of which a little is used, one that nobody touched. */
	memset(at, 1, 2 * HUGE_PAGE_BYTES);
	memset(at + 2 * HUGE_PAGE_BYTES, 2, HUGE_PAGE_BYTES / 8 * (HUGE_EIGHTHS_MIN - 1));
	if (all_steps(&tried) != HUGE_NONE) {
		fprintf(stderr, "SKIP: this system makes no huge pages now when asked\n");
		return;
	}
	ck_assert_uint_eq(tried, 2);
	ck_assert_uint_eq(huge_pages_bytes(), 2 * HUGE_PAGE_BYTES);
	ck_assert_uint_eq(huge_there(at, bytes), 2 * HUGE_PAGE_BYTES);
	for (size_t i = 0; i < 2 * HUGE_PAGE_BYTES; i += 4096)
		ck_assert_int_eq(at[i], 1);
	/* The third is full as well now: with a hole that it may have. */
	memset(at + 2 * HUGE_PAGE_BYTES, 3, HUGE_PAGE_BYTES / 8 * HUGE_EIGHTHS_MIN);
	ck_assert_int_eq(all_steps(&tried), HUGE_NONE);
	ck_assert_uint_eq(tried, 1);
	ck_assert_uint_eq(huge_there(at, bytes), 3 * HUGE_PAGE_BYTES);
	ck_assert_int_eq(at[3 * HUGE_PAGE_BYTES - 1], 0);
}
END_TEST

START_TEST(pages_given_back_are_known)
{
	size_t bytes = 3 * HUGE_PAGE_BYTES;
	char *at = space(bytes), *middle = at + HUGE_PAGE_BYTES + 4096;
	unsigned tried;
	memset(at, 1, bytes);
	huge_pages_add(at, bytes);
	if (all_steps(&tried) != HUGE_NONE)
		return;
	ck_assert_uint_eq(tried, 3);
	ck_assert_int_eq(madvise(middle, HUGE_PAGE_BYTES / 2, MADV_DONTNEED), 0);
	huge_pages_forget(middle, HUGE_PAGE_BYTES / 2);
	ck_assert_uint_eq(huge_pages_bytes(), 2 * HUGE_PAGE_BYTES);
	ck_assert_int_eq(all_steps(&tried), HUGE_NONE);
	ck_assert_uint_eq(tried, 0);
	memset(middle, 2, HUGE_PAGE_BYTES / 2);
	ck_assert_int_eq(all_steps(&tried), HUGE_NONE);
	ck_assert_uint_eq(tried, 1);
	/* Over an edge: of two. */
	huge_pages_forget(at + HUGE_PAGE_BYTES - 1, 2);
	ck_assert_uint_eq(huge_pages_bytes(), HUGE_PAGE_BYTES);
	/* What is known to nobody. */
	huge_pages_forget(at - 1, 1);
	huge_pages_forget(at + bytes, 1);
	ck_assert_uint_eq(huge_pages_bytes(), HUGE_PAGE_BYTES);
}
END_TEST

START_TEST(areas_beyond_the_limit_stay)
{
	char *at = space(HUGE_PAGE_BYTES);
	unsigned tried;
	memset(at, 1, HUGE_PAGE_BYTES);
	for (int i = 0; i < HUGE_AREAS_MAX; i++)
		huge_pages_add(space(HUGE_PAGE_BYTES), HUGE_PAGE_BYTES);
	huge_pages_add(at, HUGE_PAGE_BYTES);
	ck_assert_int_ne(all_steps(&tried), HUGE_TRIED);
	ck_assert_uint_eq(tried, 0);
	ck_assert_uint_eq(huge_there(at, HUGE_PAGE_BYTES), 0);
}
END_TEST

static Suite *huge_pages_suite(void)
{
	Suite *suite = suite_create("huge_pages");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, full_memory_becomes_huge);
	tcase_add_test(tcase, pages_given_back_are_known);
	tcase_add_test(tcase, areas_beyond_the_limit_stay);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(huge_pages_suite)
