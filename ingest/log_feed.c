#include "ingest/log_feed.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/extractor_internal.h"

#define STREAM_BUCKETS 8192u /* of the table of streams */
#define DERIVED_MIN 256u
#define VALUE_MAX 2048		     /* bytes of a label's value in a derived series */
#define EXAMPLE_BYTES_MAX (1u << 20) /* of all examples between two flushes */
#define SWEEP_US (60ll * 1000 * 1000)
/* A stream with no more extractors than this has them run without asking the prefilter first. */
#define DIRECT_MAX 1

/*
 * A series that lines are counted for. What came since the last flush is in feed->rows; of sums and
 * extremes the row of the newest bucket is at hand.
 */
struct derived {
	struct hash128 key; /* of extractor and labels, under the feed's secret */
	uint32_t extractor;
	struct labels *labels;
	struct hash128 series; /* what the extractor's list of series knows it by */
	int64_t used_us;       /* by the clock, at the last flush that had a line of it */
	uint32_t flush, row;   /* the row at hand, if it was made since the last flush */
	uint32_t nexamples;    /* since that flush */
	bool is_used;
	struct derived *next; /* in its bucket */
};

struct row {
	struct labels *labels; /* a reference */
	enum window_kind kind;
	int64_t ts_ms;
	double value;
};

struct example {
	uint32_t row;
	uint32_t at, len; /* in feed->texts */
	int64_t ts_ms;
};

struct log_stream {
	struct hash128 key;
	struct labels *labels;
	struct log_stream *next; /* in its bucket */
	uint32_t slot;		 /* in feed->streams */
	bool is_used;		 /* since the hand came by */
	/* Of the feed's present set, of which `generation` tells. */
	uint64_t generation;
	uint32_t *ids; /* extractors that want it: ascending */
	uint32_t nids;
	uint32_t *always; /* places in ids of those that the prefilter knows nothing of */
	uint32_t nalways;
	struct derived **derived; /* by place in ids: where there is only one */
	uint64_t nlines;	  /* not yet counted as seen */
};

/* What a line gives, before anything is changed. */
struct finding {
	uint32_t extractor;
	struct derived *derived; /* NULL: over the limit */
	double value;
};

struct log_feed {
	struct hash_key key;
	struct extractor_set *set; /* NULL: none */
	uint64_t generation;
	struct log_scratch *scratch;
	struct prefilter_hits hits;

	struct log_stream **buckets;
	struct log_stream **streams;
	uint32_t nstreams, hand;

	struct derived **derived;
	uint32_t nderived, derived_mask;
	int64_t swept_us;

	struct row *rows;
	uint32_t nrows, rows_cap;
	uint32_t flush;
	struct example *examples;
	uint32_t nexamples, examples_cap;
	struct buf texts;

	struct finding *findings; /* one for each extractor */
	uint32_t nfindings;
	struct extractor_counters *counted; /* by extractor, since the last flush */
	struct buf name;		    /* of a series in the making */
	struct log_feed_counters counters;
};

struct log_feed *log_feed_new(const struct hash_key *key)
{
	struct log_feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return NULL;
	feed->key = *key;
	feed->flush = 1;
	feed->derived_mask = DERIVED_MIN - 1;
	feed->scratch = log_scratch_new();
	feed->buckets = calloc(STREAM_BUCKETS, sizeof(struct log_stream *));
	feed->streams = calloc(LOG_FEED_STREAMS_MAX, sizeof(struct log_stream *));
	feed->derived = calloc(DERIVED_MIN, sizeof(struct derived *));
	if (!feed->scratch || !feed->buckets || !feed->streams || !feed->derived) {
		log_feed_free(feed);
		return NULL;
	}
	return feed;
}

/* Derived series. */

static struct derived **derived_bucket(struct log_feed *feed, struct hash128 key)
{
	return &feed->derived[(uint32_t)key.lo & feed->derived_mask];
}

