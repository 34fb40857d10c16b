#include "base/yaml.h"

#include <stdlib.h>

#include <yaml.h>

#include "base/error.h"
#include "base/yaml_build.h"
#include "base/yaml_hint.h"

struct parse {
	yaml_parser_t parser;
	struct yaml_builder tree;
	struct slice text; /* what is parsed: the file, or that with repairs */
	size_t repairs[YAML_REPAIRS_MAX], nrepairs; /* where they are */
	struct yaml_error fault;
	size_t until; /* a fault before this place follows from one that was told */
	size_t errors_before;
	bool done;
};

/* libyaml's complaint as a diagnostic. */
static int on_syntax_error(struct parse *p)
{
	const yaml_parser_t *parser = &p->parser;
	const char *problem = parser->problem ? parser->problem : "unknown error";
	if (parser->error == YAML_MEMORY_ERROR)
		return ERR_NOMEM;
	if (parser->error == YAML_READER_ERROR) {
		diag_add_at(p->tree.diags, DIAG_ERROR, &p->tree.whole, parser->problem_offset, 1,
			    "write the file in UTF-8", "not a text: %s", problem);
		return ERR_INVALID;
	}
	struct yaml_error *fault = &p->fault;
	uint32_t context_line = 0;
	*fault = (struct yaml_error){ .problem = problem, .context = SIZE_MAX };
	if (parser->context) {
		yaml_cursor_move(&p->tree.cursor, parser->context_mark.index);
		fault->context = p->tree.cursor.offset;
		context_line = p->tree.cursor.line;
	}
	yaml_cursor_move(&p->tree.cursor, parser->problem_mark.index);
	fault->at = p->tree.cursor.offset;
	if (fault->at < p->until) {
		*fault = (struct yaml_error){ 0 };
		return ERR_INVALID;
	}
	p->until = fault->at + 1;
	struct buf hint;
	buf_init(&hint);
	yaml_hint_syntax(p->text, fault, &hint);
	const char *hint_text = hint.len && buf_ok(&hint) ? hint.ptr : NULL;
	if (parser->context && fault->at == p->text.len)
		/* Nothing stands there: what is not closed does. */
		diag_add_at(p->tree.diags, DIAG_ERROR, &p->tree.whole, fault->context, 1, hint_text,
			    "bad YAML: %s %s that begins here", problem, parser->context);
	else if (parser->context && context_line != p->tree.cursor.line)
		diag_add_at(p->tree.diags, DIAG_ERROR, &p->tree.whole, p->tree.cursor.offset, 1,
			    hint_text, "bad YAML: %s %s that began at line %u", problem,
			    parser->context, context_line);
	else
		diag_add_at(p->tree.diags, DIAG_ERROR, &p->tree.whole, p->tree.cursor.offset, 1,
			    hint_text, "bad YAML: %s", problem);
	buf_fini(&hint);
	return ERR_INVALID;
}

static void warn_of_rest(struct parse *p)
{
	diag_name(diag_add_at(p->tree.diags, DIAG_WARNING, &p->tree.whole, p->tree.cursor.offset, 1,
			      NULL, "only the first document of a file is read"),
		  "second-document");
}

/*
 * libyaml has the document's end, at the cursor; looks whether something follows: another document,
 * which should begin well, or what cannot be one. A stray "%" would cut off the rest of the file;
 * what else stands there is left out by Prometheus, too.
 */
static int on_document_end(struct parse *p)
{
	yaml_event_t next;
	p->done = true;
	if (!yaml_parser_parse(&p->parser, &next)) {
		if (p->tree.cursor.offset < p->tree.whole.text.len &&
		    p->tree.whole.text.ptr[p->tree.cursor.offset] == '%')
			return on_syntax_error(p);
		warn_of_rest(p);
		return 0;
	}
	bool begins = next.type == YAML_DOCUMENT_START_EVENT;
	if (begins) {
		yaml_cursor_move(&p->tree.cursor, next.start_mark.index);
		warn_of_rest(p);
	}
	yaml_event_delete(&next);
	if (begins && !yaml_parser_parse(&p->parser, &next))
		return on_syntax_error(p);
	if (begins)
		yaml_event_delete(&next);
	return 0;
}

static enum yaml_style style_of(yaml_scalar_style_t style)
{
	switch (style) {
	case YAML_SINGLE_QUOTED_SCALAR_STYLE:
		return YAML_SINGLE_QUOTED;
	case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
		return YAML_DOUBLE_QUOTED;
	case YAML_LITERAL_SCALAR_STYLE:
		return YAML_LITERAL;
	case YAML_FOLDED_SCALAR_STYLE:
		return YAML_FOLDED;
	default:
		return YAML_PLAIN;
	}
}

static bool is_repair(const struct parse *p, size_t offset)
{
	for (size_t i = 0; i < p->nrepairs; i++)
		if (p->repairs[i] == offset)
			return true;
	return false;
}

static int on_scalar(struct parse *p, const yaml_event_t *event)
{
	const struct yaml_scalar scalar = {
		.value = { (const char *)event->data.scalar.value, event->data.scalar.length },
		.anchor = (const char *)event->data.scalar.anchor,
		.tag = (const char *)event->data.scalar.tag,
		.style = style_of(event->data.scalar.style),
		.is_repair = is_repair(p, p->tree.cursor.offset),
	};
	return yaml_build_scalar(&p->tree, &scalar);
}

