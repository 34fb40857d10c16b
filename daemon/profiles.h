/*
 * Profiles in the daemon: all of them come together on ingest thread 0 (ingest/profile_hub.h), the
 * pushed ones by message from the thread whose server took them. Private to daemon/.
 */
#ifndef TOCSIN_DAEMON_PROFILES_H
#define TOCSIN_DAEMON_PROFILES_H

#include "base/http_server.h"
#include "ingest/otlp.h"
#include "ingest/profile_fetch.h"
#include "rules/rule_file.h"
#include "web/call.h"

#define PROFILES_WAITING_BYTES_MAX (64 * 1024 * 1024) /* pushed profiles that wait for thread 0 */
#define PROFILES_WHY_MAX 256			      /* bytes of what a sender is told */

struct ingest_thread;
struct config;

/* How profiles are pushed: one row of the table in ingest_profiles.c each. */
enum profiles_protocol {
	PROFILES_INGEST,
	PROFILES_PUSH,
	PROFILES_PUSH_JSON,
	PROFILES_OTLP, /* the body is the message, as otlp_open() gives it */
	PROFILES_PROTOCOLS,
};

/* A request with profiles on its way to thread 0, or its refusal on its way back. */
struct profiles_msg {
	struct queue_item item;
	enum profiles_protocol protocol;
	struct batch_sender sender;
	struct profile_ingest_params params;
	char *texts[6]; /* of params */
	char *content_type;
	bool is_gzipped; /* by its Content-Encoding */
	char *body;
	size_t len;
	uint32_t thread, slot, generation;
	struct otlp_result otlp; /* of PROFILES_OTLP */
	int status;
	char why[PROFILES_WHY_MAX];
};

/* Kept with the batch until it comes home. */
struct profiles_answer {
	enum profiles_protocol protocol;
	struct otlp_result otlp;
};

/* Numbers for /metrics, written by thread 0 only. */
struct profiles_counters {
	_Atomic uint64_t taken, refused, unkept, fetched, fetch_failed, unpushed;
	_Atomic uint64_t store_added, store_expired, store_damaged, store_failed;
	_Atomic int64_t store_items, store_bytes, targets, targets_down, streams;
};

/* On thread 0. ERR_IO with *why; ERR_NOMEM. */
int profiles_init(struct ingest_thread *thread, const struct config *config, char **why);
void profiles_fini(struct ingest_thread *thread);
/* Before the thread runs, and on it when there is a new configuration. */
void profiles_configure(struct ingest_thread *thread, const struct config *config,
			const struct rule_set *rules);
void profiles_on_msg(struct ingest_thread *thread, struct profiles_msg *msg);
void profiles_on_call(struct ingest_thread *thread, struct call *call);

/* On any ingest thread: the requests, and the refusals that come back. */
void profiles_ingest_request(struct ingest_thread *thread, struct http_request *request);
void profiles_push_request(struct ingest_thread *thread, struct http_request *request);
void profiles_otlp_request(struct ingest_thread *thread, struct http_request *request);
void profiles_on_refused(struct ingest_thread *thread, struct profiles_msg *msg);
/* What the sender is told of an applied batch. */
void profiles_on_applied(void *thread, struct batch *batch);
void profiles_msg_free(struct profiles_msg *msg);

#endif
