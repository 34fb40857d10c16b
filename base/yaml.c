#include "base/yaml.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include <yaml.h>

#include "base/array.h"
#include "base/error.h"
#include "base/yaml_hint.h"
#include "base/yaml_place.h"

/* A sequence or mapping whose end has not come yet; its children wait on the builder's stack. */
struct frame {
	struct yaml_node *node;
	size_t base; /* of its children on the stack */
};

struct anchor {
	struct slice name;
	struct yaml_node *node; /* height 0 while it is still open */
};

/* A key with its value while a mapping is put together. */
struct entry {
	struct yaml_node *key, *value;
	size_t order;
	bool merged; /* came by << */
};

struct builder {
	yaml_parser_t parser;
	struct arena *arena;
	struct diag_list *diags;
	struct source whole; /* the file */
	struct slice text;   /* what is parsed: the file, or that with repairs */
	size_t repairs[YAML_REPAIRS_MAX], nrepairs; /* where they are */
	struct yaml_error fault;
	struct yaml_cursor cursor;
	struct frame frames[YAML_DEPTH_MAX];
	size_t depth;
	struct yaml_node **stack; /* finished children of the open frames */
	size_t n, cap;
	struct anchor *anchors;
	size_t nanchors, anchors_cap;
	struct entry *entries; /* scratch of finish_mapping() */
	size_t nentries, entries_cap;
	size_t nodes;
	size_t errors_before;
	struct yaml_node *root;
	bool done;
};

/* Counts nodes against the limit, aliases and merges in full: that bounds what any reader walks. */
static int count_nodes(struct builder *b, size_t nodes)
{
	b->nodes += nodes;
	if (b->nodes <= YAML_NODES_MAX)
		return 0;
	diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset, 1, NULL,
		    "more than %d values, aliases counted at each use", YAML_NODES_MAX);
	return ERR_INVALID;
}

static int check_depth(struct builder *b, size_t levels)
{
	if (b->depth + levels <= YAML_DEPTH_MAX)
		return 0;
	diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset, 1, NULL,
		    "nested more than %d levels deep", YAML_DEPTH_MAX);
	return ERR_INVALID;
}

/* A node at the cursor. */
static struct yaml_node *node_new(struct builder *b, enum yaml_type type)
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

static struct anchor *anchor_find(struct builder *b, struct slice name)
{
	for (size_t i = b->nanchors; i-- > 0;)
		if (slice_is_equal(b->anchors[i].name, name))
			return &b->anchors[i];
	return NULL;
}

static int anchor_set(struct builder *b, const yaml_char_t *text, struct yaml_node *node)
{
	if (!text)
		return 0;
	struct slice name = slice_from((const char *)text);
	struct anchor *anchor = anchor_find(b, name);
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

static int push(struct builder *b, struct yaml_node *node)
{
	if (!ARRAY_RESERVE(&b->stack, b->n, &b->cap))
		return ERR_NOMEM;
	b->stack[b->n++] = node;
	return 0;
}

/* Gives a finished node to the frame that is open, or makes it the root. */
static int add_child(struct builder *b, struct yaml_node *node)
{
	if (b->depth == 0) {
		b->root = node;
		return 0;
	}
	const struct frame *frame = &b->frames[b->depth - 1];
	bool is_key = frame->node->type == YAML_MAPPING && (b->n - frame->base) % 2 == 0;
	if (is_key && node->type != YAML_SCALAR)
		yaml_diag(b->diags, DIAG_ERROR, node,
			  "a text that begins with { or [ must be quoted, or in a block: |",
			  "a key must be a text, not a %s",
			  node->type == YAML_MAPPING ? "mapping" : "list");
	return push(b, node);
}

static enum yaml_style style_of(yaml_scalar_style_t style)
{
	switch (style) {
	case YAML_SINGLE_QUOTED_SCALAR_STYLE:
		return YAML_SINGLE_QUOTED;
	case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
		return YAML_DOUBLE_QUOTED;
	case YAML_LITERAL_SCALAR_STYLE:
		return YAML_LITERAL;
	case YAML_FOLDED_SCALAR_STYLE:
		return YAML_FOLDED;
	default:
		return YAML_PLAIN;
	}
}

/* What else is wrong in the line of a value that is none follows from that. */
static void cover_line(struct builder *b, const struct diag *diag)
{
	if (diag)
		diag_cover_line(b->diags, b->cursor.line);
}

/* YAML's own tags change nothing here but that !!str keeps a plain text from being a number. */
static bool check_tag(struct builder *b, const yaml_char_t *tag)
{
	static const char yaml_tags[] = "tag:yaml.org,2002:";
	const char *text = (const char *)tag;
	if (!tag || strcmp(text, "!") == 0)
		return true;
	if (strncmp(text, yaml_tags, sizeof(yaml_tags) - 1) == 0 && !strstr(text, ":binary"))
		return true;
	cover_line(b, diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset, 1,
				  "a text that begins with ! must be quoted, or in a block: |",
				  "unknown tag \"%s\"", text));
	return false;
}

