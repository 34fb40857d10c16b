/* Functions of templates: those of Go's text/template itself. */
#include "rules/template_functions.h"

#include "base/error.h"

#define CALLEE_BYTES_MAX 300 /* of what is called, in a complaint */

static struct template_value boolean(bool value)
{
	return (struct template_value){ .type = TEMPLATE_BOOL, .boolean = value };
}

int fn_not(struct template_call *call, struct template_value *out)
{
	*out = boolean(!template_value_is_true(&call->args[0]));
	return 0;
}

/* Of those kinds that Go compares in templates by their value. */
static bool is_basic(enum template_type type)
{
	return type == TEMPLATE_BOOL || type == TEMPLATE_INT || type == TEMPLATE_FLOAT ||
	       type == TEMPLATE_STRING;
}

/* Go's kinds: one of the types for each. */
static enum template_type kind_of(enum template_type type)
{
	if (type == TEMPLATE_ARGS)
		return TEMPLATE_LABELS;
	if (type == TEMPLATE_LINES || type == TEMPLATE_FUNCTIONS)
		return TEMPLATE_SAMPLES;
	if (type == TEMPLATE_DURATION || type == TEMPLATE_SAMPLE)
		return TEMPLATE_TIME;
	return type;
}

/* Maps, lists and structures are not; pointers are. In Go's words, which name the second of one
 * kind, and both of different ones. */
static int check_comparable(struct template_call *call, const struct template_value *a,
			    const struct template_value *b)
{
	bool is_one_kind = kind_of(a->type) == kind_of(b->type);
	if (is_one_kind && (is_basic(a->type) || kind_of(a->type) == TEMPLATE_TIME))
		return 0;
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, is_one_kind ? "non-comparable type " : "non-comparable types ");
	template_sprintf(SLICE("%s: "), is_one_kind ? b : a, 1, &text);
	buf_add_str(&text, template_type_name(is_one_kind ? b->type : a->type));
	if (!is_one_kind) {
		buf_printf(&text, ", %s: ", template_type_name(b->type));
		template_sprintf(SLICE("%v"), b, 1, &text);
	}
	int error = template_fail(call, "%.*s", (int)text.len, text.len ? text.ptr : "");
	buf_fini(&text);
	return error;
}

static int is_equal(struct template_call *call, const struct template_value *a,
		    const struct template_value *b, bool *equal)
{
	*equal = false;
	if (a->type == TEMPLATE_NONE || b->type == TEMPLATE_NONE) {
		*equal = a->type == b->type;
		return 0;
	}
	if (a->type != b->type && (is_basic(a->type) || is_basic(b->type)))
		return template_fail(call, "incompatible types for comparison: %s and %s",
				     template_type_name(a->type), template_type_name(b->type));
	int error = check_comparable(call, a, b);
	if (error || a->type != b->type)
		return error;
	if (a->type == TEMPLATE_STRING)
		*equal = slice_is_equal(a->string, b->string);
	else if (a->type == TEMPLATE_FLOAT)
		*equal = a->number == b->number;
	else if (a->type == TEMPLATE_BOOL)
		*equal = a->boolean == b->boolean;
	else if (a->type == TEMPLATE_INT)
		*equal = a->integer == b->integer;
	else if (a->type == TEMPLATE_SAMPLE)
		*equal = a->sample == b->sample;
	return 0;
}

int fn_eq(struct template_call *call, struct template_value *out)
{
	bool equal = false;
	if (call->nargs < 2)
		return template_fail(call, "missing argument for comparison");
	for (uint32_t i = 1; i < call->nargs && !equal; i++) {
		int error = is_equal(call, &call->args[0], &call->args[i], &equal);
		if (error)
			return error;
	}
	*out = boolean(equal);
	return 0;
}

int fn_ne(struct template_call *call, struct template_value *out)
{
	bool equal;
	int error = is_equal(call, &call->args[0], &call->args[1], &equal);
	if (!error)
		*out = boolean(!equal);
	return error;
}

