/*
 * The steps of a runbook as bound from YAML: what each does (one key says so), what it waits for,
 * and their order.
 */
#include "actions/config_internal.h"

#include <stdlib.h>

#include "actions/when.h"
#include "base/error.h"
#include "engine/verify.h"

#define DAY_MS (24ll * 3600 * 1000)

static const struct bind_field retry_fields[] = {
	BIND_FIELD(retry_options, times, "times", BIND_INT, .default_text = "0", .min = 0,
		   .max = 100, .doc = "Attempts after the first."),
	BIND_FIELD(retry_options, backoff_ms, "backoff", BIND_DURATION, .default_text = "5s",
		   .min = 1, .max = DAY_MS,
		   .doc = "Before the second attempt; doubled before each further one."),
	BIND_FIELD(retry_options, max_backoff_ms, "max_backoff", BIND_DURATION,
		   .default_text = "1m", .min = 1, .max = DAY_MS, .doc = "At most."),
};
const struct bind_table retry_table = BIND_TABLE(retry_options, "retry", retry_fields);

/* ---- kinds that are no plug-ins ---- */

struct wait_options {
	struct step_options common;
	int64_t wait_ms;
};
static const struct bind_field wait_fields[] = {
	STEP_COMMON_FIELDS(wait_options, common),
	BIND_FIELD(wait_options, wait_ms, "wait", BIND_DURATION, .required = true, .min = 1,
		   .max = DAY_MS, .doc = "How long."),
};
const struct bind_table wait_step_table = BIND_TABLE(wait_options, "wait step", wait_fields);

struct verify_options {
	struct step_options common;
	struct slice verify;
	int64_t within_ms, for_ms;
};
static const struct bind_field verify_fields[] = {
	STEP_COMMON_FIELDS(verify_options, common),
	BIND_FIELD(
		verify_options, verify, "verify", BIND_STRING, .required = true,
		.doc = "Expression that holds when the target does well; \"$labels.NAME\" as the "
		       "whole value of a matcher is the alert's label. It holds when an element "
		       "for the target is there that is not NaN, on samples later than the end of "
		       "the last step that acted."),
	BIND_FIELD(verify_options, within_ms, "within", BIND_DURATION, .default_text = "5m",
		   .min = 1, .max = DAY_MS, .doc = "If it did not hold by then, the step failed."),
	BIND_FIELD(verify_options, for_ms, "for", BIND_DURATION, .default_text = "0s", .min = 0,
		   .max = DAY_MS, .doc = "It must hold for so long without a break."),
};
const struct bind_table verify_step_table =
	BIND_TABLE(verify_options, "verify step", verify_fields);

struct notify_options {
	struct step_options common;
	struct slice notify;
};
static const struct bind_field notify_fields[] = {
	STEP_COMMON_FIELDS(notify_options, common),
	BIND_FIELD(notify_options, notify, "notify", BIND_STRING, .required = true,
		   .doc = "Receiver that is told of the alert. The step has ended well when the "
			  "notification is in the outbox."),
};
const struct bind_table notify_step_table =
	BIND_TABLE(notify_options, "notify step", notify_fields);

static const struct {
	const char *key;
	enum step_kind kind;
	const struct bind_table *table;
} kinds[] = { { "wait", STEP_WAIT, &wait_step_table },
	      { "verify", STEP_VERIFY, &verify_step_table },
	      { "notify", STEP_NOTIFY, &notify_step_table } };

/* ---- what a step does ---- */

/* Of a step, or of what undoes one. */
static const struct action_plugin *plugin_of(const struct yaml_node *node, unsigned *n)
{
	const struct action_plugin *found = NULL;

	for (size_t i = 0; i < action_plugins_count; i++)
		if (action_plugins[i]->step && yaml_get(node, action_plugins[i]->name)) {
			found = action_plugins[i];
			++*n;
		}
	return found;
}

static int act_bind(struct bind_context *context, const struct yaml_node *node,
		    const struct action_plugin *plugin, struct step_act *act)
{
	void *options = arena_alloc(context->arena, plugin->step->size);

	if (!options)
		return ERR_NOMEM;
	int code = bind_struct(plugin->step, node, context->arena, context->diags, options);

	if (code == 0 && plugin->check)
		code = plugin->check(options, true, node, context->base_dir, context->arena,
				     context->diags);
	*act = (struct step_act){ .plugin = plugin, .options = options };
	return code;
}

