#include "rules/lint_data.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "rules/lint_internal.h"

/* A counter falls when it is reset; what falls at one change in so many is none. */
#define FALLS_ONE_IN 4
#define CHANGES_MIN 8

/* What is known of a selector. */
struct known {
	const char *text;
	bool asked;
	size_t n;
	struct lint_strings labels;
	struct known *next;
};

struct data_lint {
	struct lint lint;
	const struct lint_source *source;
	struct known *known;
	uint32_t questions;
	struct lint_strings names; /* of metrics; asked for once */
	bool has_names;
	bool is_running; /* the rule that is looked at */
};

struct data_place {
	struct lint_place at;
	struct data_lint *data;
};

static bool may_ask(struct data_lint *data)
{
	return data->questions++ < LINT_QUESTIONS_MAX && !data->lint.failed;
}

/* ---- selectors ---- */

/* The selector without its range and times. NULL: no memory. */
static const char *text_of(struct data_lint *data, const struct expr *selector)
{
	struct expr bare = *selector;
	struct buf text;
	bare.range_expr = bare.offset_expr = NULL;
	bare.at = AT_NONE;
	bare.edges = EDGES_PLAIN;
	bare.selector.is_range = false;
	bare.selector.offset_ms = 0;
	bare.type = VALUE_VECTOR;
	buf_init(&text);
	expr_format(&bare, &text);
	const char *copy = buf_ok(&text) ? arena_strdup(&data->lint.arena, buf_slice(&text)) : NULL;
	buf_fini(&text);
	data->lint.failed = data->lint.failed || !copy;
	return copy;
}

/* What is known of the selector, asked for when it comes up first; NULL: nothing. */
static const struct known *known_of(struct data_lint *data, const struct expr *selector)
{
	const char *text = text_of(data, selector);
	struct known *known = data->known;
	while (known && text && strcmp(known->text, text) != 0)
		known = known->next;
	if (known || !text)
		return known && known->asked ? known : NULL;
	known = ARENA_NEW(&data->lint.arena, struct known);
	if (!known) {
		data->lint.failed = true;
		return NULL;
	}
	*known = (struct known){ .text = text, .next = data->known };
	known->asked =
		may_ask(data) && data->source->series(data->source->ctx, text, &data->lint.arena,
						      &known->n, &known->labels);
	data->known = known;
	return known->asked ? known : NULL;
}

/* Series that rules write come when they have something to say; those of lines are not asked for.
 */
static bool is_asked_for(struct data_lint *data, const struct expr *expr)
{
	struct slice name = expr->kind == EXPR_SELECTOR ? lint_metric(expr) : SLICE("");
	uint32_t n;
	(void)lint_records(&data->lint, name, &n);
	return name.len > 0 && n == 0 && !slice_has_prefix(name, SLICE("ALERTS")) &&
	       (data->is_running || data->source->is_kept(data->source->ctx, expr));
}

/* ---- no series ---- */

static const char *nearest(struct slice wanted, const struct lint_strings *names, char *room,
			   size_t size, const char *format)
{
	const char *near = nearest_name(wanted, names->items, names->n);
	if (!near)
		return NULL;
	snprintf(room, size, format, near);
	return room;
}

static bool has(const struct lint_strings *strings, struct slice wanted)
{
	for (size_t i = 0; i < strings->n; i++)
		if (slice_is(wanted, strings->items[i]))
			return true;
	return false;
}

/* Which matcher of a metric that is there leaves nothing of it. */
static const char *hint_by_matcher(struct data_lint *data, const struct expr *selector,
				   const char *metric, char *room, size_t size)
{
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *matcher = &selector->selector.matchers[i];
		struct slice name = matcher_name(matcher);
		struct slice value = matcher_value(matcher);
		struct lint_strings values;
		const char *label = arena_strdup(&data->lint.arena, name);
		if (matcher->type != MATCH_EQ || slice_is(name, METRIC_NAME) || value.len == 0 ||
		    !label || !may_ask(data) ||
		    !data->source->values(data->source->ctx, label, metric, &data->lint.arena,
					  &values) ||
		    has(&values, value))
			continue;
		const char *near = nearest_name(value, values.items, values.n);
		snprintf(room, size, "there is none with %s=\"%.*s\"%s%s%s", label,
			 (int)(value.len < 80 ? value.len : 80), value.ptr,
			 near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		return room;
	}
	return NULL;
}

