/*
 * Loki pushes from anybody: 'j' and JSON, or 'p' and a protobuf message (not yet in its snappy
 * block, so that mutations reach it). A status, and only lines within their bounds; a body that is
 * refused as a whole gave nothing. The reader of JSON agrees with jansson about what is JSON.
 */
#include <jansson.h>
#include <snappy-c.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "ingest/loki_push.h"

#define NOW_MS 1700000000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t lines;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int on_stream(void *ctx, struct labels *labels)
{
	labels_check(labels);
	must(labels_count(labels) <= LOKI_LABELS_MAX);
	return 0;
}

static int on_line(void *ctx, const struct log_entry *entry)
{
	volatile char sum = 0;

	must(entry->line.len <= LOG_LINE_MAX && entry->nmetadata <= LOKI_METADATA_MAX);
	for (size_t i = 0; i < entry->line.len; i++)
		sum = (char)(sum + entry->line.ptr[i]);
	for (size_t i = 0; i < entry->nmetadata; i++)
		must(slice_is_utf8(entry->metadata[i].name) &&
		     slice_is_utf8(entry->metadata[i].value));
	lines++;
	return 0;
}

static void compare(struct slice text)
{
	struct json_reader reader = json_reader_of(text);
	bool ours = json_read_skip(&reader, NULL) == 0 && json_read_is_done(&reader);
	json_error_t error;

	if (!slice_is_utf8(text) || memmem(text.ptr, text.len, "\\u", 2))
		return; /* there we are more patient */
	if (memchr(text.ptr, '\0', text.len))
		return; /* there jansson is: a NUL ends its text */
	json_t *tree = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, &error);
	enum json_error_code code = tree ? json_error_unknown : json_error_code(&error);

	json_decref(tree);
	if (code != json_error_stack_overflow && code != json_error_numeric_overflow)
		must(ours == (tree != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loki_decoder *decoder;
	const struct log_sink sink = { NULL, on_stream, on_line };
	struct loki_request request = { .now_ms = NOW_MS };
	struct loki_result result;
	size_t len = 0;

	if (!decoder)
		must((decoder = loki_decoder_new()) != NULL);
	if (size == 0)
		return 0;
	request.body = (struct slice){ (const char *)data + 1, size - 1 };
	char *packed = NULL;

	if (data[0] == 'p') {
		len = snappy_max_compressed_length(size - 1);
		must((packed = malloc(len)) != NULL);
		must(snappy_compress(request.body.ptr, size - 1, packed, &len) == SNAPPY_OK);
		request.body = (struct slice){ packed, len };
		request.content_type = SLICE("application/x-protobuf");
	} else {
		request.content_type = SLICE("application/json");
		compare(request.body);
	}
	lines = 0;
	int status = loki_push(decoder, &request, &sink, &result);

	must(status == 204 || status == 400);
	must(lines == result.lines && (status == 204) == (result.error[0] == '\0'));
	must(status == 400 || result.rejected == 0);
	free(packed);
	return 0;
}
