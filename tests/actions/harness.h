/*
 * The action side on a manual clock, with a real webhook receiver: a loop, an HTTP server on a free
 * port that answers as told and remembers what came, and the journal as a list of records, made
 * durable at once or when the test says so.
 */
#ifndef TOCSIN_TESTS_ACTIONS_HARNESS_H
#define TOCSIN_TESTS_ACTIONS_HARNESS_H

#include <jansson.h>

#include "actions/actions.h"
#include "actions/runner.h"
#include "engine/verify.h"

#define HARNESS_START_MS 1700000000000 /* its clock begins */
#define HARNESS_RECORDS_MAX 8192
#define HARNESS_HOOKS_MAX 256
#define HARNESS_EPISODES_MAX 2048

struct hook {
	char id[64], attempt[16];
	json_t *body;
	char *text;
};

struct harness {
	struct loop *loop;
	struct http_client *http;
	struct http_server *server;
	struct runner_client *runner;
	struct actions *actions;
	struct engine *engine;	    /* NULL: nobody answers questions */
	bool has_series;	    /* samples of runs are kept: */
	struct buf samples;	    /* "3.5 {…} 1\n", or stale; emptied by the test */
	struct queue_item *answers; /* not yet given to the action side */
	int64_t now_ms;
	int answer;		 /* status of the receiver's next answers */
	const char *retry_after; /* NULL: none */
	bool woken;		 /* actions_step() was asked for */
	bool hold;		 /* records are not acknowledged until harness_release() */
	struct {
		uint64_t token;
		size_t record;
	} held[HARNESS_RECORDS_MAX];
	size_t nheld;
	size_t durable_max; /* records from this one on never become durable; 0: all do */
	struct {
		enum record_type type;
		char *bytes;
		size_t len;
	} records[HARNESS_RECORDS_MAX];
	size_t nrecords;
	struct hook hooks[HARNESS_HOOKS_MAX];
	size_t nhooks;
	char config[8192];
	struct actions_config *bound; /* of it */
	/* Of the next events: */
	struct rule_set *rules; /* NULL: events know no rule */
	bool unsettled, sender_silent;
	double value;
	const char *evidence; /* a line of it; NULL: there is none */
	bool at_once;	      /* nothing settles between them */
	const char *external_url; /* of the next configuration; NULL: the usual one */
	struct {
		char labels[128];
		int64_t fired_ms;
	} episodes[HARNESS_EPISODES_MAX];
	size_t nepisodes;
};

/* config: tocsin.yml's route, receivers, runbooks…; every %d in it becomes the receiver's port.
 * runner_dir NULL: no scripts. */
void harness_init(struct harness *h, const char *config, const char *runner_dir);
void harness_fini(struct harness *h);
/* A new actions object that has read the first n records of this one's journal, as after a crash
 * there. */
void harness_restart(struct harness *h, size_t n);
void harness_configure(struct harness *h, const char *config);
/* Moves the clock, works off what is due, and lets the network settle. */
void harness_at(struct harness *h, int64_t ms);
/* Lets the loop run until nothing has happened for a while. */
void harness_settle(struct harness *h);
void harness_release(struct harness *h);
/* An alert's change: labels as "alertname=A,instance=x". */
void harness_fire(struct harness *h, const char *labels);
void harness_resolve(struct harness *h, const char *labels);
/* Firing → pending: its rule's `for` was raised. */
void harness_unfire(struct harness *h, const char *labels);
/* The alert fires on: told again as after a restart, or as each minute. */
void harness_restored(struct harness *h, const char *labels);
void harness_refresh(struct harness *h, const char *labels);
/* Events are of the rules of this file's text, by alertname. */
void harness_rules(struct harness *h, const char *text);
/* An engine with these rules and what the configuration demands: answers questions from now on. */
void harness_engine(struct harness *h);
/* Samples of now, as text: up{instance="i1"} 1 */
void harness_feed(struct harness *h, const char *text);
/* Adds a silence with one matcher; its id stays in id. */
void harness_silence(struct harness *h, const char *matcher, int64_t starts_ms, int64_t ends_ms,
		     char id[40]);
/* "firing A[x] A[y]; resolved A[z]" of a hook: status of each alert with its instance. */
const char *hook_alerts(const struct hook *hook);
const char *hook_field(const struct hook *hook, const char *key);

#endif
