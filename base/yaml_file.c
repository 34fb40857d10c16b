/* YAML from files and from standard input. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/yaml.h"

/* All bytes of a descriptor, up to one more than the limit. */
static int read_all(int fd, struct buf *out)
{
	for (;;) {
		char *room = buf_reserve(out, 65536);
		if (!room)
			return ERR_NOMEM;
		ssize_t n = read(fd, room, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		out->len += (size_t)n;
		if (n == 0 || out->len > YAML_BYTES_MAX)
			return 0;
	}
}

static bool is_stdin(const char *path)
{
	return strcmp(path, "-") == 0;
}

static const char *shown_name(const char *path)
{
	return is_stdin(path) ? "<stdin>" : path;
}

int yaml_file_read(const char *path, struct diag_list *diags, struct buf *out)
{
	int fd = is_stdin(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? ERR_IO : read_all(fd, out);
	if (rc == ERR_IO)
		diag_add(diags, DIAG_ERROR, shown_name(path), 0, 0, NULL, NULL, "cannot read: %s",
			 strerror(errno));
	if (fd >= 0 && !is_stdin(path))
		close(fd);
	return rc;
}

int yaml_parse_file(const char *path, struct arena *arena, struct diag_list *diags,
		    struct yaml_node **out)
{
	struct buf bytes;
	buf_init(&bytes);
	int rc = yaml_file_read(path, diags, &bytes);
	if (!rc)
		rc = yaml_parse(buf_slice(&bytes), shown_name(path), arena, diags, out);
	buf_fini(&bytes);
	return rc;
}
