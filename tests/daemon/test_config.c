/* What configuration becomes of the command line and of what is not written. */
#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "tests/check_main.h"

static char *external_url(const char *listen, const char *given)
{
	static char url[512];
	const struct config_overrides overrides = { .listen_address = listen, .external_url = given };
	struct diag_list diags;
	struct config *config;

	diag_list_init(&diags);
	ck_assert_int_eq(config_load(NULL, &overrides, &diags, &config), 0);
	snprintf(url, sizeof(url), SLICE_FMT, SLICE_ARG(config->external_url));
	config_unref(config);
	diag_list_fini(&diags);
	return url;
}

START_TEST(links_lead_to_where_we_listen_unless_told_otherwise)
{
	ck_assert_str_eq(external_url("127.0.0.1:9797", NULL), "http://127.0.0.1:9797");
	ck_assert_str_eq(external_url("[::1]:80", NULL), "http://[::1]:80");
	ck_assert_str_eq(external_url("127.0.0.1:9797", "https://alerts.example"),
			 "https://alerts.example");
	/* The port is not known yet. */
	ck_assert_str_eq(external_url("127.0.0.1:0", NULL), "");
	const char *everywhere = external_url(":9797", NULL);
	ck_assert_ptr_null(strstr(everywhere, "0.0.0.0"));
	ck_assert_ptr_nonnull(strstr(everywhere, ":9797"));
}
END_TEST

START_TEST(defaults_hold_without_a_file)
{
	struct diag_list diags;
	struct config *config;

	diag_list_init(&diags);
	ck_assert_int_eq(config_load(NULL, &(struct config_overrides){ 0 }, &diags, &config), 0);
	ck_assert_str_eq(config->listen_host, "127.0.0.1");
	ck_assert_uint_eq(config->listen_port, 9797);
	ck_assert_str_eq(config->data_dir, "./tocsin-data");
	ck_assert_int_eq(config->evaluation_interval_ms, 15000);
	ck_assert_int_eq(config->storage.journal_sync, JOURNAL_SYNC_GROUP);
	config_unref(config);
	diag_list_fini(&diags);
}
END_TEST

static Suite *config_suite(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");

	tcase_add_test(tcase, links_lead_to_where_we_listen_unless_told_otherwise);
	tcase_add_test(tcase, defaults_hold_without_a_file);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(config_suite)
