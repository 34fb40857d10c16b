/* The differential test: the stream that both servers are given. */
#ifndef TOCSIN_TESTS_E2E_DIFFERENTIAL_H
#define TOCSIN_TESTS_E2E_DIFFERENTIAL_H

#include <stdint.h>

#include "base/buf.h"

#define STREAM_STEP_MS 15000
#define STREAM_STEPS 160
#define STREAM_PARTS 4 /* requests, each with the next quarter of the steps */
#define STREAM_MS ((int64_t)STREAM_STEP_MS * STREAM_STEPS)

/*
 * The remote-write 1.0 messages of a stream that begins at from_ms, snappy-compressed: counters
 * that are reset, gauges, numbers of all magnitudes, classic histograms, NaN, infinities, stale
 * markers, gaps, births and deaths, names that must be quoted. Made by the dice: seed them first.
 */
void stream_make(int64_t from_ms, struct buf parts[STREAM_PARTS]);

#endif
