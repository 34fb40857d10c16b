/*
 * Keys and births: one label set has one key, another has another; labels travel along exactly as
 * long as the thread does not know the key.
 */
#include "ingest/rw_decoder.h"

#include "tests/check_main.h"
#include "tests/ingest/harness.h"

static struct harness h;

static void setup(void)
{
	harness_init(&h);
}

static void teardown(void)
{
	key_cache_check(&h.decoder->known);
	harness_fini(&h);
}

static struct hash128 one_key_for_all(const void *bytes, size_t n)
{
	return (struct hash128){ 1, 2 };
}

static struct hash128 key_v1(const char *name, const char *job)
{
	harness_series_v1(&h, name, job, 1);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	return h.batch->rows[0].key;
}

static struct hash128 key_v2(const char *name, const char *job)
{
	harness_series_v2(&h, name, job, 1);
	ck_assert_int_eq(harness_decode_v2(&h), 0);
	return h.batch->rows[0].key;
}

/* How many births a request of these has; each a job, "" ends. */
static uint32_t births_of(const char *const *jobs)
{
	for (; **jobs; jobs++)
		harness_series_v1(&h, "up", *jobs, 1);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	return h.batch->nbirths;
}

#define BIRTHS_OF(...) births_of((const char *const[]){ __VA_ARGS__, "" })

START_TEST(keys_are_those_of_the_labels_as_they_stand)
{
	struct buf labels;
	buf_init(&labels);
	enc_label(&labels, "__name__", "up");
	enc_label(&labels, "job", "node");
	struct hash128 want = hash_keyed128(&h.shared.key, labels.ptr, labels.len);
	ck_assert(hash128_is_equal(key_v1("up", "node"), want));
	buf_fini(&labels);
}
END_TEST

START_TEST(keys_do_not_depend_on_what_stands_around_the_labels)
{
	struct hash128 want = key_v1("up", "node");
	/* Samples first; an unknown field between two labels; a sample between them. */
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			enc_sample(&h.series, 1, TS);
		enc_label(&h.series, "__name__", "up");
		if (i == 1)
			enc_uint(&h.series, 99, 7);
		if (i == 2)
			enc_sample(&h.series, 1, TS);
		enc_label(&h.series, "job", "node");
		if (i == 1)
			enc_sample(&h.series, 1, TS);
		harness_series_end_v1(&h);
		ck_assert_int_eq(harness_decode_v1(&h), 0);
		ck_assert_uint_eq(h.batch->nrows, 1);
		ck_assert(hash128_is_equal(h.batch->rows[0].key, want));
		char *text = harness_row_text(&h, 0);
		ck_assert_str_eq(text, "up{job=\"node\"}");
		free(text);
	}
}
END_TEST

START_TEST(long_labels_are_part_of_the_key)
{
	char a[1000], b[1000];
	memset(a, 'x', sizeof(a));
	a[sizeof(a) - 1] = '\0';
	memcpy(b, a, sizeof(b));
	b[500] = 'y';
	ck_assert(!hash128_is_equal(key_v1("up", a), key_v1("up", b)));
	ck_assert(!hash128_is_equal(key_v1("up", a), key_v1("up", "x")));
	ck_assert(hash128_is_equal(key_v1("up", a), key_v1("up", a)));
}
END_TEST

START_TEST(version_2_keys_do_not_depend_on_the_table)
{
	struct hash128 want = key_v2("up", "node");
	enc_symbol(&h.symbols, "something");
	enc_symbol(&h.symbols, "node");
	enc_symbol(&h.symbols, "else");
	ck_assert(hash128_is_equal(key_v2("up", "node"), want));
	ck_assert(!hash128_is_equal(key_v2("up", "nod"), want));
	ck_assert(!hash128_is_equal(key_v2("node", "up"), want));
}
END_TEST

/* A table may hold a string twice: the same label set all the same. */
START_TEST(version_2_keys_are_of_texts_not_of_references)
{
	struct hash128 want = key_v2("up", "node");
	struct buf body;
	buf_init(&body);
	for (int i = 0; i < 2; i++) {
		enc_str(&h.request, 4, "");
		enc_str(&h.request, 4, "__name__");
		enc_str(&h.request, 4, "up");
		enc_str(&h.request, 4, "job");
		enc_str(&h.request, 4, "node");
		enc_str(&h.request, 4, "node");
		enc_bytes(&h.series, 1,
			  i == 0 ? SLICE("\x01\x02\x03\x04") : SLICE("\x01\x02\x03\x05"));
		enc_sample(&h.series, 1, TS);
		harness_series_end_v2(&h);
		enc_snappy(&body, buf_slice(&h.request));
		buf_clear(&h.request);
		ck_assert_int_eq(harness_decode_bytes(&h, TYPE_V2, "snappy", buf_slice(&body)), 0);
		ck_assert(hash128_is_equal(h.batch->rows[0].key, want));
		buf_clear(&body);
	}
	buf_fini(&body);
}
END_TEST