static void derived_free(struct log_feed *feed, struct derived *derived)
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
	struct derived **old = feed->derived;
	struct derived **wider = calloc(2 * (size_t)cap, sizeof(struct derived *));

	if (!wider)
		return;
	feed->derived = wider;
	feed->derived_mask = 2 * cap - 1;
	for (uint32_t i = 0; i < cap; i++) {
		for (struct derived *d = old[i], *next; d; d = next) {
			struct derived **bucket = derived_bucket(feed, d->key);

			next = d->next;
			d->next = *bucket;
			*bucket = d;
		}
	}
	free(old);
}

static void derived_drop_all(struct log_feed *feed)
{
	for (uint32_t i = 0; i <= feed->derived_mask; i++) {
		for (struct derived *d = feed->derived[i], *next; d; d = next) {
			next = d->next;
			derived_free(feed, d);
		}
		feed->derived[i] = NULL;
	}
}

/* Streams. */

static void stream_settle(struct log_feed *feed, struct log_stream *stream)
{
	if (stream->generation == feed->generation) {
		for (uint32_t i = 0; stream->nlines && i < stream->nids; i++)
			feed->counted[stream->ids[i]].seen += stream->nlines;
	}
	stream->nlines = 0;
}

static void stream_free(struct log_feed *feed, struct log_stream *stream)
{
	struct log_stream **at = &feed->buckets[(uint32_t)stream->key.lo % STREAM_BUCKETS];

	stream_settle(feed, stream);
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
			stream_free(feed, stream);
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
static int stream_resolve(struct log_feed *feed, struct log_stream *stream)
{
	const struct extractor_set *set = feed->set;
	uint32_t n = 0;

	for (uint32_t i = 0; i < set->n; i++)
		n += extractor_wants(&set->extractors[i], stream->labels);
	uint32_t *ids = calloc(n ? n : 1, sizeof(*ids));
	uint32_t *always = calloc(n ? n : 1, sizeof(*always));
	struct derived **derived = calloc(n ? n : 1, sizeof(struct derived *));

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

/* Sets. */

static void counted_settle(struct log_feed *feed)
{
	for (uint32_t i = 0, left = feed->nstreams; left > 0; i++) {
		if (!feed->streams[i])
			continue;
		left--;
		if (feed->streams[i]->nlines)
			stream_settle(feed, feed->streams[i]);
	}
	for (uint32_t i = 0; feed->set && i < feed->set->n; i++)
		extractor_state_count(feed->set->extractors[i].state, &feed->counted[i]);
	if (feed->set)
		memset(feed->counted, 0, feed->set->n * sizeof(*feed->counted));
}

static void set_drop(struct log_feed *feed)
{
	if (!feed->set)
		return;
	counted_settle(feed);
	derived_drop_all(feed);
	extractor_set_unref(feed->set);
	feed->set = NULL;
	prefilter_hits_fini(&feed->hits);
	free(feed->findings);
	free(feed->counted);
	feed->findings = NULL;
	feed->counted = NULL;
}

int log_feed_use(struct log_feed *feed, struct extractor_set *set)
{
	struct prefilter_hits hits = { .n = 0 };
	struct finding *findings = NULL;
	struct extractor_counters *counted = NULL;

	if (set) {
		size_t n = set->n ? set->n : 1;

		findings = calloc(n, sizeof(*findings));
		counted = calloc(n, sizeof(*counted));
		if (!findings || !counted || prefilter_hits_init(&hits, set->n)) {
			free(findings);
			free(counted);
			return ERR_NOMEM;
		}
	}
	set_drop(feed);
	/* Rows that gathered are complete in themselves; no row is at hand any more. */
	feed->flush++;
	feed->generation++;
	feed->set = set ? extractor_set_ref(set) : NULL;
	feed->hits = hits;
	feed->findings = findings;
	feed->counted = counted;
	return 0;
}

static void rows_clear(struct log_feed *feed)
{
	for (uint32_t i = 0; i < feed->nrows; i++)
		labels_unref(feed->rows[i].labels);
	feed->nrows = feed->nexamples = 0;
	buf_clear(&feed->texts);
	feed->flush++;
}

void log_feed_free(struct log_feed *feed)
{
	if (!feed)
		return;
	set_drop(feed);
	rows_clear(feed);
	for (uint32_t i = 0; feed->streams && i < LOG_FEED_STREAMS_MAX; i++) {
		if (feed->streams[i])
			stream_free(feed, feed->streams[i]);
	}
	log_scratch_free(feed->scratch);
	free(feed->buckets);
	free(feed->streams);
	free(feed->derived);
	free(feed->rows);
	free(feed->examples);
	buf_fini(&feed->texts);
	buf_fini(&feed->name);
	free(feed);
}

void log_feed_counters(const struct log_feed *feed, struct log_feed_counters *out)
{
	*out = feed->counters;
}

uint32_t log_feed_rows(const struct log_feed *feed)
{
	return feed->nrows;
}

/* From a pipeline's output to its series. */

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
	for (uint32_t i = 0; i < output->nlabels; i++) {
		pairs[i].name = fit(output->labels[i].name, LOG_KEY_MAX, text);
		pairs[i].value = fit(output->labels[i].value, VALUE_MAX, text);
	}
	pairs[output->nlabels] =
		(struct label){ SLICE(METRIC_NAME), slice_from(extractor->state->name) };
	return labels_new(pairs, output->nlabels + 1, out, &why);
}

static int derived_new(struct log_feed *feed, uint32_t id, struct hash128 key,
		       const struct log_output *output, struct derived **out)
{
	const struct extractor *extractor = &feed->set->extractors[id];
	struct derived *derived = calloc(1, sizeof(*derived));
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
	struct derived **bucket = derived_bucket(feed, key);

	derived->key = key;
	derived->extractor = id;
	derived->is_used = true;
	derived->next = *bucket;
	*bucket = derived;
	feed->nderived++;
	return 0;
}

/* *out NULL: over the limit. */
static int derived_get(struct log_feed *feed, uint32_t id, const struct log_output *output,
		       struct derived **out)
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

/* Lines. */

/* Runs the extractor at that place of the stream; what it finds is kept for line_apply(). */
static int extractor_run(struct log_feed *feed, struct log_stream *stream, uint32_t place,
			 size_t nmetadata)
{
	uint32_t id = stream->ids[place];
	const struct extractor *extractor = &feed->set->extractors[id];
	struct extractor_counters *counted = &feed->counted[id];
	struct derived **one = &stream->derived[place];
	struct log_output output;
	struct derived *derived;
	int err = log_pipeline_run(extractor->pipeline, feed->scratch, &output);

	if (err)
		return err;
	counted->cut_off += output.is_cut_off;
	if (output.verdict == LOG_FAILED)
		counted->errors[output.error]++;
	if (output.verdict != LOG_PASSED)
		return 0;
	bool is_one = nmetadata == 0 && log_pipeline_is_stream_only(extractor->pipeline);

	derived = is_one ? *one : NULL;
	if (!derived) {
		err = derived_get(feed, id, &output, &derived);
		if (err)
			return err;
		if (is_one)
			*one = derived;
	}
	feed->findings[feed->nfindings++] = (struct finding){ id, derived, output.value };
	return 0;
}

static uint32_t place_find(const struct log_stream *stream, uint32_t id)
{
	uint32_t low = 0, high = stream->nids;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (stream->ids[mid] < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Fills feed->findings. */
static int line_run(struct log_feed *feed, struct log_stream *stream, struct slice line,
		    size_t nmetadata)
{
	bool asks = stream->nids - stream->nalways > DIRECT_MAX;
	uint32_t n = asks ? stream->nalways : stream->nids;
	int err = 0;

	feed->nfindings = 0;
	for (uint32_t i = 0; !err && i < n; i++)
		err = extractor_run(feed, stream, asks ? stream->always[i] : i, nmetadata);
	if (err || !asks)
		return err;
	prefilter_scan(feed->set->prefilter, line, &feed->hits);
	for (uint32_t i = 0; !err && i < feed->hits.n; i++) {
		uint32_t place = place_find(stream, feed->hits.ids[i]);

		if (place < stream->nids && stream->ids[place] == feed->hits.ids[i])
			err = extractor_run(feed, stream, place, nmetadata);
	}
	return err;
}

static int rows_reserve(struct log_feed *feed, uint32_t n)
{
	if (n <= feed->rows_cap - feed->nrows)
		return 0;
	uint32_t cap = 2 * (feed->nrows + n);
	struct row *rows = reallocarray(feed->rows, cap, sizeof(*rows));

	if (!rows)
		return ERR_NOMEM;
	feed->rows = rows;
	feed->rows_cap = cap;
	return 0;
}

/* The end of the bucket (kB, (k+1)B] that a time is in. */
static int64_t bucket_end(int64_t ts_ms, int64_t bucket_ms)
{
	int64_t rest = ts_ms % bucket_ms;

	if (rest == 0)
		return ts_ms;
	return ts_ms - rest + (rest > 0 ? bucket_ms : 0);
}

/* As the window would do it: a number beats NaN. */
static double merged(enum window_kind kind, double a, double b)
{
	if (kind == WINDOW_SUM)
		return a + b;
	if (isnan(a) || isnan(b))
		return isnan(a) ? b : a;
	return kind == WINDOW_MIN ? (b < a ? b : a) : (b > a ? b : a);
}

/* Room is reserved. The row that the value went into. */
static uint32_t value_add(struct log_feed *feed, struct derived *derived, double value,
			  int64_t ts_ms)
{
	const struct extractor *extractor = &feed->set->extractors[derived->extractor];

	if (derived->flush != feed->flush)
		derived->nexamples = 0;
	if (extractor->kind != WINDOW_EVENTS) {
		ts_ms = bucket_end(ts_ms, extractor->bucket_ms);
		struct row *row = &feed->rows[derived->row];

		if (derived->flush == feed->flush && row->ts_ms == ts_ms) {
			row->value = merged(row->kind, row->value, value);
			return derived->row;
		}
	}
	feed->rows[feed->nrows] =
		(struct row){ labels_ref(derived->labels), extractor->kind, ts_ms, value };
	derived->flush = feed->flush;
	derived->row = feed->nrows;
	derived->is_used = true;
	return feed->nrows++;
}

/* The redacted line, made at the first series that takes it. Without memory it is left out. */
static void example_add(struct log_feed *feed, struct derived *derived, uint32_t row,
			struct slice line, int64_t ts_ms, struct example *shared)
{
	if (derived->nexamples == LOG_FEED_EXAMPLES_MAX)
		return;
	if (feed->nexamples == feed->examples_cap) {
		uint32_t cap = feed->examples_cap ? 2 * feed->examples_cap : 64;
		struct example *more = reallocarray(feed->examples, cap, sizeof(*more));

		if (!more)
			return;
		feed->examples = more;
		feed->examples_cap = cap;
	}
	if (shared->len == 0) {
		size_t at = feed->texts.len;

		if (at >= EXAMPLE_BYTES_MAX)
			return;
		if (redact_line(feed->set->redactor, line, &feed->texts) || !feed->texts.ptr) {
			feed->texts.failed = false;
			return;
		}
		*shared = (struct example){ 0, (uint32_t)at, (uint32_t)(feed->texts.len - at),
					    ts_ms };
	}
	shared->row = row;
	feed->examples[feed->nexamples++] = *shared;
	derived->nexamples++;
}

/* Nothing can fail from here on. */
static void line_apply(struct log_feed *feed, struct slice line, int64_t ts_ms)
{
	struct example shared = { .len = 0 };

	for (uint32_t i = 0; i < feed->nfindings; i++) {
		const struct finding *finding = &feed->findings[i];
		struct extractor_counters *counted = &feed->counted[finding->extractor];

		if (!finding->derived) {
			counted->limited++;
			continue;
		}
		counted->matched++;
		uint32_t row = value_add(feed, finding->derived, finding->value, ts_ms);

		example_add(feed, finding->derived, row, line, ts_ms, &shared);
	}
}

/* Rounded up, as long as there are that many. */
static int64_t to_ms(int64_t ns)
{
	return ns / 1000000 + (ns % 1000000 > 0);
}

static int line_take(struct log_feed *feed, struct log_stream *stream,
		     const struct log_entry *entry, struct slice line)
{
	if (stream->generation != feed->generation && stream_resolve(feed, stream))
		return ERR_NOMEM;
	if (stream->nids == 0)
		return 0;
	if (feed->nrows > 0 && feed->nrows + stream->nids > LOG_FEED_ROWS_MAX)
		return ERR_FULL;
	struct log_input input = { line, stream->labels, entry->metadata, entry->nmetadata };

	log_scratch_begin(feed->scratch, &input);
	int err = line_run(feed, stream, line, entry->nmetadata);

	if (!err)
		err = rows_reserve(feed, feed->nfindings);
	if (err)
		return err;
	line_apply(feed, line, to_ms(entry->ts_ns));
	stream->nlines++;
	return 0;
}

int log_feed_line(struct log_feed *feed, struct log_stream *stream, const struct log_entry *entry)
{
	struct slice line = entry->line;
	bool is_cut = line.len > LOG_LINE_MAX;

	if (is_cut)
		line.len = LOG_LINE_MAX;
	int err = feed->set ? line_take(feed, stream, entry, line) : 0;

	if (err)
		return err;
	feed->counters.lines++;
	feed->counters.bytes += line.len;
	feed->counters.cut += is_cut;
	return 0;
}

/* Flushing. */

/* Series without a line for long no longer count against the limit. */
static void sweep(struct log_feed *feed)
{
	int64_t now_us = clock_monotonic_us();
	bool any = false;

	if (now_us - feed->swept_us < SWEEP_US)
		return;
	feed->swept_us = now_us;
	for (uint32_t i = 0; i <= feed->derived_mask; i++) {
		for (struct derived **at = &feed->derived[i], *d; (d = *at) != NULL;) {
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
			memset(stream->derived, 0, stream->nids * sizeof(struct derived *));
	}
}

static int example_order(const void *a, const void *b)
{
	const struct example *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return x->ts_ms < y->ts_ms ? -1 : x->ts_ms > y->ts_ms;
}

int log_feed_flush(struct log_feed *feed, struct batch *batch)
{
	uint32_t first = batch->nrows;

	if (batch_reserve(batch, feed->nrows))
		return ERR_NOMEM;
	for (uint32_t i = 0; i < feed->nrows; i++) {
		const struct row *row = &feed->rows[i];
		uint64_t bits;

		memcpy(&bits, &row->value, sizeof(bits));
		if (batch_derived_add(batch, &feed->key, row->labels, row->kind, row->ts_ms,
				      isnan(row->value) ? NAN_BITS : bits)) {
			batch_rows_drop(batch, first);
			return ERR_NOMEM;
		}
	}
	if (feed->nexamples)
		qsort(feed->examples, feed->nexamples, sizeof(*feed->examples), example_order);
	for (uint32_t i = 0; i < feed->nexamples; i++) {
		const struct example *example = &feed->examples[i];

		batch_example_add(batch, first + example->row, example->ts_ms,
				  (struct slice){ feed->texts.ptr + example->at, example->len });
	}
	counted_settle(feed);
	rows_clear(feed);
	if (feed->set)
		sweep(feed);
	return 0;
}
