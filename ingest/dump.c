#include "ingest/dump.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/key_numbers.h"
#include "base/quote.h"
#include "base/text.h"

#define EXACT_DIGITS 15 /* so many are exact in a double */
#define EXACT_POWER 22	/* and powers of ten up to this one */

struct dump_reader {
	struct dump_options options;
	struct hash_key key;
	struct key_numbers texts; /* of series as they are written */
	uint32_t *known, cap;	  /* of each the series */
	/* The series of the line before: dumps have them in a row. */
	struct buf last;
	uint32_t last_series;
	struct buf values; /* unescaped; has room for the whole line, so that nothing in it moves */
	struct label labels[LABELS_COUNT_MAX];
	size_t nlabels;
	const char *why;
};

struct dump_reader *dump_reader_new(const struct dump_options *options)
{
	struct dump_reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return NULL;
	reader->options = *options;
	buf_init(&reader->last);
	buf_init(&reader->values);
	if (hash_key_init(&reader->key)) {
		dump_reader_free(reader);
		return NULL;
	}
	return reader;
}

void dump_reader_free(struct dump_reader *reader)
{
	if (!reader)
		return;
	buf_fini(&reader->last);
	buf_fini(&reader->values);
	key_numbers_fini(&reader->texts);
	free(reader->known);
	free(reader);
}

static int fail(struct dump_reader *reader, int code, const char *why)
{
	reader->why = why;
	return code;
}

/* ---- numbers ---- */

/* Plain digits, and few enough that one division gives what a slow parser would. */
static bool read_plain_number(struct slice text, double *out)
{
	static const double powers[] = { 1e0,  1e1,  1e2,  1e3,	 1e4,  1e5,  1e6,  1e7,
					 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
					 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	bool negative = text.len > 0 && text.ptr[0] == '-';
	size_t i = negative, digits = 0, fraction = 0;
	bool has_point = false;
	uint64_t v = 0;
	for (; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '.' && !has_point) {
			has_point = true;
			continue;
		}
		if (c < '0' || c > '9' || ++digits > EXACT_DIGITS)
			return false;
		v = 10 * v + (uint64_t)(c - '0');
		fraction += has_point;
	}
	if (digits == 0 || fraction > EXACT_POWER)
		return false;
	double value = (double)v / powers[fraction];
	*out = negative ? -value : value;
	return true;
}

static int read_number(struct slice text, double *out)
{
	return read_plain_number(text, out) ? 0 : number_parse(text, out);
}

static int read_time(const struct dump_reader *reader, struct slice text, int64_t *out)
{
	double number;
	bool has_point =
		text.len && (memchr(text.ptr, '.', text.len) || memchr(text.ptr, 'e', text.len) ||
			     memchr(text.ptr, 'E', text.len));
	if (read_number(text, &number))
		return ERR_INVALID;
	if (reader->options.seconds || has_point)
		number *= 1000;
	if (!(fabs(number) <= (double)TIME_MAX_MS))
		return ERR_INVALID;
	*out = (int64_t)llround(number);
	return 0;
}

/* ---- words ---- */

static void skip_blanks(struct slice *rest)
{
	while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t')) {
		rest->ptr++;
		rest->len--;
	}
}

static struct slice take(struct slice *rest, size_t n)
{
	struct slice taken = { rest->ptr, n };
	rest->ptr += n;
	rest->len -= n;
	return taken;
}

static bool take_char(struct slice *rest, char c)
{
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	take(rest, 1);
	return true;
}

static struct slice take_word(struct slice *rest, const char *ends)
{
	size_t n = 0;
	while (n < rest->len && !strchr(ends, rest->ptr[n]) && rest->ptr[n])
		n++;
	return take(rest, n);
}

/* Behind the opening quote: how far to the closing one. SIZE_MAX: there is none. */
static size_t quoted_len(struct slice rest)
{
	for (size_t i = 0; i < rest.len; i++) {
		if (rest.ptr[i] == '\\')
			i++;
		else if (rest.ptr[i] == '"')
			return i;
	}
	return SIZE_MAX;
}

/* Up to the end of the braces, or of the bare name. SIZE_MAX: the braces have no end. */
static size_t series_len(struct slice line)
{
	size_t n = 0;
	while (n < line.len && line.ptr[n] != '{' && line.ptr[n] != ' ' && line.ptr[n] != '\t')
		n++;
	size_t bare = n;
	while (n < line.len && (line.ptr[n] == ' ' || line.ptr[n] == '\t'))
		n++;
	if (n == line.len || line.ptr[n] != '{')
		return bare;
	for (n++; n < line.len && line.ptr[n] != '}'; n++) {
		if (line.ptr[n] != '"')
			continue;
		size_t inside = quoted_len((struct slice){ line.ptr + n + 1, line.len - n - 1 });
		if (inside == SIZE_MAX)
			return SIZE_MAX;
		n += inside + 1;
	}
	return n < line.len ? n + 1 : SIZE_MAX;
}

/* ---- labels ---- */

static int label_add(struct dump_reader *reader, struct slice name, struct slice value)
{
	if (reader->nlabels == LABELS_COUNT_MAX)
		return fail(reader, ERR_LIMIT, "too many labels");
	reader->labels[reader->nlabels++] = (struct label){ name, value };
	return 0;
}

/* At the opening quote. */
static int quoted_take(struct dump_reader *reader, struct slice *rest, struct slice *out)
{
	size_t start = reader->values.len, at;
	take(rest, 1);
	size_t len = quoted_len(*rest);
	if (len == SIZE_MAX)
		return fail(reader, ERR_INVALID, "a label value has no end");
	int code = text_unquote(take(rest, len), '"', &reader->values, &at);
	if (code)
		return fail(reader, code, "unknown escape in a label value");
	take(rest, 1);
	*out = (struct slice){ reader->values.ptr + start, reader->values.len - start };
	return 0;
}

