#include "base/slice.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int slice_compare(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.ptr, b.ptr, n) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

bool slice_has_prefix(struct slice a, struct slice prefix)
{
	return a.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(a.ptr, prefix.ptr, prefix.len) == 0);
}

bool slice_has_suffix(struct slice a, struct slice suffix)
{
	return a.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(a.ptr + a.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

ptrdiff_t slice_find(struct slice a, char c)
{
	const char *at = a.len ? memchr(a.ptr, c, a.len) : NULL;

	return at ? at - a.ptr : -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice a)
{
	while (a.len > 0 && is_blank(a.ptr[0])) {
		a.ptr++;
		a.len--;
	}
	while (a.len > 0 && is_blank(a.ptr[a.len - 1]))
		a.len--;
	return a;
}

/* Length of the well-formed sequence at p (Unicode 15, table 3-7), 0 when there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t len)
{
	unsigned char lead = p[0];
	unsigned char low = 0x80, high = 0xBF; /* range of the second byte */
	size_t n;

	if (lead < 0x80)
		return 1;
	if (lead >= 0xC2 && lead <= 0xDF)
		n = 2;
	else if (lead >= 0xE0 && lead <= 0xEF)
		n = 3;
	else if (lead >= 0xF0 && lead <= 0xF4)
		n = 4;
	else
		return 0;
	if (lead == 0xE0)
		low = 0xA0; /* shorter is overlong */
	else if (lead == 0xED)
		high = 0x9F; /* beyond are the surrogates */
	else if (lead == 0xF0)
		low = 0x90;
	else if (lead == 0xF4)
		high = 0x8F; /* U+10FFFF */
	if (len < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	}
	return n;
}

bool slice_is_utf8(struct slice a)
{
	const unsigned char *p = (const unsigned char *)a.ptr;
	size_t i = 0;

	while (i < a.len) {
		/* Most text is ASCII: eight bytes at a time while no high bit is set. */
		while (a.len - i >= 8) {
			uint64_t word;

			memcpy(&word, p + i, 8);
			if (word & 0x8080808080808080ull)
				break;
			i += 8;
		}
		if (i == a.len)
			break;
		size_t n = utf8_sequence(p + i, a.len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

size_t slice_rune(struct slice a, uint32_t *rune)
{
	const unsigned char *p = (const unsigned char *)a.ptr;
	size_t n = a.len ? utf8_sequence(p, a.len) : 0;

	if (n == 0) {
		*rune = RUNE_ERROR;
		return a.len ? 1 : 0;
	}
	if (n == 1) {
		*rune = p[0];
		return 1;
	}
	*rune = p[0] & (0xFFu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		*rune = *rune << 6 | (p[i] & 0x3Fu);
	return n;
}

size_t rune_encode(uint32_t rune, char out[4])
{
	if (rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF))
		rune = RUNE_ERROR;
	if (rune < 0x80) {
		out[0] = (char)rune;
		return 1;
	}
	if (rune < 0x800) {
		out[0] = (char)(0xC0 | rune >> 6);
		out[1] = (char)(0x80 | (rune & 0x3F));
		return 2;
	}
	if (rune < 0x10000) {
		out[0] = (char)(0xE0 | rune >> 12);
		out[1] = (char)(0x80 | (rune >> 6 & 0x3F));
		out[2] = (char)(0x80 | (rune & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | rune >> 18);
	out[1] = (char)(0x80 | (rune >> 12 & 0x3F));
	out[2] = (char)(0x80 | (rune >> 6 & 0x3F));
	out[3] = (char)(0x80 | (rune & 0x3F));
	return 4;
}

char *slice_dup(struct slice a)
{
	char *copy = malloc(a.len + 1);

	if (!copy)
		return NULL;
	if (a.len)
		memcpy(copy, a.ptr, a.len);
	copy[a.len] = '\0';
	return copy;
}

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static size_t min2(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Damerau-Levenshtein distance (optimal string alignment: insert, delete, replace, swap of
 * neighbours), letter case ignored. Three rows suffice: a swap looks two rows back.
 */
static size_t edit_distance(struct slice a, struct slice b)
{
	size_t rows[3][NEAREST_NAME_MAX + 1];

	assert(b.len <= NEAREST_NAME_MAX);
	for (size_t j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
		char ca = to_lower(a.ptr[i - 1]);

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			char cb = to_lower(b.ptr[j - 1]);

			row[j] = min2(above[j - 1] + (ca != cb), min2(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && ca == to_lower(b.ptr[j - 2]) &&
			    cb == to_lower(a.ptr[i - 2]))
				row[j] = min2(row[j], above2[j - 2] + 1);
		}
	}
	return rows[a.len % 3][b.len];
}

const char *nearest_name(struct slice word, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t best_distance = word.len / 3 > 1 ? word.len / 3 : 1;

	if (word.len == 0 || word.len > NEAREST_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct slice name = slice_from(names[i]);

		if (name.len == 0 || name.len > NEAREST_NAME_MAX)
			continue;
		size_t distance = edit_distance(word, name);

		/* A one-letter word is one edit away from every other one. */
		if (distance >= word.len || distance > best_distance ||
		    (best && distance == best_distance))
			continue;
		best = names[i];
		best_distance = distance;
	}
	return best;
}
