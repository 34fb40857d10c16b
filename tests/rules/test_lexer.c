#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "rules/lexer.h"
#include "tests/check_main.h"

/* All tokens, one letter for its class or its own text, with spaces between. */
static char *tokens_of(const char *text, bool in_pipeline)
{
	struct lexer lexer;
	struct buf out;
	struct token token;

	buf_init(&out);
	lexer_init(&lexer, slice_from(text));
	lexer.in_pipeline = in_pipeline;
	do {
		token = lexer_next(&lexer);
		if (out.len)
			buf_add_char(&out, ' ');
		if (token.kind <= TOKEN_STRING)
			buf_add_char(&out, ".?imndbt"[token.kind]);
		else
			buf_add_str(&out, token_kind_text(token.kind));
	} while (token.kind != TOKEN_END && token.kind != TOKEN_ERROR);
	return buf_take(&out);
}

static void check_tokens(const char *text, const char *wanted)
{
	char *got = tokens_of(text, false);

	ck_assert_msg(strcmp(got, wanted) == 0, "%s: wanted %s, got %s", text, wanted, got);
	free(got);
}

static void check_pipeline(const char *text, const char *wanted)
{
	char *got = tokens_of(text, true);

	ck_assert_msg(strcmp(got, wanted) == 0, "%s: wanted %s, got %s", text, wanted, got);
	free(got);
}

START_TEST(lexer_tells_words_apart)
{
	check_tokens("", ".");
	check_tokens("  # nothing", ".");
	check_tokens("a _b9 A", "i i i .");
	check_tokens("a:b :c d:", "m m m .");
	check_tokens("sum SUM Sum summ", "sum sum sum i .");
	check_tokens("inf NaN infx", "n n i .");
	check_tokens("fill fill(0) fill_left #\n (0)", "i fill ( n ) fill_left ( n ) .");
	check_tokens("start end step range min_of", "i i i i i .");
}
END_TEST

START_TEST(lexer_reads_every_keyword_in_any_case)
{
	static const char *const words[] = {
#define KEYWORD(id, text, flags) text,
#include "rules/tokens.def"
#undef KEYWORD
	};
	char text[64];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(text, sizeof(text), "%s(", words[i]);
		for (char *c = text; *c; c++)
			*c = *c >= 'a' && *c <= 'z' && (c - text) % 2 ? (char)(*c - 32) : *c;
		struct lexer lexer;

		lexer_init(&lexer, slice_from(text));
		struct token token = lexer_next(&lexer);

		ck_assert_str_eq(token_kind_text(token.kind), words[i]);
		ck_assert_uint_eq(token.span, strlen(words[i]));
	}
}
END_TEST

START_TEST(lexer_reads_all_punctuation)
{
	static const char *const texts[] = {
#define PUNCTUATION(id, text) text,
#include "rules/tokens.def"
#undef PUNCTUATION
	};
	char text[16], wanted[16];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		/* Between brackets, for the colon: elsewhere it is a letter of names. */
		snprintf(text, sizeof(text), "[%s", texts[i]);
		snprintf(wanted, sizeof(wanted), "[ %s .", texts[i]);
		check_tokens(text, wanted);
	}
	check_tokens("a==b=~c!=d<=e</f", "i == i =~ i != i <= i </ i .");
	check_tokens("a|=b|~c|>d!>e!~f", "i |= i |~ i |> i !> i !~ i .");
}
END_TEST

START_TEST(lexer_tells_numbers_and_durations_apart)
{
	check_tokens("1 .5 5. 1e3 0x1F 1_000", "n n n n n n .");
	check_tokens("5m 1h30m 50ms 0s", "d d d d .");
	check_tokens("1e+5+1e-5-1", "n + n - n .");
	check_tokens("0x1e+5", "n + n .");
	check_tokens("1+2", "n + n .");
	check_tokens("5mm", "?");
	check_tokens("1x", "?");
}
END_TEST

