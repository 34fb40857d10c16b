#include "storage/selector_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"

/* ---- lists ---- */

static bool standing_list_add(struct standing_list *list, struct standing *standing)
{
	if (list->n == list->cap) {
		uint32_t cap = list->cap ? list->cap * 2 : 1; /* most nodes have one */
		if (!array_resize(&list->items, cap, sizeof(struct standing *)))
			return false;
		list->cap = cap;
	}
	list->items[list->n++] = standing;
	return true;
}

/* False when it is not there. Keeps the order of the others. */
static bool standing_list_remove(struct standing_list *list, const struct standing *standing)
{
	for (uint32_t i = 0; i < list->n; i++) {
		if (list->items[i] != standing)
			continue;
		list->n--;
		memmove(list->items + i, list->items + i + 1,
			(list->n - i) * sizeof(struct standing *));
		return true;
	}
	return false;
}

void standing_list_fini(struct standing_list *list)
{
	free(list->items);
	*list = (struct standing_list){ .items = NULL };
}

/* ---- nodes ---- */

/* Symbols of rules: nobody outside chooses them. */
static uint32_t key_hash(uint32_t metric, uint32_t name, uint32_t value)
{
	uint64_t mixed = (uint64_t)metric * 0x9e3779b97f4a7c15u;
	mixed = (mixed ^ name) * 0xff51afd7ed558ccdu;
	mixed = (mixed ^ mixed >> 29 ^ value) * 0xc4ceb9fe1a85ec53u;
	return (uint32_t)(mixed >> 32);
}

static uint32_t node_find(const struct selector_index *index, uint32_t metric, uint32_t name,
			  uint32_t value)
{
	uint32_t hash = key_hash(metric, name, value);
	for (uint32_t at = hash, id; (id = id_index_next(&index->by_key, hash, &at)) != ID_NONE;) {
		const struct index_node *node = index->nodes[id];
		if (node->metric == metric && node->name == name && node->value == value)
			return id;
	}
	return ID_NONE;
}

/* Room in both arrays: a node that goes can always be noted as free. */
static bool nodes_reserve(struct selector_index *index)
{
	if (index->nfree > 0 || index->nnodes < index->nodes_cap)
		return true;
	uint32_t cap = index->nodes_cap ? index->nodes_cap * 2 : 16;
	if (!array_resize(&index->nodes, cap, sizeof(struct index_node *)) ||
	    !array_resize(&index->free_ids, cap, sizeof(*index->free_ids)))
		return false;
	index->nodes_cap = cap;
	return true;
}

/* The node of this key, made if there is none; ID_NONE when out of memory. */
static uint32_t node_get(struct selector_index *index, uint32_t metric, uint32_t name,
			 uint32_t value)
{
	uint32_t id = node_find(index, metric, name, value);
	if (id != ID_NONE)
		return id;
	struct index_node *node = calloc(1, sizeof(*node));
	if (!node || !nodes_reserve(index) || !id_index_reserve(&index->by_key)) {
		free(node);
		return ID_NONE;
	}
	node->metric = metric;
	node->name = name;
	node->value = value;
	id = index->nfree > 0 ? index->free_ids[--index->nfree] : index->nnodes++;
	index->nodes[id] = node;
	id_index_add(&index->by_key, key_hash(metric, name, value), id);
	return id;
}

static void node_free(struct index_node *node)
{
	if (!node)
		return;
	standing_list_fini(&node->selectors);
	free(node->names);
	free(node);
}

/* Frees the node if nothing needs it any more. */
static void node_settle(struct selector_index *index, uint32_t id)
{
	struct index_node *node = index->nodes[id];
	if (node->selectors.n > 0 || node->nnames > 0)
		return;
	id_index_remove(&index->by_key, key_hash(node->metric, node->name, node->value), id);
	node_free(node);
	index->nodes[id] = NULL;
	index->free_ids[index->nfree++] = id;
}

static struct index_name *name_find(const struct index_node *root, uint32_t name)
{
	for (uint32_t i = 0; i < root->nnames; i++)
		if (root->names[i].name == name)
			return &root->names[i];
	return NULL;
}

static bool name_add(struct index_node *root, uint32_t name)
{
	struct index_name *known = name_find(root, name);
	if (known) {
		known->n++;
		return true;
	}
	if (!ARRAY_RESERVE(&root->names, root->nnames, &root->names_cap))
		return false;
	root->names[root->nnames++] = (struct index_name){ name, 1 };
	return true;
}

static void name_remove(struct index_node *root, uint32_t name)
{
	struct index_name *known = name_find(root, name);
	assert(known && known->n > 0);
	if (--known->n == 0)
		*known = root->names[--root->nnames];
}

/* ---- the index ---- */

void selector_index_init(struct selector_index *index, uint32_t metric_name)
{
	*index = (struct selector_index){ .metric_name = metric_name };
	id_index_init(&index->by_key);
}

void selector_index_fini(struct selector_index *index)
{
	for (uint32_t i = 0; i < index->nnodes; i++)
		node_free(index->nodes[i]);
	free(index->nodes);
	free(index->free_ids);
	id_index_fini(&index->by_key);
}

/* {x=""} matches the absence of x: no label to look up. */
static bool is_equality(const struct compiled_matcher *matcher)
{
	return matcher->type == MATCH_EQ && matcher->value != SYMBOL_NONE;
}

