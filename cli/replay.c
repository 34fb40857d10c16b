/* tocsin replay: when would these rules have fired? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/replay.h"
#include "daemon/config.h"

enum {
	RULES,
	CONFIG,
	DATA,
	LABELS,
	FROM,
	TO,
	INTERVAL,
	COMPARE,
	FLAP,
	WARM,
	SUMMARY,
	FORMAT,
};

static const struct cli_option options[] = {
	[RULES] = { "rules", "FILE", "a rule file; may be given more than once" },
	[CONFIG] = { "config", "FILE",
		     "a configuration: its rule files where none are given, and how it has them "
		     "read" },
	[DATA] = { "data", "PATH",
		   "a recording's directory, a file of samples or log lines, or a directory of "
		   "such files; may be given more than once" },
	[LABELS] = { "labels", "LABELS", "of all log lines that are read: job=app,instance=a" },
	[FROM] = { "from", "TIME", "tell of what happens from then on, not before" },
	[TO] = { "to", "TIME", "end there" },
	[INTERVAL] = { "interval", "DURATION",
		       "of groups that name none (15s, or the recording's)" },
	[COMPARE] = { "compare", "FILE",
		      "old rules: tell what is different; may be given more than once" },
	[FLAP] = { "flap", "DURATION", "firing again so soon after its end is a flap (10m)" },
	[WARM] = { "warm", NULL,
		   "rules of a recording run from its beginning, not when their windows are fed" },
	[SUMMARY] = { "summary", NULL, "only what it comes to, not each change" },
	[FORMAT] = FORMAT_OPTION,
	{ NULL, NULL, NULL },
};

#define INTERVAL_MS 15000
#define LOOKBACK_MS (5 * 60 * 1000)
#define PROGRESS_US 200000 /* between two looks */

struct replaying {
	struct replay_options options;
	struct replay_data_options data;
	struct rule_set_options rule_options;
	const char *recording; /* NULL: other data */
	struct config *config; /* NULL: none */
	int64_t from_ms, flap_ms;
	bool json, colour, shows_progress;
	bool summary;		      /* only */
	bool prints;		      /* each change, in the run under way */
	struct replay_report *report; /* of the run under way */
	struct buf line;
	size_t nprinted;
	bool failed; /* what was printed could not be written */
	int64_t shown_us;
	const char *what; /* runs: "old rules: " */
};

/* ---- options ---- */

static int read_time(const struct cli_args *args, size_t option, int64_t *out)
{
	const char *text = args->values[option];

	*out = TIME_NONE;
	if (text && time_parse(slice_from(text), out))
		return usage_error(&replay_command,
				   "--%s \"%.100s\" is no time: seconds since the epoch, or "
				   "2026-11-20T10:11:12Z",
				   options[option].name, text);
	return 0;
}

static int read_duration(const struct cli_args *args, size_t option, int64_t otherwise_ms,
			 int64_t *out)
{
	const char *text = args->values[option];

	*out = otherwise_ms;
	if (text && (duration_parse(slice_from(text), out) || *out <= 0))
		return usage_error(&replay_command,
				   "--%s \"%.100s\" is no duration: like 15s or 1h",
				   options[option].name, text);
	return 0;
}

/* All values of an option, to free(). */
static const char **values_of(const struct cli_args *args, size_t option, size_t *n)
{
	const char **values = calloc(args->ngiven + 1, sizeof(*values));

	*n = 0;
	for (size_t i = 0; values && i < args->ngiven; i++)
		if (args->given[i].option == option)
			values[(*n)++] = args->given[i].value;
	return values;
}

