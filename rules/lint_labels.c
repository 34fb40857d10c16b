/* Labels that are asked for where they cannot be. */
#include "rules/lint_internal.h"

#include "base/error.h"

/* Where a name of an aggregation or of a join is written. */
static void warn_label(struct lint_place *place, enum rule_warning warning, const struct expr *expr,
		       struct slice name, const char *hint, const char *message)
{
	struct slice text = place->source->text;
	bool is_there = name.ptr >= text.ptr && name.ptr + name.len <= text.ptr + text.len;
	size_t offset = is_there ? (size_t)(name.ptr - text.ptr) : expr->offset;
	rule_warn_at(place->lint->diags, warning, place->source, offset,
		     is_there ? name.len : expr->span, hint, "label \"" SLICE_FMT "\" %s",
		     SLICE_ARG(name), message);
}

/* ---- aggregations ---- */

static void check_by(struct lint_place *place, const struct expr *expr,
		     const struct label_scope *operand)
{
	const struct names *labels = &expr->aggregate.labels;
	for (uint32_t i = 0; i < labels->n && !expr->aggregate.without; i++)
		if (!slice_is(labels->items[i], METRIC_NAME) &&
		    !label_scope_may_have(operand, labels->items[i]))
			warn_label(place, WARN_LABEL, expr, labels->items[i], NULL,
				   "is none that what is aggregated can have");
}

/* ---- joins ---- */

static void check_on(struct lint_place *place, const struct expr *expr,
		     const struct label_scope *sides)
{
	const struct names *labels = &expr->binary.labels;
	for (uint32_t i = 0; i < labels->n; i++) {
		bool left = label_scope_may_have(&sides[0], labels->items[i]);
		bool right = label_scope_may_have(&sides[1], labels->items[i]);
		if (left == right || slice_is(labels->items[i], METRIC_NAME))
			continue;
		warn_label(place, WARN_JOIN, expr, labels->items[i],
			   "an element with the label finds no partner without it",
			   left ? "is none that the right side can have"
				: "is none that the left side can have");
	}
}

/* A label of one side that the other cannot have, and that does not belong to what is ignored. */
static bool has_stray(struct lint_place *place, const struct expr *expr,
		      const struct label_scope *from, const struct label_scope *other,
		      const char *message)
{
	for (uint32_t i = 0; i < from->nhas; i++) {
		struct slice name = from->has[i].name;
		if (label_scope_may_have(other, name) || names_has(&expr->binary.labels, name))
			continue;
		rule_warn_at(place->lint->diags, WARN_JOIN, place->source, expr->binary.op_offset,
			     strlen(binary_op_text(expr->binary.op)),
			     "say what to join on: on (…), or ignoring (…)",
			     "label \"" SLICE_FMT "\" %s", SLICE_ARG(name), message);
		return true;
	}
	return false;
}

/* Without `on` partners have equal labels, all of them. */
static void check_ignoring(struct lint_place *place, const struct expr *expr,
			   const struct label_scope *sides)
{
	if (sides[0].closed &&
	    has_stray(
		    place, expr, &sides[1], &sides[0],
		    "of the right side is none that the left side can have: there are no partners"))
		return;
	if (sides[1].closed)
		(void)has_stray(place, expr, &sides[0], &sides[1],
				"of the left side is none that the right side can have: there are "
				"no partners");
}

static void visit(void *ctx, const struct expr *expr, const struct label_scope *operands)
{
	if (expr->kind == EXPR_AGGREGATE)
		check_by(ctx, expr, operands);
	else if (expr->binary.op == OP_OR || expr->binary.fills[0] || expr->binary.fills[1])
		return; /* needs no partner */
	else if (expr->binary.on)
		check_on(ctx, expr, operands);
	else
		check_ignoring(ctx, expr, operands);
}

void lint_labels(struct lint_place *place, const struct expr *expr, struct label_scope *scope)
{
	const struct label_scope_options options = { .source = place->source,
						     .arena = &place->lint->scratch,
						     .recorded = lint_recorded_scope,
						     .visit = visit,
						     .ctx = place };
	if (label_scope_find(expr, &options, scope))
		place->lint->failed = true;
}

/* ---- resolve_when ---- */

/* What it surely has was judged at the load; here, that it may have any. */
void lint_resolve_labels(struct lint_place *place, const struct label_scope *own,
			 const struct label_scope *resolve)
{
	const struct expr *expr = place->rule->resolve->expr;
	if (!own->closed || resolve->closed)
		return;
	rule_warn_at(
		place->lint->diags, WARN_RESOLVE, place->source, expr->offset, expr->span,
		"aggregate it by the labels of the alert",
		"an element ends an alert only if the alert has all its labels, and those of this "
		"expression may have any");
}
