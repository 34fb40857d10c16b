/*
 * Reading ahead in leaves: their series and samples lie anywhere in memory, and what limits an
 * evaluation is waiting for them; so each row asks for what the rows to come will need. Private to
 * engine/.
 */
#ifndef TOCSIN_ENGINE_READ_AHEAD_H
#define TOCSIN_ENGINE_READ_AHEAD_H

#include "engine/oldest.h"
#include "storage/store.h"

/*
 * How many rows ahead is asked for what is remembered of the row, then for the series, and then,
 * with its window known, for the samples: far enough that each wait, of some 100 to 200 ns, is over
 * when the next begins.
 */
#define PREFETCH_KNOWN 128
#define PREFETCH_SERIES 64
#define PREFETCH_SAMPLES 24
/*
 * Of a long window only the newest samples: the rest, if it is read at all, the processor foresees.
 */
#define PREFETCH_SAMPLES_MAX 64
#define CACHE_LINE 64

/*
 * Always inline: GCC takes a function that only prefetches for one without effect, and drops the
 * call.
 */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE void prefetch_span(const void *from, size_t bytes)
{
	const char *at = from;
	for (const char *end = at + bytes; at < end; at += CACHE_LINE)
		__builtin_prefetch(at);
	__builtin_prefetch((const char *)from + bytes - 1);
}

ALWAYS_INLINE void prefetch_series(const struct series *series)
{
	if (series)
		__builtin_prefetch(
			series); /* all that an evaluation looks at is in its first line */
}

/* Which samples of a series are asked for. */
struct ahead {
	uint32_t n;	 /* the newest so many; 0: the copy of the newest one is enough */
	bool ends;	 /* where all rise since start_ms, of them the oldest alone */
	uint32_t oldest; /* which is likely to be the oldest-th newest */
	int64_t start_ms;
	struct oldest *known; /* what is remembered of the rows, or NULL */
	bool samples;	      /* are they asked for? Else the series alone */
	const uint64_t *over; /* rows whose series is not looked at; NULL: none */
};

/* Is the row evaluated without a look at its series? */
ALWAYS_INLINE bool is_passed_over(uint32_t row, const struct ahead *ahead)
{
	return ahead->over && bit_get(ahead->over, row);
}

ALWAYS_INLINE void prefetch_samples(const struct series *series, uint32_t row,
				    const struct ahead *ahead)
{
	if (!ahead->n || !series || is_passed_over(row, ahead) || !series->window.n)
		return;
	const struct window *w = &series->window;
	bool ends = ahead->ends && window_rises_since(w, ahead->start_ms);
	bool is_known = ahead->known && oldest_is_likely(oldest_row(ahead->known, row));
	/* What it ended with is looked at as well, once. */
	if (ends && w->newest != w->newest && w->n > 1 &&
	    !(ahead->known && oldest_has_end(oldest_row(ahead->known, row)))) {
		__builtin_prefetch(w->values + w->start + w->n - 2);
		__builtin_prefetch(window_offsets(w) + w->start + w->n - 2);
	}
	if (ends && is_known)
		return;
	uint32_t n = ends ? ahead->oldest : ahead->n;
	uint32_t first = w->start + w->n - (n < w->n ? n : w->n);
	if (ends) {
		/* To know it, the one before is looked at as well; and some that follow are noted.
		 */
		const uint32_t *offsets = window_offsets(w) + first;
		__builtin_prefetch(w->values + first);
		__builtin_prefetch(w->values + first + OLDEST_SAMPLES - 1);
		__builtin_prefetch(offsets - (first > 0));
		__builtin_prefetch(offsets + OLDEST_SAMPLES - 1);
		return;
	}
	n = w->start + w->n - first;
	prefetch_span(w->values + first, n * sizeof(*w->values));
	prefetch_span(window_offsets(w) + first, n * sizeof(uint32_t));
}

/* What is remembered of the OLDEST_ROWS_STEP rows from here on; all of it if it is noted anew. */
ALWAYS_INLINE void prefetch_known(uint32_t row, uint32_t to, const struct ahead *ahead)
{
	if (!ahead->known || row >= to)
		return;
	struct oldest_row at = oldest_row(ahead->known, row);
	const char *columns = at.block->columns;
	uint32_t next = ahead->known->next;
	if (ahead->samples || oldest_is_spent(ahead->known)) {
		prefetch_span(columns + at.i * OLDEST_ROW_BYTES,
			      OLDEST_ROWS_STEP * OLDEST_ROW_BYTES);
		return;
	}
	__builtin_prefetch(columns + at.i * OLDEST_WHOSE_BYTES);
	__builtin_prefetch(oldest_offsets(at.block, next) + at.i);
	if (next > 0)
		__builtin_prefetch(oldest_offsets(at.block, next - 1) + at.i);
	__builtin_prefetch(oldest_values(at.block, next) + at.i);
}

/* Before a loop over rows [from, to): asks for what the loop itself would ask for too late. */
ALWAYS_INLINE void read_ahead_begin(struct series *const *members, uint32_t from, uint32_t to,
				    const struct ahead *ahead)
{
	uint32_t first = from / OLDEST_ROWS_STEP * OLDEST_ROWS_STEP;
	for (uint32_t row = first; row < from + PREFETCH_KNOWN; row += OLDEST_ROWS_STEP)
		prefetch_known(row, to, ahead);
	for (uint32_t row = from; row < to && row < from + PREFETCH_SERIES; row++)
		if (!is_passed_over(row, ahead))
			prefetch_series(members[row]);
	for (uint32_t row = from; ahead->samples && row < to && row < from + PREFETCH_SAMPLES;
	     row++)
		prefetch_samples(members[row], row, ahead);
}

ALWAYS_INLINE void read_ahead(struct series *const *members, uint32_t row, uint32_t to,
			      const struct ahead *ahead)
{
	if (row % OLDEST_ROWS_STEP == 0)
		prefetch_known(row + PREFETCH_KNOWN, to, ahead);
	if (row + PREFETCH_SERIES < to && !is_passed_over(row + PREFETCH_SERIES, ahead))
		prefetch_series(members[row + PREFETCH_SERIES]);
	if (ahead->samples && row + PREFETCH_SAMPLES < to)
		prefetch_samples(members[row + PREFETCH_SAMPLES], row + PREFETCH_SAMPLES, ahead);
}

#endif
