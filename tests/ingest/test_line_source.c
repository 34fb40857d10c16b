/* Lines from a descriptor, as text and as JSON. */
#include "ingest/line_source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"
#include "tests/ingest/log_trace.h"

static struct loop *loop;
static struct line_source *source;
static struct line_source_options options;
static struct log_trace trace;
static struct log_counters counters;
static int ends[2];
static bool closed;

static bool is_open(void *ctx)
{
	return !closed;
}

static void on_flush(void *ctx)
{
}

static int64_t now_ns(void)
{
	return 42;
}

static void on_ended(void *ctx)
{
	loop_stop(loop);
}

static void setup(void)
{
	struct label job = { SLICE("job"), SLICE("j") };

	loop = loop_new();
	log_trace_init(&trace);
	counters = (struct log_counters){ 0 };
	closed = false;
	ck_assert_int_eq(pipe(ends), 0);
	options = (struct line_source_options){
		.loop = loop,
		.name = "test",
		.fd = ends[0],
		.door = { .sink = log_trace_sink(&trace), .is_open = is_open, .flush = on_flush },
		.counters = &counters,
		.now_ns = now_ns,
		.ended = on_ended,
	};
	ck_assert_int_eq(labels_new(&job, 1, &options.labels, NULL), 0);
}

static void teardown(void)
{
	line_source_free(source);
	source = NULL;
	loop_free(loop);
	log_trace_fini(&trace);
	labels_unref(options.labels);
	close(ends[0]);
}

