/* The table of commands, and what they share: reading options, help, complaints. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

const struct command *const commands[] = {
	&run_command,
	&check_command,
	&test_command,
	&replay_command,
	&explain_command,
	&query_command,
	&alerts_command,
	&rules_command,
	&senders_command,
	&deliveries_command,
	&runs_command,
	&silence_command,
	&profiles_command,
	&reference_command,
	&completion_command,
	&runner_command,
	&version_command,
	&help_command,
	NULL,
};

const char commands_purpose[] = "Tocsin hears metrics, logs and profiles as they arrive, evaluates "
				"rules, notifies people and runs recovery scripts.";

#define NAMES_MAX 64

static const struct cli_option no_options[] = { { NULL, NULL, NULL } };

static const struct cli_option *options_of(const struct command *command)
{
	return command->options ? command->options : no_options;
}

static size_t count_options(const struct command *command)
{
	const struct cli_option *options = options_of(command);
	size_t n = 0;

	while (options[n].name)
		n++;
	return n;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static void suggest(const char *word, const char *const *names, size_t n, const char *dashes)
{
	const char *near = nearest_name(slice_from(word), names, n);

	if (near)
		fprintf(stderr, "; did you mean \"%s%s\"?", dashes, near);
	fputc('\n', stderr);
}

/* Commands that are promised and not there yet, and what does instead. */
static const struct {
	const char *name, *instead;
} later[] = {
	{ "freeze", "set actions: {freeze: true} in the configuration, and reload" },
	{ "runbook", "\"tocsin runs\" shows what runbooks did" },
	{ "backup", "copy data_dir while the daemon is stopped" },
	{ "report", "\"tocsin replay --summary\" tells of a recording how noisy rules were" },
};

int command_unknown(const char *name)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++)
		if (strcmp(name, later[i].name) == 0) {
			fprintf(stderr, "tocsin: \"%s\" is not supported yet: %s\n", name,
				later[i].instead);
			return EXIT_USAGE;
		}
	for (size_t i = 0; commands[i] && n < NAMES_MAX; i++)
		if (!commands[i]->hidden)
			names[n++] = commands[i]->name;
	fprintf(stderr, "tocsin: unknown command \"%.100s\"", name);
	suggest(name, names, n, "");
	fprintf(stderr, "\"tocsin help\" lists them\n");
	return EXIT_USAGE;
}

static int unknown_option(const struct command *command, const char *name)
{
	const struct cli_option *options = options_of(command);
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (; options[n].name && n < NAMES_MAX; n++)
		names[n] = options[n].name;
	fprintf(stderr, "tocsin %s: unknown option \"--%.100s\"", command->name, name);
	suggest(name, names, n, "--");
	fprintf(stderr, "\"tocsin help %s\" lists them\n", command->name);
	return EXIT_USAGE;
}

int usage_error(const struct command *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "tocsin %s: ", command->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nusage: tocsin %s%s%s\n", command->name,
		command->arguments[0] ? " " : "", command->arguments);
	return EXIT_USAGE;
}

int fail(int code, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "tocsin: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

/* ---- help ---- */

void command_help(const struct command *command)
{
	const struct cli_option *option = options_of(command);

	printf("tocsin %s %s\n\n%s\n", command->name, command->arguments, command->summary);
	if (command->doc)
		printf("\n%s\n", command->doc);
	if (command->choice && command != &help_command) {
		printf("\nThe first argument is one of:");
		for (size_t i = 0; command->choice(i); i++)
			printf(" %s", command->choice(i));
		printf(".\n");
	}
	if (option->name)
		printf("\n");
	for (; option->name; option++) {
		char head[64];

		const char *argument = option->argument ? option->argument : "";

		snprintf(head, sizeof(head), "--%s%s%s", option->name,
			 argument[0] && argument[0] != '[' ? " " : "", argument);
		printf("  %-22s %s\n", head, option->doc);
	}
}

void commands_help(void)
{
	printf("%s\n\n", commands_purpose);
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			printf("  tocsin %-11s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n\"tocsin help COMMAND\" says more.\n");
}

/* ---- reading a command line ---- */

/* Takes an option's value from "--name=value" or from the next argument. Gives an exit code, or 0.
 */
static int take_value(const struct command *command, const struct cli_option *option,
		      const char *equals, int argc, char **argv, int *at, const char **value)
{
	bool is_optional = option->argument && option->argument[0] == '[';

	if (!option->argument || (is_optional && !equals)) {
		*value = option->name;
		return equals ? usage_error(command, "--%s takes no value", option->name) : 0;
	}
	if (equals) {
		*value = equals + 1;
		return 0;
	}
	if (*at + 1 >= argc)
		return usage_error(command, "--%s needs a value: %s", option->name,
				   option->argument);
	*value = argv[++*at];
	return 0;
}

static int read_option(const struct command *command, int argc, char **argv, int *at,
		       struct cli_args *args)
{
	const struct cli_option *options = options_of(command);
	const char *name = argv[*at] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);

	for (size_t i = 0; options[i].name; i++) {
		if (strlen(options[i].name) != len || strncmp(options[i].name, name, len) != 0)
			continue;
		int code =
			take_value(command, &options[i], equals, argc, argv, at, &args->values[i]);

		if (!code)
			args->given[args->ngiven++] = (struct cli_given){ i, args->values[i] };
		return code;
	}
	char *word = slice_dup((struct slice){ name, len });
	int code = unknown_option(command, word ? word : name);

	free(word);
	return code;
}

