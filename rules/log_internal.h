/*
 * Inside of log pipelines: what the files log_*.c share. Users need log_pipeline.h only.
 *
 * Compiled steps live in the arena of their pipeline, what is made of a line in that of the
 * scratch. A field is what a parser read of a line; a label is what the pipeline knows of it by
 * then.
 */
#ifndef TOCSIN_RULES_LOG_INTERNAL_H
#define TOCSIN_RULES_LOG_INTERNAL_H

#include "base/arena.h"
#include "base/regex_find.h"
#include "rules/log_pipeline.h"

#define ERROR_LABEL "__error__"
#define ERROR_DETAILS_LABEL "__error_details__" /* always empty: what failed is not kept */
#define EXTRACTED_SUFFIX "_extracted"

/* Length and three bytes of a name: unequal ones mean unequal names, in one comparison. */
static inline uint32_t name_print(struct slice name)
{
	if (name.len == 0)
		return 0;
	const unsigned char *p = (const unsigned char *)name.ptr;

	return (uint32_t)(name.len & 0xff) << 24 | (uint32_t)p[0] << 16 |
	       (uint32_t)p[name.len / 2] << 8 | p[name.len - 1];
}

/* How the value of a field stands in the line. */
enum field_form { FORM_PLAIN, FORM_JSON_STRING, FORM_LOGFMT_STRING };

struct log_read_field {
	struct slice name, value; /* the name is fit for a label */
	uint32_t print;
	uint8_t form; /* enum field_form: to be unescaped when somebody asks */
};

/* The fields of one line, in their order; the first of a name counts. */
struct log_fields {
	struct log_read_field *items; /* LOG_FIELDS_MAX of them, or NULL */
	uint32_t n;
	enum log_error error; /* what was read before it stays */
	bool is_read;	      /* of the present line */
};

/* Parsers whose fields pipelines share. */
enum log_reader {
	READ_JSON,
	READ_LOGFMT,
	READ_LOGFMT_EMPTY,
	READ_LOGFMT_STRICT,
	READ_LOGFMT_STRICT_EMPTY,
	READERS
};

enum log_origin { ORIGIN_STREAM, ORIGIN_METADATA, ORIGIN_PARSED };

struct log_known_label {
	struct slice name, value; /* an empty value: absent */
	uint32_t print;
	uint8_t origin;
};

struct log_scratch {
	struct log_input input;
	bool is_utf8_known, is_utf8;	   /* the input's line */
	struct log_fields fields[READERS]; /* of the input's line */
	struct log_fields other;	   /* of a line that a pipeline made */
	struct arena arena;		   /* cleared with each line */

	/* Of the pipeline that runs. */
	const struct log_pipeline *pipeline;
	struct slice line;
	bool has_labels; /* labels[] was begun */
	struct log_known_label labels[LOG_LABELS_MAX];
	uint32_t nlabels;
	enum log_error error;
	bool is_cut_off, is_broken; /* is_broken: out of memory */
	double value;
	struct label out[LOG_LABELS_MAX];
};

/* A name that the rest of a pipeline reads. */
struct log_need {
	struct slice name;
	uint32_t print;
	struct slice stem; /* of a name that ends with _extracted, else empty */
	uint32_t stem_print;
};

/* Compiling: where the pipeline's things go, and where complaints do. */
struct log_compiler {
	struct arena *arena;
	const struct source *source;
	struct diag_list *diags;
	const struct log_stage *stage;
	struct log_pipeline *pipeline;
};

/* Says what is wrong with the stage; returns `code`. */
int log_refuse(const struct log_compiler *compiler, int code, const char *hint, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));
/* The pipeline reads this label somewhere. 0 or ERR_NOMEM. */
int log_needs(const struct log_compiler *compiler, struct slice name);
/* Is to be freed with the pipeline. ERR_INVALID, ERR_LIMIT: refused with the reason. */
int log_finder_new(const struct log_compiler *compiler, struct slice pattern,
		   struct regex_finder **out);

/* A copy that is freed with the pipeline; NULL when out of memory. */
const struct matcher *log_matcher_keep(const struct log_compiler *compiler,
				       const struct matcher *matcher);

