#include "base/yaml.h"

#include <unistd.h>

#include "base/error.h"
#include "tests/check_main.h"

static struct arena arena;
static struct diag_list diags;

static void setup(void)
{
	arena_init(&arena, 0);
	diag_list_init(&diags);
}

static void teardown(void)
{
	arena_fini(&arena);
	diag_list_fini(&diags);
}

/* Parses what must be good. */
static struct yaml_node *parse(const char *text)
{
	struct yaml_node *root = NULL;
	int rc = yaml_parse(slice_from(text), "f.yml", &arena, &diags, &root);
	struct buf out;
	buf_init(&out);
	diag_list_format(&diags, false, &out);
	ck_assert_msg(rc == 0, "%d: %s", rc, out.ptr ? out.ptr : "");
	buf_fini(&out);
	return root;
}

/* Parses what must be bad and gives the first diagnostic. */
static const struct diag *refuse(const char *text)
{
	struct yaml_node *root = NULL;
	diag_list_fini(&diags);
	ck_assert_int_eq(yaml_parse(slice_from(text), "f.yml", &arena, &diags, &root), ERR_INVALID);
	ck_assert_uint_gt(diags.n, 0);
	ck_assert_str_eq(diags.items[0].file, "f.yml");
	return &diags.items[0];
}

static void assert_text(const struct yaml_node *node, const char *text)
{
	ck_assert_ptr_nonnull(node);
	ck_assert_int_eq(node->type, YAML_SCALAR);
	ck_assert_msg(slice_is(node->text, text), "\"" SLICE_FMT "\" is not \"%s\"",
		      SLICE_ARG(node->text), text);
}

/* The place that a diagnostic about the word in the node's text gets, and the line it quotes. */
static void assert_place(const struct yaml_node *node, const char *word, uint32_t line,
			 uint32_t column, const char *quote)
{
	size_t at = 0;
	while (at < node->text.len && strncmp(node->text.ptr + at, word, strlen(word)) != 0)
		at++;
	ck_assert_uint_lt(at, node->text.len);
	diag_list_fini(&diags);
	diag_add_at(&diags, DIAG_ERROR, &node->source, at, strlen(word), NULL, "here");
	ck_assert_uint_eq(diags.items[0].line, line);
	ck_assert_uint_eq(diags.items[0].column, column);
	ck_assert_str_eq(diags.items[0].file, "f.yml");
	ck_assert_str_eq(diags.items[0].quote, quote);
}

START_TEST(yaml_reads_the_shapes)
{
	struct yaml_node *root =
		parse("a: 1\nb: [x, 'y', \"z\"]\nc:\n  d: ~\n  'e f': |\n    text\n");
	ck_assert_int_eq(root->type, YAML_MAPPING);
	ck_assert_uint_eq(root->n, 6);
	assert_text(root->items[0], "a");
	assert_text(root->items[1], "1");
	const struct yaml_node *list = yaml_get(root, "b");
	ck_assert_int_eq(list->type, YAML_SEQUENCE);
	ck_assert_uint_eq(list->n, 3);
	ck_assert(list->items[0]->plain);
	ck_assert(!list->items[1]->plain);
	ck_assert(!list->items[2]->plain);
	assert_text(list->items[2], "z");
	ck_assert_uint_eq(list->items[2]->line, 2);
	ck_assert_uint_eq(list->items[2]->column, 13);
	ck_assert(yaml_is_null(yaml_get(yaml_get(root, "c"), "d")));
	assert_text(yaml_get(yaml_get(root, "c"), "e f"), "text\n");
	ck_assert_ptr_null(yaml_get(root, "nothing"));
	ck_assert_uint_eq(root->height, 3);
	ck_assert_uint_eq(root->nodes, 14);
}
END_TEST

START_TEST(yaml_reads_nothing_as_nothing)
{
	ck_assert_ptr_null(parse(""));
	ck_assert_ptr_null(parse("# only a comment\n"));
	ck_assert(yaml_is_null(parse("---\n")));
	ck_assert(yaml_is_null(NULL));
	ck_assert(!yaml_is_null(parse("''")));
	ck_assert(!yaml_is_null(parse("!!str null")));
	ck_assert(yaml_is_null(parse("Null")));
	ck_assert(!yaml_is_null(parse("nULL")));
}
END_TEST

START_TEST(yaml_skips_a_byte_order_mark)
{
	struct yaml_node *root = parse("\xEF\xBB\xBF"
				       "a: b\n");
	assert_text(yaml_get(root, "a"), "b");
	ck_assert_uint_eq(yaml_get(root, "a")->column, 4);
}
END_TEST

