/*
 * What the files of a recording share. Inside of engine/.
 */
#ifndef TOCSIN_ENGINE_RECORDING_INTERNAL_H
#define TOCSIN_ENGINE_RECORDING_INTERNAL_H

#include "base/key_numbers.h"
#include "engine/recording.h"
#include "ingest/protobuf.h"

/* ---- the names of series, as they are written (recording_names.c) ---- */

struct written_series {
	struct labels *labels; /* a reference; NULL: never told */
	uint32_t id, file;     /* its id in the file of that number */
	uint64_t bits;	       /* of its newest value there */
};

struct written_names {
	struct key_numbers keys;      /* of the series */
	struct written_series *items; /* by number */
	uint32_t cap;
	uint32_t file, next_id;	  /* of the file being written */
	struct hash_key own_key;  /* names series of batches whose keys do not count */
	uint32_t *rows, rows_cap; /* scratch: the batch's series */
	uint32_t kept_max;	  /* RECORDING_SERIES_KEPT, but for tests */
};

void written_names_init(struct written_names *names);
void written_names_fini(struct written_names *names);
/* Another file begins. Labels come along only when a series is first seen, so they are kept. */
void written_names_next_file(struct written_names *names);
/* Finds or makes; *index into items. ERR_NOMEM, ERR_LIMIT: RECORDING_SERIES_MAX. */
int written_series_get(struct written_names *names, struct hash128 key, uint32_t *index);
/* Other labels under a key that is known: another series. */
void written_series_label(struct written_series *series, struct labels *labels);
/* Gives it an id in this file, and appends INPUT_SERIES. */
void input_series_add(struct buf *out, struct written_names *names, uint32_t index);

/* ---- batches (recording_batch.c) ---- */

/* Appends INPUT_SERIES of what was not yet named, then INPUT_BATCH. ERR_NOMEM, ERR_LIMIT. */
int input_batch_add(struct buf *out, struct written_names *names, const struct batch *batch);

/* ---- as they are read ---- */

struct read_series {
	struct hash128 key;
	struct labels *labels;
	uint64_t bits;
};

/* Of one file; batches that were made of it hold a reference. */
struct read_names {
	struct read_series *items;
	uint32_t n, cap;
	unsigned refs; /* one thread */
};

struct read_names *read_names_new(void);
void read_names_unref(struct read_names *names);
/* INPUT_SERIES, behind its kind. ERR_CORRUPT, ERR_NOMEM. */
int input_series_read(struct reader *reader, struct read_names *names);
/* INPUT_BATCH, behind its kind. ERR_CORRUPT, ERR_NOMEM. */
int input_batch_read(struct reader *reader, struct read_names *names, struct batch **out);

/* ---- the others (recording.c) ---- */

/* INPUT_RULES, behind its kind: texts and labels are copies, to settings_fini(). */
struct owned_settings {
	struct recording_settings settings;
	struct labels *external_labels;
	char *external_url;
};
int settings_read(struct reader *reader, struct owned_settings *out);
void settings_fini(struct owned_settings *settings);
void settings_write(const struct recording_settings *settings, struct buf *out);
/* Of any kind but series, batches and rules, behind its kind. ERR_CORRUPT. */
int input_read(struct reader *reader, struct input *input);

/* A varint off the reader: sets `failed`. */
uint64_t reader_varint(struct reader *reader);

/* The numbers of the files in a directory: ascending, to free(). ERR_IO, ERR_NOMEM, ERR_LIMIT. */
int recording_files(const char *dir, uint32_t **numbers, size_t *n);
void recording_file_path(const char *dir, uint32_t number, struct buf *out);

#endif
