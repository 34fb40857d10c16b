/*
 * What several profiles say together, of Tocsin's own API; for all of these match, type (cpu),
 * limit:
 *
 *   GET /api/tocsin/v1/profiles/top         start, end; or id      the top functions
 *   GET /api/tocsin/v1/profiles/flamegraph  the same               the tree of all stacks
 *   GET /api/tocsin/v1/profiles/diff        before, after, range; or before_id, after_id
 *
 * A profile a turn is read on the thread that owns them, so that what comes in there waits for one
 * at most; the answer is written on the thread of the request.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "ingest/profile_report.h"
#include "web/profile_query.h"

#define RANGE_DEFAULT_MS (5 * 60 * 1000)
#define TOP_RANGE_DEFAULT_MS (60 * 60 * 1000)
#define FUNCTIONS_DEFAULT 20
#define FUNCTIONS_MAX 10000
#define FLAME_NODES_DEFAULT 8192
#define FLAME_NODES_MAX 100000

struct picked {
	uint64_t id;
	int64_t duration_ns;
	enum profile_side side;
};

struct job {
	struct profile_search search;
	int64_t start_ms[PROFILE_SIDES], end_ms[PROFILE_SIDES]; /* of each side */
	uint64_t ids[PROFILE_SIDES];				/* instead; 0: not given */
	bool is_diff;
	size_t limit;
	enum profile_order order;
	enum profile_side side; /* being picked */
	struct picked *picked;
	size_t npicked, picked_cap, side_begin, next, skipped;
	struct profile_report *report;
	void (*format)(struct job *job, struct json_writer *w);
	int code;
};

static void job_free(void *data)
{
	struct job *job = data;

	profile_search_fini(&job->search);
	profile_report_free(job->report);
	free(job->picked);
	free(job);
}

/* ---- gathering, on the owner's thread ---- */

static bool on_picked(void *ctx, const struct profile_entry *entry)
{
	struct job *job = ctx;

	if (!ARRAY_RESERVE(&job->picked, job->npicked, &job->picked_cap)) {
		job->code = ERR_NOMEM;
		return false;
	}
	job->picked[job->npicked++] = (struct picked){
		.id = entry->id,
		.duration_ns = (entry->end_ms - entry->start_ms) * 1000000,
		.side = job->side,
	};
	return job->npicked - job->side_begin < PROFILE_REPORT_PROFILES_MAX;
}

static void side_pick(struct job *job, struct profile_hub *hub, enum profile_side side)
{
	struct profile_store *store = profile_hub_store(hub);
	const struct profile_entry *entry;

	job->side = side;
	job->side_begin = job->npicked;
	if (job->ids[side]) {
		entry = profile_store_get(store, job->ids[side]);
		if (entry)
			on_picked(job, entry);
		return;
	}
	job->search.query.start_ms = job->start_ms[side];
	job->search.query.end_ms = job->end_ms[side];
	profile_store_find(store, &job->search.query, on_picked, job);
}

static int picked_add(struct job *job, struct profile_hub *hub, const struct picked *picked)
{
	const struct profile *profile;
	struct profile_view view;
	int code = profile_hub_load(hub, picked->id, job->search.query.type, &profile, &view);

	if (code == ERR_NOMEM)
		return code;
	if (code) {
		job->skipped++;
		return 0;
	}
	return profile_report_add(job->report, picked->side, profile, &view, picked->duration_ns);
}

static void step_run(struct call *call, void *owner)
{
	struct job *job = call->data;

	if (job->code == 0 && job->next < job->npicked)
		job->code = picked_add(job, owner, &job->picked[job->next++]);
	if (job->code)
		call_fail(call, job->code == ERR_NOMEM ? 500 : 422, "execution", "%s",
			  error_text(job->code));
	else if (job->next < job->npicked)
		call_go_on(call, CALL_PROFILES, step_run);
}

static void job_run(struct call *call, void *owner)
{
	struct job *job = call->data;

	job->report = profile_report_new(profile_hub_key(owner));
	job->code = job->report ? 0 : ERR_NOMEM;
	if (job->is_diff && job->code == 0)
		side_pick(job, owner, PROFILE_BEFORE);
	if (job->code == 0)
		side_pick(job, owner, PROFILE_AFTER);
	step_run(call, owner);
}

