/* GET, POST /api/v1/query, query_range, format_query, as Prometheus' API has them: what is asked
 * for. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/grid.h"
#include "web/web_internal.h"

#define TIMEOUT_MS_MIN 1
#define LIMIT_MAX 1000000000

/*
 * All that the parser has to say, in one line: "1:5: parse error: …; 1:9: parse error: …"; what has
 * no place is none of its errors.
 */
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
			buf_printf(&text, "%u:%u: parse error: ", diag->line, diag->column);
		/* Without memory there is no message. */
		buf_add_str(&text, diag->message ? diag->message : error_text(ERR_NOMEM));
		if (diag->hint)
			buf_printf(&text, " (%s)", diag->hint);
	}
	web_fail(request, 400, "bad_data", "invalid parameter \"%s\": " SLICE_FMT, name,
		 SLICE_ARG(buf_slice(&text)));
	buf_fini(&text);
}

static bool fail_parameter(struct http_request *request, const char *name, const char *why)
{
	web_fail(request, 400, "bad_data", "invalid parameter \"%s\": %s", name, why);
	return false;
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
	const char *text = web_param_value(request, arena, name);

	if (!text || time_parse(slice_from(text), t_ms) == 0)
		return true;
	web_fail(request, 400, "bad_data",
		 "invalid parameter \"%s\": invalid time value for '%s': cannot parse \"%.100s\" "
		 "to a "
		 "valid timestamp",
		 name, name, text);
	return false;
}

bool web_param_limit(struct http_request *request, struct arena *arena, size_t *limit)
{
	const char *text = web_param_value(request, arena, "limit");
	long number;
	char *end;

	*limit = 0;
	if (!text)
		return true;
	errno = 0;
	number = strtol(text, &end, 10);
	bool is_number = !*end && !isspace((unsigned char)*text);

	if (!is_number || errno == ERANGE) {
		web_fail(request, 400, "bad_data",
			 "invalid parameter \"limit\": strconv.Atoi: parsing \"%.100s\": %s", text,
			 is_number ? "value out of range" : "invalid syntax");
		return false;
	}
	if (number < 0)
		return fail_parameter(request, "limit", "limit must be non-negative");
	*limit = number < LIMIT_MAX ? (size_t)number : LIMIT_MAX;
	return true;
}

/* What a query's parameters say beside the expression. */
struct parameters {
	struct query_bounds bounds;
	int64_t deadline_ms; /* until when the answer is of use */
	int64_t lookback_ms; /* 0: the configured one */
	size_t limit;	     /* elements; 0: any number */
	bool wants_stats;
};

/* Each false: the request was answered. */

static bool read_deadline(struct web *web, struct http_request *request, struct arena *arena,
			  struct parameters *parameters)
{
	const char *timeout = web_param_value(request, arena, "timeout");
	int64_t timeout_ms = web->query_timeout_ms;

	if (timeout && parse_length(timeout, &timeout_ms)) {
		web_fail(request, 400, "bad_data",
			 "invalid parameter \"timeout\": cannot parse \"%.100s\" to a valid "
			 "duration",
			 timeout);
		return false;
	}
	if (timeout_ms < TIMEOUT_MS_MIN) {
		web_fail(request, 503, "timeout", "query timed out in query execution");
		return false;
	}
	if (timeout_ms > web->query_timeout_ms)
		timeout_ms = web->query_timeout_ms;
	parameters->deadline_ms = web->host.now_ms(web->host.ctx) + timeout_ms;
	return true;
}

static bool read_lookback(struct http_request *request, struct arena *arena,
			  struct parameters *parameters)
{
	const char *text = web_param_value(request, arena, "lookback_delta");

	parameters->lookback_ms = 0;
	if (!text || parse_length(text, &parameters->lookback_ms) == 0) {
		if (parameters->lookback_ms < 0)
			parameters->lookback_ms = 0; /* the configured one, as in Prometheus */
		return true;
	}
	web_fail(request, 400, "bad_data",
		 "error parsing lookback delta duration: cannot parse \"%.100s\" to a valid "
		 "duration",
		 text);
	return false;
}

/* The times of an instant query. */
static bool read_time(struct web *web, struct http_request *request, struct arena *arena,
		      struct query_bounds *bounds)
{
	int64_t t_ms = web->host.now_ms(web->host.ctx);

	if (!web_param_time(request, arena, "time", &t_ms))
		return false;
	*bounds = (struct query_bounds){ t_ms, t_ms, 0 };
	return true;
}

static bool read_step(struct http_request *request, struct arena *arena,
		      struct query_bounds *bounds)
{
	const char *step = web_param(request, arena, "step", 0);

