/* tocsin explain, of a running daemon: prints what web/explain.c answers. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/quote.h"
#include "base/text.h"
#include "cli/cli.h"

static const char *const heads[] = { "NODE",   "ROWS",	 "COST",	"RULES",
				     "SERIES", "NEWEST", "WHAT IS LOST" };
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

struct printing {
	const json_t *data, *nodes;
	struct text_table table;
	bool *shown;
	bool colour;
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *bold(const struct printing *p)
{
	return p->colour ? BOLD : "";
}

static const char *plain(const struct printing *p)
{
	return p->colour ? PLAIN : "";
}

/* ---- the head ---- */

static void print_age(const struct printing *p, const char *before, const json_t *ms,
		      const char *after)
{
	struct buf text;

	if (!json_is_integer(ms))
		return;
	buf_init(&text);
	long long age_ms = number_of(p->data, "now") - json_integer_value(ms);

	duration_format((age_ms < 0 ? -age_ms : age_ms) / 1000 * 1000, &text);
	printf("%s" SLICE_FMT "%s", before, SLICE_ARG(buf_slice(&text)), after);
	buf_fini(&text);
}

static void print_head(const struct printing *p)
{
	const json_t *rule = json_object_get(p->data, "rule");

	if (json_is_object(rule)) {
		printf("%s%s%s: %s rule of group %s in %s\n", bold(p), text_of(rule, "name"),
		       plain(p), text_of(rule, "type"), text_of(rule, "group"),
		       text_of(rule, "file"));
		printf("  health %s", text_of(rule, "health"));
		if (*text_of(rule, "error"))
			printf(": %s", text_of(rule, "error"));
		print_age(p, "; ran ", json_object_get(rule, "last"), " ago");
		print_age(p, "; runs in ", json_object_get(rule, "due"), "");
		print_age(p, "; warm in ", json_object_get(rule, "warmAt"), "");
		printf("; cost %lld units, some %.3g s\n", number_of(rule, "cost"),
		       json_number_value(json_object_get(rule, "evaluationTime")));
	} else {
		printf("no rule of that name: an expression\n");
	}
	printf("  %s\n\n", text_of(p->data, "query"));
}

/* ---- the tree ---- */

static void add_rows(struct text_table *table, const json_t *node)
{
	const char *value = json_string_value(json_object_get(node, "value"));

	if (json_is_true(json_object_get(node, "belowSubquery")))
		text_table_add(table, "subquery");
	else if (value)
		text_table_add(table, value);
	else if (number_of(node, "rows") == number_of(node, "present"))
		text_table_add_format(table, "%lld", number_of(node, "rows"));
	else
		text_table_add_format(table, "%lld of %lld", number_of(node, "present"),
				      number_of(node, "rows"));
}

static void add_lost(struct text_table *table, const json_t *node)
{
	const char *error = text_of(node, "error"), *lost = text_of(node, "lost");
	bool warming = json_is_false(json_object_get(node, "warm"));

	text_table_add_format(table, "%s%s%s", *error ? error : lost,
			      warming && (*error || *lost) ? ", " : "",
			      warming ? "not fed for long enough" : "");
}

static void add_count(struct text_table *table, const json_t *node, const char *key)
{
	if (json_object_get(node, key))
		text_table_add_format(table, "%lld", number_of(node, key));
	else
		text_table_add(table, NULL);
}

/* What was shown before is not shown again. */
static void add_node(struct printing *p, size_t id, unsigned depth)
{
	const json_t *node = json_array_get(p->nodes, id), *child;
	bool again = p->shown[id] && json_array_size(json_object_get(node, "children")) > 0;
	size_t i;

	p->shown[id] = true;
	text_table_add_format(&p->table, "%*s#%zu %s%s", (int)depth * 2, "", id,
			      text_of(node, "text"), again ? " (above)" : "");
	add_rows(&p->table, node);
	add_count(&p->table, node, "cost");
	add_count(&p->table, node, "rules");
	add_count(&p->table, node, "series");
	text_table_add_age(&p->table, json_object_get(node, "newest"),
			   json_object_get(p->data, "now"));
	add_lost(&p->table, node);
	json_array_foreach (json_object_get(node, "children"), i, child) {
		size_t below = (size_t)json_integer_value(child);

		/* Children come first: whatever else is said is no tree. */
		if (!again && below < id)
			add_node(p, below, depth + 1);
	}
}

static int print_tree(struct printing *p)
{
	size_t n = json_array_size(p->nodes);

	p->shown = calloc(n + 1, sizeof(*p->shown));
	if (!p->shown || n == 0) {
		free(p->shown);
		return EXIT_FAILURE;
	}
	text_table_init(&p->table, heads, sizeof(heads) / sizeof(*heads));
	add_node(p, n - 1, 0);
	free(p->shown);
	return text_table_print(&p->table);
}

/* ---- alerts ---- */

