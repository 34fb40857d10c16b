#include "ingest/extractor_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

#define SERIES_MIN 16u

/* What outlives sets. */

static struct extractor_state *state_new(struct slice name)
{
	struct extractor_state *state = calloc(1, sizeof(*state));

	if (!state)
		return NULL;
	state->name = slice_dup(name);
	if (!state->name) {
		free(state);
		return NULL;
	}
	atomic_init(&state->refs, 1);
	pthread_mutex_init(&state->lock, NULL);
	return state;
}

static struct extractor_state *extractor_state_ref(struct extractor_state *state)
{
	atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed);
	return state;
}

static void extractor_state_unref(struct extractor_state *state)
{
	if (!state || atomic_fetch_sub_explicit(&state->refs, 1, memory_order_acq_rel) > 1)
		return;
	pthread_mutex_destroy(&state->lock);
	free(state->series);
	free(state->name);
	free(state);
}

/* Where a key stands, or the empty place where it would. */
static uint32_t series_at(const struct extractor_state *state, struct hash128 key)
{
	uint32_t i = (uint32_t)key.lo & state->mask;

	while (state->series[i].refs && !hash128_is_equal(state->series[i].key, key))
		i = (i + 1) & state->mask;
	return i;
}

/* At most half of the places are taken. */
static bool series_grow(struct extractor_state *state)
{
	struct extractor_series *old = state->series;
	uint32_t cap = old ? state->mask + 1 : 0, next = cap ? 2 * cap : SERIES_MIN;

	if (2 * (state->nseries + 1) <= cap)
		return true;
	struct extractor_series *series = calloc(next, sizeof(*series));

	if (!series)
		return false;
	state->series = series;
	state->mask = next - 1;
	for (uint32_t i = 0; i < cap; i++) {
		if (old[i].refs)
			series[series_at(state, old[i].key)] = old[i];
	}
	free(old);
	return true;
}

bool extractor_series_add(struct extractor_state *state, struct hash128 key, uint32_t max, int *err)
{
	bool is_in = false;

	*err = 0;
	pthread_mutex_lock(&state->lock);
	if (!series_grow(state)) {
		*err = ERR_NOMEM;
	} else {
		struct extractor_series *series = &state->series[series_at(state, key)];

		is_in = series->refs > 0 || state->nseries < max;
		if (is_in && series->refs == 0) {
			series->key = key;
			state->nseries++;
		}
		series->refs += is_in;
	}
	pthread_mutex_unlock(&state->lock);
	return is_in;
}

/* Those behind that cannot be found over the gap move into it. */
static void series_close_gap(struct extractor_state *state, uint32_t gap)
{
	for (uint32_t i = (gap + 1) & state->mask; state->series[i].refs;
	     i = (i + 1) & state->mask) {
		uint32_t home = (uint32_t)state->series[i].key.lo & state->mask;

		if (((i - home) & state->mask) < ((i - gap) & state->mask))
			continue;
		state->series[gap] = state->series[i];
		state->series[i].refs = 0;
		gap = i;
	}
}

void extractor_series_remove(struct extractor_state *state, struct hash128 key)
{
	pthread_mutex_lock(&state->lock);
	uint32_t i = series_at(state, key);

	assert(state->series[i].refs > 0);
	if (--state->series[i].refs == 0) {
		state->nseries--;
		series_close_gap(state, i);
	}
	pthread_mutex_unlock(&state->lock);
}

void extractor_state_count(struct extractor_state *state, const struct extractor_counters *counted)
{
	struct extractor_counters *all = &state->counters;

	pthread_mutex_lock(&state->lock);
	all->seen += counted->seen;
	all->matched += counted->matched;
	for (int i = 0; i < LOG_ERRORS; i++)
		all->errors[i] += counted->errors[i];
	all->cut_off += counted->cut_off;
	all->limited += counted->limited;
	pthread_mutex_unlock(&state->lock);
}

/* Sets. */

struct extractor_spec extractor_spec_of(const struct plan_log *log, int64_t bucket_ms)
{
	static const enum log_value values[] = {
		[PLAN_LOG_LINES] = LOG_VALUE_COUNT,
		[PLAN_LOG_BYTES] = LOG_VALUE_BYTES,
		[PLAN_LOG_UNWRAPPED] = LOG_VALUE_UNWRAP,
	};
	static const enum window_kind kinds[] = {
		[PLAN_LOG_SUM] = WINDOW_SUM,
		[PLAN_LOG_MIN] = WINDOW_MIN,
		[PLAN_LOG_MAX] = WINDOW_MAX,
		[PLAN_LOG_EVENTS] = WINDOW_EVENTS,
	};

	return (struct extractor_spec){
		.name = slice_from(log->name),
		.matchers = log->matchers,
		.nmatchers = log->nmatchers,
		.stages = log->log ? log->log->stages : NULL,
		.nstages = log->log ? log->log->nstages : 0,
		.value = values[log->value],
		.projection = { log->keep == PLAN_LOG_BY, log->labels.items, log->labels.n },
		.kind = kinds[log->window],
		.bucket_ms = bucket_ms,
	};
}

/* By names, of the set before. */
struct state_index {
	struct extractor_state **states; /* sorted */
	uint32_t n;
};

static int state_order(const void *a, const void *b)
{
	return strcmp((*(struct extractor_state *const *)a)->name,
		      (*(struct extractor_state *const *)b)->name);
}

static int index_init(struct state_index *index, const struct extractor_set *before)
{
	index->n = before ? before->n : 0;
	index->states = calloc(index->n ? index->n : 1, sizeof(struct extractor_state *));
	if (!index->states)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < index->n; i++)
		index->states[i] = before->extractors[i].state;
	if (index->n)
		qsort(index->states, index->n, sizeof(struct extractor_state *), state_order);
	return 0;
}

