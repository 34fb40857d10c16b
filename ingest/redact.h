/*
 * Redaction: what is taken out of log lines before anything of them is stored, shown or sent.
 *
 *   redact:
 *   - {regex: 'password=\S+', replace: 'password=***'}
 *
 * Applied to example lines and evidence, in the order written; not to what rules match against. A
 * pattern that gives up on a line takes the whole line out: better none than one with a secret.
 */
#ifndef TOCSIN_INGEST_REDACT_H
#define TOCSIN_INGEST_REDACT_H

#include "base/bind.h"
#include "base/buf.h"

#define REDACT_RULES_MAX 64
#define REDACT_LINE_MAX 4096 /* bytes of a line that are looked at and shown */

struct redactor; /* immutable, any thread */

/* An item of the list, for bind_struct(). */
struct redact_rule {
	struct slice regex, replace; /* $1, ${name} of the pattern's groups */
	const struct yaml_node *node;
};
extern const struct bind_table redact_rule_table;

/* Do they say the same, in the same order? Then what one redacts the other has nothing to add to.
 */
bool redact_rules_are_equal(const struct redact_rule *a, size_t na, const struct redact_rule *b,
			    size_t nb);
/* ERR_INVALID, ERR_LIMIT with a diagnostic at the rule's place; ERR_NOMEM. */
int redactor_new(const struct redact_rule *rules, size_t n, struct diag_list *diags,
		 struct redactor **out);
struct redactor *redactor_ref(struct redactor *redactor);
void redactor_unref(struct redactor *redactor); /* NULL is fine */
/*
 * Appends the line as it may be shown: valid UTF-8, at most REDACT_LINE_MAX bytes of it, what the
 * rules name replaced. A NULL redactor has no rules. ERR_NOMEM.
 */
int redact_line(const struct redactor *redactor, struct slice line, struct buf *out);

#endif
