#include "storage/match.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "storage/lset_internal.h"

#define MEMO_ENTRIES_MIN 1024

/* ---- subjects ---- */

static uint32_t known(const struct lset_table *lsets, struct slice text)
{
	uint32_t symbol = symbol_find(lsets, text);
	return symbol == SYMBOL_NONE ? SYMBOL_UNKNOWN : symbol;
}

void subject_from_labels(const struct lset_table *lsets, const struct labels *labels,
			 struct subject *out)
{
	out->n = labels_count(labels);
	out->all_known = true;
	assert(out->n <= LABELS_COUNT_MAX);
	for (size_t i = 0; i < out->n; i++) {
		struct label label = labels_at(labels, i);
		struct subject_label *to = &out->labels[i];
		to->name = known(lsets, label.name);
		to->value = known(lsets, label.value);
		to->text = label.value;
		if (to->name == SYMBOL_UNKNOWN || to->value == SYMBOL_UNKNOWN)
			out->all_known = false;
	}
}

void subject_from_lset(const struct lset_table *lsets, uint32_t lset, struct subject *out)
{
	const struct lset_pair *pairs = lset_pairs(lsets, lset);
	out->n = lset_count(lsets, lset);
	out->all_known = true;
	for (size_t i = 0; i < out->n; i++) {
		out->labels[i].name = pairs[i].name;
		out->labels[i].value = pairs[i].value;
	}
}

const struct subject_label *subject_find(const struct subject *subject, uint32_t name)
{
	for (size_t i = 0; i < subject->n; i++)
		if (subject->labels[i].name == name)
			return &subject->labels[i];
	return NULL;
}

uint32_t subject_lset(const struct lset_table *lsets, const struct subject *subject)
{
	struct lset_pair pairs[LABELS_COUNT_MAX];
	if (!subject->all_known)
		return LSET_NONE;
	for (size_t i = 0; i < subject->n; i++)
		pairs[i] = (struct lset_pair){ subject->labels[i].name, subject->labels[i].value };
	return lset_find(lsets, pairs, subject->n);
}

/* ---- the memo ---- */

void regex_memo_init(struct regex_memo *memo, struct lset_table *lsets)
{
	*memo = (struct regex_memo){ .lsets = lsets, .next_id = 1 };
}

void regex_memo_fini(struct regex_memo *memo)
{
	regex_memo_settle(memo);
	for (size_t i = 0; memo->entries && i <= memo->mask; i++)
		if (memo->entries[i].matcher)
			symbol_unref(memo->lsets, memo->entries[i].symbol);
	free(memo->entries);
	memo->entries = NULL;
}

void regex_memo_settle(struct regex_memo *memo)
{
	while (memo->ndisplaced > 0)
		symbol_unref(memo->lsets, memo->displaced[--memo->ndisplaced]);
}

size_t regex_memo_bytes(const struct regex_memo *memo)
{
	return memo->entries ? ((size_t)memo->mask + 1) * sizeof(*memo->entries) : 0;
}

/*
 * The four entries where a result may stand. By the hash of the text, not by the symbol: the number
 * of a value that was displaced is the next to be used again, and would come to the very place that
 * it lost.
 */
#define MEMO_WAYS 4
static struct memo_entry *memo_set(const struct regex_memo *memo, uint64_t id, uint32_t symbol)
{
	uint64_t mixed = (id << 32 ^ symbol_hash(memo->lsets, symbol)) * 0x9e3779b97f4a7c15u;
	return &memo->entries[(uint32_t)(mixed >> 32) & memo->mask & ~(MEMO_WAYS - 1u)];
}

static const struct memo_entry *memo_find(const struct regex_memo *memo, uint64_t id,
					  uint32_t symbol)
{
	if (!memo->entries)
		return NULL;
	const struct memo_entry *set = memo_set(memo, id, symbol);
	for (uint32_t i = 0; i < MEMO_WAYS; i++)
		if (set[i].matcher >> 1 == id && set[i].symbol == symbol)
			return &set[i];
	return NULL;
}

/* A free entry of the set, or one whose result is displaced. NULL when no more can be displaced
 * now. */
static struct memo_entry *memo_place(struct regex_memo *memo, struct memo_entry *set)
{
	for (uint32_t i = 0; i < MEMO_WAYS; i++)
		if (!set[i].matcher)
			return &set[i];
	if (memo->ndisplaced == MEMO_DISPLACED_MAX)
		return NULL;
	struct memo_entry *entry = &set[memo->runs % MEMO_WAYS];
	memo->displaced[memo->ndisplaced++] = entry->symbol;
	memo->n--;
	return entry;
}