START_TEST(keys_are_keyed)
{
	struct hash128 here = key_v1("up", "node");
	hash_key_derive(&h.shared.key, "other", 5);
	ck_assert(!hash128_is_equal(key_v1("up", "node"), here));
}
END_TEST

/* Two strings that are one under XXH3-128 without a key, and under small seeds. */
START_TEST(strings_that_collide_without_a_key_are_told_apart)
{
	const char *srcdir = getenv("TOCSIN_SRCDIR");
	char texts[2][512] = { "", "" };
	for (int i = 0; i < 2; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/../shared/conformance/xxh3/%c.bin",
			 srcdir ? srcdir : ".", 'a' + i);
		FILE *f = fopen(path, "rb");
		if (!f) {
			printf("SKIP: no %s\n", path);
			return;
		}
		ck_assert_uint_eq(fread(texts[i], 1, sizeof(texts[i]) - 1, f), 392);
		fclose(f);
	}
	ck_assert_str_ne(texts[0], texts[1]);
	ck_assert(!hash128_is_equal(key_v1("up", texts[0]), key_v1("up", texts[1])));
	ck_assert(!hash128_is_equal(key_v2("up", texts[0]), key_v2("up", texts[1])));
	ck_assert_uint_eq(BIRTHS_OF(texts[0], texts[1]), 2);
	harness_learn(&h);
	ck_assert_uint_eq(BIRTHS_OF(texts[0], texts[1]), 0);
}
END_TEST

START_TEST(births_come_until_a_batch_was_applied)
{
	ck_assert_uint_eq(BIRTHS_OF("a", "b"), 2);
	ck_assert_uint_eq(BIRTHS_OF("a", "b"), 2);
	harness_learn(&h);
	ck_assert_uint_eq(BIRTHS_OF("a", "b"), 0);
	ck_assert_uint_eq(BIRTHS_OF("a", "c", "b"), 1);
	ck_assert_uint_eq(h.batch->births[0].row, 1);
	ck_assert_uint_eq(BIRTHS_OF("a", "c", "b"), 1);
	harness_learn(&h);
	ck_assert_uint_eq(BIRTHS_OF("a", "c", "b"), 0);
}
END_TEST

START_TEST(a_batch_without_births_can_still_say_its_labels)
{
	BIRTHS_OF("a", "b");
	harness_learn(&h);
	ck_assert_uint_eq(BIRTHS_OF("a", "b"), 0);
	char *text = harness_row_text(&h, 1);
	ck_assert_str_eq(text, "up{job=\"b\"}");
	free(text);
}
END_TEST

START_TEST(version_2_learns_too)
{
	key_v2("up", "node");
	ck_assert_uint_eq(h.batch->nbirths, 1);
	harness_learn(&h);
	enc_symbol(&h.symbols, "other table");
	key_v2("up", "node");
	ck_assert_uint_eq(h.batch->nbirths, 0);
}
END_TEST

START_TEST(one_birth_a_key_in_a_request)
{
	ck_assert_uint_eq(BIRTHS_OF("a", "b", "a", "a", "b"), 2);
	ck_assert_uint_eq(h.batch->births[0].row, 0);
	ck_assert_uint_eq(h.batch->births[1].row, 1);
}
END_TEST

START_TEST(many_births_in_one_request)
{
	enum { N = 20000 };
	char job[32];
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			snprintf(job, sizeof(job), "job%d", i % (N / 2));
			harness_series_v1(&h, "up", job, i);
		}
		ck_assert_int_eq(harness_decode_v1(&h), 0);
		ck_assert_uint_eq(h.batch->nrows, N);
		ck_assert_uint_eq(h.batch->nbirths, round < 2 ? N / 2 : 0);
		if (round == 1)
			harness_learn(&h);
	}
}
END_TEST

START_TEST(a_new_epoch_makes_all_keys_unknown)
{
	BIRTHS_OF("a", "b");
	harness_learn(&h);
	ck_assert_uint_eq(BIRTHS_OF("a", "b"), 0);
	h.epoch++;
	ck_assert_uint_eq(BIRTHS_OF("a", "b"), 2);
}
END_TEST

START_TEST(a_batch_of_an_earlier_epoch_teaches_nothing)
{
	BIRTHS_OF("a", "b");
	h.epoch++;
	harness_learn(&h);
	ck_assert_uint_eq(BIRTHS_OF("a", "b"), 2);
}
END_TEST

