/*
 * What a sample and a series cost the store, in CPU time.
 *
 *   append   100,000 kept series of 8 labels, a sample of each every 15 s, in an order shuffled
 * anew for each round (so that each append is alone in the caches), read over 5 minutes: with and
 * without prefetching, in batches of 2,000 keys ignored  the same for series that nobody demands
 *   births   the first sample of each: parse, match, intern; also among 100,000 selectors over
 * 5,000 and over 500 names growth   the longest single birth of a million ignored keys: the key
 * table grows within it
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "storage/store.h"

#define SERIES 100000
#define BATCH 2000
#define STEP_MS 15000
#define RANGE_MS 300000
#define WARM_ROUNDS 30
#define ROUNDS 40
#define T0 INT64_C(1700000000000)

static struct hash_key secret;
static struct hash128 keys[SERIES];
static struct labels *labels[SERIES];
static uint32_t order[SERIES];

static uint32_t random_below(uint32_t n)
{
	static uint64_t state = 1;
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % n);
}

static void shuffle(void)
{
	for (uint32_t i = SERIES - 1; i > 0; i--) {
		uint32_t k = random_below(i + 1), swapped = order[i];
		order[i] = order[k];
		order[k] = swapped;
	}
}

static void make_series(void)
{
	static const char *const names[8] = { METRIC_NAME, "cluster", "instance", "job",
					      "namespace", "pod",     "region",	  "env" };
	for (uint32_t s = 0; s < SERIES; s++) {
		char values[8][64];
		struct label pairs[8];
		uint32_t host = s / 500;
		snprintf(values[0], 64, "bench_metric_%03u_total", s % 500);
		snprintf(values[1], 64, "cluster-%u", host % 7);
		snprintf(values[2], 64, "10.1.%u.%u:9100", host / 256, host % 256);
		snprintf(values[3], 64, "kubernetes-pods");
		snprintf(values[4], 64, "team-%u", host % 23);
		snprintf(values[5], 64, "app-%u-%08x", host % 41, host * 2654435761u);
		snprintf(values[6], 64, "eu-central-1");
		snprintf(values[7], 64, "prod");
		for (int i = 0; i < 8; i++)
			pairs[i] = (struct label){ slice_from(names[i]), slice_from(values[i]) };
		labels_new(pairs, 8, &labels[s], NULL);
		keys[s] = hash_keyed128(&secret, &s, sizeof(s));
		order[s] = s;
	}
}

static struct store *make_store(void)
{
	struct store_options options = { .lookback_ms = 300000,
					 .series_max = 10000000,
					 .ignored_max = 10000000,
					 .key = &secret };
	struct store *store = store_new(&options);
	store_time_set(store, T0);
	return store;
}

static struct selector *add_selector(struct store *store, size_t n, enum match_type type,
				     const char *const *texts)
{
	struct matcher list[4];
	struct selector *selector;
	char *why;
	for (size_t i = 0; i < n; i++)
		matcher_init(&list[i], i == 0 ? type : MATCH_EQ, slice_from(texts[2 * i]),
			     slice_from(texts[2 * i + 1]), &why);
	if (store_selector_ref(store, list, n, &selector) < 0)
		abort();
	for (size_t i = 0; i < n; i++)
		matcher_fini(&list[i]);
	return selector;
}

static void bear_all(struct store *store, const char *what)
{
	struct series *series;
	int64_t from = cpu_ns();
	for (uint32_t s = 0; s < SERIES; s++)
		store_birth(store, keys[s], labels[s], &series);
	printf("%-52s %8.1f ns\n", what, (double)(cpu_ns() - from) / SERIES);
}

/* One round: each series once, in batches as they come from a request. */
static int64_t round_of(struct store *store, int64_t ts_ms, bool prefetch)
{
	static struct hash128 batch[BATCH];
	struct series *series;
	int64_t spent = 0;
	shuffle();
	for (uint32_t at = 0; at < SERIES; at += BATCH) {
		for (uint32_t i = 0; i < BATCH; i++)
			batch[i] = keys[order[at + i]];
		int64_t from = cpu_ns();
		for (uint32_t i = 0; i < BATCH; i++) {
			if (prefetch && i + STORE_PREFETCH_AHEAD < BATCH)
				store_prefetch(store, batch[i + STORE_PREFETCH_AHEAD]);
			store_append(store, batch[i], 1, ts_ms + i % 100, 0x3ff0000000000000,
				     &series);
		}
		spent += cpu_ns() - from;
	}
	return spent;
}

