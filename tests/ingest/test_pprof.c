/*
 * pprof: every profile that was recorded, held against what two other readers make of it (`go tool
 * pprof` and a plain walk over the protobuf in Python); and what is no profile at all.
 */
#include "ingest/pprof.h"
#include "ingest/profile_lines.h"

#include <stdio.h>
#include <zlib.h>

#include "base/error.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"

static struct hash_key key;
static struct decompressor decompressor;
static struct profile *profile;
static struct buf unpacked, body;
static const char *why;

static void setup(void)
{
	hash_key_derive(&key, "test", 4);
	decompressor_init(&decompressor);
	profile = profile_new(&key);
	ck_assert_ptr_nonnull(profile);
	buf_init(&unpacked);
	buf_init(&body);
	why = "";
}

static void teardown(void)
{
	profile_free(profile);
	decompressor_fini(&decompressor);
	buf_fini(&unpacked);
	buf_fini(&body);
}

static int read_bytes(struct slice bytes)
{
	struct slice plain;
	int code = pprof_unpack(&decompressor, bytes, &unpacked, &plain, &why);

	profile_clear(profile);
	if (code == 0)
		code = pprof_read(plain, profile, &why);
	profile_check(profile);
	return code;
}

/* ---- what was recorded ---- */

static const struct capture {
	const char *name;
	uint32_t ntypes, nsamples, nframes;
	double sums[4];
	int64_t time_ns, duration_ns, period;
	const char *default_type;
} captures[] = {
	{ "prometheus_allocs", 4, 169, 1890, { 625751, 150436717, 108231, 47521124 },
	  1795166467429746442, 0, 524288, "alloc_space" },
	{ "prometheus_block", 2, 0, 0, { 0, 0 }, 1795166467423027605, 0, 1, "" },
	{ "prometheus_cpu_10s_loaded", 2, 319, 9942, { 490, 4900000000 }, 1795166508532025647,
	  10002181034, 10000000, "" },
	{ "prometheus_cpu_5s", 2, 2, 45, { 2, 20000000 }, 1795166462380999168, 5000748647,
	  10000000, "" },
	{ "prometheus_goroutine", 1, 35, 196, { 105 }, 1795166467408563080, 0, 1, "" },
	{ "prometheus_heap", 4, 164, 1742, { 625751, 150436717, 108231, 47521124 },
	  1795166467394973451, 0, 524288, "" },
	{ "prometheus_heap_delta3s", 4, 0, 0, { 0, 0, 0, 0 }, 1795166470450608477, 3003984880,
	  524288, "" },
	{ "prometheus_heap_loaded", 4, 324, 5888, { 5465735, 2095229604, 149157, 57758387 },
	  1795166518564630762, 0, 524288, "" },
	{ "prometheus_mutex", 2, 0, 0, { 0, 0 }, 1795166467416535658, 0, 1, "" },
	/* Go's own reader, too, sees 63 addresses, 62 of them without a symbol. */
	{ "prometheus_threadcreate", 1, 2, 63, { 9 }, 1795166467438903727, 0, 1, "" },
	{ "vmagent_heap", 4, 31, 254, { 8005, 18056297, 1267, 7817608 }, 1795166471487345319, 0,
	  524288, "" },
};

static bool load(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/../shared/captures/%s.pprof.gz",
		 getenv("TOCSIN_SRCDIR") ? getenv("TOCSIN_SRCDIR") : ".", name);
	FILE *file = fopen(path, "rb");

	if (!file)
		return false;
	buf_clear(&body);
	char *to = buf_reserve(&body, 1 << 20);

	body.len = fread(to, 1, 1 << 20, file);
	fclose(file);
	return true;
}

static void expect_capture(const struct capture *capture)
{
	ck_assert_msg(read_bytes(buf_slice(&body)) == 0, "%s: %s", capture->name, why);
	ck_assert_uint_eq(profile->ntypes, capture->ntypes);
	ck_assert_uint_eq(profile->nsamples, capture->nsamples);
	ck_assert_uint_eq(profile->nframes, capture->nframes);
	for (uint32_t i = 0; i < profile->ntypes; i++)
		ck_assert_double_eq(profile_sum(profile, i), capture->sums[i]);
	ck_assert_int_eq(profile->time_ns, capture->time_ns);
	ck_assert_int_eq(profile->duration_ns, capture->duration_ns);
	ck_assert_int_eq(profile->period, capture->period);
	ck_assert(slice_is(profile->default_type, capture->default_type));
}

