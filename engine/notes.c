#include "engine/notes.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

void notes_fini(struct notes *notes)
{
	for (uint32_t i = 0; i < notes->n; i++)
		free(notes->items[i].text);
	notes->n = 0;
}

static struct note *same_note(struct notes *notes, const struct note *note)
{
	for (uint32_t i = 0; i < notes->n; i++)
		if (notes->items[i].kind == note->kind &&
		    strcmp(notes->items[i].text, note->text) == 0)
			return &notes->items[i];
	return NULL;
}

void notes_add(struct notes *notes, enum note_kind kind, uint32_t place, uint32_t rank,
	       const char *format, ...)
{
	struct note note = { .kind = kind, .place = place, .rank = rank };
	va_list args;
	va_start(args, format);
	int n = vasprintf(&note.text, format, args);
	va_end(args);
	if (n < 0)
		return;
	struct note *known = same_note(notes, &note);
	if (known && rank > known->rank) {
		known->place = place;
		known->rank = rank;
	}
	if (known || notes->n == NOTES_MAX)
		free(note.text);
	else
		notes->items[notes->n++] = note;
}

static void mending_widen(struct note_mending *known, const struct note_mending *more)
{
	if (more->upper_min < known->upper_min)
		known->upper_min = more->upper_min;
	if (more->upper_max > known->upper_max)
		known->upper_max = more->upper_max;
	if (more->difference_max > known->difference_max)
		known->difference_max = more->difference_max;
	if (more->first_ms < known->first_ms)
		known->first_ms = more->first_ms;
	if (more->last_ms > known->last_ms)
		known->last_ms = more->last_ms;
	known->count += more->count;
}

void notes_add_mending(struct notes *notes, uint32_t place, uint32_t rank, const char *text,
		       const struct note_mending *mending)
{
	struct note note = { NOTE_INFO, place, rank, (char *)text, *mending };
	struct note *known = same_note(notes, &note);
	if (known) {
		mending_widen(&known->mending, mending);
		if (rank < known->rank) {
			known->place = place;
			known->rank = rank;
		}
		return;
	}
	note.text = notes->n < NOTES_MAX ? strdup(text) : NULL;
	if (note.text)
		notes->items[notes->n++] = note;
}

static void format_time(int64_t t_ms, struct buf *out)
{
	char text[40];
	time_t t = (time_t)(t_ms / 1000);
	struct tm tm;
	if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf_add_str(out, text);
}

static void format_mending(const struct note_mending *mending, struct buf *out)
{
	buf_add_str(out, ", from buckets ");
	number_format_g(mending->upper_min, out);
	buf_add_str(out, " to ");
	number_format_g(mending->upper_max, out);
	if (mending->difference_max < INFINITY)
		buf_printf(out, ", with a max diff of %.2g", mending->difference_max);
	else
		buf_add_str(out, ", with a max diff of +Inf");
	buf_printf(out, ", over %u samples from ", mending->count);
	format_time(mending->first_ms, out);
	buf_add_str(out, " to ");
	format_time(mending->last_ms, out);
}

void note_format(const struct note *note, struct slice query, struct buf *out)
{
	unsigned line = 1, column = 1;
	for (size_t i = 0; i < note->place && i < query.len; i++) {
		column = query.ptr[i] == '\n' ? 1 : column + 1;
		line += query.ptr[i] == '\n';
	}
	buf_printf(out, "PromQL %s: %s", note->kind == NOTE_WARNING ? "warning" : "info", note->text);
	if (note->mending.count)
		format_mending(&note->mending, out);
	buf_printf(out, " (%u:%u)", line, column);
}
