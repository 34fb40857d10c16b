/*
 * What the tests of evaluation share: a store that keeps everything, series from texts, expressions
 * and their results.
 */
#ifndef TOCSIN_TESTS_ENGINE_EVAL_FIXTURE_H
#define TOCSIN_TESTS_ENGINE_EVAL_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/binding.h"
#include "engine/oracle.h"
#include "rules/expr.h"
#include "tests/check_main.h"

#define WORLD_LOOKBACK_MS 300000

/*
 * ---- a store, with one selector that holds every series as far back as reach_ms from due_ms ----
 */

struct world {
	struct store *store;
	struct selector *all;
	int64_t due_ms, reach_ms;
	uint64_t keys;
};

static inline void world_init(struct world *world, int64_t now_ms, int64_t reach_ms)
{
	static struct hash_key key;
	hash_key_derive(&key, "engine", 6);
	struct store_options options = { .lookback_ms = WORLD_LOOKBACK_MS, .key = &key };
	struct matcher matcher;
	char *why;
	*world = (struct world){ .due_ms = now_ms, .reach_ms = reach_ms };
	world->store = store_new(&options);
	ck_assert_ptr_nonnull(world->store);
	ck_assert_int_eq(matcher_init(&matcher, MATCH_RE, SLICE(METRIC_NAME), SLICE(".*"), &why),
			 0);
	ck_assert_int_eq(store_selector_ref(world->store, &matcher, 1, &world->all), 0);
	matcher_fini(&matcher);
	ck_assert_int_eq(selector_reader_add(world->all, &world->due_ms, reach_ms), 0);
	store_time_set(world->store, now_ms);
}

static inline void world_fini(struct world *world)
{
	selector_reader_remove(world->all, &world->due_ms, world->reach_ms);
	store_selector_unref(world->store, world->all);
	store_free(world->store);
}

static inline struct series *world_series(struct world *world, const struct label *pairs, size_t n)
{
	struct labels *labels;
	struct series *series;
	struct hash128 key = { ++world->keys, 1 };
	ck_assert_int_eq(labels_new(pairs, n, &labels, NULL), 0);
	ck_assert_int_eq(store_birth(world->store, key, labels, &series), 0);
	ck_assert_ptr_nonnull(series);
	labels_unref(labels);
	return series;
}

static inline enum append_result world_add_bits(struct world *world, struct series *series,
						int64_t ts_ms, uint64_t bits)
{
	if (ts_ms > store_time(world->store))
		store_time_set(world->store, ts_ms);
	return store_append_series(world->store, series, 0, ts_ms, bits);
}

static inline void world_add(struct world *world, struct series *series, int64_t ts_ms,
			     double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	world_add_bits(world, series, ts_ms, bits);
}

/* ---- an expression: parsed, planned, bound ---- */

struct query {
	char *text;
	struct source source;
	struct arena arena;
	struct diag_list diags;
	struct expr *expr; /* NULL: does not parse */
};

/* Parses, but works out no times that depend on the query. */
static inline bool query_parse(struct query *query, const char *text, size_t len)
{
	query->text = slice_dup((struct slice){ text, len });
	query->source = (struct source){ .text = { query->text, len }, .line0 = 1, .column0 = 1 };
	query->expr = NULL;
	arena_init(&query->arena, 0);
	diag_list_init(&query->diags);
	return expr_parse(&query->source, &query->arena, &query->diags, &query->expr) == 0;
}

static inline bool query_init(struct query *query, const char *text, size_t len)
{
	static const struct query_bounds bounds; /* of an instant query: lengths of 0 */
	return query_parse(query, text, len) &&
	       expr_resolve(query->expr, &bounds, &query->source, &query->diags) == 0;
}

static inline void query_fini(struct query *query)
{
	if (query->expr)
		expr_fini(query->expr);
	diag_list_fini(&query->diags);
	arena_fini(&query->arena);
	free(query->text);
}

/* A series by its description: m{a="1",b="x"}. */
static inline struct series *world_series_of(struct world *world, const char *text)
{
	struct query query;
	struct label pairs[64];
	size_t n = 0;
	ck_assert_msg(query_init(&query, text, strlen(text)), "%s", text);
	ck_assert_int_eq(query.expr->kind, EXPR_SELECTOR);
	for (uint32_t i = 0; i < query.expr->selector.nmatchers; i++) {
		const struct matcher *m = &query.expr->selector.matchers[i];
		pairs[n++] = (struct label){ matcher_name(m), matcher_value(m) };
	}
	struct series *series = world_series(world, pairs, n);
	query_fini(&query);
	return series;
}

