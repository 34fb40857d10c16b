#include "daemon/config_storage.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "daemon/address.h"

#define DAY_MS (24ll * 3600 * 1000)
#define PASSWORD_MAX 1024
#define REDIS_DATABASE_MAX 65535 /* Redis says itself which ones it has */

static const struct bind_field storage_fields[] = {
	BIND_FIELD(storage_part, url, "url", BIND_STRING, .default_text = "memory",
		   .doc = "Where state is kept beside the journal: `memory` for nowhere, or "
			  "`redis://HOST:PORT`, with `/DB` behind it if it is not database 0."),
	BIND_FIELD(storage_part, password_file, "password_file", BIND_STRING, .default_text = "",
		   .doc = "File whose first line is Redis' password; relative to this file."),
	BIND_FIELD(
		storage_part, key_prefix, "key_prefix", BIND_STRING, .default_text = "tocsin",
		.doc = "Begins the keys in Redis, in braces: each Tocsin needs its own. Letters, "
		       "digits and `_-.:`, at most 64."),
	BIND_FIELD(storage_part, tls_config, "tls_config", BIND_NODE,
		   .doc = "Not there yet: must be empty."),
	BIND_FIELD(storage_part, durability, "durability", BIND_ENUM, .values = "async,storage",
		   .default_text = "async",
		   .doc = "When a sender is answered: async as soon as its samples are in the "
			  "windows; "
			  "storage once the journal and Redis, those that there are, have them."),
	BIND_FIELD(
		storage_part, confirm_timeout_ms, "confirm_timeout", BIND_DURATION,
		.default_text = "5s", .min = 10, .max = DAY_MS,
		.doc = "With durability storage: after so long a sender is answered 503, and tries "
		       "again."),
	BIND_FIELD(storage_part, commit_timeout_ms, "commit_timeout", BIND_DURATION,
		   .default_text = "250ms", .min = 0, .max = DAY_MS,
		   .doc = "What is to be sent waits at most so long for Redis, then it goes out "
			  "and is "
			  "counted as unreplicated."),
	BIND_FIELD(
		storage_part, journal_sync, "journal_sync", BIND_ENUM, .values = "none,group,each",
		.default_text = "group",
		.doc = "When the journal is synced to disk: never, once for all that waits, after "
		       "each record."),
};
const struct bind_table storage_table = BIND_TABLE_AT(storage_part, "storage", storage_fields);

/* An error at a key's value; about the whole file when that is not there. */
static int complain(const struct storage_part *part, const char *key, const char *path,
		    struct diag_list *diags, const char *hint, const char *text)
{
	const struct yaml_node *node = part->node ? yaml_get(part->node, key) : NULL;

	if (node)
		yaml_diag(diags, DIAG_ERROR, node, hint, "storage.%s: %s", key, text);
	else
		diag_add(diags, DIAG_ERROR, path, 0, 0, NULL, hint, "storage.%s: %s", key, text);
	return ERR_INVALID;
}

/* The first line of a file. ERR_IO: errno tells. */
static int read_password(const char *path, struct arena *arena, const char **out)
{
	char line[PASSWORD_MAX + 2];
	FILE *file = fopen(path, "r");

	if (!file)
		return ERR_IO;
	errno = ENODATA; /* it is empty, unless fgets() knows better */
	bool read = fgets(line, sizeof(line), file) != NULL;
	int error = errno;

	fclose(file);
	errno = error;
	if (!read)
		return ERR_IO;
	line[strcspn(line, "\r\n")] = '\0';
	if (strlen(line) > PASSWORD_MAX) { /* never with a part of it */
		errno = EFBIG;
		return ERR_IO;
	}
	*out = arena_strdup(arena, slice_from(line));
	return *out ? 0 : ERR_NOMEM;
}

static int bind_password(const struct storage_part *part, const char *path, const char *base_dir,
			 struct arena *arena, struct diag_list *diags, const char **out)
{
	struct slice name = part->password_file;
	char text[512];

	if (!name.len)
		return 0;
	char *file = name.ptr[0] == '/'
			     ? arena_strdup(arena, name)
			     : arena_printf(arena, "%s/" SLICE_FMT, base_dir, SLICE_ARG(name));
	int code = file ? read_password(file, arena, out) : ERR_NOMEM;

	if (code != ERR_IO)
		return code;
	snprintf(text, sizeof(text), "cannot read a password from \"%s\": %s", file,
		 strerror(errno));
	return complain(part, "password_file", path, diags, NULL, text);
}

