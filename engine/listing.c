#include "engine/listing.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/engine_internal.h"
#include "rules/expr.h"

/* ---- on the caller's thread ---- */

int listing_new(enum listing_kind kind, struct engine_query **out)
{
	struct engine_query *query = calloc(1, sizeof(*query));
	struct listing *listing = calloc(1, sizeof(*listing));
	if (!query || !listing) {
		free(query);
		free(listing);
		return ERR_NOMEM;
	}
	arena_init(&query->arena, 0);
	*listing = (struct listing){ .kind = kind, .start_ms = INT64_MIN, .end_ms = INT64_MAX };
	listing->oldest_ms = INT64_MAX;
	listing->newest_ms = INT64_MIN;
	query->listing = listing;
	*out = query;
	return 0;
}

static void free_counts(struct listing_count *counts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(counts[i].name);
	free(counts);
}

void listing_free(struct listing *listing)
{
	if (!listing)
		return;
	for (uint32_t i = 0; i < listing->nselectors; i++)
		expr_fini(listing->selectors[i]);
	for (size_t i = 0; listing->series && i < listing->n; i++)
		labels_unref(listing->series[i]);
	for (size_t i = 0; listing->texts && i < listing->n; i++)
		free(listing->texts[i]);
	free(listing->series);
	free(listing->texts);
	free_counts(listing->by_metric, listing->nby_metric);
	free_counts(listing->by_label, listing->nby_label);
	id_map_fini(&listing->seen);
	for (size_t i = 0; i < listing->nvalues; i++)
		id_map_fini(&listing->values[i]);
	free(listing->values);
	id_map_fini(&listing->labels);
	id_map_fini(&listing->metrics);
	free(listing);
}

int listing_selector_add(struct engine_query *query, struct slice text, struct diag_list *diags)
{
	struct listing *listing = query->listing;
	struct source *source = ARENA_NEW(&query->arena, struct source);
	struct slice copy = arena_slice(&query->arena, text);
	struct expr *expr;
	if (listing->nselectors == LISTING_SELECTORS_MAX)
		return ERR_LIMIT;
	if (!source || (text.len && !copy.ptr))
		return ERR_NOMEM;
	*source = (struct source){ .text = copy, .line0 = 1, .column0 = 1 };
	int code = expr_parse_dialect(source, EXPR_PROMETHEUS, &query->arena, diags, &expr);
	if (code)
		return code;
	if (expr->kind != EXPR_SELECTOR || expr->type != VALUE_VECTOR || expr->offset_expr ||
	    expr->selector.offset_ms || expr->at != AT_NONE) {
		diag_add_at(diags, DIAG_ERROR, source, 0, (uint32_t)text.len, NULL,
			    "expected a selector, such as up{job=\"a\"}");
		expr_fini(expr);
		return ERR_INVALID;
	}
	listing->selectors[listing->nselectors++] = expr;
	return 0;
}

/* ---- on the engine's ---- */

static bool is_selected_by(const struct engine *engine, const struct expr *selector, uint32_t lset)
{
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *m = &selector->selector.matchers[i];
		uint32_t name = symbol_find(engine->lsets, matcher_name(m));
		struct slice value = { "", 0 };
		if (name != SYMBOL_NONE)
			value = symbol_text(engine->lsets, lset_get(engine->lsets, lset, name));
		if (!matcher_is_match(m, value))
			return false;
	}
	return true;
}

static bool is_wanted(const struct engine *engine, const struct listing *listing,
		      const struct series *series)
{
	const struct window *w = &series->window;
	bool selected = listing->nselectors == 0;
	if (!w->n || window_newest_ms(w) < listing->start_ms ||
	    w->base_ms + window_offsets(w)[w->start] > listing->end_ms)
		return false;
	for (uint32_t i = 0; i < listing->nselectors && !selected; i++)
		selected = is_selected_by(engine, listing->selectors[i], series->lset);
	return selected;
}

/* Of texts the first in order are told: which these are is known at the end. */
static size_t room_max(const struct listing *listing)
{
	bool is_any_enough = listing->kind == LIST_SERIES;
	return is_any_enough && listing->limit && listing->limit < LISTING_MAX ? listing->limit
										: LISTING_MAX;
}

/* Room for one more; false: there is none, or what is there is enough. */
static bool make_room(struct listing *listing, int *code)
{
	if (listing->n == room_max(listing)) {
		listing->truncated = true;
		return false;
	}
	if (listing->n & (listing->n - 1) || (listing->n == 0 && (listing->series || listing->texts)))
		return true;
	size_t cap = listing->n ? 2 * listing->n : 1;
	void **list = listing->kind == LIST_SERIES ? (void **)&listing->series
						   : (void **)&listing->texts;
	void *grown = realloc(*list, cap * sizeof(void *));
	if (!grown) {
		*code = ERR_NOMEM;
		return false;
	}
	*list = grown;
	return true;
}

static int add_series(struct engine *engine, struct listing *listing, uint32_t lset)
{
	int code = 0;
	if (!make_room(listing, &code))
		return code;
	struct labels *labels = lset_to_labels(engine->lsets, lset);
	if (!labels)
		return ERR_NOMEM;
	listing->series[listing->n++] = labels;
	return 0;
}

