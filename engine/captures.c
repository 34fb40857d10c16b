/*
 * Captures: what the `query` calls in a rule's templates give, while the rule is evaluated.
 *
 * A template is rendered until it asks for an expression that is not there; that is evaluated at
 * the pass's time, in quanta, like any query; then the template is rendered anew. A rendering is
 * cheap, and an alert may ask for few different expressions. What one alert asked for is there for
 * the next ones of the rule: most ask for the same.
 *
 * The results go with the alert from then on (rules/query_results.h): so annotations come out
 * wherever they are rendered as they were at the evaluation, after a restart, too.
 */
#include "engine/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void captures_init(struct captures *captures)
{
	buf_init(&captures->wanted);
}

/* Of the alert or row at hand. */
static void results_drop(struct captures *captures)
{
	query_results_unref(captures->results);
	captures->results = NULL;
}

void captures_begin(struct engine *engine)
{
	struct captures *captures = &engine->captures;
	for (uint32_t i = 0; i < captures->n; i++)
		query_result_unref(captures->shared[i]);
	captures->n = captures->next = 0;
	buf_clear(&captures->wanted);
	results_drop(captures);
	if (captures->running)
		query_drop(engine, captures->running);
	captures->running = NULL;
}

void captures_fini(struct engine *engine)
{
	captures_begin(engine);
	buf_fini(&engine->captures.wanted);
}

int captures_open(struct engine *engine, struct template_data *data)
{
	struct captures *captures = &engine->captures;
	if (!captures->results)
		captures->results = query_results_new(engine->pass.t_ms);
	data->results = captures->results;
	data->wanted = &captures->wanted;
	return captures->results ? 0 : ERR_NOMEM;
}

struct query_results *captures_take(struct engine *engine)
{
	struct query_results *results = engine->captures.results;
	engine->captures.results = NULL;
	return results;
}

/* ---- one expression ---- */

static void fail(struct query_result *result, const char *why, int *code)
{
	*code = query_result_fail(result, slice_from(why));
}

/* Why the text is no expression, in Prometheus' words. */
static void fail_parse(struct query_result *result, const struct diag_list *diags, int *code)
{
	char why[400] = "parse error";
	if (diags->n > 0)
		snprintf(why, sizeof(why), "%u:%u: parse error: %s", diags->items[0].line,
			 diags->items[0].column, diags->items[0].message);
	fail(result, why, code);
}

static struct query_result *result_make(struct engine_query *query, struct slice text)
{
	char why[100];
	int code = 0;
	struct query_result *result = query_result_new(text);
	if (!result)
		return NULL;
	struct labels *none = NULL;
	if (query->code)
		fail(result, query->error, &code);
	else if (query->type != VALUE_SCALAR && query->type != VALUE_VECTOR)
		fail(result, "rule result is not a vector or scalar", &code);
	else if (query->type == VALUE_SCALAR)
		code = labels_new(NULL, 0, &none, NULL);
	if (none)
		code = query_result_add(result, none, query->scalar);
	engine_query_sort(query);
	for (size_t i = 0; !result->error && i < query->nrows && !code; i++)
		code = query_result_add(result, query->rows[i].labels, query->rows[i].value);
	if (code == ERR_LIMIT) {
		snprintf(why, sizeof(why),
			 "a result of %zu elements: more than %d, or than %d bytes of labels",
			 query->nrows, QUERY_SAMPLES_MAX, QUERY_RESULTS_BYTES_MAX);
		fail(result, why, &code);
	}
	labels_unref(none);
	if (!code)
		return result;
	query_result_unref(result);
	return NULL;
}

/* For the alerts to come; the oldest gives way. */
static void share(struct captures *captures, struct query_result *result)
{
	if (captures->n < CAPTURES_SHARED_MAX) {
		captures->shared[captures->n++] = result;
		return;
	}
	query_result_unref(captures->shared[captures->next]);
	captures->shared[captures->next] = result;
	captures->next = (captures->next + 1) % CAPTURES_SHARED_MAX;
}

/* The result belongs to the alert at hand, and is told to have failed where it does not fit. */
static int add(struct captures *captures, struct query_result *result)
{
	int code = query_results_add(captures->results, result);
	if (code != ERR_LIMIT)
		return code;
	struct query_result *failed = query_result_new(slice_from(result->text));
	if (!failed)
		return ERR_NOMEM;
	fail(failed, "the results of one alert's queries are too large together", &code);
	if (!code)
		code = query_results_add(captures->results, failed);
	query_result_unref(failed);
	/* Not even that: then it is as good as an endless asking. */
	return code == ERR_LIMIT ? ERR_EVAL : code;
}

