#include "storage/block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/hash.h"

const char *record_type_text(enum record_type type)
{
	switch (type) {
#define X(id, number, what)                                                                        \
	case id:                                                                                   \
		return what;
		RECORD_LIST(X)
#undef X
	}
	return "unknown";
}

/* The checksum covers type and version too, so that a flipped bit there is noticed. */
static uint64_t checksum(uint32_t kind, struct slice payload)
{
	return hash_checksum(payload.ptr, payload.len) ^ hash_checksum(&kind, sizeof(kind));
}

void record_encode(enum record_type type, struct slice payload, struct buf *out)
{
	uint32_t kind = (uint32_t)type | (uint32_t)BLOCK_FORMAT_VERSION << 16;

	assert(payload.len <= BLOCK_PAYLOAD_MAX);
	buf_add_u32(out, (uint32_t)payload.len);
	buf_add_u32(out, kind);
	buf_add_u64(out, checksum(kind, payload));
	buf_add_slice(out, payload);
}

int record_decode(struct slice bytes, enum record_type *type, struct slice *payload, size_t *used)
{
	struct reader reader;

	if (bytes.len < BLOCK_HEADER_BYTES)
		return ERR_AGAIN;
	reader_init(&reader, bytes);
	uint32_t len = reader_u32(&reader), kind = reader_u32(&reader);
	uint64_t sum = reader_u64(&reader);

	if (len > BLOCK_PAYLOAD_MAX)
		return ERR_CORRUPT;
	if (bytes.len - BLOCK_HEADER_BYTES < len)
		return ERR_AGAIN;
	struct slice body = reader_bytes(&reader, len);

	if (checksum(kind, body) != sum)
		return ERR_CORRUPT;
	if (kind >> 16 > BLOCK_FORMAT_VERSION)
		return ERR_UNSUPPORTED;
	*type = (enum record_type)(kind & 0xffff);
	*payload = body;
	*used = BLOCK_HEADER_BYTES + len;
	return 0;
}

/* ---- dictionary ---- */

#define SERIES_LOCAL 1u
#define SERIES_KIND_SHIFT 8

void series_record_encode(const struct series_entry *entry, struct buf *out)
{
	const struct labels *labels = entry->labels;

	buf_add_u32(out, entry->uid);
	buf_add_u32(out,
		    (entry->local ? SERIES_LOCAL : 0) | (uint32_t)entry->kind << SERIES_KIND_SHIFT);
	labels_encode(labels, out);
}

int series_record_decode(struct slice payload, struct series_entry *entry, struct labels **labels)
{
	struct reader reader;

	reader_init(&reader, payload);
	uint32_t id = reader_u32(&reader), flags = reader_u32(&reader);
	uint32_t kind = flags >> SERIES_KIND_SHIFT & 0xff;
	int code = kind < WINDOW_KINDS ? labels_decode(&reader, labels) : ERR_CORRUPT;

	if (code)
		return code;
	if (reader.len > 0) {
		labels_unref(*labels);
		*labels = NULL;
		return ERR_CORRUPT;
	}
	*entry = (struct series_entry){ id, flags & SERIES_LOCAL, (enum window_kind)kind, *labels };
	return 0;
}

/* ---- samples ---- */

void samples_block_init(struct samples_block *block)
{
	block->n = 0;
	block->base_ms = 0;
}

bool samples_block_add(struct samples_block *block, uint32_t uid, int64_t ts_ms, uint64_t bits)
{
	/* Half the range of an offset lies before the first sample's time: late ones fit too. */
	if (block->n == 0)
		block->base_ms = ts_ms - INT32_MAX;
	if (block->n == SAMPLES_BLOCK_MAX || ts_ms < block->base_ms ||
	    ts_ms - block->base_ms > UINT32_MAX)
		return false;
	block->uids[block->n] = uid;
	block->offsets[block->n] = (uint32_t)(ts_ms - block->base_ms);
	block->bits[block->n++] = bits;
	return true;
}

void samples_block_encode(const struct samples_block *block, struct buf *out)
{
	buf_add_u64(out, (uint64_t)block->base_ms);
	buf_add_u32(out, block->n);
	buf_add(out, block->uids, block->n * sizeof(block->uids[0]));
	buf_add(out, block->offsets, block->n * sizeof(block->offsets[0]));
	buf_add(out, block->bits, block->n * sizeof(block->bits[0]));
}

static uint32_t load_u32(const char *column, uint32_t i)
{
	uint32_t v;

	memcpy(&v, column + 4 * (size_t)i, sizeof(v));
	return v;
}

