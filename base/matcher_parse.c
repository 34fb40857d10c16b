/*
 * Alertmanager's text form of matchers: matchers_parse() of matcher.h.
 *
 * There are two syntaxes. The classic one takes legacy names and values that may stand bare or be
 * quoted as in OpenMetrics; the newer one takes any UTF-8 name, quoted as in Go. Alertmanager reads
 * with both and, where they differ, follows the classic one: so the newer one is for what the
 * classic one cannot read, and its message is the one to show.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/matcher.h"

struct parse {
	struct matcher *list;
	size_t n, cap;
	char *why;
};

static int fail(struct parse *parse, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct parse *parse, const char *format, ...)
{
	struct buf why;
	va_list args;

	buf_init(&why);
	va_start(args, format);
	buf_vprintf(&why, format, args);
	va_end(args);
	free(parse->why);
	parse->why = buf_take(&why);
	return ERR_INVALID;
}

static int parse_add(struct parse *parse, enum match_type type, struct slice name,
		     struct slice value)
{
	char *why;

	if (parse->n == MATCHERS_MAX) {
		fail(parse, "more than %d matchers", MATCHERS_MAX);
		return ERR_LIMIT;
	}
	if (parse->n == parse->cap) {
		size_t cap = parse->cap ? parse->cap * 2 : 4;
		struct matcher *list = realloc(parse->list, cap * sizeof(*list));

		if (!list)
			return ERR_NOMEM;
		parse->list = list;
		parse->cap = cap;
	}
	int err = matcher_init(&parse->list[parse->n], type, name, value, &why);

	if (err && why) {
		fail(parse, "invalid regular expression \"" SLICE_FMT "\": %s", SLICE_ARG(value),
		     why);
		free(why);
	}
	if (!err)
		parse->n++;
	return err;
}

static void parse_fini(struct parse *parse)
{
	matchers_free(parse->list, parse->n);
	free(parse->why);
	*parse = (struct parse){ 0 };
}

/* Moves over "=", "!=", "=~" or "!~". */
static bool take_operator(struct slice *in, enum match_type *type)
{
	static const enum match_type longest_first[] = { MATCH_RE, MATCH_NE, MATCH_NRE, MATCH_EQ };

	for (size_t i = 0; i < sizeof(longest_first) / sizeof(longest_first[0]); i++) {
		struct slice op = slice_from(match_type_text(longest_first[i]));

		if (slice_has_prefix(*in, op)) {
			in->ptr += op.len;
			in->len -= op.len;
			*type = longest_first[i];
			return true;
		}
	}
	return false;
}

/* Where there is nothing, the place may be NULL: not even 0 may be added to that. */
static void skip(struct slice *in, size_t n)
{
	if (n == 0)
		return;
	in->ptr += n;
	in->len -= n;
}

static struct slice trim_left(struct slice in)
{
	struct slice trimmed = slice_trim(in);

	if (trimmed.len > 0)
		trimmed.len = (size_t)(in.ptr + in.len - trimmed.ptr);
	return trimmed;
}

/*
 * A classic value: bare, or in double quotes. \n, \" and \\ are escapes, any other backslash stands
 * for itself. A bare double quote is an error.
 */
static int classic_value(struct parse *parse, struct slice raw, struct buf *out)
{
	bool quoted = raw.len > 0 && raw.ptr[0] == '"';
	bool closed = !quoted;

	for (size_t i = quoted; i < raw.len; i++) {
		char c = raw.ptr[i];

		if (c == '\\' && i + 1 < raw.len) {
			char escaped = raw.ptr[++i];

			if (escaped != 'n' && escaped != '"' && escaped != '\\')
				buf_add_char(out, '\\');
			buf_add_char(out, escaped == 'n' ? '\n' : escaped);
		} else if (c != '"') {
			buf_add_char(out, c);
		} else if (quoted && i == raw.len - 1) {
			closed = true;
		} else {
			closed = false;
			break;
		}
	}
	if (!closed)
		return fail(parse, "unescaped double quote in value " SLICE_FMT, SLICE_ARG(raw));
	return buf_ok(out) ? 0 : ERR_NOMEM;
}

static int classic_matcher(struct parse *parse, struct slice token)
{
	struct slice rest = slice_trim(token);
	struct slice name = rest;
	enum match_type type;
	struct buf value;

	for (name.len = 0; name.len < rest.len; name.len++) {
		struct slice longer = { name.ptr, name.len + 1 };

		if (!metric_name_is_legacy(longer))
			break;
	}
	skip(&rest, name.len);
	rest = trim_left(rest);
	if (name.len == 0 || !take_operator(&rest, &type))
		return fail(parse, "bad matcher format: " SLICE_FMT, SLICE_ARG(token));
	buf_init(&value);
	int err = classic_value(parse, slice_trim(rest), &value);

	if (!err)
		err = parse_add(parse, type, name, buf_slice(&value));
	buf_fini(&value);
	return err;
}