START_TEST(yaml_shares_aliases)
{
	struct yaml_node *root = parse("a: &x {k: v}\nb: *x\nc: &x other\nd: *x\n");
	ck_assert_ptr_eq(yaml_get(root, "a"), yaml_get(root, "b"));
	assert_text(yaml_get(root, "d"), "other");
}
END_TEST

START_TEST(yaml_merges)
{
	struct yaml_node *root = parse("x: &x {a: 1, b: 1}\n"
				       "y: &y {b: 2, c: 2}\n"
				       "one: {<<: *x, b: 3}\n"
				       "many: {<<: [*x, *y], d: 3}\n"
				       "quoted: {'<<': 4}\n");
	const struct yaml_node *one = yaml_get(root, "one"), *many = yaml_get(root, "many");
	ck_assert_uint_eq(one->n, 4);
	assert_text(yaml_get(one, "a"), "1");
	assert_text(yaml_get(one, "b"), "3");
	ck_assert_uint_eq(many->n, 8);
	assert_text(yaml_get(many, "b"), "1");
	assert_text(yaml_get(many, "c"), "2");
	assert_text(yaml_get(many, "d"), "3");
	assert_text(yaml_get(yaml_get(root, "quoted"), "<<"), "4");
}
END_TEST

START_TEST(yaml_refuses_bad_merges)
{
	ck_assert_str_eq(refuse("a: {<<: text}\n")->message, "only mappings can be merged");
	ck_assert_str_eq(refuse("a: &a {b: c}\nd: {<<: *a, <<: *a}\n")->message,
			 "key \"<<\" a second time");
}
END_TEST

START_TEST(yaml_refuses_bad_aliases)
{
	const struct diag *diag = refuse("a: *nobody\n");
	ck_assert_str_eq(diag->message, "alias of an unknown anchor \"nobody\"");
	ck_assert_uint_eq(diag->line, 1);
	ck_assert_uint_eq(diag->column, 4);
	ck_assert_uint_eq(diag->span, 7);
	ck_assert_str_eq(refuse("a: &a [b, *a]\n")->message, "\"a\" contains itself");
}
END_TEST

START_TEST(yaml_refuses_foreign_tags)
{
	ck_assert_str_eq(refuse("a: !vault x\n")->message, "unknown tag \"!vault\"");
	ck_assert_str_eq(refuse("a: !!binary eA==\n")->message,
			 "unknown tag \"tag:yaml.org,2002:binary\"");
	assert_text(yaml_get(parse("a: !!float 3\n"), "a"), "3");
}
END_TEST

START_TEST(yaml_refuses_duplicate_keys_naming_both)
{
	const struct diag *diag =
		refuse("groups:\n- name: x\n  for: 1m\n  expr: up\n  for: 2m\n  expr: down\n");
	ck_assert_uint_eq(diags.n, 2);
	ck_assert_str_eq(diag[0].message,
			 "key \"expr\" a second time; the first is at line 4, column 3");
	ck_assert_uint_eq(diag[0].line, 6);
	ck_assert_uint_eq(diag[0].column, 3);
	ck_assert_str_eq(diag[0].quote, "  expr: down");
	ck_assert_uint_eq(diag[1].line, 5);
}
END_TEST

START_TEST(yaml_refuses_keys_that_are_not_text)
{
	ck_assert_str_eq(refuse("{a: b}: c\n")->message, "a key must be a text, not a mapping");
	ck_assert_str_eq(refuse("summary: {{ $value }}\n")->hint,
			 "a text that begins with { or [ must be quoted, or in a block: |");
	ck_assert_str_eq(refuse("? [a]\n: c\n")->message, "a key must be a text, not a list");
}
END_TEST

START_TEST(yaml_reads_the_first_document_only)
{
	assert_text(yaml_get(parse("a: 1\n---\na: 2\n"), "a"), "1");
	ck_assert_uint_eq(diags.warnings, 1);
	ck_assert_uint_eq(diags.items[0].line, 2);
	assert_text(yaml_get(parse("a: 1\n...\n"), "a"), "1");
	ck_assert_uint_eq(diags.warnings, 1);
	assert_text(yaml_get(parse("a: 1\n...\nb: 2\n"), "a"), "1");
	ck_assert_uint_eq(diags.warnings, 2);
	assert_text(yaml_get(parse("{a: 1}\n{a: 2}\n"), "a"), "1");
	ck_assert_uint_eq(diags.warnings, 3);
	ck_assert_uint_eq(diags.items[2].line, 2);
}
END_TEST

