#include "ingest/log_feed_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

void log_stream_settle(struct log_feed *feed, struct log_stream *stream)
{
	struct log_work *work = &feed->work;
	bool is_resolved = stream->generation == feed->generation && stream->nlines > 0;

	for (uint32_t i = 0; is_resolved && i < stream->nids; i++) {
		uint32_t id = stream->ids[i];

		if (work->counted[id].seen == 0)
			work->touched[work->ntouched++] = id;
		work->counted[id].seen += stream->nlines;
	}
	stream->nlines = 0;
}

void log_stream_free(struct log_feed *feed, struct log_stream *stream)
{
	struct log_stream **at = &feed->buckets[(uint32_t)stream->key.lo % STREAM_BUCKETS];

	log_stream_settle(feed, stream);
	while (*at != stream)
		at = &(*at)->next;
	*at = stream->next;
	feed->streams[stream->slot] = NULL;
	labels_unref(stream->labels);
	free(stream->ids);
	free(stream->always);
	free(stream->derived);
	free(stream);
	feed->nstreams--;
}

/* A place in feed->streams: the next empty one, or that of a stream not used for a round. */
static uint32_t slot_take(struct log_feed *feed)
{
	for (;;) {
		uint32_t slot = feed->hand;
		struct log_stream *stream = feed->streams[slot];

		feed->hand = (slot + 1) % LOG_FEED_STREAMS_MAX;
		if (!stream)
			return slot;
		if (!stream->is_used) {
			log_stream_free(feed, stream);
			return slot;
		}
		/* Only when all places are taken does anybody have to go. */
		if (feed->nstreams == LOG_FEED_STREAMS_MAX)
			stream->is_used = false;
	}
}

static struct log_stream *stream_new(struct log_feed *feed, struct hash128 key,
				     const struct labels *labels)
{
	struct log_stream *stream = calloc(1, sizeof(*stream));
	struct log_stream **bucket = &feed->buckets[(uint32_t)key.lo % STREAM_BUCKETS];

	if (!stream)
		return NULL;
	stream->key = key;
	stream->labels = labels_ref((struct labels *)labels);
	stream->slot = slot_take(feed);
	feed->streams[stream->slot] = stream;
	feed->nstreams++;
	stream->next = *bucket;
	*bucket = stream;
	return stream;
}

struct log_stream *log_feed_stream(struct log_feed *feed, const struct labels *labels)
{
	struct hash128 key = labels_hash(labels, &feed->key);
	struct log_stream *stream = feed->buckets[(uint32_t)key.lo % STREAM_BUCKETS];

	while (stream && !hash128_is_equal(stream->key, key))
		stream = stream->next;
	if (!stream)
		stream = stream_new(feed, key, labels);
	if (stream)
		stream->is_used = true;
	return stream;
}

/* Which extractors want it, once for each set. */
int log_stream_resolve(struct log_feed *feed, struct log_stream *stream)
{
	const struct extractor_set *set = feed->set;
	uint32_t n = 0;

	for (uint32_t i = 0; i < set->n; i++)
		n += extractor_wants(&set->extractors[i], stream->labels);
	uint32_t *ids = calloc(n ? n : 1, sizeof(*ids));
	uint32_t *always = calloc(n ? n : 1, sizeof(*always));
	struct log_derived **derived = calloc(n ? n : 1, sizeof(struct log_derived *));

	if (!ids || !always || !derived) {
		free(ids);
		free(always);
		free(derived);
		return ERR_NOMEM;
	}
	free(stream->ids);
	free(stream->always);
	free(stream->derived);
	stream->ids = ids;
	stream->always = always;
	stream->derived = derived;
	stream->nids = stream->nalways = 0;
	for (uint32_t i = 0; i < set->n; i++) {
		if (!extractor_wants(&set->extractors[i], stream->labels))
			continue;
		if (!set->extractors[i].is_prefiltered)
			always[stream->nalways++] = stream->nids;
		ids[stream->nids++] = i;
	}
	assert(stream->nids == n);
	stream->generation = feed->generation;
	feed->counters.streams++;
	return 0;
}
