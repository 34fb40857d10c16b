/* Templates: the table of functions, and what they share. */
#include "rules/template_functions.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "base/quote.h"

#define QUOTED_BYTES_MAX 800 /* of a text in a complaint */
#define NUMBER_BYTES_MAX 512 /* longest text that is read as a number */

const struct template_function template_functions[] = {
#define TEMPLATE_FUNCTION(name_, arguments_, fn_, doc_)                                            \
	{ .name = name_, .arguments = arguments_, .fn = fn_, .doc = doc_ },
#define TEMPLATE_FUNCTION_LAZY(name_, arguments_, lazy_, doc_)                                     \
	{ .name = name_, .arguments = arguments_, .lazy = lazy_, .doc = doc_ },
#include "rules/template_functions.def"
};
#define COUNT (sizeof(template_functions) / sizeof(*template_functions))
const size_t template_nfunctions = COUNT;

const struct template_function *template_function_find(struct slice name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (slice_is(name, template_functions[i].name))
			return &template_functions[i];
	return NULL;
}

const char *template_function_nearest(struct slice name)
{
	const char *names[COUNT];
	size_t n = 0;
	for (size_t i = 0; i < COUNT; i++)
		names[n++] = template_functions[i].name;
	return nearest_name(name, names, n);
}

void template_function_arity(const struct template_function *function, uint32_t *min, uint32_t *max)
{
	size_t n = strlen(function->arguments);
	bool open = n > 0 && function->arguments[n - 1] == '*';
	/* "a*" of and, or and print alike: the repeated one may be missing altogether, but lazy
	 * ones need one. */
	*min = (uint32_t)(open ? n - 2 : n);
	if (function->lazy != LAZY_NOT)
		*min = 1;
	*max = open ? UINT32_MAX : (uint32_t)n;
}

/* "text text …": what the letters of a function's arguments stand for. */
static void add_arguments(const char *letters, struct buf *out)
{
	for (; *letters; letters++)
		buf_add_str(out, *letters == 's'   ? " text"
				 : *letters == 'i' ? " number"
				 : *letters == 'q' ? " result"
				 : *letters == 'e' ? " element"
				 : *letters == '*' ? " …"
						   : " any");
}

void template_reference(struct buf *out)
{
	buf_add_str(out, "| function | meaning |\n|---|---|\n");
	for (size_t i = 0; i < COUNT; i++) {
		const struct template_function *function = &template_functions[i];
		buf_printf(out, "| `%s", function->name);
		add_arguments(function->arguments, out);
		buf_printf(out, "` | %s |\n", function->doc);
	}
}

int template_fail(struct template_call *call, const char *format, ...)
{
	char why[1800];
	va_list args;
	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	call->why = arena_printf(call->arena, "%s", why);
	return ERR_EVAL;
}

int template_give(struct template_call *call, struct buf *text, struct template_value *out)
{
	int error = 0;
	struct slice copy = { "", 0 };
	if (!buf_ok(text))
		error = ERR_NOMEM;
	else if (text->len > TEMPLATE_OUTPUT_MAX)
		error = ERR_LIMIT;
	else if (text->len > 0)
		copy = arena_slice(call->arena, buf_slice(text));
	buf_fini(text);
	if (!copy.ptr)
		error = ERR_LIMIT;
	if (!error)
		*out = template_string(copy);
	return error;
}

int template_fail_quoted(struct template_call *call, const char *before, struct slice text,
			 const char *behind)
{
	struct buf quoted;
	buf_init(&quoted);
	if (text.len > QUOTED_BYTES_MAX)
		text.len = QUOTED_BYTES_MAX;
	text_quote(text, &quoted);
	int error = template_fail(call, "%s" SLICE_FMT "%s", before, SLICE_ARG(buf_slice(&quoted)),
				  behind);
	buf_fini(&quoted);
	return error;
}

/* strconv.ParseFloat, without its underscores. */
static bool parse_float(struct slice text, double *out)
{
	char plain[NUMBER_BYTES_MAX];
	if (text.len == 0 || text.len >= sizeof(plain))
		return false;
	memcpy(plain, text.ptr, text.len);
	plain[text.len] = '\0';
	const char *unsigned_part = plain + (plain[0] == '+' || plain[0] == '-');
	bool special = strcasecmp(unsigned_part, "inf") == 0 ||
		       strcasecmp(unsigned_part, "infinity") == 0 || strcasecmp(plain, "nan") == 0;
	bool hex = strpbrk(plain, "xX") != NULL;
	if (!special &&
	    strspn(plain, hex ? "0123456789abcdefABCDEF+-.xXpP" : "0123456789+-.eE") != text.len)
		return false;
	if (hex && !strpbrk(plain, "pP"))
		return false;
	char *end;
	double value = strtod(plain, &end);
	if (*end || end == plain || (isinf(value) && !special))
		return false;
	*out = value;
	return true;
}

int template_to_float(struct template_call *call, const struct template_value *value, double *out)
{
	switch (value->type) {
	case TEMPLATE_FLOAT:
		*out = value->number;
		return 0;
	case TEMPLATE_INT:
		*out = (double)value->integer;
		return 0;
	case TEMPLATE_STRING:
		if (parse_float(value->string, out))
			return 0;
		return template_fail_quoted(call, "strconv.ParseFloat: parsing ", value->string,
					    ": invalid syntax");
	default:
		return template_fail(call, "can't convert %s to float",
				     template_type_name(value->type));
	}
}
