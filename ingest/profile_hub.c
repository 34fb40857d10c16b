#include "ingest/profile_hub.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "ingest/collapsed.h"
#include "ingest/pprof.h"
#include "storage/store.h"

struct profile_hub {
	const struct hash_key *key;
	struct profile_store *store;
	struct profile_summary *summary;
	struct profile_fetcher *fetcher;
	struct decompressor decompressor;
	struct profile *profile; /* the one under work */
	struct profile *loaded;	 /* the one read back */
	struct buf unpacked, packed, stored;
	struct profile_hub_stats stats;
};

struct profile_hub *profile_hub_new(const struct hash_key *key, struct profile_store *store)
{
	struct profile_hub *hub = calloc(1, sizeof(*hub));

	if (!hub) {
		profile_store_close(store);
		return NULL;
	}
	hub->key = key;
	hub->store = store;
	hub->summary = profile_summary_new(key);
	hub->profile = profile_new(key);
	hub->loaded = profile_new(key);
	decompressor_init(&hub->decompressor);
	buf_init(&hub->unpacked);
	buf_init(&hub->packed);
	buf_init(&hub->stored);
	if (!hub->summary || !hub->profile || !hub->loaded) {
		profile_hub_free(hub);
		return NULL;
	}
	return hub;
}

void profile_hub_free(struct profile_hub *hub)
{
	if (!hub)
		return;
	profile_store_close(hub->store);
	profile_summary_free(hub->summary);
	profile_free(hub->profile);
	profile_free(hub->loaded);
	decompressor_fini(&hub->decompressor);
	buf_fini(&hub->unpacked);
	buf_fini(&hub->packed);
	buf_fini(&hub->stored);
	free(hub);
}

struct profile_store *profile_hub_store(struct profile_hub *hub)
{
	return hub->store;
}

struct profile_summary *profile_hub_summary(struct profile_hub *hub)
{
	return hub->summary;
}

const struct hash_key *profile_hub_key(const struct profile_hub *hub)
{
	return hub->key;
}

const struct profile_hub_stats *profile_hub_stats(const struct profile_hub *hub)
{
	return &hub->stats;
}

void profile_hub_fetcher_set(struct profile_hub *hub, struct profile_fetcher *fetcher)
{
	hub->fetcher = fetcher;
}

struct profile_fetcher *profile_hub_fetcher(struct profile_hub *hub)
{
	return hub->fetcher;
}

/* ---- decoding ---- */

/* The sample types of collapsed stacks, by the kind that their sender names. */
static int collapsed_types(const struct profile_push *push, struct profile *profile,
			   double scale[2])
{
	enum profile_kind kind = push->hint == PROFILE_KIND_NONE ? PROFILE_KIND_CPU : push->hint;
	struct profile_type value = profile_kind_value(kind);
	struct slice count = slice_from(profile_kind_count(kind));
	double rate = push->sample_rate > 0 ? push->sample_rate : PROFILE_SAMPLE_RATE_DEFAULT;

	scale[0] = 1;
	if (kind != PROFILE_KIND_CPU && kind != PROFILE_KIND_WALL) {
		bool counts = slice_has_suffix(push->type, SLICE("_objects")) ||
			      slice_has_suffix(push->type, SLICE("_count"));

		return counts ? profile_type_add(profile, count, SLICE("count"))
			      : profile_type_add(profile, value.type, value.unit);
	}
	/* Each sample stands for a period of time. */
	scale[1] = 1e9 / rate;
	profile->period_type = value; /* static texts */
	profile->period = (int64_t)scale[1];
	profile->sampling_rate = rate;
	int code = profile_type_add(profile, count, SLICE("count"));

	return code ? code : profile_type_add(profile, value.type, value.unit);
}

static int collapsed_decode(struct profile_hub *hub, const struct profile_push *push,
			    const char **why)
{
	double scale[2];
	struct collapsed_options options = { .counted = push->format == PROFILE_FORMAT_FOLDED,
					     .scale = scale };
	uint32_t line;
	int code = collapsed_types(push, hub->profile, scale);

	return code ? code : collapsed_read(push->bytes, &options, hub->profile, &line, why);
}

static int decode(struct profile_hub *hub, const struct profile_push *push, const char **why)
{
	struct slice plain;

	profile_clear(hub->profile);
	if (push->format != PROFILE_FORMAT_PPROF)
		return collapsed_decode(hub, push, why);
	int code = pprof_unpack(&hub->decompressor, push->bytes, &hub->unpacked, &plain, why);

	if (code == 0)
		code = pprof_read(plain, hub->profile, why);
	return code;
}

/* ---- when it was ---- */

struct times {
	int64_t start_ms, end_ms, duration_ns;
};

static int64_t sum_clamped(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? a : sum;
}

static struct times times_of(const struct profile *profile, const struct profile_push *push,
			     int64_t now_ms)
{
	int64_t duration_ns = profile->duration_ns > 0 ? profile->duration_ns : 0;
	struct times times;

	if (push->from_ns && push->until_ns)
		duration_ns = push->until_ns - push->from_ns;
	if (push->until_ns)
		times.end_ms = push->until_ns / 1000000;
	else if (profile->time_ns > 0)
		times.end_ms = sum_clamped(profile->time_ns, duration_ns) / 1000000;
	else
		times.end_ms = now_ms;
	times.duration_ns = duration_ns;
	times.start_ms = times.end_ms - duration_ns / 1000000;
	return times;
}

