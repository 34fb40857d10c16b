#include "ingest/syslog.h"

#include <time.h>

#include "base/error.h"
#include "base/text.h"

#define PRI_DEFAULT 13 /* user, notice: RFC 3164, 4.3.3 */
#define PRI_MAX 191
#define PARAM_NAME_BYTES (2 * SYSLOG_SD_NAME_MAX + 4) /* sd_ID_NAME */
#define BOM "\xef\xbb\xbf"

static const char *const facilities[] = {
	"kern",	  "user",   "mail",	"daemon", "auth",   "syslog",	"lpr",	   "news",
	"uucp",	  "cron",   "authpriv", "ftp",	  "ntp",    "security", "console", "solaris-cron",
	"local0", "local1", "local2",	"local3", "local4", "local5",	"local6",  "local7",
};
static const char *const severities[] = { "emergency", "alert",	 "critical",	  "error",
					  "warning",   "notice", "informational", "debug" };

const char *syslog_facility_name(uint8_t facility)
{
	return facility < sizeof(facilities) / sizeof(facilities[0]) ? facilities[facility]
								     : "user";
}

const char *syslog_severity_name(uint8_t severity)
{
	return severities[severity & 7];
}

/* ---- frames ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

enum counted { NOT_COUNTED, COUNTED, COUNT_INCOMPLETE };

/* `102 <`: a count without leading zero, a blank, and the beginning of a message. */
static enum counted count_parse(struct slice bytes, size_t *at, size_t *count)
{
	size_t n = 0, value = 0;

	if (bytes.ptr[0] == '0')
		return NOT_COUNTED;
	while (n < bytes.len && is_digit(bytes.ptr[n])) {
		if (n == SYSLOG_COUNT_DIGITS_MAX)
			return NOT_COUNTED;
		value = value * 10 + (size_t)(bytes.ptr[n++] - '0');
	}
	if (n == 0 || (n < bytes.len && bytes.ptr[n] != ' ') || value > SYSLOG_MESSAGE_MAX)
		return NOT_COUNTED;
	if (n + 1 >= bytes.len)
		return COUNT_INCOMPLETE;
	*at = n + 1;
	*count = value;
	return bytes.ptr[n + 1] == '<' ? COUNTED : NOT_COUNTED;
}

static bool line_frame(struct slice bytes, bool ended, struct syslog_frame *out)
{
	const char *end = memchr(bytes.ptr, '\n', bytes.len);
	size_t len = end ? (size_t)(end - bytes.ptr) : bytes.len;

	bool whole = end || ended;

	if (!whole && len < SYSLOG_MESSAGE_MAX)
		return false;
	out->cut = !whole || len > SYSLOG_MESSAGE_MAX;
	if (len > SYSLOG_MESSAGE_MAX)
		len = SYSLOG_MESSAGE_MAX;
	out->used += len + (end && !out->cut);
	out->message = (struct slice){ bytes.ptr, len };
	return true;
}

bool syslog_frame_next(struct slice bytes, bool ended, struct syslog_frame *out)
{
	size_t skip = 0, at, count;

	*out = (struct syslog_frame){ .used = 0 };
	while (skip < bytes.len &&
	       (bytes.ptr[skip] == '\n' || bytes.ptr[skip] == '\r' || bytes.ptr[skip] == '\0'))
		skip++;
	out->used = skip;
	bytes.ptr += skip;
	bytes.len -= skip;
	if (bytes.len == 0)
		return false;
	switch (count_parse(bytes, &at, &count)) {
	case COUNTED:
		if (bytes.len - at < count && !ended)
			return false;
		if (bytes.len - at < count)
			count = bytes.len - at;
		out->message = (struct slice){ bytes.ptr + at, count };
		out->used += at + count;
		return true;
	case COUNT_INCOMPLETE:
		if (!ended)
			return false;
		/* fall through */
	case NOT_COUNTED:
		break;
	}
	return line_frame(bytes, ended, out);
}

/* ---- fields ---- */

struct text {
	const char *at, *end;
};

static bool take(struct text *text, char c)
{
	bool there = text->at < text->end && *text->at == c;

	text->at += there;
	return there;
}

/* Up to the next blank, which is taken, too. */
static struct slice word_take(struct text *text)
{
	const char *start = text->at;

	while (text->at < text->end && *text->at != ' ')
		text->at++;
	struct slice word = { start, (size_t)(text->at - start) };

	take(text, ' ');
	return word;
}

/* A field of RFC 5424's header; - is none. What could be no label is left out. */
static struct slice field_of(struct slice word, size_t max)
{
	if (slice_is(word, "-") || word.len > max || !slice_is_utf8(word))
		return SLICE("");
	return word;
}

