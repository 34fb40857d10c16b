#include "engine/recording_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/array.h"
#include "base/error.h"

#define LEVEL 1 /* of zstd: the writer must keep up */

struct file_entry {
	uint32_t number;
	int64_t bytes;
};

struct recording_writer {
	char *dir;
	int64_t bytes_max, file_bytes_max, session_ms;
	struct written_names names;
	struct buf part, record, settings, path;
	ZSTD_CCtx *zstd;
	char *packed;
	size_t packed_cap;
	int fd;			  /* of the newest file; -1 before it */
	int dir_fd;		  /* locked as long as it is written; -1 */
	struct file_entry *files; /* all that are there, the oldest first */
	size_t nfiles, files_cap;
	int64_t bytes; /* of all files */
	uint32_t last; /* number of the newest */
	int code;      /* what ended it */
	char error[512];
	struct recording_writer_stats stats;
};

static int fail(struct recording_writer *writer, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int fail(struct recording_writer *writer, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(writer->error, sizeof(writer->error), format, args);
	va_end(args);
	return writer->code = code;
}

static int fail_io(struct recording_writer *writer, const char *what)
{
	return fail(writer, ERR_IO, "cannot %s %s: %s", what, writer->path.ptr, strerror(errno));
}

/* ---- files ---- */

static int file_add(struct recording_writer *writer, uint32_t number, int64_t bytes)
{
	if (!ARRAY_RESERVE(&writer->files, writer->nfiles, &writer->files_cap))
		return fail(writer, ERR_NOMEM, "out of memory");
	writer->files[writer->nfiles++] = (struct file_entry){ number, bytes };
	writer->bytes += bytes;
	writer->last = number;
	return 0;
}

/* What earlier sessions left. */
static int files_find(struct recording_writer *writer)
{
	uint32_t *numbers;
	size_t n;
	int code = recording_files(writer->dir, &numbers, &n);
	if (code)
		return fail(writer, code, "cannot read %s: %s", writer->dir,
			    code == ERR_IO ? strerror(errno) : error_text(code));
	for (size_t i = 0; i < n && !code; i++) {
		struct stat status;
		recording_file_path(writer->dir, numbers[i], &writer->path);
		if (!buf_ok(&writer->path))
			code = fail(writer, ERR_NOMEM, "out of memory");
		else if (stat(writer->path.ptr, &status))
			code = fail_io(writer, "look at");
		else
			code = file_add(writer, numbers[i], status.st_size);
	}
	free(numbers);
	return code;
}

/* The oldest go, but never the one that is written. */
static int files_trim(struct recording_writer *writer)
{
	size_t gone = 0;
	while (writer->nfiles - gone > 1 && writer->bytes > writer->bytes_max) {
		recording_file_path(writer->dir, writer->files[gone].number, &writer->path);
		if (unlink(writer->path.ptr) && errno != ENOENT)
			return fail_io(writer, "delete");
		writer->bytes -= writer->files[gone++].bytes;
		writer->stats.files_removed++;
	}
	writer->nfiles -= gone;
	if (gone)
		memmove(writer->files, writer->files + gone,
			writer->nfiles * sizeof(*writer->files));
	return 0;
}

static int write_record(struct recording_writer *writer, enum record_type type,
			struct slice payload)
{
	if (payload.len > BLOCK_PAYLOAD_MAX)
		return fail(writer, ERR_LIMIT, "an input of %zu bytes is too large", payload.len);
	buf_clear(&writer->record);
	record_encode(type, payload, &writer->record);
	if (!buf_ok(&writer->record))
		return fail(writer, ERR_NOMEM, "out of memory");
	for (size_t at = 0; at < writer->record.len;) {
		ssize_t n = write(writer->fd, writer->record.ptr + at, writer->record.len - at);
		if (n < 0 && errno != EINTR)
			return fail_io(writer, "write");
		at += n > 0 ? (size_t)n : 0;
	}
	writer->files[writer->nfiles - 1].bytes += (int64_t)writer->record.len;
	writer->bytes += (int64_t)writer->record.len;
	writer->stats.bytes += writer->record.len;
	return 0;
}

static int write_head(struct recording_writer *writer)
{
	struct buf head;
	buf_init(&head);
	buf_add_u32(&head, RECORDING_VERSION);
	buf_add_u64(&head, (uint64_t)writer->session_ms);
	buf_add_u32(&head, writer->names.file);
	buf_add_slice(&head, buf_slice(&writer->settings));
	int code = buf_ok(&head) ? write_record(writer, RECORD_RECORDING_HEAD, buf_slice(&head))
				 : fail(writer, ERR_NOMEM, "out of memory");
	buf_fini(&head);
	return code;
}

static int file_begin(struct recording_writer *writer)
{
	if (writer->last >= 99999999)
		return fail(writer, ERR_LIMIT, "%s has no number left for a file", writer->dir);
	recording_file_path(writer->dir, writer->last + 1, &writer->path);
	if (!buf_ok(&writer->path))
		return fail(writer, ERR_NOMEM, "out of memory");
	int fd = open(writer->path.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_io(writer, "create");
	if (writer->fd >= 0) {
		close(writer->fd);
		written_names_next_file(&writer->names);
	}
	writer->fd = fd;
	int code = file_add(writer, writer->last + 1, 0);
	if (!code)
		code = write_head(writer);
	if (!code)
		code = files_trim(writer);
	/* What is complained of from now on is this one. */
	recording_file_path(writer->dir, writer->last, &writer->path);
	return code;
}

/* ---- parts ---- */

static int pack(struct recording_writer *writer, struct slice *out)
{
	size_t need = ZSTD_compressBound(writer->part.len);
	if (need > writer->packed_cap) {
		char *packed = realloc(writer->packed, need);
		if (!packed)
			return fail(writer, ERR_NOMEM, "out of memory");
		writer->packed = packed;
		writer->packed_cap = need;
	}
	size_t n = ZSTD_compressCCtx(writer->zstd, writer->packed, writer->packed_cap,
				     writer->part.ptr, writer->part.len, LEVEL);
	if (ZSTD_isError(n))
		return fail(writer, ERR_NOMEM, "cannot compress: %s", ZSTD_getErrorName(n));
	*out = (struct slice){ writer->packed, n };
	return 0;
}

int recording_flush(struct recording_writer *writer)
{
	struct slice packed;
	if (writer->code)
		return writer->code;
	if (writer->part.len == 0)
		return 0;
	int code = pack(writer, &packed);
	if (!code)
		code = write_record(writer, RECORD_RECORDING_PART, packed);
	buf_clear(&writer->part);
	if (!code && writer->files[writer->nfiles - 1].bytes >= writer->file_bytes_max)
		code = file_begin(writer);
	return code;
}

/* Settings stand at the beginning of each file, so those among the inputs are kept. */
static int keep_settings(struct recording_writer *writer, struct slice inputs)
{
	struct reader reader;
	reader_init(&reader, inputs);
	while (reader.len > 0) {
		struct input input = { .kind = (enum input_kind)reader_u8(&reader) };
		struct owned_settings settings;
		int code = input.kind == INPUT_RULES ? settings_read(&reader, &settings)
						     : input_read(&reader, &input);
		if (code)
			return fail(writer, code, "an input is not what it should be");
		if (input.kind != INPUT_RULES)
			continue;
		buf_clear(&writer->settings);
		settings_write(&settings.settings, &writer->settings);
		settings_fini(&settings);
	}
	return 0;
}

int recording_write(struct recording_writer *writer, struct slice inputs, const struct batch *batch)
{
	if (writer->code)
		return writer->code;
	int code = keep_settings(writer, inputs);
	if (code)
		return code;
	buf_add_slice(&writer->part, inputs);
	if (batch) {
		code = input_batch_add(&writer->part, &writer->names, batch);
		if (code)
			return fail(writer, code, "%s: names of series", error_text(code));
		writer->stats.samples += batch->nrows;
	}
	if (!buf_ok(&writer->part))
		return fail(writer, ERR_NOMEM, "out of memory");
	if (writer->part.len > RECORDING_PART_MAX)
		return fail(writer, ERR_LIMIT, "an input of %zu bytes is too large",
			    writer->part.len);
	return writer->part.len >= RECORDING_PART_BYTES ? recording_flush(writer) : 0;
}

int recording_end(struct recording_writer *writer, enum recording_end end)
{
	if (writer->code == ERR_LIMIT || writer->code == ERR_NOMEM) {
		/* The input that was too much is left out; what came before is kept. */
		buf_fini(&writer->part);
		writer->code = 0;
	}
	if (writer->code)
		return writer->code;
	input_mark_add(&writer->part, INPUT_END);
	buf_add_char(&writer->part, (char)end);
	int code = recording_flush(writer);
	if (!code && fdatasync(writer->fd))
		code = fail_io(writer, "sync");
	writer->code = code ? code : ERR_FULL;
	return code;
}

const char *recording_writer_error(const struct recording_writer *writer)
{
	return writer->error;
}

void recording_writer_stats(const struct recording_writer *writer,
			    struct recording_writer_stats *out)
{
	*out = writer->stats;
}

/* ---- life ---- */

static int lock(struct recording_writer *writer)
{
	writer->dir_fd = open(writer->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writer->dir_fd < 0)
		return fail(writer, ERR_IO, "cannot open %s: %s", writer->dir, strerror(errno));
	if (flock(writer->dir_fd, LOCK_EX | LOCK_NB))
		return fail(writer, ERR_CONFLICT, "another daemon records into %s", writer->dir);
	return 0;
}

static int init(struct recording_writer *writer, const char *dir)
{
	writer->dir = strdup(dir);
	writer->zstd = ZSTD_createCCtx();
	written_names_init(&writer->names);
	if (!writer->dir || !writer->zstd)
		return fail(writer, ERR_NOMEM, "out of memory");
	if (mkdir(dir, 0700) && errno != EEXIST)
		return fail(writer, ERR_IO, "cannot make %s: %s", dir, strerror(errno));
	int code = lock(writer);
	if (!code)
		code = files_find(writer);
	return code ? code : file_begin(writer);
}

int recording_writer_new(const char *dir, int64_t bytes_max, int64_t session_ms,
			 struct recording_writer **out, char **why)
{
	struct recording_writer *writer = calloc(1, sizeof(*writer));
	if (!writer)
		return ERR_NOMEM;
	writer->fd = writer->dir_fd = -1;
	writer->bytes_max = bytes_max < RECORDING_BYTES_MIN ? RECORDING_BYTES_MIN : bytes_max;
	writer->file_bytes_max = writer->bytes_max / RECORDING_FILES;
	if (writer->file_bytes_max > RECORDING_FILE_BYTES_MAX)
		writer->file_bytes_max = RECORDING_FILE_BYTES_MAX;
	writer->session_ms = session_ms;
	buf_init(&writer->part);
	buf_init(&writer->record);
	buf_init(&writer->settings);
	buf_init(&writer->path);
	int code = init(writer, dir);
	if (code) {
		*why = strdup(writer->error);
		recording_writer_free(writer);
		return code;
	}
	*out = writer;
	return 0;
}

void recording_writer_free(struct recording_writer *writer)
{
	if (!writer)
		return;
	if (writer->fd >= 0)
		close(writer->fd);
	if (writer->dir_fd >= 0)
		close(writer->dir_fd);
	written_names_fini(&writer->names);
	ZSTD_freeCCtx(writer->zstd);
	buf_fini(&writer->part);
	buf_fini(&writer->record);
	buf_fini(&writer->settings);
	buf_fini(&writer->path);
	free(writer->packed);
	free(writer->files);
	free(writer->dir);
	free(writer);
}
