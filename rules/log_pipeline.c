#include "rules/log_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/error.h"

enum step_kind {
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
struct step_item {
	struct slice name;
	uint32_t print;
	const struct log_path *path; /* STEP_JSON */
	struct slice source;	     /* STEP_LOGFMT: the field; STEP_LABEL_FORMAT: the label */
	uint32_t source_print;
	const struct log_template *template; /* STEP_LABEL_FORMAT: unless it has a source */
	const struct matcher *matcher;	     /* STEP_KEEP, STEP_DROP: or NULL */
};

struct step {
	enum step_kind kind;
	union {
		const struct log_line_step *line;
		enum log_reader reader;
		const struct regex_finder *finder;
		const struct log_pattern *pattern;
		const struct log_filter_step *filter;
		const struct log_template *template;
		enum log_unwrap unwrap;
	};
	struct step_item *items;
	uint32_t n;
};

struct kept_matcher {
	struct matcher matcher;
	struct kept_matcher *next;
};

struct kept_finder {
	struct regex_finder *finder;
	struct kept_finder *next;
};

struct log_pipeline {
	struct step *steps;
	uint32_t nsteps;
	enum log_value value;
	struct log_projection projection; /* names sorted */
	bool has_all;			  /* all labels are carried along, else those of needs[] */
	bool makes_labels, sees_error;
	struct slice unwrapped; /* name of the label that `unwrap` takes */
	struct log_need *needs;
	uint32_t nneeds;
	struct log_literals literals;
	struct kept_matcher *matchers;
	struct kept_finder *finders;
	struct arena arena;
};

const char *log_error_text(enum log_error error)
{
	static const char *const texts[] = {
#define X(name, text) text,
		LOG_ERROR_LIST(X)
#undef X
	};

	return texts[error];
}

/* Compiling. */

int log_refuse(const struct log_compiler *compiler, int code, const char *hint, const char *format,
	       ...)
{
	struct buf text;
	va_list args;

	if (!compiler->diags)
		return code;
	buf_init(&text);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	if (compiler->source)
		diag_add_at(compiler->diags, DIAG_ERROR, compiler->source, compiler->stage->offset,
			    compiler->stage->span, hint, "%s", buf_ok(&text) ? text.ptr : format);
	else
		diag_add(compiler->diags, DIAG_ERROR, NULL, 0, 0, NULL, hint, "%s",
			 buf_ok(&text) ? text.ptr : format);
	buf_fini(&text);
	return code;
}

int log_needs(const struct log_compiler *compiler, struct slice name)
{
	struct log_pipeline *pipeline = compiler->pipeline;
	struct slice suffix = SLICE(EXTRACTED_SUFFIX);
	struct log_need need = { .name = arena_slice(compiler->arena, name) };

	if (!need.name.ptr)
		return ERR_NOMEM;
	if (slice_is(name, ERROR_LABEL) || slice_is(name, ERROR_DETAILS_LABEL)) {
		pipeline->sees_error = pipeline->sees_error || slice_is(name, ERROR_LABEL);
		return 0;
	}
	for (uint32_t i = 0; i < pipeline->nneeds; i++) {
		if (slice_is_equal(pipeline->needs[i].name, name))
			return 0;
	}
	if (pipeline->nneeds == LOG_LABELS_MAX)
		return log_refuse(compiler, ERR_LIMIT, NULL,
				  "a log selector that reads more than %d labels", LOG_LABELS_MAX);
	need.print = name_print(need.name);
	if (slice_has_suffix(need.name, suffix)) {
		need.stem = (struct slice){ need.name.ptr, need.name.len - suffix.len };
		need.stem_print = name_print(need.stem);
	}
	pipeline->needs[pipeline->nneeds++] = need;
	return 0;
}

int log_finder_new(const struct log_compiler *compiler, struct slice pattern,
		   struct regex_finder **out)
{
	struct kept_finder *kept = ARENA_NEW(compiler->arena, struct kept_finder);
	char *why = NULL;
	size_t offset;

	if (!kept)
		return ERR_NOMEM;
	int err = regex_finder_new(pattern, &kept->finder, &why, &offset);

