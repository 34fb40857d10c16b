/*
 * Values of templates as text, as Go's package fmt writes them: %v and the other verbs, with their
 * flags, and its complaints inside the text (%!d(string=x), %!s(MISSING), %!(EXTRA int=1)).
 */
#include "rules/template_value.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/quote.h"
#include "base/text.h"
#include "rules/evidence.h"
#include "rules/query_results.h"
#include "rules/template.h"

struct spec {
	bool plus, minus, sharp, space, zero;
	bool syntax;	      /* %#v: as it stands in a program */
	bool names;	      /* %+v: fields with their names */
	int width, precision; /* -1: none */
};

static const struct spec plain_spec = { .width = -1, .precision = -1 };

static void format_value(struct buf *out, const struct spec *spec,
			 const struct template_value *value, char verb);

static size_t count_runes(struct slice text)
{
	size_t n = 0, len;
	for (size_t i = 0; i < text.len; i += len, n++)
		template_rune_at((struct slice){ text.ptr + i, text.len - i }, &len);
	return n;
}

static void fill(struct buf *out, char c, size_t n)
{
	for (; n > 0; n--)
		buf_add_char(out, c);
}

/* What a width is filled with, when the flag asks for zeros. */
enum padding { PAD_BLANKS, PAD_ZEROS, PAD_BEHIND_SIGN };

static void pad(struct buf *out, const struct spec *spec, struct slice text, enum padding zeros)
{
	size_t width = spec->width > 0 ? (size_t)spec->width : 0, runes = count_runes(text);
	size_t missing = runes < width ? width - runes : 0;
	if (spec->minus) {
		buf_add_slice(out, text);
		fill(out, ' ', missing);
		return;
	}
	if (zeros == PAD_BEHIND_SIGN && spec->zero && text.len && strchr("+- ", text.ptr[0])) {
		buf_add_char(out, text.ptr[0]);
		text = (struct slice){ text.ptr + 1, text.len - 1 };
	}
	fill(out, zeros && spec->zero ? '0' : ' ', missing);
	buf_add_slice(out, text);
}

static void bad_verb(struct buf *out, const struct spec *spec, const struct template_value *value,
		     char verb)
{
	buf_printf(out, "%%!%c(", verb);
	if (value->type == TEMPLATE_NONE) {
		buf_add_str(out, "<nil>");
	} else {
		buf_printf(out, "%s=", template_type_name(value->type));
		format_value(out, spec, value, 'v');
	}
	buf_add_char(out, ')');
}

static void format_bool(struct buf *out, const struct spec *spec,
			const struct template_value *value, char verb)
{
	if (verb == 'v' || verb == 't')
		pad(out, spec, slice_from(value->boolean ? "true" : "false"), PAD_ZEROS);
	else
		bad_verb(out, spec, value, verb);
}

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
	fill(digits, '0', left > 0 ? (size_t)left : 0);
	buf_add_slice(digits, (struct slice){ text.ptr + mantissa, text.len - mantissa });
	buf_fini(&shortest);
}

