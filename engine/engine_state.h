/*
 * What the engine holds: the senders it knows, the rule set in force and the one on its way there
 * (each a generation: its binding, and a state for each group and rule), the alerts of each rule,
 * the pass under way, and what was read back from the journal. Nobody outside the room includes
 * this.
 */
#ifndef TOCSIN_ENGINE_ENGINE_STATE_H
#define TOCSIN_ENGINE_ENGINE_STATE_H

#include "engine/arrival.h"
#include "engine/engine.h"
#include "engine/id_map.h"
#include "engine/instances.h"
#include "engine/recheck.h"

#define COVERED_NEVER INT64_MAX
/* Before the time is told groups are due at the beginning of time: their readers keep all. */
#define DUE_UNKNOWN (INT64_MIN / 2)

/* ---- senders ---- */

#define SENDERS_MAX 4096   /* further ones share the last place */
#define SENDER_SELF 0u	   /* rules, and our own numbers; never silent */
#define SENDER_RESTORED 1u /* series read back from the journal and not fed since */

struct sender_entry {
	struct sender seen;
	int64_t gap_ms;		 /* the longest between two requests of late */
	int64_t silent_since_ms; /* its alerts are held since; TIME_NONE */
	int64_t away_since_ms;	 /* the last request before that */
	int64_t back_ms;	 /* heard again since, while they still are; TIME_NONE */
	int64_t grace_ms;	 /* for so long after */
	int64_t lags_ms[2];	 /* the longest of this turn, and of the one before */
	int64_t lag_turn_ms;	 /* when this turn began */
	bool announced;		 /* told of at its first samples */
	/* It is through with what it kept before it was heard of; the lag of its first samples. */
	bool caught_up;
	int64_t first_lag_ms;
};

struct senders {
	struct sender_entry *entries;
	uint8_t *silent; /* by id: 1 while alerts on its series are held */
	uint32_t *index; /* hash → id */
	uint32_t n;
	bool any_silent;
	int64_t check_ms; /* the next silence or end of one, at the earliest; TIME_NONE */
};

/* ---- rules in force ---- */

struct alert {
	enum alert_state state;
	enum alert_hold hold;
	bool restored;	     /* to be told as such */
	bool unseen;	     /* restored, and not in a result since */
	bool told_unsettled; /* runbooks wait to be told when the rule is settled */
	double value;
	int64_t active_at_ms, fired_at_ms;
	int64_t keep_since_ms;	  /* keep_firing_for counts from here; TIME_NONE */
	int64_t no_data_since_ms; /* resolve_when finds none; TIME_NONE */
	int64_t held_since_ms;	  /* of a silent sender */
	int64_t refreshed_ms;
	struct evidence *evidence;   /* of when it began to fire; NULL: none */
	struct query_results *asked; /* what its annotations asked for, last; NULL: nothing */
	struct labels *labels, *expr_labels;
	uint32_t expr_labels_of; /* the label set that expr_labels was made of */
	enum alert_state series_state;
	struct series *state_series, *for_series; /* pinned; NULL: nothing written */
};

struct rule_leaf {
	uint32_t selector; /* of the plan */
	int64_t reach_ms;
};

struct rule_label {
	uint32_t name, value; /* symbols, references; value is SYMBOL_NONE for one that is rendered,
				 or empty */
	const struct template *template; /* NULL: constant */
};

struct rule_state {
	struct rule_set *set; /* borrowed from the generation */
	const struct rule *def;
	struct group_state *group;
	struct rule_label *labels;
	uint32_t nlabels, name; /* symbol of the name */
	bool labels_use_value;
	struct rule_leaf *leaves; /* first those of its own expression, then of resolve_when */
	uint32_t nleaves, nown_leaves;
	struct resolve_state *resolve; /* NULL: has no resolve_when */

	enum rule_health health;
	char *error;
	bool warm;
	int64_t warm_at_ms;
	int64_t warm_since_ms; /* has run warm since, without a break; TIME_NONE */
	int64_t last_ms, last_query_ms;
	uint32_t results;
	double value;
	uint64_t evaluations, failures;
	uint64_t units; /* what the running or last evaluation cost */

	uint32_t evaluation; /* number of the running or last one; failed ones count */
	struct instances instances;
	uint32_t data_cap;
	struct alert *alerts;	/* alerting: by slot of instances */
	struct series **series; /* recording: by slot of instances; pinned, NULL: nothing written */
	uint32_t npending, nfiring, nheld;
	struct rule_arrival *arrival; /* NULL: evaluated at ticks only */
};