/* What the interfaces promise beside redis://, and why it is refused. */
static const char *unsupported_scheme(struct slice url)
{
	static const char *const schemes[][2] = {
		{ "rediss://", "Redis over TLS is not there yet: write redis://HOST:PORT" },
		{ "redis+sentinel://", "Sentinel is not there yet: write redis://HOST:PORT" },
		{ "redis+cluster://", "Redis Cluster is not there yet: write redis://HOST:PORT" },
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (slice_has_prefix(url, slice_from(schemes[i][0])))
			return schemes[i][1];
	return NULL;
}

static int parse_database(struct slice text, uint32_t *out)
{
	uint32_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return ERR_INVALID;
		n = n * 10 + (uint32_t)(text.ptr[i] - '0');
		if (n > REDIS_DATABASE_MAX)
			return ERR_INVALID;
	}
	*out = n;
	return 0;
}

/* redis://HOST:PORT[/DB] */
static int parse_url(struct slice url, struct arena *arena, struct redis_endpoint *out)
{
	struct slice scheme = SLICE("redis://");

	if (!slice_has_prefix(url, scheme))
		return ERR_INVALID;
	struct slice address = { url.ptr + scheme.len, url.len - scheme.len };
	ptrdiff_t slash = slice_find(address, '/');
	char *host;

	if (slash >= 0) {
		struct slice database = { address.ptr + slash + 1,
					  address.len - (size_t)slash - 1 };

		if (parse_database(database, &out->database))
			return ERR_INVALID;
		address.len = (size_t)slash;
	}
	if (address.len == 0 || address.ptr[0] == ':' || slice_find(address, '@') >= 0)
		return ERR_INVALID;
	int code = address_parse(address, arena, &host, &out->port);

	if (code == 0 && out->port == 0)
		code = ERR_INVALID;
	if (code == 0)
		out->host = host;
	return code;
}

static bool is_key_prefix(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!isalnum((unsigned char)text.ptr[i]) &&
		    !memchr("_-.:", text.ptr[i], sizeof("_-.:") - 1))
			return false;
	return text.len > 0 && text.len <= REDIS_PREFIX_MAX;
}

static int bind_redis(const struct storage_part *part, const char *path, const char *base_dir,
		      struct arena *arena, struct diag_list *diags, struct storage_config *out)
{
	const char *unsupported = unsupported_scheme(part->url);
	struct redis_endpoint *redis = arena_alloc(arena, sizeof(*redis));
	char text[256];

	if (!redis)
		return ERR_NOMEM;
	*redis = (struct redis_endpoint){ 0 };
	snprintf(text, sizeof(text), "\"%.*s\" is %s",
		 (int)(part->url.len < 200 ? part->url.len : 200), part->url.ptr,
		 unsupported ? "not supported yet" : "no address of a Redis");
	if (unsupported)
		return complain(part, "url", path, diags, unsupported, text);
	int code = parse_url(part->url, arena, redis);

	if (code == ERR_INVALID)
		return complain(
			part, "url", path, diags,
			"write memory, redis://HOST:PORT or redis://HOST:PORT/DB; a password "
			"goes into storage.password_file",
			text);
	if (code)
		return code;
	out->redis = redis;
	return bind_password(part, path, base_dir, arena, diags, &redis->password);
}

int storage_config_bind(const struct storage_part *part, bool has_data_dir, const char *path,
			const char *base_dir, struct arena *arena, struct diag_list *diags,
			struct storage_config *out)
{
	int code = 0;

	*out = (struct storage_config){ .journal_sync = (enum journal_sync)part->journal_sync,
					.url = arena_strdup(arena, part->url),
					.key_prefix = arena_strdup(arena, part->key_prefix),
					.confirms = part->durability == 1,
					.confirm_timeout_ms = part->confirm_timeout_ms,
					.commit_timeout_ms = part->commit_timeout_ms };
	if (!out->url || !out->key_prefix)
		return ERR_NOMEM;
	if (part->tls_config && !yaml_is_null(part->tls_config) &&
	    (part->tls_config->type == YAML_SCALAR || part->tls_config->n > 0))
		code = complain(part, "tls_config", path, diags, "take it out for now",
				"this is not supported yet");
	if (!is_key_prefix(part->key_prefix))
		code = complain(part, "key_prefix", path, diags,
				"letters, digits and _-.: only, at most 64",
				"this cannot begin a key in Redis");
	if (!slice_is(part->url, "memory")) {
		int one = bind_redis(part, path, base_dir, arena, diags, out);

		code = one ? one : code;
	}
	if (out->confirms && !has_data_dir && slice_is(part->url, "memory"))
		code = complain(part, "durability", path, diags,
				"set data_dir, or storage.url to a Redis", "nothing is stored");
	return code;
}

static bool is_equal_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool storage_config_is_same_place(const struct storage_config *a, const struct storage_config *b)
{
	const char *password_a = a->redis ? a->redis->password : NULL,
		   *password_b = b->redis ? b->redis->password : NULL;

	return strcmp(a->url, b->url) == 0 && strcmp(a->key_prefix, b->key_prefix) == 0 &&
	       is_equal_text(password_a, password_b);
}
