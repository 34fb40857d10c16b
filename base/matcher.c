#include "base/matcher.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

const char *match_type_text(enum match_type type)
{
	static const char *const texts[] = {
		[MATCH_EQ] = "=",
		[MATCH_NE] = "!=",
		[MATCH_RE] = "=~",
		[MATCH_NRE] = "!~",
	};

	return texts[type];
}

static bool is_regex(enum match_type type)
{
	return type == MATCH_RE || type == MATCH_NRE;
}

/* The texts alone, without the regex. */
static int texts_init(struct matcher *matcher, enum match_type type, struct slice name,
		      struct slice value)
{
	*matcher = (struct matcher){
		.type = type,
		.name = slice_dup(name),
		.name_len = name.len,
		.value = slice_dup(value),
		.value_len = value.len,
	};
	if (matcher->name && matcher->value)
		return 0;
	matcher_fini(matcher);
	return ERR_NOMEM;
}

int matcher_init(struct matcher *matcher, enum match_type type, struct slice name,
		 struct slice value, char **why)
{
	struct matcher made;
	size_t offset;

	*why = NULL;
	int err = texts_init(&made, type, name, value);

	if (!err && is_regex(type))
		err = regex_new(value, &made.regex, why, &offset);
	if (err) {
		matcher_fini(&made);
		return err;
	}
	*matcher = made;
	return 0;
}

int matcher_dup(const struct matcher *from, struct matcher *to)
{
	struct matcher made;
	int err = texts_init(&made, from->type, matcher_name(from), matcher_value(from));

	if (err)
		return err;
	if (from->regex)
		made.regex = regex_ref(from->regex);
	*to = made;
	return 0;
}

void matcher_fini(struct matcher *matcher)
{
	free(matcher->name);
	free(matcher->value);
	regex_free(matcher->regex);
	*matcher = (struct matcher){ 0 };
}

bool matcher_is_match(const struct matcher *matcher, struct slice value)
{
	switch (matcher->type) {
	case MATCH_EQ:
		return slice_is_equal(value, matcher_value(matcher));
	case MATCH_NE:
		return !slice_is_equal(value, matcher_value(matcher));
	case MATCH_RE:
		return regex_is_match(matcher->regex, value);
	case MATCH_NRE:
		return !regex_is_match(matcher->regex, value);
	}
	assert(!"a matcher has one of four types");
	return false;
}

bool matcher_is_equal(const struct matcher *a, const struct matcher *b)
{
	return matcher_compare(a, b) == 0;
}

int matcher_compare(const struct matcher *a, const struct matcher *b)
{
	int order = slice_compare(matcher_name(a), matcher_name(b));

	if (order == 0)
		order = (a->type > b->type) - (a->type < b->type);
	if (order == 0)
		order = slice_compare(matcher_value(a), matcher_value(b));
	return order;
}

void matcher_format(const struct matcher *matcher, struct buf *out)
{
	if (label_name_is_legacy(matcher_name(matcher)))
		buf_add_slice(out, matcher_name(matcher));
	else
		text_quote(matcher_name(matcher), out);
	buf_add_str(out, match_type_text(matcher->type));
	text_quote(matcher_value(matcher), out);
}

bool matchers_is_match(const struct matcher *list, size_t n, const struct labels *labels)
{
	for (size_t i = 0; i < n; i++) {
		if (!matcher_is_match(&list[i], labels_get(labels, matcher_name(&list[i]))))
			return false;
	}
	return true;
}

void matchers_free(struct matcher *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		matcher_fini(&list[i]);
	free(list);
}

const struct matcher *matchers_find_metric(const struct matcher *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].type == MATCH_EQ && matcher_is_metric_name(&list[i]))
			return &list[i];
	return NULL;
}

bool matchers_has_metric(const struct matcher *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (matcher_is_metric_name(&list[i]))
			return true;
	return false;
}
