/* How mappings are put together: merge keys (<<), and keys that come twice. */
#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "base/yaml_build.h"

static int entry_add(struct yaml_builder *b, struct yaml_node *key, struct yaml_node *value,
		     bool merged)
{
	if (!ARRAY_RESERVE(&b->entries, b->nentries, &b->entries_cap))
		return ERR_NOMEM;
	b->entries[b->nentries] = (struct yaml_entry){ key, value, b->nentries, merged };
	b->nentries++;
	return 0;
}

static bool is_merge_key(const struct yaml_node *key)
{
	return key->plain && slice_is(key->text, "<<");
}

static int merge_mapping(struct yaml_builder *b, const struct yaml_node *from)
{
	if (from->type != YAML_MAPPING) {
		yaml_diag(b->diags, DIAG_ERROR, from, "write <<: *anchor, or <<: [*one, *other]",
			  "only mappings can be merged");
		return 0;
	}
	int rc = 0;
	for (size_t i = 0; !rc && i + 1 < from->n; i += 2) {
		rc = yaml_build_count(b, 1 + from->items[i + 1]->nodes);
		if (!rc)
			rc = entry_add(b, from->items[i], from->items[i + 1], true);
	}
	return rc;
}

static int merge(struct yaml_builder *b, const struct yaml_node *value)
{
	if (value->type != YAML_SEQUENCE)
		return merge_mapping(b, value);
	int rc = 0;
	for (size_t i = 0; !rc && i < value->n; i++)
		rc = merge_mapping(b, value->items[i]);
	return rc;
}

static int compare_by_key(const void *left, const void *right)
{
	const struct yaml_entry *a = left, *b = right;
	int order = slice_compare(a->key->text, b->key->text);
	return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int compare_by_order(const void *left, const void *right)
{
	const struct yaml_entry *a = left, *b = right;
	return (a->order > b->order) - (a->order < b->order);
}

/* Keeps the first of each key: written ones come before merged ones. */
static void drop_duplicates(struct yaml_builder *b)
{
	size_t kept = 0;
	if (b->nentries)
		qsort(b->entries, b->nentries, sizeof(*b->entries), compare_by_key);
	for (size_t i = 0; i < b->nentries; i++) {
		const struct yaml_entry *entry = &b->entries[i];
		const struct yaml_entry *first = kept ? &b->entries[kept - 1] : NULL;
		if (!first || !slice_is_equal(first->key->text, entry->key->text)) {
			b->entries[kept++] = *entry;
		} else if (!entry->merged) {
			yaml_diag(b->diags, DIAG_ERROR, entry->key, "take one of them out",
				  "key \"" SLICE_FMT
				  "\" a second time; the first is at line %u, column %u",
				  SLICE_ARG(entry->key->text), first->key->line,
				  first->key->column);
		}
	}
	b->nentries = kept;
	if (kept)
		qsort(b->entries, kept, sizeof(*b->entries), compare_by_order);
}

int yaml_build_mapping(struct yaml_builder *b, struct yaml_node *node, struct yaml_node **children,
		       size_t n)
{
	int rc = 0;
	assert(n % 2 == 0);
	b->nentries = 0;
	for (size_t i = 0; !rc && i < n; i += 2)
		if (!is_merge_key(children[i]))
			rc = entry_add(b, children[i], children[i + 1], false);
	bool merged = false;
	for (size_t i = 0; !rc && i < n; i += 2) {
		if (!is_merge_key(children[i]))
			continue;
		if (merged)
			yaml_diag(b->diags, DIAG_ERROR, children[i], "write <<: [*one, *other]",
				  "key \"<<\" a second time");
		merged = true;
		rc = merge(b, children[i + 1]);
	}
	if (rc)
		return rc;
	drop_duplicates(b);
	node->n = b->nentries * 2;
	node->items = ARENA_ARRAY(b->arena, struct yaml_node *, node->n);
	if (node->n && !node->items)
		return ERR_NOMEM;
	for (size_t i = 0; i < b->nentries; i++) {
		node->items[2 * i] = b->entries[i].key;
		node->items[2 * i + 1] = b->entries[i].value;
	}
	return 0;
}
