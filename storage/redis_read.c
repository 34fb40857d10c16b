/* The log in Redis at the start: taking it over, and reading what it holds. This waits for Redis.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "storage/redis_internal.h"

#define CONNECT_S 3
#define ANSWER_S 10
#define CLAIM_TRIES_MAX 10 /* somebody else may want it at the same time */
/* Entries asked for at a time: a megabyte or a few of blocks. */
#define READ_ENTRIES 64
#define LOOK_BACK_ENTRIES 16

/* ---- what entries look like ---- */

void redis_place_text(struct redis_place place, char text[REDIS_PLACE_BYTES])
{
	snprintf(text, REDIS_PLACE_BYTES, "%llu-%llu", (unsigned long long)place.epoch,
		 (unsigned long long)place.seq);
}

static bool parse_u64(struct slice text, uint64_t *out)
{
	uint64_t n = 0;

	if (text.len == 0 || text.len > 19)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	*out = n;
	return true;
}

int redis_place_parse(struct slice text, struct redis_place *out)
{
	const char *dash = text.len ? memchr(text.ptr, '-', text.len) : NULL;
	struct redis_place place;

	if (!dash)
		return ERR_CORRUPT;
	size_t at = (size_t)(dash - text.ptr);

	if (!parse_u64((struct slice){ text.ptr, at }, &place.epoch) ||
	    !parse_u64((struct slice){ dash + 1, text.len - at - 1 }, &place.seq))
		return ERR_CORRUPT;
	*out = place;
	return 0;
}

static bool is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

static struct slice text_of(const redisReply *reply)
{
	return (struct slice){ reply->str, reply->len };
}

int redis_entry_read(const struct redisReply *reply, struct redis_entry *out)
{
	*out = (struct redis_entry){ 0 };
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    !is_text(reply->element[0]) || reply->element[1]->type != REDIS_REPLY_ARRAY ||
	    redis_place_parse(text_of(reply->element[0]), &out->place))
		return ERR_CORRUPT;
	const redisReply *fields = reply->element[1];

	for (size_t i = 0; i + 1 < fields->elements; i += 2) {
		if (!is_text(fields->element[i]) || !is_text(fields->element[i + 1]))
			return ERR_CORRUPT;
		struct slice name = text_of(fields->element[i]),
			     value = text_of(fields->element[i + 1]);

		if (slice_is(name, "b"))
			out->block = value;
		else if (slice_is(name, "k"))
			out->complete = value;
		else if (slice_is(name, "o"))
			out->owner = value;
	}
	return 0;
}

int redis_newest_read(const struct redisReply *reply, struct redis_place *out)
{
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *value = reply->element[i + 1];

		if (is_text(name) && slice_is(text_of(name), "last-generated-id") && is_text(value))
			return redis_place_parse(text_of(value), out);
	}
	return ERR_CORRUPT;
}

int redis_format_check(const struct redis_log *log, struct slice text, char why[REDIS_ERROR_BYTES])
{
	struct slice prefix = SLICE(REDIS_FORMAT_TEXT);
	uint64_t version;

	if (text.len <= prefix.len || memcmp(text.ptr, prefix.ptr, prefix.len) != 0 ||
	    !parse_u64((struct slice){ text.ptr + prefix.len, text.len - prefix.len }, &version)) {
		snprintf(
			why, REDIS_ERROR_BYTES,
			"\"%s\" is not what Tocsin writes there; choose another storage.key_prefix",
			log->format_key);
		return ERR_CORRUPT;
	}
	if (version <= REDIS_FORMAT_VERSION)
		return 0;
	snprintf(why, REDIS_ERROR_BYTES,
		 "\"%s\" has format %llu; this Tocsin reads up to %d: use a newer one",
		 log->format_key, (unsigned long long)version, REDIS_FORMAT_VERSION);
	return ERR_UNSUPPORTED;
}

/* ---- asking ---- */

