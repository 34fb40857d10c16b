#include "rules/log_internal.h"

#include "base/error.h"

/*
 * key=value key="a \"quoted\" one" flag. Bytes up to the blank separate; a key without a value has
 * an empty one. A pair that is none (a quote in a key, a second = in a value, a quote that does not
 * end) is left out; strictly, it is an error and the end.
 */
struct walk {
	struct log_scratch *scratch;
	const char *at, *end;
	struct log_fields *out;
	bool keep_empty;
};

static bool is_space(char c)
{
	return (unsigned char)c <= ' ';
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The key as a label's name. Empty when it is too long: it is then left out. */
static bool name_make(struct walk *w, struct slice key, bool is_name, struct slice *out)
{
	bool needs_digit = key.ptr[0] >= '0' && key.ptr[0] <= '9';

	*out = key;
	if (key.len >= LOG_KEY_MAX)
		out->len = 0;
	if (out->len == 0 || (is_name && !needs_digit))
		return true;
	char *name = log_scratch_alloc(w->scratch, key.len + 1);
	size_t n = 0;

	if (!name)
		return false;
	if (needs_digit)
		name[n++] = '_';
	for (size_t i = 0; i < key.len; i++)
		name[n++] = is_name_char(key.ptr[i]) ? key.ptr[i] : '_';
	*out = (struct slice){ name, n };
	return true;
}

/* What is left of a pair that is none: up to the next blank outside of quotes. */
static bool pair_skip(struct walk *w)
{
	while (w->at < w->end && !is_space(*w->at))
		w->at++;
	return false;
}

/* "…", at its quote. false when it does not end. */
static bool quoted_take(struct walk *w, struct slice *value)
{
	const char *p = w->at + 1;

	while (p < w->end && *p != '"')
		p += *p == '\\' ? 2 : 1;
	if (p >= w->end)
		return pair_skip(w);
	*value = (struct slice){ w->at + 1, (size_t)(p - w->at - 1) };
	w->at = p + 1;
	return true;
}

static bool value_take(struct walk *w, struct slice *value, enum field_form *form)
{
	const char *start = w->at;

	*form = FORM_PLAIN;
	if (w->at < w->end && *w->at == '"') {
		*form = FORM_LOGFMT_STRING;
		return quoted_take(w, value);
	}
	while (w->at < w->end && !is_space(*w->at)) {
		if (*w->at == '=' || *w->at == '"')
			return pair_skip(w);
		w->at++;
	}
	*value = (struct slice){ start, (size_t)(w->at - start) };
	return true;
}

/* A pair, at its first byte. false when it is none: then *value and *form may not be set. */
static bool pair_take(struct walk *w, struct slice *key, bool *is_name, struct slice *value,
		      enum field_form *form)
{
	const char *start = w->at;

	*is_name = true;
	while (w->at < w->end && *w->at != '=' && !is_space(*w->at)) {
		if (*w->at == '"')
			return pair_skip(w);
		*is_name = *is_name && is_name_char(*w->at);
		w->at++;
	}
	*key = (struct slice){ start, (size_t)(w->at - start) };
	*value = (struct slice){ NULL, 0 };
	*form = FORM_PLAIN;
	if (key->len == 0)
		return pair_skip(w);
	if (w->at == w->end || *w->at != '=')
		return true;
	w->at++;
	return value_take(w, value, form);
}

static enum log_error pairs_read(struct walk *w, bool strict)
{
	/* pair_take() sets them all, which compilers do not always see. */
	struct slice key = { 0 }, value = { 0 }, name;
	enum field_form form = FORM_PLAIN;
	bool is_name;

	for (;;) {
		while (w->at < w->end && is_space(*w->at))
			w->at++;
		if (w->at == w->end)
			return LOG_ERROR_NONE;
		if (!pair_take(w, &key, &is_name, &value, &form)) {
			if (strict)
				return LOG_ERROR_LOGFMT;
			continue;
		}
		if (value.len == 0 && !w->keep_empty)
			continue;
		if (w->out->n == LOG_FIELDS_MAX || !name_make(w, key, is_name, &name))
			return LOG_ERROR_LOGFMT;
		if (name.len)
			w->out->items[w->out->n++] =
				(struct log_read_field){ name, value, name_print(name),
							 (uint8_t)form };
	}
}

void log_logfmt_read(struct log_scratch *scratch, struct slice line, bool strict, bool keep_empty,
		     struct log_fields *out)
{
	struct walk w = { scratch, line.ptr, line.ptr + line.len, out, keep_empty };

	out->n = 0;
	out->error = pairs_read(&w, strict);
}

/* The same escapes as JSON's. */
struct slice log_logfmt_unescape(struct log_scratch *scratch, struct slice raw)
{
	return raw.len && memchr(raw.ptr, '\\', raw.len) ? log_json_unescape(scratch, raw) : raw;
}
