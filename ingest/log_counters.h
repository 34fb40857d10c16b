/*
 * What came from a source of log lines. Counted on the source's thread, read on any.
 */
#ifndef TOCSIN_INGEST_LOG_COUNTERS_H
#define TOCSIN_INGEST_LOG_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

struct log_counters {
	_Atomic uint64_t lines, bytes;
	_Atomic uint64_t cut;	    /* lines longer than LOG_LINE_MAX */
	_Atomic uint64_t malformed; /* taken as they stand, or refused to their sender */
	_Atomic uint64_t rotations; /* files that were replaced or truncated under us */
	_Atomic uint64_t dropped;   /* datagrams lost by the kernel */
	_Atomic uint64_t files;	    /* followed now */
	_Atomic uint64_t behind;    /* bytes of them that were not yet read */
};

static inline void log_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
