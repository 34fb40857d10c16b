/* Attributes of OTLP: KeyValue and AnyValue → texts, names of labels, the target of a resource. */
#include <ctype.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "ingest/otlp_decoder.h"

enum any_value {
	ANY_STRING = 1,
	ANY_BOOL = 2,
	ANY_INT = 3,
	ANY_DOUBLE = 4,
	ANY_ARRAY = 5,
	ANY_LIST = 6,
	ANY_BYTES = 7,
};
enum { KEY = 1, VALUE = 2, ELEMENTS = 1, ATTRIBUTES = 1 };

/* Takes the text into the request's memory. */
static int keep(struct otlp_decoder *decoder, struct buf *text, struct slice *out)
{
	bool good = buf_ok(text);
	*out = good ? arena_slice(&decoder->arena, buf_slice(text)) : (struct slice){ 0 };
	good = good && (text->len == 0 || out->ptr);
	buf_fini(text);
	return good ? 0 : ERR_NOMEM;
}

/* ---- values ---- */

static void add_base64(struct slice bytes, struct buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < bytes.len; i += 3) {
		uint32_t group = 0;
		for (size_t k = 0; k < 3; k++)
			group = group << 8 |
				(i + k < bytes.len ? (unsigned char)bytes.ptr[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_add_char(out,
				     i + k <= bytes.len ? digits[group >> (18 - 6 * k) & 63] : '=');
	}
}

static int add_json(struct slice value, int depth, struct json_writer *w);

static int add_json_list(struct slice list, bool is_map, int depth, struct json_writer *w)
{
	struct pb_walk walk = pb_walk_of(list);
	struct pb_field field;
	int rc, code = 0;
	if (is_map)
		json_begin_object(w);
	else
		json_begin_array(w);
	while (!code && (rc = pb_next(&walk, &field)) != 0) {
		if (rc < 0 || (field.number == ELEMENTS && field.wire != PB_BYTES))
			return ERR_CORRUPT;
		if (field.number != ELEMENTS)
			continue;
		struct slice key = { 0 }, value = field.bytes;
		struct pb_walk pair = pb_walk_of(field.bytes);
		for (value = is_map ? key : value; is_map && (rc = pb_next(&pair, &field)) != 0;) {
			if (rc < 0 || (field.number <= VALUE && field.wire != PB_BYTES))
				return ERR_CORRUPT;
			if (field.number == KEY)
				key = field.bytes;
			else if (field.number == VALUE)
				value = field.bytes;
		}
		if (is_map)
			json_key_slice(w, key);
		code = add_json(value, depth + 1, w);
	}
	if (is_map)
		json_end_object(w);
	else
		json_end_array(w);
	return code;
}

/* The last field counts, as everywhere in protobuf. *number is 0 for an empty value. */
static int any_read(struct slice value, struct pb_field *out)
{
	struct pb_walk walk = pb_walk_of(value);
	struct pb_field field;
	int rc;
	out->number = 0;
	while ((rc = pb_next(&walk, &field)) > 0)
		if (field.number >= ANY_STRING && field.number <= ANY_BYTES) {
			bool is_number = field.number >= ANY_BOOL && field.number <= ANY_INT;
			enum pb_wire wire = is_number			 ? PB_VARINT
					    : field.number == ANY_DOUBLE ? PB_FIXED64
									 : PB_BYTES;
			if (field.wire != wire)
				return ERR_CORRUPT;
			*out = field;
		}
	return rc;
}

/* Recursion is bounded by OTLP_VALUE_DEPTH_MAX: what is deeper is null. */
static int add_json(struct slice value, int depth, struct json_writer *w)
{
	struct pb_field field;
	struct buf text;
	if (any_read(value, &field))
		return ERR_CORRUPT;
	if (depth > OTLP_VALUE_DEPTH_MAX)
		field.number = 0;
	switch (field.number) {
	case ANY_STRING:
		json_str(w, field.bytes);
		return 0;
	case ANY_BOOL:
		json_bool(w, field.value != 0);
		return 0;
	case ANY_INT:
		json_int(w, (int64_t)field.value);
		return 0;
	case ANY_DOUBLE:
		json_number(w, double_of_bits(field.value));
		return 0;
	case ANY_ARRAY:
	case ANY_LIST:
		return add_json_list(field.bytes, field.number == ANY_LIST, depth, w);
	case ANY_BYTES:
		buf_init(&text);
		add_base64(field.bytes, &text);
		json_str(w, buf_slice(&text));
		w->out->failed |= !buf_ok(&text);
		buf_fini(&text);
		return 0;
	default:
		json_nil(w);
		return 0;
	}
}

int otlp_value_text(struct otlp_decoder *decoder, struct slice value, struct slice *out)
{
	struct pb_field field;
	struct json_writer w;
	struct buf text;
	if (any_read(value, &field))
		return ERR_CORRUPT;
	*out = (struct slice){ 0 };
	if (field.number == ANY_STRING)
		*out = field.bytes;
	if (field.number == ANY_STRING || field.number == 0)
		return 0;
	buf_init(&text);
	int code = 0;
	if (field.number == ANY_BOOL) {
		buf_add_str(&text, field.value ? "true" : "false");
	} else if (field.number == ANY_INT) {
		buf_printf(&text, "%lld", (long long)(int64_t)field.value);
	} else if (field.number == ANY_DOUBLE) {
		number_format_json(double_of_bits(field.value), &text);
	} else if (field.number == ANY_BYTES) {
		add_base64(field.bytes, &text);
	} else {
		json_writer_init(&w, &text);
		code = add_json_list(field.bytes, field.number == ANY_LIST, 1, &w);
	}
	if (code) {
		buf_fini(&text);
		return code;
	}
	return keep(decoder, &text, out);
}

/* ---- attributes ---- */

int otlp_attribute_add(struct otlp_decoder *decoder, struct slice key_value,
		       struct otlp_attributes *out)
{
	struct pb_walk walk = pb_walk_of(key_value);
	struct slice key = { 0 }, value = { 0 }, text;
	struct pb_field field;
	int rc;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if (field.number > VALUE)
			continue;
		if (field.wire != PB_BYTES)
			return ERR_CORRUPT;
		if (field.number == KEY)
			key = field.bytes;
		else
			value = field.bytes;
	}
	int code = rc < 0 ? ERR_CORRUPT : otlp_value_text(decoder, value, &text);
	if (code || key.len == 0)
		return code;
	if (out->n == OTLP_ATTRIBUTES_MAX)
		out->overflow = true;
	else
		out->items[out->n++] = (struct label){ key, text };
	return 0;
}