static uint64_t load_u64(const char *column, uint32_t i)
{
	uint64_t v;

	memcpy(&v, column + 8 * (size_t)i, sizeof(v));
	return v;
}

/* No offset leads past the end of time. */
static bool base_is_sane(int64_t base_ms)
{
	return base_ms <= INT64_MAX - UINT32_MAX;
}

int samples_record_each(struct slice payload,
			void (*fn)(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits),
			void *ctx)
{
	struct reader reader;

	reader_init(&reader, payload);
	int64_t base_ms = (int64_t)reader_u64(&reader);
	uint32_t n = reader_u32(&reader);

	if (reader.failed || n > SAMPLES_BLOCK_MAX || reader.len != 16 * (size_t)n ||
	    !base_is_sane(base_ms))
		return ERR_CORRUPT;
	const char *uids = reader_bytes(&reader, 4 * (size_t)n).ptr,
		   *offsets = reader_bytes(&reader, 4 * (size_t)n).ptr,
		   *bits = reader_bytes(&reader, 8 * (size_t)n).ptr;

	for (uint32_t i = 0; i < n; i++)
		fn(ctx, load_u32(uids, i), base_ms + load_u32(offsets, i), load_u64(bits, i));
	return 0;
}

/* ---- tiles ---- */

void tile_record_encode(uint32_t uid, int64_t base_ms, const uint32_t *offsets,
			const double *values, size_t n, struct buf *out)
{
	buf_add_u32(out, uid);
	buf_add_u64(out, (uint64_t)base_ms);
	buf_add_u32(out, (uint32_t)n);
	buf_add(out, offsets, n * sizeof(*offsets));
	buf_add(out, values, n * sizeof(*values));
}

int tile_record_each(struct slice payload,
		     void (*fn)(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits), void *ctx)
{
	struct reader reader;

	reader_init(&reader, payload);
	uint32_t uid = reader_u32(&reader);
	int64_t base_ms = (int64_t)reader_u64(&reader);
	uint32_t n = reader_u32(&reader);

	if (reader.failed || reader.len != 12 * (size_t)n || !base_is_sane(base_ms))
		return ERR_CORRUPT;
	const char *offsets = reader_bytes(&reader, 4 * (size_t)n).ptr,
		   *bits = reader_bytes(&reader, 8 * (size_t)n).ptr;

	for (uint32_t i = 0; i < n; i++)
		fn(ctx, uid, base_ms + load_u32(offsets, i), load_u64(bits, i));
	return 0;
}

/* ---- what lines came to ---- */

#define DERIVED_SAMPLE_BYTES 24
#define POSITIONS_BYTES_FULL (1024 * 1024)

void derived_block_init(struct derived_block *block)
{
	*block = (struct derived_block){ .n = 0 };
	buf_init(&block->positions);
}

void derived_block_fini(struct derived_block *block)
{
	free(block->samples);
	buf_fini(&block->positions);
	derived_block_init(block);
}

/* What is remembered of recent totals need not be cleared: a place is looked at before it counts.
 */
void derived_block_clear(struct derived_block *block)
{
	if (block->cap > DERIVED_BLOCK_FULL) {
		free(block->samples);
		block->samples = NULL;
		block->cap = 0;
	}
	block->n = 0;
	block->npositions = 0;
	if (!buf_ok(&block->positions) || block->positions.cap > POSITIONS_BYTES_FULL)
		buf_fini(&block->positions);
	buf_clear(&block->positions);
}

int derived_block_add_event(struct derived_block *block, const struct derived_sample *sample)
{
	if (block->n == DERIVED_BLOCK_MAX)
		return ERR_LIMIT;
	if (!ARRAY_RESERVE(&block->samples, block->n, &block->cap))
		return ERR_NOMEM;
	block->samples[block->n++] = *sample;
	return 0;
}

int derived_block_add_total(struct derived_block *block, uint32_t uid, int64_t ts_ms, uint64_t bits)
{
	uint64_t hash = ((uint64_t)ts_ms + uid) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t *recent = &block->recent[hash >> 52];
	struct derived_sample *there = *recent < block->n ? &block->samples[*recent] : NULL;

	if (there && there->uid == uid && there->ts_ms == ts_ms) {
		there->bits = bits;
		return 0;
	}
	const struct derived_sample sample = { uid, 0, ts_ms, bits };
	int code = derived_block_add_event(block, &sample);

	if (code == 0)
		*recent = block->n - 1;
	return code;
}

