/*
 * What a profile is a profile of: one view for each value of the label profile_type that it gives.
 * A Go heap profile gives two, heap_inuse and heap_alloc.
 *
 * The kind is told by the sample types; where they leave it open, by the hint of whoever brought
 * the profile. Sample types that are none of the kinds give one view, named after the profile's
 * default sample type, else its last.
 */
#ifndef TOCSIN_INGEST_PROFILE_KIND_H
#define TOCSIN_INGEST_PROFILE_KIND_H

#include "ingest/profile.h"

enum profile_kind {
#define KIND(id, name, value_type, count_type, mode) PROFILE_KIND_##id,
#include "ingest/profile_kinds.def"
#undef KIND
	PROFILE_KIND_COUNT,
	PROFILE_KIND_NONE = PROFILE_KIND_COUNT, /* not known, or none of them */
};

enum profile_mode { PROFILE_SAMPLED, PROFILE_GAUGE, PROFILE_GROWING };

#define PROFILE_VIEWS_MAX PROFILE_KIND_COUNT

struct profile_view {
	enum profile_kind kind;
	struct slice name; /* the value of profile_type */
	enum profile_mode mode;
	uint32_t value; /* sample type, or PROFILE_NONE: nothing but samples is known */
	double scale;	/* what makes of it the base unit */
	uint32_t count; /* sample type, or PROFILE_NONE */
	double period;	/* in the value's base unit, 0: not told: samples = value by period */
};

const char *profile_kind_name(enum profile_kind kind);
/* How its sample types are called and counted when they come without: value type and unit. */
struct profile_type profile_kind_value(enum profile_kind kind);
const char *profile_kind_count(enum profile_kind kind);
/*
 * The kind that a name stands for: our own names, those of Pyroscope's applications ("app.cpu",
 * "process_cpu", "memory", "inuse_space", "mutex_count"), and the last part of the paths under
 * /debug/pprof/. PROFILE_KIND_NONE for any other.
 */
enum profile_kind profile_kind_of(struct slice name);
/* At least one. */
uint32_t profile_views(const struct profile *profile, enum profile_kind hint,
		       struct profile_view views[PROFILE_VIEWS_MAX]);
/* Hz, of a view that samples in time; 0 when it is not known. */
double profile_view_rate(const struct profile *profile, const struct profile_view *view);

#endif