static void print_labels(const json_t *labels)
{
	const char *name, *parting = "{";
	json_t *value;

	struct buf text;

	buf_init(&text);
	json_object_foreach ((json_t *)labels, name, value) {
		buf_printf(&text, "%s%s=", parting, name);
		text_quote(slice_from(json_string_value(value)), &text);
		parting = ", ";
	}
	buf_add_str(&text, parting[0] == '{' ? "{}" : "}");
	printf(SLICE_FMT, SLICE_ARG(buf_slice(&text)));
	buf_fini(&text);
}

static void print_part(const struct printing *p, const json_t *part)
{
	const json_t *node = json_array_get(p->nodes, (size_t)number_of(part, "node"));
	long long rows = number_of(part, "rows");

	if (!json_object_get(node, "rows"))
		return; /* a number: it stands in the tree */
	printf("  #%lld %s: ", number_of(part, "node"), text_of(node, "text"));
	if (rows == 0)
		printf("nothing\n");
	else if (rows == 1)
		printf("%s\n", text_of(part, "value"));
	else
		printf("%lld rows, the first %s\n", rows, text_of(part, "value"));
}

static void print_alert(const struct printing *p, const json_t *alert)
{
	const json_t *part;
	size_t i;

	printf("\n%salert ", bold(p));
	print_labels(json_object_get(alert, "labels"));
	printf("%s\n  %s with %s", plain(p), text_of(alert, "state"), text_of(alert, "value"));
	print_age(p, ", active for ", json_object_get(alert, "active"), "");
	print_age(p, ", fires for ", json_object_get(alert, "fired"), "");
	if (*text_of(alert, "held"))
		printf(", held: %s", text_of(alert, "held"));
	if (*text_of(alert, "silencedBy"))
		printf(", silenced by %s", text_of(alert, "silencedBy"));
	printf("\n");
	json_array_foreach (json_object_get(alert, "parts"), i, part)
		print_part(p, part);
}

static void print_alerts(const struct printing *p)
{
	const json_t *alerts = json_object_get(p->data, "alerts"), *alert;
	long long more = number_of(p->data, "alertsInAll") - (long long)json_array_size(alerts);
	size_t i;

	json_array_foreach (alerts, i, alert)
		print_alert(p, alert);
	if (more > 0)
		printf("\nand %lld more alert%s\n", more, more == 1 ? "" : "s");
}

/* ---- why not ---- */

static void print_why(const struct printing *p, const char *labels)
{
	const json_t *why = json_object_get(p->data, "why"), *path, *step;
	size_t i;

	if (!json_is_object(why))
		return;
	printf("\n%swhy not %s%s\n  %s\n", bold(p), labels, plain(p), text_of(why, "says"));
	path = json_object_get(why, "path");
	/* A way of one step is what was just said. */
	if (json_array_size(path) > 1)
		json_array_foreach (path, i, step)
			printf("  at #%lld %s: %s\n", number_of(step, "node"),
			       text_of(json_array_get(p->nodes, (size_t)number_of(step, "node")),
				       "text"),
			       text_of(step, "says"));
}

/* ---- resolve_when ---- */

/* Its tree, and what it has for each alert. */
static int print_resolve(const struct printing *of, const char *key, const char *what)
{
	struct printing p = { .data = json_object_get(of->data, key), .colour = of->colour };
	const json_t *alert, *part;
	size_t i, k;

	if (!json_is_object(p.data))
		return EXIT_SUCCESS;
	p.nodes = json_object_get(p.data, "nodes");
	printf("\n%s%s%s %s\n\n", bold(&p), what, plain(&p), text_of(p.data, "query"));
	int code = print_tree(&p);

	json_array_foreach (json_object_get(p.data, "alerts"), i, alert) {
		printf("\nfor ");
		print_labels(json_object_get(alert, "labels"));
		printf("\n");
		json_array_foreach (json_object_get(alert, "parts"), k, part)
			print_part(&p, part);
	}
	return code;
}

static int print_answer(const json_t *answer, const char *labels, bool json)
{
	struct printing p = { .data = json_object_get(answer, "data"),
			      .colour = diag_wants_colour(STDOUT_FILENO) };

	p.nodes = json_object_get(p.data, "nodes");
	if (json) {
		char *text = json_dumps(p.data, JSON_INDENT(2));
		bool good = text && puts(text) >= 0;

		free(text);
		return good ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	print_head(&p);
	int code = print_tree(&p);

	print_alerts(&p);
	if (!code)
		code = print_resolve(&p, "resolveWhen", "resolve_when:");
	if (!code)
		code = print_resolve(&p, "resolveData", "has data while there is:");
	print_why(&p, labels ? labels : "");
	return code;
}

int explain_print(const char *url, const char *text, const char *labels, bool json)
{
	json_t *answer;
	struct buf form;

	buf_init(&form);
	form_add(&form, "query", text);
	if (labels)
		form_add(&form, "not", labels);
	int code = client_ask_form(url, "/api/tocsin/v1/explain", &form, &answer);

	if (code)
		return code;
	code = print_answer(answer, labels, json);
	json_decref(answer);
	return code;
}