/* The digits of a number >= 0. */
static void format_magnitude(struct buf *digits, const struct spec *spec, double magnitude,
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
static void format_binary_float(struct buf *out, const struct spec *spec, double v)
{
	char text[64];
	int exponent = 0;
	if (!isfinite(v)) {
		pad(out, spec, slice_from(isnan(v) ? "NaN" : v < 0 ? "-Inf" : "+Inf"), PAD_BLANKS);
		return;
	}
	double mantissa = v;
	if (v != 0)
		mantissa = frexp(v, &exponent);
	/* Of small numbers the mantissa has fewer bits. */
	int least = v == 0 || exponent < -1021 ? -1021 : exponent;
	snprintf(text, sizeof(text), "%s%.0fp%+d", signbit(v) || !spec->plus ? "" : "+",
		 ldexp(mantissa, 53 + exponent - least), least - 53);
	pad(out, spec, slice_from(text), PAD_BEHIND_SIGN);
}

static void format_float(struct buf *out, const struct spec *spec,
			 const struct template_value *value, char verb)
{
	double v = value->number;
	if (verb == 'b') {
		format_binary_float(out, spec, v);
		return;
	}
	if (!strchr("vgGfFeExX", verb)) {
		bad_verb(out, spec, value, verb);
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
	pad(out, spec, buf_slice(&text), finite ? PAD_BEHIND_SIGN : PAD_BLANKS);
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
static void format_integer(struct buf *out, const struct spec *spec, int64_t v, char verb)
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
	fill(&text, '0', digits.len < wanted ? wanted - digits.len : 0);
	buf_add_slice(&text, buf_slice(&digits));
	pad(out, spec, buf_slice(&text), PAD_BLANKS);
	if (!buf_ok(&digits) || !buf_ok(&text))
		out->failed = true;
	buf_fini(&digits);
	buf_fini(&text);
}

/* %c, %q and %U of a code point. */
static void format_rune(struct buf *out, const struct spec *spec, int64_t v, char verb)
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
	pad(out, spec, buf_slice(&text), PAD_BLANKS);
	buf_fini(&rune);
	buf_fini(&text);
}

static void format_int(struct buf *out, const struct spec *spec, const struct template_value *value,
		       char verb)
{
	if (strchr("vdboOxX", verb))
		format_integer(out, spec, value->integer, verb);
	else if (strchr("cqU", verb))
		format_rune(out, spec, value->integer, verb);
	else
		bad_verb(out, spec, value, verb);
}

static struct slice first_runes(struct slice text, size_t n)
{
	size_t at = 0, len;
	for (; n > 0 && at < text.len; n--, at += len)
		template_rune_at((struct slice){ text.ptr + at, text.len - at }, &len);
	return (struct slice){ text.ptr, at };
}

static void format_hex_bytes(struct buf *out, const struct spec *spec, struct slice bytes,
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
	pad(out, spec, buf_slice(&text), PAD_BLANKS);
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

static void format_text(struct buf *out, const struct spec *spec,
			const struct template_value *value, struct slice text, char verb)
{
	if (verb == 'x' || verb == 'X') {
		format_hex_bytes(out, spec, text, verb);
		return;
	}
	if (verb != 'v' && verb != 's' && verb != 'q') {
		bad_verb(out, spec, value, verb);
		return;
	}
	if (spec->precision >= 0)
		text = first_runes(text, (size_t)spec->precision);
	if (verb != 'q' && !spec->syntax) {
		pad(out, spec, text, PAD_ZEROS);
		return;
	}
	struct buf quoted;
	buf_init(&quoted);
	if (spec->sharp && can_backquote(text))
		buf_printf(&quoted, "`" SLICE_FMT "`", SLICE_ARG(text));
	else
		text_quote(text, &quoted);
	pad(out, spec, buf_slice(&quoted), PAD_ZEROS);
	buf_fini(&quoted);
}

/* Times and durations are printed by their String() whatever the verb. */
static void format_stringer(struct buf *out, const struct spec *spec,
			    const struct template_value *value, char verb)
{
	struct buf text;
	buf_init(&text);
	if (value->type == TEMPLATE_TIME)
		template_time_format(value->integer, &text);
	else
		template_duration_format(value->integer, &text);
	format_text(out, spec, value, buf_slice(&text), strchr("sqxX", verb) ? verb : 'v');
	buf_fini(&text);
}

static void format_labels(struct buf *out, const struct spec *spec, const struct labels *labels,
			  char verb)
{
	buf_add_str(out, spec->syntax ? "map[string]string{" : "map[");
	for (size_t i = 0; labels && i < labels_count(labels); i++) {
		struct label label = labels_at(labels, i);
		struct template_value name = template_string(label.name),
				      value = template_string(label.value);
		if (i > 0)
			buf_add_str(out, spec->syntax ? ", " : " ");
		format_value(out, spec, &name, verb);
		buf_add_char(out, ':');
		format_value(out, spec, &value, verb);
	}
	buf_add_char(out, spec->syntax ? '}' : ']');
}

static void format_args(struct buf *out, const struct spec *spec,
			const struct template_value *value, char verb)
{
	buf_add_str(out, spec->syntax ? "map[string]interface {}{" : "map[");
	for (uint32_t i = 0; i < value->n; i++) {
		char text[16];
		snprintf(text, sizeof(text), "arg%u", i);
		struct template_value key = template_string(slice_from(text));
		if (i > 0)
			buf_add_str(out, spec->syntax ? ", " : " ");
		format_value(out, spec, &key, verb);
		buf_add_char(out, ':');
		if (value->args[i].type == TEMPLATE_NONE)
			buf_add_str(out, "<nil>");
		else
			format_value(out, spec, &value->args[i], verb);
	}
	buf_add_char(out, spec->syntax ? '}' : ']');
}

static void format_list(struct buf *out, const struct spec *spec,
			const struct template_value *value, char verb)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < template_list_count(value); i++) {
		struct template_value item = template_list_item(value, i);
		if (i > 0)
			buf_add_char(out, ' ');
		if (item.type == TEMPLATE_SAMPLE && verb != 'v')
			bad_verb(out, spec, &item, verb);
		else
			format_value(out, spec, &item, verb);
	}
	buf_add_char(out, ']');
}

