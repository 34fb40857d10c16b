/* Runbooks as bound from YAML. */
#include "actions/config_internal.h"

#include "base/error.h"
#include "base/hash.h"

#define RUNBOOKS_MAX 10000
#define TARGET_LABELS_MAX 16
#define DAY_MS (24ll * 3600 * 1000)

struct limits_part {
	int64_t cooldown_ms, queue_for_ms, per_target_per_hour, per_hour;
};

struct runbook_part {
	struct slice name;
	struct slice mode;
	struct bind_strings target;
	struct limits_part limits;
	int64_t priority;
	const struct yaml_node *steps, *node;
};

static const struct bind_field limits_fields[] = {
	BIND_FIELD(limits_part, cooldown_ms, "cooldown", BIND_DURATION, .default_text = "10m",
		   .min = 0, .max = 365 * DAY_MS,
		   .doc = "Least time between two acting runs on one target, from the end of the "
			  "last."),
	BIND_FIELD(
		limits_part, queue_for_ms, "queue_for", BIND_DURATION, .default_text = "5m",
		.min = 0, .max = DAY_MS,
		.doc = "How long a run may wait for a lock or a free place before it is refused."),
	BIND_FIELD(limits_part, per_target_per_hour, "per_target_per_hour", BIND_INT,
		   .default_text = "3", .min = 1, .max = 100000,
		   .doc = "Acting runs on one target in an hour."),
	BIND_FIELD(limits_part, per_hour, "per_hour", BIND_INT, .default_text = "10", .min = 1,
		   .max = 100000, .doc = "Acting runs of this runbook in an hour."),
};
static const struct bind_table limits_table = { .what = "runbook limits",
						.size = sizeof(struct limits_part),
						.fields = limits_fields,
						.n = sizeof(limits_fields) /
						     sizeof(limits_fields[0]),
						.node_offset = SIZE_MAX,
						.given_offset = SIZE_MAX };

static const struct bind_field runbook_fields[] = {
	BIND_FIELD(runbook_part, name, "name", BIND_STRING, .required = true,
		   .doc = "Its name: [a-z0-9-]{1,64}, unique."),
	BIND_FIELD(runbook_part, mode, "mode", BIND_STRING, .default_text = "suggest",
		   .doc = "disabled; suggest: record what would be done; auto: do it. (approve is "
			  "not there yet.)"),
	BIND_FIELD(runbook_part, target, "target", BIND_STRINGS,
		   .doc = "Labels of the expression's result that name what is acted upon; "
			  "[instance] unless given. One run at a time a target."),
	BIND_FIELD(runbook_part, limits, "limits", BIND_STRUCT, .table = &limits_table,
		   .doc = "How often it may act."),
	BIND_FIELD(runbook_part, priority, "priority", BIND_INT, .default_text = "5", .min = 0,
		   .max = 9, .doc = "Order in the queue, 9 first."),
	BIND_FIELD(runbook_part, steps, "steps", BIND_NODE, .required = true,
		   .doc = "One to 32 steps, carried out in order."),
};
const struct bind_table runbook_table = { .what = "runbook",
					  .size = sizeof(struct runbook_part),
					  .fields = runbook_fields,
					  .n = sizeof(runbook_fields) / sizeof(runbook_fields[0]),
					  .node_offset = offsetof(struct runbook_part, node),
					  .given_offset = SIZE_MAX };

static const char *const later_steps[] = { "webhook", "wait", "verify", "approve", "notify" };

static bool name_is_valid(struct slice name, size_t max, bool runbook)
{
	if (name.len == 0 || name.len > max ||
	    (!runbook && !(name.ptr[0] >= 'a' && name.ptr[0] <= 'z')))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == (runbook ? '-' : '_')))
			return false;
	}
	return true;
}

static int complain(struct bind_context *context, const struct yaml_node *node, const char *hint,
		    const char *text)
{
	yaml_diag(context->diags, DIAG_ERROR, node, hint, "%s", text);
	return ERR_INVALID;
}

/* YAML reads `on` and `no` as booleans: whoever meant `off` must hear of it. */
static int mode_bind(struct bind_context *context, const struct runbook_part *part,
		     struct runbook *runbook)
{
	static const char *const modes[] = { "disabled", "suggest", "approve", "auto" };
	const struct yaml_node *node = yaml_get(part->node, "mode");

	for (int i = 0; i < 4; i++) {
		if (!slice_is(part->mode, modes[i]))
			continue;
		if (i == RUNBOOK_APPROVE)
			return complain(context, node, "use suggest or auto for now",
					"mode \"approve\" is not supported yet");
		runbook->mode = (enum runbook_mode)i;
		return 0;
	}
	const char *near = nearest_name(part->mode, modes, 4);

	yaml_diag(context->diags, DIAG_ERROR, node,
		  near ? arena_printf(context->arena, "did you mean \"%s\"?", near)
		       : "one of disabled, suggest, auto",
		  "unknown mode \"" SLICE_FMT "\"", SLICE_ARG(part->mode));
	return ERR_INVALID;
}

