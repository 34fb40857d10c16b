#include "tests/ingest/log_trace.h"

#include <stdlib.h>

#include "base/error.h"

void log_trace_init(struct log_trace *trace)
{
	*trace = (struct log_trace){ .lines = 0 };
	buf_init(&trace->text);
}

void log_trace_fini(struct log_trace *trace)
{
	buf_fini(&trace->text);
}

void log_trace_clear(struct log_trace *trace)
{
	buf_clear(&trace->text);
	trace->lines = 0;
}

static int on_stream(void *ctx, struct labels *labels)
{
	struct log_trace *trace = ctx;

	labels_check(labels);
	buf_add_str(&trace->text, "stream ");
	labels_format(labels, &trace->text);
	buf_add_char(&trace->text, '\n');
	return 0;
}

static int on_line(void *ctx, const struct log_entry *entry)
{
	struct log_trace *trace = ctx;

	if (++trace->lines == trace->fail_at)
		return ERR_NOMEM;
	buf_printf(&trace->text, "%lld ", (long long)entry->ts_ns);
	buf_add_slice(&trace->text, entry->line);
	for (size_t i = 0; i < entry->nmetadata; i++)
		buf_printf(&trace->text, "%s" SLICE_FMT "=\"" SLICE_FMT "\"", i ? ", " : " {",
			   SLICE_ARG(entry->metadata[i].name), SLICE_ARG(entry->metadata[i].value));
	buf_add_str(&trace->text, entry->nmetadata ? "}\n" : "\n");
	return 0;
}

struct log_sink log_trace_sink(struct log_trace *trace)
{
	return (struct log_sink){ trace, on_stream, on_line };
}

const char *log_trace_text(struct log_trace *trace)
{
	return trace->text.ptr ? trace->text.ptr : "";
}
