#include "base/diag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

static const struct severity_look {
	const char *name, *colour;
} looks[] = {
	[DIAG_ERROR] = { "error", "\033[1;31m" },
	[DIAG_WARNING] = { "warning", "\033[1;35m" },
	[DIAG_NOTE] = { "note", "\033[1;36m" },
};

#define BOLD "\033[1m"
#define GREEN "\033[1;32m"
#define PLAIN "\033[0m"

void diag_list_init(struct diag_list *list)
{
	*list = (struct diag_list){ 0 };
}

static void diag_fini(struct diag *diag)
{
	free(diag->file);
	free(diag->quote);
	free(diag->message);
	free(diag->hint);
}

void diag_list_fini(struct diag_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		diag_fini(&list->items[i]);
	free(list->items);
	diag_list_init(list);
}

static bool list_grow(struct diag_list *list)
{
	if (list->n < list->cap)
		return true;
	size_t cap = list->cap ? list->cap * 2 : 8;
	struct diag *items = realloc(list->items, cap * sizeof(*items));

	if (!items)
		return false;
	list->items = items;
	list->cap = cap;
	return true;
}

/*
 * Counts, and makes the item unless the list is full or memory is short: the counts alone already
 * say that the input is bad.
 */
static struct diag *list_add(struct diag_list *list, enum diag_severity severity)
{
	list->errors += severity == DIAG_ERROR;
	list->warnings += severity == DIAG_WARNING;
	if (list->n == DIAG_MAX || !list_grow(list))
		return NULL;
	struct diag *diag = &list->items[list->n++];

	*diag = (struct diag){ .severity = severity, .span = 1 };
	return diag;
}

/* Is it about a line that another one is to blame for? */
static bool is_covered(const struct diag_list *list, const struct diag *diag)
{
	for (size_t i = 0; list->covering && i < list->n; i++) {
		const struct diag *other = &list->items[i];

		if (other != diag && other->covers && other->covers == diag->line && other->file &&
		    diag->file && strcmp(other->file, diag->file) == 0)
			return true;
	}
	return false;
}

/*
 * The newest one, unless it is covered: then it has not been. One whose words there is no memory
 * for is only counted.
 */
static struct diag *keep_newest(struct diag_list *list)
{
	struct diag *diag = &list->items[list->n - 1];
	bool covered = is_covered(list, diag);

	if (!covered && diag->message)
		return diag;
	list->covered += covered && diag->severity == DIAG_ERROR;
	list->warnings -= covered && diag->severity == DIAG_WARNING;
	diag_fini(diag);
	list->n--;
	return NULL;
}

void diag_cover_line(struct diag_list *list, uint32_t line)
{
	list->items[list->n - 1].covers = line;
	list->covering = true;
}

void diag_list_take(struct diag_list *to, struct diag_list *from, size_t first)
{
	for (size_t i = 0; i < from->n; i++) {
		struct diag *diag = &from->items[i];
		bool covered = i >= first && is_covered(to, diag);
		struct diag *place =
			i < first || covered ? NULL : list_add(to, diag->severity);

		to->errors += covered && diag->severity == DIAG_ERROR;
		to->covered += covered && diag->severity == DIAG_ERROR;
		from->errors -= diag->severity == DIAG_ERROR;
		from->warnings -= diag->severity == DIAG_WARNING;
		if (!place) {
			diag_fini(diag);
			continue;
		}
		*place = *diag;
		to->covering |= diag->covers > 0;
	}
	/* What there was no room for. */
	to->errors += from->errors;
	to->covered += from->covered;
	to->warnings += from->warnings;
	from->n = 0;
	diag_list_fini(from);
}

static char *dup_or_null(const char *text)
{
	return text ? slice_dup(slice_from(text)) : NULL;
}

static void diag_fill(struct diag *diag, const char *file, const char *hint, const char *format,
		      va_list args)
{
	struct buf message;

	buf_init(&message);
	buf_vprintf(&message, format, args);
	diag->file = dup_or_null(file);
	diag->hint = dup_or_null(hint);
	diag->message = buf_take(&message);
}

