/* Templates: why a rendering fails, and where, in the words of Go and Prometheus. */
#include "rules/template_rendering.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "base/quote.h"

/* What Prometheus puts before each template, on its first line: {{$labels := .Labels}} and so on.
 */
#define PRELUDE_BYTES 112
#define CONTEXT_BYTES_MAX 200

static void add_quoted(struct slice text, struct buf *out)
{
	if (text.len > CONTEXT_BYTES_MAX)
		text.len = CONTEXT_BYTES_MAX;
	text_quote(text, out);
}

/* The text at hand, with single blanks, as Go prints the tree. */
static void add_text(const struct rendering *r, uint32_t from, uint32_t end, struct buf *out)
{
	const char *text = r->template->source->text.ptr;
	char quote = 0, last = ' ';
	for (uint32_t i = from; i < end && out->len < CONTEXT_BYTES_MAX; i++) {
		char c = text[i];
		bool is_blank = !quote && strchr(" \t\r\n", c) && c;
		if (quote ? c == quote && last != '\\' : c == '"' || c == '`' || c == '\'')
			quote = quote ? 0 : c;
		bool is_inner = last != ' ' && last != '(';
		if (!quote && c == ')' && out->len > 0 && out->ptr[out->len - 1] == ' ')
			out->len--;
		if (!is_blank || is_inner)
			buf_add_char(out, is_blank ? ' ' : c);
		if (!is_blank || is_inner)
			last = is_blank ? ' ' : c;
	}
	while (out->len > 0 && out->ptr[out->len - 1] == ' ')
		out->len--;
}

static void add_context(const struct rendering *r, struct buf *out)
{
	const struct template_node *call = r->at.call;
	if (!call) {
		add_text(r, r->at.offset, r->at.end, out);
		return;
	}
	buf_add_str(out, "{{template ");
	add_quoted(call->text, out);
	if (call->pipe) {
		buf_add_char(out, ' ');
		add_text(r, call->pipe->offset, r->at.end, out);
	}
	buf_add_str(out, "}}");
}

/* Line and column as Go counts them: the column in bytes, from 0. */
static void find_place(const struct rendering *r, uint32_t *line, uint32_t *column)
{
	const char *text = r->template->source->text.ptr;
	*line = 1;
	*column = r->at.position + PRELUDE_BYTES;
	for (uint32_t i = 0; i < r->at.position; i++)
		if (text[i] == '\n') {
			++*line;
			*column = r->at.position - i - 1;
		}
}

/* Of a rule's template in the words of Prometheus, else shorter. */
static void add_place(const struct rendering *r, struct buf *out)
{
	struct slice name = r->data->name;
	struct buf context;
	uint32_t line, column;
	if (r->at.end == 0)
		return;
	buf_init(&context);
	add_context(r, &context);
	find_place(r, &line, &column);
	if (name.len > CONTEXT_BYTES_MAX)
		name.len = CONTEXT_BYTES_MAX;
	if (name.len == 0) {
		buf_printf(out, SLICE_FMT ": ", SLICE_ARG(buf_slice(&context)));
	} else {
		buf_printf(out,
			   "error executing template __alert_" SLICE_FMT
			   ": template: __alert_" SLICE_FMT ":%u:%u: executing ",
			   SLICE_ARG(name), SLICE_ARG(name), line, column);
		if (r->definition->name.ptr)
			add_quoted(r->definition->name, out);
		else
			buf_printf(out, "\"__alert_" SLICE_FMT "\"", SLICE_ARG(name));
		buf_printf(out, " at <" SLICE_FMT ">: ", SLICE_ARG(buf_slice(&context)));
	}
	buf_fini(&context);
}

int rendering_fail(struct rendering *r, const char *format, ...)
{
	struct buf text;
	va_list args;
	buf_init(&text);
	add_place(r, &text);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	snprintf(r->why, sizeof(r->why), SLICE_FMT, SLICE_ARG(buf_slice(&text)));
	buf_fini(&text);
	return ERR_EVAL;
}

int rendering_fail_name(struct rendering *r, const char *before, struct slice name,
			const char *behind)
{
	struct buf quoted;
	buf_init(&quoted);
	add_quoted(name, &quoted);
	int error = rendering_fail(r, "%s" SLICE_FMT "%s", before, SLICE_ARG(buf_slice(&quoted)),
				   behind);
	buf_fini(&quoted);
	return error;
}

/* Go tells of a chain of fields where its second part begins. */
void rendering_at(struct rendering *r, const struct template_operand *operand)
{
	uint32_t position = operand->offset;
	if (operand->kind == OPERAND_DOT && operand->nfields > 1)
		position += 1 + (uint32_t)operand->fields[0].len;
	else if (operand->kind == OPERAND_VARIABLE && operand->nfields > 0)
		position = (uint32_t)(operand->fields[0].ptr - 1 - r->template->source->text.ptr);
	r->at = (struct place){ position, operand->offset, operand->offset + operand->span, NULL };
}

void rendering_at_command(struct rendering *r, const struct template_operand *first)
{
	const struct template_operand *last = first;
	while (last->next)
		last = last->next;
	r->at = (struct place){ first->offset, first->offset, last->offset + last->span, NULL };
}

void rendering_at_call(struct rendering *r, const struct template_node *call)
{
	r->at = (struct place){ call->offset, call->offset, call->end, call };
}