START_TEST(bad_labels_are_never_learned)
{
	for (int round = 0; round < 2; round++) {
		enc_label(&h.series, "job", "nameless");
		enc_sample(&h.series, 1, TS);
		harness_series_end_v1(&h);
		ck_assert_int_eq(harness_decode_v1(&h), 0);
		ck_assert_uint_eq(h.batch->outcome.invalid, 1);
		ck_assert_uint_eq(h.batch->nbirths, 0);
		harness_learn(&h);
	}
}
END_TEST

/* Two label sets whose keys are made equal stay two: every row says which it is. */
START_TEST(equal_keys_in_one_request_are_two_births_each_time)
{
	h.shared.hash_hook = one_key_for_all;
	for (int round = 0; round < 3; round++) {
		ck_assert_uint_eq(BIRTHS_OF("a", "b", "b", "a"), 3);
		ck_assert_uint_eq(h.batch->births[0].row, 0);
		ck_assert_uint_eq(h.batch->births[1].row, 1);
		ck_assert_uint_eq(h.batch->births[2].row, 3);
		char *text = labels_text(h.batch->births[1].labels);
		ck_assert_str_eq(text, "up{job=\"b\"}");
		free(text);
		harness_learn(&h);
	}
}
END_TEST

START_TEST(equal_keys_of_two_requests_are_told_apart_by_length)
{
	h.shared.hash_hook = one_key_for_all;
	ck_assert_uint_eq(BIRTHS_OF("a"), 1);
	harness_learn(&h);
	ck_assert_uint_eq(BIRTHS_OF("a"), 0);
	ck_assert_uint_eq(BIRTHS_OF("longer"), 1);
	/* The key now means another series: the first one must say again which it is. */
	ck_assert_uint_eq(BIRTHS_OF("a"), 1);
	harness_learn(&h);
	ck_assert_uint_eq(BIRTHS_OF("a", "longer", "a"), 2);
}
END_TEST

START_TEST(equal_keys_in_version_2_are_told_apart)
{
	h.shared.hash_hook = one_key_for_all;
	for (int round = 0; round < 2; round++) {
		harness_series_v2(&h, "up", "a", 1);
		harness_series_v2(&h, "up", "b", 1);
		ck_assert_int_eq(harness_decode_v2(&h), 0);
		ck_assert_uint_eq(h.batch->nbirths, 2);
		harness_learn(&h);
	}
	key_v2("up", "a");
	ck_assert_uint_eq(h.batch->nbirths, 1);
	harness_learn(&h);
	key_v2("up", "longer");
	ck_assert_uint_eq(h.batch->nbirths, 1);
}
END_TEST

START_TEST(recycled_batches_are_as_new)
{
	const char *body = NULL;
	for (int round = 0; round < 20; round++) {
		enc_label(&h.series, round % 2 ? "__name__" : "nameless", "up");
		enc_sample(&h.series, round, TS);
		harness_series_end_v1(&h);
		ck_assert_int_eq(harness_decode_v1(&h), 0);
		ck_assert_uint_eq(h.batch->nrows, round % 2);
		ck_assert_uint_eq(h.batch->nbirths, round % 2);
		ck_assert_uint_eq(h.batch->outcome.invalid, round % 2 == 0);
		ck_assert_int_eq(h.batch->outcome.error[0] != '\0', round % 2 == 0);
		ck_assert_uint_eq(h.batch->slot, 0);
		if (round > 0)
			ck_assert_ptr_eq(h.batch->body, body);
		body = h.batch->body;
		h.batch->slot = 7;
		rw_decoder_recycle(h.decoder, h.batch);
		h.batch = NULL;
	}
	/* A refused request gives its memory back too. */
	enc_uint(&h.request, 1, 1);
	ck_assert_int_eq(harness_decode_v1(&h), 400);
	harness_series_v1(&h, "up", "node", 1);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_ptr_eq(h.batch->body, body);
}
END_TEST

START_TEST(spare_batches_have_a_limit)
{
	struct batch *batches[RW_SPARE_BATCHES + 2];
	for (int i = 0; i < RW_SPARE_BATCHES + 2; i++) {
		key_v1("up", "node");
		batches[i] = h.batch;
		h.batch = NULL;
	}
	for (int i = 0; i < RW_SPARE_BATCHES + 2; i++)
		rw_decoder_recycle(h.decoder, batches[i]);
	ck_assert_uint_eq(h.decoder->nspares, RW_SPARE_BATCHES);
	/* Memory of an unusual request is not kept. */
	enc_label(&h.series, "__name__", "up");
	for (uint32_t i = 0; i <= RW_SPARE_ROWS; i++)
		enc_sample(&h.series, 1, TS);
	harness_series_end_v1(&h);
	ck_assert_int_eq(harness_decode_v1(&h), 0);
	ck_assert_uint_eq(h.decoder->nspares, RW_SPARE_BATCHES - 1);
	rw_decoder_recycle(h.decoder, h.batch);
	h.batch = NULL;
	ck_assert_uint_eq(h.decoder->nspares, RW_SPARE_BATCHES - 1);
}
END_TEST

