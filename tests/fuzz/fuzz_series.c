/*
 * Series as tests write them down. The first line of the input is the series, the rest its values:
 * a set of labels that prints as it is read again, and points, or a complaint at its place.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/series_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int read_labels(struct slice text, struct arena *arena, struct labels **out)
{
	const struct source source = { .text = text, .line0 = 1, .column0 = 1 };
	struct diag_list diags;
	diag_list_init(&diags);
	int code = series_labels_parse(&source, arena, &diags, out);
	must(code == 0 || (code == ERR_INVALID && diags.errors > 0));
	diag_list_fini(&diags);
	return code;
}

static void check_labels(struct slice text, struct arena *arena)
{
	struct labels *first, *second;
	struct buf printed;
	if (read_labels(text, arena, &first))
		return;
	labels_check(first);
	buf_init(&printed);
	labels_format(first, &printed);
	must(read_labels(buf_slice(&printed), arena, &second) == 0);
	must(labels_is_equal(first, second));
	labels_unref(second);
	labels_unref(first);
	buf_fini(&printed);
}

static void check_values(struct slice text, struct arena *arena)
{
	const struct source source = { .text = text, .line0 = 1, .column0 = 1 };
	struct series_values values;
	struct diag_list diags;
	diag_list_init(&diags);
	int code = series_values_parse(&source, arena, &diags, &values);
	must(code == 0 || ((code == ERR_INVALID || code == ERR_LIMIT) && diags.errors > 0));
	must(code || values.n <= SERIES_VALUES_MAX);
	for (size_t i = 0; !code && i < values.n; i++)
		must(values.items[i].kind == SERIES_NUMBER || values.items[i].number == 0);
	diag_list_fini(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	ptrdiff_t end = slice_find(text, '\n');
	struct arena arena;
	arena_init(&arena, 0);
	check_labels((struct slice){ text.ptr, end < 0 ? text.len : (size_t)end }, &arena);
	if (end >= 0)
		check_values((struct slice){ text.ptr + end + 1, text.len - (size_t)end - 1 },
			     &arena);
	arena_fini(&arena);
	return 0;
}
