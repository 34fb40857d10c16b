/*
 * The names of series in a recording: INPUT_SERIES. Each file of it names them anew.
 */
#include "engine/recording_internal.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"

#define LABELS_UNKNOWN UINT32_MAX

/* ---- the names that were given ---- */

void written_names_init(struct written_names *names)
{
	*names = (struct written_names){ .file = 1, .kept_max = RECORDING_SERIES_KEPT };
	hash_key_derive(&names->own_key, "recording", 9);
}

void written_names_fini(struct written_names *names)
{
	for (uint32_t i = 0; i < names->keys.n; i++)
		labels_unref(names->items[i].labels);
	key_numbers_fini(&names->keys);
	free(names->items);
	free(names->rows);
	*names = (struct written_names){ 0 };
}

/*
 * Series that neither this file nor the one before needed have most likely ended. Should one come
 * back without its labels, the engine of a replay knows it, or counts its samples as refused.
 */
static bool is_kept(void *ctx, uint32_t at, uint32_t then)
{
	struct written_series *items = ((struct written_names *)ctx)->items;
	if (items[at].file + 1 < ((struct written_names *)ctx)->file) {
		labels_unref(items[at].labels);
		return false;
	}
	items[then] = items[at];
	return true;
}

void written_names_next_file(struct written_names *names)
{
	if (names->keys.n > names->kept_max)
		key_numbers_filter(&names->keys, is_kept, names);
	names->file++;
	names->next_id = 0;
}

int written_series_get(struct written_names *names, struct hash128 key, uint32_t *index)
{
	uint32_t found = key_numbers_find(&names->keys, key);
	if (found == KEY_NUMBER_NONE) {
		found = names->keys.n;
		if (!ARRAY_RESERVE(&names->items, found, &names->cap))
			return ERR_NOMEM;
		int code = key_numbers_add(&names->keys, key, RECORDING_SERIES_MAX);
		if (code)
			return code;
		names->items[found] = (struct written_series){ .labels = NULL };
	}
	*index = found;
	return 0;
}

void input_series_add(struct buf *out, struct written_names *names, uint32_t index)
{
	struct written_series *series = &names->items[index];
	series->id = names->next_id++;
	series->file = names->file;
	series->bits = 0;
	input_mark_add(out, INPUT_SERIES);
	pb_varint_add(out, series->id);
	buf_add_u64(out, names->keys.keys[index].lo);
	buf_add_u64(out, names->keys.keys[index].hi);
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
	if (!ARRAY_RESERVE(&names->items, names->n, &names->cap))
		return ERR_NOMEM;
	int code = series_labels_read(reader, &series.labels);
	if (!code)
		names->items[names->n++] = series;
	return code;
}
