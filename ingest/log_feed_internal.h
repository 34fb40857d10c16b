/*
 * A feed's inside: streams (log_streams.c), derived series (log_derived.c), lines and flushing
 * (log_feed.c). Private to these three.
 */
#ifndef TOCSIN_INGEST_LOG_FEED_INTERNAL_H
#define TOCSIN_INGEST_LOG_FEED_INTERNAL_H

#include "ingest/extractor_internal.h"
#include "ingest/log_feed.h"

#define STREAM_BUCKETS 8192u /* of the table of streams */
#define DERIVED_MIN 256u     /* buckets of the table of derived series, at first */

/*
 * A series that lines are counted for. What came since the last flush is in feed->rows; of sums and
 * extremes the row of the newest bucket is at hand.
 */
struct log_derived {
	struct hash128 key; /* of extractor and labels, under the feed's secret */
	uint32_t extractor;
	struct labels *labels;
	struct hash128 series; /* what the extractor's list of series knows it by */
	int64_t used_us;       /* by the clock, at the last flush that had a line of it */
	uint32_t flush, row;   /* the row at hand, if it was made since the last flush */
	int64_t examples_ms;   /* when the second began in which the examples were counted */
	uint32_t nexamples;
	bool is_used;
	struct log_derived *next; /* in its bucket */
};

struct log_row {
	struct labels *labels; /* a reference */
	enum window_kind kind;
	int64_t ts_ms;
	double value;
};

struct log_example {
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
	struct log_derived **derived; /* by place in ids: where there is only one */
	uint64_t nlines;	      /* not yet counted as seen */
};

/* What a line gives, before anything is changed. */
struct log_finding {
	uint32_t extractor;
	struct log_derived *derived; /* NULL: over the limit */
	double value;
};

/* Room for what the extractors of a set have to say: one of each for each extractor. */
struct log_work {
	struct prefilter_hits hits;
	struct log_finding *findings; /* of the line under way */
	uint32_t nfindings;
	struct extractor_counters *counted; /* since the last flush */
	uint32_t *touched;		    /* which of these are not all zero */
	uint32_t ntouched;
};

struct log_feed {
	struct hash_key key;
	struct extractor_set *set; /* NULL: none */
	uint64_t generation;
	struct log_work work;
	struct log_scratch *scratch;

	struct log_stream **buckets;
	struct log_stream **streams;
	uint32_t nstreams, hand;

	struct log_derived **derived;
	uint32_t nderived, derived_mask;
	int64_t swept_us;

	struct log_row *rows;
	uint32_t nrows, rows_cap;
	uint32_t flush;
	struct log_example *examples;
	uint32_t nexamples, examples_cap;
	struct buf texts;

	struct buf name; /* of a series in the making */
	struct log_feed_counters counters;
};

/* log_streams.c */
/* Which extractors of the feed's set want the stream. ERR_NOMEM. */
int log_stream_resolve(struct log_feed *feed, struct log_stream *stream);
/* Its lines are counted as seen. */
void log_stream_settle(struct log_feed *feed, struct log_stream *stream);
void log_stream_free(struct log_feed *feed, struct log_stream *stream);

/* log_derived.c */
/* The series of a pipeline's output; *out NULL: over the limit. ERR_NOMEM. */
int log_derived_get(struct log_feed *feed, uint32_t extractor, const struct log_output *output,
		    struct log_derived **out);
/* Of the set that is in use. */
void log_derived_drop_all(struct log_feed *feed);
/* Now and then: series without a line for long no longer count against the limit. */
void log_derived_sweep(struct log_feed *feed);

#endif
