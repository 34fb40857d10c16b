#include "daemon/config_peers.h"

#include "base/error.h"
#include "daemon/config_http.h"

#define DAY_MS (24ll * 3600 * 1000)

struct history_part {
	struct http_part http;
	int64_t timeout_ms, max_range_ms;
	struct bind_structs relabel;
	const struct yaml_node *node;
};

static const struct bind_field fields[] = {
	HTTP_FIELDS(history_part),
	BIND_FIELD(history_part, max_range_ms, "max_range", BIND_DURATION, .default_text = "30d",
		   .min = 1000, .max = 3650 * DAY_MS,
		   .doc = "It is asked for no more than this, from now back."),
	BIND_FIELD(history_part, timeout_ms, "remote_timeout", BIND_DURATION, .default_text = "1m",
		   .min = 1, .max = DAY_MS, .doc = "For one request."),
	BIND_FIELD(history_part, relabel, "write_relabel_configs", BIND_STRUCTS,
		   .table = &relabel_table,
		   .doc = "What its own remote-write to Tocsin does to labels, if it does, so that "
			  "the "
			  "past gets the same: rules, one after the other."),
};
const struct bind_table history_table = BIND_TABLE_AT(history_part, "history", fields);

/* What a request says itself. */
static const char *const reserved[] = { "Authorization",     "Accept-Encoding",
					"Content-Encoding",  "Content-Type",
					"User-Agent",	     "X-Prometheus-Remote-Read-Version",
					"Content-Length",    "Host",
					"Transfer-Encoding", NULL };

static int bind_one(const struct history_part *part, const char *base_dir, struct arena *arena,
		    struct diag_list *diags, struct history_server *out)
{
	*out = (struct history_server){ .max_range_ms = part->max_range_ms };
	int code = http_part_bind(&part->http, part->node, reserved, base_dir, arena, diags,
				  &out->peer);

	out->peer.timeout_ms = part->timeout_ms;
	if (part->http.url && strpbrk(part->http.url, "?#"))
		yaml_diag(diags, DIAG_ERROR, yaml_get(part->node, "url"),
			  "write http://HOST:PORT, with a path where Prometheus has a prefix",
			  "the address of a history has no query");
	if (part->http.url && strlen(part->http.url) > HISTORY_URL_MAX)
		yaml_diag(diags, DIAG_ERROR, yaml_get(part->node, "url"), NULL,
			  "the address of a history has at most %d bytes", HISTORY_URL_MAX);
	out->url_shown = http_url_shown(part->http.url, arena);
	if (relabel_new(&part->relabel, diags, &out->relabel) == ERR_NOMEM || code == ERR_NOMEM)
		return ERR_NOMEM;
	return out->url_shown ? 0 : ERR_NOMEM;
}

int history_config_bind(const struct bind_structs *parts, const char *base_dir, struct arena *arena,
			struct diag_list *diags, struct history_config *out)
{
	const struct history_part *items = parts->items;
	size_t errors = diags->errors;

	*out = (struct history_config){ 0 };
	if (parts->n > HISTORY_SERVERS_MAX) {
		yaml_diag(diags, DIAG_ERROR, items[HISTORY_SERVERS_MAX].node, NULL,
			  "more than %d servers of history", HISTORY_SERVERS_MAX);
		return ERR_INVALID;
	}
	out->servers = ARENA_ARRAY(arena, struct history_server, parts->n + 1);
	if (!out->servers)
		return ERR_NOMEM;
	for (size_t i = 0; i < parts->n; i++) {
		int code = bind_one(&items[i], base_dir, arena, diags, &out->servers[i]);

		out->n = i + 1;
		if (code)
			return code;
	}
	return diags->errors > errors ? ERR_INVALID : 0;
}

void history_config_fini(struct history_config *config)
{
	for (size_t i = 0; i < config->n; i++)
		relabel_unref(config->servers[i].relabel);
}
