#include "base/bind.h"

#include <signal.h>

#include "base/error.h"
#include "base/yaml.h"
#include "tests/check_main.h"

struct inner {
	struct slice url;
	int64_t tries;
	uint64_t given;
	const struct yaml_node *node;
};

enum color { RED, GREEN, BLUE };

struct outer {
	struct slice name;
	char *path;
	bool on, off;
	int64_t count, port;
	double ratio;
	int64_t wait, keep;
	int64_t size, quota;
	int color;
	struct bind_strings words;
	struct bind_map labels;
	struct inner hook;
	struct bind_structs steps;
	const struct yaml_node *raw;
};

static const struct bind_field inner_fields[] = {
	{ "url", BIND_STRING, offsetof(struct inner, url), .required = true, .doc = "Where to." },
	{ "tries", BIND_INT, offsetof(struct inner, tries), .min = 1, .max = 9,
	  .default_text = "3" },
};
static const struct bind_table inner_table = {
	"hook",
	sizeof(struct inner),
	inner_fields,
	2,
	false,
	offsetof(struct inner, node),
	offsetof(struct inner, given),
	NULL,
};

#define FIELD(member) offsetof(struct outer, member)
static const struct bind_field outer_fields[] = {
	{ "name", BIND_STRING, FIELD(name), .required = true, .doc = "Its name, a|b." },
	{ "path", BIND_CSTRING, FIELD(path), .default_text = "/tmp/x" },
	{ "on", BIND_BOOL, FIELD(on), .default_text = "true" },
	{ "off", BIND_BOOL, FIELD(off), .doc = "Or not." },
	{ "count", BIND_INT, FIELD(count), .doc = "How many." },
	{ "port", BIND_INT, FIELD(port), .min = 1, .max = 65535, .default_text = "80" },
	{ "ratio", BIND_NUMBER, FIELD(ratio), .default_text = "0.5" },
	{ "wait", BIND_DURATION, FIELD(wait), .default_text = "1m30s", .min = 1000, .max = 3600000,
	  .unit = "s" },
	{ "keep", BIND_DURATION, FIELD(keep), .doc = "How long." },
	{ "size", BIND_BYTES, FIELD(size), .default_text = "64MiB", .min = 1024, .max = 1 << 30 },
	{ "quota", BIND_BYTES, FIELD(quota), .doc = "How much." },
	{ "color", BIND_ENUM, FIELD(color), .values = "red,green,blue", .default_text = "green" },
	{ "words", BIND_STRINGS, FIELD(words), .default_text = "[a, b]" },
	{ "labels", BIND_MAP, FIELD(labels), .default_text = "{k: v}" },
	{ "hook", BIND_STRUCT, FIELD(hook), .table = &inner_table },
	{ "steps", BIND_STRUCTS, FIELD(steps), .table = &inner_table },
	{ "raw", BIND_NODE, FIELD(raw), .doc = "Anything." },
	{ "soon", BIND_LATER, .default_text = "0s", .doc = "Not there yet." },
};
static const struct bind_elsewhere not_of_things[] = {
	{ "houses", "houses are of streets" },
	{ "colours", "there is but one" },
	{ NULL, NULL },
};

static const struct bind_table outer_table = {
	"thing",      sizeof(struct outer),
	outer_fields, sizeof(outer_fields) / sizeof(outer_fields[0]),
	true,	      SIZE_MAX,
	SIZE_MAX,     not_of_things,
};

static struct arena arena;
static struct diag_list diags;
static struct outer outer;

static void setup(void)
{
	arena_init(&arena, 0);
	diag_list_init(&diags);
}

static void teardown(void)
{
	arena_fini(&arena);
	diag_list_fini(&diags);
}

static int bind(const char *text)
{
	struct yaml_node *root = NULL;
	diag_list_fini(&diags);
	ck_assert_int_eq(yaml_parse(slice_from(text), "f.yml", &arena, &diags, &root), 0);
	return bind_struct(&outer_table, root, &arena, &diags, &outer);
}

/* Binds what must be good. */
static const struct outer *accept(const char *text)
{
	int rc = bind(text);
	ck_assert_msg(rc == 0, "%s", diags.n ? diags.items[0].message : "");
	return &outer;
}

/* Binds what must be bad in one way; gives the diagnostic. */
static const struct diag *refuse(const char *text)
{
	ck_assert_int_eq(bind(text), ERR_INVALID);
	ck_assert_uint_eq(diags.n, 1);
	return &diags.items[0];
}

