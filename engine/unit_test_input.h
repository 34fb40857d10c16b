/*
 * What a unit test feeds: series as they are written down, moment by moment. Inside of engine/.
 */
#ifndef TOCSIN_ENGINE_UNIT_TEST_INPUT_H
#define TOCSIN_ENGINE_UNIT_TEST_INPUT_H

#include "engine/simulation.h"
#include "engine/unit_test_file.h"
#include "rules/series_values.h"

struct test_input {
	const struct test_case *test;
	int64_t interval_ms, start_ms;
	struct test_input_series {
		struct labels *labels;
		struct series_values values;
		size_t next; /* the first point that was not fed */
	} *series;
	size_t nseries;
	struct hash_key key;
};

/*
 * Reads all inputs of a test; points of series are interval_ms apart. Memory is the arena's.
 * ERR_INVALID with diagnostics, ERR_NOMEM; test_input_fini() in any case.
 */
int test_input_init(struct test_input *input, const struct test_case *test, int64_t interval_ms,
		    int64_t start_ms, struct arena *arena, struct diag_list *diags);
void test_input_fini(struct test_input *input);
/* Tells the time, and feeds what is not newer. ERR_NOMEM. */
int test_input_step(struct test_input *input, struct simulation *simulation, int64_t t_ms);

/* The labels written at a key of a mapping; complaints have that place. As series_labels_parse(). */
int test_labels_parse(const struct yaml_node *mapping, const char *key, struct slice text,
		      struct arena *arena, struct diag_list *diags, struct labels **out);
/* Says what is wrong with an expression, at its place in the file. ERR_NOMEM. */
int test_expr_complain(const struct yaml_node *mapping, struct slice text, struct arena *arena,
		       struct diag_list *diags);

#endif
