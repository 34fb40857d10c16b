#include "daemon/threads.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/log_sources.h"
#include "daemon/memory.h"

#define EXIT_CONFIG_INVALID 78
/* While starting, nothing else waits for the engine: it may work in large pieces. */
#define START_UNITS 10000000

/* ---- configuration and rules ---- */

/* What takes a new process to change: named, so that nobody waits for it in vain. */
static void warn_unchangeable(const struct config *old, const struct config *new)
{
	const char *old_dir = old->data_dir ? old->data_dir : "none",
		   *new_dir = new->data_dir ? new->data_dir : "none";

	if (strcmp(old->listen_host, new->listen_host) != 0 || old->listen_port != new->listen_port)
		log_warn("daemon", "a new web.listen_address takes effect with the next start",
			 NULL);
	if (strcmp(old_dir, new_dir) != 0)
		log_warn("daemon", "a new data_dir takes effect with the next start", NULL);
	if (!storage_config_is_same_place(&old->storage, &new->storage))
		log_warn("daemon",
			 "a new storage.url, password_file or key_prefix takes effect with the "
			 "next start",
			 NULL);
}

static void answer_reload(struct daemon *daemon, int status, const struct diag_list *diags)
{
	struct call *call = daemon->reload_call;

	daemon->reload_call = NULL;
	daemon->reloading = false;
	atomic_store(&daemon->reload_ok, status == 200);
	if (status == 200)
		atomic_store(&daemon->reload_ok_ms, clock_wall_ms());
	if (!call)
		return;
	call->status = status;
	call->content_type = "text/plain; charset=utf-8";
	if (diags)
		diag_list_format(diags, false, &call->out);
	queue_push(daemon->ingest[call->thread].inbox, &call->item, true);
}

/* To all ingest threads, which answer. */
static void send_extractors(struct daemon *daemon, struct extractor_set *set)
{
	daemon->reload.round++;
	daemon->reload.waiting = daemon->ningest;
	daemon->reload.failed = false;
	extractors_set(&daemon->extractors, set);
	for (uint32_t i = 0; i < daemon->ningest; i++) {
		struct msg_load *msg = calloc(1, sizeof(*msg));

		assert(msg);
		msg->item.kind = MSG_EXTRACTORS;
		msg->extractors = set ? extractor_set_ref(set) : NULL;
		msg->round = daemon->reload.round;
		queue_push(daemon->ingest[i].inbox, &msg->item, true);
	}
}

/* Whatever becomes of it, a reload ends here. */
static void reload_end(struct daemon *daemon, int status, const struct diag_list *diags)
{
	struct reload *reload = &daemon->reload;

	loaded_fini(&reload->loaded);
	extractor_set_unref(reload->before);
	*reload = (struct reload){ .round = reload->round };
	answer_reload(daemon, status, diags);
}

static void send_load(struct queue *inbox, enum message_kind kind, struct rule_set *rules,
		      struct config *config, bool forget_lines, uint64_t rules_hash)
{
	struct msg_load *msg = calloc(1, sizeof(*msg));

	assert(msg);
	msg->item.kind = kind;
	msg->rules = rules ? rule_set_ref(rules) : NULL;
	msg->config = config ? config_ref(config) : NULL;
	msg->forget_lines = forget_lines;
	msg->rules_hash = rules_hash;
	queue_push(inbox, &msg->item, true);
}

static void reload(struct daemon *daemon, struct call *call)
{
	struct diag_list diags;
	struct loaded loaded;

	if (daemon->reloading) {
		if (call) {
			call_fail(call, 503, "unavailable", "a reload is under way");
			queue_push(daemon->ingest[call->thread].inbox, &call->item, true);
		}
		return;
	}
	daemon->reloading = true;
	daemon->reload_call = call;
	diag_list_init(&diags);
	int code = load_all(daemon, daemon->extractors.set, &diags, &loaded);

	print_diags(&diags);
	if (code) {
		log_error("daemon", "configuration not reloaded: the old one stays in force",
			  "errors=%zu", diag_list_told(&diags));
		reload_end(daemon, 500, &diags);
	} else {
		daemon->reload.loaded = loaded;
		if (daemon->extractors.set)
			daemon->reload.before = extractor_set_ref(daemon->extractors.set);
		send_extractors(daemon, loaded.extractors);
	}
	diag_list_fini(&diags);
}

