/*
 * The labels that a rule puts on its results, and the taking of results into instances.
 *
 * Prometheus' rules: an alert has the labels of the result without the metric name, then the rule's
 * labels, then alertname; a recorded series has the rule's name for metric name, then the rule's
 * labels. An empty value removes a label.
 *
 * Constant labels are symbols from the load on; templates are rendered when a row is first seen
 * (and, only if they read the value, at each evaluation).
 */
#include "engine/engine_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define PAIRS_MAX (LABELS_COUNT_MAX + 8)

int rule_labels_init(struct engine *engine, struct rule_state *rule)
{
	const struct rule *def = rule->def;
	rule->name = symbol_intern(engine->lsets, def->name);
	if (rule->name == UINT32_MAX)
		return ERR_NOMEM;
	rule->labels = calloc(def->nlabels ? def->nlabels : 1, sizeof(*rule->labels));
	if (!rule->labels)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < def->nlabels; i++) {
		const struct rule_text *text = &def->labels[i];
		struct rule_label *label = &rule->labels[i];
		bool constant = !text->template || template_is_constant(text->template);
		label->name = symbol_intern(engine->lsets, text->name);
		label->value = constant ? symbol_intern(engine->lsets, text->text) : SYMBOL_NONE;
		label->template = constant ? NULL : text->template;
		rule->nlabels = i + 1;
		if (label->name == UINT32_MAX || label->value == UINT32_MAX)
			return ERR_NOMEM;
		rule->labels_use_value |= !constant && (template_uses_value(text->template) ||
							template_uses_query(text->template));
	}
	return 0;
}

static void symbol_drop(struct lset_table *lsets, uint32_t symbol)
{
	if (symbol != SYMBOL_NONE && symbol != UINT32_MAX)
		symbol_unref(lsets, symbol);
}

void rule_labels_fini(struct engine *engine, struct rule_state *rule)
{
	for (uint32_t i = 0; i < rule->nlabels; i++) {
		symbol_drop(engine->lsets, rule->labels[i].name);
		symbol_drop(engine->lsets, rule->labels[i].value);
	}
	symbol_drop(engine->lsets, rule->name);
	free(rule->labels);
	rule->labels = NULL;
}

struct pairs {
	struct lset_pair items[PAIRS_MAX];
	size_t n;
	int code; /* of the first failure */
};

static void pairs_set(struct pairs *pairs, uint32_t name, uint32_t value)
{
	for (size_t i = 0; i < pairs->n; i++)
		if (pairs->items[i].name == name) {
			pairs->items[i].value = value;
			return;
		}
	if (pairs->n == PAIRS_MAX)
		pairs->code = ERR_LIMIT;
	else
		pairs->items[pairs->n++] = (struct lset_pair){ name, value };
}

/* A set beyond what labels may be (base/labels.h) could never leave the engine. */
static void pairs_judge(const struct engine *engine, struct pairs *pairs)
{
	size_t n = 0, bytes = 0;
	for (size_t i = 0; i < pairs->n; i++) {
		if (pairs->items[i].value == SYMBOL_NONE)
			continue;
		n++;
		bytes += symbol_text(engine->lsets, pairs->items[i].name).len;
		bytes += symbol_text(engine->lsets, pairs->items[i].value).len;
	}
	if (!pairs->code && (n > LABELS_COUNT_MAX || bytes > LABELS_BYTES_MAX))
		pairs->code = ERR_LIMIT;
}

/*
 * The rendered value: a reference, SYMBOL_NONE when empty, UINT32_MAX without memory. ERR_AGAIN:
 * something that it asks for is to be captured first.
 */
static uint32_t render(struct engine *engine, const struct rule_label *label,
		       const struct template_data *data, int *code)
{
	struct buf text;
	buf_init(&text);
	/* Any other failure is told in the text. */
	if (template_render(label->template, data, &text) == ERR_AGAIN)
		*code = ERR_AGAIN;
	if (buf_ok(&text) && !slice_is_utf8(buf_slice(&text))) {
		buf_clear(&text);
		buf_add_str(&text, "<error expanding template: the result is not valid UTF-8>");
	}
	uint32_t symbol =
		buf_ok(&text) ? symbol_intern(engine->lsets, buf_slice(&text)) : UINT32_MAX;
	buf_fini(&text);
	return symbol;
}

/* Renders the templates among the labels into pairs; the symbols' references go to `taken`. */
static void render_all(struct engine *engine, const struct rule_state *rule, uint32_t expr_lset,
		       double value, struct pairs *pairs, uint32_t *taken)
{
	struct template_data data = { .name = rule->def->name,
				      .value = value,
				      .external_labels = engine->external_labels,
				      .external_url = engine->external_url };
	struct labels *labels = lset_to_labels(engine->lsets, expr_lset);
	if (!labels) {
		pairs->code = ERR_NOMEM;
		return;
	}
	data.labels = labels;
	if (rule->def->labels_ask)
		pairs->code = captures_open(engine, &data);
	for (uint32_t i = 0; i < rule->nlabels && !pairs->code; i++) {
		uint32_t symbol = rule->labels[i].value;
		if (rule->labels[i].template)
			taken[i] = symbol =
				render(engine, &rule->labels[i], &data, &pairs->code);
		if (symbol == UINT32_MAX)
			pairs->code = ERR_NOMEM;
		else
			pairs_set(pairs, rule->labels[i].name, symbol);
	}
	labels_unref(labels);
}

