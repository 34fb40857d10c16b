/* The same data under two sets of rules: which spells are new, gone, or at another time. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/replay_report.h"

struct comparing {
	const struct replay_report *before, *after;
	struct replay_difference *items;
	size_t n, cap;
};

static int add(struct comparing *c, enum replay_difference_kind kind, const struct labels *labels,
	       const struct replay_spell *before, const struct replay_spell *after)
{
	if (!ARRAY_RESERVE(&c->items, c->n, &c->cap))
		return ERR_NOMEM;
	c->items[c->n++] = (struct replay_difference){ kind, labels, before, after };
	return 0;
}

static int64_t end_of(const struct replay_report *report, const struct replay_spell *spell)
{
	return spell->ended_ms == TIME_NONE ? report->to_ms : spell->ended_ms;
}

/* The next spell from one on that fired; NULL: none. */
static const struct replay_spell *fired_from(const struct replay_report *report, uint32_t at)
{
	for (; at != REPLAY_NONE; at = report->spells[at].next) {
		const struct replay_spell *spell = &report->spells[at];
		if (spell->fired_ms != TIME_NONE && spell->fired_ms >= report->from_ms)
			return spell;
	}
	return NULL;
}

/* Both in order of time: what overlaps belongs together, one to one. */
static int compare_alert(struct comparing *c, const struct replay_alert *was,
			 const struct replay_alert *is)
{
	const struct labels *labels = is ? is->labels : was->labels;
	const struct replay_spell *old = was ? fired_from(c->before, was->first) : NULL;
	const struct replay_spell *new = is ? fired_from(c->after, is->first) : NULL;
	int code = 0;
	while (!code && (old || new)) {
		bool only_old = old && (!new || end_of(c->before, old) < new->fired_ms);
		bool only_new = new && (!old || end_of(c->after, new) < old->fired_ms);
		if (only_old)
			code = add(c, REPLAY_GONE, labels, old, NULL);
		else if (only_new)
			code = add(c, REPLAY_NEW, labels, NULL, new);
		else if (old->fired_ms != new->fired_ms || old->ended_ms != new->ended_ms)
			code = add(c, REPLAY_MOVED, labels, old, new);
		if (!only_new)
			old = fired_from(c->before, old->next);
		if (!only_old)
			new = fired_from(c->after, new->next);
	}
	return code;
}

/* Of one side, by labels: the rule may stand elsewhere, or be another, in the other set. */
static int by_labels(const void *a, const void *b)
{
	const struct replay_alert *x = *(const struct replay_alert *const *)a;
	const struct replay_alert *y = *(const struct replay_alert *const *)b;
	int order = labels_compare(x->labels, y->labels);
	return order ? order : (x > y) - (x < y);
}

static const struct replay_alert **sorted(const struct replay_report *report)
{
	const struct replay_alert **alerts = calloc(report->nalerts + 1, sizeof(*alerts));
	for (uint32_t i = 0; alerts && i < report->nalerts; i++)
		alerts[i] = &report->alerts[i];
	if (alerts)
		qsort(alerts, report->nalerts, sizeof(*alerts), by_labels);
	return alerts;
}

static int compare_all(struct comparing *c, const struct replay_alert **was,
		       const struct replay_alert **is)
{
	uint32_t i = 0, k = 0;
	int code = 0;
	while (!code && (i < c->before->nalerts || k < c->after->nalerts)) {
		int order = i == c->before->nalerts ? 1
			    : k == c->after->nalerts
				    ? -1
				    : labels_compare(was[i]->labels, is[k]->labels);
		code = compare_alert(c, order <= 0 ? was[i] : NULL, order >= 0 ? is[k] : NULL);
		i += order <= 0;
		k += order >= 0;
	}
	return code;
}

static int64_t time_of(const struct replay_difference *difference)
{
	return (difference->after ? difference->after : difference->before)->fired_ms;
}

static int by_time(const void *a, const void *b)
{
	const struct replay_difference *x = a, *y = b;
	int64_t i = time_of(x), k = time_of(y);
	if (i != k)
		return i < k ? -1 : 1;
	return labels_compare(x->labels, y->labels);
}

int replay_compare(const struct replay_report *before, const struct replay_report *after,
		   struct replay_difference **out, size_t *n)
{
	struct comparing c = { .before = before, .after = after };
	const struct replay_alert **was = sorted(before), **is = sorted(after);
	int code = was && is ? compare_all(&c, was, is) : ERR_NOMEM;
	free(was);
	free(is);
	if (code) {
		free(c.items);
		return code;
	}
	if (c.n)
		qsort(c.items, c.n, sizeof(*c.items), by_time);
	*out = c.items;
	*n = c.n;
	return 0;
}