/* ---- keeping ---- */

static void types_join(const struct profile *profile, enum profile_kind hint,
		       char out[PROFILE_STORE_TYPES_MAX + 1])
{
	struct profile_view views[PROFILE_VIEWS_MAX];
	uint32_t n = profile_views(profile, hint, views);
	size_t len = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < n && len + views[i].name.len < PROFILE_STORE_TYPES_MAX - 1; i++)
		len += (size_t)sprintf(out + len, "%s" SLICE_FMT, i ? "," : "",
				       SLICE_ARG(views[i].name));
}

_Static_assert(sizeof(struct profile_trace) == sizeof(struct profile_trace_id) &&
		       (int)PROFILE_STORE_TRACES_MAX >= (int)PROFILE_TRACES_MAX,
	       "the store takes all trace ids of a profile");

static int keep(struct profile_hub *hub, struct profile *profile, const struct profile_push *push,
		const struct profile_arrival *arrival, const struct times *times, uint64_t *id)
{
	char types[PROFILE_STORE_TYPES_MAX + 1];
	struct slice bytes = push->bytes;

	/* Those it is asked for by come first: they must not fall to the bound. */
	if (arrival->ntraces && profile->ntraces > PROFILE_TRACES_MAX - arrival->ntraces)
		profile->ntraces = PROFILE_TRACES_MAX - arrival->ntraces;
	for (uint32_t i = 0; i < arrival->ntraces; i++)
		profile_trace_add(profile, &arrival->traces[i]);
	types_join(profile, push->hint, types);
	struct profile_entry entry = { .start_ms = times->start_ms,
				       .end_ms = times->end_ms,
				       .labels = push->labels,
				       .types = slice_from(types),
				       .traces = (const void *)profile->traces,
				       .ntraces = profile->ntraces };

	if (push->format != PROFILE_FORMAT_PPROF || bytes.len == 0) {
		buf_clear(&hub->packed);
		profile->time_ns = times->start_ms * 1000000;
		profile->duration_ns = times->duration_ns;
		if (pprof_write(profile, &hub->packed))
			return ERR_NOMEM;
		bytes = buf_slice(&hub->packed);
	}
	return profile_store_add(hub->store, &entry, bytes, id);
}

/* ---- one profile ---- */

int profile_hub_take_decoded(struct profile_hub *hub, struct profile *profile,
			     const struct profile_push *push, const struct profile_arrival *arrival,
			     struct batch *batch, uint64_t *id, const char **why)
{
	struct times times = times_of(profile, push, arrival->now_ms);
	struct profile_target target = { .labels = push->labels,
					 .source = arrival->source,
					 .hint = push->hint,
					 .end_ms = times.end_ms,
					 .duration_ns = times.duration_ns,
					 .cpus = push->cpus,
					 .is_fetched = arrival->is_fetched };

	if (times.end_ms > arrival->now_ms + FUTURE_MAX_MS) {
		*why = "the profile ended more than 10 minutes in the future";
		hub->stats.refused++;
		return ERR_INVALID;
	}
	if (push->sample_rate > 0 && profile->sampling_rate == 0 && profile->period == 0)
		profile->sampling_rate = push->sample_rate;
	int code = profile_summary_add(hub->summary, profile, &target, batch);

	if (code) {
		*why = code == ERR_NOMEM ? error_text(code)
					 : "its sample types, with the labels, make no series";
		hub->stats.refused++;
		return code;
	}
	hub->stats.taken++;
	*id = 0;
	if (keep(hub, profile, push, arrival, &times, id))
		hub->stats.unkept++;
	return 0;
}

int profile_hub_take(struct profile_hub *hub, const struct profile_push *push,
		     const struct profile_arrival *arrival, struct batch *batch, uint64_t *id,
		     const char **why)
{
	int code = decode(hub, push, why);

	if (code) {
		if (code == ERR_NOMEM)
			*why = error_text(code);
		hub->stats.refused++;
		return code;
	}
	return profile_hub_take_decoded(hub, hub->profile, push, arrival, batch, id, why);
}

int profile_hub_load(struct profile_hub *hub, uint64_t id, struct slice type,
		     const struct profile **profile, struct profile_view *view)
{
	struct profile_view views[PROFILE_VIEWS_MAX];
	struct slice plain;
	const char *why;

	buf_clear(&hub->stored);
	int code = profile_store_read(hub->store, id, &hub->stored);

	if (code == 0)
		code = pprof_unpack(&hub->decompressor, buf_slice(&hub->stored), &hub->unpacked,
				    &plain, &why);
	profile_clear(hub->loaded);
	if (code == 0)
		code = pprof_read(plain, hub->loaded, &why);
	if (code)
		return code;
	uint32_t n = profile_views(hub->loaded, profile_kind_of(type), views);

	for (uint32_t i = 0; i < n; i++) {
		if (!slice_is_equal(views[i].name, type))
			continue;
		*view = views[i];
		*profile = hub->loaded;
		return 0;
	}
	return ERR_NOT_FOUND;
}
