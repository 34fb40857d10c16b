/* Functions of templates: Prometheus' own about texts, hosts and links. */
#include "rules/template_functions.h"

#include <arpa/inet.h>

#include <stdlib.h>

#include "base/error.h"
#include "base/quote.h"
#include "base/regex.h"

#define ADDRESS_BYTES_MAX 64 /* longest text that may be an IP address */

int fn_args(struct template_call *call, struct template_value *out)
{
	struct template_value *args = NULL;
	if (call->nargs > TEMPLATE_ARGS_MAX)
		return template_fail(call, "more than %d arguments", TEMPLATE_ARGS_MAX);
	if (call->nargs > 0) {
		args = ARENA_ARRAY(call->arena, struct template_value, call->nargs);
		if (!args)
			return ERR_LIMIT;
		memcpy(args, call->args, call->nargs * sizeof(*args));
	}
	*out = (struct template_value){ .type = TEMPLATE_ARGS, .n = call->nargs, .args = args };
	return 0;
}

/* What replacing could make at most: each match (a byte at least) the template, each reference its
 * group. */
static bool replaced_is_bounded(struct slice text, struct slice template)
{
	size_t references = 0;
	for (size_t i = 0; i < template.len; i++)
		references += template.ptr[i] == '$';
	return (text.len + 1) * template.len + (references + 1) * text.len <= TEMPLATE_REPLACE_MAX;
}

/* Go says before it which function was asked to compile the pattern, in one of them. */
static int fail_pattern(struct template_call *call, struct slice pattern, bool is_quoted)
{
	struct regex *regex = NULL;
	char *why = NULL;
	size_t offset;
	int shown = (int)(pattern.len < 80 ? pattern.len : 80);
	int error = regex_new(pattern, &regex, &why, &offset);
	if (!error)
		regex_free(regex);
	error = template_fail(call, "%s%.*s%serror parsing regexp: %s",
			      is_quoted ? "regexp: Compile(`" : "", is_quoted ? shown : 0,
			      pattern.ptr, is_quoted ? "`): " : "", why ? why : "too much work");
	free(why);
	return error;
}

int fn_re_replace_all(struct template_call *call, struct template_value *out)
{
	struct slice pattern = call->args[0].string, template = call->args[1].string,
		     subject = call->args[2].string;
	struct buf text;
	if (!replaced_is_bounded(subject, template))
		return ERR_LIMIT;
	buf_init(&text);
	int error = regex_replace_all(pattern, subject, template, &text);
	if (error >= 0)
		return template_give(call, &text, out);
	buf_fini(&text);
	return fail_pattern(call, pattern, true);
}

int fn_match(struct template_call *call, struct template_value *out)
{
	struct slice pattern = call->args[0].string;
	int found = regex_search(pattern, call->args[1].string);
	if (found < 0)
		return fail_pattern(call, pattern, false);
	*out = (struct template_value){ .type = TEMPLATE_BOOL, .boolean = found };
	return 0;
}

/*
 * Letters with their case, in ranges: first, last, and what makes a lower one of an upper one; 1
 * stands for pairs, even upper, odd lower; -1 for pairs the other way. Latin, Greek, Cyrillic,
 * Armenian; others stay as they are.
 */
static const struct case_range {
	uint32_t first, last;
	int32_t delta;
} case_ranges[] = {
	{ 'A', 'Z', 32 },      { 0xc0, 0xd6, 32 },    { 0xd8, 0xde, 32 },   { 0x100, 0x12f, 1 },
	{ 0x132, 0x137, 1 },   { 0x139, 0x148, -1 },  { 0x14a, 0x177, 1 },  { 0x179, 0x17e, -1 },
	{ 0x391, 0x3a1, 32 },  { 0x3a3, 0x3ab, 32 },  { 0x386, 0x386, 38 }, { 0x388, 0x38a, 37 },
	{ 0x38c, 0x38c, 64 },  { 0x38e, 0x38f, 63 },  { 0x410, 0x42f, 32 }, { 0x400, 0x40f, 80 },
	{ 0x460, 0x481, 1 },   { 0x48a, 0x4bf, 1 },   { 0x4d0, 0x52f, 1 },  { 0x531, 0x556, 48 },
	{ 0x1e00, 0x1e95, 1 }, { 0x1ea0, 0x1eff, 1 },
};

