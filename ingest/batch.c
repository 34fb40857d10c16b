#include "ingest/batch.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"

#define ROWS_MIN 256u
#define BIRTHS_MIN 16u
#define EXAMPLES_MIN 16u

struct batch *batch_new(void)
{
	return calloc(1, sizeof(struct batch));
}

static void births_drop(struct batch *batch)
{
	for (uint32_t i = 0; i < batch->nbirths; i++)
		labels_unref(batch->births[i].labels);
	batch->nbirths = 0;
}

void batch_clear(struct batch *batch)
{
	births_drop(batch);
	struct batch_row *rows = batch->rows;
	uint32_t rows_cap = batch->rows_cap, births_cap = batch->births_cap;
	uint32_t starts_cap = batch->starts_cap;
	free(batch->examples);
	free(batch->covers);
	buf_fini(&batch->texts);
	buf_fini(&batch->positions);
	*batch = (struct batch){
		.rows = rows,
		.rows_cap = rows_cap,
		.births = batch->births,
		.births_cap = births_cap,
		.starts = batch->starts,
		.starts_cap = starts_cap,
		.body = batch->body,
		.label_at = batch->label_at,
		.labels_parse = batch->labels_parse,
		.decoder_data = batch->decoder_data,
		.free_data = batch->free_data,
	};
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	births_drop(batch);
	if (batch->free_data)
		batch->free_data(batch->decoder_data);
	free(batch->births);
	free(batch->starts);
	free(batch->examples);
	free(batch->covers);
	buf_fini(&batch->texts);
	buf_fini(&batch->positions);
	free(batch->rows);
	free(batch->label_at);
	free(batch->body);
	free(batch);
}

/* False when out of memory; of nothing there is no copy. */
static bool copy_array(void *to, const void *from, size_t n, size_t size)
{
	if (n == 0)
		return true;
	void *copy = malloc(n * size);
	if (!copy)
		return false;
	memcpy(copy, from, n * size);
	memcpy(to, &copy, sizeof(copy));
	return true;
}

static bool copy_births(struct batch *copy, const struct batch *batch)
{
	if (!copy_array(&copy->births, batch->births, batch->nbirths, sizeof(*batch->births)))
		return false;
	copy->nbirths = copy->births_cap = batch->nbirths;
	for (uint32_t i = 0; i < copy->nbirths; i++)
		labels_ref(copy->births[i].labels);
	return true;
}

struct batch *batch_copy(const struct batch *batch)
{
	struct batch *copy = batch_new();
	if (!copy)
		return NULL;
	copy->protocol = batch->protocol;
	copy->sender = batch->sender;
	copy->own = batch->own;
	copy->is_past = batch->is_past;
	copy->covers = batch->covers ? slice_dup(slice_from(batch->covers)) : NULL;
	copy->covers_since_ms = batch->covers_since_ms;
	copy->outcome.invalid = batch->outcome.invalid;
	bool ok =
		copy_births(copy, batch) && !copy->covers == !batch->covers &&
		copy_array(&copy->rows, batch->rows, batch->nrows, sizeof(*batch->rows)) &&
		copy_array(&copy->starts, batch->starts, batch->nstarts, sizeof(*batch->starts)) &&
		copy_array(&copy->examples, batch->examples, batch->nexamples,
			   sizeof(*batch->examples));
	copy->nrows = batch->nrows; /* but not rows_cap: there is no room in label_at */
	copy->nstarts = copy->starts_cap = batch->nstarts;
	copy->nexamples = copy->examples_cap = batch->nexamples;
	buf_add_slice(&copy->texts, buf_slice(&batch->texts));
	buf_add_slice(&copy->positions, buf_slice(&batch->positions));
	copy->npositions = batch->npositions;
	if (ok && buf_ok(&copy->texts) && buf_ok(&copy->positions))
		return copy;
	batch_free(copy);
	return NULL;
}

size_t batch_cost(const struct batch *batch)
{
	return sizeof(*batch) + batch->body_len + batch->texts.len +
	       batch->nrows * (sizeof(*batch->rows) + sizeof(*batch->label_at)) +
	       batch->nbirths * sizeof(*batch->births) +
	       batch->nexamples * sizeof(*batch->examples);
}

