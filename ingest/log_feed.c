#include "ingest/log_feed.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/text.h"
#include "ingest/log_feed_internal.h"

#define EXAMPLE_BYTES_MAX (1u << 20) /* of all examples between two flushes */
/* A stream with no more extractors than this has them run without asking the prefilter first. */
#define DIRECT_MAX 1

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
	feed->derived = calloc(DERIVED_MIN, sizeof(struct log_derived *));
	if (!feed->scratch || !feed->buckets || !feed->streams || !feed->derived) {
		log_feed_free(feed);
		return NULL;
	}
	return feed;
}

/* Sets. */

static void work_fini(struct log_work *work)
{
	prefilter_hits_fini(&work->hits);
	free(work->findings);
	free(work->counted);
	free(work->touched);
	*work = (struct log_work){ .nfindings = 0 };
}

static int work_init(struct log_work *work, uint32_t nextractors)
{
	size_t n = nextractors ? nextractors : 1;

	*work = (struct log_work){ .findings = calloc(n, sizeof(*work->findings)),
				   .counted = calloc(n, sizeof(*work->counted)),
				   .touched = calloc(n, sizeof(*work->touched)) };
	if (work->findings && work->counted && work->touched &&
	    prefilter_hits_init(&work->hits, nextractors) == 0)
		return 0;
	work_fini(work);
	return ERR_NOMEM;
}

/* What feeds counted goes to the extractors. */
static void counted_settle(struct log_feed *feed)
{
	struct log_work *work = &feed->work;

	for (uint32_t i = 0, left = feed->nstreams; left > 0; i++) {
		if (!feed->streams[i])
			continue;
		left--;
		if (feed->streams[i]->nlines)
			log_stream_settle(feed, feed->streams[i]);
	}
	for (uint32_t i = 0; i < work->ntouched; i++) {
		struct extractor_counters *counted = &work->counted[work->touched[i]];

		extractor_state_count(feed->set->extractors[work->touched[i]].state, counted);
		*counted = (struct extractor_counters){ 0 };
	}
	work->ntouched = 0;
}

static void set_drop(struct log_feed *feed)
{
	if (!feed->set)
		return;
	counted_settle(feed);
	log_derived_drop_all(feed);
	extractor_set_unref(feed->set);
	feed->set = NULL;
	work_fini(&feed->work);
}

