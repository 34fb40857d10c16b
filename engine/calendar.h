/* The calendar in UTC, after Gregory in all times. Private to engine/. */
#ifndef TOCSIN_ENGINE_CALENDAR_H
#define TOCSIN_ENGINE_CALENDAR_H

#include "rules/functions.h"

/*
 * FN_MINUTE, FN_HOUR, FN_DAY_OF_WEEK, FN_DAY_OF_MONTH, FN_DAY_OF_YEAR, FN_DAYS_IN_MONTH, FN_MONTH,
 * FN_YEAR of a time in seconds since the epoch, its fraction cut off.
 */
double calendar_field(enum function_id field, double seconds);

#endif
