#include "engine/oldest.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "engine/numeric.h"

/* Rows that a piece has room for, at least and in steps of. */
#define PIECE_ROWS 64

void oldest_fini(struct oldest *oldest)
{
	for (uint32_t i = 0; i < oldest->npieces; i++)
		free(oldest->pieces[i].lines);
	free(oldest->pieces);
	*oldest = (struct oldest){ 0 };
}

void oldest_forget(struct oldest *oldest, uint32_t row)
{
	uint32_t at = row / EVAL_CHUNK, place = row % EVAL_CHUNK;
	if (at < oldest->npieces && place < oldest->pieces[at].n)
		oldest->pieces[at].lines[place] = (struct oldest_line){ 0 };
}

static void piece_revive(struct oldest_piece *piece)
{
	for (uint32_t i = 0; i < piece->n; i++)
		if (piece->lines[i].end == OLDEST_OVER)
			piece->lines[i] = (struct oldest_line){ 0 };
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

/* A quarter more than asked, for rows to come. */
static bool piece_grow(struct oldest *oldest, struct oldest_piece *piece, uint32_t n)
{
	n = (n + n / 4 + PIECE_ROWS - 1) / PIECE_ROWS * PIECE_ROWS;
	if (n > EVAL_CHUNK)
		n = EVAL_CHUNK;
	struct oldest_line *lines = aligned_alloc(OLDEST_LINE_BYTES, n * sizeof(*lines));
	if (!lines)
		return false;
	if (piece->n > 0)
		memcpy(lines, piece->lines, piece->n * sizeof(*lines));
	memset(lines + piece->n, 0, (n - piece->n) * sizeof(*lines));
	free(piece->lines);
	oldest->bytes += (n - piece->n) * sizeof(*lines);
	piece->lines = lines;
	piece->n = n;
	return true;
}

struct oldest_line *oldest_lines(struct oldest *oldest, uint32_t from, uint32_t to,
				 uint64_t revived)
{
	uint32_t at = from / EVAL_CHUNK, first = at * EVAL_CHUNK;
	if (from >= to || to - first > EVAL_CHUNK || !pieces_reserve(oldest, at + 1))
		return NULL;
	struct oldest_piece *piece = &oldest->pieces[at];
	if (to - first > piece->n && !piece_grow(oldest, piece, to - first))
		return NULL;
	if (piece->revived != revived)
		piece_revive(piece);
	piece->revived = revived;
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

void oldest_note_last(struct oldest_line *line, int64_t ts_ms, double value)
{
	if (line->n == OLDEST_SAMPLES)
		line->n--;
	line->end = note_at(line, OLDEST_SAMPLES - 1, ts_ms, value) ? OLDEST_ENDED : OLDEST_LIVES;
}

void oldest_note(struct oldest_line *line, const struct series *series, int64_t since_ms,
		 uint32_t from)
{
	const struct window *w = &series->window;
	const double *values = w->values + w->start;
	const uint32_t *offsets = window_offsets(w) + w->start;
	int64_t last_ms;
	double last;
	/* What the line tells of the end still holds, and saves a look. */
	bool ended = value_is_stale(w->newest) &&
		     oldest_last(line, series, since_ms, &last_ms, &last);
	line->uid = series->uid;
	line->since_ms = since_ms;
	line->place = (uint16_t)(w->gone + from);
	line->n = 0;
	line->end = OLDEST_LIVES;
	if (w->n > OLDEST_WINDOW_MAX)
		return;
	for (uint32_t i = 0; i < OLDEST_SAMPLES && from + i < w->n; i++, line->n++)
		if (!note_at(line, i, w->base_ms + offsets[from + i], values[from + i]))
			break;
	if (ended)
		oldest_note_last(line, last_ms, last);
}
