/*
 * The quickstart's stage hands, for those who have neither Prometheus nor a webhook receiver at
 * hand. One program:
 *
 *   demo record FILE PORT            take any POST on PORT and keep it, with the time when it came,
 *                                    in FILE
 *   demo play FILE PAST_SECONDS URL  send them again, to the same paths below URL: the first
 *                                    PAST_SECONDS at once, the rest at live speed, all timestamps
 *                                    moved so that "now" is where the rest begins
 *   demo receive PORT                take Alertmanager webhooks on PORT and print them
 *   demo watch URL                   print what a daemon does: alerts that fire and end, runs and
 *                                    their steps
 *
 * A recording: "tocsin recording 2\n", then for each request u64 arrival in milliseconds and, each
 * behind its u32 length, target (path and query), content type, content encoding and body;
 * little-endian.
 */
#ifndef TOCSIN_EXAMPLES_QUICKSTART_DEMO_H
#define TOCSIN_EXAMPLES_QUICKSTART_DEMO_H

#include "base/buf.h"
#include "base/loop.h"

#define RECORDING_MAGIC "tocsin recording 2\n"
#define BODY_MAX (32u * 1024 * 1024)

enum colour { PLAIN, RED, GREEN, BLUE };

/* A request of a recording; borrowed from it. */
struct recorded {
	int64_t arrival_ms;
	struct slice target, content_type, content_encoding, body;
};

/*
 * One line on standard output: the time, who speaks (coloured on a terminal), and what they say.
 * One write a line.
 */
void say(enum colour colour, const char *who, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "demo: WHAT: WHY" on standard error; gives 1. */
int fail(const char *what, const char *why);
/* A loop that SIGINT and SIGTERM stop. */
struct loop *demo_loop(void);

/*
 * The request with all its times moved: what is to be sent as target and body. Known are
 * remote-write 1.0, Loki's JSON and profiles for /ingest. ERR_INVALID, ERR_CORRUPT, ERR_NOMEM.
 */
int move_request(const struct recorded *request, int64_t shift_ms, struct buf *target,
		 struct buf *body);

/* The modes; each gives an exit code. */
int play(const char *path, const char *past, const char *url);
int watch(const char *url);

#endif
