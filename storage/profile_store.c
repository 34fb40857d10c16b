#include "storage/profile_store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

#define MAGIC "tocsin profile 1\n"
#define MAGIC_FAMILY "tocsin profile " /* of other versions, too */
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define FIXED_LEN (MAGIC_LEN + 4 + 8) /* magic, length and checksum of the head */
#define NAME_LEN 24		      /* 16 digits and ".profile" */
#define PATH_SIZE 4096

struct item {
	struct profile_entry entry;
	uint64_t checksum; /* of the bytes */
	size_t head_len;   /* in the file, all before the bytes */
	char *bytes;	   /* in memory; NULL: in a file */
};

struct profile_store {
	char *dir;	     /* NULL: in memory */
	struct item **items; /* by end, the oldest first; of equal ends by id */
	size_t n, cap;
	uint64_t next_id;
	int64_t bytes_max, age_ms_max;
	struct profile_store_stats stats;
};

/* ---- items ---- */

static void item_free(struct item *item)
{
	if (!item)
		return;
	labels_unref(item->entry.labels);
	free((void *)(uintptr_t)item->entry.types.ptr);
	free((void *)(uintptr_t)item->entry.traces);
	free(item->bytes);
	free(item);
}

static struct item *item_new(const struct profile_entry *entry, size_t size)
{
	struct item *item = calloc(1, sizeof(*item));
	size_t traces_size = entry->ntraces * sizeof(*entry->traces);
	char *types = slice_dup(entry->types);
	struct profile_trace_id *traces = malloc(traces_size + 1);

	if (!item || !types || !traces) {
		free(item);
		free(types);
		free(traces);
		return NULL;
	}
	if (traces_size)
		memcpy(traces, entry->traces, traces_size);
	item->entry = *entry;
	item->entry.labels = labels_ref(entry->labels);
	item->entry.types.ptr = types;
	item->entry.traces = traces;
	item->entry.size = size;
	return item;
}

static bool item_is_before(const struct item *a, const struct item *b)
{
	return a->entry.end_ms < b->entry.end_ms ||
	       (a->entry.end_ms == b->entry.end_ms && a->entry.id < b->entry.id);
}

/* Profiles come nearly in order: the place is looked for from the end. */
static int item_insert(struct profile_store *store, struct item *item)
{
	size_t at = store->n;

	if (!ARRAY_RESERVE(&store->items, store->n, &store->cap))
		return ERR_NOMEM;
	while (at > 0 && item_is_before(item, store->items[at - 1]))
		at--;
	memmove(&store->items[at + 1], &store->items[at], (store->n - at) * sizeof(struct item *));
	store->items[at] = item;
	store->n++;
	store->stats.items++;
	store->stats.bytes += (int64_t)item->entry.size;
	return 0;
}

static bool path_of(const struct profile_store *store, uint64_t id, const char *end,
		    char path[PATH_SIZE])
{
	return snprintf(path, PATH_SIZE, "%s/%016llx.profile%s", store->dir, (unsigned long long)id,
			end) < PATH_SIZE;
}

/* Drops the first n. */
static void items_drop(struct profile_store *store, size_t n)
{
	char path[PATH_SIZE];

	for (size_t i = 0; i < n; i++) {
		struct item *item = store->items[i];

		if (store->dir && path_of(store, item->entry.id, "", path))
			unlink(path);
		store->stats.bytes -= (int64_t)item->entry.size;
		item_free(item);
	}
	if (n)
		memmove(store->items, store->items + n, (store->n - n) * sizeof(struct item *));
	store->n -= n;
	store->stats.items = store->n;
}

static struct item *item_find(const struct profile_store *store, uint64_t id)
{
	for (size_t i = store->n; i-- > 0;)
		if (store->items[i]->entry.id == id)
			return store->items[i];
	return NULL;
}

static void item_remove(struct profile_store *store, struct item *item)
{
	for (size_t i = 0; i < store->n; i++) {
		if (store->items[i] != item)
			continue;
		memmove(&store->items[1], &store->items[0], i * sizeof(struct item *));
		store->items[0] = item;
		items_drop(store, 1);
		return;
	}
}

/* Makes room for one more of that size. */
static void room_make(struct profile_store *store, size_t size)
{
	int64_t bytes = store->stats.bytes;
	size_t n = 0;

	while (n < store->n && (bytes + (int64_t)size > store->bytes_max ||
				store->n - n >= PROFILE_STORE_ITEMS_MAX))
		bytes -= (int64_t)store->items[n++]->entry.size;
	items_drop(store, n);
	store->stats.expired += n;
}

/* ---- files ---- */

