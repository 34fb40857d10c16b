/* The commands of a script: clear, load, eval. */
#include <stdio.h>

#include "tests/engine/promql_internal.h"

char *script_line(struct script *script)
{
	if (!script->at)
		return NULL;
	char *line = script->at, *end = strchr(line, '\n');
	script->at = end ? end + 1 : NULL;
	if (end)
		*end = 0;
	script->line++;
	line = text_trim(line);
	return *line == '#' ? line + strlen(line) : line;
}

static void run_eval(struct script *script, char *line)
{
	struct eval eval = { .line = script->line };
	char *rest = text_split(line);
	if (strcasecmp(line, "eval_fail") == 0)
		eval_expect(&eval, FAIL, rest + strlen(rest));
	else if (strcasecmp(line, "eval_warn") == 0)
		eval_expect(&eval, WARN, rest + strlen(rest));
	else if (strcasecmp(line, "eval_info") == 0)
		eval_expect(&eval, INFO, rest + strlen(rest));
	eval.ordered = strcasecmp(line, "eval_ordered") == 0;
	char *args = text_split(rest);
	eval.is_range = strcmp(rest, "range") == 0;
	if (eval.is_range) {
		eval.bounds = bounds_parse(args, &eval.expr);
	} else {
		eval.expr = args;
		if (strncmp(args, "at ", 3) == 0) {
			char *time = text_trim(args + 3);
			eval.expr = text_split(time);
			eval.bounds.start_ms = eval.bounds.end_ms = time_of(time);
		}
	}
	for (char *next; (next = script_line(script)) && *next;)
		eval_read(&eval, next);
	eval_check(script, &eval);
	eval_fini(&eval);
}

static void run_commands(struct script *script)
{
	script_clear(script);
	for (char *line; (line = script_line(script));) {
		if (strncasecmp(line, "clear", 5) == 0) {
			script_clear(script);
		} else if (strncasecmp(line, "load", 4) == 0) {
			char *args = text_split(line);
			script_load(script, args, strcasecmp(line, "load_with_nhcb") == 0);
		} else if (strncasecmp(line, "eval", 4) == 0) {
			run_eval(script, line);
		} else {
			ck_assert_msg(*line == 0, "%s:%u: unknown command %s", script->path,
				      script->line, line);
		}
	}
	script_clear(script);
	free(script->histograms);
	world_fini(&script->world);
}

bool script_run(const char *path, struct script_counts *counts)
{
	struct script script = { .path = path, .counts = counts };
	FILE *file = fopen(path, "r");
	struct buf text;
	char chunk[65536];
	size_t n;
	if (!file)
		return false;
	buf_init(&text);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(&text, chunk, n);
	fclose(file);
	script.text = script.at = buf_take(&text);
	run_commands(&script);
	free(script.text);
	return true;
}
