#include "base/diag.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#include "tests/check_main.h"

static struct diag_list list;
static struct buf out;

static void setup(void)
{
	diag_list_init(&list);
	buf_init(&out);
}

static void teardown(void)
{
	diag_list_fini(&list);
	buf_fini(&out);
}

static const char expr[] = "up >\n  rat(x[5m])\n";

START_TEST(diag_finds_its_place)
{
	const struct source source = { .file = "rules.yml", .text = SLICE(expr) };

	diag_add_at(&list, DIAG_ERROR, &source, 7, 3, "did you mean \"rate\"?",
		    "unknown function \"%s\"", "rat");
	diag_list_format(&list, false, &out);
	ck_assert_str_eq(out.ptr, "rules.yml:2:3: error: unknown function \"rat\"\n"
				  "    rat(x[5m])\n"
				  "    ^~~\n"
				  "  hint: did you mean \"rate\"?\n"
				  "1 error\n");
}
END_TEST

START_TEST(diag_places_a_part_of_a_file)
{
	const struct source source = {
		.file = "rules.yml", .text = SLICE(expr), .line0 = 12, .column0 = 15, .indent = 6
	};

	diag_add_at(&list, DIAG_WARNING, &source, 0, 2, NULL, "first");
	diag_add_at(&list, DIAG_ERROR, &source, 7, 3, NULL, "second");
	ck_assert_uint_eq(list.items[0].line, 12);
	ck_assert_uint_eq(list.items[0].column, 15);
	ck_assert_uint_eq(list.items[1].line, 13);
	ck_assert_uint_eq(list.items[1].column, 9);
	diag_list_format(&list, false, &out);
	ck_assert_str_eq(out.ptr, "rules.yml:12:15: warning: first\n"
				  "                up >\n"
				  "                ^~\n"
				  "rules.yml:13:9: error: second\n"
				  "          rat(x[5m])\n"
				  "          ^~~\n"
				  "1 error, 1 warning\n");
}
END_TEST

START_TEST(diag_stands_at_the_end)
{
	const struct source source = { .text = SLICE("sum(") };
	const struct source empty = { .text = { NULL, 0 } };

	diag_add_at(&list, DIAG_ERROR, &source, 4, 1, NULL, "unexpected end");
	diag_add_at(&list, DIAG_ERROR, &source, 400, 0, NULL, "beyond");
	diag_add_at(&list, DIAG_ERROR, &source, 0, 400, NULL, "all");
	diag_add_at(&list, DIAG_ERROR, &empty, 0, 1, NULL, "nothing");
	diag_list_format(&list, false, &out);
	ck_assert_str_eq(out.ptr, "1:5: error: unexpected end\n  sum(\n      ^\n"
				  "1:5: error: beyond\n  sum(\n      ^\n"
				  "1:1: error: all\n  sum(\n  ^~~~\n"
				  "1:1: error: nothing\n"
				  "4 errors\n");
}
END_TEST

START_TEST(diag_underlines_characters)
{
	const struct source source = { .text = SLICE("é€ + ñandú\r\nnext") };

	diag_add_at(&list, DIAG_NOTE, &source, 8, 7, NULL, "wide");
	diag_format(&list.items[0], false, &out);
	ck_assert_str_eq(out.ptr, "1:9: note: wide\n  é€ + ñandú\n       ^~~~~\n");
}
END_TEST

START_TEST(diag_has_no_place)
{
	diag_add(&list, DIAG_ERROR, NULL, 0, 0, NULL, NULL, "no rules");
	diag_add(&list, DIAG_NOTE, "a.yml", 0, 0, NULL, NULL, "empty");
	diag_add(&list, DIAG_WARNING, "a.yml", 3, 0, "x: 1", NULL, "whole line");
	diag_list_format(&list, false, &out);
	ck_assert_str_eq(out.ptr, "error: no rules\n"
				  "a.yml: note: empty\n"
				  "a.yml:3: warning: whole line\n  x: 1\n"
				  "1 error, 1 warning\n");
}
END_TEST

START_TEST(diag_keeps_controls_from_the_terminal)
{
	const struct source source = { .file = "\033[2J", .text = SLICE("\ta\033[31mb") };

	diag_add_at(&list, DIAG_ERROR, &source, 1, 1, "h\x07", "m\nn\033");
	diag_list_format(&list, false, &out);
	ck_assert_ptr_null(strchr(out.ptr, '\033'));
	ck_assert_ptr_null(strchr(out.ptr, '\x07'));
	ck_assert_ptr_nonnull(strstr(out.ptr, "error: m n?\n   a?[31mb\n   ^\n"));
	buf_clear(&out);
	diag_format(&list.items[0], true, &out);
	ck_assert_ptr_nonnull(strstr(out.ptr, "\033[1;31merror:\033[0m m n?"));
}
END_TEST

START_TEST(diag_spells_out_what_is_no_utf8)
{
	const struct source source = { .text = SLICE("\xE9 = \xFF\xC3\xA9\xC2\x9B!") };

	diag_add_at(&list, DIAG_ERROR, &source, 4, 3, "give \xC3", "no \xA0");
	diag_format(&list.items[0], false, &out);
	ck_assert_str_eq(out.ptr, "1:5: error: no \\xA0\n"
				  "  \\xE9 = \\xFF\xC3\xA9?!\n"
				  "         ^~~~~\n"
				  "  hint: give \\xC3\n");
}
END_TEST

START_TEST(diag_cuts_bytes_that_continue_nothing)
{
	static char text[DIAG_QUOTE_MAX];
	struct source source = { .text = { text, sizeof(text) } };

	memset(text, 0x80, sizeof(text));
	diag_add_at(&list, DIAG_ERROR, &source, sizeof(text) / 2, 1, NULL, "here");
	diag_format(&list.items[0], false, &out);
	ck_assert_uint_lt(out.len, 2 * 4 * (DIAG_WIDTH + 16));
}
END_TEST

