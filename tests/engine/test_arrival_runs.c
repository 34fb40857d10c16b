/*
 * Evaluation on arrival, of random rules over random data.
 *
 * Scrapes are split into requests, which are shuffled and delayed up to `settle`. No alert begins
 * that would not begin with whole scrapes: an engine that has of each scrape all or nothing says the
 * same of it, for some choice of the scrapes that are on their way.
 *
 * ARRIVAL_RUNS (a soak asks for more) and ARRIVAL_FIRST, the number of the first.
 */
#include "tests/check_main.h"
#include "tests/engine/expressions.h"
#include "tests/engine/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static struct harness h;

static uint32_t from_environment(const char *name, uint32_t otherwise)
{
	const char *text = getenv(name);
	return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

/* ---- scrapes on their way ---- */

/* No tick of an hourly group is near; and below 100 s events tell times exactly. */
#define BEGIN_MS 10000
#define RUN_MS 70000
#define SETTLE_MS 5000
#define TARGETS 3
#define SERIES 5 /* of a target */
#define SCRAPES 40
#define PIECES 3
#define ARRIVALS (TARGETS * SCRAPES * PIECES)

struct scrape {
	int64_t ts_ms;
	char texts[SERIES][80];
	const char *lines[SERIES];
	uint32_t nlines, pieces, arrived;
};

struct arrival_of {
	int64_t at_ms;
	struct scrape *scrape;
	uint32_t from, to; /* of its lines */
};

static struct world {
	struct scrape scrapes[TARGETS * SCRAPES];
	uint32_t nscrapes;
	struct arrival_of arrivals[ARRIVALS];
	uint32_t narrivals;
} world;

static const char *const series_names[SERIES] = { "x{%s,i=\"1\"}", "x{%s,i=\"2\"}",
						  "y{%s,i=\"1\"}", "y{%s,i=\"2\"}", "m{%s}" };

/* The pieces of a scrape: each line goes with one of them, in any order. */
static void send(struct scrape *scrape)
{
	uint32_t wanted = 1 + below(scrape->nlines < PIECES ? scrape->nlines : PIECES);
	for (uint32_t i = 0; i + 1 < scrape->nlines; i++) {
		uint32_t k = i + below(scrape->nlines - i);
		const char *line = scrape->lines[i];
		scrape->lines[i] = scrape->lines[k];
		scrape->lines[k] = line;
	}
	for (uint32_t i = 0; i < wanted; i++) {
		struct arrival_of *arrival = &world.arrivals[world.narrivals++];
		arrival->scrape = scrape;
		arrival->at_ms = scrape->ts_ms + below(SETTLE_MS);
		arrival->from = i * scrape->nlines / wanted;
		arrival->to = (i + 1) * scrape->nlines / wanted;
	}
	scrape->pieces = wanted;
}

static void make_target(uint32_t number)
{
	char labels[40], name[60];
	bool has_ended[SERIES] = { false };
	int64_t interval_ms = 1500 + below(9000), ts_ms = BEGIN_MS + below(5000);
	snprintf(labels, sizeof(labels), "job=\"%s\",instance=\"%u\"", number < 2 ? "a" : "b", number);
	for (uint32_t n = 0; n < SCRAPES && ts_ms < BEGIN_MS + RUN_MS; n++, ts_ms += interval_ms) {
		struct scrape *scrape = &world.scrapes[world.nscrapes++];
		*scrape = (struct scrape){ .ts_ms = ts_ms };
		for (uint32_t i = 0; i < SERIES; i++) {
			if (has_ended[i])
				continue;
			has_ended[i] = n > 1 && chance(2);
			if (has_ended[i] && chance(50))
				continue; /* without a word */
			snprintf(name, sizeof(name), series_names[i], labels);
			char *text = scrape->texts[scrape->nlines];
			scrape->lines[scrape->nlines++] = text;
			if (has_ended[i])
				snprintf(text, sizeof(*scrape->texts), "%s stale", name);
			else
				snprintf(text, sizeof(*scrape->texts), "%s %u", name, below(10));
		}
		if (scrape->nlines)
			send(scrape);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct arrival_of *x = a, *y = b;
	return x->at_ms < y->at_ms ? -1 : x->at_ms > y->at_ms;
}

static void make_world(void)
{
	uint32_t targets = 1 + below(TARGETS);
	world.nscrapes = world.narrivals = 0;
	for (uint32_t i = 0; i < targets; i++)
		make_target(i);
	qsort(world.arrivals, world.narrivals, sizeof(*world.arrivals), by_time);
}

/* ---- rules ---- */

static void make_immediate(char *out, size_t size)
{
	const char *one = PICK("x", "rate(x[20s]) * 10", "max_over_time(x[15s])", "abs(y)",
			       "delta(x[12s])", "x - x offset 10s");
	const char *two = PICK("x / y", "x - y", "x > y", "x * on (job, instance, i) y",
			       "rate(x[20s]) - rate(y[20s])");
	snprintf(out, size, "%s %s %u", chance(50) ? one : two, PICK(">", "<", ">=", "=="), below(10));
}

static void make_settling(char *out, size_t size)
{
	const char *by = PICK("", "by (job)", "by (job, instance)", "by (i)", "without (i)");
	const char *of = PICK("x", "y", "x > 3", "x / y", "rate(x[20s]) * 10", "m");
	uint32_t k = below(10);
	const char *compare = PICK(">", "<", "==");
	switch (below(8)) {
	default:
		snprintf(out, size, "%s %s (%s) %s %u",
			 PICK("sum", "min", "max", "avg", "count", "stddev", "group"), by, of,
			 compare, k);
		break;
	case 3:
		snprintf(out, size, "x %s %u %s on (job, instance) m > %u", compare, k,
			 PICK("and", "unless"), below(10));
		break;
	case 4:
		snprintf(out, size, "x > %u %s y < %u", k, PICK("or", "and", "unless"), below(10));
		break;
	case 5:
		snprintf(out, size, "x %s on (job, instance) group_left m %s %u",
			 PICK("-", "/", "*"), compare, k);
		break;
	case 6: /* of equals either may be picked */
		snprintf(out, size, "max (%s %s (1, x)) %s %u", PICK("topk", "bottomk"), by, compare, k);
		break;
	case 7:
		snprintf(out, size, "sum %s (x) - sum %s (y) %s %u", by, by, compare, k);
		break;
	}
}

/* One request. */
static void feed(struct harness *to, const struct scrape *scrape, uint32_t from, uint32_t end)
{
	char text[SERIES * 82] = "";
	for (uint32_t i = from; i < end; i++) {
		size_t len = strlen(text);
		snprintf(text + len, sizeof(text) - len, "%s;", scrape->lines[i]);
	}
	harness_feed(to, (double)scrape->ts_ms / 1000, text);
}

/* ---- whole scrapes ---- */

/* Those on their way now, at most so many. */
#define UNDERWAY 10

static uint32_t find_underway(uint32_t *places)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < world.nscrapes && n < UNDERWAY; i++)
		if (world.scrapes[i].arrived > 0 &&
		    world.scrapes[i].arrived < world.scrapes[i].pieces)
			places[n++] = i;
	return n;
}

