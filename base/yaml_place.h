/*
 * Where things stand in a YAML text: for yaml*.c only.
 *
 * libyaml counts characters; here, and in diagnostics, places are bytes. A line ends at LF.
 */
#ifndef TOCSIN_BASE_YAML_PLACE_H
#define TOCSIN_BASE_YAML_PLACE_H

#include "base/arena.h"
#include "base/diag.h"

/* Follows libyaml's character index through the text; moving forward costs the distance. */
struct yaml_cursor {
	struct slice text; /* valid UTF-8 as far as libyaml has read it, without byte order mark */
	size_t index;	   /* in characters */
	size_t offset;	   /* in bytes */
	size_t line_start; /* offset of the line's first byte */
	uint32_t line;	   /* from 1 */
};

void yaml_cursor_init(struct yaml_cursor *cursor, struct slice text);
void yaml_cursor_move(struct yaml_cursor *cursor, size_t index);
uint32_t yaml_cursor_column(const struct yaml_cursor *cursor);

enum yaml_style { YAML_PLAIN, YAML_SINGLE_QUOTED, YAML_DOUBLE_QUOTED, YAML_LITERAL, YAML_FOLDED };

/*
 * Completes a scalar's source, whose file, whole and text are set: finds line0, column0, indent or
 * pieces by walking through the file from the cursor, where the scalar, its anchor or tag begins.
 * ERR_NOMEM.
 */
int yaml_place_scalar(struct source *source, const struct yaml_cursor *at, enum yaml_style style,
		      struct arena *arena);

#endif
