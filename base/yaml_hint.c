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

/* Takes "  - key: value" apart; false if the line is none such. */
static bool split_line(struct slice line, struct slice *key, struct slice *value)
{
	size_t i = 0;
	while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t' ||
				(line.ptr[i] == '-' && i + 1 < line.len && line.ptr[i + 1] == ' ')))
		i++;
	size_t from = i;
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

/* What YAML makes of a plain value's first byte, or NULL. */
static const char *meaning_of_first(char c)
{
	switch (c) {
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

/* Does the line go on with the value that the line before began? */
static bool is_continuation(struct slice line, struct slice before)
{
	struct slice key, value;
	return indent_of(line) > indent_of(before) && !split_line(line, &key, &value);
}

/* A hint from a line "key: value" whose value is none for YAML; false if there is no reason to see.
 */
static bool hint_line(struct slice line, struct buf *out)
{
	struct slice key, value;
	if (!split_line(line, &key, &value) || value.len == 0)
		return false;
	const char *meaning = meaning_of_first(value.ptr[0]);
	if (meaning)
		buf_printf(out, "YAML takes a leading %c for %s; ", value.ptr[0], meaning);
	else if (has_colon_blank(value))
		buf_add_str(out, "YAML takes \": \" for the end of a key; ");
	else
		return false;
	yaml_hint_block(key, out);
	return true;
}

/* A fault at or before the key's colon is not the value's: then the key stands in no column that
 * YAML expects. */
static bool is_key_misplaced(struct slice text, struct slice line, size_t at)
{
	struct slice key, value, before_key, before_value, before = line_before(text, line);
	if (!split_line(line, &key, &value) || text.ptr + at > key.ptr + key.len)
		return false;
	return split_line(before, &before_key, &before_value) &&
	       !(before_value.len && meaning_of_first(before_value.ptr[0])) &&
	       key.ptr - line.ptr != before_key.ptr - before.ptr;
}

void yaml_hint_syntax(struct slice text, const char *problem, size_t at, size_t context,
		      struct buf *out)
{
	struct slice line = line_at(text, at);
	if (is_tab_indented(line) || strstr(problem, "tab character")) {
		buf_add_str(out, "indent with spaces: YAML does not allow tabs there");
		return;
	}
	if (is_key_misplaced(text, line, at)) {
		buf_add_str(out, "look at the indentation: the keys of a mapping stand in one "
				 "column, all that belongs to a key stands deeper");
		return;
	}
	if (hint_line(line, out))
		return;
	/* An unclosed { or " is found out only lines later, a bad value often on the line below. */
	if (context != SIZE_MAX && strstr(problem, "did not find expected key") == NULL &&
	    hint_line(line_at(text, context), out))
		return;
	struct slice before = line_before(text, line);
	if (is_tab_indented(before))
		buf_add_str(out, "indent with spaces: YAML does not allow tabs there");
	else if (is_continuation(line, before))
		hint_line(before, out);
}
