#include "ingest/otlp_schema.h"

#define MESSAGE(name, ...)                                                                         \
	static const struct otlp_field name##_fields[] = { __VA_ARGS__ };                          \
	static const struct otlp_message name = {                                                  \
		name##_fields, sizeof(name##_fields) / sizeof(name##_fields[0])                    \
	}
#define REQUEST(name, ...)                                                                         \
	static const struct otlp_field name##_fields[] = { __VA_ARGS__ };                          \
	const struct otlp_message name = { name##_fields,                                          \
					   sizeof(name##_fields) / sizeof(name##_fields[0]) }
#define F(name, number, kind)                                                                      \
	{                                                                                          \
		name, number, kind, NULL                                                           \
	}
#define OF(name, number, message)                                                                  \
	{                                                                                          \
		name, number, OTLP_MESSAGE, &(message)                                             \
	}

/* ---- common ---- */

/* A value may hold values: declared before it is defined. */
static const struct otlp_message any_value;

MESSAGE(key_value, F("key", 1, OTLP_STRING), OF("value", 2, any_value),
	F("keyStrindex", 3, OTLP_VARINT));
MESSAGE(array_value, OF("values", 1, any_value));
MESSAGE(key_value_list, OF("values", 1, key_value));
static const struct otlp_field any_value_fields[] = {
	F("stringValue", 1, OTLP_STRING), F("boolValue", 2, OTLP_BOOL),
	F("intValue", 3, OTLP_INT64),	  F("doubleValue", 4, OTLP_DOUBLE),
	OF("arrayValue", 5, array_value), OF("kvlistValue", 6, key_value_list),
	F("bytesValue", 7, OTLP_BASE64),  F("stringValueStrindex", 8, OTLP_VARINT),
};
static const struct otlp_message any_value = {
	any_value_fields, sizeof(any_value_fields) / sizeof(any_value_fields[0])
};
MESSAGE(resource, OF("attributes", 1, key_value));

/* ---- metrics ---- */

MESSAGE(number_point, F("startTimeUnixNano", 2, OTLP_FIXED64), F("timeUnixNano", 3, OTLP_FIXED64),
	F("asDouble", 4, OTLP_DOUBLE), F("asInt", 6, OTLP_SFIXED64), OF("attributes", 7, key_value),
	F("flags", 8, OTLP_VARINT));
MESSAGE(histogram_point, F("startTimeUnixNano", 2, OTLP_FIXED64),
	F("timeUnixNano", 3, OTLP_FIXED64), F("count", 4, OTLP_FIXED64), F("sum", 5, OTLP_DOUBLE),
	F("bucketCounts", 6, OTLP_FIXED64), F("explicitBounds", 7, OTLP_DOUBLE),
	OF("attributes", 9, key_value), F("flags", 10, OTLP_VARINT));
MESSAGE(exponential_point, OF("attributes", 1, key_value), F("startTimeUnixNano", 2, OTLP_FIXED64),
	F("timeUnixNano", 3, OTLP_FIXED64), F("count", 4, OTLP_FIXED64), F("sum", 5, OTLP_DOUBLE),
	F("flags", 10, OTLP_VARINT));
MESSAGE(quantile, F("quantile", 1, OTLP_DOUBLE), F("value", 2, OTLP_DOUBLE));
MESSAGE(summary_point, F("startTimeUnixNano", 2, OTLP_FIXED64), F("timeUnixNano", 3, OTLP_FIXED64),
	F("count", 4, OTLP_FIXED64), F("sum", 5, OTLP_DOUBLE), OF("quantileValues", 6, quantile),
	OF("attributes", 7, key_value), F("flags", 8, OTLP_VARINT));
MESSAGE(gauge, OF("dataPoints", 1, number_point));
MESSAGE(sum, OF("dataPoints", 1, number_point), F("aggregationTemporality", 2, OTLP_VARINT),
	F("isMonotonic", 3, OTLP_BOOL));
MESSAGE(histogram, OF("dataPoints", 1, histogram_point),
	F("aggregationTemporality", 2, OTLP_VARINT));
MESSAGE(exponential_histogram, OF("dataPoints", 1, exponential_point),
	F("aggregationTemporality", 2, OTLP_VARINT));
MESSAGE(summary, OF("dataPoints", 1, summary_point));
MESSAGE(metric, F("name", 1, OTLP_STRING), F("unit", 3, OTLP_STRING), OF("gauge", 5, gauge),
	OF("sum", 7, sum), OF("histogram", 9, histogram),
	OF("exponentialHistogram", 10, exponential_histogram), OF("summary", 11, summary));
MESSAGE(scope_metrics, OF("metrics", 2, metric));
MESSAGE(resource_metrics, OF("resource", 1, resource), OF("scopeMetrics", 2, scope_metrics));
REQUEST(otlp_metrics_request, OF("resourceMetrics", 1, resource_metrics));

/* ---- logs ---- */

MESSAGE(log_record, F("timeUnixNano", 1, OTLP_FIXED64), F("severityNumber", 2, OTLP_VARINT),
	F("severityText", 3, OTLP_STRING), OF("body", 5, any_value), OF("attributes", 6, key_value),
	F("traceId", 9, OTLP_HEX), F("spanId", 10, OTLP_HEX),
	F("observedTimeUnixNano", 11, OTLP_FIXED64));
MESSAGE(scope_logs, OF("logRecords", 2, log_record));
MESSAGE(resource_logs, OF("resource", 1, resource), OF("scopeLogs", 2, scope_logs));
REQUEST(otlp_logs_request, OF("resourceLogs", 1, resource_logs));

/* ---- profiles ---- */

MESSAGE(value_type, F("typeStrindex", 1, OTLP_VARINT), F("unitStrindex", 2, OTLP_VARINT));
MESSAGE(profile_sample, F("stackIndex", 1, OTLP_VARINT), F("attributeIndices", 2, OTLP_VARINT),
	F("linkIndex", 3, OTLP_VARINT), F("values", 4, OTLP_VARINT),
	F("timestampsUnixNano", 5, OTLP_FIXED64));
MESSAGE(profile, OF("sampleType", 1, value_type), OF("samples", 2, profile_sample),
	F("timeUnixNano", 3, OTLP_FIXED64), F("durationNano", 4, OTLP_VARINT),
	OF("periodType", 5, value_type), F("period", 6, OTLP_VARINT), F("profileId", 7, OTLP_HEX),
	F("originalPayloadFormat", 9, OTLP_STRING), F("originalPayload", 10, OTLP_BASE64),
	F("attributeIndices", 11, OTLP_VARINT));
MESSAGE(scope_profiles, OF("profiles", 2, profile));
MESSAGE(resource_profiles, OF("resource", 1, resource), OF("scopeProfiles", 2, scope_profiles));
MESSAGE(mapping, F("memoryStart", 1, OTLP_VARINT), F("memoryLimit", 2, OTLP_VARINT),
	F("fileOffset", 3, OTLP_VARINT), F("filenameStrindex", 4, OTLP_VARINT),
	F("attributeIndices", 5, OTLP_VARINT));
MESSAGE(line, F("functionIndex", 1, OTLP_VARINT), F("line", 2, OTLP_VARINT),
	F("column", 3, OTLP_VARINT));
MESSAGE(location, F("mappingIndex", 1, OTLP_VARINT), F("address", 2, OTLP_VARINT),
	OF("lines", 3, line), F("attributeIndices", 4, OTLP_VARINT));
MESSAGE(function, F("nameStrindex", 1, OTLP_VARINT), F("systemNameStrindex", 2, OTLP_VARINT),
	F("filenameStrindex", 3, OTLP_VARINT), F("startLine", 4, OTLP_VARINT));
MESSAGE(link, F("traceId", 1, OTLP_HEX), F("spanId", 2, OTLP_HEX));
MESSAGE(key_value_and_unit, F("keyStrindex", 1, OTLP_VARINT), OF("value", 2, any_value),
	F("unitStrindex", 3, OTLP_VARINT));
MESSAGE(stack, F("locationIndices", 1, OTLP_VARINT));
MESSAGE(profiles_dictionary, OF("mappingTable", 1, mapping), OF("locationTable", 2, location),
	OF("functionTable", 3, function), OF("linkTable", 4, link),
	F("stringTable", 5, OTLP_STRING), OF("attributeTable", 6, key_value_and_unit),
	OF("stackTable", 7, stack));
REQUEST(otlp_profiles_request, OF("resourceProfiles", 1, resource_profiles),
	OF("dictionary", 2, profiles_dictionary));
