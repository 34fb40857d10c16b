/* OTLP metrics → rows. */
#include <stdlib.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/text.h"
#include "ingest/otlp_decoder.h"

enum request { RESOURCE_METRICS = 1 };
enum resource_metrics { RESOURCE = 1, SCOPE_METRICS = 2 };
enum scope_metrics { METRICS = 2 };
enum metric_field {
	NAME = 1,
	UNIT = 3,
	GAUGE = 5,
	SUM = 7,
	HISTOGRAM = 9,
	EXPONENTIAL = 10,
	SUMMARY = 11
};
enum data { POINTS = 1, TEMPORALITY = 2, MONOTONIC = 3 };
enum { DELTA = 1 };
enum { NO_RECORDED_VALUE = 1 };
#define BOUNDS_MAX 1000 /* of one histogram */
#define QUANTILES_MAX 64 /* of one summary */

/* The resource whose metrics come. */
struct target {
	struct slice job, instance;
	struct otlp_attributes attributes;
	int64_t newest_ms; /* of its points */
};

struct metric {
	const struct target *target;
	struct slice name; /* the sender's */
	struct slice base; /* as a series has it, without _bucket and the like */
	uint32_t kind;	   /* the field its points stood in */
	bool delta;
};

/* A point of any kind; what a kind has not is zero. */
struct point {
	uint64_t start_ns, time_ns;
	double value; /* of numbers */
	double sum;
	uint64_t count;
	bool has_sum, is_stale;
	struct slice bounds, counts; /* packed */
	double *bound;		     /* BOUNDS_MAX of them */
	uint64_t *bucket;	     /* BOUNDS_MAX + 1 */
	size_t nbounds, nbuckets;
	struct label quantiles[QUANTILES_MAX]; /* value: 8 bytes of a double */
	size_t nquantiles;		       /* those beyond the limit included */
};

struct rows {
	struct otlp_decoder *decoder;
	struct batch *batch;
	struct labels_builder builder;
	double bound[BOUNDS_MAX];
	uint64_t bucket[BOUNDS_MAX + 1];
};

/* ---- rows ---- */

/* The set in the builder, relabelled; *out NULL: dropped, or no set, which is told. */
static int take_labels(struct rows *rows, struct slice subject, struct labels **out)
{
	struct otlp_decoder *decoder = rows->decoder;
	const char *why = NULL;
	struct labels *labels;
	*out = NULL;
	int code = labels_builder_take(&rows->builder, &labels, &why);
	if (!code) {
		code = relabel_apply(decoder->relabel, labels, out);
		labels_unref(labels);
		why = "relabel_configs make no set of labels of it";
	}
	if (code == ERR_INVALID || code == ERR_LIMIT) {
		otlp_reject(decoder, 1, subject, why);
		return 0;
	}
	if (code || !*out)
		return code;
	decoder->label_bytes += labels_bytes(*out);
	if (decoder->label_bytes <= OTLP_LABEL_BYTES_MAX && rows->batch->nrows < OTLP_ROWS_MAX)
		return 0;
	labels_unref(*out);
	*out = NULL;
	return ERR_LIMIT;
}

/*
 * A sample of base + suffix with the point's labels and one more. A delta is preceded by its start:
 * where the series begins, its total is zero there.
 */
