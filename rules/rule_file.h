/*
 * Rule files: YAML → groups of rules, and all files of a configuration → one rule set with its
 * plan.
 *
 * A rule set is immutable after loading and reference-counted across threads: the engine evaluates
 * it, the action and web threads render its templates.
 */
#ifndef TOCSIN_RULES_RULE_FILE_H
#define TOCSIN_RULES_RULE_FILE_H

#include "base/yaml.h"
#include "rules/arrival.h"
#include "rules/expr.h"
#include "rules/plan.h"
#include "rules/template.h"

#define RULES_MAX 200000 /* default of limits.rules */
#define RULE_RUN_MAX 16	 /* runbooks that one rule may name */

enum rule_kind { RULE_RECORD, RULE_ALERT };
enum rule_dialect { DIALECT_TOCSIN, DIALECT_PROMETHEUS, DIALECT_LOGQL };
/* In which the expressions of its rules are read, those in templates too. */
enum expr_dialect rule_dialect_expr(enum rule_dialect dialect);
enum rule_warmup { WARMUP_AUTO, WARMUP_OFF };
enum rule_no_data { NO_DATA_RESOLVE, NO_DATA_HOLD };
enum rule_evaluate { EVALUATE_TICK, EVALUATE_ARRIVAL };

struct rule_text {
	struct slice name;
	struct slice text;		 /* as written */
	const struct template *template; /* NULL for a record's labels: literal */
	const struct source *source;	 /* of the template */
};

/* A root of the plan, and what is below it. */
struct rule_root {
	uint32_t root, *order, norder; /* plan_order() of root; owned */
};

/* What ends a firing alert, once its own expression does not hold: `resolve_when`. */
struct rule_resolve {
	struct source source;
	char *query; /* canonical form */
	struct expr *expr;
	/* The same, parsed anew, without its conditions (unfilter.h): whoever has no element here,
	 * or NaN, has no data. */
	struct expr *data;
	struct rule_root when, has;
	enum rule_no_data no_data;
};

struct rule {
	enum rule_kind kind;
	struct slice name;	/* record's metric name or alert's name */
	struct slice expr_text; /* as written */
	char *query;		/* canonical form */
	struct source source;
	struct expr *expr;
	uint32_t root;	 /* node in the set's plan */
	uint32_t *order; /* plan_order() of root */
	uint32_t norder;
	enum arrival_class arrival; /* of a group with evaluate: arrival */
	const char *arrival_why;    /* of ARRIVAL_TICK: what in it is seen at ticks only */
	bool arrival_rises; /* arrival_only_rises(), of an alert: immediate, up to its beginning */
	int64_t for_ms, keep_firing_for_ms;
	struct rule_resolve *resolve; /* NULL: ends when its expression does not hold */
	struct rule_text *labels;     /* own and the group's, sorted by name; own win */
	uint32_t nlabels;
	struct rule_text *annotations; /* sorted by name */
	uint32_t nannotations;
	bool labels_ask, annotations_ask; /* some template of them calls query or now */
	struct slice *run;		  /* runbooks */
	uint32_t nrun;
	const struct yaml_node *name_node; /* where its name is written: for warnings about it */
	uint32_t line;
	uint32_t group, index; /* its place: set->groups[group].rules[index] */
	uint32_t id;	       /* 0… over the whole set */
};

struct rule_group {
	struct slice name, file;
	int64_t interval_ms; /* the group's, or the default given at loading */
	int64_t query_offset_ms;
	int64_t limit;
	enum rule_dialect dialect;
	enum rule_warmup warmup;
	enum rule_evaluate evaluate;
	int64_t min_gap_ms, settle_ms; /* on arrival */
	bool exact;
	bool has_query_offset; /* of its own, not the configuration's */
	uint32_t line;
	struct rule *rules;
	uint32_t nrules;
	uint64_t hash; /* of all that is written in it: equal → unchanged */
};

