#include "engine/oldest.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "engine/numeric.h"

_Static_assert(OLDEST_ROWS_STEP *OLDEST_ROW_BYTES % 64 == 0, "whole lines of memory");
_Static_assert(EVAL_CHUNK % OLDEST_BLOCK_ROWS == 0, "chunks are whole blocks");
_Static_assert(OLDEST_BLOCK_ROWS == 64, "what is over is a word of bits a block");

void oldest_fini(struct oldest *oldest)
{
	for (uint32_t i = 0; i < oldest->nblocks; i++)
		free(oldest->blocks[i].columns);
	free(oldest->blocks);
	free(oldest->over);
	*oldest = (struct oldest){ 0 };
}

void oldest_forget(struct oldest *oldest, uint32_t row)
{
	uint32_t at = row / OLDEST_BLOCK_ROWS;
	if (at >= oldest->nblocks || row % OLDEST_BLOCK_ROWS >= oldest->blocks[at].rows)
		return;
	struct oldest_row forgotten = oldest_row(oldest, row);
	oldest_uids(forgotten.block)[forgotten.i] = 0;
	oldest_counts(forgotten.block)[forgotten.i] = 0;
	oldest_ends(forgotten.block)[forgotten.i] = 0;
	bit_clear(oldest->over, row);
}

static void block_revive(struct oldest *oldest, uint32_t at)
{
	uint32_t first = at * OLDEST_BLOCK_ROWS;
	FOR_BITS (row, oldest->over, first, first + OLDEST_BLOCK_ROWS)
		oldest_forget(oldest, row);
}

static void forget_all(struct oldest *oldest)
{
	for (uint32_t at = 0; at < oldest->nblocks; at++)
		for (uint32_t i = 0; i < oldest->blocks[at].rows; i++)
			oldest_forget(oldest, at * OLDEST_BLOCK_ROWS + i);
	oldest->n = 0;
}

static bool blocks_reserve(struct oldest *oldest, uint32_t n)
{
	uint32_t have = oldest->nblocks;
	if (n <= have)
		return true;
	if (!array_resize(&oldest->blocks, n, sizeof(*oldest->blocks)) ||
	    !array_resize(&oldest->over, n, sizeof(*oldest->over)))
		return false;
	memset(oldest->blocks + have, 0, (n - have) * sizeof(*oldest->blocks));
	memset(oldest->over + have, 0, (n - have) * sizeof(*oldest->over));
	oldest->nblocks = n;
	return true;
}

static void block_copy(const struct oldest_block *to, const struct oldest_block *from)
{
	uint32_t n = from->rows;
	memcpy(oldest_uids(to), oldest_uids(from), n * sizeof(uint32_t));
	memcpy(oldest_places(to), oldest_places(from), n * sizeof(uint16_t));
	memcpy(oldest_counts(to), oldest_counts(from), n);
	memcpy(oldest_ends(to), oldest_ends(from), n);
	for (uint32_t k = 0; k < OLDEST_SAMPLES; k++) {
		memcpy(oldest_offsets(to, k), oldest_offsets(from, k), n * sizeof(uint32_t));
		memcpy(oldest_values(to, k), oldest_values(from, k), n * sizeof(double));
	}
}

/* A quarter more than asked, for rows to come. */
static bool block_grow(struct oldest *oldest, struct oldest_block *block, uint32_t n)
{
	struct oldest_block grown = *block;
	grown.rows = (n + n / 4 + OLDEST_ROWS_STEP - 1) / OLDEST_ROWS_STEP * OLDEST_ROWS_STEP;
	if (grown.rows > OLDEST_BLOCK_ROWS)
		grown.rows = OLDEST_BLOCK_ROWS;
	grown.columns = aligned_alloc(64, grown.rows * OLDEST_ROW_BYTES);
	if (!grown.columns)
		return false;
	memset(grown.columns, 0, grown.rows * OLDEST_ROW_BYTES);
	if (block->rows > 0)
		block_copy(&grown, block);
	oldest->bytes += (grown.rows - block->rows) * OLDEST_ROW_BYTES;
	free(block->columns);
	*block = grown;
	return true;
}

