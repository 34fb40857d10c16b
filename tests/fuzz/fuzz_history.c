/*
 * What a server that is asked for the past may answer. The first byte of the input says what the
 * rest is: even, an answer to remote-read, decompressed; odd, to /api/v1/status/config.
 */
#include <stdlib.h>

#include "base/error.h"
#include "ingest/history.h"
#include "ingest/remote_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void read_samples(struct slice answer)
{
	struct remote_read read;
	struct remote_read_sample sample;
	size_t samples = 0;
	int code;
	remote_read_init(&read, answer);
	while ((code = remote_read_series(&read)) > 0) {
		labels_check(read.labels);
		while ((code = remote_read_sample(&read, &sample)) > 0)
			samples++;
		if (code < 0)
			break;
	}
	must(code == 0 || code == ERR_CORRUPT);
	must(samples <= answer.len); /* each takes some bytes */
	remote_read_fini(&read);
}

static void read_config(struct slice answer)
{
	struct labels *labels;
	int code = history_external_labels(answer, &labels);
	must(code == 0 || code == ERR_INVALID);
	if (code)
		return;
	labels_check(labels);
	labels_unref(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct slice rest = { (const char *)data + 1, size - 1 };
	if (data[0] & 1)
		read_config(rest);
	else
		read_samples(rest);
	return 0;
}
