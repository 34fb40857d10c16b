/*
 * What a unit test feeds: series, lines and profiles as they are written down, moment by moment.
 * Inside of engine/.
 */
#ifndef TOCSIN_ENGINE_UNIT_TEST_INPUT_H
#define TOCSIN_ENGINE_UNIT_TEST_INPUT_H

#include "base/error.h"
#include "engine/simulation.h"
#include "engine/unit_test_file.h"
#include "ingest/log_feed.h"
#include "ingest/profile_summary.h"
#include "rules/series_values.h"

struct test_input {
	const struct test_case *test;
	int64_t interval_ms, start_ms;
	struct test_input_series {
		struct labels *labels;
		struct series_values values;
		size_t next; /* the first point that was not fed */
	} * series;
	size_t nseries;
	struct test_input_profile {
		const struct test_profile *written;
		struct labels *labels;
		enum profile_kind kind;
		struct profile *profile;
		uint64_t source, next; /* which repetition comes next */
	} * profiles;
	size_t nprofiles;
	struct test_input_line {
		const struct test_line *written;
		struct labels *stream;
		struct label *metadata;
		uint64_t next; /* which repetition comes next */
	} * lines;
	size_t nlines;
	struct log_feed *feed;
	struct profile_summary *summary;
	struct hash_key key;
};

/* What went wrong last of several things that are all looked at, so that all errors are told; but
 * without memory nothing more is. */
static inline bool test_goes_on(int *code, int one)
{
	*code = one ? one : *code;
	return one != ERR_NOMEM;
}

/*
 * Reads all inputs of a test; points of series are interval_ms apart; lines go through the
 * extractors of the rules (NULL: they are only read). Memory is the arena's. ERR_INVALID with all
 * diagnostics, ERR_NOMEM; test_input_fini() in any case.
 */
int test_input_init(struct test_input *input, const struct test_case *test,
		    const struct rule_set *rules, int64_t interval_ms, int64_t start_ms,
		    struct arena *arena, struct diag_list *diags);
/* Its first part: the series of input->test, with UNIT_TEST_POINTS_MAX points in all. Also
 * ERR_LIMIT. */
int test_input_series_init(struct test_input *input, uint64_t points_max, struct arena *arena,
			   struct diag_list *diags);
void test_input_fini(struct test_input *input);
/* Tells the time, and feeds what is not newer. ERR_NOMEM. */
int test_input_step(struct test_input *input, struct simulation *simulation, int64_t t_ms);

/* The labels written at a key of a mapping; complaints have that place. As series_labels_parse().
 * Of a mapping that should have the key and has not, that was told. */
int test_labels_parse(const struct yaml_node *mapping, const char *key, struct slice text,
		      struct arena *arena, struct diag_list *diags, struct labels **out);
/* Says what is wrong with an expression, at its place in the file. ERR_INVALID, ERR_NOMEM. */
int test_expr_check(const struct yaml_node *mapping, struct slice text, struct arena *arena,
		    struct diag_list *diags);

#endif
