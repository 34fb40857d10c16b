#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "base/quote.h"
#include "base/text.h"

void json_writer_init(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){ .out = out };
}

/* What stands between this value and the one before it. */
static void value_begin(struct json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->depth == 0 || w->depth > JSON_DEPTH_MAX)
		return;
	if (!w->first[w->depth - 1])
		buf_add_char(w->out, ',');
	w->first[w->depth - 1] = false;
}

/* Too deep a nesting may come from foreign data: it spoils the output as a lack of memory does. */
static void container_begin(struct json_writer *w, char bracket)
{
	value_begin(w);
	buf_add_char(w->out, bracket);
	if (w->depth < JSON_DEPTH_MAX)
		w->first[w->depth] = true;
	else
		w->out->failed = true;
	w->depth++;
}

static void container_end(struct json_writer *w, char bracket)
{
	assert(w->depth > 0 && !w->after_key);
	w->depth--;
	buf_add_char(w->out, bracket);
}

void json_begin_object(struct json_writer *w)
{
	container_begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
	container_end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
	container_begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
	container_end(w, ']');
}

static void escape_rune(struct slice bytes, uint32_t rune, struct buf *out)
{
	if (rune == '"' || rune == '\\')
		buf_printf(out, "\\%c", (char)rune);
	else if (rune == '\n')
		buf_add_str(out, "\\n");
	else if (rune == '\r')
		buf_add_str(out, "\\r");
	else if (rune == '\t')
		buf_add_str(out, "\\t");
	else if (rune < ' ' || rune == 0x7F)
		buf_printf(out, "\\u%04x", rune);
	else if (rune == RUNE_ERROR)
		buf_add_str(out, "\xEF\xBF\xBD");
	else
		buf_add_slice(out, bytes);
}

static void add_quoted(struct buf *out, struct slice text)
{
	text_quote_by(text, escape_rune, out);
}

void json_key(struct json_writer *w, const char *key)
{
	json_key_slice(w, slice_from(key));
}

void json_key_slice(struct json_writer *w, struct slice key)
{
	assert(w->depth > 0 && !w->after_key);
	value_begin(w);
	add_quoted(w->out, key);
	buf_add_char(w->out, ':');
	w->after_key = true;
}

void json_str(struct json_writer *w, struct slice text)
{
	value_begin(w);
	add_quoted(w->out, text);
}

void json_int(struct json_writer *w, int64_t v)
{
	value_begin(w);
	buf_printf(w->out, "%" PRId64, v);
}

void json_bool(struct json_writer *w, bool v)
{
	json_raw(w, v ? SLICE("true") : SLICE("false"));
}

void json_nil(struct json_writer *w)
{
	json_raw(w, SLICE("null"));
}

void json_number(struct json_writer *w, double v)
{
	bool finite = isfinite(v);

	value_begin(w);
	if (!finite)
		buf_add_char(w->out, '"');
	number_format_json(v, w->out);
	if (!finite)
		buf_add_char(w->out, '"');
}

void json_raw(struct json_writer *w, struct slice json)
{
	value_begin(w);
	buf_add_slice(w->out, json);
}

void json_labels(struct json_writer *w, const struct labels *labels)
{
	json_begin_object(w);
	for (size_t i = 0; i < labels_count(labels); i++) {
		struct label label = labels_at(labels, i);

		json_key_slice(w, label.name);
		json_str(w, label.value);
	}
	json_end_object(w);
}

void json_field_string(struct json_writer *w, const char *key, struct slice text)
{
	json_key(w, key);
	json_str(w, text);
}

void json_field_labels(struct json_writer *w, const char *key, const struct labels *labels)
{
	json_key(w, key);
	if (labels) {
		json_labels(w, labels);
		return;
	}
	json_begin_object(w);
	json_end_object(w);
}

void json_field_int(struct json_writer *w, const char *key, int64_t v)
{
	json_key(w, key);
	json_int(w, v);
}

void json_field_bool(struct json_writer *w, const char *key, bool v)
{
	json_key(w, key);
	json_bool(w, v);
}

void json_field_time(struct json_writer *w, const char *key, int64_t ms)
{
	json_key(w, key);
	value_begin(w);
	buf_add_char(w->out, '"');
	time_format_rfc3339(ms, w->out);
	buf_add_char(w->out, '"');
}
