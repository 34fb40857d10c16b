#include "daemon/rule_copies.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

#define HEAD "tocsin rule files "

void rule_copies_init(struct rule_copies *copies)
{
	*copies = (struct rule_copies){ 0 };
	arena_init(&copies->arena, 0);
}

void rule_copies_fini(struct rule_copies *copies)
{
	arena_fini(&copies->arena);
}

static int refuse(char **why, int code, const char *text)
{
	*why = strdup(text);
	return code;
}

/* ---- reading the files ---- */

static bool has(const struct rule_copies *copies, const char *path)
{
	for (size_t i = 0; i < copies->n; i++)
		if (strcmp(copies->files[i].path, path) == 0)
			return true;
	return false;
}

/* Room is there. ERR_NOMEM. */
static int add(struct rule_copies *copies, struct slice path, struct slice text)
{
	const char *path_copy = arena_strdup(&copies->arena, path);
	struct slice text_copy = arena_slice(&copies->arena, text);

	if (!path_copy || (text.len && !text_copy.ptr))
		return ERR_NOMEM;
	copies->files[copies->n++] = (struct rule_file_text){ path_copy, text_copy };
	copies->bytes += text.len;
	return 0;
}

static int read_one(struct rule_copies *copies, const char *path, struct diag_list *diags)
{
	struct buf text;

	buf_init(&text);
	int code = yaml_file_read(path, diags, &text);

	if (!code && copies->bytes + text.len > RULE_COPIES_BYTES_MAX) {
		diag_add(diags, DIAG_ERROR, path, 0, 0, NULL, NULL,
			 "with this one rule files have more than %u MiB",
			 RULE_COPIES_BYTES_MAX >> 20);
		code = ERR_LIMIT;
	}
	if (!code)
		code = add(copies, slice_from(path), buf_slice(&text));
	buf_fini(&text);
	return code;
}

int rule_copies_read(struct rule_copies *copies, const char *const *paths, size_t n,
		     struct diag_list *diags)
{
	int code = 0;

	copies->files = ARENA_ARRAY(&copies->arena, struct rule_file_text, n + 1);
	if (!copies->files)
		return ERR_NOMEM;
	for (size_t i = 0; i < n && code != ERR_NOMEM && code != ERR_LIMIT; i++) {
		if (has(copies, paths[i]))
			continue; /* two patterns may name one file */
		int one = read_one(copies, paths[i], diags);

		code = one == ERR_IO ? ERR_INVALID : one ? one : code;
	}
	return code;
}

/* ---- the copy ---- */

int rule_copies_format(const struct rule_copies *copies, struct buf *out)
{
	struct buf body;

	buf_init(&body);
	for (size_t i = 0; i < copies->n; i++) {
		const struct rule_file_text *file = &copies->files[i];

		buf_printf(&body, "%zu %zu\n%s\n", strlen(file->path), file->text.len, file->path);
		buf_add_slice(&body, file->text);
		buf_add_char(&body, '\n');
	}
	buf_printf(out, HEAD "%d %016" PRIx64 "\n", RULE_COPIES_FORMAT,
		   buf_ok(&body) ? hash_checksum(body.ptr, body.len) : 0);
	buf_add_slice(out, buf_slice(&body));
	bool good = buf_ok(&body) && buf_ok(out);

	buf_fini(&body);
	return good ? 0 : ERR_NOMEM;
}

/* Takes so many bytes and the end of their line from the rest. */
static bool take(struct slice *rest, size_t n, struct slice *out)
{
	if (n >= rest->len || rest->ptr[n] != '\n')
		return false;
	*out = (struct slice){ rest->ptr, n };
	*rest = (struct slice){ rest->ptr + n + 1, rest->len - n - 1 };
	return true;
}

#define LINE_BYTES 64

/* Takes a line and reads it: `fields` of them. */
static bool take_numbers(struct slice *rest, size_t *path_bytes, size_t *text_bytes)
{
	ptrdiff_t end = slice_find(*rest, '\n');
	char text[LINE_BYTES];
	struct slice line;
	int n = 0;

	if (end < 0 || end >= LINE_BYTES || !take(rest, (size_t)end, &line))
		return false;
	memcpy(text, line.ptr, line.len);
	text[line.len] = '\0';
	return sscanf(text, "%10zu %10zu%n", path_bytes, text_bytes, &n) == 2 &&
	       (size_t)n == line.len;
}

