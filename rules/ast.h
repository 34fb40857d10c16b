/*
 * The syntax tree of an expression: what the parser makes and the checker annotates.
 *
 * All nodes live in one arena and are never changed after checking. Places are byte offsets into the
 * source, so that every complaint can quote and underline.
 */
#ifndef TOCSIN_RULES_AST_H
#define TOCSIN_RULES_AST_H

#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/matcher.h"
#include "rules/functions.h"

#define EXPR_BYTES_MAX (256 * 1024)
#define EXPR_DEPTH_MAX 200
#define EXPR_NODES_MAX 100000

enum value_type { VALUE_NONE, VALUE_SCALAR, VALUE_STRING, VALUE_VECTOR, VALUE_MATRIX };

enum expr_kind {
	EXPR_NUMBER,
	EXPR_STRING,
	EXPR_SELECTOR, /* instant, or range when range_ms > 0 */
	EXPR_CALL,
	EXPR_UNARY, /* minus; a unary plus leaves no node */
	EXPR_BINARY,
	EXPR_AGGREGATE,
	EXPR_PAREN,
};

/* Operators from operators.def: OP_ADD … OP_UNLESS. */
enum binary_op {
	OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_POW,
	OP_EQ, OP_NE, OP_GT, OP_LT, OP_GE, OP_LE,
	OP_AND, OP_OR, OP_UNLESS,
};
/* Aggregations: AGG_SUM … */
enum aggregate_op {
	AGG_SUM, AGG_AVG, AGG_MIN, AGG_MAX, AGG_COUNT, AGG_STDDEV, AGG_STDVAR, AGG_GROUP, AGG_TOPK, AGG_BOTTOMK, AGG_QUANTILE,
};

const char *binary_op_text(enum binary_op op);
bool binary_op_is_comparison(enum binary_op op);
bool binary_op_is_set(enum binary_op op);
const char *aggregate_op_text(enum aggregate_op op);

enum match_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };

struct names {
	struct slice *items; /* sorted, unique */
	uint32_t n;
};

struct expr {
	enum expr_kind kind;
	enum value_type type; /* written by the checker */
	uint32_t offset, span; /* in the source */
	union {
		double number;
		struct slice string;
		struct {
			struct matcher *matchers; /* in canonical order, name included; regexes freed by expr_fini() */
			uint32_t nmatchers;
			int64_t range_ms; /* 0: instant */
			int64_t offset_ms;
		} selector;
		struct {
			const struct function *function;
			struct expr **args;
			uint32_t nargs;
		} call;
		struct {
			struct expr *operand;
		} unary; /* and PAREN */
		struct {
			enum binary_op op;
			struct expr *left, *right;
			bool is_bool; /* the bool modifier */
			bool on;      /* on(…), else ignoring(…) */
			struct names labels;
			enum match_card card;
			struct names include; /* of group_left(…) or group_right(…) */
		} binary;
		struct {
			enum aggregate_op op;
			bool without;
			struct names labels;
			struct expr *param; /* topk, quantile: NULL else */
			struct expr *operand;
		} aggregate;
	};
};

#endif
