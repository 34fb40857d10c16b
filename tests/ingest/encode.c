#include "tests/ingest/encode.h"

#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

static void must(bool ok)
{
	if (ok)
		return;
	fprintf(stderr, "encode: out of memory, or a compressor failed\n");
	abort();
}

void enc_varint(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_add_char(out, (char)(value | 0x80));
	buf_add_char(out, (char)value);
	must(buf_ok(out));
}

void enc_tag(struct buf *out, uint32_t field, unsigned wire)
{
	enc_varint(out, (uint64_t)field << 3 | wire);
}

void enc_uint(struct buf *out, uint32_t field, uint64_t value)
{
	enc_tag(out, field, 0);
	enc_varint(out, value);
}

void enc_sint(struct buf *out, uint32_t field, int64_t value)
{
	enc_uint(out, field, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

void enc_fixed64(struct buf *out, uint32_t field, uint64_t bits)
{
	enc_tag(out, field, 1);
	buf_add_u64(out, bits);
}

void enc_double(struct buf *out, uint32_t field, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	enc_fixed64(out, field, bits);
}

void enc_bytes(struct buf *out, uint32_t field, struct slice bytes)
{
	enc_tag(out, field, 2);
	enc_varint(out, bytes.len);
	buf_add_slice(out, bytes);
	must(buf_ok(out));
}

void enc_str(struct buf *out, uint32_t field, const char *text)
{
	enc_bytes(out, field, slice_from(text));
}

void enc_message(struct buf *out, uint32_t field, struct buf *inner)
{
	enc_bytes(out, field, buf_slice(inner));
	buf_clear(inner);
}

void enc_label_slices(struct buf *out, struct slice name, struct slice value)
{
	struct buf label;
	buf_init(&label);
	enc_bytes(&label, 1, name);
	enc_bytes(&label, 2, value);
	enc_message(out, 1, &label);
	buf_fini(&label);
}

void enc_label(struct buf *out, const char *name, const char *value)
{
	enc_label_slices(out, slice_from(name), slice_from(value));
}

void enc_sample_bits(struct buf *series, uint64_t bits, int64_t ts_ms)
{
	struct buf sample;
	buf_init(&sample);
	if (bits != 0)
		enc_fixed64(&sample, 1, bits);
	if (ts_ms != 0)
		enc_uint(&sample, 2, (uint64_t)ts_ms);
	enc_message(series, 2, &sample);
	buf_fini(&sample);
}

void enc_sample(struct buf *series, double value, int64_t ts_ms)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	enc_sample_bits(series, bits, ts_ms);
}

void enc_symbols_init(struct enc_symbols *symbols)
{
	symbols->n = 0;
	enc_symbol(symbols, "");
}

void enc_symbols_fini(struct enc_symbols *symbols)
{
	while (symbols->n > 0)
		free(symbols->texts[--symbols->n]);
}

uint32_t enc_symbol(struct enc_symbols *symbols, const char *text)
{
	for (uint32_t i = 0; i < symbols->n; i++)
		if (strcmp(symbols->texts[i], text) == 0)
			return i;
	must(symbols->n < ENC_SYMBOLS_MAX);
	symbols->texts[symbols->n] = strdup(text);
	must(symbols->texts[symbols->n] != NULL);
	return symbols->n++;
}

void enc_symbols(struct buf *out, const struct enc_symbols *symbols)
{
	for (uint32_t i = 0; i < symbols->n; i++)
		enc_str(out, 4, symbols->texts[i]);
}

void enc_refs(struct buf *series, struct enc_symbols *symbols, const char *const *pairs)
{
	struct buf refs;
	buf_init(&refs);
	for (; *pairs; pairs++)
		enc_varint(&refs, enc_symbol(symbols, *pairs));
	enc_message(series, 1, &refs);
	buf_fini(&refs);
}

void enc_snappy(struct buf *out, struct slice raw)
{
	size_t len = snappy_max_compressed_length(raw.len);
	char *to = buf_reserve(out, len);
	must(to && snappy_compress(raw.ptr ? raw.ptr : "", raw.len, to, &len) == SNAPPY_OK);
	out->len += len;
}

void enc_gzip(struct buf *out, struct slice raw)
{
	z_stream stream = { 0 };
	must(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	size_t room = deflateBound(&stream, raw.len) + 32;
	char *to = buf_reserve(out, room);
	must(to != NULL);
	stream.next_in = (unsigned char *)(uintptr_t)raw.ptr;
	stream.avail_in = (uInt)raw.len;
	stream.next_out = (unsigned char *)to;
	stream.avail_out = (uInt)room;
	must(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	out->len += room - stream.avail_out;
	deflateEnd(&stream);
}

void enc_zstd(struct buf *out, struct slice raw, enum enc_zstd_size size)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	size_t room = ZSTD_compressBound(raw.len);
	char *to = buf_reserve(out, room);
	must(ctx && to);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, size == ENC_ZSTD_DECLARED);
	size_t len = ZSTD_compress2(ctx, to, room, raw.ptr, raw.len);
	must(!ZSTD_isError(len));
	out->len += len;
	ZSTD_freeCCtx(ctx);
}
