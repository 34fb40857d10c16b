/*
 * Durations and times as text, and the clocks. Numbers are in number.c.
 */
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

#define DAY_MS (24 * 3600 * 1000ll)
#define DURATION_MAX_MS (INT64_MAX / 1000000) /* Go counts nanoseconds */

/* Largest first. Years and weeks are written only where nothing remains, as 90d reads better. */
static const struct unit {
	const char *name;
	int64_t ms;
	bool exact;
} units[] = {
	{ "y", 365 * DAY_MS, true }, { "w", 7 * DAY_MS, true }, { "d", DAY_MS, false },
	{ "h", 3600 * 1000, false }, { "m", 60 * 1000, false }, { "s", 1000, false },
	{ "ms", 1, false },
};

#define UNITS (sizeof(units) / sizeof(units[0]))

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Moves over decimal digits; false when there is none or the number passes max. */
static bool take_number(struct slice *text, int64_t max, int64_t *v)
{
	size_t i = 0;

	*v = 0;
	for (; i < text->len && is_digit(text->ptr[i]); i++) {
		int digit = text->ptr[i] - '0';

		if (*v > (max - digit) / 10)
			return false;
		*v = *v * 10 + digit;
	}
	text->ptr += i;
	text->len -= i;
	return i > 0;
}

/* Moves over letters and finds the unit among units[from…]. */
static size_t take_unit(struct slice *text, size_t from)
{
	size_t len = 0;

	while (len < text->len && text->ptr[len] >= 'a' && text->ptr[len] <= 'z')
		len++;
	struct slice word = { text->ptr, len };

	text->ptr += len;
	text->len -= len;
	for (; from < UNITS; from++) {
		if (slice_is(word, units[from].name))
			break;
	}
	return from;
}

int duration_parse(struct slice text, int64_t *ms)
{
	int64_t total = 0, count;
	size_t next_unit = 0;

	if (text.len == 0)
		return ERR_INVALID;
	if (slice_is(text, "0")) {
		*ms = 0;
		return 0;
	}
	while (text.len > 0) {
		if (!take_number(&text, DURATION_MAX_MS, &count))
			return ERR_INVALID;
		size_t u = take_unit(&text, next_unit);

		if (u == UNITS || count > (DURATION_MAX_MS - total) / units[u].ms)
			return ERR_INVALID;
		total += count * units[u].ms;
		next_unit = u + 1;
	}
	*ms = total;
	return 0;
}

void duration_format(int64_t ms, struct buf *out)
{
	uint64_t left = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;

	if (ms == 0) {
		buf_add_str(out, "0s");
		return;
	}
	if (ms < 0)
		buf_add_char(out, '-');
	for (size_t u = 0; u < UNITS; u++) {
		uint64_t unit = (uint64_t)units[u].ms;

		if (left < unit || (units[u].exact && left % unit != 0))
			continue;
		buf_printf(out, "%" PRIu64 "%s", left / unit, units[u].name);
		left %= unit;
	}
}

/*
 * Days since 1970-01-01 of a date of the Gregorian calendar. Years are counted from March, so that
 * the leap day is the last of its year and a year's months follow one formula.
 */
static int64_t days_from_date(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int64_t *year, int *month, int *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int march_month = (int)((5 * day_of_year + 2) / 153);

	*day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
	*month = march_month < 10 ? march_month + 3 : march_month - 9;
	*year = year_of_era + era * 400 + (*month <= 2);
}

static int days_of_month(int64_t year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Exactly n digits, then the character `after` (none when 0). */
static bool take_field(struct slice *text, size_t n, char after, int *v)
{
	*v = 0;
	if (text->len < n + (after != 0))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(text->ptr[i]))
			return false;
		*v = *v * 10 + (text->ptr[i] - '0');
	}
	if (after && text->ptr[n] != after)
		return false;
	text->ptr += n + (after != 0);
	text->len -= n + (after != 0);
	return true;
}

