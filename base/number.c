/*
 * Numbers as text: the half of text.h that is about floats.
 */
#include "base/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/error.h"

#define DIGITS_MAX 17 /* that many always round-trip */

/* value = 0.d₁d₂…dₙ × 10^point, without trailing zeros; zero is one digit "0" with point 1 */
struct digits {
	char d[DIGITS_MAX + 1];
	int n;
	int point;
};

/* The correctly rounded digits at a precision. */
static void digits_at(double v, int precision, struct digits *out)
{
	char text[32];

	snprintf(text, sizeof(text), "%.*e", precision - 1, v);
	out->d[0] = text[0];
	if (precision > 1)
		memcpy(out->d + 1, text + 2, (size_t)precision - 1);
	const char *exponent = text + (precision > 1 ? precision + 1 : 1) + 1;

	out->n = precision;
	out->point = (int)strtol(exponent, NULL, 10) + 1;
}

static double digits_value(const struct digits *digits)
{
	char text[40];

	snprintf(text, sizeof(text), "0.%.*se%d", digits->n, digits->d, digits->point);
	return strtod(text, NULL);
}

/* Adds one to the last digit. False when it carries out of the first, which nobody needs. */
static bool digits_increment(struct digits *digits)
{
	for (int i = digits->n - 1; i >= 0; i--) {
		if (digits->d[i] != '9') {
			digits->d[i]++;
			return true;
		}
		digits->d[i] = '0';
	}
	return false;
}

static bool digits_try(double v, int precision, struct digits *out)
{
	int exponent;

	digits_at(v, precision, out);
	if (digits_value(out) == v)
		return true;
	/*
	 * Below a power of two the neighbours are half as far as above it: the nearest decimal may
	 * lie below and miss while the next one up is within reach.
	 */
	return frexp(v, &exponent) == 0.5 && digits_increment(out) && digits_value(out) == v;
}

/* The fewest digits that read back as v, of several the nearest; v is finite and not negative. */
static void digits_shortest(double v, struct digits *out)
{
	/*
	 * Every decimal of DBL_DIG digits survives a double: if one of at most that many gives v,
	 * it is v at that precision but for zeros at the end. Subnormals have less precision.
	 */
	int precision = v >= DBL_MIN || v == 0 ? DBL_DIG : 1;

	while (precision < DIGITS_MAX && !digits_try(v, precision, out))
		precision++;
	if (precision == DIGITS_MAX)
		digits_at(v, precision, out);
	while (out->n > 1 && out->d[out->n - 1] == '0')
		out->n--;
}

