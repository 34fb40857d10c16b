#include "rules/short_form.h"

#include "base/error.h"
#include "base/quote.h"
#include "base/text.h"
#include "rules/lexer.h"
#include "rules/names.h"

/* The expression as it is written, and where its parts come from. */
struct writer {
	const struct short_form *form;
	struct buf text;
	struct buf pieces; /* of struct source_piece */
	struct buf by;	   /* "job, instance" */
};

/* Places */

/* What is written next comes from that byte of a source, or belongs to it. */
static void place(struct writer *writer, const struct source *source, uint32_t offset)
{
	struct source_piece piece = { .offset = (uint32_t)writer->text.len };

	source_place(source, offset, &piece.line, &piece.column);
	buf_add(&writer->pieces, &piece, sizeof(piece));
}

/* Texts of the user's, byte by byte where lines are folded or escaped. */
static void copy(struct writer *writer, const struct source *source, struct slice text)
{
	uint32_t start = (uint32_t)(text.ptr - source->text.ptr);
	uint32_t line = 0, column = 0, at_line, at_column;

	for (uint32_t i = 0; i < text.len; i++) {
		source_place(source, start + i, &at_line, &at_column);
		if (at_line != line || at_column != column + 1)
			place(writer, source, start + i);
		line = at_line;
		column = at_column;
		buf_add_char(&writer->text, text.ptr[i]);
	}
}

/* Operands */

/* May the name stand bare before braces, as PromQL reads it? */
static bool is_bare(struct slice name, bool has_matchers)
{
	struct lexer lexer;
	struct token token;

	lexer_init(&lexer, name);
	token = lexer_next(&lexer);
	return token.span == name.len && token_is_metric(token.kind) &&
	       !(has_matchers && slice_is(name, "logs"));
}

/*
 * name{matchers}, or {"name",matchers} where the name is none of PromQL's own; of a profile's
 * summary profile_name{profile_type="…",matchers}.
 */
static void write_selector(struct writer *writer, const struct short_metric *metric,
			   struct slice name)
{
	bool has_matchers = metric->matchers.len > 0;

	place(writer, metric->source, metric->offset);
	if (metric->profile_type.len > 0) {
		buf_printf(&writer->text, "profile_" SLICE_FMT "{profile_type=\"" SLICE_FMT "\"%s",
			   SLICE_ARG(name), SLICE_ARG(metric->profile_type),
			   has_matchers ? "," : "");
	} else if (is_bare(name, has_matchers)) {
		buf_add_slice(&writer->text, name);
		if (!has_matchers)
			return;
		buf_add_char(&writer->text, '{');
	} else {
		buf_add_char(&writer->text, '{');
		text_quote(name, &writer->text);
		buf_add_str(&writer->text, has_matchers ? "," : "");
	}
	copy(writer, metric->source, metric->matchers);
	place(writer, metric->source, metric->offset);
	buf_add_char(&writer->text, '}');
}

static void write_range(struct writer *writer, const struct short_node *node, struct slice name)
{
	write_selector(writer, &node->metric, name);
	buf_add_char(&writer->text, '[');
	duration_format(node->range_ms, &writer->text);
	buf_add_char(&writer->text, ']');
}

static void write_quantile(struct writer *writer, const struct short_node *node, struct slice name)
{
	bool is_histogram = slice_has_suffix(node->metric.name, SLICE("_bucket")) ||
			    slice_has_suffix(node->metric.name, SLICE(".bucket"));

	buf_add_str(&writer->text, is_histogram ? "histogram_quantile(" : "quantile_over_time(");
	number_format_f(node->quantile, &writer->text);
	buf_add_str(&writer->text, ", ");
	if (is_histogram)
		buf_printf(&writer->text, "sum by (le%s" SLICE_FMT ") (rate(",
			   writer->by.len ? ", " : "", SLICE_ARG(buf_slice(&writer->by)));
	write_range(writer, node, name);
	buf_add_str(&writer->text, is_histogram ? ")))" : ")");
}

static void write_operand_of(struct writer *writer, const struct short_node *node,
			     struct slice name)
{
	if (node->operand != SHORT_FUNCTION) {
		write_selector(writer, &node->metric, name);
		return;
	}
	place(writer, writer->form->condition, node->offset);
	if (!node->function) {
		write_quantile(writer, node, name);
		return;
	}
	buf_printf(&writer->text, "%s(", node->function->promql);
	write_range(writer, node, name);
	buf_add_char(&writer->text, ')');
}

