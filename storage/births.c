/*
 * Series that come into being: of labels that a sender, a rule or the journal brings; and what is
 * learned of their keys.
 */
#include "base/error.h"
#include "storage/store_internal.h"

/* A new series of labels that store->found wants, or that is local. */
static int born(struct store *store, const struct labels *labels, uint32_t uid, bool local,
		struct kept **out)
{
	if (store_is_full(store))
		return ERR_LIMIT;
	uint32_t lset = lset_intern(store->lsets, labels);
	if (lset == LSET_NONE)
		return ERR_NOMEM;
	int code = series_new(store, lset, uid, local, out);
	lset_unref(store->lsets, lset);
	return code;
}

/* The series of these labels: found, or made if a selector wants it, or NULL. */
static int find_or_make(struct store *store, const struct labels *labels, enum window_kind kind,
			struct kept **out)
{
	struct subject subject;
	subject_from_labels(store->lsets, labels, &subject);
	*out = series_of_lset(store, subject_lset(store->lsets, &subject));
	if (*out)
		return 0;
	int code = selectors_find(store, &subject);
	if (code == 0 && store->found.n > 0)
		code = born(store, labels, 0, false, out);
	regex_memo_settle(&store->memo);
	if (*out)
		(*out)->series.kind = kind;
	return code;
}

/* The series begins anew, with a window of another kind: what it holds means something else. */
static void kind_change(struct store *store, struct kept *kept, enum window_kind kind)
{
	struct series *series = &kept->series;
	series_revive(series);
	while (kept->nkeys > 0) {
		struct hash128 key = series_key_at(kept, 0);
		series_key_drop(kept, key);
		key_table_remove(&store->keys, key);
	}
	store->series.window_bytes -= window_bytes(&series->window);
	window_fini(&series->window);
	starts_forget(&store->series, series->row);
	series->kind = kind;
	series->in_dictionary = false;
}

/* Two label sets came with one key: from now on the labels are asked for. */
static void key_is_ambiguous(struct store *store, struct hash128 key)
{
	uint32_t what = key_table_find(&store->keys, key);
	if (what >= KEY_ROW)
		series_key_drop(kept_at(&store->series, what - KEY_ROW), key);
	key_table_set(&store->keys, key, KEY_AMBIGUOUS);
}

/*
 * A series that is only local, or that waits to be forgotten, is as good as none to whoever sends
 * it: what the same labels would be if the series were not there.
 */
static bool is_demanded(const struct kept *kept)
{
	return kept && kept->series.nmemberships > 0;
}

/* Notes what the labels of a key turned out to be. */
static void learn_key(struct store *store, struct hash128 key, struct kept *kept)
{
	uint32_t what = key_table_find(&store->keys, key);
	if (what == KEY_AMBIGUOUS || (kept && what == KEY_ROW + kept->series.row) ||
	    (what == KEY_IGNORED && !is_demanded(kept)))
		return;
	if (what != KEY_UNKNOWN) {
		key_is_ambiguous(store, key);
	} else if (is_demanded(kept)) {
		series_key_add(store, kept, key);
	} else if (key_table_reserve(&store->keys, key)) {
		key_table_set(&store->keys, key, KEY_IGNORED);
	}
}

static int birth(struct store *store, struct hash128 key, const struct labels *labels,
		 enum window_kind kind, struct series **out)
{
	struct kept *kept;
	int code = find_or_make(store, labels, kind, &kept);
	if (code < 0) {
		if (code == ERR_LIMIT)
			store->stats.limited++;
		return code;
	}
	if (kept && kept->series.kind != kind) {
		if (kind == WINDOW_SAMPLES || kept->series.local) {
			*out = NULL;
			store->stats.dropped_ignored++;
			return 0;
		}
		kind_change(store, kept, kind);
	}
	if (!is_demanded(kept))
		coverage_break(store);
	learn_key(store, key, kept);
	*out = is_demanded(kept) ? &kept->series : NULL;
	if (!*out)
		store->stats.dropped_ignored++; /* the sample that brought the key */
	return 0;
}

int store_birth(struct store *store, struct hash128 key, const struct labels *labels,
		struct series **out)
{
	return birth(store, key, labels, WINDOW_SAMPLES, out);
}

int store_birth_derived(struct store *store, struct hash128 key, const struct labels *labels,
			enum window_kind kind, struct series **out)
{
	return birth(store, key, labels, kind, out);
}

int store_restore_series(struct store *store, uint32_t uid, const struct labels *labels, bool local,
			 enum window_kind kind, struct series **out)
{
	struct series_table *table = &store->series;
	struct subject subject;
	if (uid == 0 || uid == UINT32_MAX)
		return ERR_INVALID;
	if (table->next_uid <= uid)
		table->next_uid = uid + 1;
	subject_from_labels(store->lsets, labels, &subject);
	struct kept *kept = series_of_lset(store, subject_lset(store->lsets, &subject));
	int code = 0;
	if (!kept) {
		code = selectors_find(store, &subject);
		if (code == 0 && (local || store->found.n > 0))
			code = born(store, labels, uid, local, &kept);
		regex_memo_settle(&store->memo);
	}
	if (code < 0)
		return code;
	*out = kept ? &kept->series : NULL;
	if (kept) {
		if (kept->series.kind != kind)
			kind_change(store, kept, kind);
		kept->series.uid = uid;
		kept->series.local |= local;
		kept->series.in_dictionary = true;
	}
	return 0;
}

int store_local(struct store *store, uint32_t lset, struct series **out)
{
	struct kept *kept = series_of_lset(store, lset);
	if (!kept) {
		struct subject subject;
		subject_from_lset(store->lsets, lset, &subject);
		int code = selectors_find(store, &subject);
		if (code == 0)
			code = series_new(store, lset, 0, true, &kept);
		regex_memo_settle(&store->memo);
		if (code < 0)
			return code;
	}
	kept->series.local = true;
	*out = &kept->series;
	return 0;
}
