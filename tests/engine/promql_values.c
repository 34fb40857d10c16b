/* Words of a line, and the values of a series, written short. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tests/check_main.h"
#include "tests/engine/promql_internal.h"

/* ---- words ---- */

char *text_trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	for (char *end = text + strlen(text); end > text && isspace((unsigned char)end[-1]);)
		*--end = 0;
	return text;
}

char *text_split(char *text)
{
	char quote = 0;
	int depth = 0;
	for (; *text; text++) {
		if (quote) {
			if (*text == '\\' && quote != '`' && text[1])
				text++;
			else if (*text == quote)
				quote = 0;
		} else if (strchr("\"'`", *text)) {
			quote = *text;
		} else {
			depth += *text == '{' ? 1 : *text == '}' ? -1 : 0;
			if (depth == 0 && isspace((unsigned char)*text))
				break;
		}
	}
	if (*text)
		*text++ = 0;
	return text_trim(text);
}

/* ---- values: 1 2 _ stale NaN 3x4 1+2x10 _x5 {{…}}x4 ---- */

static void values_add(struct values *values, double v, uint8_t kind)
{
	values->v = realloc(values->v, (values->n + 1) * sizeof(*values->v));
	values->kind = realloc(values->kind, values->n + 1);
	values->v[values->n] = v;
	values->kind[values->n++] = kind;
}

/* strtod() would read 0x10 as sixteen; here it is ten times 0. */
static double decimal(const char *text, char **end)
{
	char copy[128];
	size_t len = strspn(text, "+-") ? 1 : 0;
	while (len < sizeof(copy) - 1 &&
	       (isalnum((unsigned char)text[len]) || text[len] == '.' ||
		(strchr("+-", text[len]) && strchr("eE", text[len - 1]))) &&
	       text[len] && text[len] != 'x')
		len++;
	memcpy(copy, text, len);
	copy[len] = 0;
	char *stop;
	double v = strtod(copy, &stop);
	*end = (char *)text + (stop - copy);
	return v;
}

static void values_add_term(struct values *values, const char *term)
{
	char *end;
	bool none = *term == '_', stale = strncmp(term, "stale", 5) == 0;
	double v = none || stale ? 0 : decimal(term, &end), step = 0;
	unsigned long times = 0;
	if (none || stale)
		end = (char *)term + (none ? 1 : 5);
	if (*end == '+' || *end == '-')
		step = decimal(end, &end);
	if (*end == 'x')
		times = strtoul(end + 1, &end, 10);
	ck_assert_msg(*end == 0, "bad value %s", term);
	/* A number is there once and then so many times again; nothing just so many times. */
	for (unsigned long i = 0; i <= times && !(none && times && i == times); i++, v += step)
		values_add(values, v, none ? 1 : stale ? 2 : 0);
}

/* How often a histogram is there is told after its last brace. */
static void values_add_histograms(struct values *values, const char *term)
{
	const char *end = strrchr(term, '}');
	unsigned long times = 0;
	values->histograms = true;
	if (end && end[1] == 'x')
		times = strtoul(end + 2, NULL, 10);
	for (unsigned long i = 0; i <= times; i++)
		values_add(values, 0, 3);
}

struct values values_parse(char *text)
{
	struct values values = { .n = 0 };
	for (char *term = text_trim(text), *next; *term; term = next) {
		next = text_split(term);
		if (*term == '{')
			values_add_histograms(&values, term);
		else
			values_add_term(&values, term);
	}
	return values;
}

/* Of durations. */
static void starts_add_term(struct values *starts, const char *term)
{
	int64_t ms[2] = { 0, 0 };
	unsigned long times = 0;
	if (*term == '_') {
		values_add_term(starts, term);
		return;
	}
	for (int i = 0; i < 2 && *term && *term != 'x'; i++) {
		bool minus = *term == '-';
		term += strspn(term, "+-");
		size_t len = strcspn(term, "+-x");
		ck_assert_int_eq(duration_parse((struct slice){ term, len }, &ms[i]), 0);
		ms[i] = minus ? -ms[i] : ms[i];
		term += len;
	}
	if (*term == 'x')
		times = strtoul(term + 1, NULL, 10);
	for (unsigned long i = 0; i <= times; i++)
		values_add(starts, (double)(ms[0] + (int64_t)i * ms[1]), 0);
}

struct values starts_parse(char *text)
{
	struct values starts = { .n = 0 };
	char *save = NULL;
	for (char *term = strtok_r(text, " \t", &save); term; term = strtok_r(NULL, " \t", &save))
		starts_add_term(&starts, term);
	return starts;
}

void values_fini(struct values *values)
{
	free(values->v);
	free(values->kind);
}
