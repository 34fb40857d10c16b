#include "base/yaml_place.h"

#include "base/buf.h"
#include "base/error.h"

void yaml_cursor_init(struct yaml_cursor *cursor, struct slice text)
{
	*cursor = (struct yaml_cursor){ .text = text, .line = 1 };
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xC0) == 0x80;
}

/* One byte on, counting lines. */
static void cursor_step(struct yaml_cursor *cursor)
{
	if (cursor->text.ptr[cursor->offset++] == '\n') {
		cursor->line++;
		cursor->line_start = cursor->offset;
	}
}

void yaml_cursor_move(struct yaml_cursor *cursor, size_t index)
{
	if (index < cursor->index)
		yaml_cursor_init(cursor, cursor->text);
	while (cursor->index < index && cursor->offset < cursor->text.len) {
		cursor_step(cursor);
		while (cursor->offset < cursor->text.len &&
		       is_continuation(cursor->text.ptr[cursor->offset]))
			cursor->offset++;
		cursor->index++;
	}
}

uint32_t yaml_cursor_column(const struct yaml_cursor *cursor)
{
	return (uint32_t)(cursor->offset - cursor->line_start + 1);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool at_end(const struct yaml_cursor *at)
{
	return at->offset >= at->text.len;
}

/* The byte n after the cursor, NUL beyond the end. */
static char peek(const struct yaml_cursor *at, size_t n)
{
	return n < at->text.len - at->offset ? at->text.ptr[at->offset + n] : '\0';
}

static void skip_line(struct yaml_cursor *at)
{
	uint32_t line = at->line;
	while (!at_end(at) && at->line == line)
		cursor_step(at);
}

/* Skips blanks; how many lines were left behind. */
static uint32_t skip_blanks(struct yaml_cursor *at)
{
	uint32_t line = at->line;
	while (!at_end(at) && is_blank(peek(at, 0)))
		cursor_step(at);
	return at->line - line;
}

/* Anchor, tag, and comments between them and the scalar. */
static void skip_properties(struct yaml_cursor *at)
{
	while (peek(at, 0) == '&' || peek(at, 0) == '!') {
		while (!at_end(at) && !is_blank(peek(at, 0)))
			cursor_step(at);
		skip_blanks(at);
		while (peek(at, 0) == '#') {
			skip_line(at);
			skip_blanks(at);
		}
	}
}

/* Spaces that the first line with something on it begins with; -1 if all lines are empty. */
static ptrdiff_t first_indent(struct slice text)
{
	ptrdiff_t spaces = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == ' ')
			spaces++;
		else if (c == '\n')
			spaces = 0;
		else if (c != '\r')
			return spaces;
	}
	return -1;
}

/* The same line in the file and in the text: what is missing in the text is the indentation. */
static void place_literal(struct source *source, struct yaml_cursor *at)
{
	skip_line(at);
	struct slice rest = { at->text.ptr + at->offset, at->text.len - at->offset };
	ptrdiff_t in_text = first_indent(source->text);
	ptrdiff_t in_file = first_indent(rest);
	source->line0 = at->line;
	source->indent = in_text >= 0 && in_file > in_text ? (uint32_t)(in_file - in_text) : 0;
	source->column0 = source->indent + 1;
}

/* Text and file side by side, with the pieces found so far (a vector of struct source_piece). */
struct walk {
	struct slice text;
	size_t t;
	struct yaml_cursor at;
	struct buf pieces;
};

static void add_piece(struct walk *walk)
{
	struct source_piece piece = { (uint32_t)walk->t, walk->at.line,
				      yaml_cursor_column(&walk->at) };
	if (walk->pieces.len) {
		struct source_piece last;
		memcpy(&last, walk->pieces.ptr + walk->pieces.len - sizeof(last), sizeof(last));
		if (last.line == piece.line &&
		    piece.column - last.column == piece.offset - last.offset)
			return;
	} else {
		piece.offset = 0; /* so that blanks at the beginning have a place too */
	}
	buf_add(&walk->pieces, &piece, sizeof(piece));
}

/* Plain, single-quoted and folded text: the same but for blanks, and for '' that stands for '. */
static void walk_folded(struct walk *walk, bool quoted)
{
	while (walk->t < walk->text.len) {
		char c = walk->text.ptr[walk->t];
		if (is_blank(c)) {
			walk->t++;
			continue;
		}
		skip_blanks(&walk->at);
		if (peek(&walk->at, 0) != c)
			return;
		add_piece(walk);
		walk->t++;
		walk->at.offset += quoted && c == '\'' ? 2 : 1;
	}
}

