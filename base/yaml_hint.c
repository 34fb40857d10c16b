#include "base/yaml_hint.h"

#include <stdint.h>

void yaml_hint_block(struct slice key, struct buf *out)
{
	bool expression = slice_is(key, "expr");
	buf_printf(out, "put the %s in a block: " SLICE_FMT ": |",
		   expression ? "expression" : "text", SLICE_ARG(key));
}

/* The line that an offset is on, without its end. */
static struct slice line_at(struct slice text, size_t offset)
{
	if (offset > text.len)
		offset = text.len;
	size_t from = offset, to = offset;
	while (from > 0 && text.ptr[from - 1] != '\n')
		from--;
	while (to < text.len && text.ptr[to] != '\n')
		to++;
	return (struct slice){ text.ptr + from, to - from };
}

/* The line before; empty if there is none. */
static struct slice line_before(struct slice text, struct slice line)
{
	if (line.ptr == text.ptr)
		return (struct slice){ text.ptr, 0 };
	return line_at(text, (size_t)(line.ptr - text.ptr) - 1);
}

static bool is_key_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.' || c == '/';
}

/* Where what comes after indentation, and after the dashes of lists, begins. */
static size_t content_of(struct slice line)
{
	size_t i = 0;
	while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t' ||
				(line.ptr[i] == '-' && i + 1 < line.len && line.ptr[i + 1] == ' ')))
		i++;
	return i;
}

/* Takes "  - key: value" apart; false if the line is none such. */
static bool split_line(struct slice line, struct slice *key, struct slice *value)
{
	size_t i = content_of(line), from = i;
	while (i < line.len && is_key_byte(line.ptr[i]))
		i++;
	if (i == from || i >= line.len || line.ptr[i] != ':')
		return false;
	*key = (struct slice){ line.ptr + from, i - from };
	*value = slice_trim((struct slice){ line.ptr + i + 1, line.len - i - 1 });
	return true;
}

