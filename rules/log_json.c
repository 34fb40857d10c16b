#include "rules/log_internal.h"

#include "base/error.h"

/*
 * The reader walks a line once and notes where fields stand; nothing is copied but names that are
 * made of a path or that are no labels as they are. What does not matter to that is not judged:
 * numbers and words are taken as they stand, and nothing behind the document is looked at.
 */
struct walk {
	struct log_scratch *scratch;
	const char *at, *end;
	struct log_fields *out;
	bool only_texts; /* unpack: fields of the document itself that are texts */
	/* The path of the object that is being read, each part with an underscore behind it. */
	char path[LOG_KEY_MAX];
	size_t path_len;
	size_t starts[LOG_JSON_DEPTH_MAX]; /* path_len outside of each open object */
	unsigned depth;
};

static void skip_space(struct walk *w)
{
	while (w->at < w->end &&
	       (*w->at == ' ' || *w->at == '\t' || *w->at == '\n' || *w->at == '\r'))
		w->at++;
}

/* The byte at hand, 0 at the end. */
static char peek(const struct walk *w)
{
	return w->at < w->end ? *w->at : '\0';
}

static bool take(struct walk *w, char c)
{
	if (peek(w) != c)
		return false;
	w->at++;
	return true;
}

/* A string, at its quote: its inside. false when it does not end. */
static bool take_string(struct walk *w, struct slice *inside, bool *is_escaped)
{
	const char *p = w->at + 1;

	*is_escaped = false;
	while (p < w->end && *p != '"') {
		if (*p == '\\') {
			*is_escaped = true;
			p++;
		}
		p++;
	}
	if (p >= w->end)
		return false;
	*inside = (struct slice){ w->at + 1, (size_t)(p - w->at - 1) };
	w->at = p + 1;
	return true;
}

/* A number, true, false, null: up to what ends a value. */
static bool take_word(struct walk *w, struct slice *word)
{
	const char *start = w->at;

	while (w->at < w->end && *w->at != ',' && *w->at != '}' && *w->at != ']' &&
	       (unsigned char)*w->at > ' ')
		w->at++;
	*word = (struct slice){ start, (size_t)(w->at - start) };
	if (word->len == 0)
		return false;
	char c = *start;

	return c == '-' || (c >= '0' && c <= '9') || slice_is(*word, "true") ||
	       slice_is(*word, "false") || slice_is(*word, "null");
}

/*
 * Behind the bracket that ends what is open at hand, strings left aside: all brackets count alike,
 * so an attacker's nesting needs no memory. false when it does not end.
 */
static bool skip_nested(struct walk *w)
{
	size_t open = 0;
	struct slice inside;
	bool is_escaped;

	while (w->at < w->end) {
		char c = *w->at;

		if (c == '"') {
			if (!take_string(w, &inside, &is_escaped))
				return false;
			continue;
		}
		w->at++;
		if (c == '{' || c == '[')
			open++;
		else if ((c == '}' || c == ']') && --open == 0)
			return true;
	}
	return false;
}

/* Any value: its text as it stands, without the quotes of a string. */
static bool take_value(struct walk *w, struct slice *text, bool *is_string, bool *is_escaped)
{
	const char *start = w->at;
	char c = peek(w);

	*is_string = c == '"';
	*is_escaped = false;
	if (c == '"')
		return take_string(w, text, is_escaped);
	if (c != '{' && c != '[')
		return take_word(w, text);
	if (!skip_nested(w))
		return false;
	*text = (struct slice){ start, (size_t)(w->at - start) };
	return true;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name(struct slice text)
{
	if (text.len == 0 || is_digit(text.ptr[0]))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!is_name_char(text.ptr[i]))
			return false;
	}
	return true;
}

/*
 * The label's name of a key within the path. Empty when the key is, or when it gets too long: such
 * a field is left out. false: no memory for it.
 */
