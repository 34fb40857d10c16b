/*
 * Each allocation of a small life failed in turn: load, births, evaluation, alerts, records, a
 * query, a reload, a checkpoint. The engine must neither crash nor leak, and go on when there is
 * memory again.
 */
#include "tests/check_main.h"
#include "tests/engine/harness.h"
#include "tests/nomem.h"

#include "base/error.h"
#include "engine/explain.h"

static struct rule_set *first, *second;
static unsigned runs, recovered;

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
}

static void on_event(void *ctx, struct alert_event *event)
{
	alert_event_free(event);
}

static void on_batch(void *ctx, struct batch *batch)
{
	batch_free(batch);
}

static void on_query(void *ctx, struct engine_query *query)
{
	engine_query_free(query);
}

static void on_loaded(void *ctx, struct rule_set *set, int code)
{
}

static void on_sender(void *ctx, const struct sender *sender, const char *what)
{
}

static void settle(struct engine *engine)
{
	for (int i = 0; i < 100000 && engine_step(engine, 50); i++)
		;
}

static void round_of(struct engine *engine, int64_t time_s, struct batch *batch)
{
	engine_time(engine, time_s * 1000);
	engine_batch(engine, batch);
	settle(engine);
	engine_flush(engine);
}

static struct batch *batches[4];
static struct engine_query *query, *log_query;
static struct explain *explained;

/* Two lines, what they came to, and that their source was read so far. */
static void lines_add(struct batch *batch, int64_t ts_ms)
{
	static const struct hash_key key;
	const struct plan_log *logs = first->plan->logs;
	for (uint32_t i = 0; i < 2; i++) {
		struct label pairs[] = { { SLICE("__name__"), slice_from(logs[i].name) } };
		struct labels *labels;
		ck_assert_int_eq(labels_new(pairs, 1, &labels, NULL), 0);
		ck_assert_int_eq(batch_derived_add(batch, &key, labels,
						   logs[i].window == PLAN_LOG_SUM ? WINDOW_SUM
										  : WINDOW_EVENTS,
						   ts_ms, 0x3ff0000000000000),
				 0);
		batch_example_add(batch, batch->nrows - 1, ts_ms, SLICE("a line"));
		labels_unref(labels);
	}
	ck_assert_int_eq(batch_position_add(batch, SLICE("file"), SLICE("12")), 0);
}

/* What the scenario uses up, made while there is memory. */
static void prepare(void)
{
	struct diag_list diags;
	diag_list_init(&diags);
	for (int i = 0; i < 4; i++) {
		batches[i] =
			harness_batch("a", 15 * (i + 1), "x{i=\"1\"} 6; x{i=\"2\"} 7; z 1; y 2");
		lines_add(batches[i], 15000 * (i + 1));
	}
	ck_assert_int_eq(engine_query_new(SLICE("sum by (i) (x) > 1"), 30000, &diags, &query), 0);
	ck_assert_int_eq(engine_query_new(SLICE("sum(count_over_time(logs{a=\"b\"}[1m]))"), 30000,
					  &diags, &log_query),
			 0);
	char *why;
	ck_assert_int_eq(explain_new(SLICE("A"), "{i=\"3\"}", &(struct query_settings){ 0 }, &explained, &why), 0);
	diag_list_fini(&diags);
}

static int live(struct engine *engine)
{
	engine_load(engine, first);
	settle(engine);
	round_of(engine, 15, batches[0]);
	round_of(engine, 30, batches[1]);
	if (engine_query(engine, query))
		engine_query_free(query);
	if (engine_query(engine, log_query))
		engine_query_free(log_query);
	engine_checkpoint(engine);
	settle(engine);
	while (explain_step(engine, explained, 1000) == ERR_AGAIN)
		;
	engine_load(engine, second);
	settle(engine);
	round_of(engine, 45, batches[2]);
	bool failed = nomem_disarm();
	/* There is memory again: a load and a round go well. */
	engine_load(engine, second);
	settle(engine);
	round_of(engine, 60, batches[3]);
	struct rule_status status;
	ck_assert_ptr_eq(engine_rules(engine), second);
	engine_rule_status(engine, 1, &status);
	recovered += status.health == RULE_OK;
	explain_free(explained);
	return failed ? ERR_NOMEM : 0;
}

static int scenario(unsigned n)
{
	const struct engine_options options = { .store = { .lookback_ms = 300000,
							   .ignored_max = 100 },
						.sender_timeout_ms = 90000,
						.journal = true,
						.evidence = true,
						.warm = true };
	const struct engine_sink sink = { .record = on_record,
					  .event = on_event,
					  .batch = on_batch,
					  .query = on_query,
					  .loaded = on_loaded,
					  .sender = on_sender };
	struct engine *engine;
	prepare();
	nomem_arm(n);
	int code = engine_new(&options, &sink, &engine);
	if (code) {
		nomem_disarm();
		for (int i = 0; i < 4; i++)
			batch_free(batches[i]);
		engine_query_free(query);
		engine_query_free(log_query);
		explain_free(explained);
		recovered++;
		return code;
	}
	code = live(engine);
	store_check(engine_store(engine));
	engine_free(engine);
	return code;
}

/* Fires in the first round, and is held from then on. */
#define HELD "{alert: H, expr: x > 5 and on () vector(time()) < 20, resolve_when: x < 1 and on () y}"

/* In its labels and annotations. */
#define ASKS                                                                                       \
	"{alert: Q, expr: x > 5, labels: {n: '{{ query \"x\" | len }}'}, annotations: {a: '{{ query "  \
	"\"count(x)\" | first | value }}'}}"

START_TEST(engine_lives_on_after_each_failed_allocation)
{
	first = harness_rules("groups: [{name: g, rules: [{record: r, expr: x + 1}, {alert: A, "
			      "expr: x > 5, for: 15s, "
			      "labels: {v: '{{ $labels.i }}'}}, {alert: B, expr: 'absent(y)'}, "
			      "{alert: L, expr: 'count_over_time(logs{a=\"b\"}[1m]) > 0'}, "
			      "{record: l, expr: 'last_over_time(logs{a=\"b\"} | unwrap v [1m])'}, "
			      HELD ", " ASKS "]}]");
	second = harness_rules("groups: [{name: g, rules: [{record: s, expr: 'rate(x[1m])'}, "
			       "{alert: A, expr: x > 5, for: 15s, "
			       "labels: {v: '{{ $labels.i }}'}}, "
			       "{alert: L, expr: 'count_over_time(logs{a=\"b\"}[30s]) > 0'}, " HELD
			       ", " ASKS "]}]");
	while (scenario(runs) == ERR_NOMEM)
		ck_assert_uint_lt(++runs, NOMEM_SWEEP_MAX);
	ck_assert_uint_gt(runs, 200);
	ck_assert_uint_eq(recovered, runs + 1);
	rule_set_unref(first);
	rule_set_unref(second);
}
END_TEST

static Suite *nomem_suite(void)
{
	Suite *suite = suite_create("nomem");
	TCase *tc = tcase_create("nomem");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, engine_lives_on_after_each_failed_allocation);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(nomem_suite)