/* NaN and infinities, as Go writes them. */
static bool format_special(double v, struct buf *out)
{
	if (isfinite(v))
		return false;
	buf_add_str(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
	return true;
}

static void add_zeros(struct buf *out, int n)
{
	for (int i = 0; i < n; i++)
		buf_add_char(out, '0');
}

static void format_plain(const struct digits *digits, struct buf *out)
{
	int whole = digits->point < digits->n ? digits->point : digits->n;

	if (digits->point <= 0) {
		buf_add_str(out, "0.");
		add_zeros(out, -digits->point);
		whole = 0;
	} else {
		buf_add(out, digits->d, (size_t)whole);
		add_zeros(out, digits->point - whole);
		if (whole < digits->n)
			buf_add_char(out, '.');
	}
	buf_add(out, digits->d + whole, (size_t)(digits->n - whole));
}

static void format_exponent(const struct digits *digits, struct buf *out)
{
	int exponent = digits->point - 1;

	buf_add_char(out, digits->d[0]);
	if (digits->n > 1) {
		buf_add_char(out, '.');
		buf_add(out, digits->d + 1, (size_t)digits->n - 1);
	}
	buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

/* Takes the sign and the special values off; false when nothing is left to do. */
static bool format_begin(double v, struct buf *out, struct digits *digits)
{
	if (format_special(v, out))
		return false;
	if (signbit(v))
		buf_add_char(out, '-');
	digits_shortest(fabs(v), digits);
	return true;
}

void number_format_f(double v, struct buf *out)
{
	struct digits digits;

	/* Counts are most of what is printed. */
	if (fabs(v) < 1e15 && v == (double)(int64_t)v && (v != 0 || !signbit(v)))
		buf_printf(out, "%lld", (long long)v);
	else if (format_begin(v, out, &digits))
		format_plain(&digits, out);
}

void number_format_e(double v, struct buf *out)
{
	struct digits digits;

	if (format_begin(v, out, &digits))
		format_exponent(&digits, out);
}

void number_format_g(double v, struct buf *out)
{
	struct digits digits;

	if (!format_begin(v, out, &digits))
		return;
	/* Zero stands as 0.0 × 10^1 here: exponent 0. */
	if (digits.point - 1 < -4 || digits.point - 1 >= 6)
		format_exponent(&digits, out);
	else
		format_plain(&digits, out);
}

void number_format_json(double v, struct buf *out)
{
	double size = fabs(v);

	if (size != 0 && isfinite(v) && (size < 1e-6 || size >= 1e21))
		number_format_e(v, out);
	else
		number_format_f(v, out);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static int digit_value(char c)
{
	c = lower(c);
	return is_digit(c) ? c - '0' : c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/*
 * Copies the literal without its underscores. Go allows them between digits only, a base prefix
 * counting as one.
 */
static bool strip_underscores(struct slice text, char *to, size_t *len)
{
	bool prefix = text.len > 2 && text.ptr[0] == '0' && strchr("xob", lower(text.ptr[1]));
	bool hex = prefix && lower(text.ptr[1]) == 'x';
	enum { DIGIT, UNDERSCORE, OTHER } last = prefix ? DIGIT : OTHER;

	*len = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (prefix && i < 2) {
			to[(*len)++] = c;
			continue;
		}
		if (c == '_') {
			if (last != DIGIT)
				return false;
			last = UNDERSCORE;
			continue;
		}
		bool digit = is_digit(c) || (hex && digit_value(c) < 16);

		if (last == UNDERSCORE && !digit)
			return false;
		last = digit ? DIGIT : OTHER;
		to[(*len)++] = c;
	}
	to[*len] = '\0';
	return last != UNDERSCORE;
}

/* strconv.ParseInt with base 0: 12, 0x1F, 0o17, 017, 0b11. False: no integer of 64 bits. */
static bool parse_integer(const char *p, bool negative, double *v)
{
	int base = 10;
	uint64_t n = 0, limit = (uint64_t)INT64_MAX + negative;

	if (p[0] == '0' && p[1]) {
		char mark = lower(p[1]);

		base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
		p += mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1;
	}
	if (!*p)
		return false;
	for (; *p; p++) {
		int digit = digit_value(*p);

		if (digit >= base || n > (limit - (uint64_t)digit) / (uint64_t)base)
			return false;
		n = n * (uint64_t)base + (uint64_t)digit;
	}
	*v = negative && n ? -(double)n : (double)n; /* an integer has no negative zero */
	return true;
}

/* Digits and at most one point; false when there is no digit. */
static bool skip_mantissa(const char **p, int base)
{
	bool digits = false, point = false;

	for (; **p; (*p)++) {
		if (**p == '.' && !point)
			point = true;
		else if (digit_value(**p) < base)
			digits = true;
		else
			break;
	}
	return digits;
}

/* The grammar of strconv.ParseFloat; strtod() alone would take more ("nan(1)", blanks). */
static bool is_float(const char *p)
{
	bool hex = p[0] == '0' && lower(p[1]) == 'x';

	if (hex)
		p += 2;
	if (!skip_mantissa(&p, hex ? 16 : 10))
		return false;
	if (lower(*p) == (hex ? 'p' : 'e')) {
		p++;
		if (*p == '+' || *p == '-')
			p++;
		if (!is_digit(*p))
			return false;
		while (is_digit(*p))
			p++;
	} else if (hex) {
		return false; /* Go asks for the exponent */
	}
	return *p == '\0';
}

static bool is_word(const char *p, const char *word)
{
	while (*word && lower(*p) == *word) {
		p++;
		word++;
	}
	return *p == '\0' && *word == '\0';
}

/* text: without sign and underscores */
static int parse_unsigned(const char *text, bool negative, bool takes_integer, double *v)
{
	if (is_word(text, "inf") || is_word(text, "infinity")) {
		*v = negative ? -INFINITY : INFINITY;
		return 0;
	}
	if (takes_integer && parse_integer(text, negative, v))
		return 0;
	if (!is_float(text))
		return ERR_INVALID;
	double size = strtod(text, NULL);

	if (isinf(size))
		return ERR_INVALID; /* out of range, as in Go; too small a number is zero */
	*v = negative ? -size : size;
	return 0;
}

static int parse_number(struct slice text, bool takes_integer, double *v)
{
	char small[128];
	bool negative = text.len > 0 && text.ptr[0] == '-';
	bool sign = negative || (text.len > 0 && text.ptr[0] == '+');
	size_t len;
	double parsed;
	int err = ERR_INVALID;

	if (sign) {
		text.ptr++;
		text.len--;
	}
	if (text.len == 0 || memchr(text.ptr, '\0', text.len))
		return ERR_INVALID;
	char *plain = text.len < sizeof(small) ? small : malloc(text.len + 1);

	if (!plain)
		return ERR_NOMEM;
	if (strip_underscores(text, plain, &len)) {
		/* NaN alone takes no sign. The quiet NaN that Prometheus calls normal. */
		if (!sign && is_word(plain, "nan"))
			err = (parsed = number_nan(), 0);
		else
			err = parse_unsigned(plain, negative, takes_integer, &parsed);
	}
	if (plain != small)
		free(plain);
	if (!err)
		*v = parsed;
	return err;
}

int number_parse(struct slice text, double *v)
{
	return parse_number(text, true, v);
}

int number_parse_float(struct slice text, double *v)
{
	return parse_number(text, false, v);
}

double number_nan(void)
{
	return double_of_bits(NORMAL_NAN_BITS);
}
