/*
 * The names of series in a recording: INPUT_SERIES. Each file of it names them anew.
 */
#include "engine/recording_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define LABELS_UNKNOWN UINT32_MAX
#define SLOTS_MIN 1024u

/* ---- the names that were given ---- */

int written_names_init(struct written_names *names)
{
	*names = (struct written_names){ .file = 1, .kept_max = RECORDING_SERIES_KEPT };
	hash_key_derive(&names->own_key, "recording", 9);
	names->slots = calloc(SLOTS_MIN, sizeof(*names->slots));
	names->mask = SLOTS_MIN - 1;
	return names->slots ? 0 : ERR_NOMEM;
}

void written_names_fini(struct written_names *names)
{
	for (uint32_t i = 0; i < names->n; i++)
		labels_unref(names->items[i].labels);
	free(names->items);
	free(names->slots);
	free(names->rows);
	*names = (struct written_names){ 0 };
}

static uint32_t *slot_of(const struct written_names *names, struct hash128 key)
{
	uint32_t at = (uint32_t)key.lo & names->mask;
	while (names->slots[at] && !hash128_is_equal(names->items[names->slots[at] - 1].key, key))
		at = (at + 1) & names->mask;
	return &names->slots[at];
}

static int slots_grow(struct written_names *names)
{
	uint32_t mask = 2 * names->mask + 1;
	uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return ERR_NOMEM;
	free(names->slots);
	names->slots = slots;
	names->mask = mask;
	for (uint32_t i = 0; i < names->n; i++)
		*slot_of(names, names->items[i].key) = i + 1;
	return 0;
}

/*
 * Series that neither this file nor the one before needed have most likely ended. Should one come
 * back without its labels, the engine of a replay knows it, or counts its samples as refused.
 */
static void forget_old(struct written_names *names)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < names->n; i++) {
		if (names->items[i].file + 1 >= names->file)
			names->items[kept++] = names->items[i];
		else
			labels_unref(names->items[i].labels);
	}
	names->n = kept;
	memset(names->slots, 0, ((size_t)names->mask + 1) * sizeof(*names->slots));
	for (uint32_t i = 0; i < kept; i++)
		*slot_of(names, names->items[i].key) = i + 1;
}

void written_names_next_file(struct written_names *names)
{
	if (names->n > names->kept_max)
		forget_old(names);
	names->file++;
	names->next_id = 0;
}

int written_series_get(struct written_names *names, struct hash128 key, uint32_t *index)
{
	uint32_t *slot = slot_of(names, key);
	if (*slot) {
		*index = *slot - 1;
		return 0;
	}
	if (names->n == RECORDING_SERIES_MAX)
		return ERR_LIMIT;
	if (names->n == names->cap) {
		uint32_t cap = names->cap ? 2 * names->cap : SLOTS_MIN;
		struct written_series *items = reallocarray(names->items, cap, sizeof(*items));
		if (!items)
			return ERR_NOMEM;
		names->items = items;
		names->cap = cap;
	}
	if (2 * names->n > names->mask) {
		if (slots_grow(names))
			return ERR_NOMEM;
		slot = slot_of(names, key);
	}
	names->items[names->n] = (struct written_series){ .key = key };
	*index = names->n++;
	*slot = names->n;
	return 0;
}

void input_series_add(struct buf *out, struct written_names *names, struct written_series *series)
{
	series->id = names->next_id++;
	series->file = names->file;
	series->bits = 0;
	input_mark_add(out, INPUT_SERIES);
	pb_varint_add(out, series->id);
	buf_add_u64(out, series->key.lo);
	buf_add_u64(out, series->key.hi);
	if (!series->labels) {
		buf_add_u32(out, LABELS_UNKNOWN);
		return;
	}
	labels_encode(series->labels, out);
}

void written_series_label(struct written_series *series, struct labels *labels)
{
	if (series->labels && labels_is_equal(series->labels, labels))
		return;
	labels_unref(series->labels);
	series->labels = labels_ref(labels);
	series->file = 0;
}

/* ---- the names that are read ---- */

struct read_names *read_names_new(void)
{
	struct read_names *names = calloc(1, sizeof(*names));
	if (names)
		names->refs = 1;
	return names;
}

void read_names_unref(struct read_names *names)
{
	if (!names || --names->refs > 0)
		return;
	for (uint32_t i = 0; i < names->n; i++)
		labels_unref(names->items[i].labels);
	free(names->items);
	free(names);
}

static int series_labels_read(struct reader *reader, struct labels **out)
{
	struct reader ahead = *reader;
	if (reader_u32(&ahead) != LABELS_UNKNOWN)
		return labels_decode(reader, out);
	*reader = ahead;
	*out = NULL;
	return 0;
}

int input_series_read(struct reader *reader, struct read_names *names)
{
	struct read_series series = { .bits = 0 };
	uint64_t id = reader_varint(reader);
	series.key.lo = reader_u64(reader);
	series.key.hi = reader_u64(reader);
	if (reader->failed || id != names->n || id == RECORDING_SERIES_MAX)
		return ERR_CORRUPT;
	if (names->n == names->cap) {
		uint32_t cap = names->cap ? 2 * names->cap : SLOTS_MIN;
		struct read_series *items = reallocarray(names->items, cap, sizeof(*items));
		if (!items)
			return ERR_NOMEM;
		names->items = items;
		names->cap = cap;
	}
	int code = series_labels_read(reader, &series.labels);
	if (!code)
		names->items[names->n++] = series;
	return code;
}
