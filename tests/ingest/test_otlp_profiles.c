/* OTLP profiles, written here in JSON: the same decoder reads both encodings. */
#include "ingest/otlp_profiles.h"

#include <stdio.h>

#include "base/error.h"
#include "ingest/otlp_schema.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"

static struct hash_key key;
static struct otlp_decoder *decoder;
static struct profile *scratch;
static struct otlp_result result;
static char seen[4096];

static void setup(void)
{
	hash_key_derive(&key, "test", 4);
	decoder = otlp_decoder_new(&key);
	scratch = profile_new(&key);
	ck_assert(decoder && scratch);
}

static void teardown(void)
{
	otlp_decoder_free(decoder);
	profile_free(scratch);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	size_t len = strlen(seen);
	va_list args;

	va_start(args, format);
	vsnprintf(seen + len, sizeof(seen) - len, format, args);
	va_end(args);
}

static int on_profile(void *ctx, struct profile *profile, const struct profile_push *push,
		      const char **why)
{
	struct buf labels;

	buf_init(&labels);
	labels_format(push->labels, &labels);
	say("%s ", labels.ptr);
	buf_fini(&labels);
	if (profile->ntypes == 0) {
		say("payload " SLICE_FMT "\n", SLICE_ARG(push->bytes));
		return 0;
	}
	profile_check(profile);
	say(SLICE_FMT "/" SLICE_FMT " t=%lld d=%lld p=%lld hz=%g traces=%u",
	    SLICE_ARG(profile->types[0].type), SLICE_ARG(profile->types[0].unit),
	    (long long)profile->time_ns, (long long)profile->duration_ns,
	    (long long)profile->period, profile->sampling_rate, profile->ntraces);
	for (uint32_t i = 0; i < profile->nsamples; i++) {
		const struct profile_sample *sample = &profile->samples[i];

		say(" [");
		for (uint32_t k = 0; k < sample->nframes; k++)
			say("%s" SLICE_FMT, k ? "<" : "",
			    SLICE_ARG(profile->functions[profile->frames[sample->frame + k]].name));
		say(" %g]", profile_value(profile, i, 0));
	}
	say("\n");
	return 0;
}

static int read_json(const char *text)
{
	struct otlp_request request = { .signal = OTLP_PROFILES,
					.content_type = SLICE("application/json"),
					.body = slice_from(text) };
	struct slice message;

	seen[0] = '\0';
	int status = otlp_open(decoder, &request, &result, &message);

	if (status)
		return status;
	/* As between threads: the message is a copy. */
	char *copy = slice_dup(message);

	status = otlp_profiles(decoder, (struct slice){ copy, message.len }, scratch, on_profile,
			       NULL, &result);
	free(copy);
	return status;
}

#define DICTIONARY                                                                                 \
	"\"dictionary\":{\"stringTable\":[\"\",\"cpu\",\"nanoseconds\",\"leaf\",\"main\","         \
	"\"inlined\",\"/lib/libc.so.6\",\"profiling.sampling_rate\"],"                             \
	"\"mappingTable\":[{},{\"memoryStart\":\"4096\",\"fileOffset\":\"256\","                   \
	"\"filenameStrindex\":6}],"                                                                \
	"\"functionTable\":[{},{\"nameStrindex\":3},{\"nameStrindex\":4},"                         \
	"{\"systemNameStrindex\":5}],"                                                             \
	"\"locationTable\":[{},{\"lines\":[{\"functionIndex\":3},{\"functionIndex\":1}]},"         \
	"{\"lines\":[{\"functionIndex\":2}]},{\"mappingIndex\":1,\"address\":\"4352\"}],"          \
	"\"linkTable\":[{},{\"traceId\":\"0123456789abcdef0123456789abcdef\","                     \
	"\"spanId\":\"0123456789abcdef\"}],"                                                       \
	"\"attributeTable\":[{},{\"keyStrindex\":7,\"value\":{\"intValue\":\"19\"}}],"             \
	"\"stackTable\":[{},{\"locationIndices\":[1,2]},{\"locationIndices\":[3,2]}]}"

#define RESOURCE                                                                                   \
	"\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"      \
	"\"shop\"}},{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"i1\"}},"         \
	"{\"key\":\"process.pid\",\"value\":{\"intValue\":\"7\"}}]}"