static void bench_rounds(struct store *store, int64_t *due_ms, bool prefetch, const char *what)
{
	int64_t spent = 0, best = INT64_MAX, worst = 0;
	for (int round = 0; round < ROUNDS; round++) {
		int64_t now_ms = store_time(store) + STEP_MS;
		store_time_set(store, now_ms);
		*due_ms = now_ms + STEP_MS;
		int64_t its = round_of(store, now_ms, prefetch);
		spent += its;
		worst = its > worst ? its : worst;
		best = its < best ? its : best;
	}
	printf("%-52s %8.1f ns a sample (rounds from %.1f to %.1f)\n", what,
	       (double)spent / SERIES / ROUNDS, (double)best / SERIES, (double)worst / SERIES);
}

static void bench_append(void)
{
	struct store *store = make_store();
	int64_t due_ms = T0 + STEP_MS;
	struct selector *selector =
		add_selector(store, 1, MATCH_RE, (const char *[]){ METRIC_NAME, "bench_.*" });
	selector_reader_add(selector, &due_ms, RANGE_MS);
	bear_all(store, "birth, kept, one selector by regex");
	selector_log_clear(selector);
	for (int round = 0; round < WARM_ROUNDS; round++) {
		store_time_set(store, store_time(store) + STEP_MS);
		due_ms = store_time(store) + STEP_MS;
		round_of(store, store_time(store), true);
	}
	bench_rounds(store, &due_ms, false, "append, kept");
	bench_rounds(store, &due_ms, true, "append, kept, prefetched");
	struct store_stats stats;
	store_stats_get(store, &stats);
	printf("%-52s %8.1f MB\n", "memory, 100,000 series, 5 minutes at 15 s",
	       (double)stats.bytes / 1e6);
	int64_t from = cpu_ns();
	store_sweep(store, SERIES);
	printf("%-52s %8.1f ns a series\n", "sweep", (double)(cpu_ns() - from) / SERIES);
	from = cpu_ns();
	struct selector *late = add_selector(
		store, 2, MATCH_EQ,
		(const char *[]){ METRIC_NAME, "bench_metric_007_total", "env", "prod" });
	printf("%-52s %8.1f us\n", "a new selector, takes 200 of 100,000",
	       (double)(cpu_ns() - from) / 1e3);
	assert(late->nlive == 200);
	store_free(store);
}

static void bench_ignored(void)
{
	struct store *store = make_store();
	int64_t due_ms;
	bear_all(store, "birth, ignored");
	bench_rounds(store, &due_ms, false, "append, ignored");
	bench_rounds(store, &due_ms, true, "append, ignored, prefetched");
	store_free(store);
}

static void bench_selectors(uint32_t nnames)
{
	struct store *store = make_store();
	char name[64], host[64], what[96];
	int64_t from = cpu_ns();
	for (uint32_t i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "bench_metric_%03u_total", i % nnames);
		snprintf(host, sizeof(host), "10.1.0.%u:9100", i / nnames);
		add_selector(
			store, 3, MATCH_EQ,
			(const char *[]){ METRIC_NAME, name, "env", "prod", "instance", host });
	}
	snprintf(what, sizeof(what), "registration, 100,000 selectors over %u names", nnames);
	printf("%-52s %8.1f ns\n", what, (double)(cpu_ns() - from) / 100000);
	snprintf(what, sizeof(what), "birth, 100,000 selectors over %u names", nnames);
	bear_all(store, what);
	struct store_stats stats;
	store_stats_get(store, &stats);
	printf("%-52s %8lu kept\n", "", (unsigned long)stats.series);
	store_free(store);
}

static void bench_growth(void)
{
	struct store *store = make_store();
	struct series *series;
	int64_t worst = 0, begin = cpu_ns();
	for (uint32_t i = 0; i < 1000000; i++) {
		struct hash128 key = hash_keyed128(&secret, &i, sizeof(i));
		int64_t from = cpu_ns();
		store_birth(store, key, labels[i % SERIES], &series);
		int64_t its = cpu_ns() - from;
		worst = its > worst ? its : worst;
	}
	printf("%-52s %8.1f us (of %.0f ms for a million)\n",
	       "growth of the key table: the longest birth", (double)worst / 1e3,
	       (double)(cpu_ns() - begin) / 1e6);
	store_free(store);
}

int main(void)
{
	hash_key_derive(&secret, "bench", 5);
	make_series();
	bench_append();
	bench_ignored();
	bench_selectors(5000);
	bench_selectors(500);
	bench_growth();
	for (uint32_t s = 0; s < SERIES; s++)
		labels_unref(labels[s]);
	return 0;
}
