/* What the parts of OTLP share. Inside of ingest/. */
#ifndef TOCSIN_INGEST_OTLP_DECODER_H
#define TOCSIN_INGEST_OTLP_DECODER_H

#include "base/arena.h"
#include "ingest/decompress.h"
#include "ingest/otlp.h"
#include "ingest/protobuf.h"

/* Attributes by name, as they stand, or as labels with sanitized names. */
struct otlp_attributes {
	struct label items[OTLP_ATTRIBUTES_MAX];
	size_t n;
	bool overflow; /* there were more */
};

struct otlp_decoder {
	struct hash_key key;
	struct relabel *relabel;
	struct decompressor decompressor;
	struct buf unpacked, message; /* decompressed; made of JSON */
	struct arena arena;	      /* texts of the request */
	struct otlp_attributes attributes;
	uint64_t label_bytes;
	struct otlp_result *result;
};

/* Counts n rejected things and complains, while there is room. */
void otlp_reject(struct otlp_decoder *decoder, uint32_t n, struct slice subject, const char *why);
/*
 * An AnyValue as the text of a label: strings as they are, lists as JSON. ERR_CORRUPT, ERR_NOMEM;
 * what is nested too deep is left out.
 */
int otlp_value_text(struct otlp_decoder *decoder, struct slice value, struct slice *out);
/* A KeyValue is added. ERR_CORRUPT, ERR_NOMEM. */
int otlp_attribute_add(struct otlp_decoder *decoder, struct slice key_value,
		       struct otlp_attributes *out);
/* The attributes of a Resource. */
int otlp_resource_read(struct otlp_decoder *decoder, struct slice resource,
		       struct otlp_attributes *out);
/* The value of an attribute, empty when absent. */
struct slice otlp_attribute(const struct otlp_attributes *attributes, const char *name);
/* job and instance of a resource; empty: it has none. ERR_NOMEM. */
int otlp_target(struct otlp_decoder *decoder, const struct otlp_attributes *resource,
		struct slice *job, struct slice *instance);
/* The name of a metric with its unit and kind, as Prometheus names it. ERR_NOMEM. */
int otlp_metric_name(struct otlp_decoder *decoder, struct slice name, struct slice unit,
		     bool is_counter, bool is_gauge, struct slice *out);
/*
 * Sorts by name, makes label names of all, and joins the values of those that become one by ";".
 * ERR_NOMEM.
 */
int otlp_attributes_to_labels(struct otlp_decoder *decoder, struct otlp_attributes *attributes);
static inline int64_t otlp_ms(uint64_t ns)
{
	return (int64_t)(ns / 1000000);
}
/* Passes ERR_NOMEM and ERR_CORRUPT on as statuses. */
int otlp_status(struct otlp_decoder *decoder, int code);

#endif
