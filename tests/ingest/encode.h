/*
 * A tiny protobuf encoder, and compressors, to build request bodies by hand: for tests, fuzz seeds
 * and benchmarks. Out of memory ends the program.
 */
#ifndef TOCSIN_TESTS_INGEST_ENCODE_H
#define TOCSIN_TESTS_INGEST_ENCODE_H

#include <stdint.h>

#include "base/buf.h"

void enc_varint(struct buf *out, uint64_t value);
void enc_tag(struct buf *out, uint32_t field, unsigned wire);
void enc_uint(struct buf *out, uint32_t field, uint64_t value);
void enc_sint(struct buf *out, uint32_t field, int64_t value); /* zigzag */
void enc_fixed64(struct buf *out, uint32_t field, uint64_t bits);
void enc_double(struct buf *out, uint32_t field, double value);
void enc_bytes(struct buf *out, uint32_t field, struct slice bytes);
void enc_str(struct buf *out, uint32_t field, const char *text);
/* An inner message; it is emptied for the next one. */
void enc_message(struct buf *out, uint32_t field, struct buf *inner);

/* Of 1.0: Label, as a field of a series (1) or exemplar (1). */
void enc_label(struct buf *out, const char *name, const char *value);
void enc_label_slices(struct buf *out, struct slice name, struct slice value);
/* Of both: Sample, field 2 of a series. A zero is left out, as proto3 wants. */
void enc_sample_bits(struct buf *series, uint64_t bits, int64_t ts_ms);
void enc_sample(struct buf *series, double value, int64_t ts_ms);

/* Of 2.0: the table of symbols, starting with "". */
#define ENC_SYMBOLS_MAX 4096
struct enc_symbols {
	char *texts[ENC_SYMBOLS_MAX];
	uint32_t n;
};
void enc_symbols_init(struct enc_symbols *symbols);
void enc_symbols_fini(struct enc_symbols *symbols);
uint32_t enc_symbol(struct enc_symbols *symbols, const char *text);
void enc_symbols(struct buf *out, const struct enc_symbols *symbols);
/* LabelsRefs, field 1: name, value, name, value, …, NULL. */
void enc_refs(struct buf *series, struct enc_symbols *symbols, const char *const *pairs);

void enc_snappy(struct buf *out, struct slice raw);
void enc_gzip(struct buf *out, struct slice raw);
enum enc_zstd_size { ENC_ZSTD_DECLARED, ENC_ZSTD_UNDECLARED };
void enc_zstd(struct buf *out, struct slice raw, enum enc_zstd_size size);

#endif
