/*
 * Samples written down for a test, as in Prometheus' unit tests: `0+1x4 _ 3x2 stale NaN`.
 *
 *   values = item { SPACE item }
 *   item   = '_' ['x' N]              one or N points left out
 *          | NUMBER ['x' N]           one, or N + 1 equal points
 *          | NUMBER ('+'|'-') NUMBER 'x' N   N + 1 points: a, a±b, (a±b)±b …
 *          | 'stale' ['x' N]
 *
 * and of the series that they belong to: `metric{label="value"}`.
 */
#ifndef TOCSIN_RULES_SERIES_VALUES_H
#define TOCSIN_RULES_SERIES_VALUES_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/labels.h"

#define SERIES_VALUES_MAX 5000000 /* points of one series, those left out included */

struct series_value {
	double number;
	enum series_value_kind { SERIES_NUMBER, SERIES_NOTHING, SERIES_STALE } kind;
};

struct series_values {
	struct series_value *items; /* item i is at the start + i intervals */
	size_t n;
};

/* ERR_INVALID, ERR_LIMIT with a diagnostic at its place; ERR_NOMEM. */
int series_values_parse(const struct source *source, struct arena *arena, struct diag_list *diags,
			struct series_values *out);
/*
 * A metric with equality matchers as a set of labels; "" and "{}" are the empty set. ERR_INVALID
 * with a diagnostic; ERR_NOMEM.
 */
int series_labels_parse(const struct source *source, struct arena *arena, struct diag_list *diags,
			struct labels **out);

#endif
