#include "actions/config_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"

struct actions_part {
	bool freeze;
	int64_t max_running, per_hour;
};

static const struct bind_field actions_fields[] = {
	BIND_FIELD(actions_part, freeze, "freeze", BIND_BOOL, .default_text = "false",
		   .doc = "Start no runbook at all."),
	BIND_FIELD(actions_part, max_running, "max_running", BIND_INT, .default_text = "4",
		   .min = 1, .max = 64, .doc = "Runs that may be under way at once."),
	BIND_FIELD(actions_part, per_hour, "per_hour", BIND_INT, .default_text = "20", .min = 1,
		   .max = 100000,
		   .doc = "Runs that may be started in an hour, all runbooks together."),
	{ .key = "deny_private",
	  .type = BIND_LATER,
	  .default_text = "false",
	  .doc = "Not there yet." },
};
const struct bind_table actions_table = BIND_TABLE(actions_part, "actions", actions_fields);

/* ---- plug-ins ---- */

#define PLUGIN(plugin) extern const struct action_plugin plugin;
#include "actions/plugins.def"
#undef PLUGIN

const struct action_plugin *const action_plugins[] = {
#define PLUGIN(plugin) &plugin,
#include "actions/plugins.def"
#undef PLUGIN
};
const size_t action_plugins_count = sizeof(action_plugins) / sizeof(action_plugins[0]);

/* ---- receivers ---- */

bool yaml_is_empty(const struct yaml_node *node)
{
	return !node || yaml_is_null(node) || (node->type != YAML_SCALAR && node->n == 0);
}

/* webhook_configs → the webhook plug-in; NULL with an error for what does not exist (yet). */
static const struct action_plugin *integration_plugin(struct bind_context *context,
						      const struct yaml_node *key)
{
	struct slice suffix = SLICE("_configs");
	const char *names[64];
	size_t n = 0;

	for (size_t i = 0; i < action_plugins_count && n < 63; i++) {
		const struct action_plugin *plugin = action_plugins[i];

		if (!plugin->integration)
			continue;
		char *name = arena_printf(context->arena, "%s_configs", plugin->name);

		if (name && slice_is(key->text, name))
			return plugin;
		if (name)
			names[n++] = name;
	}
	names[n++] = "name";
	if (slice_has_suffix(key->text, suffix)) {
		yaml_diag(context->diags, DIAG_ERROR, key, "use webhook_configs for now",
			  "\"" SLICE_FMT "\" is not supported yet", SLICE_ARG(key->text));
		return NULL;
	}
	const char *near = nearest_name(key->text, names, n);

	yaml_diag(context->diags, DIAG_ERROR, key,
		  near ? arena_printf(context->arena, "did you mean \"%s\"?", near) : NULL,
		  "unknown key \"" SLICE_FMT "\" in receiver", SLICE_ARG(key->text));
	return NULL;
}

static int integration_add(struct bind_context *context, struct receiver *receiver,
			   const struct action_plugin *plugin, uint32_t index,
			   const struct yaml_node *node)
{
	struct integration *integration = &receiver->integrations[receiver->n];
	void *options = arena_alloc(context->arena, plugin->integration->size);

	if (!options)
		return ERR_NOMEM;
	int code = bind_struct(plugin->integration, node, context->arena, context->diags, options);

	if (code == 0 && plugin->check)
		code = plugin->check(options, false, node, context->base_dir, context->arena,
				     context->diags);
	if (code)
		return code;
	*integration = (struct integration){ .plugin = plugin, .options = options, .index = index };
	receiver->n++;
	return 0;
}

static int integrations_bind(struct bind_context *context, struct receiver *receiver,
			     const struct yaml_node *node)
{
	int result = 0;
	size_t room = 0;

	for (size_t i = 1; i < node->n; i += 2)
		room += node->items[i]->type == YAML_SEQUENCE ? node->items[i]->n : 0;
	receiver->integrations = ARENA_ARRAY(context->arena, struct integration, room + 1);
	if (!receiver->integrations)
		return ERR_NOMEM;
	for (size_t i = 0; i + 1 < node->n; i += 2) {
		const struct yaml_node *key = node->items[i], *list = node->items[i + 1];

		if (slice_is(key->text, "name"))
			continue;
		const struct action_plugin *plugin = integration_plugin(context, key);

		if (!plugin) {
			result = ERR_INVALID;
			continue;
		}
		if (list->type != YAML_SEQUENCE) {
			yaml_diag(context->diags, DIAG_ERROR, list, ACTIONS_HINT_LIST,
				  "\"" SLICE_FMT "\" must be a list", SLICE_ARG(key->text));
			result = ERR_INVALID;
			continue;
		}
		for (size_t k = 0; k < list->n; k++) {
			int code = integration_add(context, receiver, plugin, (uint32_t)k,
						   list->items[k]);

			result = code ? code : result;
		}
	}
	return result;
}

static const struct bind_field receiver_fields[] = {
	{ .key = "name",
	  .type = BIND_STRING,
	  .offset = 0,
	  .required = true,
	  .doc = "How routes refer to it." },
	{ .key = "webhook_configs",
	  .type = BIND_NODE,
	  .offset = sizeof(struct slice),
	  .doc = "A list of webhooks; see below." },
};
const struct bind_table receiver_table = { .what = "receiver",
					   .size = sizeof(struct slice) + sizeof(void *),
					   .fields = receiver_fields,
					   .n = 2,
					   .node_offset = SIZE_MAX,
					   .given_offset = SIZE_MAX };

