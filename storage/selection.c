/* The kept series that match now, found in pieces: for ad-hoc queries. */
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "storage/store_internal.h"

struct selection {
	struct store *store;
	struct compiled_matcher compiled[SELECTOR_MATCHERS_MAX];
	size_t ncompiled;
	struct series_scan scan;
	struct series **found;
	uint32_t nfound, cap;
};

int selection_new(struct store *store, const struct matcher *matchers, size_t n,
		  struct selection **out)
{
	if (n > SELECTOR_MATCHERS_MAX)
		return ERR_LIMIT;
	struct selection *selection = calloc(1, sizeof(*selection));
	if (!selection)
		return ERR_NOMEM;
	selection->store = store;
	/* With references: a symbol must mean the same text to the end. */
	int code = matchers_compile(&store->memo, matchers, n, true, selection->compiled);
	if (code == 0) {
		selection->ncompiled = n;
		code = series_scan_init(&selection->scan, store, selection->compiled, n);
	}
	if (code < 0) {
		selection_free(selection);
		return code;
	}
	*out = selection;
	return 0;
}

void selection_free(struct selection *selection)
{
	if (!selection)
		return;
	for (uint32_t i = 0; i < selection->nfound; i++)
		series_unpin(selection->store, selection->found[i]);
	free(selection->found);
	matchers_release(&selection->store->memo, selection->compiled, selection->ncompiled);
	series_scan_fini(&selection->scan);
	free(selection);
}

int selection_step(struct selection *selection, int64_t *units)
{
	struct store *store = selection->store;
	struct subject subject;
	for (;;) {
		if (*units <= 0)
			return ERR_AGAIN;
		struct kept *kept = series_scan_next(&selection->scan);
		if (!kept)
			return 0;
		*units -= STORE_UNITS_MET;
		subject_from_lset(store->lsets, kept->series.lset, &subject);
		bool matches = compiled_is_match(&store->memo, selection->compiled,
						 selection->ncompiled, &subject);
		regex_memo_settle(&store->memo);
		if (!matches)
			continue;
		if (!ARRAY_RESERVE(&selection->found, selection->nfound, &selection->cap))
			return ERR_NOMEM;
		series_pin(&kept->series);
		selection->found[selection->nfound++] = &kept->series;
	}
}

struct series **selection_take(struct selection *selection, size_t *count)
{
	struct series **found = selection->found;
	*count = selection->nfound;
	selection->found = NULL;
	selection->nfound = selection->cap = 0;
	return found;
}

int store_select(struct store *store, const struct matcher *matchers, size_t n,
		 struct series ***out, size_t *count)
{
	int64_t units = INT64_MAX;
	struct selection *selection;
	int code = selection_new(store, matchers, n, &selection);
	if (code < 0)
		return code;
	code = selection_step(selection, &units);
	if (code == 0) {
		*out = selection_take(selection, count);
		for (size_t i = 0; i < *count; i++)
			series_unpin(store, (*out)[i]);
	}
	selection_free(selection);
	return code;
}
