/* What configuration becomes of the command line and of what is not written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/config.h"
#include "daemon/config_keys.h"
#include "ingest/ndjson.h"
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

/* What the reference says of a key in a section. */
static bool has_default(const char *reference, const char *section, const char *key,
			const char *wanted)
{
	char text[128];

	snprintf(text, sizeof(text), "### %s\n", section);
	const char *from = strstr(reference, text);

	ck_assert_msg(from != NULL, "no section %s", section);
	const char *next = strstr(from + 4, "\n### ");

	snprintf(text, sizeof(text), "\n| `%s` |", key);
	const char *row = strstr(from, text);

	ck_assert_msg(row && (!next || row < next), "no key %s in %s", key, section);
	snprintf(text, sizeof(text), "| `%s` |", wanted);
	const char *value = strstr(row + 3, text);

	return value && value < strchr(row + 1, '\n');
}

/* Each key that is promised with a default, by section. */
START_TEST(defaults_are_those_promised)
{
	static const struct {
		const char *section, *key, *value;
	} all[] = {
		{ "web", "listen_address", "127.0.0.1:9797" },
		{ "configuration", "data_dir", "./tocsin-data" },
		{ "configuration", "evaluation_interval", "15s" },
		{ "configuration", "rule_query_offset", "0s" },
		{ "configuration", "lookback_delta", "5m" },
		{ "configuration", "default_subquery_step", "1m" },
		{ "configuration", "retention_unselected", "0s" },
		{ "configuration", "on_sender_silence", "hold" },
		{ "configuration", "sender_timeout", "90s" },
		{ "storage", "url", "memory" },
		{ "storage", "durability", "async" },
		{ "storage", "confirm_timeout", "5s" },
		{ "storage", "commit_timeout", "250ms" },
		{ "storage", "journal_sync", "group" },
		{ "limits", "memory", "2GiB" },
		{ "limits", "series", "2000000" },
		{ "limits", "series_per_log_selector", "10000" },
		{ "limits", "ignored_series", "4000000" },
		{ "limits", "rules", "200000" },
		{ "limits", "query_samples", "50000000" },
		{ "limits", "query_timeout", "30s" },
		{ "limits", "queue_bytes", "64MiB" },
		{ "ingest.profiles", "store_bytes", "256MiB" },
		{ "ingest.profiles", "store_for", "24h" },
		{ "actions", "freeze", "false" },
		{ "actions", "max_running", "4" },
		{ "actions", "per_hour", "20" },
	};
	struct buf reference;

	buf_init(&reference);
	config_reference(&reference);
	buf_add_char(&reference, '\0');
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		ck_assert_msg(has_default(reference.ptr, all[i].section, all[i].key, all[i].value),
			      "%s in %s is not %s", all[i].key, all[i].section, all[i].value);
	buf_fini(&reference);
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

/* ---- files ---- */

static char dir[64];

static void write_file(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void setup_dir(void)
{
	strcpy(dir, "/tmp/tocsin-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	write_file("password", "secret word\nmore\n");
	write_file("empty", "");
}

static void teardown_dir(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

/* The configuration with this section; NULL with the complaints in *out (to be freed). */
static struct config *load_storage(const char *section, struct buf *out)
{
	struct diag_list diags;
	struct config *config = NULL;
	char path[128];

	write_file("tocsin.yml", section);
	snprintf(path, sizeof(path), "%s/tocsin.yml", dir);
	diag_list_init(&diags);
	buf_init(out);
	if (config_load(path, &(struct config_overrides){ 0 }, &diags, &config))
		config = NULL;
	diag_list_format(&diags, false, out);
	diag_list_fini(&diags);
	return config;
}

static void expect_refused(const char *section, const char *complaint, const char *hint)
{
	struct buf out;
	struct config *config = load_storage(section, &out);

	ck_assert_msg(!config, "taken: %s", section);
	ck_assert_msg(strstr(out.ptr, complaint) && strstr(out.ptr, hint), "%s", out.ptr);
	buf_fini(&out);
}

START_TEST(how_expressions_are_read_is_told)
{
	struct buf out;
	struct config *config = load_storage("", &out);

	ck_assert_int_eq(config->subquery_step_ms, 60000);
	ck_assert(!config->delayed_names && !config->start_times);
	ck_assert_int_eq(config->retention_ms, 0);
	ck_assert_uint_eq(config->query_concurrency, 20);
	ck_assert_int_eq(config->query_samples_max, 50000000);
	ck_assert_int_eq(config->query_timeout_ms, 30000);
	config_unref(config);
	buf_fini(&out);
	config = load_storage("default_subquery_step: 5s\ndelayed_name_removal: true\n"
			      "use_start_timestamps: true\nretention_unselected: 1h\n"
			      "limits: {query_concurrency: 3, query_samples: 9, query_timeout: 2s}\n",
			      &out);
	ck_assert_int_eq(config->subquery_step_ms, 5000);
	ck_assert(config->delayed_names && config->start_times);
	ck_assert_int_eq(config->retention_ms, 3600000);
	ck_assert_uint_eq(config->query_concurrency, 3);
	ck_assert_int_eq(config->query_samples_max, 9);
	ck_assert_int_eq(config->query_timeout_ms, 2000);
	config_unref(config);
	buf_fini(&out);
	expect_refused("limits: {query_concurrency: 0}\n", "query_concurrency", "1");
	expect_refused("default_subquery_step: 0s\n", "default_subquery_step", "1ms");
	expect_refused("delayed_name_removal: 2\n", "delayed_name_removal", "true");
}
END_TEST

START_TEST(redis_is_told_by_its_address)
{
	struct buf out;
	struct config *config = load_storage(
		"storage: {url: 'redis://db.example:6380/65535', password_file: password, "
		"key_prefix: a.b-c_d, durability: storage, confirm_timeout: 2s, "
		"commit_timeout: 0s}\n",
		&out);

	ck_assert_msg(config != NULL, "%s", out.ptr);
	const struct storage_config *storage = &config->storage;

	ck_assert_str_eq(storage->redis->host, "db.example");
	ck_assert_uint_eq(storage->redis->port, 6380);
	ck_assert_uint_eq(storage->redis->database, 65535);
	ck_assert_str_eq(storage->redis->password, "secret word");
	ck_assert_str_eq(storage->key_prefix, "a.b-c_d");
	ck_assert(storage->confirms);
	ck_assert_int_eq(storage->confirm_timeout_ms, 2000);
	ck_assert_int_eq(storage->commit_timeout_ms, 0);
	config_unref(config);
	buf_fini(&out);
	config = load_storage("storage: {url: 'redis://[::1]:6379'}\n", &out);
	ck_assert_str_eq(config->storage.redis->host, "::1");
	ck_assert_uint_eq(config->storage.redis->database, 0);
	ck_assert_ptr_null(config->storage.redis->password);
	/* Beside the file, where nothing is said of it. */
	ck_assert_ptr_nonnull(strstr(config->data_dir, "/tocsin-data"));
	ck_assert_ptr_null(strstr(config->data_dir, "/./"));
	config_unref(config);
	buf_fini(&out);
}
END_TEST

/* What is promised and not there yet is refused by its name; left empty it says nothing. */
START_TEST(what_is_promised_for_later_is_refused_by_name)
{
	static const struct {
		const char *section, *name;
	} all[] = {
		{ "web: {config_file: web.yml}\n", "\"config_file\" in web" },
		{ "limits: {series_per_metric: 9}\n", "\"series_per_metric\" in limits" },
		{ "cluster: {node: a}\n", "\"cluster\"" },
		{ "alerting: {alertmanagers: []}\n", "\"alerting\"" },
		{ "watchdog: {url: 'http://a'}\n", "\"watchdog\"" },
		{ "alertmanager_config: alertmanager.yml\n", "\"alertmanager_config\"" },
		{ "inhibit_rules: [{}]\n", "\"inhibit_rules\"" },
		{ "time_intervals: [{}]\n", "\"time_intervals\"" },
		{ "mute_time_intervals: [{}]\n", "\"mute_time_intervals\"" },
		{ "templates: [a.tmpl]\n", "\"templates\"" },
		{ "ingest: {remote_write: {ha: {failover: 1s}}}\n",
		  "\"ha\" in ingest.remote_write" },
		{ "actions: {deny_private: true}\n", "\"deny_private\"" },
	};
	static const char none[] =
		"web: {config_file: ''}\ncluster: {}\nalerting: {}\nwatchdog: {}\n"
		"inhibit_rules: []\ntime_intervals: []\ntemplates: []\nrunbooks: []\n"
		"history: []\nremote_write: []\nredact: []\n"
		"limits: {series_per_metric: 0}\nactions: {deny_private: false}\n";
	struct buf out;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		expect_refused(all[i].section, all[i].name, "take it out");
	struct config *config = load_storage(none, &out);

	ck_assert_msg(config != NULL, "%s", out.ptr);
	config_unref(config);
	buf_fini(&out);
}
END_TEST

START_TEST(what_storage_cannot_be_is_refused_by_name)
{
	static const char *const addresses[] = {
		"redis://",	    "redis://host",	   "redis://:6379", "redis://host:0",
		"redis://host:x",   "redis://host:99999",  "redis://h:1/x", "redis://h:1/99999",
		"redis://u:p@h:1", "http://127.0.0.1:6379", "host:6379",
	};
	char section[128];

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		snprintf(section, sizeof(section), "storage: {url: '%s'}\n", addresses[i]);
		expect_refused(section, "no address of a Redis", "redis://HOST:PORT/DB");
	}
	expect_refused("storage: {url: 'rediss://h:1'}\n", "not supported yet", "TLS");
	expect_refused("storage: {url: 'redis+sentinel://h:1'}\n", "not supported yet", "Sentinel");
	expect_refused("storage: {url: 'redis+cluster://h:1'}\n", "not supported yet", "Cluster");
	expect_refused("web: {config_file: w.yml}\n", "\"config_file\" in web", "take it out");
	expect_refused("web: {external_url: tocsin.example}\n",
		       "the external URL \"tocsin.example\" is no http or https address", "https://");
	expect_refused("limits: {series_per_metric: 9}\n", "\"series_per_metric\"", "take it out");
	expect_refused("ingest: {remote_write: {ha: {failover: 1s}}}\n",
		       "\"ha\" in ingest.remote_write is not supported yet", "take it out");
	expect_refused("storage: {tls_config: {ca_file: x}}\n", "storage.tls_config", "take it out");
	expect_refused("storage: {key_prefix: 'a{b}'}\n", "storage.key_prefix", "letters, digits");
	expect_refused("storage: {key_prefix: ''}\n", "storage.key_prefix", "at most 64");
	expect_refused("storage: {url: 'redis://h:1', password_file: nowhere}\n",
		       "storage.password_file", "nowhere\": No such file");
	expect_refused("storage: {url: 'redis://h:1', password_file: empty}\n",
		       "storage.password_file", "No data");
	expect_refused("storage: {url: 'redis://h:1/65536'}\n", "no address of a Redis", "");
	expect_refused("storage: {key_prefix: "
		       "a23456789b123456789c123456789d123456789e123456789f123456789g12345}\n",
		       "storage.key_prefix", "at most 64");
	char secret[1024 + 2];

	memset(secret, 's', sizeof(secret));
	secret[sizeof(secret) - 1] = '\0';
	write_file("long", secret);
	expect_refused("storage: {url: 'redis://h:1', password_file: long}\n",
		       "storage.password_file", "File too large");
	expect_refused("data_dir: none\nstorage: {durability: storage}\n", "storage.durability",
		       "set data_dir, or storage.url");
	expect_refused("storage: {durability: maybe}\n", "durability", "async");
}
END_TEST

/* ---- remote_write ---- */

START_TEST(remote_write_is_prometheus_own)
{
	struct buf out;
	struct config *config = load_storage(
		"remote_write:\n"
		"- url: https://me:word@h:1/write?a=b\n"
		"  remote_timeout: 3s\n"
		"  headers: {X-Scope-OrgID: team}\n"
		"  authorization: {credentials_file: token}\n"
		"  tls_config: {ca_file: /etc/ca, cert_file: c, key_file: k, server_name: s}\n"
		"  write_relabel_configs: [{source_labels: [a], regex: b, action: drop}]\n"
		"  protobuf_message: io.prometheus.write.v2.Request\n"
		"  queue_config: {capacity: 10, max_samples_per_send: 5, batch_send_deadline: 1s,\n"
		"                 min_backoff: 1s, max_backoff: 2s, retry_on_http_429: true,\n"
		"                 sample_age_limit: 1h}\n"
		"- {url: 'http://h', name: second}\n",
		&out);

	ck_assert_msg(config != NULL, "%s", out.ptr);
	ck_assert_uint_eq(config->remote_write.n, 2);
	const struct rw_sender_options *one = config->remote_write.senders, *two = one + 1;
	char path[128];

	ck_assert_str_eq(one->peer.url, "https://me:word@h:1/write?a=b");
	ck_assert_str_eq(one->name, "https://h:1/write?a=b");
	ck_assert_str_eq(one->url_shown, "https://h:1/write?a=b");
	ck_assert_int_eq(one->peer.timeout_ms, 3000);
	ck_assert_str_eq(one->peer.headers[0].name, "X-Scope-OrgID");
	ck_assert_str_eq(one->peer.headers[0].value, "team");
	ck_assert_str_eq(one->peer.auth_type, "Bearer");
	snprintf(path, sizeof(path), "%s/token", dir);
	ck_assert_str_eq(one->peer.credentials_file, path);
	ck_assert_ptr_nonnull(strstr(out.ptr, "warning: credentials_file: cannot read \""));
	ck_assert_ptr_nonnull(strstr(out.ptr, "/token\": No such file or directory [no-file]"));
	ck_assert_ptr_nonnull(strstr(out.ptr, "ca_file: cannot read \"/etc/ca\""));
	ck_assert_str_eq(one->peer.ca_file, "/etc/ca");
	ck_assert_str_eq(one->peer.server_name, "s");
	ck_assert_ptr_nonnull(one->relabel);
	ck_assert_int_eq(one->version, RW_VERSION_2);
	ck_assert_int_eq(one->capacity, 10);
	ck_assert_int_eq(one->samples_per_send, 5);
	ck_assert_int_eq(one->deadline_ms, 1000);
	ck_assert_int_eq(one->min_backoff_ms, 1000);
	ck_assert_int_eq(one->max_backoff_ms, 2000);
	ck_assert(one->retries_429 && one->peer.follow_redirects);
	ck_assert_int_eq(one->age_max_ms, 3600000);
	ck_assert_str_eq(two->name, "second");
	ck_assert_int_eq(two->version, RW_VERSION_1);
	ck_assert_int_eq(two->samples_per_send, 2000);
	ck_assert_int_eq(two->peer.timeout_ms, 30000);
	config_unref(config);
	buf_fini(&out);
}
END_TEST

START_TEST(what_remote_write_cannot_be_is_refused_by_name)
{
	expect_refused("remote_write: [{name: a}]\n", "url", "remote_write");
	expect_refused("remote_write: [{url: 'ftp://h'}]\n", "no http or https address", "http://");
	expect_refused("remote_write: [{url: 'http://h', send_exemplars: true}]\n",
		       "\"send_exemplars\" in remote_write is not supported yet", "take it out");
	expect_refused("remote_write: [{url: 'http://h', queue_config: {min_shards: 9}}]\n",
		       "\"min_shards\" in queue_config is not supported yet", "take it out");
	expect_refused("remote_write: [{url: 'http://h', sigv4: {region: x}}]\n",
		       "\"sigv4\" in remote_write is not supported yet", "take it out");
	expect_refused("remote_write: [{url: 'http://h', queue_config: {capacity: 0}}]\n", "capacity",
		       "1");
	expect_refused("remote_write: [{url: 'http://h', queue_config: {min_backoff: 10s}}]\n",
		       "min_backoff is longer than max_backoff", "");
	expect_refused("remote_write: [{url: 'http://h'}, {url: 'http://h'}]\n",
		       "two receivers of remote_write are called \"http://h\"", "its own name");
	expect_refused("remote_write: [{url: 'http://h', headers: {user-agent: x}}]\n",
		       "the header \"user-agent\" is set by Tocsin", "take it out");
	expect_refused("remote_write: [{url: 'http://h', authorization: {type: Basic}}]\n",
		       "cannot be of the type \"basic\"", "basic_auth");
	expect_refused("remote_write: [{url: 'http://h', authorization: {}}]\n",
		       "authorization needs credentials", "");
	expect_refused("remote_write: [{url: 'http://h', basic_auth: {password: x}}]\n",
		       "basic_auth needs a username", "");
	expect_refused("remote_write: [{url: 'http://h', basic_auth: {username: u, password: x, "
		       "password_file: y}}]\n",
		       "both password and password_file are given", "one of them");
	expect_refused("remote_write: [{url: 'http://h', tls_config: {cert_file: x}}]\n",
		       "cert_file and key_file go together", "");
	expect_refused("remote_write: [{url: 'http://h', protobuf_message: v3}]\n",
		       "protobuf_message", "io.prometheus.write.v2.Request");
	static const struct {
		const char *key, *max, *beyond;
	} limits[] = { { "capacity", "100000000", "100000001" },
		       { "max_samples_per_send", "100000", "100001" },
		       { "max_shards", "16", "17" } };
	struct buf text;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		char queue[128], said[64];
		struct buf out;

		snprintf(queue, sizeof(queue),
			 "remote_write: [{url: 'http://h', queue_config: {%s: %s}}]\n",
			 limits[i].key, limits[i].max);
		struct config *config = load_storage(queue, &out);

		ck_assert_msg(config != NULL, "%s", out.ptr);
		config_unref(config);
		buf_fini(&out);
		snprintf(queue, sizeof(queue),
			 "remote_write: [{url: 'http://h', queue_config: {%s: %s}}]\n",
			 limits[i].key, limits[i].beyond);
		snprintf(said, sizeof(said), "\"%s\" is more than %s", limits[i].beyond,
			 limits[i].max);
		expect_refused(queue, said, limits[i].max);
	}
	buf_init(&text);
	buf_add_str(&text, "remote_write:\n");
	for (int i = 0; i <= REMOTE_WRITES_MAX; i++)
		buf_printf(&text, "- url: http://h/%d\n", i);
	expect_refused(text.ptr, "more than 64 receivers", "");
	buf_fini(&text);
	buf_init(&text);
	buf_add_str(&text, "remote_write:\n- url: http://h\n  headers:\n");
	for (int i = 0; i <= HTTP_PEER_HEADERS_MAX / 2; i++)
		buf_printf(&text, "    X-%d: a\n", i);
	expect_refused(text.ptr, "more than 32 headers", "");
	buf_fini(&text);
}
END_TEST

START_TEST(history_is_told_by_addresses)
{
	struct buf out;
	struct config *config = load_storage(
		"history:\n"
		"- url: http://me@h:9090/prefix\n"
		"  max_range: 7d\n"
		"  basic_auth: {username: u, password_file: pw}\n"
		"  write_relabel_configs: [{target_label: a, replacement: b}]\n"
		"- {url: 'https://long:1', remote_timeout: 5s}\n",
		&out);

	ck_assert_msg(config != NULL, "%s", out.ptr);
	ck_assert_uint_eq(config->history.n, 2);
	const struct history_server *one = config->history.servers, *two = one + 1;

	ck_assert_str_eq(one->peer.url, "http://me@h:9090/prefix");
	ck_assert_str_eq(one->url_shown, "http://h:9090/prefix");
	ck_assert_int_eq(one->max_range_ms, 7ll * 24 * 3600 * 1000);
	ck_assert_int_eq(one->peer.timeout_ms, 60000);
	ck_assert_ptr_nonnull(one->relabel);
	ck_assert_int_eq(two->max_range_ms, 30ll * 24 * 3600 * 1000);
	ck_assert_int_eq(two->peer.timeout_ms, 5000);
	config_unref(config);
	buf_fini(&out);
}
END_TEST

START_TEST(what_history_cannot_be_is_refused_by_name)
{
	struct buf text;

	expect_refused("history: [{max_range: 1h}]\n", "url", "history");
	expect_refused("history: [{url: 'h:9090'}]\n", "no http or https address", "http://");
	expect_refused("history: [{url: 'http://h/?a=b'}]\n", "has no query", "http://HOST:PORT");
	expect_refused("history: [{url: 'http://h', max_range: 0s}]\n", "max_range", "1s");
	expect_refused("history: [{url: 'http://h', oauth2: {client_id: x}}]\n",
		       "\"oauth2\" in history is not supported yet", "take it out");
	expect_refused("history: [{url: 'http://h', read_recent: true}]\n",
		       "unknown key \"read_recent\"", "");
	buf_init(&text);
	buf_add_str(&text, "history:\n");
	for (int i = 0; i <= HISTORY_SERVERS_MAX; i++)
		buf_printf(&text, "- url: http://h/%d\n", i);
	expect_refused(text.ptr, "more than 16 servers", "");
	buf_fini(&text);
}
END_TEST

START_TEST(the_address_of_a_history_is_so_long)
{
	char address[HISTORY_URL_MAX], text[HISTORY_URL_MAX + 64];
	struct buf out;

	memset(address, 'a', sizeof(address));
	snprintf(text, sizeof(text), "history: [{url: 'http://%.*s'}]\n", HISTORY_URL_MAX - 7,
		 address);
	struct config *config = load_storage(text, &out);

	ck_assert_msg(config != NULL, "%s", out.ptr);
	config_unref(config);
	buf_fini(&out);
	snprintf(text, sizeof(text), "history: [{url: 'http://%.*s'}]\n", HISTORY_URL_MAX - 6,
		 address);
	expect_refused(text, "has at most 2000 bytes", "");
}
END_TEST

/* The configuration in a file of its own; *diags is filled. NULL: there were errors. */
static struct config *load_text(const char *text, struct diag_list *diags)
{
	char path[] = "/tmp/test_config.XXXXXX";
	struct config *config = NULL;
	int fd = mkstemp(path);

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	diag_list_init(diags);
	if (config_load(path, &(struct config_overrides){ 0 }, diags, &config))
		config = NULL;
	unlink(path);
	return config;
}

START_TEST(keys_for_anchors_are_taken_at_the_top)
{
	struct diag_list diags;
	struct config *config = load_text("x-labels: &l {site: a}\nexternal_labels: *l\n", &diags);

	ck_assert_ptr_nonnull(config);
	ck_assert_uint_eq(diags.errors, 0);
	config_unref(config);
	diag_list_fini(&diags);
	expect_refused("web: {x-a: 1}\n", "unknown key \"x-a\" in web", "");
}
END_TEST

START_TEST(log_sources_name_so_many_fields)
{
	struct diag_list diags;
	struct buf text;

	buf_init(&text);
	for (int n = NDJSON_STREAM_FIELDS_MAX; n <= NDJSON_STREAM_FIELDS_MAX + 1; n++) {
		buf_clear(&text);
		buf_add_str(&text, "ingest: {logs: [{stdin: {format: json, stream_fields: [");
		for (int i = 0; i < n; i++)
			buf_printf(&text, "f%d, ", i);
		buf_add_str(&text, "]}}]}\n");
		struct config *config = load_text(text.ptr, &diags);

		ck_assert((config != NULL) == (n == NDJSON_STREAM_FIELDS_MAX));
		if (config)
			ck_assert_uint_eq(config->logs.items[0].stream_fields.n, (size_t)n);
		else
			ck_assert_str_eq(diags.items[0].message,
					 "\"stream_fields\" in stdin has more than 32 names");
		config_unref(config);
		diag_list_fini(&diags);
	}
	buf_fini(&text);
}
END_TEST

START_TEST(log_sources_are_bound)
{
	struct diag_list diags;
	struct config *config = load_text(
		"ingest:\n  logs:\n"
		"  - {files: [/none/*.log, some.log], labels: {job: a}}\n"
		"  - {syslog: {listen_address: ':514', protocol: udp, timestamp: message}}\n"
		"  - {stdin: {format: json, message_field: msg, stream_fields: [level]}}\n",
		&diags);

	ck_assert_ptr_nonnull(config);
	ck_assert_uint_eq(diags.warnings, 2); /* nothing matches yet */
	ck_assert_uint_eq(config->logs.n, 3);
	const struct log_source_config *files = &config->logs.items[0], *syslog = files + 1,
				       *input = files + 2;

	ck_assert_int_eq(files->kind, LOG_SOURCE_FILES);
	ck_assert_str_eq(files->name, "files:/none/*.log");
	ck_assert_str_eq(files->globs[0], "/none/*.log");
	ck_assert_str_eq(files->globs[1], "/tmp/some.log");
	ck_assert(slice_is(labels_get(files->labels, SLICE("job")), "a"));
	ck_assert_int_eq(syslog->kind, LOG_SOURCE_SYSLOG);
	ck_assert_str_eq(syslog->name, "syslog:udp:0.0.0.0:514");
	ck_assert(syslog->udp && syslog->time == LOG_TIME_MESSAGE);
	ck_assert_int_eq(input->kind, LOG_SOURCE_STDIN);
	ck_assert(input->json && slice_is(input->message_field, "msg"));
	ck_assert(log_source_config_is_equal(files, files));
	ck_assert(!log_source_config_is_equal(files, syslog));
	config_unref(config);
	diag_list_fini(&diags);
}
END_TEST

START_TEST(log_sources_that_are_wrong_are_refused_with_their_place)
{
	static const struct {
		const char *source, *message;
	} bad[] = {
		{ "{labels: {a: b}}", "does not say where lines come from" },
		{ "{files: [/a], stdin: {}}", "either \"files\" or \"stdin\"" },
		{ "{files: []}", "names no file" },
		{ "{files: ['']}", "an empty path" },
		{ "{files: [/a], labels: {__a: b}}", "\"__a\" is no name for a label" },
		{ "{files: [/a], labels: {a-b: c}}", "\"a-b\" is no name for a label" },
		{ "{file: [/a]}", "unknown key \"file\"" },
		{ "{syslog: {}}", "listen_address" },
		{ "{syslog: {listen_address: nowhere}}", "\"nowhere\" is no HOST:PORT" },
		{ "{syslog: {listen_address: ':514', protocol: tls}}", "protocol" },
		{ "{stdin: {message_field: msg}}", "text has no fields" },
		{ "{files: [/a], relabel_configs: [{action: nonsense}]}", "nonsense" },
		{ "{stdin: {}}\n  - {stdin: {}}", "a second source for stdin" },
		{ "{syslog: {listen_address: ':5'}}\n  - {syslog: {listen_address: ':5'}}",
		  "a second source for syslog:tcp:0.0.0.0:5" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct diag_list diags;
		char text[500];

		snprintf(text, sizeof(text), "ingest:\n  logs:\n  - %s\n", bad[i].source);
		struct config *config = load_text(text, &diags);
		const struct diag *found = NULL;

		ck_assert_msg(config == NULL, "%s", bad[i].source);
		for (size_t k = 0; k < diags.n; k++)
			if (diags.items[k].severity == DIAG_ERROR &&
			    strstr(diags.items[k].message, bad[i].message))
				found = &diags.items[k];
		ck_assert_msg(found != NULL, "%s: %s", bad[i].source,
			      diags.n ? diags.items[0].message : "no error");
		ck_assert_uint_ge(found->line, 3);
		diag_list_fini(&diags);
	}
}
END_TEST

/* ---- every key, wrongly ---- */

/* A place in the configuration, as text around it: "web: {" and "}". */
struct place {
	char *before, *after; /* owned */
};

static struct place place_inside(const struct place *outer, const char *key, bool is_list)
{
	struct place inner;

	ck_assert_int_gt(
		asprintf(&inner.before, "%s%s: %s{", outer->before, key, is_list ? "[" : ""), 0);
	ck_assert_int_gt(asprintf(&inner.after, "}%s%s", is_list ? "]" : "", outer->after), 0);
	return inner;
}

/* Text at the place is refused where it stands: `in` bytes after its beginning. */
static void expect_told(const struct place *place, const char *text, size_t in, const char *message,
			const char *hint)
{
	char *file;
	struct diag_list diags;
	const struct diag *found = NULL;

	ck_assert_int_gt(asprintf(&file, "x-a: 1\n%s%s%s\n", place->before, text, place->after), 0);
	ck_assert_msg(load_text(file, &diags) == NULL, "taken: %s", file);
	for (size_t i = 0; i < diags.n; i++)
		if (diags.items[i].severity == DIAG_ERROR &&
		    strstr(diags.items[i].message, message))
			found = &diags.items[i];
	ck_assert_msg(found != NULL, "%s: %s", file, diags.n ? diags.items[0].message : "nothing");
	ck_assert_uint_eq(found->line, 2);
	ck_assert_msg(found->column == strlen(place->before) + in + 1, "%s: %s: column %u", file,
		      found->message, found->column);
	ck_assert_msg(found->quote && strncmp(found->quote, file + 7, strlen(found->quote)) == 0,
		      "%s: %s", file, found->message);
	ck_assert_msg(!hint || (found->hint && strstr(found->hint, hint)), "%s: %s: %s", file,
		      found->message, found->hint ? found->hint : "no hint");
	diag_list_fini(&diags);
	free(file);
}

/* What a key of the type cannot be, and a part of what is to be done about it. */
static const struct wrong {
	enum bind_type type;
	const char *text, *hint;
} wrongs[] = {
	{ BIND_STRING, "[]", "in a block" },
	{ BIND_STRING, "{}", "in a block" },
	{ BIND_CSTRING, "[]", "in a block" },
	{ BIND_BOOL, "maybe", NULL },
	{ BIND_BOOL, "'true'", "leave the quotes out" },
	{ BIND_BOOL, "[]", NULL },
	{ BIND_INT, "many", NULL },
	{ BIND_INT, "1.5", NULL },
	{ BIND_INT, "'1'", "leave the quotes out" },
	{ BIND_INT, "99999999999999999999", NULL },
	{ BIND_INT, "{}", NULL },
	{ BIND_NUMBER, "many", NULL },
	{ BIND_NUMBER, "[]", NULL },
	{ BIND_DURATION, "5", "durations like" },
	{ BIND_DURATION, "1 hour", "durations like" },
	{ BIND_DURATION, "[]", "durations like" },
	{ BIND_BYTES, "lots", "sizes like" },
	{ BIND_BYTES, "-1", "sizes like" },
	{ BIND_BYTES, "{}", "sizes like" },
	{ BIND_ENUM, "nonsense", NULL },
	{ BIND_ENUM, "[]", NULL },
	{ BIND_STRINGS, "x", "write a list: [x]" },
	{ BIND_STRINGS, "{}", "write a list" },
	{ BIND_MAP, "x", "write a mapping" },
	{ BIND_MAP, "[]", "write a mapping" },
	{ BIND_STRUCT, "x", "each of its keys" },
	{ BIND_STRUCT, "[]", "each of its keys" },
	{ BIND_STRUCTS, "x", "begins with -" },
	{ BIND_STRUCTS, "{}", "begins with -" },
	{ BIND_LATER, "x", "take it out" },
};

static void expect_wrong_values_told(const struct place *place, const struct bind_field *field)
{
	char text[200], message[100];
	size_t in = strlen(field->key) + 2;

	snprintf(message, sizeof(message), "\"%s\" in ", field->key);
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++) {
		const struct wrong *wrong = &wrongs[i];

		if (wrong->type != field->type)
			continue;
		snprintf(text, sizeof(text), "%s: %s", field->key, wrong->text);
		expect_told(place, text, in + (wrong->text[0] == '\''), message, wrong->hint);
	}
	if (field->type == BIND_INT && field->max && field->max < INT64_MAX) {
		snprintf(text, sizeof(text), "%s: %lld", field->key, (long long)field->max + 1);
		expect_told(place, text, in, "is more than", "write ");
		snprintf(text, sizeof(text), "%s: %lld", field->key, (long long)field->min - 1);
		expect_told(place, text, in, "is less than", "write ");
	}
}

static void expect_wrong_keys_told(const struct place *place, const struct bind_table *table)
{
	const char *names[BIND_FIELDS_MAX];
	char text[200], hint[100];

	expect_told(place, "qqqqqq: 1", 0, "unknown key \"qqqqqq\" in ", NULL);
	for (size_t i = 0; i < table->n; i++)
		names[i] = table->fields[i].key;
	for (size_t i = 0; i < table->n; i++) {
		snprintf(text, sizeof(text), "%se: 1", table->fields[i].key);
		const struct slice key = { text, strlen(text) - 3 };
		const char *near = nearest_name(key, names, table->n);

		if (strcmp(names[i], "file") == 0 || !near) /* "filee" is nearer to nothing */
			continue;
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", near);
		expect_told(place, text, 0, "unknown key", hint);
	}
}

static void walk(const struct place *place, const struct bind_table *table, unsigned *tables)
{
	++*tables;
	expect_wrong_keys_told(place, table);
	for (size_t i = 0; i < table->n; i++) {
		const struct bind_field *field = &table->fields[i];

		expect_wrong_values_told(place, field);
		if (field->type != BIND_STRUCT && field->type != BIND_STRUCTS)
			continue;
		struct place inner = place_inside(place, field->key, field->type == BIND_STRUCTS);

		walk(&inner, field->table, tables);
		free(inner.before);
		free(inner.after);
	}
}

/* By the tables that the configuration is read with: whatever key is added is looked at, too. */
START_TEST(every_wrong_value_is_told_at_its_place)
{
	const struct place top = { "", "" };
	unsigned tables = 0;

	walk(&top, &config_file_table, &tables);
	ck_assert_uint_ge(tables, 20);
}
END_TEST

/* What is of readers of their own: place, message and hint, and nothing else. */
static const struct told {
	const char *text, *said;
} told[] = {
	{ "rule_files: [[a], ~]",
	  "1:14 an entry of \"rule_files\" in configuration must be a text, "
	  "not a list\n1:19 an entry of \"rule_files\" in configuration must "
	  "be a text, not nothing" },
	{ "data_dir: ''", "1:12 data_dir is empty | write none" },
	{ "web: {listen_address: a}",
	  "1:23 listen address \"a\" is no HOST:PORT | 127.0.0.1:9797" },
	{ "web: {external_url: a}",
	  "1:21 the external URL \"a\" is no http or https address | https" },
	{ "web: {}\nweb: {}",
	  "2:1 key \"web\" a second time; the first is at line 1, column 1 | take "
	  "one of them out" },
	{ "external_labels: {a: [b]}",
	  "1:22 \"a\" of \"external_labels\" in configuration must be a "
	  "text, not a list | in quotes" },
	{ "storage: {url: 'redis://h:1', password_file: /nowhere/a}",
	  "1:46 storage.password_file: cannot read a password from \"/nowhere/a\": No such file or "
	  "directory" },
	{ "ingest: {logs: [5]}",
	  "1:17 ingest.logs must be a mapping, not a text | each of its keys" },
	{ "ingest: {logs: [{files: a}]}",
	  "1:25 \"files\" in ingest.logs must be a list of texts, not a "
	  "text | write a list: [a]" },
	{ "ingest: {otlp: {relabel_configs: [5]}}",
	  "1:35 relabel_configs must be a mapping, not a text "
	  "| each of its keys" },
	{ "ingest: {otlp: {relabel_configs: [{action: dropp}]}}",
	  "1:44 \"action\" in relabel_configs: \"dropp\" is not one of replace, keep, drop, "
	  "keepequal, "
	  "dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase | did you mean "
	  "\"drop\"?" },
	{ "redact: [{regx: a}]",
	  "1:11 unknown key \"regx\" in redaction | did you mean \"regex\"?" },
	{ "route: {receiver: a}",
	  "1:19 undefined receiver \"a\" used in route | add it to receivers" },
	{ "route: [a]", "1:8 route must be a mapping, not a list | each of its keys" },
	/* What is wrong with receivers says nothing of routes to them. */
	{ "receivers: [{name: @a}]\nroute: {receiver: a}",
	  "1:20 bad YAML: found character that cannot "
	  "start any token | inside of {" },
	{ "receivers: 5\nroute: {receiver: a}",
	  "1:12 \"receivers\" must be a list | begins with -" },
	{ "receivers: [{nam: a}]\nroute: {receiver: a}",
	  "1:13 a receiver needs a \"name\" | write name: NAME\n1:14 unknown key \"nam\" in "
	  "receiver | "
	  "did you mean \"name\"?" },
	{ "receivers: [{name: a}]\nroute: {receiver: a, routes: [{matchers: [a=b, c]}]}",
	  "2:48 bad matcher \"c\": expected an operator such as \"=\" behind \"c\" | write it as" },
	{ "receivers: [{name: a}]\nroute: {receiver: a, repeat_interval: 0s}",
	  "2:39 \"repeat_interval\" cannot be zero | such as 5m" },
	{ "runbooks: [{name: a, steps: [{id: a, execc: [x]}]}]",
	  "1:38 unknown key \"execc\" in step | did you mean \"exec\"?" },
	{ "runbooks: [{name: a, steps: [{id: a, wait: 1s, after: [b]}]}]",
	  "1:56 there is no step \"b\" | the id of a step" },
	{ "runbooks: 5", "1:11 \"runbooks\" must be a list of at most 10000 | begins with -" },
};

START_TEST(what_is_wrong_is_told_once_and_with_what_to_do)
{
	const char *expected = told[_i].said;
	struct diag_list diags;

	ck_assert_ptr_null(load_text(told[_i].text, &diags));
	for (size_t i = 0; i < diags.n; i++) {
		const struct diag *diag = &diags.items[i];
		char said[500];
		const size_t end = strcspn(expected, "\n");

		if (diag->severity != DIAG_ERROR)
			continue;
		int len = snprintf(said, sizeof(said), "%u:%u %s", diag->line, diag->column,
				   diag->message);
		const char *hint = expected + len;

		ck_assert_msg(strncmp(expected, said, (size_t)len) == 0, "%s, not %s", said,
			      expected);
		ck_assert_ptr_nonnull(diag->quote);
		if ((size_t)len < end) { /* " | " and a part of the hint */
			snprintf(said, sizeof(said), "%.*s", (int)(end - (size_t)len) - 3,
				 hint + 3);
			ck_assert_msg(diag->hint && strstr(diag->hint, said), "%s: %s",
				      diag->message, diag->hint ? diag->hint : "no hint");
		}
		expected += end + (expected[end] == '\n');
	}
	ck_assert_str_eq(expected, "");
	diag_list_fini(&diags);
}
END_TEST

START_TEST(log_sources_have_a_limit)
{
	struct diag_list diags;
	struct buf text;

	for (int n = LOG_SOURCES_MAX; n <= LOG_SOURCES_MAX + 1; n++) {
		buf_init(&text);
		buf_add_str(&text, "ingest:\n  logs:\n");
		for (int i = 0; i < n; i++)
			buf_printf(&text, "  - {files: [/none/%d]}\n", i);
		struct config *config = load_text(text.ptr, &diags);

		ck_assert_int_eq(config != NULL, n <= LOG_SOURCES_MAX);
		config_unref(config);
		diag_list_fini(&diags);
		buf_fini(&text);
	}
}
END_TEST

/* Names in metrics are so long, and cut between characters; what is told apart is all of them. */
START_TEST(names_of_log_sources_are_so_long)
{
	struct diag_list diags;
	char host[129] = "", text[1024];

	memset(host, 'h', sizeof(host) - 1);
	snprintf(text, sizeof(text),
		 "ingest:\n  logs:\n  - {files: ['/%0120d']}\n  - {files: ['/%0121d']}\n"
		 "  - {files: ['/%0119d\303\244\303\244']}\n"
		 "  - {syslog: {listen_address: '%s:5514'}}\n"
		 "  - {syslog: {listen_address: '%s:5515'}}\n",
		 1, 1, 1, host, host);
	struct config *config = load_text(text, &diags);

	ck_assert_ptr_nonnull(config);
	const struct log_source_config *sources = config->logs.items;

	ck_assert_uint_eq(config->logs.n, 5);
	ck_assert_uint_eq(strlen(sources[0].name), LOG_SOURCE_NAME_MAX - 1);
	ck_assert_str_eq(sources[0].name + LOG_SOURCE_NAME_MAX - 3, "01");
	ck_assert_uint_eq(strlen(sources[1].name), LOG_SOURCE_NAME_MAX - 1);
	ck_assert_uint_eq(strlen(sources[2].name), LOG_SOURCE_NAME_MAX - 2);
	ck_assert_str_eq(sources[2].name + LOG_SOURCE_NAME_MAX - 4, "01");
	ck_assert_uint_eq(strlen(sources[3].name), LOG_SOURCE_NAME_MAX - 1);
	config_unref(config);
	diag_list_fini(&diags);
}
END_TEST

START_TEST(profiles_are_fetched_from_targets)
{
	struct buf out;
	struct config *config = load_storage(
		"ingest:\n  profiles:\n    store_bytes: 1MiB\n    store_for: 2h\n    scrape:\n"
		"    - {url: 'http://h:1/debug/pprof/profile?debug=0&seconds=5', scrape_interval: 30s, "
		"labels: {job: a}, cpus: 4}\n"
		"    - {url: 'https://h:1/heap', scrape_timeout: 3s}\n",
		&out);

	ck_assert_msg(config != NULL, "%s", out.ptr);
	const struct profiles_config *profiles = &config->profiles;

	ck_assert_int_eq(profiles->store_bytes, 1 << 20);
	ck_assert_int_eq(profiles->store_for_ms, 7200000);
	ck_assert_uint_eq(profiles->n, 2);
	ck_assert_int_eq(profiles->targets[0].interval_ms, 30000);
	ck_assert_int_eq(profiles->targets[0].timeout_ms, 15000);
	ck_assert_double_eq(profiles->targets[0].cpus, 4);
	ck_assert(slice_is(labels_get(profiles->targets[0].labels, SLICE("job")), "a"));
	ck_assert_int_eq(profiles->targets[1].timeout_ms, 3000);
	ck_assert_double_eq(profiles->targets[1].cpus, 1);
	config_unref(config);
	buf_fini(&out);
}
END_TEST

START_TEST(profiles_are_fetched_from_so_many_targets)
{
	struct buf text, out;

	buf_init(&text);
	buf_add_str(&text, "ingest:\n  profiles:\n    scrape:\n");
	for (int i = 0; i < PROFILE_TARGETS_MAX; i++)
		buf_printf(&text, "    - {url: 'http://h:1/%d'}\n", i);
	struct config *config = load_storage(text.ptr, &out);

	ck_assert_msg(config != NULL, "%s", out.ptr);
	ck_assert_uint_eq(config->profiles.n, PROFILE_TARGETS_MAX);
	config_unref(config);
	buf_fini(&out);
	buf_add_str(&text, "    - {url: 'http://h:1/more'}\n");
	expect_refused(text.ptr, "more than 1000 profiles to fetch", ":1004:");
	buf_fini(&text);
}
END_TEST

static void refuse_scrape(const char *entries, const char *complaint)
{
	char text[1000];

	snprintf(text, sizeof(text), "ingest: {profiles: {scrape: [%s]}}\n", entries);
	expect_refused(text, complaint, "");
}

START_TEST(targets_that_cannot_be_are_refused)
{
	refuse_scrape("{url: 'h:1/profile'}", "is no http or https address");
	refuse_scrape("{scrape_interval: 1s}", "url");
	refuse_scrape("{url: 'http://h/p?seconds=30', scrape_interval: 10s}", "is asked every 10 s");
	refuse_scrape("{url: 'http://h/p', cpus: 0}", "cpus must be more than 0");
	refuse_scrape("{url: 'http://h/p', labels: {profile_type: cpu}}",
		      "no name for a target's label");
	refuse_scrape("{url: 'http://h/p', labels: {__name__: x}}", "no name for a target's label");
	refuse_scrape("{url: 'http://h/p'}, {url: 'http://h/p'}", "is there twice");
	refuse_scrape("{url: 'http://h/p', interval: 1s}", "unknown key \"interval\"");
}
END_TEST

static Suite *config_suite(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");

	tcase_add_test(tcase, links_lead_to_where_we_listen_unless_told_otherwise);
	tcase_add_test(tcase, defaults_hold_without_a_file);
	tcase_add_test(tcase, defaults_are_those_promised);
	tcase_add_test(tcase, keys_for_anchors_are_taken_at_the_top);
	tcase_add_test(tcase, log_sources_are_bound);
	tcase_add_test(tcase, log_sources_name_so_many_fields);
	tcase_add_test(tcase, log_sources_that_are_wrong_are_refused_with_their_place);
	tcase_add_test(tcase, log_sources_have_a_limit);
	tcase_add_test(tcase, names_of_log_sources_are_so_long);
	tcase_add_test(tcase, every_wrong_value_is_told_at_its_place);
	tcase_add_loop_test(tcase, what_is_wrong_is_told_once_and_with_what_to_do, 0,
			    sizeof(told) / sizeof(*told));
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("storage");
	tcase_add_checked_fixture(tcase, setup_dir, teardown_dir);
	tcase_add_test(tcase, profiles_are_fetched_from_targets);
	tcase_add_test(tcase, profiles_are_fetched_from_so_many_targets);
	tcase_add_test(tcase, targets_that_cannot_be_are_refused);
	tcase_add_test(tcase, how_expressions_are_read_is_told);
	tcase_add_test(tcase, redis_is_told_by_its_address);
	tcase_add_test(tcase, what_is_promised_for_later_is_refused_by_name);
	tcase_add_test(tcase, what_storage_cannot_be_is_refused_by_name);
	tcase_add_test(tcase, remote_write_is_prometheus_own);
	tcase_add_test(tcase, what_remote_write_cannot_be_is_refused_by_name);
	tcase_add_test(tcase, history_is_told_by_addresses);
	tcase_add_test(tcase, what_history_cannot_be_is_refused_by_name);
	tcase_add_test(tcase, the_address_of_a_history_is_so_long);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(config_suite)
