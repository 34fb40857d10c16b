/*
 * One stream of samples to a Prometheus and to us, then expressions made by dice, asked of both:
 * equal labels, values, errors and notes?
 *
 *   differential PROMETHEUS TOCSIN [SEED [EXPRESSIONS [DELAYED]]]
 *
 * Both are given as http://ADDRESS:PORT; DELAYED: true, if both remove metric names at the end.
 *
 * Each expression is asked at two instants and over one range. Values must be equal but for
 * VALUE_DIFFERENCE_MAX of them, which the order of summation explains. A line for each difference
 * and, last, how many values were equal to the last bit.
 *
 * The other one is a 3.5, while ours is as of 3.14: what was changed between them on purpose is not
 * asked for, or excused by name below.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tests/e2e/differential.h"
#include "tests/engine/expressions.h"

#define VALUE_DIFFERENCE_MAX 1e-12
#define LIBM_DIFFERENCE_MAX 1e-6 /* where the last place of a logarithm may be all that is left */
#define EQUAL_BITS_MIN 0.999	 /* of the values that no function of the C library made */
#define FROM_AGO_MS (50 * 60 * 1000)
#define DIFFERENCES_SHOWN_MAX 60

static struct {
	unsigned queries, errors, other_errors, empty, differences;
	unsigned long values, equal_bits, libm_values; /* these are not among the values */
} counts;
static bool is_libm;	   /* the question at hand */
static bool delayed_names; /* both servers remove metric names at the end of a query */

static CURL *curl;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "differential: %s: %s\n", what, why);
	exit(1);
}

/* ---- both servers ---- */

static size_t take(char *bytes, size_t size, size_t n, void *ctx)
{
	buf_add(ctx, bytes, size * n);
	return size * n;
}

/* POST; the status. */
static long post(const char *server, const char *path, const char *type, struct slice body,
		 struct buf *answer)
{
	char url[512], header[100];
	long status = 0;
	struct curl_slist *headers = NULL;
	snprintf(url, sizeof(url), "%s%s", server, path);
	snprintf(header, sizeof(header), "Content-Type: %s", type);
	headers = curl_slist_append(headers, header);
	if (strcmp(type, "application/x-protobuf") == 0)
		headers = curl_slist_append(headers, "Content-Encoding: snappy");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.ptr);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body.len);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	CURLcode code = curl_easy_perform(curl);
	if (code)
		die(url, curl_easy_strerror(code));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	return status;
}

static void send_stream(const char *server, struct buf parts[STREAM_PARTS])
{
	for (int i = 0; i < STREAM_PARTS; i++) {
		struct buf answer;
		buf_init(&answer);
		long status = post(server, "/api/v1/write", "application/x-protobuf",
				   buf_slice(&parts[i]), &answer);
		if (status / 100 != 2) {
			fprintf(stderr, "%.*s\n", (int)answer.len, answer.ptr);
			die(server, "refuses the stream");
		}
		buf_fini(&answer);
	}
}

struct question {
	const char *expr;
	int64_t start_ms, end_ms, step_ms; /* step_ms is 0: at an instant */
};

static json_t *ask(const char *server, const struct question *question)
{
	struct buf body, answer;
	char *expr = curl_easy_escape(curl, question->expr, 0);
	bool is_range = question->step_ms > 0;
	json_error_t why;
	buf_init(&body);
	buf_init(&answer);
	buf_printf(&body, "query=%s", expr);
	if (is_range)
		buf_printf(&body, "&start=%.3f&end=%.3f&step=%.3f",
			   (double)question->start_ms / 1000, (double)question->end_ms / 1000,
			   (double)question->step_ms / 1000);
	else
		buf_printf(&body, "&time=%.3f", (double)question->start_ms / 1000);
	post(server, is_range ? "/api/v1/query_range" : "/api/v1/query",
	     "application/x-www-form-urlencoded", buf_slice(&body), &answer);
	json_t *root = json_loadb(answer.ptr, answer.len, 0, &why);
	if (!root)
		die(server, why.text);
	curl_free(expr);
	buf_fini(&body);
	buf_fini(&answer);
	return root;
}

/* ---- comparison ---- */

static const char *text_of(const json_t *answer, const char *key)
{
	const char *text = json_string_value(json_object_get(answer, key));
	return text ? text : "";
}

/*
 * Does it use what Go computes otherwise than the C library, by at most one unit in the last place?
 * Or how far large and nearly equal numbers are apart, where the order of summation tells?
 */
static bool uses_libm(const char *expr)
{
	static const char *const words[] = { "exp(", "ln(", "log",   "^",    "sin",
					     "cos",  "tan", "acosh", "asinh" };
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strstr(expr, words[i]))
			return true;
	bool deviates = strstr(expr, "stddev") || strstr(expr, "stdvar");
	return deviates && (strstr(expr, "timestamp(") || strstr(expr, "ts_of_") ||
			    strstr(expr, "time()"));
}

