#include "base/loop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"

static struct loop *loop;
static struct loop_timer *timers[3];
static struct loop_fd *watches[2];
static char trace[100];

static void setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	trace[0] = '\0';
}

static void teardown(void)
{
	loop_free(loop);
}

static void on_first(void *ctx)
{
	strcat(trace, "1");
}

static void on_second(void *ctx)
{
	strcat(trace, "2");
}

static void on_last(void *ctx)
{
	strcat(trace, "x");
	loop_stop(loop);
}

START_TEST(loop_fires_timers_in_order)
{
	timers[0] = loop_timer_new(loop, on_last, NULL);
	timers[1] = loop_timer_new(loop, on_first, NULL);
	timers[2] = loop_timer_new(loop, on_second, NULL);
	loop_timer_set(timers[0], 40);
	loop_timer_set(timers[1], 1000);
	loop_timer_set(timers[1], 20); /* replaces */
	loop_timer_set(timers[2], -5); /* as 0 */
	int64_t start = clock_monotonic_us();
	loop_run(loop);
	int64_t took = clock_monotonic_us() - start;
	ck_assert_str_eq(trace, "21x");
	ck_assert_int_ge(took, 40000);
	ck_assert_int_lt(took, 900000);
	for (int i = 0; i < 3; i++)
		loop_timer_free(timers[i]);
}
END_TEST

START_TEST(loop_clears_timers)
{
	timers[0] = loop_timer_new(loop, on_last, NULL);
	timers[1] = loop_timer_new(loop, on_first, NULL);
	loop_timer_set(timers[1], 1);
	loop_timer_clear(timers[1]);
	loop_timer_set(timers[0], 20);
	loop_run(loop);
	ck_assert_str_eq(trace, "x");
	loop_timer_free(timers[0]);
	loop_timer_free(timers[1]);
	loop_timer_free(NULL);
}
END_TEST

static void on_free_all(void *ctx)
{
	for (int i = 0; i < 3; i++)
		loop_timer_free(timers[i]);
	strcat(trace, "f");
	loop_stop(loop);
}

START_TEST(loop_timer_may_free_itself_and_others)
{
	for (int i = 0; i < 3; i++) {
		timers[i] = loop_timer_new(loop, on_free_all, NULL);
		loop_timer_set(timers[i], 0);
	}
	loop_run(loop);
	ck_assert_str_eq(trace, "f");
}
END_TEST

START_TEST(loop_keeps_an_early_stop)
{
	loop_stop(loop);
	loop_run(loop);
}
END_TEST

static void *stop_soon(void *ctx)
{
	usleep(20000);
	loop_stop(loop);
	return NULL;
}

START_TEST(loop_stops_from_another_thread)
{
	pthread_t thread;
	pthread_create(&thread, NULL, stop_soon, NULL);
	loop_run(loop);
	pthread_join(thread, NULL);
}
END_TEST

static int pair[2];

static void on_pair(void *ctx, int what)
{
	char bytes[10];
	if (what & LOOP_WRITE) {
		strcat(trace, "w");
		loop_fd_set(watches[0], LOOP_READ);
		ck_assert_int_eq(write(pair[1], "abc", 3), 3);
		return;
	}
	ck_assert_int_eq(what, LOOP_READ);
	ck_assert_int_eq(read(pair[0], bytes, sizeof(bytes)), 3);
	strcat(trace, "r");
	loop_fd_free(watches[0]);
	loop_stop(loop);
}

START_TEST(loop_watches_descriptors)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	watches[0] = loop_fd_new(loop, pair[0], on_pair, NULL);
	loop_fd_set(watches[0], LOOP_READ | LOOP_WRITE);
	loop_run(loop);
	ck_assert_str_eq(trace, "wr");
	close(pair[0]);
	close(pair[1]);
}
END_TEST

static void on_never(void *ctx, int what)
{
	strcat(trace, "!");
}

START_TEST(loop_pauses_descriptors)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	watches[0] = loop_fd_new(loop, pair[0], on_never, NULL);
	loop_fd_set(watches[0], LOOP_READ);
	loop_fd_set(watches[0], 0);
	ck_assert_int_eq(write(pair[1], "abc", 3), 3);
	timers[0] = loop_timer_new(loop, on_last, NULL);
	loop_timer_set(timers[0], 10);
	loop_run(loop);
	ck_assert_str_eq(trace, "x");
	loop_timer_free(timers[0]);
	loop_fd_free(watches[0]);
	loop_fd_free(NULL);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

#define ITEMS 10000

struct message {
	struct queue_item item;
	int number;
};

static struct queue *queue;
static int received;

static void *send_all(void *ctx)
{
	for (int i = 0; i < ITEMS; i++) {
		struct message *message = calloc(1, sizeof(*message));
		message->item.cost = sizeof(*message);
		message->number = i;
		while (queue_push(queue, &message->item, false) == ERR_FULL)
			usleep(100);
	}
	return NULL;
}

static void on_item(void *ctx, struct queue_item *item)
{
	struct message *message = (struct message *)item;
	ck_assert_int_eq(message->number, received);
	free(message);
	if (++received == ITEMS)
		loop_stop(loop);
}

START_TEST(loop_brings_queue_items_in_order)
{
	pthread_t thread;
	received = 0;
	queue = queue_new(64, SIZE_MAX);
	ck_assert_int_eq(loop_queue_add(loop, queue, on_item, NULL), 0);
	pthread_create(&thread, NULL, send_all, NULL);
	loop_run(loop);
	pthread_join(thread, NULL);
	ck_assert_int_eq(received, ITEMS);
	queue_free(queue);
}
END_TEST

static void on_hup(void *ctx, int signo)
{
	ck_assert_int_eq(signo, SIGHUP);
	strcat(trace, "h");
	loop_stop(loop);
}

START_TEST(loop_catches_signals)
{
	ck_assert_int_eq(loop_signal_add(loop, SIGHUP, on_hup, NULL), 0);
	raise(SIGHUP);
	loop_run(loop);
	raise(SIGHUP);
	loop_run(loop);
	ck_assert_str_eq(trace, "hh");
}
END_TEST

static Suite *loop_suite(void)
{
	Suite *suite = suite_create("loop");
	TCase *tc = tcase_create("loop");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, loop_fires_timers_in_order);
	tcase_add_test(tc, loop_clears_timers);
	tcase_add_test(tc, loop_timer_may_free_itself_and_others);
	tcase_add_test(tc, loop_keeps_an_early_stop);
	tcase_add_test(tc, loop_stops_from_another_thread);
	tcase_add_test(tc, loop_watches_descriptors);
	tcase_add_test(tc, loop_pauses_descriptors);
	tcase_add_test(tc, loop_brings_queue_items_in_order);
	tcase_add_test(tc, loop_catches_signals);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(loop_suite)
