/* Loki's push protocol: both formats, what is around them, and what is wrong with them. */
#include "ingest/loki_push.h"

#include <stdlib.h>
#include <zlib.h>


#include "base/error.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"
#include "tests/ingest/log_trace.h"

#define NOW_MS 1700000000000
#define NOW "1700000000000000000"
#define JSON "application/json"
#define PROTOBUF "application/x-protobuf"

static struct loki_decoder *decoder;
static struct loki_result result;
static struct log_trace trace;
static struct buf request, stream, entry, part, body;

static void setup(void)
{
	decoder = loki_decoder_new();
	ck_assert_ptr_nonnull(decoder);
	log_trace_init(&trace);
	buf_init(&request);
	buf_init(&stream);
	buf_init(&entry);
	buf_init(&part);
	buf_init(&body);
}

static void teardown(void)
{
	loki_decoder_free(decoder);
	log_trace_fini(&trace);
	buf_fini(&request);
	buf_fini(&stream);
	buf_fini(&entry);
	buf_fini(&part);
	buf_fini(&body);
}

static int push(const char *type, const char *encoding, struct slice bytes)
{
	struct loki_request loki = { slice_from(type), slice_from(encoding), bytes, NOW_MS };
	struct log_sink sink = log_trace_sink(&trace);

	log_trace_clear(&trace);
	return loki_push(decoder, &loki, &sink, &result);
}

static int push_json(const char *text)
{
	return push(JSON, "", slice_from(text));
}

static void expect_json(const char *text, const char *wanted)
{
	ck_assert_int_eq(push_json(text), 204);
	ck_assert_str_eq(log_trace_text(&trace), wanted);
	ck_assert_str_eq(result.error, "");
}

static void refuse_json(const char *text, const char *why)
{
	ck_assert_int_eq(push_json(text), 400);
	ck_assert_msg(strstr(result.error, why) != NULL, "%s", result.error);
	ck_assert_str_eq(log_trace_text(&trace), "");
	ck_assert_uint_eq(result.streams, 0);
}

START_TEST(loki_reads_json)
{
	expect_json("{\"streams\":[{\"stream\":{\"job\":\"a\",\"b\":\"x\\ny\"},\"values\":["
		    "[\"" NOW "\",\"one \\\"1\\\"\"],[\"" NOW "\",\"two\",{\"id\":\"7\"}]]}]}",
		    "stream {b=\"x\\ny\", job=\"a\"}\n" NOW " one \"1\"\n" NOW
		    " two {id=\"7\"}\n");
	ck_assert_uint_eq(result.streams, 1);
	ck_assert_uint_eq(result.lines, 2);
	ck_assert_uint_eq(result.bytes, strlen("one \"1\"two"));
	/* Values before their stream, keys that we do not know, nothing at all. */
	expect_json("{\"x\":[{}],\"streams\":[{\"values\":[[\"" NOW "\",\"l\"]],\"y\":1,"
		    "\"stream\":{\"a\":\"b\"}},{\"stream\":{\"c\":\"d\"},\"values\":[]}]}",
		    "stream {a=\"b\"}\n" NOW " l\nstream {c=\"d\"}\n");
	expect_json("{}", "");
	expect_json("{\"streams\":[]}", "");
	expect_json("{\"streams\":null}", "");
}
END_TEST

START_TEST(loki_refuses_json_that_it_cannot_read_as_a_whole)
{
	refuse_json("", "malformed JSON");
	refuse_json("[]", "malformed JSON");
	refuse_json("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"" NOW "\",\"l\"]]}]",
		    "malformed JSON");
	refuse_json("{\"streams\":[]} x", "follows");
	refuse_json("{\"streams\":[{\"values\":[]}]}", "\"stream\"");
	refuse_json("{\"streams\":[{\"stream\":\"x\",\"values\":[]}]}", "\"stream\"");
	refuse_json("{\"streams\":[{\"stream\":{\"a\":1},\"values\":[]}]}", "no string");
	/* What comes before the fault is not taken either. */
	refuse_json("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"" NOW "\",\"l\"],[" NOW
		    ",\"l\"]]}]}",
		    "time");
	refuse_json("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1e9\",\"l\"]]}]}", "time");
	refuse_json("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"99999999999999999999\","
		    "\"l\"]]}]}",
		    "time");
	refuse_json("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"" NOW "\",7]]}]}",
		    "a line is no string");
	refuse_json("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"" NOW "\"]]}]}",
		    "a line is no string");
	refuse_json("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"" NOW
		    "\",\"l\",{\"m\":1}]]}]}",
		    "no string");
	refuse_json("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"" NOW
		    "\",\"l\",{},1]]}]}",
		    "more than");
}
END_TEST

