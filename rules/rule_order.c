/*
 * The order of groups that are due at the same time: writers before readers, so that a chain of
 * derived facts settles in one pass.
 *
 * A group writes the names that its rules record, and ALERTS and ALERTS_FOR_STATE with the alert's
 * name; the labels that stand literally in the rule are known. It reads what its selectors may
 * match: a matcher that a known name or label fails rules the writer out. A selector into the past
 * (offset) does not see what is written now, and log lines no rule writes.
 *
 * Groups that read one another, directly or around a circle, are a strongly connected component:
 * they keep their file order. Tarjan's algorithm, started in file order along the edges reader →
 * writer, gives the components with writers first, and is stable: a group moves up only when an
 * earlier one reads it. Groups that evaluate on arrival are started with, so that they, and what
 * they read, stand before all others: with their own tick over they go on while a long pass is under
 * way (engine/arrival_within.c).
 */
#include "rules/rule_build.h"
#include "rules/warning.h"

#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"

/* One name that a rule writes. */
struct write {
	struct slice name;
	const struct rule *rule;
	uint32_t group;
	bool is_alerts; /* ALERTS, with an alertstate */
};

struct edge {
	uint32_t reader, writer;
};

struct graph {
	const struct rule_group *groups;
	uint32_t n;
	struct write *writes; /* sorted by name */
	size_t nwrites;
	struct edge *edges;
	size_t nedges, cap;
	uint32_t reader; /* the group whose expressions are being walked */
	bool failed;
};

static int compare_writes(const void *a, const void *b)
{
	const struct write *x = a, *y = b;
	int order = slice_compare(x->name, y->name);
	return order ? order : x->group < y->group ? -1 : x->group > y->group;
}

static void add_writes(struct graph *graph, const struct rule *rule, uint32_t group)
{
	struct write *writes = graph->writes + graph->nwrites;
	if (rule->kind == RULE_RECORD) {
		writes[0] = (struct write){ rule->name, rule, group, false };
		graph->nwrites++;
	} else {
		writes[0] = (struct write){ SLICE("ALERTS"), rule, group, true };
		writes[1] = (struct write){ SLICE("ALERTS_FOR_STATE"), rule, group, false };
		graph->nwrites += 2;
	}
}

static bool collect_writes(struct graph *graph)
{
	size_t rules = 0;
	for (uint32_t g = 0; g < graph->n; g++)
		rules += graph->groups[g].nrules;
	graph->writes = calloc(2 * rules + 1, sizeof(*graph->writes));
	if (!graph->writes)
		return false;
	for (uint32_t g = 0; g < graph->n; g++)
		for (uint32_t r = 0; r < graph->groups[g].nrules; r++)
			add_writes(graph, &graph->groups[g].rules[r], g);
	qsort(graph->writes, graph->nwrites, sizeof(*graph->writes), compare_writes);
	return true;
}

/* The value that a written series has for a label, if the rule alone tells. */
static bool known_value(const struct write *write, struct slice name, struct slice *value)
{
	const struct rule *rule = write->rule;
	if (rule->kind == RULE_ALERT && slice_is(name, "alertname")) {
		*value = rule->name;
		return true;
	}
	for (uint32_t i = 0; i < rule->nlabels; i++) {
		if (!slice_is_equal(rule->labels[i].name, name))
			continue;
		*value = rule->labels[i].text;
		return !rule->labels[i].template || template_is_constant(rule->labels[i].template);
	}
	return false;
}

static bool contradicts(const struct matcher *matcher, const struct write *write)
{
	struct slice name = matcher_name(matcher), value;
	if (write->is_alerts && slice_is(name, "alertstate"))
		return !matcher_is_match(matcher, SLICE("pending")) &&
		       !matcher_is_match(matcher, SLICE("firing"));
	return known_value(write, name, &value) && !matcher_is_match(matcher, value);
}

static void add_edge(struct graph *graph, uint32_t writer)
{
	if (writer == graph->reader)
		return;
	if (graph->nedges > 0 && graph->edges[graph->nedges - 1].reader == graph->reader &&
	    graph->edges[graph->nedges - 1].writer == writer)
		return;
	if (!ARRAY_RESERVE(&graph->edges, graph->nedges, &graph->cap)) {
		graph->failed = true;
		return;
	}
	graph->edges[graph->nedges++] = (struct edge){ graph->reader, writer };
}

/* Does the selector's idea of the metric's name fit? */
static bool name_fits(const struct expr *selector, struct slice name)
{
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *matcher = &selector->selector.matchers[i];
		if (matcher_is_metric_name(matcher) && !matcher_is_match(matcher, name))
			return false;
	}
	return true;
}

