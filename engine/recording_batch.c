/*
 * A batch in a recording: column by column, series by the ids that INPUT_SERIES gave them.
 *
 *   u8 flags | sized sender's name | u64 sender's hash | varint refused by the decoder |
 *   varints rows, births, starts, examples, positions
 *   rows      series: zigzag varints, each the difference to the one before plus one
 *             times: zigzag varints, each the difference to the one before
 *             values: 8 bytes, exclusive or with the series' value before
 *   births    varint rows since the one before | u8 kind of the window, bit 7: a delta
 *   starts    varint rows since the one before | zigzag varint before the sample
 *   examples  varint rows since the one before | zigzag varint before the sample | sized line
 *   positions as in the batch, sized
 *   of the last one of the past: sized text that is covered | u64 since
 *
 * Differences make what most batches look like, the same series at the same distance, almost
 * nothing for the compressor that comes after.
 */
#include "engine/recording_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

enum { BATCH_OWN = 1, BATCH_VERSION_2 = 2, BATCH_PAST = 4, BATCH_COVERS = 8 };
#define BIRTH_DELTA 0x80u

/* names->rows: the series of each row, all of them named. */
static int rows_name(struct buf *out, struct written_names *names, const struct batch *batch)
{
	if (batch->nrows > names->rows_cap) {
		uint32_t *rows = reallocarray(names->rows, batch->nrows, sizeof(*rows));
		if (!rows)
			return ERR_NOMEM;
		names->rows = rows;
		names->rows_cap = batch->nrows;
	}
	uint32_t birth = 0;
	for (uint32_t i = 0; i < batch->nrows; i++) {
		struct labels *labels = NULL;
		if (birth < batch->nbirths && batch->births[birth].row == i)
			labels = batch->births[birth++].labels;
		struct hash128 key = batch->own && labels ? labels_hash(labels, &names->own_key)
							  : batch->rows[i].key;
		int code = written_series_get(names, key, &names->rows[i]);
		if (code)
			return code;
		struct written_series *series = &names->items[names->rows[i]];
		if (labels)
			written_series_label(series, labels);
		if (series->file != names->file)
			input_series_add(out, names, names->rows[i]);
	}
	return 0;
}

/* ---- writing a batch ---- */