static const char *hint_of(struct data_lint *data, const struct expr *selector, char *room,
			   size_t size)
{
	struct slice name = lint_metric(selector);
	const struct lint_source *source = data->source;
	if (!data->has_names && may_ask(data))
		data->has_names = source->values(source->ctx, METRIC_NAME, NULL, &data->lint.arena,
						 &data->names);
	if (!data->has_names)
		return NULL;
	if (!has(&data->names, name))
		return nearest(name, &data->names, room, size, "did you mean \"%.200s\"?");
	const char *metric =
		arena_printf(&data->lint.arena, "{__name__=\"" SLICE_FMT "\"}", SLICE_ARG(name));
	return metric ? hint_by_matcher(data, selector, metric, room, size) : NULL;
}

static void warn_unknown(struct data_place *place, const struct expr *selector)
{
	char room[400];
	rule_warn_at(place->at.lint->diags, WARN_UNKNOWN_METRIC, place->at.source, selector->offset,
		     selector->span, hint_of(place->data, selector, room, sizeof(room)),
		     "no series matches this selector");
}

/* Calls fn for each selector below whose series should be there, but not for those in absent(). */
static void each_selector(struct data_place *place, const struct expr *expr,
			  void (*fn)(struct data_place *place, const struct expr *expr));

static bool has_any(struct data_place *place, const struct expr *expr);

/* One alternative is enough; what is taken away need not be there. */
static void each_of_binary(struct data_place *place, const struct expr *expr,
			   void (*fn)(struct data_place *place, const struct expr *expr))
{
	bool is_or = expr->binary.op == OP_OR;
	if (is_or && (has_any(place, expr->binary.left) || has_any(place, expr->binary.right)))
		return;
	each_selector(place, expr->binary.left, fn);
	if (expr->binary.op != OP_UNLESS)
		each_selector(place, expr->binary.right, fn);
}

static void each_selector(struct data_place *place, const struct expr *expr,
			  void (*fn)(struct data_place *place, const struct expr *expr))
{
	switch (expr->kind) {
	case EXPR_SELECTOR:
		if (is_asked_for(place->data, expr))
			fn(place, expr);
		break;
	case EXPR_SUBQUERY:
		each_selector(place, expr->subquery.operand, fn);
		break;
	case EXPR_UNARY:
	case EXPR_PAREN:
		each_selector(place, expr->unary.operand, fn);
		break;
	case EXPR_AGGREGATE:
		each_selector(place, expr->aggregate.operand, fn);
		break;
	case EXPR_BINARY:
		each_of_binary(place, expr, fn);
		break;
	case EXPR_CALL:
		if (expr->call.function->id == FN_ABSENT ||
		    expr->call.function->id == FN_ABSENT_OVER_TIME)
			break;
		for (uint32_t i = 0; i < expr->call.nargs; i++)
			each_selector(place, expr->call.args[i], fn);
		break;
	default:
		break;
	}
}

struct counting {
	struct data_lint *data;
	bool any, has_selector;
};

/* Is there a series of some selector below, or is that not to be told? */
static void count_series(void *ctx, const struct expr *expr)
{
	struct counting *counting = ctx;
	if (expr->kind != EXPR_SELECTOR)
		return;
	counting->has_selector = true;
	const struct known *known =
		is_asked_for(counting->data, expr) ? known_of(counting->data, expr) : NULL;
	counting->any = counting->any || !known || known->n > 0;
}

static bool has_any(struct data_place *place, const struct expr *expr)
{
	struct counting counting = { place->data, false, false };
	expr_walk(expr, count_series, &counting);
	return counting.any || !counting.has_selector;
}

/* That it names no metric is told without data; here, what that comes to. */
static void check_nameless(struct data_place *place, const struct expr *selector)
{
	bool is_sure = place->data->is_running && !selector->selector.log;
	const struct known *known =
		!is_sure || lint_metric(selector).len > 0 ? NULL : known_of(place->data, selector);
	if (known)
		rule_warn_at(place->at.lint->diags, WARN_NO_NAME, place->at.source,
			     selector->offset, selector->span, NULL,
			     "this selector, which names no metric, holds %zu series", known->n);
}

static void check_series(struct data_place *place, const struct expr *selector)
{
	const struct known *known = known_of(place->data, selector);
	if (known && known->n == 0)
		warn_unknown(place, selector);
}

