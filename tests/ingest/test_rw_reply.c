#include "ingest/remote_write.h"

#include "tests/check_main.h"

static struct batch batch;
static struct rw_reply reply;

static void setup(void)
{
	memset(&batch, 0, sizeof(batch));
	memset(&reply, 0xff, sizeof(reply));
	batch.protocol = BATCH_REMOTE_WRITE_2;
}

static const char *header(const char *name)
{
	for (size_t i = 0; i < reply.nheaders; i++)
		if (strcmp(reply.headers[i].name, name) == 0)
			return reply.headers[i].value;
	return "(none)";
}

static void assert_written(const char *samples, const char *histograms, const char *exemplars)
{
	ck_assert_str_eq(header("X-Prometheus-Remote-Write-Samples-Written"), samples);
	ck_assert_str_eq(header("X-Prometheus-Remote-Write-Histograms-Written"), histograms);
	ck_assert_str_eq(header("X-Prometheus-Remote-Write-Exemplars-Written"), exemplars);
}

START_TEST(good_reply_has_no_body)
{
	batch.outcome = (struct batch_outcome){ .stored = 1000,
						.identical = 200,
						.late = 30,
						.ignored = 4,
						.histograms = 5,
						.exemplars = 6,
						.metadata = 7 };
	rw_reply_make(&batch, &reply);
	ck_assert_int_eq(reply.status, 204);
	ck_assert_str_eq(reply.body, "");
	ck_assert_uint_eq(reply.nheaders, 3);
	assert_written("1234", "5", "6");
}
END_TEST

START_TEST(written_headers_are_there_when_nothing_was_written)
{
	rw_reply_make(&batch, &reply);
	ck_assert_int_eq(reply.status, 204);
	assert_written("0", "0", "0");
}
END_TEST

START_TEST(counts_of_32_bits_fit)
{
	batch.outcome = (struct batch_outcome){ .stored = UINT32_MAX, .histograms = UINT32_MAX };
	rw_reply_make(&batch, &reply);
	assert_written("4294967295", "4294967295", "0");
}
END_TEST

/* A 1.0 sender must not see them: Prometheus takes them for a partial write. */
START_TEST(version_1_has_no_written_headers)
{
	batch.protocol = BATCH_REMOTE_WRITE_1;
	batch.outcome.stored = 5;
	rw_reply_make(&batch, &reply);
	ck_assert_int_eq(reply.status, 204);
	ck_assert_uint_eq(reply.nheaders, 0);
	batch.outcome.invalid = 1;
	rw_reply_make(&batch, &reply);
	ck_assert_int_eq(reply.status, 400);
	ck_assert_uint_eq(reply.nheaders, 0);
}
END_TEST

START_TEST(rejections_are_400_with_counts_and_complaints)
{
	batch.outcome = (struct batch_outcome){
		.stored = 3, .invalid = 1, .conflict = 2, .bad_histograms = 4
	};
	strcpy(batch.outcome.error, "series {a=\"b\"}: no metric name");
	rw_reply_make(&batch, &reply);
	ck_assert_int_eq(reply.status, 400);
	ck_assert_str_eq(
		reply.body,
		"rejected: 1 samples with bad labels, 2 samples that differ from the stored one "
		"of the same time, 4 bad histograms; series {a=\"b\"}: no metric name\n");
	assert_written("3", "0", "0");
}
END_TEST

START_TEST(every_rejection_at_once_still_fits)
{
	batch.outcome = (struct batch_outcome){ .invalid = UINT32_MAX,
						.conflict = UINT32_MAX,
						.future = UINT32_MAX,
						.limited = UINT32_MAX,
						.bad_histograms = UINT32_MAX,
						.bad_exemplars = UINT32_MAX };
	memset(batch.outcome.error, 'x', sizeof(batch.outcome.error) - 1);
	rw_reply_make(&batch, &reply);
	ck_assert_int_eq(reply.status, 400);
	ck_assert_uint_lt(strlen(reply.body), sizeof(reply.body));
	ck_assert_ptr_nonnull(strstr(reply.body, "4294967295 bad exemplars; xxx"));
}
END_TEST

START_TEST(refusals_have_their_reason_and_zeros)
{
	rw_reply_refused(415, "unsupported", true, &reply);
	ck_assert_int_eq(reply.status, 415);
	ck_assert_str_eq(reply.body, "unsupported\n");
	ck_assert_uint_eq(reply.nheaders, 3);
	assert_written("0", "0", "0");
	rw_reply_refused(503, "the queue is full", true, &reply);
	assert_written("0", "0", "0");
	rw_reply_refused(400, NULL, false, &reply);
	ck_assert_str_eq(reply.body, "\n");
	ck_assert_uint_eq(reply.nheaders, 0);
}
END_TEST

static Suite *rw_reply_suite(void)
{
	Suite *suite = suite_create("rw_reply");
	TCase *tcase = tcase_create("reply");
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, good_reply_has_no_body);
	tcase_add_test(tcase, written_headers_are_there_when_nothing_was_written);
	tcase_add_test(tcase, counts_of_32_bits_fit);
	tcase_add_test(tcase, version_1_has_no_written_headers);
	tcase_add_test(tcase, rejections_are_400_with_counts_and_complaints);
	tcase_add_test(tcase, every_rejection_at_once_still_fits);
	tcase_add_test(tcase, refusals_have_their_reason_and_zeros);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(rw_reply_suite)
