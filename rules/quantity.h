/*
 * Numbers with units, as people write them in log filters and conditions: 500, 1.5s, 1h30m, 10MB,
 * 80%.
 *
 * Numbers are decimal. Units of time are those of Go and of Prometheus, and may follow one another;
 * sizes have one unit, in powers of 1000 (kB, KB, MB, …) or of 1024 (KiB, MiB, …).
 */
#ifndef TOCSIN_RULES_QUANTITY_H
#define TOCSIN_RULES_QUANTITY_H

#include "base/slice.h"

enum quantity_kind { QUANTITY_NUMBER, QUANTITY_DURATION, QUANTITY_BYTES, QUANTITY_PERCENT };

/*
 * The whole text. *value: the number itself, nanoseconds (so that 50ms is exact whatever it is
 * converted into), bytes, or what stands before the "%". ERR_INVALID.
 */
int quantity_parse(struct slice text, enum quantity_kind *kind, double *value);

#define NANOSECONDS 1e9 /* of a second */

#endif
