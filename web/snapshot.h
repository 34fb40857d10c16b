/*
 * What the engine knows of rules and alerts at a moment, copied out in small pieces, so that a page
 * with thousands of them never holds up a sample; to be rendered on another thread.
 *
 * The rule set is held: rules and their texts stay valid. Should another set come into force while
 * pieces are missing, the snapshot starts over. Otherwise the pieces are as good as of one moment:
 * a rule and its own alerts may differ by an evaluation.
 */
#ifndef TOCSIN_WEB_SNAPSHOT_H
#define TOCSIN_WEB_SNAPSHOT_H

#include "web/call.h"
#include "engine/engine.h"

#define SNAPSHOT_RULES_PIECE 32
#define SNAPSHOT_ALERTS_PIECE 500
#define SNAPSHOT_VISITS_PIECE 4096 /* rules that are only passed by */
#define SNAPSHOT_ALL UINT32_MAX

struct snapshot_alert {
	const struct rule *rule;
	struct alert_view view; /* but for the label sets, which are: */
	struct labels *labels, *expr_labels;
	struct evidence *evidence;   /* NULL: none */
	struct query_results *asked; /* NULL: nothing */
	char silenced_by[40];	     /* a silence's id, or "" */
};

struct snapshot {
	/* in: */
	uint32_t rules_max, alerts_max; /* how many at most: 0 none, SNAPSHOT_ALL */
	/* out: */
	struct rule_set *rules; /* NULL: none in force yet */
	struct rule_status
		*status; /* by rule id, of the first nstatus rules; their `error` is a copy */
	uint32_t nstatus;
	struct group_status *groups;
	struct snapshot_alert *alerts; /* rule by rule, in the order of ids */
	uint32_t nalerts, alerts_cap;
	struct labels *external_labels;
	char *external_url;
	/* its own: */
	uint32_t next_rule, next_alert;
};

struct snapshot *snapshot_new(uint32_t rules_max, uint32_t alerts_max);
void snapshot_free(void *snapshot);
/* Copies the next piece, on the engine's thread. ERR_AGAIN: more is missing; ERR_NOMEM. */
int snapshot_step(struct snapshot *snapshot, struct engine *engine);
/* Where the alerts of a rule begin; they end where another rule's do. */
uint32_t snapshot_alerts_of(const struct snapshot *snapshot, uint32_t rule_id);
/* The annotations of an alert as they are with its value, or NULL. To unref. */
struct labels *snapshot_annotations(const struct snapshot *snapshot,
				    const struct snapshot_alert *alert);
/* An alert's labels as notifications have them: with the external ones (NULL: none) where it has
 * none of that name. To unref; NULL: no memory. */
struct labels *labels_with_external(struct labels *labels, const struct labels *external);
/* The same of an alert of a snapshot. */
struct labels *snapshot_full_labels(const struct snapshot *snapshot,
				    const struct snapshot_alert *alert);

#endif
