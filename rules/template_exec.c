/*
 * Templates: tree and data → text.
 *
 * Recursion follows the tree, whose depth the parser limits. A rendering has an arena of its own,
 * with a limit, for what functions make; so that all bytes it handles are bounded, and not only its
 * steps.
 */
#include "rules/template_rendering.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"

/* How a list of nodes ended, beside errors, which are negative. */
enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

static int render_list(struct rendering *r, const struct template_value *dot,
		       const struct template_node *nodes);
static int eval_pipe(struct rendering *r, const struct template_value *dot,
		     const struct template_pipe *pipe, struct template_value *out);

static int count_step(struct rendering *r)
{
	return ++r->steps > TEMPLATE_STEPS_MAX
		       ? rendering_fail_limit(r, "more than %d steps", TEMPLATE_STEPS_MAX)
		       : 0;
}

static int check_output(struct rendering *r)
{
	if (r->out->failed)
		return rendering_fail(r, "out of memory");
	if (r->out->len - r->start > TEMPLATE_OUTPUT_MAX)
		return rendering_fail_limit(r, "a text of more than %d bytes", TEMPLATE_OUTPUT_MAX);
	return 0;
}

/* Operands. */

static int eval_fields(struct rendering *r, const struct template_operand *operand,
		       struct template_value *value)
{
	for (uint32_t i = 0; i < operand->nfields; i++) {
		bool found;
		struct slice name = operand->fields[i];
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
		     enum template_type type)
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
	return rendering_fail(r, "wrong type for value; expected %s; got %s", wanted_name(letter),
			      template_type_name(type));
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
	int error = count_step(r);
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
		error = eval_pipe(r, dot, operand->pipe, out);
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
		if (error)
			return error;
		if (!fits(letter, args[n].type))
			return fail_type(r, arg, letter, args[n].type);
	}
	if (piped && !fits(letter_of(first->function, n), piped->type))
		return fail_type(r, NULL, letter_of(first->function, n), piped->type);
	if (piped)
		args[n++] = *piped;
	return call(r, first, args, n, out);
}

static int eval_command(struct rendering *r, const struct template_value *dot,
			const struct template_command *command, const struct template_value *piped,
			struct template_value *out)
{
	const struct template_operand *first = command->operands;
	int error = count_step(r);
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

static int eval_pipe(struct rendering *r, const struct template_value *dot,
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
	}
	for (uint32_t i = 0; i < pipe->nslots; i++)
		r->slots[pipe->slots[i]] = value;
	*out = value;
	return 0;
}

/* Nodes. */

static int render_action(struct rendering *r, const struct template_value *dot,
			 const struct template_node *node)
{
	struct template_value value;
	int error = eval_pipe(r, dot, node->pipe, &value);
	if (error || node->pipe->nslots > 0)
		return error;
	template_value_print(&value, r->out);
	return check_output(r);
}

/* One turn of a range. Stops (non-zero) on errors and {{ break }}. */
static int render_turn(struct rendering *r, const struct template_node *node,
		       const struct template_value *key, const struct template_value *value)
{
	int error = count_step(r);
	if (error)
		return error;
	const struct template_pipe *pipe = node->pipe;
	if (pipe->nslots > 0)
		r->slots[pipe->slots[pipe->nslots - 1]] = *value;
	if (pipe->nslots > 1)
		r->slots[pipe->slots[0]] = *key;
	int flow = render_list(r, value, node->body);
	return flow == FLOW_CONTINUE ? 0 : flow;
}

/* How many turns a range over the value takes; negative: it cannot be ranged over. */
static int64_t count_turns(const struct template_value *value)
{
	switch (value->type) {
	case TEMPLATE_NONE:
		return 0;
	case TEMPLATE_LABELS:
		return value->labels ? (int64_t)labels_count(value->labels) : 0;
	case TEMPLATE_ARGS:
		return value->n;
	case TEMPLATE_LINES:
	case TEMPLATE_FUNCTIONS:
	case TEMPLATE_SAMPLES:
		return (int64_t)template_list_count(value);
	case TEMPLATE_INT:
		return value->integer < 0 ? 0 : value->integer;
	default:
		return -1;
	}
}

static void turn_values(const struct template_value *over, int64_t i, char *name, size_t size,
			struct template_value *key, struct template_value *value)
{
	if (over->type == TEMPLATE_LABELS) {
		struct label label = labels_at(over->labels, (size_t)i);
		*key = template_string(label.name);
		*value = template_string(label.value);
	} else if (over->type == TEMPLATE_ARGS) {
		snprintf(name, size, "arg%d", (int)i);
		*key = template_string(slice_from(name));
		*value = over->args[i];
		value->is_interface = true;
	} else if (template_value_is_list(over)) {
		*key = (struct template_value){ .type = TEMPLATE_INT, .integer = i };
		*value = template_list_item(over, (size_t)i);
	} else {
		*key = *value = (struct template_value){ .type = TEMPLATE_INT, .integer = i };
	}
}

