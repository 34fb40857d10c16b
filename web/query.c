/* Answers to queries, as Prometheus' API has them; query_request.c: what is asked for. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "web/web_internal.h"

/* Elements beyond this many come as they are found, as in Prometheus: to sort them would take long.
 */
#define QUERY_SORTED_MAX 10000

static void add_timestamp(struct json_writer *w, int64_t t_ms)
{
	char text[40];
	int64_t size_ms = t_ms < 0 ? -t_ms : t_ms;
	int n = snprintf(text, sizeof(text), "%s%lld", t_ms < 0 ? "-" : "",
			 (long long)(size_ms / 1000));

	if (size_ms % 1000)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ".%03d", (int)(size_ms % 1000));
	json_raw(w, (struct slice){ text, (size_t)n });
}

/* [1795167707.963,"0"] */
static void add_point(struct json_writer *w, int64_t t_ms, double value)
{
	struct buf text;

	buf_init(&text);
	number_format_json(value, &text);
	json_begin_array(w);
	add_timestamp(w, t_ms);
	json_str(w, buf_slice(&text));
	json_end_array(w);
	buf_fini(&text);
}

/* How many of n elements are told. */
static size_t told(const struct engine_query *query, size_t n)
{
	return query->limit && query->limit < n ? query->limit : n;
}

static bool is_truncated(const struct engine_query *query)
{
	return query->limit && (query->nrows > query->limit || query->nseries > query->limit);
}

static void add_vector(struct json_writer *w, struct engine_query *query, size_t bytes_max)
{
	if (query->nrows <= QUERY_SORTED_MAX || result_is_ordered(query->plan, query->root))
		engine_query_sort(query);
	json_begin_array(w);
	for (size_t i = 0; i < told(query, query->nrows) && w->out->len <= bytes_max; i++) {
		json_begin_object(w);
		json_field_labels(w, "metric", query->rows[i].labels);
		json_key(w, "value");
		add_point(w, query->t_ms, query->rows[i].value);
		json_end_object(w);
	}
	json_end_array(w);
}

static int by_labels(const void *a, const void *b)
{
	return labels_compare(((const struct engine_query_series *)a)->labels,
			      ((const struct engine_query_series *)b)->labels);
}

static void add_matrix(struct json_writer *w, const struct engine_query *query, size_t bytes_max)
{
	if (query->nseries && query->nseries <= QUERY_SORTED_MAX)
		qsort(query->series, query->nseries, sizeof(*query->series), by_labels);
	json_begin_array(w);
	for (size_t i = 0; i < told(query, query->nseries) && w->out->len <= bytes_max; i++) {
		const struct engine_query_series *series = &query->series[i];

		json_begin_object(w);
		json_field_labels(w, "metric", series->labels);
		json_key(w, "values");
		json_begin_array(w);
		for (size_t k = 0; k < series->n; k++)
			add_point(w, series->points[k].t_ms, series->points[k].value);
		json_end_array(w);
		json_end_object(w);
	}
	json_end_array(w);
}

static void add_string(struct json_writer *w, const struct engine_query *query)
{
	json_begin_array(w);
	add_timestamp(w, query->t_ms);
	json_str(w, query->plan->nodes[query->root]->string);
	json_end_array(w);
}

static bool has_notes(const struct engine_query *query, enum note_kind kind)
{
	for (uint32_t i = 0; i < query->notes.n; i++)
		if (query->notes.items[i].kind == kind)
			return true;
	return false;
}

static void add_notes(struct json_writer *w, const struct engine_query *query, enum note_kind kind)
{
	for (uint32_t i = 0; i < query->notes.n; i++) {
		struct buf text;

		if (query->notes.items[i].kind != kind)
			continue;
		buf_init(&text);
		note_format(&query->notes.items[i], query->text, &text);
		json_str(w, buf_slice(&text));
		buf_fini(&text);
	}
}

static void add_warnings(struct json_writer *w, const struct engine_query *query)
{
	char text[160];

	json_key(w, "warnings");
	json_begin_array(w);
	if (is_truncated(query))
		json_str(w, SLICE("results truncated due to limit"));
	add_notes(w, query, NOTE_WARNING);
	if (query->partial)
		json_str(w, SLICE("the query looks further back than what is kept for the rules: "
				  "the result may be incomplete"));
	if (query->bucket_ms) {
		snprintf(text, sizeof(text),
			 "log lines are counted in steps of %gs for the rules: ranges and offsets "
			 "that are no multiples of it end at the step before",
			 (double)query->bucket_ms / 1000);
		json_str(w, slice_from(text));
	}
	json_end_array(w);
}