/* Samples from from_ms on, step_ms apart: "1 2 _ NaN stale 5", where _ is none. */
static inline void world_load(struct world *world, const char *series, int64_t from_ms,
			      int64_t step_ms, const char *values)
{
	struct series *to = world_series_of(world, series);
	char *copy = strdup(values), *save = NULL;
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (strcmp(word, "stale") == 0)
			world_add_bits(world, to, from_ms, STALE_NAN_BITS);
		else if (strcmp(word, "_") != 0)
			world_add(world, to, from_ms, strtod(word, NULL));
		from_ms += step_ms;
	}
	free(copy);
}

/* ---- evaluation ---- */

static inline struct binding *binding_of(struct world *world, const struct plan *plan,
					 bool standing)
{
	struct binding_options options = { .lookback_ms = WORLD_LOOKBACK_MS, .standing = standing };
	struct binding *binding;
	int64_t units = INT64_MAX;
	ck_assert_int_eq(binding_new(world->store, plan, &options, &binding), 0);
	ck_assert_int_eq(binding_shape(binding, &units), 0);
	return binding;
}

/* Evaluates a root in pieces of so many units. */
static inline int eval_root(struct binding *binding, const struct plan *plan, uint32_t root,
			    int64_t t_ms, int64_t quantum)
{
	uint32_t *order, norder;
	struct eval_cursor cursor = { 0, 0 };
	int code;
	ck_assert_int_eq(plan_order(plan, root, &order, &norder), 0);
	do {
		int64_t units = quantum;
		code = binding_eval(binding, order, norder, t_ms, &cursor, &units);
	} while (code == ERR_AGAIN);
	free(order);
	return code;
}

static inline int compare_result_rows(const void *a, const void *b)
{
	return labels_compare(((const struct oracle_row *)a)->labels,
			      ((const struct oracle_row *)b)->labels);
}

/* The relation as the oracle gives it: with labels, sorted. */
static inline void result_of(struct world *world, const struct binding *binding, uint32_t root,
			     int code, struct oracle_result *out)
{
	struct relation relation;
	*out = (struct oracle_result){ .type = VALUE_NONE };
	binding_relation(binding, root, &relation);
	out->type = relation.type;
	out->scalar = relation.scalar;
	if (code == ERR_EVAL)
		snprintf(out->error, sizeof(out->error), "%s", binding_error(binding, root));
	else
		ck_assert_int_eq(code, 0);
	if (relation.type != VALUE_VECTOR || code)
		return;
	out->rows = calloc(relation_count(&relation) + 1, sizeof(*out->rows));
	for (uint32_t row = 0; row < relation.nrows; row++) {
		if (!relation_has(&relation, row))
			continue;
		ck_assert_uint_ne(relation.lsets[row], LSET_NONE);
		out->rows[out->n++] = (struct oracle_row){ lset_to_labels(store_lsets(world->store),
									  relation.lsets[row]),
							   relation.values[row] };
	}
	ck_assert_uint_eq(out->n, relation_count(&relation));
	qsort(out->rows, out->n, sizeof(*out->rows), compare_result_rows);
}

/* Parses, plans, binds and evaluates one expression at one time. */
static inline void world_eval(struct world *world, const char *text, int64_t t_ms, bool standing,
			      struct oracle_result *out)
{
	struct query query;
	uint32_t root;
	ck_assert_msg(query_init(&query, text, strlen(text)), "%s does not parse", text);
	struct plan *plan = plan_new();
	ck_assert_int_eq(plan_add(plan, query.expr, &root), 0);
	struct binding *binding = binding_of(world, plan, standing);
	int code = eval_root(binding, plan, root, t_ms, INT64_MAX);
	result_of(world, binding, root, code, out);
	if (standing)
		binding_check(binding);
	binding_free(binding);
	plan_free(plan);
	query_fini(&query);
}

/* {a="b", c="d"} value; … one line a row. */
static inline char *result_text(const struct oracle_result *result)
{
	struct buf text;
	buf_init(&text);
	if (result->error[0])
		buf_printf(&text, "error: %s", result->error);
	else if (result->type == VALUE_SCALAR)
		number_format_g(result->scalar, &text);
	for (size_t i = 0; i < result->n; i++) {
		if (i)
			buf_add_str(&text, "; ");
		labels_format(result->rows[i].labels, &text);
		buf_add_char(&text, ' ');
		number_format_g(result->rows[i].value, &text);
	}
	return text.ptr ? buf_take(&text) : strdup("");
}

#endif
