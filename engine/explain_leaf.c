#include "engine/explain_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/numeric.h"

#define NAMES_BATCH 100 /* compared with the name that is missed, in a piece */
#define UNITS_NAME_COMPARED 50

static const char *selector_text(const struct explain_work *work, const struct node *leaf)
{
	const struct plan *plan = work->query->plan;
	return leaf->plan->log ? plan->logs[leaf->plan->log - 1].name
			       : plan->selectors[leaf->plan->selector].text;
}

/* ---- a series that is there ---- */

static void why_range(struct explain_work *work, const struct node *leaf,
		      const struct series *series, int64_t end_ms, int64_t newest_ms)
{
	struct explain *explain = work->explain;
	struct window_view view;
	const char *name = explain_labels(explain, work->query->binding, series->lset);
	const char *range = explain_duration(explain, leaf->plan->range_ms);
	const char *age = explain_duration(explain, explain->t_ms - newest_ms);
	window_range(&series->window, end_ms - leaf->plan->range_ms, end_ms, &view);
	if (view.n == 0)
		explain_end(work, EXPLAIN_TOO_OLD,
			    explain_says(explain,
					 "%s has no sample in the %s that are looked at; "
					 "its newest is %s old",
					 name, range, age));
	else
		explain_end(work, EXPLAIN_TOO_FEW,
			    explain_says(explain,
					 "%s has %zu sample%s in the %s that are looked "
					 "at: too few for %s()",
					 name, view.n, view.n == 1 ? "" : "s", range,
					 leaf->plan->function->name));
}

static void why_series(struct engine *engine, struct explain_work *work, const struct node *leaf,
		       uint32_t row)
{
	struct explain *explain = work->explain;
	uint32_t n;
	const struct series *series = source_members(leaf->source, &n)[row];
	int64_t end_ms = node_end_ms(work->query->binding, leaf->plan), newest_ms;
	const char *name = explain_labels(explain, work->query->binding, series->lset);
	double value;
	if (!window_last(&series->window, end_ms, &newest_ms, &value)) {
		explain_end(work, EXPLAIN_NO_SAMPLE,
			    explain_says(explain,
					 "%s has no sample up to the time that is looked "
					 "at",
					 name));
		return;
	}
	const char *age = explain_duration(explain, explain->t_ms - newest_ms);
	if (value_is_stale(value))
		explain_end(
			work, EXPLAIN_ENDED,
			explain_says(explain, "%s ended %s ago, with a stale marker", name, age));
	else if (leaf->plan->op == PLAN_RANGE)
		why_range(work, leaf, series, end_ms, newest_ms);
	else
		explain_end(
			work, EXPLAIN_TOO_OLD,
			explain_says(explain,
				     "the newest sample of %s is %s old: the lookback "
				     "is %s",
				     name, age,
				     explain_duration(explain, engine->options.store.lookback_ms)));
}

/* ---- values that are near ---- */

struct values {
	const char *items[EXPLAIN_VALUES_MAX];
	uint32_t symbols[EXPLAIN_VALUES_MAX], n;
};

static void values_add(struct engine *engine, struct explain *explain, struct values *values,
		       uint32_t symbol)
{
	if (symbol == SYMBOL_NONE || values->n == EXPLAIN_VALUES_MAX)
		return;
	for (uint32_t i = 0; i < values->n; i++)
		if (values->symbols[i] == symbol)
			return;
	struct slice text = symbol_text(engine->lsets, symbol);
	values->symbols[values->n] = symbol;
	values->items[values->n] =
		explain_says(explain, "%.*s", (int)(text.len < 100 ? text.len : 100), text.ptr);
	values->n++;
}

/* "; there is a="b", "c" and 3 more": the values of a label, the likely slip first. */
static const char *tell_values(struct explain *explain, const char *label, const char *wanted,
			       struct values *values)
{
	struct buf text;
	if (values->n == 0)
		return "";
	const char *near = nearest_name(slice_from(wanted), values->items, values->n);
	if (near)
		return explain_says(explain, "; did you mean %s=\"%s\"?", label, near);
	buf_init(&text);
	buf_printf(&text, "; there is %s=", label);
	uint32_t shown = values->n < EXPLAIN_NEAREST_MAX ? values->n : EXPLAIN_NEAREST_MAX;
	for (uint32_t i = 0; i < shown; i++)
		buf_printf(&text, "%s\"%s\"", i ? ", " : "", values->items[i]);
	if (values->n > shown)
		buf_printf(&text, " and others");
	const char *copy = explain_says(explain, "%s", buf_ok(&text) ? text.ptr : "");
	buf_fini(&text);
	return copy;
}

