/* The map of ids. */
#include "engine/id_map.h"
#include "tests/check_main.h"

START_TEST(id_map_finds_what_was_put)
{
	struct id_map map = { .slots = NULL };
	uint32_t values[512], state = 1;
	memset(values, 0xff, sizeof(values));
	ck_assert_uint_eq(id_map_find(&map, 1), ID_MAP_NONE);
	id_map_remove(&map, 1);
	for (int i = 0; i < 100000; i++) {
		state = state * 1664525 + 1013904223;
		uint32_t key = (state >> 8) % 512;
		if (state >> 30) {
			values[key] = state >> 4;
			ck_assert(id_map_put(&map, key, values[key]));
		} else {
			values[key] = ID_MAP_NONE;
			id_map_remove(&map, key);
		}
		key = (state >> 12) % 512;
		ck_assert_uint_eq(id_map_find(&map, key), values[key]);
	}
	for (uint32_t key = 0; key < 512; key++)
		ck_assert_uint_eq(id_map_find(&map, key), values[key]);
	id_map_fini(&map);
}
END_TEST

static Suite *id_map_suite(void)
{
	Suite *suite = suite_create("id_map");
	TCase *tcase = tcase_create("id_map");
	tcase_add_test(tcase, id_map_finds_what_was_put);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(id_map_suite)
