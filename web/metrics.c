/* GET /metrics: the daemon's numbers, then what engine, store and actions count, by the table of
 * metrics.def. */
#include "base/text.h"
#include "web/web_internal.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_sample {
	struct engine_stats engine;
	struct store_stats store;
	struct actions_stats actions;
	int64_t lag_ms;	  /* of the latest sender */
	uint64_t ignored; /* samples; the store itself does not see the first one of a series */
};

void metric_add(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_add_value(struct buf *out, const char *name, const char *labels, double value)
{
	buf_printf(out, "%s%s ", name, labels);
	number_format_f(value, out);
	buf_add_char(out, '\n');
}

static void format_all(const struct metrics_sample *s, struct buf *out)
{
	const char *current = NULL;

#define METRIC(name, type, help) metric_add(out, current = (name), type, help);
#define VALUE(labels, value) metric_add_value(out, current, labels, (double)(value));
#include "web/metrics.def"
#undef METRIC
#undef VALUE
}

void metrics_reference(struct buf *out)
{
	static const struct {
		const char *name, *type, *help;
	} all[] = {
#define METRIC(name, type, help) { name, type, help },
#define VALUE(labels, value)
#include "web/metrics.def"
#undef METRIC
#undef VALUE
	};

	buf_add_str(out, "| metric | type | meaning |\n|---|---|---|\n");
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		buf_printf(out, "| `%s` | %s | %s |\n", all[i].name, all[i].type, all[i].help);
}

/* What the engine counts, then the same of the actions; formatted at home. */
static void actions_run(struct call *call, void *owner)
{
	struct metrics_sample *sample = call->data;

	actions_stats_get(owner, &sample->actions);
}

static void on_sender(void *ctx, const struct sender *sender)
{
	struct metrics_sample *sample = ctx;

	sample->ignored += sender->ignored;
}

static void engine_run(struct call *call, void *owner)
{
	struct metrics_sample *sample = call->data;

	engine_stats_get(owner, &sample->engine);
	store_stats_get(engine_store(owner), &sample->store);
	engine_senders_each(owner, on_sender, sample);
	sample->lag_ms = engine_latest_sender(owner).lag_ms;
	call_go_on(call, CALL_ACTIONS, actions_run);
}

static void finish(struct call *call)
{
	format_all(call->data, &call->out);
}

struct call *web_metrics_call(struct web *web)
{
	struct call *call = call_new(engine_run);

	if (call && !(call->data = ARENA_NEW(&call->arena, struct metrics_sample))) {
		call_free(call);
		return NULL;
	}
	if (call) {
		call->content_type = METRICS_TYPE;
		call->finish = finish;
		call->owner = CALL_ENGINE;
		web->host.metrics(web->host.ctx, &call->out);
	}
	return call;
}

HANDLER(on_metrics)
{
	web_send(web, request, CALL_ENGINE, web_metrics_call(web));
}
