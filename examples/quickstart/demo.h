/*
 * The quickstart's stage hands, for those who have neither Prometheus nor a webhook receiver at
 * hand. One program:
 *
 *   demo record FILE PORT            take remote-write requests on PORT and keep them, with their
 *                                    arrival times, in FILE
 *   demo play FILE PAST_SECONDS URL  send them again to URL: the first PAST_SECONDS at once, the
 *                                    rest at live speed, all timestamps moved so that "now" is
 *                                    where the rest begins
 *   demo receive PORT                take Alertmanager webhooks on PORT and print them
 *   demo watch URL                   print what a daemon does: alerts that fire and end, runs and
 *                                    their output
 *
 * A recording: "tocsin recording 1\n", then for each request u64 arrival in milliseconds, u32
 * length, body, little-endian.
 */
#ifndef TOCSIN_EXAMPLES_QUICKSTART_DEMO_H
#define TOCSIN_EXAMPLES_QUICKSTART_DEMO_H

#include "base/loop.h"

#define RECORDING_MAGIC "tocsin recording 1\n"
#define BODY_MAX (32u * 1024 * 1024)

enum colour { PLAIN, RED, GREEN, BLUE };

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

/* The modes; each gives an exit code. */
int play(const char *path, const char *past, const char *url);
int watch(const char *url);

#endif
