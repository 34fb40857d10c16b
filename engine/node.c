#include "engine/node.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/quote.h"
#include "base/text.h"

/* ---- lists ---- */

bool id_list_add(struct id_list *list, uint32_t id)
{
	if (list->n == list->cap) {
		uint32_t cap = list->cap ? list->cap * 2 : 8;
		uint32_t *ids = realloc(list->ids, cap * sizeof(*ids));
		if (!ids)
			return false;
		list->ids = ids;
		list->cap = cap;
	}
	list->ids[list->n++] = id;
	return true;
}

void id_list_fini(struct id_list *list)
{
	free(list->ids);
	*list = (struct id_list){ .ids = NULL };
}

/* ---- rows ---- */

static bool rows_reserve(struct rows *rows, uint32_t n)
{
	if (n > rows->cap) {
		uint32_t cap = rows->cap + rows->cap / 2;
		cap = cap < n ? n : cap;
		uint32_t *lsets = realloc(rows->lsets, cap * sizeof(*lsets));
		if (!lsets)
			return false;
		rows->lsets = lsets;
		rows->cap = cap;
	}
	return true;
}

static bool use_add(struct node *node, uint32_t lset)
{
	uint32_t uses = id_map_find(&node->lset_uses, lset);
	uses = uses == ID_MAP_NONE ? 0 : uses;
	if (!id_map_put(&node->lset_uses, lset, uses + 1))
		return false;
	node->repeats += uses > 0;
	return true;
}

static void use_remove(struct node *node, uint32_t lset)
{
	uint32_t uses = id_map_find(&node->lset_uses, lset);
	if (uses == 1) {
		id_map_remove(&node->lset_uses, lset);
		return;
	}
	assert(uses != ID_MAP_NONE);
	id_map_put(&node->lset_uses, lset, uses - 1);
	node->repeats--;
}

int node_row_put(struct binding *b, struct node *node, uint32_t row, uint32_t lset)
{
	struct rows *rows = &node->own;
	assert(node->rows == rows && !rows_has(rows, row));
	if (lset == LSET_NONE)
		return ERR_NOMEM;
	if (!rows_reserve(rows, row + 1) || (node->may_repeat && !use_add(node, lset))) {
		lset_unref(b->lsets, lset);
		return ERR_NOMEM;
	}
	for (; rows->n <= row; rows->n++)
		rows->lsets[rows->n] = LSET_NONE;
	rows->lsets[row] = lset;
	rows->live++;
	if (node->shaped && !id_list_add(&node->own_changes.added, row))
		return ERR_NOMEM;
	return 0;
}

int node_row_new(struct binding *b, struct node *node, uint32_t lset, uint32_t *out)
{
	struct rows *rows = &node->own;
	uint32_t row = rows->free.n ? rows->free.ids[--rows->free.n] : rows->n;
	int err = node_row_put(b, node, row, lset);
	if (err)
		return err;
	*out = row;
	return 0;
}

void node_row_remove(struct binding *b, struct node *node, uint32_t row)
{
	struct rows *rows = &node->own;
	assert(node->rows == rows);
	if (!rows_has(rows, row))
		return;
	if (node->may_repeat)
		use_remove(node, rows->lsets[row]);
	lset_unref(b->lsets, rows->lsets[row]);
	rows->lsets[row] = LSET_NONE;
	rows->live--;
	/* Whoever keeps a child's ids has no use for the list; a failure only wastes an id. */
	if (!node->base && !node->source)
		id_list_add(&rows->free, row);
	if (node->shaped && !id_list_add(&node->own_changes.removed, row))
		b->broken = true;
}

void node_base_set(const struct binding *b, struct node *node, struct node *base, bool drop_name)
{
	node->base = base;
	node->one_name = base->one_name;
	if (!drop_name || base->nameless) {
		node->rows = base->rows;
		node->changes = base->changes;
		node->nameless = base->nameless;
		return;
	}
	/* Names that go in the end only keep rows apart until then. */
	node->nameless = !b->plan->delayed_names;
	node->may_repeat = node->nameless && !base->one_name;
}

