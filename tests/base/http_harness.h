/*
 * What the tests of the HTTP server share: a server, and clients in its loop that are made of a bare
 * socket and send what no library would.
 */
#ifndef TOCSIN_TESTS_BASE_HTTP_HARNESS_H
#define TOCSIN_TESTS_BASE_HTTP_HARNESS_H

#include "base/http_server.h"
#include "tests/check_main.h"

#define BODY_MAX 100000

extern struct loop *loop;
extern struct http_server *server;
extern struct http_token token; /* of the request that was deferred last */
extern int handled;		/* requests */
extern bool gave_up;		/* the loop was stopped by impatience */

struct peer {
	int fd;
	struct loop_fd *watch;
	struct buf in;
	const char *until; /* the loop stops when this has come */
	const char *more;  /* sent as the socket takes it */
	size_t more_len;
	bool closed, broken; /* broken: it could not send or receive all */
};

/* The fixture: a loop, and later nothing. */
void setup(void);
void teardown(void);
/* A server whose handler tells what it understood, but for /defer, /silent, /empty and /free. */
struct http_server_options options(void);
void start(struct http_server_options with);
void handle(void *ctx, struct http_request *request);

/* Until somebody stops the loop. */
void run(void);
/* Lets the loop turn for a while. */
void run_for(int64_t ms);

void peer_open(struct peer *peer);
void peer_close(struct peer *peer);
void peer_send(struct peer *peer, const char *text);
/* What the socket does not take at once follows while the loop runs. */
void peer_send_all(struct peer *peer, const char *text, size_t len);
void peer_wait(struct peer *peer, const char *until);
void peer_wait_close(struct peer *peer);
/* One request on a connection of its own; what came back up to the close or `until`. */
struct peer ask(const char *request, const char *until);
void assert_has(const struct peer *peer, const char *text);
void assert_lacks(const struct peer *peer, const char *text);

#endif
