/*
 * The daemon's threads and what they say to each other. Private to daemon/.
 *
 * Every message is a struct queue_item first, its kind in item.kind; the receiver owns it. Samples
 * may be refused (a bounded queue, in bytes); what must not be lost (answers, events, records) is
 * pushed with force, and the way in is closed instead: the ingest threads answer 503 while the
 * store thread is too far behind.
 */
#ifndef TOCSIN_DAEMON_THREADS_H
#define TOCSIN_DAEMON_THREADS_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "actions/actions.h"
#include "base/loop.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/profiles.h"
#include "daemon/recorder.h"
#include "daemon/remote_writes.h"
#include "daemon/rule_copies.h"
#include "daemon/source_counters.h"
#include "engine/engine.h"
#include "ingest/extractor.h"
#include "ingest/loki_push.h"
#include "ingest/otlp.h"
#include "ingest/remote_write.h"
#include "web/web.h"

#define QUEUE_ITEMS_MAX 100000
#define QUANTUM_US 2000	      /* the engine looks at its queue at least this often */
#define FLUSH_INTERVAL_MS 250 /* samples wait at most this long for the journal */
#define FLUSH_PAUSE_MS 100    /* after a pass they do not wait, but once in so long */
#define RECORDS_BYTES                                                                              \
	(64 * 1024) /* the engine's records go to the store thread in packs of this size */
#define COMMIT_INTERVAL_MS                                                                         \
	100 /* records that nobody waits for wait at most this long for the disk */
#define COMMIT_BYTES (4 * 1024 * 1024)		 /* or until there are so many */
#define COMMIT_RETRY_MS 1000			 /* after the disk refused */
#define CHECKPOINT_AHEAD_BYTES (4 * 1024 * 1024) /* a checkpoint waits while so much is before it  \
						  */
#define CHECKPOINT_PAUSE_MS 5			 /* and looks again after this */
#define STOPPING_MS 2000			 /* Redis may take so long for the end of the log */
#define INGEST_THREADS_MAX 64
#define WRITTEN_SAMPLES_MAX 1024 /* what rules write goes to the peer thread in packs of so many   \
				  */
#define PEER_QUEUE_BYTES_MAX (64 * 1024 * 1024) /* of such packs; what is more is dropped */
#define DRAIN_MS_MAX 3000 /* the end of what remote_write sends may take so long */
#define OWN_METRICS_INTERVAL_MS 15000
#define QUERY_OF_ACTIONS UINT32_MAX /* engine_query.thread: the action thread asks */

enum message_kind {
	MSG_BATCH = 1,	/* struct batch */
	MSG_QUERY,	/* struct engine_query */
	MSG_CALL,	/* struct call */
	MSG_LOAD,	/* struct msg_load: rules to be put into force */
	MSG_LOADED,	/* struct msg_load, on its way back */
	MSG_RELEASED,	/* struct msg_load: rules that the engine is done with */
	MSG_CONFIG,	/* struct msg_load: configuration for the action side and the API */
	MSG_EXTRACTORS, /* struct msg_load: extractors for an ingest thread, and on its way back */
	MSG_RECORD,	/* struct msg_record */
	MSG_RECORDS,	/* struct msg_records */
	MSG_EVENT,	/* struct alert_event */
	MSG_DURABLE,	/* struct msg_token */
	MSG_CHECKPOINT, /* struct queue_item: write your state */
	MSG_SETTLE, /* struct queue_item: answer what waits for the storage, then post `settled` */
	MSG_STOP,   /* struct queue_item */
	MSG_PROFILES,	      /* struct profiles_msg: pushed ones, to ingest thread 0 */
	MSG_PROFILES_REFUSED, /* the same on its way back */
	MSG_PROFILE_CALL,     /* struct call for CALL_PROFILES, to ingest thread 0 */
	MSG_WRITTEN,	      /* struct msg_written: what rules wrote, to the peer thread */
	MSG_HISTORY,	      /* struct msg_history: what rules lack, to the peer thread */
};

struct msg_record {
	struct queue_item item;
	enum record_type type;
	uint64_t token; /* 0: no answer wanted */
	size_t len;
	char bytes[];
};

