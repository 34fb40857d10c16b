/*
 * Templates: tokens → tree, by recursive descent.
 *
 * An error ends its action, not the parse: so that all errors of a template are told at once. What
 * Go (and so Prometheus) accepts when it loads a file, but fails at when it renders, is a warning
 * here.
 */
#include "rules/template_tree.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

#define FIELDS_MAX 16 /* in one chain: .a.b.c */

static const char *const keywords[] = { "if",	 "else",     "end",    "range",	   "with",
					"break", "continue", "define", "template", "block" };
static const char *const root_fields[] = { "Labels", "ExternalLabels", "ExternalURL", "Value" };
#define N(array) (sizeof(array) / sizeof(*(array)))

struct parser {
	struct template_lexer lexer;
	struct template_token token; /* the one being looked at */
	struct arena *arena;
	const char *names[TEMPLATE_VARIABLES_MAX]; /* of the variables in scope, by slot */
	uint32_t nnames, nslots;
	size_t open; /* where the current action begins */
	unsigned depth, loops;
	bool dot_is_root;
	bool uses_value, has_action;
	bool broken; /* the current action has been complained about */
	int failed;  /* memory or a limit: nothing goes on */
};

/* How a list of nodes ended. */
enum list_end { ENDED_EOF, ENDED_END, ENDED_ELSE };

static enum list_end parse_list(struct parser *p, struct template_node **out);
static struct template_pipe *parse_pipe(struct parser *p, enum template_token_type close,
					const char *what);

static void *alloc(struct parser *p, size_t size)
{
	void *memory = p->failed ? NULL : arena_alloc(p->arena, size);
	if (!memory && !p->failed)
		p->failed = ERR_NOMEM;
	return memory;
}

static void advance(struct parser *p)
{
	p->token = template_lexer_next(&p->lexer);
	if (p->token.type == TOKEN_ERROR)
		p->broken = true;
}

static void skip_space(struct parser *p)
{
	while (p->token.type == TOKEN_SPACE)
		advance(p);
}

/* One complaint an action: what follows from the first is not told. */
static void complain(struct parser *p, size_t offset, size_t span, const char *hint,
		     const char *format, ...) __attribute__((format(printf, 5, 6)));
static void complain(struct parser *p, size_t offset, size_t span, const char *hint,
		     const char *format, ...)
{
	char message[400];
	if (p->broken)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	template_error(&p->lexer, offset, span, hint, "%s", message);
	p->broken = true;
}

static void unexpected(struct parser *p, const char *where)
{
	struct template_token token = p->token;
	if (token.type == TOKEN_EOF)
		complain(p, token.offset ? token.offset - 1 : 0, 1, NULL,
			 "unclosed action: \"}}\" is missing");
	else
		complain(p, token.offset, token.text.len, NULL, "unexpected \"%.*s\" in %s",
			 (int)(token.text.len < 40 ? token.text.len : 40), token.text.ptr, where);
}

static void warn(struct parser *p, size_t offset, size_t span, const char *hint, const char *format,
		 ...) __attribute__((format(printf, 5, 6)));
static void warn(struct parser *p, size_t offset, size_t span, const char *hint, const char *format,
		 ...)
{
	char message[400];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	diag_add_at(p->lexer.diags, DIAG_WARNING, p->lexer.source, offset, span ? span : 1, hint,
		    "%s", message);
}

static const char *did_you_mean(char *room, size_t size, const char *prefix, const char *name)
{
	if (!name)
		return NULL;
	snprintf(room, size, "did you mean \"%s%s\"?", prefix, name);
	return room;
}

/* Variables. */

static int variable_find(const struct parser *p, struct slice name)
{
	for (uint32_t i = p->nnames; i-- > 0;)
		if (slice_is(name, p->names[i]))
			return (int)i;
	return -1;
}

