/*
 * What is read back from disk: segments of a journal, damaged in any way.
 *
 * The bytes are read twice: as the journal reads them, and once more by their headers alone, with
 * checksum and version left aside, for else no change would come farther than the checksum. All
 * records go into an engine and an action side, which then are told the time, work, and write a
 * checkpoint; what that says must be readable for others, who work as well.
 */
#include <stdlib.h>

#include "actions/actions.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS 1795179800000 /* soon after the seeds were written */
#define STEPS_MAX 1000
#define UNITS 100000

static const char rules_text[] =
	"groups:\n"
	"- name: kill\n"
	"  interval: 1s\n"
	"  warmup: off\n"
	"  rules:\n"
	"  - {alert: Toggle, expr: load > 5, run: [repair], annotations: {summary: '{{ $value "
	"}}'}}\n"
	"  - {alert: Firing, expr: 'steady{instance=\"a\"} == 1', keep_firing_for: 1m}\n"
	"  - {alert: Pending, expr: 'steady{instance=\"a\"} == 1', for: 1h}\n"
	"  - {record: seen, expr: 'count_over_time(steady[30s])'}\n"
	"  - {alert: Lines, expr: 'count_over_time(logs{job=\"a\"}[1m]) > 3'}\n"
	"  - {record: took, expr: 'quantile_over_time(0.5, logs{job=\"a\"} | unwrap v [1m]) by "
	"(i)'}\n"
	"- name: second\n"
	"  rules:\n"
	"  - {alert: Silenced, expr: 'rate(load[1m]) > 0', labels: {severity: 'v{{ $value }}'}}\n";

static const char config_text[] =
	"route:\n"
	"  {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, "
	"repeat_interval: 1h}\n"
	"receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]\n"
	"runbooks:\n"
	"- {name: repair, mode: auto, target: [instance], steps: [{id: act, exec: [/bin/true]}, "
	"{id: second, exec: [/bin/true]}]}\n";

/* One daemon's state. */
struct side {
	struct engine *engine;
	struct actions *actions;
	struct buf journal; /* what it wrote */
	uint64_t tokens[16];
	unsigned ntokens;
	bool loaded, settled;
};

static struct rule_set *rules;
static struct actions_config *config;
static struct loop *loop;
static struct http_client *http;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void config_load(void)
{
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	must(yaml_parse(slice_from(config_text), "f.yml", &arena, &diags, &root) == 0);
	struct actions_config_nodes nodes = { .route = yaml_get(root, "route"),
					      .receivers = yaml_get(root, "receivers"),
					      .runbooks = yaml_get(root, "runbooks"),
					      .base_dir = "." };
	must(actions_config_bind(&nodes, SLICE("http://t.example"), NULL, &diags, &config) == 0);
	diag_list_fini(&diags);
	arena_fini(&arena);
}

static void load_once(void)
{
	static const struct slice runbooks[] = { SLICE("repair") };
	const struct rule_set_options options = {
		.interval_ms = 15000, .rules_max = 100, .runbooks = runbooks, .nrunbooks = 1
	};
	struct diag_list diags;

	if (rules)
		return;
	log_level_set(LOG_LEVEL_ERROR + 1);
	diag_list_init(&diags);
	must(rule_set_load_text(slice_from(rules_text), "rules.yml", &options, &diags, &rules) ==
	     0);
	diag_list_fini(&diags);
	config_load();
	loop = loop_new();
	http = http_client_new(loop);
	must(loop && http);
}

/* ---- what it wants done ---- */

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
	struct side *side = ctx;

	record_encode(type, payload, &side->journal);
}

static void on_action_record(void *ctx, enum record_type type, struct slice payload, uint64_t token)
{
	struct side *side = ctx;

	record_encode(type, payload, &side->journal);
	if (token && side->ntokens < sizeof(side->tokens) / sizeof(side->tokens[0]))
		side->tokens[side->ntokens++] = token;
}

static void on_event(void *ctx, struct alert_event *event)
{
	struct side *side = ctx;

	actions_event(side->actions, event);
}

static void on_batch(void *ctx, struct batch *batch)
{
	batch_free(batch);
}

static void on_query(void *ctx, struct engine_query *query)
{
	engine_query_free(query);
}

