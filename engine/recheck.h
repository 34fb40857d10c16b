/*
 * A second opinion (`tocsin run --verify`): a share of the evaluations of rules is done once more,
 * by the oracle, from the same windows, of the same time. What differs is counted, and told.
 *
 * Equal are the labels and the bits of the values or, where numbers are added up in another order,
 * values that differ by RECHECK_DIFFERENCE_MAX of them. Left out are rules of more than
 * RECHECK_SERIES_MAX series, rules for which the oracle would take longer than RECHECK_WORK_MAX,
 * and what it does not know: names that are removed at the end, log lines, elements that are picked
 * from among equal ones. Evaluations on arrival are not looked at, only those of ticks.
 *
 * Private to engine/.
 */
#ifndef TOCSIN_ENGINE_RECHECK_H
#define TOCSIN_ENGINE_RECHECK_H

#include "engine/binding.h"
#include "engine/oracle.h"

#define RECHECK_SERIES_MAX 500
#define RECHECK_WORK_MAX 300000 /* of the oracle: at most some 3 ms */
#define RECHECK_UNITS 1		/* of the engine, a step of that work */
#define RECHECK_DIFFERENCE_MAX 1e-9
#define RECHECK_TOLD_MAX 100  /* further differences are only counted */
#define RECHECK_BYTES_MAX 400 /* of what is told of one */

struct engine;
struct rule_state;

struct recheck {
	double share; /* of the evaluations; 0: none */
	uint64_t dice;
	uint32_t told;
	/* oracle_eval_with(), but in tests. */
	int (*evaluate)(struct store *store, const struct expr *expr, int64_t t_ms,
			struct oracle_options *options, struct oracle_result *out);
};

void recheck_init(struct recheck *recheck, double share);
/* The rule has just been evaluated, with this code (0 or ERR_EVAL). */
void recheck_rule(struct engine *engine, struct rule_state *rule, int code, int64_t *units);

#endif
