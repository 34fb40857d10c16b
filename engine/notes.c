#include "engine/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	struct note note = { kind, place, rank, NULL };
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

void note_format(const struct note *note, struct slice query, struct buf *out)
{
	unsigned line = 1, column = 1;
	for (size_t i = 0; i < note->place && i < query.len; i++) {
		column = query.ptr[i] == '\n' ? 1 : column + 1;
		line += query.ptr[i] == '\n';
	}
	buf_printf(out, "PromQL %s: %s (%u:%u)", note->kind == NOTE_WARNING ? "warning" : "info",
		   note->text, line, column);
}
