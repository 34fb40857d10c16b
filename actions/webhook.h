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
/* An answer as the result of an attempt; message[256] is for its text. */
void webhook_result(const struct http_result *http, char message[256], struct action_result *out);

#endif