static void entry_add(int64_t seconds, int64_t nanos, const char *line)
{
	enc_uint(&part, 1, (uint64_t)seconds);
	enc_uint(&part, 2, (uint64_t)nanos);
	enc_message(&entry, 1, &part);
	enc_str(&entry, 2, line);
}

static void stream_add(const char *labels)
{
	enc_str(&part, 1, labels);
	buf_add_slice(&part, buf_slice(&stream));
	buf_clear(&stream);
	enc_message(&request, 1, &part);
}

static void expect_protobuf(int status, const char *wanted)
{
	buf_clear(&body);
	enc_snappy(&body, buf_slice(&request));
	ck_assert_int_eq(push(PROTOBUF, "", buf_slice(&body)), status);
	ck_assert_str_eq(log_trace_text(&trace), wanted);
	buf_clear(&request);
}

START_TEST(loki_reads_protobuf)
{
	entry_add(1700000000, 5, "one");
	enc_message(&stream, 2, &entry);
	entry_add(1700000000, 6, "two");
	enc_str(&part, 1, "id");
	enc_str(&part, 2, "7");
	enc_message(&entry, 3, &part);
	enc_message(&stream, 2, &entry);
	enc_uint(&stream, 3, 99); /* the hash */
	stream_add("{job=\"a\", b = `x`, c=\"\\\"\\u00e4\",}");
	entry_add(1700000001, 0, "");
	enc_message(&stream, 2, &entry);
	stream_add("{z=\"}\"}");
	expect_protobuf(204, "stream {b=\"x\", c=\"\\\"\xc3\xa4\", job=\"a\"}\n"
			     "1700000000000000005 one\n1700000000000000006 two {id=\"7\"}\n"
			     "stream {z=\"}\"}\n1700000001000000000 \n");
	ck_assert_uint_eq(result.streams, 2);
	ck_assert_uint_eq(result.lines, 3);
}
END_TEST

START_TEST(loki_refuses_streams_by_themselves)
{
	static const char *const bad[] = { "",	       "{}",	     "{a}",	  "{a=b}",
					   "{a=\"b\"", "{a=\"b\"}x", "{a=\"\\q\"}", "{=\"b\"}",
					   "{a-b=\"c\"}", "{a=\"b\" c=\"d\"}",
					   "{a=\"b\",a=\"c\"}", "{a=\"\xff\"}" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		entry_add(1700000000, 0, "lost");
		enc_message(&stream, 2, &entry);
		stream_add(bad[i]);
		entry_add(1700000000, 0, "kept");
		enc_message(&stream, 2, &entry);
		stream_add("{a=\"b\"}");
		expect_protobuf(400, "stream {a=\"b\"}\n" NOW " kept\n");
		ck_assert_msg(result.error[0] != '\0', "%s", bad[i]);
		ck_assert_uint_eq(result.rejected, 1);
	}
	/* Whatever is in it. */
	struct buf labels;

	buf_init(&labels);
	buf_add_str(&labels, "{a=\"b\"");
	while (labels.len <= LOKI_STREAM_TEXT_MAX)
		buf_add_char(&labels, ' ');
	buf_add_char(&labels, '}');
	buf_add_str(&labels, "");
	entry_add(1700000000, 0, "lost");
	enc_message(&stream, 2, &entry);
	stream_add(labels.ptr);
	expect_protobuf(400, "");
	ck_assert_ptr_nonnull(strstr(result.error, "the labels of a stream are too long"));
	buf_fini(&labels);
	/* What is no message at all gives nothing. */
	entry_add(1700000000, 0, "lost");
	enc_message(&stream, 2, &entry);
	stream_add("{a=\"b\"}");
	buf_add_char(&request, '\x0a');
	expect_protobuf(400, "");
	ck_assert_ptr_nonnull(strstr(result.error, "malformed protobuf"));
}
END_TEST

