#include "actions/when.h"

#include <string.h>

#include "base/error.h"
#include "base/quote.h"
#include "base/text.h"

enum kind { WHEN_OR, WHEN_AND, WHEN_NOT, WHEN_STATE, WHEN_OUTPUT };
enum literal { LITERAL_NUMBER, LITERAL_TEXT, LITERAL_BOOL };
enum compare { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

struct when {
	enum kind kind;
	const struct when *left, *right;
	uint32_t step;
	enum when_state state;
	struct slice path; /* a.b of an output */
	enum compare compare;
	enum literal literal;
	double number;
	struct slice text;
	bool boolean;
};

static const char *const state_names[] = { "ok",      "failed",	 "timed_out",
					   "skipped", "refused", "unknown" };
/* The longer ones first. */
static const struct {
	const char *text;
	enum compare compare;
} compares[] = { { "==", CMP_EQ }, { "!=", CMP_NE }, { "<=", CMP_LE },
		 { ">=", CMP_GE }, { "<", CMP_LT },  { ">", CMP_GT } };

/* ---- parsing ---- */

struct parser {
	const struct source *source;
	const struct slice *ids;
	uint32_t nids;
	struct arena *arena;
	struct diag_list *diags;
	size_t at;
	unsigned nodes, depth;
	uint32_t steps;
	int code; /* the first error; nothing goes on after it */
};

static struct when *parse_or(struct parser *p);

static void complain(struct parser *p, size_t at, size_t span, const char *hint, const char *text)
{
	if (!p->code)
		diag_add_at(p->diags, DIAG_ERROR, p->source, at, span, hint, "%s", text);
	p->code = ERR_INVALID;
}

static struct slice rest(struct parser *p)
{
	struct slice text = p->source->text;

	while (p->at < text.len && strchr(" \t\r\n", text.ptr[p->at]))
		p->at++;
	return (struct slice){ text.ptr + p->at, text.len - p->at };
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The word at the place, not taken; empty for none. */
static struct slice peek_word(struct parser *p)
{
	struct slice text = rest(p);
	size_t n = 0;

	while (n < text.len && is_word_char(text.ptr[n]))
		n++;
	return (struct slice){ text.ptr, n };
}

static bool take_word(struct parser *p, const char *word)
{
	if (!slice_is(peek_word(p), word))
		return false;
	p->at += strlen(word);
	return true;
}

static bool take_char(struct parser *p, char c)
{
	struct slice text = rest(p);

	if (text.len == 0 || text.ptr[0] != c)
		return false;
	p->at++;
	return true;
}

static struct when *node_new(struct parser *p, enum kind kind)
{
	struct when *when = p->code ? NULL : ARENA_NEW(p->arena, struct when);

	if (!p->code && !when)
		p->code = ERR_NOMEM;
	if (++p->nodes > WHEN_NODES_MAX)
		complain(p, 0, p->source->text.len, NULL, "the condition is too long");
	if (when)
		when->kind = kind;
	return p->code ? NULL : when;
}

/* "(" ID ")" */
static uint32_t parse_step(struct parser *p)
{
	if (!take_char(p, '(')) {
		complain(p, p->at, 1, NULL, "\"(\" with the id of a step is missing");
		return 0;
	}
	struct slice id = peek_word(p);
	uint32_t step = 0;
	while (step < p->nids && !slice_is_equal(p->ids[step], id))
		step++;
	if (step == p->nids) {
		complain(p, p->at, id.len ? id.len : 1, "write the id of a step",
			 "there is no step of this id");
		return 0;
	}
	p->at += id.len;
	if (!take_char(p, ')'))
		complain(p, p->at, 1, NULL, "\")\" is missing");
	p->steps |= UINT32_C(1) << step;
	return step;
}

static struct slice parse_path(struct parser *p)
{
	size_t from = p->at + 1;

