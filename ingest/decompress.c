#include "ingest/decompress.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"

/*
 * The most that one byte of a format can become: a guard against bodies that declare what they
 * cannot hold.
 */
#define SNAPPY_RATIO_MAX 22 /* a copy of 64 bytes takes three */
#define GZIP_RATIO_MAX 1032 /* deflate: 258 bytes for two bits */
/* A frame that asks for a larger window than any body may have is refused by the library. */
#define ZSTD_WINDOW_LOG_MAX 25
#define PIECE_BYTES_MIN (64 * 1024)

static const struct {
	const char *name;
	enum encoding encoding;
} encodings[] = {
	{ "snappy", ENCODING_SNAPPY },
	{ "zstd", ENCODING_ZSTD },
	{ "gzip", ENCODING_GZIP },
	{ "x-gzip", ENCODING_GZIP },
};

int encoding_parse(struct slice header, enum encoding *out)
{
	struct slice name = slice_trim(header);
	if (name.len == 0) {
		*out = ENCODING_SNAPPY;
		return 0;
	}
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		if (name.len == strlen(encodings[i].name) &&
		    strncasecmp(name.ptr, encodings[i].name, name.len) == 0) {
			*out = encodings[i].encoding;
			return 0;
		}
	}
	return ERR_UNSUPPORTED;
}

enum encoding encoding_sniff(struct slice body)
{
	if (slice_has_prefix(body, SLICE("\x28\xb5\x2f\xfd")))
		return ENCODING_ZSTD;
	if (slice_has_prefix(body, SLICE("\x1f\x8b")))
		return ENCODING_GZIP;
	return ENCODING_SNAPPY;
}

void decompressor_init(struct decompressor *decompressor)
{
	*decompressor = (struct decompressor){ 0 };
}

void decompressor_fini(struct decompressor *decompressor)
{
	ZSTD_freeDCtx(decompressor->zstd);
	if (decompressor->gzip)
		inflateEnd(decompressor->gzip);
	if (decompressor->deflate)
		inflateEnd(decompressor->deflate);
	free(decompressor->gzip);
	free(decompressor->deflate);
	decompressor_init(decompressor);
}

static int too_large(const char **why)
{
	*why = "the body would become larger than the limit";
	return ERR_LIMIT;
}

static int no_memory(const char **why)
{
	*why = error_text(ERR_NOMEM);
	return ERR_NOMEM;
}

static int snappy_unpack(struct slice body, size_t max, struct buf *out, const char **why)
{
	size_t len;
	*why = "corrupt snappy block";
	if (slice_has_prefix(body, SLICE("\xff\x06\x00\x00sNaPpY"))) {
		*why = "snappy's framed format: the block format is wanted";
		return ERR_CORRUPT;
	}
	if (snappy_uncompressed_length(body.ptr, body.len, &len) != SNAPPY_OK)
		return ERR_CORRUPT;
	if (len > max)
		return too_large(why);
	if (len / SNAPPY_RATIO_MAX > body.len)
		return ERR_CORRUPT;
	char *to = buf_reserve(out, len + 1);
	if (!to)
		return no_memory(why);
	size_t cap = len;
	if (snappy_uncompress(body.ptr, body.len, to, &cap) != SNAPPY_OK || cap != len)
		return ERR_CORRUPT;
	out->len = len;
	return 0;
}

static int zstd_prepare(struct decompressor *decompressor, const char **why)
{
	if (!decompressor->zstd) {
		decompressor->zstd = ZSTD_createDCtx();
		if (!decompressor->zstd)
			return no_memory(why);
		ZSTD_DCtx_setParameter(decompressor->zstd, ZSTD_d_windowLogMax,
				       ZSTD_WINDOW_LOG_MAX);
	}
	ZSTD_DCtx_reset(decompressor->zstd, ZSTD_reset_session_only);
	return 0;
}

/*
 * Room for the next piece: at least as much as there is already, never beyond the limit (and one
 * byte, to see it passed).
 */
static char *piece_reserve(struct buf *out, size_t max, size_t *room)
{
	size_t want = out->len > PIECE_BYTES_MIN ? out->len : PIECE_BYTES_MIN;
	if (out->cap > out->len + 1 && out->cap - out->len - 1 > want)
		want = out->cap - out->len - 1;
	if (want > max + 1 - out->len)
		want = max + 1 - out->len;
	*room = want;
	return buf_reserve(out, want);
}

/* Frames that do not say how large they become, or several in one body. */
static int zstd_stream(struct decompressor *decompressor, struct slice body, size_t max,
		       struct buf *out, const char **why)
{
	ZSTD_inBuffer in = { body.ptr, body.len, 0 };
	for (;;) {
		size_t room;
		char *to = piece_reserve(out, max, &room);
		if (!to)
			return no_memory(why);
		ZSTD_outBuffer piece = { to, room, 0 };
		size_t hint = ZSTD_decompressStream(decompressor->zstd, &piece, &in);
		if (ZSTD_isError(hint))
			return ERR_CORRUPT;
		out->len += piece.pos;
		if (out->len > max)
			return too_large(why);
		if (in.pos < in.size)
			continue;
		if (hint == 0) /* a frame ends here, and all is flushed */
			return 0;
		if (piece.pos < room)
			return ERR_CORRUPT; /* it waits for more input, and there is none */
	}
}

