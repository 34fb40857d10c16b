/* tocsin check: configuration and rule files, every error of all of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/yaml.h"
#include "cli/check_data.h"
#include "cli/cli.h"
#include "daemon/config.h"
#include "rules/lint.h"
#include "rules/rule_expand.h"

#define INTERVAL_MS_DEFAULT 15000 /* of groups, where there is no configuration */

enum { FORMAT, STRICT, EXPAND, URL };

static const struct cli_option options[] = {
	[FORMAT] = FORMAT_OPTION,
	[STRICT] = { "strict", NULL, "warnings count as errors" },
	[EXPAND] = { "expand", "[=prometheus]",
		     "print what the rules mean; without what Prometheus does not know" },
	[URL] = { "url", "URL", "compare rules with the series of the daemon there, too" },
	{ NULL, NULL, NULL },
};

struct check {
	struct diag_list diags;
	const char **rule_files; /* of the command line, by themselves */
	size_t nrule_files;
	size_t files, rules;
	const char *url;	 /* of a daemon whose series are looked at; NULL: none */
	int code;		 /* of asking it */
	size_t compared;	 /* rules that run there */
	int64_t query_offset_ms; /* of its configuration: for groups given by themselves */
	bool expands;		 /* prints what the rules mean, instead of counts */
	enum expand_form form;
	struct buf expanded;
};

/* A rule file has groups; what cannot be read at all is read as one, too, to be told why. */
static bool is_rule_text(struct slice text)
{
	struct arena arena;
	struct diag_list ignored;
	struct yaml_node *root = NULL;

	arena_init(&arena, 0);
	diag_list_init(&ignored);
	yaml_parse(text, NULL, &arena, &ignored, &root);
	bool is = !root || root->type != YAML_MAPPING || yaml_get(root, "groups") ||
		  yaml_get(root, "rules");

	diag_list_fini(&ignored);
	arena_fini(&arena);
	return is;
}

/* The rules are right, as far as they load. */
static void take_rules(struct check *check, struct rule_set *rules)
{
	check->rules += rules->nrules;
	if (!check->expands && rule_set_lint(rules, &check->diags))
		diag_add(&check->diags, DIAG_ERROR, NULL, 0, 0, NULL, NULL, "out of memory");
	if (check->url && !check->code)
		check->code = check_data(check->url, rules, &check->diags, &check->compared);
	if (check->expands && check->expanded.len > 0)
		buf_add_str(&check->expanded, "---\n");
	if (check->expands && rule_set_expand(rules, check->form, &check->expanded) < 0)
		diag_add(&check->diags, DIAG_ERROR, NULL, 0, 0, NULL, NULL, "out of memory");
	rule_set_unref(rules);
}

/* config: whose rules they are; NULL: given by themselves. */
static void check_rules(struct check *check, const char *const *paths, size_t n,
			const struct config *config)
{
	const struct actions_config *actions = config ? config->actions : NULL;
	struct slice *runbooks = calloc((actions ? actions->nrunbooks : 0) + 1, sizeof(*runbooks));
	struct rule_set_options set = {
		.interval_ms = config ? config->evaluation_interval_ms : INTERVAL_MS_DEFAULT,
		.query_offset_ms = config ? config->rule_query_offset_ms : check->query_offset_ms,
		.subquery_step_ms = config ? config->subquery_step_ms : 0,
		.delayed_names = config && config->delayed_names,
		.rules_max = config ? (size_t)config->rules_max : RULES_MAX,
		.runbooks = actions ? runbooks : NULL
	};
	struct rule_set *rules;

	for (uint32_t i = 0; actions && runbooks && i < actions->nrunbooks; i++)
		runbooks[set.nrunbooks++] = actions->runbooks[i].name;
	check->files += n;
	if (runbooks && rule_set_load(paths, n, &set, &check->diags, &rules) == 0)
		take_rules(check, rules);
	free(runbooks);
}

/* A configuration, and the rules it names. */
static void check_config(struct check *check, const char *path)
{
	struct config *config = config_check(path, true, &check->diags);

	check->files++;
	if (!config)
		return;
	check_rules(check, (const char *const *)config->rule_files, config->nrule_files, config);
	config_unref(config);
}

static void check_stream_rules(struct check *check, const char *name, struct slice text)
{
	struct rule_set_options set = { .interval_ms = INTERVAL_MS_DEFAULT,
					.query_offset_ms = check->query_offset_ms,
					.rules_max = RULES_MAX };
	struct rule_set *rules;

	check->files++;
	if (rule_set_load_text(text, name, &set, &check->diags, &rules) == 0)
		take_rules(check, rules);
}

