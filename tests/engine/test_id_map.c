/* The map of ids. */
#include "engine/id_map.h"
#include "tests/check_main.h"

/* Few keys, and so many that the map comes to be in parts. */
static const uint32_t keys_of[] = { 512, 4 * ID_MAP_WHOLE_MAX };

START_TEST(id_map_finds_what_was_put)
{
	struct id_map map = { .slots = NULL };
	const uint32_t keys = keys_of[_i];
	uint32_t *values = malloc(keys * sizeof(*values)), state = 1, n = 0, bad = 0;
	memset(values, 0xff, keys * sizeof(*values));
	ck_assert_uint_eq(id_map_find(&map, 1), ID_MAP_NONE);
	id_map_remove(&map, 1);
	for (uint32_t i = 0; i < 4 * keys + 100000; i++) {
		state = state * 1664525 + 1013904223;
		uint32_t key = (state >> 8) % keys;
		n += (state >> 30 != 0) - (values[key] != ID_MAP_NONE);
		if (state >> 30) {
			values[key] = state >> 4;
			bad += !id_map_put(&map, key, values[key]);
		} else {
			values[key] = ID_MAP_NONE;
			id_map_remove(&map, key);
		}
		key = (state >> 12) % keys;
		bad += id_map_find(&map, key) != values[key];
	}
	ck_assert_uint_eq(id_map_count(&map), n);
	ck_assert(!map.parts == (keys < ID_MAP_WHOLE_MAX));
	for (uint32_t key = 0; key < keys; key++)
		bad += id_map_find(&map, key) != values[key];
	ck_assert_uint_eq(bad, 0); /* an assertion of each would take most of the time */
	id_map_fini(&map);
	ck_assert_uint_eq(id_map_count(&map), 0);
	free(values);
}
END_TEST

static Suite *id_map_suite(void)
{
	Suite *suite = suite_create("id_map");
	TCase *tcase = tcase_create("id_map");
	tcase_add_loop_test(tcase, id_map_finds_what_was_put, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(id_map_suite)
