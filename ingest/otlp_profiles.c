#include "ingest/otlp_profiles.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/otlp_decoder.h"
#include "ingest/pprof.h"
#include "ingest/profile_lines.h"

enum request { RESOURCE_PROFILES = 1, DICTIONARY = 2 };
enum resource_profiles { RESOURCE = 1, SCOPE_PROFILES = 2 };
enum scope_profiles { PROFILES = 2 };
enum dictionary_field {
	MAPPINGS = 1,
	LOCATIONS,
	FUNCTIONS,
	LINKS,
	STRINGS,
	ATTRIBUTES,
	STACKS,
	TABLES, /* one more than the last */
};
enum profile_field {
	SAMPLE_TYPE = 1,
	SAMPLES = 2,
	TIME = 3,
	DURATION = 4,
	PERIOD_TYPE = 5,
	PERIOD = 6,
	PAYLOAD_FORMAT = 9,
	PAYLOAD = 10,
	ATTRIBUTE_INDICES = 11,
};
enum sample_field { STACK_INDEX = 1, LINK_INDEX = 3, VALUES = 4, TIMESTAMPS = 5 };
enum location_field { MAPPING_INDEX = 1, ADDRESS = 2, LINES = 3 };
enum mapping_field { MEMORY_START = 1, FILE_OFFSET = 3, FILENAME = 4 };

/* Attributes of the resource that tell targets apart; names as labels. Besides job and instance. */
static const char *const target_attributes[] = {
	"service.name",
	"service.namespace",
	"deployment.environment",
	"deployment.environment.name",
	"k8s.cluster.name",
	"k8s.namespace.name",
	"k8s.pod.name",
	"k8s.container.name",
	"container.name",
	"host.name",
	"process.executable.name",
};

struct table {
	struct slice *items;
	uint32_t n, cap;
};

/* A location, once it was looked at for this profile. */
struct resolved {
	uint32_t profile; /* number of it; 0: for none yet */
	struct profile_location lines;
};

struct reading {
	struct otlp_decoder *decoder;
	struct table tables[TABLES];
	struct resolved *locations;
	struct profile_lines lines;
	struct profile *profile;
	uint32_t nprofiles;
	struct otlp_attributes resource;
	struct labels *labels;
	otlp_profile_fn *fn;
	void *ctx;
	const char *why;
};

static int corrupt(struct reading *reading, const char *why)
{
	reading->why = why;
	return ERR_CORRUPT;
}

/* ---- the dictionary ---- */

static int dictionary_count(struct reading *reading, struct slice dictionary)
{
	struct pb_walk walk = pb_walk_of(dictionary);
	struct pb_field field;
	int more;

	while ((more = pb_next(&walk, &field)) > 0) {
		if (field.number >= TABLES)
			continue;
		if (field.wire != PB_BYTES)
			return ERR_CORRUPT;
		if (++reading->tables[field.number].cap > PPROF_ENTRIES_MAX)
			return ERR_LIMIT;
	}
	return more < 0 ? ERR_CORRUPT : 0;
}

static int dictionary_read(struct reading *reading, struct slice dictionary)
{
	struct arena *arena = &reading->decoder->arena;
	int code = dictionary_count(reading, dictionary);

	for (int i = 1; code == 0 && i < TABLES; i++) {
		struct table *table = &reading->tables[i];

		table->items = ARENA_ARRAY(arena, struct slice, table->cap + 1);
		code = table->items ? 0 : ERR_NOMEM;
	}
	if (code)
		return code;
	struct pb_walk walk = pb_walk_of(dictionary);
	struct pb_field field;

	while (pb_next(&walk, &field) > 0) {
		if (field.number >= TABLES)
			continue;
		struct table *table = &reading->tables[field.number];

		table->items[table->n++] = field.bytes;
	}
	reading->locations = ARENA_ARRAY(arena, struct resolved, reading->tables[LOCATIONS].n + 1);
	return reading->locations ? 0 : ERR_NOMEM;
}

