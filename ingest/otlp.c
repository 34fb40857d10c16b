#include "ingest/otlp.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "base/json.h"
#include "ingest/otlp_decoder.h"
#include "ingest/otlp_schema.h"

#define SPARE_BYTES (1024 * 1024) /* of memory kept for the next request */
#define SUBJECT_BYTES 80	  /* of a name in a complaint */
/* google.rpc.Code */
enum { RPC_INVALID_ARGUMENT = 3, RPC_RESOURCE_EXHAUSTED = 8, RPC_UNAVAILABLE = 14 };

struct otlp_decoder *otlp_decoder_new(const struct hash_key *key)
{
	struct otlp_decoder *decoder = calloc(1, sizeof(*decoder));
	if (!decoder)
		return NULL;
	decoder->key = *key;
	decompressor_init(&decoder->decompressor);
	arena_init(&decoder->arena, 0);
	buf_init(&decoder->unpacked);
	buf_init(&decoder->message);
	return decoder;
}

void otlp_decoder_free(struct otlp_decoder *decoder)
{
	if (!decoder)
		return;
	relabel_unref(decoder->relabel);
	decompressor_fini(&decoder->decompressor);
	arena_fini(&decoder->arena);
	buf_fini(&decoder->unpacked);
	buf_fini(&decoder->message);
	free(decoder);
}

void otlp_decoder_relabel(struct otlp_decoder *decoder, struct relabel *relabel)
{
	relabel_ref(relabel);
	relabel_unref(decoder->relabel);
	decoder->relabel = relabel;
}

/* ---- complaints ---- */

void otlp_reject(struct otlp_decoder *decoder, uint32_t n, struct slice subject, const char *why)
{
	struct otlp_result *result = decoder->result;
	size_t len = strlen(result->error), left = sizeof(result->error) - len;
	result->rejected += n;
	if (subject.len > SUBJECT_BYTES)
		subject.len = SUBJECT_BYTES;
	if (!slice_is_utf8(subject))
		subject = (struct slice){ 0 };
	const char *quote = subject.len ? "\"" : "", *colon = subject.len ? "\": " : "";
	int wanted =
		snprintf(NULL, 0, "; %s" SLICE_FMT "%s%s", quote, SLICE_ARG(subject), colon, why);
	if ((size_t)wanted >= left)
		return;
	snprintf(result->error + len, left, "%s%s" SLICE_FMT "%s%s", len ? "; " : "", quote,
		 SLICE_ARG(subject), colon, why);
}

static int refuse(struct otlp_result *result, int status, const char *why)
{
	snprintf(result->error, sizeof(result->error), "%s", why);
	return status;
}

int otlp_status(struct otlp_decoder *decoder, int code)
{
	if (code == ERR_LIMIT)
		return refuse(decoder->result, 413, "the request makes too many series");
	if (code == ERR_CORRUPT)
		return refuse(decoder->result, 400, "corrupt protobuf message");
	return code ? refuse(decoder->result, 503, error_text(code)) : 0;
}

/* ---- a request's message ---- */

static bool is_type(struct slice content_type, const char *type)
{
	ptrdiff_t end = slice_find(content_type, ';');
	if (end >= 0)
		content_type.len = (size_t)end;
	content_type = slice_trim(content_type);
	return content_type.len == strlen(type) &&
	       strncasecmp(content_type.ptr, type, content_type.len) == 0;
}

/* No header, or identity: the body is as it is. */
static int unpack(struct otlp_decoder *decoder, const struct otlp_request *request,
		  struct slice *body)
{
	struct slice header = slice_trim(request->content_encoding);
	enum encoding encoding;
	const char *why = NULL;
	*body = request->body;
	if (header.len == 0 || slice_is(header, "identity"))
		return 0;
	if (encoding_parse(header, &encoding) || encoding == ENCODING_DEFLATE)
		return refuse(decoder->result, 415,
			      "unsupported content encoding; known are gzip, zstd, snappy");
	int code = decompress(&decoder->decompressor, request->body, OTLP_BODY_MAX,
			      &decoder->unpacked, &why);
	if (code == ERR_LIMIT)
		return refuse(decoder->result, 413, why);
	if (code)
		return refuse(decoder->result, code == ERR_NOMEM ? 503 : 400, why);
	*body = buf_slice(&decoder->unpacked);
	return 0;
}

