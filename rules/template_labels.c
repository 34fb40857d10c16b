#include "rules/template_labels.h"

#include "rules/template_tree.h"

struct walk {
	void (*on_label)(void *ctx, struct slice name, uint32_t offset, uint32_t span);
	void (*on_value)(void *ctx, uint32_t offset, uint32_t span);
	void (*on_text)(void *ctx, struct slice text);
	void *ctx;
	bool dot_is_data; /* not in the body of range or with */
	/* Templates that were walked through with the data as their argument. */
	const struct template_definition *walked[TEMPLATE_DEFINITIONS_MAX];
	uint32_t nwalked;
	bool is_shown; /* what is walked through becomes text */
};

static void walk_pipe(struct walk *walk, const struct template_pipe *pipe);

/* Is the operand the data, before its fields? $ is, in a template that is walked through. */
static bool is_data(const struct walk *walk, const struct template_operand *operand)
{
	return (operand->kind == OPERAND_DOT && walk->dot_is_data) ||
	       (operand->kind == OPERAND_VARIABLE && operand->slot == SLOT_ROOT);
}

static void walk_operand(struct walk *walk, const struct template_operand *operand)
{
	bool is_variable = operand->kind == OPERAND_VARIABLE && operand->slot == SLOT_LABELS;
	bool is_field = is_data(walk, operand) && operand->nfields > 1 &&
			slice_is(operand->fields[0], "Labels");
	if (operand->kind == OPERAND_PIPE)
		walk_pipe(walk, operand->pipe);
	bool is_value = operand->kind == OPERAND_VARIABLE && operand->slot == SLOT_VALUE;
	is_value |= is_data(walk, operand) && operand->nfields > 0 &&
		    slice_is(operand->fields[0], "Value");
	if (is_value && walk->is_shown && walk->on_value)
		walk->on_value(walk->ctx, operand->offset, operand->span);
	if (!walk->on_label)
		return;
	if (is_variable && operand->nfields > 0)
		walk->on_label(walk->ctx, operand->fields[0], operand->offset, operand->span);
	else if (is_field)
		walk->on_label(walk->ctx, operand->fields[1], operand->offset, operand->span);
}

/* Depth is bounded by the parser. */
static void walk_pipe(struct walk *walk, const struct template_pipe *pipe)
{
	const struct template_command *command = pipe ? pipe->commands : NULL;
	for (; command; command = command->next)
		for (const struct template_operand *operand = command->operands; operand;
		     operand = operand->next)
			walk_operand(walk, operand);
}

static void walk_nodes(struct walk *walk, const struct template_node *node);

/* A template that is handed the data, once. */
static void walk_call(struct walk *walk, const struct template_node *node)
{
	const struct template_command *command = node->pipe ? node->pipe->commands : NULL;
	bool dot_was_data = walk->dot_is_data;
	if (!node->called || !command || command->next || command->operands->next ||
	    command->operands->nfields > 0 || !is_data(walk, command->operands))
		return;
	for (uint32_t i = 0; i < walk->nwalked; i++)
		if (walk->walked[i] == node->called)
			return;
	walk->walked[walk->nwalked++] = node->called;
	walk->dot_is_data = true;
	walk_nodes(walk, node->called->nodes);
	walk->dot_is_data = dot_was_data;
}

static void walk_nodes(struct walk *walk, const struct template_node *node)
{
	for (; node; node = node->next) {
		bool dot_was_data = walk->dot_is_data;
		if (node->kind == NODE_TEXT && walk->on_text)
			walk->on_text(walk->ctx, node->text);
		walk->is_shown = node->kind == NODE_ACTION && node->pipe->nslots == 0;
		walk_pipe(walk, node->pipe);
		if (node->kind == NODE_TEMPLATE && !walk->on_text)
			walk_call(walk, node);
		if (node->kind == NODE_WITH || node->kind == NODE_RANGE)
			walk->dot_is_data = false;
		walk_nodes(walk, node->body);
		walk->dot_is_data = dot_was_data;
		walk_nodes(walk, node->otherwise);
	}
}

void template_each_label(const struct template *template,
			 void (*fn)(void *ctx, struct slice name, uint32_t offset, uint32_t span),
			 void *ctx)
{
	struct walk walk = { .on_label = fn, .ctx = ctx, .dot_is_data = true };
	walk_nodes(&walk, template->text.nodes);
}

void template_each_value(const struct template *template,
			 void (*fn)(void *ctx, uint32_t offset, uint32_t span), void *ctx)
{
	struct walk walk = { .on_value = fn, .ctx = ctx, .dot_is_data = true };
	walk_nodes(&walk, template->text.nodes);
}

void template_each_text(const struct template *template, void (*fn)(void *ctx, struct slice text),
			void *ctx)
{
	struct walk walk = { .on_text = fn, .ctx = ctx };
	for (const struct template_definition *definition = &template->text; definition;
	     definition = definition->next)
		walk_nodes(&walk, definition->nodes);
}
