#include "storage/store_internal.h"
#include "tests/storage/store_fixture.h"

static struct store *store;

static void setup(void)
{
	struct store_options options = fixture_options();
	options.ignored_max = 1000000;
	store = fixture_store(&options);
}

static void teardown(void)
{
	fixture_store_free(store);
}

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

/* ---- identity ---- */

START_TEST(selector_is_shared_by_equal_matchers)
{
	struct selector *a = selector_of(store, "{job=~\"a|b\",__name__=\"up\"}");
	struct selector *b = selector_of(store, "{__name__=\"up\",job=~\"a|b\",__name__=\"up\"}");
	struct selector *c = selector_of(store, "{__name__=\"up\",job!~\"a|b\"}");
	ck_assert_ptr_eq(a, b);
	ck_assert_ptr_ne(a, c);
	ck_assert_uint_eq(a->refs, 2);
	ck_assert_uint_eq(a->nmatchers, 2);
	ck_assert_str_eq(a->text, "{__name__=\"up\",job=~\"a|b\"}");
	size_t n;
	struct selector **all = store_selectors(store, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert(all[0] == a && all[1] == c);
	store_selector_unref(store, a);
	store_check(store);
	store_selector_unref(store, b);
	store_check(store);
	all = store_selectors(store, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_ptr_eq(all[0], c);
	store_selector_unref(store, c);
	/* What it named is forgotten with it. */
	ck_assert_uint_eq(stats_of(store).symbols, 1);
}
END_TEST

START_TEST(selector_limits_matchers)
{
	struct matcher list[SELECTOR_MATCHERS_MAX + 1];
	struct selector *selector;
	struct series **found;
	size_t count;
	char *why = NULL;
	for (int i = 0; i <= SELECTOR_MATCHERS_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "n%d", i);
		ck_assert_int_eq(
			matcher_init(&list[i], MATCH_NE, slice_from(name), SLICE("x"), &why), 0);
	}
	size_t over = SELECTOR_MATCHERS_MAX + 1;
	ck_assert_int_eq(store_selector_ref(store, list, over, &selector), ERR_LIMIT);
	ck_assert_int_eq(store_select(store, list, over, &found, &count), ERR_LIMIT);
	ck_assert_int_eq(store_selector_ref(store, list, over - 1, &selector), 0);
	store_selector_unref(store, selector);
	for (int i = 0; i <= SELECTOR_MATCHERS_MAX; i++)
		matcher_fini(&list[i]);
}
END_TEST

/* ---- matching ---- */

static const struct {
	const char *selector, *labels;
	bool matches;
} match_cases[] = {
	{ "{__name__=\"up\"}", "{__name__=\"up\"}", true },
	{ "{__name__=\"up\"}", "{__name__=\"upper\"}", false },
	{ "{__name__=\"up\",job=\"x\"}", "{__name__=\"up\",job=\"x\"}", true },
	{ "{__name__=\"up\",job=\"x\"}", "{__name__=\"up\",job=\"y\"}", false },
	{ "{__name__=\"up\",job=\"x\"}", "{__name__=\"up\"}", false },
	/* A missing label is the empty string, for every kind. */
	{ "{__name__=\"up\",job=\"\"}", "{__name__=\"up\"}", true },
	{ "{__name__=\"up\",job=\"\"}", "{__name__=\"up\",job=\"x\"}", false },
	{ "{__name__=\"up\",job!=\"\"}", "{__name__=\"up\"}", false },
	{ "{__name__=\"up\",job!=\"\"}", "{__name__=\"up\",job=\"x\"}", true },
	{ "{__name__=\"up\",job!=\"x\"}", "{__name__=\"up\"}", true },
	{ "{__name__=\"up\",job=~\".*\"}", "{__name__=\"up\"}", true },
	{ "{__name__=\"up\",job=~\".+\"}", "{__name__=\"up\"}", false },
	{ "{__name__=\"up\",job!~\".+\"}", "{__name__=\"up\"}", true },
	{ "{__name__=\"up\",job!~\"x|y\"}", "{__name__=\"up\",job=\"y\"}", false },
	/* Anchored. */
	{ "{__name__=\"up\",job=~\"b\"}", "{__name__=\"up\",job=\"abc\"}", false },
	/* Without a name equality. */
	{ "{__name__=~\"u.\"}", "{__name__=\"up\"}", true },
	{ "{job=\"x\"}", "{__name__=\"up\",job=\"x\"}", true },
	{ "{job=\"x\"}", "{__name__=\"up\",job=\"y\"}", false },
	{ "{__name__=\"\",job=\"x\"}", "{job=\"x\"}", true },
	{ "{__name__=\"\",job=\"x\"}", "{__name__=\"up\",job=\"x\"}", false },
	{ "{__name__!=\"up\"}", "{__name__=\"up\"}", false },
	/* Contradicting equalities. */
	{ "{__name__=\"up\",job=\"x\",job=\"y\"}", "{__name__=\"up\",job=\"x\"}", false },
	{ "{__name__=\"up\",__name__=\"down\"}", "{__name__=\"up\"}", false },
	{ "{__name__=\"up\",__name__=~\"u.*\"}", "{__name__=\"up\"}", true },
};

START_TEST(selector_matches)
{
	const char *labels = match_cases[_i].labels;
	/* Selector first; series first; and ad hoc. */
	struct selector *all = selector_of(store, "{all!=\"x\"}");
	struct selector *before = selector_of(store, match_cases[_i].selector);
	feed(store, labels, T0, 1);
	ck_assert_uint_eq(all->nlive, 1);
	ck_assert_uint_eq(before->nlive, match_cases[_i].matches);
	ck_assert_uint_eq(before->nlog, match_cases[_i].matches);
	store_selector_unref(store, before);
	ck_assert_uint_eq(select_count(store, match_cases[_i].selector), match_cases[_i].matches);
	struct selector *after = selector_of(store, match_cases[_i].selector);
	ck_assert_uint_eq(after->nlive, match_cases[_i].matches);
	ck_assert_uint_eq(after->nlog, 0); /* there from the beginning */
	ck_assert_uint_eq(select_count(store, match_cases[_i].selector), match_cases[_i].matches);
	store_selector_unref(store, after);
	store_selector_unref(store, all);
}
END_TEST

static void random_selector(char *text, size_t size)
{
	static const char *const types[] = { "=", "=", "=", "!=", "=~", "!~" };
	static const char *const values[] = { "1", "2", "3", "4", "1", "" };
	static const char *const patterns[] = { "1|2", "[34]", ".*", ".+", "", "1" };
	size_t at = 0;
	const char *comma = "";
	at += (size_t)snprintf(text + at, size - at, "{");
	if (random_below(4)) {
		at += (size_t)snprintf(text + at, size - at, "__name__=\"m%u\"", random_below(3));
		comma = ",";
	}
	for (uint32_t i = random_below(4); i > 0; i--) {
		uint32_t type = random_below(6), value = random_below(6);
		at += (size_t)snprintf(text + at, size - at, "%s%c%s\"%s\"", comma,
				       (char)('a' + random_below(4)), types[type],
				       type > 3 ? patterns[value] : values[value]);
		comma = ",";
	}
	snprintf(text + at, size - at, "}");
}

static void random_labels(char *text, size_t size)
{
	size_t at = (size_t)snprintf(text, size, "{__name__=\"m%u\"", random_below(4));
	for (char name = 'a'; name <= 'd'; name++)
		if (random_below(3))
			at += (size_t)snprintf(text + at, size - at, ",%c=\"%u\"", name,
					       1 + random_below(5));
	snprintf(text + at, size - at, "}");
}

/* The selectors' members must be what the plain matchers say of all labels fed. */
START_TEST(selector_index_agrees_with_plain_matching)
{
	enum { SELECTORS = 120, SERIES = 200 };
	struct selector *selectors[SELECTORS];
	struct labels *series[SERIES];
	char text[128];
	random_state = (uint64_t)_i;
	struct selector *all = selector_of(store, "{all=\"\"}"); /* so that all are kept */
	for (int i = 0; i < SERIES; i++) {
		random_labels(text, sizeof(text));
		series[i] = labels_of(text);
		feed(store, text, T0, 1);
		if (i >= SERIES / 2 && i - SERIES / 2 < SELECTORS) {
			random_selector(text, sizeof(text));
			selectors[i - SERIES / 2] = selector_of(store, text);
		}
	}
	for (int i = SERIES / 2; i < SELECTORS; i++) {
		random_selector(text, sizeof(text));
		selectors[i] = selector_of(store, text);
	}
	for (int i = 0; i < SELECTORS; i += 3) /* some go again */
		store_selector_unref(store, selectors[i]);
	for (int i = 0; i < SELECTORS; i++) {
		if (i % 3 == 0)
			continue;
		struct selector *selector = selectors[i];
		uint32_t expected = 0;
		for (int k = 0; k < SERIES; k++) {
			bool again = false;
			for (int before = 0; before < k && !again; before++)
				again = labels_is_equal(series[before], series[k]);
			expected += !again && matchers_is_match(selector->matchers,
								selector->nmatchers, series[k]);
		}
		ck_assert_msg(selector->nlive == expected, "%s has %u of %u", selector->text,
			      selector->nlive, expected);
	}
	store_check(store);
	for (int i = 0; i < SELECTORS; i++)
		if (i % 3)
			store_selector_unref(store, selectors[i]);
	store_selector_unref(store, all);
	for (int i = 0; i < SERIES; i++)
		labels_unref(series[i]);
	sweep_all(store);
	ck_assert_uint_eq(store->index.by_key.n, 0);
	ck_assert_uint_eq(stats_of(store).series, 0);
}
END_TEST

START_TEST(selector_index_stands_at_the_rarest_equality)
{
	char text[96];
	struct selector *selectors[50];
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "{__name__=\"m\",env=\"prod\",pod=\"p%d\"}", i);
		selectors[i] = selector_of(store, text);
	}
	for (int i = 1; i < 50; i++) {
		const struct index_node *node = store->index.nodes[standing_of(selectors[i])->node];
		ck_assert(slice_is(symbol_text(store_lsets(store), node->name), "pod"));
		ck_assert_uint_eq(node->selectors.n, 1);
	}
	for (int i = 0; i < 50; i++)
		store_selector_unref(store, selectors[i]);
}
END_TEST

