/* What "tocsin replay" prints for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/replay.h"

#define STRIP_WIDTH 60u
#define STRIPS_MAX 20u /* alerts that are drawn: those that fired most often */

#define RED "\033[31m"
#define YELLOW "\033[33m"
#define GREEN "\033[32m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

static const char *colour_of(enum replay_change change)
{
	switch (change) {
	case REPLAY_PENDING:
	case REPLAY_HELD:
		return YELLOW;
	case REPLAY_FIRING:
	case REPLAY_RELEASED:
		return RED;
	case REPLAY_RESOLVED:
		return GREEN;
	default:
		return "";
	}
}

/* Labels are foreign: nothing of them may move the cursor. */
static void add_labels(const struct labels *labels, struct buf *out)
{
	struct labels_builder builder;
	struct labels *rest = NULL;
	struct buf text;

	buf_init(&text);
	labels_builder_init(&builder);
	labels_builder_add_all(&builder, labels);
	labels_builder_remove(&builder, SLICE("alertname"));
	labels_builder_set(&builder, SLICE(METRIC_NAME), labels_get(labels, SLICE("alertname")));
	if (labels_builder_take(&builder, &rest, NULL) == 0)
		labels_format(rest, &text);
	for (size_t i = 0; i < text.len; i++)
		buf_add_char(out, (unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f
					  ? ' '
					  : text.ptr[i]);
	labels_unref(rest);
	labels_builder_fini(&builder);
	buf_fini(&text);
}

static void add_value(double value, struct buf *out)
{
	buf_add_str(out, "  value ");
	number_format_g(value, out);
}

/* Durations are told to the second: those of days with milliseconds help nobody. */
static void add_duration(int64_t ms, struct buf *out)
{
	duration_format(ms >= 60000 ? ms / 1000 * 1000 : ms, out);
}

void replay_text_event(const struct alert_event *event, enum replay_change change, bool colour,
		       struct buf *out)
{
	time_format_rfc3339(event->at_ms, out);
	buf_printf(out, "  %s%-8s%s  ", colour ? colour_of(change) : "", replay_change_text(change),
		   colour ? PLAIN : "");
	add_labels(event->labels, out);
	if (change != REPLAY_RESOLVED && change != REPLAY_INACTIVE && change != REPLAY_HELD)
		add_value(event->value, out);
	if (change == REPLAY_FIRING && event->at_ms > event->active_at_ms) {
		buf_add_str(out, "  after ");
		add_duration(event->at_ms - event->active_at_ms, out);
	} else if (change == REPLAY_RESOLVED && event->fired_at_ms != TIME_NONE) {
		buf_add_str(out, "  after ");
		add_duration(event->at_ms - event->fired_at_ms, out);
	}
	if (change == REPLAY_HELD)
		buf_printf(out, "  by %s",
			   event->hold == ALERT_NOT_HELD ? "keep_firing_for"
							 : alert_hold_text(event->hold));
	buf_add_char(out, '\n');
}

/* ---- strips ---- */

struct strip {
	const struct replay_alert *alert;
	uint32_t fired;
};

/* The oftenest first; those that never fired last. */
static int by_fired(const void *a, const void *b)
{
	const struct strip *x = a, *y = b;

	if (x->fired != y->fired)
		return x->fired > y->fired ? -1 : 1;
	int order = labels_compare(x->alert->labels, y->alert->labels);

	return order ? order : (x->alert > y->alert) - (x->alert < y->alert);
}

static int rank(char c)
{
	return c == '#' ? 2 : c == '+' ? 1 : 0;
}

static void draw(const struct replay_report *report, char *cells, int64_t from_ms, int64_t to_ms,
		 char c)
{
	int64_t span_ms = report->to_ms - report->from_ms;

	if (to_ms < report->from_ms || span_ms <= 0)
		return;
	from_ms = from_ms < report->from_ms ? 0 : from_ms - report->from_ms;
	to_ms -= report->from_ms;
	size_t first = (size_t)((double)from_ms / (double)span_ms * STRIP_WIDTH);
	size_t last = (size_t)((double)to_ms / (double)span_ms * STRIP_WIDTH);

	for (size_t i = first; i <= last && i < STRIP_WIDTH; i++)
		if (rank(c) > rank(cells[i]))
			cells[i] = c;
}

static void add_strip(const struct replay_report *report, const struct replay_alert *alert,
		      bool colour, struct buf *out)
{
	char cells[STRIP_WIDTH];

	memset(cells, '.', sizeof(cells));
	for (uint32_t i = alert->first; i != REPLAY_NONE; i = report->spells[i].next) {
		const struct replay_spell *spell = &report->spells[i];
		int64_t end_ms = spell->ended_ms == TIME_NONE ? report->to_ms : spell->ended_ms;

		draw(report, cells, spell->pending_ms,
		     spell->fired_ms == TIME_NONE ? end_ms : spell->fired_ms, '+');
		if (spell->fired_ms != TIME_NONE)
			draw(report, cells, spell->fired_ms, end_ms, '#');
	}
	for (size_t i = 0; i < STRIP_WIDTH; i++) {
		if (colour && (i == 0 || cells[i] != cells[i - 1]))
			buf_add_str(out, cells[i] == '#' ? RED : cells[i] == '+' ? YELLOW : PLAIN);
		buf_add_char(out, cells[i]);
	}
	buf_printf(out, "%s  ", colour ? PLAIN : "");
	add_labels(alert->labels, out);
	buf_add_char(out, '\n');
}

static uint32_t count_fired(const struct replay_report *report, const struct replay_alert *alert)
{
	uint32_t n = 0;

	for (uint32_t i = alert->first; i != REPLAY_NONE; i = report->spells[i].next)
		n += report->spells[i].fired_ms != TIME_NONE;
	return n;
}

static void add_strips(const struct replay_report *report, bool colour, struct buf *out)
{
	struct strip *strips = calloc(report->nalerts + 1, sizeof(*strips));

	if (!strips || report->nalerts == 0) {
		free(strips);
		return;
	}
	for (uint32_t i = 0; i < report->nalerts; i++)
		strips[i] = (struct strip){ &report->alerts[i],
					    count_fired(report, &report->alerts[i]) };
	qsort(strips, report->nalerts, sizeof(*strips), by_fired);
	buf_add_char(out, '\n');
	for (uint32_t i = 0; i < report->nalerts && i < STRIPS_MAX; i++)
		add_strip(report, strips[i].alert, colour, out);
	if (report->nalerts > STRIPS_MAX)
		buf_printf(out, "… and %u more alert%s\n", report->nalerts - STRIPS_MAX,
			   report->nalerts - STRIPS_MAX == 1 ? "" : "s");
	time_format_rfc3339(report->from_ms, out);
	buf_printf(out, "%*s", (int)STRIP_WIDTH - 40, "");
	time_format_rfc3339(report->to_ms, out);
	buf_add_str(out, "   # firing  + pending\n");
	free(strips);
}

/* ---- the table ---- */

#define CELL_WIDTH 10

static void add_cell(const char *text, struct buf *out)
{
	buf_printf(out, "%-*s", CELL_WIDTH, text);
}

static void add_number(uint64_t number, struct buf *out)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	add_cell(number ? text : "-", out);
}