static uint32_t to_case(uint32_t rune, bool upper)
{
	for (size_t i = 0; i < sizeof(case_ranges) / sizeof(*case_ranges); i++) {
		const struct case_range *range = &case_ranges[i];
		if (range->delta == 1 || range->delta == -1) {
			if (rune < range->first || rune > range->last)
				continue;
			bool is_upper = (rune % 2 == 0) == (range->delta == 1);
			return is_upper == upper ? rune : upper ? rune - 1 : rune + 1;
		}
		if (!upper && rune >= range->first && rune <= range->last)
			return rune + (uint32_t)range->delta;
		if (upper && rune >= range->first + (uint32_t)range->delta &&
		    rune <= range->last + (uint32_t)range->delta)
			return rune - (uint32_t)range->delta;
	}
	return rune;
}

static int map_case(struct template_call *call, bool upper, struct template_value *out)
{
	struct slice from = call->args[0].string;
	struct buf text;
	size_t len;
	buf_init(&text);
	for (size_t i = 0; i < from.len; i += len) {
		uint32_t rune =
			template_rune_at((struct slice){ from.ptr + i, from.len - i }, &len);
		template_rune_format(to_case(rune, upper), &text);
	}
	return template_give(call, &text, out);
}

/* What words are made of, after Unicode's division of texts into words (UAX 29). */
enum word_part { PART_NONE, PART_LETTER, PART_DIGIT, PART_JOINER };

static enum word_part part_of(uint32_t rune)
{
	if (rune >= '0' && rune <= '9')
		return PART_DIGIT;
	if (rune == '_')
		return PART_JOINER;
	bool is_space = rune == 0x85 || rune == 0xa0 || (rune >= 0x2000 && rune <= 0x206f) ||
			rune == 0x3000;
	return rune_is_alnum(rune) || (rune >= 0x80 && !is_space) ? PART_LETTER : PART_NONE;
}

/* A sign that parts no word: don't, a.b, 3,5. As Go's library takes it, not to the letter. */
static bool joins(uint32_t rune, enum word_part before, enum word_part after)
{
	if (rune == ':' || rune == '.' || rune == '\'')
		return before != PART_NONE && after != PART_NONE;
	return (rune == ',' || rune == ';') && before == PART_DIGIT && after == PART_DIGIT;
}

static bool has_case(uint32_t rune)
{
	return to_case(rune, true) != rune || to_case(rune, false) != rune;
}

/* The first letter of each word that has a case, wherever in the word. */
int fn_title(struct template_call *call, struct template_value *out)
{
	struct slice from = call->args[0].string;
	enum word_part before = PART_NONE;
	bool is_done = false;
	struct buf text;
	size_t len, next_len;
	buf_init(&text);
	for (size_t i = 0; i < from.len; i += len) {
		struct slice rest = { from.ptr + i, from.len - i };
		uint32_t rune = template_rune_at(rest, &len);
		struct slice behind = { rest.ptr + len, rest.len - len };
		enum word_part part = part_of(rune);
		bool is_joined = part == PART_NONE && behind.len > 0 &&
				 joins(rune, before, part_of(template_rune_at(behind, &next_len)));
		if (part == PART_NONE && !is_joined)
			is_done = false;
		if (part != PART_NONE && !is_done && has_case(rune)) {
			template_rune_format(to_case(rune, true), &text);
			is_done = true;
		} else {
			buf_add(&text, rest.ptr, len);
		}
		before = is_joined ? before : part;
	}
	return template_give(call, &text, out);
}

int fn_to_upper(struct template_call *call, struct template_value *out)
{
	return map_case(call, true, out);
}

