/*
 * The parts of a run of Prometheus' test scripts, one a file: words and values, series that are
 * loaded, expectations that are read, evaluation, and how its result is compared. Private to
 * promql_*.c.
 */
#ifndef TOCSIN_TESTS_ENGINE_PROMQL_INTERNAL_H
#define TOCSIN_TESTS_ENGINE_PROMQL_INTERNAL_H

#include "engine/engine.h"
#include "engine/grid.h"
#include "tests/engine/eval_fixture.h"
#include "tests/engine/promql_script.h"

#define EXPECTATIONS_MAX 16

struct values {
	double *v;
	uint8_t *kind; /* 0 a number, 1 none, 2 stale, 3 a native histogram */
	size_t n;
	bool histograms;
};

/* Native histograms of a series; of times between the first and the last any may have one. */
struct histograms {
	struct labels *labels;
	int64_t first_ms, last_ms;
};

struct script {
	const char *path;
	char *text, *at; /* the rest */
	unsigned line;
	struct world world;
	bool loaded;
	struct values starts; /* of the series on the next line, by the times of its samples */
	struct histograms *histograms;
	size_t nhistograms;
	struct script_counts *counts;
};

/* The next line, trimmed; a comment counts as an empty one. NULL at the end. */
char *script_line(struct script *script);

/* ---- promql_values.c ---- */

char *text_trim(char *text);
/* Cuts off the first word, spaces within braces and quotes not counting; what follows it. */
char *text_split(char *text);
/* 1 2 _ stale NaN 3x4 1+2x10 _x5, {{…}} {{…}}x4 {{…}}+{{…}}x10 */
struct values values_parse(char *text);
/* The same of durations: -1m 1ms-1mx4 _ */
struct values starts_parse(char *text);
void values_fini(struct values *values);

/* ---- promql_load.c ---- */

bool labels_parse(const char *text, struct labels **out);
/* Forgets all series. */
void script_clear(struct script *script);
/* load STEP, and the lines after it. */
void script_load(struct script *script, char *args, bool with_nhcb);

/* ---- promql_expect.c ---- */

enum what { FAIL, WARN, NO_WARN, INFO, NO_INFO };

struct expectation {
	enum what what;
	bool is_regex;
	char *text; /* NULL: any */
};

struct wanted_series {
	struct labels *labels;
	struct values values;
};

struct eval {
	unsigned line;
	char *expr;
	bool is_range, ordered, is_scalar, is_string, is_matrix, has_histogram;
	struct query_bounds bounds; /* of an instant: start = end */
	struct query_bounds points; /* of a range vector */
	struct expectation expectations[EXPECTATIONS_MAX];
	size_t nexpectations;
	double scalar;
	struct slice string;
	struct wanted_series *series;
	size_t n;
};

bool eval_expects(const struct eval *eval, enum what what);
void eval_expect(struct eval *eval, enum what what, char *rest);
/* "from 0 to 5m step 1m", followed by something: *rest. */
struct query_bounds bounds_parse(char *text, char **rest);
/* A time or duration: "5m", "0". */
int64_t time_of(const char *text);
/* A line below "eval …": what is expected of it. */
void eval_read(struct eval *eval, char *line);
void eval_fini(struct eval *eval);

/* ---- promql_run.c ---- */

/* An instant result is one of series with one point each. */
struct got {
	enum value_type type;
	char error[512];
	struct engine_query_row *rows; /* of an instant, in order */
	size_t nrows;
	double scalar;
	char *string;
	struct grid grid;
	struct notes notes;
};

/* delayed_names: names are removed at the end of the query. */
void eval_run(struct script *script, const struct eval *eval, const struct query_bounds *bounds,
	      bool delayed_names, struct got *got);
void got_fini(struct script *script, struct got *got);

/* ---- promql_compare.c ---- */

bool is_almost(double a, double b);
/* NULL: none of these labels is. */
const struct wanted_series *eval_wanted(const struct eval *eval, const struct labels *labels);
bool got_is_right(struct script *script, const struct eval *eval, const struct got *got);
void got_print(struct script *script, const struct got *got);

/* ---- promql_check.c ---- */

/* Runs it in all ways, counts it and prints what is not right. */
void eval_check(struct script *script, struct eval *eval);

#endif