/* Records that nobody waits for, many at once: each a u32 of its type, a u32 of its length, its
 * bytes. */
struct msg_records {
	struct queue_item item;
	bool flushed; /* there are no more by now: they are committed at once */
	size_t len, cap;
	char bytes[];
};

/* Each sample's labels are a reference. */
struct msg_written {
	struct queue_item item;
	size_t n;
	struct rw_sample samples[WRITTEN_SAMPLES_MAX];
};

/* A selector whose samples since then are wished for. */
struct msg_history {
	struct queue_item item;
	char *text;
	int64_t from_ms;
};

struct msg_token {
	struct queue_item item;
	uint64_t token;
};

struct msg_load {
	struct queue_item item;
	struct rule_set *rules;
	struct config *config;
	struct extractor_set *extractors;
	uint32_t round;	     /* of MSG_EXTRACTORS: which one is answered */
	bool forget_lines;   /* of MSG_LOAD: they were redacted by other rules */
	uint64_t rules_hash; /* of MSG_LOAD, for the recorder; 0 without one */
	int code;
};

struct daemon;

/* What goes out once the records before it are stored, first in, first out. */
struct waiting {
	struct waiter *first, **end;
	size_t n;
};

struct store_thread {
	struct daemon *daemon;
	pthread_t thread;
	struct loop *loop;
	struct loop_timer *timer;
	struct queue *inbox;
	struct journal *journal; /* NULL: data_dir none */
	struct redis_log *redis; /* NULL: none */
	struct config *config;	 /* of the start: the address and the password of Redis are its */
	char owner[128];	 /* who we are, in Redis */
	/* Events and answers for the action thread; batches, whose senders wait for an answer. */
	struct waiting events, batches;
	uint64_t appended, committed; /* records; those the journal has */
	int checkpoint_parts;	      /* still missing */
	bool checkpoint;	      /* one is under way */
	size_t appended_bytes;	      /* since the last commit */
	bool flushed;		      /* nothing is gained by waiting for more of them */
	int64_t appended_us;	      /* when the first of them came */
	bool journal_is_whole;	      /* it has the state we go on with, from its beginning on */
	bool stopping;
	bool gave_up;	 /* the disk refused for so long that the rest is not waited for */
	int64_t stop_us; /* then at the latest */
	bool settling;
	sem_t settled;
	/* As the newest configuration has them; set by the main thread. */
	_Atomic int64_t commit_timeout_ms, confirm_timeout_ms;
	_Atomic int journal_sync;
	/* What was told of Redis. */
	enum redis_health health;
	bool redis_was_used, redis_is_amiss;
	char redis_error[256];
	int64_t amiss_us;
	/* For other threads. */
	_Atomic uint64_t commit_failures, unreplicated, unconfirmed;
	_Atomic size_t waiting_bytes; /* of batches */
	_Atomic bool is_full;	      /* whoever writes a checkpoint should wait */
	_Atomic bool fenced;	      /* another daemon owns the log: nothing is done any more */
	struct journal_stats stats;   /* these are copied after each commit, under stats_lock */
	struct redis_log_stats redis_stats;
	enum redis_health redis_health;
	int64_t cpu_us;
	pthread_mutex_t stats_lock;
};

/* ---- store_waiting.c ---- */

void waiting_init(struct waiting *waiting);
/* Frees what nobody will see any more. */
void waiting_discard(struct waiting *waiting);
/* Puts the message behind all records appended so far; it waits for Redis until deadline_us. */
void store_wait(struct store_thread *thread, struct waiting *waiting, struct queue_item *item,
		int64_t deadline_us);
/* Lets out what may go, at this time. */
void store_release(struct store_thread *thread, int64_t now_us);
/* When store_release() has something to do, whatever comes; INT64_MAX: nothing waits. */
int64_t store_release_us(const struct store_thread *thread);

/* ---- recover.c ---- */

/* Reads back what the storage remembers, from the journal or Redis, whichever is newer. */
int recover(struct daemon *daemon, char **why);

