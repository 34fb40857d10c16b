/* GET, POST /api/v1/query and /api/v1/query_range, as Prometheus' API has them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/grid.h"
#include "web/web_internal.h"

#define TIMEOUT_MS_MIN 1
/* Elements beyond this many come as they are found, as in Prometheus: to sort them would take long. */
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

static void add_vector(struct json_writer *w, struct engine_query *query)
{
	if (query->nrows <= QUERY_SORTED_MAX || result_is_ordered(query->plan, query->root))
		engine_query_sort(query);
	json_begin_array(w);
	for (size_t i = 0; i < query->nrows; i++) {
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

static void add_matrix(struct json_writer *w, const struct engine_query *query)
{
	if (query->nseries && query->nseries <= QUERY_SORTED_MAX)
		qsort(query->series, query->nseries, sizeof(*query->series), by_labels);
	json_begin_array(w);
	for (size_t i = 0; i < query->nseries; i++) {
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

static void format_result(struct engine_query *query, struct buf *out)
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
		add_vector(&w, query);
	else if (query->type == VALUE_MATRIX)
		add_matrix(&w, query);
	else if (query->type == VALUE_STRING)
		add_string(&w, query);
	else
		add_point(&w, query->t_ms, query->scalar);
	json_end_object(&w);
	if (query->partial || query->bucket_ms || has_notes(query, NOTE_WARNING))
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

void query_done(struct http_server *server, struct engine_query *query)
{
	struct http_header headers[] = { { "Cache-Control", "no-store" },
					 { "X-Content-Type-Options", "nosniff" } };
	struct http_reply reply = {
		.status = 200, .content_type = JSON_TYPE, .headers = headers, .nheaders = 2
	};
	struct buf out;

	buf_init(&out);
	if (query->code)
		format_error(query, &reply.status, &out);
	else if (query->listing)
		listing_format(query, &out);
	else
		format_result(query, &out);
	if (buf_ok(&out))
		reply.body = buf_slice(&out);
	else
		reply.status = 500;
	http_reply_to(server, (struct http_token){ query->slot, query->generation }, &reply);
	buf_fini(&out);
	engine_query_free(query);
}

/* All that the parser has to say, in one line: "1:5: parse error: …; 1:9: parse error: …". */
void web_fail_parse(struct http_request *request, const char *name, const struct diag_list *diags)
{
	struct buf text;

	buf_init(&text);
	for (size_t i = 0; i < diags->n; i++) {
		const struct diag *diag = &diags->items[i];

		if (diag->severity != DIAG_ERROR)
			continue;
		buf_add_str(&text, text.len ? "; " : "");
		if (diag->line)
			buf_printf(&text, "%u:%u: ", diag->line, diag->column);
		buf_printf(&text, "parse error: %s", diag->message);
		if (diag->hint)
			buf_printf(&text, " (%s)", diag->hint);
	}
	web_fail(request, 400, "bad_data", "invalid parameter \"%s\": " SLICE_FMT, name,
		 SLICE_ARG(buf_slice(&text)));
	buf_fini(&text);
}

/* "30s", "1m30s", or seconds: "2.5" */
static int parse_length(const char *text, int64_t *ms)
{
	double seconds;

	if (duration_parse(slice_from(text), ms) == 0)
		return 0;
	if (number_parse(slice_from(text), &seconds) || !(fabs(seconds) < 1e9))
		return ERR_INVALID;
	*ms = (int64_t)(seconds * 1000);
	return 0;
}

bool web_param_time(struct http_request *request, struct arena *arena, const char *name,
		    int64_t *t_ms)
{
	const char *text = web_param(request, arena, name, 0);

	if (!text || time_parse(slice_from(text), t_ms) == 0)
		return true;
	web_fail(request, 400, "bad_data",
		 "invalid parameter \"%s\": cannot parse \"%.100s\" to a valid timestamp", name,
		 text);
	return false;
}

/* Until when the answer is of use; false: the request was answered. */
static bool read_deadline(struct web *web, struct http_request *request, struct arena *arena,
			  int64_t *deadline_ms)
{
	const char *timeout = web_param(request, arena, "timeout", 0);
	int64_t timeout_ms = web->query_timeout_ms;

	if (timeout && (parse_length(timeout, &timeout_ms) || timeout_ms < TIMEOUT_MS_MIN)) {
		web_fail(request, 400, "bad_data",
			 "invalid parameter \"timeout\": cannot parse \"%.100s\" to a valid "
			 "duration",
			 timeout);
		return false;
	}
	if (timeout_ms > web->query_timeout_ms)
		timeout_ms = web->query_timeout_ms;
	*deadline_ms = web->host.now_ms(web->host.ctx) + timeout_ms;
	return true;
}

/* The times of an instant query; false: the request was answered. */
static bool read_time(struct web *web, struct http_request *request, struct arena *arena,
		      struct query_bounds *bounds)
{
	int64_t t_ms = web->host.now_ms(web->host.ctx);

	if (!web_param_time(request, arena, "time", &t_ms))
		return false;
	*bounds = (struct query_bounds){ t_ms, t_ms, 0 };
	return true;
}

static bool fail_parameter(struct http_request *request, const char *name, const char *why)
{
	web_fail(request, 400, "bad_data", "invalid parameter \"%s\": %s", name, why);
	return false;
}

/* start, end and step of a range query; false: the request was answered. */
static bool read_range(struct http_request *request, struct arena *arena,
		       struct query_bounds *bounds)
{
	const char *step = web_param(request, arena, "step", 0);
	int64_t *times[] = { &bounds->start_ms, &bounds->end_ms };
	static const char *const names[] = { "start", "end" };

	for (int i = 0; i < 2; i++) {
		if (!web_param(request, arena, names[i], 0))
			return fail_parameter(request, names[i],
					      "cannot parse \"\" to a valid timestamp");
		if (!web_param_time(request, arena, names[i], times[i]))
			return false;
	}
	if (bounds->end_ms < bounds->start_ms)
		return fail_parameter(request, "end",
				      "end timestamp must not be before start time");
	if (!step || parse_length(step, &bounds->step_ms))
		return fail_parameter(request, "step", "cannot parse it to a valid duration");
	if (bounds->step_ms <= 0)
		return fail_parameter(request, "step",
				      "zero or negative query resolution step widths are not "
				      "accepted. Try a positive integer");
	if ((bounds->end_ms - bounds->start_ms) / bounds->step_ms > GRID_STEPS_MAX) {
		web_fail(request, 400, "bad_data",
			 "exceeded maximum resolution of 11,000 points per timeseries. Try "
			 "decreasing the query resolution (?step=XX)");
		return false;
	}
	return true;
}

static void start(struct web *web, struct http_request *request, const char *text,
		  const struct query_bounds *bounds, int64_t deadline_ms)
{
	struct engine_query *query;
	struct diag_list diags;

	diag_list_init(&diags);
	int code = engine_query_range_new(slice_from(text), bounds, &web->queries, &diags, &query);

	if (code == ERR_NOMEM) {
		web_fail(request, 500, "internal", "out of memory");
	} else if (code) {
		web_fail_parse(request, "query", &diags);
	} else {
		query->deadline_ms = deadline_ms;
		web_send_query(web, request, query);
	}
	diag_list_fini(&diags);
}

static void on_any_query(struct web *web, struct http_request *request, bool is_range)
{
	struct query_bounds bounds;
	int64_t deadline_ms;
	struct arena arena;

	arena_init(&arena, 0);
	const char *text = web_param(request, &arena, "query", 0);
	bool ok = is_range ? read_range(request, &arena, &bounds)
			   : read_time(web, request, &arena, &bounds);

	if (ok && !text)
		fail_parameter(request, "query", "it is missing");
	else if (ok && read_deadline(web, request, &arena, &deadline_ms))
		start(web, request, text, &bounds, deadline_ms);
	arena_fini(&arena);
}

HANDLER(on_query_range)
{
	on_any_query(web, request, true);
}

HANDLER(on_query)
{
	on_any_query(web, request, false);
}
