/* The keys of rule files, of groups and of rules. */
#include "rules/rule_keys.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

static const struct bind_field rule_fields[] = {
	[RULE_RECORD_KEY] = { .key = "record",
			      .type = BIND_STRING,
			      .offset = offsetof(struct rule_yaml, record),
			      .doc = "Recording rule: the name of the series that take the "
				     "result." },
	[RULE_ALERT_KEY] = { .key = "alert",
			     .type = BIND_STRING,
			     .offset = offsetof(struct rule_yaml, alert),
			     .doc = "Alerting rule: the name of the alert." },
	[RULE_EXPR] = { .key = "expr",
			.type = BIND_STRING,
			.offset = offsetof(struct rule_yaml, expr),
			.required = true,
			.doc = "The expression; each element of its result is an alert, or a "
			       "recorded sample." },
	[RULE_FOR] = { .key = "for",
		       .type = BIND_DURATION,
		       .offset = offsetof(struct rule_yaml, for_ms),
		       .default_text = "0s",
		       .doc = "Alerts: how long the expression must hold before the alert fires." },
	[RULE_KEEP_FIRING_FOR] = { .key = "keep_firing_for",
				   .type = BIND_DURATION,
				   .offset = offsetof(struct rule_yaml, keep_firing_for_ms),
				   .default_text = "0s",
				   .doc = "Alerts: how long it fires on after the expression has "
					  "ceased to hold." },
	[RULE_LABELS] = { .key = "labels",
			  .type = BIND_MAP,
			  .offset = offsetof(struct rule_yaml, labels),
			  .doc = "Labels that are added; templates in alerts. An empty one "
				 "removes." },
	[RULE_ANNOTATIONS] = { .key = "annotations",
			       .type = BIND_MAP,
			       .offset = offsetof(struct rule_yaml, annotations),
			       .doc = "Alerts: texts for people; templates." },
	[RULE_RUN] = { .key = "run",
		       .type = BIND_STRINGS,
		       .offset = offsetof(struct rule_yaml, run),
		       .doc = "Alerts: the runbooks to start when it fires, each if the one before "
			      "did not help." },
	[RULE_RESOLVE_WHEN] = { .key = "resolve_when",
				.type = BIND_NODE,
				.offset = offsetof(struct rule_yaml, later),
				.doc = "Not there yet." },
	[RULE_NO_DATA] = { .key = "no_data",
			   .type = BIND_NODE,
			   .offset = offsetof(struct rule_yaml, later),
			   .doc = "Not there yet." },
};

const struct bind_table rule_keys = {
	.what = "rule",
	.size = sizeof(struct rule_yaml),
	.fields = rule_fields,
	.n = N(rule_fields),
	.node_offset = offsetof(struct rule_yaml, node),
	.given_offset = offsetof(struct rule_yaml, given),
};

static const struct bind_field group_fields[] = {
	[GROUP_NAME] = { .key = "name",
			 .type = BIND_STRING,
			 .offset = offsetof(struct group_yaml, name),
			 .required = true,
			 .doc = "Its name, once in a file." },
	[GROUP_INTERVAL] = { .key = "interval",
			     .type = BIND_DURATION,
			     .offset = offsetof(struct group_yaml, interval_ms),
			     .doc = "How often its rules run; default: evaluation_interval." },
	[GROUP_QUERY_OFFSET] = { .key = "query_offset",
				 .type = BIND_DURATION,
				 .offset = offsetof(struct group_yaml, query_offset_ms),
				 .doc = "How far in the past expressions look; default: "
					"rule_query_offset." },
	[GROUP_LIMIT] = { .key = "limit",
			  .type = BIND_INT,
			  .offset = offsetof(struct group_yaml, limit),
			  .default_text = "0",
			  .doc = "Most alerts or recorded series of one rule; 0: no limit." },
	[GROUP_LABELS] = { .key = "labels",
			   .type = BIND_MAP,
			   .offset = offsetof(struct group_yaml, labels),
			   .doc = "Labels of all its rules; a rule's own win." },
	[GROUP_RULES] = { .key = "rules",
			  .type = BIND_STRUCTS,
			  .offset = offsetof(struct group_yaml, rules),
			  .table = &rule_keys,
			  .doc = "Its rules, which run in this order." },
	[GROUP_DIALECT] = { .key = "dialect",
			    .type = BIND_ENUM,
			    .offset = offsetof(struct group_yaml, dialect),
			    .values = "tocsin,prometheus,logql",
			    .default_text = "tocsin",
			    .doc = "prometheus: without any addition of Tocsin's. logql: bare "
				   "braces select logs." },
	[GROUP_WARMUP] = { .key = "warmup",
			   .type = BIND_ENUM,
			   .offset = offsetof(struct group_yaml, warmup),
			   .values = "auto,off",
			   .default_text = "auto",
			   .doc = "auto: rules wait until their windows are fed." },
	[GROUP_EVALUATE] = { .key = "evaluate",
			     .type = BIND_ENUM,
			     .offset = offsetof(struct group_yaml, evaluate),
			     .values = "tick,arrival",
			     .default_text = "tick",
			     .doc = "tick: at multiples of the interval. arrival: not there yet." },
	[GROUP_MIN_GAP] = { .key = "min_gap",
			    .type = BIND_NODE,
			    .offset = offsetof(struct group_yaml, later),
			    .doc = "Not there yet." },
	[GROUP_SETTLE] = { .key = "settle",
			   .type = BIND_NODE,
			   .offset = offsetof(struct group_yaml, later),
			   .doc = "Not there yet." },
	[GROUP_EXACT] = { .key = "exact",
			  .type = BIND_NODE,
			  .offset = offsetof(struct group_yaml, later),
			  .doc = "Not there yet." },
};

const struct bind_table group_keys = {
	.what = "group",
	.size = sizeof(struct group_yaml),
	.fields = group_fields,
	.n = N(group_fields),
	.node_offset = offsetof(struct group_yaml, node),
	.given_offset = offsetof(struct group_yaml, given),
};

static const struct bind_field file_fields[] = {
	[FILE_GROUPS] = { .key = "groups",
			  .type = BIND_STRUCTS,
			  .offset = offsetof(struct file_yaml, groups),
			  .table = &group_keys,
			  .doc = "The groups of the file." },
	[FILE_RULES] = { .key = "rules",
			 .type = BIND_NODE,
			 .offset = offsetof(struct file_yaml, later),
			 .doc = "The short form of rules: not there yet." },
};

const struct bind_table rule_file_keys = {
	.what = "rule file",
	.size = sizeof(struct file_yaml),
	.fields = file_fields,
	.n = N(file_fields),
	.allow_x = true,
	.node_offset = offsetof(struct file_yaml, node),
	.given_offset = offsetof(struct file_yaml, given),
};

void rule_file_reference(struct buf *out)
{
	bind_reference(&rule_file_keys, out);
}
