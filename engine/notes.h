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

/* What was mended in the buckets of classic histograms: which, by how much, how often, when. */
struct note_mending {
	double upper_min, upper_max; /* of the buckets that held less than the one below */
	double difference_max;
	int64_t first_ms, last_ms;
	uint32_t count; /* 0: the note is of something else */
};

struct note {
	enum note_kind kind;
	uint32_t place; /* byte offset in the query's text */
	uint32_t rank;	/* of whoever told it: what is evaluated later has a greater one */
	char *text;
	struct note_mending mending;
};

struct notes {
	struct note items[NOTES_MAX];
	uint32_t n;
};

void notes_fini(struct notes *notes);
/* Adds it unless it is there. Out of memory, or beyond NOTES_MAX, it is lost. */
void notes_add(struct notes *notes, enum note_kind kind, uint32_t place, uint32_t rank,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));
/*
 * The same of mended histograms: one note for all of a text, which tells the whole extent, with the
 * place of whoever told it first.
 */
void notes_add_mending(struct notes *notes, uint32_t place, uint32_t rank, const char *text,
		       const struct note_mending *mending);
/* "PromQL warning: TEXT[, EXTENT] (LINE:COLUMN)", of a query's text. */
void note_format(const struct note *note, struct slice query, struct buf *out);

#endif
