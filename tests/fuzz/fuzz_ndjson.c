/* A line that may be a JSON object: refused, or labels and a line within their bounds. */
#include <stdlib.h>

#include "base/error.h"
#include "ingest/ndjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ndjson_line line;
	static struct buf texts;
	const struct slice streams[] = { SLICE("level"), SLICE("svc") };
	const struct ndjson_options options = { .time_field = SLICE("ts"),
						.message_field = SLICE("msg"),
						.stream_fields = streams,
						.nstream_fields = 2 };
	int code = ndjson_parse(&options, (struct slice){ (const char *)data, size }, 42, &texts,
				&line);

	must(code == 0 || code == ERR_INVALID);
	if (code)
		return 0;
	must(line.nstream <= NDJSON_STREAM_FIELDS_MAX && line.nmetadata <= NDJSON_FIELDS_MAX);
	must(line.line.len <= size);
	for (size_t i = 0; i < line.nstream; i++)
		must(slice_is(line.stream[i].name, "level") || slice_is(line.stream[i].name, "svc"));
	for (size_t i = 0; i < line.nmetadata; i++)
		must(slice_is_utf8(line.metadata[i].name) && slice_is_utf8(line.metadata[i].value));
	return 0;
}