static void format_evidence(struct buf *out, const struct spec *spec,
			    const struct template_value *value, char verb)
{
	struct template_value list = *value;
	buf_add_str(out, "{");
	list.type = TEMPLATE_LINES;
	format_list(out, spec, &list, verb);
	buf_add_char(out, ' ');
	list.type = TEMPLATE_FUNCTIONS;
	format_list(out, spec, &list, verb);
	buf_add_char(out, '}');
}

static void format_root(struct buf *out, const struct spec *spec,
			const struct template_value *value, char verb)
{
	static const char *const fields[] = { "Labels", "ExternalLabels", "ExternalURL", "Value" };
	buf_add_char(out, '{');
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		bool found;
		struct template_value field =
			template_value_field(value, slice_from(fields[i]), &found);
		if (i > 0)
			buf_add_char(out, ' ');
		if (spec->names)
			buf_printf(out, "%s:", fields[i]);
		format_value(out, spec, &field, verb);
	}
	buf_add_char(out, '}');
}

/* Within a list Go prints where they are in memory, which says nothing to anybody. */
static void format_sample(struct buf *out, const struct spec *spec,
			  const struct query_sample *sample, char verb)
{
	const struct template_value value = { .type = TEMPLATE_FLOAT, .number = sample->value };
	buf_add_str(out, spec->syntax ? "template.sample{Labels:" : spec->names ? "{Labels:" : "{");
	format_labels(out, spec, sample->labels, verb);
	buf_add_str(out, spec->syntax ? ", Value:" : spec->names ? " Value:" : " ");
	format_value(out, spec, &value, verb);
	buf_add_char(out, '}');
}

static void format_value(struct buf *out, const struct spec *spec,
			 const struct template_value *value, char verb)
{
	if (verb == 'T') {
		pad(out, spec, slice_from(template_type_name(value->type)), PAD_BLANKS);
		return;
	}
	switch (value->type) {
	case TEMPLATE_NONE:
		if (verb == 'v')
			pad(out, spec, SLICE("<nil>"), PAD_ZEROS);
		else
			bad_verb(out, spec, value, verb);
		break;
	case TEMPLATE_BOOL:
		format_bool(out, spec, value, verb);
		break;
	case TEMPLATE_INT:
		format_int(out, spec, value, verb);
		break;
	case TEMPLATE_FLOAT:
		format_float(out, spec, value, verb);
		break;
	case TEMPLATE_STRING:
		format_text(out, spec, value, value->string, verb);
		break;
	case TEMPLATE_LABELS:
		format_labels(out, spec, value->labels, verb);
		break;
	case TEMPLATE_ARGS:
		format_args(out, spec, value, verb);
		break;
	case TEMPLATE_TIME:
	case TEMPLATE_DURATION:
		format_stringer(out, spec, value, verb);
		break;
	case TEMPLATE_ROOT:
		format_root(out, spec, value, verb);
		break;
	case TEMPLATE_LINES:
	case TEMPLATE_FUNCTIONS:
	case TEMPLATE_SAMPLES:
		format_list(out, spec, value, verb);
		break;
	case TEMPLATE_EVIDENCE:
		format_evidence(out, spec, value, verb);
		break;
	case TEMPLATE_FUNCTION_ITEM:
		format_text(out, spec, value, slice_from(value->function->name), verb);
		break;
	case TEMPLATE_SAMPLE:
		buf_add_char(out, '&');
		format_sample(out, spec, value->sample, verb);
		break;
	}
}

void template_value_print(const struct template_value *value, struct buf *out)
{
	if (value->type == TEMPLATE_NONE)
		buf_add_str(out, "<no value>");
	else if (value->type == TEMPLATE_SAMPLE) /* what a pointer leads to, at the top */
		format_sample(out, &plain_spec, value->sample, 'v');
	else
		format_value(out, &plain_spec, value, 'v');
}

void template_sprint(const struct template_value *values, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && values[i].type != TEMPLATE_STRING &&
		    values[i - 1].type != TEMPLATE_STRING)
			buf_add_char(out, ' ');
		format_value(out, &plain_spec, &values[i], 'v');
	}
}

void template_sprintln(const struct template_value *values, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(out, ' ');
		format_value(out, &plain_spec, &values[i], 'v');
	}
	buf_add_char(out, '\n');
}

/* The state of one Sprintf. */
struct printf_state {
	struct slice format;
	size_t at;
	const struct template_value *values;
	size_t n, used;
	struct buf *out;
	int error;
};