static int is_less(struct template_call *call, const struct template_value *a,
		   const struct template_value *b, bool *less)
{
	if (a->type != b->type && is_basic(a->type) && is_basic(b->type))
		return template_fail(call, "incompatible types for comparison: %s and %s",
				     template_type_name(a->type), template_type_name(b->type));
	switch (a->type == b->type ? a->type : TEMPLATE_NONE) {
	case TEMPLATE_INT:
		*less = a->integer < b->integer;
		return 0;
	case TEMPLATE_FLOAT:
		*less = a->number < b->number;
		return 0;
	case TEMPLATE_STRING:
		*less = slice_compare(a->string, b->string) < 0;
		return 0;
	default:
		return template_fail(call, "invalid type for comparison");
	}
}

int fn_lt(struct template_call *call, struct template_value *out)
{
	bool less;
	int error = is_less(call, &call->args[0], &call->args[1], &less);
	if (!error)
		*out = boolean(less);
	return error;
}

/* As in Go: less or equal, so that with NaN le is false, gt (its negation) true. */
int fn_le(struct template_call *call, struct template_value *out)
{
	bool less, equal = false;
	int error = is_less(call, &call->args[0], &call->args[1], &less);
	if (!error && !less)
		error = is_equal(call, &call->args[0], &call->args[1], &equal);
	if (!error)
		*out = boolean(less || equal);
	return error;
}

int fn_gt(struct template_call *call, struct template_value *out)
{
	int error = fn_le(call, out);
	if (!error)
		out->boolean = !out->boolean;
	return error;
}

int fn_ge(struct template_call *call, struct template_value *out)
{
	int error = fn_lt(call, out);
	if (!error)
		out->boolean = !out->boolean;
	return error;
}

/* Of what a pointer leads to. */
static const char *pointed_name(enum template_type type)
{
	const char *name = template_type_name(type);
	return name + (name[0] == '*');
}

int fn_len(struct template_call *call, struct template_value *out)
{
	const struct template_value *value = &call->args[0];
	size_t n;
	if (value->type == TEMPLATE_NONE)
		return template_fail(call, value->is_interface
						   ? "len of nil pointer"
						   : "reflect: call of reflect.Value.Type on zero "
						     "Value");
	if (value->type == TEMPLATE_STRING)
		n = value->string.len;
	else if (value->type == TEMPLATE_LABELS)
		n = value->labels ? labels_count(value->labels) : 0;
	else if (value->type == TEMPLATE_ARGS)
		n = value->n;
	else if (template_value_is_list(value))
		n = template_list_count(value);
	else
		return template_fail(call, "len of type %s", pointed_name(value->type));
	*out = (struct template_value){ .type = TEMPLATE_INT, .integer = (int64_t)n };
	return 0;
}

static int index_one(struct template_call *call, const struct template_value *from,
		     const struct template_value *key, struct template_value *out)
{
	if (from->type == TEMPLATE_LABELS || from->type == TEMPLATE_ARGS) {
		bool found;
		if (key->type != TEMPLATE_STRING)
			return template_fail(call, "value has type %s; should be string",
					     template_type_name(key->type));
		*out = template_value_field(from, key->string, &found);
		return 0;
	}
	bool is_list = template_value_is_list(from);
	if (from->type == TEMPLATE_NONE)
		return template_fail(call, "index of nil pointer");
	if (from->type != TEMPLATE_STRING && !is_list)
		return template_fail(call, "can't index item of type %s",
				     template_type_name(from->type));
	if (key->type != TEMPLATE_INT)
		return template_fail(call, "cannot index slice/array with type %s",
				     template_type_name(key->type));
	size_t len = is_list ? template_list_count(from) : from->string.len;
	if (key->integer < 0 || (uint64_t)key->integer >= len)
		return key->integer == (int64_t)len
			       ? template_fail(call, "reflect: %s index out of range",
					       is_list ? "slice" : "string")
			       : template_fail(call, "index out of range: %lld",
					       (long long)key->integer);
	if (is_list) {
		*out = template_list_item(from, (size_t)key->integer);
		return 0;
	}
	*out = (struct template_value){ .type = TEMPLATE_INT,
					.integer = (unsigned char)from->string.ptr[key->integer] };
	return 0;
}

