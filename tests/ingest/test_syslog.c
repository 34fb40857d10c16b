/* Syslog messages in all layouts, their frames, and servers on real sockets. */
#include "ingest/syslog.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/syslog_server.h"
#include "ingest/syslog_streams.h"
#include "tests/check_main.h"
#include "tests/ingest/log_trace.h"

#define NOW_MS 1795700000000 /* 2026-11-26T13:33:20Z */

static struct buf texts;
static struct syslog_message message;

static void setup_parse(void)
{
	buf_init(&texts);
	setenv("TZ", "UTC", 1);
	tzset();
}

static void teardown_parse(void)
{
	buf_fini(&texts);
}

/* facility.severity time|host|app|pid|id|{sd}|text, ! behind what is malformed. */
static const char *parsed(const char *text)
{
	static char out[1000];
	struct slice bytes = slice_from(text);
	char *copy = malloc(bytes.len); /* to see reads beyond the end */

	memcpy(copy, bytes.ptr, bytes.len);
	ck_assert_int_eq(syslog_parse((struct slice){ copy, bytes.len }, NOW_MS, &texts, &message),
			 0);
	int n = sprintf(out, "%s.%s ", syslog_facility_name(message.facility),
			syslog_severity_name(message.severity));

	if (message.time_ms != TIME_NONE)
		n += sprintf(out + n, "%lld", (long long)message.time_ms);
	n += sprintf(out + n, "|" SLICE_FMT "|" SLICE_FMT "|" SLICE_FMT "|" SLICE_FMT "|",
		     SLICE_ARG(message.hostname), SLICE_ARG(message.app_name),
		     SLICE_ARG(message.proc_id), SLICE_ARG(message.msg_id));
	for (size_t i = 0; i < message.nparams; i++)
		n += sprintf(out + n, "%s" SLICE_FMT "=" SLICE_FMT, i ? "," : "",
			     SLICE_ARG(message.params[i].name), SLICE_ARG(message.params[i].value));
	sprintf(out + n, "|" SLICE_FMT "%s", SLICE_ARG(message.text), message.malformed ? "!" : "");
	free(copy);
	return out;
}

START_TEST(syslog_reads_rfc_5424)
{
	/* As util-linux' logger writes it. */
	ck_assert_str_eq(parsed("<13>1 2026-11-20T09:26:11.567713+00:00 vm api - - [timeQuality "
				"tzKnown=\"1\" isSynced=\"0\"] m\n"),
			 "user.notice 1795166771567|vm|api|||sd_timeQuality_tzKnown=1,"
			 "sd_timeQuality_isSynced=0|m");
	/* Examples of the RFC. */
	ck_assert_str_eq(parsed("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - "
				"\xef\xbb\xbf'su root' failed"),
			 "auth.critical 1065910455003|mymachine.example.com|su||ID47||'su root' failed");
	ck_assert_str_eq(parsed("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - "
				"%% It's time."),
			 "local4.notice 1061727255000|192.0.2.1|myproc|8710|||%% It's time.");
	ck_assert_str_eq(parsed("<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 "
				"[a@32473 x=\"\\\"3\\]\\\\\"][b y=\"\"]"),
			 "local4.notice 1065910455003|h|evntslog||ID47|sd_a_32473_x=\"3]\\,sd_b_y=|");
	ck_assert_str_eq(parsed("<0>1 - - - - - -"), "kern.emergency ||||||");
	/* Structured data that is none: all behind the header is the text. */
	ck_assert_str_eq(parsed("<14>1 - h a - - [x y] t"), "user.informational |h|a||||[x y] t!");
	ck_assert_str_eq(parsed("<14>1 - h"), "user.informational |h|||||!");
}
END_TEST