START_TEST(pprof_reads_every_recorded_profile)
{
	const struct capture *capture = &captures[_i];

	if (!load(capture->name))
		return;
	expect_capture(capture);
	/* Plain it says the same; written by us and read again, too. */
	struct buf plain;

	buf_init(&plain);
	buf_add_slice(&plain, buf_slice(&unpacked));
	ck_assert(pprof_is_likely(buf_slice(&body)) && pprof_is_likely(buf_slice(&plain)));
	ck_assert_int_eq(read_bytes(buf_slice(&plain)), 0);
	buf_fini(&plain);
	buf_clear(&body);
	ck_assert_int_eq(pprof_write(profile, &body), 0);
	struct capture again = *capture;

	again.default_type = "";
	expect_capture(&again);
}
END_TEST

static double function_sum(const char *name, uint32_t type, bool self)
{
	uint32_t function = profile_function_find(profile, slice_from(name));
	double sum = 0;

	for (uint32_t i = 0; i < profile->nsamples; i++) {
		const struct profile_sample *sample = &profile->samples[i];

		for (uint32_t k = 0; k < (self && sample->nframes ? 1 : sample->nframes); k++) {
			if (profile->frames[sample->frame + k] != function)
				continue;
			sum += profile_value(profile, i, type);
			break;
		}
	}
	return sum;
}

START_TEST(pprof_knows_the_functions_of_the_recorded_profiles)
{
	if (!load("prometheus_cpu_10s_loaded"))
		return;
	ck_assert_int_eq(read_bytes(buf_slice(&body)), 0);
	/* Of the 426 names there two differ in the type arguments of a generic only. */
	ck_assert_uint_eq(profile->nfunctions, 425);
	/* go tool pprof -top: 990ms flat, 1470ms cumulated. */
	const char *hot = "github.com/prometheus/prometheus/promql.extrapolatedRate";

	ck_assert_double_eq(function_sum(hot, 1, true), 990e6);
	ck_assert_double_eq(function_sum(hot, 1, false), 1470e6);
	ck_assert_double_eq(function_sum("net/http.(*conn).serve", 1, false), 4350e6);
}
END_TEST

START_TEST(pprof_leaves_out_what_differs_from_build_to_build)
{
	if (!load("vmagent_heap"))
		return;
	ck_assert_int_eq(read_bytes(buf_slice(&body)), 0);
	const char *generic = "github.com/VictoriaMetrics/VictoriaMetrics/lib/slicesutil.SetLength[...]";

	ck_assert_double_eq(function_sum(generic, 3, true), 1724925 + 1654251);
}
END_TEST

/* ---- by hand ---- */

static struct buf message, inner;

static void begin(void)
{
	buf_init(&message);
	buf_init(&inner);
	buf_clear(&body);
}

static void end(void)
{
	buf_fini(&message);
	buf_fini(&inner);
}

static void add_type(uint64_t type, uint64_t unit)
{
	enc_uint(&inner, 1, type);
	enc_uint(&inner, 2, unit);
	enc_message(&body, 1, &inner);
}

static void add_function(uint64_t id, uint64_t name)
{
	enc_uint(&inner, 1, id);
	enc_uint(&inner, 2, name);
	enc_message(&body, 5, &inner);
}

/* With a line for each function (0 ends). */
static void add_location(uint64_t id, const uint64_t *functions)
{
	enc_uint(&message, 1, id);
	for (; *functions; functions++) {
		enc_uint(&inner, 1, *functions);
		enc_message(&message, 4, &inner);
	}
	enc_message(&body, 4, &message);
}

static void add_sample(uint64_t location, uint64_t value)
{
	enc_uint(&message, 1, location); /* not packed */
	enc_uint(&message, 2, value);
	enc_message(&body, 2, &message);
}

/* Strings: "", cpu, nanoseconds, main, leaf, inlined. */
static void add_strings(void)
{
	static const char *const strings[] = { "", "cpu", "nanoseconds", "main", "leaf",
					       "inlined" };

	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
		enc_str(&body, 6, strings[i]);
}