static void parse_flags(struct printf_state *state, struct spec *spec)
{
	for (; state->at < state->format.len; state->at++) {
		switch (state->format.ptr[state->at]) {
		case '+':
			spec->plus = true;
			break;
		case '-':
			spec->minus = true;
			break;
		case '#':
			spec->sharp = true;
			break;
		case ' ':
			spec->space = true;
			break;
		case '0':
			spec->zero = true;
			break;
		default:
			return;
		}
	}
}

/* A number, or a star that takes an argument. False: neither, or a star without a fitting argument
 * (said in the text). */
static bool parse_number(struct printf_state *state, const char *bad, int *out)
{
	int value = 0;
	if (state->at < state->format.len && state->format.ptr[state->at] == '*') {
		state->at++;
		const struct template_value *star =
			state->used < state->n ? &state->values[state->used++] : NULL;
		if (!star || star->type != TEMPLATE_INT || star->integer < -TEMPLATE_WIDTH_MAX ||
		    star->integer > TEMPLATE_WIDTH_MAX) {
			buf_add_str(state->out, bad);
			return false;
		}
		*out = (int)star->integer;
		return true;
	}
	size_t start = state->at;
	for (;
	     state->at < state->format.len && isdigit((unsigned char)state->format.ptr[state->at]);
	     state->at++) {
		value = value * 10 + (state->format.ptr[state->at] - '0');
		if (value > TEMPLATE_WIDTH_MAX) {
			state->error = ERR_LIMIT;
			value = TEMPLATE_WIDTH_MAX;
		}
	}
	*out = value;
	return state->at > start;
}

static struct spec parse_spec(struct printf_state *state)
{
	struct spec spec = plain_spec;
	int number;
	parse_flags(state, &spec);
	if (parse_number(state, "%!(BADWIDTH)", &number)) {
		spec.minus = spec.minus || number < 0;
		spec.width = number < 0 ? -number : number;
	}
	if (state->at < state->format.len && state->format.ptr[state->at] == '.') {
		state->at++;
		bool star = state->at < state->format.len && state->format.ptr[state->at] == '*';
		bool given = parse_number(state, "%!(BADPREC)", &number);
		if (given && number < 0)
			buf_add_str(state->out, "%!(BADPREC)");
		spec.precision = given && number >= 0 ? number : star ? -1 : 0;
	}
	if (spec.minus)
		spec.zero = false;
	return spec;
}

/* From behind a percent sign. */
static void format_one(struct printf_state *state)
{
	struct spec spec = parse_spec(state);
	if (state->at == state->format.len) {
		buf_add_str(state->out, "%!(NOVERB)");
		return;
	}
	size_t len;
	struct slice rest = { state->format.ptr + state->at, state->format.len - state->at };
	uint32_t rune = template_rune_at(rest, &len);
	char verb = rune < 0x80 ? (char)rune : '?';
	state->at += len;
	if (verb == 'v') {
		/* Of %v these mean the form of structures, and not signs and digits. */
		spec.syntax = spec.sharp;
		spec.names = spec.plus;
		spec.sharp = spec.plus = false;
	}
	if (verb == '[') {
		state->error = ERR_UNSUPPORTED;
	} else if (verb == '%') {
		buf_add_char(state->out, '%');
	} else if (state->used == state->n) {
		buf_printf(state->out, "%%!" SLICE_FMT "(MISSING)", (int)len, rest.ptr);
	} else {
		format_value(state->out, &spec, &state->values[state->used++], verb ? verb : '?');
	}
}

static void add_extra(struct printf_state *state)
{
	const char *separator = "%!(EXTRA ";
	for (; state->used < state->n; state->used++) {
		const struct template_value *value = &state->values[state->used];
		buf_add_str(state->out, separator);
		separator = ", ";
		if (value->type != TEMPLATE_NONE)
			buf_printf(state->out, "%s=", template_type_name(value->type));
		format_value(state->out, &plain_spec, value, 'v');
	}
	buf_add_char(state->out, ')');
}

int template_sprintf(struct slice format, const struct template_value *values, size_t n,
		     struct buf *out)
{
	struct printf_state state = { .format = format, .values = values, .n = n, .out = out };
	while (state.at < format.len && !state.error) {
		const char *percent = memchr(format.ptr + state.at, '%', format.len - state.at);
		size_t end = percent ? (size_t)(percent - format.ptr) : format.len;
		buf_add(out, format.ptr + state.at, end - state.at);
		state.at = end;
		if (!percent)
			break;
		state.at++;
		format_one(&state);
		if (out->len > TEMPLATE_OUTPUT_MAX)
			state.error = ERR_LIMIT;
	}
	if (!state.error && state.used < state.n)
		add_extra(&state);
	return state.error;
}
