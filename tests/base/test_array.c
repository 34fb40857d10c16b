#include "base/array.h"
#include "base/slabs.h"

#include "tests/check_main.h"

START_TEST(array_grows_by_one_and_keeps_what_it_holds)
{
	uint64_t *items = NULL;
	uint32_t cap = 0;
	for (uint32_t n = 0; n < 1000; n++) {
		ck_assert(ARRAY_RESERVE(&items, n, &cap));
		ck_assert_uint_gt(cap, n);
		items[n] = n;
	}
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(items[i], i);
	ck_assert_uint_eq(cap, 1024);
	free(items);
}
END_TEST

START_TEST(array_that_has_room_stays)
{
	char *items = NULL;
	size_t cap = 0;
	ck_assert(ARRAY_RESERVE(&items, (size_t)0, &cap));
	char *before = items;
	ck_assert_uint_eq(cap, 16);
	ck_assert(ARRAY_RESERVE(&items, (size_t)15, &cap));
	ck_assert_ptr_eq(items, before);
	ck_assert_uint_eq(cap, 16);
	free(items);
}
END_TEST

/* A count that would not fit, and a size that there is not. */
START_TEST(array_too_large_is_refused)
{
	char small = 'x', *items = &small;
	uint32_t cap = UINT32_MAX / 2 + 1;
	ck_assert(!ARRAY_RESERVE(&items, cap, &cap));
	ck_assert_uint_eq(cap, UINT32_MAX / 2 + 1);
	size_t much = SIZE_MAX / 2 + 1;
	ck_assert(!ARRAY_RESERVE(&items, much, &much));
	ck_assert_uint_eq(much, SIZE_MAX / 2 + 1);
	ck_assert_ptr_eq(items, &small);
}
END_TEST

START_TEST(slabs_grow_and_nothing_moves)
{
	struct slabs slabs = { .slabs = NULL };
	uint64_t *first = NULL;
	for (uint32_t n = 0; n < 20 * SLAB_ITEMS; n++) {
		ck_assert(slabs_reserve(&slabs, n, sizeof(uint64_t)));
		*SLABS_AT(&slabs, uint64_t, n) = n;
		if (n == 0)
			first = SLABS_AT(&slabs, uint64_t, 0);
	}
	ck_assert_ptr_eq(first, SLABS_AT(&slabs, uint64_t, 0));
	ck_assert_uint_eq((uintptr_t)first % SLAB_ALIGNMENT, 0);
	for (uint32_t i = 0; i < 20 * SLAB_ITEMS; i++)
		ck_assert_uint_eq(*SLABS_AT(&slabs, uint64_t, i), i);
	ck_assert_uint_eq(slabs_bytes(&slabs, sizeof(uint64_t)), 20 * SLAB_ITEMS * 8);
	slabs_fini(&slabs);
	ck_assert_uint_eq(slabs.n, 0);
}
END_TEST

static Suite *array_suite(void)
{
	Suite *suite = suite_create("array");
	TCase *tcase = tcase_create("array");
	tcase_add_test(tcase, array_grows_by_one_and_keeps_what_it_holds);
	tcase_add_test(tcase, array_that_has_room_stays);
	tcase_add_test(tcase, array_too_large_is_refused);
	tcase_add_test(tcase, slabs_grow_and_nothing_moves);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(array_suite)
