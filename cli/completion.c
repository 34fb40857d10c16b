/* tocsin completion: a script for the shell that completes commands, options and what they take,
 * made of the tables that the command line is read by. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* What a word on the command line may be, by what the tables call it. */
static const struct {
	const char *name;  /* as in an option's argument, or at the beginning of a command's */
	const char *words; /* NULL: a file */
} kinds[] = {
	{ "FILE", NULL }, { "RULES", NULL },	     { "DIR", NULL },
	{ "PATH", NULL }, { "FORMAT", "text json" }, { "LEVEL", "debug info warn error" },
};
#define NKINDS (sizeof(kinds) / sizeof(*kinds))

/* "FILE… [--strict]" is of the kind FILE, "[RULES…]" of RULES. NULL: of none. */
static const char *kind_of(const char *text, const char **words)
{
	size_t len = strspn(text += *text == '[', "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	for (size_t i = 0; i < NKINDS; i++) {
		if (strlen(kinds[i].name) == len && strncmp(kinds[i].name, text, len) == 0) {
			*words = kinds[i].words;
			return kinds[i].name;
		}
	}
	return NULL;
}

static bool has_value(const struct cli_option *option)
{
	return option->argument && option->argument[0] != '[';
}

static void add_command_names(struct buf *out)
{
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			buf_printf(out, "%s%s", i ? " " : "", commands[i]->name);
}

/* The words that a command's first argument may be, each after a blank. */
static void add_choices(const struct command *command, struct buf *out)
{
	const char *choice;

	for (size_t i = 0; command->choice && (choice = command->choice(i)); i++)
		buf_printf(out, "%s%s", i ? " " : "", choice);
}

/* ---- bash ---- */

static void bash_option_values(const struct command *command, struct buf *out)
{
	const struct cli_option *option = command->options;
	const char *words;

	for (; option && option->name; option++) {
		if (!has_value(option))
			continue;
		buf_printf(out, "\t%s:--%s) ", command->name, option->name);
		if (!kind_of(option->argument, &words))
			buf_add_str(out, "return ;;\n");
		else if (words)
			buf_printf(out, "_tocsin_words \"%s\"; return ;;\n", words);
		else
			buf_add_str(out, "_tocsin_files; return ;;\n");
	}
}

static void bash_command(const struct command *command, struct buf *out)
{
	const struct cli_option *option = command->options;
	const char *words = NULL;
	bool is_file = kind_of(command->arguments, &words) && !words;

	buf_printf(out, "\t%s:-*) _tocsin_words \"--help", command->name);
	for (; option && option->name; option++) {
		buf_printf(out, " --%s", option->name);
		if (option->argument && !has_value(option)) /* [=FORM] */
			buf_printf(out, " --%s%.*s", option->name,
				   (int)strcspn(option->argument + 1, "]"), option->argument + 1);
	}
	buf_add_str(out, "\" ;;\n");
	if (is_file) {
		buf_printf(out, "\t%s:*) _tocsin_files ;;\n", command->name);
	} else if (command->choice) {
		buf_printf(out, "\t%s:*) [ \"$COMP_CWORD\" != 2 ] || _tocsin_words \"",
			   command->name);
		add_choices(command, out);
		buf_add_str(out, "\" ;;\n");
	}
}

static void bash_write(struct buf *out)
{
	buf_add_str(out,
		    "# Completion of tocsin for bash, as \"tocsin completion bash\" prints it.\n"
		    "_tocsin_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
		    "_tocsin_files()\n{\n"
		    "\tcompopt -o filenames 2>/dev/null\n"
		    "\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n}\n\n"
		    "_tocsin()\n{\n"
		    "\tlocal cur=${COMP_WORDS[COMP_CWORD]}\n"
		    "\tCOMPREPLY=()\n"
		    "\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\t_tocsin_words \"");
	add_command_names(out);
	buf_add_str(out, "\"\n\t\treturn\n\tfi\n"
			 "\tcase ${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]} in\n");
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			bash_option_values(commands[i], out);
	buf_add_str(out, "\tesac\n\tcase ${COMP_WORDS[1]}:$cur in\n");
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			bash_command(commands[i], out);
	buf_add_str(out, "\tesac\n}\ncomplete -F _tocsin tocsin\n");
}

/* ---- zsh ---- */

