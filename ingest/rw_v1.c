/*
 * Remote-write 1.0: prometheus.WriteRequest. Source: the specification, and prompb for the fields
 * that it leaves out and everybody sends (metadata, exemplars, histograms).
 */
#include "ingest/rw_decoder.h"

enum request_field { TIMESERIES = 1, METADATA = 3 };
enum series_field { LABELS = 1, SAMPLES = 2, EXEMPLARS = 3, HISTOGRAMS = 4 };
enum label_field { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum exemplar_field { EXEMPLAR_LABELS = 1, EXEMPLAR_VALUE = 2, EXEMPLAR_TIMESTAMP = 3 };
/* Of 2.0's Request, which has nothing in common with ours. */
enum foreign_field { SYMBOLS_2 = 4, TIMESERIES_2 = 5 };

#define LABELS_TAG (LABELS << 3 | PB_BYTES)

/* The labels of a series as they stand: one stretch of the message, or several gathered. */
struct stretch {
	const unsigned char *start, *end;
	bool is_scattered;
};

static int label_parse(struct slice message, struct rw_pairs *pairs)
{
	struct pb_walk walk = pb_walk_of(message);
	struct slice name = { 0 }, value = { 0 };
	struct pb_field field;
	int rc;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if (field.number != LABEL_NAME && field.number != LABEL_VALUE)
			continue;
		if (field.wire != PB_BYTES)
			return ERR_CORRUPT;
		if (field.number == LABEL_NAME)
			name = field.bytes;
		else
			value = field.bytes;
	}
	if (rc == 0)
		rw_pair_add(pairs, name, value);
	return rc;
}

static int v1_pairs(const struct batch *batch, uint32_t at, struct rw_pairs *pairs)
{
	struct pb_walk walk = pb_walk_of((struct slice){ batch->body + at, batch->body_len - at });
	struct pb_field field;
	int rc;
	if (pb_next(&walk, &field) <= 0 || field.wire != PB_BYTES)
		return ERR_CORRUPT;
	walk = pb_walk_of(field.bytes);
	pairs->n = 0;
	while ((rc = pb_next(&walk, &field)) > 0)
		if (field.number == LABELS &&
		    (field.wire != PB_BYTES || label_parse(field.bytes, pairs) < 0))
			return ERR_CORRUPT;
	return rc;
}

static int exemplar_read(struct rw_decoder *decoder, struct rw_series *series, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct rw_pairs pairs;
	struct pb_field field;
	int rc;
	pairs.n = 0;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if ((field.number == EXEMPLAR_VALUE && field.wire != PB_FIXED64) ||
		    (field.number == EXEMPLAR_TIMESTAMP && field.wire != PB_VARINT))
			return rw_corrupt(decoder, "exemplar");
		if (field.number == EXEMPLAR_LABELS &&
		    (field.wire != PB_BYTES || label_parse(field.bytes, &pairs) < 0))
			return rw_corrupt(decoder, "exemplar");
	}
	return rc < 0 ? rw_corrupt(decoder, "exemplar") : rw_exemplar_add(decoder, series, &pairs);
}

/*
 * Passes over the labels at the start of a series, which is where all known senders put them. Only
 * labels shorter than 128 bytes: whatever else comes is left to the loop that knows all.
 */
static void labels_skip(struct pb_walk *walk, struct stretch *labels)
{
	const unsigned char *at = walk->at, *end = walk->end;
	while ((size_t)(end - at) > 2 && at[0] == LABELS_TAG && at[1] < 0x80 &&
	       (size_t)(end - at) - 2 >= at[1])
		at += 2 + at[1];
	*labels = (struct stretch){ walk->at, at, false };
	walk->at = at;
}

/* A label that labels_skip() did not see; start is its tag. */
static void stretch_extend(struct stretch *labels, const unsigned char *start,
			   const unsigned char *end)
{
	if (labels->start == labels->end)
		labels->start = start;
	else if (start != labels->end)
		labels->is_scattered = true;
	labels->end = end;
}