int fn_to_lower(struct template_call *call, struct template_value *out)
{
	return map_case(call, false, out);
}

/* net.SplitHostPort. False when it fails there. */
static bool split_host_port(struct slice text, struct slice *host, struct slice *port)
{
	const char *colon = text.len ? memrchr(text.ptr, ':', text.len) : NULL;
	if (!colon)
		return false;
	size_t at = (size_t)(colon - text.ptr);
	struct slice rest = { text.ptr, at }; /* where no bracket may be */
	*host = rest;
	if (text.ptr[0] == '[') {
		const char *end = memchr(text.ptr, ']', text.len);
		if (!end || end + 1 != colon)
			return false;
		*host = (struct slice){ text.ptr + 1, (size_t)(end - text.ptr) - 1 };
		rest = *host;
		if (slice_find(rest, '[') >= 0)
			return false;
	} else if (slice_find(rest, ':') >= 0 || slice_find(rest, '[') >= 0 ||
		   slice_find(rest, ']') >= 0) {
		return false;
	}
	*port = (struct slice){ colon + 1, text.len - at - 1 };
	return slice_find(*port, '[') < 0 && slice_find(*port, ']') < 0;
}

int fn_strip_port(struct template_call *call, struct template_value *out)
{
	struct slice host, port;
	*out = call->args[0];
	if (split_host_port(call->args[0].string, &host, &port))
		*out = template_string(host);
	return 0;
}

static bool is_ip(struct slice text)
{
	char plain[ADDRESS_BYTES_MAX];
	unsigned char address[16];
	if (text.len >= sizeof(plain))
		return false;
	memcpy(plain, text.len ? text.ptr : "", text.len);
	plain[text.len] = '\0';
	return strlen(plain) == text.len && (inet_pton(AF_INET, plain, address) == 1 ||
					     inet_pton(AF_INET6, plain, address) == 1);
}

int fn_strip_domain(struct template_call *call, struct template_value *out)
{
	struct slice whole = call->args[0].string, host = whole, port = { NULL, 0 };
	if (!split_host_port(whole, &host, &port)) {
		host = whole;
		port.len = 0;
	}
	if (is_ip(host)) {
		*out = call->args[0];
		return 0;
	}
	ptrdiff_t dot = slice_find(host, '.');
	if (dot >= 0)
		host.len = (size_t)dot;
	struct buf text;
	buf_init(&text);
	if (port.len == 0)
		buf_add_slice(&text, host);
	else
		buf_printf(&text,
			   slice_find(host, ':') >= 0 ? "[" SLICE_FMT "]:" SLICE_FMT
						      : SLICE_FMT ":" SLICE_FMT,
			   SLICE_ARG(host), SLICE_ARG(port));
	return template_give(call, &text, out);
}

static int link_to(struct template_call *call, const char *tab, struct template_value *out)
{
	struct buf text;
	buf_init(&text);
	buf_add_str(&text, "/graph?g0.expr=");
	template_query_escape(call->args[0].string, &text);
	buf_add_str(&text, tab);
	return template_give(call, &text, out);
}

int fn_graph_link(struct template_call *call, struct template_value *out)
{
	return link_to(call, "&g0.tab=0", out);
}

int fn_table_link(struct template_call *call, struct template_value *out)
{
	return link_to(call, "&g0.tab=1", out);
}

int fn_external_url(struct template_call *call, struct template_value *out)
{
	*out = template_string(
		slice_from(call->data->external_url ? call->data->external_url : ""));
	return 0;
}

int fn_path_prefix(struct template_call *call, struct template_value *out)
{
	const char *url = call->data->external_url ? call->data->external_url : "";
	const char *authority = strstr(url, "://");
	const char *path = strpbrk(authority ? authority + 3 : url, "/?#");
	size_t len = path && *path == '/' ? strcspn(path, "?#") : 0;
	*out = template_string((struct slice){ len ? path : "", len });
	return 0;
}

int fn_safe_html(struct template_call *call, struct template_value *out)
{
	*out = call->args[0];
	return 0;
}