/* Inside '…', and inside the brackets and between the colons of a specification. */
static void zsh_text(const char *text, struct buf *out)
{
	for (; *text; text++) {
		if (*text == '\'')
			buf_add_str(out, "'\\''");
		else if (strchr("[]:\\", *text))
			buf_printf(out, "\\%c", *text);
		else
			buf_add_char(out, *text);
	}
}

static void zsh_action(const char *argument, struct buf *out)
{
	const char *words;

	if (!kind_of(argument, &words))
		buf_add_char(out, ' '); /* something, but nobody knows what */
	else if (words)
		buf_printf(out, "(%s)", words);
	else
		buf_add_str(out, "_files");
}

static void zsh_option(const struct cli_option *option, struct buf *out)
{
	buf_printf(out, " \\\n\t\t\t'--%s", option->name);
	if (option->argument)
		buf_add_str(out, has_value(option) ? "=" : "=-");
	buf_add_char(out, '[');
	zsh_text(option->doc, out);
	buf_add_char(out, ']');
	if (has_value(option)) {
		buf_add_char(out, ':');
		zsh_text(option->argument, out);
		buf_add_char(out, ':');
		zsh_action(option->argument, out);
	} else if (option->argument) {
		buf_printf(out, "::FORM:(%.*s)", (int)strcspn(option->argument + 2, "]"),
			   option->argument + 2);
	}
	buf_add_char(out, '\'');
}

static void zsh_command(const struct command *command, struct buf *out)
{
	const struct cli_option *option = command->options;
	const char *words;

	buf_printf(out, "\t%s)\n\t\t_arguments '--help[say more about the command]'",
		   command->name);
	for (; option && option->name; option++)
		zsh_option(option, out);
	if (command->choice) {
		buf_add_str(out, " \\\n\t\t\t'1:what:(");
		add_choices(command, out);
		buf_add_str(out, ")'");
	} else if (kind_of(command->arguments, &words) && !words) {
		buf_add_str(out, " \\\n\t\t\t'*:file:_files'");
	}
	buf_add_str(out, "\n\t\t;;\n");
}

static void zsh_write(struct buf *out)
{
	buf_add_str(out, "#compdef tocsin\n"
			 "# Completion of tocsin for zsh, as \"tocsin completion zsh\" prints it.\n"
			 "_tocsin()\n{\n\tlocal -a names=(\n");
	for (size_t i = 0; commands[i]; i++) {
		if (commands[i]->hidden)
			continue;
		buf_printf(out, "\t\t'%s:", commands[i]->name);
		zsh_text(commands[i]->summary, out);
		buf_add_str(out, "'\n");
	}
	buf_add_str(out,
		    "\t)\n"
		    "\tif (( CURRENT == 2 )); then\n\t\t_describe command names\n\t\treturn\n\tfi\n"
		    "\tshift words\n\t(( CURRENT-- ))\n"
		    "\tcase $words[1] in\n");
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			zsh_command(commands[i], out);
	/* Found in $fpath, the file is the function's body; sourced, it has to say what it is for.
	 */
	buf_add_str(out, "\tesac\n}\n\n"
			 "if [[ $funcstack[1] = _tocsin ]]; then\n\t_tocsin \"$@\"\nelse\n"
			 "\tcompdef _tocsin tocsin\nfi\n");
}

/* ---- the command ---- */

static const struct {
	const char *name;
	void (*write)(struct buf *out);
} shells[] = { { "bash", bash_write }, { "zsh", zsh_write } };
#define NSHELLS (sizeof(shells) / sizeof(*shells))

static const char *choice(size_t i)
{
	return i < NSHELLS ? shells[i].name : NULL;
}

static int run(const struct cli_args *args)
{
	size_t i = 0;
	struct buf out;

	while (i < NSHELLS && strcmp(args->words[0], shells[i].name) != 0)
		i++;
	if (i == NSHELLS)
		return usage_error(&completion_command, "there is no completion for \"%.100s\"",
				   args->words[0]);
	buf_init(&out);
	shells[i].write(&out);
	bool written = buf_ok(&out) && write_out(buf_slice(&out));

	buf_fini(&out);
	return written ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command completion_command = {
	.name = "completion",
	.arguments = "bash|zsh",
	.summary = "Print a script that completes command lines.",
	.doc = "For this shell only: eval \"$(tocsin completion bash)\". \"make install\" puts "
	       "both where "
	       "the shells find them.",
	.choice = choice,
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
