#include "ingest/profile_summary.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"

#define STREAM_SLOTS (2 * PROFILE_STREAMS_MAX)
#define RANKS (2 * PROFILE_TOP)

enum series {
#define SERIES(id, name, doc) SERIES_##id,
#include "ingest/profile_series.def"
#undef SERIES
	SERIES_COUNT
};

static const struct slice series_names[] = {
#define SERIES(id, name, doc) { name, sizeof(name) - 1 },
#include "ingest/profile_series.def"
#undef SERIES
};

enum ratio { RATIO_SELF, RATIO_TOTAL, RATIOS };
static const enum series ratio_series[RATIOS] = { SERIES_SELF_RATIO, SERIES_TOTAL_RATIO };

/* A function that has a series, or had one until this profile. */
struct listed {
	char *name;
	size_t len;
	bool is_top[RATIOS];
	bool is_alive[RATIOS]; /* its series has samples and no stale marker since */
	unsigned misses[RATIOS];
	bool is_named;
	bool is_kept; /* while the list is gone through */
};

/* What a process had counted for each function, and in all. */
struct count {
	uint64_t hash; /* of the function's name */
	double value[RATIOS];
};

struct counted {
	struct count *counts; /* sorted by hash */
	uint32_t n;
	double sum;
	bool is_there;
};

struct stream {
	struct hash128 key;
	struct labels *labels; /* with profile_type, without __name__ */
	struct hash128 target; /* of the labels without profile_type */
	uint64_t source;       /* of the target */
	uint64_t used;	       /* when, in profiles seen */
	bool is_seen;	       /* end_ms means something */
	int64_t end_ms;
	double total;
	uint32_t alive; /* series with samples and no stale marker since: bits */
	struct listed *listed;
	uint32_t nlisted, listed_cap;
	struct counted before;
};

struct profile_summary {
	const struct hash_key *key;
	struct profile_names *names;
	struct stream *streams[PROFILE_STREAMS_MAX];
	uint32_t nstreams;
	uint32_t slots[STREAM_SLOTS]; /* index + 1 */
	uint64_t clock;
	/* for the profile under work; by function */
	double *value[RATIOS];
	uint32_t *seen;
	uint32_t functions_cap;
};

/* One view of one profile, being added. */
struct adding {
	struct profile_summary *summary;
	const struct profile *profile;
	const struct profile_view *view;
	const struct profile_target *target;
	struct stream *stream;
	struct batch *batch;
	struct labels_builder labels;
	int64_t ts_ms;
	double sum;  /* of the view's value, in its own unit */
	double base; /* what ratios are shares of */
	bool is_late;
};

struct profile_summary *profile_summary_new(const struct hash_key *key)
{
	struct profile_summary *summary = calloc(1, sizeof(*summary));

	if (summary)
		summary->key = key;
	return summary;
}

static void listed_fini(struct listed *listed)
{
	free(listed->name);
}

static void stream_free(struct stream *stream)
{
	for (uint32_t i = 0; i < stream->nlisted; i++)
		listed_fini(&stream->listed[i]);
	free(stream->listed);
	free(stream->before.counts);
	labels_unref(stream->labels);
	free(stream);
}

void profile_summary_free(struct profile_summary *summary)
{
	if (!summary)
		return;
	for (uint32_t i = 0; i < summary->nstreams; i++)
		stream_free(summary->streams[i]);
	for (int i = 0; i < RATIOS; i++)
		free(summary->value[i]);
	free(summary->seen);
	profile_names_unref(summary->names);
	free(summary);
}

void profile_summary_watch(struct profile_summary *summary, struct profile_names *names)
{
	profile_names_ref(names);
	profile_names_unref(summary->names);
	summary->names = names;
}

uint32_t profile_summary_streams(const struct profile_summary *summary)
{
	return summary->nstreams;
}

/* ---- streams ---- */

static uint32_t *stream_slot(struct profile_summary *summary, struct hash128 key)
{
	for (uint32_t at = (uint32_t)key.lo;; at++) {
		uint32_t *slot = &summary->slots[at % STREAM_SLOTS];

		if (*slot == 0 || hash128_is_equal(summary->streams[*slot - 1]->key, key))
			return slot;
	}
}

static void slots_rebuild(struct profile_summary *summary)
{
	memset(summary->slots, 0, sizeof(summary->slots));
	for (uint32_t i = 0; i < summary->nstreams; i++)
		*stream_slot(summary, summary->streams[i]->key) = i + 1;
}