/* ---- writing, on the request's thread ---- */

static double share(double value, double sum)
{
	return sum > 0 ? value / sum : 0;
}

static void json_side(struct json_writer *w, const struct job *job, enum profile_side side)
{
	const struct profile_side_sum *sum = profile_report_sum(job->report, side);

	json_field_int(w, "profiles", sum->profiles);
	json_field_number(w, "value", sum->value);
	json_field_number(w, "seconds", sum->seconds);
	json_field_number(w, "samples", sum->samples);
}

static struct profile_amount ratios(const struct profile_row *row, enum profile_side side,
				    double sum)
{
	return (struct profile_amount){ share(row->amounts[side].self, sum),
					share(row->amounts[side].total, sum) };
}

static void json_amounts(struct json_writer *w, struct profile_amount amount,
			 struct profile_amount ratio)
{
	json_field_number(w, "self", amount.self);
	json_field_number(w, "total", amount.total);
	json_field_number(w, "self_ratio", ratio.self);
	json_field_number(w, "total_ratio", ratio.total);
}

static void format_top_row(struct json_writer *w, const struct job *job,
			   const struct profile_row *row)
{
	double sum = profile_report_sum(job->report, PROFILE_AFTER)->value;

	json_begin_object(w);
	json_field_string(w, "function", row->function);
	json_amounts(w, row->amounts[PROFILE_AFTER], ratios(row, PROFILE_AFTER, sum));
	json_end_object(w);
}

static void format_diff_row(struct json_writer *w, const struct job *job,
			    const struct profile_row *row)
{
	static const char *const names[PROFILE_SIDES] = { "before", "after" };
	struct profile_amount amounts[PROFILE_SIDES], shares[PROFILE_SIDES];

	json_begin_object(w);
	json_field_string(w, "function", row->function);
	for (int i = 0; i < PROFILE_SIDES; i++) {
		enum profile_side side = (enum profile_side)i;
		double divisor = profile_report_divisor(job->report, side);

		amounts[i] = (struct profile_amount){ row->amounts[i].self / divisor,
						      row->amounts[i].total / divisor };
		shares[i] = ratios(row, side, profile_report_sum(job->report, side)->value);
		json_key(w, names[i]);
		json_begin_object(w);
		json_amounts(w, amounts[i], shares[i]);
		json_end_object(w);
	}
	json_key(w, "change");
	json_begin_object(w);
	json_amounts(w,
		     (struct profile_amount){ amounts[1].self - amounts[0].self,
					      amounts[1].total - amounts[0].total },
		     (struct profile_amount){ shares[1].self - shares[0].self,
					      shares[1].total - shares[0].total });
	json_end_object(w);
	json_end_object(w);
}

static void json_rows(struct json_writer *w, struct job *job,
		      void (*format)(struct json_writer *w, const struct job *job,
				     const struct profile_row *row))
{
	struct profile_row *rows;
	size_t n;

	job->code = profile_report_rows(job->report, job->order, &rows, &n);
	if (job->code)
		return;
	json_key(w, "functions");
	json_begin_array(w);
	for (size_t i = 0; i < n && i < job->limit; i++)
		format(w, job, &rows[i]);
	json_end_array(w);
	free(rows);
}

static void format_top(struct job *job, struct json_writer *w)
{
	json_side(w, job, PROFILE_AFTER);
	json_rows(w, job, format_top_row);
}

static void format_diff(struct job *job, struct json_writer *w)
{
	json_field_string(w, "per",
			  profile_report_is_rate(job->report) ? SLICE("second") : SLICE("profile"));
	json_key(w, "before");
	json_begin_object(w);
	json_side(w, job, PROFILE_BEFORE);
	json_end_object(w);
	json_key(w, "after");
	json_begin_object(w);
	json_side(w, job, PROFILE_AFTER);
	json_end_object(w);
	json_rows(w, job, format_diff_row);
}

static int by_total(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x > y ? -1 : x < y;
}

/* The total a node must have so that no more than `limit` are shown. */
static double flame_least(const struct profile_node *nodes, uint32_t n, size_t limit)
{
	double *totals = n > limit ? reallocarray(NULL, n, sizeof(*totals)) : NULL;

	if (!totals)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		totals[i] = nodes[i].amounts[PROFILE_AFTER].total;
	qsort(totals, n, sizeof(*totals), by_total);
	double least = totals[limit - 1];

	free(totals);
	return least;
}

