/*
 * The oracle's parts. Private to engine/.
 *
 * All memory is an arena's; whatever goes wrong leaves by oracle_fail(), which does not return: so
 * that the rest reads like the definition of the language.
 */
#ifndef TOCSIN_ENGINE_ORACLE_INTERNAL_H
#define TOCSIN_ENGINE_ORACLE_INTERNAL_H

#include <setjmp.h>

#include "base/arena.h"
#include "base/error.h"
#include "engine/oracle.h"

#define NODE_WORK 20 /* to come to a part of the expression, though it may give nothing */

struct oracle {
	struct store *store;
	int64_t t_ms, lookback_ms; /* t_ms: within a subquery, of its step */
	struct query_bounds bounds;
	int64_t subquery_step_ms;
	uint64_t work, work_max;
	struct arena arena;
	struct regex *regex;	  /* of the label_replace() that runs */
	struct matcher info_name; /* of the info() that runs */
	const struct expr
		*aggregate; /* that takes the call about to be evaluated as it is, or NULL */
	jmp_buf failure;
	int code; /* ERR_EVAL with `error`, or another */
	char error[512];
};

/* A label set: sorted by name. */
struct tags {
	struct label *pairs;
	uint32_t n;
};

struct element {
	struct tags tags;
	double value;
};

struct vector {
	struct element *items;
	size_t n;
};

/* The samples of a series that are not stale, oldest first. */
struct samples {
	struct tags tags;
	int64_t *times_ms;
	double *values;
	double *starts; /* when they began to count, in ms, 0: unknown; NULL: of a subquery */
	size_t n;
};

void *oracle_alloc(struct oracle *oracle, size_t size);
/* So much has been done, or is about to be: gives up when it is too much. */
void oracle_work(struct oracle *oracle, uint64_t steps);
void oracle_fail(struct oracle *oracle, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* ---- label sets ---- */

int tags_compare(struct tags a, struct tags b);
struct slice tags_get(struct tags tags, struct slice name);
/* With the names given only, or without them. */
struct tags tags_only(struct oracle *oracle, struct tags tags, const struct names *names);
struct tags tags_without(struct oracle *oracle, struct tags tags, const struct names *names);
struct tags tags_without_name(struct oracle *oracle, struct tags tags);
/* Of what two lists of names say: with the metric name alone left out. */
struct tags tags_without_metric(struct oracle *oracle, struct tags tags);
/* Set, replaced or (empty) removed. */
struct tags tags_with(struct oracle *oracle, struct tags tags, struct slice name,
		      struct slice value);
bool tags_is_among(struct tags tags, const struct tags *list, size_t n);

/* ---- vectors ---- */

void vector_add(struct oracle *oracle, struct vector *vector, struct tags tags, double value);
/* By labels. */
void vector_sort(struct vector *vector);
/* Fails when two elements have the same labels. */
void vector_check(struct oracle *oracle, const struct vector *vector);

/* ---- expressions ---- */

double oracle_scalar(struct oracle *oracle, const struct expr *expr);
struct vector oracle_vector(struct oracle *oracle, const struct expr *expr);

double oracle_operator(enum binary_op op, double left, double right);
struct vector oracle_binary(struct oracle *oracle, const struct expr *expr);
struct vector oracle_aggregate(struct oracle *oracle, const struct expr *expr);
struct vector oracle_info(struct oracle *oracle, const struct expr *expr);
/* A function of an instant vector. */
struct vector oracle_call(struct oracle *oracle, const struct expr *expr);
/* Those whose result is not made element by element, each in its file. */
struct vector oracle_label_replace(struct oracle *oracle, const struct expr *expr);
struct vector oracle_label_join(struct oracle *oracle, const struct expr *expr);
struct vector oracle_histogram(struct oracle *oracle, const struct expr *expr);
struct vector oracle_quantiles(struct oracle *oracle, const struct expr *expr);
/* A string among a call's arguments. */
struct slice oracle_string(const struct expr *expr);

/* ---- what is read ---- */

/* All samples of the matching series in (end − back, end − ahead], stale markers included. */
struct samples *oracle_samples(struct oracle *oracle, const struct expr *selector, int64_t back_ms,
			       int64_t ahead_ms, size_t *count);
/* Of a range, or of a subquery: what is inside it, at each of its steps. */
struct samples *oracle_range_samples(struct oracle *oracle, const struct expr *range,
				     size_t *count);
/* The newest sample of each series or, for timestamp() and start_timestamp(), its time. */
struct vector oracle_instant(struct oracle *oracle, const struct expr *selector,
			     enum function_id function);
/*
 * What the call reads: samples of the series derived for it and the aggregation that takes its
 * result as it is (or NULL).
 */
struct samples *oracle_log_samples(struct oracle *oracle, const struct expr *call,
				   const struct expr *aggregate, const struct expr *range,
				   size_t *n);
void samples_drop_stale(struct samples *samples);
/* Nothing is left of samples that end with a stale marker. */
void samples_drop_if_stale(struct samples *samples);
/* The end of what a selector or a subquery looks at, and its length. */
int64_t oracle_range_end(const struct oracle *oracle, const struct expr *range);
int64_t oracle_range_ms(const struct expr *range);

/* ---- ranges ---- */

/* A function of the samples, at least one, that a series has within a range. */
struct range_call {
	struct oracle *oracle;
	const struct expr *call, *range;
	const struct samples *samples;
	double arguments[2]; /* the further scalars */
};

/* False: no value. */
bool oracle_range(const struct range_call *call, double *out);
/* The same over a log range. */
bool oracle_log_range(const struct range_call *call, double *out);
/* rate(), increase(), delta(), rate_counter(); of one sample if the counter's start is known. */
double oracle_rate(const struct range_call *call);
double oracle_sum(const struct samples *samples);
/* Of ranges whose edges are anchored or smoothed; smoothed: an instant. */
struct vector oracle_edges(struct oracle *oracle, const struct expr *call,
			   const struct expr *selector);
struct vector oracle_smoothed(struct oracle *oracle, const struct expr *selector);

/* ---- numbers ---- */

/* Go's math.Min and math.Max. */
double oracle_min(double a, double b);
double oracle_max(double a, double b);
/* A quantile of values in any order. */
double oracle_quantile(struct oracle *oracle, double q, const double *values, size_t n);
/* A sum as Kahan, Babuška and Neumaier have it: the sum and what rounding lost. */
struct precise {
	double sum, lost;
};
struct precise precise_add(struct precise sum, double value);
double oracle_mean(const double *values, size_t n);

#endif
