/*
 * Senders: who feeds us, by (user, or address and user agent).
 *
 * A sender is called silent when no request of it came for sender_timeout. But an alert over a
 * range shorter than that would be resolved before. So what its series hold up counts as a silent
 * sender's from the moment it is overdue: not heard for twice the longest time between its requests
 * of late. That we hear nothing does not mean that all is well.
 *
 * A sender that is back sends what it kept meanwhile first, oldest samples first, and each series
 * in its own turn. So its alerts are held for as long again as it was away, at most for another
 * sender_timeout.
 *
 * Series read back from the journal belong to nobody who was heard yet: until any sender has been
 * back for sender_timeout, they count as a silent sender's.
 */
#include "engine/engine_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define INDEX_SIZE (2u * SENDERS_MAX)
#define OVERDUE_MIN_MS 10000 /* no sender is overdue earlier */
#define GAP_MEMORY_MS 600000
#define LAG_TURN_MS 300000
#define CATCH_UP_MS 10000  /* for so long a new sender may send what it kept */
#define LAG_SPREAD_MS 5000 /* what requests of the same moment differ by */

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

/* For how long it may be unheard before its alerts are held. */
static int64_t overdue_after_ms(const struct engine *engine, const struct sender_entry *entry)
{
	int64_t timeout_ms = engine->options.sender_timeout_ms, after_ms = 2 * entry->gap_ms;
	if (entry->gap_ms == 0)
		return timeout_ms; /* nothing is known of its ways yet */
	if (after_ms < OVERDUE_MIN_MS)
		after_ms = OVERDUE_MIN_MS;
	return after_ms < timeout_ms ? after_ms : timeout_ms;
}

/* The longest gap of late. Forgotten by time, not by requests: these come in bursts. */
static void gap_learn(struct sender_entry *entry, int64_t away_ms)
{
	entry->gap_ms -= entry->gap_ms * away_ms / GAP_MEMORY_MS;
	if (away_ms > entry->gap_ms)
		entry->gap_ms = away_ms;
}

/* Held alerts wait for what it may send now. */
static void back(struct engine *engine, struct sender_entry *entry)
{
	int64_t away_ms = engine->now_ms - entry->away_since_ms;
	int64_t timeout_ms = engine->options.sender_timeout_ms;
	if (entry->back_ms != TIME_NONE)
		return;
	entry->back_ms = engine->now_ms;
	entry->grace_ms = away_ms < timeout_ms ? away_ms : timeout_ms;
	check_at(&engine->senders, engine->now_ms + entry->grace_ms);
}

static void heard(struct engine *engine, struct sender_entry *entry, int64_t away_ms)
{
	struct senders *senders = &engine->senders;
	if (senders->silent[entry->seen.id])
		back(engine, entry);
	/* With the first sender, whoever it is, what was restored may come back. */
	if (senders->silent[SENDER_RESTORED])
		back(engine, &senders->entries[SENDER_RESTORED]);
	if (!entry->seen.silent)
		gap_learn(entry, away_ms);
	check_at(senders, engine->now_ms + overdue_after_ms(engine, entry));
}

struct sender_entry *sender_hear(struct engine *engine, const struct batch_sender *from)
{
	struct senders *senders = &engine->senders;
	uint32_t place = index_place(senders, from->hash);
	uint32_t id = senders->index[place];
	struct sender_entry *entry = id ? &senders->entries[id] : add(engine, from, place);
	bool is_first = entry->seen.requests == 0;
	int64_t away_ms = is_first ? 0 : engine->now_ms - entry->seen.last_ms;
	bool was_silent = entry->seen.silent;
	entry->seen.last_ms = engine->now_ms;
	entry->seen.requests++;
	if (is_silence_known(engine))
		heard(engine, entry, away_ms);
	entry->seen.silent = false;
	engine->stats.senders_silent -= was_silent;
	if (was_silent)
		tell(engine, entry, "sender back");
	return entry;
}

/* The oldest sample of the request waited longest. */
static int64_t lag_of(const struct batch *batch, int64_t now_ms)
{
	int64_t oldest_ms = now_ms;
	for (uint32_t row = 0; row < batch->nrows; row++)
		if (batch->rows[row].ts_ms < oldest_ms)
			oldest_ms = batch->rows[row].ts_ms;
	if (oldest_ms < 0) /* before all times: late enough, and no sum overflows */
		oldest_ms = now_ms < 0 ? now_ms : 0;
	return now_ms - oldest_ms;
}

/* A turn ends, and with the next one is forgotten. */
static void lag_turn(struct sender_entry *entry, int64_t now_ms)
{
	int64_t turn_ms = now_ms - entry->lag_turn_ms;
	if (turn_ms >= LAG_TURN_MS) {
		entry->lags_ms[1] = turn_ms < 2 * LAG_TURN_MS ? entry->lags_ms[0] : 0;
		entry->lags_ms[0] = 0;
		entry->lag_turn_ms = now_ms;
	}
	entry->seen.lag_ms = entry->lags_ms[entry->lags_ms[1] > entry->lags_ms[0]];
}

