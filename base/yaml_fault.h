/*
 * What is at fault where YAML cannot be read, by the lines around the place: for yaml_hint.c, which
 * says what to do, and yaml_repair.c, which reads on.
 */
#ifndef TOCSIN_BASE_YAML_FAULT_H
#define TOCSIN_BASE_YAML_FAULT_H

#include "base/yaml_hint.h"

/* The key of an entry of a list is empty. */
enum yaml_fault_kind {
	FAULT_UNKNOWN,
	FAULT_TAB,    /* in the indentation */
	FAULT_COLUMN, /* of a key */
	FAULT_BLOCK,  /* whose lines stand no deeper than its key */
	FAULT_VALUE,  /* that begins with what YAML keeps for itself */
	FAULT_COLON,  /* in a value */
	FAULT_FLOW,   /* in a mapping in braces */
};

struct yaml_fault {
	enum yaml_fault_kind kind;
	struct slice line, key, value; /* of what is at fault, as far as the kind has it */
};

struct yaml_fault yaml_fault_find(struct slice text, const struct yaml_error *error);
/* What YAML makes of a plain value by how it begins, or NULL. */
const char *yaml_meaning_of(struct slice value);

/* The line that an offset is on, without its end. */
struct slice yaml_line_at(struct slice text, size_t offset);
/* The line before; empty if there is none. */
struct slice yaml_line_before(struct slice text, struct slice line);
/* Takes "  - key: value" apart; false if the line is none such. */
bool yaml_line_split(struct slice line, struct slice *key, struct slice *value);
/* How many blanks it begins with. */
size_t yaml_indent_of(struct slice line);
bool yaml_is_tab_indented(struct slice line);
/* How many of { and [ are closed by nothing; below 0: more are closed. */
static inline int yaml_depth_add(int depth, char c)
{
	return depth + (c == '{' || c == '[') - (c == '}' || c == ']');
}

#endif
