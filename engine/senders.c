/*
 * Senders: who feeds us, by (user, or address and user agent).
 *
 * A sender is silent when no request of it came for sender_timeout. While it is, an alert whose
 * series ended without a stale marker is held: that we hear nothing does not mean that all is well.
 *
 * A sender that is back is no longer called silent, but its alerts are held for another
 * sender_timeout: it sends what it kept meanwhile first, oldest samples first, and each series in
 * its own turn.
 *
 * Series read back from the journal belong to nobody who was heard yet: until any sender has been
 * back for that long, they count as a silent sender's.
 */
#include "engine/engine_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define INDEX_SIZE (2u * SENDERS_MAX)

int senders_init(struct senders *senders)
{
	*senders = (struct senders){ .check_ms = TIME_NONE };
	senders->entries = calloc(SENDERS_MAX, sizeof(*senders->entries));
	senders->silent = calloc(SENDERS_MAX, 1);
	senders->index = calloc(INDEX_SIZE, sizeof(*senders->index));
	if (!senders->entries || !senders->silent || !senders->index)
		return ERR_NOMEM;
	senders->n = 2; /* ourselves, and what was restored */
	for (uint32_t i = 0; i < SENDERS_MAX; i++)
		senders->entries[i].silent_since_ms = senders->entries[i].back_ms = TIME_NONE;
	return 0;
}

void senders_fini(struct senders *senders)
{
	free(senders->entries);
	free(senders->silent);
	free(senders->index);
}

static bool is_silence_known(const struct engine *engine)
{
	return !engine->options.warm && engine->options.sender_timeout_ms > 0;
}

/* The place of the hash in the index, or where it would stand. Half of the index is free: the loop
 * ends. */
static uint32_t index_place(const struct senders *senders, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & (INDEX_SIZE - 1);
	while (senders->index[at] && senders->entries[senders->index[at]].seen.hash != hash)
		at = (at + 1) & (INDEX_SIZE - 1);
	return at;
}

static void name_set(struct sender *sender, const char *name)
{
	size_t n = strnlen(name, sizeof(sender->name) - 1);
	memcpy(sender->name, name, n);
	sender->name[n] = '\0';
}

static struct sender_entry *add(struct engine *engine, const struct batch_sender *from,
				uint32_t place)
{
	struct senders *senders = &engine->senders;
	if (senders->n == SENDERS_MAX)
		return &senders->entries[SENDERS_MAX - 1];
	uint32_t id = senders->n++;
	struct sender_entry *entry = &senders->entries[id];
	entry->seen = (struct sender){ .hash = from->hash, .id = id, .first_ms = engine->now_ms };
	if (id == SENDERS_MAX - 1) {
		name_set(&entry->seen, "(further senders)");
	} else {
		name_set(&entry->seen, from->name);
		senders->index[place] = id;
	}
	engine->stats.senders++;
	return entry;
}

static void check_at(struct senders *senders, int64_t time_ms)
{
	if (senders->check_ms == TIME_NONE || time_ms < senders->check_ms)
		senders->check_ms = time_ms;
}

static void tell(struct engine *engine, struct sender_entry *entry, const char *what)
{
	if (engine->sink.sender)
		engine->sink.sender(engine->sink.ctx, &entry->seen, what);
}

static void any_silent_update(struct senders *senders)
{
	senders->any_silent = memchr(senders->silent, 1, senders->n) != NULL;
}

/* Heard again: what was restored from the journal comes with the first sender, whoever it is. */
static void back(struct engine *engine, struct sender_entry *entry)
{
	struct senders *senders = &engine->senders;
	entry->back_ms = engine->now_ms;
	check_at(senders, engine->now_ms + engine->options.sender_timeout_ms);
	struct sender_entry *restored = &senders->entries[SENDER_RESTORED];
	if (restored->silent_since_ms != TIME_NONE && restored->back_ms == TIME_NONE)
		restored->back_ms = engine->now_ms;
}