static uint32_t variable_add(struct parser *p, struct slice name)
{
	if (p->nnames == TEMPLATE_VARIABLES_MAX) {
		complain(p, (size_t)(name.ptr - p->lexer.source->text.ptr), name.len, NULL,
			 "more than %d variables in one scope", TEMPLATE_VARIABLES_MAX);
		return 0;
	}
	char *copy = p->failed ? NULL : arena_strdup(p->arena, name);
	if (!copy) {
		p->failed = p->failed ? p->failed : ERR_NOMEM;
		return 0;
	}
	p->names[p->nnames++] = copy;
	if (p->nnames > p->nslots)
		p->nslots = p->nnames;
	return p->nnames - 1;
}

static void unknown_variable(struct parser *p, struct template_token token)
{
	static const char *const later[] = { "$activeAt", "$evidence" };
	char hint[128];
	for (size_t i = 0; i < N(later); i++)
		if (slice_is(token.text, later[i])) {
			complain(p, token.offset, token.text.len, NULL,
				 "variable \"%s\" is not there yet", later[i]);
			return;
		}
	const char *near = nearest_name(token.text, p->names + 1, p->nnames - 1);
	complain(p, token.offset, token.text.len, did_you_mean(hint, sizeof(hint), "", near),
		 "undefined variable \"" SLICE_FMT "\"", SLICE_ARG(token.text));
}

/* Operands. */

/* For `labels.x` and `Labels.x`, which lack their first character. */
static const char *sigil_hint(const struct parser *p, struct slice word, char *room, size_t size)
{
	for (uint32_t i = 1; i < p->nnames; i++)
		if (slice_is(word, p->names[i] + 1))
			return did_you_mean(room, size, "", p->names[i]);
	for (size_t i = 0; i < N(root_fields); i++)
		if (slice_is(word, root_fields[i]))
			return did_you_mean(room, size, ".", root_fields[i]);
	return NULL;
}

static void unknown_function(struct parser *p, struct template_token token)
{
	char room[128];
	const char *hint = sigil_hint(p, token.text, room, sizeof(room));
	if (!hint)
		hint = did_you_mean(room, sizeof(room), "", template_function_nearest(token.text));
	if (!hint)
		hint = did_you_mean(room, sizeof(room), "",
				    nearest_name(token.text, keywords, N(keywords)));
	complain(p, token.offset, token.text.len, hint, "unknown function \"" SLICE_FMT "\"",
		 SLICE_ARG(token.text));
}

static void parse_word(struct parser *p, struct template_operand *operand)
{
	struct slice word = p->token.text;
	if (slice_is(word, "true") || slice_is(word, "false")) {
		operand->kind = OPERAND_CONSTANT;
		operand->constant =
			(struct template_value){ .type = TEMPLATE_BOOL, .boolean = word.len == 4 };
	} else if (slice_is(word, "nil")) {
		operand->kind = OPERAND_NIL;
	} else {
		operand->kind = OPERAND_FUNCTION;
		operand->function = template_function_find(word);
		if (!operand->function)
			unknown_function(p, p->token);
		else if (!operand->function->fn && operand->function->lazy == LAZY_NOT)
			complain(p, p->token.offset, word.len, NULL,
				 "function \"" SLICE_FMT "\" is not there yet", SLICE_ARG(word));
	}
}

static void parse_literal(struct parser *p, struct template_operand *operand)
{
	struct template_token token = p->token;
	struct slice text = { NULL, 0 };
	int error = 0;
	operand->kind = OPERAND_CONSTANT;
	if (token.type == TOKEN_NUMBER)
		error = template_number(token.text, &operand->constant) ? 0 : ERR_INVALID;
	else if (token.type == TOKEN_CHAR)
		error = template_char(token.text, p->arena, &operand->constant);
	else
		error = template_unquote(token.text, p->arena, &text);
	if (token.type == TOKEN_STRING || token.type == TOKEN_RAW_STRING)
		operand->constant = template_string(text);
	if (error == ERR_NOMEM)
		p->failed = p->failed ? p->failed : error;
	else if (error)
		complain(p, token.offset, token.text.len, NULL,
			 token.type == TOKEN_CHAR ? "bad character literal" : "bad escape in a string");
}

