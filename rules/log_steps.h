/*
 * A compiled pipeline: what log_pipeline.c makes, and log_labels.c and log_run.c go by. Private to
 * these three.
 */
#ifndef TOCSIN_RULES_LOG_STEPS_H
#define TOCSIN_RULES_LOG_STEPS_H

#include "rules/log_internal.h"

enum log_step_kind {
	STEP_LINE,
	STEP_FIELDS, /* json, logfmt without a list: shared by all pipelines */
	STEP_JSON,   /* paths */
	STEP_LOGFMT, /* named fields */
	STEP_REGEXP,
	STEP_PATTERN,
	STEP_UNPACK,
	STEP_FILTER,
	STEP_LINE_FORMAT,
	STEP_LABEL_FORMAT,
	STEP_DECOLORIZE,
	STEP_KEEP,
	STEP_DROP,
	STEP_UNWRAP,
};

/* A field with the name of its label; or a label with what becomes of it. */
struct log_step_item {
	struct slice name;
	uint32_t print;
	const struct log_path *path; /* STEP_JSON */
	struct slice source;	     /* STEP_LOGFMT: the field; STEP_LABEL_FORMAT: the label */
	uint32_t source_print;
	const struct log_template *template; /* STEP_LABEL_FORMAT: unless it has a source */
	const struct matcher *matcher;	     /* STEP_KEEP, STEP_DROP: or NULL */
};

struct log_step {
	enum log_step_kind kind;
	union {
		const struct log_line_step *line;
		enum log_reader reader;
		const struct regex_finder *finder;
		const struct log_pattern *pattern;
		const struct log_filter_step *filter;
		const struct log_template *template;
		enum log_unwrap unwrap;
	};
	struct log_step_item *items;
	uint32_t n;
};

struct log_kept_matcher {
	struct matcher matcher;
	struct log_kept_matcher *next;
};

struct log_kept_finder {
	struct regex_finder *finder;
	struct log_kept_finder *next;
};

struct log_pipeline {
	struct log_step *steps;
	uint32_t nsteps;
	enum log_value value;
	struct log_projection projection; /* names sorted */
	bool has_all;			  /* all labels are carried along, else those of needs[] */
	bool makes_labels, sees_error;
	struct slice unwrapped; /* name of the label that `unwrap` takes */
	struct log_need *needs;
	uint32_t nneeds, needs_cap;
	struct log_literals literals;
	struct log_kept_matcher *matchers;
	struct log_kept_finder *finders;
	struct arena arena;
};

/* log_labels.c: the labels of the line under way */
/* Those that the line comes with, as far as the pipeline needs them. */
void log_labels_begin(struct log_scratch *scratch);
struct log_known_label *log_label_find(struct log_scratch *scratch, struct slice name,
				       uint32_t print);
void log_label_add(struct log_scratch *scratch, struct slice name, uint32_t print,
		   struct slice value, enum log_origin origin);
/* Does the line come with a label of that name? */
bool log_label_is_base(const struct log_scratch *scratch, struct slice name);

#endif
