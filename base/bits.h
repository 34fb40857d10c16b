/*
 * The bits of a double: samples and records carry them, so that stale markers and other NaN stay
 * what they are.
 */
#ifndef TOCSIN_BASE_BITS_H
#define TOCSIN_BASE_BITS_H

#include <stdint.h>
#include <string.h>

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

#endif
