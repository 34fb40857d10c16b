/*
 * A recording through rules. Exactly as the live engine was let work, as long as the rules are
 * those of then and nothing is missing before; otherwise each piece of work to its end.
 */
#include "engine/replay_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"

#define PROGRESS_INPUTS 256 /* so many between two reports */

struct recorded {
	const struct replay_options *options;
	const struct replay_sink *sink;
	struct replay_result *result;
	struct recording_reader *reader;
	struct replay_engine run;
	bool is_exact;
	bool has_time; /* the engine was told one */
	bool goes_on;  /* with the engine of the session before */
	uint32_t step_units;
	int64_t now_ms;
	struct buf live; /* sized events that were told live, and not yet here */
	size_t live_at;
	uint64_t inputs;
};

/* ---- what was told live ---- */

static void describe(const struct alert_event *event, const char *what,
		     struct replay_result *result)
{
	struct buf labels;
	buf_init(&labels);
	labels_format(event->labels, &labels);
	snprintf(result->differs_what, sizeof(result->differs_what), "%s %.120s: %s",
		 alert_state_text(event->state), buf_ok(&labels) ? labels.ptr : "", what);
	buf_fini(&labels);
	result->live_differs = true;
	result->differs_ms = event->at_ms;
}

static bool live_next(struct recorded *rec, struct slice *bytes)
{
	struct reader reader;
	if (rec->live_at == rec->live.len)
		return false;
	reader_init(&reader,
		    (struct slice){ rec->live.ptr + rec->live_at, rec->live.len - rec->live_at });
	*bytes = reader_sized(&reader);
	rec->live_at = rec->live.len - reader.len;
	return true;
}

static void live_clear(struct recorded *rec)
{
	buf_clear(&rec->live);
	rec->live_at = 0;
}

static void on_event(void *ctx, const struct alert_event *event)
{
	struct recorded *rec = ctx;
	struct replay_result *result = rec->result;
	struct slice live;
	struct buf bytes;
	if (!rec->is_exact || result->live_differs)
		return;
	if (!live_next(rec, &live)) {
		describe(event, "not told live", result);
		return;
	}
	buf_init(&bytes);
	recording_event_encode(event, &bytes);
	if (buf_ok(&bytes) && slice_is_equal(buf_slice(&bytes), live))
		result->live_compared++;
	else
		describe(event, "told otherwise live", result);
	buf_fini(&bytes);
}

/* Work was done as far as live: nothing that was told there may be missing. */
static void live_check(struct recorded *rec)
{
	struct alert_event *event;
	struct slice live;
	if (rec->is_exact && !rec->result->live_differs && live_next(rec, &live) &&
	    alert_event_decode(live, &event) == 0) {
		describe(event, "told live only", rec->result);
		alert_event_free(event);
	}
	live_clear(rec);
}

/* ---- sessions ---- */

static void note_others(struct recorded *rec)
{
	if (!rec->result->others)
		rec->result->others_ms = rec->now_ms;
	rec->result->others = true;
}

static int session_begin(struct recorded *rec, bool whole)
{
	const struct recording_settings *settings = recording_settings(rec->reader);
	const struct replay_options *options = rec->options;
	const struct engine_options engine = {
		.store = { .lookback_ms = settings->lookback_ms,
			   .series_max = settings->series_max,
			   .ignored_max = settings->ignored_max,
			   .memory_max = settings->memory_max },
		.sender_timeout_ms = settings->sender_timeout_ms,
		.retention_ms = settings->retention_ms,
		.resolve_on_silence = settings->resolve_on_silence,
		.start_times = settings->start_times,
		.external_labels = settings->external_labels,
		.external_url = settings->external_url.ptr,
		.evidence = true,
		.warm = options->warm,
	};
	bool is_same = settings->rules_hash == recording_rules_hash(options->rules);
	if (!is_same)
		note_others(rec);
	rec->is_exact = whole && is_same && !settings->rechecked && !options->warm;
	rec->result->rechecked |= settings->rechecked;
	rec->step_units = settings->step_units;
	rec->result->sessions++;
	live_clear(rec);
	/* Under other rules a restart is a pause: what the storage knew is of the live ones. */
	rec->goes_on = !rec->is_exact && rec->run.engine;
	if (rec->goes_on)
		return 0;
	if (rec->run.engine) {
		replay_engine_stop(&rec->run);
		rec->sink->session(rec->sink->ctx, rec->now_ms);
	}
	rec->has_time = false;
	return replay_engine_start(&rec->run, &engine, options->rules);
}

