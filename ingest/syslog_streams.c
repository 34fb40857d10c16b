#include "ingest/syslog_streams.h"

#include <stdlib.h>

#include "base/error.h"

/* Facility and severity alone have 192 combinations, which always find room. */
#define SLOTS (4 * SYSLOG_STREAMS_MAX)
#define RENEW_MS (3600 * 1000)

int syslog_streams_init(struct syslog_streams *streams, struct labels *own)
{
	*streams = (struct syslog_streams){ .own = own };
	streams->slots = calloc(SLOTS, sizeof(*streams->slots));
	return streams->slots && hash_key_init(&streams->key) == 0 ? 0 : ERR_NOMEM;
}

static void clear(struct syslog_streams *streams)
{
	for (size_t i = 0; streams->slots && i < SLOTS; i++) {
		labels_unref(streams->slots[i].labels);
		streams->slots[i].labels = NULL;
	}
	streams->n = 0;
}

void syslog_streams_fini(struct syslog_streams *streams)
{
	clear(streams);
	free(streams->slots);
}

static uint64_t hash_of(const struct syslog_streams *streams, const struct syslog_message *m,
			bool whole)
{
	char bytes[SYSLOG_HOSTNAME_MAX + SYSLOG_APP_NAME_MAX + 4];
	size_t n = 0;

	bytes[n++] = (char)m->facility;
	bytes[n++] = (char)m->severity;
	bytes[n++] = (char)whole;
	if (whole) {
		memcpy(bytes + n, m->hostname.ptr, m->hostname.len);
		n += m->hostname.len;
		bytes[n++] = '\0';
		memcpy(bytes + n, m->app_name.ptr, m->app_name.len);
		n += m->app_name.len;
	}
	return hash_keyed64(&streams->key, bytes, n);
}

/* The slot of the hash, or the free one where it would stand; a quarter at most is in use. */
static struct syslog_stream *slot_find(const struct syslog_streams *streams, uint64_t hash)
{
	size_t at = hash & (SLOTS - 1);

	while (streams->slots[at].labels && streams->slots[at].hash != hash)
		at = (at + 1) & (SLOTS - 1);
	return &streams->slots[at];
}

static void set_unless_own(struct labels_builder *builder, const struct labels *own,
			   const char *name, struct slice value)
{
	if (labels_get(own, slice_from(name)).len == 0)
		labels_builder_set(builder, slice_from(name), value);
}

static struct labels *labels_of(const struct syslog_streams *streams,
				const struct syslog_message *m, bool whole)
{
	struct labels_builder builder;
	struct labels *labels = NULL;

	labels_builder_init(&builder);
	labels_builder_add_all(&builder, streams->own);
	set_unless_own(&builder, streams->own, "facility",
		       slice_from(syslog_facility_name(m->facility)));
	set_unless_own(&builder, streams->own, "severity",
		       slice_from(syslog_severity_name(m->severity)));
	if (whole) {
		set_unless_own(&builder, streams->own, "hostname", m->hostname);
		set_unless_own(&builder, streams->own, "app_name", m->app_name);
	}
	if (labels_builder_take(&builder, &labels, NULL))
		labels = NULL;
	labels_builder_fini(&builder);
	return labels;
}

struct labels *syslog_streams_get(struct syslog_streams *streams,
				  const struct syslog_message *message, int64_t now_ms, bool *whole)
{
	*whole = true;
	uint64_t hash = hash_of(streams, message, true);
	struct syslog_stream *slot = slot_find(streams, hash);

	if (!slot->labels && streams->n >= SYSLOG_STREAMS_MAX &&
	    (now_ms - streams->since_ms >= RENEW_MS || now_ms < streams->since_ms)) {
		clear(streams);
		slot = slot_find(streams, hash);
	}
	if (!slot->labels && streams->n >= SYSLOG_STREAMS_MAX) {
		*whole = false;
		hash = hash_of(streams, message, false);
		slot = slot_find(streams, hash);
	}
	if (slot->labels)
		return slot->labels;
	if (streams->n == 0)
		streams->since_ms = now_ms;
	slot->labels = labels_of(streams, message, *whole);
	slot->hash = hash;
	streams->n += slot->labels != NULL;
	return slot->labels;
}
