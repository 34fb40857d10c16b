/*
 * Prometheus' own test scripts: what tests/promqltest and tests/engine/test_promqltest run.
 *
 * Each evaluation is done by a binding as the scripts assume it (names are removed at the end of a
 * query); an instant one a second time as the middle step of a range query; and, with names removed
 * as the server does it, compared with the oracle.
 *
 * Skipped are evaluations that have a native histogram, or a function of such only, or that select
 * a series which holds them; nothing else.
 */
#ifndef TOCSIN_TESTS_ENGINE_PROMQL_SCRIPT_H
#define TOCSIN_TESTS_ENGINE_PROMQL_SCRIPT_H

#include <stdbool.h>

struct script_counts {
	unsigned passed, failed, skipped;
	bool tells_skipped; /* set by the caller: prints why each is skipped */
};

/* Prints a line for each failure. False: the file cannot be read. */
bool script_run(const char *path, struct script_counts *counts);

#endif
