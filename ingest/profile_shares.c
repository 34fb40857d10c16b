/*
 * Which part of a profile is whose: the two ratios of functions, for those that rules name and for
 * the top ones; see profile_summary.h.
 */
#include <stdlib.h>

#include "base/error.h"
#include "ingest/profile_stream.h"

#define RANKS (2 * PROFILE_TOP)

static const enum series ratio_series[RATIOS] = { SERIES_SELF_RATIO, SERIES_TOTAL_RATIO };

/* ---- what each function has ---- */

static int functions_reserve(struct profile_summary *summary, uint32_t n)
{
	if (n <= summary->functions_cap)
		return 0;
	for (int i = 0; i < RATIOS; i++) {
		double *value = reallocarray(summary->value[i], n, sizeof(*value));

		if (!value)
			return ERR_NOMEM;
		summary->value[i] = value;
	}
	uint32_t *seen = reallocarray(summary->seen, n, sizeof(*seen));

	if (!seen)
		return ERR_NOMEM;
	summary->seen = seen;
	summary->functions_cap = n;
	return 0;
}

/* What each function has: itself, and with all it calls, once a stack however often it is there. */
static int functions_sum(struct adding *adding)
{
	struct profile_summary *summary = adding->summary;
	const struct profile *profile = adding->profile;
	uint32_t n = profile->nfunctions;

	if (functions_reserve(summary, n))
		return ERR_NOMEM;
	for (int i = 0; i < RATIOS && n; i++)
		memset(summary->value[i], 0, n * sizeof(double));
	if (n)
		memset(summary->seen, 0, n * sizeof(*summary->seen));
	for (uint32_t i = 0; i < profile->nsamples; i++) {
		double value = profile_value(profile, i, adding->view->value);
		const uint32_t *frames = &profile->frames[profile->samples[i].frame];

		if (profile->samples[i].nframes)
			summary->value[RATIO_SELF][frames[0]] += value;
		for (uint32_t k = 0; k < profile->samples[i].nframes; k++) {
			if (summary->seen[frames[k]] == i + 1)
				continue;
			summary->seen[frames[k]] = i + 1;
			summary->value[RATIO_TOTAL][frames[k]] += value;
		}
	}
	return 0;
}

/* ---- what was counted before ---- */

static int count_by_hash(const void *a, const void *b)
{
	const struct count *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* NULL when the function was not there before. */
static const struct count *count_find(const struct counted *before, uint64_t hash)
{
	struct count key = { .hash = hash };

	return before->n ? bsearch(&key, before->counts, before->n, sizeof(key), count_by_hash)
			 : NULL;
}

/* What the process has counted by now. Too many functions: nothing is remembered. */
static int counted_take(const struct adding *adding, struct counted *out)
{
	const struct profile *profile = adding->profile;
	struct profile_summary *summary = adding->summary;

	*out = (struct counted){ .sum = adding->sum };
	if (profile->nfunctions > PROFILE_BEFORE_MAX)
		return 0;
	out->counts = reallocarray(NULL, profile->nfunctions + 1, sizeof(*out->counts));
	if (!out->counts)
		return ERR_NOMEM;
	out->n = profile->nfunctions;
	out->is_there = true;
	for (uint32_t i = 0; i < out->n; i++)
		out->counts[i] = (struct count){ profile->functions[i].hash,
						 { summary->value[RATIO_SELF][i],
						   summary->value[RATIO_TOTAL][i] } };
	qsort(out->counts, out->n, sizeof(*out->counts), count_by_hash);
	return 0;
}

/* Has anything become less? Then the process was started anew. */
static bool is_restarted(const struct adding *adding, const struct counted *before)
{
	const struct profile *profile = adding->profile;

	if (adding->sum < before->sum)
		return true;
	for (uint32_t i = 0; i < profile->nfunctions; i++) {
		const struct count *count = count_find(before, profile->functions[i].hash);

		if (count && adding->summary->value[RATIO_TOTAL][i] < count->value[RATIO_TOTAL])
			return true;
	}
	return false;
}

/* Takes off what had been counted before: what is left are shares of what is new. */
static void before_subtract(struct adding *adding, const struct counted *before)
{
	const struct profile *profile = adding->profile;

	for (uint32_t i = 0; i < profile->nfunctions; i++) {
		const struct count *count = count_find(before, profile->functions[i].hash);

		for (int k = 0; count && k < RATIOS; k++)
			adding->summary->value[k][i] -= count->value[k];
	}
	adding->base = adding->sum - before->sum;
}

/* Of a profile that counts since the start: what came since the last one. */
static int growth_take(struct adding *adding)
{
	struct stream *stream = adding->stream;
	struct counted now;

	if (!is_growing(adding) || adding->is_late)
		return 0;
	int code = counted_take(adding, &now);

	if (code)
		return code;
	if (stream->before.is_there && !is_restarted(adding, &stream->before))
		before_subtract(adding, &stream->before);
	free(stream->before.counts);
	stream->before = now;
	return 0;
}

/* ---- who has series ---- */

/* The functions with most, at most RANKS, most first; those with nothing are none. */
static uint32_t ranks_take(const struct adding *adding, enum ratio ratio, uint32_t ranks[RANKS])
{
	const double *value = adding->summary->value[ratio];
	uint32_t n = 0;

	for (uint32_t i = 0; i < adding->profile->nfunctions; i++) {
		uint32_t at = n;

		if (!(value[i] > 0) || (n == RANKS && value[i] <= value[ranks[n - 1]]))
			continue;
		if (n < RANKS)
			n++;
		else
			at--;
		for (; at > 0 && value[ranks[at - 1]] < value[i]; at--)
			ranks[at] = ranks[at - 1];
		ranks[at] = i;
	}
	return n;
}

static struct listed *listed_find(struct stream *stream, struct slice name)
{
	for (uint32_t i = 0; i < stream->nlisted; i++)
		if (slice_is_equal((struct slice){ stream->listed[i].name, stream->listed[i].len },
				   name))
			return &stream->listed[i];
	return NULL;
}

static int listed_get(struct stream *stream, struct slice name, struct listed **out)
{
	struct listed *listed = listed_find(stream, name);

	if (listed) {
		*out = listed;
		return 0;
	}
	if (stream->nlisted == stream->listed_cap) {
		uint32_t cap = stream->listed_cap ? 2 * stream->listed_cap : 64;

		listed = reallocarray(stream->listed, cap, sizeof(*listed));
		if (!listed)
			return ERR_NOMEM;
		stream->listed = listed;
		stream->listed_cap = cap;
	}
	char *copy = slice_dup(name);

	if (!copy)
		return ERR_NOMEM;
	listed = &stream->listed[stream->nlisted++];
	*listed = (struct listed){ .name = copy, .len = name.len };
	*out = listed;
	return 0;
}

static uint32_t tops_count(const struct stream *stream, enum ratio ratio)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < stream->nlisted; i++)
		n += stream->listed[i].is_top[ratio];
	return n;
}

