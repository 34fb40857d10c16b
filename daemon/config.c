#include "daemon/config.h"

#include <glob.h>
#include <libgen.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/bind.h"
#include "base/text.h"
#include "daemon/address.h"
#include "engine/engine.h"

#define DAY_MS (24ll * 3600 * 1000)

struct web_part {
	struct slice listen_address, config_file, external_url;
	struct bind_strings allowed_hosts;
};

struct limits_part {
	int64_t memory, series, ignored_series, log_series, rules, query_samples, query_timeout_ms,
		query_concurrency, queue_bytes;
};

/* Of what comes over HTTP. */
struct pushed_part {
	struct bind_structs relabel_configs;
};

struct ingest_part {
	struct pushed_part remote_write, otlp, loki;
	struct bind_structs logs;
	struct profiles_part profiles;
};

/* The file as it is written; struct config is what the daemon makes of it. */
struct file {
	struct web_part web;
	struct storage_part storage;
	struct limits_part limits;
	struct ingest_part ingest;
	struct slice data_dir;
	struct bind_strings rule_files;
	int64_t evaluation_interval_ms, rule_query_offset_ms, lookback_delta_ms, sender_timeout_ms;
	int64_t retention_unselected_ms;
	int64_t default_subquery_step_ms;
	bool delayed_name_removal;
	bool use_start_timestamps;
	struct bind_map external_labels;
	struct bind_structs redact, history, remote_write;
	int on_sender_silence;
	const struct yaml_node *route, *receivers, *inhibit_rules, *time_intervals,
		*mute_time_intervals, *templates, *global, *runbooks, *actions;
	const struct yaml_node *later[3];
	const struct yaml_node *root; /* NULL: no file */
};

/* Promised in the interfaces, not there yet: named, so that nobody believes it in force. */
#define LATER(name, ...)                                                                           \
	{                                                                                          \
		.key = name, .type = BIND_LATER, .doc = "Not there yet.", __VA_ARGS__              \
	}
