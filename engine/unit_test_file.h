/*
 * Files of unit tests: what is written in them. Inside of engine/; users need unit_test.h only.
 */
#ifndef TOCSIN_ENGINE_UNIT_TEST_FILE_H
#define TOCSIN_ENGINE_UNIT_TEST_FILE_H

#include "base/yaml.h"

/* series: 'up{job="a"}', values: '1 1 0x3 stale' */
struct test_series {
	const struct yaml_node *node;
	struct slice series, values;
};

/* When something comes: at a time, and then every so often until another. */
struct test_times {
	int64_t at_ms, every_ms, until_ms; /* from the start; 0: once */
};

struct test_line {
	const struct yaml_node *node;
	struct test_times times;
	struct slice line;
	struct bind_map metadata;
};

/* Lines of one stream. */
struct test_stream {
	const struct yaml_node *node;
	struct slice stream;
	struct bind_structs lines; /* struct test_line */
};

/* stacks: collapsed, "main;work 20" a line. */
struct test_profile {
	const struct yaml_node *node;
	struct test_times times;
	int64_t duration_ms, rate;
	struct slice stacks;
};

/* Profiles of one target. */
struct test_target {
	const struct yaml_node *node;
	struct slice labels, type;
	struct bind_structs profiles; /* struct test_profile */
};

struct test_expected_alert {
	const struct yaml_node *node;
	struct bind_map labels, annotations;
};

struct test_alert {
	const struct yaml_node *node;
	int64_t eval_ms; /* from the start */
	struct slice name;
	struct bind_structs expected; /* struct test_expected_alert */
};

struct test_sample {
	const struct yaml_node *node;
	struct slice labels, histogram;
	double value;
};

struct test_expr {
	const struct yaml_node *node;
	int64_t eval_ms;
	struct slice expr;
	struct bind_structs expected; /* struct test_sample */
};

struct test_case {
	const struct yaml_node *node;
	uint64_t given;
	struct slice name, start, external_url;
	int64_t interval_ms; /* between the points of a series; 0: the file's evaluation_interval */
	struct bind_map external_labels;
	struct bind_structs series, logs, profiles, alerts, exprs;
};

struct test_file {
	struct bind_strings rule_files, group_eval_order;
	int64_t evaluation_interval_ms;
	bool fuzzy_compare;
	struct bind_structs tests; /* struct test_case */
	const struct yaml_node *root;
};

extern const struct bind_table test_file_keys;

#endif