static int add_row(struct rows *rows, const struct metric *metric, const char *suffix,
		   struct label extra, const struct point *point, double value)
{
	struct labels_builder *builder = &rows->builder;
	struct labels *labels;
	struct buf name;
	uint64_t bits = point->is_stale ? STALE_NAN_BITS : bits_of_double(value);
	bool delta = metric->delta && !point->is_stale;
	buf_init(&name);
	buf_add_slice(&name, metric->base);
	buf_add_str(&name, suffix);
	labels_builder_set(builder, SLICE(METRIC_NAME), buf_slice(&name));
	if (extra.name.len)
		labels_builder_set(builder, extra.name, extra.value);
	int code = buf_ok(&name) ? take_labels(rows, metric->name, &labels) : ERR_NOMEM;
	if (!code && labels) {
		if (delta && point->start_ns && point->start_ns < point->time_ns)
			code = batch_delta_add(rows->batch, &rows->decoder->key, labels,
					       otlp_ms(point->start_ns), 0);
		if (!code)
			code = delta ? batch_delta_add(rows->batch, &rows->decoder->key, labels,
						       otlp_ms(point->time_ns), value)
				     : batch_sample_add(rows->batch, &rows->decoder->key, labels,
							otlp_ms(point->time_ns), bits);
		labels_unref(labels);
	}
	if (extra.name.len)
		labels_builder_remove(builder, extra.name);
	labels_builder_remove(builder, SLICE(METRIC_NAME));
	buf_fini(&name);
	return code;
}

static const struct label no_label;

static int add_number(struct rows *rows, const char *suffix, const struct metric *metric,
		      const struct point *point, const char *label, double at, double value)
{
	struct buf text;
	buf_init(&text);
	number_format_f(at, &text);
	int code = buf_ok(&text) ? add_row(rows, metric, suffix,
					   (struct label){ slice_from(label), buf_slice(&text) },
					   point, value)
				 : ERR_NOMEM;
	buf_fini(&text);
	return code;
}

static int add_count_and_sum(struct rows *rows, const struct metric *metric,
			     const struct point *point)
{
	int code = add_row(rows, metric, "_count", no_label, point, (double)point->count);
	if (!code && point->has_sum)
		code = add_row(rows, metric, "_sum", no_label, point, point->sum);
	return code;
}

/* Buckets are cumulative in Prometheus; the one of +Inf is the count. */
static int add_histogram(struct rows *rows, const struct metric *metric, const struct point *point)
{
	double total = 0;
	int code = 0;
	if (point->nbounds && point->nbuckets != point->nbounds + 1) {
		otlp_reject(rows->decoder, 1, metric->name,
			    "bucket counts must be one more than explicit bounds");
		return 0;
	}
	for (size_t i = 0; i < point->nbounds && !code; i++) {
		total += (double)point->bucket[i];
		code = add_number(rows, "_bucket", metric, point, "le", point->bound[i], total);
	}
	if (!code)
		code = add_row(rows, metric, "_bucket",
			       (struct label){ SLICE("le"), SLICE("+Inf") }, point,
			       (double)point->count);
	return code ? code : add_count_and_sum(rows, metric, point);
}

static double double_at(struct slice bytes)
{
	double value;
	memcpy(&value, bytes.ptr, sizeof(value));
	return value;
}

static int add_summary(struct rows *rows, const struct metric *metric, const struct point *point)
{
	int code = 0;
	for (size_t i = 0; i < point->nquantiles && !code; i++)
		code = add_number(rows, "", metric, point, "quantile",
				  double_at(point->quantiles[i].name),
				  double_at(point->quantiles[i].value));
	return code ? code : add_count_and_sum(rows, metric, point);
}

/* ---- points ---- */

/* What the numbers of fields mean; 0: the kind has none. */
struct point_fields {
	uint32_t start, time, as_double, as_int, count, sum, counts, bounds, quantiles, attributes,
		flags;
};

static const struct point_fields *fields_of(uint32_t kind)
{
	static const struct point_fields number = {
		.start = 2, .time = 3, .as_double = 4, .as_int = 6, .attributes = 7, .flags = 8
	};
	static const struct point_fields histogram = { .start = 2,
						       .time = 3,
						       .count = 4,
						       .sum = 5,
						       .counts = 6,
						       .bounds = 7,
						       .attributes = 9,
						       .flags = 10 };
	static const struct point_fields exponential = {
		.start = 2, .time = 3, .count = 4, .sum = 5, .attributes = 1, .flags = 10
	};
	static const struct point_fields summary = { .start = 2,
						     .time = 3,
						     .count = 4,
						     .sum = 5,
						     .quantiles = 6,
						     .attributes = 7,
						     .flags = 8 };
	return kind == HISTOGRAM     ? &histogram
	       : kind == EXPONENTIAL ? &exponential
	       : kind == SUMMARY     ? &summary
				     : &number;
}

