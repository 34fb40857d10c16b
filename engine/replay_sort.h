/*
 * Samples put in the order of their arrival, however many: what does not fit into memory goes to
 * a temporary file in sorted runs, which are merged. Samples of one time stay in the order in which
 * they came.
 */
#ifndef TOCSIN_ENGINE_REPLAY_SORT_H
#define TOCSIN_ENGINE_REPLAY_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SORT_ITEMS_MAX                                                                             \
	(4u * 1024 * 1024)  /* in memory, 24 bytes each, and as many while sorting                 \
			     */
#define SORT_RUNS_MAX 4096u /* 17 thousand million samples */

struct sort_item {
	int64_t at_ms;	  /* arrival */
	int32_t ahead_ms; /* its time less its arrival */
	uint32_t series;
	uint64_t bits;
};

struct replay_sort;

/* items_max 0: SORT_ITEMS_MAX. NULL when out of memory. */
struct replay_sort *replay_sort_new(size_t items_max);
void replay_sort_free(struct replay_sort *sort); /* NULL is fine */
/* ERR_NOMEM; ERR_IO: no room for the temporary file (errno says why); ERR_LIMIT: SORT_RUNS_MAX. */
int replay_sort_add(struct replay_sort *sort, const struct sort_item *item);
/* All have been added. Errors as above. */
int replay_sort_end(struct replay_sort *sort);
/* The next in order, without taking it; NULL: there is none. ERR_IO in *code. */
const struct sort_item *replay_sort_peek(struct replay_sort *sort, int *code);
void replay_sort_take(struct replay_sort *sort);
uint64_t replay_sort_count(const struct replay_sort *sort);

#endif
