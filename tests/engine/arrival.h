/* What the tests of evaluation on arrival share: an engine, and how samples come to it. */
#ifndef TOCSIN_TESTS_ENGINE_ARRIVAL_H
#define TOCSIN_TESTS_ENGINE_ARRIVAL_H

#include "tests/check_main.h"
#include "tests/engine/harness.h"

/* A group that runs on arrival; and the labels of its only target. */
#define GROUP(rules) "groups: [{name: g, evaluate: arrival, interval: 1m, rules: [" rules "]}]"
#define JOB "job=\"j\",instance=\"1\""

static struct harness h;

static inline void start(void)
{
	harness_start_warm(&h);
}

static inline void stop(void)
{
	harness_stop(&h);
}

/* Tells the time, feeds samples of that time, and works until nothing waits. */
static inline void arrive(double time_s, const char *text)
{
	engine_time(h.engine, (int64_t)(time_s * 1000));
	harness_feed(&h, time_s, text);
	harness_settle(&h);
}

/* Feeds samples of a scrape's time later. */
static inline void arrive_late(double now_s, double time_s, const char *text)
{
	engine_time(h.engine, (int64_t)(now_s * 1000));
	harness_feed(&h, time_s, text);
	harness_settle(&h);
}

#endif