	while (p->at < p->source->text.len && p->source->text.ptr[p->at] == '.') {
		p->at++;
		struct slice key = peek_word(p);
		if (key.len == 0)
			complain(p, p->at, 1, NULL, "a key of the output is missing");
		else if (key.len > WHEN_KEY_MAX)
			complain(p, p->at, key.len, NULL, "a key of the output is too long");
		p->at += key.len;
	}
	return p->at >= from ? (struct slice){ p->source->text.ptr + from, p->at - from }
			     : (struct slice){ NULL, 0 };
}

/* A text in double quotes, with JSON's escapes. */
static void parse_text(struct parser *p, struct when *when)
{
	struct slice text = rest(p);
	size_t n = 1;

	while (n < text.len && text.ptr[n] != '"')
		n += text.ptr[n] == '\\' ? 2 : 1;
	json_t *value = n < text.len ? json_loadb(text.ptr, n + 1, JSON_DECODE_ANY, NULL) : NULL;
	if (!json_is_string(value)) {
		complain(p, p->at, 1, NULL, "this text does not end, or has a bad escape");
	} else {
		when->text = arena_slice(p->arena, (struct slice){ json_string_value(value),
								   json_string_length(value) });
		if (when->text.len && !when->text.ptr)
			p->code = ERR_NOMEM;
		p->at += n + 1;
	}
	json_decref(value);
}

static void parse_literal(struct parser *p, struct when *when)
{
	struct slice text = rest(p);
	size_t n = 0;

	if (text.len && text.ptr[0] == '"') {
		when->literal = LITERAL_TEXT;
		parse_text(p, when);
		return;
	}
	if (take_word(p, "true") || take_word(p, "false")) {
		when->literal = LITERAL_BOOL;
		when->boolean = text.ptr[0] == 't';
		return;
	}
	while (n < text.len && (is_word_char(text.ptr[n]) || strchr("+-.", text.ptr[n])))
		n++;
	if (n == 0 || number_parse((struct slice){ text.ptr, n }, &when->number))
		complain(p, p->at, n ? n : 1, NULL,
			 "a number, a text in double quotes, true or false is missing");
	p->at += n;
}

static struct when *parse_output(struct parser *p)
{
	struct when *when = node_new(p, WHEN_OUTPUT);

	if (!when)
		return NULL;
	when->step = parse_step(p);
	when->path = p->code ? (struct slice){ NULL, 0 } : parse_path(p);
	struct slice text = rest(p);
	for (size_t i = 0; i < sizeof(compares) / sizeof(compares[0]) && !p->code; i++)
		if (slice_has_prefix(text, slice_from(compares[i].text))) {
			when->compare = compares[i].compare;
			p->at += strlen(compares[i].text);
			parse_literal(p, when);
			if (!p->code && when->literal == LITERAL_BOOL && when->compare > CMP_NE)
				complain(p, p->at, 1, "compare it with == or !=",
					 "true and false have no order");
			return when;
		}
	complain(p, p->at, 1, "output(look).busy == true", "a comparison is missing");
	return NULL;
}

static struct when *parse_term(struct parser *p)
{
	if (take_char(p, '(')) {
		struct when *when = parse_or(p);
		if (!p->code && !take_char(p, ')'))
			complain(p, p->at, 1, NULL, "\")\" is missing");
		return when;
	}
	struct slice word = peek_word(p);
	size_t at = p->at;
	if (take_word(p, "output"))
		return parse_output(p);
	for (int state = 0; state < WHEN_STATES; state++) {
		struct when *when;
		if (!take_word(p, state_names[state]) || !(when = node_new(p, WHEN_STATE)))
			continue;
		when->state = (enum when_state)state;
		when->step = parse_step(p);
		return when;
	}
	complain(p, at, word.len ? word.len : 1,
		 "ok, failed, timed_out, skipped, refused, unknown (ID), or output(ID).key",
		 "this is no condition");
	return NULL;
}

static struct when *parse_not(struct parser *p)
{
	struct when *when;

