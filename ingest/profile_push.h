/*
 * Profiles as senders push them: from the request to (labels, times, bytes) of each profile in it.
 *
 *   POST /ingest?name=APP.KIND{k=v,…}&from=&until=&format=&sampleRate=…    Pyroscope's agents
 *   POST /push.v1.PusherService/Push                                       Pyroscope's SDKs, Alloy
 *
 * Everything is checked and bounded here; the profiles themselves are decoded by profile_hub.h.
 *
 * Sources: grafana/pyroscope, docs "server API" and api/push/v1/push.proto; the Connect protocol
 * for the second one's encodings.
 */
#ifndef TOCSIN_INGEST_PROFILE_PUSH_H
#define TOCSIN_INGEST_PROFILE_PUSH_H

#include "base/labels.h"
#include "ingest/decompress.h"
#include "ingest/profile_kind.h"

#define PROFILE_PUSH_PARTS_MAX 16      /* parts of a multipart body */
#define PROFILE_PUSH_PROFILES_MAX 1000 /* profiles in one request */
#define PROFILE_PUSH_NAME_MAX 4096     /* bytes of the parameter `name` */

enum profile_format {
	PROFILE_FORMAT_PPROF,
	PROFILE_FORMAT_FOLDED, /* collapsed stacks with counts */
	PROFILE_FORMAT_LINES,  /* a stack a line */
};

/* One profile, not yet decoded. */
struct profile_push {
	struct labels *labels; /* of the target, a reference */
	struct slice bytes;    /* borrowed from the body */
	enum profile_format format;
	enum profile_kind hint;
	int64_t from_ns, until_ns; /* 0: as the profile says */
	double sample_rate;	   /* Hz; 0: not told */
	double cpus;		   /* 0: not told */
	struct slice type;	   /* collapsed stacks: the sample type meant, "inuse_objects" */
};

/* Parameters of /ingest, as they stand in the query; NULL: not there. */
struct profile_ingest_params {
	const char *name, *from, *until, *format, *sample_rate, *cpus;
	struct slice content_type;
};

/* Calls for each profile; the push is borrowed for the call. */
typedef int profile_push_fn(void *ctx, const struct profile_push *push);

/*
 * All readers: 0, what fn returned, or ERR_INVALID, ERR_UNSUPPORTED, ERR_LIMIT, ERR_CORRUPT with a
 * static text in *why; ERR_NOMEM.
 */
int profile_ingest_read(const struct profile_ingest_params *params, struct slice body,
			profile_push_fn *fn, void *ctx, const char **why);
/* The body of Push as protobuf and as JSON; already unpacked. */
int profile_push_read(struct slice body, profile_push_fn *fn, void *ctx, const char **why);
int profile_push_json_read(struct slice body, profile_push_fn *fn, void *ctx, const char **why);

/* The part of that name of a multipart body; ERR_NOT_FOUND; ERR_INVALID with *why. */
int multipart_find(struct slice content_type, struct slice body, const char *name,
		   struct slice *out, const char **why);

#endif
