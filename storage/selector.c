/*
 * Standing selectors: their members and logs, how they are made and filled, and how they go.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "storage/store_internal.h"

/* ---- members ---- */

/* What hangs on a selector; the store's sum is told before and after it changes. */
static size_t standing_bytes(const struct standing *standing)
{
	const struct selector *selector = &standing->selector;
	return sizeof(*standing) + strlen(selector->text) +
	       selector->nmatchers * (sizeof(struct matcher) + sizeof(struct compiled_matcher)) +
	       standing->members_cap * (sizeof(struct series *) + sizeof(*standing->free_rows)) +
	       standing->log_cap * sizeof(*selector->log);
}

/*
 * The log always has room for the removal of each member, so that a removal cannot fail; and the
 * list of free rows for each row.
 */
static bool reserve(struct standing *standing)
{
	struct selector *selector = &standing->selector;
	uint32_t wanted = selector->nlog + selector->nlive + 2;
	if (wanted > standing->log_cap) {
		wanted += wanted / 2;
		if (!array_resize(&selector->log, wanted, sizeof(*selector->log)))
			return false;
		standing->log_cap = wanted;
	}
	if (standing->nfree > 0 || selector->nmembers < standing->members_cap)
		return true;
	uint32_t cap = standing->members_cap + standing->members_cap / 2 + 4;
	if (!array_resize(&selector->members, cap, sizeof(struct series *)) ||
	    !array_resize(&standing->free_rows, cap, sizeof(*standing->free_rows)))
		return false;
	standing->members_cap = cap;
	return true;
}

bool standing_reserve(struct standing *standing)
{
	size_t before = standing_bytes(standing);
	bool ok = reserve(standing);
	standing->store->selector_bytes += standing_bytes(standing) - before;
	return ok;
}

static void log_add(struct standing *standing, uint32_t row, bool added)
{
	struct selector *selector = &standing->selector;
	struct store *store = standing->store;
	assert(selector->nlog < standing->log_cap);
	selector->log[selector->nlog++] = (struct selector_change){ row, added };
	if (standing->changed)
		return;
	standing->changed = true;
	store->changed[store->nchanged++] = selector;
}

uint32_t standing_member_add(struct standing *standing, struct series *series, bool log)
{
	struct selector *selector = &standing->selector;
	uint32_t row =
		standing->nfree > 0 ? standing->free_rows[--standing->nfree] : selector->nmembers++;
	selector->members[row] = series;
	selector->nlive++;
	series->watched |= selector->is_watched;
	if (log)
		log_add(standing, row, true);
	return row;
}

void standing_member_remove(struct standing *standing, uint32_t row)
{
	struct selector *selector = &standing->selector;
	assert(row < selector->nmembers && selector->members[row]);
	selector->members[row] = NULL;
	selector->nlive--;
	log_add(standing, row, false);
}

void selector_log_clear(struct selector *selector)
{
	struct standing *standing = standing_of(selector);
	for (uint32_t i = 0; i < selector->nlog; i++)
		if (!selector->log[i].added)
			standing->free_rows[standing->nfree++] = selector->log[i].row;
	selector->nlog = 0;
	/* A burst of births is over: give back what the removals to come do not need. */
	uint32_t wanted = selector->nlive + 2;
	if (standing->log_cap / 2 < wanted + 64 ||
	    !array_resize(&selector->log, wanted, sizeof(*selector->log)))
		return;
	standing->store->selector_bytes -= (standing->log_cap - wanted) * sizeof(*selector->log);
	standing->log_cap = wanted;
}

/* ---- by text ---- */

uint32_t selector_text_hash(const struct store *store, struct slice text)
{
	return (uint32_t)hash_keyed64(&store->key, text.ptr, text.len);
}

struct standing *selector_by_text(const struct store *store, struct slice text)
{
	uint32_t hash = selector_text_hash(store, text);
	for (uint32_t at = hash, id;
	     (id = id_index_next(&store->selector_by_text, hash, &at)) != ID_NONE;)
		if (slice_is(text, store->selectors[id]->text))
			return standing_of(store->selectors[id]);
	return NULL;
}

/* ---- matching ---- */

int selectors_find(struct store *store, const struct subject *subject)
{
	struct standing_list *found = &store->found;
	found->n = 0;
	int code = selector_index_find(&store->index, subject, found);
	uint32_t n = found->n;
	found->n = 0; /* kept in place */
	for (uint32_t i = 0; i < n && code == 0; i++) {
		struct standing *standing = found->items[i];
		if (compiled_is_match(&store->memo, standing->compiled,
				      standing->selector.nmatchers, subject))
			found->items[found->n++] = standing;
	}
	return code;
}

static bool is_member(const struct series *series, const struct selector *selector)
{
	for (uint32_t i = 0; i < series->nmemberships; i++)
		if (series->memberships[i].selector == selector)
			return true;
	return false;
}

