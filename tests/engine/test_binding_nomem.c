/*
 * Evaluation when memory is short: each allocation in turn fails, while a binding is made, follows
 * changes or evaluates, and within the oracle. The outcome is ERR_NOMEM, or the right result; what
 * failed can be given back.
 */
#include "tests/nomem.h"

#include "tests/engine/eval_fixture.h"

#define T0 INT64_C(1700000000000)

static const char *const expressions[] = {
	"rate({x=\"1\"}[5m])",
	"sum by (a) (rate(m[5m])) / on (a) group_left () count by (a) (m) > 0",
	"m * on (a) group_left (b) n or on (a) n unless on (b) m",
	"topk(1, m) and on (a) quantile by (a) (0.5, n)",
	"histogram_quantile(0.9, sum by (le, a) (h_bucket))",
	"label_replace(label_join(m, \"j\", \"-\", \"a\", \"x\"), \"d\", \"$1\", \"a\", \"(.*)\")",
	"absent(nothing{a=\"1\"}) + vector(time())",
	"absent_over_time(nothing{a=\"1\"}[5m])",
	"quantile_over_time(0.5, m[5m]) - timestamp(m) + avg(stale)",
	"m + on (x) n",
};
enum { EXPRESSIONS = sizeof(expressions) / sizeof(*expressions) };

struct scene {
	struct world world;
	struct plan *plan;
	struct query queries[EXPRESSIONS];
	uint32_t *orders[EXPRESSIONS], norders[EXPRESSIONS];
	struct binding *binding;
};

static void load(struct scene *scene, int from, int to)
{
	char text[128];
	for (int i = from; i < to; i++) {
		snprintf(text, sizeof(text), "m{a=\"%d\",x=\"1\"}", i);
		world_load(&scene->world, text, T0, 60000, "1 2 3");
		snprintf(text, sizeof(text), "n{a=\"%d\",b=\"%d\",x=\"1\"}", i, i % 3);
		world_load(&scene->world, text, T0, 60000, "1 NaN 3");
		snprintf(text, sizeof(text), "h_bucket{a=\"%d\",le=\"%d\"}", i % 3, i);
		world_load(&scene->world, text, T0, 60000, "1 2 3");
		snprintf(text, sizeof(text), "stale{a=\"%d\"}", i);
		world_load(&scene->world, text, T0, 60000, "1 stale 3");
	}
}

static void scene_init(struct scene *scene)
{
	*scene = (struct scene){ .plan = plan_new() };
	world_init(&scene->world, T0, 20 * 60000);
	for (int i = 0; i < EXPRESSIONS; i++) {
		uint32_t root;
		ck_assert(query_init(&scene->queries[i], expressions[i], strlen(expressions[i])));
		ck_assert_int_eq(plan_add(scene->plan, scene->queries[i].expr, &root), 0);
		ck_assert_int_eq(
			plan_order(scene->plan, root, &scene->orders[i], &scene->norders[i]), 0);
	}
	load(scene, 0, 6);
}

static void scene_fini(struct scene *scene)
{
	binding_free(scene->binding);
	plan_free(scene->plan);
	for (int i = 0; i < EXPRESSIONS; i++) {
		query_fini(&scene->queries[i]);
		free(scene->orders[i]);
	}
	world_fini(&scene->world);
}

/* ---- what may fail: no assertion of Check's in here ---- */

static int bind(struct scene *scene)
{
	struct binding_options options = { .lookback_ms = WORLD_LOOKBACK_MS, .standing = true };
	int64_t units = INT64_MAX;
	int err = binding_new(scene->world.store, scene->plan, &options, &scene->binding);
	return err ? err : binding_shape(scene->binding, &units);
}

static int evaluate(struct scene *scene, int64_t t_ms)
{
	for (int i = 0; i < EXPRESSIONS; i++) {
		struct eval_cursor cursor = { 0, 0 };
		int64_t units = INT64_MAX;
		int err = binding_eval(scene->binding, scene->orders[i], scene->norders[i], t_ms,
				       &cursor, &units);
		if (err && err != ERR_EVAL)
			return err;
	}
	return 0;
}

