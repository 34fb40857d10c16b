#include "daemon/log_sources.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/threads.h"
#include "ingest/line_source.h"
#include "ingest/syslog_server.h"
#include "ingest/tail.h"

#define TICK_MS 1000			  /* positions without samples wait at most this long */
#define RETRY_MS 50			  /* while the door is closed */
#define POSITIONS_FLUSH_BYTES (64 * 1024) /* far from BATCH_POSITIONS_BYTES_MAX */

/* How far a source was read, not yet sent: goes with what gathered in the feed. */
struct pending {
	char *key;
	char *payload;
	size_t len;
};

struct log_source {
	struct log_source *next;
	struct log_sources *sources;
	struct config *config; /* a reference, for the settings */
	const struct log_source_config *settings;
	struct log_counters *counters;
	/* Of the stream before: what relabel_configs made of which labels; NULL: dropped. */
	struct labels *relabelled, *relabelled_from;
	bool kept; /* by the reload under way */
	bool told; /* why it could not be started */
	/* One of them; NULL: not started yet. */
	struct tail *tail;
	struct syslog_server *syslog;
	struct line_source *lines;
};

struct log_sources {
	struct ingest_thread *thread;
	struct log_source *first;
	struct tail_positions positions;
	struct pending *pending;
	size_t npending, pending_cap;
	size_t pending_bytes;
	struct batch *stuck; /* there was no room for it: the door is closed */
	uint32_t under_way;
	bool waited_for;	  /* the door was found closed by a source */
	struct loop_timer *timer; /* a tick, or a retry */
};

/* ---- positions on their way ---- */

static void pending_free(struct pending *pending)
{
	free(pending->key);
	free(pending->payload);
}

static struct pending *pending_find(struct log_sources *sources, struct slice key)
{
	for (size_t i = 0; i < sources->npending; i++)
		if (slice_is(key, sources->pending[i].key))
			return &sources->pending[i];
	return NULL;
}

static struct pending *pending_add(struct log_sources *sources, struct slice key)
{
	if (!ARRAY_RESERVE(&sources->pending, sources->npending, &sources->pending_cap))
		return NULL;
	char *copy = slice_dup(key);

	if (!copy)
		return NULL;
	struct pending *pending = &sources->pending[sources->npending++];

	*pending = (struct pending){ .key = copy };
	sources->pending_bytes += key.len;
	return pending;
}

static int pending_set(struct log_sources *sources, struct slice key, struct slice payload)
{
	char *copy = slice_dup(payload);
	struct pending *pending = copy ? pending_find(sources, key) : NULL;

	if (copy && !pending)
		pending = pending_add(sources, key);
	if (!pending) {
		free(copy);
		return ERR_NOMEM;
	}
	free(pending->payload);
	sources->pending_bytes += payload.len - pending->len;
	pending->payload = copy;
	pending->len = payload.len;
	return 0;
}

/* All of them into the batch. What finds no room there waits for the next one. */
static void pending_take(struct log_sources *sources, struct batch *batch)
{
	size_t kept = 0;

	sources->pending_bytes = 0;
	for (size_t i = 0; i < sources->npending; i++) {
		struct pending *pending = &sources->pending[i];

		if (batch_position_add(batch, slice_from(pending->key),
				       (struct slice){ pending->payload, pending->len })) {
			sources->pending_bytes += strlen(pending->key) + pending->len;
			sources->pending[kept++] = *pending;
			continue;
		}
		pending_free(pending);
	}
	sources->npending = kept;
}

/* ---- the door ---- */

static bool is_open(const struct log_sources *sources)
{
	return !sources->stuck && sources->under_way < LOG_BATCHES_MAX &&
	       ingest_is_open(sources->thread);
}

/* If the door was found closed, and is open again. */
static void resume_all(struct log_sources *sources)
{
	if (!sources->waited_for || !is_open(sources))
		return;
	sources->waited_for = false;
	for (struct log_source *source = sources->first; source; source = source->next) {
		if (source->tail)
			tail_resume(source->tail);
		if (source->syslog)
			syslog_server_resume(source->syslog);
		if (source->lines)
			line_source_resume(source->lines);
	}
}

static void push(struct log_sources *sources, struct batch *batch);
static void flush(struct log_sources *sources, bool positions_due);

static void on_done(void *ctx, struct batch *batch)
{
	struct ingest_thread *thread = ctx;
	struct log_sources *sources = thread->sources;

	batch_free(batch);
	sources->under_way--;
	if (sources->stuck)
		push(sources, sources->stuck);
	flush(sources, false);
	resume_all(sources);
}

static void push(struct log_sources *sources, struct batch *batch)
{
	sources->stuck = NULL;
	if (sources->under_way < LOG_BATCHES_MAX &&
	    ingest_push(sources->thread, batch, on_done) == 0) {
		sources->under_way++;
		return;
	}
	sources->stuck = batch;
	loop_timer_set(sources->timer, RETRY_MS);
}

/*
 * Nothing stays behind in the feed, which others of the thread use, too: what they take out of it
 * must be what they put in.
 */
