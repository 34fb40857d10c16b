/*
 * Elements: which rows of a relation are about a label set, those whose labels, less the metric
 * name, are all in it with the same values. A row without labels is about everything. Private to
 * engine/.
 *
 * Rows with the same label names are of one shape; a lookup takes from the label set the labels of
 * each shape, and finds the rows by what that makes. So its cost is that of the shapes, of which
 * there is one in most results, and not that of the rows.
 */
#ifndef TOCSIN_ENGINE_ELEMENTS_H
#define TOCSIN_ENGINE_ELEMENTS_H

#include "engine/binding.h"
#include "engine/id_map.h"
#include "storage/lset.h"

#define ELEMENTS_SHAPES_MAX 64 /* different sets of label names in one result */

struct elements {
	struct element {
		uint32_t lset; /* of the row when it was looked at, a reference; LSET_NONE: none */
		uint32_t key;  /* its labels less the name, a reference */
		uint32_t shape;
		uint32_t next; /* row of the same key; ID_MAP_NONE */
	} * rows;
	uint32_t n, cap;
	struct id_map by_key; /* to the first row */
	struct element_shape {
		uint32_t *names; /* symbols, kept alive by the rows */
		uint32_t nnames, nrows;
	} shapes[ELEMENTS_SHAPES_MAX];
	uint32_t nshapes; /* some of them without rows */
};

void elements_fini(struct elements *elements, struct lset_table *lsets);
/* Looks at rows that are new, gone or others. ERR_LIMIT: too many shapes; ERR_NOMEM. */
int elements_follow(struct elements *elements, struct lset_table *lsets, uint32_t name_symbol,
		    const struct relation *relation);
/* Calls fn for each row about the label set, until it returns false. */
void elements_each(const struct elements *elements, const struct lset_table *lsets, uint32_t lset,
		   bool (*fn)(void *ctx, uint32_t row), void *ctx);
void elements_check(const struct elements *elements, const struct lset_table *lsets);

#endif