static int undo_bind(struct bind_context *context, const struct yaml_node *node,
		     struct step_act *undo)
{
	static const char *const foreign[] = { "id",	     "after", "when", "on_failure",
					       "idempotent", "retry", "undo" };
	unsigned n = 0;

	if (node->type != YAML_MAPPING)
		return complain_at(context, node, "undo: {exec: [/path/to/script]}",
				   "\"undo\" must be a mapping");
	const struct action_plugin *plugin = plugin_of(node, &n);

	if (n != 1)
		return complain_at(context, node, "undo: {exec: [/path/to/script]}",
				   "\"undo\" does exactly one thing: exec or webhook");
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (yaml_get(node, foreign[i]))
			return complain_at(context, yaml_get(node, foreign[i]), NULL,
					   "\"%s\" is of steps, not of what undoes one",
					   foreign[i]);
	return act_bind(context, node, plugin, undo);
}

static int wait_take(struct bind_context *context, const struct yaml_node *node,
		     const void *options, struct runbook_step *step)
{
	step->wait_ms = ((const struct wait_options *)options)->wait_ms;
	return 0;
}

static int verify_take(struct bind_context *context, const struct yaml_node *node,
		       const void *pointer, struct runbook_step *step)
{
	const struct verify_options *options = pointer;
	const struct yaml_node *expr = yaml_get(node, "verify");
	int64_t reach_ms;
	int code = verify_check(&expr->source, context->diags, &reach_ms);

	if (code)
		return code;
	step->verify.source = source_keep(context->arena, &expr->source);
	step->verify.within_ms = options->within_ms;
	step->verify.for_ms = options->for_ms;
	if (!step->verify.source)
		return ERR_NOMEM;
	/* A range is looked at once it lies wholly behind what was done. */
	if (reach_ms + options->for_ms < options->within_ms)
		return 0;
	return complain_at(context, expr, "raise within, or look at a shorter range",
			   "this cannot hold in time: its range and \"for\" take %llds, \"within\" "
			   "is %llds",
			   (long long)(reach_ms + options->for_ms) / 1000,
			   (long long)options->within_ms / 1000);
}

static int notify_take(struct bind_context *context, const struct yaml_node *node,
		       const void *pointer, struct runbook_step *step)
{
	const struct notify_options *options = pointer;

	step->receiver = receiver_find(context, yaml_get(node, "notify"), options->notify);
	if (!step->receiver)
		return ERR_INVALID;
	return step->receiver->n ? 0
				 : complain_at(context, yaml_get(node, "notify"), NULL,
					       "this receiver tells nobody");
}

static int (*const takes[])(struct bind_context *context, const struct yaml_node *node,
			    const void *options, struct runbook_step *step) = {
	[STEP_WAIT] = wait_take,
	[STEP_VERIFY] = verify_take,
	[STEP_NOTIFY] = notify_take,
};

static int kind_bind(struct bind_context *context, const struct yaml_node *node, size_t which,
		     struct runbook_step *step)
{
	const struct bind_table *table = kinds[which].table;
	void *options = arena_alloc(context->arena, table->size);

	if (!options)
		return ERR_NOMEM;
	int code = bind_struct(table, node, context->arena, context->diags, options);

	step->kind = kinds[which].kind;
	step->options = options;
	return code ? code : takes[step->kind](context, node, options, step);
}

/* A key that looks like what a step does is told instead. */
static int nothing_to_do(struct bind_context *context, const struct yaml_node *node)
{
	static const char *const common[] = { "id", "after", "when", "on_failure", "undo" };
	const char *names[16];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		names[n++] = kinds[i].key;
	for (size_t i = 0; i < action_plugins_count && n < sizeof(names) / sizeof(names[0]); i++)
		if (action_plugins[i]->step)
			names[n++] = action_plugins[i]->name;
	for (size_t i = 0; i + 1 < node->n; i += 2) {
		const struct slice key = node->items[i]->text;
		const char *near = nearest_name(key, names, n);
		bool is_common = false;

		for (size_t k = 0; k < sizeof(common) / sizeof(common[0]); k++)
			is_common = is_common || slice_is(key, common[k]);
		if (near && !is_common)
			return complain_at(
				context, node->items[i],
				arena_printf(context->arena, "did you mean \"%s\"?", near),
				"unknown key \"%.*s\" in step", (int)(key.len < 64 ? key.len : 64),
				key.ptr);
	}
	return complain_at(context, node, "add exec: [/path/to/script]",
			   "a step needs something to do");
}

