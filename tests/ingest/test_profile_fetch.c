/* Fetching, from a server of our own that can be slow, wrong or gone. */
#include "ingest/profile_fetch.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/check_main.h"

#define WAIT_MS 5000

static struct hash_key key;
static struct loop *loop;
static struct http_server *server;
static struct profile_hub *hub;
static struct profile_fetcher *fetcher;
static struct loop_timer *deadline;
static uint16_t port;

/* the server */
static const char *answer;
static int status;
static bool is_slow;
static uint32_t requests, under_way, under_way_most;
static struct http_token held[64];

/* what came of it */
static uint32_t batches, up_rows, down_rows, stale_rows;
static struct profile_now now;
static uint32_t answers;
static bool (*is_enough)(void);

static void check_enough(void)
{
	if (is_enough && is_enough())
		loop_stop(loop);
}

static void on_request(void *ctx, struct http_request *request)
{
	requests++;
	under_way++;
	if (under_way > under_way_most)
		under_way_most = under_way;
	if (is_slow) {
		ck_assert_int_eq(http_defer(request, &held[(under_way - 1) % 64]), 0);
	} else {
		under_way--;
		http_reply(request, &(struct http_reply){ .status = status,
							  .content_type = "text/plain",
							  .body = slice_from(answer) });
	}
	check_enough();
}

static void release_all(void)
{
	for (uint32_t i = 0; i < under_way; i++)
		http_reply_to(server, held[i],
			      &(struct http_reply){ .status = status,
						    .content_type = "text/plain",
						    .body = slice_from(answer) });
	under_way = 0;
}

static int64_t host_now_ms(void *ctx)
{
	return clock_wall_ms();
}

static void host_push(void *ctx, struct batch *batch, struct slice url)
{
	batches++;
	for (uint32_t i = 0; i < batch->nrows; i++) {
		bool is_up = slice_is(labels_get(batch->births[i].labels, SLICE(METRIC_NAME)),
				      "profile_up");
		double value;

		memcpy(&value, &batch->rows[i].bits, sizeof(value));
		stale_rows += batch->rows[i].bits == STALE_NAN_BITS;
		up_rows += is_up && value == 1;
		down_rows += is_up && value == 0;
	}
	batch_free(batch);
	check_enough();
}

static void on_now(void *ctx, const struct profile_now *given)
{
	now = *given;
	answers++;
	check_enough();
}

static void on_deadline(void *ctx)
{
	ck_abort_msg("waited in vain: %u requests, %u batches, %u answers", requests, batches,
		     answers);
}

static void run_until(bool (*enough)(void))
{
	is_enough = enough;
	loop_timer_set(deadline, patience_ms(WAIT_MS));
	if (!enough())
		loop_run(loop);
	loop_timer_clear(deadline);
	is_enough = NULL;
}

static void setup(void)
{
	struct http_server_options options = { .address = "127.0.0.1", .body_max = 1000 };
	struct profile_fetch_host host = { NULL, host_now_ms, host_push };
	struct profile_store *store;
	char *why = NULL;

	hash_key_derive(&key, "test", 4);
	loop = loop_new();
	ck_assert_int_eq(http_server_new(loop, &options, on_request, NULL, &server, &why), 0);
	port = http_server_port(server);
	ck_assert_int_eq(profile_store_open(NULL, &store, &why), 0);
	hub = profile_hub_new(&key, store);
	fetcher = profile_fetcher_new(loop, hub, &host);
	deadline = loop_timer_new(loop, on_deadline, NULL);
	ck_assert(hub && fetcher && deadline);
	answer = "main;work 3\n";
	status = 200;
	is_slow = false;
	requests = under_way = under_way_most = batches = up_rows = down_rows = stale_rows = 0;
	answers = 0;
}

static void teardown(void)
{
	profile_fetcher_free(fetcher);
	profile_hub_free(hub);
	http_server_free(server);
	loop_timer_free(deadline);
	loop_free(loop);
}

#define TARGETS 70
static struct profile_fetch_target targets[TARGETS];
static char urls[TARGETS][100];

static void configure(size_t n, int64_t interval_ms, int64_t timeout_ms)
{
	for (size_t i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "t%zu", i);
		const struct label pairs[] = { { SLICE("job"), SLICE("test") },
					       { SLICE("instance"), slice_from(name) } };

		snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%u/debug/pprof/profile?i=%zu",
			 port, i);
		targets[i] = (struct profile_fetch_target){ .url = slice_from(urls[i]),
							    .interval_ms = interval_ms,
							    .timeout_ms = timeout_ms };
		ck_assert_int_eq(labels_new(pairs, 2, &targets[i].labels, NULL), 0);
	}
	ck_assert_int_eq(profile_fetcher_configure(fetcher, targets, n), 0);
	for (size_t i = 0; i < n; i++)
		labels_unref(targets[i].labels);
}