/* What a chain of fields starts from. Leaves the token behind it. */
static void parse_term(struct parser *p, struct template_operand *operand)
{
	switch (p->token.type) {
	case TOKEN_WORD:
		parse_word(p, operand);
		break;
	case TOKEN_DOT:
		operand->kind = OPERAND_DOT;
		break;
	case TOKEN_FIELD:
		operand->kind = OPERAND_DOT;
		return; /* the token is the first of the chain */
	case TOKEN_VARIABLE: {
		int slot = variable_find(p, p->token.text);
		operand->kind = OPERAND_VARIABLE;
		operand->slot = slot < 0 ? 0 : (uint32_t)slot;
		if (slot < 0)
			unknown_variable(p, p->token);
		break;
	}
	case TOKEN_LPAREN:
		operand->kind = OPERAND_PIPE;
		advance(p);
		operand->pipe = parse_pipe(p, TOKEN_RPAREN, "parentheses");
		if (p->broken || p->failed)
			return;
		break;
	default:
		parse_literal(p, operand);
	}
	advance(p);
}

static void parse_fields(struct parser *p, struct template_operand *operand)
{
	struct slice fields[FIELDS_MAX];
	uint32_t n = 0;
	for (; p->token.type == TOKEN_FIELD && !p->broken; advance(p)) {
		if (n == FIELDS_MAX) {
			complain(p, p->token.offset, p->token.text.len, NULL,
				 "a chain of more than %d fields", FIELDS_MAX);
			return;
		}
		fields[n++] = (struct slice){ p->token.text.ptr + 1, p->token.text.len - 1 };
	}
	if (n == 0 || p->broken)
		return;
	operand->fields = alloc(p, n * sizeof(*fields));
	if (!operand->fields)
		return;
	memcpy(operand->fields, fields, n * sizeof(*fields));
	operand->nfields = n;
}

/* Is the operand the data itself, by name or as the dot? */
static bool is_root(const struct parser *p, const struct template_operand *operand)
{
	return (operand->kind == OPERAND_DOT && p->dot_is_root) ||
	       (operand->kind == OPERAND_VARIABLE && operand->slot == SLOT_ROOT);
}

/* A label's text has no fields: {{ $labels.service.name }} is a label with a dot in its name, or a
 * slip. */
static void check_label_chain(struct parser *p, const struct template_operand *operand, uint32_t at)
{
	char hint[256];
	if (operand->nfields <= at + 1)
		return;
	struct slice a = operand->fields[at], b = operand->fields[at + 1];
	snprintf(hint, sizeof(hint), "for a label of that name: {{ index $labels \"%.*s.%.*s\" }}",
		 (int)(a.len < 80 ? a.len : 80), a.ptr, (int)(b.len < 80 ? b.len : 80), b.ptr);
	warn(p, operand->offset, operand->span, hint,
	     "label \"%.*s\" is a text: it has no field \"%.*s\", rendering will fail",
	     (int)(a.len < 80 ? a.len : 80), a.ptr, (int)(b.len < 80 ? b.len : 80), b.ptr);
}

static void check_root_field(struct parser *p, const struct template_operand *operand)
{
	char hint[128];
	struct slice name = operand->fields[0];
	for (size_t i = 0; i < N(root_fields); i++)
		if (slice_is(name, root_fields[i])) {
			if (i < 2)
				check_label_chain(p, operand, 1);
			return;
		}
	warn(p, operand->offset, operand->span,
	     did_you_mean(hint, sizeof(hint), ".", nearest_name(name, root_fields, N(root_fields))),
	     "the data has no field \"%.*s\": rendering will fail",
	     (int)(name.len < 80 ? name.len : 80), name.ptr);
}

static bool ends_in_time(const struct template_pipe *pipe)
{
	const struct template_command *last = pipe ? pipe->commands : NULL;
	while (last && last->next)
		last = last->next;
	return last && last->operands->kind == OPERAND_FUNCTION &&
	       (strcmp(last->operands->function->name, "toTime") == 0 ||
		strcmp(last->operands->function->name, "toDuration") == 0);
}

