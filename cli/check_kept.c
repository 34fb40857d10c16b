#include "cli/check_kept.h"

#include "base/diag.h"
#include "rules/expr.h"

struct kept_rule {
	struct expr *expr;
	struct kept_rule *next;
};

struct kept_selector {
	const struct expr *expr;
	struct kept_selector *next;
};

void kept_init(struct kept *kept)
{
	*kept = (struct kept){ .rules = NULL };
	arena_init(&kept->arena, 0);
}

void kept_fini(struct kept *kept)
{
	for (struct kept_rule *rule = kept->rules; rule; rule = rule->next)
		expr_fini(rule->expr);
	arena_fini(&kept->arena);
}

/*
 * Those that name their metric. Without a name it may be of log lines: which dialect a rule is
 * written in, its text does not say.
 */
static void add_selector(void *ctx, const struct expr *expr)
{
	struct kept *kept = ctx;
	if (expr->kind != EXPR_SELECTOR || expr->selector.log ||
	    !matchers_has_metric(expr->selector.matchers, expr->selector.nmatchers))
		return;
	struct kept_selector *selector = ARENA_NEW(&kept->arena, struct kept_selector);
	if (!selector)
		return;
	*selector = (struct kept_selector){ expr, kept->selectors };
	kept->selectors = selector;
}

void kept_add(struct kept *kept, const char *query)
{
	struct diag_list ignored;
	struct kept_rule *rule = ARENA_NEW(&kept->arena, struct kept_rule);
	struct source *source = ARENA_NEW(&kept->arena, struct source);
	char *copy = arena_strdup(&kept->arena, slice_from(query));
	if (!rule || !source || !copy)
		return;
	*source = (struct source){ .text = slice_from(copy), .line0 = 1, .column0 = 1 };
	diag_list_init(&ignored);
	if (expr_parse(source, &kept->arena, &ignored, &rule->expr) == 0) {
		rule->next = kept->rules;
		kept->rules = rule;
		expr_walk(rule->expr, add_selector, kept);
	}
	diag_list_fini(&ignored);
}

static bool has_matcher(const struct expr *selector, const struct matcher *wanted)
{
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++)
		if (matcher_is_equal(&selector->selector.matchers[i], wanted))
			return true;
	return false;
}

/* Whatever the second matches, the first matches too: it asks for nothing that the second does not.
 */
static bool is_wider(const struct expr *wide, const struct expr *narrow)
{
	for (uint32_t i = 0; i < wide->selector.nmatchers; i++)
		if (!has_matcher(narrow, &wide->selector.matchers[i]))
			return false;
	return true;
}

bool kept_has(const struct kept *kept, const struct expr *selector)
{
	for (const struct kept_selector *one = kept->selectors; one; one = one->next)
		if (is_wider(one->expr, selector))
			return true;
	return false;
}