static void stream_remove(struct profile_summary *summary, uint32_t index)
{
	stream_free(summary->streams[index]);
	summary->streams[index] = summary->streams[--summary->nstreams];
	slots_rebuild(summary);
}

static void quietest_remove(struct profile_summary *summary)
{
	uint32_t quietest = 0;

	for (uint32_t i = 1; i < summary->nstreams; i++)
		if (summary->streams[i]->used < summary->streams[quietest]->used)
			quietest = i;
	stream_remove(summary, quietest);
}

/* The target's labels and profile_type; an empty name leaves that out. */
static int stream_labels(const struct profile_target *target, struct slice name,
			 struct labels **out)
{
	struct labels_builder builder;

	labels_builder_init(&builder);
	labels_builder_add_all(&builder, target->labels);
	labels_builder_remove(&builder, SLICE(METRIC_NAME));
	labels_builder_set(&builder, SLICE("profile_type"), name);
	int code = labels_builder_take(&builder, out, NULL);

	labels_builder_fini(&builder);
	return code;
}

static int stream_get(struct profile_summary *summary, const struct profile_target *target,
		      struct slice name, struct stream **out)
{
	struct labels *labels;
	int code = stream_labels(target, name, &labels);

	if (code)
		return code;
	struct hash128 key = labels_hash(labels, summary->key);
	uint32_t *slot = stream_slot(summary, key);

	if (*slot) {
		labels_unref(labels);
		*out = summary->streams[*slot - 1];
		(*out)->used = ++summary->clock;
		return 0;
	}
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		labels_unref(labels);
		return ERR_NOMEM;
	}
	if (summary->nstreams == PROFILE_STREAMS_MAX)
		quietest_remove(summary);
	stream->key = key;
	stream->labels = labels;
	stream->target = labels_hash(target->labels, summary->key);
	stream->source = target->source;
	stream->used = ++summary->clock;
	summary->streams[summary->nstreams++] = stream;
	*stream_slot(summary, key) = summary->nstreams;
	*out = stream;
	return 0;
}

/* ---- rows ---- */

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* A row of the stream's labels, a name and, unless it is empty, a function. */
static int row_add(struct adding *adding, enum series series, struct slice function, uint64_t bits)
{
	struct labels *labels;

	labels_builder_set(&adding->labels, SLICE(METRIC_NAME), series_names[series]);
	labels_builder_set(&adding->labels, SLICE("function"), function);
	int code = labels_builder_take(&adding->labels, &labels, NULL);

	if (code)
		return code;
	code = batch_sample_add(adding->batch, adding->summary->key, labels, adding->ts_ms, bits);
	labels_unref(labels);
	return code;
}

static int number_add(struct adding *adding, enum series series, double value)
{
	return row_add(adding, series, (struct slice){ 0 }, bits_of(value));
}

/* ---- the numbers ---- */

struct numbers {
	double values[SERIES_COUNT];
	uint32_t there; /* bits */
};

static void number_set(struct numbers *numbers, enum series series, double value)
{
	numbers->values[series] = value;
	numbers->there |= 1u << series;
}

/* Does the profile hold what its process has counted since its start? */
static bool is_growing(const struct adding *adding)
{
	return adding->view->mode == PROFILE_GROWING && adding->target->duration_ns == 0;
}

static void sampled_set(const struct adding *adding, double value, double seconds,
			struct numbers *numbers)
{
	double rate = profile_view_rate(adding->profile, adding->view);
	double cpus = adding->target->cpus > 0 ? adding->target->cpus : 1;

	if (rate > 0)
		number_set(numbers, SERIES_SAMPLE_RATE, rate);
	if (adding->view->kind == PROFILE_KIND_CPU && adding->view->value != PROFILE_NONE &&
	    seconds > 0) {
		number_set(numbers, SERIES_CPU_CORES, value / seconds);
		number_set(numbers, SERIES_CPU_UTILIZATION, value / seconds / cpus);
	}
}

static void counted_set(const struct adding *adding, double value, double seconds,
			struct numbers *numbers)
{
	const struct profile_view *view = adding->view;
	double samples;

	if (view->count != PROFILE_NONE)
		samples = profile_sum(adding->profile, view->count);
	else if (view->value != PROFILE_NONE && view->period > 0)
		samples = value / view->period;
	else
		return;
	number_set(numbers, SERIES_SAMPLES, samples);
	if (seconds > 0)
		number_set(numbers, SERIES_SAMPLES_PER_SECOND, samples / seconds);
}