START_TEST(request_numbers_may_come_round)
{
	BIRTHS_OF("a", "b");
	h.decoder->request = UINT32_MAX - 1;
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(BIRTHS_OF("a", "b", "a"), 2);
}
END_TEST

/* keep only job="a", and give it a label: as a configuration says it. */
static struct relabel *keep_a(void)
{
	static const char *const text =
		"- {source_labels: [job], regex: a, action: keep}\n- {target_label: site, replacement: s}";
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root;
	struct bind_structs list;
	struct relabel *relabel;
	const struct bind_field field = { .key = "r", .type = BIND_STRUCTS, .table = &relabel_table };
	const struct bind_table table = { .what = "test", .size = sizeof(list), .fields = &field,
					  .n = 1, .node_offset = SIZE_MAX, .given_offset = SIZE_MAX };
	struct buf yaml;

	buf_init(&yaml);
	buf_printf(&yaml, "r:\n%s", text);
	arena_init(&arena, 0);
	diag_list_init(&diags);
	ck_assert_int_eq(yaml_parse(buf_slice(&yaml), NULL, &arena, &diags, &root), 0);
	ck_assert_int_eq(bind_struct(&table, root, &arena, &diags, &list), 0);
	ck_assert_int_eq(relabel_new(&list, &diags, &relabel), 0);
	buf_fini(&yaml);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return relabel;
}

START_TEST(relabelled_series_are_born_under_their_new_labels_and_new_keys)
{
	struct hash128 before = key_v1("up", "a");
	struct relabel *relabel = keep_a();
	struct labels *labels;
	struct buf text;

	rw_decoder_relabel(h.decoder, relabel);
	relabel_unref(relabel);
	ck_assert(!hash128_is_equal(key_v1("up", "a"), before));
	ck_assert_uint_eq(BIRTHS_OF("a", "b"), 2);
	buf_init(&text);
	labels_format(h.batch->births[0].labels, &text);
	ck_assert_str_eq(text.ptr, "up{job=\"a\", site=\"s\"}");
	/* Dropped: without labels it is known to nobody. */
	ck_assert_uint_eq(labels_count(h.batch->births[1].labels), 0);
	ck_assert_uint_eq(h.batch->outcome.invalid, 0);
	/* Asked for later they are the same, also when the rules have changed meanwhile. */
	rw_decoder_relabel(h.decoder, NULL);
	ck_assert_int_eq(batch_labels(h.batch, 0, &labels), 0);
	ck_assert(labels_is_equal(labels, h.batch->births[0].labels));
	labels_unref(labels);
	buf_fini(&text);
	ck_assert(hash128_is_equal(key_v1("up", "a"), before));
}
END_TEST

static Suite *rw_keys_suite(void)
{
	Suite *suite = suite_create("rw_keys");
	TCase *tcase = tcase_create("keys");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, keys_are_those_of_the_labels_as_they_stand);
	tcase_add_test(tcase, keys_do_not_depend_on_what_stands_around_the_labels);
	tcase_add_test(tcase, long_labels_are_part_of_the_key);
	tcase_add_test(tcase, version_2_keys_do_not_depend_on_the_table);
	tcase_add_test(tcase, version_2_keys_are_of_texts_not_of_references);
	tcase_add_test(tcase, keys_are_keyed);
	tcase_add_test(tcase, strings_that_collide_without_a_key_are_told_apart);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("births");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, births_come_until_a_batch_was_applied);
	tcase_add_test(tcase, a_batch_without_births_can_still_say_its_labels);
	tcase_add_test(tcase, version_2_learns_too);
	tcase_add_test(tcase, one_birth_a_key_in_a_request);
	tcase_add_test(tcase, many_births_in_one_request);
	tcase_add_test(tcase, a_new_epoch_makes_all_keys_unknown);
	tcase_add_test(tcase, a_batch_of_an_earlier_epoch_teaches_nothing);
	tcase_add_test(tcase, bad_labels_are_never_learned);
	tcase_add_test(tcase, equal_keys_in_one_request_are_two_births_each_time);
	tcase_add_test(tcase, equal_keys_of_two_requests_are_told_apart_by_length);
	tcase_add_test(tcase, equal_keys_in_version_2_are_told_apart);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("memory");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, recycled_batches_are_as_new);
	tcase_add_test(tcase, spare_batches_have_a_limit);
	tcase_add_test(tcase, request_numbers_may_come_round);
	tcase_add_test(tcase, relabelled_series_are_born_under_their_new_labels_and_new_keys);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(rw_keys_suite)