static void field_seconds(struct json_writer *w, const char *key, int64_t from_ms, int64_t to_ms)
{
	json_field_number(w, key, to_ms > from_ms ? (double)(to_ms - from_ms) / 1000 : 0);
}

/* As Prometheus tells it, as far as we know: times are as the engine is told them. */
static void add_stats(struct json_writer *w, const struct engine_query *query, int64_t now_ms)
{
	int64_t begun_ms = query->begun_ms ? query->begun_ms : query->asked_ms;

	json_key(w, "stats");
	json_begin_object(w);
	json_key(w, "timings");
	json_begin_object(w);
	field_seconds(w, "evalTotalTime", begun_ms, query->done_ms);
	json_field_number(w, "resultSortTime", 0);
	json_field_number(w, "queryPreparationTime", 0);
	field_seconds(w, "innerEvalTime", begun_ms, query->done_ms);
	field_seconds(w, "execQueueTime", query->asked_ms, begun_ms);
	field_seconds(w, "execTotalTime", query->asked_ms, now_ms);
	json_end_object(w);
	json_key(w, "samples");
	json_begin_object(w);
	json_field_int(w, "totalQueryableSamples", (int64_t)query->samples_read);
	json_field_int(w, "peakSamples", (int64_t)query->samples_peak);
	json_end_object(w);
	json_end_object(w);
}

/* Ends early beyond so many bytes: it is not told then. */
static void format_result(struct engine_query *query, int64_t now_ms, size_t bytes_max,
			  struct buf *out)
{
	static const char *const types[] = {
		[VALUE_SCALAR] = "scalar",
		[VALUE_VECTOR] = "vector",
		[VALUE_STRING] = "string",
		[VALUE_MATRIX] = "matrix",
	};
	struct json_writer w;

	envelope_begin(&w, out);
	json_begin_object(&w);
	json_field_string(&w, "resultType", slice_from(types[query->type]));
	json_key(&w, "result");
	if (query->type == VALUE_VECTOR)
		add_vector(&w, query, bytes_max);
	else if (query->type == VALUE_MATRIX)
		add_matrix(&w, query, bytes_max);
	else if (query->type == VALUE_STRING)
		add_string(&w, query);
	else
		add_point(&w, query->t_ms, query->scalar);
	if (query->wants_stats)
		add_stats(&w, query, now_ms);
	json_end_object(&w);
	if (query->partial || query->bucket_ms || is_truncated(query) ||
	    has_notes(query, NOTE_WARNING))
		add_warnings(&w, query);
	if (has_notes(query, NOTE_INFO)) {
		json_key(&w, "infos");
		json_begin_array(&w);
		add_notes(&w, query, NOTE_INFO);
		json_end_array(&w);
	}
	envelope_end(&w);
}

static void format_error(const struct engine_query *query, int *status, struct buf *out)
{
	const char *type = "execution";

	*status = 422;
	if (query->code == ERR_TIMEOUT || query->code == ERR_FULL) {
		*status = 503;
		type = query->code == ERR_TIMEOUT ? "timeout" : "unavailable";
	} else if (query->code == ERR_CANCELED) {
		*status = 499;
		type = "canceled";
	} else if (query->code == ERR_NOMEM) {
		*status = 500;
		type = "internal";
	}
	envelope_error(out, type,
		       slice_from(query->error[0] ? query->error : error_text(query->code)));
}

static void format_answer(const struct web *web, struct engine_query *query, int *status,
			  struct buf *out)
{
	size_t bytes_max = web->answer_bytes_max;

	if (!query->code && query->listing)
		listing_format(query, bytes_max, out);
	else if (!query->code)
		format_result(query, web->host.now_ms(web->host.ctx), bytes_max, out);
	if (out->len > bytes_max) {
		snprintf(query->error, sizeof(query->error),
			 "the answer is longer than %zu bytes: ask for less, or set a limit",
			 bytes_max);
		query->code = ERR_LIMIT;
		buf_clear(out);
	}
	if (query->code)
		format_error(query, status, out);
}

void query_done(struct web *web, struct http_server *server, struct engine_query *query)
{
	struct http_header headers[] = { { "Cache-Control", "no-store" },
					 { "X-Content-Type-Options", "nosniff" } };
	struct http_reply reply = {
		.status = 200, .content_type = JSON_TYPE, .headers = headers, .nheaders = 2
	};
	struct buf out;

	buf_init(&out);
	format_answer(web, query, &reply.status, &out);
	if (buf_ok(&out))
		reply.body = buf_slice(&out);
	else
		reply.status = 500;
	http_reply_to(server, (struct http_token){ query->slot, query->generation }, &reply);
	buf_fini(&out);
	engine_query_free(query);
}