static bool name_make(struct walk *w, struct slice key, bool is_escaped, struct slice *out)
{
	if (is_escaped)
		key = log_json_unescape(w->scratch, key);
	*out = key;
	if (w->path_len == 0 && key.len <= LOG_KEY_MAX && is_name(key))
		return true;
	out->len = 0;
	if (key.len == 0 || w->path_len + key.len + 1 > LOG_KEY_MAX)
		return true;
	char *name = log_scratch_alloc(w->scratch, w->path_len + key.len + 1);
	size_t n = w->path_len;

	if (!name)
		return false;
	memcpy(name, w->path, n);
	if (n == 0 && is_digit(key.ptr[0]))
		name[n++] = '_';
	for (size_t i = 0; i < key.len; i++)
		name[n++] = is_name_char(key.ptr[i]) ? key.ptr[i] : '_';
	*out = (struct slice){ name, n };
	return true;
}

/* false: it must be the last. */
static bool field_add(struct walk *w, struct slice name, struct slice value, enum field_form form)
{
	if (w->out->n == LOG_FIELDS_MAX)
		return false;
	w->out->items[w->out->n++] =
		(struct log_read_field){ name, value, name_print(name), (uint8_t)form };
	return true;
}

/* The object at hand is within the field of that name: its fields get the name before theirs. */
static bool path_enter(struct walk *w, struct slice name)
{
	if (w->depth == LOG_JSON_DEPTH_MAX)
		return false;
	w->starts[w->depth++] = w->path_len;
	if (w->depth > 1 && name.len && name.len < sizeof(w->path)) {
		memcpy(w->path, name.ptr, name.len);
		w->path[name.len] = '_';
		w->path_len = name.len + 1;
	} else if (w->depth > 1) {
		w->path_len = sizeof(w->path); /* too long: so is all that is in it */
	}
	w->at++;
	return true;
}

/* A key, its colon and a value that is no object; of an object its opening. */
static bool member_read(struct walk *w)
{
	struct slice key, name, text;
	bool is_escaped, is_string;

	skip_space(w);
	if (peek(w) != '"' || !take_string(w, &key, &is_escaped))
		return false;
	if (!name_make(w, key, is_escaped, &name))
		return false;
	skip_space(w);
	if (!take(w, ':'))
		return false;
	skip_space(w);
	char c = peek(w);

	if (c == '{' && !w->only_texts)
		return path_enter(w, name);
	if (!take_value(w, &text, &is_string, &is_escaped))
		return false;
	bool is_left_out = name.len == 0 || c == '[' || c == '{' ||
			   (!is_string && (w->only_texts || slice_is(text, "null")));

	return is_left_out || field_add(w, name, text, is_string ? FORM_JSON_STRING : FORM_PLAIN);
}

/* Behind a value: a comma, or the ends of objects. *is_done: that of the document. */
static bool value_end(struct walk *w, bool *is_done)
{
	*is_done = false;
	for (;;) {
		skip_space(w);
		if (take(w, ','))
			return true;
		if (!take(w, '}'))
			return false;
		w->path_len = w->starts[--w->depth];
		*is_done = w->depth == 0;
		if (*is_done)
			return true;
	}
}

/* An object that was just opened: empty? */
static bool is_closed_at_once(struct walk *w)
{
	skip_space(w);
	return peek(w) == '}';
}

static bool document_read(struct walk *w)
{
	bool is_done = false;

	skip_space(w);
	if (peek(w) != '{' || !path_enter(w, (struct slice){ NULL, 0 }))
		return false;
	while (!is_done) {
		unsigned depth = w->depth;

		if (!is_closed_at_once(w)) {
			if (!member_read(w))
				return false;
			if (w->depth > depth)
				continue; /* into the object */
		}
		if (!value_end(w, &is_done))
			return false;
	}
	return true;
}

static void read_fields(struct log_scratch *scratch, struct slice line, bool only_texts,
			struct log_fields *out)
{
	/* Not initialised as a whole: the path is a kilobyte. */
	struct walk w;

	w.scratch = scratch;
	w.at = line.ptr;
	w.end = line.ptr + line.len;
	w.out = out;
	w.only_texts = only_texts;
	w.path_len = 0;
	w.depth = 0;
	out->n = 0;
	out->error = document_read(&w) ? LOG_ERROR_NONE : LOG_ERROR_JSON;
}

