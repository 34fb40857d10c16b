#include "ingest/remote_read.h"

#include <snappy-c.h>

#include "base/error.h"

enum { QUERY = 1, QUERY_START = 1, QUERY_END = 2, QUERY_MATCHER = 3 };
enum { MATCHER_TYPE = 1, MATCHER_NAME = 2, MATCHER_VALUE = 3 };
enum { RESPONSE_RESULT = 1, RESULT_SERIES = 1, SERIES_LABEL = 1, SERIES_SAMPLE = 2 };
enum { LABEL_NAME = 1, LABEL_VALUE = 2, SAMPLE_VALUE = 1, SAMPLE_TIME = 2 };

/* ---- the request ---- */

static void add_matcher(struct buf *query, const struct matcher *matcher)
{
	/* LabelMatcher.Type */
	static const unsigned char types[] = {
		[MATCH_EQ] = 0, [MATCH_NE] = 1, [MATCH_RE] = 2, [MATCH_NRE] = 3
	};
	struct buf part;
	buf_init(&part);
	pb_number_add(&part, MATCHER_TYPE, types[matcher->type]);
	pb_bytes_add(&part, MATCHER_NAME, matcher_name(matcher));
	pb_bytes_add(&part, MATCHER_VALUE, matcher_value(matcher));
	pb_bytes_add(query, QUERY_MATCHER, buf_slice(&part));
	query->failed |= part.failed;
	buf_fini(&part);
}

static int compress(const struct buf *plain, struct buf *out)
{
	size_t room = snappy_max_compressed_length(plain->len);
	buf_clear(out);
	char *to = buf_reserve(out, room);
	if (!to || snappy_compress(plain->ptr, plain->len, to, &room) != SNAPPY_OK)
		return ERR_NOMEM;
	out->len = room;
	return 0;
}

int remote_read_request(const struct matcher *matchers, size_t n, uint64_t without, int64_t from_ms,
			int64_t to_ms, struct buf *out)
{
	struct buf query, request;
	buf_init(&query);
	buf_init(&request);
	pb_number_add(&query, QUERY_START, (uint64_t)from_ms);
	pb_number_add(&query, QUERY_END, (uint64_t)to_ms);
	for (size_t i = 0; i < n; i++)
		if (i >= 64 || !(without >> i & 1))
			add_matcher(&query, &matchers[i]);
	pb_bytes_add(&request, QUERY, buf_slice(&query));
	int code = buf_ok(&query) && buf_ok(&request) ? compress(&request, out) : ERR_NOMEM;
	buf_fini(&query);
	buf_fini(&request);
	return code;
}

/* ---- the answer ---- */

void remote_read_init(struct remote_read *read, struct slice answer)
{
	*read = (struct remote_read){ .response = pb_walk_of(answer) };
}

static void series_end(struct remote_read *read)
{
	labels_unref(read->labels);
	read->labels = NULL;
}

void remote_read_fini(struct remote_read *read)
{
	series_end(read);
}

/* Goes to the next field of that number that is a message: 1, 0, ERR_CORRUPT. */
static int next_message(struct pb_walk *walk, uint32_t number, struct slice *out)
{
	struct pb_field field;
	int code;
	while ((code = pb_next(walk, &field)) > 0)
		if (field.number == number && field.wire == PB_BYTES) {
			*out = field.bytes;
			return 1;
		}
	return code;
}

static int read_label(struct slice message, struct label *out)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int code;
	*out = (struct label){ { NULL, 0 }, { NULL, 0 } };
	while ((code = pb_next(&walk, &field)) > 0) {
		if (field.wire == PB_BYTES && field.number == LABEL_NAME)
			out->name = field.bytes;
		else if (field.wire == PB_BYTES && field.number == LABEL_VALUE)
			out->value = field.bytes;
	}
	return code;
}

/* *out is NULL when they are no set of labels. */
static int read_labels(struct slice series, struct labels **out)
{
	struct pb_walk walk = pb_walk_of(series);
	struct label labels[LABELS_COUNT_MAX];
	struct slice message;
	size_t n = 0;
	int code;
	*out = NULL;
	while ((code = next_message(&walk, SERIES_LABEL, &message)) > 0) {
		if (n == LABELS_COUNT_MAX)
			return 0;
		code = read_label(message, &labels[n++]);
		if (code < 0)
			return code;
	}
	if (code == 0)
		code = labels_new(labels, n, out, NULL);
	return code == ERR_INVALID || code == ERR_LIMIT ? 0 : code;
}

int remote_read_series(struct remote_read *read)
{
	struct slice message;
	int code;
	series_end(read);
	for (;;) {
		while ((code = next_message(&read->result, RESULT_SERIES, &message)) > 0) {
			code = read_labels(message, &read->labels);
			if (code < 0)
				return code;
			read->series = pb_walk_of(message);
			if (read->labels)
				return 1;
		}
		if (code < 0 ||
		    (code = next_message(&read->response, RESPONSE_RESULT, &message)) <= 0)
			return code;
		read->result = pb_walk_of(message);
	}
}

int remote_read_sample(struct remote_read *read, struct remote_read_sample *out)
{
	struct slice message;
	struct pb_field field;
	int code = next_message(&read->series, SERIES_SAMPLE, &message);
	if (code <= 0)
		return code;
	struct pb_walk walk = pb_walk_of(message);
	*out = (struct remote_read_sample){ 0 };
	while ((code = pb_next(&walk, &field)) > 0) {
		if (field.number == SAMPLE_VALUE && field.wire == PB_FIXED64)
			out->bits = field.value;
		else if (field.number == SAMPLE_TIME && field.wire == PB_VARINT)
			out->ts_ms = (int64_t)field.value;
	}
	return code < 0 ? code : 1;
}