/* An entry of a table; place 0 of any is none, and empty, whether it is there or not. */
static int entry_get(struct reading *reading, enum dictionary_field which, uint64_t index,
		     struct slice *out)
{
	const struct table *table = &reading->tables[which];

	*out = (struct slice){ 0 };
	if (index == 0)
		return 0;
	if (index >= table->n)
		return corrupt(reading, "a reference to what is not in the dictionary");
	*out = table->items[index];
	return 0;
}

/* The number in a field of a message; 0 when it is not there. ERR_CORRUPT. */
static int number_get(struct slice message, uint32_t number, uint64_t *out)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int more;

	*out = 0;
	while ((more = pb_next(&walk, &field)) > 0)
		if (field.number == number && (field.wire == PB_VARINT || field.wire == PB_FIXED64))
			*out = field.value;
	return more < 0 ? ERR_CORRUPT : 0;
}

static int string_of(struct reading *reading, struct slice message, uint32_t number,
		     struct slice *out)
{
	uint64_t index;

	if (number_get(message, number, &index))
		return corrupt(reading, "a damaged entry of the dictionary");
	return entry_get(reading, STRINGS, index, out);
}

/* ---- frames ---- */

static int line_resolve(struct reading *reading, struct resolved *location, struct slice line)
{
	struct slice function, name, system_name;
	uint32_t number;
	uint64_t index;

	if (number_get(line, 1, &index))
		return corrupt(reading, "a damaged line");
	int code = entry_get(reading, FUNCTIONS, index, &function);

	if (code || (code = string_of(reading, function, 1, &name)) ||
	    (code = string_of(reading, function, 2, &system_name)))
		return code;
	code = profile_function_add(reading->profile, name.len ? name : system_name, &number);
	return code ? code : profile_line_add(&reading->lines, &location->lines, number);
}

static int address_resolve(struct reading *reading, struct resolved *location, struct slice message)
{
	uint64_t address, mapping_index, start, offset;
	struct slice mapping, file;
	uint32_t number;

	if (number_get(message, ADDRESS, &address) ||
	    number_get(message, MAPPING_INDEX, &mapping_index))
		return corrupt(reading, "a damaged location");
	int code = entry_get(reading, MAPPINGS, mapping_index, &mapping);

	if (code || (code = string_of(reading, mapping, FILENAME, &file)))
		return code;
	if (number_get(mapping, MEMORY_START, &start) || number_get(mapping, FILE_OFFSET, &offset))
		return corrupt(reading, "a damaged mapping");
	if (file.len)
		address += offset - start;
	code = profile_address_add(reading->profile, file, address, &number);
	return code ? code : profile_line_add(&reading->lines, &location->lines, number);
}

static int location_resolve(struct reading *reading, uint64_t index, struct resolved **out)
{
	struct slice message;
	int code = entry_get(reading, LOCATIONS, index, &message);

	if (code)
		return code;
	struct resolved *location = &reading->locations[index];

	*out = location;
	if (location->profile == reading->nprofiles)
		return 0;
	*location = (struct resolved){ reading->nprofiles, { .first = reading->lines.n } };
	if (index == 0)
		return 0;
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int more = 0;

	while (code == 0 && (more = pb_next(&walk, &field)) > 0)
		if (field.number == LINES && field.wire == PB_BYTES)
			code = line_resolve(reading, location, field.bytes);
	if (code == 0 && more < 0)
		return corrupt(reading, "a damaged location");
	return code || location->lines.n ? code : address_resolve(reading, location, message);
}

