/*
 * The command: one file per subcommand, each with an entry in the table of cli/commands.c.
 *
 * Exit codes: 0 good, 1 an error found in what was given, 2 wrong usage, 69 no daemon there, 78
 * configuration invalid.
 */
#ifndef TOCSIN_CLI_CLI_H
#define TOCSIN_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/slice.h"

#define EXIT_USAGE 2
#define EXIT_NO_DAEMON 69
#define EXIT_CONFIG 78

#define DEFAULT_URL "http://127.0.0.1:9797"
#define CLI_ARGUMENTS_MAX 100000

struct cli_option {
	const char *name; /* without the dashes */
	/* What its value is called; NULL: a flag; [=FORM]: a flag that may have one. */
	const char *argument;
	const char *doc;
};

/* An option and its value, in the order of the command line. */
struct cli_given {
	size_t option;
	const char *value;
};

/* What a command line gave: values[i] belongs to options[i] (a flag: its name, when given; else
 * NULL). */
struct cli_args {
	const char **values;
	const char **words; /* what is no option, in order */
	size_t nwords;
	struct cli_given *given; /* all of them: for options that may be given more than once */
	size_t ngiven;
};

struct command {
	const char *name, *arguments, *summary;
	const char *doc;		  /* more, for its help; may be NULL */
	const struct cli_option *options; /* ended by one without a name; may be NULL */
	/* The i-th of the words that the first argument may be, from the table that reads it; NULL
	 * after the last. NULL: it may be anything. */
	const char *(*choice)(size_t i);
	size_t words_min, words_max;
	bool hidden; /* not in the list: for Tocsin itself */
	int (*run)(const struct cli_args *args);
};

extern const struct command run_command, runner_command, check_command, explain_command,
	replay_command, query_command, alerts_command, rules_command, senders_command,
	deliveries_command, runs_command, silence_command, profiles_command, test_command,
	reference_command, completion_command, version_command, help_command;
extern const struct command *const commands[]; /* ended by NULL */
extern const char commands_purpose[];	       /* what Tocsin is for, in a sentence */

/* Reads argv (what follows the command's name) by the command's table and runs it. Gives the exit
 * code. */
int command_run(const struct command *command, int argc, char **argv);
const struct command *command_find(const char *name);
/* "unknown command "rnu"; did you mean "run"?" on standard error; gives EXIT_USAGE. */
int command_unknown(const char *name);
void command_help(const struct command *command);
void commands_help(void);

/* Says what is wrong with the usage of a command; gives EXIT_USAGE. */
int usage_error(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Says what went wrong; gives the code. */
int fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Does the value of --format ask for JSON? False with *bad set for a word that is no format. */
bool is_json_format(const char *format, bool *bad);
/* Writes all of it. False: could not. What is still in memory then, main() writes. */
bool write_out(struct slice text);
/* Diagnostics on standard error, in colour on a terminal. */
void print_diagnostics(const struct diag_list *diags);

/* ---- manual.c ---- */

struct manual_entry {
	const char *name, *doc; /* NULL: the end of a list */
};
/* The manual page, of all commands and options, for man(7). */
void manual_write(struct buf *out);

/* ---- asking a daemon ---- */

struct json_t;
#define CLIENT_RESPONSE_MAX (256 * 1024 * 1024)
#define CLIENT_TIMEOUT_MS 60000
#define URL_OPTION                                                                                 \
	{                                                                                          \
		"url", "URL", "the daemon's address (" DEFAULT_URL ")"                             \
	}
#define FORMAT_OPTION                                                                              \
	{                                                                                          \
		"format", "FORMAT", "text or json (text)"                                          \
	}

/*
 * Asks a daemon; url NULL: the default; body empty: none, else of that type. *out: its answer, to
 * decref. Says what went wrong and gives an exit code: EXIT_NO_DAEMON when nobody answers, 1 when
 * it refuses.
 */
int client_ask(const char *url, const char *method, const char *path, const char *type,
	       struct slice body, struct json_t **out);

/* Adds name=value to the body of a form, escaped. */
void form_add(struct buf *form, const char *name, const char *value);
/* Asks with a form, which ends with it; as client_ask(). */
int client_ask_form(const char *url, const char *path, struct buf *form, struct json_t **out);

/* ---- explain_rule.c ---- */

/*
 * Asks a daemon (url NULL: the default) what a rule, or an expression, comes to, and why a row is
 * not in it (labels; NULL: nobody asks); prints that. Gives an exit code.
 */
int explain_print(const char *url, const char *text, const char *labels, bool json);

/* A text table: cells in rows, columns as wide as they need to be. */
struct text_table {
	struct buf cells; /* each ended by NUL */
	size_t columns, n;
};
void text_table_init(struct text_table *table, const char *const *heads, size_t columns);
void text_table_add(struct text_table *table, const char *text);
void text_table_add_format(struct text_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints and frees. Gives an exit code. */
int text_table_print(struct text_table *table);
/* {"a":"b"} → a="b",… on the table; names in `hidden` (ended by NULL) are left out. */
void text_table_add_labels(struct text_table *table, const struct json_t *labels,
			   const char *const *hidden);
/* "3m20s" since a time in milliseconds, "-" for none. */
void text_table_add_age(struct text_table *table, const struct json_t *ms,
			const struct json_t *now);

/*
 * One list of the daemon's overview as a table: asks, and calls add_row for each element. heads: as
 * many as add_row adds cells. For commands whose options are those of overview_options.
 */
struct overview_list {
	const char *member;
	const char *const *heads;
	size_t columns;
	void (*add_row)(struct text_table *table, const struct json_t *element,
			const struct json_t *now);
};
extern const struct cli_option overview_options[];
int overview_print(const struct command *command, const struct cli_args *args,
		   const struct overview_list *list);

/* Standard input ("-"), or what stands for a command's output (/dev/fd/63): can be read but once.
 */
bool is_stream(const char *path);
/* Reads a file or, for "-", standard input. ERR_IO (errno says why), ERR_LIMIT. */
#define CLI_INPUT_MAX (16 * 1024 * 1024)
int read_input(const char *path, struct buf *out);
/* An argument that is a text: what it says or, for "-", what standard input has, without the blanks
 * around it. To free; NULL: said what went wrong. */
char *text_argument(const char *word);

#endif
