#include "tests/actions/harness.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ingest/exposition.h"

static void on_hook(void *ctx, struct http_request *request)
{
	struct harness *h = ctx;
	struct hook *hook = &h->hooks[h->nhooks++];
	struct slice body = http_request_body(request);
	struct http_header retry = { "Retry-After", h->retry_after };

	ck_assert_uint_lt(h->nhooks, HARNESS_HOOKS_MAX);
	snprintf(hook->id, sizeof(hook->id), SLICE_FMT,
		 SLICE_ARG(http_request_header(request, "webhook-id")));
	snprintf(hook->attempt, sizeof(hook->attempt), SLICE_FMT,
		 SLICE_ARG(http_request_header(request, "X-Tocsin-Attempt")));
	hook->text = slice_dup(body);
	hook->body = json_loadb(body.ptr, body.len, 0, NULL);
	http_reply(request, &(struct http_reply){ .status = h->answer,
						  .headers = &retry,
						  .nheaders = h->retry_after != NULL });
}

static void on_record(void *ctx, enum record_type type, struct slice payload, uint64_t token)
{
	struct harness *h = ctx;

	ck_assert_uint_lt(h->nrecords, HARNESS_RECORDS_MAX);
	h->records[h->nrecords].type = type;
	h->records[h->nrecords].bytes = malloc(payload.len + 1);
	memcpy(h->records[h->nrecords].bytes, payload.ptr, payload.len);
	h->records[h->nrecords++].len = payload.len;
	if (token) {
		h->held[h->nheld].token = token;
		h->held[h->nheld++].record = h->nrecords - 1;
	}
}

static int64_t on_now_ms(void *ctx)
{
	struct harness *h = ctx;

	return h->now_ms;
}

static void on_ask(void *ctx, struct engine_query *query)
{
	struct harness *h = ctx;

	ck_assert_ptr_nonnull(h->engine);
	ck_assert_int_eq(engine_query(h->engine, query), 0);
}

static void on_sample(void *ctx, const struct labels *labels, int64_t ts_ms, uint64_t bits)
{
	struct harness *h = ctx;
	double value;

	memcpy(&value, &bits, sizeof(value));
	buf_printf(&h->samples, "%g ", (double)(ts_ms - HARNESS_START_MS) / 1000);
	labels_format(labels, &h->samples);
	if (bits == STALE_NAN_BITS)
		buf_add_str(&h->samples, " stale\n");
	else
		buf_printf(&h->samples, " %g\n", value);
}

static void on_query(void *ctx, struct engine_query *query)
{
	struct harness *h = ctx;

	query->item.next = h->answers;
	h->answers = &query->item;
}

static void on_wake(void *ctx)
{
	struct harness *h = ctx;

	h->woken = true;
}

static void acknowledge(struct harness *h)
{
	for (size_t i = 0; i < h->nheld; i++)
		if (!h->durable_max || h->held[i].record < h->durable_max)
			actions_durable(h->actions, h->held[i].token);
	h->nheld = 0;
}

void harness_release(struct harness *h)
{
	h->hold = false;
	acknowledge(h);
	harness_settle(h);
}

/* The engine does what it has to. */
static void answer(struct harness *h)
{
	if (!h->engine)
		return;
	engine_time(h->engine, h->now_ms);
	while (engine_step(h->engine, 1000))
		;
	while (h->answers) {
		struct engine_query *query = (struct engine_query *)h->answers;

		h->answers = query->item.next;
		actions_answer(h->actions, query);
	}
}

/* Whoever asked is gone. */
static void answers_drop(struct harness *h)
{
	while (h->engine && engine_step(h->engine, 1000))
		;
	while (h->answers) {
		struct engine_query *query = (struct engine_query *)h->answers;

		h->answers = query->item.next;
		engine_query_free(query);
	}
}

static void on_tick(void *ctx)
{
	loop_stop(ctx);
}

