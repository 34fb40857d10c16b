/*
 * Remote-write 2.0: io.prometheus.write.v2.Request, in which labels are references into one table
 * of strings. Source: the specification 2.0-rc.4; created_timestamp of rc.3 (field 6 of a series)
 * is passed over.
 */
#include <stdlib.h>

#include "ingest/rw_decoder.h"

enum request_field { SYMBOLS = 4, TIMESERIES = 5 };
enum series_field { LABELS_REFS = 1, SAMPLES = 2, HISTOGRAMS = 3, EXEMPLARS = 4, METADATA = 5 };
enum exemplar_field { EXEMPLAR_LABELS_REFS = 1, EXEMPLAR_VALUE = 2, EXEMPLAR_TIMESTAMP = 3 };
enum metadata_field { METADATA_HELP_REF = 3, METADATA_UNIT_REF = 4 };
/* Of 1.0's WriteRequest; reserved in ours. */
enum foreign_field { TIMESERIES_1 = 1, METADATA_1 = 3 };

#define SYMBOLS_MIN 256u

/* References of one series or exemplar, and the bytes that they stand for. */
struct refs {
	size_t n;
	uint64_t bytes;
};

static int symbol_add(struct rw_decoder *decoder, struct slice text)
{
	struct rw_data *data = decoder->data;
	if (data->nsymbols == data->symbols_cap) {
		if (data->nsymbols >= RW_SYMBOLS_MAX)
			return rw_refuse(decoder, 413, "more than %u symbols in one request",
					 RW_SYMBOLS_MAX);
		uint32_t cap = data->symbols_cap ? 2 * data->symbols_cap : SYMBOLS_MIN;
		if (cap > RW_SYMBOLS_MAX)
			cap = RW_SYMBOLS_MAX;
		struct rw_symbol *symbols = reallocarray(data->symbols, cap, sizeof(*symbols));
		if (!symbols)
			return rw_no_memory(decoder);
		data->symbols = symbols;
		data->symbols_cap = cap;
	}
	data->symbols[data->nsymbols++] = (struct rw_symbol){
		.hash = rw_hash(decoder, text.ptr, text.len),
		.at = rw_offset(decoder, text.ptr),
		.len = (uint32_t)text.len,
	};
	return 0;
}

static struct slice symbol_text(const struct batch *batch, uint64_t ref)
{
	const struct rw_data *data = batch->decoder_data;
	return (struct slice){ batch->body + data->symbols[ref].at, data->symbols[ref].len };
}

/*
 * Reads the references of one field (packed, or one alone) into decoder->refs, as hashes of what
 * they stand for. The hottest loop of 2.0: what it counts stays in registers, not behind pointers
 * that the stores might alias.
 */
static int refs_read(struct rw_decoder *decoder, const struct pb_field *field, struct refs *refs)
{
	const struct rw_symbol *symbols = decoder->data->symbols;
	uint64_t nsymbols = decoder->data->nsymbols, bytes = 0;
	size_t n = refs->n;
	struct pb_walk walk;
	if (pb_elements(field, PB_VARINT, &walk) < 0)
		return rw_corrupt(decoder, "list of label references");
	while (pb_left(&walk) > 0) {
		uint64_t ref;
		if (pb_varint(&walk, &ref) < 0)
			return rw_corrupt(decoder, "list of label references");
		if (ref >= nsymbols)
			return rw_refuse(decoder, 400, "reference %llu beyond the %llu symbols",
					 (unsigned long long)ref, (unsigned long long)nsymbols);
		if (n < RW_REFS_MAX)
			decoder->refs[n] = symbols[ref].hash;
		n++;
		bytes += symbols[ref].len;
	}
	refs->n = n;
	refs->bytes += bytes;
	return 0;
}

