#include "base/arena.h"

#include <stdint.h>

#include "tests/check_main.h"

START_TEST(arena_hands_out_zeroed_aligned_memory)
{
	struct arena arena;

	arena_init(&arena, 0);
	for (size_t size = 0; size < 3000; size += 7) {
		unsigned char *p = arena_alloc(&arena, size);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			ck_assert_uint_eq(p[i], 0);
		memset(p, 0xAA, size);
		arena_check(&arena);
	}
	arena_fini(&arena);
	arena_check(&arena);
}
END_TEST

START_TEST(arena_keeps_to_its_limit)
{
	struct arena arena;

	arena_init(&arena, 100);
	ck_assert_ptr_nonnull(arena_alloc(&arena, 64));
	ck_assert_ptr_null(arena_alloc(&arena, 64));
	ck_assert_ptr_nonnull(arena_alloc(&arena, 32));
	ck_assert_uint_eq(arena.used, 96);
	ck_assert_ptr_null(arena_alloc(&arena, 5)); /* counts as 16 */
	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
	arena_check(&arena);
	arena_clear(&arena);
	ck_assert_ptr_nonnull(arena_alloc(&arena, 64));
	arena_fini(&arena);
}
END_TEST

START_TEST(arena_clear_zeroes_what_it_keeps)
{
	struct arena arena;

	arena_init(&arena, 0);
	for (int i = 0; i < 100; i++)
		memset(arena_alloc(&arena, 1000), 0xAA, 1000);
	arena_clear(&arena);
	arena_check(&arena);
	ck_assert_uint_eq(arena.used, 0);
	unsigned char *p = arena_alloc(&arena, 1000);

	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(p[i], 0);
	arena_clear(&arena);
	arena_fini(&arena);
	arena_fini(&arena);
	ck_assert_ptr_nonnull(arena_alloc(&arena, 1));
	arena_fini(&arena);
}
END_TEST

START_TEST(arena_array_minds_overflow)
{
	struct arena arena;

	arena_init(&arena, 0);
	ck_assert_ptr_null(ARENA_ARRAY(&arena, uint64_t, SIZE_MAX / 4));
	uint64_t *numbers = ARENA_ARRAY(&arena, uint64_t, 1000);

	ck_assert_uint_eq(numbers[999], 0);
	arena_fini(&arena);
}
END_TEST

START_TEST(arena_copies_text)
{
	struct arena arena;

	arena_init(&arena, 64);
	ck_assert_str_eq(arena_strdup(&arena, (struct slice){ "abcd", 3 }), "abc");
	ck_assert(slice_is(arena_slice(&arena, SLICE("xyz")), "xyz"));
	ck_assert_str_eq(arena_printf(&arena, "%d-%s", 7, "up"), "7-up");
	ck_assert_ptr_null(arena_printf(&arena, "%100d", 7));
	ck_assert_ptr_null(arena_slice(&arena, SLICE("a text that is too long for the limit")).ptr);
	arena_fini(&arena);
}
END_TEST

/* Chunks double up to a MiB: no piece of memory that stands in one is longer. */
START_TEST(arena_takes_memory_in_chunks_of_a_bounded_size)
{
	enum { PIECE = 16 * 1024, PIECES = 600, CHUNK = 1024 * 1024 };
	struct arena arena;
	char *end = NULL;
	size_t run = 0, longest = 0;

	arena_init(&arena, 0);
	for (int i = 0; i < PIECES; i++) {
		char *at = arena_alloc(&arena, PIECE);

		run = at == end ? run + PIECE : PIECE;
		longest = run > longest ? run : longest;
		end = at + PIECE;
	}
	ck_assert_uint_eq(longest, CHUNK);
	/* What is larger has one of its own. */
	char *large = arena_alloc(&arena, 3 * CHUNK);

	ck_assert_ptr_nonnull(large);
	large[3 * CHUNK - 1] = 'x';
	arena_check(&arena);
	arena_fini(&arena);
}
END_TEST

static Suite *arena_suite(void)
{
	Suite *suite = suite_create("arena");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, arena_hands_out_zeroed_aligned_memory);
	tcase_add_test(tcase, arena_keeps_to_its_limit);
	tcase_add_test(tcase, arena_clear_zeroes_what_it_keeps);
	tcase_add_test(tcase, arena_array_minds_overflow);
	tcase_add_test(tcase, arena_copies_text);
	tcase_add_test(tcase, arena_takes_memory_in_chunks_of_a_bounded_size);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(arena_suite)
