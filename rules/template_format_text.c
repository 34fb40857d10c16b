/* Templates: texts by the verbs and flags of printf, and filling up to a width. */
#include "rules/template_format.h"

#include <string.h>

#include "base/quote.h"

static size_t count_runes(struct slice text)
{
	size_t n = 0, len;
	for (size_t i = 0; i < text.len; i += len, n++)
		template_rune_at((struct slice){ text.ptr + i, text.len - i }, &len);
	return n;
}

void template_fill(struct buf *out, char c, size_t n)
{
	for (; n > 0; n--)
		buf_add_char(out, c);
}

void template_pad(struct buf *out, const struct template_spec *spec, struct slice text,
		  enum template_padding zeros)
{
	size_t width = spec->width > 0 ? (size_t)spec->width : 0, runes = count_runes(text);
	size_t missing = runes < width ? width - runes : 0;
	if (spec->minus) {
		buf_add_slice(out, text);
		template_fill(out, ' ', missing);
		return;
	}
	if (zeros == PAD_BEHIND_SIGN && spec->zero && text.len && strchr("+- ", text.ptr[0])) {
		buf_add_char(out, text.ptr[0]);
		text = (struct slice){ text.ptr + 1, text.len - 1 };
	}
	template_fill(out, zeros && spec->zero ? '0' : ' ', missing);
	buf_add_slice(out, text);
}

static struct slice first_runes(struct slice text, size_t n)
{
	size_t at = 0, len;
	for (; n > 0 && at < text.len; n--, at += len)
		template_rune_at((struct slice){ text.ptr + at, text.len - at }, &len);
	return (struct slice){ text.ptr, at };
}

static void format_hex_bytes(struct buf *out, const struct template_spec *spec, struct slice bytes,
			     char verb)
{
	struct buf text;
	buf_init(&text);
	if (spec->precision >= 0 && (size_t)spec->precision < bytes.len)
		bytes.len = (size_t)spec->precision;
	for (size_t i = 0; i < bytes.len; i++) {
		if (spec->space && i > 0)
			buf_add_char(&text, ' ');
		if (spec->sharp && (i == 0 || spec->space))
			buf_add_str(&text, verb == 'x' ? "0x" : "0X");
		buf_printf(&text, verb == 'x' ? "%02x" : "%02X", (unsigned char)bytes.ptr[i]);
	}
	template_pad(out, spec, buf_slice(&text), PAD_BLANKS);
	buf_fini(&text);
}

static bool can_backquote(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '`' || text.ptr[i] == 0x7f ||
		    ((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\t'))
			return false;
	return slice_is_utf8(text);
}

void template_format_text(struct buf *out, const struct template_spec *spec,
			  const struct template_value *value, struct slice text, char verb)
{
	if (verb == 'x' || verb == 'X') {
		format_hex_bytes(out, spec, text, verb);
		return;
	}
	if (verb != 'v' && verb != 's' && verb != 'q') {
		template_bad_verb(out, spec, value, verb);
		return;
	}
	if (spec->precision >= 0)
		text = first_runes(text, (size_t)spec->precision);
	if (verb != 'q' && !spec->syntax) {
		template_pad(out, spec, text, PAD_ZEROS);
		return;
	}
	struct buf quoted;
	buf_init(&quoted);
	if (spec->sharp && can_backquote(text))
		buf_printf(&quoted, "`" SLICE_FMT "`", SLICE_ARG(text));
	else
		text_quote(text, &quoted);
	template_pad(out, spec, buf_slice(&quoted), PAD_ZEROS);
	buf_fini(&quoted);
}
