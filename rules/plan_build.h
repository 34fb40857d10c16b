/*
 * Inside of the plan: how a tree becomes nodes. plan.c keeps nodes, each once; plan_selector.c
 * builds what reads series, plan_call.c calls, plan_info.c info(), plan_build.c all else, and says
 * which is which. Users need plan.h only.
 *
 * A node is first made in scratch memory, with its children already in the plan; if an equal one is
 * there, that is taken, and else it is copied in. All give 0, ERR_LIMIT or ERR_NOMEM.
 */
#ifndef TOCSIN_RULES_PLAN_BUILD_H
#define TOCSIN_RULES_PLAN_BUILD_H

#include "rules/plan.h"

struct builder {
	struct plan *plan;
	uint32_t grid; /* of the nodes that are built */
	struct arena scratch;
	const struct expr *aggregate; /* that takes the call about to be built as it is, or NULL */
};

/* The node equal to this one: found, or added. */
int plan_intern(struct builder *builder, struct plan_node *node, uint32_t *out);
/* Room for one more node and one more selector. */
int plan_reserve(struct plan *plan);

/* The node of an expression; of a constant, too. */
int plan_build(struct builder *builder, const struct expr *expr, uint32_t *out);
int plan_build_selector(struct builder *builder, const struct expr *expr, uint32_t *out);
int plan_build_subquery(struct builder *builder, const struct expr *expr, uint32_t *out);
int plan_build_call(struct builder *builder, const struct expr *expr, uint32_t *out);
int plan_build_info(struct builder *builder, const struct expr *expr, uint32_t *out);
/* histogram_quantiles(). */
int plan_build_quantiles(struct builder *builder, const struct expr *expr, uint32_t *out);
/*
 * Makes the node one that reads a range, if there is one; call: the function of it, or NULL. A
 * subquery goes before the other arguments; a selector is fused into the node.
 */
int plan_put_range(struct builder *builder, const struct expr *call, const struct expr *range,
		   struct plan_node *node, uint32_t *children);
const struct expr *plan_without_parens(const struct expr *expr);

#endif
