/*
 * Label scopes: which labels the elements of an expression may have, as far as its text tells.
 *
 * An expression is closed when its text names all labels that an element can have (sum by (job) …);
 * else an element may have any label but those that were taken away (without, ignoring, x="").
 * Metric names are not looked at.
 */
#ifndef TOCSIN_RULES_LABEL_SCOPE_H
#define TOCSIN_RULES_LABEL_SCOPE_H

#include "rules/ast.h"

struct label_mention {
	struct slice name;
	uint32_t offset, span; /* where the expression says so */
};

struct label_scope {
	bool closed;
	/* Labels that the text gives to its elements: by (a), x{a="b"}. Of a closed scope: all. */
	struct label_mention *has;
	uint32_t nhas;
	/* Labels that no element has; of an open scope. */
	struct slice *lacks;
	uint32_t nlacks;
};

/* source is that of the expression. In the arena. ERR_NOMEM. */
int label_scope_find(const struct expr *expr, const struct source *source, struct arena *arena,
		     struct label_scope *out);
/* May an element have the label? */
bool label_scope_may_have(const struct label_scope *scope, struct slice name);

#endif
