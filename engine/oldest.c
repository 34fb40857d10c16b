#include "engine/oldest.h"

#include <stdlib.h>
#include <string.h>

#include "engine/numeric.h"
#include "storage/array.h"

/* Rows that a piece has room for, at least and in steps of. */
#define PIECE_ROWS 64

void oldest_fini(struct oldest *oldest)
{
	for (uint32_t i = 0; i < oldest->npieces; i++)
		free(oldest->pieces[i].lines);
	free(oldest->pieces);
	*oldest = (struct oldest){ 0 };
}

static bool pieces_reserve(struct oldest *oldest, uint32_t n)
{
	if (n <= oldest->npieces)
		return true;
	if (!array_resize(&oldest->pieces, n, sizeof(*oldest->pieces)))
		return false;
	memset(oldest->pieces + oldest->npieces, 0,
	       (n - oldest->npieces) * sizeof(*oldest->pieces));
	oldest->npieces = n;
	return true;
}

/* A quarter more than asked, for rows to come. What was remembered is forgotten: it comes again. */
static bool piece_grow(struct oldest_piece *piece, uint32_t n)
{
	n = (n + n / 4 + PIECE_ROWS - 1) / PIECE_ROWS * PIECE_ROWS;
	if (n > EVAL_CHUNK)
		n = EVAL_CHUNK;
	struct oldest_line *lines = aligned_alloc(OLDEST_LINE_BYTES, n * sizeof(*lines));
	if (!lines)
		return false;
	memset(lines, 0, n * sizeof(*lines));
	free(piece->lines);
	*piece = (struct oldest_piece){ lines, n };
	return true;
}

struct oldest_line *oldest_lines(struct oldest *oldest, uint32_t from, uint32_t to)
{
	uint32_t at = from / EVAL_CHUNK, first = at * EVAL_CHUNK;
	if (from >= to || to - first > EVAL_CHUNK || !pieces_reserve(oldest, at + 1))
		return NULL;
	struct oldest_piece *piece = &oldest->pieces[at];
	if (to - first > piece->n && !piece_grow(piece, to - first))
		return NULL;
	return piece->lines + (from - first);
}

static bool note_at(struct oldest_line *line, uint32_t i, int64_t ts_ms, double value)
{
	uint64_t after_ms = (uint64_t)ts_ms - (uint64_t)line->since_ms;
	if (after_ms > UINT32_MAX)
		return false;
	line->values[i] = value;
	line->offsets[i] = (uint32_t)after_ms;
	return true;
}

/* Before the line is filled anew: what it tells of the end still holds, and saves a look. */
static bool note_last(struct oldest_line *line, const struct series *series, int64_t since_ms,
		      uint32_t from)
{
	const struct window *w = &series->window;
	int64_t ts_ms;
	double value;
	if (!value_is_stale(w->newest) || w->n - from < 2)
		return false;
	if (!oldest_last(line, series, since_ms, &ts_ms, &value)) {
		uint32_t last = w->start + w->n - 2;
		ts_ms = w->base_ms + window_offsets(w)[last];
		value = w->values[last];
	}
	line->since_ms = since_ms;
	return note_at(line, OLDEST_SAMPLES - 1, ts_ms, value);
}

void oldest_note(struct oldest_line *line, const struct series *series, int64_t since_ms,
		 uint32_t from)
{
	const struct window *w = &series->window;
	const double *values = w->values + w->start;
	const uint32_t *offsets = window_offsets(w) + w->start;
	line->ended = note_last(line, series, since_ms, from);
	line->uid = series->uid;
	line->since_ms = since_ms;
	line->place = (uint16_t)(w->gone + from);
	line->n = 0;
	if (w->n > OLDEST_WINDOW_MAX)
		return;
	uint32_t max = OLDEST_SAMPLES - line->ended;
	for (uint32_t i = 0; i < max && from + i < w->n; i++, line->n++)
		if (!note_at(line, i, w->base_ms + offsets[from + i], values[from + i]))
			return;
}
