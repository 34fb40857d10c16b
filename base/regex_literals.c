#include "base/regex_literals.h"

#include <assert.h>
#include <stdlib.h>

#include "base/regex_syntax.h"

#define LONG_S_UTF8 "\xc5\xbf"
#define KELVIN_SIGN_UTF8 "\xe2\x84\xaa"
#define LENGTH_ENOUGH 8 /* longer literals are hardly rarer */

/*
 * Reads what regex_translate() wrote: literals are letters, digits and \x{…}; classes are […]; all
 * else is spelled out, too. So there are few forms, and none is malformed.
 */
struct walk {
	struct slice in;
	size_t i;
	struct arena *arena;
	bool fold; /* (?i) here */
};

/* Literals in a row. */
struct run {
	char bytes[256];
	size_t len;
	bool has_s, has_k; /* under (?i) */
};

/* A part of the pattern that stands in a row with others: the best that is known of the row. */
struct row {
	struct regex_literals best;
	struct run run;
	bool is_exact;	/* all of it so far is in `run`, or in `best` and nothing else */
	bool is_broken; /* out of memory */
};

static char peek_at(const struct walk *w, size_t k)
{
	return k < w->in.len - w->i ? w->in.ptr[w->i + k] : '\0';
}

static size_t shortest(const struct regex_literals *set)
{
	size_t min = SIZE_MAX;

	for (uint32_t i = 0; i < set->n; i++) {
		/* The two beside a literal are as rare as can be. */
		bool rare = slice_is(set->items[i], LONG_S_UTF8) ||
			    slice_is(set->items[i], KELVIN_SIGN_UTF8);

		if (!rare && set->items[i].len < min)
			min = set->items[i].len;
	}
	return min < LENGTH_ENOUGH ? min : LENGTH_ENOUGH;
}

static bool is_better(const struct regex_literals *a, const struct regex_literals *b)
{
	if (a->n == 0 || b->n == 0)
		return a->n > 0;
	size_t la = shortest(a), lb = shortest(b);

	return la != lb ? la > lb : a->n < b->n;
}

static void set_add(struct row *row, struct regex_literals *set, struct walk *w, struct slice text)
{
	struct slice copy = arena_slice(w->arena, text);

	if (!copy.ptr)
		row->is_broken = true;
	else
		set->items[set->n++] = copy;
}

/* The run ends here: it may be the best of the row. */
static void row_end_run(struct row *row, struct walk *w)
{
	struct run *run = &row->run;
	struct regex_literals set = { .n = 0 };

	if (run->len > 0) {
		set_add(row, &set, w, (struct slice){ run->bytes, run->len });
		if (run->has_s)
			set_add(row, &set, w, SLICE(LONG_S_UTF8));
		if (run->has_k)
			set_add(row, &set, w, SLICE(KELVIN_SIGN_UTF8));
		if (is_better(&set, &row->best))
			row->best = set;
	}
	*run = (struct run){ .len = 0 };
}

static void row_add_bytes(struct row *row, struct walk *w, const char *bytes, size_t n)
{
	struct run *run = &row->run;

	if (run->len + n > sizeof(run->bytes)) {
		row_end_run(row, w);
		row->is_exact = false;
	}
	memcpy(run->bytes + run->len, bytes, n);
	run->len += n;
}

