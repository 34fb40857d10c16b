/*
 * label_replace() and label_join(): all is done when a row is born; values and presence are the
 * child's.
 */
#include <stdlib.h>

#include "base/regex.h"
#include "engine/node.h"

struct label_state {
	uint32_t target; /* symbol */
	uint32_t *sources, nsources; /* symbols */
	struct slice text; /* the replacement, or the separator */
	struct regex *regex; /* label_replace() */
};

static struct slice string_at(const struct binding *b, const struct node *node, uint32_t i)
{
	return b->plan->nodes[node->plan->children[i]]->string;
}

static bool is_replace(const struct node *node)
{
	return node->plan->function->id == FN_LABEL_REPLACE;
}

/* What is wrong whatever the data is told at each evaluation, as in Prometheus. */
static int note_fault(struct node *node, const char *what, struct slice subject)
{
	struct buf text;
	buf_init(&text);
	buf_printf(&text, "%s in %s(): " SLICE_FMT, what, node->plan->function->name,
		   SLICE_ARG(subject));
	node->fault = buf_take(&text);
	return node->fault ? 0 : ERR_NOMEM;
}

static bool is_label_name(struct slice name)
{
	return name.len > 0 && slice_is_utf8(name);
}

static int make_regex(struct binding *b, struct node *node, struct label_state *state)
{
	char *why = NULL;
	size_t offset;
	struct slice pattern = string_at(b, node, 4);
	int err = regex_new(pattern, &state->regex, &why, &offset);
	free(why);
	if (err == ERR_INVALID)
		return note_fault(node, "invalid regular expression", pattern);
	return err;
}

/*
 * The labels that are read: the fourth argument of label_replace(), all after the third of
 * label_join().
 */
static int make_sources(struct binding *b, struct node *node, struct label_state *state)
{
	uint32_t n = is_replace(node) ? 1 : node->plan->nchildren - 3;
	state->sources = malloc((n + 1) * sizeof(*state->sources));
	if (!state->sources)
		return ERR_NOMEM;
	for (; state->nsources < n; state->nsources++) {
		struct slice name = string_at(b, node, 3 + state->nsources);
		if (!is_replace(node) && !is_label_name(name))
			return note_fault(node, "invalid source label name", name);
		uint32_t symbol = symbol_intern(b->lsets, name);
		if (symbol == UINT32_MAX)
			return ERR_NOMEM;
		state->sources[state->nsources] = symbol;
	}
	return 0;
}

static int shape_label(struct binding *b, struct node *node)
{
	struct label_state *state = node->state = calloc(1, sizeof(*state));
	if (!state)
		return ERR_NOMEM;
	node->base = node->children[0];
	node->may_repeat = true;
	struct slice target = string_at(b, node, 1);
	node->nameless = node->base->nameless && !label_is_metadata(target);
	state->text = string_at(b, node, 2);
	state->target = symbol_intern(b->lsets, target);
	if (state->target == UINT32_MAX)
		return ERR_NOMEM;
	int err = make_sources(b, node, state);
	if (!err && is_replace(node))
		err = make_regex(b, node, state);
	if (!err && !node->fault && !is_label_name(target))
		err = note_fault(node, "invalid destination label name", target);
	if (!err && !node->fault && !slice_is_utf8(state->text))
		err = note_fault(node, is_replace(node) ? "replacement is not UTF-8"
							: "separator is not UTF-8", state->text);
	return err;
}

static void fini_label(struct binding *b, struct node *node)
{
	struct label_state *state = node->state;
	if (!state)
		return;
	if (state->target != UINT32_MAX)
		symbol_unref(b->lsets, state->target);
	if (state->sources)
		symbols_give(b, state->sources, state->nsources);
	regex_free(state->regex);
	free(state);
}

static struct slice label_value(const struct binding *b, uint32_t lset, uint32_t name)
{
	return symbol_text(b->lsets, lset_get(b->lsets, lset, name));
}

/*
 * The new value of the target label. 1 there is one, 0 the row stays as it is, negative an error.
 */
static int make_value(struct binding *b, const struct node *node, uint32_t lset, struct buf *out)
{
	const struct label_state *state = node->state;
	if (is_replace(node))
		return regex_expand(state->regex, label_value(b, lset, state->sources[0]),
				    state->text, out);
	for (uint32_t i = 0; i < state->nsources; i++) {
		if (i)
			buf_add_slice(out, state->text);
		buf_add_slice(out, label_value(b, lset, state->sources[i]));
	}
	return 1;
}

static uint32_t relabel(struct binding *b, const struct node *node, uint32_t lset)
{
	const struct label_state *state = node->state;
	struct buf value;
	buf_init(&value);
	int made = make_value(b, node, lset, &value);
	uint32_t symbol = made > 0 && buf_ok(&value) ? symbol_intern(b->lsets, buf_slice(&value))
						     : UINT32_MAX;
	bool failed = made < 0 || !buf_ok(&value);
	buf_fini(&value);
	if (made == 0) {
		lset_ref(b->lsets, lset);
		return lset;
	}
	if (failed || symbol == UINT32_MAX)
		return LSET_NONE;
	lset = lset_with(b->lsets, lset, state->target, symbol);
	symbol_unref(b->lsets, symbol);
	if (lset == LSET_NONE || state->target != b->name)
		return lset;
	/* A name that is set stays, whatever was to become of the one before. */
	uint32_t kept = lset_without(b->lsets, lset, &b->mark, 1);
	lset_unref(b->lsets, lset);
	return kept;
}

static int extend_label(struct binding *b, struct node *node, uint32_t child, uint32_t row,
			bool added)
{
	if (child != 0)
		return 0;
	if (!added) {
		node_row_remove(b, node, row);
		return 0;
	}
	if (rows_has(&node->own, row))
		return 0;
	uint32_t lset = node->base->rows->lsets[row];
	if (node->fault) { /* never evaluated: any labels will do */
		lset_ref(b->lsets, lset);
		return node_row_put(b, node, row, lset);
	}
	return node_row_put(b, node, row, relabel(b, node, lset));
}

static int eval_label(struct binding *b, struct node *node, uint32_t from, uint32_t to,
		      int64_t *units)
{
	node->values = node->base->values;
	node->present = node->base->present;
	return 0;
}

const struct node_kind node_label_function = {
	.name = "label function",
	.shape = shape_label,
	.extend = extend_label,
	.eval = eval_label,
	.fini = fini_label,
};
