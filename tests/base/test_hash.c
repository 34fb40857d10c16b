#include "base/hash.h"

#include <stdio.h>
#include <xxhash.h>

#include "tests/check_main.h"

#define COLLISION_BYTES 392

/* Reads one of the two texts that collide under unkeyed XXH3. False when they are not at hand. */
static bool read_collision(const char *name, char bytes[COLLISION_BYTES])
{
	const char *srcdir = getenv("TOCSIN_SRCDIR");
	char path[4096];

	snprintf(path, sizeof(path), "%s/../shared/conformance/xxh3/%s", srcdir ? srcdir : ".",
		 name);
	FILE *file = fopen(path, "rb");

	if (!file) {
		printf("SKIP: %s is not there\n", path);
		return false;
	}
	size_t n = fread(bytes, 1, COLLISION_BYTES, file);

	fclose(file);
	ck_assert_uint_eq(n, COLLISION_BYTES);
	return true;
}

START_TEST(hash_keyed_tells_known_collisions_apart)
{
	char a[COLLISION_BYTES], b[COLLISION_BYTES];

	if (!read_collision("a.bin", a) || !read_collision("b.bin", b))
		return;
	ck_assert_mem_ne(a, b, COLLISION_BYTES);
	/* The premise: without a key they are one. */
	ck_assert(XXH128_isEqual(XXH3_128bits(a, sizeof(a)), XXH3_128bits(b, sizeof(b))));
	for (int i = 0; i < 100; i++) {
		struct hash_key key;

		ck_assert_int_eq(hash_key_init(&key), 0);
		ck_assert(!hash128_is_equal(hash_keyed128(&key, a, sizeof(a)),
					    hash_keyed128(&key, b, sizeof(b))));
		ck_assert_uint_ne(hash_keyed64(&key, a, sizeof(a)),
				  hash_keyed64(&key, b, sizeof(b)));
	}
}
END_TEST

START_TEST(hash_keys_differ)
{
	struct hash_key one, two;

	ck_assert_int_eq(hash_key_init(&one), 0);
	ck_assert_int_eq(hash_key_init(&two), 0);
	ck_assert_mem_ne(&one, &two, sizeof(one));
	for (size_t n = 0; n < 300; n++) {
		char text[300] = "text";

		ck_assert(!hash128_is_equal(hash_keyed128(&one, text, n),
					    hash_keyed128(&two, text, n)));
		ck_assert(hash128_is_equal(hash_keyed128(&one, text, n),
					   hash_keyed128(&one, text, n)));
		ck_assert_uint_ne(hash_keyed64(&one, text, n), hash_keyed64(&two, text, n));
	}
}
END_TEST

START_TEST(hash_key_derive_is_stable)
{
	struct hash_key one, two, other;

	hash_key_derive(&one, "store", 5);
	hash_key_derive(&two, "store", 5);
	hash_key_derive(&other, "storf", 5);
	ck_assert_mem_eq(&one, &two, sizeof(one));
	ck_assert_mem_ne(&one, &other, sizeof(one));
	/* printf '\0store' | sha256sum: stored identity depends on it. */
	ck_assert_mem_eq(one.secret, "\x6a\x93\xfe\x8a", 4);
	/* Blocks differ. */
	ck_assert_mem_ne(one.secret, one.secret + 32, 32);
}
END_TEST

START_TEST(hash_fnv1a64_is_fnv)
{
	ck_assert_uint_eq(hash_fnv1a64(FNV1A64_INIT, "", 0), 0xcbf29ce484222325ull);
	ck_assert_uint_eq(hash_fnv1a64(FNV1A64_INIT, "a", 1), 0xaf63dc4c8601ec8cull);
	ck_assert_uint_eq(hash_fnv1a64(FNV1A64_INIT, "foobar", 6), 0x85944171f73967e8ull);
	ck_assert_uint_eq(hash_checksum("abc", 3), XXH3_64bits("abc", 3));
}
END_TEST

static Suite *hash_suite(void)
{
	Suite *suite = suite_create("hash");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, hash_keyed_tells_known_collisions_apart);
	tcase_add_test(tcase, hash_keys_differ);
	tcase_add_test(tcase, hash_key_derive_is_stable);
	tcase_add_test(tcase, hash_fnv1a64_is_fnv);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(hash_suite)
