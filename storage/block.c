#include "storage/block.h"

#include <assert.h>
#include <string.h>

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

void series_record_encode(uint32_t uid, bool local, const struct labels *labels, struct buf *out)
{
	buf_add_u32(out, uid);
	buf_add_u32(out, local);
	buf_add_u32(out, (uint32_t)labels_count(labels));
	for (size_t i = 0; i < labels_count(labels); i++) {
		struct label label = labels_at(labels, i);

		buf_add_sized(out, label.name);
		buf_add_sized(out, label.value);
	}
}

int series_record_decode(struct slice payload, uint32_t *uid, bool *local, struct labels **labels)
{
	struct label pairs[LABELS_COUNT_MAX];
	struct reader reader;

	reader_init(&reader, payload);
	uint32_t id = reader_u32(&reader), flags = reader_u32(&reader), n = reader_u32(&reader);

	if (reader.failed || n > LABELS_COUNT_MAX)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < n; i++) {
		pairs[i].name = reader_sized(&reader);
		pairs[i].value = reader_sized(&reader);
	}
	if (reader.failed || reader.len > 0)
		return ERR_CORRUPT;
	int code = labels_new(pairs, n, labels, NULL);

	if (code)
		return code == ERR_NOMEM ? code : ERR_CORRUPT;
	*uid = id;
	*local = flags & 1;
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
	if (block->n == SAMPLES_BLOCK_MAX || ts_ms < block->base_ms || ts_ms - block->base_ms > UINT32_MAX)
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

int samples_record_each(struct slice payload, void (*fn)(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits), void *ctx)
{
	struct reader reader;

	reader_init(&reader, payload);
	int64_t base_ms = (int64_t)reader_u64(&reader);
	uint32_t n = reader_u32(&reader);

	if (reader.failed || n > SAMPLES_BLOCK_MAX || reader.len != 16 * (size_t)n || !base_is_sane(base_ms))
		return ERR_CORRUPT;
	const char *uids = reader_bytes(&reader, 4 * (size_t)n).ptr, *offsets = reader_bytes(&reader, 4 * (size_t)n).ptr,
		   *bits = reader_bytes(&reader, 8 * (size_t)n).ptr;

	for (uint32_t i = 0; i < n; i++)
		fn(ctx, load_u32(uids, i), base_ms + load_u32(offsets, i), load_u64(bits, i));
	return 0;
}

/* ---- tiles ---- */

void tile_record_encode(uint32_t uid, int64_t base_ms, const uint32_t *offsets, const double *values, size_t n, struct buf *out)
{
	buf_add_u32(out, uid);
	buf_add_u64(out, (uint64_t)base_ms);
	buf_add_u32(out, (uint32_t)n);
	buf_add(out, offsets, n * sizeof(*offsets));
	buf_add(out, values, n * sizeof(*values));
}

int tile_record_each(struct slice payload, void (*fn)(void *ctx, uint32_t uid, int64_t ts_ms, uint64_t bits), void *ctx)
{
	struct reader reader;

	reader_init(&reader, payload);
	uint32_t uid = reader_u32(&reader);
	int64_t base_ms = (int64_t)reader_u64(&reader);
	uint32_t n = reader_u32(&reader);

	if (reader.failed || reader.len != 12 * (size_t)n || !base_is_sane(base_ms))
		return ERR_CORRUPT;
	const char *offsets = reader_bytes(&reader, 4 * (size_t)n).ptr, *bits = reader_bytes(&reader, 8 * (size_t)n).ptr;

	for (uint32_t i = 0; i < n; i++)
		fn(ctx, uid, base_ms + load_u32(offsets, i), load_u64(bits, i));
	return 0;
}

/* ---- coverage ---- */

void coverage_record_encode(struct slice selector, int64_t since_ms, struct buf *out)
{
	buf_add_u64(out, (uint64_t)since_ms);
	buf_add_sized(out, selector);
}

int coverage_record_decode(struct slice payload, struct slice *selector, int64_t *since_ms)
{
	struct reader reader;

	reader_init(&reader, payload);
	int64_t since = (int64_t)reader_u64(&reader);
	struct slice text = reader_sized(&reader);

	if (reader.failed)
		return ERR_CORRUPT;
	*selector = text;
	*since_ms = since;
	return 0;
}
