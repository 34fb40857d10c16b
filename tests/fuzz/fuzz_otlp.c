/*
 * OTLP from anybody, the first byte choosing signal and encoding: refused with a reason, or rows
 * that each have labels with a name, and lines within the body.
 */
#include <stdlib.h>

#include "ingest/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int on_stream(void *ctx, struct labels *labels)
{
	labels_check(labels);
	return 0;
}

static int on_line(void *ctx, const struct log_entry *entry)
{
	for (size_t i = 0; i < entry->nmetadata; i++)
		must(entry->metadata[i].name.len > 0);
	must(entry->nmetadata <= OTLP_ATTRIBUTES_MAX);
	return 0;
}

static void check_rows(const struct batch *batch)
{
	must(batch->nbirths == batch->nrows && batch->nrows <= OTLP_ROWS_MAX + 2);
	for (uint32_t i = 0; i < batch->nrows; i++)
		must(labels_get(batch->births[i].labels, SLICE(METRIC_NAME)).len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct otlp_decoder *decoder;
	const struct hash_key key = { { 0 } };
	const struct log_sink sink = { NULL, on_stream, on_line };
	struct otlp_result result;
	struct slice message;

	if (size == 0)
		return 0;
	if (!decoder)
		must((decoder = otlp_decoder_new(&key)) != NULL);
	const struct otlp_request request = {
		.signal = data[0] & 1 ? OTLP_LOGS : OTLP_METRICS,
		.content_type = data[0] & 2 ? SLICE("application/json")
					    : SLICE("application/x-protobuf"),
		.content_encoding = data[0] & 4 ? SLICE("gzip") : SLICE(""),
		.body = { (const char *)data + 1, size - 1 },
	};
	int status = otlp_open(decoder, &request, &result, &message);

	if (status == 0 && request.signal == OTLP_LOGS) {
		status = otlp_logs(decoder, message, 1, &sink, &result);
	} else if (status == 0) {
		struct batch *batch = batch_new();

		must(batch != NULL);
		status = otlp_metrics(decoder, message, batch, &result);
		if (status == 0)
			check_rows(batch);
		batch_free(batch);
	}
	must(status == 0 || status == 400 || status == 413 || status == 415);
	must(status == 0 || result.error[0]);
	return 0;
}
