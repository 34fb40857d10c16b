#include "rules/log_internal.h"

#include <math.h>

#include "base/error.h"

struct log_filter_step {
	enum log_filter_kind kind;
	const struct log_filter_step *left, *right;
	struct slice name;
	uint32_t print;
	const struct matcher *matcher; /* the pipeline's own */
	enum log_compare compare;
	double number; /* of durations in nanoseconds */
	const struct log_ip *ip;
};

int log_filter_compile(const struct log_compiler *compiler, const struct log_filter *filter,
		       const struct log_filter_step **out)
{
	struct log_filter_step *step = ARENA_NEW(compiler->arena, struct log_filter_step);
	int err = 0;

	if (!step)
		return ERR_NOMEM;
	step->kind = filter->kind;
	if (filter->kind == FILTER_AND || filter->kind == FILTER_OR) {
		err = log_filter_compile(compiler, filter->left, &step->left);
		if (!err)
			err = log_filter_compile(compiler, filter->right, &step->right);
		*out = step;
		return err;
	}
	step->name = arena_slice(compiler->arena, filter->name);
	if (!step->name.ptr)
		return ERR_NOMEM;
	step->print = name_print(step->name);
	step->compare = filter->compare;
	step->number =
		filter->kind == FILTER_DURATION ? round(filter->number * 1e9) : filter->number;
	err = log_needs(compiler, step->name);
	/* What the parser refused, it has complained about. */
	if (!err && filter->kind == FILTER_STRING && !filter->matcher)
		err = ERR_INVALID;
	if (!err && filter->kind == FILTER_STRING) {
		step->matcher = log_matcher_keep(compiler, filter->matcher);
		err = step->matcher ? 0 : ERR_NOMEM;
	}
	if (!err && filter->kind == FILTER_IP)
		err = log_ip_compile(compiler, filter->literal, &step->ip);
	*out = step;
	return err;
}

static bool compare(enum log_compare op, double a, double b)
{
	switch (op) {
	case COMPARE_EQ:
		return a == b;
	case COMPARE_NE:
		return a != b;
	case COMPARE_GT:
		return a > b;
	case COMPARE_GE:
		return a >= b;
	case COMPARE_LT:
		return a < b;
	case COMPARE_LE:
		return a <= b;
	}
	return false;
}

static int value_parse(enum log_filter_kind kind, struct slice text, double *out)
{
	int64_t ns;

	if (kind == FILTER_NUMBER)
		return log_number_parse(text, out);
	if (kind == FILTER_BYTES)
		return log_bytes_parse(text, out);
	int err = log_duration_parse(text, &ns);

	if (!err)
		*out = (double)ns;
	return err;
}

/*
 * All but those that compare texts: without the label the line goes, with a value that is none it
 * stays, marked; a line that is marked already is no concern of theirs.
 */
static bool number_is_kept(const struct log_filter_step *step, struct log_scratch *scratch)
{
	double value;

	if (scratch->error)
		return true;
	struct slice text = log_label_get(scratch, step->name, step->print);

	if (text.len == 0)
		return false;
	if (step->kind == FILTER_IP)
		return log_ip_is_in(step->ip, text) == (step->compare == COMPARE_EQ);
	if (value_parse(step->kind, text, &value)) {
		log_fail(scratch, LOG_ERROR_FILTER);
		return true;
	}
	return compare(step->compare, value, step->number);
}

bool log_filter_is_kept(const struct log_filter_step *step, struct log_scratch *scratch)
{
	switch (step->kind) {
	case FILTER_AND:
		return log_filter_is_kept(step->left, scratch) &&
		       log_filter_is_kept(step->right, scratch);
	case FILTER_OR:
		return log_filter_is_kept(step->left, scratch) ||
		       log_filter_is_kept(step->right, scratch);
	case FILTER_STRING:
		return matcher_is_match(step->matcher,
					log_label_get(scratch, step->name, step->print));
	default:
		return number_is_kept(step, scratch);
	}
}