START_TEST(loki_judges_lines_by_themselves)
{
	/* Too old, good, too new. */
	ck_assert_int_eq(push_json("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":["
				   "[\"1699395199999999999\",\"old\"],[\"1699395200000000000\",\"x\"],"
				   "[\"1700000600000000000\",\"y\"],[\"1700000600001000000\",\"new\"]]}]}"),
			 400);
	ck_assert_str_eq(log_trace_text(&trace),
			 "stream {a=\"b\"}\n1699395200000000000 x\n1700000600000000000 y\n");
	ck_assert_uint_eq(result.rejected, 2);
	ck_assert_uint_eq(result.lines, 2);
	ck_assert_ptr_nonnull(strstr(result.error, "timestamp too old"));
	ck_assert_ptr_nonnull(strstr(result.error, "timestamp too new"));
}
END_TEST

static void many_labels(struct buf *out, size_t n, size_t value_len)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s\"l%zu\":\"", i ? "," : "", i);
		for (size_t k = 0; k < value_len; k++)
			buf_add_char(out, 'v');
		buf_add_char(out, '"');
	}
}

static int push_with(size_t labels, size_t label_len, size_t metadata, size_t metadata_len)
{
	buf_clear(&body);
	buf_add_str(&body, "{\"streams\":[{\"stream\":{");
	many_labels(&body, labels, label_len);
	buf_add_str(&body, "},\"values\":[[\"" NOW "\",\"l\",{");
	many_labels(&body, metadata, metadata_len);
	buf_add_str(&body, "}]]}]}");
	return push(JSON, "", buf_slice(&body));
}

START_TEST(loki_has_limits)
{
	ck_assert_int_eq(push_with(LOKI_LABELS_MAX, 1, 0, 0), 204);
	ck_assert_int_eq(push_with(LOKI_LABELS_MAX + 1, 1, 0, 0), 400);
	ck_assert_int_eq(push_with(LABELS_COUNT_MAX + 1, 1, 0, 0), 400);
	ck_assert_int_eq(push_with(1, LOKI_LABEL_VALUE_MAX, 0, 0), 204);
	ck_assert_int_eq(push_with(1, LOKI_LABEL_VALUE_MAX + 1, 0, 0), 400);
	ck_assert_int_eq(push_with(1, 1, LOKI_METADATA_MAX, 1), 204);
	ck_assert_int_eq(push_with(1, 1, LOKI_METADATA_MAX + 1, 1), 400);
	ck_assert_int_eq(push_with(1, 1, LABELS_COUNT_MAX + 9, 1), 400);
	ck_assert_int_eq(push_with(1, 1, 1, LOKI_METADATA_BYTES_MAX - 2), 204);
	ck_assert_int_eq(push_with(1, 1, 1, LOKI_METADATA_BYTES_MAX - 1), 400);
	ck_assert_int_eq(push_with(0, 0, 0, 0), 400);
	/* A name of too many bytes. */
	buf_clear(&body);
	buf_add_str(&body, "{\"streams\":[{\"stream\":{\"");
	for (int i = 0; i <= LOKI_LABEL_NAME_MAX; i++)
		buf_add_char(&body, 'n');
	buf_add_str(&body, "\":\"v\"},\"values\":[]}]}");
	ck_assert_int_eq(push(JSON, "", buf_slice(&body)), 400);
}
END_TEST

START_TEST(loki_cuts_long_lines)
{
	buf_clear(&body);
	buf_add_str(&body, "{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"" NOW "\",\"");
	for (size_t i = 0; i <= LOG_LINE_MAX; i++)
		buf_add_char(&body, 'x');
	buf_add_str(&body, "\"]]}]}");
	ck_assert_int_eq(push(JSON, "", buf_slice(&body)), 204);
	ck_assert_uint_eq(result.cut, 1);
	ck_assert_uint_eq(result.bytes, LOG_LINE_MAX);
}
END_TEST

static void deflate_raw(struct slice raw)
{
	z_stream z = { 0 };
	char out[1024];

	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, 0), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)raw.ptr;
	z.avail_in = (unsigned)raw.len;
	z.next_out = (unsigned char *)out;
	z.avail_out = sizeof(out);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_clear(&body);
	buf_add(&body, out, sizeof(out) - z.avail_out);
	deflateEnd(&z);
}

