#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/slice.h"
#include "tests/check_main.h"

/*
 * Standard error becomes one end of a datagram pair: each write(2) arrives as one message, so that
 * a line written in pieces would be seen.
 */
static int log_end, saved_stderr;

static void setup(void)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log_end = ends[0];
}

static void teardown(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(log_end);
	log_level_set(LOG_LEVEL_INFO);
}

/* What one write brought, without the time; "" when there was none. */
static const char *take_line(void)
{
	static char line[LOG_RECORD_MAX + 100];
	ssize_t n = recv(log_end, line, sizeof(line) - 1, MSG_DONTWAIT);

	line[n > 0 ? n : 0] = '\0';
	if (n <= 0)
		return "";
	/* time=2026-11-20T10:11:12.345Z and a blank */
	ck_assert(strncmp(line, "time=2", 6) == 0);
	ck_assert_int_eq(line[28], 'Z');
	return line + 30;
}

START_TEST(log_writes_logfmt_lines)
{
	log_info("engine", "rules loaded", "groups=%zu rules=%d", (size_t)2, 7);
	ck_assert_str_eq(take_line(),
			 "level=info component=engine msg=\"rules loaded\" groups=2 rules=7\n");
	log_error("web", "stopped", NULL);
	ck_assert_str_eq(take_line(), "level=error component=web msg=stopped\n");
	log_warn("web", "a \"b\"", "x=%s", log_quote(SLICE("c d")));
	ck_assert_str_eq(take_line(), "level=warn component=web msg=\"a \\\"b\\\"\" x=\"c d\"\n");
	ck_assert_str_eq(take_line(), "");
}
END_TEST

START_TEST(log_has_levels)
{
	log_debug("x", "hidden", NULL);
	ck_assert_str_eq(take_line(), "");
	log_level_set(LOG_LEVEL_DEBUG);
	log_debug("x", "shown", NULL);
	ck_assert_str_eq(take_line(), "level=debug component=x msg=shown\n");
	log_level_set(LOG_LEVEL_ERROR);
	log_warn("x", "hidden", NULL);
	ck_assert_str_eq(take_line(), "");
}
END_TEST

/* A foreign value that nobody quoted makes no second line and reaches no terminal. */
START_TEST(log_keeps_controls_out)
{
	log_info("x", "m\n", "v=%s", "a\nlevel=error\033[2J");
	ck_assert_str_eq(take_line(), "level=info component=x msg=\"m\\n\" v=a?level=error?[2J\n");
	ck_assert_str_eq(take_line(), "");
}
END_TEST

START_TEST(log_cuts_long_lines)
{
	static char value[LOG_RECORD_MAX * 2];

	memset(value, 'v', sizeof(value) - 1);
	log_info("x", "long", "v=%s", value);
	const char *line = take_line();

	ck_assert_uint_eq(strlen(line) + 30, LOG_RECORD_MAX);
	ck_assert_int_eq(line[strlen(line) - 1], '\n');
	log_info("x", value, "v=1");
	line = take_line();
	ck_assert_ptr_nonnull(strstr(line, "vvv... v=1\n"));
}
END_TEST

START_TEST(log_keeps_errno)
{
	errno = ENOENT;
	log_info("x", "y", NULL);
	ck_assert_int_eq(errno, ENOENT);
	log_debug("x", "y", NULL);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

static const struct quote_case {
	struct slice value;
	const char *quoted;
} quote_cases[] = {
	{ SLICE("plain"), "plain" },
	{ SLICE("é€"), "é€" },
	{ SLICE(""), "\"\"" },
	{ SLICE("a b"), "\"a b\"" },
	{ SLICE("a=b"), "\"a=b\"" },
	{ SLICE("a\"b\\c"), "\"a\\\"b\\\\c\"" },
	{ SLICE("\n\r\t"), "\"\\n\\r\\t\"" },
	{ SLICE("\0\x1B\x7F"), "\"\\x00\\x1b\\x7f\"" },
	{ SLICE("a\xFF"), "\"a\\xff\"" },
};

START_TEST(log_quote_quotes_where_needed)
{
	const struct quote_case *c = &quote_cases[_i];

	ck_assert_str_eq(log_quote(c->value), c->quoted);
}
END_TEST

START_TEST(log_quote_keeps_its_limits)
{
	static char value[LOG_QUOTE_MAX * 4 + 4];
	const char *alive[LOG_QUOTES];

	/* Characters of every width, at each place around the end of the buffer. */
	for (size_t len = LOG_QUOTE_MAX - 20; len < LOG_QUOTE_MAX + 20; len++) {
		memset(value, 'x', len);
		for (size_t blank = 0; blank < 2; blank++) {
			value[0] = blank ? ' ' : 'x';
			const char *quoted = log_quote((struct slice){ value, len });
			bool fits = len + 2 * blank < LOG_QUOTE_MAX;

			ck_assert_uint_lt(strlen(quoted), LOG_QUOTE_MAX);
			ck_assert((strstr(quoted, "...") == NULL) == fits);
		}
	}
	for (size_t shift = 0; shift < 4; shift++) {
		for (size_t i = 0; i < LOG_QUOTE_MAX; i++)
			memcpy(value + shift + 4 * i, "😀", 4);
		memset(value, 'x', shift);
		const char *quoted = log_quote((struct slice){ value, shift + LOG_QUOTE_MAX * 2 });

		ck_assert(slice_is_utf8(slice_from(quoted)));
		ck_assert(slice_has_suffix(slice_from(quoted), SLICE("...")));
		ck_assert_uint_lt(strlen(quoted), LOG_QUOTE_MAX);
	}
	for (char i = 0; i < LOG_QUOTES; i++)
		alive[(int)i] = log_quote((struct slice){ (const char[]){ (char)('a' + i) }, 1 });
	for (char i = 0; i < LOG_QUOTES; i++)
		ck_assert_int_eq(alive[(int)i][0], 'a' + i);
}
END_TEST

static void *log_many_times(void *arg)
{
	for (int i = 0; i < 100; i++)
		log_info("x", "from a thread", "id=%s", log_quote(slice_from(arg)));
	return NULL;
}

START_TEST(log_lines_do_not_mix)
{
	char names[4][3] = { "t0", "t1", "t2", "t3" };
	pthread_t threads[4];
	int seen = 0;

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, log_many_times, names[i]);
	while (seen < 400) {
		const char *line = take_line();

		if (!*line)
			continue;
		char id = line[strlen(line) - 2];

		if (strncmp(line, "level=info component=x msg=\"from a thread\" id=t", 47) != 0 ||
		    id < '0' || id > '3')
			ck_abort_msg("%s", line);
		seen++;
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

static Suite *log_suite(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, log_writes_logfmt_lines);
	tcase_add_test(tcase, log_has_levels);
	tcase_add_test(tcase, log_keeps_controls_out);
	tcase_add_test(tcase, log_cuts_long_lines);
	tcase_add_test(tcase, log_keeps_errno);
	tcase_add_loop_test(tcase, log_quote_quotes_where_needed, 0,
			    sizeof(quote_cases) / sizeof(quote_cases[0]));
	tcase_add_test(tcase, log_quote_keeps_its_limits);
	tcase_add_test(tcase, log_lines_do_not_mix);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(log_suite)