/* In force from here on were these rules, or settings. */
static void rules_change(struct recorded *rec)
{
	const struct recording_settings *settings = recording_settings(rec->reader);
	bool is_same = settings->rules_hash == recording_rules_hash(rec->options->rules);
	engine_external_set(rec->run.engine, settings->external_labels, settings->external_url.ptr);
	const struct engine_settings engine = {
		.lookback_ms = settings->lookback_ms,
		.series_max = settings->series_max,
		.ignored_max = settings->ignored_max,
		.memory_max = settings->memory_max,
		.retention_ms = settings->retention_ms,
		.sender_timeout_ms = settings->sender_timeout_ms,
		.resolve_on_silence = settings->resolve_on_silence,
		.start_times = settings->start_times,
	};
	engine_settings_set(rec->run.engine, &engine);
	if (is_same) {
		engine_load(rec->run.engine, rec->options->rules);
		return;
	}
	rec->is_exact = false;
	note_others(rec);
}

/* Does the set have the group where the file says, or elsewhere? NULL: nowhere. */
static const struct rule_group *group_of(const struct rule_set *rules,
					 const struct alert_event *event)
{
	const struct rule_group *elsewhere = NULL;
	for (uint32_t i = 0; i < rules->ngroups; i++) {
		const struct rule_group *group = &rules->groups[i];
		if (!slice_is(group->name, event->group))
			continue;
		if (slice_is(group->file, event->file))
			return group;
		if (!elsewhere)
			elsewhere = group;
	}
	return elsewhere;
}

/* The engine knows rules by their files, which may be elsewhere now. */
static void restore_alert(struct recorded *rec, struct slice payload)
{
	struct alert_event *event;
	struct buf moved;
	if (alert_event_decode(payload, &event))
		return;
	const struct rule_group *group = group_of(rec->options->rules, event);
	char *file = group ? slice_dup(group->file) : NULL;
	if (file) {
		free(event->file);
		event->file = file;
	}
	buf_init(&moved);
	alert_event_encode(event, &moved);
	if (buf_ok(&moved))
		engine_restore(rec->run.engine, RECORD_ALERT, buf_slice(&moved));
	buf_fini(&moved);
	alert_event_free(event);
}

/* ---- inputs ---- */

static void steps(struct recorded *rec, uint64_t n)
{
	if (!rec->is_exact) {
		replay_engine_settle(&rec->run);
		live_clear(rec);
		return;
	}
	/* Where nothing waits twice in a row, nothing will: the rest was idle. */
	unsigned idle = 0;
	for (uint64_t i = 0; i < n && idle < 2; i++)
		idle = engine_step(rec->run.engine, rec->step_units) ? 0 : idle + 1;
	replay_engine_look(&rec->run);
	live_check(rec);
}

static void tell_time(struct recorded *rec, int64_t t_ms)
{
	struct replay_result *result = rec->result;
	/* Another session's clock may have been set back. */
	if (rec->now_ms == TIME_NONE || t_ms > rec->now_ms)
		rec->now_ms = t_ms;
	if (result->from_ms == TIME_NONE)
		result->from_ms = t_ms;
	result->to_ms = rec->now_ms;
	engine_time(rec->run.engine, t_ms);
	rec->has_time = true;
}

static void take(struct recorded *rec, struct input *input)
{
	struct engine *engine = rec->run.engine;
	switch (input->kind) {
	case INPUT_TIME:
		tell_time(rec, input->t_ms);
		return;
	case INPUT_STEPS:
		steps(rec, input->steps);
		return;
	case INPUT_BATCH:
		/* Nobody can judge samples without a time: no daemon does so. */
		if (rec->has_time)
			engine_batch(engine, input->batch);
		else
			batch_free(input->batch);
		return;
	case INPUT_RULES:
		rules_change(rec);
		return;
	case INPUT_RESTORE:
		if (rec->goes_on)
			return;
		if (input->type == RECORD_ALERT)
			restore_alert(rec, input->payload);
		else
			engine_restore(engine, input->type, input->payload);
		return;
	case INPUT_RESTORED:
		if (!rec->goes_on)
			engine_restore_done(engine);
		return;
	case INPUT_FORGET:
		engine_lines_forget(engine);
		return;
	case INPUT_EVENT:
		rec->result->live_events++;
		if (rec->is_exact)
			buf_add_sized(&rec->live, input->payload);
		return;
	case INPUT_END:
		rec->result->end = input->end;
		live_clear(rec);
		return;
	case INPUT_SERIES:
		return; /* never told */
	}
}

