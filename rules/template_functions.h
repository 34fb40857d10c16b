/* What the functions of templates share; the functions themselves are listed in
 * template_functions.def. */
#ifndef TOCSIN_RULES_TEMPLATE_FUNCTIONS_H
#define TOCSIN_RULES_TEMPLATE_FUNCTIONS_H

#include "rules/template_tree.h"

/* Values that args collects in one map: so few that the order of keys as texts is the order of
 * arguments. */
#define TEMPLATE_ARGS_MAX 10
/* Bytes that one reReplaceAll might at worst make. */
#define TEMPLATE_REPLACE_MAX (16 * 1024 * 1024)

#define TEMPLATE_FUNCTION(name, arguments, implementation, doc)                                    \
	int implementation(struct template_call *call, struct template_value *out);
#define TEMPLATE_FUNCTION_LAZY(name, arguments, lazy, doc)
#include "rules/template_functions.def"
#undef TEMPLATE_FUNCTION
#undef TEMPLATE_FUNCTION_LAZY

/* Says why the call fails; returns ERR_EVAL. */
int template_fail(struct template_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, with a quoted text in the middle. */
int template_fail_quoted(struct template_call *call, const char *before, struct slice text,
			 const char *behind);
/* Gives the buffer's text as the result, copied to the arena; ends the buffer. */
int template_give(struct template_call *call, struct buf *text, struct template_value *out);
/* url.QueryEscape */
void template_query_escape(struct slice text, struct buf *out);
/* Prometheus' conversion: numbers, and texts that are numbers. */
int template_to_float(struct template_call *call, const struct template_value *value, double *out);

#endif
