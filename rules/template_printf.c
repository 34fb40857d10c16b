/*
 * Templates: fmt.Sprintf: the format, the arguments that it takes, and its complaints inside the
 * text (%!s(MISSING), %!(EXTRA int=1), %!d(BADINDEX)).
 */
#include "rules/template_format.h"

#include <ctype.h>

#include "base/error.h"
#include "rules/template.h"

#define STAR_MAX 1000000 /* Go's: a greater one is no width */

/* The state of one Sprintf. */
struct printf_state {
	struct slice format;
	size_t at;
	const struct template_value *values;
	size_t n, used;
	struct buf *out;
	int error;
	/* An argument was told by its number, %[2]d: then all need not be used; of this verb it was
	 * the last thing read; and there is none of that number, or it stands in a wrong place. */
	bool has_index, is_behind_index, is_bad_index;
};

static bool is_at(const struct printf_state *state, char c)
{
	return state->at < state->format.len && state->format.ptr[state->at] == c;
}

/* [n]: the next argument is the n-th. */
static void parse_index(struct printf_state *state)
{
	state->is_behind_index = false;
	if (!is_at(state, '['))
		return;
	struct slice rest = { state->format.ptr + state->at, state->format.len - state->at };
	const char *end = memchr(rest.ptr, ']', rest.len);
	size_t number = 0, len = end ? (size_t)(end - rest.ptr) + 1 : 1;
	bool is_number = len > 2;
	for (size_t i = 1; i + 1 < len; i++) {
		is_number = is_number && isdigit((unsigned char)rest.ptr[i]);
		number = number <= TEMPLATE_WIDTH_MAX ? number * 10 + (size_t)(rest.ptr[i] - '0')
						      : number;
	}
	state->has_index = true;
	state->at += len;
	state->is_behind_index = is_number;
	if (is_number && number >= 1 && number <= state->n)
		state->used = number - 1;
	else
		state->is_bad_index = true;
}

static void parse_flags(struct printf_state *state, struct template_spec *spec)
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
	if (is_at(state, '*')) {
		state->at++;
		state->is_behind_index = false;
		const struct template_value *star =
			state->used < state->n ? &state->values[state->used++] : NULL;
		if (!star || star->type != TEMPLATE_INT || star->integer < -STAR_MAX ||
		    star->integer > STAR_MAX) {
			buf_add_str(state->out, bad);
			return false;
		}
		if (star->integer < -TEMPLATE_WIDTH_MAX || star->integer > TEMPLATE_WIDTH_MAX)
			state->error = ERR_LIMIT;
		*out = state->error ? 0 : (int)star->integer;
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

static struct template_spec parse_spec(struct printf_state *state)
{
	struct template_spec spec = template_plain_spec;
	int number;
	state->is_bad_index = false;
	parse_flags(state, &spec);
	parse_index(state);
	if (parse_number(state, "%!(BADWIDTH)", &number)) {
		spec.minus = spec.minus || number < 0;
		spec.width = number < 0 ? -number : number;
		state->is_bad_index |= state->is_behind_index;
	}
	if (is_at(state, '.')) {
		state->at++;
		state->is_bad_index |= state->is_behind_index;
		parse_index(state);
		bool star = is_at(state, '*');
		bool given = parse_number(state, "%!(BADPREC)", &number);
		if (given && number < 0)
			buf_add_str(state->out, "%!(BADPREC)");
		spec.precision = given && number >= 0 ? number : star ? -1 : 0;
	}
	if (!state->is_behind_index)
		parse_index(state);
	if (spec.minus)
		spec.zero = false;
	return spec;
}

/* From behind a percent sign. */
static void format_one(struct printf_state *state)
{
	struct template_spec spec = parse_spec(state);
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
	if (verb == '%') {
		buf_add_char(state->out, '%');
	} else if (state->is_bad_index) {
		buf_printf(state->out, "%%!" SLICE_FMT "(BADINDEX)", (int)len, rest.ptr);
	} else if (state->used >= state->n) {
		buf_printf(state->out, "%%!" SLICE_FMT "(MISSING)", (int)len, rest.ptr);
	} else {
		template_format(state->out, &spec, &state->values[state->used++],
				verb ? verb : '?');
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
		template_format(state->out, &template_plain_spec, value, 'v');
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
	if (!state.error && !state.has_index && state.used < state.n)
		add_extra(&state);
	return state.error;
}