/* Else the rest of a file would be cut off. */
START_TEST(yaml_refuses_what_breaks_a_document_off)
{
	ck_assert_str_eq(refuse("a:\n%YAML 1.1\n  b: 1\n")->message,
			 "bad YAML: did not find expected <document start>");
	refuse("a: 1\n---\n\"b\n");
	ck_assert_str_eq(diags.items[1].message,
			 "bad YAML: found unexpected end of stream while scanning a quoted scalar "
			 "that begins here");
}
END_TEST

/* Every way to write a text, and where the word WORD in it then is. */
static const struct place_case {
	const char *name; /* for who reads the failure: the loop's index counts these */
	const char *yaml;
	uint32_t line, column;
	const char *quote;
} places[] = {
	{ "plain", "- expr: sum(WORD)\n", 1, 13, "- expr: sum(WORD)" },
	{ "plain after an anchor", "- expr: &a !!str sum(WORD)\n", 1, 22,
	  "- expr: &a !!str sum(WORD)" },
	{ "plain after text in UTF-8", "- {ä: ö, expr: é WORD}\n", 1, 21,
	  "- {ä: ö, expr: é WORD}" },
	{ "plain on two lines", "- expr: sum(\n    WORD)\n", 2, 5, "    WORD)" },
	{ "plain with an empty line", "- expr: sum\n\n\n   by  WORD\n", 4, 8, "   by  WORD" },
	{ "single-quoted", "- expr: 'sum(WORD)'\n", 1, 14, "- expr: 'sum(WORD)'" },
	{ "single-quoted with quotes", "- expr: 'a=''b'' WORD'\n", 1, 18,
	  "- expr: 'a=''b'' WORD'" },
	{ "single-quoted on two lines", "- expr: 'a\n   WORD'\n", 2, 4, "   WORD'" },
	{ "double-quoted", "- expr: \"sum(WORD)\"\n", 1, 14, "- expr: \"sum(WORD)\"" },
	{ "double-quoted with escapes", "- expr: \"\\x41\\u00e9\\t\\\"\\n\\\\ \\N WORD\"\n", 1, 32,
	  "- expr: \"\\x41\\u00e9\\t\\\"\\n\\\\ \\N WORD\"" },
	{ "double-quoted on lines", "- expr: \"a\n\n\n  b c\n  \\  WORD\"\n", 5, 6,
	  "  \\  WORD\"" },
	{ "double-quoted, escaped line end", "- expr: \"ab \\\n   c WORD\"\n", 2, 6,
	  "   c WORD\"" },
	{ "literal", "- expr: |\n    sum(\n      WORD)\n", 3, 7, "      WORD)" },
	{ "literal, first line", "- expr: |\n    WORD\n    sum\n", 2, 5, "    WORD" },
	{ "literal, stripped", "- expr: |-\n    sum(\n    \n\n    WORD)\n\n", 5, 5, "    WORD)" },
	{ "literal, kept", "- expr: |+ # why\n    sum(\n    WORD)\n\n", 3, 5, "    WORD)" },
	{ "literal, empty lines first", "- expr: |\n\n\n    sum(\n    WORD)\n", 5, 5, "    WORD)" },
	{ "literal, indentation given", "- expr: |2\n      sum(\n    WORD)\n", 3, 5, "    WORD)" },
	{ "literal, indentation given, stripped", "- expr: |2-\n\n     \n      WORD)\n", 4, 7,
	  "      WORD)" },
	{ "literal with CRLF", "- expr: |\r\n    sum(\r\n    WORD)\r\n", 3, 5, "    WORD)" },
	{ "literal after a tag", "- expr: !!str |\n    sum(\n    WORD)\n", 3, 5, "    WORD)" },
	{ "literal at the top", "--- |\n sum(\n WORD)\n", 3, 2, " WORD)" },
	{ "folded", "- expr: >\n    sum(\n    x,\n\n    y + WORD)\n", 5, 9, "    y + WORD)" },
	{ "folded, stripped", "- expr: >-\n    sum(\n      more\n    WORD)\n", 4, 5, "    WORD)" },
};

