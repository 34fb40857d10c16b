#include "tests/engine/harness.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/listing.h"
#include "engine/verify.h"

#define SETTLE_MAX 10000000

/* ---- the sink ---- */

static void text_add_time(struct buf *out, const char *name, int64_t ms)
{
	if (ms == TIME_NONE)
		return;
	buf_printf(out, " %s=%g", name, (double)ms / 1000);
}

static void alert_labels_format(const struct labels *labels, struct buf *out)
{
	struct labels_builder builder;
	struct labels *named;
	labels_builder_init(&builder);
	labels_builder_add_all(&builder, labels);
	labels_builder_set(&builder, SLICE(METRIC_NAME), labels_get(labels, SLICE("alertname")));
	labels_builder_remove(&builder, SLICE("alertname"));
	ck_assert_int_eq(labels_builder_take(&builder, &named, NULL), 0);
	labels_format(named, out);
	labels_unref(named);
	labels_builder_fini(&builder);
}

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
	struct harness *h = ctx;
	if (h->nrecords == h->records_cap) {
		h->records_cap = h->records_cap ? h->records_cap * 2 : 64;
		h->records = realloc(h->records, h->records_cap * sizeof(*h->records));
	}
	char *bytes = malloc(payload.len + 1);
	memcpy(bytes, payload.ptr, payload.len);
	h->records[h->nrecords++] = (struct harness_record){ type, bytes, payload.len };
}

static const char *hold_text(enum alert_hold hold)
{
	static const char *const texts[] = { [ALERT_NOT_HELD] = "",
					     [ALERT_HELD_SILENT] = " held",
					     [ALERT_HELD_UNRESOLVED] = " unresolved" };
	return texts[hold];
}

static void on_event(void *ctx, struct alert_event *event)
{
	struct harness *h = ctx;
	struct buf *out = &h->events;
	buf_printf(out, "%g ", (double)event->at_ms / 1000);
	alert_labels_format(event->labels, out);
	if (event->from == event->state)
		buf_printf(out, " %s", alert_state_text(event->state));
	else
		buf_printf(out, " %s>%s", alert_state_text(event->from),
			   alert_state_text(event->state));
	buf_add_str(out, " value=");
	number_format_g(event->value, out);
	text_add_time(out, "active", event->active_at_ms);
	text_add_time(out, "fired", event->fired_at_ms);
	text_add_time(out, "resolved", event->resolved_at_ms);
	text_add_time(out, "keep", event->keep_since_ms);
	buf_printf(out, "%s%s", *alert_reason_text(event->reason) ? " reason=" : "",
		   alert_reason_text(event->reason));
	buf_printf(out, "%s%s", event->settled ? " settled" : "", hold_text(event->hold));
	if (event->evidence) {
		struct json_writer w;
		buf_add_str(out, " evidence=");
		json_writer_init(&w, out);
		evidence_json(event->evidence, &w);
	}
	buf_add_char(out, '\n');
	const struct rule *rule = alert_event_rule(event);
	if (rule)
		ck_assert(slice_is(rule->name, event->rule));
	alert_event_free(event);
}

static void on_batch(void *ctx, struct batch *batch)
{
	struct harness *h = ctx;
	h->outcome = batch->outcome;
	h->batches++;
	batch_free(batch);
}

