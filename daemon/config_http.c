#include "daemon/config_http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/error.h"

static const struct bind_field basic_auth_fields[] = {
	BIND_FIELD(basic_auth_part, username, "username", BIND_CSTRING, .doc = "The name."),
	BIND_FIELD(basic_auth_part, password, "password", BIND_CSTRING, .doc = "The password."),
	BIND_FIELD(basic_auth_part, password_file, "password_file", BIND_CSTRING,
		   .doc = "A file whose first line is the password, read at each request; instead "
			  "of password."),
	HTTP_LATER("username_file"),
	HTTP_LATER("username_ref"),
	HTTP_LATER("password_ref"),
};
const struct bind_table basic_auth_table =
	BIND_TABLE_AT(basic_auth_part, "basic_auth", basic_auth_fields);

static const struct bind_field authorization_fields[] = {
	BIND_FIELD(authorization_part, type, "type", BIND_CSTRING, .default_text = "Bearer",
		   .doc = "The kind of credentials."),
	BIND_FIELD(authorization_part, credentials, "credentials", BIND_CSTRING,
		   .doc = "The credentials."),
	BIND_FIELD(authorization_part, credentials_file, "credentials_file", BIND_CSTRING,
		   .doc = "A file whose first line they are, read at each request; instead of "
			  "credentials."),
	HTTP_LATER("credentials_ref"),
};
const struct bind_table authorization_table =
	BIND_TABLE_AT(authorization_part, "authorization", authorization_fields);

static const struct bind_field tls_fields[] = {
	BIND_FIELD(tls_part, ca_file, "ca_file", BIND_CSTRING,
		   .doc = "Certificates that the server's is verified by; else the system's."),
	BIND_FIELD(tls_part, cert_file, "cert_file", BIND_CSTRING, .doc = "Our certificate."),
	BIND_FIELD(tls_part, key_file, "key_file", BIND_CSTRING, .doc = "Its key."),
	BIND_FIELD(tls_part, server_name, "server_name", BIND_CSTRING,
		   .doc = "The name that the server's certificate must be for, if it is not the "
			  "host's."),
	BIND_FIELD(tls_part, insecure_skip_verify, "insecure_skip_verify", BIND_BOOL,
		   .default_text = "false", .doc = "Takes any certificate."),
	HTTP_LATER("ca"),
	HTTP_LATER("cert"),
	HTTP_LATER("key"),
	HTTP_LATER("min_version"),
	HTTP_LATER("max_version"),
};
const struct bind_table tls_table = BIND_TABLE_AT(tls_part, "tls_config", tls_fields);

struct binder {
	const struct yaml_node *node;
	const char *base_dir;
	struct arena *arena;
	struct diag_list *diags;
};

static bool is_given(const char *text)
{
	return text && *text;
}

/*
 * The file that a key of a mapping names; relative paths are relative to the configuration. It is
 * read at each request, so that it may still come: that it is not there is a warning. NULL stays,
 * also without memory: *failed.
 */
static const char *path_of(const struct binder *b, const struct yaml_node *mapping, const char *key,
			   const char *path, bool *failed)
{
	if (!is_given(path))
		return NULL;
	const char *made = *path == '/' ? path : arena_printf(b->arena, "%s/%s", b->base_dir, path);

	*failed |= !made;
	if (made && access(made, R_OK))
		diag_name(yaml_diag(b->diags, DIAG_WARNING, yaml_get(mapping, key), NULL,
				    "%s: cannot read \"%s\": %s", key, made, strerror(errno)),
			  "no-file");
	return made;
}

static void check_url(const struct binder *b, const char *url)
{
	if (!is_given(url) || strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0)
		return;
	yaml_diag(b->diags, DIAG_ERROR, yaml_get(b->node, "url"),
		  "begin it with http:// or https://", "\"%s\" is no http or https address", url);
}

/* One of two ways to give a secret. */
static void check_secret(const struct binder *b, const struct yaml_node *node, const char *what,
			 const char *given, const char *file)
{
	if (is_given(given) && is_given(file))
		yaml_diag(b->diags, DIAG_ERROR, node, "take one of them out",
			  "both %s and %s_file are given", what, what);
}

static void bind_basic_auth(const struct binder *b, const struct basic_auth_part *part,
			    struct http_peer *out, bool *failed)
{
	if (!part->node)
		return;
	if (!is_given(part->username))
		yaml_diag(b->diags, DIAG_ERROR, part->node, NULL, "basic_auth needs a username");
	check_secret(b, part->node, "password", part->password, part->password_file);
	out->username = part->username;
	out->password = part->password;
	out->password_file = path_of(b, part->node, "password_file", part->password_file, failed);
}

