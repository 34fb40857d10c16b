/*
 * Asking the engine on behalf of a runbook: does the target do well again, and how many targets are
 * there?
 *
 * A question is an ad-hoc query (engine.h) with a struct verify: evaluated between passes, answered
 * by sink.query. Its windows are warm because the rule set demands what the expressions of runbooks
 * read (rule_set_options.demands).
 *
 *   VERIFY_TRUE     an element for the target that is not NaN, on fresh samples alone
 *   VERIFY_FALSE    none, though there are fresh samples
 *   VERIFY_EARLY    a range reaches back to before the fresh samples: not to be judged yet
 *   VERIFY_NO_DATA  nothing that the expression reads has a fresh sample for the target
 *
 * Fresh are samples later than fresh_after_ms. An element, or a series, is the target's unless one
 * of the target's labels is there with another value.
 */
#ifndef TOCSIN_ENGINE_VERIFY_H
#define TOCSIN_ENGINE_VERIFY_H

#include "engine/engine.h"

enum verify_verdict { VERIFY_NO_DATA, VERIFY_EARLY, VERIFY_FALSE, VERIFY_TRUE };
const char *verify_verdict_text(enum verify_verdict verdict);

struct verify {
	struct labels *target;	     /* a reference */
	int64_t fresh_after_ms;	     /* TIME_NONE: all samples are */
	enum verify_verdict verdict; /* the answer */
};

/*
 * Is this expression fit for it? Complaints at their places: it does not parse, is no instant
 * vector, reads nothing, asks for absence, misuses "$labels". ERR_INVALID, ERR_NOMEM. *reach_ms:
 * how far back its ranges go, 0 for instants alone.
 */
int verify_check(const struct source *source, struct diag_list *diags, int64_t *reach_ms);
struct verify_question {
	struct slice text;
	struct query_settings settings;
	const struct labels *labels; /* the text's references are bound to these */
	const struct labels *target;
	int64_t t_ms, fresh_after_ms; /* TIME_NONE: all samples are fresh */
};
/*
 * Borrows the question. ERR_NOT_FOUND with the name of a label that is not there in why[128];
 * ERR_INVALID, ERR_NOMEM.
 */
int verify_query_new(const struct verify_question *question, struct engine_query **out,
		     char why[128]);

#endif
