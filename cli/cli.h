/*
 * The command: one file per subcommand, each with an entry in the table of cli/commands.c.
 *
 * Exit codes: 0 good, 1 an error found in what was given, 2 wrong usage, 69 no daemon there, 78 configuration invalid.
 */
#ifndef TOCSIN_CLI_CLI_H
#define TOCSIN_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/diag.h"

#define EXIT_USAGE 2
#define EXIT_NO_DAEMON 69
#define EXIT_CONFIG 78

#define DEFAULT_URL "http://127.0.0.1:9797"
#define CLI_ARGUMENTS_MAX 100000

struct cli_option {
	const char *name;     /* without the dashes */
	const char *argument; /* what its value is called; NULL: a flag */
	const char *doc;
};

/* What a command line gave: values[i] belongs to options[i] (a flag: its name, when given; else NULL). */
struct cli_args {
	const char **values;
	const char **words; /* what is no option, in order */
	size_t nwords;
};

struct command {
	const char *name, *arguments, *summary;
	const char *doc;                  /* more, for its help; may be NULL */
	const struct cli_option *options; /* ended by one without a name; may be NULL */
	size_t words_min, words_max;
	bool hidden; /* not in the list: for Tocsin itself */
	int (*run)(const struct cli_args *args);
};

extern const struct command run_command, runner_command, check_command, explain_command, query_command, alerts_command, rules_command,
	senders_command, deliveries_command, runs_command, silence_command, reference_command, version_command, help_command;
extern const struct command *const commands[]; /* ended by NULL */

/* Reads argv (what follows the command's name) by the command's table and runs it. Gives the exit code. */
int command_run(const struct command *command, int argc, char **argv);
const struct command *command_find(const char *name);
/* "unknown command "rnu"; did you mean "run"?" on standard error; gives EXIT_USAGE. */
int command_unknown(const char *name);
void command_help(const struct command *command);
void commands_help(void);

/* Says what is wrong with the usage of a command; gives EXIT_USAGE. */
int usage_error(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says what went wrong; gives the code. */
int fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Does the value of --format ask for JSON? False with *bad set for a word that is no format. */
bool is_json_format(const char *format, bool *bad);
/* Writes all of it. False: could not. */
bool write_out(struct slice text);
/* Diagnostics on standard error, in colour on a terminal. */
void print_diagnostics(const struct diag_list *diags);
/* Reads a file or, for "-", standard input. ERR_IO (errno says why), ERR_LIMIT. */
#define CLI_INPUT_MAX (16 * 1024 * 1024)
int read_input(const char *path, struct buf *out);

#endif
