/*
 * A window: the samples of one series that a reader may still ask for, oldest first.
 *
 * Samples stand contiguous (so that a range function is a loop over two arrays): offsets from a
 * base time in milliseconds, and values. New ones are appended, late ones inserted; old ones leave
 * by the horizon only, when room is needed.
 *
 * Two limits make the oldest leave before their time, counted in `early`: WINDOW_SAMPLES_MAX, and
 * the 2^32 ms (49.7 days) that offsets can span.
 *
 *      ┌ start                     ┌ start+n
 *      ▼                           ▼
 *   [ . . s s s s s s s s s s s s s . . . . ]    capacity `cap`
 *
 * Invariants: offsets strictly ascending; n ≤ cap; one allocation holds both columns.
 */
#ifndef TOCSIN_STORAGE_WINDOW_H
#define TOCSIN_STORAGE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WINDOW_SAMPLES_MAX (1u << 22) /* of one series; beyond it the oldest leave early, counted  \
				       */

struct window {
	int64_t base_ms;
	double *values; /* cap of them, then cap offsets, in one allocation; NULL while cap is 0 */
	uint32_t *offsets;
	uint32_t start, n, cap;
	uint32_t early; /* samples that left before their time; goes round */
};

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
	if (ts_ms < window->base_ms || offset > UINT32_MAX || offset <= window->offsets[end - 1])
		return false;
	window->offsets[end] = (uint32_t)offset;
	memcpy(&window->values[end], &bits, sizeof(bits));
	window->n++;
	return true;
}
/* True when the next in-order window_add() needs no horizon: spares the caller from working it out.
 */
bool window_has_room(const struct window *window);
/* Drops what the horizon allows; gives back memory when much is free. */
void window_trim(struct window *window, int64_t horizon_ms);
/* Samples with from_ms < ts ≤ to_ms, stale markers included. */
void window_range(const struct window *window, int64_t from_ms, int64_t to_ms,
		  struct window_view *view);
/* The newest sample with ts ≤ to_ms; false when there is none. */
bool window_last(const struct window *window, int64_t to_ms, int64_t *ts_ms, double *value);
int64_t window_newest_ms(const struct window *window); /* TIME_NONE when empty */
size_t window_bytes(const struct window *window);
void window_check(const struct window *window);

#endif