static int thing_bind(struct bind_context *context, const struct yaml_node *node,
		      struct runbook_step *step)
{
	size_t nkinds = sizeof(kinds) / sizeof(kinds[0]), which = nkinds;
	unsigned n = 0;
	const struct action_plugin *plugin = plugin_of(node, &n);

	for (size_t i = 0; i < nkinds; i++)
		if (yaml_get(node, kinds[i].key)) {
			which = i;
			n++;
		}
	if (yaml_get(node, "approve"))
		return complain_at(context, yaml_get(node, "approve"), "use another kind for now",
				   "step kind \"approve\" is not supported yet");
	if (n == 0)
		return nothing_to_do(context, node);
	if (n > 1)
		return complain_at(context, node, NULL, "a step does exactly one thing");
	if (!plugin)
		return kind_bind(context, node, which, step);
	int code = act_bind(context, node, plugin, &step->act);

	step->kind = STEP_ACT;
	step->options = step->act.options;
	if (code == 0 && step->options->undo)
		code = undo_bind(context, step->options->undo, &step->undo);
	return code;
}

/* A step with errors still has its id: those that name it are not wrong too. */
static int id_bind(struct bind_context *context, const struct yaml_node *node,
		   const struct runbook *runbook, struct runbook_step *step)
{
	const struct yaml_node *id = yaml_get(node, "id");

	if (id && (id->unread || id->type != YAML_SCALAR))
		return ERR_INVALID; /* that was told, or will be once it is clear what it does */
	step->id = arena_slice(context->arena, id && !yaml_is_null(id) ? id->text : SLICE(""));
	if (!step->id.ptr)
		return ERR_NOMEM;
	if (!name_is_valid(step->id, STEP_ID_MAX, '_', true))
		return complain_at(context, step->id.len ? id : node,
				   "a lower-case letter, then such letters, digits and "
				   "underscores; at most 32",
				   step->id.len ? "bad id of a step" : "a step needs an \"id\"");
	for (const struct runbook_step *other = runbook->steps; other < step; other++)
		if (slice_is_equal(other->id, step->id))
			return complain_at(context, id, "give each its own",
					   "two steps have the id \"%.*s\"", (int)step->id.len,
					   step->id.ptr);
	return 0;
}

static int step_bind(struct bind_context *context, const struct yaml_node *node,
		     const struct runbook *runbook, struct runbook_step *step)
{
	if (node->type != YAML_MAPPING)
		return complain_at(context, node, "write {id: NAME, exec: [/path/to/script]}",
				   "a step must be a mapping");
	int code = thing_bind(context, node, step), one;

	if (code && code != ERR_INVALID)
		return code;
	return (one = id_bind(context, node, runbook, step)) ? one : code;
}

/* ---- what a step waits for ---- */

static int after_bind(struct bind_context *context, const struct yaml_node *node,
		      const struct runbook *runbook, uint32_t index)
{
	struct runbook_step *step = &runbook->steps[index];
	const struct bind_strings *after = &step->options->after;
	const struct yaml_node *list = yaml_get(node, "after");

	if (!list || yaml_is_null(list)) {
		step->after = index ? UINT32_C(1) << (index - 1) : 0;
		return 0;
	}
	for (size_t i = 0; i < after->n; i++) {
		uint32_t k = 0;

		while (k < runbook->nsteps &&
		       !slice_is_equal(runbook->steps[k].id, after->items[i]))
			k++;
		if (k == index)
			return complain_at(context, after->nodes[i], NULL,
					   "a step cannot wait for itself");
		if (k == runbook->nsteps)
			return complain_at(
				context, after->nodes[i], "write the id of a step",
				"there is no step \"%.*s\"",
				(int)(after->items[i].len < 64 ? after->items[i].len : 64),
				after->items[i].ptr);
		step->after |= UINT32_C(1) << k;
	}
	return 0;
}

/* Each step after those that it waits for. A cycle leaves some out. */
static int order_find(struct bind_context *context, const struct yaml_node *list,
		      struct runbook *runbook)
{
	uint32_t done = 0, n = 0;