/* A reference to the state of that name: the one before's, or a new one. */
static struct extractor_state *state_get(const struct state_index *index, struct slice name)
{
	uint32_t low = 0, high = index->n;

	while (low < high) {
		uint32_t mid = (low + high) / 2;
		int order = slice_compare(slice_from(index->states[mid]->name), name);

		if (order == 0)
			return extractor_state_ref(index->states[mid]);
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return state_new(name);
}

static int matchers_dup(const struct extractor_spec *spec, struct extractor *extractor)
{
	extractor->matchers = calloc(spec->nmatchers ? spec->nmatchers : 1, sizeof(struct matcher));
	if (!extractor->matchers)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < spec->nmatchers; i++) {
		if (matcher_dup(&spec->matchers[i], &extractor->matchers[i]))
			return ERR_NOMEM;
		extractor->nmatchers++;
	}
	return 0;
}

static int extractor_init(struct extractor *extractor, const struct extractor_spec *spec,
			  const struct state_index *index, struct diag_list *diags)
{
	assert(spec->kind == WINDOW_EVENTS || spec->bucket_ms > 0);
	extractor->kind = (enum window_kind)spec->kind;
	extractor->bucket_ms = spec->bucket_ms;
	extractor->state = state_get(index, spec->name);
	if (!extractor->state || matchers_dup(spec, extractor))
		return ERR_NOMEM;
	return log_pipeline_new(spec->stages, spec->nstages, spec->value, &spec->projection, NULL,
				diags, &extractor->pipeline);
}

static void extractor_fini(struct extractor *extractor)
{
	if (extractor->matchers)
		matchers_free(extractor->matchers, extractor->nmatchers);
	log_pipeline_free(extractor->pipeline);
	extractor_state_unref(extractor->state);
}

/* Are there literals, and does the filter take all of them? */
static bool is_prefiltered(const struct extractor *extractor)
{
	struct log_literals literals = log_pipeline_literals(extractor->pipeline);

	for (uint32_t i = 0; i < literals.n; i++) {
		if (!prefilter_takes(literals.items[i]))
			return false;
	}
	return literals.n > 0;
}

static int prefilter_make(struct extractor_set *set)
{
	struct prefilter_literal *literals;
	size_t n = 0;

	for (uint32_t i = 0; i < set->n; i++) {
		set->extractors[i].is_prefiltered = is_prefiltered(&set->extractors[i]);
		if (set->extractors[i].is_prefiltered)
			n += log_pipeline_literals(set->extractors[i].pipeline).n;
	}
	if (n == 0)
		return 0;
	literals = calloc(n, sizeof(*literals));
	if (!literals)
		return ERR_NOMEM;
	n = 0;
	for (uint32_t i = 0; i < set->n; i++) {
		struct log_literals own = log_pipeline_literals(set->extractors[i].pipeline);

		for (uint32_t k = 0; set->extractors[i].is_prefiltered && k < own.n; k++)
			literals[n++] = (struct prefilter_literal){ i, own.items[k] };
	}
	int err = prefilter_new(literals, n, set->n, &set->prefilter);

	free(literals);
	return err;
}

int extractor_set_new(const struct extractor_spec *specs, uint32_t n,
		      const struct extractor_options *options, const struct extractor_set *before,
		      struct diag_list *diags, uint32_t *bad, struct extractor_set **out)
{
	struct extractor_set *set;
	struct state_index index;

	*bad = 0;
	if (n > EXTRACTORS_MAX)
		return ERR_LIMIT;
	set = calloc(1, sizeof(*set));
	if (!set)
		return ERR_NOMEM;
	atomic_init(&set->refs, 1);
	set->series_max = options->series_max ? options->series_max : EXTRACTOR_SERIES_DEFAULT;
	set->redactor = options->redactor ? redactor_ref(options->redactor) : NULL;
	set->extractors = calloc(n ? n : 1, sizeof(*set->extractors));
	int err = index_init(&index, before);

	if (!set->extractors)
		err = ERR_NOMEM;
	for (uint32_t i = 0; !err && i < n; i++) {
		set->n++;
		err = extractor_init(&set->extractors[i], &specs[i], &index, diags);
		*bad = i;
	}
	free(index.states);
	if (!err)
		err = prefilter_make(set);
	if (err)
		extractor_set_unref(set);
	else
		*out = set;
	return err;
}

struct extractor_set *extractor_set_ref(struct extractor_set *set)
{
	atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void extractor_set_unref(struct extractor_set *set)
{
	if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (uint32_t i = 0; i < set->n; i++)
		extractor_fini(&set->extractors[i]);
	free(set->extractors);
	prefilter_free(set->prefilter);
	redactor_unref(set->redactor);
	free(set);
}

uint32_t extractor_set_count(const struct extractor_set *set)
{
	return set->n;
}

struct slice extractor_set_name(const struct extractor_set *set, uint32_t i)
{
	assert(i < set->n);
	return slice_from(set->extractors[i].state->name);
}

void extractor_set_counters(const struct extractor_set *set, uint32_t i,
			    struct extractor_counters *out)
{
	assert(i < set->n);
	struct extractor_state *state = set->extractors[i].state;

	pthread_mutex_lock(&state->lock);
	*out = state->counters;
	out->series = state->nseries;
	pthread_mutex_unlock(&state->lock);
}

bool extractor_wants(const struct extractor *extractor, const struct labels *stream)
{
	return matchers_is_match(extractor->matchers, extractor->nmatchers, stream);
}

bool extractor_set_wants(const struct extractor_set *set, const struct labels *stream)
{
	for (uint32_t i = 0; i < set->n; i++) {
		if (extractor_wants(&set->extractors[i], stream))
			return true;
	}
	return false;
}
