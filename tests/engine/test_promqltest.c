/*
 * Runs Prometheus' own test scripts, as far as the language goes: every instant evaluation whose
 * expression parses here and that touches no native histogram, by the binding and by the oracle.
 * (The scripts assume that metric names are removed at the end of a query, which is a switch in
 * Prometheus and off in its server: what follows from that is in a list below.) Tells how many
 * passed, failed and were skipped.
 */
#include <ctype.h>
#include <dirent.h>

#include "tests/engine/eval_fixture.h"

#define EPSILON 1e-6
#define MINUTES_MAX (400 * 24 * 60)

/*
 * Evaluations that expect what is not here; they must fail. Without an expression: all that the
 * file has.
 */
static const struct {
	const char *file, *expr;
} exceptions[] = {
	/* delayed removal of names */
	{ "name_label_dropping.test", "label_replace(rate({env=\"1\"}[10m]), \"__name__\", "
				      "\"rate_$1\", \"__name__\", \"(.+)\")" },
	{ "name_label_dropping.test",
	  "label_join(rate({env=\"1\"}[10m]), \"__name__\", \"_\", \"__name__\", \"env\")" },
	{ "name_label_dropping.test",
	  "label_replace(sum by (__name__) (rate(metric_total{env=\"2\"}[5m])), "
	  "\"__name__\", \"$1\", \"__name__\", \"(.+)\")" },
	{ "name_label_dropping.test",
	  "sum by (__name__) (rate(metric_total{env=\"2\"}[5m]) or metric_total{env=\"1\"})" },
	/* a native histogram and a float in one sum */
	{ "native_histograms.test", "sum({idx=\"0\"})" },
	/* start timestamps of samples */
	{ "start_timestamps.test", NULL },
	/* __type__ and __unit__ go with the name */
	{ "type_and_unit.test",
	  "-http_requests_total{job=\"api-server\",instance=\"0\",group=\"production\"}" },
	{ "type_and_unit.test",
	  "http_requests_total{group=\"canary\", instance=\"0\", job=\"api-server\"} / 0" },
	{ "type_and_unit.test", "http_requests_total{group=\"canary\"} / ignoring(group) "
				"http_requests_total{group=\"production\"}" },
	{ "type_and_unit.test", "http_requests_total{job=\"api-server\", instance=\"0\", "
				"group=\"production\"} == bool 100" },
	{ "type_and_unit.test",
	  "0 * http_requests_total{group=\"canary\", instance=\"0\", job=\"api-server\"} % 0" },
};

struct script {
	const char *name;
	char *text, *at; /* the rest */
	unsigned line;
	struct world world;
	bool loaded;
	char *histograms[256]; /* names of metrics that hold native histograms */
	size_t nhistograms;
	unsigned passed, excepted, failed, skipped;
};

/* ---- lines ---- */

static char *trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	for (char *end = text + strlen(text); end > text && isspace((unsigned char)end[-1]);)
		*--end = 0;
	return text;
}

/* The next line, trimmed; a comment counts as an empty one. NULL at the end. */
static char *next_line(struct script *script)
{
	if (!script->at)
		return NULL;
	char *line = script->at, *end = strchr(line, '\n');
	script->at = end ? end + 1 : NULL;
	if (end)
		*end = 0;
	script->line++;
	line = trim(line);
	return *line == '#' ? line + strlen(line) : line;
}

/* Cuts off the first word, spaces within braces and quotes not counting; what follows it. */
static char *split(char *text)
{
	char quote = 0;
	int depth = 0;
	for (; *text; text++) {
		if (quote) {
			if (*text == '\\' && quote != '`' && text[1])
				text++;
			else if (*text == quote)
				quote = 0;
		} else if (strchr("\"'`", *text)) {
			quote = *text;
		} else {
			depth += *text == '{' ? 1 : *text == '}' ? -1 : 0;
			if (depth == 0 && isspace((unsigned char)*text))
				break;
		}
	}
	if (*text)
		*text++ = 0;
	return trim(text);
}

/* ---- values: 1 2 _ stale NaN 3x4 1+2x10 _x5 ---- */

struct values {
	double *v;
	uint8_t *kind; /* 0 a number, 1 none, 2 stale */
	size_t n;
	bool histograms;
};

static void values_add(struct values *values, double v, uint8_t kind)
{
	values->v = realloc(values->v, (values->n + 1) * sizeof(*values->v));
	values->kind = realloc(values->kind, values->n + 1);
	values->v[values->n] = v;
	values->kind[values->n++] = kind;
}

