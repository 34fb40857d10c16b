/* Requests with profiles in them: whose they are, of when, of what kind; and what is none. */
#include "ingest/profile_push.h"

#include <stdio.h>

#include "base/error.h"
#include "tests/check_main.h"
#include "tests/ingest/encode.h"

static char seen[4096];
static const char *why;

static int on_push(void *ctx, const struct profile_push *push)
{
	struct buf text;

	buf_init(&text);
	labels_format(push->labels, &text);
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen),
		 "%s kind=%s format=%d bytes=" SLICE_FMT ";", text.ptr,
		 push->hint == PROFILE_KIND_NONE ? "-" : profile_kind_name(push->hint),
		 push->format, SLICE_ARG(push->bytes));
	buf_fini(&text);
	return ctx ? *(int *)ctx : 0;
}

static int read_ingest(const char *name, const char *format, const char *type, const char *body)
{
	struct profile_ingest_params params = { .name = name,
						.format = format,
						.content_type = slice_from(type) };

	seen[0] = '\0';
	return profile_ingest_read(&params, slice_from(body), on_push, NULL, &why);
}

static void expect_name(const char *name, const char *wanted)
{
	ck_assert_msg(read_ingest(name, "folded", "", "a 1") == 0, "%s: %s", name, why);
	ck_assert_str_eq(seen, wanted);
}

START_TEST(a_name_tells_application_kind_and_labels)
{
	expect_name("shop", "{service_name=\"shop\"} kind=- format=1 bytes=a 1;");
	expect_name("shop.cpu", "{service_name=\"shop\"} kind=cpu format=1 bytes=a 1;");
	expect_name("a.b.alloc_space{}",
		    "{service_name=\"a.b\"} kind=heap_alloc format=1 bytes=a 1;");
	expect_name("shop.eu", "{service_name=\"shop.eu\"} kind=- format=1 bytes=a 1;");
	expect_name("shop.wall{region=eu, pod = p-1 ,}",
		    "{pod=\"p-1\", region=\"eu\", service_name=\"shop\"} kind=wall format=1 "
		    "bytes=a 1;");
	expect_name("x{service_name=shop,__session__=9,v=\"quoted\"}",
		    "{service_name=\"shop\", v=\"quoted\"} kind=- format=1 bytes=a 1;");
	for (const char *const *bad = (const char *const[]){ "", "{a=b}", "x{a}", "x{a=b", "x{=b}",
							     "x{a=b}y", "x{a=b,c}", NULL };
	     *bad; bad++)
		ck_assert_msg(read_ingest(*bad, "folded", "", "a 1") == ERR_INVALID, "%s", *bad);
	ck_assert_int_eq(read_ingest(NULL, NULL, "", "a 1"), ERR_INVALID);
	char long_name[PROFILE_PUSH_NAME_MAX + 2];

	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	ck_assert_int_eq(read_ingest(long_name, NULL, "", "a 1"), ERR_INVALID);
}
END_TEST

START_TEST(a_format_is_named_or_seen)
{
	ck_assert_int_eq(read_ingest("x", NULL, "", "a;b 1"), 0);
	ck_assert_ptr_nonnull(strstr(seen, "format=1"));
	ck_assert_int_eq(read_ingest("x", NULL, "", "\x1f\x8b"), 0);
	ck_assert_ptr_nonnull(strstr(seen, "format=0"));
	ck_assert_int_eq(read_ingest("x", "lines", "", "a"), 0);
	ck_assert_ptr_nonnull(strstr(seen, "format=2"));
	ck_assert_int_eq(read_ingest("x", "jfr", "", "a"), ERR_UNSUPPORTED);
}
END_TEST

START_TEST(a_form_has_the_profile_in_a_part)
{
	const char *type = "multipart/form-data; boundary=\"XX\"";
	const char *form = "--XX\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nno\r\n"
			   "--XX\r\ncontent-disposition: form-data; filename=p; name=profile\r\n"
			   "Content-Type: x/y\r\n\r\na;b 1\r\n--XX--\r\n";

	ck_assert_int_eq(read_ingest("x", "folded", type, form), 0);
	ck_assert_ptr_nonnull(strstr(seen, "bytes=a;b 1;"));
	/* A part without content: the line end of its headers is the delimiter's. */
	ck_assert_int_eq(read_ingest("x", "folded", type,
				     "--XX\r\nContent-Disposition: form-data; name=profile\r\n\r\n"
				     "--XX--"),
			 0);
	ck_assert_ptr_nonnull(strstr(seen, "bytes=;"));
	ck_assert_int_eq(read_ingest("x", NULL, type, "--XX--\r\n"), ERR_INVALID);
	ck_assert_str_eq(why, "the multipart body has no part \"profile\"");
	ck_assert_int_eq(read_ingest("x", NULL, type, "--XX\r\nno end"), ERR_INVALID);
	ck_assert_int_eq(read_ingest("x", NULL, "multipart/form-data", form), ERR_INVALID);
	char many[4096] = "";

	for (int i = 0; i <= PROFILE_PUSH_PARTS_MAX; i++)
		strcat(many, "--XX\r\nContent-Disposition: form-data; name=o\r\n\r\n1\r\n");
	strcat(many, "--XX--");
	ck_assert_int_eq(read_ingest("x", NULL, type, many), ERR_INVALID);
	ck_assert_str_eq(why, "too many parts in a multipart body");
	/* RFC 2046: a boundary has at most 70 bytes. */
	for (int len = 70; len <= 71; len++) {
		char boundary[72] = "", long_type[128], long_form[256];

		memset(boundary, 'b', (size_t)len);
		snprintf(long_type, sizeof(long_type), "multipart/form-data; boundary=%s", boundary);
		snprintf(long_form, sizeof(long_form),
			 "--%s\r\nContent-Disposition: form-data; name=profile\r\n\r\na 1\r\n--%s--",
			 boundary, boundary);
		ck_assert_int_eq(read_ingest("x", "folded", long_type, long_form),
				 len == 70 ? 0 : ERR_INVALID);
	}
	ck_assert_str_eq(why, "a multipart body with a boundary of more than 70 bytes");
	for (int len = 4096; len <= 4097; len++) {
		const char *name = "Content-Disposition: form-data; name=profile\r\nX: ";
		char long_form[4300];

		snprintf(long_form, sizeof(long_form), "--XX\r\n%s%0*d\r\n\r\na 1\r\n--XX--", name,
			 len - (int)strlen(name) - 2, 0);
		ck_assert_int_eq(read_ingest("x", "folded", type, long_form),
				 len == 4096 ? 0 : ERR_INVALID);
	}
	ck_assert_str_eq(why, "a part with more than 4096 bytes of headers in a multipart body");
}
END_TEST