static bool is_whole(const struct scrape *scrape)
{
	return scrape->arrived > 0 && scrape->arrived == scrape->pieces;
}

/* Does the expression give an element of these labels, with the scrapes that are whole, and of those
 * underway the ones in the mask? */
static bool says(const char *expr, double t_s, const char *labels, const uint32_t *underway,
		 uint32_t n, uint32_t mask)
{
	struct harness whole;
	struct engine_options options;
	harness_options(&options);
	options.warm = true;
	options.journal = false;
	options.retention_ms = 600000;
	harness_start(&whole, &options);
	whole.units = 1000000;
	engine_time(whole.engine, BEGIN_MS + RUN_MS + 60000);
	for (uint32_t i = 0; i < world.nscrapes; i++) {
		const struct scrape *scrape = &world.scrapes[i];
		bool taken = is_whole(scrape);
		for (uint32_t k = 0; k < n; k++)
			taken |= underway[k] == i && mask >> k & 1;
		if (taken)
			feed(&whole, scrape, 0, scrape->nlines);
	}
	harness_settle(&whole);
	const char *rows = harness_query(&whole, expr, t_s);
	bool found = false;
	for (const char *at = rows; *at && !found; at += strcspn(at, "\n") + 1) {
		const char *brace = strchr(at, '{');
		found = brace && strncmp(brace, labels, strlen(labels)) == 0;
	}
	harness_stop(&whole);
	return found;
}

