#include "daemon/config.h"

#include <assert.h>
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "daemon/address.h"
#include "daemon/config_keys.h"

/* An error at the value of section.key (section NULL: of key at the top); about the whole file when
 * that is not there. */
static int complain(const struct config_file *file, const char *section, const char *key,
		    const char *path, struct diag_list *diags, const char *hint, const char *text,
		    struct slice value)
{
	const struct yaml_node *mapping = section ? yaml_get(file->root, section) : file->root,
			       *node = yaml_get(mapping, key);

	if (node)
		yaml_diag(diags, DIAG_ERROR, node, hint, text, SLICE_ARG(value));
	else
		diag_add(diags, DIAG_ERROR, path, 0, 0, NULL, hint, text, SLICE_ARG(value));
	return ERR_INVALID;
}

static int add_rule_file(struct config *config, const char *path)
{
	char **files = arena_alloc(&config->arena, (config->nrule_files + 1) * sizeof(*files));
	char *copy = arena_strdup(&config->arena, slice_from(path));

	if (!files || !copy)
		return ERR_NOMEM;
	if (config->nrule_files)
		memcpy(files, config->rule_files, config->nrule_files * sizeof(*files));
	files[config->nrule_files++] = copy;
	config->rule_files = files;
	return 0;
}

static int bind_external_labels(struct config *config, const struct bind_map *map,
				struct diag_list *diags)
{
	struct label *pairs = arena_alloc(&config->arena, (map->n + 1) * sizeof(*pairs));
	const char *why = NULL;

	if (!pairs)
		return ERR_NOMEM;
	for (size_t i = 0; i < map->n; i++)
		pairs[i] = (struct label){ map->items[i].key, map->items[i].value };
	int code = labels_new(pairs, map->n, &config->external_labels, &why);

	if (code == ERR_INVALID || code == ERR_LIMIT)
		diag_add(diags, DIAG_ERROR, config->path, 0, 0, NULL, NULL, "external_labels: %s",
			 why);
	return code;
}

/*
 * Where links lead unless it is said: to where we listen; on all addresses to this host by its
 * name, on a port that the system chooses nowhere. NULL: no memory.
 */
static char *own_url(struct config *config)
{
	char name[256] = "localhost";
	const char *host = config->listen_host;

	if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0) {
		gethostname(name, sizeof(name) - 1);
		host = name;
	}
	if (config->listen_port == 0)
		return arena_strdup(&config->arena, SLICE(""));
	return arena_printf(&config->arena, strchr(host, ':') ? "http://[%s]:%u" : "http://%s:%u",
			    host, config->listen_port);
}

static int bind_external_url(struct config *config, struct slice given)
{
	char *url = given.len ? arena_strdup(&config->arena, given) : own_url(config);

	if (!url)
		return ERR_NOMEM;
	config->external_url = slice_from(url);
	return slice_has_prefix(given, SLICE("http://")) ||
			       slice_has_prefix(given, SLICE("https://")) || given.len == 0
		       ? 0
		       : ERR_INVALID;
}

/* What stands in the file is what is meant. */
static void take_settings(struct config *config, const struct config_file *file)
{
	config->allowed_hosts = file->web.allowed_hosts;
	config->evaluation_interval_ms = file->evaluation_interval_ms;
	config->rule_query_offset_ms = file->rule_query_offset_ms;
	config->lookback_ms = file->lookback_delta_ms;
	config->retention_ms = file->retention_unselected_ms;
	config->subquery_step_ms = file->default_subquery_step_ms;
	config->delayed_names = file->delayed_name_removal;
	config->start_times = file->use_start_timestamps;
	config->sender_timeout_ms = file->sender_timeout_ms;
	config->resolve_on_silence = file->on_sender_silence == 1;
	config->memory_max = file->limits.memory;
	config->series_max = file->limits.series;
	config->ignored_max = file->limits.ignored_series;
	config->log_series_max = file->limits.log_series;
	config->rules_max = file->limits.rules;
	config->query_samples_max = file->limits.query_samples;
	config->query_timeout_ms = file->limits.query_timeout_ms;
	config->query_concurrency = (uint32_t)file->limits.query_concurrency;
	config->queue_bytes_max = file->limits.queue_bytes;
	config->redact = file->redact.items;
	config->nredact = file->redact.n;
}

