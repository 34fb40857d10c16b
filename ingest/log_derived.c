#include "ingest/log_feed_internal.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

#define VALUE_MAX 2048 /* bytes of a label's value in a derived series */
#define SWEEP_US (60ll * 1000 * 1000)

static struct log_derived **derived_bucket(struct log_feed *feed, struct hash128 key)
{
	return &feed->derived[(uint32_t)key.lo & feed->derived_mask];
}

static void derived_free(struct log_feed *feed, struct log_derived *derived)
{
	extractor_series_remove(feed->set->extractors[derived->extractor].state, derived->series);
	labels_unref(derived->labels);
	free(derived);
	feed->nderived--;
}

/* One entry a bucket on average; without memory for more, chains get longer. */
static void derived_grow(struct log_feed *feed)
{
	uint32_t cap = feed->derived_mask + 1;

	if (feed->nderived < cap)
		return;
	struct log_derived **old = feed->derived;
	struct log_derived **wider = calloc(2 * (size_t)cap, sizeof(struct log_derived *));

	if (!wider)
		return;
	feed->derived = wider;
	feed->derived_mask = 2 * cap - 1;
	for (uint32_t i = 0; i < cap; i++) {
		for (struct log_derived *d = old[i], *next; d; d = next) {
			struct log_derived **bucket = derived_bucket(feed, d->key);

			next = d->next;
			d->next = *bucket;
			*bucket = d;
		}
	}
	free(old);
}

void log_derived_drop_all(struct log_feed *feed)
{
	for (uint32_t i = 0; i <= feed->derived_mask; i++) {
		for (struct log_derived *d = feed->derived[i], *next; d; d = next) {
			next = d->next;
			derived_free(feed, d);
		}
		feed->derived[i] = NULL;
	}
}

static struct hash128 output_key(struct log_feed *feed, uint32_t extractor,
				 const struct log_output *output)
{
	struct buf *name = &feed->name;

	buf_clear(name);
	buf_add_u32(name, extractor);
	for (uint32_t i = 0; i < output->nlabels; i++) {
		buf_add_sized(name, output->labels[i].name);
		buf_add_sized(name, output->labels[i].value);
	}
	return hash_keyed128(&feed->key, name->ptr, name->len);
}

/*
 * Names and values as labels may be: UTF-8, values no longer than VALUE_MAX. Appended to `text`,
 * which has room: it does not move.
 */
static struct slice fit(struct slice value, size_t max, struct buf *text)
{
	size_t start = text->len;
	char bytes[4];
	uint32_t rune;

	for (size_t i = 0; i < value.len;) {
		i += slice_rune((struct slice){ value.ptr + i, value.len - i }, &rune);
		size_t n = rune_encode(rune, bytes);

		if (text->len - start + n > max)
			break;
		buf_add(text, bytes, n);
	}
	return (struct slice){ text->ptr + start, text->len - start };
}

/* ERR_LIMIT: more than a label set takes. */
static int labels_make(struct log_feed *feed, const struct extractor *extractor,
		       const struct log_output *output, struct labels **out)
{
	struct label pairs[LOG_LABELS_MAX + 1];
	struct buf *text = &feed->name;
	const char *why;

	buf_clear(text);
	if (!buf_reserve(text, output->nlabels * (size_t)(LOG_KEY_MAX + VALUE_MAX))) {
		buf_fini(text);
		return ERR_NOMEM;
	}
	size_t n = 0;

	for (uint32_t i = 0; i < output->nlabels; i++) {
		/* A sender may have called a stream's label that. */
		if (slice_is(output->labels[i].name, METRIC_NAME))
			continue;
		pairs[n].name = fit(output->labels[i].name, LOG_KEY_MAX, text);
		pairs[n++].value = fit(output->labels[i].value, VALUE_MAX, text);
	}
	pairs[n++] = (struct label){ SLICE(METRIC_NAME), slice_from(extractor->state->name) };
	return labels_new(pairs, n, out, &why);
}

static int derived_new(struct log_feed *feed, uint32_t id, struct hash128 key,
		       const struct log_output *output, struct log_derived **out)
{
	const struct extractor *extractor = &feed->set->extractors[id];
	struct log_derived *derived = calloc(1, sizeof(*derived));
	int err;

	*out = NULL;
	if (!derived)
		return ERR_NOMEM;
	err = labels_make(feed, extractor, output, &derived->labels);
	if (!err) {
		derived->series = labels_hash(derived->labels, &feed->key);
		if (extractor_series_add(extractor->state, derived->series, feed->set->series_max,
					 &err))
			*out = derived;
	}
	if (!*out) {
		labels_unref(derived->labels);
		free(derived);
		return err == ERR_NOMEM ? err : 0;
	}
	derived_grow(feed);
	struct log_derived **bucket = derived_bucket(feed, key);

	derived->key = key;
	derived->extractor = id;
	derived->is_used = true;
	derived->next = *bucket;
	*bucket = derived;
	feed->nderived++;
	return 0;
}

/* *out NULL: over the limit. */
int log_derived_get(struct log_feed *feed, uint32_t id, const struct log_output *output,
		    struct log_derived **out)
{
	struct hash128 key = output_key(feed, id, output);

	if (!buf_ok(&feed->name)) {
		buf_fini(&feed->name);
		return ERR_NOMEM;
	}
	for (*out = *derived_bucket(feed, key); *out; *out = (*out)->next) {
		if (hash128_is_equal((*out)->key, key))
			return 0;
	}
	return derived_new(feed, id, key, output, out);
}

/* Series without a line for long no longer count against the limit. */
void log_derived_sweep(struct log_feed *feed)
{
	int64_t now_us = clock_monotonic_us();
	bool any = false;

	if (now_us - feed->swept_us < SWEEP_US)
		return;
	feed->swept_us = now_us;
	for (uint32_t i = 0; i <= feed->derived_mask; i++) {
		for (struct log_derived **at = &feed->derived[i], *d; (d = *at) != NULL;) {
			if (d->is_used)
				d->used_us = now_us;
			d->is_used = false;
			if (now_us - d->used_us < EXTRACTOR_IDLE_MS * 1000ll) {
				at = &d->next;
				continue;
			}
			*at = d->next;
			derived_free(feed, d);
			any = true;
		}
	}
	/* Streams may know one that is gone. */
	for (uint32_t i = 0; any && i < LOG_FEED_STREAMS_MAX; i++) {
		struct log_stream *stream = feed->streams[i];

		if (stream && stream->generation == feed->generation)
			memset(stream->derived, 0, stream->nids * sizeof(struct log_derived *));
	}
}