struct diag *diag_add(struct diag_list *list, enum diag_severity severity, const char *file,
		      uint32_t line, uint32_t column, const char *quote, const char *hint,
		      const char *format, ...)
{
	struct diag *diag = list_add(list, severity);
	va_list args;

	if (!diag)
		return NULL;
	diag->line = line;
	diag->column = column;
	diag->quote = dup_or_null(quote);
	va_start(args, format);
	diag_fill(diag, file, hint, format, args);
	va_end(args);
	return keep_newest(list);
}

/* The line of the text around an offset. */
static struct slice line_around(struct slice text, size_t offset)
{
	size_t start = offset, end = offset;

	while (start > 0 && text.ptr[start - 1] != '\n')
		start--;
	while (end < text.len && text.ptr[end] != '\n')
		end++;
	if (end > start && text.ptr[end - 1] == '\r')
		end--;
	return (struct slice){ text.ptr + start, end - start };
}

static uint32_t count_newlines(struct slice text)
{
	uint32_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '\n';
	return n;
}

/* The line of that number (from 1) of a text; empty beyond its end. */
static struct slice line_number(struct slice text, uint32_t number)
{
	while (number > 1) {
		ptrdiff_t end = slice_find(text, '\n');

		if (end < 0)
			return (struct slice){ text.ptr, 0 };
		text.ptr += end + 1;
		text.len -= (size_t)end + 1;
		number--;
	}
	return text.len ? line_around(text, 0) : text;
}

/* Line and column by the pieces of a text that its file holds folded or escaped. */
static void place_by_pieces(struct diag *diag, const struct source *source, size_t offset)
{
	size_t i = source->npieces;

	while (i > 1 && source->pieces[i - 1].offset > offset)
		i--;
	const struct source_piece *piece = &source->pieces[i - 1];

	diag->line = piece->line;
	diag->column = piece->column + (uint32_t)(offset - piece->offset);
}

/* Line and column by line0, column0 and indent. */
static void place_by_lines(struct diag *diag, const struct source *source, size_t offset)
{
	struct slice before = { source->text.ptr, offset };
	uint32_t lines_down = count_newlines(before);
	size_t in_line = (size_t)(before.ptr + offset - line_around(source->text, offset).ptr);
	size_t margin = source->indent;

	if (lines_down == 0)
		margin = source->column0 ? source->column0 - 1 : 0;
	diag->line = (source->line0 ? source->line0 : 1) + lines_down;
	diag->column = (uint32_t)(margin + in_line + 1);
}

/*
 * The quoted line, from the whole file if it is at hand. If only a part of the file is, blanks take
 * the place of what stands before it on the line, so that quote and column agree.
 */
static void add_source_quote(struct diag *diag, const struct source *source, size_t offset)
{
	struct slice line = source->whole.len ? line_number(source->whole, diag->line)
					      : line_around(source->text, offset);
	size_t margin = 0;

	if (!source->whole.len)
		margin = diag->column - 1 - (size_t)(source->text.ptr + offset - line.ptr);
	size_t width = margin + line.len, at = diag->column - 1;

	if (at >= width)
		diag->span = 1;
	else if (diag->span > width - at)
		diag->span = (uint32_t)(width - at); /* to the end of the line */
	if (line.len > DIAG_QUOTE_MAX || margin > DIAG_QUOTE_MAX)
		return;

	struct buf quote;

	buf_init(&quote);
	for (size_t i = 0; i < margin; i++)
		buf_add_char(&quote, ' ');
	buf_add_slice(&quote, line);
	diag->quote = buf_take(&quote);
}

void source_place(const struct source *source, size_t offset, uint32_t *line, uint32_t *column)
{
	struct diag place = { 0 };

	if (offset > source->text.len)
		offset = source->text.len;
	if (source->npieces)
		place_by_pieces(&place, source, offset);
	else
		place_by_lines(&place, source, offset);
	*line = place.line;
	*column = place.column;
}

