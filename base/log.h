/*
 * The daemon's own log: logfmt lines on standard error, one write a line, any thread.
 *
 * log_info("engine", "rules loaded", "groups=%zu rules=%zu", groups, rules);
 * → time=2026-11-20T10:11:12.345Z level=info component=engine msg="rules loaded" groups=2 rules=7
 */
#ifndef TOCSIN_BASE_LOG_H
#define TOCSIN_BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_level_set(enum log_level level);
#define LOG_RECORD_MAX 8192 /* a longer line is cut */
#define LOG_QUOTE_MAX 512   /* so is a longer value */
#define LOG_QUOTES 8	    /* values alive at a time in a thread */

/* fields: a printf format of logfmt pairs, or NULL. Values with blanks are for log_quote(). */
void log_write(enum log_level level, const char *component, const char *message, const char *fields,
	       ...) __attribute__((format(printf, 4, 5)));
/*
 * A foreign value for a log line, in quotes where it needs them: in a ring of per-thread buffers
 * (LOG_QUOTES of LOG_QUOTE_MAX bytes).
 */
const char *log_quote(struct slice value);

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