struct group_state {
	const struct rule_group *def;
	struct rule_state *rules;
	int64_t due_ms;	  /* selectors' readers look at it; on arrival they do at reads_ms */
	int64_t reads_ms; /* on arrival: no later evaluation is of an earlier time */
	int64_t last_ms;
	int64_t skip_to_ms; /* a jump of time while its pass ran: due then at the earliest;
			       TIME_NONE */
	int64_t rebase_ms;  /* time that jumped over: for timers, before the next evaluation */
	bool always_warm, may_hold;
	uint32_t after; /* runs on arrival wait for the ticks of the groups before this one */
	struct group_arrival arrival;
	uint64_t iterations, missed;
};

#define GROUP_ASKED UINT32_MAX

/* From LOAD_ADOPT on the states of rules are on their way: load_is_swapping(). */
enum load_stage {
	LOAD_GROUPS,
	LOAD_BIND,
	LOAD_RULES,
	LOAD_READERS,
	LOAD_WATCHES,
	LOAD_SHAPE,
	LOAD_MATCH,
	LOAD_ADOPT,
	LOAD_WARM,
	LOAD_READY
};

struct generation {
	struct rule_set *set;
	struct binding *binding;
	struct group_state *groups;
	struct rule_state *rules; /* in the order of evaluation: by id */
	struct demand {
		uint32_t selector, group; /* GROUP_ASKED: of no group, read at any time */
		int64_t reach_ms;
	} * demands; /* what the groups read, each selector once a group */
	uint32_t ndemands, demands_cap;
	uint32_t *demand_of;	       /* by selector of the plan: its newest demand */
	uint32_t ndeclared;	       /* demands whose readers stand */
	bool has_offsets;	       /* some group has a query offset */
	uint32_t *arrivals, narrivals; /* groups that evaluate on arrival */
	struct watch *watches;	       /* what they read, group by group */
	uint32_t nwatches, watches_cap;
	uint32_t *watch_of;	      /* by selector of the plan: its newest watch, WATCH_NONE */
	bool reads_alerts;	      /* some rule on arrival does */
	struct id_map groups_by_name; /* of what rules write, while they are found */
	enum load_stage stage;
	uint32_t at; /* where the stage stands */
	struct past_wishes {
		bool are_due;		   /* to be told, once in force */
		int64_t *reach_ms;	   /* by selector; NULL: not worked out yet */
		uint32_t demand, selector; /* how far that is, and telling */
	} wishes;
	struct heir {
		uint32_t rule; /* ID_MAP_NONE: nobody */
		bool exact;
	} * heirs; /* by place of the old generation's rules: who goes on with their state */
	struct adopt_index *adopt; /* while matching and adopting */
	struct generation *next;   /* retired ones; of those: */
	uint32_t nended;	   /* selectors whose coverage is told to have ended */
	uint32_t nrules_gone;
};

enum pass_stage { PASS_RULE, PASS_EVAL, PASS_RESOLVE, PASS_COLLECT, PASS_CAPTURE, PASS_COMMIT };

struct pass {
	bool running;
	bool on_arrival; /* of one group, and of what is ready in it */
	bool gave_way;	 /* to a run on arrival, and has not gone on since */
	int64_t t_ms;
	int64_t next_due_ms; /* of groups, later than t_ms */
	int64_t query_ms;    /* of the rule at hand */
	uint32_t group, rule;
	enum pass_stage stage;
	struct eval_cursor cursor;
	uint32_t at;	  /* row (collect) or slot (commit) */
	uint32_t results; /* rows present so far */
	double value;	  /* of the first */
	double scalar;	  /* of a scalar result */
};

#define CAPTURES_SHARED_MAX 64 /* results kept for the other alerts of the rule */
struct captures {
	struct query_result *shared[CAPTURES_SHARED_MAX];
	uint32_t n, next;	       /* the place of the next one, when all are taken */
	struct query_results *results; /* of the row or alert at hand; NULL: not begun */
	struct buf wanted;	       /* the expression that a template lacks; empty: none */
	struct engine_query *running;  /* it; NULL: not begun */
};

struct parked {
	struct queue_item *first, **end; /* of batches */
	uint32_t n;
	uint32_t with_positions; /* of them: theirs must not overtake each other */
};