static void flush(struct log_sources *sources, bool positions_due)
{
	struct ingest_thread *thread = sources->thread;
	bool due = log_feed_rows(thread->feed) > 0 || (positions_due && sources->npending) ||
		   sources->pending_bytes >= POSITIONS_FLUSH_BYTES;

	if (!due || sources->stuck)
		return;
	struct batch *batch = ingest_log_batch(thread);

	if (!batch)
		return; /* without memory: with the next lines */
	pending_take(sources, batch);
	batch->item.cost += batch->positions.len;
	/* However small limits.queue_bytes: it must pass one day. */
	if (batch->item.cost > thread->batch_bytes_max)
		batch->item.cost = thread->batch_bytes_max;
	push(sources, batch);
}

static bool door_is_open(void *ctx)
{
	struct log_source *source = ctx;
	bool open = is_open(source->sources);

	source->sources->waited_for |= !open;
	return open;
}

/* Labels that relabelling leaves as no set are dropped, too. */
static int relabel(struct log_source *source, struct labels *labels)
{
	struct labels *final = NULL;

	if (labels == source->relabelled_from)
		return 0;
	if (relabel_apply(source->settings->relabel, labels, &final) == ERR_NOMEM)
		return ERR_NOMEM;
	labels_unref(source->relabelled);
	labels_unref(source->relabelled_from);
	source->relabelled = final;
	source->relabelled_from = labels_ref(labels);
	return 0;
}

static int door_stream(void *ctx, struct labels *labels)
{
	struct log_source *source = ctx;
	struct ingest_thread *thread = source->sources->thread;

	thread->stream = NULL;
	if (relabel(source, labels))
		return ERR_NOMEM;
	if (!source->relabelled)
		return 0;
	thread->stream = log_feed_stream(thread->feed, source->relabelled);
	return thread->stream ? 0 : ERR_NOMEM;
}

static int door_line(void *ctx, const struct log_entry *entry)
{
	struct log_source *source = ctx;
	struct ingest_thread *thread = source->sources->thread;

	if (!thread->stream)
		return 0; /* it was dropped */
	int code = log_feed_line(thread->feed, thread->stream, entry);

	if (code)
		return code;
	log_count(&source->counters->lines, 1);
	log_count(&source->counters->bytes, entry->line.len);
	return 0;
}

static int door_position(void *ctx, struct slice key, struct slice payload)
{
	struct log_source *source = ctx;
	struct log_sources *sources = source->sources;
	int code = pending_set(sources, key, payload);

	if (code == 0)
		code = tail_positions_set(&sources->positions, key, payload);
	if (sources->pending_bytes >= POSITIONS_FLUSH_BYTES)
		flush(sources, false);
	return code;
}

static void door_flush(void *ctx)
{
	struct log_source *source = ctx;

	flush(source->sources, false);
}

static struct log_door door_of(struct log_source *source)
{
	return (struct log_door){ .sink = { source, door_stream, door_line },
				  .ctx = source,
				  .is_open = door_is_open,
				  .position = door_position,
				  .flush = door_flush };
}

/* ---- sources ---- */

static int64_t wall_ns(void)
{
	return clock_wall_ms() * 1000000;
}

static int files_start(struct log_source *source)
{
	const struct log_source_config *settings = source->settings;
	const struct tail_options options = { .loop = source->sources->thread->loop,
					      .name = settings->name,
					      .globs = settings->globs,
					      .nglobs = settings->nglobs,
					      .labels = settings->labels,
					      .door = door_of(source),
					      .counters = source->counters,
					      .positions = &source->sources->positions,
					      .now_ns = wall_ns };

	return tail_new(&options, &source->tail);
}

static int syslog_start(struct log_source *source, char **why)
{
	const struct log_source_config *settings = source->settings;
	const struct syslog_server_options options = {
		.loop = source->sources->thread->loop,
		.name = settings->name,
		.host = settings->host,
		.port = settings->port,
		.udp = settings->udp,
		.message_time = settings->time == LOG_TIME_MESSAGE,
		.connections_max = (size_t)settings->connections_max,
		.idle_timeout_ms = settings->idle_timeout_ms,
		.receive_bytes = (size_t)settings->receive_bytes,
		.labels = settings->labels,
		.door = door_of(source),
		.counters = source->counters,
		.now_ns = wall_ns,
	};
	int code = syslog_server_new(&options, &source->syslog, why);

	if (code == 0)
		log_info("logs", "takes syslog messages", "address=%s:%u protocol=%s",
			 settings->host, syslog_server_port(source->syslog),
			 settings->udp ? "udp" : "tcp");
	return code;
}

static int stdin_start(struct log_source *source)
{
	const struct log_source_config *settings = source->settings;
	const struct line_source_options options = {
		.loop = source->sources->thread->loop,
		.name = settings->name,
		.fd = STDIN_FILENO,
		.json = settings->json,
		.fields = { .time_field = settings->time_field,
			    .message_field = settings->message_field,
			    .stream_fields = settings->stream_fields.items,
			    .nstream_fields = settings->stream_fields.n },
		.labels = settings->labels,
		.door = door_of(source),
		.counters = source->counters,
		.now_ns = wall_ns,
	};

	return line_source_new(&options, &source->lines);
}