static void add_length(int64_t ms, struct buf *out)
{
	struct buf text;

	buf_init(&text);
	add_duration(ms, &text);
	add_cell(ms && buf_ok(&text) ? text.ptr : "-", out);
	buf_fini(&text);
}

static void add_rule(const struct replay_report *report, const struct replay_rule *rule,
		     struct buf *out)
{
	int64_t span_ms = report->to_ms - report->from_ms;
	char share[16];

	add_number(rule->fired, out);
	add_number(rule->alerts, out);
	add_number(rule->only_pending, out);
	add_number(rule->flaps, out);
	add_length(rule->median_ms, out);
	add_length(rule->longest_ms, out);
	add_length(rule->held_ms, out);
	snprintf(share, sizeof(share), "%.1f%%",
		 span_ms > 0 ? 100 * (double)rule->firing_ms / (double)span_ms : 0);
	add_cell(rule->firing_ms ? share : "-", out);
	buf_add_slice(out, rule->def->name);
	if (rule->going_on)
		buf_printf(out, "  (%u firing at the end)", rule->going_on);
	buf_add_char(out, '\n');
}

static void add_table(const struct replay_report *report, bool colour, struct buf *out)
{
	static const char *const heads[] = { "FIRED",  "ALERTS",  "PENDING", "FLAPS",
					     "MEDIAN", "LONGEST", "HELD",    "OF TIME" };
	uint32_t quiet = 0;

	buf_printf(out, "\n%s", colour ? BOLD : "");
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		add_cell(heads[i], out);
	buf_printf(out, "RULE%s\n", colour ? PLAIN : "");
	for (uint32_t i = 0; i < report->set->nrules; i++) {
		const struct replay_rule *rule = &report->rules[i];

		if (rule->def->kind != RULE_ALERT)
			continue;
		if (rule->alerts)
			add_rule(report, rule, out);
		else
			quiet++;
	}
	if (quiet)
		buf_printf(out, "%u alerting %s told nothing\n", quiet,
			   quiet == 1 ? "rule" : "rules");
}

