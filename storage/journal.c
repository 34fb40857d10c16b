#include "storage/journal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define FORMAT_LINE "tocsin journal "
#define SEGMENTS_MAX 100000
#define PATH_BYTES 4096
#define BUFFER_KEEP (4u * 1024 * 1024) /* a larger buffer is given back after a commit */

struct journal {
	char dir[PATH_BYTES - 64];
	enum journal_sync sync;
	int lock_fd, dir_fd, fd; /* fd: the newest segment, -1 before the first append */
	uint64_t *segments;      /* numbers of those on disk, ascending, the one being written included */
	size_t nsegments;
	uint64_t next_segment;
	struct buf buffer;   /* appended, not yet written */
	size_t written;      /* of the buffer, by an interrupted commit */
	bool unsynced;
	size_t checkpoint_at; /* while a checkpoint is under way: index of its segment; else SIZE_MAX */
	int64_t state_bytes;  /* the newest checkpoint's size: the next one waits until the log is twice that */
	struct journal_stats stats;
};

static void explain(char **why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void explain(char **why, const char *format, ...)
{
	va_list args;

	if (!why)
		return;
	va_start(args, format);
	if (vasprintf(why, format, args) < 0)
		*why = NULL;
	va_end(args);
}

static void segment_path(const struct journal *journal, uint64_t number, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/journal/%08llu.log", journal->dir, (unsigned long long)number);
}

static int make_dir(const char *path, char **why)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	explain(why, "cannot make the directory \"%s\": %s", path, strerror(errno));
	return ERR_IO;
}

/* ---- opening ---- */

static int lock(struct journal *journal, char **why)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/LOCK", journal->dir);
	journal->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (journal->lock_fd < 0) {
		explain(why, "cannot open \"%s\": %s", path, strerror(errno));
		return ERR_IO;
	}
	if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	explain(why, "data_dir \"%s\" is in use by another daemon", journal->dir);
	return ERR_CONFLICT;
}

static int check_format(struct journal *journal, char **why)
{
	char path[PATH_BYTES], line[64] = "";

	snprintf(path, sizeof(path), "%s/FORMAT", journal->dir);
	FILE *file = fopen(path, "r");

	if (file) {
		bool read = fgets(line, sizeof(line), file) != NULL;

		fclose(file);
		if (!read || strncmp(line, FORMAT_LINE, strlen(FORMAT_LINE)) != 0) {
			explain(why, "\"%s\" is not what a journal's FORMAT says; is \"%s\" a data_dir of Tocsin?", path, journal->dir);
			return ERR_CORRUPT;
		}
		unsigned long version = strtoul(line + strlen(FORMAT_LINE), NULL, 10);

		if (version <= BLOCK_FORMAT_VERSION)
			return 0;
		explain(why, "data_dir \"%s\" has format %lu; this Tocsin reads up to %d: use a newer one", journal->dir, version,
			BLOCK_FORMAT_VERSION);
		return ERR_UNSUPPORTED;
	}
	file = fopen(path, "w");
	if (!file || fprintf(file, FORMAT_LINE "%d\n", BLOCK_FORMAT_VERSION) < 0 || fclose(file)) {
		explain(why, "cannot write \"%s\": %s", path, strerror(errno));
		return ERR_IO;
	}
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int add_segment(struct journal *journal, uint64_t number)
{
	uint64_t *grown = realloc(journal->segments, (journal->nsegments + 1) * sizeof(*grown));

	if (!grown)
		return ERR_NOMEM;
	journal->segments = grown;
	grown[journal->nsegments++] = number;
	return 0;
}

static int find_segments(struct journal *journal, char **why)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/journal", journal->dir);
	int code = make_dir(path, why);

	if (code)
		return code;
	journal->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = opendir(path);

	if (!dir || journal->dir_fd < 0) {
		if (dir)
			closedir(dir);
		explain(why, "cannot read \"%s\": %s", path, strerror(errno));
		return ERR_IO;
	}
	for (struct dirent *entry; code == 0 && (entry = readdir(dir));) {
		char *end;
		unsigned long long number = strtoull(entry->d_name, &end, 10);

		if (end == entry->d_name || strcmp(end, ".log") != 0)
			continue;
		code = journal->nsegments < SEGMENTS_MAX ? add_segment(journal, number) : ERR_LIMIT;
	}
	closedir(dir);
	if (journal->nsegments)
		qsort(journal->segments, journal->nsegments, sizeof(*journal->segments), compare_numbers);
	journal->next_segment = journal->nsegments ? journal->segments[journal->nsegments - 1] + 1 : 1;
	return code;
}

