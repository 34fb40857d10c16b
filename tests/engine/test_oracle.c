/*
 * Randomized comparison of the binding with the oracle: stores with gaps, stale markers, NaN,
 * resets, births and deaths between evaluations; expressions of the whole language. Both must give
 * equal labels, equal errors and equal bits.
 *
 * Where the order of summation may differ (an aggregation that adds up numbers whose sums are not
 * exact) values are compared with a tolerance, and nothing that jumps (a comparison, a rounding) is
 * put on top of them.
 */
#include "engine/partial.h"
#include "rules/arrival.h"
#include "tests/engine/eval_fixture.h"
#include "tests/engine/expressions.h"

#define EXPRESSIONS 12 /* in one plan */
#define STEPS 7
#define STEP_MS 20000
#define T0 INT64_C(1700000000000)
#define REACH_MS (15 * 60 * 1000)
#define SERIES_MAX 90

/* ---- series ---- */

struct live {
	struct series *series;
	bool is_u, is_bucket, rises, tells_start, dead;
	double value;
	int64_t last_ms, start_ms;
};

struct run {
	struct world world;
	struct live live[SERIES_MAX];
	size_t nlive;
	int64_t now_ms;
	uint32_t born;
};

static void birth(struct run *run)
{
	char text[256];
	size_t len = 0;
	uint32_t which = below(11);
	const char *name = which < 4	? "m"
			   : which < 7	? "n"
			   : which < 9	? "u"
			   : which < 10 ? "h_bucket"
					: "target_info";
	if (run->nlive == SERIES_MAX)
		return;
	len += (size_t)snprintf(text + len, sizeof(text) - len, "%s{", name);
	if (chance(85))
		len += (size_t)snprintf(text + len, sizeof(text) - len, "a=\"%u\",", below(3));
	if (chance(60) && which < 9)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "b=\"%s\",",
					PICK("x", "y"));
	if (chance(20) && which < 9)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "c=\"%u\",", below(2));
	if (chance(30) && which < 9)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "job=\"j\",");
	if (which == 9)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "le=\"%s\",",
					PICK("0.1", "1", "5", "+Inf", "1.0", "-1", "odd", "1e1"));
	if (which == 10)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "job=\"j\",version=\"%u\",",
					below(3));
	snprintf(text + len, sizeof(text) - len, "}");
	struct series *series = world_series_of(&run->world, text);
	for (size_t i = 0; i < run->nlive; i++)
		if (run->live[i].series == series)
			return;
	run->live[run->nlive++] = (struct live){ .series = series,
						 .is_u = which == 7 || which == 8,
						 .is_bucket = which == 9,
						 .rises = chance(25),
						 .tells_start = chance(30) };
	run->born++;
}

static double next_value(struct live *live)
{
	if (live->is_u) /* no two alike */
		return (double)dice_bits() / 1e9 - 1e5;
	uint32_t dice = below(100);
	if (live->is_bucket || live->rises || dice < 50)
		return live->value += below(12) * 0.25;
	if (dice < 60)
		return live->value = 0;
	if (dice < 64)
		return NAN;
	if (dice < 66)
		return chance(50) ? INFINITY : -INFINITY;
	return live->value = below(80) * 0.25 - 5;
}

/* Some tell since when they count: deltas, counters that begin anew, and nonsense. */
static void put_start(struct run *run, struct live *live, int64_t ts_ms)
{
	int64_t choices[] = { live->last_ms,  live->last_ms + below(20000), live->start_ms,
			      live->start_ms, ts_ms - below(200000),	    ts_ms };
	live->start_ms = choices[below(6)];
	ck_assert_int_eq(store_start_add(run->world.store, live->series, ts_ms, live->start_ms), 0);
}

