#include "ingest/profile_kind.h"

#include <assert.h>

static const struct kind {
	const char *name, *value_type, *count_type;
	enum profile_mode mode;
} kinds[] = {
#define KIND(id, name, value_type, count_type, mode)                                               \
	{ name, value_type, count_type, PROFILE_##mode },
#include "ingest/profile_kinds.def"
#undef KIND
};

/* Other names of kinds: Pyroscope's, those of paths, and sample types of other profilers. */
static const struct {
	const char *name;
	enum profile_kind kind;
} aliases[] = {
	{ "process_cpu", PROFILE_KIND_CPU },
	{ "profile", PROFILE_KIND_CPU },
	{ "itimer", PROFILE_KIND_CPU },
	{ "memory", PROFILE_KIND_HEAP_INUSE },
	{ "heap", PROFILE_KIND_HEAP_INUSE },
	{ "inuse_space", PROFILE_KIND_HEAP_INUSE },
	{ "inuse_objects", PROFILE_KIND_HEAP_INUSE },
	{ "alloc_space", PROFILE_KIND_HEAP_ALLOC },
	{ "alloc_objects", PROFILE_KIND_HEAP_ALLOC },
	{ "allocs", PROFILE_KIND_HEAP_ALLOC },
	{ "delta_heap", PROFILE_KIND_HEAP_ALLOC },
	{ "goroutines", PROFILE_KIND_GOROUTINE },
	{ "mutex_count", PROFILE_KIND_MUTEX },
	{ "mutex_duration", PROFILE_KIND_MUTEX },
	{ "delta_mutex", PROFILE_KIND_MUTEX },
	{ "block_count", PROFILE_KIND_BLOCK },
	{ "block_duration", PROFILE_KIND_BLOCK },
	{ "delta_block", PROFILE_KIND_BLOCK },
};

/* Sample types that mean what one of ours does. */
static const struct {
	const char *type, *ours;
} synonyms[] = {
	{ "space", "inuse_space" },	{ "inuse_space", "space" },
	{ "objects", "inuse_objects" }, { "inuse_objects", "objects" },
	{ "goroutine", "goroutines" },	{ "samples", "sample" },
};

const char *profile_kind_name(enum profile_kind kind)
{
	assert(kind < PROFILE_KIND_COUNT);
	return kinds[kind].name;
}

const char *profile_kind_count(enum profile_kind kind)
{
	assert(kind < PROFILE_KIND_COUNT);
	return kinds[kind].count_type;
}

struct profile_type profile_kind_value(enum profile_kind kind)
{
	assert(kind < PROFILE_KIND_COUNT);
	bool is_heap = kind == PROFILE_KIND_HEAP_INUSE || kind == PROFILE_KIND_HEAP_ALLOC;

	return (struct profile_type){ slice_from(kinds[kind].value_type),
				      is_heap			       ? SLICE("bytes")
				      : kind == PROFILE_KIND_GOROUTINE ? SLICE("count")
								       : SLICE("nanoseconds") };
}

enum profile_kind profile_kind_of(struct slice name)
{
	const char *dot = name.len ? memrchr(name.ptr, '.', name.len) : NULL;

	if (dot)
		name = (struct slice){ dot + 1, (size_t)(name.ptr + name.len - (dot + 1)) };
	for (size_t i = 0; i < PROFILE_KIND_COUNT; i++)
		if (slice_is(name, kinds[i].name))
			return (enum profile_kind)i;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
		if (slice_is(name, aliases[i].name))
			return aliases[i].kind;
	return PROFILE_KIND_NONE;
}

/* The factor to the base unit, and whether it is a time. */
static double unit_scale(struct slice unit, bool *is_time)
{
	static const struct {
		const char *unit;
		double scale;
		bool is_time;
	} units[] = {
		{ "nanoseconds", 1e-9, true },	{ "ns", 1e-9, true },
		{ "microseconds", 1e-6, true }, { "us", 1e-6, true },
		{ "milliseconds", 1e-3, true }, { "ms", 1e-3, true },
		{ "seconds", 1, true },		{ "s", 1, true },
		{ "kilobytes", 1024, false },	{ "megabytes", 1024.0 * 1024, false },
	};

	*is_time = false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (slice_is(unit, units[i].unit)) {
			*is_time = units[i].is_time;
			return units[i].scale;
		}
	}
	return 1;
}

