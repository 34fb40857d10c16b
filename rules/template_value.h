/*
 * The values of templates, and Go's ways of printing them.
 *
 * A value borrows its strings and maps from the data, the template or the arena of the rendering.
 */
#ifndef TOCSIN_RULES_TEMPLATE_VALUE_H
#define TOCSIN_RULES_TEMPLATE_VALUE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/labels.h"

struct template_data;
struct query_sample;
struct evidence;
struct evidence_function;

enum template_type {
	TEMPLATE_NONE, /* nil, and what is not there */
	TEMPLATE_BOOL,
	TEMPLATE_INT,
	TEMPLATE_FLOAT,
	TEMPLATE_STRING,
	TEMPLATE_LABELS,   /* name → text */
	TEMPLATE_ARGS,	   /* arg0, arg1… → value: what the function args makes */
	TEMPLATE_TIME,	   /* ms since the epoch */
	TEMPLATE_DURATION, /* ns */
	TEMPLATE_ROOT,	   /* the data: .Labels, .ExternalLabels, .ExternalURL, .Value */
	TEMPLATE_EVIDENCE, /* .lines, .functions */
	TEMPLATE_LINES,	   /* the evidence's lines */
	TEMPLATE_FUNCTIONS,
	TEMPLATE_FUNCTION_ITEM, /* .name, .profile_type, .self_ratio, .total_ratio */
	TEMPLATE_SAMPLES,	/* the result of a query */
	TEMPLATE_SAMPLE,	/* .Labels, .Value */
};

struct template_value {
	enum template_type type;
	uint32_t n;	   /* TEMPLATE_ARGS, TEMPLATE_SAMPLES */
	bool is_interface; /* Go knows no more of its type, until it is used; also of nil */
	union {
		bool boolean;
		int64_t integer; /* also time and duration */
		double number;
		struct slice string;
		const struct labels *labels; /* NULL: empty */
		const struct template_value *args;
		const struct template_data *root;
		const struct evidence *evidence; /* NULL: none; also of lines and functions */
		const struct evidence_function *function;
		const struct query_sample **samples; /* sortByLabel sorts them in place, as Go's */
		const struct query_sample *sample;   /* NULL: nil, as an argument only */
	};
};

/* Widest field and precision of printf: beyond it the rendering fails. */
#define TEMPLATE_WIDTH_MAX 10000

struct template_value template_string(struct slice text);
/* Go's name of the type, as in %!d(string=x). */
const char *template_type_name(enum template_type type);
/* Is it what `if` takes for true: not zero, not empty, not nil? */
bool template_value_is_true(const struct template_value *value);
/* As {{ value }} prints it: Go's %v, but <no value> for what is not there. */
void template_value_print(const struct template_value *value, struct buf *out);
/* fmt.Sprint and fmt.Sprintln */
void template_sprint(const struct template_value *values, size_t n, struct buf *out);
void template_sprintln(const struct template_value *values, size_t n, struct buf *out);
/*
 * fmt.Sprintf: mismatches are printed as Go prints them (%!d(string=x)). ERR_LIMIT: a width beyond
 * TEMPLATE_WIDTH_MAX.
 */
int template_sprintf(struct slice format, const struct template_value *values, size_t n,
		     struct buf *out);
/* Is it a list (lines, functions, samples)? How many items it has, and one of them. */
bool template_value_is_list(const struct template_value *value);
size_t template_list_count(const struct template_value *list);
struct template_value template_list_item(const struct template_value *list, size_t i);
/* A field of a value: *found tells whether the type has fields at all and, for the data, one of
 * that name. */
struct template_value template_value_field(const struct template_value *value, struct slice name,
					   bool *found);
/* "2015-06-23 13:19:44.128 +0000 UTC" */
void template_time_format(int64_t ms, struct buf *out);
/* "1h2m3.5s" */
void template_duration_format(int64_t ns, struct buf *out);
/* A code point as UTF-8; U+FFFD when it is none. */
void template_rune_format(int64_t rune, struct buf *out);
/* The code point at the start of text, which is not empty; *len is its length. Invalid bytes:
 * U+FFFD, 1. */
uint32_t template_rune_at(struct slice text, size_t *len);

#endif