static void on_query(void *ctx, struct engine_query *query)
{
	struct harness *h = ctx;
	struct buf *out = &h->query;
	buf_clear(&h->notes);
	for (uint32_t i = 0; i < query->notes.n; i++) {
		note_format(&query->notes.items[i], query->text, &h->notes);
		buf_add_char(&h->notes, '\n');
	}
	buf_clear(out);
	if (query->verify && !query->code)
		buf_add_str(out, verify_verdict_text(query->verify->verdict));
	else if (query->code)
		buf_printf(out, "error: %s\n", query->error);
	else if (query->type == VALUE_SCALAR)
		number_format_g(query->scalar, out);
	if (!query->code && !query->verify)
		engine_query_sort(query);
	for (size_t i = 0; i < query->nrows && !query->code && !query->verify; i++) {
		labels_format(query->rows[i].labels, out);
		buf_add_char(out, ' ');
		number_format_g(query->rows[i].value, out);
		buf_add_char(out, '\n');
	}
	for (size_t i = 0; i < query->nseries; i++) {
		labels_format(query->series[i].labels, out);
		for (size_t k = 0; k < query->series[i].n; k++) {
			buf_printf(out, " %lld:", (long long)query->series[i].points[k].t_ms / 1000);
			number_format_g(query->series[i].points[k].value, out);
		}
		buf_add_char(out, '\n');
	}
	for (size_t i = 0; query->listing && i < query->listing->n; i++) {
		if (query->listing->series)
			labels_format(query->listing->series[i], out);
		else
			buf_add_str(out, query->listing->texts[i]);
		buf_add_char(out, '\n');
	}
	if (query->listing && query->listing->truncated)
		buf_add_str(out, "truncated\n");
	if (query->partial && !query->verify)
		buf_add_str(out, "partial\n");
	if (query->bucket_ms)
		buf_printf(out, "in buckets of %lld ms\n", (long long)query->bucket_ms);
	buf_add_str(out, "");
	engine_query_free(query);
}

static void on_loaded(void *ctx, struct rule_set *set, int code)
{
	struct harness *h = ctx;
	buf_printf(&h->loads, "%u rules: %s\n", set->nrules, error_text(code));
}

static void on_history(void *ctx, const struct selector *selector, int64_t from_ms)
{
	struct harness *h = ctx;
	buf_printf(&h->wishes, "%s since %g\n", selector->text, (double)from_ms / 1000);
}

static void on_written(void *ctx, struct labels *labels, int64_t ts_ms, uint64_t bits)
{
	struct harness *h = ctx;
	double value;
	memcpy(&value, &bits, sizeof(value));
	labels_format(labels, &h->written);
	buf_add_char(&h->written, ' ');
	if (bits == STALE_NAN_BITS)
		buf_add_str(&h->written, "stale");
	else
		number_format_g(value, &h->written);
	buf_printf(&h->written, "@%g\n", (double)ts_ms / 1000);
}

static void on_sender(void *ctx, const struct sender *sender, const char *what)
{
	struct harness *h = ctx;
	buf_printf(&h->senders, "%s %s\n", what, sender->name);
}

/* ---- life ---- */

void harness_options(struct engine_options *options)
{
	*options = (struct engine_options){
		.store = { .lookback_ms = 300000, .ignored_max = 100000 },
		.sender_timeout_ms = 90000,
		.journal = true,
		.query_samples_max = 1000000,
	};
}

void harness_start(struct harness *h, const struct engine_options *options)
{
	*h = (struct harness){ .units = 7 };
	const struct engine_sink sink = {
		.ctx = h,
		.record = on_record,
		.event = on_event,
		.batch = on_batch,
		.query = on_query,
		.loaded = on_loaded,
		.sender = on_sender,
		.written = on_written,
		.history = on_history,
	};
	ck_assert_int_eq(engine_new(options, &sink, &h->engine), 0);
}

void harness_start_warm(struct harness *h)
{
	struct engine_options options;
	harness_options(&options);
	options.warm = true;
	harness_start(h, &options);
}

void harness_stop(struct harness *h)
{
	store_check(engine_store(h->engine));
	engine_free(h->engine);
	for (size_t i = 0; i < h->nrecords; i++)
		free(h->records[i].bytes);
	free(h->records);
	buf_fini(&h->events);
	buf_fini(&h->senders);
	buf_fini(&h->loads);
	buf_fini(&h->wishes);
	buf_fini(&h->written);
	buf_fini(&h->query);
	buf_fini(&h->notes);
}

void harness_settle(struct harness *h)
{
	for (int i = 0; i < SETTLE_MAX; i++)
		if (!engine_step(h->engine, h->units))
			return;
	ck_abort_msg("the engine does not come to rest");
}

