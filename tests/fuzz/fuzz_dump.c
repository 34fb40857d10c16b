/*
 * Dumps and log files from anybody: each line is refused with a reason, or a sample whose series
 * has valid labels; the same text is the same series again. And the time of any line is found or
 * not, whatever stands in it.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/dump.h"
#include "ingest/line_time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int on_series(void *ctx, struct labels *labels, uint32_t *number)
{
	must(labels_count(labels) > 0);
	labels_check(labels);
	*number = (*(uint32_t *)ctx)++;
	return 0;
}

static void each_line(struct slice text, bool seconds)
{
	uint32_t series = 0;
	const struct dump_options options = { .seconds = seconds,
					      .ctx = &series,
					      .series = on_series };
	struct dump_reader *reader = dump_reader_new(&options);
	must(reader);
	while (text.len > 0) {
		ptrdiff_t end = slice_find(text, '\n');
		struct slice line = { text.ptr, end < 0 ? text.len : (size_t)end };
		struct dump_sample sample, again;
		const char *why = NULL;
		int64_t ns;
		int code = dump_line(reader, line, &sample, &why);
		must(code >= 0 || ((code == ERR_INVALID || code == ERR_LIMIT) && why));
		if (code == 1) {
			must(sample.series < series && time_is_sane(sample.ts_ms));
			must(dump_line(reader, line, &again, &why) == 1 &&
			     again.series == sample.series && again.bits == sample.bits &&
			     again.ts_ms == sample.ts_ms);
		}
		code = line_time(line, &ns);
		must(code == 0 || code == ERR_NOT_FOUND);
		text.ptr += line.len + (end >= 0);
		text.len -= line.len + (end >= 0);
	}
	dump_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	each_line(text, false);
	each_line(text, true);
	return 0;
}