static void explain(const struct redis_log *log, char **why, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* With the address in front. */
static void explain(const struct redis_log *log, char **why, const char *format, ...)
{
	const struct redis_endpoint *endpoint = &log->options.endpoint;
	char text[REDIS_ERROR_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (asprintf(why, "Redis at %s:%u: %s", endpoint->host, endpoint->port, text) < 0)
		*why = NULL;
}

bool redis_is_id_refused(const char *error)
{
	return strstr(error, "equal or smaller") != NULL;
}

/* It says itself that this passes. */
static bool is_passing(const char *error)
{
	return strncmp(error, "LOADING", 7) == 0 || strncmp(error, "BUSY ", 5) == 0;
}

/* An answer (NULL: there was none) that is no error, to be freed; else NULL with *code and *why. */
static redisReply *check_answer(struct redis_log *log, redisReply *reply, int *code, char **why)
{
	if (!reply) {
		explain(log, why, "%s",
			log->sync->err == REDIS_ERR_IO && errno == EAGAIN ? "no answer"
									  : log->sync->errstr);
		*code = ERR_IO;
		return NULL;
	}
	if (reply->type != REDIS_REPLY_ERROR)
		return reply;
	*code = is_passing(reply->str) ? ERR_AGAIN : ERR_INVALID;
	explain(log, why, "%s", reply->str);
	freeReplyObject(reply);
	return NULL;
}

static redisReply *ask(struct redis_log *log, int *code, char **why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	redisReply *reply = redisvCommand(log->sync, format, args);
	va_end(args);
	return check_answer(log, reply, code, why);
}

/* The same, of which only matters that there is one. */
static int tell(struct redis_log *log, char **why, const char *word, const char *argument)
{
	int code = 0;
	redisReply *reply = ask(log, &code, why, "%s %s", word, argument);

	if (reply)
		freeReplyObject(reply);
	return code;
}

/* A list of entries. */
static redisReply *ask_entries(struct redis_log *log, int *code, char **why, const char *command,
			       const char *from, const char *to, int count)
{
	redisReply *reply =
		ask(log, code, why, "%s %s %s %s COUNT %d", command, log->log_key, from, to, count);

	if (!reply || reply->type == REDIS_REPLY_ARRAY)
		return reply;
	freeReplyObject(reply);
	*code = ERR_IO;
	explain(log, why, "the answer to %s makes no sense", command);
	return NULL;
}

static int read_entry(const struct redis_log *log, const redisReply *reply, struct redis_entry *out,
		      char **why)
{
	int code = redis_entry_read(reply, out);

	if (code)
		explain(log, why,
			"\"%s\" holds what Tocsin does not write; choose another "
			"storage.key_prefix",
			log->log_key);
	return code;
}

static int connect_sync(struct redis_log *log, char **why)
{
	const struct redis_endpoint *endpoint = &log->options.endpoint;
	char database[16];
	int code = 0;

	if (log->sync)
		redisFree(log->sync);
	log->sync = redisConnectWithTimeout(endpoint->host, endpoint->port,
					    (struct timeval){ .tv_sec = CONNECT_S });
	if (!log->sync)
		return ERR_NOMEM;
	if (log->sync->err) {
		explain(log, why, "%s", log->sync->errstr);
		return ERR_IO;
	}
	redisSetTimeout(log->sync, (struct timeval){ .tv_sec = ANSWER_S });
	snprintf(database, sizeof(database), "%u", endpoint->database);
	if (endpoint->password && (code = tell(log, why, "AUTH", endpoint->password)))
		return code;
	return endpoint->database ? tell(log, why, "SELECT", database) : 0;
}

/* NOMKSTREAM, MINID and open ranges came with 6.2. Who may not ask for the version is believed. */
static int check_version(struct redis_log *log, char **why)
{
	int code = 0;
	unsigned major, minor;
	redisReply *reply = ask(log, &code, why, "INFO server");

	if (!reply) {
		free(*why);
		*why = NULL;
		return 0;
	}
	const char *line = is_text(reply) ? strstr(reply->str, "redis_version:") : NULL;

	if (line && sscanf(line, "redis_version:%u.%u", &major, &minor) == 2 &&
	    (major < 6 || (major == 6 && minor < 2))) {
		explain(log, why, "version %u.%u is too old: 6.2 or newer is needed", major, minor);
		code = ERR_UNSUPPORTED;
	}
	freeReplyObject(reply);
	return code;
}

static int check_format(struct redis_log *log, char **why)
{
	char text[REDIS_ERROR_BYTES];
	int code = 0;
	redisReply *reply = ask(log, &code, why, "GET %s", log->format_key);

	if (!reply)
		return code;
	if (is_text(reply) && (code = redis_format_check(log, text_of(reply), text)))
		explain(log, why, "%s", text);
	freeReplyObject(reply);
	return code;
}

/* ---- taking over ---- */

static int find_last(struct redis_log *log, struct redis_place *out, char **why)
{
	struct redis_entry entry = { 0 };
	int code = 0;
	redisReply *reply = ask_entries(log, &code, why, "XREVRANGE", "+", "-", 1);

	if (!reply)
		return code;
	if (reply->elements)
		code = read_entry(log, reply->element[0], &entry, why);
	*out = entry.place;
	freeReplyObject(reply);
	return code;
}

/* The newest epoch that the stream knows of, though its entries may be deleted. 0: not told. */
static uint64_t newest_epoch(struct redis_log *log)
{
	struct redis_place newest = { 0 };
	int code = 0;
	char *why = NULL;
	redisReply *reply = ask(log, &code, &why, "XINFO STREAM %s", log->log_key);

	if (reply) {
		redis_newest_read(reply, &newest);
		freeReplyObject(reply);
	}
	free(why);
	return newest.epoch;
}

/* An epoch above that of the last entry, and above this one. ERR_CONFLICT: not above all. */
static int try_claim(struct redis_log *log, uint64_t above, char **why)
{
	struct redis_place last;
	char id[REDIS_PLACE_BYTES], format[32];
	int code = find_last(log, &last, why);

	if (code)
		return code;
	log->epoch = (last.epoch > above ? last.epoch : above) + 1;
	redis_place_text((struct redis_place){ log->epoch, 0 }, id);
	snprintf(format, sizeof(format), REDIS_FORMAT_TEXT "%d", REDIS_FORMAT_VERSION);
	redisReply *reply = ask(log, &code, why, "SET %s %s", log->format_key, format);

	if (!reply)
		return code;
	freeReplyObject(reply);
	reply = ask(log, &code, why, "XADD %s %s o %s", log->log_key, id, log->options.owner);
	if (reply)
		freeReplyObject(reply);
	else if (*why && redis_is_id_refused(*why))
		code = ERR_CONFLICT;
	return code;
}

/* Somebody may have been faster; or entries were deleted by hand, of which Redis keeps the ids. */
static int claim(struct redis_log *log, char **why)
{
	int code = try_claim(log, 0, why);

	for (int i = 1; i < CLAIM_TRIES_MAX && code == ERR_CONFLICT; i++) {
		free(*why);
		*why = NULL;
		code = try_claim(log, newest_epoch(log), why);
	}
	log->is_claimed = code == 0;
	if (code != ERR_CONFLICT)
		return code;
	free(*why);
	*why = NULL;
	explain(log, why, "\"%s\" takes no entry after its last one: " REDIS_DELETED_HINT,
		log->log_key);
	return ERR_INVALID;
}

/* Is the entry with which the state begins still there? */
static int find_base(struct redis_log *log, bool *found, char **why)
{
	char id[REDIS_PLACE_BYTES];
	int code = 0;

	redis_place_text(log->base, id);
	redisReply *reply = ask_entries(log, &code, why, "XRANGE", id, id, 1);

	if (!reply)
		return code;
	*found = reply->elements == 1;
	freeReplyObject(reply);
	return 0;
}

/* The newest block that has a k, looking back from our claim. */
static int find_state(struct redis_log *log, char **why)
{
	struct redis_place at = { log->epoch, 0 };
	bool is_last = true;
	int code = 0;

	while (code == 0) {
		char id[REDIS_PLACE_BYTES], to[REDIS_PLACE_BYTES + 1];

		redis_place_text(at, id);
		snprintf(to, sizeof(to), "(%s", id);
		redisReply *reply =
			ask_entries(log, &code, why, "XREVRANGE", to, "-", LOOK_BACK_ENTRIES);

		if (!reply)
			return code;
		size_t n = reply->elements;
		struct redis_entry entry = { 0 };

		for (size_t i = 0; i < n && code == 0 && !entry.complete.ptr; i++) {
			code = read_entry(log, reply->element[i], &entry, why);
			at = entry.place;
			is_last &= !code && (entry.owner.ptr || entry.complete.ptr);
		}
		bool found = code == 0 && entry.complete.ptr &&
			     redis_place_parse(entry.complete, &log->base) == 0;

		freeReplyObject(reply);
		if (found) {
			log->state = at;
			log->is_state_last = is_last;
			return 0;
		}
		if (n == 0)
			return code;
	}
	return code;
}

int redis_log_take(struct redis_log *log, struct redis_place *state, char **why)
{
	bool found = false;

	*why = NULL;
	int code = connect_sync(log, why);

	log->state = (struct redis_place){ 0 };
	if (code || (code = check_version(log, why)) || (code = check_format(log, why)) ||
	    (code = claim(log, why)) || (code = find_state(log, why)))
		return code;
	if (log->state.epoch && (code = find_base(log, &found, why)))
		return code;
	if (!found)
		log->state.epoch = 0;
	*state = log->state;
	return 0;
}

/* ---- reading ---- */

struct replay {
	struct redis_log *log;
	void (*fn)(void *ctx, enum record_type type, struct slice payload);
	void *ctx;
	struct redis_replay_stats *stats;
	struct redis_place last;
	struct redis_place asked; /* the entries after this one were sent for */
};

static int replay_block(struct replay *replay, struct slice rest, char **why)
{
	while (rest.len > 0) {
		enum record_type type;
		struct slice payload;
		size_t used;
		int code = record_decode(rest, &type, &payload, &used);

		if (code == ERR_UNSUPPORTED) {
			explain(replay->log, why,
				"\"%s\" was written by a newer Tocsin: use that one",
				replay->log->log_key);
			return code;
		}
		if (code) {
			replay->stats->skipped += rest.len;
			return 0;
		}
		replay->fn(replay->ctx, type, payload);
		replay->stats->records++;
		rest.ptr += used;
		rest.len -= used;
	}
	return 0;
}

/* Does this entry follow the one before? */
static bool is_next(const struct replay *replay, const struct redis_entry *entry)
{
	struct redis_place last = replay->last, place = entry->place;

	if (!last.epoch || place.epoch != last.epoch)
		return !last.epoch || place.seq == 0;
	return place.seq == last.seq + 1;
}

static int replay_entries(struct replay *replay, const redisReply *reply, char **why)
{
	int code = 0;

	for (size_t i = 0; i < reply->elements && code == 0; i++) {
		struct redis_entry entry;

		if ((code = read_entry(replay->log, reply->element[i], &entry, why)))
			return code;
		if (!is_next(replay, &entry)) {
			replay->stats->skipped++;
			return ERR_NOT_FOUND;
		}
		replay->last = entry.place;
		replay->stats->blocks++;
		replay->stats->bytes += entry.block.len;
		code = replay_block(replay, entry.block, why);
	}
	return code;
}

/* Sends for the next entries. */
static int send_for(struct replay *replay, char **why)
{
	struct redis_log *log = replay->log;
	char from[REDIS_PLACE_BYTES + 1] = "(", to[REDIS_PLACE_BYTES];
	bool is_first = replay->asked.epoch == 0;
	int done = 0;

	redis_place_text(is_first ? log->base : replay->asked, is_first ? from : from + 1);
	redis_place_text(log->state, to);
	int status = redisAppendCommand(log->sync, "XRANGE %s %s %s COUNT %d", log->log_key, from,
					to, READ_ENTRIES);

	while (status == REDIS_OK && !done)
		status = redisBufferWrite(log->sync, &done);
	if (status == REDIS_OK)
		return 0;
	explain(log, why, "%s", log->sync->errstr);
	return ERR_IO;
}

/*
 * Takes the entries that were sent for, and sends for those after them at once: Redis collects them
 * while these are read. *more: it did.
 */
static int replay_page(struct replay *replay, bool *more, char **why)
{
	int code = 0;
	void *answer;

	if (redisGetReply(replay->log->sync, &answer) != REDIS_OK)
		answer = NULL;
	redisReply *reply = check_answer(replay->log, answer, &code, why);

	if (!reply)
		return code;
	if (reply->type != REDIS_REPLY_ARRAY)
		code = ERR_CORRUPT;
	*more = code == 0 && reply->elements == READ_ENTRIES;
	if (*more) {
		struct redis_entry last;

		code = read_entry(replay->log, reply->element[READ_ENTRIES - 1], &last, why);
		replay->asked = last.place;
		if (code == 0)
			code = send_for(replay, why);
	}
	if (code == 0)
		code = replay_entries(replay, reply, why);
	freeReplyObject(reply);
	return code;
}

int redis_log_replay(struct redis_log *log,
		     void (*fn)(void *ctx, enum record_type type, struct slice payload), void *ctx,
		     struct redis_replay_stats *stats, char **why)
{
	struct replay replay = { .log = log, .fn = fn, .ctx = ctx, .stats = stats };
	bool more = true;

	*stats = (struct redis_replay_stats){ 0 };
	int code = send_for(&replay, why);

	while (code == 0 && more)
		code = replay_page(&replay, &more, why);
	/* What cannot be read is told, and not built upon: a checkpoint follows. */
	if (stats->skipped)
		log->is_state_last = false;
	return code == ERR_NOT_FOUND ? 0 : code;
}
