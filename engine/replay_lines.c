/*
 * Log lines of files: each counts as arriving when it says it was written, and a line that does not
 * say, as of a stack trace, with the one before it.
 */
#include "engine/replay_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/extractor_rules.h"
#include "ingest/line_time.h"
#include "ingest/log_feed.h"

#define NS_PER_MS 1000000

struct data_lines {
	struct data *data;
	struct log_feed *feed;
	struct labels *labels;
	struct batch *batch;
	int64_t ns;    /* of the line before */
	int64_t at_ms; /* of the lines in the feed */
	bool has_time;
};

static int use_rules(struct data_lines *lines, const struct rule_set *rules, char **why)
{
	const struct extractor_options options = { .series_max = 0 };
	struct extractor_set *extractors;
	struct diag_list diags;
	struct buf text;
	diag_list_init(&diags);
	int code = extractor_set_of_rules(rules, &options, NULL, &diags, &extractors);
	if (!code) {
		code = log_feed_use(lines->feed, extractors);
		extractor_set_unref(extractors);
	} else if (code != ERR_NOMEM) {
		buf_init(&text);
		diag_list_format(&diags, false, &text);
		*why = buf_take(&text);
		code = ERR_INVALID;
	}
	diag_list_fini(&diags);
	return code;
}

int data_lines_new(struct data *data, const struct rule_set *rules, const struct labels *labels,
		   struct data_lines **out, char **why)
{
	struct data_lines *lines = calloc(1, sizeof(*lines));
	if (!lines)
		return ERR_NOMEM;
	lines->data = data;
	lines->labels = labels_ref((struct labels *)labels);
	lines->batch = batch_new();
	lines->feed = log_feed_new(&data->key);
	int code = lines->batch && lines->feed ? use_rules(lines, rules, why) : ERR_NOMEM;
	if (code) {
		data_lines_free(lines);
		return code;
	}
	*out = lines;
	return 0;
}

void data_lines_free(struct data_lines *lines)
{
	if (!lines)
		return;
	log_feed_free(lines->feed);
	labels_unref(lines->labels);
	batch_free(lines->batch);
	free(lines);
}

void data_lines_file(struct data_lines *lines)
{
	lines->has_time = false;
}

/* What the lines of one moment came to, to the other samples. */
static int flush(struct data_lines *lines)
{
	struct batch *batch = lines->batch;
	if (log_feed_rows(lines->feed) == 0)
		return 0;
	int code = log_feed_flush(lines->feed, batch);
	for (uint32_t i = 0; i < batch->nrows && !code; i++) {
		const struct batch_birth *birth = &batch->births[i];
		uint32_t series;
		code = data_series(lines->data, birth->labels, birth->kind, &series);
		if (!code)
			code = data_add(lines->data, series, lines->at_ms, batch->rows[i].ts_ms,
					batch->rows[i].bits);
	}
	batch_clear(batch);
	return code;
}

int data_lines_add(struct data_lines *lines, struct slice line)
{
	int64_t ns;
	if (line_time(line, &ns) == 0) {
		lines->ns = ns;
		lines->has_time = true;
	}
	if (!lines->has_time)
		return ERR_NOT_FOUND;
	/* As the feed rounds it. */
	int64_t ms = lines->ns / NS_PER_MS + (lines->ns % NS_PER_MS > 0);
	int code = ms != lines->at_ms ? flush(lines) : 0;
	data_seen(lines->data, ms);
	lines->at_ms = ms;
	const struct log_entry entry = { .ts_ns = lines->ns, .line = line };
	while (!code) {
		struct log_stream *stream = log_feed_stream(lines->feed, lines->labels);
		code = stream ? log_feed_line(lines->feed, stream, &entry) : ERR_NOMEM;
		if (code != ERR_FULL)
			break;
		code = flush(lines);
	}
	return code;
}

int data_lines_end(struct data_lines *lines)
{
	return flush(lines);
}