static int field_read(struct rw_decoder *decoder, struct rw_series *series,
		      const struct pb_field *field)
{
	if (field->number > HISTOGRAMS)
		return 0;
	if (field->wire != PB_BYTES)
		return rw_corrupt(decoder, "time series");
	switch (field->number) {
	case SAMPLES:
		return rw_sample_add(decoder, field->bytes);
	case EXEMPLARS:
		return exemplar_read(decoder, series, field->bytes);
	case HISTOGRAMS:
		return rw_histogram_add(decoder, series, field->bytes);
	default:
		return 0;
	}
}

/*
 * Labels with other fields between them: brought together, so that their key does not depend on
 * what was between.
 */
static int scattered_key(struct rw_decoder *decoder, struct slice message, struct hash128 *key,
			 uint32_t *raw_len)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	buf_clear(&decoder->scattered);
	for (;;) {
		const unsigned char *start = walk.at;
		if (pb_next(&walk, &field) <= 0)
			break;
		if (field.number == LABELS)
			buf_add(&decoder->scattered, start, (size_t)(walk.at - start));
	}
	if (!buf_ok(&decoder->scattered))
		return rw_no_memory(decoder);
	*key = rw_key(decoder, decoder->scattered.ptr, decoder->scattered.len);
	*raw_len = (uint32_t)decoder->scattered.len;
	return 0;
}

static int series_read(struct rw_decoder *decoder, struct slice message, uint32_t at)
{
	struct rw_series *series = rw_series_begin(decoder, at);
	struct pb_walk walk = pb_walk_of(message);
	struct stretch labels;
	struct pb_field field;
	struct hash128 key;
	uint32_t raw_len = 0;
	int rc, status;
	labels_skip(&walk, &labels);
	for (;;) {
		const unsigned char *start = walk.at;
		rc = pb_next(&walk, &field);
		if (rc <= 0)
			break;
		status = field_read(decoder, series, &field);
		if (status)
			return status;
		if (field.number == LABELS)
			stretch_extend(&labels, start, walk.at);
	}
	if (rc < 0)
		return rw_corrupt(decoder, "time series");
	if (labels.is_scattered) {
		status = scattered_key(decoder, message, &key, &raw_len);
		if (status)
			return status;
	} else {
		raw_len = (uint32_t)(labels.end - labels.start);
		key = rw_key(decoder, labels.start, raw_len);
	}
	return rw_series_end(decoder, series, key, raw_len);
}

/* Counted, not kept. */
static int metadata_read(struct rw_decoder *decoder, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc;
	while ((rc = pb_next(&walk, &field)) > 0)
		;
	if (rc < 0)
		return rw_corrupt(decoder, "metadata entry");
	decoder->batch->outcome.metadata++;
	return 0;
}

static int v1_walk(struct rw_decoder *decoder)
{
	struct batch *batch = decoder->batch;
	struct pb_walk walk = pb_walk_of((struct slice){ batch->body, batch->body_len });
	struct pb_field field;
	bool has_ours = false, has_foreign = false;
	int rc, status;
	for (;;) {
		const unsigned char *start = walk.at;
		rc = pb_next(&walk, &field);
		if (rc <= 0)
			break;
		if (field.number == SYMBOLS_2 || field.number == TIMESERIES_2)
			has_foreign = true;
		if (field.number != TIMESERIES && field.number != METADATA)
			continue;
		if (field.wire != PB_BYTES)
			return rw_corrupt(decoder, "request");
		has_ours = true;
		status = field.number == METADATA
				 ? metadata_read(decoder, field.bytes)
				 : series_read(decoder, field.bytes, rw_offset(decoder, start));
		if (status)
			return status;
	}
	if (rc < 0)
		return rw_corrupt(decoder, "request");
	/*
	 * Read as 1.0, a 2.0 message is an empty one: its sender must not believe that it was
	 * stored.
	 */
	if (has_foreign && !has_ours)
		return rw_refuse(decoder, 400,
				 "the message is remote-write 2.0, its content type says 1.0");
	return rw_group_settle(decoder);
}

const struct rw_schema rw_v1 = { BATCH_REMOTE_WRITE_1, v1_walk, v1_pairs };