static void assert_message(const struct diag *diag, const char *message, const char *hint)
{
	ck_assert_str_eq(diag->message, message);
	if (hint)
		ck_assert_str_eq(diag->hint, hint);
	else
		ck_assert_ptr_null(diag->hint);
}

START_TEST(bind_fills_every_type)
{
	const struct outer *o =
		accept("name: n\npath: p\non: no\noff: Yes\ncount: -7\nport: 0x1F90\nratio: 2\n"
		       "wait: 5m\nkeep: 1d12h\nsize: 1MiB\nquota: 1.5GB\ncolor: blue\n"
		       "words: [x, 1, true]\nlabels: {a: 1, b: ~, c: text}\n"
		       "hook: {url: u, tries: 9}\nsteps: [{url: v}, {url: w, tries: 1}]\n"
		       "raw: [1, 2]\n");
	ck_assert(slice_is(o->name, "n"));
	ck_assert_str_eq(o->path, "p");
	ck_assert(!o->on && o->off);
	ck_assert_int_eq(o->count, -7);
	ck_assert_int_eq(o->port, 8080);
	ck_assert(o->ratio == 2.0);
	ck_assert_int_eq(o->wait, 300000);
	ck_assert_int_eq(o->keep, 36 * 3600000);
	ck_assert_int_eq(o->size, 1 << 20);
	ck_assert_int_eq(o->quota, 1500000000);
	ck_assert_int_eq(o->color, BLUE);
	ck_assert_uint_eq(o->words.n, 3);
	ck_assert(slice_is(o->words.items[1], "1") && slice_is(o->words.items[2], "true"));
	ck_assert_uint_eq(o->labels.n, 3);
	ck_assert(slice_is(o->labels.items[0].key, "a") && slice_is(o->labels.items[0].value, "1"));
	ck_assert(slice_is(o->labels.items[1].value, ""));
	ck_assert_uint_eq(o->labels.items[2].value_node->line, 14);
	ck_assert(slice_is(o->hook.url, "u"));
	ck_assert_int_eq(o->hook.tries, 9);
	ck_assert_uint_eq(o->hook.given, 3);
	ck_assert_uint_eq(o->hook.node->line, 15);
	ck_assert_uint_eq(o->steps.n, 2);
	const struct inner *steps = o->steps.items;
	ck_assert(slice_is(steps[0].url, "v"));
	ck_assert_int_eq(steps[0].tries, 3);
	ck_assert_uint_eq(steps[0].given, 1);
	ck_assert_int_eq(steps[1].tries, 1);
	ck_assert_uint_eq(o->raw->n, 2);
}
END_TEST

static void assert_defaults(const struct outer *o)
{
	ck_assert_str_eq(o->path, "/tmp/x");
	ck_assert(o->on && !o->off);
	ck_assert_int_eq(o->count, 0);
	ck_assert_int_eq(o->port, 80);
	ck_assert(o->ratio == 0.5);
	ck_assert_int_eq(o->wait, 90000);
	ck_assert_int_eq(o->size, 64 << 20);
	ck_assert_int_eq(o->color, GREEN);
	ck_assert_uint_eq(o->words.n, 2);
	ck_assert(slice_is(o->labels.items[0].value, "v"));
	ck_assert_int_eq(o->hook.tries, 3);
	ck_assert_ptr_null(o->hook.node);
	ck_assert_uint_eq(o->steps.n, 0);
	ck_assert_ptr_null(o->raw);
}

START_TEST(bind_applies_defaults)
{
	assert_defaults(accept("name: n\n"));
	assert_defaults(accept(
		"name: n\npath: ~\non:\nport: null\nratio: Null\nwait: ~\nsize: ~\ncolor: ~\n"
		"words: ~\nlabels: ~\nhook:\nsteps: ~\nraw: ~\n"));
	ck_assert_int_eq(bind_struct(&outer_table, NULL, &arena, &diags, &outer), 0);
	assert_defaults(&outer);
	ck_assert_uint_eq(diags.n, 0);
}
END_TEST

START_TEST(bind_takes_scalars_as_text)
{
	ck_assert(slice_is(accept("name: 1\n")->name, "1"));
	ck_assert(slice_is(accept("name: 1.50\n")->name, "1.50"));
	ck_assert(slice_is(accept("name: yes\n")->name, "yes"));
	ck_assert(slice_is(accept("name: ''\n")->name, ""));
	ck_assert(slice_is(accept("name: 'null'\n")->name, "null"));
}
END_TEST

