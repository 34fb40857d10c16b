#include "base/error.h"
#include "ingest/history_internal.h"

/* Labels of a row without any of its own: those of the row before that has some. */
static int past_labels(const struct batch *batch, uint32_t row, struct labels **out)
{
	uint32_t low = 0, high = batch->nbirths;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (batch->births[middle].row <= row)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return ERR_NOT_FOUND;
	*out = labels_ref(batch->births[low - 1].labels);
	return 0;
}

struct batch *wish_batch(const struct wish *wish)
{
	struct batch *batch = batch_new();
	if (!batch)
		return NULL;
	batch->is_past = true;
	batch->labels_parse = past_labels;
	batch->slot = wish->id;
	return batch;
}

/* What the server's remote-write does to labels, and what is done to those that come by it. */
static int relabel(const struct wish *wish, struct labels *labels, struct labels **out)
{
	struct labels *sent;
	int code = relabel_apply(wish_server(wish)->relabel, labels, &sent);
	*out = NULL;
	if (code || !sent)
		return code;
	code = relabel_apply(wish->history->options.relabel, sent, out);
	labels_unref(sent);
	return code;
}

/* The next series that is not dropped: 1, 0, or an error. */
static int next_series(struct wish *wish)
{
	int code;
	labels_unref(wish->labels);
	wish->labels = NULL;
	while ((code = remote_read_series(&wish->read)) > 0) {
		code = relabel(wish, wish->read.labels, &wish->labels);
		if (code == ERR_NOMEM)
			return code;
		if (code == 0 && wish->labels)
			return 1;
	}
	return code;
}

static int add_row(struct wish *wish, struct batch *batch, const struct remote_read_sample *sample,
		   struct hash128 key, bool has_labels)
{
	if (batch_reserve(batch, 1))
		return ERR_NOMEM;
	uint32_t row = batch->nrows++;
	batch->rows[row] = (struct batch_row){ key, sample->ts_ms, sample->bits };
	if (has_labels)
		return 0;
	int code = batch_birth_add(batch, row, labels_ref(wish->labels));
	if (code)
		labels_unref(wish->labels);
	return code;
}

int wish_fill(struct wish *wish, struct batch *batch)
{
	struct remote_read_sample sample;
	for (;;) {
		int code = wish->labels ? 1 : next_series(wish);
		if (code <= 0)
			return code;
		struct hash128 key = labels_hash(wish->labels, wish->history->key);
		bool has_labels = false;
		while ((code = remote_read_sample(&wish->read, &sample)) > 0) {
			code = add_row(wish, batch, &sample, key, has_labels);
			if (code)
				return code;
			has_labels = true;
			if (batch->nrows == HISTORY_ROWS_MAX)
				return 1;
		}
		if (code)
			return code;
		labels_unref(wish->labels);
		wish->labels = NULL;
	}
}

void wish_read_end(struct wish *wish)
{
	remote_read_fini(&wish->read);
	wish->is_reading = false;
	labels_unref(wish->labels);
	wish->labels = NULL;
}