struct engine_thread {
	struct daemon *daemon;
	pthread_t thread;
	struct queue *inbox;
	struct engine *engine;
	struct recorder *recorder; /* NULL: nothing is recorded */
	struct queue_item *todo;   /* taken out of the inbox, not yet worked off */
	struct queue_item *deferred, **deferred_end; /* calls that wait until rules are swapped */
	struct msg_records *records;		     /* not yet sent */
	struct queue_item *events, **events_end;     /* not yet sent */
	struct queue_item *applied,
		**applied_end;	     /* batches that wait for the storage, not yet sent */
	struct msg_written *written; /* not yet sent */
	int64_t flushed_ms;
	uint64_t flushed_iterations; /* of groups, by then */
	bool stopping, more;
	bool held; /* a checkpoint waits for the storage */
	_Atomic int64_t longest_us,
		longest_cpu_us; /* longest piece of work without a look at the queue */
	_Atomic uint64_t busy_us;
	_Atomic uint64_t
		written_dropped; /* samples for remote_write that found no room or memory */
};

struct action_thread {
	struct daemon *daemon;
	pthread_t thread;
	struct loop *loop;
	struct queue *inbox;
	struct loop_timer *timer;
	struct http_client *http;
	struct runner_client *runner;
	struct actions *actions;
	struct batch *samples; /* of runs, not yet sent to the engine; NULL none */
	bool is_woken;	       /* the step that messages want is to come */
};

/* What is written to, and asked of, other servers than receivers of notifications. Batches of the
 * past come home to it. */
struct peer_thread {
	struct daemon *daemon;
	pthread_t thread;
	struct loop *loop;
	struct queue *inbox;
	struct loop_timer *timer; /* of the end */
	struct http_client *http;
	struct config *config; /* a reference: the senders' options stand in it */
	struct remote_writes remotes;
	struct history *history;
	struct history_counters history_counters;
};

/* Tocsin's own numbers on their way into the store: on ingest thread 0. */
struct own_metrics {
	struct loop_timer *timer;
	char instance[256];
	struct call *call; /* being asked for */
	bool busy;	   /* call or batch under way */
	bool failed;	   /* the last time, and told */
};

struct log_sources; /* log_sources.h */

struct ingest_thread {
	struct daemon *daemon;
	uint32_t number;
	bool loopback;		/* listens on a loopback address */
	size_t batch_bytes_max; /* what the engine's queue holds at most */
	pthread_t thread;
	struct loop *loop;
	struct queue *inbox;
	struct http_server *server;
	struct rw_decoder *decoder;
	struct log_feed *feed;	   /* of all log lines that come in on this thread */
	struct log_stream *stream; /* of the line that comes next; borrowed from the feed */
	struct batch *gathered;	   /* out of a feed that was full; NULL: nothing */
	struct loki_decoder *loki;
	struct otlp_decoder *otlp;
	struct log_counters *otlp_counters;
	struct relabel *loki_rules;	  /* a reference, or NULL */
	struct relabel *profiles_relabel; /* of pushed profiles; a reference, or NULL */
	struct log_counters *loki_counters;
	struct web *web;
	struct own_metrics own;
	struct log_sources *sources; /* on thread 0; NULL on the others */
	/* Of thread 0 only: all profiles. */
	struct profile_hub *hub;
	struct profile_fetcher *fetcher;
	struct loop_timer *profiles_timer;
	_Atomic uint64_t requests, refused_full, refused_bad, bytes;
};

/* What the ingest threads look for in log lines. */
struct extractors {
	pthread_mutex_t lock;
	struct extractor_set *set;	/* a reference; NULL before the first */
	struct extractor_counters gone; /* of those that are no more */
};

/* Configuration and rules as they were read, all of one moment (loading.c). */
struct loaded {
	struct config *config;
	struct rule_set *rules;		  /* NULL: nothing was loaded */
	struct extractor_set *extractors; /* NULL: no rule reads lines */
	struct rule_copies copies;	  /* of which the rules were made */
	bool is_last_good;		  /* not the files as they are, but as they once were */
};

/* A reload on its way: the ingest threads have the extractors before the engine has the rules. */
struct reload {
	struct loaded loaded;
	struct extractor_set *before; /* those in use until then */
	uint32_t round, waiting;      /* ingest threads that have not answered */
	bool failed;
};