START_TEST(bind_suggests_keys)
{
	const struct diag *diag = refuse("name: n\ncolour: red\n");
	assert_message(diag, "unknown key \"colour\" in thing", "did you mean \"color\"?");
	ck_assert_uint_eq(diag->line, 2);
	ck_assert_uint_eq(diag->column, 1);
	ck_assert_uint_eq(diag->span, 6);
	ck_assert_str_eq(diag->quote, "colour: red");
	assert_message(refuse("name: n\nquite_other: red\n"),
		       "unknown key \"quite_other\" in thing", NULL);
	assert_message(refuse("name: n\nhook: {ulr: x, url: y}\n"), "unknown key \"ulr\" in hook",
		       "did you mean \"url\"?");
	assert_message(refuse("name: n\nhook: {x-a: x, url: y}\n"), "unknown key \"x-a\" in hook",
		       "its keys are url, tries");
	accept("name: n\nx-anchors: &a {b: c}\n");
	/* Keys of other kinds of files, misspelt ones too; our own come first. */
	assert_message(refuse("name: n\nhouses: 3\n"), "unknown key \"houses\" in thing",
		       "houses are of streets");
	assert_message(refuse("name: n\nhouse: 3\n"), "unknown key \"house\" in thing",
		       "houses are of streets");
	assert_message(refuse("name: n\ncolours: 3\n"), "unknown key \"colours\" in thing",
		       "did you mean \"color\"?");
}
END_TEST

START_TEST(bind_refuses_what_is_not_there_yet_unless_it_says_nothing)
{
	static const char *const harmless[] = { "0s", "''", "", "[]", "{}", "~" };
	char text[64];

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		snprintf(text, sizeof(text), "name: n\nsoon: %s\n", harmless[i]);
		accept(text);
	}
	assert_message(refuse("name: n\nsoon: 1h\n"), "\"soon\" in thing is not supported yet",
		       "take it out for now");
	assert_message(refuse("name: n\nsoon: [a]\n"), "\"soon\" in thing is not supported yet",
		       "take it out for now");
}
END_TEST

#define HINT_MAPPING "write each of its keys on a line of its own, indented"

START_TEST(bind_requires_keys)
{
	const struct diag *diag = refuse("on: true\n");
	assert_message(diag, "missing key \"name\" in thing", NULL);
	ck_assert_uint_eq(diag->line, 1);
	assert_message(refuse("name: ~\n"), "missing key \"name\" in thing", NULL);
	assert_message(refuse("name: n\nsteps: [{tries: 1}]\n"), "missing key \"url\" in hook",
		       NULL);
	assert_message(refuse("name: n\nsteps: [~]\n"), "hook must be a mapping, not nothing",
		       HINT_MAPPING);
	assert_message(refuse("[]"), "thing must be a mapping, not a list", HINT_MAPPING);
	assert_message(refuse("text"), "thing must be a mapping, not a text", HINT_MAPPING);
}
END_TEST