static bool pri_take(struct text *text, struct syslog_message *out)
{
	struct text t = *text;
	unsigned pri = 0;
	int digits = 0;

	if (!take(&t, '<'))
		return false;
	while (t.at < t.end && is_digit(*t.at) && digits < 3) {
		pri = pri * 10 + (unsigned)(*t.at++ - '0');
		digits++;
	}
	if (digits == 0 || !take(&t, '>') || pri > PRI_MAX)
		return false;
	out->facility = (uint8_t)(pri >> 3);
	out->severity = (uint8_t)(pri & 7);
	*text = t;
	return true;
}

/* ---- times ---- */

static bool is_iso(struct slice word)
{
	return word.len >= 19 && is_digit(word.ptr[0]) && word.ptr[4] == '-' && word.ptr[10] == 'T';
}

static bool two_digits(const char *at, int *out)
{
	if (!is_digit(at[1]) || (!is_digit(at[0]) && at[0] != ' '))
		return false;
	*out = (at[0] == ' ' ? 0 : (at[0] - '0') * 10) + at[1] - '0';
	return true;
}

/* The year that brings the time nearest to now: a message of December comes in January. */
static int64_t time_of_year(struct tm tm, int64_t now_ms)
{
	time_t now = now_ms / 1000;
	int64_t best = TIME_NONE, best_distance = INT64_MAX;
	struct tm local;

	if (!localtime_r(&now, &local))
		return TIME_NONE;
	for (int year = local.tm_year - 1; year <= local.tm_year + 1; year++) {
		struct tm guess = tm;

		guess.tm_year = year;
		guess.tm_isdst = -1;
		int64_t seconds = mktime(&guess), distance = seconds - now;

		if (distance < 0)
			distance = -distance;
		if (distance < best_distance) {
			best = seconds * 1000;
			best_distance = distance;
		}
	}
	return best;
}