static void diag_place(struct diag *diag, const struct source *source, size_t offset, size_t span)
{
	if (offset > source->text.len)
		offset = source->text.len;
	if (span > source->text.len - offset)
		span = source->text.len - offset;
	diag->span = span ? (uint32_t)span : 1;
	source_place(source, offset, &diag->line, &diag->column);
	add_source_quote(diag, source, offset);
}

struct diag *diag_add_at(struct diag_list *list, enum diag_severity severity,
			 const struct source *source, size_t offset, size_t span, const char *hint,
			 const char *format, ...)
{
	struct diag *diag = list_add(list, severity);
	va_list args;

	if (!diag)
		return NULL;
	diag_place(diag, source, offset, span);
	va_start(args, format);
	diag_fill(diag, source->file, hint, format, args);
	va_end(args);
	return keep_newest(list);
}

/* A character of foreign text: its bytes there, and how it is shown. */
struct glyph {
	size_t len, columns;
	char text[8];
};

#define ESCAPE_COLUMNS 4 /* of \xE9 */

/*
 * On its way to a terminal no control character passes, of those that take two bytes none either,
 * and a byte that is no UTF-8 is spelt out.
 */
static struct glyph glyph_at(struct slice text, size_t at)
{
	struct slice rest = { text.ptr + at, text.len - at };
	struct glyph glyph = { .columns = 1 };
	uint32_t rune;

	glyph.len = slice_rune(rest, &rune);
	if (rune == RUNE_ERROR && glyph.len == 1) {
		snprintf(glyph.text, sizeof(glyph.text), "\\x%02X", (unsigned char)*rest.ptr);
		glyph.columns = ESCAPE_COLUMNS;
	} else if (rune == '\n' || rune == '\t') {
		glyph.text[0] = ' ';
	} else if (rune < ' ' || (rune >= 0x7F && rune < 0xA0)) {
		glyph.text[0] = '?';
	} else {
		memcpy(glyph.text, rest.ptr, glyph.len);
	}
	return glyph;
}

static void add_clean(struct buf *out, struct slice text)
{
	struct glyph glyph;

	for (size_t i = 0; i < text.len; i += glyph.len) {
		glyph = glyph_at(text, i);
		buf_add_str(out, glyph.text);
	}
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xC0) == 0x80;
}

#define RUNE_REST 3 /* bytes of a character after its first */

/* The part of a line that is shown: all of it, or a piece around the fault. */
static struct slice quote_window(struct slice line, size_t column, bool *cut_left)
{
	size_t start = 0, end = line.len;

	*cut_left = false;
	if (line.len <= DIAG_WIDTH)
		return line;
	if (column > DIAG_WIDTH / 2)
		start = column - DIAG_WIDTH / 2;
	if (end - start > DIAG_WIDTH)
		end = start + DIAG_WIDTH;
	for (int i = 0; i < RUNE_REST && start > 0 && is_continuation(line.ptr[start]); i++)
		start--;
	for (int i = 0; i < RUNE_REST && end < line.len && is_continuation(line.ptr[end]); i++)
		end++;
	*cut_left = start > 0;
	return (struct slice){ line.ptr + start, end - start };
}

/*
 * Blanks up to the fault and a line under it, as wide as the characters above it are shown. The
 * fault may lie behind the end, where each byte counts as one.
 */
static void add_caret(const struct slice *shown, size_t at, size_t span, bool colour,
		      struct buf *out)
{
	struct glyph glyph;
	const char *mark = "^";

	for (size_t i = 0; i < at; i += glyph.len) {
		glyph = i < shown->len ? glyph_at(*shown, i) : (struct glyph){ 1, 1, "" };
		for (size_t k = 0; k < glyph.columns; k++)
			buf_add_char(out, ' ');
	}
	buf_add_str(out, colour ? GREEN : "");
	for (size_t i = at; i == at || (i < at + span && i < shown->len); i += glyph.len) {
		glyph = i < shown->len ? glyph_at(*shown, i) : (struct glyph){ 1, 1, "" };
		for (size_t k = 0; k < glyph.columns; k++, mark = "~")
			buf_add_str(out, mark);
	}
	buf_add_str(out, colour ? PLAIN "\n" : "\n");
}