static void check_operand(struct parser *p, const struct template_operand *operand)
{
	if (operand->nfields > 0 &&
	    (operand->kind == OPERAND_CONSTANT || operand->kind == OPERAND_NIL ||
	     operand->kind == OPERAND_FUNCTION))
		complain(p, operand->offset, operand->span, NULL,
			 "unexpected field \"." SLICE_FMT "\" after a term",
			 SLICE_ARG(operand->fields[0]));
	if (operand->kind == OPERAND_PIPE && operand->nfields > 0 && ends_in_time(operand->pipe))
		complain(p, operand->offset, operand->span, NULL,
			 "the methods of times and durations are not there yet");
	if (is_root(p, operand)) {
		if (operand->nfields == 0 || slice_is(operand->fields[0], "Value"))
			p->uses_value = true;
		if (operand->nfields > 0)
			check_root_field(p, operand);
	} else if (operand->kind == OPERAND_VARIABLE && operand->slot == SLOT_VALUE) {
		p->uses_value = true;
	} else if (operand->kind == OPERAND_VARIABLE &&
		   (operand->slot == SLOT_LABELS || operand->slot == SLOT_EXTERNAL_LABELS)) {
		check_label_chain(p, operand, 0);
	}
}

static bool starts_operand(enum template_token_type type)
{
	return type == TOKEN_WORD || type == TOKEN_DOT || type == TOKEN_FIELD ||
	       type == TOKEN_VARIABLE || type == TOKEN_LPAREN || type == TOKEN_NUMBER ||
	       type == TOKEN_CHAR || type == TOKEN_STRING || type == TOKEN_RAW_STRING;
}

static struct template_operand *parse_operand(struct parser *p)
{
	struct template_operand *operand = alloc(p, sizeof(*operand));
	if (!operand)
		return NULL;
	operand->offset = (uint32_t)p->token.offset;
	parse_term(p, operand);
	if (!p->broken && !p->failed)
		parse_fields(p, operand);
	if (p->broken || p->failed)
		return operand;
	operand->span = (uint32_t)(p->token.offset - operand->offset);
	check_operand(p, operand);
	enum template_token_type after = p->token.type;
	if (starts_operand(after))
		complain(p, p->token.offset, p->token.text.len, NULL,
			 "a blank is missing before \"" SLICE_FMT "\"", SLICE_ARG(p->token.text));
	else if (after != TOKEN_SPACE && after != TOKEN_CLOSE && after != TOKEN_RPAREN &&
		 after != TOKEN_PIPE)
		unexpected(p, "an operand");
	return operand;
}

/* Commands and pipelines. */

static void warn_arity(struct parser *p, const struct template_operand *operand, uint32_t given)
{
	uint32_t min, max;
	template_function_arity(operand->function, &min, &max);
	if (given < min || given > max)
		warn(p, operand->offset, operand->span, NULL,
		     "\"%s\" takes %s%u argument%s but is given %u: rendering will fail",
		     operand->function->name, max == UINT32_MAX ? "at least " : "", min,
		     min == 1 ? "" : "s", given);
}

/* stage: 0 for the first of a pipeline; later ones get the result of the former as last argument.
 */
static void check_command(struct parser *p, const struct template_command *command, unsigned stage)
{
	const struct template_operand *first = command->operands;
	if (stage > 0 && first->nfields == 0 &&
	    (first->kind == OPERAND_CONSTANT || first->kind == OPERAND_NIL ||
	     first->kind == OPERAND_DOT)) {
		complain(p, first->offset, first->span, NULL,
			 "a pipeline goes on into a function, not into a value");
		return;
	}
	if (first->kind == OPERAND_NIL)
		complain(p, first->offset, first->span, NULL, "nil is not a command");
	uint32_t args = command->noperands - 1 + (stage > 0);
	if (first->kind == OPERAND_FUNCTION)
		warn_arity(p, first, args);
	else if (args > 0) {
		const struct template_operand *second = first->next;
		const char *hint = second && second->kind == OPERAND_FUNCTION
					   ? "pass a value on with \"|\""
					   : NULL;
		warn(p, first->offset, first->span, hint,
		     "\"%.*s\" is a value: it takes no arguments, rendering will fail",
		     (int)first->span, p->lexer.source->text.ptr + first->offset);
	}
	for (const struct template_operand *arg = first->next; arg; arg = arg->next)
		if (arg->kind == OPERAND_FUNCTION)
			warn_arity(p, arg, 0);
}

