/* Routes, receivers and runbooks as bound from YAML: what is right, and what is said of what is
 * wrong. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actions/config.h"
#include "actions/runner.h"
#include "actions/webhook.h"
#include "base/error.h"
#include "tests/check_main.h"

static char dir[64];
static char said[65536]; /* "line: message | hint", a line each */

static void say(const struct diag_list *diags)
{
	size_t len = 0;

	said[0] = '\0';
	for (size_t i = 0; i < diags->n; i++) {
		const struct diag *diag = &diags->items[i];

		/* Where tests run as root, each script is warned about. */
		if (strcmp(diag->message, "this script runs as root") == 0)
			continue;
		len += (size_t)snprintf(said + len, sizeof(said) - len, "%s%u: %s%s%s\n",
					diag->severity == DIAG_WARNING ? "warning " : "",
					diag->line, diag->message, diag->hint ? " | " : "",
					diag->hint ? diag->hint : "");
	}
}

/* Only what is bound lives on: texts of the tree must not be referred to. @ is the directory of
 * scripts. */
static int bind(const char *text, struct actions_config **out)
{
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root;
	static char expanded[4 * 1024 * 1024];
	size_t len = 0;

	for (; *text; text++)
		if (*text == '@')
			len += (size_t)sprintf(expanded + len, "%s", dir);
		else
			expanded[len++] = *text;
	arena_init(&arena, 0);
	diag_list_init(&diags);
	ck_assert_int_eq(
		yaml_parse((struct slice){ expanded, len }, "test.yml", &arena, &diags, &root), 0);
	struct actions_config_nodes nodes = {
		.route = yaml_get(root, "route"),
		.receivers = yaml_get(root, "receivers"),
		.inhibit_rules = yaml_get(root, "inhibit_rules"),
		.time_intervals = yaml_get(root, "time_intervals"),
		.mute_time_intervals = yaml_get(root, "mute_time_intervals"),
		.templates = yaml_get(root, "templates"),
		.global = yaml_get(root, "global"),
		.runbooks = yaml_get(root, "runbooks"),
		.actions = yaml_get(root, "actions"),
		.base_dir = dir,
	};
	int code = actions_config_bind(&nodes, SLICE("http://x"), NULL, &diags, out);

	say(&diags);
	ck_assert_int_eq(code != 0, diags.errors > 0);
	diag_list_fini(&diags);
	memset(expanded, '#', len);
	arena_fini(&arena);
	return code;
}

static struct actions_config *bind_well(const char *text)
{
	struct actions_config *config;

	ck_assert_msg(bind(text, &config) == 0, "%s", said);
	ck_assert_str_eq(said, "");
	return config;
}

