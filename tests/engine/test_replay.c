/* What a replay is made of: samples in order of time, spells of alerts, and two of them compared.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/replay_internal.h"
#include "engine/replay_report.h"
#include "engine/replay_sort.h"
#include "tests/check_main.h"

/* ---- sorting ---- */

/* In the order of time; of one time in the order in which they came. */
static void sort_in_order(size_t items_max, uint32_t n, uint32_t times)
{
	struct replay_sort *sort = replay_sort_new(items_max);
	const struct sort_item *item;
	uint32_t x = 7, seen = 0;
	struct sort_item last = { .at_ms = INT64_MIN };
	int code = 0;
	for (uint32_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		const struct sort_item add = { (int64_t)(x >> 8) % times * 1000003 - 5000000, 1, i,
					       x };
		ck_assert_int_eq(replay_sort_add(sort, &add), 0);
	}
	ck_assert_int_eq(replay_sort_end(sort), 0);
	ck_assert_uint_eq(replay_sort_count(sort), n);
	while ((item = replay_sort_peek(sort, &code))) {
		ck_assert(item->at_ms > last.at_ms ||
			  (item->at_ms == last.at_ms && item->series > last.series));
		last = *item;
		seen++;
		replay_sort_take(sort);
	}
	ck_assert_int_eq(code, 0);
	ck_assert_uint_eq(seen, n);
	replay_sort_free(sort);
}

START_TEST(samples_come_out_in_order_of_time)
{
	sort_in_order(0, 5000, 900);
	sort_in_order(0, 0, 1);
	sort_in_order(0, 1, 1);
}
END_TEST

START_TEST(more_samples_than_memory_go_through_files)
{
	sort_in_order(100, 100, 50);
	sort_in_order(100, 101, 50);
	sort_in_order(100, 20000, 3000);
	/* Runs longer than what is read of them at once. */
	sort_in_order(40000, 100000, 1000000);
	sort_in_order(100, 5000, 1);
}
END_TEST

START_TEST(too_many_runs_are_refused)
{
	struct replay_sort *sort = replay_sort_new(1);
	const struct sort_item item = { .at_ms = 1 };
	int code = 0;
	uint32_t n = 0;
	while (!(code = replay_sort_add(sort, &item)))
		n++;
	ck_assert_int_eq(code, ERR_LIMIT);
	ck_assert_uint_eq(n, SORT_RUNS_MAX + 1);
	replay_sort_free(sort);
}
END_TEST

START_TEST(too_many_series_are_refused)
{
	const struct label pair = { SLICE("__name__"), SLICE("m") };
	struct data data = { .series = NULL };
	struct labels *labels;
	uint32_t number;
	ck_assert_int_eq(labels_new(&pair, 1, &labels, NULL), 0);
	data.keys.n = DATA_SERIES_MAX; /* as if, and room for one more */
	data.cap = DATA_SERIES_MAX + 1;
	ck_assert_int_eq(data_series(&data, labels, WINDOW_SAMPLES, &number), ERR_LIMIT);
	data = (struct data){ .series = NULL };
	ck_assert_int_eq(data_series(&data, labels, WINDOW_SAMPLES, &number), 0);
	labels_unref(data.series[0].labels);
	free(data.series);
	key_numbers_fini(&data.keys);
	labels_unref(labels);
}
END_TEST

/* ---- spells ---- */

static struct rule_set *rules;
static struct replay_report report;

static void setup(void)
{
	static const char text[] = "groups: [{name: g, rules: [{alert: A, expr: m > 1}, "
				   "{alert: B, expr: m > 2}]}]";
	const struct rule_set_options options = { .interval_ms = 1000, .rules_max = 100 };
	struct diag_list diags;
	diag_list_init(&diags);
	ck_assert_int_eq(rule_set_load_text(slice_from(text), "f", &options, &diags, &rules), 0);
	diag_list_fini(&diags);
	ck_assert_int_eq(replay_report_init(&report, rules, TIME_NONE, 10), 0);
}

static void teardown(void)
{
	replay_report_fini(&report);
	rule_set_unref(rules);
}

struct told {
	const char *rule, *instance;
	enum alert_state state;
	int64_t at_ms, active_ms, fired_ms, keep_ms; /* 0: none */
};

static enum replay_change tell_to(struct replay_report *to, struct told told)
{
	const struct label pairs[] = { { SLICE("alertname"), slice_from(told.rule) },
				       { SLICE("instance"), slice_from(told.instance) } };
	struct alert_event *event = alert_event_new();
	ck_assert_int_eq(labels_new(pairs, 2, &event->labels, NULL), 0);
	event->rules = rule_set_ref(to->set);
	event->rule_id = told.rule[0] == 'A' ? 0 : 1;
	event->state = told.state;
	event->at_ms = told.at_ms;
	event->active_at_ms = told.active_ms ? told.active_ms : told.at_ms;
	event->fired_at_ms = told.fired_ms ? told.fired_ms : TIME_NONE;
	event->keep_since_ms = told.keep_ms ? told.keep_ms : TIME_NONE;
	event->value = (double)told.at_ms;
	enum replay_change change = replay_report_event(to, event);
	alert_event_free(event);
	return change;
}

