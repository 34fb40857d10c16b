/* info(): a join with the series that describe others, with a selector made of its second argument.
 */
#include "rules/plan_build.h"

#include <stdlib.h>

#include "base/error.h"
#include "rules/expr.h"
#include "rules/names.h"

/* Says a matcher which info metrics there are, not only which there are not? */
static bool names_info(const struct matcher *matcher)
{
	return matcher_is_metric_name(matcher) &&
	       (matcher->type == MATCH_EQ || matcher->type == MATCH_RE);
}

/* Without a name it is target_info; of names that it must not be, what is left of all "…_info". */
static int info_default_name(const struct expr *given, struct matcher *out)
{
	bool excludes =
		given && matchers_has_metric(given->selector.matchers, given->selector.nmatchers);
	char *why = NULL;
	int error =
		excludes ? matcher_init(out, MATCH_RE, SLICE(METRIC_NAME), SLICE(".+_info"), &why)
			 : matcher_init(out, MATCH_EQ, SLICE(METRIC_NAME), SLICE("target_info"),
					&why);

	free(why);
	return error;
}

/*
 * The selector of the info series: the second argument's matchers, and a default name. It looks at
 * the time that the first selector of the first argument looks at.
 */
static int info_selector(struct builder *builder, const struct expr *call,
			 struct matcher *default_name, struct expr *out)
{
	const struct expr *given = call->call.nargs > 1 ? call->call.args[1] : NULL;
	uint32_t n = given ? given->selector.nmatchers : 0;
	bool has_name = false;

	*out = (struct expr){ .kind = EXPR_SELECTOR, .type = VALUE_VECTOR };
	out->selector.matchers = ARENA_ARRAY(&builder->scratch, struct matcher, n + 1);
	if (!out->selector.matchers)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		out->selector.matchers[i] = given->selector.matchers[i];
		has_name = has_name || names_info(&given->selector.matchers[i]);
	}
	if (!has_name)
		out->selector.matchers[n++] = *default_name;
	out->selector.nmatchers = n;
	return 0;
}

struct info_time {
	enum at_kind at;
	int64_t at_ms, offset_ms;
	bool is_done;
};

/* On the way down to the first selector: each "@" sets the time anew, offsets add up. */
static void note_time(void *ctx, const struct expr *expr)
{
	struct info_time *time = ctx;
	bool is_selector = expr->kind == EXPR_SELECTOR;

	if (time->is_done || (!is_selector && expr->kind != EXPR_SUBQUERY))
		return;
	if (expr->at != AT_NONE) {
		time->at = expr->at;
		time->at_ms = expr->at_ms;
		time->offset_ms = 0;
	}
	time->offset_ms += is_selector ? expr->selector.offset_ms : expr->subquery.offset_ms;
	time->is_done = is_selector;
}

/* The labels that the matchers name are those that are taken; must any of them be there? */
static int put_info_labels(struct builder *builder, const struct expr *call, struct plan_node *node)
{
	const struct expr *given = call->call.nargs > 1 ? call->call.args[1] : NULL;
	uint32_t n = given ? given->selector.nmatchers : 0;
	struct names names = { ARENA_ARRAY(&builder->scratch, struct slice, n + 1), 0 };

	if (!names.items)
		return ERR_NOMEM;
	node->info_optional = true;
	node->info_names = !given;
	for (uint32_t i = 0; i < n; i++) {
		const struct matcher *matcher = &given->selector.matchers[i];

		if (matcher_is_metric_name(matcher)) {
			node->info_names = node->info_names || names_info(matcher);
			continue;
		}
		names.items[names.n++] = matcher_name(matcher);
		node->info_optional = node->info_optional && matcher_is_match(matcher, SLICE(""));
	}
	return names_canonical(&names, &builder->scratch, &node->labels);
}

int plan_build_info(struct builder *builder, const struct expr *expr, uint32_t *out)
{
	struct plan_node node = { .op = PLAN_CALL,
				  .type = VALUE_VECTOR,
				  .function = expr->call.function,
				  .nchildren = 3 };
	struct plan_node times = { .op = PLAN_CALL,
				   .type = VALUE_VECTOR,
				   .function = &functions[FN_TIMESTAMP],
				   .keeps_names = true,
				   .nchildren = 1 };
	struct info_time time = { .at = AT_NONE };
	struct matcher default_name;
	struct expr selector;
	uint32_t children[3];
	const struct expr *given = expr->call.nargs > 1 ? expr->call.args[1] : NULL;
	int error = info_default_name(given, &default_name);

	if (error)
		return error;
	expr_walk(expr->call.args[0], note_time, &time);
	error = info_selector(builder, expr, &default_name, &selector);
	selector.at = time.at;
	selector.at_ms = time.at_ms;
	selector.selector.offset_ms = time.offset_ms;
	if (!error)
		error = plan_build(builder, expr->call.args[0], &children[0]);
	if (!error)
		error = plan_build_selector(builder, &selector, &children[1]);
	times.children = &children[1];
	if (!error)
		error = plan_intern(builder, &times, &children[2]);
	if (!error)
		error = put_info_labels(builder, expr, &node);
	node.children = children;
	if (!error)
		error = plan_intern(builder, &node, out);
	matcher_fini(&default_name);
	return error;
}