static bool is_tab_indented(struct slice line)
{
	for (size_t i = 0; i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'); i++)
		if (line.ptr[i] == '\t')
			return true;
	return false;
}

/* What YAML makes of a plain value by how it begins, or NULL. */
static const char *meaning_of(struct slice value)
{
	bool blank = value.len > 2 && value.ptr[1] == ' ';
	switch (value.len ? value.ptr[0] : '\0') {
	case '{':
		return "a mapping";
	case '[':
		return "a list";
	case '"':
	case '\'':
		return "a quoted text that ends at the next quote";
	case '*':
		return "an alias";
	case '&':
		return "an anchor";
	case '!':
		return "a tag";
	case '%':
	case '@':
	case '`':
		return "its own, to no use";
	case '-':
		return blank ? "an entry of a list" : NULL;
	case '>':
	case '|':
		return blank && value.ptr[2] != '#' ? "a text that begins in the next line" : NULL;
	default:
		return NULL;
	}
}

static bool has_colon_blank(struct slice value)
{
	for (size_t i = 0; i + 1 < value.len; i++)
		if (value.ptr[i] == ':' && value.ptr[i + 1] == ' ')
			return true;
	return false;
}

static size_t indent_of(struct slice line)
{
	size_t n = 0;
	while (n < line.len && line.ptr[n] == ' ')
		n++;
	return n;
}

/* Takes "  - value" apart, whose key is empty; false if the line is none such. */
static bool split_entry(struct slice line, struct slice *key, struct slice *value)
{
	size_t from = content_of(line);
	if (from == indent_of(line))
		return false;
	*key = (struct slice){ line.ptr + from, 0 };
	*value = slice_trim((struct slice){ line.ptr + from, line.len - from });
	return true;
}

/* What is at fault, and so what to do; the key of an entry of a list is empty. */
enum fault_kind {
	FAULT_UNKNOWN,
	FAULT_TAB,    /* in the indentation */
	FAULT_COLUMN, /* of a key */
	FAULT_BLOCK,  /* whose lines stand no deeper than its key */
	FAULT_VALUE,  /* that begins with what YAML keeps for itself */
	FAULT_COLON,  /* in a value */
	FAULT_FLOW,   /* in a mapping in braces */
};

struct fault {
	enum fault_kind kind;
	struct slice line, key, value; /* of what is at fault, as far as the kind has it */
};

/* {key: value, …}, which {label="value"} is not, or a list that begins with one. */
static bool is_flow_mapping(struct slice value)
{
	struct slice key, first;
	if (slice_has_prefix(value, SLICE("[{")))
		value = (struct slice){ value.ptr + 1, value.len - 1 };
	return value.len > 0 && value.ptr[0] == '{' &&
	       split_line((struct slice){ value.ptr + 1, value.len - 1 }, &key, &first);
}

/* Is it a line "key: value", or "- value", whose value is none for YAML? */
static bool is_bad_value(struct slice line, struct fault *fault)
{
	bool has_key = split_line(line, &fault->key, &fault->value);
	if ((!has_key && !split_entry(line, &fault->key, &fault->value)) || fault->value.len == 0)
		return false;
	fault->line = line;
	if (is_flow_mapping(fault->value) || (!has_key && fault->value.ptr[0] == '{'))
		fault->kind = FAULT_FLOW;
	else if (meaning_of(fault->value))
		fault->kind = FAULT_VALUE;
	else if (has_key && has_colon_blank(fault->value))
		fault->kind = FAULT_COLON;
	return fault->kind != FAULT_UNKNOWN;
}

/* Does a block begin in the line before, and this one stands no deeper? */
static bool is_bad_block(struct slice line, struct slice before)
{
	struct slice key, value;
	return split_line(before, &key, &value) && (slice_is(value, "|") || slice_is(value, ">")) &&
	       indent_of(line) <= (size_t)(key.ptr - before.ptr);
}

/* Does a quoted text begin in this line? */
static bool is_bad_quote(struct slice line, struct fault *fault)
{
	struct fault found = { 0 };
	if (!is_bad_value(line, &found) || !strchr("\"'", found.value.ptr[0]))
		return false;
	*fault = found;
	return true;
}

/* A fault at or before the key's colon is not the value's. */
static bool is_before_value(struct slice line, const char *at)
{
	struct slice key, value;
	return split_line(line, &key, &value) && at <= key.ptr + key.len;
}

/* Then the key stands in no column that YAML expects, */
static bool is_key_misplaced(struct slice line, struct slice before, const char *at)
{
	struct slice key, value, before_key, before_value;
	if (!is_before_value(line, at) || !split_line(line, &key, &value))
		return false;
	return split_line(before, &before_key, &before_value) && !meaning_of(before_value) &&
	       key.ptr - line.ptr != before_key.ptr - before.ptr;
}

/* or the line goes on with the value that the line before began. */
static bool is_continuation(struct slice line, struct slice before, const char *at)
{
	struct slice key, value;
	return indent_of(line) > indent_of(before) &&
	       (!split_line(line, &key, &value) || is_before_value(line, at));
}

static struct fault find_fault(struct slice text, const struct yaml_error *error)
{
	struct fault fault = { .kind = FAULT_UNKNOWN };
	struct slice line = line_at(text, error->at), before = line_before(text, line), context;
	bool has_context = error->context != SIZE_MAX;
	const char *at = text.ptr + error->at;
	if (has_context)
		context = line_at(text, error->context);
	if (is_tab_indented(line) || strstr(error->problem, "tab character"))
		return (struct fault){ .kind = FAULT_TAB };
	/* An unclosed { or " is found out only lines later, a bad value often on the line below. */
	if (has_context && context.ptr != line.ptr && is_bad_quote(context, &fault))
		return fault;
	if (is_bad_block(line, before) ||
	    (has_context && is_bad_block(context, line_before(text, context))))
		return (struct fault){ .kind = FAULT_BLOCK };
	if (is_key_misplaced(line, before, at))
		return (struct fault){ .kind = FAULT_COLUMN };
	if (!is_before_value(line, at) && is_bad_value(line, &fault))
		return fault;
	if (has_context && strstr(error->problem, "did not find expected key") == NULL &&
	    is_bad_value(context, &fault))
		return fault;
	if (is_tab_indented(before))
		return (struct fault){ .kind = FAULT_TAB };
	if (!is_continuation(line, before, at) || !is_bad_value(before, &fault))
		fault.kind = FAULT_UNKNOWN;
	return fault;
}

/* How many of { and [ are closed by nothing; below 0: more are closed. */
static int add_depth(int depth, char c)
{
	return depth + (c == '{' || c == '[') - (c == '}' || c == ']');
}

static bool is_open(struct slice value)
{
	int depth = 0;
	for (size_t i = 0; i < value.len; i++)
		depth = add_depth(depth, value.ptr[i]);
	return depth > 0;
}

void yaml_hint_syntax(struct slice text, const struct yaml_error *error, struct buf *out)
{
	struct fault fault = find_fault(text, error);
	switch (fault.kind) {
	case FAULT_UNKNOWN:
		return;
	case FAULT_TAB:
		buf_add_str(out, "indent with spaces: YAML does not allow tabs there");
		return;
	case FAULT_COLUMN:
		buf_add_str(out, "look at the indentation: the keys of a mapping stand in one "
				 "column, all that belongs to a key stands deeper");
		return;
	case FAULT_BLOCK:
		buf_add_str(out, "the lines of a block stand deeper than its key");
		return;
	case FAULT_FLOW:
		if (is_open(fault.value))
			buf_add_str(out, "close each { with a }; ");
		buf_add_str(out, "inside of {…} YAML takes { } [ ] and , for its own; give each "
				 "key a line, and put its text in a block: |");
		return;
	case FAULT_VALUE:
		buf_printf(out, "YAML takes a leading %c for %s; ", fault.value.ptr[0],
			   meaning_of(fault.value));
		break;
	case FAULT_COLON:
		buf_add_str(out, "YAML takes \": \" for the end of a key; ");
		break;
	}
	if (fault.key.len == 0)
		buf_add_str(out, "put the text in quotes");
	else
		yaml_hint_block(fault.key, out);
	if (fault.value.ptr[0] == '[' && !slice_is(fault.key, "expr")) /* which is never one */
		buf_add_str(out, is_open(fault.value) ? "; if it is a list, close it with a ]"
						      : "; if it is a list, quote its entries");
}

static void blank(char *text, size_t len)
{
	memset(text, ' ', len);
}

/* Blanks the lines after one that stand deeper than a column: there its value goes on. */
static void blank_deeper(char *text, size_t len, size_t line_end, size_t column)
{
	size_t at = line_end;
	while (at < len) {
		struct slice line = line_at((struct slice){ text, len }, at + 1);
		size_t indent = indent_of(line);
		if (slice_trim(line).len > 0 && indent <= column)
			return;
		blank(text + (line.ptr - text), line.len);
		at += line.len + 1;
	}
}

/*
 * How much of a value is its own: what closes at its end what other lines have opened is not, where
 * nothing else follows.
 */
static size_t own_len(struct slice value)
{
	int depth = 0;
	size_t own = 0;
	while (own < value.len && (depth = add_depth(depth, value.ptr[own])) >= 0)
		own++;
	for (size_t i = own; i < value.len; i++)
		if (!strchr("}], ", value.ptr[i]))
			return value.len;
	return own > 0 ? own : value.len;
}

ptrdiff_t yaml_repair(char *text, size_t len, const struct yaml_error *error)
{
	struct fault fault = find_fault((struct slice){ text, len }, error);
	if (fault.kind != FAULT_VALUE && fault.kind != FAULT_COLON && fault.kind != FAULT_FLOW)
		return -1;
	size_t value = (size_t)(fault.value.ptr - text);
	size_t line_end = (size_t)(fault.line.ptr - text) + fault.line.len;
	if (fault.value.len == 1 && text[value] == 'x')
		return -1;
	blank(text + value, own_len(fault.value));
	text[value] = 'x';
	blank_deeper(text, len, line_end,
		     fault.key.len > 0 ? (size_t)(fault.key.ptr - fault.line.ptr)
				       : indent_of(fault.line));
	return (ptrdiff_t)value;
}
