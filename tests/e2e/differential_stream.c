#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "tests/e2e/differential.h"
#include "tests/engine/expressions.h"
#include "tests/ingest/encode.h"

#define SERIES_MAX 400
#define PAIRS_MAX 8
#define TEXT_BYTES 48

enum values { COUNTER, GAUGE, EXACT, UNIQUE, BUCKET, CONSTANT };

/* Pairs in the order of their names, as remote-write wants them. */
struct live {
	char pairs[PAIRS_MAX][2][TEXT_BYTES];
	size_t npairs;
	enum values values;
	double value;
	uint64_t bits[STREAM_STEPS];
	bool there[STREAM_STEPS];
	int64_t jitter_ms; /* of all its samples */
};

struct stream {
	struct live live[SERIES_MAX];
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b); /* pairs: the name comes first */
}

static struct live *series_new(struct stream *stream, const char *name, enum values values)
{
	if (stream->n == SERIES_MAX)
		abort();
	struct live *live = &stream->live[stream->n++];
	live->values = values;
	live->jitter_ms = chance(70) ? 0 : below(4000);
	snprintf(live->pairs[live->npairs][0], TEXT_BYTES, "__name__");
	snprintf(live->pairs[live->npairs++][1], TEXT_BYTES, "%s", name);
	return live;
}

static void label_add(struct live *live, const char *name, const char *value)
{
	snprintf(live->pairs[live->npairs][0], TEXT_BYTES, "%s", name);
	snprintf(live->pairs[live->npairs++][1], TEXT_BYTES, "%s", value);
}

static bool is_same(const struct live *a, const struct live *b)
{
	return a->npairs == b->npairs && memcmp(a->pairs, b->pairs, sizeof(a->pairs)) == 0;
}

/* Sorted; a second one with the same labels is taken back. */
static void series_done(struct stream *stream)
{
	struct live *live = &stream->live[stream->n - 1];
	qsort(live->pairs, live->npairs, sizeof(live->pairs[0]), by_name);
	for (size_t i = 0; i + 1 < stream->n; i++)
		if (is_same(&stream->live[i], live)) {
			memset(live, 0, sizeof(*live));
			stream->n--;
			return;
		}
}

static void make_plain(struct stream *stream)
{
	static const struct {
		const char *name;
		enum values values;
		unsigned n;
	} kinds[] = {
		{ "m", EXACT, 20 },	    { "n", EXACT, 16 }, { "u", UNIQUE, 14 },
		{ "c_total", COUNTER, 10 }, { "g", GAUGE, 10 }, { "dots.in.name", EXACT, 6 },
		{ "y", EXACT, 8 },
	};
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
		for (unsigned i = 0; i < kinds[k].n; i++) {
			struct live *live = series_new(stream, kinds[k].name, kinds[k].values);
			if (chance(85))
				label_add(live, "a", PICK("0", "1", "2"));
			if (chance(60))
				label_add(live, "b", PICK("x", "y"));
			if (chance(25))
				label_add(live, "c", PICK("0", "1"));
			if (chance(40))
				label_add(live, "job", "j");
			if (kinds[k].name[0] == 'y' && chance(70))
				label_add(live, "__type__", PICK("gauge", "counter"));
			if (kinds[k].name[0] == 'y' && chance(40))
				label_add(live, "__unit__", "s");
			if (chance(10))
				label_add(live, "label.é", PICK("a b", "ü", "\"q\""));
			series_done(stream);
		}
}

static void make_buckets(struct stream *stream)
{
	static const char *const bounds[] = { "-1", "0.1", "1", "5", "+Inf" };
	for (unsigned h = 0; h < 5; h++) {
		char a[2] = { (char)('0' + h % 3), 0 };
		bool odd = h == 3, endless = h != 4;
		for (size_t i = odd ? 0 : 1; i < 4 + (endless ? 1 : 0); i++) {
			struct live *live = series_new(stream, "h_bucket", BUCKET);
			label_add(live, "a", a);
			if (h > 2)
				label_add(live, "b", "x");
			label_add(live, "le", bounds[i]);
			live->value = (double)i;
			series_done(stream);
		}
	}
	struct live *live = series_new(stream, "h_bucket", BUCKET);
	label_add(live, "a", "1");
	label_add(live, "le", "odd");
	series_done(stream);
}