static struct template_command *parse_command(struct parser *p, unsigned stage, const char *what)
{
	struct template_command *command = alloc(p, sizeof(*command));
	if (!command)
		return NULL;
	struct template_operand **last = &command->operands;
	skip_space(p);
	while (!p->broken && !p->failed && starts_operand(p->token.type)) {
		*last = parse_operand(p);
		if (!*last)
			return NULL;
		last = &(*last)->next;
		command->noperands++;
		skip_space(p);
	}
	if (p->broken || p->failed)
		return NULL;
	if (command->noperands == 0) {
		if (p->token.type == TOKEN_CLOSE || p->token.type == TOKEN_RPAREN ||
		    p->token.type == TOKEN_PIPE)
			complain(p, p->token.offset, p->token.text.len, NULL,
				 "a value is missing in %s", what);
		else
			unexpected(p, what);
		return NULL;
	}
	check_command(p, command, stage);
	return command;
}

/* Are we at `$x :=`, `$x =` or `$x,`? Looked at in the raw text, so that nothing is complained
 * about twice. */
static bool at_declaration(const struct parser *p)
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

static void parse_declaration(struct parser *p, struct declaration *declaration, bool in_range)
{
	for (bool more = at_declaration(p); more && !p->broken;) {
		if (declaration->n == 2 || (declaration->n == 1 && !in_range)) {
			complain(p, p->token.offset, p->token.text.len, NULL,
				 "too many variables are set at once");
			return;
		}
		declaration->names[declaration->n++] = p->token;
		advance(p);
		skip_space(p);
		more = p->token.type == TOKEN_COMMA;
		declaration->assigns = p->token.type == TOKEN_ASSIGN;
		advance(p);
		skip_space(p);
		if (more && !at_declaration(p))
			unexpected(p, "a list of variables");
	}
}

/* Slots of the variables, after the pipeline: in {{ $x := $x }} the second is the outer one. */
static void bind_declaration(struct parser *p, const struct declaration *declaration,
			     struct template_pipe *pipe)
{
	for (uint32_t i = 0; i < declaration->n && !p->broken; i++) {
		struct template_token name = declaration->names[i];
		int slot = declaration->assigns ? variable_find(p, name.text) : 0;
		if (slot < 0)
			unknown_variable(p, name);
		else
			pipe->slots[i] =
				declaration->assigns ? (uint32_t)slot : variable_add(p, name.text);
	}
	pipe->nslots = declaration->n;
}

static struct template_pipe *parse_pipe(struct parser *p, enum template_token_type close,
					const char *what)
{
	struct declaration declaration = { .n = 0 };
	struct template_pipe *pipe = alloc(p, sizeof(*pipe));
	if (!pipe)
		return NULL;
	if (++p->depth > TEMPLATE_DEPTH_MAX) {
		complain(p, p->token.offset, 1, NULL, "nested more than %d deep",
			 TEMPLATE_DEPTH_MAX);
		p->depth--;
		return NULL;
	}
	skip_space(p);
	parse_declaration(p, &declaration, strcmp(what, "range") == 0);
	struct template_command **last = &pipe->commands;
	for (unsigned stage = 0; !p->broken && !p->failed; stage++) {
		*last = parse_command(p, stage, what);
		if (!*last || p->token.type != TOKEN_PIPE)
			break;
		last = &(*last)->next;
		advance(p);
	}
	if (!p->broken && !p->failed && p->token.type != close)
		unexpected(p, what);
	bind_declaration(p, &declaration, pipe);
	p->depth--;
	return pipe;
}

