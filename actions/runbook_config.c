/* Runbooks as bound from YAML. */
#include "actions/config_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "engine/verify.h"

#define RUNBOOKS_MAX 10000
#define TARGET_LABELS_MAX 16
#define DAY_MS (24ll * 3600 * 1000)
#define STOP_OVER_PERCENT 40 /* where `targets` is given */

struct limits_part {
	int64_t cooldown_ms, queue_for_ms, per_target_per_hour, per_hour;
	struct slice max_in_flight, stop_over;
	const struct yaml_node *node;
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
	BIND_FIELD(
		limits_part, max_in_flight, "max_in_flight", BIND_STRING, .default_text = "1",
		.doc = "Runs of this runbook under way at once: a number, or a share of `targets` "
		       "(10%), rounded down."),
	BIND_FIELD(
		limits_part, stop_over, "stop_over", BIND_STRING,
		.doc = "When more than this share of `targets` is unhealthy or in repair, nobody "
		       "is touched: then the cause is elsewhere. 40% where `targets` is given."),
};
static const struct bind_table limits_table =
	BIND_TABLE_AT(limits_part, "runbook limits", limits_fields);

struct breaker_part {
	int64_t volume, window_ms, sleep_ms;
	struct slice error_share;
	const struct yaml_node *node;
};

static const struct bind_field breaker_fields[] = {
	BIND_FIELD(breaker_part, volume, "volume", BIND_INT, .default_text = "5", .min = 1,
		   .max = 100000, .doc = "Runs in the window below which it does not open."),
	BIND_FIELD(breaker_part, error_share, "error_share", BIND_STRING, .default_text = "50%",
		   .doc = "It opens when this share of them, or more, did not end recovered."),
	BIND_FIELD(breaker_part, window_ms, "window", BIND_DURATION, .default_text = "1h",
		   .min = 1000, .max = 30 * DAY_MS, .doc = "How far back runs count."),
	BIND_FIELD(
		breaker_part, sleep_ms, "sleep", BIND_DURATION, .default_text = "30m", .min = 1000,
		.max = 30 * DAY_MS,
		.doc = "Nothing is done for so long after the last bad end; then one run tries."),
};
static const struct bind_table breaker_table =
	BIND_TABLE_AT(breaker_part, "breaker", breaker_fields);

static const char *const later_keys[] = {
	"active_time_intervals", "mute_time_intervals", "parameters", "on_resolve", "repeat",
	"allow_on_absence",	 "probation",
};
#define LATER_KEYS (sizeof(later_keys) / sizeof(later_keys[0]))
#define LATER_FIELD(i, name)                                                                       \
	{                                                                                          \
		.key = name, .type = BIND_NODE,                                                    \
		.offset = offsetof(struct runbook_part, later) + (i) * sizeof(struct yaml_node *), \
		.doc = "Not there yet."                                                            \
	}

struct runbook_part {
	struct slice name;
	struct slice mode;
	struct bind_strings target;
	struct slice targets;
	struct limits_part limits;
	struct breaker_part breaker;
	int64_t priority;
	struct slice on_refused, on_failed;
	const struct yaml_node *steps, *node;
	const struct yaml_node *later[LATER_KEYS];
};

static const struct bind_field runbook_fields[] = {
	BIND_FIELD(runbook_part, name, "name", BIND_STRING, .required = true,
		   .doc = "Its name: [a-z0-9-]{1,64}, unique."),
	BIND_FIELD(runbook_part, mode, "mode", BIND_STRING, .default_text = "suggest",
		   .doc = "disabled; suggest: record what would be done; auto: do it. (approve is "
			  "not there yet.)"),
	BIND_FIELD(runbook_part, target, "target", BIND_STRINGS,
		   .doc = "Labels of the expression's result that name what is acted upon; "
			  "[instance] unless given. One run at a time a target."),
	BIND_FIELD(runbook_part, targets, "targets", BIND_STRING,
		   .doc = "Expression of all targets there are: for shares."),
	BIND_FIELD(runbook_part, limits, "limits", BIND_STRUCT, .table = &limits_table,
		   .doc = "How often it may act."),
	BIND_FIELD(runbook_part, breaker, "breaker", BIND_STRUCT, .table = &breaker_table,
		   .doc = "Stops a runbook that does not help."),
	BIND_FIELD(runbook_part, on_refused, "on_refused", BIND_STRING,
		   .doc = "Receiver that is told when a run is refused; the alert's own route "
			  "unless given."),
	BIND_FIELD(runbook_part, on_failed, "on_failed", BIND_STRING,
		   .doc = "Receiver that is told when a run did not end recovered; the alert's own "
			  "route unless given."),
	BIND_FIELD(runbook_part, priority, "priority", BIND_INT, .default_text = "5", .min = 0,
		   .max = 9, .doc = "Order in the queue, 9 first."),
	BIND_FIELD(runbook_part, steps, "steps", BIND_NODE, .required = true,
		   .doc = "One to 32 steps: exec, webhook, wait, verify, notify; see below."),
	LATER_FIELD(0, "active_time_intervals"),
	LATER_FIELD(1, "mute_time_intervals"),
	LATER_FIELD(2, "parameters"),
	LATER_FIELD(3, "on_resolve"),
	LATER_FIELD(4, "repeat"),
	LATER_FIELD(5, "allow_on_absence"),
	LATER_FIELD(6, "probation"),
};
const struct bind_table runbook_table = BIND_TABLE_AT(runbook_part, "runbook", runbook_fields);