int otlp_resource_read(struct otlp_decoder *decoder, struct slice resource,
		       struct otlp_attributes *out)
{
	struct pb_walk walk = pb_walk_of(resource);
	struct pb_field field;
	int rc, code = 0;
	out->n = 0;
	out->overflow = false;
	while (!code && (rc = pb_next(&walk, &field)) != 0) {
		if (rc < 0 || (field.number == ATTRIBUTES && field.wire != PB_BYTES))
			return ERR_CORRUPT;
		if (field.number == ATTRIBUTES)
			code = otlp_attribute_add(decoder, field.bytes, out);
	}
	return code;
}

struct slice otlp_attribute(const struct otlp_attributes *attributes, const char *name)
{
	for (size_t i = 0; i < attributes->n; i++)
		if (slice_is(attributes->items[i].name, name))
			return attributes->items[i].value;
	return (struct slice){ 0 };
}

int otlp_target(struct otlp_decoder *decoder, const struct otlp_attributes *resource,
		struct slice *job, struct slice *instance)
{
	struct slice name = otlp_attribute(resource, "service.name");
	struct slice space = otlp_attribute(resource, "service.namespace");
	*instance = otlp_attribute(resource, "service.instance.id");
	*job = name;
	if (name.len == 0 || space.len == 0)
		return 0;
	char *both = arena_printf(&decoder->arena, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(space),
				  SLICE_ARG(name));
	*job = slice_from(both);
	return both ? 0 : ERR_NOMEM;
}

/* ---- names ---- */

/*
 * The name of an attribute as a label's: other characters become _, key_ stands before a leading
 * digit or _. ERR_NOMEM.
 */
static int otlp_label_name(struct otlp_decoder *decoder, struct slice name, struct slice *out)
{
	struct buf text;
	*out = name;
	if (label_name_is_legacy(name) && name.ptr[0] != '_')
		return 0;
	buf_init(&text);
	if (name.len && isdigit((unsigned char)name.ptr[0]))
		buf_add_str(&text, "key_");
	else if (slice_has_prefix(name, SLICE("_")) && !slice_has_prefix(name, SLICE("__")))
		buf_add_str(&text, "key");
	for (size_t i = 0; i < name.len;) {
		uint32_t rune;
		struct slice rest = { name.ptr + i, name.len - i };
		unsigned char c = (unsigned char)name.ptr[i];
		buf_add_char(&text, c < 0x80 && isalnum(c) ? (char)c : '_');
		i += slice_rune(rest, &rune);
	}
	return keep(decoder, &text, out);
}

struct unit {
	const char *otlp, *name;
};

static const struct unit units[] = {
	{ "d", "days" },
	{ "h", "hours" },
	{ "min", "minutes" },
	{ "s", "seconds" },
	{ "ms", "milliseconds" },
	{ "us", "microseconds" },
	{ "ns", "nanoseconds" },
	{ "By", "bytes" },
	{ "KiBy", "kibibytes" },
	{ "MiBy", "mebibytes" },
	{ "GiBy", "gibibytes" },
	{ "TiBy", "tibibytes" },
	{ "KBy", "kilobytes" },
	{ "MBy", "megabytes" },
	{ "GBy", "gigabytes" },
	{ "TBy", "terabytes" },
	{ "m", "meters" },
	{ "V", "volts" },
	{ "A", "amperes" },
	{ "J", "joules" },
	{ "W", "watts" },
	{ "g", "grams" },
	{ "Cel", "celsius" },
	{ "Hz", "hertz" },
	{ "1", "" },
	{ "%", "percent" },
};
static const struct unit per_units[] = {
	{ "s", "second" }, { "m", "minute" }, { "h", "hour" }, { "d", "day" },
	{ "w", "week" },   { "mo", "month" }, { "y", "year" },
};
#define N(array) (sizeof(array) / sizeof(*(array)))

