/* What the benchmarks share: CPU time, and the end when something does not hold. */
#ifndef TOCSIN_BENCH_BENCH_H
#define TOCSIN_BENCH_BENCH_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline int64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* CPU time of this thread. */
static inline int64_t cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline double cpu_ms(void)
{
	return (double)cpu_ns() / 1e6;
}

/* And of all threads. */
static inline double process_cpu_s(void)
{
	return (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
}

static inline void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "bench/%s: %s failed (errno: %s)\n", program_invocation_short_name, what,
		strerror(errno));
	exit(1);
}

#endif
