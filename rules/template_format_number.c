/* Templates: numbers and code points by the verbs and flags of printf. */
#include "rules/template_format.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "base/quote.h"
#include "base/text.h"

/* Go writes at least two digits of a hexadecimal float's exponent, C one. */
static void format_hex_float(struct buf *digits, double magnitude, int precision, char verb)
{
	char text[80];
	if (precision < 0)
		snprintf(text, sizeof(text), verb == 'X' ? "%A" : "%a", magnitude);
	else
		snprintf(text, sizeof(text), verb == 'X' ? "%.*A" : "%.*a",
			 precision > 40 ? 40 : precision, magnitude);
	char *exponent = strpbrk(text, "pP");
	size_t head = exponent ? (size_t)(exponent - text) + 2 : strlen(text);
	buf_add(digits, text, head);
	if (exponent && strlen(text) == head + 1)
		buf_add_char(digits, '0');
	buf_add_str(digits, text + head);
}

/* %#g: the shortest digits that say it, with zeros up to six of them, and a point always. */
static void format_six_digits(struct buf *digits, double magnitude)
{
	struct buf shortest;
	int left = 6;
	bool has_point = false, has_begun = false;
	buf_init(&shortest);
	number_format_g(magnitude, &shortest);
	struct slice text = buf_slice(&shortest);
	size_t mantissa = 0;
	for (; mantissa < text.len && text.ptr[mantissa] != 'e'; mantissa++) {
		has_point |= text.ptr[mantissa] == '.';
		has_begun |= text.ptr[mantissa] >= '1';
		left -= has_begun && text.ptr[mantissa] != '.';
	}
	buf_add(digits, text.ptr, mantissa);
	if (!has_point) {
		left -= mantissa == 1 && text.ptr[0] == '0';
		buf_add_char(digits, '.');
	}
	template_fill(digits, '0', left > 0 ? (size_t)left : 0);
	buf_add_slice(digits, (struct slice){ text.ptr + mantissa, text.len - mantissa });
	buf_fini(&shortest);
}

/* The digits of a number >= 0. */
static void format_magnitude(struct buf *digits, const struct template_spec *spec, double magnitude,
			     char verb)
{
	int precision = spec->precision;
	switch (verb) {
	case 'x':
	case 'X':
		format_hex_float(digits, magnitude, precision, verb);
		return;
	case 'f':
	case 'F':
		buf_printf(digits, spec->sharp ? "%#.*f" : "%.*f", precision < 0 ? 6 : precision,
			   magnitude);
		return;
	case 'e':
		buf_printf(digits, spec->sharp ? "%#.*e" : "%.*e", precision < 0 ? 6 : precision,
			   magnitude);
		return;
	case 'E':
		buf_printf(digits, spec->sharp ? "%#.*E" : "%.*E", precision < 0 ? 6 : precision,
			   magnitude);
		return;
	default:
		break;
	}
	if (precision >= 0)
		buf_printf(digits, spec->sharp ? "%#.*g" : "%.*g", precision, magnitude);
	else if (spec->sharp)
		format_six_digits(digits, magnitude);
	else
		number_format_g(magnitude, digits);
	for (size_t i = 0; verb == 'G' && digits->ptr && i < digits->len; i++)
		digits->ptr[i] = (char)toupper((unsigned char)digits->ptr[i]);
}

/* %b: the mantissa as a whole number, and the power of two. */
static void format_binary_float(struct buf *out, const struct template_spec *spec, double v)
{
	char text[64];
	int exponent = 0;
	if (!isfinite(v)) {
		template_pad(out, spec,
			     slice_from(isnan(v) ? "NaN"
					: v < 0	 ? "-Inf"
						 : "+Inf"),
			     PAD_BLANKS);
		return;
	}
	double mantissa = v;
	if (v != 0)
		mantissa = frexp(v, &exponent);
	/* Of small numbers the mantissa has fewer bits. */
	int least = v == 0 || exponent < -1021 ? -1021 : exponent;
	snprintf(text, sizeof(text), "%s%.0fp%+d", signbit(v) || !spec->plus ? "" : "+",
		 ldexp(mantissa, 53 + exponent - least), least - 53);
	template_pad(out, spec, slice_from(text), PAD_BEHIND_SIGN);
}

