/*
 * Action plug-ins: how something is told to the outside or done to it.
 *
 * One struct of functions and an option table a plug-in; the built-in ones stand in plugins.def. A
 * plug-in carries out one attempt at a time of a job that the outbox or a runbook gives it; queues,
 * retries, deduplication and the journal are not its affair. It never blocks: it works on the loop
 * it is given and calls done() exactly once, never from inside start().
 *
 * A job has an id that is the same at each attempt and after a restart: receivers use it to
 * recognise repeats.
 */
#ifndef TOCSIN_ACTIONS_PLUGIN_H
#define TOCSIN_ACTIONS_PLUGIN_H

#include "base/http_client.h"
#include "base/yaml.h"
#include "rules/template.h"

#define ACTION_OUTPUT_MAX                                                                          \
	(64 * 1024) /* of a script's standard output or a response's body that is kept */

enum action_outcome {
	ACTION_OK,
	ACTION_RETRY,	  /* failed for now: transport, 408, 425, 429, 5xx */
	ACTION_FAILED,	  /* failed for good: other status, exit code, not startable */
	ACTION_TIMED_OUT, /* cut off by its timeout */
	ACTION_UNKNOWN,	  /* started, but its end was not seen */
};

#define ACTION_NEVER_STARTED "never started"

struct action_result {
	enum action_outcome outcome;
	int code;	     /* HTTP status or exit code; negative: signal */
	const char *message; /* one line for people */
	struct slice output; /* standard output or response body, at most ACTION_OUTPUT_MAX */
	struct slice error_output;
	bool output_cut;
	int64_t retry_after_ms; /* -1: none asked for */
	int64_t duration_ms;
};

struct action_job {
	const char *id;	   /* no dots, [A-Za-z0-9_-] */
	unsigned attempt;  /* from 1 */
	int64_t now_ms;	   /* wall clock */
	struct slice body; /* JSON document: a webhook's body, a script's standard input; valid
			      until done() */
	bool is_step;	   /* options are those of a step, else of an integration */
	const struct template_data *data; /* for a step's templates; during start() only */
};

struct action_attempt; /* the plug-in's own */

/* What a plug-in may use. */
struct action_host {
	struct loop *loop;
	struct http_client *http;
	struct runner_client *runner; /* NULL when scripts are off */
	const char *version;	      /* for User-Agent */
};

/*
 * A plug-in may serve as an integration of a receiver (key NAME_configs, a list), as the kind of a
 * runbook's step (key NAME), or both. What a user may write is a table each; their structs begin
 * with these, bound by the same tables (INTEGRATION_FIELDS, STEP_FIELDS).
 */
struct integration_options {
	bool send_resolved;
	int64_t max_alerts; /* 0: all */
};
#define INTEGRATION_FIELDS(s, member)                                                              \
	{ .key = "send_resolved",                                                                  \
	  .type = BIND_BOOL,                                                                       \
	  .offset = offsetof(struct s, member.send_resolved),                                      \
	  .default_text = "true",                                                                  \
	  .doc = "Whether the end of an alert is told too." },                                     \
	{                                                                                          \
		.key = "max_alerts", .type = BIND_INT,                                             \
		.offset = offsetof(struct s, member.max_alerts), .default_text = "0", .min = 0,    \
		.max = 1000000, .doc = "Most alerts in one notification; 0: all."                  \
	}

enum on_failure { ON_FAILURE_STOP, ON_FAILURE_CONTINUE, ON_FAILURE_ROLLBACK };
struct retry_options {
	int64_t times, backoff_ms, max_backoff_ms;
};
extern const struct bind_table retry_table;

