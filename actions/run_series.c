/*
 * Runs as series, which rules may read: what was done lets the next rule fire.
 *
 *   tocsin_run_state{runbook, result, TARGET…} 1    the newest run of a runbook on a target is so
 *   tocsin_run_value{runbook, step, key, TARGET…} N a number that one of its steps printed
 *
 * `result` is the run's state. A label of the target that has one of those names is called
 * exported_NAME. Samples are written at each change, and again every RUN_SERIES_INTERVAL_MS; a
 * series that holds no longer ends with a stale marker, at the latest RUN_SERIES_FOR_MS after the
 * run's end.
 */
#include <stdlib.h>
#include <string.h>

#include "actions/runs_internal.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "ingest/batch.h"

struct run_series {
	struct table_entry entry; /* by labels */
	struct labels *labels;
	int64_t last_ms; /* of its newest sample; TIME_NONE: none yet */
	uint64_t round;	 /* of the newest one in which it held */
	uint64_t bits;
};

/* A run whose runbook and target had no newer one. */
struct newest {
	struct table_entry entry;
	const struct run *run;
};

/* ---- numbers that a step printed ---- */

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct step_value *)a)->key, ((const struct step_value *)b)->key);
}

void step_values_take(struct run_step *step)
{
	json_t *output = step->output ? json_loads(step->output, 0, NULL) : NULL, *value;
	const char *key;

	free(step->values);
	step->values =
		json_is_object(output) ? calloc(RUN_VALUES_MAX, sizeof(*step->values)) : NULL;
	step->nvalues = 0;
	json_object_foreach (output, key, value) {
		if (!step->values || step->nvalues == RUN_VALUES_MAX)
			break;
		if (!json_is_number(value) || strlen(key) >= sizeof(step->values->key))
			continue;
		strcpy(step->values[step->nvalues].key, key);
		step->values[step->nvalues++].value = json_number_value(value);
	}
	if (step->nvalues)
		qsort(step->values, step->nvalues, sizeof(*step->values), compare_keys);
	json_decref(output);
}

/* ---- labels ---- */

/* Ours, and what a label of the target is called that has one of these names. */
static const struct {
	struct slice name, exported;
} own_names[] = { { SLICE("runbook"), SLICE("exported_runbook") },
		  { SLICE("result"), SLICE("exported_result") },
		  { SLICE("step"), SLICE("exported_step") },
		  { SLICE("key"), SLICE("exported_key") } };

/* The builder borrows names and values. */
static void target_add(struct labels_builder *builder, const struct labels *target)
{
	for (size_t i = 0; target && i < labels_count(target); i++) {
		struct label label = labels_at(target, i);

		for (size_t k = 0; k < sizeof(own_names) / sizeof(own_names[0]); k++)
			if (slice_is_equal(label.name, own_names[k].name)) {
				label.name = own_names[k].exported;
				break;
			}
		labels_builder_set(builder, label.name, label.value);
	}
}

/* Pairs of names and values, ended by NULL. A reference; NULL without memory. */
static struct labels *labels_make(const struct run *run, const char *const *pairs)
{
	struct labels_builder builder;
	struct labels *labels = NULL;

	labels_builder_init(&builder);
	target_add(&builder, run->target);
	labels_builder_set(&builder, SLICE("runbook"), slice_from(run->runbook));
	for (; *pairs; pairs += 2)
		labels_builder_set(&builder, slice_from(pairs[0]), slice_from(pairs[1]));
	if (labels_builder_take(&builder, &labels, NULL))
		labels = NULL;
	labels_builder_fini(&builder);
	return labels;
}

static struct labels *state_labels(const struct run *run, enum run_state state)
{
	const char *const pairs[] = { METRIC_NAME, "tocsin_run_state", "result",
				      run_state_text(state), NULL };

	return labels_make(run, pairs);
}

static struct labels *value_labels(const struct run *run, const struct run_step *step,
				   const char *key)
{
	const char *const pairs[] = { METRIC_NAME, "tocsin_run_value", "step", step->id, "key", key,
				      NULL };

	return labels_make(run, pairs);
}

/* ---- what holds ---- */

static bool has_labels(const struct table_entry *entry, const void *key)
{
	return labels_is_equal(((const struct run_series *)entry)->labels, key);
}

/* Takes the labels, which may be NULL: no memory, then the series is missing this time. */
static void series_hold(struct runs *runs, struct labels *labels, double value)
{
	uint64_t hash = labels ? labels_fingerprint(labels) : 0;
	struct run_series *series =
		labels ? (struct run_series *)table_find(&runs->series, hash, has_labels, labels)
		       : NULL;

	if (!series && labels && runs->series.n >= RUN_SERIES_MAX) {
		runs->series_left_out++;
	} else if (!series && labels) {
		series = calloc(1, sizeof(*series));
		if (series) {
			series->entry.hash = hash;
			series->last_ms = TIME_NONE;
			series->labels = labels_ref(labels);
		}
		if (series && table_add(&runs->series, &series->entry)) {
			labels_unref(series->labels);
			free(series);
			series = NULL;
		}
	}
	labels_unref(labels);
	if (!series)
		return;
	series->round = runs->series_round;
	series->bits = bits_of_double(value);
}

static bool is_same_work(const struct table_entry *entry, const void *key)
{
	const struct run *a = ((const struct newest *)entry)->run, *b = key;

	return strcmp(a->runbook, b->runbook) == 0 && strcmp(a->target_text, b->target_text) == 0;
}

