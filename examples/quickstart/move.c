/*
 * demo play: a recorded request, moved in time. Where the times are depends on the protocol.
 */
#include "examples/quickstart/demo.h"

#include <jansson.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ingest/decompress.h"
#include "ingest/protobuf.h"

#define TIME_TEXT_BYTES 24
#define SECONDS_MAX 100000000000ll /* a greater time is in milliseconds */

/* ---- remote-write 1.0: the timestamps of samples ---- */

static void add_field(struct buf *out, uint32_t number, enum pb_wire wire, struct slice payload)
{
	pb_varint_add(out, (uint64_t)number << 3 | wire);
	if (wire == PB_BYTES)
		pb_varint_add(out, payload.len);
	buf_add_slice(out, payload);
}

/* Sample{1 value, 2 timestamp}: as it is, but later. */
static int move_sample(struct slice sample, int64_t shift_ms, struct buf *out)
{
	struct pb_walk walk = pb_walk_of(sample);
	struct pb_field field;
	int more;

	while ((more = pb_next(&walk, &field)) > 0) {
		if (field.number != 2) {
			add_field(out, field.number, field.wire, field.bytes);
			continue;
		}
		pb_varint_add(out, 2 << 3 | PB_VARINT);
		pb_varint_add(out, field.value + (uint64_t)shift_ms);
	}
	return more;
}

/* TimeSeries{1 labels, 2 samples}; exemplars and native histograms are not needed here. */
static int move_series(struct slice series, int64_t shift_ms, struct buf *out)
{
	struct pb_walk walk = pb_walk_of(series);
	struct pb_field field;
	struct buf sample;
	int more;

	buf_init(&sample);
	while ((more = pb_next(&walk, &field)) > 0) {
		if (field.number == 1)
			add_field(out, 1, PB_BYTES, field.bytes);
		if (field.number != 2)
			continue;
		buf_clear(&sample);
		if ((more = move_sample(field.bytes, shift_ms, &sample)) < 0)
			break;
		add_field(out, 2, PB_BYTES, buf_slice(&sample));
	}
	buf_fini(&sample);
	return more;
}

static int move_remote_write(struct slice body, int64_t shift_ms, struct buf *out)
{
	struct decompressor decompressor;
	struct buf message, series, moved;
	const char *why;

	decompressor_init(&decompressor);
	buf_init(&message);
	buf_init(&series);
	buf_init(&moved);
	int code = decompress(&decompressor, body, BODY_MAX, &message, &why);
	struct pb_walk walk = pb_walk_of(buf_slice(&message));
	struct pb_field field;

	while (code == 0 && pb_next(&walk, &field) > 0) {
		if (field.number != 1)
			continue;
		buf_clear(&series);
		code = move_series(field.bytes, shift_ms, &series);
		add_field(&moved, 1, PB_BYTES, buf_slice(&series));
	}
	size_t len = snappy_max_compressed_length(moved.len);

	buf_clear(out);
	char *room = buf_reserve(out, len);

	if (code == 0 && room &&
	    snappy_compress(moved.ptr ? moved.ptr : "", moved.len, room, &len) == SNAPPY_OK)
		out->len += len;
	else
		code = code ? code : ERR_NOMEM;
	decompressor_fini(&decompressor);
	buf_fini(&message);
	buf_fini(&series);
	buf_fini(&moved);
	return code;
}

/* ---- Loki: nanoseconds as text before each line ---- */

static int move_line(json_t *entry, int64_t shift_ms)
{
	const char *text = json_string_value(json_array_get(entry, 0));
	char moved[TIME_TEXT_BYTES];

	if (!text)
		return ERR_INVALID;
	snprintf(moved, sizeof(moved), "%lld",
		 strtoll(text, NULL, 10) + (long long)shift_ms * 1000000);
	return json_array_set_new(entry, 0, json_string(moved)) ? ERR_NOMEM : 0;
}

static int move_loki(struct slice body, int64_t shift_ms, struct buf *out)
{
	json_t *root = json_loadb(body.ptr ? body.ptr : "", body.len, 0, NULL), *stream, *entry;
	int code = root ? 0 : ERR_INVALID;
	size_t i, k;

	json_array_foreach (json_object_get(root, "streams"), i, stream)
		json_array_foreach (json_object_get(stream, "values"), k, entry)
			code = code ? code : move_line(entry, shift_ms);
	char *text = code ? NULL : json_dumps(root, JSON_COMPACT);

	if (text)
		buf_add_str(out, text);
	else
		code = code ? code : ERR_NOMEM;
	free(text);
	json_decref(root);
	return code;
}

/* ---- profiles: the parameters "from" and "until" ---- */

static bool is_time(const char *parameter)
{
	return strncmp(parameter, "from=", 5) == 0 || strncmp(parameter, "until=", 6) == 0;
}

static int move_parameters(struct slice target, int64_t shift_ms, struct buf *out)
{
	char *text = strndup(target.ptr, target.len), *rest = text, *parameter;
	const char *mark = "";

	if (!text)
		return ERR_NOMEM;
	while ((parameter = strsep(&rest, "?&"))) {
		char *value = strchr(parameter, '=');

		buf_add_str(out, mark);
		mark = *mark ? "&" : "?";
		if (!value || !is_time(parameter)) {
			buf_add_str(out, parameter);
			continue;
		}
		long long time = strtoll(value + 1, NULL, 10);

		buf_printf(out, "%.*s%lld", (int)(value + 1 - parameter), parameter,
			   time + (time < SECONDS_MAX ? shift_ms / 1000 : shift_ms));
	}
	free(text);
	return 0;
}

/* ---- the whole ---- */

int move_request(const struct recorded *request, int64_t shift_ms, struct buf *target,
		 struct buf *body)
{
	size_t path_len = 0;
	int code;

	while (path_len < request->target.len && request->target.ptr[path_len] != '?')
		path_len++;
	struct slice path = { request->target.ptr, path_len };

	buf_clear(target);
	buf_clear(body);
	if (slice_is(path, "/ingest")) {
		code = move_parameters(request->target, shift_ms, target);
		buf_add_slice(body, request->body);
	} else {
		buf_add_slice(target, request->target);
		code = slice_is(path, "/api/v1/write") ?
			       move_remote_write(request->body, shift_ms, body) :
		       slice_is(path, "/loki/api/v1/push") ?
			       move_loki(request->body, shift_ms, body) :
			       ERR_UNSUPPORTED;
	}
	return code ? code : buf_ok(target) && buf_ok(body) ? 0 : ERR_NOMEM;
}
