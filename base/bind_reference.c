#include "base/bind.h"

#include <assert.h>
#include <ctype.h>

#include "base/text.h"

#define REFERENCE_TABLES_MAX 64

/* Tables in the order of their first mention. */
struct reference {
	const struct bind_table *tables[REFERENCE_TABLES_MAX];
	size_t n;
	struct buf *out;
};

static void reference_add(struct reference *reference, const struct bind_table *table)
{
	for (size_t i = 0; i < reference->n; i++)
		if (reference->tables[i] == table)
			return;
	assert(reference->n < REFERENCE_TABLES_MAX);
	reference->tables[reference->n++] = table;
}

/* A | would end the cell. */
static void add_cell_text(struct buf *out, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '|')
			buf_add_char(out, '\\');
		buf_add_char(out, *text);
	}
}

/* [alerting rule](#alerting-rule), the anchor that Markdown gives the heading. */
static void add_link(struct buf *out, const char *what)
{
	buf_printf(out, "[%s](#", what);
	for (; *what; what++) {
		if (isalnum((unsigned char)*what) || *what == '-' || *what == '_')
			buf_add_char(out, (char)tolower((unsigned char)*what));
		else if (*what == ' ')
			buf_add_char(out, '-');
	}
	buf_add_char(out, ')');
}

static void add_enum(struct buf *out, const char *values)
{
	buf_add_str(out, "one of `");
	for (; *values; values++) {
		if (*values == ',')
			buf_add_str(out, "`, `");
		else
			buf_add_char(out, *values);
	}
	buf_add_char(out, '`');
}

static void add_bound(struct buf *out, enum bind_type type, int64_t value)
{
	if (type == BIND_DURATION)
		duration_format(value, out);
	else
		buf_printf(out, "%lld", (long long)value);
}

static void add_type(struct buf *out, const struct bind_field *field)
{
	static const char *const names[] = {
		[BIND_STRING] = "text",		 [BIND_CSTRING] = "text",
		[BIND_BOOL] = "boolean",	 [BIND_INT] = "whole number",
		[BIND_NUMBER] = "number",	 [BIND_DURATION] = "duration",
		[BIND_BYTES] = "size",		 [BIND_STRINGS] = "list of texts",
		[BIND_MAP] = "mapping of texts", [BIND_STRUCTS] = "list of ",
		[BIND_NODE] = "as below",	 [BIND_LATER] = "",
	};
	if (field->type == BIND_ENUM)
		add_enum(out, field->values);
	else if (names[field->type])
		buf_add_str(out, names[field->type]);
	if (field->type == BIND_STRUCT || field->type == BIND_STRUCTS)
		add_link(out, field->table->what);
	if (field->min || field->max) {
		buf_add_str(out, ", ");
		if (field->max == INT64_MAX) {
			buf_add_str(out, "at least ");
			add_bound(out, field->type, field->min);
			return;
		}
		add_bound(out, field->type, field->min);
		buf_add_str(out, " to ");
		add_bound(out, field->type, field->max);
	}
}

static void add_default(struct buf *out, const struct bind_field *field)
{
	if (field->required)
		buf_add_str(out, "required");
	else if (field->default_text && *field->default_text) {
		buf_add_char(out, '`');
		add_cell_text(out, field->default_text);
		buf_add_char(out, '`');
	}
}

static void add_table(struct reference *reference, const struct bind_table *table)
{
	struct buf *out = reference->out;
	buf_printf(out, "### %s\n\n", table->what);
	buf_add_str(out, "| key | type | default | unit | meaning |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < table->n; i++) {
		const struct bind_field *field = &table->fields[i];
		buf_printf(out, "| `%s` | ", field->key);
		add_type(out, field);
		buf_add_str(out, " | ");
		add_default(out, field);
		buf_add_str(out, " | ");
		add_cell_text(out, field->unit);
		buf_add_str(out, " | ");
		add_cell_text(out, field->doc);
		buf_add_str(out, " |\n");
		if (field->type == BIND_STRUCT || field->type == BIND_STRUCTS)
			reference_add(reference, field->table);
	}
	if (table->allow_x)
		buf_add_str(out, "\nKeys that begin with `x-` are ignored.\n");
}

void bind_references(const struct bind_table *const *tables, size_t n, struct buf *out)
{
	struct reference reference = { .out = out };
	size_t printed = 0;
	for (size_t i = 0; i < n; i++) {
		reference_add(&reference, tables[i]);
		for (; printed < reference.n; printed++) {
			if (printed)
				buf_add_char(out, '\n');
			add_table(&reference, reference.tables[printed]);
		}
	}
}

void bind_reference(const struct bind_table *table, struct buf *out)
{
	bind_references(&table, 1, out);
}
