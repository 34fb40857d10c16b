/* Text tables, and the lists of the daemon's overview as such. */
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "base/text.h"
#include "cli/cli.h"

#define COLUMNS_MAX 16

void text_table_init(struct text_table *table, const char *const *heads, size_t columns)
{
	assert(columns <= COLUMNS_MAX);
	*table = (struct text_table){ .columns = columns };
	buf_init(&table->cells);
	for (size_t i = 0; i < columns; i++)
		text_table_add(table, heads[i]);
}

/* What would move the cursor or break the row becomes a blank. */
void text_table_add(struct text_table *table, const char *text)
{
	for (const char *c = text && *text ? text : "-"; *c; c++)
		buf_add_char(&table->cells, (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
	buf_add_char(&table->cells, '\0');
	table->n++;
}

void text_table_add_format(struct text_table *table, const char *format, ...)
{
	struct buf text;
	va_list args;

	buf_init(&text);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	text_table_add(table, text.ptr);
	buf_fini(&text);
}

void text_table_add_labels(struct text_table *table, const json_t *labels,
			   const char *const *hidden)
{
	const char *name;
	json_t *value;
	struct buf text;

	buf_init(&text);
	json_object_foreach ((json_t *)labels, name, value) {
		bool skip = false;

		for (size_t i = 0; hidden && hidden[i]; i++)
			skip = skip || strcmp(hidden[i], name) == 0;
		if (skip)
			continue;
		buf_printf(&text, "%s%s=", text.len ? " " : "", name);
		text_quote(slice_from(json_string_value(value)), &text);
	}
	text_table_add(table, text.ptr);
	buf_fini(&text);
}

void text_table_add_age(struct text_table *table, const json_t *ms, const json_t *now)
{
	struct buf text;

	buf_init(&text);
	if (json_is_integer(ms))
		duration_format((json_integer_value(now) - json_integer_value(ms)) / 1000 * 1000,
				&text);
	text_table_add(table, text.ptr);
	buf_fini(&text);
}

/* In characters, not bytes. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

int text_table_print(struct text_table *table)
{
	size_t widths[COLUMNS_MAX] = { 0 }, i = 0;
	const char *cell = table->cells.ptr;
	bool good = buf_ok(&table->cells);

	for (; good && i < table->n; i++, cell += strlen(cell) + 1) {
		size_t width = width_of(cell);

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	cell = table->cells.ptr;
	for (i = 0; good && i < table->n; i++, cell += strlen(cell) + 1) {
		bool last = i % table->columns == table->columns - 1;
		size_t pad = last ? 0 : widths[i % table->columns] - width_of(cell) + 2;

		printf("%s%*s%s", cell, (int)pad, "", last ? "\n" : "");
	}
	buf_fini(&table->cells);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- the overview ---- */

enum { URL, FORMAT };

const struct cli_option overview_options[] = {
	[URL] = URL_OPTION,
	[FORMAT] = FORMAT_OPTION,
	{ NULL, NULL, NULL },
};

static int print_json(const json_t *value)
{
	char *text = json_dumps(value, JSON_INDENT(2));
	bool good = text && puts(text) >= 0;

	free(text);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int overview_print(const struct command *command, const struct cli_args *args,
		   const struct overview_list *list)
{
	bool bad, json = is_json_format(args->values[FORMAT], &bad);
	json_t *overview, *element;
	struct text_table table;
	size_t i;

	if (bad)
		return usage_error(command, "unknown format \"%.100s\": text or json",
				   args->values[FORMAT]);
	int code = client_ask(args->values[URL], "GET", "/api/tocsin/v1/overview", NULL, SLICE(""),
			      &overview);

	if (code)
		return code;
	if (json) {
		code = print_json(json_object_get(overview, list->member));
	} else {
		text_table_init(&table, list->heads, list->columns);
		json_array_foreach (json_object_get(overview, list->member), i, element)
			list->add_row(&table, element, json_object_get(overview, "now"));
		code = text_table_print(&table);
	}
	json_decref(overview);
	return code;
}