/* Quiet means: three turns of 15 ms with nothing new. */
void harness_settle(struct harness *h)
{
	struct loop_timer *timer = loop_timer_new(h->loop, on_tick, h->loop);

	for (int quiet = 0; quiet < 3;) {
		size_t hooks = h->nhooks, records = h->nrecords;

		if (!h->hold)
			acknowledge(h);
		answer(h);
		/* As the daemon does: step when woken, or when something is due. */
		int64_t due_ms = actions_next_ms(h->actions);

		if (h->woken || (due_ms != TIME_NONE && due_ms <= h->now_ms)) {
			h->woken = false;
			actions_step(h->actions, h->now_ms);
		}
		loop_timer_set(timer, 15);
		loop_run(h->loop);
		quiet = hooks == h->nhooks && records == h->nrecords && (h->hold || h->nheld == 0)
				? quiet + 1
				: 0;
	}
	loop_timer_free(timer);
}

void harness_at(struct harness *h, int64_t ms)
{
	h->now_ms = HARNESS_START_MS + ms;
	harness_settle(h);
}

void harness_configure(struct harness *h, const char *text)
{
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root;
	struct actions_config *config;
	struct buf buf;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	char formatted[sizeof(h->config)];

	snprintf(h->config, sizeof(h->config), "%s", text);
	snprintf(formatted, sizeof(formatted), text, http_server_port(h->server),
		 http_server_port(h->server), http_server_port(h->server));
	ck_assert_int_eq(yaml_parse(slice_from(formatted), "test.yml", &arena, &diags, &root), 0);
	struct actions_config_nodes nodes = { .route = yaml_get(root, "route"),
					      .receivers = yaml_get(root, "receivers"),
					      .runbooks = yaml_get(root, "runbooks"),
					      .actions = yaml_get(root, "actions"),
					      .base_dir = getenv("TOCSIN_SRCDIR") };
	int code =
		actions_config_bind(&nodes, slice_from(h->external_url ?: "http://tocsin.example"),
				    NULL, &diags, &config);

	buf_init(&buf);
	diag_list_format(&diags, false, &buf);
	ck_assert_msg(code == 0, "%s", buf.ptr);
	buf_fini(&buf);
	actions_configure(h->actions, config);
	actions_config_unref(h->bound);
	h->bound = config;
	diag_list_fini(&diags);
	arena_fini(&arena);
}

static void make_actions(struct harness *h)
{
	struct actions_options options = { .host = { .loop = h->loop,
						     .http = h->http,
						     .runner = h->runner,
						     .version = "test" },
					   .instance = "abcd" };
	struct actions_sink sink = {
		.ctx = h, .record = on_record, .now_ms = on_now_ms, .ask = on_ask, .wake = on_wake
	};

	if (!h->engine)
		sink.ask = NULL;
	if (h->has_series)
		sink.sample = on_sample;

	ck_assert_int_eq(actions_new(&options, &sink, &h->actions), 0);
}

void harness_init(struct harness *h, const char *config, const char *runner_dir)
{
	struct http_server_options options = { .address = "127.0.0.1",
					       .body_max = 1 << 24,
					       .timeout_ms = 10000,
					       .connections_max = 100 };
	char *why = NULL, program[4096];

	*h = (struct harness){ .now_ms = HARNESS_START_MS, .answer = 200, .value = 42 };
	h->loop = loop_new();
	h->http = http_client_new(h->loop);
	ck_assert_msg(http_server_new(h->loop, &options, on_hook, h, &h->server, &why) == 0, "%s",
		      why);
	if (runner_dir) {
		snprintf(program, sizeof(program), "%s/tests/actions/runner",
			 getenv("TOCSIN_BUILDDIR"));
		ck_assert_msg(runner_client_new(h->loop, program, runner_dir, &h->runner, &why) ==
				      0,
			      "%s", why);
	}
	make_actions(h);
	harness_configure(h, config);
	actions_restore_done(h->actions, h->now_ms);
}

void harness_fini(struct harness *h)
{
	actions_free(h->actions);
	if (h->engine)
		engine_free(h->engine);
	actions_config_unref(h->bound);
	if (h->runner)
		runner_client_free(h->runner);
	http_client_free(h->http);
	http_server_free(h->server);
	loop_free(h->loop);
	for (size_t i = 0; i < h->nrecords; i++)
		free(h->records[i].bytes);
	for (size_t i = 0; i < h->nhooks; i++) {
		json_decref(h->hooks[i].body);
		free(h->hooks[i].text);
	}
	rule_set_unref(h->rules);
	buf_fini(&h->samples);
}

