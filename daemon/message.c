/* What every thread does with messages alike. */
#include <stdlib.h>

#include "daemon/threads.h"

#include "base/log.h"

void queue_push_signal(struct queue *queue, enum message_kind kind)
{
	struct queue_item *item = calloc(1, sizeof(*item));

	if (!item) {
		log_error("daemon", "out of memory", NULL);
		abort();
	}
	item->kind = kind;
	queue_push(queue, item, true);
}

int call_send(struct daemon *daemon, struct call *call, enum call_owner owner, bool force)
{
	struct queue *inbox = owner == CALL_ENGINE     ? daemon->engine.inbox
			      : owner == CALL_PROFILES ? daemon->ingest[0].inbox
						       : daemon->action.inbox;

	call->item.kind = owner == CALL_PROFILES ? MSG_PROFILE_CALL : MSG_CALL;
	return queue_push(inbox, &call->item, force);
}

void call_forward(struct daemon *daemon, struct call *call)
{
	if (call->next) {
		call->run = call->next;
		call->next = NULL;
		call_send(daemon, call, call->next_owner, true);
		return;
	}
	call->item.kind = MSG_CALL;
	queue_push(daemon->ingest[call->thread].inbox, &call->item, true);
}

static void load_free(struct msg_load *msg)
{
	config_unref(msg->config);
	extractor_set_unref(msg->extractors);
	rule_set_unref(msg->rules);
	free(msg);
}

static void written_free(struct msg_written *msg)
{
	for (size_t i = 0; i < msg->n; i++)
		labels_unref(msg->samples[i].labels);
	free(msg);
}

static void history_free_msg(struct msg_history *msg)
{
	free(msg->text);
	free(msg);
}

void message_free(struct queue_item *item)
{
	switch ((enum message_kind)item->kind) {
	case MSG_BATCH:
		batch_free((struct batch *)item);
		return;
	case MSG_QUERY:
		engine_query_free((struct engine_query *)item);
		return;
	case MSG_PROFILES:
	case MSG_PROFILES_REFUSED:
		profiles_msg_free((struct profiles_msg *)item);
		return;
	case MSG_CALL:
	case MSG_PROFILE_CALL:
		call_free((struct call *)item);
		return;
	case MSG_EVENT:
		alert_event_free((struct alert_event *)item);
		return;
	case MSG_LOAD:
	case MSG_LOADED:
	case MSG_RELEASED:
	case MSG_CONFIG:
	case MSG_EXTRACTORS:
		load_free((struct msg_load *)item);
		return;
	case MSG_HISTORY:
		history_free_msg((struct msg_history *)item);
		return;
	case MSG_WRITTEN:
		written_free((struct msg_written *)item);
		return;
	default:
		free(item);
	}
}

void queue_discard(struct queue *queue)
{
	if (!queue)
		return;
	for (struct queue_item *item = queue_take_all(queue), *next; item; item = next) {
		next = item->next;
		message_free(item);
	}
	queue_free(queue);
}
