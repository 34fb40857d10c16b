/*
 * The tree of a YAML text, built from what libyaml reads one after the other: for yaml*.c only.
 *
 * yaml_build.c has nodes, anchors and limits, yaml_merge.c puts mappings together. What is wrong is
 * told at the cursor, and something is built all the same; ERR_INVALID where a limit ends it.
 */
#ifndef TOCSIN_BASE_YAML_BUILD_H
#define TOCSIN_BASE_YAML_BUILD_H

#include "base/yaml.h"
#include "base/yaml_place.h"

/* A sequence or mapping whose end has not come yet; its children wait on the builder's stack. */
struct yaml_frame {
	struct yaml_node *node;
	size_t base; /* of its children on the stack */
};

struct yaml_anchor {
	struct slice name;
	struct yaml_node *node; /* height 0 while it is still open */
};

/* A key with its value while a mapping is put together. */
struct yaml_entry {
	struct yaml_node *key, *value;
	size_t order;
	bool merged; /* came by << */
};

struct yaml_builder {
	struct arena *arena;
	struct diag_list *diags;
	struct source whole; /* the file */
	struct yaml_cursor cursor;
	struct yaml_frame frames[YAML_DEPTH_MAX];
	size_t depth;
	struct yaml_node **stack; /* finished children of the open frames */
	size_t n, cap;
	struct yaml_anchor *anchors;
	size_t nanchors, anchors_cap;
	struct yaml_entry *entries; /* scratch of yaml_build_mapping() */
	size_t nentries, entries_cap;
	size_t nodes;
	struct yaml_node *root;
};

/* Tag and anchor: NULL when there is none. */
struct yaml_scalar {
	struct slice value;
	const char *anchor, *tag;
	enum yaml_style style;
	bool is_repair; /* stands for what could not be read */
};

int yaml_build_scalar(struct yaml_builder *builder, const struct yaml_scalar *scalar);
int yaml_build_alias(struct yaml_builder *builder, struct slice name);
/* A sequence or mapping begins, and the innermost ends. */
int yaml_build_start(struct yaml_builder *builder, enum yaml_type type, const char *anchor,
		     const char *tag);
int yaml_build_end(struct yaml_builder *builder);
/* Empties it for another attempt at the text; keeps memory. */
void yaml_builder_clear(struct yaml_builder *builder);
void yaml_builder_fini(struct yaml_builder *builder);

/* Counts nodes against the limit, aliases and merges in full: that bounds what any reader walks. */
int yaml_build_count(struct yaml_builder *builder, size_t nodes);
/* yaml_merge.c: applies merges, refuses duplicates; the children become the node's items. */
int yaml_build_mapping(struct yaml_builder *builder, struct yaml_node *node,
		       struct yaml_node **children, size_t n);

#endif