/* The format's number and the checksum. */
static int parse_head(struct slice *rest, char **why)
{
	ptrdiff_t end = slice_find(*rest, '\n');
	char text[LINE_BYTES];
	struct slice line;
	uint64_t checksum;
	unsigned format;

	if (end < 0 || end >= LINE_BYTES || !take(rest, (size_t)end, &line))
		return refuse(why, ERR_INVALID, "it is no copy of rule files");
	memcpy(text, line.ptr, line.len);
	text[line.len] = '\0';
	if (sscanf(text, HEAD "%9u %16" SCNx64, &format, &checksum) != 2)
		return refuse(why, ERR_INVALID, "it is no copy of rule files");
	if (format != RULE_COPIES_FORMAT)
		return refuse(why, ERR_INVALID,
			      "it is of a format that this version does not know: a newer Tocsin "
			      "wrote it");
	if (hash_checksum(rest->ptr, rest->len) != checksum)
		return refuse(why, ERR_INVALID, "it is damaged");
	return 0;
}

int rule_copies_parse(struct rule_copies *copies, struct slice bytes, char **why)
{
	size_t path_bytes, text_bytes, n = 0;
	struct slice rest = bytes, path, text;
	int code = parse_head(&rest, why);

	if (code)
		return code;
	for (struct slice left = rest; left.len > 0; n++)
		if (!take_numbers(&left, &path_bytes, &text_bytes) ||
		    !take(&left, path_bytes, &path) || !take(&left, text_bytes, &text))
			return refuse(why, ERR_INVALID, "it is damaged");
	copies->files = ARENA_ARRAY(&copies->arena, struct rule_file_text, n + 1);
	if (!copies->files)
		return refuse(why, ERR_NOMEM, error_text(ERR_NOMEM));
	while (rest.len > 0 && take_numbers(&rest, &path_bytes, &text_bytes) &&
	       take(&rest, path_bytes, &path) && take(&rest, text_bytes, &text))
		if (add(copies, path, text))
			return refuse(why, ERR_NOMEM, error_text(ERR_NOMEM));
	return 0;
}

/* ---- in its place ---- */

static int path_make(const char *dir, char path[FILE_PATH_MAX])
{
	return snprintf(path, FILE_PATH_MAX, "%s/" RULE_COPIES_NAME, dir) < FILE_PATH_MAX
		       ? 0
		       : ERR_LIMIT;
}

/* ERR_NOT_FOUND, ERR_IO, ERR_LIMIT, ERR_NOMEM. */
static int read_all(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), code = 0;
	ssize_t n = 0;
	struct stat stat;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	if (fstat(fd, &stat) || !S_ISREG(stat.st_mode))
		code = ERR_IO;
	else if (stat.st_size > 2 * (off_t)RULE_COPIES_BYTES_MAX)
		code = ERR_LIMIT;
	else if (!buf_reserve(out, (size_t)stat.st_size + 1))
		code = ERR_NOMEM;
	while (!code && out->len < (size_t)stat.st_size) {
		n = read(fd, out->ptr + out->len, (size_t)stat.st_size - out->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			code = ERR_IO;
		else
			out->len += (size_t)n;
	}
	close(fd);
	return code;
}

int rule_copies_save(const struct rule_copies *copies, const char *dir, char **why)
{
	char path[FILE_PATH_MAX];
	struct buf new, old;
	int code = path_make(dir, path);

	if (code)
		return refuse(why, code, "the path of data_dir is too long");
	buf_init(&new);
	buf_init(&old);
	code = rule_copies_format(copies, &new);
	if (code)
		refuse(why, code, error_text(code));
	else if (read_all(path, &old) || !slice_is_equal(buf_slice(&old), buf_slice(&new)))
		code = file_replace(path, buf_slice(&new), why);
	buf_fini(&new);
	buf_fini(&old);
	return code;
}

int rule_copies_load(struct rule_copies *copies, const char *dir, char **why)
{
	char path[FILE_PATH_MAX];
	struct buf bytes;
	int code = path_make(dir, path);

	buf_init(&bytes);
	if (!code)
		code = read_all(path, &bytes);
	if (code == ERR_NOT_FOUND)
		refuse(why, code, "no rules have been loaded there yet");
	else if (code)
		refuse(why, code, code == ERR_IO ? strerror(errno) : error_text(code));
	else
		code = rule_copies_parse(copies, buf_slice(&bytes), why);
	buf_fini(&bytes);
	return code;
}
