#include "ingest/tail_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

int tail_file_open(const char *path, struct labels *labels, struct tail_file **out)
{
	struct tail_file *file = calloc(1, sizeof(*file));
	bool is_regular = false;

	if (!file)
		return ERR_NOMEM;
	/* Not to wait for a pipe's other end. */
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int code = file->fd < 0 ? ERR_IO
				: file_id_get(file->fd, &file->mark.id, &file->size, &is_regular);

	if (code == 0 && !is_regular) {
		errno = EINVAL;
		code = ERR_IO;
	}
	if (code == 0 && !(file->path = strdup(path)))
		code = ERR_NOMEM;
	if (code) {
		int why = errno;

		if (file->fd >= 0)
			close(file->fd);
		free(file);
		errno = why;
		return code;
	}
	file->labels = labels_ref(labels);
	file->dirty = true;
	*out = file;
	return 0;
}

void tail_file_free(struct tail_file *file)
{
	if (!file)
		return;
	close(file->fd);
	labels_unref(file->labels);
	free(file->path);
	free(file);
}

static ssize_t read_at(int fd, char *to, size_t n, uint64_t offset)
{
	ssize_t got;

	do
		got = pread(fd, to, n, (off_t)offset);
	while (got < 0 && errno == EINTR);
	return got;
}

int tail_file_skip_all(struct tail_file *file)
{
	struct tail_mark mark = { .id = file->mark.id, .offset = file->size };
	char last = '\n';

	if (mark.offset > 0 && read_at(file->fd, &last, 1, mark.offset - 1) != 1)
		return ERR_IO;
	mark.skipping = last != '\n';
	if (tail_mark_take(file->fd, &mark))
		return ERR_IO;
	file->mark = mark;
	return 0;
}

void tail_file_rewind(struct tail_file *file)
{
	file->mark = (struct tail_mark){ .id = file->mark.id };
	file->scanned = 0;
	file->dirty = true;
}

/* One pass over what was read. */
struct lines {
	struct tail_file *file;
	const struct log_door *door;
	struct log_counters *counters;
	int64_t now_ns;
	bool stream_given;
	bool full;
};

/* False: the door did not take it. */
static bool line_give(struct lines *lines, struct slice line)
{
	const struct log_door *door = lines->door;
	bool cut = line.len > LOG_LINE_MAX;

	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (cut)
		line.len = LOG_LINE_MAX;
	if (!lines->stream_given && door->sink.stream(door->sink.ctx, lines->file->labels))
		return false;
	lines->stream_given = true;
	if (door->sink.line(door->sink.ctx,
			    &(struct log_entry){ .ts_ns = lines->now_ns, .line = line }))
		return false;
	log_count(&lines->counters->cut, cut);
	return true;
}

/* What ends with LF: how many of the bytes were taken. */
static size_t whole_lines_take(struct lines *lines, const char *bytes, size_t n)
{
	struct tail_mark *mark = &lines->file->mark;
	size_t at = 0;
	const char *end;

	while (at < n && (end = memchr(bytes + at, '\n', n - at))) {
		struct slice line = { bytes + at, (size_t)(end - bytes) - at };

		if (!mark->skipping && !line_give(lines, line)) {
			lines->full = true;
			break;
		}
		mark->skipping = false;
		at += line.len + 1;
	}
	return at;
}

/*
 * What stands behind the last LF: taken at once only if it is longer than any line, or the rest of
 * one that was.
 */
static size_t rest_take(struct lines *lines, const char *bytes, size_t n)
{
	struct tail_mark *mark = &lines->file->mark;

	if (mark->skipping)
		return n;
	if (n <= LOG_LINE_MAX)
		return 0;
	if (!line_give(lines, (struct slice){ bytes, n })) {
		lines->full = true;
		return 0;
	}
	mark->skipping = true;
	return n;
}

