#include "daemon/config_peers.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "daemon/config_http.h"

#define DAY_MS (24ll * 3600 * 1000)

struct queue_part {
	int64_t capacity, shards, samples_per_send, deadline_ms, min_backoff_ms, max_backoff_ms,
		age_ms;
	bool retries_429;
	const struct yaml_node *node;
};

struct remote_write_part {
	struct http_part http;
	char *name;
	int64_t timeout_ms;
	struct bind_structs relabel;
	int version;
	struct queue_part queue;
	const struct yaml_node *node;
};

static const struct bind_field queue_fields[] = {
	BIND_FIELD(queue_part, capacity, "capacity", BIND_INT, .default_text = "1000000", .min = 1,
		   .max = RW_CAPACITY_MAX,
		   .doc = "Samples that wait at most, in memory: of all shards together. When it "
			  "is full the oldest are dropped, and counted."),
	BIND_FIELD(queue_part, samples_per_send, "max_samples_per_send", BIND_INT,
		   .default_text = "2000", .min = 1, .max = RW_SEND_SAMPLES_MAX,
		   .doc = "Samples of a request."),
	BIND_FIELD(queue_part, deadline_ms, "batch_send_deadline", BIND_DURATION,
		   .default_text = "5s", .min = 0, .max = DAY_MS,
		   .doc = "A sample waits at most so long for others."),
	BIND_FIELD(queue_part, min_backoff_ms, "min_backoff", BIND_DURATION, .default_text = "30ms",
		   .min = 1, .max = DAY_MS,
		   .doc = "Before a request is tried again; doubled each time."),
	BIND_FIELD(queue_part, max_backoff_ms, "max_backoff", BIND_DURATION, .default_text = "5s",
		   .min = 1, .max = DAY_MS, .doc = "At most."),
	BIND_FIELD(queue_part, retries_429, "retry_on_http_429", BIND_BOOL, .default_text = "false",
		   .doc = "Whether 429 means to try again, too, as 5xx does."),
	BIND_FIELD(queue_part, age_ms, "sample_age_limit", BIND_DURATION, .default_text = "0s",
		   .min = 0, .max = 365 * DAY_MS,
		   .doc = "Older samples are dropped before they are sent; 0s: none."),
	HTTP_LATER("min_shards"),
	BIND_FIELD(queue_part, shards, "max_shards", BIND_INT, .default_text = "4", .min = 1,
		   .max = RW_SHARDS_MAX,
		   .doc = "Requests at once, each for its own share of the series."),
};
static const struct bind_table queue_table =
	BIND_TABLE_AT(queue_part, "queue_config", queue_fields);

static const struct bind_field fields[] = {
	HTTP_FIELDS(remote_write_part),
	BIND_FIELD(remote_write_part, name, "name", BIND_CSTRING,
		   .doc = "Names it in metrics and in the log; unless given, its address."),
	BIND_FIELD(remote_write_part, timeout_ms, "remote_timeout", BIND_DURATION,
		   .default_text = "30s", .min = 1, .max = DAY_MS, .doc = "For a whole request."),
	BIND_FIELD(
		remote_write_part, relabel, "write_relabel_configs", BIND_STRUCTS,
		.table = &relabel_table,
		.doc = "What becomes of the labels of what goes there: rules, one after the other, "
		       "after external_labels were added."),
	BIND_FIELD(remote_write_part, version, "protobuf_message", BIND_ENUM,
		   .values = "prometheus.WriteRequest,io.prometheus.write.v2.Request",
		   .default_text = "prometheus.WriteRequest",
		   .doc = "Remote-write 1.0 or 2.0: what the receiver knows."),
	BIND_FIELD(remote_write_part, queue, "queue_config", BIND_STRUCT, .table = &queue_table,
		   .doc = "How samples wait."),
	HTTP_LATER("send_exemplars", .default_text = "false"),
	HTTP_LATER("send_native_histograms", .default_text = "false"),
	HTTP_LATER("round_robin_dns", .default_text = "false"),
	HTTP_LATER("metadata_config"),
};
const struct bind_table remote_write_out_table =
	BIND_TABLE_AT(remote_write_part, "remote_write", fields);

/* What a request says itself. */
static const char *const reserved[] = { "Authorization",     "Content-Encoding",
					"Content-Type",	     "X-Prometheus-Remote-Write-Version",
					"User-Agent",	     "Retry-Attempt",
					"Content-Length",    "Host",
					"Transfer-Encoding", NULL };

struct binder {
	const char *base_dir;
	struct arena *arena;
	struct diag_list *diags;
};

static int bind_one(const struct binder *b, const struct remote_write_part *part,
		    struct rw_sender_options *out)
{
	const struct queue_part *queue = &part->queue;

	*out = (struct rw_sender_options){ .version =
						   part->version == 1 ? RW_VERSION_2 : RW_VERSION_1,
					   .capacity = queue->capacity,
					   .shards = queue->shards,
					   .samples_per_send = queue->samples_per_send,
					   .deadline_ms = queue->deadline_ms,
					   .min_backoff_ms = queue->min_backoff_ms,
					   .max_backoff_ms = queue->max_backoff_ms,
					   .age_max_ms = queue->age_ms,
					   .retries_429 = queue->retries_429 };
	int code = http_part_bind(&part->http, part->node, reserved, b->base_dir, b->arena,
				  b->diags, &out->peer);

	out->peer.timeout_ms = part->timeout_ms;
	if (queue->min_backoff_ms > queue->max_backoff_ms)
		yaml_diag(b->diags, DIAG_ERROR, queue->node, NULL,
			  "min_backoff is longer than max_backoff");
	if (relabel_new(&part->relabel, b->diags, &out->relabel) == ERR_NOMEM || code == ERR_NOMEM)
		return ERR_NOMEM;
	out->url_shown = http_url_shown(part->http.url, b->arena);
	out->name = part->name && *part->name ? part->name : out->url_shown;
	return out->name ? 0 : ERR_NOMEM;
}

/* Queues are known by their names. */
static void check_name(const struct binder *b, const struct remote_write_config *config,
		       const struct yaml_node *node, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (strcmp(config->senders[i].name, config->senders[at].name) == 0)
			yaml_diag(b->diags, DIAG_ERROR, node, "give each its own name",
				  "two receivers of remote_write are called \"%s\"",
				  config->senders[at].name);
}

int remote_write_config_bind(const struct bind_structs *parts, const char *base_dir,
			     struct arena *arena, struct diag_list *diags,
			     struct remote_write_config *out)
{
	const struct binder b = { base_dir, arena, diags };
	const struct remote_write_part *items = parts->items;
	size_t errors = diags->errors;

	*out = (struct remote_write_config){ 0 };
	if (parts->n > REMOTE_WRITES_MAX) {
		yaml_diag(diags, DIAG_ERROR, items[REMOTE_WRITES_MAX].node, NULL,
			  "more than %d receivers of remote_write", REMOTE_WRITES_MAX);
		return ERR_INVALID;
	}
	out->senders = ARENA_ARRAY(arena, struct rw_sender_options, parts->n + 1);
	if (!out->senders)
		return ERR_NOMEM;
	for (size_t i = 0; i < parts->n; i++) {
		int code = bind_one(&b, &items[i], &out->senders[i]);

		out->n = i + 1;
		if (code)
			return code;
		check_name(&b, out, items[i].node, i);
	}
	return diags->errors > errors ? ERR_INVALID : 0;
}

void remote_write_config_fini(struct remote_write_config *config)
{
	for (size_t i = 0; i < config->n; i++)
		relabel_unref(config->senders[i].relabel);
}
