#include "ingest/line_time.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/ndjson.h"

#define SCAN_MAX 4096 /* bytes of a line that are looked at */
#define STAMP_MAX 40  /* bytes of a time */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct slice from(struct slice text, size_t at)
{
	return (struct slice){ text.ptr + at, text.len - at };
}

/* ---- 2026-11-20T10:00:00Z and its like ---- */

/* "2026-11-20 10:00:00" up to the seconds. */
static bool is_date_and_time(struct slice text)
{
	static const char form[] = "dddd-dd-dd dd:dd:dd";
	if (text.len < sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		bool fits = form[i] == 'd' ? is_digit(text.ptr[i])
			    : form[i] == ' '
				    ? text.ptr[i] == ' ' || text.ptr[i] == 'T' || text.ptr[i] == 't'
				    : text.ptr[i] == form[i];
		if (!fits)
			return false;
	}
	return true;
}

/* Z, +01:00 or +0100 at the front; as RFC 3339 wants it. Nothing: UTC. */
static void zone_of(struct slice text, char zone[7])
{
	strcpy(zone, "Z");
	if (text.len < 5 || (text.ptr[0] != '+' && text.ptr[0] != '-'))
		return;
	size_t minutes = text.ptr[3] == ':' ? 4 : 3;
	if (text.len < minutes + 2 || !is_digit(text.ptr[1]) || !is_digit(text.ptr[2]) ||
	    !is_digit(text.ptr[minutes]) || !is_digit(text.ptr[minutes + 1]))
		return;
	snprintf(zone, 7, "%c%.2s:%.2s", text.ptr[0], text.ptr + 1, text.ptr + minutes);
}

static int time_of_stamp(const char *stamp, int64_t *ns)
{
	int64_t ms;
	if (time_parse(slice_from(stamp), &ms) || !time_is_sane(ms) ||
	    __builtin_mul_overflow(ms, 1000000, ns))
		return ERR_NOT_FOUND;
	return 0;
}

static int date_and_time(struct slice text, int64_t *ns)
{
	char stamp[STAMP_MAX], zone[7], fraction[4] = "000";
	if (!is_date_and_time(text))
		return ERR_NOT_FOUND;
	struct slice rest = from(text, 19);
	if (rest.len > 1 && (rest.ptr[0] == '.' || rest.ptr[0] == ',') && is_digit(rest.ptr[1])) {
		size_t n = 1;
		for (; n < rest.len && is_digit(rest.ptr[n]); n++)
			if (n <= 3)
				fraction[n - 1] = rest.ptr[n];
		rest = from(rest, n);
	}
	zone_of(rest, zone);
	snprintf(stamp, sizeof(stamp), "%.10sT%.8s.%s%s", text.ptr, text.ptr + 11, fraction, zone);
	return time_of_stamp(stamp, ns);
}

/* ---- [20/Nov/2026:10:00:00 +0000] ---- */

static int month_of(const char *name)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (int i = 0; i < 12; i++)
		if (memcmp(names + 3 * i, name, 3) == 0)
			return i + 1;
	return 0;
}

static int common_log_time(struct slice line, int64_t *ns)
{
	static const char form[] = "[dd/mmm/dddd:dd:dd:dd ";
	char stamp[STAMP_MAX], zone[7];
	const char *bracket = memchr(line.ptr, '[', line.len);
	if (!bracket)
		return ERR_NOT_FOUND;
	struct slice text = from(line, (size_t)(bracket - line.ptr));
	if (text.len < sizeof(form) - 1)
		return ERR_NOT_FOUND;
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		bool fits = form[i] == 'd'   ? is_digit(text.ptr[i])
			    : form[i] == 'm' ? true
					     : text.ptr[i] == form[i];
		if (!fits)
			return ERR_NOT_FOUND;
	}
	int month = month_of(text.ptr + 4);
	if (!month)
		return ERR_NOT_FOUND;
	zone_of(from(text, 22), zone);
	snprintf(stamp, sizeof(stamp), "%.4s-%02d-%.2sT%.8s%s", text.ptr + 8, month, text.ptr + 1,
		 text.ptr + 13, zone);
	return time_of_stamp(stamp, ns);
}

