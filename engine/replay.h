/*
 * Replays: recorded data through rules, on a clock that the data tells.
 *
 * Of a recording (recording.h) the engine is told what the live one was told. Under the rules that
 * were in force then it works in the same pieces, too, so that it says what the live one said,
 * which is compared; under others each piece of work is done to its end at once.
 *
 * Other data has no arrival times: a sample counts as arriving at its timestamp. The engine starts
 * warm then, and knows no silent senders.
 *
 * The same data and rules give the same events, whatever the machine does meanwhile.
 */
#ifndef TOCSIN_ENGINE_REPLAY_H
#define TOCSIN_ENGINE_REPLAY_H

#include "engine/engine.h"
#include "engine/recording.h"

struct replay_progress {
	int64_t t_ms; /* told time; TIME_NONE before the first */
	double share; /* of the data */
	uint64_t samples;
};

struct replay_sink {
	void *ctx;
	/* A change of state, or that an alert is kept or held (from == state). Borrowed. */
	void (*event)(void *ctx, const struct alert_event *event);
	/* Another daemon's life begins: of alerts that went on it tells again, RESTORED. */
	void (*session)(void *ctx, int64_t t_ms);
	void (*progress)(void *ctx, const struct replay_progress *progress); /* may be NULL */
};

struct replay_options {
	struct rule_set *rules;
	/* How the engine is set where no recording tells. */
	int64_t lookback_ms;
	const struct labels *external_labels; /* may be NULL */
	const char *external_url;	      /* may be NULL */
	int64_t to_ms;			      /* ends there; TIME_NONE: with the data */
	bool warm;			      /* a recording, too: rules run from the beginning */
};

#define REPLAY_FAILED_MAX 10 /* rules of which it is told why they failed */
struct replay_failed {
	char rule[128], why[200]; /* cut to fit */
	int64_t first_ms;
};

/* Entries of directories that are not read. */
struct replay_passed {
	uint32_t not_files; /* subdirectories, pipes, … */
	uint32_t hidden;    /* names that begin with a dot */
	uint32_t headers;   /* *.headers: what a capture says of the body beside it */
};

struct replay_result {
	int64_t from_ms, to_ms; /* first and last told time; TIME_NONE: nothing was told */
	uint64_t samples, evaluations, failures, missed;
	uint32_t warming; /* rules that never ran */
	struct replay_failed failed[REPLAY_FAILED_MAX];
	size_t nfailed;
	struct replay_passed passed; /* of other data than a recording */
	/* Of a recording. */
	uint64_t sessions;
	uint64_t torn_bytes; /* of its files: torn or damaged, and not read */
	bool begins_late;    /* its beginning is gone */
	bool rechecked;	     /* live with --verify: not compared */
	bool others;	     /* the live rules were others */
	int64_t others_ms;   /* since; TIME_NONE: from the beginning */
	enum recording_end end;
	/* Events of the live run, compared as long as the rules were these. */
	uint64_t live_events, live_compared;
	bool live_differs;
	int64_t differs_ms;	/* when first */
	char differs_what[200]; /* "firing A{…}, not told live" */
};

/* As replay_recording() tells, before: how its rules were read. ERR_… with *why. */
int replay_recording_settings(const char *dir, struct recording_settings *out, struct arena *arena,
			      char **why);
/* ERR_IO, ERR_CORRUPT, ERR_UNSUPPORTED, ERR_NOT_FOUND with *why, a text to free(); ERR_NOMEM. */
int replay_recording(const char *dir, const struct replay_options *options,
		     const struct replay_sink *sink, struct replay_result *result, char **why);

#define REPLAY_SPAN_MAX_MS (3660ll * 86400000) /* from the first to the last of other data */

/* Data without arrival times. */
struct replay_data_options {
	const char *const *paths; /* files, and directories of files */
	size_t npaths;
	const struct labels *log_labels; /* of all lines; NULL: none are read */
};
/*
 * The same for other data than recordings. ERR_INVALID with *why: something in it is not as it
 * should be, file and line.
 */
int replay_data(const struct replay_data_options *data, const struct replay_options *options,
		const struct replay_sink *sink, struct replay_result *result, char **why);

#endif
