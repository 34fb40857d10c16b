/*
 * Binding a YAML mapping to a struct by a table.
 *
 * Unknown keys are errors with the nearest name, values are converted and checked, all errors are
 * collected. One table describes configuration for the code and for the generated reference alike.
 * An explicit null means the default. A number or boolean where text is wanted is taken as it is
 * written (`expr: 1`), as Prometheus does.
 */
#ifndef TOCSIN_BASE_BIND_H
#define TOCSIN_BASE_BIND_H

#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"

#define BIND_FIELDS_MAX 64 /* of one table: a bit each in `given` */

struct yaml_node;

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
	BIND_LATER,    /* nothing: known, and refused unless empty or as default_text says */
};

struct bind_strings {
	struct slice *items;
	const struct yaml_node **nodes; /* where each is written */
	size_t n;			/* those that are texts: of others it has been told */
};
struct bind_map {
	struct bind_pair {
		struct slice key, value;
		const struct yaml_node *key_node, *value_node;
	} * items;
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
	const char *values;	  /* BIND_ENUM: "none,group,each" */
	int64_t min, max;	  /* BIND_INT, _DURATION, _BYTES; both 0: unchecked */
	const char *default_text; /* as written in a file; NULL: zero */
	const struct bind_table *table;
	const char *doc;  /* one sentence for the reference */
	const char *unit; /* for the reference, or NULL */
};
/* A key that does not belong into a file, but into one of another kind, and what to do then. */
struct bind_elsewhere {
	const char *key, *hint;
};
#define BIND_ELSEWHERE_MAX 16 /* of a table */
struct bind_table {
	const char *what; /* "alerting rule", for messages: unknown key "fro" in alerting rule */
	size_t size;	  /* sizeof the struct */
	const struct bind_field *fields;
	size_t n;
	bool allow_x; /* keys starting with x- are ignored */
	/* Offset of a const struct yaml_node * that receives the mapping itself, or SIZE_MAX. */
	size_t node_offset;
	/* Offset of a uint64_t with a bit a field (by position) that was given, or SIZE_MAX. */
	size_t given_offset;
	/* Ended by one without a key; or NULL. For unknown keys that are, or look like, one of them. */
	const struct bind_elsewhere *elsewhere;
};

/*
 * A table of struct s: what it is called, its fields, and members that differ from none. _AT: the
 * struct has a `node` for the mapping; _GIVEN: and `given` for what was given.
 */
#define BIND_TABLE(s, title, list, ...)                                                            \
	BIND_TABLE_OF(s, title, list, SIZE_MAX, SIZE_MAX, __VA_ARGS__)
#define BIND_TABLE_AT(s, title, list, ...)                                                         \
	BIND_TABLE_OF(s, title, list, offsetof(struct s, node), SIZE_MAX, __VA_ARGS__)
#define BIND_TABLE_GIVEN(s, title, list, ...)                                                      \
	BIND_TABLE_OF(s, title, list, offsetof(struct s, node), offsetof(struct s, given),         \
		      __VA_ARGS__)
#define BIND_TABLE_OF(s, title, list, node_at, given_at, ...)                                      \
	{                                                                                          \
		.what = title, .size = sizeof(struct s), .fields = list,                           \
		.n = sizeof(list) / sizeof((list)[0]), .node_offset = node_at,                     \
		.given_offset = given_at, __VA_ARGS__                                              \
	}

/* An element of a table's fields: the member of struct s that the key fills. */
#define BIND_FIELD(s, member, name, kind, ...)                                                     \
	{                                                                                          \
		.key = name, .type = kind, .offset = offsetof(struct s, member), __VA_ARGS__       \
	}

/*
 * Texts are copied into the arena: what is bound may outlive the tree (but for BIND_NODE and the
 * nodes of lists and maps). Fills *out (zeroed first, then defaults). node NULL: defaults only,
 * nothing is required. ERR_INVALID when any error was added (*out is then filled as far as it was
 * understood); ERR_NOMEM.
 */
int bind_struct(const struct bind_table *table, const struct yaml_node *node, struct arena *arena,
		struct diag_list *diags, void *out);

/*
 * "64MiB", "1.5GB", "1000": powers of 1024 with the i, of 1000 without. ERR_INVALID, ERR_LIMIT.
 */
int bytes_parse(struct slice text, int64_t *out);

/*
 * The reference of a table as Markdown: a heading, a table with key, type, default, unit, meaning;
 * then the tables nested in it, each once.
 */
void bind_reference(const struct bind_table *table, struct buf *out);
/* Of several tables, one after the other; what is nested in more than one stands below the first. */
void bind_references(const struct bind_table *const *tables, size_t n, struct buf *out);

#endif
