/*
 * A profile in memory: what pprof, collapsed stacks and OTLP profiles have in common, and all that
 * is left of them. Readers (pprof.h, collapsed.h, otlp_profiles.h) fill it, profile_summary.h and
 * profile_report.h look at it.
 *
 * Functions are interned by name: two of one name in different files are one, as they are one for
 * the label `function`. A sample is a stack, the leaf first, inlined frames spelled out, and a
 * value for each sample type. Values are doubles: sums of foreign numbers cannot overflow, and
 * nanoseconds and bytes stay exact up to 2^53.
 *
 * Everything a reader was told to add is bounded here, so that no reader can forget it.
 */
#ifndef TOCSIN_INGEST_PROFILE_H
#define TOCSIN_INGEST_PROFILE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/slice.h"

#define PROFILE_BYTES_MAX (32u * 1024 * 1024) /* of a profile, unpacked */
#define PROFILE_TYPES_MAX 32		      /* sample types of one profile */
#define PROFILE_SAMPLES_MAX 1000000	      /* of one profile */
#define PROFILE_FRAMES_MAX 8000000   /* of all its stacks: few bytes can repeat many frames */
#define PROFILE_DEPTH_MAX 2048	     /* frames of a stack; beyond it the root's side is left out */
#define PROFILE_FUNCTIONS_MAX 500000 /* of one profile */
#define PROFILE_NAME_MAX 1024	     /* bytes of a function's name; what is longer is cut */
#define PROFILE_TRACES_MAX 256	     /* trace ids remembered of one profile; further ones are not */
#define PROFILE_NONE UINT32_MAX

struct profile_type {
	struct slice type, unit; /* "cpu", "nanoseconds" */
};

struct profile_function {
	struct slice name; /* UTF-8, not empty */
	uint64_t hash;	   /* of the name, by the profile's key */
};

struct profile_sample {
	uint32_t frame, nframes; /* where its stack stands in profile->frames */
};

struct profile_trace {
	unsigned char bytes[16];
};

struct profile {
	struct profile_type types[PROFILE_TYPES_MAX];
	uint32_t ntypes;
	struct profile_type period_type;
	int64_t period;
	int64_t time_ns, duration_ns; /* 0: not told */
	struct slice default_type;    /* empty: not told */
	double sampling_rate;	      /* Hz, as told beside the profile; 0: not told */

	struct profile_function *functions;
	uint32_t nfunctions;
	struct profile_sample *samples;
	uint32_t nsamples;
	double *values;	  /* nsamples × ntypes */
	uint32_t *frames; /* indices of functions, the leaf first */
	uint32_t nframes;
	struct profile_trace traces[PROFILE_TRACES_MAX];
	uint32_t ntraces;

	/* private */
	const struct hash_key *key;
	struct arena arena; /* of the texts */
	uint32_t functions_cap, samples_cap, frames_cap;
	uint32_t *slots; /* of the table of functions: index + 1 */
	uint32_t slots_cap;
};

/* The key (borrowed) hashes the names. NULL when out of memory. */
struct profile *profile_new(const struct hash_key *key);
void profile_free(struct profile *profile); /* NULL is fine */
/* Empties it for another; keeps memory. */
void profile_clear(struct profile *profile);

/* A text that lives as long as what is in the profile. ERR_NOMEM. */
int profile_text(struct profile *profile, struct slice text, struct slice *out);
/* Before the first sample. ERR_LIMIT, ERR_NOMEM. */
int profile_type_add(struct profile *profile, struct slice type, struct slice unit);
/*
 * The function of that name, added if it is new. Names are made fit for a label: invalid UTF-8
 * becomes U+FFFD, an empty one "?"; type arguments of Go's generics and the numbers of Java's
 * lambdas, which differ from build to build and from run to run, are left out. ERR_LIMIT,
 * ERR_NOMEM.
 */
int profile_function_add(struct profile *profile, struct slice name, uint32_t *out);
/*
 * A frame without a symbol, named by its place in its file, which is the same in each process:
 * "libc.so.6+0x2a1f0"; of no known file: by its address, "0x7f00". Errors as above.
 */
int profile_address_add(struct profile *profile, struct slice file, uint64_t offset, uint32_t *out);
/* PROFILE_NONE when there is none of that name. */
uint32_t profile_function_find(const struct profile *profile, struct slice name);
/* Begins a sample with room for a value of each type, zero at first. ERR_LIMIT, ERR_NOMEM. */
int profile_sample_add(struct profile *profile, double **values);
/*
 * The next frame of the newest sample, from the leaf to the root. 1: the stack is as deep as may
 * be, and what follows is left out: so that nobody goes on adding frames in vain. ERR_LIMIT,
 * ERR_NOMEM.
 */
int profile_frame_add(struct profile *profile, uint32_t function);
/* Remembers a trace id, once. */
void profile_trace_add(struct profile *profile, const struct profile_trace *trace);
/* 32 hexadecimal digits, not all zero. ERR_INVALID. */
int profile_trace_parse(struct slice text, struct profile_trace *out);

/* Index of the sample type of that name, or PROFILE_NONE. */
uint32_t profile_type_find(const struct profile *profile, const char *type);
/* Sum of a type over all samples. */
double profile_sum(const struct profile *profile, uint32_t type);
/* The value of a sample. */
static inline double profile_value(const struct profile *profile, uint32_t sample, uint32_t type)
{
	return profile->values[(size_t)sample * profile->ntypes + type];
}

/* Asserts the invariants, for tests. */
void profile_check(const struct profile *profile);

#endif
