/*
 * What the rules want from log lines, on its way to the ingest threads.
 *
 * The extractors of a rule set are built by the main thread and given to all ingest threads before
 * the engine loads the rules: so that a rule's selectors are fed from the moment they stand. A set
 * that the engine then refuses gives way to the one before.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/threads.h"
#include "ingest/extractor_rules.h"

int extractors_compile(const struct rule_set *rules, const struct config *config,
		       const struct extractor_set *before, struct diag_list *diags,
		       struct extractor_set **out)
{
	const struct extractor_options options = { .series_max = (uint32_t)config->log_series_max,
						   .redactor = config->redactor };

	return extractor_set_of_rules(rules, &options, before, diags, out);
}

/* ---- in use ---- */

int extractors_init(struct extractors *extractors)
{
	*extractors = (struct extractors){ .set = NULL };
	return pthread_mutex_init(&extractors->lock, NULL) ? ERR_NOMEM : 0;
}

void extractors_fini(struct extractors *extractors)
{
	extractor_set_unref(extractors->set);
	pthread_mutex_destroy(&extractors->lock);
}

/* The place of the name in the set, first looked for where it probably is; UINT32_MAX. */
static uint32_t place_of(const struct extractor_set *set, struct slice name, uint32_t guess)
{
	uint32_t n = set ? extractor_set_count(set) : 0;

	if (guess < n && slice_is_equal(extractor_set_name(set, guess), name))
		return guess;
	for (uint32_t i = 0; i < n; i++)
		if (slice_is_equal(extractor_set_name(set, i), name))
			return i;
	return UINT32_MAX;
}

static void add(struct extractor_counters *sum, const struct extractor_counters *counters)
{
	sum->seen += counters->seen;
	sum->matched += counters->matched;
	for (int i = 0; i < LOG_ERRORS; i++)
		sum->errors[i] += counters->errors[i];
	sum->cut_off += counters->cut_off;
	sum->limited += counters->limited;
	sum->series += counters->series;
}

/* What is counted goes on although its extractor ends: totals never fall. */
static void keep_gone(struct extractors *extractors, const struct extractor_set *next)
{
	struct extractor_counters counters;
	uint32_t n = extractors->set ? extractor_set_count(extractors->set) : 0;

	for (uint32_t i = 0; i < n; i++) {
		if (place_of(next, extractor_set_name(extractors->set, i), i) != UINT32_MAX)
			continue;
		extractor_set_counters(extractors->set, i, &counters);
		counters.series = 0;
		add(&extractors->gone, &counters);
	}
}

void extractors_set(struct extractors *extractors, struct extractor_set *set)
{
	pthread_mutex_lock(&extractors->lock);
	keep_gone(extractors, set);
	struct extractor_set *before = extractors->set;

	extractors->set = set ? extractor_set_ref(set) : NULL;
	pthread_mutex_unlock(&extractors->lock);
	extractor_set_unref(before);
}

bool extractors_counters(struct extractors *extractors, struct slice name, uint32_t guess,
			 struct extractor_counters *out)
{
	pthread_mutex_lock(&extractors->lock);
	uint32_t at = place_of(extractors->set, name, guess);

	if (at != UINT32_MAX)
		extractor_set_counters(extractors->set, at, out);
	pthread_mutex_unlock(&extractors->lock);
	return at != UINT32_MAX;
}

void extractors_totals(struct extractors *extractors, struct extractor_counters *out)
{
	struct extractor_counters counters;

	pthread_mutex_lock(&extractors->lock);
	uint32_t n = extractors->set ? extractor_set_count(extractors->set) : 0;

	*out = extractors->gone;
	for (uint32_t i = 0; i < n; i++) {
		extractor_set_counters(extractors->set, i, &counters);
		add(out, &counters);
	}
	pthread_mutex_unlock(&extractors->lock);
}
