#include "engine/match.h"

#include <assert.h>
#include <stdlib.h>

int match_init(struct binding *b, struct match *match, const struct plan_node *p)
{
	match->on = p->on;
	return symbols_take(b, &p->labels, !p->on, &match->labels, &match->nlabels);
}

int match_release(struct binding *b, struct match *match, int64_t *units)
{
	for (; match->ngroups > 0; match->ngroups--, --*units) {
		if (*units <= 0)
			return ERR_AGAIN;
		uint32_t lset = match->groups[match->ngroups - 1].lset;
		if (lset != LSET_NONE)
			lset_unref(b->lsets, lset);
	}
	return 0;
}

void match_fini(struct binding *b, struct match *match)
{
	int64_t units = INT64_MAX;
	match_release(b, match, &units);
	if (match->labels)
		symbols_give(b, match->labels, match->nlabels);
	id_map_fini(&match->by_lset);
	id_list_fini(&match->free);
	free(match->links[0]);
	free(match->links[1]);
	free(match->groups);
}

static bool links_reserve(struct match *match, uint32_t side, uint32_t n)
{
	if (n <= match->cap[side])
		return true;
	uint32_t cap = n + n / 2 + 8;
	struct match_link *links = realloc(match->links[side], cap * sizeof(*links));
	if (!links)
		return false;
	for (uint32_t i = match->cap[side]; i < cap; i++)
		links[i].group = MATCH_NONE;
	match->links[side] = links;
	match->cap[side] = cap;
	return true;
}

/* Takes the reference of the signature. */
static uint32_t group_new(struct binding *b, struct match *match, uint32_t lset)
{
	uint32_t g = match->free.n ? match->free.ids[match->free.n - 1] : match->ngroups;
	if (g == match->groups_cap) {
		uint32_t cap = g + g / 2 + 8;
		struct match_group *groups = realloc(match->groups, cap * sizeof(*groups));
		if (groups) {
			match->groups = groups;
			match->groups_cap = cap;
		}
	}
	if (g >= match->groups_cap || !id_map_put(&match->by_lset, lset, g)) {
		lset_unref(b->lsets, lset);
		return MATCH_NONE;
	}
	if (g == match->ngroups)
		match->ngroups++;
	else
		match->free.n--;
	match->groups[g] =
		(struct match_group){ .lset = lset, .first = { MATCH_NONE, MATCH_NONE } };
	return g;
}

int match_add(struct binding *b, struct match *match, uint32_t side, uint32_t row, uint32_t lset)
{
	if (!links_reserve(match, side, row + 1))
		return ERR_NOMEM;
	uint32_t signature = (match->on ? lset_only : lset_without)(b->lsets, lset, match->labels,
								    match->nlabels);
	if (signature == LSET_NONE)
		return ERR_NOMEM;
	uint32_t g = id_map_find(&match->by_lset, signature);
	if (g != ID_MAP_NONE)
		lset_unref(b->lsets, signature);
	else
		g = group_new(b, match, signature);
	if (g == MATCH_NONE)
		return ERR_NOMEM;
	struct match_group *group = &match->groups[g];
	struct match_link *links = match->links[side];
	links[row] = (struct match_link){ g, group->first[side], MATCH_NONE };
	if (group->first[side] != MATCH_NONE)
		links[group->first[side]].previous = row;
	group->first[side] = row;
	match->repeated[side] += ++group->count[side] == 2;
	return 0;
}

void match_remove(struct binding *b, struct match *match, uint32_t side, uint32_t row)
{
	struct match_link *links = match->links[side], *link = &links[row];
	uint32_t g = link->group;
	assert(g != MATCH_NONE);
	struct match_group *group = &match->groups[g];
	if (link->previous == MATCH_NONE)
		group->first[side] = link->next;
	else
		links[link->previous].next = link->next;
	if (link->next != MATCH_NONE)
		links[link->next].previous = link->previous;
	link->group = MATCH_NONE;
	match->repeated[side] -= --group->count[side] == 1;
	if (group->count[0] || group->count[1])
		return;
	id_map_remove(&match->by_lset, group->lset);
	lset_unref(b->lsets, group->lset);
	group->lset = LSET_NONE;
	id_list_add(&match->free, g); /* a failure only wastes a number */
}

void match_mark_more(const struct match *match, uint32_t side, const uint64_t *rows, uint32_t from,
		     uint32_t to, uint64_t *marks)
{
	const struct match_link *links = match->links[side];
	FOR_BITS (row, rows, from, to)
		bit_set(marks, links[row].group);
}

void match_mark(const struct match *match, uint32_t side, const uint64_t *rows, uint32_t n,
		uint64_t *marks)
{
	bits_clear(marks, match->ngroups);
	match_mark_more(match, side, rows, 0, n, marks);
}

void match_check(const struct match *match)
{
	uint32_t repeated[2] = { 0, 0 }, groups = 0;
	for (uint32_t g = 0; g < match->ngroups; g++) {
		const struct match_group *group = &match->groups[g];
		if (group->lset == LSET_NONE)
			continue;
		groups++;
		assert(group->count[0] || group->count[1]);
		assert(id_map_find(&match->by_lset, group->lset) == g);
		for (int side = 0; side < 2; side++) {
			uint32_t count = 0, previous = MATCH_NONE;
			for (uint32_t row = group->first[side]; row != MATCH_NONE;
			     row = match->links[side][row].next, count++) {
				assert(match->links[side][row].group == g);
				assert(match->links[side][row].previous == previous);
				previous = row;
			}
			assert(count == group->count[side]);
			repeated[side] += count > 1;
		}
	}
	assert(groups == id_map_count(&match->by_lset));
	assert(repeated[0] == match->repeated[0] && repeated[1] == match->repeated[1]);
}