START_TEST(syslog_reads_rfc_3164_as_it_is_written)
{
	ck_assert_str_eq(parsed("<13>Nov 20 09:26:11 vm api: m"),
			 "user.notice 1795166771000|vm|api||||m");
	ck_assert_str_eq(parsed("<158>Nov  2 09:26:11 vm app[77]: first line\r\n"),
			 "local3.informational 1793611571000|vm|app|77|||first line");
	/* Without a host; without a tag. */
	ck_assert_str_eq(parsed("<13>Nov 20 09:26:11 api[1]: m"),
			 "user.notice 1795166771000||api|1|||m");
	ck_assert_str_eq(parsed("<13>Nov 20 09:26:11 api: m"), "user.notice 1795166771000||api||||m");
	ck_assert_str_eq(parsed("<13>Nov 20 09:26:11 vm just words"),
			 "user.notice 1795166771000|vm|||||just words");
	/* The year is the one that brings it near: this one, the last, the next. */
	ck_assert_str_eq(parsed("<13>Jan  2 00:00:00 vm a: m"), "user.notice 1798848000000|vm|a||||m");
	/* rsyslog's ForwardFormat. */
	ck_assert_str_eq(parsed("<158>2026-11-20T09:26:16.565195+00:00 vm app: first line"),
			 "local3.informational 1795166776565|vm|app||||first line");
}
END_TEST

START_TEST(syslog_takes_what_is_in_no_layout)
{
	ck_assert_str_eq(parsed("hello"), "user.notice ||||||hello!");
	ck_assert_str_eq(parsed(""), "user.notice ||||||!");
	ck_assert_str_eq(parsed("<191>hello"), "local7.debug ||||||hello!");
	ck_assert_str_eq(parsed("<192>hello"), "user.notice ||||||<192>hello!");
	ck_assert_str_eq(parsed("<>hello"), "user.notice ||||||<>hello!");
	ck_assert_str_eq(parsed("<13>Nov 32 09:26:11 vm a: m"),
			 "user.notice ||||||Nov 32 09:26:11 vm a: m!");
	ck_assert_str_eq(parsed("<13>2026-13-20T09:26:16Z vm a: m"),
			 "user.notice ||||||2026-13-20T09:26:16Z vm a: m!");
	/* What could be no label is left out: no UTF-8, or too long. */
	ck_assert_str_eq(parsed("<13>1 - \xff a\xff - - - m"), "user.notice ||||||m");
}
END_TEST

/* The frames of a stream, "[…]" each; ~ behind what was cut, + before what is left. */
static const char *framed(const char *text, bool ended)
{
	static char out[1000];
	struct slice bytes = slice_from(text);
	struct syslog_frame frame;
	int n = 0;

	out[0] = '\0';
	while (bytes.len && syslog_frame_next(bytes, ended, &frame)) {
		ck_assert_uint_gt(frame.used, 0);
		n += sprintf(out + n, "[" SLICE_FMT "]%s", SLICE_ARG(frame.message),
			     frame.cut ? "~" : "");
		bytes.ptr += frame.used;
		bytes.len -= frame.used;
	}
	sprintf(out + n, "+" SLICE_FMT, SLICE_ARG(bytes));
	return out;
}

/* RFC 5424, 6: what is longer is left out, and nothing else. A greater priority is none. */
START_TEST(syslog_fields_are_so_long)
{
	static const int max[] = { SYSLOG_HOSTNAME_MAX, SYSLOG_APP_NAME_MAX, SYSLOG_PROC_ID_MAX,
				   SYSLOG_MSG_ID_MAX };
	const struct slice *fields[] = { &message.hostname, &message.app_name, &message.proc_id,
					 &message.msg_id };

	for (int longer = -1; longer < 4; longer++) {
		char text[600];
		int n = sprintf(text, "<191>1 -");

		for (int i = 0; i < 4; i++)
			n += sprintf(text + n, " %0*d", max[i] + (i == longer), 0);
		sprintf(text + n, " - m");
		parsed(text);
		ck_assert(!message.malformed);
		for (int i = 0; i < 4; i++)
			ck_assert_uint_eq(fields[i]->len, i == longer ? 0 : (size_t)max[i]);
	}
	ck_assert_str_eq(parsed("<191>1 - h - - - - m"), "local7.debug |h|||||m");
	ck_assert_str_eq(parsed("<192>1 - h - - - - m"), "user.notice ||||||<192>1 - h - - - - m!");
}
END_TEST