START_TEST(pprof_takes_arbitrary_ids_and_inlined_frames)
{
	const uint64_t two[] = { UINT64_MAX, 70000, 0 }, one[] = { 5, 0 };

	begin();
	add_type(1, 2);
	add_sample(UINT64_MAX - 1, 7);
	add_location(UINT64_MAX - 1, two);
	add_location(9, one);
	add_function(UINT64_MAX, 5);
	add_function(70000, 4);
	add_function(5, 3);
	add_strings();
	ck_assert_int_eq(read_bytes(buf_slice(&body)), 0);
	ck_assert_uint_eq(profile->nframes, 2);
	ck_assert(slice_is(profile->functions[profile->frames[0]].name, "inlined"));
	ck_assert(slice_is(profile->functions[profile->frames[1]].name, "leaf"));
	ck_assert_double_eq(profile_value(profile, 0, 0), 7);
	end();
}
END_TEST

START_TEST(pprof_names_frames_without_symbols_by_their_place)
{
	begin();
	add_type(1, 2);
	enc_uint(&inner, 1, 3); /* mapping 3: from 0x1000, offset 0x200, file */
	enc_uint(&inner, 2, 0x1000);
	enc_uint(&inner, 4, 0x200);
	enc_uint(&inner, 5, 6);
	enc_message(&body, 3, &inner);
	enc_uint(&message, 1, 1);
	enc_uint(&message, 2, 3);
	enc_uint(&message, 3, 0x1234);
	enc_message(&body, 4, &message);
	enc_uint(&message, 1, 2);
	enc_uint(&message, 3, 0xabc);
	enc_message(&body, 4, &message);
	add_sample(1, 1);
	add_sample(2, 1);
	add_strings();
	enc_str(&body, 6, "/usr/lib/libc.so.6");
	ck_assert_msg(read_bytes(buf_slice(&body)) == 0, "%s", why);
	ck_assert(slice_is(profile->functions[profile->frames[0]].name, "libc.so.6+0x434"));
	ck_assert(slice_is(profile->functions[profile->frames[1]].name, "0xabc"));
	end();
}
END_TEST

START_TEST(names_of_places_have_so_much_of_their_file)
{
	char file[131], wanted[160];
	uint32_t function;

	begin();
	for (int len = 128; len <= 129; len++) {
		snprintf(file, sizeof(file), "/%0*d", len, 0);
		snprintf(wanted, sizeof(wanted), "%0128d+0x10", 0);
		ck_assert_int_eq(profile_address_add(profile, slice_from(file), 16, &function), 0);
		ck_assert(slice_is(profile->functions[function].name, wanted));
	}
	end();
}
END_TEST

START_TEST(pprof_remembers_trace_ids)
{
	struct profile_trace trace;

	ck_assert_int_eq(profile_trace_parse(SLICE("0123456789abcdef0123456789ABCDEF"), &trace),
			 0);
	ck_assert_int_eq(profile_trace_parse(SLICE("0123456789abcdef0123456789abcdeg"), &trace),
			 ERR_INVALID);
	ck_assert_int_eq(profile_trace_parse(SLICE("00000000000000000000000000000000"), &trace),
			 ERR_INVALID);
	begin();
	add_type(1, 2);
	for (int i = 0; i < 3; i++) {
		enc_uint(&inner, 1, 6);
		enc_uint(&inner, 2, 7);
		enc_uint(&message, 2, 1);
		enc_message(&message, 3, &inner);
		enc_message(&body, 2, &message);
	}
	add_strings();
	enc_str(&body, 6, "trace_id");
	enc_str(&body, 6, "0123456789abcdef0123456789abcdef");
	ck_assert_int_eq(read_bytes(buf_slice(&body)), 0);
	ck_assert_uint_eq(profile->ntraces, 1);
	ck_assert_mem_eq(profile->traces[0].bytes, trace.bytes, 16);
	for (unsigned i = 1; i < PROFILE_TRACES_MAX + 2; i++) {
		memcpy(trace.bytes, &i, sizeof(i));
		profile_trace_add(profile, &trace);
		ck_assert_uint_eq(profile->ntraces, i < PROFILE_TRACES_MAX ? i + 1 : PROFILE_TRACES_MAX);
	}
	end();
}
END_TEST

