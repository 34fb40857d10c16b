/*
 * Templates: values of any type as Go's package fmt writes them: %v and the other verbs, and what
 * print, println and an action make of them.
 */
#include "rules/template_format.h"

#include <stdio.h>

#include "rules/evidence.h"
#include "rules/query_results.h"
#include "rules/template.h"

const struct template_spec template_plain_spec = { .width = -1, .precision = -1 };

void template_bad_verb(struct buf *out, const struct template_spec *spec,
		       const struct template_value *value, char verb)
{
	buf_printf(out, "%%!%c(", verb);
	if (value->type == TEMPLATE_NONE) {
		buf_add_str(out, "<nil>");
	} else {
		buf_printf(out, "%s=", template_type_name(value->type));
		template_format(out, spec, value, 'v');
	}
	buf_add_char(out, ')');
}

static void format_bool(struct buf *out, const struct template_spec *spec,
			const struct template_value *value, char verb)
{
	if (verb == 'v' || verb == 't')
		template_pad(out, spec, slice_from(value->boolean ? "true" : "false"), PAD_ZEROS);
	else
		template_bad_verb(out, spec, value, verb);
}

/* Times and durations are printed by their String() whatever the verb. */
static void format_stringer(struct buf *out, const struct template_spec *spec,
			    const struct template_value *value, char verb)
{
	struct buf text;
	buf_init(&text);
	if (value->type == TEMPLATE_TIME)
		template_time_format(value->integer, &text);
	else
		template_duration_format(value->integer, &text);
	template_format_text(out, spec, value, buf_slice(&text), strchr("sqxX", verb) ? verb : 'v');
	buf_fini(&text);
}

static void format_labels(struct buf *out, const struct template_spec *spec,
			  const struct labels *labels, char verb)
{
	buf_add_str(out, spec->syntax ? "map[string]string{" : "map[");
	for (size_t i = 0; labels && i < labels_count(labels); i++) {
		struct label label = labels_at(labels, i);
		struct template_value name = template_string(label.name),
				      value = template_string(label.value);
		if (i > 0)
			buf_add_str(out, spec->syntax ? ", " : " ");
		template_format(out, spec, &name, verb);
		buf_add_char(out, ':');
		template_format(out, spec, &value, verb);
	}
	buf_add_char(out, spec->syntax ? '}' : ']');
}

static void format_args(struct buf *out, const struct template_spec *spec,
			const struct template_value *value, char verb)
{
	buf_add_str(out, spec->syntax ? "map[string]interface {}{" : "map[");
	for (uint32_t i = 0; i < value->n; i++) {
		char text[16];
		snprintf(text, sizeof(text), "arg%u", i);
		struct template_value key = template_string(slice_from(text));
		if (i > 0)
			buf_add_str(out, spec->syntax ? ", " : " ");
		template_format(out, spec, &key, verb);
		buf_add_char(out, ':');
		if (value->args[i].type == TEMPLATE_NONE)
			buf_add_str(out, "<nil>");
		else
			template_format(out, spec, &value->args[i], verb);
	}
	buf_add_char(out, spec->syntax ? '}' : ']');
}

static void format_list(struct buf *out, const struct template_spec *spec,
			const struct template_value *value, char verb)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < template_list_count(value); i++) {
		struct template_value item = template_list_item(value, i);
		if (i > 0)
			buf_add_char(out, ' ');
		if (item.type == TEMPLATE_SAMPLE && verb != 'v')
			template_bad_verb(out, spec, &item, verb);
		else
			template_format(out, spec, &item, verb);
	}
	buf_add_char(out, ']');
}

static void format_evidence(struct buf *out, const struct template_spec *spec,
			    const struct template_value *value, char verb)
{
	struct template_value list = *value;
	buf_add_str(out, "{");
	list.type = TEMPLATE_LINES;
	format_list(out, spec, &list, verb);
	buf_add_char(out, ' ');
	list.type = TEMPLATE_FUNCTIONS;
	format_list(out, spec, &list, verb);
	buf_add_char(out, '}');
}

