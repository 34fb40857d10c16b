#include "daemon/config_keys.h"

#include "base/text.h"
#include "engine/engine.h"

#define DAY_MS (24ll * 3600 * 1000)

/* Promised in the interfaces, not there yet: named, so that nobody believes it in force. */
#define LATER(name, ...)                                                                           \
	{                                                                                          \
		.key = name, .type = BIND_LATER, .doc = "Not there yet.", __VA_ARGS__              \
	}
#define TABLE(name, s, title, ...)                                                                 \
	static const struct bind_field name##_fields[] = { __VA_ARGS__ };                          \
	static const struct bind_table name = BIND_TABLE(s, title, name##_fields)

TABLE(web_table, config_web_part, "web",
      BIND_FIELD(config_web_part, listen_address, "listen_address", BIND_STRING,
		 .default_text = "127.0.0.1:9797",
		 .doc = "Where everything is served: ingest, API, page."),
      BIND_FIELD(
	      config_web_part, external_url, "external_url", BIND_STRING, .default_text = "",
	      .doc = "The address under which people reach the page; links in notifications begin "
		     "with it. Unless given: where it listens."),
      BIND_FIELD(config_web_part, allowed_hosts, "allowed_hosts", BIND_STRINGS,
		 .doc = "Further host names under which page and APIs may be asked for."),
      LATER("config_file"));

TABLE(limits_table, config_limits_part, "limits",
      BIND_FIELD(
	      config_limits_part, memory, "memory", BIND_BYTES, .default_text = "2GiB",
	      .min = 1 << 20, .max = INT64_MAX, .unit = "bytes",
	      .doc = "Memory for series, windows and what rules remember of each series; beyond it "
		     "no new series is taken."),
      BIND_FIELD(config_limits_part, series, "series", BIND_INT, .default_text = "2000000",
		 .min = 1, .max = 100000000,
		 .doc = "Series kept; samples of further ones are rejected."),
      LATER("series_per_metric", .default_text = "0"),
      BIND_FIELD(
	      config_limits_part, ignored_series, "ignored_series", BIND_INT,
	      .default_text = "4000000", .min = 1, .max = 100000000,
	      .doc = "Series that no rule wants, remembered by key only (24 bytes each); the least "
		     "used are forgotten beyond it."),
      BIND_FIELD(config_limits_part, log_series, "series_per_log_selector", BIND_INT,
		 .default_text = "10000", .min = 1, .max = 100000000,
		 .doc = "Series that the lines of one log selector may make; lines of further ones "
			"are left out, counted and told in the rule's health."),
      BIND_FIELD(config_limits_part, rules, "rules", BIND_INT, .default_text = "200000", .min = 1,
		 .max = 10000000, .doc = "Rules in all files."),
      BIND_FIELD(config_limits_part, query_samples, "query_samples", BIND_INT,
		 .default_text = "50000000", .min = 1, .max = INT64_MAX,
		 .doc = "Samples an ad-hoc query may have in memory at once: those read for one "
			"step, and its result; more is answered 422."),
      BIND_FIELD(config_limits_part, query_timeout_ms, "query_timeout", BIND_DURATION,
		 .default_text = "30s", .min = 1, .max = DAY_MS,
		 .doc = "Time an ad-hoc query may take, also to wait for its turn; more is "
			"answered 503."),
      BIND_FIELD(
	      config_limits_part, query_concurrency, "query_concurrency", BIND_INT,
	      .default_text = "20", .min = 1, .max = QUERIES_MAX,
	      .doc = "Ad-hoc queries that are worked at in turn; others wait, and beyond 256 are "
		     "answered 503."),
      BIND_FIELD(config_limits_part, queue_bytes, "queue_bytes", BIND_BYTES,
		 .default_text = "64MiB", .min = 1 << 16, .max = INT64_MAX, .unit = "bytes",
		 .doc = "Samples waiting for the engine, and records waiting for the storage; "
			"beyond it senders are answered 503 with Retry-After."));

TABLE(pushed_table, config_pushed_part, "pushed data",
      BIND_FIELD(config_pushed_part, relabel_configs, "relabel_configs", BIND_STRUCTS,
		 .table = &relabel_table,
		 .doc = "What becomes of the labels: rules, one after the other."));

TABLE(remote_write_table, config_pushed_part, "ingest.remote_write",
      BIND_FIELD(config_pushed_part, relabel_configs, "relabel_configs", BIND_STRUCTS,
		 .table = &relabel_table,
		 .doc = "What becomes of the labels: rules, one after the other."),
      LATER("ha"));

TABLE(ingest_table, config_ingest_part, "ingest",
      BIND_FIELD(config_ingest_part, remote_write, "remote_write", BIND_STRUCT,
		 .table = &remote_write_table, .doc = "Series that come by remote-write."),
      BIND_FIELD(config_ingest_part, otlp, "otlp", BIND_STRUCT, .table = &pushed_table,
		 .doc = "Series, lines and profiles that come by OTLP."),
      BIND_FIELD(config_ingest_part, loki, "loki", BIND_STRUCT, .table = &pushed_table,
		 .doc = "Lines that come by Loki's push API."),
      BIND_FIELD(config_ingest_part, logs, "logs", BIND_STRUCTS, .table = &log_source_table,
		 .doc = "Where log lines come from, besides HTTP; each line from the first entry "
			"that has it."),
      BIND_FIELD(
	      config_ingest_part, profiles, "profiles", BIND_STRUCT, .table = &profiles_table,
	      .doc = "Profiles to fetch, and how long raw ones are kept, pushed ones included."));

/* Promised in the interfaces, not there yet: named, so that nobody believes them in force. */
static const char *const later_keys[] = { "cluster", "alerting", "watchdog" };

static const struct bind_field file_fields[] = {
	BIND_FIELD(config_file, web, "web", BIND_STRUCT, .table = &web_table,
		   .doc = "The one port."),
	BIND_FIELD(
		config_file, data_dir, "data_dir", BIND_STRING, .default_text = "./tocsin-data",
		.doc = "Journal, silences, states of alerts and runs; `none`: nothing survives a "
		       "restart but what Redis holds."),
	BIND_FIELD(config_file, rule_files, "rule_files", BIND_STRINGS,
		   .doc = "Rule files, with wildcards; relative to this file."),
	BIND_FIELD(config_file, evaluation_interval_ms, "evaluation_interval", BIND_DURATION,
		   .default_text = "15s", .min = 1, .max = 365 * DAY_MS,
		   .doc = "Of groups that name no interval."),
	BIND_FIELD(config_file, rule_query_offset_ms, "rule_query_offset", BIND_DURATION,
		   .default_text = "0s", .min = 0, .max = DAY_MS,
		   .doc = "How far back rules look, for late senders; the page and `check --url` "
			  "warn when samples come later than that."),
	BIND_FIELD(config_file, lookback_delta_ms, "lookback_delta", BIND_DURATION,
		   .default_text = "5m", .min = 1, .max = 365 * DAY_MS,
		   .doc = "How old the newest sample of a series may be for an instant selector."),
	BIND_FIELD(config_file, default_subquery_step_ms, "default_subquery_step", BIND_DURATION,
		   .default_text = "1m", .min = 1, .max = 365 * DAY_MS,
		   .doc = "Of subqueries that name no step: `x[1h:]`."),
	BIND_FIELD(config_file, delayed_name_removal, "delayed_name_removal", BIND_BOOL,
		   .default_text = "false",
		   .doc = "Metric names are removed at the end of an expression, not by each "
			  "function: Prometheus' feature promql-delayed-name-removal."),
	BIND_FIELD(config_file, use_start_timestamps, "use_start_timestamps", BIND_BOOL,
		   .default_text = "false",
		   .doc = "rate(), increase(), irate() and resets() heed since when a counter "
			  "counts, as remote-write 2.0 tells: Prometheus' feature "
			  "use-start-timestamps."),
	BIND_FIELD(config_file, external_labels, "external_labels", BIND_MAP,
		   .doc = "Labels added to alerts when they are sent, and to what remote_write "
			  "sends."),
	BIND_FIELD(config_file, retention_unselected_ms, "retention_unselected", BIND_DURATION,
		   .default_text = "0s", .min = 0, .max = 365 * DAY_MS,
		   .doc = "How long series are kept that no rule asks for, for queries; 0: not at "
			  "all."),
	BIND_FIELD(
		config_file, on_sender_silence, "on_sender_silence", BIND_ENUM,
		.values = "hold,resolve", .default_text = "hold",
		.doc = "What becomes of alerts whose series end because their sender is silent."),
	BIND_FIELD(config_file, sender_timeout_ms, "sender_timeout", BIND_DURATION,
		   .default_text = "90s", .min = 1000, .max = DAY_MS,
		   .doc = "After so long without a request a sender is silent."),
	BIND_FIELD(config_file, storage, "storage", BIND_STRUCT, .table = &storage_table,
		   .doc = "Where state is kept."),
	BIND_FIELD(config_file, limits, "limits", BIND_STRUCT, .table = &limits_table,
		   .doc = "What bounds each resource."),
	BIND_FIELD(config_file, ingest, "ingest", BIND_STRUCT, .table = &ingest_table,
		   .doc = "What comes in, besides remote-write."),
	BIND_FIELD(config_file, actions, "actions", BIND_NODE,
		   .doc = "Bounds on runbooks; see below."),
	BIND_FIELD(config_file, route, "route", BIND_NODE,
		   .doc = "Alertmanager's routing tree; see below."),
	BIND_FIELD(config_file, receivers, "receivers", BIND_NODE,
		   .doc = "Alertmanager's receivers; see below."),
	BIND_FIELD(config_file, runbooks, "runbooks", BIND_NODE, .doc = "Runbooks; see below."),
	BIND_FIELD(config_file, global, "global", BIND_NODE, .doc = "Alertmanager's defaults."),
	BIND_FIELD(config_file, inhibit_rules, "inhibit_rules", BIND_NODE,
		   .doc = "Not there yet: must be empty."),
	BIND_FIELD(config_file, time_intervals, "time_intervals", BIND_NODE,
		   .doc = "Not there yet: must be empty."),
	BIND_FIELD(config_file, mute_time_intervals, "mute_time_intervals", BIND_NODE,
		   .doc = "Not there yet: must be empty."),
	BIND_FIELD(config_file, templates, "templates", BIND_NODE,
		   .doc = "Not there yet: must be empty."),
	BIND_FIELD(config_file, later[0], "cluster", BIND_NODE,
		   .doc = "Not there yet: must be empty."),
	BIND_FIELD(config_file, history, "history", BIND_STRUCTS, .table = &history_table,
		   .doc = "Prometheus servers that are asked for the past of selectors that rules "
			  "have not read before."),
	BIND_FIELD(config_file, remote_write, "remote_write", BIND_STRUCTS,
		   .table = &remote_write_out_table,
		   .doc = "Receivers of what rules write: recorded series, ALERTS and "
			  "ALERTS_FOR_STATE, with external_labels. Prometheus' syntax."),
	BIND_FIELD(config_file, later[1], "alerting", BIND_NODE,
		   .doc = "Not there yet: must be empty."),
	BIND_FIELD(
		config_file, redact, "redact", BIND_STRUCTS, .table = &redact_rule_table,
		.doc = "What is taken out of log lines before any of them is kept, shown or sent: "
		       "rules, one after the other."),
	LATER("alertmanager_config"),
	BIND_FIELD(config_file, later[2], "watchdog", BIND_NODE,
		   .doc = "Not there yet: must be empty.")
};

static const struct bind_elsewhere not_of_configurations[] = {
	{ "groups", "rule files have \"groups\": name them under rule_files, or give them to "
		    "\"tocsin run\" by themselves" },
	{ "rules", "rule files have \"rules\": name them under rule_files, or give them to "
		   "\"tocsin run\" by themselves" },
	{ "tests", "this looks like a file of unit tests: tocsin test FILE" },
	{ "scrape_configs", "this looks like prometheus.yml. Tocsin does not scrape: Prometheus "
			    "goes on doing so, and sends to it by remote_write" },
	{ NULL, NULL },
};

const struct bind_table config_file_table =
	BIND_TABLE(config_file, "configuration", file_fields, .allow_x = true, /* for anchors */
		   .elsewhere = not_of_configurations);

static bool is_empty(const struct yaml_node *node)
{
	return !node || yaml_is_null(node) || (node->type != YAML_SCALAR && node->n == 0);
}

void config_later_refuse(const struct config_file *file, struct diag_list *diags)
{
	for (size_t i = 0; i < sizeof(later_keys) / sizeof(later_keys[0]); i++)
		if (!is_empty(file->later[i]))
			yaml_diag(diags, DIAG_ERROR, file->later[i], "take it out for now",
				  "\"%s\" is not supported yet", later_keys[i]);
}