bool name_is_valid(struct slice name, size_t max, char joiner, bool letter_first)
{
	if (name.len == 0 || name.len > max ||
	    (letter_first && !(name.ptr[0] >= 'a' && name.ptr[0] <= 'z')))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == joiner))
			return false;
	}
	return true;
}

int complain_at(struct bind_context *context, const struct yaml_node *node, const char *hint,
		const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	yaml_diag(context->diags, DIAG_ERROR, node, hint, "%s", text);
	return ERR_INVALID;
}

const struct source *source_keep(struct arena *arena, const struct source *from)
{
	struct source *copy = ARENA_NEW(arena, struct source);

	if (!copy)
		return NULL;
	*copy = (struct source){ .text = arena_slice(arena, from->text),
				 .file = from->file ? arena_strdup(arena, slice_from(from->file))
						    : NULL,
				 .line0 = from->line0,
				 .column0 = from->column0,
				 .indent = from->indent };
	return copy->text.ptr && (copy->file || !from->file) ? copy : NULL;
}

const struct receiver *receiver_find(struct bind_context *context, const struct yaml_node *node,
				     struct slice name)
{
	const struct actions_config *config = context->config;
	const char **names = ARENA_ARRAY(context->arena, const char *, config->nreceivers + 1);

	for (uint32_t i = 0; names && i < config->nreceivers; i++) {
		if (slice_is_equal(config->receivers[i].name, name))
			return &config->receivers[i];
		names[i] = arena_strdup(context->arena, config->receivers[i].name);
		if (!names[i])
			return NULL;
	}
	if (context->nameless)
		return NULL;
	const char *near = names ? nearest_name(name, names, config->nreceivers) : NULL;