/* strtod() would read 0x10 as sixteen; here it is ten times 0. */
static double decimal(const char *text, char **end)
{
	char copy[128];
	size_t len = strspn(text, "+-") ? 1 : 0;
	while (len < sizeof(copy) - 1 &&
	       (isalnum((unsigned char)text[len]) || text[len] == '.' ||
		(strchr("+-", text[len]) && strchr("eE", text[len - 1]))) &&
	       text[len] && text[len] != 'x')
		len++;
	memcpy(copy, text, len);
	copy[len] = 0;
	char *stop;
	double v = strtod(copy, &stop);
	*end = (char *)text + (stop - copy);
	return v;
}

static void values_add_term(struct values *values, const char *term)
{
	char *end;
	bool none = *term == '_', stale = strncmp(term, "stale", 5) == 0;
	double v = none || stale ? 0 : decimal(term, &end), step = 0;
	unsigned long times = 0;
	if (none || stale)
		end = (char *)term + (none ? 1 : 5);
	if (*end == '+' || *end == '-')
		step = decimal(end, &end);
	if (*end == 'x')
		times = strtoul(end + 1, &end, 10);
	ck_assert_msg(*end == 0, "bad value %s", term);
	/* A number is there once and then so many times again; nothing just so many times. */
	for (unsigned long i = 0; i <= times && !(none && times && i == times); i++, v += step)
		values_add(values, v, none ? 1 : stale ? 2 : 0);
}

static struct values values_of(char *text)
{
	struct values values = { .n = 0 };
	char *save = NULL;
	values.histograms = strstr(text, "{{") != NULL;
	for (char *term = strtok_r(text, " \t", &save); term && !values.histograms;
	     term = strtok_r(NULL, " \t", &save))
		values_add_term(&values, term);
	return values;
}

static void values_fini(struct values *values)
{
	free(values->v);
	free(values->kind);
}

/* ---- loading ---- */

static void script_clear(struct script *script)
{
	if (script->loaded)
		world_fini(&script->world);
	world_init(&script->world, 0, (int64_t)MINUTES_MAX * 60000);
	script->loaded = true;
	for (size_t i = 0; i < script->nhistograms; i++)
		free(script->histograms[i]);
	script->nhistograms = 0;
}

static void note_histogram(struct script *script, const char *metric)
{
	size_t len = strcspn(metric, "{");
	if (len && script->nhistograms < 256)
		script->histograms[script->nhistograms++] = strndup(metric, len);
}

static void load_series(struct script *script, char *line, int64_t step_ms, bool with_nhcb)
{
	char *rest = split(line);
	if (slice_has_suffix(slice_from(line), SLICE("@st")))
		return; /* start times of samples */
	struct values values = values_of(rest);
	if (values.histograms)
		note_histogram(script, line);
	char *bucket = strstr(line, "_bucket{");
	if (with_nhcb && bucket) {
		char *base = strndup(line, (size_t)(bucket - line));
		note_histogram(script, base);
		free(base);
	}
	struct query query;
	/* A name that is no identifier. */
	if (!query_init(&query, line, strlen(line)) || values.histograms) {
		query_fini(&query);
		values_fini(&values);
		return;
	}
	query_fini(&query);
	struct series *series = world_series_of(&script->world, line);
	for (size_t i = 0; i < values.n; i++) {
		if (values.kind[i] == 0)
			world_add(&script->world, series, (int64_t)i * step_ms, values.v[i]);
		else if (values.kind[i] == 2)
			world_add_bits(&script->world, series, (int64_t)i * step_ms, STALE_BITS);
	}
	values_fini(&values);
}

static void run_load(struct script *script, char *args, bool with_nhcb)
{
	int64_t step_ms = 0;
	ck_assert_int_eq(duration_parse(slice_from(args), &step_ms), 0);
	/* Of lines for one series within a load the last counts. */
	char *lines[4096];
	size_t n = 0;
	for (char *line; (line = next_line(script)) && *line;) {
		size_t len = strcspn(line, "}"), i = 0;
		while (i < n && (line[len] == 0 || strncmp(lines[i], line, len + 1) != 0))
			i++;
		if (i == n)
			ck_assert_uint_lt(++n, sizeof(lines) / sizeof(*lines));
		lines[i] = line;
	}
	for (size_t i = 0; i < n; i++)
		load_series(script, lines[i], step_ms, with_nhcb);
}

/* ---- evaluating ---- */

