#include "storage/key_table.h"

#include "tests/check_main.h"

enum { KEYS = 3000 };

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

/* Keys of one part only, with few different places: long runs, and runs that go round the end. */
static struct hash128 key_of(uint32_t i)
{
	return (struct hash128){ .lo = i % 7 * 0x0fffffff + (uint64_t)i * 0x100000000, .hi = i };
}

START_TEST(key_table_agrees_with_model)
{
	static uint32_t model[KEYS];
	struct key_table table;
	key_table_init(&table, KEYS);
	for (int step = 0; step < 20000; step++) {
		uint32_t i = random_below(KEYS), what = KEY_IGNORED + random_below(5);
		if (model[i] && random_below(2)) {
			key_table_remove(&table, key_of(i));
			model[i] = KEY_UNKNOWN;
		} else {
			ck_assert(key_table_reserve(&table, key_of(i)));
			key_table_set(&table, key_of(i), what);
			model[i] = what;
		}
		i = random_below(KEYS);
		ck_assert_uint_eq(key_table_find(&table, key_of(i)), model[i]);
		if (step % 500 == 0)
			key_table_check(&table);
	}
	size_t n = 0;
	for (uint32_t i = 0; i < KEYS; i++) {
		ck_assert_uint_eq(key_table_find(&table, key_of(i)), model[i]);
		n += model[i] != KEY_UNKNOWN;
	}
	ck_assert_uint_eq(table.n, n);
	ck_assert_uint_eq(table.evicted, 0);
	key_table_fini(&table);
}
END_TEST

START_TEST(key_table_limits_ignored_keys)
{
	struct key_table table;
	key_table_init(&table, 100);
	for (uint32_t i = 0; i < 5000; i++) {
		struct hash128 key = { i, (uint64_t)i << 50 };
		struct hash128 kept = { i, ~(uint64_t)i << 50 };
		ck_assert(key_table_reserve(&table, key));
		key_table_set(&table, key, KEY_IGNORED);
		ck_assert(key_table_reserve(&table, kept));
		key_table_set(&table, kept, KEY_ROW + i);
		ck_assert_uint_le(table.ignored, 100);
	}
	key_table_check(&table);
	ck_assert_uint_eq(table.evicted, 4900);
	ck_assert_uint_eq(table.n, 5100); /* what leads to a series stays */
	key_table_fini(&table);

	key_table_init(&table, 0); /* none is remembered */
	key_table_set(&table, (struct hash128){ 1, 1 }, KEY_IGNORED);
	ck_assert_uint_eq(table.n, 0);
	key_table_fini(&table);
}
END_TEST

static struct hash128 spread_key(uint32_t i)
{
	return (struct hash128){ .lo = i, .hi = (uint64_t)i << 56 | i };
}

static void ignore(struct key_table *table, struct hash128 key)
{
	ck_assert(key_table_reserve(table, key));
	key_table_set(table, key, KEY_IGNORED);
}

/* All were asked for, so that the hand goes round twice; and none comes in meanwhile. */
START_TEST(key_table_shrinks_in_pieces)
{
	enum { MANY = 200000, FEW = 1000, STEPS = 2000 };
	struct key_table table;
	int64_t steps;
	int pieces = 1;
	key_table_init(&table, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		ignore(&table, spread_key(i));
		key_table_find(&table, spread_key(i));
	}
	key_table_ignored_max_set(&table, FEW);
	ck_assert_uint_eq(table.ignored, MANY);
	for (; steps = STEPS, !key_table_evict(&table, &steps); pieces++) {
		size_t before = table.ignored;
		ck_assert_int_eq(steps, 0);
		ignore(&table, spread_key(MANY + (uint32_t)pieces));
		ck_assert_uint_le(before - table.ignored, KEY_EVICT_STEPS_MAX);
		if (pieces % 16 == 0)
			key_table_check(&table);
	}
	ck_assert_int_gt(steps, 0);
	ck_assert_uint_eq(table.ignored, FEW);
	ck_assert_uint_ge(table.evicted, MANY - FEW);
	ck_assert_int_gt(pieces, MANY / (STEPS + KEY_EVICT_STEPS_MAX));
	key_table_check(&table);
	key_table_fini(&table);
}
END_TEST

/* A new key is no reason to look at all others, where these were all asked for lately. */
START_TEST(key_table_looks_at_few_to_make_room)
{
	enum { FULL = 20000 };
	struct key_table table;
	uint32_t next = FULL, forgotten = 0;
	key_table_init(&table, FULL);
	for (uint32_t i = 0; i < FULL; i++) {
		ignore(&table, spread_key(i));
		key_table_find(&table, spread_key(i));
	}
	while (ignore(&table, spread_key(next)),
	       key_table_find(&table, spread_key(next)) == KEY_UNKNOWN)
		forgotten++, next++;
	/* Until the hand came round: at least each second slot has a key. */
	ck_assert_uint_ge(forgotten, FULL / KEY_EVICT_STEPS_MAX);
	ck_assert_uint_le(forgotten, 3 * FULL / KEY_EVICT_STEPS_MAX + 1);
	ck_assert_uint_eq(table.ignored, FULL);
	ck_assert_uint_eq(table.evicted, 1);
	key_table_check(&table);
	key_table_fini(&table);
}
END_TEST

START_TEST(key_table_forgets_past_epochs)
{
	struct key_table table;
	struct hash128 a = { 1, 1 }, b = { 2, 2 };
	key_table_init(&table, 2);
	ck_assert(!key_table_epoch_raise(&table));
	ck_assert(key_table_reserve(&table, a));
	key_table_set(&table, a, KEY_IGNORED);
	ck_assert_uint_eq(key_table_find(&table, a), KEY_IGNORED);
	ck_assert(key_table_epoch_raise(&table));
	ck_assert(!key_table_epoch_raise(&table));
	ck_assert_uint_eq(key_table_find(&table, a), KEY_UNKNOWN);
	ck_assert(key_table_reserve(&table, b));
	key_table_set(&table, b, KEY_IGNORED);
	key_table_set(&table, a, KEY_ROW + 5); /* in its old slot */
	key_table_check(&table);
	ck_assert_uint_eq(table.n, 2);
	ck_assert_uint_eq(key_table_find(&table, a), KEY_ROW + 5);
	ck_assert_uint_eq(key_table_find(&table, b), KEY_IGNORED);
	key_table_fini(&table);
}
END_TEST

static Suite *key_table_suite(void)
{
	Suite *suite = suite_create("key table");
	TCase *tcase = tcase_create("key table");
	tcase_add_test(tcase, key_table_agrees_with_model);
	tcase_add_test(tcase, key_table_limits_ignored_keys);
	tcase_add_test(tcase, key_table_shrinks_in_pieces);
	tcase_add_test(tcase, key_table_looks_at_few_to_make_room);
	tcase_add_test(tcase, key_table_forgets_past_epochs);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(key_table_suite)
