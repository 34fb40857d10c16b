/*
 * Recording rules: each row of the result is appended to the series of its labels; a series that is
 * no more in the result gets a stale marker.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"

int record_limit(struct engine *engine, struct rule_state *rule)
{
	if ((int64_t)engine->pass.results <= rule->group->def->limit)
		return 0;
	rule_error_set(rule, "exceeded limit of %lld with %u series",
		       (long long)rule->group->def->limit, engine->pass.results);
	return ERR_EVAL;
}

void record_commit_slot(struct engine *engine, struct rule_state *rule, uint32_t slot,
			const struct relation *relation)
{
	struct instance *instance = &rule->instances.items[slot];
	if (instance->seen != rule->evaluation) {
		local_series_end(engine, &rule->series[slot], engine->pass.query_ms);
		instances_remove(&rule->instances, engine->lsets, slot);
		return;
	}
	if (!rule->series[slot])
		rule->series[slot] = local_series_take(engine, instance->lset);
	if (!rule->series[slot])
		return; /* a limit of series: counted by the store */
	uint64_t bits = bits_of_double(relation->values[instance->row]);
	/* Arithmetic on a NaN keeps its payload; a value must never read as the end of a series. */
	write_local(engine, rule->series[slot], engine->pass.query_ms,
		    bits == STALE_NAN_BITS ? NORMAL_NAN_BITS : bits);
}

bool record_remove(struct engine *engine, struct rule_state *rule, uint32_t *at, int64_t *units)
{
	for (; *at < rule->instances.n; ++*at) {
		uint32_t slot = *at;
		if (rule->instances.items[slot].lset == LSET_NONE)
			continue;
		if (*units <= 0)
			return false;
		*units -= UNITS_INSTANCE;
		local_series_end(engine, &rule->series[slot], rule->last_query_ms + 1);
		instances_remove(&rule->instances, engine->lsets, slot);
	}
	return true;
}