/*
 * The parts of a configuration, in turn. All are looked at, so that all errors are told at once;
 * what went wrong last is what is returned.
 */
struct file_binder {
	struct config *config;
	const struct config_file *file;
	const struct config_overrides *overrides;
	const char *base_dir;
	struct diag_list *diags;
	int code;
};

static void note(struct file_binder *b, int code)
{
	if (code)
		b->code = code;
}

static void bind_web(struct file_binder *b)
{
	const struct config_overrides *overrides = b->overrides;
	const struct config_file none = { 0 }, *file = b->file;
	struct config *config = b->config;
	struct slice address = overrides->listen_address ? slice_from(overrides->listen_address)
							 : file->web.listen_address;
	struct slice external_url = overrides->external_url ? slice_from(overrides->external_url)
							    : file->web.external_url;
	int code =
		address_parse(address, &config->arena, &config->listen_host, &config->listen_port);

	note(b, code);
	if (code == ERR_INVALID)
		complain(overrides->listen_address ? &none : file, "web", "listen_address",
			 overrides->listen_address ? "--listen" : config->path, b->diags,
			 "write it as HOST:PORT, for example 127.0.0.1:9797",
			 "listen address \"" SLICE_FMT "\" is no HOST:PORT", address);
	/* Without an address there is nowhere that links could lead. */
	if (code && external_url.len == 0)
		return;
	note(b, code = bind_external_url(config, external_url));
	if (code == ERR_INVALID)
		complain(overrides->external_url ? &none : file, "web", "external_url",
			 overrides->external_url ? "--external-url" : config->path, b->diags,
			 "begin it with http:// or https://",
			 "the external URL \"" SLICE_FMT "\" is no http or https address",
			 external_url);
}

static void bind_data_dir(struct file_binder *b)
{
	struct config *config = b->config;
	struct slice data_dir =
		b->overrides->data_dir ? slice_from(b->overrides->data_dir) : b->file->data_dir;

	if (data_dir.len == 0) {
		const struct config_file none = { 0 };

		note(b, complain(b->overrides->data_dir ? &none : b->file, NULL, "data_dir",
				 b->overrides->data_dir ? "--data-dir" : config->path, b->diags,
				 "write none if there is to be none", "data_dir is empty" SLICE_FMT,
				 data_dir));
		return;
	}
	if (slice_is(data_dir, "none"))
		return;
	bool as_given = b->overrides->data_dir || data_dir.ptr[0] == '/' || !config->path;

	/* So that messages do not say DIR/./tocsin-data. */
	if (!as_given && slice_has_prefix(data_dir, SLICE("./")) && data_dir.len > 2)
		data_dir = (struct slice){ data_dir.ptr + 2, data_dir.len - 2 };

	config->data_dir = as_given ? arena_strdup(&config->arena, data_dir)
				    : arena_printf(&config->arena, "%s/" SLICE_FMT, b->base_dir,
						   SLICE_ARG(data_dir));
}

static const char *unread_hint(int error)
{
	if (error == EISDIR)
		return "name its files, with a wildcard: DIR/*.yml";
	if (error == EACCES)
		return "whoever runs this must be permitted to";
	return "paths are relative to the configuration's directory";
}

static int add_rule_file_named(struct file_binder *b, const char *path,
			       const struct yaml_node *node)
{
	struct stat found;
	bool is_there = stat(path, &found) == 0, is_dir = is_there && S_ISDIR(found.st_mode);

	if (!b->overrides->looks_for_rule_files || (is_there && !is_dir && access(path, R_OK) == 0))
		return add_rule_file(b->config, path);
	int error = is_dir ? EISDIR : errno;

	yaml_diag(b->diags, DIAG_ERROR, node, unread_hint(error),
		  "rule_files: cannot read \"%s\": %s", path, strerror(error));
	return ERR_INVALID;
}

