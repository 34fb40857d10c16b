#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"

static atomic_int least_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

void log_level_set(enum log_level level)
{
	atomic_store_explicit(&least_level, (int)level, memory_order_relaxed);
}

static const char hex[] = "0123456789abcdef";

static bool needs_quotes(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F)
			return true;
	}
	return value.len == 0 || !slice_is_utf8(value);
}

/* One character as it stands between quotes; at most four bytes. */
static size_t quote_char(struct slice bytes, uint32_t rune, char out[4])
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
	const char *found = rune && rune < 0x80 ? strchr(from, (int)rune) : NULL;
	unsigned char c = (unsigned char)bytes.ptr[0];

	if (found) {
		out[0] = '\\';
		out[1] = to[found - from];
		return 2;
	}
	if (c < ' ' || c == 0x7F || (rune == RUNE_ERROR && bytes.len == 1)) {
		memcpy(out, (const char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
		return 4;
	}
	memcpy(out, bytes.ptr, bytes.len);
	return bytes.len;
}

/* Into at most cap bytes with the NUL; what does not fit is cut and marked. cap is at least 8. */
static void quote_into(struct slice value, char *out, size_t cap)
{
	static const char mark[] = "...";
	bool quotes = needs_quotes(value);
	size_t room = cap - 1 - (quotes ? 2 : 0);
	char *text = out + quotes;
	size_t len = 0, cut = 0; /* cut: the last place where the mark would still fit */

	for (size_t i = 0, n; i < value.len; i += n) {
		char bytes[4];
		uint32_t rune;

		n = slice_rune((struct slice){ value.ptr + i, value.len - i }, &rune);
		size_t m = quote_char((struct slice){ value.ptr + i, n }, rune, bytes);

		if (len + m > room) {
			memcpy(text + cut, mark, sizeof(mark) - 1);
			len = cut + sizeof(mark) - 1;
			break;
		}
		memcpy(text + len, bytes, m);
		len += m;
		if (len + sizeof(mark) - 1 <= room)
			cut = len;
	}
	if (quotes)
		out[0] = text[len++] = '"';
	text[len] = '\0';
}

const char *log_quote(struct slice value)
{
	static _Thread_local char ring[LOG_QUOTES][LOG_QUOTE_MAX];
	static _Thread_local unsigned next;
	char *out = ring[next++ % LOG_QUOTES];

	quote_into(value, out, LOG_QUOTE_MAX);
	return out;
}

/* A line under construction in a fixed buffer: logging must work when memory is short. */
struct line {
	char text[LOG_RECORD_MAX];
	size_t len;
};

static void line_vprintf(struct line *line, const char *format, va_list args)
{
	size_t room = sizeof(line->text) - line->len;
	int n = vsnprintf(line->text + line->len, room, format, args);

	if (n > 0)
		line->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void line_printf(struct line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void line_printf(struct line *line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line_vprintf(line, format, args);
	va_end(args);
}

/* One write(2), so that lines of several threads and processes do not mix. */
static void line_write(struct line *line)
{
	/* A value that nobody quoted must not break the line or reach a terminal. */
	for (size_t i = 0; i < line->len; i++) {
		unsigned char c = (unsigned char)line->text[i];

		if (c < ' ' || c == 0x7F)
			line->text[i] = '?';
	}
	line->text[line->len++] = '\n'; /* in the place of the NUL */
	ssize_t n = write(STDERR_FILENO, line->text, line->len);

	(void)n; /* there is nobody left to tell */
}

void log_write(enum log_level level, const char *component, const char *message, const char *fields,
	       ...)
{
	struct line line = { .len = 0 };
	char quoted[LOG_QUOTE_MAX];
	struct buf time;
	va_list args;
	int saved_errno = errno;

	if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
		return;
	buf_init(&time);
	time_format_rfc3339(clock_wall_ms(), &time);
	quote_into(slice_from(message), quoted, sizeof(quoted));
	line_printf(&line, "time=%s level=%s component=%s msg=%s", time.ptr ? time.ptr : "-",
		    level_names[level], component, quoted);
	buf_fini(&time);
	if (fields) {
		line_printf(&line, " ");
		va_start(args, fields);
		line_vprintf(&line, fields, args);
		va_end(args);
	}
	line_write(&line);
	errno = saved_errno;
}
