/*
 * A growing byte buffer. A failed allocation is remembered: later appends do nothing, and buf_ok()
 * tells at the end, so that formatting code needs no check at each step.
 */
#ifndef TOCSIN_BASE_BUF_H
#define TOCSIN_BASE_BUF_H

#include <stdarg.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
	char *ptr; /* NUL-terminated whenever not NULL */
	size_t len;
	size_t cap;
	bool failed;
};

void buf_init(struct buf *buf);
void buf_fini(struct buf *buf);
/* Empties, keeps the memory. */
void buf_clear(struct buf *buf);
/* Empties it for the next use, and keeps the memory only if there is no more than `spare`. */
void buf_recycle(struct buf *buf, size_t spare);
/* Takes away the first n bytes, at most all. */
void buf_drop(struct buf *buf, size_t n);
bool buf_ok(const struct buf *buf);
struct slice buf_slice(const struct buf *buf);
/*
 * Takes the bytes out as a NUL-terminated string to free(); the buffer is empty after. NULL if
 * failed.
 */
char *buf_take(struct buf *buf);

/* Makes room for n more bytes; a pointer to them, or NULL. */
char *buf_reserve(struct buf *buf, size_t n);
void buf_add(struct buf *buf, const void *bytes, size_t n);
void buf_add_slice(struct buf *buf, struct slice text);
void buf_add_str(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
/* Little-endian fixed-width numbers, for binary formats. */
void buf_add_u32(struct buf *buf, uint32_t v);
void buf_add_u64(struct buf *buf, uint64_t v);
/* Length (u32) and bytes. */
void buf_add_sized(struct buf *buf, struct slice bytes);

/*
 * A bounds-checked reader of the same formats. After the first read past the end `failed` is set
 * and all reads give 0 or an empty slice.
 */
struct reader {
	const char *ptr;
	size_t len; /* left */
	bool failed;
};

void reader_init(struct reader *reader, struct slice bytes);
uint8_t reader_u8(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
struct slice reader_bytes(struct reader *reader, size_t n);
struct slice reader_sized(struct reader *reader);

#endif
