/* The manual page, made of the tables of commands and options: "tocsin reference man" prints it. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/*
 * Text for troff: no blank line or control line comes of it by chance, dashes are those that can be
 * pasted, and what is no ASCII is named, so that no one has to guess an encoding.
 */
static void add_text(struct buf *out, const char *text)
{
	struct slice rest = slice_from(text);
	bool line_begins = true;

	while (rest.len) {
		uint32_t rune;
		size_t len = slice_rune(rest, &rune);

		if (line_begins && (rune == '.' || rune == '\''))
			buf_add_str(out, "\\&");
		if (rune == '\\')
			buf_add_str(out, "\\e");
		else if (rune == '-')
			buf_add_str(out, "\\-");
		else if (rune >= 0x80)
			buf_printf(out, "\\[u%04X]", rune);
		else
			buf_add_char(out, (char)rune);
		line_begins = rune == '\n';
		rest.ptr += len;
		rest.len -= len;
	}
}

/* Lines as they stand, those that are indented as examples. */
static void add_doc(struct buf *out, const char *doc)
{
	bool is_example = false, first = true;

	while (*doc) {
		size_t len = strcspn(doc, "\n");
		char *line = slice_dup((struct slice){ doc, len });

		if ((line && line[0] == ' ') != is_example) {
			is_example = !is_example;
			buf_add_str(out, is_example ? ".RS 2\n.nf\n" : ".fi\n.RE\n");
		} else if (!first) {
			buf_add_str(out, is_example ? "" : ".br\n");
		}
		add_text(out, line ? line + strspn(line, " ") : "");
		buf_add_char(out, '\n');
		out->failed |= !line;
		free(line);
		first = false;
		doc += len + (doc[len] == '\n');
	}
	if (is_example)
		buf_add_str(out, ".fi\n.RE\n");
}

static void add_option(struct buf *out, const struct cli_option *option)
{
	buf_add_str(out, ".TP\n\\fB\\-\\-");
	add_text(out, option->name);
	buf_add_str(out, "\\fR");
	if (option->argument) {
		buf_add_str(out, option->argument[0] == '[' ? "\\fI" : " \\fI");
		add_text(out, option->argument);
		buf_add_str(out, "\\fR");
	}
	buf_add_char(out, '\n');
	add_text(out, option->doc);
	buf_add_char(out, '\n');
}

static void add_command(struct buf *out, const struct command *command)
{
	const struct cli_option *option = command->options;

	buf_add_str(out, ".SS \"tocsin ");
	add_text(out, command->name);
	buf_add_str(out, "\"\n\\fBtocsin ");
	add_text(out, command->name);
	buf_add_str(out, "\\fR ");
	add_text(out, command->arguments);
	buf_add_str(out, "\n.PP\n");
	add_text(out, command->summary);
	buf_add_char(out, '\n');
	if (command->doc) {
		buf_add_str(out, ".PP\n");
		add_doc(out, command->doc);
	}
	if (command->choice && command != &help_command) {
		buf_add_str(out, ".PP\nThe first argument is one of:\n");
		for (size_t i = 0; command->choice(i); i++)
			buf_printf(out, "%s%s", i ? ", " : "", command->choice(i));
		buf_add_str(out, ".\n");
	}
	for (; option && option->name; option++)
		add_option(out, option);
}

static void add_table(struct buf *out, const char *title, const struct manual_entry *entries)
{
	buf_printf(out, ".SH %s\n", title);
	for (; entries->name; entries++) {
		buf_add_str(out, ".TP\n\\fB");
		add_text(out, entries->name);
		buf_add_str(out, "\\fR\n");
		add_text(out, entries->doc);
		buf_add_char(out, '\n');
	}
}

static const struct manual_entry statuses[] = {
	{ "0", "All is well." },
	{ "1", "An error was found in what was given, or the output could not be written." },
	{ "2", "Wrong usage." },
	{ "69", "No daemon answers there." },
	{ "78", "The configuration is invalid." },
	{ NULL, NULL },
};

static const struct manual_entry signals[] = {
	{ "SIGHUP", "The daemon reads configuration and rules again; what is wrong is not taken." },
	{ "SIGTERM, SIGINT", "The daemon stops." },
	{ NULL, NULL },
};

static const struct manual_entry environment[] = {
	{ "NO_COLOR", "If it is set and not empty, errors are not coloured on a terminal." },
	{ "USER", "Who silences, unless --by says it." },
	{ NULL, NULL },
};

static const struct manual_entry files[] = {
	{ "./tocsin.yml, /etc/tocsin/tocsin.yml", "The configuration, if no other is given." },
	{ "./tocsin-data", "Journal, state and profiles, if no other folder is given." },
	{ NULL, NULL },
};

void manual_write(struct buf *out)
{
	buf_add_str(out, ".\\\" Made of the program's own tables by \"tocsin reference man\".\n"
			 ".TH TOCSIN 1 \"\" \"Tocsin " PACKAGE_VERSION "\" \"User Commands\"\n.nh\n"
			 ".SH NAME\ntocsin \\- ");
	add_text(out, "evaluate rules over metrics, logs and profiles, notify and recover");
	buf_add_str(out, "\n.SH SYNOPSIS\n.B tocsin\n.I COMMAND\n[\\fIargument\\fR .\\|.\\|.]\n"
			 ".SH DESCRIPTION\n");
	add_text(out, commands_purpose);
	buf_add_str(out, "\n.PP\n\\fBtocsin help\\fR lists the commands, \\fBtocsin help "
			 "\\fICOMMAND\\fR says more of one. Options are written in full, with two "
			 "dashes; their values follow after a blank or \\(lq=\\(rq.\n"
			 ".SH COMMANDS\n");
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			add_command(out, commands[i]);
	add_table(out, "EXIT STATUS", statuses);
	add_table(out, "SIGNALS", signals);
	add_table(out, "ENVIRONMENT", environment);
	add_table(out, "FILES", files);
}
