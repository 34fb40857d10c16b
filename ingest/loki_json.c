/* {"streams": [{"stream": {"label": "value", …}, "values": [["<ns>", "line", {…}?], …]}, …]} */
#include "ingest/loki_decoder.h"

#include "base/error.h"
#include "base/json_reader.h"

static int bad(struct loki_walk *walk, const char *why)
{
	walk->why = why;
	return ERR_INVALID;
}

/* What the reader says, unless it is that there is no memory, is about the text: `why`. */
static int bad_unless_nomem(struct loki_walk *walk, int code, const char *why)
{
	return code == ERR_NOMEM ? code : bad(walk, why);
}

/* The next element, a string. ERR_INVALID without `why`, ERR_NOMEM. */
static int string_element(struct json_reader *reader, bool *first, struct buf *texts,
			  struct slice *out)
{
	return json_read_element(reader, first) > 0 ? json_read_string(reader, texts, out)
						    : ERR_INVALID;
}

/*
 * An object of strings into decoder->labels. *n may exceed what there is room for: then the rest
 * was passed over. The texts are never longer than the object: in a buffer with room for it nothing
 * moves.
 */
static int pairs_read(struct loki_walk *walk, struct slice object, size_t *n)
{
	struct loki_decoder *decoder = walk->decoder;
	struct json_reader reader = json_reader_of(object);
	struct label pair;
	bool first = true;
	int more;

	*n = 0;
	buf_clear(&decoder->texts);
	if (!buf_reserve(&decoder->texts, object.len + 1))
		return ERR_NOMEM;
	while ((more = json_read_member(&reader, &first, &decoder->texts, &pair.name)) > 0) {
		int code = json_read_string(&reader, &decoder->texts, &pair.value);

		if (code)
			return bad_unless_nomem(walk, code, "the value of a label is no string");
		if (*n < LABELS_COUNT_MAX)
			decoder->labels[*n] = pair;
		++*n;
	}
	return more;
}

static int ns_parse(struct slice text, int64_t *ns)
{
	size_t at = text.len && text.ptr[0] == '-' ? 1 : 0;
	int64_t value = 0;

	if (at == text.len)
		return ERR_INVALID;
	for (; at < text.len; at++) {
		int digit = text.ptr[at] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, digit, &value))
			return ERR_INVALID;
	}
	if (text.ptr[0] != '-' && __builtin_sub_overflow(0, value, &value))
		return ERR_INVALID;
	*ns = value;
	return 0;
}

/* ["<ns>", "line", {metadata}?] */
static int entry_read(struct loki_walk *walk, struct json_reader *reader)
{
	struct buf *texts = &walk->decoder->line;
	struct slice time, line, metadata;
	int64_t ns;
	size_t n = 0;
	bool first = true;
	int code;

	buf_clear(texts);
	if ((code = string_element(reader, &first, texts, &time)) || (code = ns_parse(time, &ns)))
		return bad_unless_nomem(walk, code, "a line's time is no string of nanoseconds");
	buf_clear(texts);
	if ((code = string_element(reader, &first, texts, &line)))
		return bad_unless_nomem(walk, code, "a line is no string");
	int more = json_read_element(reader, &first);

	if (more > 0) {
		if (json_read_kind(reader) != JSON_KIND_OBJECT)
			return bad(walk, "a line's metadata is no object");
		if ((code = json_read_skip(reader, &metadata)) ||
		    (code = pairs_read(walk, metadata, &n)))
			return code;
		more = json_read_element(reader, &first);
	}
	if (more)
		return bad(walk, "a line has more than time, text and metadata");
	return loki_line(walk, ns, line, n);
}

static int values_read(struct loki_walk *walk, struct slice values)
{
	struct json_reader reader = json_reader_of(values);
	bool first = true;
	int more, code;

	while ((more = json_read_element(&reader, &first)) > 0)
		if ((code = entry_read(walk, &reader)))
			return code;
	return more ? bad(walk, "\"values\" is no array") : 0;
}

/* The keys of a stream may stand in any order: their values are found first. */
static int stream_read(struct loki_walk *walk, struct json_reader *reader)
{
	struct buf *texts = &walk->decoder->line;
	struct slice key, value, labels = { NULL, 0 }, values = { NULL, 0 };
	bool first = true;
	size_t n;
	int more, code;

	buf_clear(texts);
	while ((more = json_read_member(reader, &first, texts, &key)) > 0) {
		if ((code = json_read_skip(reader, &value)))
			return code;
		if (slice_is(key, "stream"))
			labels = value;
		else if (slice_is(key, "values"))
			values = value;
		buf_clear(texts);
	}
	if (more)
		return bad_unless_nomem(walk, more, "a stream is no object");
	if (!labels.ptr || labels.ptr[0] != '{')
		return bad(walk, "a stream has no object \"stream\" of labels");
	if ((code = pairs_read(walk, labels, &n)))
		return code;
	if (n > LABELS_COUNT_MAX)
		loki_stream_refuse(walk, "too many labels");
	else if ((code = loki_stream(walk, n)))
		return code;
	return values.ptr ? values_read(walk, values) : 0;
}

static int streams_read(struct loki_walk *walk, struct json_reader *reader)
{
	bool first = true;
	int more, code;

	if (json_read_kind(reader) == JSON_KIND_NULL)
		return json_read_skip(reader, NULL);
	while ((more = json_read_element(reader, &first)) > 0)
		if ((code = stream_read(walk, reader)))
			return code;
	return more ? bad(walk, "\"streams\" is no array") : 0;
}

int loki_json(struct loki_walk *walk, struct slice body)
{
	struct buf *texts = &walk->decoder->line;
	struct json_reader reader = json_reader_of(body);
	struct slice key;
	bool first = true;
	int more, code;

	walk->why = "malformed JSON";
	buf_clear(texts);
	while ((more = json_read_member(&reader, &first, texts, &key)) > 0) {
		code = slice_is(key, "streams") ? streams_read(walk, &reader)
						: json_read_skip(&reader, NULL);
		if (code)
			return code == ERR_LIMIT ? ERR_INVALID : code;
		buf_clear(texts);
	}
	if (more)
		return more;
	return json_read_is_done(&reader) ? 0 : bad(walk, "something follows the JSON object");
}
