/* The oracle's functions of labels. */
#include <stdlib.h>

#include "base/regex.h"
#include "base/text.h"
#include "engine/oracle_internal.h"

struct slice oracle_string(const struct expr *expr)
{
	while (expr->kind == EXPR_PAREN)
		expr = expr->unary.operand;
	return expr->string;
}

static void check_name(struct oracle *o, const char *function, const char *which, struct slice name)
{
	if (name.len == 0 || !slice_is_utf8(name))
		oracle_fail(o, "invalid %s label name in %s(): " SLICE_FMT, which, function,
			    SLICE_ARG(name));
}

static void check_text(struct oracle *o, const char *function, const char *what, struct slice text)
{
	if (!slice_is_utf8(text))
		oracle_fail(o, "%s is not UTF-8 in %s(): " SLICE_FMT, what, function,
			    SLICE_ARG(text));
}

struct vector oracle_label_replace(struct oracle *o, const struct expr *expr)
{
	struct slice target = oracle_string(expr->call.args[1]),
		     template = oracle_string(expr->call.args[2]);
	struct slice source = oracle_string(expr->call.args[3]),
		     pattern = oracle_string(expr->call.args[4]);
	char *why = NULL;
	size_t offset;
	struct regex *regex = NULL;
	int err = regex_new(pattern, &regex, &why, &offset);
	free(why);
	if (err)
		oracle_fail(o, "invalid regular expression in label_replace(): " SLICE_FMT,
			    SLICE_ARG(pattern));
	regex_free(regex);
	check_name(o, "label_replace", "destination", target);
	check_text(o, "label_replace", "replacement", template);
	struct vector out = oracle_vector(o, expr->call.args[0]);
	if (regex_new(pattern, &o->regex, &why, &offset))
		oracle_fail(o, "invalid regular expression");
	for (size_t i = 0; i < out.n; i++) {
		struct buf value;
		buf_init(&value);
		if (regex_expand(o->regex, tags_get(out.items[i].tags, source), template, &value) >
		    0) {
			char *copy = arena_strdup(&o->arena, buf_slice(&value));
			if (copy)
				out.items[i].tags =
					tags_with(o, out.items[i].tags, target, slice_from(copy));
		}
		buf_fini(&value);
	}
	regex_free(o->regex);
	o->regex = NULL;
	vector_check(o, &out);
	return out;
}

struct vector oracle_label_join(struct oracle *o, const struct expr *expr)
{
	struct slice target = oracle_string(expr->call.args[1]),
		     separator = oracle_string(expr->call.args[2]);
	for (uint32_t i = 3; i < expr->call.nargs; i++)
		check_name(o, "label_join", "source", oracle_string(expr->call.args[i]));
	check_name(o, "label_join", "destination", target);
	check_text(o, "label_join", "separator", separator);
	struct vector out = oracle_vector(o, expr->call.args[0]);
	for (size_t e = 0; e < out.n; e++) {
		struct slice value = { "", 0 };
		for (uint32_t i = 3; i < expr->call.nargs; i++) {
			struct slice part =
				tags_get(out.items[e].tags, oracle_string(expr->call.args[i]));
			char *joined = arena_printf(
				&o->arena, SLICE_FMT SLICE_FMT SLICE_FMT, SLICE_ARG(value),
				i > 3 ? (int)separator.len : 0, separator.ptr, SLICE_ARG(part));
			value = slice_from(joined);
		}
		out.items[e].tags = tags_with(o, out.items[e].tags, target, value);
	}
	vector_check(o, &out);
	return out;
}
