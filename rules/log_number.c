#include "rules/log_internal.h"

#include <math.h>

#include "base/error.h"
#include "base/text.h"

#define DIGITS_EXACT 15 /* decimal digits that a double holds exactly */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Plain decimals, which nearly all are: digits and a power of ten that are both exact. */
static bool plain_parse(struct slice text, double *out)
{
	static const double powers[] = { 1e0, 1e1, 1e2,	 1e3,  1e4,  1e5,  1e6,	 1e7,
					 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
	bool negative = text.len > 0 && text.ptr[0] == '-';
	int64_t digits = 0;
	size_t n = 0, behind = 0, i = negative;
	bool has_point = false;

	for (; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '.' && !has_point) {
			has_point = true;
			continue;
		}
		if (!is_digit(c) || ++n > DIGITS_EXACT)
			return false;
		digits = digits * 10 + (c - '0');
		behind += has_point;
	}
	if (n == 0)
		return false;
	double v = (double)digits / powers[behind];

	*out = negative ? -v : v;
	return true;
}

/* strconv.ParseFloat: no underscores, hexadecimal with an exponent only, no other bases. */
int log_number_parse(struct slice text, double *out)
{
	if (plain_parse(text, out))
		return 0;
	size_t sign = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');

	if (text.len > sign + 1 && text.ptr[sign] == '0') {
		char base = (char)(text.ptr[sign + 1] | 0x20);

		if (base == 'b' || base == 'o' ||
		    (base == 'x' && slice_find(text, 'p') < 0 && slice_find(text, 'P') < 0))
			return ERR_INVALID;
	}
	return slice_find(text, '_') >= 0 ? ERR_INVALID : number_parse(text, out);
}

struct unit {
	const char *name;
	double size;
};

/* As time.ParseDuration: 1h15m30.918273645s, -1.5h, 0; micro is written in three ways. */
static const struct unit duration_units[] = {
	{ "ns", 1 },   { "us", 1e3 }, { "\xc2\xb5s", 1e3 }, { "\xce\xbcs", 1e3 },
	{ "ms", 1e6 }, { "s", 1e9 },  { "m", 60e9 },	    { "h", 3600e9 },
};

/* The digits and the point at the start of a text. */
static struct slice take_decimal(struct slice *in)
{
	struct slice number = { in->ptr, 0 };

	while (number.len < in->len &&
	       (is_digit(in->ptr[number.len]) || in->ptr[number.len] == '.'))
		number.len++;
	in->ptr += number.len;
	in->len -= number.len;
	return number;
}

/* Without a point ParseDuration counts in whole nanoseconds: so do we, up to 2^53 exactly. */
static int term_parse(struct slice *in, double *ns)
{
	struct slice number = take_decimal(in);
	double v;

	if (number.len == 0 || log_number_parse(number, &v))
		return ERR_INVALID;
	struct slice name = { in->ptr, 0 };

	while (name.len < in->len && !is_digit(in->ptr[name.len]) && in->ptr[name.len] != '.')
		name.len++;
	in->ptr += name.len;
	in->len -= name.len;
	for (size_t i = 0; i < sizeof(duration_units) / sizeof(*duration_units); i++) {
		if (slice_is(name, duration_units[i].name)) {
			*ns += v * duration_units[i].size;
			return 0;
		}
	}
	return ERR_INVALID;
}

int log_duration_parse(struct slice text, int64_t *ns)
{
	bool negative = text.len > 0 && text.ptr[0] == '-';
	double sum = 0;

	if (negative || (text.len > 0 && text.ptr[0] == '+')) {
		text.ptr++;
		text.len--;
	}
	if (slice_is(text, "0")) {
		*ns = 0;
		return 0;
	}
	if (text.len == 0)
		return ERR_INVALID;
	while (text.len > 0) {
		if (term_parse(&text, &sum) || sum >= 9223372036854775807.0)
			return ERR_INVALID;
	}
	*ns = negative ? -(int64_t)sum : (int64_t)sum;
	return 0;
}

#define KIB 1024.0
static const struct unit byte_units[] = {
	{ "", 1 },
	{ "b", 1 },
	{ "k", 1e3 },
	{ "kb", 1e3 },
	{ "ki", KIB },
	{ "kib", KIB },
	{ "m", 1e6 },
	{ "mb", 1e6 },
	{ "mi", KIB *KIB },
	{ "mib", KIB *KIB },
	{ "g", 1e9 },
	{ "gb", 1e9 },
	{ "gi", KIB *KIB *KIB },
	{ "gib", KIB *KIB *KIB },
	{ "t", 1e12 },
	{ "tb", 1e12 },
	{ "ti", KIB *KIB *KIB *KIB },
	{ "tib", KIB *KIB *KIB *KIB },
	{ "p", 1e15 },
	{ "pb", 1e15 },
	{ "pi", KIB *KIB *KIB *KIB *KIB },
	{ "pib", KIB *KIB *KIB *KIB *KIB },
	{ "e", 1e18 },
	{ "eb", 1e18 },
	{ "ei", KIB *KIB *KIB *KIB *KIB *KIB },
	{ "eib", KIB *KIB *KIB *KIB *KIB *KIB },
};

/* As humanize.ParseBytes: "5 MiB", "3k", "1,024"; whole bytes, the rest is cut off. */
int log_bytes_parse(struct slice text, double *bytes)
{
	char number[64];
	size_t n = 0, i = 0;
	char name[4];

	for (; i < text.len && (is_digit(text.ptr[i]) || text.ptr[i] == '.' || text.ptr[i] == ',');
	     i++) {
		if (n == sizeof(number))
			return ERR_INVALID;
		if (text.ptr[i] != ',')
			number[n++] = text.ptr[i];
	}
	double v;

	if (n == 0 || log_number_parse((struct slice){ number, n }, &v))
		return ERR_INVALID;
	struct slice rest = slice_trim((struct slice){ text.ptr + i, text.len - i });

	if (rest.len >= sizeof(name))
		return ERR_INVALID;
	for (size_t k = 0; k < rest.len; k++)
		name[k] = (char)(rest.ptr[k] >= 'A' && rest.ptr[k] <= 'Z' ? rest.ptr[k] | 0x20
									  : rest.ptr[k]);
	for (size_t k = 0; k < sizeof(byte_units) / sizeof(*byte_units); k++) {
		if (slice_is((struct slice){ name, rest.len }, byte_units[k].name)) {
			v = trunc(v * byte_units[k].size);
			if (v >= 18446744073709551615.0)
				return ERR_INVALID;
			*bytes = v;
			return 0;
		}
	}
	return ERR_INVALID;
}
