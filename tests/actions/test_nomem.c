/* Each allocation failed in turn: while a configuration is bound, a silence set, an alert heard
 * that starts runbooks. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actions/actions_internal.h"
#include "base/error.h"
#include "tests/check_main.h"
#include "tests/nomem.h"

#define NOW 1700000000000ll

static char dir[64];

static void setup(void)
{
	char path[128];

	strcpy(dir, "/tmp/tocsin-nomem-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ok", dir);
	FILE *file = fopen(path, "w");

	fputs("#!/bin/sh\n", file);
	fclose(file);
	chmod(path, 0700);
}

static void teardown(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/ok", dir);
	unlink(path);
	rmdir(dir);
}

/* ---- configuration ---- */

#define CONFIG                                                                                     \
	"route: {receiver: a, group_by: [x, y], routes: [{matchers: ['a=~\"b|c\"', d=e], routes: " \
	"[{}]}]}\n"                                                                                \
	"receivers: [{name: a, webhook_configs: [{url: 'http://x'}]}, {name: b}]\n"                \
	"actions: {max_running: 2}\n"                                                              \
	"runbooks:\n"                                                                              \
	"- {name: one, mode: suggest, target: [instance], steps: [{id: a, exec: [./ok, x], env: "  \
	"{A: b}}]}\n"                                                                              \
	"- {name: two, mode: suggest, limits: {cooldown: 1h}, steps: [{id: a, exec: [./ok]}, "     \
	"{id: b, exec: [./ok]}]}\n"

static struct actions_config *config;

/* The tree is made beforehand: it has sweeps of its own. */
static int bind(struct diag_list *diags, const struct yaml_node *root)
{
	struct actions_config_nodes nodes = { .route = yaml_get(root, "route"),
					      .receivers = yaml_get(root, "receivers"),
					      .runbooks = yaml_get(root, "runbooks"),
					      .actions = yaml_get(root, "actions"),
					      .base_dir = dir };

	return actions_config_bind(&nodes, SLICE("http://x"), NULL, diags, &config);
}

static unsigned fail_at;

static int bind_config(bool armed)
{
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	ck_assert_int_eq(yaml_parse(SLICE(CONFIG), "test.yml", &arena, &diags, &root), 0);
	if (armed)
		nomem_arm(fail_at);
	int code = bind(&diags, root);
	bool failed = nomem_disarm();

	ck_assert_msg(code == 0 || (failed && code == ERR_NOMEM), "allocation %u: %s", fail_at,
		      error_text(code));
	diag_list_fini(&diags);
	arena_fini(&arena);
	return failed ? 1 : 0;
}

START_TEST(nomem_configuration)
{
	unsigned n = 0;

	for (int failed = 1; failed; n++) {
		fail_at = n;
		config = NULL;
		failed = bind_config(true);
		if (config)
			actions_config_unref(config);
	}
	ck_assert_uint_gt(n, 20);
}
END_TEST

/* ---- actions ---- */

static void on_record(void *ctx, enum record_type type, struct slice payload, uint64_t token)
{
}

static int64_t on_now_ms(void *ctx)
{
	return NOW;
}

static void on_wake(void *ctx)
{
}

static struct actions *make(void)
{
	const struct actions_options options = { .instance = "abcd" };
	const struct actions_sink sink = { .record = on_record,
					   .now_ms = on_now_ms,
					   .wake = on_wake };
	struct actions *out;

	ck_assert_int_eq(actions_new(&options, &sink, &out), 0);
	return out;
}

START_TEST(nomem_silence)
{
	struct silence silence = {
		.starts_ms = NOW, .ends_ms = NOW + 1000, .created_by = "me", .comment = "test"
	};
	char id[40], why[256], *bad = NULL;
	unsigned n = 0;

	ck_assert_int_eq(matchers_parse(SLICE("{a=~\"b\", c=\"d\"}"), &silence.matchers,
					&silence.nmatchers, &bad),
			 0);
	for (bool failed = true; failed; n++) {
		struct actions *actions = make();

		nomem_arm(n);
		int code = actions_silence_set(actions, &silence, NOW, id, why);

		failed = nomem_disarm();
		ck_assert_int_eq(code, failed ? ERR_NOMEM : 0);
		ck_assert_uint_eq(actions->nsilences, failed ? 0 : 1);
		/* Changed in place: all of the new or all of the old. */
		if (!failed) {
			memcpy(silence.id, id, sizeof(id));
			silence.ends_ms = NOW + 2000;
			nomem_arm(0);
			ck_assert_int_eq(actions_silence_set(actions, &silence, NOW, id, why),
					 ERR_NOMEM);
			nomem_disarm();
			ck_assert_int_eq(actions_silence_find(actions, id)->ends_ms, NOW + 1000);
		}
		actions_free(actions);
	}
	matchers_free(silence.matchers, silence.nmatchers);
}
END_TEST

static struct alert_event *firing(struct rule_set *rules)
{
	struct alert_event *event = alert_event_new();
	struct labels_builder builder;

	labels_builder_init(&builder);
	labels_builder_set(&builder, SLICE("alertname"), SLICE("A"));
	labels_builder_set(&builder, SLICE("instance"), SLICE("i1"));
	ck_assert_int_eq(labels_builder_take(&builder, &event->labels, NULL), 0);
	labels_builder_fini(&builder);
	event->expr_labels = labels_ref(event->labels);
	event->from = ALERT_PENDING;
	event->state = ALERT_FIRING;
	event->at_ms = event->active_at_ms = event->fired_at_ms = NOW;
	event->resolved_at_ms = event->keep_since_ms = TIME_NONE;
	event->rules = rule_set_ref(rules);
	event->file = strdup("f.yml");
	event->group = strdup("g");
	event->rule = strdup("A");
	event->settled = true;
	return event;
}

START_TEST(nomem_run)
{
	const struct rule_set_options options = { .interval_ms = 15000, .rules_max = 100 };
	struct diag_list diags;
	struct rule_set *rules;
	unsigned n = 0;

	diag_list_init(&diags);
	ck_assert_int_eq(rule_set_load_text(SLICE("groups: [{name: g, rules: [{alert: A, expr: x, "
						  "run: [none, one]}]}]"),
					    "f.yml", &options, &diags, &rules),
			 0);
	diag_list_fini(&diags);
	bind_config(false);
	for (bool failed = true; failed; n++) {
		struct actions *actions = make();

		actions_configure(actions, config);
		struct alert_event *event = firing(rules);

		nomem_arm(n);
		actions_event(actions, event);
		actions_step(actions, NOW);
		failed = nomem_disarm();
		actions_free(actions);
	}
	ck_assert_uint_gt(n, 10);
	actions_config_unref(config);
	rule_set_unref(rules);
}
END_TEST

static Suite *nomem_suite(void)
{
	Suite *suite = suite_create("nomem");
	TCase *tcase = tcase_create("nomem");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, nomem_configuration);
	tcase_add_test(tcase, nomem_silence);
	tcase_add_test(tcase, nomem_run);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(nomem_suite)
