/*
 * The page: files of web/page/ that the binary carries. Nothing comes from elsewhere, and the
 * policy sent along has the browser refuse it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "web/embed.h"
#include "web/web_internal.h"

#define POLICY                                                                                     \
	"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "        \
	"object-src 'none'"

static const struct {
	const char *ending, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".svg", "image/svg+xml" },
};

static const char *type_of(struct slice name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (slice_has_suffix(name, slice_from(types[i].ending)))
			return types[i].type;
	return "application/octet-stream";
}

static void reply_file(struct http_request *request, const struct embedded_file *file)
{
	char tag[32];
	struct slice known = http_request_header(request, "If-None-Match");

	snprintf(tag, sizeof(tag), "\"%016llx\"",
		 (unsigned long long)hash_checksum(file->bytes, file->len));
	struct http_header headers[] = {
		{ "ETag", tag },
		{ "Cache-Control", "no-cache" }, /* kept, and asked for by its tag each time */
		{ "Content-Security-Policy", POLICY },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Referrer-Policy", "no-referrer" },
	};
	struct http_reply reply = { .status = slice_is(known, tag) ? 304 : 200,
				    .content_type = type_of(slice_from(file->name)),
				    .headers = headers,
				    .nheaders = sizeof(headers) / sizeof(*headers),
				    .body = { (const char *)file->bytes, file->len } };

	http_reply(request, &reply);
}

HANDLER(on_page)
{
	struct slice name = rest.len ? rest : SLICE("index.html");

	for (const struct embedded_file *file = page_files; file->name; file++) {
		if (slice_is(name, file->name)) {
			reply_file(request, file);
			return;
		}
	}
	web_reply(request, 404, TEXT_TYPE, SLICE("not found\n"));
}

/* The links in notifications are Prometheus': /graph?g0.expr=up&g0.tab=1 → ./?expr=up, also below a
 * proxy's prefix. */
HANDLER(on_graph)
{
	char *expr = http_request_param(request, "g0.expr", 0);
	struct buf target;

	buf_init(&target);
	buf_add_str(&target, expr ? "./?expr=" : "./");
	for (const char *c = expr ? expr : ""; *c; c++)
		buf_printf(&target, "%%%02X", (unsigned char)*c);
	struct http_header location = { "Location", buf_ok(&target) ? target.ptr : "./" };

	http_reply(request,
		   &(struct http_reply){ .status = 302, .headers = &location, .nheaders = 1 });
	buf_fini(&target);
	free(expr);
}