static bool is_said_by_whole_scrapes(const char *expr, double t_s, const char *labels)
{
	uint32_t underway[UNDERWAY], n = find_underway(underway);
	for (uint32_t mask = 1u << n; mask-- > 0;)
		if (says(expr, t_s, labels, underway, n, mask))
			return true;
	return false;
}

static struct {
	uint32_t begun, events;
} seen;

/* "3622.001 A{i="1", job="a"} pending>firing value=…": an alert that began, or fires. */
static void judge_event(uint32_t number, const char *expr, const char *line)
{
	char labels[200] = "{}";
	double t_s = strtod(line, NULL);
	const char *brace = strchr(line, '{'), *end = strchr(line, '\n');
	const char *change = strchr(line, '>');
	if (brace && brace < change)
		snprintf(labels, sizeof(labels), "%.*s", (int)(strchr(brace, '}') + 1 - brace), brace);
	seen.events++;
	if (!change || change > end ||
	    (strncmp(change, ">firing", 7) != 0 && strncmp(change, ">pending", 8) != 0))
		return;
	seen.begun++;
	ck_assert_msg(is_said_by_whole_scrapes(expr, t_s, labels),
		      "run %u: %s\n%.*s\nis not what whole scrapes say", number, expr,
		      (int)(end - line), line);
}

static void judge_events(uint32_t number, const char *expr)
{
	for (const char *at = h.events.len ? h.events.ptr : ""; *at; at = strchr(at, '\n') + 1)
		judge_event(number, expr, at);
	buf_clear(&h.events);
}

/* Tells the time when the engine asks for it. */
static void go_to(uint32_t number, const char *expr, int64_t t_ms)
{
	for (int64_t next_ms; (next_ms = engine_next_ms(h.engine)) != TIME_NONE && next_ms < t_ms;) {
		engine_time(h.engine, next_ms);
		harness_settle(&h);
		judge_events(number, expr);
	}
	engine_time(h.engine, t_ms);
}

static void one_run(uint32_t number)
{
	char expr[200], rules[500];
	dice_seed(number);
	(chance(40) ? make_immediate : make_settling)(expr, sizeof(expr));
	snprintf(rules, sizeof(rules),
		 "groups: [{name: g, interval: 1h, evaluate: arrival, settle: 5s, rules: [{alert: A, "
		 "expr: '%s', for: %us}]}]",
		 expr, chance(50) ? 0 : below(10));
	make_world();
	harness_start_warm(&h);
	h.units = 1 + below(200);
	engine_time(h.engine, BEGIN_MS - 1000);
	harness_load(&h, rules);
	for (uint32_t i = 0; i < world.narrivals; i++) {
		struct arrival_of *arrival = &world.arrivals[i];
		go_to(number, expr, arrival->at_ms);
		feed(&h, arrival->scrape, arrival->from, arrival->to);
		arrival->scrape->arrived++;
		harness_settle(&h);
		judge_events(number, expr);
	}
	harness_stop(&h);
}

START_TEST(split_and_delayed_scrapes_fire_nothing_false)
{
	uint32_t first = from_environment("ARRIVAL_FIRST", 1),
		 runs = from_environment("ARRIVAL_RUNS", 150);
	seen.begun = seen.events = 0;
	for (uint32_t i = 0; i < runs; i++)
		one_run(first + i);
	/* Or else nothing was shown. */
	ck_assert_uint_ge(seen.begun, runs);
	printf("%u runs: %u alerts began, of %u events\n", runs, seen.begun, seen.events);
}
END_TEST

static Suite *arrival_runs_suite(void)
{
	Suite *suite = suite_create("arrival runs");
	TCase *tc = tcase_create("random");
	tcase_set_timeout(tc, 1200);
	tcase_add_test(tc, split_and_delayed_scrapes_fire_nothing_false);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(arrival_runs_suite)