static void complain_unread(struct check *check, const char *path, int code)
{
	if (code == ERR_LIMIT)
		diag_add(&check->diags, DIAG_ERROR, path, 0, 0, NULL, "split it into several files",
			 "larger than %d MiB", CLI_INPUT_MAX / 1024 / 1024);
	else
		diag_add(&check->diags, DIAG_ERROR, path, 0, 0, NULL, NULL, "cannot read: %s",
			 code == ERR_IO ? strerror(errno) : error_text(code));
}

static void check_file(struct check *check, const char *path)
{
	const char *name = strcmp(path, "-") == 0 ? "<stdin>" : path;
	struct buf text;

	buf_init(&text);
	int code = read_input(path, &text);
	bool is_rules = code || is_rule_text(buf_slice(&text)), is_once = is_stream(path);

	if (code)
		complain_unread(check, path, code);
	else if (is_once && !is_rules)
		diag_add(&check->diags, DIAG_ERROR, name, 0, 0, NULL, "give its path",
			 "a configuration is read from a file, not from standard input or a pipe");
	else if (is_once)
		check_stream_rules(check, name, buf_slice(&text));
	else if (is_rules)
		check->rule_files[check->nrule_files++] = path;
	else
		check_config(check, path);
	buf_fini(&text);
}

static void print_text(const struct check *check)
{
	size_t errors = diag_list_told(&check->diags);
	bool colour = diag_wants_colour(STDERR_FILENO);
	struct buf text;

	buf_init(&text);
	for (size_t i = 0; i < check->diags.n; i++)
		diag_format(&check->diags.items[i], colour, &text);
	if (buf_ok(&text) && text.len)
		fwrite(text.ptr, 1, text.len, stderr);
	buf_fini(&text);
	if (check->expands) {
		write_out(buf_slice(&check->expanded));
		return;
	}
	printf("%zu %s, %zu %s, %zu %s, %zu %s\n", check->files,
	       check->files == 1 ? "file" : "files", check->rules,
	       check->rules == 1 ? "rule" : "rules", errors, errors == 1 ? "error" : "errors",
	       check->diags.warnings, check->diags.warnings == 1 ? "warning" : "warnings");
	if (check->url && check->code == 0)
		printf("%zu of the rules %s at %s, and %s compared with its series; others as far "
		       "as they read the same\n",
		       check->compared, check->compared == 1 ? "runs" : "run", check->url,
		       check->compared == 1 ? "is" : "are");
}

static void print_json(const struct check *check)
{
	struct buf text;

	buf_init(&text);
	diag_list_format_json(&check->diags, &text);
	buf_add_char(&text, '\n');
	write_out(buf_slice(&text));
	buf_fini(&text);
}

static int run(const struct cli_args *args)
{
	struct check check = { .rule_files = calloc(args->nwords + 1, sizeof(*check.rule_files)) };
	bool bad, json = is_json_format(args->values[FORMAT], &bad);

	if (bad || !check.rule_files) {
		free(check.rule_files);
		return bad ? usage_error(&check_command, "unknown format \"%.100s\": text or json",
					 args->values[FORMAT])
			   : fail(EXIT_FAILURE, "out of memory");
	}
	if (args->values[EXPAND]) {
		check.expands = true;
		if (strcmp(args->values[EXPAND], "prometheus") == 0)
			check.form = EXPAND_PROMETHEUS;
		else if (strcmp(args->values[EXPAND], "expand") != 0)
			bad = true;
	}
	if (bad || (json && check.expands)) {
		free(check.rule_files);
		return usage_error(&check_command, bad ? "--expand or --expand=prometheus"
						       : "--expand prints YAML, not JSON");
	}
	check.url = args->values[URL];
	if (check.url)
		check.code = check_data_offset(check.url, &check.query_offset_ms);
	diag_list_init(&check.diags);
	buf_init(&check.expanded);
	for (size_t i = 0; i < args->nwords; i++)
		check_file(&check, args->words[i]);
	if (check.nrule_files)
		check_rules(&check, check.rule_files, check.nrule_files, NULL);
	if (json)
		print_json(&check);
	else
		print_text(&check);
	bool wrong = check.diags.errors || (args->values[STRICT] && check.diags.warnings);

	diag_list_fini(&check.diags);
	buf_fini(&check.expanded);
	free(check.rule_files);
	return wrong ? EXIT_FAILURE : check.code;
}

const struct command check_command = {
	.name = "check",
	.arguments = "FILE… [--format json] [--strict] [--url URL] [--expand[=prometheus]]",
	.summary = "Check configuration and rule files: every error, at its place.",
	.doc = "Rule files are told from configurations by their content (\"groups:\", "
	       "\"rules:\"). With a "
	       "configuration, the rules it names are checked, "
	       "too.\n\"-\" is standard input. Exit code 1 when there are errors.\nWith --url, "
	       "rules are compared with the series that a daemon has: selectors that nothing "
	       "matches, labels that no "
	       "series has, and more of those that run there.",
	.options = options,
	.words_min = 1,
	.words_max = CLI_ARGUMENTS_MAX,
	.run = run,
};
