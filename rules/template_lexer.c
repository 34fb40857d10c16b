/* Templates: text → tokens, with trim markers and comments taken out. */
#include "rules/template_tree.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/quote.h"

/* Longest number literal: what does not fit is no number. */
#define NUMBER_BYTES_MAX 200

void template_lexer_init(struct template_lexer *lexer, const struct source *source,
			 struct diag_list *diags)
{
	*lexer = (struct template_lexer){ .source = source, .diags = diags };
}

void template_error(struct template_lexer *lexer, size_t offset, size_t span, const char *hint,
		    const char *format, ...)
{
	char message[512];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	lexer->errors++;
	diag_add_at(lexer->diags, DIAG_ERROR, lexer->source, offset, span ? span : 1, hint, "%s",
		    message);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Go takes Unicode letters too: whatever is not ASCII counts as one. */
static bool is_word(char c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c & 0x80);
}

static char peek_at(const struct template_lexer *lexer, size_t ahead)
{
	size_t at = lexer->at + ahead;
	return at < lexer->source->text.len ? lexer->source->text.ptr[at] : '\0';
}

static bool starts_with(const struct template_lexer *lexer, size_t at, const char *text)
{
	size_t n = strlen(text);
	struct slice whole = lexer->source->text;
	return at <= whole.len && n <= whole.len - at && memcmp(whole.ptr + at, text, n) == 0;
}

static struct template_token token(struct template_lexer *lexer, enum template_token_type type,
				   size_t start)
{
	struct slice whole = lexer->source->text;
	return (struct template_token){ type, { whole.ptr + start, lexer->at - start }, start };
}

/* Is this the end of an action? *len covers the trim marker, which needs a blank before it. */
static bool is_close(const struct template_lexer *lexer, size_t *len, bool *trim)
{
	size_t at = lexer->at;
	if (is_space(peek_at(lexer, 0)) && starts_with(lexer, at + 1, "-}}")) {
		*len = 4;
		*trim = true;
		return true;
	}
	*len = 2;
	*trim = false;
	return starts_with(lexer, at, "}}");
}

void template_lexer_skip_action(struct template_lexer *lexer)
{
	size_t len;
	bool trim;
	while (lexer->in_action && lexer->at < lexer->source->text.len) {
		if (is_close(lexer, &len, &trim)) {
			lexer->at += len;
			lexer->in_action = false;
			lexer->trim_next = trim;
		} else {
			lexer->at++;
		}
	}
	lexer->in_action = false;
}

/* After {{ and an optional marker: a comment must be alone in its action. True when there was one.
 */
static bool skip_comment(struct template_lexer *lexer, size_t open)
{
	if (!starts_with(lexer, lexer->at, "/*"))
		return false;
	struct slice whole = lexer->source->text;
	const char *end = memmem(whole.ptr + lexer->at + 2, whole.len - lexer->at - 2, "*/", 2);
	if (!end) {
		template_error(lexer, open, 2, NULL, "unclosed comment");
		lexer->at = whole.len;
		return true;
	}
	lexer->at = (size_t)(end - whole.ptr) + 2;
	size_t len;
	if (!is_close(lexer, &len, &lexer->trim_next)) {
		template_error(lexer, open, 2, NULL,
			       "a comment ends before \"}}\": nothing may follow it");
		lexer->in_action = true;
		template_lexer_skip_action(lexer);
		return true;
	}
	lexer->at += len;
	return true;
}

/* The text up to the next action, trimmed as the markers at both ends ask. */
static struct template_token next_text(struct template_lexer *lexer)
{
	struct slice whole = lexer->source->text;
	size_t start = lexer->at;
	const char *open = memmem(whole.ptr + start, whole.len - start, "{{", 2);
	size_t end = open ? (size_t)(open - whole.ptr) : whole.len;
	bool trim_right = open && starts_with(lexer, end, "{{-") && end + 3 < whole.len &&
			  is_space(whole.ptr[end + 3]);
	lexer->at = end;
	size_t from = start, to = end;
	while (lexer->trim_next && from < to && is_space(whole.ptr[from]))
		from++;
	while (trim_right && to > from && is_space(whole.ptr[to - 1]))
		to--;
	lexer->trim_next = false;
	return (struct template_token){ TOKEN_TEXT, { whole.ptr + from, to - from }, from };
}