/* ---- series, but none of these labels ---- */

static const char *matcher_text(struct explain *explain, const struct matcher *matcher)
{
	struct buf text;
	buf_init(&text);
	matcher_format(matcher, &text);
	const char *copy = explain_says(explain, "%s", buf_ok(&text) ? text.ptr : "");
	buf_fini(&text);
	return copy;
}

/* Values of the label in the rows of the leaf. */
static void row_values(struct engine *engine, struct explain *explain, const struct node *leaf,
		       uint32_t name, struct values *values)
{
	uint32_t n = leaf->rows->n < EXPLAIN_ROWS_MAX ? leaf->rows->n : EXPLAIN_ROWS_MAX;
	for (uint32_t row = 0; row < n && name != SYMBOL_NONE; row++)
		if (rows_has(leaf->rows, row))
			values_add(engine, explain, values,
				   lset_get(engine->lsets, leaf->rows->lsets[row], name));
}

/* The first wish that no row fulfils, with what there is; else they are not fulfilled together. */
static const char *unmet(struct engine *engine, struct explain_work *work, const struct node *leaf)
{
	struct explain *explain = work->explain;
	const struct sought *all = &work->sought;
	for (uint32_t i = 0; i < all->npairs; i++) {
		struct sought one = { .pairs = { all->pairs[i] }, .npairs = 1 };
		struct values values = { .n = 0 };
		if (sought_next(engine, work, leaf, &one, 0) != ROW_NONE)
			continue;
		const char *label =
			explain_says(explain, SLICE_FMT,
				     SLICE_ARG(symbol_text(engine->lsets, all->pairs[i].name)));
		const char *value =
			explain_says(explain, SLICE_FMT,
				     SLICE_ARG(symbol_text(engine->lsets, all->pairs[i].value)));
		row_values(engine, explain, leaf, all->pairs[i].name, &values);
		return explain_says(explain, "none with %s=\"%s\"%s", label, value,
				    tell_values(explain, label, value, &values));
	}
	for (size_t i = 0; i < explain->nmatchers; i++) {
		const struct matcher *matcher = &explain->matchers[i];
		struct sought one = { .asks_matchers = true,
				      .applies = all->applies & UINT64_C(1) << i };
		struct values values = { .n = 0 };
		if (!one.applies || sought_next(engine, work, leaf, &one, 0) != ROW_NONE)
			continue;
		row_values(engine, explain, leaf, symbol_find(engine->lsets, matcher_name(matcher)),
			   &values);
		return explain_says(explain, "none with %s%s", matcher_text(explain, matcher),
				    tell_values(explain, matcher->name, matcher->value, &values));
	}
	return "none with all of these labels";
}

/* ---- no series at all ---- */

static bool has_one(struct engine *engine, struct series *const *series, size_t n,
		    const struct matcher *matcher, uint32_t name)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t value = name == SYMBOL_NONE
					 ? SYMBOL_NONE
					 : lset_get(engine->lsets, series[i]->lset, name);
		if (matcher_is_match(matcher, symbol_text(engine->lsets, value)))
			return true;
	}
	return false;
}

/* Of the series of that name: which matcher none of them meets. */
static const char *unmet_matcher(struct engine *engine, struct explain *explain,
				 const struct plan_selector *selector, struct series *const *series,
				 size_t n)
{
	for (uint32_t i = 0; i < selector->nmatchers; i++) {
		const struct matcher *matcher = &selector->matchers[i];
		uint32_t name = symbol_find(engine->lsets, matcher_name(matcher));
		struct values values = { .n = 0 };
		if (has_one(engine, series, n, matcher, name))
			continue;
		for (size_t k = 0; k < n && name != SYMBOL_NONE; k++)
			values_add(engine, explain, &values,
				   lset_get(engine->lsets, series[k]->lset, name));
		return explain_says(explain, "none with %s%s", matcher_text(explain, matcher),
				    tell_values(explain, matcher->name, matcher->value, &values));
	}
	return "none that meets all matchers";
}