/* An element of a repeated 64-bit field, packed or alone; those beyond `max` make it too long. */
static int elements_read(const struct pb_field *field, void *to, size_t max, size_t *n)
{
	struct pb_walk walk;
	uint64_t *out = to;
	if (pb_elements(field, PB_FIXED64, &walk))
		return ERR_CORRUPT;
	while (pb_left(&walk) > 0) {
		uint64_t value;
		if (pb_fixed64(&walk, &value))
			return ERR_CORRUPT;
		if (*n < max)
			out[*n] = value;
		++*n;
	}
	return 0;
}

/* ValueAtQuantile{1: quantile, 2: value} as two slices of eight bytes; zero is not written. */
static int quantile_read(struct slice message, struct point *point)
{
	static const char zero[sizeof(double)];
	struct label pair = { { zero, sizeof(zero) }, { zero, sizeof(zero) } };
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if (field.number > 2)
			continue;
		if (field.wire != PB_FIXED64)
			return ERR_CORRUPT;
		if (field.number == 1)
			pair.name = field.bytes;
		else
			pair.value = field.bytes;
	}
	if (point->nquantiles < QUANTILES_MAX)
		point->quantiles[point->nquantiles] = pair;
	point->nquantiles++;
	return rc;
}

static int point_field(struct rows *rows, const struct point_fields *fields,
		       const struct pb_field *field, struct point *point,
		       struct otlp_attributes *attributes)
{
	uint32_t number = field->number;
	bool is_fixed = field->wire == PB_FIXED64, is_bytes = field->wire == PB_BYTES;
	if (number == fields->counts)
		return elements_read(field, rows->bucket, BOUNDS_MAX + 1, &point->nbuckets);
	if (number == fields->bounds)
		return elements_read(field, rows->bound, BOUNDS_MAX, &point->nbounds);
	if (number == fields->quantiles)
		return is_bytes ? quantile_read(field->bytes, point) : ERR_CORRUPT;
	if (number == fields->attributes)
		return is_bytes ? otlp_attribute_add(rows->decoder, field->bytes, attributes)
				: ERR_CORRUPT;
	if (number == fields->flags) {
		point->is_stale = field->value & NO_RECORDED_VALUE;
		return field->wire == PB_VARINT ? 0 : ERR_CORRUPT;
	}
	bool is_ours = number == fields->start || number == fields->time ||
		       number == fields->as_double || number == fields->as_int ||
		       number == fields->count || number == fields->sum;
	if (!is_ours)
		return 0;
	if (!is_fixed)
		return ERR_CORRUPT;
	if (number == fields->start)
		point->start_ns = field->value;
	else if (number == fields->time)
		point->time_ns = field->value;
	else if (number == fields->as_double)
		point->value = double_at(field->bytes);
	else if (number == fields->as_int)
		point->value = (double)(int64_t)field->value;
	else if (number == fields->count)
		point->count = field->value;
	else
		point->sum = double_at(field->bytes);
	point->has_sum |= number == fields->sum;
	return 0;
}

/* Labels of a point: its own attributes, then what tells the target. */
static int point_labels(struct rows *rows, const struct target *target,
			struct otlp_attributes *attributes)
{
	struct labels_builder *builder = &rows->builder;
	int code = otlp_attributes_to_labels(rows->decoder, attributes);
	labels_builder_clear(builder);
	for (size_t i = 0; i < attributes->n; i++)
		labels_builder_set(builder, attributes->items[i].name, attributes->items[i].value);
	if (target->job.len)
		labels_builder_set(builder, SLICE("job"), target->job);
	if (target->instance.len)
		labels_builder_set(builder, SLICE("instance"), target->instance);
	return code;
}

