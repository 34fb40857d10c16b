#include "engine/replay_sort.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define RUN_ITEMS 16384u /* of a run that are read at once */
#define RADIX_BITS 11
#define RADIX (1u << RADIX_BITS)

struct run {
	FILE *file; /* NULL: what is in memory, the last one */
	struct sort_item *items;
	size_t n, at;
};

struct replay_sort {
	struct sort_item *items, *spare;
	size_t n, max;
	bool is_sorted; /* as they came */
	struct run *runs;
	uint32_t nruns, runs_cap;
	uint32_t *heap; /* of runs that have items, the first on top */
	uint32_t nheap;
	uint64_t count;
};

struct replay_sort *replay_sort_new(size_t items_max)
{
	struct replay_sort *sort = calloc(1, sizeof(*sort));
	if (!sort)
		return NULL;
	sort->max = items_max ? items_max : SORT_ITEMS_MAX;
	sort->items = reallocarray(NULL, sort->max, sizeof(*sort->items));
	sort->is_sorted = true;
	if (!sort->items) {
		free(sort);
		return NULL;
	}
	return sort;
}

void replay_sort_free(struct replay_sort *sort)
{
	if (!sort)
		return;
	for (uint32_t i = 0; i < sort->nruns; i++) {
		if (!sort->runs[i].file)
			continue;
		fclose(sort->runs[i].file);
		free(sort->runs[i].items);
	}
	free(sort->runs);
	free(sort->heap);
	free(sort->items);
	free(sort->spare);
	free(sort);
}

/* ---- sorting in memory: by digits of the time, which keeps the order of equal ones ---- */

static void sort_digit(const struct sort_item *from, struct sort_item *to, size_t n, int64_t min_ms,
		       unsigned shift)
{
	size_t counts[RADIX] = { 0 }, sum = 0;
	for (size_t i = 0; i < n; i++)
		counts[((uint64_t)(from[i].at_ms - min_ms) >> shift) % RADIX]++;
	for (size_t i = 0; i < RADIX; i++) {
		size_t count = counts[i];
		counts[i] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[counts[((uint64_t)(from[i].at_ms - min_ms) >> shift) % RADIX]++] = from[i];
}

static int sort_items(struct replay_sort *sort)
{
	int64_t min_ms = INT64_MAX, max_ms = INT64_MIN;
	if (sort->is_sorted)
		return 0;
	if (!sort->spare)
		sort->spare = reallocarray(NULL, sort->max, sizeof(*sort->spare));
	if (!sort->spare)
		return ERR_NOMEM;
	for (size_t i = 0; i < sort->n; i++) {
		min_ms = sort->items[i].at_ms < min_ms ? sort->items[i].at_ms : min_ms;
		max_ms = sort->items[i].at_ms > max_ms ? sort->items[i].at_ms : max_ms;
	}
	for (unsigned shift = 0; shift < 64 && (uint64_t)(max_ms - min_ms) >> shift;
	     shift += RADIX_BITS) {
		struct sort_item *sorted = sort->spare;
		sort_digit(sort->items, sorted, sort->n, min_ms, shift);
		sort->spare = sort->items;
		sort->items = sorted;
	}
	sort->is_sorted = true;
	return 0;
}

/* ---- runs ---- */

static int run_add(struct replay_sort *sort, struct run run)
{
	if (sort->nruns == SORT_RUNS_MAX)
		return ERR_LIMIT;
	if (sort->nruns == sort->runs_cap) {
		uint32_t cap = sort->runs_cap ? 2 * sort->runs_cap : 16;
		struct run *runs = reallocarray(sort->runs, cap, sizeof(*runs));
		if (!runs)
			return ERR_NOMEM;
		sort->runs = runs;
		sort->runs_cap = cap;
	}
	sort->runs[sort->nruns++] = run;
	return 0;
}

static int spill(struct replay_sort *sort)
{
	int code = sort_items(sort);
	if (code)
		return code;
	FILE *file = tmpfile();
	if (!file)
		return ERR_IO;
	code = fwrite(sort->items, sizeof(*sort->items), sort->n, file) == sort->n && !fflush(file)
		       ? run_add(sort, (struct run){ .file = file })
		       : ERR_IO;
	if (code)
		fclose(file);
	sort->n = 0;
	return code;
}

int replay_sort_add(struct replay_sort *sort, const struct sort_item *item)
{
	if (sort->n == sort->max) {
		int code = spill(sort);
		if (code)
			return code;
	}
	if (sort->n && item->at_ms < sort->items[sort->n - 1].at_ms)
		sort->is_sorted = false;
	sort->items[sort->n++] = *item;
	sort->count++;
	return 0;
}

uint64_t replay_sort_count(const struct replay_sort *sort)
{
	return sort->count;
}

/* ---- merging ---- */

/* False: it is at its end, or *code. */
static bool run_fill(struct run *run, int *code)
{
	if (run->at < run->n)
		return true;
	if (!run->file)
		return false;
	run->n = fread(run->items, sizeof(*run->items), RUN_ITEMS, run->file);
	run->at = 0;
	if (ferror(run->file))
		*code = ERR_IO;
	return run->n > 0;
}

static bool is_before(const struct replay_sort *sort, uint32_t a, uint32_t b)
{
	const struct run *x = &sort->runs[a], *y = &sort->runs[b];
	int64_t i = x->items[x->at].at_ms, k = y->items[y->at].at_ms;
	return i != k ? i < k : a < b;
}

static void heap_sink(struct replay_sort *sort, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= sort->nheap)
			return;
		if (child + 1 < sort->nheap &&
		    is_before(sort, sort->heap[child + 1], sort->heap[child]))
			child++;
		if (!is_before(sort, sort->heap[child], sort->heap[at]))
			return;
		uint32_t run = sort->heap[at];
		sort->heap[at] = sort->heap[child];
		sort->heap[child] = run;
		at = child;
	}
}

int replay_sort_end(struct replay_sort *sort)
{
	int code = sort_items(sort);
	free(sort->spare);
	sort->spare = NULL;
	if (!code)
		code = run_add(sort, (struct run){ .items = sort->items, .n = sort->n });
	sort->heap = reallocarray(NULL, sort->nruns + 1, sizeof(*sort->heap));
	if (!code && !sort->heap)
		code = ERR_NOMEM;
	for (uint32_t i = 0; !code && i < sort->nruns; i++) {
		struct run *run = &sort->runs[i];
		if (run->file) {
			rewind(run->file);
			run->items = reallocarray(NULL, RUN_ITEMS, sizeof(*run->items));
		}
		if (run->file && !run->items)
			code = ERR_NOMEM;
		else if (run_fill(run, &code))
			sort->heap[sort->nheap++] = i;
	}
	for (uint32_t i = sort->nheap / 2; !code && i-- > 0;)
		heap_sink(sort, i);
	return code;
}

const struct sort_item *replay_sort_peek(struct replay_sort *sort, int *code)
{
	while (sort->nheap > 0) {
		struct run *run = &sort->runs[sort->heap[0]];
		if (run->at < run->n)
			return &run->items[run->at];
		if (run_fill(run, code)) {
			heap_sink(sort, 0);
			continue;
		}
		if (*code)
			return NULL;
		sort->heap[0] = sort->heap[--sort->nheap];
		heap_sink(sort, 0);
	}
	return NULL;
}

void replay_sort_take(struct replay_sort *sort)
{
	struct run *run = &sort->runs[sort->heap[0]];
	if (++run->at < run->n)
		heap_sink(sort, 0);
}