#define TABLE_WITH(name, s, title, takes_x, ...)                                                   \
	static const struct bind_field name##_fields[] = { __VA_ARGS__ };                          \
	static const struct bind_table name = { .what = title,                                     \
						.size = sizeof(struct s),                          \
						.fields = name##_fields,                           \
						.n = sizeof(name##_fields) /                       \
						     sizeof(name##_fields[0]),                     \
						.node_offset = SIZE_MAX,                           \
						.given_offset = SIZE_MAX,                          \
						.allow_x = takes_x }
#define TABLE(name, s, title, ...) TABLE_WITH(name, s, title, false, __VA_ARGS__)

TABLE(web_table, web_part, "web",
      BIND_FIELD(web_part, listen_address, "listen_address", BIND_STRING,
		 .default_text = "127.0.0.1:9797",
		 .doc = "Where everything is served: ingest, API, page."),
      BIND_FIELD(
	      web_part, external_url, "external_url", BIND_STRING, .default_text = "",
	      .doc = "The address under which people reach the page; links in notifications begin "
		     "with it. Unless given: where it listens."),
      BIND_FIELD(web_part, allowed_hosts, "allowed_hosts", BIND_STRINGS,
		 .doc = "Further host names under which page and APIs may be asked for."),
      LATER("config_file"));

TABLE(limits_table, limits_part, "limits",
      BIND_FIELD(limits_part, memory, "memory", BIND_BYTES, .default_text = "2GiB", .min = 1 << 20,
		 .max = INT64_MAX, .unit = "bytes",
		 .doc = "Memory for series and windows; beyond it no new series is taken."),
      BIND_FIELD(limits_part, series, "series", BIND_INT, .default_text = "2000000", .min = 1,
		 .max = 100000000, .doc = "Series kept; samples of further ones are rejected."),
      LATER("series_per_metric", .default_text = "0"),
      BIND_FIELD(
	      limits_part, ignored_series, "ignored_series", BIND_INT, .default_text = "4000000",
	      .min = 1, .max = 100000000,
	      .doc = "Series that no rule wants, remembered by key only (24 bytes each); the least "
		     "used are forgotten beyond it."),
      BIND_FIELD(limits_part, log_series, "series_per_log_selector", BIND_INT,
		 .default_text = "10000", .min = 1, .max = 100000000,
		 .doc = "Series that the lines of one log selector may make; lines of further ones "
			"are "
			"left out, counted and told in the rule's health."),
      BIND_FIELD(limits_part, rules, "rules", BIND_INT, .default_text = "200000", .min = 1,
		 .max = 10000000, .doc = "Rules in all files."),
      BIND_FIELD(limits_part, query_samples, "query_samples", BIND_INT, .default_text = "50000000",
		 .min = 1, .max = INT64_MAX,
		 .doc = "Samples an ad-hoc query may have in memory at once: those read for one "
			"step, and its "
			"result; more is answered 422."),
      BIND_FIELD(limits_part, query_timeout_ms, "query_timeout", BIND_DURATION,
		 .default_text = "30s", .min = 1, .max = DAY_MS,
		 .doc = "Time an ad-hoc query may take, also to wait for its turn; more is "
			"answered 503."),
      BIND_FIELD(
	      limits_part, query_concurrency, "query_concurrency", BIND_INT, .default_text = "20",
	      .min = 1, .max = QUERIES_MAX,
	      .doc = "Ad-hoc queries that are worked at in turn; others wait, and beyond 256 are "
		     "answered 503."),
      BIND_FIELD(limits_part, queue_bytes, "queue_bytes", BIND_BYTES, .default_text = "64MiB",
		 .min = 1 << 16, .max = INT64_MAX, .unit = "bytes",
		 .doc = "Samples waiting for the engine, and records waiting for the storage; "
			"beyond it "
			"senders are answered 503 with Retry-After."));

TABLE(pushed_table, pushed_part, "pushed data",
      BIND_FIELD(pushed_part, relabel_configs, "relabel_configs", BIND_STRUCTS,
		 .table = &relabel_table,
		 .doc = "What becomes of the labels: rules, one after the other."));

TABLE(remote_write_table, pushed_part, "ingest.remote_write",
      BIND_FIELD(pushed_part, relabel_configs, "relabel_configs", BIND_STRUCTS,
		 .table = &relabel_table,
		 .doc = "What becomes of the labels: rules, one after the other."),
      LATER("ha"));

TABLE(ingest_table, ingest_part, "ingest",
      BIND_FIELD(ingest_part, remote_write, "remote_write", BIND_STRUCT,
		 .table = &remote_write_table, .doc = "Series that come by remote-write."),
      BIND_FIELD(ingest_part, otlp, "otlp", BIND_STRUCT, .table = &pushed_table,
		 .doc = "Series, lines and profiles that come by OTLP."),
      BIND_FIELD(ingest_part, loki, "loki", BIND_STRUCT, .table = &pushed_table,
		 .doc = "Lines that come by Loki's push API."),
      BIND_FIELD(ingest_part, logs, "logs", BIND_STRUCTS, .table = &log_source_table,
		 .doc = "Where log lines come from, besides HTTP; each line from the first entry "
			"that has it."),
      BIND_FIELD(
	      ingest_part, profiles, "profiles", BIND_STRUCT, .table = &profiles_table,
	      .doc = "Profiles to fetch, and how long raw ones are kept, pushed ones included."));

/* Promised in the interfaces, not there yet: named, so that nobody believes them in force. */
static const char *const later_keys[] = { "cluster", "alerting", "watchdog" };

TABLE_WITH(file_table, file, "configuration", true, /* x-…: for anchors */
      BIND_FIELD(file, web, "web", BIND_STRUCT, .table = &web_table, .doc = "The one port."),
      BIND_FIELD(file, data_dir, "data_dir", BIND_STRING, .default_text = "./tocsin-data",
		 .doc = "Journal, silences, states of alerts and runs; `none`: nothing survives a "
			"restart but what Redis holds."),
      BIND_FIELD(file, rule_files, "rule_files", BIND_STRINGS,
		 .doc = "Rule files, with wildcards; relative to this file."),
      BIND_FIELD(file, evaluation_interval_ms, "evaluation_interval", BIND_DURATION,
		 .default_text = "15s", .min = 1, .max = 365 * DAY_MS,
		 .doc = "Of groups that name no interval."),
      BIND_FIELD(file, rule_query_offset_ms, "rule_query_offset", BIND_DURATION,
		 .default_text = "0s", .min = 0, .max = DAY_MS,
		 .doc = "How far back rules look, for late senders; the page and `check --url` warn when samples come "
		     "later than that."),
      BIND_FIELD(file, lookback_delta_ms, "lookback_delta", BIND_DURATION, .default_text = "5m",
		 .min = 1, .max = 365 * DAY_MS,
		 .doc = "How old the newest sample of a series may be for an instant selector."),
      BIND_FIELD(file, default_subquery_step_ms, "default_subquery_step", BIND_DURATION,
		 .default_text = "1m", .min = 1, .max = 365 * DAY_MS,
		 .doc = "Of subqueries that name no step: `x[1h:]`."),
      BIND_FIELD(
	      file, delayed_name_removal, "delayed_name_removal", BIND_BOOL,
	      .default_text = "false",
	      .doc = "Metric names are removed at the end of an expression, not by each function: "
		     "Prometheus' feature promql-delayed-name-removal."),
      BIND_FIELD(file, use_start_timestamps, "use_start_timestamps", BIND_BOOL,
		 .default_text = "false",
		 .doc = "rate(), increase(), irate() and resets() heed since when a counter "
			"counts, as remote-write 2.0 tells: Prometheus' feature "
			"use-start-timestamps."),
      BIND_FIELD(
	      file, external_labels, "external_labels", BIND_MAP,
	      .doc = "Labels added to alerts when they are sent, and to what remote_write sends."),
      BIND_FIELD(
	      file, retention_unselected_ms, "retention_unselected", BIND_DURATION,
	      .default_text = "0s", .min = 0, .max = 365 * DAY_MS,
	      .doc = "How long series are kept that no rule asks for, for queries; 0: not at all."),
      BIND_FIELD(file, on_sender_silence, "on_sender_silence", BIND_ENUM, .values = "hold,resolve",
		 .default_text = "hold",
		 .doc = "What becomes of alerts whose series end because their sender is silent."),
      BIND_FIELD(file, sender_timeout_ms, "sender_timeout", BIND_DURATION, .default_text = "90s",
		 .min = 1000, .max = DAY_MS,
		 .doc = "After so long without a request a sender is silent."),
      BIND_FIELD(file, storage, "storage", BIND_STRUCT, .table = &storage_table,
		 .doc = "Where state is kept."),
      BIND_FIELD(file, limits, "limits", BIND_STRUCT, .table = &limits_table,
		 .doc = "What bounds each resource."),
      BIND_FIELD(file, ingest, "ingest", BIND_STRUCT, .table = &ingest_table,
		 .doc = "What comes in, besides remote-write."),
      BIND_FIELD(file, actions, "actions", BIND_NODE, .doc = "Bounds on runbooks; see below."),
      BIND_FIELD(file, route, "route", BIND_NODE, .doc = "Alertmanager's routing tree; see below."),
      BIND_FIELD(file, receivers, "receivers", BIND_NODE,
		 .doc = "Alertmanager's receivers; see below."),
      BIND_FIELD(file, runbooks, "runbooks", BIND_NODE, .doc = "Runbooks; see below."),
      BIND_FIELD(file, global, "global", BIND_NODE, .doc = "Alertmanager's defaults."),
      BIND_FIELD(file, inhibit_rules, "inhibit_rules", BIND_NODE,
		 .doc = "Not there yet: must be empty."),
      BIND_FIELD(file, time_intervals, "time_intervals", BIND_NODE,
		 .doc = "Not there yet: must be empty."),
      BIND_FIELD(file, mute_time_intervals, "mute_time_intervals", BIND_NODE,
		 .doc = "Not there yet: must be empty."),
      BIND_FIELD(file, templates, "templates", BIND_NODE, .doc = "Not there yet: must be empty."),
      BIND_FIELD(file, later[0], "cluster", BIND_NODE, .doc = "Not there yet: must be empty."),
      BIND_FIELD(
	      file, history, "history", BIND_STRUCTS, .table = &history_table,
	      .doc = "Prometheus servers that are asked for the past of selectors that rules have "
		     "not read before."),
      BIND_FIELD(
	      file, remote_write, "remote_write", BIND_STRUCTS, .table = &remote_write_out_table,
	      .doc = "Receivers of what rules write: recorded series, ALERTS and ALERTS_FOR_STATE, "
		     "with external_labels. Prometheus' syntax."),
      BIND_FIELD(file, later[1], "alerting", BIND_NODE, .doc = "Not there yet: must be empty."),
      BIND_FIELD(file, redact, "redact", BIND_STRUCTS, .table = &redact_rule_table,
		 .doc = "What is taken out of log lines before any of them is kept, shown or sent: "
			"rules, "
			"one after the other."),
      BIND_FIELD(file, later[2], "watchdog", BIND_NODE, .doc = "Not there yet: must be empty."));

static bool is_empty(const struct yaml_node *node)
{
	return !node || yaml_is_null(node) || (node->type != YAML_SCALAR && node->n == 0);
}

static void refuse_later(const struct file *file, struct diag_list *diags)
{
	for (size_t i = 0; i < sizeof(later_keys) / sizeof(later_keys[0]); i++)
		if (!is_empty(file->later[i]))
			yaml_diag(diags, DIAG_ERROR, file->later[i], "take it out for now",
				  "\"%s\" is not supported yet", later_keys[i]);
}

/* An error at the value of section.key; about the whole file when that is not there. */
static int complain(const struct file *file, const char *section, const char *key, const char *path,
		    struct diag_list *diags, const char *hint, const char *text, struct slice value)
{
	const struct yaml_node *mapping = file->root ? yaml_get(file->root, section) : NULL,
			       *node = mapping ? yaml_get(mapping, key) : NULL;

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

/* A wildcard that matches nothing warns; a plain name that is not there is an error when it is
 * read. */
static int add_glob(struct config *config, const char *base_dir, struct slice pattern,
		    const struct yaml_node *node, struct diag_list *diags)
{
	char *path = pattern.len && pattern.ptr[0] == '/'
			     ? arena_strdup(&config->arena, pattern)
			     : arena_printf(&config->arena, "%s/" SLICE_FMT, base_dir,
					    SLICE_ARG(pattern));
	glob_t found;
	int code = 0;

	if (!path)
		return ERR_NOMEM;
	if (!strpbrk(path, "*?["))
		return add_rule_file(config, path);
	if (glob(path, GLOB_ERR, NULL, &found)) {
		diag_name(yaml_diag(diags, DIAG_WARNING, node, NULL,
				    "rule_files: \"" SLICE_FMT "\" matches no file",
				    SLICE_ARG(pattern)),
			  "no-rule-file");
		return 0;
	}
	for (size_t i = 0; i < found.gl_pathc && code == 0; i++)
		code = add_rule_file(config, found.gl_pathv[i]);
	globfree(&found);
	return code;
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
 * Where links lead unless it is said: to where we listen; on all addresses to this host by its name,
 * on a port that the system chooses nowhere. NULL: no memory.
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
static void take_settings(struct config *config, const struct file *file)
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
	const struct file *file;
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
	const struct file none = { 0 }, *file = b->file;
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
			 config->path, b->diags,
			 "write it as HOST:PORT, for example 127.0.0.1:9797",
			 "listen address \"" SLICE_FMT "\" is no HOST:PORT", address);
	/* Without an address there is nowhere that links could lead. */
	if (code && external_url.len == 0)
		return;
	note(b, code = bind_external_url(config, external_url));
	if (code == ERR_INVALID)
		complain(overrides->external_url ? &none : file, "web", "external_url",
			 config->path, b->diags, "begin it with http:// or https://",
			 "the external URL \"" SLICE_FMT "\" is no http or https address",
			 external_url);
}

static void bind_data_dir(struct file_binder *b)
{
	struct config *config = b->config;
	struct slice data_dir =
		b->overrides->data_dir ? slice_from(b->overrides->data_dir) : b->file->data_dir;

	if (slice_is(data_dir, "none"))
		return;
	bool as_given = b->overrides->data_dir || data_dir.ptr[0] == '/' || !config->path;

	config->data_dir = as_given ? arena_strdup(&config->arena, data_dir)
				    : arena_printf(&config->arena, "%s/" SLICE_FMT, b->base_dir,
						   SLICE_ARG(data_dir));
}

static void bind_rule_files(struct file_binder *b)
{
	const struct file *file = b->file;
	const struct yaml_node *names = file->root ? yaml_get(file->root, "rule_files") : NULL;

	for (size_t i = 0; i < file->rule_files.n; i++)
		note(b, add_glob(b->config, b->base_dir, file->rule_files.items[i], names->items[i],
				 b->diags));
	for (size_t i = 0; i < b->overrides->nrule_files; i++)
		note(b, add_rule_file(b->config, b->overrides->rule_files[i]));
}

static void bind_ingest(struct file_binder *b)
{
	const struct file *file = b->file;
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
	const struct file *file = b->file;
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

static int bind_file(struct config *config, const struct file *file,
		     const struct config_overrides *overrides, const char *base_dir,
		     struct diag_list *diags)
{
	struct file_binder b = { config, file, overrides, base_dir, diags, 0 };

	take_settings(config, file);
	bind_web(&b);
	bind_data_dir(&b);
	note(&b, storage_config_bind(&file->storage, config->data_dir != NULL, config->path,
				     base_dir, &config->arena, diags, &config->storage));
	bind_rule_files(&b);
	note(&b, bind_external_labels(config, &file->external_labels, diags));
	bind_ingest(&b);
	bind_peers(&b);
	refuse_later(file, diags);
	bind_actions(&b);
	return diags->errors && !b.code ? ERR_INVALID : b.code;
}

/* A file with errors is gone through to the end, so that all of them are told at once; *out is what
 * came of it, NULL if nothing did. */
static int load(const char *path, const struct config_overrides *overrides, struct diag_list *diags,
		struct config **out)
{
	struct config *config = calloc(1, sizeof(*config));
	struct yaml_node *root = NULL;
	struct file file;
	size_t errors_before = diags->errors;

	*out = config;
	if (!config)
		return ERR_NOMEM;
	atomic_init(&config->refs, 1);
	arena_init(&config->arena, 0);
	int code = path ? yaml_parse_file(path, &config->arena, diags, &root) : 0;

	if (code == 0)
		code = bind_struct(&file_table, root, &config->arena, diags, &file);
	if (code == 0 || (code == ERR_INVALID && root)) {
		char *dir_text = path ? arena_strdup(&config->arena, slice_from(path)) : NULL;
		const char *base_dir = dir_text ? dirname(dir_text) : ".";

		config->path = path ? arena_strdup(&config->arena, slice_from(path)) : NULL;
		file.root = root;
		int later = bind_file(config, &file, overrides, base_dir, diags);

		code = code ? code : later;
	}
	if (code == 0 && diags->errors > errors_before)
		code = ERR_INVALID;
	return code;
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

struct config *config_check(const char *path, struct diag_list *diags)
{
	struct config_overrides none = { 0 };
	struct config *config;
	int code = load(path, &none, diags, &config);

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

void config_reference(struct buf *out)
{
	static const struct bind_table *const tables[] = { &file_table,	       &route_table,
							   &receiver_table,    &runbook_table,
							   &wait_step_table,   &verify_step_table,
							   &notify_step_table, &actions_table };

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		if (i)
			buf_add_char(out, '\n');
		bind_reference(tables[i], out);
	}
	for (size_t i = 0; i < action_plugins_count; i++) {
		const struct bind_table *const of_plugin[] = { action_plugins[i]->integration,
							       action_plugins[i]->step };

		for (size_t k = 0; k < 2; k++) {
			if (!of_plugin[k])
				continue;
			buf_add_char(out, '\n');
			bind_reference(of_plugin[k], out);
		}
	}
}