static const char *point_fault(const struct point *point, const struct otlp_attributes *attributes)
{
	return point->time_ns == 0		   ? "a point without a time"
	       : point->time_ns > INT64_MAX	   ? "a point at an absurd time"
	       : attributes->overflow		   ? "a point with too many attributes"
	       : point->nbounds > BOUNDS_MAX	   ? "a histogram with too many bounds"
	       : point->nbuckets > BOUNDS_MAX + 1  ? "a histogram with too many buckets"
	       : point->nquantiles > QUANTILES_MAX ? "a summary with too many quantiles"
						   : NULL;
}

static int point_read(struct rows *rows, struct metric *metric, struct target *target,
		      struct slice message)
{
	const struct point_fields *fields = fields_of(metric->kind);
	struct otlp_attributes *attributes = &rows->decoder->attributes;
	struct point point = { .bound = rows->bound, .bucket = rows->bucket };
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc, code = 0;
	attributes->n = 0;
	attributes->overflow = false;
	while (!code && (rc = pb_next(&walk, &field)) != 0)
		code = rc < 0 ? ERR_CORRUPT : point_field(rows, fields, &field, &point, attributes);
	if (code)
		return code;
	const char *fault = point_fault(&point, attributes);
	if (fault) {
		otlp_reject(rows->decoder, 1, metric->name, fault);
		return 0;
	}
	if (otlp_ms(point.time_ns) > target->newest_ms)
		target->newest_ms = otlp_ms(point.time_ns);
	code = point_labels(rows, target, attributes);
	if (code)
		return code;
	switch (metric->kind) {
	case HISTOGRAM:
		return add_histogram(rows, metric, &point);
	case EXPONENTIAL:
		return add_count_and_sum(rows, metric, &point);
	case SUMMARY:
		return add_summary(rows, metric, &point);
	default:
		return add_row(rows, metric, "", no_label, &point, point.value);
	}
}

/* ---- metrics ---- */

/* What a metric's data says of itself, wherever it stands among the points. */
static int data_read(struct slice data, struct metric *metric, bool *is_monotonic)
{
	struct pb_walk walk = pb_walk_of(data);
	struct pb_field field;
	int rc;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if (field.number != TEMPORALITY && field.number != MONOTONIC)
			continue;
		if (field.wire != PB_VARINT)
			return ERR_CORRUPT;
		if (field.number == TEMPORALITY)
			metric->delta = field.value == DELTA;
		else
			*is_monotonic = field.value != 0;
	}
	return rc;
}

static int points_read(struct rows *rows, struct metric *metric, struct target *target,
		       struct slice data)
{
	struct pb_walk walk = pb_walk_of(data);
	struct pb_field field;
	int rc, code = 0;
	while (!code && (rc = pb_next(&walk, &field)) != 0) {
		if (rc < 0 || (field.number == POINTS && field.wire != PB_BYTES))
			return ERR_CORRUPT;
		if (field.number == POINTS)
			code = point_read(rows, metric, target, field.bytes);
	}
	return code;
}

static bool is_data(uint32_t number)
{
	return number == GAUGE || number == SUM || number == HISTOGRAM || number == EXPONENTIAL ||
	       number == SUMMARY;
}

