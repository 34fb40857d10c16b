#include "ingest/profile_push.h"

#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/pprof.h"
#include "ingest/protobuf.h"

/* ---- labels ---- */

/* Labels that begin with two underscores are between sender and store, and not the target's. */
static void label_set(struct labels_builder *builder, struct slice name, struct slice value)
{
	if (!slice_has_prefix(name, SLICE("__")))
		labels_builder_set(builder, name, value);
}

static int labels_finish(struct labels_builder *builder, struct labels **out, const char **why)
{
	int code = labels_builder_take(builder, out, why);

	labels_builder_fini(builder);
	if (code == ERR_NOMEM)
		*why = error_text(code);
	return code;
}

/* ---- /ingest ---- */

/* Up to one of the characters; taken off. */
static struct slice word_take(struct slice *rest, const char *ends)
{
	size_t n = 0;

	while (n < rest->len && !strchr(ends, rest->ptr[n]))
		n++;
	struct slice word = { rest->ptr, n };

	*rest = (struct slice){ rest->ptr + n, rest->len - n };
	return slice_trim(word);
}

/* k=v,k=v} */
static int braces_read(struct slice rest, struct labels_builder *builder, const char **why)
{
	*why = "\"name\" is not of the form APP.KIND{label=value,…}";
	while (rest.len > 0 && rest.ptr[0] != '}') {
		struct slice name = word_take(&rest, "=,}");

		if (rest.len == 0 || rest.ptr[0] != '=' || name.len == 0)
			return ERR_INVALID;
		rest = (struct slice){ rest.ptr + 1, rest.len - 1 };
		struct slice value = word_take(&rest, ",}");

		if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
			value = (struct slice){ value.ptr + 1, value.len - 2 };
		label_set(builder, name, value);
		if (rest.len == 0)
			return ERR_INVALID;
		if (rest.ptr[0] == ',')
			rest = (struct slice){ rest.ptr + 1, rest.len - 1 };
	}
	return slice_is(rest, "}") ? 0 : ERR_INVALID;
}

/* Of "a.b.cpu" takes ".cpu" off, if that is a kind; *kind is its name, else empty. */
static struct slice kind_split(struct slice app, struct slice *kind)
{
	const char *dot = app.len ? memrchr(app.ptr, '.', app.len) : NULL;

	*kind = (struct slice){ 0 };
	if (!dot)
		return app;
	struct slice last = { dot + 1, (size_t)(app.ptr + app.len - (dot + 1)) };

	if (profile_kind_of(last) == PROFILE_KIND_NONE)
		return app;
	*kind = last;
	return (struct slice){ app.ptr, (size_t)(dot - app.ptr) };
}

static int name_read(const char *text, struct profile_push *push, const char **why)
{
	struct slice rest = slice_from(text), app, kind;
	struct labels_builder builder;
	int code = 0;

	*why = "the parameter \"name\" is missing, or too long";
	if (!text || rest.len > PROFILE_PUSH_NAME_MAX)
		return ERR_INVALID;
	app = kind_split(word_take(&rest, "{"), &kind);
	push->hint = profile_kind_of(kind);
	push->type = kind;
	*why = "\"name\" begins with no application's name";
	if (app.len == 0)
		return ERR_INVALID;
	labels_builder_init(&builder);
	labels_builder_set(&builder, SLICE("service_name"), app);
	if (rest.len)
		code = braces_read((struct slice){ rest.ptr + 1, rest.len - 1 }, &builder, why);
	if (code) {
		labels_builder_fini(&builder);
		return code;
	}
	return labels_finish(&builder, &push->labels, why);
}

/* Unix time in seconds, or, by its size, in milli-, micro- or nanoseconds. */
static int time_read(const char *text, int64_t *ns)
{
	double value;

	if (!text || !*text) {
		*ns = 0;
		return 0;
	}
	if (number_parse(slice_from(text), &value) || !isfinite(value) || value < 0)
		return ERR_INVALID;
	value *= value < 1e11 ? 1e9 : value < 1e14 ? 1e6 : value < 1e17 ? 1e3 : 1;
	if (value > 9e18)
		return ERR_INVALID;
	*ns = (int64_t)value;
	return 0;
}

static int number_read(const char *text, double *out)
{
	double value;

	*out = 0;
	if (!text || !*text)
		return 0;
	if (number_parse(slice_from(text), &value) || !isfinite(value) || value <= 0)
		return ERR_INVALID;
	*out = value;
	return 0;
}

