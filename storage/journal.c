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
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define FORMAT_LINE "tocsin journal "
#define SEGMENTS_MAX 100000
#define PATH_BYTES JOURNAL_PATH_MAX
#define BUFFER_KEEP (4u * 1024 * 1024) /* a larger buffer is given back after a commit */
#define LOCK_WAIT_MS 1000	       /* another daemon that still has data_dir by then is alive */
#define LOCK_RETRY_MS 20

struct journal {
	char dir[PATH_BYTES - 64];
	enum journal_sync sync;
	int lock_fd, dir_fd, fd; /* fd: the newest segment, -1 before the first append */
	uint64_t
		*segments; /* numbers of those on disk, ascending, the one being written included */
	size_t nsegments;
	uint64_t next_segment;
	struct buf buffer;     /* appended, not yet committed */
	size_t written;	       /* of the buffer, by an interrupted commit */
	size_t checkpoint_at;  /* while a checkpoint is under way: index of its segment; else
				  SIZE_MAX */
	bool checkpoint_ended; /* its end is appended */
	bool dir_unsynced;     /* the newest segment's name may not be on disk */
	char error[PATH_BYTES + 128];
	int64_t state_bytes; /* the newest checkpoint's size: the next one waits until the log is
				twice that */
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
	snprintf(path, PATH_BYTES, "%s/journal/%08llu.log", journal->dir,
		 (unsigned long long)number);
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
	/* What a daemon that was killed had just started may have it until it is another program.
	 */
	const struct timespec pause = { .tv_nsec = LOCK_RETRY_MS * 1000000L };

	for (int waited_ms = 0; waited_ms <= LOCK_WAIT_MS; waited_ms += LOCK_RETRY_MS) {
		if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	explain(why,
		"data_dir \"%s\" is in use by another daemon: stop that one, or give this one "
		"another (--data-dir)",
		journal->dir);
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
			explain(why,
				"\"%s\" is not what a journal's FORMAT says; is \"%s\" a data_dir "
				"of Tocsin?",
				path, journal->dir);
			return ERR_CORRUPT;
		}
		unsigned long version = strtoul(line + strlen(FORMAT_LINE), NULL, 10);

		if (version == BLOCK_FORMAT_VERSION)
			return 0;
		if (version > BLOCK_FORMAT_VERSION) {
			explain(why,
				"data_dir \"%s\" has format %lu; this Tocsin reads up to %d: use a "
				"newer one",
				journal->dir, version, BLOCK_FORMAT_VERSION);
			return ERR_UNSUPPORTED;
		}
	} else if (errno != ENOENT) {
		explain(why, "cannot read \"%s\": %s", path, strerror(errno));
		return ERR_IO;
	}
	snprintf(line, sizeof(line), FORMAT_LINE "%d\n", BLOCK_FORMAT_VERSION);
	return file_replace(path, slice_from(line), why);
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
		if (code == ERR_LIMIT)
			explain(why, "\"%s\" holds more than %d segments", path, SEGMENTS_MAX);
	}
	closedir(dir);
	if (journal->nsegments)
		qsort(journal->segments, journal->nsegments, sizeof(*journal->segments),
		      compare_numbers);
	journal->next_segment =
		journal->nsegments ? journal->segments[journal->nsegments - 1] + 1 : 1;
	return code;
}

