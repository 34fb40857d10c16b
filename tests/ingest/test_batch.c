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

START_TEST(labels_of_a_batch_without_body_are_those_of_births)
{
	struct labels *own = labels_named("up"), *labels = NULL;

	batch_reserve(batch, 3);
	batch->nrows = 3;
	ck_assert_int_eq(batch_birth_add(batch, 1, own), 0);
	ck_assert_int_eq(batch_labels(batch, 1, &labels), 0);
	ck_assert_ptr_eq(labels, own);
	labels_unref(labels);
	ck_assert_int_eq(batch_labels(batch, 0, &labels), ERR_NOT_FOUND);
	ck_assert_int_eq(batch_labels(batch, 2, &labels), ERR_NOT_FOUND);
}
END_TEST

START_TEST(batch_of_lines_bounds_positions_and_examples)
{
	static char text[BATCH_POSITION_BYTES_MAX + 1];
	uint32_t taken = 0;
	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(batch_position_add(batch, SLICE(""), SLICE("1")), ERR_LIMIT);
	ck_assert_int_eq(batch_position_add(batch, SLICE("k"), (struct slice){ text, sizeof(text) - 1 }),
			 ERR_LIMIT);
	while (batch_position_add(batch, SLICE("k"), (struct slice){ text, 8000 }) == 0)
		taken++;
	ck_assert_uint_eq(taken, batch->npositions);
	ck_assert_uint_gt(taken, 500);
	ck_assert_uint_le(batch->positions.len, BATCH_POSITIONS_BYTES_MAX);

	batch_reserve(batch, 1);
	batch->nrows = 1;
	/* Cut between characters. */
	text[BATCH_EXAMPLE_BYTES_MAX - 1] = '\xc3';
	text[BATCH_EXAMPLE_BYTES_MAX] = '\xa4';
	batch_example_add(batch, 0, 5, (struct slice){ text, sizeof(text) });
	ck_assert_uint_eq(batch->examples[0].len, BATCH_EXAMPLE_BYTES_MAX - 1);
	for (int i = 0; i <= BATCH_EXAMPLES_MAX; i++)
		batch_example_add(batch, 0, 5, SLICE("line"));
	ck_assert_uint_eq(batch->nexamples, BATCH_EXAMPLES_MAX);
	ck_assert(slice_is(batch_example_line(batch, &batch->examples[1]), "line"));
	batch_clear(batch);
	ck_assert_uint_eq(batch->npositions + batch->nexamples, 0);
	ck_assert_uint_eq(batch->positions.len + batch->texts.len, 0);
}
END_TEST

START_TEST(batch_of_lines_tells_the_kind_of_its_series)
{
	static const struct hash_key key;
	struct labels *labels = NULL;
	struct label pair = { SLICE("__name__"), SLICE("logs{}") };
	ck_assert_int_eq(labels_new(&pair, 1, &labels, NULL), 0);
	ck_assert_int_eq(batch_sample_add(batch, &key, labels, 1, 2), 0);
	ck_assert_int_eq(batch_derived_add(batch, &key, labels, WINDOW_MAX, 1, 2), 0);
	ck_assert_int_eq(batch->births[0].kind, WINDOW_SAMPLES);
	ck_assert_int_eq(batch->births[1].kind, WINDOW_MAX);
	labels_unref(labels);
}
END_TEST

static Suite *batch_suite(void)
{
	Suite *suite = suite_create("batch");
	TCase *tcase = tcase_create("batch");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, batch_of_lines_bounds_positions_and_examples);
	tcase_add_test(tcase, batch_of_lines_tells_the_kind_of_its_series);
	tcase_add_test(tcase, batch_makes_room_for_rows);
	tcase_add_test(tcase, batch_takes_references_of_births);
	tcase_add_test(tcase, batch_clear_keeps_memory_only);
	tcase_add_test(tcase, complaints_are_joined_while_there_is_room);
	tcase_add_test(tcase, long_complaints_are_cut);
	tcase_add_test(tcase, outcome_says_what_was_written);
	tcase_add_test(tcase, each_rejection_is_one);
	tcase_add_test(tcase, labels_of_a_batch_without_body_are_not_found);
	tcase_add_test(tcase, labels_of_a_batch_without_body_are_those_of_births);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(batch_suite)