/* K=V,K=V. */
static int read_labels(const char *text, struct labels **out)
{
	struct label pairs[LABELS_COUNT_MAX];
	struct slice rest = slice_from(text ? text : "");
	const char *why = "write job=app,instance=a";
	size_t n = 0;

	while (rest.len > 0 && n < LABELS_COUNT_MAX) {
		ptrdiff_t comma = slice_find(rest, ',');
		struct slice pair = { rest.ptr, comma < 0 ? rest.len : (size_t)comma };
		ptrdiff_t equals = slice_find(pair, '=');

		if (equals <= 0)
			return usage_error(&replay_command, "--labels \"%.100s\": %s", text, why);
		pairs[n].name = slice_trim((struct slice){ pair.ptr, (size_t)equals });
		pairs[n].value = slice_trim(
			(struct slice){ pair.ptr + equals + 1, pair.len - (size_t)equals - 1 });
		/* {job="app"}, as elsewhere, would be other labels, which no selector means. */
		if (slice_has_prefix(pairs[n].name, SLICE("{")) ||
		    slice_has_prefix(pairs[n].value, SLICE("\"")))
			return usage_error(&replay_command,
					   "--labels \"%.100s\": %s, without quotes and braces",
					   text, why);
		n++;
		rest = (struct slice){ rest.ptr + pair.len + (comma >= 0),
				       rest.len - pair.len - (comma >= 0) };
	}
	int code = labels_new(pairs, n, out, &why);

	return code ? usage_error(&replay_command, "--labels \"%.100s\": %s", text,
				  code == ERR_NOMEM ? error_text(code) : why)
		    : 0;
}

/* ---- one run ---- */

static void flush_line(struct replaying *replaying)
{
	if (!buf_ok(&replaying->line) || !write_out(buf_slice(&replaying->line)))
		replaying->failed = true;
	buf_clear(&replaying->line);
}

static void clear_progress(const struct replaying *replaying)
{
	if (replaying->shows_progress)
		fputs("\r\033[K", stderr);
}

static void on_event(void *ctx, const struct alert_event *event)
{
	struct replaying *replaying = ctx;
	enum replay_change change = replay_report_event(replaying->report, event);

	if (change == REPLAY_NOTHING || !replaying->prints || replaying->failed)
		return;
	clear_progress(replaying);
	if (replaying->json) {
		if (replaying->nprinted == 0)
			replay_json_begin(&replaying->line);
		replay_json_event(event, change, replaying->nprinted == 0, &replaying->line);
	} else {
		replay_text_event(event, change, replaying->colour, &replaying->line);
	}
	replaying->nprinted++;
	flush_line(replaying);
}

static void on_session(void *ctx, int64_t t_ms)
{
	struct replaying *replaying = ctx;

	replay_report_session(replaying->report, t_ms);
}

static void on_progress(void *ctx, const struct replay_progress *progress)
{
	struct replaying *replaying = ctx;
	int64_t now_us = clock_monotonic_us();
	struct buf text;

	if (now_us - replaying->shown_us < PROGRESS_US)
		return;
	replaying->shown_us = now_us;
	buf_init(&text);
	buf_printf(&text, "\r\033[K%s%.0f%%", replaying->what, 100 * progress->share);
	if (progress->t_ms != TIME_NONE) {
		buf_add_str(&text, "  ");
		time_format_rfc3339(progress->t_ms, &text);
	}
	buf_printf(&text, "  %llu samples", (unsigned long long)progress->samples);
	if (buf_ok(&text))
		fputs(text.ptr, stderr);
	fflush(stderr);
	buf_fini(&text);
}

static int load_rules(const struct replaying *replaying, const char *const *paths, size_t n,
		      struct rule_set **out)
{
	struct diag_list diags;

	diag_list_init(&diags);
	int code = rule_set_load(paths, n, &replaying->rule_options, &diags, out);

	print_diagnostics(&diags);
	diag_list_fini(&diags);
	if (!code || code == ERR_INVALID)
		return code ? EXIT_FAILURE : 0;
	return fail(EXIT_FAILURE, "%s", error_text(code));
}

/* Whoever names data wants something replayed: an empty file is a mistake, not a quiet day. */
static int replay_nothing(const struct replaying *replaying, char **why)
{
	if (asprintf(why, "%s: no data%s", replaying->data.paths[0],
		     replaying->options.to_ms == TIME_NONE ? "" : " before --to") < 0)
		*why = NULL;
	return *why ? ERR_INVALID : ERR_NOMEM;
}

static int replay_nothing_since(const struct replaying *replaying,
				const struct replay_result *result, char **why)
{
	struct buf end;

	buf_init(&end);
	time_format_rfc3339(result->to_ms, &end);
	if (!buf_ok(&end) ||
	    asprintf(why, "%s: no data since --from: it ends at " SLICE_FMT,
		     replaying->data.paths[0], SLICE_ARG(buf_slice(&end))) < 0)
		*why = NULL;
	buf_fini(&end);
	return *why ? ERR_INVALID : ERR_NOMEM;
}

