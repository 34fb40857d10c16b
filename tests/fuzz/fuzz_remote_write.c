/*
 * Remote-write requests from anybody. The first byte of the input says how the rest is sent: bit 0
 * as 2.0; bit 1 as the compressed body itself, else as the message in it; bit 2 with all keys
 * equal.
 *
 * Whatever comes is refused with a reason, or becomes a batch that keeps its promises: births in
 * order, every row with labels, and the same again when the decoder knows the keys.
 */
#include <snappy-c.h>
#include <stdlib.h>

#include "ingest/remote_write.h"

#define ROWS_LOOKED_AT 500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct hash128 one_key_for_all(const void *bytes, size_t n)
{
	return (struct hash128){ 1, 2 };
}

static void batch_verify(const struct batch *batch)
{
	uint32_t birth = 0;
	must(batch->nrows <= RW_ROWS_MAX && batch->nrows <= batch->rows_cap);
	for (uint32_t i = 1; i < batch->nbirths; i++)
		must(batch->births[i - 1].row < batch->births[i].row);
	must(batch->nbirths == 0 || batch->births[batch->nbirths - 1].row < batch->nrows);
	for (uint32_t row = 0; row < batch->nrows && row < ROWS_LOOKED_AT; row++) {
		struct labels *labels;
		must(batch_labels(batch, row, &labels) == 0);
		must(labels_get(labels, SLICE(METRIC_NAME)).len > 0);
		if (birth < batch->nbirths && batch->births[birth].row == row)
			must(labels_is_equal(labels, batch->births[birth++].labels));
		labels_unref(labels);
	}
}

static void reply_verify(const struct batch *batch)
{
	struct rw_reply reply;
	rw_reply_make(batch, &reply);
	must(reply.status == (batch_is_rejected(&batch->outcome) ? 400 : 204));
	must(strlen(reply.body) < sizeof(reply.body));
	must((reply.nheaders == 3) == (batch->protocol == BATCH_REMOTE_WRITE_2));
	must(slice_is_utf8(slice_from(batch->outcome.error)));
}

/* Decodes the request; what came of it, or NULL. */
static struct batch *decode(struct rw_decoder *decoder, const struct rw_request *request)
{
	struct batch *batch;
	char *why = NULL;
	int status = rw_decode(decoder, request, &batch, &why);
	if (status == 0) {
		batch_verify(batch);
		reply_verify(batch);
		return batch;
	}
	must((status == 400 || status == 413) && why && why[0]);
	free(why);
	return NULL;
}

static void decode_twice(struct rw_decoder *decoder, const struct rw_request *request,
			 bool has_equal_keys)
{
	struct batch *first = decode(decoder, request);
	if (!first)
		return;
	/*
	 * Equal keys are told apart by length from request to request: by design not for certain.
	 */
	if (!has_equal_keys)
		rw_decoder_learn(decoder, first);
	struct batch *second = decode(decoder, request);
	must(second && second->nrows == first->nrows && second->nbirths <= first->nbirths);
	must(second->outcome.invalid == first->outcome.invalid);
	must(second->outcome.histograms == first->outcome.histograms);
	must(second->outcome.exemplars == first->outcome.exemplars);
	for (uint32_t row = 0; row < first->nrows; row++)
		must(hash128_is_equal(first->rows[row].key, second->rows[row].key));
	rw_decoder_recycle(decoder, first);
	batch_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rw_shared shared;
	static const struct slice types[2] = {
		{ "application/x-protobuf", 22 },
		{ "application/x-protobuf;proto=io.prometheus.write.v2.Request", 59 },
	};
	if (size == 0)
		return 0;
	uint8_t how = data[0];
	struct slice rest = { (const char *)data + 1, size - 1 };
	char *packed = NULL;
	if (!(how & 2)) {
		size_t len = snappy_max_compressed_length(rest.len);
		packed = malloc(len);
		must(packed && snappy_compress(rest.ptr, rest.len, packed, &len) == SNAPPY_OK);
		rest = (struct slice){ packed, len };
	}
	hash_key_derive(&shared.key, "fuzz", 4);
	shared.hash_hook = how & 4 ? one_key_for_all : NULL;
	struct rw_decoder *decoder = rw_decoder_new(&shared);
	must(decoder != NULL);
	decode_twice(decoder, &(struct rw_request){ .content_type = types[how & 1], .body = rest },
		     how & 4);
	rw_decoder_free(decoder);
	free(packed);
	return 0;
}
