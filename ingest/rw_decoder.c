#include "ingest/rw_decoder.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "ingest/histogram.h"

#define NEWBORNS_MIN 256u
#define SERIES_TEXT_MAX 120 /* bytes of a series in a complaint */

int rw_refuse(struct rw_decoder *decoder, int status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(decoder->why, sizeof(decoder->why), format, args);
	va_end(args);
	return status;
}

int rw_corrupt(struct rw_decoder *decoder, const char *what)
{
	return rw_refuse(decoder, 400, "corrupt protobuf message in a %s", what);
}

int rw_no_memory(struct rw_decoder *decoder)
{
	return rw_refuse(decoder, 503, "%s", error_text(ERR_NOMEM));
}

struct hash128 rw_hash(const struct rw_decoder *decoder, const void *bytes, size_t n)
{
	return hash_keyed128(&decoder->shared->key, bytes, n);
}

struct hash128 rw_key(const struct rw_decoder *decoder, const void *bytes, size_t n)
{
	if (__builtin_expect(decoder->shared->hash_hook != NULL, 0))
		return decoder->shared->hash_hook(bytes, n);
	struct hash128 key = rw_hash(decoder, bytes, n);
	key.lo ^= decoder->key_salt;
	return key;
}

int rw_relabel(const struct relabel *relabel, struct labels **labels, const char **why)
{
	struct labels *after;
	if (!relabel)
		return 0;
	int rc = relabel_apply(relabel, *labels, &after);
	if (rc == 0 && after && labels_get(after, SLICE(METRIC_NAME)).len == 0) {
		labels_unref(after);
		after = NULL;
	}
	if (rc == 0 && !after)
		rc = labels_new(NULL, 0, &after, NULL);
	if (rc) {
		*why = "relabel_configs make no set of labels of it";
		return rc == ERR_NOMEM ? rc : ERR_INVALID;
	}
	labels_unref(*labels);
	*labels = after;
	return 0;
}

int rw_labels_check(const struct rw_pairs *pairs, bool needs_name, struct labels **out,
		    const char **why)
{
	struct labels *labels;
	if (pairs->n > LABELS_COUNT_MAX) {
		*why = "too many labels";
		return ERR_LIMIT;
	}
	/* Also before an empty value, which makes a label absent, but not a nameless one right. */
	for (size_t i = 0; i < pairs->n; i++) {
		if (pairs->items[i].name.len == 0) {
			*why = "empty label name";
			return ERR_INVALID;
		}
	}
	int rc = labels_new(pairs->items, pairs->n, &labels, why);
	if (rc < 0)
		return rc;
	if (needs_name && labels_get(labels, SLICE(METRIC_NAME)).len == 0) {
		labels_unref(labels);
		*why = "no metric name";
		return ERR_INVALID;
	}
	*out = labels;
	return 0;
}

/*
 * A label of a broken series may hold anything: what is no valid UTF-8, or no text, is shown as
 * escapes.
 */
static void text_quote(struct slice text, struct buf *out)
{
	bool is_text = slice_is_utf8(text);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		/* Enough: but a character once begun is ended. */
		if (out->len >= SERIES_TEXT_MAX && !(is_text && (c & 0xc0) == 0x80))
			break;
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_text))
			buf_printf(out, "\\x%02x", c);
		else
			buf_add_char(out, (char)c);
	}
}

/* Cuts a text after `max` bytes, not inside a character. */
static void text_cut(struct buf *text, size_t max)
{
	if (text->len <= max)
		return;
	while (max > 0 && ((unsigned char)text->ptr[max] & 0xc0) == 0x80)
		max--;
	text->len = max;
	buf_add_str(text, "…");
}

static void series_format(const struct rw_pairs *pairs, struct buf *out)
{
	size_t n = pairs->n < LABELS_COUNT_MAX ? pairs->n : LABELS_COUNT_MAX;
	buf_add_char(out, '{');
	for (size_t i = 0; i < n && out->len < SERIES_TEXT_MAX; i++) {
		buf_add_str(out, i > 0 ? ", " : "");
		text_quote(pairs->items[i].name, out);
		buf_add_str(out, "=\"");
		text_quote(pairs->items[i].value, out);
		buf_add_char(out, '"');
	}
	buf_add_char(out, '}');
	if (buf_ok(out))
		text_cut(out, SERIES_TEXT_MAX);
}

/*
 * Complains about a series, or something of it, while there is room: the first few are enough for a
 * person.
 */
