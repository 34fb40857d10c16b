#include "ingest/rw_encode.h"

#include <snappy-c.h>
#include <stdlib.h>

#include "base/error.h"
#include "ingest/protobuf.h"

#define SYMBOLS_MIN 256

/* The texts of a 2.0 message, each once; 0 is the empty one. */
struct symbols {
	struct hash_key key; /* values are foreign */
	struct slice *texts;
	uint32_t n, cap;
	uint32_t *slots; /* open addressing; symbol, 0: free */
	uint32_t nslots;
	bool failed;
};

struct rw_encoder {
	struct buf message, series, part, packed, body;
	struct symbols symbols;
};

static const struct {
	const char *content_type, *version;
} versions[] = {
	[RW_VERSION_1] = { "application/x-protobuf", "0.1.0" },
	[RW_VERSION_2] = { "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0" },
};

const char *rw_content_type(enum rw_version version)
{
	return versions[version].content_type;
}

const char *rw_version_text(enum rw_version version)
{
	return versions[version].version;
}

/* ---- symbols ---- */

static void symbols_clear(struct symbols *symbols)
{
	symbols->n = 1;
	if (symbols->nslots)
		memset(symbols->slots, 0, symbols->nslots * sizeof(*symbols->slots));
}

static uint32_t *slot_of(const struct symbols *symbols, struct slice text)
{
	uint32_t mask = symbols->nslots - 1;
	uint32_t at = (uint32_t)hash_keyed64(&symbols->key, text.ptr, text.len) & mask;
	while (symbols->slots[at] && !slice_is_equal(symbols->texts[symbols->slots[at]], text))
		at = (at + 1) & mask;
	return &symbols->slots[at];
}

static bool symbols_grow(struct symbols *symbols)
{
	uint32_t cap = symbols->cap ? symbols->cap * 2 : SYMBOLS_MIN;
	struct slice *texts = realloc(symbols->texts, cap * sizeof(*texts));
	if (!texts)
		return false;
	symbols->texts = texts;
	uint32_t *slots = calloc(2 * (size_t)cap, sizeof(*slots));
	if (!slots)
		return false;
	free(symbols->slots);
	symbols->slots = slots;
	symbols->nslots = 2 * cap;
	symbols->cap = cap;
	texts[0] = (struct slice){ "", 0 };
	for (uint32_t i = 1; i < symbols->n; i++)
		*slot_of(symbols, texts[i]) = i;
	return true;
}

static uint32_t symbol_get(struct symbols *symbols, struct slice text)
{
	if (symbols->n >= symbols->cap && !symbols_grow(symbols)) {
		symbols->failed = true;
		return 0;
	}
	uint32_t *slot = slot_of(symbols, text);
	if (!*slot) {
		symbols->texts[symbols->n] = text;
		*slot = symbols->n++;
	}
	return *slot;
}

/* ---- messages ---- */

/* Sample{1 value, 2 timestamp}, alike in both versions. What is zero is left out. */
static void add_sample(struct buf *out, uint32_t field, const struct rw_sample *sample,
		       struct buf *part)
{
	if (sample->bits) {
		pb_varint_add(part, 1 << 3 | PB_FIXED64);
		buf_add_u64(part, sample->bits);
	}
	if (sample->ts_ms) {
		pb_varint_add(part, 2 << 3 | PB_VARINT);
		pb_varint_add(part, (uint64_t)sample->ts_ms);
	}
	pb_message_add(out, field, part);
}

/* WriteRequest{1 TimeSeries{1 Label{1 name, 2 value}, 2 Sample}} */
static void encode_1(struct rw_encoder *e, const struct rw_sample *samples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < labels_count(samples[i].labels); k++) {
			struct label label = labels_at(samples[i].labels, k);
			pb_bytes_add(&e->part, 1, label.name);
			pb_bytes_add(&e->part, 2, label.value);
			pb_message_add(&e->series, 1, &e->part);
		}
		add_sample(&e->series, 2, &samples[i], &e->part);
		pb_message_add(&e->body, 1, &e->series);
	}
}

/*
 * Request{4 symbols, 5 TimeSeries{1 labels_refs packed, 2 Sample}}. Symbols are known last but
 * stand first: there are receivers that read only once.
 */
static void encode_2(struct rw_encoder *e, const struct rw_sample *samples, size_t n)
{
	struct symbols *symbols = &e->symbols;
	symbols_clear(symbols);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < labels_count(samples[i].labels); k++) {
			struct label label = labels_at(samples[i].labels, k);
			pb_varint_add(&e->packed, symbol_get(symbols, label.name));
			pb_varint_add(&e->packed, symbol_get(symbols, label.value));
		}
		pb_message_add(&e->series, 1, &e->packed);
		add_sample(&e->series, 2, &samples[i], &e->part);
		pb_message_add(&e->message, 5, &e->series);
	}
	pb_bytes_add(&e->body, 4, (struct slice){ "", 0 });
	for (uint32_t i = 1; i < symbols->n; i++)
		pb_bytes_add(&e->body, 4, symbols->texts[i]);
	buf_add_slice(&e->body, buf_slice(&e->message));
	e->body.failed |= e->message.failed || symbols->failed;
}

/* ---- the encoder ---- */

struct rw_encoder *rw_encoder_new(void)
{
	struct rw_encoder *encoder = calloc(1, sizeof(*encoder));
	if (!encoder)
		return NULL;
	buf_init(&encoder->message);
	buf_init(&encoder->series);
	buf_init(&encoder->part);
	buf_init(&encoder->packed);
	buf_init(&encoder->body);
	if (hash_key_init(&encoder->symbols.key)) {
		free(encoder);
		return NULL;
	}
	return encoder;
}

void rw_encoder_free(struct rw_encoder *encoder)
{
	if (!encoder)
		return;
	buf_fini(&encoder->message);
	buf_fini(&encoder->series);
	buf_fini(&encoder->part);
	buf_fini(&encoder->packed);
	buf_fini(&encoder->body);
	free(encoder->symbols.texts);
	free(encoder->symbols.slots);
	free(encoder);
}

int rw_encode(struct rw_encoder *encoder, enum rw_version version, const struct rw_sample *samples,
	      size_t n, struct slice *out)
{
	struct buf *body = &encoder->body, *packed = &encoder->packed;
	buf_clear(&encoder->message);
	buf_clear(body);
	buf_clear(packed); /* what was given last */
	encoder->symbols.failed = false;
	if (version == RW_VERSION_2)
		encode_2(encoder, samples, n);
	else
		encode_1(encoder, samples, n);
	if (!buf_ok(body))
		return ERR_NOMEM;
	size_t room = snappy_max_compressed_length(body->len);
	char *to = buf_reserve(packed, room);
	if (!to || snappy_compress(body->ptr ? body->ptr : "", body->len, to, &room) != SNAPPY_OK)
		return ERR_NOMEM;
	packed->len = room;
	*out = buf_slice(packed);
	return 0;
}