static int stack_add(struct reading *reading, uint64_t index)
{
	struct slice stack;
	struct pb_field field;
	int more = 0, code = entry_get(reading, STACKS, index, &stack);
	struct pb_walk walk = pb_walk_of(stack), indices;

	while (code == 0 && (more = pb_next(&walk, &field)) > 0) {
		if (field.number != 1)
			continue;
		if (pb_elements(&field, PB_VARINT, &indices) < 0)
			return corrupt(reading, "a damaged stack");
		while (code == 0 && pb_left(&indices)) {
			struct resolved *location;
			uint64_t place;

			if (pb_varint(&indices, &place) < 0)
				return corrupt(reading, "a damaged stack");
			code = location_resolve(reading, place, &location);
			if (code == 0)
				code = profile_location_push(&reading->lines, &location->lines,
							     reading->profile);
		}
	}
	if (code == 0 && more < 0)
		return corrupt(reading, "a damaged stack");
	return code > 0 ? 0 : code;
}

/* ---- samples ---- */

static int values_sum(struct reading *reading, const struct pb_field *field, double *sum)
{
	struct pb_walk walk;
	uint64_t value;

	if (pb_elements(field, PB_VARINT, &walk) < 0)
		return corrupt(reading, "values of the wrong type");
	while (pb_left(&walk)) {
		if (pb_varint(&walk, &value) < 0)
			return corrupt(reading, "damaged values");
		*sum += (double)(int64_t)value;
	}
	return 0;
}

static int trace_note(struct reading *reading, uint64_t link_index)
{
	struct profile_trace trace;
	struct slice link;
	int code = entry_get(reading, LINKS, link_index, &link);
	struct pb_walk walk = pb_walk_of(link);
	struct pb_field field;

	while (code == 0 && pb_next(&walk, &field) > 0) {
		if (field.number != 1 || field.wire != PB_BYTES ||
		    field.bytes.len != sizeof(trace.bytes))
			continue;
		memcpy(trace.bytes, field.bytes.ptr, sizeof(trace.bytes));
		profile_trace_add(reading->profile, &trace);
	}
	return code;
}

static int sample_read(struct reading *reading, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	uint64_t stack = 0, link = 0, times = 0;
	bool has_values = false;
	double sum = 0, *values;
	struct pb_field field;
	int more = 0, code = 0;

	while (code == 0 && (more = pb_next(&walk, &field)) > 0) {
		if (field.number == STACK_INDEX && field.wire == PB_VARINT) {
			stack = field.value;
		} else if (field.number == LINK_INDEX && field.wire == PB_VARINT) {
			link = field.value;
		} else if (field.number == VALUES) {
			has_values = true;
			code = values_sum(reading, &field, &sum);
		} else if (field.number == TIMESTAMPS) {
			times += field.bytes.len / sizeof(uint64_t);
		}
	}
	if (code == 0 && more < 0)
		return corrupt(reading, "a damaged sample");
	if (code || (code = profile_sample_add(reading->profile, &values)))
		return code;
	/* Without values each time stands for one. */
	values[0] = has_values ? sum : (double)times;
	code = stack_add(reading, stack);
	return code ? code : trace_note(reading, link);
}

/* ---- one profile ---- */

static int type_read(struct reading *reading, struct slice message, struct profile_type *out)
{
	int code = string_of(reading, message, 1, &out->type);

	return code ? code : string_of(reading, message, 2, &out->unit);
}

/* The rate at which the profiler samples, if an attribute says so. */
static int attribute_read(struct reading *reading, uint64_t index)
{
	struct slice entry, name, text, value = { 0 };
	int code = entry_get(reading, ATTRIBUTES, index, &entry);

	if (code || (code = string_of(reading, entry, 1, &name)))
		return code;
	if (!slice_is(name, "profiling.sampling_rate"))
		return 0;
	struct pb_walk walk = pb_walk_of(entry);
	struct pb_field field;

	while (pb_next(&walk, &field) > 0)
		if (field.number == 2 && field.wire == PB_BYTES)
			value = field.bytes;
	double rate;

	code = otlp_value_text(reading->decoder, value, &text);
	if (code == 0 && number_parse(text, &rate) == 0 && rate > 0 && rate < 1e9)
		reading->profile->sampling_rate = rate;
	return code;
}

