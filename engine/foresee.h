/*
 * Foresight: between two evaluations of the rules what they touch leaves the processor's caches, and
 * most of it is found through several pointers, one after the other, each a wait of 100 to 300 ns.
 * What comes next is known, though: rules are evaluated in their order, and nodes nearly in that of
 * their ids. So each rule, and each node, asks for what some that come later will need: step by step,
 * each finding in the cache what the one before has asked for. Nothing else comes of it. Private to
 * engine/.
 *
 * The samples of rows are asked for by the leaves (read_ahead.h).
 */
#ifndef TOCSIN_ENGINE_FORESEE_H
#define TOCSIN_ENGINE_FORESEE_H

struct binding;
struct generation;
struct node;
struct rule_state;

/* A node is to be evaluated: what do those after it need? */
void foresee_nodes(const struct binding *binding, const struct node *node);
/* A rule's turn in a tick has come: what do those after it need, and its own results? */
void foresee_rules(const struct generation *generation, const struct rule_state *rule);

#endif
