/*
 * What a range begins with, remembered by row: its oldest sample and the few that follow, which
 * the next evaluations begin with. So most evaluations of the ends of a range (range_functions.h)
 * read a series' header and, in order, what is remembered here, instead of two lines of memory
 * somewhere in its window. Private to engine/.
 *
 * Nobody tells of a change; whether it still holds is seen from the window alone, as long as
 * window_rises_since(start of the range). Anything but an append makes that false for all starts
 * before the newest sample of then; and what is remembered is no later than that. So once it is
 * true again what stems from before the change has nothing within the range. A row that has another
 * series is known by the uid.
 *
 * Of a series that ended, with a stale marker as its newest sample, the last place has the sample
 * before that, which its ranges end with for as long as it is in any. Then the series is *over*:
 * all is told without a look at the series, until that gets a sample after all (selector.revived),
 * or the row another series.
 *
 * Rows are in blocks, and a block in columns: an evaluation reads one sample of each row, most of
 * the time the same of all, and it reads no more memory than that.
 *
 *      uids  places  counts  ends  offsets[0] … offsets[7]  values[0] … values[7]
 *
 * It costs OLDEST_ROW_BYTES a series and range, for standing rules that read ends only, and is
 * made when a row is evaluated for the first time: births cost nothing. Whoever owns it tells the
 * store of `bytes`, which limits.memory counts.
 */
#ifndef TOCSIN_ENGINE_OLDEST_H
#define TOCSIN_ENGINE_OLDEST_H

#include "engine/node.h"

#define OLDEST_SAMPLES 8
#define OLDEST_BLOCK_ROWS 64
/* Blocks have room for a multiple of so many, so that columns begin at lines of memory. */
#define OLDEST_ROWS_STEP 8
#define OLDEST_WHOSE_BYTES (sizeof(uint32_t) + sizeof(uint16_t) + 2 * sizeof(uint8_t))
#define OLDEST_SAMPLE_BYTES (sizeof(uint32_t) + sizeof(double))
#define OLDEST_ROW_BYTES (OLDEST_WHOSE_BYTES + OLDEST_SAMPLES * OLDEST_SAMPLE_BYTES)
/* Places of samples are told modulo 2^16: of windows with more samples nothing is remembered. */
#define OLDEST_WINDOW_MAX UINT16_MAX

struct oldest_block {
	void *columns;	  /* one allocation; NULL while rows is 0 */
	uint64_t revived; /* of the selector, as far as this block knows */
	uint32_t rows;	  /* that there is room for */
};

/* Of all rows of a node. */
struct oldest {
	struct oldest_block *blocks; /* of OLDEST_BLOCK_ROWS each, but the last one of all */
	uint64_t *over;		     /* by block: the rows whose series are over */
	uint32_t nblocks;
	int64_t base_ms;  /* the offsets are from there */
	int64_t since_ms; /* the latest start of a range that was asked for */
	uint32_t next;	  /* which sample of a row a range is likely to begin with */
	uint32_t n;	  /* how many the row has that was noted last, which is likely to be */
	uint32_t offsets[OLDEST_SAMPLES]; /* like the others, and the offsets of these */
	size_t bytes;			  /* of the columns */
};

void oldest_fini(struct oldest *oldest);
/* Nothing is known of the row any more. */
void oldest_forget(struct oldest *oldest, uint32_t row);
/*
 * Before ranges that begin at start_ms are asked for, of rows [from, to) of one chunk
 * (EVAL_CHUNK). False when out of memory, or when a later start was asked for before: then nothing
 * is remembered of these. revived: that of the selector; where it has risen some series that was
 * over is not, and each row is looked at again.
 */
bool oldest_begin(struct oldest *oldest, uint32_t from, uint32_t to, uint64_t revived,
		  int64_t start_ms);

/* A row, while oldest_begin() holds. */
struct oldest_row {
	struct oldest *oldest;
	const struct oldest_block *block;
	uint32_t row, i; /* i: within the block */
};
static inline struct oldest_row oldest_row(struct oldest *oldest, uint32_t row)
{
	return (struct oldest_row){ oldest, &oldest->blocks[row / OLDEST_BLOCK_ROWS], row,
				    row % OLDEST_BLOCK_ROWS };
}

/*
 * The columns of a block. Whose row it is; 0: nothing is known. Of a series that is over: how many
 * samples it has from the first remembered one on.
 */
