#include "base/yaml_build.h"

#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"

#define TAG_CORE "tag:yaml.org,2002:"
#define TAG_STR TAG_CORE "str"

int yaml_build_count(struct yaml_builder *b, size_t nodes)
{
	b->nodes += nodes;
	if (b->nodes <= YAML_NODES_MAX)
		return 0;
	diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset, 1, NULL,
		    "more than %d values, aliases counted at each use", YAML_NODES_MAX);
	return ERR_INVALID;
}

static int check_depth(struct yaml_builder *b, size_t levels)
{
	if (b->depth + levels <= YAML_DEPTH_MAX)
		return 0;
	diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset, 1, NULL,
		    "nested more than %d levels deep", YAML_DEPTH_MAX);
	return ERR_INVALID;
}

/* A node at the cursor. */
static struct yaml_node *node_new(struct yaml_builder *b, enum yaml_type type)
{
	struct yaml_node *node = ARENA_NEW(b->arena, struct yaml_node);
	if (!node)
		return NULL;
	node->type = type;
	node->line = b->cursor.line;
	node->column = yaml_cursor_column(&b->cursor);
	node->nodes = 1;
	node->source = b->whole;
	node->source.line0 = node->line;
	node->source.column0 = node->column;
	node->source.text = (struct slice){ b->cursor.text.ptr + b->cursor.offset,
					    b->cursor.offset < b->cursor.text.len };
	return node;
}

static struct yaml_anchor *anchor_find(struct yaml_builder *b, struct slice name)
{
	for (size_t i = b->nanchors; i-- > 0;)
		if (slice_is_equal(b->anchors[i].name, name))
			return &b->anchors[i];
	return NULL;
}

static int anchor_set(struct yaml_builder *b, const char *text, struct yaml_node *node)
{
	if (!text)
		return 0;
	struct slice name = slice_from(text);
	struct yaml_anchor *anchor = anchor_find(b, name);
	if (!anchor) {
		if (b->nanchors == YAML_ANCHORS_MAX) {
			diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset, 1, NULL,
				    "more than %d anchors", YAML_ANCHORS_MAX);
			return ERR_INVALID;
		}
		if (!ARRAY_RESERVE(&b->anchors, b->nanchors, &b->anchors_cap))
			return ERR_NOMEM;
		anchor = &b->anchors[b->nanchors];
		anchor->name = arena_slice(b->arena, name);
		if (!anchor->name.ptr)
			return ERR_NOMEM;
		b->nanchors++;
	}
	anchor->node = node; /* the newest of a name counts */
	return 0;
}

static int push(struct yaml_builder *b, struct yaml_node *node)
{
	if (!ARRAY_RESERVE(&b->stack, b->n, &b->cap))
		return ERR_NOMEM;
	b->stack[b->n++] = node;
	return 0;
}

/* Gives a finished node to the frame that is open, or makes it the root. */
static int add_child(struct yaml_builder *b, struct yaml_node *node)
{
	if (b->depth == 0) {
		b->root = node;
		return 0;
	}
	const struct yaml_frame *frame = &b->frames[b->depth - 1];
	bool is_key = frame->node->type == YAML_MAPPING && (b->n - frame->base) % 2 == 0;
	if (is_key && node->type != YAML_SCALAR)
		yaml_diag(b->diags, DIAG_ERROR, node,
			  "a text that begins with { or [ must be quoted, or in a block: |",
			  "a key must be a text, not a %s",
			  node->type == YAML_MAPPING ? "mapping" : "list");
	return push(b, node);
}

/* What else is wrong in the line of a value that is none follows from that. */
static void cover_line(struct yaml_builder *b, const struct diag *diag)
{
	if (diag)
		diag_cover_line(b->diags, b->cursor.line);
}

/* YAML's own tags change nothing here but that !!str keeps a plain text from being a number. */
static bool check_tag(struct yaml_builder *b, const char *tag)
{
	if (!tag || strcmp(tag, "!") == 0)
		return true;
	if (strncmp(tag, TAG_CORE, strlen(TAG_CORE)) == 0 && !strstr(tag, ":binary"))
		return true;
	cover_line(b, diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset, 1,
				  "a text that begins with ! must be quoted, or in a block: |",
				  "unknown tag \"%s\"", tag));
	return false;
}

