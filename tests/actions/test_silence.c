/* Silences, by Alertmanager's rules. */
#include <stdio.h>
#include <string.h>

#include "actions/actions_internal.h"
#include "base/error.h"
#include "tests/check_main.h"

#define SECOND 1000ll
#define HOUR (3600 * SECOND)
#define NOW 1700000000000ll

static struct actions *actions;
static char last[4096]; /* the last silence's record */
static unsigned nrecords;

static void on_record(void *ctx, enum record_type type, struct slice payload, uint64_t token)
{
	if (type == RECORD_SILENCE) {
		snprintf(last, sizeof(last), SLICE_FMT, SLICE_ARG(payload));
		nrecords++;
	}
}

static int64_t on_now_ms(void *ctx)
{
	return NOW;
}

static void on_wake(void *ctx)
{
}

static struct actions *make(void)
{
	const struct actions_options options = { .instance = "abcd" };
	const struct actions_sink sink = { .record = on_record,
					   .now_ms = on_now_ms,
					   .wake = on_wake };
	struct actions *out;

	ck_assert_int_eq(actions_new(&options, &sink, &out), 0);
	return out;
}

static void setup(void)
{
	nrecords = 0;
	actions = make();
}

static void teardown(void)
{
	actions_free(actions);
}

static char why[256];

/* Times from NOW on; the id in force stays in id, which holds the one to update before. */
static int set(const char *matchers, int64_t starts_ms, int64_t ends_ms, int64_t at_ms, char id[40])
{
	struct silence silence = { .starts_ms = NOW + starts_ms,
				   .ends_ms = NOW + ends_ms,
				   .created_by = "me",
				   .comment = "because" };
	char *bad = NULL;

	snprintf(silence.id, sizeof(silence.id), "%s", id);
	ck_assert_msg(matchers_parse(slice_from(matchers), &silence.matchers, &silence.nmatchers,
				     &bad) == 0,
		      "%s", bad);
	int code = actions_silence_set(actions, &silence, NOW + at_ms, id, why);

	matchers_free(silence.matchers, silence.nmatchers);
	return code;
}

static void expect_state(const char *id, int64_t at_ms, enum silence_state state)
{
	const struct silence *silence = actions_silence_find(actions, id);

	ck_assert_ptr_nonnull(silence);
	ck_assert_int_eq(silence_state_at(silence, NOW + at_ms), state);
}

static bool is_silenced(const char *name, const char *value, int64_t at_ms)
{
	struct labels_builder builder;
	struct labels *labels;

	labels_builder_init(&builder);
	labels_builder_set(&builder, slice_from(name), slice_from(value));
	ck_assert_int_eq(labels_builder_take(&builder, &labels, NULL), 0);
	labels_builder_fini(&builder);
	bool out = actions_silenced_by(actions, labels, NOW + at_ms) != NULL;

	labels_unref(labels);
	return out;
}

START_TEST(silence_begins_and_ends)
{
	char id[40] = "";

	ck_assert_int_eq(set("{a=\"1\", b=\"\"}", HOUR, 2 * HOUR, 0, id), 0);
	ck_assert_uint_eq(strlen(id), 36);
	ck_assert_int_eq(id[14], '4');
	expect_state(id, HOUR - 1, SILENCE_PENDING);
	expect_state(id, HOUR, SILENCE_ACTIVE);
	expect_state(id, 2 * HOUR - 1, SILENCE_ACTIVE);
	expect_state(id, 2 * HOUR, SILENCE_EXPIRED);
	ck_assert(!is_silenced("a", "1", HOUR - 1));
	ck_assert(is_silenced("a", "1", HOUR));
	ck_assert(!is_silenced("a", "2", HOUR));
	ck_assert(!is_silenced("b", "1", HOUR));
	ck_assert(!is_silenced("a", "1", 2 * HOUR));
	/* A start in the past is now. */
	char other[40] = "";

	ck_assert_int_eq(set("a=~\"x.*\"", -HOUR, HOUR, 0, other), 0);
	ck_assert_str_ne(id, other);
	ck_assert_int_eq(actions_silence_find(actions, other)->starts_ms, NOW);
	ck_assert(is_silenced("a", "xyz", 0));
	ck_assert(!is_silenced("a", "yxz", 0));
}
END_TEST

