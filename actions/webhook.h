/* What the webhooks of receivers and of runbook steps share. Private to actions/. */
#ifndef TOCSIN_ACTIONS_WEBHOOK_H
#define TOCSIN_ACTIONS_WEBHOOK_H

#include "actions/plugin.h"

#define WEBHOOK_URL_MAX 4096

/* The first line of the file: an address is a secret more often than not. ERR_IO, ERR_INVALID. */
int webhook_url_read(const char *path, char url[WEBHOOK_URL_MAX]);
/* Exactly one of both, and an address of http or https; url_file becomes absolute. */
int webhook_url_check(const char *url, char **url_file, const struct yaml_node *node,
		      const char *base_dir, struct arena *arena, struct diag_list *diags);

/* The headers that each request has, which borrow the texts; how many. */
#define WEBHOOK_HEADERS 4
struct webhook_texts {
	char attempt[16], time[24], agent[64];
};
size_t webhook_headers(const struct action_host *host, const struct action_job *job,
		       struct webhook_texts *texts, struct http_header out[WEBHOOK_HEADERS]);
/* Start and cancel of a plug-in: done() gets the answer as a result. ERR_NOMEM, http_send()'s. */
int webhook_send(const struct action_host *host, const struct http_send *send,
		 void (*done)(void *ctx, const struct action_result *result), void *ctx,
		 struct action_attempt **out);
void webhook_cancel(struct action_attempt *attempt);

#endif
