/*
 * After a restart: what the journal knew goes back into windows and states.
 *
 * Series and samples go straight into the windows of what the rules in force demand. Of each alert
 * the newest record counts; they wait in a table until all records are read and a rule set is in
 * force, then its rules adopt them, start times and all.
 *
 * Whether windows are as good as they were depends on how long nobody listened: from the last told
 * time in the journal to the first one told now. Up to the lookback, which every instant selector
 * bridges anyway, selectors stay covered since when they were; after a longer gap they are covered
 * since now, rules warm up again, and the gap counts for no timer of a pending alert, as with a
 * jump of the told time (schedule.c).
 */
#include "engine/engine_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

#define SERIES_SIZE_MIN 256u

void restore_init(struct restore *restore)
{
	*restore = (struct restore){ .tick_ms = TIME_NONE };
}

void restore_fini(struct restore *restore)
{
	free(restore->series);
	for (size_t i = 0; i < restore->ncoverage; i++)
		free(restore->coverage[i].text);
	free(restore->coverage);
	for (size_t i = 0; i < restore->nalerts; i++)
		alert_event_free(restore->alerts[i]);
	free(restore->alerts);
	id_map_fini(&restore->alert_index);
}

/* ---- series ---- */

static struct restored_series *series_place(const struct restore *restore, uint32_t uid)
{
	uint32_t at = uid * 0x9e3779b9u & restore->series_mask;
	while (restore->series[at].uid && restore->series[at].uid != uid)
		at = (at + 1) & restore->series_mask;
	return &restore->series[at];
}

static int series_grow(struct restore *restore)
{
	uint32_t old_size = restore->series ? restore->series_mask + 1 : 0;
	uint32_t size = old_size ? old_size * 2 : SERIES_SIZE_MIN;
	struct restored_series *old = restore->series;
	struct restored_series *series = calloc(size, sizeof(*series));
	if (!series)
		return ERR_NOMEM;
	restore->series = series;
	restore->series_mask = size - 1;
	for (uint32_t i = 0; i < old_size; i++)
		if (old[i].uid)
			*series_place(restore, old[i].uid) = old[i];
	free(old);
	return 0;
}

static void restore_series(struct engine *engine, struct slice payload)
{
	struct restore *restore = &engine->restore;
	struct series_entry entry;
	struct labels *labels;
	struct series *series = NULL;
	if (series_record_decode(payload, &entry, &labels))
		return;
	uint32_t uid = entry.uid;
	bool full = !restore->series || (restore->nseries + 1) * 2 > restore->series_mask + 1;
	int code = uid == 0 || (full && series_grow(restore)) ? ERR_NOMEM : 0;
	if (!code)
		code = store_restore_series(engine->store, uid, labels, entry.local, entry.kind,
					    &series);
	labels_unref(labels);
	if (code || !series)
		return; /* nobody wants it now, or there is no room */
	series->in_dictionary = true;
	/* No line is a zero, not a silence. */
	bool fed = !entry.local && entry.kind == WINDOW_SAMPLES;
	store_sender_set(engine->store, series, fed ? SENDER_RESTORED : SENDER_SELF);
	struct restored_series *place = series_place(restore, uid);
	restore->nseries += place->uid == 0;
	restore->has_fed |= fed;
	*place = (struct restored_series){ uid, series };
}

static void restore_derived(void *ctx, const struct derived_sample *sample)
{
	struct engine *engine = ctx;
	if (!engine->restore.series || !time_is_sane(sample->ts_ms))
		return;
	const struct restored_series *place = series_place(&engine->restore, sample->uid);
	if (place->uid)
		store_restore_sample(engine->store, place->series, sample->ts_ms, sample->ordinal,
				     sample->bits);
}

static void restore_sample(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits)
{
	restore_derived(ctx, &(struct derived_sample){ uid, 0, ts_ms, bits });
}