static void scrape(struct run *run, int64_t t_ms)
{
	for (size_t i = 0; i < run->nlive; i++) {
		struct live *live = &run->live[i];
		if (live->dead || chance(15))
			continue;
		int64_t ts_ms = t_ms - (chance(50) ? 0 : below(4000));
		if (chance(3))
			world_add_bits(&run->world, live->series, ts_ms, STALE_NAN_BITS);
		else
			world_add(&run->world, live->series, ts_ms, next_value(live));
		if (live->tells_start && chance(85))
			put_start(run, live, ts_ms);
		live->last_ms = ts_ms;
		if (chance(2))
			live->dead = true;
	}
}

static bool is_member(const struct selector *selector, const struct series *series)
{
	for (uint32_t row = 0; row < selector->nmembers; row++)
		if (selector->members[row] == series)
			return true;
	return false;
}

/* Moves the horizon to the present, so that what is long dead goes. */
static void sweep(struct run *run)
{
	size_t kept = 0;
	run->world.due_ms = run->now_ms;
	store_sweep(run->world.store, SIZE_MAX);
	for (size_t i = 0; i < run->nlive; i++)
		if (is_member(run->world.all, run->live[i].series))
			run->live[kept++] = run->live[i];
	run->nlive = kept;
}

/* ---- comparison ---- */

static bool is_same_value(double a, double b, bool equal)
{
	uint64_t x, y;
	memcpy(&x, &a, sizeof(x));
	memcpy(&y, &b, sizeof(y));
	if (x == STALE_NAN_BITS || y == STALE_NAN_BITS)
		return false;
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	if (equal)
		return x == y || (a == 0 && b == 0);
	return a == b || fabs(a - b) <= 1e-6 * fmax(1, fmax(fabs(a), fabs(b)));
}

static bool is_same(const struct oracle_result *a, const struct oracle_result *b, bool equal)
{
	if (a->type != b->type || a->n != b->n || (a->error[0] != 0) != (b->error[0] != 0))
		return false;
	if (a->type == VALUE_SCALAR && !is_same_value(a->scalar, b->scalar, equal))
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!labels_is_equal(a->rows[i].labels, b->rows[i].labels) ||
		    !is_same_value(a->rows[i].value, b->rows[i].value, equal))
			return false;
	return true;
}

static unsigned compared, failed_evals, empty;

static void compare(struct run *run, struct binding *binding, const struct plan *plan,
		    const struct query *query, uint32_t root, bool equal, int64_t t_ms,
		    const char *how)
{
	struct oracle_result got, wanted;
	int code = eval_root(binding, plan, root, t_ms, chance(50) ? INT64_MAX : 1 + below(40));
	result_of(&run->world, binding, root, code, &got);
	ck_assert_int_eq(
		oracle_eval(run->world.store, query->expr, t_ms, WORLD_LOOKBACK_MS, &wanted), 0);
	if (!is_same(&got, &wanted, equal)) {
		char *a = result_text(&got), *b = result_text(&wanted);
		ck_abort_msg("%s at %lld (%s):\n  binding %s\n  oracle  %s", query->text,
			     (long long)t_ms, how, a, b);
	}
	compared++;
	failed_evals += got.error[0] != 0;
	empty += !got.error[0] && got.type == VALUE_VECTOR && got.n == 0;
	oracle_result_fini(&got);
	oracle_result_fini(&wanted);
}

/* ---- a part of the rows ---- */

static unsigned parts, part_rows;

/* A die of its own: the expressions of a run are the same with it and without it. */
static uint32_t part_below(uint32_t n)
{
	static uint64_t state = 1;
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(state >> 33) % n;
}

/* The columns of the last evaluation of all rows. */
struct whole {
	int code;
	uint32_t n;
	double *values;
	bool *present;
};

static struct whole whole_of(struct binding *binding, const struct plan *plan, uint32_t root,
			     int64_t t_ms)
{
	struct whole whole = { .code = eval_root(binding, plan, root, t_ms, INT64_MAX) };
	struct relation relation;
	binding_relation(binding, root, &relation);
	whole.n = whole.code ? 0 : relation.nrows;
	whole.values = calloc(whole.n + 1, sizeof(*whole.values));
	whole.present = calloc(whole.n + 1, sizeof(*whole.present));
	for (uint32_t row = 0; row < whole.n; row++) {
		whole.present[row] = relation_has(&relation, row);
		whole.values[row] = relation.values[row];
	}
	return whole;
}

