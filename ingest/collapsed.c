#include "ingest/collapsed.h"

#include <math.h>

#include "base/error.h"
#include "base/text.h"

static struct slice frame_name(struct slice frame)
{
	static const struct slice marks[] = { { "_[k]", 4 }, { "_[i]", 4 }, { "_[j]", 4 } };

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (slice_has_suffix(frame, marks[i]))
			frame.len -= marks[i].len;
	return frame;
}

/* Takes the count off the end of the line. */
static int count_take(struct slice *line, double *count)
{
	const char *blank = memrchr(line->ptr, ' ', line->len);
	const char *tab = memrchr(line->ptr, '\t', line->len);
	const char *at = blank > tab ? blank : tab;

	if (!at)
		return ERR_INVALID;
	struct slice text = { at + 1, (size_t)(line->ptr + line->len - (at + 1)) };

	/* Not whatever else number_parse() knows, such as "Inf" or "0x1": it may be a frame. */
	for (size_t i = 0; i < text.len; i++)
		if ((text.ptr[i] < '0' || text.ptr[i] > '9') && text.ptr[i] != '.')
			return ERR_INVALID;
	if (number_parse(text, count) || !isfinite(*count))
		return ERR_INVALID;
	*line = slice_trim((struct slice){ line->ptr, (size_t)(at - line->ptr) });
	return 0;
}

static int stack_add(struct profile *profile, struct slice stack)
{
	int code = 0;

	for (bool more = true; code == 0 && more;) {
		const char *semicolon = memrchr(stack.ptr, ';', stack.len);
		size_t start = semicolon ? (size_t)(semicolon + 1 - stack.ptr) : 0;
		struct slice frame = { stack.ptr + start, stack.len - start };
		uint32_t function;

		more = semicolon != NULL;
		stack.len = more ? start - 1 : 0;
		if (frame.len == 0)
			continue;
		code = profile_function_add(profile, frame_name(frame), &function);
		if (code == 0)
			code = profile_frame_add(profile, function);
	}
	return code > 0 ? 0 : code;
}

static int line_read(struct slice line, const struct collapsed_options *options,
		     struct profile *profile, const char **why)
{
	double count = 1, *values;

	line = slice_trim(line);
	if (line.len == 0)
		return 0;
	*why = "no count at the end of the line";
	if (options->counted && count_take(&line, &count))
		return ERR_INVALID;
	*why = "no stack before the count";
	if (line.len == 0)
		return ERR_INVALID;
	*why = "too many samples, frames or functions";
	int code = profile_sample_add(profile, &values);

	if (code)
		return code;
	for (uint32_t i = 0; i < profile->ntypes; i++)
		values[i] = count * options->scale[i];
	return stack_add(profile, line);
}

int collapsed_read(struct slice text, const struct collapsed_options *options,
		   struct profile *profile, uint32_t *line, const char **why)
{
	int code = 0;

	*line = 0;
	*why = "the profile is too large";
	if (text.len > PROFILE_BYTES_MAX)
		return ERR_LIMIT;
	while (code == 0 && text.len > 0) {
		ptrdiff_t end = slice_find(text, '\n');
		size_t len = end < 0 ? text.len : (size_t)end;

		(*line)++;
		code = line_read((struct slice){ text.ptr, len }, options, profile, why);
		text.ptr += len + (end >= 0);
		text.len -= len + (end >= 0);
	}
	if (code == ERR_NOMEM)
		*why = error_text(code);
	return code;
}
