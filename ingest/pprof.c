#include "ingest/pprof.h"

#include <stdlib.h>

#include "base/error.h"
#include "ingest/profile_lines.h"
#include "ingest/protobuf.h"

/* profile.proto */
enum {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE,
	PROFILE_MAPPING,
	PROFILE_LOCATION,
	PROFILE_FUNCTION,
	PROFILE_STRING_TABLE,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS,
	PROFILE_PERIOD_TYPE,
	PROFILE_PERIOD,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};
enum { TYPE_TYPE = 1, TYPE_UNIT };
enum { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_STR };
enum { MAPPING_ID = 1, MAPPING_START, MAPPING_OFFSET = 4, MAPPING_FILENAME };
enum { LOCATION_ID = 1, LOCATION_MAPPING_ID, LOCATION_ADDRESS, LOCATION_LINE };
enum { LINE_FUNCTION_ID = 1 };
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME };

/* What has an id: a mapping, function or location, first as it stands, then resolved. */
struct entry {
	uint64_t id;
	struct slice bytes;
	union {
		uint32_t function;	       /* function: its index */
		struct profile_location lines; /* location */
	};
	uint64_t start, offset;
	struct slice filename; /* mapping */
};

struct table {
	struct entry *entries;
	uint32_t n, cap;
};

struct reading {
	struct profile *profile;
	struct arena arena;
	struct slice *strings;
	uint32_t nstrings, strings_cap;
	struct table mappings, locations, functions;
	struct profile_lines lines;
	uint32_t trace_key; /* the string "trace_id"; 0: none */
	const char *why;
};

static int corrupt(struct reading *reading, const char *why)
{
	reading->why = why;
	return ERR_CORRUPT;
}

static int limited(struct reading *reading, const char *why)
{
	reading->why = why;
	return ERR_LIMIT;
}

static int string_at(struct reading *reading, uint64_t index, struct slice *out)
{
	if (index >= reading->nstrings)
		return corrupt(reading, "a reference to a string that is not there");
	*out = reading->strings[index];
	return 0;
}

/* ---- the first walk: tables ---- */

static int count_fields(struct reading *reading, struct slice plain)
{
	struct pb_walk walk = pb_walk_of(plain);
	struct pb_field field;
	int more;

	while ((more = pb_next(&walk, &field)) > 0) {
		uint32_t *count = field.number == PROFILE_MAPPING	 ? &reading->mappings.cap
				  : field.number == PROFILE_LOCATION	 ? &reading->locations.cap
				  : field.number == PROFILE_FUNCTION	 ? &reading->functions.cap
				  : field.number == PROFILE_STRING_TABLE ? &reading->strings_cap
									 : NULL;

		if (count && ++*count > PPROF_ENTRIES_MAX)
			return limited(reading, "too many strings, locations or functions");
	}
	if (more < 0)
		return corrupt(reading, "no pprof: the protobuf is damaged");
	return 0;
}

static int tables_make(struct reading *reading)
{
	struct table *const tables[] = { &reading->mappings, &reading->locations,
					 &reading->functions };

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		tables[i]->entries = ARENA_ARRAY(&reading->arena, struct entry, tables[i]->cap + 1);
		if (!tables[i]->entries)
			return ERR_NOMEM;
	}
	reading->strings = ARENA_ARRAY(&reading->arena, struct slice, reading->strings_cap + 1);
	return reading->strings ? 0 : ERR_NOMEM;
}

static int entry_add(struct reading *reading, struct table *table, const struct pb_field *field)
{
	struct entry *entry = &table->entries[table->n++];
	struct pb_walk walk = pb_walk_of(field->bytes);
	struct pb_field own;
	int more;

	if (field->wire != PB_BYTES)
		return corrupt(reading, "a message of the wrong type");
	entry->bytes = field->bytes;
	while ((more = pb_next(&walk, &own)) > 0)
		if (own.number == 1 && own.wire == PB_VARINT) /* id, of all three */
			entry->id = own.value;
	if (more < 0)
		return corrupt(reading, "a damaged mapping, location or function");
	return entry->id ? 0 : corrupt(reading, "a mapping, location or function has no id");
}

static int tables_fill(struct reading *reading, struct slice plain)
{
	struct pb_walk walk = pb_walk_of(plain);
	struct pb_field field;
	int code = 0;

	while (code == 0 && pb_next(&walk, &field) > 0) {
		switch (field.number) {
		case PROFILE_MAPPING:
			code = entry_add(reading, &reading->mappings, &field);
			break;
		case PROFILE_LOCATION:
			code = entry_add(reading, &reading->locations, &field);
			break;
		case PROFILE_FUNCTION:
			code = entry_add(reading, &reading->functions, &field);
			break;
		case PROFILE_STRING_TABLE:
			if (field.wire != PB_BYTES)
				return corrupt(reading, "a string of the wrong type");
			reading->strings[reading->nstrings++] = field.bytes;
			break;
		default:
			break;
		}
	}
	return code;
}