#define WITH(profiles)                                                                             \
	"{\"resourceProfiles\":[{" RESOURCE ",\"scopeProfiles\":[{\"profiles\":[" profiles         \
	"]}]}]," DICTIONARY "}"
#define LABELS "{instance=\"i1\", job=\"shop\", service_name=\"shop\"} "

START_TEST(a_profile_is_read_with_its_dictionary)
{
	ck_assert_int_eq(
		read_json(WITH(
			"{\"sampleType\":{\"typeStrindex\":1,\"unitStrindex\":2},"
			"\"timeUnixNano\":\"1000\",\"durationNano\":\"500\",\"period\":\"100\","
			"\"periodType\":{\"typeStrindex\":1,\"unitStrindex\":2},"
			"\"attributeIndices\":[1],\"samples\":["
			"{\"stackIndex\":1,\"values\":[\"30\",\"10\"],\"linkIndex\":1},"
			"{\"stackIndex\":2,\"timestampsUnixNano\":[\"1\",\"2\",\"3\"]},"
			"{\"values\":[\"5\"]}]}")),
		0);
	ck_assert_str_eq(seen, LABELS "cpu/nanoseconds t=1000 d=500 p=100 hz=19 traces=1 "
				      "[inlined<leaf<main 40] [libc.so.6+0x200<main 3] [ 5]\n");
	ck_assert_uint_eq(result.rejected, 0);
}
END_TEST

START_TEST(a_profile_may_be_a_pprof)
{
	ck_assert_int_eq(read_json(WITH("{\"originalPayloadFormat\":\"pprof\","
					"\"originalPayload\":\"b25l\"}")),
			 0);
	ck_assert_str_eq(seen, LABELS "payload one\n");
}
END_TEST

START_TEST(what_is_wrong_with_one_profile_stops_no_other)
{
	ck_assert_int_eq(
		read_json(WITH(
			"{\"samples\":[{\"stackIndex\":9}]},"
			"{\"sampleType\":{\"typeStrindex\":99},\"samples\":[]},"
			"{\"sampleType\":{\"typeStrindex\":1},\"samples\":[{\"values\":[1]}]}")),
		0);
	ck_assert_str_eq(seen, LABELS "cpu/ t=0 d=0 p=0 hz=0 traces=0 [ 1]\n");
	ck_assert_uint_eq(result.rejected, 2);
	ck_assert_str_eq(result.error,
			 "\"shop\": a reference to what is not in the dictionary; \"shop\": a "
			 "reference to what is not in the dictionary");
}
END_TEST

START_TEST(an_empty_request_is_good)
{
	ck_assert_int_eq(read_json("{}"), 0);
	ck_assert_str_eq(seen, "");
	ck_assert_int_eq(read_json("{\"resourceProfiles\":[{}]}"), 0);
	ck_assert_int_eq(
		otlp_profiles(decoder, SLICE("\x0a\x7f"), scratch, on_profile, NULL, &result), 400);
}
END_TEST

START_TEST(a_request_holds_so_many_profiles)
{
	struct buf body, resource, scope;

	buf_init(&body);
	buf_init(&resource);
	buf_init(&scope);
	for (int i = 0; i <= PROFILE_PUSH_PROFILES_MAX; i++)
		enc_bytes(&scope, 2, SLICE(""));
	enc_message(&resource, 2, &scope);
	enc_message(&body, 1, &resource);
	result = (struct otlp_result){ 0 };
	ck_assert_int_eq(
		otlp_profiles(decoder, buf_slice(&body), scratch, on_profile, NULL, &result), 413);
	buf_fini(&body);
	buf_fini(&resource);
	buf_fini(&scope);
}
END_TEST

static Suite *otlp_profiles_suite(void)
{
	Suite *suite = suite_create("otlp_profiles");
	TCase *tcase = tcase_create("otlp_profiles");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_profile_is_read_with_its_dictionary);
	tcase_add_test(tcase, a_profile_may_be_a_pprof);
	tcase_add_test(tcase, what_is_wrong_with_one_profile_stops_no_other);
	tcase_add_test(tcase, an_empty_request_is_good);
	tcase_add_test(tcase, a_request_holds_so_many_profiles);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(otlp_profiles_suite)
