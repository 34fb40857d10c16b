/* Functions of templates: Prometheus' own about numbers, durations and times. */
#include "rules/template_functions.h"

#include <ctype.h>
#include <math.h>

#include "base/error.h"
#include "base/quote.h"
#include "base/text.h"

static const char *const large_prefixes[] = { "k", "M", "G", "T", "P", "E", "Z", "Y" };
static const char *const binary_prefixes[] = { "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi" };
static const char *const small_prefixes[] = { "m", "u", "n", "p", "f", "a", "z", "y" };
#define PREFIXES 8

/* Go's %.4g: C's, but for the names of what is no number. */
static void add_4g(double v, struct buf *text)
{
	if (isnan(v))
		buf_add_str(text, "NaN");
	else if (isinf(v))
		buf_add_str(text, v < 0 ? "-Inf" : "+Inf");
	else
		buf_printf(text, "%.4g", v);
}

/* Divides until it is below the factor; returns the prefix. */
static const char *scale_down(double *v, double factor, const char *const *prefixes)
{
	const char *prefix = "";
	for (int i = 0; i < PREFIXES && fabs(*v) >= factor; i++) {
		prefix = prefixes[i];
		*v /= factor;
	}
	return prefix;
}

static const char *scale_up(double *v)
{
	const char *prefix = "";
	for (int i = 0; i < PREFIXES && fabs(*v) < 1; i++) {
		prefix = small_prefixes[i];
		*v *= 1000;
	}
	return prefix;
}

static int give_scaled(struct template_call *call, double v, const char *prefix,
		       struct template_value *out)
{
	struct buf text;
	buf_init(&text);
	add_4g(v, &text);
	buf_add_str(&text, prefix);
	return template_give(call, &text, out);
}

int fn_humanize(struct template_call *call, struct template_value *out)
{
	double v;
	const char *prefix = "";
	int error = template_to_float(call, &call->args[0], &v);
	if (error)
		return error;
	if (v != 0 && isfinite(v))
		prefix = fabs(v) >= 1 ? scale_down(&v, 1000, large_prefixes) : scale_up(&v);
	return give_scaled(call, v, prefix, out);
}

int fn_humanize1024(struct template_call *call, struct template_value *out)
{
	double v;
	const char *prefix = "";
	int error = template_to_float(call, &call->args[0], &v);
	if (error)
		return error;
	if (fabs(v) > 1 && isfinite(v))
		prefix = scale_down(&v, 1024, binary_prefixes);
	return give_scaled(call, v, prefix, out);
}

int fn_humanize_percentage(struct template_call *call, struct template_value *out)
{
	double v;
	int error = template_to_float(call, &call->args[0], &v);
	return error ? error : give_scaled(call, v * 100, "%", out);
}

/* From a second on: days to minutes with whole seconds, below a minute four digits. */
static void add_long_duration(double v, struct buf *text)
{
	double magnitude = fabs(v);
	/* What int64 cannot hold comes out as its least value in Prometheus on amd64. */
	int64_t whole = magnitude < 9223372036854775808.0 ? (int64_t)magnitude : INT64_MIN;
	int64_t seconds = whole % 60, minutes = whole / 60 % 60, hours = whole / 3600 % 24,
		days = whole / 86400;
	if (v < 0)
		buf_add_char(text, '-');
	if (days)
		buf_printf(text, "%lldd %lldh %lldm %llds", (long long)days, (long long)hours,
			   (long long)minutes, (long long)seconds);
	else if (hours)
		buf_printf(text, "%lldh %lldm %llds", (long long)hours, (long long)minutes,
			   (long long)seconds);
	else if (minutes)
		buf_printf(text, "%lldm %llds", (long long)minutes, (long long)seconds);
	else
		buf_printf(text, "%.4gs", magnitude);
}

