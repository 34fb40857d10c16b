/*
 * Bucket widths: how finely what is extracted from log lines must be counted for the rules of a
 * set.
 *
 * A line that came at t counts in the bucket (kB, (k+1)B] that holds t, stamped (k+1)B. If both
 * edges of every window that a rule looks at are multiples of B, then sums, minima and maxima of
 * buckets are exactly those of the lines. So B is the greatest common divisor of all that moves
 * these edges: the group's interval and query offset, ranges and offsets, steps of subqueries,
 * times fixed by "@".
 */
#ifndef TOCSIN_RULES_LOG_BUCKET_H
#define TOCSIN_RULES_LOG_BUCKET_H

#include "rules/rule_file.h"

/*
 * A wider bucket than that would be stamped too far ahead of its first line, and be seen too late
 * by a query between two evaluations. A finer one costs one more sample a series.
 */
#define LOG_BUCKET_MS_MAX 60000
/*
 * What runbooks ask for they ask at any time: it is as of the last multiple of this. They wait for
 * lines that came just now, so it is short.
 */
#define LOG_BUCKET_MS_ASKED 1000

/*
 * Sets bucket_ms of set->plan->logs, for all who read them; 0 for those of events, which have no
 * buckets. When the set is complete: rule_set_load() does it.
 */
void log_buckets_set(struct rule_set *set);

#endif