/* A late profile must not bring a sum that goes on to a time before it. */
static void total_set(const struct adding *adding, double value, struct numbers *numbers)
{
	struct stream *stream = adding->stream;

	if (adding->view->mode == PROFILE_GAUGE || adding->is_late)
		return;
	if (is_growing(adding))
		stream->total = value;
	else if (!stream->is_seen || adding->ts_ms > stream->end_ms)
		stream->total += value;
	number_set(numbers, SERIES_VALUE_TOTAL, stream->total);
}

static int numbers_add(struct adding *adding, const struct numbers *numbers)
{
	struct stream *stream = adding->stream;
	/* Pushed ones may come in parts, objects and bytes apart: what one lacks another has. */
	bool is_whole = adding->target->is_fetched && !adding->is_late;
	uint32_t ended = is_whole ? stream->alive & ~numbers->there : 0;
	int code = 0;

	for (int i = 0; code == 0 && i < SERIES_COUNT; i++) {
		if (numbers->there & 1u << i)
			code = number_add(adding, (enum series)i, numbers->values[i]);
		else if (ended & 1u << i)
			code = row_add(adding, (enum series)i, (struct slice){ 0 },
				       STALE_NAN_BITS);
	}
	stream->alive = numbers->there | (is_whole ? 0 : stream->alive);
	return code;
}

static int view_numbers(struct adding *adding)
{
	double seconds = (double)adding->target->duration_ns / 1e9;
	double value = adding->sum * adding->view->scale;
	struct numbers numbers = { .there = 0 };

	counted_set(adding, value, seconds, &numbers);
	if (seconds > 0)
		number_set(&numbers, SERIES_DURATION, seconds);
	if (adding->view->mode == PROFILE_SAMPLED)
		sampled_set(adding, value, seconds, &numbers);
	if (adding->view->value != PROFILE_NONE) {
		number_set(&numbers, SERIES_VALUE, value);
		total_set(adding, value, &numbers);
	}
	if (adding->target->is_fetched)
		number_set(&numbers, SERIES_UP, 1);
	return numbers_add(adding, &numbers);
}

/* ---- shares of functions ---- */

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