/* Each node as [parent, function, self, total]; a parent comes before its children. */
static void format_flame(struct job *job, struct json_writer *w)
{
	uint32_t n, shown = 0;
	const struct profile_node *nodes = profile_report_nodes(job->report, &n);
	double least = flame_least(nodes, n, job->limit);
	uint32_t *place = reallocarray(NULL, n, sizeof(*place));

	json_side(w, job, PROFILE_AFTER);
	if (!place) {
		job->code = ERR_NOMEM;
		return;
	}
	json_key(w, "nodes");
	json_begin_array(w);
	for (uint32_t i = 0; i < n && shown < job->limit; i++) {
		const struct profile_node *node = &nodes[i];
		bool has_parent = node->parent != PROFILE_NONE;

		place[i] = PROFILE_NONE;
		if (node->amounts[PROFILE_AFTER].total < least ||
		    (has_parent && place[node->parent] == PROFILE_NONE))
			continue;
		place[i] = shown++;
		json_begin_array(w);
		json_int(w, has_parent ? (int64_t)place[node->parent] : -1);
		json_str(w, profile_report_name(job->report, node->function));
		json_number(w, node->amounts[PROFILE_AFTER].self);
		json_number(w, node->amounts[PROFILE_AFTER].total);
		json_end_array(w);
	}
	json_end_array(w);
	json_field_int(w, "hidden", n - shown);
	free(place);
}

static bool is_empty(const struct job *job)
{
	for (int i = job->is_diff ? 0 : 1; i < PROFILE_SIDES; i++)
		if (profile_report_sum(job->report, (enum profile_side)i)->profiles == 0)
			return true;
	return false;
}

static void job_finish(struct call *call)
{
	struct job *job = call->data;
	struct json_writer w;

	if (job->code)
		return; /* it is told already */
	if (is_empty(job)) {
		call_fail(call, 404, "not_found", "there are no %s profiles %s", job->search.type,
			  job->is_diff ? "before, or none after"
				       : "of that time with these labels");
		return;
	}
	envelope_begin(&w, &call->out);
	json_begin_object(&w);
	json_field_string(&w, "type", slice_from(job->search.type));
	json_field_int(&w, "skipped", (int64_t)job->skipped);
	job->format(job, &w);
	json_end_object(&w);
	envelope_end(&w);
	if (job->code)
		call_fail(call, 500, "internal", "%s", error_text(job->code));
}

/* ---- requests ---- */

static int id_read(struct http_request *request, const char *name, uint64_t *out, char **why)
{
	char *text = http_request_param(request, name, 0);
	int code = 0;

	if (text && profile_id_is(slice_from(text)))
		*out = strtoull(text, NULL, 10);
	else if (text) {
		*why = strdup("the id of a profile is a number");
		code = ERR_INVALID;
	}
	free(text);
	return code;
}

static int time_read(struct http_request *request, const char *name, int64_t *out, char **why)
{
	char *text = http_request_param(request, name, 0);
	int code = text ? time_parse(slice_from(text), out) : 0;

	if (code && asprintf(why, "\"%s\" is no time", name) < 0)
		code = ERR_NOMEM;
	free(text);
	return code;
}

static int diff_read(struct web *web, struct http_request *request, struct job *job, char **why)
{
	int64_t now_ms = web->host.now_ms(web->host.ctx), range_ms = RANGE_DEFAULT_MS;
	int64_t before_ms = TIME_NONE, after_ms = now_ms;
	char *range = http_request_param(request, "range", 0);
	int code = range ? duration_parse(slice_from(range), &range_ms) : 0;

	free(range);
	if (code || range_ms <= 0) {
		*why = strdup("\"range\" is no duration");
		return ERR_INVALID;
	}
	if ((code = id_read(request, "before_id", &job->ids[PROFILE_BEFORE], why)) ||
	    (code = id_read(request, "after_id", &job->ids[PROFILE_AFTER], why)) ||
	    (code = time_read(request, "before", &before_ms, why)) ||
	    (code = time_read(request, "after", &after_ms, why)))
		return code;
	if (before_ms == TIME_NONE && !job->ids[PROFILE_BEFORE]) {
		*why = strdup("\"before\", a time, or \"before_id\" is needed");
		return ERR_INVALID;
	}
	/* Left-open, as ranges of expressions are. */
	job->start_ms[PROFILE_BEFORE] = before_ms == TIME_NONE ? 0 : before_ms - range_ms + 1;
	job->end_ms[PROFILE_BEFORE] = before_ms;
	job->start_ms[PROFILE_AFTER] = after_ms - range_ms + 1;
	job->end_ms[PROFILE_AFTER] = after_ms;
	return 0;
}