/* ---- comparing ---- */

static void add_shift(const char *what, int64_t before_ms, int64_t after_ms, struct buf *out)
{
	if (before_ms == after_ms)
		return;
	buf_printf(out, "  %s ", what);
	if (before_ms == TIME_NONE || after_ms == TIME_NONE) {
		buf_add_str(out, after_ms == TIME_NONE ? "not any more" : "now");
		return;
	}
	int64_t by_ms = after_ms - before_ms;

	add_duration(by_ms < 0 ? -by_ms : by_ms, out);
	buf_add_str(out, by_ms < 0 ? " earlier" : " later");
}

static void add_difference(const struct replay_difference *difference, bool colour, struct buf *out)
{
	const struct replay_spell *before = difference->before, *after = difference->after;
	const struct replay_spell *shown = after ? after : before;
	const char *colours[] = {
		[REPLAY_NEW] = RED, [REPLAY_GONE] = GREEN, [REPLAY_MOVED] = YELLOW
	};

	time_format_rfc3339(shown->fired_ms, out);
	buf_printf(out, "  %s%-8s%s  ", colour ? colours[difference->kind] : "",
		   replay_difference_text(difference->kind), colour ? PLAIN : "");
	add_labels(difference->labels, out);
	if (difference->kind == REPLAY_MOVED) {
		add_shift("fires", before->fired_ms, after->fired_ms, out);
		add_shift("ends", before->ended_ms, after->ended_ms, out);
	} else if (shown->ended_ms != TIME_NONE) {
		buf_add_str(out, "  for ");
		add_duration(shown->ended_ms - shown->fired_ms, out);
	}
	buf_add_char(out, '\n');
}

struct noise {
	uint64_t fired, flaps;
	int64_t firing_ms;
};

static struct noise noise_of(const struct replay_report *report)
{
	struct noise noise = { 0 };

	for (uint32_t i = 0; i < report->set->nrules; i++) {
		noise.fired += report->rules[i].fired;
		noise.flaps += report->rules[i].flaps;
		noise.firing_ms += report->rules[i].firing_ms;
	}
	return noise;
}

static void add_comparison(const struct replay_told *told, bool colour, struct buf *out)
{
	struct noise before = noise_of(told->before), after = noise_of(told->report);

	for (size_t i = 0; i < told->ndifferences; i++)
		add_difference(&told->differences[i], colour, out);
	if (told->ndifferences == 0)
		buf_add_str(out, "no difference: the same alerts fire at the same times\n");
	buf_printf(out, "\nold rules: fired %llu, flaps %llu, firing ",
		   (unsigned long long)before.fired, (unsigned long long)before.flaps);
	add_duration(before.firing_ms, out);
	buf_printf(out, "\nnew rules: fired %llu, flaps %llu, firing ",
		   (unsigned long long)after.fired, (unsigned long long)after.flaps);
	add_duration(after.firing_ms, out);
	buf_add_char(out, '\n');
}

/* ---- what was read ---- */