START_TEST(lexer_knows_where_it_stands)
{
	/* In braces every word is a label's name, in brackets a colon stands for itself. */
	check_tokens("{sum=\"a\",by=~`b`}sum", "{ i = t , i =~ t } sum .");
	check_tokens("{a:b}", "{ i : i } .");
	check_tokens("[5m:1m]a:b", "[ d : d ] m .");
	check_tokens("[a:b]", "[ i : i ] .");
}
END_TEST

START_TEST(lexer_says_why_it_fails)
{
	struct lexer lexer;

	lexer_init(&lexer, slice_from("  \"abc"));
	struct token token = lexer_next(&lexer);

	ck_assert_int_eq(token.kind, TOKEN_ERROR);
	ck_assert_uint_eq(token.offset, 2);
	ck_assert_str_eq(lexer.error, "unterminated quoted string");
	lexer_init(&lexer, slice_from("\"ab\ncd\""));
	token = lexer_next(&lexer);
	ck_assert_int_eq(token.kind, TOKEN_ERROR);
	ck_assert_ptr_nonnull(lexer.hint);
	check_tokens("`a\nb`", "t .");
	check_tokens("'a\\'b'\"\\\"\"", "t t .");
	check_tokens("a ~ b", "i ?");
	check_tokens("a || b", "i ?");
}
END_TEST

START_TEST(tokens_say_what_else_they_may_be)
{
	ck_assert(token_is_metric(TOKEN_IDENTIFIER) && token_is_metric(TOKEN_METRIC_IDENTIFIER));
	ck_assert(token_is_metric(TOKEN_SUM) && token_is_metric(TOKEN_OFFSET));
	ck_assert(!token_is_metric(TOKEN_ON) && !token_is_metric(TOKEN_BOOL) &&
		  !token_is_metric(TOKEN_ATAN2));
	ck_assert(token_is_label(TOKEN_ON) && token_is_label(TOKEN_BOOL) &&
		  token_is_label(TOKEN_ATAN2));
	ck_assert(!token_is_label(TOKEN_METRIC_IDENTIFIER) && !token_is_label(TOKEN_NUMBER) &&
		  !token_is_label(TOKEN_ADD));
}
END_TEST

START_TEST(lexer_reads_pipelines)
{
	check_pipeline("|= `x` # no word\n != \"y\" or ip(", "|= t != t i i ( .");
	check_pipeline("|sum by and or nan inf OFFSET fill(", "| i i i i i i i i ( .");
	check_pipeline("a:b", "i : i .");
	check_pipeline("5 5.5 .5 5. 1e3 1E-3 1e+3 010 -5", "n n n n n n n n - n .");
	check_pipeline("5s 1.5s 1h30m 100us 2ns 3ms 1d 1w 1y", "d d d d d d d d d .");
	check_pipeline("5\xc2\xb5s 1h5\xce\xbcs 5\xc3\xa9", "d d ?");
	check_pipeline("1B 1kB 1KB 1KiB 1MB 1MiB 1.5GB 1GiB 1TB 1TiB 1PB 1PiB",
		       "b b b b b b b b b b b b .");
	check_pipeline("0x10", "?");
	check_pipeline("1_000", "?");
	check_pipeline("1mb", "?");
	check_pipeline("1MB5", "?");
	check_pipeline("1MB1s", "?");
	check_pipeline("5x", "?");
	check_pipeline("1e400", "?");
	check_pipeline("5m[5m] )", "d [ d ] ) .");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("lexer");
	TCase *tcase = tcase_create("tokens");

	tcase_add_test(tcase, lexer_tells_words_apart);
	tcase_add_test(tcase, lexer_reads_every_keyword_in_any_case);
	tcase_add_test(tcase, lexer_reads_all_punctuation);
	tcase_add_test(tcase, lexer_tells_numbers_and_durations_apart);
	tcase_add_test(tcase, lexer_knows_where_it_stands);
	tcase_add_test(tcase, lexer_says_why_it_fails);
	tcase_add_test(tcase, tokens_say_what_else_they_may_be);
	tcase_add_test(tcase, lexer_reads_pipelines);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(make_suite)