/* All references are read: pairs, and within the request's budget? */
static int refs_check(struct rw_decoder *decoder, const struct refs *refs)
{
	if (refs->n % 2 != 0)
		return rw_refuse(decoder, 400, "an odd number of label references");
	decoder->label_bytes += refs->bytes;
	/* One long symbol and many references to it are a small body and a large request. */
	if (decoder->label_bytes > RW_LABEL_BYTES_MAX)
		return rw_refuse(decoder, 400,
				 "the labels of the request come to more than %u bytes",
				 RW_LABEL_BYTES_MAX);
	return 0;
}

/*
 * The labels that the references in a message stand for; they are field 1 of series and exemplars
 * alike.
 */
static int pairs_read(const struct batch *batch, struct slice message, struct rw_pairs *pairs)
{
	const struct rw_data *data = batch->decoder_data;
	struct pb_walk walk = pb_walk_of(message), elements;
	struct slice name = { 0 };
	struct pb_field field;
	bool has_name = false;
	int rc;
	pairs->n = 0;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if (field.number != LABELS_REFS)
			continue;
		if (pb_elements(&field, PB_VARINT, &elements) < 0)
			return ERR_CORRUPT;
		while (pb_left(&elements) > 0) {
			uint64_t ref;
			if (pb_varint(&elements, &ref) < 0 || ref >= data->nsymbols)
				return ERR_CORRUPT;
			if (has_name)
				rw_pair_add(pairs, name, symbol_text(batch, ref));
			else
				name = symbol_text(batch, ref);
			has_name = !has_name;
		}
	}
	return has_name ? ERR_CORRUPT : rc;
}

static int v2_pairs(const struct batch *batch, uint32_t at, struct rw_pairs *pairs)
{
	struct pb_walk walk = pb_walk_of((struct slice){ batch->body + at, batch->body_len - at });
	struct pb_field field;
	if (pb_next(&walk, &field) <= 0 || field.wire != PB_BYTES)
		return ERR_CORRUPT;
	return pairs_read(batch, field.bytes, pairs);
}

/* decoder->refs may be overwritten here: exemplars are read when the series' own key is made. */
static int exemplar_read(struct rw_decoder *decoder, struct rw_series *series, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct refs refs = { 0, 0 };
	struct rw_pairs pairs;
	struct pb_field field;
	int rc, status = 0;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if ((field.number == EXEMPLAR_VALUE && field.wire != PB_FIXED64) ||
		    (field.number == EXEMPLAR_TIMESTAMP && field.wire != PB_VARINT))
			return rw_corrupt(decoder, "exemplar");
		if (field.number == EXEMPLAR_LABELS_REFS)
			status = refs_read(decoder, &field, &refs);
		if (status)
			return status;
	}
	if (rc < 0)
		return rw_corrupt(decoder, "exemplar");
	status = refs_check(decoder, &refs);
	if (status)
		return status;
	if (pairs_read(decoder->batch, message, &pairs) < 0)
		return rw_corrupt(decoder, "exemplar");
	return rw_exemplar_add(decoder, series, &pairs);
}

/* Counted, not kept. */
static int metadata_read(struct rw_decoder *decoder, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if (field.number != METADATA_HELP_REF && field.number != METADATA_UNIT_REF)
			continue;
		if (field.wire != PB_VARINT)
			return rw_corrupt(decoder, "metadata entry");
		if (field.value >= decoder->data->nsymbols)
			return rw_refuse(decoder, 400,
					 "metadata reference %llu beyond the %u symbols",
					 (unsigned long long)field.value, decoder->data->nsymbols);
	}
	if (rc < 0)
		return rw_corrupt(decoder, "metadata entry");
	decoder->batch->outcome.metadata++;
	return 0;
}

/* Everything of a series but its references and exemplars. */
static int field_read(struct rw_decoder *decoder, struct rw_series *series,
		      const struct pb_field *field)
{
	if (field->number > METADATA)
		return 0;
	if (field->wire != PB_BYTES)
		return rw_corrupt(decoder, "time series");
	switch (field->number) {
	case SAMPLES:
		return rw_sample_add(decoder, field->bytes);
	case HISTOGRAMS:
		return rw_histogram_add(decoder, series, field->bytes);
	case METADATA:
		return metadata_read(decoder, field->bytes);
	default:
		return 0;
	}
}