static bool is_repair(const struct builder *b, size_t offset)
{
	for (size_t i = 0; i < b->nrepairs; i++)
		if (b->repairs[i] == offset)
			return true;
	return false;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
	enum yaml_style style = style_of(event->data.scalar.style);
	const yaml_char_t *tag = event->data.scalar.tag;
	struct slice value = { (const char *)event->data.scalar.value, event->data.scalar.length };
	struct yaml_node *node = node_new(b, YAML_SCALAR);
	if (!node)
		return ERR_NOMEM;
	node->text = arena_slice(b->arena, value);
	if (value.len && !node->text.ptr)
		return ERR_NOMEM;
	node->unread = !check_tag(b, tag) || is_repair(b, b->cursor.offset);
	node->plain = !node->unread && style == YAML_PLAIN &&
		      (!tag || (strcmp((const char *)tag, "!") != 0 &&
				strcmp((const char *)tag, YAML_STR_TAG) != 0));
	node->height = 1;
	node->source.text = node->text;
	int rc = yaml_place_scalar(&node->source, &b->cursor, style, b->arena);
	if (!rc)
		rc = count_nodes(b, 1);
	if (!rc)
		rc = check_depth(b, 1);
	if (!rc)
		rc = anchor_set(b, event->data.scalar.anchor, node);
	return rc ? rc : add_child(b, node);
}

static int on_alias(struct builder *b, const yaml_event_t *event)
{
	struct slice name = slice_from((const char *)event->data.alias.anchor);
	struct anchor *anchor = anchor_find(b, name);
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
	int rc = count_nodes(b, node->nodes);
	if (!rc)
		rc = check_depth(b, node->height);
	return rc ? rc : add_child(b, node);
}

static int on_start(struct builder *b, enum yaml_type type, const yaml_char_t *anchor,
		    const yaml_char_t *tag)
{
	int rc = check_depth(b, 1);
	if (rc)
		return rc;
	struct yaml_node *node = node_new(b, type);
	if (!node)
		return ERR_NOMEM;
	check_tag(b, tag);
	rc = count_nodes(b, 1);
	if (!rc)
		rc = anchor_set(b, anchor, node);
	b->frames[b->depth++] = (struct frame){ node, b->n };
	return rc;
}

static int entry_add(struct builder *b, struct yaml_node *key, struct yaml_node *value, bool merged)
{
	if (!ARRAY_RESERVE(&b->entries, b->nentries, &b->entries_cap))
		return ERR_NOMEM;
	b->entries[b->nentries] = (struct entry){ key, value, b->nentries, merged };
	b->nentries++;
	return 0;
}

static bool is_merge_key(const struct yaml_node *key)
{
	return key->plain && slice_is(key->text, "<<");
}

static int merge_mapping(struct builder *b, const struct yaml_node *from)
{
	if (from->type != YAML_MAPPING) {
		yaml_diag(b->diags, DIAG_ERROR, from, "write <<: *anchor, or <<: [*one, *other]",
			  "only mappings can be merged");
		return 0;
	}
	int rc = 0;
	for (size_t i = 0; !rc && i + 1 < from->n; i += 2) {
		rc = count_nodes(b, 1 + from->items[i + 1]->nodes);
		if (!rc)
			rc = entry_add(b, from->items[i], from->items[i + 1], true);
	}
	return rc;
}

