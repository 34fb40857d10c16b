/*
 * The configuration file as it is written: its keys, which are a table each, and the struct that
 * they are bound to. What the daemon makes of it: config.h.
 */
#ifndef TOCSIN_DAEMON_CONFIG_KEYS_H
#define TOCSIN_DAEMON_CONFIG_KEYS_H

#include "base/bind.h"
#include "daemon/config.h"

struct config_web_part {
	struct slice listen_address, config_file, external_url;
	struct bind_strings allowed_hosts;
};

struct config_limits_part {
	int64_t memory, series, ignored_series, log_series, rules, query_samples, query_timeout_ms,
		query_concurrency, queue_bytes;
};

/* Of what comes over HTTP. */
struct config_pushed_part {
	struct bind_structs relabel_configs;
};

struct config_ingest_part {
	struct config_pushed_part remote_write, otlp, loki;
	struct bind_structs logs;
	struct profiles_part profiles;
};

struct config_file {
	struct config_web_part web;
	struct storage_part storage;
	struct config_limits_part limits;
	struct config_ingest_part ingest;
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

extern const struct bind_table config_file_table; /* of struct config_file */

/* An error for each key of the file that is promised and not there yet. */
void config_later_refuse(const struct config_file *file, struct diag_list *diags);

#endif
