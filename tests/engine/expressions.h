/*
 * Random expressions of the whole language, and the dice that make them: the same seed gives the
 * same ones. Over the series that the tests make: m and n (labels a, b, c, job), u (no two values
 * alike), h_bucket and target_info.
 */
#ifndef TOCSIN_TESTS_ENGINE_EXPRESSIONS_H
#define TOCSIN_TESTS_ENGINE_EXPRESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- dice ---- */

void dice_seed(uint64_t number);
uint64_t dice_bits(void);
uint32_t below(uint32_t n);
bool chance(uint32_t percent);
/* One of a list that NULL ends. */
#define PICK(...) pick((const char *const[]){ __VA_ARGS__, NULL })
const char *pick(const char *const *list);

/* ---- expressions ---- */

#define EXPRESSION_BYTES_MAX 4096
struct expr_text {
	char bytes[EXPRESSION_BYTES_MAX];
	size_t len;
};

/*
 * What is known of the values: equal bits, whoever evaluates, whatever the order of summation; sums
 * of them exact (halves and quarters of small integers).
 */
struct expr_known {
	bool equal, exact;
};

struct expr_settings {
	bool for_peer; /* nothing that Prometheus 3.5 does not know */
	bool is_wide;  /* also ties, jumps on inexact values, wrong types: evaluators must agree on
			  order, and on what is no expression */
	int64_t around_s; /* times after "@" are around it; 0: none */
};
/* For all that follow; without it all is false. */
void expressions_set(const struct expr_settings *settings);

/* Appends an expression with so many levels at most. */
struct expr_known put_vector(struct expr_text *text, int depth);
void put_scalar(struct expr_text *text, int depth);

#endif