START_TEST(yaml_places_every_style)
{
	const struct place_case *test = &places[_i];
	struct yaml_node *root = parse(test->yaml);
	struct yaml_node *node = root;
	if (node->type == YAML_SEQUENCE)
		node = yaml_get(node->items[0], "expr");
	assert_place(node, "WORD", test->line, test->column, test->quote);
	/* What the text ends with has a place too. */
	diag_add_at(&diags, DIAG_ERROR, &node->source, node->text.len, 1, NULL, "end");
	ck_assert_uint_ge(diags.items[1].line, test->line);
}
END_TEST

START_TEST(yaml_places_values_and_containers)
{
	struct yaml_node *root = parse("- rules:\n  - {alert: X, for: 5m}\n");
	const struct yaml_node *rules = yaml_get(root->items[0], "rules");
	ck_assert_uint_eq(rules->line, 2);
	ck_assert_uint_eq(rules->column, 3);
	yaml_diag(&diags, DIAG_ERROR, rules->items[0], "do %d", "bad %s number %d", "rule", 3);
	ck_assert_str_eq(diags.items[0].message, "bad rule number 3");
	ck_assert_str_eq(diags.items[0].hint, "do %d");
	ck_assert_str_eq(diags.items[0].quote, "  - {alert: X, for: 5m}");
	ck_assert_uint_eq(diags.items[0].column, 5);
	ck_assert_uint_eq(diags.items[0].span, 1);
	yaml_diag(&diags, DIAG_WARNING, yaml_get(rules->items[0], "for"), NULL, "long");
	ck_assert_uint_eq(diags.items[1].column, 21);
	ck_assert_uint_eq(diags.items[1].span, 2);
}
END_TEST

/* Syntax errors: place, a part of the message, a part of the hint (NULL: none). */
static const struct syntax_case {
	const char *yaml;
	uint32_t line, column;
	const char *message, *hint;
} syntax[] = {
	{ "- expr: a: b\n", 1, 10, "mapping values are not allowed", "in a block: expr: |" },
	{ "- summary: it says: no\n", 1, 19, "mapping values",
	  "put the text in a block: summary: |" },
	{ "- expr: {a=\"b\"} > 5\n", 1, 19, "did not find expected",
	  "leading { for a mapping; put the expression in a block: expr: |" },
	{ "- expr: {a=\"b\"} + 5\n", 1, 17, "did not find expected key",
	  "leading { for a mapping" },
	{ "- expr: {a=\"b\"}\n    > 5\n", 2, 7, "did not find expected",
	  "leading { for a mapping" },
	{ "- expr: {a=\"b\", c\n- x: y\n", 2, 4, "line 1", "leading { for a mapping" },
	{ "- expr: \"a\" > 5\n", 1, 15, "did not find expected", "ends at the next quote" },
	{ "- expr: \"a\n\n", 1, 9,
	  "unexpected end of stream while scanning a quoted scalar that begins here",
	  "ends at the next quote" },
	{ "a: ['b]\n", 1, 5, "unexpected end of stream", "quote its entries" },
	{ "a: {b: c\nd: e\n", 2, 2, "began at line 1", "close each { with a }; inside of {" },
	{ "- name: a\n   rules: [\n", 2, 9, "mapping values", "look at the indentation" },
	{ "- alert: a\n    expr: up\n", 2, 9, "mapping values", "look at the indentation" },
	{ "a:\n- alert: a\n  expr: up\n labels: {a: b}\n", 4, 2, "did not find expected",
	  "look at the indentation" },
	{ "- expr: 'a' + 5\n", 1, 13, "did not find expected", "ends at the next quote" },
	{ "- expr: %x\n", 1, 9, "cannot start any token", "leading % for its own" },
	{ "- expr: @x\n", 1, 9, "cannot start any token", "leading @" },
	{ "- expr: `x`\n", 1, 9, "cannot start any token", "leading `" },
	{ "- expr: |\n  x > 5\n  for: 1m\n", 3, 3, "could not find", "stand deeper than its key" },
	{ "- expr: >\n  x > 5\n- expr: y\n", 3, 1, "could not find", "stand deeper than its key" },
	{ "- expr: - x\n", 1, 9, "block sequence", "leading - for an entry of a list" },
	{ "- expr: > 5\n", 1, 11, "did not find expected",
	  "leading > for a text that begins in the next" },
	{ "- labels: {a: it is {b}}\n", 1, 21, "did not find expected", "inside of {" },
	{ "- {alert: A, expr: up{a}}\n", 1, 22, "did not find expected", "inside of {" },
	{ "- *.yml\n", 1, 4, "did not find expected",
	  "leading * for an alias; put the text in quotes" },
	{ "- - @x\n", 1, 5, "cannot start any token", "put the text in quotes" },
	{ "- \"a\" b\n", 1, 7, "did not find expected", "put the text in quotes" },
	{ "a: [*.yml]\n", 1, 6, "did not find expected",
	  "a list; put the text in a block: a: |; if it is a list, quote its entries" },
	{ "a: [b]c\n", 1, 7, "did not find expected", "put the text in a block: a: |" },
	{ "- expr: &a b + c: d\n", 1, 17, "mapping values", "leading & for an anchor" },
	{ "groups:\n\t- name: x\n", 2, 1, "cannot start any token", "indent with spaces" },
	{ "groups:\n- name: x\n\trules: y\n", 3, 1, "tab character", "indent with spaces" },
	{ "a: 1\n b: 2\n", 2, 3, "mapping values", "look at the indentation" },
	{ "a: [1, 2\n", 1, 4, "begins here", "if it is a list, close it with a ]" },
	{ "a:\n  - b\n c\n", 3, 2, "line 1", NULL },
	{ "a: {b: c}\n- d\n", 2, 1, "did not find expected", NULL },
};

