/* OTLP: metrics to rows, logs to lines, both encodings, replies, limits. */
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/otlp.h"
#include "ingest/otlp_schema.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"
#include "tests/ingest/log_trace.h"

#define JSON "application/json"
#define PROTOBUF "application/x-protobuf"
#define T "1700000000000000000"
#define SHOP                                                                                       \
	"\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"      \
	"\"shop\"}},{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"i\"}}]}"
#define METRICS(metrics)                                                                           \
	"{\"resourceMetrics\":[{" SHOP ",\"scopeMetrics\":[{\"metrics\":[" metrics "]}]}]}"
#define POINT(rest) "{\"dataPoints\":[{\"timeUnixNano\":\"" T "\"," rest "}]}"

static struct otlp_decoder *decoder;
static struct otlp_result result;
static struct batch *batch;
static struct buf text;
static struct log_trace trace;

static void setup(void)
{
	struct hash_key key;

	hash_key_derive(&key, "test", 4);
	decoder = otlp_decoder_new(&key);
	batch = batch_new();
	ck_assert(decoder && batch);
	buf_init(&text);
	log_trace_init(&trace);
}

static void teardown(void)
{
	otlp_decoder_free(decoder);
	batch_free(batch);
	buf_fini(&text);
	log_trace_fini(&trace);
}

static int metrics_of(const char *type, const char *encoding, struct slice body)
{
	const struct otlp_request request = { .signal = OTLP_METRICS,
					      .content_type = slice_from(type),
					      .content_encoding = slice_from(encoding),
					      .body = body };
	struct slice message;

	batch_clear(batch);
	int status = otlp_open(decoder, &request, &result, &message);

	return status ? status : otlp_metrics(decoder, message, batch, &result);
}

/* The rows as text: name{labels} value [+ for deltas] [@ms], where it is not T. */
static const char *rows(void)
{
	buf_clear(&text);
	ck_assert_uint_eq(batch->nbirths, batch->nrows);
	for (uint32_t i = 0; i < batch->nrows; i++) {
		double value;

		labels_format(batch->births[i].labels, &text);
		memcpy(&value, &batch->rows[i].bits, sizeof(value));
		buf_add_str(&text, batch->births[i].is_delta ? " +" : " ");
		if (batch->rows[i].bits == STALE_NAN_BITS)
			buf_add_str(&text, "stale");
		else
			number_format_json(value, &text);
		if (batch->rows[i].ts_ms != 1700000000000)
			buf_printf(&text, " @%lld", (long long)batch->rows[i].ts_ms);
		buf_add_char(&text, '\n');
	}
	buf_add_str(&text, "");
	return text.ptr ? text.ptr : "";
}

static void expect_metrics(const char *json, const char *wanted)
{
	ck_assert_int_eq(metrics_of(JSON, "", slice_from(json)), 0);
	ck_assert_str_eq(rows(), wanted);
	ck_assert_uint_eq(result.rejected, 0);
}

