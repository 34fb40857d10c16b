/*
 * Matching label sets against compiled matchers, by symbols. Private to storage/.
 *
 * A subject is a label set that may not be interned (a series that perhaps nobody wants leaves
 * nothing behind): values without a symbol are SYMBOL_UNKNOWN and carry their text. Matchers hold
 * references to the symbols they name, so an unknown value equals none of them. Regular expressions
 * are run once for a (matcher, value) and remembered in a memo.
 */
#ifndef TOCSIN_STORAGE_MATCH_H
#define TOCSIN_STORAGE_MATCH_H

#include "base/matcher.h"
#include "storage/lset.h"

#define SYMBOL_UNKNOWN UINT32_MAX	/* of a subject */
#define SYMBOL_NOWHERE (UINT32_MAX - 1) /* of a matcher that was not interned: equals nothing */

struct subject_label {
	uint32_t name, value;
	struct slice text; /* for SYMBOL_UNKNOWN values */
};

struct subject {
	struct subject_label labels[LABELS_COUNT_MAX];
	size_t n;
	bool all_known; /* each name and value has a symbol */
};

void subject_from_labels(const struct lset_table *lsets, const struct labels *labels,
			 struct subject *out);
void subject_from_lset(const struct lset_table *lsets, uint32_t lset, struct subject *out);
/* NULL when the label is absent. */
const struct subject_label *subject_find(const struct subject *subject, uint32_t name);
/* The living set of the subject's labels, LSET_NONE when there is none. */
uint32_t subject_lset(const struct lset_table *lsets, const struct subject *subject);

/*
 * The memo: a cache in sets of four that grows up to MEMO_ENTRIES_MAX; a newer result displaces an
 * older one. It holds a reference to each value's symbol, so that a symbol in it always means the
 * same text. What is displaced is given back only by regex_memo_settle(), when no subject is in use
 * whose symbols might go with it.
 */
#define MEMO_ENTRIES_MAX 65536
#define MEMO_VALUE_MAX 256 /* longer values are not remembered: the bytes held stay bounded */
#define MEMO_DISPLACED_MAX 256

struct memo_entry {
	uint64_t matcher; /* id << 1 | matches; 0: free */
	uint32_t symbol;
};

struct regex_memo {
	struct lset_table *lsets;
	struct memo_entry *entries;
	uint32_t mask, n;
	uint32_t displaced[MEMO_DISPLACED_MAX];
	uint32_t ndisplaced;
	uint64_t next_id; /* never used again */
	uint64_t runs;	  /* of regular expressions */
};

void regex_memo_init(struct regex_memo *memo, struct lset_table *lsets);
void regex_memo_fini(struct regex_memo *memo);
void regex_memo_settle(struct regex_memo *memo);
size_t regex_memo_bytes(const struct regex_memo *memo);

struct compiled_matcher {
	enum match_type type;
	uint32_t name, value;	   /* value: of MATCH_EQ and MATCH_NE */
	const struct regex *regex; /* borrowed */
	uint64_t id;		   /* in the memo */
};

/*
 * Compiles n matchers, cheap ones first. With `intern` references to their symbols are taken
 * (ERR_NOMEM), to be given back with matchers_release(); else what has no symbol matches as it
 * must.
 */
int matchers_compile(struct regex_memo *memo, const struct matcher *matchers, size_t n, bool intern,
		     struct compiled_matcher *out);
void matchers_release(struct regex_memo *memo, const struct compiled_matcher *compiled, size_t n);
bool compiled_is_match(struct regex_memo *memo, const struct compiled_matcher *compiled, size_t n,
		       const struct subject *subject);

#endif
