#include "base/queue.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"

struct message {
	struct queue_item item;
	int producer, number;
};

static struct message *message_new(int producer, int number, size_t cost)
{
	struct message *message = calloc(1, sizeof(*message));

	message->item.cost = cost;
	message->producer = producer;
	message->number = number;
	return message;
}

static size_t free_all(struct queue_item *list)
{
	size_t n = 0;

	for (struct queue_item *next; list; list = next, n++) {
		next = list->next;
		free(list);
	}
	return n;
}

START_TEST(queue_keeps_order)
{
	struct queue *queue = queue_new(10, 1000);
	int number = 0;

	ck_assert_ptr_null(queue_take_all(queue));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5; i++) {
			ck_assert_int_eq(queue_push(queue, &message_new(0, i, 7)->item, false), 0);
			queue_check(queue);
		}
		ck_assert_uint_eq(queue_items(queue), 5);
		ck_assert_uint_eq(queue_bytes(queue), 35);
		struct queue_item *list = queue_take_all(queue);

		number = 0;
		for (struct queue_item *item = list; item; item = item->next)
			ck_assert_int_eq(((struct message *)item)->number, number++);
		ck_assert_uint_eq(free_all(list), 5);
		queue_check(queue);
		ck_assert_uint_eq(queue_items(queue), 0);
		ck_assert_uint_eq(queue_bytes(queue), 0);
	}
	queue_free(queue);
	queue_free(NULL);
}
END_TEST

START_TEST(queue_refuses_when_full)
{
	struct queue *queue = queue_new(3, 100);
	struct message *extra = message_new(0, 9, 1);

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(queue_push(queue, &message_new(0, i, 1)->item, false), 0);
	ck_assert_int_eq(queue_push(queue, &extra->item, false), ERR_FULL);
	ck_assert_uint_eq(queue_refused(queue), 1);
	ck_assert_uint_eq(queue_items(queue), 3);
	ck_assert_int_eq(queue_push(queue, &extra->item, true), 0);
	ck_assert_uint_eq(queue_items(queue), 4);
	queue_check(queue);
	ck_assert_uint_eq(free_all(queue_take_all(queue)), 4);

	/* another limit in bytes: what is in it stays */
	struct message *large = message_new(0, 1, 60);
	ck_assert_int_eq(queue_push(queue, &large->item, false), 0);
	queue_bytes_max_set(queue, 50);
	extra = message_new(0, 2, 1);
	ck_assert_int_eq(queue_push(queue, &extra->item, false), ERR_FULL);
	queue_bytes_max_set(queue, 100);
	ck_assert_int_eq(queue_push(queue, &extra->item, false), 0);
	ck_assert_uint_eq(free_all(queue_take_all(queue)), 2);

	/* bytes */
	ck_assert_int_eq(queue_push(queue, &message_new(0, 0, 60)->item, false), 0);
	extra = message_new(0, 1, 41);
	ck_assert_int_eq(queue_push(queue, &extra->item, false), ERR_FULL);
	extra->item.cost = 40;
	ck_assert_int_eq(queue_push(queue, &extra->item, false), 0);
	ck_assert_uint_eq(free_all(queue_take_all(queue)), 2);
	extra = message_new(0, 2, 101);
	ck_assert_int_eq(queue_push(queue, &extra->item, false), ERR_FULL);
	ck_assert_uint_eq(queue_refused(queue), 4);
	ck_assert_int_eq(queue_push(queue, &extra->item, true), 0);
	/* Above the limit, nothing more is taken. */
	extra = message_new(0, 3, 0);
	ck_assert_int_eq(queue_push(queue, &extra->item, false), ERR_FULL);
	free(extra);
	ck_assert_uint_eq(free_all(queue_take_all(queue)), 1);
	queue_free(queue);
}
END_TEST

static bool is_readable(int fd)
{
	struct pollfd watch = { .fd = fd, .events = POLLIN };

	return poll(&watch, 1, 0) == 1;
}

START_TEST(queue_fd_is_readable_while_there_are_items)
{
	struct queue *queue = queue_new(10, 1000);

	queue_push(queue, &message_new(0, 0, 1)->item, false);
	int fd = queue_fd(queue); /* asked for late: it knows already */

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(queue_fd(queue), fd);
	ck_assert(is_readable(fd));
	free_all(queue_take_all(queue));
	ck_assert(!is_readable(fd));
	for (int i = 0; i < 3; i++)
		queue_push(queue, &message_new(0, i, 1)->item, false);
	ck_assert(is_readable(fd));
	free_all(queue_take_all(queue));
	ck_assert(!is_readable(fd));
	ck_assert_ptr_null(queue_take_all(queue)); /* does not block */
	queue_free(queue);
}
END_TEST