/* ---- labels ---- */

struct labelling {
	struct data_place *place;
	struct slice name;
	bool may_have; /* some selector's series have it, or that is not known */
	bool has_selector;
};

static void look_for_label(void *ctx, const struct expr *expr)
{
	struct labelling *labelling = ctx;
	bool adds = (expr->kind == EXPR_CALL && (expr->call.function->id == FN_LABEL_REPLACE ||
						 expr->call.function->id == FN_LABEL_JOIN ||
						 expr->call.function->id == FN_INFO)) ||
		    (expr->kind == EXPR_AGGREGATE && expr->aggregate.op == AGG_COUNT_VALUES);
	labelling->may_have = labelling->may_have || adds;
	if (expr->kind != EXPR_SELECTOR || labelling->may_have)
		return;
	const struct known *known = is_asked_for(labelling->place->data, expr)
					    ? known_of(labelling->place->data, expr)
					    : NULL;
	labelling->has_selector = true;
	labelling->may_have = !known || known->n == 0 || has(&known->labels, labelling->name);
}

/* Is it known that no series below has the label? */
static bool lacks(struct data_place *place, const struct expr *below, struct slice name)
{
	struct labelling labelling = { .place = place, .name = name };
	expr_walk(below, look_for_label, &labelling);
	return labelling.has_selector && !labelling.may_have && !slice_is(name, METRIC_NAME);
}

static void warn_lacking(struct data_place *place, const struct expr *expr, struct slice name,
			 const char *where)
{
	struct slice text = place->at.source->text;
	bool is_there = name.ptr >= text.ptr && name.ptr + name.len <= text.ptr + text.len;
	rule_warn_at(place->at.lint->diags, WARN_UNKNOWN_LABEL, place->at.source,
		     is_there ? (size_t)(name.ptr - text.ptr) : expr->offset,
		     is_there ? name.len : expr->span, NULL,
		     "no series has the label \"" SLICE_FMT "\"%s", SLICE_ARG(name), where);
}

static void check_by(struct data_place *place, const struct expr *expr)
{
	const struct names *names = &expr->aggregate.labels;
	for (uint32_t i = 0; i < names->n && !expr->aggregate.without; i++)
		if (lacks(place, expr->aggregate.operand, names->items[i]))
			warn_lacking(place, expr, names->items[i], " here");
}

/* A label that neither side has parts no partners. */
static void check_on(struct data_place *place, const struct expr *expr)
{
	const struct names *names = &expr->binary.labels;
	for (uint32_t i = 0; i < names->n && expr->binary.on && expr->binary.op != OP_OR; i++) {
		bool left = lacks(place, expr->binary.left, names->items[i]);
		if (left != lacks(place, expr->binary.right, names->items[i]))
			warn_lacking(place, expr, names->items[i],
				     left ? " on the left side" : " on the right side");
	}
}

/* ---- functions of ranges ---- */

/* The value of calls(range)): max(count_over_time, for one. */
static bool ask(struct data_place *place, const char *calls, const struct expr *range,
		double *value)
{
	const struct lint_source *source = place->data->source;
	const char *selector = text_of(place->data, range);
	struct buf text;
	buf_init(&text);
	buf_printf(&text, "%s(%s[", calls, selector ? selector : "");
	duration_format(range->selector.range_ms, &text);
	buf_add_str(&text, "]))");
	bool good = selector && buf_ok(&text) && may_ask(place->data) &&
		    source->value(source->ctx, text.ptr, value);
	buf_fini(&text);
	return good;
}

static void check_samples(struct data_place *place, const struct expr *call,
			  const struct expr *range)
{
	double most;
	if (!lint_needs_two(call->call.function) || range->edges != EDGES_PLAIN ||
	    !ask(place, "max(count_over_time", range, &most) || most >= 2)
		return;
	rule_warn_at(place->at.lint->diags, WARN_FEW_SAMPLES, place->at.source, range->offset,
		     range->span, "make the range at least four times as long as samples are apart",
		     "no series has two samples in this range: %s() gives nothing",
		     call->call.function->name);
}

