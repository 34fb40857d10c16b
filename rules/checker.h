/* What check.c and check_log.c share. Inside of rules/: the outside calls check_expr(). */
#ifndef TOCSIN_RULES_CHECKER_H
#define TOCSIN_RULES_CHECKER_H

#include "base/error.h"
#include "rules/check.h"

struct checker {
	const struct source *source;
	struct diag_list *diags;
	bool is_logql;
	/* How many aggregations around the current node bound the labels of their result. */
	uint32_t bounded;
	bool has_logs; /* a log selector was met */
	int error;
};

#define COMPLAIN_AT(checker, offset, span, hint, ...)                                              \
	do {                                                                                       \
		diag_add_at((checker)->diags, DIAG_ERROR, (checker)->source, (offset), (span),     \
			    (hint), __VA_ARGS__);                                                  \
		(checker)->error = ERR_INVALID;                                                    \
	} while (0)
#define COMPLAIN(checker, expr, hint, ...)                                                         \
	COMPLAIN_AT(checker, (expr)->offset, (expr)->span, hint, __VA_ARGS__)

/* check_log.c */
/* The type of a log selector: one of the two ranges, or NONE after a complaint. */
enum value_type check_log_selector(struct checker *checker, const struct expr *selector);
static inline bool value_is_log_range(enum value_type type)
{
	return type == VALUE_LOG_RANGE || type == VALUE_UNWRAPPED_RANGE;
}
/* A log range as the argument of a function that takes `letter` there. */
void check_log_argument(struct checker *checker, const struct expr *call, const struct expr *arg,
			char letter);
/* by (…) after a call; and what the whole call makes of its log range. */
void check_log_call(struct checker *checker, const struct expr *call);
/* The whole expression, when all else is said. */
void check_log_root(struct checker *checker, const struct expr *expr);

#endif