static struct template_token next_outside(struct template_lexer *lexer)
{
	struct slice whole = lexer->source->text;
	while (lexer->at < whole.len) {
		if (!starts_with(lexer, lexer->at, "{{")) {
			struct template_token text = next_text(lexer);
			if (text.text.len)
				return text;
			continue;
		}
		size_t open = lexer->at;
		lexer->trim_next = false;
		lexer->at += 2;
		if (peek_at(lexer, 0) == '-' && is_space(peek_at(lexer, 1)))
			lexer->at += 2;
		if (skip_comment(lexer, open))
			continue;
		lexer->in_action = true;
		return token(lexer, TOKEN_OPEN, open);
	}
	return token(lexer, TOKEN_EOF, lexer->at);
}

static struct template_token bad_token(struct template_lexer *lexer, size_t start, const char *what)
{
	template_error(lexer, start, lexer->at - start, NULL, "%s", what);
	return token(lexer, TOKEN_ERROR, start);
}

/* "…" and '…': on one line, with escapes; `…`: raw, over lines. */
static struct template_token next_quoted(struct template_lexer *lexer,
					 enum template_token_type type)
{
	size_t start = lexer->at++;
	char quote = lexer->source->text.ptr[start];
	while (lexer->at < lexer->source->text.len) {
		char c = peek_at(lexer, 0);
		if (c == '\n' && quote != '`')
			break;
		lexer->at++;
		if (c == quote)
			return token(lexer, type, start);
		if (c == '\\' && quote != '`' && peek_at(lexer, 0) != '\n' &&
		    lexer->at < lexer->source->text.len)
			lexer->at++;
	}
	lexer->at = start + 1;
	bad_token(lexer, start, "unclosed string");
	lexer->at = lexer->source->text.len;
	return token(lexer, TOKEN_ERROR, start);
}

static struct template_token next_number(struct template_lexer *lexer)
{
	size_t start = lexer->at++;
	for (;;) {
		char c = peek_at(lexer, 0), before = lexer->source->text.ptr[lexer->at - 1];
		bool exponent = strchr("eEpP", before) && (c == '+' || c == '-');
		if (!is_word(c) && c != '.' && !exponent)
			break;
		lexer->at++;
	}
	struct template_token number = token(lexer, TOKEN_NUMBER, start);
	struct template_value value;
	if (!template_number(number.text, &value)) {
		char what[NUMBER_BYTES_MAX + 40];
		if (number.text.len >= NUMBER_BYTES_MAX)
			snprintf(what, sizeof(what), "a number of more than %d bytes",
				 NUMBER_BYTES_MAX - 1);
		else
			snprintf(what, sizeof(what), "bad number \"%.*s\"",
				 (int)(number.text.len < 60 ? number.text.len : 60),
				 number.text.ptr);
		return bad_token(lexer, start, what);
	}
	return number;
}

static struct template_token next_word(struct template_lexer *lexer, enum template_token_type type)
{
	size_t start = lexer->at++;
	while (lexer->at < lexer->source->text.len && is_word(peek_at(lexer, 0)))
		lexer->at++;
	return token(lexer, type, start);
}

static struct template_token next_single(struct template_lexer *lexer,
					 enum template_token_type type, size_t len)
{
	size_t start = lexer->at;
	lexer->at += len;
	return token(lexer, type, start);
}

static struct template_token next_inside(struct template_lexer *lexer)
{
	size_t start = lexer->at, len;
	bool trim;
	if (start >= lexer->source->text.len) {
		lexer->in_action = false;
		return token(lexer, TOKEN_EOF, start);
	}
	if (is_close(lexer, &len, &trim)) {
		lexer->at += len;
		lexer->in_action = false;
		lexer->trim_next = trim;
		return token(lexer, TOKEN_CLOSE, start);
	}
	char c = peek_at(lexer, 0), second = peek_at(lexer, 1);
	if (is_space(c)) {
		do
			lexer->at++;
		while (is_space(peek_at(lexer, 0)) && !is_close(lexer, &len, &trim));
		return token(lexer, TOKEN_SPACE, start);
	}
	if (c == ':' && second == '=')
		return next_single(lexer, TOKEN_DECLARE, 2);
	if (c == '"')
		return next_quoted(lexer, TOKEN_STRING);
	if (c == '\'')
		return next_quoted(lexer, TOKEN_CHAR);
	if (c == '`')
		return next_quoted(lexer, TOKEN_RAW_STRING);
	if (c == '$')
		return next_word(lexer, TOKEN_VARIABLE);
	bool digit = c >= '0' && c <= '9', second_digit = second >= '0' && second <= '9';
	if (digit || ((c == '+' || c == '-') && (second_digit || second == '.')) ||
	    (c == '.' && second_digit))
		return next_number(lexer);
	if (c == '.')
		return is_word(second) ? next_word(lexer, TOKEN_FIELD)
				       : next_single(lexer, TOKEN_DOT, 1);
	if (is_word(c))
		return next_word(lexer, TOKEN_WORD);
	static const char marks[] = "|,()=";
	static const enum template_token_type types[] = { TOKEN_PIPE, TOKEN_COMMA, TOKEN_LPAREN,
							  TOKEN_RPAREN, TOKEN_ASSIGN };
	const char *mark = c ? strchr(marks, c) : NULL;
	if (mark)
		return next_single(lexer, types[mark - marks], 1);
	lexer->at++;
	char what[40];
	snprintf(what, sizeof(what),
		 c > ' ' && c < 0x7f ? "unexpected \"%c\" in an action"
				     : "unexpected character in an action",
		 c);
	return bad_token(lexer, start, what);
}

