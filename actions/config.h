/*
 * Alertmanager's part of the configuration (route, receivers, …) and runbooks, as bound from YAML.
 *
 * Immutable after binding, reference-counted. What Tocsin does not have yet is refused by name.
 */
#ifndef TOCSIN_ACTIONS_CONFIG_H
#define TOCSIN_ACTIONS_CONFIG_H

#include "actions/plugin.h"
#include "base/matcher.h"

#define ROUTE_DEPTH_MAX 16
#define ROUTES_MAX 10000
#define ROUTES_OF_ALERT_MAX 64
#define RUNBOOK_STEPS_MAX 32 /* a bit each */
#define RUNBOOK_NAME_MAX 64  /* bytes */
#define STEP_ID_MAX 32	     /* bytes */

struct integration {
	const struct action_plugin *plugin;
	void *options;	/* by plugin->integration; begins with struct integration_options */
	uint32_t index; /* among those of its kind in the receiver: part of the outbox's key */
};

struct receiver {
	struct slice name;
	struct integration *integrations;
	uint32_t n;
};

struct route {
	struct slice receiver_name;
	const struct receiver *receiver;
	struct matcher *matchers;
	size_t nmatchers;
	struct slice *group_by; /* sorted */
	uint32_t ngroup_by;
	bool group_by_all; /* '...' */
	int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
	bool go_on; /* continue: true */
	struct route *routes;
	uint32_t nroutes;
	char *key; /* {}/{team="x"}: begins the group key */
	uint32_t id;
};

enum runbook_mode { RUNBOOK_DISABLED, RUNBOOK_SUGGEST, RUNBOOK_APPROVE, RUNBOOK_AUTO };

enum step_kind { STEP_ACT, STEP_WAIT, STEP_VERIFY, STEP_NOTIFY };

/* What a plug-in is to do. */
struct step_act {
	const struct action_plugin *plugin; /* NULL: nothing */
	void *options;			    /* by plugin->step; begins with struct step_options */
};

struct runbook_step {
	struct slice id;
	enum step_kind kind;
	const struct step_options *options;
	struct step_act act, undo; /* STEP_ACT */
	int64_t wait_ms;
	struct {
		const struct source *source; /* its text is the expression */
		int64_t within_ms, for_ms;
	} verify;
	const struct receiver *receiver; /* STEP_NOTIFY */
	uint32_t after;			 /* a bit for each step that must have ended */
	const struct when *when;	 /* NULL: the default */
};

/* A number, or a share of a runbook's targets. */
struct share {
	int64_t number; /* of percent, if is_percent */
	bool is_percent;
};

struct runbook {
	struct slice name;
	enum runbook_mode mode;
	struct slice *target; /* label names */
	uint32_t ntarget;
	int64_t cooldown_ms, queue_for_ms;
	int64_t per_target_per_hour, per_hour;
	int64_t priority;
	const struct source *targets;	       /* expression of the population; NULL: not known */
	struct share max_in_flight, stop_over; /* stop_over.number 0: not asked */
	struct breaker {
		int64_t volume, error_percent, window_ms, sleep_ms;
	} breaker;
	const struct receiver *on_refused, *on_failed; /* NULL: the alert's own route */
	struct runbook_step *steps;
	uint32_t nsteps;
	uint8_t *order; /* the steps, each after those that it waits for */
	uint64_t hash;
};

struct actions_config {
	struct route *root; /* NULL: nobody is told */
	struct receiver *receivers;
	uint32_t nreceivers;
	struct runbook *runbooks;
	uint32_t nrunbooks;
	bool freeze;
	int64_t max_running, per_hour;
	const char *external_url; /* "": none */
	struct labels *external_labels;
	struct arena arena;
	_Atomic unsigned refs;
};

/*
 * From the nodes of the top-level keys of tocsin.yml (each may be NULL): route, receivers,
 * inhibit_rules, time_intervals, templates, runbooks, actions, global. All errors to diags.
 * ERR_INVALID.
 */
struct actions_config_nodes {
	const struct yaml_node *route, *receivers, *inhibit_rules, *time_intervals,
		*mute_time_intervals, *templates, *global, *runbooks, *actions;
	const char *base_dir; /* of the configuration file: relative paths */
};
int actions_config_bind(const struct actions_config_nodes *nodes, struct slice external_url,
			const struct labels *external_labels, struct diag_list *diags,
			struct actions_config **out);
struct actions_config *actions_config_ref(struct actions_config *config);
void actions_config_unref(struct actions_config *config);
/*
 * The expressions of all runbooks, which the rules in force must demand (rule_set_options.demands):
 * an array to free(), borrowing from the configuration; NULL without memory.
 */
const struct source **actions_config_demands(const struct actions_config *config, size_t *n);
const struct runbook *runbook_find(const struct actions_config *config, struct slice name);
/* The routes an alert takes: depth first, the first match of siblings unless continue. At most max;
 * the count. */
size_t route_match(const struct route *root, const struct labels *labels, const struct route **out,
		   size_t max);
/* The bind tables of this part, for the reference: name and table. */
extern const struct bind_table route_table, receiver_table, runbook_table, actions_table;
extern const struct bind_table wait_step_table, verify_step_table, notify_step_table;

#endif
