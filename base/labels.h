/*
 * Label sets outside the engine: an immutable, reference-counted blob.
 *
 * Invariants: names are unique, not empty, sorted bytewise; values are not empty (an empty value is
 * an absent label) but of annotations; names and values are valid UTF-8. References may be taken
 * and dropped on any thread. Inside the engine label sets are interned instead (storage/lset.h).
 */
#ifndef TOCSIN_BASE_LABELS_H
#define TOCSIN_BASE_LABELS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/slice.h"

#define LABELS_COUNT_MAX 256	     /* labels in one set */
#define LABELS_BYTES_MAX (64 * 1024) /* names and values of one set */
#define METRIC_NAME "__name__"

struct label {
	struct slice name, value;
};

struct labels; /* opaque */

/*
 * Makes a set of the given labels, in any order; empty values are left out.
 * ERR_INVALID: an empty name, a name twice, no UTF-8; ERR_LIMIT: too many or too long; ERR_NOMEM.
 * *why (may be NULL) is then a static text for the person.
 */
int labels_new(const struct label *pairs, size_t n, struct labels **out, const char **why);
/* The same of an alert's annotations: as in Prometheus those that are empty stay. */
int annotations_new(const struct label *pairs, size_t n, struct labels **out, const char **why);
struct labels *labels_ref(struct labels *labels);
void labels_unref(struct labels *labels); /* NULL is fine */

size_t labels_count(const struct labels *labels);
/* Of all names and values. */
size_t labels_bytes(const struct labels *labels);
struct label labels_at(const struct labels *labels, size_t i);
/* The value, or an empty slice when the label is absent. */
struct slice labels_get(const struct labels *labels, struct slice name);
bool labels_is_equal(const struct labels *a, const struct labels *b);
/* By names and values pairwise, as Prometheus' labels.Compare: for stable output. */
int labels_compare(const struct labels *a, const struct labels *b);
/* Equal sets have equal hashes under one key. */
struct hash128 labels_hash(const struct labels *labels, const struct hash_key *key);
/* As records hold a set: a count (u32), and each name and value, sized. NULL is the empty set. */
void labels_encode(const struct labels *labels, struct buf *out);
/* ERR_CORRUPT: no such set; ERR_NOMEM. */
int labels_decode(struct reader *reader, struct labels **out);
/* Alertmanager's and Prometheus' fingerprint: FNV-1a over name 0xFF value 0xFF. */
uint64_t labels_fingerprint(const struct labels *labels);
/*
 * Where Prometheus (3, built with stringlabels, as it is unless told otherwise) sees the set
 * between 0 and 1 when limit_ratio() draws: XXH64 over each name and value after its length, one
 * byte, or from 255 on that and three more. ERR_NOMEM.
 */
int labels_place(const struct labels *labels, double *place);
/*
 * {a="b", c="d"} after the metric name, as Prometheus prints a series; {} when empty. Names that
 * are no legacy names are quoted, such a metric name stands first within the braces.
 */
void labels_format(const struct labels *labels, struct buf *out);
/* Asserts the invariants of labels, for tests. */
void labels_check(const struct labels *labels);

/* A growing, unsorted set under construction; borrowed strings must outlive labels_builder_take().
 */
struct labels_builder {
	struct label *pairs;
	size_t n, cap;
	bool failed;   /* out of memory */
	bool overflow; /* more than LABELS_COUNT_MAX were set at once */
};

void labels_builder_init(struct labels_builder *builder);
void labels_builder_fini(struct labels_builder *builder);
void labels_builder_clear(struct labels_builder *builder);
/* Starts from all labels of a set (borrowed). */
void labels_builder_add_all(struct labels_builder *builder, const struct labels *labels);
/* Sets or replaces; an empty value removes. */
void labels_builder_set(struct labels_builder *builder, struct slice name, struct slice value);
void labels_builder_remove(struct labels_builder *builder, struct slice name);
/* The finished set; the builder stays as it is. Errors as labels_new(). */
int labels_builder_take(struct labels_builder *builder, struct labels **out, const char **why);

/* [a-zA-Z_:][a-zA-Z0-9_:]* */
bool metric_name_is_legacy(struct slice name);
/* [a-zA-Z_][a-zA-Z0-9_]* */
bool label_name_is_legacy(struct slice name);

#endif
