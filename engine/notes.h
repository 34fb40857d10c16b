/*
 * Notes: what a query tells beside its result (Prometheus' annotations): warnings and hints, in
 * Prometheus' words, each once: with the place of whoever told it last.
 */
#ifndef TOCSIN_ENGINE_NOTES_H
#define TOCSIN_ENGINE_NOTES_H

#include <stdint.h>

#include "base/buf.h"

#define NOTES_MAX 64 /* of one query; further ones are dropped */

enum note_kind { NOTE_WARNING, NOTE_INFO };

struct note {
	enum note_kind kind;
	uint32_t place; /* byte offset in the query's text */
	uint32_t rank;	/* of whoever told it: what is evaluated later has a greater one */
	char *text;
};

struct notes {
	struct note items[NOTES_MAX];
	uint32_t n;
};

void notes_fini(struct notes *notes);
/* Adds it unless it is there. Out of memory, or beyond NOTES_MAX, it is lost. */
void notes_add(struct notes *notes, enum note_kind kind, uint32_t place, uint32_t rank,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* "PromQL warning: TEXT (LINE:COLUMN)", of a query's text. */
void note_format(const struct note *note, struct slice query, struct buf *out);

#endif
