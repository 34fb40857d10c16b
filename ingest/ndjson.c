#include "ingest/ndjson.h"

#include <math.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text.h"

int ndjson_time(struct slice text, int64_t *ns)
{
	static const struct {
		double below;
		int64_t ns;
	} units[] = { { 1e11, 1000000000 }, { 1e14, 1000000 }, { 1e17, 1000 }, { 9.2e18, 1 } };
	double number;
	int64_t ms, whole_ns;

	if (number_parse(text, &number)) {
		if (time_parse(text, &ms) || !time_is_sane(ms) ||
		    __builtin_mul_overflow(ms, 1000000, ns))
			return ERR_INVALID;
		return 0;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (fabs(number) < units[i].below) {
			/* Whole and fraction apart: seconds with digits behind the point. */
			double whole = floor(number);
			int64_t rest_ns = (int64_t)((number - whole) * (double)units[i].ns);

			if (__builtin_mul_overflow((int64_t)whole, units[i].ns, &whole_ns) ||
			    __builtin_add_overflow(whole_ns, rest_ns, &whole_ns))
				return ERR_INVALID;
			*ns = whole_ns;
			return 0;
		}
	return ERR_INVALID;
}

static bool is_stream_field(const struct ndjson_options *options, struct slice key)
{
	for (size_t i = 0; i < options->nstream_fields; i++)
		if (slice_is_equal(options->stream_fields[i], key))
			return true;
	return false;
}

/* The value of a field as text: 1; 0 when it has none. */
static int value_read(struct json_reader *reader, struct buf *texts, struct slice *value)
{
	enum json_kind kind = json_read_kind(reader);
	int code = kind == JSON_KIND_STRING ? json_read_string(reader, texts, value)
					    : json_read_skip(reader, value);

	if (code)
		return code;
	return kind == JSON_KIND_STRING || kind == JSON_KIND_NUMBER || kind == JSON_KIND_TRUE ||
	       kind == JSON_KIND_FALSE;
}

static void label_add(const struct ndjson_options *options, struct label field,
		      struct ndjson_line *out)
{
	if (!slice_is_utf8(field.name) || !slice_is_utf8(field.value) || field.name.len == 0)
		return;
	if (is_stream_field(options, field.name)) {
		if (out->nstream < NDJSON_STREAM_FIELDS_MAX)
			out->stream[out->nstream++] = field;
	} else if (options->message_field.len && out->nmetadata < NDJSON_FIELDS_MAX) {
		out->metadata[out->nmetadata++] = field;
	}
}

int ndjson_parse(const struct ndjson_options *options, struct slice text, int64_t now_ns,
		 struct buf *texts, struct ndjson_line *out)
{
	struct json_reader reader = json_reader_of(text);
	struct label field;
	bool first = true;
	int more;

	out->ts_ns = now_ns;
	out->line = options->message_field.len ? SLICE("") : text;
	out->nstream = out->nmetadata = 0;
	buf_clear(texts);
	if (!buf_reserve(texts, text.len + 1)) /* so that nothing moves */
		return ERR_NOMEM;
	while ((more = json_read_member(&reader, &first, texts, &field.name)) > 0) {
		int has = value_read(&reader, texts, &field.value);

		if (has < 0)
			return has == ERR_LIMIT ? ERR_INVALID : has;
		if (!has)
			continue;
		if (options->time_field.len && slice_is_equal(field.name, options->time_field)) {
			if (ndjson_time(field.value, &out->ts_ns))
				out->ts_ns = now_ns;
		} else if (options->message_field.len &&
			   slice_is_equal(field.name, options->message_field)) {
			out->line = field.value;
		} else {
			label_add(options, field, out);
		}
	}
	if (more || !json_read_is_done(&reader))
		return more == ERR_NOMEM ? more : ERR_INVALID;
	return 0;
}
