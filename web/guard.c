/*
 * Who may ask: against pages of other origins that use a browser of ours.
 *
 * Host: a name that is not ours means DNS rebinding: another site's name was made to point here.
 * Names that nobody else can own (addresses, localhost) pass. Origin: sent by browsers with what a
 * page asks of another origin; it must be ours. Changes through our own API need what no form can
 * send: a JSON content type and a header of our own.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

#include "base/error.h"
#include "web/web_internal.h"

#define HOST_BYTES_MAX 255

static struct slice lower_dup(struct arena *arena, struct slice text)
{
	char *copy = arena_strdup(arena, text);

	for (size_t i = 0; copy && i < text.len; i++)
		copy[i] = (char)tolower((unsigned char)copy[i]);
	return (struct slice){ copy, copy ? text.len : 0 };
}

static bool is_equal_nocase(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

/* "name:9797", "[::1]:9797", "[::1]" → the name, without brackets */
static struct slice host_of(struct slice authority)
{
	if (authority.len && authority.ptr[0] == '[') {
		ptrdiff_t end = slice_find(authority, ']');

		return end < 0 ? authority : (struct slice){ authority.ptr + 1, (size_t)end - 1 };
	}
	ptrdiff_t colon = slice_find(authority, ':');

	return colon < 0 ? authority : (struct slice){ authority.ptr, (size_t)colon };
}

/* "http://name:port/path" → *origin "http://name:port", and "name:port"; empty if it is none */
static struct slice authority_of(struct slice url, struct slice *origin)
{
	size_t at = slice_has_prefix(url, SLICE("http://"))    ? 7
		    : slice_has_prefix(url, SLICE("https://")) ? 8
							       : 0;

	*origin = (struct slice){ NULL, 0 };
	if (!at)
		return *origin;
	struct slice rest = { url.ptr + at, url.len - at };
	ptrdiff_t slash = slice_find(rest, '/');

	if (slash >= 0)
		rest.len = (size_t)slash;
	*origin = (struct slice){ url.ptr, at + rest.len };
	return rest;
}

static bool is_address(struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char bytes[16];

	if (host.len == 0 || host.len >= sizeof(text))
		return false;
	memcpy(text, host.ptr, host.len);
	text[host.len] = '\0';
	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool is_configured(const struct web *web, struct slice host)
{
	for (size_t i = 0; i < web->nhosts; i++)
		if (is_equal_nocase(host, web->hosts[i]))
			return true;
	return false;
}

static bool is_our_host(const struct web *web, struct slice host)
{
	return is_address(host) || is_equal_nocase(host, SLICE("localhost")) ||
	       is_configured(web, host);
}

/*
 * Ours: the external URL's, or where this very request went; but then under a name that nobody
 * could have made to point here.
 */
static bool is_our_origin(const struct web *web, struct slice origin, struct slice host)
{
	struct slice whole, authority = authority_of(origin, &whole);

	if (authority.len == 0 || whole.len != origin.len)
		return false; /* "null", or no origin at all */
	if (is_equal_nocase(whole, web->origin))
		return true;
	return is_equal_nocase(authority, host) && is_our_host(web, host_of(host));
}

static bool is_json(struct slice type)
{
	struct slice json = SLICE(JSON_TYPE);

	return type.len >= json.len && strncasecmp(type.ptr, json.ptr, json.len) == 0 &&
	       (type.len == json.len || type.ptr[json.len] == ';' || type.ptr[json.len] == ' ');
}

static const char *change_refusal(const struct web *web, struct http_request *request)
{
	if (!web->loopback)
		return "changes through this API are refused while the listen address is not a "
		       "loopback address";
	if (!is_json(http_request_header(request, "Content-Type")))
		return "a change needs the header Content-Type: application/json";
	if (!http_request_header(request, "X-Tocsin-Request").ptr)
		return "a change needs the header X-Tocsin-Request: 1";
	return NULL;
}

bool guard_pass(struct web *web, struct http_request *request, unsigned guards)
{
	struct slice host = http_request_header(request, "Host"),
		     origin = http_request_header(request, "Origin");
	const char *why = NULL;

	/* A browser always sends Host: without it there is nobody to protect. */
	if ((guards & GUARD_HOST) && host.len && !is_our_host(web, host_of(host)))
		why = "this Host is not known here: name it in web.allowed_hosts or "
		      "web.external_url";
	else if (origin.ptr && !is_our_origin(web, origin, host))
		why = "requests of other origins are refused";
	else if (guards & GUARD_CHANGE)
		why = change_refusal(web, request);
	if (!why)
		return true;
	web_fail(request, 403, "forbidden", "%s", why);
	return false;
}

bool web_origin_pass(struct web *web, struct http_request *request)
{
	return guard_pass(web, request, 0);
}

int guard_init(struct web *web, const struct web_options *options)
{
	struct slice origin, authority = authority_of(options->external_url, &origin);

	if (options->nallowed_hosts > HOSTS_MAX)
		return ERR_LIMIT;
	web->hosts = ARENA_ARRAY(&web->arena, struct slice, options->nallowed_hosts + 1);
	if (!web->hosts)
		return ERR_NOMEM;
	if (authority.len && authority.len <= HOST_BYTES_MAX) {
		web->origin = lower_dup(&web->arena, origin);
		web->hosts[web->nhosts++] = host_of(lower_dup(&web->arena, authority));
	}
	for (size_t i = 0; i < options->nallowed_hosts; i++)
		web->hosts[web->nhosts++] =
			host_of(lower_dup(&web->arena, options->allowed_hosts[i]));
	return 0;
}
