/* The oracle's functions of an instant vector: most are of each element by itself. */
#include <math.h>
#include <time.h>

#include "engine/calendar.h"
#include "engine/oracle_internal.h"

static double sign(double v)
{
	return v < 0 ? -1 : v > 0 ? 1 : v;
}

static double degrees(double v)
{
	return v * 180 / M_PI;
}

static double radians(double v)
{
	return v * M_PI / 180;
}

/* Those of the value alone. */
static double (*const of_value[FUNCTION_COUNT])(double v) = {
	[FN_ABS] = fabs,    [FN_CEIL] = ceil,	[FN_FLOOR] = floor, [FN_EXP] = exp,
	[FN_LN] = log,	    [FN_LOG2] = log2,	[FN_LOG10] = log10, [FN_SQRT] = sqrt,
	[FN_SGN] = sign,    [FN_SIN] = sin,	[FN_COS] = cos,	    [FN_TAN] = tan,
	[FN_ASIN] = asin,   [FN_ACOS] = acos,	[FN_ATAN] = atan,   [FN_SINH] = sinh,
	[FN_COSH] = cosh,   [FN_TANH] = tanh,	[FN_ASINH] = asinh, [FN_ACOSH] = acosh,
	[FN_ATANH] = atanh, [FN_DEG] = degrees, [FN_RAD] = radians,
};

static double calendar(enum function_id field, double seconds)
{
	if (!(fabs(seconds) < 1e15)) /* of years that struct tm cannot hold */
		return calendar_field(field, seconds);
	time_t t = (time_t)seconds;
	struct tm tm;
	gmtime_r(&t, &tm);
	switch (field) {
	case FN_MINUTE:
		return tm.tm_min;
	case FN_HOUR:
		return tm.tm_hour;
	case FN_DAY_OF_WEEK:
		return tm.tm_wday;
	case FN_DAY_OF_MONTH:
		return tm.tm_mday;
	case FN_DAY_OF_YEAR:
		return tm.tm_yday + 1;
	case FN_MONTH:
		return tm.tm_mon + 1;
	case FN_YEAR:
		return tm.tm_year + 1900;
	default:
		/* The day before the first of the next month. */
		tm.tm_mon++;
		tm.tm_mday = 0;
		t = timegm(&tm);
		gmtime_r(&t, &tm);
		return tm.tm_mday;
	}
}

static double of_element(struct oracle *o, enum function_id id, double v, const double *args)
{
	if (of_value[id])
		return of_value[id](v);
	switch (id) {
	case FN_MINUTE:
	case FN_HOUR:
	case FN_DAY_OF_WEEK:
	case FN_DAY_OF_MONTH:
	case FN_DAY_OF_YEAR:
	case FN_DAYS_IN_MONTH:
	case FN_MONTH:
	case FN_YEAR:
		return calendar(id, v);
	case FN_ROUND:
		return floor(v * (1.0 / args[0]) + 0.5) / (1.0 / args[0]);
	case FN_CLAMP:
		return oracle_max(args[0], oracle_min(args[1], v));
	case FN_CLAMP_MIN:
		return oracle_max(args[0], oracle_min(INFINITY, v));
	case FN_CLAMP_MAX:
		return oracle_max(-INFINITY, oracle_min(args[0], v));
	default:
		oracle_fail(o, "unknown function");
	}
}

static struct vector map_elements(struct oracle *o, const struct expr *expr)
{
	double args[2] = { 1, 0 };
	enum function_id id = expr->call.function->id;
	struct vector out = { NULL, 0 };
	if (expr->call.nargs)
		out = oracle_vector(o, expr->call.args[0]);
	else /* hour(): of the time */
		vector_add(o, &out, (struct tags){ NULL, 0 }, (double)o->t_ms / 1000);
	for (uint32_t i = 1; i < expr->call.nargs; i++)
		args[i - 1] = oracle_scalar(o, expr->call.args[i]);
	if (id == FN_CLAMP && args[1] < args[0])
		out.n = 0;
	for (size_t i = 0; i < out.n; i++) {
		out.items[i].tags = tags_without_name(o, out.items[i].tags);
		out.items[i].value = of_element(o, id, out.items[i].value, args);
	}
	vector_check(o, &out);
	return out;
}

/* Of native histograms, of which there are none; the argument may fail all the same. */
static struct vector nothing(struct oracle *o, const struct expr *expr)
{
	oracle_vector(o, expr->call.args[0]);
	return (struct vector){ NULL, 0 };
}

/* The order is the query's, not the vector's. */
static struct vector unsorted(struct oracle *o, const struct expr *expr)
{
	return oracle_vector(o, expr->call.args[0]);
}

static struct vector (*const of_vector[FUNCTION_COUNT])(struct oracle *, const struct expr *) = {
	[FN_LABEL_REPLACE] = oracle_label_replace,
	[FN_LABEL_JOIN] = oracle_label_join,
	[FN_HISTOGRAM_QUANTILE] = oracle_histogram,
	[FN_HISTOGRAM_FRACTION] = oracle_histogram,
	[FN_HISTOGRAM_QUANTILES] = oracle_quantiles,
	[FN_HISTOGRAM_AVG] = nothing,
	[FN_HISTOGRAM_COUNT] = nothing,
	[FN_HISTOGRAM_SUM] = nothing,
	[FN_HISTOGRAM_STDDEV] = nothing,
	[FN_HISTOGRAM_STDVAR] = nothing,
	[FN_INFO] = oracle_info,
	[FN_SORT] = unsorted,
	[FN_SORT_DESC] = unsorted,
	[FN_SORT_BY_LABEL] = unsorted,
	[FN_SORT_BY_LABEL_DESC] = unsorted,
};

struct vector oracle_call(struct oracle *o, const struct expr *expr)
{
	enum function_id id = expr->call.function->id;
	return of_vector[id] ? of_vector[id](o, expr) : map_elements(o, expr);
}
