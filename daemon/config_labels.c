#include "daemon/config_labels.h"

#include "base/error.h"

static bool is_taken(struct slice name, const char *const *taken)
{
	for (; taken && *taken; taken++)
		if (slice_is(name, *taken))
			return true;
	return false;
}

int config_labels_bind(const struct bind_map *map, const char *what, const char *const *taken,
		       struct arena *arena, struct diag_list *diags, struct labels **out)
{
	struct label *pairs = ARENA_ARRAY(arena, struct label, map->n + 1);
	const char *why = NULL;

	if (!pairs)
		return ERR_NOMEM;
	for (size_t i = 0; i < map->n; i++) {
		struct slice name = map->items[i].key;

		if (!label_name_is_legacy(name) || slice_has_prefix(name, SLICE("__")))
			yaml_diag(diags, DIAG_ERROR, map->items[i].key_node,
				  "letters, digits and _, and not __ at the beginning",
				  "\"" SLICE_FMT "\" is no name for %s", SLICE_ARG(name), what);
		else if (is_taken(name, taken))
			yaml_diag(diags, DIAG_ERROR, map->items[i].key_node,
				  "choose another: that one is put there beside them",
				  "\"" SLICE_FMT "\" is no name for %s", SLICE_ARG(name), what);
		pairs[i] = (struct label){ name, map->items[i].value };
	}
	int code = labels_new(pairs, map->n, out, &why);

	if (code == ERR_INVALID || code == ERR_LIMIT)
		yaml_diag(diags, DIAG_ERROR, map->items[0].key_node, NULL, "labels: %s", why);
	return code;
}