START_TEST(syslog_messages_say_how_they_end)
{
	ck_assert_str_eq(framed("<1>a\n<2>b\n<3>c", false), "[<1>a][<2>b]+<3>c");
	ck_assert_str_eq(framed("<1>a\n<3>c", true), "[<1>a][<3>c]+");
	ck_assert_str_eq(framed("4 <1>a4 <2>b<3>c\n5 <4>de5 <5", false),
			 "[<1>a][<2>b][<3>c][<4>de]+5 <5");
	/* rsyslog counts the LF, too; a message may have LF in it. */
	ck_assert_str_eq(framed("5 <1>a\n7 <2>b\ncd", false), "[<1>a\n][<2>b\ncd]+");
	/* No counts. */
	ck_assert_str_eq(framed("000002 <1>\n12345678 <1>a\n9x<1>\n404 not found\n", false),
			 "[000002 <1>][12345678 <1>a][9x<1>][404 not found]+");
	ck_assert_str_eq(framed("12", false), "+12");
	ck_assert_str_eq(framed("12", true), "[12]+");
	ck_assert_str_eq(framed("9 <1>a", true), "[<1>a]+");
	ck_assert_str_eq(framed("\n\r\n", false), "+\n\r\n");
}
END_TEST

START_TEST(syslog_cuts_messages_that_are_too_long)
{
	size_t len = SYSLOG_MESSAGE_MAX + 10;
	char *text = malloc(len);
	struct syslog_frame frame;

	memset(text, 'x', len);
	ck_assert(!syslog_frame_next((struct slice){ text, SYSLOG_MESSAGE_MAX - 1 }, false, &frame));
	ck_assert(syslog_frame_next((struct slice){ text, len }, false, &frame));
	ck_assert_uint_eq(frame.message.len, SYSLOG_MESSAGE_MAX);
	ck_assert(frame.cut);
	text[len - 1] = '\n';
	ck_assert(syslog_frame_next((struct slice){ text, len }, false, &frame));
	ck_assert_uint_eq(frame.used, SYSLOG_MESSAGE_MAX);
	ck_assert(frame.cut);
	free(text);
}
END_TEST

START_TEST(syslog_bounds_structured_data)
{
	struct buf text;

	buf_init(&text);
	buf_add_str(&text, "<13>1 - - - - - [id");
	for (int i = 0; i < SYSLOG_PARAMS_MAX + 5; i++)
		buf_printf(&text, " p%d=\"%d\"", i, i);
	buf_add_str(&text, " a_name_that_is_longer_than_thirty_two_characters=\"x\"] m");
	ck_assert_int_eq(syslog_parse(buf_slice(&text), NOW_MS, &texts, &message), 0);
	ck_assert_uint_eq(message.nparams, SYSLOG_PARAMS_MAX);
	ck_assert(slice_is(message.params[63].name, "sd_id_p63"));
	ck_assert(slice_is(message.text, "m"));
	/* RFC 5424, 6: names have at most 32 bytes. */
	buf_clear(&text);
	buf_add_str(&text, "<13>1 - - - - - [id a23456789012345678901234567890123=\"x\" "
			   "a2345678901234567890123456789012=\"y\"] m");
	ck_assert_int_eq(syslog_parse(buf_slice(&text), NOW_MS, &texts, &message), 0);
	ck_assert_uint_eq(message.nparams, 1);
	ck_assert(slice_is(message.params[0].value, "y"));
	buf_fini(&text);
}
END_TEST

START_TEST(syslog_streams_are_bounded)
{
	struct label job = { SLICE("job"), SLICE("j") };
	struct syslog_streams streams;
	struct labels *own, *labels;
	bool whole;
	char host[20];

	labels_new(&job, 1, &own, NULL);
	ck_assert_int_eq(syslog_streams_init(&streams, own), 0);
	message = (struct syslog_message){ .severity = 3, .app_name = SLICE("a") };
	for (int i = 0; i <= SYSLOG_STREAMS_MAX; i++) {
		message.hostname = (struct slice){ host, (size_t)sprintf(host, "h%d", i) };
		labels = syslog_streams_get(&streams, &message, NOW_MS, &whole);
		ck_assert_ptr_nonnull(labels);
		ck_assert_int_eq(whole, i < SYSLOG_STREAMS_MAX);
	}
	ck_assert_uint_eq(labels_count(labels), 3); /* facility, severity, job */
	/* Known ones are still whole; an hour later there is room again. */
	message.hostname = SLICE("h7");
	labels = syslog_streams_get(&streams, &message, NOW_MS, &whole);
	ck_assert(whole && slice_is(labels_get(labels, SLICE("hostname")), "h7"));
	message.hostname = SLICE("another");
	labels = syslog_streams_get(&streams, &message, NOW_MS + 3600 * 1000, &whole);
	ck_assert(whole && slice_is(labels_get(labels, SLICE("hostname")), "another"));
	syslog_streams_fini(&streams);
	labels_unref(own);
}
END_TEST