/* Some rows of the leaves are touched. */
static void touch_some(struct partial *partial)
{
	for (uint32_t i = 0; i < partial->n; i++) {
		struct partial_node *node = &partial->nodes[i];
		for (uint32_t row = 0; partial_members(node) && row < node->words * 64; row++)
			if (partial_has_row(node, row) && part_below(4) == 0)
				node->marks[PARTIAL_TOUCHED][row / 64] |= UINT64_C(1) << row % 64;
	}
}

/* Those that the touched rows are part of must come out as if all were evaluated. */
static void compare_part(struct binding *binding, const struct plan *plan, uint32_t root,
			 const char *text, int64_t t_ms)
{
	uint32_t *order, n;
	const char *why;
	struct partial partial;
	struct eval_cursor cursor = { 0, 0 };
	ck_assert_int_eq(plan_order(plan, root, &order, &n), 0);
	if (arrival_class_of(plan, order, n, 0, &why) == ARRIVAL_TICK) {
		free(order);
		return;
	}
	struct whole whole = whole_of(binding, plan, root, t_ms);
	ck_assert_int_eq(partial_init(&partial, binding, order, n), 0);
	ck_assert_int_eq(partial_begin(&partial), 0);
	struct partial_node *node = partial_root(&partial);
	touch_some(&partial);
	partial_up(&partial, PARTIAL_TOUCHED);
	for (uint32_t i = 0; i < node->words; i++)
		node->marks[PARTIAL_NEEDED][i] = node->marks[PARTIAL_TOUCHED][i];
	partial_down(&partial, PARTIAL_NEEDED);
	partial_widen(&partial);
	int code;
	do {
		int64_t units = 1 + part_below(40);
		code = partial_eval(&partial, binding, t_ms, &cursor, &units);
	} while (code == ERR_AGAIN);
	/* What fails as a whole is nothing as a part, or fails. */
	ck_assert_msg(!code || code == whole.code, "%s: %s", text, binding_error(binding, root));
	struct relation part = { .nrows = 0 };
	if (!code)
		ck_assert_int_eq(partial_relation(&partial, PARTIAL_TOUCHED, &part), 0);
	for (uint32_t row = 0; row < part.nrows; row++) {
		bool is_touched = node->marks[PARTIAL_TOUCHED][row / 64] >> row % 64 & 1;
		bool wanted = is_touched && !whole.code && whole.present[row];
		ck_assert_msg(relation_has(&part, row) == wanted, "%s: row %u", text, row);
		ck_assert_msg(!wanted || is_same_value(part.values[row], whole.values[row], true),
			      "%s: row %u", text, row);
		part_rows += is_touched;
	}
	partial_end(&partial);
	partial_fini(&partial);
	free(whole.values);
	free(whole.present);
	free(order);
	parts++;
}

/* What the dice seldom throw: subqueries that share one below, which goes back in time for the
 * second. */
static const char *const shared[] = {
	"ts_of_last_over_time(max_over_time(n[90s:20s])[90s:7s])",
	"ts_of_last_over_time(max_over_time(n[90s:20s])[90s:7s] offset 2m)",
};
#define SHARED_EVERY 2 /* runs */

static void make_expression(struct expr_text *text, int i, bool *equal)
{
	text->len = 0;
	if (i == 0)
		put_scalar(text, 3);
	*equal = i == 0 || put_vector(text, (int)below(4)).equal;
}

