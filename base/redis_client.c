#include "base/redis_client.h"

#include <assert.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

/* What the greeting's answers are known by: not the caller's. */
enum greeting { GREETING_AUTH = 1u << 30, GREETING_SELECT, GREETING_PING };

/*
 * One connection. hiredis frees its context when it sees fit, after the callback that gave it up:
 * so the link outlives the client's interest in it, and ends with the context's clean-up.
 */
struct link {
	struct redis_client *client; /* NULL: given up */
	redisAsyncContext *context;
	struct loop_fd *watch;
	int what; /* being watched for */
	bool in_handler, is_over;
};

struct redis_client {
	struct loop *loop;
	struct redis_endpoint endpoint;
	struct redis_client_sink sink;
	struct link *link; /* NULL: none, and the timer is set for the next try */
	struct loop_timer *timer;
	int64_t retry_ms;
	size_t unanswered;
	bool is_up;
};

void resp_array(struct buf *out, size_t n)
{
	buf_printf(out, "*%zu\r\n", n);
}

void resp_bulk(struct buf *out, struct slice text)
{
	buf_printf(out, "$%zu\r\n", text.len);
	buf_add_slice(out, text);
	buf_add_str(out, "\r\n");
}

/* ---- hiredis' hooks ---- */

static void watch(struct link *link, int add, int remove)
{
	link->what = (link->what | add) & ~remove;
	if (link->watch)
		loop_fd_set(link->watch, link->what);
}

static void add_read(void *ctx)
{
	watch(ctx, LOOP_READ, 0);
}

static void del_read(void *ctx)
{
	watch(ctx, 0, LOOP_READ);
}

static void add_write(void *ctx)
{
	watch(ctx, LOOP_WRITE, 0);
}

static void del_write(void *ctx)
{
	watch(ctx, 0, LOOP_WRITE);
}

/* The context is about to be freed, maybe under the hands of on_fd(); the callbacks that may still
 * come find no link, or the one that on_fd() holds. */
static void on_cleanup(void *ctx)
{
	struct link *link = ctx;

	loop_fd_free(link->watch);
	link->watch = NULL;
	link->is_over = true;
	if (link->in_handler)
		return;
	link->context->data = NULL;
	free(link);
}

static void on_fd(void *ctx, int what)
{
	struct link *link = ctx;

	link->in_handler = true;
	if (what & LOOP_READ)
		redisAsyncHandleRead(link->context);
	if (what & LOOP_WRITE && !link->is_over)
		redisAsyncHandleWrite(link->context);
	link->in_handler = false;
	if (link->is_over)
		free(link);
}

/* ---- losing it ---- */

static void give_up(struct redis_client *client, const char *why, bool free_context)
{
	struct link *link = client->link;
	bool broke = client->is_up && !free_context;

	client->link = NULL;
	client->is_up = false;
	client->unanswered = 0;
	loop_timer_set(client->timer, client->retry_ms);
	client->retry_ms *= 2;
	if (client->retry_ms > REDIS_RETRY_MS_MAX)
		client->retry_ms = REDIS_RETRY_MS_MAX;
	if (link) {
		link->client = NULL;
		if (free_context)
			redisAsyncFree(link->context);
	}
	client->sink.down(client->sink.ctx, why, broke);
}

void redis_client_fail(struct redis_client *client, const char *why)
{
	if (client->link)
		give_up(client, why, true);
}

void redis_client_is_well(struct redis_client *client)
{
	client->retry_ms = REDIS_RETRY_MS_MIN;
}

static void on_connected(const redisAsyncContext *context, int status)
{
	struct link *link = context->data;

	if (status != REDIS_OK && link && link->client)
		give_up(link->client, context->c.errstr, false);
}

static void on_disconnected(const redisAsyncContext *context, int status)
{
	struct link *link = context->data;

	if (link && link->client)
		give_up(link->client,
			status != REDIS_OK && context->c.errstr[0] ? context->c.errstr
								   : "the connection was closed",
			false);
}

/* ---- commands and answers ---- */

static void greeted(struct redis_client *client, unsigned what, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR) {
		redis_client_fail(client, reply->str);
		return;
	}
	if (what != GREETING_PING)
		return;
	client->is_up = true;
	client->sink.up(client->sink.ctx);
}

