/*
 * Inside of remote-write: what the schemas of 1.0 (rw_v1.c) and 2.0 (rw_v2.c) share.
 *
 * A schema walks the body and reports what it finds: rw_series_begin(), rw_sample_add()…,
 * rw_series_end() with the key of the labels as they stand. Labels are not looked at then. Series
 * wait in a small group until the group is full; then each key is looked up among the known ones,
 * whose cache lines were asked for when the keys were made, and have come meanwhile. Only for a key
 * that is not known are labels parsed, checked, and added as a birth. rows[] stay in the order of
 * the body; those of series with bad labels are closed up when their group is settled.
 *
 * Functions that return int here give 0 or the HTTP status with which the whole request is refused,
 * the reason being left in the decoder by rw_refuse().
 */
#ifndef TOCSIN_INGEST_RW_DECODER_H
#define TOCSIN_INGEST_RW_DECODER_H

#include "ingest/batch.h"
#include "ingest/decompress.h"
#include "ingest/key_cache.h"
#include "ingest/protobuf.h"
#include "ingest/relabel.h"
#include "ingest/remote_write.h"

#define RW_GROUP_SERIES 64
#define RW_SYMBOLS_MAX 1000000u
#define RW_REFS_MAX (2 * LABELS_COUNT_MAX) /* of one series or exemplar; more is bad labels */
#define RW_SPARE_BATCHES 8
/* Memory of requests larger than these is given back rather than kept for the next. */
#define RW_SPARE_BODY_BYTES (4u * 1024 * 1024)
#define RW_SPARE_ROWS 65536u

/* Labels as they stand in the body: any order, nothing checked. */
struct rw_pairs {
	struct label items[LABELS_COUNT_MAX];
	size_t n; /* how many there are; more than LABELS_COUNT_MAX were not kept */
};

struct rw_schema {
	enum batch_protocol protocol;
	/* Walks the decompressed body of decoder->batch. */
	int (*walk)(struct rw_decoder *decoder);
	/* The labels of the series whose field in the request starts at an offset. ERR_CORRUPT. */
	int (*pairs)(const struct batch *batch, uint32_t at, struct rw_pairs *pairs);
};

extern const struct rw_schema rw_v1, rw_v2;

/* A string of 2.0's symbol table. */
struct rw_symbol {
	struct hash128 hash;
	uint32_t at, len; /* in the body */
};

/* What the decoder needs to know of a batch besides what the batch holds: its decoder_data. */
struct rw_data {
	const struct rw_schema *schema;
	size_t body_cap;
	uint64_t epoch;		 /* of the known keys when it was decoded */
	uint32_t *birth_raw_len; /* beside births[]; 0: not to be learned */
	uint32_t birth_cap;
	struct rw_symbol *symbols;
	uint32_t nsymbols, symbols_cap;
	struct relabel *relabel; /* the decoder's, when it was decoded; a reference */
};

/* A series of the current group. */
struct rw_series {
	struct hash128 key;
	uint32_t raw_len; /* of the labels the key was made of; 0: look at them in any case */
	uint32_t at;	  /* where its field starts in the body */
	uint32_t row, nrows;
	uint32_t histograms, exemplars; /* well-formed ones */
};

/* A key that this request gives birth to, and the latest birth it did. */
struct rw_newborn {
	struct hash128 key;
	uint32_t birth;
	uint32_t request; /* the slot is empty unless this is the current request's number */
};

struct rw_decoder {
	const struct rw_shared *shared;
	struct relabel *relabel; /* NULL: none */
	uint64_t key_salt;	 /* other rules, other keys: the engine knows series by these */
	uint64_t epoch;
	struct key_cache known;
	struct decompressor decompressor;

	/* The request being decoded. */
	struct batch *batch;
	struct rw_data *data;
	struct rw_series group[RW_GROUP_SERIES];
	uint32_t ngroup;
	struct rw_newborn *newborns;
	uint32_t newborns_mask, nnewborns, request;
	struct buf scattered; /* labels that do not stand together in their message */
	struct hash128 refs[RW_REFS_MAX];
	uint64_t label_bytes; /* labels of all series, expanded */
	char why[BATCH_COMPLAINT_MAX];

	struct batch *spares[RW_SPARE_BATCHES];
	uint32_t nspares;
};

