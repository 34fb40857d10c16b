/*
 * Several profiles of one type together: the top functions, the difference between two lots, and
 * the flame graph of either.
 *
 * Two sides: before and after; where only one is asked for, it is the second. A difference is told
 * twice: absolute, in amounts per second of profile (or per profile, where their duration is not
 * known, and for gauges), and normalised, in shares of each side's sum. More load makes all
 * functions grow absolutely and none by share; a function that became slower grows by share.
 */
#ifndef TOCSIN_INGEST_PROFILE_REPORT_H
#define TOCSIN_INGEST_PROFILE_REPORT_H

#include "ingest/profile_kind.h"

#define PROFILE_REPORT_PROFILES_MAX 1000 /* of one side; the newest are taken */
#define PROFILE_REPORT_NODES_MAX 500000	 /* of its tree; deeper frames go to their callers */

enum profile_side { PROFILE_BEFORE, PROFILE_AFTER, PROFILE_SIDES };

struct profile_report;

struct profile_amount {
	double self, total; /* in the base unit */
};

struct profile_row {
	struct slice function;
	struct profile_amount amounts[PROFILE_SIDES];
};

struct profile_side_sum {
	double value;	/* in the base unit */
	double seconds; /* of all its profiles; 0 when one has no duration */
	double samples; /* 0: not known */
	uint32_t profiles;
};

enum profile_order {
	PROFILE_BY_SELF, /* of the second side, most first */
	PROFILE_BY_TOTAL,
	PROFILE_BY_SHARE_CHANGE, /* the change of the own share, the largest first, up or down */
	PROFILE_BY_AMOUNT_CHANGE,
};

/* A frame of the flame graph: where it begins and how wide it is is up to who draws it. */
struct profile_node {
	uint32_t function, parent, child, next; /* PROFILE_NONE: none; function of the root: none */
	struct profile_amount amounts[PROFILE_SIDES];
};

/* The key is borrowed. NULL when out of memory. */
struct profile_report *profile_report_new(const struct hash_key *key);
void profile_report_free(struct profile_report *report); /* NULL is fine */
/*
 * Adds a profile's view to a side; duration_ns 0: as the profile says. ERR_NOMEM, ERR_LIMIT (too
 * many functions).
 */
int profile_report_add(struct profile_report *report, enum profile_side side,
		       const struct profile *profile, const struct profile_view *view,
		       int64_t duration_ns);
const struct profile_side_sum *profile_report_sum(const struct profile_report *report,
						  enum profile_side side);
/* What amounts are divided by to compare the sides: seconds, else profiles; 1 for an empty side. */
double profile_report_divisor(const struct profile_report *report, enum profile_side side);
/* Are both sides told per second? */
bool profile_report_is_rate(const struct profile_report *report);
/* The functions in that order; *rows to free(). Their names live as long as the report. */
int profile_report_rows(const struct profile_report *report, enum profile_order order,
			struct profile_row **rows, size_t *n);
/* The nodes of the flame graph, the root first; parents before children. */
const struct profile_node *profile_report_nodes(const struct profile_report *report, uint32_t *n);
struct slice profile_report_name(const struct profile_report *report, uint32_t function);

#endif
