#include "rules/plan_index.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "rules/names.h"

#define TABLE_CAP_MIN 64

/* Hashes and equality of nodes */

static uint64_t hash_number(uint64_t state, uint64_t v)
{
	return hash_fnv1a64(state, &v, sizeof(v));
}

static uint64_t hash_text(uint64_t state, struct slice text)
{
	return hash_fnv1a64(hash_number(state, text.len), text.ptr, text.len);
}

static uint64_t hash_names(uint64_t state, const struct names *names)
{
	state = hash_number(state, names->n);
	for (uint32_t i = 0; i < names->n; i++)
		state = hash_text(state, names->items[i]);
	return state;
}

/* Numbers are told apart by their bits: 0 and -0 are two, and all NaN that plans have are one. */
uint64_t plan_node_hash(const struct plan_node *node)
{
	uint64_t state = FNV1A64_INIT;

	state = hash_number(state, (uint64_t)node->op << 32 | (uint64_t)node->type);
	state = hash_number(state, node->function ? (uint64_t)node->function->id + 1 : 0);
	state = hash_number(state, node->selector);
	state = hash_number(state, node->log);
	state = hash_number(state, (uint64_t)node->range_ms);
	state = hash_number(state, (uint64_t)node->offset_ms);
	state = hash_number(state, (uint64_t)node->step_ms);
	state = hash_number(state, (uint64_t)node->at_ms);
	state = hash_number(state, (uint64_t)node->at << 40 | (uint64_t)node->edges << 32 |
					   (uint64_t)node->grid);
	state = hash_number(state, bits_of_double(node->number));
	state = hash_text(state, node->string);
	state = hash_number(state, (uint64_t)node->binary << 8 | (uint64_t)node->card << 4 |
					   (uint64_t)node->is_bool << 1 | (uint64_t)node->on);
	for (int side = 0; side < 2; side++)
		if (node->fills[side])
			state = hash_number(hash_number(state, (uint64_t)side + 1),
					    bits_of_double(node->fill[side]));
	state = hash_number(state, (uint64_t)node->keeps_names << 2 |
					   (uint64_t)node->info_optional << 1 | node->info_names);
	state = hash_number(state, (uint64_t)node->aggregate << 1 | (uint64_t)node->without);
	state = hash_names(state, &node->include);
	state = hash_names(state, &node->labels);
	for (uint32_t i = 0; i < node->nabsent_labels; i++)
		state = hash_text(hash_text(state, node->absent_labels[i].name),
				  node->absent_labels[i].value);
	return hash_fnv1a64(state, node->children, node->nchildren * sizeof(*node->children));
}

static bool absent_labels_are_equal(const struct plan_node *a, const struct plan_node *b)
{
	if (a->nabsent_labels != b->nabsent_labels)
		return false;
	for (uint32_t i = 0; i < a->nabsent_labels; i++)
		if (!slice_is_equal(a->absent_labels[i].name, b->absent_labels[i].name) ||
		    !slice_is_equal(a->absent_labels[i].value, b->absent_labels[i].value))
			return false;
	return true;
}

static bool fills_are_equal(const struct plan_node *a, const struct plan_node *b)
{
	for (int side = 0; side < 2; side++)
		if (a->fills[side] != b->fills[side] ||
		    (a->fills[side] && bits_of_double(a->fill[side]) != bits_of_double(b->fill[side])))
			return false;
	return true;
}

/* Equal operator, parameters and children, whatever id and parents. */
static bool plan_node_is_equal(const struct plan_node *a, const struct plan_node *b)
{
	return a->op == b->op && a->type == b->type && a->function == b->function &&
	       a->selector == b->selector && a->log == b->log && a->range_ms == b->range_ms &&
	       a->offset_ms == b->offset_ms && a->step_ms == b->step_ms && a->at == b->at &&
	       a->at_ms == b->at_ms && a->edges == b->edges && a->grid == b->grid &&
	       bits_of_double(a->number) == bits_of_double(b->number) &&
	       slice_is_equal(a->string, b->string) && a->binary == b->binary &&
	       a->is_bool == b->is_bool && a->on == b->on && a->card == b->card &&
	       a->aggregate == b->aggregate && a->without == b->without &&
	       names_is_equal(&a->include, &b->include) && names_is_equal(&a->labels, &b->labels) &&
	       absent_labels_are_equal(a, b) && fills_are_equal(a, b) &&
	       a->info_optional == b->info_optional && a->info_names == b->info_names &&
	       a->keeps_names == b->keeps_names &&
	       a->nchildren == b->nchildren &&
	       (a->nchildren == 0 ||
		memcmp(a->children, b->children, a->nchildren * sizeof(*a->children)) == 0);
}

