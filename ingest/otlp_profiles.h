/*
 * OTLP profiles (v1development, which may change) → profiles as all others are.
 *
 * A request has one dictionary for all its profiles: strings, functions, locations, stacks, links,
 * attributes, each referred to by its place; place 0 stands for none. A profile has one sample
 * type; one that says nothing but brings a pprof as its original payload is that pprof.
 *
 * Source: opentelemetry-proto 1.11, profiles/v1development.
 */
#ifndef TOCSIN_INGEST_OTLP_PROFILES_H
#define TOCSIN_INGEST_OTLP_PROFILES_H

#include "ingest/otlp.h"
#include "ingest/profile_push.h"

/*
 * Takes one profile: decoded in `profile`, or, if that has no sample types, as bytes in `push`. The
 * labels in `push` are borrowed. With an error *why is a static text for the sender.
 */
typedef int otlp_profile_fn(void *ctx, struct profile *profile, const struct profile_push *push,
			    const char **why);

/*
 * Calls fn for each profile of a message that otlp_open() has given, perhaps another decoder's;
 * `scratch` is memory for them. What is wrong with one is told in the result and stops no other.
 * The status as otlp_metrics().
 */
int otlp_profiles(struct otlp_decoder *decoder, struct slice message, struct profile *scratch,
		  otlp_profile_fn *fn, void *ctx, struct otlp_result *result);

#endif