static void check_falls(struct data_place *place, const struct expr *call, const struct expr *range)
{
	double changes, falls;
	if (!(call->call.function->flags & COUNTER) || call->call.function->id == FN_RESETS ||
	    !ask(place, "sum(changes", range, &changes) || changes < CHANGES_MIN ||
	    !ask(place, "sum(resets", range, &falls) || falls * FALLS_ONE_IN < changes)
		return;
	rule_warn_at(place->at.lint->diags, WARN_FALLING_COUNTER, place->at.source, call->offset,
		     call->span, "deriv(), delta() and avg_over_time() are for gauges",
		     "%s() is for counters, and this falls at %.0f of %.0f changes",
		     call->call.function->name, falls, changes);
}

/* ---- one rule ---- */

static void on_expr(void *ctx, const struct expr *expr)
{
	struct data_place *place = ctx;
	if (expr->kind == EXPR_SELECTOR)
		check_nameless(place, expr);
	else if (expr->kind == EXPR_AGGREGATE)
		check_by(place, expr);
	else if (expr->kind == EXPR_BINARY)
		check_on(place, expr);
	const struct expr *range = expr->kind == EXPR_CALL ? lint_range(expr) : NULL;
	if (!range || !place->data->is_running || !is_asked_for(place->data, range))
		return;
	const struct known *known = known_of(place->data, range);
	if (!known || known->n == 0)
		return;
	check_samples(place, expr, range);
	check_falls(place, expr, range);
}

static void lint_expr(struct data_place *place, const struct expr *expr)
{
	each_selector(place, expr, check_series);
	expr_walk(expr, on_expr, place);
}

static void lint_rule(struct data_lint *data, const struct rule *rule)
{
	struct data_place place = { { &data->lint, rule, &rule->source }, data };
	data->is_running = data->source->is_running(data->source->ctx, rule);
	lint_expr(&place, rule->expr);
	if (!rule->resolve)
		return;
	place.at.source = &rule->resolve->source;
	lint_expr(&place, rule->resolve->expr);
}

/* ---- senders ---- */

static const char *duration_text(struct data_lint *data, int64_t ms)
{
	struct buf text;
	buf_init(&text);
	duration_format(ms, &text);
	const char *copy = buf_ok(&text) ? arena_strdup(&data->lint.arena, buf_slice(&text)) : NULL;
	buf_fini(&text);
	return copy ? copy : "";
}

/* Groups that are due before all is there that they read. */
static void lint_lag(struct data_lint *data)
{
	const struct lint_source *source = data->source;
	struct arena *arena = &data->lint.arena;
	const struct rule_group *group;
	const char *sender;
	int64_t lag_ms;
	if (!source->lag || !source->lag(source->ctx, arena, &lag_ms, &sender))
		return;
	uint32_t n = rule_set_outrun(data->lint.set, lag_ms, &group);
	if (n == 0)
		return;
	const char *lag = duration_text(data, (lag_ms + 999) / 1000 * 1000);
	const char *hint = arena_printf(
		arena, "query_offset: %s in the group, or rule_query_offset in the configuration", lag);
	struct diag *diag = diag_add(
		data->lint.diags, DIAG_WARNING, arena_strdup(arena, group->file), group->line, 1,
		NULL, hint,
		"samples of %s come up to %s after their time, and group \"" SLICE_FMT
		"\" looks back %s: with it %u in all look back less than that",
		sender, lag, SLICE_ARG(group->name), duration_text(data, group->query_offset_ms), n);
	diag_name(diag, rule_warning_name(WARN_LAG));
}

int rule_set_lint_data(const struct rule_set *set, const struct lint_source *source,
		       struct diag_list *diags)
{
	struct data_lint data = { .lint = { .set = set, .diags = diags }, .source = source };
	arena_init(&data.lint.arena, 0);
	int error = lint_names_init(&data.lint);
	for (uint32_t g = 0; g < set->ngroups && !error; g++)
		for (uint32_t r = 0; r < set->groups[g].nrules && !data.lint.failed; r++)
			lint_rule(&data, &set->groups[g].rules[r]);
	if (!error)
		lint_lag(&data);
	if (data.questions > LINT_QUESTIONS_MAX)
		diag_add(diags, DIAG_NOTE, NULL, 0, 0, NULL, NULL,
			 "after %d questions no more were asked: some rules were not compared with "
			 "the data",
			 LINT_QUESTIONS_MAX);
	arena_fini(&data.lint.arena);
	return data.lint.failed ? ERR_NOMEM : error;
}
