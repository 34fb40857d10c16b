#include "storage/window.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/*
 * The base of a fresh window lies this far before its first sample, in the middle of what an offset
 * can say: late samples need no rebase either, and one is needed only after 24 days.
 */
#define BASE_LEAD_MS (INT64_C(1) << 31)
#define SAMPLE_BYTES (sizeof(double) + sizeof(uint32_t))
#define CAP_MIN 6
/* Beyond the limit of samples there is room for as many again as make a compaction worth it. */
#define CAP_MAX (WINDOW_SAMPLES_MAX + WINDOW_SAMPLES_MAX / 8)

void window_init(struct window *window)
{
	*window = (struct window){ .base_ms = 0 };
}

void window_fini(struct window *window)
{
	free(window->values);
	window_init(window);
}

static int64_t sample_ms(const struct window *w, uint32_t i)
{
	return w->base_ms + window_offsets(w)[w->start + i];
}

static uint64_t value_bits(const struct window *w, uint32_t i)
{
	return bits_of_double(w->values[w->start + i]);
}

static void sample_set(struct window *w, uint32_t slot, int64_t ts_ms, uint64_t bits)
{
	window_offsets(w)[slot] = (uint32_t)(ts_ms - w->base_ms);
	memcpy(&w->values[slot], &bits, sizeof(bits));
}

/*
 * After anything but an append: the copy of the newest sample is made anew, and which values rise
 * nobody knows until others have taken their place.
 */
static void note_change(struct window *w)
{
	if (w->n == 0)
		return;
	w->newest = w->values[w->start + w->n - 1];
	w->newest_offset = window_offsets(w)[w->start + w->n - 1];
	w->break_offset = w->newest_offset;
}

/* After the last sample, where a place is free. */
static void append(struct window *w, int64_t ts_ms, uint64_t bits)
{
	double before = w->newest;
	sample_set(w, w->start + w->n, ts_ms, bits);
	w->newest = w->values[w->start + w->n];
	w->newest_offset = (uint32_t)(ts_ms - w->base_ms);
	if (w->n == 0)
		w->break_offset = 0;
	else if (w->newest < before || isnan(before))
		w->break_offset = w->newest_offset;
	w->n++;
}

/* b − a for a ≤ b, whatever their signs. */
static uint64_t distance_ms(int64_t a, int64_t b)
{
	return (uint64_t)b - (uint64_t)a;
}

