#include "daemon/config_logs.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "daemon/config_labels.h"
#include "daemon/address.h"
#include "ingest/ndjson.h"

#define DAY_MS (24ll * 3600 * 1000)

struct syslog_part {
	struct slice listen_address;
	int protocol, timestamp;
	int64_t connections, idle_timeout_ms, receive_buffer;
};

struct stdin_part {
	int format;
	struct slice time_field, message_field;
	struct bind_strings stream_fields;
};

struct log_source_part {
	struct bind_strings files;
	struct syslog_part syslog;
	struct stdin_part stdin_;
	struct bind_map labels;
	struct bind_structs relabel_configs;
	uint64_t given;
	const struct yaml_node *node;
};

static const struct bind_field syslog_fields[] = {
	BIND_FIELD(syslog_part, listen_address, "listen_address", BIND_STRING, .required = true,
		   .doc = "HOST:PORT where messages come in."),
	BIND_FIELD(syslog_part, protocol, "protocol", BIND_ENUM, .values = "tcp,udp",
		   .default_text = "tcp", .doc = "UDP may lose messages, TCP makes senders wait."),
	BIND_FIELD(syslog_part, timestamp, "timestamp", BIND_ENUM, .values = "arrival,message",
		   .default_text = "arrival",
		   .doc = "Which time a line is given: when it came, or what its header says."),
	BIND_FIELD(syslog_part, connections, "connections", BIND_INT, .default_text = "1000",
		   .min = 1, .max = 100000,
		   .doc = "TCP: connections at a time; further ones wait."),
	BIND_FIELD(syslog_part, idle_timeout_ms, "idle_timeout", BIND_DURATION,
		   .default_text = "1h", .min = 1000, .max = 365 * DAY_MS,
		   .doc = "TCP: a connection that says nothing for so long is closed."),
	BIND_FIELD(syslog_part, receive_buffer, "receive_buffer", BIND_BYTES,
		   .default_text = "8MiB", .min = 4096, .max = 1 << 30, .unit = "bytes",
		   .doc = "UDP: what the kernel may hold for us; it may grant less "
			  "(net.core.rmem_max)."),
};
static const struct bind_table syslog_table = BIND_TABLE(syslog_part, "syslog", syslog_fields);

static const struct bind_field stdin_fields[] = {
	BIND_FIELD(stdin_part, format, "format", BIND_ENUM, .values = "text,json",
		   .default_text = "text",
		   .doc = "text: each line as it stands; json: an object on each line."),
	BIND_FIELD(stdin_part, time_field, "time_field", BIND_STRING, .default_text = "",
		   .doc = "json: the field with the time: RFC 3339, or a number of seconds, "
			  "milliseconds, "
			  "microseconds or nanoseconds by its size. Unless given: the time of "
			  "arrival."),
	BIND_FIELD(stdin_part, message_field, "message_field", BIND_STRING, .default_text = "",
		   .doc = "json: the field that is the line. Unless given: the whole object."),
	BIND_FIELD(stdin_part, stream_fields, "stream_fields", BIND_STRINGS,
		   .doc = "json: fields that become labels of the stream. With message_field all "
			  "others "
			  "are labels of the single line; without, they are in the line."),
};
static const struct bind_table stdin_table = BIND_TABLE(stdin_part, "stdin", stdin_fields);

/* In the order of enum log_source_kind: bits of `given`. */
static const struct bind_field log_source_fields[] = {
	BIND_FIELD(log_source_part, files, "files", BIND_STRINGS,
		   .doc = "Files to follow, with wildcards; relative to this file."),
	BIND_FIELD(log_source_part, syslog, "syslog", BIND_STRUCT, .table = &syslog_table,
		   .doc = "Messages from syslog senders."),
	BIND_FIELD(log_source_part, stdin_, "stdin", BIND_STRUCT, .table = &stdin_table,
		   .doc = "Lines from standard input."),
	BIND_FIELD(log_source_part, labels, "labels", BIND_MAP, .doc = "Labels for every line."),
	BIND_FIELD(log_source_part, relabel_configs, "relabel_configs", BIND_STRUCTS,
		   .table = &relabel_table,
		   .doc = "What becomes of the labels of streams: rules, one after the other; a "
			  "stream "
			  "that is dropped is not counted."),
};
const struct bind_table log_source_table =
	BIND_TABLE_GIVEN(log_source_part, "ingest.logs", log_source_fields);
#define KINDS 3

struct log_binder {
	const char *base_dir;
	struct arena *arena;
	struct diag_list *diags;
};

