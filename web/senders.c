/* GET /api/tocsin/v1/senders: who sends, what became of it, and how late it comes. */
#include "base/text.h"
#include "web/web_internal.h"

/* Milliseconds, or null. */
static void field_ms(struct json_writer *w, const char *key, int64_t ms)
{
	json_key(w, key);
	if (ms == TIME_NONE)
		json_nil(w);
	else
		json_int(w, ms);
}

static void field_count(struct json_writer *w, const char *key, uint64_t n)
{
	json_field_int(w, key, (int64_t)n);
}

void sender_json(const struct sender *sender, struct json_writer *w)
{
	json_begin_object(w);
	json_field_string(w, "name", slice_from(sender->name));
	field_ms(w, "first", sender->first_ms);
	field_ms(w, "last", sender->last_ms);
	json_field_int(w, "lag", sender->lag_ms);
	json_field_bool(w, "silent", sender->silent);
	field_count(w, "requests", sender->requests);
	field_count(w, "series", sender->series);
	field_count(w, "stored", sender->stored);
	field_count(w, "identical", sender->identical);
	field_count(w, "late", sender->late);
	field_count(w, "ignored", sender->ignored);
	field_count(w, "rejected", sender->rejected);
	json_end_object(w);
}

/* ---- all of them ---- */

static void on_sender(void *ctx, const struct sender *sender)
{
	sender_json(sender, ctx);
}

static void engine_run(struct call *call, void *owner)
{
	const int64_t *query_offset_ms = call->data;
	struct json_writer w;

	envelope_begin(&w, &call->out);
	json_begin_object(&w);
	field_ms(&w, "now", call->now_ms);
	json_field_int(&w, "ruleQueryOffset", *query_offset_ms);
	json_key(&w, "senders");
	json_begin_array(&w);
	engine_senders_each(owner, on_sender, &w);
	json_end_array(&w);
	json_end_object(&w);
	envelope_end(&w);
}

HANDLER(on_senders)
{
	struct call *call = call_new(engine_run);
	int64_t *query_offset_ms = call ? ARENA_NEW(&call->arena, int64_t) : NULL;

	if (query_offset_ms) {
		*query_offset_ms = web->query_offset_ms;
		call->data = query_offset_ms;
	} else {
		call_free(call);
		call = NULL;
	}
	web_send(web, request, CALL_ENGINE, call);
}