/* One wrong key beside a good name: what is said about it. */
static const struct refusal {
	const char *yaml, *message, *hint;
} refusals[] = {
	{ "path: [x]", "\"path\" in thing must be a text, not a list",
	  "YAML takes a leading [ for a list; put the text in a block: path: |" },
	{ "path: {x}", "\"path\" in thing must be a text, not a mapping",
	  "YAML takes a leading { for a mapping; put the text in a block: path: |" },
	{ "path:\n  x: y", "\"path\" in thing must be a text, not a mapping", NULL },
	{ "path: \"a\\0b\"", "\"path\" in thing contains a NUL byte", NULL },
	{ "on: maybe", "\"on\" in thing: \"maybe\" is not true or false", NULL },
	{ "on: 1", "\"on\" in thing: \"1\" is not true or false", NULL },
	{ "on: 'true'", "\"on\" in thing must be true or false, not a text",
	  "leave the quotes out" },
	{ "on: []", "\"on\" in thing must be true or false, not a list", NULL },
	{ "count: 1.5", "\"count\" in thing: \"1.5\" is not a whole number", NULL },
	{ "count: '15'", "\"count\" in thing: \"15\" is not a whole number",
	  "leave the quotes out" },
	{ "count: 010", "\"count\" in thing: \"010\" is not a whole number", NULL },
	{ "count: +", "\"count\" in thing: \"+\" is not a whole number", NULL },
	{ "count: 0x", "\"count\" in thing: \"0x\" is not a whole number", NULL },
	{ "count: 9223372036854775808",
	  "\"count\" in thing: \"9223372036854775808\" is not a number of 64 bits", NULL },
	{ "port: 0", "\"port\" in thing: \"0\" is less than 1", "write 1 to 65535" },
	{ "port: 65536", "\"port\" in thing: \"65536\" is more than 65535", "write 1 to 65535" },
	{ "ratio: half", "\"ratio\" in thing: \"half\" is not a number", NULL },
	{ "ratio: {}", "\"ratio\" in thing must be a number, not a mapping", NULL },
	{ "wait: 5 minutes", "\"wait\" in thing: \"5 minutes\" is not a duration",
	  "write durations like 30s, 5m or 1h30m" },
	{ "wait: -5m", "\"wait\" in thing: \"-5m\" is not a duration",
	  "write durations like 30s, 5m or 1h30m" },
	{ "wait: 5", "\"wait\" in thing: \"5\" is not a duration",
	  "write durations like 30s, 5m or 1h30m" },
	{ "wait: 500ms", "\"wait\" in thing: \"500ms\" is less than 1s", "write 1s to 1h" },
	{ "wait: 2h", "\"wait\" in thing: \"2h\" is more than 1h", "write 1s to 1h" },
	{ "wait: [5m]", "\"wait\" in thing must be a duration, not a list",
	  "write durations like 30s, 5m or 1h30m" },
	{ "size: 64 mibs", "\"size\" in thing: \"64 mibs\" is not a size in bytes",
	  "write sizes like 1000, 64MiB or 1GB" },
	{ "size: MiB", "\"size\" in thing: \"MiB\" is not a size in bytes",
	  "write sizes like 1000, 64MiB or 1GB" },
	{ "size: 010KiB", "\"size\" in thing: \"010KiB\" is not a size in bytes",
	  "write sizes like 1000, 64MiB or 1GB" },
	{ "size: -1", "\"size\" in thing: \"-1\" is not a size in bytes",
	  "write sizes like 1000, 64MiB or 1GB" },
	{ "size: 1", "\"size\" in thing: \"1\" is less than 1KiB", "write 1KiB to 1GiB" },
	{ "size: 2GiB", "\"size\" in thing: \"2GiB\" is more than 1GiB", "write 1KiB to 1GiB" },
	{ "quota: 9999999TiB", "\"quota\" in thing: \"9999999TiB\" is not a size in bytes",
	  "write sizes like 1000, 64MiB or 1GB" },
	{ "quota: 1.0001KB", "\"quota\" in thing: \"1.0001KB\" is not a size in bytes",
	  "write sizes like 1000, 64MiB or 1GB" },
	{ "color: geen", "\"color\" in thing: \"geen\" is not one of red, green, blue",
	  "did you mean \"green\"?" },
	{ "color: off", "\"color\" in thing: \"off\" is not one of red, green, blue", NULL },
	{ "color: [red]", "\"color\" in thing must be one of red, green, blue, not a list", NULL },
	{ "words: x", "\"words\" in thing must be a list of texts, not a text",
	  "write a list: [x]" },
	{ "words: {x: y}", "\"words\" in thing must be a list of texts, not a mapping",
	  "write a list: [one, other]" },
	{ "words: [x, [y]]", "an entry of \"words\" in thing must be a text, not a list", NULL },
	{ "words: [x, ~]", "an entry of \"words\" in thing must be a text, not nothing", NULL },
	{ "labels: [x]", "\"labels\" in thing must be a mapping of texts, not a list",
	  "write a mapping: {name: value}" },
	{ "labels: {a: { $value }}", "\"a\" of \"labels\" in thing must be a text, not a mapping",
	  "put a text that begins with { or [ in quotes" },
	{ "hook: x", "\"hook\" in thing must be a mapping, not a text", HINT_MAPPING },
	{ "hook: {url: x, tries: 10}", "\"tries\" in hook: \"10\" is more than 9", "write 1 to 9" },
	{ "steps: {url: x}", "\"steps\" in thing must be a list, not a mapping",
	  "write each entry on a line that begins with -" },
};

