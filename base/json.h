/*
 * Writing JSON into a buffer without a tree in between. Reading is jansson's work (use
 * json_loadb()); no name here is one of jansson's, or the linker would give it ours.
 *
 * Nesting beyond JSON_DEPTH_MAX marks the buffer as failed (buf_ok()).
 */
#ifndef TOCSIN_BASE_JSON_H
#define TOCSIN_BASE_JSON_H

#include <stdint.h>

#include "base/buf.h"
#include "base/labels.h"

#define JSON_DEPTH_MAX 64

struct json_writer {
	struct buf *out;
	int depth;
	bool first[JSON_DEPTH_MAX];
	bool after_key;
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_key_slice(struct json_writer *w, struct slice key);
/* Escaped; invalid UTF-8 becomes U+FFFD. */
void json_str(struct json_writer *w, struct slice text);
void json_int(struct json_writer *w, int64_t v);
void json_bool(struct json_writer *w, bool v);
void json_nil(struct json_writer *w);
/* A finite number as a JSON number; NaN and infinities as strings. */
void json_number(struct json_writer *w, double v);
/* Finished JSON text. */
void json_raw(struct json_writer *w, struct slice json);
/* {"name":"value",…} */
void json_labels(struct json_writer *w, const struct labels *labels);
/* key and value in one. */
void json_field_string(struct json_writer *w, const char *key, struct slice text);
/* NULL: {} */
void json_field_labels(struct json_writer *w, const char *key, const struct labels *labels);
void json_field_int(struct json_writer *w, const char *key, int64_t v);
void json_field_bool(struct json_writer *w, const char *key, bool v);
void json_field_time(struct json_writer *w, const char *key, int64_t ms);

#endif
