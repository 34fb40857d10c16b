/* Alertmanager's webhook payload, version 4. */
#include "actions/actions_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#define TIME_ZERO "0001-01-01T00:00:00Z"

static void write_alert(struct json_writer *w, const struct active_alert *alert)
{
	char fingerprint[20];
	bool firing = alert->ends_ms == TIME_NONE;

	snprintf(fingerprint, sizeof(fingerprint), "%016llx",
		 (unsigned long long)alert->fingerprint);
	json_begin_object(w);
	json_field_string(w, "status", firing ? SLICE("firing") : SLICE("resolved"));
	json_field_labels(w, "labels", alert->labels);
	json_field_labels(w, "annotations", alert->annotations);
	json_field_time(w, "startsAt", alert->starts_ms);
	if (firing)
		json_field_string(w, "endsAt", SLICE(TIME_ZERO));
	else
		json_field_time(w, "endsAt", alert->ends_ms);
	json_field_string(w, "generatorURL",
			  slice_from(alert->generator_url ? alert->generator_url : ""));
	json_field_string(w, "fingerprint", slice_from(fingerprint));
	/* Ours: receivers that do not know them pass them over. */
	if (alert->end_reason != ALERT_REASON_NONE)
		json_field_string(w, "resolveReason",
				  slice_from(alert_reason_text(alert->end_reason)));
	if (!evidence_is_empty(alert->evidence)) {
		json_key(w, "evidence");
		evidence_json(alert->evidence, w);
	}
	json_end_object(w);
}

enum which { LABELS, ANNOTATIONS };

static const struct labels *of(const struct active_alert *alert, enum which which)
{
	return which == LABELS ? alert->labels : alert->annotations;
}

/* The pairs that all alerts have. */
static void field_common(struct json_writer *w, const char *key, struct active_alert *const *alerts,
			 uint32_t n, enum which which)
{
	const struct labels *first = n ? of(alerts[0], which) : NULL;

	json_key(w, key);
	json_begin_object(w);
	for (size_t i = 0; first && i < labels_count(first); i++) {
		struct label label = labels_at(first, i);
		uint32_t k = 1;

		while (k < n && of(alerts[k], which) &&
		       slice_is_equal(labels_get(of(alerts[k], which), label.name), label.value))
			k++;
		if (k < n)
			continue;
		json_key_slice(w, label.name);
		json_str(w, label.value);
	}
	json_end_object(w);
}

int payload_make(const struct actions *actions, const struct group *group,
		 const struct receiver *receiver, struct active_alert *const *alerts, uint32_t n,
		 uint32_t truncated, const char *reason, char **out, size_t *len)
{
	struct json_writer w;
	struct buf buf;
	bool firing = false;

	for (uint32_t i = 0; i < n; i++) {
		firing = firing || alerts[i]->ends_ms == TIME_NONE;
		alert_describe(actions, alerts[i]);
	}
	buf_init(&buf);
	json_writer_init(&w, &buf);
	json_begin_object(&w);
	json_field_string(&w, "receiver", receiver->name);
	json_field_string(&w, "status", firing ? SLICE("firing") : SLICE("resolved"));
	json_key(&w, "alerts");
	json_begin_array(&w);
	for (uint32_t i = 0; i < n; i++)
		write_alert(&w, alerts[i]);
	json_end_array(&w);
	json_field_string(&w, "notification_reason", slice_from(reason));
	json_field_labels(&w, "groupLabels", group->labels);
	field_common(&w, "commonLabels", alerts, n, LABELS);
	field_common(&w, "commonAnnotations", alerts, n, ANNOTATIONS);
	json_field_string(&w, "externalURL", slice_from(actions->config->external_url));
	json_field_string(&w, "version", SLICE("4"));
	json_field_string(&w, "groupKey", slice_from(group->key));
	json_field_int(&w, "truncatedAlerts", truncated);
	json_end_object(&w);
	*len = buf.len;
	*out = buf_take(&buf);
	return *out ? 0 : ERR_NOMEM;
}