/* A name with dots: the series of that very name, or of the name with underscores. */
static void write_dotted(struct writer *writer, const struct short_node *node)
{
	struct buf underscored;

	buf_init(&underscored);
	for (size_t i = 0; i < node->metric.name.len; i++)
		buf_add_char(&underscored,
			     node->metric.name.ptr[i] == '.' ? '_' : node->metric.name.ptr[i]);
	place(writer, writer->form->condition, node->offset);
	buf_add_char(&writer->text, '(');
	write_operand_of(writer, node, node->metric.name);
	buf_add_str(&writer->text, " or ");
	write_operand_of(writer, node, buf_slice(&underscored));
	buf_add_char(&writer->text, ')');
	writer->text.failed = writer->text.failed || !buf_ok(&underscored);
	buf_fini(&underscored);
}

static void write_comparison(struct writer *writer, const struct short_node *node)
{
	if (slice_find(node->metric.name, '.') >= 0)
		write_dotted(writer, node);
	else
		write_operand_of(writer, node, node->metric.name);
	buf_printf(&writer->text, " " SLICE_FMT " ", SLICE_ARG(node->comparison));
	number_format_f(node->number, &writer->text);
}

/* Joins */

static void write_node(struct writer *writer, const struct short_node *node);

/* One side of an OR: bare of all labels but BY, so that either gives the same alert. */
static void write_alternative(struct writer *writer, const struct short_node *node)
{
	if (node->kind == SHORT_OR) {
		write_node(writer, node);
		return;
	}
	place(writer, writer->form->condition, node->offset);
	buf_printf(&writer->text, "max by (" SLICE_FMT ") (", SLICE_ARG(buf_slice(&writer->by)));
	write_node(writer, node);
	buf_add_char(&writer->text, ')');
}

/* Recursion is bounded by the parentheses and comparisons of a condition. */
static void write_node(struct writer *writer, const struct short_node *node)
{
	switch (node->kind) {
	case SHORT_COMPARISON:
		write_comparison(writer, node);
		break;
	case SHORT_PAREN:
		buf_add_char(&writer->text, '(');
		write_node(writer, node->left);
		buf_add_char(&writer->text, ')');
		break;
	case SHORT_AND:
	case SHORT_UNLESS:
		write_node(writer, node->left);
		place(writer, writer->form->condition, node->offset);
		buf_printf(&writer->text, " %s on (" SLICE_FMT ") ",
			   node->kind == SHORT_AND ? "and" : "unless",
			   SLICE_ARG(buf_slice(&writer->by)));
		write_node(writer, node->right);
		break;
	case SHORT_OR:
		write_alternative(writer, node->left);
		place(writer, writer->form->condition, node->offset);
		buf_add_str(&writer->text, " or ");
		write_alternative(writer, node->right);
		break;
	}
}

static int take_source(struct writer *writer, struct arena *arena, struct source *out)
{
	const struct source *from = writer->form->condition;
	struct slice text = arena_slice(arena, buf_slice(&writer->text));
	struct slice pieces = arena_slice(arena, buf_slice(&writer->pieces));

	if (!buf_ok(&writer->text) || !buf_ok(&writer->pieces) || !buf_ok(&writer->by) ||
	    !text.ptr || !pieces.ptr)
		return ERR_NOMEM;
	*out = (struct source){ .file = from->file,
				.text = text,
				.line0 = from->line0,
				.column0 = from->column0,
				.whole = from->whole,
				.pieces = (const struct source_piece *)(const void *)pieces.ptr,
				.npieces = pieces.len / sizeof(struct source_piece) };
	return 0;
}

int short_form_translate(const struct short_form *form, struct arena *arena,
			 struct diag_list *diags, struct source *out)
{
	struct writer writer = { .form = form };
	const struct short_node *node;
	int error;

	node = short_form_parse(form, arena, diags, &error);
	if (error)
		return error;
	buf_init(&writer.text);
	buf_init(&writer.pieces);
	buf_init(&writer.by);
	names_format(&form->by, &writer.by);
	place(&writer, form->condition, 0);
	write_node(&writer, node);
	error = take_source(&writer, arena, out);
	buf_fini(&writer.text);
	buf_fini(&writer.pieces);
	buf_fini(&writer.by);
	return error;
}