static struct query_result *find_shared(const struct captures *captures, struct slice text)
{
	for (uint32_t i = 0; i < captures->n; i++)
		if (slice_is(text, captures->shared[i]->text))
			return captures->shared[i];
	return NULL;
}

/* Read as the rule itself: in its group's dialect, with the same settings. */
static int parse(struct engine *engine, struct slice text, struct diag_list *diags,
		 struct engine_query **out)
{
	const struct rule_set *set = engine_rules(engine);
	struct query_settings settings = query_settings_of(set);
	int64_t t_ms = engine->pass.t_ms;
	settings.dialect = rule_dialect_expr(set->groups[engine->pass.group].dialect);
	return engine_query_range_new(text, &(struct query_bounds){ t_ms, t_ms, 0 }, &settings,
				      diags, out);
}

/* Begins to evaluate what is wanted; a text that is no expression has its result at once. */
static int begin(struct engine *engine, struct slice text, struct query_result **out)
{
	struct captures *captures = &engine->captures;
	struct diag_list diags;
	diag_list_init(&diags);
	int code = parse(engine, text, &diags, &captures->running);
	if (code && code != ERR_NOMEM) {
		*out = query_result_new(text);
		code = *out ? 0 : ERR_NOMEM;
		if (*out)
			fail_parse(*out, &diags, &code);
	}
	diag_list_fini(&diags);
	return code;
}

int captures_answer(struct engine *engine, int64_t *units)
{
	struct captures *captures = &engine->captures;
	struct slice text = buf_slice(&captures->wanted);
	if (text.len == 0)
		return 0;
	struct query_result *result = find_shared(captures, text);
	if (result) {
		buf_clear(&captures->wanted);
		return add(captures, result);
	}
	int code = captures->running ? 0 : begin(engine, text, &result);
	if (!code && !result) {
		if (!query_work(engine, captures->running, units))
			return ERR_AGAIN;
		result = result_make(captures->running, text);
		query_drop(engine, captures->running);
		captures->running = NULL;
	}
	*units -= UNITS_CAPTURE;
	if (!code && !result)
		code = ERR_NOMEM;
	if (code)
		return code;
	share(captures, result);
	buf_clear(&captures->wanted);
	return add(captures, result);
}

/* ---- annotations ---- */

/* Asks for all that the annotations of one alert ask for: 0 when it is there. */
static int ask(struct engine *engine, struct rule_state *rule, uint32_t slot,
	       const struct relation *relation, int64_t *units)
{
	const struct instance *instance = &rule->instances.items[slot];
	struct alert *alert = &rule->alerts[slot];
	struct template_data data = {
		.value = relation->values[instance->row],
		.external_labels = engine->external_labels,
		.external_url = engine->external_url,
		.active_at_ms =
			alert->state == ALERT_INACTIVE ? engine->pass.t_ms : alert->active_at_ms,
		.evidence = alert->evidence,
	};
	struct labels *labels = lset_to_labels(engine->lsets, instance->expr_lset);
	int code = labels ? captures_open(engine, &data) : ERR_NOMEM;
	data.labels = labels;
	if (!code)
		code = captures_answer(engine, units);
	while (!code && rule_annotations_ask(rule->def, &data) == ERR_AGAIN) {
		*units -= UNITS_CAPTURE;
		code = captures_answer(engine, units);
	}
	labels_unref(labels);
	return code;
}

int alerts_capture(struct engine *engine, struct rule_state *rule, const struct relation *relation,
		   int64_t *units)
{
	struct pass *pass = &engine->pass;
	for (; rule->def->annotations_ask && pass->at < rule->instances.n; pass->at++) {
		const struct instance *instance = &rule->instances.items[pass->at];
		if (*units <= 0)
			return ERR_AGAIN;
		*units -= 1;
		if (instance->lset == LSET_NONE || instance->seen != rule->evaluation)
			continue;
		int code = ask(engine, rule, pass->at, relation, units);
		if (code)
			return code;
		query_results_unref(rule->alerts[pass->at].asked);
		rule->alerts[pass->at].asked = captures_take(engine);
		*units -= UNITS_CAPTURE;
	}
	pass->at = 0;
	return 0;
}