static char *path_of(const char *name)
{
	static char path[4][128];
	static unsigned next;

	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

static void script_make(const char *name, mode_t mode)
{
	FILE *file = fopen(path_of(name), "w");

	fputs("#!/bin/sh\n", file);
	fclose(file);
	chmod(path_of(name), mode);
}

static void setup(void)
{
	strcpy(dir, "/tmp/tocsin-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	script_make("ok", 0700);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* ---- what is right ---- */

#define RECEIVERS "receivers: [{name: a}, {name: b}, {name: c}]\n"

static struct labels *labels_of(const char *team, const char *severity)
{
	struct labels_builder builder;
	struct labels *labels;

	labels_builder_init(&builder);
	labels_builder_set(&builder, SLICE("alertname"), SLICE("A"));
	labels_builder_set(&builder, SLICE("team"), slice_from(team));
	labels_builder_set(&builder, SLICE("severity"), slice_from(severity));
	ck_assert_int_eq(labels_builder_take(&builder, &labels, NULL), 0);
	labels_builder_fini(&builder);
	return labels;
}

START_TEST(config_empty_tells_nobody)
{
	struct actions_config *config = bind_well("x: 1\n");

	ck_assert_ptr_null(config->root);
	ck_assert_uint_eq(config->nrunbooks, 0);
	ck_assert_int_eq(config->max_running, 4);
	ck_assert_int_eq(config->per_hour, 20);
	ck_assert(!config->freeze);
	actions_config_unref(config);
	config = bind_well("route:\nreceivers: []\ninhibit_rules: []\ntime_intervals:\ntemplates: "
			   "[]\nglobal: {}\nrunbooks:\nactions:\n");
	actions_config_unref(config);
}
END_TEST

START_TEST(config_routes_inherit)
{
	struct actions_config *config = bind_well(
		RECEIVERS "route:\n  receiver: a\n  group_by: [z, alertname]\n  group_wait: 1s\n  "
			  "repeat_interval: 2h\n  routes:\n"
			  "  - {matchers: ['team=\"x\"'], receiver: b, continue: true, group_by: "
			  "[], routes: [{receiver: '', matchers: [severity=~\"p.*\"], "
			  "group_wait: 0s}]}\n"
			  "  - {matchers: ['{severity=\"page\", team!=\"y\"}'], group_by: ['...'], "
			  "group_interval: 7m, receiver: c}\n");
	const struct route *root = config->root, *first = &root->routes[0],
			   *second = &root->routes[1], *inner = &first->routes[0];

	ck_assert_str_eq(root->key, "{}");
	ck_assert_uint_eq(root->ngroup_by, 2);
	ck_assert(slice_is(root->group_by[0], "alertname"));
	ck_assert_int_eq(root->group_wait_ms, 1000);
	ck_assert_int_eq(root->group_interval_ms, 300000);
	ck_assert_int_eq(root->repeat_interval_ms, 7200000);
	ck_assert_str_eq(first->key, "{}/{team=\"x\"}");
	ck_assert(slice_is(first->receiver->name, "b"));
	ck_assert_uint_eq(first->ngroup_by, 0);
	ck_assert_int_eq(first->group_wait_ms, 1000);
	ck_assert_str_eq(inner->key, "{}/{team=\"x\"}/{severity=~\"p.*\"}");
	ck_assert(slice_is(inner->receiver->name, "b"));
	ck_assert(!inner->go_on);
	ck_assert_int_eq(inner->group_wait_ms, 0);
	ck_assert_int_eq(inner->repeat_interval_ms, 7200000);
	ck_assert(second->group_by_all);
	ck_assert_int_eq(second->group_interval_ms, 420000);
	actions_config_unref(config);
}
END_TEST

START_TEST(config_routes_match_depth_first)
{
	struct actions_config *config =
		bind_well(RECEIVERS "route:\n  receiver: a\n  routes:\n"
				    "  - {matchers: [team=x], continue: true, routes: [{matchers: "
				    "[severity=page]}, {matchers: [severity=~\"page|warn\"]}]}\n"
				    "  - {matchers: [severity=page], receiver: b}\n"
				    "  - {matchers: ['team=~\".+\"'], receiver: c}\n");
	static const struct {
		const char *team, *severity, *keys;
	} cases[] = {
		{ "x", "page", "{}/{team=\"x\"}/{severity=\"page\"} {}/{severity=\"page\"} " },
		{ "x", "warn", "{}/{team=\"x\"}/{severity=~\"page|warn\"} {}/{team=~\".+\"} " },
		{ "x", "info", "{}/{team=\"x\"} {}/{team=~\".+\"} " },
		{ "y", "page", "{}/{severity=\"page\"} " },
		{ "", "info", "{} " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct labels *labels = labels_of(cases[i].team, cases[i].severity);
		const struct route *found[8];
		char keys[512] = "";
		size_t n = route_match(config->root, labels, found, 8);

		for (size_t k = 0; k < n; k++)
			strcat(strcat(keys, found[k]->key), " ");
		ck_assert_str_eq(keys, cases[i].keys);
		ck_assert_uint_le(route_match(config->root, labels, found, 1), 1);
		labels_unref(labels);
	}
	actions_config_unref(config);
}
END_TEST

START_TEST(config_runbooks)
{
	struct actions_config *config = bind_well(
		"actions: {freeze: true, max_running: 2, per_hour: 3}\nrunbooks:\n"
		"- {name: restart-it, mode: auto, target: [job, instance], priority: 9,\n"
		"   limits: {cooldown: 1h, queue_for: 0s, per_target_per_hour: 1, per_hour: 2},\n"
		"   steps: [{id: look, exec: [./ok, '-v', 'a b'], env: {SERVICE: db}, timeout: 5s, "
		"kill_after: 1s, cwd: /tmp},\n"
		"     {id: act_2, exec: [@/ok]}]}\n"
		"- {name: '7', steps: [{id: a, exec: [@/ok]}]}\n");
	const struct runbook *runbook = runbook_find(config, SLICE("restart-it"));

	ck_assert(config->freeze);
	ck_assert_int_eq(config->max_running, 2);
	ck_assert_int_eq(config->per_hour, 3);
	ck_assert_ptr_nonnull(runbook);
	ck_assert_int_eq(runbook->mode, RUNBOOK_AUTO);
	ck_assert_uint_eq(runbook->ntarget, 2);
	ck_assert(slice_is(runbook->target[1], "instance"));
	ck_assert_int_eq(runbook->cooldown_ms, 3600000);
	ck_assert_int_eq(runbook->queue_for_ms, 0);
	ck_assert_int_eq(runbook->per_target_per_hour, 1);
	ck_assert_int_eq(runbook->per_hour, 2);
	ck_assert_int_eq(runbook->priority, 9);
	ck_assert_uint_eq(runbook->nsteps, 2);
	ck_assert(slice_is(runbook->steps[0].id, "look"));
	ck_assert_str_eq(runbook->steps[0].act.plugin->name, "exec");
	ck_assert_int_eq(((struct step_options *)runbook->steps[0].options)->timeout_ms, 5000);
	ck_assert_int_eq(((struct step_options *)runbook->steps[1].options)->timeout_ms, 60000);
	const struct runbook *other = runbook_find(config, SLICE("7"));

	ck_assert_int_eq(other->mode, RUNBOOK_SUGGEST);
	ck_assert(slice_is(other->target[0], "instance"));
	ck_assert_int_eq(other->cooldown_ms, 600000);
	ck_assert_int_eq(other->queue_for_ms, 300000);
	ck_assert_int_eq(other->per_target_per_hour, 3);
	ck_assert_int_eq(other->per_hour, 10);
	ck_assert_int_eq(other->priority, 5);
	ck_assert_ptr_null(runbook_find(config, SLICE("restart")));
	/* Equal text, equal hash. */
	struct actions_config *again =
		bind_well("runbooks:\n- {name: '7', steps: [{id: a, exec: [@/ok]}]}\n");
	struct actions_config *changed =
		bind_well("runbooks:\n- {name: '7', steps: [{id: b, exec: [@/ok]}]}\n");

	ck_assert_uint_eq(again->runbooks[0].hash, other->hash);
	ck_assert_uint_ne(changed->runbooks[0].hash, other->hash);
	actions_config_unref(again);
	actions_config_unref(changed);
	actions_config_unref(config);
}
END_TEST

/* ---- what is wrong ---- */

#define OK_STEPS "steps: [{id: a, exec: [@/ok]}]"

static const struct {
	const char *text, *said;
} wrong[] = {
	{ "route: {receiver: a}\n",
	  "1: undefined receiver \"a\" used in route | add it to receivers\n" },
	{ "receivers: [{name: a}]\nroute: {}\n",
	  "2: root route must specify a default receiver | add receiver: NAME\n" },
	{ "receivers: [{name: a}]\nroute: {receiver: b}\n",
	  "2: undefined receiver \"b\" used in route | add it to receivers\n" },
	{ "receivers: [{name: team-x}]\nroute: {receiver: team-y}\n",
	  "2: undefined receiver \"team-y\" used in route | did you mean \"team-x\"?\n" },
	{ "receivers: [{name: a}]\nroute: {receiver: ''}\n",
	  "2: root route must specify a default receiver | add receiver: NAME\n" },
	/* It is told where it is written, not of each route that inherits it. */
	{ "receivers: [{name: team-x}]\nroute:\n  receiver: team-y\n  routes:\n"
	  "  - matchers: [a=b]\n    routes: [{matchers: [c=d]}]\n",
	  "3: undefined receiver \"team-y\" used in route | did you mean \"team-x\"?\n" },
	/* What is wrong with keys hides nothing of what is wrong with values, and with children. */
	{ RECEIVERS "route:\n  receiver: [a]\n  group_by: x\n  group_interval: 0s\n  routes:\n"
		    "  - matchers: [b]\n    reciever: c\n    routes: {}\n",
	  "3: \"receiver\" in route must be a text, not a list | YAML takes a leading [ for a "
	  "list; put the text in a block: receiver: |\n"
	  "4: \"group_by\" in route must be a list of texts, not a text | write a list: [x]\n"
	  "5: \"group_interval\" cannot be zero | write how long, such as 5m\n"
	  "8: unknown key \"reciever\" in route | did you mean \"receiver\"?\n"
	  "7: bad matcher \"b\": expected an operator such as \"=\" behind \"b\" | write it as "
	  "name=\"value\" or name=~\"regexp\"\n"
	  "9: \"routes\" must be a list | write each entry on a line that begins with -\n" },
	{ RECEIVERS "route: {receiver: a, matchers: [a=b]}\n",
	  "2: root route must not have any matchers\n" },
	{ RECEIVERS "route: {receiver: a, continue: true}\n",
	  "2: cannot have continue in root route\n" },
	{ RECEIVERS "route: {receiver: a, mute_time_intervals: [x], routes: "
		    "[{active_time_intervals: [y]}]}\n",
	  "2: \"mute_time_intervals\" is not supported yet | take it out for now\n"
	  "2: \"active_time_intervals\" is not supported yet | take it out for now\n" },
	{ RECEIVERS "route: {receiver: a, match: {a: b}}\n",
	  "2: \"match\" is not supported | write matchers: [name=\"value\"]\n" },
	{ RECEIVERS "route: {receiver: a, group_by: [a, b, a]}\n",
	  "2: a label stands twice in group_by\n" },
	{ RECEIVERS "route: {receiver: a, group_by: [a, '']}\n",
	  "2: \"\" in group_by is no label\n" },
	{ RECEIVERS "route: {receiver: a, group_by: [a, '...']}\n",
	  "2: cannot have wildcard group_by (`...`) and other labels at the same time\n" },
	{ RECEIVERS "route: {receiver: a, group_interval: 0s}\n",
	  "2: \"group_interval\" cannot be zero | write how long, such as 5m\n" },
	{ RECEIVERS "route: {receiver: a, group_wait: -1s}\n",
	  "2: \"group_wait\" in route: \"-1s\" is not a duration | write durations like 30s, 5m or "
	  "1h30m\n" },
	{ RECEIVERS "route: {receiver: a, repeat: 1h}\n", "2: unknown key \"repeat\" in route\n" },
	{ RECEIVERS "route: {receiver: a, routes: {a: b}}\n",
	  "2: \"routes\" must be a list | write each entry on a line that begins with -\n" },
	{ RECEIVERS "route:\n  receiver: a\n  routes:\n  - matchers: [a]\n  - matchers: "
		    "['a=~\"(\"']\n    receiver: d\n",
	  "5: bad matcher \"a\": expected an operator such as \"=\" behind \"a\" | write it as "
	  "name=\"value\" or name=~\"regexp\"\n"
	  "6: bad matcher \"a=~\"(\"\": invalid regular expression \"(\": missing closing \")\" | "
	  "write it as name=\"value\" or name=~\"regexp\"\n"
	  "7: undefined receiver \"d\" used in route | add it to receivers\n" },
	{ RECEIVERS "route: [a]\n",
	  "2: route must be a mapping, not a list | write each of its keys on a line of its "
	  "own, indented\n" },
	{ "receivers: {a: b}\n",
	  "1: \"receivers\" must be a list | write each entry on a line that begins with -\n" },
	/* An empty one of another kind is not nothing. */
	{ "receivers: {}\nrunbooks: {}\nactions: []\n",
	  "1: \"receivers\" must be a list | write each entry on a line that begins with -\n"
	  "2: \"runbooks\" must be a list of at most 10000 | write each entry on a line that "
	  "begins with -\n"
	  "3: actions must be a mapping, not a list | write each of its keys on a line of its own, "
	  "indented\n" },
	{ "receivers: [a]\n", "1: a receiver needs a \"name\" | write name: NAME\n" },
	{ "receivers: [{name: ''}]\n", "1: a receiver needs a \"name\" | write name: NAME\n" },
	{ "receivers:\n- {name: a}\n- {name: a}\n",
	  "3: notification config name \"a\" is not unique\n"
	  "warning 0: there are receivers, but no route: nobody will be told | add route: "
	  "{receiver: NAME}\n" },
	{ "receivers: [{name: a, email_configs: []}]\n",
	  "1: \"email_configs\" is not supported yet | use webhook_configs for now\n"
	  "warning 0: there are receivers, but no route: nobody will be told | add route: "
	  "{receiver: NAME}\n" },
	{ "receivers: [{name: a, webhook_config: []}]\n",
	  "1: unknown key \"webhook_config\" in receiver | did you mean \"webhook_configs\"?\n"
	  "warning 0: there are receivers, but no route: nobody will be told | add route: "
	  "{receiver: NAME}\n" },
	{ "receivers: [{name: a, webhook_configs: {}}]\n",
	  "1: \"webhook_configs\" must be a list | write each entry on a line that begins with "
	  "-\n"
	  "warning 0: there are receivers, but no route: nobody will be told | add route: "
	  "{receiver: NAME}\n" },
	{ "receivers: [{name: a, webhook_configs: [{}]}]\n",
	  "1: a webhook needs \"url\" or \"url_file\", and not both\n"
	  "warning 0: there are receivers, but no route: nobody will be told | add route: "
	  "{receiver: NAME}\n" },
	{ "receivers: [{name: a, webhook_configs: [{url: 'ftp://x'}]}]\n",
	  "1: \"ftp://x\" is no address of a webhook | begin it with http:// or https://\n"
	  "warning 0: there are receivers, but no route: nobody will be told | add route: "
	  "{receiver: NAME}\n" },
	{ "inhibit_rules: [{}]\ntime_intervals: [{}]\nmute_time_intervals: [{}]\ntemplates: "
	  "[x]\nglobal: {a: b}\n",
	  "1: \"inhibit_rules\" is not supported yet | take it out for now\n"
	  "2: \"time_intervals\" is not supported yet | take it out for now\n"
	  "3: \"mute_time_intervals\" is not supported yet | take it out for now\n"
	  "4: \"templates\" is not supported yet | take it out for now\n"
	  "5: \"global\" is not supported yet | take it out for now\n" },
	{ "actions: {freeze: maybe, max_running: 0, per_hour: x}\n",
	  "1: \"freeze\" in actions: \"maybe\" is not true or false\n"
	  "1: \"max_running\" in actions: \"0\" is less than 1 | write 1 to 64\n"
	  "1: \"per_hour\" in actions: \"x\" is not a whole number\n" },
	{ "actions: {max_running: 65}\n",
	  "1: \"max_running\" in actions: \"65\" is more than 64 | write 1 to 64\n" },
	{ "runbooks: {a: b}\n",
	  "1: \"runbooks\" must be a list of at most 10000 | write each entry on a line that "
	  "begins with -\n" },
	{ "runbooks: [a]\n",
	  "1: runbook must be a mapping, not a text | write each of its keys on a line of its "
	  "own, indented\n" },
	{ "runbooks: [{}]\n", "1: missing key \"name\" in runbook\n"
			      "1: missing key \"steps\" in runbook\n" },
	{ "runbooks: [{name: A, " OK_STEPS "}]\n",
	  "1: bad name of a runbook | letters, digits and dashes; at most 64\n" },
	{ "runbooks: [{name: "
	  "'01234567890123456789012345678901234567890123456789012345678901234', " OK_STEPS "}]\n",
	  "1: bad name of a runbook | letters, digits and dashes; at most 64\n" },
	{ "runbooks:\n- {name: a, " OK_STEPS "}\n- {name: a, " OK_STEPS "}\n",
	  "3: two runbooks have this name\n" },
	/* What is wrong with keys hides nothing of what is wrong with their values. */
	{ "runbooks:\n- name: A\n  tarket: [a]\n  mode: off\n  limits: {cooldown: 5}\n"
	  "  steps:\n  - {id: B, wait: 5s}\n",
	  "3: unknown key \"tarket\" in runbook | did you mean \"target\"?\n"
	  "5: \"cooldown\" in runbook limits: \"5\" is not a duration | write durations like 30s, "
	  "5m or 1h30m\n"
	  "2: bad name of a runbook | letters, digits and dashes; at most 64\n"
	  "4: unknown mode \"off\" | one of disabled, suggest, auto\n"
	  "7: bad id of a step | a lower-case letter, then such letters, digits and underscores; at "
	  "most 32\n" },
	{ "runbooks: [{name: a, mode: off, " OK_STEPS "}]\n",
	  "1: unknown mode \"off\" | one of disabled, suggest, auto\n" },
	{ "runbooks: [{name: a, mode: true, " OK_STEPS "}]\n",
	  "1: unknown mode \"true\" | one of disabled, suggest, auto\n" },
	{ "runbooks: [{name: a, mode: sugest, " OK_STEPS "}]\n",
	  "1: unknown mode \"sugest\" | did you mean \"suggest\"?\n" },
	{ "runbooks: [{name: a, mode: approve, " OK_STEPS "}]\n",
	  "1: mode \"approve\" is not supported yet | use suggest or auto for now\n" },
	{ "runbooks: [{name: a, priority: 10, " OK_STEPS "}]\n",
	  "1: \"priority\" in runbook: \"10\" is more than 9 | write 0 to 9\n" },
	{ "runbooks: [{name: a, limits: {cooldown: 1x, per_hour: 0, in_flight: 1}, " OK_STEPS
	  "}]\n",
	  "1: \"cooldown\" in runbook limits: \"1x\" is not a duration | write durations like "
	  "30s, 5m or 1h30m\n"
	  "1: \"per_hour\" in runbook limits: \"0\" is less than 1 | write 1 to 100000\n"
	  "1: unknown key \"in_flight\" in runbook limits | its keys are cooldown, queue_for, "
	  "per_target_per_hour, per_hour, max_in_flight, stop_over\n" },
	{ "runbooks: [{name: a, target: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, "
	  "q], " OK_STEPS "}]\n",
	  "1: \"target\" has too many labels\n" },
	{ "runbooks: [{name: a, steps: []}]\n", "1: \"steps\" must be a list of 1 to 32 steps\n" },
	{ "runbooks: [{name: a, steps: {id: a}}]\n",
	  "1: \"steps\" must be a list of 1 to 32 steps | write each entry on a line that "
	  "begins with -\n" },
	{ "runbooks: [{name: a, steps: [x]}]\n",
	  "1: a step must be a mapping | write {id: NAME, exec: [/path/to/script]}\n" },
	{ "runbooks: [{name: a, steps: [{id: a}]}]\n",
	  "1: a step needs something to do | add exec: [/path/to/script]\n" },
	{ "runbooks: [{name: a, steps: [{id: a, approve: {}}]}]\n",
	  "1: step kind \"approve\" is not supported yet | use another kind for now\n" },
	{ "runbooks: [{name: a, steps: [{id: a, wait: 5s, exec: [@/ok]}]}]\n",
	  "1: a step does exactly one thing\n" },
	{ "runbooks: [{name: a, steps: [{exec: [@/ok]}]}]\n",
	  "1: a step needs an \"id\" | a lower-case letter, then such letters, digits and "
	  "underscores; at most 32\n" },
	{ "runbooks:\n- name: a\n  steps:\n  - {id: a, wait: 1s, after: [b]}\n  - {id: b, wait: "
	  "1s, "
	  "after: [c]}\n  - {id: c, wait: 1s, after: [a]}\n  - {id: d, wait: 1s, after: []}\n",
	  "4: step \"a\" waits for itself, by way of others\n" },
	{ "runbooks: [{name: a, steps: [{id: a, wait: 1s, after: [a]}]}]\n",
	  "1: a step cannot wait for itself\n" },
	{ "runbooks: [{name: a, steps: [{id: a, wait: 1s, after: [b]}]}]\n",
	  "1: there is no step \"b\" | write the id of a step\n" },
	{ "runbooks:\n- name: a\n  steps:\n  - {id: a, wait: 1s}\n  - {id: b, wait: 1s, after: "
	  "[]}\n"
	  "  - {id: c, wait: 1s, when: ok(a) or failed(b)}\n",
	  "6: step \"a\" need not have ended by then | add it to \"after\"\n" },
	{ "runbooks:\n- name: a\n  steps:\n  - {id: a, wait: 1s}\n  - {id: b, wait: 1s, when: "
	  "'ok(x)'}\n",
	  "5: there is no step of this id | write the id of a step\n" },
	{ "runbooks: [{name: a, steps: [{id: a, wait: 1s, timeout: 1s}]}]\n",
	  "1: unknown key \"timeout\" in wait step | its keys are id, after, when, on_failure, "
	  "wait\n" },
	{ "runbooks: [{name: a, steps: [{id: a, wait: 1s, on_failure: ignore}]}]\n",
	  "1: \"on_failure\" in wait step: \"ignore\" is not one of stop, continue, rollback\n" },
	{ "runbooks:\n- name: a\n  steps:\n  - id: a\n    verify: up ==\n",
	  "5: unexpected end of input, expected an expression\n" },
	{ "runbooks: [{name: a, steps: [{id: a, verify: 'absent(up)'}]}]\n",
	  "1: absent() proves nothing: it is also true when nothing is heard any more | ask for "
	  "what "
	  "is there when all is well\n" },
	{ "runbooks: [{name: a, steps: [{id: a, verify: 'rate(x[5m]) < 1'}]}]\n",
	  "1: this cannot hold in time: its range and \"for\" take 300s, \"within\" is 300s | "
	  "raise "
	  "within, or look at a shorter range\n" },
	{ "runbooks: [{name: a, steps: [{id: a, notify: nobody}]}]\n",
	  "1: unknown receiver \"nobody\" | add it to receivers\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok], undo: {id: b, exec: [@/ok]}}]}]\n",
	  "1: \"id\" is of steps, not of what undoes one\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok], undo: {wait: 5s}}]}]\n",
	  "1: \"undo\" does exactly one thing: exec or webhook | undo: {exec: "
	  "[/path/to/script]}\n" },
	{ "runbooks: [{name: a, steps: [{id: a, webhook: {}}]}]\n",
	  "1: a webhook needs \"url\" or \"url_file\", and not both\n" },
	{ "runbooks: [{name: a, steps: [{id: a, webhook: {url: 'http://x', method: TRACE}}]}]\n",
	  "1: this method is not allowed | GET, POST, PUT, PATCH or DELETE\n" },
	{ "runbooks: [{name: a, steps: [{id: a, webhook: {url: 'http://x', http_config: {}}}]}]\n",
	  "1: \"http_config\" of a step is not supported yet | take it out for now\n" },
	{ "runbooks: [{name: a, steps: [{id: a, webhook: {url: 'http://{{ $labels.a }}'}}]}]\n",
	  "1: the address of a webhook is no template | what an alert holds does not choose where "
	  "it "
	  "goes\n" },
	{ "runbooks: [{name: a, steps: [{id: a, webhook: {url: 'http://x', body: '{{ query \"up\" "
	  "}}'}}]}]\n",
	  "1: \"query\" and \"now\" are there in the templates of rules only | ask in an "
	  "annotation "
	  "of the rule; or in a verify step\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok], sha256: a, args: [a]}]}]\n",
	  "1: \"sha256\" in exec step is not supported yet | take it out for now\n"
	  "1: \"args\" in exec step is not supported yet | take it out for now\n" },
	{ "actions: {deny_private: true}\n",
	  "1: \"deny_private\" in actions is not supported yet | take it out for now\n" },
	{ "runbooks: [{name: a, steps: [{id: a, webhook: {url: 'http://x', headers: {Host: "
	  "x}}}]}]\n",
	  "1: this header is not allowed\n" },
	{ "runbooks: [{name: a, steps: [{id: a, webhook: {url: 'http://x', body: '{{ $labls "
	  "}}'}}]}]\n",
	  "1: undefined variable \"$labls\" | did you mean \"$labels\"?\n" },
	{ "runbooks: [{name: a, limits: {max_in_flight: 10%, stop_over: 30%}, " OK_STEPS "}]\n",
	  "1: a share of what? \"targets\" is missing | add targets: up{job=\"shop\"}\n"
	  "1: a share of what? \"targets\" is missing | add targets: up{job=\"shop\"}\n" },
	{ "runbooks: [{name: a, limits: {max_in_flight: 0, stop_over: 3}, breaker: {error_share: "
	  "101%}, " OK_STEPS "}]\n",
	  "1: \"max_in_flight\" must be a number from 1, or a share to 100% | write a number, or a "
	  "share such as 10%\n"
	  "1: \"stop_over\" must be a share from 1% to 100% | write a share such as 40%\n"
	  "1: \"error_share\" must be a share from 1% to 100% | write a share such as 50%\n" },
	{ "runbooks: [{name: a, on_failed: x, repeat: {}, " OK_STEPS "}]\n",
	  "1: \"repeat\" of a runbook is not supported yet | take it out for now\n"
	  "1: unknown receiver \"x\" | add it to receivers\n" },
	{ "runbooks: [{name: a, steps: [{id: A, exec: [@/ok]}]}]\n",
	  "1: bad id of a step | a lower-case letter, then such letters, digits and underscores; "
	  "at most 32\n" },
	{ "runbooks: [{name: a, steps: [{id: a123456789012345678901234567890123, exec: "
	  "[@/ok]}]}]\n",
	  "1: bad id of a step | a lower-case letter, then such letters, digits and underscores; "
	  "at most 32\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok]}, {id: a, exec: [@/ok]}]}]\n",
	  "1: two steps have the id \"a\" | give each its own\n" },
	/* What is wrong with one hides nothing of what is wrong with another, or between them. */
	{ "runbooks:\n- name: a\n  steps:\n  - {id: a, wait: x, after: [f]}\n"
	  "  - {id: a, notify: x, when: ok(b) and}\n"
	  "  - {id: C, webhook: {url: x, method: Y, headers: {Host: z}, body: '{{ $x }}'}}\n",
	  "4: \"wait\" in wait step: \"x\" is not a duration | write durations like 30s, 5m or "
	  "1h30m\n"
	  "5: unknown receiver \"x\" | add it to receivers\n"
	  "5: two steps have the id \"a\" | give each its own\n"
	  "6: \"x\" is no address of a webhook | begin it with http:// or https://\n"
	  "6: this method is not allowed | GET, POST, PUT, PATCH or DELETE\n"
	  "6: this header is not allowed\n"
	  "6: undefined variable \"$x\"\n"
	  "6: bad id of a step | a lower-case letter, then such letters, digits and underscores; at "
	  "most 32\n"
	  "4: there is no step \"f\" | write the id of a step\n" },
	/* Unless an id is lacking: then nobody knows which are. */
	{ "runbooks:\n- name: a\n  steps:\n  - {wait: 1s}\n  - {id: b, wait: 1s, after: [a]}\n"
	  "  - {id: [c], wait: 1s}\n  - {id: , wiat: 1s}\n",
	  "4: a step needs an \"id\" | a lower-case letter, then such letters, digits and "
	  "underscores; at most 32\n"
	  "6: \"id\" in wait step must be a text, not a list | YAML takes a leading [ for a list; "
	  "put the text in a block: id: |\n"
	  "7: unknown key \"wiat\" in step | did you mean \"wait\"?\n"
	  "7: a step needs an \"id\" | a lower-case letter, then such letters, digits and "
	  "underscores; at most 32\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: []}]}]\n",
	  "1: \"exec\" must be a list of 1 to 200 texts\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok], timeout: 0s, afte: [b]}]}]\n",
	  "1: \"timeout\" in exec step: \"0s\" is less than 1ms | write 1ms to 1d\n"
	  "1: unknown key \"afte\" in exec step | did you mean \"after\"?\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok, \"a\\0b\"]}]}]\n",
	  "1: an argument cannot hold a NUL byte\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok], env: {LD_PRELOAD: x}}]}]\n",
	  "1: this variable is not allowed | names are [A-Z][A-Z0-9_]*; LD_…, PATH and the like "
	  "are not to be set\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok], env: {PATH: x}}]}]\n",
	  "1: this variable is not allowed | names are [A-Z][A-Z0-9_]*; LD_…, PATH and the like "
	  "are not to be set\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok], env: {lower: x}}]}]\n",
	  "1: this variable is not allowed | names are [A-Z][A-Z0-9_]*; LD_…, PATH and the like "
	  "are not to be set\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok], env: {A: \"a\\0b\"}}]}]\n",
	  "1: a value cannot hold a NUL byte\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/ok], user: no-such-user, cwd: tmp}]}]\n",
	  "1: there is no user \"no-such-user\"\n"
	  "1: \"cwd\" must be an absolute path\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@/missing]}]}]\n",
	  "1: \"@/missing\" cannot be looked at: No such file or directory | a script must exist, "
	  "be executable, and be writable by nobody but root and the daemon's user\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [./missing]}]}]\n",
	  "1: \"@/missing\" cannot be looked at: No such file or directory | a script must exist, "
	  "be executable, and be writable by nobody but root and the daemon's user\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [ok]}]}]\n",
	  "1: \"ok\" is not an absolute path | write where it is: /path/to/it, or ./it beside this "
	  "file\n" },
	{ "runbooks: [{name: a, steps: [{id: a, exec: [@]}]}]\n",
	  "1: \"@\" is not a regular file | a script must exist, be executable, and be writable by "
	  "nobody but root and the daemon's user\n" },
};

START_TEST(config_says_what_is_wrong)
{
	struct actions_config *config = NULL;
	char expected[1024];
	size_t len = 0;

	for (const char *at = wrong[_i].said; *at; at++)
		if (*at == '@')
			len += (size_t)sprintf(expected + len, "%s", dir);
		else
			expected[len++] = *at;
	expected[len] = '\0';
	ck_assert_int_eq(bind(wrong[_i].text, &config), ERR_INVALID);
	ck_assert_str_eq(said, expected);
	ck_assert_ptr_null(config);
}
END_TEST

START_TEST(config_warns)
{
	struct actions_config *config;

	ck_assert_int_eq(bind("receivers: [{name: a}]\n", &config), 0);
	ck_assert_str_eq(said, "warning 0: there are receivers, but no route: nobody will be told "
			       "| add route: {receiver: NAME}\n");
	actions_config_unref(config);
}
END_TEST

/* ---- limits ---- */

static char text[2 * 1024 * 1024];

static void expect_limit(const char *message)
{
	struct actions_config *config;
	char expected[256];

	ck_assert_int_eq(bind(text, &config), ERR_INVALID);
	snprintf(expected, sizeof(expected), ": %s\n", message);
	ck_assert_msg(strstr(said, expected) != NULL, "%s", said);
}

static size_t add(size_t len, const char *piece, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		len += (size_t)sprintf(text + len, "%s", piece);
	return len;
}

static void routes_nested(unsigned depth)
{
	size_t len = add(0, "receivers: [{name: a}]\nroute: {receiver: a", 1);

	len = add(len, ", routes: [{group_wait: 1s", depth - 1);
	len = add(len, "}]", depth - 1);
	add(len, "}\n", 1);
}

static void routes_many(unsigned n)
{
	add(add(add(0, "receivers: [{name: a}]\nroute: {receiver: a, routes: [", 1), "{}, ", n - 1),
	    "]}\n", 1);
}

static void runbooks_many(unsigned n)
{
	size_t len = add(0, "runbooks:\n", 1);

	for (unsigned i = 0; i < n; i++)
		len += (size_t)sprintf(text + len,
				       "- {name: r%u, steps: [{id: a, exec: [@/ok]}]}\n", i);
}

static void steps_many(unsigned n)
{
	size_t len = add(0, "runbooks: [{name: a, steps: [", 1);

	for (unsigned i = 0; i < n; i++)
		len += (size_t)sprintf(text + len, "{id: s%u, exec: [@/ok]}, ", i);
	add(len, "]}]\n", 1);
}

static void runbook_name_long(unsigned n)
{
	add(add(add(0, "runbooks: [{name: ", 1), "n", n), ", steps: [{id: a, exec: [@/ok]}]}]\n",
	    1);
}

static void step_id_long(unsigned n)
{
	add(add(add(0, "runbooks: [{name: a, steps: [{id: ", 1), "n", n), ", exec: [@/ok]}]}]\n",
	    1);
}

static void arguments_many(unsigned n)
{
	add(add(add(0, "runbooks: [{name: a, steps: [{id: a, exec: [@/ok", 1), ", x", n - 1),
	    "]}]}]\n", 1);
}

static void headers_many(unsigned n)
{
	size_t len = add(
		0, "runbooks: [{name: a, steps: [{id: a, webhook: {url: 'http://x', headers: {", 1);

	for (unsigned i = 0; i < n; i++)
		len += (size_t)sprintf(text + len, "X%u: x, ", i);
	add(len, "}}}]}]\n", 1);
}

static void variables_many(unsigned n)
{
	size_t len = add(0, "runbooks: [{name: a, steps: [{id: a, exec: [@/ok], env: {", 1);

	for (unsigned i = 0; i < n; i++)
		len += (size_t)sprintf(text + len, "V%u: x, ", i);
	add(len, "}}]}]\n", 1);
}

START_TEST(config_limits)
{
	static const struct {
		void (*make)(unsigned n);
		unsigned max;
		const char *message;
	} limits[] = {
		{ routes_nested, ROUTE_DEPTH_MAX, "routes are nested too deeply" },
		{ routes_many, ROUTES_MAX, "too many routes" },
		{ runbooks_many, 10000, "\"runbooks\" must be a list of at most 10000" },
		{ steps_many, RUNBOOK_STEPS_MAX, "\"steps\" must be a list of 1 to 32 steps" },
		{ runbook_name_long, RUNBOOK_NAME_MAX,
		  "bad name of a runbook | letters, digits and dashes; at most 64" },
		{ step_id_long, STEP_ID_MAX,
		  "bad id of a step | a lower-case letter, then such letters, digits and "
		  "underscores; at most 32" },
		{ arguments_many, 200, "\"exec\" must be a list of 1 to 200 texts" },
		{ headers_many, 32, "too many headers | at most 32" },
		{ variables_many, 64, "too many variables | at most 64" },
	};

	limits[_i].make(limits[_i].max);
	actions_config_unref(bind_well(text));
	limits[_i].make(limits[_i].max + 1);
	expect_limit(limits[_i].message);
}
END_TEST

/* What does not fit is refused: its beginning is another address. */
START_TEST(url_in_a_file_is_limited)
{
	char url[WEBHOOK_URL_MAX];

	for (int len = WEBHOOK_URL_MAX - 2; len < WEBHOOK_URL_MAX + 1; len++) {
		FILE *file = fopen(path_of("url"), "w");

		ck_assert_ptr_nonnull(file);
		fprintf(file, "http://h/%0*d", len - (int)strlen("http://h/"), 7);
		fclose(file);
		ck_assert_int_eq(webhook_url_read(path_of("url"), url),
				 len == WEBHOOK_URL_MAX - 2 ? 0 : ERR_INVALID);
	}
}
END_TEST

/* ---- scripts ---- */

static void expect_script(const char *path, const char *reason)
{
	char why[256] = "", expected[512];
	int code = script_check(path, why);

	if (!reason) {
		ck_assert_msg(code == 0, "%s", why);
		return;
	}
	size_t len = 0;

	for (; *reason; reason++)
		if (*reason == '@')
			len += (size_t)sprintf(expected + len, "%s", dir);
		else
			expected[len++] = *reason;
	expected[len] = '\0';
	ck_assert_int_eq(code, ERR_INVALID);
	ck_assert_str_eq(why, expected);
}

START_TEST(script_must_be_fit)
{
	expect_script(path_of("ok"), NULL);
	expect_script("ok", "\"ok\" is not an absolute path");
	expect_script("", "\"/\" is not an absolute path");
	expect_script("/", "\"/\" is not a regular file");
	expect_script(dir, "\"@\" is not a regular file");
	expect_script(path_of("none"), "\"@/none\" cannot be looked at: No such file or directory");
	expect_script(path_of("ok/more"), "\"@/ok/more\" cannot be looked at: Not a directory");
	script_make("plain", 0600);
	expect_script(path_of("plain"), "\"@/plain\" is not executable: chmod +x");
	script_make("group", 0770);
	chmod(path_of("group"), 0770);
	expect_script(path_of("group"), "\"@/group\" may be written by others: chmod go-w");
	script_make("all", 0702);
	chmod(path_of("all"), 0702);
	expect_script(path_of("all"), "\"@/all\" may be written by others: chmod go-w");
	ck_assert_int_eq(mkfifo(path_of("pipe"), 0700), 0);
	expect_script(path_of("pipe"), "\"@/pipe\" is not a regular file");
	mkdir(path_of("shared"), 0700);
	script_make("shared/ok", 0700);
	chmod(path_of("shared"), 0770);
	expect_script(path_of("shared/ok"), "\"@/shared\" may be written by others: chmod go-w");
	/* In a sticky directory nobody can replace what is not theirs. */
	chmod(path_of("shared"), 01777);
	expect_script(path_of("shared/ok"), NULL);
	expect_script(path_of("shared/../ok"), NULL);
	expect_script(path_of("./shared//ok"), NULL);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(path_of("ok"), 12345, 0), 0);
		expect_script(path_of("ok"),
			      "\"@/ok\" belongs to another user than root or the daemon's");
	}
}
END_TEST

START_TEST(script_links_are_walked)
{
	char deep[64];

	/* The link leads to a good script, but stands where others can change it. */
	mkdir(path_of("shared"), 0700);
	ck_assert_int_eq(symlink("../ok", path_of("shared/link")), 0);
	expect_script(path_of("shared/link"), NULL);
	chmod(path_of("shared"), 0770);
	expect_script(path_of("shared/link"), "\"@/shared\" may be written by others: chmod go-w");
	/* So does a directory on the way. */
	mkdir(path_of("good"), 0700);
	script_make("good/ok", 0700);
	ck_assert_int_eq(symlink(path_of("good"), path_of("shared/dir")), 0);
	ck_assert_int_eq(symlink("shared/dir", path_of("dir")), 0);
	expect_script(path_of("dir/ok"), "\"@/shared\" may be written by others: chmod go-w");
	chmod(path_of("shared"), 0700);
	expect_script(path_of("dir/ok"), NULL);
	if (geteuid() == 0) {
		ck_assert_int_eq(lchown(path_of("dir"), 12345, 0), 0);
		expect_script(path_of("dir/ok"),
			      "\"@/dir\" belongs to another user than root or the daemon's");
	}
	ck_assert_int_eq(symlink("nowhere", path_of("dangling")), 0);
	expect_script(path_of("dangling"),
		      "\"@/nowhere\" cannot be looked at: No such file or directory");
	ck_assert_int_eq(symlink("circle", path_of("circle")), 0);
	expect_script(path_of("circle"), "\"@/circle\" is one of too many links");
	/* Forty are followed. */
	ck_assert_int_eq(symlink("good/ok", path_of("l0")), 0);
	for (int i = 1; i <= 40; i++) {
		char to[16];

		snprintf(deep, sizeof(deep), "l%d", i);
		snprintf(to, sizeof(to), "l%d", i - 1);
		ck_assert_int_eq(symlink(to, path_of(deep)), 0);
	}
	expect_script(path_of("l39"), NULL);
	expect_script(path_of("l40"), "\"@/l0\" is one of too many links");
}
END_TEST

START_TEST(script_paths_have_limits)
{
	static char path[5000];
	char why[256];

	memset(path, 'x', 300);
	path[0] = '/';
	ck_assert_int_eq(script_check(path, why), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why, "\" has a name that is too long"));
	for (int i = 0; i < 4500; i++)
		path[i] = i % 100 ? 'x' : '/';
	ck_assert_int_eq(script_check(path, why), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why, "\" is too long"));
	/* Cut between characters. */
	path[0] = '/';
	for (int i = 1; i < 240; i += 2)
		memcpy(path + i, "\303\244", 2);
	path[241] = '\0';
	ck_assert_int_eq(script_check(path, why), ERR_INVALID);
	ck_assert(slice_is_utf8(slice_from(why)));
	ck_assert_uint_lt(strlen(why), 256);
}
END_TEST

static Suite *config_suite(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, config_empty_tells_nobody);
	tcase_add_test(tcase, config_routes_inherit);
	tcase_add_test(tcase, config_routes_match_depth_first);
	tcase_add_test(tcase, config_runbooks);
	tcase_add_loop_test(tcase, config_says_what_is_wrong, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tcase, config_warns);
	tcase_add_loop_test(tcase, config_limits, 0, 9);
	tcase_add_test(tcase, url_in_a_file_is_limited);
	tcase_add_test(tcase, script_must_be_fit);
	tcase_add_test(tcase, script_links_are_walked);
	tcase_add_test(tcase, script_paths_have_limits);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(config_suite)
