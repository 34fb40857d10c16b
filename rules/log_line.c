#include "rules/log_internal.h"

#include "base/error.h"
#include "base/regex_literals.h"

enum test_kind {
	TEST_ALL, /* an empty text is in every line */
	TEST_TEXTS,
	TEST_REGEX,
	TEST_PATTERN,
	TEST_IP
};

/* One of the texts that `or` joins. */
struct line_test {
	enum test_kind kind;
	/* TEST_TEXTS: any of them; else what a line must contain, if n > 0. */
	struct slice *texts;
	uint32_t ntexts;
	union {
		const struct regex_finder *finder;
		const struct log_pattern *pattern;
		const struct log_ip *ip;
	};
};

struct log_line_step {
	bool is_negated;
	struct line_test *tests;
	uint32_t n;
};

static int texts_set(const struct log_compiler *compiler, const struct slice *texts, uint32_t n,
		     struct line_test *test)
{
	test->texts = arena_alloc_array(compiler->arena, n ? n : 1, sizeof(*texts));
	if (!test->texts)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		test->texts[i] = arena_slice(compiler->arena, texts[i]);
		if (!test->texts[i].ptr)
			return ERR_NOMEM;
	}
	test->ntexts = n;
	return 0;
}

/* Most patterns are words: a|b needs no engine. */
static int regex_compile(const struct log_compiler *compiler, struct slice text,
			 struct line_test *test)
{
	struct regex_finder *finder;
	struct regex_literals literals;
	int err = log_finder_new(compiler, text, &finder);

	if (err)
		return err;
	regex_literals_find(text, compiler->arena, &literals);
	test->kind = literals.is_exact ? TEST_TEXTS : TEST_REGEX;
	test->finder = finder;
	return texts_set(compiler, literals.items, literals.n, test);
}

static int test_compile(const struct log_compiler *compiler, const struct log_line_arg *arg,
			struct line_test *test)
{
	enum log_line_op op = compiler->stage->line.op;
	int err;

	if (arg->is_ip) {
		test->kind = TEST_IP;
		return log_ip_compile(compiler, arg->text, &test->ip);
	}
	if (op == LINE_PATTERN || op == LINE_NOT_PATTERN) {
		test->kind = TEST_PATTERN;
		err = log_pattern_compile(compiler, arg->text, true, &test->pattern);
		if (err)
			return err;
		struct slice literal = log_pattern_literal(test->pattern);

		return texts_set(compiler, &literal, literal.len > 0, test);
	}
	if (arg->text.len == 0) {
		test->kind = TEST_ALL;
		return 0;
	}
	if (op == LINE_MATCHES || op == LINE_NOT_MATCHES)
		return regex_compile(compiler, arg->text, test);
	test->kind = TEST_TEXTS;
	return texts_set(compiler, &arg->text, 1, test);
}

int log_line_compile(const struct log_compiler *compiler, const struct log_line_step **out)
{
	const struct log_stage *stage = compiler->stage;
	enum log_line_op op = stage->line.op;
	struct log_line_step *step = ARENA_NEW(compiler->arena, struct log_line_step);

	if (!step)
		return ERR_NOMEM;
	step->n = stage->line.nargs;
	step->tests = arena_alloc_array(compiler->arena, step->n, sizeof(*step->tests));
	if (!step->tests)
		return ERR_NOMEM;
	step->is_negated =
		op == LINE_NOT_CONTAINS || op == LINE_NOT_MATCHES || op == LINE_NOT_PATTERN;
	for (uint32_t i = 0; i < step->n; i++) {
		int err = test_compile(compiler, &stage->line.args[i], &step->tests[i]);

		if (err)
			return err;
	}
	*out = step;
	return 0;
}

int log_line_literals(const struct log_compiler *compiler, const struct log_line_step *step,
		      struct log_literals *out)
{
	uint32_t n = 0;

	*out = (struct log_literals){ NULL, 0 };
	for (uint32_t i = 0; i < step->n; i++) {
		if (step->is_negated || step->tests[i].ntexts == 0)
			return 0;
		n += step->tests[i].ntexts;
	}
	struct slice *items = arena_alloc_array(compiler->arena, n, sizeof(*items));

