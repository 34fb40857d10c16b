#include "rules/template_queries.h"

#include <string.h>

#include "base/error.h"
#include "rules/template_tree.h"

#define VARIABLES_DEEP_MAX 4 /* variables that are set to variables */
/* Operands looked at for one template: variables within variables could make it any number. */
#define SHAPE_STEPS_MAX 2000

struct search {
	const struct template_definition *definition; /* the one that is searched */
	struct arena *arena;
	struct template_query *queries;
	uint32_t n, cap;
	unsigned depth; /* of variables that are being looked up */
	unsigned steps;
	int code;
};

static void shape_operand(struct search *search, const struct template_operand *operand,
			  struct buf *out);
static void shape_pipe(struct search *search, const struct template_pipe *pipe, struct buf *out);

/* ---- the shape of a text ---- */

static bool is_function(const struct template_operand *operand, const char *name)
{
	return operand->kind == OPERAND_FUNCTION && operand->nfields == 0 &&
	       strcmp(operand->function->name, name) == 0;
}

/* One verb of a format, with its flags: what its argument becomes. */
static void shape_verb(char verb, struct slice argument, struct buf *out)
{
	bool known = !memchr(argument.ptr ? argument.ptr : "", TEMPLATE_HOLE, argument.len) &&
		     argument.len > 0;
	if (verb == 'q')
		buf_printf(out, "\"%c\"", TEMPLATE_HOLE);
	else if (known && (verb == 's' || verb == 'v'))
		buf_add_slice(out, argument);
	else
		buf_add_char(out, strchr("defgEG", verb) ? TEMPLATE_NUMBER_HOLE : TEMPLATE_HOLE);
}

static void shape_format(struct search *search, struct slice format,
			 const struct template_operand *argument, struct buf *out)
{
	for (size_t i = 0; i < format.len; i++) {
		if (format.ptr[i] != '%') {
			buf_add_char(out, format.ptr[i]);
			continue;
		}
		for (i++;
		     i < format.len && strchr("+-# 0123456789.", format.ptr[i]) && format.ptr[i];)
			i++;
		if (i == format.len)
			return;
		if (format.ptr[i] == '%') {
			buf_add_char(out, '%');
			continue;
		}
		struct buf shape;
		buf_init(&shape);
		if (argument)
			shape_operand(search, argument, &shape);
		shape_verb(format.ptr[i], buf_slice(&shape), out);
		buf_fini(&shape);
		argument = argument ? argument->next : NULL;
	}
}

static void shape_command(struct search *search, const struct template_command *command,
			  const struct buf *piped, struct buf *out)
{
	const struct template_operand *first = command->operands;
	if (is_function(first, "print")) {
		for (const struct template_operand *arg = first->next; arg; arg = arg->next)
			shape_operand(search, arg, out);
		if (piped)
			buf_add_slice(out, buf_slice(piped));
	} else if (is_function(first, "printf") && first->next) {
		struct buf format;
		buf_init(&format);
		shape_operand(search, first->next, &format);
		shape_format(search, buf_slice(&format), first->next->next, out);
		buf_fini(&format);
	} else if (first->kind == OPERAND_FUNCTION) {
		buf_add_char(out, TEMPLATE_HOLE);
	} else {
		shape_operand(search, first, out);
	}
}

static void shape_pipe(struct search *search, const struct template_pipe *pipe, struct buf *out)
{
	struct buf piped;
	buf_init(&piped);
	for (const struct template_command *command = pipe->commands; command;
	     command = command->next) {
		struct buf shape;
		buf_init(&shape);
		shape_command(search, command, command == pipe->commands ? NULL : &piped, &shape);
		buf_fini(&piped);
		piped = shape;
	}
	buf_add_slice(out, buf_slice(&piped));
	buf_fini(&piped);
}

/* ---- variables ---- */

struct setter {
	uint32_t slot, n;
	const struct template_pipe *pipe; /* the last one that sets it to its own value */
};

