/*
 * Explain: what a rule, or an expression, comes to now, node by node; and why a row is not in its
 * result.
 *
 * The expression is planned, bound and evaluated for itself at the told time, like an ad-hoc query:
 * so that all nodes are as of one time, and nothing of what the rules keep is touched. What is told
 * of cost and sharing is of the rules in force: there a node is evaluated once for all. Behind an
 * alert's own expression that of its resolve_when follows, and what tells whether there is data.
 *
 * The engine has no clock: cost is counted in units (engine.h), and told in seconds at the pace
 * that engine_spent() was told.
 *
 * Made on any thread; explain_step() on the engine's, in pieces; then read on any thread.
 */
#ifndef TOCSIN_ENGINE_EXPLAIN_H
#define TOCSIN_ENGINE_EXPLAIN_H

#include "base/matcher.h"
#include "engine/engine.h"

#define EXPLAINS_MAX 4		    /* at once */
#define EXPLAIN_MATCHERS_MAX 64	    /* of the row that is asked for */
#define EXPLAIN_ALERTS_MAX 5	    /* shown part by part */
#define EXPLAIN_PATH_MAX 64	    /* nodes on the way to where a row is lost */
#define EXPLAIN_ROWS_MAX 20000	    /* rows of a node, series of a metric, that are looked at */
#define EXPLAIN_MATCHED_MAX 1000000 /* rows of a join, to count those without a partner */
#define EXPLAIN_NODES_MAX 2000	    /* of the expression */
#define EXPLAIN_VALUES_MAX 64	    /* values of a label that are looked at for that */
#define EXPLAIN_NEAREST_MAX 3	    /* names or values that are suggested */
#define EXPLAIN_NAMES_MAX 10000	    /* metric names that are looked at for that */
#define EXPLAIN_CANDIDATES_MAX 5    /* rules, when a name is not enough */

/* Why a row is not in the result. */
enum explain_reason {
	EXPLAIN_NOTHING,     /* it was not asked for */
	EXPLAIN_PRESENT,     /* it is in the result */
	EXPLAIN_NO_SERIES,   /* no series matches a selector */
	EXPLAIN_NO_LABELS,   /* series do, but none has the labels asked for */
	EXPLAIN_NO_SAMPLE,   /* the series is there, without a sample up to now */
	EXPLAIN_ENDED,	     /* it ended with a stale marker */
	EXPLAIN_TOO_OLD,     /* its newest sample is older than the lookback */
	EXPLAIN_TOO_FEW,     /* too few samples in the range */
	EXPLAIN_FALSE,	     /* a comparison does not hold */
	EXPLAIN_NO_PARTNER,  /* the other side of a join has nothing that matches */
	EXPLAIN_TAKEN_OUT,   /* by unless */
	EXPLAIN_NOT_PICKED,  /* not among the top */
	EXPLAIN_NOT_ABSENT,  /* absent() of what is there */
	EXPLAIN_FAILED,	     /* the evaluation fails */
	EXPLAIN_WARMING,     /* the rule waits until its windows are fed */
	EXPLAIN_NOT_YET_RUN, /* since the rule was loaded */
	EXPLAIN_PENDING,     /* `for` is not over */
	EXPLAIN_FIRES,	     /* the alert fires */
	EXPLAIN_OTHER,	     /* lost in a way that has no word of its own */
};
/* "present", "no_series", … */
const char *explain_reason_text(enum explain_reason reason);

struct explain_node {
	const char *text;
	enum value_type type;
	const uint32_t *children; /* places in nodes */
	uint32_t nchildren;
	bool below_subquery; /* it is evaluated at other times: no columns as of now */
	uint32_t rows;	     /* label sets that are known */
	uint32_t present;    /* of them in the result of this node */
	double scalar;	     /* of VALUE_SCALAR */
	const char *lost;    /* how rows were lost here; "" */
	const char *error;   /* ""; else why the node fails */
	uint64_t units;	     /* what its last evaluation cost */
	uint64_t evaluations,
		cached; /* how often it was evaluated, and asked for beside; 0: no rule */
	uint32_t rules; /* that share it; 0: not known */
	bool is_leaf;
	uint32_t series;    /* that its selector holds */
	int64_t newest_ms;  /* newest sample of them, up to now; TIME_NONE */
	int64_t warm_at_ms; /* not fed in full before; TIME_NONE: it is, or not known */
};

/* What a node has for an alert. */
struct explain_part {
	uint32_t rows; /* present ones that are about the alert */
	double value;  /* of the first */
};

struct explain_alert {
	struct labels *labels, *expr_labels;
	enum alert_state state;
	enum alert_hold hold;
	double value;
	int64_t active_at_ms, fired_at_ms, keep_since_ms;
	struct explain_part *parts; /* by place of the node */
	char silenced_by[40];	    /* who knows of silences fills it in; "" */
};

struct explain_step {
	uint32_t node; /* place */
	const char *says;
};

/* Which expression of a rule. */
enum explain_of {
	EXPLAIN_OF_EXPR,
	EXPLAIN_OF_RESOLVE, /* resolve_when */
	EXPLAIN_OF_DATA,    /* what tells whether resolve_when has data: it, without conditions */
	EXPLAIN_OFS
};

struct explain {
	/* in: */
	const char *name;	    /* a rule's, or FILE;GROUP;NAME; or an expression */
	struct engine_query *query; /* of that expression, owned; NULL: it is none */
	struct matcher *matchers;   /* of the row that is missed, owned */
	size_t nmatchers;
	bool wants_why; /* why a row is not in the result; matchers may be none */
	/* out, in the arena: */
	struct arena arena;
	int code; /* 0; ERR_NOT_FOUND, ERR_CONFLICT (more than one rule), ERR_EVAL, ERR_LIMIT, … */
	const char *error;
	struct rule_set *set;	   /* a reference */
	const struct rule *rule;   /* of the set; NULL: an expression */
	struct rule_status status; /* of the rule; its error is in the arena */
	struct group_status group;
	const char *text; /* the expression */
	int64_t t_ms;	  /* the time it was evaluated for */
	int64_t now_ms;
	struct explain_node *nodes; /* children before parents, the root last */
	uint32_t nnodes;
	struct explain_alert *alerts; /* firing ones first */
	uint32_t nalerts, alerts_all; /* shown; there are */
	struct labels *external;      /* a reference: labels that notifications have beside; NULL */
	enum explain_reason reason;
	const char *says; /* in one sentence */
	struct explain_step path[EXPLAIN_PATH_MAX];
	uint32_t npath;
	enum explain_of of;
	struct explain *next; /* the rule's next expression, evaluated likewise; NULL: none */
	/* the engine's: */
	bool is_done; /* but for `next` */
	struct explain_work *work;
};

/*
 * The text is copied, and read by the settings. `matchers` is Alertmanager's or PromQL's form,
 * {a="b"}; NULL: nobody asks why. ERR_INVALID with *why to free(); ERR_NOMEM.
 */
int explain_new(struct slice text, const char *matchers, const struct query_settings *settings,
		struct explain **out, char **why);
/* After explain_step() is done with it, on any thread; before, with the engine or after its end. */
void explain_free(struct explain *explain);
/*
 * The next piece, on the engine's thread. ERR_AGAIN: more to do; ERR_FULL: too many at once, not
 * begun; 0: done, explain->code says what came of it.
 */
int explain_step(struct engine *engine, struct explain *explain, int64_t units);

#endif