/* Who comes among the top, who stays, who has to leave. */
static int tops_update(struct adding *adding, enum ratio ratio)
{
	struct stream *stream = adding->stream;
	uint32_t ranks[RANKS], n = ranks_take(adding, ratio, ranks);
	int code = 0;

	for (uint32_t i = 0; i < stream->nlisted; i++)
		stream->listed[i].misses[ratio]++;
	for (uint32_t i = 0; code == 0 && i < n; i++) {
		struct slice name = adding->profile->functions[ranks[i]].name;
		struct listed *listed = listed_find(stream, name);

		if (i < PROFILE_TOP && (!listed || !listed->is_top[ratio]) &&
		    tops_count(stream, ratio) < PROFILE_LISTED_MAX) {
			code = listed_get(stream, name, &listed);
			if (code == 0)
				listed->is_top[ratio] = true;
		}
		if (listed)
			listed->misses[ratio] = 0;
	}
	for (uint32_t i = 0; i < stream->nlisted; i++)
		if (stream->listed[i].misses[ratio] >= PROFILE_TOP_MISSES)
			stream->listed[i].is_top[ratio] = false;
	return code;
}

static int named_update(struct adding *adding)
{
	const struct profile_names *names = adding->summary->names;
	struct stream *stream = adding->stream;
	int code = 0;

	for (uint32_t i = 0; i < stream->nlisted; i++)
		stream->listed[i].is_named = false;
	for (uint32_t i = 0; code == 0 && names && i < names->n; i++) {
		struct listed *listed;

		code = listed_get(stream, names->names[i], &listed);
		if (code == 0)
			listed->is_named = true;
	}
	return code;
}

/* ---- rows ---- */

static int ratio_add(struct adding *adding, struct listed *listed, enum ratio ratio)
{
	struct slice name = { listed->name, listed->len };
	uint32_t function = profile_function_find(adding->profile, name);
	bool is_wanted = listed->is_named || listed->is_top[ratio];
	double share = 0;

	if (!is_wanted) {
		int code =
			listed->is_alive[ratio] && !adding->is_late
				? profile_row_add(adding, ratio_series[ratio], name, STALE_NAN_BITS)
				: 0;

		listed->is_alive[ratio] &= adding->is_late;
		return code;
	}
	if (function != PROFILE_NONE && adding->base > 0)
		share = adding->summary->value[ratio][function] / adding->base;
	listed->is_alive[ratio] = true;
	return profile_row_add(adding, ratio_series[ratio], name, bits_of_double(share));
}

static void listed_fini(struct listed *listed)
{
	free(listed->name);
}

/* Those without a series are forgotten. */
static void listed_sweep(struct stream *stream)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < stream->nlisted; i++) {
		struct listed *listed = &stream->listed[i];

		if (listed->is_alive[RATIO_SELF] || listed->is_alive[RATIO_TOTAL])
			stream->listed[kept++] = *listed;
		else
			listed_fini(listed);
	}
	stream->nlisted = kept;
}

int profile_shares_add(struct adding *adding)
{
	int code = functions_sum(adding);

	adding->base = adding->sum;
	if (code || (code = growth_take(adding)))
		return code;
	if (!adding->is_late &&
	    ((code = tops_update(adding, RATIO_SELF)) ||
	     (code = tops_update(adding, RATIO_TOTAL)) || (code = named_update(adding))))
		return code;
	for (uint32_t i = 0; code == 0 && i < adding->stream->nlisted; i++)
		for (int k = 0; code == 0 && k < RATIOS; k++)
			code = ratio_add(adding, &adding->stream->listed[i], (enum ratio)k);
	listed_sweep(adding->stream);
	return code;
}

int profile_shares_end(struct adding *adding)
{
	struct stream *stream = adding->stream;
	int code = 0;

	for (uint32_t i = 0; code == 0 && i < stream->nlisted; i++) {
		struct listed *listed = &stream->listed[i];

		for (int k = 0; code == 0 && k < RATIOS; k++)
			if (listed->is_alive[k])
				code = profile_row_add(adding, ratio_series[k],
						       (struct slice){ listed->name, listed->len },
						       STALE_NAN_BITS);
		listed->is_alive[RATIO_SELF] = listed->is_alive[RATIO_TOTAL] = false;
	}
	listed_sweep(stream);
	return code;
}

void profile_shares_fini(struct stream *stream)
{
	for (uint32_t i = 0; i < stream->nlisted; i++)
		listed_fini(&stream->listed[i]);
	free(stream->listed);
	free(stream->before.counts);
}