static const struct otlp_message *message_of(enum otlp_signal signal)
{
	return signal == OTLP_METRICS ? &otlp_metrics_request
	       : signal == OTLP_LOGS  ? &otlp_logs_request
				      : &otlp_profiles_request;
}

int otlp_open(struct otlp_decoder *decoder, const struct otlp_request *request,
	      struct otlp_result *result, struct slice *message)
{
	const char *why;
	*result =
		(struct otlp_result){ .json = is_type(request->content_type, "application/json") };
	decoder->result = result;
	decoder->label_bytes = 0;
	arena_clear(&decoder->arena);
	buf_recycle(&decoder->unpacked, SPARE_BYTES);
	buf_recycle(&decoder->message, SPARE_BYTES);
	if (!result->json && !is_type(request->content_type, "application/x-protobuf"))
		return refuse(result, 415,
			      "unsupported content type; OTLP is application/x-protobuf or "
			      "application/json");
	if (request->body.len > OTLP_BODY_MAX)
		return refuse(result, 413, "the body is too large");
	int status = unpack(decoder, request, message);
	if (status || !result->json)
		return status;
	int code = otlp_json_encode(message_of(request->signal), *message, &decoder->message, &why);
	if (code)
		return refuse(result, code == ERR_NOMEM ? 503 : 400, why);
	*message = buf_slice(&decoder->message);
	return 0;
}

/* ---- replies ---- */

/* {number: int, text} as fields 1 and 2: ExportPartialSuccess, and google.rpc.Status. */
static void add_pair(uint32_t number, const char *text, struct buf *out)
{
	if (number) {
		buf_add_char(out, 1 << 3 | PB_VARINT);
		pb_varint_add(out, number);
	}
	if (*text) {
		buf_add_char(out, 2 << 3 | PB_BYTES);
		pb_varint_add(out, strlen(text));
		buf_add_str(out, text);
	}
}

static const char *rejected_name(enum otlp_signal signal)
{
	return signal == OTLP_METRICS ? "rejectedDataPoints"
	       : signal == OTLP_LOGS  ? "rejectedLogRecords"
				      : "rejectedProfiles";
}

/* partial_success is not there when all is well. */
static void reply_json(enum otlp_signal signal, const struct otlp_result *result, bool well,
		       struct buf *out)
{
	struct json_writer w;
	char rejected[16];
	json_writer_init(&w, out);
	json_begin_object(&w);
	if (!well) {
		snprintf(rejected, sizeof(rejected), "%u", result->rejected);
		json_key(&w, "partialSuccess");
		json_begin_object(&w);
		json_field_string(&w, rejected_name(signal), slice_from(rejected));
		json_field_string(&w, "errorMessage", slice_from(result->error));
		json_end_object(&w);
	}
	json_end_object(&w);
}

void otlp_reply(enum otlp_signal signal, const struct otlp_result *result, struct buf *out)
{
	bool well = !result->rejected && !result->error[0];
	struct buf pair;
	if (result->json)
		reply_json(signal, result, well, out);
	if (result->json || well)
		return;
	buf_init(&pair);
	add_pair(result->rejected, result->error, &pair);
	buf_add_char(out, 1 << 3 | PB_BYTES);
	pb_varint_add(out, pair.len);
	buf_add_slice(out, buf_slice(&pair));
	out->failed |= !buf_ok(&pair);
	buf_fini(&pair);
}

void otlp_reply_refused(int status, const struct otlp_result *result, struct buf *out)
{
	uint32_t code = status == 503	? RPC_UNAVAILABLE
			: status == 413 ? RPC_RESOURCE_EXHAUSTED
					: RPC_INVALID_ARGUMENT;
	struct json_writer w;
	if (!result->json) {
		add_pair(code, result->error, out);
		return;
	}
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_field_int(&w, "code", code);
	json_field_string(&w, "message", slice_from(result->error));
	json_end_object(&w);
}
