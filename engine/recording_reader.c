#include "engine/recording_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/error.h"

#define RELEASE_BYTES (16u * 1024 * 1024) /* whole pages, whatever their size */

struct recording_reader {
	char *dir;
	uint32_t *numbers;
	size_t nfiles, next_file;
	/* The file being read: its bytes, and what is left of them. */
	char *bytes;
	size_t bytes_len, released; /* released: given back to the system */
	struct slice rest;
	bool has_head;
	/* The part being read. */
	struct buf part;
	struct reader inputs;
	struct read_names *names;
	struct owned_settings settings;
	int64_t session_ms;
	uint32_t session_file;	   /* of the session, from 1; 0: none yet */
	bool in_session;	   /* inputs were told, and no end since */
	bool broken;		   /* what comes next does not follow on what came before */
	bool begins, begins_whole; /* the next input begins a session */
	bool begun, begun_whole;   /* the input told last did */
	bool is_whole;		   /* the file at hand is the first of its session */
	ZSTD_DCtx *zstd;
	char error[512];
	struct recording_reader_stats stats;
};

static int fail(struct recording_reader *reader, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int fail(struct recording_reader *reader, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(reader->error, sizeof(reader->error), format, args);
	va_end(args);
	return code;
}

static uint32_t file_at_hand(const struct recording_reader *reader)
{
	return reader->numbers[reader->next_file - 1];
}

/* ---- files ---- */

static void file_close(struct recording_reader *reader)
{
	if (reader->bytes)
		munmap(reader->bytes, reader->bytes_len);
	reader->bytes = NULL;
	reader->released = 0;
	reader->rest = (struct slice){ NULL, 0 };
	reader->has_head = false;
}

static int file_map(struct recording_reader *reader, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	if (fd < 0 || fstat(fd, &status)) {
		int code = fail(reader, ERR_IO, "cannot read %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return code;
	}
	if (status.st_size == 0) {
		close(fd);
		return 0;
	}
	void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return fail(reader, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	reader->bytes = bytes;
	reader->bytes_len = (size_t)status.st_size;
	reader->rest = (struct slice){ bytes, reader->bytes_len };
	return 0;
}

static int file_open(struct recording_reader *reader)
{
	struct buf path;
	uint32_t number = reader->numbers[reader->next_file];
	if (reader->next_file > 0 && number != reader->numbers[reader->next_file - 1] + 1)
		reader->broken = true;
	reader->next_file++;
	buf_init(&path);
	recording_file_path(reader->dir, number, &path);
	int code = buf_ok(&path) ? file_map(reader, path.ptr)
				 : fail(reader, ERR_NOMEM, "out of memory");
	buf_fini(&path);
	if (code)
		return code;
	read_names_unref(reader->names);
	reader->names = read_names_new();
	return reader->names ? 0 : fail(reader, ERR_NOMEM, "out of memory");
}

/* What is left of the file cannot be read. */
static void file_give_up(struct recording_reader *reader)
{
	reader->stats.torn_bytes += reader->rest.len;
	reader->stats.bytes += reader->rest.len;
	reader->broken = true;
	file_close(reader);
}

static int head_take(struct recording_reader *reader, struct slice payload)
{
	struct reader head;
	reader_init(&head, payload);
	uint32_t version = reader_u32(&head);
	int64_t session_ms = (int64_t)reader_u64(&head);
	uint32_t file = reader_u32(&head);
	if (head.failed)
		return ERR_CORRUPT;
	if (version > RECORDING_VERSION)
		return fail(reader, ERR_UNSUPPORTED,
			    "%s/%08u" RECORDING_SUFFIX " is of a newer version of Tocsin",
			    reader->dir, file_at_hand(reader));
	if (head.len > 0) {
		struct owned_settings settings;
		int code = settings_read(&head, &settings);
		if (code)
			return code;
		settings_fini(&reader->settings);
		reader->settings = settings;
	}
	bool follows = reader->session_file > 0 && !reader->broken &&
		       reader->session_ms == session_ms && reader->session_file + 1 == file;
	reader->session_ms = session_ms;
	reader->session_file = file;
	reader->has_head = true;
	reader->broken = false;
	if (!follows) {
		reader->begins = true;
		reader->begins_whole = file == 1;
	}
	return 0;
}

static int part_unpack(struct recording_reader *reader, struct slice payload)
{
	unsigned long long size = ZSTD_getFrameContentSize(payload.ptr, payload.len);
	if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
	    size > RECORDING_PART_MAX)
		return ERR_CORRUPT;
	buf_clear(&reader->part);
	if (!buf_reserve(&reader->part, (size_t)size + 1))
		return fail(reader, ERR_NOMEM, "out of memory");
	size_t n = ZSTD_decompressDCtx(reader->zstd, reader->part.ptr, (size_t)size, payload.ptr,
				       payload.len);
	if (ZSTD_isError(n))
		return ERR_CORRUPT;
	reader->part.len = n;
	reader_init(&reader->inputs, buf_slice(&reader->part));
	return 0;
}

/* What was read of a large file need not stay in memory. */
static void release(struct recording_reader *reader)
{
	size_t done = (size_t)(reader->rest.ptr - reader->bytes);
	if (done < reader->released + RELEASE_BYTES)
		return;
	madvise(reader->bytes + reader->released, RELEASE_BYTES, MADV_DONTNEED);
	reader->released += RELEASE_BYTES;
}

/* The next record of the file. What is damaged ends the file. */
static int record_take(struct recording_reader *reader)
{
	enum record_type type;
	struct slice payload;
	size_t used;
	int code = record_decode(reader->rest, &type, &payload, &used);
	if (!code && reader->has_head == (type == RECORD_RECORDING_HEAD))
		code = ERR_CORRUPT;
	if (!code && type == RECORD_RECORDING_HEAD)
		code = head_take(reader, payload);
	else if (!code && type == RECORD_RECORDING_PART)
		code = part_unpack(reader, payload);
	if (code == ERR_AGAIN || code == ERR_CORRUPT) {
		file_give_up(reader);
		return 0;
	}
	if (code == ERR_UNSUPPORTED && !reader->error[0])
		fail(reader, code, "%s/%08u" RECORDING_SUFFIX " is of a newer version of Tocsin",
		     reader->dir, file_at_hand(reader));
	if (code)
		return code;
	reader->rest.ptr += used;
	reader->rest.len -= used;
	reader->stats.bytes += used;
	release(reader);
	return 0;
}

/* ---- inputs ---- */

static int rules_take(struct recording_reader *reader)
{
	struct owned_settings settings;
	int code = settings_read(&reader->inputs, &settings);
	if (code)
		return code;
	settings_fini(&reader->settings);
	reader->settings = settings;
	return 0;
}

/* The next of the part; ERR_AGAIN: it was one that is not told. */
static int input_take(struct recording_reader *reader, struct input *out)
{
	*out = (struct input){ .kind = (enum input_kind)reader_u8(&reader->inputs) };
	switch (out->kind) {
	case INPUT_SERIES: {
		int code = input_series_read(&reader->inputs, reader->names);
		return code ? code : ERR_AGAIN;
	}
	case INPUT_BATCH: {
		int code = input_batch_read(&reader->inputs, reader->names, &out->batch);
		if (!code)
			reader->stats.samples += out->batch->nrows;
		return code;
	}
	case INPUT_RULES:
		return rules_take(reader);
	default:
		return input_read(&reader->inputs, out);
	}
}

static int tell_torn(struct recording_reader *reader, struct input *out)
{
	reader->in_session = false;
	*out = (struct input){ .kind = INPUT_END, .end = RECORDING_TORN };
	return 1;
}

static int tell(struct recording_reader *reader, const struct input *input)
{
	reader->begun = reader->begins;
	reader->begun_whole = reader->begins_whole;
	reader->stats.sessions += reader->begun && reader->begun_whole;
	reader->begins = false;
	reader->in_session = input->kind != INPUT_END;
	return 1;
}

int recording_next(struct recording_reader *reader, struct input *out)
{
	int code;
	for (;;) {
		/* Before a part is begun that does not follow on what was told. */
		if (reader->in_session && (reader->begins || reader->broken))
			return tell_torn(reader, out);
		if (reader->inputs.len > 0) {
			code = input_take(reader, out);
			if (code == 0)
				return tell(reader, out);
			if (code == ERR_AGAIN)
				continue;
			if (code == ERR_NOMEM)
				return fail(reader, code, "out of memory");
			reader_init(&reader->inputs, (struct slice){ NULL, 0 });
			file_give_up(reader);
		} else if (reader->rest.len > 0) {
			if ((code = record_take(reader)))
				return code;
		} else if (reader->next_file < reader->nfiles) {
			file_close(reader);
			if ((code = file_open(reader)))
				return code;
		} else {
			return reader->in_session ? tell_torn(reader, out) : 0;
		}
	}
}

const char *recording_reader_error(const struct recording_reader *reader)
{
	return reader->error;
}

const struct recording_settings *recording_settings(const struct recording_reader *reader)
{
	return &reader->settings.settings;
}

bool recording_begins(const struct recording_reader *reader, bool *whole)
{
	*whole = reader->begun_whole;
	return reader->begun;
}

void recording_reader_stats(const struct recording_reader *reader,
			    struct recording_reader_stats *out)
{
	*out = reader->stats;
}

int recording_part_check(struct slice inputs)
{
	struct recording_reader reader = { .names = read_names_new() };
	int code = reader.names ? 0 : ERR_NOMEM;
	reader_init(&reader.inputs, inputs);
	while ((!code || code == ERR_AGAIN) && reader.inputs.len > 0) {
		struct input input;
		code = input_take(&reader, &input);
		if (!code && input.kind == INPUT_BATCH)
			batch_free(input.batch);
	}
	settings_fini(&reader.settings);
	read_names_unref(reader.names);
	return code == ERR_AGAIN ? 0 : code;
}

/* ---- life ---- */

static int total_bytes(struct recording_reader *reader)
{
	struct buf path;
	struct stat status;
	int code = 0;
	buf_init(&path);
	for (size_t i = 0; i < reader->nfiles && !code; i++) {
		recording_file_path(reader->dir, reader->numbers[i], &path);
		if (!buf_ok(&path))
			code = fail(reader, ERR_NOMEM, "out of memory");
		else if (stat(path.ptr, &status) == 0)
			reader->stats.bytes_total += (uint64_t)status.st_size;
	}
	buf_fini(&path);
	return code;
}

static int init(struct recording_reader *reader, const char *dir)
{
	reader->dir = strdup(dir);
	reader->zstd = ZSTD_createDCtx();
	if (!reader->dir || !reader->zstd)
		return fail(reader, ERR_NOMEM, "out of memory");
	int code = recording_files(dir, &reader->numbers, &reader->nfiles);
	if (code)
		return fail(reader, code, "cannot read %s: %s", dir,
			    code == ERR_IO ? strerror(errno) : error_text(code));
	if (reader->nfiles == 0)
		return fail(reader, ERR_NOT_FOUND, "there is no recording in %s", dir);
	return total_bytes(reader);
}

int recording_reader_new(const char *dir, struct recording_reader **out, char **why)
{
	struct recording_reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return ERR_NOMEM;
	buf_init(&reader->part);
	int code = init(reader, dir);
	if (code) {
		*why = strdup(reader->error);
		recording_reader_free(reader);
		return code;
	}
	*out = reader;
	return 0;
}

void recording_reader_free(struct recording_reader *reader)
{
	if (!reader)
		return;
	file_close(reader);
	read_names_unref(reader->names);
	settings_fini(&reader->settings);
	ZSTD_freeDCtx(reader->zstd);
	buf_fini(&reader->part);
	free(reader->numbers);
	free(reader->dir);
	free(reader);
}
