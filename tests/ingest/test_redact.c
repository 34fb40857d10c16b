/* What is taken out of lines before they are shown. */
#include <check.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/yaml.h"
#include "ingest/redact.h"
#include "tests/check_main.h"

static struct redactor *make(const struct redact_rule *rules, size_t n)
{
	struct redactor *redactor;

	ck_assert_int_eq(redactor_new(rules, n, NULL, &redactor), 0);
	return redactor;
}

/* Static, until the next call. */
static const char *redacted(const struct redactor *redactor, struct slice line)
{
	static char text[2 * REDACT_LINE_MAX];
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(redact_line(redactor, line, &out), 0);
	snprintf(text, sizeof(text), SLICE_FMT, SLICE_ARG(buf_slice(&out)));
	buf_fini(&out);
	return text;
}

START_TEST(rules_apply_one_after_the_other)
{
	static const struct redact_rule rules[] = {
		{ SLICE("password=\\S+"), SLICE("password=***"), NULL },
		{ SLICE("[0-9]{4}-[0-9]{4}-[0-9]{4}-([0-9]{4})"), SLICE("card-$1"), NULL },
		{ SLICE("card-"), SLICE("…"), NULL },
	};
	struct redactor *redactor = make(rules, 3);

	ck_assert_str_eq(redacted(redactor, SLICE("a password=x b password=y")),
			 "a password=*** b password=***");
	ck_assert_str_eq(redacted(redactor, SLICE("1234-5678-9012-3456!")), "…3456!");
	ck_assert_str_eq(redacted(redactor, SLICE("plain")), "plain");
	ck_assert_str_eq(redacted(redactor, SLICE("")), "");
	redactor_unref(redactor);
}
END_TEST

START_TEST(lines_are_cut_and_repaired)
{
	char *line = malloc(REDACT_LINE_MAX + 10);

	ck_assert_str_eq(redacted(NULL, SLICE("a\xff z")), "a\xef\xbf\xbd z");
	memset(line, 'a', REDACT_LINE_MAX + 10);
	memcpy(line + REDACT_LINE_MAX - 1, "\xc3\xa9", 2);
	const char *got = redacted(NULL, (struct slice){ line, REDACT_LINE_MAX + 10 });
	ck_assert_uint_eq(strlen(got), REDACT_LINE_MAX - 1);
	free(line);
}
END_TEST

/* Better no line than one with what should have been taken out. */
START_TEST(line_is_withheld_when_a_rule_gives_up)
{
	static const struct redact_rule rule = { SLICE("(a+)+(a+)+[b-z]"), SLICE(""), NULL };
	struct redactor *redactor = make(&rule, 1);
	char line[3000];

	memset(line, 'a', sizeof(line));
	const char *got = redacted(redactor, (struct slice){ line, sizeof(line) });
	ck_assert_str_eq(got, "[line withheld: redaction gave up on it]");
	redactor_unref(redactor);
}
END_TEST

struct file {
	struct bind_structs redact;
};
static const struct bind_field file_fields[] = {
	{ .key = "redact",
	  .type = BIND_STRUCTS,
	  .offset = offsetof(struct file, redact),
	  .table = &redact_rule_table },
};
static const struct bind_table file_table = { .what = "file",
					      .size = sizeof(struct file),
					      .fields = file_fields,
					      .n = 1,
					      .node_offset = SIZE_MAX,
					      .given_offset = SIZE_MAX };

static int configure(const char *text, struct diag_list *diags, struct redactor **out)
{
	struct yaml_node *root;
	struct arena arena;
	struct file file;

	arena_init(&arena, 0);
	ck_assert_int_eq(yaml_parse(slice_from(text), "t.yml", &arena, diags, &root), 0);
	ck_assert_int_eq(bind_struct(&file_table, root, &arena, diags, &file), 0);
	int err = redactor_new(file.redact.items, file.redact.n, diags, out);

	arena_fini(&arena);
	return err;
}

START_TEST(rules_come_from_configuration)
{
	struct redactor *redactor;
	struct diag_list diags;

	diag_list_init(&diags);
	ck_assert_int_eq(configure("redact:\n- {regex: 'token=(\\w)\\w*', replace: 'token=$1…'}\n"
				   "- {regex: 'secret'}\n",
				   &diags, &redactor),
			 0);
	ck_assert_str_eq(redacted(redactor, SLICE("token=abc secret")), "token=a… ***");
	redactor_unref(redactor);
	ck_assert_int_eq(configure("redact:\n- {regex: 'ok'}\n- {regex: '(', replace: x}\n", &diags,
				   &redactor),
			 ERR_INVALID);
	ck_assert_uint_eq(diags.errors, 1);
	ck_assert_uint_eq(diags.items[0].line, 3);
	ck_assert_ptr_nonnull(
		strstr(diags.items[0].message, "\"regex\" in redact: missing closing"));
	diag_list_fini(&diags);
}
END_TEST

START_TEST(rules_are_limited)
{
	struct redact_rule rules[REDACT_RULES_MAX + 1];
	struct redactor *redactor;

	for (size_t i = 0; i <= REDACT_RULES_MAX; i++)
		rules[i] = (struct redact_rule){ SLICE("x"), SLICE("y"), NULL };
	redactor_unref(make(rules, REDACT_RULES_MAX));
	struct diag_list diags;
	diag_list_init(&diags);
	ck_assert_int_eq(redactor_new(rules, REDACT_RULES_MAX + 1, &diags, &redactor), ERR_LIMIT);
	ck_assert_uint_eq(diags.errors, 1);
	diag_list_fini(&diags);
}
END_TEST

static Suite *redact_suite(void)
{
	Suite *suite = suite_create("redact");
	TCase *tcase = tcase_create("redact");

	tcase_add_test(tcase, rules_apply_one_after_the_other);
	tcase_add_test(tcase, lines_are_cut_and_repaired);
	tcase_add_test(tcase, line_is_withheld_when_a_rule_gives_up);
	tcase_add_test(tcase, rules_come_from_configuration);
	tcase_add_test(tcase, rules_are_limited);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(redact_suite)