int fn_humanize_duration(struct template_call *call, struct template_value *out)
{
	double v;
	struct buf text;
	int error = template_to_float(call, &call->args[0], &v);
	if (error)
		return error;
	buf_init(&text);
	if (!isfinite(v)) {
		add_4g(v, &text);
	} else if (v == 0) {
		add_4g(v, &text);
		buf_add_char(&text, 's');
	} else if (fabs(v) >= 1) {
		add_long_duration(v, &text);
	} else {
		const char *prefix = scale_up(&v);
		add_4g(v, &text);
		buf_printf(&text, "%ss", prefix);
	}
	return template_give(call, &text, out);
}

/* Prometheus computes in nanoseconds of an int64 and keeps milliseconds. */
static int to_time_ms(struct template_call *call, double v, int64_t *ms)
{
	double ns = v * 1e9;
	if (!(ns < 9223372036854775808.0 && ns >= -9223372036854775808.0))
		return template_fail(call,
				     "%g cannot be represented as a nanoseconds timestamp since it "
				     "overflows int64",
				     v);
	*ms = (int64_t)ns / 1000000;
	return 0;
}

int fn_humanize_timestamp(struct template_call *call, struct template_value *out)
{
	double v;
	int64_t ms = 0;
	struct buf text;
	int error = template_to_float(call, &call->args[0], &v);
	if (!error && !isfinite(v))
		return give_scaled(call, v, "", out);
	if (!error)
		error = to_time_ms(call, v, &ms);
	if (error)
		return error;
	buf_init(&text);
	template_time_format(ms, &text);
	return template_give(call, &text, out);
}

int fn_to_time(struct template_call *call, struct template_value *out)
{
	double v;
	int64_t ms = 0;
	int error = template_to_float(call, &call->args[0], &v);
	if (!error && !isfinite(v))
		return template_fail(call, "value is NaN or Inf");
	if (!error)
		error = to_time_ms(call, v, &ms);
	if (!error)
		*out = (struct template_value){ .type = TEMPLATE_TIME, .integer = ms };
	return error;
}

int fn_to_duration(struct template_call *call, struct template_value *out)
{
	double v;
	int error = template_to_float(call, &call->args[0], &v);
	if (error)
		return error;
	double ns = v * 1e9;
	bool fits = ns < 9223372036854775808.0 && ns >= -9223372036854775808.0;
	*out = (struct template_value){ .type = TEMPLATE_DURATION,
					.integer = fits ? (int64_t)ns : INT64_MIN };
	return 0;
}

/* Why a text is no duration, in Prometheus' words. */
static int fail_duration(struct template_call *call, struct slice text)
{
	static const char *const units[] = { "y", "w", "d", "h", "m", "s", "ms" };
	size_t i = 0;
	if (text.len == 0)
		return template_fail(call, "empty duration string");
	while (i < text.len && isdigit((unsigned char)text.ptr[i])) {
		while (i < text.len && isdigit((unsigned char)text.ptr[i]))
			i++;
		size_t from = i;
		bool known = false;
		while (i < text.len && !isdigit((unsigned char)text.ptr[i]))
			i++;
		struct slice unit = { text.ptr + from, i - from };
		for (size_t k = 0; k < sizeof(units) / sizeof(*units); k++)
			known |= slice_is(unit, units[k]);
		if (unit.len > 0 && !known) {
			struct buf before;
			buf_init(&before);
			buf_add_str(&before, "unknown unit ");
			text_quote((struct slice){ unit.ptr, unit.len < 80 ? unit.len : 80 },
				   &before);
			buf_add_str(&before, " in duration ");
			buf_add_char(&before, '\0');
			int error = template_fail_quoted(call, buf_ok(&before) ? before.ptr : "",
							 text, "");
			buf_fini(&before);
			return error;
		}
	}
	return template_fail_quoted(call, "not a valid duration string: ", text, "");
}

int fn_parse_duration(struct template_call *call, struct template_value *out)
{
	int64_t ms = 0;
	struct slice text = call->args[0].string;
	if (duration_parse(text, &ms))
		return fail_duration(call, text);
	*out = (struct template_value){ .type = TEMPLATE_FLOAT, .number = (double)ms / 1000 };
	return 0;
}
