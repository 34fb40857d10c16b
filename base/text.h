/*
 * Times, durations and numbers as text, in the forms that Prometheus and Go use.
 *
 * Times are int64_t milliseconds since the epoch, durations int64_t milliseconds, everywhere in
 * Tocsin. No function here reads a clock but the two at the end.
 */
#ifndef TOCSIN_BASE_TEXT_H
#define TOCSIN_BASE_TEXT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define TIME_NONE INT64_MIN
/*
 * The end of the year 9999. What is read back from disk has no time beyond it, or before its like
 * in the past: so that times may be subtracted without a thought. What is sent to us may.
 */
#define TIME_MAX_MS 253402300799999
static inline bool time_is_sane(int64_t ms)
{
	return ms >= -TIME_MAX_MS && ms <= TIME_MAX_MS;
}

/* Prometheus' durations: 1d12h, 5m, 50ms, 0; descending units, each once. ERR_INVALID. */
int duration_parse(struct slice text, int64_t *ms);
/* "5m", "1h30m", "0s", as model.Duration prints it. */
void duration_format(int64_t ms, struct buf *out);
/* Unix seconds with fraction, or RFC 3339. ERR_INVALID. */
int time_parse(struct slice text, int64_t *ms);
/* 2026-11-20T10:11:12.345Z */
void time_format_rfc3339(int64_t ms, struct buf *out);

/* strconv.FormatFloat(v, 'f', -1, 64): shortest digits that round-trip, no exponent. */
void number_format_f(double v, struct buf *out);
/* 'e', -1: 1e+00 */
void number_format_e(double v, struct buf *out);
/*
 * Go's %v of a float as templates print it: shortest digits, exponent form (at least two digits,
 * signed) when the exponent is < -4 or >= 6.
 */
void number_format_g(double v, struct buf *out);
/* The form of JSON sample values: 'f', but 'e' below 1e-6 or from 1e21. NaN, +Inf, -Inf. */
void number_format_json(double v, struct buf *out);
/* Go's strconv.ParseFloat / ParseInt(base 0) as PromQL reads literals (rules.md 1.1). ERR_INVALID.
 */
int number_parse(struct slice text, double *v);
/* Go's strconv.ParseFloat, as bounds of buckets are read: a leading 0 is just a digit. */
int number_parse_float(struct slice text, double *v);
/* The NaN that Prometheus calls normal, as number_parse() gives it; the stale marker is another. */
double number_nan(void);

/*
 * Copies a text for people, or "" for NULL: what does not fit is cut, between characters; bytes
 * that are no UTF-8 become question marks.
 */
void text_fit(char *to, size_t size, const char *from);

/*
 * Wall clock and monotonic clock: for daemon/, cli/ and actions' sockets; never for engine/,
 * rules/, storage/.
 */
int64_t clock_wall_ms(void);
int64_t clock_monotonic_us(void);
/* CPU time of the calling thread. */
int64_t clock_thread_cpu_us(void);

#endif