static void complain(struct rw_decoder *decoder, const struct rw_series *series, const char *what,
		     const char *why)
{
	struct rw_pairs pairs;
	struct buf text;
	if (!batch_has_room_to_complain(decoder->batch))
		return;
	if (decoder->data->schema->pairs(decoder->batch, series->at, &pairs) < 0)
		return;
	buf_init(&text);
	series_format(&pairs, &text);
	if (buf_ok(&text))
		batch_complain(decoder->batch, "%s " SLICE_FMT ": %s", what,
			       SLICE_ARG(buf_slice(&text)), why);
	buf_fini(&text);
}

int rw_histogram_add(struct rw_decoder *decoder, struct rw_series *series, struct slice message)
{
	const char *why = NULL;
	switch (histogram_check(message, decoder->data->schema == &rw_v1, &why)) {
	case 0:
		series->histograms++;
		decoder->batch->outcome.histograms++;
		return 0;
	case ERR_INVALID:
		decoder->batch->outcome.bad_histograms++;
		complain(decoder, series, "histogram of", why);
		return 0;
	default:
		return rw_corrupt(decoder, "histogram");
	}
}

int rw_exemplar_add(struct rw_decoder *decoder, struct rw_series *series,
		    const struct rw_pairs *pairs)
{
	struct labels *labels;
	const char *why = NULL;
	switch (rw_labels_check(pairs, false, &labels, &why)) {
	case 0:
		labels_unref(labels);
		series->exemplars++;
		decoder->batch->outcome.exemplars++;
		return 0;
	case ERR_NOMEM:
		return rw_no_memory(decoder);
	default:
		decoder->batch->outcome.bad_exemplars++;
		complain(decoder, series, "exemplar of", why);
		return 0;
	}
}

int rw_sample_parse(struct slice message, struct batch_row *row, int64_t *start_ms)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc;
	/*
	 * A zero is not written: a sample without value is 0.0, and is so for half of all real
	 * ones.
	 */
	row->bits = 0;
	row->ts_ms = 0;
	*start_ms = 0;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if (field.number == 1) {
			if (field.wire != PB_FIXED64)
				return ERR_CORRUPT;
			row->bits = field.value;
		} else if (field.number == 2) {
			if (field.wire != PB_VARINT)
				return ERR_CORRUPT;
			row->ts_ms = (int64_t)field.value;
		} else if (field.number == 3 && field.wire == PB_VARINT) {
			*start_ms = (int64_t)field.value;
		}
	}
	return rc;
}

static int too_many_rows(struct rw_decoder *decoder)
{
	return rw_refuse(decoder, 413, "more than %u samples in one request", RW_ROWS_MAX);
}

int rw_rows_grow(struct rw_decoder *decoder)
{
	if (decoder->batch->nrows >= RW_ROWS_MAX)
		return too_many_rows(decoder);
	return batch_reserve(decoder->batch, 1) < 0 ? rw_no_memory(decoder) : 0;
}

/* --- births --- */

static struct rw_newborn *newborn_slot(const struct rw_decoder *decoder, struct hash128 key)
{
	uint32_t i = (uint32_t)key.lo & decoder->newborns_mask;
	while (decoder->newborns[i].request == decoder->request &&
	       !hash128_is_equal(decoder->newborns[i].key, key))
		i = (i + 1) & decoder->newborns_mask;
	return &decoder->newborns[i];
}

/* Room for one more, at most half full: an empty table means that this request starts a new one. */
static int newborns_reserve(struct rw_decoder *decoder)
{
	struct rw_newborn *old = decoder->newborns;
	uint32_t nold = old ? decoder->newborns_mask + 1 : 0;
	if (decoder->nnewborns < nold / 2)
		return 0;
	uint32_t n = nold ? 2 * nold : NEWBORNS_MIN;
	struct rw_newborn *slots = calloc(n, sizeof(*slots));
	if (!slots)
		return ERR_NOMEM;
	decoder->newborns = slots;
	decoder->newborns_mask = n - 1;
	for (uint32_t i = 0; i < nold; i++)
		if (old[i].request == decoder->request)
			*newborn_slot(decoder, old[i].key) = old[i];
	free(old);
	return 0;
}

/*
 * Adds a birth unless the latest one of this key has the same labels. Takes the labels. Two label
 * sets under one key are both born each time, and never learned: then every row says which it is.
 */
static int birth_add(struct rw_decoder *decoder, const struct rw_series *series, uint32_t row,
		     struct labels *labels)
{
	struct batch *batch = decoder->batch;
	struct rw_data *data = decoder->data;
	uint32_t birth = batch->nbirths;
	if (newborns_reserve(decoder) < 0 ||
	    !ARRAY_RESERVE(&data->birth_raw_len, birth, &data->birth_cap))
		goto no_memory;
	struct rw_newborn *newborn = newborn_slot(decoder, series->key);
	bool is_first = newborn->request != decoder->request;
	if (!is_first && labels_is_equal(batch->births[newborn->birth].labels, labels)) {
		labels_unref(labels);
		return 0;
	}
	if (batch_birth_add(batch, row, labels) < 0)
		goto no_memory;
	data->birth_raw_len[birth] = is_first ? series->raw_len : 0;
	if (is_first)
		decoder->nnewborns++;
	else
		data->birth_raw_len[newborn->birth] = 0;
	*newborn = (struct rw_newborn){ series->key, birth, decoder->request };
	return 0;
no_memory:
	labels_unref(labels);
	return rw_no_memory(decoder);
}