struct rule_set {
	struct rule_group *groups; /* in the order of evaluation at equal times: files and groups as
				      given, writers before readers */
	uint32_t ngroups, nrules;
	struct plan *plan;
	/* What is read beside the rules (rule_set_options.demands, and queries of templates): roots
	 * of the plan. */
	struct rule_root *demands;
	uint32_t ndemands, demands_cap;
	/* rule_index.c: */
	struct rule_entry {
		uint64_t hash; /* rule_key_hash() */
		uint32_t id;
	} * keys;		  /* of all rules, ascending */
	uint32_t *groups_by_name; /* places in groups, by file and name */
	struct rule_writers {
		uint32_t *rules; /* ids */
		uint32_t n;
	} * writers; /* by selector of the plan: which rules may write what it holds */
	struct arena arena;
	_Atomic unsigned refs;
};

struct rule_set_options {
	int64_t interval_ms;	  /* of groups that name none */
	int64_t query_offset_ms;  /* likewise */
	int64_t subquery_step_ms; /* of subqueries that name none; 0: PLAN_SUBQUERY_STEP_MS */
	bool delayed_names;	  /* metric names are removed at the end of an expression */
	size_t rules_max;
	const struct slice *runbooks; /* names that `run` may use; NULL: not checked */
	size_t nrunbooks;
	/* Expressions of runbooks, checked before: what they read is kept as for a rule, whatever
	 * labels they are bound to (label_refs.h). */
	const struct source *const *demands;
	size_t ndemands;
	/* For unit tests, which run all groups at one interval, and in an order of their own. */
	int64_t interval_fixed_ms;	  /* of all groups, whatever they say; 0: theirs */
	bool in_file_order;		  /* not writers before readers */
	const struct slice *groups_first; /* by name; the others follow in file order */
	size_t ngroups_first;
};

/*
 * Loads all files: every error of every file goes to diags. On any error ERR_INVALID and no set.
 * A rule set of no files is fine. Groups are ordered so that writers run before readers (a cycle
 * falls back to file order with a note in diags).
 */
int rule_set_load(const char *const *paths, size_t n, const struct rule_set_options *options,
		  struct diag_list *diags, struct rule_set **out);
/* The same from texts in memory: each file once. */
struct rule_file_text {
	const char *path; /* as diagnostics and groups name it */
	struct slice text;
};
int rule_set_load_texts(const struct rule_file_text *files, size_t n,
			const struct rule_set_options *options, struct diag_list *diags,
			struct rule_set **out);
/* The same from one text in memory, named `file` in diagnostics. */
int rule_set_load_text(struct slice text, const char *file, const struct rule_set_options *options,
		       struct diag_list *diags, struct rule_set **out);
/*
 * Of the groups that run at ticks, how many look back less than samples are late, and the first of
 * them: when such a group is due, some of what it reads is not there yet. RULE_LAG_USUAL_MS of
 * lateness is what a request and its way take.
 */
#define RULE_LAG_USUAL_MS 2000
uint32_t rule_set_outrun(const struct rule_set *set, int64_t lag_ms,
			 const struct rule_group **first);
struct rule_set *rule_set_ref(struct rule_set *set);
void rule_set_unref(struct rule_set *set);
/* What a rule is known by from one set to the next, whatever its expression. */
uint64_t rule_key_hash(struct slice file, struct slice group, struct slice name);
/* The place in set->keys of the first one with this hash; where it would stand when there is none.
 */
uint32_t rule_keys_find(const struct rule_set *set, uint64_t hash);
/*
 * Renders the annotations of an alerting rule into name/value pairs: {"summary": "…"}; one that
 * comes out empty stays, as in Prometheus. A text that fails is its error, bytes that are no UTF-8
 * become U+FFFD; what does not fit into one set is said in its place. ERR_NOMEM.
 */
int rule_annotations_render(const struct rule *rule, const struct template_data *data,
			    struct labels **out);
/*
 * Renders the annotations that ask for something, for nothing but the asking. ERR_AGAIN: the
 * expression in data->wanted is missing among data->results; 0: nothing is.
 */
int rule_annotations_ask(const struct rule *rule, const struct template_data *data);

/* The keys of rule files, groups and rules as Markdown, from the tables that read them. */
void rule_file_reference(struct buf *out);

#endif