static bool is_same_value(const json_t *a, const json_t *b)
{
	const char *x = json_string_value(a), *y = json_string_value(b);
	if (!x || !y)
		return json_equal(a, b);
	double v = strtod(x, NULL), w = strtod(y, NULL);
	bool equal_bits = (isnan(v) && isnan(w)) || memcmp(&v, &w, sizeof(v)) == 0;
	counts.values += !is_libm;
	counts.equal_bits += equal_bits && !is_libm;
	counts.libm_values += is_libm;
	if (equal_bits)
		return true;
	double size = fmax(fabs(v), fabs(w));
	return v == w || fabs(v - w) <= (is_libm ? LIBM_DIFFERENCE_MAX * fmax(size, 1)
						 : VALUE_DIFFERENCE_MAX * size);
}

/* [time, "value"] */
static bool is_same_point(const json_t *a, const json_t *b)
{
	return json_number_value(json_array_get(a, 0)) == json_number_value(json_array_get(b, 0)) &&
	       is_same_value(json_array_get(a, 1), json_array_get(b, 1));
}

static bool is_same_series(const json_t *a, const json_t *b)
{
	const json_t *x = json_object_get(a, "values"), *y = json_object_get(b, "values");
	if (!x || !y)
		return !x && !y &&
		       is_same_point(json_object_get(a, "value"), json_object_get(b, "value"));
	bool same = json_array_size(x) == json_array_size(y);
	for (size_t i = 0; same && i < json_array_size(x); i++)
		same = is_same_point(json_array_get(x, i), json_array_get(y, i));
	return same;
}

static const json_t *series_of(const json_t *series, const json_t *labels)
{
	for (size_t i = 0; i < json_array_size(series); i++)
		if (json_equal(json_object_get(json_array_get(series, i), "metric"), labels))
			return json_array_get(series, i);
	return NULL;
}

/* Equal values may stand in any order. */
static bool is_sorted_by_value(const char *expr)
{
	return strncmp(expr, "sort(", 5) == 0 || strncmp(expr, "sort_desc(", 10) == 0;
}

/* By the label a: where some elements lack it, Go's natural order is none. */
static bool is_sorted_by_label(const char *expr, const json_t *elements)
{
	if (strncmp(expr, "sort_by_label", 13) != 0)
		return false;
	for (size_t i = 0; i < json_array_size(elements); i++)
		if (!json_object_get(json_object_get(json_array_get(elements, i), "metric"), "a"))
			return false;
	return true;
}

/* The elements of a vector or matrix are a set but where the expression orders them. */
static bool is_same_elements(const json_t *a, const json_t *b, const char *expr)
{
	bool same = json_array_size(a) == json_array_size(b);
	bool by_label = is_sorted_by_label(expr, a);
	for (size_t i = 0; same && i < json_array_size(a); i++) {
		const json_t *x = json_array_get(a, i), *at_same_place = json_array_get(b, i);
		const json_t *labels = json_object_get(x, "metric");
		const json_t *y = series_of(b, labels);
		same = y && is_same_series(x, y);
		if (same && is_sorted_by_value(expr))
			same = is_same_series(x, at_same_place);
		if (same && by_label)
			same = y == at_same_place;
	}
	return same;
}

static bool is_same_result(const json_t *a, const json_t *b, const char *expr)
{
	const char *type = text_of(a, "resultType");
	const json_t *x = json_object_get(a, "result"), *y = json_object_get(b, "result");
	if (strcmp(type, text_of(b, "resultType")) != 0)
		return false;
	if (strcmp(type, "scalar") == 0)
		return is_same_point(x, y);
	if (strcmp(type, "string") == 0)
		return json_equal(x, y);
	counts.empty += json_array_size(x) == 0;
	return is_same_elements(x, y, strcmp(type, "vector") == 0 ? expr : "");
}

/* ---- what was changed in Prometheus since 3.5: ours is as of 3.14 ---- */

/* Texts that differ only after these words say the same. */
static const char *const same_beginnings[] = {
	/* lists two of the series, in no order then */
	"found duplicate series for the match group ",
	/* told the metric name, even where there is none */
	"PromQL info: input to histogram_quantile needed to be fixed for monotonicity",
	"PromQL warning: bucket label \"le\" is missing or has a malformed value of ",
};

static bool is_same_text(const char *theirs, const char *ours)
{
	if (strcmp(theirs, "Scalar value NaN overflows int64") == 0)
		theirs = "Parameter value is NaN";
	for (size_t i = 0; i < sizeof(same_beginnings) / sizeof(*same_beginnings); i++) {
		size_t len = strlen(same_beginnings[i]);
		if (strncmp(theirs, same_beginnings[i], len) == 0)
			return strncmp(ours, same_beginnings[i], len) == 0;
	}
	return strcmp(theirs, ours) == 0;
}

