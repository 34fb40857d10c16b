#include "rules/log_pipeline.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/log_steps.h"

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

/* Most read a few, and there may be as many pipelines as rules: no more room than is needed. */
static bool needs_reserve(struct log_pipeline *pipeline)
{
	uint32_t cap = pipeline->needs_cap ? 2 * pipeline->needs_cap : 4;

	if (pipeline->nneeds < pipeline->needs_cap)
		return true;
	struct log_need *needs = arena_alloc_array(&pipeline->arena, cap, sizeof(*needs));

	if (!needs)
		return false;
	if (pipeline->nneeds)
		memcpy(needs, pipeline->needs, pipeline->nneeds * sizeof(*needs));
	pipeline->needs = needs;
	pipeline->needs_cap = cap;
	return true;
}

int log_needs(const struct log_compiler *compiler, struct slice name)
{
	struct log_pipeline *pipeline = compiler->pipeline;
	struct slice suffix = SLICE(EXTRACTED_SUFFIX);
	struct log_need need = { .name = arena_slice(compiler->arena, name) };

	if (!need.name.ptr)
		return ERR_NOMEM;
	if (slice_is(name, METRIC_NAME))
		return 0; /* lines have none */
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
	if (!needs_reserve(pipeline))
		return ERR_NOMEM;
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
	struct log_kept_finder *kept = ARENA_NEW(compiler->arena, struct log_kept_finder);
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
	struct log_kept_matcher *kept = ARENA_NEW(compiler->arena, struct log_kept_matcher);

	if (!kept || matcher_dup(matcher, &kept->matcher))
		return NULL;
	kept->next = compiler->pipeline->matchers;
	compiler->pipeline->matchers = kept;
	return &kept->matcher;
}

/* Room for n items, each with its name. */
static int items_new(const struct log_compiler *compiler, struct log_step *step, uint32_t n)
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

static int fields_compile(const struct log_compiler *compiler, struct log_step *step)
{
	const struct log_stage *stage = compiler->stage;
	bool is_json = stage->parse.parser == LOG_JSON;
	int err = items_new(compiler, step, stage->parse.nfields);

	if (!is_json)
		step->reader = stage->parse.strict ? READ_LOGFMT_STRICT_EMPTY : READ_LOGFMT_EMPTY;
	for (uint32_t i = 0; !err && i < step->n; i++) {
		const struct log_field *field = &stage->parse.fields[i];
		struct slice source = field->value.len ? field->value : field->name;
		struct log_step_item *item = &step->items[i];

		err = name_set(compiler, field->name, &item->name, &item->print);
		if (!err && is_json)
			err = log_path_compile(compiler, source, &item->path);
		else if (!err)
			err = name_set(compiler, source, &item->source, &item->source_print);
	}
	return err;
}

static int regexp_compile(const struct log_compiler *compiler, struct log_step *step)
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

static int parser_compile(const struct log_compiler *compiler, struct log_step *step)
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

static int label_format_compile(const struct log_compiler *compiler, struct log_step *step)
{
	const struct log_stage *stage = compiler->stage;
	int err = items_new(compiler, step, stage->format.nfields);

	compiler->pipeline->makes_labels = true;
	for (uint32_t i = 0; !err && i < step->n; i++) {
		const struct log_field *field = &stage->format.fields[i];
		struct log_step_item *item = &step->items[i];

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

static int items_compile(const struct log_compiler *compiler, struct log_step *step)
{
	const struct log_stage *stage = compiler->stage;
	int err = items_new(compiler, step, stage->labels.nitems);

	compiler->pipeline->makes_labels = true;
	for (uint32_t i = 0; !err && i < step->n; i++) {
		const struct log_item *from = &stage->labels.items[i];
		struct log_step_item *item = &step->items[i];

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

static int unwrap_compile(const struct log_compiler *compiler, struct log_step *step)
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

static int step_compile(const struct log_compiler *compiler, struct log_step *step)
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

static bool changes_line(enum log_step_kind kind)
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
		enum log_step_kind kind = pipeline->steps[i].kind;

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
	if (!pipeline->steps)
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
	for (struct log_kept_matcher *kept = pipeline->matchers; kept; kept = kept->next)
		matcher_fini(&kept->matcher);
	for (struct log_kept_finder *kept = pipeline->finders; kept; kept = kept->next)
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
