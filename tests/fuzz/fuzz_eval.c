/*
 * Expressions evaluated over a few series, by the engine and by the oracle, each as far as a little
 * work takes it: whatever is written, both survive it, and where both come to an end an error is
 * one for both.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/binding.h"
#include "engine/oracle.h"
#include "rules/expr.h"

#define T_MS INT64_C(1700000000000)
#define UNITS 20000
#define WORK 20000
#define LOOKBACK_MS 300000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct store *store;

static void add_series(uint64_t key, const char *name, const char *a, const char *le, double first)
{
	struct label pairs[] = { { SLICE(METRIC_NAME), slice_from(name) },
				 { SLICE("a"), slice_from(a) },
				 { SLICE("job"), SLICE("j") },
				 { SLICE("le"), slice_from(le) } };
	struct labels *labels;
	struct series *series;
	must(labels_new(pairs, *le ? 4 : 3, &labels, NULL) == 0);
	must(store_birth(store, (struct hash128){ key, 1 }, labels, &series) == 0);
	labels_unref(labels);
	for (int i = 0; i < 20; i++) {
		double value = i == 7 ? 0.0 / 0.0 : first + i * 0.5 * (i % 5);
		uint64_t bits;
		memcpy(&bits, &value, sizeof(bits));
		store_append_series(store, series, 0, T_MS - (20 - i) * 15000, bits);
	}
}

static void make_store(void)
{
	static const char *const bounds[] = { "0.1", "1", "+Inf" };
	static const int64_t due_ms = T_MS;
	struct store_options options = { .lookback_ms = LOOKBACK_MS };
	struct selector *all;
	struct matcher matcher;
	char *why;
	store = store_new(&options);
	must(store && matcher_init(&matcher, MATCH_NE, SLICE(METRIC_NAME), SLICE(""), &why) == 0);
	must(store_selector_ref(store, &matcher, 1, &all) == 0);
	matcher_fini(&matcher);
	must(selector_reader_add(all, &due_ms, 3600000) == 0);
	store_time_set(store, T_MS);
	for (uint64_t i = 0; i < 3; i++) {
		char a[2] = { (char)('0' + i), 0 };
		add_series(i, "m", a, "", (double)i);
		add_series(10 + i, "n", a, "", 100 - (double)i);
		add_series(20 + i, "h_bucket", "0", bounds[i], 10 * (double)i);
		add_series(30 + i, "target_info", a, "", 1);
	}
}

/* ERR_AGAIN: it takes longer than it may. */
static int evaluate(const struct plan *plan, uint32_t root)
{
	struct binding_options options = { .lookback_ms = LOOKBACK_MS, .standing = true };
	struct eval_cursor cursor = { 0, 0 };
	struct binding *binding;
	uint32_t *order, norder;
	int64_t units = UNITS;
	int code;
	must(binding_new(store, plan, &options, &binding) == 0);
	must(binding_shape(binding, &units) == 0);
	must(plan_order(plan, root, &order, &norder) == 0);
	/* In pieces: what is kept between them must do. */
	do {
		int64_t piece = 50;
		code = binding_eval(binding, order, norder, T_MS, &cursor, &piece);
		units -= 50 - piece;
	} while (code == ERR_AGAIN && units > 0);
	binding_check(binding);
	binding_free(binding);
	free(order);
	return code;
}

static void check(const struct expr *expr)
{
	struct oracle_options options = { .lookback_ms = LOOKBACK_MS, .work_max = WORK };
	struct oracle_result result;
	struct plan *plan = plan_new();
	uint32_t root;
	must(plan != NULL);
	int code = plan_add(plan, expr, &root);
	must(code == 0 || code == ERR_LIMIT);
	if (!code)
		code = evaluate(plan, root);
	must(code == 0 || code == ERR_AGAIN || code == ERR_EVAL || code == ERR_LIMIT);
	if (expr->type == VALUE_VECTOR || expr->type == VALUE_SCALAR) {
		int second = oracle_eval_with(store, expr, T_MS, &options, &result);
		must(second == 0 || second == ERR_LIMIT);
		if (!second) {
			must(code == ERR_AGAIN || code == ERR_LIMIT ||
			     (code == ERR_EVAL) == (result.error[0] != 0));
			oracle_result_fini(&result);
		}
	}
	plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct query_bounds bounds = { T_MS, T_MS, 0 };
	struct source source = { .text = { (const char *)data, size }, .line0 = 1, .column0 = 1 };
	struct expr *expr = NULL;
	struct diag_list diags;
	struct arena arena;
	if (!store)
		make_store();
	arena_init(&arena, 0);
	diag_list_init(&diags);
	int code = expr_parse(&source, &arena, &diags, &expr);
	if (!code)
		code = expr_resolve(expr, &bounds, &source, &diags);
	if (!code)
		check(expr);
	if (expr)
		expr_fini(expr);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return 0;
}