START_TEST(each_kind_of_metric_becomes_the_series_that_prometheus_makes_of_it)
{
	expect_metrics(METRICS("{\"name\":\"jvm.memory.used\",\"unit\":\"By\",\"gauge\":" POINT(
			       "\"asInt\":\"5\",\"attributes\":[{\"key\":\"jvm.memory.type\","
			       "\"value\":{\"stringValue\":\"heap\"}}]") "}"),
		       "jvm_memory_used_bytes{instance=\"i\", job=\"shop\", "
		       "jvm_memory_type=\"heap\"} 5\n");
	expect_metrics(METRICS("{\"name\":\"load\",\"unit\":\"1\",\"gauge\":" POINT(
			       "\"asDouble\":0.25") "}"),
		       "load_ratio{instance=\"i\", job=\"shop\"} 0.25\n");
	expect_metrics(METRICS("{\"name\":\"requests\",\"sum\":{\"isMonotonic\":true,"
			       "\"aggregationTemporality\":2,\"dataPoints\":[{\"timeUnixNano\":"
			       "\"" T "\",\"asInt\":7}]}}"),
		       "requests_total{instance=\"i\", job=\"shop\"} 7\n");
	expect_metrics(METRICS("{\"name\":\"queue\",\"sum\":{\"aggregationTemporality\":2,"
			       "\"dataPoints\":[{\"timeUnixNano\":\"" T "\",\"asInt\":\"-7\"}]}}"),
		       "queue{instance=\"i\", job=\"shop\"} -7\n");
	expect_metrics(
		METRICS("{\"name\":\"http.server.request.duration\",\"unit\":\"s\",\"histogram\":{"
			"\"aggregationTemporality\":2,\"dataPoints\":[{\"timeUnixNano\":\"" T
			"\",\"count\":\"6\",\"sum\":2.5,\"bucketCounts\":[\"1\",\"2\",\"3\"],"
			"\"explicitBounds\":[0.1,1]}]}}"),
		"http_server_request_duration_seconds_bucket{instance=\"i\", job=\"shop\", "
		"le=\"0.1\"} 1\n"
		"http_server_request_duration_seconds_bucket{instance=\"i\", job=\"shop\", "
		"le=\"1\"} 3\n"
		"http_server_request_duration_seconds_bucket{instance=\"i\", job=\"shop\", "
		"le=\"+Inf\"} 6\n"
		"http_server_request_duration_seconds_count{instance=\"i\", job=\"shop\"} 6\n"
		"http_server_request_duration_seconds_sum{instance=\"i\", job=\"shop\"} 2.5\n");
	expect_metrics(METRICS("{\"name\":\"e\",\"exponentialHistogram\":{"
			       "\"aggregationTemporality\":2,\"dataPoints\":[{\"timeUnixNano\":"
			       "\"" T "\",\"count\":6,\"sum\":2.5,\"scale\":3}]}}"),
		       "e_count{instance=\"i\", job=\"shop\"} 6\n"
		       "e_sum{instance=\"i\", job=\"shop\"} 2.5\n");
	expect_metrics(METRICS("{\"name\":\"s\",\"summary\":" POINT(
			       "\"count\":\"2\",\"sum\":3,\"quantileValues\":[{\"value\":1},"
			       "{\"quantile\":0.5,\"value\":2}]") "}"),
		       "s{instance=\"i\", job=\"shop\", quantile=\"0\"} 1\n"
		       "s{instance=\"i\", job=\"shop\", quantile=\"0.5\"} 2\n"
		       "s_count{instance=\"i\", job=\"shop\"} 2\n"
		       "s_sum{instance=\"i\", job=\"shop\"} 3\n");
	expect_metrics(METRICS("{\"name\":\"g\",\"gauge\":" POINT(
			       "\"asInt\":\"9223372036854775807\"") "}"),
		       "g{instance=\"i\", job=\"shop\"} 9223372036854776000\n");
	/* flags bit 0: no value; a double that is no number */
	expect_metrics(METRICS("{\"name\":\"g\",\"gauge\":" POINT("\"flags\":1") "}"),
		       "g{instance=\"i\", job=\"shop\"} stale\n");
	expect_metrics(METRICS("{\"name\":\"g\",\"gauge\":" POINT("\"asDouble\":\"-Infinity\"") "}"),
		       "g{instance=\"i\", job=\"shop\"} -Inf\n");
}
END_TEST

START_TEST(deltas_are_marked_and_bring_their_start)
{
	expect_metrics(METRICS("{\"name\":\"d\",\"sum\":{\"isMonotonic\":true,"
			       "\"aggregationTemporality\":1,\"dataPoints\":[{"
			       "\"startTimeUnixNano\":\"1699999990000000000\","
			       "\"timeUnixNano\":\"" T "\",\"asInt\":7}]}}"),
		       "d_total{instance=\"i\", job=\"shop\"} +0 @1699999990000\n"
		       "d_total{instance=\"i\", job=\"shop\"} +7\n");
}
END_TEST

