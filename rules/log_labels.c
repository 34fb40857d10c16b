#include "rules/log_steps.h"

#include <stdlib.h>

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

struct log_known_label *log_label_find(struct log_scratch *scratch, struct slice name,
				       uint32_t print)
{
	for (uint32_t i = 0; i < scratch->nlabels; i++) {
		struct log_known_label *label = &scratch->labels[i];

		if (label->print == print && slice_is_equal(label->name, name))
			return label;
	}
	return NULL;
}

void log_label_add(struct log_scratch *scratch, struct slice name, uint32_t print,
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

bool log_label_is_base(const struct log_scratch *scratch, struct slice name)
{
	return stream_get(&scratch->input, name).len || metadata_get(&scratch->input, name).len;
}

void log_labels_begin(struct log_scratch *scratch)
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
				log_label_add(scratch, need->name, need->print, value, origin);
		}
		return;
	}
	size_t n = input->stream ? labels_count(input->stream) : 0;

	for (size_t i = 0; i < n; i++) {
		struct label label = labels_at(input->stream, i);

		log_label_add(scratch, label.name, name_print(label.name), label.value,
			      ORIGIN_STREAM);
	}
	for (size_t i = 0; i < input->nmetadata; i++) {
		struct label label = input->metadata[i];
		uint32_t print = name_print(label.name);

		if (label.value.len && label.name.len &&
		    !log_label_find(scratch, label.name, print))
			log_label_add(scratch, label.name, print, label.value, ORIGIN_METADATA);
	}
}

struct slice log_label_get(struct log_scratch *scratch, struct slice name, uint32_t print)
{
	if (!scratch->has_labels)
		log_labels_begin(scratch);
	const struct log_known_label *label = log_label_find(scratch, name, print);

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
		log_labels_begin(scratch);
	struct log_known_label *label = log_label_find(scratch, name, print);

	if (label) {
		label->value = value;
		label->origin = ORIGIN_PARSED;
	} else if (value.len) {
		log_label_add(scratch, name, print, value, ORIGIN_PARSED);
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
	bool collides = log_label_is_base(scratch, *name);

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

/* Names that mean something to us: not for lines to choose. */
static bool is_reserved(struct slice name)
{
	return slice_has_prefix(name, SLICE("__")) &&
	       (slice_is(name, METRIC_NAME) || slice_is(name, ERROR_LABEL) ||
		slice_is(name, ERROR_DETAILS_LABEL));
}

void log_label_parsed(struct log_scratch *scratch, struct slice name, struct slice value)
{
	uint32_t print;

	if (!scratch->has_labels)
		log_labels_begin(scratch);
	if (!value.len || is_reserved(name) || !parsed_name(scratch, &name, &print))
		return;
	struct log_known_label *label = log_label_find(scratch, name, print);

	if (!label)
		log_label_add(scratch, name, print, value, ORIGIN_PARSED);
	else if (!label->value.len)
		label->value = value;
}
