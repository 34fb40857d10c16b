/*
 * The web room in one thread: a real HTTP server and client on a loop, a real engine on a manual
 * clock and real actions; calls go through a queue of the loop, one owner after the other, as
 * between the daemon's threads.
 */
#ifndef TOCSIN_TESTS_WEB_HARNESS_H
#define TOCSIN_TESTS_WEB_HARNESS_H

#include "base/http_client.h"
#include "web/web.h"

#define HARNESS_NOW_S 1700000000 /* the first told time */

struct web_harness {
	struct loop *loop;
	struct queue *queue; /* calls on their way */
	struct http_server *server;
	struct http_client *client;
	struct engine *engine;
	struct actions *actions;
	struct web *web;
	int64_t now_ms;
	bool full; /* the owners' queues refuse */
	bool unready;
	int64_t units;		/* of a quantum of the engine */
	int64_t query_takes_ms; /* the told time moves on by this while a query waits */
	int pieces;		/* turns that calls took so far */
	/* Called before each piece, when set. */
	void (*before_piece)(struct web_harness *w);
	/* Called before a request is handled and once it is answered, when set; nothing of Check
	 * between them. */
	void (*begun)(struct web_harness *w);
	void (*done)(struct web_harness *w);
	/* of the newest answer: */
	int status;
	struct buf body; /* NUL-terminated */
	bool answered;
};

/* options NULL: on loopback, external URL http://tocsin.example:9797, allowed host other.example.
 */
void web_harness_start(struct web_harness *w, const struct web_options *options);
void web_harness_stop(struct web_harness *w);
void web_harness_load(struct web_harness *w, const char *yaml);
/* Tells the time (seconds after HARNESS_NOW_S), feeding samples before: "up{job="a"} 1; …", and
 * settles. */
void web_harness_at(struct web_harness *w, double time_s, const char *samples);

/* Asks and waits for the answer; gives its body. headers: NULL-terminated name, value, name,
 * value…; may be NULL. */
const char *web_ask(struct web_harness *w, const char *method, const char *target,
		    const char *const *headers, const char *body);
/* A GET that must be answered with this status. */
const char *web_get(struct web_harness *w, const char *target, int status);
/* The value of a path such as "data.result.0.value.1" in the newest answer, as text: compact JSON,
 * texts bare; "" when absent. Good until the next. */
const char *web_json(struct web_harness *w, const char *path);
#define ck_assert_json(w, path, wanted) ck_assert_str_eq(web_json((w), (path)), (wanted))

#endif
