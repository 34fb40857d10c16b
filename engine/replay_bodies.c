/* Bodies of remote-write requests, each a file, as they came over the wire. */
#include "engine/replay_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int take_rows(struct files *files, const struct batch *batch)
{
	for (uint32_t i = 0; i < batch->nrows; i++) {
		struct labels *labels;
		uint32_t series;
		if (batch_labels(batch, i, &labels))
			continue; /* it was refused when it came, too */
		int code = data_series(files->data, labels, WINDOW_SAMPLES, &series);
		labels_unref(labels);
		if (!code)
			code = data_add(files->data, series, batch->rows[i].ts_ms,
					batch->rows[i].ts_ms, batch->rows[i].bits);
		if (code)
			return files_fail_add(files, code);
	}
	return 0;
}

/* An HTTP status, 0 when it is one of this version; *why to free(). *rows: it had samples. */
static int decode_as(struct files *files, struct slice body, const char *type, int *code,
		     bool *rows, char **why)
{
	const struct rw_request request = { .content_type = slice_from(type),
					    .content_encoding = SLICE("snappy"),
					    .body = body };
	struct batch *batch;
	int status = rw_decode(files->decoder, &request, &batch, why);
	*rows = false;
	if (status)
		return status;
	*rows = batch->nrows > 0;
	*code = take_rows(files, batch);
	batch_free(batch);
	return 0;
}

/*
 * What was 2.0 has no samples when it is read as 1.0, for it numbers its fields anew. A request
 * that is 1.0 may have none, either: metadata.
 */
static int decode(struct files *files, const char *path, struct slice body)
{
	char *why = NULL, *why_2 = NULL;
	bool rows;
	int code = 0;
	int status = decode_as(files, body, "application/x-protobuf", &code, &rows, &why);
	int status_2 = rows || code ? 0
				    : decode_as(files, body,
						"application/x-protobuf;"
						"proto=io.prometheus.write.v2.Request",
						&code, &rows, &why_2);
	if (status && status_2)
		code = files_fail(files, status == 503 ? ERR_NOMEM : ERR_INVALID,
				  "%s: no text, and no remote-write request: %s", path,
				  why ? why : error_text(ERR_NOMEM));
	free(why);
	free(why_2);
	return code;
}

static int file_read(struct files *files, const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return files_fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	for (size_t n = 1; n > 0 && out->len <= RW_BODY_MAX;) {
		char *room = buf_reserve(out, REPLAY_READ_BYTES);
		n = room ? fread(room, 1, REPLAY_READ_BYTES, file) : 0;
		out->len += n;
	}
	int code =
		ferror(file)
			? files_fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno))
		: !buf_ok(out) ? ERR_NOMEM
		: out->len > RW_BODY_MAX
			? files_fail(files, ERR_LIMIT,
				     "%s: no text, and too large for a remote-write request", path)
			: 0;
	fclose(file);
	return code;
}

int files_read_body(struct files *files, const char *path)
{
	struct buf body;
	buf_init(&body);
	if (!files->decoder) {
		files->shared.epoch = &files->epoch;
		files->shared.key = files->data->key;
		files->decoder = rw_decoder_new(&files->shared);
	}
	int code = files->decoder ? file_read(files, path, &body) : ERR_NOMEM;
	if (!code)
		code = decode(files, path, buf_slice(&body));
	buf_fini(&body);
	return code;
}