static int attributes_read(struct reading *reading, const struct pb_field *field)
{
	struct pb_walk indices;
	uint64_t index;
	int code = 0;

	if (pb_elements(field, PB_VARINT, &indices) < 0)
		return corrupt(reading, "damaged attributes");
	while (code == 0 && pb_left(&indices)) {
		if (pb_varint(&indices, &index) < 0)
			return corrupt(reading, "damaged attributes");
		code = attribute_read(reading, index);
	}
	return code;
}

struct head {
	struct slice sample_type, payload_format, payload;
	uint32_t nsamples;
};

static int head_field(struct reading *reading, const struct pb_field *field, struct head *head)
{
	struct profile *profile = reading->profile;
	bool is_bytes = field->wire == PB_BYTES;

	switch (field->number) {
	case SAMPLE_TYPE:
		head->sample_type = is_bytes ? field->bytes : head->sample_type;
		return is_bytes ? 0 : corrupt(reading, "a damaged sample type");
	case SAMPLES:
		head->nsamples++;
		return is_bytes ? 0 : corrupt(reading, "a damaged sample");
	case TIME:
		profile->time_ns = (int64_t)field->value;
		return 0;
	case DURATION:
		profile->duration_ns = (int64_t)field->value;
		return 0;
	case PERIOD_TYPE:
		return is_bytes ? type_read(reading, field->bytes, &profile->period_type)
				: corrupt(reading, "a damaged period type");
	case PERIOD:
		profile->period = (int64_t)field->value;
		return 0;
	case PAYLOAD_FORMAT:
		head->payload_format = field->bytes;
		return 0;
	case PAYLOAD:
		head->payload = field->bytes;
		return 0;
	case ATTRIBUTE_INDICES:
		return attributes_read(reading, field);
	default:
		return 0;
	}
}

static int samples_read(struct reading *reading, struct slice message, const struct head *head)
{
	struct profile_type type;
	int code = type_read(reading, head->sample_type, &type);
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;

	if (code == 0)
		code = profile_type_add(reading->profile, type.type, type.unit);
	while (code == 0 && pb_next(&walk, &field) > 0)
		if (field.number == SAMPLES)
			code = sample_read(reading, field.bytes);
	return code;
}

static int profile_read(struct reading *reading, struct slice message)
{
	struct profile_push push = { .labels = reading->labels, .hint = PROFILE_KIND_NONE };
	struct pb_walk walk = pb_walk_of(message);
	struct head head = { .nsamples = 0 };
	struct pb_field field;
	int more = 0, code = 0;

	profile_clear(reading->profile);
	reading->lines.n = 0;
	while (code == 0 && (more = pb_next(&walk, &field)) > 0)
		code = head_field(reading, &field, &head);
	if (code == 0 && more < 0)
		return corrupt(reading, "a damaged profile");
	if (code)
		return code;
	if (head.nsamples == 0 && slice_is(head.payload_format, "pprof"))
		push.bytes = head.payload;
	else
		code = samples_read(reading, message, &head);
	return code ? code : reading->fn(reading->ctx, reading->profile, &push, &reading->why);
}

/* What is wrong with one profile stops no other. */
static int profile_try(struct reading *reading, struct slice message)
{
	if (++reading->nprofiles > PROFILE_PUSH_PROFILES_MAX)
		return ERR_LIMIT;
	reading->why = "it has too many samples, frames or functions";
	int code = profile_read(reading, message);

	if (code == ERR_NOMEM || code == 0)
		return code;
	otlp_reject(reading->decoder, 1, otlp_attribute(&reading->resource, "service.name"),
		    reading->why);
	return 0;
}

/* ---- resources ---- */

static bool is_of_target(struct slice name)
{
	for (size_t i = 0; i < sizeof(target_attributes) / sizeof(*target_attributes); i++)
		if (slice_is(name, target_attributes[i]))
			return true;
	return false;
}