START_TEST(bind_refuses_wrong_values)
{
	char text[200];
	snprintf(text, sizeof(text), "name: n\n%s\n", refusals[_i].yaml);
	assert_message(refuse(text), refusals[_i].message, refusals[_i].hint);
}
END_TEST

START_TEST(bind_collects_all_errors)
{
	ck_assert_int_eq(
		bind("nam: n\nport: 0\nwait: x\nhook: {tries: 0, x: y}\nsteps: [1, {url: z}]\n"),
		ERR_INVALID);
	ck_assert_uint_eq(diags.errors, 7); /* what "nam" seems to be is not missing too */
	ck_assert_int_eq(outer.port, 80);
	ck_assert_int_eq(outer.wait, 90000);
	ck_assert_uint_eq(outer.steps.n, 2);
}
END_TEST

START_TEST(bind_says_when_memory_is_short)
{
	struct yaml_node *root = NULL;
	struct arena small;
	ck_assert_int_eq(
		yaml_parse(SLICE("name: n\npath: p\nwords: [a]\nlabels: {a: b}\nsteps: [{url: x}]\n"
				 "color: red\n"),
			   "f.yml", &arena, &diags, &root),
		0);
	bool fitted = false;
	for (size_t limit = 16; !fitted; limit += 16) {
		arena_init(&small, limit);
		int rc = bind_struct(&outer_table, root, &small, &diags, &outer);
		fitted = rc == 0;
		ck_assert(fitted || rc == ERR_NOMEM);
		arena_fini(&small);
		ck_assert_uint_lt(limit, 100000);
	}
	ck_assert_uint_eq(diags.n, 0);
}
END_TEST

START_TEST(bind_prints_its_reference)
{
	struct buf out;
	buf_init(&out);
	bind_reference(&outer_table, &out);
	ck_assert(buf_ok(&out));
	static const char *const lines[] = {
		"### thing\n\n| key | type | default | unit | meaning |\n|---|---|---|---|---|\n",
		"| `name` | text | required |  | Its name, a\\|b. |\n",
		"| `port` | whole number, 1 to 65535 | `80` |  |  |\n",
		"| `wait` | duration, 1s to 1h | `1m30s` | s |  |\n",
		"| `color` | one of `red`, `green`, `blue` | `green` |  |  |\n",
		"| `hook` | [hook](#hook) |  |  |  |\n",
		"| `steps` | list of [hook](#hook) |  |  |  |\n",
		"\nKeys that begin with `x-` are ignored.\n",
		"\n### hook\n\n",
		"| `url` | text | required |  | Where to. |\n",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(strstr(out.ptr, lines[i]) != NULL, "%s\n%s", lines[i], out.ptr);
	ck_assert_ptr_null(strstr(strstr(out.ptr, "### hook") + 1, "### hook"));
	/* Nor twice in a reference of several tables. */
	static const struct bind_table *const both[] = { &inner_table, &outer_table };
	buf_clear(&out);
	bind_references(both, 2, &out);
	ck_assert(buf_ok(&out));
	ck_assert_ptr_nonnull(strstr(out.ptr, "\n\n### thing\n"));
	ck_assert_ptr_null(strstr(strstr(out.ptr, "### hook") + 1, "### hook"));
	buf_fini(&out);
}
END_TEST

/* ---- what a table may have ---- */

#define TABLE_FIELDS_MAX (BIND_FIELDS_MAX + 1)

/* Binds text by a table of n keys k0, k1 …; `elsewhere` as in the table. */
static int bind_many(size_t n, const struct bind_elsewhere *elsewhere, const char *text)
{
	static char names[TABLE_FIELDS_MAX][24];
	static struct bind_field fields[TABLE_FIELDS_MAX];
	static struct slice values[TABLE_FIELDS_MAX];
	struct yaml_node *root = NULL;

	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "k%zu", i);
		fields[i] = (struct bind_field){ .key = names[i],
						 .type = BIND_STRING,
						 .offset = i * sizeof(values[0]) };
	}
	const struct bind_table table = { .what = "thing",
					  .size = sizeof(values),
					  .fields = fields,
					  .n = n,
					  .node_offset = SIZE_MAX,
					  .given_offset = SIZE_MAX,
					  .elsewhere = elsewhere };

	diag_list_fini(&diags);
	ck_assert_int_eq(yaml_parse(slice_from(text), "f.yml", &arena, &diags, &root), 0);
	return bind_struct(&table, root, &arena, &diags, values);
}