static void restore_start(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits)
{
	struct engine *engine = ctx;
	if (!engine->restore.series || !time_is_sane(ts_ms) || !engine->options.start_times)
		return;
	const struct restored_series *place = series_place(&engine->restore, uid);
	if (place->uid)
		store_start_add(engine->store, place->series, ts_ms, (int64_t)bits);
}

/* A tile tells events by their order alone. */
struct tile {
	struct engine *engine;
	int64_t ts_ms;
	uint32_t ordinal;
};

static void restore_tile_sample(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits)
{
	struct tile *tile = ctx;
	tile->ordinal = ts_ms == tile->ts_ms ? tile->ordinal + 1 : 0;
	tile->ts_ms = ts_ms;
	restore_derived(tile->engine,
			&(struct derived_sample){ uid, tile->ordinal, ts_ms, bits });
}

static void restore_tile(struct engine *engine, struct slice payload)
{
	struct tile tile = { engine, TIME_NONE, 0 };
	tile_record_each(payload, restore_tile_sample, &tile);
}

static void restore_position(void *ctx, struct slice key, struct slice payload)
{
	struct engine *engine = ctx;
	if (key.len > 0)
		positions_set(&engine->positions, key, payload);
}

/* ---- coverage ---- */

static void restore_coverage(struct engine *engine, struct slice payload)
{
	struct restore *restore = &engine->restore;
	struct coverage_entry entry;
	if (coverage_record_decode(payload, &entry))
		return;
	if (!ARRAY_RESERVE(&restore->coverage, restore->ncoverage, &restore->coverage_cap))
		return;
	char *copy = slice_dup(entry.selector);
	if (!copy)
		return;
	struct coverage *coverage = &restore->coverage[restore->ncoverage];
	*coverage = (struct coverage){ copy, entry.since_ms, entry.bucket_ms, restore->ncoverage };
	restore->ncoverage++;
}

/* By text, the newest record of each first. */
static int by_text(const void *a, const void *b)
{
	const struct coverage *x = a, *y = b;
	int order = slice_compare(slice_from(x->text), slice_from(y->text));
	return order ? order : (x->order < y->order) - (x->order > y->order);
}

