#include "tests/engine/expressions.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- randomness ---- */

static uint64_t seed;
static struct expr_settings settings;

void dice_seed(uint64_t number)
{
	seed = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

uint64_t dice_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * UINT64_C(2685821657736338717) >> 16;
}

uint32_t below(uint32_t n)
{
	return (uint32_t)(dice_bits() % n);
}

bool chance(uint32_t percent)
{
	return below(100) < percent;
}

const char *pick(const char *const *list)
{
	uint32_t n = 0;
	while (list[n])
		n++;
	return list[below(n)];
}

/* ---- expressions ---- */

void expressions_set(const struct expr_settings *to)
{
	settings = *to;
}

static void put(struct expr_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void put(struct expr_text *text, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text->bytes + text->len, sizeof(text->bytes) - text->len, format, args);
	va_end(args);
	assert(n >= 0);
	text->len += (size_t)n;
	assert(text->len < sizeof(text->bytes));
}

void put_scalar(struct expr_text *text, int depth)
{
	switch (depth > 0 ? below(10) : below(6)) {
	default:
		if (settings.is_wide && chance(30))
			put(text, "%s",
			    PICK("0x1F", "1_000", ".5", "5.", "1e1", "2E-1", "5m", "1h30m", "010",
				 "INF", "nAN", "-0", "+3", "pi()", "1ms", "0b11", "00", "1_000.5",
				 "1__0", "1_", "0x_1F", "0x1_F", "1e1_0", "00_1", "08", "1_e1",
				 "0x1p1", "0o17", "1..2", "1.e1", "0x1.8", "1_.5", "09.5", "1e+2",
				 "1e", "0x", "1e-03"));
		else
			put(text, "%s",
			    PICK("1", "2", "0.5", "0", "3", "-1", "10", "4", "NaN", "Inf"));
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

static const char *any_name(void)
{
	if (settings.is_wide && chance(25))
		return PICK("c_total", "c_total", "g", "y", "{__name__=~\"m|y\"}", "{\"dots.in.name\"}", "{'m'}",
			    "{__name__=`n`}", "{__name__=~\"c_.*\",__name__!~\"m\"}", "none");
	return PICK("m", "m", "n", "n", "{__name__=~\"m|n\"}", "{job=\"j\"}");
}

static void put_selector(struct expr_text *text, const char *name)
{
	put(text, "%s", name ? name : any_name());
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
	if (settings.is_wide && chance(5))
		put(text, "%s",
		    PICK("\"label.é\"=\"a b\",", "'label.é'!='',", "b!='',", "a=`1`,",
			 "a=\"\\x31\",", "a=~\"(?i:X)|1\",", "a=~\"[^0]\",", "none=~\"\",",
			 "a=\"\\u0031\"", "a!=\"1\",a!=\"1\""));
	put(text, "}");
}

static void put_range_length(struct expr_text *text, const char *plain)
{
	if (settings.is_wide && chance(20))
		plain = PICK("60", "1m + 30s", "2 * 45s", "90s - 0.5", "1m30s", "1h / 60",
			     "7m % 4m", "(1m)", "2 ^ 6", "-(-1m)", "0x40", "1h - 50m * 1");
	put(text, "[%s]", plain);
}

static void put_at(struct expr_text *text)
{
	if (settings.around_s && chance(50))
		put(text, " @ %lld%s", (long long)settings.around_s + below(1000) - 500,
		    PICK("", ".5", ".123", "e0", ".0"));
	else
		put(text, " @ %s", PICK("start()", "end()"));
}

static void put_offset(struct expr_text *text)
{
	bool at = chance(settings.is_wide ? 10 : 5), at_first = settings.is_wide && chance(50);
	if (at && at_first)
		put_at(text);
	if (chance(15))
		put(text, " offset %s",
		    settings.is_wide && chance(30)
			    ? PICK("(30s + 30s)", "60", "-(10s)", "1m30s", "(2 * 1m)", "-1.5",
				   "(1m - 2m)", "+30s", "0s", "(7m % 2m)", "0")
			    : PICK("30s", "1m", "2m", "-20s"));
	if (at && !at_first)
		put_at(text);
}

static void put_subquery(struct expr_text *text)
{
	switch (below(settings.is_wide ? 7 : 5)) {
	case 5:
		put(text, "(");
		put_vector(text, 1);
		put(text, ")");
		break;
	case 6: /* deeper ones are many steps */
		put(text, "sum_over_time(");
		put_selector(text, "m");
		put(text, "[2m:1m])");
		break;
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

static struct expr_known put_range(struct expr_text *text)
{
	static const struct {
		const char *name;
		bool exact, is_new; /* newer than Prometheus 3.5 */
	} choices[] = {
		{ "rate(", false, false },
		{ "increase(", false, false },
		{ "delta(", false, false },
		{ "irate(", false, false },
		{ "idelta(", true, false },
		{ "changes(", true, false },
		{ "resets(", true, false },
		{ "avg_over_time(", false, false },
		{ "sum_over_time(", true, false },
		{ "min_over_time(", true, false },
		{ "max_over_time(", true, false },
		{ "count_over_time(", true, false },
		{ "last_over_time(", true, false },
		{ "first_over_time(", true, true },
		{ "stddev_over_time(", false, false },
		{ "stdvar_over_time(", false, false },
		{ "deriv(", false, false },
		{ "quantile_over_time(0.3, ", false, false },
		{ "quantile_over_time(2, ", false, false },
		{ "present_over_time(", true, false },
		{ "absent_over_time(", true, false },
		{ "predict_linear(", false, false },
		{ "mad_over_time(", false, true }, /* of NaN */
		{ "ts_of_first_over_time(", false, true },
		{ "ts_of_last_over_time(", false, false },
		{ "ts_of_min_over_time(", false, false },
		{ "ts_of_max_over_time(", false, false },
		{ "double_exponential_smoothing(", false, false },
	};
	uint32_t f;
	do
		f = below(sizeof(choices) / sizeof(*choices));
	while (choices[f].is_new && settings.for_peer);
	put(text, "%s", choices[f].name);
	if (chance(25)) {
		/* Of what is exact: a step that came out otherwise would count as a change. */
		put_subquery(text);
	} else {
		put_selector(text, NULL);
		put_range_length(text, PICK("1m", "90s", "5m", "2m", "10m"));
	}
	put_offset(text);
	put(text, "%s",
	    strcmp(choices[f].name, "predict_linear(") == 0 ? ", 60)"
	    : choices[f].name[0] == 'd' && choices[f].name[1] == 'o'
		    ? PICK(", 0.3, 0.5)", ", 0.3, 0.5)", ", 1, 0.5)")
		    : ")");
	return (struct expr_known){ true, choices[f].exact };
}

static struct expr_known put_edges(struct expr_text *text)
{
	if (chance(20)) {
		put_selector(text, NULL);
		put(text, " smoothed");
		return (struct expr_known){ true, false };
	}
	bool anchored = chance(50);
	put(text, "%s(",
	    anchored || chance(10) ? PICK("rate", "increase", "delta", "changes", "resets")
				   : PICK("rate", "increase", "delta"));
	put_selector(text, NULL);
	put(text, "[%s] %s", PICK("1m", "90s", "2m"), anchored ? "anchored" : "smoothed");
	put_offset(text);
	put(text, ")");
	return (struct expr_known){ true, false };
}

static struct expr_known put_leaf(struct expr_text *text)
{
	if (chance(8) && !settings.for_peer)
		return put_edges(text);
	if (chance(50))
		return put_range(text);
	bool exact = chance(85);
	put_selector(text, exact ? NULL : "u");
	put_offset(text);
	return (struct expr_known){ true, exact };
}

static const char *labels_list(void)
{
	return PICK("", "a", "b", "a, b", "a, b, c", "job", "__name__", "a, __name__", "c",
		    "__type__", "a, __type__");
}

static struct expr_known put_aggregate(struct expr_text *text, int depth)
{
	struct expr_text operand = { .len = 0 };
	struct expr_known in = put_vector(&operand, depth - 1);
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
	return (struct expr_known){ counts || (in.equal && !recurs && !(adds && !in.exact)),
				    exact };
}

static struct expr_known put_rare_aggregate(struct expr_text *text, int depth)
{
	struct expr_text operand = { .len = 0 };
	struct expr_known in = put_vector(&operand, depth - 1);
	const char *by = PICK("by", "without");
	if (in.equal && (in.exact || !settings.for_peer) && chance(60)) {
		put(text, "count_values %s (%s) (\"%s\", %s)", by, labels_list(),
		    PICK("v", "a", "__name__", ""), operand.bytes);
		return (struct expr_known){ true, true };
	}
	/* Which elements are picked is the implementation's. */
	if (chance(50))
		put(text, "limitk %s (%s) (%s, %s)", by, labels_list(),
		    settings.for_peer ? PICK("0", "100", "NaN") : PICK("1", "2", "0", "100", "NaN"),
		    operand.bytes);
	else
		put(text, "limit_ratio(%s, %s)",
		    settings.for_peer ? PICK("1", "-1", "NaN", "2", "0")
				      : PICK("0.5", "-0.5", "1", "-1", "0.1", "NaN"),
		    operand.bytes);
	return in;
}

/* Without ties: which of equal elements is picked is the implementation's. */
static struct expr_known put_pick(struct expr_text *text)
{
	const char *k = PICK("1", "2", "3", "0", "-1", "1000", "1.9", "NaN", "1e30", "scalar(n)");
	put(text, "%s %s (%s) (%s, ", PICK("topk", "bottomk"), PICK("by", "without"), labels_list(),
	    k);
	if (chance(50))
		put(text, "2 * ");
	put_selector(text, "u");
	put(text, ")");
	return (struct expr_known){ true, false };
}

static struct expr_known put_function(struct expr_text *text, int depth)
{
	struct expr_text operand = { .len = 0 };
	struct expr_known in = put_vector(&operand, depth - 1);
	const char *v = operand.bytes;
	switch (below(16)) {
	case 12:
		put(text, "%s(%s)",
		    PICK("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
			 "asinh", "acosh", "atanh", "deg", "rad"),
		    v);
		return (struct expr_known){ in.equal, false };
	case 13:
		if (!in.equal)
			put(text, "abs(%s)", v);
		else
			put(text, "%s(%s%s)",
			    PICK("minute", "hour", "day_of_week", "day_of_month", "day_of_year",
				 "days_in_month", "month", "year"),
			    v, PICK(" * 86399", "* -100000", ""));
		return in.equal ? (struct expr_known){ true, true } : in;
	case 14:
		put(text, "%s(%s, \"a\")", PICK("sort_by_label", "sort_by_label_desc"), v);
		return in;
	case 15:
		if (settings.for_peer) {
			put(text, "info(i%s)", PICK("", ", {version=~\".+\"}"));
			return (struct expr_known){ true, true };
		}
		put(text, "info(%s%s)", v,
		    PICK("", ", {version=~\".+\"}", ", {version=~\".*\"}",
			 ", {__name__=~\"target_info|m\"}", ", {a=\"1\",__name__!=\"n\"}"));
		return in;
	case 0:
		put(text, "abs(%s)", v);
		return in;
	case 1:
		put(text, "%s(%s)", PICK("exp", "ln", "log2", "log10", "sqrt"), v);
		return (struct expr_known){ in.equal, false };
	case 2:
		put(text, "%s(%s)", in.equal ? PICK("ceil", "floor", "round", "sgn") : "abs", v);
		return in;
	case 3:
		put(text, in.equal ? "round(%s, 0.3)" : "abs(%s)", v);
		return (struct expr_known){ in.equal, false };
	case 4:
		put(text, "clamp(%s, %s, %s)", v, PICK("0", "1", "5", "-1", "NaN"),
		    PICK("2", "0", "7", "Inf"));
		return in;
	case 5:
		put(text, "%s(%s, %s)", PICK("clamp_min", "clamp_max"), v,
		    PICK("0", "1.5", "-1", "NaN"));
		return in;
	case 6:
		put(text, "%s(%s)",
		    settings.for_peer ? "timestamp"
				      : PICK("timestamp", "timestamp", "start_timestamp"),
		    v);
		/* Of thousandths, sums are not exact. */
		return (struct expr_known){ true, false };
	case 7:
		put(text, "%s(%s)", PICK("sort", "sort_desc"), v);
		return in;
	case 8:
		put(text, "label_replace(%s, \"%s\", \"%s\", \"%s\", \"%s\")", v,
		    PICK("d", "a", "__name__", "b", "__type__", "bad\\xff", ""),
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
		return (struct expr_known){ true, true };
	}
}

static struct expr_known put_with_scalar(struct expr_text *text, int depth)
{
	struct expr_text operand = { .len = 0 };
	struct expr_known in = put_vector(&operand, depth - 1), out = { in.equal, false };
	bool compares = chance(60) && in.equal;
	const char *op = compares ? PICK("==", "!=", ">", "<", ">=", "<=")
				  : PICK("+", "-", "*", "/", "^", "atan2");
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

static void put_matching(struct expr_text *text)
{
	if (chance(50))
		put(text, " %s(%s)", PICK("on", "on", "ignoring"),
		    PICK("a", "a, b", "a, b, c", "b", "", "__name__, a", "job"));
}

static struct expr_known put_join(struct expr_text *text, int depth)
{
	struct expr_text left = { .len = 0 }, right = { .len = 0 };
	struct expr_known l = put_vector(&left, depth - 1), r = put_vector(&right, depth - 1);
	bool equal = l.equal && r.equal, compares = chance(40) && equal;
	put(text, "((%s) %s", left.bytes,
	    compares ? PICK("==", "!=", ">", "<", ">=", "<=")
		     : PICK("+", "-", "*", "/", "%", "^", "atan2"));
	bool is_bool = compares && chance(40);
	if (is_bool)
		put(text, " bool");
	bool fills = chance(15) && !settings.for_peer;
	if (chance(50)) {
		put(text, " %s",
		    PICK("on(a, b)", "on(a)", "ignoring(c)", "ignoring(b, c)", "on(a, job)",
			 "on(__name__, a)", "on(__type__, a)", "on()"));
		if (chance(50))
			put(text, " %s%s", PICK("group_left", "group_right"),
			    PICK("", "()", "(c)", "(d)", "(c, d)", "(__unit__)"));
	}
	if (fills)
		put(text, " %s",
		    PICK("fill(0)", "fill_left(1)", "fill_right(-1)", "fill(NaN)",
			 "fill_left(1) fill_right(2)"));
	put(text, " (%s))", right.bytes);
	/* fmod() of inexact numbers jumps. */
	return (struct expr_known){ equal && true, compares && (is_bool || (l.exact && r.exact)) };
}

static struct expr_known put_set(struct expr_text *text, int depth)
{
	struct expr_text left = { .len = 0 }, right = { .len = 0 };
	struct expr_known l = put_vector(&left, depth - 1), r = put_vector(&right, depth - 1);
	put(text, "((%s) %s", left.bytes, PICK("and", "or", "unless"));
	put_matching(text);
	put(text, " (%s))", right.bytes);
	return (struct expr_known){ l.equal && r.equal, l.exact && r.exact };
}

static struct expr_known put_histogram(struct expr_text *text)
{
	bool many = chance(20) && !settings.for_peer;
	bool fraction = chance(30);
	if (fraction && settings.for_peer) /* what begins in the first bucket was NaN */
		put(text, "histogram_fraction(%s, %s, ", PICK("NaN", "-Inf", "Inf"),
		    PICK("Inf", "-Inf", "NaN"));
	else if (fraction)
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
	return (struct expr_known){ true, false };
}

/* What is no expression, or none of a vector. */
static struct expr_known put_wrong(struct expr_text *text)
{
	put(text, "%s",
	    PICK("rate(m)", "sum(1)", "m[5m]", "\"text\"", "m and 1", "1 and 2", "m + on(a) 1",
		 "-\"x\"", "abs(m[5m])", "m offset 1m offset 2m", "{}", "{a=\"\"}", "m{a=~\"(\"}",
		 "sum by (1) (m)", "topk(m)", "foo(m)", "m > on(a) group_left(a) n", "m[5m:0s]",
		 "m[0s]", "m[-1m]", "m offset", "m @ m", "m{a='\\z'}", "1m1h", "m > bool", "(m",
		 "m)", "sum(m, n)", "1 == 2", "m == bool 1", "m + bool 1",
		 "m or on(a) group_left n", "count_values(1, m)", "label_replace(m, \"a\", \"b\")",
		 "m{a=\"1\" b=\"2\"}", "m{__name__=\"m\"}", "sum without (a,) (m)",
		 "SUM BY (a,) (m)", "Rate(m[5m])", "m[5m] offset 1m", "m offset 1m [5m]",
		 "rate(m[5m:1m:1m])", "time(1)", "vector(m)", "scalar(1)", "sum(m) by (a) by (b)",
		 "sum by (a) (m) by (b)", "m Or n", "m uNless n", "+m", "--m", "-+-m", "+(1)",
		 "\"a\" == \"a\"", "round(m, n)", "absent(m[5m])", "m @ start() @ end()",
		 "m[5m] @ 0", "on", "by", "bool", "sum", "sum + avg", "m{on=\"1\"}", "m{sum=''}",
		 "start", "+\"x\"", "+m[5m]", "+m[5m:]", "m{a!~''}", "offset", "topk(2, u) by (a)",
		 "quantile(0.5, m) without ()", "atan2", "inf", "group_left",
		 "label_join(m, 'd', '-')", "hour(1)", "year(vector(0), 1)", "m % 0", "2 ^ -1 ^ 2",
		 "-2 ^ 2", "m == on() m", "1 + 2 * m - -3 ^ 2", "m / m * m", "m ^ m ^ m"));
	return (struct expr_known){ false, false };
}

struct expr_known put_vector(struct expr_text *text, int depth)
{
	if (settings.is_wide && chance(3))
		return put_wrong(text);
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
			return (struct expr_known){ true, false };
		}
		return put_histogram(text);
	default:
		return put_pick(text);
	}
}