/* Labels of the line under way. */
struct slice log_label_get(struct log_scratch *scratch, struct slice name, uint32_t print);
/* Sets or replaces; an empty value removes. */
void log_label_set(struct log_scratch *scratch, struct slice name, struct slice value);
/* As parsers do: under another name beside one of the stream's, not again if it is there. */
void log_label_parsed(struct log_scratch *scratch, struct slice name, struct slice value);
/* Sets __error__ unless it is set. */
static inline void log_fail(struct log_scratch *scratch, enum log_error error)
{
	if (scratch->error == LOG_ERROR_NONE)
		scratch->error = error;
}
/* Memory for the line under way, up to LOG_SCRATCH_MAX; NULL: the step is to log_fail(). */
char *log_scratch_alloc(struct log_scratch *scratch, size_t n);
/* Is the line under way valid UTF-8? The input's is looked at once. */
bool log_line_is_utf8(struct log_scratch *scratch);

/* log_line.c: line filters */
struct log_line_step;
int log_line_compile(const struct log_compiler *compiler, const struct log_line_step **out);
bool log_line_is_kept(const struct log_line_step *step, struct log_scratch *scratch);
/* What a line must contain to pass; none when nothing can be said. 0 or ERR_NOMEM. */
int log_line_literals(const struct log_compiler *compiler, const struct log_line_step *step,
		      struct log_literals *out);
struct slice log_decolorize(struct log_scratch *scratch, struct slice line);

/* log_json.c */
void log_json_read(struct log_scratch *scratch, struct slice line, struct log_fields *out);
/* Only texts; the field _entry replaces the line, without it none counts. */
void log_unpack(struct log_scratch *scratch);
/* Where a part of a document stands: x.y[0]["a b"]. */
struct log_path;
int log_path_compile(const struct log_compiler *compiler, struct slice text,
		     const struct log_path **out);
/* The text of what is there, empty when nothing is. ERR_INVALID: the line is no such document. */
int log_path_find(const struct log_path *path, struct log_scratch *scratch, struct slice line,
		  struct slice *out);
/* The text of a JSON string's inside, unescaped. */
struct slice log_json_unescape(struct log_scratch *scratch, struct slice raw);

/* log_logfmt.c */
void log_logfmt_read(struct log_scratch *scratch, struct slice line, bool strict, bool keep_empty,
		     struct log_fields *out);
struct slice log_logfmt_unescape(struct log_scratch *scratch, struct slice raw);

/* log_pattern.c */
struct log_pattern;
/* is_filter: of |> and !>, which know no names. */
int log_pattern_compile(const struct log_compiler *compiler, struct slice text, bool is_filter,
			const struct log_pattern **out);
void log_pattern_extract(const struct log_pattern *pattern, struct log_scratch *scratch);
bool log_pattern_is_match(const struct log_pattern *pattern, struct slice line);
/* Its longest literal, empty when it has none. */
struct slice log_pattern_literal(const struct log_pattern *pattern);

/* log_filter.c: label filters */
struct log_filter_step;
int log_filter_compile(const struct log_compiler *compiler, const struct log_filter *filter,
		       const struct log_filter_step **out);
bool log_filter_is_kept(const struct log_filter_step *step, struct log_scratch *scratch);

/* log_format.c: templates of line_format and label_format */
struct log_template;
int log_template_compile(const struct log_compiler *compiler, struct slice text,
			 const struct log_template **out);
/* false: it failed, __error__ is set. */
bool log_template_render(const struct log_template *template, struct log_scratch *scratch,
			 struct slice *out);

/* log_number.c: values as Go reads them. ERR_INVALID. */
int log_number_parse(struct slice text, double *out);
int log_duration_parse(struct slice text, int64_t *ns);
int log_bytes_parse(struct slice text, double *bytes);

/* log_ip.c */
struct log_ip;
int log_ip_compile(const struct log_compiler *compiler, struct slice text,
		   const struct log_ip **out);
/* Is there an address in the text that it matches? */
bool log_ip_is_in(const struct log_ip *ip, struct slice text);

#endif
