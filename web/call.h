/*
 * A call: an API request on its way from an ingest thread to the owner of what it asks about, and
 * back.
 *
 * The handler fills the inputs on the ingest thread; run() is called once on the owner's thread and
 * writes status and body; finish() on the ingest thread may turn what run() collected into the
 * body; the answer goes home by (thread, slot, generation). Exactly one thread owns a call at any
 * time.
 */
#ifndef TOCSIN_WEB_CALL_H
#define TOCSIN_WEB_CALL_H

#include "base/arena.h"
#include "base/http_server.h"
#include "base/queue.h"

enum call_owner {
	CALL_ENGINE,   /* run(call, struct engine *) */
	CALL_ACTIONS,  /* run(call, struct actions *) */
	CALL_CONFIG,   /* run(call, struct daemon's reload hook *), see web_host.reload */
	CALL_PROFILES, /* run(call, struct profile_hub *) */
};

struct call {
	struct queue_item item;
	void (*run)(struct call *call, void *owner);
	/* A call may visit a second owner: run() sets next, and is sent there when it returns. */
	void (*next)(struct call *call, void *owner);
	enum call_owner owner, next_owner;
	/* Once, back on the ingest thread, before the answer: what takes long and needs no owner
	 * (rendering). May be NULL. */
	void (*finish)(struct call *call);
	/*
	 * run() of CALL_PROFILES may set is_held: then the call goes on its way only when
	 * call_release() is called, on the owner's thread. `released` is the owner's.
	 */
	bool is_held;
	bool is_running; /* the owner's: run() has not returned yet */
	void (*released)(void *ctx, struct call *call);
	void *released_ctx;
	int64_t now_ms; /* wall clock at arrival */
	/* inputs, in the arena */
	struct arena arena; /* also for run(): limited to CALL_BYTES_MAX */
	const char *args[4];
	struct slice body;
	void *data;
	void (*data_free)(void *data); /* with the call; may be NULL */
	/* outputs */
	int status;
	const char *content_type;
	struct buf out;
	/* home */
	uint32_t thread, slot, generation;
};

#define CALL_BYTES_MAX (256 * 1024 * 1024)

/* NULL when out of memory. Status is 200 and the content type JSON until somebody says otherwise.
 */
struct call *call_new(void (*run)(struct call *call, void *owner));
void call_free(struct call *call);
/* Runs `next` after this, on that owner's thread. */
void call_go_on(struct call *call, enum call_owner owner,
		void (*next)(struct call *call, void *owner));
/* The call is held no longer. */
void call_release(struct call *call);
/* Drops what was written, then writes {"status":"error",…} as Prometheus' API does. */
void call_fail(struct call *call, int status, const char *type, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