START_TEST(yaml_explains_syntax_errors)
{
	const struct syntax_case *test = &syntax[_i];
	const struct diag *diag = refuse(test->yaml);
	ck_assert_uint_eq(diags.n, 1);
	ck_assert_uint_eq(diag->line, test->line);
	ck_assert_uint_eq(diag->column, test->column);
	ck_assert_ptr_nonnull(strstr(diag->message, test->message));
	ck_assert_ptr_nonnull(diag->quote);
	if (test->hint)
		ck_assert_ptr_nonnull(strstr(diag->hint ? diag->hint : "", test->hint));
	else
		ck_assert_ptr_null(diag->hint);
}
END_TEST

/* What is wrong is told as line:column, and what of the rest can be read as the values of "is". */
static const struct through_case {
	const char *yaml, *told, *is;
} through[] = {
	{ "is: 1\n", "", "1" },
	{ "a: {b} > 1\nis: 1\n", "1:10", "1" },
	{ "a: b: c\nd: [e > 1\nis: 1\nf: @g\n", "1:5 3:3 4:4", "1" },
	{ "a: \"b\" > 1\nis: 1\nc: \"d\n", "1:10 3:4", "1" },
	{ "- {a: b{c} > 1}\n- is: 1\n- {a: b{c} > 1}\n- is: 2\n", "1:12 3:12", "1 2" },
	/* what goes on in lines below goes with it */
	{ "- a: {b}\n    or: {c}\n    or {d}\n  is: 1\n", "2:5", "1" },
	/* entries of lists */
	{ "- *.yml\n- b\n- is: 1\n- {c: d{e},\n   f: g}\n- - \"h\" i\n- is: 2\n", "1:4 4:8 6:9",
	  "1 2" },
	{ "a:\n  - @b\n  - is: 1\nc: [*.yml]\n", "2:5 4:6", "1" },
	/* what closes lines above is not the value's */
	{ "a: {b: c,\n d: [e, @f]}\nis: 1\n", "2:9", "1" },
	{ "a: {b: c,\n d: @f}, }\nis: 1\n", "2:5", NULL },
	{ "a: @b}\nc: @d} > {e}\nis: 1\n", "1:4 2:4", "1" },
	/* nothing is said of the line once more */
	{ "a: *b\nis: 1\na: !c d\n", "1:4 3:4", "1" },
	{ "<<: *b\nis: 1\n", "1:5", "1" },
	/* a key a second time: the first counts */
	{ "is: 1\nis: 2\n", "2:1", "1" },
	/* what is before a fault is told once, and where it stands */
	{ "a: 1\na: 2\nb: {c} > 1\nis: 1\n", "3:10 2:1", "1" },
	{ "a: {é}é > 1\nis: 1\nb: *é\n", "1:8 3:5", "1" },
	/* where the indentation is wrong, the entry or key that the line belongs to goes as a whole */
	{ "- a: 1\n b: 2\n- is: 1\n- c: 1\n    d: 2\n- is: 2\n", "2:2 5:6", "1 2" },
	{ "a:\n  - b: 1\n    c:\n      d: 1\n   e: 2\n  - is: 1\n", "5:4", "1" },
	{ "is: 1\na:\n   b: 1\n  c: 2\nd: 3\ne: @d\n", "4:3 6:4", "1" },
	{ "- a: 1\n\tb: 2\n- is: 1\n", "2:1", "1" },
	{ "- a: |\n\tb\n  c: 2\n- is: 1\n", "2:1", "1" },
	{ "- a: |\n  b\n  c: 2\n- is: 1\n", "3:3", "1" },
	{ "- b:\n  - c: 1\n\t- d: 1\n    e: 2\n  - is: 1\n", "3:1", "1" },
	{ "a:\n- is: 1\n   - b: 1\n  c: 2\n- is: 2\n", "3:7", "1 2" },
	/* where it cannot be told what is at fault, nothing is read */
	{ "is: 1\n\tb: 2\n", "2:1", NULL },
	{ "is: 1\na: {b} > 1\n c: 2\nd: 3\n", "2:10", "1" },
	{ "is: 1\na: 2\n b: 3\n", "3:3", NULL },
};

