/* How a server is reached that we write to or ask: the same keys in each section that names one. */
#ifndef TOCSIN_DAEMON_CONFIG_HTTP_H
#define TOCSIN_DAEMON_CONFIG_HTTP_H

#include "base/http_peer.h"
#include "base/yaml.h"

struct basic_auth_part {
	char *username, *password, *password_file;
	const struct yaml_node *node;
};

struct authorization_part {
	char *type, *credentials, *credentials_file;
	const struct yaml_node *node;
};

struct tls_part {
	char *ca_file, *cert_file, *key_file, *server_name;
	bool insecure_skip_verify;
	const struct yaml_node *node;
};

struct http_part {
	char *url;
	struct bind_map headers;
	struct basic_auth_part basic_auth;
	struct authorization_part authorization;
	struct tls_part tls;
	bool follow_redirects;
};

extern const struct bind_table basic_auth_table, authorization_table, tls_table;

#define HTTP_LATER(name, ...)                                                                      \
	{                                                                                          \
		.key = name, .type = BIND_LATER, .doc = "Not there yet.", __VA_ARGS__              \
	}

/* Fields of a table whose struct s has a struct http_part as its member `http`. */
#define HTTP_FIELDS(s)                                                                             \
	BIND_FIELD(s, http.url, "url", BIND_CSTRING, .required = true,                             \
		   .doc = "Its address; http or https."),                                          \
		BIND_FIELD(s, http.headers, "headers", BIND_MAP,                                   \
			   .doc = "Further headers of each request."),                             \
		BIND_FIELD(s, http.basic_auth, "basic_auth", BIND_STRUCT,                          \
			   .table = &basic_auth_table, .doc = "A name and a password."),           \
		BIND_FIELD(s, http.authorization, "authorization", BIND_STRUCT,                    \
			   .table = &authorization_table, .doc = "The header `Authorization`."),   \
		BIND_FIELD(s, http.tls, "tls_config", BIND_STRUCT, .table = &tls_table,            \
			   .doc = "For https."),                                                   \
		BIND_FIELD(s, http.follow_redirects, "follow_redirects", BIND_BOOL,                \
			   .default_text = "true", .doc = "Whether redirects are followed."),      \
		HTTP_LATER("enable_http2", .default_text = "false"), HTTP_LATER("oauth2"),         \
		HTTP_LATER("sigv4"), HTTP_LATER("azuread"), HTTP_LATER("google_iam"),              \
		HTTP_LATER("proxy_url"), HTTP_LATER("no_proxy"),                                   \
		HTTP_LATER("proxy_from_environment", .default_text = "false"),                     \
		HTTP_LATER("proxy_connect_header"), HTTP_LATER("http_headers")

/*
 * *out of what is written; timeout_ms is the caller's. `node` is the section, for what is wrong;
 * `reserved` (ended by NULL) are headers that are not to be set. ERR_INVALID with diagnostics;
 * ERR_NOMEM.
 */
int http_part_bind(const struct http_part *part, const struct yaml_node *node,
		   const char *const *reserved, const char *base_dir, struct arena *arena,
		   struct diag_list *diags, struct http_peer *out);
/* The address without name and password, for logs and metrics. NULL: no memory. */
char *http_url_shown(const char *url, struct arena *arena);

#endif