/* What of directories was not read. */
static void add_passed(const struct replay_passed *passed, struct buf *out)
{
	const struct {
		uint32_t n;
		const char *what;
	} kinds[] = { { passed->not_files, "subdirectories and the like" },
		      { passed->hidden, "hidden files" },
		      { passed->headers, "*.headers" } };
	const char *parting = "not read of directories: ";

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (kinds[i].n == 0)
			continue;
		buf_printf(out, "%s%s: %u", parting, kinds[i].what, kinds[i].n);
		parting = ", ";
	}
	if (parting[0] == ',')
		buf_add_char(out, '\n');
}

static void add_live(const struct replay_result *result, struct buf *out)
{
	if (result->live_differs) {
		buf_add_str(out, "NOT as it was live: ");
		time_format_rfc3339(result->differs_ms, out);
		buf_printf(out, " %s\n", result->differs_what);
	} else if (result->live_compared) {
		buf_printf(out, "%llu of the live run's %llu events came again, byte for byte\n",
			   (unsigned long long)result->live_compared,
			   (unsigned long long)result->live_events);
	}
	if (result->rechecked)
		buf_add_str(out,
			    "the live run was one with --verify: its events are not compared\n");
	if (result->begins_late)
		buf_add_str(out,
			    "the recording's beginning is gone: alerts active then begin anew\n");
	if (result->others) {
		buf_add_str(out, "other rules were in force live");
		if (result->others_ms != TIME_NONE) {
			buf_add_str(out, ", since ");
			time_format_rfc3339(result->others_ms, out);
		}
		buf_add_char(out, '\n');
	}
	if (result->torn_bytes)
		buf_printf(out,
			   "%llu bytes of the recording are torn or damaged, and were not read\n",
			   (unsigned long long)result->torn_bytes);
	if (result->sessions && result->end != RECORDING_STOPPED)
		buf_printf(out, "the recording ends before the daemon did: %s\n",
			   recording_end_text(result->end));
}

static void add_count(uint64_t n, const char *what, const char *then, struct buf *out)
{
	buf_printf(out, "%llu %s%s%s", (unsigned long long)n, what, n == 1 ? "" : "s", then);
}

static void add_summary(const struct replay_told *told, struct buf *out)
{
	const struct replay_result *result = told->result;

	buf_add_char(out, '\n');
	time_format_rfc3339(result->from_ms, out);
	buf_add_str(out, " to ");
	time_format_rfc3339(result->to_ms, out);
	buf_add_str(out, ": ");
	add_count(result->samples, "sample", ", ", out);
	add_count(result->evaluations, "evaluation", " of ", out);
	add_count(told->report->set->nrules, "rule", "\n", out);
	if (result->failures)
		buf_printf(out, "%llu evaluations failed\n", (unsigned long long)result->failures);
	for (size_t i = 0; i < result->nfailed; i++) {
		buf_printf(out, "  rule \"%s\" since ", result->failed[i].rule);
		time_format_rfc3339(result->failed[i].first_ms, out);
		buf_printf(out, ": %s\n", result->failed[i].why);
	}
	if (result->missed)
		buf_printf(out, "%llu ticks were skipped\n", (unsigned long long)result->missed);
	if (result->warming)
		buf_printf(out,
			   "%u %s never ran: what %s goes back further than the data "
			   "(--warm runs %s all the same)\n",
			   result->warming, result->warming == 1 ? "rule" : "rules",
			   result->warming == 1 ? "it reads" : "they read",
			   result->warming == 1 ? "it" : "them");
	if (told->report->dropped)
		buf_printf(out, "%llu events were not counted: more than %u alerts or %u spells\n",
			   (unsigned long long)told->report->dropped, REPLAY_ALERTS_MAX,
			   REPLAY_SPELLS_MAX);
	add_passed(&result->passed, out);
	add_live(result, out);
}

void replay_text_end(const struct replay_told *told, bool colour, struct buf *out)
{
	if (told->before) {
		add_comparison(told, colour, out);
	} else {
		add_strips(told->report, colour, out);
		add_table(told->report, colour, out);
	}
	add_summary(told, out);
}