static inline uint32_t *oldest_uids(const struct oldest_block *block)
{
	return block->columns;
}
/* Of the first sample: window.gone plus its index. */
static inline uint16_t *oldest_places(const struct oldest_block *block)
{
	return (uint16_t *)(oldest_uids(block) + block->rows);
}
/* How many samples are remembered. */
static inline uint8_t *oldest_counts(const struct oldest_block *block)
{
	return (uint8_t *)(oldest_places(block) + block->rows);
}
/* 1: the last place has the last sample before the stale marker. */
static inline uint8_t *oldest_ends(const struct oldest_block *block)
{
	return oldest_counts(block) + block->rows;
}
/* Of the k-th sample of each row. */
static inline uint32_t *oldest_offsets(const struct oldest_block *block, uint32_t k)
{
	return (uint32_t *)(oldest_ends(block) + block->rows) + k * block->rows;
}
static inline double *oldest_values(const struct oldest_block *block, uint32_t k)
{
	return (double *)oldest_offsets(block, OLDEST_SAMPLES) + k * block->rows;
}

/* The k-th sample of a row. */
static inline int64_t oldest_ms(struct oldest_row at, uint32_t k)
{
	return at.oldest->base_ms + oldest_offsets(at.block, k)[at.i];
}
static inline double oldest_value(struct oldest_row at, uint32_t k)
{
	return oldest_values(at.block, k)[at.i];
}
static inline bool oldest_has_end(struct oldest_row at)
{
	return oldest_ends(at.block)[at.i];
}
static inline bool oldest_is_over(const struct oldest *oldest, uint32_t row)
{
	return bit_get(oldest->over, row);
}

/* Notes what the window has from its sample `from` on, the first after the start. */
void oldest_note(struct oldest_row at, const struct series *series, uint32_t from);
/* Notes the last sample before a stale marker, in a row that was just found or noted. */
void oldest_note_last(struct oldest_row at, int64_t ts_ms, double value);

/*
 * The last sample before the stale marker that is the newest, of a row that is not over. False: it
 * is not known. Where window_rises_since(start), as above: what was appended meanwhile would have
 * broken the rise later than at this sample.
 */
static inline bool oldest_last(struct oldest_row at, const struct series *series, int64_t *ts_ms,
			       double *value)
{
	*ts_ms = oldest_ms(at, OLDEST_SAMPLES - 1);
	*value = oldest_value(at, OLDEST_SAMPLES - 1);
	return oldest_has_end(at) && oldest_uids(at.block)[at.i] == series->uid &&
	       *ts_ms > at.oldest->since_ms;
}

/* Which of the remembered samples is the first after the start; OLDEST_SAMPLES: none is. */
static inline uint32_t oldest_first(struct oldest_row at)
{
	const uint32_t *offsets = oldest_offsets(at.block, 0) + at.i;
	uint32_t rows = at.block->rows, n = oldest_counts(at.block)[at.i], k = at.oldest->next;
	uint32_t past_ms = (uint32_t)(at.oldest->since_ms - at.oldest->base_ms);
	if (k < n && offsets[k * rows] > past_ms && (k == 0 || offsets[(k - 1) * rows] <= past_ms))
		return k;
	for (k = 0; k < n && offsets[k * rows] <= past_ms; k++)
		;
	if (k == n)
		return OLDEST_SAMPLES;
	at.oldest->next = k;
	return k;
}

/*
 * The same of a series that is not over and whose window_rises_since(start), and only of such;
 * *from is then its index in the window. OLDEST_SAMPLES: it is not known.
 */
static inline uint32_t oldest_find(struct oldest_row at, const struct series *series,
				   uint32_t *from)
{
	const struct window *w = &series->window;
	if (oldest_uids(at.block)[at.i] != series->uid)
		return OLDEST_SAMPLES;
	uint32_t k = oldest_first(at);
	*from = (uint16_t)(oldest_places(at.block)[at.i] + k - w->gone);
	return *from < w->n && w->n <= OLDEST_WINDOW_MAX ? k : OLDEST_SAMPLES;
}

/* Are most rows likely to be noted anew? */
static inline bool oldest_is_spent(const struct oldest *oldest)
{
	return oldest->next == oldest->n;
}
/* Will it be found? As good as sure: for reading ahead. */
static inline bool oldest_is_likely(struct oldest_row at)
{
	return oldest_counts(at.block)[at.i] > at.oldest->next && oldest_uids(at.block)[at.i] != 0;
}

/* The series of a row that knows its end has `count` samples from the first remembered one on. */
static inline void oldest_over(struct oldest_row at, struct series *series, uint32_t count)
{
	series->over = true;
	bit_set(at.oldest->over, at.row);
	oldest_uids(at.block)[at.i] = count;
}
/* What is remembered is not enough: the series is looked at. */
static inline void oldest_look(struct oldest_row at, const struct series *series)
{
	bit_clear(at.oldest->over, at.row);
	oldest_uids(at.block)[at.i] = series->uid;
}

#endif