static void give(const char *text)
{
	ck_assert_int_eq(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
}

static void expect(const char *text, const char *wanted)
{
	give(text);
	close(ends[1]);
	ck_assert_int_eq(line_source_new(&options, &source), 0);
	loop_run(loop);
	ck_assert_str_eq(log_trace_text(&trace), wanted);
}

#define STREAM "stream {job=\"j\"}\n"

START_TEST(line_source_reads_text_to_its_end)
{
	expect("one\ntwo\r\n\nno end", STREAM "42 one\n" STREAM "42 two\n" STREAM "42 \n" STREAM
					      "42 no end\n");
}
END_TEST

START_TEST(line_source_reads_a_file)
{
	char path[] = "/tmp/test_line_source.XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	ck_assert_int_eq(write(fd, "one\ntwo\n", 8), 8);
	lseek(fd, 0, SEEK_SET);
	options.fd = fd;
	expect("", STREAM "42 one\n" STREAM "42 two\n");
	close(fd);
}
END_TEST

START_TEST(line_source_reads_json)
{
	struct slice streams[] = { SLICE("level"), SLICE("svc") };

	options.json = true;
	options.fields = (struct ndjson_options){ .time_field = SLICE("ts"),
						  .message_field = SLICE("msg"),
						  .stream_fields = streams,
						  .nstream_fields = 2 };
	expect("{\"ts\":\"2023-11-14T22:13:20Z\",\"msg\":\"a\\nb\",\"level\":\"info\",\"n\":1.5,"
	       "\"ok\":true,\"x\":{},\"y\":null}\n"
	       "{\"ts\":1700000000.5,\"msg\":\"c\",\"job\":\"not ours\",\"svc\":\"s\"}\n"
	       "{\"ts\":\"never\",\"msg\":\"d\"}\n"
	       "no json\n{\"msg\":\"half\"\n",
	       "stream {job=\"j\", level=\"info\"}\n1700000000000000000 a\nb {n=\"1.5\", ok=\"true\"}\n"
	       "stream {job=\"j\", svc=\"s\"}\n1700000000500000000 c {job=\"not ours\"}\n" STREAM
	       "42 d\n" STREAM "42 no json\n" STREAM "42 {\"msg\":\"half\"\n");
	ck_assert_uint_eq(atomic_load(&counters.malformed), 2);
}
END_TEST

START_TEST(line_source_takes_so_many_fields)
{
	struct buf text;
	unsigned n = 0;

	buf_init(&text);
	options.json = true;
	options.fields = (struct ndjson_options){ .message_field = SLICE("msg") };
	buf_add_str(&text, "{\"msg\":\"m\"");
	for (int i = 0; i <= NDJSON_FIELDS_MAX; i++)
		buf_printf(&text, ",\"f%03d\":1", i);
	buf_add_str(&text, "}\n");
	give(text.ptr);
	close(ends[1]);
	ck_assert_int_eq(line_source_new(&options, &source), 0);
	loop_run(loop);
	for (const char *at = log_trace_text(&trace); (at = strstr(at, "=\"1\"")); at++)
		n++;
	ck_assert_uint_eq(n, NDJSON_FIELDS_MAX);
	ck_assert_ptr_null(strstr(log_trace_text(&trace), "f128"));
	ck_assert_uint_eq(atomic_load(&counters.malformed), 0);
	buf_fini(&text);
}
END_TEST

START_TEST(line_source_leaves_json_whole_unless_a_field_is_the_message)
{
	options.json = true;
	expect("{\"a\":1}\n", STREAM "42 {\"a\":1}\n");
}
END_TEST

START_TEST(line_source_cuts_long_lines)
{
	char path[] = "/tmp/test_line_source.XXXXXX", *text = malloc(LOG_LINE_MAX + 100000);
	int fd = mkstemp(path);

	unlink(path);
	memset(text, 'x', LOG_LINE_MAX + 100000);
	ck_assert_int_eq(write(fd, text, LOG_LINE_MAX + 100000), LOG_LINE_MAX + 100000);
	ck_assert_int_eq(write(fd, "\nnext\n", 6), 6);
	lseek(fd, 0, SEEK_SET);
	options.fd = fd;
	close(ends[1]);
	ck_assert_int_eq(line_source_new(&options, &source), 0);
	loop_run(loop);
	ck_assert_uint_eq(trace.lines, 2);
	ck_assert_uint_eq(atomic_load(&counters.cut), 1);
	ck_assert(slice_has_suffix(buf_slice(&trace.text), SLICE(STREAM "42 next\n")));
	close(fd);
	free(text);
}
END_TEST

static void on_wait(void *ctx)
{
	loop_stop(loop);
}

START_TEST(line_source_waits_while_the_door_is_closed)
{
	struct loop_timer *timer = loop_timer_new(loop, on_wait, NULL);

	closed = true;
	give("one\n");
	ck_assert_int_eq(line_source_new(&options, &source), 0);
	loop_timer_set(timer, 50);
	loop_run(loop);
	ck_assert_str_eq(log_trace_text(&trace), "");
	closed = false;
	line_source_resume(source);
	ck_assert_str_eq(log_trace_text(&trace), STREAM "42 one\n");
	close(ends[1]);
	loop_timer_free(timer);
}
END_TEST

START_TEST(ndjson_times_are_read_by_their_size)
{
	static const struct {
		const char *text;
		int64_t ns;
	} times[] = {
		{ "1700000000", 1700000000000000000 },
		{ "1700000000123", 1700000000123000000 },
		{ "1700000000123456", 1700000000123456000 },
		{ "1700000000.25", 1700000000250000000 },
		{ "2023-11-14T22:13:20.5Z", 1700000000500000000 },
		{ "2023-11-14T23:13:20+01:00", 1700000000000000000 },
		{ "0", 0 },
	};
	int64_t ns;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		ck_assert_int_eq(ndjson_time(slice_from(times[i].text), &ns), 0);
		ck_assert_int_eq(ns, times[i].ns);
	}
	/* As far as a double can tell nanoseconds. */
	ck_assert_int_eq(ndjson_time(SLICE("1700000000123456789"), &ns), 0);
	ck_assert_int_lt(llabs(ns - 1700000000123456789), 256);
	ck_assert_int_eq(ndjson_time(SLICE("soon"), &ns), ERR_INVALID);
	ck_assert_int_eq(ndjson_time(SLICE("1e30"), &ns), ERR_INVALID);
	ck_assert_int_eq(ndjson_time(SLICE("17000000001"), &ns), ERR_INVALID); /* the year 2508 */
	ck_assert_int_eq(ndjson_time(SLICE("NaN"), &ns), ERR_INVALID);
	ck_assert_int_eq(ndjson_time(SLICE("9999-12-31T00:00:00Z"), &ns), ERR_INVALID);
}
END_TEST

static Suite *line_source_suite(void)
{
	Suite *suite = suite_create("line_source");
	TCase *tcase = tcase_create("line_source");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, line_source_reads_text_to_its_end);
	tcase_add_test(tcase, line_source_reads_a_file);
	tcase_add_test(tcase, line_source_reads_json);
	tcase_add_test(tcase, line_source_takes_so_many_fields);
	tcase_add_test(tcase, line_source_leaves_json_whole_unless_a_field_is_the_message);
	tcase_add_test(tcase, line_source_cuts_long_lines);
	tcase_add_test(tcase, line_source_waits_while_the_door_is_closed);
	tcase_add_test(tcase, ndjson_times_are_read_by_their_size);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(line_source_suite)
