/*
 * What evidence there is when an alert begins to fire.
 *
 * Functions: the series profile_function_self_ratio and profile_function_total_ratio are demanded
 * for this purpose alone, as long as a lookback, whatever the rules read. Those count that agree
 * with the expression's result: no label of the series contradicts it (but `function` and
 * `profile_type`), and at least one of job, instance and service_name is common. Of each profile
 * type the functions with the largest self ratio are taken; of several instances the largest.
 *
 * Lines: the newest examples (examples.c) of the series made of log lines that the rule reads.
 *
 * A storm of alerts must not stop the engine: so many series are looked at in a second of told
 * time, then alerts go without functions and lines until the next.
 */
#include "engine/engine_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define EVIDENCE_PER_TYPE 5u /* functions of one profile type */
#define CANDIDATES_MAX 128u

static const char *const metrics[] = { "profile_function_self_ratio",
				       "profile_function_total_ratio" };
static const char *const texts[] = { "function", "profile_type", METRIC_NAME,
				     "job",	 "service_name", "instance" };
/* In the order of texts. */
enum { NAME_FUNCTION, NAME_TYPE, NAME_METRIC, NAME_FIRST_COMMON, NAMES = 6 };

struct candidate {
	uint32_t function, type; /* symbols */
	double ratios[2];	 /* self, total; NaN: not known */
};

struct candidates {
	struct candidate items[CANDIDATES_MAX];
	uint32_t n;
};

/* ---- the sources ---- */

static int source_init(struct engine *engine, const char *metric, struct selector **out)
{
	struct matcher matcher;
	char *why;
	int code = matcher_init(&matcher, MATCH_EQ, SLICE(METRIC_NAME), slice_from(metric), &why);
	if (code)
		return code;
	code = store_selector_ref(engine->store, &matcher, 1, out);
	matcher_fini(&matcher);
	return code ? code
		    : selector_reader_add(*out, &engine->asked_ms,
					  engine->options.store.lookback_ms);
}

int evidence_sources_init(struct engine *engine)
{
	struct evidence_sources *sources = &engine->evidence;
	for (size_t i = 0; i < NAMES; i++) {
		sources->names[i] = symbol_intern(engine->lsets, slice_from(texts[i]));
		if (sources->names[i] == SYMBOL_NONE)
			return ERR_NOMEM;
	}
	for (size_t i = 0; i < 2; i++) {
		int code = source_init(engine, metrics[i], &sources->functions[i]);
		if (code)
			return code;
	}
	return 0;
}

void evidence_sources_fini(struct engine *engine)
{
	for (size_t i = 0; i < 2; i++) {
		struct selector *selector = engine->evidence.functions[i];
		if (!selector)
			continue;
		if (selector->nreaders)
			selector_reader_remove(selector, &engine->asked_ms,
					       engine->options.store.lookback_ms);
		store_selector_unref(engine->store, selector);
	}
}

int evidence_lookback_set(struct engine *engine, int64_t lookback_ms)
{
	int64_t before_ms = engine->options.store.lookback_ms;
	for (size_t i = 0; i < 2 && lookback_ms != before_ms; i++) {
		struct selector *selector = engine->evidence.functions[i];
		if (!selector)
			continue;
		int code = selector_reader_add(selector, &engine->asked_ms, lookback_ms);
		if (code)
			return code;
		selector_reader_remove(selector, &engine->asked_ms, before_ms);
	}
	return 0;
}

bool evidence_is_within_budget(struct engine *engine)
{
	struct evidence_sources *sources = &engine->evidence;
	int64_t second = engine->now_ms / 1000;
	if (sources->second != second)
		sources->scanned = 0;
	sources->second = second;
	return sources->scanned < EVIDENCE_SCAN_MAX;
}

/* ---- functions ---- */

/* Do the labels of a series agree with the alert's? Gives function and profile type. */
static bool agrees(const struct engine *engine, uint32_t series_lset, uint32_t expr_lset,
		   uint32_t *function, uint32_t *type)
{
	const uint32_t *names = engine->evidence.names;
	const struct lset_pair *pairs = lset_pairs(engine->lsets, series_lset);
	bool is_common = false;
	*function = *type = SYMBOL_NONE;
	for (size_t i = 0; i < lset_count(engine->lsets, series_lset); i++) {
		if (pairs[i].name == names[NAME_METRIC])
			continue;
		if (pairs[i].name == names[NAME_FUNCTION]) {
			*function = pairs[i].value;
			continue;
		}
		if (pairs[i].name == names[NAME_TYPE])
			*type = pairs[i].value;
		uint32_t value = lset_get(engine->lsets, expr_lset, pairs[i].name);
		if (value != SYMBOL_NONE && value != pairs[i].value)
			return false;
		for (size_t k = NAME_FIRST_COMMON; k < NAMES; k++)
			is_common |= value != SYMBOL_NONE && pairs[i].name == names[k];
	}
	return is_common && *function != SYMBOL_NONE && *type != SYMBOL_NONE;
}

