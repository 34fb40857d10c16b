#include "engine/recording_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "rules/rule_expand.h"

const char *recording_end_text(enum recording_end end)
{
	static const char *const texts[] = {
		[RECORDING_TORN] = "it was cut off",
		[RECORDING_STOPPED] = "the daemon was stopped",
		[RECORDING_BEHIND] = "more came in than could be written",
		[RECORDING_FAILED] = "a request was too large to be recorded",
	};
	return end <= RECORDING_FAILED ? texts[end] : "unknown";
}

/* Without the comments, which tell where the files are. */
static void drop_comments(struct buf *text)
{
	size_t kept = 0;
	for (size_t at = 0, len; at < text->len; at += len) {
		const char *end = memchr(text->ptr + at, '\n', text->len - at);
		len = end ? (size_t)(end - text->ptr) + 1 - at : text->len - at;
		if (text->ptr[at] == '#')
			continue;
		memmove(text->ptr + kept, text->ptr + at, len);
		kept += len;
	}
	text->len = kept;
}

uint64_t recording_rules_hash(const struct rule_set *rules)
{
	struct buf all;
	buf_init(&all);
	bool failed = rule_set_expand(rules, EXPAND_FULL, &all) < 0 || !buf_ok(&all);
	if (!failed)
		drop_comments(&all);
	uint64_t hash = failed ? 0 : hash_checksum(all.ptr, all.len);
	buf_fini(&all);
	return hash;
}

uint64_t reader_varint(struct reader *reader)
{
	struct pb_walk walk = pb_walk_of((struct slice){ reader->ptr, reader->len });
	uint64_t value = 0;
	if (reader->failed || pb_varint(&walk, &value)) {
		reader->failed = true;
		return 0;
	}
	reader->len = pb_left(&walk);
	reader->ptr = (const char *)walk.at;
	return value;
}

/* ---- small inputs ---- */

void input_mark_add(struct buf *out, enum input_kind kind)
{
	buf_add_char(out, (char)kind);
}

void input_time_add(struct buf *out, int64_t now_ms)
{
	input_mark_add(out, INPUT_TIME);
	buf_add_u64(out, (uint64_t)now_ms);
}

void input_steps_add(struct buf *out, uint64_t steps)
{
	input_mark_add(out, INPUT_STEPS);
	pb_varint_add(out, steps);
}

void input_restore_add(struct buf *out, enum record_type type, struct slice payload)
{
	input_mark_add(out, INPUT_RESTORE);
	buf_add_char(out, (char)type);
	buf_add_sized(out, payload);
}

void recording_event_encode(const struct alert_event *event, struct buf *out)
{
	static char nowhere[] = "";
	struct alert_event shown = *event;
	shown.file = nowhere; /* it may be replayed from elsewhere */
	alert_event_encode(&shown, out);
}

void input_event_add(struct buf *out, const struct alert_event *event)
{
	struct buf bytes;
	buf_init(&bytes);
	recording_event_encode(event, &bytes);
	input_mark_add(out, INPUT_EVENT);
	buf_add_sized(out, buf_slice(&bytes));
	out->failed |= !buf_ok(&bytes);
	buf_fini(&bytes);
}

/* ---- settings ---- */

enum {
	SETTING_DELAYED_NAMES = 1,
	SETTING_RESOLVE_ON_SILENCE = 2,
	SETTING_START_TIMES = 4,
	SETTING_RECHECKED = 8
};

void settings_write(const struct recording_settings *settings, struct buf *out)
{
	const uint64_t numbers[] = {
		(uint64_t)settings->interval_ms,
		(uint64_t)settings->query_offset_ms,
		(uint64_t)settings->subquery_step_ms,
		(uint64_t)settings->lookback_ms,
		(uint64_t)settings->sender_timeout_ms,
		(uint64_t)settings->retention_ms,
		settings->series_max,
		settings->ignored_max,
		settings->memory_max,
		settings->log_series_max,
		settings->step_units,
		settings->rules_hash,
	};
	buf_add_char(out, (char)((settings->delayed_names ? SETTING_DELAYED_NAMES : 0) |
				 (settings->resolve_on_silence ? SETTING_RESOLVE_ON_SILENCE : 0) |
				 (settings->start_times ? SETTING_START_TIMES : 0) |
				 (settings->rechecked ? SETTING_RECHECKED : 0)));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		buf_add_u64(out, numbers[i]);
	buf_add_sized(out, settings->external_url);
	labels_encode(settings->external_labels, out);
}

