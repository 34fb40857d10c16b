/*
 * Templates: tree and data → text.
 *
 * Recursion follows the tree, whose depth the parser limits, and templates that use templates, with
 * a limit of their own. A rendering has an arena, with a limit, for what functions make; so that
 * all bytes it handles are bounded, and not only its steps.
 */
#include "rules/template_rendering.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"

#define RANGED_BYTES_MAX 800 /* of what cannot be ranged over, in a complaint */

/* How a list of nodes ended, beside errors, which are negative. */
enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

static int render_list(struct rendering *r, const struct template_value *dot,
		       const struct template_node *nodes);

static int check_output(struct rendering *r)
{
	if (r->out->failed)
		return rendering_fail(r, "out of memory");
	if (r->out->len - r->start > TEMPLATE_OUTPUT_MAX)
		return rendering_fail_limit(r, "a text of more than %d bytes", TEMPLATE_OUTPUT_MAX);
	return 0;
}

static int render_action(struct rendering *r, const struct template_value *dot,
			 const struct template_node *node)
{
	struct template_value value;
	int error = template_eval_pipe(r, dot, node->pipe, &value);
	if (error || node->pipe->nslots > 0)
		return error;
	template_value_print(&value, r->out);
	return check_output(r);
}

/* One turn of a range. Stops (non-zero) on errors and {{ break }}. */
static int render_turn(struct rendering *r, const struct template_node *node,
		       const struct template_value *key, const struct template_value *value)
{
	int error = rendering_count_step(r);
	if (error)
		return error;
	const struct template_pipe *pipe = node->pipe;
	if (pipe->nslots > 0)
		r->slots[pipe->slots[pipe->nslots - 1]] = *value;
	if (pipe->nslots > 1)
		r->slots[pipe->slots[0]] = *key;
	int flow = render_list(r, value, node->body);
	return flow == FLOW_CONTINUE ? 0 : flow;
}

/* How many turns a range over the value takes; negative: it cannot be ranged over. */
static int64_t count_turns(const struct template_value *value)
{
	switch (value->type) {
	case TEMPLATE_NONE:
		return 0;
	case TEMPLATE_LABELS:
		return value->labels ? (int64_t)labels_count(value->labels) : 0;
	case TEMPLATE_ARGS:
		return value->n;
	case TEMPLATE_LINES:
	case TEMPLATE_FUNCTIONS:
	case TEMPLATE_SAMPLES:
		return (int64_t)template_list_count(value);
	case TEMPLATE_INT:
		return value->integer < 0 ? 0 : value->integer;
	default:
		return -1;
	}
}

static void turn_values(const struct template_value *over, int64_t i, char *name, size_t size,
			struct template_value *key, struct template_value *value)
{
	if (over->type == TEMPLATE_LABELS) {
		struct label label = labels_at(over->labels, (size_t)i);
		*key = template_string(label.name);
		*value = template_string(label.value);
	} else if (over->type == TEMPLATE_ARGS) {
		snprintf(name, size, "arg%d", (int)i);
		*key = template_string(slice_from(name));
		*value = over->args[i];
		value->is_interface = true;
	} else if (template_value_is_list(over)) {
		*key = (struct template_value){ .type = TEMPLATE_INT, .integer = i };
		*value = template_list_item(over, (size_t)i);
	} else {
		*key = *value = (struct template_value){ .type = TEMPLATE_INT, .integer = i };
	}
}

static int fail_range(struct rendering *r, const struct template_value *over)
{
	struct buf text;
	buf_init(&text);
	template_value_print(over, &text);
	int error = rendering_fail(r, "range can't iterate over %.*s",
				   (int)(text.len < RANGED_BYTES_MAX ? text.len : RANGED_BYTES_MAX),
				   text.len ? text.ptr : "");
	buf_fini(&text);
	return error;
}

static int render_range(struct rendering *r, const struct template_value *dot,
			const struct template_node *node)
{
	struct template_value over, key, value;
	int error = template_eval_pipe(r, dot, node->pipe, &over);
	if (error)
		return error;
	int64_t turns = count_turns(&over);
	if (turns < 0)
		return fail_range(r, &over);
	if (over.type == TEMPLATE_INT && node->pipe->nslots > 1)
		return rendering_fail(r, "can't use %lld to iterate over more than one variable",
				      (long long)over.integer);
	if (turns == 0)
		return render_list(r, dot, node->otherwise);
	for (int64_t i = 0; i < turns; i++) {
		char *name = NULL;
		if (over.type == TEMPLATE_ARGS && !(name = arena_alloc(&r->arena, 16)))
			return rendering_fail(r, "uses too much memory");
		turn_values(&over, i, name, 16, &key, &value);
		int flow = render_turn(r, node, &key, &value);
		if (flow == FLOW_BREAK)
			break;
		if (flow)
			return flow;
	}
	return 0;
}

