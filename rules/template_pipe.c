/* Templates: pipelines, their commands, and the variables that they set. */
#include "rules/template_parser.h"

static void warn_arity(struct template_parser *p, const struct template_operand *operand,
		       uint32_t given)
{
	uint32_t min, max;
	template_function_arity(operand->function, &min, &max);
	if (given < min || given > max)
		template_warn(p, operand->offset, operand->span, NULL,
			      "\"%s\" takes %s%u argument%s but is given %u: rendering will fail",
			      operand->function->name, max == UINT32_MAX ? "at least " : "", min,
			      min == 1 ? "" : "s", given);
}

/* stage: 0 for the first of a pipeline; later ones get the result of the former as last argument.
 */
static void check_command(struct template_parser *p, const struct template_command *command,
			  unsigned stage)
{
	const struct template_operand *first = command->operands;
	if (stage > 0 && first->nfields == 0 &&
	    (first->kind == OPERAND_CONSTANT || first->kind == OPERAND_NIL ||
	     first->kind == OPERAND_DOT)) {
		template_complain(p, first->offset, first->span, NULL,
				  "a pipeline goes on into a function, not into a value");
		return;
	}
	if (first->kind == OPERAND_NIL)
		template_warn(p, first->offset, first->span, NULL,
			      "nil is not a command: rendering will fail");
	uint32_t args = command->noperands - 1 + (stage > 0);
	if (first->kind == OPERAND_FUNCTION)
		warn_arity(p, first, args);
	else if (args > 0) {
		const struct template_operand *second = first->next;
		const char *hint = second && second->kind == OPERAND_FUNCTION
					   ? "pass a value on with \"|\""
					   : NULL;
		template_warn(p, first->offset, first->span, hint,
			      "\"%.*s\" is a value: it takes no arguments, rendering will fail",
			      (int)first->span, p->lexer.source->text.ptr + first->offset);
	}
	for (const struct template_operand *arg = first->next; arg; arg = arg->next)
		if (arg->kind == OPERAND_FUNCTION)
			warn_arity(p, arg, 0);
}

static struct template_command *parse_command(struct template_parser *p, unsigned stage,
					      const char *what)
{
	struct template_command *command = template_parser_alloc(p, sizeof(*command));
	if (!command)
		return NULL;
	struct template_operand **last = &command->operands;
	template_skip_space(p);
	while (!p->broken && !p->failed && template_starts_operand(p->token.type)) {
		*last = template_parse_operand(p);
		if (!*last)
			return NULL;
		last = &(*last)->next;
		command->noperands++;
		template_skip_space(p);
	}
	if (p->broken || p->failed)
		return NULL;
	if (command->noperands == 0) {
		if (p->token.type == TOKEN_CLOSE || p->token.type == TOKEN_RPAREN ||
		    p->token.type == TOKEN_PIPE)
			template_complain(p, p->token.offset, p->token.text.len, NULL,
					  "a value is missing in %s", what);
		else
			template_unexpected(p, what);
		return NULL;
	}
	check_command(p, command, stage);
	return command;
}

/* Are we at `$x :=`, `$x =` or `$x,`? Looked at in the raw text, so that nothing is complained
 * about twice. */
static bool at_declaration(const struct template_parser *p)
{
	struct slice whole = p->lexer.source->text;
	size_t at = p->lexer.at;
	if (p->token.type != TOKEN_VARIABLE)
		return false;
	while (at < whole.len && strchr(" \t\r\n", whole.ptr[at]) && whole.ptr[at])
		at++;
	return at < whole.len &&
	       (whole.ptr[at] == '=' || whole.ptr[at] == ',' ||
		(whole.ptr[at] == ':' && at + 1 < whole.len && whole.ptr[at + 1] == '='));
}

struct declaration {
	struct template_token names[2];
	uint32_t n;
	bool assigns;
};

static void parse_declaration(struct template_parser *p, struct declaration *declaration,
			      bool in_range)
{
	for (bool more = at_declaration(p); more && !p->broken;) {
		if (declaration->n == 2 || (declaration->n == 1 && !in_range)) {
			template_complain(p, p->token.offset, p->token.text.len, NULL,
					  "too many variables are set at once");
			return;
		}
		declaration->names[declaration->n++] = p->token;
		template_advance(p);
		template_skip_space(p);
		more = p->token.type == TOKEN_COMMA;
		declaration->assigns = p->token.type == TOKEN_ASSIGN;
		template_advance(p);
		template_skip_space(p);
		if (more && !at_declaration(p))
			template_unexpected(p, "a list of variables");
	}
}

/* Slots of the variables, after the pipeline: in {{ $x := $x }} the second is the outer one. */
static void bind_declaration(struct template_parser *p, const struct declaration *declaration,
			     struct template_pipe *pipe)
{
	for (uint32_t i = 0; i < declaration->n && !p->broken; i++) {
		struct template_token name = declaration->names[i];
		int slot = declaration->assigns ? template_variable_find(p, name.text) : 0;
		if (slot < 0)
			template_unknown_variable(p, name);
		else
			pipe->slots[i] = declaration->assigns ? (uint32_t)slot
							      : template_variable_add(p, name.text);
	}
	pipe->nslots = declaration->n;
}

struct template_pipe *template_parse_pipe(struct template_parser *p, enum template_token_type close,
					  const char *what)
{
	struct declaration declaration = { .n = 0 };
	struct template_pipe *pipe = template_parser_alloc(p, sizeof(*pipe));
	if (!pipe)
		return NULL;
	if (++p->depth > TEMPLATE_DEPTH_MAX) {
		template_complain(p, p->token.offset, 1, NULL, "nested more than %d deep",
				  TEMPLATE_DEPTH_MAX);
		p->depth--;
		return NULL;
	}
	template_skip_space(p);
	pipe->offset = (uint32_t)p->token.offset;
	parse_declaration(p, &declaration, strcmp(what, "range") == 0);
	struct template_command **last = &pipe->commands;
	for (unsigned stage = 0; !p->broken && !p->failed; stage++) {
		*last = parse_command(p, stage, what);
		if (!*last || p->token.type != TOKEN_PIPE)
			break;
		last = &(*last)->next;
		template_advance(p);
	}
	if (!p->broken && !p->failed && p->token.type != close)
		template_unexpected(p, what);
	bind_declaration(p, &declaration, pipe);
	p->depth--;
	return pipe;
}
