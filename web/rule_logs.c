/* What became of the log lines that a rule reads: for its health. */
#include <stdio.h>

#include "base/text.h"
#include "web/web_internal.h"

/* The derived series that a rule reads, each once: fn is called with its place in plan->logs. */
static void each_log(const struct rule_set *rules, const struct rule *rule,
		     void (*fn)(void *ctx, const struct plan_log *log, uint32_t at), void *ctx)
{
	const struct plan *plan = rules->plan;

	for (uint32_t i = 0; i < rule->norder; i++) {
		uint32_t log = plan->nodes[rule->order[i]]->log;
		bool is_known = log == 0;

		for (uint32_t k = 0; k < i && !is_known; k++)
			is_known = plan->nodes[rule->order[k]]->log == log;
		if (!is_known)
			fn(ctx, &plan->logs[log - 1], log - 1);
	}
}

static uint64_t errors_of(const struct extractor_counters *counters)
{
	uint64_t n = 0;

	for (int i = 0; i < LOG_ERRORS; i++)
		n += counters->errors[i];
	return n;
}

static void field_count(struct json_writer *w, const char *key, uint64_t n)
{
	json_field_int(w, key, (int64_t)n);
}

struct writing {
	const struct web_host *host;
	struct json_writer *w;
};

static void add_log(void *ctx, const struct plan_log *log, uint32_t at)
{
	const struct writing *writing = ctx;
	struct json_writer *w = writing->w;
	struct extractor_counters counters;

	if (!writing->host->log_counters(writing->host->ctx, slice_from(log->name), at, &counters))
		return;
	json_begin_object(w);
	json_field_string(w, "selector", slice_from(log->name));
	field_count(w, "seen", counters.seen);
	field_count(w, "matched", counters.matched);
	json_key(w, "errors");
	json_begin_object(w);
	for (int i = 0; i < LOG_ERRORS; i++)
		if (counters.errors[i])
			field_count(w, log_error_text((enum log_error)i), counters.errors[i]);
	json_end_object(w);
	field_count(w, "cutOff", counters.cut_off);
	field_count(w, "overSeriesLimit", counters.limited);
	field_count(w, "series", counters.series);
	json_end_object(w);
}

void rule_logs_add(struct json_writer *w, const struct web_host *host, const struct rule_set *rules,
		   const struct rule *rule)
{
	struct writing writing = { host, w };

	json_key(w, "logs");
	json_begin_array(w);
	if (host->log_counters)
		each_log(rules, rule, add_log, &writing);
	json_end_array(w);
}

struct summing {
	const struct web_host *host;
	struct extractor_counters sum;
};

static void sum_log(void *ctx, const struct plan_log *log, uint32_t at)
{
	struct summing *summing = ctx;
	struct extractor_counters counters;

	if (!summing->host->log_counters(summing->host->ctx, slice_from(log->name), at, &counters))
		return;
	summing->sum.limited += counters.limited;
	summing->sum.cut_off += counters.cut_off;
	summing->sum.errors[LOG_ERROR_NONE] += errors_of(&counters);
}

static void add_count(uint64_t n, const char *what, struct buf *out)
{
	buf_printf(out, "%llu %s%s", (unsigned long long)n, what, n == 1 ? "" : "s");
}

bool rule_logs_warning(const struct web_host *host, const struct rule_set *rules,
		       const struct rule *rule, struct buf *out)
{
	struct summing summing = { .host = host };
	const struct extractor_counters *sum = &summing.sum;
	const char *parting = "";

	if (host->log_counters)
		each_log(rules, rule, sum_log, &summing);
	if (sum->limited) {
		add_count(sum->limited, "line", out);
		buf_add_str(out, " left out: more series than limits.series_per_log_selector");
		parting = "; ";
	}
	if (sum->errors[LOG_ERROR_NONE]) {
		buf_add_str(out, parting);
		add_count(sum->errors[LOG_ERROR_NONE], "line", out);
		buf_add_str(out, " left out with __error__ set");
		parting = "; ";
	}
	if (sum->cut_off) {
		buf_add_str(out, parting);
		add_count(sum->cut_off, "time", out);
		buf_add_str(out, " a regular expression gave up on a line");
	}
	return out->len > 0;
}
