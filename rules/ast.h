/*
 * The syntax tree of an expression: what the parser makes and the checker annotates.
 *
 * All nodes live in one arena and are never changed after checking. Places are byte offsets into
 * the source, so that every complaint can quote and underline. A node's height bounds every
 * recursion over the tree.
 */
#ifndef TOCSIN_RULES_AST_H
#define TOCSIN_RULES_AST_H

#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/matcher.h"
#include "rules/functions.h"
#include "rules/log_ast.h"

#define EXPR_BYTES_MAX (256 * 1024)
#define EXPR_DEPTH_MAX 200   /* parentheses, calls, signs and powers inside each other */
#define EXPR_HEIGHT_MAX 2000 /* the same, and the operators of a chain: a + b + c … */
#define EXPR_NODES_MAX 100000
#define EXPR_MATCHERS_MAX 64 /* of one selector: as many as the store takes */
/* What the highest tree takes of a stack, with any compiler and sanitizer: half of the usual one.
 */
#define EXPR_STACK_MAX (4 * 1024 * 1024)

/*
 * Says of a function that a recursion over trees calls, or goes through: its frame is its own. With
 * sanitizers a compiler gives each variable of all it puts into one function a place by itself;
 * EXPR_HEIGHT_MAX such frames are megabytes.
 */
#define OUT_OF_LINE __attribute__((noinline))

enum value_type {
	VALUE_NONE,
	VALUE_SCALAR,
	VALUE_STRING,
	VALUE_VECTOR,
	VALUE_MATRIX,
	VALUE_LOG_RANGE,       /* logs{…}[5m]: lines; only as an argument */
	VALUE_UNWRAPPED_RANGE, /* logs{…} | unwrap x [5m]: values taken out of lines; likewise */
};

enum expr_kind {
	EXPR_NUMBER,
	EXPR_STRING,
	EXPR_SELECTOR, /* instant or range */
	EXPR_SUBQUERY, /* an expression over a range: e[1h:1m] */
	EXPR_CALL,
	EXPR_UNARY, /* minus */
	EXPR_BINARY,
	EXPR_AGGREGATE,
	EXPR_PAREN,   /* or a unary plus */
	EXPR_REFUSED, /* understood but not supported: in no tree that expr_parse() returns */
};

enum binary_op {
#define OPERATOR(id, text, token, precedence, kind) id,
#define OPERATOR_OF_LOGQL(id, text, precedence, kind) id,
#include "rules/operators.def"
#undef OPERATOR_OF_LOGQL
#undef OPERATOR
	BINARY_OP_COUNT
};

enum aggregate_op {
#define AGGREGATION(id, text, token, parameter) id,
#include "rules/operators.def"
#undef AGGREGATION
	AGGREGATE_OP_COUNT
};

const char *binary_op_text(enum binary_op op);
bool binary_op_is_comparison(enum binary_op op);
/* Of native histograms only: numbers are left out. */
bool binary_op_is_trim(enum binary_op op);
bool binary_op_is_set(enum binary_op op);
const char *aggregate_op_text(enum aggregate_op op);
/* Does it take something before the vector, as topk(3, x)? Of what type (VALUE_NONE: no)? */
bool aggregate_op_has_param(enum aggregate_op op);
enum value_type aggregate_op_param(enum aggregate_op op);
/* "instant vector", "range vector", "scalar", "string", "log range", "unwrapped range", "none" */
const char *value_type_text(enum value_type type);

/* What the end of a selector's or subquery's time is: the evaluation's own, or as "@" says. */
enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };

/*
 * How a range begins and ends: at its samples; at the last sample before its start (anchored); or
 * between the samples around each edge (smoothed).
 */
enum edge_kind { EDGES_PLAIN, EDGES_ANCHORED, EDGES_SMOOTHED };

/* The grid of times that a query is evaluated for; an instant query has start = end and step 0. */
struct query_bounds {
	int64_t start_ms, end_ms, step_ms;
};

enum match_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };

/* Label names: in a tree as written, for the printer; in a plan sorted and unique. */
struct names {
	struct slice *items;
	uint32_t n;
};

static inline bool names_has(const struct names *names, struct slice name)
{
	for (uint32_t i = 0; i < names->n; i++)
		if (slice_is_equal(names->items[i], name))
			return true;
	return false;
}

struct expr {
	enum expr_kind kind;
	enum value_type type;  /* written by the checker */
	uint32_t offset, span; /* in the source */
	uint32_t height;       /* 1 of a leaf, else one more than that of the highest child */
	/*
	 * Of a selector or subquery. Its times as they are written, where that is more than a
	 * literal: expr_resolve() works out the milliseconds; NULL else.
	 */
	struct expr *range_expr, *offset_expr, *step_expr;
	enum at_kind at;
	int64_t at_ms;
	enum edge_kind edges; /* of a selector */
	union {
		struct {
			double number;
			bool is_duration; /* written as a duration: 5m */
		};
		struct slice string;
		struct {
			/*
			 * As written, the name before the braces last; regexes freed by
			 * expr_fini().
			 */
			struct matcher *matchers;
			uint32_t nmatchers;
			bool is_named; /* the last matcher is the name before the braces */
			bool is_range; /* and its milliseconds: 0 of x[0.0001], which is empty */
			int64_t range_ms;
			int64_t offset_ms;
			struct log_selector *log; /* selects log lines; NULL: samples */
		} selector;
		struct {
			struct expr *operand;
			int64_t range_ms, offset_ms;
			int64_t step_ms; /* 0: as the configuration says */
		} subquery;
		struct {
			const struct function *function;
			struct expr **args;
			uint32_t nargs;
			/* avg_over_time(logs{…} | unwrap x [5m]) by (a): only of unwrapped ranges
			 */
			bool is_grouped, without;
			struct names labels;
		} call;
		struct {
			struct expr *operand;
			bool is_plus; /* PAREN: a unary plus, which changes nothing either */
		} unary;	      /* and PAREN */
		struct {
			enum binary_op op;
			struct expr *left, *right;
			uint32_t op_offset; /* of the operator in the source */
			bool is_bool;	    /* the bool modifier */
			bool on;	    /* on(…), else ignoring(…) */
			struct names labels;
			enum match_card card;
			struct names include; /* of group_left(…) or group_right(…) */
			/* fill(…): what stands for an element that is missing on either side. */
			bool fills[2]; /* left, right */
			double fill[2];
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