/* It may have come to the selector by its birth already, while this went on. */
static int take_member(struct store *store, struct standing *standing, struct series *series)
{
	struct selector *selector = &standing->selector;
	if (is_member(series, selector))
		return 0;
	if (!standing_reserve(standing))
		return ERR_NOMEM;
	uint32_t row =
		standing->nfree ? standing->free_rows[standing->nfree - 1] : selector->nmembers;
	if (!series_membership_add(store, series, selector, row))
		return ERR_NOMEM;
	standing_member_add(standing, series, false);
	return 0;
}

static void filling_end(struct standing *standing)
{
	if (standing->filling)
		series_scan_fini(standing->filling);
	free(standing->filling);
	standing->filling = NULL;
}

/* They are there from the beginning, so nothing is logged. */
int store_selector_fill(struct store *store, struct selector *selector, int64_t *units)
{
	struct standing *standing = standing_of(selector);
	struct subject subject;
	while (standing->filling) {
		if (*units <= 0)
			return ERR_AGAIN;
		struct kept *kept = series_scan_next(standing->filling);
		if (!kept) {
			filling_end(standing);
			break;
		}
		subject_from_lset(store->lsets, kept->series.lset, &subject);
		bool matches = compiled_is_match(&store->memo, standing->compiled,
						 selector->nmatchers, &subject);
		regex_memo_settle(&store->memo);
		int code = matches ? take_member(store, standing, &kept->series) : 0;
		if (code)
			return code;
		*units -= matches ? STORE_UNITS_TAKEN : STORE_UNITS_MET;
	}
	return 0;
}

/* ---- making and freeing ---- */

static void standing_free(struct standing *standing)
{
	struct selector *selector = &standing->selector;
	standing->store->selector_bytes -= standing_bytes(standing);
	filling_end(standing);
	if (standing->compiled)
		matchers_release(&standing->store->memo, standing->compiled, selector->nmatchers);
	free(standing->compiled);
	matchers_free(selector->matchers, selector->nmatchers);
	free(selector->text);
	free(selector->members);
	free(selector->log);
	free(selector->readers);
	free(standing->free_rows);
	free(standing);
}

static int compare_matchers(const void *a, const void *b)
{
	return matcher_compare(a, b);
}

/* A copy in canonical order, without repetitions. */
static int matchers_canonical(const struct matcher *matchers, size_t n, struct matcher **out,
			      size_t *count)
{
	struct matcher *list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return ERR_NOMEM;
	size_t made = 0;
	for (; made < n; made++) {
		if (matcher_dup(&matchers[made], &list[made]) < 0) {
			matchers_free(list, made);
			return ERR_NOMEM;
		}
	}
	qsort(list, n, sizeof(*list), compare_matchers);
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && matcher_is_equal(&list[kept - 1], &list[i]))
			matcher_fini(&list[i]);
		else
			list[kept++] = list[i];
	}
	*out = list;
	*count = kept;
	return 0;
}

static char *canonical_text(const struct matcher *matchers, size_t n)
{
	struct buf buf;
	buf_init(&buf);
	buf_add_char(&buf, '{');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(&buf, ',');
		matcher_format(&matchers[i], &buf);
	}
	buf_add_char(&buf, '}');
	return buf_take(&buf);
}

/* Not yet known to anybody but its symbols. */
static int standing_new(struct store *store, struct matcher *matchers, size_t n, char *text,
			struct standing **out)
{
	struct standing *standing = calloc(1, sizeof(*standing));
	if (!standing) {
		matchers_free(matchers, n);
		free(text);
		return ERR_NOMEM;
	}
	standing->store = store;
	standing->dropped_ms = TIME_NONE;
	standing->selector.matchers = matchers;
	standing->selector.nmatchers = n;
	standing->selector.text = text;
	standing->selector.refs = 1;
	standing->text_hash = selector_text_hash(store, slice_from(text));
	store->selector_bytes += standing_bytes(standing);
	struct compiled_matcher *compiled = calloc(n ? n : 1, sizeof(*compiled));
	if (!compiled || matchers_compile(&store->memo, matchers, n, true, compiled) < 0) {
		free(compiled);
		standing_free(standing);
		return ERR_NOMEM;
	}
	standing->compiled = compiled;
	*out = standing;
	return 0;
}

static bool selectors_reserve(struct store *store)
{
	if (store->nselectors < store->selectors_cap)
		return id_index_reserve(&store->selector_by_text);
	uint32_t cap = store->selectors_cap ? store->selectors_cap * 2 : 16;
	if (!array_resize(&store->selectors, cap, sizeof(struct selector *)) ||
	    !array_resize(&store->changed, cap, sizeof(struct selector *)))
		return false;
	store->selectors_cap = cap;
	return id_index_reserve(&store->selector_by_text);
}

static int filling_begin(struct store *store, struct standing *standing)
{
	standing->filling = calloc(1, sizeof(*standing->filling));
	if (!standing->filling)
		return ERR_NOMEM;
	int code = series_scan_init(standing->filling, store, standing->compiled,
				    standing->selector.nmatchers);
	if (code)
		filling_end(standing);
	return code;
}

