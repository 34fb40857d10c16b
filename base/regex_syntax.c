#include "base/regex_syntax.h"

#include "base/regex_parser.h"

int regex_fail(struct regex_parser *p, int err, size_t at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(&p->why, format, args);
	va_end(args);
	p->why_at = at;
	return err;
}

void regex_atom_done(struct regex_parser *p, unsigned repeat)
{
	p->has_atom = true;
	p->has_repeat = false;
	p->atom = repeat;
	if (p->repeat < repeat)
		p->repeat = repeat;
}

static void add_literal(struct regex_parser *p, uint32_t rune)
{
	if (rune < 0x80 && is_alnum((char)rune))
		buf_add_char(p->out, (char)rune);
	else
		buf_printf(p->out, "\\x{%x}", rune);
	regex_atom_done(p, 1);
}

/* In a group, so that it may be repeated as in Go. */
static void add_assertion(struct regex_parser *p, const char *assertion)
{
	buf_printf(p->out, "(?:%s)", assertion);
	regex_atom_done(p, 1);
}

/* \Q...\E; without the end, up to the end of the pattern. */
static void parse_quoted(struct regex_parser *p)
{
	p->i += 2;
	while (!at_end(p)) {
		if (looking_at(p, "\\E")) {
			p->i += 2;
			return;
		}
		add_literal(p, next_rune(p));
	}
}

static int parse_backslash(struct regex_parser *p)
{
	static const char assertions[] = "AbBz";
	char c = peek(p, 1);
	uint32_t rune;

	if (regex_parse_perl_class(p))
		return 0;
	if (c && strchr(assertions, c)) {
		add_assertion(p, (const char[]){ '\\', c, '\0' });
		p->i += 2;
		return 0;
	}
	if (c == 'p' || c == 'P') {
		p->i += 2;
		int err = regex_parse_property(p, p->i - 2, c == 'P');

		if (!err)
			regex_atom_done(p, 1);
		return err;
	}
	if (c == 'Q') {
		parse_quoted(p);
		return 0;
	}
	int err = regex_parse_escape(p, &rune);

	if (!err)
		add_literal(p, rune);
	return err;
}

/* A decimal number as Go reads it here: no leading zeros. False when there is none. */
static bool parse_count(struct regex_parser *p, unsigned *n)
{
	size_t start = p->i;

	if (!is_digit(peek(p, 0)) || (peek(p, 0) == '0' && is_digit(peek(p, 1))))
		return false;
	for (*n = 0; is_digit(peek(p, 0)); p->i++) {
		if (*n <= REGEX_REPEAT_MAX)
			*n = *n * 10 + (unsigned)(peek(p, 0) - '0');
	}
	return p->i > start;
}

#define NO_MAX (~0u)

/* {2} {2,} {2,5}; anything else leaves p->i alone: the brace is then a literal. */
static bool parse_braces(struct regex_parser *p, unsigned *min, unsigned *max)
{
	size_t start = p->i++;
	bool good = parse_count(p, min);

	*max = *min;
	if (good && peek(p, 0) == ',') {
		p->i++;
		*max = NO_MAX;
		if (peek(p, 0) != '}')
			good = parse_count(p, max);
	}
	if (!good || peek(p, 0) != '}') {
		p->i = start;
		return false;
	}
	p->i++;
	return true;
}

/* Go bounds the product of nested counts too, since its automaton is unrolled. */
static int check_counts(struct regex_parser *p, size_t at, unsigned min, unsigned max)
{
	unsigned count = max == NO_MAX ? min : max;

	if (min > REGEX_REPEAT_MAX || (max != NO_MAX && (max > REGEX_REPEAT_MAX || max < min)))
		return fail(p, at, "invalid repeat count \"" SLICE_FMT "\"", (int)(p->i - at),
			    p->in.ptr + at);
	if (count >= 2 && count * p->atom > REGEX_REPEAT_MAX)
		return fail(p, at, "nested repeat counts exceed %d", REGEX_REPEAT_MAX);
	if (count > 0)
		p->atom *= count;
	if (p->repeat < p->atom)
		p->repeat = p->atom;
	return 0;
}