/* Finds it; makes one only where it is asked for and there is room. */
static struct candidate *candidate_get(struct candidates *all, uint32_t function, uint32_t type,
				       bool make)
{
	for (uint32_t i = 0; i < all->n; i++)
		if (all->items[i].function == function && all->items[i].type == type)
			return &all->items[i];
	if (!make || all->n == CANDIDATES_MAX)
		return NULL;
	all->items[all->n] = (struct candidate){ .function = function,
						 .type = type,
						 .ratios = { number_nan(), number_nan() } };
	return &all->items[all->n++];
}

static void candidates_scan(struct engine *engine, size_t which, uint32_t expr_lset,
			    struct candidates *all)
{
	const struct selector *selector = engine->evidence.functions[which];
	for (uint32_t row = 0; row < selector->nmembers && evidence_is_within_budget(engine);
	     row++) {
		const struct series *series = selector->members[row];
		uint32_t function, type;
		int64_t ts_ms;
		double value;
		engine->evidence.scanned++;
		if (!series || !agrees(engine, series->lset, expr_lset, &function, &type) ||
		    !window_last(&series->window, engine->now_ms, &ts_ms, &value) ||
		    ts_ms <= engine->now_ms - engine->options.store.lookback_ms || value != value)
			continue;
		struct candidate *candidate = candidate_get(all, function, type, which == 0);
		if (candidate && !(candidate->ratios[which] >= value))
			candidate->ratios[which] = value;
	}
}

/* By profile type, then the hottest first. */
static int by_heat(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->ratios[0] != y->ratios[0])
		return x->ratios[0] > y->ratios[0] ? -1 : 1;
	return x->function < y->function ? -1 : x->function > y->function;
}

/* A function that rules name, or that was hot a while ago, has series of zeroes. */
static bool was_seen(const struct candidate *candidate)
{
	return candidate->ratios[0] > 0 || candidate->ratios[1] > 0;
}

static void functions_add(struct engine *engine, uint32_t expr_lset, struct evidence *evidence)
{
	struct candidates all = { .n = 0 };
	candidates_scan(engine, 0, expr_lset, &all);
	if (all.n > 0)
		candidates_scan(engine, 1, expr_lset, &all);
	qsort(all.items, all.n, sizeof(*all.items), by_heat);
	for (uint32_t i = 0, of_type = 0; i < all.n; i++) {
		const struct candidate *candidate = &all.items[i];
		of_type = i > 0 && all.items[i - 1].type == candidate->type ? of_type + 1 : 0;
		if (of_type < EVIDENCE_PER_TYPE && was_seen(candidate))
			evidence_function_add(evidence,
					      symbol_text(engine->lsets, candidate->function),
					      symbol_text(engine->lsets, candidate->type),
					      candidate->ratios[0], candidate->ratios[1]);
	}
}

/* ---- lines ---- */

static void lines_add(struct engine *engine, const struct rule_state *rule, uint32_t expr_lset,
		      struct evidence *evidence)
{
	struct example examples[EVIDENCE_LINES_MAX];
	uint32_t n = examples_find(engine, rule, expr_lset, engine->pass.query_ms, examples,
				   EVIDENCE_LINES_MAX);
	for (uint32_t i = 0; i < n; i++)
		evidence_line_add(evidence, examples[i].line);
}

/* ---- the whole ---- */

void alert_evidence_take(struct engine *engine, struct rule_state *rule, uint32_t slot)
{
	struct alert *alert = &rule->alerts[slot];
	struct evidence *evidence = engine->options.evidence ? evidence_new() : NULL;
	evidence_unref(alert->evidence);
	alert->evidence = NULL;
	if (!evidence)
		return;
	uint32_t expr_lset = rule->instances.items[slot].expr_lset;
	functions_add(engine, expr_lset, evidence);
	lines_add(engine, rule, expr_lset, evidence);
	if (evidence_is_empty(evidence))
		evidence_unref(evidence);
	else
		alert->evidence = evidence;
}