/* Actions. */

/* Behind the pipeline of an action: the closing }}, or whatever is left is skipped. */
static void close_action(struct parser *p)
{
	if (p->broken || p->failed)
		template_lexer_skip_action(&p->lexer);
	p->broken = false;
}

static void close_keyword(struct parser *p, const char *what)
{
	advance(p);
	skip_space(p);
	if (p->token.type != TOKEN_CLOSE)
		unexpected(p, what);
	close_action(p);
}

static enum node_kind control_kind(struct slice word)
{
	if (slice_is(word, "if"))
		return NODE_IF;
	if (slice_is(word, "with"))
		return NODE_WITH;
	return slice_is(word, "range") ? NODE_RANGE : NODE_ACTION;
}

/* `else if` and `else with` make a chain: each is the only node of the former's otherwise. */
static enum list_end parse_else(struct parser *p, struct template_node *node,
				struct template_node **chained)
{
	advance(p);
	skip_space(p);
	enum node_kind kind =
		p->token.type == TOKEN_WORD ? control_kind(p->token.text) : NODE_ACTION;
	if (kind == NODE_IF || kind == NODE_WITH) {
		*chained = alloc(p, sizeof(**chained));
		if (*chained) {
			(*chained)->kind = kind;
			node->otherwise = *chained;
			node->is_chained = true;
		}
		return ENDED_ELSE;
	}
	if (p->token.type != TOKEN_CLOSE)
		unexpected(p, "else");
	close_action(p);
	enum list_end end = parse_list(p, &node->otherwise);
	while (end == ENDED_ELSE && !p->failed) {
		struct template_node *ignored = NULL;
		complain(p, p->token.offset, p->token.text.len, NULL, "a second {{ else }}");
		close_action(p);
		end = parse_list(p, &ignored);
	}
	return end;
}

/* One `if`, `with` or `range` of a chain: its pipeline and body. The keyword is the current token.
 */
static enum list_end parse_branch(struct parser *p, struct template_node *node, const char *what)
{
	bool dot_was_root = p->dot_is_root;
	advance(p);
	node->pipe = parse_pipe(p, TOKEN_CLOSE, what);
	close_action(p);
	if (node->kind != NODE_IF)
		p->dot_is_root = false;
	p->loops += node->kind == NODE_RANGE;
	enum list_end end = parse_list(p, &node->body);
	p->loops -= node->kind == NODE_RANGE;
	p->dot_is_root = dot_was_root;
	return end;
}

static const char *control_name(enum node_kind kind)
{
	return kind == NODE_IF ? "if" : kind == NODE_WITH ? "with" : "range";
}

static void parse_control(struct parser *p, struct template_node *node)
{
	size_t open = p->open, span = p->token.offset + p->token.text.len - open;
	uint32_t scope = p->nnames;
	if (++p->depth > TEMPLATE_DEPTH_MAX) {
		complain(p, open, 2, NULL, "nested more than %d deep", TEMPLATE_DEPTH_MAX);
		p->failed = p->failed ? p->failed : ERR_INVALID;
	}
	enum list_end end = ENDED_END;
	for (struct template_node *chained = node; chained && !p->failed;) {
		struct template_node *branch = chained;
		chained = NULL;
		end = parse_branch(p, branch, control_name(branch->kind));
		if (end == ENDED_ELSE)
			end = parse_else(p, branch, &chained);
	}
	if (!p->failed && end != ENDED_END)
		template_error(&p->lexer, open, span, NULL,
			       "\"%s\" is not closed: {{ end }} is missing",
			       control_name(node->kind));
	p->nnames = scope;
	p->depth--;
}

static void parse_loop_control(struct parser *p, struct template_node *node)
{
	struct template_token word = p->token;
	node->kind = slice_is(word.text, "break") ? NODE_BREAK : NODE_CONTINUE;
	if (p->loops == 0)
		complain(p, word.offset, word.text.len, NULL,
			 "\"" SLICE_FMT "\" outside of a range", SLICE_ARG(word.text));
	close_keyword(p, "an action without arguments");
}