	if (++p->depth > WHEN_DEPTH_MAX)
		complain(p, p->at, 1, NULL, "the condition is nested too deeply");
	if (p->code)
		return NULL;
	if (take_word(p, "not")) {
		when = node_new(p, WHEN_NOT);
		const struct when *operand = parse_not(p);
		if (when)
			when->left = operand;
	} else {
		when = parse_term(p);
	}
	p->depth--;
	return when;
}

/* A chain of one operator. */
static struct when *parse_chain(struct parser *p, const char *word, enum kind kind,
				struct when *(*parse)(struct parser *p))
{
	struct when *left = parse(p);

	while (!p->code && take_word(p, word)) {
		struct when *both = node_new(p, kind);
		const struct when *right = parse(p);
		if (!both)
			return NULL;
		both->left = left;
		both->right = right;
		left = both;
	}
	return left;
}

static struct when *parse_and(struct parser *p)
{
	return parse_chain(p, "and", WHEN_AND, parse_not);
}

static struct when *parse_or(struct parser *p)
{
	return parse_chain(p, "or", WHEN_OR, parse_and);
}

int when_parse(const struct source *source, const struct slice *ids, uint32_t n,
	       struct arena *arena, struct diag_list *diags, const struct when **out,
	       uint32_t *steps)
{
	struct parser p = {
		.source = source, .ids = ids, .nids = n, .arena = arena, .diags = diags
	};
	const struct when *when = parse_or(&p);

	if (!p.code && rest(&p).len > 0)
		complain(&p, p.at, 1, "conditions are joined by \"and\" and \"or\"",
			 "the condition does not end here");
	if (p.code)
		return p.code;
	*out = when;
	*steps = p.steps;
	return 0;
}

/* ---- asking ---- */

static bool compare_numbers(enum compare compare, double a, double b)
{
	switch (compare) {
	case CMP_EQ:
		return a == b;
	case CMP_NE:
		return a != b;
	case CMP_LT:
		return a < b;
	case CMP_LE:
		return a <= b;
	case CMP_GT:
		return a > b;
	case CMP_GE:
		return a >= b;
	}
	return false;
}

static bool compare_value(const struct when *when, const json_t *value)
{
	switch (when->literal) {
	case LITERAL_NUMBER:
		return json_is_number(value) &&
		       compare_numbers(when->compare, json_number_value(value), when->number);
	case LITERAL_BOOL:
		return json_is_boolean(value) &&
		       (json_is_true(value) == when->boolean) == (when->compare == CMP_EQ);
	case LITERAL_TEXT:
		break;
	}
	struct slice text = { json_string_value(value), json_string_length(value) };
	return json_is_string(value) &&
	       compare_numbers(when->compare, slice_compare(text, when->text), 0);
}

static bool is_output_so(const struct when *when, const struct when_steps *steps)
{
	json_t *output = steps->output(steps->ctx, when->step);
	const json_t *value = output;
	struct slice path = when->path;

	while (path.len > 0 && value) {
		ptrdiff_t dot = slice_find(path, '.');
		size_t n = dot < 0 ? path.len : (size_t)dot;
		char key[WHEN_KEY_MAX + 1];
		snprintf(key, sizeof(key), "%.*s", (int)n, path.ptr);
		value = json_object_get(value, key);
		path.ptr += dot < 0 ? n : n + 1;
		path.len -= dot < 0 ? n : n + 1;
	}
	bool is_so = value && compare_value(when, value);
	json_decref(output);
	return is_so;
}

/* Recursion: at most WHEN_NODES_MAX, the length of a chain. */
bool when_is_true(const struct when *when, const struct when_steps *steps)
{
	switch (when->kind) {
	case WHEN_OR:
		return when_is_true(when->left, steps) || when_is_true(when->right, steps);
	case WHEN_AND:
		return when_is_true(when->left, steps) && when_is_true(when->right, steps);
	case WHEN_NOT:
		return !when_is_true(when->left, steps);
	case WHEN_STATE:
		return steps->state(steps->ctx, when->step) == when->state;
	case WHEN_OUTPUT:
		return is_output_so(when, steps);
	}
	return false;
}