static void add_pair(struct buf *series, const char *name, const char *value)
{
	struct buf pair;

	buf_init(&pair);
	enc_str(&pair, 1, name);
	enc_str(&pair, 2, value);
	enc_message(series, 1, &pair);
	buf_fini(&pair);
}

static void add_profile(struct buf *series, const char *bytes)
{
	struct buf sample;

	buf_init(&sample);
	enc_str(&sample, 1, bytes);
	enc_str(&sample, 2, "id");
	enc_message(series, 2, &sample);
	buf_fini(&sample);
}

START_TEST(a_push_request_has_series_with_profiles)
{
	struct buf body, series;
	int refuse = ERR_CORRUPT;

	buf_init(&body);
	buf_init(&series);
	add_profile(&series, "one");
	add_pair(&series, "__name__", "process_cpu");
	add_pair(&series, "service_name", "shop");
	add_pair(&series, "__delta__", "false");
	add_profile(&series, "two");
	enc_message(&body, 1, &series);
	add_profile(&series, "three");
	enc_message(&body, 1, &series);
	seen[0] = '\0';
	ck_assert_int_eq(profile_push_read(buf_slice(&body), on_push, NULL, &why), 0);
	ck_assert_str_eq(seen, "{service_name=\"shop\"} kind=cpu format=0 bytes=one;"
			       "{service_name=\"shop\"} kind=cpu format=0 bytes=two;"
			       "{} kind=- format=0 bytes=three;");
	ck_assert_int_eq(profile_push_read(buf_slice(&body), on_push, &refuse, &why), ERR_CORRUPT);
	ck_assert_int_eq(profile_push_read(SLICE("\x0a\x7f"), on_push, NULL, &why), ERR_CORRUPT);
	ck_assert_int_eq(profile_push_read(SLICE(""), on_push, NULL, &why), 0);
	buf_clear(&body);
	for (int i = 0; i <= PROFILE_PUSH_PROFILES_MAX; i++)
		add_profile(&series, "x");
	enc_message(&body, 1, &series);
	ck_assert_int_eq(profile_push_read(buf_slice(&body), on_push, NULL, &why), ERR_LIMIT);
	buf_fini(&body);
	buf_fini(&series);
}
END_TEST

static int read_json(const char *text)
{
	seen[0] = '\0';
	return profile_push_json_read(slice_from(text), on_push, NULL, &why);
}

START_TEST(a_push_request_may_be_json)
{
	ck_assert_int_eq(
		read_json("{\"series\":[{\"labels\":[{\"name\":\"__name__\",\"value\":\"memory\"},"
			  "{\"name\":\"a\",\"value\":\"b\"}],\"samples\":[{\"rawProfile\":"
			  "\"b25l\"},{\"raw_profile\":\"dA==\"},{\"rawProfile\":\"dHc=\"}]}]}"),
		0);
	ck_assert_str_eq(seen, "{a=\"b\"} kind=heap_inuse format=0 bytes=one;"
			       "{a=\"b\"} kind=heap_inuse format=0 bytes=t;"
			       "{a=\"b\"} kind=heap_inuse format=0 bytes=tw;");
	ck_assert_int_eq(read_json("{}"), 0);
	ck_assert_int_eq(read_json("[]"), ERR_INVALID);
	ck_assert_int_eq(read_json(""), ERR_INVALID);
	ck_assert_int_eq(read_json("{\"series\":[{\"samples\":[{\"rawProfile\":\"b25\"}]}]}"),
			 ERR_INVALID);
	ck_assert_int_eq(read_json("{\"series\":[{\"samples\":[{\"rawProfile\":\"b2=n\"}]}]}"),
			 ERR_INVALID);
	ck_assert_int_eq(read_json("{\"series\":[{\"samples\":[{}]}]}"), 0);
}
END_TEST

static Suite *profile_push_suite(void)
{
	Suite *suite = suite_create("profile_push");
	TCase *tcase = tcase_create("profile_push");

	tcase_add_test(tcase, a_name_tells_application_kind_and_labels);
	tcase_add_test(tcase, a_format_is_named_or_seen);
	tcase_add_test(tcase, a_form_has_the_profile_in_a_part);
	tcase_add_test(tcase, a_push_request_has_series_with_profiles);
	tcase_add_test(tcase, a_push_request_may_be_json);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(profile_push_suite)