static int zstd_unpack(struct decompressor *decompressor, struct slice body, size_t max,
		       struct buf *out, const char **why)
{
	int rc = zstd_prepare(decompressor, why);
	if (rc < 0)
		return rc;
	*why = "corrupt zstd frame";
	unsigned long long len = ZSTD_getFrameContentSize(body.ptr, body.len);
	if (len == ZSTD_CONTENTSIZE_ERROR)
		return ERR_CORRUPT;
	if (len == ZSTD_CONTENTSIZE_UNKNOWN)
		return zstd_stream(decompressor, body, max, out, why);
	if (len > max)
		return too_large(why);
	if (ZSTD_findFrameCompressedSize(body.ptr, body.len) != body.len)
		return zstd_stream(decompressor, body, max, out, why);
	char *to = buf_reserve(out, len + 1);
	if (!to)
		return no_memory(why);
	if (ZSTD_decompressDCtx(decompressor->zstd, to, len, body.ptr, body.len) != len)
		return ERR_CORRUPT;
	out->len = len;
	return 0;
}

#define WINDOW_GZIP (MAX_WBITS + 16) /* gzip and nothing else */
#define WINDOW_DEFLATE (-MAX_WBITS)  /* no header, no trailer */

static int inflate_prepare(z_stream **stream, int window, const char **why)
{
	if (*stream)
		return inflateReset(*stream) == Z_OK ? 0 : ERR_CORRUPT;
	z_stream *made = calloc(1, sizeof(*made));
	if (!made)
		return no_memory(why);
	if (inflateInit2(made, window) != Z_OK) {
		free(made);
		return no_memory(why);
	}
	*stream = made;
	return 0;
}

/*
 * What the last four bytes say of the size, as far as it may be believed: a first guess, no more.
 */
static size_t gzip_guess(struct slice body, size_t max)
{
	const unsigned char *end = (const unsigned char *)body.ptr + body.len;
	size_t most = body.len * GZIP_RATIO_MAX;
	if (body.len < 18) /* header and trailer */
		return 0;
	size_t guess =
		end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
	if (guess > max)
		guess = 0;
	return guess < most ? guess : most;
}

static int inflate_unpack(z_stream *stream, struct slice body, size_t guess, size_t max,
			  struct buf *out, const char **why)
{
	stream->next_in = (unsigned char *)(uintptr_t)body.ptr;
	stream->avail_in = (uInt)body.len;
	if (!buf_reserve(out, guess + 1))
		return no_memory(why);
	for (;;) {
		size_t room;
		stream->next_out = (unsigned char *)piece_reserve(out, max, &room);
		if (!stream->next_out)
			return no_memory(why);
		stream->avail_out = (uInt)room;
		int state = inflate(stream, Z_NO_FLUSH);
		out->len += room - stream->avail_out;
		if (out->len > max)
			return too_large(why);
		if (state == Z_STREAM_END) {
			if (stream->avail_in == 0)
				return 0;
			/*
			 * Another member follows (RFC 1952, 2.2); inflateReset() keeps the input.
			 */
			if (inflateReset(stream) != Z_OK)
				return ERR_CORRUPT;
		} else if (state != Z_OK || (stream->avail_in == 0 && stream->avail_out > 0)) {
			return ERR_CORRUPT;
		}
	}
}

static int gzip_unpack(struct decompressor *decompressor, struct slice body, size_t max,
		       struct buf *out, const char **why)
{
	int rc = inflate_prepare(&decompressor->gzip, WINDOW_GZIP, why);
	if (rc < 0)
		return rc;
	*why = "corrupt gzip data";
	return inflate_unpack(decompressor->gzip, body, gzip_guess(body, max), max, out, why);
}

static int deflate_unpack(struct decompressor *decompressor, struct slice body, size_t max,
			  struct buf *out, const char **why)
{
	int rc = inflate_prepare(&decompressor->deflate, WINDOW_DEFLATE, why);
	if (rc < 0)
		return rc;
	*why = "corrupt deflate data";
	return inflate_unpack(decompressor->deflate, body, 0, max, out, why);
}

int decompress_as(struct decompressor *decompressor, enum encoding encoding, struct slice body,
		  size_t max, struct buf *out, const char **why)
{
	int rc = ERR_CORRUPT;
	buf_clear(out);
	if (body.len > max) {
		*why = "the body is larger than the limit";
		return ERR_LIMIT;
	}
	switch (encoding) {
	case ENCODING_SNAPPY:
		rc = snappy_unpack(body, max, out, why);
		break;
	case ENCODING_ZSTD:
		rc = zstd_unpack(decompressor, body, max, out, why);
		break;
	case ENCODING_GZIP:
		rc = gzip_unpack(decompressor, body, max, out, why);
		break;
	case ENCODING_DEFLATE:
		rc = deflate_unpack(decompressor, body, max, out, why);
		break;
	}
	if (rc < 0)
		buf_clear(out);
	else if (out->ptr)
		out->ptr[out->len] = '\0';
	return rc;
}

int decompress(struct decompressor *decompressor, struct slice body, size_t max, struct buf *out,
	       const char **why)
{
	return decompress_as(decompressor, encoding_sniff(body), body, max, out, why);
}
