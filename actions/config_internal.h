/* What the files that bind Alertmanager's part and runbooks share. Private to actions/. */
#ifndef TOCSIN_ACTIONS_CONFIG_INTERNAL_H
#define TOCSIN_ACTIONS_CONFIG_INTERNAL_H

#include "actions/config.h"

struct bind_context {
	struct actions_config *config;
	struct arena *arena;
	struct diag_list *diags;
	const char *base_dir;
};

#define BIND_FIELD(s, member, name, kind, ...)                                                     \
	{                                                                                          \
		.key = name, .type = kind, .offset = offsetof(struct s, member), __VA_ARGS__       \
	}

/* Each: 0, or a negative code; errors are in the diagnostics. */
int receivers_bind(struct bind_context *context, const struct yaml_node *node);
int route_bind(struct bind_context *context, const struct yaml_node *node);
int runbooks_bind(struct bind_context *context, const struct yaml_node *node);
/* Gives the regexes of a route tree back. */
void route_fini(struct route *route);
bool yaml_is_empty(const struct yaml_node *node);

#endif
