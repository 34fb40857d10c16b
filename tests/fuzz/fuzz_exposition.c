/*
 * The text format from anybody: refused with a line and a reason, or a batch in which every row has
 * its labels, and among them those that were put on.
 */
#include <stdlib.h>

#include "base/error.h"
#include "ingest/exposition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct label extra = { SLICE("job"), SLICE("tocsin") };
	const struct exposition_options options = { .now_ms = 5, .extra = &extra, .nextra = 1 };
	struct exposition_fault fault = { 0, NULL };
	struct slice text = { (const char *)data, size };
	struct batch *batch = batch_new();
	int code = exposition_read(text, &options, batch, &fault);

	if (code) {
		must(code == ERR_INVALID || code == ERR_LIMIT);
		must(fault.why && fault.line <= size + 1);
		batch_free(batch);
		return 0;
	}
	must(batch->nbirths == batch->nrows);
	for (uint32_t i = 0; i < batch->nrows; i++) {
		const struct labels *labels = batch->births[i].labels;

		must(batch->births[i].row == i && batch->rows[i].bits != STALE_NAN_BITS);
		must(slice_is(labels_get(labels, SLICE("job")), "tocsin"));
		must(metric_name_is_legacy(labels_get(labels, SLICE(METRIC_NAME))));
	}
	batch_free(batch);
	return 0;
}