bool label_is_metadata(struct slice name)
{
	return slice_is(name, METRIC_NAME) || slice_is(name, "__type__") ||
	       slice_is(name, "__unit__");
}

bool names_have_metadata(const struct names *names)
{
	for (uint32_t i = 0; i < names->n; i++)
		if (label_is_metadata(names->items[i]))
			return true;
	return false;
}

uint32_t binding_nameless(struct binding *b, uint32_t lset)
{
	if (!b->plan->delayed_names)
		return lset_without(b->lsets, lset, b->metadata, 3);
	for (int i = 0; i < 3; i++)
		if (lset_get(b->lsets, lset, b->metadata[i]) != SYMBOL_NONE)
			return lset_with(b->lsets, lset, b->mark, b->mark);
	lset_ref(b->lsets, lset);
	return lset;
}

uint32_t binding_finished(struct binding *b, uint32_t lset)
{
	uint32_t names[] = { b->metadata[0], b->metadata[1], b->metadata[2], b->mark };
	if (b->plan->delayed_names && lset_get(b->lsets, lset, b->mark) != SYMBOL_NONE)
		return lset_without(b->lsets, lset, names, 4);
	lset_ref(b->lsets, lset);
	return lset;
}

uint32_t binding_unmarked(struct binding *b, uint32_t lset)
{
	if (b->plan->delayed_names)
		return lset_without(b->lsets, lset, &b->mark, 1);
	lset_ref(b->lsets, lset);
	return lset;
}

uint32_t binding_joined(struct binding *b, const struct plan_node *p, uint32_t lset)
{
	uint32_t names[] = { b->metadata[0], b->metadata[1], b->metadata[2], b->mark }, out;
	if (lset == LSET_NONE)
		return LSET_NONE;
	if (!binary_op_is_comparison(p->binary))
		out = lset_without(b->lsets, lset, names, 4);
	else
		out = p->is_bool ? binding_nameless(b, lset) : binding_unmarked(b, lset);
	lset_unref(b->lsets, lset);
	return out;
}

int node_count_uses(struct binding *b, struct node *node, uint32_t lset)
{
	if (node->may_repeat || b->plan->delayed_names || (lset_get(b->lsets, lset, b->metadata[1]) == SYMBOL_NONE &&
				 lset_get(b->lsets, lset, b->metadata[2]) == SYMBOL_NONE))
		return 0;
	node->may_repeat = true;
	for (uint32_t row = 0; row < node->own.n; row++)
		if (rows_has(&node->own, row) && !use_add(node, node->own.lsets[row]))
			return ERR_NOMEM;
	return 0;
}

int node_row_put_nameless(struct binding *b, struct node *node, uint32_t row, uint32_t lset)
{
	int err = node_count_uses(b, node, lset);
	return err ? err : node_row_put(b, node, row, binding_nameless(b, lset));
}

int node_extend_base(struct binding *b, struct node *node, uint32_t child, uint32_t row, bool added)
{
	if (node->children[child] != node->base || node->rows != &node->own)
		return 0;
	if (!added) {
		node_row_remove(b, node, row);
		return 0;
	}
	if (rows_has(&node->own, row))
		return 0;
	return node_row_put_nameless(b, node, row, node->base->rows->lsets[row]);
}

/* ---- columns ---- */

bool bits_any(const uint64_t *bits, uint32_t rows)
{
	for (uint32_t i = 0, end = words_of(rows); i < end; i++)
		if (bits[i])
			return true;
	return false;
}

void bits_clear(uint64_t *bits, uint32_t rows)
{
	memset(bits, 0, words_of(rows) * sizeof(*bits));
}

uint64_t *node_silent_begin(struct binding *b, struct node *node)
{
	if (!b->silent)
		return NULL;
	bits_clear(node->own_silent, node->n);
	node->silent = node->own_silent;
	return node->own_silent;
}

