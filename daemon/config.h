/*
 * tocsin.yml: bound by tables, which are also the reference in docs/configuration.md.
 *
 * Immutable after loading, reference-counted. Every error of the file is collected. What the
 * interfaces promise but Tocsin does not have yet is refused by name.
 */
#ifndef TOCSIN_DAEMON_CONFIG_H
#define TOCSIN_DAEMON_CONFIG_H

#include "actions/config.h"
#include "base/yaml.h"
#include "daemon/config_logs.h"
#include "daemon/config_peers.h"
#include "daemon/config_profiles.h"
#include "daemon/config_storage.h"
#include "ingest/redact.h"
#include "ingest/relabel.h"

struct config {
	/* web */
	char *listen_host;
	uint16_t listen_port;
	struct slice external_url;
	struct bind_strings allowed_hosts;
	/* storage */
	char *data_dir; /* NULL: none */
	struct storage_config storage;
	/* rules */
	char **rule_files; /* globs resolved, absolute or relative to the working directory */
	size_t nrule_files;
	int64_t evaluation_interval_ms, rule_query_offset_ms, lookback_ms;
	int64_t retention_ms;	  /* of what no rule asks for; 0: none */
	int64_t subquery_step_ms; /* of subqueries that name none */
	bool delayed_names;	  /* metric names are removed at the end of an expression */
	bool start_times;	  /* of samples are kept */
	struct labels *external_labels;
	bool resolve_on_silence;
	int64_t sender_timeout_ms;
	/* limits */
	int64_t memory_max, series_max, ignored_max, rules_max, query_samples_max, query_timeout_ms,
		queue_bytes_max;
	uint32_t query_concurrency;
	int64_t log_series_max; /* of one log selector */
	/* what comes in */
	struct log_sources_config logs;
	struct profiles_config profiles;
	struct relabel *remote_write_relabel, *otlp_relabel, *loki_relabel; /* NULL: none */
	struct redactor *redactor;					    /* NULL: none */
	const struct redact_rule *redact; /* of which it is made */
	size_t nredact;
	struct history_config history;
	/* what goes out */
	struct remote_write_config remote_write;
	/* Alertmanager's part and runbooks */
	struct actions_config *actions;
	char *path; /* of the file; NULL without */
	struct arena arena;
	_Atomic unsigned refs;
};

/* What the command line says; NULL or 0: not given. */
struct config_overrides {
	const char *listen_address, *data_dir, *external_url;
	const char *const *rule_files; /* besides those of the file */
	size_t nrule_files;
	/* A rule file that is not there is an error at its name. Else it is one for whoever reads
	 * it, and may have a copy of it (rule_copies.h). */
	bool looks_for_rule_files;
};

/* path NULL: defaults only. ERR_INVALID with diagnostics. */
int config_load(const char *path, const struct config_overrides *overrides, struct diag_list *diags,
		struct config **out);
/* For those who only look: the configuration with all that could be made of it, also when there are
 * errors in diags, so that the rule files it names can be looked at, too; NULL if there is nothing.
 * What is wrong is at its default or missing. */
struct config *config_check(const char *path, bool looks_for_rule_files, struct diag_list *diags);
struct config *config_ref(struct config *config);
void config_unref(struct config *config);
/* The configuration's keys as Markdown tables. */
void config_reference(struct buf *out);

#endif
