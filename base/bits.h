/*
 * The bits of a double: samples and records carry them, so that stale markers and other NaN stay
 * what they are.
 */
#ifndef TOCSIN_BASE_BITS_H
#define TOCSIN_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Prometheus' two: the marker at the end of a series, and what calculations give. */
#define STALE_NAN_BITS UINT64_C(0x7ff0000000000002)
#define NORMAL_NAN_BITS UINT64_C(0x7ff8000000000001)

static inline uint64_t bits_of_double(double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline double double_of_bits(uint64_t bits)
{
	double value;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline bool value_is_stale(double value)
{
	return bits_of_double(value) == STALE_NAN_BITS;
}

#endif
