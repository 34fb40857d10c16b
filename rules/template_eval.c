/*
 * Templates: operands, commands and pipelines → values.
 *
 * Recursion follows the tree, whose depth the parser limits.
 */
#include "rules/template_rendering.h"

#include "base/error.h"

int rendering_count_step(struct rendering *r)
{
	return ++r->steps > TEMPLATE_STEPS_MAX
		       ? rendering_fail_limit(r, "more than %d steps", TEMPLATE_STEPS_MAX)
		       : 0;
}

/* Operands. */

/* nil has no field, but where Go knows its type (a map's entry that is not there) that is a
 * mistake. */
static int eval_fields(struct rendering *r, const struct template_operand *operand,
		       struct template_value *value)
{
	for (uint32_t i = 0; i < operand->nfields; i++) {
		bool found;
		struct slice name = operand->fields[i];
		if (value->type == TEMPLATE_NONE && !value->is_interface)
			return 0;
		if (value->type == TEMPLATE_NONE)
			return rendering_fail(r, "nil pointer evaluating interface {}.%.*s",
					      (int)(name.len < 60 ? name.len : 60), name.ptr);
		struct template_value field = template_value_field(value, name, &found);
		if (!found)
			return rendering_fail(r, "can't evaluate field %.*s in type %s",
					      (int)(name.len < 60 ? name.len : 60), name.ptr,
					      value->is_interface
						      ? "interface {}"
						      : template_type_name(value->type));
		*value = field;
	}
	return 0;
}

static bool fits(char letter, enum template_type type)
{
	return letter == 'a' || (letter == 's' && type == TEMPLATE_STRING) ||
	       (letter == 'i' && type == TEMPLATE_INT) ||
	       (letter == 'q' && type == TEMPLATE_SAMPLES) ||
	       (letter == 'e' && type == TEMPLATE_SAMPLE);
}

static const char *wanted_name(char letter)
{
	return letter == 's'   ? template_type_name(TEMPLATE_STRING)
	       : letter == 'i' ? template_type_name(TEMPLATE_INT)
	       : letter == 'q' ? template_type_name(TEMPLATE_SAMPLES)
			       : template_type_name(TEMPLATE_SAMPLE);
}

static int fail_count(struct rendering *r, const struct template_function *function, uint32_t min,
		      uint32_t max, uint32_t n)
{
	return rendering_fail(r, "wrong number of args for %s: want %s%u got %u", function->name,
			      max == UINT32_MAX ? "at least " : "", min, n);
}

/* What is written where another type is wanted; operand is NULL for what came through a pipe. */
static int fail_type(struct rendering *r, const struct template_operand *operand, char letter,
		     const struct template_value *value)
{
	bool is_literal = operand && operand->kind == OPERAND_CONSTANT;
	if (operand && operand->kind == OPERAND_NIL)
		return rendering_fail(r, "cannot assign nil to %s", wanted_name(letter));
	if (is_literal && (letter == 's' || letter == 'i'))
		return rendering_fail(r, "expected %s; found %.*s",
				      letter == 's' ? "string" : "integer",
				      (int)(operand->span < 60 ? operand->span : 60),
				      r->template->source->text.ptr + operand->offset);
	if (is_literal)
		return rendering_fail(r, "can't handle %.*s for arg of type %s",
				      (int)(operand->span < 60 ? operand->span : 60),
				      r->template->source->text.ptr + operand->offset,
				      wanted_name(letter));
	if (value->type == TEMPLATE_NONE && !value->is_interface)
		return rendering_fail(r, "invalid value; expected %s", wanted_name(letter));
	return rendering_fail(r, "wrong type for value; expected %s; got %s", wanted_name(letter),
			      value->type == TEMPLATE_NONE ? "interface {}"
							   : template_type_name(value->type));
}

/* May the argument be handed on? nil is an empty result, and no element. */
static int check_argument(struct rendering *r, const struct template_operand *operand, char letter,
			  struct template_value *value)
{
	if (fits(letter, value->type))
		return 0;
	bool is_typeless = value->type == TEMPLATE_NONE && !value->is_interface;
	if (!is_typeless || (letter != 'q' && letter != 'e'))
		return fail_type(r, operand, letter, value);
	*value = (struct template_value){ .type = letter == 'q' ? TEMPLATE_SAMPLES
								: TEMPLATE_SAMPLE };
	return 0;
}

static char letter_of(const struct template_function *function, uint32_t i)
{
	uint32_t letters = (uint32_t)strcspn(function->arguments, "*");
	return function->arguments[i < letters ? i : letters - 1];
}

static int call(struct rendering *r, const struct template_operand *first,
		const struct template_value *args, uint32_t nargs, struct template_value *out)
{
	const struct template_function *function = first->function;
	struct template_call call = { .function = function,
				      .data = r->data,
				      .arena = &r->arena,
				      .args = args,
				      .nargs = nargs };
	if (first->next)
		call.first = (struct slice){ r->template->source->text.ptr + first->next->offset,
					     first->next->span };
	int error = function->fn(&call, out);
	if (!error || error == ERR_AGAIN)
		return error;
	rendering_at_command(r, first);
	return rendering_fail(r, "error calling %s: %s", function->name,
			      call.why		  ? call.why
			      : error == ERR_EVAL ? "failed"
						  : error_text(error));
}

