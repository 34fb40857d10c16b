/*
 * Label matchers: the four of PromQL, shared by selectors, routes, silences and inhibition.
 *
 * A missing label is the empty string for every kind of matcher.
 */
#ifndef TOCSIN_BASE_MATCHER_H
#define TOCSIN_BASE_MATCHER_H

#include "base/diag.h"
#include "base/labels.h"
#include "base/quote.h"
#include "base/regex.h"

#define MATCHERS_MAX 256 /* in one text */

enum match_type { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE };

struct matcher {
	enum match_type type;
	char *name;
	size_t name_len;
	char *value;
	size_t value_len;
	struct regex *regex; /* MATCH_RE, MATCH_NRE */
};

/* Both borrowed. */
static inline struct slice matcher_name(const struct matcher *matcher)
{
	return (struct slice){ matcher->name, matcher->name_len };
}

static inline struct slice matcher_value(const struct matcher *matcher)
{
	return (struct slice){ matcher->value, matcher->value_len };
}

/* Is it one of the metric's name? */
static inline bool matcher_is_metric_name(const struct matcher *matcher)
{
	return slice_is(matcher_name(matcher), METRIC_NAME);
}

/* "=", "!=", "=~", "!~" */
const char *match_type_text(enum match_type type);
/* ERR_INVALID with *why (to free()) when a pattern does not compile. */
int matcher_init(struct matcher *matcher, enum match_type type, struct slice name,
		 struct slice value, char **why);
int matcher_dup(const struct matcher *from, struct matcher *to);
void matcher_fini(struct matcher *matcher);
bool matcher_is_match(const struct matcher *matcher, struct slice value);
bool matcher_is_equal(const struct matcher *a, const struct matcher *b);
/* Order by name, type, value: the canonical order of a selector. */
int matcher_compare(const struct matcher *a, const struct matcher *b);
/* name="value", with the value (and a name that is no legacy name) quoted as Go's strconv.Quote
 * does. */
void matcher_format(const struct matcher *matcher, struct buf *out);
/*
 * Alertmanager's text form: one matcher, or {a="b", c=~"d"}; appended to *list (realloc'd). A text
 * without matchers, such as {}, is right and adds none. ERR_INVALID, ERR_LIMIT with *why to free().
 */
int matchers_parse(struct slice text, struct matcher **list, size_t *n, char **why);
bool matchers_is_match(const struct matcher *list, size_t n, const struct labels *labels);
/* The first that says what the metric's name is equal to, or NULL. */
const struct matcher *matchers_find_metric(const struct matcher *list, size_t n);
/* Is one of them of the metric's name, of whatever kind? */
bool matchers_has_metric(const struct matcher *list, size_t n);
void matchers_free(struct matcher *list, size_t n);

#endif
