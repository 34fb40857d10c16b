#include "web/call.h"

#include <assert.h>
#include <stdlib.h>

#include "web/web_internal.h"

struct call *call_new(void (*run)(struct call *call, void *owner))
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->run = run;
	call->status = 200;
	call->content_type = "application/json";
	arena_init(&call->arena, CALL_BYTES_MAX);
	buf_init(&call->out);
	return call;
}

void call_free(struct call *call)
{
	if (!call)
		return;
	if (call->data_free && call->data)
		call->data_free(call->data);
	buf_fini(&call->out);
	arena_fini(&call->arena);
	free(call);
}

void call_go_on(struct call *call, enum call_owner owner,
		void (*next)(struct call *call, void *owner))
{
	call->next = next;
	call->next_owner = owner;
}

void call_release(struct call *call)
{
	assert(call->is_held);
	call->is_held = false;
	if (!call->is_running)
		call->released(call->released_ctx, call);
}

void call_fail(struct call *call, int status, const char *type, const char *format, ...)
{
	struct buf text;
	va_list args;

	buf_init(&text);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	call->status = status;
	call->content_type = "application/json";
	buf_clear(&call->out);
	envelope_error(&call->out, type, buf_slice(&text));
	buf_fini(&text);
}