struct sender_entry *sender_hear(struct engine *engine, const struct batch_sender *from)
{
	struct senders *senders = &engine->senders;
	uint32_t place = index_place(senders, from->hash);
	uint32_t id = senders->index[place];
	struct sender_entry *entry = id ? &senders->entries[id] : add(engine, from, place);
	entry->seen.last_ms = engine->now_ms;
	entry->seen.requests++;
	if (!is_silence_known(engine)) {
		if (entry->seen.requests == 1)
			tell(engine, entry, "first");
		return entry;
	}
	check_at(senders, engine->now_ms + engine->options.sender_timeout_ms);
	if (entry->seen.requests == 1) {
		back(engine, entry);
		entry->back_ms = TIME_NONE;
		tell(engine, entry, "first");
	} else if (entry->seen.silent) {
		entry->seen.silent = false;
		engine->stats.senders_silent--;
		back(engine, entry);
		tell(engine, entry, "back");
	}
	return entry;
}

struct sender_entry *sender_known(struct engine *engine, const struct batch_sender *from)
{
	struct senders *senders = &engine->senders;
	uint32_t id = senders->index[index_place(senders, from->hash)];
	return &senders->entries[id ? id : SENDERS_MAX - 1];
}

void senders_restored(struct engine *engine)
{
	if (!is_silence_known(engine))
		return;
	struct senders *senders = &engine->senders;
	senders->entries[SENDER_RESTORED].silent_since_ms = engine->now_ms;
	senders->silent[SENDER_RESTORED] = 1;
	senders->any_silent = true;
}

/* One sender's passage from heard to silent, or from back to heard. */
static void entry_step(struct engine *engine, uint32_t id)
{
	struct senders *senders = &engine->senders;
	struct sender_entry *entry = &senders->entries[id];
	int64_t timeout_ms = engine->options.sender_timeout_ms;
	if (entry->back_ms != TIME_NONE) {
		if (engine->now_ms >= entry->back_ms + timeout_ms) {
			entry->back_ms = entry->silent_since_ms = TIME_NONE;
			senders->silent[id] = 0;
		} else {
			check_at(senders, entry->back_ms + timeout_ms);
		}
	}
	if (id == SENDER_RESTORED || entry->seen.silent)
		return;
	if (engine->now_ms < entry->seen.last_ms + timeout_ms) {
		check_at(senders, entry->seen.last_ms + timeout_ms);
		return;
	}
	entry->seen.silent = true;
	entry->back_ms = TIME_NONE;
	if (entry->silent_since_ms == TIME_NONE)
		entry->silent_since_ms = engine->now_ms;
	senders->silent[id] = 1;
	engine->stats.senders_silent++;
	tell(engine, entry, "silent");
}

void senders_step(struct engine *engine)
{
	struct senders *senders = &engine->senders;
	if (senders->check_ms == TIME_NONE || engine->now_ms < senders->check_ms)
		return;
	senders->check_ms = TIME_NONE;
	for (uint32_t id = SENDER_RESTORED; id < senders->n; id++)
		entry_step(engine, id);
	any_silent_update(senders);
}

bool senders_silent_since(const struct engine *engine, int64_t since_ms)
{
	const struct senders *senders = &engine->senders;
	for (uint32_t id = SENDER_RESTORED; id < senders->n && senders->any_silent; id++)
		if (senders->silent[id] && senders->entries[id].silent_since_ms <= since_ms)
			return true;
	return false;
}

void senders_count(struct engine *engine, uint32_t rows)
{
	struct senders *senders = &engine->senders;
	for (uint32_t i = 0; i < rows; i++) {
		struct series *series = store_next(engine->store, &senders->count_at);
		if (!series) {
			for (uint32_t id = 0; id < senders->n; id++) {
				senders->entries[id].seen.series = senders->entries[id].counting;
				senders->entries[id].counting = 0;
			}
			senders->count_at = 0;
			return;
		}
		if (series->sender < senders->n)
			senders->entries[series->sender].counting++;
	}
}

void engine_senders_each(const struct engine *engine,
			 void (*fn)(void *ctx, const struct sender *sender), void *ctx)
{
	for (uint32_t id = SENDER_RESTORED + 1; id < engine->senders.n; id++)
		fn(ctx, &engine->senders.entries[id].seen);
}
