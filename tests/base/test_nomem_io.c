/*
 * YAML, binding, loop, HTTP server and client when memory is short. What libyaml, libevent and
 * libcurl allocate is not swept: they are shared libraries.
 */
#include "tests/nomem.h"

#include "base/error.h"
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/yaml.h"
#include "tests/check_main.h"

struct thing {
	struct slice name;
	char *path;
	int color;
	struct bind_strings words;
	struct bind_map labels;
	struct bind_structs things;
};

static const struct bind_table thing_table;
static const struct bind_field thing_fields[] = {
	{ "name", BIND_STRING, offsetof(struct thing, name), .required = true },
	{ "path", BIND_CSTRING, offsetof(struct thing, path), .default_text = "/" },
	{ "color", BIND_ENUM, offsetof(struct thing, color), .values = "red,green" },
	{ "words", BIND_STRINGS, offsetof(struct thing, words), .default_text = "[a]" },
	{ "labels", BIND_MAP, offsetof(struct thing, labels), .doc = "Labels." },
	{ "things", BIND_STRUCTS, offsetof(struct thing, things), .table = &thing_table },
};
static const struct bind_table thing_table = {
	"thing", sizeof(struct thing), thing_fields, 6, false, SIZE_MAX, SIZE_MAX, NULL,
};

static int read_yaml(void)
{
	struct slice text =
		SLICE("name: &a >\n  folded\n  text\npath: \"\\x41\\n\"\ncolor: green\n"
		      "labels: &l {a: b}\nthings: [{name: *a, labels: {<<: *l, c: d}}]\n");
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root = NULL;
	struct thing thing;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	int rc = yaml_parse(text, "f.yml", &arena, &diags, &root);
	if (!rc)
		rc = bind_struct(&thing_table, root, &arena, &diags, &thing);
	nomem_disarm();
	ck_assert_uint_eq(diags.errors, 0);
	if (!rc) {
		ck_assert(slice_is(thing.name, "folded text\n"));
		ck_assert_uint_eq(thing.things.n, 1);
	}
	arena_fini(&arena);
	diag_list_fini(&diags);
	return rc;
}

/* A complaint must not get lost, only its words may. */
static int complain(void)
{
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root = NULL;
	struct thing thing;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	int rc = yaml_parse(SLICE("nam: x\ncolor: blu\n"), "f.yml", &arena, &diags, &root);
	if (!rc)
		rc = bind_struct(&thing_table, root, &arena, &diags, &thing);
	bool failed = nomem_disarm();
	ck_assert(rc == ERR_NOMEM || (rc == ERR_INVALID && diags.errors == 2));
	arena_fini(&arena);
	diag_list_fini(&diags);
	return failed ? ERR_NOMEM : 0;
}

static int read_through(void)
{
	struct arena arena;
	struct diag_list diags;
	struct yaml_node *root = NULL;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	int rc = yaml_parse(SLICE("a: 1\na: {b} > 1\nc: *d\ne: {f} > 1\n"), "f.yml",
				    &arena, &diags, &root);
	bool failed = nomem_disarm();
	ck_assert(rc == ERR_NOMEM || (rc == ERR_INVALID && diags.errors > 0));
	ck_assert(failed || (root && diag_list_told(&diags) == 3));
	arena_fini(&arena);
	diag_list_fini(&diags);
	return failed ? ERR_NOMEM : 0;
}

static void on_request(void *ctx, struct http_request *request)
{
	http_reply(request, &(struct http_reply){ .status = 200 });
}

static int serve(void)
{
	struct http_server_options options = { .address = "127.0.0.1", .body_max = 100 };
	struct http_server *server = NULL;
	char *why = NULL;
	struct loop *loop = loop_new();
	int rc =
		loop ? http_server_new(loop, &options, on_request, NULL, &server, &why) : ERR_NOMEM;

	nomem_disarm();
	http_server_free(server);
	loop_free(loop);
	free(why);
	return rc;
}

static void on_done(void *ctx, const struct http_result *result)
{
	ck_abort_msg("the call was never to begin");
}

static int send_something(void)
{
	struct http_header headers[] = { { "X-Thing", "a" } };
	struct http_send send = { .method = "POST",
				  .url = "http://127.0.0.1:9/",
				  .timeout_ms = 1000 };
	struct loop *loop = loop_new();
	struct http_client *client = loop ? http_client_new(loop) : NULL;
	send.headers = headers;
	send.nheaders = 1;
	send.server_name = "example.test";
	int rc = client ? http_send(client, &send, on_done, NULL, NULL) : ERR_NOMEM;

	nomem_disarm();
	http_client_free(client);
	loop_free(loop);
	return rc;
}

static const struct sweep {
	const char *name;
	int (*scenario)(void);
	unsigned at_least; /* allocations that can fail */
} sweeps[] = {
	{ "read", read_yaml, 5 },
	{ "complain", complain, 5 },
	{ "read through", read_through, 5 },
	{ "serve", serve, 2 },
	{ "send", send_something, 4 },
};

START_TEST(nomem_io_is_an_error_code)
{
	const struct sweep *sweep = &sweeps[_i];
	unsigned failed = nomem_sweep(sweep->scenario);
	ck_assert_msg(failed >= sweep->at_least, "%s: %u", sweep->name, failed);
}
END_TEST

static Suite *nomem_io_suite(void)
{
	Suite *suite = suite_create("nomem_io");
	TCase *tc = tcase_create("nomem_io");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, nomem_io_is_an_error_code, 0, sizeof(sweeps) / sizeof(sweeps[0]));
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(nomem_io_suite)