int yaml_build_scalar(struct yaml_builder *b, const struct yaml_scalar *scalar)
{
	const char *tag = scalar->tag;
	struct yaml_node *node = node_new(b, YAML_SCALAR);
	if (!node)
		return ERR_NOMEM;
	node->text = arena_slice(b->arena, scalar->value);
	if (scalar->value.len && !node->text.ptr)
		return ERR_NOMEM;
	node->unread = !check_tag(b, tag) || scalar->is_repair;
	node->plain = !node->unread && scalar->style == YAML_PLAIN &&
		      (!tag || (strcmp(tag, "!") != 0 && strcmp(tag, TAG_STR) != 0));
	node->height = 1;
	node->source.text = node->text;
	int rc = yaml_place_scalar(&node->source, &b->cursor, scalar->style, b->arena);
	if (!rc)
		rc = yaml_build_count(b, 1);
	if (!rc)
		rc = check_depth(b, 1);
	if (!rc)
		rc = anchor_set(b, scalar->anchor, node);
	return rc ? rc : add_child(b, node);
}

int yaml_build_alias(struct yaml_builder *b, struct slice name)
{
	struct yaml_anchor *anchor = anchor_find(b, name);
	struct yaml_node *node = anchor ? anchor->node : NULL;
	if (!anchor) {
		cover_line(b, diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset,
					  name.len + 1,
					  "a text that begins with * must be quoted, or in a "
					  "block: |",
					  "alias of an unknown anchor \"" SLICE_FMT "\"",
					  SLICE_ARG(name)));
	} else if (node->height == 0) {
		diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset, name.len + 1, NULL,
			    "\"" SLICE_FMT "\" contains itself", SLICE_ARG(name));
		node = NULL;
	}
	if (!node) { /* something to go on with; the result is refused anyway */
		node = node_new(b, YAML_SCALAR);
		if (!node)
			return ERR_NOMEM;
		node->height = 1;
		node->unread = true;
	}
	int rc = yaml_build_count(b, node->nodes);
	if (!rc)
		rc = check_depth(b, node->height);
	return rc ? rc : add_child(b, node);
}

int yaml_build_start(struct yaml_builder *b, enum yaml_type type, const char *anchor,
		     const char *tag)
{
	int rc = check_depth(b, 1);
	if (rc)
		return rc;
	struct yaml_node *node = node_new(b, type);
	if (!node)
		return ERR_NOMEM;
	check_tag(b, tag);
	rc = yaml_build_count(b, 1);
	if (!rc)
		rc = anchor_set(b, anchor, node);
	b->frames[b->depth++] = (struct yaml_frame){ node, b->n };
	return rc;
}

static int finish_sequence(struct yaml_builder *b, struct yaml_node *node,
			   struct yaml_node **children, size_t n)
{
	node->n = n;
	node->items = ARENA_ARRAY(b->arena, struct yaml_node *, n);
	if (n && !node->items)
		return ERR_NOMEM;
	if (n)
		memcpy(node->items, children, n * sizeof(*children));
	return 0;
}

int yaml_build_end(struct yaml_builder *b)
{
	assert(b->depth > 0);
	struct yaml_frame frame = b->frames[--b->depth];
	struct yaml_node *node = frame.node;
	struct yaml_node **children = b->stack ? b->stack + frame.base : NULL;
	size_t n = b->n - frame.base;
	int rc = node->type == YAML_MAPPING ? yaml_build_mapping(b, node, children, n)
					    : finish_sequence(b, node, children, n);
	if (rc)
		return rc;
	b->n = frame.base;
	uint32_t height = 0;
	for (size_t i = 0; i < node->n; i++) {
		node->nodes += node->items[i]->nodes;
		if (node->items[i]->height > height)
			height = node->items[i]->height;
	}
	node->height = height + 1;
	return add_child(b, node);
}

void yaml_builder_clear(struct yaml_builder *b)
{
	b->depth = b->n = b->nanchors = b->nodes = 0;
	b->root = NULL;
}

void yaml_builder_fini(struct yaml_builder *b)
{
	free(b->stack);
	free(b->anchors);
	free(b->entries);
}
