/*
 * A call: an API request on its way from an ingest thread to the owner of what it asks about, and back.
 *
 * The handler fills the inputs on the ingest thread; run() is called once on the owner's thread and writes status and body;
 * the answer goes home by (thread, slot, generation). Exactly one thread owns a call at any time.
 */
#ifndef TOCSIN_WEB_CALL_H
#define TOCSIN_WEB_CALL_H

#include "base/arena.h"
#include "base/http_server.h"
#include "base/queue.h"

enum call_owner {
	CALL_ENGINE,  /* run(call, struct engine *) */
	CALL_ACTIONS, /* run(call, struct actions *) */
	CALL_STORE,   /* run(call, struct journal *): NULL without one */
	CALL_CONFIG,  /* run(call, struct daemon's reload hook *), see web_host.reload */
};

struct call {
	struct queue_item item;
	void (*run)(struct call *call, void *owner);
	/* A call may visit a second owner: run() sets next, and is sent there when it returns. */
	void (*next)(struct call *call, void *owner);
	enum call_owner owner, next_owner;
	int64_t now_ms; /* wall clock at arrival */
	/* inputs, in the arena */
	struct arena arena;
	const char *args[4];
	struct slice body;
	void *data;
	/* outputs */
	int status;
	const char *content_type;
	struct buf out;
	/* home */
	uint32_t thread, slot, generation;
};

struct call *call_new(void (*run)(struct call *call, void *owner));
void call_free(struct call *call);
/* Writes {"status":"error",…} as Prometheus' API does. */
void call_fail(struct call *call, int status, const char *type, const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