static void warn_without_match(struct log_binder *b, const char *pattern,
			       const struct yaml_node *node)
{
	glob_t found;

	if (glob(pattern, GLOB_ERR, NULL, &found) == 0) {
		globfree(&found);
		return;
	}
	diag_name(yaml_diag(b->diags, DIAG_WARNING, node, NULL,
			    "files: \"" SLICE_FMT "\" matches no file yet", SLICE_ARG(node->text)),
		  "no-log-file");
}

static int bind_files(struct log_binder *b, const struct log_source_part *part,
		      struct log_source_config *out)
{
	const struct yaml_node *list = yaml_get(part->node, "files");

	if (part->files.n == 0 && (list->type != YAML_SEQUENCE || list->n > 0))
		return ERR_INVALID; /* told: no list of texts */
	if (part->files.n == 0) {
		yaml_diag(b->diags, DIAG_ERROR, list, "write [/var/log/app/*.log]",
			  "\"files\" in ingest.logs names no file");
		return ERR_INVALID;
	}
	out->globs = ARENA_ARRAY(b->arena, char *, part->files.n);
	if (!out->globs)
		return ERR_NOMEM;
	for (size_t i = 0; i < part->files.n; i++) {
		struct slice pattern = part->files.items[i];

		if (pattern.len == 0 || memchr(pattern.ptr, '\0', pattern.len)) {
			yaml_diag(b->diags, DIAG_ERROR, part->files.nodes[i], NULL,
				  "\"files\" in ingest.logs: an empty path");
			return ERR_INVALID;
		}
		out->globs[i] = pattern.ptr[0] == '/'
					? arena_strdup(b->arena, pattern)
					: arena_printf(b->arena, "%s/" SLICE_FMT, b->base_dir,
						       SLICE_ARG(pattern));
		if (!out->globs[i])
			return ERR_NOMEM;
		out->nglobs++;
		warn_without_match(b, out->globs[i], part->files.nodes[i]);
	}
	struct slice first = part->files.items[0];
	const char *name = arena_printf(b->arena, "files:" SLICE_FMT, SLICE_ARG(first));

	text_fit(out->name, sizeof(out->name), name);
	return name ? 0 : ERR_NOMEM;
}

static int bind_syslog(struct log_binder *b, const struct log_source_part *part,
		       struct log_source_config *out)
{
	const struct syslog_part *syslog = &part->syslog;
	const struct yaml_node *node = yaml_get(yaml_get(part->node, "syslog"), "listen_address");
	int code = address_parse(syslog->listen_address, b->arena, &out->host, &out->port);

	out->udp = syslog->protocol == 1;
	out->time = (enum log_time)syslog->timestamp;
	out->connections_max = syslog->connections;
	out->idle_timeout_ms = syslog->idle_timeout_ms;
	out->receive_bytes = syslog->receive_buffer;
	if (code == ERR_INVALID && node)
		yaml_diag(b->diags, DIAG_ERROR, node,
			  "write it as HOST:PORT, for example 127.0.0.1:5514",
			  "listen address \"" SLICE_FMT "\" is no HOST:PORT",
			  SLICE_ARG(syslog->listen_address));
	if (code)
		return code;
	snprintf(out->name, sizeof(out->name), "syslog:%s:%s:%u", out->udp ? "udp" : "tcp",
		 out->host, out->port);
	return 0;
}

static int bind_stdin(struct log_binder *b, const struct log_source_part *part,
		      struct log_source_config *out)
{
	const struct stdin_part *from = &part->stdin_;

	out->json = from->format == 1;
	out->time_field = from->time_field;
	out->message_field = from->message_field;
	out->stream_fields = from->stream_fields;
	snprintf(out->name, sizeof(out->name), "stdin");
	if (from->stream_fields.n > NDJSON_STREAM_FIELDS_MAX) {
		yaml_diag(b->diags, DIAG_ERROR, yaml_get(part->node, "stdin"), NULL,
			  "\"stream_fields\" in stdin has more than %d names",
			  NDJSON_STREAM_FIELDS_MAX);
		return ERR_INVALID;
	}
	if (!out->json &&
	    (from->time_field.len || from->message_field.len || from->stream_fields.n)) {
		yaml_diag(b->diags, DIAG_ERROR, yaml_get(part->node, "stdin"), "add format: json",
			  "text has no fields to take time, message or labels from");
		return ERR_INVALID;
	}
	return 0;
}

static int bind_source(struct log_binder *b, const struct log_source_part *part,
		       struct log_source_config *out)
{
	static int (*const bind[KINDS])(struct log_binder * b, const struct log_source_part *part,
					struct log_source_config *out) = { bind_files, bind_syslog,
									   bind_stdin };
	unsigned kind = KINDS;

