/*
 * Diagnostics: what a person should read about an input, with its place.
 *
 * Collected, never printed, below cli/. A list has a limit (DIAG_MAX); what is over it is counted.
 */
#ifndef TOCSIN_BASE_DIAG_H
#define TOCSIN_BASE_DIAG_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define DIAG_MAX 1000
#define DIAG_QUOTE_MAX (64 * 1024) /* a longer line is not quoted */
#define DIAG_WIDTH 160		   /* bytes of a line that are shown */

enum diag_severity { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE };

struct diag {
	enum diag_severity severity;
	char *file;	 /* NULL: none */
	uint32_t line;	 /* from 1; 0: no place */
	uint32_t column; /* from 1, in bytes */
	uint32_t span;	 /* bytes to underline, at least 1 */
	char *quote;	 /* the whole source line, or NULL */
	char *message;	 /* lower case, subject in quotes, cause last */
	char *hint;	 /* what to do, or NULL */
	const char *id;	 /* of a kind that has a name (borrowed for good); NULL: none */
	uint32_t covers; /* the line that it is to blame for, see diag_cover_line(); 0: none */
};

struct diag_list {
	struct diag *items;
	size_t n, cap;
	size_t errors, warnings; /* counted even beyond DIAG_MAX */
	size_t covered;		 /* of the errors: those that are not told, see diag_cover_line() */
	bool covering;		 /* some cover a line */
};

void diag_list_init(struct diag_list *list);
void diag_list_fini(struct diag_list *list);
/* The errors that a person is told of. */
static inline size_t diag_list_told(const struct diag_list *list)
{
	return list->errors - list->covered;
}

struct source_piece {
	uint32_t offset;       /* in the text; ascending, the first is 0 */
	uint32_t line, column; /* in the file, from 1 */
};

/* A place in a source text, to be carried by tokens and tree nodes. */
struct source {
	const char *file;  /* NULL: none */
	struct slice text; /* the whole text */
	/*
	 * Where the text stands in its file: the expression of a YAML block scalar starts at
	 * line0/column0 (from 1), further lines are indented by `indent` bytes.
	 */
	uint32_t line0, column0, indent;
	/* The whole text of the file, for the quoted line; empty: `text` is all there is. */
	struct slice whole;
	/*
	 * Where text and file differ in more than indentation (folded lines, escapes): the bytes
	 * from pieces[i].offset up to the next piece stand at its line and column. NULL: as above.
	 */
	const struct source_piece *pieces;
	size_t npieces;
};

/* Where in the file a byte of the text stands: line and column from 1. */
void source_place(const struct source *source, size_t offset, uint32_t *line, uint32_t *column);
/*
 * Adds a diagnostic about source.text[offset, offset+span); finds line, column and quote itself.
 * Gives it, until the next, so that it can be given an id; NULL: there is no room for it.
 */
struct diag *diag_add_at(struct diag_list *list, enum diag_severity severity,
			 const struct source *source, size_t offset, size_t span, const char *hint,
			 const char *format, ...) __attribute__((format(printf, 7, 8)));
/* Adds a diagnostic at a known place; file, quote, hint may be NULL. Gives it likewise. */
struct diag *diag_add(struct diag_list *list, enum diag_severity severity, const char *file,
		      uint32_t line, uint32_t column, const char *quote, const char *hint,
		      const char *format, ...) __attribute__((format(printf, 8, 9)));
/* Is it a terminal whose user does not refuse colour, by NO_COLOR of the environment? */
bool diag_wants_colour(int fd);
/* Gives it an id, of a text that lives for good. diag may be NULL. */
static inline void diag_name(struct diag *diag, const char *id)
{
	if (diag)
		diag->id = id;
}
/*
 * What else would be wrong in this line of the newest diagnostic's file only follows from it: later
 * ones about the line are not kept. An error still counts, for what it was found in is no good.
 */
void diag_cover_line(struct diag_list *list, uint32_t line);
/* Moves those from the first-th on behind those of `to`; `from` is empty then. */
void diag_list_take(struct diag_list *to, struct diag_list *from, size_t first);
/*
 * file:line:column: error: message [id], the quoted line, a caret line, the hint; colour when
 * asked. Control characters of the input are replaced, bytes that are no UTF-8 spelt out as \xE9:
 * the text is safe on a terminal.
 */
void diag_format(const struct diag *diag, bool colour, struct buf *out);
/* All, then a line that counts errors and warnings if there are any. */
void diag_list_format(const struct diag_list *list, bool colour, struct buf *out);
/* JSON array of {severity,id,file,line,column,span,message,suggestion}; what is not there is null.
 */
void diag_list_format_json(const struct diag_list *list, struct buf *out);

#endif