static const struct action_plugin *step_plugin(struct bind_context *context,
					       const struct yaml_node *node)
{
	const struct action_plugin *found = NULL;

	for (size_t i = 0; i < action_plugins_count; i++)
		if (action_plugins[i]->step && yaml_get(node, action_plugins[i]->name)) {
			if (found) {
				complain(context, node, NULL, "a step does exactly one thing");
				return NULL;
			}
			found = action_plugins[i];
		}
	if (found)
		return found;
	for (size_t i = 0; i < sizeof(later_steps) / sizeof(later_steps[0]); i++)
		if (yaml_get(node, later_steps[i])) {
			yaml_diag(context->diags, DIAG_ERROR, node, "use exec for now",
				  "step kind \"%s\" is not supported yet", later_steps[i]);
			return NULL;
		}
	complain(context, node, "add exec: [/path/to/script]", "a step needs something to do");
	return NULL;
}

static int step_bind(struct bind_context *context, const struct yaml_node *node,
		     const struct runbook *runbook, struct runbook_step *step)
{
	if (node->type != YAML_MAPPING)
		return complain(context, node, NULL, "a step must be a mapping");
	const struct action_plugin *plugin = step_plugin(context, node);

	if (!plugin)
		return ERR_INVALID;
	struct step_options *options = arena_alloc(context->arena, plugin->step->size);

	if (!options)
		return ERR_NOMEM;
	int code = bind_struct(plugin->step, node, context->arena, context->diags, options);

	if (code == 0 && plugin->check)
		code = plugin->check(options, true, node, context->base_dir, context->arena,
				     context->diags);
	if (code)
		return code;
	if (!name_is_valid(options->id, 32, false))
		return complain(context, yaml_get(node, "id"),
				"a lower-case letter, then such letters, digits and underscores; "
				"at most 32",
				"bad id of a step");
	for (const struct runbook_step *other = runbook->steps; other < step; other++)
		if (slice_is_equal(other->id, options->id))
			return complain(context, yaml_get(node, "id"), NULL,
					"two steps have this id");
	*step = (struct runbook_step){ .id = options->id, .plugin = plugin, .options = options };
	return 0;
}

static int steps_bind(struct bind_context *context, const struct yaml_node *list,
		      struct runbook *runbook)
{
	int result = 0;

	if (list->type != YAML_SEQUENCE || list->n == 0 || list->n > RUNBOOK_STEPS_MAX)
		return complain(context, list, NULL, "\"steps\" must be a list of 1 to 32 steps");
	runbook->steps = ARENA_ARRAY(context->arena, struct runbook_step, list->n);
	if (!runbook->steps)
		return ERR_NOMEM;
	for (size_t i = 0; i < list->n; i++) {
		int code = step_bind(context, list->items[i], runbook, &runbook->steps[i]);

		runbook->nsteps++;
		result = code ? code : result;
	}
	return result;
}

static int target_bind(struct bind_context *context, const struct runbook_part *part,
		       struct runbook *runbook)
{
	if (part->target.n > TARGET_LABELS_MAX)
		return complain(context, part->node, NULL, "\"target\" has too many labels");
	runbook->target = part->target.items;
	runbook->ntarget = (uint32_t)part->target.n;
	if (runbook->ntarget)
		return 0;
	runbook->target = ARENA_NEW(context->arena, struct slice);
	if (!runbook->target)
		return ERR_NOMEM;
	runbook->target[0] = SLICE("instance");
	runbook->ntarget = 1;
	return 0;
}

/* All that is written in a mapping: two runbooks with equal hashes do the same. */
static uint64_t hash_node(uint64_t hash, const struct yaml_node *node)
{
	hash = hash_fnv1a64(hash, &node->type, sizeof(node->type));
	if (node->type == YAML_SCALAR)
		return hash_fnv1a64(hash, node->text.ptr, node->text.len);
	for (size_t i = 0; i < node->n; i++)
		hash = hash_node(hash, node->items[i]);
	return hash;
}

static int runbook_bind(struct bind_context *context, const struct yaml_node *node,
			struct runbook *runbook)
{
	struct runbook_part part;
	int code = bind_struct(&runbook_table, node, context->arena, context->diags, &part), one;

	if (code)
		return code;
	if (!name_is_valid(part.name, 64, true))
		return complain(context, yaml_get(node, "name"),
				"letters, digits and dashes; at most 64", "bad name of a runbook");
	if (runbook_find(context->config, part.name))
		return complain(context, yaml_get(node, "name"), NULL,
				"two runbooks have this name");
	*runbook = (struct runbook){ .name = part.name,
				     .cooldown_ms = part.limits.cooldown_ms,
				     .queue_for_ms = part.limits.queue_for_ms,
				     .per_target_per_hour = part.limits.per_target_per_hour,
				     .per_hour = part.limits.per_hour,
				     .priority = part.priority,
				     .hash = hash_node(FNV1A64_INIT, node) };
	if ((one = mode_bind(context, &part, runbook)))
		code = one;
	if ((one = target_bind(context, &part, runbook)))
		code = one;
	if ((one = steps_bind(context, part.steps, runbook)))
		code = one;
	return code;
}

int runbooks_bind(struct bind_context *context, const struct yaml_node *node)
{
	struct actions_config *config = context->config;
	int result = 0;

	if (yaml_is_empty(node))
		return 0;
	if (node->type != YAML_SEQUENCE || node->n > RUNBOOKS_MAX)
		return complain(context, node, NULL,
				"\"runbooks\" must be a list of at most 10000");
	config->runbooks = ARENA_ARRAY(context->arena, struct runbook, node->n);
	if (!config->runbooks)
		return ERR_NOMEM;
	for (size_t i = 0; i < node->n; i++) {
		int code =
			runbook_bind(context, node->items[i], &config->runbooks[config->nrunbooks]);

		config->nrunbooks += code == 0;
		result = code ? code : result;
	}
	return result;
}