	complain_at(context, node,
		    near ? arena_printf(context->arena, "did you mean \"%s\"?", near)
			 : "add it to receivers",
		    "unknown receiver \"%.*s\"", (int)(name.len < 200 ? name.len : 200), name.ptr);
	return NULL;
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
			return complain_at(context, node, "use suggest or auto for now",
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

static int target_bind(struct bind_context *context, const struct runbook_part *part,
		       struct runbook *runbook)
{
	if (part->target.n > TARGET_LABELS_MAX)
		return complain_at(context, part->node, NULL, "\"target\" has too many labels");
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

/* ---- shares ---- */

/* "3" or "10%". */
static int share_parse(struct slice text, struct share *out)
{
	bool is_percent = text.len > 0 && text.ptr[text.len - 1] == '%';
	double number;

	if (is_percent)
		text.len--;
	if (text.len == 0 || number_parse(text, &number) || number != (double)(int64_t)number ||
	    number < 1 || number > (is_percent ? 100 : 100000))
		return ERR_INVALID;
	*out = (struct share){ .number = (int64_t)number, .is_percent = is_percent };
	return 0;
}

static const struct yaml_node *node_of(const struct runbook_part *part,
				       const struct yaml_node *mapping, const char *key)
{
	const struct yaml_node *node = mapping ? yaml_get(mapping, key) : NULL;

	return node ? node : part->node;
}

static int shares_bind(struct bind_context *context, const struct runbook_part *part,
		       struct runbook *runbook)
{
	const struct limits_part *limits = &part->limits;
	const struct yaml_node *in_flight = node_of(part, limits->node, "max_in_flight"),
			       *stop_over = node_of(part, limits->node, "stop_over");
	struct share errors;
	bool has_targets = part->targets.len > 0;
	int code = 0;

	if (share_parse(limits->max_in_flight, &runbook->max_in_flight))
		code = complain_at(
			context, in_flight, "write a number, or a share such as 10%",
			"\"max_in_flight\" must be a number from 1, or a share to 100%%");
	else if (runbook->max_in_flight.is_percent && !has_targets)
		code = complain_at(context, in_flight, "add targets: up{job=\"shop\"}",
				   "a share of what? \"targets\" is missing");
	if (limits->stop_over.len == 0)
		runbook->stop_over = (struct share){ has_targets ? STOP_OVER_PERCENT : 0, true };
	else if (share_parse(limits->stop_over, &runbook->stop_over) ||
		 !runbook->stop_over.is_percent)
		code = complain_at(context, stop_over, "write a share such as 40%",
				   "\"stop_over\" must be a share from 1%% to 100%%");
	else if (!has_targets)
		code = complain_at(context, stop_over, "add targets: up{job=\"shop\"}",
				   "a share of what? \"targets\" is missing");
	if (share_parse(part->breaker.error_share, &errors) || !errors.is_percent)
		code = complain_at(context, node_of(part, part->breaker.node, "error_share"),
				   "write a share such as 50%",
				   "\"error_share\" must be a share from 1%% to 100%%");
	runbook->breaker = (struct breaker){ .volume = part->breaker.volume,
					     .error_percent = errors.number,
					     .window_ms = part->breaker.window_ms,
					     .sleep_ms = part->breaker.sleep_ms };
	return code;
}

static int targets_bind(struct bind_context *context, const struct runbook_part *part,
			struct runbook *runbook)
{
	const struct yaml_node *node = yaml_get(part->node, "targets");
	int64_t reach_ms;

	if (!node || part->targets.len == 0)
		return 0;
	int code = verify_check(&node->source, context->diags, &reach_ms);

	if (code == 0 && memmem(part->targets.ptr, part->targets.len, "$labels", 7))
		code = complain_at(context, node, NULL,
				   "\"targets\" are all there are, whatever the alert's labels");
	runbook->targets = source_keep(context->arena, &node->source);
	return code ? code : runbook->targets ? 0 : ERR_NOMEM;
}

static int receivers_find(struct bind_context *context, const struct runbook_part *part,
			  struct runbook *runbook)
{
	int code = 0;

	if (part->on_refused.len &&
	    !(runbook->on_refused =
		      receiver_find(context, yaml_get(part->node, "on_refused"), part->on_refused)))
		code = ERR_INVALID;
	if (part->on_failed.len &&
	    !(runbook->on_failed =
		      receiver_find(context, yaml_get(part->node, "on_failed"), part->on_failed)))
		code = ERR_INVALID;
	return code;
}

static int refuse_later(struct bind_context *context, const struct runbook_part *part)
{
	int code = 0;

	for (size_t i = 0; i < LATER_KEYS; i++)
		if (part->later[i])
			code = complain_at(context, part->later[i], "take it out for now",
					   "\"%s\" of a runbook is not supported yet",
					   later_keys[i]);
	return code;
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

static int name_check(struct bind_context *context, const struct runbook_part *part)
{
	const struct yaml_node *node = yaml_get(part->node, "name");

	if (!node || node->unread)
		return ERR_INVALID; /* that was told */
	if (!name_is_valid(part->name, RUNBOOK_NAME_MAX, '-', false))
		return complain_at(context, node, "letters, digits and dashes; at most 64",
				   "bad name of a runbook");
	return runbook_find(context->config, part->name)
		       ? complain_at(context, node, NULL, "two runbooks have this name")
		       : 0;
}

static int runbook_bind(struct bind_context *context, const struct yaml_node *node,
			struct runbook *runbook)
{
	struct runbook_part part;
	int code = bind_struct(&runbook_table, node, context->arena, context->diags, &part);

	/* What was understood is looked at all the same: whoever mends it shall know all. */
	if (code && (code != ERR_INVALID || node->type != YAML_MAPPING))
		return code;
	*runbook = (struct runbook){ .name = part.name,
				     .cooldown_ms = part.limits.cooldown_ms,
				     .queue_for_ms = part.limits.queue_for_ms,
				     .per_target_per_hour = part.limits.per_target_per_hour,
				     .per_hour = part.limits.per_hour,
				     .priority = part.priority,
				     .hash = hash_node(FNV1A64_INIT, node) };
	const int codes[] = {
		name_check(context, &part),
		refuse_later(context, &part),
		mode_bind(context, &part, runbook),
		target_bind(context, &part, runbook),
		targets_bind(context, &part, runbook),
		shares_bind(context, &part, runbook),
		receivers_find(context, &part, runbook),
		steps_bind(context, part.steps, runbook),
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		code = codes[i] ? codes[i] : code;
	return code;
}

int runbooks_bind(struct bind_context *context, const struct yaml_node *node)
{
	struct actions_config *config = context->config;
	int result = 0;

	if (!node || yaml_is_null(node))
		return 0;
	if (node->type != YAML_SEQUENCE || node->n > RUNBOOKS_MAX)
		return complain_at(context, node,
				   node->type == YAML_SEQUENCE ? NULL : ACTIONS_HINT_LIST,
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

const struct source **actions_config_demands(const struct actions_config *config, size_t *n)
{
	size_t room = 1;

	for (uint32_t i = 0; i < config->nrunbooks; i++)
		room += config->runbooks[i].nsteps + 1;
	const struct source **out = calloc(room, sizeof(*out));

	*n = 0;
	for (uint32_t i = 0; out && i < config->nrunbooks; i++) {
		const struct runbook *runbook = &config->runbooks[i];

		if (runbook->targets)
			out[(*n)++] = runbook->targets;
		for (uint32_t k = 0; k < runbook->nsteps; k++)
			if (runbook->steps[k].kind == STEP_VERIFY)
				out[(*n)++] = runbook->steps[k].verify.source;
	}
	return out;
}