/* The time of the ranges that are asked for next. */
static void time_set(struct oldest *oldest, int64_t start_ms)
{
	if (oldest->nblocks == 0 || (uint64_t)start_ms - (uint64_t)oldest->base_ms > INT32_MAX) {
		forget_all(oldest);
		oldest->base_ms = start_ms;
	}
	oldest->since_ms = start_ms;
	oldest->next = 0;
	while (oldest->next < oldest->n &&
	       oldest->offsets[oldest->next] <= start_ms - oldest->base_ms)
		oldest->next++;
}

bool oldest_begin(struct oldest *oldest, uint32_t from, uint32_t to, uint64_t revived,
		  int64_t start_ms)
{
	uint32_t chunk = from / EVAL_CHUNK * EVAL_CHUNK;
	if (from >= to || to - chunk > EVAL_CHUNK ||
	    (oldest->nblocks > 0 && start_ms < oldest->since_ms))
		return false;
	time_set(oldest, start_ms);
	if (!blocks_reserve(oldest, (to - 1) / OLDEST_BLOCK_ROWS + 1))
		return false;
	for (uint32_t first = from / OLDEST_BLOCK_ROWS * OLDEST_BLOCK_ROWS; first < to;
	     first += OLDEST_BLOCK_ROWS) {
		uint32_t at = first / OLDEST_BLOCK_ROWS;
		struct oldest_block *block = &oldest->blocks[at];
		uint32_t n = to - first < OLDEST_BLOCK_ROWS ? to - first : OLDEST_BLOCK_ROWS;
		if (n > block->rows && !block_grow(oldest, block, n))
			return false;
		if (block->revived != revived)
			block_revive(oldest, at);
		block->revived = revived;
	}
	return true;
}

static bool note_at(struct oldest_row at, uint32_t k, int64_t ts_ms, double value)
{
	uint64_t after_ms = (uint64_t)ts_ms - (uint64_t)at.oldest->base_ms;
	if (after_ms > UINT32_MAX)
		return false;
	oldest_values(at.block, k)[at.i] = value;
	oldest_offsets(at.block, k)[at.i] = (uint32_t)after_ms;
	return true;
}

void oldest_note_last(struct oldest_row at, int64_t ts_ms, double value)
{
	uint8_t *n = &oldest_counts(at.block)[at.i];
	if (*n == OLDEST_SAMPLES)
		--*n;
	oldest_ends(at.block)[at.i] = note_at(at, OLDEST_SAMPLES - 1, ts_ms, value);
}

void oldest_note(struct oldest_row at, const struct series *series, uint32_t from)
{
	const struct window *w = &series->window;
	const double *values = w->values + w->start;
	const uint32_t *offsets = window_offsets(w) + w->start;
	int64_t last_ms;
	double last;
	/* What is known of the end still holds, and saves a look. */
	bool is_short = w->n <= OLDEST_WINDOW_MAX;
	bool ended =
		is_short && value_is_stale(w->newest) && oldest_last(at, series, &last_ms, &last);
	uint8_t n = 0;
	while (is_short && n < OLDEST_SAMPLES && from + n < w->n &&
	       note_at(at, n, w->base_ms + offsets[from + n], values[from + n]))
		n++;
	for (uint32_t k = 0; k < n; k++)
		at.oldest->offsets[k] = oldest_offsets(at.block, k)[at.i];
	at.oldest->n = n;
	oldest_uids(at.block)[at.i] = series->uid;
	oldest_places(at.block)[at.i] = (uint16_t)(w->gone + from);
	oldest_counts(at.block)[at.i] = n;
	oldest_ends(at.block)[at.i] = 0;
	if (ended)
		oldest_note_last(at, last_ms, last);
}