/* ---- the memo of regular expressions ---- */

START_TEST(selector_runs_a_regex_once_a_value)
{
	struct selector *selector = selector_of(store, "{__name__=~\"m.*\",pod=~\"a.*\"}");
	char text[96];
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "{__name__=\"m%d\",pod=\"a%d\"}", i % 10, i / 10);
		ck_assert_int_eq(feed(store, text, T0, 1), APPEND_STORED);
	}
	ck_assert_uint_eq(store->memo.runs, 20);
	ck_assert_uint_eq(selector->nlive, 100);
	/* Values that nobody wants are remembered as well. */
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "{__name__=\"other\",n=\"%d\"}", i);
		ck_assert_int_eq(feed(store, text, T0, 1), APPEND_IGNORED);
	}
	ck_assert_uint_eq(store->memo.runs, 21);
	store_selector_unref(store, selector);
	/* Another selector is another regex, though its pattern be the same. */
	selector = selector_of(store, "{__name__=~\"m.*\"}");
	ck_assert_uint_eq(selector->nlive, 100);
	ck_assert_uint_eq(store->memo.runs, 31);
	store_selector_unref(store, selector);
}
END_TEST

START_TEST(selector_memo_is_bounded)
{
	struct selector *selector = selector_of(store, "{v=~\"[0-9]*[02468]\"}");
	char text[MEMO_VALUE_MAX + 64];
	struct series *series;
	uint32_t wanted = 0;
	for (int i = 0; i < MEMO_ENTRIES_MAX + 20000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		struct label label = { SLICE("v"), slice_from(text) };
		struct labels *labels;
		ck_assert_int_eq(labels_new(&label, 1, &labels, NULL), 0);
		ck_assert_int_eq(store_birth(store, key_of(text), labels, &series), 0);
		ck_assert_int_eq(series != NULL, i % 2 == 0);
		wanted += series != NULL;
		labels_unref(labels);
	}
	ck_assert_uint_eq(selector->nlive, wanted);
	ck_assert_uint_le(store->memo.n, MEMO_ENTRIES_MAX);
	ck_assert_uint_eq(store->memo.mask + 1, MEMO_ENTRIES_MAX);
	ck_assert_uint_le(regex_memo_bytes(&store->memo), 2 * 1024 * 1024);
	/* A long value is not remembered. */
	uint64_t runs = store->memo.runs;
	memset(text, '7', sizeof(text));
	struct label label = { SLICE("v"), { text, MEMO_VALUE_MAX + 1 } };
	struct labels *labels;
	ck_assert_int_eq(labels_new(&label, 1, &labels, NULL), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(store_birth(store, key_of("long"), labels, &series), 0);
	labels_unref(labels);
	ck_assert_uint_eq(store->memo.runs, runs + 3);
	store_selector_unref(store, selector);
}
END_TEST

/*
 * A value without a symbol, as of a series that nobody knows yet. Does it match, and was the
 * regular expression run for it?
 */
static bool is_run(struct compiled_matcher *matcher, int value, bool *matches)
{
	char text[16];
	uint64_t runs = store->memo.runs;
	snprintf(text, sizeof(text), "%d", value);
	struct subject subject = { .labels[0] = { matcher->name, SYMBOL_UNKNOWN, slice_from(text) },
				   .n = 1 };
	*matches = compiled_is_match(&store->memo, matcher, 1, &subject);
	return store->memo.runs > runs;
}

/* Between two settlings so many results are displaced; what would be the next is not remembered. */
START_TEST(selector_memo_displaces_so_many_at_a_time)
{
	struct regex_memo *memo = &store->memo;
	struct compiled_matcher compiled;
	struct matcher matcher;
	char *why;
	bool matches;
	int value = 0;
	ck_assert_int_eq(
		matcher_init(&matcher, MATCH_RE, SLICE("v"), SLICE("[0-9]*[02468]"), &why), 0);
	ck_assert_int_eq(matchers_compile(memo, &matcher, 1, true, &compiled), 0);
	while (memo->ndisplaced < MEMO_DISPLACED_MAX && value < 2 * MEMO_ENTRIES_MAX)
		is_run(&compiled, value++, &matches);
	ck_assert_uint_eq(memo->ndisplaced, MEMO_DISPLACED_MAX);
	do {
		ck_assert(is_run(&compiled, ++value, &matches));
		ck_assert(matches == (value % 2 == 0));
	} while (!is_run(&compiled, value, &matches) && value < 4 * MEMO_ENTRIES_MAX);
	ck_assert(is_run(&compiled, value, &matches));
	ck_assert_uint_eq(memo->ndisplaced, MEMO_DISPLACED_MAX);
	regex_memo_settle(memo);
	ck_assert(is_run(&compiled, value, &matches));
	ck_assert(!is_run(&compiled, value, &matches));
	ck_assert(matches == (value % 2 == 0));
	ck_assert_uint_eq(memo->ndisplaced, 1);
	regex_memo_settle(memo);
	matchers_release(memo, &compiled, 1);
	matcher_fini(&matcher);
}
END_TEST

/* ---- coverage ---- */

static void at(int64_t second)
{
	store_time_set(store, T0 + second * 1000);
}

START_TEST(selector_is_covered_since_now)
{
	struct selector *a = selector_of(store, "{__name__=\"a\"}");
	ck_assert_int_eq(a->covered_since_ms, T0);
	at(100);
	struct selector *b = selector_of(store, "{__name__=\"b\"}");
	ck_assert_int_eq(b->covered_since_ms, T0 + 100000);
	/* Sharing keeps it; so does a return, but not after it had gone. */
	ck_assert_ptr_eq(selector_of(store, "{__name__=\"a\"}"), a);
	ck_assert_int_eq(a->covered_since_ms, T0);
	store_selector_unref(store, a);
	store_selector_unref(store, a);
	a = selector_of(store, "{__name__=\"a\"}");
	ck_assert_int_eq(a->covered_since_ms, T0 + 100000);
	store_selector_unref(store, a);
	store_selector_unref(store, b);
}
END_TEST

START_TEST(selector_inherits_coverage_of_wider)
{
	struct selector *wide = selector_of(store, "{__name__=\"a\",x!=\"1\"}");
	struct selector *regex = selector_of(store, "{job=~\"j.*\"}");
	at(100);
	static const struct {
		const char *text;
		int64_t since_s;
	} cases[] = {
		{ "{__name__=\"a\",x!=\"1\",job=\"j\"}", 0 },
		{ "{__name__=\"a\",x!=\"1\",y=~\"2\"}", 0 },
		{ "{__name__=\"a\"}", 100 },
		{ "{__name__=\"a\",x!=\"2\"}", 100 },
		{ "{__name__=\"b\",x!=\"1\"}", 100 },
		{ "{__name__=\"c\",job=~\"j.*\"}", 0 },
		{ "{__name__=\"c\",job=~\"j\"}",
		  100 }, /* it is one, but to see that is no job of the store */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct selector *narrow = selector_of(store, cases[i].text);
		ck_assert_msg(narrow->covered_since_ms == T0 + cases[i].since_s * 1000, "%s",
			      cases[i].text);
		store_selector_unref(store, narrow);
	}
	store_selector_unref(store, wide);
	store_selector_unref(store, regex);
}
END_TEST

/* So many that stand in the same place are asked; when the wide one is not among them the narrow
 * one begins anew. */
START_TEST(selector_inherits_coverage_of_wider_among_so_many)
{
	enum { MAX = 1024 };
	static struct selector *others[MAX];
	struct selector *wide = NULL;
	for (int n = MAX - 1; n <= MAX; n++) {
		char text[64];
		uint32_t covered = 0;
		for (int i = 0; i < n; i++) {
			snprintf(text, sizeof(text), "{__name__=\"a%d\",x!=\"%d\"}", n, i);
			others[i] = selector_of(store, text);
		}
		snprintf(text, sizeof(text), "{__name__=\"a%d\",y!=\"1\"}", n);
		wide = selector_of(store, text);
		at(n);
		for (int i = 0; i < n; i++) {
			snprintf(text, sizeof(text), "{__name__=\"a%d\",x!=\"%d\",z=\"1\"}", n, i);
			struct selector *narrow = selector_of(store, text);
			covered += narrow->covered_since_ms < T0 + n * 1000;
			store_selector_unref(store, narrow);
		}
		snprintf(text, sizeof(text), "{__name__=\"a%d\",y!=\"1\",z=\"1\"}", n);
		struct selector *narrow = selector_of(store, text);
		covered += narrow->covered_since_ms < T0 + n * 1000;
		store_selector_unref(store, narrow);
		ck_assert_uint_eq(covered, MAX);
		store_selector_unref(store, wide);
		for (int i = 0; i < n; i++)
			store_selector_unref(store, others[i]);
	}
}
END_TEST

START_TEST(selector_is_not_covered_beyond_what_was_kept)
{
	const char *text = "{__name__=\"a\"}";
	struct selector *wide = selector_of(store, text);
	int64_t due_ms = T0 + 60000;
	ck_assert_int_eq(selector_reader_add(wide, &due_ms, 60000), 0);
	for (int s = 0; s <= 3600; s += 15) {
		at(s);
		due_ms = T0 + (s + 60) * 1000;
		ck_assert_int_eq(feed(store, text, T0 + s * 1000, s), APPEND_STORED);
	}
	sweep_all(store);
	ck_assert_int_eq(wide->covered_since_ms, T0);
	/* A narrower one has no more than was kept for the wider: a minute. */
	struct selector *narrow = selector_of(store, "{__name__=\"a\",x=\"\"}");
	ck_assert_uint_eq(narrow->nlive, 1);
	ck_assert_int_eq(narrow->covered_since_ms, T0 + 3600000);
	/* A reader that reaches no further changes nothing; one that does finds the past gone. */
	int64_t other_due_ms = due_ms;
	ck_assert_int_eq(selector_reader_add(wide, &other_due_ms, 60000), 0);
	ck_assert_int_eq(wide->covered_since_ms, T0);
	selector_reader_remove(wide, &other_due_ms, 60000);
	ck_assert_int_eq(selector_reader_add(wide, &other_due_ms, 3600000), 0);
	ck_assert_int_eq(wide->covered_since_ms, T0 + 3600000);
	store_selector_unref(store, narrow);
	store_selector_unref(store, wide);
}
END_TEST

START_TEST(selector_coverage_is_restored)
{
	struct store_options options = fixture_options();
	store_free(store);
	store = store_new(&options);
	/* Registered before any time is told, and before or after its coverage is. */
	struct selector *first = selector_of(store, "{__name__=\"first\"}");
	struct selector *unknown = selector_of(store, "{__name__=\"unknown\"}");
	ck_assert_int_eq(first->covered_since_ms, INT64_MAX);
	ck_assert_int_eq(store_coverage_restore(store, SLICE("{__name__=\"first\"}"), T0 - 5000),
			 0);
	ck_assert_int_eq(store_coverage_restore(store, SLICE("{__name__=\"last\"}"), T0 - 7000), 0);
	ck_assert_int_eq(store_coverage_restore(store, SLICE("{__name__=\"never\"}"), T0 - 9000),
			 0);
	ck_assert_int_eq(first->covered_since_ms, T0 - 5000);
	store_time_set(store, T0);
	ck_assert_int_eq(first->covered_since_ms, T0 - 5000);
	ck_assert_int_eq(unknown->covered_since_ms, T0);
	struct selector *last = selector_of(store, "{__name__=\"last\"}");
	ck_assert_int_eq(last->covered_since_ms, T0 - 7000);
	/* It holds once: gone and come back, it was not fed meanwhile. */
	store_selector_unref(store, last);
	last = selector_of(store, "{__name__=\"last\"}");
	ck_assert_int_eq(last->covered_since_ms, T0);
	/* And no longer than until a series was turned away, which it might have wanted. */
	ck_assert_int_eq(feed(store, "{__name__=\"never\"}", T0, 1), APPEND_IGNORED);
	struct selector *never = selector_of(store, "{__name__=\"never\"}");
	ck_assert_int_eq(never->covered_since_ms, T0);
	store_selector_unref(store, first);
	store_selector_unref(store, unknown);
	store_selector_unref(store, last);
	store_selector_unref(store, never);
}
END_TEST

START_TEST(selector_limits_restored_coverage)
{
	char text[32];
	for (int i = 0; i < COVERAGE_MAX; i++) {
		snprintf(text, sizeof(text), "{a=\"%d\"}", i);
		ck_assert_int_eq(store_coverage_restore(store, slice_from(text), T0 - i), 0);
	}
	ck_assert_int_eq(store_coverage_restore(store, SLICE("{b=\"1\"}"), T0), ERR_LIMIT);
	struct selector *selector = selector_of(store, "{a=\"77\"}");
	ck_assert_int_eq(selector->covered_since_ms, T0 - 77);
	ck_assert_int_eq(store_coverage_restore(store, SLICE("{b=\"1\"}"), T0), 0);
	store_selector_unref(store, selector);
}
END_TEST

/* ---- many ---- */

START_TEST(selector_matches_among_100000)
{
	enum { SELECTORS = 100000, NAMES = 500 };
	char name[16], pod[16];
	struct selector *selectors[NAMES];
	struct matcher list[3];
	char *why = NULL;
	for (int i = 0; i < SELECTORS; i++) {
		struct selector *selector;
		snprintf(name, sizeof(name), "m%d", i % NAMES);
		snprintf(pod, sizeof(pod), "p%d", i / NAMES);
		matcher_init(&list[0], MATCH_EQ, SLICE(METRIC_NAME), slice_from(name), &why);
		matcher_init(&list[1], MATCH_EQ, SLICE("env"), SLICE("prod"), &why);
		matcher_init(&list[2], MATCH_EQ, SLICE("pod"), slice_from(pod), &why);
		ck_assert_int_eq(store_selector_ref(store, list, 3, &selector), 0);
		if (i < NAMES)
			selectors[i] = selector;
		for (int k = 0; k < 3; k++)
			matcher_fini(&list[k]);
	}
	for (int i = 0; i < 1000; i++) {
		char text[64];
		struct series *series;
		snprintf(text, sizeof(text), "{__name__=\"m%d\",env=\"prod\",pod=\"p%d\"}",
			 i % NAMES, i % 300);
		struct labels *labels = labels_of(text);
		ck_assert_int_eq(store_birth(store, key_of(text), labels, &series), 0);
		labels_unref(labels);
		ck_assert_int_eq(series != NULL, i % 300 < SELECTORS / NAMES);
		ck_assert(!series || series->nmemberships == 1);
		/* Few come into question: at each metric, what names this pod and the first to
		 * come. */
		ck_assert_uint_le(store->found.n, 2);
	}
	ck_assert_uint_gt(selectors[0]->nlive, 0);
	store_check(store);
}
END_TEST

static Suite *selector_suite(void)
{
	Suite *suite = suite_create("selector");
	TCase *tcase = tcase_create("selector");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, selector_is_shared_by_equal_matchers);
	tcase_add_test(tcase, selector_limits_matchers);
	tcase_add_loop_test(tcase, selector_matches, 0, sizeof(match_cases) / sizeof(*match_cases));
	tcase_add_loop_test(tcase, selector_index_agrees_with_plain_matching, 1, 7);
	tcase_add_test(tcase, selector_index_stands_at_the_rarest_equality);
	tcase_add_test(tcase, selector_runs_a_regex_once_a_value);
	tcase_add_test(tcase, selector_memo_is_bounded);
	tcase_add_test(tcase, selector_memo_displaces_so_many_at_a_time);
	tcase_add_test(tcase, selector_is_covered_since_now);
	tcase_add_test(tcase, selector_inherits_coverage_of_wider);
	tcase_add_test(tcase, selector_inherits_coverage_of_wider_among_so_many);
	tcase_add_test(tcase, selector_is_not_covered_beyond_what_was_kept);
	tcase_add_test(tcase, selector_coverage_is_restored);
	tcase_add_test(tcase, selector_limits_restored_coverage);
	tcase_add_test(tcase, selector_matches_among_100000);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(selector_suite)