/* Runs the data through the rules into a report, which is to replay_report_fini(). */
static int run_rules(struct replaying *replaying, const char *const *paths, size_t n,
		     struct replay_report *report, struct replay_result *result)
{
	const struct replay_sink sink = { .ctx = replaying,
					  .event = on_event,
					  .session = on_session,
					  .progress =
						  replaying->shows_progress ? on_progress : NULL };
	char *why = NULL;
	int code = load_rules(replaying, paths, n, &replaying->options.rules);

	if (code)
		return code;
	code = replay_report_init(report, replaying->options.rules, replaying->from_ms,
				  replaying->flap_ms);
	replaying->report = report;
	if (!code)
		code = replaying->recording
			       ? replay_recording(replaying->recording, &replaying->options, &sink,
						  result, &why)
			       : replay_data(&replaying->data, &replaying->options, &sink, result,
					     &why);
	clear_progress(replaying);
	if (!code && (result->from_ms == TIME_NONE || result->to_ms < result->from_ms))
		code = replay_nothing(replaying, &why);
	if (!code && replaying->from_ms > result->to_ms)
		code = replay_nothing_since(replaying, result, &why);
	if (!code)
		code = replay_report_end(report, result->from_ms, result->to_ms);
	rule_set_unref(replaying->options.rules);
	if (code)
		code = fail(EXIT_FAILURE, "%s", why ? why : error_text(code));
	free(why);
	return code;
}

/* ---- all of it ---- */