void template_format_float(struct buf *out, const struct template_spec *spec,
			   const struct template_value *value, char verb)
{
	double v = value->number;
	if (verb == 'b') {
		format_binary_float(out, spec, v);
		return;
	}
	if (!strchr("vgGfFeExX", verb)) {
		template_bad_verb(out, spec, value, verb);
		return;
	}
	struct buf text;
	buf_init(&text);
	bool finite = isfinite(v);
	if (isnan(v))
		buf_add_str(&text, spec->plus ? "+NaN" : spec->space ? " NaN" : "NaN");
	else if (isinf(v))
		buf_add_str(&text, v < 0 ? "-Inf" : spec->space && !spec->plus ? " Inf" : "+Inf");
	else {
		if (signbit(v) || spec->plus || spec->space)
			buf_add_char(&text, signbit(v) ? '-' : spec->plus ? '+' : ' ');
		format_magnitude(&text, spec, fabs(v), verb == 'v' ? 'g' : verb);
	}
	template_pad(out, spec, buf_slice(&text), finite ? PAD_BEHIND_SIGN : PAD_BLANKS);
	if (!buf_ok(&text))
		out->failed = true;
	buf_fini(&text);
}

static void digits_of(struct buf *digits, uint64_t v, unsigned base, bool upper)
{
	char text[70];
	size_t at = sizeof(text);
	do
		text[--at] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
	while (v /= base);
	buf_add(digits, text + at, sizeof(text) - at);
}

/* %d %b %o %O %x %X: a precision gives the least number of digits, and switches zero padding off.
 */
static void format_integer(struct buf *out, const struct template_spec *spec, int64_t v, char verb)
{
	struct buf digits, text;
	unsigned base = verb == 'b'		     ? 2
			: verb == 'o' || verb == 'O' ? 8
			: verb == 'x' || verb == 'X' ? 16
						     : 10;
	buf_init(&digits);
	buf_init(&text);
	if (v != 0 || spec->precision != 0)
		digits_of(&digits, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, base, verb == 'X');
	if (v < 0 || spec->plus || spec->space)
		buf_add_char(&text, v < 0 ? '-' : spec->plus ? '+' : ' ');
	size_t prefix = text.len;
	if (spec->sharp && (verb == 'x' || verb == 'X'))
		buf_add_str(&text, verb == 'x' ? "0x" : "0X");
	else if (spec->sharp && (verb == 'o' || verb == 'b'))
		buf_add_str(&text, verb == 'o' ? "0" : "0b");
	else if (verb == 'O')
		buf_add_str(&text, "0o");
	size_t wanted = spec->precision > 0 ? (size_t)spec->precision : 0;
	if (spec->precision < 0 && spec->zero && !spec->minus && spec->width > 0 &&
	    (size_t)spec->width > prefix)
		wanted = (size_t)spec->width - prefix;
	template_fill(&text, '0', digits.len < wanted ? wanted - digits.len : 0);
	buf_add_slice(&text, buf_slice(&digits));
	template_pad(out, spec, buf_slice(&text), PAD_BLANKS);
	if (!buf_ok(&digits) || !buf_ok(&text))
		out->failed = true;
	buf_fini(&digits);
	buf_fini(&text);
}

/* %c, %q and %U of a code point. */
static void format_rune(struct buf *out, const struct template_spec *spec, int64_t v, char verb)
{
	struct buf rune, text;
	buf_init(&rune);
	buf_init(&text);
	template_rune_format(v, &rune);
	if (verb == 'U') {
		buf_printf(&text, "U+%04llX", (unsigned long long)v);
	} else if (verb == 'c') {
		buf_add_slice(&text, buf_slice(&rune));
	} else if (v == '\'' || v == '"') {
		buf_add_str(&text, v == '"' ? "'\"'" : "'\\''");
	} else {
		text_quote(buf_slice(&rune), &text);
		if (buf_ok(&text))
			text.ptr[0] = text.ptr[text.len - 1] = '\'';
	}
	template_pad(out, spec, buf_slice(&text), PAD_BLANKS);
	buf_fini(&rune);
	buf_fini(&text);
}

void template_format_int(struct buf *out, const struct template_spec *spec,
			 const struct template_value *value, char verb)
{
	if (strchr("vdboOxX", verb))
		format_integer(out, spec, value->integer, verb);
	else if (strchr("cqU", verb))
		format_rune(out, spec, value->integer, verb);
	else
		template_bad_verb(out, spec, value, verb);
}
