#include "ingest/collapsed.h"

#include <stdio.h>

#include "base/error.h"
#include "tests/check_main.h"

static struct hash_key key;
static struct profile *profile;
static uint32_t line;
static const char *why;

static void setup(void)
{
	hash_key_derive(&key, "test", 4);
	profile = profile_new(&key);
	ck_assert_ptr_nonnull(profile);
}

static void teardown(void)
{
	profile_free(profile);
}

static int read_text(const char *text, bool counted)
{
	static const double scale[] = { 1, 1e7 };

	profile_clear(profile);
	ck_assert_int_eq(profile_type_add(profile, SLICE("samples"), SLICE("count")), 0);
	ck_assert_int_eq(profile_type_add(profile, SLICE("cpu"), SLICE("nanoseconds")), 0);
	int code = collapsed_read(slice_from(text),
				  &(struct collapsed_options){ .counted = counted, .scale = scale },
				  profile, &line, &why);

	profile_check(profile);
	return code;
}

/* The stacks as "leaf<root value", each ended by a blank. */
static void expect(const char *text, bool counted, const char *wanted)
{
	char out[1000] = "";

	ck_assert_int_eq(read_text(text, counted), 0);
	for (uint32_t i = 0; i < profile->nsamples; i++) {
		const struct profile_sample *sample = &profile->samples[i];

		for (uint32_t k = 0; k < sample->nframes; k++) {
			struct slice name =
				profile->functions[profile->frames[sample->frame + k]].name;

			sprintf(out + strlen(out), "%s" SLICE_FMT, k ? "<" : "", SLICE_ARG(name));
		}
		sprintf(out + strlen(out), " %g ", profile_value(profile, i, 0));
		ck_assert_double_eq(profile_value(profile, i, 1),
				    1e7 * profile_value(profile, i, 0));
	}
	ck_assert_str_eq(out, wanted);
}

START_TEST(collapsed_takes_stacks_and_counts)
{
	expect("", true, "");
	expect("main;work;read 12\nmain 3", true, "read<work<main 12 main 3 ");
	expect("\r\n  a;b\t7\r\n\n", true, "b<a 7 ");
	expect("a 1.5\n", true, "a 1.5 ");
	expect("a;b;a 2\n", true, "a<b<a 2 ");
	/* The last blank divides; a name may have some. */
	expect("std::map<int, int>::find;operator new 4\n", true,
	       "operator new<std::map<int, int>::find 4 ");
	expect(";a;;b; 1\n", true, "b<a 1 ");
	expect("a_[i];k_[k];j_[j];x_[y] 1\n", true, "x_[y]<j<k<a 1 ");
	expect("a;b\na;b 2\n", false, "b<a 1 b 2<a 1 ");
}
END_TEST

static void refuse(const char *text, uint32_t at, const char *reason)
{
	ck_assert_int_eq(read_text(text, true), ERR_INVALID);
	ck_assert_uint_eq(line, at);
	ck_assert_str_eq(why, reason);
}

START_TEST(collapsed_tells_the_line_that_it_cannot_read)
{
	refuse("a 1\na;b\n", 2, "no count at the end of the line");
	refuse("a b", 1, "no count at the end of the line");
	refuse("a -1", 1, "no count at the end of the line");
	refuse("a 0x1", 1, "no count at the end of the line");
	refuse("a Inf", 1, "no count at the end of the line");
	refuse("a 1.2.3", 1, "no count at the end of the line");
	refuse("\n\n 12", 3, "no count at the end of the line");
	refuse("12", 1, "no count at the end of the line");
}
END_TEST

START_TEST(collapsed_holds_its_limits)
{
	size_t len = 2 * ((size_t)PROFILE_SAMPLES_MAX + 1);
	char *text = malloc(len + 1);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < len; i += 2)
		memcpy(text + i, "a\n", 2);
	text[len] = '\0';
	ck_assert_int_eq(read_text(text, false), ERR_LIMIT);
	ck_assert_uint_eq(line, PROFILE_SAMPLES_MAX + 1);
	free(text);
}
END_TEST

static Suite *collapsed_suite(void)
{
	Suite *suite = suite_create("collapsed");
	TCase *tcase = tcase_create("collapsed");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, collapsed_takes_stacks_and_counts);
	tcase_add_test(tcase, collapsed_tells_the_line_that_it_cannot_read);
	tcase_add_test(tcase, collapsed_holds_its_limits);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(collapsed_suite)