static void labels_set(struct engine *engine, const struct rule_state *rule, uint32_t expr_lset,
		       double value, struct pairs *pairs, uint32_t *taken)
{
	for (uint32_t i = 0; i < rule->nlabels; i++)
		if (rule->labels[i].template) {
			render_all(engine, rule, expr_lset, value, pairs, taken);
			return;
		}
	for (uint32_t i = 0; i < rule->nlabels; i++)
		pairs_set(pairs, rule->labels[i].name, rule->labels[i].value);
}

int rule_labels_apply(struct engine *engine, const struct rule_state *rule, uint32_t expr_lset,
		      double value, uint32_t *out)
{
	bool is_alert = rule->def->kind == RULE_ALERT;
	struct pairs pairs = { .n = 0 };
	const struct lset_pair *from = lset_pairs(engine->lsets, expr_lset);
	size_t nfrom = lset_count(engine->lsets, expr_lset);
	for (size_t i = 0; i < nfrom; i++)
		pairs_set(&pairs, from[i].name, from[i].value);
	pairs_set(&pairs, engine->symbol.name, is_alert ? SYMBOL_NONE : rule->name);
	uint32_t *taken = calloc(rule->nlabels ? rule->nlabels : 1, sizeof(*taken));
	if (!taken)
		return ERR_NOMEM;
	labels_set(engine, rule, expr_lset, value, &pairs, taken);
	if (is_alert)
		pairs_set(&pairs, engine->symbol.alertname, rule->name);
	pairs_judge(engine, &pairs);
	uint32_t lset = LSET_NONE;
	if (!pairs.code) {
		lset = lset_intern_pairs(engine->lsets, pairs.items, pairs.n);
		pairs.code = lset == LSET_NONE ? ERR_NOMEM : 0;
	}
	for (uint32_t i = 0; i < rule->nlabels; i++)
		symbol_drop(engine->lsets, taken[i]);
	free(taken);
	if (!pairs.code)
		*out = lset;
	return pairs.code;
}

void rule_error_set(struct rule_state *rule, const char *format, ...)
{
	free(rule->error);
	rule->error = NULL;
	if (!format)
		return;
	struct buf text;
	buf_init(&text);
	va_list args;
	va_start(args, format);
	char line[1024];
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	buf_add_str(&text, line);
	rule->error = buf_take(&text);
}

int rule_data_reserve(struct rule_state *rule)
{
	uint32_t cap = rule->instances.cap;
	if (cap <= rule->data_cap)
		return 0;
	bool is_alert = rule->def->kind == RULE_ALERT;
	size_t size = is_alert ? sizeof(*rule->alerts) : sizeof(*rule->series);
	char *data = realloc(is_alert ? (void *)rule->alerts : (void *)rule->series, cap * size);
	if (!data)
		return ERR_NOMEM;
	memset(data + rule->data_cap * size, 0, (cap - rule->data_cap) * size);
	if (is_alert)
		rule->alerts = (struct alert *)(void *)data;
	else
		rule->series = (struct series **)(void *)data;
	rule->data_cap = cap;
	return 0;
}

/* ERR_AGAIN: its labels ask for something that is to be captured first. */
static int collect_row(struct engine *engine, struct rule_state *rule, uint32_t row,
		       uint32_t expr_lset, double value)
{
	struct instances *instances = &rule->instances;
	uint32_t slot = rule->labels_use_value ? ID_MAP_NONE
					       : instances_find_row(instances, row, expr_lset);
	if (slot == ID_MAP_NONE) {
		bool is_new;
		uint32_t lset;
		int code = rule_labels_apply(engine, rule, expr_lset, value, &lset);
		if (!code)
			code = instances_join(instances, engine->lsets, row, expr_lset, lset, &slot,
					      &is_new);
		if (!code)
			code = rule_data_reserve(rule);
		if (code)
			return code;
	}
	struct instance *instance = &instances->items[slot];
	if (instance->seen == rule->evaluation) {
		rule_error_set(
			rule,
			"vector contains metrics with the same labelset after applying %s labels",
			rule->def->kind == RULE_ALERT ? "alert" : "rule");
		return ERR_EVAL;
	}
	instance->seen = rule->evaluation;
	return 0;
}

int rule_collect(struct engine *engine, struct rule_state *rule, const struct relation *relation,
		 int64_t *units)
{
	struct pass *pass = &engine->pass;
	while (pass->at < relation->nrows) {
		if (*units <= 0)
			return ERR_AGAIN;
		uint64_t word = relation->present[pass->at / 64] >> (pass->at % 64);
		if (!word) {
			pass->at = (pass->at / 64 + 1) * 64;
			*units -= 1;
			continue;
		}
		uint32_t row = pass->at + (uint32_t)__builtin_ctzll(word);
		if (row >= relation->nrows)
			break;
		int code = captures_answer(engine, units);
		if (!code)
			code = collect_row(engine, rule, row, relation->lsets[row],
					   relation->values[row]);
		if (code == ERR_AGAIN && *units > 0)
			continue;
		if (code)
			return code;
		query_results_unref(captures_take(engine));
		if (pass->results++ == 0)
			pass->value = relation->values[row];
		pass->at = row + 1;
		*units -= UNITS_INSTANCE;
	}
	return 0;
}

static bool is_nothing(const struct rule_state *rule, uint32_t slot)
{
	if (slot >= rule->data_cap)
		return true;
	if (rule->def->kind == RULE_RECORD)
		return !rule->series[slot];
	return rule->alerts[slot].state == ALERT_INACTIVE && !rule->alerts[slot].state_series &&
	       !rule->alerts[slot].for_series;
}

void rule_prune(struct engine *engine, struct rule_state *rule)
{
	for (uint32_t slot = 0; slot < rule->instances.n; slot++)
		if (rule->instances.items[slot].lset != LSET_NONE && is_nothing(rule, slot))
			instances_remove(&rule->instances, engine->lsets, slot);
}