static int ask_oracle(struct scene *scene)
{
	for (int i = 0; i < EXPRESSIONS; i++) {
		struct oracle_result result;
		int err = oracle_eval(scene->world.store, scene->queries[i].expr, T0 + 120000,
				      WORLD_LOOKBACK_MS, &result);
		if (err)
			return err;
		oracle_result_fini(&result);
	}
	return 0;
}

/* ---- sweeps ---- */

static void compare(struct scene *scene)
{
	for (int i = 0; i < EXPRESSIONS; i++) {
		struct oracle_result got, wanted;
		uint32_t root = scene->orders[i][scene->norders[i] - 1];
		int code = eval_root(scene->binding, scene->plan, root, T0 + 120000, INT64_MAX);
		result_of(&scene->world, scene->binding, root, code, &got);
		ck_assert_int_eq(oracle_eval(scene->world.store, scene->queries[i].expr,
					     T0 + 120000, WORLD_LOOKBACK_MS, &wanted),
				 0);
		ck_assert_uint_eq(got.n, wanted.n);
		ck_assert_int_eq(got.error[0] != 0, wanted.error[0] != 0);
		oracle_result_fini(&got);
		oracle_result_fini(&wanted);
	}
}

static unsigned sweep(int (*step)(struct scene *scene), void (*before)(struct scene *scene))
{
	unsigned refused = 0;
	for (unsigned n = 0; n < NOMEM_SWEEP_MAX; n++) {
		struct scene scene;
		scene_init(&scene);
		if (before)
			before(&scene);
		nomem_arm(n);
		int err = step(&scene);
		bool failed = nomem_disarm();
		ck_assert_msg(err == 0 || (failed && err == ERR_NOMEM), "allocation %u: %d", n,
			      err);
		refused += err == ERR_NOMEM;
		if (!err && scene.binding) {
			binding_check(scene.binding);
			compare(&scene);
		}
		scene_fini(&scene);
		if (!failed)
			return refused;
	}
	ck_abort_msg("the sweep has no end");
}

static void bound(struct scene *scene)
{
	ck_assert_int_eq(bind(scene), 0);
}

static void bound_and_changed(struct scene *scene)
{
	bound(scene);
	ck_assert_int_eq(evaluate(scene, T0 + 60000), 0);
	load(scene, 6, 12);
}

static int evaluate_once(struct scene *scene)
{
	return evaluate(scene, T0 + 120000);
}

/* A binding that lost rows says so from then on. */
static int follow(struct scene *scene)
{
	int err = binding_extend(scene->binding), later = evaluate(scene, T0 + 120000);
	return err && !later ? ERR_CONFLICT : err ? err : later;
}

START_TEST(making_a_binding_survives_each_failure)
{
	ck_assert_uint_gt(sweep(bind, NULL), 100);
}
END_TEST

START_TEST(evaluation_survives_each_failure)
{
	ck_assert_uint_gt(sweep(evaluate_once, bound), 20);
}
END_TEST

START_TEST(following_changes_survives_each_failure)
{
	ck_assert_uint_gt(sweep(follow, bound_and_changed), 50);
}
END_TEST

START_TEST(the_oracle_survives_each_failure)
{
	ck_assert_uint_gt(sweep(ask_oracle, NULL), 20);
}
END_TEST

static Suite *nomem_suite(void)
{
	Suite *suite = suite_create("binding without memory");
	TCase *tcase = tcase_create("sweeps");
	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, making_a_binding_survives_each_failure);
	tcase_add_test(tcase, evaluation_survives_each_failure);
	tcase_add_test(tcase, following_changes_survives_each_failure);
	tcase_add_test(tcase, the_oracle_survives_each_failure);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(nomem_suite)
