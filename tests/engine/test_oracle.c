/*
 * Randomized comparison of the binding with the oracle: stores with gaps, stale markers, NaN,
 * resets, births and deaths between evaluations; expressions of the whole language. Both must give
 * equal labels, equal errors and equal bits.
 *
 * Where the order of summation may differ (an aggregation that adds up numbers whose sums are not
 * exact) values are compared with a tolerance, and nothing that jumps (a comparison, a rounding) is
 * put on top of them.
 */
#include <stdarg.h>

#include "tests/engine/eval_fixture.h"

#define EXPRESSIONS 12 /* in one plan */
#define STEPS 7
#define STEP_MS 20000
#define T0 INT64_C(1700000000000)
#define REACH_MS (15 * 60 * 1000)
#define SERIES_MAX 90

/* ---- randomness ---- */

static uint64_t seed;

static uint64_t random_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * UINT64_C(2685821657736338717) >> 16;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(random_bits() % n);
}

static bool chance(uint32_t percent)
{
	return below(100) < percent;
}

#define PICK(...) pick((const char *const[]){ __VA_ARGS__, NULL })
static const char *pick(const char *const *list)
{
	uint32_t n = 0;
	while (list[n])
		n++;
	return list[below(n)];
}

/* ---- expressions ---- */

/*
 * What is known of the values: equal bits on both sides; sums of them exact (halves and quarters of
 * small integers).
 */
struct kind {
	bool equal, exact;
};

struct text {
	char bytes[4096];
	size_t len;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *text, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text->bytes + text->len, sizeof(text->bytes) - text->len, format, args);
	va_end(args);
	ck_assert_int_ge(n, 0);
	text->len += (size_t)n;
	ck_assert_uint_lt(text->len, sizeof(text->bytes));
}

static struct kind put_vector(struct text *text, int depth);

static void put_scalar(struct text *text, int depth)
{
	switch (depth > 0 ? below(10) : below(6)) {
	default:
		put(text, "%s", PICK("1", "2", "0.5", "0", "3", "-1", "10", "4", "NaN", "Inf"));
		break;
	case 6:
		put(text, "time()");
		break;
	case 7:
		put(text, "scalar(%s{a=\"%u\",b=\"x\"})", PICK("m", "n"), below(3));
		break;
	case 8:
		put(text, "(");
		put_scalar(text, depth - 1);
		put(text, " %s ", PICK("+", "-", "*", "/", "%", "^", "> bool", "== bool"));
		put_scalar(text, depth - 1);
		put(text, ")");
		break;
	case 9:
		put(text, "-(");
		put_scalar(text, depth - 1);
		put(text, ")");
		break;
	}
}

static void put_selector(struct text *text, const char *name)
{
	put(text, "%s",
	    name ? name : PICK("m", "m", "n", "n", "{__name__=~\"m|n\"}", "{job=\"j\"}"));
	if (text->bytes[text->len - 1] == '}') {
		text->len--;
		put(text, ",");
	} else {
		put(text, "{");
	}
	if (chance(30))
		put(text, "a=\"%u\",", below(3));
	if (chance(15))
		put(text, "a!=\"%u\",", below(3));
	if (chance(15))
		put(text, "b=~\"%s\",", PICK("x|y", ".+", "x?", ".*"));
	if (chance(10))
		put(text, "b!~\"%s\",", PICK("y", "x|y", ""));
	if (chance(10))
		put(text, "c=\"\",");
	put(text, "}");
}

static void put_offset(struct text *text)
{
	if (chance(15))
		put(text, " offset %s", PICK("30s", "1m", "2m", "-20s"));
	if (chance(5))
		put(text, " @ %s", PICK("start()", "end()"));
}