struct expected {
	bool fail, skip, is_scalar;
	double scalar;
	char *message;
	struct oracle_row *rows;
	size_t n;
};

static bool labels_of(const char *text, struct labels **out)
{
	struct query query;
	struct label pairs[64];
	size_t n = 0;
	if (strcmp(text, "{}") == 0)
		return labels_new(pairs, 0, out, NULL) == 0;
	if (!query_init(&query, text, strlen(text))) {
		query_fini(&query);
		return false;
	}
	for (uint32_t i = 0; i < query.expr->selector.nmatchers; i++) {
		const struct matcher *m = &query.expr->selector.matchers[i];
		pairs[n++] = (struct label){ { m->name, m->name_len }, { m->value, m->value_len } };
	}
	bool ok = labels_new(pairs, n, out, NULL) == 0;
	query_fini(&query);
	return ok;
}

static void read_expectation(struct expected *expected, char *line)
{
	char *end, *word = line;
	if (strncmp(line, "expect ", 7) == 0) {
		word = trim(line + 7);
		if (strncmp(word, "fail", 4) == 0) {
			expected->fail = true;
			char *message = strstr(word, "msg:");
			expected->message = message ? trim(message + 4) : NULL;
		}
		/* Warnings are not told here, nor is the order of a result. */
		expected->skip |=
			strncmp(word, "string", 6) == 0 || strncmp(word, "range vector", 12) == 0;
		return;
	}
	if (strncmp(line, "expected_fail", 13) == 0)
		return;
	double scalar = strtod(line, &end);
	if (end != line && *end == 0) {
		expected->is_scalar = true;
		expected->scalar = scalar;
		return;
	}
	char *rest = split(line);
	struct values values = values_of(rest);
	struct labels *labels = NULL;
	if (values.histograms || values.n != 1 || !labels_of(line, &labels)) {
		expected->skip = true;
	} else {
		expected->rows =
			realloc(expected->rows, (expected->n + 1) * sizeof(*expected->rows));
		expected->rows[expected->n++] = (struct oracle_row){ labels, values.v[0] };
	}
	values_fini(&values);
}

static bool is_almost(double a, double b)
{
	if ((isnan(a) && isnan(b)) || a == b)
		return true;
	double sum = fabs(a) + fabs(b), difference = fabs(a - b);
	if (a == 0 || b == 0 || sum < 2.2250738585072014e-308)
		return difference < EPSILON * 2.2250738585072014e-308;
	return difference / fmin(sum, 1.7976931348623157e308) < EPSILON;
}

static bool is_expected(const struct expected *expected, const struct oracle_result *got)
{
	if (expected->fail)
		return got->error[0] &&
		       (!expected->message || strcmp(got->error, expected->message) == 0);
	if (got->error[0] || (got->type == VALUE_SCALAR) != expected->is_scalar)
		return false;
	if (expected->is_scalar)
		return is_almost(expected->scalar, got->scalar);
	if (got->n != expected->n)
		return false;
	for (size_t i = 0; i < got->n; i++)
		if (!labels_is_equal(got->rows[i].labels, expected->rows[i].labels) ||
		    !is_almost(expected->rows[i].value, got->rows[i].value))
			return false;
	return true;
}

static bool mentions_histogram(const struct script *script, const char *expr)
{
	for (size_t i = 0; i < script->nhistograms; i++) {
		size_t len = strlen(script->histograms[i]);
		for (const char *at = expr; (at = strstr(at, script->histograms[i])); at += len)
			if (!isalnum((unsigned char)at[len]) && at[len] != '_')
				return true;
	}
	return script->nhistograms && strstr(expr, "__name__");
}

static bool is_exception(const struct script *script, const char *expr)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(*exceptions); i++)
		if (strcmp(exceptions[i].file, script->name) == 0 &&
		    (!exceptions[i].expr || strcmp(exceptions[i].expr, expr) == 0))
			return true;
	return false;
}