static int begin_if_new(struct recorded *rec, const struct input *input)
{
	bool whole, begins = recording_begins(rec->reader, &whole);
	if (!begins || input->kind == INPUT_END)
		return 0;
	if (!whole && !rec->run.engine)
		rec->result->begins_late = true;
	return session_begin(rec, whole);
}

static void progress(struct recorded *rec)
{
	struct recording_reader_stats stats;
	if (!rec->sink->progress || rec->inputs++ % PROGRESS_INPUTS)
		return;
	recording_reader_stats(rec->reader, &stats);
	const struct replay_progress now = {
		.t_ms = rec->now_ms,
		.samples = stats.samples,
		.share = stats.bytes_total ? (double)stats.bytes / (double)stats.bytes_total : 1,
	};
	rec->sink->progress(rec->sink->ctx, &now);
}

/* The first input of a session that is whole are its rules, with which it has begun. */
static bool is_first_rules(const struct recorded *rec, const struct input *input)
{
	bool whole;
	return input->kind == INPUT_RULES && recording_begins(rec->reader, &whole) && whole;
}

static int run_all(struct recorded *rec)
{
	struct input input;
	int code;
	while ((code = recording_next(rec->reader, &input)) == 1) {
		code = begin_if_new(rec, &input);
		bool is_over = !code && input.kind == INPUT_TIME &&
			       rec->options->to_ms != TIME_NONE && input.t_ms > rec->options->to_ms;
		if (code || !rec->run.engine || is_over) {
			if (input.kind == INPUT_BATCH)
				batch_free(input.batch);
			if (code || is_over)
				return code;
			continue;
		}
		if (!is_first_rules(rec, &input))
			take(rec, &input);
		progress(rec);
	}
	return code;
}

static char *why_of(const struct recorded *rec, int code)
{
	const char *error = recording_reader_error(rec->reader);
	return strdup(error[0] ? error : error_text(code));
}

int replay_recording(const char *dir, const struct replay_options *options,
		     const struct replay_sink *sink, struct replay_result *result, char **why)
{
	struct recorded rec = {
		.options = options,
		.sink = sink,
		.result = result,
		.now_ms = TIME_NONE,
		.run = { .sink = sink, .result = result, .watch = on_event, .watch_ctx = &rec }
	};
	*result = (struct replay_result){ .from_ms = TIME_NONE,
					  .to_ms = TIME_NONE,
					  .others_ms = TIME_NONE };
	int code = recording_reader_new(dir, &rec.reader, why);
	if (code)
		return code;
	buf_init(&rec.live);
	code = run_all(&rec);
	if (code)
		*why = why_of(&rec, code);
	if (!code && !rec.is_exact && rec.run.engine)
		replay_engine_settle(&rec.run);
	replay_engine_stop(&rec.run);
	struct recording_reader_stats stats;
	recording_reader_stats(rec.reader, &stats);
	result->torn_bytes = stats.torn_bytes;
	recording_reader_free(rec.reader);
	buf_fini(&rec.live);
	return code;
}

int replay_recording_settings(const char *dir, struct recording_settings *out, struct arena *arena,
			      char **why)
{
	struct recording_reader *reader;
	struct input input;
	int code = recording_reader_new(dir, &reader, why);
	if (code)
		return code;
	while ((code = recording_next(reader, &input)) == 1) {
		if (input.kind == INPUT_BATCH)
			batch_free(input.batch);
		if (recording_settings(reader)->step_units)
			break;
	}
	if (code == 1 || code == 0) {
		bool is_known = code == 1;
		*out = *recording_settings(reader);
		char *url = arena_strdup(arena, out->external_url);
		out->external_labels = NULL;
		out->external_url = slice_from(url ? url : "");
		code = is_known ? 0 : ERR_NOT_FOUND;
		if (code)
			*why = strdup("the recording is empty");
	} else {
		*why = strdup(recording_reader_error(reader));
	}
	recording_reader_free(reader);
	return code;
}
