/*
 * An engine in simulated time: who has it tells the time and gives it samples; it runs to rest each
 * time. For unit tests and replays, where a file is the clock.
 *
 * Windows count as covered from the beginning, there are no silent senders, and nothing is
 * journaled.
 */
#ifndef TOCSIN_ENGINE_SIMULATION_H
#define TOCSIN_ENGINE_SIMULATION_H

#include "engine/engine.h"

struct simulation_options {
	struct rule_set *rules;		      /* a reference is taken */
	const struct labels *external_labels; /* may be NULL */
	const char *external_url;	      /* may be NULL */
	int64_t start_ms;     /* groups are due then and at multiples of their interval from it */
	int64_t retention_ms; /* everything is kept so long, for queries */
	int64_t lookback_ms;
};

struct simulation;

int simulation_new(const struct simulation_options *options, struct simulation **out);
void simulation_free(struct simulation *simulation); /* NULL is fine */
struct engine *simulation_engine(struct simulation *simulation);
/*
 * Tells the time, takes the batch (NULL: none), whose samples are not newer than it, then runs what
 * is due.
 */
void simulation_step(struct simulation *simulation, int64_t t_ms, struct batch *batch);
/*
 * Evaluates an expression at a time that was told already. ERR_INVALID with diagnostics when it is
 * none; else 0 and *out to engine_query_free(), whose `code` and `error` say how it went.
 */
int simulation_query(struct simulation *simulation, struct slice text, int64_t t_ms,
		     struct diag_list *diags, struct engine_query **out);

#endif