/* Bytes are new behind those that were scanned: is the end of a line among them? */
static enum tail_turn scan(struct tail_file *file, char *buffer, bool *found)
{
	ssize_t got = read_at(file->fd, buffer, TAIL_READ_BYTES, file->mark.offset + file->scanned);

	if (got <= 0)
		return got < 0 ? TAIL_ERROR : TAIL_END;
	*found = memchr(buffer, '\n', (size_t)got) || file->scanned + (uint64_t)got > LOG_LINE_MAX;
	file->scanned += (uint64_t)got;
	return TAIL_MORE;
}

/* Reads once from the mark and takes what it can. */
static enum tail_turn read_once(struct lines *lines, char *buffer)
{
	struct tail_file *file = lines->file;
	ssize_t got = read_at(file->fd, buffer, TAIL_READ_BYTES, file->mark.offset);

	if (got <= 0)
		return got < 0 ? TAIL_ERROR : TAIL_END;
	size_t n = (size_t)got, taken = whole_lines_take(lines, buffer, n);

	if (!lines->full)
		taken += rest_take(lines, buffer + taken, n - taken);
	file->mark.offset += taken;
	file->scanned = lines->full ? 0 : n - taken;
	if (lines->full)
		return TAIL_FULL;
	return n < TAIL_READ_BYTES ? TAIL_END : TAIL_MORE;
}

/* The mark's fingerprints follow its offset. */
static void mark_follow(struct tail_file *file)
{
	/* Truncated this very moment: the next turn sees it; the head is still what it was. */
	if (tail_mark_take(file->fd, &file->mark)) {
		file->mark.last_len = 0;
		file->mark.last_hash = 0;
	}
}

enum tail_turn tail_file_turn(struct tail_file *file, char *buffer, int64_t now_ns,
			      const struct log_door *door, struct log_counters *counters,
			      bool *took)
{
	struct lines lines = { file, door, counters, now_ns, false, false };
	uint64_t start = file->mark.offset;
	enum tail_turn turn = TAIL_MORE;
	bool found = file->scanned == 0;
	struct stat st;

	if (took)
		*took = false;
	if (fstat(file->fd, &st) < 0)
		return TAIL_ERROR;
	file->size = (uint64_t)st.st_size;
	if (file->size < start + file->scanned || !tail_mark_last_holds(file->fd, &file->mark))
		return TAIL_TRUNCATED;
	while (turn == TAIL_MORE && !found)
		turn = scan(file, buffer, &found);
	if (found)
		file->scanned = 0;
	for (turn = found ? TAIL_MORE : turn;
	     turn == TAIL_MORE && found && file->mark.offset - start < TAIL_TURN_BYTES_MAX;)
		turn = read_once(&lines, buffer);
	if (file->mark.offset != start) {
		mark_follow(file);
		if (took)
			*took = true;
	}
	return turn;
}

bool tail_file_finish(struct tail_file *file, char *buffer, int64_t now_ns,
		      const struct log_door *door, struct log_counters *counters)
{
	struct lines lines = { file, door, counters, now_ns, false, false };
	ssize_t got = read_at(file->fd, buffer, TAIL_READ_BYTES, file->mark.offset);

	if (got <= 0)
		return true;
	if (!file->mark.skipping && !line_give(&lines, (struct slice){ buffer, (size_t)got }))
		return false;
	file->mark.offset += (uint64_t)got;
	file->mark.skipping = true; /* should it go on after all, it is the same line */
	file->scanned = 0;
	mark_follow(file);
	return true;
}

void tail_file_mark(struct tail_file *file, const struct log_door *door)
{
	struct buf key, payload;

	buf_init(&key);
	buf_init(&payload);
	file_id_key(file->mark.id, &key);
	tail_mark_encode(&file->mark, slice_from(file->path), &payload);
	if (buf_ok(&key) && buf_ok(&payload))
		door->position(door->ctx, buf_slice(&key), buf_slice(&payload));
	buf_fini(&key);
	buf_fini(&payload);
}
