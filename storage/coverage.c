/*
 * Since when selectors are covered: from then on everything that they want was kept. One that is
 * new is covered since now, or as long as a wider one that stands already, or as was told for its
 * text (after a restart).
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "storage/store_internal.h"

/* A narrower selector looks at no more than so many others for one that was fed what it wants. */
#define COVER_CANDIDATES_MAX 1024

int store_coverage_restore(struct store *store, struct slice text, int64_t since_ms)
{
	struct standing *standing = selector_by_text(store, text);
	if (standing) {
		if (since_ms < standing->selector.covered_since_ms)
			standing->selector.covered_since_ms = since_ms;
		return 0;
	}
	if (store->ncoverage == COVERAGE_MAX)
		return ERR_LIMIT;
	if (!ARRAY_RESERVE(&store->coverage, store->ncoverage, &store->coverage_cap))
		return ERR_NOMEM;
	char *copy = slice_dup(text);
	if (!copy)
		return ERR_NOMEM;
	store->coverage[store->ncoverage++] = (struct coverage){
		.text = copy, .hash = selector_text_hash(store, text), .since_ms = since_ms
	};
	return 0;
}

struct selector *store_coverage_fill(struct store *store, struct slice text, int64_t since_ms)
{
	struct standing *standing = selector_by_text(store, text);
	if (!standing)
		return NULL;
	struct selector *selector = &standing->selector;
	if (since_ms < selector->covered_since_ms)
		selector->covered_since_ms = since_ms;
	/* What was dropped before is there again, as far as it is still demanded. */
	int64_t kept_ms = selector_horizon_ms(selector);
	if (kept_ms < since_ms)
		kept_ms = since_ms;
	if (kept_ms < standing->dropped_ms)
		standing->dropped_ms = kept_ms;
	return selector;
}

void coverage_break(struct store *store)
{
	while (store->ncoverage > 0)
		free(store->coverage[--store->ncoverage].text);
}

void coverage_fini(struct store *store)
{
	coverage_break(store);
	free(store->coverage);
}

void selectors_time_told(struct store *store)
{
	for (uint32_t i = 0; i < store->nselectors; i++)
		if (store->selectors[i]->covered_since_ms == COVERED_SINCE_TOLD)
			store->selectors[i]->covered_since_ms = store->now_ms;
}

/* Takes what was told for this text. */
static bool coverage_take(struct store *store, const struct standing *standing, int64_t *since_ms)
{
	for (uint32_t i = 0; i < store->ncoverage; i++) {
		if (store->coverage[i].hash != standing->text_hash ||
		    strcmp(store->coverage[i].text, standing->selector.text) != 0)
			continue;
		*since_ms = store->coverage[i].since_ms;
		free(store->coverage[i].text);
		store->coverage[i] = store->coverage[--store->ncoverage];
		return true;
	}
	return false;
}

/* Are all matchers of `wide` among those of `narrow`? Both are in canonical order. */
static bool is_wider(const struct selector *wide, const struct selector *narrow)
{
	size_t at = 0;
	for (size_t i = 0; i < wide->nmatchers; i++) {
		while (at < narrow->nmatchers &&
		       !matcher_is_equal(&wide->matchers[i], &narrow->matchers[at]))
			at++;
		if (at++ == narrow->nmatchers)
			return false;
	}
	return true;
}

/* A wider selector stands at a node whose equalities are among those of the narrower one. */
static int64_t coverage_of_wider(struct store *store, const struct standing *narrow)
{
	int64_t since_ms = store->now_ms == TIME_NONE ? COVERED_SINCE_TOLD : store->now_ms;
	struct subject equalities;
	equalities.n = 0;
	for (size_t i = 0; i < narrow->selector.nmatchers; i++) {
		const struct compiled_matcher *matcher = &narrow->compiled[i];
		if (matcher->type == MATCH_EQ && matcher->value != SYMBOL_NONE)
			equalities.labels[equalities.n++] =
				(struct subject_label){ .name = matcher->name,
							.value = matcher->value };
	}
	store->found.n = 0;
	if (selector_index_find(&store->index, &equalities, &store->found) < 0)
		return since_ms;
	for (uint32_t i = 0; i < store->found.n && i < COVER_CANDIDATES_MAX; i++) {
		const struct standing *wide = store->found.items[i];
		int64_t its_ms = wide->selector.covered_since_ms;
		if (its_ms < wide->dropped_ms)
			its_ms = wide->dropped_ms;
		if (its_ms < since_ms && is_wider(&wide->selector, &narrow->selector))
			since_ms = its_ms;
	}
	return since_ms;
}

int64_t coverage_begin_ms(struct store *store, const struct standing *standing)
{
	int64_t since_ms;
	return coverage_take(store, standing, &since_ms) ? since_ms
							 : coverage_of_wider(store, standing);
}