struct daemon {
	const struct daemon_options *options;
	struct config *config; /* in force; main thread only */
	struct loop *loop;     /* of the main thread */
	struct queue *inbox;   /* of the main thread */
	struct store_thread store;
	struct engine_thread engine;
	struct action_thread action;
	struct peer_thread peer;
	struct ingest_thread *ingest;
	uint32_t ningest;
	struct rw_shared rw;
	struct log_counters_list log_counters;
	struct profiles_counters profiles;
	_Atomic uint64_t epoch;
	_Atomic int64_t queue_bytes_max; /* limits.queue_bytes: ingest threads may not look into the
					    config */
	_Atomic bool ready;
	_Atomic bool draining; /* stopping: requests under way are answered, new ones refused */
	struct extractors extractors;
	struct reload reload;	  /* main thread only */
	struct call *reload_call; /* whoever waits for the reload under way; main thread only */
	bool reloading;
	_Atomic bool confirms; /* storage.durability: storage */
	char *data_dir;	       /* in use, whatever a reloaded configuration says; NULL: none */
	bool loaded;	       /* while starting: the engine has the first rules */
	int exit_code;
	int64_t started_ms;
	_Atomic bool reload_ok;
	_Atomic int64_t reload_ok_ms;
	char instance[20];
};

int store_thread_init(struct store_thread *thread, struct daemon *daemon, char **why);
/* What of the section storage may change while it runs; from the main thread. */
void store_thread_configure(struct store_thread *thread, const struct storage_config *config);
int store_thread_start(struct store_thread *thread);
/* Commits what is queued, then ends. */
void store_thread_stop(struct store_thread *thread);
void store_thread_fini(struct store_thread *thread);
/* From any thread. Never refused; keeps the order of one sender. Memory trouble ends the daemon: a
 * record must not be lost in silence. */
void store_thread_record(struct store_thread *thread, enum record_type type, struct slice payload,
			 uint64_t token);
/* A list of struct alert_event, linked by item.next. */
void store_thread_events(struct store_thread *thread, struct queue_item *events);
/* A batch that is applied, all its records sent before: goes home once the storage has them. */
void store_thread_batch(struct store_thread *thread, struct batch *batch);
/* Waits until no batch waits any more: at most confirm_timeout. For the main thread, at the end. */
void store_thread_settle(struct store_thread *thread);
/* As store_thread_record() without a token, but gathered in *records until that is full or pushed:
 * in order with what is pushed after. */
void store_thread_gather(struct store_thread *thread, struct msg_records **records,
			 enum record_type type, struct slice payload);
void store_thread_push(struct store_thread *thread, struct msg_records **records);
/* The same where no more will come for a while: the store thread need not wait for it. */
void store_thread_flush(struct store_thread *thread, struct msg_records **records);

int engine_thread_init(struct engine_thread *thread, struct daemon *daemon, char **why);
int engine_thread_start(struct engine_thread *thread);
void engine_thread_stop(struct engine_thread *thread);
void engine_thread_fini(struct engine_thread *thread);

/* A thread that runs an event loop; MSG_STOP in its inbox ends it: at once or, of the peer thread,
 * when what waits is sent or DRAIN_MS_MAX have passed. ERR_LIMIT. */
int loop_thread_start(pthread_t *thread, struct loop *loop, const char *name);
/* Waits for the end. */
void loop_thread_stop(pthread_t thread, struct queue *inbox);

int action_thread_init(struct action_thread *thread, struct daemon *daemon, char **why);
void action_thread_fini(struct action_thread *thread);

int peer_thread_init(struct peer_thread *thread, struct daemon *daemon);
void peer_thread_fini(struct peer_thread *thread);

int ingest_thread_init(struct ingest_thread *thread, struct daemon *daemon, uint32_t number,
		       uint16_t port, char **why);
void ingest_thread_fini(struct ingest_thread *thread);

/* ---- for what brings data over HTTP or otherwise, on its ingest thread ---- */

/* False while stopping, or while the store thread is so far behind that nothing more may come in:
 * answer 503 with Retry-After. */
bool ingest_is_open(struct ingest_thread *thread);
/* Who sent the request: (user, or address and user agent). */
void ingest_sender(struct http_request *request, struct batch_sender *sender);
/*
 * Gives the batch, whose sender and answer's address stand, to the engine. When it is applied,
 * `done` is called on this thread, which frees it. ERR_FULL: the queue is; the caller keeps the
 * batch.
 */