	if (!items)
		return ERR_NOMEM;
	out->items = items;
	for (uint32_t i = 0; i < step->n; i++) {
		for (uint32_t k = 0; k < step->tests[i].ntexts; k++)
			items[out->n++] = step->tests[i].texts[k];
	}
	return 0;
}

static bool has_text(struct slice line, struct slice text)
{
	return line.len >= text.len && memmem(line.ptr, line.len, text.ptr, text.len) != NULL;
}

/*
 * A pattern that gives up on a line counts as one that does not match; so does one that finds
 * nothing in as much of a very long line as it is shown.
 */
static bool regex_is_found(const struct line_test *test, struct log_scratch *scratch)
{
	struct slice line = scratch->line;
	bool is_long = line.len > LOG_REGEX_BYTES_MAX;
	struct buf copy;

	if (is_long)
		line.len = LOG_REGEX_BYTES_MAX;
	int found = regex_finder_search(test->finder, line, !is_long && log_line_is_utf8(scratch),
					NULL, &copy);

	buf_fini(&copy);
	if (found == ERR_NOMEM)
		scratch->is_broken = true;
	if (found == ERR_LIMIT || (found == 0 && is_long))
		scratch->is_cut_off = true;
	return found > 0;
}

static bool test_is_met(const struct line_test *test, struct log_scratch *scratch)
{
	struct slice line = scratch->line;

	switch (test->kind) {
	case TEST_ALL:
		return true;
	case TEST_TEXTS:
		for (uint32_t i = 0; i < test->ntexts; i++) {
			if (has_text(line, test->texts[i]))
				return true;
		}
		return false;
	case TEST_REGEX:
		return regex_is_found(test, scratch);
	case TEST_PATTERN:
		return log_pattern_is_match(test->pattern, line);
	case TEST_IP:
		return log_ip_is_in(test->ip, line);
	}
	return false;
}

bool log_line_is_kept(const struct log_line_step *step, struct log_scratch *scratch)
{
	for (uint32_t i = 0; i < step->n; i++) {
		if (test_is_met(&step->tests[i], scratch))
			return !step->is_negated;
	}
	return step->is_negated;
}

/* Terminals' control sequences: ESC [ … letter, and the likes of ESC ] … BEL. */

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_final(char c)
{
	return is_digit(c) || (c >= 'A' && c <= 'P') || is_one_of(c, "RZcfntqry=><~") ||
	       (c >= 'f' && c <= 'n');
}

/* The length of the sequence at the start of the text, 0 when there is none. */
static size_t sequence_len(struct slice text)
{
	size_t n = 0, start;

	if (text.ptr[0] == '\x1b')
		n = 1;
	else if (text.len > 1 && text.ptr[0] == '\xc2' && text.ptr[1] == '\x9b')
		n = 2;
	if (n == 0)
		return 0;
	while (n < text.len && is_one_of(text.ptr[n], "[]()#;?"))
		n++;
	start = n;
	while (n < text.len && (text.ptr[n] == ';' || is_digit(text.ptr[n]) ||
				((text.ptr[n] | 0x20) >= 'a' && (text.ptr[n] | 0x20) <= 'z')))
		n++;
	if (n < text.len && text.ptr[n] == '\a')
		return n + 1;
	for (n = start; n < text.len && (is_digit(text.ptr[n]) || text.ptr[n] == ';');)
		n++;
	return n < text.len && is_final(text.ptr[n]) ? n + 1 : 0;
}

struct slice log_decolorize(struct log_scratch *scratch, struct slice line)
{
	if (line.len == 0 ||
	    (!memchr(line.ptr, '\x1b', line.len) && !has_text(line, SLICE("\xc2\x9b"))))
		return line;
	char *text = log_scratch_alloc(scratch, line.len);
	size_t n = 0;

	if (!text)
		return line;
	for (size_t i = 0; i < line.len;) {
		size_t skip = sequence_len((struct slice){ line.ptr + i, line.len - i });

		if (skip == 0)
			text[n++] = line.ptr[i++];
		i += skip;
	}
	return (struct slice){ text, n };
}
