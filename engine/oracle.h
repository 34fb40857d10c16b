/*
 * The oracle: a plain evaluator that recomputes an expression from raw samples and label strings,
 * with none of the plan's sharing and caching. Slow and simple; for tests and --verify: both must
 * give equal bits.
 */
#ifndef TOCSIN_ENGINE_ORACLE_H
#define TOCSIN_ENGINE_ORACLE_H

#include "rules/expr.h"
#include "storage/store.h"

struct oracle_row {
	struct labels *labels;
	double value;
};
struct oracle_result {
	enum value_type type;
	double scalar;
	struct oracle_row *rows; /* sorted by labels */
	size_t n;
	char error[512]; /* "" when none */
};

struct oracle_options {
	int64_t lookback_ms;
	int64_t subquery_step_ms; /* of subqueries that name none; 0: PLAN_SUBQUERY_STEP_MS */
	const struct query_bounds *bounds; /* of a range query, or NULL */
	uint64_t work_max; /* steps of work (samples, elements compared) before ERR_LIMIT; 0: any */
	uint64_t work;	   /* out: how many there were */
};

/*
 * 0 also when the expression fails: `error` tells why then. ERR_NOMEM, ERR_LIMIT. Result to be
 * given back with oracle_result_fini(). Its time grows with the square of the series; the order of
 * elements within an aggregation is that of their labels.
 */
int oracle_eval_with(struct store *store, const struct expr *expr, int64_t t_ms,
		     struct oracle_options *options, struct oracle_result *out);
/* The same without further options. */
int oracle_eval(struct store *store, const struct expr *expr, int64_t t_ms, int64_t lookback_ms,
		struct oracle_result *out);
void oracle_result_fini(struct oracle_result *result);

#endif