int ingest_push(struct ingest_thread *thread, struct batch *batch,
		void (*done)(void *thread, struct batch *batch));
void ingest_reply_post_only(struct http_request *request, const char *why);

/* Puts lines into the thread's feed. What came of them must be taken before the handler returns. */
struct log_sink ingest_log_sink(struct ingest_thread *thread);
/*
 * What came of the lines since the last call, to be pushed or freed. NULL: there was no memory;
 * part of it is lost, so whoever sent the lines is to send them again.
 */
struct batch *ingest_log_batch(struct ingest_thread *thread);

/* ---- loading.c ---- */

/* To standard error. */
void print_diags(const struct diag_list *diags);
/*
 * Reads everything anew. All or nothing: on any error nothing is returned and the diagnostics tell
 * all of them. before: the extractors in use, or NULL.
 */
int load_all(const struct daemon *daemon, const struct extractor_set *before,
	     struct diag_list *diags, struct loaded *out);
/* The same at the start: says itself what is wrong, and may take the last good rules instead. */
int load_first(const struct daemon *daemon, struct loaded *out);
/* Gives back all of it; again is fine. */
void loaded_fini(struct loaded *loaded);
/* What is in force now is the last that was good: a copy is kept (data_dir NULL: none is). */
void loaded_keep(const struct loaded *loaded, const char *data_dir);

/* ---- extractors.c ---- */

/*
 * The extractors of a rule set. They take over counters and series from those before (may be NULL).
 * ERR_INVALID, ERR_LIMIT with diagnostics; ERR_NOMEM.
 */
int extractors_compile(const struct rule_set *rules, const struct config *config,
		       const struct extractor_set *before, struct diag_list *diags,
		       struct extractor_set **out);
int extractors_init(struct extractors *extractors);
void extractors_fini(struct extractors *extractors);
/* These are in use from now on; takes a reference of its own. */
void extractors_set(struct extractors *extractors, struct extractor_set *set);
/* From any thread. False when no such series is extracted; `guess` is where it probably stands. */
bool extractors_counters(struct extractors *extractors, struct slice name, uint32_t guess,
			 struct extractor_counters *out);
/* The sum over all that there are and were; `series` of those there are. */
void extractors_totals(struct extractors *extractors, struct extractor_counters *out);

void remote_write_request(struct ingest_thread *thread, struct http_request *request);
void otlp_metrics_post(struct ingest_thread *thread, struct http_request *request);
void otlp_logs_post(struct ingest_thread *thread, struct http_request *request);
void loki_request(struct ingest_thread *thread, struct http_request *request);
/* From now on; NULL: none. */
void loki_relabel(struct ingest_thread *thread, struct relabel *relabel);

/*
 * Sets daemon->instance, after the journal was read (stats NULL: there is none) and before
 * anything is done. ERR_IO with *why.
 */
int instance_init(struct daemon *daemon, const struct journal_replay_stats *stats, char **why);

/* On a thread whose server listens. ERR_NOMEM. */
int own_metrics_init(struct ingest_thread *thread);
void own_metrics_fini(struct ingest_thread *thread);
/* A call came home: true (and freed) if it was for this. */
bool own_metrics_call_done(struct ingest_thread *thread, struct call *call);

/* The daemon's own metrics as text; any thread. */
void daemon_metrics(struct daemon *daemon, struct buf *out);

/* ---- overview.c ---- */

/* web_host.overview. Any thread. */
void daemon_overview(struct daemon *daemon, struct json_writer *w);
/* A message without content, for kinds that need none. */
void queue_push_signal(struct queue *queue, enum message_kind kind);
/* To its owner's thread; ERR_FULL unless it is forced. */
int call_send(struct daemon *daemon, struct call *call, enum call_owner owner, bool force);
/* It was run: on to its next owner, or home to the thread that waits for it. */
void call_forward(struct daemon *daemon, struct call *call);
/* Frees a message of any kind that nobody will take any more. */
void message_free(struct queue_item *item);
/* Frees what is left in a queue, and the queue. NULL is fine. */
void queue_discard(struct queue *queue);

#endif
