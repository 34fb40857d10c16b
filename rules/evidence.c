#include "rules/evidence.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"

struct evidence *evidence_new(void)
{
	struct evidence *evidence = calloc(1, sizeof(*evidence));
	if (evidence)
		atomic_init(&evidence->refs, 1);
	return evidence;
}

struct evidence *evidence_ref(struct evidence *evidence)
{
	atomic_fetch_add(&evidence->refs, 1);
	return evidence;
}

void evidence_unref(struct evidence *evidence)
{
	if (!evidence || atomic_fetch_sub(&evidence->refs, 1) > 1)
		return;
	for (uint32_t i = 0; i < evidence->nlines; i++)
		free(evidence->lines[i]);
	for (uint32_t i = 0; i < evidence->nfunctions; i++) {
		free(evidence->functions[i].name);
		free(evidence->functions[i].profile_type);
	}
	free(evidence);
}

bool evidence_is_empty(const struct evidence *evidence)
{
	return !evidence || (evidence->nlines == 0 && evidence->nfunctions == 0);
}

/* A copy of at most max bytes of UTF-8. */
static char *text_copy(struct slice text, size_t max)
{
	struct buf out;
	buf_init(&out);
	buf_add_str(&out, "");
	while (text.len > 0) {
		char character[4];
		uint32_t rune;
		size_t taken = slice_rune(text, &rune);
		size_t n = rune_encode(rune ? rune : RUNE_ERROR, character);
		if (out.len + n > max)
			break;
		buf_add(&out, character, n);
		text.ptr += taken;
		text.len -= taken;
	}
	return buf_take(&out);
}

int evidence_line_add(struct evidence *evidence, struct slice line)
{
	if (evidence->nlines == EVIDENCE_LINES_MAX)
		return ERR_LIMIT;
	char *copy = text_copy(line, EVIDENCE_LINE_BYTES_MAX);
	if (!copy)
		return ERR_NOMEM;
	evidence->lines[evidence->nlines++] = copy;
	return 0;
}

int evidence_function_add(struct evidence *evidence, struct slice name, struct slice profile_type,
			  double self_ratio, double total_ratio)
{
	if (evidence->nfunctions == EVIDENCE_FUNCTIONS_MAX)
		return ERR_LIMIT;
	struct evidence_function function = {
		.name = text_copy(name, EVIDENCE_NAME_BYTES_MAX),
		.profile_type = text_copy(profile_type, EVIDENCE_NAME_BYTES_MAX),
		.self_ratio = self_ratio,
		.total_ratio = total_ratio,
	};
	if (!function.name || !function.profile_type) {
		free(function.name);
		free(function.profile_type);
		return ERR_NOMEM;
	}
	evidence->functions[evidence->nfunctions++] = function;
	return 0;
}