static void refuse(const char *reason)
{
	int code = read_bytes(buf_slice(&body));

	ck_assert_msg(code == ERR_CORRUPT, "%s: %d, not refused", reason, code);
	ck_assert_str_eq(why, reason);
	end();
	begin();
}

START_TEST(pprof_refuses_what_leads_nowhere)
{
	const uint64_t one[] = { 1, 0 };

	begin();
	refuse("no pprof: its string table does not begin with \"\"");
	enc_str(&body, 6, "x");
	refuse("no pprof: its string table does not begin with \"\"");
	enc_str(&body, 6, "");
	refuse("no pprof: it has no sample types");
	buf_add_str(&body, "main;work 12\n");
	refuse("no pprof: the protobuf is damaged");
	add_type(1, 6);
	add_strings();
	refuse("a reference to a string that is not there");
	add_type(1, 2);
	add_function(1, 6);
	add_strings();
	refuse("a reference to a string that is not there");
	add_type(1, 2);
	add_location(1, one);
	add_strings();
	refuse("a reference to a function that is not there");
	add_type(1, 2);
	add_sample(1, 1);
	add_strings();
	refuse("a reference to a location that is not there");
	add_type(1, 2);
	add_function(1, 3);
	add_function(1, 4);
	add_strings();
	refuse("an id that is given twice");
	add_type(1, 2);
	add_function(0, 3);
	add_strings();
	refuse("a mapping, location or function has no id");
	add_type(1, 2);
	enc_uint(&message, 2, 1);
	enc_uint(&message, 2, 1);
	enc_message(&body, 2, &message);
	add_strings();
	refuse("more values than sample types");
	add_type(1, 2);
	add_type(1, 2);
	enc_uint(&message, 2, 1);
	enc_message(&body, 2, &message);
	add_strings();
	refuse("fewer values than sample types");
	end();
}
END_TEST

static void limit(const char *reason)
{
	ck_assert_int_eq(read_bytes(buf_slice(&body)), ERR_LIMIT);
	ck_assert_str_eq(why, reason);
	end();
	begin();
}

START_TEST(pprof_holds_its_limits)
{
	uint64_t many[2049];

	begin();
	for (int i = 0; i <= PROFILE_TYPES_MAX; i++)
		add_type(1, 2);
	add_strings();
	limit("too many sample types");
	add_type(1, 2);
	for (int i = 0; i <= PPROF_ENTRIES_MAX; i++)
		enc_str(&body, 6, "");
	limit("too many strings, locations or functions");
	/* A few bytes that repeat 2,048 frames again and again. */
	for (int i = 0; i < 2048; i++)
		many[i] = 1;
	many[2048] = 0;
	add_type(1, 2);
	add_function(1, 3);
	add_location(1, many);
	add_strings();
	for (int i = 0; i <= PROFILE_FRAMES_MAX / 2048; i++)
		add_sample(1, 1);
	limit("too many frames in its stacks");
	add_type(1, 2);
	add_function(1, 3);
	for (uint64_t i = 1; i <= PROFILE_LINES_MAX / 2048 + 1; i++)
		add_location(i, many);
	add_strings();
	limit("too many frames in its locations");
	add_type(1, 2);
	for (int i = 0; i <= PROFILE_SAMPLES_MAX; i++) {
		enc_uint(&message, 2, 1);
		enc_message(&body, 2, &message);
	}
	add_strings();
	limit("too many samples");
	end();
}
END_TEST

START_TEST(pprof_cuts_stacks_that_are_too_deep_on_the_side_of_the_root)
{
	const uint64_t leaf[] = { 1, 0 }, other[] = { 2, 0 };

	begin();
	add_type(1, 2);
	add_function(1, 4);
	add_function(2, 3);
	add_location(1, leaf);
	add_location(2, other);
	enc_uint(&message, 1, 1);
	for (int i = 0; i < 2 * PROFILE_DEPTH_MAX; i++)
		enc_uint(&message, 1, 2);
	enc_uint(&message, 2, 1);
	enc_message(&body, 2, &message);
	add_strings();
	ck_assert_int_eq(read_bytes(buf_slice(&body)), 0);
	ck_assert_uint_eq(profile->nframes, PROFILE_DEPTH_MAX);
	ck_assert(slice_is(profile->functions[profile->frames[0]].name, "leaf"));
	end();
}
END_TEST