void log_json_read(struct log_scratch *scratch, struct slice line, struct log_fields *out)
{
	read_fields(scratch, line, false, out);
}

void log_unpack(struct log_scratch *scratch)
{
	struct log_fields *fields = &scratch->other;
	const struct log_read_field *entry = NULL;

	read_fields(scratch, scratch->line, true, fields);
	if (fields->error) {
		log_fail(scratch, fields->error);
		return;
	}
	for (uint32_t i = 0; i < fields->n && !entry; i++) {
		if (slice_is(fields->items[i].name, "_entry"))
			entry = &fields->items[i];
	}
	if (!entry)
		return;
	for (uint32_t i = 0; i < fields->n; i++) {
		if (!slice_is(fields->items[i].name, "_entry"))
			log_label_parsed(scratch, fields->items[i].name,
					 log_json_unescape(scratch, fields->items[i].value));
	}
	scratch->line = log_json_unescape(scratch, entry->value);
}

static int hex_value(const char *p, const char *end, uint32_t *out)
{
	*out = 0;
	if (end - p < 4)
		return ERR_INVALID;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(p[i]);

		if (digit < 0)
			return ERR_INVALID;
		*out = *out << 4 | digit;
	}
	return 0;
}

/* \uXXXX, a pair of them for what is beyond: behind the backslash; how many bytes it took. */
static size_t take_unicode(const char *p, const char *end, uint32_t *rune)
{
	uint32_t low;

	*rune = RUNE_ERROR;
	if (hex_value(p + 1, end, rune))
		return 1;
	if (*rune < 0xd800 || *rune > 0xdfff)
		return 5;
	if (*rune > 0xdbff || end - p < 11 || p[5] != '\\' || p[6] != 'u' ||
	    hex_value(p + 7, end, &low) || low < 0xdc00 || low > 0xdfff) {
		*rune = RUNE_ERROR;
		return 5;
	}
	*rune = 0x10000 + ((*rune - 0xd800) << 10) + (low - 0xdc00);
	return 11;
}

/* What is no character is a blank, as in Loki. */
static size_t rune_add(uint32_t rune, char *out)
{
	return rune_encode(rune == RUNE_ERROR ? ' ' : rune, out);
}

struct slice log_json_unescape(struct log_scratch *scratch, struct slice raw)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";

	if (!raw.len ||
	    (!memchr(raw.ptr, '\\', raw.len) && (log_line_is_utf8(scratch) || slice_is_utf8(raw))))
		return raw;
	/* No escape is shorter than what it stands for. */
	char *text = log_scratch_alloc(scratch, raw.len);
	const char *p = raw.ptr, *end = raw.ptr + raw.len;
	size_t n = 0;
	uint32_t rune;

	if (!text) {
		log_fail(scratch, LOG_ERROR_JSON);
		return (struct slice){ NULL, 0 };
	}
	while (p < end) {
		if (*p != '\\') {
			p += slice_rune((struct slice){ p, (size_t)(end - p) }, &rune);
			n += rune_add(rune, text + n);
			continue;
		}
		if (++p == end)
			break;
		const char *plain = strchr(from, *p);

		if (*p == 'u') {
			p += take_unicode(p, end, &rune);
			n += rune_add(rune, text + n);
			continue;
		}
		text[n++] = *p && plain ? to[plain - from] : *p;
		p++;
	}
	return (struct slice){ text, n };
}

/* Paths: x.y[0]["a b"] */

#define PATH_STEPS_MAX 32

struct path_step {
	bool is_index;
	size_t index;
	struct slice key;
};

struct log_path {
	struct path_step steps[PATH_STEPS_MAX];
	uint32_t n;
};

