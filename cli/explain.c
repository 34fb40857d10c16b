/* tocsin explain: the plan of an expression; or what a daemon's rule comes to (explain_rule.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "engine/engine.h"
#include "rules/expr.h"

enum { URL, FORMAT, NOT };

static const struct cli_option options[] = {
	[URL] = URL_OPTION,
	[FORMAT] = FORMAT_OPTION,
	[NOT] = { "not", "LABELS",
		  "say why a row with these labels is not in the result: {a=\"b\"}" },
	{ NULL, NULL, NULL },
};

static const char *type_text(enum value_type type)
{
	static const char *const texts[] = {
		[VALUE_NONE] = "none",	   [VALUE_SCALAR] = "scalar", [VALUE_STRING] = "string",
		[VALUE_VECTOR] = "vector", [VALUE_MATRIX] = "matrix",
	};

	return texts[type];
}

static void explain_text(const struct engine_query *query, struct buf *out)
{
	expr_format(query->expr, out);
	buf_printf(out, "\n  gives a %s; %u %s, %u %s\n\n", type_text(query->expr->type),
		   query->plan->nnodes, query->plan->nnodes == 1 ? "node" : "nodes",
		   query->plan->nselectors,
		   query->plan->nselectors == 1 ? "selector" : "selectors");
	plan_format(query->plan, query->root, out);
}

static void add_node(struct json_writer *w, const struct plan *plan, const struct plan_node *node)
{
	struct buf text;

	buf_init(&text);
	plan_node_format(plan, node, &text);
	json_begin_object(w);
	json_field_int(w, "id", node->id);
	json_field_string(w, "text", buf_slice(&text));
	json_field_string(w, "type", slice_from(type_text(node->type)));
	json_key(w, "children");
	json_begin_array(w);
	for (uint32_t i = 0; i < node->nchildren; i++)
		json_int(w, node->children[i]);
	json_end_array(w);
	if (plan_node_is_leaf(node)) {
		json_field_string(w, "selector", slice_from(plan->selectors[node->selector].text));
		json_field_int(w, "range_ms", node->range_ms);
		json_field_int(w, "offset_ms", node->offset_ms);
	}
	json_end_object(w);
	buf_fini(&text);
}

static void explain_json(const struct engine_query *query, struct buf *out)
{
	struct json_writer w;
	struct buf text;

	buf_init(&text);
	expr_format(query->expr, &text);
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_field_string(&w, "query", buf_slice(&text));
	json_field_string(&w, "type", slice_from(type_text(query->expr->type)));
	json_field_int(&w, "root", query->root);
	json_key(&w, "nodes");
	json_begin_array(&w);
	for (uint32_t i = 0; i < query->norder; i++)
		add_node(&w, query->plan, query->plan->nodes[query->order[i]]);
	json_end_array(&w);
	json_end_object(&w);
	buf_add_char(out, '\n');
	buf_fini(&text);
}

/* What can only be a rule's name is none of these, and has no signs of one; a name may be either's.
 */
enum meaning { MEANS_EXPRESSION, MEANS_EITHER, MEANS_RULE };

static enum meaning meaning_of(const char *text)
{
	struct engine_query *query;
	struct diag_list diags;

	diag_list_init(&diags);
	int code = engine_query_new(slice_from(text), 0, &diags, &query);

	diag_list_fini(&diags);
	if (code)
		return !*text || strpbrk(text, "(){}[]<>=+*/^\"'`") ? MEANS_EXPRESSION : MEANS_RULE;
	bool bare = query->expr->kind == EXPR_SELECTOR && query->expr->span == strlen(text) &&
		    query->expr->selector.is_named && !strpbrk(text, " {[@");

	engine_query_free(query);
	return bare ? MEANS_EITHER : MEANS_EXPRESSION;
}

static int explain_plan(const char *text, bool json)
{
	struct engine_query *query;
	struct diag_list diags;
	struct buf out;

	diag_list_init(&diags);
	int code = engine_query_new(slice_from(text), 0, &diags, &query);

	print_diagnostics(&diags);
	diag_list_fini(&diags);
	if (code)
		return code == ERR_INVALID ? EXIT_FAILURE
					   : fail(EXIT_FAILURE, "cannot explain the expression: %s",
						  error_text(code));
	buf_init(&out);
	if (json)
		explain_json(query, &out);
	else
		explain_text(query, &out);
	bool written = buf_ok(&out) && write_out(buf_slice(&out));

	buf_fini(&out);
	engine_query_free(query);
	return written ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int explain(const char *text, const char *url, const char *labels, bool json)
{
	enum meaning meaning = url || labels ? MEANS_RULE : meaning_of(text);

	if (meaning == MEANS_EXPRESSION)
		return explain_plan(text, json);
	int code = explain_print(url, text, labels, json);

	if (code != EXIT_NO_DAEMON || meaning != MEANS_EITHER)
		return code;
	fprintf(stderr, "so \"%.100s\" is taken for the name of a metric, not of a rule\n", text);
	return explain_plan(text, json);
}

static int run(const struct cli_args *args)
{
	bool bad, json = is_json_format(args->values[FORMAT], &bad);

	if (bad)
		return usage_error(&explain_command, "unknown format \"%.100s\": text or json",
				   args->values[FORMAT]);
	char *text = text_argument(args->words[0]);
	int code = text ? explain(text, args->values[URL], args->values[NOT], json) : EXIT_FAILURE;

	free(text);
	return code;
}

const struct command explain_command = {
	.name = "explain",
	.arguments = "EXPR|RULE [--not LABELS] [--url URL] [--format json]",
	.summary = "Show the plan of an expression; or what a rule of a running daemon comes to, "
		   "and why.",
	.doc = "\"-\" is standard input. An expression: its plan. Each line is a node; what stands "
	       "below a node is what it reads. Equal parts of all rules are one node. A rule of "
	       "the daemon, by its name or FILE;GROUP;NAME, or with --url an expression: how many "
	       "rows each node has now, which are lost and why, what it costs, how many rules "
	       "share it; and the value of each part for the rule's alerts. With --not: where the "
	       "row with these labels is lost.",
	.options = options,
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