static void put_subquery(struct text *text)
{
	switch (below(5)) {
	case 0:
		put(text, "rate(");
		put_selector(text, NULL);
		put(text, "[%s])", PICK("1m", "2m"));
		break;
	case 1:
		put(text, "max by (a) (");
		put_selector(text, NULL);
		put(text, ")");
		break;
	case 2:
		put(text, "(2 * ");
		put_selector(text, NULL);
		put_offset(text);
		put(text, " > %s)", PICK("0", "time() - 1699999999", "scalar(n)"));
		break;
	case 3:
		put(text, "max_over_time(");
		put_selector(text, "n");
		put(text, "[%s])", PICK("1m:30s", "2m:", "1m:1m", "90s:20s"));
		break;
	default:
		put_selector(text, NULL);
		break;
	}
	put(text, "[%s:%s]", PICK("1m", "90s", "5m", "2m", "4m"),
	    PICK("", "30s", "20s", "1m", "7s"));
}

static struct kind put_range(struct text *text)
{
	static const struct {
		const char *name;
		bool exact;
	} choices[] = {
		{ "rate(", false },
		{ "increase(", false },
		{ "delta(", false },
		{ "irate(", false },
		{ "idelta(", true },
		{ "changes(", true },
		{ "resets(", true },
		{ "avg_over_time(", false },
		{ "sum_over_time(", true },
		{ "min_over_time(", true },
		{ "max_over_time(", true },
		{ "count_over_time(", true },
		{ "last_over_time(", true },
		{ "first_over_time(", true },
		{ "stddev_over_time(", false },
		{ "stdvar_over_time(", false },
		{ "deriv(", false },
		{ "quantile_over_time(0.3, ", false },
		{ "quantile_over_time(2, ", false },
		{ "present_over_time(", true },
		{ "absent_over_time(", true },
		{ "predict_linear(", false },
		{ "mad_over_time(", false },
		{ "ts_of_first_over_time(", true },
		{ "ts_of_last_over_time(", true },
		{ "ts_of_min_over_time(", true },
		{ "ts_of_max_over_time(", true },
		{ "double_exponential_smoothing(", false },
	};
	uint32_t f = below(sizeof(choices) / sizeof(*choices));
	put(text, "%s", choices[f].name);
	if (chance(25)) {
		/* Of what is exact: a step that came out otherwise would count as a change. */
		put_subquery(text);
	} else {
		put_selector(text, NULL);
		put(text, "[%s]", PICK("1m", "90s", "5m", "2m", "10m"));
	}
	put_offset(text);
	put(text, strcmp(choices[f].name, "predict_linear(") == 0 ? ", 60)"
		  : choices[f].name[0] == 'd' && choices[f].name[1] == 'o'
			  ? PICK(", 0.3, 0.5)", ", 0.3, 0.5)", ", 1, 0.5)")
			  : ")");
	return (struct kind){ true, choices[f].exact };
}

static struct kind put_edges(struct text *text)
{
	if (chance(20)) {
		put_selector(text, NULL);
		put(text, " smoothed");
		return (struct kind){ true, false };
	}
	bool anchored = chance(50);
	put(text, "%s(", anchored || chance(10) ? PICK("rate", "increase", "delta", "changes", "resets")
						: PICK("rate", "increase", "delta"));
	put_selector(text, NULL);
	put(text, "[%s] %s", PICK("1m", "90s", "2m"), anchored ? "anchored" : "smoothed");
	put_offset(text);
	put(text, ")");
	return (struct kind){ true, false };
}

static struct kind put_leaf(struct text *text)
{
	if (chance(8))
		return put_edges(text);
	if (chance(50))
		return put_range(text);
	bool exact = chance(85);
	put_selector(text, exact ? NULL : "u");
	put_offset(text);
	return (struct kind){ true, exact };
}

static const char *labels_list(void)
{
	return PICK("", "a", "b", "a, b", "a, b, c", "job", "__name__", "a, __name__", "c");
}

