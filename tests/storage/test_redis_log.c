/* The log in Redis, with a redis-server of the test's own. */
#include "storage/redis_log.h"

#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "storage/redis_internal.h"
#include "tests/check_main.h"
#include "tests/nomem.h"

#define TRIES 4000 /* looks, 5 ms apart */

static pid_t server;
static int64_t answer_ms; /* 0: as it is for users */
static uint16_t port;
static struct loop *loop;
static struct loop_timer *timer;

/* ---- the server ---- */

static uint16_t free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void start_server(void)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", port);
	server = fork();
	if (server == 0) {
		execlp("redis-server", "redis-server", "--port", text, "--bind", "127.0.0.1",
		       "--dir", "/tmp", "--save", "", "--appendonly", "no", "--logfile",
		       "/dev/null", NULL);
		_exit(127);
	}
	ck_assert_int_gt(server, 0);
}

static void stop_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static void setup(void)
{
	port = free_port();
	start_server();
	loop = loop_new();
}

static void teardown(void)
{
	loop_free(loop);
	stop_server();
}

/* What redis-cli says. */
static const char *ask(const char *command)
{
	static char line[4096];
	char text[512];

	snprintf(text, sizeof(text), "redis-cli -p %u %s", port, command);
	FILE *pipe = popen(text, "r");

	ck_assert_ptr_nonnull(pipe);
	line[fread(line, 1, sizeof(line) - 1, pipe)] = '\0';
	pclose(pipe);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* ---- logs ---- */

static void on_changed(void *ctx)
{
}

static struct redis_log *log_new(const char *owner)
{
	struct redis_log_options options = {
		.endpoint = { .host = "127.0.0.1", .port = port, .answer_ms = answer_ms },
		.prefix = "unit",
		.owner = owner
	};
	struct redis_log *log;

	ck_assert_int_eq(redis_log_new(&options, &log), 0);
	return log;
}

static struct redis_place take(struct redis_log *log)
{
	struct redis_place state = { 0 };
	char *why = NULL;
	int code = ERR_IO;

	for (int i = 0; i < TRIES && code == ERR_IO; i++) {
		free(why);
		why = NULL;
		code = redis_log_take(log, &state, &why);
		usleep(code ? 5000 : 0);
	}
	ck_assert_msg(code == 0, "%s", why ? why : error_text(code));
	return state;
}

static void start(struct redis_log *log, bool from_redis)
{
	const struct redis_log_sink sink = { .changed = on_changed };

	redis_log_adopt(log, from_redis, 0);
	ck_assert_int_eq(redis_log_start(log, loop, &sink), 0);
}

static void add(struct redis_log *log, const char *text)
{
	ck_assert_int_eq(redis_log_append(log, RECORD_ALERT, slice_from(text), 1), 0);
	redis_log_check(log);
}

static void flush(struct redis_log *log)
{
	struct redis_place place;

	redis_log_seal(log, &place);
	redis_log_send(log, 1);
	redis_log_check(log);
}

/* One turn of the loop, five milliseconds at most. */
static void on_timer(void *ctx)
{
	loop_stop(loop);
}

static void turn(struct redis_log *log)
{
	timer = loop_timer_new(loop, on_timer, NULL);
	loop_timer_set(timer, 5);
	loop_run(loop);
	loop_timer_free(timer);
	flush(log);
}

static void wait_for(struct redis_log *log, enum redis_health health)
{
	for (int i = 0; i < TRIES && redis_log_health(log) != health; i++)
		turn(log);
	ck_assert_msg(redis_log_health(log) == health, "health %d: %s", redis_log_health(log),
		      redis_log_error(log));
}

static void wait_until_arrived(struct redis_log *log)
{
	for (int i = 0; i < TRIES && (redis_log_arrived(log) < redis_log_appended(log) ||
				      !redis_log_is_idle(log));
	     i++)
		turn(log);
	ck_assert_uint_eq(redis_log_arrived(log), redis_log_appended(log));
}

/* A checkpoint of these texts. */
static void checkpoint(struct redis_log *log, const char *const *texts, size_t n)
{
	for (int i = 0; i < TRIES && !redis_log_wants_checkpoint(log); i++)
		turn(log);
	redis_log_checkpoint_begin(log, 1);
	for (size_t i = 0; i < n; i++)
		add(log, texts[i]);
	redis_log_checkpoint_end(log, 1);
	flush(log);
	wait_until_arrived(log);
	ck_assert_int_eq(redis_log_health(log), REDIS_CURRENT);
}

/* One that is not due. */
static void checkpoint_now(struct redis_log *log, const char *text)
{
	redis_log_checkpoint_begin(log, 1);
	add(log, text);
	redis_log_checkpoint_end(log, 1);
	wait_until_arrived(log);
}

static struct redis_log *begin(const char *owner, const char *text)
{
	struct redis_log *log = log_new(owner);

	take(log);
	start(log, false);
	checkpoint(log, &text, 1);
	return log;
}

static void on_record(void *ctx, enum record_type type, struct slice payload)
{
	if (type == RECORD_ALERT)
		buf_printf(ctx, SLICE_FMT " ", SLICE_ARG(payload));
}

/* What a daemon finds that starts now. */
static void expect(const char *texts, uint64_t skipped)
{
	struct redis_log *log = log_new("reader");
	struct redis_replay_stats stats;
	struct buf out;
	char *why = NULL;

	buf_init(&out);
	buf_add_str(&out, "");
	if (take(log).epoch) {
		ck_assert_msg(redis_log_replay(log, on_record, &out, &stats, &why) == 0, "%s", why);
		ck_assert_uint_eq(stats.skipped > 0, skipped > 0);
	}
	ck_assert_str_eq(out.ptr, texts);
	buf_fini(&out);
	redis_log_free(log);
}

/* ---- tests ---- */

START_TEST(what_was_written_is_read_back_in_order)
{
	struct redis_log *log = begin("first", "state");

	add(log, "one");
	flush(log);
	add(log, "two");
	add(log, "three");
	wait_until_arrived(log);
	redis_log_free(log);
	expect("state one two three ", 0);
	expect("state one two three ", 0);
}
END_TEST

START_TEST(many_blocks_are_read_back_in_pages)
{
	struct redis_log *log = begin("first", "state");
	static char expected[8192] = "state ";

	for (int i = 0; i < 1000; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		add(log, text);
		strcat(strcat(expected, text), " ");
		flush(log);
		if (i % 100 == 0)
			wait_until_arrived(log);
	}
	wait_until_arrived(log);
	redis_log_free(log);
	expect(expected, 0);
}
END_TEST

START_TEST(who_reads_the_state_goes_on_without_a_checkpoint)
{
	redis_log_free(begin("first", "state"));
	for (int i = 0; i < 3; i++) {
		struct redis_log *log = log_new("next");
		struct redis_replay_stats stats;
		struct buf out;

		buf_init(&out);
		ck_assert_uint_gt(take(log).epoch, 0);
		ck_assert_int_eq(redis_log_replay(log, on_record, &out, &stats, NULL), 0);
		buf_fini(&out);
		start(log, true);
		wait_for(log, REDIS_CURRENT);
		add(log, "more");
		wait_until_arrived(log);
		ck_assert(!redis_log_wants_checkpoint(log));
		redis_log_free(log);
	}
	expect("state more more more ", 0);
}
END_TEST

START_TEST(an_older_owner_is_refused)
{
	struct redis_log *old = begin("first", "state"), *new = log_new("second");

	take(new);
	start(new, false);
	add(old, "late");
	wait_for(old, REDIS_FENCED);
	ck_assert_ptr_nonnull(strstr(redis_log_error(old), "second"));
	add(old, "later");
	for (int i = 0; i < 5; i++)
		turn(old);
	const char *text = "new";

	checkpoint(new, &text, 1);
	add(new, "goes");
	wait_until_arrived(new);
	redis_log_free(old);
	redis_log_free(new);
	expect("new goes ", 0);
}
END_TEST

START_TEST(a_checkpoint_that_did_not_end_is_not_used)
{
	struct redis_log *log = begin("first", "state");

	add(log, "one");
	wait_until_arrived(log);
	redis_log_checkpoint_begin(log, 1);
	add(log, "part");
	wait_until_arrived(log);
	redis_log_free(log);
	/* From the one before, which ended, up to here. */
	expect("state one part ", 0);
}
END_TEST

START_TEST(a_checkpoint_cuts_off_what_came_before)
{
	struct redis_log *log = begin("first", "state");
	const char *text = "all";

	for (int i = 0; i < 100; i++) {
		add(log, "x");
		flush(log);
	}
	wait_until_arrived(log);
	ck_assert_int_gt(atoi(ask("xlen '{unit}:log'")), 100);
	checkpoint_now(log, text);
	for (int i = 0; i < TRIES && atoi(ask("xlen '{unit}:log'")) > 10; i++)
		turn(log);
	ck_assert_int_le(atoi(ask("xlen '{unit}:log'")), 10);
	ck_assert_int_gt(atoi(ask("ttl '{unit}:log'")), 1000000);
	redis_log_free(log);
	expect("all ", 0);
}
END_TEST

START_TEST(a_server_that_lost_the_log_gets_all_of_it_anew)
{
	struct redis_log *log = begin("first", "state");
	const char *text = "anew";

	ask("flushall");
	add(log, "lost");
	wait_for(log, REDIS_AWAY);
	wait_for(log, REDIS_BEHIND);
	add(log, "passes by");
	checkpoint(log, &text, 1);
	stop_server();
	start_server();
	wait_for(log, REDIS_AWAY);
	wait_for(log, REDIS_BEHIND);
	checkpoint(log, &text, 1);
	add(log, "more");
	wait_until_arrived(log);
	redis_log_free(log);
	expect("anew more ", 0);
}
END_TEST

START_TEST(a_connection_that_breaks_loses_nothing)
{
	struct redis_log *log = begin("first", "state");
	struct redis_log_stats stats;
	char expected[4096] = "state ";

	for (int i = 0; i < 50; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		add(log, text);
		strcat(strcat(expected, text), " ");
		flush(log);
		if (i % 10 == 5)
			ask("client kill type normal skipme yes");
		turn(log);
	}
	wait_until_arrived(log);
	redis_log_stats_get(log, &stats);
	ck_assert_uint_ge(stats.errors, 3);
	ck_assert_uint_eq(stats.dropped, 0);
	ck_assert_uint_eq(stats.checkpoints, 1);
	redis_log_free(log);
	expect(expected, 0);
}
END_TEST

START_TEST(bytes_are_bounded_while_nobody_takes_them)
{
	static char large[60 * 1024];
	struct redis_log *log = begin("first", "state");
	struct redis_log_stats stats;
	const char *text = "all";
	size_t most = 0, flight = 0;
	bool was_full = false;

	memset(large, 'x', sizeof(large) - 1);
	kill(server, SIGSTOP);
	for (int i = 0; i < 1000; i++) {
		add(log, large);
		flush(log);
		redis_log_stats_get(log, &stats);
		most = stats.waiting_bytes > most ? stats.waiting_bytes : most;
		flight = log->flight_bytes > flight ? log->flight_bytes : flight;
		ck_assert_int_eq(redis_log_is_full(log),
				 stats.waiting_bytes > REDIS_CHECKPOINT_BYTES_MAX);
		was_full |= redis_log_is_full(log);
	}
	ck_assert(was_full);
	ck_assert_uint_le(flight, REDIS_FLIGHT_BYTES_MAX);
	ck_assert_uint_gt(flight, REDIS_FLIGHT_BYTES_MAX - 2 * sizeof(large));
	ck_assert_uint_le(most, REDIS_BACKLOG_BYTES_MAX + sizeof(large));
	ck_assert_uint_gt(most, REDIS_BACKLOG_BYTES_MAX / 2);
	ck_assert_uint_gt(stats.dropped, 100);
	ck_assert_int_ne(stats.oldest_us, 0);
	kill(server, SIGCONT);
	wait_for(log, REDIS_BEHIND);
	checkpoint(log, &text, 1);
	redis_log_stats_get(log, &stats);
	ck_assert_int_eq(stats.oldest_us, 0);
	ck_assert_uint_eq(stats.waiting_bytes, 0);
	redis_log_free(log);
	expect("all ", 0);
}
END_TEST

START_TEST(so_many_blocks_are_under_way_at_most)
{
	struct redis_log *log = begin("first", "state");
	char expected[4 * REDIS_FLIGHT_BLOCKS_MAX] = "state ";

	kill(server, SIGSTOP);
	for (size_t i = 0; i < REDIS_FLIGHT_BLOCKS_MAX + 10; i++) {
		size_t under_way =
			i + 1 < REDIS_FLIGHT_BLOCKS_MAX ? i + 1 : REDIS_FLIGHT_BLOCKS_MAX;

		add(log, "x");
		strcat(expected, "x ");
		flush(log);
		ck_assert_uint_eq(log->flight_blocks, under_way);
	}
	kill(server, SIGCONT);
	wait_until_arrived(log);
	redis_log_free(log);
	expect(expected, 0);
}
END_TEST

/* Whoever is too slow for a checkpoint has a pause that doubles, up to a minute. */
START_TEST(checkpoints_that_fail_are_tried_again_ever_less_often)
{
	static const int64_t pauses_s[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
	struct redis_log *log = begin("first", "state");
	int64_t now_us = 1;
	const char *text = "all";

	ck_assert_int_eq(pauses_s[8] * 1000, REDIS_PAUSE_MS_MAX);
	for (size_t i = 0; i < sizeof(pauses_s) / sizeof(pauses_s[0]); i++) {
		redis_log_checkpoint_begin(log, now_us);
		redis_fall_behind(log, now_us);
		redis_log_check(log);
		now_us += pauses_s[i] * 1000000;
		redis_log_send(log, now_us - 1);
		ck_assert(!redis_log_wants_checkpoint(log));
		redis_log_send(log, now_us);
		ck_assert(redis_log_wants_checkpoint(log));
	}
	/* One that succeeds makes it short again. */
	redis_log_checkpoint_begin(log, now_us);
	redis_log_append(log, RECORD_ALERT, slice_from(text), now_us);
	redis_log_checkpoint_end(log, now_us);
	wait_until_arrived(log);
	redis_log_checkpoint_begin(log, now_us);
	redis_fall_behind(log, now_us);
	redis_log_send(log, now_us + 1000 * REDIS_PAUSE_MS_MIN);
	ck_assert(redis_log_wants_checkpoint(log));
	redis_log_free(log);
	expect("all ", 0);
}
END_TEST

START_TEST(a_log_that_has_grown_wants_a_checkpoint)
{
	struct redis_log *log = begin("first", "state");

	add(log, "one");
	wait_until_arrived(log);
	log->log_bytes = REDIS_LOG_BYTES_MAX; /* as if so much had been written since */
	ck_assert(!redis_log_wants_checkpoint(log));
	add(log, "two");
	wait_until_arrived(log);
	ck_assert(redis_log_wants_checkpoint(log));
	/* Not where the state itself is about as large. */
	log->state_bytes = log->log_bytes / 2 + 1;
	ck_assert(!redis_log_wants_checkpoint(log));
	log->state_bytes = 1;
	checkpoint_now(log, "all");
	ck_assert(!redis_log_wants_checkpoint(log));
	redis_log_free(log);
	expect("all ", 0);
}
END_TEST

START_TEST(who_does_not_answer_counts_as_lost)
{
	answer_ms = 200;
	struct redis_log *log = begin("first", "state");

	kill(server, SIGSTOP);
	add(log, "asked");
	flush(log);
	wait_for(log, REDIS_AWAY);
	ck_assert_str_eq(redis_log_error(log), "no answer");
	kill(server, SIGCONT);
	/* It may have got the block twice by then. */
	wait_until_arrived(log);
	ck_assert_int_eq(redis_log_health(log), REDIS_CURRENT);
	redis_log_free(log);
	expect("state asked ", 0);
}
END_TEST

START_TEST(a_server_without_memory_is_away_until_it_takes_something)
{
	struct redis_log *log = begin("first", "state");

	ask("config set maxmemory 100kb");
	add(log, "refused");
	wait_for(log, REDIS_AWAY);
	for (int i = 0; i < 100; i++) {
		turn(log);
		ck_assert_int_eq(redis_log_health(log), REDIS_AWAY);
	}
	ck_assert_ptr_nonnull(strstr(redis_log_error(log), "OOM"));
	ck_assert(!redis_log_wants_checkpoint(log));
	ask("config set maxmemory 0");
	wait_until_arrived(log);
	redis_log_free(log);
	expect("state refused ", 0);
}
END_TEST

START_TEST(without_memory_it_falls_behind_and_recovers)
{
	struct redis_log *log = begin("first", "state");
	const char *text = "all";
	bool failed = true;

	for (unsigned n = 0; failed && n < 100; n++) {
		struct redis_place place;

		nomem_arm(n);
		int code = redis_log_append(log, RECORD_ALERT, SLICE("x"), 1);

		redis_log_seal(log, &place);
		redis_log_send(log, 1);
		failed = nomem_disarm();
		ck_assert(code == 0 || code == ERR_NOMEM);
		redis_log_check(log);
		for (int i = 0; i < TRIES && redis_log_health(log) == REDIS_AWAY; i++)
			turn(log);
		if (redis_log_health(log) == REDIS_BEHIND)
			checkpoint(log, &text, 1);
		wait_until_arrived(log);
	}
	ck_assert(!failed);
	checkpoint_now(log, text);
	redis_log_free(log);
	expect("all ", 0);
}
END_TEST

START_TEST(a_hole_is_told_and_not_built_upon)
{
	struct redis_log *log = begin("first", "state");

	for (int i = 0; i < 3; i++) {
		add(log, "x");
		wait_until_arrived(log);
	}
	struct redis_place last = redis_log_last(log);
	char command[128];

	redis_log_free(log);
	snprintf(command, sizeof(command), "xdel '{unit}:log' %llu-%llu",
		 (unsigned long long)last.epoch, (unsigned long long)last.seq - 1);
	ck_assert_str_eq(ask(command), "1");
	expect("state x ", 1);
}
END_TEST

START_TEST(damaged_blocks_are_counted)
{
	struct redis_log *log = begin("first", "state");
	char base[32] = "1-0", command[160];

	/* Once it is trimmed, the log begins with the checkpoint. */
	for (int i = 0; i < TRIES && strcmp(base, "1-0") == 0; i++) {
		turn(log);
		snprintf(base, sizeof(base), "%.31s", ask("--raw xrange '{unit}:log' - + count 1"));
	}
	struct redis_place last = redis_log_last(log);

	redis_log_free(log);
	snprintf(command, sizeof(command), "xadd '{unit}:log' %llu-%llu b damaged k %s",
		 (unsigned long long)last.epoch, (unsigned long long)last.seq + 1, base);
	ask(command);
	expect("state ", 1);
}
END_TEST

START_TEST(keys_of_others_are_left_alone)
{
	struct redis_log *log = log_new("first");
	struct redis_place state;
	char *why = NULL;

	for (int i = 0; i < TRIES && strcmp(ask("ping 2>&1"), "PONG") != 0; i++)
		usleep(5000);
	ask("set '{unit}:format' 'tocsin redis 999'");
	ck_assert_int_eq(redis_log_take(log, &state, &why), ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(why, "has format 999"));
	free(why);
	ask("set '{unit}:format' other");
	ck_assert_int_eq(redis_log_take(log, &state, &why), ERR_CORRUPT);
	free(why);
	ask("del '{unit}:format'");
	ask("set '{unit}:log' text");
	ck_assert_int_eq(redis_log_take(log, &state, &why), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why, "WRONGTYPE"));
	free(why);
	ck_assert_str_eq(ask("get '{unit}:log'"), "text");
	redis_log_free(log);
}
END_TEST

START_TEST(a_log_that_nobody_here_has_read_is_left_alone)
{
	struct redis_log *unread = log_new("late");

	redis_log_free(begin("other", "state"));
	/* It could not be reached at our start: not taken. */
	start(unread, false);
	wait_for(unread, REDIS_FENCED);
	redis_log_free(unread);
	expect("state ", 0);
}
END_TEST

/* A stream without entries: Redis remembers the ids that it has given. */
static void delete_entries(void)
{
	while (strcmp(ask("ping 2>&1"), "PONG") != 0)
		usleep(5000);
	ask("xadd '{unit}:log' 7-0 o other");
	ask("xadd '{unit}:log' 7-1 b block");
	ask("xdel '{unit}:log' 7-0 7-1");
	ck_assert_str_eq(ask("xlen '{unit}:log'"), "0");
}

START_TEST(a_log_whose_last_entries_were_deleted_is_claimed)
{
	delete_entries();
	redis_log_free(begin("first", "state"));
	ck_assert_int_eq(strncmp(ask("--raw xrevrange '{unit}:log' + - count 1"), "8-", 2), 0);
	expect("state ", 0);
}
END_TEST

/* It could not be reached at our start. */
START_TEST(a_log_whose_last_entries_were_deleted_is_claimed_later)
{
	struct redis_log *log = log_new("late");
	const char *text = "state";

	delete_entries();
	start(log, false);
	checkpoint(log, &text, 1);
	redis_log_free(log);
	expect("state ", 0);
}
END_TEST

START_TEST(a_log_is_claimed_so_often_at_most)
{
	struct redis_place state;
	struct redis_log *log = log_new("first");
	char *why = NULL;

	delete_entries();
	ask("config resetstat");
	ask("acl setuser default -xinfo");
	ck_assert_int_eq(redis_log_take(log, &state, &why), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why, "\"{unit}:log\" takes no entry"));
	ck_assert_ptr_nonnull(strstr(why, "allow this user XINFO, or choose another"));
	ck_assert_str_eq(ask("info commandstats | grep -o 'xadd:calls=[0-9]*'"), "xadd:calls=10");
	free(why);
	start(log, false);
	for (int i = 0; i < TRIES && !redis_log_is_given_up(log); i++)
		turn(log);
	ck_assert_ptr_nonnull(strstr(redis_log_error(log), "allow this user XINFO"));
	redis_log_free(log);
}
END_TEST

