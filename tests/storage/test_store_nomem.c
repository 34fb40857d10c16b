/*
 * Fails the n-th allocation of a scenario, for each n until none is left to fail: the store must
 * answer ERR_NOMEM (or do without), keep all its invariants, and lose nothing it said it had.
 *
 * Plain assertions where allocations fail: Check's own allocate.
 */
#include <assert.h>

#include "tests/storage/store_fixture.h"

static bool armed;
static long until_failure;

static bool fails(void)
{
	return armed && until_failure-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *place, size_t size);
void *__real_reallocarray(void *place, size_t n, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *place, size_t size);
void *__wrap_reallocarray(void *place, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *place, size_t size)
{
	return fails() ? NULL : __real_realloc(place, size);
}

void *__wrap_reallocarray(void *place, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(place, n, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

enum { TEXTS = 12, SELECTORS = 4 };
static struct labels *labels[TEXTS];
static char keys[TEXTS][80];
static struct matcher *matchers[SELECTORS];
static size_t nmatchers[SELECTORS];

static void prepare(void)
{
	static const char *const selectors[SELECTORS] = { "{__name__=\"m0\"}",
							  "{__name__=~\"m[01]\",a!=\"\"}",
							  "{a=\"1\"}",
							  "{__name__=\"m1\",a=\"2\",b=\"x\"}" };
	char *why = NULL;
	for (int i = 0; i < TEXTS; i++) {
		snprintf(keys[i], sizeof(keys[i]), "{__name__=\"m%d\",a=\"%d\",b=\"x\"}", i % 3,
			 i % 4);
		labels[i] = labels_of(keys[i]);
	}
	for (int i = 0; i < SELECTORS; i++)
		ck_assert_int_eq(
			matchers_parse(slice_from(selectors[i]), &matchers[i], &nmatchers[i], &why),
			0);
}

static void prepared_fini(void)
{
	for (int i = 0; i < TEXTS; i++)
		labels_unref(labels[i]);
	for (int i = 0; i < SELECTORS; i++)
		matchers_free(matchers[i], nmatchers[i]);
}

static void check_unarmed(struct store *store)
{
	bool was = armed;
	armed = false;
	store_check(store);
	armed = was;
}

static uint32_t feed_all(struct store *store, int64_t ts_ms)
{
	uint32_t stored = 0;
	for (int i = 0; i < TEXTS; i++) {
		struct series *series = NULL;
		struct hash128 key = key_of(keys[i]);
		enum append_result result = store_append(store, key, 1, ts_ms, 0, &series);
		if (result == APPEND_UNKNOWN) {
			int code = store_birth(store, key, labels[i], &series);
			check_unarmed(store);
			assert(code == 0 || code == ERR_NOMEM);
			if (code == 0 && series)
				result = store_append_series(store, series, 1, ts_ms, 0);
		}
		check_unarmed(store);
		if (result == APPEND_STORED) {
			assert(window_newest_ms(&series->window) == ts_ms);
			stored++;
		}
	}
	return stored;
}

static void run(struct store *store)
{
	struct selector *held[SELECTORS] = { NULL };
	int64_t due_ms = T0 + 60000;
	store_time_set(store, T0);
	store_coverage_restore(store, SLICE("{a=\"1\"}"), T0 - 1000);
	for (int i = 0; i < SELECTORS; i++) {
		int code = store_selector_ref(store, matchers[i], nmatchers[i], &held[i]);
		assert(code == 0 || code == ERR_NOMEM);
		if (code < 0)
			held[i] = NULL;
		else if (selector_reader_add(held[i], &due_ms, 60000) < 0)
			assert(held[i]->nreaders == 0);
		check_unarmed(store);
		if (i == 1) /* the others find series there */
			feed_all(store, T0 + 1);
	}
	for (int t = 2; t < 12; t++)
		feed_all(store, T0 + t);
	struct series **found;
	size_t n;
	if (store_select(store, matchers[0], nmatchers[0], &found, &n) == 0)
		free(found);
	uint32_t lset = lset_intern(store_lsets(store), labels[2]);
	struct series *local;
	if (lset != LSET_NONE) {
		if (store_local(store, lset, &local) == 0)
			store_append_local(store, local, T0, 0);
		lset_unref(store_lsets(store), lset);
	}
	check_unarmed(store);
	store_sweep(store, 3);
	check_unarmed(store);
	for (int i = 0; i < SELECTORS; i++)
		if (held[i])
			store_selector_unref(store, held[i]);
	check_unarmed(store);
}

START_TEST(store_survives_each_failing_allocation)
{
	struct store_options options = fixture_options();
	long n = 0;
	prepare();
	for (;; n++) {
		until_failure = n;
		armed = true;
		struct store *store = store_new(&options);
		if (store)
			run(store);
		armed = false;
		bool none_failed = until_failure >= 0;
		store_free(store);
		if (none_failed)
			break;
	}
	ck_assert_int_gt(n, 100);
	prepared_fini();
}
END_TEST

static Suite *nomem_suite(void)
{
	Suite *suite = suite_create("store without memory");
	TCase *tcase = tcase_create("store");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, store_survives_each_failing_allocation);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(nomem_suite)
