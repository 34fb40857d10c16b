/*
 * The webhook as a step of a runbook: a request to an address, with a body of its own or the JSON
 * document that a script would get on its standard input. Templates stand in headers and body only:
 * what an alert's labels hold cannot choose where the request goes.
 *
 * Its id (webhook-id) is the step's: equal at each attempt, so that receivers can recognise
 * repeats. Whether a request that was begun before a crash was received, nobody can know.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/webhook.h"
#include "base/error.h"

#define HEADERS_MAX 32

struct request_part {
	char *url, *url_file, *method;
	struct bind_map headers;
	struct slice body;
	const struct yaml_node *http_config, *node;
};

struct webhook_step_options {
	struct step_options common;
	struct request_part request;
	/* made of them by webhook_step_check(): */
	const char **names;		/* of the headers */
	const struct template **values; /* theirs */
	const struct template *body;	/* NULL: the JSON document */
	bool has_type;			/* a Content-Type is among the headers */
};

#define REQUEST_FIELD(member, name, kind, ...)                                                     \
	{                                                                                          \
		.key = name, .type = kind, .offset = offsetof(struct request_part, member),        \
		__VA_ARGS__                                                                        \
	}
static const struct bind_field request_fields[] = {
	REQUEST_FIELD(url, "url", BIND_CSTRING, .doc = "Where to; http or https. No template."),
	REQUEST_FIELD(url_file, "url_file", BIND_CSTRING,
		      .doc = "A file that holds the address, read at each attempt; instead of "
			     "url."),
	REQUEST_FIELD(method, "method", BIND_CSTRING, .default_text = "POST",
		      .doc = "GET, POST, PUT, PATCH or DELETE."),
	REQUEST_FIELD(headers, "headers", BIND_MAP, .doc = "Names and texts; templates."),
	REQUEST_FIELD(
		body, "body", BIND_STRING,
		.doc = "Template of the body, with $labels, $value, $activeAt, $evidence; the "
		       "JSON document that scripts get unless given."),
	REQUEST_FIELD(http_config, "http_config", BIND_NODE, .doc = "Not there yet."),
};
static const struct bind_table request_table =
	BIND_TABLE_AT(request_part, "webhook request", request_fields);

static const struct bind_field webhook_step_fields[] = {
	STEP_FIELDS(webhook_step_options, common, "10s"),
	{ .key = "webhook",
	  .type = BIND_STRUCT,
	  .offset = offsetof(struct webhook_step_options, request),
	  .required = true,
	  .table = &request_table,
	  .doc = "The request. An answer of 2xx is a good end." },
};
static const struct bind_table webhook_step_table =
	BIND_TABLE(webhook_step_options, "webhook step", webhook_step_fields);

/* ---- checks ---- */

static int complain(struct diag_list *diags, const struct yaml_node *node, const char *hint,
		    const char *text)
{
	yaml_diag(diags, DIAG_ERROR, node, hint, "%s", text);
	return ERR_INVALID;
}

/* Complaints quote the file, of which the template must not borrow. */
static int template_make(const struct yaml_node *node, struct slice text, struct arena *arena,
			 struct diag_list *diags, const struct template **out)
{
	struct source *source = ARENA_NEW(arena, struct source);

	if (!source)
		return ERR_NOMEM;
	*source = node->source;
	source->text = text;
	int code = template_parse(source, arena, diags, out);

	if (!code && template_uses_query(*out))
		code = complain(diags, node,
				"ask in an annotation of the rule; or in a verify step",
				"\"query\" and \"now\" are there in the templates of rules only");
	*source = (struct source){ .text = text };
	return code;
}

static bool is_method(const char *method)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(method, methods[i]) == 0)
			return true;
	return false;
}

/* A token of HTTP, and none of those that are ours. */
static bool header_is_valid(struct slice name)
{
	static const char *const ours[] = { "content-length",	 "host",
					    "transfer-encoding", "webhook-id",
					    "x-tocsin-attempt",	 "webhook-timestamp" };

	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];

		if (c <= ' ' || c > '~' || strchr("()<>@,;:\\\"/[]?={}", c))
			return false;
	}
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (name.len == strlen(ours[i]) && strncasecmp(name.ptr, ours[i], name.len) == 0)
			return false;
	return name.len > 0;
}

static int headers_make(struct webhook_step_options *options, struct arena *arena,
			struct diag_list *diags)
{
	const struct bind_map *map = &options->request.headers;