static size_t utf8_length(uint32_t code)
{
	return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

static uint32_t hex_value(const struct yaml_cursor *at, size_t digits)
{
	uint32_t value = 0;
	for (size_t i = 0; i < digits; i++) {
		char c = peek(at, 2 + i);
		value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

/* An escape sequence (not of a line end): its bytes in the file and in the text. */
static void walk_escape(struct walk *walk)
{
	size_t in_file = 2, in_text = 1;
	switch (peek(&walk->at, 1)) {
	case 'N': /* next line, U+0085 */
	case '_': /* no-break space, U+00A0 */
		in_text = 2;
		break;
	case 'L': /* line separator, U+2028 */
	case 'P': /* paragraph separator, U+2029 */
		in_text = 3;
		break;
	case 'x':
		in_file = 4;
		break;
	case 'u':
		in_file = 6;
		break;
	case 'U':
		in_file = 10;
		break;
	}
	if (in_file > 2)
		in_text = utf8_length(hex_value(&walk->at, in_file - 2));
	add_piece(walk);
	walk->t += in_text;
	walk->at.offset += in_file;
}

static void walk_double_quoted(struct walk *walk)
{
	while (walk->t < walk->text.len && !at_end(&walk->at)) {
		char c = peek(&walk->at, 0);
		if (c == '\\' && is_blank(peek(&walk->at, 1)) && peek(&walk->at, 1) != ' ' &&
		    peek(&walk->at, 1) != '\t') {
			/* An escaped line end is nothing; further empty lines are line ends. */
			cursor_step(&walk->at);
			uint32_t lines = skip_blanks(&walk->at);
			walk->t += lines ? lines - 1 : 0;
		} else if (c == '\\') {
			walk_escape(walk);
		} else if (is_blank(c)) {
			/* One line end folds to a space, n to n-1 line ends. */
			size_t from = walk->at.offset;
			uint32_t lines = skip_blanks(&walk->at);
			size_t blanks = walk->at.offset - from;
			walk->t += lines == 0 ? blanks : lines == 1 ? 1 : lines - 1;
		} else {
			if (walk->text.ptr[walk->t] != c)
				return;
			add_piece(walk);
			walk->t++;
			walk->at.offset++;
		}
	}
}

static int place_pieces(struct source *source, const struct yaml_cursor *at, enum yaml_style style,
			struct arena *arena)
{
	struct walk walk = { .text = source->text, .at = *at };
	buf_init(&walk.pieces);
	if (style == YAML_FOLDED)
		skip_line(&walk.at);
	if (style == YAML_DOUBLE_QUOTED)
		walk_double_quoted(&walk);
	else
		walk_folded(&walk, style == YAML_SINGLE_QUOTED);
	void *pieces = NULL;
	int rc = buf_ok(&walk.pieces) ? 0 : ERR_NOMEM;
	if (!rc && walk.pieces.len) {
		pieces = arena_alloc(arena, walk.pieces.len);
		if (pieces)
			memcpy(pieces, walk.pieces.ptr, walk.pieces.len);
		else
			rc = ERR_NOMEM;
	}
	if (!rc) {
		source->pieces = pieces;
		source->npieces = walk.pieces.len / sizeof(struct source_piece);
	}
	buf_fini(&walk.pieces);
	return rc;
}

int yaml_place_scalar(struct source *source, const struct yaml_cursor *from, enum yaml_style style,
		      struct arena *arena)
{
	struct yaml_cursor at = *from;
	struct slice text = source->text;
	if (text.len)
		skip_properties(&at);
	if (style == YAML_LITERAL) {
		place_literal(source, &at);
		return 0;
	}
	source->line0 = at.line;
	source->column0 = yaml_cursor_column(&at);
	if (style == YAML_SINGLE_QUOTED || style == YAML_DOUBLE_QUOTED) {
		at.offset++;
		source->column0++;
	}
	bool verbatim =
		style != YAML_FOLDED && text.len <= at.text.len - at.offset &&
		(text.len == 0 || memcmp(at.text.ptr + at.offset, text.ptr, text.len) == 0) &&
		slice_find(text, '\n') < 0;
	return verbatim ? 0 : place_pieces(source, &at, style, arena);
}
