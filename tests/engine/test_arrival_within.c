/*
 * Runs on arrival within a tick's pass: which go first, and that nothing else comes of it.
 *
 * ARRIVAL_WORLDS: so many sets of random rules, of which two engines make the same of the same
 * samples, one of which lets nobody go first.
 */
#include "tests/engine/arrival.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/engine_internal.h"
#include "tests/engine/expressions.h"

/* A group of ticks that takes many steps, and records `slow` in the end. */
#define SLOW SLOW_GROUP("")
#define SLOW_GROUP(key)                                                                            \
	"{name: slow, " key " interval: 1m, rules: [{record: s1, expr: sum(z)}, {record: s2, expr: sum(z)}, "  \
	"{record: s3, expr: sum(z)}, {record: slow, expr: max(z)}]}"
#define ARRIVAL(name, rules)                                                                       \
	"{name: " name ", evaluate: arrival, interval: 1h, rules: [" rules "]}"
#define GROUPS(...) "groups: [" __VA_ARGS__ "]"

static bool is_in_tick(void)
{
	return h.engine->interrupted.running ||
	       (h.engine->pass.running && !h.engine->pass.on_arrival);
}

/* Loads the rules, and works into the pass of 60 s; then x comes, of the time of then. */
static void come_within(const char *rules, double time_s)
{
	char text[40];
	harness_time(&h, 1);
	harness_load(&h, rules);
	for (int i = 0; i < 30; i++) {
		snprintf(text, sizeof(text), "z{i=\"%d\"} %d", i, i);
		harness_feed(&h, 50, text);
	}
	harness_time(&h, 59);
	engine_time(h.engine, 60000);
	h.units = 2;
	while (!is_in_tick() || h.engine->pass.rule < 1)
		ck_assert(engine_step(h.engine, h.units));
	buf_clear(&h.events);
	engine_time(h.engine, (int64_t)(time_s * 1000));
	harness_feed(&h, time_s, "x 6");
}

static bool is_slow_done(void)
{
	const struct generation *active = h.engine->active;
	for (uint32_t i = 0; i < active->set->ngroups; i++)
		if (slice_is(active->groups[i].def->name, "slow"))
			return active->groups[i].due_ms > 60000;
	ck_abort_msg("no such group");
}

/* Works until all is done: did alert A begin before the slow group was? */
static bool goes_first(void)
{
	bool begun = false;
	while (!is_slow_done()) {
		engine_step(h.engine, h.units);
		begun |= !is_slow_done() && h.events.len > 0;
	}
	harness_settle(&h);
	ck_assert_uint_gt(h.events.len, 0);
	return begun;
}

START_TEST(run_that_does_not_concern_the_pass_goes_first)
{
	come_within(GROUPS(SLOW ", " ARRIVAL("a", "{alert: A, expr: x > 5}")), 60.2);
	ck_assert(goes_first());
	harness_expect(&h, "60.2 A pending>firing value=6 active=60.2 fired=60.2 settled\n");
	harness_expect_query(&h, "slow", 60.2, "slow 29\n");
	harness_expect_query(&h, "timestamp(slow)", 60.2, "{} 60\n");
}
END_TEST

START_TEST(run_whose_group_had_its_tick_goes_first)
{
	come_within(GROUPS("{name: a, evaluate: arrival, interval: 1m, rules: [{alert: A, expr: x > "
			   "5}]}, " SLOW), 60.2);
	ck_assert_int_eq(h.engine->active->groups[0].last_ms, 60000);
	ck_assert(goes_first());
}
END_TEST