static int metric_read(struct rows *rows, struct target *target, struct slice message)
{
	struct metric metric = { .target = target };
	struct slice unit = { 0 }, data = { 0 };
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	bool is_monotonic = false;
	int rc;
	while ((rc = pb_next(&walk, &field)) > 0) {
		if (field.number != NAME && field.number != UNIT && !is_data(field.number))
			continue;
		if (field.wire != PB_BYTES)
			return ERR_CORRUPT;
		if (field.number == NAME)
			metric.name = field.bytes;
		else if (field.number == UNIT)
			unit = field.bytes;
		else {
			data = field.bytes;
			metric.kind = field.number;
		}
	}
	int code = rc < 0 ? ERR_CORRUPT : 0;
	if (!code && (metric.kind == SUM || metric.kind == HISTOGRAM || metric.kind == EXPONENTIAL))
		code = data_read(data, &metric, &is_monotonic);
	if (!code)
		code = otlp_metric_name(rows->decoder, metric.name, unit,
					metric.kind == SUM && is_monotonic, metric.kind == GAUGE,
					&metric.base);
	if (!code && metric.base.len == 0) {
		otlp_reject(rows->decoder, 1, metric.name, "a metric without a name");
		return 0;
	}
	return code ? code : points_read(rows, &metric, target, data);
}

/* ---- resources ---- */

static bool tells_target(struct slice name)
{
	return slice_is(name, "service.name") || slice_is(name, "service.namespace") ||
	       slice_is(name, "service.instance.id");
}

/* target_info has what is known of the resource beside job and instance. */
static int add_target_info(struct rows *rows, struct target *target)
{
	struct otlp_attributes *attributes = &target->attributes;
	const struct metric info = { .target = target,
				     .name = SLICE("target_info"),
				     .base = SLICE("target_info") };
	const struct point point = { .time_ns = (uint64_t)target->newest_ms * 1000000 };
	size_t to = 0;
	for (size_t i = 0; i < attributes->n; i++)
		if (!tells_target(attributes->items[i].name))
			attributes->items[to++] = attributes->items[i];
	attributes->n = to;
	if (to == 0 || target->newest_ms == 0 || (!target->job.len && !target->instance.len))
		return 0;
	int code = point_labels(rows, target, attributes);
	return code ? code : add_row(rows, &info, "", no_label, &point, 1);
}

static int scope_read(struct rows *rows, struct target *target, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc, code = 0;
	while (!code && (rc = pb_next(&walk, &field)) != 0) {
		if (rc < 0 || (field.number == METRICS && field.wire != PB_BYTES))
			return ERR_CORRUPT;
		if (field.number == METRICS)
			code = metric_read(rows, target, field.bytes);
	}
	return code;
}

/* The resource may stand behind its metrics: it is looked for first. */
static int resource_metrics_read(struct rows *rows, struct slice message)
{
	struct target target = { .newest_ms = 0 };
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc, code = 0;
	while (!code && (rc = pb_next(&walk, &field)) != 0) {
		if (rc < 0 || (field.number <= SCOPE_METRICS && field.wire != PB_BYTES))
			return ERR_CORRUPT;
		if (field.number == RESOURCE)
			code = otlp_resource_read(rows->decoder, field.bytes, &target.attributes);
	}
	if (!code)
		code = otlp_target(rows->decoder, &target.attributes, &target.job,
				   &target.instance);
	walk = pb_walk_of(message);
	while (!code && pb_next(&walk, &field) > 0)
		if (field.number == SCOPE_METRICS)
			code = scope_read(rows, &target, field.bytes);
	return code ? code : add_target_info(rows, &target);
}

int otlp_metrics(struct otlp_decoder *decoder, struct slice message, struct batch *batch,
		 struct otlp_result *result)
{
	struct rows *rows = calloc(1, sizeof(*rows));
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc, code = rows ? 0 : ERR_NOMEM;
	if (rows) {
		rows->decoder = decoder;
		rows->batch = batch;
		labels_builder_init(&rows->builder);
	}
	while (!code && (rc = pb_next(&walk, &field)) != 0) {
		if (rc < 0 || (field.number == RESOURCE_METRICS && field.wire != PB_BYTES))
			code = ERR_CORRUPT;
		else if (field.number == RESOURCE_METRICS)
			code = resource_metrics_read(rows, field.bytes);
	}
	if (rows)
		labels_builder_fini(&rows->builder);
	free(rows);
	return otlp_status(decoder, code);
}