/* The lines that the new rules read are looked for from now on: they may come into force. */
static void load_rules(struct daemon *daemon)
{
	struct reload *reload = &daemon->reload;
	struct config *config = reload->loaded.config;
	struct rule_set *rules = reload->loaded.rules;

	warn_unchangeable(daemon->config, config);
	bool forget_lines = !redact_rules_are_equal(daemon->config->redact, daemon->config->nredact,
						    config->redact, config->nredact);

	store_thread_configure(&daemon->store, &config->storage);
	atomic_store(&daemon->confirms, config->storage.confirms);
	queue_bytes_max_set(daemon->engine.inbox, (size_t)config->queue_bytes_max);
	send_load(daemon->action.inbox, MSG_CONFIG, rules, config, false, 0);
	send_load(daemon->peer.inbox, MSG_CONFIG, NULL, config, false, 0);
	send_load(daemon->engine.inbox, MSG_LOAD, rules, config, forget_lines,
		  daemon->engine.recorder ? recording_rules_hash(rules) : 0);
	for (uint32_t i = 0; i < daemon->ningest; i++)
		send_load(daemon->ingest[i].inbox, MSG_CONFIG, rules, config, false, 0);
	config_unref(daemon->config);
	daemon->config = config_ref(config);
	atomic_store(&daemon->queue_bytes_max, config->queue_bytes_max);
}

static void on_extractors(struct daemon *daemon, struct msg_load *msg)
{
	struct reload *reload = &daemon->reload;

	/* Nobody waits for those that were put back. */
	if (msg->round != reload->round || !reload->loaded.rules || reload->waiting == 0)
		return;
	reload->failed |= msg->code != 0;
	if (--reload->waiting > 0)
		return;
	if (!reload->failed) {
		load_rules(daemon);
		return;
	}
	log_error("daemon", "configuration not reloaded: the old one stays in force", "error=%s",
		  error_text(ERR_NOMEM));
	send_extractors(daemon, reload->before);
	reload_end(daemon, 500, NULL);
}

static void on_loaded(struct daemon *daemon, const struct msg_load *msg)
{
	log_info("daemon", msg->code ? "rules refused" : "rules loaded", "groups=%u rules=%u",
		 msg->rules->ngroups, msg->rules->nrules);
	if (msg->code)
		send_extractors(daemon, daemon->reload.before);
	else
		loaded_keep(&daemon->reload.loaded, daemon->data_dir);
	reload_end(daemon, msg->code ? 500 : 200, NULL);
}

static void on_signal(void *ctx, int signo)
{
	struct daemon *daemon = ctx;

	if (signo == SIGHUP) {
		reload(daemon, NULL);
		return;
	}
	log_info("daemon", "stopping", "signal=%d", signo);
	loop_stop(daemon->loop);
}

static void on_message(void *ctx, struct queue_item *item)
{
	struct daemon *daemon = ctx;

	if (item->kind == MSG_CALL) {
		reload(daemon, (struct call *)item);
		return;
	}
	assert(item->kind == MSG_LOADED || item->kind == MSG_RELEASED ||
	       item->kind == MSG_EXTRACTORS);
	if (item->kind == MSG_LOADED)
		on_loaded(daemon, (struct msg_load *)item);
	else if (item->kind == MSG_EXTRACTORS)
		on_extractors(daemon, (struct msg_load *)item);
	bool is_gone = item->kind == MSG_RELEASED;

	message_free(item);
	if (is_gone)
		memory_give_back();
}

/* ---- start ---- */

static void on_position(void *ctx, struct slice key, struct slice payload)
{
	log_sources_restore(ctx, key, payload);
}

/*
 * Rules first, then what the storage remembers, then the time: so that nothing is judged before it
 * is known.
 */