	runbook->order = ARENA_ARRAY(context->arena, uint8_t, runbook->nsteps);
	if (!runbook->order)
		return ERR_NOMEM;
	for (bool found = true; found;) {
		found = false;
		for (uint32_t i = 0; i < runbook->nsteps; i++) {
			uint32_t bit = UINT32_C(1) << i;

			if ((done & bit) || (runbook->steps[i].after & ~done))
				continue;
			runbook->order[n++] = (uint8_t)i;
			done |= bit;
			found = true;
		}
	}
	for (uint32_t i = 0; i < runbook->nsteps; i++)
		if (!(done >> i & 1))
			return complain_at(context, list->items[i], NULL,
					   "step \"%.*s\" waits for itself, by way of others",
					   (int)runbook->steps[i].id.len, runbook->steps[i].id.ptr);
	return 0;
}

static int when_bind(struct bind_context *context, const struct yaml_node *node,
		     const struct runbook *runbook, uint32_t index, uint32_t ancestors)
{
	struct runbook_step *step = &runbook->steps[index];
	struct slice ids[RUNBOOK_STEPS_MAX];
	uint32_t asked;

	if (step->options->when.len == 0)
		return 0;
	const struct yaml_node *when = yaml_get(node, "when");
	/* Complaints quote the file; the tree must not borrow from it. */
	struct source *source = ARENA_NEW(context->arena, struct source);

	if (!source)
		return ERR_NOMEM;
	*source = when->source;
	source->text = step->options->when;
	for (uint32_t i = 0; i < runbook->nsteps; i++)
		ids[i] = runbook->steps[i].id;
	int code = when_parse(source, ids, runbook->nsteps, context->arena, context->diags,
			      &step->when, &asked);

	for (uint32_t i = 0; i < runbook->nsteps && code == 0; i++)
		if ((asked & ~ancestors) >> i & 1)
			code = complain_at(context, when, "add it to \"after\"",
					   "step \"%.*s\" need not have ended by then",
					   (int)ids[i].len, ids[i].ptr);
	return code;
}

static int graph_bind(struct bind_context *context, const struct yaml_node *list,
		      struct runbook *runbook)
{
	uint32_t ancestors[RUNBOOK_STEPS_MAX] = { 0 };
	int code = 0, one;

	for (uint32_t i = 0; i < runbook->nsteps; i++)
		if ((one = after_bind(context, list->items[i], runbook, i)))
			code = one;
	if (code == 0)
		code = order_find(context, list, runbook);
	if (code)
		return code;
	for (uint32_t at = 0; at < runbook->nsteps; at++) {
		uint32_t i = runbook->order[at];

		ancestors[i] = runbook->steps[i].after;
		for (uint32_t k = 0; k < runbook->nsteps; k++)
			if (runbook->steps[i].after >> k & 1)
				ancestors[i] |= ancestors[k];
		if ((one = when_bind(context, list->items[i], runbook, i, ancestors[i])))
			code = one;
	}
	return code;
}

/* What each is called and waits for was read, whatever else is wrong with it. */
static bool graph_is_known(const struct runbook *runbook)
{
	for (uint32_t i = 0; i < runbook->nsteps; i++)
		if (!runbook->steps[i].options || runbook->steps[i].id.len == 0)
			return false;
	return true;
}

int steps_bind(struct bind_context *context, const struct yaml_node *list, struct runbook *runbook)
{
	int result = 0;

	if (!list)
		return ERR_INVALID; /* that was told */
	if (list->type != YAML_SEQUENCE || list->n == 0 || list->n > RUNBOOK_STEPS_MAX)
		return complain_at(context, list,
				   list->type == YAML_SEQUENCE ? NULL : ACTIONS_HINT_LIST,
				   "\"steps\" must be a list of 1 to 32 steps");
	runbook->steps = ARENA_ARRAY(context->arena, struct runbook_step, list->n);
	if (!runbook->steps)
		return ERR_NOMEM;
	for (size_t i = 0; i < list->n; i++) {
		int code = step_bind(context, list->items[i], runbook, &runbook->steps[i]);

		runbook->nsteps++;
		result = code ? code : result;
	}
	if ((result && result != ERR_INVALID) || !graph_is_known(runbook))
		return result;
	int code = graph_bind(context, list, runbook);

	return code ? code : result;
}
