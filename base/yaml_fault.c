#include "base/yaml_fault.h"

#include <string.h>

struct slice yaml_line_at(struct slice text, size_t offset)
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

struct slice yaml_line_before(struct slice text, struct slice line)
{
	if (line.ptr == text.ptr)
		return (struct slice){ text.ptr, 0 };
	return yaml_line_at(text, (size_t)(line.ptr - text.ptr) - 1);
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

bool yaml_line_split(struct slice line, struct slice *key, struct slice *value)
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

bool yaml_is_tab_indented(struct slice line)
{
	for (size_t i = 0; i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'); i++)
		if (line.ptr[i] == '\t')
			return true;
	return false;
}

const char *yaml_meaning_of(struct slice value)
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

size_t yaml_indent_of(struct slice line)
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
	if (from == yaml_indent_of(line))
		return false;
	*key = (struct slice){ line.ptr + from, 0 };
	*value = slice_trim((struct slice){ line.ptr + from, line.len - from });
	return true;
}

/* {key: value, …}, which {label="value"} is not, or a list that begins with one. */
static bool is_flow_mapping(struct slice value)
{
	struct slice key, first;
	if (slice_has_prefix(value, SLICE("[{")))
		value = (struct slice){ value.ptr + 1, value.len - 1 };
	return value.len > 0 && value.ptr[0] == '{' &&
	       yaml_line_split((struct slice){ value.ptr + 1, value.len - 1 }, &key, &first);
}

/* Is it a line "key: value", or "- value", whose value is none for YAML? */
static bool is_bad_value(struct slice line, struct yaml_fault *fault)
{
	bool has_key = yaml_line_split(line, &fault->key, &fault->value);
	if ((!has_key && !split_entry(line, &fault->key, &fault->value)) || fault->value.len == 0)
		return false;
	fault->line = line;
	if (is_flow_mapping(fault->value) || (!has_key && fault->value.ptr[0] == '{'))
		fault->kind = FAULT_FLOW;
	else if (yaml_meaning_of(fault->value))
		fault->kind = FAULT_VALUE;
	else if (has_key && has_colon_blank(fault->value))
		fault->kind = FAULT_COLON;
	return fault->kind != FAULT_UNKNOWN;
}

/* Does a block begin in the line before, and this one stands no deeper? */
static bool is_bad_block(struct slice line, struct slice before)
{
	struct slice key, value;
	return yaml_line_split(before, &key, &value) &&
	       (slice_is(value, "|") || slice_is(value, ">")) &&
	       yaml_indent_of(line) <= (size_t)(key.ptr - before.ptr);
}

/* Does a quoted text begin in this line? */
static bool is_bad_quote(struct slice line, struct yaml_fault *fault)
{
	struct yaml_fault found = { 0 };
	if (!is_bad_value(line, &found) || !strchr("\"'", found.value.ptr[0]))
		return false;
	*fault = found;
	return true;
}

/* A fault at or before the key's colon is not the value's. */
static bool is_before_value(struct slice line, const char *at)
{
	struct slice key, value;
	return yaml_line_split(line, &key, &value) && at <= key.ptr + key.len;
}

/* Then the key stands in no column that YAML expects, */
static bool is_key_misplaced(struct slice line, struct slice before, const char *at)
{
	struct slice key, value, before_key, before_value;
	if (!is_before_value(line, at) || !yaml_line_split(line, &key, &value))
		return false;
	return yaml_line_split(before, &before_key, &before_value) &&
	       !yaml_meaning_of(before_value) && key.ptr - line.ptr != before_key.ptr - before.ptr;
}

/* or the line goes on with the value that the line before began. */
static bool is_continuation(struct slice line, struct slice before, const char *at)
{
	struct slice key, value;
	return yaml_indent_of(line) > yaml_indent_of(before) &&
	       (!yaml_line_split(line, &key, &value) || is_before_value(line, at));
}

struct yaml_fault yaml_fault_find(struct slice text, const struct yaml_error *error)
{
	struct yaml_fault fault = { .kind = FAULT_UNKNOWN };
	struct slice line = yaml_line_at(text, error->at), before = yaml_line_before(text, line),
		     context;
	bool has_context = error->context != SIZE_MAX;
	const char *at = text.ptr + error->at;
	if (has_context)
		context = yaml_line_at(text, error->context);
	if (yaml_is_tab_indented(line) || strstr(error->problem, "tab character"))
		return (struct yaml_fault){ .kind = FAULT_TAB };
	/* An unclosed { or " is found out only lines later, a bad value often on the line below. */
	if (has_context && context.ptr != line.ptr && is_bad_quote(context, &fault))
		return fault;
	if (is_bad_block(line, before) ||
	    (has_context && is_bad_block(context, yaml_line_before(text, context))))
		return (struct yaml_fault){ .kind = FAULT_BLOCK };
	if (is_key_misplaced(line, before, at))
		return (struct yaml_fault){ .kind = FAULT_COLUMN };
	if (!is_before_value(line, at) && is_bad_value(line, &fault))
		return fault;
	if (has_context && strstr(error->problem, "did not find expected key") == NULL &&
	    is_bad_value(context, &fault))
		return fault;
	if (yaml_is_tab_indented(before))
		return (struct yaml_fault){ .kind = FAULT_TAB };
	if (!is_continuation(line, before, at) || !is_bad_value(before, &fault))
		fault.kind = FAULT_UNKNOWN;
	return fault;
}