/* In seconds; 0 when it is not told, or is no time. */
static double period_seconds(const struct profile *profile)
{
	bool is_time;
	double scale = unit_scale(profile->period_type.unit, &is_time);

	return is_time && profile->period > 0 ? (double)profile->period * scale : 0;
}

static uint32_t type_find(const struct profile *profile, const char *type)
{
	uint32_t found = profile_type_find(profile, type);

	for (size_t i = 0; found == PROFILE_NONE && i < sizeof(synonyms) / sizeof(*synonyms); i++)
		if (strcmp(synonyms[i].type, type) == 0)
			found = profile_type_find(profile, synonyms[i].ours);
	return found;
}

static const char *type_of(int kind, bool by_count)
{
	return by_count ? kinds[kind].count_type : kinds[kind].value_type;
}

/* Of kinds that share a type: is it another that is meant, by the hint, else by the order? */
static bool is_other(int kind, enum profile_kind hint, bool by_count)
{
	for (int other = 0; other < PROFILE_KIND_COUNT; other++)
		if (other != kind && (int)hint != kind && ((int)hint == other || other < kind) &&
		    strcmp(type_of(kind, by_count), type_of(other, by_count)) == 0)
			return true;
	return false;
}

static struct profile_view view_make(const struct profile *profile, enum profile_kind kind,
				     uint32_t value, uint32_t count)
{
	struct profile_view view = { .kind = kind,
				     .name = slice_from(kinds[kind].name),
				     .mode = kinds[kind].mode,
				     .value = value,
				     .count = count,
				     .scale = 1 };
	bool is_time;

	if (value != PROFILE_NONE)
		view.scale = unit_scale(profile->types[value].unit, &is_time);
	if (view.mode == PROFILE_SAMPLED) {
		view.period = period_seconds(profile);
		if (view.period == 0 && profile->sampling_rate > 0)
			view.period = 1 / profile->sampling_rate;
		/* Each sample stands for a period of time. */
		if (value == PROFILE_NONE && view.period > 0) {
			view.value = count;
			view.scale = view.period;
		}
	}
	return view;
}

static uint32_t views_by(const struct profile *profile, enum profile_kind hint, bool by_count,
			 struct profile_view *views)
{
	uint32_t n = 0;

	for (int i = 0; i < PROFILE_KIND_COUNT; i++) {
		uint32_t value = type_find(profile, kinds[i].value_type),
			 count = type_find(profile, kinds[i].count_type);

		if ((by_count ? count : value) != PROFILE_NONE && !is_other(i, hint, by_count))
			views[n++] = view_make(profile, (enum profile_kind)i, value, count);
	}
	return n;
}

static struct profile_view view_of_unknown(const struct profile *profile)
{
	uint32_t value = profile->ntypes - 1;
	bool is_time;

	for (uint32_t i = 0; i < profile->ntypes; i++)
		if (slice_is_equal(profile->types[i].type, profile->default_type))
			value = i;
	struct slice unit = profile->types[value].unit;

	return (struct profile_view){ .kind = PROFILE_KIND_NONE,
				      .name = profile->types[value].type,
				      .mode = PROFILE_GAUGE,
				      .value = value,
				      .scale = unit_scale(unit, &is_time),
				      .count = slice_is(unit, "count") ? value : PROFILE_NONE };
}

uint32_t profile_views(const struct profile *profile, enum profile_kind hint,
		       struct profile_view views[PROFILE_VIEWS_MAX])
{
	assert(profile->ntypes > 0);
	uint32_t n = views_by(profile, hint, false, views);

	if (n == 0)
		n = views_by(profile, hint, true, views);
	if (n == 0)
		views[n++] = view_of_unknown(profile);
	return n;
}

double profile_view_rate(const struct profile *profile, const struct profile_view *view)
{
	if (view->mode != PROFILE_SAMPLED)
		return 0;
	if (profile->sampling_rate > 0)
		return profile->sampling_rate;
	return view->period > 0 ? 1 / view->period : 0;
}
