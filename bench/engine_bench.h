/* An engine on one thread, as the daemon drives it, whose answers go nowhere. */
#ifndef TOCSIN_BENCH_ENGINE_BENCH_H
#define TOCSIN_BENCH_ENGINE_BENCH_H

#include "bench/bench.h"
#include "engine/engine.h"

#define QUANTUM_UNITS 100000

struct cost {
	double total_ms, longest_ms; /* CPU time; of a piece of work */
};

/* Counts the bytes that are journaled into *record_bytes. */
struct engine *bench_engine_new(const struct engine_options *options, uint64_t *record_bytes);
/* Rules by their text, which it takes. */
struct rule_set *bench_rules(struct buf *yaml, int64_t interval_ms);
/* An empty batch with room for so many rows. */
struct batch *bench_batch(uint32_t rows);
/* Works until nothing is left to do. */
void bench_settle(struct engine *engine, struct cost *cost);
/* The batch, and what it leads to. */
void bench_give(struct engine *engine, struct batch *batch, struct cost *cost);

#endif