void harness_restart(struct harness *h, size_t n)
{
	char config[sizeof(h->config)];

	strcpy(config, h->config);
	actions_free(h->actions);
	answers_drop(h);
	h->nheld = h->durable_max = 0;
	while (h->nrecords > n)
		free(h->records[--h->nrecords].bytes);
	make_actions(h);
	harness_configure(h, config);
	for (size_t i = 0; i < n; i++)
		actions_restore(h->actions, h->records[i].type,
				(struct slice){ h->records[i].bytes, h->records[i].len });
	actions_restore_done(h->actions, h->now_ms);
}

static struct labels *labels_of(const char *text)
{
	struct labels_builder builder;
	struct labels *labels;
	char copy[512], *rest = copy;

	snprintf(copy, sizeof(copy), "%s", text);
	labels_builder_init(&builder);
	for (char *pair; (pair = strsep(&rest, ","));) {
		char *value = strchr(pair, '=');

		*value++ = '\0';
		labels_builder_set(&builder, slice_from(pair), slice_from(value));
	}
	ck_assert_int_eq(labels_builder_take(&builder, &labels, NULL), 0);
	labels_builder_fini(&builder);
	return labels;
}

/* When the alert of these labels last began to fire. */
static int64_t *fired_ms(struct harness *h, const char *labels)
{
	size_t i = 0;

	while (i < h->nepisodes && strcmp(h->episodes[i].labels, labels) != 0)
		i++;
	ck_assert_uint_lt(i, HARNESS_EPISODES_MAX);
	if (i == h->nepisodes)
		snprintf(h->episodes[h->nepisodes++].labels, sizeof(h->episodes[0].labels), "%s",
			 labels);
	return &h->episodes[i].fired_ms;
}

static void name_rule(const struct harness *h, struct alert_event *event)
{
	struct slice name = labels_get(event->labels, SLICE("alertname"));

	event->file = strdup("f.yml");
	event->group = strdup("g");
	event->rule = slice_dup(name);
	for (uint32_t i = 0; h->rules && i < h->rules->groups[0].nrules; i++)
		if (slice_is_equal(h->rules->groups[0].rules[i].name, name)) {
			event->rules = rule_set_ref(h->rules);
			event->rule_id = h->rules->groups[0].rules[i].id;
		}
}

/* As the engine does it: the record first, if it is a change, then the event. */
static void tell(struct harness *h, const char *text, enum alert_state from, enum alert_state state,
		 enum alert_reason reason)
{
	struct alert_event *event = alert_event_new();
	struct buf record;

	event->from = from;
	event->state = state;
	event->reason = reason;
	event->labels = labels_of(text);
	event->expr_labels = labels_of(text);
	event->value = h->value;
	event->at_ms = h->now_ms;
	event->active_at_ms = event->fired_at_ms = *fired_ms(h, text);
	event->resolved_at_ms = state == ALERT_INACTIVE ? h->now_ms : TIME_NONE;
	event->keep_since_ms = TIME_NONE;
	event->settled = !h->unsettled;
	event->hold = h->sender_silent ? ALERT_HELD_SILENT : ALERT_NOT_HELD;
	if (h->evidence) {
		event->evidence = evidence_new();
		ck_assert_int_eq(evidence_line_add(event->evidence, slice_from(h->evidence)), 0);
	}
	name_rule(h, event);
	buf_init(&record);
	alert_event_encode(event, &record);
	if (reason == ALERT_REASON_NONE)
		on_record(h, RECORD_ALERT, buf_slice(&record), 0);
	buf_fini(&record);
	actions_event(h->actions, event);
	if (!h->at_once)
		harness_settle(h);
}

static void change(struct harness *h, const char *text, enum alert_state from,
		   enum alert_state state)
{
	if (state == ALERT_FIRING)
		*fired_ms(h, text) = h->now_ms;
	tell(h, text, from, state, ALERT_REASON_NONE);
}

void harness_restored(struct harness *h, const char *labels)
{
	tell(h, labels, ALERT_FIRING, ALERT_FIRING, ALERT_REASON_RESTORED);
}

void harness_refresh(struct harness *h, const char *labels)
{
	tell(h, labels, ALERT_FIRING, ALERT_FIRING, ALERT_REASON_REFRESH);
}

static void on_batch(void *ctx, struct batch *batch)
{
	ck_assert_uint_eq(batch->outcome.conflict + batch->outcome.limited, 0);
	batch_free(batch);
}