static bool is_started(const struct log_source *source)
{
	return source->tail || source->syslog || source->lines;
}

/* Told once why not; tried again at each tick: an address may be another's for a while. */
static void source_start(struct log_source *source)
{
	char *why = NULL;
	int code = 0;

	switch (source->settings->kind) {
	case LOG_SOURCE_FILES:
		code = files_start(source);
		break;
	case LOG_SOURCE_SYSLOG:
		code = syslog_start(source, &why);
		break;
	case LOG_SOURCE_STDIN:
		code = stdin_start(source);
		break;
	}
	if (code && !source->told)
		log_error("logs", "cannot read from a source yet", "source=%s error=%s",
			  log_quote(slice_from(source->settings->name)),
			  log_quote(slice_from(why ? why : error_text(code))));
	source->told = code != 0;
	free(why);
}

static void source_free(struct log_source *source)
{
	tail_free(source->tail);
	syslog_server_free(source->syslog);
	line_source_free(source->lines);
	labels_unref(source->relabelled);
	labels_unref(source->relabelled_from);
	config_unref(source->config);
	free(source);
}

static int source_add(struct log_sources *sources, struct config *config,
		      const struct log_source_config *settings)
{
	struct log_source *source = calloc(1, sizeof(*source)), **end = &sources->first;

	if (!source)
		return ERR_NOMEM;
	source->sources = sources;
	source->config = config_ref(config);
	source->settings = settings;
	source->kept = true;
	source->counters = log_counters_get(&sources->thread->daemon->log_counters, settings->name);
	while (*end)
		end = &(*end)->next;
	*end = source;
	source_start(source);
	return 0;
}

static struct log_source *source_like(struct log_sources *sources,
				      const struct log_source_config *settings)
{
	for (struct log_source *source = sources->first; source; source = source->next)
		if (!source->kept && log_source_config_is_equal(source->settings, settings))
			return source;
	return NULL;
}

/* What stands at the places in force no more, before others want the same ports. */
static void stop_unwanted(struct log_sources *sources)
{
	for (struct log_source **link = &sources->first; *link;) {
		struct log_source *source = *link;

		if (source->kept) {
			link = &source->next;
			continue;
		}
		*link = source->next;
		source_free(source);
	}
}

void log_sources_configure(struct log_sources *sources, struct config *config)
{
	bool have[LOG_SOURCES_MAX] = { false };

	for (struct log_source *source = sources->first; source; source = source->next)
		source->kept = false;
	for (size_t i = 0; i < config->logs.n; i++) {
		struct log_source *source = source_like(sources, &config->logs.items[i]);

		if (source)
			have[i] = source->kept = true;
	}
	stop_unwanted(sources);
	for (size_t i = 0; i < config->logs.n; i++) {
		const struct log_source_config *settings = &config->logs.items[i];
		int code = have[i] ? 0 : source_add(sources, config, settings);

		if (code)
			log_error("logs", "cannot read from a source", "source=%s error=%s",
				  log_quote(slice_from(settings->name)),
				  log_quote(slice_from(error_text(code))));
	}
	if (config->logs.n && !config->data_dir && !config->storage.redis)
		log_warn("logs",
			 "data_dir is none: how far files were read is forgotten at a restart, "
			 "which "
			 "goes on at their ends",
			 NULL);
}

static void on_timer(void *ctx)
{
	struct log_sources *sources = ctx;

	loop_timer_set(sources->timer, TICK_MS);
	for (struct log_source *source = sources->first; source; source = source->next)
		if (!is_started(source))
			source_start(source);
	if (sources->stuck)
		push(sources, sources->stuck);
	flush(sources, true);
	resume_all(sources);
	if (sources->waited_for)
		loop_timer_set(sources->timer, RETRY_MS);
}

int log_sources_new(struct ingest_thread *thread, struct config *config, struct log_sources **out)
{
	struct log_sources *sources = calloc(1, sizeof(*sources));

	if (!sources)
		return ERR_NOMEM;
	sources->thread = thread;
	tail_positions_init(&sources->positions);
	sources->timer = loop_timer_new(thread->loop, on_timer, sources);
	if (!sources->timer) {
		log_sources_free(sources);
		return ERR_NOMEM;
	}
	loop_timer_set(sources->timer, TICK_MS);
	log_sources_configure(sources, config);
	*out = sources;
	return 0;
}

void log_sources_free(struct log_sources *sources)
{
	if (!sources)
		return;
	while (sources->first) {
		struct log_source *gone = sources->first;

		sources->first = gone->next;
		source_free(gone);
	}
	batch_free(sources->stuck);
	for (size_t i = 0; i < sources->npending; i++)
		pending_free(&sources->pending[i]);
	free(sources->pending);
	tail_positions_fini(&sources->positions);
	if (sources->timer)
		loop_timer_free(sources->timer);
	free(sources);
}

void log_sources_restore(struct log_sources *sources, struct slice key, struct slice payload)
{
	tail_positions_set(&sources->positions, key, payload);
}
