/*
 * YAML as a tree with places, over libyaml.
 *
 * First document only. Anchors and aliases are resolved (an alias shares its node), merge keys (<<)
 * are applied. Depth, nodes (aliases counted at each use) and bytes are limited. All nodes live in the arena.
 */
#ifndef TOCSIN_BASE_YAML_H
#define TOCSIN_BASE_YAML_H

#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"

#define YAML_BYTES_MAX (16 * 1024 * 1024)
#define YAML_DEPTH_MAX 64
#define YAML_NODES_MAX 2000000

enum yaml_type { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
	enum yaml_type type;
	uint32_t line, column; /* from 1 */
	/* scalar */
	struct slice text; /* the value as YAML folds it */
	bool plain;        /* unquoted, not a block: may be null, a number, a boolean */
	/*
	 * Where a scalar's text stands in the file, so that an error inside it can be placed:
	 * block: text's first line is at source.line0, each line indented by source.indent.
	 * For folded or escaped scalars, where text and file differ, the place of the scalar itself.
	 */
	struct source source;
	/* sequence: children; mapping: keys and values alternate, keys are scalars, in file order */
	struct yaml_node **items;
	size_t n;
};

/* file: the name in diagnostics (copied). ERR_INVALID with diagnostics in the list. An empty document gives *out = NULL. */
int yaml_parse(struct slice text, const char *file, struct arena *arena, struct diag_list *diags, struct yaml_node **out);
/* Reads and parses; the file's text stays in the arena for quotes. ERR_IO, ERR_INVALID with diagnostics. */
int yaml_parse_file(const char *path, struct arena *arena, struct diag_list *diags, struct yaml_node **out);
/* The value of a key of a mapping, or NULL. */
struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);
bool yaml_is_null(const struct yaml_node *node);

/*
 * Binding a mapping to a struct by a table: unknown keys are errors with the nearest name, values are
 * converted and checked, all errors are collected. One table describes configuration for code and for the
 * generated reference alike.
 */
enum bind_type {
	BIND_STRING,   /* struct slice */
	BIND_CSTRING,  /* char *, NUL-terminated in the arena; NUL inside is an error */
	BIND_BOOL,     /* bool */
	BIND_INT,      /* int64_t, [min, max] */
	BIND_NUMBER,   /* double */
	BIND_DURATION, /* int64_t ms, [min, max] */
	BIND_BYTES,    /* int64_t: 64MiB, 1GB, 1000 */
	BIND_ENUM,     /* int: index into the comma-separated list `values` */
	BIND_STRINGS,  /* struct bind_strings */
	BIND_MAP,      /* struct bind_map: string → string */
	BIND_STRUCT,   /* a nested struct by `table` */
	BIND_STRUCTS,  /* struct bind_structs: a sequence of structs by `table` */
	BIND_NODE,     /* struct yaml_node *: bound by the reader itself */
};

struct bind_strings {
	struct slice *items;
	size_t n;
};
struct bind_map {
	struct bind_pair {
		struct slice key, value;
		const struct yaml_node *key_node, *value_node;
	} *items;
	size_t n;
};
struct bind_structs {
	void *items; /* array of the table's struct */
	size_t n;
};

struct bind_field {
	const char *key;
	enum bind_type type;
	size_t offset;
	bool required;
	const char *values;         /* BIND_ENUM: "none,group,each" */
	int64_t min, max;           /* BIND_INT, BIND_DURATION, BIND_BYTES; both 0: unchecked */
	const char *default_text;   /* as written in the file; applied when the key is absent; NULL: zero */
	const struct bind_table *table;
	const char *doc;            /* one sentence for the reference */
	const char *unit;           /* for the reference, or NULL */
};
struct bind_table {
	const char *what; /* "alerting rule", for messages: unknown key "fro" in alerting rule */
	size_t size;      /* sizeof the struct */
	const struct bind_field *fields;
	size_t n;
	bool allow_x; /* keys starting with x- are ignored */
	/* Offset of a const struct yaml_node * that receives the mapping itself, or SIZE_MAX. */
	size_t node_offset;
	/* Offset of a uint64_t with a bit a field (by position) that was given, or SIZE_MAX. */
	size_t given_offset;
};

/* Fills *out (zeroed first, then defaults). node NULL: defaults only. ERR_INVALID when any error was added. */
int bind_struct(const struct bind_table *table, const struct yaml_node *node, struct arena *arena, struct diag_list *diags, void *out);
/* A diagnostic at a node. */
void yaml_diag(struct diag_list *diags, enum diag_severity severity, const struct yaml_node *node, const char *hint, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

#endif
