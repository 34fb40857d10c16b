/*
 * Reading on behind what YAML cannot read: it is blanked in place, an "x" stands for it.
 *
 * Of a value that is none only the value goes. Where the indentation is wrong, all of the entry or
 * key goes that the line belongs to: nobody knows what was meant by it, and half of it would only
 * be told to lack the other half.
 */
#include <stdint.h>
#include <string.h>

#include "base/yaml_fault.h"

static void blank(char *text, size_t len)
{
	memset(text, ' ', len);
}

static bool is_empty(struct slice line)
{
	struct slice rest = slice_trim(line);
	return rest.len == 0 || rest.ptr[0] == '#';
}

/* A tab stands deeper than anything. */
static size_t depth_of(struct slice line)
{
	return yaml_is_tab_indented(line) ? SIZE_MAX : yaml_indent_of(line);
}

/*
 * Blanks the lines after one that stand deeper than a column: there its value goes on. Gives the
 * end of the line that comes then.
 */
static size_t blank_deeper(char *text, size_t len, size_t line_end, size_t column)
{
	size_t at = line_end;
	while (at < len) {
		struct slice line = yaml_line_at((struct slice){ text, len }, at + 1);
		if (!is_empty(line) && depth_of(line) <= column)
			return at + 1 + line.len;
		blank(text + (line.ptr - text), line.len);
		at += line.len + 1;
	}
	return len;
}

/* ---- a value ---- */

/*
 * How much of a value is its own: what closes at its end what other lines have opened is not, where
 * nothing else follows.
 */
static size_t own_len(struct slice value)
{
	int depth = 0;
	size_t own = 0;
	while (own < value.len && (depth = yaml_depth_add(depth, value.ptr[own])) >= 0)
		own++;
	for (size_t i = own; i < value.len; i++)
		if (!strchr("}], ", value.ptr[i]))
			return value.len;
	return own > 0 ? own : value.len;
}

static ptrdiff_t repair_value(char *text, size_t len, const struct yaml_fault *fault)
{
	size_t value = (size_t)(fault->value.ptr - text);
	size_t line_end = (size_t)(fault->line.ptr - text) + fault->line.len;
	if (fault->value.len == 1 && text[value] == 'x')
		return -1;
	blank(text + value, own_len(fault->value));
	text[value] = 'x';
	(void)blank_deeper(text, len, line_end,
			   fault->key.len > 0 ? (size_t)(fault->key.ptr - fault->line.ptr)
					      : yaml_indent_of(fault->line));
	return (ptrdiff_t)value;
}

/* ---- indentation ---- */

/* Does an entry of a list begin in the line? */
static bool is_entry(struct slice line)
{
	struct slice rest = slice_trim(line);
	return slice_is(rest, "-") || slice_has_prefix(rest, SLICE("- "));
}

/* Is the line a key whose value stands in the lines below? */
static bool is_opening(struct slice line, struct slice *value)
{
	struct slice key;
	return yaml_line_split(line, &key, value) &&
	       (value->len == 0 || value->ptr[0] == '|' || value->ptr[0] == '>');
}

/* What a line belongs to: an entry of a list, or a key. */
struct owner {
	size_t column;	   /* in which it stands */
	size_t from, mark; /* what it holds is blanked from here on; the "x" is put there */
};

/*
 * The nearest one above that stands less deep; false: there is none. An entry belongs beside
 * another entry, or right below a key.
 */
static bool find_owner(struct slice text, struct slice line, struct owner *owner)
{
	size_t depth = depth_of(line);
	bool takes_key = true;
	struct slice value, at = line;
	while (at.ptr > text.ptr) {
		at = yaml_line_before(text, at);
		size_t begin = (size_t)(at.ptr - text.ptr), indent = yaml_indent_of(at);
		if (is_empty(at) || yaml_is_tab_indented(at))
			continue;
		if (is_entry(at) && indent <= depth && at.len > indent + 2) {
			*owner = (struct owner){ indent, begin + indent + 1, begin + indent + 2 };
			return true;
		}
		if (takes_key && is_opening(at, &value) && !is_entry(at) && indent < depth &&
		    line.len > indent + 1) {
			*owner = (struct owner){ indent, (size_t)(value.ptr - text.ptr),
						 (size_t)(line.ptr - text.ptr) + indent + 1 };
			return true;
		}
		takes_key = !is_entry(line);
	}
	return false;
}

/* Blanks from one place up to the end of a line, but for the ends of the lines between. */
static void blank_lines(char *text, size_t from, size_t end)
{
	for (size_t i = from; i < end; i++)
		if (text[i] != '\n')
			text[i] = ' ';
}

static ptrdiff_t repair_indentation(char *text, size_t len, enum yaml_fault_kind kind, size_t at,
				    size_t *until)
{
	struct slice whole = { text, len }, line = yaml_line_at(whole, at);
	struct owner owner;
	/* Some tabs are told of in the line below. */
	if (kind == FAULT_TAB && !yaml_is_tab_indented(line))
		line = yaml_line_before(whole, line);
	size_t begin = (size_t)(line.ptr - text), end = begin + line.len, depth = depth_of(line);
	/* A block that is empty for YAML is told of in what follows it. */
	if (is_empty(line) || (kind == FAULT_BLOCK && is_entry(line)))
		return -1;
	bool has_owner = find_owner(whole, line, &owner);
	if (is_entry(line)) {
		/* It goes by itself: those beside it are well. */
		blank(text + begin, line.len);
		*until = blank_deeper(text, len, end, has_owner ? owner.column : depth);
		return (ptrdiff_t)begin;
	}
	if (!has_owner)
		return -1;
	blank_lines(text, owner.from, end);
	text[owner.mark] = 'x';
	*until = blank_deeper(text, len, end, owner.column);
	return (ptrdiff_t)owner.mark;
}

ptrdiff_t yaml_repair(char *text, size_t len, const struct yaml_error *error, size_t *until)
{
	struct yaml_fault fault = yaml_fault_find((struct slice){ text, len }, error);
	switch (fault.kind) {
	case FAULT_VALUE:
	case FAULT_COLON:
	case FAULT_FLOW:
		return repair_value(text, len, &fault);
	case FAULT_TAB:
	case FAULT_COLUMN:
	case FAULT_BLOCK:
		return repair_indentation(text, len, fault.kind, error->at, until);
	default:
		return -1;
	}
}
