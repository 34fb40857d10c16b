/*
 * Inside of lint: lint.c goes through the rules; lint_names.c knows which rule records what,
 * lint_selectors.c looks at selectors and functions of ranges, lint_labels.c at labels,
 * lint_values.c at conditions, lint_texts.c at templates.
 */
#ifndef TOCSIN_RULES_LINT_INTERNAL_H
#define TOCSIN_RULES_LINT_INTERNAL_H

#include "rules/label_scope.h"
#include "rules/lint.h"
#include "rules/warning.h"

#define LINT_CHAIN_MAX 64 /* records that read records: labels are followed so far */

/* One recording rule, by name. */
struct lint_record {
	struct slice name;
	const struct rule *rule;
	/* Of its series, rule labels included; worked out when first asked for. */
	enum { SCOPE_UNKNOWN, SCOPE_ASKED, SCOPE_KNOWN } scope_state;
	struct label_scope scope;
};

struct lint {
	const struct rule_set *set;
	struct diag_list *diags;
	struct arena arena;	     /* what is known of records */
	struct arena scratch;	     /* of the rule at hand */
	struct lint_record *records; /* sorted by name, then by place */
	uint32_t nrecords;
	uint32_t chain; /* of records that is being followed */
	uint32_t
		narrival; /* rules on arrival so far; then those beyond LINT_ARRIVAL_MAX by class */
	uint32_t more_arrival[ARRIVAL_TICK + 1];
	const struct rule *first_more; /* of these; NULL: none */
	bool failed;		       /* no memory */
};

/* An expression that is being looked at. */
struct lint_place {
	struct lint *lint;
	const struct rule *rule;
	const struct source *source;
};

/* ---- lint_names.c ---- */

/* ERR_NOMEM. */
int lint_names_init(struct lint *lint);
/* The metric that the selector names with "="; empty: it names none, or selects lines. */
struct slice lint_metric(const struct expr *selector);
/* The rules that record the name: *n of them, from *first on. */
const struct lint_record *lint_records(const struct lint *lint, struct slice name, uint32_t *n);
/* label_scope_options.recorded; ctx is a struct lint_place. */
const struct label_scope *lint_recorded_scope(void *ctx, const struct expr *selector);

/* ---- lint_selectors.c ---- */

/* Does the function give nothing of one sample alone? */
bool lint_needs_two(const struct function *function);
/* The range of samples among the arguments of a call; NULL: none. */
const struct expr *lint_range(const struct expr *call);

/* ---- what is looked at ---- */

void lint_selectors(struct lint_place *place, const struct expr *expr);
/* Of the rule's expression or of resolve_when; *scope is that of its result. */
void lint_labels(struct lint_place *place, const struct expr *expr, struct label_scope *scope);
void lint_resolve_labels(struct lint_place *place, const struct label_scope *own,
			 const struct label_scope *resolve);
void lint_values(struct lint_place *place, const struct expr *expr);
void lint_condition(struct lint_place *place);
void lint_texts(struct lint_place *place, const struct label_scope *scope);

#endif
