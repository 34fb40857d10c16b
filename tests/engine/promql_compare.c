/* Is what came of it what was expected? */
#include <stdio.h>

#include "base/regex.h"
#include "tests/engine/promql_internal.h"

#define EPSILON 1e-6

bool is_almost(double a, double b)
{
	if ((isnan(a) && isnan(b)) || a == b)
		return true;
	double sum = fabs(a) + fabs(b), difference = fabs(a - b);
	if (a == 0 || b == 0 || sum < 2.2250738585072014e-308)
		return difference < EPSILON * 2.2250738585072014e-308;
	return difference / fmin(sum, 1.7976931348623157e308) < EPSILON;
}

const struct wanted_series *eval_wanted(const struct eval *eval, const struct labels *labels)
{
	for (size_t i = 0; i < eval->n; i++)
		if (labels_is_equal(eval->series[i].labels, labels))
			return &eval->series[i];
	return NULL;
}

static bool are_rows_right(const struct eval *eval, const struct got *got)
{
	if (got->nrows != eval->n)
		return false;
	for (size_t i = 0; i < got->nrows; i++) {
		const struct wanted_series *wanted = eval_wanted(eval, got->rows[i].labels);
		if (!wanted || wanted->values.n != 1 ||
		    !is_almost(wanted->values.v[0], got->rows[i].value))
			return false;
		if (eval->ordered && wanted != &eval->series[i])
			return false;
	}
	return true;
}

static bool is_series_right(const struct wanted_series *wanted, const struct grid_series *got)
{
	uint32_t at = 0;
	for (size_t i = 0; i < wanted->values.n; i++) {
		if (wanted->values.kind[i])
			continue;
		if (at == got->n || got->points[at].step != i ||
		    !is_almost(wanted->values.v[i], got->points[at].value))
			return false;
		at++;
	}
	return at == got->n;
}

static bool are_series_right(struct script *script, const struct eval *eval, const struct got *got)
{
	if (got->grid.n != eval->n)
		return false;
	for (uint32_t i = 0; i < got->grid.n; i++) {
		struct labels *labels =
			lset_to_labels(store_lsets(script->world.store), got->grid.series[i].lset);
		const struct wanted_series *wanted = eval_wanted(eval, labels);
		labels_unref(labels);
		if (!wanted || !is_series_right(wanted, &got->grid.series[i]))
			return false;
	}
	return true;
}

static bool says(const struct expectation *e, struct slice text)
{
	if (!e->text)
		return true;
	if (e->is_regex)
		return regex_search(slice_from(e->text), text) == 1;
	return slice_is(text, e->text);
}

/* Each expectation is met by a note, and each note by an expectation. */
static bool are_notes_right(const struct eval *eval, const struct got *got, enum what some,
			    enum what none, enum note_kind kind)
{
	bool met[EXPECTATIONS_MAX] = { false };
	if (!eval_expects(eval, some) && !eval_expects(eval, none))
		return true;
	for (uint32_t i = 0; i < got->notes.n; i++) {
		struct buf text;
		bool is_met = false;
		if (got->notes.items[i].kind != kind)
			continue;
		if (eval_expects(eval, none))
			return false;
		buf_init(&text);
		note_format(&got->notes.items[i], slice_from(eval->expr), &text);
		for (size_t e = 0; e < eval->nexpectations; e++)
			if (eval->expectations[e].what == some &&
			    says(&eval->expectations[e], buf_slice(&text)))
				is_met = met[e] = true;
		buf_fini(&text);
		if (!is_met)
			return false;
	}
	for (size_t e = 0; e < eval->nexpectations; e++)
		if (eval->expectations[e].what == some && !met[e])
			return false;
	return true;
}

/* It is written as in an expression. */
static bool is_string_right(const struct eval *eval, const struct got *got)
{
	struct query wanted;
	bool ok = query_parse(&wanted, eval->string.ptr, eval->string.len) &&
		  wanted.expr->kind == EXPR_STRING && got->type == VALUE_STRING &&
		  slice_is(wanted.expr->string, got->string);
	query_fini(&wanted);
	return ok;
}

bool got_is_right(struct script *script, const struct eval *eval, const struct got *got)
{
	if (eval_expects(eval, FAIL)) {
		bool ok = got->error[0];
		for (size_t e = 0; e < eval->nexpectations; e++)
			ok = ok && (eval->expectations[e].what != FAIL ||
				    says(&eval->expectations[e], slice_from(got->error)));
		return ok;
	}
	if (got->error[0] || !are_notes_right(eval, got, WARN, NO_WARN, NOTE_WARNING) ||
	    !are_notes_right(eval, got, INFO, NO_INFO, NOTE_INFO))
		return false;
	if (eval->is_string)
		return is_string_right(eval, got);
	if (eval->is_range || eval->is_matrix)
		return are_series_right(script, eval, got);
	if (got->type == VALUE_SCALAR || eval->is_scalar)
		return got->type == VALUE_SCALAR && eval->is_scalar &&
		       is_almost(got->scalar, eval->scalar);
	return are_rows_right(eval, got);
}

void got_print(struct script *script, const struct got *got)
{
	struct buf text;
	buf_init(&text);
	if (got->error[0])
		buf_printf(&text, " error: %s", got->error);
	else if (got->type == VALUE_SCALAR && !got->grid.n)
		buf_printf(&text, " %.17g", got->scalar);
	for (size_t i = 0; i < got->nrows; i++) {
		buf_add_str(&text, "\n    ");
		labels_format(got->rows[i].labels, &text);
		buf_printf(&text, " %.17g", got->rows[i].value);
	}
	for (uint32_t i = 0; i < got->grid.n; i++) {
		const struct grid_series *series = &got->grid.series[i];
		struct labels *labels =
			lset_to_labels(store_lsets(script->world.store), series->lset);
		buf_add_str(&text, "\n    ");
		labels_format(labels, &text);
		for (uint32_t k = 0; k < series->n; k++)
			buf_printf(&text, " %u:%.17g", series->points[k].step,
				   series->points[k].value);
		labels_unref(labels);
	}
	for (uint32_t i = 0; i < got->notes.n; i++)
		buf_printf(&text, "\n    (%s)", got->notes.items[i].text);
	printf("  got%s\n", text.len ? text.ptr : " nothing");
	buf_fini(&text);
}