static int ask(const char *match, const char *type)
{
	struct matcher *matchers = NULL;
	size_t n = 0;
	char *why = NULL;

	ck_assert_int_eq(matchers_parse(slice_from(match), &matchers, &n, &why), 0);
	int code = profile_fetch_now(fetcher, matchers, n, slice_from(type), NULL, on_now, NULL);

	matchers_free(matchers, n);
	return code;
}

static bool has_three(void)
{
	return up_rows >= 3;
}

START_TEST(targets_are_fetched_by_their_interval)
{
	struct profile_target_state state;
	int64_t begun_us = clock_monotonic_us();

	configure(1, 200, 1000);
	run_until(has_three);
	ck_assert_int_ge(clock_monotonic_us() - begun_us, 350000);
	ck_assert_uint_eq(requests, 3);
	ck_assert(profile_fetcher_target(fetcher, 0, &state) && state.is_up);
	ck_assert(!profile_fetcher_target(fetcher, 1, &state));
	ck_assert_uint_eq(profile_fetcher_stats(fetcher).good, 3);
}
END_TEST

static bool has_two_down(void)
{
	return down_rows >= 2;
}

START_TEST(what_is_wrong_is_told_and_ends_the_series)
{
	static const struct {
		const char *answer, *error;
		int status;
	} wrongs[] = {
		{ "Could not enable CPU profiling: cpu profiling already in use\n",
		  "answered 500: Could not enable CPU profiling: cpu profiling already in use",
		  500 },
		{ "no profile", "no count at the end of the line", 200 },
		{ "gone", "answered 404: gone", 404 },
	};
	struct profile_target_state state;

	status = wrongs[_i].status;
	answer = wrongs[_i].answer;
	configure(1, 100, 1000);
	run_until(has_two_down);
	ck_assert(profile_fetcher_target(fetcher, 0, &state) && !state.is_up);
	ck_assert_msg(slice_is(state.error, wrongs[_i].error), SLICE_FMT, SLICE_ARG(state.error));
	ck_assert_uint_eq(profile_fetcher_stats(fetcher).down, 1);
}
END_TEST

/* However long, and whatever bytes: its beginning is told. */
START_TEST(what_is_wrong_is_told_at_such_length)
{
	static char wrong[1000];
	struct profile_target_state state;

	for (size_t i = 0; i + 2 < sizeof(wrong); i += 2)
		memcpy(wrong + i, "\303\244", 2);
	memmove(wrong + 1, wrong, sizeof(wrong) - 2);
	wrong[0] = 'x';
	status = 500;
	answer = wrong;
	configure(1, 100, 1000);
	run_until(has_two_down);
	ck_assert(profile_fetcher_target(fetcher, 0, &state) && !state.is_up);
	ck_assert_uint_lt(state.error.len, PROFILE_ERROR_MAX);
	ck_assert_uint_gt(state.error.len, 100);
	ck_assert(slice_is_utf8(state.error));
	answer = "";
}
END_TEST

START_TEST(a_profile_that_is_too_large_is_none)
{
	struct profile_target_state state;
	char *large = malloc(PROFILE_FETCH_BYTES_MAX + 2);

	ck_assert_ptr_nonnull(large);
	memset(large, 'x', PROFILE_FETCH_BYTES_MAX + 1);
	large[PROFILE_FETCH_BYTES_MAX + 1] = '\0';
	answer = large;
	configure(1, 100, 5000);
	run_until(has_two_down);
	ck_assert(profile_fetcher_target(fetcher, 0, &state) && !state.is_up);
	ck_assert_msg(slice_is(state.error, "the profile is larger than the limit"), SLICE_FMT,
		      SLICE_ARG(state.error));
	answer = "";
	free(large);
}
END_TEST

START_TEST(a_target_that_is_too_slow_is_down)
{
	struct profile_target_state state;

	is_slow = true;
	configure(1, 100, 100);
	run_until(has_two_down);
	ck_assert(profile_fetcher_target(fetcher, 0, &state) && !state.is_up);
	ck_assert_ptr_nonnull(strstr(state.error.ptr, "imed out"));
}
END_TEST

static bool has_one_request(void)
{
	return requests == 1;
}
static bool has_one_up(void)
{
	return up_rows >= 1;
}
static bool has_two_answers(void)
{
	return answers == 2;
}

