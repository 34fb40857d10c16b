/*
 * What becomes of a file that is followed when it is rotated: what bears its name, what is a copy
 * of it, and what happened while nobody looked. tail.h says what may be expected.
 */
#include "ingest/tail_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* ---- names ---- */

size_t tail_rotated_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(path), at = len;
	bool digit = false;

	while (path + at > name + 1 &&
	       (strchr("-._", path[at - 1]) || (path[at - 1] >= '0' && path[at - 1] <= '9'))) {
		at--;
		digit |= path[at] >= '0' && path[at] <= '9';
	}
	/* Digits that belong to the name itself: the number begins with a separator. */
	while (at < len && !strchr("-._", path[at]))
		at++;
	return digit && at < len ? at : 0;
}

bool tail_name_is_compressed(const char *path)
{
	static const char *const suffixes[] = {
		".gz", ".bz2", ".xz", ".zst", ".zip", ".Z", ".lz4"
	};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (slice_has_suffix(slice_from(path), slice_from(suffixes[i])))
			return true;
	return false;
}

static bool is_matched(const struct tail *tail, const char *path)
{
	for (size_t i = 0; i < tail->options.nglobs; i++)
		if (fnmatch(tail->options.globs[i], path, FNM_PATHNAME | FNM_PERIOD) == 0)
			return true;
	return false;
}

/* app.log.1 where app.log is one of ours. */
bool tail_is_rotated(const struct tail *tail, const char *path)
{
	size_t len = tail_rotated_name(path);
	char base[TAIL_PATH_MAX];
	struct stat st;

	if (len == 0 || len >= sizeof(base))
		return false;
	memcpy(base, path, len);
	base[len] = '\0';
	return is_matched(tail, base) && stat(base, &st) == 0;
}

/* ---- rotated files and copies ---- */

/*
 * A file of path's directory that `is_it`, opened to go on from the mark; NULL: none. inode 0: any.
 */
static struct tail_file *
sibling_find(struct tail *tail, const char *path, const struct tail_mark *mark, uint64_t inode,
	     bool (*is_it)(const struct tail_file *file, const struct tail_mark *mark))
{
	struct slice dir = tail_dir_of(path);
	char *name = slice_dup(dir), full[TAIL_PATH_MAX];
	DIR *entries = name ? opendir(name) : NULL;
	struct tail_file *found = NULL;
	struct dirent *entry;

	for (int i = 0; entries && !found && i < TAIL_SIBLINGS_MAX && (entry = readdir(entries));
	     i++) {
		struct stat st;

		if (entry->d_name[0] == '.' || (inode && entry->d_ino != inode) ||
		    (size_t)snprintf(full, sizeof(full), "%s/%s", name, entry->d_name) >=
			    sizeof(full) ||
		    stat(full, &st) < 0 || !S_ISREG(st.st_mode) ||
		    (uint64_t)st.st_size < mark->offset ||
		    tail_file_open(full, tail->options.labels, &found))
			continue;
		if (tail_file_find(tail, found->mark.id) || !is_it(found, mark)) {
			tail_file_free(found);
			found = NULL;
		}
	}
	if (entries)
		closedir(entries);
	if (found) { /* again, with the labels of the one it was */
		struct tail_file *file = tail_open(tail, full, path);

		tail_file_free(found);
		found = file;
	}
	free(name);
	if (found) {
		struct file_id id = found->mark.id;

		found->mark = *mark;
		found->mark.id = id;
		found->leaving = true;
	}
	return found;
}

/* Reads one more file from its beginning, which stood under the path for a while. */
static void later_add(struct tail *tail, const char *full, const char *path, int64_t birth_ns)
{
	struct tail_file *file = tail_open(tail, full, path);
	struct tail_mark mark;

	if (!file)
		return;
	if (file->mark.id.birth_ns <= birth_ns || tail_file_find(tail, file->mark.id) ||
	    tail_position_find(tail, file->mark.id, &mark)) {
		tail_file_free(file);
		return;
	}
	file->leaving = true;
	tail_file_add(tail, file);
	tail_file_mark(file, &tail->options.door);
}

/*
 * Files that came under the path and were rotated away again while nobody looked: those that bear
 * its name with a number behind it, are younger than the last one that is known, and unknown.
 */