static const struct coverage *coverage_find(const struct restore *restore, const char *text)
{
	size_t low = 0, high = restore->ncoverage;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_compare(slice_from(restore->coverage[middle].text), slice_from(text)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	bool found =
		low < restore->ncoverage && slice_is(slice_from(text), restore->coverage[low].text);
	return found ? &restore->coverage[low] : NULL;
}

/* Only for what stands now: the samples of other selectors' series were not taken back. */
static void coverage_apply(struct engine *engine)
{
	struct restore *restore = &engine->restore;
	if (restore->ncoverage)
		qsort(restore->coverage, restore->ncoverage, sizeof(*restore->coverage), by_text);
	size_t n;
	struct selector **selectors = store_selectors(engine->store, &n);
	for (size_t i = 0; i < n; i++) {
		const struct coverage *coverage = coverage_find(restore, selectors[i]->text);
		if (coverage && buckets_serve(coverage->bucket_ms, selectors[i]->bucket_ms))
			store_coverage_restore(engine->store, slice_from(selectors[i]->text),
					       coverage->since_ms);
	}
}

/* ---- alerts ---- */

static uint32_t alert_hash(const struct alert_event *event)
{
	uint64_t hash = labels_fingerprint(event->labels);
	const char *const names[] = { event->file, event->group, event->rule };
	for (size_t i = 0; i < 3; i++)
		hash = hash_fnv1a64(hash, names[i], strlen(names[i]) + 1);
	return (uint32_t)(hash ^ hash >> 32) >>
	       1; /* never ID_MAP_NONE, and room to probe upwards */
}

static bool alerts_are_same(const struct alert_event *a, const struct alert_event *b)
{
	return strcmp(a->file, b->file) == 0 && strcmp(a->group, b->group) == 0 &&
	       strcmp(a->rule, b->rule) == 0 && labels_is_equal(a->labels, b->labels);
}

static void restore_alert(struct engine *engine, struct slice payload)
{
	struct restore *restore = &engine->restore;
	struct alert_event *event;
	if (alert_event_decode(payload, &event))
		return;
	uint32_t key = alert_hash(event), at;
	while ((at = id_map_find(&restore->alert_index, key)) != ID_MAP_NONE &&
	       !alerts_are_same(restore->alerts[at], event))
		key++;
	if (at != ID_MAP_NONE) {
		alert_event_free(restore->alerts[at]);
		restore->alerts[at] = event;
	} else if (!ARRAY_RESERVE(&restore->alerts, restore->nalerts, &restore->alerts_cap) ||
		   !id_map_put(&restore->alert_index, key, (uint32_t)restore->nalerts)) {
		alert_event_free(event);
	} else {
		restore->alerts[restore->nalerts++] = event;
	}
}

/* ---- reading ---- */

void engine_restore(struct engine *engine, enum record_type type, struct slice payload)
{
	struct reader reader;
	struct slice key, value;
	switch (type) {
	case RECORD_SERIES:
		restore_series(engine, payload);
		break;
	case RECORD_SAMPLES:
		samples_record_each(payload, restore_sample, engine);
		break;
	case RECORD_STARTS:
		samples_record_each(payload, restore_start, engine);
		break;
	case RECORD_TILE:
		restore_tile(engine, payload);
		break;
	case RECORD_DERIVED:
		derived_record_each(payload, &(struct derived_visitor){ restore_derived,
									restore_position, engine });
		break;
	case RECORD_POSITION:
		if (position_record_decode(payload, &key, &value) == 0)
			restore_position(engine, key, value);
		break;
	case RECORD_COVERAGE:
		restore_coverage(engine, payload);
		break;
	case RECORD_ALERT:
		restore_alert(engine, payload);
		break;
	case RECORD_TICK:
		reader_init(&reader, payload);
		int64_t tick_ms = (int64_t)reader_u64(&reader);
		if (!reader.failed && time_is_sane(tick_ms) &&
		    tick_ms > engine->restore.tick_ms)
			engine->restore.tick_ms = tick_ms;
		break;
	default:
		break;
	}
}

/* ---- adopting ---- */

static bool adopt_alert(struct engine *engine, struct rule_state *rule,
			const struct alert_event *event)
{
	uint32_t lset = lset_intern(engine->lsets, event->labels);
	uint32_t expr_lset = lset_intern(engine->lsets, event->expr_labels);
	uint32_t slot;
	bool is_new;
	if (lset == LSET_NONE || expr_lset == LSET_NONE)
		return false;
	int code = instances_join(&rule->instances, engine->lsets, ID_MAP_NONE, expr_lset, lset,
				  &slot, &is_new);
	lset_unref(engine->lsets, expr_lset);
	if (code || rule_data_reserve(rule))
		return false;
	struct alert *alert = &rule->alerts[slot];
	alert->value = event->value;
	alert->active_at_ms = event->active_at_ms;
	alert->fired_at_ms = event->fired_at_ms;
	alert->keep_since_ms = event->keep_since_ms;
	alert->no_data_since_ms = event->no_data_since_ms;
	evidence_unref(alert->evidence);
	alert->evidence = event->evidence ? evidence_ref(event->evidence) : NULL;
	query_results_unref(alert->asked);
	alert->asked = event->asked ? query_results_ref(event->asked) : NULL;
	alert->restored = alert->unseen = true;
	alert_state_restore(engine, rule, slot, event->state, event->hold);
	alert->held_since_ms = INT64_MAX; /* whoever is silent may be the one who fed it */
	if (event->at_ms > rule->last_query_ms)
		rule->last_query_ms = event->at_ms;
	alert_series_take(engine, rule, slot);
	return true;
}

/* Ended alerts are forgotten; what is left is known to be active. */
static void drop_inactive(struct restore *restore)
{
	size_t n = 0;
	for (size_t i = 0; i < restore->nalerts; i++) {
		if (restore->alerts[i]->state == ALERT_INACTIVE)
			alert_event_free(restore->alerts[i]);
		else
			restore->alerts[n++] = restore->alerts[i];
	}
	restore->nalerts = n;
	id_map_fini(&restore->alert_index);
}

/* Timers of alerts go on, but for a gap that counts for none. */
static void resume_timers(struct engine *engine)
{
	struct restore *restore = &engine->restore;
	if (restore->resumed || !restore->adopted || engine->now_ms == TIME_NONE)
		return;
	restore->resumed = true;
	bool is_long = restore->gap_ms > engine->options.store.lookback_ms;
	for (uint32_t i = 0; is_long && i < engine->active->set->nrules; i++)
		if (engine->active->rules[i].def->kind == RULE_ALERT)
			alerts_rebase(engine, &engine->active->rules[i], restore->gap_ms);
	arrival_arm(engine);
}

void restore_adopt(struct engine *engine)
{
	struct restore *restore = &engine->restore;
	if (!restore->done || restore->adopted || !engine->active)
		return;
	adopt_events(engine, restore->alerts, restore->nalerts, adopt_alert);
	restore->adopted = true;
	resume_timers(engine);
}

void engine_restore_done(struct engine *engine)
{
	struct restore *restore = &engine->restore;
	free(restore->series);
	restore->series = NULL;
	drop_inactive(restore);
	restore->done = true;
	restore_adopt(engine);
}

/* ---- the first time is told ---- */

void restore_time(struct engine *engine)
{
	struct restore *restore = &engine->restore;
	if (restore->tick_ms != TIME_NONE && engine->now_ms > restore->tick_ms)
		restore->gap_ms = engine->now_ms - restore->tick_ms;
	if (restore->tick_ms != TIME_NONE && restore->gap_ms <= engine->options.store.lookback_ms)
		coverage_apply(engine);
	if (restore->has_fed)
		senders_restored(engine);
	resume_timers(engine);
	if (engine->active)
		generation_warm(engine, engine->active);
}

/* An alert whose rule is gone: nobody evaluates it any more. */
static void tell_removed(struct engine *engine, struct alert_event *event)
{
	event->from = event->state;
	event->state = ALERT_INACTIVE;
	event->reason = ALERT_REASON_RULE_REMOVED;
	event->at_ms = engine->now_ms;
	event->resolved_at_ms = event->from == ALERT_FIRING ? engine->now_ms : TIME_NONE;
	event->hold = ALERT_NOT_HELD;
	event->settled = false;
	emit_alert(engine, event);
	engine->stats.events++;
	engine->sink.event(engine->sink.ctx, event);
}

static void tell_restored(struct engine *engine, struct rule_state *rule)
{
	for (uint32_t slot = 0; slot < rule->instances.n; slot++) {
		if (rule->instances.items[slot].lset == LSET_NONE || !rule->alerts[slot].restored)
			continue;
		rule->alerts[slot].restored = false;
		alert_tell(engine, rule, slot, rule->alerts[slot].state, ALERT_REASON_RESTORED,
			   engine->now_ms);
	}
}

void restore_tell(struct engine *engine)
{
	struct restore *restore = &engine->restore;
	if (!restore->adopted || restore->told || engine->now_ms == TIME_NONE)
		return;
	restore->told = true;
	for (uint32_t i = 0; i < engine->active->set->nrules; i++)
		if (engine->active->rules[i].def->kind == RULE_ALERT)
			tell_restored(engine, &engine->active->rules[i]);
	for (size_t i = 0; i < restore->nalerts; i++)
		if (restore->alerts[i])
			tell_removed(engine, restore->alerts[i]);
	restore->nalerts = 0;
}