/* A function that stands among arguments. */
static int call_alone(struct rendering *r, const struct template_operand *operand,
		      struct template_value *out)
{
	const struct template_operand alone = { .kind = operand->kind,
						.offset = operand->offset,
						.span = operand->span,
						.function = operand->function };
	uint32_t min, max;
	template_function_arity(operand->function, &min, &max);
	return min > 0 ? fail_count(r, operand->function, min, max, 0)
		       : call(r, &alone, NULL, 0, out);
}

static int eval_operand(struct rendering *r, const struct template_value *dot,
			const struct template_operand *operand, struct template_value *out)
{
	int error = rendering_count_step(r);
	if (error)
		return error;
	if (operand->kind != OPERAND_PIPE)
		rendering_at(r, operand);
	switch (operand->kind) {
	case OPERAND_DOT:
		*out = *dot;
		break;
	case OPERAND_VARIABLE:
		*out = r->slots[operand->slot];
		break;
	case OPERAND_CONSTANT:
		*out = operand->constant;
		break;
	case OPERAND_NIL:
		*out = (struct template_value){ .type = TEMPLATE_NONE };
		break;
	case OPERAND_FUNCTION:
		error = call_alone(r, operand, out);
		break;
	case OPERAND_PIPE:
		error = template_eval_pipe(r, dot, operand->pipe, out);
		break;
	}
	return error ? error : eval_fields(r, operand, out);
}

/* Commands and pipelines. piped is the result of the command before, or NULL: the last argument. */

static int eval_lazy(struct rendering *r, const struct template_value *dot,
		     const struct template_command *command, const struct template_value *piped,
		     struct template_value *out)
{
	const struct template_operand *first = command->operands;
	rendering_at(r, first);
	if (!first->next && !piped)
		return fail_count(r, first->function, 1, UINT32_MAX, 0);
	for (const struct template_operand *arg = first->next; arg; arg = arg->next) {
		int error = eval_operand(r, dot, arg, out);
		if (error)
			return error;
		if (template_value_is_true(out) == (first->function->lazy == LAZY_OR))
			return 0;
	}
	if (piped)
		*out = *piped;
	return 0;
}

static int eval_call(struct rendering *r, const struct template_value *dot,
		     const struct template_command *command, const struct template_value *piped,
		     struct template_value *out)
{
	const struct template_operand *first = command->operands;
	uint32_t n = 0, given = command->noperands - 1 + (piped != NULL), min, max;
	struct template_value *args =
		ARENA_ARRAY(&r->arena, struct template_value, command->noperands);
	rendering_at(r, first);
	if (!args)
		return rendering_fail(r, "uses too much memory");
	template_function_arity(first->function, &min, &max);
	if (given < min || given > max)
		return fail_count(r, first->function, min, max, given);
	for (const struct template_operand *arg = first->next; arg; arg = arg->next, n++) {
		char letter = letter_of(first->function, n);
		int error = eval_operand(r, dot, arg, &args[n]);
		if (!error)
			error = check_argument(r, arg, letter, &args[n]);
		if (error)
			return error;
	}
	if (piped) {
		args[n] = *piped;
		int error = check_argument(r, NULL, letter_of(first->function, n), &args[n]);
		if (error)
			return error;
		n++;
	}
	return call(r, first, args, n, out);
}

static int eval_command(struct rendering *r, const struct template_value *dot,
			const struct template_command *command, const struct template_value *piped,
			struct template_value *out)
{
	const struct template_operand *first = command->operands;
	int error = rendering_count_step(r);
	if (error)
		return error;
	if (first->kind == OPERAND_NIL) {
		rendering_at(r, first);
		return rendering_fail(r, "nil is not a command");
	}
	if (first->kind != OPERAND_FUNCTION) {
		if (first->next || piped) {
			rendering_at(r, first);
			return rendering_fail(r, "can't give argument to non-function %.*s",
					      (int)(first->span < 60 ? first->span : 60),
					      r->template->source->text.ptr + first->offset);
		}
		return eval_operand(r, dot, first, out);
	}
	return first->function->lazy == LAZY_NOT ? eval_call(r, dot, command, piped, out)
						 : eval_lazy(r, dot, command, piped, out);
}

int template_eval_pipe(struct rendering *r, const struct template_value *dot,
		       const struct template_pipe *pipe, struct template_value *out)
{
	struct template_value value = { .type = TEMPLATE_NONE };
	for (const struct template_command *command = pipe->commands; command;
	     command = command->next) {
		struct template_value result = { .type = TEMPLATE_NONE };
		int error = eval_command(r, dot, command, command == pipe->commands ? NULL : &value,
					 &result);
		if (error)
			return error;
		value = result;
		value.is_interface = false;
	}
	for (uint32_t i = 0; i < pipe->nslots; i++)
		r->slots[pipe->slots[i]] = value;
	*out = value;
	return 0;
}
