/* Conditions of runbook steps: grammar, complaints, values. */
#include "actions/when.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tests/check_main.h"

static const struct slice ids[] = { SLICE("look"), SLICE("act"), SLICE("check") };
static const enum when_state states[] = { WHEN_OK, WHEN_FAILED, WHEN_SKIPPED };

static enum when_state state_of(void *ctx, uint32_t step)
{
	return states[step];
}

static json_t *output_of(void *ctx, uint32_t step)
{
	return step == 0
		       ? json_loads(
				 "{\"n\": 7, \"b\": true, \"t\": \"x\\\"y\", \"o\": {\"k\": 1.5}}",
				 0, NULL)
		       : NULL;
}

static const struct when_steps steps = { .state = state_of, .output = output_of };

/* "true", "false", or the complaint with its column. */
static const char *judge(const char *text)
{
	static char out[256];
	struct source source = { .text = slice_from(text), .line0 = 1, .column0 = 1 };
	const struct when *when;
	struct diag_list diags;
	struct arena arena;
	uint32_t asked;
	arena_init(&arena, 0);
	diag_list_init(&diags);
	int code = when_parse(&source, ids, 3, &arena, &diags, &when, &asked);
	if (code)
		snprintf(out, sizeof(out), "%u %s", diags.items[0].column, diags.items[0].message);
	else
		snprintf(out, sizeof(out), "%s", when_is_true(when, &steps) ? "true" : "false");
	ck_assert_uint_eq(diags.n, code ? 1 : 0);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return out;
}

START_TEST(when_is_judged)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "ok(look)", "true" },
		{ "failed(look)", "false" },
		{ " failed ( act ) ", "true" },
		{ "not skipped(check)", "false" },
		{ "not not skipped(check)", "true" },
		{ "ok(act) or ok(look) and failed(act)", "true" },
		{ "(ok(act) or ok(look)) and failed(look)", "false" },
		{ "ok(look) or ok(act) and ok(act)", "true" },
		{ "timed_out(act) or refused(act) or unknown(act)", "false" },
		{ "output(look).n == 7", "true" },
		{ "output(look).n != 7", "false" },
		{ "output(look).n > 6.5 and output(look).n <= 7", "true" },
		{ "output(look).n < -1e3", "false" },
		{ "output(look).b == true", "true" },
		{ "output(look).b != false", "true" },
		{ "output(look).t == \"x\\\"y\"", "true" },
		{ "output(look).t >= \"y\"", "false" },
		{ "output(look).o.k == 1.5", "true" },
		/* What is not there, or of another type. */
		{ "output(look).x != 1", "false" },
		{ "output(look).o.x.y == 1", "false" },
		{ "output(look).n == \"7\"", "false" },
		{ "output(look).t != 7", "false" },
		{ "output(look) == 7", "false" },
		{ "output(act).n == 7", "false" },
		{ "not output(act).n == 7", "true" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(strcmp(judge(cases[i].text), cases[i].said) == 0, "%s: %s",
			      cases[i].text, judge(cases[i].text));
}
END_TEST

START_TEST(when_complains_at_the_place)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "", "1 this is no condition" },
		{ "okay(look)", "1 this is no condition" },
		{ "ok(nobody)", "4 there is no step of this id" },
		{ "ok look", "4 \"(\" with the id of a step is missing" },
		{ "ok(look", "8 \")\" is missing" },
		{ "ok(look) xor ok(act)", "10 the condition does not end here" },
		{ "ok(look) and", "13 this is no condition" },
		{ "(ok(look)", "10 \")\" is missing" },
		{ "output(look).n", "15 a comparison is missing" },
		{ "output(look). == 1", "15 a key of the output is missing" },
		{ "output(look).n == ",
		  "19 a number, a text in double quotes, true or false is missing" },
		{ "output(look).n == \"x", "19 this text does not end, or has a bad escape" },
		{ "output(look).n < true", "22 true and false have no order" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(judge(cases[i].text), cases[i].said);
}
END_TEST

START_TEST(when_is_bounded)
{
	char text[4096] = "";
	for (int i = 0; i < WHEN_DEPTH_MAX; i++)
		strcat(text, "not ");
	strcat(text, "ok(act)");
	ck_assert_str_eq(judge(text), "64 the condition is nested too deeply");
	ck_assert_str_eq(judge(text + 4), "true");
	strcpy(text, "ok(act)");
	for (int i = 0; i < (WHEN_NODES_MAX - 1) / 2; i++)
		strcat(text, " or ok(act)");
	ck_assert_str_eq(judge(text), "false");
	strcat(text, " or ok(act)");
	ck_assert_str_eq(judge(text), "1 the condition is too long");
	for (int len = WHEN_KEY_MAX; len <= WHEN_KEY_MAX + 1; len++) {
		snprintf(text, sizeof(text), "not output(look).%0*d == 1", len, 0);
		ck_assert_str_eq(judge(text), len == WHEN_KEY_MAX
						      ? "true"
						      : "18 a key of the output is too long");
	}
	memset(text, '(', 4000);
	text[4000] = '\0';
	ck_assert_str_eq(judge(text), "17 the condition is nested too deeply");
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("when");
	TCase *tc = tcase_create("when");
	tcase_add_test(tc, when_is_judged);
	tcase_add_test(tc, when_complains_at_the_place);
	tcase_add_test(tc, when_is_bounded);
	suite_add_tcase(suite, tc);
	return suite;
}
TEST_MAIN(suite)