/* How many stand for what could not be read. */
static size_t count_unread(const struct yaml_node *node)
{
	size_t n = node->unread;
	for (size_t i = 0; i < node->n; i++)
		n += count_unread(node->items[i]);
	return n;
}

START_TEST(yaml_tells_what_stands_for_values_that_are_none)
{
	struct yaml_node *root = NULL;
	ck_assert_uint_eq(count_unread(parse("a: x\nb: [x, {x: x}]\n")), 0);
	ck_assert_int_eq(yaml_parse(SLICE("a: é\nb: {c} > 1\n*d : x\ne: !f x\ng: x\nh: [x]\ni: *j\n"
					  "k: [*.yml]\nl:\n- x\n- @x\n- x\n"),
				    "f.yml", &arena, &diags, &root),
			 ERR_INVALID);
	ck_assert_uint_eq(diags.n, 6);
	ck_assert_uint_eq(count_unread(root), 6);
	ck_assert(yaml_get(root, "b")->unread && yaml_get(root, "e")->unread);
	ck_assert(yaml_get(root, "i")->unread && yaml_get(root, "k")->unread);
	ck_assert(!yaml_get(root, "g")->unread && yaml_get(root, "l")->items[1]->unread);
}
END_TEST

static void add_values_of_is(const struct yaml_node *node, struct buf *out)
{
	for (size_t i = 0; i < node->n; i++) {
		bool is = node->type == YAML_MAPPING && i % 2 == 1 &&
			  slice_is(node->items[i - 1]->text, "is");
		if (is)
			buf_printf(out, "%s" SLICE_FMT, out->len ? " " : "",
				   SLICE_ARG(node->items[i]->text));
		add_values_of_is(node->items[i], out);
	}
}

START_TEST(yaml_reads_on_behind_a_value_that_is_none)
{
	const struct through_case *test = &through[_i];
	struct yaml_node *root = NULL;
	struct buf told, is;
	buf_init(&told);
	buf_init(&is);
	buf_reserve(&told, 1);
	buf_reserve(&is, 1);
	int rc = yaml_parse(slice_from(test->yaml), "f.yml", &arena, &diags, &root);
	for (size_t i = 0; i < diags.n; i++)
		buf_printf(&told, "%s%u:%u", i ? " " : "", diags.items[i].line,
			   diags.items[i].column);
	ck_assert_str_eq(told.ptr, test->told);
	ck_assert_int_eq(rc, diags.n ? ERR_INVALID : 0);
	ck_assert_uint_eq(diag_list_told(&diags), diags.n);
	ck_assert_int_eq(root != NULL, test->is != NULL);
	if (root)
		add_values_of_is(root, &is);
	ck_assert_str_eq(is.ptr, test->is ? test->is : "");
	buf_fini(&told);
	buf_fini(&is);
}
END_TEST

START_TEST(yaml_limits_repairs)
{
	struct yaml_node *root = NULL;
	struct buf text;
	buf_init(&text);
	for (int i = 0; i < YAML_REPAIRS_MAX; i++)
		buf_printf(&text, "a%d: {b} > 1\n", i);
	ck_assert_int_eq(yaml_parse(buf_slice(&text), "f.yml", &arena, &diags, &root),
			 ERR_INVALID);
	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(diag_list_told(&diags), YAML_REPAIRS_MAX);
	buf_add_str(&text, "c: {b} > 1\n");
	root = NULL;
	ck_assert_int_eq(yaml_parse(buf_slice(&text), "g.yml", &arena, &diags, &root),
			 ERR_INVALID);
	ck_assert_ptr_null(root);
	ck_assert_uint_eq(diag_list_told(&diags), 2 * YAML_REPAIRS_MAX + 1);
	buf_fini(&text);
}
END_TEST