int journal_open(const char *data_dir, enum journal_sync sync, struct journal **out, char **why)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	int code = 0;

	if (!journal)
		return ERR_NOMEM;
	journal->sync = sync;
	journal->lock_fd = journal->dir_fd = journal->fd = -1;
	journal->checkpoint_at = SIZE_MAX;
	buf_init(&journal->buffer);
	if (strlen(data_dir) >= sizeof(journal->dir)) {
		explain(why, "data_dir \"%.60s…\" is too long", data_dir);
		code = ERR_LIMIT;
	} else {
		strcpy(journal->dir, data_dir);
	}
	if (code || (code = make_dir(data_dir, why)) || (code = lock(journal, why)) || (code = check_format(journal, why)) ||
	    (code = find_segments(journal, why))) {
		journal_close(journal);
		return code;
	}
	*out = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	if (journal->dir_fd >= 0)
		close(journal->dir_fd);
	if (journal->lock_fd >= 0)
		close(journal->lock_fd);
	buf_fini(&journal->buffer);
	free(journal->segments);
	free(journal);
}

/* ---- replay ---- */

struct mapped {
	char *ptr;
	size_t len;
};

static int map_segment(const struct journal *journal, uint64_t number, struct mapped *out)
{
	char path[PATH_BYTES];
	struct stat st;

	segment_path(journal, number, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st)) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	*out = (struct mapped){ NULL, (size_t)st.st_size };
	if (st.st_size > 0) {
		out->ptr = mmap(NULL, out->len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (out->ptr == MAP_FAILED)
			out->ptr = NULL;
	}
	close(fd);
	return st.st_size > 0 && !out->ptr ? ERR_IO : 0;
}

/* Has this segment a checkpoint that was completed? */
static bool has_checkpoint(const struct mapped *segment)
{
	struct slice rest = { segment->ptr, segment->len };
	bool begun = false;

	for (size_t used; rest.len > 0; rest.ptr += used, rest.len -= used) {
		enum record_type type;
		struct slice payload;

		if (record_decode(rest, &type, &payload, &used))
			return false;
		begun = begun || type == RECORD_CHECKPOINT_BEGIN;
		if (begun && type == RECORD_CHECKPOINT_END)
			return true;
	}
	return false;
}

/* The index of the segment from which the log tells the whole state. */
static size_t first_needed(const struct journal *journal)
{
	for (size_t i = journal->nsegments; i-- > 0;) {
		struct mapped segment;

		if (map_segment(journal, journal->segments[i], &segment))
			continue;
		bool found = has_checkpoint(&segment);

		if (segment.ptr)
			munmap(segment.ptr, segment.len);
		if (found)
			return i;
	}
	return 0;
}

static int replay_segment(const struct mapped *segment, void (*fn)(void *ctx, enum record_type type, struct slice payload), void *ctx,
			  struct journal_replay_stats *stats)
{
	struct slice rest = { segment->ptr, segment->len };

	while (rest.len > 0) {
		enum record_type type;
		struct slice payload;
		size_t used;
		int code = record_decode(rest, &type, &payload, &used);

		if (code == ERR_UNSUPPORTED)
			return code;
		if (code) {
			/* Each start begins a segment, so any of them may end in a write that a crash tore. */
			if (code == ERR_AGAIN)
				stats->torn_bytes += rest.len;
			else
				stats->skipped += rest.len;
			return 0;
		}
		fn(ctx, type, payload);
		stats->records++;
		stats->bytes += used;
		rest.ptr += used;
		rest.len -= used;
	}
	return 0;
}

int journal_replay(struct journal *journal, void (*fn)(void *ctx, enum record_type type, struct slice payload), void *ctx,
		   struct journal_replay_stats *stats)
{
	int code = 0;