/* A symbol's text, once. */
static int add_text(struct engine *engine, struct listing *listing, uint32_t symbol)
{
	int code = 0;
	if (symbol == SYMBOL_NONE || id_map_find(&listing->seen, symbol) != ID_MAP_NONE)
		return 0;
	if (!make_room(listing, &code))
		return code;
	char *text = slice_dup(symbol_text(engine->lsets, symbol));
	if (!text)
		return ERR_NOMEM;
	listing->texts[listing->n++] = text;
	return id_map_put(&listing->seen, symbol, 0) ? 0 : ERR_NOMEM;
}

/* The place of a symbol's count, found or added. */
static int count_of(struct engine *engine, struct id_map *places, struct listing_count **counts,
		    size_t *n, uint32_t symbol, uint32_t *at)
{
	*at = id_map_find(places, symbol);
	if (*at != ID_MAP_NONE)
		return 0;
	if ((*n & (*n - 1)) == 0) {
		struct listing_count *grown =
			realloc(*counts, (*n ? 2 * *n : 1) * sizeof(*grown));
		if (!grown)
			return ERR_NOMEM;
		*counts = grown;
	}
	char *name = slice_dup(symbol_text(engine->lsets, symbol));
	if (!name)
		return ERR_NOMEM;
	*at = (uint32_t)*n;
	(*counts)[(*n)++] = (struct listing_count){ name, 0 };
	return id_map_put(places, symbol, *at) ? 0 : ERR_NOMEM;
}

/* A value of a label, which counts once. */
static int count_value(struct engine *engine, struct listing *listing, struct lset_pair pair)
{
	uint32_t at;
	int code = count_of(engine, &listing->labels, &listing->by_label, &listing->nby_label,
			    pair.name, &at);
	if (code)
		return code;
	if (at >= listing->nvalues) {
		struct id_map *values =
			realloc(listing->values, listing->nby_label * 2 * sizeof(*values));
		if (!values)
			return ERR_NOMEM;
		listing->values = values;
		for (; listing->nvalues < listing->nby_label * 2; listing->nvalues++)
			values[listing->nvalues] = (struct id_map){ .slots = NULL };
	}
	struct id_map *values = &listing->values[at];
	if (id_map_find(values, pair.value) != ID_MAP_NONE)
		return 0;
	listing->by_label[at].n++;
	listing->npairs++;
	return id_map_put(values, pair.value, 0) ? 0 : ERR_NOMEM;
}

static int add_statistics(struct engine *engine, struct listing *listing,
			  const struct series *series)
{
	const struct window *w = &series->window;
	int64_t oldest_ms = w->base_ms + window_offsets(w)[w->start], newest_ms = window_newest_ms(w);
	uint32_t name = lset_get(engine->lsets, series->lset, engine->symbol.name);
	size_t npairs = lset_count(engine->lsets, series->lset);
	uint32_t at;
	int code = 0;
	listing->nseries++;
	listing->oldest_ms = oldest_ms < listing->oldest_ms ? oldest_ms : listing->oldest_ms;
	listing->newest_ms = newest_ms > listing->newest_ms ? newest_ms : listing->newest_ms;
	if (name != SYMBOL_NONE) {
		code = count_of(engine, &listing->metrics, &listing->by_metric,
				&listing->nby_metric, name, &at);
		if (!code)
			listing->by_metric[at].n++;
	}
	for (size_t i = 0; i < npairs && !code; i++)
		code = count_value(engine, listing, lset_pairs(engine->lsets, series->lset)[i]);
	return code;
}

static int add(struct engine *engine, struct listing *listing, const struct series *series)
{
	uint32_t label;
	size_t n = lset_count(engine->lsets, series->lset);
	int code = 0;
	switch (listing->kind) {
	case LIST_SERIES:
		return add_series(engine, listing, series->lset);
	case LIST_LABEL_VALUES:
		label = symbol_find(engine->lsets, listing->label);
		return label == SYMBOL_NONE
			       ? 0
			       : add_text(engine, listing,
					  lset_get(engine->lsets, series->lset, label));
	case LIST_LABEL_NAMES:
		for (size_t i = 0; i < n && !code; i++)
			code = add_text(engine, listing,
					lset_pairs(engine->lsets, series->lset)[i].name);
		return code;
	case LIST_STATISTICS:
		return add_statistics(engine, listing, series);
	}
	return 0;
}

/*
 * Rows are walked as they stand when their turn comes: what is born or forgotten meanwhile may be
 * in the answer or not.
 */
int listing_step(struct engine *engine, struct engine_query *query, int64_t *units)
{
	struct listing *listing = query->listing;
	for (struct series *series;
	     !listing->truncated && (series = store_next(engine->store, &listing->row));) {
		bool wanted = is_wanted(engine, listing, series);
		int code = wanted ? add(engine, listing, series) : 0;
		if (code)
			return code;
		*units -= wanted ? UNITS_LISTED : UNITS_LOOKED_AT;
		if (*units <= 0)
			return ERR_AGAIN;
	}
	return 0;
}