/* A list that is nearly all there may be is not read twice for a fault at its end. */
START_TEST(yaml_limits_what_repairs_cost)
{
	struct yaml_node *root = NULL;
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, "a: [");
	for (int i = 0; i < YAML_NODES_MAX / 2; i++)
		buf_add_str(&text, "b,");
	buf_add_str(&text, "]\nc: {d} > 1\ne: {f} > 1\ng: {h} > 1\n");
	ck_assert_int_eq(yaml_parse(buf_slice(&text), "f.yml", &arena, &diags, &root),
			 ERR_INVALID);
	ck_assert_ptr_null(root);
	ck_assert_uint_eq(diag_list_told(&diags), 2);
	buf_fini(&text);
}
END_TEST

START_TEST(yaml_refuses_what_is_no_text)
{
	const struct diag *diag = refuse("a: b\nc: \xff\n");
	ck_assert_ptr_nonnull(strstr(diag->message, "not a text: invalid leading UTF-8 octet"));
	ck_assert_uint_eq(diag->line, 2);
	ck_assert_uint_eq(diag->column, 4);
	ck_assert_ptr_nonnull(strstr(refuse("a: \x01\n")->message, "control characters"));
}
END_TEST

/* levels lists around a text */
static char *nested(size_t levels)
{
	char *text = calloc(1, 2 * levels + 2);
	memset(text, '[', levels);
	text[levels] = 'x';
	memset(text + levels + 1, ']', levels);
	return text;
}

START_TEST(yaml_limits_depth)
{
	char *good = nested(YAML_DEPTH_MAX - 1), *bad = nested(YAML_DEPTH_MAX),
	     *huge = nested(1000000);
	ck_assert_uint_eq(parse(good)->height, YAML_DEPTH_MAX);
	ck_assert_str_eq(refuse(bad)->message, "nested more than 64 levels deep");
	ck_assert_str_eq(refuse(huge)->message, "nested more than 64 levels deep");
	free(good);
	free(bad);
	free(huge);
}
END_TEST

START_TEST(yaml_limits_depth_through_aliases)
{
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, "a0: &a0 [x]\n");
	for (int i = 1; i < 80; i++)
		buf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	ck_assert_str_eq(refuse(text.ptr)->message, "nested more than 64 levels deep");
	buf_fini(&text);
}
END_TEST

START_TEST(yaml_limits_laughs)
{
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]\n");
	for (int i = 1; i < 10; i++) {
		buf_printf(&text, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_printf(&text, "%s*a%d", k ? "," : "", i - 1);
		buf_add_str(&text, "]\n");
	}
	ck_assert_str_eq(refuse(text.ptr)->message,
			 "more than 2000000 values, aliases counted at each use");
	buf_fini(&text);
}
END_TEST

START_TEST(yaml_limits_merged_laughs)
{
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, "a: &a {");
	for (int i = 0; i < 2000; i++)
		buf_printf(&text, "k%d: v,", i);
	buf_add_str(&text, "}\nb:\n");
	for (int i = 0; i < 2000; i++)
		buf_add_str(&text, "- {<<: *a}\n");
	ck_assert_str_eq(refuse(text.ptr)->message,
			 "more than 2000000 values, aliases counted at each use");
	buf_fini(&text);
}
END_TEST

START_TEST(yaml_limits_values)
{
	struct buf text;
	buf_init(&text);
	buf_add_char(&text, '[');
	for (int i = 0; i < YAML_NODES_MAX; i++)
		buf_add_str(&text, "a,");
	buf_add_char(&text, ']');
	ck_assert_str_eq(refuse(text.ptr)->message,
			 "more than 2000000 values, aliases counted at each use");
	buf_fini(&text);
}
END_TEST

START_TEST(yaml_limits_anchors)
{
	struct buf text;
	buf_init(&text);
	for (int i = 0; i < YAML_ANCHORS_MAX; i++)
		buf_printf(&text, "- &a%d x\n", i);
	ck_assert_uint_eq(parse(text.ptr)->n, YAML_ANCHORS_MAX);
	buf_add_str(&text, "- &one_more x\n");
	ck_assert_str_eq(refuse(text.ptr)->message, "more than 4096 anchors");
	buf_fini(&text);
}
END_TEST