static int restore(struct daemon *daemon, struct rule_set *rules, char **why)
{
	struct engine *engine = daemon->engine.engine;
	struct actions *actions = daemon->action.actions;
	struct recorder *recorder = daemon->engine.recorder;

	if (recorder)
		recorder_rules(recorder, daemon->config, recording_rules_hash(rules));
	engine_load(engine, rules);
	while (!daemon->loaded)
		engine_step(engine, START_UNITS);
	actions_configure(actions, daemon->config->actions);
	actions_rules(actions, rules);
	int code = recover(daemon, why);

	if (code)
		return code;
	recorder_mark(recorder, INPUT_RESTORED);
	engine_restore_done(engine);
	engine_positions_each(engine, on_position, daemon->ingest[0].sources);
	actions_restore_done(actions, clock_wall_ms());
	return 0;
}

static int init_threads(struct daemon *daemon, char **why)
{
	int code = store_thread_init(&daemon->store, daemon, why);

	if (code || (code = engine_thread_init(&daemon->engine, daemon, why)) ||
	    (code = action_thread_init(&daemon->action, daemon, why)) ||
	    (code = peer_thread_init(&daemon->peer, daemon)))
		return code;
	uint16_t port = daemon->config->listen_port;

	for (uint32_t i = 0; i < daemon->ningest; i++) {
		code = ingest_thread_init(&daemon->ingest[i], daemon, i, port, why);
		if (code)
			return code;
		port = http_server_port(daemon->ingest[i].server);
	}
	return 0;
}

static int start_threads(struct daemon *daemon)
{
	int code = store_thread_start(&daemon->store);

	if (code || (code = engine_thread_start(&daemon->engine)) ||
	    (code = loop_thread_start(&daemon->action.thread, daemon->action.loop, "action")) ||
	    (code = loop_thread_start(&daemon->peer.thread, daemon->peer.loop, "peer")))
		return code;
	for (uint32_t i = 0; i < daemon->ningest; i++)
		if ((code = loop_thread_start(&daemon->ingest[i].thread, daemon->ingest[i].loop,
					      "ingest")))
			return code;
	return 0;
}

/* What was let in goes all the way: through the engine, back to its sender, and into the journal,
 * which ends last. */
static void stop_threads(struct daemon *daemon)
{
	atomic_store(&daemon->draining, true);
	engine_thread_stop(&daemon->engine);
	store_thread_settle(&daemon->store);
	for (uint32_t i = 0; i < daemon->ningest; i++)
		loop_thread_stop(daemon->ingest[i].thread, daemon->ingest[i].inbox);
	loop_thread_stop(daemon->action.thread, daemon->action.inbox);
	loop_thread_stop(daemon->peer.thread, daemon->peer.inbox);
	store_thread_stop(&daemon->store);
}

static void fini_threads(struct daemon *daemon)
{
	store_thread_fini(&daemon->store);
	for (uint32_t i = 0; i < daemon->ningest; i++)
		ingest_thread_fini(&daemon->ingest[i]);
	action_thread_fini(&daemon->action);
	peer_thread_fini(&daemon->peer);
	engine_thread_fini(&daemon->engine);
	free(daemon->ingest);
}

static void greet(const struct daemon *daemon, const struct rule_set *rules, uint16_t port)
{
	const struct config *config = daemon->config;
	const char *host = strchr(config->listen_host, ':') ? "[%s]" : "%s";
	char address[256];

	snprintf(address, sizeof(address), host[0] == '[' ? "[%s]:%u" : "%s:%u",
		 config->listen_host, port);
	log_info("daemon", "ready", "address=%s groups=%u rules=%u data_dir=%s", address,
		 rules->ngroups, rules->nrules, config->data_dir ? config->data_dir : "none");
	if (!config->data_dir && config->storage.redis)
		log_warn("daemon",
			 "data_dir is none: nothing survives a restart but what Redis holds",
			 "url=%s", log_quote(slice_from(config->storage.url)));
	else if (!config->data_dir)
		log_warn("daemon", "data_dir is none: nothing survives a restart", NULL);
	if (daemon->options->quiet)
		return;
	/* Past stdio: whether this help could be written says nothing about how the daemon ends. */
	if (dprintf(STDOUT_FILENO,
		    "Tocsin listens on http://%s/\n"
		    "To feed it, put this into prometheus.yml and reload Prometheus:\n\n"
		    "remote_write:\n"
		    "- url: http://%s/api/v1/write\n"
		    "  queue_config: {batch_send_deadline: 1s}\n\n",
		    address, address) < 0)
		log_warn("daemon", "cannot write to standard output", NULL);
}