static int ratio_add(struct adding *adding, struct listed *listed, enum ratio ratio)
{
	struct slice name = { listed->name, listed->len };
	uint32_t function = profile_function_find(adding->profile, name);
	bool is_wanted = listed->is_named || listed->is_top[ratio];
	double share = 0;

	if (!is_wanted) {
		int code = listed->is_alive[ratio] && !adding->is_late
				   ? row_add(adding, ratio_series[ratio], name, STALE_NAN_BITS)
				   : 0;

		listed->is_alive[ratio] &= adding->is_late;
		return code;
	}
	if (function != PROFILE_NONE && adding->base > 0)
		share = adding->summary->value[ratio][function] / adding->base;
	listed->is_alive[ratio] = true;
	return row_add(adding, ratio_series[ratio], name, bits_of(share));
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

static int view_functions(struct adding *adding)
{
	int code = functions_sum(adding);

	adding->base = adding->sum;
	if (code || (code = growth_take(adding)))
		return code;
	if (!adding->is_late && ((code = tops_update(adding, RATIO_SELF)) ||
				 (code = tops_update(adding, RATIO_TOTAL)) ||
				 (code = named_update(adding))))
		return code;
	for (uint32_t i = 0; code == 0 && i < adding->stream->nlisted; i++)
		for (int k = 0; code == 0 && k < RATIOS; k++)
			code = ratio_add(adding, &adding->stream->listed[i], (enum ratio)k);
	listed_sweep(adding->stream);
	return code;
}

/* ---- one profile ---- */

static void adding_begin(struct adding *adding, struct stream *stream)
{
	adding->stream = stream;
	adding->is_late = stream->is_seen && adding->ts_ms < stream->end_ms;
	labels_builder_init(&adding->labels);
	labels_builder_add_all(&adding->labels, stream->labels);
}

static int view_add(struct adding *adding, const struct profile_view *view)
{
	struct stream *stream;
	int code = stream_get(adding->summary, adding->target, view->name, &stream);

	if (code)
		return code;
	adding->view = view;
	adding_begin(adding, stream);
	adding->sum = view->value == PROFILE_NONE ? 0 : profile_sum(adding->profile, view->value);
	code = view_numbers(adding);
	if (code == 0 && view->value != PROFILE_NONE)
		code = view_functions(adding);
	labels_builder_fini(&adding->labels);
	if (!adding->is_late) {
		stream->is_seen = true;
		stream->end_ms = adding->ts_ms;
	}
	return code;
}

/* ---- the end of series ---- */

/* Stale markers for all that the stream has; profile_up becomes 0 instead if the target is down. */
static int stream_end(struct adding *adding, struct stream *stream, bool is_down)
{
	int code = 0;

	adding_begin(adding, stream);
	for (int i = 0; code == 0 && i < SERIES_COUNT; i++) {
		if (i == SERIES_UP && is_down)
			code = number_add(adding, SERIES_UP, 0);
		else if (stream->alive & 1u << i)
			code = row_add(adding, (enum series)i, (struct slice){ 0 },
				       STALE_NAN_BITS);
	}
	for (uint32_t i = 0; code == 0 && i < stream->nlisted; i++) {
		struct listed *listed = &stream->listed[i];

		for (int k = 0; code == 0 && k < RATIOS; k++)
			if (listed->is_alive[k])
				code = row_add(adding, ratio_series[k],
					       (struct slice){ listed->name, listed->len },
					       STALE_NAN_BITS);
		listed->is_alive[RATIO_SELF] = listed->is_alive[RATIO_TOTAL] = false;
	}
	listed_sweep(stream);
	stream->alive = is_down ? 1u << SERIES_UP : 0;
	labels_builder_fini(&adding->labels);
	return code;
}

/* The target's streams with a profile_up that were not used since: how many. */
static int streams_end(struct adding *adding, uint64_t since, bool is_down, uint32_t *n)
{
	struct profile_summary *summary = adding->summary;
	struct hash128 key = labels_hash(adding->target->labels, summary->key);
	int code = 0;

	*n = 0;
	for (uint32_t i = 0; code == 0 && i < summary->nstreams; i++) {
		struct stream *stream = summary->streams[i];

		if (stream->source != adding->target->source || stream->used > since ||
		    !(stream->alive & 1u << SERIES_UP) || !hash128_is_equal(stream->target, key))
			continue;
		(*n)++;
		code = stream_end(adding, stream, is_down);
	}
	return code;
}

static struct adding adding_make(struct profile_summary *summary,
				 const struct profile_target *target, struct batch *batch)
{
	return (struct adding){ .summary = summary,
				.target = target,
				.batch = batch,
				.ts_ms = target->end_ms };
}

int profile_summary_add(struct profile_summary *summary, const struct profile *profile,
			const struct profile_target *target, struct batch *batch)
{
	struct adding adding = adding_make(summary, target, batch);
	struct profile_view views[PROFILE_VIEWS_MAX];
	uint32_t n = profile_views(profile, target->hint, views), ended;
	uint64_t since = summary->clock;
	int code = 0;

	adding.profile = profile;
	for (uint32_t i = 0; code == 0 && i < n; i++)
		code = view_add(&adding, &views[i]);
	/* It was of another kind before, or nobody could know of which while it was down. */
	if (code == 0 && target->is_fetched)
		code = streams_end(&adding, since, false, &ended);
	return code;
}

int profile_summary_fail(struct profile_summary *summary, const struct profile_target *target,
			 struct batch *batch)
{
	struct adding adding = adding_make(summary, target, batch);
	struct stream *stream;
	uint32_t n;
	int code = streams_end(&adding, UINT64_MAX, true, &n);

	if (code || n)
		return code;
	struct slice name = target->hint == PROFILE_KIND_NONE
				    ? (struct slice){ 0 }
				    : slice_from(profile_kind_name(target->hint));

	code = stream_get(summary, target, name, &stream);
	return code ? code : stream_end(&adding, stream, true);
}

int profile_summary_end(struct profile_summary *summary, const struct profile_target *target,
			struct batch *batch)
{
	struct adding adding = adding_make(summary, target, batch);
	uint32_t n;

	return streams_end(&adding, UINT64_MAX, false, &n);
}

void profile_series_reference(struct buf *out)
{
	buf_add_str(out, "| series | meaning |\n|---|---|\n");
#define SERIES(id, name, doc) buf_add_str(out, "| `" name "` | " doc " |\n");
#include "ingest/profile_series.def"
#undef SERIES
}
