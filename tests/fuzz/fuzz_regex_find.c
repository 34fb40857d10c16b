/*
 * A pattern, a NUL, and a line: where the pattern is found, one of its necessary literals must
 * stand, or the search for many patterns at once would miss the line; and a pattern that is said to
 * be nothing but its literals must be found where one of them is.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/regex_find.h"
#include "base/regex_literals.h"

#define LINE_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static bool occurs(struct slice line, struct slice literal, bool any_case)
{
	for (size_t i = 0; i + literal.len <= line.len; i++) {
		size_t k = 0;

		while (k < literal.len &&
		       (line.ptr[i + k] == literal.ptr[k] ||
			(any_case && lower(line.ptr[i + k]) == lower(literal.ptr[k]))))
			k++;
		if (k == literal.len)
			return true;
	}
	return false;
}

static bool any_occurs(struct slice line, const struct regex_literals *literals, bool any_case)
{
	for (uint32_t i = 0; i < literals->n; i++) {
		if (occurs(line, literals->items[i], any_case))
			return true;
	}
	return false;
}

static void check(const struct regex_finder *finder, struct slice pattern, struct slice line)
{
	struct regex_literals literals;
	struct slice groups[REGEX_GROUPS_MAX];
	struct arena arena;
	struct buf copy;
	bool is_utf8 = slice_is_utf8(line);
	int found = regex_finder_search(finder, line, is_utf8, groups, &copy);

	arena_init(&arena, 0);
	regex_literals_find(pattern, &arena, &literals);
	assert(literals.n <= REGEX_LITERALS_MAX);
	for (uint32_t i = 0; i < literals.n; i++)
		assert(literals.items[i].len > 0);
	/* U+FFFD of a repaired line is not in the line itself. */
	if (found == 1 && literals.n > 0 && is_utf8)
		assert(any_occurs(line, &literals, true));
	if (literals.is_exact && found != ERR_LIMIT && is_utf8)
		assert((found == 1) == any_occurs(line, &literals, false));
	arena_fini(&arena);
	buf_fini(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
	struct regex_finder *finder;
	char *why = NULL;
	size_t offset;

	if (!end || size > LINE_MAX)
		return 0;
	struct slice pattern = { (const char *)data, (size_t)(end - data) };
	struct slice line = { (const char *)end + 1, size - pattern.len - 1 };

	if (regex_finder_new(pattern, &finder, &why, &offset) == 0) {
		check(finder, pattern, line);
		/* The pattern's own text is a line that it is often found in. */
		check(finder, pattern, pattern);
		regex_finder_free(finder);
	}
	free(why);
	return 0;
}
