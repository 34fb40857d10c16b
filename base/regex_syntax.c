#include "base/regex_syntax.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

/* A bare script name means its extensions as well to newer versions of PCRE2, but not to Go. */
#if PCRE2_MAJOR > 10 || PCRE2_MINOR >= 40
#define SCRIPT_PREFIX "sc:"
#else
#define SCRIPT_PREFIX ""
#endif

#define RUNE_MAX 0x10FFFFu
#define LONG_S 0x17Fu       /* folds to s */
#define KELVIN_SIGN 0x212Au /* folds to k */

struct frame {
	size_t at;       /* of the opening parenthesis */
	bool fold;       /* (?i) outside of the group */
	unsigned repeat; /* largest product of repeat counts in the enclosing group so far */
};

struct parser {
	struct slice in;
	size_t i;
	struct regex_syntax *syntax;
	struct buf *out;
	bool fold;        /* (?i) */
	bool has_atom;    /* there is something to repeat */
	bool has_repeat;  /* and it was repeated already */
	unsigned atom;    /* product of the repeat counts within the last atom */
	unsigned repeat;  /* the largest one of this group */
	struct frame frames[REGEX_NESTING_MAX];
	size_t depth;
	struct buf why; /* the first error */
	size_t why_at;
	int err;
};

static int fail_with(struct parser *p, int err, size_t at, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int fail_with(struct parser *p, int err, size_t at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(&p->why, format, args);
	va_end(args);
	p->why_at = at;
	p->err = err;
	return err;
}

#define fail(p, at, ...) fail_with((p), ERR_INVALID, (at), __VA_ARGS__)

static struct slice rest(const struct parser *p)
{
	return (struct slice){ p->in.ptr + p->i, p->in.len - p->i };
}

static bool at_end(const struct parser *p)
{
	return p->i == p->in.len;
}

/* The byte k positions ahead, 0 beyond the end. */
static char peek(const struct parser *p, size_t k)
{
	return k < p->in.len - p->i ? p->in.ptr[p->i + k] : '\0';
}

static bool looking_at(const struct parser *p, const char *text)
{
	return slice_has_prefix(rest(p), slice_from(text));
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static uint32_t next_rune(struct parser *p)
{
	uint32_t rune;

	p->i += slice_rune(rest(p), &rune);
	return rune;
}

/* An atom was written. */
static void atom_done(struct parser *p, unsigned repeat)
{
	p->has_atom = true;
	p->has_repeat = false;
	p->atom = repeat;
	if (p->repeat < repeat)
		p->repeat = repeat;
}

static void add_literal(struct parser *p, uint32_t rune)
{
	if (rune < 0x80 && is_alnum((char)rune))
		buf_add_char(p->out, (char)rune);
	else
		buf_printf(p->out, "\\x{%x}", rune);
	atom_done(p, 1);
}

/* Sets of ASCII characters that have a name. Perl's three come first, in RE2's reading. */
static const struct ascii_class {
	const char *name;
	const char *ranges; /* pairs of first and last */
} ascii_classes[] = {
	{ "d", "09" },
	{ "s", "\t\n\f\r  " },
	{ "w", "09AZaz__" },
	{ "alnum", "09AZaz" },
	{ "alpha", "AZaz" },
	{ "ascii", "\x01\x7F" }, /* and NUL, added by hand */
	{ "blank", "\t\t  " },
	{ "cntrl", "\x01\x1F\x7F\x7F" }, /* and NUL */
	{ "digit", "09" },
	{ "graph", "!~" },
	{ "lower", "az" },
	{ "print", " ~" },
	{ "punct", "!/:@[`{~" },
	{ "space", "\t\r  " },
	{ "upper", "AZ" },
	{ "word", "09AZaz__" },
	{ "xdigit", "09AFaf" },
};

static const struct ascii_class *ascii_class_find(struct slice name)
{
	for (size_t i = 0; i < sizeof(ascii_classes) / sizeof(ascii_classes[0]); i++) {
		if (slice_is(name, ascii_classes[i].name))
			return &ascii_classes[i];
	}
	return NULL;
}

static void add_range(struct parser *p, uint32_t low, uint32_t high)
{
	if (low > high)
		return;
	buf_printf(p->out, "\\x{%x}", low);
	if (low < high)
		buf_printf(p->out, "-\\x{%x}", high);
}

static bool class_has(const struct ascii_class *class, uint32_t rune)
{
	const char *r = class->ranges;

	if (rune == 0)
		return slice_is(slice_from(class->name), "ascii") ||
		       slice_is(slice_from(class->name), "cntrl");
	for (; *r; r += 2) {
		if (rune >= (unsigned char)r[0] && rune <= (unsigned char)r[1])
			return true;
	}
	return false;
}

static bool class_has_folded(const struct ascii_class *class, uint32_t rune)
{
	bool letter = rune < 0x80 && is_alnum((char)rune) && !is_digit((char)rune);

	return class_has(class, rune) || (letter && class_has(class, rune ^ 0x20));
}

/*
 * The members as ranges for the inside of [...]. Go folds a class before it negates it, PCRE2 after:
 * for a negated one under (?i) the folding is done here, with the two characters outside of ASCII
 * that fold into it.
 */
static void add_ascii_class(struct parser *p, const struct ascii_class *class, bool negated)
{
	uint32_t start = 0;
	bool inside = false;

	for (uint32_t rune = 0; rune <= 0x80; rune++) {
		bool member = p->fold && negated ? class_has_folded(class, rune)
						 : class_has(class, rune);

		member = rune < 0x80 && member != negated;
		if (member && !inside)
			start = rune;
		else if (!member && inside)
			add_range(p, start, rune - 1);
		inside = member;
	}
	if (!negated)
		return;
	bool no_s = p->fold && class_has_folded(class, 's');
	bool no_k = p->fold && class_has_folded(class, 'k');

	add_range(p, 0x80, no_s ? LONG_S - 1 : LONG_S);
	add_range(p, LONG_S + 1, no_k ? KELVIN_SIGN - 1 : KELVIN_SIGN);
	add_range(p, KELVIN_SIGN + 1, RUNE_MAX);
}

/* \pL \p{Greek} \P{^Lu}: p->i stands behind the p. */
static int parse_property(struct parser *p, size_t at, bool negated)
{
	struct slice name = { p->in.ptr + p->i, 1 };

	if (at_end(p))
		return fail(p, at, "missing name of a character property");
	if (peek(p, 0) == '{') {
		p->i++;
		ptrdiff_t close = slice_find(rest(p), '}');

		if (close < 0)
			return fail(p, at, "missing \"}\" of a character property");
		name = (struct slice){ p->in.ptr + p->i, (size_t)close };
		p->i += name.len;
	}
	p->i++;
	if (name.len && name.ptr[0] == '^') {
		negated = !negated;
		name.ptr++;
		name.len--;
	}
	bool good = name.len > 0 && name.ptr[0] >= 'A' && name.ptr[0] <= 'Z';

	for (size_t i = 0; i < name.len; i++)
		good = good && (is_alnum(name.ptr[i]) || name.ptr[i] == '_');
	/* PCRE2's own inventions start with X. */
	if (!good || name.ptr[0] == 'X')
		return fail(p, at, "unknown character property \"" SLICE_FMT "\"", SLICE_ARG(name));
	/* Go folds a class under (?i). Letters that have no other case are not told apart here. */
	if (p->fold &&
	    (slice_is(name, "Lu") || slice_is(name, "Ll") || slice_is(name, "Lt")))
		name = SLICE("L&");
	/* Categories have one or two letters, all other names are scripts. */
	const char *kind = name.len <= 2 || slice_is(name, "Any") ? "" : SCRIPT_PREFIX;

	buf_printf(p->out, "\\%c{%s" SLICE_FMT "}", negated ? 'P' : 'p', kind, SLICE_ARG(name));
	return 0;
}

static int hex_value(char c)
{
	return is_digit(c)		? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* \x7F or \x{10FFFF}: p->i stands behind the x. */
static int parse_hex(struct parser *p, size_t at, uint32_t *rune)
{
	bool braces = peek(p, 0) == '{';
	size_t digits = 0;

	p->i += braces;
	for (*rune = 0; hex_value(peek(p, 0)) >= 0 && (braces || digits < 2); digits++, p->i++) {
		*rune = *rune * 16 + (uint32_t)hex_value(peek(p, 0));
		if (*rune > RUNE_MAX)
			return fail(p, at, "escape beyond \\x{10FFFF}");
	}
	if (braces ? digits == 0 || peek(p, 0) != '}' : digits != 2)
		return fail(p, at, "invalid escape \"\\x\"");
	p->i += braces;
	return 0;
}

/* What PCRE2 and others know and RE2 does not, by the letter behind the backslash. */
static const struct refused_escape {
	char letter;
	const char *what;
} refused_escapes[] = {
	{ 'C', "the single byte \"\\C\"" },	 { 'G', "the match start \"\\G\"" },
	{ 'K', "the match reset \"\\K\"" },	 { 'N', "the non-newline \"\\N\"" },
	{ 'R', "the line break \"\\R\"" },	 { 'X', "the grapheme \"\\X\"" },
	{ 'Z', "the end before a newline \"\\Z\"" }, { 'g', "the back reference \"\\g\"" },
	{ 'k', "the back reference \"\\k\"" },	 { 'h', "the horizontal space \"\\h\"" },
	{ 'H', "the class \"\\H\"" },		 { 'V', "the class \"\\V\"" },
};

static int fail_escape(struct parser *p, size_t at)
{
	char letter = p->in.ptr[at + 1];
	struct slice bad = { p->in.ptr + at, p->i - at };

	for (size_t i = 0; i < sizeof(refused_escapes) / sizeof(refused_escapes[0]); i++) {
		if (letter == refused_escapes[i].letter)
			return fail(p, at, "%s is not supported", refused_escapes[i].what);
	}
	if (letter >= '1' && letter <= '9')
		return fail(p, at, "the back reference \"\\%c\" is not supported", letter);
	return fail(p, at, "invalid escape \"" SLICE_FMT "\"", SLICE_ARG(bad));
}

/* The character that an escape stands for; p->i stands at the backslash. */
static int parse_escape(struct parser *p, uint32_t *rune)
{
	static const char letters[] = "afnrtv", bytes[] = "\a\f\n\r\t\v";
	size_t at = p->i++;

	if (at_end(p))
		return fail(p, at, "trailing \"\\\"");
	char c = peek(p, 0);

	*rune = next_rune(p);
	if (c == 'x')
		return parse_hex(p, at, rune);
	if (c == '0' || (c >= '1' && c <= '7' && peek(p, 0) >= '0' && peek(p, 0) <= '7')) {
		*rune = (uint32_t)(c - '0');
		for (int k = 0; k < 2 && peek(p, 0) >= '0' && peek(p, 0) <= '7'; k++)
			*rune = *rune * 8 + (uint32_t)(p->in.ptr[p->i++] - '0');
		return 0;
	}
	const char *letter = c ? strchr(letters, c) : NULL;

	if (letter) {
		*rune = (unsigned char)bytes[letter - letters];
		return 0;
	}
	/* Any ASCII punctuation stands for itself. */
	if (*rune >= 0x80 || is_alnum(c))
		return fail_escape(p, at);
	return 0;
}

/* \d \D \s \S \w \W: the class, or NULL. */
static const struct ascii_class *perl_class(const struct parser *p, bool *negated)
{
	char c = peek(p, 1);
	char lower = (char)(c | 0x20);

	if (peek(p, 0) != '\\' || (lower != 'd' && lower != 's' && lower != 'w') || !is_alnum(c))
		return NULL;
	*negated = c != lower;
	return ascii_class_find((struct slice){ &lower, 1 });
}

static int parse_class_char(struct parser *p, size_t class_at, uint32_t *rune)
{
	if (at_end(p))
		return fail(p, class_at, "missing closing \"]\"");
	if (peek(p, 0) == '\\')
		return parse_escape(p, rune);
	*rune = next_rune(p);
	return 0;
}

static int parse_class_range(struct parser *p, size_t class_at)
{
	size_t at = p->i;
	uint32_t low, high;
	int err = parse_class_char(p, class_at, &low);

	high = low;
	if (!err && peek(p, 0) == '-' && p->i + 1 < p->in.len && peek(p, 1) != ']') {
		p->i++;
		err = parse_class_char(p, class_at, &high);
	}
	if (err)
		return err;
	if (high < low)
		return fail(p, at, "invalid character range \"" SLICE_FMT "\"", (int)(p->i - at),
			    p->in.ptr + at);
	add_range(p, low, high);
	return 0;
}

/* [:alpha:] within a class. 1 when it is one, 0 when not, negative on error. */
static int parse_posix_class(struct parser *p)
{
	if (!looking_at(p, "[:"))
		return 0;
	size_t len = 2;

	while (p->i + len + 1 < p->in.len && !(peek(p, len) == ':' && peek(p, len + 1) == ']'))
		len++;
	if (p->i + len + 1 >= p->in.len)
		return 0; /* Go then takes the bracket for itself */
	struct slice name = { p->in.ptr + p->i + 2, len - 2 };
	bool negated = name.len > 0 && name.ptr[0] == '^';

	name.ptr += negated;
	name.len -= negated;
	const struct ascii_class *class = name.len > 1 ? ascii_class_find(name) : NULL;

	if (!class)
		return fail(p, p->i, "unknown character class \"" SLICE_FMT "\"", (int)len + 2,
			    p->in.ptr + p->i);
	add_ascii_class(p, class, negated);
	p->i += len + 2;
	return 1;
}

static int parse_class_item(struct parser *p, size_t class_at)
{
	bool negated;
	const struct ascii_class *class;
	int posix = parse_posix_class(p);

	if (posix != 0)
		return posix < 0 ? posix : 0;
	if (looking_at(p, "\\p") || looking_at(p, "\\P")) {
		p->i += 2;
		return parse_property(p, p->i - 2, p->in.ptr[p->i - 1] == 'P');
	}
	class = perl_class(p, &negated);
	if (!class)
		return parse_class_range(p, class_at);
	p->i += 2;
	add_ascii_class(p, class, negated);
	return 0;
}

static int parse_class(struct parser *p)
{
	size_t at = p->i++;
	bool first = true;

	buf_add_char(p->out, '[');
	if (peek(p, 0) == '^') {
		buf_add_char(p->out, '^');
		p->i++;
	}
	while (at_end(p) || peek(p, 0) != ']' || first) {
		int err = at_end(p) ? fail(p, at, "missing closing \"]\"") : parse_class_item(p, at);

		if (err)
			return err;
		first = false;
	}
	p->i++;
	buf_add_char(p->out, ']');
	atom_done(p, 1);
	return 0;
}

/* In a group, so that it may be repeated as in Go. */
static void add_assertion(struct parser *p, const char *assertion)
{
	buf_printf(p->out, "(?:%s)", assertion);
	atom_done(p, 1);
}

/* \Q...\E; without the end, up to the end of the pattern. */
static void parse_quoted(struct parser *p)
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

static int parse_backslash(struct parser *p)
{
	static const char assertions[] = "AbBz";
	char c = peek(p, 1);
	uint32_t rune;
	bool negated;
	const struct ascii_class *class = perl_class(p, &negated);

	if (class) {
		p->i += 2;
		buf_add_str(p->out, negated ? "[^" : "[");
		add_ascii_class(p, class, false);
		buf_add_char(p->out, ']');
		atom_done(p, 1);
		return 0;
	}
	if (c && strchr(assertions, c)) {
		add_assertion(p, (const char[]){ '\\', c, '\0' });
		p->i += 2;
		return 0;
	}
	if (c == 'p' || c == 'P') {
		p->i += 2;
		int err = parse_property(p, p->i - 2, c == 'P');

		if (!err)
			atom_done(p, 1);
		return err;
	}
	if (c == 'Q') {
		parse_quoted(p);
		return 0;
	}
	int err = parse_escape(p, &rune);

	if (!err)
		add_literal(p, rune);
	return err;
}

/* A decimal number as Go reads it here: no leading zeros. False when there is none. */
static bool parse_count(struct parser *p, unsigned *n)
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
static bool parse_braces(struct parser *p, unsigned *min, unsigned *max)
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
static int check_counts(struct parser *p, size_t at, unsigned min, unsigned max)
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

static int parse_repeat(struct parser *p, size_t at)
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

static int parse_counted(struct parser *p, size_t at, unsigned min, unsigned max)
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

static int refuse_group(struct parser *p)
{
	for (size_t i = 0; i < sizeof(refused_groups) / sizeof(refused_groups[0]); i++) {
		if (looking_at(p, refused_groups[i].prefix))
			return fail(p, p->i, "%s \"%s\" is not supported", refused_groups[i].what,
				    refused_groups[i].prefix);
	}
	if (looking_at(p, "(?") && (is_digit(peek(p, 2)) || (peek(p, 2) == '-' && is_digit(peek(p, 3)))))
		return fail(p, p->i, "recursion \"(?%c\" is not supported", peek(p, 2));
	return 0;
}

static int open_group(struct parser *p, size_t at)
{
	if (p->depth == REGEX_NESTING_MAX)
		return fail_with(p, ERR_LIMIT, at, "groups nested deeper than %d", REGEX_NESTING_MAX);
	p->frames[p->depth++] = (struct frame){ at, p->fold, p->repeat };
	p->repeat = 1;
	p->has_atom = false;
	return 0;
}

static int open_capture(struct parser *p, size_t at, struct slice name)
{
	struct regex_syntax *syntax = p->syntax;

	if (syntax->ngroups == REGEX_GROUPS_MAX)
		return fail_with(p, ERR_LIMIT, at, "more than %d capturing groups", REGEX_GROUPS_MAX);
	for (size_t i = 0; name.len && i < syntax->ngroups; i++) {
		if (slice_is_equal(syntax->names[i], name))
			return fail(p, at, "group name \"" SLICE_FMT "\" twice", SLICE_ARG(name));
	}
	syntax->names[syntax->ngroups++] = name;
	buf_add_char(p->out, '(');
	return open_group(p, at);
}

/* (?P<name>...: p->i stands behind the "<". */
static int parse_group_name(struct parser *p, size_t at)
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
static int parse_flags(struct parser *p, size_t at)
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

static int parse_open(struct parser *p)
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

static int parse_close(struct parser *p)
{
	if (p->depth == 0)
		return fail(p, p->i, "unexpected \")\"");
	struct frame *frame = &p->frames[--p->depth];
	unsigned inner = p->repeat;

	p->i++;
	buf_add_char(p->out, ')');
	p->fold = frame->fold;
	p->repeat = frame->repeat;
	atom_done(p, inner);
	return 0;
}

static int parse_one(struct parser *p)
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
		return parse_class(p);
	case '\\':
		return parse_backslash(p);
	case '|':
		buf_add_char(p->out, '|');
		p->has_atom = false;
		p->i++;
		return 0;
	case '.':
		buf_add_char(p->out, '.');
		atom_done(p, 1);
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
	struct parser p = { .in = pattern, .syntax = syntax, .out = &syntax->out, .repeat = 1 };
	int err = 0;

	buf_init(&syntax->out);
	buf_init(&p.why);
	syntax->ngroups = 0;
	if (pattern.len > REGEX_PATTERN_MAX)
		err = fail_with(&p, ERR_LIMIT, 0, "longer than %d bytes", REGEX_PATTERN_MAX);
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