/* ---- servers ---- */

static struct loop *loop;
static struct loop_timer *ticker;
static struct syslog_server *server;
static struct log_trace trace;
static struct log_counters counters;
static struct labels *own;
static bool closed;
static const char *wanted;
static int64_t began_us;

static bool is_open(void *ctx)
{
	return !closed;
}

static void on_flush(void *ctx)
{
}

static int64_t now_ns(void)
{
	return NOW_MS * 1000000;
}

static void on_tick(void *ctx)
{
	if ((wanted && strcmp(log_trace_text(&trace), wanted) == 0) ||
	    clock_monotonic_us() - began_us > (wanted ? 5000000 : 100000))
		loop_stop(loop);
	loop_timer_set(ticker, 2);
}

static void run(const char *text)
{
	wanted = text;
	began_us = clock_monotonic_us();
	loop_timer_set(ticker, 0);
	loop_run(loop);
	wanted = NULL;
}

static void expect(const char *text)
{
	run(text);
	ck_assert_str_eq(log_trace_text(&trace), text);
	log_trace_clear(&trace);
}

static struct syslog_server_options options_of(bool udp)
{
	return (struct syslog_server_options){
		.loop = loop,
		.name = "test",
		.host = "127.0.0.1",
		.udp = udp,
		.connections_max = 2,
		.idle_timeout_ms = 60000,
		.receive_bytes = 1 << 20,
		.labels = own,
		.door = { .sink = log_trace_sink(&trace), .is_open = is_open, .flush = on_flush },
		.counters = &counters,
		.now_ns = now_ns,
	};
}

static void start(const struct syslog_server_options *options)
{
	char *why;

	ck_assert_int_eq(syslog_server_new(options, &server, &why), 0);
}

static int connect_to(int type)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(syslog_server_port(server)),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, type, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void setup_server(void)
{
	struct label job = { SLICE("job"), SLICE("j") };

	setup_parse();
	loop = loop_new();
	ticker = loop_timer_new(loop, on_tick, NULL);
	log_trace_init(&trace);
	labels_new(&job, 1, &own, NULL);
	counters = (struct log_counters){ 0 };
	closed = false;
}

static void teardown_server(void)
{
	syslog_server_free(server);
	server = NULL;
	loop_timer_free(ticker);
	loop_free(loop);
	log_trace_fini(&trace);
	labels_unref(own);
	teardown_parse();
}

#define STREAM "stream {app_name=\"a\", facility=\"user\", hostname=\"h\", job=\"j\", severity=\"notice\"}\n"
#define LINE(text) "1795700000000000000 " text " {peer=\"127.0.0.1\"}\n"

START_TEST(syslog_server_takes_messages_over_tcp)
{
	struct syslog_server_options options = options_of(false);

	start(&options);
	int fd = connect_to(SOCK_STREAM);

	say(fd, "<13>1 - h a - - - one\n");
	expect(STREAM LINE("one"));
	say(fd, "22 <13>1 - h a - - - two\n<13>1 - h a 7 ID");
	expect(STREAM LINE("two"));
	say(fd, " - three");
	close(fd);
	expect(STREAM "1795700000000000000 three {peer=\"127.0.0.1\", proc_id=\"7\", msg_id=\"ID\"}\n");
	ck_assert_uint_eq(atomic_load(&counters.malformed), 0);
}
END_TEST