static int by_id(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int table_sort(struct reading *reading, struct table *table)
{
	bool sorted = true;

	for (uint32_t i = 1; i < table->n && sorted; i++)
		sorted = table->entries[i - 1].id < table->entries[i].id;
	if (sorted)
		return 0;
	qsort(table->entries, table->n, sizeof(*table->entries), by_id);
	for (uint32_t i = 1; i < table->n; i++)
		if (table->entries[i - 1].id == table->entries[i].id)
			return corrupt(reading, "an id that is given twice");
	return 0;
}

/* NULL when there is none. Ids are nearly always 1, 2, 3…: then where to look is known. */
static struct entry *entry_find(const struct table *table, uint64_t id)
{
	uint32_t low = 0, high = table->n;

	if (id - 1 < table->n && table->entries[id - 1].id == id)
		return &table->entries[id - 1];
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->entries[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < table->n && table->entries[low].id == id ? &table->entries[low] : NULL;
}

/* ---- what the tables mean ---- */

static int mapping_resolve(struct reading *reading, struct entry *mapping)
{
	struct pb_walk walk = pb_walk_of(mapping->bytes);
	struct pb_field field;
	uint64_t filename = 0;

	while (pb_next(&walk, &field) > 0) {
		if (field.wire != PB_VARINT)
			continue;
		if (field.number == MAPPING_START)
			mapping->start = field.value;
		else if (field.number == MAPPING_OFFSET)
			mapping->offset = field.value;
		else if (field.number == MAPPING_FILENAME)
			filename = field.value;
	}
	return string_at(reading, filename, &mapping->filename);
}

static int function_resolve(struct reading *reading, struct entry *function)
{
	struct pb_walk walk = pb_walk_of(function->bytes);
	uint64_t name = 0, system_name = 0;
	struct pb_field field;
	struct slice text, system_text;

	while (pb_next(&walk, &field) > 0) {
		if (field.wire != PB_VARINT)
			continue;
		if (field.number == FUNCTION_NAME)
			name = field.value;
		else if (field.number == FUNCTION_SYSTEM_NAME)
			system_name = field.value;
	}
	int code = string_at(reading, name, &text);

	if (code == 0)
		code = string_at(reading, system_name, &system_text);
	if (code)
		return code;
	code = profile_function_add(reading->profile, text.len ? text : system_text,
				    &function->function);
	return code == ERR_LIMIT ? limited(reading, "too many functions") : code;
}

static int line_add(struct reading *reading, struct entry *location, uint32_t function)
{
	int code = profile_line_add(&reading->lines, &location->lines, function);

	return code == ERR_LIMIT ? limited(reading, "too many frames in its locations") : code;
}

static int line_resolve(struct reading *reading, struct entry *location, struct slice bytes)
{
	struct pb_walk walk = pb_walk_of(bytes);
	struct pb_field field;
	uint64_t id = 0;
	int more;

	while ((more = pb_next(&walk, &field)) > 0)
		if (field.number == LINE_FUNCTION_ID && field.wire == PB_VARINT)
			id = field.value;
	if (more < 0)
		return corrupt(reading, "a damaged line");
	const struct entry *function = entry_find(&reading->functions, id);

	if (!function)
		return corrupt(reading, "a reference to a function that is not there");
	return line_add(reading, location, function->function);
}

/* A frame that nobody knew the name of. */
static int address_resolve(struct reading *reading, struct entry *location, uint64_t mapping_id,
			   uint64_t address)
{
	const struct entry *mapping = entry_find(&reading->mappings, mapping_id);
	struct slice file = mapping ? mapping->filename : (struct slice){ 0 };
	uint32_t function;

	if (file.len)
		address += mapping->offset - mapping->start;
	int code = profile_address_add(reading->profile, file, address, &function);

	if (code)
		return code == ERR_LIMIT ? limited(reading, "too many functions") : code;
	return line_add(reading, location, function);
}

static int location_resolve(struct reading *reading, struct entry *location)
{
	struct pb_walk walk = pb_walk_of(location->bytes);
	uint64_t mapping_id = 0, address = 0;
	struct pb_field field;
	int code = 0;

	location->lines = (struct profile_location){ .first = reading->lines.n };
	while (code == 0 && pb_next(&walk, &field) > 0) {
		if (field.number == LOCATION_MAPPING_ID && field.wire == PB_VARINT)
			mapping_id = field.value;
		else if (field.number == LOCATION_ADDRESS && field.wire == PB_VARINT)
			address = field.value;
		else if (field.number == LOCATION_LINE && field.wire == PB_BYTES)
			code = line_resolve(reading, location, field.bytes);
	}
	if (code == 0 && location->lines.n == 0)
		code = address_resolve(reading, location, mapping_id, address);
	return code;
}

static int table_resolve(struct reading *reading, struct table *table,
			 int (*resolve)(struct reading *reading, struct entry *entry))
{
	int code = table_sort(reading, table);

	for (uint32_t i = 0; code == 0 && i < table->n; i++)
		code = resolve(reading, &table->entries[i]);
	return code;
}

static int type_read(struct reading *reading, const struct pb_field *field,
		     struct profile_type *out)
{
	struct pb_walk walk = pb_walk_of(field->bytes);
	uint64_t type = 0, unit = 0;
	struct pb_field own;
	int more;

	if (field->wire != PB_BYTES)
		return corrupt(reading, "a sample type of the wrong type");
	while ((more = pb_next(&walk, &own)) > 0) {
		if (own.wire != PB_VARINT)
			continue;
		if (own.number == TYPE_TYPE)
			type = own.value;
		else if (own.number == TYPE_UNIT)
			unit = own.value;
	}
	if (more < 0)
		return corrupt(reading, "a damaged sample type");
	int code = string_at(reading, type, &out->type);

	return code ? code : string_at(reading, unit, &out->unit);
}

/* Everything of the profile's head: sample types, times, period. */
static int head_read(struct reading *reading, struct slice plain)
{
	struct profile *profile = reading->profile;
	struct pb_walk walk = pb_walk_of(plain);
	struct profile_type type;
	struct pb_field field;
	struct slice text;
	int code = 0;

	while (code == 0 && pb_next(&walk, &field) > 0) {
		switch (field.number) {
		case PROFILE_SAMPLE_TYPE:
			if ((code = type_read(reading, &field, &type)))
				break;
			code = profile_type_add(profile, type.type, type.unit);
			if (code == ERR_LIMIT)
				code = limited(reading, "too many sample types");
			break;
		case PROFILE_TIME_NANOS:
			profile->time_ns = (int64_t)field.value;
			break;
		case PROFILE_DURATION_NANOS:
			profile->duration_ns = (int64_t)field.value;
			break;
		case PROFILE_PERIOD_TYPE:
			if ((code = type_read(reading, &field, &type)) == 0 &&
			    (code = profile_text(profile, type.type, &profile->period_type.type)) ==
				    0)
				code = profile_text(profile, type.unit, &profile->period_type.unit);
			break;
		case PROFILE_PERIOD:
			profile->period = (int64_t)field.value;
			break;
		case PROFILE_DEFAULT_SAMPLE_TYPE:
			if ((code = string_at(reading, field.value, &text)) == 0)
				code = profile_text(profile, text, &profile->default_type);
			break;
		default:
			break;
		}
	}
	if (code == 0 && profile->ntypes == 0)
		code = corrupt(reading, "no pprof: it has no sample types");
	return code;
}

/* ---- the second walk: samples ---- */

static int stack_add(struct reading *reading, const struct pb_field *field)
{
	struct pb_walk ids;
	uint64_t id;
	int code = 0;

	if (pb_elements(field, PB_VARINT, &ids) < 0)
		return corrupt(reading, "location ids of the wrong type");
	while (code == 0 && pb_left(&ids)) {
		if (pb_varint(&ids, &id) < 0)
			return corrupt(reading, "damaged location ids");
		const struct entry *location = entry_find(&reading->locations, id);

		if (!location)
			return corrupt(reading, "a reference to a location that is not there");
		code = profile_location_push(&reading->lines, &location->lines, reading->profile);
	}
	if (code > 0)
		return 0;
	return code == ERR_LIMIT ? limited(reading, "too many frames in its stacks") : code;
}

static int values_add(struct reading *reading, const struct pb_field *field, double *values,
		      uint32_t *n)
{
	struct pb_walk walk;
	uint64_t value;

	if (pb_elements(field, PB_VARINT, &walk) < 0)
		return corrupt(reading, "values of the wrong type");
	while (pb_left(&walk)) {
		if (pb_varint(&walk, &value) < 0)
			return corrupt(reading, "damaged values");
		if (*n == reading->profile->ntypes)
			return corrupt(reading, "more values than sample types");
		values[(*n)++] = (double)(int64_t)value;
	}
	return 0;
}

/* Only trace ids matter; of a label that is damaged there is none. */
static void label_read(struct reading *reading, struct slice bytes)
{
	struct pb_walk walk = pb_walk_of(bytes);
	struct profile_trace trace;
	uint64_t key = 0, text = 0;
	struct pb_field field;

	while (pb_next(&walk, &field) > 0) {
		if (field.number == LABEL_KEY && field.wire == PB_VARINT)
			key = field.value;
		else if (field.number == LABEL_STR && field.wire == PB_VARINT)
			text = field.value;
	}
	if (key && key == reading->trace_key && text < reading->nstrings &&
	    profile_trace_parse(reading->strings[text], &trace) == 0)
		profile_trace_add(reading->profile, &trace);
}

static int sample_read(struct reading *reading, const struct pb_field *field)
{
	struct pb_walk walk = pb_walk_of(field->bytes);
	struct pb_field own;
	uint32_t nvalues = 0;
	double *values;
	int more = 0;

	if (field->wire != PB_BYTES)
		return corrupt(reading, "a sample of the wrong type");
	int code = profile_sample_add(reading->profile, &values);

	if (code)
		return code == ERR_LIMIT ? limited(reading, "too many samples") : code;
	while (code == 0 && (more = pb_next(&walk, &own)) > 0) {
		if (own.number == SAMPLE_LOCATION_ID)
			code = stack_add(reading, &own);
		else if (own.number == SAMPLE_VALUE)
			code = values_add(reading, &own, values, &nvalues);
		else if (own.number == SAMPLE_LABEL && own.wire == PB_BYTES && reading->trace_key)
			label_read(reading, own.bytes);
	}
	if (code == 0 && more < 0)
		return corrupt(reading, "a damaged sample");
	if (code == 0 && nvalues != reading->profile->ntypes)
		return corrupt(reading, "fewer values than sample types");
	return code;
}

static int samples_read(struct reading *reading, struct slice plain)
{
	struct pb_walk walk = pb_walk_of(plain);
	struct pb_field field;
	int code = 0;

	for (uint32_t i = 0; i < reading->nstrings && !reading->trace_key; i++)
		if (slice_is(reading->strings[i], "trace_id"))
			reading->trace_key = i;
	while (code == 0 && pb_next(&walk, &field) > 0)
		if (field.number == PROFILE_SAMPLE)
			code = sample_read(reading, &field);
	return code;
}

static int read_all(struct reading *reading, struct slice plain)
{
	int code = count_fields(reading, plain);

	if (code || (code = tables_make(reading)) || (code = tables_fill(reading, plain)))
		return code;
	if (reading->nstrings == 0 || reading->strings[0].len)
		return corrupt(reading, "no pprof: its string table does not begin with \"\"");
	if ((code = head_read(reading, plain)) ||
	    (code = table_resolve(reading, &reading->mappings, mapping_resolve)) ||
	    (code = table_resolve(reading, &reading->functions, function_resolve)) ||
	    (code = table_resolve(reading, &reading->locations, location_resolve)))
		return code;
	return samples_read(reading, plain);
}

int pprof_read(struct slice plain, struct profile *profile, const char **why)
{
	struct reading reading = { .profile = profile };
	int code;

	arena_init(&reading.arena, 0);
	code = plain.len > PROFILE_BYTES_MAX ? limited(&reading, "the profile is too large")
					     : read_all(&reading, plain);
	if (code)
		*why = code == ERR_NOMEM ? error_text(code) : reading.why;
	profile_lines_fini(&reading.lines);
	arena_fini(&reading.arena);
	return code;
}

static bool is_packed(struct slice body)
{
	return encoding_sniff(body) != ENCODING_SNAPPY;
}

int pprof_unpack(struct decompressor *decompressor, struct slice body, struct buf *out,
		 struct slice *plain, const char **why)
{
	if (!is_packed(body)) {
		*plain = body;
		return 0;
	}
	int code = decompress(decompressor, body, PROFILE_BYTES_MAX, out, why);

	if (code == 0)
		*plain = buf_slice(out);
	return code;
}

bool pprof_is_likely(struct slice body)
{
	struct pb_walk walk = pb_walk_of(body);
	bool has_type = false, has_empty = false;
	struct pb_field field;
	int more;

	if (is_packed(body))
		return true;
	while ((more = pb_next(&walk, &field)) > 0) {
		has_type |= field.number == PROFILE_SAMPLE_TYPE && field.wire == PB_BYTES;
		has_empty |= field.number == PROFILE_STRING_TABLE && field.bytes.len == 0;
	}
	return more == 0 && has_type && has_empty;
}