double *binding_scratch(struct binding *b, size_t n)
{
	if (n > b->scratch_cap) {
		double *scratch = realloc(b->scratch, n * 2 * sizeof(*scratch));
		if (!scratch)
			return NULL;
		b->scratch = scratch;
		b->scratch_cap = n * 2;
	}
	return b->scratch;
}

/* ---- errors ---- */

void node_warn_of(struct binding *b, const struct node *node, const char *before, double number,
		  const char *after)
{
	if (!b->options.notes)
		return;
	struct buf text;
	buf_init(&text);
	number_format_g(number, &text);
	notes_add(b->options.notes, NOTE_WARNING, node->plan->place, node->plan->id, "%s%s%s",
		  before, text.ptr ? text.ptr : "", after);
	buf_fini(&text);
}

void node_note_quantile(struct binding *b, const struct node *node, double q)
{
	if (!(q >= 0 && q <= 1))
		node_warn_of(b, node, "quantile value should be between 0 and 1, got ", q, "");
}

void node_note_trim(struct binding *b, const struct node *node)
{
	const char *op = binary_op_text(node->plan->binary);
	if (b->options.notes)
		notes_add(b->options.notes, NOTE_INFO, node->plan->place, node->plan->id,
			  "incompatible sample types encountered for binary operator \"%s\": "
			  "float %s float",
			  op, op);
}

int node_check_label(struct node *node, struct slice name)
{
	struct buf text;
	if (name.len > 0 && slice_is_utf8(name))
		return 0;
	buf_init(&text);
	buf_add_str(&text, "invalid label name ");
	text_quote(name, &text);
	node->fault = buf_take(&text);
	return node->fault ? 0 : ERR_NOMEM;
}

int node_fail(struct node *node, const char *format, ...)
{
	va_list args;
	free(node->error);
	node->error = NULL;
	va_start(args, format);
	if (vasprintf(&node->error, format, args) < 0)
		node->error = NULL;
	va_end(args);
	return ERR_EVAL;
}

/* As labels; takes the reference. */
static struct labels *labels_taken(struct binding *b, uint32_t lset)
{
	struct labels *labels = lset != LSET_NONE ? lset_to_labels(b->lsets, lset) : NULL;
	if (lset != LSET_NONE)
		lset_unref(b->lsets, lset);
	return labels;
}

struct labels *binding_labels(struct binding *b, uint32_t lset)
{
	return labels_taken(b, binding_finished(b, lset));
}

struct labels *binding_labels_now(struct binding *b, uint32_t lset)
{
	return labels_taken(b, binding_unmarked(b, lset));
}

void binding_format_lset(struct binding *b, uint32_t lset, struct buf *out)
{
	struct labels *labels = binding_labels_now(b, lset);
	buf_add_char(out, '{');
	for (size_t i = 0; labels && i < labels_count(labels); i++) {
		struct label label = labels_at(labels, i);
		buf_printf(out, "%s" SLICE_FMT "=", i ? ", " : "", SLICE_ARG(label.name));
		text_quote(label.value, out);
	}
	buf_add_char(out, '}');
	labels_unref(labels);
}

/* ---- symbols ---- */

int symbols_take(struct binding *b, const struct names *names, bool metric_name, uint32_t **out,
		 uint32_t *n)
{
	uint32_t *symbols = malloc((names->n + 2) * sizeof(*symbols));
	if (!symbols)
		return ERR_NOMEM;
	uint32_t got = 0;
	for (; got < names->n; got++) {
		symbols[got] = symbol_intern(b->lsets, names->items[got]);
		if (symbols[got] == UINT32_MAX) {
			symbols_give(b, symbols, got);
			return ERR_NOMEM;
		}
	}
	if (metric_name) {
		symbol_ref(b->lsets, b->name);
		symbols[got++] = b->name;
	}
	if (metric_name && b->plan->delayed_names) {
		symbol_ref(b->lsets, b->mark);
		symbols[got++] = b->mark;
	}
	*out = symbols;
	*n = got;
	return 0;
}

void symbols_give(struct binding *b, uint32_t *symbols, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		symbol_unref(b->lsets, symbols[i]);
	free(symbols);
}
