/* Sources of log lines when memory runs out: they say so, and what they had they still have. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "ingest/loki_push.h"
#include "ingest/ndjson.h"
#include "ingest/syslog_streams.h"
#include "ingest/tail_file.h"
#include "ingest/tail_positions.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"
#include "tests/nomem.h"

#define NOW_MS 1700000000000

static struct slice body;
static const char *type;
static uint32_t lines;

static int on_stream(void *ctx, struct labels *labels)
{
	return 0;
}

static int on_line(void *ctx, const struct log_entry *entry)
{
	lines++;
	return 0;
}

static int push(void)
{
	const struct log_sink sink = { NULL, on_stream, on_line };
	struct loki_request request = { .content_type = slice_from(type),
					.body = body,
					.now_ms = NOW_MS };
	struct loki_result result;
	struct loki_decoder *decoder = loki_decoder_new();

	lines = 0;
	int status = decoder ? loki_push(decoder, &request, &sink, &result) : 503;

	loki_decoder_free(decoder);
	nomem_disarm();
	if (status == 503)
		return ERR_NOMEM;
	/* One line is too old: the other is taken. */
	ck_assert_int_eq(status, 400);
	ck_assert_uint_eq(lines, 1);
	return 0;
}

START_TEST(loki_without_memory)
{
	struct buf part, stream, request, packed;

	type = "application/json";
	body = SLICE("{\"streams\":[{\"stream\":{\"a\":\"b\\n\"},\"values\":[[\"1\",\"old\"],"
		     "[\"1700000000000000000\",\"l\\n\",{\"m\":\"\\u00e4\"}]]}]}");
	ck_assert_uint_gt(nomem_sweep(push), 2);

	buf_init(&part);
	buf_init(&stream);
	buf_init(&request);
	buf_init(&packed);
	enc_str(&stream, 1, "{a=\"b\\n\"}");
	for (uint64_t seconds = 1; seconds <= 1700000000; seconds += 1699999999) {
		struct buf time;

		buf_init(&time);
		enc_uint(&time, 1, seconds);
		enc_message(&part, 1, &time);
		enc_message(&stream, 2, &part);
		buf_fini(&time);
	}
	enc_message(&request, 1, &stream);
	enc_snappy(&packed, buf_slice(&request));
	type = "application/x-protobuf";
	body = buf_slice(&packed);
	ck_assert_uint_gt(nomem_sweep(push), 2);
	buf_fini(&part);
	buf_fini(&stream);
	buf_fini(&request);
	buf_fini(&packed);
}
END_TEST

static struct labels *own;

static int syslog(void)
{
	static struct syslog_message message;
	struct syslog_streams streams = { NULL };
	struct buf texts;
	bool whole;

	buf_init(&texts);
	int code = syslog_parse(SLICE("<13>1 - h a - - [x y=\"z\"] m"), NOW_MS, &texts, &message);

	if (code == 0)
		code = syslog_streams_init(&streams, own);
	if (code == 0 && !syslog_streams_get(&streams, &message, NOW_MS, &whole))
		code = ERR_NOMEM;
	syslog_streams_fini(&streams);
	buf_fini(&texts);
	nomem_disarm();
	return code;
}

static int ndjson(void)
{
	static struct ndjson_line line;
	const struct ndjson_options options = { .message_field = SLICE("m") };
	struct buf texts;

	buf_init(&texts);
	int code = ndjson_parse(&options, SLICE("{\"m\":\"a\\n\",\"b\":\"\\u00e4\"}"), 1, &texts, &line);

	buf_fini(&texts);
	nomem_disarm();
	return code;
}

START_TEST(messages_without_memory)
{
	struct label job = { SLICE("job"), SLICE("j") };

	ck_assert_int_eq(labels_new(&job, 1, &own, NULL), 0);
	ck_assert_uint_gt(nomem_sweep(syslog), 2);
	ck_assert_uint_gt(nomem_sweep(ndjson), 0);
	labels_unref(own);
}
END_TEST

static int positions_set(void)
{
	struct tail_positions positions;
	int code = 0;

	tail_positions_init(&positions);
	for (int i = 0; i < 70 && code == 0; i++) {
		char key[10];
		size_t n = (size_t)snprintf(key, sizeof(key), "k%02d", i % 69);

		code = tail_positions_set(&positions, (struct slice){ key, n }, SLICE("1"));
		tail_positions_check(&positions);
	}
	if (code == 0)
		code = tail_positions_set(&positions, SLICE("k00"), SLICE("22"));
	/* What was set is still there. */
	bool there = positions.n == 0 || tail_positions_find(&positions, SLICE("k00")).len > 0;

	tail_positions_fini(&positions);
	nomem_disarm();
	ck_assert(there);
	return code;
}

static char path[] = "/tmp/test_sources_nomem.XXXXXX";

static int file_open(void)
{
	struct tail_file *file = NULL;
	int code = tail_file_open(path, own, &file);

	tail_file_free(file);
	nomem_disarm();
	return code;
}

START_TEST(files_without_memory)
{
	int fd = mkstemp(path);

	ck_assert_int_eq(labels_new(NULL, 0, &own, NULL), 0);
	ck_assert_uint_gt(nomem_sweep(positions_set), 2);
	ck_assert_uint_gt(nomem_sweep(file_open), 0);
	labels_unref(own);
	close(fd);
	unlink(path);
}
END_TEST

static Suite *sources_suite(void)
{
	Suite *suite = suite_create("sources_nomem");
	TCase *tcase = tcase_create("sources_nomem");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, loki_without_memory);
	tcase_add_test(tcase, messages_without_memory);
	tcase_add_test(tcase, files_without_memory);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(sources_suite)
