/*
 * The section ingest.logs of tocsin.yml: where log lines come from besides HTTP. Part of struct
 * config, in whose arena everything stands.
 */
#ifndef TOCSIN_DAEMON_CONFIG_LOGS_H
#define TOCSIN_DAEMON_CONFIG_LOGS_H

#include "base/labels.h"
#include "base/yaml.h"
#include "ingest/relabel.h"

#define LOG_SOURCES_MAX 256	/* entries of ingest.logs */
#define LOG_SOURCE_NAME_MAX 128 /* bytes of a source's name in metrics and messages */

enum log_source_kind { LOG_SOURCE_FILES, LOG_SOURCE_SYSLOG, LOG_SOURCE_STDIN };

/* Which time a line from a sender with a clock of its own is given. */
enum log_time { LOG_TIME_ARRIVAL, LOG_TIME_MESSAGE };

struct log_source_config {
	enum log_source_kind kind;
	/* "files:/var/log/app.log", "syslog:tcp:127.0.0.1:5514", "stdin" */
	char name[LOG_SOURCE_NAME_MAX];
	struct labels *labels;	 /* put on every line; a reference */
	struct relabel *relabel; /* what becomes of all labels; a reference, or NULL */
	/* files: absolute or relative to the working directory */
	char **globs;
	size_t nglobs;
	/* syslog */
	bool udp;
	char *host;
	uint16_t port;
	enum log_time time;
	int64_t connections_max, idle_timeout_ms, receive_bytes;
	/* standard input */
	bool json;
	struct slice time_field, message_field; /* empty: arrival; the whole line */
	struct bind_strings stream_fields;
};

struct log_sources_config {
	struct log_source_config *items;
	size_t n;
};

/* An entry as bind_struct() fills it: for the table that contains it. */
struct log_source_part;
extern const struct bind_table log_source_table;

/*
 * Makes what the daemon works by of the bound list; all errors are told at their place. ERR_INVALID
 * when there were any; ERR_NOMEM. Labels are references: log_sources_config_fini().
 */
int log_sources_config_bind(const struct bind_structs *parts, const char *base_dir,
			    struct arena *arena, struct diag_list *diags,
			    struct log_sources_config *out);
void log_sources_config_fini(struct log_sources_config *config);
/* Do they do the same? Then a reload leaves the source alone. */
bool log_source_config_is_equal(const struct log_source_config *a,
				const struct log_source_config *b);

#endif