static struct kind put_aggregate(struct text *text, int depth)
{
	struct text operand = { .len = 0 };
	struct kind in = put_vector(&operand, depth - 1);
	const char *op =
		PICK("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile(");
	bool adds = strcmp(op, "sum") == 0 || strcmp(op, "avg") == 0;
	bool recurs = strcmp(op, "stddev") == 0 || strcmp(op, "stdvar") == 0;
	bool counts = strcmp(op, "count") == 0 || strcmp(op, "group") == 0;
	if (strcmp(op, "quantile(") == 0)
		put(text, "quantile %s (%s)(%s, %s)", PICK("by", "without"), labels_list(),
		    PICK("0.5", "0", "1", "0.9", "-1", "NaN", "scalar(m)"), operand.bytes);
	else
		put(text, "%s %s (%s) (%s)", op, PICK("by", "without"), labels_list(),
		    operand.bytes);
	bool exact = counts || (in.exact && (strcmp(op, "sum") == 0 || op[0] == 'm'));
	return (struct kind){ counts || (in.equal && !recurs && !(adds && !in.exact)), exact };
}

static struct kind put_rare_aggregate(struct text *text, int depth)
{
	struct text operand = { .len = 0 };
	struct kind in = put_vector(&operand, depth - 1);
	const char *by = PICK("by", "without");
	if (in.equal && chance(60)) {
		put(text, "count_values %s (%s) (\"%s\", %s)", by, labels_list(),
		    PICK("v", "a", "__name__", ""), operand.bytes);
		return (struct kind){ true, true };
	}
	if (chance(50))
		put(text, "limitk %s (%s) (%s, %s)", by, labels_list(),
		    PICK("1", "2", "0", "100", "NaN"), operand.bytes);
	else
		put(text, "limit_ratio(%s, %s)", PICK("0.5", "-0.5", "1", "-1", "0.1", "NaN"),
		    operand.bytes);
	return in;
}

/* Without ties: which of equal elements is picked is the implementation's. */
static struct kind put_pick(struct text *text)
{
	const char *k = PICK("1", "2", "3", "0", "-1", "1000", "1.9", "NaN", "1e30", "scalar(n)");
	put(text, "%s %s (%s) (%s, ", PICK("topk", "bottomk"), PICK("by", "without"), labels_list(),
	    k);
	if (chance(50))
		put(text, "2 * ");
	put_selector(text, "u");
	put(text, ")");
	return (struct kind){ true, false };
}

static struct kind put_function(struct text *text, int depth)
{
	struct text operand = { .len = 0 };
	struct kind in = put_vector(&operand, depth - 1);
	const char *v = operand.bytes;
	switch (below(16)) {
	case 12:
		put(text, "%s(%s)",
		    PICK("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
			 "asinh", "acosh", "atanh", "deg", "rad"),
		    v);
		return (struct kind){ in.equal, false };
	case 13:
		if (!in.equal)
			put(text, "abs(%s)", v);
		else
			put(text, "%s(%s%s)",
			    PICK("minute", "hour", "day_of_week", "day_of_month", "day_of_year",
				 "days_in_month", "month", "year"),
			    v, PICK(" * 86399", "* -100000", ""));
		return in.equal ? (struct kind){ true, true } : in;
	case 14:
		put(text, "%s(%s, \"a\")", PICK("sort_by_label", "sort_by_label_desc"), v);
		return in;
	case 15:
		put(text, "info(%s%s)", v,
		    PICK("", ", {version=~\".+\"}", ", {version=~\".*\"}",
			 ", {__name__=~\"target_info|m\"}", ", {a=\"1\",__name__!=\"n\"}"));
		return in;
	case 0:
		put(text, "abs(%s)", v);
		return in;
	case 1:
		put(text, "%s(%s)", PICK("exp", "ln", "log2", "log10", "sqrt"), v);
		return (struct kind){ in.equal, false };
	case 2:
		put(text, "%s(%s)", in.equal ? PICK("ceil", "floor", "round", "sgn") : "abs", v);
		return in;
	case 3:
		put(text, in.equal ? "round(%s, 0.3)" : "abs(%s)", v);
		return (struct kind){ in.equal, false };
	case 4:
		put(text, "clamp(%s, %s, %s)", v, PICK("0", "1", "5", "-1", "NaN"),
		    PICK("2", "0", "7", "Inf"));
		return in;
	case 5:
		put(text, "%s(%s, %s)", PICK("clamp_min", "clamp_max"), v,
		    PICK("0", "1.5", "-1", "NaN"));
		return in;
	case 6:
		put(text, "%s(%s)", PICK("timestamp", "timestamp", "start_timestamp"), v);
		return (struct kind){ true, true };
	case 7:
		put(text, "%s(%s)", PICK("sort", "sort_desc"), v);
		return in;
	case 8:
		put(text, "label_replace(%s, \"%s\", \"%s\", \"%s\", \"%s\")", v,
		    PICK("d", "a", "__name__", "b", "bad\\xff", ""),
		    PICK("$1", "z", "", "${1}_$0", "q"), PICK("a", "b", "c", "__name__", "none"),
		    PICK("(.*)", "(\\\\d)", "(x|y)", "m", "", "(["));
		return in;
	case 9:
		put(text, "label_join(%s, \"%s\", \"%s\", \"a\"%s)", v,
		    PICK("d", "a", "b", "__name__"), PICK("-", ""),
		    PICK("", ", \"b\"", ", \"b\", \"c\"", ", \"none\""));
		return in;
	case 10:
		put(text, "-(%s)", v);
		return in;
	default:
		put(text, "absent(%s)", v);
		return (struct kind){ true, true };
	}
}