enum checkpoint_stage {
	CHECKPOINT_NONE,
	CHECKPOINT_SELECTORS,
	CHECKPOINT_SERIES,
	CHECKPOINT_POSITIONS,
	CHECKPOINT_ALERTS,
	CHECKPOINT_END
};

struct checkpoint {
	enum checkpoint_stage stage;
	uint32_t at;
	bool held; /* the storage does not keep up */
};

struct restore {
	struct restored_series {
		uint32_t uid; /* 0: free */
		struct series *series;
	} * series; /* open addressing by uid */
	uint32_t nseries, series_mask;
	bool has_fed; /* some series was a sender's */
	struct coverage {
		char *text;
		int64_t since_ms, bucket_ms;
		size_t order; /* the later one counts */
	} * coverage;
	size_t ncoverage, coverage_cap;
	struct alert_event **alerts; /* the newest record of each; INACTIVE ones are over */
	size_t nalerts, alerts_cap;
	struct id_map alert_index; /* by hash, probing upwards */
	int64_t tick_ms;	   /* the newest time told to the engine before */
	int64_t gap_ms;		   /* for so long nobody listened */
	bool done, adopted, resumed, told;
};

/* How far sources were read: sorted by key. */
struct positions {
	struct position {
		char *key, *payload; /* key_len and payload_len bytes, in one allocation */
		uint32_t key_len, payload_len;
	} * items;
	uint32_t n, cap;
};

/* Where evidence comes from (alert_evidence.c). */
struct evidence_sources {
	struct selector *functions[2]; /* self and total ratios; NULL: no evidence is wanted */
	uint32_t names[6];	       /* symbols */
	int64_t second;		       /* of the told time, in which so many were looked at: */
	uint32_t scanned;
};

/* Labels of the series that rules write, as they are told (written.c). */
struct written {
	bool is_wanted;
	struct written_series {
		uint32_t uid; /* 0: nothing here */
		struct labels *labels;
	} * series; /* by row of the store */
	uint32_t n;
};

#define EXAMPLES_PER_SERIES_MAX 5
#define EXAMPLES_SERIES_MAX 65536
#define EXAMPLES_BYTES_MAX (8u * 1024 * 1024) /* of all lines */
struct examples {
	struct example_entry *entries; /* examples.c knows them */
	uint32_t n, cap;
	uint32_t oldest, free;
	struct id_map by_uid;
	size_t bytes;
};

/* What is kept that no rule demands (settings.c). */
struct retention {
	struct selector *kept; /* all series; NULL: none is kept so */
	int64_t reach_ms;      /* for so long */
	bool filling;	       /* it has not taken all series that match yet */
	struct selector
		*leaving; /* gives them back, since they are not to be kept any more; or NULL */
};

struct engine {
	struct engine_options options;
	struct engine_sink sink;
	struct labels *external_labels;
	char *external_url;
	struct store *store;
	struct lset_table *lsets;
	int64_t now_ms;	  /* TIME_NONE: not told yet */
	int64_t asked_ms; /* the same, or DUE_UNKNOWN: when who may ask at any time reads */
	struct evidence_sources evidence;
	struct {
		uint32_t job, instance, name, alertname, alerts, alerts_for_state, alertstate,
			pending, firing;
	} symbol;

	struct senders senders;
	struct parked parked;
	struct generation *active, *loading, *retired;
	struct rule_set *load_next;
	struct pass pass;
	struct pass interrupted; /* a tick's, while a run on arrival goes first */
	struct captures captures;
	struct arrival arrival;
	int64_t due_ms; /* the least of the groups; TIME_NONE */
	struct retention retention;

	struct queue_item *queries, **queries_end;
	uint32_t nqueries;
	int64_t queries_told_ms; /* deadlines were looked at */

	struct samples_block block;
	struct samples_block starts;  /* since when samples count */
	struct derived_block derived; /* of whole batches only, if they have positions */
	struct positions positions;
	struct examples examples;
	struct written written;
	bool wants_history;
	struct buf buf; /* for payloads */
	int64_t tick_recorded_ms, sweep_ms;
	size_t sweep_left; /* series to be looked at in this round */
	struct checkpoint checkpoint;
	struct restore restore;
	struct recheck recheck;

	struct explain_work *explains; /* those that are under way (explain.h) */
	uint32_t nexplains;
	/* What steps cost and how long they took, of late: the pace; and units not yet told of. */
	struct {
		double units, ns, untold;
	} spent;

	struct engine_stats stats;
};

#endif