static void row_add_rune(struct row *row, struct walk *w, uint32_t rune)
{
	char bytes[4];
	size_t n = rune_encode(rune, bytes);
	bool is_letter = (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');

	if (w->fold && rune >= 0x80) {
		row_end_run(row, w);
		row->is_exact = false;
		return;
	}
	row_add_bytes(row, w, bytes, n);
	if (w->fold && is_letter) {
		row->run.has_s = row->run.has_s || (rune | 0x20) == 's';
		row->run.has_k = row->run.has_k || (rune | 0x20) == 'k';
		row->is_exact = false;
	}
}

/*
 * A quantifier behind an atom: the least number of times, 1 when there is none. *is_there tells
 * which.
 */
static unsigned take_quantifier(struct walk *w, bool *is_there)
{
	unsigned min = 1;
	char c = peek_at(w, 0);

	*is_there = c && strchr("*+?{", c);
	if (!*is_there)
		return 1;
	if (c == '*' || c == '?')
		min = 0;
	if (c == '{') {
		min = (unsigned)atoi(w->in.ptr + w->i + 1);
		while (peek_at(w, 0) != '}')
			w->i++;
	}
	w->i++;
	if (peek_at(w, 0) == '?')
		w->i++; /* lazy */
	return min;
}

/* \x{61}, at its backslash. */
static uint32_t take_hex(struct walk *w)
{
	uint32_t rune = (uint32_t)strtoul(w->in.ptr + w->i + 3, NULL, 16);

	while (peek_at(w, 0) != '}')
		w->i++;
	w->i++;
	return rune;
}

static void skip_class(struct walk *w)
{
	/* Members are ranges of \x{…} and properties: no bracket among them. */
	while (peek_at(w, 0) != ']')
		w->i++;
	w->i++;
}

/* \p{…}, \b and their like, behind which a quantifier may stand. */
static void skip_escape(struct walk *w)
{
	char c = peek_at(w, 1);

	w->i += 2;
	if (c == 'p' || c == 'P') {
		while (peek_at(w, 0) != '}')
			w->i++;
		w->i++;
	}
}

static void alternatives_find(struct walk *w, struct regex_literals *out);

/* (?i) (?i: (?:, behind "(?". True when it is a group, false when flags of what follows. */
static bool take_flags(struct walk *w)
{
	bool off = false;

	for (;; w->i++) {
		char c = peek_at(w, 0);

		if (c == 'i')
			w->fold = !off;
		else if (c == '-')
			off = true;
		else if (c == ':' || c == ')')
			break;
	}
	return w->in.ptr[w->i++] == ':';
}

static void row_add_set(struct row *row, struct walk *w, const struct regex_literals *set,
			bool is_first)
{
	/* foo(bar): one after the other. */
	if (set->is_exact && set->n == 1) {
		row_add_bytes(row, w, set->items[0].ptr, set->items[0].len);
		return;
	}
	row_end_run(row, w);
	if (is_better(set, &row->best))
		row->best = *set;
	row->is_exact = row->is_exact && is_first && set->is_exact;
}

/* A group, or flags for what follows, at the parenthesis. */
static void row_add_group(struct row *row, struct walk *w, bool is_first)
{
	bool fold = w->fold, is_quantified;
	struct regex_literals set;

	w->i++;
	if (peek_at(w, 0) == '?') {
		w->i++;
		if (!take_flags(w))
			return;
	}
	char c = peek_at(w, 0);
	bool is_assertion =
		(c == '^' || c == '$') ||
		(c == '\\' && peek_at(w, 1) != 'x' && peek_at(w, 1) != 'p' && peek_at(w, 1) != 'P');

	if (is_assertion && peek_at(w, c == '\\' ? 2 : 1) == ')') {
		w->i += c == '\\' ? 3 : 2;
		w->fold = fold;
		take_quantifier(w, &is_quantified);
		row->is_exact = false;
		return; /* of no width: what is around it stays in a row */
	}
	alternatives_find(w, &set);
	w->i++;
	w->fold = fold;
	unsigned min = take_quantifier(w, &is_quantified);

	if (is_quantified) {
		set.is_exact = false;
		row_end_run(row, w);
	}
	if (min > 0)
		row_add_set(row, w, &set, is_first && !is_quantified);
	row->is_exact = row->is_exact && !is_quantified;
}

static void row_add_literal(struct row *row, struct walk *w)
{
	bool is_quantified;
	uint32_t rune;

	if (peek_at(w, 0) == '\\')
		rune = take_hex(w);
	else
		rune = (unsigned char)w->in.ptr[w->i++];
	unsigned min = take_quantifier(w, &is_quantified);

	if (min > 0)
		row_add_rune(row, w, rune);
	if (is_quantified) {
		row_end_run(row, w);
		row->is_exact = false;
	}
}

/* What stands in a row up to "|", ")" or the end. */
static void row_find(struct walk *w, struct regex_literals *out)
{
	struct row row = { .is_exact = true };
	bool is_quantified;

	for (bool is_first = true; w->i < w->in.len; is_first = false) {
		char c = peek_at(w, 0);

		if (c == '|' || c == ')')
			break;
		if (c == '(') {
			row_add_group(&row, w, is_first);
			continue;
		}
		if (c == '\\' ? peek_at(w, 1) == 'x' : c != '[' && c != '.') {
			if (row.best.n > 0)
				row.is_exact = false;
			row_add_literal(&row, w);
			continue;
		}
		if (c == '[')
			skip_class(w);
		else if (c == '\\')
			skip_escape(w);
		else
			w->i++;
		take_quantifier(w, &is_quantified);
		row_end_run(&row, w);
		row.is_exact = false;
	}
	if (row.best.n > 0 && row.run.len > 0)
		row.is_exact = false;
	row_end_run(&row, w);
	*out = row.best;
	out->is_exact = row.is_exact && out->n > 0;
	if (row.is_broken)
		*out = (struct regex_literals){ .n = 0 };
}

static void alternatives_find(struct walk *w, struct regex_literals *out)
{
	struct regex_literals next;
	bool is_known;

	row_find(w, out);
	is_known = out->n > 0;
	while (w->i < w->in.len && peek_at(w, 0) == '|') {
		w->i++;
		row_find(w, &next);
		is_known = is_known && next.n > 0 && out->n + next.n <= REGEX_LITERALS_MAX;
		for (uint32_t i = 0; is_known && i < next.n; i++)
			out->items[out->n++] = next.items[i];
		out->is_exact = out->is_exact && next.is_exact;
	}
	if (!is_known)
		*out = (struct regex_literals){ .n = 0 };
}

void regex_literals_find(struct slice pattern, struct arena *arena, struct regex_literals *out)
{
	struct regex_syntax syntax;
	char *why = NULL;
	size_t offset;

	*out = (struct regex_literals){ .n = 0 };
	if (regex_translate(pattern, &syntax, &why, &offset) == 0) {
		/* A NUL at the end: peek_at() and the numbers' readers stop there. */
		struct walk w = { .in = buf_slice(&syntax.out), .arena = arena };

		alternatives_find(&w, out);
		assert(w.i == w.in.len);
	}
	free(why);
	buf_fini(&syntax.out);
}
