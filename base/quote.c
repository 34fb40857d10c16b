#include "base/quote.h"

#include <pthread.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

/* Unicode's categories are taken from PCRE2 rather than kept in tables of our own. */
static pcre2_code *print_class, *alnum_class;
static pthread_once_t classes_once = PTHREAD_ONCE_INIT;

static pcre2_code *class_new(const char *pattern)
{
	int error;
	PCRE2_SIZE offset;

	return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_ANCHORED,
			     &error, &offset, NULL);
}

static void classes_init(void)
{
	print_class = class_new("[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}]");
	alnum_class = class_new("[\\p{L}\\p{Nd}]");
}

/* False as well when there is no memory: the character is then escaped, which is always right. */
static bool class_has(const pcre2_code *class, uint32_t rune)
{
	char bytes[4];
	size_t n = rune_encode(rune, bytes);
	pcre2_match_data *data = class ? pcre2_match_data_create(1, NULL) : NULL;

	if (!data)
		return false;
	int found = pcre2_match(class, (PCRE2_SPTR)bytes, n, 0, 0, data, NULL);

	pcre2_match_data_free(data);
	return found >= 0;
}

bool rune_is_print(uint32_t rune)
{
	if (rune < 0x80)
		return rune >= ' ' && rune < 0x7F;
	pthread_once(&classes_once, classes_init);
	return class_has(print_class, rune);
}

bool rune_is_alnum(uint32_t rune)
{
	if (rune < 0x80)
		return (rune >= '0' && rune <= '9') || (rune >= 'a' && rune <= 'z') ||
		       (rune >= 'A' && rune <= 'Z');
	pthread_once(&classes_once, classes_init);
	return class_has(alnum_class, rune);
}

static const char escape_letters[] = "abfnrtv";
static const char escape_bytes[] = "\a\b\f\n\r\t\v";

static void quote_rune(struct slice bytes, uint32_t rune, struct buf *out)
{
	const char *short_form = rune && rune < 0x80 ? strchr(escape_bytes, (int)rune) : NULL;

	if (rune == RUNE_ERROR && bytes.len == 1)
		buf_printf(out, "\\x%02x", (unsigned char)bytes.ptr[0]);
	else if (rune == '"' || rune == '\\')
		buf_printf(out, "\\%c", (char)rune);
	else if (short_form)
		buf_printf(out, "\\%c", escape_letters[short_form - escape_bytes]);
	else if (rune_is_print(rune))
		buf_add_slice(out, bytes);
	else if (rune < 0x80)
		buf_printf(out, "\\x%02x", rune);
	else if (rune < 0x10000)
		buf_printf(out, "\\u%04x", rune);
	else
		buf_printf(out, "\\U%08x", rune);
}

static bool is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7F && c != '"' && c != '\\';
}

void text_quote_by(struct slice text,
		   void (*escape)(struct slice bytes, uint32_t rune, struct buf *out),
		   struct buf *out)
{
	size_t i = 0;

	buf_add_char(out, '"');
	while (i < text.len) {
		size_t start = i;

		while (i < text.len && is_plain((unsigned char)text.ptr[i]))
			i++;
		buf_add(out, text.ptr + start, i - start);
		if (i == text.len)
			break;
		uint32_t rune;
		size_t n = slice_rune((struct slice){ text.ptr + i, text.len - i }, &rune);

		escape((struct slice){ text.ptr + i, n }, rune, out);
		i += n;
	}
	buf_add_char(out, '"');
}

void text_quote(struct slice text, struct buf *out)
{
	text_quote_by(text, quote_rune, out);
}

/* Exactly `digits` digits of the base at *i; false when there are others or too few. */
static bool read_digits(struct slice in, size_t *i, int digits, int base, uint32_t *v)
{
	*v = 0;
	for (int k = 0; k < digits; k++) {
		int digit = *i < in.len ? hex_digit(in.ptr[*i]) : -1;

		if (digit < 0 || digit >= base)
			return false;
		*v = *v * (uint32_t)base + (uint32_t)digit;
		(*i)++;
	}
	return true;
}

/* \xHH and \ooo give a byte, \u and \U a character. */
static bool unquote_number(struct slice in, size_t *i, char letter, struct buf *out)
{
	uint32_t v;
	char bytes[4];

	if (letter == 'x' || (letter >= '0' && letter <= '7')) {
		bool octal = letter != 'x';

		*i -= octal; /* the letter is the first digit */
		if (!read_digits(in, i, octal ? 3 : 2, octal ? 8 : 16, &v) || v > 0xFF)
			return false;
		buf_add_char(out, (char)v);
		return true;
	}
	if (!read_digits(in, i, letter == 'u' ? 4 : 8, 16, &v))
		return false;
	if (v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
		return false;
	buf_add(out, bytes, rune_encode(v, bytes));
	return true;
}

/* *i stands behind the backslash. */
static bool unquote_escape(struct slice in, size_t *i, char quote, struct buf *out)
{
	if (*i == in.len)
		return false;
	char letter = in.ptr[(*i)++];
	const char *short_form = letter ? strchr(escape_letters, letter) : NULL;

	if (short_form)
		buf_add_char(out, escape_bytes[short_form - escape_letters]);
	else if (letter == '\\' || letter == quote)
		buf_add_char(out, letter);
	else if (letter == 'x' || letter == 'u' || letter == 'U' ||
		 (letter >= '0' && letter <= '7'))
		return unquote_number(in, i, letter, out);
	else
		return false;
	return true;
}

int text_unquote(struct slice inside, char quote, struct buf *out, size_t *at)
{
	size_t len = out->len;
	size_t i = 0;

	while (i < inside.len) {
		size_t start = i;
		char c = inside.ptr[i++];
		bool good = c != quote && c != '\n';

		if (c == '\\')
			good = unquote_escape(inside, &i, quote, out);
		else if (good)
			buf_add_char(out, c);
		if (!good) {
			if (out->ptr)
				out->ptr[len] = '\0';
			out->len = len;
			*at = start;
			return ERR_INVALID;
		}
	}
	return out->failed ? ERR_NOMEM : 0;
}