	if (!step || parse_length(step, &bounds->step_ms)) {
		web_fail(request, 400, "bad_data",
			 "invalid parameter \"step\": cannot parse \"%.100s\" to a valid duration",
			 step ? step : "");
		return false;
	}
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

/* start, end and step of a range query. */
static bool read_range(struct http_request *request, struct arena *arena,
		       struct query_bounds *bounds)
{
	int64_t *times[] = { &bounds->start_ms, &bounds->end_ms };
	static const char *const names[] = { "start", "end" };

	for (int i = 0; i < 2; i++) {
		const char *text = web_param(request, arena, names[i], 0);

		if (text && time_parse(slice_from(text), times[i]) == 0)
			continue;
		web_fail(request, 400, "bad_data",
			 "invalid parameter \"%s\": cannot parse \"%.100s\" to a valid timestamp",
			 names[i], text ? text : "");
		return false;
	}
	if (bounds->end_ms < bounds->start_ms)
		return fail_parameter(request, "end",
				      "end timestamp must not be before start time");
	return read_step(request, arena, bounds);
}

static void start(struct web *web, struct http_request *request, const char *text,
		  const struct parameters *parameters)
{
	struct engine_query *query;
	struct diag_list diags;

	diag_list_init(&diags);
	int code = engine_query_range_new(slice_from(text), &parameters->bounds, &web->queries,
					  &diags, &query);

	if (code == ERR_NOMEM) {
		web_fail(request, 500, "internal", "out of memory");
	} else if (code) {
		web_fail_parse(request, "query", &diags);
	} else {
		query->deadline_ms = parameters->deadline_ms;
		query->lookback_ms = parameters->lookback_ms;
		query->limit = parameters->limit;
		query->wants_stats = parameters->wants_stats;
		web_send_query(web, request, query);
	}
	diag_list_fini(&diags);
}

static void on_any_query(struct web *web, struct http_request *request, bool is_range)
{
	struct parameters parameters;
	struct arena arena;

	arena_init(&arena, 0);
	const char *text = web_param(request, &arena, "query", 0);
	bool ok = web_param_limit(request, &arena, &parameters.limit) &&
		  (is_range ? read_range(request, &arena, &parameters.bounds)
			    : read_time(web, request, &arena, &parameters.bounds)) &&
		  read_deadline(web, request, &arena, &parameters) &&
		  read_lookback(request, &arena, &parameters);

	/* Whatever it says, as in Prometheus. */
	if (ok)
		parameters.wants_stats = web_param_value(request, &arena, "stats") != NULL;
	if (ok && !text)
		fail_parameter(request, "query", "it is missing");
	else if (ok)
		start(web, request, text, &parameters);
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

/* Exemplars are not kept: what is asked for is looked at, and answered with none. */
HANDLER(on_exemplars)
{
	const struct query_bounds now = { 0 };
	int64_t start_ms = INT64_MIN, end_ms = INT64_MAX;
	struct engine_query *query;
	struct diag_list diags;
	struct arena arena;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	const char *text = web_param(request, &arena, "query", 0);

	if (!web_param_time(request, &arena, "start", &start_ms) ||
	    !web_param_time(request, &arena, "end", &end_ms)) {
		/* answered */
	} else if (end_ms < start_ms) {
		web_fail(request, 400, "bad_data",
			 "end timestamp must not be before start timestamp");
	} else if (engine_query_range_new(slice_from(text ? text : ""), &now, &web->queries, &diags,
					  &query)) {
		web_fail_parse(request, "query", &diags);
	} else {
		engine_query_free(query);
		web_reply(request, 200, JSON_TYPE, SLICE("{\"status\":\"success\",\"data\":[]}"));
	}
	diag_list_fini(&diags);
	arena_fini(&arena);
}

/* The expression in its canonical form, in one line. */
HANDLER(on_format_query)
{
	struct diag_list diags;
	struct arena arena;
	struct buf out, text;
	struct json_writer w;
	struct expr *expr;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	buf_init(&out);
	buf_init(&text);
	const char *given = web_param(request, &arena, "query", 0);
	struct source source = { .text = slice_from(given ? given : ""), .line0 = 1, .column0 = 1 };
	int code = expr_parse(&source, &arena, &diags, &expr);

	if (code == ERR_NOMEM) {
		web_fail(request, 500, "internal", "out of memory");
	} else if (code) {
		web_fail_parse(request, "query", &diags);
	} else {
		expr_format(expr, &text);
		envelope_begin(&w, &out);
		json_str(&w, buf_slice(&text));
		envelope_end(&w);
		web_reply(request, 200, JSON_TYPE, buf_slice(&out));
		expr_fini(expr);
	}
	buf_fini(&text);
	buf_fini(&out);
	diag_list_fini(&diags);
	arena_fini(&arena);
}
