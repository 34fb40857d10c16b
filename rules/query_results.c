#include "rules/query_results.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* ---- one result ---- */

struct query_result *query_result_new(struct slice text)
{
	struct query_result *result = calloc(1, sizeof(*result));
	if (!result)
		return NULL;
	atomic_init(&result->refs, 1);
	result->text = slice_dup(text);
	result->bytes = text.len;
	if (!result->text) {
		free(result);
		return NULL;
	}
	return result;
}

struct query_result *query_result_ref(struct query_result *result)
{
	atomic_fetch_add(&result->refs, 1);
	return result;
}

static void samples_drop(struct query_result *result)
{
	for (uint32_t i = 0; i < result->n; i++)
		labels_unref(result->samples[i].labels);
	free(result->samples);
	result->samples = NULL;
	result->n = result->cap = 0;
}

void query_result_unref(struct query_result *result)
{
	if (!result || atomic_fetch_sub(&result->refs, 1) > 1)
		return;
	samples_drop(result);
	free(result->text);
	free(result->error);
	free(result);
}

int query_result_add(struct query_result *result, struct labels *labels, double value)
{
	size_t bytes = result->bytes + labels_bytes(labels) + sizeof(value);
	if (result->n == QUERY_SAMPLES_MAX || bytes > QUERY_RESULTS_BYTES_MAX)
		return ERR_LIMIT;
	if (result->n == result->cap) {
		uint32_t cap = result->cap ? 2 * result->cap : 4;
		struct query_sample *grown = realloc(result->samples, cap * sizeof(*grown));
		if (!grown)
			return ERR_NOMEM;
		result->samples = grown;
		result->cap = cap;
	}
	result->samples[result->n++] = (struct query_sample){ labels_ref(labels), value };
	result->bytes = bytes;
	return 0;
}

int query_result_fail(struct query_result *result, struct slice why)
{
	char *copy = slice_dup(why);
	if (!copy)
		return ERR_NOMEM;
	samples_drop(result);
	free(result->error);
	result->error = copy;
	result->bytes = strlen(result->text) + why.len;
	return 0;
}

/* ---- those of one alert ---- */

struct query_results *query_results_new(int64_t t_ms)
{
	struct query_results *results = calloc(1, sizeof(*results));
	if (!results)
		return NULL;
	atomic_init(&results->refs, 1);
	results->t_ms = t_ms;
	return results;
}

struct query_results *query_results_ref(struct query_results *results)
{
	atomic_fetch_add(&results->refs, 1);
	return results;
}

void query_results_unref(struct query_results *results)
{
	if (!results || atomic_fetch_sub(&results->refs, 1) > 1)
		return;
	for (uint32_t i = 0; i < results->n; i++)
		query_result_unref(results->items[i]);
	free(results);
}

int query_results_add(struct query_results *results, struct query_result *result)
{
	if (results->n == QUERY_RESULTS_MAX ||
	    results->bytes + result->bytes > QUERY_RESULTS_BYTES_MAX)
		return ERR_LIMIT;
	results->items[results->n++] = query_result_ref(result);
	results->bytes += result->bytes;
	return 0;
}

const struct query_result *query_results_find(const struct query_results *results,
					      struct slice text)
{
	for (uint32_t i = 0; results && i < results->n; i++)
		if (slice_is(text, results->items[i]->text))
			return results->items[i];
	return NULL;
}