/* The word for a unit; itself if there is none; nothing for {annotations}. */
static struct slice unit_word(const struct unit *table, size_t n, struct slice unit)
{
	unit = slice_trim(unit);
	if (slice_find(unit, '{') >= 0 || slice_find(unit, '}') >= 0)
		return (struct slice){ 0 };
	for (size_t i = 0; i < n; i++)
		if (slice_is(unit, table[i].otlp))
			return slice_from(table[i].name);
	return unit;
}

#define TOKENS_MAX 64 /* words of one name; those beyond it are left out */

struct tokens {
	struct slice items[TOKENS_MAX];
	size_t n;
};

static bool is_name_character(unsigned char c)
{
	return (c < 0x80 && isalnum(c)) || c == ':';
}

static void tokens_split(struct slice text, struct tokens *out)
{
	for (size_t i = 0, end; i < text.len; i = end + 1) {
		end = i;
		while (end < text.len && is_name_character((unsigned char)text.ptr[end]))
			end++;
		if (end > i && out->n < TOKENS_MAX)
			out->items[out->n++] = (struct slice){ text.ptr + i, end - i };
	}
}

static void tokens_remove(struct tokens *tokens, const char *word)
{
	size_t to = 0;
	for (size_t i = 0; i < tokens->n; i++)
		if (!slice_is(tokens->items[i], word))
			tokens->items[to++] = tokens->items[i];
	tokens->n = to;
}

/* Words that are there already are not said again. */
static void tokens_add_unit(struct tokens *tokens, struct slice unit, const char *before)
{
	struct tokens words = { .n = 0 };
	tokens_split(unit, &words);
	if (words.n == 0)
		return;
	for (size_t i = 0; i < tokens->n; i++)
		if (slice_is_equal(tokens->items[i], words.items[0]))
			return;
	if (before && tokens->n < TOKENS_MAX)
		tokens->items[tokens->n++] = slice_from(before);
	for (size_t i = 0; i < words.n && tokens->n < TOKENS_MAX; i++)
		tokens->items[tokens->n++] = words.items[i];
}

static void tokens_end_with(struct tokens *tokens, const char *word)
{
	tokens_remove(tokens, word);
	if (tokens->n < TOKENS_MAX)
		tokens->items[tokens->n++] = slice_from(word);
}

int otlp_metric_name(struct otlp_decoder *decoder, struct slice name, struct slice unit,
		     bool is_counter, bool is_gauge, struct slice *out)
{
	struct tokens tokens = { .n = 0 };
	ptrdiff_t slash = slice_find(unit, '/');
	struct slice main = unit, per = { 0 };
	struct buf text;
	if (slash >= 0) {
		main.len = (size_t)slash;
		per = (struct slice){ unit.ptr + slash + 1, unit.len - main.len - 1 };
	}
	tokens_split(name, &tokens);
	tokens_add_unit(&tokens, unit_word(units, N(units), main), NULL);
	tokens_add_unit(&tokens, unit_word(per_units, N(per_units), per), "per");
	if (is_counter)
		tokens_end_with(&tokens, "total");
	if (is_gauge && slice_is(unit, "1"))
		tokens_end_with(&tokens, "ratio");
	buf_init(&text);
	if (tokens.n && isdigit((unsigned char)tokens.items[0].ptr[0]))
		buf_add_char(&text, '_');
	for (size_t i = 0; i < tokens.n; i++) {
		buf_add_str(&text, i ? "_" : "");
		buf_add_slice(&text, tokens.items[i]);
	}
	return keep(decoder, &text, out);
}

static int by_name(const void *a, const void *b)
{
	return slice_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Two that become one: the values in the order of the original names. */
static int join(struct otlp_decoder *decoder, struct label *into, struct slice value)
{
	char *both = arena_printf(&decoder->arena, SLICE_FMT ";" SLICE_FMT, SLICE_ARG(into->value),
				  SLICE_ARG(value));
	into->value = slice_from(both);
	return both ? 0 : ERR_NOMEM;
}

int otlp_attributes_to_labels(struct otlp_decoder *decoder, struct otlp_attributes *attributes)
{
	size_t to = 0;
	int code = 0;
	qsort(attributes->items, attributes->n, sizeof(*attributes->items), by_name);
	for (size_t i = 0; i < attributes->n && !code; i++) {
		struct label label = attributes->items[i];
		size_t k = 0;
		code = otlp_label_name(decoder, label.name, &label.name);
		while (k < to && !slice_is_equal(attributes->items[k].name, label.name))
			k++;
		if (k < to && !code)
			code = join(decoder, &attributes->items[k], label.value);
		else
			attributes->items[to++] = label;
	}
	attributes->n = to;
	return code;
}
