#include "ingest/remote_write.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "ingest/rw_decoder.h"

#define NEWBORNS_SPARE (1u << 16)
#define SCATTERED_SPARE_BYTES (1u << 20)

/* --- the decoder --- */

struct rw_decoder *rw_decoder_new(const struct rw_shared *shared)
{
	struct rw_decoder *decoder = calloc(1, sizeof(*decoder));
	if (!decoder)
		return NULL;
	decoder->shared = shared;
	decoder->epoch = shared->epoch ? atomic_load(shared->epoch) : 0;
	key_cache_init(&decoder->known, KEY_CACHE_SLOTS_MAX);
	decompressor_init(&decoder->decompressor);
	buf_init(&decoder->scattered);
	return decoder;
}

void rw_decoder_free(struct rw_decoder *decoder)
{
	if (!decoder)
		return;
	while (decoder->nspares > 0)
		batch_free(decoder->spares[--decoder->nspares]);
	key_cache_fini(&decoder->known);
	relabel_unref(decoder->relabel);
	decompressor_fini(&decoder->decompressor);
	buf_fini(&decoder->scattered);
	free(decoder->newborns);
	free(decoder);
}

void rw_decoder_relabel(struct rw_decoder *decoder, struct relabel *relabel)
{
	relabel_ref(relabel);
	relabel_unref(decoder->relabel);
	decoder->relabel = relabel;
	decoder->key_salt = relabel_hash(relabel);
}

/* The engine may have forgotten what it knew as ignored: then so do we. */
static void epoch_follow(struct rw_decoder *decoder)
{
	uint64_t epoch = decoder->shared->epoch ? atomic_load(decoder->shared->epoch) : 0;
	if (epoch != decoder->epoch)
		key_cache_clear(&decoder->known);
	decoder->epoch = epoch;
}

static void request_begin(struct rw_decoder *decoder)
{
	epoch_follow(decoder);
	decoder->ngroup = 0;
	decoder->nnewborns = 0;
	decoder->label_bytes = 0;
	decoder->why[0] = '\0';
	/*
	 * Numbers come round after four billion requests: then old slots must not look like this
	 * one's.
	 */
	if (++decoder->request == 0) {
		free(decoder->newborns);
		decoder->newborns = NULL;
		decoder->request = 1;
	}
}

/* Gives back the memory that only an unusual request needs. */
static void request_end(struct rw_decoder *decoder)
{
	decoder->batch = NULL;
	decoder->data = NULL;
	if (decoder->newborns && decoder->newborns_mask >= NEWBORNS_SPARE) {
		free(decoder->newborns);
		decoder->newborns = NULL;
	}
	if (decoder->scattered.cap > SCATTERED_SPARE_BYTES) {
		buf_fini(&decoder->scattered);
		buf_init(&decoder->scattered);
	}
}

/* --- batches and their memory --- */

static void data_free(void *ptr)
{
	struct rw_data *data = ptr;
	relabel_unref(data->relabel);
	free(data->birth_raw_len);
	free(data->symbols);
	free(data);
}

static int labels_parse(const struct batch *batch, uint32_t row, struct labels **out)
{
	const struct rw_data *data = batch->decoder_data;
	struct rw_pairs pairs;
	const char *why;
	if (data->schema->pairs(batch, batch->label_at[row], &pairs) < 0)
		return ERR_INVALID;
	struct labels *labels;
	int rc = rw_labels_check(&pairs, true, &labels, &why);
	if (rc)
		return rc == ERR_LIMIT ? ERR_INVALID : rc;
	rc = rw_relabel(data->relabel, &labels, &why);
	if (rc)
		labels_unref(labels);
	else
		*out = labels;
	return rc;
}

static struct batch *batch_take(struct rw_decoder *decoder)
{
	if (decoder->nspares > 0)
		return decoder->spares[--decoder->nspares];
	struct batch *batch = batch_new();
	struct rw_data *data = calloc(1, sizeof(*data));
	if (!batch || !data) {
		free(data);
		batch_free(batch);
		return NULL;
	}
	batch->decoder_data = data;
	batch->free_data = data_free;
	batch->labels_parse = labels_parse;
	return batch;
}

static bool is_spare(const struct batch *batch)
{
	const struct rw_data *data = batch->decoder_data;
	return data->body_cap <= RW_SPARE_BODY_BYTES && batch->rows_cap <= RW_SPARE_ROWS &&
	       batch->births_cap <= RW_SPARE_ROWS && data->symbols_cap <= RW_SPARE_ROWS;
}

void rw_decoder_recycle(struct rw_decoder *decoder, struct batch *batch)
{
	assert(batch->free_data == data_free);
	if (decoder->nspares == RW_SPARE_BATCHES || !is_spare(batch)) {
		batch_free(batch);
		return;
	}
	batch_clear(batch);
	decoder->spares[decoder->nspares++] = batch;
}

void rw_decoder_learn(struct rw_decoder *decoder, const struct batch *batch)
{
	const struct rw_data *data = batch->decoder_data;
	assert(batch->free_data == data_free);
	epoch_follow(decoder);
	if (data->epoch != decoder->epoch)
		return; /* what the engine knew then it may not know now */
	for (uint32_t i = 0; i < batch->nbirths; i++) {
		if (data->birth_raw_len[i] == 0)
			continue;
		if (key_cache_add(&decoder->known, batch->rows[batch->births[i].row].key,
				  data->birth_raw_len[i]) < 0)
			return; /* known less well, no worse */
	}
}

