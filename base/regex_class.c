/*
 * Characters and classes of a pattern: escapes, properties, [...].
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/regex_parser.h"

/* A bare script name means its extensions as well to newer versions of PCRE2, but not to Go. */
#if PCRE2_MAJOR > 10 || PCRE2_MINOR >= 40
#define SCRIPT_PREFIX "sc:"
#else
#define SCRIPT_PREFIX ""
#endif

#define RUNE_MAX 0x10FFFFu
#define LONG_S 0x17Fu	    /* folds to s */
#define KELVIN_SIGN 0x212Au /* folds to k */

/* Sets of ASCII characters that have a name. Perl's three come first, in RE2's reading. */
static const struct ascii_class {
	const char *name;
	const char *ranges; /* pairs of first and last */
} ascii_classes[] = {
	{ "d", "09" },		 { "s", "\t\n\f\r  " },
	{ "w", "09AZaz__" },	 { "alnum", "09AZaz" },
	{ "alpha", "AZaz" },	 { "ascii", "\x01\x7F" },	  /* and NUL, added by hand */
	{ "blank", "\t\t  " },	 { "cntrl", "\x01\x1F\x7F\x7F" }, /* and NUL */
	{ "digit", "09" },	 { "graph", "!~" },
	{ "lower", "az" },	 { "print", " ~" },
	{ "punct", "!/:@[`{~" }, { "space", "\t\r  " },
	{ "upper", "AZ" },	 { "word", "09AZaz__" },
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

static void add_range(struct regex_parser *p, uint32_t low, uint32_t high)
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
 * The members as ranges for the inside of [...]. Go folds a class before it negates it, PCRE2
 * after: for a negated one under (?i) the folding is done here, with the two characters outside of
 * ASCII that fold into it.
 */
static void add_ascii_class(struct regex_parser *p, const struct ascii_class *class, bool negated)
{
	uint32_t start = 0;
	bool inside = false;

	for (uint32_t rune = 0; rune <= 0x80; rune++) {
		bool member =
			p->fold && negated ? class_has_folded(class, rune) : class_has(class, rune);

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
int regex_parse_property(struct regex_parser *p, size_t at, bool negated)
{
	struct slice name = rest(p);

	if (at_end(p))
		return fail(p, at, "missing name of a character property");
	if (next_rune(p) == '{') {
		ptrdiff_t close = slice_find(rest(p), '}');

		if (close < 0)
			return fail(p, at, "missing \"}\" of a character property");
		name = (struct slice){ p->in.ptr + p->i, (size_t)close };
		p->i += name.len + 1;
	} else {
		name.len = (size_t)(p->in.ptr + p->i - name.ptr);
	}
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
	if (p->fold && (slice_is(name, "Lu") || slice_is(name, "Ll") || slice_is(name, "Lt")))
		name = SLICE("L&");
	/* Categories have one or two letters, all other names are scripts. */
	const char *kind = name.len <= 2 || slice_is(name, "Any") ? "" : SCRIPT_PREFIX;

	buf_printf(p->out, "\\%c{%s" SLICE_FMT "}", negated ? 'P' : 'p', kind, SLICE_ARG(name));
	return 0;
}

/* \x7F or \x{10FFFF}: p->i stands behind the x. */
static int parse_hex(struct regex_parser *p, size_t at, uint32_t *rune)
{
	bool braces = peek(p, 0) == '{';
	size_t digits = 0;

	p->i += braces;
	for (*rune = 0; hex_digit(peek(p, 0)) >= 0 && (braces || digits < 2); digits++, p->i++) {
		*rune = *rune * 16 + (uint32_t)hex_digit(peek(p, 0));
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
	{ 'C', "the single byte \"\\C\"" },
	{ 'G', "the match start \"\\G\"" },
	{ 'K', "the match reset \"\\K\"" },
	{ 'N', "the non-newline \"\\N\"" },
	{ 'R', "the line break \"\\R\"" },
	{ 'X', "the grapheme \"\\X\"" },
	{ 'Z', "the end before a newline \"\\Z\"" },
	{ 'g', "the back reference \"\\g\"" },
	{ 'k', "the back reference \"\\k\"" },
	{ 'h', "the horizontal space \"\\h\"" },
	{ 'H', "the class \"\\H\"" },
	{ 'V', "the class \"\\V\"" },
};

static int fail_escape(struct regex_parser *p, size_t at)
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
int regex_parse_escape(struct regex_parser *p, uint32_t *rune)
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
static const struct ascii_class *perl_class(const struct regex_parser *p, bool *negated)
{
	char c = peek(p, 1);
	char lower = (char)(c | 0x20);

	if (peek(p, 0) != '\\' || (lower != 'd' && lower != 's' && lower != 'w') || !is_alnum(c))
		return NULL;
	*negated = c != lower;
	return ascii_class_find((struct slice){ &lower, 1 });
}

static int parse_class_char(struct regex_parser *p, size_t class_at, uint32_t *rune)
{
	if (at_end(p))
		return fail(p, class_at, "missing closing \"]\"");
	if (peek(p, 0) == '\\')
		return regex_parse_escape(p, rune);
	*rune = next_rune(p);
	return 0;
}

static int parse_class_range(struct regex_parser *p, size_t class_at)
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
static int parse_posix_class(struct regex_parser *p)
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

static int parse_class_item(struct regex_parser *p, size_t class_at)
{
	bool negated;
	const struct ascii_class *class;
	int posix = parse_posix_class(p);

	if (posix != 0)
		return posix < 0 ? posix : 0;
	if (looking_at(p, "\\p") || looking_at(p, "\\P")) {
		p->i += 2;
		return regex_parse_property(p, p->i - 2, p->in.ptr[p->i - 1] == 'P');
	}
	class = perl_class(p, &negated);
	if (!class)
		return parse_class_range(p, class_at);
	p->i += 2;
	add_ascii_class(p, class, negated);
	return 0;
}

int regex_parse_class(struct regex_parser *p)
{
	size_t at = p->i++;
	bool first = true;

	buf_add_char(p->out, '[');
	if (peek(p, 0) == '^') {
		buf_add_char(p->out, '^');
		p->i++;
	}
	while (at_end(p) || peek(p, 0) != ']' || first) {
		int err =
			at_end(p) ? fail(p, at, "missing closing \"]\"") : parse_class_item(p, at);

		if (err)
			return err;
		first = false;
	}
	p->i++;
	buf_add_char(p->out, ']');
	regex_atom_done(p, 1);
	return 0;
}

bool regex_parse_perl_class(struct regex_parser *p)
{
	bool negated;
	const struct ascii_class *class = perl_class(p, &negated);

	if (!class)
		return false;
	p->i += 2;
	buf_add_str(p->out, negated ? "[^" : "[");
	add_ascii_class(p, class, false);
	buf_add_char(p->out, ']');
	regex_atom_done(p, 1);
	return true;
}
