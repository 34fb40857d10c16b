#include "ingest/tail_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"

#define MARK_VERSION 1
#define KEY_PREFIX "file/"

int file_id_get(int fd, struct file_id *id, uint64_t *size, bool *is_regular)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return ERR_IO;
	*id = (struct file_id){ makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino, 0 };
	if (st.stx_mask & STATX_BTIME)
		id->birth_ns = st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec;
	if (size)
		*size = st.stx_size;
	if (is_regular)
		*is_regular = S_ISREG(st.stx_mode);
	return 0;
}

void file_id_key(struct file_id id, struct buf *out)
{
	buf_printf(out, KEY_PREFIX "%" PRIx64 "-%" PRIx64 "-%" PRIx64, id.device, id.inode,
		   (uint64_t)id.birth_ns);
}

static int key_parse(struct slice key, struct file_id *id)
{
	char text[80];
	uint64_t birth;
	int end = 0;

	if (key.len >= sizeof(text))
		return ERR_CORRUPT;
	memcpy(text, key.ptr, key.len);
	text[key.len] = '\0';
	if (sscanf(text, KEY_PREFIX "%" SCNx64 "-%" SCNx64 "-%" SCNx64 "%n", &id->device,
		   &id->inode, &birth, &end) != 3 ||
	    (size_t)end != key.len)
		return ERR_CORRUPT;
	id->birth_ns = (int64_t)birth;
	return 0;
}

void tail_mark_encode(const struct tail_mark *mark, struct slice path, struct buf *out)
{
	buf_add_u32(out, MARK_VERSION);
	buf_add_u32(out, mark->skipping);
	buf_add_u64(out, mark->offset);
	buf_add_u32(out, mark->head_len);
	buf_add_u32(out, mark->last_len);
	buf_add_u64(out, mark->head_hash);
	buf_add_u64(out, mark->last_hash);
	buf_add_sized(out, path);
}

int tail_mark_decode(struct slice key, struct slice payload, struct tail_mark *mark,
		     struct slice *path)
{
	struct reader reader;
	struct tail_mark m = { .offset = 0 };

	if (key_parse(key, &m.id))
		return ERR_CORRUPT;
	reader_init(&reader, payload);
	uint32_t version = reader_u32(&reader);

	m.skipping = reader_u32(&reader) == 1;
	m.offset = reader_u64(&reader);
	m.head_len = reader_u32(&reader);
	m.last_len = reader_u32(&reader);
	m.head_hash = reader_u64(&reader);
	m.last_hash = reader_u64(&reader);
	struct slice name = reader_sized(&reader);

	if (reader.failed || reader.len || version != MARK_VERSION || m.offset > INT64_MAX ||
	    m.head_len > TAIL_HEAD_MAX || m.last_len > TAIL_LAST_MAX || m.head_len > m.offset ||
	    m.last_len > m.offset || name.len == 0 || name.len >= TAIL_PATH_MAX ||
	    memchr(name.ptr, '\0', name.len))
		return ERR_CORRUPT;
	*mark = m;
	*path = name;
	return 0;
}

/* Exactly n bytes, or ERR_IO. */
static int read_at(int fd, char *to, size_t n, uint64_t offset)
{
	while (n > 0) {
		ssize_t got = pread(fd, to, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return ERR_IO;
		to += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

/* Of `len` bytes at `offset`. */
static int hash_at(int fd, uint64_t offset, size_t len, uint64_t *hash)
{
	char bytes[TAIL_HEAD_MAX];

	if (read_at(fd, bytes, len, offset))
		return ERR_IO;
	*hash = hash_checksum(bytes, len);
	return 0;
}

int tail_mark_take(int fd, struct tail_mark *mark)
{
	struct tail_mark m = *mark;

	m.head_len = (uint32_t)(m.offset < TAIL_HEAD_MAX ? m.offset : TAIL_HEAD_MAX);
	m.last_len = (uint32_t)(m.offset < TAIL_LAST_MAX ? m.offset : TAIL_LAST_MAX);
	if (hash_at(fd, 0, m.head_len, &m.head_hash) ||
	    hash_at(fd, m.offset - m.last_len, m.last_len, &m.last_hash))
		return ERR_IO;
	*mark = m;
	return 0;
}

bool tail_mark_last_holds(int fd, const struct tail_mark *mark)
{
	uint64_t last;

	return mark->last_len == 0 ||
	       (hash_at(fd, mark->offset - mark->last_len, mark->last_len, &last) == 0 &&
		last == mark->last_hash);
}

bool tail_mark_holds(int fd, const struct tail_mark *mark)
{
	uint64_t head;

	return (mark->head_len == 0 ||
		(hash_at(fd, 0, mark->head_len, &head) == 0 && head == mark->head_hash)) &&
	       tail_mark_last_holds(fd, mark);
}