static int range_read(struct web *web, struct http_request *request, struct job *job, char **why)
{
	int64_t end_ms = job->search.query.end_ms, start_ms = job->search.query.start_ms;

	if (end_ms == INT64_MAX)
		end_ms = web->host.now_ms(web->host.ctx);
	if (start_ms == 0)
		start_ms = end_ms - TOP_RANGE_DEFAULT_MS;
	job->start_ms[PROFILE_AFTER] = start_ms;
	job->end_ms[PROFILE_AFTER] = end_ms;
	return id_read(request, "id", &job->ids[PROFILE_AFTER], why);
}

static int order_read(struct http_request *request, struct job *job, char **why)
{
	static const struct {
		const char *name;
		bool is_diff;
		enum profile_order order;
	} orders[] = {
		{ "self", false, PROFILE_BY_SELF },
		{ "total", false, PROFILE_BY_TOTAL },
		{ "share", true, PROFILE_BY_SHARE_CHANGE },
		{ "absolute", true, PROFILE_BY_AMOUNT_CHANGE },
	};
	char *text = http_request_param(request, "sort", 0);
	int code = text ? ERR_INVALID : 0;

	job->order = job->is_diff ? PROFILE_BY_SHARE_CHANGE : PROFILE_BY_SELF;
	for (size_t i = 0; text && i < sizeof(orders) / sizeof(*orders); i++) {
		if (orders[i].is_diff == job->is_diff && strcmp(orders[i].name, text) == 0) {
			job->order = orders[i].order;
			code = 0;
		}
	}
	if (code)
		*why = strdup(job->is_diff ? "\"sort\" is share or absolute"
					   : "\"sort\" is self or total");
	free(text);
	return code;
}

static int job_read(struct web *web, struct http_request *request, size_t limit_max,
		    struct job *job, char **why)
{
	int code = profile_search_read(web, request, &job->search, why);

	if (code == 0)
		code = profile_limit_read(request, limit_max, &job->limit, why);
	if (code == 0 && !job->search.type) {
		job->search.type = strdup("cpu");
		code = job->search.type ? 0 : ERR_NOMEM;
	}
	job->search.query.type = slice_from(job->search.type);
	if (code == 0)
		code = order_read(request, job, why);
	if (code)
		return code;
	return job->is_diff ? diff_read(web, request, job, why)
			    : range_read(web, request, job, why);
}

struct report {
	bool is_diff;
	size_t limit, limit_max;
	void (*format)(struct job *job, struct json_writer *w);
};

static void job_send(struct web *web, struct http_request *request, const struct report *report)
{
	struct call *call = call_new(job_run);
	struct job *job = calloc(1, sizeof(*job));
	char *why = NULL;

	if (!call || !job) {
		call_free(call);
		free(job);
		profile_refuse(request, ERR_NOMEM, NULL);
		return;
	}
	job->is_diff = report->is_diff;
	job->limit = report->limit;
	job->format = report->format;
	call->data = job;
	call->data_free = job_free;
	call->finish = job_finish;
	int code = job_read(web, request, report->limit_max, job, &why);

	if (code) {
		call_free(call);
		profile_refuse(request, code, why);
		return;
	}
	web_send(web, request, CALL_PROFILES, call);
}

HANDLER(on_profile_top)
{
	static const struct report top = { false, FUNCTIONS_DEFAULT, FUNCTIONS_MAX, format_top };

	job_send(web, request, &top);
}

HANDLER(on_profile_diff)
{
	static const struct report diff = { true, FUNCTIONS_DEFAULT, FUNCTIONS_MAX, format_diff };

	job_send(web, request, &diff);
}

HANDLER(on_profile_flamegraph)
{
	static const struct report flame = { false, FLAME_NODES_DEFAULT, FLAME_NODES_MAX,
					     format_flame };

	job_send(web, request, &flame);
}
