/*
 * Action plug-ins: how something is told to the outside or done to it.
 *
 * One struct of functions and an option table a plug-in; the built-in ones stand in plugins.def. A plug-in carries
 * out one attempt at a time of a job that the outbox or a runbook gives it; queues, retries, deduplication and the journal are
 * not its affair. It never blocks: it works on the loop it is given and calls done() exactly once, never from inside start().
 *
 * A job has an id that is the same at each attempt and after a restart: receivers use it to recognise repeats.
 */
#ifndef TOCSIN_ACTIONS_PLUGIN_H
#define TOCSIN_ACTIONS_PLUGIN_H

#include "base/http_client.h"
#include "base/yaml.h"

#define ACTION_OUTPUT_MAX (64 * 1024) /* of a script's standard output or a response's body that is kept */

enum action_outcome {
	ACTION_OK,
	ACTION_RETRY,     /* failed for now: transport, 408, 425, 429, 5xx */
	ACTION_FAILED,    /* failed for good: other status, exit code, not startable */
	ACTION_TIMED_OUT, /* cut off by its timeout */
	ACTION_UNKNOWN,   /* started, but its end was not seen */
};
const char *action_outcome_text(enum action_outcome outcome);

struct action_result {
	enum action_outcome outcome;
	int code;                /* HTTP status or exit code; negative: signal */
	const char *message;     /* one line for people */
	struct slice output;     /* standard output or response body, at most ACTION_OUTPUT_MAX */
	struct slice error_output;
	bool output_cut;
	int64_t retry_after_ms;  /* -1: none asked for */
	int64_t duration_ms;
};

struct action_job {
	const char *id;      /* no dots, [A-Za-z0-9_-] */
	unsigned attempt;    /* from 1 */
	int64_t now_ms;      /* wall clock */
	struct slice body;   /* JSON document: a webhook's body, a script's standard input; valid until done() */
	int64_t timeout_ms;  /* 0: the plug-in's own */
};

struct action_attempt; /* the plug-in's own */

/* What a plug-in may use. */
struct action_host {
	struct loop *loop;
	struct http_client *http;
	struct runner_client *runner; /* NULL when scripts are off */
	const char *version;          /* for User-Agent */
};

struct action_plugin {
	const char *name; /* "webhook": key webhook_configs in receivers; "exec": key of a step */
	const char *doc;
	const struct bind_table *options; /* what a user may write; its struct is given to the others */
	/* Checks what a table cannot: NULL if nothing. Errors at their nodes. */
	int (*check)(const void *options, const struct yaml_node *node, struct diag_list *diags);
	/* Takes up an attempt. A negative code only when it cannot even begin; then done() is not called. */
	int (*start)(const struct action_host *host, const void *options, const struct action_job *job,
		     void (*done)(void *ctx, const struct action_result *result), void *ctx, struct action_attempt **out);
	/* Gives up an attempt under way: no done() any more. */
	void (*cancel)(struct action_attempt *attempt);
	/* For a job whose attempt was begun before a restart: 1 and the result if it is known or will come by done(), 0 if nothing is known of it. */
	int (*recover)(const struct action_host *host, const void *options, const struct action_job *job,
		       void (*done)(void *ctx, const struct action_result *result), void *ctx, struct action_attempt **out);
};

extern const struct action_plugin *const action_plugins[];
extern const size_t action_plugins_count;
const struct action_plugin *action_plugin_find(const char *name);

#endif
