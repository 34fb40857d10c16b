/*
 * The files of a replay: what they are shows in their first bytes.
 *
 *   bytes that are no text              the body of a remote-write request, 1.0 or 2.0
 *   a first line that is a sample with  samples as text: in seconds if the file ends as OpenMetrics
 *   its time, or "# HELP", "# TYPE"     does, else in milliseconds
 *   other text                          log lines, which want labels
 *
 * Text may be packed by gzip. A directory stands for its files, in the order of their names.
 */
#include "engine/replay_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/error.h"
#include "base/text.h"
#include "ingest/dump.h"
#include "ingest/remote_write.h"

#define READ_BYTES (1024u * 1024)
#define SNIFF_BYTES 4096u
#define PROGRESS_LINES 65536u

struct files {
	struct data *data;
	const struct replay_data_options *options;
	const struct rule_set *rules;
	const struct replay_sink *sink;
	struct data_lines *lines; /* NULL: no log file so far */
	struct rw_decoder *decoder;
	struct rw_shared shared;
	_Atomic uint64_t epoch;
	uint64_t bytes, bytes_total; /* of all files, as they lie on disk */
	char **why;
};

static int fail(struct files *files, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int fail(struct files *files, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (!*files->why && vasprintf(files->why, format, args) < 0)
		*files->why = NULL;
	va_end(args);
	return code;
}

static int fail_add(struct files *files, int code)
{
	if (code == ERR_IO)
		return fail(files, code, "cannot write a temporary file: %s", strerror(errno));
	if (code == ERR_LIMIT)
		return fail(files, code, "too much data: more than %u series, or too many samples",
			    DATA_SERIES_MAX);
	return code;
}

static void progress(struct files *files, uint64_t bytes)
{
	const struct replay_progress now = {
		.t_ms = TIME_NONE,
		.samples = files->data->samples,
		.share = files->bytes_total ? (double)(files->bytes + bytes) /
						      (double)files->bytes_total
					    : 0,
	};
	if (files->sink->progress)
		files->sink->progress(files->sink->ctx, &now);
}

/* ---- text, line by line ---- */

struct text {
	const char *path;
	gzFile file;
	char *buf; /* READ_BYTES */
	size_t len, at;
	uint64_t line;
	bool is_end;
};

static int text_open(struct files *files, struct text *text, const char *path)
{
	*text = (struct text){ .path = path };
	text->buf = malloc(READ_BYTES);
	if (!text->buf)
		return ERR_NOMEM;
	text->file = gzopen(path, "rb");
	if (!text->file)
		return fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	gzbuffer(text->file, 256 * 1024);
	return 0;
}

static void text_close(struct text *text)
{
	if (text->file)
		gzclose(text->file);
	free(text->buf);
}

/* The buffer gets more behind what is left in it. */
static int text_fill(struct files *files, struct text *text)
{
	memmove(text->buf, text->buf + text->at, text->len - text->at);
	text->len -= text->at;
	text->at = 0;
	if (text->len == READ_BYTES)
		return fail(files, ERR_LIMIT, "%s:%llu: the line is longer than %u bytes",
			    text->path, (unsigned long long)text->line + 1, READ_BYTES);
	int n = gzread(text->file, text->buf + text->len, (unsigned)(READ_BYTES - text->len));
	if (n < 0) {
		int number;
		const char *why = gzerror(text->file, &number);
		return fail(files, ERR_IO, "cannot read %s: %s", text->path,
			    number == Z_ERRNO ? strerror(errno) : why);
	}
	text->len += (size_t)n;
	text->is_end = n == 0;
	return 0;
}

/* 1: a line, good until the next; 0: the end. */
static int text_line(struct files *files, struct text *text, struct slice *line)
{
	for (;;) {
		char *start = text->buf + text->at;
		size_t left = text->len - text->at;
		char *end = memchr(start, '\n', left);
		if (end || (text->is_end && left > 0)) {
			*line = (struct slice){ start, end ? (size_t)(end - start) : left };
			text->at += line->len + (end != NULL);
			if (++text->line % PROGRESS_LINES == 0)
				progress(files, (uint64_t)gzoffset(text->file));
			return 1;
		}
		if (text->is_end)
			return 0;
		int code = text_fill(files, text);
		if (code)
			return code;
	}
}

/* ---- samples as text ---- */

static int on_series(void *ctx, struct labels *labels, uint32_t *number)
{
	struct files *files = ctx;
	return data_series(files->data, labels, WINDOW_SAMPLES, number);
}

/* What is quoted of a line in a complaint. */
#define QUOTE_BYTES 80

static int dump_lines(struct files *files, struct text *text, struct dump_reader *reader)
{
	struct slice line;
	int code;
	while ((code = text_line(files, text, &line)) == 1) {
		struct dump_sample sample;
		const char *why = NULL;
		int got = dump_line(reader, line, &sample, &why);
		if (got < 0 && why)
			return fail(files, got, "%s:%llu: %s: %.*s", text->path,
				    (unsigned long long)text->line, why,
				    (int)(line.len < QUOTE_BYTES ? line.len : QUOTE_BYTES),
				    line.ptr);
		if (got == 1)
			got = data_add(files->data, sample.series, sample.ts_ms, sample.ts_ms,
				       sample.bits);
		if (got < 0)
			return fail_add(files, got);
	}
	return code;
}

/* OpenMetrics ends with a line that says so. */
static bool ends_as_openmetrics(const char *path, struct slice head)
{
	char tail[16];
	FILE *file = fopen(path, "rb");
	bool is = false;
	if (file && fseek(file, -(long)sizeof(tail), SEEK_END) == 0) {
		size_t n = fread(tail, 1, sizeof(tail), file);
		is = memmem(tail, n, "# EOF", 5) != NULL;
	}
	if (file)
		fclose(file);
	/* A short text, or one that is packed: what is at hand. */
	return is || (head.len >= 6 && head.len < SNIFF_BYTES &&
		      memmem(head.ptr + head.len - 6, 6, "# EOF", 5));
}

static int read_dump(struct files *files, const char *path, struct slice head)
{
	const struct dump_options options = { .seconds = ends_as_openmetrics(path, head),
					      .ctx = files,
					      .series = on_series };
	struct dump_reader *reader = dump_reader_new(&options);
	struct text text = { .path = path };
	int code = reader ? text_open(files, &text, path) : ERR_NOMEM;
	if (!code)
		code = dump_lines(files, &text, reader);
	text_close(&text);
	dump_reader_free(reader);
	return code;
}

/* ---- log lines ---- */

static int log_lines(struct files *files, struct text *text)
{
	struct slice line;
	int code;
	data_lines_file(files->lines);
	while ((code = text_line(files, text, &line)) == 1) {
		if (line.len > 0 && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			continue;
		code = data_lines_add(files->lines, line);
		if (code == ERR_NOT_FOUND)
			return fail(files, ERR_INVALID,
				    "%s:%llu: no time is known in this line, and none before it: "
				    "%.*s",
				    text->path, (unsigned long long)text->line,
				    (int)(line.len < QUOTE_BYTES ? line.len : QUOTE_BYTES),
				    line.ptr);
		if (code)
			return fail_add(files, code);
	}
	return code ? code : data_lines_end(files->lines);
}

static int read_log(struct files *files, const char *path)
{
	struct text text = { .path = path };
	int code = 0;
	if (!files->options->log_labels)
		return fail(files, ERR_INVALID,
			    "%s: no samples with times; if these are log lines, say of what: "
			    "--labels job=app",
			    path);
	if (!files->lines)
		code = data_lines_new(files->data, files->rules, files->options->log_labels,
				      &files->lines, files->why);
	if (!code)
		code = text_open(files, &text, path);
	if (!code)
		code = log_lines(files, &text);
	text_close(&text);
	return code;
}

/* ---- remote-write ---- */

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
			return fail_add(files, code);
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
		code = fail(files, status == 503 ? ERR_NOMEM : ERR_INVALID,
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
		return fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	for (size_t n = 1; n > 0 && out->len <= RW_BODY_MAX;) {
		char *room = buf_reserve(out, READ_BYTES);
		n = room ? fread(room, 1, READ_BYTES, file) : 0;
		out->len += n;
	}
	int code = ferror(file) ? fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno))
		   : !buf_ok(out) ? ERR_NOMEM
		   : out->len > RW_BODY_MAX
			   ? fail(files, ERR_LIMIT,
				  "%s: no text, and too large for a remote-write request", path)
			   : 0;
	fclose(file);
	return code;
}

