#include "rules/log_internal.h"

#include "base/error.h"

#define PARTS_MAX LOG_STAGE_ITEMS_MAX

/* A literal, or a capture: of a name, or <_>. */
struct part {
	bool is_capture;
	struct slice text; /* the literal; the name, empty for <_> */
};

/* Captures and literals take turns. */
struct log_pattern {
	struct part *parts;
	uint32_t n;
};

/* <name> at the start of the text: its length with brackets; 0 when it is no capture. */
static size_t capture_at(struct slice text, struct slice *name)
{
	size_t n = 1;

	if (text.len < 3 || text.ptr[0] != '<')
		return 0;
	while (n < text.len && (text.ptr[n] == '_' || (text.ptr[n] >= '0' && text.ptr[n] <= '9') ||
				((text.ptr[n] | 0x20) >= 'a' && (text.ptr[n] | 0x20) <= 'z')))
		n++;
	*name = (struct slice){ text.ptr + 1, n - 1 };
	if (n == 1 || n == text.len || text.ptr[n] != '>' || !label_name_is_legacy(*name))
		return 0;
	if (slice_is(*name, "_"))
		name->len = 0;
	return n + 1;
}

static int part_add(const struct log_compiler *compiler, struct log_pattern *pattern,
		    struct part part)
{
	const struct part *last = pattern->n ? &pattern->parts[pattern->n - 1] : NULL;

	if (part.is_capture && last && last->is_capture)
		return log_refuse(compiler, ERR_INVALID, "put a text between them",
				  "two captures of a pattern side by side");
	if (pattern->n == PARTS_MAX)
		return log_refuse(compiler, ERR_LIMIT, NULL, "a pattern of more than %d parts",
				  PARTS_MAX);
	for (uint32_t i = 0; part.is_capture && part.text.len && i < pattern->n; i++) {
		if (pattern->parts[i].is_capture &&
		    slice_is_equal(pattern->parts[i].text, part.text))
			return log_refuse(compiler, ERR_INVALID, NULL,
					  "the capture \"" SLICE_FMT "\" twice",
					  SLICE_ARG(part.text));
	}
	pattern->parts[pattern->n++] = part;
	return 0;
}

static int pattern_parse(const struct log_compiler *compiler, struct slice text,
			 struct log_pattern *pattern)
{
	struct slice literal = { text.ptr, 0 };
	int err = 0;

	for (size_t i = 0; !err && i < text.len;) {
		struct slice name;
		size_t n = capture_at((struct slice){ text.ptr + i, text.len - i }, &name);

		if (n == 0) {
			literal.len++;
			i++;
			continue;
		}
		if (literal.len)
			err = part_add(compiler, pattern, (struct part){ false, literal });
		if (!err)
			err = part_add(compiler, pattern, (struct part){ true, name });
		i += n;
		literal = (struct slice){ text.ptr + i, 0 };
	}
	if (!err && literal.len)
		err = part_add(compiler, pattern, (struct part){ false, literal });
	return err;
}

/* No more parts than this: a capture and a literal for each bracket, and what stands before. */
static size_t parts_max(struct slice text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '<' ? 2 : 0;
	return n < PARTS_MAX ? n : PARTS_MAX;
}

int log_pattern_compile(const struct log_compiler *compiler, struct slice text, bool is_filter,
			const struct log_pattern **out)
{
	struct log_pattern *pattern = ARENA_NEW(compiler->arena, struct log_pattern);
	uint32_t names = 0;

	text = arena_slice(compiler->arena, text);
	if (!pattern || !text.ptr)
		return ERR_NOMEM;
	pattern->parts =
		arena_alloc_array(compiler->arena, parts_max(text), sizeof(*pattern->parts));
	if (!pattern->parts)
		return ERR_NOMEM;
	int err = pattern_parse(compiler, text, pattern);

	for (uint32_t i = 0; i < pattern->n; i++)
		names += pattern->parts[i].is_capture && pattern->parts[i].text.len > 0;
	if (!err && is_filter && names > 0)
		err = log_refuse(compiler, ERR_INVALID, "write <_>",
				 "a line filter's pattern takes no names");
	if (!err && !is_filter && names == 0)
		err = log_refuse(compiler, ERR_INVALID, "write <name> where a label is wanted",
				 "the pattern names no label");
	if (!err)
		*out = pattern;
	return err;
}

struct slice log_pattern_literal(const struct log_pattern *pattern)
{
	struct slice longest = { NULL, 0 };

	for (uint32_t i = 0; i < pattern->n; i++) {
		if (!pattern->parts[i].is_capture && pattern->parts[i].text.len > longest.len)
			longest = pattern->parts[i].text;
	}
	return longest;
}

static ptrdiff_t find(struct slice in, struct slice literal)
{
	const char *at = in.len ? memmem(in.ptr, in.len, literal.ptr, literal.len) : NULL;

	return at ? at - in.ptr : -1;
}

/*
 * A capture reaches up to the first place of the literal behind it. One whose literal is missing
 * takes what is left of the line, and is the last.
 */
void log_pattern_extract(const struct log_pattern *pattern, struct log_scratch *scratch)
{
	struct slice in = scratch->line;
	uint32_t i = 0;

	if (!pattern->parts[0].is_capture) {
		if (!slice_has_prefix(in, pattern->parts[0].text))
			return;
		in.ptr += pattern->parts[0].text.len;
		in.len -= pattern->parts[0].text.len;
		i = 1;
	}
	for (; i < pattern->n && in.len > 0; i += 2) {
		struct slice name = pattern->parts[i].text, value = in;
		bool is_last = i + 1 == pattern->n;
		ptrdiff_t at = is_last ? -1 : find(in, pattern->parts[i + 1].text);

		if (at >= 0)
			value.len = (size_t)at;
		if (name.len)
			log_label_parsed(scratch, name, value);
		if (at < 0)
			return;
		in.ptr += value.len + pattern->parts[i + 1].text.len;
		in.len -= value.len + pattern->parts[i + 1].text.len;
	}
}

/* Each literal at its first place behind the one before; no capture may be empty. */
bool log_pattern_is_match(const struct log_pattern *pattern, struct slice line)
{
	struct slice in = line;

	if (pattern->n == 0 || line.len == 0)
		return pattern->n == 0 && line.len == 0;
	for (uint32_t i = 0; i < pattern->n; i++) {
		if (pattern->parts[i].is_capture)
			continue;
		struct slice literal = pattern->parts[i].text;
		ptrdiff_t at = find(in, literal);

		if (at < 0 || (i == 0) != (at == 0))
			return false;
		in.ptr += (size_t)at + literal.len;
		in.len -= (size_t)at + literal.len;
	}
	return pattern->parts[pattern->n - 1].is_capture == (in.len > 0);
}