static bool why_no_series(struct engine *engine, struct explain_work *work, const struct node *leaf)
{
	struct explain *explain = work->explain;
	const struct plan_selector *selector = &work->query->plan->selectors[leaf->plan->selector];
	const struct matcher *name =
		leaf->plan->log ? NULL
				: matchers_find_metric(selector->matchers, selector->nmatchers);
	struct series **series = NULL;
	size_t n = 0;
	if (name)
		store_select(engine->store, name, 1, &series, &n);
	if (name && n > 0) {
		size_t looked = n < EXPLAIN_ROWS_MAX ? n : EXPLAIN_ROWS_MAX;
		explain_end(work, EXPLAIN_NO_SERIES,
			    explain_says(explain, "no series matches %s: of the %zu called %s %s",
					 selector_text(work, leaf), n, name->value,
					 unmet_matcher(engine, explain, selector, series, looked)));
	} else {
		explain_end(work, EXPLAIN_NO_SERIES,
			    explain_says(explain, "no series matches %s: none came",
					 selector_text(work, leaf)));
		if (name)
			work->wanted_name = matcher_value(name);
	}
	free(series);
	return work->wanted_name.len > 0;
}

bool explain_leaf_why(struct engine *engine, struct explain_work *work, const struct node *leaf,
		      uint32_t row)
{
	struct explain *explain = work->explain;
	uint32_t live = leaf->rows->live;
	if (row != ROW_NONE) {
		why_series(engine, work, leaf, row);
		return false;
	}
	if (live == 0)
		return why_no_series(engine, work, leaf);
	explain_end(work, EXPLAIN_NO_LABELS,
		    explain_says(explain, "%s holds %u series, %s", selector_text(work, leaf), live,
				 unmet(engine, work, leaf)));
	return false;
}

/* ---- names that are near ---- */

/* The nearest of a batch of names, kept for the end. */
static void batch_judge(struct explain_work *work, const char *const *names, uint32_t n)
{
	const char *near = nearest_name(work->wanted_name, names, n);
	if (near && work->nnear < EXPLAIN_NAMES_MAX / NAMES_BATCH)
		work->near[work->nnear++] = explain_says(work->explain, "%s", near);
}

static void names_tell(struct explain_work *work)
{
	struct explain *explain = work->explain;
	const char *near = nearest_name(work->wanted_name, work->near, work->nnear);
	if (near)
		explain->says =
			explain_says(explain, "%s; did you mean \"%s\"?", explain->says, near);
}

int explain_names_step(struct engine *engine, struct explain_work *work, int64_t *units)
{
	if (work->wanted_name.len == 0)
		return 0;
	if (!work->near)
		work->near = calloc(EXPLAIN_NAMES_MAX / NAMES_BATCH, sizeof(*work->near));
	if (!work->near)
		return 0; /* then nothing is suggested */
	for (bool more = true; more;) {
		char texts[NAMES_BATCH][NEAREST_NAME_MAX + 1];
		const char *names[NAMES_BATCH];
		uint32_t n = 0;
		if (*units <= 0)
			return ERR_AGAIN;
		for (; n < NAMES_BATCH && more && *units > 0; *units -= 1) {
			const struct series *series = store_next(engine->store, &work->cursor);
			more = series && work->at < EXPLAIN_NAMES_MAX;
			if (!more)
				break;
			uint32_t name = lset_get(engine->lsets, series->lset, engine->symbol.name);
			struct slice text = symbol_text(engine->lsets, name);
			if (name == SYMBOL_NONE || text.len > NEAREST_NAME_MAX ||
			    id_map_find(&work->names, name) != ID_MAP_NONE ||
			    !id_map_put(&work->names, name, 1))
				continue;
			snprintf(texts[n], sizeof(texts[n]), SLICE_FMT, SLICE_ARG(text));
			names[n] = texts[n];
			n++;
			work->at++;
		}
		batch_judge(work, names, n);
		*units -= (int64_t)n * UNITS_NAME_COMPARED;
	}
	names_tell(work);
	return 0;
}
