#include "ingest/histogram.h"

#include <math.h>

#include "base/bits.h"
#include "ingest/protobuf.h"

/* Histogram, of prompb and io.prometheus.write.v2 alike. */
enum histogram_field {
	COUNT_INT = 1,
	COUNT_FLOAT = 2,
	SUM = 3,
	SCHEMA = 4,
	ZERO_THRESHOLD = 5,
	ZERO_COUNT_INT = 6,
	ZERO_COUNT_FLOAT = 7,
	NEGATIVE_SPANS = 8,
	NEGATIVE_DELTAS = 9,
	NEGATIVE_COUNTS = 10,
	POSITIVE_SPANS = 11,
	POSITIVE_DELTAS = 12,
	POSITIVE_COUNTS = 13,
	RESET_HINT = 14,
	TIMESTAMP = 15,
	CUSTOM_VALUES = 16,
	START_TIMESTAMP = 17,
};

enum span_field { SPAN_OFFSET = 1, SPAN_LENGTH = 2 };

/* One side of the buckets: what the spans say, and what there is. */
struct side {
	uint64_t spans, covered; /* buckets that the spans cover */
	uint64_t reach;		 /* covered and skipped */
	bool offset_is_bad;	 /* a span goes backwards */
	bool first_is_negative;	 /* the first span starts left of 0: right, but not for custom
				    buckets */
	uint64_t deltas;	 /* integer buckets, */
	int64_t bucket;		 /* the last of them, */
	uint64_t sum;		 /* and their sum */
	uint64_t counts;	 /* float buckets */
	bool bucket_is_bad;	 /* negative, or beyond 64 bits */
};

struct histogram {
	bool is_float;
	uint64_t count_int, zero_count_int;
	double count_float, zero_count_float, sum, zero_threshold;
	int64_t schema;
	struct side negative, positive;
	uint64_t bounds;
	double bound; /* the last */
	bool bounds_are_bad;
};

static int span_read(struct side *side, const struct pb_field *in)
{
	if (in->wire != PB_BYTES)
		return ERR_CORRUPT;
	struct pb_walk walk = pb_walk_of(in->bytes);
	struct pb_field field;
	int32_t offset = 0;
	uint32_t length = 0;
	int rc;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if (field.number != SPAN_OFFSET && field.number != SPAN_LENGTH)
			continue;
		if (field.wire != PB_VARINT)
			return ERR_CORRUPT;
		if (field.number == SPAN_OFFSET)
			offset = (int32_t)pb_zigzag((uint32_t)field.value);
		else
			length = (uint32_t)field.value;
	}
	if (offset < 0) {
		if (side->spans == 0)
			side->first_is_negative = true;
		else
			side->offset_is_bad = true;
	} else {
		side->reach += (uint32_t)offset;
	}
	side->spans++;
	side->covered += length;
	side->reach += length;
	return rc;
}

static int deltas_read(struct side *side, const struct pb_field *in)
{
	struct pb_walk walk;
	if (pb_elements(in, PB_VARINT, &walk) < 0)
		return ERR_CORRUPT;
	while (pb_left(&walk) > 0) {
		uint64_t value;
		if (pb_varint(&walk, &value) < 0)
			return ERR_CORRUPT;
		side->deltas++;
		if (__builtin_add_overflow(side->bucket, pb_zigzag(value), &side->bucket) ||
		    side->bucket < 0 ||
		    __builtin_add_overflow(side->sum, (uint64_t)side->bucket, &side->sum))
			side->bucket_is_bad = true;
	}
	return 0;
}

static int counts_read(struct side *side, const struct pb_field *in)
{
	struct pb_walk walk;
	if (pb_elements(in, PB_FIXED64, &walk) < 0)
		return ERR_CORRUPT;
	while (pb_left(&walk) > 0) {
		uint64_t bits;
		if (pb_fixed64(&walk, &bits) < 0)
			return ERR_CORRUPT;
		side->counts++;
		if (double_of_bits(bits) < 0)
			side->bucket_is_bad = true;
	}
	return 0;
}

static int bounds_read(struct histogram *h, const struct pb_field *in)
{
	struct pb_walk walk;
	if (pb_elements(in, PB_FIXED64, &walk) < 0)
		return ERR_CORRUPT;
	while (pb_left(&walk) > 0) {
		uint64_t bits;
		if (pb_fixed64(&walk, &bits) < 0)
			return ERR_CORRUPT;
		double bound = double_of_bits(bits);
		/* Also a NaN is not above its forerunner. */
		if (isnan(bound) || (h->bounds > 0 && !(bound > h->bound)))
			h->bounds_are_bad = true;
		h->bound = bound;
		h->bounds++;
	}
	return 0;
}