/* ---- those that take long ---- */

/* Tries to connect come ever less often, up to one each five seconds. */
START_TEST(a_server_that_is_gone_is_tried_less_often)
{
	static const int64_t pauses_ms[] = { 100, 200, 400, 800, 1600, 3200, 5000, 5000 };
	struct redis_log *log = log_new("first");
	struct redis_log_stats stats;
	int64_t last_us = 0;
	uint64_t seen = 0;

	stop_server();
	start(log, false);
	while (seen <= sizeof(pauses_ms) / sizeof(pauses_ms[0])) {
		turn(log);
		redis_log_stats_get(log, &stats);
		if (stats.errors == seen)
			continue;
		int64_t now_us = clock_monotonic_us(), pause_ms = (now_us - last_us) / 1000;

		ck_assert_uint_eq(stats.errors, seen + 1);
		if (seen > 0)
			ck_assert_msg(pause_ms >= pauses_ms[seen - 1] - 20 &&
					      pause_ms < pauses_ms[seen - 1] + patience_ms(400),
				      "pause %d: %lld ms", (int)seen, (long long)pause_ms);
		last_us = now_us;
		seen = stats.errors;
	}
	start_server();
	wait_for(log, REDIS_BEHIND);
	redis_log_free(log);
}
END_TEST

