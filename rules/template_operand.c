/*
 * Templates: operands, the words of a command: functions, variables, literals, parentheses, and the
 * chains of fields behind them.
 *
 * What Go (and so Prometheus) accepts when it loads a file, but fails at when it renders, is a
 * warning.
 */
#include "rules/template_parser.h"

#include <stdio.h>

#include "base/error.h"

static const char *const keywords[] = { "if",	 "else",     "end",    "range",	   "with",
					"break", "continue", "define", "template", "block" };
static const char *const root_fields[] = { "Labels", "ExternalLabels", "ExternalURL", "Value" };
#define N(array) (sizeof(array) / sizeof(*(array)))

/* For `labels.x` and `Labels.x`, which lack their first character. */
static const char *sigil_hint(const struct template_parser *p, struct slice word, char *room,
			      size_t size)
{
	const struct template_scope *scope = p->scope;
	for (uint32_t i = 1; i < scope->nnames; i++)
		if (scope->names[i] && slice_is(word, scope->names[i] + 1))
			return template_did_you_mean(room, size, "", scope->names[i]);
	for (size_t i = 0; i < N(root_fields); i++)
		if (slice_is(word, root_fields[i]))
			return template_did_you_mean(room, size, ".", root_fields[i]);
	return NULL;
}

static void unknown_function(struct template_parser *p, struct template_token token)
{
	char room[128];
	const char *hint = sigil_hint(p, token.text, room, sizeof(room));
	if (slice_is(token.text, "tmpl"))
		hint = "that is of Prometheus' console pages; write {{ template \"name\" . }}";
	if (!hint)
		hint = template_did_you_mean(room, sizeof(room), "",
					     template_function_nearest(token.text));
	if (!hint)
		hint = template_did_you_mean(room, sizeof(room), "",
					     nearest_name(token.text, keywords, N(keywords)));
	template_complain(p, token.offset, token.text.len, hint,
			  "unknown function \"" SLICE_FMT "\"", SLICE_ARG(token.text));
}

static void parse_word(struct template_parser *p, struct template_operand *operand)
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
		else
			p->uses_query |= slice_is(word, "query") || slice_is(word, "now");
	}
}

static void parse_literal(struct template_parser *p, struct template_operand *operand)
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
		template_complain(p, token.offset, token.text.len, NULL,
				  token.type == TOKEN_CHAR ? "bad character literal"
							   : "bad escape in a string");
}

/* What a chain of fields starts from. Leaves the token behind it. */
static void parse_term(struct template_parser *p, struct template_operand *operand)
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
		int slot = template_variable_find(p, p->token.text);
		operand->kind = OPERAND_VARIABLE;
		operand->slot = slot < 0 ? 0 : (uint32_t)slot;
		if (slot < 0)
			template_unknown_variable(p, p->token);
		break;
	}
	case TOKEN_LPAREN:
		operand->kind = OPERAND_PIPE;
		template_advance(p);
		operand->pipe = template_parse_pipe(p, TOKEN_RPAREN, "parentheses");
		if (p->broken || p->failed)
			return;
		break;
	default:
		parse_literal(p, operand);
	}
	template_advance(p);
}

static void parse_fields(struct template_parser *p, struct template_operand *operand)
{
	struct slice fields[TEMPLATE_FIELDS_MAX];
	uint32_t n = 0;
	for (; p->token.type == TOKEN_FIELD && !p->broken; template_advance(p)) {
		if (n == TEMPLATE_FIELDS_MAX) {
			template_complain(p, p->token.offset, p->token.text.len, NULL,
					  "a chain of more than %d fields", TEMPLATE_FIELDS_MAX);
			return;
		}
		fields[n++] = (struct slice){ p->token.text.ptr + 1, p->token.text.len - 1 };
	}
	if (n == 0 || p->broken)
		return;
	operand->fields = template_parser_alloc(p, n * sizeof(*fields));
	if (!operand->fields)
		return;
	memcpy(operand->fields, fields, n * sizeof(*fields));
	operand->nfields = n;
}

/* Is the operand the data itself, by name or as the dot? */
static bool is_root(const struct template_parser *p, const struct template_operand *operand)
{
	return (operand->kind == OPERAND_DOT && p->scope->dot_is_root) ||
	       (operand->kind == OPERAND_VARIABLE && operand->slot == SLOT_ROOT &&
		p->scope->is_text);
}

/* A label's text has no fields: {{ $labels.service.name }} is a label with a dot in its name, or a
 * slip. */
