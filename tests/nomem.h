/*
 * Fails the n-th allocation, for sweeps over all n. The program is linked with NOMEM_WRAP and
 * tests/nomem.c; what is in shared libraries allocates as ever.
 *
 * One thread. Between nomem_arm() and nomem_disarm() nothing of Check may be called, which
 * allocates too.
 */
#ifndef TOCSIN_TESTS_NOMEM_H
#define TOCSIN_TESTS_NOMEM_H

#include <stdbool.h>

#define NOMEM_SWEEP_MAX 100000

/* The n-th allocation from now on fails, counted from 0, and only that one. */
void nomem_arm(unsigned n);
/* Ends it. True when an allocation has failed. */
bool nomem_disarm(void);

/*
 * Runs `scenario` with the 0th, 1st, 2nd… allocation failing until none fails any more. It is to
 * call nomem_disarm() before it judges its outcome, to free what it made and to return an error
 * code; the last run must give 0, each one before it 0 or ERR_NOMEM. Returns how many gave
 * ERR_NOMEM.
 */
unsigned nomem_sweep(int (*scenario)(void));

#endif