/* .name, [3] or ["name"] at the start of the text; false when it is none. */
static bool path_step_take(struct slice *in, bool is_first, struct path_step *step)
{
	*step = (struct path_step){ .is_index = false };
	if (in->ptr[0] == '[') {
		ptrdiff_t close = slice_find(*in, ']');
		struct slice inside = { in->ptr + 1, close > 0 ? (size_t)close - 1 : 0 };

		if (inside.len == 0)
			return false;
		*in = (struct slice){ in->ptr + close + 1, in->len - (size_t)close - 1 };
		if (inside.len > 2 && inside.ptr[0] == '"' && inside.ptr[inside.len - 1] == '"') {
			step->key = (struct slice){ inside.ptr + 1, inside.len - 2 };
			return true;
		}
		step->is_index = true;
		for (size_t i = 0; i < inside.len; i++) {
			if (!is_digit(inside.ptr[i]) || step->index > LOG_SCRATCH_MAX)
				return false;
			step->index = step->index * 10 + (size_t)(inside.ptr[i] - '0');
		}
		return true;
	}
	size_t n = 0, dot = in->ptr[0] == '.';

	if (dot == (size_t)is_first)
		return false;
	in->ptr += dot;
	in->len -= dot;
	while (n < in->len && in->ptr[n] != '.' && in->ptr[n] != '[')
		n++;
	step->key = (struct slice){ in->ptr, n };
	in->ptr += n;
	in->len -= n;
	return n > 0;
}

int log_path_compile(const struct log_compiler *compiler, struct slice text,
		     const struct log_path **out)
{
	struct log_path *path = ARENA_NEW(compiler->arena, struct log_path);
	struct slice in = arena_slice(compiler->arena, text);

	if (!path || !in.ptr)
		return ERR_NOMEM;
	while (in.len > 0) {
		if (path->n == PATH_STEPS_MAX)
			return log_refuse(compiler, ERR_LIMIT, NULL,
					  "the path \"" SLICE_FMT "\" has more than %d parts",
					  SLICE_ARG(text), PATH_STEPS_MAX);
		if (!path_step_take(&in, path->n == 0, &path->steps[path->n]))
			return log_refuse(
				compiler, ERR_INVALID, "as in request.headers[0][\"a b\"]",
				"\"" SLICE_FMT "\" is no path into a document", SLICE_ARG(text));
		path->n++;
	}
	*out = path;
	return 0;
}

/* From the bracket of an array or object to the value that the step names: 1, 0 or ERR_INVALID. */
static int step_into(struct walk *w, const struct path_step *step)
{
	char open = peek(w), close = step->is_index ? ']' : '}';
	struct slice key, text;
	bool is_escaped, is_string;

	if (open != (step->is_index ? '[' : '{'))
		return 0;
	w->at++;
	for (size_t i = 0;; i++) {
		skip_space(w);
		if (peek(w) == close)
			return 0;
		bool is_here = step->is_index && i == step->index;

		if (!step->is_index) {
			if (peek(w) != '"' || !take_string(w, &key, &is_escaped))
				return ERR_INVALID;
			if (is_escaped)
				key = log_json_unescape(w->scratch, key);
			is_here = slice_is_equal(key, step->key);
			skip_space(w);
			if (!take(w, ':'))
				return ERR_INVALID;
			skip_space(w);
		}
		if (is_here)
			return 1;
		if (!take_value(w, &text, &is_string, &is_escaped))
			return ERR_INVALID;
		skip_space(w);
		if (!take(w, ',') && peek(w) != close)
			return ERR_INVALID;
	}
}

int log_path_find(const struct log_path *path, struct log_scratch *scratch, struct slice line,
		  struct slice *out)
{
	struct walk w;
	struct slice text;
	bool is_string, is_escaped;

	w.scratch = scratch;
	w.at = line.ptr;
	w.end = line.ptr + line.len;
	skip_space(&w);
	if (peek(&w) != '{' && peek(&w) != '[' && peek(&w) != '"')
		return ERR_INVALID;
	*out = (struct slice){ NULL, 0 };
	for (uint32_t i = 0; i < path->n; i++) {
		int found = step_into(&w, &path->steps[i]);

		if (found <= 0)
			return found;
	}
	if (!take_value(&w, &text, &is_string, &is_escaped))
		return ERR_INVALID;
	if (is_string)
		text = log_json_unescape(scratch, text);
	else if (slice_is(text, "null"))
		text.len = 0;
	*out = text;
	return 0;
}