struct rule_set *harness_rules(const char *yaml)
{
	const struct rule_set_options options = { .interval_ms = 15000, .rules_max = RULES_MAX };
	struct diag_list diags;
	struct rule_set *set = NULL;
	diag_list_init(&diags);
	if (rule_set_load_text(slice_from(yaml), "rules.yml", &options, &diags, &set)) {
		struct buf text = { 0 };
		diag_list_format(&diags, false, &text);
		ck_abort_msg("%s", text.ptr);
	}
	diag_list_fini(&diags);
	return set;
}

void harness_load(struct harness *h, const char *yaml)
{
	struct rule_set *set = harness_rules(yaml);
	engine_load(h->engine, set);
	rule_set_unref(set);
	harness_settle(h);
	ck_assert_ptr_eq(engine_rules(h->engine), set);
}

void harness_time(struct harness *h, double time_s)
{
	engine_time(h->engine, llround(time_s * 1000));
	harness_settle(h);
}

void harness_run(struct harness *h, double from_s, double to_s, const char *text)
{
	for (double t = from_s; t <= to_s; t += 15) {
		engine_time(h->engine, llround(t * 1000));
		if (text)
			harness_feed(h, t, text);
		harness_settle(h);
	}
}

/* ---- feeding ---- */

/* One series: name{a="b",c="d"}; no escapes. */
static struct labels *labels_read(struct slice text)
{
	struct label pairs[32];
	size_t n = 0;
	ptrdiff_t brace = slice_find(text, '{');
	struct slice name = { text.ptr, brace < 0 ? text.len : (size_t)brace };
	if (name.len)
		pairs[n++] = (struct label){ SLICE(METRIC_NAME), name };
	const char *at = text.ptr + name.len + 1, *end = text.ptr + text.len;
	while (brace >= 0 && at < end && *at != '}') {
		const char *equals = memchr(at, '=', (size_t)(end - at));
		const char *quote = memchr(equals + 2, '"', (size_t)(end - equals - 2));
		pairs[n++] = (struct label){ { at, (size_t)(equals - at) },
					     { equals + 2, (size_t)(quote - equals - 2) } };
		at = quote + 1;
		at += *at == ',';
	}
	struct labels *labels;
	ck_assert_int_eq(labels_new(pairs, n, &labels, NULL), 0);
	return labels;
}

static int labels_again(const struct batch *batch, uint32_t row, struct labels **out)
{
	for (uint32_t i = 0; i < batch->nbirths; i++)
		if (batch->births[i].row == row)
			*out = labels_ref(batch->births[i].labels);
	return 0;
}

static void row_read(struct batch *batch, struct slice line, int64_t ts_ms)
{
	char text[512];
	ck_assert_uint_lt(line.len, sizeof(text));
	memcpy(text, line.ptr, line.len);
	text[line.len] = '\0';
	char *at = strstr(text, " @ ");
	if (at) {
		ts_ms = llround(strtod(at + 3, NULL) * 1000);
		*at = '\0';
	}
	char *value = strrchr(text, ' ');
	ck_assert_ptr_nonnull(value);
	struct slice series = { text, (size_t)(value - text) };
	double number = 0;
	uint64_t bits = STALE_NAN_BITS;
	if (strcmp(value + 1, "stale") != 0) {
		ck_assert_int_eq(number_parse(slice_from(value + 1), &number), 0);
		memcpy(&bits, &number, sizeof(bits));
	}
	ck_assert_int_eq(batch_reserve(batch, 1), 0);
	uint64_t low = hash_checksum(series.ptr, series.len);
	batch->rows[batch->nrows++] =
		(struct batch_row){ .key = { low, ~low }, .ts_ms = ts_ms, .bits = bits };
	ck_assert_int_eq(batch_birth_add(batch, batch->nrows - 1, labels_read(series)), 0);
}

