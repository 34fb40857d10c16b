/*
 * The engine of a replay. Inside of engine/.
 */
#ifndef TOCSIN_ENGINE_REPLAY_INTERNAL_H
#define TOCSIN_ENGINE_REPLAY_INTERNAL_H

#include "base/key_numbers.h"
#include "engine/replay.h"
#include "engine/replay_sort.h"

#define REPLAY_UNITS 100000000 /* nobody waits beside it: as much as there is */

struct replay_engine {
	struct engine *engine;
	const struct replay_sink *sink;
	/* May be NULL: sees changes of state first (not what is kept or held). */
	void (*watch)(void *ctx, const struct alert_event *event);
	void *watch_ctx;
	struct replay_result *result;
	uint64_t failures; /* seen so far */
	bool loaded;
	struct batch *spare; /* a batch that came back, to be filled again */
};

/* Loads the rules and settles. ERR_NOMEM. */
int replay_engine_start(struct replay_engine *run, const struct engine_options *options,
			struct rule_set *rules);
/* Adds what it did to the result. */
void replay_engine_stop(struct replay_engine *run);
void replay_engine_settle(struct replay_engine *run);
/* Work was done: has a rule failed meanwhile? */
void replay_engine_look(struct replay_engine *run);

/* ---- data without arrival times ---- */

#define DATA_SERIES_MAX 20000000u
#define DATA_PATH_MAX 4096

struct data_series {
	struct labels *labels;
	enum window_kind kind;
	bool is_born; /* the engine was told its labels */
};

struct data {
	struct key_numbers keys;    /* of the series, made with `key` */
	struct data_series *series; /* by number */
	uint32_t cap;
	struct hash_key key;
	struct replay_sort *sort;
	uint64_t samples;
	int64_t first_ms, last_ms; /* of all samples, and of lines that came to none; TIME_NONE */
	struct replay_passed passed;
};

/* The number of the series of these labels; takes no reference. ERR_LIMIT, ERR_NOMEM. */
int data_series(struct data *data, struct labels *labels, enum window_kind kind, uint32_t *number);
/* Something arrived then. */
void data_seen(struct data *data, int64_t at_ms);
/* A sample that arrives at at_ms. Errors as replay_sort_add(). */
int data_add(struct data *data, uint32_t series, int64_t at_ms, int64_t ts_ms, uint64_t bits);
/*
 * Reads all files. ERR_INVALID, ERR_IO, ERR_LIMIT with *why, a text to free(); ERR_NOMEM.
 */
int data_read(struct data *data, const struct replay_data_options *options,
	      const struct rule_set *rules, const struct replay_sink *sink, char **why);

/* ---- log lines (replay_lines.c) ---- */

struct data_lines;
/* What the rules look for in lines of these labels. ERR_NOMEM; ERR_INVALID with *why. */
int data_lines_new(struct data *data, const struct rule_set *rules, const struct labels *labels,
		   struct data_lines **out, char **why);
void data_lines_free(struct data_lines *lines); /* NULL is fine */
/* Another file begins. */
void data_lines_file(struct data_lines *lines);
/* A line as it stands. ERR_NOT_FOUND: it tells no time, and no line before it did. Else as
 * data_add(). */
int data_lines_add(struct data_lines *lines, struct slice line);
/* All lines have been given. */
int data_lines_end(struct data_lines *lines);

#endif