static int fail_range(struct rendering *r, const struct template_value *over)
{
	struct buf text;
	buf_init(&text);
	template_value_print(over, &text);
	int error =
		rendering_fail(r, "range can't iterate over %.*s",
			       (int)(text.len < 200 ? text.len : 200), text.len ? text.ptr : "");
	buf_fini(&text);
	return error;
}

static int render_range(struct rendering *r, const struct template_value *dot,
			const struct template_node *node)
{
	struct template_value over, key, value;
	int error = eval_pipe(r, dot, node->pipe, &over);
	if (error)
		return error;
	int64_t turns = count_turns(&over);
	if (turns < 0)
		return fail_range(r, &over);
	if (over.type == TEMPLATE_INT && node->pipe->nslots > 1)
		return rendering_fail(r, "can't use %lld to iterate over more than one variable",
				      (long long)over.integer);
	if (turns == 0)
		return render_list(r, dot, node->otherwise);
	for (int64_t i = 0; i < turns; i++) {
		char *name = NULL;
		if (over.type == TEMPLATE_ARGS && !(name = arena_alloc(&r->arena, 16)))
			return rendering_fail(r, "uses too much memory");
		turn_values(&over, i, name, 16, &key, &value);
		int flow = render_turn(r, node, &key, &value);
		if (flow == FLOW_BREAK)
			break;
		if (flow)
			return flow;
	}
	return 0;
}

/* `if` and `with`, and what is chained to them by `else if`, in a loop: a chain may be long. */
static int render_branches(struct rendering *r, const struct template_value *dot,
			   const struct template_node *node)
{
	for (;;) {
		struct template_value value;
		int error = count_step(r);
		if (!error)
			error = eval_pipe(r, dot, node->pipe, &value);
		if (error)
			return error;
		if (template_value_is_true(&value))
			return render_list(r, node->kind == NODE_WITH ? &value : dot, node->body);
		if (!node->is_chained)
			return render_list(r, dot, node->otherwise);
		node = node->otherwise;
	}
}

static int render_node(struct rendering *r, const struct template_value *dot,
		       const struct template_node *node)
{
	int error = count_step(r);
	if (error)
		return error;
	switch (node->kind) {
	case NODE_TEXT:
		buf_add_slice(r->out, node->text);
		return check_output(r);
	case NODE_ACTION:
		return render_action(r, dot, node);
	case NODE_IF:
	case NODE_WITH:
		return render_branches(r, dot, node);
	case NODE_RANGE:
		return render_range(r, dot, node);
	case NODE_BREAK:
		return FLOW_BREAK;
	case NODE_CONTINUE:
		return FLOW_CONTINUE;
	}
	return 0;
}

static int render_list(struct rendering *r, const struct template_value *dot,
		       const struct template_node *nodes)
{
	int flow = FLOW_ON;
	for (const struct template_node *node = nodes; node && !flow; node = node->next)
		flow = render_node(r, dot, node);
	return flow;
}

static int render(struct rendering *r)
{
	struct template_value root = { .type = TEMPLATE_ROOT, .root = r->data };
	bool found;
	r->slots = ARENA_ARRAY(&r->arena, struct template_value, r->template->nslots);
	if (!r->slots)
		return rendering_fail(r, "out of memory");
	r->slots[SLOT_ROOT] = root;
	r->slots[SLOT_LABELS] = template_value_field(&root, SLICE("Labels"), &found);
	r->slots[SLOT_EXTERNAL_LABELS] =
		template_value_field(&root, SLICE("ExternalLabels"), &found);
	r->slots[SLOT_EXTERNAL_URL] = template_value_field(&root, SLICE("ExternalURL"), &found);
	r->slots[SLOT_VALUE] = template_value_field(&root, SLICE("Value"), &found);
	r->slots[SLOT_VALUE].is_interface = false;
	if (r->data->active_at_ms != TIME_NONE)
		r->slots[SLOT_ACTIVE_AT] =
			(struct template_value){ .type = TEMPLATE_TIME,
						 .integer = r->data->active_at_ms };
	r->slots[SLOT_EVIDENCE] =
		(struct template_value){ .type = TEMPLATE_EVIDENCE, .evidence = r->data->evidence };
	return render_list(r, &root, r->template->nodes);
}

int template_render(const struct template *template, const struct template_data *data,
		    struct buf *out)
{
	struct rendering r = { .template = template, .data = data, .out = out, .start = out->len };
	arena_init(&r.arena, TEMPLATE_MEMORY_MAX);
	int error = render(&r);
	if (error < 0)
		out->len = r.start;
	if (error < 0 && error != ERR_AGAIN)
		buf_printf(out, "<error expanding template: %s>", r.why);
	arena_fini(&r.arena);
	return error == ERR_AGAIN ? error : error < 0 ? ERR_EVAL : 0;
}