static void format_root(struct buf *out, const struct template_spec *spec,
			const struct template_value *value, char verb)
{
	static const char *const fields[] = { "Labels", "ExternalLabels", "ExternalURL", "Value" };
	buf_add_char(out, '{');
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		bool found;
		struct template_value field =
			template_value_field(value, slice_from(fields[i]), &found);
		if (i > 0)
			buf_add_char(out, ' ');
		if (spec->names)
			buf_printf(out, "%s:", fields[i]);
		template_format(out, spec, &field, verb);
	}
	buf_add_char(out, '}');
}

/* Within a list Go prints where they are in memory, which says nothing to anybody. */
static void format_sample(struct buf *out, const struct template_spec *spec,
			  const struct query_sample *sample, char verb)
{
	const struct template_value value = { .type = TEMPLATE_FLOAT, .number = sample->value };
	buf_add_str(out, spec->syntax ? "template.sample{Labels:" : spec->names ? "{Labels:" : "{");
	format_labels(out, spec, sample->labels, verb);
	buf_add_str(out, spec->syntax ? ", Value:" : spec->names ? " Value:" : " ");
	template_format(out, spec, &value, verb);
	buf_add_char(out, '}');
}

void template_format(struct buf *out, const struct template_spec *spec,
		     const struct template_value *value, char verb)
{
	if (verb == 'T') {
		template_pad(out, spec, slice_from(template_type_name(value->type)), PAD_BLANKS);
		return;
	}
	switch (value->type) {
	case TEMPLATE_NONE:
		if (verb == 'v')
			template_pad(out, spec, SLICE("<nil>"), PAD_ZEROS);
		else
			template_bad_verb(out, spec, value, verb);
		break;
	case TEMPLATE_BOOL:
		format_bool(out, spec, value, verb);
		break;
	case TEMPLATE_INT:
		template_format_int(out, spec, value, verb);
		break;
	case TEMPLATE_FLOAT:
		template_format_float(out, spec, value, verb);
		break;
	case TEMPLATE_STRING:
		template_format_text(out, spec, value, value->string, verb);
		break;
	case TEMPLATE_LABELS:
		format_labels(out, spec, value->labels, verb);
		break;
	case TEMPLATE_ARGS:
		format_args(out, spec, value, verb);
		break;
	case TEMPLATE_TIME:
	case TEMPLATE_DURATION:
		format_stringer(out, spec, value, verb);
		break;
	case TEMPLATE_ROOT:
		format_root(out, spec, value, verb);
		break;
	case TEMPLATE_LINES:
	case TEMPLATE_FUNCTIONS:
	case TEMPLATE_SAMPLES:
		format_list(out, spec, value, verb);
		break;
	case TEMPLATE_EVIDENCE:
		format_evidence(out, spec, value, verb);
		break;
	case TEMPLATE_FUNCTION_ITEM:
		template_format_text(out, spec, value, slice_from(value->function->name), verb);
		break;
	case TEMPLATE_SAMPLE:
		buf_add_char(out, '&');
		format_sample(out, spec, value->sample, verb);
		break;
	}
}

void template_value_print(const struct template_value *value, struct buf *out)
{
	if (value->type == TEMPLATE_NONE)
		buf_add_str(out, "<no value>");
	else if (value->type == TEMPLATE_SAMPLE) /* what a pointer leads to, at the top */
		format_sample(out, &template_plain_spec, value->sample, 'v');
	else
		template_format(out, &template_plain_spec, value, 'v');
}

void template_sprint(const struct template_value *values, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && values[i].type != TEMPLATE_STRING &&
		    values[i - 1].type != TEMPLATE_STRING)
			buf_add_char(out, ' ');
		template_format(out, &template_plain_spec, &values[i], 'v');
	}
}

void template_sprintln(const struct template_value *values, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(out, ' ');
		template_format(out, &template_plain_spec, &values[i], 'v');
	}
	buf_add_char(out, '\n');
}