static struct kind put_with_scalar(struct text *text, int depth)
{
	struct text operand = { .len = 0 };
	struct kind in = put_vector(&operand, depth - 1), out = { in.equal, false };
	bool compares = chance(60) && in.equal;
	const char *op =
		compares ? PICK("==", "!=", ">", "<", ">=", "<=") : PICK("+", "-", "*", "/", "^");
	const char *is_bool = compares && chance(30) ? "bool" : "";
	bool left = chance(30);
	put(text, "(");
	if (left) {
		put_scalar(text, 1);
		put(text, " %s %s (%s))", op, is_bool, operand.bytes);
	} else {
		put(text, "(%s) %s %s ", operand.bytes, op, is_bool);
		put_scalar(text, 1);
		put(text, ")");
	}
	if (compares)
		out.exact = is_bool[0] || in.exact;
	return out;
}

static void put_matching(struct text *text)
{
	if (chance(50))
		put(text, " %s(%s)", PICK("on", "on", "ignoring"),
		    PICK("a", "a, b", "a, b, c", "b", "", "__name__, a", "job"));
}

static struct kind put_join(struct text *text, int depth)
{
	struct text left = { .len = 0 }, right = { .len = 0 };
	struct kind l = put_vector(&left, depth - 1), r = put_vector(&right, depth - 1);
	bool equal = l.equal && r.equal, compares = chance(40) && equal;
	put(text, "((%s) %s", left.bytes,
	    compares ? PICK("==", "!=", ">", "<", ">=", "<=") : PICK("+", "-", "*", "/", "%", "^"));
	bool is_bool = compares && chance(40);
	if (is_bool)
		put(text, " bool");
	bool fills = chance(15);
	if (chance(50)) {
		put(text, " %s",
		    PICK("on(a, b)", "on(a)", "ignoring(c)", "ignoring(b, c)", "on(a, job)",
			 "on(__name__, a)", "on()"));
		if (chance(50))
			put(text, " %s%s", PICK("group_left", "group_right"),
			    PICK("", "()", "(c)", "(d)", "(c, d)"));
	}
	if (fills)
		put(text, " %s", PICK("fill(0)", "fill_left(1)", "fill_right(-1)", "fill(NaN)",
				      "fill_left(1) fill_right(2)"));
	put(text, " (%s))", right.bytes);
	/* fmod() of inexact numbers jumps. */
	return (struct kind){ equal && true, compares && (is_bool || (l.exact && r.exact)) };
}

static struct kind put_set(struct text *text, int depth)
{
	struct text left = { .len = 0 }, right = { .len = 0 };
	struct kind l = put_vector(&left, depth - 1), r = put_vector(&right, depth - 1);
	put(text, "((%s) %s", left.bytes, PICK("and", "or", "unless"));
	put_matching(text);
	put(text, " (%s))", right.bytes);
	return (struct kind){ l.equal && r.equal, l.exact && r.exact };
}