/* Of every step; from `timeout_ms` on, of those that act. */
struct step_options {
	struct slice id, when;
	struct bind_strings after;
	int on_failure;
	int64_t timeout_ms;
	struct retry_options retry;
	bool idempotent;
	const struct yaml_node *undo;
};
#define STEP_COMMON_FIELDS(s, member)                                                              \
	{ .key = "id",                                                                             \
	  .type = BIND_STRING,                                                                     \
	  .offset = offsetof(struct s, member.id),                                                 \
	  .doc = "Name of the step in its runbook, required: [a-z][a-z0-9_]{0,31}." },             \
		{ .key = "after",                                                                  \
		  .type = BIND_STRINGS,                                                            \
		  .offset = offsetof(struct s, member.after),                                      \
		  .doc = "Steps that must have ended before; the step before it unless given, [] " \
			 "for none: "                                                              \
			 "it starts at once." },                                                   \
		{ .key = "when",                                                                   \
		  .type = BIND_STRING,                                                             \
		  .offset = offsetof(struct s, member.when),                                       \
		  .doc = "Condition: ok, failed, timed_out, skipped, refused, unknown (ID), "      \
			 "output(ID).key "                                                         \
			 "CMP literal, joined by and, or, not. Unless given: all of `after` "      \
			 "ended well, or "                                                         \
			 "badly with on_failure: continue." },                                     \
	{                                                                                          \
		.key = "on_failure", .type = BIND_ENUM,                                            \
		.offset = offsetof(struct s, member.on_failure),                                   \
		.values = "stop,continue,rollback", .default_text = "stop",                        \
		.doc = "stop: what follows is skipped, unless its own `when` wants it; continue: " \
		       "it goes on; rollback: steps that ended well are undone, the last first."   \
	}
#define STEP_FIELDS(s, member, default_timeout)                                                    \
	STEP_COMMON_FIELDS(s, member),                                                             \
		{ .key = "timeout",                                                                \
		  .type = BIND_DURATION,                                                           \
		  .offset = offsetof(struct s, member.timeout_ms),                                 \
		  .default_text = default_timeout,                                                 \
		  .min = 1,                                                                        \
		  .max = 24ll * 3600 * 1000,                                                       \
		  .doc = "After so long an attempt is cut off." },                                 \
		{ .key = "retry",                                                                  \
		  .type = BIND_STRUCT,                                                             \
		  .offset = offsetof(struct s, member.retry),                                      \
		  .table = &retry_table,                                                           \
		  .doc = "Further attempts after a failure." },                                    \
		{ .key = "idempotent",                                                             \
		  .type = BIND_BOOL,                                                               \
		  .offset = offsetof(struct s, member.idempotent),                                 \
		  .default_text = "false",                                                         \
		  .doc = "Doing it twice does no harm: then it is also tried again after a "       \
			 "timeout or a crash, when nobody knows whether it was done." },           \
	{                                                                                          \
		.key = "undo", .type = BIND_NODE, .offset = offsetof(struct s, member.undo),       \
		.doc = "What undoes it at a rollback: exec or webhook, with their keys."           \
	}

struct action_plugin {
	const char *name; /* "webhook", "exec" */
	const char *doc;
	const struct bind_table *integration; /* NULL: cannot be one; the struct begins with struct
						 integration_options */
	const struct bind_table
		*step; /* NULL: cannot be one; the struct begins with struct step_options */
	/*
	 * Checks what a table cannot, and makes paths absolute (base_dir: the configuration file's
	 * directory, memory from the arena); NULL if nothing. Errors at their nodes.
	 */
	int (*check)(void *options, bool is_step, const struct yaml_node *node,
		     const char *base_dir, struct arena *arena, struct diag_list *diags);
	/* Takes up an attempt. A negative code only when it cannot even begin; then done() is not
	 * called. */
	int (*start)(const struct action_host *host, const void *options,
		     const struct action_job *job,
		     void (*done)(void *ctx, const struct action_result *result), void *ctx,
		     struct action_attempt **out);
	/* Gives up an attempt under way: no done() any more. */
	void (*cancel)(struct action_attempt *attempt);
	/*
	 * For a job that may have been begun before a restart: never starts anything, done() tells
	 * its result, now or when it ends. ACTION_UNKNOWN with code 0 and the message
	 * ACTION_NEVER_STARTED when it certainly was not begun. NULL: nothing can be known.
	 */
	int (*recover)(const struct action_host *host, const void *options,
		       const struct action_job *job,
		       void (*done)(void *ctx, const struct action_result *result), void *ctx,
		       struct action_attempt **out);
	/* The job's result is in the journal: nothing of it need be kept. May be NULL. */
	void (*forget)(const struct action_host *host, const char *id);
};

extern const struct action_plugin *const action_plugins[];
extern const size_t action_plugins_count;

#endif