static void bind_authorization(const struct binder *b, const struct authorization_part *part,
			       struct http_peer *out, bool *failed)
{
	if (!part->node)
		return;
	if (out->username)
		yaml_diag(b->diags, DIAG_ERROR, part->node, "take one of them out",
			  "both basic_auth and authorization are given");
	if (part->type && strcasecmp(part->type, "basic") == 0)
		yaml_diag(b->diags, DIAG_ERROR, part->node, "write basic_auth instead",
			  "authorization cannot be of the type \"basic\"");
	if (!is_given(part->credentials) && !is_given(part->credentials_file))
		yaml_diag(b->diags, DIAG_ERROR, part->node, NULL,
			  "authorization needs credentials or credentials_file");
	check_secret(b, part->node, "credentials", part->credentials, part->credentials_file);
	out->auth_type = part->type;
	out->credentials = part->credentials;
	out->credentials_file =
		path_of(b, part->node, "credentials_file", part->credentials_file, failed);
}

static bool is_reserved(struct slice name, const char *const *reserved)
{
	for (; *reserved; reserved++)
		if (name.len == strlen(*reserved) &&
		    strncasecmp(name.ptr, *reserved, name.len) == 0)
			return true;
	return false;
}

static int bind_headers(const struct binder *b, const struct bind_map *map,
			const char *const *reserved, struct http_peer *out)
{
	struct http_header *headers = ARENA_ARRAY(b->arena, struct http_header, map->n + 1);

	if (!headers)
		return ERR_NOMEM;
	if (map->n > HTTP_PEER_HEADERS_MAX / 2)
		yaml_diag(b->diags, DIAG_ERROR, map->items[0].key_node, NULL,
			  "more than %d headers", HTTP_PEER_HEADERS_MAX / 2);
	for (size_t i = 0; i < map->n; i++) {
		if (is_reserved(map->items[i].key, reserved))
			yaml_diag(b->diags, DIAG_ERROR, map->items[i].key_node, "take it out",
				  "the header \"" SLICE_FMT "\" is set by Tocsin",
				  SLICE_ARG(map->items[i].key));
		headers[i] = (struct http_header){ arena_strdup(b->arena, map->items[i].key),
						   arena_strdup(b->arena, map->items[i].value) };
		if (!headers[i].name || !headers[i].value)
			return ERR_NOMEM;
		if (strpbrk(headers[i].value, "\r\n"))
			yaml_diag(b->diags, DIAG_ERROR, map->items[i].value_node, NULL,
				  "a header has one line");
	}
	out->headers = headers;
	out->nheaders = map->n;
	return 0;
}

static void bind_tls(const struct binder *b, const struct tls_part *part, struct http_peer *out,
		     bool *failed)
{
	if (is_given(part->key_file) != is_given(part->cert_file))
		yaml_diag(b->diags, DIAG_ERROR, part->node, NULL,
			  "cert_file and key_file go together");
	out->ca_file = path_of(b, part->node, "ca_file", part->ca_file, failed);
	out->cert_file = path_of(b, part->node, "cert_file", part->cert_file, failed);
	out->key_file = path_of(b, part->node, "key_file", part->key_file, failed);
	out->server_name = is_given(part->server_name) ? part->server_name : NULL;
	out->insecure_skip_verify = part->insecure_skip_verify;
}

int http_part_bind(const struct http_part *part, const struct yaml_node *node,
		   const char *const *reserved, const char *base_dir, struct arena *arena,
		   struct diag_list *diags, struct http_peer *out)
{
	const struct binder b = { node, base_dir, arena, diags };
	size_t errors = diags->errors;
	bool failed = false;

	*out = (struct http_peer){ .url = part->url, .follow_redirects = part->follow_redirects };
	check_url(&b, part->url);
	bind_basic_auth(&b, &part->basic_auth, out, &failed);
	bind_authorization(&b, &part->authorization, out, &failed);
	bind_tls(&b, &part->tls, out, &failed);
	if (failed || bind_headers(&b, &part->headers, reserved, out))
		return ERR_NOMEM;
	return diags->errors > errors ? ERR_INVALID : 0;
}

char *http_url_shown(const char *url, struct arena *arena)
{
	const char *host = url ? strstr(url, "://") : NULL;

	if (!host)
		return arena_strdup(arena, slice_from(url));
	host += 3;
	size_t authority = strcspn(host, "/?#");
	const char *at = NULL;

	for (size_t i = 0; i < authority; i++)
		if (host[i] == '@')
			at = &host[i + 1];
	return at ? arena_printf(arena, "%.*s%s", (int)(host - url), url, at)
		  : arena_strdup(arena, slice_from(url));
}
