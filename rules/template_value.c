/* Values of templates: truth, fields, times, code points. */
#include "rules/template_value.h"

#include <stdio.h>
#include <time.h>

#include "rules/evidence.h"
#include "rules/query_results.h"
#include "rules/template.h"

struct template_value template_string(struct slice text)
{
	return (struct template_value){ .type = TEMPLATE_STRING, .string = text };
}

const char *template_type_name(enum template_type type)
{
	static const char *const names[] = {
		[TEMPLATE_NONE] = "<nil>",
		[TEMPLATE_BOOL] = "bool",
		[TEMPLATE_INT] = "int",
		[TEMPLATE_FLOAT] = "float64",
		[TEMPLATE_STRING] = "string",
		[TEMPLATE_LABELS] = "map[string]string",
		[TEMPLATE_ARGS] = "map[string]interface {}",
		[TEMPLATE_TIME] = "*time.Time",
		[TEMPLATE_DURATION] = "*time.Duration",
		[TEMPLATE_ROOT] = "struct { Labels map[string]string; ExternalLabels map[string]string; "
				  "ExternalURL string; Value interface {} }",
		[TEMPLATE_EVIDENCE] = "evidence",
		[TEMPLATE_LINES] = "[]string",
		[TEMPLATE_FUNCTIONS] = "[]function",
		[TEMPLATE_FUNCTION_ITEM] = "function",
		[TEMPLATE_SAMPLES] = "template.queryResult",
		[TEMPLATE_SAMPLE] = "*template.sample",
	};
	return names[type];
}

bool template_value_is_true(const struct template_value *value)
{
	switch (value->type) {
	case TEMPLATE_NONE:
		return false;
	case TEMPLATE_BOOL:
		return value->boolean;
	case TEMPLATE_INT:
		return value->integer != 0;
	case TEMPLATE_FLOAT:
		return value->number != 0; /* NaN is true */
	case TEMPLATE_STRING:
		return value->string.len > 0;
	case TEMPLATE_LABELS:
		return value->labels && labels_count(value->labels) > 0;
	case TEMPLATE_ARGS:
	case TEMPLATE_SAMPLES:
		return value->n > 0;
	case TEMPLATE_EVIDENCE:
		return !evidence_is_empty(value->evidence);
	case TEMPLATE_LINES:
	case TEMPLATE_FUNCTIONS:
		return template_list_count(value) > 0;
	default:
		return true;
	}
}

static struct template_value labels_value(const struct labels *labels)
{
	return (struct template_value){ .type = TEMPLATE_LABELS, .labels = labels };
}

static struct template_value root_field(const struct template_data *data, struct slice name,
					bool *found)
{
	*found = true;
	if (slice_is(name, "Labels"))
		return labels_value(data->labels);
	if (slice_is(name, "ExternalLabels"))
		return labels_value(data->external_labels);
	if (slice_is(name, "ExternalURL"))
		return template_string(slice_from(data->external_url ? data->external_url : ""));
	if (slice_is(name, "Value"))
		return (struct template_value){ .type = TEMPLATE_FLOAT,
						.is_interface = true,
						.number = data->value };
	*found = false;
	return (struct template_value){ .type = TEMPLATE_NONE };
}

static struct template_value evidence_field(const struct evidence *evidence, struct slice name,
					    bool *found)
{
	bool is_lines = slice_is(name, "lines");
	*found = is_lines || slice_is(name, "functions");
	return (struct template_value){ .type = is_lines ? TEMPLATE_LINES
					: *found	 ? TEMPLATE_FUNCTIONS
							 : TEMPLATE_NONE,
					.evidence = evidence };
}

static struct template_value function_field(const struct evidence_function *function,
					    struct slice name, bool *found)
{
	*found = true;
	if (slice_is(name, "name"))
		return template_string(slice_from(function->name));
	if (slice_is(name, "profile_type"))
		return template_string(slice_from(function->profile_type));
	*found = slice_is(name, "self_ratio") || slice_is(name, "total_ratio");
	if (!*found)
		return (struct template_value){ .type = TEMPLATE_NONE };
	return (struct template_value){ .type = TEMPLATE_FLOAT,
					.number = slice_is(name, "self_ratio")
							  ? function->self_ratio
							  : function->total_ratio };
}

/* Of Go's methods of times: for links, which take Unix times. */
static struct template_value time_field(int64_t ms, struct slice name, bool *found)
{
	bool is_ms = slice_is(name, "UnixMilli");
	*found = is_ms || slice_is(name, "Unix");
	/* Whole seconds, rounded down also before 1970. */
	int64_t seconds = ms / 1000 - (ms % 1000 < 0);
	return (struct template_value){ .type = *found ? TEMPLATE_INT : TEMPLATE_NONE,
					.integer = is_ms ? ms : seconds };
}

static struct template_value sample_field(const struct query_sample *sample, struct slice name,
					  bool *found)
{
	*found = true;
	if (slice_is(name, "Labels"))
		return labels_value(sample->labels);
	if (slice_is(name, "Value"))
		return (struct template_value){ .type = TEMPLATE_FLOAT, .number = sample->value };
	*found = false;
	return (struct template_value){ .type = TEMPLATE_NONE };
}

bool template_value_is_list(const struct template_value *value)
{
	return value->type == TEMPLATE_LINES || value->type == TEMPLATE_FUNCTIONS ||
	       value->type == TEMPLATE_SAMPLES;
}

size_t template_list_count(const struct template_value *list)
{
	if (list->type == TEMPLATE_SAMPLES)
		return list->n;
	if (!list->evidence)
		return 0;
	return list->type == TEMPLATE_LINES ? list->evidence->nlines : list->evidence->nfunctions;
}