/* *out NULL: dropped by the rules, or no set of labels. */
static int target_labels(struct reading *reading, struct labels **out)
{
	struct otlp_decoder *decoder = reading->decoder;
	struct otlp_attributes *own = &decoder->attributes;
	const struct otlp_attributes *all = &reading->resource;
	struct labels_builder builder;
	struct slice job, instance;
	struct labels *labels;
	int code = otlp_target(decoder, all, &job, &instance);

	*out = NULL;
	own->n = 0;
	for (size_t i = 0; i < all->n; i++)
		if (is_of_target(all->items[i].name))
			own->items[own->n++] = all->items[i];
	if (code == 0)
		code = otlp_attributes_to_labels(decoder, own);
	if (code)
		return code;
	labels_builder_init(&builder);
	for (size_t i = 0; i < own->n; i++)
		labels_builder_set(&builder, own->items[i].name, own->items[i].value);
	labels_builder_set(&builder, SLICE("job"), job);
	labels_builder_set(&builder, SLICE("instance"), instance);
	code = labels_builder_take(&builder, &labels, NULL);
	labels_builder_fini(&builder);
	if (code == 0) {
		code = relabel_apply(decoder->relabel, labels, out);
		labels_unref(labels);
	}
	if (code && code != ERR_NOMEM) {
		otlp_reject(decoder, 1, job, "its attributes make no set of labels");
		code = 0;
	}
	return code;
}

static int scope_read(struct reading *reading, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int more = 0, code = 0;

	while (code == 0 && (more = pb_next(&walk, &field)) > 0)
		if (field.number == PROFILES && field.wire == PB_BYTES)
			code = profile_try(reading, field.bytes);
	return code == 0 && more < 0 ? ERR_CORRUPT : code;
}

static int resource_read(struct reading *reading, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int more = 0, code = 0;

	reading->resource.n = 0;
	reading->resource.overflow = false;
	while (code == 0 && (more = pb_next(&walk, &field)) > 0)
		if (field.number == RESOURCE && field.wire == PB_BYTES)
			code = otlp_resource_read(reading->decoder, field.bytes,
						  &reading->resource);
	if (code == 0 && more < 0)
		return ERR_CORRUPT;
	if (code == 0)
		code = target_labels(reading, &reading->labels);
	walk = pb_walk_of(message);
	while (code == 0 && reading->labels && pb_next(&walk, &field) > 0)
		if (field.number == SCOPE_PROFILES && field.wire == PB_BYTES)
			code = scope_read(reading, field.bytes);
	labels_unref(reading->labels);
	reading->labels = NULL;
	return code;
}

static int request_read(struct reading *reading, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	struct slice dictionary = { 0 };
	int more, code;

	while ((more = pb_next(&walk, &field)) > 0)
		if (field.number == DICTIONARY && field.wire == PB_BYTES)
			dictionary = field.bytes;
	if (more < 0)
		return ERR_CORRUPT;
	code = dictionary_read(reading, dictionary);
	walk = pb_walk_of(message);
	while (code == 0 && pb_next(&walk, &field) > 0)
		if (field.number == RESOURCE_PROFILES && field.wire == PB_BYTES)
			code = resource_read(reading, field.bytes);
	return code;
}

int otlp_profiles(struct otlp_decoder *decoder, struct slice message, struct profile *scratch,
		  otlp_profile_fn *fn, void *ctx, struct otlp_result *result)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	int code = ERR_NOMEM;

	decoder->result = result;
	arena_clear(&decoder->arena);
	if (reading) {
		*reading = (struct reading){
			.decoder = decoder, .profile = scratch, .fn = fn, .ctx = ctx
		};
		code = request_read(reading, message);
		profile_lines_fini(&reading->lines);
	}
	free(reading);
	return otlp_status(decoder, code);
}
