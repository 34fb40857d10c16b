#include "ingest/batch.h"

#include "base/error.h"
#include "tests/check_main.h"

static struct batch *batch;

static void setup(void)
{
	batch = batch_new();
}

static void teardown(void)
{
	batch_free(batch);
}

static struct labels *labels_named(const char *name)
{
	struct label pair = { SLICE(METRIC_NAME), slice_from(name) };
	struct labels *labels = NULL;
	labels_new(&pair, 1, &labels, NULL);
	return labels;
}

START_TEST(batch_makes_room_for_rows)
{
	ck_assert_int_eq(batch_reserve(batch, 1), 0);
	for (uint32_t i = 0; i < 100000; i++) {
		ck_assert_int_eq(batch_reserve(batch, 1), 0);
		ck_assert_uint_lt(batch->nrows, batch->rows_cap);
		batch->rows[batch->nrows] = (struct batch_row){ .ts_ms = i };
		batch->label_at[batch->nrows++] = i;
	}
	for (uint32_t i = 0; i < 100000; i++)
		ck_assert(batch->rows[i].ts_ms == i && batch->label_at[i] == i);
	uint32_t cap = batch->rows_cap;
	ck_assert_int_eq(batch_reserve(batch, cap - batch->nrows), 0);
	ck_assert_uint_eq(batch->rows_cap, cap);
	ck_assert_int_eq(batch_reserve(batch, UINT32_MAX), ERR_NOMEM);
}
END_TEST

START_TEST(batch_takes_references_of_births)
{
	struct labels *labels = labels_named("up");
	batch_reserve(batch, 100);
	batch->nrows = 100;
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_int_eq(batch_birth_add(batch, i, labels_ref(labels)), 0);
	ck_assert_uint_eq(batch->nbirths, 100);
	ck_assert_uint_eq(batch->births[99].row, 99);
	labels_unref(labels); /* batch_free() drops the others: the address sanitizer would tell */
}
END_TEST

START_TEST(batch_clear_keeps_memory_only)
{
	batch_reserve(batch, 10);
	batch->nrows = 10;
	batch_birth_add(batch, 0, labels_named("up"));
	batch_complain(batch, "bad");
	batch->outcome.stored = 7;
	batch->generation = 3;
	struct batch_row *rows = batch->rows;
	batch_clear(batch);
	ck_assert_ptr_eq(batch->rows, rows);
	ck_assert_uint_ge(batch->rows_cap, 10);
	ck_assert_uint_eq(batch->nrows + batch->nbirths + batch->outcome.stored + batch->generation,
			  0);
	ck_assert_str_eq(batch->outcome.error, "");
}
END_TEST

START_TEST(complaints_are_joined_while_there_is_room)
{
	batch_complain(batch, "first %d", 1);
	batch_complain(batch, "second");
	ck_assert_str_eq(batch->outcome.error, "first 1; second");
	ck_assert(batch_has_room_to_complain(batch));
	for (int i = 0; i < 1000; i++)
		batch_complain(batch, "complaint number %d", i);
	ck_assert_uint_lt(strlen(batch->outcome.error), sizeof(batch->outcome.error));
	ck_assert(!batch_has_room_to_complain(batch));
	/* None is cut in two. */
	ck_assert_ptr_nonnull(strstr(batch->outcome.error, "complaint number 9;"));
	ck_assert_ptr_null(strstr(batch->outcome.error, "complaint number 999"));
}
END_TEST

START_TEST(long_complaints_are_cut)
{
	char text[2000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	batch_complain(batch, "%s", text);
	ck_assert_uint_eq(strlen(batch->outcome.error), BATCH_COMPLAINT_MAX - 1);
}
END_TEST

START_TEST(outcome_says_what_was_written)
{
	struct batch_outcome o = { .stored = 1, .identical = 2, .late = 4, .ignored = 8 };
	ck_assert_uint_eq(batch_written(&o), 15);
	ck_assert(!batch_is_rejected(&o));
	o.histograms = o.exemplars = o.metadata = 5;
	ck_assert_uint_eq(batch_written(&o), 15);
	ck_assert(!batch_is_rejected(&o));
}
END_TEST

START_TEST(each_rejection_is_one)
{
	const struct batch_outcome rejections[] = {
		{ .conflict = 1 }, { .future = 1 },	    { .limited = 1 },
		{ .invalid = 1 },  { .bad_histograms = 1 }, { .bad_exemplars = 1 },
	};
	for (size_t i = 0; i < sizeof(rejections) / sizeof(rejections[0]); i++) {
		ck_assert(batch_is_rejected(&rejections[i]));
		ck_assert_uint_eq(batch_written(&rejections[i]), 0);
	}
}
END_TEST

START_TEST(labels_of_a_batch_without_body_are_not_found)
{
	struct labels *labels;
	batch_reserve(batch, 1);
	batch->nrows = 1;
	ck_assert_int_eq(batch_labels(batch, 0, &labels), ERR_NOT_FOUND);
}
END_TEST

static Suite *batch_suite(void)
{
	Suite *suite = suite_create("batch");
	TCase *tcase = tcase_create("batch");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, batch_makes_room_for_rows);
	tcase_add_test(tcase, batch_takes_references_of_births);
	tcase_add_test(tcase, batch_clear_keeps_memory_only);
	tcase_add_test(tcase, complaints_are_joined_while_there_is_room);
	tcase_add_test(tcase, long_complaints_are_cut);
	tcase_add_test(tcase, outcome_says_what_was_written);
	tcase_add_test(tcase, each_rejection_is_one);
	tcase_add_test(tcase, labels_of_a_batch_without_body_are_not_found);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(batch_suite)