START_TEST(bind_names_the_keys_where_they_are_few)
{
	ck_assert_int_eq(bind_many(11, NULL, "other: 1"), ERR_INVALID);
	ck_assert_str_eq(diags.items[0].hint,
			 "its keys are k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10");
	ck_assert_int_eq(bind_many(12, NULL, "other: 1"), ERR_INVALID);
	ck_assert_ptr_null(diags.items[0].hint);
}
END_TEST

/* At the limit; one more is a slip in the table, which ends the program in its first test. */
static void elsewhere_of(size_t n)
{
	struct bind_elsewhere keys[BIND_ELSEWHERE_MAX + 2] = { { NULL, NULL } };
	char names[BIND_ELSEWHERE_MAX + 1][32];

	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "other%zu", i);
		keys[i] = (struct bind_elsewhere){ names[i], i + 1 == n ? "the last" : "another" };
	}
	ck_assert_int_eq(bind_many(1, keys, "other15: 1"), ERR_INVALID);
	ck_assert_str_eq(diags.items[0].hint, "the last");
}

static void enum_of(int n)
{
	struct buf values;
	int color = -1;
	struct yaml_node *root = NULL;

	buf_init(&values);
	for (int i = 0; i < n; i++)
		buf_printf(&values, "%sc%d", i ? "," : "", i);
	const struct bind_field field = { .key = "color", .type = BIND_ENUM, .values = values.ptr };
	const struct bind_table table = { .what = "thing",
					  .size = sizeof(color),
					  .fields = &field,
					  .n = 1,
					  .node_offset = SIZE_MAX,
					  .given_offset = SIZE_MAX };

	ck_assert_int_eq(yaml_parse(SLICE("color: c63"), "f.yml", &arena, &diags, &root), 0);
	ck_assert_int_eq(bind_struct(&table, root, &arena, &diags, &color), 0);
	ck_assert_int_eq(color, 63);
	buf_fini(&values);
}

static void reference_of(size_t n)
{
	static const struct bind_field field = { .key = "k", .type = BIND_STRING };
	struct bind_table tables[65];
	const struct bind_table *list[65];
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < n; i++) {
		tables[i] = inner_table;
		tables[i].what = i + 1 == n ? "the last" : "thing";
		tables[i].fields = &field;
		tables[i].n = 1;
		list[i] = &tables[i];
	}
	bind_references(list, n, &out);
	ck_assert_ptr_nonnull(strstr(out.ptr, "### the last\n"));
	buf_fini(&out);
}

START_TEST(tables_may_have_so_much)
{
	ck_assert_int_eq(bind_many(BIND_FIELDS_MAX, NULL, "k63: a"), 0);
	elsewhere_of(BIND_ELSEWHERE_MAX);
	enum_of(64);
	reference_of(64);
}
END_TEST

START_TEST(tables_may_not_have_more)
{
	switch (_i) {
	case 0:
		bind_many(BIND_FIELDS_MAX + 1, NULL, "k63: a");
		return;
	case 1:
		elsewhere_of(BIND_ELSEWHERE_MAX + 1);
		return;
	case 2:
		enum_of(65);
		return;
	default:
		reference_of(65);
	}
}
END_TEST

static Suite *bind_suite(void)
{
	Suite *suite = suite_create("bind");
	TCase *tc = tcase_create("bind");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bind_fills_every_type);
	tcase_add_test(tc, bind_applies_defaults);
	tcase_add_test(tc, bind_takes_scalars_as_text);
	tcase_add_test(tc, bind_suggests_keys);
	tcase_add_test(tc, bind_refuses_what_is_not_there_yet_unless_it_says_nothing);
	tcase_add_test(tc, bind_requires_keys);
	tcase_add_loop_test(tc, bind_refuses_wrong_values, 0,
			    sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(tc, bind_collects_all_errors);
	tcase_add_test(tc, bind_says_when_memory_is_short);
	tcase_add_test(tc, bind_prints_its_reference);
	tcase_add_test(tc, bind_names_the_keys_where_they_are_few);
	tcase_add_test(tc, tables_may_have_so_much);
	tcase_add_loop_test_raise_signal(tc, tables_may_not_have_more, SIGABRT, 0, 4);
	suite_add_tcase(suite, tc);
	return suite;
}

TEST_MAIN(bind_suite)
