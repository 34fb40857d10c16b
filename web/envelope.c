#include "web/web_internal.h"

void envelope_begin(struct json_writer *w, struct buf *out)
{
	json_writer_init(w, out);
	json_begin_object(w);
	json_field_string(w, "status", SLICE("success"));
	json_key(w, "data");
}

void envelope_end(struct json_writer *w)
{
	json_end_object(w);
}

void envelope_error(struct buf *out, const char *type, struct slice text)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_field_string(&w, "status", SLICE("error"));
	json_field_string(&w, "errorType", slice_from(type));
	json_field_string(&w, "error", text);
	json_end_object(&w);
}

void json_field_number(struct json_writer *w, const char *key, double v)
{
	json_key(w, key);
	json_number(w, v);
}
