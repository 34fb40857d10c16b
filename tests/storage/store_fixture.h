/* What the tests of the store share: a store on a manual told time, keys and labels from texts. */
#ifndef TOCSIN_TESTS_STORE_FIXTURE_H
#define TOCSIN_TESTS_STORE_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "storage/store.h"
#include "tests/check_main.h"

#define LOOKBACK_MS 300000
#define T0 INT64_C(1700000000000)

static struct hash_key fixture_key;

static inline struct store_options fixture_options(void)
{
	hash_key_derive(&fixture_key, "store", 5);
	return (struct store_options){ .lookback_ms = LOOKBACK_MS,
				       .series_max = 1000000,
				       .ignored_max = 1000,
				       .key = &fixture_key };
}

/* A store at T0. */
static inline struct store *fixture_store(const struct store_options *options)
{
	struct store *store = store_new(options);
	ck_assert_ptr_nonnull(store);
	store_time_set(store, T0);
	return store;
}

static inline void fixture_store_free(struct store *store)
{
	store_check(store);
	store_free(store);
}

/* {__name__="up",job="x"}: equalities only; for free with labels_unref(). */
static inline struct labels *labels_of(const char *text)
{
	struct matcher *list = NULL;
	struct label pairs[LABELS_COUNT_MAX];
	size_t n = 0;
	char *why = NULL;
	struct labels *labels;
	ck_assert_int_eq(matchers_parse(slice_from(text), &list, &n, &why), 0);
	for (size_t i = 0; i < n; i++)
		pairs[i] = (struct label){ matcher_name(&list[i]), matcher_value(&list[i]) };
	ck_assert_int_eq(labels_new(pairs, n, &labels, NULL), 0);
	matchers_free(list, n);
	return labels;
}

static inline struct hash128 key_of(const char *text)
{
	return hash_keyed128(&fixture_key, text, strlen(text));
}

static inline uint64_t bits_of(double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline struct selector *selector_of(struct store *store, const char *text)
{
	struct matcher *list = NULL;
	size_t n = 0;
	char *why = NULL;
	struct selector *selector;
	ck_assert_msg(matchers_parse(slice_from(text), &list, &n, &why) == 0, "%s: %s", text, why);
	ck_assert_int_eq(store_selector_ref(store, list, n, &selector), 0);
	matchers_free(list, n);
	store_check(store);
	return selector;
}

static inline size_t select_count(struct store *store, const char *text)
{
	struct matcher *list = NULL;
	size_t n = 0, count;
	char *why = NULL;
	struct series **found;
	ck_assert_int_eq(matchers_parse(slice_from(text), &list, &n, &why), 0);
	ck_assert_int_eq(store_select(store, list, n, &found, &count), 0);
	matchers_free(list, n);
	free(found);
	return count;
}

static inline int birth(struct store *store, struct hash128 key, const char *text,
			struct series **out)
{
	struct labels *labels = labels_of(text);
	int code = store_birth(store, key, labels, out);
	labels_unref(labels);
	store_check(store);
	return code;
}

/* As the engine does it: by key, and by labels when the key is not known. The key is the text's
 * own. */
static inline enum append_result feed(struct store *store, const char *text, int64_t ts_ms,
				      double value)
{
	struct series *series = NULL;
	enum append_result result =
		store_append(store, key_of(text), 1, ts_ms, bits_of(value), &series);
	if (result != APPEND_UNKNOWN)
		return result;
	if (birth(store, key_of(text), text, &series) < 0)
		return APPEND_LIMITED;
	return series ? store_append_series(store, series, 1, ts_ms, bits_of(value))
		      : APPEND_IGNORED;
}

static inline struct series *series_of(struct store *store, const char *text)
{
	struct labels *labels = labels_of(text);
	uint32_t lset = lset_intern(store_lsets(store), labels), cursor = 0;
	struct series *series;
	labels_unref(labels);
	while ((series = store_next(store, &cursor)) && series->lset != lset)
		;
	lset_unref(store_lsets(store), lset);
	return series;
}

static inline uint32_t lset_of(struct store *store, const char *text)
{
	struct labels *labels = labels_of(text);
	uint32_t lset = lset_intern(store_lsets(store), labels);
	labels_unref(labels);
	return lset;
}

static inline struct store_stats stats_of(const struct store *store)
{
	struct store_stats stats;
	store_stats_get(store, &stats);
	return stats;
}

static inline void sweep_all(struct store *store)
{
	store_sweep(store, SIZE_MAX);
	store_check(store);
}

#endif
