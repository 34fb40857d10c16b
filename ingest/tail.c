#include "ingest/tail_internal.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define GLOB_KEY "glob/"
#define WATCH_EVENTS                                                                               \
	(IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR)
#define WATCHES_MAX 1000 /* directories; what is in others is seen once a second */

static int64_t now_ms(void)
{
	return clock_monotonic_us() / 1000;
}

/* ---- messages: each once ---- */

static void tell(struct tail *tail, const char *path, int error)
{
	size_t i = 0;

	while (i < tail->ntold && strcmp(tail->told[i].path, path) != 0)
		i++;
	if (i < tail->ntold && tail->told[i].error == error)
		return;
	if (i == TAIL_TOLD_MAX) {
		if (!tail->hushed)
			log_warn("logs", "more files cannot be followed than are told one by one",
				 "source=%s limit=%d file=%s",
				 log_quote(slice_from(tail->options.name)), TAIL_TOLD_MAX,
				 log_quote(slice_from(path)));
		tail->hushed = true;
		return;
	}
	if (i == tail->ntold) {
		char *copy = strdup(path);

		if (!copy)
			return;
		tail->told[tail->ntold++].path = copy;
	}
	tail->told[i].error = error;
	log_warn("logs", "cannot follow a file", "source=%s file=%s error=%s",
		 log_quote(slice_from(tail->options.name)), log_quote(slice_from(path)),
		 log_quote(slice_from(strerror(error))));
}

static void untell(struct tail *tail, const char *path)
{
	for (size_t i = 0; i < tail->ntold; i++)
		if (strcmp(tail->told[i].path, path) == 0) {
			free(tail->told[i].path);
			tail->told[i] = tail->told[--tail->ntold];
			return;
		}
}

/* Makes room when there is none: files that are gone by now need not be remembered. */
static void told_forget_gone(struct tail *tail)
{
	struct stat st;

	if (tail->ntold < TAIL_TOLD_MAX)
		return;
	for (size_t i = TAIL_TOLD_MAX; i-- > 0;)
		if (lstat(tail->told[i].path, &st) < 0 && errno == ENOENT)
			untell(tail, tail->told[i].path);
	tail->hushed = tail->hushed && tail->ntold == TAIL_TOLD_MAX;
}

/* ---- directories ---- */

struct slice tail_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return SLICE(".");
	return (struct slice){ path, slash == path ? 1 : (size_t)(slash - path) };
}

static void dir_watch(struct tail *tail, struct slice path)
{
	for (size_t i = 0; i < tail->ndirs; i++)
		if (slice_is(path, tail->dirs[i].path))
			return;
	if (tail->inotify < 0 || tail->ndirs == WATCHES_MAX)
		return;
	char *copy = slice_dup(path);
	int watch = copy ? inotify_add_watch(tail->inotify, copy, WATCH_EVENTS) : -1;

	if (watch < 0) {
		free(copy); /* not there yet, or not ours to look into: the next scan tries again */
		return;
	}
	tail->dirs[tail->ndirs++] = (struct tail_dir){ watch, copy };
	tail->scan_due = true; /* what came before the watch did */
}

static struct tail_dir *dir_find(struct tail *tail, int watch)
{
	for (size_t i = 0; i < tail->ndirs; i++)
		if (tail->dirs[i].watch == watch)
			return &tail->dirs[i];
	return NULL;
}

static void dirs_watch_patterns(struct tail *tail)
{
	for (size_t i = 0; i < tail->options.nglobs; i++) {
		struct slice dir = tail_dir_of(tail->options.globs[i]);

		if (!memchr(dir.ptr, '*', dir.len) && !memchr(dir.ptr, '?', dir.len) &&
		    !memchr(dir.ptr, '[', dir.len))
			dir_watch(tail, dir);
	}
}

/* ---- files ---- */

struct tail_file *tail_file_find(struct tail *tail, struct file_id id)
{
	for (struct tail_file *file = tail->files; file; file = file->next)
		if (file_id_is_equal(file->mark.id, id))
			return file;
	return NULL;
}

/* Older lines first: what was rotated away before what is new. */
void tail_file_add(struct tail *tail, struct tail_file *file)
{
	struct tail_file **link = &tail->files;

	while (!file->leaving && *link)
		link = &(*link)->next;
	file->next = *link;
	*link = file;
	file->seen = true;
	file->grown_ms = now_ms();
	tail->nfiles++;
}

static void file_remove(struct tail *tail, struct tail_file *file)
{
	struct tail_file **link = &tail->files;

	while (*link != file)
		link = &(*link)->next;
	*link = file->next;
	tail->nfiles--;
	tail_file_free(file);
}