static bool is_new_note(const char *note)
{
	return strncmp(note, "PromQL warning: sort is ineffective", 35) == 0 ||
	       strncmp(note, "the query looks further back than what is kept", 46) == 0;
}

/*
 * Several matches were an error only where the comparison held, and a parameter only where there
 * was something to pick from.
 */
static bool is_new_error(const json_t *ours)
{
	static const char *const beginnings[] = { "multiple matches for labels",
						  "Parameter value is NaN", "Ratio value is NaN",
						  "Scalar value " };
	const char *error = text_of(ours, "error");
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++)
		if (strncmp(error, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

/* ---- notes and errors ---- */

static bool is_in(const json_t *texts, const char *text, bool theirs)
{
	for (size_t i = 0; i < json_array_size(texts); i++) {
		const char *other = json_string_value(json_array_get(texts, i));
		if (theirs ? is_same_text(text, other) : is_same_text(other, text))
			return true;
	}
	return false;
}

/* Prometheus tells ten of a kind, and how many more there are. */
#define NOTES_TOLD_MAX 10

static bool is_same_notes(const json_t *a, const json_t *b, const char *kind)
{
	const json_t *x = json_object_get(a, kind), *y = json_object_get(b, kind);
	if (json_array_size(x) > NOTES_TOLD_MAX)
		return json_array_size(y) >= NOTES_TOLD_MAX;
	for (size_t i = 0; i < json_array_size(x); i++)
		if (!is_in(y, json_string_value(json_array_get(x, i)), true))
			return false;
	for (size_t i = 0; i < json_array_size(y); i++) {
		const char *note = json_string_value(json_array_get(y, i));
		if (!is_new_note(note) && !is_in(x, note, false))
			return false;
	}
	return true;
}

static const char *error_difference(const json_t *theirs, const json_t *ours)
{
	counts.errors++;
	if (strcmp(text_of(theirs, "errorType"), text_of(ours, "errorType")) != 0)
		return "type of error";
	/* Of several errors any may be told; what the parser says we say in our own way. */
	if (strcmp(text_of(theirs, "errorType"), "bad_data") != 0 &&
	    !is_same_text(text_of(theirs, "error"), text_of(ours, "error")))
		counts.other_errors++;
	return NULL;
}

/* Series with the same labels are put together now where they have different times. */
static bool is_old_error(const json_t *theirs, const char *expr)
{
	return strcmp(text_of(theirs, "error"),
		      "vector cannot contain metrics with the same labelset") == 0 &&
	       (delayed_names || strstr(expr, "-(") || strstr(expr, "label_"));
}

/* What is different, or NULL. */
static const char *difference(const json_t *theirs, const json_t *ours, const char *expr)
{
	bool success = strcmp(text_of(theirs, "status"), "success") == 0;
	if (strcmp(text_of(theirs, "status"), text_of(ours, "status")) != 0)
		return success			    ? is_new_error(ours) ? NULL : "status"
		       : is_old_error(theirs, expr) ? NULL
						    : "status";
	if (!success)
		return error_difference(theirs, ours);
	if (!is_same_result(json_object_get(theirs, "data"), json_object_get(ours, "data"), expr))
		return "result";
	if (!is_same_notes(theirs, ours, "warnings"))
		return "warnings";
	return is_same_notes(theirs, ours, "infos") ? NULL : "infos";
}

static void show(const char *name, const char *key, const json_t *value)
{
	char *text =
		value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY)
		      : NULL;
	if (text)
		printf("  %s %s: %.1500s\n", name, key, text);
	free(text);
}

static void show_answer(const char *name, const json_t *answer)
{
	static const char *const keys[] = { "error", "warnings", "infos", "data" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		show(name, keys[i], json_object_get(answer, keys[i]));
}

static bool has_or(const char *expr)
{
	for (const char *at = expr; (at = strstr(at, "or")); at++)
		if (at > expr && strchr(" \t\n", at[-1]) && strchr(" \t\r\n", at[2]))
			return true;
	return false;
}

/*
 * In 3.5 info() confuses the steps of series that have gaps, and groups by names that are to go at
 * the end of the query are confused. In a range query or a subquery, whether the name of a series
 * is to go is taken from its first step: with "or" it may come from either side. And
 * timestamp(x @ t offset d) looks back from t. Remainders of what differs in the last place are any
 * numbers. What differs by our own doing: a type that label_replace() gives where a name is to go
 * at the end stays here, and goes with the name there.
 */
static bool is_asked(const struct question *question)
{
	const char *expr = question->expr;
	bool has_steps = question->step_ms || strstr(expr, ":");
	bool by_name = strstr(expr, " by") && strstr(expr, "__name__)");
	bool by_step = has_steps && has_or(expr);
	bool by_type = strstr(expr, "\"__type__\"");
	bool by_offset = strstr(expr, "timestamp(") && strchr(expr, '@') && strstr(expr, "offset");
	bool by_rounding = uses_libm(expr) && strchr(expr, '%');
	return !(has_steps && strstr(expr, "info(")) && !by_offset && !by_rounding &&
	       !((by_name || by_step || by_type) && delayed_names);
}

static void compare(const char *const servers[2], const struct question *question)
{
	if (!is_asked(question))
		return;
	json_t *theirs = ask(servers[0], question), *ours = ask(servers[1], question);
	is_libm = uses_libm(question->expr);
	const char *what = difference(theirs, ours, question->expr);
	counts.queries++;
	if (what) {
		counts.differences++;
		if (counts.differences <= DIFFERENCES_SHOWN_MAX) {
			printf("%s differs: %s\n  from %.3f to %.3f step %.3f\n", what,
			       question->expr, (double)question->start_ms / 1000,
			       (double)question->end_ms / 1000, (double)question->step_ms / 1000);
			show_answer("theirs", theirs);
			show_answer("ours", ours);
		}
	}
	json_decref(theirs);
	json_decref(ours);
}

/* ---- questions ---- */

/* Space is wider in some, and goes over lines: places of notes depend on it. */
static void widen(const char *expr, struct buf *out)
{
	static const char *const spaces[] = { "  ", "\n", "\t", " # why not\n", "\r\n", " " };
	char quote = 0;
	for (; *expr; expr++) {
		if (quote && *expr == quote)
			quote = 0;
		else if (!quote && strchr("\"'`", *expr))
			quote = *expr;
		if (*expr == ' ' && !quote && chance(30))
			buf_add_str(out, spaces[below(6)]);
		else
			buf_add_char(out, *expr);
		if (quote && *expr == '\\' && expr[1])
			buf_add_char(out, *++expr);
	}
	buf_add(out, "", 1);
}

static void ask_all(const char *const servers[2], const char *expr, int64_t from_ms)
{
	int64_t t_ms = from_ms + 5 * 60000 + (int64_t)below(34 * 60) * 1000;
	struct question question = { expr, t_ms, t_ms, 0 };
	compare(servers, &question);
	question.start_ms = question.end_ms = from_ms + below(STREAM_MS);
	compare(servers, &question);
	question.start_ms = from_ms + 60000 + (int64_t)below(20 * 60) * 1000;
	question.step_ms = (int64_t[]){ 15000, 60000, 37000, 1500 }[below(4)];
	question.end_ms = question.start_ms + question.step_ms * below(25);
	compare(servers, &question);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		die("usage", "differential PROMETHEUS TOCSIN [SEED [EXPRESSIONS [DELAYED]]]");
	delayed_names = argc > 5 && strcmp(argv[5], "true") == 0;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	unsigned long n = argc > 4 ? strtoul(argv[4], NULL, 10) : 500;
	int64_t from_ms = (clock_wall_ms() - FROM_AGO_MS) / 60000 * 60000;
	const char *const servers[2] = { argv[1], argv[2] };
	struct buf parts[STREAM_PARTS];
	curl = curl_easy_init();
	if (!curl)
		die("curl", "out of memory");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
	dice_seed(seed);
	expressions_set(&(struct expr_settings){
		.for_peer = true, .is_wide = true, .around_s = from_ms / 1000 + 20 * 60 });
	stream_make(from_ms, parts);
	for (int i = 0; i < 2; i++)
		send_stream(servers[i], parts);
	for (unsigned long i = 0; i < n; i++) {
		struct expr_text text = { .len = 0 };
		dice_seed(seed * 1000003 + i);
		if (chance(5))
			put_scalar(&text, 3);
		else
			put_vector(&text, (int)below(4));
		struct buf expr;
		buf_init(&expr);
		if (chance(15))
			widen(text.bytes, &expr);
		else
			buf_add(&expr, text.bytes, text.len + 1);
		ask_all(servers, expr.ptr, from_ms);
		buf_fini(&expr);
	}
	for (int i = 0; i < STREAM_PARTS; i++)
		buf_fini(&parts[i]);
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	printf("%lu expressions (seed %llu), %u queries, %u of them errors (%u told in other "
	       "words), "
	       "%u empty; %lu values, %.4f%% equal to the last bit, and %lu of exp(), log(), …; "
	       "%u differences\n",
	       n, (unsigned long long)seed, counts.queries, counts.errors, counts.other_errors,
	       counts.empty, counts.values,
	       100.0 * (double)counts.equal_bits / (double)counts.values, counts.libm_values,
	       counts.differences);
	return counts.differences == 0 &&
			       counts.equal_bits >= EQUAL_BITS_MIN * (double)counts.values
		       ? 0
		       : 1;
}
