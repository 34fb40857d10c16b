#include "rules/log_steps.h"

#include <stdlib.h>

#include "base/error.h"

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

	if (!log_label_is_base(scratch, need->name))
		field = field_find(fields, need->name, need->print);
	if (!field && need->stem.len && log_label_is_base(scratch, need->stem))
		field = field_find(fields, need->stem, need->stem_print);
	if (field && !log_label_find(scratch, need->name, need->print))
		log_label_add(scratch, need->name, need->print, field_value(scratch, field),
			      ORIGIN_PARSED);
}

static void step_fields(const struct log_step *step, struct log_scratch *scratch)
{
	const struct log_pipeline *pipeline = scratch->pipeline;
	struct log_fields *fields = fields_get(scratch, step->reader);

	if (!fields)
		return;
	if (!scratch->has_labels)
		log_labels_begin(scratch);
	for (uint32_t i = 0; !pipeline->has_all && i < pipeline->nneeds; i++)
		need_take(scratch, fields, &pipeline->needs[i]);
	for (uint32_t i = 0; pipeline->has_all && i < fields->n; i++) {
		struct log_read_field *field = &fields->items[i];

		log_label_parsed(scratch, field->name, field_value(scratch, field));
	}
	if (fields->error)
		log_fail(scratch, fields->error);
}

static void step_json(const struct log_step *step, struct log_scratch *scratch)
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

static void step_logfmt(const struct log_step *step, struct log_scratch *scratch)
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

static void step_regexp(const struct log_step *step, struct log_scratch *scratch)
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

static void step_label_format(const struct log_step *step, struct log_scratch *scratch)
{
	for (uint32_t i = 0; i < step->n; i++) {
		const struct log_step_item *item = &step->items[i];
		struct slice value;

		if (item->template) {
			if (!log_template_render(item->template, scratch, &value))
				return;
		} else {
			value = log_label_get(scratch, item->source, item->source_print);
			if (!value.len)
				continue; /* nothing to rename */
		}
		log_label_set(scratch, item->name, value);
		if (!item->template && !slice_is_equal(item->source, item->name))
			log_label_set(scratch, item->source, (struct slice){ NULL, 0 });
	}
}

static bool item_matches(const struct log_step_item *item, const struct log_known_label *label)
{
	return item->print == label->print && slice_is_equal(item->name, label->name) &&
	       (!item->matcher || matcher_is_match(item->matcher, label->value));
}

static bool is_named(const struct log_step *step, const struct log_known_label *label)
{
	for (uint32_t i = 0; i < step->n; i++) {
		if (item_matches(&step->items[i], label))
			return true;
	}
	return false;
}

static void step_keep_or_drop(const struct log_step *step, struct log_scratch *scratch)
{
	bool keeps = step->kind == STEP_KEEP;

	if (!scratch->has_labels)
		log_labels_begin(scratch);
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
static bool step_unwrap(const struct log_step *step, struct log_scratch *scratch)
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
static bool step_run(const struct log_step *step, struct log_scratch *scratch)
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
		log_labels_begin(scratch);
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
