#include "engine/replay_sort.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"

/* Of a run that are read at once: as many as sorting has had memory for, over all runs. */
#define RUN_ITEMS_MIN 256u
#define RUN_ITEMS_MAX 16384u
#define RADIX_BITS 11
#define RADIX (1u << RADIX_BITS)

struct run {
	struct sort_item *items; /* what is at hand of it */
	size_t n, at;
	off_t offset; /* of the next in the file */
	size_t left;  /* in the file */
};

struct replay_sort {
	struct sort_item *items, *spare;
	size_t n, max;
	bool is_sorted; /* as they came */
	FILE *file;	/* of all runs but the last, which stays in memory; NULL: there is none */
	struct sort_item *buffers; /* of these runs */
	size_t run_items;
	off_t written;
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
	if (sort->file)
		fclose(sort->file);
	free(sort->buffers);
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
	if (!ARRAY_RESERVE(&sort->runs, sort->nruns, &sort->runs_cap))
		return ERR_NOMEM;
	sort->runs[sort->nruns++] = run;
	return 0;
}

static int spill(struct replay_sort *sort)
{
	int code = sort_items(sort);
	if (code)
		return code;
	if (!sort->file && !(sort->file = tmpfile()))
		return ERR_IO;
	if (fwrite(sort->items, sizeof(*sort->items), sort->n, sort->file) != sort->n ||
	    fflush(sort->file))
		return ERR_IO;
	code = run_add(sort, (struct run){ .offset = sort->written, .left = sort->n });
	sort->written += (off_t)(sort->n * sizeof(*sort->items));
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
static bool run_fill(struct replay_sort *sort, struct run *run, int *code)
{
	if (run->at < run->n)
		return true;
	size_t n = run->left < sort->run_items ? run->left : sort->run_items;
	size_t bytes = n * sizeof(*run->items);
	if (n == 0)
		return false;
	for (size_t at = 0; at < bytes;) {
		ssize_t got = pread(fileno(sort->file), (char *)run->items + at, bytes - at,
				    run->offset + (off_t)at);
		if (got == 0 || (got < 0 && errno != EINTR)) {
			*code = ERR_IO;
			return false;
		}
		at += got > 0 ? (size_t)got : 0;
	}
	run->n = n;
	run->at = 0;
	run->left -= n;
	run->offset += (off_t)bytes;
	return true;
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

/* Room to read all runs at once. */
static int buffers_init(struct replay_sort *sort)
{
	if (!sort->file)
		return 0;
	sort->run_items = sort->max / sort->nruns;
	if (sort->run_items < RUN_ITEMS_MIN)
		sort->run_items = RUN_ITEMS_MIN;
	if (sort->run_items > RUN_ITEMS_MAX)
		sort->run_items = RUN_ITEMS_MAX;
	sort->buffers = reallocarray(NULL, sort->nruns * sort->run_items, sizeof(*sort->buffers));
	if (!sort->buffers)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < sort->nruns; i++)
		sort->runs[i].items = sort->buffers + i * sort->run_items;
	return 0;
}

int replay_sort_end(struct replay_sort *sort)
{
	int code = sort_items(sort);
	free(sort->spare);
	sort->spare = NULL;
	if (!code)
		code = buffers_init(sort);
	if (!code)
		code = run_add(sort, (struct run){ .items = sort->items, .n = sort->n });
	sort->heap = reallocarray(NULL, sort->nruns + 1, sizeof(*sort->heap));
	if (!code && !sort->heap)
		code = ERR_NOMEM;
	for (uint32_t i = 0; !code && i < sort->nruns; i++)
		if (run_fill(sort, &sort->runs[i], &code))
			sort->heap[sort->nheap++] = i;
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
		if (run_fill(sort, run, code)) {
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