static unsigned ingest_threads(const struct daemon_options *options)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = options->ingest_threads ? options->ingest_threads
		     : cores > 1	     ? (unsigned)cores - 1
					     : 1;

	return n > INGEST_THREADS_MAX ? INGEST_THREADS_MAX : n;
}

/* Is done with what was loaded when all of it is in force. */
static int serve(struct daemon *daemon, struct loaded *loaded)
{
	struct rule_set *rules = loaded->rules;
	char *why = NULL;
	int code = init_threads(daemon, &why);

	if (code == 0)
		code = restore(daemon, rules, &why);
	if (code) {
		log_error("daemon", "cannot start", "error=%s",
			  log_quote(slice_from(why ? why : error_text(code))));
		free(why);
		return EXIT_FAILURE;
	}
	profiles_configure(&daemon->ingest[0], daemon->config, rules);
	atomic_store(&daemon->ready, true);
	code = start_threads(daemon);
	if (code) {
		log_error("daemon", "cannot start a thread", NULL);
		_exit(EXIT_FAILURE); /* half of the threads run: there is no orderly way back */
	}
	uint16_t port = http_server_port(daemon->ingest[0].server);

	greet(daemon, rules, port);
	if (!loaded->is_last_good)
		loaded_keep(loaded, daemon->data_dir);
	loaded_fini(loaded); /* those who use it have it */
	if (daemon->options->ready)
		daemon->options->ready(daemon->options->ready_ctx, port);
	loop_run(daemon->loop);
	atomic_store(&daemon->ready, false);
	stop_threads(daemon);
	return EXIT_SUCCESS;
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = { .options = options, .started_ms = clock_wall_ms() };
	struct loaded loaded;
	int status;

	memory_start();
	memory_stands();
	signal(SIGPIPE, SIG_IGN);
	if (load_first(&daemon, &loaded))
		return EXIT_CONFIG_INVALID;
	daemon.config = config_ref(loaded.config);
	daemon.data_dir = loaded.config->data_dir ? strdup(loaded.config->data_dir) : NULL;
	atomic_store(&daemon.reload_ok, !loaded.is_last_good);
	atomic_store(&daemon.reload_ok_ms, daemon.started_ms);
	daemon.ningest = ingest_threads(options);
	daemon.ingest = calloc(daemon.ningest, sizeof(*daemon.ingest));
	daemon.loop = loop_new();
	daemon.inbox = queue_new(QUEUE_ITEMS_MAX, SIZE_MAX);
	daemon.rw.epoch = &daemon.epoch;
	log_counters_list_init(&daemon.log_counters);
	atomic_store(&daemon.queue_bytes_max, daemon.config->queue_bytes_max);
	atomic_store(&daemon.confirms, daemon.config->storage.confirms);
	if (extractors_init(&daemon.extractors)) {
		log_error("daemon", "cannot start", NULL);
		return EXIT_FAILURE;
	}
	extractors_set(&daemon.extractors, loaded.extractors);
	if (!daemon.ingest || !daemon.loop || !daemon.inbox || hash_key_init(&daemon.rw.key) ||
	    loop_queue_add(daemon.loop, daemon.inbox, on_message, &daemon) ||
	    loop_signal_add(daemon.loop, SIGHUP, on_signal, &daemon) ||
	    loop_signal_add(daemon.loop, SIGTERM, on_signal, &daemon) ||
	    loop_signal_add(daemon.loop, SIGINT, on_signal, &daemon)) {
		log_error("daemon", "cannot start", NULL);
		return EXIT_FAILURE;
	}
	status = serve(&daemon, &loaded);
	loaded_fini(&loaded);
	fini_threads(&daemon);
	log_counters_list_fini(&daemon.log_counters);
	loop_free(daemon.loop);
	queue_discard(daemon.inbox);
	extractors_fini(&daemon.extractors);
	free(daemon.data_dir);
	loaded_fini(&daemon.reload.loaded);
	extractor_set_unref(daemon.reload.before);
	config_unref(daemon.config);
	return status;
}