static void head_write(const struct item *item, struct buf *out)
{
	const struct profile_entry *entry = &item->entry;
	struct buf head;

	buf_init(&head);
	buf_add_u64(&head, (uint64_t)entry->start_ms);
	buf_add_u64(&head, (uint64_t)entry->end_ms);
	buf_add_u64(&head, entry->size);
	buf_add_u64(&head, item->checksum);
	buf_add_sized(&head, entry->types);
	labels_encode(entry->labels, &head);
	buf_add_u32(&head, entry->ntraces);
	buf_add(&head, entry->traces, entry->ntraces * sizeof(*entry->traces));
	buf_add_str(out, MAGIC);
	buf_add_u32(out, (uint32_t)head.len);
	buf_add_u64(out, hash_checksum(head.ptr, head.len));
	buf_add_slice(out, buf_slice(&head));
	out->failed |= head.failed;
	buf_fini(&head);
}

static int head_read(struct slice head, uint64_t id, struct item **out)
{
	struct profile_entry entry = { .id = id };
	struct reader reader;
	struct labels *labels;

	reader_init(&reader, head);
	entry.start_ms = (int64_t)reader_u64(&reader);
	entry.end_ms = (int64_t)reader_u64(&reader);
	uint64_t size = reader_u64(&reader), checksum = reader_u64(&reader);

	entry.types = reader_sized(&reader);
	int code = labels_decode(&reader, &labels);

	if (code)
		return code;
	entry.labels = labels;
	entry.ntraces = reader_u32(&reader);
	code = entry.ntraces > PROFILE_STORE_TRACES_MAX ? ERR_CORRUPT : 0;
	if (code == 0) {
		entry.traces =
			(const void *)reader_bytes(&reader, entry.ntraces * sizeof(*entry.traces))
				.ptr;
		if (reader.failed || reader.len || size > PROFILE_STORE_BODY_MAX ||
		    entry.types.len > PROFILE_STORE_TYPES_MAX || !time_is_sane(entry.start_ms) ||
		    !time_is_sane(entry.end_ms))
			code = ERR_CORRUPT;
	}
	if (code == 0) {
		*out = item_new(&entry, (size_t)size);
		code = *out ? 0 : ERR_NOMEM;
	}
	labels_unref(labels);
	if (code)
		return code;
	(*out)->checksum = checksum;
	(*out)->head_len = FIXED_LEN + head.len;
	return 0;
}