START_TEST(queue_takes_a_list_in_its_order)
{
	struct queue *queue = queue_new(2, 100);
	int fd = queue_fd(queue);
	struct message *messages[4];

	queue_push_all(queue, NULL);
	ck_assert(!is_readable(fd));
	ck_assert_int_eq(queue_push(queue, &message_new(0, 0, 1)->item, false), 0);
	for (int i = 3; i >= 1; i--) {
		messages[i] = message_new(0, i, 50);
		messages[i]->item.next = i < 3 ? &messages[i + 1]->item : NULL;
	}
	queue_push_all(queue, &messages[1]->item); /* passes both limits */
	queue_check(queue);
	ck_assert_uint_eq(queue_items(queue), 4);
	ck_assert_uint_eq(queue_bytes(queue), 151);
	ck_assert(is_readable(fd));
	struct queue_item *list = queue_take_all(queue);
	int number = 0;

	for (struct queue_item *item = list; item; item = item->next)
		ck_assert_int_eq(((struct message *)item)->number, number++);
	ck_assert_uint_eq(free_all(list), 4);
	ck_assert(!is_readable(fd));
	queue_push_all(queue, &message_new(0, 0, 1)->item);
	ck_assert(is_readable(fd));
	ck_assert_uint_eq(free_all(queue_take_all(queue)), 1);
	queue_free(queue);
}
END_TEST

static void *push_later(void *arg)
{
	struct timespec pause = { .tv_nsec = 20000000 };

	nanosleep(&pause, NULL);
	queue_push(arg, &message_new(0, 0, 1)->item, false);
	return NULL;
}

START_TEST(queue_wait_wakes_or_times_out)
{
	struct queue *queue = queue_new(10, 1000);
	pthread_t thread;
	int64_t start_us = clock_monotonic_us();

	ck_assert(!queue_wait(queue, 0));
	ck_assert(!queue_wait(queue, 30000));
	ck_assert_int_ge(clock_monotonic_us() - start_us, 30000);
	pthread_create(&thread, NULL, push_later, queue);
	ck_assert(queue_wait(queue, -1));
	pthread_join(thread, NULL);
	ck_assert(queue_wait(queue, 0));
	free_all(queue_take_all(queue));
	pthread_create(&thread, NULL, push_later, queue);
	ck_assert(queue_wait(queue, 20000000));
	pthread_join(thread, NULL);
	free_all(queue_take_all(queue));
	queue_free(queue);
}
END_TEST

#define PRODUCERS 4
#define MESSAGES 5000

struct producer {
	struct queue *queue;
	int id;
	uint64_t refused;
};

/* Tries again when it is refused, as a sender does. */
static void *produce(void *arg)
{
	struct producer *producer = arg;

	for (int i = 0; i < MESSAGES; i++) {
		struct message *message = message_new(producer->id, i, 10);

		while (queue_push(producer->queue, &message->item, false) == ERR_FULL) {
			producer->refused++;
			sched_yield();
		}
	}
	return NULL;
}

START_TEST(queue_serves_many_producers)
{
	struct queue *queue = queue_new(64, 500); /* 50 messages */
	struct producer producers[PRODUCERS];
	pthread_t threads[PRODUCERS];
	int expected[PRODUCERS] = { 0 };
	size_t taken = 0;
	uint64_t refused = 0;
	int fd = queue_fd(queue);

	for (int i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){ queue, i, 0 };
		pthread_create(&threads[i], NULL, produce, &producers[i]);
	}
	while (taken < PRODUCERS * MESSAGES) {
		/* By turns as a waiter and as an event loop. */
		struct pollfd watch = { .fd = fd, .events = POLLIN };
		bool waits = taken % 2;

		if (waits)
			ck_assert(queue_wait(queue, 10000000));
		else
			ck_assert_int_eq(poll(&watch, 1, 10000), 1);
		struct queue_item *list = queue_take_all(queue);
		size_t n = 0;

		for (struct queue_item *item = list; item; item = item->next, n++) {
			struct message *message = (struct message *)item;

			if (message->number != expected[message->producer]++)
				ck_abort_msg("message %d of %d came out of order", message->number,
					     message->producer);
		}
		ck_assert_uint_ge(n, waits); /* readable once more: there may be none */
		ck_assert_uint_le(n, 50);
		taken += free_all(list);
	}
	for (int i = 0; i < PRODUCERS; i++) {
		pthread_join(threads[i], NULL);
		refused += producers[i].refused;
	}
	ck_assert_uint_eq(taken, PRODUCERS * MESSAGES);
	ck_assert_uint_eq(queue_refused(queue), refused);
	ck_assert(!is_readable(fd));
	queue_check(queue);
	queue_free(queue);
}
END_TEST

static Suite *queue_suite(void)
{
	Suite *suite = suite_create("queue");
	TCase *tcase = tcase_create("all");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, queue_keeps_order);
	tcase_add_test(tcase, queue_refuses_when_full);
	tcase_add_test(tcase, queue_fd_is_readable_while_there_are_items);
	tcase_add_test(tcase, queue_takes_a_list_in_its_order);
	tcase_add_test(tcase, queue_wait_wakes_or_times_out);
	tcase_add_test(tcase, queue_serves_many_producers);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(queue_suite)