static struct kind put_histogram(struct text *text)
{
	bool many = chance(20);
	if (chance(30))
		put(text, "histogram_fraction(%s, %s, ", PICK("0", "-1", "0.3", "NaN", "-Inf"),
		    PICK("1", "0.7", "0", "Inf", "3"));
	else if (many)
		put(text, "histogram_quantiles(");
	else
		put(text, "histogram_quantile(%s, ",
		    PICK("0.5", "0.9", "0", "1", "-1", "2", "NaN", "scalar(n)"));
	many = text->bytes[text->len - 1] == '(';
	switch (below(3)) {
	case 0:
		put(text, "h_bucket");
		break;
	case 1:
		put(text, "rate(h_bucket[2m])");
		break;
	default:
		put(text, "sum by (le%s) (h_bucket)", PICK("", ", a"));
	}
	if (many)
		put(text, ", \"q\", 0.5, %s", PICK("1", "0.9", "scalar(n)"));
	put(text, ")");
	return (struct kind){ true, false };
}

static struct kind put_vector(struct text *text, int depth)
{
	if (depth <= 0)
		return put_leaf(text);
	switch (below(16)) {
	case 0:
	case 1:
	case 2:
		return put_leaf(text);
	case 3:
		if (chance(30))
			return put_rare_aggregate(text, depth);
		return put_aggregate(text, depth);
	case 4:
		return put_aggregate(text, depth);
	case 5:
	case 6:
	case 7:
		return put_function(text, depth);
	case 8:
	case 9:
		return put_with_scalar(text, depth);
	case 10:
	case 11:
	case 12:
		return put_join(text, depth);
	case 13:
		return put_set(text, depth);
	case 14:
		if (chance(30)) {
			put(text, "vector(");
			put_scalar(text, 2);
			put(text, ")");
			return (struct kind){ true, false };
		}
		return put_histogram(text);
	default:
		return put_pick(text);
	}
}

/* ---- series ---- */

struct live {
	struct series *series;
	bool is_u, is_bucket, tells_start, dead;
	double value;
	int64_t last_ms, start_ms;
};

struct run {
	struct world world;
	struct live live[SERIES_MAX];
	size_t nlive;
	int64_t now_ms;
	uint32_t born;
};

static void birth(struct run *run)
{
	char text[256];
	size_t len = 0;
	uint32_t which = below(11);
	const char *name = which < 4 ? "m" : which < 7 ? "n"
					     : which < 9 ? "u"
					     : which < 10 ? "h_bucket"
							  : "target_info";
	if (run->nlive == SERIES_MAX)
		return;
	len += (size_t)snprintf(text + len, sizeof(text) - len, "%s{", name);
	if (chance(85))
		len += (size_t)snprintf(text + len, sizeof(text) - len, "a=\"%u\",", below(3));
	if (chance(60) && which < 9)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "b=\"%s\",",
					PICK("x", "y"));
	if (chance(20) && which < 9)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "c=\"%u\",", below(2));
	if (chance(30) && which < 9)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "job=\"j\",");
	if (which == 9)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "le=\"%s\",",
					PICK("0.1", "1", "5", "+Inf", "1.0", "-1", "odd", "1e1"));
	if (which == 10)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"job=\"j\",version=\"%u\",", below(3));
	snprintf(text + len, sizeof(text) - len, "}");
	struct series *series = world_series_of(&run->world, text);
	for (size_t i = 0; i < run->nlive; i++)
		if (run->live[i].series == series)
			return;
	run->live[run->nlive++] = (struct live){ .series = series,
						 .is_u = which == 7 || which == 8,
						 .is_bucket = which == 9,
						 .tells_start = chance(30) };
	run->born++;
}