static int parse_repeat(struct regex_parser *p, size_t at)
{
	struct slice op = { p->in.ptr + at, p->i - at };

	if (!p->has_atom)
		return fail(p, at, "nothing to repeat before \"" SLICE_FMT "\"", SLICE_ARG(op));
	if (p->has_repeat && slice_is(op, "+"))
		return fail(p, at, "the possessive quantifier \"%c+\" is not supported",
			    p->in.ptr[at - 1]);
	if (p->has_repeat)
		return fail(p, at, "repetition of a repetition \"" SLICE_FMT "\"", SLICE_ARG(op));
	buf_add_slice(p->out, op);
	if (peek(p, 0) == '?') {
		buf_add_char(p->out, '?');
		p->i++;
	}
	p->has_repeat = true;
	return 0;
}

static int parse_counted(struct regex_parser *p, size_t at, unsigned min, unsigned max)
{
	int err = parse_repeat(p, at);

	return err ? err : check_counts(p, at, min, max);
}

/* The things behind "(" that RE2 does not know; longer prefixes first. */
static const struct refused_group {
	const char *prefix, *what;
} refused_groups[] = {
	{ "(?<=", "look-behind" },
	{ "(?<!", "look-behind" },
	{ "(?=", "look-ahead" },
	{ "(?!", "look-ahead" },
	{ "(?>", "the atomic group" },
	{ "(?|", "the branch reset group" },
	{ "(?#", "the comment" },
	{ "(?(", "the conditional group" },
	{ "(?C", "the callout" },
	{ "(?R", "recursion" },
	{ "(?&", "recursion" },
	{ "(?P>", "recursion" },
	{ "(?P=", "the back reference" },
	{ "(?+", "recursion" },
	{ "(?'", "the group name in quotes" },
	{ "(*", "the verb" },
};

static int refuse_group(struct regex_parser *p)
{
	for (size_t i = 0; i < sizeof(refused_groups) / sizeof(refused_groups[0]); i++) {
		if (looking_at(p, refused_groups[i].prefix))
			return fail(p, p->i, "%s \"%s\" is not supported", refused_groups[i].what,
				    refused_groups[i].prefix);
	}
	if (looking_at(p, "(?") &&
	    (is_digit(peek(p, 2)) || (peek(p, 2) == '-' && is_digit(peek(p, 3)))))
		return fail(p, p->i, "recursion \"(?%c\" is not supported", peek(p, 2));
	return 0;
}

static int open_group(struct regex_parser *p, size_t at)
{
	if (p->depth == REGEX_NESTING_MAX)
		return regex_fail(p, ERR_LIMIT, at, "groups nested deeper than %d",
				  REGEX_NESTING_MAX);
	p->frames[p->depth++] = (struct regex_frame){ at, p->fold, p->repeat };
	p->repeat = 1;
	p->has_atom = false;
	return 0;
}

static int open_capture(struct regex_parser *p, size_t at, struct slice name)
{
	struct regex_syntax *syntax = p->syntax;

	if (syntax->ngroups == REGEX_GROUPS_MAX)
		return regex_fail(p, ERR_LIMIT, at, "more than %d capturing groups",
				  REGEX_GROUPS_MAX);
	for (size_t i = 0; name.len && i < syntax->ngroups; i++) {
		if (slice_is_equal(syntax->names[i], name))
			return fail(p, at, "group name \"" SLICE_FMT "\" twice", SLICE_ARG(name));
	}
	syntax->names[syntax->ngroups++] = name;
	buf_add_char(p->out, '(');
	return open_group(p, at);
}

/* (?P<name>...: p->i stands behind the "<". */
static int parse_group_name(struct regex_parser *p, size_t at)
{
	ptrdiff_t len = slice_find(rest(p), '>');
	struct slice name = { p->in.ptr + p->i, len > 0 ? (size_t)len : 0 };
	bool good = name.len > 0;

	for (size_t i = 0; i < name.len; i++)
		good = good && (is_alnum(name.ptr[i]) || name.ptr[i] == '_');
	if (!good)
		return fail(p, at, "invalid group name");
	p->i += name.len + 1;
	return open_capture(p, at, name);
}