struct template_token template_lexer_next(struct template_lexer *lexer)
{
	return lexer->in_action ? next_inside(lexer) : next_outside(lexer);
}

int template_unquote(struct slice text, struct arena *arena, struct slice *out)
{
	struct slice inside = { text.ptr + 1, text.len - 2 };
	char quote = text.ptr[0];
	size_t at;
	struct buf buf;
	buf_init(&buf);
	int error = quote == '`' ? 0 : text_unquote(inside, quote, &buf, &at);
	for (size_t i = 0; quote == '`' && i < inside.len; i++)
		if (inside.ptr[i] != '\r') /* Go leaves carriage returns out of raw strings */
			buf_add_char(&buf, inside.ptr[i]);
	struct slice copy = { "", 0 };
	if (!error && buf.len > 0)
		copy = arena_slice(arena, buf_slice(&buf));
	if (!buf_ok(&buf) || !copy.ptr)
		error = ERR_NOMEM;
	buf_fini(&buf);
	if (!error)
		*out = copy;
	return error;
}

int template_char(struct slice text, struct arena *arena, struct template_value *out)
{
	struct slice value;
	size_t len;
	int error = template_unquote(text, arena, &value);
	if (error)
		return error;
	if (value.len == 0)
		return ERR_INVALID;
	uint32_t rune = template_rune_at(value, &len);
	if (len != value.len)
		return ERR_INVALID;
	*out = (struct template_value){ .type = TEMPLATE_INT, .integer = rune };
	return 0;
}

/* Go's integer literals: 12, 0x1F, 0b1, 0o17, 017, with underscores (taken out already) and a sign.
 */
static bool parse_integer(const char *text, int64_t *out)
{
	bool negative = *text == '-';
	if (*text == '-' || *text == '+')
		text++;
	int base = 10;
	if (text[0] == '0' && text[1]) {
		static const char letters[] = "xXbBoO";
		static const int bases[] = { 16, 16, 2, 2, 8, 8 };
		const char *letter = strchr(letters, text[1]);
		base = letter ? bases[letter - letters] : 8;
		text += letter ? 2 : 1;
	}
	if (hex_digit(*text) < 0)
		return false;
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, base);
	if (errno || *end || value > (unsigned long long)INT64_MAX + negative)
		return false;
	*out = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

bool template_number(struct slice text, struct template_value *out)
{
	char plain[NUMBER_BYTES_MAX];
	size_t n = 0;
	if (text.len >= sizeof(plain) || text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] != '_')
			plain[n++] = text.ptr[i];
		else if (i + 1 == text.len || text.ptr[i + 1] == '_' ||
			 hex_digit(text.ptr[i + 1]) < 0)
			return false;
	}
	plain[n] = '\0';
	int64_t integer;
	if (parse_integer(plain, &integer)) {
		*out = (struct template_value){ .type = TEMPLATE_INT, .integer = integer };
		return true;
	}
	bool hex = strpbrk(plain, "xX") != NULL;
	if (!strpbrk(plain, hex ? "pP" : ".eE") ||
	    strspn(plain, "0123456789abcdefABCDEFxXpP.+-") != n)
		return false;
	char *end;
	double number = strtod(plain, &end);
	if (*end || isinf(number))
		return false;
	*out = (struct template_value){ .type = TEMPLATE_FLOAT, .number = number };
	return true;
}