struct template_value template_list_item(const struct template_value *list, size_t i)
{
	if (list->type == TEMPLATE_SAMPLES)
		return (struct template_value){ .type = TEMPLATE_SAMPLE,
						.sample = list->samples[i] };
	if (list->type == TEMPLATE_LINES)
		return template_string(slice_from(list->evidence->lines[i]));
	return (struct template_value){ .type = TEMPLATE_FUNCTION_ITEM,
					.function = &list->evidence->functions[i] };
}

struct template_value template_value_field(const struct template_value *value, struct slice name,
					   bool *found)
{
	*found = true;
	if (value->type == TEMPLATE_ROOT)
		return root_field(value->root, name, found);
	if (value->type == TEMPLATE_LABELS)
		return template_string(value->labels ? labels_get(value->labels, name)
						     : (struct slice){ "", 0 });
	if (value->type == TEMPLATE_EVIDENCE)
		return evidence_field(value->evidence, name, found);
	if (value->type == TEMPLATE_FUNCTION_ITEM)
		return function_field(value->function, name, found);
	if (value->type == TEMPLATE_SAMPLE)
		return sample_field(value->sample, name, found);
	if (value->type == TEMPLATE_TIME)
		return time_field(value->integer, name, found);
	*found = value->type == TEMPLATE_ARGS;
	const struct template_value none = { .type = TEMPLATE_NONE, .is_interface = *found };
	for (uint32_t i = 0; *found && i < value->n; i++) {
		char key[16];
		snprintf(key, sizeof(key), "arg%u", i);
		if (slice_is(name, key)) {
			struct template_value arg = value->args[i];
			arg.is_interface = true;
			return arg;
		}
	}
	return none;
}

void template_rune_format(int64_t rune, struct buf *out)
{
	if (rune < 0 || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000))
		rune = 0xfffd;
	if (rune < 0x80) {
		buf_add_char(out, (char)rune);
	} else if (rune < 0x800) {
		buf_add_char(out, (char)(0xc0 | rune >> 6));
		buf_add_char(out, (char)(0x80 | (rune & 0x3f)));
	} else if (rune < 0x10000) {
		buf_add_char(out, (char)(0xe0 | rune >> 12));
		buf_add_char(out, (char)(0x80 | (rune >> 6 & 0x3f)));
		buf_add_char(out, (char)(0x80 | (rune & 0x3f)));
	} else {
		buf_add_char(out, (char)(0xf0 | rune >> 18));
		buf_add_char(out, (char)(0x80 | (rune >> 12 & 0x3f)));
		buf_add_char(out, (char)(0x80 | (rune >> 6 & 0x3f)));
		buf_add_char(out, (char)(0x80 | (rune & 0x3f)));
	}
}

uint32_t template_rune_at(struct slice text, size_t *len)
{
	const unsigned char *p = (const unsigned char *)text.ptr;
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	*len = 1;
	if (n == 1)
		return p[0];
	if (n > text.len || !slice_is_utf8((struct slice){ text.ptr, n }))
		return 0xfffd;
	uint32_t rune = p[0] & (0xff >> (n + 1));
	for (size_t i = 1; i < n; i++)
		rune = rune << 6 | (p[i] & 0x3f);
	*len = n;
	return rune;
}

void template_time_format(int64_t ms, struct buf *out)
{
	int64_t whole = ms / 1000, fraction = ms % 1000;
	if (fraction < 0) {
		fraction += 1000;
		whole--;
	}
	time_t seconds = (time_t)whole;
	struct tm tm;
	if (!gmtime_r(&seconds, &tm))
		return;
	buf_printf(out, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (fraction) {
		char digits[8];
		int n = snprintf(digits, sizeof(digits), ".%03d", (int)fraction);
		while (digits[n - 1] == '0')
			n--;
		buf_add(out, digits, (size_t)n);
	}
	buf_add_str(out, " +0000 UTC");
}

/* A fraction without its trailing zeros: ".5" of 500 with 3 digits. */
static void add_fraction(uint64_t fraction, int digits, struct buf *out)
{
	char text[24];
	if (fraction == 0)
		return;
	int n = snprintf(text, sizeof(text), ".%0*llu", digits, (unsigned long long)fraction);
	while (text[n - 1] == '0')
		n--;
	buf_add(out, text, (size_t)n);
}

void template_duration_format(int64_t ns, struct buf *out)
{
	uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	static const struct {
		uint64_t unit;
		int digits;
		const char *name;
	} small[] = { { 1, 0, "ns" }, { 1000, 3, "µs" }, { 1000000, 6, "ms" } };
	if (left == 0) {
		buf_add_str(out, "0s");
		return;
	}
	if (ns < 0)
		buf_add_char(out, '-');
	if (left < 1000000000) {
		int i = left < 1000 ? 0 : left < 1000000 ? 1 : 2;
		buf_printf(out, "%llu", (unsigned long long)(left / small[i].unit));
		add_fraction(left % small[i].unit, small[i].digits, out);
		buf_add_str(out, small[i].name);
		return;
	}
	uint64_t seconds = left / 1000000000;
	if (seconds >= 3600)
		buf_printf(out, "%lluh", (unsigned long long)(seconds / 3600));
	if (seconds >= 60)
		buf_printf(out, "%llum", (unsigned long long)(seconds / 60 % 60));
	buf_printf(out, "%llu", (unsigned long long)(seconds % 60));
	add_fraction(left % 1000000000, 9, out);
	buf_add_char(out, 's');
}
