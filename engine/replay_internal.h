/*
 * The engine of a replay. Inside of engine/.
 */
#ifndef TOCSIN_ENGINE_REPLAY_INTERNAL_H
#define TOCSIN_ENGINE_REPLAY_INTERNAL_H

#include "engine/replay.h"

#define REPLAY_UNITS 100000000 /* nobody waits beside it: as much as there is */

struct replay_engine {
	struct engine *engine;
	const struct replay_sink *sink;
	/* May be NULL: sees changes of state first (not what is kept or held). */
	void (*watch)(void *ctx, const struct alert_event *event);
	void *watch_ctx;
	bool loaded;
};

/* Loads the rules and settles. ERR_NOMEM. */
int replay_engine_start(struct replay_engine *run, const struct engine_options *options,
			struct rule_set *rules);
/* Adds what it did to the result. */
void replay_engine_stop(struct replay_engine *run, struct replay_result *result);
void replay_engine_settle(struct replay_engine *run);

#endif