static int merge(struct builder *b, const struct yaml_node *value)
{
	if (value->type != YAML_SEQUENCE)
		return merge_mapping(b, value);
	int rc = 0;
	for (size_t i = 0; !rc && i < value->n; i++)
		rc = merge_mapping(b, value->items[i]);
	return rc;
}

static int compare_by_key(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = slice_compare(a->key->text, b->key->text);
	return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int compare_by_order(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	return (a->order > b->order) - (a->order < b->order);
}

/* Keeps the first of each key: written ones come before merged ones. */
static void drop_duplicates(struct builder *b)
{
	size_t kept = 0;
	if (b->nentries)
		qsort(b->entries, b->nentries, sizeof(*b->entries), compare_by_key);
	for (size_t i = 0; i < b->nentries; i++) {
		const struct entry *entry = &b->entries[i];
		const struct entry *first = kept ? &b->entries[kept - 1] : NULL;
		if (!first || !slice_is_equal(first->key->text, entry->key->text)) {
			b->entries[kept++] = *entry;
		} else if (!entry->merged) {
			yaml_diag(b->diags, DIAG_ERROR, entry->key, "take one of them out",
				  "key \"" SLICE_FMT
				  "\" a second time; the first is at line %u, column %u",
				  SLICE_ARG(entry->key->text), first->key->line,
				  first->key->column);
		}
	}
	b->nentries = kept;
	if (kept)
		qsort(b->entries, kept, sizeof(*b->entries), compare_by_order);
}

/* Applies merges, refuses duplicates; the children on the stack become the node's items. */
static int finish_mapping(struct builder *b, struct yaml_node *node, struct yaml_node **children,
			  size_t n)
{
	int rc = 0;
	assert(n % 2 == 0);
	b->nentries = 0;
	for (size_t i = 0; !rc && i < n; i += 2)
		if (!is_merge_key(children[i]))
			rc = entry_add(b, children[i], children[i + 1], false);
	bool merged = false;
	for (size_t i = 0; !rc && i < n; i += 2) {
		if (!is_merge_key(children[i]))
			continue;
		if (merged)
			yaml_diag(b->diags, DIAG_ERROR, children[i], "write <<: [*one, *other]",
				  "key \"<<\" a second time");
		merged = true;
		rc = merge(b, children[i + 1]);
	}
	if (rc)
		return rc;
	drop_duplicates(b);
	node->n = b->nentries * 2;
	node->items = ARENA_ARRAY(b->arena, struct yaml_node *, node->n);
	if (node->n && !node->items)
		return ERR_NOMEM;
	for (size_t i = 0; i < b->nentries; i++) {
		node->items[2 * i] = b->entries[i].key;
		node->items[2 * i + 1] = b->entries[i].value;
	}
	return 0;
}

static int finish_sequence(struct builder *b, struct yaml_node *node, struct yaml_node **children,
			   size_t n)
{
	node->n = n;
	node->items = ARENA_ARRAY(b->arena, struct yaml_node *, n);
	if (n && !node->items)
		return ERR_NOMEM;
	if (n)
		memcpy(node->items, children, n * sizeof(*children));
	return 0;
}

static int on_end(struct builder *b)
{
	assert(b->depth > 0);
	struct frame frame = b->frames[--b->depth];
	struct yaml_node *node = frame.node;
	struct yaml_node **children = b->stack ? b->stack + frame.base : NULL;
	size_t n = b->n - frame.base;
	int rc = node->type == YAML_MAPPING ? finish_mapping(b, node, children, n)
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

/* libyaml's complaint as a diagnostic. */
static int on_syntax_error(struct builder *b)
{
	const yaml_parser_t *parser = &b->parser;
	const char *problem = parser->problem ? parser->problem : "unknown error";
	if (parser->error == YAML_MEMORY_ERROR)
		return ERR_NOMEM;
	if (parser->error == YAML_READER_ERROR) {
		diag_add_at(b->diags, DIAG_ERROR, &b->whole, parser->problem_offset, 1,
			    "write the file in UTF-8", "not a text: %s", problem);
		return ERR_INVALID;
	}
	struct yaml_error *fault = &b->fault;
	uint32_t context_line = 0;
	*fault = (struct yaml_error){ .problem = problem, .context = SIZE_MAX };
	if (parser->context) {
		yaml_cursor_move(&b->cursor, parser->context_mark.index);
		fault->context = b->cursor.offset;
		context_line = b->cursor.line;
	}
	yaml_cursor_move(&b->cursor, parser->problem_mark.index);
	fault->at = b->cursor.offset;
	struct buf hint;
	buf_init(&hint);
	yaml_hint_syntax(b->text, fault, &hint);
	const char *hint_text = hint.len && buf_ok(&hint) ? hint.ptr : NULL;
	if (parser->context && context_line != b->cursor.line)
		diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset, 1, hint_text,
			    "bad YAML: %s %s that began at line %u", problem, parser->context,
			    context_line);
	else
		diag_add_at(b->diags, DIAG_ERROR, &b->whole, b->cursor.offset, 1, hint_text,
			    "bad YAML: %s", problem);
	buf_fini(&hint);
	return ERR_INVALID;
}

static void warn_of_rest(struct builder *b)
{
	diag_name(diag_add_at(b->diags, DIAG_WARNING, &b->whole, b->cursor.offset, 1, NULL,
			      "only the first document of a file is read"),
		  "second-document");
}

/*
 * libyaml has the document's end, at the cursor; looks whether something follows: another document,
 * which should begin well, or what cannot be one. A stray "%" would cut off the rest of the file;
 * what else stands there is left out by Prometheus, too.
 */
static int on_document_end(struct builder *b)
{
	yaml_event_t next;
	b->done = true;
	if (!yaml_parser_parse(&b->parser, &next)) {
		if (b->cursor.offset < b->whole.text.len &&
		    b->whole.text.ptr[b->cursor.offset] == '%')
			return on_syntax_error(b);
		warn_of_rest(b);
		return 0;
	}
	bool begins = next.type == YAML_DOCUMENT_START_EVENT;
	if (begins) {
		yaml_cursor_move(&b->cursor, next.start_mark.index);
		warn_of_rest(b);
	}
	yaml_event_delete(&next);
	if (begins && !yaml_parser_parse(&b->parser, &next))
		return on_syntax_error(b);
	if (begins)
		yaml_event_delete(&next);
	return 0;
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
	yaml_cursor_move(&b->cursor, event->start_mark.index);
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event);
	case YAML_ALIAS_EVENT:
		return on_alias(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(b, YAML_SEQUENCE, event->data.sequence_start.anchor,
				event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_start(b, YAML_MAPPING, event->data.mapping_start.anchor,
				event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(b);
	case YAML_DOCUMENT_END_EVENT:
		return on_document_end(b);
	case YAML_STREAM_END_EVENT:
		b->done = true;
		return 0;
	default:
		return 0;
	}
}

static int build(struct builder *b)
{
	while (!b->done) {
		yaml_event_t event;
		if (!yaml_parser_parse(&b->parser, &event))
			return on_syntax_error(b);
		int rc = on_event(b, &event);
		yaml_event_delete(&event);
		if (rc)
			return rc;
	}
	return b->diags->errors > b->errors_before ? ERR_INVALID : 0;
}

static void builder_fini(struct builder *b)
{
	free(b->stack);
	free(b->anchors);
	free(b->entries);
}

/* What is to be parsed, and its name; a complaint about its size. */
static int builder_init(struct builder *b, struct slice text, const char *file, struct arena *arena,
			struct diag_list *diags)
{
	*b = (struct builder){ .arena = arena, .diags = diags };
	if (slice_has_prefix(text, SLICE("\xEF\xBB\xBF"))) { /* byte order mark */
		text.ptr += 3;
		text.len -= 3;
	}
	if (text.len > YAML_BYTES_MAX) {
		diag_add(diags, DIAG_ERROR, file, 0, 0, NULL, "split it into several files",
			 "larger than %d MiB",
			 YAML_BYTES_MAX / 1024 / 1024);
		return ERR_INVALID;
	}
	b->whole.file = file ? arena_strdup(arena, slice_from(file)) : NULL;
	b->whole.text = b->whole.whole = arena_slice(arena, text);
	b->whole.line0 = b->whole.column0 = 1;
	b->text = b->whole.text;
	return (file && !b->whole.file) || (text.len && !b->whole.text.ptr) ? ERR_NOMEM : 0;
}

/* Parses b->text from its beginning. */
static int parse_once(struct builder *b)
{
	if (!yaml_parser_initialize(&b->parser))
		return ERR_NOMEM;
	b->depth = b->n = b->nanchors = b->nodes = 0;
	b->root = NULL;
	b->done = false;
	b->fault = (struct yaml_error){ 0 };
	b->errors_before = b->diags->errors;
	yaml_cursor_init(&b->cursor, b->text);
	yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b->parser, (const unsigned char *)b->text.ptr, b->text.len);
	int rc = build(b);
	yaml_parser_delete(&b->parser);
	return rc;
}

/* The line that the last repair is on. */
static uint32_t repaired_line(struct builder *b)
{
	uint32_t line = 1;
	for (size_t i = 0; i < b->repairs[b->nrepairs - 1]; i++)
		line += b->text.ptr[i] == '\n';
	return line;
}

/* Puts right what the last attempt failed at, in a copy of the file; false: it cannot be told. */
static bool repair(struct builder *b, char **copy)
{
	if (b->nrepairs == YAML_REPAIRS_MAX)
		return false;
	if (!*copy && !(*copy = arena_strdup(b->arena, b->text)))
		return false;
	b->text.ptr = *copy;
	ptrdiff_t at = yaml_repair(*copy, b->text.len, &b->fault);
	if (at >= 0)
		b->repairs[b->nrepairs++] = (size_t)at;
	return at >= 0;
}

/*
 * Parses; where the syntax is wrong, once more with what is at fault repaired. Of an attempt that
 * failed only its end is told: what came before it is found again.
 */
static int parse_with_repairs(struct builder *b, struct diag_list *diags)
{
	struct diag_list told;
	char *copy = NULL;
	size_t nodes = 0; /* of all attempts: what they cost */
	for (;;) {
		diag_list_init(&told);
		b->diags = &told;
		int rc = parse_once(b);
		nodes += b->nodes;
		bool again = rc == ERR_INVALID && b->fault.problem && told.n > 0 &&
			     told.n < DIAG_MAX && nodes < YAML_NODES_MAX && repair(b, &copy);
		diag_list_take(diags, &told, again ? told.n - 1 : 0);
		if (!again)
			return b->nrepairs && !rc ? ERR_INVALID : rc;
		if (diags->n > 0)
			diag_cover_line(diags, repaired_line(b));
	}
}

int yaml_parse(struct slice text, const char *file, struct arena *arena, struct diag_list *diags,
	       struct yaml_node **out)
{
	struct builder b;
	int rc = builder_init(&b, text, file, arena, diags);
	if (!rc)
		rc = parse_with_repairs(&b, diags);
	builder_fini(&b);
	if (rc == 0 || (rc == ERR_INVALID && b.done))
		*out = b.root;
	return rc;
}

struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
	if (!mapping || mapping->type != YAML_MAPPING)
		return NULL;
	for (size_t i = 0; i + 1 < mapping->n; i += 2)
		if (slice_is(mapping->items[i]->text, key))
			return mapping->items[i + 1];
	return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	if (!node)
		return true;
	if (node->type != YAML_SCALAR || !node->plain)
		return false;
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (slice_is(node->text, nulls[i]))
			return true;
	return false;
}

struct diag *yaml_diag(struct diag_list *diags, enum diag_severity severity,
		       const struct yaml_node *node, const char *hint, const char *format, ...)
{
	struct buf message;
	va_list args;
	buf_init(&message);
	va_start(args, format);
	buf_vprintf(&message, format, args);
	va_end(args);
	/* A scalar is underlined as far as its first line goes; of anything else its first byte. */
	size_t span = 1;
	if (node->type == YAML_SCALAR && node->text.len) {
		ptrdiff_t end = slice_find(node->text, '\n');
		span = end > 0 ? (size_t)end : node->text.len;
	}
	struct diag *diag = diag_add_at(diags, severity, &node->source, 0, span, hint, "%s",
					buf_ok(&message) ? message.ptr : format);
	buf_fini(&message);
	return diag;
}