START_TEST(one_at_a_time_also_when_somebody_asks)
{
	is_slow = true;
	configure(1, 100000, 5000);
	ck_assert_int_eq(ask("{job=\"test\"}", "cpu"), 0);
	run_until(has_one_request);
	/* Who asks now gets the next one, together. */
	ck_assert_int_eq(ask("{job=\"test\"}", ""), 0);
	ck_assert_int_eq(ask("{instance=\"t0\"}", ""), 0);
	release_all();
	is_slow = false;
	run_until(has_one_up);
	ck_assert_uint_eq(answers, 1);
	ck_assert_uint_eq(now.nids, 1);
	answers = 0;
	run_until(has_two_answers);
	ck_assert_uint_eq(requests, 2);
	ck_assert_uint_eq(under_way_most, 1);
	ck_assert_uint_eq(now.ids[0], 2);
}
END_TEST

static bool has_an_answer(void)
{
	return answers == 1;
}

START_TEST(those_who_ask_are_told_what_is_wrong)
{
	ck_assert_int_eq(ask("{}", ""), ERR_NOT_FOUND);
	configure(3, 100000, 5000);
	ck_assert_int_eq(ask("{job=\"other\"}", ""), ERR_NOT_FOUND);
	ck_assert_int_eq(ask("{}", "mutex"), ERR_NOT_FOUND);
	status = 500;
	answer = "no";
	ck_assert_int_eq(ask("{instance=~\"t0|t1\"}", "cpu"), 0);
	run_until(has_an_answer);
	ck_assert_uint_eq(now.nids, 0);
	ck_assert_uint_eq(now.failed, 2);
	ck_assert_str_eq(now.error, "answered 500: no");
}
END_TEST

START_TEST(so_many_may_ask_for_so_many)
{
	is_slow = true;
	configure(PROFILE_NOW_TARGETS_MAX + 1, 100000, 5000);
	ck_assert_int_eq(ask("{}", ""), ERR_LIMIT);
	ck_assert_int_eq(ask("{instance=\"t0\"}", ""), 0);
	for (int i = 0; i < PROFILE_NOW_WAITING_MAX; i++)
		ck_assert_int_eq(ask("{instance=\"t0\"}", ""), 0);
	ck_assert_int_eq(ask("{instance=\"t0\"}", ""), ERR_FULL);
	/* At the end all are told that nothing comes. */
	profile_fetcher_free(fetcher);
	fetcher = NULL;
	ck_assert_uint_eq(answers, PROFILE_NOW_WAITING_MAX + 1);
	ck_assert_str_eq(now.error, "the target is gone");
}
END_TEST

static bool has_all_it_may(void)
{
	return under_way >= PROFILE_FETCHES_MAX;
}
static bool has_all(void)
{
	return up_rows >= TARGETS;
}

START_TEST(so_many_are_under_way_at_once)
{
	is_slow = true;
	configure(TARGETS, 500, 5000);
	run_until(has_all_it_may);
	ck_assert_uint_eq(requests, PROFILE_FETCHES_MAX);
	release_all();
	is_slow = false;
	run_until(has_all);
	ck_assert_uint_le(under_way_most, PROFILE_FETCHES_MAX);
}
END_TEST

START_TEST(a_target_that_is_taken_out_ends_others_go_on)
{
	struct profile_target_state state;

	configure(2, 100, 1000);
	run_until(has_three);
	stale_rows = 0;
	configure(1, 100, 1000);
	ck_assert_uint_gt(stale_rows, 5);
	ck_assert(profile_fetcher_target(fetcher, 0, &state) && state.is_up);
	ck_assert(!profile_fetcher_target(fetcher, 1, &state));
}
END_TEST

static Suite *profile_fetch_suite(void)
{
	Suite *suite = suite_create("profile_fetch");
	TCase *tcase = tcase_create("profile_fetch");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, targets_are_fetched_by_their_interval);
	tcase_add_loop_test(tcase, what_is_wrong_is_told_and_ends_the_series, 0, 3);
	tcase_add_test(tcase, a_profile_that_is_too_large_is_none);
	tcase_add_test(tcase, what_is_wrong_is_told_at_such_length);
	tcase_add_test(tcase, a_target_that_is_too_slow_is_down);
	tcase_add_test(tcase, one_at_a_time_also_when_somebody_asks);
	tcase_add_test(tcase, those_who_ask_are_told_what_is_wrong);
	tcase_add_test(tcase, so_many_may_ask_for_so_many);
	tcase_add_test(tcase, so_many_are_under_way_at_once);
	tcase_add_test(tcase, a_target_that_is_taken_out_ends_others_go_on);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(profile_fetch_suite)
