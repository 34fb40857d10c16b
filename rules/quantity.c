#include "rules/quantity.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct unit {
	const char *text;
	enum quantity_kind kind;
	double factor;
} units[] = {
	{ "ns", QUANTITY_DURATION, 1 },
	{ "us", QUANTITY_DURATION, 1e3 },
	{ "\xc2\xb5s", QUANTITY_DURATION, 1e3 }, /* µ, and the Greek letter */
	{ "\xce\xbcs", QUANTITY_DURATION, 1e3 },
	{ "ms", QUANTITY_DURATION, 1e6 },
	{ "s", QUANTITY_DURATION, 1e9 },
	{ "m", QUANTITY_DURATION, 60e9 },
	{ "h", QUANTITY_DURATION, 3600e9 },
	{ "d", QUANTITY_DURATION, 86400e9 },
	{ "w", QUANTITY_DURATION, 7 * 86400e9 },
	{ "y", QUANTITY_DURATION, 365 * 86400e9 },
	{ "%", QUANTITY_PERCENT, 1 },
	{ "B", QUANTITY_BYTES, 1 },
	{ "kB", QUANTITY_BYTES, 1e3 },
	{ "KB", QUANTITY_BYTES, 1e3 },
	{ "MB", QUANTITY_BYTES, 1e6 },
	{ "GB", QUANTITY_BYTES, 1e9 },
	{ "TB", QUANTITY_BYTES, 1e12 },
	{ "PB", QUANTITY_BYTES, 1e15 },
	{ "KiB", QUANTITY_BYTES, 0x1p10 },
	{ "MiB", QUANTITY_BYTES, 0x1p20 },
	{ "GiB", QUANTITY_BYTES, 0x1p30 },
	{ "TiB", QUANTITY_BYTES, 0x1p40 },
	{ "PiB", QUANTITY_BYTES, 0x1p50 },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The length of 12, 1.5, .5, 1e3, 1e-3 at the start of the text; 0: none. */
static size_t decimal_length(struct slice text)
{
	size_t at = 0, digits = 0, exponent;

	for (; at < text.len && is_digit(text.ptr[at]); at++)
		digits++;
	if (at < text.len && text.ptr[at] == '.')
		for (at++; at < text.len && is_digit(text.ptr[at]); at++)
			digits++;
	if (digits == 0)
		return 0;
	exponent = at;
	if (exponent < text.len && (text.ptr[exponent] | 0x20) == 'e') {
		exponent++;
		if (exponent < text.len && (text.ptr[exponent] == '+' || text.ptr[exponent] == '-'))
			exponent++;
		while (exponent < text.len && is_digit(text.ptr[exponent]))
			at = ++exponent;
	}
	return at;
}

/* The text is all digits: 010 is ten here, where PromQL reads eight. */
static int decimal_parse(struct slice text, double *value)
{
	char copy[64];

	if (text.len >= sizeof(copy))
		return ERR_INVALID;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	*value = strtod(copy, NULL);
	return isfinite(*value) ? 0 : ERR_INVALID;
}

static const struct unit *unit_find(struct slice text)
{
	for (size_t i = 0; i < LENGTH(units); i++)
		if (slice_is(text, units[i].text))
			return &units[i];
	return NULL;
}

static bool is_letter(unsigned char c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c >= 0x80;
}

static size_t letters_length(struct slice text)
{
	size_t n = text.len > 0 && text.ptr[0] == '%';

	while (n < text.len && is_letter((unsigned char)text.ptr[n]))
		n++;
	return n;
}

/* 1h30m, 1.5s, 10MB, 80%: of time any number of units, of all else one. */
static int units_parse(struct slice text, enum quantity_kind *kind, double *value)
{
	double sum = 0;

	for (unsigned parts = 0; text.len > 0; parts++) {
		size_t digits = decimal_length(text), letters;
		double number;
		const struct unit *unit;

		text.ptr += digits;
		text.len -= digits;
		letters = letters_length(text);
		unit = unit_find((struct slice){ text.ptr, letters });
		if (digits == 0 || !unit ||
		    decimal_parse((struct slice){ text.ptr - digits, digits }, &number) < 0 ||
		    (parts > 0 && (unit->kind != QUANTITY_DURATION || *kind != QUANTITY_DURATION)))
			return ERR_INVALID;
		*kind = unit->kind;
		sum += number * unit->factor;
		text.ptr += letters;
		text.len -= letters;
	}
	*value = sum;
	return 0;
}

int quantity_parse(struct slice text, enum quantity_kind *kind, double *value)
{
	enum quantity_kind found = QUANTITY_NUMBER;
	int error;

	if (text.len > 0 && decimal_length(text) == text.len)
		error = decimal_parse(text, value);
	else
		error = text.len > 0 ? units_parse(text, &found, value) : ERR_INVALID;
	if (!error)
		*kind = found;
	return error;
}
