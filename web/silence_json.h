/* Silences as JSON: Alertmanager's form in both directions. */
#ifndef TOCSIN_WEB_SILENCE_JSON_H
#define TOCSIN_WEB_SILENCE_JSON_H

#include "actions/actions.h"
#include "base/json.h"

#define SILENCE_MATCHERS_IN_MAX 256

struct silence_filter {
	struct matcher *matchers;
	size_t n;
};

void silence_format(struct json_writer *w, const struct silence *silence, int64_t now_ms);
/*
 * Those that have every matcher of the filter (NULL: all) as an array: active ones by their end,
 * pending by their start, then expired ones, the latest first; at most max. ERR_NOMEM: nothing was
 * written.
 */
int silences_format(struct json_writer *w, const struct actions *actions,
		    const struct silence_filter *filter, size_t max, int64_t now_ms);
/* {"id","matchers":[{"name","value","isRegex","isEqual"}],"startsAt","endsAt","createdBy","comment"}.
 * ERR_INVALID with a text in why. */
int silence_parse(struct slice json, struct silence *out, char why[256]);
/* Our own: {"labels":{…},"duration":"2h","createdBy","comment"}: from now on, for that long, what
 * has just these labels. */
int silence_parse_short(struct slice json, int64_t now_ms, struct silence *out, char why[256]);
void silence_fini(struct silence *silence);

#endif