static void check_label_chain(struct template_parser *p, const struct template_operand *operand,
			      uint32_t at)
{
	char hint[256];
	if (operand->nfields <= at + 1)
		return;
	struct slice a = operand->fields[at], b = operand->fields[at + 1];
	snprintf(hint, sizeof(hint), "for a label of that name: {{ index $labels \"%.*s.%.*s\" }}",
		 (int)(a.len < 80 ? a.len : 80), a.ptr, (int)(b.len < 80 ? b.len : 80), b.ptr);
	template_warn(p, operand->offset, operand->span, hint,
		      "label \"%.*s\" is a text: it has no field \"%.*s\", rendering will fail",
		      (int)(a.len < 80 ? a.len : 80), a.ptr, (int)(b.len < 80 ? b.len : 80), b.ptr);
}

static void check_root_field(struct template_parser *p, const struct template_operand *operand)
{
	char hint[128];
	struct slice name = operand->fields[0];
	for (size_t i = 0; i < N(root_fields); i++)
		if (slice_is(name, root_fields[i])) {
			if (i < 2)
				check_label_chain(p, operand, 1);
			return;
		}
	template_warn(p, operand->offset, operand->span,
		      template_did_you_mean(hint, sizeof(hint), ".",
					    nearest_name(name, root_fields, N(root_fields))),
		      "the data has no field \"%.*s\": rendering will fail",
		      (int)(name.len < 80 ? name.len : 80), name.ptr);
}

/* The fields of $evidence and $activeAt are known. */
static void check_episode_field(struct template_parser *p, const struct template_operand *operand)
{
	static const char *const fields[][2] = { { "Unix", "UnixMilli" },
						 { "lines", "functions" } };
	char hint[128];
	if (operand->nfields == 0)
		return;
	bool is_evidence = operand->slot == SLOT_EVIDENCE;
	const char *const *names = fields[is_evidence];
	struct slice name = operand->fields[0];
	if (slice_is(name, names[0]) || slice_is(name, names[1]))
		return;
	template_complain(p, operand->offset, operand->span,
			  template_did_you_mean(hint, sizeof(hint), ".",
						nearest_name(name, names, 2)),
			  "%s has no field \"%.*s\": it has %s and %s",
			  is_evidence ? "$evidence" : "$activeAt",
			  (int)(name.len < 80 ? name.len : 80), name.ptr, names[0], names[1]);
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

static void check_operand(struct template_parser *p, const struct template_operand *operand)
{
	if (operand->nfields > 0 &&
	    (operand->kind == OPERAND_CONSTANT || operand->kind == OPERAND_NIL ||
	     operand->kind == OPERAND_FUNCTION))
		template_complain(p, operand->offset, operand->span, NULL,
				  "unexpected field \"." SLICE_FMT "\" after a term",
				  SLICE_ARG(operand->fields[0]));
	if (operand->kind == OPERAND_PIPE && operand->nfields > 0 && ends_in_time(operand->pipe))
		template_complain(p, operand->offset, operand->span, NULL,
				  "the methods of times and durations are not there yet");
	if (is_root(p, operand)) {
		if (operand->nfields == 0 || slice_is(operand->fields[0], "Value"))
			p->uses_value = true;
		if (operand->nfields > 0)
			check_root_field(p, operand);
	} else if (operand->kind == OPERAND_VARIABLE && operand->slot == SLOT_VALUE) {
		p->uses_value = true;
	} else if (operand->kind == OPERAND_VARIABLE &&
		   (operand->slot == SLOT_ACTIVE_AT || operand->slot == SLOT_EVIDENCE)) {
		p->uses_episode = true;
		check_episode_field(p, operand);
	} else if (operand->kind == OPERAND_VARIABLE &&
		   (operand->slot == SLOT_LABELS || operand->slot == SLOT_EXTERNAL_LABELS)) {
		check_label_chain(p, operand, 0);
	}
}

bool template_starts_operand(enum template_token_type type)
{
	return type == TOKEN_WORD || type == TOKEN_DOT || type == TOKEN_FIELD ||
	       type == TOKEN_VARIABLE || type == TOKEN_LPAREN || type == TOKEN_NUMBER ||
	       type == TOKEN_CHAR || type == TOKEN_STRING || type == TOKEN_RAW_STRING;
}

struct template_operand *template_parse_operand(struct template_parser *p)
{
	struct template_operand *operand = template_parser_alloc(p, sizeof(*operand));
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
	if (template_starts_operand(after))
		template_complain(p, p->token.offset, p->token.text.len, NULL,
				  "a blank is missing before \"" SLICE_FMT "\"",
				  SLICE_ARG(p->token.text));
	else if (after != TOKEN_SPACE && after != TOKEN_CLOSE && after != TOKEN_RPAREN &&
		 after != TOKEN_PIPE)
		template_unexpected(p, "an operand");
	return operand;
}