static int number_read(struct histogram *h, const struct pb_field *field)
{
	enum pb_wire want = field->number == COUNT_FLOAT || field->number == ZERO_COUNT_FLOAT ||
					    field->number == SUM || field->number == ZERO_THRESHOLD
				    ? PB_FIXED64
				    : PB_VARINT;
	if (field->wire != want)
		return ERR_CORRUPT;
	switch ((enum histogram_field)field->number) {
	case COUNT_INT:
		h->count_int = field->value;
		h->is_float = false; /* a oneof: the last one holds */
		break;
	case COUNT_FLOAT:
		h->count_float = double_of_bits(field->value);
		h->is_float = true;
		break;
	case SUM:
		h->sum = double_of_bits(field->value);
		break;
	case SCHEMA:
		h->schema = pb_zigzag((uint32_t)field->value);
		break;
	case ZERO_THRESHOLD:
		h->zero_threshold = double_of_bits(field->value);
		break;
	case ZERO_COUNT_INT:
		h->zero_count_int = field->value;
		break;
	case ZERO_COUNT_FLOAT:
		h->zero_count_float = double_of_bits(field->value);
		break;
	default:
		break;
	}
	return 0;
}

static int field_read(struct histogram *h, const struct pb_field *field)
{
	switch ((enum histogram_field)field->number) {
	case NEGATIVE_SPANS:
		return span_read(&h->negative, field);
	case POSITIVE_SPANS:
		return span_read(&h->positive, field);
	case NEGATIVE_DELTAS:
		return deltas_read(&h->negative, field);
	case POSITIVE_DELTAS:
		return deltas_read(&h->positive, field);
	case NEGATIVE_COUNTS:
		return counts_read(&h->negative, field);
	case POSITIVE_COUNTS:
		return counts_read(&h->positive, field);
	case CUSTOM_VALUES:
		return bounds_read(h, field);
	case COUNT_INT:
	case COUNT_FLOAT:
	case SUM:
	case SCHEMA:
	case ZERO_THRESHOLD:
	case ZERO_COUNT_INT:
	case ZERO_COUNT_FLOAT:
	case RESET_HINT:
	case TIMESTAMP:
	case START_TIMESTAMP:
		return number_read(h, field);
	}
	return 0; /* unknown */
}

static uint64_t side_buckets(const struct histogram *h, const struct side *side)
{
	return h->is_float ? side->counts : side->deltas;
}

static const char *side_fault(const struct histogram *h, const struct side *side)
{
	if (side->offset_is_bad)
		return "a span other than the first has a negative offset";
	if (side->covered != side_buckets(h, side))
		return "the spans do not cover as many buckets as there are";
	if (side->bucket_is_bad)
		return "a bucket has a negative or impossible count";
	return NULL;
}

static const char *custom_fault(const struct histogram *h, bool bounds_may_lack)
{
	if (h->negative.spans > 0 || side_buckets(h, &h->negative) > 0)
		return "custom buckets have no negative side";
	if (h->zero_threshold != 0 || h->zero_count_int != 0 || h->zero_count_float != 0)
		return "custom buckets have no zero bucket";
	if (h->positive.first_is_negative)
		return "custom buckets start at 0";
	if (h->bounds_are_bad)
		return "custom bounds do not rise";
	if (h->bounds > 0 && isinf(h->bound) && h->bound > 0)
		return "the last custom bound is +Inf, which goes without saying";
	if (h->positive.reach > h->bounds + 1 && !(h->bounds == 0 && bounds_may_lack))
		return "there are more buckets than custom bounds";
	return NULL;
}

static const char *exponential_fault(const struct histogram *h)
{
	if (h->schema < HISTOGRAM_SCHEMA_MIN || h->schema > HISTOGRAM_SCHEMA_MAX)
		return "unknown schema";
	if (h->bounds > 0)
		return "custom bounds without custom buckets";
	return side_fault(h, &h->negative);
}

/* Only integers can be held against the count: sums of floats depend on their order. */
static const char *count_fault(const struct histogram *h)
{
	uint64_t buckets;
	if (h->is_float)
		return h->count_float < 0 || h->zero_count_float < 0 ? "a negative count" : NULL;
	if (__builtin_add_overflow(h->negative.sum, h->positive.sum, &buckets) ||
	    __builtin_add_overflow(buckets, h->zero_count_int, &buckets))
		return "the buckets hold more than can be counted";
	/* Observed NaNs count without a bucket, and make the sum NaN. */
	if (isnan(h->sum) ? buckets > h->count_int : buckets != h->count_int)
		return "the buckets do not add up to the count";
	return NULL;
}

int histogram_check(struct slice message, bool bounds_may_lack, const char **why)
{
	struct pb_walk walk = pb_walk_of(message);
	struct histogram h = { 0 };
	struct pb_field field;
	int rc;
	while ((rc = pb_next(&walk, &field)) > 0)
		if (field_read(&h, &field) < 0)
			return ERR_CORRUPT;
	if (rc < 0)
		return rc;
	const char *fault = h.schema == HISTOGRAM_SCHEMA_CUSTOM ? custom_fault(&h, bounds_may_lack)
								: exponential_fault(&h);
	if (!fault)
		fault = side_fault(&h, &h.positive);
	if (!fault)
		fault = count_fault(&h);
	if (!fault)
		return 0;
	*why = fault;
	return ERR_INVALID;
}
