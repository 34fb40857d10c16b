/*
 * YAML as a tree with places, over libyaml.
 *
 * First document only. Anchors and aliases are resolved (an alias shares its node), merge keys (<<)
 * are applied. Depth, nodes (aliases counted at each use) and bytes are limited. All nodes live in
 * the arena.
 */
#ifndef TOCSIN_BASE_YAML_H
#define TOCSIN_BASE_YAML_H

#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"

#define YAML_BYTES_MAX (16 * 1024 * 1024)
#define YAML_DEPTH_MAX 64
#define YAML_NODES_MAX 2000000
#define YAML_ANCHORS_MAX 4096
#define YAML_REPAIRS_MAX 20 /* values that are left out, so that what comes after can be read */

enum yaml_type { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
	enum yaml_type type;
	uint32_t line, column; /* from 1 */
	/* scalar */
	struct slice text; /* the value as YAML folds it */
	bool plain;	   /* unquoted, not a block: may be null, a number, a boolean */
	bool unread;	   /* stands for what YAML cannot read, which has been told */
	/*
	 * Where a scalar's text stands in the file, so that an error inside it can be placed:
	 * block: text's first line is at source.line0, each line indented by source.indent.
	 * For folded or escaped scalars, where text and file differ, source.pieces tell.
	 * A sequence's or mapping's source is the byte it begins with.
	 */
	struct source source;
	/* sequence: children; mapping: keys and values alternate, keys are scalars, in file order
	 */
	struct yaml_node **items;
	size_t n;
	/* Of the tree from here down, an alias counted as what it stands for. */
	uint32_t nodes;
	uint32_t height; /* levels; 1: a scalar */
};

/*
 * text: copied into the arena, for quotes; file: the name in diagnostics (copied). ERR_INVALID with
 * diagnostics in the list, also where a limit was exceeded; ERR_NOMEM. An empty document gives
 * *out = NULL.
 *
 * So that all that is wrong with a file can be told at once, it is read on behind a value that is
 * none YAML can read (an expression that begins with {, an unknown alias), with an "x" in its
 * place. With ERR_INVALID as well *out is what there is to be looked at, NULL if nothing could be
 * made of it; later diagnostics about the lines of such values are dropped.
 */
int yaml_parse(struct slice text, const char *file, struct arena *arena, struct diag_list *diags,
	       struct yaml_node **out);
/*
 * The bytes of a file, for yaml_parse(): a little more than its limit at most. ERR_IO with a
 * diagnostic, ERR_NOMEM.
 */
int yaml_file_read(const char *path, struct diag_list *diags, struct buf *out);
/* Reads and parses; "-" is standard input. ERR_IO with a diagnostic, else as yaml_parse(). */
int yaml_parse_file(const char *path, struct arena *arena, struct diag_list *diags,
		    struct yaml_node **out);
/* The value of a key of a mapping, or NULL. */
struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);
bool yaml_is_null(const struct yaml_node *node);

/* A diagnostic at a node; gives it as diag_add_at() does. */
struct diag *yaml_diag(struct diag_list *diags, enum diag_severity severity,
		       const struct yaml_node *node, const char *hint, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

#include "base/bind.h"

#endif