static enum replay_change tell(struct told told)
{
	return tell_to(&report, told);
}

/* From pending at once to firing, and its end. */
static void fire(const char *rule, const char *instance, int64_t from_ms, int64_t to_ms)
{
	tell((struct told){ rule, instance, ALERT_FIRING, from_ms, from_ms, from_ms, 0 });
	if (to_ms)
		tell((struct told){ rule, instance, ALERT_INACTIVE, to_ms, from_ms, from_ms, 0 });
}

START_TEST(changes_are_told_apart)
{
	const struct told pending = { "A", "a", ALERT_PENDING, 100, 100, 0, 0 };
	const struct told firing = { "A", "a", ALERT_FIRING, 130, 100, 130, 0 };
	const struct told kept = { "A", "a", ALERT_FIRING, 140, 100, 130, 140 };
	const struct told again = { "A", "a", ALERT_FIRING, 145, 100, 130, 0 };
	const struct told gone = { "A", "a", ALERT_INACTIVE, 160, 100, 130, 0 };
	ck_assert_int_eq(tell(pending), REPLAY_PENDING);
	ck_assert_int_eq(tell(firing), REPLAY_FIRING);
	ck_assert_int_eq(tell(firing), REPLAY_NOTHING); /* a refresh */
	ck_assert_int_eq(tell(kept), REPLAY_HELD);
	ck_assert_int_eq(tell(again), REPLAY_RELEASED);
	ck_assert_int_eq(tell(gone), REPLAY_RESOLVED);
	ck_assert_int_eq(tell(gone), REPLAY_NOTHING);
	ck_assert_int_eq(tell(pending), REPLAY_PENDING);
	ck_assert_int_eq(tell(gone), REPLAY_INACTIVE);
	ck_assert_int_eq(replay_report_end(&report, 100, 200), 0);
	ck_assert_uint_eq(report.nspells, 2);
	ck_assert_int_eq(report.spells[0].pending_ms, 100);
	ck_assert_int_eq(report.spells[0].fired_ms, 130);
	ck_assert_int_eq(report.spells[0].ended_ms, 160);
	ck_assert_int_eq(report.spells[0].held_ms, 5);
	ck_assert_int_eq(report.spells[1].fired_ms, TIME_NONE);
	ck_assert_uint_eq(report.rules[0].fired, 1);
	ck_assert_uint_eq(report.rules[0].only_pending, 1);
}
END_TEST

START_TEST(noise_is_counted)
{
	fire("A", "a", 100, 120);
	fire("A", "a", 125, 165); /* 5 later: a flap */
	fire("A", "a", 200, 210);
	fire("A", "b", 110, 130); /* another alert is none */
	fire("A", "b", 300, 0);
	ck_assert_int_eq(replay_report_end(&report, 0, 400), 0);
	const struct replay_rule *a = &report.rules[0], *b = &report.rules[1];
	ck_assert_uint_eq(a->fired, 5);
	ck_assert_uint_eq(a->alerts, 2);
	ck_assert_uint_eq(a->flaps, 1);
	ck_assert_uint_eq(a->going_on, 1);
	ck_assert_int_eq(a->median_ms, 20); /* of 10, 20, 20, 40, 100 */
	ck_assert_int_eq(a->longest_ms, 100);
	ck_assert_int_eq(a->firing_ms, 65 + 10 + 100); /* 100 to 165, with both of them */
	ck_assert_uint_eq(b->fired, 0);
}
END_TEST

START_TEST(beyond_the_limits_is_counted_only)
{
	ck_assert_uint_eq(report.alerts_max, REPLAY_ALERTS_MAX);
	ck_assert_uint_eq(report.spells_max, REPLAY_SPELLS_MAX);
	report.alerts_max = 2;
	report.spells_max = 3;
	fire("A", "a", 100, 120);
	fire("A", "b", 100, 120);
	ck_assert_uint_eq(report.dropped, 0);
	fire("A", "c", 100, 120); /* an alert too many: its beginning and its end */
	ck_assert_uint_eq(report.dropped, 2);
	fire("A", "a", 200, 220);
	ck_assert_uint_eq(report.dropped, 2);
	fire("A", "b", 200, 220); /* a spell too many */
	ck_assert_uint_eq(report.dropped, 3);
	ck_assert_int_eq(replay_report_end(&report, 0, 400), 0);
	ck_assert_uint_eq(report.rules[0].alerts, 2);
	ck_assert_uint_eq(report.rules[0].fired, 3);
}
END_TEST