static void signed_add(struct buf *out, int64_t value)
{
	pb_varint_add(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

/* Room at once: three columns of a million rows are written number by number. */
static void rows_add(struct buf *out, struct written_names *names, const struct batch *batch)
{
	uint32_t expected = 0;
	int64_t before_ms = 0;
	for (uint32_t i = 0; i < batch->nrows; i++) {
		uint32_t id = names->items[names->rows[i]].id;
		signed_add(out, (int64_t)id - expected);
		expected = id + 1;
	}
	for (uint32_t i = 0; i < batch->nrows; i++) {
		signed_add(out, (int64_t)((uint64_t)batch->rows[i].ts_ms - (uint64_t)before_ms));
		before_ms = batch->rows[i].ts_ms;
	}
	for (uint32_t i = 0; i < batch->nrows; i++) {
		struct written_series *series = &names->items[names->rows[i]];
		buf_add_u64(out, batch->rows[i].bits ^ series->bits);
		series->bits = batch->rows[i].bits;
	}
}

static void rest_add(struct buf *out, const struct batch *batch)
{
	uint32_t row = 0;
	for (uint32_t i = 0; i < batch->nbirths; row = batch->births[i++].row) {
		const struct batch_birth *birth = &batch->births[i];
		pb_varint_add(out, birth->row - row);
		buf_add_char(out, (char)(birth->kind | (birth->is_delta ? BIRTH_DELTA : 0)));
	}
	row = 0;
	for (uint32_t i = 0; i < batch->nstarts; row = batch->starts[i++].row) {
		const struct batch_start *start = &batch->starts[i];
		pb_varint_add(out, start->row - row);
		signed_add(out, (int64_t)((uint64_t)batch->rows[start->row].ts_ms -
					  (uint64_t)start->start_ms));
	}
	row = 0;
	for (uint32_t i = 0; i < batch->nexamples; row = batch->examples[i++].row) {
		const struct batch_example *example = &batch->examples[i];
		pb_varint_add(out, example->row - row);
		signed_add(out, (int64_t)((uint64_t)batch->rows[example->row].ts_ms -
					  (uint64_t)example->ts_ms));
		buf_add_sized(out, batch_example_line(batch, example));
	}
	buf_add_sized(out, buf_slice(&batch->positions));
	if (!batch->covers)
		return;
	buf_add_sized(out, slice_from(batch->covers));
	buf_add_u64(out, (uint64_t)batch->covers_since_ms);
}

int input_batch_add(struct buf *out, struct written_names *names, const struct batch *batch)
{
	int code = rows_name(out, names, batch);
	if (code)
		return code;
	buf_reserve(out, 12 * (size_t)batch->nrows + 1024);
	input_mark_add(out, INPUT_BATCH);
	buf_add_char(out, (char)((batch->own ? BATCH_OWN : 0) |
				 (batch->protocol == BATCH_REMOTE_WRITE_2 ? BATCH_VERSION_2 : 0) |
				 (batch->is_past ? BATCH_PAST : 0) |
				 (batch->covers ? BATCH_COVERS : 0)));
	buf_add_sized(out, slice_from(batch->sender.name));
	buf_add_u64(out, batch->sender.hash);
	pb_varint_add(out, batch->outcome.invalid);
	pb_varint_add(out, batch->nrows);
	pb_varint_add(out, batch->nbirths);
	pb_varint_add(out, batch->nstarts);
	pb_varint_add(out, batch->nexamples);
	pb_varint_add(out, batch->npositions);
	rows_add(out, names, batch);
	rest_add(out, batch);
	return buf_ok(out) ? 0 : ERR_NOMEM;
}

/* ---- reading a batch ---- */

struct counts {
	uint64_t rows, births, starts, examples, positions;
	bool covers;
};

static struct pb_walk walk_of(const struct reader *reader)
{
	return pb_walk_of((struct slice){ reader->ptr, reader->len });
}

static void reader_go(struct reader *reader, const struct pb_walk *walk)
{
	reader->len = pb_left(walk);
	reader->ptr = (const char *)walk->at;
}

static int rows_read(struct reader *reader, struct read_names *names, struct batch *batch,
		     uint32_t n)
{
	struct pb_walk walk = walk_of(reader);
	uint64_t v = 0, at = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (pb_varint(&walk, &v))
			return ERR_CORRUPT;
		at += (uint64_t)pb_zigzag(v);
		if (at >= names->n)
			return ERR_CORRUPT;
		batch->label_at[i] = (uint32_t)at++;
	}
	uint64_t ms = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (pb_varint(&walk, &v))
			return ERR_CORRUPT;
		ms += (uint64_t)pb_zigzag(v);
		batch->rows[i].ts_ms = (int64_t)ms;
	}
	if (pb_left(&walk) < 8 * (size_t)n)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < n; i++) {
		struct read_series *series = &names->items[batch->label_at[i]];
		pb_fixed64(&walk, &v);
		series->bits ^= v;
		batch->rows[i].bits = series->bits;
		batch->rows[i].key = series->key;
	}
	batch->nrows = n;
	reader_go(reader, &walk);
	return 0;
}

/* The next row of those that something is told of. False: there is none. */
static bool row_next(struct reader *reader, const struct batch *batch, uint64_t *row)
{
	uint64_t step = reader_varint(reader);
	if (reader->failed || step > batch->nrows)
		return false;
	*row += step;
	return *row < batch->nrows;
}

static int births_read(struct reader *reader, const struct read_names *names, struct batch *batch,
		       uint64_t n)
{
	uint64_t row = 0;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t before = row;
		if (!row_next(reader, batch, &row) || (i > 0 && row == before))
			return ERR_CORRUPT;
		uint8_t kind = reader_u8(reader);
		struct labels *labels = names->items[batch->label_at[row]].labels;
		if (reader->failed || !labels || (kind & ~BIRTH_DELTA) >= WINDOW_KINDS)
			return ERR_CORRUPT;
		if (batch_birth_add(batch, (uint32_t)row, labels))
			return ERR_NOMEM;
		labels_ref(labels);
		batch->births[batch->nbirths - 1].kind = (enum window_kind)(kind & ~BIRTH_DELTA);
		batch->births[batch->nbirths - 1].is_delta = kind & BIRTH_DELTA;
	}
	return 0;
}

static int starts_read(struct reader *reader, struct batch *batch, uint64_t n)
{
	uint64_t row = 0;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t before = row;
		if (!row_next(reader, batch, &row) || (i > 0 && row == before))
			return ERR_CORRUPT;
		uint64_t ago_ms = (uint64_t)pb_zigzag(reader_varint(reader));
		if (reader->failed)
			return ERR_CORRUPT;
		if (batch_start_add(batch, (uint32_t)row,
				    (int64_t)((uint64_t)batch->rows[row].ts_ms - ago_ms)))
			return ERR_NOMEM;
	}
	return 0;
}