static int params_read(const struct profile_ingest_params *params, struct profile_push *push,
		       const char **why)
{
	*why = "\"from\" or \"until\" is no time";
	if (time_read(params->from, &push->from_ns) || time_read(params->until, &push->until_ns))
		return ERR_INVALID;
	*why = "\"until\" is before \"from\"";
	if (push->from_ns && push->until_ns && push->until_ns < push->from_ns)
		return ERR_INVALID;
	*why = "\"sampleRate\" is no positive number";
	if (number_read(params->sample_rate, &push->sample_rate))
		return ERR_INVALID;
	*why = "\"cpus\" is no positive number";
	if (number_read(params->cpus, &push->cpus))
		return ERR_INVALID;
	return name_read(params->name, push, why);
}

static int format_read(const struct profile_ingest_params *params, struct profile_push *push,
		       const char **why)
{
	static const struct {
		const char *name;
		enum profile_format format;
	} formats[] = {
		{ "pprof", PROFILE_FORMAT_PPROF },
		{ "folded", PROFILE_FORMAT_FOLDED },
		{ "collapsed", PROFILE_FORMAT_FOLDED },
		{ "lines", PROFILE_FORMAT_LINES },
	};
	static const struct slice multipart = { "multipart/form-data", 19 };
	const char *name = params->format;
	bool is_multipart =
		params->content_type.len >= multipart.len &&
		strncasecmp(params->content_type.ptr, multipart.ptr, multipart.len) == 0;

	if (is_multipart) {
		int code = multipart_find(params->content_type, push->bytes, "profile",
					  &push->bytes, why);

		if (code == ERR_NOT_FOUND) {
			*why = "the multipart body has no part \"profile\"";
			code = ERR_INVALID;
		}
		if (code)
			return code;
	}
	if (!name || !*name) {
		push->format =
			pprof_is_likely(push->bytes) ? PROFILE_FORMAT_PPROF : PROFILE_FORMAT_FOLDED;
		return 0;
	}
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		if (strcmp(formats[i].name, name) == 0) {
			push->format = formats[i].format;
			return 0;
		}
	}
	*why = "this \"format\" is not known: pprof, folded and lines are";
	return ERR_UNSUPPORTED;
}

int profile_ingest_read(const struct profile_ingest_params *params, struct slice body,
			profile_push_fn *fn, void *ctx, const char **why)
{
	struct profile_push push = { .bytes = body };
	int code = format_read(params, &push, why);

	if (code == 0)
		code = params_read(params, &push, why);
	if (code == 0)
		code = fn(ctx, &push);
	labels_unref(push.labels);
	return code;
}

/* ---- push.v1: protobuf ---- */

enum { REQUEST_SERIES = 1 };
enum { SERIES_LABELS = 1, SERIES_SAMPLES };
enum { PAIR_NAME = 1, PAIR_VALUE };
enum { SAMPLE_RAW_PROFILE = 1 };

static int damaged(const char **why)
{
	*why = "no PushRequest: the protobuf is damaged";
	return ERR_CORRUPT;
}

static int pair_read(struct slice bytes, struct labels_builder *builder, struct profile_push *push,
		     const char **why)
{
	struct pb_walk walk = pb_walk_of(bytes);
	struct slice name = { 0 }, value = { 0 };
	struct pb_field field;
	int more;

	while ((more = pb_next(&walk, &field)) > 0) {
		if (field.wire != PB_BYTES)
			continue;
		if (field.number == PAIR_NAME)
			name = field.bytes;
		else if (field.number == PAIR_VALUE)
			value = field.bytes;
	}
	if (more < 0)
		return damaged(why);
	if (slice_is(name, METRIC_NAME))
		push->hint = profile_kind_of(value);
	else
		label_set(builder, name, value);
	return 0;
}

static int samples_push(struct slice series, struct profile_push *push, uint32_t *n,
			profile_push_fn *fn, void *ctx, const char **why)
{
	struct pb_walk walk = pb_walk_of(series);
	struct pb_field field;
	int code = 0;

	while (code == 0 && pb_next(&walk, &field) > 0) {
		if (field.number != SERIES_SAMPLES || field.wire != PB_BYTES)
			continue;
		struct pb_walk sample = pb_walk_of(field.bytes);
		struct pb_field own;
		int more;

		push->bytes = (struct slice){ 0 };
		while ((more = pb_next(&sample, &own)) > 0)
			if (own.number == SAMPLE_RAW_PROFILE && own.wire == PB_BYTES)
				push->bytes = own.bytes;
		if (more < 0)
			return damaged(why);
		if (++*n > PROFILE_PUSH_PROFILES_MAX) {
			*why = "too many profiles in one request";
			return ERR_LIMIT;
		}
		code = fn(ctx, push);
	}
	return code;
}