/* The length up to the next comma outside of quotes. */
static size_t classic_token(struct slice in)
{
	bool quoted = false, escaped = false;
	size_t i = 0;

	for (; i < in.len; i++) {
		char c = in.ptr[i];

		if (c == ',' && !quoted)
			break;
		if (c == '"' && !escaped)
			quoted = !quoted;
		escaped = c == '\\' && !escaped;
	}
	return i;
}

static int parse_classic(struct parse *parse, struct slice in)
{
	bool opened = in.len && in.ptr[0] == '{';
	bool closed = in.len && in.ptr[in.len - 1] == '}';

	skip(&in, opened);
	in.len -= closed && in.len;
	/* Alertmanager takes one brace for none: where nothing else stands, that is a slip. */
	if (opened != closed && slice_trim(in).len == 0)
		return fail(parse, "a brace without the other one");
	while (slice_trim(in).len > 0) {
		size_t len = classic_token(in);
		int err = classic_matcher(parse, (struct slice){ in.ptr, len });

		if (err)
			return err;
		skip(&in, len < in.len ? len + 1 : len);
	}
	return 0;
}

/* A word ends at white space and at characters that mean something. */
static bool is_word_byte(char c)
{
	return c && !strchr(" \t\r\n\v\f{}!=~,\\\"'`", c);
}

/* A quoted string or a word. */
static int take_text(struct parse *parse, struct slice *in, const char *what, struct buf *out)
{
	size_t len = 0, at;

	if (in->len == 0 || in->ptr[0] != '"') {
		while (len < in->len && is_word_byte(in->ptr[len]))
			len++;
		if (len == 0)
			return fail(parse, "expected %s before \"" SLICE_FMT "\"", what,
				    SLICE_ARG(*in));
		buf_add(out, in->ptr, len);
		skip(in, len);
		return buf_ok(out) ? 0 : ERR_NOMEM;
	}
	for (len = 1; len < in->len && in->ptr[len] != '"'; len++)
		len += in->ptr[len] == '\\';
	if (len >= in->len)
		return fail(parse, "missing closing quote of " SLICE_FMT, SLICE_ARG(*in));
	struct slice inside = { in->ptr + 1, len - 1 };
	int err = text_unquote(inside, '"', out, &at);

	if (err == ERR_INVALID)
		return fail(parse, "invalid escape in \"" SLICE_FMT "\"", SLICE_ARG(inside));
	if (!err && !slice_is_utf8(buf_slice(out)))
		return fail(parse, "no valid UTF-8 in \"" SLICE_FMT "\"", SLICE_ARG(inside));
	skip(in, len + 1);
	return err;
}

static int utf8_matcher(struct parse *parse, struct slice *in)
{
	enum match_type type;
	struct buf name, value;

	buf_init(&name);
	buf_init(&value);
	int err = take_text(parse, in, "a label name", &name);

	*in = trim_left(*in);
	if (!err && name.len == 0)
		err = fail(parse, "empty label name");
	if (!err && !take_operator(in, &type))
		err = fail(parse, "expected an operator such as \"=\" behind \"%s\"", name.ptr);
	*in = trim_left(*in);
	if (!err)
		err = take_text(parse, in, "a value", &value);
	if (!err)
		err = parse_add(parse, type, buf_slice(&name), buf_slice(&value));
	buf_fini(&name);
	buf_fini(&value);
	return err;
}

static int parse_utf8(struct parse *parse, struct slice in)
{
	in = slice_trim(in);
	bool braces = in.len && in.ptr[0] == '{';

	if (braces) {
		if (in.len < 2 || in.ptr[in.len - 1] != '}')
			return fail(parse, "missing closing \"}\"");
		in = slice_trim((struct slice){ in.ptr + 1, in.len - 2 });
	}
	while (in.len > 0) {
		int err = utf8_matcher(parse, &in);

		if (err)
			return err;
		in = trim_left(in);
		if (in.len > 0 && in.ptr[0] != ',')
			return fail(parse, "expected a comma before \"" SLICE_FMT "\"",
				    SLICE_ARG(in));
		skip(&in, in.len > 0);
		in = trim_left(in);
	}
	return 0;
}

static int list_append(struct matcher **list, size_t *n, struct parse *parse)
{
	if (parse->n == 0)
		return 0;
	struct matcher *longer = realloc(*list, (*n + parse->n) * sizeof(*longer));

	if (!longer)
		return ERR_NOMEM;
	memcpy(longer + *n, parse->list, parse->n * sizeof(*longer));
	*list = longer;
	*n += parse->n;
	parse->n = 0; /* they have moved */
	return 0;
}

int matchers_parse(struct slice text, struct matcher **list, size_t *n, char **why)
{
	struct parse parse = { 0 };
	int err;

	*why = NULL;
	if (!slice_is_utf8(text))
		err = fail(&parse, "no valid UTF-8");
	else
		err = parse_classic(&parse, text);
	if (err == ERR_INVALID && slice_is_utf8(text)) {
		parse_fini(&parse);
		err = parse_utf8(&parse, text);
	}
	if (!err)
		err = list_append(list, n, &parse);
	if (err) {
		*why = parse.why;
		parse.why = NULL;
	}
	parse_fini(&parse);
	return err;
}