START_TEST(syslog_server_makes_senders_wait_while_the_door_is_closed)
{
	struct syslog_server_options options = options_of(false);
	static char bytes[1 << 16];
	struct timeval soon = { 0, 50000 };
	size_t sent = 0;
	ssize_t n;

	start(&options);
	int fd = connect_to(SOCK_STREAM);

	say(fd, "<13>1 - h a - - - one\n");
	expect(STREAM LINE("one"));
	closed = true;
	memset(bytes, 'x', sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
	while (sent < (64u << 20) && (n = send(fd, bytes, sizeof(bytes), 0)) > 0) {
		sent += (size_t)n;
		if (sent % (1 << 20) == 0)
			run(NULL);
	}
	ck_assert_uint_lt(sent, 64u << 20);
	run(NULL);
	ck_assert_str_eq(log_trace_text(&trace), "");
	close(fd);
}
END_TEST

START_TEST(syslog_server_bounds_connections_and_their_idleness)
{
	struct syslog_server_options options = options_of(false);
	int fds[3];

	options.idle_timeout_ms = 1000;
	start(&options);
	for (int i = 0; i < 3; i++) {
		fds[i] = connect_to(SOCK_STREAM);
		say(fds[i], "<13>1 - h a - - - one\n");
	}
	expect(STREAM LINE("one") STREAM LINE("one")); /* the third waits */
	run(NULL);
	ck_assert_str_eq(log_trace_text(&trace), "");
	expect(STREAM LINE("one")); /* until the others have been idle for too long */
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}
END_TEST

static size_t most_metadata;

static int count_metadata(void *ctx, const struct log_entry *entry)
{
	most_metadata = entry->nmetadata > most_metadata ? entry->nmetadata : most_metadata;
	if (slice_is(entry->line, "all"))
		loop_stop(loop);
	return 0;
}

/* The parameters, what names the process and the sender, and what the stream has no room for. */
START_TEST(syslog_server_takes_all_that_a_message_may_have)
{
	struct syslog_server_options options = options_of(false);
	struct buf text;

	options.door.sink.line = count_metadata;
	start(&options);
	int fd = connect_to(SOCK_STREAM);

	buf_init(&text);
	for (int i = 0; i < SYSLOG_STREAMS_MAX; i++)
		buf_printf(&text, "<13>1 - h%d - - - - x\n", i);
	buf_add_str(&text, "<13>1 - host app 123 id [x");
	for (int i = 0; i < SYSLOG_PARAMS_MAX; i++)
		buf_printf(&text, " p%d=\"%d\"", i, i);
	buf_add_str(&text, "] all\n");
	say(fd, text.ptr);
	run("the end of it");
	ck_assert_uint_eq(most_metadata, SYSLOG_PARAMS_MAX + 5);
	buf_fini(&text);
	close(fd);
}
END_TEST

START_TEST(syslog_server_takes_messages_over_udp)
{
	struct syslog_server_options options = options_of(true);

	options.message_time = true;
	start(&options);
	int fd = connect_to(SOCK_DGRAM);

	say(fd, "<13>1 2026-11-26T13:33:21Z h a - - - one");
	say(fd, "<13>1 - h a - - - two\n");
	expect(STREAM "1795700001000000000 one {peer=\"127.0.0.1\"}\n" STREAM LINE("two"));
	say(fd, "<13>1 9999-12-31T23:59:59Z h a - - - far");
	expect(STREAM LINE("far"));
	/* What comes while the door is closed waits in the kernel. */
	closed = true;
	run(NULL);
	say(fd, "<13>1 - h a - - - three");
	run(NULL);
	ck_assert_str_eq(log_trace_text(&trace), "");
	closed = false;
	syslog_server_resume(server);
	expect(STREAM LINE("three"));
	close(fd);
}
END_TEST

/* Of many datagrams so many are read at once; the others have the next turn. */
START_TEST(syslog_server_reads_so_many_datagrams_at_once)
{
	struct syslog_server_options options = options_of(true);

	start(&options);
	int fd = connect_to(SOCK_DGRAM);

	for (int i = 0; i <= SYSLOG_DATAGRAMS_MAX; i++)
		say(fd, "<13>1 - h a - - - one");
	syslog_server_resume(server);
	ck_assert_uint_eq(trace.lines, SYSLOG_DATAGRAMS_MAX);
	run(NULL);
	ck_assert_uint_eq(trace.lines, SYSLOG_DATAGRAMS_MAX + 1);
	ck_assert_uint_eq(atomic_load(&counters.dropped), 0);
	close(fd);
}
END_TEST

START_TEST(syslog_server_counts_what_the_kernel_dropped)
{
	struct syslog_server_options options = options_of(true);
	static char bytes[8000];

	options.receive_bytes = 4096;
	start(&options);
	int fd = connect_to(SOCK_DGRAM);

	memset(bytes, 'x', sizeof(bytes) - 1);
	for (int i = 0; i < 1000; i++)
		send(fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);
	run(NULL);
	say(fd, "<13>1 - h a - - - one"); /* the count comes with the next one that fits */
	run(NULL);
	ck_assert_uint_eq(trace.lines + atomic_load(&counters.dropped), 1001);
	ck_assert_uint_gt(atomic_load(&counters.dropped), 0);
	close(fd);
}
END_TEST

/* The longest datagram there is: 65,535 bytes with the headers of IP and UDP. */
START_TEST(syslog_server_takes_the_longest_datagram)
{
	struct syslog_server_options options = options_of(true);
	struct buf line;
	char *text = malloc(65508);
	int n = sprintf(text, "<13>1 - h a - - - ");

	memset(text + n, 'x', (size_t)(65507 - n));
	text[65507] = '\0';
	start(&options);
	int fd = connect_to(SOCK_DGRAM);

	say(fd, text);
	buf_init(&line);
	buf_add_str(&line, STREAM);
	buf_printf(&line, LINE("%s"), text + n);
	expect(line.ptr);
	buf_fini(&line);
	free(text);
	close(fd);
}
END_TEST

START_TEST(syslog_server_says_why_it_cannot_listen)
{
	struct syslog_server_options options = options_of(false);
	struct syslog_server *second = NULL;
	char *why;

	start(&options);
	options.port = syslog_server_port(server);
	ck_assert_int_eq(syslog_server_new(&options, &second, &why), ERR_IO);
	ck_assert_ptr_nonnull(strstr(why, "cannot listen on 127.0.0.1:"));
	ck_assert_ptr_nonnull(strstr(why, "in use"));
	free(why);
}
END_TEST

static Suite *syslog_suite(void)
{
	Suite *suite = suite_create("syslog");
	TCase *parse = tcase_create("parse"), *servers = tcase_create("server");

	tcase_add_checked_fixture(parse, setup_parse, teardown_parse);
	tcase_add_test(parse, syslog_reads_rfc_5424);
	tcase_add_test(parse, syslog_reads_rfc_3164_as_it_is_written);
	tcase_add_test(parse, syslog_takes_what_is_in_no_layout);
	tcase_add_test(parse, syslog_fields_are_so_long);
	tcase_add_test(parse, syslog_messages_say_how_they_end);
	tcase_add_test(parse, syslog_cuts_messages_that_are_too_long);
	tcase_add_test(parse, syslog_bounds_structured_data);
	tcase_add_test(parse, syslog_streams_are_bounded);
	suite_add_tcase(suite, parse);
	tcase_add_checked_fixture(servers, setup_server, teardown_server);
	tcase_set_timeout(servers, 30);
	tcase_add_test(servers, syslog_server_takes_messages_over_tcp);
	tcase_add_test(servers, syslog_server_makes_senders_wait_while_the_door_is_closed);
	tcase_add_test(servers, syslog_server_bounds_connections_and_their_idleness);
	tcase_add_test(servers, syslog_server_takes_messages_over_udp);
	tcase_add_test(servers, syslog_server_takes_all_that_a_message_may_have);
	tcase_add_test(servers, syslog_server_reads_so_many_datagrams_at_once);
	tcase_add_test(servers, syslog_server_counts_what_the_kernel_dropped);
	tcase_add_test(servers, syslog_server_takes_the_longest_datagram);
	tcase_add_test(servers, syslog_server_says_why_it_cannot_listen);
	suite_add_tcase(suite, servers);
	return suite;
}

TEST_MAIN(syslog_suite)
