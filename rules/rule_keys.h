/*
 * Inside of rule files: the keys that there are. One table each for the file, its groups and their
 * rules, for reading and for the reference alike; and the structs that the tables fill.
 */
#ifndef TOCSIN_RULES_RULE_KEYS_H
#define TOCSIN_RULES_RULE_KEYS_H

#include "rules/rule_file.h"

/* Bits of `given`, and of the masks below. */
#define KEY_BIT(key) (1ull << (key))

enum rule_key {
	RULE_RECORD_KEY,
	RULE_ALERT_KEY,
	RULE_EXPR,
	RULE_FOR,
	RULE_KEEP_FIRING_FOR,
	RULE_LABELS,
	RULE_ANNOTATIONS,
	RULE_RUN,
	RULE_RESOLVE_WHEN,
	RULE_NO_DATA,
};

struct rule_yaml {
	const struct yaml_node *node;
	uint64_t given;
	struct slice record, alert, expr;
	int64_t for_ms, keep_firing_for_ms;
	struct bind_map labels, annotations;
	struct bind_strings run;
	struct slice resolve_when;
	int no_data;
};

#define RULE_OF_ALERTS                                                                             \
	(KEY_BIT(RULE_FOR) | KEY_BIT(RULE_KEEP_FIRING_FOR) | KEY_BIT(RULE_ANNOTATIONS) |           \
	 KEY_BIT(RULE_RUN) | KEY_BIT(RULE_RESOLVE_WHEN) | KEY_BIT(RULE_NO_DATA))
#define RULE_OF_TOCSIN (KEY_BIT(RULE_RUN) | KEY_BIT(RULE_RESOLVE_WHEN) | KEY_BIT(RULE_NO_DATA))

/* The short form's rules: alerts all. */
enum short_key {
	SHORT_NAME,
	SHORT_METRIC_KEY,
	SHORT_CONDITION,
	SHORT_SEVERITY,
	SHORT_BY,
	SHORT_FOR,
	SHORT_KEEP_FIRING_FOR,
	SHORT_LABELS,
	SHORT_ANNOTATIONS,
	SHORT_RUN,
	SHORT_RESOLVE_WHEN,
	SHORT_NO_DATA,
};

struct short_yaml {
	const struct yaml_node *node;
	uint64_t given;
	struct slice name, metric, condition, severity;
	struct bind_strings by;
	int64_t for_ms, keep_firing_for_ms;
	struct bind_map labels, annotations;
	struct bind_strings run;
	struct slice resolve_when;
	int no_data;
};

/* Those before GROUP_NAME may stand at the top of a file, too: for the group of its short rules. */
enum group_key {
	GROUP_INTERVAL,
	GROUP_QUERY_OFFSET,
	GROUP_LIMIT,
	GROUP_LABELS,
	GROUP_DIALECT,
	GROUP_WARMUP,
	GROUP_EVALUATE,
	GROUP_MIN_GAP,
	GROUP_SETTLE,
	GROUP_EXACT,
	GROUP_NAME,
	GROUP_RULES,
};

struct group_yaml {
	const struct yaml_node *node;
	uint64_t given;
	struct slice name;
	int64_t interval_ms, query_offset_ms, limit;
	struct bind_map labels;
	const struct yaml_node *rules;
	int dialect, warmup, evaluate;
	int64_t min_gap_ms, settle_ms;
	bool exact; /* nothing reads it: there are no summaries of ranges that it could forbid */
};

#define GROUP_OF_TOCSIN                                                                            \
	(KEY_BIT(GROUP_WARMUP) | KEY_BIT(GROUP_EVALUATE) | KEY_BIT(GROUP_MIN_GAP) |                \
	 KEY_BIT(GROUP_SETTLE) | KEY_BIT(GROUP_EXACT))

enum file_key { FILE_GROUPS = GROUP_NAME, FILE_RULES };

#define FILE_OF_GROUP (KEY_BIT(GROUP_NAME) - 1)

struct file_yaml {
	struct group_yaml group; /* of the short rules; node and given are the file's */
	const struct yaml_node *groups, *rules;
};

extern const struct bind_table rule_keys;
extern const struct bind_table short_rule_keys;
extern const struct bind_table group_keys;
extern const struct bind_table rule_file_keys;

#endif