static ssize_t read_all(int fd, char *to, size_t n, off_t at)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, to + done, n - done, at + (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? got : (ssize_t)done;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

/* The head of an open file. ERR_CORRUPT, ERR_UNSUPPORTED (another version), ERR_NOMEM. */
static int file_head(int fd, uint64_t id, struct item **out)
{
	struct reader reader;
	char fixed[FIXED_LEN];
	struct stat st;

	if (fstat(fd, &st) || read_all(fd, fixed, FIXED_LEN, 0) != FIXED_LEN)
		return ERR_CORRUPT;
	if (memcmp(fixed, MAGIC, MAGIC_LEN) != 0)
		return memcmp(fixed, MAGIC_FAMILY, sizeof(MAGIC_FAMILY) - 1) == 0 ? ERR_UNSUPPORTED
										  : ERR_CORRUPT;
	reader_init(&reader, (struct slice){ fixed + MAGIC_LEN, FIXED_LEN - MAGIC_LEN });
	uint32_t len = reader_u32(&reader);
	uint64_t checksum = reader_u64(&reader);

	if (len > PROFILE_STORE_HEAD_MAX)
		return ERR_CORRUPT;
	char *head = malloc(len + 1);

	if (!head)
		return ERR_NOMEM;
	int code = read_all(fd, head, len, FIXED_LEN) == (ssize_t)len &&
				   hash_checksum(head, len) == checksum
			   ? head_read((struct slice){ head, len }, id, out)
			   : ERR_CORRUPT;

	free(head);
	if (code == 0 && (size_t)st.st_size != (*out)->head_len + (*out)->entry.size) {
		item_free(*out);
		code = ERR_CORRUPT;
	}
	return code;
}

static int file_write(struct profile_store *store, struct item *item, struct slice bytes)
{
	char path[PATH_SIZE], new_path[PATH_SIZE];
	struct buf head;
	int code = ERR_IO;

	if (!path_of(store, item->entry.id, "", path) ||
	    !path_of(store, item->entry.id, ".new", new_path))
		return ERR_IO;
	buf_init(&head);
	head_write(item, &head);
	item->head_len = head.len;
	int fd =
		buf_ok(&head) ? open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (fd >= 0) {
		struct iovec parts[] = { { head.ptr, head.len },
					 { (void *)(uintptr_t)bytes.ptr, bytes.len } };
		bool written = writev(fd, parts, 2) == (ssize_t)(head.len + bytes.len);

		if (close(fd) == 0 && written && rename(new_path, path) == 0)
			code = 0;
		else
			unlink(new_path);
	}
	buf_fini(&head);
	return code;
}

/* ---- open and close ---- */

static int fail(char **why, const char *what, const char *path)
{
	if (asprintf(why, "cannot %s \"%s\": %s", what, path, strerror(errno)) < 0)
		*why = NULL;
	return ERR_IO;
}

static int file_load(struct profile_store *store, uint64_t id, const char *path)
{
	struct item *item;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0; /* whoever took it away meanwhile */
	int code = file_head(fd, id, &item);

	close(fd);
	if (id >= store->next_id)
		store->next_id = id + 1;
	if (code == ERR_CORRUPT) {
		store->stats.damaged++;
		unlink(path);
	} else if (code == ERR_UNSUPPORTED) {
		store->stats.foreign++;
	} else if (code == 0 && (code = item_insert(store, item))) {
		item_free(item);
	}
	return code == ERR_NOMEM ? code : 0;
}

static int dir_load(struct profile_store *store, char **why)
{
	struct dirent *found;
	DIR *dir = opendir(store->dir);
	int code = 0;

	if (!dir)
		return fail(why, "read", store->dir);
	while (code == 0 && (found = readdir(dir))) {
		size_t len = strlen(found->d_name);
		char path[PATH_SIZE], *end;

		if (snprintf(path, sizeof(path), "%s/%s", store->dir, found->d_name) >= PATH_SIZE)
			continue;
		uint64_t id = strtoull(found->d_name, &end, 16);

		if (end == found->d_name + 16 && strcmp(end, ".profile.new") == 0)
			unlink(path); /* was being written when we ended */
		else if (len == NAME_LEN && end == found->d_name + 16 &&
			 strcmp(end, ".profile") == 0)
			code = file_load(store, id, path);
	}
	closedir(dir);
	return code;
}

int profile_store_open(const char *dir, struct profile_store **out, char **why)
{
	struct profile_store *store = calloc(1, sizeof(*store));

	if (!store)
		return ERR_NOMEM;
	store->next_id = 1;
	store->bytes_max = INT64_MAX;
	store->age_ms_max = INT64_MAX;
	store->dir = dir ? strdup(dir) : NULL;
	int code = dir && !store->dir ? ERR_NOMEM : 0;

	if (code == 0 && dir && mkdir(dir, 0700) && errno != EEXIST)
		code = fail(why, "make", dir);
	if (code == 0 && dir)
		code = dir_load(store, why);
	if (code) {
		profile_store_close(store);
		return code;
	}
	*out = store;
	return 0;
}

void profile_store_close(struct profile_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->n; i++)
		item_free(store->items[i]);
	free(store->items);
	free(store->dir);
	free(store);
}

/* ---- what it is for ---- */

void profile_store_limit(struct profile_store *store, int64_t bytes_max, int64_t age_ms_max)
{
	store->bytes_max = bytes_max;
	store->age_ms_max = age_ms_max;
	room_make(store, 0);
}

int profile_store_add(struct profile_store *store, const struct profile_entry *entry,
		      struct slice bytes, uint64_t *id)
{
	assert(entry->ntraces <= PROFILE_STORE_TRACES_MAX);
	assert(entry->types.len <= PROFILE_STORE_TYPES_MAX);
	if ((int64_t)bytes.len > store->bytes_max || bytes.len > PROFILE_STORE_BODY_MAX ||
	    !time_is_sane(entry->start_ms) || !time_is_sane(entry->end_ms))
		return ERR_LIMIT;
	struct item *item = item_new(entry, bytes.len);

	if (!item)
		return ERR_NOMEM;
	item->entry.id = store->next_id++;
	item->checksum = hash_checksum(bytes.ptr, bytes.len);
	room_make(store, bytes.len);
	int code = 0;

	if (store->dir)
		code = file_write(store, item, bytes);
	else if (!(item->bytes = slice_dup(bytes)))
		code = ERR_NOMEM;
	if (code == 0)
		code = item_insert(store, item);
	if (code) {
		store->stats.failed++;
		item_free(item);
		return code;
	}
	store->stats.added++;
	*id = item->entry.id;
	return 0;
}

void profile_store_expire(struct profile_store *store, int64_t now_ms)
{
	size_t n = 0;

	while (n < store->n && store->items[n]->entry.end_ms < now_ms - store->age_ms_max)
		n++;
	items_drop(store, n);
	store->stats.expired += n;
}