/* The capacity to grow to, for `want` items: at least double. */
static uint32_t grown(uint32_t cap, uint32_t want, uint32_t min)
{
	uint64_t next = cap ? 2 * (uint64_t)cap : min;
	if (next < want)
		next = want;
	return next > UINT32_MAX ? UINT32_MAX : (uint32_t)next;
}

int batch_reserve(struct batch *batch, uint32_t nrows)
{
	if (nrows <= batch->rows_cap - batch->nrows)
		return 0;
	if (nrows > UINT32_MAX - batch->nrows)
		return ERR_NOMEM;
	uint32_t cap = grown(batch->rows_cap, batch->nrows + nrows, ROWS_MIN);
	/* Neither array's growth undoes the other's: rows_cap is what both have. */
	struct batch_row *rows = reallocarray(batch->rows, cap, sizeof(*rows));
	if (!rows)
		return ERR_NOMEM;
	batch->rows = rows;
	uint32_t *label_at = reallocarray(batch->label_at, cap, sizeof(*label_at));
	if (!label_at)
		return ERR_NOMEM;
	batch->label_at = label_at;
	batch->rows_cap = cap;
	return 0;
}

int batch_birth_add(struct batch *batch, uint32_t row, struct labels *labels)
{
	assert(row < batch->nrows);
	assert(batch->nbirths == 0 || batch->births[batch->nbirths - 1].row < row);
	if (batch->nbirths == batch->births_cap) {
		uint32_t cap = grown(batch->births_cap, batch->nbirths + 1, BIRTHS_MIN);
		struct batch_birth *births = reallocarray(batch->births, cap, sizeof(*births));
		if (!births)
			return ERR_NOMEM;
		batch->births = births;
		batch->births_cap = cap;
	}
	batch->births[batch->nbirths++] = (struct batch_birth){ .row = row, .labels = labels };
	return 0;
}

int batch_start_add(struct batch *batch, uint32_t row, int64_t start_ms)
{
	assert(batch->nstarts == 0 || batch->starts[batch->nstarts - 1].row < row);
	if (batch->nstarts == batch->starts_cap) {
		uint32_t cap = grown(batch->starts_cap, batch->nstarts + 1, ROWS_MIN);
		struct batch_start *starts = reallocarray(batch->starts, cap, sizeof(*starts));
		if (!starts)
			return ERR_NOMEM;
		batch->starts = starts;
		batch->starts_cap = cap;
	}
	batch->starts[batch->nstarts++] = (struct batch_start){ row, start_ms };
	return 0;
}

int batch_sample_add(struct batch *batch, const struct hash_key *key, struct labels *labels,
		     int64_t ts_ms, uint64_t bits)
{
	if (batch_reserve(batch, 1))
		return ERR_NOMEM;
	batch->rows[batch->nrows++] = (struct batch_row){ labels_hash(labels, key), ts_ms, bits };
	int code = batch_birth_add(batch, batch->nrows - 1, labels);
	if (code)
		batch->nrows--;
	else
		labels_ref(labels);
	return code;
}

int batch_delta_add(struct batch *batch, const struct hash_key *key, struct labels *labels,
		    int64_t ts_ms, double value)
{
	int code = batch_sample_add(batch, key, labels, ts_ms, bits_of_double(value));
	if (code == 0)
		batch->births[batch->nbirths - 1].is_delta = true;
	return code;
}

int batch_derived_add(struct batch *batch, const struct hash_key *key, struct labels *labels,
		      enum window_kind kind, int64_t ts_ms, uint64_t bits)
{
	int code = batch_sample_add(batch, key, labels, ts_ms, bits);
	if (code == 0)
		batch->births[batch->nbirths - 1].kind = kind;
	return code;
}

void batch_rows_drop(struct batch *batch, uint32_t from)
{
	assert(from <= batch->nrows);
	while (batch->nbirths > 0 && batch->births[batch->nbirths - 1].row >= from)
		labels_unref(batch->births[--batch->nbirths].labels);
	while (batch->nstarts > 0 && batch->starts[batch->nstarts - 1].row >= from)
		batch->nstarts--;
	batch->nrows = from;
}

