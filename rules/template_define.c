/*
 * Templates within the text: {{ define "x" }}, {{ template "x" . }}, {{ block "x" . }}.
 *
 * As in Go they may be used before they are defined, and themselves by themselves; so which
 * definition is meant is settled when the whole text has been read.
 */
#include "rules/template_parser.h"

#include <string.h>

#include "base/error.h"

/* Names looked at for "did you mean". */
#define NEAR_NAMES_MAX 64

/* The name, a text in quotes, as the current token. False: complained about. */
static bool parse_name(struct template_parser *p, const char *what, struct slice *out)
{
	template_advance(p);
	template_skip_space(p);
	if (p->token.type == TOKEN_STRING || p->token.type == TOKEN_RAW_STRING) {
		int error = template_unquote(p->token.text, p->arena, out);
		if (!error)
			return true;
		if (error == ERR_NOMEM)
			p->failed = p->failed ? p->failed : error;
		template_complain(p, p->token.offset, p->token.text.len, NULL,
				  "bad escape in a string");
	} else if (p->token.type == TOKEN_CLOSE) {
		template_complain(p, p->token.offset, p->token.text.len, NULL,
				  "the name is missing in %s", what);
	} else {
		template_complain(p, p->token.offset, p->token.text.len,
				  p->token.type == TOKEN_WORD ? "put the name in quotes" : NULL,
				  "%s wants a name in quotes", what);
	}
	return false;
}

/* ---- definitions ---- */

static bool is_blank(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!memchr(" \t\n\v\f\r", text.ptr[i], 6))
			return false;
	return true;
}

/* Nothing but blanks: what may be defined anew, or be there beside another. */
static bool is_empty(const struct template_definition *definition)
{
	for (const struct template_node *node = definition->nodes; node; node = node->next)
		if (node->kind != NODE_TEXT || !is_blank(node->text))
			return false;
	return true;
}

static struct template_definition *find(const struct template_parser *p, struct slice name)
{
	struct template_definition *definition = p->definitions;
	while (definition && !slice_is_equal(definition->name, name))
		definition = definition->next;
	return definition;
}

static void add(struct template_parser *p, struct template_definition *definition,
		struct template_token name)
{
	struct template_definition *other = find(p, definition->name);
	if (!other && p->ndefinitions == TEMPLATE_DEFINITIONS_MAX) {
		template_error(&p->lexer, name.offset, name.text.len, NULL,
			       "more than %d templates in one text", TEMPLATE_DEFINITIONS_MAX);
	} else if (!other) {
		definition->next = p->definitions;
		p->definitions = definition;
		p->ndefinitions++;
	} else if (is_empty(other)) {
		other->nodes = definition->nodes;
		other->nslots = definition->nslots;
	} else if (!is_empty(definition)) {
		template_error(&p->lexer, name.offset, name.text.len, NULL,
			       "template " SLICE_FMT " is defined already", SLICE_ARG(name.text));
	}
}

/* What is defined, up to its {{ end }}. A name that was complained about is NULL. */
static void parse_body(struct template_parser *p, struct slice name, struct template_token token,
		       size_t open, const char *what)
{
	struct template_scope *outer = p->scope, inner = { .names = { "$" },
							   .nnames = SLOT_FIRST_OWN,
							   .nslots = SLOT_FIRST_OWN };
	struct template_definition *definition = template_parser_alloc(p, sizeof(*definition));
	if (!definition)
		return;
	if (++p->depth > TEMPLATE_DEPTH_MAX) {
		template_complain(p, open, 2, NULL, "nested more than %d deep", TEMPLATE_DEPTH_MAX);
		p->failed = p->failed ? p->failed : ERR_INVALID;
	}
	p->scope = &inner;
	enum template_list_end end = template_parse_list(p, &definition->nodes);
	while (end == ENDED_ELSE && !p->failed) {
		struct template_node *ignored = NULL;
		template_complain(p, p->token.offset, p->token.text.len, NULL,
				  "{{ else }} without an \"if\", \"with\" or \"range\"");
		template_close_action(p);
		end = template_parse_list(p, &ignored);
	}
	if (!p->failed && end == ENDED_EOF)
		template_error(&p->lexer, open, 2, NULL,
			       "\"%s\" is not closed: {{ end }} is missing", what);
	p->scope = outer;
	p->depth--;
	definition->name = name;
	definition->nslots = inner.nslots;
	if (name.ptr && !p->failed)
		add(p, definition, token);
}

void template_parse_definition(struct template_parser *p)
{
	struct slice name = { NULL, 0 };
	struct template_token token = p->token;
	size_t open = p->open;
	if (parse_name(p, "define", &name)) {
		token = p->token;
		template_advance(p);
		template_skip_space(p);
		if (p->token.type != TOKEN_CLOSE)
			template_unexpected(p, "define");
	}
	template_close_action(p);
	parse_body(p, name, token, open, "define");
}

/* ---- calls ---- */

void template_parse_call(struct template_parser *p, struct template_node *node, bool is_block)
{
	const char *what = is_block ? "block" : "template";
	struct slice name = { NULL, 0 };
	struct template_token token = p->token;
	size_t open = p->open;
	node->kind = NODE_TEMPLATE;
	if (parse_name(p, what, &name)) {
		token = p->token;
		template_advance(p);
		template_skip_space(p);
		if (is_block || p->token.type != TOKEN_CLOSE)
			node->pipe = template_parse_pipe(p, TOKEN_CLOSE, what);
		node->text = name;
		node->offset = (uint32_t)token.offset;
		node->end = (uint32_t)p->token.offset;
		while (memchr(" \t\r\n", p->lexer.source->text.ptr[node->end - 1], 4))
			node->end--;
		node->next_call = p->calls;
		p->calls = node;
	}
	template_close_action(p);
	if (is_block)
		parse_body(p, name, token, open, what);
}

static void warn_undefined(struct template_parser *p, const struct template_node *node)
{
	const char *names[NEAR_NAMES_MAX];
	char room[128];
	size_t n = 0;
	for (const struct template_definition *definition = p->definitions;
	     definition && n < NEAR_NAMES_MAX; definition = definition->next)
		if ((names[n] = arena_strdup(p->arena, definition->name)))
			n++;
	template_warn(
		p, node->offset, node->end - node->offset,
		template_did_you_mean(room, sizeof(room), "", nearest_name(node->text, names, n)),
		"template \"%.*s\" is not defined in this text: rendering will fail",
		(int)(node->text.len < 80 ? node->text.len : 80), node->text.ptr);
}

void template_find_definitions(struct template_parser *p)
{
	for (struct template_node *node = p->calls; node; node = node->next_call) {
		node->called = find(p, node->text);
		if (!node->called)
			warn_undefined(p, node);
	}
}