/*
 * A sender that waited for us to be started begins with what it kept meanwhile, the oldest first.
 * That is over after a while, or when something comes that is later still.
 */
static bool is_catching_up(struct sender_entry *entry, int64_t lag_ms, int64_t now_ms)
{
	if (!entry->announced)
		entry->first_lag_ms = lag_ms;
	else if (lag_ms > entry->first_lag_ms + LAG_SPREAD_MS ||
		 now_ms - entry->seen.first_ms >= CATCH_UP_MS)
		entry->caught_up = true;
	return !entry->caught_up;
}

void sender_lag(struct engine *engine, struct sender_entry *entry, const struct batch *batch)
{
	/* What it kept while it, or we, were away is late once. */
	if (engine->senders.silent[entry->seen.id] || engine->senders.silent[SENDER_RESTORED])
		return;
	lag_turn(entry, engine->now_ms);
	int64_t lag_ms = lag_of(batch, engine->now_ms);
	if (!is_catching_up(entry, lag_ms, engine->now_ms) && lag_ms > entry->lags_ms[0])
		entry->lags_ms[0] = lag_ms;
}

/* The first request may bring nothing but metadata, as Prometheus' does. */
static bool has_sent(const struct sender *seen)
{
	return seen->stored || seen->identical || seen->late || seen->ignored || seen->rejected;
}

void sender_applied(struct engine *engine, struct sender_entry *entry)
{
	if (entry->announced || !has_sent(&entry->seen))
		return;
	tell(engine, entry, "first samples");
	entry->announced = true;
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
	struct sender_entry *restored = &senders->entries[SENDER_RESTORED];
	restored->silent_since_ms = engine->now_ms;
	restored->away_since_ms = engine->now_ms - engine->options.sender_timeout_ms;
	senders->silent[SENDER_RESTORED] = 1;
	senders->any_silent = true;
}

/* Its alerts are held from now on. */
static void hold(struct engine *engine, uint32_t id)
{
	struct sender_entry *entry = &engine->senders.entries[id];
	entry->back_ms = TIME_NONE;
	if (engine->senders.silent[id])
		return; /* away again before it was all back */
	entry->silent_since_ms = engine->now_ms;
	entry->away_since_ms = entry->seen.last_ms;
	engine->senders.silent[id] = 1;
}

static void grace_step(struct engine *engine, uint32_t id)
{
	struct sender_entry *entry = &engine->senders.entries[id];
	if (entry->back_ms == TIME_NONE)
		return;
	if (engine->now_ms < entry->back_ms + entry->grace_ms) {
		check_at(&engine->senders, entry->back_ms + entry->grace_ms);
		return;
	}
	entry->back_ms = entry->silent_since_ms = TIME_NONE;
	engine->senders.silent[id] = 0;
}

/* One sender's passage from heard to overdue to silent, or from back to heard. */
static void entry_step(struct engine *engine, uint32_t id)
{
	struct senders *senders = &engine->senders;
	struct sender_entry *entry = &senders->entries[id];
	grace_step(engine, id);
	if (id == SENDER_RESTORED || entry->seen.silent)
		return;
	int64_t overdue_ms = entry->seen.last_ms + overdue_after_ms(engine, entry);
	int64_t silent_ms = entry->seen.last_ms + engine->options.sender_timeout_ms;
	if (engine->now_ms < overdue_ms) {
		check_at(senders, overdue_ms);
		return;
	}
	hold(engine, id);
	if (engine->now_ms < silent_ms) {
		check_at(senders, silent_ms);
		return;
	}
	entry->seen.silent = true;
	engine->stats.senders_silent++;
	tell(engine, entry, "sender silent");
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

/* The sender as it is now. */
static struct sender *look(const struct engine *engine, uint32_t id)
{
	struct sender_entry *entry = &engine->senders.entries[id];
	lag_turn(entry, engine->now_ms);
	entry->seen.series = store_sender_series(engine->store, (uint16_t)id);
	return &entry->seen;
}

void engine_senders_each(const struct engine *engine,
			 void (*fn)(void *ctx, const struct sender *sender), void *ctx)
{
	for (uint32_t id = SENDER_RESTORED + 1; id < engine->senders.n; id++)
		fn(ctx, look(engine, id));
}

struct sender engine_latest_sender(const struct engine *engine)
{
	struct sender latest = { 0 };
	for (uint32_t id = SENDER_RESTORED + 1; id < engine->senders.n; id++) {
		const struct sender *seen = look(engine, id);
		if (seen->series > 0 && (!latest.name[0] || seen->lag_ms > latest.lag_ms))
			latest = *seen;
	}
	return latest;
}
