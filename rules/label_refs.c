#include "rules/label_refs.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define PREFIX "$labels."

/* The label that the matcher refers to; false: it refers to none. */
static bool is_reference(const struct matcher *matcher, struct slice *name)
{
	struct slice value = matcher_value(matcher);
	if (matcher->type != MATCH_EQ || !slice_has_prefix(value, SLICE(PREFIX)))
		return false;
	*name = (struct slice){ value.ptr + strlen(PREFIX), value.len - strlen(PREFIX) };
	return true;
}

static int value_set(struct matcher *matcher, struct slice value)
{
	char *copy = slice_dup(value);
	if (!copy)
		return ERR_NOMEM;
	free(matcher->value);
	matcher->value = copy;
	matcher->value_len = value.len;
	return 0;
}

/* ---- checking ---- */

struct check {
	const struct source *source;
	struct diag_list *diags;
	int code;
};

static bool is_label_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
		if (!is_letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return name.len > 0;
}

static void complain(struct check *check, const struct expr *expr, const char *hint,
		     const char *text)
{
	diag_add_at(check->diags, DIAG_ERROR, check->source, expr->offset, expr->span, hint, "%s",
		    text);
	check->code = ERR_INVALID;
}

static void check_selector(void *ctx, const struct expr *expr)
{
	struct check *check = ctx;
	bool has_name = false, has_reference = false;
	for (uint32_t i = 0; expr->kind == EXPR_SELECTOR && i < expr->selector.nmatchers; i++) {
		const struct matcher *matcher = &expr->selector.matchers[i];
		struct slice name;
		has_name |= matcher->type == MATCH_EQ && matcher_is_metric_name(matcher);
		if (!memmem(matcher->value, matcher->value_len, "$labels", strlen("$labels")))
			continue;
		has_reference = true;
		if (!is_reference(matcher, &name) || !is_label_name(name))
			complain(check, expr, "write it as {instance=\"$labels.instance\"}",
				 "\"$labels.NAME\" stands only as the whole value of a matcher "
				 "with \"=\"");
	}
	if (has_reference && !has_name)
		complain(check, expr, "name the metric: up{instance=\"$labels.instance\"}",
			 "a selector with \"$labels.NAME\" needs the name of a metric");
}

int label_refs_check(const struct expr *expr, const struct source *source, struct diag_list *diags)
{
	struct check check = { .source = source, .diags = diags };
	expr_walk(expr, check_selector, &check);
	return check.code;
}

/* ---- binding ---- */

struct bind {
	const struct labels *labels; /* NULL: widen */
	struct slice *missing;
	int code;
};

/* The tree is its owner's, who gave it to us to change. */
static void bind_selector(void *ctx, const struct expr *expr)
{
	struct bind *bind = ctx;
	for (uint32_t i = 0; expr->kind == EXPR_SELECTOR && i < expr->selector.nmatchers; i++) {
		struct matcher *matcher = &expr->selector.matchers[i];
		struct slice name;
		if (bind->code || !is_reference(matcher, &name))
			continue;
		struct slice value = bind->labels ? labels_get(bind->labels, name) : SLICE("");
		if (bind->labels && value.len == 0) {
			*bind->missing = name;
			bind->code = ERR_NOT_FOUND;
			continue;
		}
		bind->code = value_set(matcher, value);
		if (!bind->labels)
			matcher->type = MATCH_NE;
	}
}

int label_refs_bind(struct expr *expr, const struct labels *labels, struct slice *missing)
{
	struct bind bind = { .labels = labels, .missing = missing };
	expr_walk(expr, bind_selector, &bind);
	return bind.code;
}

int label_refs_widen(struct expr *expr)
{
	struct bind bind = { .labels = NULL };
	expr_walk(expr, bind_selector, &bind);
	return bind.code;
}
