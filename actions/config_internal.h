/* What the files that bind Alertmanager's part and runbooks share. Private to actions/. */
#ifndef TOCSIN_ACTIONS_CONFIG_INTERNAL_H
#define TOCSIN_ACTIONS_CONFIG_INTERNAL_H

#include "actions/config.h"

struct bind_context {
	struct actions_config *config;
	struct arena *arena;
	struct diag_list *diags;
	const char *base_dir;
	bool nameless; /* not all receivers' names could be read: it is not told which miss */
};

#define ACTIONS_HINT_LIST "write each entry on a line that begins with -"

/* Each: 0, or a negative code; errors are in the diagnostics. */
int route_bind(struct bind_context *context, const struct yaml_node *node);
/* 1 to 32 steps, with their order. */
int steps_bind(struct bind_context *context, const struct yaml_node *list, struct runbook *runbook);
/* A copy of a text's place that may outlive its file; an expression's or a template's. NULL: no
 * memory. */
const struct source *source_keep(struct arena *arena, const struct source *from);
/* NULL with a complaint at the node where there is none of this name. */
const struct receiver *receiver_find(struct bind_context *context, const struct yaml_node *node,
				     struct slice name);
/* Lower-case letters, digits and the joiner; `max` at most. Steps begin with a letter. */
bool name_is_valid(struct slice name, size_t max, char joiner, bool letter_first);
int complain_at(struct bind_context *context, const struct yaml_node *node, const char *hint,
		const char *format, ...) __attribute__((format(printf, 4, 5)));
int runbooks_bind(struct bind_context *context, const struct yaml_node *node);
/* Gives the regexes of a route tree back. */
void route_fini(struct route *route);
bool yaml_is_empty(const struct yaml_node *node);

#endif