int settings_read(struct reader *reader, struct owned_settings *out)
{
	struct recording_settings s = { 0 };
	uint8_t flags = reader_u8(reader);
	int64_t *const times[] = { &s.interval_ms, &s.query_offset_ms,	 &s.subquery_step_ms,
				   &s.lookback_ms, &s.sender_timeout_ms, &s.retention_ms };
	uint64_t *const sizes[] = { &s.series_max, &s.ignored_max, &s.memory_max,
				    &s.log_series_max };
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
		*times[i] = (int64_t)reader_u64(reader);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		*sizes[i] = reader_u64(reader);
	s.step_units = (uint32_t)reader_u64(reader);
	s.rules_hash = reader_u64(reader);
	s.delayed_names = flags & SETTING_DELAYED_NAMES;
	s.resolve_on_silence = flags & SETTING_RESOLVE_ON_SILENCE;
	s.start_times = flags & SETTING_START_TIMES;
	s.rechecked = flags & SETTING_RECHECKED;
	struct slice url = reader_sized(reader);
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
		if (*times[i] < 0 || *times[i] > TIME_MAX_MS)
			return ERR_CORRUPT;
	if (reader->failed || s.interval_ms == 0 || s.step_units == 0)
		return ERR_CORRUPT;
	struct owned_settings read = { .settings = s };
	int code = labels_decode(reader, &read.external_labels);
	if (code)
		return code;
	read.external_url = slice_dup(url);
	if (!read.external_url) {
		labels_unref(read.external_labels);
		return ERR_NOMEM;
	}
	read.settings.external_labels = read.external_labels;
	read.settings.external_url = slice_from(read.external_url);
	*out = read;
	return 0;
}

void settings_fini(struct owned_settings *settings)
{
	labels_unref(settings->external_labels);
	free(settings->external_url);
	*settings = (struct owned_settings){ 0 };
}

void input_rules_add(struct buf *out, const struct recording_settings *settings)
{
	input_mark_add(out, INPUT_RULES);
	settings_write(settings, out);
}

/* ---- reading them ---- */

int input_read(struct reader *reader, struct input *input)
{
	switch (input->kind) {
	case INPUT_TIME:
		input->t_ms = (int64_t)reader_u64(reader);
		return reader->failed || !time_is_sane(input->t_ms) ? ERR_CORRUPT : 0;
	case INPUT_STEPS:
		input->steps = reader_varint(reader);
		return reader->failed ? ERR_CORRUPT : 0;
	case INPUT_RESTORE:
		input->type = (enum record_type)reader_u8(reader);
		input->payload = reader_sized(reader);
		return reader->failed ? ERR_CORRUPT : 0;
	case INPUT_EVENT:
		input->payload = reader_sized(reader);
		return reader->failed ? ERR_CORRUPT : 0;
	case INPUT_END:
		input->end = (enum recording_end)reader_u8(reader);
		return reader->failed || input->end > RECORDING_FAILED ? ERR_CORRUPT : 0;
	case INPUT_RESTORED:
	case INPUT_FORGET:
		return 0;
	default:
		return ERR_CORRUPT;
	}
}

/* ---- files ---- */

void recording_file_path(const char *dir, uint32_t number, struct buf *out)
{
	buf_clear(out);
	buf_printf(out, "%s/%08u" RECORDING_SUFFIX, dir, number);
}

/* "00000012.rec" → 12; 0: another file. */
static uint32_t file_number(const char *name)
{
	char *end;
	if (strspn(name, "0123456789") != 8)
		return 0;
	unsigned long number = strtoul(name, &end, 10);
	return strcmp(end, RECORDING_SUFFIX) == 0 ? (uint32_t)number : 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static int files_add(uint32_t number, uint32_t **numbers, size_t *n, size_t *cap)
{
	if (*n == RECORDING_FILES_MAX)
		return ERR_LIMIT;
	if (*n == *cap) {
		size_t wanted = *cap ? 2 * *cap : 16;
		uint32_t *grown = reallocarray(*numbers, wanted, sizeof(*grown));
		if (!grown)
			return ERR_NOMEM;
		*numbers = grown;
		*cap = wanted;
	}
	(*numbers)[(*n)++] = number;
	return 0;
}

int recording_files(const char *dir, uint32_t **numbers, size_t *n)
{
	DIR *stream = opendir(dir);
	size_t cap = 0;
	int code = 0;
	*numbers = NULL;
	*n = 0;
	if (!stream)
		return ERR_IO;
	for (struct dirent *entry; !code && (entry = readdir(stream));) {
		uint32_t number = file_number(entry->d_name);
		if (number)
			code = files_add(number, numbers, n, &cap);
	}
	closedir(stream);
	if (code) {
		free(*numbers);
		*numbers = NULL;
		return code;
	}
	if (*n)
		qsort(*numbers, *n, sizeof(**numbers), by_number);
	return 0;
}

bool recording_is_in(const char *dir)
{
	uint32_t *numbers;
	size_t n;
	if (recording_files(dir, &numbers, &n))
		return false;
	free(numbers);
	return n > 0;
}