/* Doubles when half full. If it fails, the memo serves as it is. */
static void memo_grow(struct regex_memo *memo)
{
	size_t size = memo->entries ? (size_t)memo->mask + 1 : 0;
	size_t wanted = size ? size * 2 : MEMO_ENTRIES_MIN;
	if (memo->n < size / 2 || wanted > MEMO_ENTRIES_MAX)
		return;
	struct memo_entry *entries = calloc(wanted, sizeof(*entries)), *old = memo->entries;
	if (!entries)
		return;
	memo->entries = entries;
	memo->mask = (uint32_t)wanted - 1;
	/* Each set splits in two by one more bit of the hash: there is a free place for all. */
	for (size_t i = 0; i < size; i++)
		if (old[i].matcher)
			*memo_place(memo, memo_set(memo, old[i].matcher >> 1, old[i].symbol)) =
				old[i];
	free(old);
}

static void memo_add(struct regex_memo *memo, uint64_t id, struct slice text, bool matches)
{
	if (text.len > MEMO_VALUE_MAX)
		return;
	memo_grow(memo);
	uint32_t symbol = memo->entries ? symbol_intern(memo->lsets, text) : UINT32_MAX;
	if (symbol == UINT32_MAX)
		return;
	struct memo_entry *entry = memo_place(memo, memo_set(memo, id, symbol));
	if (!entry) {
		symbol_unref(memo->lsets, symbol);
		return;
	}
	*entry = (struct memo_entry){ id << 1 | matches, symbol };
	memo->n++;
}

static bool regex_matches(struct regex_memo *memo, const struct compiled_matcher *matcher,
			  const struct subject_label *label)
{
	uint32_t symbol = label ? label->value : SYMBOL_NONE;
	struct slice text = SLICE("");
	if (symbol == SYMBOL_UNKNOWN) {
		text = label->text;
		symbol = symbol_find(memo->lsets, text); /* the memo may have come to know it */
	} else {
		text = symbol_text(memo->lsets, symbol);
	}
	const struct memo_entry *known_result = symbol != SYMBOL_NONE || text.len == 0
							? memo_find(memo, matcher->id, symbol)
							: NULL;
	if (known_result)
		return known_result->matcher & 1;
	bool matches = regex_is_match(matcher->regex, text);
	memo->runs++;
	memo_add(memo, matcher->id, text, matches);
	return matches;
}

/* ---- compiled matchers ---- */

static bool is_regex(enum match_type type)
{
	return type == MATCH_RE || type == MATCH_NRE;
}

/* A reference, or with !intern what there is. UINT32_MAX when out of memory. */
static uint32_t name_symbol(struct lset_table *lsets, struct slice text, bool intern)
{
	if (intern || text.len == 0)
		return symbol_intern(lsets, text);
	uint32_t symbol = symbol_find(lsets, text);
	return symbol == SYMBOL_NONE ? SYMBOL_NOWHERE : symbol;
}

static int compile_one(struct regex_memo *memo, const struct matcher *from, bool intern,
		       struct compiled_matcher *to)
{
	struct lset_table *lsets = memo->lsets;
	*to = (struct compiled_matcher){ .type = from->type };
	to->name = name_symbol(lsets, matcher_name(from), intern);
	if (to->name == UINT32_MAX)
		return ERR_NOMEM;
	if (is_regex(from->type)) {
		to->regex = from->regex;
		to->id = memo->next_id++;
		return 0;
	}
	to->value = name_symbol(lsets, matcher_value(from), intern);
	if (to->value != UINT32_MAX)
		return 0;
	if (intern)
		symbol_unref(lsets, to->name);
	return ERR_NOMEM;
}

int matchers_compile(struct regex_memo *memo, const struct matcher *matchers, size_t n, bool intern,
		     struct compiled_matcher *out)
{
	size_t made = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			if (is_regex(matchers[i].type) != (pass == 1))
				continue;
			if (compile_one(memo, &matchers[i], intern, &out[made]) < 0) {
				if (intern)
					matchers_release(memo, out, made);
				return ERR_NOMEM;
			}
			made++;
		}
	}
	return 0;
}

void matchers_release(struct regex_memo *memo, const struct compiled_matcher *compiled, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		symbol_unref(memo->lsets, compiled[i].name);
		symbol_unref(memo->lsets, compiled[i].value);
	}
}

bool compiled_is_match(struct regex_memo *memo, const struct compiled_matcher *compiled, size_t n,
		       const struct subject *subject)
{
	for (size_t i = 0; i < n; i++) {
		const struct compiled_matcher *matcher = &compiled[i];
		const struct subject_label *label = subject_find(subject, matcher->name);
		bool holds = is_regex(matcher->type)
				     ? regex_matches(memo, matcher, label)
				     : (label ? label->value : SYMBOL_NONE) == matcher->value;
		if (holds == (matcher->type == MATCH_NE || matcher->type == MATCH_NRE))
			return false;
	}
	return true;
}