START_TEST(an_answer_is_waited_for_ten_seconds)
{
	struct redis_log *log = begin("first", "state");

	kill(server, SIGSTOP);
	add(log, "asked");
	flush(log);
	int64_t begun_us = clock_monotonic_us();

	wait_for(log, REDIS_AWAY);
	int64_t took_ms = (clock_monotonic_us() - begun_us) / 1000;

	ck_assert_str_eq(redis_log_error(log), "no answer");
	ck_assert_int_ge(took_ms, REDIS_ANSWER_MS_MAX - 20);
	ck_assert_int_lt(took_ms, REDIS_ANSWER_MS_MAX + patience_ms(400));
	kill(server, SIGCONT);
	wait_until_arrived(log);
	redis_log_free(log);
}
END_TEST

static Suite *redis_log_suite(void)
{
	Suite *suite = suite_create("redis_log");
	TCase *tcase = tcase_create("redis_log");

	if (system("command -v redis-server redis-cli >/dev/null") != 0)
		TEST_SKIP("redis_log: redis-server is missing");
	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_was_written_is_read_back_in_order);
	tcase_add_test(tcase, many_blocks_are_read_back_in_pages);
	tcase_add_test(tcase, who_reads_the_state_goes_on_without_a_checkpoint);
	tcase_add_test(tcase, an_older_owner_is_refused);
	tcase_add_test(tcase, a_checkpoint_that_did_not_end_is_not_used);
	tcase_add_test(tcase, a_checkpoint_cuts_off_what_came_before);
	tcase_add_test(tcase, a_server_that_lost_the_log_gets_all_of_it_anew);
	tcase_add_test(tcase, a_connection_that_breaks_loses_nothing);
	tcase_add_test(tcase, bytes_are_bounded_while_nobody_takes_them);
	tcase_add_test(tcase, so_many_blocks_are_under_way_at_most);
	tcase_add_test(tcase, checkpoints_that_fail_are_tried_again_ever_less_often);
	tcase_add_test(tcase, a_log_that_has_grown_wants_a_checkpoint);
	tcase_add_test(tcase, who_does_not_answer_counts_as_lost);
	tcase_add_test(tcase, a_server_without_memory_is_away_until_it_takes_something);
	tcase_add_test(tcase, without_memory_it_falls_behind_and_recovers);
	tcase_add_test(tcase, a_hole_is_told_and_not_built_upon);
	tcase_add_test(tcase, damaged_blocks_are_counted);
	tcase_add_test(tcase, keys_of_others_are_left_alone);
	tcase_add_test(tcase, a_log_whose_last_entries_were_deleted_is_claimed);
	tcase_add_test(tcase, a_log_whose_last_entries_were_deleted_is_claimed_later);
	tcase_add_test(tcase, a_log_is_claimed_so_often_at_most);
	tcase_add_test(tcase, a_log_that_nobody_here_has_read_is_left_alone);
	if (long_limits_are_wanted()) {
		tcase_add_test(tcase, a_server_that_is_gone_is_tried_less_often);
		tcase_add_test(tcase, an_answer_is_waited_for_ten_seconds);
	}
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(redis_log_suite)