static void add_quote(const struct diag *diag, bool colour, struct buf *out)
{
	struct slice line = slice_from(diag->quote);
	size_t column = diag->column ? diag->column - 1 : 0;
	bool cut_left;

	if (column > line.len)
		column = line.len;
	struct slice shown = quote_window(line, column, &cut_left);

	buf_add_str(out, cut_left ? "  …" : "  ");
	add_clean(out, shown);
	buf_add_str(out, shown.ptr + shown.len < line.ptr + line.len ? "…\n" : "\n");
	if (diag->column == 0)
		return;
	buf_add_str(out, cut_left ? "   " : "  ");
	add_caret(&shown, column - (size_t)(shown.ptr - line.ptr), diag->span, colour, out);
}

bool diag_wants_colour(int fd)
{
	const char *refused = getenv("NO_COLOR");

	return isatty(fd) && !(refused && refused[0]);
}

void diag_format(const struct diag *diag, bool colour, struct buf *out)
{
	const struct severity_look *look = &looks[diag->severity];

	if (colour)
		buf_add_str(out, BOLD);
	if (diag->file) {
		add_clean(out, slice_from(diag->file));
		buf_add_char(out, ':');
	}
	if (diag->line)
		buf_printf(out, "%u:", diag->line);
	if (diag->line && diag->column)
		buf_printf(out, "%u:", diag->column);
	if (diag->file || diag->line)
		buf_add_char(out, ' ');
	if (colour)
		buf_printf(out, "%s%s:" PLAIN " ", look->colour, look->name);
	else
		buf_printf(out, "%s: ", look->name);
	add_clean(out, slice_from(diag->message));
	if (diag->id)
		buf_printf(out, " [%s]", diag->id);
	buf_add_char(out, '\n');
	if (diag->quote && diag->quote[0])
		add_quote(diag, colour, out);
	if (diag->hint) {
		buf_add_str(out, "  hint: ");
		add_clean(out, slice_from(diag->hint));
		buf_add_char(out, '\n');
	}
}

static void add_count(struct buf *out, size_t n, const char *what)
{
	buf_printf(out, "%zu %s%s", n, what, n == 1 ? "" : "s");
}

void diag_list_format(const struct diag_list *list, bool colour, struct buf *out)
{
	size_t notes = 0;

	for (size_t i = 0; i < list->n; i++) {
		diag_format(&list->items[i], colour, out);
		notes += list->items[i].severity == DIAG_NOTE;
	}
	size_t errors = diag_list_told(list);
	if (errors + list->warnings == 0)
		return;
	if (errors)
		add_count(out, errors, "error");
	if (errors && list->warnings)
		buf_add_str(out, ", ");
	if (list->warnings)
		add_count(out, list->warnings, "warning");
	if (errors + list->warnings + notes > list->n)
		buf_printf(out, " (%zu not shown)",
			   errors + list->warnings + notes - list->n);
	buf_add_char(out, '\n');
}

static void json_optional(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	if (text)
		json_str(w, slice_from(text));
	else
		json_nil(w);
}

void diag_list_format_json(const struct diag_list *list, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_array(&w);
	for (size_t i = 0; i < list->n; i++) {
		const struct diag *diag = &list->items[i];

		json_begin_object(&w);
		json_field_string(&w, "severity", slice_from(looks[diag->severity].name));
		json_optional(&w, "id", diag->id);
		json_optional(&w, "file", diag->file);
		json_field_int(&w, "line", diag->line);
		json_field_int(&w, "column", diag->column);
		json_field_int(&w, "span", diag->span);
		json_optional(&w, "message", diag->message);
		json_optional(&w, "suggestion", diag->hint);
		json_end_object(&w);
	}
	json_end_array(&w);
}