static void later_find(struct tail *tail, const char *path, int64_t birth_ns)
{
	char *name = slice_dup(tail_dir_of(path)), full[TAIL_PATH_MAX];
	DIR *entries = name && birth_ns ? opendir(name) : NULL;
	struct dirent *entry;

	for (int i = 0; entries && i < TAIL_SIBLINGS_MAX && (entry = readdir(entries)); i++)
		if ((size_t)snprintf(full, sizeof(full), "%s/%s", name, entry->d_name) <
			    sizeof(full) &&
		    tail_rotated_name(full) == strlen(path) &&
		    strncmp(full, path, strlen(path)) == 0 && !tail_name_is_compressed(full))
			later_add(tail, full, path, birth_ns);
	if (entries)
		closedir(entries);
	free(name);
}

static bool is_copy(const struct tail_file *file, const struct tail_mark *mark)
{
	return mark->head_len > 0 && tail_mark_holds(file->fd, mark);
}

static bool is_same(const struct tail_file *file, const struct tail_mark *mark)
{
	return file_id_is_equal(file->mark.id, mark->id) && tail_mark_holds(file->fd, mark);
}

/* The file does not hold what was read: it begins anew, and its rest is looked for. */
void tail_truncated(struct tail *tail, struct tail_file *file)
{
	struct tail_mark before = file->mark;
	struct tail_file *copy = sibling_find(tail, file->path, &before, 0, is_copy);

	log_count(&tail->options.counters->rotations, 1);
	tail_file_rewind(file);
	if (copy) {
		tail_file_add(tail, copy);
		tail_file_mark(copy, &tail->options.door);
		later_find(tail, file->path, copy->mark.id.birth_ns);
	}
	tail_file_mark(file, &tail->options.door);
	log_info("logs", "a file was truncated", "file=%s offset=%llu copy=%s",
		 log_quote(slice_from(file->path)), (unsigned long long)before.offset,
		 copy ? "found" : "none");
}

/* A position of a file that was under our patterns: false for all others. */
static bool position_at(const struct tail *tail, size_t i, struct tail_mark *mark,
			char path[TAIL_PATH_MAX])
{
	const struct tail_position *position = &tail->options.positions->items[i];
	struct slice name;

	if (tail_mark_decode(slice_from(position->key), position->payload, mark, &name))
		return false;
	memcpy(path, name.ptr, name.len);
	path[name.len] = '\0';
	return is_matched(tail, path);
}

/* Is what stands under the path now a file that we know? */
static bool is_known(const struct tail *tail, const char *path)
{
	struct tail_mark mark;
	struct file_id id;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool known = fd >= 0 && file_id_get(fd, &id, NULL, NULL) == 0 &&
		     tail_position_find(tail, id, &mark);

	if (fd >= 0)
		close(fd);
	return known;
}

/* Without memory it is left out. */
static void origin_note(struct origins *origins, const char *path, struct file_id id)
{
	size_t i = 0;

	while (i < origins->n && strcmp(origins->items[i].path, path) != 0)
		i++;
	if (i == origins->n) {
		struct origin *items = reallocarray(origins->items, i + 1, sizeof(*items));
		char *copy = items ? strdup(path) : NULL;

		origins->items = items ? items : origins->items;
		if (!copy)
			return;
		items[origins->n++] = (struct origin){ copy, id };
	}
	if (id.birth_ns > origins->items[i].id.birth_ns)
		origins->items[i].id = id;
}

/*
 * Of the paths where an unknown file stands now, or none: then others may have stood there since.
 * Where the same file still stands, copies were made of it, if anything.
 */
struct origins tail_origins_take(const struct tail *tail)
{
	struct origins origins = { NULL, 0 };
	struct tail_mark mark;
	char path[TAIL_PATH_MAX];

	for (size_t i = 0; i < tail->options.positions->n; i++)
		if (position_at(tail, i, &mark, path) && !is_known(tail, path))
			origin_note(&origins, path, mark.id);
	return origins;
}

void tail_origins_follow(struct tail *tail, struct origins *origins)
{
	for (size_t i = 0; i < origins->n; i++) {
		later_find(tail, origins->items[i].path, origins->items[i].id.birth_ns);
		free(origins->items[i].path);
	}
	free(origins->items);
}

/*
 * Files that were ours and are under no pattern now: what of them was not read, because they were
 * rotated while nobody looked. Those that are gone are forgotten.
 */
void tail_recover(struct tail *tail)
{
	struct tail_mark mark;
	char path[TAIL_PATH_MAX];

	tail->recovered_ms = tail->scanned_ms;
	for (size_t i = tail->options.positions->n; i-- > 0;) {
		if (i >= tail->options.positions->n || !position_at(tail, i, &mark, path) ||
		    tail_file_find(tail, mark.id))
			continue;
		struct tail_file *file = sibling_find(tail, path, &mark, mark.id.inode, is_same);

		if (file)
			tail_file_add(tail, file);
		else
			tail_position_forget(tail, mark.id);
	}
}