/* Everything into args; 0 or an exit code. */
static int read_all(const struct command *command, int argc, char **argv, struct cli_args *args)
{
	bool words_only = false;

	for (int i = 0; i < argc; i++) {
		if (words_only || argv[i][0] != '-' || !argv[i][1]) {
			args->words[args->nwords++] = argv[i];
		} else if (strcmp(argv[i], "--") == 0) {
			words_only = true;
		} else if (argv[i][1] != '-') {
			return usage_error(command,
					   "unknown option \"%.100s\": options are written in "
					   "full, with two dashes",
					   argv[i]);
		} else {
			int code = read_option(command, argc, argv, &i, args);

			if (code)
				return code;
		}
	}
	if (args->nwords < command->words_min)
		return usage_error(command, "too few arguments");
	if (args->nwords > command->words_max)
		return usage_error(command, "too many arguments: \"%.100s\"%s",
				   args->words[command->words_max],
				   strncmp(command->arguments, "EXPR", 4) == 0
					   ? "; an expression stands in quotes: 'up == 0'"
					   : "");
	return 0;
}

int command_run(const struct command *command, int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			command_help(command);
			return EXIT_SUCCESS;
		}
	}
	struct cli_args args = { .values = calloc(count_options(command) + 1, sizeof(*args.values)),
				 .words = calloc((size_t)argc + 1, sizeof(*args.words)),
				 .given = calloc((size_t)argc + 1, sizeof(*args.given)) };
	int code = args.values && args.words && args.given ? read_all(command, argc, argv, &args)
							   : fail(EXIT_FAILURE, "out of memory");

	if (!code)
		code = command->run(&args);
	free(args.values);
	free(args.words);
	free(args.given);
	return code;
}

/* ---- input and output ---- */

bool is_json_format(const char *format, bool *bad)
{
	*bad = format && strcmp(format, "json") != 0 && strcmp(format, "text") != 0;
	return format && strcmp(format, "json") == 0;
}

bool write_out(struct slice text)
{
	return fwrite(text.ptr ? text.ptr : "", 1, text.len, stdout) == text.len;
}

void print_diagnostics(const struct diag_list *diags)
{
	struct buf text;

	buf_init(&text);
	diag_list_format(diags, diag_wants_colour(STDERR_FILENO), &text);
	if (buf_ok(&text) && text.len)
		fwrite(text.ptr, 1, text.len, stderr);
	buf_fini(&text);
}

bool is_stream(const char *path)
{
	struct stat status;

	return strcmp(path, "-") == 0 || (stat(path, &status) == 0 && S_ISFIFO(status.st_mode));
}

int read_input(const char *path, struct buf *out)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char chunk[65536];
	size_t n;

	if (!file)
		return ERR_IO;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0 && out->len <= CLI_INPUT_MAX)
		buf_add(out, chunk, n);
	int code = ferror(file)		      ? ERR_IO
		   : out->len > CLI_INPUT_MAX ? ERR_LIMIT
		   : buf_ok(out)	      ? 0
					      : ERR_NOMEM;

	if (file != stdin)
		fclose(file);
	return code;
}

char *text_argument(const char *word)
{
	struct buf text;
	char *copy = NULL;

	buf_init(&text);
	int code = strcmp(word, "-") == 0 ? read_input(word, &text) : 0;

	if (strcmp(word, "-") != 0)
		copy = strdup(word);
	else if (!code)
		copy = slice_dup(slice_trim(buf_slice(&text)));
	if (!copy)
		fail(EXIT_FAILURE, "cannot read standard input: %s",
		     error_text(code ? code : ERR_NOMEM));
	buf_fini(&text);
	return copy;
}
