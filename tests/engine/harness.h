/*
 * An engine on a manual clock: fed by text, told the time in seconds, its doings collected as text.
 *
 * All work is done in quanta of a few units, so that every test also proves that work can be cut
 * anywhere.
 */
#ifndef TOCSIN_TESTS_ENGINE_HARNESS_H
#define TOCSIN_TESTS_ENGINE_HARNESS_H

#include "engine/engine.h"

struct harness_record {
	enum record_type type;
	char *bytes;
	size_t len;
};

struct harness {
	struct engine *engine;
	int64_t units; /* a quantum */
	/* Collected since the last look: */
	struct buf events;  /* "60 A{job="x"} pending→firing value=1 active=0 fired=60\n" … */
	struct buf senders; /* "first a\n" … */
	struct buf loads;   /* "loaded 0\n" … */
	struct buf wishes;  /* {__name__="up"} since -300\n … */
	struct buf written; /* "up{site="a"} 1@15\n" …, or "stale@15" */
	struct batch_outcome outcome; /* of the newest batch answered */
	uint32_t batches;	      /* answered */
	/* Collected for good: */
	struct harness_record *records;
	size_t nrecords, records_cap;
	struct buf query; /* result of harness_query() */
	struct buf notes; /* and its notes, one a line */
};

/* Not warm, lookback 300 s, sender timeout 90 s, records kept; before harness_start() they may be
 * changed. */
void harness_options(struct engine_options *options);
void harness_start(struct harness *h, const struct engine_options *options);
/* The same with `warm`. */
void harness_start_warm(struct harness *h);
void harness_stop(struct harness *h);

/* Works until nothing waits. */
void harness_settle(struct harness *h);
/* Loads rules (interval 15 s unless they say) and settles. */
void harness_load(struct harness *h, const char *yaml);
struct rule_set *harness_rules(const char *yaml);
/* Tells the time in seconds and settles. */
void harness_time(struct harness *h, double time_s);
/* From one time to another in steps of 15 s, the last included; text is fed before each. */
void harness_run(struct harness *h, double from_s, double to_s, const char *text);
/*
 * Feeds samples of time_s, one a line or parted by "; ": up{job="a"} 1. A value may be `stale`; "@
 * seconds" behind it sets another time. From the sender "a".
 */
void harness_feed(struct harness *h, double time_s, const char *text);
void harness_feed_from(struct harness *h, const char *sender, double time_s, const char *text);
struct batch *harness_batch(const char *sender, double time_s, const char *text);

/* The events since the last call: compare and forget. */
void harness_expect(struct harness *h, const char *events);
void harness_expect_senders(struct harness *h, const char *senders);
void harness_expect_written(struct harness *h, const char *written);
void harness_expect_wishes(struct harness *h, const char *wishes);
/* Evaluates an ad-hoc query: "{a="b"} 1\n" a row, sorted; or "error: …\n". Good until the next. */
const char *harness_query(struct harness *h, const char *expr, double time_s);
/* The answer to a query, which is the engine's then, as text. */
const char *harness_ask(struct harness *h, struct engine_query *query);
void harness_expect_query(struct harness *h, const char *expr, double time_s, const char *rows);
/* Status of the rule with this id. */
struct rule_status harness_rule(struct harness *h, uint32_t id);
/* Active alerts as text: "A{…} firing value=1 active=0 fired=60 keep=- held\n". */
char *harness_alerts(struct harness *h);
/* Gives the first n records of one engine to another, which has its rules loaded. */
void harness_replay(const struct harness *from, size_t n, struct harness *to);

#endif