static void find_setter(const struct template_node *node, struct setter *setter)
{
	for (; node; node = node->next) {
		const struct template_pipe *pipe = node->pipe;
		for (uint32_t i = 0; pipe && i < pipe->nslots; i++)
			if (pipe->slots[i] == setter->slot) {
				setter->n++;
				setter->pipe = node->kind == NODE_RANGE ? NULL : pipe;
			}
		find_setter(node->body, setter);
		find_setter(node->otherwise, setter);
	}
}

/* A variable that is set once has the shape of what it is set to. */
static void shape_variable(struct search *search, uint32_t slot, struct buf *out)
{
	struct setter setter = { .slot = slot };
	if (slot >= SLOT_FIRST_OWN && search->depth < VARIABLES_DEEP_MAX)
		find_setter(search->definition->nodes, &setter);
	if (setter.n != 1 || !setter.pipe) {
		buf_add_char(out, TEMPLATE_HOLE);
		return;
	}
	search->depth++;
	shape_pipe(search, setter.pipe, out);
	search->depth--;
}

static void shape_operand(struct search *search, const struct template_operand *operand,
			  struct buf *out)
{
	if (operand->nfields > 0 || ++search->steps > SHAPE_STEPS_MAX)
		buf_add_char(out, TEMPLATE_HOLE);
	else if (operand->kind == OPERAND_CONSTANT)
		template_value_print(&operand->constant, out);
	else if (operand->kind == OPERAND_PIPE)
		shape_pipe(search, operand->pipe, out);
	else if (operand->kind == OPERAND_VARIABLE)
		shape_variable(search, operand->slot, out);
	else
		buf_add_char(out, TEMPLATE_HOLE);
}

/* ---- the calls ---- */

static void query_add(struct search *search, const struct template_operand *call, struct slice text)
{
	if (search->n == search->cap) {
		uint32_t cap = search->cap ? 2 * search->cap : 4;
		struct template_query *grown =
			ARENA_ARRAY(search->arena, struct template_query, cap);
		if (!grown) {
			search->code = ERR_NOMEM;
			return;
		}
		if (search->n)
			memcpy(grown, search->queries, search->n * sizeof(*grown));
		search->queries = grown;
		search->cap = cap;
	}
	struct slice copy = arena_slice(search->arena, text);
	if (text.len && !copy.ptr)
		search->code = ERR_NOMEM;
	else
		search->queries[search->n++] =
			(struct template_query){ call->offset, call->span, copy };
}

static void search_pipe(struct search *search, const struct template_pipe *pipe)
{
	struct buf piped;
	buf_init(&piped);
	for (const struct template_command *command = pipe->commands; command && !search->code;
	     command = command->next) {
		const struct template_operand *first = command->operands;
		for (const struct template_operand *operand = first; operand;
		     operand = operand->next)
			if (operand->kind == OPERAND_PIPE)
				search_pipe(search, operand->pipe);
		struct buf shape;
		buf_init(&shape);
		if (is_function(first, "query")) {
			if (first->next)
				shape_operand(search, first->next, &shape);
			else
				buf_add_slice(&shape, buf_slice(&piped));
			query_add(search, first, buf_slice(&shape));
			buf_clear(&shape);
		}
		shape_command(search, command, command == pipe->commands ? NULL : &piped, &shape);
		if (!buf_ok(&shape))
			search->code = ERR_NOMEM;
		buf_fini(&piped);
		piped = shape;
	}
	buf_fini(&piped);
}

static void search_nodes(struct search *search, const struct template_node *node)
{
	for (; node && !search->code; node = node->next) {
		if (node->pipe)
			search_pipe(search, node->pipe);
		search_nodes(search, node->body);
		search_nodes(search, node->otherwise);
	}
}

int template_queries(const struct template *template, struct arena *arena,
		     struct template_query **out, uint32_t *n)
{
	struct search search = { .arena = arena };
	if (template->uses_query)
		for (search.definition = &template->text; search.definition;
		     search.definition = search.definition->next)
			search_nodes(&search, search.definition->nodes);
	if (search.code)
		return search.code;
	*out = search.queries;
	*n = search.n;
	return 0;
}