/* How many samples are at or before ts_ms. */
static uint32_t count_until(const struct window *w, int64_t ts_ms)
{
	if (w->n == 0 || ts_ms < w->base_ms)
		return 0;
	uint64_t offset = distance_ms(w->base_ms, ts_ms);
	if (offset >= w->newest_offset)
		return w->n;
	const uint32_t *offsets = window_offsets(w) + w->start;
	uint32_t low = 0, high = w->n - 1; /* the answer is in [low, high] */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (offsets[mid] <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* How many of the oldest samples no reader needs: all but the newest of those at or before H. */
static uint32_t count_droppable(const struct window *w, int64_t horizon_ms)
{
	uint32_t until = count_until(w, horizon_ms);
	return until ? until - 1 : 0;
}

static void drop_oldest(struct window *w, uint32_t n)
{
	assert(n <= w->n);
	w->start += n;
	w->n -= n;
	w->gone += n;
}

/* 12·cap + 8 (malloc's own word) is then a multiple of 16: nothing is lost to its rounding. */
static uint32_t round_cap(uint32_t cap)
{
	if (cap >= CAP_MAX)
		return CAP_MAX;
	return cap <= CAP_MIN ? CAP_MIN : (cap + 1) / 4 * 4 + 2;
}

/*
 * Free slots that are worth a compaction. It touches lines that an append in order leaves alone,
 * which costs as much as several appends: so it shall come but once in eight. The smallest windows
 * are one or two lines anyhow.
 */
static uint32_t slack_for(uint32_t n)
{
	return n < 8 ? 2 : n < 96 ? 8 : n / 12;
}

/* Moves the samples into an allocation of `cap`, leaving `lead` slots free before them. */
static bool resize(struct window *w, uint32_t cap, uint32_t lead)
{
	assert(lead + w->n <= cap);
	double *values = malloc(cap * SAMPLE_BYTES);
	if (!values)
		return false;
	uint32_t *offsets = (uint32_t *)(values + cap);
	if (w->n) {
		memcpy(values + lead, w->values + w->start, w->n * sizeof(*values));
		memcpy(offsets + lead, window_offsets(w) + w->start, w->n * sizeof(*offsets));
	}
	free(w->values);
	w->values = values;
	w->start = lead;
	w->cap = cap;
	return true;
}

static void move_to(struct window *w, uint32_t start)
{
	memmove(w->values + start, w->values + w->start, w->n * sizeof(*w->values));
	uint32_t *offsets = window_offsets(w);
	memmove(offsets + start, offsets + w->start, w->n * sizeof(*offsets));
	w->start = start;
}

/* Makes the offsets count from another time; all samples must be within its reach. */
static void rebase(struct window *w, int64_t base_ms)
{
	/* Unsigned arithmetic goes round: right for a base earlier or later. */
	uint32_t shift = (uint32_t)((uint64_t)w->base_ms - (uint64_t)base_ms);
	for (uint32_t i = w->start; i < w->start + w->n; i++)
		window_offsets(w)[i] += shift;
	w->base_ms = base_ms;
	note_change(w);
}

/* A base that gives room on both sides of samples from oldest_ms to newest_ms. */
static int64_t choose_base(int64_t oldest_ms, int64_t newest_ms)
{
	uint64_t span = distance_ms(oldest_ms, newest_ms);
	assert(span <= UINT32_MAX);
	int64_t lead = (int64_t)((UINT32_MAX - span) / 2);
	return oldest_ms < INT64_MIN + lead ? INT64_MIN : oldest_ms - lead;
}

/*
 * Brings ts_ms within reach of the base. False: it is so much older than the newest sample that no
 * base serves both. Samples that are so much older than ts_ms leave early.
 */
static bool reach(struct window *w, int64_t ts_ms)
{
	if (w->n == 0) {
		w->base_ms = ts_ms < INT64_MIN + BASE_LEAD_MS ? INT64_MIN : ts_ms - BASE_LEAD_MS;
		return true;
	}
	if (ts_ms >= w->base_ms && distance_ms(w->base_ms, ts_ms) <= UINT32_MAX)
		return true;
	int64_t newest = sample_ms(w, w->n - 1);
	if (ts_ms < newest) {
		if (distance_ms(ts_ms, newest) > UINT32_MAX)
			return false;
		rebase(w, choose_base(ts_ms, newest));
		return true;
	}
	uint32_t drop = 0;
	while (drop < w->n && distance_ms(sample_ms(w, drop), ts_ms) > UINT32_MAX)
		drop++;
	drop_oldest(w, drop);
	w->early += drop;
	if (w->n == 0)
		return reach(w, ts_ms);
	rebase(w, choose_base(sample_ms(w, 0), ts_ms));
	return true;
}

/*
 * Makes a free slot after the samples (or, with `front`, before them): by compaction when what left
 * is worth it, else by growing.
 */
static bool make_room(struct window *w, bool front)
{
	uint32_t cap = w->cap;
	if (w->n + slack_for(w->n) > cap)
		cap = cap ? round_cap(cap + (cap < 32 ? 8 : cap / 4)) : CAP_MIN;
	uint32_t lead = front ? (cap - w->n + 1) / 2 : 0;
	if (cap != w->cap)
		return resize(w, cap, lead);
	move_to(w, lead);
	return true;
}

/* At the limit the oldest sample leaves before its time. */
static void keep_limit(struct window *w)
{
	if (w->n < WINDOW_SAMPLES_MAX)
		return;
	drop_oldest(w, 1);
	w->early++;
}

/* Inserts before sample `at`, moving the shorter side if it has room. */
static bool insert(struct window *w, uint32_t at, int64_t ts_ms, uint64_t bits)
{
	bool left = at < w->n / 2;
	if (left ? w->start == 0 : w->start + w->n == w->cap) {
		left = !left;
		if (left ? w->start == 0 : w->start + w->n == w->cap) {
			left = at < w->n / 2;
			if (!make_room(w, left))
				return false;
		}
	}
	double *values = w->values + w->start;
	uint32_t *offsets = window_offsets(w) + w->start;
	if (left) {
		memmove(values - 1, values, at * sizeof(*values));
		memmove(offsets - 1, offsets, at * sizeof(*offsets));
		w->start--;
	} else {
		memmove(values + at + 1, values + at, (w->n - at) * sizeof(*values));
		memmove(offsets + at + 1, offsets + at, (w->n - at) * sizeof(*offsets));
	}
	w->n++;
	sample_set(w, w->start + at, ts_ms, bits);
	note_change(w);
	return true;
}

/* What becomes of sample i when another one of its time comes; events do not meet. */
static enum window_result meet(struct window *w, uint32_t i, enum window_kind kind, uint64_t bits)
{
	double *there = &w->values[w->start + i], value = double_of_bits(bits);
	switch (kind) {
	case WINDOW_SUM:
		*there += value;
		break;
	case WINDOW_MIN:
		if (value < *there || isnan(*there))
			*there = value;
		break;
	case WINDOW_MAX:
		if (value > *there || isnan(*there))
			*there = value;
		break;
	default:
		return value_bits(w, i) == bits ? WINDOW_IDENTICAL : WINDOW_CONFLICT;
	}
	note_change(w);
	return WINDOW_STORED;
}

static enum window_result add_late(struct window *w, enum window_kind kind, int64_t ts_ms,
				   uint64_t bits, int64_t horizon_ms)
{
	uint32_t at = count_until(w, ts_ms), until = count_until(w, horizon_ms), n = w->n;
	/* A newer one at or before H is there. First, so that the answer never rests on what was
	 * dropped yet. */
	if (at < until)
		return WINDOW_LATE;
	if (kind != WINDOW_EVENTS && at > 0 && sample_ms(w, at - 1) == ts_ms)
		return meet(w, at - 1, kind, bits);
	drop_oldest(w, until ? until - 1 : 0);
	if (w->n == WINDOW_SAMPLES_MAX && at == 0)
		return WINDOW_LATE; /* it would be the first to leave */
	if (!reach(w, ts_ms))
		return WINDOW_LATE;
	keep_limit(w);
	at -= n - w->n;
	return insert(w, at, ts_ms, bits) ? WINDOW_STORED : WINDOW_NOMEM;
}

/* In order, but without a free slot or out of the base's reach. */
static enum window_result add_slowly(struct window *w, int64_t ts_ms, uint64_t bits,
				     int64_t horizon_ms)
{
	/* A new one at or before H takes the place of all before it. */
	drop_oldest(w, ts_ms <= horizon_ms ? w->n : count_droppable(w, horizon_ms));
	reach(w, ts_ms);
	keep_limit(w);
	if (w->start + w->n == w->cap && !make_room(w, false))
		return WINDOW_NOMEM;
	append(w, ts_ms, bits);
	return WINDOW_STORED;
}

enum window_result window_merge(struct window *w, enum window_kind kind, int64_t ts_ms,
				uint64_t bits, int64_t horizon_ms)
{
	if (window_append(w, ts_ms, bits))
		return WINDOW_STORED;
	if (ts_ms <= window_newest_ms(w))
		return add_late(w, kind, ts_ms, bits, horizon_ms);
	return add_slowly(w, ts_ms, bits, horizon_ms);
}

enum window_result window_add(struct window *w, int64_t ts_ms, uint64_t bits, int64_t horizon_ms)
{
	return window_merge(w, WINDOW_SAMPLES, ts_ms, bits, horizon_ms);
}

enum window_result window_restore(struct window *w, enum window_kind kind, int64_t ts_ms,
				  uint32_t ordinal, uint64_t bits, int64_t horizon_ms)
{
	bool is_event = kind == WINDOW_EVENTS;
	uint32_t n = kind == WINDOW_SAMPLES ? 0 : window_count_at(w, ts_ms);
	if (n == 0 || (is_event && ordinal >= n))
		return window_merge(w, kind, ts_ms, bits, horizon_ms);
	if (is_event)
		return WINDOW_IDENTICAL;
	memcpy(&w->values[w->start + count_until(w, ts_ms) - 1], &bits, sizeof(bits));
	note_change(w);
	return WINDOW_STORED;
}

uint32_t window_count_at(const struct window *w, int64_t ts_ms)
{
	uint32_t until = count_until(w, ts_ms);
	return ts_ms == INT64_MIN ? until : until - count_until(w, ts_ms - 1);
}

bool window_get(const struct window *w, int64_t ts_ms, uint64_t *bits)
{
	uint32_t n = count_until(w, ts_ms);
	if (n == 0 || sample_ms(w, n - 1) != ts_ms)
		return false;
	*bits = value_bits(w, n - 1);
	return true;
}

bool window_has_room(const struct window *w)
{
	return w->start + w->n < w->cap;
}

bool window_must_grow(const struct window *w, int64_t horizon_ms)
{
	uint32_t n = w->n - count_droppable(w, horizon_ms);
	return !window_has_room(w) && n + slack_for(n) > w->cap;
}

void window_trim(struct window *w, int64_t horizon_ms)
{
	drop_oldest(w, count_droppable(w, horizon_ms));
	uint32_t wanted = round_cap(w->n + slack_for(w->n) + 1);
	/* Half of it free: what comes next will not fill it. A failure leaves it as it is. */
	if (w->cap / 2 > wanted)
		resize(w, wanted, 0);
}

void window_cut(struct window *w, int64_t from_ms)
{
	w->n = from_ms == INT64_MIN ? 0 : count_until(w, from_ms - 1);
	note_change(w);
}

void window_range(const struct window *w, int64_t from_ms, int64_t to_ms, struct window_view *view)
{
	uint32_t from = count_until(w, from_ms), to = count_until(w, to_ms);
	*view = (struct window_view){ .base_ms = w->base_ms };
	if (from >= to)
		return;
	view->offsets = window_offsets(w) + w->start + from;
	view->values = w->values + w->start + from;
	view->n = to - from;
}

bool window_last(const struct window *w, int64_t to_ms, int64_t *ts_ms, double *value)
{
	uint32_t n = count_until(w, to_ms);
	if (n == 0)
		return false;
	*ts_ms = sample_ms(w, n - 1);
	*value = w->values[w->start + n - 1];
	return true;
}

int64_t window_newest_ms(const struct window *w)
{
	return w->n ? w->base_ms + w->newest_offset : TIME_NONE;
}

size_t window_bytes(const struct window *w)
{
	return w->cap * SAMPLE_BYTES;
}

void window_check(const struct window *w, enum window_kind kind)
{
	assert(w->n <= WINDOW_SAMPLES_MAX && w->cap <= CAP_MAX);
	assert((uint64_t)w->start + w->n <= w->cap);
	assert((w->values != NULL) == (w->cap > 0));
	if (w->n == 0)
		return;
	const double *values = w->values + w->start;
	const uint32_t *offsets = window_offsets(w) + w->start;
	for (uint32_t i = 0; i < w->n; i++) {
		double before = i ? values[i - 1] : -INFINITY;
		assert(i == 0 || offsets[i - 1] + (kind != WINDOW_EVENTS) <= offsets[i]);
		assert(offsets[i] <= w->break_offset || values[i] >= before ||
		       (i == w->n - 1 && isnan(values[i])));
	}
	assert(w->break_offset <= w->newest_offset);
	assert(offsets[w->n - 1] == w->newest_offset);
	assert(memcmp(&values[w->n - 1], &w->newest, sizeof(w->newest)) == 0);
	/* No sample's time overflows. */
	assert(w->base_ms <= INT64_MAX - w->newest_offset);
}
