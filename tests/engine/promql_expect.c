/* What a script expects of an evaluation. */
#include "tests/engine/promql_internal.h"

bool eval_expects(const struct eval *eval, enum what what)
{
	for (size_t i = 0; i < eval->nexpectations; i++)
		if (eval->expectations[i].what == what)
			return true;
	return false;
}

void eval_expect(struct eval *eval, enum what what, char *rest)
{
	struct expectation *e = &eval->expectations[eval->nexpectations++];
	ck_assert_uint_lt(eval->nexpectations, EXPECTATIONS_MAX);
	rest = text_trim(rest);
	*e = (struct expectation){ .what = what };
	e->is_regex = strncmp(rest, "regex:", 6) == 0;
	if (e->is_regex || strncmp(rest, "msg:", 4) == 0)
		e->text = text_trim(strchr(rest, ':') + 1);
}

int64_t time_of(const char *text)
{
	int64_t ms = 0;
	ck_assert_msg(duration_parse(slice_from(text), &ms) == 0 || strcmp(text, "0") == 0,
		      "bad time %s", text);
	return ms;
}

struct query_bounds bounds_parse(char *text, char **rest)
{
	char *from = text_split(text), *to = text_split(from), *end = text_split(to),
	     *word = text_split(end);
	char *step = text_split(word);
	*rest = text_split(step);
	return (struct query_bounds){ time_of(from), time_of(end), time_of(step) };
}

static void read_expect(struct eval *eval, char *line)
{
	static const struct {
		const char *word;
		enum what what;
	} words[] = { { "fail", FAIL },
		      { "no_warn", NO_WARN },
		      { "warn", WARN },
		      { "no_info", NO_INFO },
		      { "info", INFO } };
	char *word = text_trim(line + strlen("expect")), *rest;
	if (strncmp(word, "ordered", 7) == 0)
		eval->ordered = true;
	else if (strncmp(word, "string", 6) == 0) {
		eval->is_string = true;
		eval->string = slice_from(text_trim(word + 6));
	} else if (strncmp(word, "range vector", 12) == 0) {
		eval->is_matrix = true;
		eval->points = bounds_parse(text_trim(word + 12), &rest);
	} else {
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (strncmp(word, words[i].word, strlen(words[i].word)) == 0) {
				eval_expect(eval, words[i].what, word + strlen(words[i].word));
				return;
			}
		ck_assert_msg(false, "unknown expectation %s", line);
	}
}

/* Read as Go does with base 0: 010 is eight, 0x1F 31, 1_000 a thousand. */
static bool scalar_of(const char *line, double *out)
{
	bool minus = *line == '-';
	line += strspn(line, "+-") == 1;
	if (number_parse(slice_from(line), out))
		return false;
	*out = minus ? -*out : *out;
	return true;
}

void eval_read(struct eval *eval, char *line)
{
	if (strncmp(line, "expect ", 7) == 0) {
		read_expect(eval, line);
		return;
	}
	if (strncmp(line, "expected_fail_message", 21) == 0 ||
	    strncmp(line, "expected_fail_regexp", 20) == 0) {
		struct expectation *e = &eval->expectations[eval->nexpectations++];
		*e = (struct expectation){ FAIL, line[14] == 'r', text_split(line) };
		return;
	}
	if (scalar_of(line, &eval->scalar)) {
		eval->is_scalar = true;
		return;
	}
	char *rest = text_split(line);
	struct wanted_series wanted = { .values = values_parse(rest) };
	eval->has_histogram |= wanted.values.histograms;
	ck_assert_msg(labels_parse(line, &wanted.labels), "bad series %s", line);
	eval->series = realloc(eval->series, (eval->n + 1) * sizeof(*eval->series));
	eval->series[eval->n++] = wanted;
}

void eval_fini(struct eval *eval)
{
	for (size_t i = 0; i < eval->n; i++) {
		labels_unref(eval->series[i].labels);
		values_fini(&eval->series[i].values);
	}
	free(eval->series);
}