/* A wildcard that matches nothing warns. */
static int add_rule_files(struct file_binder *b, struct slice pattern, const struct yaml_node *node)
{
	struct arena *arena = &b->config->arena;
	char *path =
		pattern.len && pattern.ptr[0] == '/'
			? arena_strdup(arena, pattern)
			: arena_printf(arena, "%s/" SLICE_FMT, b->base_dir, SLICE_ARG(pattern));
	glob_t found;
	int code = 0;

	if (!path)
		return ERR_NOMEM;
	if (!strpbrk(path, "*?["))
		return add_rule_file_named(b, path, node);
	if (glob(path, GLOB_ERR, NULL, &found)) {
		diag_name(yaml_diag(b->diags, DIAG_WARNING, node, NULL,
				    "rule_files: \"" SLICE_FMT "\" matches no file",
				    SLICE_ARG(pattern)),
			  "no-rule-file");
		return 0;
	}
	for (size_t i = 0; i < found.gl_pathc && code == 0; i++)
		code = add_rule_file(b->config, found.gl_pathv[i]);
	globfree(&found);
	return code;
}

static void bind_rule_files(struct file_binder *b)
{
	const struct config_file *file = b->file;

	for (size_t i = 0; i < file->rule_files.n; i++)
		note(b, add_rule_files(b, file->rule_files.items[i], file->rule_files.nodes[i]));
	for (size_t i = 0; i < b->overrides->nrule_files; i++)
		note(b, add_rule_file(b->config, b->overrides->rule_files[i]));
}

static void bind_ingest(struct file_binder *b)
{
	const struct config_file *file = b->file;
	struct config *config = b->config;

	note(b, log_sources_config_bind(&file->ingest.logs, b->base_dir, &config->arena, b->diags,
					&config->logs));
	note(b, relabel_new(&file->ingest.remote_write.relabel_configs, b->diags,
			    &config->remote_write_relabel));
	note(b, relabel_new(&file->ingest.otlp.relabel_configs, b->diags, &config->otlp_relabel));
	note(b, relabel_new(&file->ingest.loki.relabel_configs, b->diags, &config->loki_relabel));
	if (file->redact.n > 0)
		note(b,
		     redactor_new(file->redact.items, file->redact.n, b->diags, &config->redactor));
	note(b, profiles_config_bind(&file->ingest.profiles, &config->arena, b->diags,
				     &config->profiles));
}

static void bind_peers(struct file_binder *b)
{
	struct config *config = b->config;

	note(b, history_config_bind(&b->file->history, b->base_dir, &config->arena, b->diags,
				    &config->history));
	note(b, remote_write_config_bind(&b->file->remote_write, b->base_dir, &config->arena,
					 b->diags, &config->remote_write));
}

static void bind_actions(struct file_binder *b)
{
	const struct config_file *file = b->file;
	const struct actions_config_nodes nodes = { .route = file->route,
						    .receivers = file->receivers,
						    .inhibit_rules = file->inhibit_rules,
						    .time_intervals = file->time_intervals,
						    .mute_time_intervals =
							    file->mute_time_intervals,
						    .templates = file->templates,
						    .global = file->global,
						    .runbooks = file->runbooks,
						    .actions = file->actions,
						    .base_dir = b->base_dir };

	note(b, actions_config_bind(&nodes, b->config->external_url, b->config->external_labels,
				    b->diags, &b->config->actions));
}