START_TEST(yaml_limits_bytes)
{
	struct yaml_node *root = NULL;
	char *text = malloc(YAML_BYTES_MAX + 1);
	memset(text, '\n', YAML_BYTES_MAX + 1);
	ck_assert_int_eq(yaml_parse((struct slice){ text, YAML_BYTES_MAX + 1 }, "f.yml", &arena,
				    &diags, &root),
			 ERR_INVALID);
	ck_assert_str_eq(diags.items[0].message, "larger than 16 MiB");
	ck_assert_int_eq(
		yaml_parse((struct slice){ text, YAML_BYTES_MAX }, "f.yml", &arena, &diags, &root),
		0);
	free(text);
}
END_TEST

START_TEST(yaml_says_when_memory_is_short)
{
	struct yaml_node *root = NULL;
	struct slice text = SLICE("a: &a {b: [1, 2, 3], c: >\n    d\n    e\n}\nf: {<<: *a}\n");
	for (size_t limit = 16; limit < 1024; limit += 16) {
		arena_fini(&arena);
		arena_init(&arena, limit);
		ck_assert_int_eq(yaml_parse(text, "f.yml", &arena, &diags, &root), ERR_NOMEM);
		ck_assert_ptr_null(root);
	}
}
END_TEST

START_TEST(yaml_reads_files)
{
	char path[] = "/tmp/test_yaml.XXXXXX";
	struct yaml_node *root = NULL;
	int fd = mkstemp(path);
	ck_assert_int_eq(write(fd, "a: b\n", 5), 5);
	close(fd);
	ck_assert_int_eq(yaml_parse_file(path, &arena, &diags, &root), 0);
	assert_text(yaml_get(root, "a"), "b");
	ck_assert_str_eq(root->source.file, path);
	unlink(path);
	ck_assert_int_eq(yaml_parse_file(path, &arena, &diags, &root), ERR_IO);
	ck_assert_str_eq(diags.items[0].file, path);
	ck_assert_str_eq(diags.items[0].message, "cannot read: No such file or directory");
	ck_assert_int_eq(yaml_parse_file("/tmp", &arena, &diags, &root), ERR_IO);
	ck_assert_int_eq(yaml_parse_file("/dev/zero", &arena, &diags, &root), ERR_INVALID);
	ck_assert_str_eq(diags.items[2].message, "larger than 16 MiB");
}
END_TEST

static Suite *yaml_suite(void)
{
	Suite *suite = suite_create("yaml");
	TCase *tc = tcase_create("tree");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, yaml_reads_the_shapes);
	tcase_add_test(tc, yaml_reads_nothing_as_nothing);
	tcase_add_test(tc, yaml_skips_a_byte_order_mark);
	tcase_add_test(tc, yaml_shares_aliases);
	tcase_add_test(tc, yaml_merges);
	tcase_add_test(tc, yaml_refuses_bad_merges);
	tcase_add_test(tc, yaml_refuses_bad_aliases);
	tcase_add_test(tc, yaml_refuses_foreign_tags);
	tcase_add_test(tc, yaml_refuses_duplicate_keys_naming_both);
	tcase_add_test(tc, yaml_refuses_keys_that_are_not_text);
	tcase_add_test(tc, yaml_reads_the_first_document_only);
	tcase_add_test(tc, yaml_refuses_what_breaks_a_document_off);
	tcase_add_test(tc, yaml_reads_files);
	suite_add_tcase(suite, tc);

	tc = tcase_create("places");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, yaml_tells_what_stands_for_values_that_are_none);
	tcase_add_loop_test(tc, yaml_places_every_style, 0, sizeof(places) / sizeof(places[0]));
	tcase_add_test(tc, yaml_places_values_and_containers);
	tcase_add_loop_test(tc, yaml_explains_syntax_errors, 0, sizeof(syntax) / sizeof(syntax[0]));
	tcase_add_test(tc, yaml_refuses_what_is_no_text);
	suite_add_tcase(suite, tc);

	tc = tcase_create("limits");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, yaml_limits_depth);
	tcase_add_test(tc, yaml_limits_depth_through_aliases);
	tcase_add_test(tc, yaml_limits_laughs);
	tcase_add_test(tc, yaml_limits_merged_laughs);
	tcase_add_test(tc, yaml_limits_values);
	tcase_add_test(tc, yaml_limits_anchors);
	tcase_add_test(tc, yaml_limits_repairs);
	tcase_add_test(tc, yaml_limits_what_repairs_cost);
	tcase_add_loop_test(tc, yaml_reads_on_behind_a_value_that_is_none, 0,
			    sizeof(through) / sizeof(through[0]));
	tcase_add_test(tc, yaml_limits_bytes);
	tcase_add_test(tc, yaml_says_when_memory_is_short);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(yaml_suite)