struct batch *harness_batch(const char *sender, double time_s, const char *text)
{
	struct batch *batch = batch_new();
	snprintf(batch->sender.name, sizeof(batch->sender.name), "%s", sender);
	batch->sender.hash = hash_checksum(sender, strlen(sender));
	batch->labels_parse = labels_again;
	while (*text) {
		size_t len = strcspn(text, ";\n");
		struct slice line = slice_trim((struct slice){ text, len });
		if (line.len)
			row_read(batch, line, llround(time_s * 1000));
		text += len + (text[len] != '\0');
	}
	return batch;
}

void harness_feed_from(struct harness *h, const char *sender, double time_s, const char *text)
{
	engine_batch(h->engine, harness_batch(sender, time_s, text));
}

void harness_feed(struct harness *h, double time_s, const char *text)
{
	harness_feed_from(h, "a", time_s, text);
}

/* ---- looking ---- */

void harness_expect(struct harness *h, const char *events)
{
	ck_assert_str_eq(h->events.len ? h->events.ptr : "", events);
	buf_clear(&h->events);
}

void harness_expect_senders(struct harness *h, const char *senders)
{
	ck_assert_str_eq(h->senders.len ? h->senders.ptr : "", senders);
	buf_clear(&h->senders);
}

void harness_expect_wishes(struct harness *h, const char *wishes)
{
	ck_assert_str_eq(h->wishes.len ? h->wishes.ptr : "", wishes);
	buf_clear(&h->wishes);
}

void harness_expect_written(struct harness *h, const char *written)
{
	ck_assert_str_eq(h->written.len ? h->written.ptr : "", written);
	buf_clear(&h->written);
}

const char *harness_query(struct harness *h, const char *expr, double time_s)
{
	struct diag_list diags;
	struct engine_query *query;
	diag_list_init(&diags);
	ck_assert_int_eq(engine_query_new(slice_from(expr), llround(time_s * 1000), &diags, &query),
			 0);
	diag_list_fini(&diags);
	ck_assert_int_eq(engine_query(h->engine, query), 0);
	harness_settle(h);
	return h->query.ptr ? h->query.ptr : "";
}

const char *harness_ask(struct harness *h, struct engine_query *query)
{
	ck_assert_int_eq(engine_query(h->engine, query), 0);
	harness_settle(h);
	return h->query.ptr ? h->query.ptr : "";
}

void harness_expect_query(struct harness *h, const char *expr, double time_s, const char *rows)
{
	ck_assert_str_eq(harness_query(h, expr, time_s), rows);
}

struct rule_status harness_rule(struct harness *h, uint32_t id)
{
	struct rule_status status;
	engine_rule_status(h->engine, id, &status);
	return status;
}

struct look {
	struct harness *h;
	struct buf text;
};

static void on_alert(void *ctx, const struct alert_view *view)
{
	struct look *look = ctx;
	struct buf *out = &look->text;
	struct labels *labels =
		lset_to_labels(store_lsets(engine_store(look->h->engine)), view->lset);
	alert_labels_format(labels, out);
	labels_unref(labels);
	buf_printf(out, " %s value=", alert_state_text(view->state));
	number_format_g(view->value, out);
	text_add_time(out, "active", view->active_at_ms);
	text_add_time(out, "fired", view->fired_at_ms);
	text_add_time(out, "keep", view->keep_since_ms);
	text_add_time(out, "nodata", view->no_data_since_ms);
	buf_printf(out, "%s\n", hold_text(view->hold));
}

char *harness_alerts(struct harness *h)
{
	struct look look = { h, { 0 } };
	engine_alerts_each(h->engine, UINT32_MAX, on_alert, &look);
	buf_add_str(&look.text, "");
	return look.text.ptr ? buf_take(&look.text) : calloc(1, 1);
}

void harness_replay(const struct harness *from, size_t n, struct harness *to)
{
	for (size_t i = 0; i < n; i++) {
		const struct harness_record *record = &from->records[i];
		engine_restore(to->engine, record->type,
			       (struct slice){ record->bytes, record->len });
	}
	engine_restore_done(to->engine);
}
