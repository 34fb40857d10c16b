#include "storage/key_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PART_MIN 16
#define EPOCH_MASK (UINT32_MAX >> 1)

void key_table_init(struct key_table *table, size_t ignored_max)
{
	*table = (struct key_table){ .ignored_max = ignored_max };
}

void key_table_fini(struct key_table *table)
{
	for (size_t i = 0; i < KEY_PARTS; i++)
		free(table->parts[i].slots);
	key_table_init(table, table->ignored_max);
}

static struct key_slot *place(struct key_slot *slots, uint32_t mask, const struct key_slot *slot)
{
	uint32_t at = (uint32_t)slot->key.lo & mask;
	while (slots[at].what != KEY_UNKNOWN)
		at = (at + 1) & mask;
	slots[at] = *slot;
	return &slots[at];
}

bool key_table_reserve(struct key_table *table, struct hash128 key)
{
	struct key_part *part = key_table_part(table, key);
	size_t size = part->slots ? (size_t)part->mask + 1 : 0;
	if (part->n + 1 <= size / 8 * 7)
		return true;
	size_t wanted = size ? size * 2 : PART_MIN;
	if (wanted > UINT32_MAX)
		return false;
	struct key_slot *slots = calloc(wanted, sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; i < size; i++)
		if (part->slots[i].what != KEY_UNKNOWN)
			place(slots, (uint32_t)(wanted - 1), &part->slots[i]);
	free(part->slots);
	part->slots = slots;
	part->mask = (uint32_t)(wanted - 1);
	table->bytes += (wanted - size) * sizeof(*slots);
	return true;
}

static bool is_current(const struct key_table *table, const struct key_slot *slot)
{
	return slot->clock >> 1 == ((uint32_t)table->epoch & EPOCH_MASK);
}

/* Takes the slot's meaning out of the counts. */
static void uncount(struct key_table *table, const struct key_slot *slot)
{
	if (slot->what == KEY_IGNORED) {
		table->ignored--;
		if (is_current(table, slot))
			table->ignored_now--;
	} else if (slot->what == KEY_AMBIGUOUS) {
		table->ambiguous--;
	}
}

static void remove_slot(struct key_table *table, struct key_part *part, uint32_t hole)
{
	struct key_slot *slots = part->slots;
	uint32_t mask = part->mask;
	uncount(table, &slots[hole]);
	for (uint32_t at = (hole + 1) & mask; slots[at].what != KEY_UNKNOWN; at = (at + 1) & mask) {
		uint32_t distance = (at - (uint32_t)slots[at].key.lo) & mask;
		if (distance >= ((at - hole) & mask)) {
			slots[hole] = slots[at];
			hole = at;
		}
	}
	slots[hole].what = KEY_UNKNOWN;
	part->n--;
	table->n--;
}

/*
 * One step of the clock: an ignored key that was asked for gets a second chance, another goes.
 * After a removal the hand stays: what moved into the hole has not been looked at.
 */
static void clock_step(struct key_table *table)
{
	struct key_part *part = &table->parts[table->hand_part];
	if (!part->slots || table->hand_slot > part->mask) {
		table->hand_part = (table->hand_part + 1) % KEY_PARTS;
		table->hand_slot = 0;
		return;
	}
	struct key_slot *slot = &part->slots[table->hand_slot];
	if (slot->what == KEY_IGNORED && !(slot->clock & 1 && is_current(table, slot))) {
		remove_slot(table, part, table->hand_slot);
		table->evicted++;
		return;
	}
	if (slot->what == KEY_IGNORED)
		slot->clock &= ~1u;
	table->hand_slot++;
}

/* The hand finds one to evict within two rounds: the first takes away all second chances. */
static bool evict_beyond(struct key_table *table, size_t max, int64_t *steps)
{
	for (; table->ignored > max && *steps > 0; *steps -= 1)
		clock_step(table);
	return table->ignored <= max;
}

bool key_table_evict(struct key_table *table, int64_t *steps)
{
	return evict_beyond(table, table->ignored_max, steps);
}

void key_table_ignored_max_set(struct key_table *table, size_t ignored_max)
{
	table->ignored_max = ignored_max;
}

static bool make_room_for_ignored(struct key_table *table)
{
	int64_t steps = KEY_EVICT_STEPS_MAX;
	return table->ignored_max > 0 && evict_beyond(table, table->ignored_max - 1, &steps);
}

void key_table_set(struct key_table *table, struct hash128 key, uint32_t what)
{
	assert(what != KEY_UNKNOWN);
	struct key_slot *slot = key_table_slot(table, key);
	if (slot) {
		uncount(table, slot);
		slot->what = what;
	} else {
		if (what == KEY_IGNORED && !make_room_for_ignored(table))
			return;
		struct key_part *part = key_table_part(table, key);
		assert(part->slots && part->n < part->mask);
		slot = place(part->slots, part->mask,
			     &(struct key_slot){ .key = key, .what = what });
		part->n++;
		table->n++;
	}
	slot->clock = 0;
	if (what == KEY_IGNORED) {
		slot->clock = ((uint32_t)table->epoch & EPOCH_MASK) << 1;
		table->ignored++;
		table->ignored_now++;
	} else if (what == KEY_AMBIGUOUS) {
		table->ambiguous++;
	}
}

void key_table_remove(struct key_table *table, struct hash128 key)
{
	struct key_slot *slot = key_table_slot(table, key);
	struct key_part *part = key_table_part(table, key);
	assert(slot);
	remove_slot(table, part, (uint32_t)(slot - part->slots));
}

bool key_table_epoch_raise(struct key_table *table)
{
	if (table->ignored_now == 0)
		return false;
	table->epoch++;
	table->ignored_now = 0;
	return true;
}

void key_table_each(const struct key_table *table,
		    void (*fn)(void *ctx, struct hash128 key, uint32_t what), void *ctx)
{
	for (size_t p = 0; p < KEY_PARTS; p++) {
		const struct key_part *part = &table->parts[p];
		for (size_t i = 0; part->slots && i <= part->mask; i++) {
			const struct key_slot *slot = &part->slots[i];
			bool past = slot->what == KEY_IGNORED && !is_current(table, slot);
			if (slot->what != KEY_UNKNOWN)
				fn(ctx, slot->key, past ? KEY_UNKNOWN : slot->what);
		}
	}
}

static void check_part(const struct key_table *table, size_t p, size_t *n)
{
	const struct key_part *part = &table->parts[p];
	size_t used = 0;
	for (size_t i = 0; part->slots && i <= part->mask; i++) {
		const struct key_slot *slot = &part->slots[i];
		if (slot->what == KEY_UNKNOWN)
			continue;
		used++;
		n[slot->what < KEY_ROW ? slot->what : KEY_ROW]++;
		if (slot->what == KEY_IGNORED && is_current(table, slot))
			n[KEY_UNKNOWN]++;
		assert(slot->key.hi >> 56 == p);
		assert(key_table_slot(table, slot->key) ==
		       slot); /* within reach, and not there twice */
	}
	assert(used == part->n);
}

void key_table_check(const struct key_table *table)
{
	size_t n[KEY_ROW + 1] = { 0 };
	for (size_t p = 0; p < KEY_PARTS; p++)
		check_part(table, p, n);
	assert(n[KEY_IGNORED] == table->ignored && n[KEY_UNKNOWN] == table->ignored_now);
	assert(n[KEY_AMBIGUOUS] == table->ambiguous);
	assert(n[KEY_IGNORED] + n[KEY_AMBIGUOUS] + n[KEY_ROW] == table->n);
}
