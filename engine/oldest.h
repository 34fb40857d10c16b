/*
 * What a range begins with, remembered by row: its oldest sample and the few that follow, which
 * the next evaluations begin with. So most evaluations of the ends of a range (range_functions.h)
 * read a series' header and, in order, one line of memory here, instead of two somewhere in its
 * window. Private to engine/.
 *
 * Nobody tells of a change; whether a line still holds is seen from the window alone, as long as
 * window_rises_since(start of the range). Anything but an append makes that false for all starts
 * before the newest sample of then; and what a line holds is no later than that. So once it is true
 * again a line from before the change has nothing within the range. A row that has another series
 * is known by the uid.
 *
 * Of a series that ended, with a stale marker as its newest sample, the last place of the line has
 * the sample before that, which its ranges end with for as long as it is in any. Then the series is
 * *over*: the line tells all without a look at the series, until that gets a sample after all
 * (selector.revived), or the row another series.
 *
 * It costs OLDEST_LINE_BYTES a series and range, for standing rules that read ends only, and is
 * made when a row is evaluated for the first time: births cost nothing. Whoever owns it tells the
 * store of `bytes`, which limits.memory counts.
 */
#ifndef TOCSIN_ENGINE_OLDEST_H
#define TOCSIN_ENGINE_OLDEST_H

#include "engine/node.h"

#define OLDEST_SAMPLES 4
#define OLDEST_LINE_BYTES 64
/* Places of samples are told modulo 2^16: of windows with more samples nothing is remembered. */
#define OLDEST_WINDOW_MAX UINT16_MAX

enum oldest_end {
	OLDEST_LIVES, /* nothing is known of an end */
	OLDEST_ENDED, /* the last place has the last sample before the stale marker */
	OLDEST_OVER,  /* it has, and the line alone is enough */
};

struct oldest_line {
	int64_t since_ms;		  /* the start of the range that it was filled for */
	double values[OLDEST_SAMPLES];	  /* the first n after that */
	uint32_t offsets[OLDEST_SAMPLES]; /* from since_ms */
	union {
		uint32_t uid;	/* of the series; 0: none yet */
		uint32_t count; /* of one that is over: samples from the first of the line on */
	};
	uint16_t place; /* of the first one: window.gone plus its index */
	uint8_t n;
	uint8_t end; /* enum oldest_end */
};
_Static_assert(sizeof(struct oldest_line) == OLDEST_LINE_BYTES, "a row is one line");

/* Of all rows, in pieces of EVAL_CHUNK: what is there does not move when others come. */
struct oldest {
	struct oldest_piece {
		struct oldest_line *lines;
		uint32_t n;
		uint64_t revived; /* of the selector, as far as these lines know */
	} * pieces;
	uint32_t npieces;
	size_t bytes; /* of the lines */
};

void oldest_fini(struct oldest *oldest);
/* Nothing is known of the row any more. */
void oldest_forget(struct oldest *oldest, uint32_t row);
/*
 * The lines of rows [from, to), by row - from. NULL when out of memory, or when these are rows of
 * several chunks: then nothing is remembered of them. revived: that of the selector; where it has
 * risen some series that was over is not, and each row of the chunk is looked at again.
 */
struct oldest_line *oldest_lines(struct oldest *oldest, uint32_t from, uint32_t to,
				 uint64_t revived);
/* Notes what the window has from its sample `from` on, the first after since_ms. */
void oldest_note(struct oldest_line *line, const struct series *series, int64_t since_ms,
		 uint32_t from);
/* Notes the last sample before a stale marker, in a line that was just found or noted. */
void oldest_note_last(struct oldest_line *line, int64_t ts_ms, double value);

/*
 * The last sample before the stale marker that is the newest. False: it is not known. Where
 * window_rises_since(start_ms), as above: what was appended meanwhile would have broken the rise
 * later than at this sample.
 */
static inline bool oldest_last(const struct oldest_line *line, const struct series *series,
			       int64_t start_ms, int64_t *ts_ms, double *value)
{
	*ts_ms = line->since_ms + line->offsets[OLDEST_SAMPLES - 1];
	*value = line->values[OLDEST_SAMPLES - 1];
	return line->end == OLDEST_ENDED && line->uid == series->uid && *ts_ms > start_ms;
}

/*
 * Which of the line's samples is the first after start_ms; OLDEST_SAMPLES: it does not know. Where
 * window_rises_since(start_ms), and only there, *from is then its index in the window.
 */
static inline uint32_t oldest_find(const struct oldest_line *line, const struct series *series,
				   int64_t start_ms, uint32_t *from)
{
	if (line->end == OLDEST_OVER || line->uid != series->uid)
		return OLDEST_SAMPLES;
	const struct window *w = &series->window;
	/* Of an earlier start it is more than any offset. */
	uint64_t past_ms = (uint64_t)start_ms - (uint64_t)line->since_ms;
	for (uint32_t i = 0; i < line->n; i++) {
		if (line->offsets[i] <= past_ms)
			continue;
		*from = (uint16_t)(line->place + i - w->gone);
		return *from < w->n && w->n <= OLDEST_WINDOW_MAX ? i : OLDEST_SAMPLES;
	}
	return OLDEST_SAMPLES;
}

/* Will it be found? As good as sure: for reading ahead. */
static inline bool oldest_is_likely(const struct oldest_line *line, const struct series *series,
				    int64_t start_ms)
{
	return line->end != OLDEST_OVER && line->uid == series->uid && line->n > 0 &&
	       line->since_ms + line->offsets[line->n - 1] > start_ms;
}

/* The series of a line that knows its end has `count` samples from the line's first one on. */
static inline void oldest_over(struct oldest_line *line, struct series *series, uint32_t count)
{
	series->over = true;
	line->end = OLDEST_OVER;
	line->count = count;
}

/* Does the line of a series that is over tell what the range from there on has? */
static inline bool oldest_is_enough(const struct oldest_line *line, int64_t start_ms)
{
	if (line->end != OLDEST_OVER || start_ms < line->since_ms)
		return false;
	return line->since_ms + line->offsets[OLDEST_SAMPLES - 1] <= start_ms ||
	       (line->n > 0 && line->since_ms + line->offsets[line->n - 1] > start_ms);
}

#endif
