/* tocsin test: unit tests of rules, promtool's files. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/regex.h"
#include "cli/cli.h"
#include "engine/unit_test.h"

enum { FORMAT, RUN };

static const struct cli_option options[] = {
	[FORMAT] = FORMAT_OPTION,
	[RUN] = { "run", "PATTERN", "only tests whose name matches this regular expression" },
	{ NULL, NULL, NULL },
};

static void print_json(const struct diag_list *diags, const struct unit_test_totals *totals)
{
	struct buf text;

	buf_init(&text);
	buf_printf(&text, "{\"passed\":%zu,\"failed\":%zu,\"skipped\":%zu,\"diagnostics\":",
		   totals->passed, totals->failed, totals->skipped);
	diag_list_format_json(diags, &text);
	buf_add_str(&text, "}\n");
	write_out(buf_slice(&text));
	buf_fini(&text);
}

/* One file: what is wrong with it at once, for the next may take long. */
static bool run_file(const char *path, const struct unit_test_options *unit, bool json,
		     struct diag_list *all, struct unit_test_totals *totals)
{
	struct unit_test_totals own = { 0 };
	struct diag_list diags;

	diag_list_init(&diags);
	int code = unit_test_run(path, unit, json ? all : &diags, &own);

	if (!json) {
		print_diagnostics(&diags);
		if (code && own.failed == 0)
			printf("%s: FAILED: not run\n", path);
		else if (code)
			printf("%s: FAILED: %zu of %zu tests\n", path, own.failed,
			       own.failed + own.passed);
		else
			printf("%s: %zu %s passed%s\n", path, own.passed,
			       own.passed == 1 ? "test" : "tests",
			       own.skipped == 0	 ? ""
			       : own.passed == 0 ? ": no name matches --run"
						 : ", the others have other names");
	}
	diag_list_fini(&diags);
	totals->passed += own.passed;
	totals->failed += own.failed;
	totals->skipped += own.skipped;
	return code == 0;
}

static int run(const struct cli_args *args)
{
	struct unit_test_options unit = { .run = slice_from(args->values[RUN]) };
	struct unit_test_totals totals = { 0 };
	struct diag_list diags;
	bool bad, json = is_json_format(args->values[FORMAT], &bad), good = true;

	if (bad)
		return usage_error(&test_command, "unknown format \"%.100s\": text or json",
				   args->values[FORMAT]);
	if (unit.run.len && regex_search(unit.run, SLICE("")) < 0)
		return usage_error(&test_command, "\"%.100s\" is no regular expression",
				   args->values[RUN]);
	diag_list_init(&diags);
	for (size_t i = 0; i < args->nwords; i++)
		good &= run_file(args->words[i], &unit, json, &diags, &totals);
	if (json)
		print_json(&diags, &totals);
	diag_list_fini(&diags);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command test_command = {
	.name = "test",
	.arguments = "FILE… [--run PATTERN] [--format json]",
	.summary = "Run unit tests of rules: promtool's files.",
	.doc = "All groups run at the file's evaluation_interval, on a simulated clock that "
	       "starts with no samples.\nExit code 1 when a test fails or a file is wrong.",
	.options = options,
	.words_min = 1,
	.words_max = CLI_ARGUMENTS_MAX,
	.run = run,
};