static void on_loaded(void *ctx, struct rule_set *set, int code)
{
	struct side *side = ctx;

	side->loaded = code == 0;
}

static int64_t on_now_ms(void *ctx)
{
	return NOW_MS;
}

/* It is stepped each second as it is. */
static void on_wake(void *ctx)
{
}

/* ---- a life ---- */

static void side_begin(struct side *side)
{
	struct engine_options engine_options = {
		.store = { .lookback_ms = 300000, .series_max = 1000, .ignored_max = 1000 },
		.sender_timeout_ms = 90000,
		.journal = true,
	};
	struct engine_sink engine_sink = { .ctx = side,
					   .record = on_record,
					   .event = on_event,
					   .batch = on_batch,
					   .query = on_query,
					   .loaded = on_loaded };
	struct actions_options options = {
		.host = { .loop = loop, .http = http, .version = "fuzz" }, .instance = "f0f0f0f0"
	};
	struct actions_sink sink = {
		.ctx = side, .record = on_action_record, .now_ms = on_now_ms, .wake = on_wake
	};

	*side = (struct side){ 0 };
	buf_init(&side->journal);
	must(engine_new(&engine_options, &engine_sink, &side->engine) == 0);
	must(actions_new(&options, &sink, &side->actions) == 0);
	engine_load(side->engine, rules);
	for (int i = 0; i < STEPS_MAX && !side->loaded; i++)
		engine_step(side->engine, UNITS);
	must(side->loaded);
	actions_configure(side->actions, config);
	actions_rules(side->actions, rules);
}

static void side_end(struct side *side)
{
	actions_free(side->actions);
	engine_free(side->engine);
	buf_fini(&side->journal);
}

static void take(struct side *side, enum record_type type, struct slice payload)
{
	engine_restore(side->engine, type, payload);
	actions_restore(side->actions, type, payload);
}

/* All is read: some seconds of life, and a checkpoint. */
static void side_live(struct side *side)
{
	engine_restore_done(side->engine);
	actions_restore_done(side->actions, NOW_MS);
	buf_clear(&side->journal);
	for (int64_t now_ms = NOW_MS; now_ms < NOW_MS + 3000; now_ms += 1000) {
		engine_time(side->engine, now_ms);
		for (int i = 0; i < STEPS_MAX && engine_step(side->engine, UNITS); i++)
			;
		actions_step(side->actions, now_ms);
		while (side->ntokens > 0)
			actions_durable(side->actions, side->tokens[--side->ntokens]);
	}
	engine_checkpoint(side->engine);
	for (int i = 0; i < STEPS_MAX && engine_step(side->engine, UNITS); i++)
		;
	actions_checkpoint(side->actions);
	engine_flush(side->engine);
	store_check(engine_store(side->engine));
	must(buf_ok(&side->journal));
}

/* As the journal reads. True when all of it is good. */
static bool read_checked(struct slice bytes, struct side *side)
{
	while (bytes.len > 0) {
		enum record_type type;
		struct slice payload;
		size_t used;
		int code = record_decode(bytes, &type, &payload, &used);

		if (code) {
			must(code == ERR_AGAIN || code == ERR_CORRUPT || code == ERR_UNSUPPORTED);
			return false;
		}
		must(used <= bytes.len && used == BLOCK_HEADER_BYTES + payload.len);
		if (side)
			take(side, type, payload);
		bytes.ptr += used;
		bytes.len -= used;
	}
	return true;
}

/* By headers alone; the last record may be shorter than it says. */
static void read_unchecked(struct slice bytes, struct side *side)
{
	struct reader reader;

	reader_init(&reader, bytes);
	while (reader.len >= BLOCK_HEADER_BYTES) {
		uint32_t len = reader_u32(&reader), kind = reader_u32(&reader);

		reader_u64(&reader);
		take(side, (enum record_type)(kind & 0xffff),
		     reader_bytes(&reader, len < reader.len ? len : reader.len));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = { (const char *)data, size };
	struct side first, second;

	load_once();
	read_checked(bytes, NULL);
	side_begin(&first);
	read_unchecked(bytes, &first);
	side_live(&first);
	side_begin(&second);
	must(read_checked(buf_slice(&first.journal), &second));
	side_live(&second);
	side_end(&second);
	side_end(&first);
	return 0;
}