static void on_loaded(void *ctx, struct rule_set *set, int code)
{
	ck_assert_int_eq(code, 0);
}

static void ignore_record(void *ctx, enum record_type type, struct slice payload)
{
}

static void ignore_event(void *ctx, struct alert_event *event)
{
	alert_event_free(event);
}

void harness_engine(struct harness *h)
{
	const struct engine_options options = { .store = { .lookback_ms = 300000,
							   .ignored_max = 1000 },
						.query_samples_max = 1000000 };
	const struct engine_sink sink = { .ctx = h,
					  .record = ignore_record,
					  .event = ignore_event,
					  .batch = on_batch,
					  .query = on_query,
					  .loaded = on_loaded };
	size_t ndemands;
	const struct source **demands = actions_config_demands(h->bound, &ndemands);
	const struct rule_set_options set_options = {
		.interval_ms = 15000, .rules_max = 100, .demands = demands, .ndemands = ndemands
	};
	struct diag_list diags;
	struct rule_set *set;
	bool is_first = !h->engine;

	if (is_first)
		ck_assert_int_eq(engine_new(&options, &sink, &h->engine), 0);
	diag_list_init(&diags);
	ck_assert_int_eq(rule_set_load_text(SLICE("groups: []"), "f.yml", &set_options, &diags, &set),
			 0);
	diag_list_fini(&diags);
	free(demands);
	engine_load(h->engine, set);
	rule_set_unref(set);
	answer(h);
	if (is_first)
		harness_restart(h, h->nrecords); /* with somebody to ask */
}

void harness_feed(struct harness *h, const char *text)
{
	const struct exposition_options options = { .now_ms = h->now_ms };
	struct exposition_fault fault;
	struct batch *batch = batch_new();

	ck_assert_int_eq(exposition_read(slice_from(text), &options, batch, &fault), 0);
	batch->own = true;
	engine_batch(h->engine, batch);
	harness_settle(h);
}

void harness_rules(struct harness *h, const char *text)
{
	const struct rule_set_options options = { .interval_ms = 15000, .rules_max = 100 };
	struct diag_list diags;
	struct buf buf;
	struct rule_set *rules;

	diag_list_init(&diags);
	int code = rule_set_load_text(slice_from(text), "f.yml", &options, &diags, &rules);

	buf_init(&buf);
	diag_list_format(&diags, false, &buf);
	ck_assert_msg(code == 0, "%s", buf.ptr);
	buf_fini(&buf);
	diag_list_fini(&diags);
	rule_set_unref(h->rules);
	h->rules = rules;
}

void harness_fire(struct harness *h, const char *labels)
{
	change(h, labels, ALERT_INACTIVE, ALERT_FIRING);
}

void harness_resolve(struct harness *h, const char *labels)
{
	change(h, labels, ALERT_FIRING, ALERT_INACTIVE);
}

void harness_unfire(struct harness *h, const char *labels)
{
	change(h, labels, ALERT_FIRING, ALERT_PENDING);
}

void harness_silence(struct harness *h, const char *matcher, int64_t starts_ms, int64_t ends_ms,
		     char id[40])
{
	struct silence silence = { .starts_ms = HARNESS_START_MS + starts_ms,
				   .ends_ms = HARNESS_START_MS + ends_ms,
				   .created_by = "me",
				   .comment = "test" };
	char why[256] = "", *bad = NULL;

	ck_assert_int_eq(
		matchers_parse(slice_from(matcher), &silence.matchers, &silence.nmatchers, &bad),
		0);
	ck_assert_msg(actions_silence_set(h->actions, &silence, h->now_ms, id, why) == 0, "%s",
		      why);
	matchers_free(silence.matchers, silence.nmatchers);
}

const char *hook_field(const struct hook *hook, const char *key)
{
	return json_string_value(json_object_get(hook->body, key));
}

const char *hook_alerts(const struct hook *hook)
{
	static char text[1024];
	size_t i, len = 0;
	const json_t *alert;

	text[0] = '\0';
	json_array_foreach (json_object_get(hook->body, "alerts"), i, alert) {
		const json_t *labels = json_object_get(alert, "labels");

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s", i ? ", " : "",
					json_string_value(json_object_get(alert, "status")),
					json_string_value(json_object_get(labels, "instance")));
	}
	return text;
}
