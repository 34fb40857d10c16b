/*
 * OTLP logs → lines.
 *
 * What tells where a line is from becomes labels of its stream: job and instance as of metrics, and
 * the attributes that Loki takes for it. All else (further attributes, severity, trace) are labels
 * of the single line.
 */
#include <string.h>

#include "base/error.h"
#include "ingest/otlp_decoder.h"

enum request { RESOURCE_LOGS = 1 };
enum resource_logs { RESOURCE = 1, SCOPE_LOGS = 2 };
enum scope_logs { LOG_RECORDS = 2 };
enum log_record {
	TIME = 1,
	SEVERITY_NUMBER = 2,
	SEVERITY_TEXT = 3,
	BODY = 5,
	ATTRIBUTES = 6,
	TRACE_ID = 9,
	SPAN_ID = 10,
	OBSERVED_TIME = 11,
};

static const char *const stream_attributes[] = {
	"service.name",
	"service.namespace",
	"service.instance.id",
	"deployment.environment",
	"deployment.environment.name",
	"cloud.region",
	"cloud.availability_zone",
	"k8s.cluster.name",
	"k8s.namespace.name",
	"k8s.pod.name",
	"k8s.container.name",
	"k8s.statefulset.name",
	"k8s.daemonset.name",
	"k8s.replicaset.name",
	"k8s.deployment.name",
	"k8s.cronjob.name",
	"k8s.job.name",
	"container.name",
};

struct lines {
	struct otlp_decoder *decoder;
	const struct log_sink *sink;
	int64_t now_ms;
	struct otlp_attributes resource; /* those that are of the single line */
};

static bool is_of_stream(struct slice name)
{
	for (size_t i = 0; i < sizeof(stream_attributes) / sizeof(*stream_attributes); i++)
		if (slice_is(name, stream_attributes[i]))
			return true;
	return false;
}

static int add_hex(struct otlp_decoder *decoder, const char *name, struct slice bytes,
		   struct otlp_attributes *out)
{
	static const char digits[] = "0123456789abcdef";
	if (bytes.len == 0 || bytes.len > 32 || out->n == OTLP_ATTRIBUTES_MAX)
		return 0;
	char *text = arena_alloc(&decoder->arena, 2 * bytes.len + 1);
	if (!text)
		return ERR_NOMEM;
	for (size_t i = 0; i < bytes.len; i++) {
		text[2 * i] = digits[(unsigned char)bytes.ptr[i] >> 4];
		text[2 * i + 1] = digits[(unsigned char)bytes.ptr[i] & 15];
	}
	out->items[out->n++] = (struct label){ slice_from(name), { text, 2 * bytes.len } };
	return 0;
}

static void add_text(const char *name, struct slice text, struct otlp_attributes *out)
{
	if (text.len && out->n < OTLP_ATTRIBUTES_MAX)
		out->items[out->n++] = (struct label){ slice_from(name), text };
}

static int record_field(struct lines *lines, const struct pb_field *field, struct log_entry *entry,
			uint64_t times[2], struct otlp_attributes *out)
{
	struct otlp_decoder *decoder = lines->decoder;
	static const enum pb_wire wires[OBSERVED_TIME + 1] = {
		[TIME] = PB_FIXED64,
		[OBSERVED_TIME] = PB_FIXED64,
		[SEVERITY_NUMBER] = PB_VARINT,
		[SEVERITY_TEXT] = PB_BYTES,
		[BODY] = PB_BYTES,
		[ATTRIBUTES] = PB_BYTES,
		[TRACE_ID] = PB_BYTES,
		[SPAN_ID] = PB_BYTES,
	};
	uint32_t number = field->number;
	bool is_ours = number <= OBSERVED_TIME && (wires[number] || number == SEVERITY_NUMBER);
	if (is_ours && field->wire != wires[number])
		return ERR_CORRUPT;
	switch (number) {
	case TIME:
		times[0] = field->value;
		return 0;
	case OBSERVED_TIME:
		times[1] = field->value;
		return 0;
	case BODY:
		return otlp_value_text(decoder, field->bytes, &entry->line);
	case ATTRIBUTES:
		return otlp_attribute_add(decoder, field->bytes, out);
	case SEVERITY_TEXT:
		add_text("severity_text", field->bytes, out);
		return 0;
	case SEVERITY_NUMBER: {
		char *text = arena_printf(&decoder->arena, "%u", (unsigned)field->value);
		add_text("severity_number", slice_from(text), out);
		return text ? 0 : ERR_NOMEM;
	}
	case TRACE_ID:
		return add_hex(decoder, "trace_id", field->bytes, out);
	case SPAN_ID:
		return add_hex(decoder, "span_id", field->bytes, out);
	default:
		return 0;
	}
}

/* As of lines pushed to Loki: what no window takes is told to its sender. 0: no time came along. */
static const char *time_fault(uint64_t ns, int64_t now_ms)
{
	int64_t ms = (int64_t)(ns / 1000000); /* fits */

	if (ns && ms < now_ms - OTLP_LINE_AGE_MAX_MS)
		return "a record that is older than 7 days";
	return ms > now_ms + OTLP_LINE_AHEAD_MAX_MS ? "a record more than 10 minutes in the future"
						    : NULL;
}