START_TEST(run_waits_for_what_must_come_before)
{
	static const char *const rules[] = {
		/* its own tick */
		GROUPS(SLOW_GROUP("evaluate: arrival,") ", {name: a, evaluate: arrival, interval: 1m, "
							"rules: [{alert: A, expr: x > 5}]}"),
		/* what it reads */
		GROUPS(SLOW ", " ARRIVAL("a", "{alert: A, expr: x > 5}, {alert: B, expr: slow > 50}")),
		/* what that reads */
		GROUPS(SLOW ", " ARRIVAL("b", "{record: r, expr: slow + 1}") ", "
			    ARRIVAL("a", "{alert: A, expr: x > 5}, {alert: B, expr: r > 50}")),
		/* what ends it */
		GROUPS(SLOW ", " ARRIVAL("a", "{alert: A, expr: x > 5, resolve_when: slow > 50}")),
		/* series of the same name */
		GROUPS("{name: slow, interval: 1m, rules: [{record: s1, expr: sum(z)}, {record: s2, "
		       "expr: sum(z)}, {alert: A, expr: z > 100}]}, "
		       ARRIVAL("a", "{alert: A, expr: x > 5}")),
		/* what a template asks, which may be anything */
		GROUPS(SLOW ", " ARRIVAL("a", "{alert: A, expr: x > 5, annotations: {a: \"{{ query "
					      "`slow` }}\"}}")),
	};
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		come_within(rules[i], 60.2);
		ck_assert_msg(!goes_first(), "%s", rules[i]);
		harness_stop(&h);
		harness_start_warm(&h);
	}
}
END_TEST

START_TEST(run_of_the_time_of_the_pass_waits)
{
	come_within(GROUPS(SLOW ", {name: a, evaluate: arrival, min_gap: 1s, interval: 1h, rules: "
			   "[{alert: A, expr: x > 5}]}"),
		    60);
	ck_assert(!goes_first());
}
END_TEST

START_TEST(run_waits_while_another_tick_is_due)
{
	come_within(GROUPS(SLOW ", {name: t, interval: 7s, rules: [{record: t, expr: x}]}, "
			   ARRIVAL("a", "{alert: A, expr: x > 5}")), 63.5);
	ck_assert(!goes_first()); /* one of 63 is */
}
END_TEST

START_TEST(pass_goes_on_between_runs)
{
	char text[40];
	come_within(GROUPS(SLOW ", " ARRIVAL("a", "{alert: A, expr: x > 5}")), 60.2);
	for (int i = 0; h.engine->pass.running; i++) {
		ck_assert_int_lt(i, 2000);
		engine_time(h.engine, 60200 + 2 * i);
		snprintf(text, sizeof(text), "x{i=\"%d\"} 1", i);
		harness_feed(&h, 60.2 + 0.002 * i, text);
		engine_step(h.engine, 1);
	}
}
END_TEST

/* ---- nothing else comes of it ---- */

#define WORLDS 60
#define GROUPS_N 6
#define RULES_N 3

/* What a rule reads: samples, or what any rule records. */
static void make_input(char *out, size_t size)
{
	if (chance(50))
		snprintf(out, size, "%s", chance(95) ? PICK("x", "y", "x + y", "sum(x)")
							   : "count(ALERTS)");
	else
		snprintf(out, size, "r%u%u", below(GROUPS_N), below(RULES_N));
}

