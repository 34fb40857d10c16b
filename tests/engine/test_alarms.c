/* Alarms against a plain list of times, for random changes. */
#include "engine/alarms.h"

#include <stdlib.h>

#include "base/text.h"
#include "tests/check_main.h"

#define IDS 200
#define ROUNDS 20000

static int64_t at_ms[IDS];

static int64_t earliest(void)
{
	int64_t least_ms = TIME_NONE;
	for (uint32_t id = 0; id < IDS; id++)
		if (at_ms[id] != TIME_NONE && (least_ms == TIME_NONE || at_ms[id] < least_ms))
			least_ms = at_ms[id];
	return least_ms;
}

START_TEST(earliest_is_known_whatever_is_set_and_taken)
{
	struct alarms alarms = { .items = NULL };
	uint32_t id, taken = 0;
	srand(1);
	for (uint32_t i = 0; i < IDS; i++)
		at_ms[i] = TIME_NONE;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		id = (uint32_t)rand() % IDS;
		int64_t now_ms = rand() % 1000;
		if (rand() % 4 == 0 && alarms_take(&alarms, now_ms, &id)) {
			ck_assert_int_eq(at_ms[id], earliest());
			ck_assert_int_le(at_ms[id], now_ms);
			at_ms[id] = TIME_NONE;
			taken++;
		} else {
			at_ms[id] = rand() % 8 ? rand() % 1000 : TIME_NONE;
			ck_assert_int_eq(alarms_set(&alarms, id, at_ms[id]), 0);
			ck_assert_int_eq(alarms_get(&alarms, id), at_ms[id]);
		}
		alarms_check(&alarms);
		ck_assert_int_eq(alarms_next_ms(&alarms), earliest());
	}
	ck_assert_uint_gt(taken, 1000);
	while (alarms_take(&alarms, 1000, &id))
		at_ms[id] = TIME_NONE;
	ck_assert_int_eq(earliest(), TIME_NONE);
	alarms_fini(&alarms);
}
END_TEST

START_TEST(nothing_is_set_at_first)
{
	struct alarms alarms = { .items = NULL };
	uint32_t id;
	ck_assert_int_eq(alarms_next_ms(&alarms), TIME_NONE);
	ck_assert_int_eq(alarms_get(&alarms, 7), TIME_NONE);
	ck_assert(!alarms_take(&alarms, INT64_MAX, &id));
	ck_assert_int_eq(alarms_set(&alarms, 7, TIME_NONE), 0);
	ck_assert_ptr_null(alarms.items);
	alarms_fini(&alarms);
}
END_TEST

static Suite *alarms_suite(void)
{
	Suite *suite = suite_create("alarms");
	TCase *tc = tcase_create("alarms");
	tcase_add_test(tc, nothing_is_set_at_first);
	tcase_add_test(tc, earliest_is_known_whatever_is_set_and_taken);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(alarms_suite)
