#include "engine/alert_event.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/text.h"

const char *alert_state_text(enum alert_state state)
{
	static const char *const texts[] = {
#define X(id, text) [id] = text,
		ALERT_STATE_LIST(X)
#undef X
	};
	return texts[state];
}

const char *alert_hold_text(enum alert_hold hold)
{
	static const char *const texts[] = {
		[ALERT_NOT_HELD] = "",
		[ALERT_HELD_SILENT] = "sender silent",
		[ALERT_HELD_UNRESOLVED] = "resolve_when",
	};
	return texts[hold];
}

const char *alert_reason_text(enum alert_reason reason)
{
	static const char *const texts[] = {
		[ALERT_REASON_NONE] = "",	    [ALERT_REASON_RULE_REMOVED] = "rule removed",
		[ALERT_REASON_LIMIT] = "limit",	    [ALERT_REASON_RESTORED] = "restored",
		[ALERT_REASON_REFRESH] = "refresh", [ALERT_REASON_NO_DATA] = "no_data",
	};
	return texts[reason];
}

struct alert_event *alert_event_new(void)
{
	struct alert_event *event = calloc(1, sizeof(*event));
	if (!event)
		return NULL;
	event->item.cost = sizeof(*event);
	event->at_ms = event->active_at_ms = event->fired_at_ms = TIME_NONE;
	event->resolved_at_ms = event->keep_since_ms = event->no_data_since_ms = TIME_NONE;
	return event;
}

void alert_event_free(struct alert_event *event)
{
	if (!event)
		return;
	labels_unref(event->labels);
	labels_unref(event->expr_labels);
	free(event->file);
	free(event->group);
	free(event->rule);
	rule_set_unref(event->rules);
	evidence_unref(event->evidence);
	query_results_unref(event->asked);
	free(event);
}

const struct rule *alert_rule_of(const struct rule_set *set, uint32_t rule_id)
{
	for (uint32_t g = 0; set && g < set->ngroups; g++) {
		const struct rule_group *group = &set->groups[g];
		/* Ids of a group are consecutive. */
		if (group->nrules == 0 || rule_id < group->rules[0].id)
			continue;
		uint32_t index = rule_id - group->rules[0].id;
		if (index < group->nrules && group->rules[index].id == rule_id)
			return &group->rules[index];
	}
	return NULL;
}

const struct rule *alert_event_rule(const struct alert_event *event)
{
	return alert_rule_of(event->rules, event->rule_id);
}

/* ---- as a record ---- */

enum {
	FLAG_SETTLED = 1,
	FLAG_HELD_SILENT = 2,
	FLAG_HELD_UNRESOLVED = 4,
	FLAG_NO_DATA = 8, /* one time more: since when */
};

static uint8_t flags_of(const struct alert_event *event)
{
	return (uint8_t)((event->settled ? FLAG_SETTLED : 0) |
			 (event->hold == ALERT_HELD_SILENT ? FLAG_HELD_SILENT : 0) |
			 (event->hold == ALERT_HELD_UNRESOLVED ? FLAG_HELD_UNRESOLVED : 0) |
			 (event->no_data_since_ms != TIME_NONE ? FLAG_NO_DATA : 0));
}

#define ASKED_VERSION 1

/* Nothing for nothing, so that most records are as before. */
static void asked_encode(const struct query_results *asked, struct buf *out)
{
	if (!asked)
		return;
	buf_add_char(out, ASKED_VERSION);
	buf_add_u64(out, (uint64_t)asked->t_ms);
	buf_add_u32(out, asked->n);
	for (uint32_t i = 0; i < asked->n; i++) {
		const struct query_result *result = asked->items[i];
		buf_add_sized(out, slice_from(result->text));
		buf_add_char(out, result->error != NULL);
		buf_add_sized(out, slice_from(result->error ? result->error : ""));
		buf_add_u32(out, result->n);
		for (uint32_t k = 0; k < result->n; k++) {
			labels_encode(result->samples[k].labels, out);
			buf_add_u64(out, bits_of_double(result->samples[k].value));
		}
	}
}

void alert_event_encode(const struct alert_event *event, struct buf *out)
{
	buf_add_char(out, (char)event->from);
	buf_add_char(out, (char)event->state);
	buf_add_char(out, (char)event->reason);
	buf_add_char(out, (char)flags_of(event));
	buf_add_u64(out, bits_of_double(event->value));
	const int64_t times[] = { event->at_ms, event->active_at_ms, event->fired_at_ms,
				  event->resolved_at_ms, event->keep_since_ms };
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		buf_add_u64(out, (uint64_t)times[i]);
	if (event->no_data_since_ms != TIME_NONE)
		buf_add_u64(out, (uint64_t)event->no_data_since_ms);
	buf_add_sized(out, slice_from(event->file));
	buf_add_sized(out, slice_from(event->group));
	buf_add_sized(out, slice_from(event->rule));
	labels_encode(event->labels, out);
	labels_encode(event->expr_labels, out);
	evidence_encode(event->evidence, out);
	asked_encode(event->asked, out);
}

