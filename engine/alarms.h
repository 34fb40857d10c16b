/*
 * Alarms: of many numbers (rules of a group, targets) each has one time at most at which something
 * is to be done about it, and the earliest is known. A heap of the times, and where in it each
 * number stands: a change costs the logarithm of how many are set. Private to engine/.
 */
#ifndef TOCSIN_ENGINE_ALARMS_H
#define TOCSIN_ENGINE_ALARMS_H

#include <stdbool.h>
#include <stdint.h>

struct alarms {
	struct alarm {
		int64_t at_ms;
		uint32_t id;
	} * items; /* each not before items[(i − 1) / 2] */
	uint32_t n, cap;
	uint32_t *place; /* by id: 1 + where it is in items; 0: not set */
	uint32_t places;
};

void alarms_fini(struct alarms *alarms);
/* In place of the one before; TIME_NONE: none. ERR_NOMEM: none is set. */
int alarms_set(struct alarms *alarms, uint32_t id, int64_t at_ms);
/* TIME_NONE: none. */
int64_t alarms_get(const struct alarms *alarms, uint32_t id);
/* The earliest; TIME_NONE. */
int64_t alarms_next_ms(const struct alarms *alarms);
/* Takes the earliest away if its time is now_ms or before; false: no such. */
bool alarms_take(struct alarms *alarms, int64_t now_ms, uint32_t *id);
/* Asserts the order, and that places and items tell the same. For tests. */
void alarms_check(const struct alarms *alarms);

#endif