/* True: no newer run is of this runbook and target. */
static bool is_newest(struct table *seen, struct newest *room, const struct run *run)
{
	uint64_t hash = hash_fnv1a64(FNV1A64_INIT, run->runbook, strlen(run->runbook) + 1);

	hash = hash_fnv1a64(hash, run->target_text, strlen(run->target_text));
	if (table_find(seen, hash, is_same_work, run))
		return false;
	room->entry.hash = hash;
	room->run = run;
	return table_add(seen, &room->entry) == 0;
}

static void run_hold(struct runs *runs, const struct run *run)
{
	series_hold(runs, state_labels(run, run->state), 1);
	for (uint32_t i = 0; i < run->nsteps; i++)
		for (uint32_t k = 0; k < run->steps[i].nvalues; k++)
			series_hold(runs,
				    value_labels(run, &run->steps[i], run->steps[i].values[k].key),
				    run->steps[i].values[k].value);
}

/* ---- writing ---- */

struct writing {
	struct runs *runs;
	bool all; /* also what has not changed */
	int64_t now_ms;
};

static void write_at(struct runs *runs, struct run_series *series, int64_t now_ms, uint64_t bits)
{
	const struct actions_sink *sink = &runs->actions->sink;

	/* One sample a millisecond: a later one of the same would be refused. */
	if (series->last_ms != TIME_NONE && now_ms <= series->last_ms)
		now_ms = series->last_ms + 1;
	series->last_ms = now_ms;
	sink->sample(sink->ctx, series->labels, now_ms, bits);
}

static void series_write(void *ctx, struct table_entry *entry)
{
	const struct writing *writing = ctx;
	struct runs *runs = writing->runs;
	struct run_series *series = (struct run_series *)entry;

	if (series->round == runs->series_round) {
		if (series->last_ms == TIME_NONE || writing->all)
			write_at(runs, series, writing->now_ms, series->bits);
		return;
	}
	write_at(runs, series, writing->now_ms, STALE_NAN_BITS);
	table_remove(&runs->series, entry);
	labels_unref(series->labels);
	free(series);
}

/*
 * Before the daemon ended, this run may have been told to be on its way: that series, of which
 * nothing is known here, ends.
 */
static void end_earlier(struct runs *runs, struct run *run)
{
	static const enum run_state passing[] = { RUN_QUEUED, RUN_RUNNING };
	const struct actions_sink *sink = &runs->actions->sink;

	run->was_told = false;
	for (size_t i = 0; i < 2; i++) {
		struct labels *labels =
			run->state == passing[i] ? NULL : state_labels(run, passing[i]);

		if (labels)
			sink->sample(sink->ctx, labels, runs->actions->now_ms, STALE_NAN_BITS);
		labels_unref(labels);
	}
}

/* Runs that count now; those that are long over do not. */
static void hold_all(struct runs *runs)
{
	struct table seen = { 0 };
	struct newest *room = calloc(runs->n + 1, sizeof(*room));
	int64_t from_ms = runs->actions->now_ms - RUN_SERIES_FOR_MS;
	uint32_t left_out = runs->series_left_out;
	size_t n = 0;

	runs->series_left_out = 0;
	for (struct run *run = room ? runs->newest : NULL; run; run = run->older) {
		bool counts =
			run->target_text && (!run_is_finished(run) || run->finished_ms > from_ms);

		if (!counts || !is_newest(&seen, &room[n], run))
			continue;
		n++;
		run_hold(runs, run);
		if (run->was_told)
			end_earlier(runs, run);
	}
	if (runs->series_left_out && !left_out)
		log_warn("runbook", "more series of runs than there is room for: some are left out",
			 "left_out=%u limit=%d", runs->series_left_out, RUN_SERIES_MAX);
	table_fini(&seen);
	free(room);
}

void run_series_step(struct runs *runs)
{
	int64_t now_ms = runs->actions->now_ms;
	struct writing writing = { .runs = runs, .now_ms = now_ms };

	if (!runs->actions->sink.sample || run_series_due_ms(runs) > now_ms ||
	    run_series_due_ms(runs) == TIME_NONE)
		return;
	writing.all = runs->series_all_ms == TIME_NONE || runs->series_all_ms <= now_ms;
	if (writing.all)
		runs->series_all_ms = now_ms + RUN_SERIES_INTERVAL_MS;
	runs->series_dirty = false;
	runs->series_ms = now_ms;
	runs->series_round++;
	hold_all(runs);
	table_each(&runs->series, series_write, &writing);
}

int64_t run_series_due_ms(const struct runs *runs)
{
	if (!runs->actions->sink.sample || (!runs->series_dirty && runs->series.n == 0))
		return TIME_NONE;
	if (!runs->series_dirty)
		return runs->series_all_ms;
	/* A storm of changes is written in strides. */
	return runs->series_ms == TIME_NONE ? runs->actions->now_ms
					    : runs->series_ms + RUN_SERIES_GAP_MS;
}

static void free_one(void *ctx, struct table_entry *entry)
{
	struct run_series *series = (struct run_series *)entry;

	labels_unref(series->labels);
	free(series);
}

void run_series_fini(struct runs *runs)
{
	table_each(&runs->series, free_one, NULL);
	table_fini(&runs->series);
}