/* `if` and `with`, and what is chained to them by `else if`, in a loop: a chain may be long. */
static int render_branches(struct rendering *r, const struct template_value *dot,
			   const struct template_node *node)
{
	for (;;) {
		struct template_value value;
		int error = rendering_count_step(r);
		if (!error)
			error = template_eval_pipe(r, dot, node->pipe, &value);
		if (error)
			return error;
		if (template_value_is_true(&value))
			return render_list(r, node->kind == NODE_WITH ? &value : dot, node->body);
		if (!node->is_chained)
			return render_list(r, dot, node->otherwise);
		node = node->otherwise;
	}
}

/* Room for the variables of a template that begins; those of its caller come back at the end. */
static int frame_push(struct rendering *r, const struct template_definition *definition)
{
	uint32_t wanted = r->nstack + definition->nslots;
	if (wanted > r->stack_cap) {
		uint32_t cap = 2 * wanted;
		struct template_value *grown = ARENA_ARRAY(&r->arena, struct template_value, cap);
		if (!grown)
			return rendering_fail(r, "uses too much memory");
		if (r->nstack)
			memcpy(grown, r->stack, r->nstack * sizeof(*grown));
		r->stack = grown;
		r->stack_cap = cap;
	}
	r->definition = definition;
	r->slots = r->stack + r->nstack;
	r->nstack = wanted;
	memset(r->slots, 0, definition->nslots * sizeof(*r->slots));
	return 0;
}

static void frame_pop(struct rendering *r, const struct template_definition *caller)
{
	r->nstack -= r->definition->nslots;
	r->slots = r->stack + r->nstack - caller->nslots;
	r->definition = caller;
}

static int render_call(struct rendering *r, const struct template_value *dot,
		       const struct template_node *node)
{
	const struct template_definition *caller = r->definition;
	struct template_value argument = { .type = TEMPLATE_NONE };
	int error = 0;
	rendering_at_call(r, node);
	if (!node->called)
		return rendering_fail_name(r, "template ", node->text, " not defined");
	if (r->depth >= TEMPLATE_NESTED_MAX)
		return rendering_fail(r, "exceeded maximum template depth (%d)",
				      TEMPLATE_NESTED_MAX);
	if (node->pipe)
		error = template_eval_pipe(r, dot, node->pipe, &argument);
	if (!error)
		error = frame_push(r, node->called);
	if (error)
		return error;
	r->slots[SLOT_ROOT] = argument;
	error = render_list(r, &argument, node->called->nodes);
	if (!error)
		frame_pop(r, caller);
	return error;
}

static int render_node(struct rendering *r, const struct template_value *dot,
		       const struct template_node *node)
{
	int error = rendering_count_step(r);
	if (error)
		return error;
	switch (node->kind) {
	case NODE_TEXT:
		buf_add_slice(r->out, node->text);
		return check_output(r);
	case NODE_ACTION:
		return render_action(r, dot, node);
	case NODE_IF:
	case NODE_WITH:
		return render_branches(r, dot, node);
	case NODE_RANGE:
		return render_range(r, dot, node);
	case NODE_TEMPLATE:
		return render_call(r, dot, node);
	case NODE_BREAK:
		return FLOW_BREAK;
	case NODE_CONTINUE:
		return FLOW_CONTINUE;
	}
	return 0;
}

static int render_list(struct rendering *r, const struct template_value *dot,
		       const struct template_node *nodes)
{
	int flow = FLOW_ON;
	r->depth++;
	for (const struct template_node *node = nodes; node && !flow; node = node->next)
		flow = render_node(r, dot, node);
	r->depth--;
	return flow;
}

static int render(struct rendering *r)
{
	struct template_value root = { .type = TEMPLATE_ROOT, .root = r->data };
	bool found;
	int error = frame_push(r, &r->template->text);
	if (error)
		return error;
	r->slots[SLOT_ROOT] = root;
	r->slots[SLOT_LABELS] = template_value_field(&root, SLICE("Labels"), &found);
	r->slots[SLOT_EXTERNAL_LABELS] =
		template_value_field(&root, SLICE("ExternalLabels"), &found);
	r->slots[SLOT_EXTERNAL_URL] = template_value_field(&root, SLICE("ExternalURL"), &found);
	r->slots[SLOT_VALUE] = template_value_field(&root, SLICE("Value"), &found);
	r->slots[SLOT_VALUE].is_interface = false;
	if (r->data->active_at_ms != TIME_NONE)
		r->slots[SLOT_ACTIVE_AT] =
			(struct template_value){ .type = TEMPLATE_TIME,
						 .integer = r->data->active_at_ms };
	r->slots[SLOT_EVIDENCE] =
		(struct template_value){ .type = TEMPLATE_EVIDENCE, .evidence = r->data->evidence };
	return render_list(r, &root, r->template->text.nodes);
}

int template_render(const struct template *template, const struct template_data *data,
		    struct buf *out)
{
	struct rendering r = { .template = template, .data = data, .out = out, .start = out->len };
	arena_init(&r.arena, TEMPLATE_MEMORY_MAX);
	int error = render(&r);
	if (error < 0)
		out->len = r.start;
	if (error < 0 && error != ERR_AGAIN)
		buf_printf(out, "<error expanding template: %s>", r.why);
	arena_fini(&r.arena);
	return error == ERR_AGAIN ? error : error < 0 ? ERR_EVAL : 0;
}
