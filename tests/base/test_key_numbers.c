#include "base/key_numbers.h"

#include "base/error.h"
#include "tests/check_main.h"

/* Many have a slot in common. */
static struct hash128 key_of(uint32_t i)
{
	return (struct hash128){ .lo = i % 7, .hi = i };
}

static void add(struct key_numbers *numbers, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		ck_assert_uint_eq(key_numbers_find(numbers, key_of(i)), KEY_NUMBER_NONE);
		ck_assert_int_eq(key_numbers_add(numbers, key_of(i), to), 0);
	}
	key_numbers_check(numbers);
}

START_TEST(keys_are_numbered_in_the_order_they_come)
{
	struct key_numbers numbers = { 0 };
	key_numbers_check(&numbers);
	add(&numbers, 0, 3000);
	for (uint32_t i = 0; i < 3000; i++)
		ck_assert_uint_eq(key_numbers_find(&numbers, key_of(i)), i);
	key_numbers_fini(&numbers);
	key_numbers_check(&numbers);
}
END_TEST

START_TEST(more_than_wanted_are_refused)
{
	struct key_numbers numbers = { 0 };
	add(&numbers, 0, 10);
	ck_assert_int_eq(key_numbers_add(&numbers, key_of(10), 10), ERR_LIMIT);
	ck_assert_uint_eq(key_numbers_find(&numbers, key_of(10)), KEY_NUMBER_NONE);
	ck_assert_int_eq(key_numbers_add(&numbers, key_of(10), 11), 0);
	key_numbers_check(&numbers);
	key_numbers_fini(&numbers);
}
END_TEST

static bool is_even(void *ctx, uint32_t number, uint32_t then)
{
	ck_assert_uint_eq(*(uint32_t *)ctx, number);
	ck_assert_uint_eq(then, (number + 1) / 2);
	++*(uint32_t *)ctx;
	return number % 2 == 0;
}

START_TEST(those_that_stay_are_numbered_anew)
{
	struct key_numbers numbers = { 0 };
	uint32_t asked = 0;
	key_numbers_filter(&numbers, is_even, &asked);
	ck_assert_uint_eq(asked, 0);
	add(&numbers, 0, 1001);
	key_numbers_filter(&numbers, is_even, &asked);
	ck_assert_uint_eq(asked, 1001);
	ck_assert_uint_eq(numbers.n, 501);
	key_numbers_check(&numbers);
	for (uint32_t i = 0; i < 1001; i++)
		ck_assert_uint_eq(key_numbers_find(&numbers, key_of(i)),
				  i % 2 ? KEY_NUMBER_NONE : i / 2);
	add(&numbers, 1001, 1100);
	ck_assert_uint_eq(key_numbers_find(&numbers, key_of(1001)), 501);
	key_numbers_fini(&numbers);
}
END_TEST

static Suite *key_numbers_suite(void)
{
	Suite *suite = suite_create("key_numbers");
	TCase *tcase = tcase_create("key_numbers");
	tcase_add_test(tcase, keys_are_numbered_in_the_order_they_come);
	tcase_add_test(tcase, more_than_wanted_are_refused);
	tcase_add_test(tcase, those_that_stay_are_numbered_anew);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(key_numbers_suite)