	if (err && err != ERR_NOMEM)
		log_refuse(compiler, err, NULL, "invalid regular expression: %s",
			   why ? why : error_text(err));
	free(why);
	if (err)
		return err;
	kept->next = compiler->pipeline->finders;
	compiler->pipeline->finders = kept;
	*out = kept->finder;
	return 0;
}

const struct matcher *log_matcher_keep(const struct log_compiler *compiler,
				       const struct matcher *matcher)
{
	struct kept_matcher *kept = ARENA_NEW(compiler->arena, struct kept_matcher);

	if (!kept || matcher_dup(matcher, &kept->matcher))
		return NULL;
	kept->next = compiler->pipeline->matchers;
	compiler->pipeline->matchers = kept;
	return &kept->matcher;
}

/* Room for n items, each with its name. */
static int items_new(const struct log_compiler *compiler, struct step *step, uint32_t n)
{
	step->items = arena_alloc_array(compiler->arena, n ? n : 1, sizeof(*step->items));
	step->n = n;
	return step->items ? 0 : ERR_NOMEM;
}

static int name_set(const struct log_compiler *compiler, struct slice name, struct slice *out,
		    uint32_t *print)
{
	*out = arena_slice(compiler->arena, name);
	*print = name_print(*out);
	return out->ptr ? 0 : ERR_NOMEM;
}

static int fields_compile(const struct log_compiler *compiler, struct step *step)
{
	const struct log_stage *stage = compiler->stage;
	bool is_json = stage->parse.parser == LOG_JSON;
	int err = items_new(compiler, step, stage->parse.nfields);

	if (!is_json)
		step->reader = stage->parse.strict ? READ_LOGFMT_STRICT_EMPTY : READ_LOGFMT_EMPTY;
	for (uint32_t i = 0; !err && i < step->n; i++) {
		const struct log_field *field = &stage->parse.fields[i];
		struct slice source = field->value.len ? field->value : field->name;
		struct step_item *item = &step->items[i];

		err = name_set(compiler, field->name, &item->name, &item->print);
		if (!err && is_json)
			err = log_path_compile(compiler, source, &item->path);
		else if (!err)
			err = name_set(compiler, source, &item->source, &item->source_print);
	}
	return err;
}

static int regexp_compile(const struct log_compiler *compiler, struct step *step)
{
	struct regex_finder *finder;
	uint32_t names = 0;
	int err = log_finder_new(compiler, compiler->stage->parse.text, &finder);

	if (err)
		return err;
	step->finder = finder;
	err = items_new(compiler, step, (uint32_t)regex_finder_groups(finder));
	for (uint32_t i = 0; !err && i < step->n; i++) {
		struct slice name = regex_finder_group_name(finder, i + 1);

		if (!name.len)
			continue;
		if (!label_name_is_legacy(name))
			return log_refuse(compiler, ERR_INVALID, NULL,
					  "the group's name \"" SLICE_FMT "\" is no label",
					  SLICE_ARG(name));
		names++;
		err = name_set(compiler, name, &step->items[i].name, &step->items[i].print);
	}
	if (!err && names == 0)
		err = log_refuse(compiler, ERR_INVALID, "write (?P<name>…) where a label is wanted",
				 "the regular expression names no label");
	return err;
}

static int parser_compile(const struct log_compiler *compiler, struct step *step)
{
	const struct log_stage *stage = compiler->stage;

	compiler->pipeline->makes_labels = true;
	switch (stage->parse.parser) {
	case LOG_JSON:
	case LOG_LOGFMT:
		if (stage->parse.nfields) {
			step->kind = stage->parse.parser == LOG_JSON ? STEP_JSON : STEP_LOGFMT;
			return fields_compile(compiler, step);
		}
		step->kind = STEP_FIELDS;
		step->reader = stage->parse.parser == LOG_JSON ? READ_JSON
			       : stage->parse.strict
				       ? (stage->parse.keep_empty ? READ_LOGFMT_STRICT_EMPTY
								  : READ_LOGFMT_STRICT)
			       : stage->parse.keep_empty ? READ_LOGFMT_EMPTY
							 : READ_LOGFMT;
		return 0;
	case LOG_REGEXP:
		step->kind = STEP_REGEXP;
		return regexp_compile(compiler, step);
	case LOG_PATTERN:
		step->kind = STEP_PATTERN;
		return log_pattern_compile(compiler, stage->parse.text, false, &step->pattern);
	case LOG_UNPACK:
		step->kind = STEP_UNPACK;
		return 0;
	}
	return ERR_UNSUPPORTED;
}

static int label_format_compile(const struct log_compiler *compiler, struct step *step)
{
	const struct log_stage *stage = compiler->stage;
	int err = items_new(compiler, step, stage->format.nfields);

	compiler->pipeline->makes_labels = true;
	for (uint32_t i = 0; !err && i < step->n; i++) {
		const struct log_field *field = &stage->format.fields[i];
		struct step_item *item = &step->items[i];

		err = name_set(compiler, field->name, &item->name, &item->print);
		if (!err && !field->value_is_label)
			err = log_template_compile(compiler, field->value, &item->template);
		if (!err && field->value_is_label)
			err = name_set(compiler, field->value, &item->source, &item->source_print);
		if (!err && field->value_is_label)
			err = log_needs(compiler, field->value);
	}
	return err;
}

static int items_compile(const struct log_compiler *compiler, struct step *step)
{
	const struct log_stage *stage = compiler->stage;
	int err = items_new(compiler, step, stage->labels.nitems);

	compiler->pipeline->makes_labels = true;
	for (uint32_t i = 0; !err && i < step->n; i++) {
		const struct log_item *from = &stage->labels.items[i];
		struct step_item *item = &step->items[i];

		err = name_set(compiler, from->name, &item->name, &item->print);
		if (!err && (from->matcher || stage->kind == LOG_KEEP))
			err = log_needs(compiler, from->name);
		/* To drop the mark is to deal with it. */
		if (!err && stage->kind == LOG_DROP && slice_is(from->name, ERROR_LABEL))
			err = log_needs(compiler, from->name);
		if (!err && from->matcher)
			item->matcher = log_matcher_keep(compiler, from->matcher);
		if (!err && from->matcher && !item->matcher)
			err = ERR_NOMEM;
	}
	return err;
}

static int unwrap_compile(const struct log_compiler *compiler, struct step *step)
{
	const struct log_stage *stage = compiler->stage;
	int err = items_new(compiler, step, 1);

	step->unwrap = stage->unwrap.how;
	if (!err)
		err = name_set(compiler, stage->unwrap.name, &step->items->name,
			       &step->items->print);
	if (!err)
		err = log_needs(compiler, stage->unwrap.name);
	compiler->pipeline->unwrapped = step->items ? step->items->name : (struct slice){ NULL, 0 };
	return err;
}

static int step_compile(const struct log_compiler *compiler, struct step *step)
{
	const struct log_stage *stage = compiler->stage;

	switch (stage->kind) {
	case LOG_LINE_FILTER:
		step->kind = STEP_LINE;
		return log_line_compile(compiler, &step->line);
	case LOG_PARSER:
		return parser_compile(compiler, step);
	case LOG_LABEL_FILTER:
		step->kind = STEP_FILTER;
		return log_filter_compile(compiler, stage->filter, &step->filter);
	case LOG_LINE_FORMAT:
		step->kind = STEP_LINE_FORMAT;
		return log_template_compile(compiler, stage->template, &step->template);
	case LOG_LABEL_FORMAT:
		step->kind = STEP_LABEL_FORMAT;
		return label_format_compile(compiler, step);
	case LOG_DECOLORIZE:
		step->kind = STEP_DECOLORIZE;
		return 0;
	case LOG_KEEP:
	case LOG_DROP:
		step->kind = stage->kind == LOG_KEEP ? STEP_KEEP : STEP_DROP;
		return items_compile(compiler, step);
	case LOG_UNWRAP:
		step->kind = STEP_UNWRAP;
		return unwrap_compile(compiler, step);
	}
	return ERR_UNSUPPORTED;
}

static bool changes_line(enum step_kind kind)
{
	return kind == STEP_LINE_FORMAT || kind == STEP_UNPACK || kind == STEP_DECOLORIZE;
}

static size_t shortest(const struct log_literals *literals)
{
	size_t min = SIZE_MAX;

	for (uint32_t i = 0; i < literals->n; i++) {
		if (literals->items[i].len < min)
			min = literals->items[i].len;
	}
	return min;
}

/* Of the filters that look at the line as it came, the one whose literals tell most. */
static int literals_choose(const struct log_compiler *compiler)
{
	struct log_pipeline *pipeline = compiler->pipeline;

	for (uint32_t i = 0; i < pipeline->nsteps && !changes_line(pipeline->steps[i].kind); i++) {
		struct log_literals found;

		if (pipeline->steps[i].kind != STEP_LINE)
			continue;
		int err = log_line_literals(compiler, pipeline->steps[i].line, &found);

		if (err)
			return err;
		if (found.n &&
		    (!pipeline->literals.n || shortest(&found) > shortest(&pipeline->literals)))
			pipeline->literals = found;
	}
	return 0;
}

static int slice_order(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static int projection_set(const struct log_compiler *compiler, const struct log_projection *from)
{
	struct log_projection *own = &compiler->pipeline->projection;
	int err = 0;

	own->is_by = from->is_by;
	own->n = from->n;
	if (own->n > LOG_LABELS_MAX)
		return log_refuse(compiler, ERR_LIMIT, NULL, "more than %d labels are asked for",
				  LOG_LABELS_MAX);
	own->names = arena_alloc_array(compiler->arena, own->n ? own->n : 1, sizeof(*own->names));
	if (!own->names)
		return ERR_NOMEM;
	for (uint32_t i = 0; !err && i < own->n; i++) {
		own->names[i] = arena_slice(compiler->arena, from->names[i]);
		err = !own->names[i].ptr ? ERR_NOMEM
		      : own->is_by	 ? log_needs(compiler, own->names[i])
					 : 0;
	}
	if (!err && own->n)
		qsort(own->names, own->n, sizeof(*own->names), slice_order);
	return err;
}

/* Is a stage `keep` the last to say which labels there are? Then those it names are enough. */
static bool is_kept_to_needs(const struct log_pipeline *pipeline)
{
	bool kept = false;

	for (uint32_t i = 0; i < pipeline->nsteps; i++) {
		enum step_kind kind = pipeline->steps[i].kind;

		if (kind == STEP_KEEP)
			kept = true;
		else if (kind >= STEP_FIELDS && kind <= STEP_UNPACK)
			kept = false;
	}
	return kept;
}

static int pipeline_compile(struct log_compiler *compiler, const struct log_stage *stages,
			    uint32_t nstages, const struct log_projection *projection)
{
	struct log_pipeline *pipeline = compiler->pipeline;
	int err = 0;

	pipeline->steps = arena_alloc_array(&pipeline->arena, nstages ? nstages : 1,
					    sizeof(*pipeline->steps));
	pipeline->needs =
		arena_alloc_array(&pipeline->arena, LOG_LABELS_MAX, sizeof(*pipeline->needs));
	if (!pipeline->steps || !pipeline->needs)
		return ERR_NOMEM;
	for (uint32_t i = 0; !err && i < nstages; i++) {
		compiler->stage = &stages[i];
		err = step_compile(compiler, &pipeline->steps[i]);
		pipeline->nsteps += !err;
	}
	if (!err)
		err = literals_choose(compiler);
	if (!err)
		err = projection_set(compiler, projection);
	pipeline->has_all = !pipeline->projection.is_by && !is_kept_to_needs(pipeline);
	return err;
}

int log_pipeline_new(const struct log_stage *stages, uint32_t nstages, enum log_value value,
		     const struct log_projection *projection, const struct source *source,
		     struct diag_list *diags, struct log_pipeline **out)
{
	static const struct log_stage whole;
	struct log_pipeline *pipeline = calloc(1, sizeof(*pipeline));

	if (!pipeline)
		return ERR_NOMEM;
	arena_init(&pipeline->arena, 0);
	pipeline->value = value;
	struct log_compiler compiler = { &pipeline->arena, source, diags, nstages ? stages : &whole,
					 pipeline };
	int err = pipeline_compile(&compiler, stages, nstages, projection);

	assert(err || value != LOG_VALUE_UNWRAP || pipeline->unwrapped.len);
	if (err)
		log_pipeline_free(pipeline);
	else
		*out = pipeline;
	return err;
}

void log_pipeline_free(struct log_pipeline *pipeline)
{
	if (!pipeline)
		return;
	for (struct kept_matcher *kept = pipeline->matchers; kept; kept = kept->next)
		matcher_fini(&kept->matcher);
	for (struct kept_finder *kept = pipeline->finders; kept; kept = kept->next)
		regex_finder_free(kept->finder);
	arena_fini(&pipeline->arena);
	free(pipeline);
}

struct log_literals log_pipeline_literals(const struct log_pipeline *pipeline)
{
	return pipeline->literals;
}

bool log_pipeline_is_stream_only(const struct log_pipeline *pipeline)
{
	return !pipeline->makes_labels;
}

/* Scratch. */

struct log_scratch *log_scratch_new(void)
{
	struct log_scratch *scratch = calloc(1, sizeof(*scratch));

	if (scratch)
		arena_init(&scratch->arena, LOG_SCRATCH_MAX);
	return scratch;
}

void log_scratch_free(struct log_scratch *scratch)
{
	if (!scratch)
		return;
	for (int i = 0; i < READERS; i++)
		free(scratch->fields[i].items);
	free(scratch->other.items);
	arena_fini(&scratch->arena);
	free(scratch);
}

void log_scratch_begin(struct log_scratch *scratch, const struct log_input *input)
{
	scratch->input = *input;
	scratch->is_utf8_known = false;
	for (int i = 0; i < READERS; i++)
		scratch->fields[i].is_read = false;
	if (scratch->arena.used > 0)
		arena_clear(&scratch->arena);
}

char *log_scratch_alloc(struct log_scratch *scratch, size_t n)
{
	char *bytes = arena_alloc(&scratch->arena, n ? n : 1);

	/* It was not the limit. */
	if (!bytes && scratch->arena.used + n < LOG_SCRATCH_MAX / 2)
		scratch->is_broken = true;
	return bytes;
}

bool log_line_is_utf8(struct log_scratch *scratch)
{
	if (scratch->line.ptr != scratch->input.line.ptr ||
	    scratch->line.len != scratch->input.line.len)
		return slice_is_utf8(scratch->line);
	if (!scratch->is_utf8_known) {
		scratch->is_utf8 = slice_is_utf8(scratch->input.line);
		scratch->is_utf8_known = true;
	}
	return scratch->is_utf8;
}

/* Labels. */

static struct log_known_label *label_find(struct log_scratch *scratch, struct slice name,
					  uint32_t print)
{
	for (uint32_t i = 0; i < scratch->nlabels; i++) {
		struct log_known_label *label = &scratch->labels[i];

		if (label->print == print && slice_is_equal(label->name, name))
			return label;
	}
	return NULL;
}

static void label_add(struct log_scratch *scratch, struct slice name, uint32_t print,
		      struct slice value, enum log_origin origin)
{
	if (scratch->nlabels < LOG_LABELS_MAX)
		scratch->labels[scratch->nlabels++] =
			(struct log_known_label){ name, value, print, (uint8_t)origin };
	else
		log_fail(scratch, LOG_ERROR_EXTRACTION);
}

static struct slice metadata_get(const struct log_input *input, struct slice name)
{
	for (size_t i = 0; i < input->nmetadata; i++) {
		if (slice_is_equal(input->metadata[i].name, name))
			return input->metadata[i].value;
	}
	return (struct slice){ NULL, 0 };
}

static struct slice stream_get(const struct log_input *input, struct slice name)
{
	return input->stream ? labels_get(input->stream, name) : (struct slice){ NULL, 0 };
}

/* Does the line come with a label of that name? */
static bool is_base(const struct log_scratch *scratch, struct slice name)
{
	return stream_get(&scratch->input, name).len || metadata_get(&scratch->input, name).len;
}

/* Those that the line comes with, as far as the pipeline needs them. */
static void labels_begin(struct log_scratch *scratch)
{
	const struct log_pipeline *pipeline = scratch->pipeline;
	const struct log_input *input = &scratch->input;

	scratch->has_labels = true;
	scratch->nlabels = 0;
	if (!pipeline->has_all) {
		for (uint32_t i = 0; i < pipeline->nneeds; i++) {
			const struct log_need *need = &pipeline->needs[i];
			struct slice value = stream_get(input, need->name);
			enum log_origin origin = ORIGIN_STREAM;

			if (!value.len) {
				value = metadata_get(input, need->name);
				origin = ORIGIN_METADATA;
			}
			if (value.len)
				label_add(scratch, need->name, need->print, value, origin);
		}
		return;
	}
	size_t n = input->stream ? labels_count(input->stream) : 0;

	for (size_t i = 0; i < n; i++) {
		struct label label = labels_at(input->stream, i);

		label_add(scratch, label.name, name_print(label.name), label.value, ORIGIN_STREAM);
	}
	for (size_t i = 0; i < input->nmetadata; i++) {
		struct label label = input->metadata[i];
		uint32_t print = name_print(label.name);

		if (label.value.len && label.name.len && !label_find(scratch, label.name, print))
			label_add(scratch, label.name, print, label.value, ORIGIN_METADATA);
	}
}

struct slice log_label_get(struct log_scratch *scratch, struct slice name, uint32_t print)
{
	if (!scratch->has_labels)
		labels_begin(scratch);
	const struct log_known_label *label = label_find(scratch, name, print);

	if (label)
		return label->value;
	if (scratch->error && slice_is(name, ERROR_LABEL))
		return slice_from(log_error_text(scratch->error));
	return (struct slice){ NULL, 0 };
}

void log_label_set(struct log_scratch *scratch, struct slice name, struct slice value)
{
	uint32_t print = name_print(name);

	if (!scratch->has_labels)
		labels_begin(scratch);
	struct log_known_label *label = label_find(scratch, name, print);

	if (label) {
		label->value = value;
		label->origin = ORIGIN_PARSED;
	} else if (value.len) {
		label_add(scratch, name, print, value, ORIGIN_PARSED);
	}
}

static const struct log_need *need_find(const struct log_pipeline *pipeline, struct slice name,
					uint32_t print)
{
	for (uint32_t i = 0; i < pipeline->nneeds; i++) {
		if (pipeline->needs[i].print == print &&
		    slice_is_equal(pipeline->needs[i].name, name))
			return &pipeline->needs[i];
	}
	return NULL;
}

/* name_extracted: where all labels are carried along; NULL: no memory. */
static bool name_suffix(struct log_scratch *scratch, struct slice name, struct slice *out)
{
	char *text = log_scratch_alloc(scratch, name.len + sizeof(EXTRACTED_SUFFIX) - 1);

	if (!text)
		return false;
	memcpy(text, name.ptr, name.len);
	memcpy(text + name.len, EXTRACTED_SUFFIX, sizeof(EXTRACTED_SUFFIX) - 1);
	*out = (struct slice){ text, name.len + sizeof(EXTRACTED_SUFFIX) - 1 };
	return true;
}

/* The label's name that a parsed field gets. false: nobody needs it. */
static bool parsed_name(struct log_scratch *scratch, struct slice *name, uint32_t *print)
{
	const struct log_pipeline *pipeline = scratch->pipeline;
	bool collides = is_base(scratch, *name);

	*print = name_print(*name);
	if (pipeline->has_all) {
		if (collides && !name_suffix(scratch, *name, name)) {
			log_fail(scratch, LOG_ERROR_EXTRACTION);
			return false;
		}
		*print = name_print(*name);
		return true;
	}
	if (!collides)
		return need_find(pipeline, *name, *print) != NULL;
	for (uint32_t i = 0; i < pipeline->nneeds; i++) {
		const struct log_need *need = &pipeline->needs[i];

		if (need->stem.len && slice_is_equal(need->stem, *name)) {
			*name = need->name;
			*print = need->print;
			return true;
		}
	}
	return false;
}

void log_label_parsed(struct log_scratch *scratch, struct slice name, struct slice value)
{
	uint32_t print;

	if (!scratch->has_labels)
		labels_begin(scratch);
	if (!value.len || !parsed_name(scratch, &name, &print))
		return;
	struct log_known_label *label = label_find(scratch, name, print);

	if (!label)
		label_add(scratch, name, print, value, ORIGIN_PARSED);
	else if (!label->value.len)
		label->value = value;
}

/* Fields. */

static bool fields_ready(struct log_fields *fields)
{
	if (!fields->items)
		fields->items = malloc(LOG_FIELDS_MAX * sizeof(*fields->items));
	return fields->items != NULL;
}

/* The fields of the line under way, read once for all pipelines if it is the line as it came. */
static struct log_fields *fields_get(struct log_scratch *scratch, enum log_reader reader)
{
	bool is_own = scratch->line.ptr != scratch->input.line.ptr ||
		      scratch->line.len != scratch->input.line.len;
	struct log_fields *fields = is_own ? &scratch->other : &scratch->fields[reader];

	if (!fields_ready(fields)) {
		scratch->is_broken = true;
		return NULL;
	}
	if (!is_own && fields->is_read)
		return fields;
	if (reader == READ_JSON)
		log_json_read(scratch, scratch->line, fields);
	else
		log_logfmt_read(scratch, scratch->line,
				reader == READ_LOGFMT_STRICT || reader == READ_LOGFMT_STRICT_EMPTY,
				reader == READ_LOGFMT_EMPTY || reader == READ_LOGFMT_STRICT_EMPTY,
				fields);
	fields->is_read = true;
	return fields;
}

/* Unescapes a field's value once, whoever asks first. */
static struct slice field_value(struct log_scratch *scratch, struct log_read_field *field)
{
	if (field->form == FORM_JSON_STRING)
		field->value = log_json_unescape(scratch, field->value);
	else if (field->form == FORM_LOGFMT_STRING)
		field->value = log_logfmt_unescape(scratch, field->value);
	field->form = FORM_PLAIN;
	return field->value;
}

static struct log_read_field *field_find(const struct log_fields *fields, struct slice name,
					 uint32_t print)
{
	for (uint32_t i = 0; i < fields->n; i++) {
		if (fields->items[i].print == print && slice_is_equal(fields->items[i].name, name))
			return &fields->items[i];
	}
	return NULL;
}

/* What the pipeline needs of them. */
static void need_take(struct log_scratch *scratch, const struct log_fields *fields,
		      const struct log_need *need)
{
	struct log_read_field *field = NULL;

	if (!is_base(scratch, need->name))
		field = field_find(fields, need->name, need->print);
	if (!field && need->stem.len && is_base(scratch, need->stem))
		field = field_find(fields, need->stem, need->stem_print);
	if (field && !label_find(scratch, need->name, need->print))
		label_add(scratch, need->name, need->print, field_value(scratch, field),
			  ORIGIN_PARSED);
}

static void step_fields(const struct step *step, struct log_scratch *scratch)
{
	const struct log_pipeline *pipeline = scratch->pipeline;
	struct log_fields *fields = fields_get(scratch, step->reader);

	if (!fields)
		return;
	if (!scratch->has_labels)
		labels_begin(scratch);
	for (uint32_t i = 0; !pipeline->has_all && i < pipeline->nneeds; i++)
		need_take(scratch, fields, &pipeline->needs[i]);
	for (uint32_t i = 0; pipeline->has_all && i < fields->n; i++) {
		struct log_read_field *field = &fields->items[i];

		log_label_parsed(scratch, field->name, field_value(scratch, field));
	}
	if (fields->error)
		log_fail(scratch, fields->error);
}

static void step_json(const struct step *step, struct log_scratch *scratch)
{
	for (uint32_t i = 0; i < step->n; i++) {
		struct slice value;

		if (log_path_find(step->items[i].path, scratch, scratch->line, &value)) {
			log_fail(scratch, LOG_ERROR_JSON);
			return;
		}
		log_label_parsed(scratch, step->items[i].name, value);
	}
}

static void step_logfmt(const struct step *step, struct log_scratch *scratch)
{
	struct log_fields *fields = fields_get(scratch, step->reader);

	for (uint32_t i = 0; fields && i < step->n; i++) {
		struct log_read_field *field =
			field_find(fields, step->items[i].source, step->items[i].source_print);

		if (field)
			log_label_parsed(scratch, step->items[i].name, field_value(scratch, field));
	}
	if (fields && fields->error)
		log_fail(scratch, fields->error);
}

/* Empty when there is no room for it. */
static struct slice text_keep(struct log_scratch *scratch, struct slice text)
{
	char *copy = log_scratch_alloc(scratch, text.len);

	if (!copy) {
		log_fail(scratch, LOG_ERROR_EXTRACTION);
		return (struct slice){ NULL, 0 };
	}
	memcpy(copy, text.ptr, text.len);
	return (struct slice){ copy, text.len };
}

static void step_regexp(const struct step *step, struct log_scratch *scratch)
{
	struct slice groups[REGEX_GROUPS_MAX], line = scratch->line;
	struct buf copy;
	bool is_long = line.len > LOG_REGEX_BYTES_MAX;

	if (is_long)
		line.len = LOG_REGEX_BYTES_MAX;
	int found = regex_finder_search(step->finder, line, !is_long && log_line_is_utf8(scratch),
					groups, &copy);

	if (found == ERR_NOMEM)
		scratch->is_broken = true;
	if (found == ERR_LIMIT || (found == 0 && is_long))
		scratch->is_cut_off = true;
	for (uint32_t i = 0; found > 0 && i < step->n; i++) {
		struct slice value = groups[i];

		if (!step->items[i].name.len || !value.len)
			continue;
		/* What points into the repaired copy must outlive it. */
		if (copy.ptr)
			value = text_keep(scratch, value);
		log_label_parsed(scratch, step->items[i].name, value);
	}
	buf_fini(&copy);
}

/* Other steps. */

static void step_label_format(const struct step *step, struct log_scratch *scratch)
{
	for (uint32_t i = 0; i < step->n; i++) {
		const struct step_item *item = &step->items[i];
		struct slice value;

		if (item->template) {
			if (!log_template_render(item->template, scratch, &value))
				return;
		} else {
			value = log_label_get(scratch, item->source, item->source_print);
		}
		log_label_set(scratch, item->name, value);
		if (!item->template && !slice_is_equal(item->source, item->name))
			log_label_set(scratch, item->source, (struct slice){ NULL, 0 });
	}
}

static bool item_matches(const struct step_item *item, const struct log_known_label *label)
{
	return item->print == label->print && slice_is_equal(item->name, label->name) &&
	       (!item->matcher || matcher_is_match(item->matcher, label->value));
}

static bool is_named(const struct step *step, const struct log_known_label *label)
{
	for (uint32_t i = 0; i < step->n; i++) {
		if (item_matches(&step->items[i], label))
			return true;
	}
	return false;
}

static void step_keep_or_drop(const struct step *step, struct log_scratch *scratch)
{
	bool keeps = step->kind == STEP_KEEP;

	if (!scratch->has_labels)
		labels_begin(scratch);
	for (uint32_t i = 0; i < scratch->nlabels; i++) {
		if (is_named(step, &scratch->labels[i]) != keeps)
			scratch->labels[i].value.len = 0;
	}
	struct slice name = SLICE(ERROR_LABEL);
	struct log_known_label mark = { name, slice_from(log_error_text(scratch->error)),
					name_print(name), ORIGIN_PARSED };

	if (!keeps && scratch->error && is_named(step, &mark))
		scratch->error = LOG_ERROR_NONE;
}

/* false: there is nothing to unwrap. */
static bool step_unwrap(const struct step *step, struct log_scratch *scratch)
{
	struct slice text = log_label_get(scratch, step->items->name, step->items->print);
	int64_t ns = 0;
	int err;

	scratch->value = 0;
	if (!text.len)
		return false;
	switch (step->unwrap) {
	case UNWRAP_BYTES:
		err = log_bytes_parse(text, &scratch->value);
		break;
	case UNWRAP_DURATION:
		err = log_duration_parse(text, &ns);
		scratch->value = (double)ns / 1e9;
		break;
	default:
		err = log_number_parse(text, &scratch->value);
		break;
	}
	if (err)
		log_fail(scratch, LOG_ERROR_EXTRACTION);
	return true;
}

/* false: the line goes. */
static bool step_run(const struct step *step, struct log_scratch *scratch)
{
	struct slice line;

	switch (step->kind) {
	case STEP_LINE:
		return log_line_is_kept(step->line, scratch);
	case STEP_FIELDS:
		step_fields(step, scratch);
		break;
	case STEP_JSON:
		step_json(step, scratch);
		break;
	case STEP_LOGFMT:
		step_logfmt(step, scratch);
		break;
	case STEP_REGEXP:
		step_regexp(step, scratch);
		break;
	case STEP_PATTERN:
		log_pattern_extract(step->pattern, scratch);
		break;
	case STEP_UNPACK:
		if (!fields_ready(&scratch->other))
			scratch->is_broken = true;
		else
			log_unpack(scratch);
		break;
	case STEP_FILTER:
		return log_filter_is_kept(step->filter, scratch);
	case STEP_LINE_FORMAT:
		if (log_template_render(step->template, scratch, &line))
			scratch->line = line;
		break;
	case STEP_LABEL_FORMAT:
		step_label_format(step, scratch);
		break;
	case STEP_DECOLORIZE:
		scratch->line = log_decolorize(scratch, scratch->line);
		break;
	case STEP_KEEP:
	case STEP_DROP:
		step_keep_or_drop(step, scratch);
		break;
	case STEP_UNWRAP:
		return step_unwrap(step, scratch);
	}
	return true;
}

/* What comes out. */

static void output_by(struct log_scratch *scratch, struct log_output *out)
{
	const struct log_projection *projection = &scratch->pipeline->projection;

	for (uint32_t i = 0; i < projection->n; i++) {
		struct slice name = projection->names[i];
		struct slice value = log_label_get(scratch, name, name_print(name));

		if (value.len)
			scratch->out[out->nlabels++] = (struct label){ name, value };
	}
}

static bool is_left_out(const struct log_pipeline *pipeline, const struct log_known_label *label)
{
	if (slice_is_equal(label->name, pipeline->unwrapped))
		return true;
	for (uint32_t i = 0; i < pipeline->projection.n; i++) {
		if (slice_is_equal(pipeline->projection.names[i], label->name))
			return true;
	}
	return false;
}

static int label_order(const void *a, const void *b)
{
	return slice_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static void output_without(struct log_scratch *scratch, struct log_output *out)
{
	if (!scratch->has_labels)
		labels_begin(scratch);
	for (uint32_t i = 0; i < scratch->nlabels; i++) {
		const struct log_known_label *label = &scratch->labels[i];

		if (label->value.len && !is_left_out(scratch->pipeline, label))
			scratch->out[out->nlabels++] = (struct label){ label->name, label->value };
	}
	if (out->nlabels > 1)
		qsort(scratch->out, out->nlabels, sizeof(*scratch->out), label_order);
}

static double value_of(const struct log_scratch *scratch)
{
	switch (scratch->pipeline->value) {
	case LOG_VALUE_COUNT:
		return 1;
	case LOG_VALUE_BYTES:
		return (double)scratch->line.len;
	case LOG_VALUE_UNWRAP:
		return scratch->value;
	}
	return 0;
}

static void output_make(struct log_scratch *scratch, struct log_output *out)
{
	out->error = scratch->error;
	if (out->error && !scratch->pipeline->sees_error) {
		out->verdict = LOG_FAILED;
		return;
	}
	out->verdict = LOG_PASSED;
	out->value = value_of(scratch);
	out->line = scratch->line;
	if (scratch->pipeline->projection.is_by)
		output_by(scratch, out);
	else
		output_without(scratch, out);
}

int log_pipeline_run(const struct log_pipeline *pipeline, struct log_scratch *scratch,
		     struct log_output *out)
{
	bool is_kept = true;

	scratch->pipeline = pipeline;
	scratch->line = scratch->input.line;
	scratch->has_labels = false;
	scratch->error = LOG_ERROR_NONE;
	scratch->is_cut_off = scratch->is_broken = false;
	*out = (struct log_output){ .verdict = LOG_DROPPED, .labels = scratch->out };
	for (uint32_t i = 0; is_kept && i < pipeline->nsteps; i++)
		is_kept = step_run(&pipeline->steps[i], scratch);
	out->is_cut_off = scratch->is_cut_off;
	if (scratch->is_broken)
		return ERR_NOMEM;
	if (is_kept)
		output_make(scratch, out);
	return 0;
}
