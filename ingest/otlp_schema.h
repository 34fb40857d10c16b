/*
 * The messages of OTLP that Tocsin reads, as tables: for OTLP/JSON, which is turned into protobuf
 * by them, so that there is one decoder for both. Inside of ingest/.
 *
 * Fields that nobody reads (exemplars, dropped counts, schema URLs) are not in the tables: in JSON
 * they are passed over as unknown keys are.
 *
 * Source: opentelemetry-proto 1.11; profiles are v1development and may change.
 */
#ifndef TOCSIN_INGEST_OTLP_SCHEMA_H
#define TOCSIN_INGEST_OTLP_SCHEMA_H

#include "base/buf.h"

#define OTLP_JSON_DEPTH_MAX 64 /* messages in each other, values of attributes included */

/* How a field stands in JSON and in protobuf. */
enum otlp_kind {
	OTLP_STRING,
	OTLP_HEX,     /* bytes, as hexadecimal digits: ids of traces and spans */
	OTLP_BASE64,  /* bytes */
	OTLP_DOUBLE,  /* also "NaN", "Infinity", "-Infinity" */
	OTLP_FIXED64, /* without sign; a number, or a string of digits */
	OTLP_SFIXED64,
	OTLP_FIXED32,
	OTLP_VARINT, /* signed or not, and enumerations */
	OTLP_INT64,  /* a varint that is signed */
	OTLP_ZIGZAG,
	OTLP_BOOL,
	OTLP_MESSAGE,
};

struct otlp_message;
struct otlp_field {
	const char *name; /* lowerCamelCase */
	uint32_t number;
	enum otlp_kind kind;
	const struct otlp_message *message; /* of OTLP_MESSAGE */
};

struct otlp_message {
	const struct otlp_field *fields;
	size_t n;
};

extern const struct otlp_message otlp_metrics_request, otlp_logs_request, otlp_profiles_request;

/*
 * A JSON text as the protobuf message of that type, appended to *out. Unknown keys and nulls are
 * left out. ERR_INVALID with *why, a static text; ERR_LIMIT: nested too deep; ERR_NOMEM.
 */
int otlp_json_encode(const struct otlp_message *message, struct slice text, struct buf *out,
		     const char **why);

#endif