/* --- headers --- */

static bool is_same_text(struct slice a, const char *text)
{
	return a.len == strlen(text) && strncasecmp(a.ptr, text, a.len) == 0;
}

/* The part before the separator, trimmed; the rest stays in *text. */
static struct slice part_take(struct slice *text, char separator)
{
	ptrdiff_t at = slice_find(*text, separator);
	struct slice part = *text;
	if (at < 0) {
		*text = (struct slice){ NULL, 0 };
	} else {
		part.len = (size_t)at;
		*text = (struct slice){ text->ptr + at + 1, text->len - (size_t)at - 1 };
	}
	return slice_trim(part);
}

static struct slice unquoted(struct slice text)
{
	if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
		return (struct slice){ text.ptr + 1, text.len - 2 };
	return text;
}

/* application/x-protobuf, perhaps with proto=NAME. Nothing at all means 1.0. NULL: none of ours. */
static const struct rw_schema *schema_of(struct slice content_type)
{
	const struct rw_schema *schema = &rw_v1;
	struct slice rest = slice_trim(content_type);
	if (rest.len == 0)
		return schema;
	if (!is_same_text(part_take(&rest, ';'), "application/x-protobuf"))
		return NULL;
	while (rest.len > 0) {
		struct slice value = part_take(&rest, ';');
		struct slice name = part_take(&value, '=');
		if (!is_same_text(name, "proto"))
			continue;
		value = unquoted(slice_trim(value));
		if (slice_is(value, "io.prometheus.write.v2.Request"))
			schema = &rw_v2;
		else if (slice_is(value, "prometheus.WriteRequest"))
			schema = &rw_v1;
		else
			return NULL;
	}
	return schema;
}

bool rw_is_version2(struct slice content_type)
{
	return schema_of(content_type) == &rw_v2;
}

/* --- a request --- */

static int body_unpack(struct rw_decoder *decoder, const struct rw_request *request)
{
	struct batch *batch = decoder->batch;
	const char *why = NULL;
	/* The batch's body is lent to the buffer, which may move it. */
	struct buf body = { .ptr = batch->body, .len = 0, .cap = decoder->data->body_cap };
	int rc = decompress(&decoder->decompressor, request->body, RW_BODY_MAX, &body, &why);
	batch->body = body.ptr;
	batch->body_len = body.len;
	decoder->data->body_cap = body.cap;
	switch (rc) {
	case 0:
		return 0;
	case ERR_LIMIT:
		return rw_refuse(decoder, 413, "%s of %u bytes", why, RW_BODY_MAX);
	case ERR_NOMEM:
		return rw_no_memory(decoder);
	default:
		return rw_refuse(decoder, 400, "%s", why);
	}
}

/* What the request can be judged by before its body is touched. */
static int headers_check(struct rw_decoder *decoder, const struct rw_request *request,
			 const struct rw_schema **schema)
{
	enum encoding encoding;
	*schema = schema_of(request->content_type);
	if (!*schema)
		return rw_refuse(decoder, 415,
				 "unsupported content type \"" SLICE_FMT
				 "\"; remote-write is application/x-protobuf",
				 SLICE_ARG(request->content_type));
	if (encoding_parse(request->content_encoding, &encoding) < 0)
		return rw_refuse(decoder, 415,
				 "unsupported content encoding \"" SLICE_FMT
				 "\"; known are snappy, zstd, gzip",
				 SLICE_ARG(request->content_encoding));
	if (request->body.len > RW_BODY_MAX)
		return rw_refuse(decoder, 413, "the body is larger than the limit of %u bytes",
				 RW_BODY_MAX);
	if (request->body.len == 0)
		return rw_refuse(decoder, 400, "empty body");
	return 0;
}

static int request_decode(struct rw_decoder *decoder, const struct rw_request *request)
{
	const struct rw_schema *schema;
	int status = headers_check(decoder, request, &schema);
	if (status)
		return status;
	decoder->batch = batch_take(decoder);
	if (!decoder->batch)
		return rw_no_memory(decoder);
	decoder->data = decoder->batch->decoder_data;
	decoder->data->schema = schema;
	decoder->data->epoch = decoder->epoch;
	if (decoder->data->relabel != decoder->relabel) {
		relabel_unref(decoder->data->relabel);
		decoder->data->relabel = relabel_ref(decoder->relabel);
	}
	decoder->batch->protocol = schema->protocol;
	status = body_unpack(decoder, request);
	return status ? status : schema->walk(decoder);
}

int rw_decode(struct rw_decoder *decoder, const struct rw_request *request, struct batch **out,
	      char **why)
{
	request_begin(decoder);
	int status = request_decode(decoder, request);
	struct batch *batch = decoder->batch;
	request_end(decoder);
	if (status) {
		if (batch)
			rw_decoder_recycle(decoder, batch);
		*why = strdup(decoder->why);
		return status;
	}
	batch->item.cost = batch_cost(batch);
	*out = batch;
	return 0;
}
