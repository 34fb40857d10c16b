#include "base/json_reader.h"

#include "base/error.h"

struct json_reader json_reader_of(struct slice text)
{
	return (struct json_reader){ text.ptr, text.ptr ? text.ptr + text.len : text.ptr };
}

static void skip_blanks(struct json_reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

static bool take(struct json_reader *r, char c)
{
	bool there = r->at < r->end && *r->at == c;

	r->at += there;
	return there;
}

enum json_kind json_read_kind(struct json_reader *r)
{
	skip_blanks(r);
	if (r->at == r->end)
		return JSON_KIND_NONE;
	switch (*r->at) {
	case '{':
		return JSON_KIND_OBJECT;
	case '[':
		return JSON_KIND_ARRAY;
	case '"':
		return JSON_KIND_STRING;
	case 't':
		return JSON_KIND_TRUE;
	case 'f':
		return JSON_KIND_FALSE;
	case 'n':
		return JSON_KIND_NULL;
	default:
		return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? JSON_KIND_NUMBER
									 : JSON_KIND_NONE;
	}
}

static int word_skip(struct json_reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
		return ERR_INVALID;
	r->at += n;
	return 0;
}

static bool digits_skip(struct json_reader *r)
{
	const char *start = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return r->at > start;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static int number_skip(struct json_reader *r)
{
	take(r, '-');
	if (!take(r, '0') && !digits_skip(r))
		return ERR_INVALID;
	if (take(r, '.') && !digits_skip(r))
		return ERR_INVALID;
	if (take(r, 'e') || take(r, 'E')) {
		if (!take(r, '+'))
			take(r, '-');
		if (!digits_skip(r))
			return ERR_INVALID;
	}
	return 0;
}

/* Four digits of \uXXXX. */
static int hex_take(struct json_reader *r, uint32_t *out)
{
	uint32_t value = 0;

	if (r->end - r->at < 4)
		return ERR_INVALID;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(*r->at++);

		if (digit < 0)
			return ERR_INVALID;
		value = value << 4 | (uint32_t)digit;
	}
	*out = value;
	return 0;
}

/* Behind \u: one character, of two escapes where they are a pair of surrogates. */
static int unicode_take(struct json_reader *r, uint32_t *rune)
{
	struct json_reader next;
	uint32_t low;

	if (hex_take(r, rune))
		return ERR_INVALID;
	if (*rune < 0xd800 || *rune > 0xdfff)
		return 0;
	next = *r;
	if (*rune < 0xdc00 && take(&next, '\\') && take(&next, 'u') && hex_take(&next, &low) == 0 &&
	    low >= 0xdc00 && low <= 0xdfff) {
		*rune = 0x10000 + ((*rune - 0xd800) << 10) + (low - 0xdc00);
		*r = next;
		return 0;
	}
	*rune = RUNE_ERROR;
	return 0;
}

/* Behind a backslash; out NULL: only checked. */
static int escape_take(struct json_reader *r, struct buf *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	char c = r->at < r->end ? *r->at++ : '\0', bytes[4];
	const char *name = c ? strchr(names, c) : NULL;
	uint32_t rune;

	if (name) {
		if (out)
			buf_add_char(out, values[name - names]);
		return 0;
	}
	if (c != 'u' || unicode_take(r, &rune))
		return ERR_INVALID;
	if (out)
		buf_add(out, bytes, rune_encode(rune, bytes));
	return 0;
}

/* Up to the next quote or backslash; a control character is an error. */
static int plain_skip(struct json_reader *r)
{
	while (r->at < r->end && *r->at != '"' && *r->at != '\\') {
		if ((unsigned char)*r->at < 0x20)
			return ERR_INVALID;
		r->at++;
	}
	return r->at < r->end ? 0 : ERR_INVALID;
}

/* Behind the opening quote; takes the closing one. */
static int string_skip(struct json_reader *r)
{
	for (;;) {
		if (plain_skip(r))
			return ERR_INVALID;
		if (take(r, '"'))
			return 0;
		r->at++;
		if (escape_take(r, NULL))
			return ERR_INVALID;
	}
}

int json_read_string(struct json_reader *r, struct buf *unescaped, struct slice *out)
{
	skip_blanks(r);
	if (!take(r, '"'))
		return ERR_INVALID;
	const char *start = r->at;
	size_t before = unescaped->len;

	if (plain_skip(r))
		return ERR_INVALID;
	if (take(r, '"')) {
		*out = (struct slice){ start, (size_t)(r->at - 1 - start) };
		return 0;
	}
	for (;;) {
		buf_add(unescaped, start, (size_t)(r->at - start));
		if (take(r, '"'))
			break;
		r->at++;
		if (escape_take(r, unescaped))
			return ERR_INVALID;
		start = r->at;
		if (plain_skip(r))
			return ERR_INVALID;
	}
	if (!buf_ok(unescaped))
		return ERR_NOMEM;
	*out = (struct slice){ unescaped->ptr + before, unescaped->len - before };
	return 0;
}

static int scalar_skip(struct json_reader *r, enum json_kind kind)
{
	switch (kind) {
	case JSON_KIND_STRING:
		r->at++;
		return string_skip(r);
	case JSON_KIND_NUMBER:
		return number_skip(r);
	case JSON_KIND_TRUE:
		return word_skip(r, "true");
	case JSON_KIND_FALSE:
		return word_skip(r, "false");
	case JSON_KIND_NULL:
		return word_skip(r, "null");
	default:
		return ERR_INVALID;
	}
}

/* A member's key and colon. */
static int key_skip(struct json_reader *r)
{
	skip_blanks(r);
	if (!take(r, '"') || string_skip(r))
		return ERR_INVALID;
	skip_blanks(r);
	return take(r, ':') ? 0 : ERR_INVALID;
}

int json_read_skip(struct json_reader *r, struct slice *raw)
{
	bool is_object[JSON_READ_DEPTH_MAX];
	size_t depth = 0;

	skip_blanks(r);
	const char *start = r->at;

	for (;;) {
		enum json_kind kind = json_read_kind(r);

		if (kind == JSON_KIND_OBJECT || kind == JSON_KIND_ARRAY) {
			bool object = kind == JSON_KIND_OBJECT;

			r->at++;
			skip_blanks(r);
			if (!take(r, object ? '}' : ']')) {
				if (depth == JSON_READ_DEPTH_MAX)
					return ERR_LIMIT;
				is_object[depth++] = object;
				if (object && key_skip(r))
					return ERR_INVALID;
				continue;
			}
		} else if (scalar_skip(r, kind)) {
			return ERR_INVALID;
		}
		/* A value ends here: as many containers may end behind it. */
		for (;;) {
			if (depth == 0) {
				if (raw)
					*raw = (struct slice){ start, (size_t)(r->at - start) };
				return 0;
			}
			skip_blanks(r);
			if (take(r, ',')) {
				if (is_object[depth - 1] && key_skip(r))
					return ERR_INVALID;
				break;
			}
			if (!take(r, is_object[depth - 1] ? '}' : ']'))
				return ERR_INVALID;
			depth--;
		}
	}
}

/* 1: an item follows; 0: the closing bracket was taken. */
static int item_next(struct json_reader *r, bool *first, char open, char close)
{
	skip_blanks(r);
	if (*first) {
		if (!take(r, open))
			return ERR_INVALID;
		*first = false;
		skip_blanks(r);
		return take(r, close) ? 0 : 1;
	}
	if (take(r, close))
		return 0;
	return take(r, ',') ? 1 : ERR_INVALID;
}

int json_read_member(struct json_reader *r, bool *first, struct buf *unescaped, struct slice *key)
{
	int more = item_next(r, first, '{', '}');

	if (more <= 0)
		return more;
	int code = json_read_string(r, unescaped, key);

	if (code)
		return code;
	skip_blanks(r);
	return take(r, ':') ? 1 : ERR_INVALID;
}

int json_read_element(struct json_reader *r, bool *first)
{
	return item_next(r, first, '[', ']');
}

bool json_read_is_done(struct json_reader *r)
{
	skip_blanks(r);
	return r->at == r->end;
}