static int examples_read(struct reader *reader, struct batch *batch, uint64_t n)
{
	uint64_t row = 0;
	if (n > BATCH_EXAMPLES_MAX)
		return ERR_CORRUPT;
	for (uint64_t i = 0; i < n; i++) {
		if (!row_next(reader, batch, &row))
			return ERR_CORRUPT;
		uint64_t ago_ms = (uint64_t)pb_zigzag(reader_varint(reader));
		struct slice line = reader_sized(reader);
		if (reader->failed)
			return ERR_CORRUPT;
		batch_example_add(batch, (uint32_t)row,
				  (int64_t)((uint64_t)batch->rows[row].ts_ms - ago_ms), line);
	}
	return 0;
}

static int positions_read(struct reader *reader, struct batch *batch, uint64_t n)
{
	struct slice all = reader_sized(reader);
	struct reader each;
	reader_init(&each, all);
	for (uint64_t i = 0; i < n; i++) {
		struct slice key = reader_sized(&each), payload = reader_sized(&each);
		if (each.failed)
			return ERR_CORRUPT;
		int code = batch_position_add(batch, key, payload);
		if (code)
			return code == ERR_NOMEM ? code : ERR_CORRUPT;
	}
	return reader->failed || each.len > 0 ? ERR_CORRUPT : 0;
}

static int covers_read(struct reader *reader, struct batch *batch)
{
	struct slice text = reader_sized(reader);
	int64_t since_ms = (int64_t)reader_u64(reader);
	if (reader->failed || !batch->is_past || text.len == 0 ||
	    memchr(text.ptr, '\0', text.len) || !time_is_sane(since_ms))
		return ERR_CORRUPT;
	batch->covers = slice_dup(text);
	batch->covers_since_ms = since_ms;
	return batch->covers ? 0 : ERR_NOMEM;
}

static int labels_known(const struct batch *batch, uint32_t row, struct labels **out)
{
	const struct read_names *names = batch->decoder_data;
	struct labels *labels = names->items[batch->label_at[row]].labels;
	if (!labels)
		return ERR_NOT_FOUND;
	*out = labels_ref(labels);
	return 0;
}

static void names_let_go(void *names)
{
	read_names_unref(names);
}

static int head_read(struct reader *reader, struct batch *batch, struct counts *counts)
{
	uint8_t flags = reader_u8(reader);
	struct slice sender = reader_sized(reader);
	batch->sender.hash = reader_u64(reader);
	uint64_t invalid = reader_varint(reader);
	counts->rows = reader_varint(reader);
	counts->births = reader_varint(reader);
	counts->starts = reader_varint(reader);
	counts->examples = reader_varint(reader);
	counts->positions = reader_varint(reader);
	/* A row takes ten bytes at least: so nothing is allocated that is not there. */
	if (reader->failed || sender.len >= sizeof(batch->sender.name) || invalid > UINT32_MAX ||
	    memchr(sender.ptr, '\0', sender.len) || counts->rows > reader->len / 10 ||
	    counts->births > counts->rows || counts->starts > counts->rows)
		return ERR_CORRUPT;
	memcpy(batch->sender.name, sender.ptr, sender.len);
	batch->own = flags & BATCH_OWN;
	batch->is_past = flags & BATCH_PAST;
	counts->covers = flags & BATCH_COVERS;
	batch->protocol = flags & BATCH_VERSION_2 ? BATCH_REMOTE_WRITE_2 : BATCH_REMOTE_WRITE_1;
	batch->outcome.invalid = (uint32_t)invalid;
	/* Own numbers bring their labels, always. */
	return batch->own && counts->births != counts->rows ? ERR_CORRUPT : 0;
}

static int batch_read(struct reader *reader, struct read_names *names, struct batch *batch)
{
	struct counts counts = { 0 };
	int code = head_read(reader, batch, &counts);
	if (!code && counts.rows)
		code = batch_reserve(batch, (uint32_t)counts.rows);
	if (!code)
		code = rows_read(reader, names, batch, (uint32_t)counts.rows);
	if (!code)
		code = births_read(reader, names, batch, counts.births);
	if (!code)
		code = starts_read(reader, batch, counts.starts);
	if (!code)
		code = examples_read(reader, batch, counts.examples);
	if (!code)
		code = positions_read(reader, batch, counts.positions);
	return code || !counts.covers ? code : covers_read(reader, batch);
}

int input_batch_read(struct reader *reader, struct read_names *names, struct batch **out)
{
	struct batch *batch = batch_new();
	if (!batch)
		return ERR_NOMEM;
	int code = batch_read(reader, names, batch);
	if (code) {
		batch_free(batch);
		return code;
	}
	names->refs++;
	batch->decoder_data = names;
	batch->free_data = names_let_go;
	batch->labels_parse = labels_known;
	*out = batch;
	return 0;
}