static void check_eval(struct script *script, const char *expr, int64_t t_ms,
		       struct expected *expected, unsigned line)
{
	struct oracle_result got, oracle;
	struct query query;
	if (expected->n)
		qsort(expected->rows, expected->n, sizeof(*expected->rows), compare_result_rows);
	bool parses = query_init(&query, expr, strlen(expr));
	bool usable =
		parses && (query.expr->type == VALUE_SCALAR || query.expr->type == VALUE_VECTOR);
	if (!usable || expected->skip || strstr(expr, "{{") || mentions_histogram(script, expr)) {
		script->skipped++;
		query_fini(&query);
		return;
	}
	world_eval(&script->world, expr, t_ms, false, &got);
	ck_assert_int_eq(
		oracle_eval(script->world.store, query.expr, t_ms, WORLD_LOOKBACK_MS, &oracle), 0);
	bool good = is_expected(expected, &got);
	bool oracle_good = is_expected(expected, &oracle) || (expected->fail && oracle.error[0]);
	if (good != oracle_good || good == is_exception(script, expr)) {
		char *text = result_text(&got), *other = result_text(&oracle);
		printf("%s:%u: %s\n  binding %s\n  oracle  %s\n", script->name, line, expr, text,
		       other);
		free(text);
		free(other);
		script->failed++;
	} else if (good) {
		script->passed++;
	} else {
		script->excepted++;
	}
	oracle_result_fini(&got);
	oracle_result_fini(&oracle);
	query_fini(&query);
}

static void run_eval(struct script *script, char *line)
{
	unsigned number = script->line;
	struct expected expected = { .fail = strncmp(line, "eval_fail", 9) == 0 };
	char *rest = split(line), *expr = NULL;
	int64_t t_ms = 0;
	bool instant = strncmp(rest, "instant", 7) == 0;
	if (instant) {
		expr = split(rest);
		if (strncmp(expr, "at ", 3) == 0) {
			char *time = trim(expr + 3);
			expr = split(time);
			expected.skip = duration_parse(slice_from(time), &t_ms) != 0;
		}
	}
	for (char *next; (next = next_line(script)) && *next;)
		if (instant)
			read_expectation(&expected, next);
	if (instant)
		check_eval(script, expr, t_ms, &expected, number);
	else
		script->skipped++;
	for (size_t i = 0; i < expected.n; i++)
		labels_unref(expected.rows[i].labels);
	free(expected.rows);
}

static void run_script(struct script *script)
{
	script_clear(script);
	for (char *line; (line = next_line(script));) {
		if (strncmp(line, "clear", 5) == 0) {
			script_clear(script);
		} else if (strncmp(line, "load", 4) == 0) {
			char *args = split(line);
			run_load(script, args, strcmp(line, "load_with_nhcb") == 0);
		} else if (strncmp(line, "eval", 4) == 0) {
			run_eval(script, line);
		} else {
			ck_assert_msg(*line == 0, "%s:%u: unknown command %s", script->name,
				      script->line, line);
		}
	}
	for (size_t i = 0; i < script->nhistograms; i++)
		free(script->histograms[i]);
	world_fini(&script->world);
}

/* ---- the scripts ---- */

static char folder[4096];

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	struct buf text;
	char chunk[65536];
	size_t n;
	buf_init(&text);
	ck_assert_ptr_nonnull(file);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(&text, chunk, n);
	fclose(file);
	return buf_take(&text);
}

START_TEST(scripts_give_what_they_expect)
{
	struct dirent **entries;
	unsigned passed = 0, failed = 0, skipped = 0;
	int n = scandir(folder, &entries, NULL, alphasort);
	ck_assert_int_gt(n, 0);
	for (int i = 0; i < n; i++) {
		char path[8192];
		struct script script = { .name = entries[i]->d_name };
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (slice_has_suffix(slice_from(entries[i]->d_name), SLICE(".test"))) {
			script.text = script.at = read_file(path);
			run_script(&script);
			printf("%-26s %4u passed %2u not here %2u failed %4u skipped\n",
			       script.name, script.passed, script.excepted, script.failed,
			       script.skipped);
			passed += script.passed;
			failed += script.failed;
			skipped += script.skipped;
			free(script.text);
		}
		free(entries[i]);
	}
	free(entries);
	printf("%-26s %4u passed %14u failed %4u skipped\n", "all", passed, failed, skipped);
	ck_assert_uint_eq(failed, 0);
	ck_assert_uint_gt(passed, 350);
}
END_TEST

static Suite *promqltest_suite(void)
{
	const char *srcdir = getenv("TOCSIN_SRCDIR");
	Suite *suite = suite_create("promqltest");
	TCase *tcase = tcase_create("scripts");
	snprintf(folder, sizeof(folder), "%s/../shared/conformance/promqltest",
		 srcdir ? srcdir : ".");
	DIR *dir = opendir(folder);
	if (!dir)
		TEST_SKIP("%s is not there", folder);
	closedir(dir);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, scripts_give_what_they_expect);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(promqltest_suite)