void tail_position_forget(struct tail *tail, struct file_id id)
{
	struct buf key;

	buf_init(&key);
	file_id_key(id, &key);
	if (buf_ok(&key))
		tail->options.door.position(tail->options.door.ctx, buf_slice(&key), SLICE(""));
	buf_fini(&key);
}

bool tail_position_find(const struct tail *tail, struct file_id id, struct tail_mark *mark)
{
	struct slice path, payload;
	struct buf key;
	bool there = false;

	buf_init(&key);
	file_id_key(id, &key);
	if (buf_ok(&key)) {
		payload = tail_positions_find(tail->options.positions, buf_slice(&key));
		there = payload.len && tail_mark_decode(buf_slice(&key), payload, mark, &path) == 0;
	}
	buf_fini(&key);
	return there;
}

/* Was the pattern there before, so that what it matches and is not known must be new? */
static bool pattern_is_known(const struct tail *tail, const char *pattern)
{
	struct buf key;
	bool known = false;

	buf_init(&key);
	buf_printf(&key, GLOB_KEY "%s", pattern);
	if (buf_ok(&key))
		known = tail_positions_find(tail->options.positions, buf_slice(&key)).len > 0;
	buf_fini(&key);
	return known;
}

static void pattern_learn(struct tail *tail, const char *pattern)
{
	struct buf key;

	buf_init(&key);
	buf_printf(&key, GLOB_KEY "%s", pattern);
	if (buf_ok(&key))
		tail->options.door.position(tail->options.door.ctx, buf_slice(&key), SLICE("1"));
	buf_fini(&key);
}

/* The source's labels and the path. What is no UTF-8 is no label: then without. */
static struct labels *labels_of(const struct tail *tail, const char *path)
{
	struct labels_builder builder;
	struct labels *labels = NULL;

	labels_builder_init(&builder);
	labels_builder_add_all(&builder, tail->options.labels);
	if (labels_get(tail->options.labels, SLICE("filename")).len == 0)
		labels_builder_set(&builder, SLICE("filename"), slice_from(path));
	if (labels_builder_take(&builder, &labels, NULL))
		labels = labels_ref(tail->options.labels);
	labels_builder_fini(&builder);
	return labels;
}

/* NULL: told why not. */
struct tail_file *tail_open(struct tail *tail, const char *path, const char *named)
{
	struct tail_file *file = NULL;
	struct labels *labels = labels_of(tail, named);
	int code = tail_file_open(path, labels, &file);

	labels_unref(labels);
	if (code == ERR_IO && errno != ENOENT)
		tell(tail, path, errno);
	if (code)
		return NULL;
	untell(tail, path);
	if (strcmp(path, named) != 0) {
		char *name = strdup(named);

		if (name) {
			free(file->path);
			file->path = name;
		}
	}
	return file;
}

/* ---- what the patterns match ---- */

/* Where reading begins. */
static void place(struct tail *tail, struct tail_file *file, bool pattern_known)
{
	struct tail_mark mark;

	if (tail_position_find(tail, file->mark.id, &mark)) {
		struct tail_mark fresh = file->mark;

		file->mark = mark;
		if (mark.offset <= file->size && tail_mark_holds(file->fd, &mark))
			return;
		file->mark.id = fresh.id;
		tail_truncated(tail, file);
		return;
	}
	if (!pattern_known && tail_file_skip_all(file))
		tell(tail, file->path, errno);
	tail_file_mark(file, &tail->options.door);
}

static void match(struct tail *tail, const char *path, bool pattern_known)
{
	struct tail_file *file;
	struct file_id id;
	struct stat st;

	if (tail_name_is_compressed(path) || tail_is_rotated(tail, path))
		return;
	if (stat(path, &st) < 0) {
		if (errno != ENOENT)
			tell(tail, path, errno);
		return;
	}
	if (!S_ISREG(st.st_mode))
		return;
	for (file = tail->files; file; file = file->next)
		if (file->mark.id.inode == st.st_ino && file->mark.id.device == st.st_dev &&
		    !file->leaving) {
			file->seen = true;
			return;
		}
	if (tail->nfiles == TAIL_FILES_MAX) {
		if (!tail->crowded)
			log_warn("logs", "too many files to follow", "source=%s limit=%d file=%s",
				 log_quote(slice_from(tail->options.name)), TAIL_FILES_MAX,
				 log_quote(slice_from(path)));
		tail->crowded = true;
		return;
	}
	if (!(file = tail_open(tail, path, path)))
		return;
	id = file->mark.id;
	struct tail_file *same = tail_file_find(tail, id);

	if (same) { /* it is back under a name of ours */
		tail_file_free(file);
		same->seen = true;
		same->leaving = false;
		return;
	}
	tail_file_add(tail, file);
	dir_watch(tail, tail_dir_of(path));
	place(tail, file, pattern_known);
}