static void on_answer(redisAsyncContext *context, void *answer, void *privdata)
{
	struct link *link = context->data;
	struct redis_client *client = link ? link->client : NULL;
	unsigned what = (unsigned)(uintptr_t)privdata;

	if (!client || !answer)
		return;
	client->unanswered--;
	if (client->unanswered)
		loop_timer_set(client->timer, client->endpoint.answer_ms);
	else
		loop_timer_clear(client->timer);
	if (what >= GREETING_AUTH)
		greeted(client, what, answer);
	else
		client->sink.answer(client->sink.ctx, what, answer);
}

static int send_command(struct redis_client *client, struct slice command, unsigned what)
{
	if (redisAsyncFormattedCommand(client->link->context, on_answer, (void *)(uintptr_t)what,
				       command.ptr, command.len) != REDIS_OK)
		return ERR_IO;
	if (client->unanswered++ == 0)
		loop_timer_set(client->timer, client->endpoint.answer_ms);
	return 0;
}

int redis_client_send(struct redis_client *client, struct slice command, unsigned what)
{
	assert(client->is_up && what < GREETING_AUTH);
	return send_command(client, command, what);
}

static int greet(struct redis_client *client, const char *name, const char *argument, unsigned what)
{
	struct buf command;

	buf_init(&command);
	resp_array(&command, argument ? 2 : 1);
	resp_bulk(&command, slice_from(name));
	if (argument)
		resp_bulk(&command, slice_from(argument));
	int code = buf_ok(&command) ? send_command(client, buf_slice(&command), what) : ERR_NOMEM;

	buf_fini(&command);
	return code;
}

/* ---- connecting ---- */

static struct link *link_new(struct redis_client *client, redisAsyncContext *context)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	*link = (struct link){ .client = client, .context = context };
	link->watch = loop_fd_new(client->loop, context->c.fd, on_fd, link);
	if (!link->watch) {
		free(link);
		return NULL;
	}
	context->data = context->ev.data = link;
	context->ev.addRead = add_read;
	context->ev.delRead = del_read;
	context->ev.addWrite = add_write;
	context->ev.delWrite = del_write;
	context->ev.cleanup = on_cleanup;
	return link;
}

static void connect_now(struct redis_client *client)
{
	const struct redis_endpoint *endpoint = &client->endpoint;
	redisAsyncContext *context = redisAsyncConnect(endpoint->host, endpoint->port);
	char why[160] = "out of memory", database[16];

	if (!context || context->err || !(client->link = link_new(client, context))) {
		if (context && context->err)
			snprintf(why, sizeof(why), "%s", context->c.errstr);
		if (context)
			redisAsyncFree(context);
		give_up(client, why, false);
		return;
	}
	redisAsyncSetConnectCallback(context, on_connected);
	redisAsyncSetDisconnectCallback(context, on_disconnected);
	snprintf(database, sizeof(database), "%u", endpoint->database);
	/* Sent as soon as the connection stands. */
	if ((endpoint->password && greet(client, "AUTH", endpoint->password, GREETING_AUTH)) ||
	    (endpoint->database && greet(client, "SELECT", database, GREETING_SELECT)) ||
	    greet(client, "PING", NULL, GREETING_PING))
		redis_client_fail(client, why);
}

/* It is time for the next try, or for the answer that did not come. */
static void on_timer(void *ctx)
{
	struct redis_client *client = ctx;

	if (client->link)
		redis_client_fail(client, "no answer");
	else
		connect_now(client);
}

struct redis_client *redis_client_new(struct loop *loop, const struct redis_endpoint *endpoint,
				      const struct redis_client_sink *sink)
{
	struct redis_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	*client = (struct redis_client){
		.loop = loop, .endpoint = *endpoint, .sink = *sink, .retry_ms = REDIS_RETRY_MS_MIN
	};
	if (!client->endpoint.answer_ms)
		client->endpoint.answer_ms = REDIS_ANSWER_MS_MAX;
	client->timer = loop_timer_new(loop, on_timer, client);
	if (client->timer)
		return client;
	free(client);
	return NULL;
}

void redis_client_start(struct redis_client *client)
{
	loop_timer_set(client->timer, 0);
}

void redis_client_free(struct redis_client *client)
{
	if (!client)
		return;
	if (client->link) {
		client->link->client = NULL;
		redisAsyncFree(client->link->context);
	}
	loop_timer_free(client->timer);
	free(client);
}
