/* Conditions of the short form: text → tree. */
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/error.h"
#include "rules/short_form_reader.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct short_node *parse_condition(struct short_reader *reader);

/* Messages */

void short_complain_at(struct short_reader *reader, uint32_t offset, uint32_t span,
		       const char *hint, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

void short_complain_at(struct short_reader *reader, uint32_t offset, uint32_t span,
		       const char *hint, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	diag_add_at(reader->diags, DIAG_ERROR, reader->source, offset, span ? span : 1, hint, "%s",
		    message);
	reader->error = ERR_INVALID;
}

struct slice short_token_text(const struct short_reader *reader)
{
	return (struct slice){ reader->source->text.ptr + reader->offset, reader->span };
}

void short_complain(struct short_reader *reader, const char *hint, const char *expected)
{
	struct slice text = short_token_text(reader);

	if (reader->token == SHORT_END)
		short_complain_at(reader, reader->offset, 1, hint,
				  "the condition ends where %s is due", expected);
	else
		short_complain_at(reader, reader->offset, reader->span, hint,
				  "unexpected \"" SLICE_FMT "\", expected %s",
				  text.len < 100 ? (int)text.len : 100, text.ptr, expected);
}

/* Tokens */

int short_byte(const struct short_reader *reader, uint32_t at)
{
	return at < reader->source->text.len ? (unsigned char)reader->source->text.ptr[at] : -1;
}

static bool is_name_byte(int c)
{
	return short_is_letter(c) || short_is_digit(c) || c == '.' || c == ':';
}

static uint32_t end_of_literal(const struct short_reader *reader, uint32_t at)
{
	if (short_byte(reader, at) == '-' || short_byte(reader, at) == '+')
		at++;
	for (int c; is_name_byte(c = short_byte(reader, at)) || c == '%'; at++) {
		int next = short_byte(reader, at + 1);

		if ((c | 0x20) == 'e' && (next == '+' || next == '-') &&
		    short_is_digit(short_byte(reader, at - 1)))
			at++;
	}
	return at;
}

static bool is_literal_start(const struct short_reader *reader, uint32_t at)
{
	if (short_byte(reader, at) == '-' || short_byte(reader, at) == '+')
		at++;
	return short_is_digit(short_byte(reader, at)) ||
	       (short_byte(reader, at) == '.' && short_is_digit(short_byte(reader, at + 1)));
}

static enum short_token comparison_at(const struct short_reader *reader, uint32_t *end)
{
	static const char *const texts[] = { "==", "!=", ">=", "<=", ">", "<" };
	struct slice rest = { reader->source->text.ptr + reader->offset,
			      reader->source->text.len - reader->offset };

	for (size_t i = 0; i < LENGTH(texts); i++) {
		if (slice_has_prefix(rest, slice_from(texts[i]))) {
			*end = reader->offset + (uint32_t)strlen(texts[i]);
			return SHORT_COMPARE;
		}
	}
	*end = reader->offset + 1;
	while ((short_byte(reader, *end) & 0xc0) == 0x80 && short_byte(reader, *end) >= 0)
		++*end;
	return SHORT_OTHER;
}

void short_advance(struct short_reader *reader)
{
	uint32_t end = reader->at;
	int c;

	while ((c = short_byte(reader, end)) == ' ' || c == '\t' || c == '\n' || c == '\r')
		end++;
	reader->offset = end;
	if (c < 0) {
		reader->token = SHORT_END;
	} else if (is_literal_start(reader, end)) {
		reader->token = SHORT_LITERAL;
		end = end_of_literal(reader, end);
	} else if (short_is_letter(c) || c == ':') {
		reader->token = SHORT_WORD;
		while (is_name_byte(short_byte(reader, end)))
			end++;
	} else if (c == '(' || c == ')') {
		reader->token = c == '(' ? SHORT_LEFT : SHORT_RIGHT;
		end++;
	} else {
		reader->token = comparison_at(reader, &end);
	}
	reader->span = end - reader->offset;
	reader->at = end;
}

bool short_is_word(const struct short_reader *reader, const char *word)
{
	struct slice text = short_token_text(reader);

	return reader->token == SHORT_WORD && text.len == strlen(word) &&
	       strncasecmp(text.ptr, word, text.len) == 0;
}

static struct short_node *node_new(struct short_reader *reader, enum short_kind kind)
{
	struct short_node *node = ARENA_NEW(reader->arena, struct short_node);

	if (!node) {
		reader->error = ERR_NOMEM;
		return NULL;
	}
	node->kind = kind;
	node->offset = reader->offset;
	return node;
}

/* Comparisons */

static const struct short_node *parse_comparison(struct short_reader *reader)
{
	struct short_node *node = node_new(reader, SHORT_COMPARISON);

	if (!node || !short_operand_parse(reader, node))
		return NULL;
	if (++reader->terms > SHORT_FORM_TERMS_MAX) {
		short_complain_at(reader, node->offset, 1, NULL,
				  "condition has more than %d comparisons", SHORT_FORM_TERMS_MAX);
		return NULL;
	}
	short_advance(reader);
	if (reader->token != SHORT_COMPARE) {
		short_complain(reader,
			       slice_is(short_token_text(reader), "=") ? "equal is ==" : NULL,
			       "one of == != > < >= <=");
		return NULL;
	}
	node->comparison = short_token_text(reader);
	short_advance(reader);
	if (reader->token == SHORT_WORD || reader->token == SHORT_LEFT) {
		short_complain_at(reader, reader->offset, reader->span, "write the rule in full",
				  "two operands against each other: use expr:");
		return NULL;
	}
	if (reader->token != SHORT_LITERAL) {
		short_complain(reader, NULL, "a number, duration, size or percentage");
		return NULL;
	}
	if (!short_literal_parse(reader, node))
		return NULL;
	short_advance(reader);
	return node;
}

/* Conditions */

static const struct short_node *parse_paren(struct short_reader *reader)
{
	struct short_node *node = node_new(reader, SHORT_PAREN);

	if (!node)
		return NULL;
	if (++reader->depth > SHORT_FORM_DEPTH_MAX) {
		short_complain_at(reader, reader->offset, 1, NULL,
				  "condition is nested deeper than %d levels",
				  SHORT_FORM_DEPTH_MAX);
		return NULL;
	}
	short_advance(reader);
	node->left = parse_condition(reader);
	if (!node->left)
		return NULL;
	if (reader->token != SHORT_RIGHT) {
		short_complain(reader, NULL, "AND, OR, UNLESS or \")\"");
		return NULL;
	}
	reader->depth--;
	short_advance(reader);
	return node;
}

static const struct short_node *parse_term(struct short_reader *reader)
{
	return reader->token == SHORT_LEFT ? parse_paren(reader) : parse_comparison(reader);
}

static const struct short_node *join(struct short_reader *reader, enum short_kind kind,
				     const struct short_node *left,
				     const struct short_node *(*parse)(struct short_reader *reader))
{
	struct short_node *node = node_new(reader, kind);

	if (!node)
		return NULL;
	short_advance(reader);
	node->left = left;
	node->right = parse(reader);
	return node->right ? node : NULL;
}

static const struct short_node *parse_and(struct short_reader *reader)
{
	const struct short_node *left = parse_term(reader);

	while (left && (short_is_word(reader, "and") || short_is_word(reader, "unless")))
		left = join(reader, short_is_word(reader, "and") ? SHORT_AND : SHORT_UNLESS, left,
			    parse_term);
	return left;
}

static const struct short_node *parse_condition(struct short_reader *reader)
{
	const struct short_node *left = parse_and(reader);

	while (left && short_is_word(reader, "or"))
		left = join(reader, SHORT_OR, left, parse_and);
	return left;
}

const struct short_node *short_form_parse(const struct short_form *form, struct arena *arena,
					  struct diag_list *diags, int *error)
{
	struct short_reader reader = {
		.form = form, .source = form->condition, .arena = arena, .diags = diags
	};
	const struct short_node *node;

	*error = ERR_INVALID;
	if (form->condition->text.len > SHORT_FORM_BYTES_MAX) {
		short_complain_at(&reader, SHORT_FORM_BYTES_MAX, 1, NULL,
				  "condition is longer than %d bytes", SHORT_FORM_BYTES_MAX);
		return NULL;
	}
	short_advance(&reader);
	node = parse_condition(&reader);
	if (node && reader.token != SHORT_END) {
		struct slice text = short_token_text(&reader);

		short_complain(&reader,
			       slice_is(text, "&")   ? "write AND"
			       : slice_is(text, "|") ? "write OR"
						     : NULL,
			       "AND, OR, UNLESS or the end");
		node = NULL;
	}
	*error = node ? 0 : reader.error;
	return node;
}
