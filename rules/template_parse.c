/*
 * Templates: tokens → tree, by recursive descent. Here: what all parts of the parser use, and
 * actions with what they enclose.
 *
 * An error ends its action, not the parse: so that all errors of a template are told at once.
 */
#include "rules/template_parser.h"
#include "rules/warning.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

void *template_parser_alloc(struct template_parser *p, size_t size)
{
	void *memory = p->failed ? NULL : arena_alloc(p->arena, size);
	if (!memory && !p->failed)
		p->failed = ERR_NOMEM;
	return memory;
}

void template_advance(struct template_parser *p)
{
	p->token = template_lexer_next(&p->lexer);
	if (p->token.type == TOKEN_ERROR)
		p->broken = true;
}

void template_skip_space(struct template_parser *p)
{
	while (p->token.type == TOKEN_SPACE)
		template_advance(p);
}

/* One complaint an action: what follows from the first is not told. */
void template_complain(struct template_parser *p, size_t offset, size_t span, const char *hint,
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

void template_unexpected(struct template_parser *p, const char *where)
{
	struct template_token token = p->token;
	if (token.type == TOKEN_EOF)
		template_complain(p, token.offset ? token.offset - 1 : 0, 1, NULL,
				  "unclosed action: \"}}\" is missing");
	else
		template_complain(
			p, token.offset, token.text.len, NULL, "unexpected \"%.*s\" in %s",
			(int)(token.text.len < 40 ? token.text.len : 40), token.text.ptr, where);
}

void template_warn(struct template_parser *p, size_t offset, size_t span, const char *hint,
		   const char *format, ...)
{
	char message[400];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	rule_warn_at(p->lexer.diags, WARN_TEMPLATE, p->lexer.source, offset, span, hint, "%s",
		     message);
}

const char *template_did_you_mean(char *room, size_t size, const char *prefix, const char *name)
{
	if (!name)
		return NULL;
	snprintf(room, size, "did you mean \"%s%s\"?", prefix, name);
	return room;
}

/* Variables. */

int template_variable_find(const struct template_parser *p, struct slice name)
{
	const struct template_scope *scope = p->scope;
	for (uint32_t i = scope->nnames; i-- > 0;)
		if (scope->names[i] && slice_is(name, scope->names[i]))
			return (int)i;
	return -1;
}

uint32_t template_variable_add(struct template_parser *p, struct slice name)
{
	struct template_scope *scope = p->scope;
	if (scope->nnames == TEMPLATE_VARIABLES_MAX) {
		template_complain(p, (size_t)(name.ptr - p->lexer.source->text.ptr), name.len, NULL,
				  "more than %d variables in one scope", TEMPLATE_VARIABLES_MAX);
		return 0;
	}
	char *copy = p->failed ? NULL : arena_strdup(p->arena, name);
	if (!copy) {
		p->failed = p->failed ? p->failed : ERR_NOMEM;
		return 0;
	}
	scope->names[scope->nnames++] = copy;
	if (scope->nnames > scope->nslots)
		scope->nslots = scope->nnames;
	return scope->nnames - 1;
}

void template_unknown_variable(struct template_parser *p, struct template_token token)
{
	const struct template_scope *scope = p->scope;
	uint32_t first = scope->is_text ? SLOT_ROOT + 1 : SLOT_FIRST_OWN;
	char room[128];
	const char *near = nearest_name(token.text, scope->names + first, scope->nnames - first);
	const char *hint = template_did_you_mean(room, sizeof(room), "", near);
	if (!hint && !scope->is_text)
		hint = "a template has no variables but its own; what it is to know is handed to "
		       "it: {{ template \"x\" $labels }}";
	template_complain(p, token.offset, token.text.len, hint,
			  "undefined variable \"" SLICE_FMT "\"", SLICE_ARG(token.text));
}

/* Actions. */

void template_close_action(struct template_parser *p)
{
	if (p->broken || p->failed)
		template_lexer_skip_action(&p->lexer);
	p->broken = false;
}

static void close_keyword(struct template_parser *p, const char *what)
{
	template_advance(p);
	template_skip_space(p);
	if (p->token.type != TOKEN_CLOSE)
		template_unexpected(p, what);
	template_close_action(p);
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
static enum template_list_end parse_else(struct template_parser *p, struct template_node *node,
					 struct template_node **chained)
{
	template_advance(p);
	template_skip_space(p);
	enum node_kind kind =
		p->token.type == TOKEN_WORD ? control_kind(p->token.text) : NODE_ACTION;
	if (kind == NODE_IF || kind == NODE_WITH) {
		*chained = template_parser_alloc(p, sizeof(**chained));
		if (*chained) {
			(*chained)->kind = kind;
			node->otherwise = *chained;
			node->is_chained = true;
		}
		return ENDED_ELSE;
	}
	if (p->token.type != TOKEN_CLOSE)
		template_unexpected(p, "else");
	template_close_action(p);
	enum template_list_end end = template_parse_list(p, &node->otherwise);
	while (end == ENDED_ELSE && !p->failed) {
		struct template_node *ignored = NULL;
		template_complain(p, p->token.offset, p->token.text.len, NULL,
				  "a second {{ else }}");
		template_close_action(p);
		end = template_parse_list(p, &ignored);
	}
	return end;
}

/* One `if`, `with` or `range` of a chain: its pipeline and body. The keyword is the current token.
 */
static enum template_list_end parse_branch(struct template_parser *p, struct template_node *node,
					   const char *what)
{
	struct template_scope *scope = p->scope;
	bool dot_was_root = scope->dot_is_root;
	template_advance(p);
	node->pipe = template_parse_pipe(p, TOKEN_CLOSE, what);
	template_close_action(p);
	if (node->kind != NODE_IF)
		scope->dot_is_root = false;
	scope->loops += node->kind == NODE_RANGE;
	enum template_list_end end = template_parse_list(p, &node->body);
	scope->loops -= node->kind == NODE_RANGE;
	scope->dot_is_root = dot_was_root;
	return end;
}

static const char *control_name(enum node_kind kind)
{
	return kind == NODE_IF ? "if" : kind == NODE_WITH ? "with" : "range";
}

static void parse_control(struct template_parser *p, struct template_node *node)
{
	size_t open = p->open, span = p->token.offset + p->token.text.len - open;
	uint32_t nnames = p->scope->nnames;
	if (++p->depth > TEMPLATE_DEPTH_MAX) {
		template_complain(p, open, 2, NULL, "nested more than %d deep", TEMPLATE_DEPTH_MAX);
		p->failed = p->failed ? p->failed : ERR_INVALID;
	}
	enum template_list_end end = ENDED_END;
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
	p->scope->nnames = nnames;
	p->depth--;
}

static void parse_loop_control(struct template_parser *p, struct template_node *node)
{
	struct template_token word = p->token;
	node->kind = slice_is(word.text, "break") ? NODE_BREAK : NODE_CONTINUE;
	if (p->scope->loops == 0)
		template_complain(p, word.offset, word.text.len, NULL,
				  "\"" SLICE_FMT "\" outside of a range", SLICE_ARG(word.text));
	close_keyword(p, "an action without arguments");
}

/* An action that makes a node. The token is the one behind {{ and blanks. */
static void parse_action(struct template_parser *p, struct template_node *node)
{
	struct slice word = p->token.type == TOKEN_WORD ? p->token.text : (struct slice){ NULL, 0 };
	node->kind = control_kind(word);
	if (slice_is(word, "define")) {
		template_error(&p->lexer, p->token.offset, word.len, NULL,
			       "a template is defined at the top of the text, not within "
			       "something else");
		template_parse_definition(p);
	} else if (slice_is(word, "template") || slice_is(word, "block")) {
		template_parse_call(p, node, slice_is(word, "block"));
	} else if (slice_is(word, "break") || slice_is(word, "continue")) {
		parse_loop_control(p, node);
	} else if (node->kind != NODE_ACTION) {
		parse_control(p, node);
	} else {
		node->pipe = template_parse_pipe(p, TOKEN_CLOSE, "an action");
		template_close_action(p);
	}
}

enum template_list_end template_parse_list(struct template_parser *p, struct template_node **out)
{
	struct template_node **last = out;
	uint32_t nnames = p->scope->nnames;
	enum template_list_end end = ENDED_EOF;
	while (!p->failed) {
		template_advance(p);
		if (p->token.type == TOKEN_EOF)
			break;
		if (p->token.type == TOKEN_OPEN) {
			p->has_action = true;
			p->open = p->token.offset;
			template_advance(p);
			template_skip_space(p);
			if (p->token.type == TOKEN_WORD && slice_is(p->token.text, "end")) {
				close_keyword(p, "end");
				end = ENDED_END;
				break;
			}
			if (p->token.type == TOKEN_WORD && slice_is(p->token.text, "else")) {
				end = ENDED_ELSE;
				break;
			}
			if (p->depth == 0 && p->token.type == TOKEN_WORD &&
			    slice_is(p->token.text, "define")) {
				template_parse_definition(p);
				continue;
			}
		}
		struct template_node *node = template_parser_alloc(p, sizeof(*node));
		if (!node)
			break;
		if (p->token.type == TOKEN_TEXT)
			node->text = p->token.text;
		else
			parse_action(p, node);
		*last = node;
		last = &node->next;
	}
	p->scope->nnames = nnames;
	return end;
}

/* The whole text. A stray {{ end }} or {{ else }} is told and passed over. */
static void parse_all(struct template_parser *p, struct template_node **out)
{
	struct template_node **last = out;
	for (;;) {
		enum template_list_end end = template_parse_list(p, last);
		if (end == ENDED_EOF || p->failed)
			return;
		if (end == ENDED_ELSE)
			template_complain(p, p->token.offset, p->token.text.len, NULL,
					  "{{ else }} without an \"if\", \"with\" or \"range\"");
		else
			template_error(&p->lexer, p->open, 2, NULL, "{{ end }} closes nothing");
		template_close_action(p);
		while (*last)
			last = &(*last)->next;
	}
}

int template_parse(const struct source *source, struct arena *arena, struct diag_list *diags,
		   const struct template **out)
{
	static const char *const prelude[] = {
		"$",	  "$labels",   "$externalLabels", "$externalURL",
		"$value", "$activeAt", "$evidence"
	};
	struct template_scope scope = {
		.is_text = true, .dot_is_root = true, .nnames = N(prelude), .nslots = N(prelude)
	};
	struct template_parser p = { .arena = arena, .scope = &scope };
	memcpy(scope.names, prelude, sizeof(prelude));
	template_lexer_init(&p.lexer, source, diags);
	if (source->text.len > TEMPLATE_BYTES_MAX) {
		template_error(&p.lexer, 0, 1, NULL, "a template of more than %d bytes",
			       TEMPLATE_BYTES_MAX);
		return ERR_INVALID;
	}
	struct template *template = template_parser_alloc(&p, sizeof(*template));
	if (template)
		parse_all(&p, &template->text.nodes);
	if (!p.failed)
		template_find_definitions(&p);
	if (p.lexer.errors > 0)
		return ERR_INVALID;
	if (p.failed)
		return p.failed;
	template->source = source;
	template->text.nslots = scope.nslots;
	template->text.next = p.definitions;
	template->is_constant = !p.has_action;
	template->uses_value = p.uses_value;
	template->uses_episode = p.uses_episode;
	template->uses_query = p.uses_query;
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

bool template_uses_episode(const struct template *template)
{
	return template->uses_episode;
}

bool template_uses_query(const struct template *template)
{
	return template->uses_query;
}