static int receiver_bind(struct bind_context *context, const struct yaml_node *node,
			 struct receiver *receiver)
{
	const struct yaml_node *name = node->type == YAML_MAPPING ? yaml_get(node, "name") : NULL;

	if (!name || name->type != YAML_SCALAR || name->text.len == 0 || name->unread) {
		context->nameless = true;
		yaml_diag(context->diags, DIAG_ERROR, node, "write name: NAME",
			  "a receiver needs a \"name\"");
		int code =
			node->type == YAML_MAPPING ? integrations_bind(context, receiver, node) : 0;

		return code ? code : ERR_INVALID;
	}
	for (uint32_t i = 0; i < context->config->nreceivers; i++)
		if (slice_is_equal(context->config->receivers[i].name, name->text)) {
			yaml_diag(context->diags, DIAG_ERROR, name, NULL,
				  "notification config name \"" SLICE_FMT "\" is not unique",
				  SLICE_ARG(name->text));
			return ERR_INVALID;
		}
	receiver->name = arena_slice(context->arena, name->text);
	return integrations_bind(context, receiver, node);
}

static int receivers_bind(struct bind_context *context, const struct yaml_node *node)
{
	struct actions_config *config = context->config;
	int result = 0;

	if (!node || yaml_is_null(node))
		return 0;
	if (node->type != YAML_SEQUENCE) {
		context->nameless = true;
		yaml_diag(context->diags, DIAG_ERROR, node, ACTIONS_HINT_LIST,
			  "\"receivers\" must be a list");
		return ERR_INVALID;
	}
	config->receivers = ARENA_ARRAY(context->arena, struct receiver, node->n);
	if (!config->receivers)
		return ERR_NOMEM;
	for (size_t i = 0; i < node->n; i++) {
		int code = receiver_bind(context, node->items[i],
					 &config->receivers[config->nreceivers]);

		/* A receiver with errors still has its name: routes to it are not wrong too. */
		config->nreceivers += config->receivers[config->nreceivers].name.len > 0;
		result = code ? code : result;
	}
	return result;
}

/* ---- the whole ---- */

static int refuse_later(struct bind_context *context, const struct yaml_node *node,
			const char *what)
{
	if (yaml_is_empty(node))
		return 0;
	yaml_diag(context->diags, DIAG_ERROR, node, "take it out for now",
		  "\"%s\" is not supported yet", what);
	return ERR_INVALID;
}

static int actions_part_bind(struct bind_context *context, const struct yaml_node *node)
{
	struct actions_part part;
	int code = bind_struct(&actions_table, node && yaml_is_null(node) ? NULL : node,
			       context->arena, context->diags, &part);

	context->config->freeze = part.freeze;
	context->config->max_running = part.max_running;
	context->config->per_hour = part.per_hour;
	return code;
}

int actions_config_bind(const struct actions_config_nodes *nodes, struct slice external_url,
			const struct labels *external_labels, struct diag_list *diags,
			struct actions_config **out)
{
	struct actions_config *config = calloc(1, sizeof(*config));

	if (!config)
		return ERR_NOMEM;
	atomic_init(&config->refs, 1);
	arena_init(&config->arena, 0);
	config->external_url = arena_strdup(&config->arena, external_url);
	config->external_labels =
		external_labels ? labels_ref((struct labels *)external_labels) : NULL;
	struct bind_context context = { .config = config,
					.arena = &config->arena,
					.diags = diags,
					.base_dir = nodes->base_dir };
	const int codes[] = {
		config->external_url ? 0 : ERR_NOMEM,
		receivers_bind(&context, nodes->receivers),
		route_bind(&context, nodes->route),
		runbooks_bind(&context, nodes->runbooks),
		actions_part_bind(&context, nodes->actions),
		refuse_later(&context, nodes->inhibit_rules, "inhibit_rules"),
		refuse_later(&context, nodes->time_intervals, "time_intervals"),
		refuse_later(&context, nodes->mute_time_intervals, "mute_time_intervals"),
		refuse_later(&context, nodes->templates, "templates"),
		refuse_later(&context, nodes->global, "global"),
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i]) {
			actions_config_unref(config);
			return codes[i];
		}
	*out = config;
	return 0;
}

struct actions_config *actions_config_ref(struct actions_config *config)
{
	atomic_fetch_add(&config->refs, 1);
	return config;
}

void actions_config_unref(struct actions_config *config)
{
	if (!config || atomic_fetch_sub(&config->refs, 1) > 1)
		return;
	if (config->root)
		route_fini(config->root);
	labels_unref(config->external_labels);
	arena_fini(&config->arena);
	free(config);
}

const struct runbook *runbook_find(const struct actions_config *config, struct slice name)
{
	for (uint32_t i = 0; i < config->nrunbooks; i++)
		if (slice_is_equal(config->runbooks[i].name, name))
			return &config->runbooks[i];
	return NULL;
}