static double next_value(struct live *live)
{
	if (live->is_u) /* no two alike */
		return (double)random_bits() / 1e9 - 1e5;
	uint32_t dice = below(100);
	if (live->is_bucket || dice < 50)
		return live->value += below(12) * 0.25;
	if (dice < 60)
		return live->value = 0;
	if (dice < 64)
		return NAN;
	if (dice < 66)
		return chance(50) ? INFINITY : -INFINITY;
	return live->value = below(80) * 0.25 - 5;
}

/* Some tell since when they count: deltas, counters that begin anew, and nonsense. */
static void put_start(struct run *run, struct live *live, int64_t ts_ms)
{
	int64_t choices[] = { live->last_ms, live->last_ms + below(20000), live->start_ms,
			      live->start_ms, ts_ms - below(200000), ts_ms };
	live->start_ms = choices[below(6)];
	ck_assert_int_eq(store_start_add(run->world.store, live->series, ts_ms, live->start_ms), 0);
}

static void scrape(struct run *run, int64_t t_ms)
{
	for (size_t i = 0; i < run->nlive; i++) {
		struct live *live = &run->live[i];
		if (live->dead || chance(15))
			continue;
		int64_t ts_ms = t_ms - (chance(50) ? 0 : below(4000));
		if (chance(3))
			world_add_bits(&run->world, live->series, ts_ms, STALE_BITS);
		else
			world_add(&run->world, live->series, ts_ms, next_value(live));
		if (live->tells_start && chance(85))
			put_start(run, live, ts_ms);
		live->last_ms = ts_ms;
		if (chance(2))
			live->dead = true;
	}
}

static bool is_member(const struct selector *selector, const struct series *series)
{
	for (uint32_t row = 0; row < selector->nmembers; row++)
		if (selector->members[row] == series)
			return true;
	return false;
}

/* Moves the horizon to the present, so that what is long dead goes. */
static void sweep(struct run *run)
{
	size_t kept = 0;
	run->world.due_ms = run->now_ms;
	store_sweep(run->world.store, SIZE_MAX);
	for (size_t i = 0; i < run->nlive; i++)
		if (is_member(run->world.all, run->live[i].series))
			run->live[kept++] = run->live[i];
	run->nlive = kept;
}

/* ---- comparison ---- */

static bool is_same_value(double a, double b, bool equal)
{
	uint64_t x, y;
	memcpy(&x, &a, sizeof(x));
	memcpy(&y, &b, sizeof(y));
	if (x == STALE_BITS || y == STALE_BITS)
		return false;
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	if (equal)
		return x == y || (a == 0 && b == 0);
	return a == b || fabs(a - b) <= 1e-6 * fmax(1, fmax(fabs(a), fabs(b)));
}

static bool is_same(const struct oracle_result *a, const struct oracle_result *b, bool equal)
{
	if (a->type != b->type || a->n != b->n || (a->error[0] != 0) != (b->error[0] != 0))
		return false;
	if (a->type == VALUE_SCALAR && !is_same_value(a->scalar, b->scalar, equal))
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!labels_is_equal(a->rows[i].labels, b->rows[i].labels) ||
		    !is_same_value(a->rows[i].value, b->rows[i].value, equal))
			return false;
	return true;
}

static unsigned compared, failed_evals, empty;

static void compare(struct run *run, struct binding *binding, const struct plan *plan,
		    const struct query *query, uint32_t root, bool equal, int64_t t_ms,
		    const char *how)
{
	struct oracle_result got, wanted;
	int code = eval_root(binding, plan, root, t_ms, chance(50) ? INT64_MAX : 1 + below(40));
	result_of(&run->world, binding, root, code, &got);
	ck_assert_int_eq(
		oracle_eval(run->world.store, query->expr, t_ms, WORLD_LOOKBACK_MS, &wanted), 0);
	if (!is_same(&got, &wanted, equal)) {
		char *a = result_text(&got), *b = result_text(&wanted);
		ck_abort_msg("%s at %lld (%s):\n  binding %s\n  oracle  %s", query->text,
			     (long long)t_ms, how, a, b);
	}
	compared++;
	failed_evals += got.error[0] != 0;
	empty += !got.error[0] && got.type == VALUE_VECTOR && got.n == 0;
	oracle_result_fini(&got);
	oracle_result_fini(&wanted);
}

