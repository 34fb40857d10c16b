#include "engine/alarms.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"

void alarms_fini(struct alarms *alarms)
{
	free(alarms->items);
	free(alarms->place);
	*alarms = (struct alarms){ .items = NULL };
}

/* ---- the heap ---- */

static void put(struct alarms *alarms, uint32_t at, struct alarm alarm)
{
	alarms->items[at] = alarm;
	alarms->place[alarm.id] = at + 1;
}

/* Puts an alarm where it belongs, from a free place on towards the root. */
static void rise(struct alarms *alarms, uint32_t at, struct alarm alarm)
{
	for (; at > 0 && alarms->items[(at - 1) / 2].at_ms > alarm.at_ms; at = (at - 1) / 2)
		put(alarms, at, alarms->items[(at - 1) / 2]);
	put(alarms, at, alarm);
}

/* The same, away from the root. */
static void sink(struct alarms *alarms, uint32_t at, struct alarm alarm)
{
	for (uint32_t child; (child = 2 * at + 1) < alarms->n; at = child) {
		if (child + 1 < alarms->n &&
		    alarms->items[child + 1].at_ms < alarms->items[child].at_ms)
			child++;
		if (alarms->items[child].at_ms >= alarm.at_ms)
			break;
		put(alarms, at, alarms->items[child]);
	}
	put(alarms, at, alarm);
}

static void take(struct alarms *alarms, uint32_t at)
{
	alarms->place[alarms->items[at].id] = 0;
	struct alarm last = alarms->items[--alarms->n];
	if (at == alarms->n)
		return;
	if (at > 0 && alarms->items[(at - 1) / 2].at_ms > last.at_ms)
		rise(alarms, at, last);
	else
		sink(alarms, at, last);
}

/* ---- numbers ---- */

static bool reserve(struct alarms *alarms, uint32_t id)
{
	if (id >= alarms->places) {
		uint32_t places = id + 1 + id / 2;
		if (!array_resize(&alarms->place, places, sizeof(*alarms->place)))
			return false;
		memset(alarms->place + alarms->places, 0,
		       (places - alarms->places) * sizeof(*alarms->place));
		alarms->places = places;
	}
	return ARRAY_RESERVE(&alarms->items, alarms->n, &alarms->cap);
}

int alarms_set(struct alarms *alarms, uint32_t id, int64_t at_ms)
{
	if (id < alarms->places && alarms->place[id])
		take(alarms, alarms->place[id] - 1);
	if (at_ms == TIME_NONE)
		return 0;
	if (!reserve(alarms, id))
		return ERR_NOMEM;
	rise(alarms, alarms->n++, (struct alarm){ at_ms, id });
	return 0;
}

int64_t alarms_get(const struct alarms *alarms, uint32_t id)
{
	bool is_set = id < alarms->places && alarms->place[id];
	return is_set ? alarms->items[alarms->place[id] - 1].at_ms : TIME_NONE;
}

int64_t alarms_next_ms(const struct alarms *alarms)
{
	return alarms->n > 0 ? alarms->items[0].at_ms : TIME_NONE;
}

bool alarms_take(struct alarms *alarms, int64_t now_ms, uint32_t *id)
{
	if (alarms->n == 0 || alarms->items[0].at_ms > now_ms)
		return false;
	*id = alarms->items[0].id;
	take(alarms, 0);
	return true;
}

void alarms_check(const struct alarms *alarms)
{
	uint32_t n = 0;
	for (uint32_t i = 1; i < alarms->n; i++)
		assert(alarms->items[(i - 1) / 2].at_ms <= alarms->items[i].at_ms);
	for (uint32_t id = 0; id < alarms->places; id++) {
		if (!alarms->place[id])
			continue;
		assert(alarms->place[id] <= alarms->n);
		assert(alarms->items[alarms->place[id] - 1].id == id);
		n++;
	}
	assert(n == alarms->n);
}
