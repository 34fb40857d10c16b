/*
 * A window: the samples of one series that a reader may still ask for, oldest first.
 *
 * Samples stand contiguous (so that a range function is a loop over two arrays): offsets from a
 * base time in milliseconds, and values. New ones are appended, late ones inserted; old ones leave
 * by the horizon only, when room is needed.
 *
 * What happens to a sample that meets another one of its time is told by the window's kind, which
 * its series has from birth: of samples the first stays; those made of log lines are added up in
 * the sample of their bucket (kB, (k+1)B], at its end, or kept one beside the other.
 *
 * Of the newest sample there is a copy beside the header, and with it where the values last broke
 * off their rise: who asks for the ends of a counter that only rose needs no sample in between, and
 * none of the lines of memory that they are in.
 *
 * Two limits make the oldest leave before their time, counted in `early`: WINDOW_SAMPLES_MAX, and
 * the 2^32 ms (49.7 days) that offsets can span.
 *
 *      ┌ start                     ┌ start+n
 *      ▼                           ▼
 *   [ . . s s s s s s s s s s s s s . . . . ]    capacity `cap`
 *
 * Invariants: offsets ascending, strictly but for events; n ≤ cap; one allocation holds both
 * columns. Each sample later than break_offset is no NaN, and no less than the one before, if there
 * is one; only the newest may be NaN (a stale marker breaks nothing that comes before it). newest
 * and newest_offset are those of the last sample, if there is one. A sample has the place gone + i
 * as long as nothing but appends happens to the window.
 */
#ifndef TOCSIN_STORAGE_WINDOW_H
#define TOCSIN_STORAGE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bits.h"

#define WINDOW_SAMPLES_MAX                                                                         \
	(1u << 22) /* of one series; beyond it the oldest leave early, counted                     \
		    */

/* Written into the journal: numbers stay. */
enum window_kind {
	WINDOW_SAMPLES = 0, /* one a time: another value is a conflict */
	WINDOW_SUM = 1,	    /* the sum of all that came for a time: counts, bytes, sums */
	WINDOW_MIN = 2,
	WINDOW_MAX = 3,	   /* a number beats NaN, as in min_over_time() */
	WINDOW_EVENTS = 4, /* all that came for a time, in the order of arrival */
	WINDOW_KINDS,
};

struct window {
	int64_t base_ms;
	double *values; /* cap of them, then cap offsets, in one allocation; NULL while cap is 0 */
	double newest;
	uint32_t start, n, cap;
	uint32_t gone; /* samples that left at the front: the i-th has place gone + i for good; goes
			  round */
	uint32_t newest_offset;
	uint32_t break_offset;
	uint32_t early; /* samples that left before their time; goes round */
};

/* The offsets of all `cap` places. */
static inline uint32_t *window_offsets(const struct window *window)
{
	return (uint32_t *)(window->values + window->cap);
}

/* A read-only view of a part: sample i is at base_ms + offsets[i]. */
struct window_view {
	int64_t base_ms;
	const uint32_t *offsets;
	const double *values;
	size_t n;
};

enum window_result {
	WINDOW_STORED,
	WINDOW_IDENTICAL, /* same time, same bits */
	WINDOW_CONFLICT,  /* same time, other bits: nothing was done */
	WINDOW_LATE, /* dropped: a newer sample at or before the horizon is there, or a limit stands
			before it */
	WINDOW_NOMEM,
};

void window_init(struct window *window);
void window_fini(struct window *window);
/*
 * Bits are compared and kept exactly; ts_ms is never TIME_NONE. horizon_ms: samples before the
 * newest one at or before it may be dropped to make room (TIME_NONE: none).
 */
enum window_result window_add(struct window *window, int64_t ts_ms, uint64_t bits,
			      int64_t horizon_ms);
/* The same for a window of any kind: WINDOW_STORED also when it was added to what was there. */
enum window_result window_merge(struct window *window, enum window_kind kind, int64_t ts_ms,
				uint64_t bits, int64_t horizon_ms);
/*
 * As read back from the journal, where a sample may be told any number of times, in order: the
 * total of a time takes the place of the one that is there; an event is the ordinal-th of its time
 * (from 0) and known if there are more than that.
 */
enum window_result window_restore(struct window *window, enum window_kind kind, int64_t ts_ms,
				  uint32_t ordinal, uint64_t bits, int64_t horizon_ms);
/* How many samples have this time. */
uint32_t window_count_at(const struct window *window, int64_t ts_ms);
/* The newest of that time; false when there is none. */
bool window_get(const struct window *window, int64_t ts_ms, uint64_t *bits);
/*
 * Appends a sample that is newer than all others if there is room for it: the fast path of
 * window_add(). False, with nothing done, when window_add() must see to it.
 */
static inline bool window_append(struct window *window, int64_t ts_ms, uint64_t bits)
{
	uint32_t end = window->start + window->n;
	if (window->n == 0 || end == window->cap || window->n == WINDOW_SAMPLES_MAX)
		return false;
	uint64_t offset = (uint64_t)ts_ms - (uint64_t)window->base_ms;
	if (ts_ms < window->base_ms || offset > UINT32_MAX || offset <= window->newest_offset)
		return false;
	double value = double_of_bits(bits);
	window->values[end] = value;
	window_offsets(window)[end] = (uint32_t)offset;
	if (value < window->newest || window->newest != window->newest)
		window->break_offset = (uint32_t)offset;
	window->newest = value;
	window->newest_offset = (uint32_t)offset;
	window->n++;
	return true;
}
/*
 * Is every sample later than ts_ms a number no less than the one before, but for a NaN that is the
 * newest? A no may be a yes.
 */
static inline bool window_rises_since(const struct window *window, int64_t ts_ms)
{
	return window->base_ms + window->break_offset <= ts_ms;
}
/* True when the next in-order window_add() needs no horizon: spares the caller from working it out.
 */
bool window_has_room(const struct window *window);
/* Will the next sample take more memory, even when what the horizon allows has left? */
bool window_must_grow(const struct window *window, int64_t horizon_ms);
/* Drops what the horizon allows; gives back memory when much is free. */
void window_trim(struct window *window, int64_t horizon_ms);
/* Drops all samples at or after from_ms. */
void window_cut(struct window *window, int64_t from_ms);
/* Samples with from_ms < ts ≤ to_ms, stale markers included. */
void window_range(const struct window *window, int64_t from_ms, int64_t to_ms,
		  struct window_view *view);
/* The newest sample with ts ≤ to_ms; false when there is none. */
bool window_last(const struct window *window, int64_t to_ms, int64_t *ts_ms, double *value);
int64_t window_newest_ms(const struct window *window); /* TIME_NONE when empty */
size_t window_bytes(const struct window *window);
void window_check(const struct window *window, enum window_kind kind);

#endif