static int label_take(struct dump_reader *reader, struct slice *rest)
{
	struct slice name, value;
	bool is_quoted = rest->len > 0 && rest->ptr[0] == '"';
	int code = is_quoted ? quoted_take(reader, rest, &name) : 0;
	if (code)
		return code;
	if (!is_quoted)
		name = take_word(rest, " \t=,}\"");
	skip_blanks(rest);
	/* A quoted text by itself is the metric's name. */
	if (is_quoted && (rest->len == 0 || rest->ptr[0] != '='))
		return label_add(reader, SLICE(METRIC_NAME), name);
	if (!is_quoted && !label_name_is_legacy(name))
		return fail(reader, ERR_INVALID, "no label name");
	if (!take_char(rest, '='))
		return fail(reader, ERR_INVALID, "no \"=\" behind a label name");
	skip_blanks(rest);
	if (rest->len == 0 || rest->ptr[0] != '"')
		return fail(reader, ERR_INVALID, "a label value stands in double quotes");
	code = quoted_take(reader, rest, &value);
	return code ? code : label_add(reader, name, value);
}

static int labels_take(struct dump_reader *reader, struct slice *rest)
{
	for (;;) {
		skip_blanks(rest);
		if (take_char(rest, '}'))
			return 0;
		int code = label_take(reader, rest);
		if (code)
			return code;
		skip_blanks(rest);
		if (!take_char(rest, ',') && (rest->len == 0 || rest->ptr[0] != '}'))
			return fail(reader, ERR_INVALID, "no \",\" or \"}\" behind a label");
	}
}

/* The series as written, read for the first time. */
static int series_read(struct dump_reader *reader, struct slice text, uint32_t *number)
{
	struct labels *labels;
	reader->nlabels = 0;
	buf_clear(&reader->values);
	if (!buf_reserve(&reader->values, 4 * text.len + 1))
		return ERR_NOMEM;
	struct slice name = take_word(&text, " \t{");
	int code = 0;
	if (name.len > 0 && !metric_name_is_legacy(name))
		return fail(reader, ERR_INVALID, "no metric name");
	if (name.len > 0)
		code = label_add(reader, SLICE(METRIC_NAME), name);
	skip_blanks(&text);
	if (!code && take_char(&text, '{'))
		code = labels_take(reader, &text);
	if (code)
		return code;
	code = labels_new(reader->labels, reader->nlabels, &labels, &reader->why);
	if (code)
		return code;
	if (labels_count(labels) == 0)
		code = fail(reader, ERR_INVALID, "no metric name");
	else
		code = reader->options.series(reader->options.ctx, labels, number);
	labels_unref(labels);
	return code;
}

/* ---- series that are known ---- */

static int known_add(struct dump_reader *reader, struct slice text, struct hash128 hash,
		     uint32_t *number)
{
	if (reader->texts.n == DUMP_SERIES_MAX)
		return fail(reader, ERR_LIMIT, "too many series");
	int code = series_read(reader, text, number);
	if (!code && !ARRAY_RESERVE(&reader->known, reader->texts.n, &reader->cap))
		code = ERR_NOMEM;
	if (!code)
		code = key_numbers_add(&reader->texts, hash, DUMP_SERIES_MAX);
	if (!code)
		reader->known[reader->texts.n - 1] = *number;
	return code;
}

static int series_find(struct dump_reader *reader, struct slice text, uint32_t *number)
{
	if (slice_is_equal(text, buf_slice(&reader->last))) {
		*number = reader->last_series;
		return 0;
	}
	struct hash128 hash = hash_keyed128(&reader->key, text.ptr, text.len);
	uint32_t at = key_numbers_find(&reader->texts, hash);
	if (at == KEY_NUMBER_NONE) {
		int code = known_add(reader, text, hash, number);
		if (code)
			return code;
	} else {
		*number = reader->known[at];
	}
	buf_clear(&reader->last);
	buf_add_slice(&reader->last, text);
	reader->last_series = *number;
	return buf_ok(&reader->last) ? 0 : ERR_NOMEM;
}

/* ---- a line ---- */

static int sample_read(struct dump_reader *reader, struct slice line, struct dump_sample *out)
{
	double value;
	size_t len = series_len(line);
	if (len == SIZE_MAX)
		return fail(reader, ERR_INVALID, "the labels have no end");
	struct slice series = take(&line, len);
	skip_blanks(&line);
	if (read_number(take_word(&line, " \t"), &value))
		return fail(reader, ERR_INVALID, "no value");
	memcpy(&out->bits, &value, sizeof(value));
	skip_blanks(&line);
	if (line.len == 0 || line.ptr[0] == '#')
		return fail(reader, ERR_INVALID, "no timestamp behind the value");
	if (read_time(reader, take_word(&line, " \t"), &out->ts_ms))
		return fail(reader, ERR_INVALID, "no timestamp");
	skip_blanks(&line);
	if (line.len > 0 && line.ptr[0] != '#')
		return fail(reader, ERR_INVALID, "more than value and timestamp");
	return series_find(reader, series, &out->series);
}

int dump_line(struct dump_reader *reader, struct slice line, struct dump_sample *out,
	      const char **why)
{
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	skip_blanks(&line);
	if (line.len == 0 || line.ptr[0] == '#')
		return 0;
	if (line.len > DUMP_LINE_MAX) {
		*why = "the line is too long";
		return ERR_LIMIT;
	}
	reader->why = NULL;
	int code = sample_read(reader, line, out);
	*why = reader->why;
	return code ? code : 1;
}