/* "Nov 20 09:26:11 " */
static bool old_time_take(struct text *text, int64_t now_ms, int64_t *ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { .tm_year = 0 };
	const char *at = text->at, *month;

	if (text->end - at < 16 || at[3] != ' ' || at[6] != ' ' || at[9] != ':' || at[12] != ':' ||
	    at[15] != ' ')
		return false;
	for (month = months; *month && strncmp(month, at, 3) != 0;)
		month += 3;
	if (!*month || !two_digits(at + 4, &tm.tm_mday) || !two_digits(at + 7, &tm.tm_hour) ||
	    !two_digits(at + 10, &tm.tm_min) || !two_digits(at + 13, &tm.tm_sec) ||
	    tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return false;
	tm.tm_mon = (int)(month - months) / 3;
	*ms = time_of_year(tm, now_ms);
	text->at += 16;
	return true;
}

/* ---- RFC 3164, with either time ---- */

/* TAG[PID]: and what follows; the tag may be missing. */
static void tag_take(struct text *text, struct syslog_message *out)
{
	struct text t = *text;

	while (t.at < t.end && !memchr(" :[", *t.at, 3))
		t.at++;
	struct slice tag = { text->at, (size_t)(t.at - text->at) }, pid = SLICE("");

	if (take(&t, '[')) {
		const char *start = t.at;

		while (t.at < t.end && *t.at != ']' && *t.at != ' ')
			t.at++;
		pid = (struct slice){ start, (size_t)(t.at - start) };
		if (!take(&t, ']'))
			return;
	}
	if (!take(&t, ':') || tag.len == 0)
		return;
	take(&t, ' ');
	out->app_name = field_of(tag, SYSLOG_APP_NAME_MAX);
	out->proc_id = field_of(pid, SYSLOG_PROC_ID_MAX);
	*text = t;
}

/* HOST TAG[PID]: text; the host may be missing, which shows by a tag in its place. */
static void old_header_take(struct text *text, struct syslog_message *out)
{
	struct text t = *text;
	struct slice host = word_take(&t);
	bool is_tag = host.len && (host.ptr[host.len - 1] == ':' || slice_find(host, '[') > 0);

	if (host.len && !is_tag) {
		out->hostname = field_of(host, SYSLOG_HOSTNAME_MAX);
		*text = t;
	}
	tag_take(text, out);
}

/* ---- RFC 5424 ---- */

/* sd_ID_NAME, of characters that a label may have. */
static struct slice param_name(struct slice id, struct slice name, struct buf *texts)
{
	size_t before = texts->len;

	buf_add_str(texts, "sd_");
	buf_add_slice(texts, id);
	buf_add_char(texts, '_');
	buf_add_slice(texts, name);
	for (size_t i = before; !texts->failed && i < texts->len; i++) {
		char c = texts->ptr[i];

		if (!is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
			texts->ptr[i] = '_';
	}
	return (struct slice){ texts->ptr + before, texts->len - before };
}

/* Behind the opening quote; \" \\ \] stand for their character. */
static bool param_value(struct text *text, struct buf *texts, struct slice *out)
{
	size_t before = texts->len;

	while (text->at < text->end && *text->at != '"') {
		char c = *text->at++;

		if (c == '\\' && text->at < text->end && memchr("\"\\]", *text->at, 3))
			c = *text->at++;
		buf_add_char(texts, c);
	}
	*out = (struct slice){ texts->ptr + before, texts->len - before };
	return take(text, '"');
}

static struct slice sd_name_take(struct text *text)
{
	const char *start = text->at;

	while (text->at < text->end && !memchr(" =]\"", *text->at, 4))
		text->at++;
	return (struct slice){ start, (size_t)(text->at - start) };
}

/* [id name="value" …], behind the bracket. */
static bool element_take(struct text *text, struct buf *texts, struct syslog_message *out)
{
	struct slice id = sd_name_take(text), name, value;

	if (id.len == 0)
		return false;
	while (take(text, ' ')) {
		name = sd_name_take(text);
		if (name.len == 0 || !take(text, '=') || !take(text, '"') ||
		    !param_value(text, texts, &value))
			return false;
		if (out->nparams < SYSLOG_PARAMS_MAX && id.len <= SYSLOG_SD_NAME_MAX &&
		    name.len <= SYSLOG_SD_NAME_MAX && slice_is_utf8(value))
			out->params[out->nparams++] =
				(struct label){ param_name(id, name, texts), value };
	}
	return take(text, ']');
}

static bool structured_data_take(struct text *text, struct buf *texts, struct syslog_message *out)
{
	if (take(text, '-'))
		return true;
	if (text->at == text->end || *text->at != '[')
		return false;
	while (take(text, '['))
		if (!element_take(text, texts, out))
			return false;
	return true;
}

/* Behind "1 ". What follows the last field that could be read is the text. */
static void new_header_take(struct text *text, struct buf *texts, struct syslog_message *out)
{
	struct slice time = word_take(text);

	if (is_iso(time) && time_parse(time, &out->time_ms))
		out->time_ms = TIME_NONE;
	out->hostname = field_of(word_take(text), SYSLOG_HOSTNAME_MAX);
	out->app_name = field_of(word_take(text), SYSLOG_APP_NAME_MAX);
	out->proc_id = field_of(word_take(text), SYSLOG_PROC_ID_MAX);
	out->msg_id = field_of(word_take(text), SYSLOG_MSG_ID_MAX);
	struct text t = *text;

	if (!structured_data_take(&t, texts, out)) {
		out->malformed = true;
		out->nparams = 0;
		return;
	}
	take(&t, ' ');
	if (slice_has_prefix((struct slice){ t.at, (size_t)(t.end - t.at) }, SLICE(BOM)))
		t.at += strlen(BOM);
	*text = t;
}

static void header_take(struct text *text, int64_t now_ms, struct buf *texts,
			struct syslog_message *out)
{
	struct text t = *text;

	if (take(&t, '1') && take(&t, ' ')) {
		*text = t;
		new_header_take(text, texts, out);
		return;
	}
	t = *text;
	struct slice word = word_take(&t);

	if (is_iso(word) && time_parse(word, &out->time_ms) == 0) {
		*text = t;
		old_header_take(text, out);
	} else if (old_time_take(text, now_ms, &out->time_ms)) {
		old_header_take(text, out);
	} else {
		out->time_ms = TIME_NONE;
		out->malformed = true;
	}
}

int syslog_parse(struct slice bytes, int64_t now_ms, struct buf *texts, struct syslog_message *out)
{
	while (bytes.len && memchr("\n\r", bytes.ptr[bytes.len - 1], 3)) /* and NUL */
		bytes.len--;
	struct text text = { bytes.ptr, bytes.ptr ? bytes.ptr + bytes.len : bytes.ptr };

	out->facility = PRI_DEFAULT >> 3;
	out->severity = PRI_DEFAULT & 7;
	out->time_ms = TIME_NONE;
	out->hostname = out->app_name = out->proc_id = out->msg_id = SLICE("");
	out->nparams = 0;
	out->malformed = false;
	buf_clear(texts);
	/* Room for all, so that nothing moves: values are no longer than the message. */
	if (!buf_reserve(texts, bytes.len + SYSLOG_PARAMS_MAX * PARAM_NAME_BYTES + 1))
		return ERR_NOMEM;
	if (pri_take(&text, out))
		header_take(&text, now_ms, texts, out);
	else
		out->malformed = true;
	out->text = (struct slice){ text.at, (size_t)(text.end - text.at) };
	return buf_ok(texts) ? 0 : ERR_NOMEM;
}
