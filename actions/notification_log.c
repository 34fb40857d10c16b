/* What each integration of a group was told: so that nothing is told twice, and every beginning has
 * its end. */
#include "actions/actions_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

#define TOLD_KEEP_MIN_MS                                                                           \
	(120ll * 3600 * 1000) /* after the last word, as Alertmanager's retention */

/* ---- sets of fingerprints ---- */

static uint32_t position(const struct fingerprints *set, uint64_t fingerprint)
{
	uint32_t low = 0, high = set->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (set->items[middle] < fingerprint)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool fingerprints_has(const struct fingerprints *set, uint64_t fingerprint)
{
	uint32_t at = position(set, fingerprint);

	return at < set->n && set->items[at] == fingerprint;
}

int fingerprints_add(struct fingerprints *set, uint64_t fingerprint)
{
	uint32_t at = position(set, fingerprint);

	if (at < set->n && set->items[at] == fingerprint)
		return 0;
	if (set->n == set->cap) {
		uint32_t cap = set->cap ? 2 * set->cap : 8;
		uint64_t *items = realloc(set->items, cap * sizeof(*items));

		if (!items)
			return ERR_NOMEM;
		set->items = items;
		set->cap = cap;
	}
	memmove(set->items + at + 1, set->items + at, (set->n - at) * sizeof(*set->items));
	set->items[at] = fingerprint;
	set->n++;
	return 0;
}

void fingerprints_remove(struct fingerprints *set, uint64_t fingerprint)
{
	uint32_t at = position(set, fingerprint);

	if (at == set->n || set->items[at] != fingerprint)
		return;
	set->n--;
	memmove(set->items + at, set->items + at + 1, (set->n - at) * sizeof(*set->items));
}

bool fingerprints_is_subset(const struct fingerprints *a, const struct fingerprints *b)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (!fingerprints_has(b, a->items[i]))
			return false;
	return true;
}

bool fingerprints_is_equal(const struct fingerprints *a, const struct fingerprints *b)
{
	return a->n == b->n &&
	       (a->n == 0 || memcmp(a->items, b->items, a->n * sizeof(*a->items)) == 0);
}

int fingerprints_copy(const struct fingerprints *from, struct fingerprints *to)
{
	struct fingerprints copy = { .n = from->n, .cap = from->n };

	if (from->n) {
		copy.items = malloc(from->n * sizeof(*copy.items));
		if (!copy.items)
			return ERR_NOMEM;
		memcpy(copy.items, from->items, from->n * sizeof(*copy.items));
	}
	fingerprints_fini(to);
	*to = copy;
	return 0;
}

void fingerprints_fini(struct fingerprints *set)
{
	free(set->items);
	*set = (struct fingerprints){ 0 };
}

/* ---- entries ---- */

static bool has_key(const struct table_entry *entry, const void *key)
{
	return strcmp(((const struct told *)entry)->key, key) == 0;
}

static uint64_t key_hash(const char *key)
{
	return hash_fnv1a64(FNV1A64_INIT, key, strlen(key));
}

struct told *told_find(struct actions *actions, const char *key)
{
	return (struct told *)table_find(&actions->told, key_hash(key), has_key, key);
}

static void told_free(struct told *told)
{
	fingerprints_fini(&told->firing);
	fingerprints_fini(&told->resolved);
	fingerprints_fini(&told->heard);
	free(told->key);
	free(told);
}

struct told *told_get(struct actions *actions, const char *key)
{
	struct told *told = told_find(actions, key);

	if (told)
		return told;
	told = calloc(1, sizeof(*told));
	if (!told)
		return NULL;
	told->entry.hash = key_hash(key);
	told->key = strdup(key);
	told->at_ms = TIME_NONE;
	if (!told->key || table_add(&actions->told, &told->entry)) {
		told_free(told);
		return NULL;
	}
	return told;
}

void told_save(struct actions *actions, const struct told *told)
{
	json_t *object = json_pack(
		"{ss so so so so}", "key", told->key, "at", time_to_json(told->at_ms), "firing",
		fingerprints_to_json(&told->firing), "resolved",
		fingerprints_to_json(&told->resolved), "heard", fingerprints_to_json(&told->heard));

	if (object)
		json_object_set_new(object, "expires", time_to_json(told->expires_ms));
	actions_record(actions, RECORD_GROUP, object, false);
}

void told_restore(struct actions *actions, struct slice payload)
{
	json_t *object = record_parse(payload);
	const char *key = json_text(object, "key");
	struct told *told = key ? told_get(actions, key) : NULL;

	if (told) {
		told->at_ms = time_from_json(json_object_get(object, "at"));
		told->expires_ms = time_from_json(json_object_get(object, "expires"));
		fingerprints_from_json(json_object_get(object, "firing"), &told->firing);
		fingerprints_from_json(json_object_get(object, "resolved"), &told->resolved);
		fingerprints_from_json(json_object_get(object, "heard"), &told->heard);
	}
	json_decref(object);
}

static void save_one(void *ctx, struct table_entry *entry)
{
	told_save(ctx, (struct told *)entry);
}

void told_checkpoint(struct actions *actions)
{
	table_each(&actions->told, save_one, actions);
}

/* Nobody waits for an end any more, and a repetition is long past. */
static void sweep_one(void *ctx, struct table_entry *entry)
{
	struct actions *actions = ctx;
	struct told *told = (struct told *)entry;

	if (told->current || told->heard.n || told->firing.n ||
	    actions->now_ms < told->expires_ms + TOLD_KEEP_MIN_MS)
		return;
	table_remove(&actions->told, entry);
	told_free(told);
}

void told_sweep(struct actions *actions)
{
	table_each(&actions->told, sweep_one, actions);
}

static void free_one(void *ctx, struct table_entry *entry)
{
	told_free((struct told *)entry);
}

void told_fini(struct actions *actions)
{
	table_each(&actions->told, free_one, NULL);
	table_fini(&actions->told);
}
