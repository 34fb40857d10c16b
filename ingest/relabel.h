/*
 * relabel_configs: what a source does to the labels it brings, before anything is looked up by
 * them. Prometheus' meaning, rule by rule in order; the result of one is the input of the next.
 *
 * What begins with __tmp is for handing a value from rule to rule, and is gone at the end. Series
 * that lose their name are dropped.
 *
 * Source: Prometheus' documentation of relabel_config. Immutable, usable from any thread.
 */
#ifndef TOCSIN_INGEST_RELABEL_H
#define TOCSIN_INGEST_RELABEL_H

#include "base/labels.h"
#include "base/yaml.h"

#define RELABEL_RULES_MAX 256 /* of one source */

/* ACTION(id, text, needs a target_label, takes source_labels, takes a replacement) */
#define RELABEL_ACTION_LIST(X)                                                                     \
	X(RELABEL_REPLACE, "replace", true, true, true)                                            \
	X(RELABEL_KEEP, "keep", false, true, false)                                                \
	X(RELABEL_DROP, "drop", false, true, false)                                                \
	X(RELABEL_KEEPEQUAL, "keepequal", true, true, false)                                       \
	X(RELABEL_DROPEQUAL, "dropequal", true, true, false)                                       \
	X(RELABEL_HASHMOD, "hashmod", true, true, false)                                           \
	X(RELABEL_LABELMAP, "labelmap", false, false, true)                                        \
	X(RELABEL_LABELDROP, "labeldrop", false, false, false)                                     \
	X(RELABEL_LABELKEEP, "labelkeep", false, false, false)                                     \
	X(RELABEL_LOWERCASE, "lowercase", true, true, false)                                       \
	X(RELABEL_UPPERCASE, "uppercase", true, true, false)

struct relabel;

/* An element of a relabel_configs list, for the table of the source that contains it. */
extern const struct bind_table relabel_table;
/*
 * Makes rules of a bound list; *out is NULL for an empty one. All that is wrong is told at its
 * place: ERR_INVALID; ERR_NOMEM.
 */
int relabel_new(const struct bind_structs *parts, struct diag_list *diags, struct relabel **out);
struct relabel *relabel_ref(struct relabel *relabel); /* NULL is fine */
void relabel_unref(struct relabel *relabel);	      /* NULL is fine */
/* Of all that is written in them: equal rules have equal hashes. 0 for NULL. */
uint64_t relabel_hash(const struct relabel *relabel);
/*
 * *out: a reference to the labels as the rules leave them, or NULL when they are dropped. relabel
 * NULL: as they are. ERR_INVALID, ERR_LIMIT: what came out is no set of labels; ERR_NOMEM.
 */
int relabel_apply(const struct relabel *relabel, struct labels *labels, struct labels **out);

#endif
