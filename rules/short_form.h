/*
 * The short form of rules: a metric and a condition, translated into an expression.
 *
 *   metric: runtime.go.gc.pause_ns
 *   condition: avg_over_1m > 50ms AND pprof.cpu.sample_rate < 50
 *
 *   cond    = and {OR and}      and = term {(AND | UNLESS) term}
 *   term    = '(' cond ')' | operand CMP literal
 *   operand = FN_over_DURATION | value | name[{matchers}] | pprof.KIND.SUMMARY
 *
 * short_form_reader.h reads the condition into the tree below; short_form.c writes the expression.
 * The rest of the compiler sees that expression only; each of its parts knows where in the
 * condition it comes from, so that whatever is still wrong with it is told there.
 */
#ifndef TOCSIN_RULES_SHORT_FORM_H
#define TOCSIN_RULES_SHORT_FORM_H

#include "base/arena.h"
#include "base/diag.h"
#include "rules/ast.h"

#define SHORT_FORM_BYTES_MAX (16 * 1024) /* of a condition */
#define SHORT_FORM_DEPTH_MAX 50		 /* parentheses in a condition */
#define SHORT_FORM_TERMS_MAX 256	 /* comparisons of a condition */

/* A rule's own words. Texts with places. */
struct short_form {
	const struct source *metric; /* NULL: none */
	const struct source *condition;
	struct names by; /* what AND, UNLESS and OR join on */
};

/*
 * The expression, as a text that lives in the arena and whose places are those of the condition.
 * ERR_INVALID: told in diags; ERR_NOMEM.
 */
int short_form_translate(const struct short_form *form, struct arena *arena,
			 struct diag_list *diags, struct source *out);

/* Inside of the short form: the tree */

enum short_kind { SHORT_AND, SHORT_UNLESS, SHORT_OR, SHORT_PAREN, SHORT_COMPARISON };
enum short_operand { SHORT_FUNCTION, SHORT_VALUE, SHORT_METRIC };

/* What a function of the short form says, and whether its result has the metric's unit. */
struct short_function {
	const char *word, *promql;
	bool is_plain; /* counts, or per second: a number without a unit */
};

/* A name, with the inside of the braces after it; both places in a source. */
struct short_metric {
	const struct source *source;
	uint32_t offset;
	struct slice name;
	struct slice matchers;	   /* without the braces */
	struct slice profile_type; /* of pprof.KIND.SUMMARY, whose name is SUMMARY; else empty */
};

struct short_node {
	enum short_kind kind;
	uint32_t offset;		       /* in the condition */
	const struct short_node *left, *right; /* PAREN: left only */
	/* COMPARISON */
	enum short_operand operand;
	const struct short_function *function; /* NULL of SHORT_FUNCTION: a quantile */
	double quantile;
	int64_t range_ms;
	struct short_metric metric; /* of whatever operand */
	struct slice comparison;    /* ">" */
	double number;		    /* in the metric's unit */
};

/* NULL: told in diags, or *error is ERR_NOMEM. */
const struct short_node *short_form_parse(const struct short_form *form, struct arena *arena,
					  struct diag_list *diags, int *error);

#endif