/* Makes the selector known to the store: from here on new series come to it. */
static int standing_register(struct store *store, struct standing *standing)
{
	struct selector *selector = &standing->selector;
	if (!selectors_reserve(store))
		return ERR_NOMEM;
	selector->covered_since_ms = coverage_begin_ms(store, standing);
	int code = selector_index_add(&store->index, standing, standing->compiled,
				      selector->nmatchers, &standing->node);
	if (code < 0)
		return code;
	code = filling_begin(store, standing);
	if (code < 0) {
		selector_index_remove(&store->index, standing, standing->node);
		return code;
	}
	standing->place = store->nselectors;
	store->selectors[store->nselectors++] = selector;
	id_index_add(&store->selector_by_text, standing->text_hash, standing->place);
	key_table_epoch_raise(&store->keys);
	return 0;
}

int store_selector_begin(struct store *store, const struct matcher *matchers, size_t n,
			 struct selector **out)
{
	if (n > SELECTOR_MATCHERS_MAX)
		return ERR_LIMIT;
	struct matcher *list;
	int code = matchers_canonical(matchers, n, &list, &n);
	if (code < 0)
		return code;
	char *text = canonical_text(list, n);
	struct standing *standing = text ? selector_by_text(store, slice_from(text)) : NULL;
	if (!text || standing) {
		matchers_free(list, n);
		free(text);
		if (!standing)
			return ERR_NOMEM;
		standing->selector.refs++;
		*out = &standing->selector;
		return 0;
	}
	code = standing_new(store, list, n, text, &standing);
	if (code < 0)
		return code;
	code = standing_register(store, standing);
	if (code < 0) {
		standing_free(standing);
		return code;
	}
	*out = &standing->selector;
	return 0;
}

int store_selector_ref(struct store *store, const struct matcher *matchers, size_t n,
		       struct selector **out)
{
	int64_t units = INT64_MAX;
	struct selector *selector;
	int code = store_selector_begin(store, matchers, n, &selector);
	if (code < 0)
		return code;
	code = store_selector_fill(store, selector, &units);
	if (code < 0) {
		store_selector_unref(store, selector);
		return code;
	}
	*out = selector;
	return 0;
}

static void forget_change(struct store *store, const struct standing *standing)
{
	for (uint32_t i = 0; standing->changed && i < store->nchanged; i++) {
		if (store->changed[i] != &standing->selector)
			continue;
		store->nchanged--;
		memmove(store->changed + i, store->changed + i + 1,
			(store->nchanged - i) * sizeof(struct selector *));
		return;
	}
}

/* Nobody finds it any more, and no new series comes to it. */
static void leaving_begin(struct store *store, struct standing *standing)
{
	standing->leaving = true;
	selector_index_remove(&store->index, standing, standing->node);
	id_index_remove(&store->selector_by_text, standing->text_hash, standing->place);
}

static bool members_leave(struct standing *standing, int64_t *units)
{
	struct selector *selector = &standing->selector;
	for (; standing->leave_at < selector->nmembers; standing->leave_at++) {
		struct series *series = selector->members[standing->leave_at];
		if (*units <= 0)
			return false;
		*units -= series ? STORE_UNITS_MET : 1;
		if (!series)
			continue;
		series_membership_remove(standing->store, series, selector);
		selector->members[standing->leave_at] = NULL;
		selector->nlive--;
	}
	return true;
}

/* The last one takes its place. */
static void leaving_end(struct store *store, struct standing *standing)
{
	struct standing *last = standing_of(store->selectors[--store->nselectors]);
	forget_change(store, standing);
	if (last != standing) {
		if (!last->leaving)
			id_index_remove(&store->selector_by_text, last->text_hash, last->place);
		last->place = standing->place;
		store->selectors[last->place] = &last->selector;
		if (!last->leaving)
			id_index_add(&store->selector_by_text, last->text_hash, last->place);
	}
	standing_free(standing);
}

int store_selector_drop(struct store *store, struct selector *selector, int64_t *units)
{
	struct standing *standing = standing_of(selector);
	if (!standing->leaving) {
		assert(selector->refs > 0);
		if (--selector->refs > 0)
			return 0;
		leaving_begin(store, standing);
	}
	if (!members_leave(standing, units))
		return ERR_AGAIN;
	leaving_end(store, standing);
	return 0;
}

void store_selector_unref(struct store *store, struct selector *selector)
{
	int64_t units = INT64_MAX;
	store_selector_drop(store, selector, &units);
}

void selectors_fini(struct store *store)
{
	for (uint32_t i = 0; i < store->nselectors; i++)
		standing_free(standing_of(store->selectors[i]));
	coverage_fini(store);
	free(store->selectors);
	free(store->changed);
	standing_list_fini(&store->found);
	id_index_fini(&store->selector_by_text);
}

struct selector **store_selectors(struct store *store, size_t *n)
{
	*n = store->nselectors;
	return store->selectors;
}

struct selector **store_changed_selectors(struct store *store, size_t *n)
{
	*n = store->nchanged;
	return store->changed;
}

void store_changed_clear(struct store *store)
{
	for (uint32_t i = 0; i < store->nchanged; i++)
		standing_of(store->changed[i])->changed = false;
	store->nchanged = 0;
}