static int read_body(struct files *files, const char *path)
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

/* ---- which ---- */

static bool is_text(struct slice head)
{
	for (size_t i = 0; i < head.len; i++) {
		unsigned char c = (unsigned char)head.ptr[i];
		if (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != 0x1b)
			return false;
	}
	/* A character may be cut at the end. */
	for (size_t cut = 0; cut < 4 && cut <= head.len; cut++)
		if (slice_is_utf8((struct slice){ head.ptr, head.len - cut }))
			return true;
	return false;
}

static int no_series(void *ctx, struct labels *labels, uint32_t *number)
{
	*number = 0;
	return 0;
}

/* The first line that is no comment: is it a sample? Or does a comment say that some come? 1, 0 or
 * ERR_NOMEM. */
static int is_dump_by(struct dump_reader *reader, struct slice head)
{
	while (head.len > 0) {
		ptrdiff_t end = slice_find(head, '\n');
		struct slice line = { head.ptr, end < 0 ? head.len : (size_t)end };
		struct dump_sample sample;
		const char *why;
		if (slice_has_prefix(line, SLICE("# HELP ")) ||
		    slice_has_prefix(line, SLICE("# TYPE ")) ||
		    slice_has_prefix(line, SLICE("# EOF")))
			return 1;
		int code = dump_line(reader, line, &sample, &why);
		if (code)
			return code == 1 || code == ERR_NOMEM ? code : 0;
		head.ptr += line.len + (end >= 0);
		head.len -= line.len + (end >= 0);
	}
	return 0;
}