static void make_info(struct stream *stream)
{
	for (unsigned i = 0; i < 3; i++) {
		char a[2] = { (char)('0' + i), 0 };
		struct live *live = series_new(stream, "target_info", CONSTANT);
		label_add(live, "job", "j");
		label_add(live, "instance", a);
		label_add(live, "version", PICK("0", "1", "2"));
		series_done(stream);
		live = series_new(stream, "i", EXACT);
		label_add(live, "job", "j");
		label_add(live, "instance", a);
		series_done(stream);
	}
}

static double next_value(struct live *live)
{
	uint32_t dice = below(100);
	switch (live->values) {
	case COUNTER:
		if (dice < 3)
			return live->value = below(5) * 0.1;
		return live->value += below(1000) * 0.017;
	case BUCKET:
		return live->value += (1 + below(8)) * 0.25;
	case UNIQUE:
		return (double)dice_bits() / 1e9 - 1e5;
	case GAUGE:
		return ldexp((double)dice_bits() / 1e14, (int)below(60) - 30) * (dice & 1 ? -1 : 1);
	case CONSTANT:
		return 1;
	case EXACT:
		break;
	}
	if (dice < 50)
		return live->value += below(12) * 0.25;
	if (dice < 60)
		return live->value = 0;
	if (dice < 62)
		return NAN;
	if (dice < 64)
		return chance(50) ? INFINITY : -INFINITY;
	if (dice < 65)
		return -0.0;
	return live->value = below(80) * 0.25 - 5;
}

static void fill(struct live *live)
{
	uint32_t begin = chance(60) ? 0 : below(STREAM_STEPS), end = STREAM_STEPS;
	if (chance(30))
		end = begin + below(STREAM_STEPS);
	for (uint32_t i = begin; i < STREAM_STEPS && i < end; i++) {
		double value = next_value(live);
		if (chance(1)) {
			i += below(30); /* an outage */
			continue;
		}
		live->there[i] = live->values == BUCKET || live->values == CONSTANT || !chance(12);
		memcpy(&live->bits[i], &value, sizeof(value));
		if (chance(2))
			live->bits[i] = STALE_NAN_BITS;
	}
}

static void put_series(struct buf *message, const struct live *live, uint32_t from, uint32_t to,
		       int64_t from_ms)
{
	struct buf series;
	bool any = false;
	buf_init(&series);
	for (size_t i = 0; i < live->npairs; i++)
		enc_label(&series, live->pairs[i][0], live->pairs[i][1]);
	for (uint32_t i = from; i < to; i++) {
		if (!live->there[i])
			continue;
		enc_sample_bits(&series, live->bits[i],
				from_ms + (int64_t)i * STREAM_STEP_MS + live->jitter_ms);
		any = true;
	}
	if (any)
		enc_message(message, 1, &series);
	buf_fini(&series);
}

void stream_make(int64_t from_ms, struct buf parts[STREAM_PARTS])
{
	static struct stream stream;
	stream.n = 0;
	memset(stream.live, 0, sizeof(stream.live));
	make_plain(&stream);
	make_buckets(&stream);
	make_info(&stream);
	for (size_t i = 0; i < stream.n; i++)
		fill(&stream.live[i]);
	for (uint32_t part = 0; part < STREAM_PARTS; part++) {
		struct buf message;
		uint32_t length = STREAM_STEPS / STREAM_PARTS;
		buf_init(&message);
		for (size_t i = 0; i < stream.n; i++)
			put_series(&message, &stream.live[i], part * length, (part + 1) * length,
				   from_ms);
		buf_init(&parts[part]);
		enc_snappy(&parts[part], buf_slice(&message));
		buf_fini(&message);
	}
}
