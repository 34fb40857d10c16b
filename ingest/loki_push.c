#include "ingest/loki_push.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/loki_decoder.h"

#define SPARE_BYTES (1024 * 1024) /* of memory kept for the next request */
#define SHOWN_BYTES 200		  /* of a stream, in a complaint */

struct loki_decoder *loki_decoder_new(void)
{
	struct loki_decoder *decoder = calloc(1, sizeof(*decoder));

	if (!decoder)
		return NULL;
	decompressor_init(&decoder->decompressor);
	buf_init(&decoder->outer);
	buf_init(&decoder->body);
	buf_init(&decoder->texts);
	buf_init(&decoder->line);
	return decoder;
}

void loki_decoder_free(struct loki_decoder *decoder)
{
	if (!decoder)
		return;
	decompressor_fini(&decoder->decompressor);
	buf_fini(&decoder->outer);
	buf_fini(&decoder->body);
	buf_fini(&decoder->texts);
	buf_fini(&decoder->line);
	free(decoder);
}

static void complain(struct loki_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void complain(struct loki_result *result, const char *format, ...)
{
	size_t len = strlen(result->error);
	char text[LOKI_ERROR_MAX];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t more = n > 0 ? strlen(text) : 0;

	if (more == 0 || len + more + 2 > sizeof(result->error))
		return;
	memcpy(result->error + len, text, more);
	memcpy(result->error + len + more, "\n", 2);
}

/* ---- what is good enough ---- */

static const char *pair_fault(struct label pair)
{
	if (pair.name.len > LOKI_LABEL_NAME_MAX)
		return "the name of a label is too long";
	if (pair.value.len > LOKI_LABEL_VALUE_MAX)
		return "the value of a label is too long";
	return label_name_is_legacy(pair.name) ? NULL : "no name for a label";
}

static const char *stream_fault(const struct label *labels, size_t n)
{
	if (n == 0)
		return "at least one label is required";
	if (n > LOKI_LABELS_MAX)
		return "more labels than 15";
	for (size_t i = 0; i < n; i++) {
		const char *fault = pair_fault(labels[i]);

		if (fault)
			return fault;
	}
	return NULL;
}

static const char *metadata_fault(const struct label *labels, size_t n)
{
	size_t bytes = 0;

	if (n > LOKI_METADATA_MAX)
		return "more structured metadata than 128 labels";
	for (size_t i = 0; i < n; i++) {
		bytes += labels[i].name.len + labels[i].value.len;
		if (labels[i].name.len == 0 || !slice_is_utf8(labels[i].name) ||
		    !slice_is_utf8(labels[i].value))
			return "structured metadata is no UTF-8, or has no name";
	}
	return bytes > LOKI_METADATA_BYTES_MAX ? "more structured metadata than 64 KiB" : NULL;
}

static const char *time_fault(const struct loki_walk *walk, int64_t ts_ns)
{
	int64_t ts_ms = ts_ns / 1000000;

	if (ts_ms < walk->now_ms - LOKI_AGE_MAX_MS)
		return "timestamp too old";
	return ts_ms > walk->now_ms + LOKI_AHEAD_MAX_MS ? "timestamp too new" : NULL;
}

/* ---- from the formats to the sink ---- */

void loki_stream_refuse(struct loki_walk *walk, const char *why)
{
	labels_unref(walk->stream);
	walk->stream = NULL;
	if (walk->sink)
		complain(walk->result, "a stream is refused with all its lines: %s", why);
}

int loki_stream(struct loki_walk *walk, size_t n)
{
	const struct label *labels = walk->decoder->labels;
	const char *why = stream_fault(labels, n);

	labels_unref(walk->stream);
	walk->stream = NULL;
	if (!walk->sink)
		return 0;
	int code = why ? ERR_INVALID : labels_new(labels, n, &walk->stream, &why);

	if (code == ERR_NOMEM)
		return code;
	if (code) {
		loki_stream_refuse(walk, why);
		return 0;
	}
	walk->result->streams++;
	return walk->sink->stream(walk->sink->ctx, walk->stream);
}

static void line_refuse(struct loki_walk *walk, int64_t ts_ns, const char *why)
{
	struct buf text;

	buf_init(&text);
	labels_format(walk->stream, &text);
	struct slice shown = buf_slice(&text);

	if (shown.len > SHOWN_BYTES)
		shown.len = SHOWN_BYTES;
	complain(walk->result, "entry for stream '" SLICE_FMT "' at %lld ns: %s", SLICE_ARG(shown),
		 (long long)ts_ns, why);
	buf_fini(&text);
	walk->result->rejected++;
}

int loki_line(struct loki_walk *walk, int64_t ts_ns, struct slice line, size_t n)
{
	struct loki_result *result = walk->result;
	const char *why;

	if (!walk->sink)
		return 0;
	if (!walk->stream) {
		result->rejected++;
		return 0;
	}
	if ((why = time_fault(walk, ts_ns)) || (why = metadata_fault(walk->decoder->labels, n))) {
		line_refuse(walk, ts_ns, why);
		return 0;
	}
	result->cut += line.len > LOG_LINE_MAX;
	if (line.len > LOG_LINE_MAX)
		line.len = LOG_LINE_MAX;
	result->lines++;
	result->bytes += line.len;
	return walk->sink->line(walk->sink->ctx,
				&(struct log_entry){ ts_ns, line, walk->decoder->labels, n });
}

/* ---- the request ---- */

enum format { FORMAT_JSON, FORMAT_PROTOBUF };

static bool is_word(struct slice text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

/* Without the parameters, as mime.ParseMediaType reads it: what is no media type is an error. */
static int format_parse(struct slice header, enum format *out)
{
	ptrdiff_t end = slice_find(header, ';');
	struct slice type =
		slice_trim((struct slice){ header.ptr, end < 0 ? header.len : (size_t)end });

	if (type.len == 0 || slice_find(type, ' ') >= 0)
		return ERR_INVALID;
	*out = is_word(type, "application/json") ? FORMAT_JSON : FORMAT_PROTOBUF;
	return 0;
}

/* What is around the message besides the snappy block that a protobuf message always is. */
static int wrap_parse(struct slice header, bool *wrapped, enum encoding *out)
{
	struct slice name = slice_trim(header);

	*wrapped = false;
	if (name.len == 0 || is_word(name, "snappy"))
		return 0;
	*wrapped = true;
	if (is_word(name, "gzip") || is_word(name, "x-gzip"))
		*out = ENCODING_GZIP;
	else if (is_word(name, "deflate"))
		*out = ENCODING_DEFLATE;
	else
		return ERR_UNSUPPORTED;
	return 0;
}

static int unpack_status(int code)
{
	return code == ERR_LIMIT ? 413 : code == ERR_NOMEM ? 503 : 400;
}

/* The message in the body: 0 or a status. */
static int unpack(struct loki_decoder *decoder, const struct loki_request *request,
		  enum format format, struct loki_result *result, struct slice *message)
{
	enum encoding encoding;
	const char *why = "";
	bool wrapped;
	int code;

	*message = request->body;
	if (wrap_parse(request->content_encoding, &wrapped, &encoding)) {
		complain(result, "Content-Encoding \"%.*s\" not supported",
			 (int)(request->content_encoding.len > 100 ? 100
								   : request->content_encoding.len),
			 request->content_encoding.ptr);
		return 400;
	}
	if (wrapped) {
		code = decompress_as(&decoder->decompressor, encoding, *message, LOKI_BODY_MAX,
				     &decoder->outer, &why);
		*message = buf_slice(&decoder->outer);
		if (code) {
			complain(result, "%s", why);
			return unpack_status(code);
		}
	}
	if (format == FORMAT_PROTOBUF) {
		code = decompress_as(&decoder->decompressor, ENCODING_SNAPPY, *message,
				     LOKI_BODY_MAX, &decoder->body, &why);
		*message = buf_slice(&decoder->body);
		if (code) {
			complain(result, "%s", why);
			return unpack_status(code);
		}
	}
	return 0;
}

static int walk_once(struct loki_decoder *decoder, const struct loki_request *request,
		     enum format format, struct slice message, const struct log_sink *sink,
		     struct loki_result *result)
{
	struct loki_walk walk = {
		.decoder = decoder, .sink = sink, .result = result, .now_ms = request->now_ms
	};
	int code =
		format == FORMAT_JSON ? loki_json(&walk, message) : loki_protobuf(&walk, message);

	labels_unref(walk.stream);
	if (code == ERR_INVALID)
		complain(result, "%s", walk.why);
	return code == 0 ? 0 : code == ERR_INVALID ? 400 : 503;
}

int loki_push(struct loki_decoder *decoder, const struct loki_request *request,
	      const struct log_sink *sink, struct loki_result *result)
{
	struct slice message;
	enum format format;

	*result = (struct loki_result){ 0 };
	if (format_parse(request->content_type, &format)) {
		complain(result, "Content-Type is missing or no media type");
		return 400;
	}
	int status = unpack(decoder, request, format, result, &message);

	if (!status)
		status = walk_once(decoder, request, format, message, NULL, result);
	if (!status)
		status = walk_once(decoder, request, format, message, sink, result);
	if (!status && (result->rejected || result->error[0]))
		status = 400;
	buf_recycle(&decoder->outer, SPARE_BYTES);
	buf_recycle(&decoder->body, SPARE_BYTES);
	buf_recycle(&decoder->texts, SPARE_BYTES);
	buf_recycle(&decoder->line, SPARE_BYTES);
	return status ? status : 204;
}
