/*
 * Profiles when memory is short: each allocation in turn fails; the profile is then refused with
 * ERR_NOMEM, nothing leaks, and the hub goes on.
 */
#include "tests/nomem.h"

#include <stdlib.h>

#include "base/error.h"
#include "ingest/otlp_profiles.h"
#include "ingest/pprof.h"
#include "ingest/profile_hub.h"
#include "ingest/profile_report.h"
#include "tests/check_main.h"

#define FOLDED "main;work;read 12\nmain;work 30\nmain;idle 3\nmain;$$Lambda$1/2;[go.shape.int] 1\n"

static struct hash_key key;
static struct labels *labels;
static struct buf packed; /* FOLDED as pprof */

static int on_push(void *ctx, const struct profile_push *push)
{
	struct profile_hub *hub = ctx;
	struct profile_arrival arrival = { .now_ms = 1700000000000, .is_fetched = true };
	struct batch *batch = batch_new();
	const char *why;
	uint64_t id;
	int code = batch ? profile_hub_take(hub, push, &arrival, batch, &id, &why) : ERR_NOMEM;

	batch_free(batch);
	return code;
}

static int names_watch(struct profile_hub *hub)
{
	const struct slice named[] = { SLICE("read"), SLICE("nowhere") };
	struct profile_names *names = profile_names_new(named, 2);

	if (!names)
		return ERR_NOMEM;
	profile_summary_watch(profile_hub_summary(hub), names);
	profile_names_unref(names);
	return 0;
}

static int push_all(struct profile_hub *hub)
{
	struct profile_ingest_params params = { .name = "shop.cpu{region=eu}",
						.from = "1699999990",
						.until = "1700000000" };
	const char *why;
	int code = names_watch(hub);

	if (code == 0)
		code = profile_ingest_read(&params, SLICE(FOLDED), on_push, hub, &why);
	if (code == 0)
		code = profile_ingest_read(&params, buf_slice(&packed), on_push, hub, &why);
	return code ? code
		    : profile_push_json_read(SLICE("{\"series\":[{\"labels\":[],\"samples\":[]}]}"),
					     on_push, hub, &why);
}

static int fail_one(struct profile_hub *hub)
{
	struct profile_target target = { .labels = labels,
					 .hint = PROFILE_KIND_CPU,
					 .end_ms = 1700000001000 };
	struct batch *batch = batch_new();
	int code =
		batch ? profile_summary_fail(profile_hub_summary(hub), &target, batch) : ERR_NOMEM;

	batch_free(batch);
	return code;
}

static int report_one(struct profile_hub *hub)
{
	struct profile_report *report = profile_report_new(&key);
	const struct profile *profile;
	struct profile_view view;
	struct profile_row *rows;
	size_t n;
	int code = report ? profile_hub_load(hub, 1, SLICE("cpu"), &profile, &view) : ERR_NOMEM;

	/* It was not kept, for want of memory: which is counted, and no error. */
	if (code == ERR_NOT_FOUND && profile_hub_stats(hub)->unkept)
		code = ERR_NOMEM;
	if (code == 0)
		code = profile_report_add(report, PROFILE_AFTER, profile, &view, 0);
	if (code == 0 && (code = profile_report_rows(report, PROFILE_BY_SELF, &rows, &n)) == 0)
		free(rows);
	profile_report_free(report);
	return code;
}

static int hub_scenario(void)
{
	struct profile_store *store;
	char *why = NULL;
	int code = profile_store_open(NULL, &store, &why);
	struct profile_hub *hub = code ? NULL : profile_hub_new(&key, store);

	if (code == 0)
		code = hub ? push_all(hub) : ERR_NOMEM;
	if (code == 0)
		code = fail_one(hub);
	if (code == 0)
		code = report_one(hub);
	profile_hub_free(hub);
	nomem_disarm();
	return code;
}

START_TEST(the_hub_survives_every_failed_allocation)
{
	ck_assert_uint_gt(nomem_sweep(hub_scenario), 30);
}
END_TEST

static int on_profile(void *ctx, struct profile *profile, const struct profile_push *push,
		      const char **why)
{
	return 0;
}

/* JSON is jansson's affair, which allocates as ever: what is swept is the reader of the message. */
static struct buf message;

static void message_make(void)
{
	static const char text[] =
		"{\"resourceProfiles\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
		"\"value\":{\"stringValue\":\"shop\"}}]},\"scopeProfiles\":[{\"profiles\":[{"
		"\"sampleType\":{\"typeStrindex\":1},\"samples\":[{\"stackIndex\":1,\"values\":"
		"[\"3\"]}]}]}]}],\"dictionary\":{\"stringTable\":[\"\",\"cpu\",\"main\"],"
		"\"functionTable\":[{},{\"nameStrindex\":2}],\"locationTable\":[{},{\"lines\":[{"
		"\"functionIndex\":1}]}],\"stackTable\":[{},{\"locationIndices\":[1]}]}}";
	struct otlp_request request = { .signal = OTLP_PROFILES,
					.content_type = SLICE("application/json"),
					.body = slice_from(text) };
	struct otlp_decoder *decoder = otlp_decoder_new(&key);
	struct otlp_result result;
	struct slice out;

	ck_assert_int_eq(otlp_open(decoder, &request, &result, &out), 0);
	buf_init(&message);
	buf_add_slice(&message, out);
	otlp_decoder_free(decoder);
}

static int otlp_scenario(void)
{
	struct otlp_decoder *decoder = otlp_decoder_new(&key);
	struct profile *scratch = profile_new(&key);
	struct otlp_result result = { 0 };
	int status = decoder && scratch ? otlp_profiles(decoder, buf_slice(&message), scratch,
							on_profile, NULL, &result)
					: 503;

	if (decoder)
		otlp_decoder_free(decoder);
	profile_free(scratch);
	nomem_disarm();
	return status == 503 ? ERR_NOMEM : status || result.rejected ? ERR_INVALID : 0;
}

START_TEST(the_reader_of_otlp_survives_every_failed_allocation)
{
	message_make();
	ck_assert_uint_gt(nomem_sweep(otlp_scenario), 5);
	buf_fini(&message);
}
END_TEST

static void setup(void)
{
	const struct label pairs[] = { { SLICE("service_name"), SLICE("shop") },
				       { SLICE("region"), SLICE("eu") } };
	struct profile *profile;
	double *values;
	uint32_t function;

	hash_key_derive(&key, "test", 4);
	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	profile = profile_new(&key);
	ck_assert_int_eq(profile_type_add(profile, SLICE("cpu"), SLICE("nanoseconds")), 0);
	ck_assert_int_eq(profile_sample_add(profile, &values), 0);
	ck_assert_int_eq(profile_function_add(profile, SLICE("main"), &function), 0);
	ck_assert_int_eq(profile_frame_add(profile, function), 0);
	values[0] = 5;
	buf_init(&packed);
	ck_assert_int_eq(pprof_write(profile, &packed), 0);
	profile_free(profile);
}

static void teardown(void)
{
	labels_unref(labels);
	buf_fini(&packed);
}

static Suite *profile_nomem_suite(void)
{
	Suite *suite = suite_create("profile_nomem");
	TCase *tcase = tcase_create("profile_nomem");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, the_hub_survives_every_failed_allocation);
	tcase_add_test(tcase, the_reader_of_otlp_survives_every_failed_allocation);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(profile_nomem_suite)