START_TEST(silence_refuses)
{
	static const struct {
		const char *matchers;
		int64_t starts_ms, ends_ms;
		int code;
		const char *id, *why;
	} cases[] = {
		{ "{}", 0, HOUR, ERR_INVALID, "", "at least one matcher required" },
		{ "a=\"\"", 0, HOUR, ERR_INVALID, "",
		  "at least one matcher must not match the empty string" },
		{ "{a=~\".*\", b!=\"c\"}", 0, HOUR, ERR_INVALID, "",
		  "at least one matcher must not match the empty string" },
		{ "a=\"1\"", HOUR, HOUR, ERR_INVALID, "", "start time must be before end time" },
		{ "a=\"1\"", 2 * HOUR, HOUR, ERR_INVALID, "",
		  "start time must be before end time" },
		{ "a=\"1\"", -HOUR, 0, ERR_INVALID, "", "end time can't be in the past" },
		{ "a=\"1\"", -HOUR, -1, ERR_INVALID, "", "end time can't be in the past" },
		{ "a=\"1\"", 0, HOUR, ERR_NOT_FOUND, "00000000-0000-4000-8000-000000000000",
		  "silence 00000000-0000-4000-8000-000000000000 not found" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char id[40];

		snprintf(id, sizeof(id), "%s", cases[i].id);
		ck_assert_int_eq(
			set(cases[i].matchers, cases[i].starts_ms, cases[i].ends_ms, 0, id),
			cases[i].code);
		ck_assert_str_eq(why, cases[i].why);
		ck_assert_str_eq(id, cases[i].id);
	}
	ck_assert_uint_eq(nrecords, 0);
	ck_assert_uint_eq(actions->nsilences, 0);
	ck_assert_int_eq(actions_silence_expire(actions, "none", NOW), ERR_NOT_FOUND);
}
END_TEST

START_TEST(silence_texts_have_limits)
{
	struct matcher matchers[65];
	char long_text[4098];
	struct silence silence = { .matchers = matchers,
				   .nmatchers = 65,
				   .starts_ms = NOW,
				   .ends_ms = NOW + HOUR,
				   .created_by = "me",
				   .comment = "c" };
	char id[40], *bad;

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[4097] = '\0';
	for (size_t i = 0; i < 65; i++)
		ck_assert_int_eq(matcher_init(&matchers[i], MATCH_EQ, SLICE("a"), SLICE("b"), &bad),
				 0);
	ck_assert_int_eq(actions_silence_set(actions, &silence, NOW, id, why), ERR_INVALID);
	ck_assert_str_eq(why, "too many matchers");
	silence.nmatchers = 64;
	ck_assert_int_eq(actions_silence_set(actions, &silence, NOW, id, why), 0);
	silence.comment = long_text;
	ck_assert_int_eq(actions_silence_set(actions, &silence, NOW, id, why), ERR_INVALID);
	ck_assert_str_eq(why, "comment or creator is too long");
	long_text[4096] = '\0';
	ck_assert_int_eq(actions_silence_set(actions, &silence, NOW, id, why), 0);
	silence.comment = "\377";
	ck_assert_int_eq(actions_silence_set(actions, &silence, NOW, id, why), ERR_INVALID);
	ck_assert_str_eq(why, "comment or creator is no text");
	for (size_t i = 0; i < 65; i++)
		matcher_fini(&matchers[i]);
}
END_TEST

START_TEST(silence_number_has_a_limit)
{
	char id[40];

	for (int i = 0; i < SILENCES_MAX; i++) {
		id[0] = '\0';
		ck_assert_int_eq(set("a=\"1\"", 0, HOUR, 0, id), 0);
	}
	char first[40];

	snprintf(first, sizeof(first), "%s", id);
	id[0] = '\0';
	ck_assert_int_eq(set("a=\"1\"", 0, HOUR, 0, id), ERR_LIMIT);
	ck_assert_str_eq(why, "exceeded maximum number of silences: 10000");
	/* One that is there may still be changed in place, and ended. */
	ck_assert_int_eq(set("a=\"1\"", 0, 2 * HOUR, 0, first), 0);
	ck_assert_int_eq(actions_silence_expire(actions, first, NOW), 0);
}
END_TEST

/* Alertmanager's canUpdate: what may be changed in place, and what ends the old one and begins a
 * new. */
START_TEST(silence_update_in_place_or_anew)
{
	static const struct {
		const char *what, *matchers;
		int64_t old_starts_ms, at_ms, starts_ms, ends_ms;
		bool in_place;
	} cases[] = {
		{ "active, longer", "a=\"1\"", 0, HOUR, 0, 5 * HOUR, true },
		{ "active, shorter", "a=\"1\"", 0, HOUR, 0, HOUR + 1, true },
		{ "active, the same second", "a=\"1\"", 0, HOUR, 999, 2 * HOUR, true },
		{ "active, another start", "a=\"1\"", 0, HOUR, SECOND, 2 * HOUR, false },
		{ "active, other matchers", "a=\"2\"", 0, HOUR, 0, 2 * HOUR, false },
		{ "active, more matchers", "{a=\"1\", b=\"1\"}", 0, HOUR, 0, 2 * HOUR, false },
		{ "active, another kind of matcher", "a=~\"1\"", 0, HOUR, 0, 2 * HOUR, false },
		{ "pending, later", "a=\"1\"", HOUR, 0, 2 * HOUR, 3 * HOUR, true },
		{ "pending, from now", "a=\"1\"", HOUR, 1000, 1000, 3 * HOUR, true },
		{ "pending, from before", "a=\"1\"", HOUR, 1000, 0, 3 * HOUR, false },
		{ "pending, other matchers", "a=\"2\"", HOUR, 0, HOUR, 3 * HOUR, false },
		{ "expired", "a=\"1\"", 0, 3 * HOUR, 0, 4 * HOUR, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char old[40] = "", id[40];

		ck_assert_int_eq(set("a=\"1\"", cases[i].old_starts_ms, 2 * HOUR, 0, old), 0);
		strcpy(id, old);
		unsigned before = nrecords;
		int64_t old_ends_ms = actions_silence_find(actions, old)->ends_ms;

		ck_assert_msg(set(cases[i].matchers, cases[i].starts_ms, cases[i].ends_ms,
				  cases[i].at_ms, id) == 0,
			      "%s: %s", cases[i].what, why);
		ck_assert_msg((strcmp(id, old) == 0) == cases[i].in_place, "%s", cases[i].what);
		const struct silence *silence = actions_silence_find(actions, id);

		ck_assert_int_eq(silence->ends_ms, NOW + cases[i].ends_ms);
		if (cases[i].in_place) {
			ck_assert_uint_eq(nrecords, before + 1);
			ck_assert_int_eq(silence->starts_ms, NOW + cases[i].starts_ms);
			continue;
		}
		expect_state(old, cases[i].at_ms, SILENCE_EXPIRED);
		/* One that was over keeps its end. */
		if (old_ends_ms <= NOW + cases[i].at_ms)
			ck_assert_int_eq(actions_silence_find(actions, old)->ends_ms, old_ends_ms);
		ck_assert_int_ge(silence->starts_ms, NOW + cases[i].at_ms);
	}
}
END_TEST

START_TEST(silence_expires_once)
{
	char active[40] = "", pending[40] = "";

	ck_assert_int_eq(set("a=\"1\"", 0, 2 * HOUR, 0, active), 0);
	ck_assert_int_eq(set("a=\"1\"", HOUR, 2 * HOUR, 0, pending), 0);
	ck_assert_int_eq(actions_silence_expire(actions, active, NOW + SECOND), 0);
	ck_assert_int_eq(actions_silence_expire(actions, pending, NOW + SECOND), 0);
	expect_state(active, SECOND, SILENCE_EXPIRED);
	expect_state(pending, SECOND, SILENCE_EXPIRED);
	unsigned before = nrecords;

	ck_assert_int_eq(actions_silence_expire(actions, active, NOW + HOUR), 0);
	ck_assert_int_eq(actions_silence_find(actions, active)->ends_ms, NOW + SECOND);
	ck_assert_uint_eq(nrecords, before);
}
END_TEST

START_TEST(silence_is_kept_for_a_while_after_its_end)
{
	char id[40] = "";

	ck_assert_int_eq(set("a=\"1\"", 0, HOUR, 0, id), 0);
	actions->now_ms = NOW + HOUR + 120 * HOUR;
	silences_sweep(actions);
	ck_assert_ptr_nonnull(actions_silence_find(actions, id));
	actions->now_ms++;
	silences_sweep(actions);
	ck_assert_ptr_null(actions_silence_find(actions, id));
}
END_TEST

START_TEST(silence_comes_back_from_its_record)
{
	char id[40] = "", record[sizeof(last)];

	ck_assert_int_eq(set("{a=\"1\", b=~\"x|y\", c!=\"\", d!~\"\303\244.*\"}", 0, HOUR, 0, id),
			 0);
	strcpy(record, last);
	teardown();
	actions = make();
	actions_restore(actions, RECORD_SILENCE, slice_from(record));
	const struct silence *silence = actions_silence_find(actions, id);

	ck_assert_ptr_nonnull(silence);
	ck_assert_uint_eq(silence->nmatchers, 4);
	ck_assert_str_eq(silence->created_by, "me");
	ck_assert_str_eq(silence->comment, "because");
	ck_assert_int_eq(silence->starts_ms, NOW);
	ck_assert_int_eq(silence->ends_ms, NOW + HOUR);
	/* Writes the same again. */
	silences_checkpoint(actions);
	ck_assert_str_eq(last, record);
	/* A later record of it replaces it. */
	ck_assert_int_eq(actions_silence_expire(actions, id, NOW + SECOND), 0);
	strcpy(record, last);
	actions_restore(actions, RECORD_SILENCE, slice_from(record));
	ck_assert_uint_eq(actions->nsilences, 1);
	expect_state(id, SECOND, SILENCE_EXPIRED);
}
END_TEST

START_TEST(silence_restores_no_nonsense)
{
	static const char *const records[] = {
		"",
		"{}",
		"[]",
		"{\"id\": \"x\"}",
		"{\"id\": \"x\", \"matchers\": []}",
		"{\"id\": \"x\", \"matchers\": [{}]}",
		"{\"id\": \"x\", \"matchers\": [{\"name\": \"a\", \"value\": \"(\", \"type\": 2}]}",
		"{\"id\": \"x\", \"matchers\": [{\"name\": \"a\", \"value\": \"b\", \"type\": 0}, "
		"{\"name\": \"a\", \"value\": \"b\", \"type\": 9}]}",
		"{\"id\": \"0123456789012345678901234567890123456789\", \"matchers\": [{\"name\": "
		"\"a\", \"value\": \"b\", \"type\": 0}]}",
	};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		actions_restore(actions, RECORD_SILENCE, slice_from(records[i]));
	ck_assert_uint_eq(actions->nsilences, 0);
}
END_TEST

static Suite *silence_suite(void)
{
	Suite *suite = suite_create("silence");
	TCase *tcase = tcase_create("silence");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, silence_begins_and_ends);
	tcase_add_test(tcase, silence_refuses);
	tcase_add_test(tcase, silence_texts_have_limits);
	tcase_add_test(tcase, silence_number_has_a_limit);
	tcase_add_test(tcase, silence_update_in_place_or_anew);
	tcase_add_test(tcase, silence_expires_once);
	tcase_add_test(tcase, silence_is_kept_for_a_while_after_its_end);
	tcase_add_test(tcase, silence_comes_back_from_its_record);
	tcase_add_test(tcase, silence_restores_no_nonsense);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(silence_suite)