/* ---- a number, by its size ---- */

/* As ndjson_time(), whose double cannot tell nanoseconds of our time apart. */
static int number_time(struct slice text, int64_t *ns)
{
	static const struct {
		int64_t below, ns;
	} units[] = { { 100000000000, 1000000000 },
		      { 100000000000000, 1000000 },
		      { 100000000000000000, 1000 } };
	int64_t number = 0;
	for (size_t i = 0; i < text.len; i++)
		if (!is_digit(text.ptr[i]) || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, text.ptr[i] - '0', &number))
			return ndjson_time(text, ns);
	*ns = number;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (number < units[i].below)
			return text.len && !__builtin_mul_overflow(number, units[i].ns, ns)
				       ? 0
				       : ERR_NOT_FOUND;
	return 0;
}

/* ---- time=… and "time": … ---- */

static int field_value(struct slice rest, int64_t *ns)
{
	size_t n = 0;
	if (rest.len > 0 && rest.ptr[0] == '"') {
		const char *end = memchr(rest.ptr + 1, '"', rest.len - 1);
		if (!end)
			return ERR_NOT_FOUND;
		rest = (struct slice){ rest.ptr + 1, (size_t)(end - rest.ptr) - 1 };
	} else {
		while (n < rest.len && !strchr(" \t,}]", rest.ptr[n]))
			n++;
		rest.len = n;
	}
	if (date_and_time(rest, ns) == 0)
		return 0;
	return rest.len > 0 && rest.len < STAMP_MAX && number_time(rest, ns) == 0 ? 0
										  : ERR_NOT_FOUND;
}

/* Where the field's value stands: behind time= at a word's beginning, or behind "time":. */
static bool field_find(struct slice line, const char *name, struct slice *value)
{
	size_t len = strlen(name);
	for (size_t at = 0; at + len + 1 < line.len; at++) {
		const char *found = memmem(line.ptr + at, line.len - at, name, len);
		if (!found)
			return false;
		at = (size_t)(found - line.ptr);
		size_t end = at + len;
		bool is_first = at == 0 || line.ptr[at - 1] == ' ' || line.ptr[at - 1] == '\t';
		bool is_quoted =
			at > 0 && line.ptr[at - 1] == '"' && end < line.len && line.ptr[end] == '"';
		if (is_quoted)
			for (end++; end < line.len && line.ptr[end] == ' ';)
				end++;
		char sign = is_quoted ? ':' : '=';
		if ((!is_first && !is_quoted) || end >= line.len || line.ptr[end] != sign)
			continue;
		*value = slice_trim(from(line, end + 1));
		return true;
	}
	return false;
}

static int field_time(struct slice line, int64_t *ns)
{
	static const char *const names[] = { "time", "ts", "timestamp", "@timestamp" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct slice value;
		if (field_find(line, names[i], &value) && field_value(value, ns) == 0)
			return 0;
	}
	return ERR_NOT_FOUND;
}

/* ---- all of them ---- */

static int unix_time(struct slice text, int64_t *ns)
{
	size_t n = 0;
	while (n < text.len && n < STAMP_MAX && (is_digit(text.ptr[n]) || text.ptr[n] == '.'))
		n++;
	if (n < 10 || (n < text.len && !strchr(" \t]:,", text.ptr[n])))
		return ERR_NOT_FOUND;
	return number_time((struct slice){ text.ptr, n }, ns) ? ERR_NOT_FOUND : 0;
}

int line_time(struct slice line, int64_t *ns)
{
	if (line.len > SCAN_MAX)
		line.len = SCAN_MAX;
	struct slice text = slice_trim(line);
	if (text.len > 0 && text.ptr[0] == '[')
		text = from(text, 1);
	if (text.len == 0)
		return ERR_NOT_FOUND;
	if (date_and_time(text, ns) == 0 || unix_time(text, ns) == 0 ||
	    common_log_time(line, ns) == 0)
		return 0;
	return field_time(line, ns);
}