static bool may_read(const struct expr *selector, const struct write *write)
{
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *matcher = &selector->selector.matchers[i];
		if (!matcher_is_metric_name(matcher) && contradicts(matcher, write))
			return false;
	}
	return true;
}

/* The end of the writes that have the same name as the one at i. */
static size_t end_of_name(const struct graph *graph, size_t i)
{
	size_t end = i + 1;
	while (end < graph->nwrites &&
	       slice_is_equal(graph->writes[end].name, graph->writes[i].name))
		end++;
	return end;
}

/* The first write of a name that is not less. */
static size_t lower_bound(const struct graph *graph, struct slice name)
{
	size_t low = 0, high = graph->nwrites;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_compare(graph->writes[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Only names may be looked at that can match: with name="x", that one. */
static size_t first_candidate(const struct graph *graph, const struct expr *selector, bool *only)
{
	const struct matcher *name =
		matchers_find_metric(selector->selector.matchers, selector->selector.nmatchers);
	*only = name != NULL;
	return name ? lower_bound(graph, matcher_value(name)) : 0;
}

static void on_expr(void *ctx, const struct expr *expr)
{
	struct graph *graph = ctx;
	if (expr->kind != EXPR_SELECTOR || expr->selector.offset_ms > 0 || expr->selector.log)
		return;
	bool only;
	for (size_t i = first_candidate(graph, expr, &only), end; i < graph->nwrites; i = end) {
		end = end_of_name(graph, i);
		bool fits = name_fits(expr, graph->writes[i].name);
		for (; fits && i < end; i++)
			if (may_read(expr, &graph->writes[i]))
				add_edge(graph, graph->writes[i].group);
		if (only)
			break;
	}
}

static int compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;
	if (x->reader != y->reader)
		return x->reader < y->reader ? -1 : 1;
	return x->writer < y->writer ? -1 : x->writer > y->writer;
}

/* Sorted and each once. */
static bool collect_edges(struct graph *graph)
{
	for (uint32_t g = 0; g < graph->n; g++) {
		graph->reader = g;
		for (uint32_t r = 0; r < graph->groups[g].nrules; r++) {
			const struct rule *rule = &graph->groups[g].rules[r];
			expr_walk(rule->expr, on_expr, graph);
			if (rule->resolve)
				expr_walk(rule->resolve->expr, on_expr, graph);
		}
	}
	if (graph->failed)
		return false;
	size_t n = 0;
	if (graph->nedges > 0)
		qsort(graph->edges, graph->nedges, sizeof(*graph->edges), compare_edges);
	for (size_t i = 0; i < graph->nedges; i++)
		if (n == 0 || compare_edges(&graph->edges[n - 1], &graph->edges[i]) != 0)
			graph->edges[n++] = graph->edges[i];
	graph->nedges = n;
	return true;
}

/* Tarjan's algorithm without recursion: the chain of groups may be as long as there are groups. */
struct visit {
	uint32_t index, low; /* 0: not seen yet */
	size_t next_edge;
	bool on_stack;
};

struct search {
	const struct graph *graph;
	struct visit *visits;
	uint32_t *path, npath;	 /* from the start to the group being visited */
	uint32_t *stack, nstack; /* seen, and not yet in a component */
	uint32_t counter;
	uint32_t *order, norder; /* the result */
	struct diag_list *diags;
};

static void search_enter(struct search *s, uint32_t group)
{
	struct visit *visit = &s->visits[group];
	size_t low = 0, high = s->graph->nedges;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s->graph->edges[middle].reader < group)
			low = middle + 1;
		else
			high = middle;
	}
	*visit = (struct visit){
		.index = ++s->counter, .low = s->counter, .next_edge = low, .on_stack = true
	};
	s->path[s->npath++] = group;
	s->stack[s->nstack++] = group;
}

