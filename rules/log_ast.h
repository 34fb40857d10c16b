/*
 * The tree of a log selector: what stands between `logs{…}` and `[5m]`.
 *
 *   logs{job="api"} |= "ERROR" | logfmt | status >= 500 | unwrap duration(took) [5m]
 *
 * Made by the parser (parse_log.c), judged by the checker (check_log.c), compiled by
 * log_pipeline.h. Texts and stages live in the arena of their expression, or of the plan; the
 * compiled matchers are freed by log_selector_fini(). Stages stand in the order written.
 */
#ifndef TOCSIN_RULES_LOG_AST_H
#define TOCSIN_RULES_LOG_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/matcher.h"
#include "base/slice.h"

#define LOG_STAGES_MAX 64	/* of one selector */
#define LOG_STAGE_ITEMS_MAX 256 /* alternatives, fields or labels of one stage */

enum log_stage_kind {
	LOG_LINE_FILTER,  /* |= != |~ !~ |> !> */
	LOG_PARSER,	  /* | json, logfmt, regexp, pattern, unpack */
	LOG_LABEL_FILTER, /* | status >= 500 and method = "GET" */
	LOG_LINE_FORMAT,
	LOG_LABEL_FORMAT,
	LOG_DECOLORIZE,
	LOG_KEEP,
	LOG_DROP,
	LOG_UNWRAP, /* only label filters may follow */
};

enum log_line_op {
	LINE_CONTAINS,
	LINE_NOT_CONTAINS,
	LINE_MATCHES,
	LINE_NOT_MATCHES,
	LINE_PATTERN,
	LINE_NOT_PATTERN,
};

/* One of the texts that `or` joins: any of them is enough (for the negated: any of them drops). */
struct log_line_arg {
	struct slice text;
	bool is_ip; /* ip("10.0.0.0/8") */
};

enum log_parser { LOG_JSON, LOG_LOGFMT, LOG_REGEXP, LOG_PATTERN, LOG_UNPACK };

/* name, or name="path" of json and logfmt; name = other or name = "template" of label_format. */
struct log_field {
	struct slice name;
	struct slice value;  /* empty: the field of that name */
	bool value_is_label; /* label_format: another label's name, else a template */
};

/* An item of keep and drop: a name, or a matcher. */
struct log_item {
	struct slice name;
	const struct matcher *matcher; /* NULL: whatever the value */
};

enum log_filter_kind {
	FILTER_AND,
	FILTER_OR,
	FILTER_STRING,
	FILTER_NUMBER,
	FILTER_DURATION,
	FILTER_BYTES,
	FILTER_IP,
};

enum log_compare { COMPARE_EQ, COMPARE_NE, COMPARE_GT, COMPARE_GE, COMPARE_LT, COMPARE_LE };

struct log_filter {
	enum log_filter_kind kind;
	const struct log_filter *left, *right; /* AND, OR */
	struct slice name;		       /* the label's, of all others */
	const struct matcher *matcher;	       /* STRING: = != =~ !~ */
	enum log_compare compare;	       /* NUMBER, DURATION, BYTES; IP: EQ or NE */
	double number;			       /* in seconds of DURATION, in bytes of BYTES */
	/* As written, for the printer; IP: the address, range or prefix. */
	struct slice literal;
	uint32_t height; /* bounds recursion: at most LOG_STAGE_ITEMS_MAX */
};

enum log_unwrap { UNWRAP_NUMBER, UNWRAP_BYTES, UNWRAP_DURATION };

struct log_stage {
	enum log_stage_kind kind;
	uint32_t offset, span; /* in the source */
	union {
		struct {
			enum log_line_op op;
			struct log_line_arg *args;
			uint32_t nargs;
		} line;
		struct {
			enum log_parser parser;
			struct slice text; /* of regexp and pattern */
			bool strict, keep_empty;
			struct log_field *fields; /* of json and logfmt: only these; none: all */
			uint32_t nfields;
		} parse;
		const struct log_filter *filter;
		struct slice template; /* line_format */
		struct {
			struct log_field *fields;
			uint32_t nfields;
		} format; /* label_format */
		struct {
			struct log_item *items;
			uint32_t nitems;
		} labels; /* keep, drop */
		struct {
			enum log_unwrap how;
			struct slice name;
		} unwrap;
	};
};

/* A matcher of a stage; the list of them is what log_selector_fini() frees. */
struct log_matcher {
	struct matcher matcher;
	struct log_matcher *next;
};

/* Beside the matchers of its EXPR_SELECTOR, which see stream labels only. */
struct log_selector {
	struct log_stage *stages;
	uint32_t nstages;
	uint32_t nbefore_range; /* of the stages: those written before [5m] */
	struct log_matcher *matchers;
	bool is_marked; /* written with `logs`: else a stage says that braces are logs, or the
			   dialect */
};

#endif