static void one_run(uint64_t number)
{
	struct run run = { .now_ms = T0 };
	struct query queries[EXPRESSIONS];
	bool equal[EXPRESSIONS];
	uint32_t roots[EXPRESSIONS];
	dice_seed(number);
	world_init(&run.world, T0, REACH_MS);
	struct plan *plan = plan_new();
	for (int i = 0; i < EXPRESSIONS; i++) {
		struct expr_text text;
		do
			make_expression(&text, i, &equal[i]);
		while (!query_init(&queries[i], text.bytes, text.len) &&
		       (query_fini(&queries[i]), true));
		if (number % SHARED_EVERY == 0 && (i == 1 || i == 2)) {
			query_fini(&queries[i]);
			query_init(&queries[i], shared[i - 1], strlen(shared[i - 1]));
			equal[i] = true;
		}
		ck_assert_int_eq(plan_add(plan, queries[i].expr, &roots[i]), 0);
	}
	plan_check(plan);
	for (uint32_t i = 0, n = below(25); i < n; i++)
		birth(&run);
	struct binding *binding = NULL;
	struct binding_options options = { .lookback_ms = WORLD_LOOKBACK_MS, .standing = true };
	ck_assert_int_eq(binding_new(run.world.store, plan, &options, &binding), 0);
	bool shaped = false;
	for (int step = 0; step < STEPS; step++) {
		/* Changes come while the shape is being made, too. */
		for (int part = 0; part < 4; part++) {
			int64_t units =
				shaped || step == STEPS - 1 || step >= 2 ? INT64_MAX : below(30);
			if (!shaped)
				shaped = binding_shape(binding, &units) == 0;
			for (uint32_t i = 0, n = below(6); i < n; i++)
				birth(&run);
			run.now_ms += STEP_MS;
			scrape(&run, run.now_ms);
			if (chance(15)) {
				run.now_ms += 16 * 60 * 1000;
				store_time_set(run.world.store, run.now_ms);
				scrape(&run, run.now_ms);
				sweep(&run);
			}
			if (chance(30) || part == 3) {
				ck_assert_int_eq(binding_extend(binding), 0);
				size_t n;
				struct selector **changed =
					store_changed_selectors(run.world.store, &n);
				for (size_t i = 0; i < n; i++)
					selector_log_clear(changed[i]);
				store_changed_clear(run.world.store);
			}
		}
		if (!shaped)
			continue;
		binding_check(binding);
		for (int i = 0; i < EXPRESSIONS; i++)
			compare(&run, binding, plan, &queries[i], roots[i], equal[i], run.now_ms,
				"standing");
		for (int i = 0; i < EXPRESSIONS; i++)
			compare_part(binding, plan, roots[i], queries[i].text, run.now_ms);
		if (!chance(20))
			continue;
		struct binding *fresh = binding_of(&run.world, plan, false);
		for (int i = 0; i < EXPRESSIONS; i++)
			compare(&run, fresh, plan, &queries[i], roots[i], equal[i],
				run.now_ms - 30000, "snapshot");
		binding_free(fresh);
	}
	binding_free(binding);
	plan_free(plan);
	for (int i = 0; i < EXPRESSIONS; i++)
		query_fini(&queries[i]);
	world_fini(&run.world);
}

START_TEST(binding_equals_the_oracle)
{
	const char *first = getenv("ORACLE_FIRST"), *count = getenv("ORACLE_RUNS");
	uint64_t from = first ? strtoull(first, NULL, 10) : 1,
		 runs = count ? strtoull(count, NULL, 10) : 400;
	for (uint64_t i = from; i < from + runs; i++) {
		if (count)
			fprintf(stderr, "run %llu\n", (unsigned long long)i);
		one_run(i);
	}
	printf("%u comparisons, %u of them errors, %u empty\n", compared, failed_evals, empty);
	printf("%u parts, of %u rows\n", parts, part_rows);
	ck_assert_uint_gt(compared, runs * 20);
	ck_assert_uint_gt(parts, compared / 5);
	ck_assert_uint_gt(part_rows, parts);
	ck_assert_uint_lt(failed_evals, compared / 2);
	ck_assert_uint_lt(empty, compared / 2);
}
END_TEST

static Suite *oracle_suite(void)
{
	Suite *suite = suite_create("oracle");
	TCase *tcase = tcase_create("random");
	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, binding_equals_the_oracle);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(oracle_suite)