static int compare_indexes(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static void note_cycle(struct search *s, const uint32_t *members, uint32_t n)
{
	const struct rule_group *groups = s->graph->groups;
	struct buf names;
	buf_init(&names);
	for (uint32_t i = 0; i < n; i++)
		buf_printf(&names, "%s\"" SLICE_FMT "\"",
			   i == 0	? ""
			   : i + 1 == n ? " and "
					: ", ",
			   SLICE_ARG(groups[members[i]].name));
	char *file = slice_dup(groups[members[0]].file);
	struct diag *diag = NULL;
	if (buf_ok(&names) && file)
		diag = diag_add(s->diags, DIAG_NOTE, *file ? file : NULL, groups[members[0]].line, 1,
				NULL, NULL,
				"groups %s read what the others write: they run in the order of the "
				"files",
				names.ptr);
	diag_name(diag, rule_warning_name(WARN_CYCLE));
	free(file);
	buf_fini(&names);
}

/* The group is the root of a component: its members leave the stack, in file order. */
static void search_close(struct search *s, uint32_t root)
{
	uint32_t first = s->nstack;
	do
		s->visits[s->stack[--first]].on_stack = false;
	while (s->stack[first] != root);
	uint32_t n = s->nstack - first;
	qsort(s->stack + first, n, sizeof(*s->stack), compare_indexes);
	if (n > 1)
		note_cycle(s, s->stack + first, n);
	memcpy(s->order + s->norder, s->stack + first, n * sizeof(*s->stack));
	s->norder += n;
	s->nstack = first;
}

/* One step from the group at the end of the path: along its next edge, or back. */
static void search_step(struct search *s)
{
	uint32_t group = s->path[s->npath - 1];
	struct visit *visit = &s->visits[group];
	const struct graph *graph = s->graph;
	if (visit->next_edge < graph->nedges && graph->edges[visit->next_edge].reader == group) {
		uint32_t writer = graph->edges[visit->next_edge++].writer;
		struct visit *other = &s->visits[writer];
		if (other->index == 0)
			search_enter(s, writer);
		else if (other->on_stack && other->index < visit->low)
			visit->low = other->index;
		return;
	}
	if (visit->low == visit->index)
		search_close(s, group);
	s->npath--;
	if (s->npath > 0) {
		struct visit *parent = &s->visits[s->path[s->npath - 1]];
		if (visit->low < parent->low)
			parent->low = visit->low;
	}
}

static int search_all(const struct graph *graph, uint32_t *order, struct diag_list *diags)
{
	struct search s = { .graph = graph, .order = order, .diags = diags };
	s.visits = calloc(graph->n, sizeof(*s.visits));
	s.path = calloc(graph->n, sizeof(*s.path));
	s.stack = calloc(graph->n, sizeof(*s.stack));
	bool good = s.visits && s.path && s.stack;
	for (uint32_t i = 0; good && i < 2 * graph->n; i++) {
		uint32_t g = i % graph->n;
		bool is_early = graph->groups[g].evaluate == EVALUATE_ARRIVAL;
		if (s.visits[g].index == 0 && (is_early || i >= graph->n))
			search_enter(&s, g);
		while (s.npath > 0)
			search_step(&s);
	}
	assert(!good || s.norder == graph->n);
	free(s.visits);
	free(s.path);
	free(s.stack);
	return good ? 0 : ERR_NOMEM;
}

static int sort_groups(struct rule_group *groups, const uint32_t *order, size_t n)
{
	struct rule_group *sorted = calloc(n, sizeof(*sorted));
	if (!sorted)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i] = groups[order[i]];
	memcpy(groups, sorted, n * sizeof(*groups));
	free(sorted);
	return 0;
}

int rule_order_groups(struct rule_group *groups, size_t n, struct diag_list *diags)
{
	struct graph graph = { .groups = groups, .n = (uint32_t)n };
	if (n < 2)
		return 0;
	uint32_t *order = calloc(n, sizeof(*order));
	int error = ERR_NOMEM;
	if (order && collect_writes(&graph) && collect_edges(&graph))
		error = search_all(&graph, order, diags);
	if (!error)
		error = sort_groups(groups, order, n);
	free(order);
	free(graph.writes);
	free(graph.edges);
	return error;
}

int rule_order_as_told(struct rule_group *groups, size_t n, const struct rule_set_options *options)
{
	struct rule_group *ordered = malloc((n + 1) * sizeof(*ordered));
	bool *placed = calloc(n + 1, sizeof(*placed));
	int error = ordered && placed ? 0 : ERR_NOMEM;
	size_t at = 0;
	for (size_t f = 0; f < options->ngroups_first && !error; f++)
		for (size_t g = 0; g < n; g++)
			if (!placed[g] &&
			    slice_is_equal(groups[g].name, options->groups_first[f])) {
				ordered[at++] = groups[g];
				placed[g] = true;
			}
	for (size_t g = 0; g < n && !error; g++)
		if (!placed[g])
			ordered[at++] = groups[g];
	if (!error && n > 0)
		memcpy(groups, ordered, n * sizeof(*groups));
	free(placed);
	free(ordered);
	return error;
}