START_TEST(nothing_is_told_of_what_was_before)
{
	replay_report_fini(&report);
	ck_assert_int_eq(replay_report_init(&report, rules, 150, 10), 0);
	ck_assert_int_eq(tell((struct told){ "A", "a", ALERT_FIRING, 100, 100, 100, 0 }),
			 REPLAY_NOTHING);
	ck_assert_int_eq(tell((struct told){ "A", "a", ALERT_INACTIVE, 160, 100, 100, 0 }),
			 REPLAY_RESOLVED);
	fire("A", "a", 170, 180);
	ck_assert_int_eq(replay_report_end(&report, 0, 400), 0);
	ck_assert_uint_eq(report.rules[0].fired, 1);
}
END_TEST

START_TEST(alert_that_a_restart_lost_ends_with_it)
{
	fire("A", "kept", 100, 0);
	fire("A", "lost", 100, 0);
	replay_report_session(&report, 150);
	ck_assert_int_eq(tell((struct told){ "A", "kept", ALERT_FIRING, 151, 100, 100, 0 }),
			 REPLAY_NOTHING);
	ck_assert_int_eq(replay_report_end(&report, 0, 200), 0);
	ck_assert_int_eq(report.spells[0].ended_ms, TIME_NONE);
	ck_assert_int_eq(report.spells[1].ended_ms, 150);
}
END_TEST

/* ---- two of them ---- */

START_TEST(differences_are_new_gone_and_moved)
{
	struct replay_report after;
	struct replay_difference *differences;
	size_t n;
	ck_assert_int_eq(replay_report_init(&after, rules, TIME_NONE, 10), 0);
	fire("A", "same", 10, 20);
	fire("A", "gone", 100, 120);
	fire("A", "moved", 100, 120);
	fire("A", "twice", 100, 120);
	fire("A", "twice", 200, 220);
	const struct told told[] = {
		{ "A", "same", ALERT_FIRING, 10, 10, 10, 0 },
		{ "A", "same", ALERT_INACTIVE, 20, 10, 10, 0 },
		{ "A", "moved", ALERT_FIRING, 110, 110, 110, 0 },
		{ "A", "moved", ALERT_INACTIVE, 130, 110, 110, 0 },
		{ "A", "twice", ALERT_FIRING, 200, 200, 200, 0 },
		{ "A", "twice", ALERT_INACTIVE, 220, 200, 200, 0 },
		{ "B", "new", ALERT_FIRING, 50, 50, 50, 0 },
	};
	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++)
		tell_to(&after, told[i]);
	ck_assert_int_eq(replay_report_end(&report, 0, 300), 0);
	ck_assert_int_eq(replay_report_end(&after, 0, 300), 0);
	ck_assert_int_eq(replay_compare(&report, &after, &differences, &n), 0);
	struct buf text;
	buf_init(&text);
	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%s " SLICE_FMT " %lld %lld\n",
			   replay_difference_text(differences[i].kind),
			   SLICE_ARG(labels_get(differences[i].labels, SLICE("instance"))),
			   differences[i].before ? (long long)differences[i].before->fired_ms : 0,
			   differences[i].after ? (long long)differences[i].after->fired_ms : 0);
	ck_assert_str_eq(text.ptr, "new new 0 50\n"
				   "gone gone 100 0\n"
				   "gone twice 100 0\n"
				   "moved moved 100 110\n");
	buf_fini(&text);
	free(differences);
	replay_report_fini(&after);
}
END_TEST

static Suite *replay_suite(void)
{
	Suite *suite = suite_create("replay");
	TCase *sorting = tcase_create("sorting"), *spells = tcase_create("spells");
	tcase_add_test(sorting, samples_come_out_in_order_of_time);
	tcase_add_test(sorting, more_samples_than_memory_go_through_files);
	tcase_add_test(sorting, too_many_runs_are_refused);
	tcase_add_test(sorting, too_many_series_are_refused);
	tcase_add_checked_fixture(spells, setup, teardown);
	tcase_add_test(spells, changes_are_told_apart);
	tcase_add_test(spells, noise_is_counted);
	tcase_add_test(spells, beyond_the_limits_is_counted_only);
	tcase_add_test(spells, nothing_is_told_of_what_was_before);
	tcase_add_test(spells, alert_that_a_restart_lost_ends_with_it);
	tcase_add_test(spells, differences_are_new_gone_and_moved);
	suite_add_tcase(suite, sorting);
	suite_add_tcase(suite, spells);
	return suite;
}

TEST_MAIN(replay_suite)
