/*
 * Running the pipeline of a log selector over lines: the stages of log_ast.h, compiled.
 *
 * A line goes through the stages in the order written, with its labels: those of its stream first,
 * then its structured metadata, then what parsers make of it. An extracted label whose name is one
 * of the stream's or the metadata's gets the suffix _extracted; of two extracted ones of one name
 * the first counts; an empty one is absent. Names are made fit for labels: what is no letter, digit
 * or underscore becomes an underscore, a digit at the start gets one in front.
 *
 * What a line turns out to be never fails a rule: conversions and parsers that fail set __error__,
 * and a line that ends with it set gives no sample, unless the pipeline itself looks at __error__.
 *
 * A pipeline is immutable and may be used by any thread; each thread has its own scratch, in which
 * what was read from a line is kept for the other pipelines that will look at the same line. No
 * heap is touched for a line but when the scratch grows, to LOG_SCRATCH_MAX at most.
 */
#ifndef TOCSIN_RULES_LOG_PIPELINE_H
#define TOCSIN_RULES_LOG_PIPELINE_H

#include "base/diag.h"
#include "base/labels.h"
#include "rules/log_ast.h"

#define LOG_JSON_DEPTH_MAX 64	      /* objects within objects; deeper ones are an error */
#define LOG_FIELDS_MAX 1024	      /* that a parser reads of one line; more are an error */
#define LOG_LABELS_MAX 256	      /* of one line at once; more are an error */
#define LOG_KEY_MAX 1024	      /* bytes of a field's name, with its path; longer: left out */
#define LOG_SCRATCH_MAX (1024 * 1024) /* bytes made of one line: unescaped, formatted */
#define LOG_REGEX_BYTES_MAX 4096      /* of a line that a regular expression looks at */

enum log_value {
	LOG_VALUE_COUNT,  /* 1 */
	LOG_VALUE_BYTES,  /* the length of the line as the pipeline leaves it */
	LOG_VALUE_UNWRAP, /* of the label that the stage `unwrap` names */
};

/* Which labels a derived series has: those of `by`, all but those of `without`, or all. */
struct log_projection {
	bool is_by;
	struct slice *names; /* of by; else of without */
	uint32_t n;
};

#define LOG_ERROR_LIST(X)                                                                          \
	X(LOG_ERROR_NONE, "")                                                                      \
	X(LOG_ERROR_JSON, "JSONParserErr")                                                         \
	X(LOG_ERROR_LOGFMT, "LogfmtParserErr")                                                     \
	X(LOG_ERROR_EXTRACTION, "SampleExtractionErr")                                             \
	X(LOG_ERROR_FILTER, "LabelFilterErr")                                                      \
	X(LOG_ERROR_TEMPLATE, "TemplateFormatErr")

enum log_error {
#define X(name, text) name,
	LOG_ERROR_LIST(X)
#undef X
		LOG_ERRORS
};

/* The value of __error__: "JSONParserErr". */
const char *log_error_text(enum log_error error);

struct log_pipeline;

/*
 * Compiles stages; keeps nothing of them but references to their regular expressions' matchers,
 * which are copied. ERR_INVALID, ERR_UNSUPPORTED, ERR_LIMIT: said in diags, at the stage's place in
 * the source if there is one (both may be NULL); ERR_NOMEM.
 */
int log_pipeline_new(const struct log_stage *stages, uint32_t nstages, enum log_value value,
		     const struct log_projection *projection, const struct source *source,
		     struct diag_list *diags, struct log_pipeline **out);
void log_pipeline_free(struct log_pipeline *pipeline); /* NULL is fine */

/*
 * What a line must contain for the pipeline not to drop it: at least one of the literals, ASCII
 * letters of either case. n is 0 when nothing can be said. Borrowed.
 */
struct log_literals {
	const struct slice *items;
	uint32_t n;
};
struct log_literals log_pipeline_literals(const struct log_pipeline *pipeline);
/*
 * Do the labels of the result depend on the stream's alone (when the line has no metadata)? Then
 * all lines of a stream that get through belong to one series.
 */
bool log_pipeline_is_stream_only(const struct log_pipeline *pipeline);

struct log_input {
	struct slice line;
	const struct labels *stream;
	const struct label *metadata;
	size_t nmetadata;
};

struct log_scratch;
struct log_scratch *log_scratch_new(void); /* NULL when out of memory */
void log_scratch_free(struct log_scratch *scratch);
/* Another line: forgets all that was made of the one before. The input is borrowed until then. */
void log_scratch_begin(struct log_scratch *scratch, const struct log_input *input);

enum log_verdict {
	LOG_DROPPED, /* by a filter, or for want of a value to unwrap */
	LOG_PASSED,  /* value and labels are set */
	LOG_FAILED,  /* `error` is set at the end: to be counted, and left out */
};

/* What a pipeline makes of a line; borrowed from the scratch until it runs again. */
struct log_output {
	enum log_verdict verdict;
	enum log_error error;
	bool is_cut_off; /* a regular expression gave up: it counted as not matching */
	double value;
	/* As projected, by name; values may be no UTF-8 and of any length. None is empty. */
	const struct label *labels;
	uint32_t nlabels;
	struct slice line; /* as the pipeline leaves it */
};

/* ERR_NOMEM: nothing can be said of the line. */
int log_pipeline_run(const struct log_pipeline *pipeline, struct log_scratch *scratch,
		     struct log_output *out);

#endif
