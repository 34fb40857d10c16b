#include "engine/calendar.h"

#include <math.h>
#include <stdint.h>

#define DAY_S INT64_C(86400)
/* Go's time.Unix() takes any 64-bit count of seconds; beyond that its conversion gives the least.
 */
#define SECONDS_MAX 9223372036854774784.0
/* It counts days, without a sign, from this one before the epoch: what is earlier comes out late.
 */
#define FIRST_DAY INT64_C(106751991073094)

struct date {
	int64_t year;
	int month, day;	 /* from 1 */
	int day_of_year; /* from 1 */
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int64_t year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[month - 1] + (month == 2 && is_leap(year));
}

/*
 * Years that begin with March have the leap day at their end: then the days before a month are a
 * linear function of its number, rounded.
 */
static struct date date_of(int64_t days)
{
	int64_t from_march_0 = days + 719468; /* days since 1 March of the year 0 */
	int64_t era = floor_div(from_march_0, 146097), day = from_march_0 - era * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t in_year = day - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * in_year + 2) / 153;
	struct date date = {
		.year = year + era * 400 + (month >= 10),
		.month = (int)(month < 10 ? month + 3 : month - 9),
		.day = (int)(in_year - (153 * month + 2) / 5 + 1),
	};
	date.day_of_year = date.day;
	for (int m = 1; m < date.month; m++)
		date.day_of_year += days_in_month(date.year, m);
	return date;
}

double calendar_field(enum function_id field, double seconds)
{
	int64_t s = fabs(seconds) <= SECONDS_MAX ? (int64_t)seconds : INT64_MIN;
	uint64_t since_first = (uint64_t)s + (uint64_t)FIRST_DAY * DAY_S;
	int64_t days = (int64_t)(since_first / DAY_S) - FIRST_DAY;
	int64_t in_day = (int64_t)(since_first % DAY_S);
	struct date date = date_of(days);
	switch (field) {
	case FN_MINUTE:
		return (double)(in_day / 60 % 60);
	case FN_HOUR:
		return (double)(in_day / 3600);
	case FN_DAY_OF_WEEK: /* the first day of the epoch was a Thursday */
		return (double)(((days + 4) % 7 + 7) % 7);
	case FN_DAY_OF_MONTH:
		return date.day;
	case FN_DAY_OF_YEAR:
		return date.day_of_year;
	case FN_DAYS_IN_MONTH:
		return days_in_month(date.year, date.month);
	case FN_MONTH:
		return date.month;
	default:
		return (double)date.year;
	}
}