/* Groups of ticks and on arrival that read what others record, and each other's alerts. */
static void make_rules(struct buf *out)
{
	char input[40];
	buf_clear(out);
	buf_printf(out, "groups:\n");
	for (unsigned g = 0; g < GROUPS_N; g++) {
		buf_printf(out, "- {name: g%u, interval: %s, %s rules: [", g,
			   PICK("5s", "10s", "20s", "1h"), chance(60) ? "evaluate: arrival," : "");
		for (unsigned r = 0; r < RULES_N; r++) {
			make_input(input, sizeof(input));
			if (chance(50))
				buf_printf(out, "{record: r%u%u, expr: '%s + %u'}, ", g, r, input, r);
			else
				buf_printf(out, "{alert: A%u%u, expr: '%s %s %u', for: %s}, ",
					   chance(10) ? 0 : g, r, input, PICK(">", "<"), below(10),
					   PICK("0s", "3005ms"));
		}
		buf_printf(out, "]}\n");
	}
	ck_assert(buf_ok(out));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The events in the order of times, not of their coming. */
static char *sorted_events(struct harness *of)
{
	char *lines[4000], *all = calloc(1, of->events.len + 2);
	size_t n = 0;
	for (char *line = strtok(of->events.len ? of->events.ptr : all, "\n"); line;
	     line = strtok(NULL, "\n")) {
		ck_assert_uint_lt(n, 4000);
		lines[n++] = line;
	}
	qsort(lines, n, sizeof(*lines), by_text);
	for (size_t i = 0; i < n; i++) {
		strcat(all, lines[i]);
		strcat(all, "\n");
	}
	return all;
}

static uint32_t runs_within;

/* Works until nothing waits, and counts the runs within passes. */
static void work(struct harness *on)
{
	for (bool was = false; engine_step(on->engine, on->units);) {
		runs_within += on->engine->interrupted.running && !was;
		was = on->engine->interrupted.running;
	}
}

/*
 * A time at which ticks may be due; so many steps later samples come, of a later time. Then timers
 * end, at a time at which neither happens.
 */
static void come(struct harness *to, int64_t t_ms, uint32_t steps, const char *text)
{
	engine_time(to->engine, t_ms);
	while (steps-- > 0 && engine_step(to->engine, to->units))
		;
	engine_time(to->engine, t_ms + 20);
	harness_feed(to, (double)(t_ms + 20) / 1000, text);
	work(to);
	engine_time(to->engine, t_ms + 25);
	work(to);
}

static void compare(const struct buf *rules, struct harness *whole)
{
	char *ours = sorted_events(&h), *theirs = sorted_events(whole), name[8];
	if (strcmp(ours, theirs) != 0)
		fprintf(stderr, "%s\nwithin:\n%s\nafter:\n%s", rules->ptr, ours, theirs);
	ck_assert_msg(strcmp(ours, theirs) == 0, "other events (see above)");
	free(ours);
	free(theirs);
	for (unsigned i = 0; i < GROUPS_N * RULES_N; i++) {
		snprintf(name, sizeof(name), "r%u%u", i / RULES_N, i % RULES_N);
		char *expected = strdup(harness_query(whole, name, 70));
		if (strcmp(harness_query(&h, name, 70), expected) != 0)
			fprintf(stderr, "%s\n%s: %s, not %s", rules->ptr, name, h.query.ptr, expected);
		harness_expect_query(&h, name, 70, expected);
		free(expected);
	}
}

START_TEST(what_comes_of_runs_and_passes_is_the_same)
{
	struct buf rules = { 0 };
	runs_within = 0;
	uint32_t worlds = getenv("ARRIVAL_WORLDS") ? (uint32_t)strtoul(getenv("ARRIVAL_WORLDS"), NULL, 10) : WORLDS;
	for (uint32_t world = 1; world <= worlds; world++) {
		struct harness whole;
		dice_seed(world);
		make_rules(&rules);
		harness_start_warm(&whole);
		harness_time(&whole, 1);
		h.units = whole.units = 1 + below(20);
		harness_load(&whole, rules.ptr);
		for (unsigned g = 0; g < GROUPS_N; g++)
			whole.engine->active->groups[g].after = UINT32_MAX; /* nobody goes first */
		harness_time(&h, 1);
		harness_load(&h, rules.ptr);
		for (int64_t t_ms = 10000; t_ms < 70000; t_ms += 250) {
			char text[80];
			snprintf(text, sizeof(text), "x{i=\"%u\"} %u; y{i=\"%u\"} %u", below(3),
				 below(10), below(3), below(10));
			uint32_t steps = below(40);
			come(&whole, t_ms, steps, text);
			come(&h, t_ms, steps, text);
		}
		compare(&rules, &whole);
		harness_stop(&whole);
		stop();
		start();
	}
	ck_assert_uint_gt(runs_within, worlds);
	printf("%u runs within passes of %u worlds\n", runs_within, worlds);
	buf_fini(&rules);
}
END_TEST

static Suite *arrival_within_suite(void)
{
	Suite *suite = suite_create("arrival within");
	TCase *tc = tcase_create("which");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, run_that_does_not_concern_the_pass_goes_first);
	tcase_add_test(tc, run_whose_group_had_its_tick_goes_first);
	tcase_add_test(tc, run_waits_for_what_must_come_before);
	tcase_add_test(tc, run_of_the_time_of_the_pass_waits);
	tcase_add_test(tc, run_waits_while_another_tick_is_due);
	tcase_add_test(tc, pass_goes_on_between_runs);
	suite_add_tcase(suite, tc);
	tc = tcase_create("same");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, what_comes_of_runs_and_passes_is_the_same);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(arrival_within_suite)