int fn_index(struct template_call *call, struct template_value *out)
{
	struct template_value value = call->args[0];
	if (value.type == TEMPLATE_NONE)
		return template_fail(call, "index of untyped nil");
	for (uint32_t i = 1; i < call->nargs; i++) {
		int error = index_one(call, &value, &call->args[i], &value);
		if (error)
			return error;
	}
	*out = value;
	return 0;
}

int fn_slice(struct template_call *call, struct template_value *out)
{
	struct template_value from = call->args[0];
	bool is_list = from.type == TEMPLATE_SAMPLES;
	if (from.type == TEMPLATE_NONE)
		return template_fail(call, "slice of untyped nil");
	if (!is_list && from.type != TEMPLATE_STRING)
		return template_fail(call, "can't slice item of type %s",
				     template_type_name(from.type));
	size_t len = is_list ? from.n : from.string.len;
	int64_t bounds[2] = { 0, (int64_t)len };
	if (call->nargs > 3)
		return template_fail(call, "cannot 3-index slice a string");
	for (uint32_t i = 1; i < call->nargs; i++) {
		if (call->args[i].type != TEMPLATE_INT)
			return template_fail(call, "cannot index slice/array with type %s",
					     template_type_name(call->args[i].type));
		bounds[i - 1] = call->args[i].integer;
		if (bounds[i - 1] < 0 || (uint64_t)bounds[i - 1] > len)
			return template_fail(call, "index out of range: %lld",
					     (long long)bounds[i - 1]);
	}
	if (bounds[0] > bounds[1])
		return template_fail(call, "invalid slice index: %lld > %lld", (long long)bounds[0],
				     (long long)bounds[1]);
	len = (size_t)(bounds[1] - bounds[0]);
	if (!is_list) {
		*out = template_string(
			(struct slice){ from.string.ptr ? from.string.ptr + bounds[0] : "", len });
		return 0;
	}
	from.samples += bounds[0];
	from.n = (uint32_t)len;
	*out = from;
	return 0;
}

/* There are no values that are functions. Go names what was to be called as it is written, or, when
 * it came through a pipe, by its text or type. */
int fn_call(struct template_call *call, struct template_value *out)
{
	const struct template_value *callee = &call->args[0];
	struct buf name;
	(void)out;
	if (callee->type == TEMPLATE_NONE)
		return template_fail(call, "call of nil");
	buf_init(&name);
	if (call->first.ptr)
		buf_add_slice(&name, call->first);
	else if (callee->type == TEMPLATE_STRING)
		buf_add_slice(&name, callee->string);
	else
		buf_printf(&name, "<%s Value>", template_type_name(callee->type));
	int error = template_fail(call, "non-function %.*s of type %s",
				  (int)(name.len < CALLEE_BYTES_MAX ? name.len : CALLEE_BYTES_MAX),
				  name.len ? name.ptr : "", template_type_name(callee->type));
	buf_fini(&name);
	return error;
}

int fn_print(struct template_call *call, struct template_value *out)
{
	struct buf text;
	buf_init(&text);
	template_sprint(call->args, call->nargs, &text);
	return template_give(call, &text, out);
}

int fn_println(struct template_call *call, struct template_value *out)
{
	struct buf text;
	buf_init(&text);
	template_sprintln(call->args, call->nargs, &text);
	return template_give(call, &text, out);
}

int fn_printf(struct template_call *call, struct template_value *out)
{
	struct buf text;
	buf_init(&text);
	int error = template_sprintf(call->args[0].string, call->args + 1, call->nargs - 1, &text);
	if (!error)
		return template_give(call, &text, out);
	buf_fini(&text);
	return error;
}