void journal_sync_set(struct journal *journal, enum journal_sync sync)
{
	journal->sync = sync;
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
	if (code || (code = make_dir(data_dir, why)) || (code = lock(journal, why)) ||
	    (code = check_format(journal, why)) || (code = find_segments(journal, why))) {
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

static int map_segment(const struct journal *journal, uint64_t number, struct mapped *out,
		       char **why)
{
	char path[PATH_BYTES];
	struct stat st;

	segment_path(journal, number, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*out = (struct mapped){ 0 };
	if (fd >= 0 && fstat(fd, &st) == 0) {
		out->len = (size_t)st.st_size;
		if (out->len > 0)
			out->ptr = mmap(NULL, out->len, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	bool failed = fd < 0 || out->ptr == MAP_FAILED;

	if (failed)
		explain(why, "cannot read \"%s\": %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return failed ? ERR_IO : 0;
}

static void unmap(const struct mapped *segment)
{
	if (segment->ptr)
		munmap(segment->ptr, segment->len);
}

/* Where the log begins that tells the whole state: index of a segment, and whether that has a
 * checkpoint. */
struct beginning {
	size_t at;
	bool is_checkpoint;
};

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

static int find_beginning(const struct journal *journal, struct beginning *found, char **why)
{
	*found = (struct beginning){ 0 };
	for (size_t i = journal->nsegments; i-- > 0 && !found->is_checkpoint;) {
		struct mapped segment;
		int code = map_segment(journal, journal->segments[i], &segment, why);

		if (code)
			return code;
		if (has_checkpoint(&segment))
			*found = (struct beginning){ i, true };
		unmap(&segment);
	}
	return 0;
}

static uint64_t count_missing(const struct journal *journal, const struct beginning *beginning)
{
	uint64_t missing =
		journal->nsegments > 0 && !beginning->is_checkpoint && journal->segments[0] != 1;

	for (size_t i = beginning->at + 1; i < journal->nsegments; i++)
		missing += journal->segments[i] != journal->segments[i - 1] + 1;
	return missing;
}

static void note_damage(const struct journal *journal, uint64_t number, size_t at, size_t bytes,
			struct journal_replay_stats *stats)
{
	stats->skipped += bytes;
	if (stats->damaged[0])
		return;
	segment_path(journal, number, stats->damaged);
	stats->damaged_at = at;
}

static int replay_segment(const struct journal *journal, uint64_t number,
			  const struct mapped *segment,
			  void (*fn)(void *ctx, enum record_type type, struct slice payload),
			  void *ctx, struct journal_replay_stats *stats, char **why)
{
	struct slice rest = { segment->ptr, segment->len };

	while (rest.len > 0) {
		enum record_type type;
		struct slice payload;
		size_t used;
		int code = record_decode(rest, &type, &payload, &used);

		if (code == ERR_UNSUPPORTED) {
			explain(why, "\"%s\" was written by a newer Tocsin: use that one",
				journal->dir);
			return code;
		}
		if (code) {
			/* Each start begins a segment, so any of them may end in a write that a
			 * crash tore. */
			if (code == ERR_AGAIN)
				stats->torn_bytes += rest.len;
			else
				note_damage(journal, number, segment->len - rest.len, rest.len,
					    stats);
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

int journal_replay(struct journal *journal,
		   void (*fn)(void *ctx, enum record_type type, struct slice payload), void *ctx,
		   struct journal_replay_stats *stats, char **why)
{
	struct beginning beginning;

	*stats = (struct journal_replay_stats){ 0 };
	int code = find_beginning(journal, &beginning, why);

	if (code)
		return code;
	stats->missing = count_missing(journal, &beginning);
	for (size_t i = beginning.at; i < journal->nsegments && code == 0; i++) {
		struct mapped segment;

		code = map_segment(journal, journal->segments[i], &segment, why);
		if (code)
			return code;
		code = replay_segment(journal, journal->segments[i], &segment, fn, ctx, stats, why);
		unmap(&segment);
	}
	if (code == 0 && stats->records == 0 && stats->skipped > 0) {
		explain(why, "nothing in \"%s/journal\" can be read; to start anew, move it away",
			journal->dir);
		code = ERR_CORRUPT;
	}
	return code;
}

/* ---- writing ---- */

static int fail(struct journal *journal, const char *what, uint64_t number)
{
	int error = errno;
	char path[PATH_BYTES];

	segment_path(journal, number, path);
	snprintf(journal->error, sizeof(journal->error), "cannot %s \"%s\": %s", what, path,
		 strerror(error));
	return ERR_IO;
}

const char *journal_error(const struct journal *journal)
{
	return journal->error;
}

size_t journal_waiting(const struct journal *journal)
{
	return journal->buffer.len;
}

/* A segment is never appended to after a restart: its end may be torn. */
static int open_segment(struct journal *journal)
{
	char path[PATH_BYTES];

	segment_path(journal, journal->next_segment, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail(journal, "make", journal->next_segment);
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
	journal->dir_unsynced = true;
	return 0;
}

int journal_append(struct journal *journal, enum record_type type, struct slice payload)
{
	struct buf *buffer = &journal->buffer;

	if (payload.len > BLOCK_PAYLOAD_MAX)
		return ERR_LIMIT;
	/* At once: half a record would take all behind it along. */
	if (!buf_reserve(buffer, BLOCK_HEADER_BYTES + payload.len)) {
		buffer->failed = false;
		return ERR_NOMEM;
	}
	record_encode(type, payload, buffer);
	journal->stats.records++;
	journal->stats.bytes += BLOCK_HEADER_BYTES + payload.len;
	return journal->sync == JOURNAL_SYNC_EACH ? journal_commit(journal) : 0;
}

static int write_buffer(struct journal *journal)
{
	const struct buf *buffer = &journal->buffer;

	while (journal->written < buffer->len) {
		ssize_t n = write(journal->fd, buffer->ptr + journal->written,
				  buffer->len - journal->written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(journal, "write", journal->stats.segment);
		journal->written += (size_t)n;
		journal->stats.segment_bytes += n;
	}
	return 0;
}

/*
 * A sync that failed may have dropped what was written, and the next one will not say so: all that
 * it was for is still in the buffer, and is written anew.
 */
static int sync_segment(struct journal *journal)
{
	if (journal->sync == JOURNAL_SYNC_NONE)
		return 0;
	if (journal->dir_unsynced && fsync(journal->dir_fd))
		return fail(journal, "sync the directory of", journal->stats.segment);
	journal->dir_unsynced = false;
	if (fdatasync(journal->fd) == 0) {
		journal->stats.syncs++;
		return 0;
	}
	int code = fail(journal, "sync", journal->stats.segment);

	if (lseek(journal->fd, -(off_t)journal->written, SEEK_CUR) >= 0) {
		journal->stats.segment_bytes -= (int64_t)journal->written;
		journal->written = 0;
	}
	return code;
}

int journal_commit(struct journal *journal)
{
	struct buf *buffer = &journal->buffer;
	int code = 0;

	if (buffer->len == 0)
		return 0;
	if (journal->fd < 0)
		code = open_segment(journal);
	if (code == 0)
		code = write_buffer(journal);
	if (code == 0)
		code = sync_segment(journal);
	if (code) {
		journal->stats.errors++;
		return code;
	}
	if (buffer->cap > BUFFER_KEEP) {
		buf_fini(buffer);
		buf_init(buffer);
	}
	buf_clear(buffer);
	journal->written = 0;
	journal->stats.commits++;
	return 0;
}

/* ---- checkpoints ---- */

bool journal_wants_checkpoint(const struct journal *journal)
{
	return journal->checkpoint_at == SIZE_MAX &&
	       journal->stats.segment_bytes > JOURNAL_SEGMENT_MAX &&
	       journal->stats.segment_bytes > 2 * journal->state_bytes;
}

int journal_checkpoint_begin(struct journal *journal)
{
	int code = journal_commit(journal);

	if (code || (code = open_segment(journal)))
		return code;
	journal->checkpoint_at = journal->nsegments - 1;
	journal->checkpoint_ended = false;
	code = journal_append(journal, RECORD_CHECKPOINT_BEGIN, (struct slice){ 0 });
	if (code == 0 || code == ERR_IO)
		return 0; /* taken */
	journal->checkpoint_at = SIZE_MAX;
	return code;
}

int journal_checkpoint_end(struct journal *journal)
{
	assert(journal->checkpoint_at != SIZE_MAX);
	int code = journal->checkpoint_ended
			   ? 0
			   : journal_append(journal, RECORD_CHECKPOINT_END, (struct slice){ 0 });

	if (code && code != ERR_IO)
		return code;
	journal->checkpoint_ended = true;
	if ((code = journal_commit(journal)))
		return code;
	size_t needless = journal->checkpoint_at;

	for (size_t i = 0; i < needless; i++) {
		char path[PATH_BYTES];

		segment_path(journal, journal->segments[i], path);
		unlink(path);
	}
	memmove(journal->segments, journal->segments + needless,
		(journal->nsegments - needless) * sizeof(*journal->segments));
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
