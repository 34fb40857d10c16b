/* Files of text, line by line: samples with their times, and log lines. */
#include "engine/replay_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "ingest/dump.h"

#define PROGRESS_LINES 65536u
#define QUOTE_BYTES 80 /* of a line, in a complaint */

/* ---- text, line by line ---- */

struct text {
	const char *path;
	gzFile file;
	char *buf; /* REPLAY_READ_BYTES */
	size_t len, at;
	uint64_t line;
	bool is_end;
};

static int text_open(struct files *files, struct text *text, const char *path)
{
	*text = (struct text){ .path = path };
	text->buf = malloc(REPLAY_READ_BYTES);
	if (!text->buf)
		return ERR_NOMEM;
	text->file = gzopen(path, "rb");
	if (!text->file)
		return files_fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno));
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
	if (text->len == REPLAY_READ_BYTES)
		return files_fail(files, ERR_LIMIT, "%s:%llu: the line is longer than %u bytes",
				  text->path, (unsigned long long)text->line + 1,
				  REPLAY_READ_BYTES);
	int n = gzread(text->file, text->buf + text->len,
		       (unsigned)(REPLAY_READ_BYTES - text->len));
	if (n < 0)
		return files_fail_read(files, text->path, text->file);
	text->len += (size_t)n;
	text->is_end = n == 0;

	int number;
	gzerror(text->file, &number);
	if (text->is_end && number == Z_BUF_ERROR) /* gzread() itself does not mind */
		return files_fail(files, ERR_IO, "cannot read %s: the packed file is cut off",
				  text->path);
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
				files_progress(files, (uint64_t)gzoffset(text->file));
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

static int dump_lines(struct files *files, struct text *text, struct dump_reader *reader)
{
	struct slice line;
	int code;
	while ((code = text_line(files, text, &line)) == 1) {
		struct dump_sample sample;
		const char *why = NULL;
		int got = dump_line(reader, line, &sample, &why);
		if (got < 0 && why)
			return files_fail(files, got, "%s:%llu: %s: %.*s", text->path,
					  (unsigned long long)text->line, why,
					  (int)(line.len < QUOTE_BYTES ? line.len : QUOTE_BYTES),
					  line.ptr);
		if (got == 1)
			got = data_add(files->data, sample.series, sample.ts_ms, sample.ts_ms,
				       sample.bits);
		if (got < 0)
			return files_fail_add(files, got);
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
	return is || (head.len >= 6 && head.len < REPLAY_SNIFF_BYTES &&
		      memmem(head.ptr + head.len - 6, 6, "# EOF", 5));
}

int files_read_dump(struct files *files, const char *path, struct slice head)
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
			return files_fail(
				files, ERR_INVALID,
				"%s:%llu: no time is known in this line, and none before it: "
				"%.*s",
				text->path, (unsigned long long)text->line,
				(int)(line.len < QUOTE_BYTES ? line.len : QUOTE_BYTES), line.ptr);
		if (code)
			return files_fail_add(files, code);
	}
	return code ? code : data_lines_end(files->lines);
}

int files_read_log(struct files *files, const char *path)
{
	struct text text = { .path = path };
	int code = 0;
	if (!files->options->log_labels)
		return files_fail(files, ERR_INVALID,
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