int derived_block_add_position(struct derived_block *block, struct slice key, struct slice payload)
{
	if (!buf_reserve(&block->positions, 8 + key.len + payload.len)) {
		block->positions.failed = false;
		return ERR_NOMEM;
	}
	buf_add_sized(&block->positions, key);
	buf_add_sized(&block->positions, payload);
	block->npositions++;
	return 0;
}

bool derived_block_is_full(const struct derived_block *block)
{
	return block->n >= DERIVED_BLOCK_FULL || block->positions.len >= POSITIONS_BYTES_FULL;
}

void derived_block_encode(const struct derived_block *block, struct buf *out)
{
	buf_add_u32(out, block->n);
	buf_add_u32(out, block->npositions);
	for (uint32_t i = 0; i < block->n; i++) {
		const struct derived_sample *sample = &block->samples[i];

		buf_add_u32(out, sample->uid);
		buf_add_u32(out, sample->ordinal);
		buf_add_u64(out, (uint64_t)sample->ts_ms);
		buf_add_u64(out, sample->bits);
	}
	buf_add_slice(out, buf_slice(&block->positions));
}

static void visit_samples(struct slice bytes, uint32_t n, const struct derived_visitor *visitor)
{
	struct reader reader;

	reader_init(&reader, bytes);
	for (uint32_t i = 0; i < n; i++) {
		struct derived_sample sample = { .uid = reader_u32(&reader) };

		sample.ordinal = reader_u32(&reader);
		sample.ts_ms = (int64_t)reader_u64(&reader);
		sample.bits = reader_u64(&reader);
		visitor->sample(visitor->ctx, &sample);
	}
}

/* Once without a visitor, to see whether all of it is there. */
static int visit_positions(struct reader reader, uint32_t n, const struct derived_visitor *visitor)
{
	for (uint32_t i = 0; i < n && !reader.failed; i++) {
		struct slice key = reader_sized(&reader), payload = reader_sized(&reader);

		if (visitor)
			visitor->position(visitor->ctx, key, payload);
	}
	return reader.failed || reader.len > 0 ? ERR_CORRUPT : 0;
}

int derived_record_each(struct slice payload, const struct derived_visitor *visitor)
{
	struct reader reader;

	reader_init(&reader, payload);
	uint32_t n = reader_u32(&reader), npositions = reader_u32(&reader);

	if (reader.failed || n > DERIVED_BLOCK_MAX)
		return ERR_CORRUPT;
	struct slice samples = reader_bytes(&reader, n * (size_t)DERIVED_SAMPLE_BYTES);

	if (reader.failed || visit_positions(reader, npositions, NULL))
		return ERR_CORRUPT;
	visit_samples(samples, n, visitor);
	return visit_positions(reader, npositions, visitor);
}

void position_record_encode(struct slice key, struct slice payload, struct buf *out)
{
	buf_add_sized(out, key);
	buf_add_sized(out, payload);
}

int position_record_decode(struct slice payload, struct slice *key, struct slice *value)
{
	struct reader reader;

	reader_init(&reader, payload);
	struct slice first = reader_sized(&reader), second = reader_sized(&reader);

	if (reader.failed || reader.len > 0)
		return ERR_CORRUPT;
	*key = first;
	*value = second;
	return 0;
}

/* ---- places ---- */

void place_record_encode(uint64_t epoch, uint64_t seq, struct buf *out)
{
	buf_add_u64(out, epoch);
	buf_add_u64(out, seq);
}

int place_record_decode(struct slice payload, uint64_t *epoch, uint64_t *seq)
{
	struct reader reader;

	reader_init(&reader, payload);
	uint64_t first = reader_u64(&reader), second = reader_u64(&reader);

	if (reader.failed || reader.len > 0)
		return ERR_CORRUPT;
	*epoch = first;
	*seq = second;
	return 0;
}

/* ---- coverage ---- */

void coverage_record_encode(const struct coverage_entry *entry, struct buf *out)
{
	buf_add_u64(out, (uint64_t)entry->since_ms);
	buf_add_sized(out, entry->selector);
	buf_add_u64(out, (uint64_t)entry->bucket_ms);
}

int coverage_record_decode(struct slice payload, struct coverage_entry *entry)
{
	struct coverage_entry read = { .bucket_ms = 0 };
	struct reader reader;

	reader_init(&reader, payload);
	read.since_ms = (int64_t)reader_u64(&reader);
	read.selector = reader_sized(&reader);
	if (!reader.failed && reader.len > 0)
		read.bucket_ms = (int64_t)reader_u64(&reader);
	if (reader.failed || reader.len > 0 || read.bucket_ms < 0)
		return ERR_CORRUPT;
	*entry = read;
	return 0;
}