static int result_decode(struct reader *reader, struct query_result **out)
{
	struct slice text = reader_sized(reader);
	bool failed = reader_u8(reader);
	struct slice why = reader_sized(reader);
	uint32_t n = reader_u32(reader);
	if (reader->failed)
		return ERR_CORRUPT;
	struct query_result *result = query_result_new(text);
	int code = result ? 0 : ERR_NOMEM;
	if (!code && failed)
		code = query_result_fail(result, why);
	for (uint32_t i = 0; i < n && !code; i++) {
		struct labels *labels = NULL;
		code = labels_decode(reader, &labels);
		uint64_t bits = reader_u64(reader);
		if (!code)
			code = reader->failed
				       ? ERR_CORRUPT
				       : query_result_add(result, labels, double_of_bits(bits));
		labels_unref(labels);
	}
	if (code)
		query_result_unref(result);
	else
		*out = result;
	return code;
}

/* 0, ERR_CORRUPT (what no writer wrote), ERR_NOMEM. */
static int asked_decode(struct reader *reader, struct query_results **out)
{
	if (reader_u8(reader) != ASKED_VERSION)
		return ERR_CORRUPT;
	struct query_results *asked = query_results_new((int64_t)reader_u64(reader));
	uint32_t n = reader_u32(reader);
	int code = !asked ? ERR_NOMEM : reader->failed ? ERR_CORRUPT : 0;
	for (uint32_t i = 0; i < n && !code; i++) {
		struct query_result *result = NULL;
		code = result_decode(reader, &result);
		if (!code)
			code = query_results_add(asked, result);
		query_result_unref(result);
	}
	if (code)
		query_results_unref(asked);
	else
		*out = asked;
	return code == ERR_NOMEM || !code ? code : ERR_CORRUPT;
}

/* Those that its state needs are there. */
static bool times_are_sane(const struct alert_event *event)
{
	const int64_t times[] = { event->active_at_ms, event->fired_at_ms, event->resolved_at_ms,
				  event->keep_since_ms, event->no_data_since_ms };
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (times[i] != TIME_NONE && !time_is_sane(times[i]))
			return false;
	return time_is_sane(event->at_ms) &&
	       (event->state == ALERT_INACTIVE || event->active_at_ms != TIME_NONE) &&
	       (event->state != ALERT_FIRING || event->fired_at_ms != TIME_NONE);
}

static int fields_decode(struct reader *reader, struct alert_event *event)
{
	uint8_t from = reader_u8(reader), state = reader_u8(reader), reason = reader_u8(reader);
	uint8_t flags = reader_u8(reader);
	uint64_t value_bits = reader_u64(reader);
	int64_t *const times[] = { &event->at_ms, &event->active_at_ms, &event->fired_at_ms,
				   &event->resolved_at_ms, &event->keep_since_ms };
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		*times[i] = (int64_t)reader_u64(reader);
	if (flags & FLAG_NO_DATA)
		event->no_data_since_ms = (int64_t)reader_u64(reader);
	char **const names[] = { &event->file, &event->group, &event->rule };
	for (size_t i = 0; i < 3; i++)
		*names[i] = slice_dup(reader_sized(reader));
	if (reader->failed || from > ALERT_FIRING || state > ALERT_FIRING ||
	    reason > ALERT_REASON_NO_DATA)
		return ERR_CORRUPT;
	if (!event->file || !event->group || !event->rule)
		return ERR_NOMEM;
	event->value = double_of_bits(value_bits);
	event->from = from;
	event->state = state;
	event->reason = reason;
	event->settled = flags & FLAG_SETTLED;
	event->hold = flags & FLAG_HELD_SILENT	     ? ALERT_HELD_SILENT
		      : flags & FLAG_HELD_UNRESOLVED ? ALERT_HELD_UNRESOLVED
						     : ALERT_NOT_HELD;
	return times_are_sane(event) ? 0 : ERR_CORRUPT;
}

int alert_event_decode(struct slice bytes, struct alert_event **out)
{
	struct alert_event *event = alert_event_new();
	if (!event)
		return ERR_NOMEM;
	struct reader reader;
	reader_init(&reader, bytes);
	int code = fields_decode(&reader, event);
	if (!code)
		code = labels_decode(&reader, &event->labels);
	if (!code)
		code = labels_decode(&reader, &event->expr_labels);
	if (!code && reader.len > 0)
		code = evidence_decode(&reader, &event->evidence);
	if (!code && reader.len > 0)
		code = asked_decode(&reader, &event->asked);
	if (!code && reader.len > 0)
		code = ERR_CORRUPT;
	if (code) {
		alert_event_free(event);
		return code;
	}
	*out = event;
	return 0;
}
