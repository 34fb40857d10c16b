/*
 * What the `query` calls of an alert's templates gave at one evaluation: expressions as texts, and
 * the elements that each came to.
 *
 * The engine fills one while it evaluates a rule; from then on it is immutable and shared between
 * threads by reference count, so that annotations can be rendered wherever they are wanted, and
 * come out as they were at that time. What is over a limit fails: a list that was cut would be read
 * as the whole.
 */
#ifndef TOCSIN_RULES_QUERY_RESULTS_H
#define TOCSIN_RULES_QUERY_RESULTS_H

#include "base/labels.h"

#define QUERY_RESULTS_MAX 16		     /* different expressions of one alert's templates */
#define QUERY_RESULTS_BYTES_MAX (256 * 1024) /* of all results of one alert */
#define QUERY_TEXT_MAX 4096		     /* bytes of one expression */
#define QUERY_SAMPLES_MAX 1000		     /* elements of one result */

struct query_sample {
	struct labels *labels; /* a reference */
	double value;
};

/* Shared by the alerts of a rule whose templates ask for the same. */
struct query_result {
	char *text;  /* of the expression */
	char *error; /* why there is no result; NULL */
	struct query_sample
		*samples; /* as an instant query tells them: by labels, or as sort() says */
	uint32_t n, cap;
	size_t bytes; /* of all texts */
	_Atomic unsigned refs;
};

struct query_results {
	int64_t t_ms; /* the time of the evaluation: what `now` gives */
	struct query_result *items[QUERY_RESULTS_MAX];
	uint32_t n;
	size_t bytes;
	_Atomic unsigned refs;
};

/* Without elements, one reference; the text is copied. NULL without memory. */
struct query_result *query_result_new(struct slice text);
struct query_result *query_result_ref(struct query_result *result);
void query_result_unref(struct query_result *result); /* NULL is fine */
/* Takes another reference to the labels. ERR_LIMIT: enough of them, or of bytes; ERR_NOMEM. */
int query_result_add(struct query_result *result, struct labels *labels, double value);
/* There is no result, for this reason; elements so far are gone. ERR_NOMEM. */
int query_result_fail(struct query_result *result, struct slice why);

struct query_results *query_results_new(int64_t t_ms);
struct query_results *query_results_ref(struct query_results *results);
void query_results_unref(struct query_results *results); /* NULL is fine */
/* Takes a reference of its own. ERR_LIMIT: too many, or too large together. */
int query_results_add(struct query_results *results, struct query_result *result);
/* NULL: not there; nor are any in NULL. */
const struct query_result *query_results_find(const struct query_results *results,
					      struct slice text);

#endif