	if (part->node->type != YAML_MAPPING)
		return ERR_INVALID; /* told */
	for (unsigned i = 0; i < KINDS; i++) {
		if (!(part->given & 1u << i))
			continue;
		if (kind != KINDS) {
			yaml_diag(b->diags, DIAG_ERROR, part->node, "make an entry of each",
				  "an entry of ingest.logs is either \"%s\" or \"%s\"",
				  log_source_fields[kind].key, log_source_fields[i].key);
			return ERR_INVALID;
		}
		kind = i;
	}
	if (kind == KINDS) {
		yaml_diag(b->diags, DIAG_ERROR, part->node, "write files, syslog or stdin",
			  "an entry of ingest.logs does not say where lines come from");
		return ERR_INVALID;
	}
	out->kind = (enum log_source_kind)kind;
	int code = bind[kind](b, part, out),
	    labels = config_labels_bind(&part->labels, "a label", NULL, b->arena, b->diags,
					&out->labels),
	    relabel = relabel_new(&part->relabel_configs, b->diags, &out->relabel);

	return code == ERR_NOMEM || relabel == ERR_NOMEM ? ERR_NOMEM : labels;
}

/* What only one source can have: standard input, an address. */
static bool is_same_place(const struct log_source_config *a, const struct log_source_config *b)
{
	if (a->kind != b->kind || a->kind == LOG_SOURCE_FILES)
		return false;
	return a->kind == LOG_SOURCE_STDIN || (a->port && a->port == b->port && a->udp == b->udp &&
					       strcmp(a->host, b->host) == 0);
}

static void refuse_twice(struct log_binder *b, const struct log_source_part *parts,
			 const struct log_sources_config *out)
{
	for (size_t i = 0; i < out->n; i++)
		for (size_t k = 0; k < i; k++) {
			if (!is_same_place(&out->items[i], &out->items[k]))
				continue;
			yaml_diag(b->diags, DIAG_ERROR, parts[i].node, NULL,
				  "a second source for %s", out->items[i].name);
			break;
		}
}

int log_sources_config_bind(const struct bind_structs *parts, const char *base_dir,
			    struct arena *arena, struct diag_list *diags,
			    struct log_sources_config *out)
{
	const struct log_source_part *items = parts->items;
	struct log_binder b = { base_dir, arena, diags };
	size_t errors_before = diags->errors;

	*out = (struct log_sources_config){ 0 };
	if (parts->n > LOG_SOURCES_MAX) {
		yaml_diag(diags, DIAG_ERROR, items[LOG_SOURCES_MAX].node, NULL,
			  "ingest.logs has more than %d entries", LOG_SOURCES_MAX);
		return ERR_INVALID;
	}
	out->items = ARENA_ARRAY(arena, struct log_source_config, parts->n + 1);
	if (!out->items)
		return ERR_NOMEM;
	for (; out->n < parts->n; out->n++)
		if (bind_source(&b, &items[out->n], &out->items[out->n]) == ERR_NOMEM)
			return ERR_NOMEM;
	refuse_twice(&b, items, out);
	return diags->errors > errors_before ? ERR_INVALID : 0;
}

void log_sources_config_fini(struct log_sources_config *config)
{
	for (size_t i = 0; i < config->n; i++) {
		labels_unref(config->items[i].labels);
		relabel_unref(config->items[i].relabel);
	}
	config->n = 0;
}

static bool strings_are_equal(const struct bind_strings *a, const struct bind_strings *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!slice_is_equal(a->items[i], b->items[i]))
			return false;
	return true;
}

static bool globs_are_equal(const struct log_source_config *a, const struct log_source_config *b)
{
	if (a->nglobs != b->nglobs)
		return false;
	for (size_t i = 0; i < a->nglobs; i++)
		if (strcmp(a->globs[i], b->globs[i]) != 0)
			return false;
	return true;
}

bool log_source_config_is_equal(const struct log_source_config *a,
				const struct log_source_config *b)
{
	if (a->kind != b->kind || !labels_is_equal(a->labels, b->labels) ||
	    relabel_hash(a->relabel) != relabel_hash(b->relabel))
		return false;
	switch (a->kind) {
	case LOG_SOURCE_FILES:
		return globs_are_equal(a, b);
	case LOG_SOURCE_SYSLOG:
		return a->udp == b->udp && a->port == b->port && strcmp(a->host, b->host) == 0 &&
		       a->time == b->time && a->connections_max == b->connections_max &&
		       a->idle_timeout_ms == b->idle_timeout_ms &&
		       a->receive_bytes == b->receive_bytes;
	case LOG_SOURCE_STDIN:
		return a->json == b->json && slice_is_equal(a->time_field, b->time_field) &&
		       slice_is_equal(a->message_field, b->message_field) &&
		       strings_are_equal(&a->stream_fields, &b->stream_fields);
	}
	return false;
}