static void one_run(uint64_t number)
{
	struct run run = { .now_ms = T0 };
	struct query queries[EXPRESSIONS];
	bool equal[EXPRESSIONS];
	uint32_t roots[EXPRESSIONS];
	seed = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
	world_init(&run.world, T0, REACH_MS);
	struct plan *plan = plan_new();
	for (int i = 0; i < EXPRESSIONS; i++) {
		struct text text;
		do {
			text.len = 0;
			if (i == 0)
				put_scalar(&text, 3);
			equal[i] = i == 0 || put_vector(&text, (int)below(4)).equal;
		} while (!query_init(&queries[i], text.bytes, text.len) &&
			 (query_fini(&queries[i]), true));
		ck_assert_int_eq(plan_add(plan, queries[i].expr, &roots[i]), 0);
	}
	plan_check(plan);
	for (uint32_t i = 0, n = below(25); i < n; i++)
		birth(&run);
	struct binding *binding = NULL;
	struct binding_options options = { .lookback_ms = WORLD_LOOKBACK_MS, .standing = true };
	ck_assert_int_eq(binding_new(run.world.store, plan, &options, &binding), 0);
	bool shaped = false;
	for (int step = 0; step < STEPS; step++) {
		/* Changes come while the shape is being made, too. */
		for (int part = 0; part < 4; part++) {
			int64_t units =
				shaped || step == STEPS - 1 || step >= 2 ? INT64_MAX : below(30);
			if (!shaped)
				shaped = binding_shape(binding, &units) == 0;
			for (uint32_t i = 0, n = below(6); i < n; i++)
				birth(&run);
			run.now_ms += STEP_MS;
			scrape(&run, run.now_ms);
			if (chance(15)) {
				run.now_ms += 16 * 60 * 1000;
				store_time_set(run.world.store, run.now_ms);
				scrape(&run, run.now_ms);
				sweep(&run);
			}
			if (chance(30) || part == 3) {
				ck_assert_int_eq(binding_extend(binding), 0);
				size_t n;
				struct selector **changed =
					store_changed_selectors(run.world.store, &n);
				for (size_t i = 0; i < n; i++)
					selector_log_clear(changed[i]);
				store_changed_clear(run.world.store);
			}
		}
		if (!shaped)
			continue;
		binding_check(binding);
		for (int i = 0; i < EXPRESSIONS; i++)
			compare(&run, binding, plan, &queries[i], roots[i], equal[i], run.now_ms,
				"standing");
		if (!chance(20))
			continue;
		struct binding *fresh = binding_of(&run.world, plan, false);
		for (int i = 0; i < EXPRESSIONS; i++)
			compare(&run, fresh, plan, &queries[i], roots[i], equal[i],
				run.now_ms - 30000, "snapshot");
		binding_free(fresh);
	}
	binding_free(binding);
	plan_free(plan);
	for (int i = 0; i < EXPRESSIONS; i++)
		query_fini(&queries[i]);
	world_fini(&run.world);
}

START_TEST(binding_equals_the_oracle)
{
	const char *first = getenv("ORACLE_FIRST"), *count = getenv("ORACLE_RUNS");
	uint64_t from = first ? strtoull(first, NULL, 10) : 1,
		 runs = count ? strtoull(count, NULL, 10) : 400;
	for (uint64_t i = from; i < from + runs; i++) {
		if (count)
			fprintf(stderr, "run %llu\n", (unsigned long long)i);
		one_run(i);
	}
	printf("%u comparisons, %u of them errors, %u empty\n", compared, failed_evals, empty);
	ck_assert_uint_gt(compared, runs * 20);
	ck_assert_uint_lt(failed_evals, compared / 2);
	ck_assert_uint_lt(empty, compared / 2);
}
END_TEST

static Suite *oracle_suite(void)
{
	Suite *suite = suite_create("oracle");
	TCase *tcase = tcase_create("random");
	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, binding_equals_the_oracle);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(oracle_suite)
