#include "ingest/exposition.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"

struct line {
	const struct exposition_options *options;
	struct batch *batch;
	struct slice rest; /* of the line, not yet read */
	struct label labels[LABELS_COUNT_MAX];
	size_t nlabels;
	struct buf values; /* unescaped; has room for the whole text, so that nothing in it moves */
	const char *why;
};

static int fail(struct line *line, int code, const char *why)
{
	line->why = why;
	return code;
}

static void skip_blanks(struct line *line)
{
	struct slice *rest = &line->rest;

	while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t')) {
		rest->ptr++;
		rest->len--;
	}
}

/* Takes the next n bytes. */
static struct slice take(struct line *line, size_t n)
{
	struct slice taken = { line->rest.ptr, n };

	line->rest.ptr += n;
	line->rest.len -= n;
	return taken;
}

static bool take_char(struct line *line, char c)
{
	bool there = line->rest.len > 0 && line->rest.ptr[0] == c;

	if (there)
		take(line, 1);
	return there;
}

/* Up to the first of the characters that end a word here. */
static struct slice take_word(struct line *line, const char *ends)
{
	size_t n = 0;

	while (n < line->rest.len && !memchr(ends, line->rest.ptr[n], strlen(ends)))
		n++;
	return take(line, n);
}

static int label_add(struct line *line, struct slice name, struct slice value)
{
	for (size_t i = 0; i < line->options->nextra; i++)
		if (slice_is_equal(line->options->extra[i].name, name))
			return 0;
	if (line->nlabels == LABELS_COUNT_MAX - EXPOSITION_EXTRA_MAX)
		return fail(line, ERR_LIMIT, "too many labels");
	line->labels[line->nlabels++] = (struct label){ name, value };
	return 0;
}

/* Behind the opening quote, up to the closing one. */
static int value_take(struct line *line, struct slice *value)
{
	size_t start = line->values.len;

	while (line->rest.len > 0) {
		char c = take(line, 1).ptr[0];

		if (c == '"') {
			*value = (struct slice){ line->values.ptr + start,
						 line->values.len - start };
			return 0;
		}
		if (c == '\\') {
			if (line->rest.len == 0)
				break;
			c = take(line, 1).ptr[0];
			if (c == 'n')
				c = '\n';
			else if (c != '\\' && c != '"')
				return fail(line, ERR_INVALID, "unknown escape in a label value");
		}
		buf_add_char(&line->values, c);
	}
	return fail(line, ERR_INVALID, "a label value has no end");
}

static int label_take(struct line *line)
{
	struct slice name = take_word(line, " \t=,}\""), value;

	if (!label_name_is_legacy(name))
		return fail(line, ERR_INVALID, "no label name");
	skip_blanks(line);
	if (!take_char(line, '='))
		return fail(line, ERR_INVALID, "no \"=\" behind a label name");
	skip_blanks(line);
	if (!take_char(line, '"'))
		return fail(line, ERR_INVALID, "a label value stands in double quotes");
	int code = value_take(line, &value);

	return code ? code : label_add(line, name, value);
}

/* Behind the opening brace, up to the closing one; a comma may stand before that. */
static int labels_take(struct line *line)
{
	for (;;) {
		skip_blanks(line);
		if (take_char(line, '}'))
			return 0;
		int code = label_take(line);

		if (code)
			return code;
		skip_blanks(line);
		if (!take_char(line, ',') && (line->rest.len == 0 || line->rest.ptr[0] != '}'))
			return fail(line, ERR_INVALID, "no \",\" or \"}\" behind a label");
	}
}

static int integer_parse(struct slice text, int64_t *out)
{
	bool negative = text.len > 0 && text.ptr[0] == '-';
	size_t i = negative;
	int64_t v = 0;

	if (i == text.len)
		return ERR_INVALID;
	for (; i < text.len; i++) {
		int digit = text.ptr[i] - '0';

		if (digit < 0 || digit > 9 || v > (INT64_MAX - digit) / 10)
			return ERR_INVALID;
		v = 10 * v + digit;
	}
	*out = negative ? -v : v;
	return 0;
}

static int sample_take(struct line *line, struct batch_row *row)
{
	double value;

	skip_blanks(line);
	if (number_parse(take_word(line, " \t"), &value))
		return fail(line, ERR_INVALID, "no value");
	*row = (struct batch_row){ .ts_ms = line->options->now_ms };
	memcpy(&row->bits, &value, sizeof(value));
	skip_blanks(line);
	if (line->rest.len == 0)
		return 0;
	if (integer_parse(take_word(line, " \t"), &row->ts_ms))
		return fail(line, ERR_INVALID, "no timestamp in milliseconds");
	skip_blanks(line);
	return line->rest.len ? fail(line, ERR_INVALID, "more than value and timestamp") : 0;
}

static int row_add(struct line *line, const struct batch_row *row)
{
	struct batch *batch = line->batch;
	struct labels *labels;

	for (size_t i = 0; i < line->options->nextra; i++)
		line->labels[line->nlabels++] = line->options->extra[i];
	if (batch->nrows == EXPOSITION_ROWS_MAX)
		return fail(line, ERR_LIMIT, "too many samples");
	int code = labels_new(line->labels, line->nlabels, &labels, &line->why);

	if (code)
		return code;
	code = batch_reserve(batch, 1);
	if (code == 0) {
		batch->label_at[batch->nrows] = 0;
		batch->rows[batch->nrows++] = *row;
		code = batch_birth_add(batch, batch->nrows - 1, labels);
	}
	if (code)
		labels_unref(labels);
	return code;
}

static int line_read(struct line *line)
{
	struct batch_row row;

	skip_blanks(line);
	if (line->rest.len == 0 || line->rest.ptr[0] == '#')
		return 0;
	struct slice name = take_word(line, " \t{");

	if (!metric_name_is_legacy(name))
		return fail(line, ERR_INVALID, "no metric name");
	line->nlabels = 0;
	buf_clear(&line->values);
	int code = label_add(line, SLICE(METRIC_NAME), name);

	skip_blanks(line);
	if (code == 0 && take_char(line, '{'))
		code = labels_take(line);
	if (code == 0)
		code = sample_take(line, &row);
	return code ? code : row_add(line, &row);
}

int exposition_read(struct slice text, const struct exposition_options *options,
		    struct batch *batch, struct exposition_fault *fault)
{
	struct line line = { .options = options, .batch = batch };
	uint32_t number = 0;
	int code = 0;

	assert(options->nextra <= EXPOSITION_EXTRA_MAX);
	if (text.len > EXPOSITION_BYTES_MAX) {
		*fault = (struct exposition_fault){ 0, "the text is too long" };
		return ERR_LIMIT;
	}
	buf_init(&line.values);
	if (!buf_reserve(&line.values, text.len + 1))
		code = ERR_NOMEM;
	while (code == 0 && text.len > 0) {
		ptrdiff_t end = slice_find(text, '\n');
		size_t len = end < 0 ? text.len : (size_t)end;

		line.rest = (struct slice){ text.ptr, len };
		text.ptr += len + (end >= 0);
		text.len -= len + (end >= 0);
		number++;
		code = line_read(&line);
	}
	if (code && code != ERR_NOMEM)
		*fault = (struct exposition_fault){ number, line.why };
	buf_fini(&line.values);
	return code;
}
