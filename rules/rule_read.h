/*
 * Inside of rule files: reading one rule, in the long form (rule_read.c) or the short one
 * (short_rule.c), and the parts of it that both share, and groups with them. What is wrong goes to
 * the loader's diagnostics, with `what` for a name: alerting rule "A". Functions give 0 then, too;
 * ERR_NOMEM else.
 */
#ifndef TOCSIN_RULES_RULE_READ_H
#define TOCSIN_RULES_RULE_READ_H

#include "rules/rule_build.h"
#include "rules/rule_keys.h"

#define ONLY_ALERTS "\"%s\" in %s: only alerting rules have it"
#define NOT_PROMETHEUS "\"%s\" in %s is an addition of Tocsin's: not under dialect: prometheus"
#define EPISODE_IN_LABEL "a label is what tells alerts apart: it cannot use $activeAt or $evidence"
#define EPISODE_NOT_PROMETHEUS                                                                     \
	"$activeAt and $evidence are additions of Tocsin's: not under dialect: prometheus"

/* What a group's rules share. */
struct rule_context {
	enum rule_dialect dialect;
	struct rule_text *labels[2]; /* as records and as alerts take them, by rule_kind */
	uint32_t nlabels;
};

typedef int rule_read_fn(struct rule_loader *loader, const struct yaml_node *node,
			 const struct rule_context *group, struct rule *rule);
rule_read_fn rule_read, short_rule_read;

/*
 * Binds one mapping, called `what` in messages. Lists of mappings inside are left as nodes: each is
 * bound by itself, so that messages can name the group and the rule.
 */
int rule_keys_bind(struct rule_loader *loader, const struct bind_table *table, const char *what,
		   const struct yaml_node *node, void *out);
/* Complains about each of the given keys that is in the mask. */
void rule_keys_refuse(struct rule_loader *loader, const struct bind_table *table,
		      const struct yaml_node *node, uint64_t mask, const char *format,
		      const char *what);
/* Names of labels and annotations: any UTF-8, but not empty; and no label may be the metric's. */
void rule_names_check(struct rule_loader *loader, const struct bind_map *map, const char *kind,
		      bool are_labels, const char *what);
/* KIND "NAME", for messages; cut where it is long. In the arena, or `kind` itself. */
const char *rule_named(struct rule_loader *loader, const char *kind, const struct yaml_node *name);
/*
 * A map's pairs, with templates when they are to be rendered; sorted by name. no_episode: why a
 * template may not use what only a firing alert has; NULL: it may.
 */
int rule_texts_read(struct rule_loader *loader, const struct bind_map *map, bool templates,
		    const char *no_episode, struct rule_text **out, uint32_t *n);
/* Labels, own and the group's, and annotations. */
int rule_all_texts_read(struct rule_loader *loader, const struct bind_map *labels,
			const struct bind_map *annotations, const struct rule_context *group,
			struct rule *rule);
/* An expression of a rule. */
struct rule_reading {
	const char *key, *what;
	const struct yaml_node *node;
	const struct source *source; /* the node's, or made of it */
	enum rule_dialect dialect;
};
/* The tree, as it is asked for when a rule runs. ERR_INVALID, ERR_LIMIT: told in most cases. */
int rule_expr_parse(struct rule_loader *loader, const struct rule_reading *reading,
		    struct expr **out);
/* The same with all that is to be said, and the canonical form. Both are left when it is wrong. */
int rule_expr_read(struct rule_loader *loader, const struct rule_reading *reading,
		   struct expr **out, char **query);
/* The rule's mapping has `resolve_when`, which is read, and no_data. After its expression. */
int rule_resolve_read(struct rule_loader *loader, const struct yaml_node *mapping,
		      enum rule_dialect dialect, int no_data, const char *what, struct rule *rule);
/* `run` of that mapping. */
int rule_run_read(struct rule_loader *loader, const struct yaml_node *mapping,
		  const struct bind_strings *run, const char *what, struct rule *rule);

#endif