/* --- the group --- */

static bool is_known(struct rw_decoder *decoder, const struct rw_series *series)
{
	struct key_cache_slot *slot = key_cache_find(&decoder->known, series->key);
	if (!slot)
		return false;
	if (__builtin_expect(slot->raw_len != series->raw_len, 0)) {
		/* Another label set under this key: from now on rows of either must say which. */
		key_cache_remove(&decoder->known, series->key);
		return false;
	}
	if (!slot->used)
		slot->used = 1;
	return true;
}

/* What a series with bad labels brought is rejected with it. */
static void series_reject(struct rw_decoder *decoder, const struct rw_series *series,
			  const char *why)
{
	struct batch_outcome *outcome = &decoder->batch->outcome;
	outcome->invalid += series->nrows;
	outcome->histograms -= series->histograms;
	outcome->bad_histograms += series->histograms;
	outcome->exemplars -= series->exemplars;
	outcome->bad_exemplars += series->exemplars;
	complain(decoder, series, "series", why);
}

/* A series not known: its labels are parsed and checked; its rows, if any, start at `row`. */
static int series_meet(struct rw_decoder *decoder, const struct rw_series *series, uint32_t row,
		       bool *is_good)
{
	struct rw_pairs pairs;
	struct labels *labels;
	const char *why = NULL;
	*is_good = false;
	if (decoder->data->schema->pairs(decoder->batch, series->at, &pairs) < 0)
		return rw_corrupt(decoder, "label");
	int rc = rw_labels_check(&pairs, true, &labels, &why);
	if (rc == 0 && (rc = rw_relabel(decoder->relabel, &labels, &why)) < 0)
		labels_unref(labels);
	if (rc == ERR_NOMEM)
		return rw_no_memory(decoder);
	if (rc < 0) {
		series_reject(decoder, series, why);
		return 0;
	}
	*is_good = true;
	if (series->nrows > 0)
		return birth_add(decoder, series, row, labels);
	labels_unref(labels);
	return 0;
}

/* Moves the rows of a series down to `to`, where rejected ones were. */
static void rows_close_up(struct batch *batch, const struct rw_series *series, uint32_t to)
{
	if (to == series->row)
		return;
	memmove(&batch->rows[to], &batch->rows[series->row], series->nrows * sizeof(*batch->rows));
	memmove(&batch->label_at[to], &batch->label_at[series->row],
		series->nrows * sizeof(*batch->label_at));
}

/* What of the start times is settled, and how many of them stay. */
struct settled_starts {
	uint32_t seen, kept;
};

static struct settled_starts starts_before(const struct batch *batch, uint32_t row)
{
	uint32_t n = batch->nstarts;
	while (n > 0 && batch->starts[n - 1].row >= row)
		n--;
	return (struct settled_starts){ n, n };
}

/* The same for the start times of a series that is good, or not. */
static void starts_close_up(struct batch *batch, const struct rw_series *series, uint32_t to,
			    bool is_good, struct settled_starts *settled)
{
	uint32_t end = series->row + series->nrows;
	for (; settled->seen < batch->nstarts; settled->seen++) {
		struct batch_start start = batch->starts[settled->seen];
		if (start.row >= end)
			return;
		start.row -= series->row - to;
		if (is_good)
			batch->starts[settled->kept++] = start;
	}
}

int rw_group_settle(struct rw_decoder *decoder)
{
	uint32_t n = decoder->ngroup;
	uint32_t to = n > 0 ? decoder->group[0].row : decoder->batch->nrows;
	struct settled_starts settled = starts_before(decoder->batch, to);
	decoder->ngroup = 0;
	if (decoder->batch->nrows > RW_ROWS_MAX)
		return too_many_rows(decoder);
	for (uint32_t i = 0; i < n; i++) {
		const struct rw_series *series = &decoder->group[i];
		bool is_good = true;
		rows_close_up(decoder->batch, series, to);
		if (!is_known(decoder, series)) {
			int status = series_meet(decoder, series, to, &is_good);
			if (status)
				return status;
		}
		starts_close_up(decoder->batch, series, to, is_good, &settled);
		if (is_good)
			to += series->nrows;
	}
	decoder->batch->nstarts = settled.kept;
	decoder->batch->nrows = to;
	return 0;
}
