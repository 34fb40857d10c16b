/* tocsin run: the daemon. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bind.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "daemon/daemon.h"
#include "engine/recording.h"

enum {
	CONFIG,
	LISTEN,
	DATA_DIR,
	EXTERNAL_URL,
	LOG_LEVEL,
	RECORD,
	RECORD_BYTES,
	VERIFY,
	LAST_GOOD,
	QUIET
};

static const struct cli_option options[] = {
	[CONFIG] = { "config", "FILE",
		     "the configuration; else, without rule files, ./tocsin.yml or "
		     "/etc/tocsin/tocsin.yml" },
	[LISTEN] = { "listen", "ADDR",
		     "where to serve everything (127.0.0.1:9797); port 0: a free one" },
	[DATA_DIR] = { "data-dir", "DIR",
		       "journal and state (./tocsin-data); \"none\": nothing survives a restart" },
	[EXTERNAL_URL] = { "external-url", "URL", "the address under which people reach the page" },
	[LOG_LEVEL] = { "log-level", "LEVEL", "debug, info, warn or error (info)" },
	[RECORD] = { "record", "DIR", "write down what comes in, and when, for \"tocsin replay\"" },
	[RECORD_BYTES] = { "record-bytes", "N",
			   "the recording keeps so many bytes at most, the newest (4GiB)" },
	[VERIFY] = { "verify", "[=SHARE]",
		     "compute that share of the evaluations of rules (0.1) a second time, by a "
		     "plain evaluator, and count what differs" },
	[LAST_GOOD] = { "rules.last-good", NULL,
			"if rule files are broken at the start, take those that were in force "
			"last, as data_dir has them" },
	[QUIET] = { "quiet", NULL, "do not print the lines for prometheus.yml" },
	{ NULL, NULL, NULL },
};

static const char *const config_places[] = { "tocsin.yml", "/etc/tocsin/tocsin.yml" };

static const char *find_config(const struct cli_args *args)
{
	if (args->values[CONFIG])
		return args->values[CONFIG];
	for (size_t i = 0; args->nwords == 0 && i < sizeof(config_places) / sizeof(*config_places);
	     i++)
		if (access(config_places[i], F_OK) == 0)
			return config_places[i];
	return NULL;
}

static bool set_log_level(const char *level)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(level, names[i]) == 0) {
			log_level_set((enum log_level)i);
			return true;
		}
	}
	return false;
}

/* 0, or an exit code. */
static int read_record_bytes(const struct cli_args *args, int64_t *out)
{
	const char *text = args->values[RECORD_BYTES];

	*out = 0;
	if (!text)
		return 0;
	if (!args->values[RECORD])
		return usage_error(&run_command, "--record-bytes goes with --record");
	int code = bytes_parse(slice_from(text), out);

	if (code || *out < RECORDING_BYTES_MIN)
		return usage_error(
			&run_command,
			"--record-bytes \"%.100s\": a size of at least %lldMiB, like 4GiB", text,
			(long long)RECORDING_BYTES_MIN >> 20);
	return 0;
}

#define VERIFY_SHARE_DEFAULT 0.1

/* 0, or an exit code. */
static int read_share(const struct cli_args *args, double *out)
{
	const char *text = args->values[VERIFY];

	*out = text && !*text ? VERIFY_SHARE_DEFAULT : 0;
	if (!text || !*text)
		return 0;
	if (number_parse(slice_from(text), out) || !(*out > 0 && *out <= 1))
		return usage_error(&run_command,
				   "--verify \"%.100s\": a share between 0 and 1, like 0.1", text);
	return 0;
}

/* What cannot be read again at a reload. 0, or an exit code. */
static int refuse_stream(const char *path)
{
	return is_stream(path)
		       ? usage_error(&run_command,
				     "\"%.100s\" can be read but once, and each reload reads it "
				     "again: give the path of a file",
				     path)
		       : 0;
}

static int refuse_streams(const struct cli_args *args)
{
	int code = args->values[CONFIG] ? refuse_stream(args->values[CONFIG]) : 0;

	for (size_t i = 0; i < args->nwords && !code; i++)
		code = refuse_stream(args->words[i]);
	return code;
}

static int run(const struct cli_args *args)
{
	double verify_share;
	int64_t record_bytes;
	int code = read_record_bytes(args, &record_bytes);

	if (!code)
		code = read_share(args, &verify_share);
	if (!code)
		code = refuse_streams(args);

	char program[PATH_MAX];
	const char *config = find_config(args), *level = args->values[LOG_LEVEL];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (code)
		return code;
	if (level && !set_log_level(level))
		return usage_error(&run_command,
				   "unknown log level \"%.100s\": debug, info, warn or error",
				   level);
	if (!config && args->nwords == 0)
		return usage_error(&run_command, "no rule files given, and neither ./tocsin.yml "
						 "nor /etc/tocsin/tocsin.yml is there");
	if (n <= 0)
		return fail(EXIT_FAILURE, "cannot find the program's own file: %s",
			    strerror(errno));
	program[n] = '\0';
	return daemon_run(
		&(struct daemon_options){ .config_path = config,
					  .overrides = { .listen_address = args->values[LISTEN],
							 .data_dir = args->values[DATA_DIR],
							 .external_url = args->values[EXTERNAL_URL],
							 .rule_files = args->words,
							 .nrule_files = args->nwords },
					  .program = program,
					  .record_dir = args->values[RECORD],
					  .record_bytes = record_bytes,
					  .verify_share = verify_share,
					  .last_good = args->values[LAST_GOOD] != NULL,
					  .quiet = args->values[QUIET] != NULL });
}

const struct command run_command = {
	.name = "run",
	.arguments =
		"[RULES…] [--config FILE] [--listen ADDR] [--data-dir DIR] [--external-url URL] "
		"[--log-level LEVEL] [--record DIR] [--verify[=SHARE]] [--rules.last-good]",
	.summary = "Run the daemon.",
	.doc = "With rule files only, no configuration is needed. SIGHUP or POST /-/reload reads "
	       "everything again; SIGTERM stops.",
	.options = options,
	.words_max = CLI_ARGUMENTS_MAX,
	.run = run,
};