static int record_read(struct lines *lines, struct slice message)
{
	struct otlp_attributes *attributes = &lines->decoder->attributes;
	struct log_entry entry = { .ts_ns = 0 };
	struct pb_walk walk = pb_walk_of(message);
	uint64_t times[2] = { 0, 0 };
	struct pb_field field;
	int rc, code = 0;
	attributes->n = lines->resource.n;
	attributes->overflow = lines->resource.overflow;
	memcpy(attributes->items, lines->resource.items,
	       attributes->n * sizeof(*attributes->items));
	while (!code && (rc = pb_next(&walk, &field)) != 0)
		code = rc < 0 ? ERR_CORRUPT
			      : record_field(lines, &field, &entry, times, attributes);
	if (code)
		return code;
	uint64_t ns = times[0] ? times[0] : times[1];
	entry.ts_ns = ns ? (int64_t)ns : lines->now_ms * 1000000;
	const char *fault = attributes->overflow ? "a record with too many attributes"
						 : time_fault(ns, lines->now_ms);
	if (fault) {
		otlp_reject(lines->decoder, 1, (struct slice){ 0 }, fault);
		return 0;
	}
	code = otlp_attributes_to_labels(lines->decoder, attributes);
	entry.metadata = attributes->items;
	entry.nmetadata = attributes->n;
	if (!code)
		code = lines->sink->line(lines->sink->ctx, &entry);
	if (!code) {
		lines->decoder->result->lines++;
		lines->decoder->result->bytes += entry.line.len;
	}
	return code;
}

static int scope_read(struct lines *lines, struct slice message)
{
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc, code = 0;
	while (!code && (rc = pb_next(&walk, &field)) != 0) {
		if (rc < 0 || (field.number == LOG_RECORDS && field.wire != PB_BYTES))
			return ERR_CORRUPT;
		if (field.number == LOG_RECORDS)
			code = record_read(lines, field.bytes);
	}
	return code;
}

static uint32_t records_count(struct slice resource_logs)
{
	struct pb_walk walk = pb_walk_of(resource_logs);
	struct pb_field field, inner;
	uint32_t n = 0;
	while (pb_next(&walk, &field) > 0) {
		if (field.number != SCOPE_LOGS || field.wire != PB_BYTES)
			continue;
		struct pb_walk scope = pb_walk_of(field.bytes);
		while (pb_next(&scope, &inner) > 0)
			n += inner.number == LOG_RECORDS;
	}
	return n;
}

/* Takes the stream's labels out of the resource's attributes. *out NULL: dropped, or refused. */
static int stream_labels(struct lines *lines, struct slice message, struct labels **out)
{
	struct otlp_decoder *decoder = lines->decoder;
	struct otlp_attributes *stream = &decoder->attributes, *rest = &lines->resource;
	struct slice job, instance;
	const char *why = NULL;
	struct labels *labels;
	size_t to = 0;
	int code = otlp_target(decoder, rest, &job, &instance);
	*out = NULL;
	stream->n = 0;
	for (size_t i = 0; i < rest->n; i++)
		if (is_of_stream(rest->items[i].name))
			stream->items[stream->n++] = rest->items[i];
		else
			rest->items[to++] = rest->items[i];
	rest->n = to;
	if (!code)
		code = otlp_attributes_to_labels(decoder, stream);
	add_text("job", job, stream);
	add_text("instance", instance, stream);
	if (!code)
		code = labels_new(stream->items, stream->n, &labels, &why);
	if (!code) {
		code = relabel_apply(decoder->relabel, labels, out);
		labels_unref(labels);
		why = "relabel_configs make no set of labels of it";
	}
	if (code == ERR_INVALID || code == ERR_LIMIT) {
		otlp_reject(decoder, records_count(message), job, why);
		return 0;
	}
	return code;
}

static int resource_logs_read(struct lines *lines, struct slice message)
{
	struct labels *labels = NULL;
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc, code = 0;
	lines->resource.n = 0;
	lines->resource.overflow = false;
	while (!code && (rc = pb_next(&walk, &field)) != 0) {
		if (rc < 0 || (field.number <= SCOPE_LOGS && field.wire != PB_BYTES))
			return ERR_CORRUPT;
		if (field.number == RESOURCE)
			code = otlp_resource_read(lines->decoder, field.bytes, &lines->resource);
	}
	if (!code)
		code = stream_labels(lines, message, &labels);
	if (code || !labels)
		return code;
	code = lines->sink->stream(lines->sink->ctx, labels);
	labels_unref(labels);
	walk = pb_walk_of(message);
	while (!code && pb_next(&walk, &field) > 0)
		if (field.number == SCOPE_LOGS)
			code = scope_read(lines, field.bytes);
	return code;
}

int otlp_logs(struct otlp_decoder *decoder, struct slice message, int64_t now_ms,
	      const struct log_sink *sink, struct otlp_result *result)
{
	struct lines lines = { .decoder = decoder, .sink = sink, .now_ms = now_ms };
	struct pb_walk walk = pb_walk_of(message);
	struct pb_field field;
	int rc, code = 0;
	while (!code && (rc = pb_next(&walk, &field)) != 0) {
		if (rc < 0 || (field.number == RESOURCE_LOGS && field.wire != PB_BYTES))
			code = ERR_CORRUPT;
		else if (field.number == RESOURCE_LOGS)
			code = resource_logs_read(&lines, field.bytes);
	}
	return otlp_status(decoder, code);
}