static void scan(struct tail *tail)
{
	bool is_first = tail->scanned_ms < 0;
	struct origins origins = is_first ? tail_origins_take(tail) : (struct origins){ NULL, 0 };

	tail->scan_due = false;
	tail->scanned_ms = now_ms();
	for (struct tail_file *file = tail->files; file; file = file->next)
		file->seen = false;
	told_forget_gone(tail);
	dirs_watch_patterns(tail);
	for (size_t i = 0; i < tail->options.nglobs; i++) {
		const char *pattern = tail->options.globs[i];
		bool known = pattern_is_known(tail, pattern);
		glob_t found;

		if (glob(pattern, 0, NULL, &found) == 0) {
			for (size_t k = 0; k < found.gl_pathc; k++)
				match(tail, found.gl_pathv[k], known);
			globfree(&found);
		}
		if (!known)
			pattern_learn(tail, pattern);
	}
	for (struct tail_file *file = tail->files; file; file = file->next) {
		if (file->seen || file->leaving)
			continue;
		file->leaving = true;
		file->dirty = true;
		file->grown_ms = now_ms();
		log_count(&tail->options.counters->rotations, 1);
	}
	if (tail->scanned_ms - tail->recovered_ms >= TAIL_RECOVER_MS)
		tail_recover(tail);
	tail_origins_follow(tail, &origins);
}

/* ---- turns ---- */

/* A file that nobody will write to any more. True: it is gone. */
static bool leave(struct tail *tail, struct tail_file *file)
{
	const struct tail_options *options = &tail->options;
	int64_t idle_ms = now_ms() - file->grown_ms;
	struct stat st;
	bool unlinked = fstat(file->fd, &st) == 0 && st.st_nlink == 0;

	if (idle_ms < (unlinked ? TAIL_UNLINKED_MS : TAIL_LEAVING_MS))
		return false;
	if (!tail_file_finish(file, tail->buffer, options->now_ns(), &options->door,
			      options->counters))
		return false;
	if (unlinked)
		tail_position_forget(tail, file->mark.id);
	else
		tail_file_mark(file, &options->door);
	file_remove(tail, file);
	return true;
}

/* True: there is more to be done at once. *full: the door took no more. */
static bool file_turn(struct tail *tail, struct tail_file *file, bool *full)
{
	const struct tail_options *options = &tail->options;
	uint64_t behind = file->size;
	bool took;
	enum tail_turn turn = tail_file_turn(file, tail->buffer, options->now_ns(), &options->door,
					     options->counters, &took);

	if (took)
		tail_file_mark(file, &options->door);
	if (took || file->size != behind)
		file->grown_ms = now_ms();
	switch (turn) {
	case TAIL_MORE:
		return true;
	case TAIL_FULL:
		*full = true;
		return true;
	case TAIL_TRUNCATED:
		if (file->leaving) { /* somebody empties what was rotated away */
			tail_position_forget(tail, file->mark.id);
			file_remove(tail, file);
			return false;
		}
		tail_truncated(tail, file);
		return true;
	case TAIL_ERROR:
		tell(tail, file->path, errno);
		break;
	case TAIL_END:
		break;
	}
	file->dirty = false;
	if (file->leaving) {
		leave(tail, file);
		return false;
	}
	if (file->scanned > 0 && now_ms() - file->grown_ms >= TAIL_PARTIAL_MS &&
	    tail_file_finish(file, tail->buffer, options->now_ns(), &options->door,
			     options->counters)) {
		file->mark.skipping = false;
		tail_file_mark(file, &options->door);
	}
	return false;
}

static void status_tell(const struct tail *tail)
{
	struct log_counters *counters = tail->options.counters;
	uint64_t behind = 0;

	for (const struct tail_file *file = tail->files; file; file = file->next)
		if (file->size > file->mark.offset)
			behind += file->size - file->mark.offset;
	atomic_store_explicit(&counters->files, tail->nfiles, memory_order_relaxed);
	atomic_store_explicit(&counters->behind, behind, memory_order_relaxed);
}

static void poll_all(struct tail *tail)
{
	tail->polled_ms = now_ms();
	tail->scan_due = true;
	for (struct tail_file *file = tail->files; file; file = file->next)
		file->dirty = true;
}

/* The next turn begins with this file; those before it come last. */
static void files_rotate(struct tail *tail, struct tail_file *first)
{
	struct tail_file **link = &tail->files, **end;

	while (*link && *link != first)
		link = &(*link)->next;
	if (!*link || *link == tail->files)
		return;
	for (end = link; *end;)
		end = &(*end)->next;
	*end = tail->files;
	tail->files = first;
	*link = NULL;
}