	*stats = (struct journal_replay_stats){ 0 };
	for (size_t i = first_needed(journal); i < journal->nsegments && code == 0; i++) {
		struct mapped segment;

		code = map_segment(journal, journal->segments[i], &segment);
		if (code)
			break;
		code = replay_segment(&segment, fn, ctx, stats);
		if (segment.ptr)
			munmap(segment.ptr, segment.len);
	}
	if (code == 0 && stats->records == 0 && stats->skipped > 0)
		code = ERR_CORRUPT;
	return code;
}

/* ---- writing ---- */

/* A segment is never appended to after a restart: its end may be torn. */
static int open_segment(struct journal *journal)
{
	char path[PATH_BYTES];

	segment_path(journal, journal->next_segment, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return ERR_IO;
	if (add_segment(journal, journal->next_segment)) {
		close(fd);
		unlink(path);
		return ERR_NOMEM;
	}
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = fd;
	journal->stats.segment = journal->next_segment++;
	journal->stats.segment_bytes = 0;
	if (journal->sync != JOURNAL_SYNC_NONE)
		fsync(journal->dir_fd);
	return 0;
}

int journal_append(struct journal *journal, enum record_type type, struct slice payload)
{
	size_t before = journal->buffer.len;

	if (payload.len > BLOCK_PAYLOAD_MAX)
		return ERR_LIMIT;
	record_encode(type, payload, &journal->buffer);
	if (!buf_ok(&journal->buffer))
		return ERR_NOMEM;
	journal->stats.records++;
	journal->stats.bytes += journal->buffer.len - before;
	return journal->sync == JOURNAL_SYNC_EACH ? journal_commit(journal) : 0;
}

static int write_buffer(struct journal *journal)
{
	struct buf *buffer = &journal->buffer;

	while (journal->written < buffer->len) {
		ssize_t n = write(journal->fd, buffer->ptr + journal->written, buffer->len - journal->written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		journal->written += (size_t)n;
		journal->stats.segment_bytes += n;
		journal->unsynced = true;
	}
	if (buffer->cap > BUFFER_KEEP) {
		buf_fini(buffer);
		buf_init(buffer);
	}
	buf_clear(buffer);
	journal->written = 0;
	return 0;
}

int journal_commit(struct journal *journal)
{
	int code = 0;

	if (journal->buffer.len == 0 && !journal->unsynced)
		return 0;
	if (journal->fd < 0)
		code = open_segment(journal);
	if (code == 0)
		code = write_buffer(journal);
	if (code == 0 && journal->unsynced && journal->sync != JOURNAL_SYNC_NONE) {
		if (fdatasync(journal->fd))
			code = ERR_IO;
		else
			journal->stats.syncs++;
	}
	if (code) {
		journal->stats.errors++;
		return code;
	}
	journal->unsynced = false;
	journal->stats.commits++;
	return 0;
}

/* ---- checkpoints ---- */

bool journal_wants_checkpoint(const struct journal *journal)
{
	return journal->checkpoint_at == SIZE_MAX && journal->stats.segment_bytes > JOURNAL_SEGMENT_MAX &&
	       journal->stats.segment_bytes > 2 * journal->state_bytes;
}

int journal_checkpoint_begin(struct journal *journal)
{
	int code = journal_commit(journal);

	if (code || (code = open_segment(journal)))
		return code;
	journal->checkpoint_at = journal->nsegments - 1;
	return journal_append(journal, RECORD_CHECKPOINT_BEGIN, (struct slice){ 0 });
}

int journal_checkpoint_end(struct journal *journal)
{
	assert(journal->checkpoint_at != SIZE_MAX);
	int code = journal_append(journal, RECORD_CHECKPOINT_END, (struct slice){ 0 });

	if (code || (code = journal_commit(journal)))
		return code;
	size_t needless = journal->checkpoint_at;

	for (size_t i = 0; i < needless; i++) {
		char path[PATH_BYTES];

		segment_path(journal, journal->segments[i], path);
		unlink(path);
	}
	memmove(journal->segments, journal->segments + needless, (journal->nsegments - needless) * sizeof(*journal->segments));
	journal->nsegments -= needless;
	journal->checkpoint_at = SIZE_MAX;
	journal->state_bytes = journal->stats.segment_bytes;
	journal->stats.checkpoints++;
	return 0;
}

void journal_stats_get(const struct journal *journal, struct journal_stats *out)
{
	*out = journal->stats;
}