static int is_dump(struct slice head)
{
	const struct dump_options options = { .series = no_series };
	struct dump_reader *reader = dump_reader_new(&options);
	if (!reader)
		return ERR_NOMEM;
	int is = is_dump_by(reader, head);
	dump_reader_free(reader);
	return is;
}

static int read_text(struct files *files, const char *path, struct slice head)
{
	int is = is_dump(head);
	if (is < 0)
		return is;
	return is ? read_dump(files, path, head) : read_log(files, path);
}

static int read_file(struct files *files, const char *path, uint64_t bytes)
{
	char head[SNIFF_BYTES];
	gzFile file = gzopen(path, "rb");
	int n = file ? gzread(file, head, sizeof(head)) : -1;
	if (file)
		gzclose(file);
	if (n < 0)
		return fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	struct slice start = { head, (size_t)n };
	int code = n == 0	     ? 0
		   : is_text(start) ? read_text(files, path, start)
				    : read_body(files, path);
	files->bytes += bytes;
	progress(files, 0);
	return code;
}

/* ---- paths ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* What a capture says of its body beside it is no data. */
static int is_data(const struct dirent *entry)
{
	struct slice name = slice_from(entry->d_name);
	return entry->d_name[0] != '.' && !slice_has_suffix(name, SLICE(".headers"));
}

static int each_file(struct files *files, const char *dir,
		     int (*fn)(struct files *files, const char *path, uint64_t bytes))
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_data, by_name), code = 0;
	if (n < 0)
		return fail(files, ERR_IO, "cannot read %s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		char path[DATA_PATH_MAX];
		struct stat status;
		if (!code && snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name) >=
				     (int)sizeof(path))
			code = fail(files, ERR_LIMIT, "%s: a path in it is too long", dir);
		if (!code && stat(path, &status) == 0 && S_ISREG(status.st_mode))
			code = fn(files, path, (uint64_t)status.st_size);
		free(entries[i]);
	}
	free(entries);
	return code;
}

static int each_path(struct files *files, const char *path,
		     int (*fn)(struct files *files, const char *path, uint64_t bytes))
{
	struct stat status;
	if (stat(path, &status))
		return fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	return S_ISDIR(status.st_mode) ? each_file(files, path, fn)
				       : fn(files, path, (uint64_t)status.st_size);
}

static int count_bytes(struct files *files, const char *path, uint64_t bytes)
{
	files->bytes_total += bytes;
	return 0;
}

int data_read(struct data *data, const struct replay_data_options *options,
	      const struct rule_set *rules, const struct replay_sink *sink, char **why)
{
	struct files files = {
		.data = data, .options = options, .rules = rules, .sink = sink, .why = why
	};
	int code = 0;
	for (size_t i = 0; i < options->npaths && !code; i++)
		code = each_path(&files, options->paths[i], count_bytes);
	for (size_t i = 0; i < options->npaths && !code; i++)
		code = each_path(&files, options->paths[i], read_file);
	data_lines_free(files.lines);
	rw_decoder_free(files.decoder);
	return code;
}
