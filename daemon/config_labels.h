/* Labels that a configuration puts on what comes in. Part of daemon/config.c and its sections. */
#ifndef TOCSIN_DAEMON_CONFIG_LABELS_H
#define TOCSIN_DAEMON_CONFIG_LABELS_H

#include "base/labels.h"
#include "base/yaml.h"

/*
 * Makes a set of a mapping of labels, each `what` ("a label"); names that begin with __ are
 * refused, and those in `taken` (ended by NULL; may be NULL), which others put there. Errors are
 * told at their place: a name's leaves *out set, those of the whole set are ERR_INVALID or
 * ERR_LIMIT; ERR_NOMEM.
 */
int config_labels_bind(const struct bind_map *map, const char *what, const char *const *taken,
		       struct arena *arena, struct diag_list *diags, struct labels **out);

#endif