int log_feed_use(struct log_feed *feed, struct extractor_set *set)
{
	struct log_work work = { .nfindings = 0 };

	if (set && work_init(&work, set->n))
		return ERR_NOMEM;
	set_drop(feed);
	/* Rows that gathered are complete in themselves; no row is at hand any more. */
	feed->flush++;
	feed->generation++;
	feed->set = set ? extractor_set_ref(set) : NULL;
	feed->work = work;
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
			log_stream_free(feed, feed->streams[i]);
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

/* Lines. */

/* Runs the extractor at that place of the stream; what it finds is kept for line_apply(). */
static int extractor_run(struct log_feed *feed, struct log_stream *stream, uint32_t place,
			 size_t nmetadata)
{
	uint32_t id = stream->ids[place];
	const struct extractor *extractor = &feed->set->extractors[id];
	struct extractor_counters *counted = &feed->work.counted[id];
	struct log_derived **one = &stream->derived[place];
	struct log_output output;
	struct log_derived *derived;
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
		err = log_derived_get(feed, id, &output, &derived);
		if (err)
			return err;
		if (is_one)
			*one = derived;
	}
	feed->work.findings[feed->work.nfindings++] =
		(struct log_finding){ id, derived, output.value };
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

/* Fills feed->work.findings. */
static int line_run(struct log_feed *feed, struct log_stream *stream, struct slice line,
		    size_t nmetadata)
{
	bool asks = stream->nids - stream->nalways > DIRECT_MAX;
	uint32_t n = asks ? stream->nalways : stream->nids;
	int err = 0;

	feed->work.nfindings = 0;
	for (uint32_t i = 0; !err && i < n; i++)
		err = extractor_run(feed, stream, asks ? stream->always[i] : i, nmetadata);
	if (err || !asks)
		return err;
	prefilter_scan(feed->set->prefilter, line, &feed->work.hits);
	for (uint32_t i = 0; !err && i < feed->work.hits.n; i++) {
		uint32_t place = place_find(stream, feed->work.hits.ids[i]);

		if (place < stream->nids && stream->ids[place] == feed->work.hits.ids[i])
			err = extractor_run(feed, stream, place, nmetadata);
	}
	return err;
}

static int rows_reserve(struct log_feed *feed, uint32_t n)
{
	if (n <= feed->rows_cap - feed->nrows)
		return 0;
	uint32_t cap = 2 * (feed->nrows + n);
	struct log_row *rows = reallocarray(feed->rows, cap, sizeof(*rows));

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
static uint32_t value_add(struct log_feed *feed, struct log_derived *derived, double value,
			  int64_t ts_ms)
{
	const struct extractor *extractor = &feed->set->extractors[derived->extractor];

	if (extractor->kind != WINDOW_EVENTS) {
		ts_ms = bucket_end(ts_ms, extractor->bucket_ms);
		struct log_row *row = &feed->rows[derived->row];

		if (derived->flush == feed->flush && row->ts_ms == ts_ms) {
			row->value = merged(row->kind, row->value, value);
			return derived->row;
		}
	}
	feed->rows[feed->nrows] =
		(struct log_row){ labels_ref(derived->labels), extractor->kind, ts_ms, value };
	derived->flush = feed->flush;
	derived->row = feed->nrows;
	derived->is_used = true;
	return feed->nrows++;
}

/* The redacted line, made at the first series that takes it. Without memory it is left out. */
static void example_add(struct log_feed *feed, struct log_derived *derived, uint32_t row,
			struct slice line, int64_t ts_ms, struct log_example *shared)
{
	/* By the lines' own time, so that the same lines give the same examples. */
	if (ts_ms - derived->examples_ms >= 1000 || ts_ms < derived->examples_ms) {
		derived->examples_ms = ts_ms;
		derived->nexamples = 0;
	}
	if (derived->nexamples == LOG_FEED_EXAMPLES_MAX)
		return;
	if (!ARRAY_RESERVE(&feed->examples, feed->nexamples, &feed->examples_cap))
		return;
	if (shared->len == 0) {
		size_t at = feed->texts.len;

		if (at >= EXAMPLE_BYTES_MAX)
			return;
		if (redact_line(feed->set->redactor, line, &feed->texts) || !feed->texts.ptr) {
			feed->texts.failed = false;
			return;
		}
		*shared = (struct log_example){ 0, (uint32_t)at, (uint32_t)(feed->texts.len - at),
						ts_ms };
	}
	shared->row = row;
	feed->examples[feed->nexamples++] = *shared;
	derived->nexamples++;
}

/* Nothing can fail from here on. */
static void line_apply(struct log_feed *feed, struct slice line, int64_t ts_ms)
{
	struct log_example shared = { .len = 0 };

	for (uint32_t i = 0; i < feed->work.nfindings; i++) {
		const struct log_finding *finding = &feed->work.findings[i];
		struct extractor_counters *counted = &feed->work.counted[finding->extractor];

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
	if (stream->generation != feed->generation && log_stream_resolve(feed, stream))
		return ERR_NOMEM;
	if (stream->nids == 0)
		return 0;
	if (feed->nrows >= LOG_FEED_ROWS_MAX)
		return ERR_FULL;
	struct log_input input = { line, stream->labels, entry->metadata, entry->nmetadata };

	log_scratch_begin(feed->scratch, &input);
	int err = line_run(feed, stream, line, entry->nmetadata);

	if (!err)
		err = rows_reserve(feed, feed->work.nfindings);
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

static int example_order(const void *a, const void *b)
{
	const struct log_example *x = a, *y = b;

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
		const struct log_row *row = &feed->rows[i];

		if (batch_derived_add(batch, &feed->key, row->labels, row->kind, row->ts_ms,
				      isnan(row->value) ? NORMAL_NAN_BITS
							: bits_of_double(row->value))) {
			batch_rows_drop(batch, first);
			return ERR_NOMEM;
		}
	}
	if (feed->nexamples)
		qsort(feed->examples, feed->nexamples, sizeof(*feed->examples), example_order);
	for (uint32_t i = 0; i < feed->nexamples; i++) {
		const struct log_example *example = &feed->examples[i];

		batch_example_add(batch, first + example->row, example->ts_ms,
				  (struct slice){ feed->texts.ptr + example->at, example->len });
	}
	counted_settle(feed);
	rows_clear(feed);
	if (feed->set)
		log_derived_sweep(feed);
	return 0;
}
