/*
 * Functions of templates: query, and what takes its result apart.
 *
 * Nothing is evaluated here. A result is found among those that were captured for the alert; while
 * they are captured, a missing one ends the rendering, which is begun anew when it is there.
 */
#include "rules/template_functions.h"

#include <stdlib.h>

#include "base/error.h"
#include "rules/query_results.h"

int fn_now(struct template_call *call, struct template_value *out)
{
	const struct query_results *results = call->data->results;
	if (!results)
		return template_fail(call, "the time of the evaluation is not known here");
	*out = (struct template_value){ .type = TEMPLATE_FLOAT,
					.number = (double)results->t_ms / 1000 };
	return 0;
}

/* Stops the rendering: the engine is to give this one. */
static int want(struct template_call *call, struct slice text)
{
	const struct query_results *results = call->data->results;
	if (results && results->n == QUERY_RESULTS_MAX)
		return template_fail(call,
				     "more than %d different expressions in "
				     "the templates of one alert",
				     QUERY_RESULTS_MAX);
	buf_clear(call->data->wanted);
	buf_add_slice(call->data->wanted, text);
	return buf_ok(call->data->wanted) ? ERR_AGAIN : ERR_NOMEM;
}

static int samples_make(struct template_call *call, const struct query_result *result,
			struct template_value *out)
{
	const struct query_sample **samples =
		ARENA_ARRAY(call->arena, const struct query_sample *, result->n + 1);
	if (!samples)
		return ERR_LIMIT;
	for (uint32_t i = 0; i < result->n; i++)
		samples[i] = &result->samples[i];
	*out = (struct template_value){ .type = TEMPLATE_SAMPLES,
					.n = result->n,
					.samples = samples };
	return 0;
}

int fn_query(struct template_call *call, struct template_value *out)
{
	struct slice text = call->args[0].string;
	const struct query_result *result = query_results_find(call->data->results, text);
	if (result && result->error)
		return template_fail(call, "%s", result->error);
	if (result)
		return samples_make(call, result, out);
	if (text.len == 0)
		return template_fail(call, "unknown position: parse error: no "
					   "expression found in input");
	if (text.len > QUERY_TEXT_MAX)
		return template_fail(call, "more than %d bytes", QUERY_TEXT_MAX);
	if (slice_find(text, '\0') >= 0)
		return template_fail(call, "a byte 0 in the expression");
	if (call->data->wanted)
		return want(call, text);
	return template_fail(call,
			     "\"%.*s\" was not asked for when the rule "
			     "was evaluated",
			     (int)(text.len < 100 ? text.len : 100), text.ptr ? text.ptr : "");
}

int fn_first(struct template_call *call, struct template_value *out)
{
	const struct template_value *samples = &call->args[0];
	if (samples->n == 0)
		return template_fail(call, "first() called on vector with no "
					   "elements");
	*out = template_list_item(samples, 0);
	return 0;
}

/* Of nil; NULL then, and why is said. */
static const struct query_sample *sample_of(struct template_call *call, uint32_t i)
{
	const struct query_sample *sample = call->args[i].sample;
	if (!sample)
		template_fail(call,
			      "runtime error: invalid memory address or nil pointer dereference");
	return sample;
}

int fn_label(struct template_call *call, struct template_value *out)
{
	const struct query_sample *sample = sample_of(call, 1);
	if (!sample)
		return ERR_EVAL;
	*out = template_string(labels_get(sample->labels, call->args[0].string));
	return 0;
}

int fn_value(struct template_call *call, struct template_value *out)
{
	const struct query_sample *sample = sample_of(call, 0);
	if (!sample)
		return ERR_EVAL;
	*out = (struct template_value){ .type = TEMPLATE_FLOAT, .number = sample->value };
	return 0;
}

int fn_strvalue(struct template_call *call, struct template_value *out)
{
	const struct query_sample *sample = sample_of(call, 0);
	if (!sample)
		return ERR_EVAL;
	*out = template_string(labels_get(sample->labels, SLICE("__value__")));
	return 0;
}

/* Where it stood keeps those apart that are equal. */
struct placed_sample {
	const struct query_sample *sample;
	struct slice key;
	uint32_t place;
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed_sample *x = a, *y = b;
	int order = slice_compare(x->key, y->key);
	return order ? order : x->place < y->place ? -1 : x->place > y->place;
}

int fn_sort_by_label(struct template_call *call, struct template_value *out)
{
	const struct template_value *samples = &call->args[1];
	struct placed_sample *placed =
		ARENA_ARRAY(call->arena, struct placed_sample, samples->n + 1);
	if (!placed)
		return ERR_LIMIT;
	for (uint32_t i = 0; i < samples->n; i++)
		placed[i] = (struct placed_sample){
			samples->samples[i],
			labels_get(samples->samples[i]->labels, call->args[0].string), i
		};
	qsort(placed, samples->n, sizeof(*placed), compare_placed);
	for (uint32_t i = 0; i < samples->n; i++)
		samples->samples[i] = placed[i].sample;
	*out = *samples;
	return 0;
}