/* An optional fraction of a second, cut to milliseconds. */
static bool take_fraction(struct slice *text, int *ms)
{
	int scale = 100;
	size_t i = 1;

	*ms = 0;
	if (text->len == 0 || text->ptr[0] != '.')
		return true;
	for (; i < text->len && is_digit(text->ptr[i]); i++) {
		*ms += (text->ptr[i] - '0') * scale;
		scale /= 10;
	}
	text->ptr += i;
	text->len -= i;
	return i > 1;
}

/* Z or +hh:mm, and then the end. */
static bool take_zone(struct slice *text, int *offset_min)
{
	int hours, minutes;

	*offset_min = 0;
	if (slice_is(*text, "Z") || slice_is(*text, "z"))
		return true;
	if (text->len == 0 || (text->ptr[0] != '+' && text->ptr[0] != '-'))
		return false;
	int sign = text->ptr[0] == '-' ? -1 : 1;

	text->ptr++;
	text->len--;
	if (!take_field(text, 2, ':', &hours) || !take_field(text, 2, 0, &minutes) || text->len ||
	    hours > 24 || minutes > 59)
		return false;
	*offset_min = sign * (hours * 60 + minutes);
	return true;
}

static int parse_rfc3339(struct slice text, int64_t *ms)
{
	int year, month, day, hour, minute, second, fraction_ms, offset_min;

	if (!take_field(&text, 4, '-', &year) || !take_field(&text, 2, '-', &month) ||
	    !take_field(&text, 2, 0, &day) || text.len == 0 || (text.ptr[0] | 0x20) != 't')
		return ERR_INVALID;
	text.ptr++;
	text.len--;
	if (!take_field(&text, 2, ':', &hour) || !take_field(&text, 2, ':', &minute) ||
	    !take_field(&text, 2, 0, &second) || !take_fraction(&text, &fraction_ms) ||
	    !take_zone(&text, &offset_min))
		return ERR_INVALID;
	if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || hour > 23 ||
	    minute > 59 || second > 59)
		return ERR_INVALID;
	int64_t minutes = days_from_date(year, month, day) * 1440 + hour * 60 + minute - offset_min;

	*ms = (minutes * 60 + second) * 1000 + fraction_ms;
	return 0;
}

int time_parse(struct slice text, int64_t *ms)
{
	double seconds;
	int err = number_parse(text, &seconds);

	if (err == ERR_INVALID)
		return parse_rfc3339(text, ms);
	if (err)
		return err;
	/* Milliseconds beyond 2^53 would no longer be told apart; that is the year 287396. */
	if (!(fabs(seconds) < 9007199254740.0))
		return ERR_INVALID;
	double whole = floor(seconds);

	*ms = (int64_t)whole * 1000 + (int64_t)round((seconds - whole) * 1000);
	return 0;
}

void time_format_rfc3339(int64_t ms, struct buf *out)
{
	int64_t days = ms / DAY_MS, rest = ms % DAY_MS, year;
	int month, day;

	if (rest < 0) {
		rest += DAY_MS;
		days--;
	}
	date_from_days(days, &year, &month, &day);
	int second_of_day = (int)(rest / 1000);

	buf_printf(out, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month, day,
		   second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60,
		   (int)(rest % 1000));
}

void text_fit(char *to, size_t size, const char *from)
{
	size_t len = from ? strlen(from) : 0;

	if (len >= size)
		for (len = size - 1; len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80; len--)
			;
	memcpy(to, from ? from : "", len);
	to[len] = '\0';
	/* Foreign bytes that are no text would spoil the record. */
	for (size_t i = 0; i < len && !slice_is_utf8((struct slice){ to, len }); i++)
		if ((unsigned char)to[i] >= 0x80)
			to[i] = '?';
}

int64_t clock_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t clock_thread_cpu_us(void)
{
	return clock_us(CLOCK_THREAD_CPUTIME_ID);
}