/* An action that makes a node. The token is the one behind {{ and blanks. */
static void parse_action(struct parser *p, struct template_node *node)
{
	struct slice word = p->token.type == TOKEN_WORD ? p->token.text : (struct slice){ NULL, 0 };
	node->kind = control_kind(word);
	if (slice_is(word, "define") || slice_is(word, "template") || slice_is(word, "block")) {
		complain(p, p->token.offset, word.len, NULL, "\"" SLICE_FMT "\" is not there yet",
			 SLICE_ARG(word));
		close_action(p);
	} else if (slice_is(word, "break") || slice_is(word, "continue")) {
		parse_loop_control(p, node);
	} else if (node->kind != NODE_ACTION) {
		parse_control(p, node);
	} else {
		node->pipe = parse_pipe(p, TOKEN_CLOSE, "an action");
		close_action(p);
	}
}

/* Nodes up to the end of the text, {{ end }} (consumed) or {{ else (the word consumed by
 * parse_else). */
static enum list_end parse_list(struct parser *p, struct template_node **out)
{
	struct template_node **last = out;
	uint32_t scope = p->nnames;
	enum list_end end = ENDED_EOF;
	while (!p->failed) {
		advance(p);
		if (p->token.type == TOKEN_EOF)
			break;
		if (p->token.type == TOKEN_OPEN) {
			p->has_action = true;
			p->open = p->token.offset;
			advance(p);
			skip_space(p);
			if (p->token.type == TOKEN_WORD && slice_is(p->token.text, "end")) {
				close_keyword(p, "end");
				end = ENDED_END;
				break;
			}
			if (p->token.type == TOKEN_WORD && slice_is(p->token.text, "else")) {
				end = ENDED_ELSE;
				break;
			}
		}
		struct template_node *node = alloc(p, sizeof(*node));
		if (!node)
			break;
		if (p->token.type == TOKEN_TEXT)
			node->text = p->token.text;
		else
			parse_action(p, node);
		*last = node;
		last = &node->next;
	}
	p->nnames = scope;
	return end;
}

/* The whole text. A stray {{ end }} or {{ else }} is told and passed over. */
static void parse_all(struct parser *p, struct template_node **out)
{
	struct template_node **last = out;
	for (;;) {
		enum list_end end = parse_list(p, last);
		if (end == ENDED_EOF || p->failed)
			return;
		if (end == ENDED_ELSE)
			complain(p, p->token.offset, p->token.text.len, NULL,
				 "{{ else }} without an \"if\", \"with\" or \"range\"");
		else
			template_error(&p->lexer, p->open, 2, NULL, "{{ end }} closes nothing");
		close_action(p);
		while (*last)
			last = &(*last)->next;
	}
}

int template_parse(const struct source *source, struct arena *arena, struct diag_list *diags,
		   const struct template **out)
{
	static const char *const prelude[] = { "$", "$labels", "$externalLabels", "$externalURL",
					       "$value" };
	struct parser p = {
		.arena = arena, .dot_is_root = true, .nnames = N(prelude), .nslots = N(prelude)
	};
	memcpy(p.names, prelude, sizeof(prelude));
	template_lexer_init(&p.lexer, source, diags);
	if (source->text.len > TEMPLATE_BYTES_MAX) {
		template_error(&p.lexer, 0, 1, NULL, "a template of more than %d bytes",
			       TEMPLATE_BYTES_MAX);
		return ERR_INVALID;
	}
	struct template *template = alloc(&p, sizeof(*template));
	if (template)
		parse_all(&p, &template->nodes);
	if (p.lexer.errors > 0)
		return ERR_INVALID;
	if (p.failed)
		return p.failed;
	template->source = source;
	template->nslots = p.nslots;
	template->is_constant = !p.has_action;
	template->uses_value = p.uses_value;
	*out = template;
	return 0;
}

bool template_is_constant(const struct template *template)
{
	return template->is_constant;
}

bool template_uses_value(const struct template *template)
{
	return template->uses_value;
}
