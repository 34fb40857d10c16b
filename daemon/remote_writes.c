#include "daemon/remote_writes.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"

void remote_writes_init(struct remote_writes *list)
{
	*list = (struct remote_writes){ .first = NULL };
	pthread_mutex_init(&list->lock, NULL);
}

static void remote_free(struct remote_write *remote)
{
	rw_shards_free(remote->shards);
	free(remote->name);
	free(remote->url);
	free(remote);
}

void remote_writes_fini(struct remote_writes *list)
{
	while (list->first) {
		struct remote_write *gone = list->first;

		list->first = gone->next;
		remote_free(gone);
	}
	pthread_mutex_destroy(&list->lock);
}

static struct remote_write *remote_find(struct remote_writes *list, const char *name)
{
	for (struct remote_write *each = list->first; each; each = each->next)
		if (strcmp(each->name, name) == 0)
			return each;
	return NULL;
}

static struct remote_write *remote_new(struct loop *loop, struct http_client *http,
				       const struct rw_sender_options *options)
{
	struct remote_write *remote = calloc(1, sizeof(*remote));

	if (!remote)
		return NULL;
	remote->name = slice_dup(slice_from(options->name));
	remote->shards = rw_shards_new(loop, http, options, &remote->counters);
	if (!remote->name || !remote->shards) {
		remote_free(remote);
		return NULL;
	}
	return remote;
}

/* As it is to be from now on; made if it is not there. */
static int remote_set(struct remote_writes *list, struct loop *loop, struct http_client *http,
		      const struct rw_sender_options *options)
{
	struct remote_write *remote = remote_find(list, options->name);

	if (!remote) {
		remote = remote_new(loop, http, options);
		if (!remote)
			return ERR_NOMEM;
		remote->next = list->first;
		list->first = remote;
	} else {
		rw_shards_configure(remote->shards, options);
	}
	remote->is_kept = true;
	free(remote->url);
	remote->url = slice_dup(slice_from(options->url_shown));
	return remote->url ? 0 : ERR_NOMEM;
}

static void remove_others(struct remote_writes *list)
{
	for (struct remote_write **at = &list->first; *at;) {
		struct remote_write *each = *at;

		if (each->is_kept) {
			each->is_kept = false;
			at = &each->next;
			continue;
		}
		if (rw_shards_pending(each->shards))
			log_warn("remote_write",
				 "is not configured any more: what waits is given up",
				 "name=%s pending=%zu", log_quote(slice_from(each->name)),
				 rw_shards_pending(each->shards));
		*at = each->next;
		remote_free(each);
	}
}

int remote_writes_configure(struct remote_writes *list, struct loop *loop, struct http_client *http,
			    const struct remote_write_config *config)
{
	int code = 0;

	pthread_mutex_lock(&list->lock);
	for (size_t i = 0; i < config->n; i++) {
		int one = remote_set(list, loop, http, &config->senders[i]);

		code = one ? one : code;
	}
	remove_others(list);
	pthread_mutex_unlock(&list->lock);
	return code;
}

void remote_writes_add(struct remote_writes *list, const struct rw_sample *samples, size_t n)
{
	for (struct remote_write *each = list->first; each; each = each->next)
		for (size_t i = 0; i < n; i++)
			rw_shards_add(each->shards, samples[i].labels, samples[i].ts_ms,
				      samples[i].bits);
}

static void on_idle(void *ctx)
{
	struct remote_writes *list = ctx;

	if (--list->draining == 0)
		list->idle(list->idle_ctx);
}

void remote_writes_drain(struct remote_writes *list, void (*idle)(void *ctx), void *ctx)
{
	list->idle = idle;
	list->idle_ctx = ctx;
	list->draining = 1; /* until all have been told */
	for (struct remote_write *each = list->first; each; each = each->next) {
		list->draining += rw_shards_count(each->shards);
		rw_shards_drain(each->shards, on_idle, list);
	}
	on_idle(list);
}