static uint32_t metric_of(const struct selector_index *index,
			  const struct compiled_matcher *matchers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_equality(&matchers[i]) && matchers[i].name == index->metric_name)
			return matchers[i].value;
	return SYMBOL_NONE;
}

/*
 * The further equality that the fewest selectors stand at; among equal ones a label name that this
 * metric uses anyway, which costs no look-up more.
 */
static const struct compiled_matcher *choose(const struct selector_index *index,
					     const struct index_node *root,
					     const struct compiled_matcher *matchers, size_t n)
{
	const struct compiled_matcher *best = NULL;
	uint32_t best_n = 0;
	bool best_used = false;
	for (size_t i = 0; i < n; i++) {
		const struct compiled_matcher *matcher = &matchers[i];
		if (!is_equality(matcher) || matcher->name == index->metric_name)
			continue;
		uint32_t id = node_find(index, root->metric, matcher->name, matcher->value);
		uint32_t there = id == ID_NONE ? 0 : index->nodes[id]->selectors.n;
		bool used = name_find(root, matcher->name) != NULL;
		if (!best || there < best_n || (there == best_n && used && !best_used)) {
			best = matcher;
			best_n = there;
			best_used = used;
		}
	}
	return best;
}

int selector_index_add(struct selector_index *index, struct standing *standing,
		       const struct compiled_matcher *matchers, size_t n, uint32_t *out)
{
	uint32_t metric = metric_of(index, matchers, n);
	uint32_t root = node_get(index, metric, SYMBOL_NONE, SYMBOL_NONE), at = root;
	if (root == ID_NONE)
		return ERR_NOMEM;
	const struct compiled_matcher *further = choose(index, index->nodes[root], matchers, n);
	bool counted = false;
	if (further) {
		at = node_get(index, metric, further->name, further->value);
		counted = at != ID_NONE && index->nodes[at]->selectors.n == 0;
		if (at == ID_NONE || (counted && !name_add(index->nodes[root], further->name)))
			goto failed;
	}
	if (standing_list_add(&index->nodes[at]->selectors, standing)) {
		*out = at;
		return 0;
	}
	if (counted)
		name_remove(index->nodes[root], further->name);
failed:
	if (at != ID_NONE && at != root)
		node_settle(index, at);
	node_settle(index, root);
	return ERR_NOMEM;
}

void selector_index_remove(struct selector_index *index, struct standing *standing, uint32_t at)
{
	struct index_node *node = index->nodes[at];
	bool was_there = standing_list_remove(&node->selectors, standing);
	assert(was_there);
	if (node->selectors.n == 0 && node->name != SYMBOL_NONE) {
		uint32_t root = node_find(index, node->metric, SYMBOL_NONE, SYMBOL_NONE);
		name_remove(index->nodes[root], node->name);
		node_settle(index, root);
	}
	node_settle(index, at);
}

static bool list_append(struct standing_list *out, const struct standing_list *from)
{
	for (uint32_t i = 0; i < from->n; i++)
		if (!standing_list_add(out, from->items[i]))
			return false;
	return true;
}

static bool find_at(const struct selector_index *index, uint32_t metric,
		    const struct subject *subject, struct standing_list *out)
{
	uint32_t id = node_find(index, metric, SYMBOL_NONE, SYMBOL_NONE);
	if (id == ID_NONE)
		return true;
	const struct index_node *root = index->nodes[id];
	if (!list_append(out, &root->selectors))
		return false;
	for (uint32_t i = 0; i < root->nnames; i++) {
		const struct subject_label *label = subject_find(subject, root->names[i].name);
		if (!label || label->value == SYMBOL_UNKNOWN)
			continue;
		id = node_find(index, metric, label->name, label->value);
		if (id != ID_NONE && !list_append(out, &index->nodes[id]->selectors))
			return false;
	}
	return true;
}

int selector_index_find(const struct selector_index *index, const struct subject *subject,
			struct standing_list *out)
{
	const struct subject_label *metric = subject_find(subject, index->metric_name);
	if (metric && metric->value != SYMBOL_UNKNOWN &&
	    !find_at(index, metric->value, subject, out))
		return ERR_NOMEM;
	return find_at(index, SYMBOL_NONE, subject, out) ? 0 : ERR_NOMEM;
}

size_t selector_index_bytes(const struct selector_index *index)
{
	return index->nnodes * (sizeof(struct index_node) + sizeof(struct index_node *)) +
	       id_index_bytes(&index->by_key);
}

void selector_index_check(const struct selector_index *index)
{
	id_index_check(&index->by_key);
	uint32_t live = 0;
	for (uint32_t i = 0; i < index->nnodes; i++) {
		const struct index_node *node = index->nodes[i];
		if (!node)
			continue;
		live++;
		assert(node_find(index, node->metric, node->name, node->value) == i);
		assert(node->selectors.n > 0 || node->nnames > 0);
		assert(node->name == SYMBOL_NONE || node->nnames == 0);
		if (node->name == SYMBOL_NONE)
			continue;
		uint32_t root = node_find(index, node->metric, SYMBOL_NONE, SYMBOL_NONE);
		assert(root != ID_NONE && name_find(index->nodes[root], node->name));
	}
	assert(live == index->by_key.n && live + index->nfree == index->nnodes);
}
