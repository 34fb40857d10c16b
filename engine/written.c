/*
 * What rules write, told to whoever sends it on (remote_write:).
 *
 * What leaves the engine carries labels of its own, not ids: they are made once for each series,
 * with the external labels, and kept while the series is written. A stale marker is the last sample
 * of a series, after which they go.
 */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "base/error.h"

#define ROWS_MIN 1024u

/* The labels of the series; of the external ones those that it does not have itself. */
static struct labels *labels_make(struct engine *engine, const struct series *series)
{
	struct labels *own = lset_to_labels(engine->lsets, series->lset), *made = NULL;
	const struct labels *external = engine->external_labels;
	if (!own || !external || labels_count(external) == 0)
		return own;
	struct labels_builder builder;
	labels_builder_init(&builder);
	labels_builder_add_all(&builder, external);
	for (size_t i = 0; i < labels_count(own); i++) {
		struct label label = labels_at(own, i);
		labels_builder_set(&builder, label.name, label.value);
	}
	labels_builder_take(&builder, &made, NULL);
	labels_builder_fini(&builder);
	labels_unref(own);
	return made;
}

static void entry_clear(struct written_series *entry)
{
	labels_unref(entry->labels);
	*entry = (struct written_series){ 0 };
}

/* Where the labels of that row are kept. NULL: no memory. */
static struct written_series *entry_of(struct written *written, uint32_t row)
{
	if (row >= written->n) {
		uint32_t n = written->n ? written->n : ROWS_MIN;
		while (n <= row)
			n = n > UINT32_MAX / 2 ? UINT32_MAX : n * 2;
		struct written_series *grown = reallocarray(written->series, n, sizeof(*grown));
		if (!grown)
			return NULL;
		memset(&grown[written->n], 0, (n - written->n) * sizeof(*grown));
		written->series = grown;
		written->n = n;
	}
	return &written->series[row];
}

/* Without memory the sample is not told: as if its receiver had dropped it. */
void written_tell(struct engine *engine, const struct series *series, int64_t ts_ms, uint64_t bits)
{
	struct written_series *entry = entry_of(&engine->written, series->row);
	if (!entry)
		return;
	if (entry->uid != series->uid) {
		entry_clear(entry);
		entry->labels = labels_make(engine, series);
		if (!entry->labels)
			return;
		entry->uid = series->uid;
	}
	engine->sink.written(engine->sink.ctx, entry->labels, ts_ms, bits);
	if (bits == STALE_NAN_BITS)
		entry_clear(entry);
}

void written_forget(struct engine *engine)
{
	struct written *written = &engine->written;
	for (uint32_t i = 0; i < written->n; i++)
		labels_unref(written->series[i].labels);
	free(written->series);
	written->series = NULL;
	written->n = 0;
}

void engine_written_set(struct engine *engine, bool is_wanted)
{
	engine->written.is_wanted = is_wanted && engine->sink.written;
	if (!is_wanted)
		written_forget(engine);
}
