/*
 * A connection to one Redis server on an event loop: hiredis' asynchronous side, with hooks on our
 * own loop in place of an adapter, and only calls that 0.14 and 1.x have in common.
 *
 * It connects, authenticates, selects its database and tells `up`; what fails is told by `down`,
 * and tried again after a pause that doubles from REDIS_RETRY_MS_MIN to REDIS_RETRY_MS_MAX. Answers
 * come in the order of the commands. When a connection is lost, commands without an answer are
 * forgotten: the caller, told by `down`, knows which those are.
 *
 * hiredis buffers without a bound what is sent, and moves the rest of its buffer at each partial
 * write: the caller bounds the bytes in flight.
 */
#ifndef TOCSIN_BASE_REDIS_CLIENT_H
#define TOCSIN_BASE_REDIS_CLIENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"

#define REDIS_RETRY_MS_MIN 100
#define REDIS_RETRY_MS_MAX 5000
/* Without an answer for so long, though one is due, a connection counts as lost. */
#define REDIS_ANSWER_MS_MAX 10000

struct redisReply;
struct redis_client;

struct redis_endpoint {
	const char *host;
	uint16_t port;
	uint32_t database;
	const char *password; /* NULL: none */
	int64_t answer_ms;    /* 0: REDIS_ANSWER_MS_MAX */
};

struct redis_client_sink {
	void *ctx;
	void (*up)(void *ctx);
	/* why: for people, borrowed. broke: it worked until the connection broke; the next try
	 * will tell more. */
	void (*down)(void *ctx, const char *why, bool broke);
	/* The answer to a command that was sent as `what`; an error is an answer. Borrowed. */
	void (*answer)(void *ctx, unsigned what, const struct redisReply *reply);
};

/* Borrows the endpoint's texts. Connects from redis_client_start() on. NULL: no memory. */
struct redis_client *redis_client_new(struct loop *loop, const struct redis_endpoint *endpoint,
				      const struct redis_client_sink *sink);
void redis_client_start(struct redis_client *client);
/* NULL is fine. Not from within the sink. */
void redis_client_free(struct redis_client *client);
/* Between `up` and `down` only. command: complete, as resp_array() and resp_bulk() make it. ERR_IO:
 * it was not taken, and `down` follows from the loop. */
int redis_client_send(struct redis_client *client, struct slice command, unsigned what);
/* Gives the connection up, as if it were lost, and begins anew after the pause. */
void redis_client_fail(struct redis_client *client, const char *why);
/* The server does what is wanted: the next pause is a short one again. */
void redis_client_is_well(struct redis_client *client);

/* The parts of a command in Redis' protocol. */
void resp_array(struct buf *out, size_t n);
void resp_bulk(struct buf *out, struct slice text);

#endif
