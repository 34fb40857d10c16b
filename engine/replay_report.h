/*
 * What a replay comes to: for each alert its spells, from pending over firing to its end; for each
 * rule how often, how long, and how noisy.
 */
#ifndef TOCSIN_ENGINE_REPLAY_REPORT_H
#define TOCSIN_ENGINE_REPLAY_REPORT_H

#include "engine/alert_event.h"

#define REPLAY_ALERTS_MAX 1000000u	/* label sets; what further ones do is counted only */
#define REPLAY_SPELLS_MAX 10000000u	/* likewise */
#define REPLAY_FLAP_MS (10 * 60 * 1000) /* firing again so soon after its end is a flap */

#define REPLAY_CHANGE_LIST(X)                                                                      \
	X(REPLAY_NOTHING, "")                                                                      \
	X(REPLAY_PENDING, "pending")                                                               \
	X(REPLAY_FIRING, "firing")                                                                 \
	X(REPLAY_HELD, "held") /* kept firing: keep_firing_for, resolve_when, a silent sender */   \
	X(REPLAY_RELEASED, "released") /* its expression holds again */                            \
	X(REPLAY_RESOLVED, "resolved")                                                             \
	X(REPLAY_INACTIVE, "inactive") /* pending, and came to nothing */

enum replay_change {
#define X(id, text) id,
	REPLAY_CHANGE_LIST(X)
#undef X
};
const char *replay_change_text(enum replay_change change);

#define REPLAY_NONE UINT32_MAX

struct replay_spell {
	uint32_t alert, next;	      /* next: of the same alert, REPLAY_NONE */
	int64_t pending_ms, fired_ms; /* fired_ms TIME_NONE: it never fired */
	int64_t ended_ms;	      /* TIME_NONE: it goes on */
	int64_t held_ms;	      /* so long of that it was held */
	double value;		      /* when it fired, else when it was pending */
};

struct replay_alert {
	uint32_t rule_id;
	struct labels *labels;
	uint32_t first, last; /* spells; REPLAY_NONE */
	enum alert_state state;
	int64_t held_since_ms; /* TIME_NONE: not held */
	bool unconfirmed;      /* since another session began nothing was told of it */
};

struct replay_rule {
	const struct rule *def;
	const struct rule_group *group;
	uint32_t alerts, fired, only_pending, flaps;
	uint32_t going_on;	       /* firing at the end */
	int64_t firing_ms;	       /* while at least one of its alerts was */
	int64_t median_ms, longest_ms; /* of its spells; 0 without one */
	int64_t held_ms;	       /* of all its spells */
};

struct replay_report {
	struct rule_set *set;
	int64_t from_ms, to_ms, flap_ms;
	int64_t session_ms;	   /* when the newest session began */
	struct replay_rule *rules; /* by id */
	struct replay_alert *alerts;
	struct replay_spell *spells;
	uint32_t nalerts, alerts_cap, nspells, spells_cap;
	uint32_t alerts_max, spells_max; /* REPLAY_…_MAX unless a test says less */
	uint32_t *slots, mask;		 /* 1 + alert by its labels and rule */
	uint64_t dropped;		 /* events beyond the limits */
	bool failed;			 /* out of memory */
};

/*
 * from_ms: nothing is told of what was before (TIME_NONE: of all). Takes a reference to the rules.
 * ERR_NOMEM.
 */
int replay_report_init(struct replay_report *report, struct rule_set *rules, int64_t from_ms,
		       int64_t flap_ms);
void replay_report_fini(struct replay_report *report);
/* What an event means; REPLAY_NOTHING: no change, or before from_ms. */
enum replay_change replay_report_event(struct replay_report *report,
				       const struct alert_event *event);
void replay_report_session(struct replay_report *report, int64_t t_ms);
/* The replay went from and to there: counts. ERR_NOMEM. */
int replay_report_end(struct replay_report *report, int64_t from_ms, int64_t to_ms);

/* ---- two of the same data ---- */

#define REPLAY_DIFFERENCE_LIST(X)                                                                  \
	X(REPLAY_NEW, "new")	 /* fires, and did not */                                          \
	X(REPLAY_GONE, "gone")	 /* fired, and does not any more */                                \
	X(REPLAY_MOVED, "moved") /* begins or ends at another time */

enum replay_difference_kind {
#define X(id, text) id,
	REPLAY_DIFFERENCE_LIST(X)
#undef X
};
const char *replay_difference_text(enum replay_difference_kind kind);

struct replay_difference {
	enum replay_difference_kind kind;
	const struct labels *labels;
	const struct replay_spell *before, *after; /* NULL: none */
};
/*
 * Spells that fired and are not the same in both, by time: of each alert (by labels) those that
 * overlap are held together. To free(). ERR_NOMEM.
 */
int replay_compare(const struct replay_report *before, const struct replay_report *after,
		   struct replay_difference **out, size_t *n);

#endif
