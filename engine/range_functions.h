/*
 * Range functions: the samples of one series within a range → a value. Private to engine/.
 */
#ifndef TOCSIN_ENGINE_RANGE_FUNCTIONS_H
#define TOCSIN_ENGINE_RANGE_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/functions.h"

/*
 * The samples with start_ms < t ≤ end_ms, at base_ms + offsets[i], oldest first, no stale ones; n
 * is at least 1.
 */
struct range {
	const double *values;
	const uint32_t *offsets;
	size_t n;
	int64_t base_ms;
	int64_t start_ms, end_ms;
	double range_s;
	int64_t t_ms;	     /* the evaluation time: without the offset */
	double arguments[2]; /* the further scalars that the function takes */
	double *scratch;     /* n places */
	/* Since when the counter of each sample counts, in milliseconds, 0: not told. NULL: of
	 * none. */
	const double *starts;
};

/* A start that lies before the sample before and is not that one's: two senders, or an error. */
bool range_starts_overlap(const struct range *range);

/*
 * What is left of the samples of a range when none of their values is less than the one before, and
 * none stale or NaN.
 */
struct range_ends {
	double first, last;
	int64_t first_ms, last_ms;
	size_t n;
};

#define RANGE_FAULT_MAX 400 /* bytes of what a fault says: a number may have 310 */

/* Rows whose ends are handed over together: as many as a word of presence has bits. */
#define RANGE_BLOCK_ROWS 64
struct range_block {
	uint64_t live; /* rows whose last sample is the newest of the series: bits */
	uint32_t n;
	uint8_t rows[RANGE_BLOCK_ROWS]; /* of each of the n, from the first row of the block on */
	struct range_ends ends[RANGE_BLOCK_ROWS];
};

/* False: no value (too few samples). */
struct range_function {
	bool (*eval)(const struct range *range, double *out);
	/*
	 * The same of ranges that have such ends; of *range only the edges and arguments count.
	 * out: of the rows of the block; the bits of those that have a value are returned. NULL: of
	 * a function that needs the samples in between.
	 */
	uint64_t (*of_ends)(const struct range *range, const struct range_block *block,
			    double *out);
	bool needs_scratch;
	bool uses_starts;
	/* What is wrong with the arguments, as soon as there are samples; false: nothing. */
	bool (*fault)(const struct range *range, char *message, size_t size);
};

/*
 * The function over a log range. Its samples are what log lines came to in buckets, or single
 * values (plan_log.window), and there are none of lines that did not come: so a count is a sum, and
 * a rate is that per second of the range, as LogQL has it. NULL for one that takes no log range.
 */
const struct range_function *log_function_get(enum function_id id);
/* NULL for a function that is none of one series' samples. */
const struct range_function *range_function_get(enum function_id id);

#endif
