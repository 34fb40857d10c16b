/*
 * The lower modules of base/ when memory is short: each allocation in turn fails, and the outcome
 * is ERR_NOMEM (or a slower way to the right result), never a crash, a leak or half an output.
 */
#include "tests/nomem.h"

#include "base/arena.h"
#include "base/diag.h"
#include "base/error.h"
#include "base/json.h"
#include "base/labels.h"
#include "base/matcher.h"
#include "base/queue.h"
#include "base/regex.h"
#include "base/text.h"
#include "tests/check_main.h"

static int make_labels(void)
{
	const struct label pairs[] = { { SLICE("b"), SLICE("2") }, { SLICE("a"), SLICE("1") } };
	struct labels *labels = NULL;
	struct labels_builder builder;
	const char *why = NULL;

	labels_builder_init(&builder);
	labels_builder_set(&builder, pairs[0].name, pairs[0].value);
	labels_builder_set(&builder, pairs[1].name, pairs[1].value);
	int err = labels_builder_take(&builder, &labels, &why);

	nomem_disarm();
	labels_builder_fini(&builder);
	if (err) {
		ck_assert_str_eq(why, "out of memory");
		ck_assert_ptr_null(labels);
		return err;
	}
	labels_check(labels);
	labels_unref(labels);
	return 0;
}

static const char *pattern_now;

static int make_regex(void)
{
	struct regex *regex = NULL;
	char *why = NULL;
	size_t offset;
	int err = regex_new(slice_from(pattern_now), &regex, &why, &offset);
	bool matched = !err && regex_is_match(regex, SLICE("prefix-1"));

	nomem_disarm();
	free(why);
	ck_assert((regex != NULL) == !err);
	/* The first match of a thread needs memory; without it there is no match, and then there
	 * is. */
	if (!err && !matched)
		ck_assert(regex_is_match(regex, SLICE("prefix-1")));
	regex_free(regex);
	return err;
}

static int expand_regex(void)
{
	struct buf out;

	buf_init(&out);
	int err = regex_replace_all(
		SLICE("(b+)\xC3\xA9?"),
		SLICE("a\xFF"
		      "bb"),
		SLICE("a long template for $1, to make the buffer grow: $0 $0 $0"), &out);

	nomem_disarm();
	if (!err)
		ck_assert_uint_gt(out.len, 60);
	buf_fini(&out);
	return err;
}

static int search_regex(void)
{
	int found = regex_search(SLICE("b+"), SLICE("a\xFF"
						    "bb"));

	nomem_disarm();
	return found == 1 ? 0 : found;
}

static int parse_matchers(void)
{
	struct matcher *list = NULL, copy;
	size_t n = 0;
	char *why;
	int err = matchers_parse(SLICE("{a=1,b!=2,\"c.d\"=~\"x|y\",e!~z,f=5}"), &list, &n, &why);
	int dup_err = err ? err : matcher_dup(&list[2], &copy);

	nomem_disarm();
	free(why);
	ck_assert_uint_eq(n, err ? 0 : 5);
	if (!dup_err) {
		ck_assert(matcher_is_equal(&copy, &list[2]));
		ck_assert(matcher_is_match(&copy, SLICE("y")));
		matcher_fini(&copy);
	}
	matchers_free(list, n);
	return dup_err;
}

/* A diagnostic that cannot be kept is counted all the same. */
static int collect_diagnostics(void)
{
	const struct source source = { .file = "f", .text = SLICE("some text"), .column0 = 5 };
	struct diag_list list;
	struct buf out;

	diag_list_init(&list);
	buf_init(&out);
	for (int i = 0; i < 9; i++)
		diag_add_at(&list, DIAG_ERROR, &source, 5, 4, "hint", "message %d", i);
	diag_add(&list, DIAG_WARNING, "g", 1, 2, "quote", NULL, "%0200d", 7);
	diag_list_format(&list, true, &out);
	diag_list_format_json(&list, &out);
	nomem_disarm();
	ck_assert_uint_eq(list.errors, 9);
	ck_assert_uint_eq(list.warnings, 1);
	diag_list_fini(&list);
	buf_fini(&out);
	return 0;
}

static int write_json(void)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out);
	json_writer_init(&w, &out);
	json_begin_object(&w);
	for (int i = 0; i < 20; i++)
		json_field_time(&w, "key", i);
	json_end_object(&w);
	nomem_disarm();
	bool ok = buf_ok(&out);
	char *text = buf_take(&out);

	ck_assert((text != NULL) == ok);
	free(text);
	return ok ? 0 : ERR_NOMEM;
}

static int fill_arena(void)
{
	struct arena arena;
	bool ok = true;

	arena_init(&arena, 0);
	for (int i = 0; i < 100; i++) {
		ok = arena_alloc(&arena, 500) && ok;
		ok = arena_printf(&arena, "%d", i) && ok;
	}
	nomem_disarm();
	arena_check(&arena);
	arena_fini(&arena);
	return ok ? 0 : ERR_NOMEM;
}

static int read_number(void)
{
	char text[500];
	double v = 99;

	memset(text, '7', sizeof(text));
	text[1] = '.';
	int err = number_parse((struct slice){ text, sizeof(text) }, &v);

	nomem_disarm();
	ck_assert((v == 99) == (err != 0));
	return err;
}

static int make_queue(void)
{
	struct queue *queue = queue_new(1, 1);

	nomem_disarm();
	queue_free(queue);
	return queue ? 0 : ERR_NOMEM;
}

static const char *const patterns[] = {
	"prefix-(?P<digit>\\d)",
	"prefix-1|b|c",
	"prefix-.*",
	"[^a]+-1",
};

START_TEST(patterns_survive)
{
	pattern_now = patterns[_i];
	ck_assert_uint_gt(nomem_sweep(make_regex), 1);
}
END_TEST

START_TEST(modules_survive)
{
	ck_assert_uint_eq(nomem_sweep(make_labels), 2);
	ck_assert_uint_gt(nomem_sweep(expand_regex), 1);
	ck_assert_uint_gt(nomem_sweep(search_regex), 1);
	ck_assert_uint_gt(nomem_sweep(parse_matchers), 10);
	ck_assert_uint_eq(nomem_sweep(collect_diagnostics), 0);
	ck_assert_uint_gt(nomem_sweep(write_json), 3);
	ck_assert_uint_gt(nomem_sweep(fill_arena), 3);
	ck_assert_uint_eq(nomem_sweep(read_number), 1);
	ck_assert_uint_eq(nomem_sweep(make_queue), 1);
}
END_TEST

static Suite *nomem_suite(void)
{
	Suite *suite = suite_create("nomem");
	TCase *tcase = tcase_create("all");

	tcase_add_loop_test(tcase, patterns_survive, 0, sizeof(patterns) / sizeof(patterns[0]));
	tcase_add_test(tcase, modules_survive);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(nomem_suite)