static int on_event(struct parse *p, const yaml_event_t *event)
{
	yaml_cursor_move(&p->tree.cursor, event->start_mark.index);
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(p, event);
	case YAML_ALIAS_EVENT:
		return yaml_build_alias(&p->tree,
					slice_from((const char *)event->data.alias.anchor));
	case YAML_SEQUENCE_START_EVENT:
		return yaml_build_start(&p->tree, YAML_SEQUENCE,
					(const char *)event->data.sequence_start.anchor,
					(const char *)event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return yaml_build_start(&p->tree, YAML_MAPPING,
					(const char *)event->data.mapping_start.anchor,
					(const char *)event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return yaml_build_end(&p->tree);
	case YAML_DOCUMENT_END_EVENT:
		return on_document_end(p);
	case YAML_STREAM_END_EVENT:
		p->done = true;
		return 0;
	default:
		return 0;
	}
}

static int build(struct parse *p)
{
	while (!p->done) {
		yaml_event_t event;
		if (!yaml_parser_parse(&p->parser, &event))
			return on_syntax_error(p);
		int rc = on_event(p, &event);
		yaml_event_delete(&event);
		if (rc)
			return rc;
	}
	return p->tree.diags->errors > p->errors_before ? ERR_INVALID : 0;
}

/* What is to be parsed, and its name; a complaint about its size. */
static int parse_init(struct parse *p, struct slice text, const char *file, struct arena *arena,
		      struct diag_list *diags)
{
	*p = (struct parse){ .tree = { .arena = arena, .diags = diags } };
	if (slice_has_prefix(text, SLICE("\xEF\xBB\xBF"))) { /* byte order mark */
		text.ptr += 3;
		text.len -= 3;
	}
	if (text.len > YAML_BYTES_MAX) {
		diag_add(diags, DIAG_ERROR, file, 0, 0, NULL, "split it into several files",
			 "larger than %d MiB", YAML_BYTES_MAX / 1024 / 1024);
		return ERR_INVALID;
	}
	p->tree.whole.file = file ? arena_strdup(arena, slice_from(file)) : NULL;
	p->tree.whole.text = p->tree.whole.whole = arena_slice(arena, text);
	p->tree.whole.line0 = p->tree.whole.column0 = 1;
	p->text = p->tree.whole.text;
	return (file && !p->tree.whole.file) || (text.len && !p->tree.whole.text.ptr) ? ERR_NOMEM
										      : 0;
}

/* Parses p->text from its beginning. */
static int parse_once(struct parse *p)
{
	if (!yaml_parser_initialize(&p->parser))
		return ERR_NOMEM;
	yaml_builder_clear(&p->tree);
	p->done = false;
	p->fault = (struct yaml_error){ 0 };
	p->errors_before = p->tree.diags->errors;
	yaml_cursor_init(&p->tree.cursor, p->text);
	yaml_parser_set_encoding(&p->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p->parser, (const unsigned char *)p->text.ptr, p->text.len);
	int rc = build(p);
	yaml_parser_delete(&p->parser);
	return rc;
}

/* The line that the last repair is on. */
static uint32_t repaired_line(struct parse *p)
{
	uint32_t line = 1;
	for (size_t i = 0; i < p->repairs[p->nrepairs - 1]; i++)
		line += p->text.ptr[i] == '\n';
	return line;
}

/* Puts right what the last attempt failed at, in a copy of the file; false: it cannot be told. */
static bool repair(struct parse *p, char **copy)
{
	if (p->nrepairs == YAML_REPAIRS_MAX)
		return false;
	if (!*copy && !(*copy = arena_strdup(p->tree.arena, p->text)))
		return false;
	p->text.ptr = *copy;
	ptrdiff_t at = yaml_repair(*copy, p->text.len, &p->fault, &p->until);
	if (at >= 0)
		p->repairs[p->nrepairs++] = (size_t)at;
	return at >= 0;
}

/*
 * Parses; where the syntax is wrong, once more with what is at fault repaired. Of an attempt that
 * failed only its end is told: what came before it is found again.
 */
static int parse_with_repairs(struct parse *p, struct diag_list *diags)
{
	struct diag_list told;
	char *copy = NULL;
	size_t nodes = 0; /* of all attempts: what they cost */
	for (;;) {
		diag_list_init(&told);
		p->tree.diags = &told;
		int rc = parse_once(p);
		nodes += p->tree.nodes;
		bool again = rc == ERR_INVALID && p->fault.problem && told.n > 0 &&
			     told.n < DIAG_MAX && nodes < YAML_NODES_MAX && repair(p, &copy);
		diag_list_take(diags, &told, again ? told.n - 1 : 0);
		if (!again)
			return p->nrepairs && !rc ? ERR_INVALID : rc;
		if (diags->n > 0)
			diag_cover_line(diags, repaired_line(p));
	}
}

int yaml_parse(struct slice text, const char *file, struct arena *arena, struct diag_list *diags,
	       struct yaml_node **out)
{
	struct parse parse;
	int rc = parse_init(&parse, text, file, arena, diags);
	if (!rc)
		rc = parse_with_repairs(&parse, diags);
	yaml_builder_fini(&parse.tree);
	if (rc == 0 || (rc == ERR_INVALID && parse.done))
		*out = parse.tree.root;
	return rc;
}
