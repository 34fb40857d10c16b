#include "ingest/profile_stream.h"

#include <stdlib.h>

#include "base/error.h"

static const struct slice series_names[] = {
#define SERIES(id, name, doc) { name, sizeof(name) - 1 },
#include "ingest/profile_series.def"
#undef SERIES
};

void profile_stream_free(struct stream *stream)
{
	profile_shares_fini(stream);
	labels_unref(stream->labels);
	free(stream);
}

static uint32_t *stream_slot(struct profile_summary *summary, struct hash128 key)
{
	for (uint32_t at = (uint32_t)key.lo;; at++) {
		uint32_t *slot = &summary->slots[at % PROFILE_STREAM_SLOTS];

		if (*slot == 0 || hash128_is_equal(summary->streams[*slot - 1]->key, key))
			return slot;
	}
}

static void slots_rebuild(struct profile_summary *summary)
{
	memset(summary->slots, 0, sizeof(summary->slots));
	for (uint32_t i = 0; i < summary->nstreams; i++)
		*stream_slot(summary, summary->streams[i]->key) = i + 1;
}

static void stream_remove(struct profile_summary *summary, uint32_t index)
{
	profile_stream_free(summary->streams[index]);
	summary->streams[index] = summary->streams[--summary->nstreams];
	slots_rebuild(summary);
}

static void quietest_remove(struct profile_summary *summary)
{
	uint32_t quietest = 0;

	for (uint32_t i = 1; i < summary->nstreams; i++)
		if (summary->streams[i]->used < summary->streams[quietest]->used)
			quietest = i;
	stream_remove(summary, quietest);
}

/* The target's labels and profile_type; an empty name leaves that out. */
static int stream_labels(const struct profile_target *target, struct slice name,
			 struct labels **out)
{
	struct labels_builder builder;

	labels_builder_init(&builder);
	labels_builder_add_all(&builder, target->labels);
	labels_builder_remove(&builder, SLICE(METRIC_NAME));
	labels_builder_set(&builder, SLICE("profile_type"), name);
	int code = labels_builder_take(&builder, out, NULL);

	labels_builder_fini(&builder);
	return code;
}

int profile_stream_get(struct profile_summary *summary, const struct profile_target *target,
		       struct slice name, struct stream **out)
{
	struct labels *labels;
	int code = stream_labels(target, name, &labels);

	if (code)
		return code;
	struct hash128 key = labels_hash(labels, summary->key);
	uint32_t *slot = stream_slot(summary, key);

	if (*slot) {
		labels_unref(labels);
		*out = summary->streams[*slot - 1];
		(*out)->used = ++summary->clock;
		return 0;
	}
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		labels_unref(labels);
		return ERR_NOMEM;
	}
	if (summary->nstreams == PROFILE_STREAMS_MAX)
		quietest_remove(summary);
	stream->key = key;
	stream->labels = labels;
	stream->target = labels_hash(target->labels, summary->key);
	stream->source = target->source;
	stream->used = ++summary->clock;
	summary->streams[summary->nstreams++] = stream;
	*stream_slot(summary, key) = summary->nstreams;
	*out = stream;
	return 0;
}

int profile_row_add(struct adding *adding, enum series series, struct slice function, uint64_t bits)
{
	struct labels *labels;

	labels_builder_set(&adding->labels, SLICE(METRIC_NAME), series_names[series]);
	labels_builder_set(&adding->labels, SLICE("function"), function);
	int code = labels_builder_take(&adding->labels, &labels, NULL);

	if (code)
		return code;
	code = batch_sample_add(adding->batch, adding->summary->key, labels, adding->ts_ms, bits);
	labels_unref(labels);
	return code;
}