/* The next of the types; false at the end. */
static bool type_next(struct slice *rest, struct slice *type)
{
	ptrdiff_t comma = slice_find(*rest, ',');
	size_t len = comma < 0 ? rest->len : (size_t)comma;

	if (rest->len == 0)
		return false;
	*type = (struct slice){ rest->ptr, len };
	len += comma >= 0;
	*rest = (struct slice){ rest->ptr + len, rest->len - len };
	return true;
}

static bool has_type(const struct profile_entry *entry, struct slice wanted)
{
	struct slice rest = entry->types, type;

	while (type_next(&rest, &type))
		if (slice_is_equal(type, wanted))
			return true;
	return false;
}

static bool type_is_match(const struct profile_entry *entry, const struct matcher *matcher)
{
	struct slice rest = entry->types, type;

	while (type_next(&rest, &type))
		if (matcher_is_match(matcher, type))
			return true;
	return false;
}

static bool labels_are_match(const struct profile_entry *entry, const struct profile_query *query)
{
	for (size_t i = 0; i < query->nmatchers; i++) {
		const struct matcher *matcher = &query->matchers[i];
		struct slice name = matcher_name(matcher);

		if (slice_is(name, "profile_type")
			    ? !type_is_match(entry, matcher)
			    : !matcher_is_match(matcher, labels_get(entry->labels, name)))
			return false;
	}
	return true;
}

static bool has_trace(const struct profile_entry *entry, const struct profile_trace_id *trace)
{
	for (uint32_t i = 0; i < entry->ntraces; i++)
		if (memcmp(&entry->traces[i], trace, sizeof(*trace)) == 0)
			return true;
	return false;
}

static bool is_match(const struct profile_entry *entry, const struct profile_query *query)
{
	return entry->end_ms >= query->start_ms && entry->end_ms <= query->end_ms &&
	       (query->type.len == 0 || has_type(entry, query->type)) &&
	       (!query->trace || has_trace(entry, query->trace)) && labels_are_match(entry, query);
}

void profile_store_find(const struct profile_store *store, const struct profile_query *query,
			bool (*fn)(void *ctx, const struct profile_entry *entry), void *ctx)
{
	for (size_t i = store->n; i-- > 0 && store->items[i]->entry.end_ms >= query->start_ms;)
		if (is_match(&store->items[i]->entry, query) && !fn(ctx, &store->items[i]->entry))
			return;
}

const struct profile_entry *profile_store_get(const struct profile_store *store, uint64_t id)
{
	const struct item *item = item_find(store, id);

	return item ? &item->entry : NULL;
}

static int file_read(const struct profile_store *store, const struct item *item, char *to)
{
	char path[PATH_SIZE];
	int fd = path_of(store, item->entry.id, "", path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return errno == ENOENT ? ERR_CORRUPT : ERR_IO;
	ssize_t got = read_all(fd, to, item->entry.size, (off_t)item->head_len);

	close(fd);
	return got < 0 ? ERR_IO : (size_t)got == item->entry.size ? 0 : ERR_CORRUPT;
}

int profile_store_read(struct profile_store *store, uint64_t id, struct buf *out)
{
	struct item *item = item_find(store, id);
	int code = 0;

	if (!item)
		return ERR_NOT_FOUND;
	char *to = buf_reserve(out, item->entry.size + 1);

	if (!to)
		return ERR_NOMEM;
	if (item->bytes)
		memcpy(to, item->bytes, item->entry.size);
	else
		code = file_read(store, item, to);
	if (code == 0 && hash_checksum(to, item->entry.size) != item->checksum)
		code = ERR_CORRUPT;
	if (code == 0) {
		out->len += item->entry.size;
		out->ptr[out->len] = '\0';
	} else if (code == ERR_CORRUPT) {
		store->stats.damaged++;
		item_remove(store, item);
	}
	return code;
}

const struct profile_store_stats *profile_store_stats(const struct profile_store *store)
{
	return &store->stats;
}

void profile_store_check(const struct profile_store *store)
{
	int64_t bytes = 0;

	assert(store->n == store->stats.items && store->n <= PROFILE_STORE_ITEMS_MAX);
	for (size_t i = 0; i < store->n; i++) {
		const struct item *item = store->items[i];

		assert(i == 0 || item_is_before(store->items[i - 1], item));
		assert(item->entry.id < store->next_id);
		assert(!store->dir == !!item->bytes);
		labels_check(item->entry.labels);
		bytes += (int64_t)item->entry.size;
	}
	assert(bytes == store->stats.bytes && bytes <= store->bytes_max);
}