int batch_position_add(struct batch *batch, struct slice key, struct slice payload)
{
	if (key.len == 0 || key.len + payload.len > BATCH_POSITION_BYTES_MAX ||
	    batch->positions.len + key.len + payload.len > BATCH_POSITIONS_BYTES_MAX)
		return ERR_LIMIT;
	/* At once: half an entry would make the others unreadable. */
	if (!buf_reserve(&batch->positions, 2 * sizeof(uint32_t) + key.len + payload.len)) {
		batch->positions.failed = false;
		return ERR_NOMEM;
	}
	buf_add_sized(&batch->positions, key);
	buf_add_sized(&batch->positions, payload);
	batch->npositions++;
	return 0;
}

static bool examples_reserve(struct batch *batch)
{
	if (batch->nexamples < batch->examples_cap)
		return true;
	uint32_t cap = grown(batch->examples_cap, batch->nexamples + 1, EXAMPLES_MIN);
	struct batch_example *examples = reallocarray(batch->examples, cap, sizeof(*examples));
	if (!examples)
		return false;
	batch->examples = examples;
	batch->examples_cap = cap;
	return true;
}

/* The line, or as much of it as an example may have, whole characters. */
static struct slice example_of(struct slice line)
{
	if (line.len <= BATCH_EXAMPLE_BYTES_MAX)
		return line;
	size_t len = BATCH_EXAMPLE_BYTES_MAX;
	while (len > 0 && ((unsigned char)line.ptr[len] & 0xc0) == 0x80)
		len--;
	return (struct slice){ line.ptr, len };
}

void batch_example_add(struct batch *batch, uint32_t row, int64_t ts_ms, struct slice line)
{
	assert(row < batch->nrows);
	line = example_of(line);
	if (batch->nexamples == BATCH_EXAMPLES_MAX || !examples_reserve(batch) ||
	    !buf_reserve(&batch->texts, line.len)) {
		batch->texts.failed = false;
		return;
	}
	batch->examples[batch->nexamples++] =
		(struct batch_example){ row, ts_ms, (uint32_t)batch->texts.len,
					(uint32_t)line.len };
	buf_add_slice(&batch->texts, line);
}

struct slice batch_example_line(const struct batch *batch, const struct batch_example *example)
{
	return (struct slice){ batch->texts.ptr + example->at, example->len };
}

static int compare_row(const void *row, const void *birth)
{
	uint32_t a = *(const uint32_t *)row, b = ((const struct batch_birth *)birth)->row;

	return (a > b) - (a < b);
}

int batch_labels(const struct batch *batch, uint32_t row, struct labels **out)
{
	assert(row < batch->nrows);
	if (batch->labels_parse)
		return batch->labels_parse(batch, row, out);
	const struct batch_birth *birth = batch->nbirths
						  ? bsearch(&row, batch->births, batch->nbirths,
							    sizeof(*batch->births), compare_row)
						  : NULL;

	if (!birth)
		return ERR_NOT_FOUND;
	*out = labels_ref(birth->labels);
	return 0;
}

bool batch_has_room_to_complain(const struct batch *batch)
{
	return strlen(batch->outcome.error) + BATCH_COMPLAINT_MAX + 2 <
	       sizeof(batch->outcome.error);
}

void batch_complain(struct batch *batch, const char *format, ...)
{
	char text[BATCH_COMPLAINT_MAX];
	char *error = batch->outcome.error;
	size_t len = strlen(error);
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0 || len + strlen(text) + 2 >= sizeof(batch->outcome.error))
		return;
	sprintf(error + len, "%s%s", len > 0 ? "; " : "", text);
}

uint32_t batch_written(const struct batch_outcome *outcome)
{
	return outcome->stored + outcome->identical + outcome->late + outcome->ignored;
}

bool batch_is_rejected(const struct batch_outcome *outcome)
{
	return outcome->conflict || outcome->future || outcome->limited || outcome->invalid ||
	       outcome->bad_histograms || outcome->bad_exemplars;
}
