/*
 * PushRequest{1: repeated StreamAdapter}; StreamAdapter{1: string labels, 2: repeated
 * EntryAdapter}; EntryAdapter{1: Timestamp{1: seconds, 2: nanos}, 2: string line, 3: repeated
 * LabelPair{1: name, 2: value}}.
 */
#include "base/error.h"
#include "base/quote.h"
#include "ingest/loki_decoder.h"
#include "ingest/protobuf.h"

struct text {
	const char *at, *end;
};

static void skip_blanks(struct text *text)
{
	while (text->at < text->end && memchr(" \t\n\r", *text->at, 4))
		text->at++;
}

static bool take(struct text *text, char c)
{
	skip_blanks(text);
	bool there = text->at < text->end && *text->at == c;

	text->at += there;
	return there;
}

static struct slice name_take(struct text *text)
{
	skip_blanks(text);
	const char *start = text->at;

	while (text->at < text->end && !memchr(" \t\n\r=,{}\"", *text->at, 9))
		text->at++;
	return (struct slice){ start, (size_t)(text->at - start) };
}

/* A literal as Go writes it: behind its opening quote. */
static int value_take(struct text *text, char quote, struct buf *texts, struct slice *value)
{
	const char *start = text->at;
	size_t before = texts->len, at;

	for (; text->at < text->end && *text->at != quote; text->at++)
		if (*text->at == '\\' && quote == '"' && text->end - text->at > 1)
			text->at++;
	struct slice inside = { start, (size_t)(text->at - start) };

	if (!take(text, quote) || text_unquote(inside, quote, texts, &at))
		return ERR_INVALID;
	*value = (struct slice){ texts->ptr + before, texts->len - before };
	return 0;
}

/* {a="b", c="d"} into decoder->labels; ERR_INVALID with *why, ERR_NOMEM. */
static int labels_parse(struct loki_decoder *decoder, struct slice labels, size_t *n,
			const char **why)
{
	struct text text = { labels.ptr, labels.ptr ? labels.ptr + labels.len : labels.ptr };

	*n = 0;
	*why = "the labels of a stream are not written as {name=\"value\", …}";
	buf_clear(&decoder->texts);
	/* A value is never longer than its literal, but for \U and \u, which are no shorter. */
	if (!buf_reserve(&decoder->texts, labels.len + 1))
		return ERR_NOMEM;
	if (!take(&text, '{'))
		return ERR_INVALID;
	while (!take(&text, '}')) {
		struct slice name, value;

		if (*n && !take(&text, ','))
			return ERR_INVALID;
		if (*n && take(&text, '}'))
			break;
		name = name_take(&text);
		if (!take(&text, '='))
			return ERR_INVALID;
		char quote = take(&text, '"') ? '"' : take(&text, '`') ? '`' : '\0';

		if (!quote || value_take(&text, quote, &decoder->texts, &value))
			return ERR_INVALID;
		if (*n == LABELS_COUNT_MAX) {
			*why = "too many labels";
			return ERR_INVALID;
		}
		decoder->labels[(*n)++] = (struct label){ name, value };
	}
	skip_blanks(&text);
	return text.at == text.end ? 0 : ERR_INVALID;
}

static int time_read(struct slice message, int64_t *ns)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int64_t seconds = 0, nanos = 0;
	int more;

	while ((more = pb_next(&walk, &field)) > 0) {
		if (field.number == 1 && field.wire == PB_VARINT)
			seconds = (int64_t)field.value;
		else if (field.number == 2 && field.wire == PB_VARINT)
			nanos = (int64_t)field.value;
	}
	/* Beyond what nanoseconds can tell: as far away as they can. */
	if (__builtin_mul_overflow(seconds, 1000000000, ns) ||
	    __builtin_add_overflow(*ns, nanos, ns))
		*ns = seconds < 0 ? INT64_MIN : INT64_MAX;
	return more;
}

static int pair_read(struct slice message, struct label *pair)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int more;

	*pair = (struct label){ SLICE(""), SLICE("") };
	while ((more = pb_next(&walk, &field)) > 0) {
		if (field.number == 1 && field.wire == PB_BYTES)
			pair->name = field.bytes;
		else if (field.number == 2 && field.wire == PB_BYTES)
			pair->value = field.bytes;
	}
	return more;
}

static int entry_read(struct loki_walk *loki, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	struct slice line = SLICE("");
	struct label pair;
	int64_t ns = 0;
	size_t n = 0;
	int more;

	while ((more = pb_next(&walk, &field)) > 0) {
		if (field.wire != PB_BYTES)
			continue;
		if (field.number == 1 && time_read(field.bytes, &ns))
			return ERR_CORRUPT;
		if (field.number == 2)
			line = field.bytes;
		if (field.number == 3) {
			if (pair_read(field.bytes, &pair))
				return ERR_CORRUPT;
			if (n < LABELS_COUNT_MAX)
				loki->decoder->labels[n] = pair;
			n++;
		}
	}
	return more ? more : loki_line(loki, ns, line, n);
}

static int stream_read(struct loki_walk *loki, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	struct slice labels = SLICE("");
	const char *why;
	size_t n;
	int more, code;

	while ((more = pb_next(&walk, &field)) > 0)
		if (field.number == 1 && field.wire == PB_BYTES)
			labels = field.bytes;
	if (more)
		return more;
	code = labels.len > LOKI_STREAM_TEXT_MAX ? ERR_INVALID
						 : labels_parse(loki->decoder, labels, &n, &why);
	if (labels.len > LOKI_STREAM_TEXT_MAX)
		why = "the labels of a stream are too long";
	if (code == ERR_INVALID)
		loki_stream_refuse(loki, why);
	else if (code || (code = loki_stream(loki, n)))
		return code;
	walk = pb_walk_of(message);
	while ((more = pb_next(&walk, &field)) > 0)
		if (field.number == 2 && field.wire == PB_BYTES &&
		    (code = entry_read(loki, field.bytes)))
			return code;
	return more;
}

int loki_protobuf(struct loki_walk *loki, struct slice body)
{
	struct pb_walk walk = pb_walk_of(body);
	struct pb_field field;
	int more, code;

	loki->why = "malformed protobuf";
	while ((more = pb_next(&walk, &field)) > 0)
		if (field.number == 1 && field.wire == PB_BYTES &&
		    (code = stream_read(loki, field.bytes)))
			return code == ERR_CORRUPT ? ERR_INVALID : code;
	return more ? ERR_INVALID : 0;
}