/* (?i) (?i-s:...: p->i stands behind the "?". */
static int parse_flags(struct regex_parser *p, size_t at)
{
	bool off = false, any = false, fold = p->fold;

	for (; !at_end(p); p->i++) {
		char c = peek(p, 0);

		if (c && strchr("imsU", c)) {
			any = true;
			if (c == 'i')
				fold = !off;
		} else if (c == '-' && !off) {
			off = true;
			any = false;
		} else {
			break;
		}
	}
	char end = peek(p, 0);

	if ((end != ':' && end != ')') || (off && !any)) {
		if (!at_end(p))
			next_rune(p);
		return fail(p, at, "invalid group \"" SLICE_FMT "\"", (int)(p->i - at),
			    p->in.ptr + at);
	}
	p->i++;
	int err = end == ':' ? open_group(p, at) : 0;

	/* Both dialects mean the same by them, and by where they end. */
	buf_add(p->out, p->in.ptr + at, p->i - at);
	p->fold = fold;
	p->has_atom = false;
	return err;
}

static int parse_open(struct regex_parser *p)
{
	size_t at = p->i;
	int err = refuse_group(p);

	if (err)
		return err;
	if (looking_at(p, "(?P<") || looking_at(p, "(?<")) {
		p->i += looking_at(p, "(?P<") ? 4 : 3;
		return parse_group_name(p, at);
	}
	if (looking_at(p, "(?")) {
		p->i += 2;
		return parse_flags(p, at);
	}
	p->i++;
	return open_capture(p, at, (struct slice){ NULL, 0 });
}

static int parse_close(struct regex_parser *p)
{
	if (p->depth == 0)
		return fail(p, p->i, "unexpected \")\"");
	struct regex_frame *frame = &p->frames[--p->depth];
	unsigned inner = p->repeat;

	p->i++;
	buf_add_char(p->out, ')');
	p->fold = frame->fold;
	p->repeat = frame->repeat;
	regex_atom_done(p, inner);
	return 0;
}

static int parse_one(struct regex_parser *p)
{
	size_t at = p->i;
	unsigned min, max;
	char c = peek(p, 0);

	switch (c) {
	case '(':
		return parse_open(p);
	case ')':
		return parse_close(p);
	case '[':
		return regex_parse_class(p);
	case '\\':
		return parse_backslash(p);
	case '|':
		buf_add_char(p->out, '|');
		p->has_atom = false;
		p->i++;
		return 0;
	case '.':
		buf_add_char(p->out, '.');
		regex_atom_done(p, 1);
		p->i++;
		return 0;
	case '^':
	case '$':
		add_assertion(p, c == '^' ? "^" : "$");
		p->i++;
		return 0;
	case '*':
	case '+':
	case '?':
		p->i++;
		return parse_repeat(p, at);
	case '{':
		if (parse_braces(p, &min, &max))
			return parse_counted(p, at, min, max);
		break;
	default:
		break;
	}
	add_literal(p, next_rune(p));
	return 0;
}

int regex_translate(struct slice pattern, struct regex_syntax *syntax, char **why, size_t *offset)
{
	struct regex_parser p = {
		.in = pattern, .syntax = syntax, .out = &syntax->out, .repeat = 1
	};
	int err = 0;

	buf_init(&syntax->out);
	buf_init(&p.why);
	syntax->ngroups = 0;
	if (pattern.len > REGEX_PATTERN_MAX)
		err = regex_fail(&p, ERR_LIMIT, 0, "longer than %d bytes", REGEX_PATTERN_MAX);
	else if (!slice_is_utf8(pattern))
		err = fail(&p, 0, "no valid UTF-8");
	while (!err && !at_end(&p))
		err = parse_one(&p);
	if (!err && p.depth > 0)
		err = fail(&p, p.frames[p.depth - 1].at, "missing closing \")\"");
	if (!err)
		return syntax->out.failed ? ERR_NOMEM : 0;
	*offset = p.why_at;
	*why = buf_take(&p.why);
	return err;
}