/* Leaves the reason and returns the status. */
int rw_refuse(struct rw_decoder *decoder, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* 400: the message is broken inside a `what`. */
int rw_corrupt(struct rw_decoder *decoder, const char *what);
int rw_no_memory(struct rw_decoder *decoder);

struct hash128 rw_hash(const struct rw_decoder *decoder, const void *bytes, size_t n);
/* The hash that names a series: as rw_hash(), but a test may replace it. */
struct hash128 rw_key(const struct rw_decoder *decoder, const void *bytes, size_t n);

/* Looks up the group's series; a schema's walk ends with it. */
int rw_group_settle(struct rw_decoder *decoder);
/*
 * The labels under which a series is known inside: as the rules leave them, without any when they
 * drop it, for no selector matches those. Takes the reference, gives one. ERR_INVALID, ERR_NOMEM.
 */
int rw_relabel(const struct relabel *relabel, struct labels **labels, const char **why);
/*
 * Is this set of labels one that a series (needs_name) or an exemplar may have? ERR_INVALID,
 * ERR_LIMIT, ERR_NOMEM.
 */
int rw_labels_check(const struct rw_pairs *pairs, bool needs_name, struct labels **out,
		    const char **why);
/* Judges and counts a histogram or an exemplar's labels of the series. */
int rw_histogram_add(struct rw_decoder *decoder, struct rw_series *series, struct slice message);
int rw_exemplar_add(struct rw_decoder *decoder, struct rw_series *series,
		    const struct rw_pairs *pairs);
/*
 * A sample written in another way, or with a start time (0: none). ERR_CORRUPT.
 */
int rw_sample_parse(struct slice message, struct batch_row *row, int64_t *start_ms);
int rw_rows_grow(struct rw_decoder *decoder);

static inline uint32_t rw_offset(const struct rw_decoder *decoder, const void *at)
{
	return (uint32_t)((const char *)at - decoder->batch->body);
}

static inline void rw_pair_add(struct rw_pairs *pairs, struct slice name, struct slice value)
{
	if (pairs->n < LABELS_COUNT_MAX)
		pairs->items[pairs->n] = (struct label){ name, value };
	pairs->n++;
}

/* A series whose field starts at `at`. Good until rw_series_end(). */
static inline struct rw_series *rw_series_begin(struct rw_decoder *decoder, uint32_t at)
{
	struct rw_series *series = &decoder->group[decoder->ngroup];
	*series = (struct rw_series){ .at = at, .row = decoder->batch->nrows };
	return series;
}

/*
 * Sample{1: value, 2: timestamp, in 2.0 3: start_timestamp}. The usual form, both fields in order
 * and a time of six bytes (1971 to 2109), is read without a loop; the value's bits are carried,
 * never computed with.
 */
static inline int rw_sample_add(struct rw_decoder *decoder, struct slice message)
{
	struct batch *batch = decoder->batch;
	if (batch->nrows == batch->rows_cap) {
		int status = rw_rows_grow(decoder);
		if (status)
			return status;
	}
	struct batch_row *row = &batch->rows[batch->nrows];
	const unsigned char *p = (const unsigned char *)message.ptr;
	if (message.len == 16 && p[0] == 0x09 && p[9] == 0x10) {
		uint64_t v;
		memcpy(&v, p + 8, sizeof(v));
		v = le64toh(v) >> 16;
		if ((v & 0x808080808080) == 0x008080808080) {
			/* Six groups of seven bits, pushed together pairwise. */
			v = (v & 0x007f007f007f) | (v & 0x7f007f007f00) >> 1;
			v = (v & 0x3fff) | (v & 0x3fff0000) >> 2 | (v & 0x3fff00000000) >> 4;
			row->ts_ms = (int64_t)v;
			memcpy(&row->bits, p + 1, sizeof(row->bits));
			row->bits = le64toh(row->bits);
			batch->nrows++;
			return 0;
		}
	}
	int64_t start_ms;
	if (rw_sample_parse(message, row, &start_ms) < 0)
		return rw_corrupt(decoder, "sample");
	if (start_ms && batch->protocol == BATCH_REMOTE_WRITE_2 &&
	    batch_start_add(batch, batch->nrows, start_ms))
		return rw_no_memory(decoder);
	batch->nrows++;
	return 0;
}

/* The series is complete; raw_len as in struct rw_series. */
static inline int rw_series_end(struct rw_decoder *decoder, struct rw_series *series,
				struct hash128 key, uint32_t raw_len)
{
	struct batch *batch = decoder->batch;
	series->key = key;
	series->raw_len = raw_len;
	series->nrows = batch->nrows - series->row;
	if (series->nrows == 0 && series->histograms == 0 && series->exemplars == 0)
		return 0; /* nothing to be attributed to it: as if it were not there */
	key_cache_prefetch(&decoder->known, key);
	for (uint32_t i = series->row; i < batch->nrows; i++) {
		batch->rows[i].key = key;
		batch->label_at[i] = series->at;
	}
	return ++decoder->ngroup == RW_GROUP_SERIES ? rw_group_settle(decoder) : 0;
}

#endif