/* What is written in the file, or the defaults (root NULL), and what comes of it. */
static int bind_file(struct config *config, const struct yaml_node *root, const char *path,
		     const struct config_overrides *overrides, struct diag_list *diags)
{
	struct config_file file;
	char *dir_text = path ? arena_strdup(&config->arena, slice_from(path)) : NULL;
	const char *base_dir = dir_text ? dirname(dir_text) : ".";
	int code = bind_struct(&config_file_table, root, &config->arena, diags, &file);
	struct file_binder b = { config, &file, overrides, base_dir, diags, code };

	if (code == ERR_NOMEM)
		return code;
	config->path = path ? arena_strdup(&config->arena, slice_from(path)) : NULL;
	file.root = root;
	take_settings(config, &file);
	bind_web(&b);
	bind_data_dir(&b);
	note(&b, storage_config_bind(&file.storage, config->data_dir != NULL, config->path,
				     base_dir, &config->arena, diags, &config->storage));
	bind_rule_files(&b);
	note(&b, bind_external_labels(config, &file.external_labels, diags));
	bind_ingest(&b);
	bind_peers(&b);
	config_later_refuse(&file, diags);
	bind_actions(&b);
	return b.code;
}

/* A file with errors is gone through to the end, so that all of them are told at once; *out is what
 * came of it, NULL if nothing did. */
static int load(const char *path, const struct config_overrides *overrides, struct diag_list *diags,
		struct config **out)
{
	struct config *config = calloc(1, sizeof(*config));
	struct yaml_node *root = NULL;
	size_t errors_before = diags->errors;

	*out = config;
	if (!config)
		return ERR_NOMEM;
	atomic_init(&config->refs, 1);
	arena_init(&config->arena, 0);
	int code = path ? yaml_parse_file(path, &config->arena, diags, &root) : 0;

	if (code == 0 || (code == ERR_INVALID && root)) {
		int bound = bind_file(config, root, path, overrides, diags);

		code = bound ? bound : code;
	}
	return code == 0 && diags->errors > errors_before ? ERR_INVALID : code;
}

int config_load(const char *path, const struct config_overrides *overrides, struct diag_list *diags,
		struct config **out)
{
	struct config *config;
	int code = load(path, overrides, diags, &config);

	if (code)
		config_unref(config);
	else
		*out = config;
	return code;
}

struct config *config_check(const char *path, bool looks_for_rule_files, struct diag_list *diags)
{
	const struct config_overrides overrides = { .looks_for_rule_files = looks_for_rule_files };
	struct config *config;
	int code = load(path, &overrides, diags, &config);

	if (code == 0 || code == ERR_INVALID)
		return config;
	config_unref(config);
	return NULL;
}

struct config *config_ref(struct config *config)
{
	atomic_fetch_add(&config->refs, 1);
	return config;
}

void config_unref(struct config *config)
{
	if (!config || atomic_fetch_sub(&config->refs, 1) > 1)
		return;
	if (config->actions)
		actions_config_unref(config->actions);
	labels_unref(config->external_labels);
	log_sources_config_fini(&config->logs);
	profiles_config_fini(&config->profiles);
	history_config_fini(&config->history);
	remote_write_config_fini(&config->remote_write);
	relabel_unref(config->remote_write_relabel);
	relabel_unref(config->otlp_relabel);
	relabel_unref(config->loki_relabel);
	redactor_unref(config->redactor);
	arena_fini(&config->arena);
	free(config);
}

#define REFERENCES_MAX 64 /* tables with a part of their own in the reference */

void config_reference(struct buf *out)
{
	static const struct bind_table *const own[] = { &config_file_table, &route_table,
							&receiver_table,    &runbook_table,
							&wait_step_table,   &verify_step_table,
							&notify_step_table, &actions_table };
	const struct bind_table *tables[REFERENCES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		tables[n++] = own[i];
	for (size_t i = 0; i < action_plugins_count; i++) {
		const struct action_plugin *plugin = action_plugins[i];

		assert(n + 2 <= REFERENCES_MAX);
		if (plugin->integration)
			tables[n++] = plugin->integration;
		if (plugin->step)
			tables[n++] = plugin->step;
	}
	bind_references(tables, n, out);
}