static int series_push(struct slice series, uint32_t *n, profile_push_fn *fn, void *ctx,
		       const char **why)
{
	struct profile_push push = { .format = PROFILE_FORMAT_PPROF, .hint = PROFILE_KIND_NONE };
	struct pb_walk walk = pb_walk_of(series);
	struct labels_builder builder;
	struct pb_field field;
	int more = 0, code = 0;

	labels_builder_init(&builder);
	while (code == 0 && (more = pb_next(&walk, &field)) > 0)
		if (field.number == SERIES_LABELS && field.wire == PB_BYTES)
			code = pair_read(field.bytes, &builder, &push, why);
	if (code == 0 && more < 0)
		code = damaged(why);
	if (code) {
		labels_builder_fini(&builder);
		return code;
	}
	code = labels_finish(&builder, &push.labels, why);
	if (code == 0)
		code = samples_push(series, &push, n, fn, ctx, why);
	labels_unref(push.labels);
	return code;
}

int profile_push_read(struct slice body, profile_push_fn *fn, void *ctx, const char **why)
{
	struct pb_walk walk = pb_walk_of(body);
	struct pb_field field;
	uint32_t n = 0;
	int more = 0, code = 0;

	while (code == 0 && (more = pb_next(&walk, &field)) > 0)
		if (field.number == REQUEST_SERIES && field.wire == PB_BYTES)
			code = series_push(field.bytes, &n, fn, ctx, why);
	return code == 0 && more < 0 ? damaged(why) : code;
}

/* ---- push.v1: JSON ---- */

static struct slice json_text(const json_t *json)
{
	return (struct slice){ json_string_value(json), json_string_length(json) };
}

/* A member of either spelling: protobuf's JSON knows both. */
static const json_t *member(const json_t *object, const char *camel, const char *snake)
{
	const json_t *found = json_object_get(object, camel);

	return found ? found : json_object_get(object, snake);
}

/* Base64, as OpenSSL reads it: with padding; whole groups of four. */
static int base64_read(struct slice text, struct buf *out, const char **why)
{
	*why = "\"rawProfile\" is no base64";
	buf_clear(out);
	size_t padding = 0;

	while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
		padding++;
	/* The library takes padding anywhere for zeros. */
	if (text.len % 4 || text.len > INT32_MAX ||
	    (text.len && memchr(text.ptr, '=', text.len - padding)))
		return ERR_INVALID;
	char *to = buf_reserve(out, text.len / 4 * 3 + 1);

	if (!to)
		return ERR_NOMEM;
	int n = EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)text.ptr,
				(int)text.len);

	if (n < 0)
		return ERR_INVALID;
	out->len = (size_t)n - padding;
	return 0;
}

static int json_labels_read(const json_t *list, struct profile_push *push, const char **why)
{
	struct labels_builder builder;
	const json_t *pair;
	size_t i;

	labels_builder_init(&builder);
	json_array_foreach (list, i, pair) {
		struct slice name = json_text(json_object_get(pair, "name")),
			     value = json_text(json_object_get(pair, "value"));

		if (slice_is(name, METRIC_NAME))
			push->hint = profile_kind_of(value);
		else
			label_set(&builder, name, value);
	}
	return labels_finish(&builder, &push->labels, why);
}

static int json_series_push(const json_t *series, uint32_t *n, struct buf *raw, profile_push_fn *fn,
			    void *ctx, const char **why)
{
	struct profile_push push = { .format = PROFILE_FORMAT_PPROF, .hint = PROFILE_KIND_NONE };
	int code = json_labels_read(json_object_get(series, "labels"), &push, why);
	const json_t *sample;
	size_t i;

	if (code)
		return code;
	json_array_foreach (json_object_get(series, "samples"), i, sample) {
		const json_t *text = member(sample, "rawProfile", "raw_profile");

		if (++*n > PROFILE_PUSH_PROFILES_MAX) {
			*why = "too many profiles in one request";
			code = ERR_LIMIT;
		}
		if (code == 0)
			code = base64_read(json_text(text), raw, why);
		push.bytes = buf_slice(raw);
		if (code || (code = fn(ctx, &push)))
			break;
	}
	labels_unref(push.labels);
	return code;
}

int profile_push_json_read(struct slice body, profile_push_fn *fn, void *ctx, const char **why)
{
	json_t *json =
		body.len ? json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const json_t *series;
	uint32_t n = 0;
	struct buf raw;
	int code = 0;
	size_t i;

	*why = "no PushRequest: no JSON object";
	if (!json_is_object(json)) {
		json_decref(json);
		return ERR_INVALID;
	}
	buf_init(&raw);
	json_array_foreach (json_object_get(json, "series"), i, series) {
		code = json_series_push(series, &n, &raw, fn, ctx, why);
		if (code)
			break;
	}
	buf_fini(&raw);
	json_decref(json);
	return code;
}
