/* The keys of rule files, of groups and of rules. */
#include "rules/rule_keys.h"

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
				.type = BIND_STRING,
				.offset = offsetof(struct rule_yaml, resolve_when),
				.doc = "Alerts: an expression; a firing one ends only once an "
				       "element of it "
				       "matches." },
	[RULE_NO_DATA] = { .key = "no_data",
			   .type = BIND_ENUM,
			   .offset = offsetof(struct rule_yaml, no_data),
			   .values = "resolve,hold",
			   .default_text = "resolve",
			   .doc = "Alerts: what becomes of a firing one when resolve_when finds no "
				  "data, after the lookback." },
};

const struct bind_table rule_keys = BIND_TABLE_GIVEN(rule_yaml, "rule", rule_fields);

static const struct bind_field short_rule_fields[] = {
	[SHORT_NAME] = { .key = "name",
			 .type = BIND_STRING,
			 .offset = offsetof(struct short_yaml, name),
			 .required = true,
			 .doc = "The name of the alert." },
	[SHORT_METRIC_KEY] = { .key = "metric",
			       .type = BIND_STRING,
			       .offset = offsetof(struct short_yaml, metric),
			       .doc = "The metric that functions and \"value\" are of; with "
				      "{matchers}, if you like." },
	[SHORT_CONDITION] = { .key = "condition",
			      .type = BIND_STRING,
			      .offset = offsetof(struct short_yaml, condition),
			      .required = true,
			      .doc = "When it fires: avg_over_1m > 50ms AND value < 9." },
	[SHORT_SEVERITY] = { .key = "severity",
			     .type = BIND_STRING,
			     .offset = offsetof(struct short_yaml, severity),
			     .doc = "The label of that name." },
	[SHORT_BY] = { .key = "by",
		       .type = BIND_STRINGS,
		       .offset = offsetof(struct short_yaml, by),
		       .doc = "The labels that AND, UNLESS and OR join on; default: job, "
			      "instance." },
	[SHORT_FOR] = { .key = "for",
			.type = BIND_DURATION,
			.offset = offsetof(struct short_yaml, for_ms),
			.default_text = "0s",
			.doc = "How long the condition must hold before the alert fires." },
	[SHORT_KEEP_FIRING_FOR] = { .key = "keep_firing_for",
				    .type = BIND_DURATION,
				    .offset = offsetof(struct short_yaml, keep_firing_for_ms),
				    .default_text = "0s",
				    .doc = "How long it fires on after the condition has ceased "
					   "to hold." },
	[SHORT_LABELS] = { .key = "labels",
			   .type = BIND_MAP,
			   .offset = offsetof(struct short_yaml, labels),
			   .doc = "Labels that are added; templates." },
	[SHORT_ANNOTATIONS] = { .key = "annotations",
				.type = BIND_MAP,
				.offset = offsetof(struct short_yaml, annotations),
				.doc = "Texts for people; templates." },
	[SHORT_RUN] = { .key = "run",
			.type = BIND_STRINGS,
			.offset = offsetof(struct short_yaml, run),
			.doc = "The runbooks to start when it fires." },
	[SHORT_RESOLVE_WHEN] = { .key = "resolve_when",
				 .type = BIND_STRING,
				 .offset = offsetof(struct short_yaml, resolve_when),
				 .doc = "An expression; a firing alert ends only once an element "
					"of it "
					"matches." },
	[SHORT_NO_DATA] = { .key = "no_data",
			    .type = BIND_ENUM,
			    .offset = offsetof(struct short_yaml, no_data),
			    .values = "resolve,hold",
			    .default_text = "resolve",
			    .doc = "What becomes of a firing one when resolve_when finds no "
				   "data, after the lookback." },
};

const struct bind_table short_rule_keys =
	BIND_TABLE_GIVEN(short_yaml, "short rule", short_rule_fields);

static const struct bind_field group_fields[] = {
#define PLACE(member) offsetof(struct group_yaml, member)
#include "rules/group_keys.def"
#undef PLACE
	[GROUP_NAME] = { .key = "name",
			 .type = BIND_STRING,
			 .offset = offsetof(struct group_yaml, name),
			 .required = true,
			 .doc = "Its name, once in a file." },
	[GROUP_RULES] = { .key = "rules",
			  .type = BIND_STRUCTS,
			  .offset = offsetof(struct group_yaml, rules),
			  .table = &rule_keys,
			  .doc = "Its rules, which run in this order." },
};

const struct bind_table group_keys = BIND_TABLE_GIVEN(group_yaml, "group", group_fields);

static const struct bind_field file_fields[] = {
#define PLACE(member) offsetof(struct file_yaml, group.member)
#include "rules/group_keys.def"
#undef PLACE
	[FILE_GROUPS] = { .key = "groups",
			  .type = BIND_STRUCTS,
			  .offset = offsetof(struct file_yaml, groups),
			  .table = &group_keys,
			  .doc = "The groups of the file." },
	[FILE_RULES] = { .key = "rules",
			 .type = BIND_STRUCTS,
			 .offset = offsetof(struct file_yaml, rules),
			 .table = &short_rule_keys,
			 .doc = "Rules in the short form: a group of that name, whose keys stand "
				"beside it." },
};

#define IS_CONFIGURATION "this looks like a configuration: give it as --config FILE"

static const struct bind_elsewhere not_of_rule_files[] = {
	{ "rule_files", IS_CONFIGURATION },
	{ "route", IS_CONFIGURATION },
	{ "receivers", IS_CONFIGURATION },
	{ "runbooks", IS_CONFIGURATION },
	{ "data_dir", IS_CONFIGURATION },
	{ "web", IS_CONFIGURATION },
	{ "tests", "this looks like a file of unit tests: tocsin test FILE" },
	{ "scrape_configs", "this looks like prometheus.yml: give the files that its rule_files "
			    "name" },
	{ NULL, NULL },
};

const struct bind_table rule_file_keys =
	BIND_TABLE_OF(file_yaml, "rule file", file_fields, offsetof(struct file_yaml, group.node),
		      offsetof(struct file_yaml, group.given), .allow_x = true,
		      .elsewhere = not_of_rule_files);

void rule_file_reference(struct buf *out)
{
	bind_reference(&rule_file_keys, out);
}