static int exemplars_read(struct rw_decoder *decoder, struct rw_series *series,
			  struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	while (pb_next(&walk, &field) > 0) {
		int status =
			field.number == EXEMPLARS ? exemplar_read(decoder, series, field.bytes) : 0;
		if (status)
			return status;
	}
	return 0;
}

static int series_read(struct rw_decoder *decoder, struct slice message, uint32_t at)
{
	struct rw_series *series = rw_series_begin(decoder, at);
	struct pb_walk walk = pb_walk_of(message);
	struct refs refs = { 0, 0 };
	struct pb_field field;
	bool has_exemplars = false;
	int rc, status;
	while ((rc = pb_next(&walk, &field)) > 0) {
		status = field.number == LABELS_REFS ? refs_read(decoder, &field, &refs)
						     : field_read(decoder, series, &field);
		if (status)
			return status;
		has_exemplars |= field.number == EXEMPLARS;
	}
	if (rc < 0)
		return rw_corrupt(decoder, "time series");
	status = refs_check(decoder, &refs);
	if (status)
		return status;
	/*
	 * More references than are kept: bad labels, which must not pass under the key of their
	 * beginning.
	 */
	bool is_whole = refs.n <= RW_REFS_MAX;
	size_t n = is_whole ? refs.n : RW_REFS_MAX;
	struct hash128 key = rw_key(decoder, decoder->refs, n * sizeof(decoder->refs[0]));
	if (has_exemplars) {
		status = exemplars_read(decoder, series, message);
		if (status)
			return status;
	}
	return rw_series_end(decoder, series, key, is_whole ? (uint32_t)refs.bytes : 0);
}

/*
 * The table of symbols, wherever it stands in the request: each is hashed once, and what names a
 * series is the hash over the hashes it refers to. So one label set has one key in all requests,
 * however their tables are ordered.
 */
static int symbols_read(struct rw_decoder *decoder, struct slice body)
{
	struct pb_walk walk = pb_walk_of(body);
	struct pb_field field;
	bool has_series = false, has_foreign = false;
	int rc;
	decoder->data->nsymbols = 0;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if (field.number == TIMESERIES_1 || field.number == METADATA_1)
			has_foreign = true;
		if (field.number != SYMBOLS && field.number != TIMESERIES)
			continue;
		if (field.wire != PB_BYTES)
			return rw_corrupt(decoder, "request");
		if (field.number == TIMESERIES) {
			has_series = true;
			continue;
		}
		if (decoder->data->nsymbols == 0 && field.bytes.len > 0)
			return rw_refuse(decoder, 400, "the first symbol is not the empty string");
		int status = symbol_add(decoder, field.bytes);
		if (status)
			return status;
	}
	if (rc < 0)
		return rw_corrupt(decoder, "request");
	if (has_series && decoder->data->nsymbols == 0)
		return rw_refuse(decoder, 400, "no symbols");
	/*
	 * Read as 2.0, a 1.0 message is an empty one: its sender must not believe that it was
	 * stored.
	 */
	if (has_foreign && !has_series)
		return rw_refuse(decoder, 400,
				 "the message is remote-write 1.0, its content type says 2.0");
	return 0;
}

static int v2_walk(struct rw_decoder *decoder)
{
	struct slice body = { decoder->batch->body, decoder->batch->body_len };
	struct pb_walk walk = pb_walk_of(body);
	struct pb_field field;
	int status = symbols_read(decoder, body);
	while (!status) {
		const unsigned char *start = walk.at;
		if (pb_next(&walk, &field) <= 0) /* symbols_read() saw that it is a message */
			break;
		if (field.number == TIMESERIES)
			status = series_read(decoder, field.bytes, rw_offset(decoder, start));
	}
	return status ? status : rw_group_settle(decoder);
}

const struct rw_schema rw_v2 = { BATCH_REMOTE_WRITE_2, v2_walk, v2_pairs };