static const char *named(const char *name, const char *unit, const char *kind)
{
	struct buf json;

	buf_init(&json);
	buf_printf(&json,
		   "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"%s\","
		   "\"unit\":\"%s\",%s}]}]}]}",
		   name, unit,
		   kind[0] == 'c' ? "\"sum\":{\"isMonotonic\":true,\"aggregationTemporality\":2,"
				    "\"dataPoints\":[{\"timeUnixNano\":\"" T "\",\"asInt\":1}]}"
				  : "\"gauge\":" POINT("\"asInt\":1"));
	ck_assert_int_eq(metrics_of(JSON, "", buf_slice(&json)), 0);
	buf_fini(&json);
	rows();
	char *end = strchr(text.ptr, ' ');

	ck_assert_ptr_nonnull(end);
	*end = '\0';
	return text.ptr;
}

START_TEST(names_get_units_and_endings_once)
{
	static const struct {
		const char *name, *unit, *kind, *wanted;
	} cases[] = {
		{ "a.b-c", "", "gauge", "a_b_c" },
		{ "a..b_", "", "gauge", "a_b" },
		{ "x", "ms", "gauge", "x_milliseconds" },
		{ "x.milliseconds", "ms", "gauge", "x_milliseconds" },
		{ "x", "{requests}", "gauge", "x" },
		{ "x", "m/s", "gauge", "x_meters_per_second" },
		{ "x", "{packets}/s", "gauge", "x_per_second" },
		{ "x", "widget", "gauge", "x_widget" },
		{ "x", "1", "gauge", "x_ratio" },
		{ "x", "1", "counter", "x_total" },
		{ "x.total", "s", "counter", "x_seconds_total" },
		{ "9x", "%", "gauge", "_9x_percent" },
		{ "job:x", "", "gauge", "job:x" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(named(cases[i].name, cases[i].unit, cases[i].kind),
				 cases[i].wanted);
}
END_TEST

START_TEST(attributes_become_labels_and_the_resource_its_target)
{
	/* The resource behind its metrics; a namespace; values of all types; names that meet. */
	expect_metrics(
		"{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"g\",\"gauge\":" POINT(
			"\"asInt\":1,\"attributes\":["
			"{\"key\":\"a.b\",\"value\":{\"stringValue\":\"2\"}},"
			"{\"key\":\"a-b\",\"value\":{\"stringValue\":\"1\"}},"
			"{\"key\":\"9\",\"value\":{\"boolValue\":true}},"
			"{\"key\":\"_x\",\"value\":{\"intValue\":\"-4\"}},"
			"{\"key\":\"d\",\"value\":{\"doubleValue\":1.5}},"
			"{\"key\":\"y\",\"value\":{\"bytesValue\":\"AQI=\"}},"
			"{\"key\":\"l\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":1},"
			"{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"stringValue\":"
			"\"v\"}}]}}]}}},"
			"{\"key\":\"none\"}]") "}]}],"
		"\"resource\":{\"attributes\":["
		"{\"key\":\"service.namespace\",\"value\":{\"stringValue\":\"n\"}},"
		"{\"key\":\"service.name\",\"value\":{\"stringValue\":\"s\"}},"
		"{\"key\":\"host.name\",\"value\":{\"stringValue\":\"h\"}}]}}]}",
		"g{a_b=\"1;2\", d=\"1.5\", job=\"n/s\", key_9=\"true\", key_x=\"-4\", "
		"l=\"[1,{\\\"k\\\":\\\"v\\\"}]\", y=\"AQI=\"} 1\n"
		"target_info{host_name=\"h\", job=\"n/s\"} 1\n");
}
END_TEST

START_TEST(both_encodings_and_gzip_say_the_same)
{
	const char *json = METRICS("{\"name\":\"g\",\"unit\":\"s\",\"gauge\":" POINT(
		"\"asDouble\":1.5") "}");
	struct buf protobuf, packed;
	const char *why;

	buf_init(&protobuf);
	buf_init(&packed);
	ck_assert_int_eq(otlp_json_encode(&otlp_metrics_request, slice_from(json), &protobuf, &why),
			 0);
	enc_gzip(&packed, buf_slice(&protobuf));
	ck_assert_int_eq(metrics_of(PROTOBUF, "", buf_slice(&protobuf)), 0);
	ck_assert_str_eq(rows(), "g_seconds{instance=\"i\", job=\"shop\"} 1.5\n");
	ck_assert_int_eq(metrics_of(PROTOBUF, "gzip", buf_slice(&packed)), 0);
	ck_assert_str_eq(rows(), "g_seconds{instance=\"i\", job=\"shop\"} 1.5\n");
	ck_assert_int_eq(metrics_of(PROTOBUF "; charset=utf-8", "identity", buf_slice(&protobuf)), 0);
	buf_fini(&protobuf);
	buf_fini(&packed);
}
END_TEST

/* Of 63 bytes; one more is none. */
START_TEST(numbers_as_text_are_so_long)
{
	for (int digits = 63; digits <= 64; digits++) {
		char json[500];

		snprintf(json, sizeof(json),
			 METRICS("{\"name\":\"g\",\"gauge\":" POINT("\"asInt\":\"%0*d\"") "}"),
			 digits, 7);
		ck_assert_int_eq(metrics_of(JSON, "", slice_from(json)), digits == 63 ? 0 : 400);
		if (digits == 63)
			ck_assert_str_eq(rows(), "g{instance=\"i\", job=\"shop\"} 7\n");
		else
			ck_assert_ptr_nonnull(strstr(result.error, "a number is expected"));
	}
}
END_TEST

static const char *reply(enum otlp_signal signal)
{
	buf_clear(&text);
	otlp_reply(signal, &result, &text);
	buf_add_str(&text, "");
	return text.ptr ? text.ptr : "";
}

START_TEST(a_bad_point_is_told_and_stops_no_other)
{
	ck_assert_int_eq(
		metrics_of(JSON, "",
			   slice_from(METRICS(
				   "{\"name\":\"bad\",\"gauge\":{\"dataPoints\":[{\"asInt\":1}]}},"
				   "{\"name\":\"h\",\"histogram\":{\"dataPoints\":[{"
				   "\"timeUnixNano\":\"" T "\",\"count\":1,\"bucketCounts\":[1],"
				   "\"explicitBounds\":[1,2]}]}},"
				   "{\"gauge\":" POINT("\"asInt\":1") "},"
				   "{\"name\":\"good\",\"gauge\":" POINT("\"asInt\":1") "}"))),
		0);
	ck_assert_str_eq(rows(), "good{instance=\"i\", job=\"shop\"} 1\n");
	ck_assert_str_eq(reply(OTLP_METRICS),
			 "{\"partialSuccess\":{\"rejectedDataPoints\":\"3\",\"errorMessage\":"
			 "\"\\\"bad\\\": a point without a time; \\\"h\\\": bucket counts must be "
			 "one more than explicit bounds; a metric without a name\"}}");
	result.json = false;
	const char *bytes = reply(OTLP_METRICS);

	ck_assert(bytes[0] == 0x0a && bytes[2] == 0x08 && bytes[3] == 3 && bytes[4] == 0x12);
	ck_assert_int_eq(metrics_of(JSON, "", SLICE("{}")), 0);
	ck_assert_str_eq(reply(OTLP_METRICS), "{}");
	result.json = false;
	ck_assert_str_eq(reply(OTLP_METRICS), "");
}
END_TEST

START_TEST(what_cannot_be_read_is_refused_whole)
{
	static const struct {
		const char *type, *encoding, *body;
		int status;
		const char *why;
	} cases[] = {
		{ "text/plain", "", "{}", 415, "unsupported content type" },
		{ JSON, "br", "{}", 415, "unsupported content encoding" },
		{ JSON, "gzip", "no gzip", 400, "" },
		{ JSON, "", "", 400, "an object is expected" },
		{ JSON, "", "{", 400, "malformed object" },
		{ JSON, "", "{} {}", 400, "something follows" },
		{ JSON, "", METRICS("{\"name\":1}"), 400, "a string is expected" },
		{ JSON, "", METRICS("{\"name\":\"s\",\"summary\":" POINT("\"count\":\"-1\"") "}"), 400,
		  "an integer that is not negative is expected" },
		{ JSON, "", METRICS("{\"name\":\"s\",\"summary\":" POINT("\"count\":-1e3") "}"), 400,
		  "an integer that is not negative is expected" },
		{ JSON, "", METRICS("{\"gauge\":3}"), 400, "an object is expected" },
		{ JSON, "", METRICS("{\"gauge\":" POINT("\"asInt\":\"x\"") "}"), 400, "integer" },
		{ JSON, "", METRICS("{\"gauge\":" POINT("\"asInt\":1.5") "}"), 400, "integer" },
		{ JSON, "", METRICS("{\"gauge\":" POINT("\"asInt\":\"18446744073709551616\"") "}"),
		  400, "integer" },
		{ JSON, "", METRICS("{\"gauge\":" POINT("\"asInt\":\"9223372036854775808\"") "}"),
		  400, "integer" },
		{ JSON, "", METRICS("{\"gauge\":" POINT("\"asInt\":9223372036854775808.0") "}"),
		  400, "integer" },
		{ JSON, "", METRICS("{\"gauge\":" POINT("\"asInt\":1,\"attributes\":[{\"value\":{"
							"\"intValue\":9223372036854775808}}]") "}"),
		  400, "integer" },
		{ JSON, "", METRICS("{\"gauge\":" POINT("\"asInt\":\"-9223372036854775809\"") "}"),
		  400, "integer" },
		{ PROTOBUF, "", "\x0a\x7f", 400, "corrupt protobuf" },
		{ PROTOBUF, "", "\x0a\x02\x12\x05", 400, "corrupt protobuf" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(metrics_of(cases[i].type, cases[i].encoding,
					    slice_from(cases[i].body)),
				 cases[i].status);
		ck_assert_msg(strstr(result.error, cases[i].why) != NULL, "%s", result.error);
	}
	otlp_reply_refused(400, &result, &text);
	ck_assert(text.ptr[0] == 0x08 && text.ptr[1] == 3 && text.ptr[2] == 0x12);
	result.json = true;
	buf_clear(&text);
	otlp_reply_refused(503, &(struct otlp_result){ .json = true, .error = "busy" }, &text);
	ck_assert_str_eq(text.ptr, "{\"code\":14,\"message\":\"busy\"}");
}
END_TEST

START_TEST(depth_attributes_and_series_have_limits)
{
	struct buf json;

	buf_init(&json);
	buf_add_str(&json, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":");
	for (int i = 0; i < OTLP_JSON_DEPTH_MAX; i++)
		buf_add_str(&json, "{\"arrayValue\":{\"values\":[");
	const char *why;
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(otlp_json_encode(&otlp_logs_request, buf_slice(&json), &out, &why),
			 ERR_LIMIT);
	ck_assert_str_eq(why, "JSON nested too deep");
	buf_fini(&out);
	buf_clear(&json);
	buf_add_str(&json, "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"g\","
			   "\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":\"" T
			   "\",\"asInt\":1,\"attributes\":[");
	for (unsigned i = 0; i <= OTLP_ATTRIBUTES_MAX; i++)
		buf_printf(&json, "%s{\"key\":\"a%u\",\"value\":{\"intValue\":1}}", i ? "," : "", i);
	buf_add_str(&json, "]}]}}]}]}]}");
	ck_assert_int_eq(metrics_of(JSON, "", buf_slice(&json)), 0);
	ck_assert_uint_eq(result.rejected, 1);
	ck_assert_ptr_nonnull(strstr(result.error, "too many attributes"));
	buf_clear(&json);
	buf_add_str(&json, "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"h\","
			   "\"histogram\":{\"aggregationTemporality\":2,\"dataPoints\":["
			   "{\"timeUnixNano\":\"" T "\",\"count\":1,\"explicitBounds\":[");
	for (unsigned i = 0; i <= 1000; i++)
		buf_printf(&json, "%s%u", i ? "," : "", i);
	buf_add_str(&json, "]}]}}]}]}]}");
	ck_assert_int_eq(metrics_of(JSON, "", buf_slice(&json)), 0);
	ck_assert_uint_eq(result.rejected, 1);
	ck_assert_ptr_nonnull(strstr(result.error, "a histogram with too many bounds"));
	for (unsigned n = 64; n <= 65; n++) {
		buf_clear(&json);
		buf_add_str(&json,
			    "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":"
			    "\"s\",\"summary\":{\"dataPoints\":[{\"timeUnixNano\":\"" T
			    "\",\"count\":1,\"quantileValues\":[");
		for (unsigned i = 0; i < n; i++)
			buf_printf(&json, "%s{\"quantile\":%g,\"value\":1}", i ? "," : "",
				   i / 100.0);
		buf_add_str(&json, "]}]}}]}]}]}");
		ck_assert_int_eq(metrics_of(JSON, "", buf_slice(&json)), 0);
		ck_assert_uint_eq(result.rejected, n - 64);
		ck_assert_uint_eq(batch->nrows, n == 64 ? 64 + 1 : 0);
	}
	ck_assert_ptr_nonnull(strstr(result.error, "a summary with too many quantiles"));
	/* A large attribute of the resource at every point: bounded before memory is. */
	buf_clear(&json);
	buf_add_str(&json, "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":"
			   "\"service.name\",\"value\":{\"stringValue\":\"");
	for (int i = 0; i < 60000; i++)
		buf_add_char(&json, 'x');
	buf_add_str(&json, "\"}}]},\"scopeMetrics\":[{\"metrics\":[{\"name\":\"g\",\"gauge\":{"
			   "\"dataPoints\":[");
	for (unsigned i = 0; i < OTLP_LABEL_BYTES_MAX / 60000 + 2; i++)
		buf_printf(&json, "%s{\"timeUnixNano\":\"" T "\",\"asInt\":1}", i ? "," : "");
	buf_add_str(&json, "]}}]}]}]}");
	ck_assert_int_eq(metrics_of(JSON, "", buf_slice(&json)), 413);
	buf_fini(&json);
}
END_TEST

/* {n points of a gauge} as protobuf */
static void points_of(uint32_t n, struct buf *out)
{
	struct buf point, gauge, metric, scope, resource;

	buf_init(&point);
	buf_init(&gauge);
	buf_init(&metric);
	buf_init(&scope);
	buf_init(&resource);
	buf_init(out);
	enc_fixed64(&point, 3, UINT64_C(1700000000000000000));
	enc_fixed64(&point, 6, 1);
	for (uint32_t i = 0; i < n; i++)
		enc_bytes(&gauge, 1, buf_slice(&point));
	enc_str(&metric, 1, "g");
	enc_message(&metric, 5, &gauge);
	enc_message(&scope, 2, &metric);
	enc_message(&resource, 2, &scope);
	enc_message(out, 1, &resource);
	buf_fini(&point);
	buf_fini(&gauge);
	buf_fini(&metric);
	buf_fini(&scope);
	buf_fini(&resource);
}

START_TEST(a_request_makes_so_many_rows)
{
	struct buf body;

	points_of(OTLP_ROWS_MAX + 1, &body);
	ck_assert_int_eq(metrics_of(PROTOBUF, "", buf_slice(&body)), 413);
	ck_assert_str_eq(result.error, "the request makes too many series");
	ck_assert_uint_eq(batch->nrows, OTLP_ROWS_MAX);
	buf_fini(&body);
}
END_TEST

START_TEST(a_body_is_limited)
{
	char *zeros = calloc(1, OTLP_BODY_MAX + 1);

	ck_assert_ptr_nonnull(zeros);
	ck_assert_int_eq(metrics_of(PROTOBUF, "", (struct slice){ zeros, OTLP_BODY_MAX + 1 }), 413);
	ck_assert_str_eq(result.error, "the body is too large");
	/* Looked at: no field has the number 0. */
	ck_assert_int_eq(metrics_of(PROTOBUF, "", (struct slice){ zeros, OTLP_BODY_MAX }), 400);
	free(zeros);
}
END_TEST

/* Words of a name beyond so many are left out, and complaints for which there is no room. */
START_TEST(names_and_complaints_are_limited)
{
	struct buf json;
	char name[200] = "";

	buf_init(&json);
	buf_add_str(&json, "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"");
	for (int i = 0; i < 65; i++) {
		buf_printf(&json, "%sw%d", i ? "." : "", i % 10);
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "%sw%d", i ? "_" : "",
			 i % 10);
	}
	name[64 * 3 - 1] = '\0';
	buf_add_str(&json, "\",\"unit\":\"By\",\"gauge\":" POINT("\"asInt\":1") "}]}]}]}");
	ck_assert_int_eq(metrics_of(JSON, "", buf_slice(&json)), 0);
	ck_assert_uint_eq(batch->nrows, 1);
	ck_assert(slice_is(labels_get(batch->births[0].labels, SLICE("__name__")), name));
	buf_clear(&json);
	buf_add_str(&json, "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[");
	for (int i = 0; i < 100; i++)
		buf_printf(
			&json,
			"%s{\"name\":\"a_bad_one_%d\",\"gauge\":{\"dataPoints\":[{\"asInt\":1}]}}",
			i ? "," : "", i);
	buf_add_str(&json, "]}]}]}");
	ck_assert_int_eq(metrics_of(JSON, "", buf_slice(&json)), 0);
	ck_assert_uint_eq(result.rejected, 100);
	ck_assert_uint_lt(strlen(result.error), OTLP_ERROR_MAX);
	ck_assert_uint_gt(strlen(result.error), OTLP_ERROR_MAX - 100);
	buf_fini(&json);
}
END_TEST

#define NOW_MS 1700000005000 /* five seconds after T */

static int logs_of(const char *json)
{
	const struct otlp_request request = { .signal = OTLP_LOGS,
					      .content_type = SLICE(JSON),
					      .body = slice_from(json) };
	struct log_sink sink = log_trace_sink(&trace);
	struct slice message;

	log_trace_clear(&trace);
	int status = otlp_open(decoder, &request, &result, &message);

	return status ? status : otlp_logs(decoder, message, NOW_MS, &sink, &result);
}

START_TEST(records_become_lines_with_labels_of_stream_and_line)
{
	ck_assert_int_eq(
		logs_of("{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":["
			"{\"timeUnixNano\":\"" T "\",\"severityNumber\":17,\"severityText\":\"ERROR\","
			"\"body\":{\"stringValue\":\"it failed\"},\"traceId\":"
			"\"0102030405060708090a0b0c0d0e0f10\",\"attributes\":[{\"key\":\"code.line\","
			"\"value\":{\"intValue\":7}}]},"
			"{\"observedTimeUnixNano\":\"1700000000000000007\",\"body\":{\"kvlistValue\":{\"values\":[{"
			"\"key\":\"a\",\"value\":{\"doubleValue\":0.5}}]}}},"
			"{\"body\":{\"intValue\":3}}]}],"
			"\"resource\":{\"attributes\":["
			"{\"key\":\"k8s.pod.name\",\"value\":{\"stringValue\":\"p\"}},"
			"{\"key\":\"host.arch\",\"value\":{\"stringValue\":\"arm\"}},"
			"{\"key\":\"service.name\",\"value\":{\"stringValue\":\"shop\"}}]}}]}"),
		0);
	ck_assert_str_eq(log_trace_text(&trace),
			 "stream {job=\"shop\", k8s_pod_name=\"p\", service_name=\"shop\"}\n"
			 "1700000000000000000 it failed {code_line=\"7\", host_arch=\"arm\", "
			 "severity_number=\"17\", severity_text=\"ERROR\", "
			 "trace_id=\"0102030405060708090a0b0c0d0e0f10\"}\n"
			 "1700000000000000007 {\"a\":0.5} {host_arch=\"arm\"}\n"
			 "1700000005000000000 3 {host_arch=\"arm\"}\n");
	ck_assert_uint_eq(result.rejected, 0);
}
END_TEST

/* An array counts as one, what is in it as the next; what is deeper is null. */
START_TEST(values_are_read_so_deep)
{
	for (int depth = OTLP_VALUE_DEPTH_MAX; depth <= OTLP_VALUE_DEPTH_MAX + 1; depth++) {
		struct buf json, line;

		buf_init(&json);
		buf_init(&line);
		buf_add_str(&json, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":["
				   "{\"timeUnixNano\":\"" T "\",\"body\":");
		for (int i = 1; i < depth; i++) {
			buf_add_str(&json, "{\"arrayValue\":{\"values\":[");
			buf_add_char(&line, '[');
		}
		buf_add_str(&json, "{\"intValue\":7}");
		buf_add_str(&line, depth <= OTLP_VALUE_DEPTH_MAX ? "7" : "null");
		for (int i = 1; i < depth; i++) {
			buf_add_str(&json, "]}}");
			buf_add_char(&line, ']');
		}
		buf_add_str(&json, "}]}]}]}");
		ck_assert_int_eq(logs_of(json.ptr), 0);
		ck_assert_uint_eq(result.rejected, 0);
		ck_assert_ptr_nonnull(strstr(log_trace_text(&trace), line.ptr));
		buf_fini(&line);
		buf_fini(&json);
	}
}
END_TEST

START_TEST(records_of_times_that_no_window_takes_are_refused)
{
	ck_assert_int_eq(
		logs_of("{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":["
			"{\"timeUnixNano\":\"1\",\"body\":{\"stringValue\":\"of 1970\"}},"
			"{\"timeUnixNano\":\"1700000605001000000\",\"body\":{\"stringValue\":\"to "
			"come\"}},"
			"{\"timeUnixNano\":\"18446744073709551615\"},"
			"{\"timeUnixNano\":\"1700000605000000000\",\"body\":{\"stringValue\":\"now\"}"
			"},"
			"{\"timeUnixNano\":\"1699395205000000000\",\"body\":{\"stringValue\":\"late\"}"
			"}]}]}]}"),
		0);
	ck_assert_str_eq(log_trace_text(&trace),
			 "stream {}\n1700000605000000000 now\n1699395205000000000 late\n");
	ck_assert_str_eq(reply(OTLP_LOGS),
			 "{\"partialSuccess\":{\"rejectedLogRecords\":\"3\",\"errorMessage\":\"a "
			 "record that is older than 7 days; a record more than 10 minutes in the "
			 "future; a record more than 10 minutes in the future\"}}");
}
END_TEST

START_TEST(without_memory_a_push_is_refused_to_be_sent_again)
{
	trace.fail_at = 1;
	ck_assert_int_eq(logs_of("{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{}]}]}]}"), 503);
}
END_TEST

static Suite *otlp_suite(void)
{
	Suite *suite = suite_create("otlp");
	TCase *tcase = tcase_create("otlp");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, each_kind_of_metric_becomes_the_series_that_prometheus_makes_of_it);
	tcase_add_test(tcase, deltas_are_marked_and_bring_their_start);
	tcase_add_test(tcase, names_get_units_and_endings_once);
	tcase_add_test(tcase, attributes_become_labels_and_the_resource_its_target);
	tcase_add_test(tcase, both_encodings_and_gzip_say_the_same);
	tcase_add_test(tcase, numbers_as_text_are_so_long);
	tcase_add_test(tcase, a_bad_point_is_told_and_stops_no_other);
	tcase_add_test(tcase, what_cannot_be_read_is_refused_whole);
	tcase_add_test(tcase, depth_attributes_and_series_have_limits);
	tcase_add_test(tcase, a_request_makes_so_many_rows);
	tcase_add_test(tcase, a_body_is_limited);
	tcase_add_test(tcase, names_and_complaints_are_limited);
	tcase_add_test(tcase, records_become_lines_with_labels_of_stream_and_line);
	tcase_add_test(tcase, values_are_read_so_deep);
	tcase_add_test(tcase, records_of_times_that_no_window_takes_are_refused);
	tcase_add_test(tcase, without_memory_a_push_is_refused_to_be_sent_again);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(otlp_suite)
