#include "base/regex_find.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/regex_internal.h"

struct regex_finder {
	pcre2_code *code;
	char *pattern;
	bool is_jit;
	size_t ngroups;
	struct slice *names; /* of the groups from 1, pointing into pattern */
};

int regex_finder_new(struct slice pattern, struct regex_finder **out, char **why, size_t *offset)
{
	struct regex_finder *finder = calloc(1, sizeof(*finder));
	struct regex_syntax syntax;

	*why = NULL;
	*offset = 0;
	if (!finder)
		return ERR_NOMEM;
	finder->pattern = pattern.len <= REGEX_PATTERN_MAX ? slice_dup(pattern) : NULL;
	if (finder->pattern)
		pattern.ptr = finder->pattern;
	int err = regex_pattern_compile(pattern, false, &syntax, &finder->code, why, offset);

	if (!err) {
		finder->ngroups = syntax.ngroups;
		finder->names = calloc(syntax.ngroups + 1, sizeof(*finder->names));
		if (!finder->pattern || !finder->names)
			err = ERR_NOMEM;
		else
			memcpy(finder->names, syntax.names,
			       syntax.ngroups * sizeof(*finder->names));
	}
	buf_fini(&syntax.out);
	if (err) {
		regex_finder_free(finder);
		return err;
	}
	/* Without the JIT (no memory, no support) the interpreter serves. */
	finder->is_jit = pcre2_jit_compile(finder->code, PCRE2_JIT_COMPLETE) == 0;
	*out = finder;
	return 0;
}

void regex_finder_free(struct regex_finder *finder)
{
	if (!finder)
		return;
	pcre2_code_free(finder->code);
	free(finder->names);
	free(finder->pattern);
	free(finder);
}

size_t regex_finder_groups(const struct regex_finder *finder)
{
	return finder->ngroups;
}

struct slice regex_finder_group_name(const struct regex_finder *finder, size_t i)
{
	assert(i >= 1 && i <= finder->ngroups);
	return finder->names[i - 1];
}

/* PCRE2 counts anew at each start. */
static uint32_t steps_max(size_t len)
{
	if (len > REGEX_MATCH_LIMIT / REGEX_FIND_STEPS_PER_BYTE)
		return REGEX_MATCH_LIMIT;
	return (uint32_t)(REGEX_FIND_STEPS + REGEX_FIND_STEPS_PER_BYTE * len);
}

/* The number of places, 0 when there is no match, or an error. */
static int find(const struct regex_finder *finder, struct matching *m, struct slice subject,
		size_t from)
{
	PCRE2_SPTR ptr = (PCRE2_SPTR)subject.ptr;
	uint32_t options = PCRE2_NO_UTF_CHECK;

	pcre2_set_match_limit(m->context, steps_max(subject.len - from));
	int rc = finder->is_jit ? pcre2_jit_match(finder->code, ptr, subject.len, from, options,
						  m->data, m->context)
				: pcre2_match(finder->code, ptr, subject.len, from, options,
					      m->data, m->context);

	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(finder->code, ptr, subject.len, from, options | PCRE2_NO_JIT,
				 m->data, m->context);
	pcre2_set_match_limit(m->context, REGEX_MATCH_LIMIT);
	if (rc > 0)
		return rc;
	assert(rc != 0); /* data has room for all groups that a pattern may have */
	return rc == PCRE2_ERROR_NOMATCH ? 0 : rc == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_LIMIT;
}

int regex_finder_search(const struct regex_finder *finder, struct slice subject, bool is_utf8,
			struct slice *groups, struct buf *copy)
{
	struct matching *m = regex_matching();

	buf_init(copy);
	if (!m)
		return ERR_NOMEM;
	if (!subject.ptr)
		subject = SLICE("");
	if (!is_utf8 && !regex_subject_repair(&subject, copy))
		return ERR_NOMEM;
	int places = find(finder, m, subject, 0);

	if (places <= 0 || !groups)
		return places > 0 ? 1 : places;
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->data);

	for (size_t i = 1; i <= finder->ngroups; i++) {
		bool is_set = i < (size_t)places && at[2 * i] != PCRE2_UNSET;

		groups[i - 1] = is_set ? (struct slice){ subject.ptr + at[2 * i],
							 at[2 * i + 1] - at[2 * i] }
				       : (struct slice){ NULL, 0 };
	}
	return 1;
}

static int find_next(const void *ctx, struct slice subject, size_t from)
{
	return find(ctx, regex_matching(), subject, from);
}

int regex_finder_replace(const struct regex_finder *finder, struct slice subject,
			 struct slice template, struct buf *out)
{
	struct matching *m = regex_matching();

	if (!m)
		return ERR_NOMEM;
	if (!subject.ptr)
		subject = SLICE("");
	struct found found = { subject, pcre2_get_ovector_pointer(m->data), 0, finder->names,
			       finder->ngroups };

	return regex_replace_found(&found, find_next, finder, template, out);
}
