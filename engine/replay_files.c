/*
 * The files of a replay: what they are shows in their first bytes.
 *
 *   bytes that are no text              the body of a remote-write request, 1.0 or 2.0
 *   a first line that is a sample with  samples as text: in seconds if the file ends as OpenMetrics
 *   its time, or "# HELP", "# TYPE"     does, else in milliseconds
 *   other text                          log lines, which want labels
 *
 * Text may be packed by gzip. A directory stands for its files, in the order of their names; what of
 * it is passed over is counted.
 */
#include "engine/replay_files.h"

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

int files_fail(struct files *files, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (!*files->why && vasprintf(files->why, format, args) < 0)
		*files->why = NULL;
	va_end(args);
	return code;
}

int files_fail_add(struct files *files, int code)
{
	if (code == ERR_IO)
		return files_fail(files, code, "cannot write a temporary file: %s",
				  strerror(errno));
	if (code == ERR_LIMIT)
		return files_fail(files, code,
				  "too much data: more than %u series, or too many samples",
				  DATA_SERIES_MAX);
	return code;
}

int files_fail_read(struct files *files, const char *path, gzFile file)
{
	int number;
	/* It begins with the path, too. */
	struct slice why = slice_from(gzerror(file, &number));
	if (number == Z_ERRNO)
		return files_fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	if (slice_has_prefix(why, slice_from(path)))
		why = slice_trim(slice_from(why.ptr + strlen(path) + 1));
	return files_fail(files, ERR_IO,
			  "cannot read %s: it begins as gzip packs, and goes on otherwise: " SLICE_FMT,
			  path, SLICE_ARG(why));
}

void files_progress(struct files *files, uint64_t bytes)
{
	const struct replay_progress now = {
		.t_ms = TIME_NONE,
		.samples = files->data->samples,
		.share = files->bytes_total
				 ? (double)(files->bytes + bytes) / (double)files->bytes_total
				 : 0,
	};
	if (files->sink->progress)
		files->sink->progress(files->sink->ctx, &now);
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
	return is ? files_read_dump(files, path, head) : files_read_log(files, path);
}

/* The first bytes, unpacked: how many, or an error. */
static int read_head(struct files *files, const char *path, char head[static REPLAY_SNIFF_BYTES])
{
	gzFile file = gzopen(path, "rb");
	if (!file)
		return files_fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	int n = gzread(file, head, REPLAY_SNIFF_BYTES);
	if (n < 0)
		n = files_fail_read(files, path, file);
	gzclose(file);
	return n;
}

static int read_file(struct files *files, const char *path, uint64_t bytes)
{
	char head[REPLAY_SNIFF_BYTES];
	int n = read_head(files, path, head);
	if (n < 0)
		return n;
	struct slice start = { head, (size_t)n };
	int code = n == 0	    ? 0
		   : is_text(start) ? read_text(files, path, start)
				    : files_read_body(files, path);
	files->bytes += bytes;
	files_progress(files, 0);
	return code;
}

/* ---- paths ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Counts it if not. */
static bool is_data(struct replay_passed *passed, const char *name, mode_t mode)
{
	uint32_t *counter = !S_ISREG(mode)  ? &passed->not_files
			    : name[0] == '.' ? &passed->hidden
			    : slice_has_suffix(slice_from(name), SLICE(".headers"))
				    ? &passed->headers
				    : NULL;
	if (counter)
		(*counter)++;
	return !counter;
}

static int each_file(struct files *files, const char *dir,
		     int (*fn)(struct files *files, const char *path, uint64_t bytes))
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_entry, by_name), code = 0;
	if (n < 0)
		return files_fail(files, ERR_IO, "cannot read %s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		char path[DATA_PATH_MAX];
		struct stat status;
		if (!code && snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name) >=
				     (int)sizeof(path))
			code = files_fail(files, ERR_LIMIT, "%s: a path in it is too long", dir);
		if (!code && stat(path, &status) == 0 &&
		    is_data(&files->data->passed, entries[i]->d_name, status.st_mode))
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
	if (strcmp(path, "-") == 0)
		return files_fail(files, ERR_INVALID, "data is read more than once: standard input "
						      "cannot be; put it into a file");
	if (stat(path, &status))
		return files_fail(files, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
		return files_fail(files, ERR_INVALID, "%s is neither a file nor a directory", path);
	if (!S_ISDIR(status.st_mode) && slice_has_suffix(slice_from(path), SLICE(RECORDING_SUFFIX)))
		return files_fail(files, ERR_INVALID,
				  "%s looks like a file of a recording: give its directory", path);
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
	const struct replay_passed passed = data->passed; /* each is met once more below */
	for (size_t i = 0; i < options->npaths && !code; i++)
		code = each_path(&files, options->paths[i], read_file);
	data->passed = passed;
	data_lines_free(files.lines);
	rw_decoder_free(files.decoder);
	return code;
}