START_TEST(diag_has_colour_on_a_terminal_that_wants_it)
{
	int pair[2], terminal = posix_openpt(O_RDWR | O_NOCTTY);

	ck_assert_int_ge(terminal, 0);
	ck_assert_int_eq(pipe(pair), 0);
	unsetenv("NO_COLOR");
	ck_assert(diag_wants_colour(terminal));
	ck_assert(!diag_wants_colour(pair[1]));
	setenv("NO_COLOR", "", 1);
	ck_assert(diag_wants_colour(terminal));
	setenv("NO_COLOR", "1", 1);
	ck_assert(!diag_wants_colour(terminal));
	unsetenv("NO_COLOR");
	close(terminal);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(diag_shows_a_piece_of_a_long_line)
{
	static char text[DIAG_QUOTE_MAX + 2];
	struct source source = { .text = { text, 1000 } };

	memset(text, 'x', sizeof(text));
	text[500] = '!';
	diag_add_at(&list, DIAG_ERROR, &source, 500, 1, NULL, "here");
	diag_add_at(&list, DIAG_ERROR, &source, 2, 1, NULL, "left");
	diag_list_format(&list, false, &out);
	char *line = strchr(out.ptr, '\n') + 1;
	char *caret = strchr(line, '\n') + 1;

	/* The mark of the cut takes three bytes and one column. */
	ck_assert_int_eq(strchr(line, '!') - line - 2, strchr(caret, '^') - caret);
	ck_assert_int_lt(caret - line, DIAG_WIDTH + 12);
	ck_assert_ptr_nonnull(strstr(out.ptr, "1:3: error: left\n  xxx"));

	source.text.len = DIAG_QUOTE_MAX;
	diag_add_at(&list, DIAG_ERROR, &source, 0, 1, NULL, "still quoted");
	ck_assert_ptr_nonnull(list.items[2].quote);
	source.text.len = DIAG_QUOTE_MAX + 1;
	diag_add_at(&list, DIAG_ERROR, &source, 0, 1, NULL, "too long");
	ck_assert_ptr_null(list.items[3].quote);
}
END_TEST

START_TEST(diag_list_counts_beyond_its_limit)
{
	for (int i = 0; i < DIAG_MAX + 5; i++)
		diag_add(&list, i % 2 ? DIAG_ERROR : DIAG_WARNING, NULL, 0, 0, NULL, NULL, "x");
	ck_assert_uint_eq(list.n, DIAG_MAX);
	ck_assert_uint_eq(list.errors, DIAG_MAX / 2 + 2);
	ck_assert_uint_eq(list.warnings, DIAG_MAX / 2 + 3);
	diag_list_format(&list, false, &out);
	ck_assert(slice_has_suffix(buf_slice(&out),
				   SLICE("\n502 errors, 503 warnings (5 not shown)\n")));
}
END_TEST

START_TEST(diag_list_is_json)
{
	const struct source source = { .file = "a\"b", .text = SLICE("x + y") };
	json_error_t error;

	diag_list_format(&list, false, &out);
	ck_assert_uint_eq(out.len, 0);
	diag_list_format_json(&list, &out);
	ck_assert_str_eq(out.ptr, "[]");
	buf_clear(&out);
	diag_add_at(&list, DIAG_WARNING, &source, 2, 1, "h", "m")->id = "kind";
	diag_add(&list, DIAG_ERROR, NULL, 0, 0, NULL, NULL, "n");
	diag_list_format_json(&list, &out);
	json_t *root = json_loadb(out.ptr, out.len, 0, &error);

	ck_assert_ptr_nonnull(root);
	json_t *first = json_array_get(root, 0), *second = json_array_get(root, 1);

	ck_assert_str_eq(json_string_value(json_object_get(first, "severity")), "warning");
	ck_assert_str_eq(json_string_value(json_object_get(first, "file")), "a\"b");
	ck_assert_int_eq(json_integer_value(json_object_get(first, "line")), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(first, "column")), 3);
	ck_assert_int_eq(json_integer_value(json_object_get(first, "span")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(first, "message")), "m");
	ck_assert_str_eq(json_string_value(json_object_get(first, "suggestion")), "h");
	ck_assert_str_eq(json_string_value(json_object_get(first, "id")), "kind");
	ck_assert(json_is_null(json_object_get(second, "id")));
	ck_assert(json_is_null(json_object_get(second, "file")));
	ck_assert(json_is_null(json_object_get(second, "suggestion")));
	json_decref(root);
}
END_TEST

static Suite *diag_suite(void)
{
	Suite *suite = suite_create("diag");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, diag_finds_its_place);
	tcase_add_test(tcase, diag_places_a_part_of_a_file);
	tcase_add_test(tcase, diag_stands_at_the_end);
	tcase_add_test(tcase, diag_underlines_characters);
	tcase_add_test(tcase, diag_has_no_place);
	tcase_add_test(tcase, diag_keeps_controls_from_the_terminal);
	tcase_add_test(tcase, diag_spells_out_what_is_no_utf8);
	tcase_add_test(tcase, diag_cuts_bytes_that_continue_nothing);
	tcase_add_test(tcase, diag_has_colour_on_a_terminal_that_wants_it);
	tcase_add_test(tcase, diag_shows_a_piece_of_a_long_line);
	tcase_add_test(tcase, diag_list_counts_beyond_its_limit);
	tcase_add_test(tcase, diag_list_is_json);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(diag_suite)
