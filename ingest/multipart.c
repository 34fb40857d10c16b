/* multipart/form-data (RFC 7578), as much of it as a pushed profile needs: see profile_push.h. */
#include <strings.h>

#include "base/error.h"
#include "ingest/profile_push.h"

#define BOUNDARY_MAX 70	 /* RFC 2046, 5.1.1 */
#define HEADERS_MAX 4096 /* bytes of the headers of one part */

/* The value of `name=` in a header, quoted or not; empty when it is not there. */
static struct slice parameter_find(struct slice header, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i + len < header.len; i++) {
		bool begins = i == 0 || strchr("; \t", header.ptr[i - 1]) != NULL;

		if (!begins || strncasecmp(header.ptr + i, name, len) != 0 ||
		    header.ptr[i + len] != '=')
			continue;
		struct slice value = { header.ptr + i + len + 1, header.len - i - len - 1 };
		bool quoted = value.len > 0 && value.ptr[0] == '"';
		size_t n = 0;

		value.ptr += quoted;
		value.len -= quoted;
		while (n < value.len &&
		       (quoted ? value.ptr[n] != '"' : !strchr("; \t\r\n", value.ptr[n])))
			n++;
		return (struct slice){ value.ptr, n };
	}
	return (struct slice){ 0 };
}

static struct slice behind(struct slice text, size_t n)
{
	return (struct slice){ text.ptr + n, text.len - n };
}

/* The position of the text, or SIZE_MAX. */
static size_t position(struct slice in, struct slice text)
{
	const char *at = in.len ? memmem(in.ptr, in.len, text.ptr, text.len) : NULL;

	return at ? (size_t)(at - in.ptr) : SIZE_MAX;
}

/* Does one of the part's headers name it so? */
static bool is_named(struct slice headers, const char *name)
{
	while (headers.len > 0) {
		size_t end = position(headers, SLICE("\r\n"));
		struct slice line = { headers.ptr, end == SIZE_MAX ? headers.len : end };
		static const struct slice wanted = { "Content-Disposition:", 20 };

		if (line.len > wanted.len && strncasecmp(line.ptr, wanted.ptr, wanted.len) == 0)
			return slice_is(parameter_find(line, "name"), name);
		headers = behind(headers, end == SIZE_MAX ? headers.len : end + 2);
	}
	return false;
}

int multipart_find(struct slice content_type, struct slice body, const char *name,
		   struct slice *out, const char **why)
{
	struct slice boundary = parameter_find(content_type, "boundary");
	char delimiter[BOUNDARY_MAX + 4] = "\r\n--";

	*why = "a multipart body without a boundary";
	if (boundary.len == 0)
		return ERR_INVALID;
	*why = "a multipart body with a boundary of more than 70 bytes";
	if (boundary.len > BOUNDARY_MAX)
		return ERR_INVALID;
	memcpy(delimiter + 4, boundary.ptr, boundary.len);
	struct slice mark = { delimiter, boundary.len + 4 }, first = behind(mark, 2);
	size_t at = position(body, first);

	*why = "a damaged multipart body";
	for (int parts = 0; at != SIZE_MAX; parts++) {
		struct slice rest = behind(body, at + first.len);

		if (slice_has_prefix(rest, SLICE("--")))
			return ERR_NOT_FOUND;
		if (parts == PROFILE_PUSH_PARTS_MAX) {
			*why = "too many parts in a multipart body";
			return ERR_INVALID;
		}
		size_t headers = position(rest, SLICE("\r\n\r\n")), end = position(rest, mark);

		if (headers == SIZE_MAX || end == SIZE_MAX || end < headers)
			return ERR_INVALID;
		if (headers > HEADERS_MAX) {
			*why = "a part with more than 4096 bytes of headers in a multipart body";
			return ERR_INVALID;
		}
		struct slice content = behind(rest, headers + 4);

		/* An empty part: the delimiter begins with the line end of its headers. */
		content.len = end < headers + 4 ? 0 : end - headers - 4;
		if (is_named((struct slice){ rest.ptr, headers }, name)) {
			*out = content;
			return 0;
		}
		body = behind(rest, end + 2);
		at = 0;
	}
	return ERR_INVALID;
}