static uint64_t selector_hash(const char *text)
{
	return hash_fnv1a64(FNV1A64_INIT, text, strlen(text));
}

/* The tables */

static void table_put(struct id_table *table, uint64_t hash, uint32_t id)
{
	uint32_t slot = (uint32_t)hash & (table->cap - 1);

	while (table->slots[slot] != PLAN_NONE)
		slot = (slot + 1) & (table->cap - 1);
	table->slots[slot] = id;
}

static int table_reserve(struct id_table *table, const struct plan *plan,
			 uint64_t (*hash_of)(const struct plan *plan, uint32_t id))
{
	struct id_table grown = { .cap = table->cap ? 2 * table->cap : TABLE_CAP_MIN,
				  .n = table->n };

	if (2 * (table->n + 1) <= table->cap)
		return 0;
	grown.slots = malloc(grown.cap * sizeof(*grown.slots));
	if (!grown.slots)
		return ERR_NOMEM;
	memset(grown.slots, 0xff, grown.cap * sizeof(*grown.slots)); /* all PLAN_NONE */
	for (uint32_t i = 0; i < table->cap; i++)
		if (table->slots[i] != PLAN_NONE)
			table_put(&grown, hash_of(plan, table->slots[i]), table->slots[i]);
	free(table->slots);
	*table = grown;
	return 0;
}

struct plan_index *plan_index_new(void)
{
	return calloc(1, sizeof(struct plan_index));
}

void plan_index_free(struct plan_index *index)
{
	if (!index)
		return;
	free(index->nodes.slots);
	free(index->selectors.slots);
	free(index);
}

uint32_t plan_index_find_node(const struct plan *plan, const struct plan_node *node)
{
	const struct id_table *table = &plan->index->nodes;

	if (table->cap == 0)
		return PLAN_NONE;
	for (uint32_t slot = (uint32_t)node->hash & (table->cap - 1);;
	     slot = (slot + 1) & (table->cap - 1)) {
		uint32_t id = table->slots[slot];

		if (id == PLAN_NONE)
			return PLAN_NONE;
		if (plan->nodes[id]->hash == node->hash &&
		    plan_node_is_equal(plan->nodes[id], node))
			return id;
	}
}

uint32_t plan_index_find_selector(const struct plan *plan, const char *text)
{
	const struct id_table *table = &plan->index->selectors;

	if (table->cap == 0)
		return PLAN_NONE;
	uint32_t slot = (uint32_t)selector_hash(text) & (table->cap - 1);

	for (;; slot = (slot + 1) & (table->cap - 1)) {
		uint32_t id = table->slots[slot];

		if (id == PLAN_NONE || strcmp(plan->selectors[id].text, text) == 0)
			return id;
	}
}

static uint64_t hash_of_node(const struct plan *plan, uint32_t id)
{
	return plan->nodes[id]->hash;
}

static uint64_t hash_of_selector(const struct plan *plan, uint32_t id)
{
	return selector_hash(plan->selectors[id].text);
}

int plan_index_reserve(const struct plan *plan)
{
	int error = table_reserve(&plan->index->nodes, plan, hash_of_node);

	return error ? error : table_reserve(&plan->index->selectors, plan, hash_of_selector);
}

void plan_index_add_node(struct plan *plan, uint32_t id)
{
	assert(2 * (plan->index->nodes.n + 1) <= plan->index->nodes.cap);
	table_put(&plan->index->nodes, plan->nodes[id]->hash, id);
	plan->index->nodes.n++;
}

void plan_index_add_selector(struct plan *plan, uint32_t id)
{
	assert(2 * (plan->index->selectors.n + 1) <= plan->index->selectors.cap);
	table_put(&plan->index->selectors, hash_of_selector(plan, id), id);
	plan->index->selectors.n++;
}