START_TEST(pprof_unpacks_no_more_than_its_limit)
{
	char *zeros = calloc(1, PROFILE_BYTES_MAX + 1);

	ck_assert_ptr_nonnull(zeros);
	enc_gzip(&body, (struct slice){ zeros, PROFILE_BYTES_MAX + 1 });
	ck_assert_int_eq(read_bytes(buf_slice(&body)), ERR_LIMIT);
	free(zeros);
}
END_TEST

START_TEST(functions_have_names_that_fit_a_label)
{
	static const struct {
		const char *given, *wanted;
	} names[] = {
		{ "main", "main" },
		{ "", "?" },
		{ "a.f[go.shape.int]", "a.f[...]" },
		{ "a.f[go.shape.struct { x [4]int }].func1", "a.f[...].func1" },
		{ "a.f[go.shape.int", "a.f[go.shape.int" },
		{ "A$$Lambda$14/0x0800c03000.run", "A$$Lambda.run" },
		{ "b\xff", "b\xef\xbf\xbd" },
	};
	char *text = malloc(PROFILE_NAME_MAX + 10);
	uint32_t function;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		ck_assert_int_eq(
			profile_function_add(profile, slice_from(names[i].given), &function), 0);
		ck_assert(slice_is(profile->functions[function].name, names[i].wanted));
	}
	ck_assert_ptr_nonnull(text);
	/* Cut at a character, never within one. */
	memset(text, 'x', PROFILE_NAME_MAX + 10);
	memcpy(text + PROFILE_NAME_MAX - 1, "\xc3\xa4", 2);
	ck_assert_int_eq(profile_function_add(profile, (struct slice){ text, PROFILE_NAME_MAX + 10 },
					      &function),
			 0);
	ck_assert_uint_eq(profile->functions[function].name.len, PROFILE_NAME_MAX - 1);
	free(text);
	profile_check(profile);
}
END_TEST

START_TEST(functions_stay_within_their_limit)
{
	uint32_t function;
	char name[16];

	for (int i = 0; i < PROFILE_FUNCTIONS_MAX; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ck_assert_int_eq(profile_function_add(profile, slice_from(name), &function), 0);
	}
	ck_assert_int_eq(profile_function_add(profile, SLICE("more"), &function), ERR_LIMIT);
	ck_assert_int_eq(profile_function_add(profile, SLICE("f77"), &function), 0);
	ck_assert_uint_eq(function, 77);
}
END_TEST

static Suite *pprof_suite(void)
{
	Suite *suite = suite_create("pprof");
	TCase *tcase = tcase_create("pprof");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, pprof_reads_every_recorded_profile, 0,
			    sizeof(captures) / sizeof(*captures));
	tcase_add_test(tcase, pprof_knows_the_functions_of_the_recorded_profiles);
	tcase_add_test(tcase, pprof_leaves_out_what_differs_from_build_to_build);
	tcase_add_test(tcase, pprof_takes_arbitrary_ids_and_inlined_frames);
	tcase_add_test(tcase, pprof_names_frames_without_symbols_by_their_place);
	tcase_add_test(tcase, names_of_places_have_so_much_of_their_file);
	tcase_add_test(tcase, pprof_remembers_trace_ids);
	tcase_add_test(tcase, pprof_refuses_what_leads_nowhere);
	tcase_add_test(tcase, pprof_holds_its_limits);
	tcase_add_test(tcase, pprof_cuts_stacks_that_are_too_deep_on_the_side_of_the_root);
	tcase_add_test(tcase, pprof_unpacks_no_more_than_its_limit);
	tcase_add_test(tcase, functions_have_names_that_fit_a_label);
	tcase_add_test(tcase, functions_stay_within_their_limit);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/../shared/captures/INDEX.md",
		 getenv("TOCSIN_SRCDIR") ? getenv("TOCSIN_SRCDIR") : ".");
	FILE *file = fopen(path, "r");

	if (!file)
		printf("recorded profiles are not there: only what is made by hand is read\n");
	else
		fclose(file);
	SRunner *runner = srunner_create(pprof_suite());

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
