#include "tests/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "daemon/rule_copies.h"

static char dir[] = "/tmp/tocsin-rule-copies-XXXXXX";
static struct rule_copies copies;
static struct diag_list diags;

static void start(void)
{
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	rule_copies_init(&copies);
	diag_list_init(&diags);
}

static void stop(void)
{
	char command[128];

	rule_copies_fini(&copies);
	diag_list_fini(&diags);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static const char *path_of(const char *name)
{
	static char paths[4][256];
	static unsigned at;

	at = (at + 1) % 4;
	snprintf(paths[at], sizeof(paths[at]), "%s/%s", dir, name);
	return paths[at];
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void read_two(void)
{
	put("a.yml", "groups: []\n");
	put("b.yml", "");
	const char *const paths[] = { path_of("a.yml"), path_of("b.yml"), path_of("a.yml") };

	ck_assert_int_eq(rule_copies_read(&copies, paths, 3, &diags), 0);
	ck_assert_uint_eq(copies.n, 2);
}

START_TEST(copies_come_back_as_they_were)
{
	struct rule_copies again;
	char *why = NULL;

	read_two();
	ck_assert_int_eq(rule_copies_save(&copies, dir, &why), 0);
	rule_copies_init(&again);
	ck_assert_int_eq(rule_copies_load(&again, dir, &why), 0);
	ck_assert_uint_eq(again.n, 2);
	ck_assert_uint_eq(again.bytes, copies.bytes);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_str_eq(again.files[i].path, copies.files[i].path);
		ck_assert(slice_is_equal(again.files[i].text, copies.files[i].text));
	}
	rule_copies_fini(&again);
}
END_TEST

START_TEST(files_that_cannot_be_read_are_all_told)
{
	const char *const paths[] = { path_of("none"), dir, path_of("neither") };

	ck_assert_int_eq(rule_copies_read(&copies, paths, 3, &diags), ERR_INVALID);
	ck_assert_uint_eq(diags.errors, 3);
}
END_TEST

/* Whatever byte is another one, or missing: it is said, and nothing is taken. */
START_TEST(copies_that_are_damaged_are_refused)
{
	struct rule_copies again;
	struct buf good;

	read_two();
	buf_init(&good);
	ck_assert_int_eq(rule_copies_format(&copies, &good), 0);
	for (size_t i = 0; i < 2 * good.len; i++) {
		char *bytes = slice_dup(buf_slice(&good)), *why = NULL;
		size_t len = i < good.len ? good.len : i - good.len;

		if (i < good.len)
			bytes[i] ^= 4;
		rule_copies_init(&again);
		ck_assert_int_eq(rule_copies_parse(&again, (struct slice){ bytes, len }, &why),
				 ERR_INVALID);
		ck_assert_ptr_nonnull(why);
		ck_assert_uint_eq(again.n, 0);
		rule_copies_fini(&again);
		free(why);
		free(bytes);
	}
	buf_fini(&good);
}
END_TEST

/* With a checksum that is right, too: lengths that lead out of the bytes. */
START_TEST(copies_with_lengths_that_lie_are_refused)
{
	static const char *const bodies[] = { "1 5\na\nxyz\n", "9999999999 1\na\nx\n", "1\na\n",
					      "-1 1\na\nx\n", "1 1 1\na\nx\n", "1 1\na\nxx", "\n",
					      "99999999999999999999 1\na\nx\n" };

	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		struct buf bytes;
		char *why = NULL;

		buf_init(&bytes);
		buf_printf(&bytes, "tocsin rule files 1 %016llx\n%s",
			   (unsigned long long)hash_checksum(bodies[i], strlen(bodies[i])),
			   bodies[i]);
		ck_assert_int_eq(rule_copies_parse(&copies, buf_slice(&bytes), &why), ERR_INVALID);
		ck_assert_str_eq(why, "it is damaged");
		free(why);
		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(copies_are_of_so_many_bytes)
{
	static const char text[] = "groups: []\n";
	const char *const one[] = { path_of("a.yml") };
	char *why = NULL;

	put("a.yml", text);
	copies.bytes = RULE_COPIES_BYTES_MAX - strlen(text); /* as if */
	ck_assert_int_eq(rule_copies_read(&copies, one, 1, &diags), 0);
	rule_copies_fini(&copies);
	rule_copies_init(&copies);
	copies.bytes = RULE_COPIES_BYTES_MAX - strlen(text) + 1;
	ck_assert_int_eq(rule_copies_read(&copies, one, 1, &diags), ERR_LIMIT);
	ck_assert_uint_eq(diags.n, 1);
	ck_assert_str_eq(diags.items[0].message,
			 "with this one rule files have more than 1024 MiB");
	/* A file of theirs that can be none is not read: this one has no bytes but a size. */
	put(RULE_COPIES_NAME, "");
	ck_assert_int_eq(truncate(path_of(RULE_COPIES_NAME), 2 * (off_t)RULE_COPIES_BYTES_MAX + 1),
			 0);
	ck_assert_int_eq(rule_copies_load(&copies, dir, &why), ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(why, error_text(ERR_LIMIT)));
	free(why);
}
END_TEST

static Suite *rule_copies_suite(void)
{
	Suite *suite = suite_create("daemon/rule_copies");
	TCase *tests = tcase_create("rule_copies");

	tcase_add_checked_fixture(tests, start, stop);
	tcase_add_test(tests, copies_come_back_as_they_were);
	tcase_add_test(tests, files_that_cannot_be_read_are_all_told);
	tcase_add_test(tests, copies_that_are_damaged_are_refused);
	tcase_add_test(tests, copies_with_lengths_that_lie_are_refused);
	tcase_add_test(tests, copies_are_of_so_many_bytes);
	suite_add_tcase(suite, tests);
	return suite;
}

TEST_MAIN(rule_copies_suite)
