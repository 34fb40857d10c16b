#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "storage/lset_internal.h"

static uint32_t text_hash(const struct lset_table *table, struct slice text)
{
	return (uint32_t)hash_keyed64(&table->key, text.ptr, text.len);
}

static uint32_t find(const struct lset_table *table, struct slice text, uint32_t hash)
{
	for (uint32_t at = hash, id;
	     (id = id_index_next(&table->symbol_index, hash, &at)) != ID_NONE;)
		if (slice_is_equal(symbol_text(table, id), text))
			return id;
	return SYMBOL_NONE;
}

uint32_t symbol_find(const struct lset_table *table, struct slice text)
{
	return text.len ? find(table, text, text_hash(table, text)) : SYMBOL_NONE;
}

static uint32_t entry_take(struct lset_table *table)
{
	uint32_t id = table->free_symbol;
	if (id)
		table->free_symbol = symbol_at(table, id)->refs;
	else
		id = table->nsymbols++;
	return id;
}

uint32_t symbol_intern(struct lset_table *table, struct slice text)
{
	if (text.len == 0)
		return SYMBOL_NONE;
	uint32_t hash = text_hash(table, text), id = find(table, text, hash);
	if (id != SYMBOL_NONE) {
		symbol_at(table, id)->refs++;
		return id;
	}
	if (text.len >= UINT32_MAX || !id_index_reserve(&table->symbol_index) ||
	    !slabs_reserve(&table->symbols, table->nsymbols, sizeof(struct symbol)))
		return UINT32_MAX;
	char *copy = slice_dup(text);
	if (!copy)
		return UINT32_MAX;
	id = entry_take(table);
	*symbol_at(table, id) =
		(struct symbol){ .text = copy, .len = (uint32_t)text.len, .hash = hash, .refs = 1 };
	id_index_add(&table->symbol_index, hash, id);
	table->live_symbols++;
	table->bytes += text.len + 1;
	return id;
}

void symbol_ref(struct lset_table *table, uint32_t symbol)
{
	assert(symbol < table->nsymbols);
	if (symbol == SYMBOL_NONE)
		return;
	assert(symbol_at(table, symbol)->text);
	symbol_at(table, symbol)->refs++;
}

void symbol_unref(struct lset_table *table, uint32_t symbol)
{
	if (symbol == SYMBOL_NONE)
		return;
	assert(symbol < table->nsymbols);
	struct symbol *entry = symbol_at(table, symbol);
	assert(entry->text && entry->refs);
	if (--entry->refs)
		return;
	id_index_remove(&table->symbol_index, entry->hash, symbol);
	table->bytes -= entry->len + 1;
	free(entry->text);
	entry->text = NULL;
	entry->refs = table->free_symbol;
	table->free_symbol = symbol;
	table->live_symbols--;
}

struct slice symbol_text(const struct lset_table *table, uint32_t symbol)
{
	if (symbol == SYMBOL_NONE)
		return SLICE("");
	assert(symbol < table->nsymbols && symbol_at(table, symbol)->text);
	return (struct slice){ symbol_at(table, symbol)->text, symbol_at(table, symbol)->len };
}

void symbols_fini(struct lset_table *table)
{
	for (uint32_t i = 0; i < table->nsymbols; i++)
		free(symbol_at(table, i)->text);
	slabs_fini(&table->symbols);
	id_index_fini(&table->symbol_index);
}

void symbols_check(const struct lset_table *table)
{
	uint32_t live = 0;
	id_index_check(&table->symbol_index);
	for (uint32_t i = 1; i < table->nsymbols; i++) {
		const struct symbol *entry = symbol_at(table, i);
		if (!entry->text)
			continue;
		struct slice text = symbol_text(table, i);
		live++;
		assert(entry->refs > 0 && entry->len > 0);
		assert(entry->hash == text_hash(table, text));
		assert(find(table, text, entry->hash) == i); /* so no text is there twice */
	}
	assert(live == table->live_symbols && live == table->symbol_index.n);
}
