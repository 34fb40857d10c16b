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

/* Who finds scopes may know more than the text, and may want to know more of it. */
struct label_scope_options {
	const struct source *source; /* of the expression */
	struct arena *arena;
	/* The labels of the series that a selector reads, if they are known; or NULL. */
	const struct label_scope *(*recorded)(void *ctx, const struct expr *selector);
	/*
	 * Called for each aggregation and each binary operator of two vectors, with the scopes of
	 * its operand or operands; or NULL.
	 */
	void (*visit)(void *ctx, const struct expr *expr, const struct label_scope *operands);
	void *ctx;
};

/* In the arena. ERR_NOMEM. */
int label_scope_find(const struct expr *expr, const struct label_scope_options *options,
		     struct label_scope *out);
/* Elements of either. ERR_NOMEM. */
int label_scope_join(const struct label_scope *a, const struct label_scope *b, struct arena *arena,
		     struct label_scope *out);
/* May an element have the label? */
bool label_scope_may_have(const struct label_scope *scope, struct slice name);

#endif
