/*
 * An alert's change of state: what the engine tells the rest of the world, and what the journal
 * holds.
 *
 * Self-contained: labels as blobs, the rule by name; usable on any thread.
 */
#ifndef TOCSIN_ENGINE_ALERT_EVENT_H
#define TOCSIN_ENGINE_ALERT_EVENT_H

#include "base/buf.h"
#include "base/labels.h"
#include "base/queue.h"
#include "engine/evidence.h"
#include "rules/rule_file.h"

#define ALERT_STATE_LIST(X)                                                                        \
	X(ALERT_INACTIVE, "inactive")                                                              \
	X(ALERT_PENDING, "pending")                                                                \
	X(ALERT_FIRING, "firing")

enum alert_state {
#define X(id, text) id,
	ALERT_STATE_LIST(X)
#undef X
};
const char *alert_state_text(enum alert_state state);

/* Why an alert stays as it is although its expression does not hold. */
enum alert_hold {
	ALERT_NOT_HELD,
	ALERT_HELD_SILENT,     /* its sender is silent */
	ALERT_HELD_UNRESOLVED, /* resolve_when does not match */
};
/* "", "sender silent", "resolve_when" */
const char *alert_hold_text(enum alert_hold hold);

enum alert_reason {
	ALERT_REASON_NONE,
	ALERT_REASON_RULE_REMOVED,
	ALERT_REASON_LIMIT, /* the group's limit was exceeded: all alerts of the rule are dropped */
	ALERT_REASON_RESTORED, /* known from before a restart, told again so that all agree */
	ALERT_REASON_REFRESH,  /* no change: value and annotations as they are now */
	ALERT_REASON_NO_DATA,  /* resolve_when had nothing to go by for the lookback */
};
const char *alert_reason_text(enum alert_reason reason);

struct alert_event {
	struct queue_item item;
	/*
	 * INACTIVE after FIRING is a resolution; so is PENDING after FIRING for who was told (`for`
	 * was raised by a reload). An alert without `for` goes from PENDING to FIRING in one event.
	 * Equal: nothing changed (REFRESH, RESTORED).
	 */
	enum alert_state from, state;
	enum alert_reason reason;
	struct labels *labels;	    /* the alert's identity, alertname included */
	struct labels *expr_labels; /* of the expression's result, metric name included: templates
				       and targets */
	double value;
	int64_t at_ms;		   /* evaluation time of the change */
	int64_t active_at_ms;	   /* pending since */
	int64_t fired_at_ms;	   /* TIME_NONE while pending */
	int64_t resolved_at_ms;	   /* TIME_NONE while active */
	int64_t keep_since_ms;	   /* keep_firing_for runs since; TIME_NONE */
	int64_t no_data_since_ms;  /* resolve_when has no data since; TIME_NONE */
	char *file, *group, *rule; /* the rule by name */
	struct rule_set
		*rules; /* a reference, with the rule's id; NULL when read back from the journal */
	uint32_t rule_id;
	bool settled; /* the rule has run warm for max(for, 2 intervals) since load or start:
			 runbooks may act */
	enum alert_hold hold;
	struct evidence *evidence;   /* a reference, of when it began to fire; NULL: none */
	struct query_results *asked; /* a reference, what annotations asked for; NULL: nothing */
};

struct alert_event *alert_event_new(void);
void alert_event_free(struct alert_event *event);
/* The rule of this id in a set that may be NULL, or NULL. */
const struct rule *alert_rule_of(const struct rule_set *set, uint32_t rule_id);
/* The rule in the event's set, or NULL. */
const struct rule *alert_event_rule(const struct alert_event *event);
/* What an older version wrote, without evidence or without what was asked for, is read too. */
void alert_event_encode(const struct alert_event *event, struct buf *out);
/* ERR_CORRUPT, ERR_NOMEM. `rules` is NULL then. */
int alert_event_decode(struct slice bytes, struct alert_event **out);

#endif