	if (map->n > HEADERS_MAX)
		return complain(diags, map->items[0].key_node, "at most 32", "too many headers");
	options->names = ARENA_ARRAY(arena, const char *, map->n + 1);
	options->values = ARENA_ARRAY(arena, const struct template *, map->n + 1);
	if (!options->names || !options->values)
		return ERR_NOMEM;
	for (size_t i = 0; i < map->n; i++) {
		const struct bind_pair *pair = &map->items[i];

		if (!header_is_valid(pair->key))
			return complain(diags, pair->key_node, NULL, "this header is not allowed");
		int code = template_make(pair->value_node, pair->value, arena, diags,
					 &options->values[i]);

		if (code)
			return code;
		options->names[i] = arena_strdup(arena, pair->key);
		if (!options->names[i])
			return ERR_NOMEM;
		options->has_type |= strcasecmp(options->names[i], "content-type") == 0;
	}
	return 0;
}

static int webhook_step_check(void *pointer, bool is_step, const struct yaml_node *node,
			      const char *base_dir, struct arena *arena, struct diag_list *diags)
{
	struct webhook_step_options *options = pointer;
	struct request_part *request = &options->request;
	const struct yaml_node *own = request->node;
	const int codes[] = {
		webhook_url_check(request->url, &request->url_file, own, base_dir, arena, diags),
		request->http_config ? complain(diags, request->http_config, "take it out for now",
						"\"http_config\" of a step is not supported yet")
				     : 0,
		is_method(request->method)
			? 0
			: complain(diags, yaml_get(own, "method"),
				   "GET, POST, PUT, PATCH or DELETE", "this method is not allowed"),
		headers_make(options, arena, diags),
		request->body.len ? template_make(yaml_get(own, "body"), request->body, arena,
						  diags, &options->body)
				  : 0
	};
	int result = 0;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		result = codes[i] ? codes[i] : result;
	return result;
}

/* ---- attempts ---- */

/* What is sent, rendered. */
struct rendered {
	struct http_header headers[HEADERS_MAX + WEBHOOK_HEADERS + 1];
	struct buf values[HEADERS_MAX], body;
	size_t nheaders, nvalues;
	struct webhook_texts texts;
	char url[WEBHOOK_URL_MAX];
};

static void header_add(struct rendered *rendered, const char *name, const char *value)
{
	rendered->headers[rendered->nheaders++] = (struct http_header){ name, value };
}

/* A header is one line: what would end it becomes a blank. */
static void value_clean(struct buf *value)
{
	for (size_t i = 0; i < value->len; i++)
		if ((unsigned char)value->ptr[i] < ' ' || value->ptr[i] == 0x7f)
			value->ptr[i] = ' ';
}

/* ERR_EVAL: a template failed; better nothing is sent than its error. */
static int render(const struct webhook_step_options *options, const struct action_host *host,
		  const struct action_job *job, struct rendered *out)
{
	int code = 0;

	out->nheaders = webhook_headers(host, job, &out->texts, out->headers);
	if (!options->has_type)
		header_add(out, "Content-Type", "application/json");
	for (size_t i = 0; i < options->request.headers.n && code == 0; i++) {
		struct buf *value = &out->values[out->nvalues++];

		buf_init(value);
		code = template_render(options->values[i], job->data, value);
		value_clean(value);
		header_add(out, options->names[i], value->ptr ? value->ptr : "");
		code = code ? code : buf_ok(value) ? 0 : ERR_NOMEM;
	}
	buf_init(&out->body);
	if (code == 0 && options->body)
		code = template_render(options->body, job->data, &out->body);
	return code ? code : buf_ok(&out->body) ? 0 : ERR_NOMEM;
}

static int webhook_step_start(const struct action_host *host, const void *pointer,
			      const struct action_job *job,
			      void (*done)(void *ctx, const struct action_result *result),
			      void *ctx, struct action_attempt **out)
{
	const struct webhook_step_options *options = pointer;
	const struct request_part *request = &options->request;
	struct rendered *rendered = calloc(1, sizeof(*rendered));

	if (!rendered)
		return ERR_NOMEM;
	int code = render(options, host, job, rendered);

	if (code == 0 && request->url_file)
		code = webhook_url_read(request->url_file, rendered->url);
	struct http_send send = { .method = request->method,
				  .url = request->url_file ? rendered->url : request->url,
				  .headers = rendered->headers,
				  .nheaders = rendered->nheaders,
				  .body = options->body ? buf_slice(&rendered->body) : job->body,
				  .timeout_ms = options->common.timeout_ms };

	if (code == 0)
		code = webhook_send(host, &send, done, ctx, out);
	for (size_t i = 0; i < rendered->nvalues; i++)
		buf_fini(&rendered->values[i]);
	buf_fini(&rendered->body);
	free(rendered);
	return code;
}

extern const struct action_plugin webhook_step_plugin;
const struct action_plugin webhook_step_plugin = {
	.name = "webhook",
	.doc = "Sends a request to an address.",
	.step = &webhook_step_table,
	.check = webhook_step_check,
	.start = webhook_step_start,
	.cancel = webhook_cancel,
};
