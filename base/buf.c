#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_CAP_MIN 64

void buf_init(struct buf *buf)
{
	*buf = (struct buf){ 0 };
}

void buf_fini(struct buf *buf)
{
	free(buf->ptr);
	buf_init(buf);
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
	if (buf->ptr)
		buf->ptr[0] = '\0';
}

void buf_recycle(struct buf *buf, size_t spare)
{
	if (buf->failed || buf->cap > spare)
		buf_fini(buf);
	else
		buf_clear(buf);
}

void buf_drop(struct buf *buf, size_t n)
{
	assert(n <= buf->len);
	if (n == 0)
		return;
	buf->len -= n;
	memmove(buf->ptr, buf->ptr + n, buf->len);
	buf->ptr[buf->len] = '\0';
}

bool buf_ok(const struct buf *buf)
{
	return !buf->failed;
}

struct slice buf_slice(const struct buf *buf)
{
	return (struct slice){ buf->ptr, buf->len };
}

char *buf_take(struct buf *buf)
{
	char *text = buf->failed || !buf_reserve(buf, 0) ? NULL : buf->ptr;

	if (text)
		buf->ptr = NULL;
	buf_fini(buf);
	return text;
}

char *buf_reserve(struct buf *buf, size_t n)
{
	if (buf->failed)
		return NULL;
	if (n >= SIZE_MAX / 2 - buf->len) {
		buf->failed = true;
		return NULL;
	}
	size_t need = buf->len + n + 1; /* the NUL */

	if (need > buf->cap) {
		size_t cap = buf->cap * 2 > BUF_CAP_MIN ? buf->cap * 2 : BUF_CAP_MIN;

		if (cap < need)
			cap = need;
		char *ptr = realloc(buf->ptr, cap);

		if (!ptr) {
			buf->failed = true;
			return NULL;
		}
		if (!buf->ptr)
			ptr[0] = '\0';
		buf->ptr = ptr;
		buf->cap = cap;
	}
	return buf->ptr + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t n)
{
	char *at = n ? buf_reserve(buf, n) : NULL;

	if (!at)
		return;
	memcpy(at, bytes, n);
	at[n] = '\0';
	buf->len += n;
}

void buf_add_slice(struct buf *buf, struct slice text)
{
	buf_add(buf, text.ptr, text.len);
}

void buf_add_str(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(buf, format, args);
	va_end(args);
}

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	va_list again;
	char *at = buf_reserve(buf, BUF_CAP_MIN);

	if (!at)
		return;
	size_t room = buf->cap - buf->len;

	va_copy(again, args);
	int len = vsnprintf(at, room, format, args);

	if (len < 0)
		buf->failed = true;
	else if ((size_t)len >= room && (at = buf_reserve(buf, (size_t)len)))
		vsnprintf(at, (size_t)len + 1, format, again);
	va_end(again);
	if (buf->failed)
		buf->ptr[buf->len] = '\0';
	else
		buf->len += (size_t)len;
}

void buf_add_u32(struct buf *buf, uint32_t v)
{
	unsigned char bytes[4];

	for (int i = 0; i < 4; i++)
		bytes[i] = (unsigned char)(v >> 8 * i);
	buf_add(buf, bytes, sizeof(bytes));
}

void buf_add_u64(struct buf *buf, uint64_t v)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(v >> 8 * i);
	buf_add(buf, bytes, sizeof(bytes));
}

void buf_add_sized(struct buf *buf, struct slice bytes)
{
	if (bytes.len > UINT32_MAX) {
		buf->failed = true;
		return;
	}
	buf_add_u32(buf, (uint32_t)bytes.len);
	buf_add_slice(buf, bytes);
}

void reader_init(struct reader *reader, struct slice bytes)
{
	*reader = (struct reader){ .ptr = bytes.ptr, .len = bytes.len };
}

/* The next n bytes as little-endian number. */
static uint64_t read_number(struct reader *reader, size_t n)
{
	struct slice bytes = reader_bytes(reader, n);
	uint64_t v = 0;

	for (size_t i = bytes.len; i > 0; i--)
		v = v << 8 | (unsigned char)bytes.ptr[i - 1];
	return v;
}

uint8_t reader_u8(struct reader *reader)
{
	return (uint8_t)read_number(reader, 1);
}

uint32_t reader_u32(struct reader *reader)
{
	return (uint32_t)read_number(reader, 4);
}

uint64_t reader_u64(struct reader *reader)
{
	return read_number(reader, 8);
}

struct slice reader_bytes(struct reader *reader, size_t n)
{
	if (reader->failed || n > reader->len) {
		reader->failed = true;
		return (struct slice){ NULL, 0 };
	}
	struct slice bytes = { reader->ptr, n };

	if (n)
		reader->ptr += n;
	reader->len -= n;
	return bytes;
}

struct slice reader_sized(struct reader *reader)
{
	return reader_bytes(reader, reader_u32(reader));
}