/* Whole complaints, as long as there is room; all are counted. */
START_TEST(loki_complains_within_its_limit)
{
	struct buf json;

	buf_init(&json);
	buf_add_str(&json, "{\"streams\":[");
	for (int i = 0; i < 100; i++)
		buf_printf(&json, "%s{\"stream\":{\"a%d\":\"b\"},\"values\":[[\"1\",\"old\"]]}",
			   i ? "," : "", i);
	buf_add_str(&json, "]}");
	ck_assert_int_eq(push(JSON, "", buf_slice(&json)), 400);
	ck_assert_uint_eq(result.rejected, 100);
	size_t len = strlen(result.error);

	ck_assert_uint_lt(len, LOKI_ERROR_MAX);
	ck_assert_uint_gt(len, LOKI_ERROR_MAX - 200);
	ck_assert_int_eq(result.error[len - 1], '\n');
	buf_fini(&json);
}
END_TEST

START_TEST(loki_knows_types_and_encodings)
{
	struct slice json = SLICE("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"" NOW
				  "\",\"l\"]]}]}");
	const char *wanted = "stream {a=\"b\"}\n" NOW " l\n";

	ck_assert_int_eq(push("Application/JSON; charset=utf-8", "", json), 204);
	ck_assert_int_eq(push(JSON, "snappy", json), 204); /* as Loki: taken as it is */
	enc_gzip(&body, json);
	ck_assert_int_eq(push(JSON, "gzip", buf_slice(&body)), 204);
	ck_assert_str_eq(log_trace_text(&trace), wanted);
	ck_assert_int_eq(push(JSON, "", buf_slice(&body)), 400);
	deflate_raw(json);
	ck_assert_int_eq(push(JSON, "deflate", buf_slice(&body)), 204);
	ck_assert_str_eq(log_trace_text(&trace), wanted);
	ck_assert_int_eq(push(JSON, "br", json), 400);
	ck_assert_ptr_nonnull(strstr(result.error, "Content-Encoding \"br\" not supported"));
	ck_assert_int_eq(push("", "", json), 400);
	ck_assert_int_eq(push("no type", "", json), 400);
	/* Any other type is protobuf; gzip may be around its snappy block. */
	entry_add(1700000000, 0, "l");
	enc_message(&stream, 2, &entry);
	stream_add("{a=\"b\"}");
	buf_clear(&body);
	enc_snappy(&body, buf_slice(&request));
	ck_assert_int_eq(push("text/plain", "snappy", buf_slice(&body)), 204);
	ck_assert_str_eq(log_trace_text(&trace), wanted);
	buf_clear(&part);
	enc_gzip(&part, buf_slice(&body));
	ck_assert_int_eq(push(PROTOBUF, "gzip", buf_slice(&part)), 204);
	ck_assert_str_eq(log_trace_text(&trace), wanted);
	ck_assert_int_eq(push(PROTOBUF, "", SLICE("no snappy")), 400);
}
END_TEST

START_TEST(loki_refuses_what_becomes_too_large)
{
	char *zeros = calloc(1, LOKI_BODY_MAX + 1);

	buf_clear(&body);
	enc_gzip(&body, (struct slice){ zeros, LOKI_BODY_MAX + 1 });
	ck_assert_int_eq(push(JSON, "gzip", buf_slice(&body)), 413);
	free(zeros);
}
END_TEST

START_TEST(loki_without_memory_asks_to_come_again)
{
	trace.fail_at = 2;
	ck_assert_int_eq(push_json("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"" NOW
				   "\",\"1\"],[\"" NOW "\",\"2\"],[\"" NOW "\",\"3\"]]}]}"),
			 503);
	ck_assert_uint_eq(trace.lines, 2);
}
END_TEST

static Suite *loki_suite(void)
{
	Suite *suite = suite_create("loki_push");
	TCase *tcase = tcase_create("loki_push");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, loki_reads_json);
	tcase_add_test(tcase, loki_refuses_json_that_it_cannot_read_as_a_whole);
	tcase_add_test(tcase, loki_reads_protobuf);
	tcase_add_test(tcase, loki_refuses_streams_by_themselves);
	tcase_add_test(tcase, loki_judges_lines_by_themselves);
	tcase_add_test(tcase, loki_has_limits);
	tcase_add_test(tcase, loki_cuts_long_lines);
	tcase_add_test(tcase, loki_knows_types_and_encodings);
	tcase_add_test(tcase, loki_complains_within_its_limit);
	tcase_add_test(tcase, loki_refuses_what_becomes_too_large);
	tcase_add_test(tcase, loki_without_memory_asks_to_come_again);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(loki_suite)