static void on_turn(void *ctx)
{
	struct tail *tail = ctx;
	const struct log_door *door = &tail->options.door;
	struct tail_file *file, *next;
	bool more = false, full = false;

	if (!door->is_open(door->ctx))
		return; /* tail_resume() */
	if (now_ms() - tail->polled_ms >= TAIL_POLL_MS)
		poll_all(tail);
	if (tail->scan_due && now_ms() - tail->scanned_ms >= TAIL_SCAN_GAP_MS)
		scan(tail);
	int64_t until_ms = now_ms() + TAIL_TURN_MS_MAX;

	for (file = tail->files; file && !full && door->is_open(door->ctx); file = next) {
		next = file->next;
		if (file->dirty)
			more |= file_turn(tail, file, &full);
		if (next && now_ms() >= until_ms) {
			files_rotate(tail, next);
			more = true;
			break;
		}
	}
	door->flush(door->ctx);
	status_tell(tail);
	loop_timer_set(tail->timer, more ? 0 : tail->scan_due ? TAIL_SCAN_GAP_MS : TAIL_POLL_MS);
}

void tail_resume(struct tail *tail)
{
	loop_timer_set(tail->timer, 0);
}

/* ---- inotify ---- */

static void on_modified(struct tail *tail, const struct tail_dir *dir, const char *name)
{
	size_t len = strlen(dir->path);
	bool known = false;

	for (struct tail_file *file = tail->files; file; file = file->next) {
		bool is_it = strncmp(file->path, dir->path, len) == 0 &&
			     strcmp(file->path + len + (file->path[len] == '/'), name) == 0;

		file->dirty |= is_it;
		known |= is_it && !file->leaving;
	}
	for (struct tail_file *file = tail->files; file && !known; file = file->next)
		file->dirty |= file->leaving; /* under another name now */
}

static void on_event(struct tail *tail, const struct inotify_event *event)
{
	struct tail_dir *dir = dir_find(tail, event->wd);

	if (event->mask & IN_Q_OVERFLOW) {
		poll_all(tail);
		return;
	}
	if (event->mask & IN_IGNORED) {
		if (dir) {
			free(dir->path);
			*dir = tail->dirs[--tail->ndirs];
		}
		return;
	}
	if (!dir)
		return;
	if (event->mask & IN_MODIFY) {
		on_modified(tail, dir, event->len ? event->name : "");
		return;
	}
	tail->scan_due = true;
	for (struct tail_file *file = tail->files; file; file = file->next)
		file->dirty = true;
}

static void on_inotify(void *ctx, int what)
{
	struct tail *tail = ctx;
	_Alignas(struct inotify_event) char events[16 * 1024];
	ssize_t n = read(tail->inotify, events, sizeof(events));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const struct inotify_event *)(events + at);

		on_event(tail, event);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	loop_timer_set(tail->timer, 0);
}

static void inotify_start(struct tail *tail)
{
	tail->inotify = tail->options.polling ? -1 : inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (tail->inotify >= 0)
		tail->watch = loop_fd_new(tail->options.loop, tail->inotify, on_inotify, tail);
	if (tail->watch) {
		loop_fd_set(tail->watch, LOOP_READ);
		return;
	}
	if (!tail->options.polling)
		log_warn("logs", "no inotify: files are looked at once a second",
			 "source=%s error=%s", log_quote(slice_from(tail->options.name)),
			 log_quote(slice_from(strerror(errno))));
	if (tail->inotify >= 0)
		close(tail->inotify);
	tail->inotify = -1;
}

int tail_new(const struct tail_options *options, struct tail **out)
{
	struct tail *tail = calloc(1, sizeof(*tail));

	if (!tail)
		return ERR_NOMEM;
	tail->options = *options;
	tail->inotify = -1;
	tail->scan_due = true;
	tail->scanned_ms = tail->polled_ms = tail->recovered_ms = INT64_MIN / 2;
	tail->buffer = malloc(TAIL_READ_BYTES);
	tail->dirs = calloc(WATCHES_MAX, sizeof(*tail->dirs));
	tail->timer = loop_timer_new(options->loop, on_turn, tail);
	if (!tail->buffer || !tail->dirs || !tail->timer) {
		tail_free(tail);
		return ERR_NOMEM;
	}
	inotify_start(tail);
	loop_timer_set(tail->timer, 0);
	*out = tail;
	return 0;
}

void tail_free(struct tail *tail)
{
	if (!tail)
		return;
	while (tail->files)
		file_remove(tail, tail->files);
	status_tell(tail);
	loop_fd_free(tail->watch);
	if (tail->inotify >= 0)
		close(tail->inotify);
	loop_timer_free(tail->timer);
	for (size_t i = 0; tail->dirs && i < tail->ndirs; i++)
		free(tail->dirs[i].path);
	for (size_t i = 0; i < tail->ntold; i++)
		free(tail->told[i].path);
	free(tail->dirs);
	free(tail->buffer);
	free(tail);
}