static int print_end(struct replaying *replaying, struct replay_told *told)
{
	struct replay_difference *differences = NULL;

	if (told->before &&
	    replay_compare(told->before, told->report, &differences, &told->ndifferences))
		return fail(EXIT_FAILURE, "out of memory");
	told->differences = differences;
	if (!replaying->json) {
		replay_text_end(told, replaying->colour, &replaying->line);
	} else {
		if (replaying->nprinted == 0)
			replay_json_begin(&replaying->line);
		replay_json_end(told, &replaying->line);
	}
	flush_line(replaying);
	free(differences);
	if (replaying->failed)
		return EXIT_FAILURE; /* main() says so */
	return told->result->live_differs ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int compare_and_print(struct replaying *replaying, const char *const *rules, size_t nrules,
			     const char *const *old, size_t nold)
{
	struct replay_report before = { .nalerts = 0 }, report = { .nalerts = 0 };
	struct replay_result result, ignored;
	struct replay_told told = { .report = &report, .result = &result };
	int code = 0;

	if (nold) {
		replaying->what = "old rules: ";
		code = run_rules(replaying, old, nold, &before, &ignored);
		told.before = &before;
	}
	/* With other rules beside them only what differs is of interest. */
	replaying->prints = nold == 0 && !replaying->summary;
	replaying->what = "";
	if (!code)
		code = run_rules(replaying, rules, nrules, &report, &result);
	if (!code)
		code = print_end(replaying, &told);
	replay_report_fini(&before);
	replay_report_fini(&report);
	return code;
}

/* As the configuration has it; a recording knows better. */
static void settings_of(struct replaying *replaying, const struct config *config,
			struct recording_settings *out)
{
	out->interval_ms = config->evaluation_interval_ms;
	out->query_offset_ms = config->rule_query_offset_ms;
	out->subquery_step_ms = config->subquery_step_ms;
	out->delayed_names = config->delayed_names;
	replaying->options.lookback_ms = config->lookback_ms;
	replaying->options.external_labels = config->external_labels;
	replaying->options.external_url = config->external_url.ptr;
}

static int settings(struct replaying *replaying, const struct cli_args *args, struct arena *arena)
{
	struct recording_settings recorded = { .interval_ms = INTERVAL_MS };
	char *why = NULL;

	if (replaying->config)
		settings_of(replaying, replaying->config, &recorded);
	if (replaying->recording &&
	    replay_recording_settings(replaying->recording, &recorded, arena, &why)) {
		int code = fail(EXIT_FAILURE, "%s", why ? why : "out of memory");

		free(why);
		return code;
	}
	replaying->rule_options = (struct rule_set_options){
		.query_offset_ms = recorded.query_offset_ms,
		.subquery_step_ms = recorded.subquery_step_ms,
		.delayed_names = recorded.delayed_names,
		.rules_max = RULES_MAX,
	};
	return read_duration(args, INTERVAL, recorded.interval_ms,
			     &replaying->rule_options.interval_ms);
}

static int read_options(struct replaying *replaying, const struct cli_args *args,
			struct arena *arena)
{
	bool bad, json = is_json_format(args->values[FORMAT], &bad);
	int code;

	if (bad)
		return usage_error(&replay_command, "unknown format \"%.100s\": text or json",
				   args->values[FORMAT]);
	replaying->json = json;
	replaying->colour = !json && diag_wants_colour(STDOUT_FILENO);
	replaying->shows_progress = isatty(STDERR_FILENO);
	replaying->options.lookback_ms = LOOKBACK_MS;
	replaying->summary = args->values[SUMMARY] != NULL;
	replaying->options.warm = args->values[WARM] != NULL;
	if ((code = read_time(args, FROM, &replaying->from_ms)) ||
	    (code = read_time(args, TO, &replaying->options.to_ms)) ||
	    (code = read_duration(args, FLAP, REPLAY_FLAP_MS, &replaying->flap_ms)))
		return code;
	if (args->values[FROM] && args->values[TO] && replaying->from_ms > replaying->options.to_ms)
		return usage_error(&replay_command, "--from is later than --to");
	for (size_t i = 0; i < replaying->data.npaths; i++) {
		if (!recording_is_in(replaying->data.paths[i]))
			continue;
		if (replaying->data.npaths > 1)
			return usage_error(&replay_command,
					   "\"%.100s\" is a recording: it has all that came in, "
					   "and takes no other data beside it",
					   replaying->data.paths[i]);
		replaying->recording = replaying->data.paths[i];
	}
	return settings(replaying, args, arena);
}

/* 0, or an exit code. */
static int load_config(struct replaying *replaying, const char *path)
{
	struct diag_list diags;
	size_t errors;

	if (!path)
		return 0;
	diag_list_init(&diags);
	replaying->config = config_check(path, false, &diags);
	errors = diags.errors;
	print_diagnostics(&diags);
	diag_list_fini(&diags);
	return errors || !replaying->config ? EXIT_FAILURE : 0;
}

static int run(const struct cli_args *args)
{
	struct replaying replaying = { .json = false };
	struct labels *labels = NULL;
	struct arena arena;
	size_t nrules, nold;
	const char **rules = values_of(args, RULES, &nrules);
	const char **old = values_of(args, COMPARE, &nold);
	const char **data = values_of(args, DATA, &replaying.data.npaths);
	int code;

	arena_init(&arena, 0);
	buf_init(&replaying.line);
	replaying.data.paths = data;
	if (!rules || !old || !data)
		code = fail(EXIT_FAILURE, "out of memory");
	else if ((nrules == 0 && !args->values[CONFIG]) || replaying.data.npaths == 0)
		code = usage_error(&replay_command, "--%s is missing",
				   replaying.data.npaths ? "rules" : "data");
	else if (!(code = load_config(&replaying, args->values[CONFIG])) &&
		 !(code = read_labels(args->values[LABELS], &labels)) &&
		 !(code = read_options(&replaying, args, &arena))) {
		replaying.data.log_labels = args->values[LABELS] ? labels : NULL;
		code = nrules ? compare_and_print(&replaying, rules, nrules, old, nold)
			      : compare_and_print(&replaying,
						  (const char *const *)replaying.config->rule_files,
						  replaying.config->nrule_files, old, nold);
	}
	config_unref(replaying.config);
	buf_fini(&replaying.line);
	arena_fini(&arena);
	labels_unref(labels);
	free(rules);
	free(old);
	free(data);
	return code;
}

const struct command replay_command = {
	.name = "replay",
	.arguments = "{--rules FILE | --config FILE} --data PATH [--from TIME] [--to TIME] "
		     "[--compare FILE] "
		     "[--format json]",
	.summary = "Tell when rules would have fired over recorded data.",
	.doc = "Data: what \"tocsin run --record\" wrote; Prometheus' text or OpenMetrics with "
	       "timestamps (\"promtool tsdb dump\"); bodies of remote-write requests; log files "
	       "whose "
	       "lines have times, with --labels.\n"
	       "Exit code 1 also when a recording's own rules tell something else than they did "
	       "live.",
	.options = options,
	.run = run,
};
