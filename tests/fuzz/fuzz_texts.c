/*
 * Texts from outside: the first byte chooses the reader, the rest is its text (two texts, parted by
 * the first newline, where it needs two).
 */
#include <assert.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/json.h"
#include "base/matcher.h"
#include "base/quote.h"
#include "base/regex.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static void read_regex(struct slice pattern, struct slice subject, struct buf *out)
{
	struct regex *regex;
	char *why;
	size_t offset;

	if (regex_new(pattern, &regex, &why, &offset) != 0) {
		assert(offset <= pattern.len);
		free(why);
		return;
	}
	uint64_t hits = regex_limit_hits();
	bool matched = regex_is_match(regex, subject);
	int expanded = regex_expand(regex, subject, SLICE("<$1${a}$0>"), out);

	/* The short cuts and the general way agree. */
	if (regex_limit_hits() == hits)
		assert(expanded < 0 || matched == (expanded == 1));
	regex_replace_all(pattern, subject, SLICE("$1-"), out);
	regex_free(regex);
}

/* What is printed is read back as the same. */
static void read_matchers(struct slice text, struct buf *out)
{
	struct matcher *list = NULL, *again = NULL;
	size_t n = 0, m = 0;
	char *why;

	if (matchers_parse(text, &list, &n, &why) != 0) {
		free(why);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		matcher_format(&list[i], out);
		buf_add_char(out, ',');
	}
	int err = matchers_parse(buf_slice(out), &again, &m, &why);

	if (!err) {
		assert(m == n);
		matchers_free(again, m);
	}
	free(why);
	matchers_free(list, n);
}

static void read_quoted(struct slice text, struct buf *out)
{
	struct buf back;
	size_t at;

	buf_init(&back);
	if (text_unquote(text, '\'', &back, &at) != 0)
		assert(at < text.len);
	buf_clear(&back);
	text_quote(text, out);
	int err = text_unquote((struct slice){ out->ptr + 1, out->len - 2 }, '"', &back, &at);

	assert(err == 0 && slice_is_equal(buf_slice(&back), text));
	buf_fini(&back);
}

/* A number, a duration and a time survive being printed. */
static void read_numbers(struct slice text, struct buf *out)
{
	int64_t ms, ms_again;
	double v, v_again;

	if (number_parse(text, &v) == 0) {
		number_format_f(v, out);
		assert(number_parse(buf_slice(out), &v_again) == 0);
		assert(v == v_again || (v != v && v_again != v_again));
	}
	buf_clear(out);
	if (duration_parse(text, &ms) == 0) {
		duration_format(ms, out);
		assert(duration_parse(buf_slice(out), &ms_again) == 0 && ms == ms_again);
	}
	buf_clear(out);
	if (time_parse(text, &ms) == 0)
		time_format_rfc3339(ms, out);
}

static void place_diagnostic(struct slice text, struct slice other, struct buf *out)
{
	const struct source source = {
		.file = "f", .text = text, .column0 = (uint32_t)(other.len % 300), .indent = 3
	};
	struct diag_list list;

	diag_list_init(&list);
	diag_add_at(&list, DIAG_ERROR, &source, other.len, other.len / 2, NULL, SLICE_FMT,
		    SLICE_ARG(other));
	diag_list_format(&list, false, out);
	diag_list_format_json(&list, out);
	diag_list_fini(&list);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
	if (n == 0)
		return 0;
	struct slice text = { (const char *)bytes + 1, n - 1 }, other = { NULL, 0 };
	ptrdiff_t newline = slice_find(text, '\n');
	struct slice first = text;
	struct buf out;

	if (newline >= 0) {
		first.len = (size_t)newline;
		other = (struct slice){ text.ptr + newline + 1, text.len - first.len - 1 };
	}
	buf_init(&out);
	switch (bytes[0] % 5) {
	case 0:
		read_regex(first, other, &out);
		break;
	case 1:
		read_matchers(text, &out);
		break;
	case 2:
		read_quoted(text, &out);
		break;
	case 3:
		read_numbers(text, &out);
		break;
	case 4:
		place_diagnostic(text, other, &out);
		break;
	}
	buf_fini(&out);
	return 0;
}
