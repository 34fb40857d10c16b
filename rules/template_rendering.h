/*
 * One rendering of a template: shared by template_exec.c, which evaluates, and template_why.c,
 * which says why it fails.
 */
#ifndef TOCSIN_RULES_TEMPLATE_RENDERING_H
#define TOCSIN_RULES_TEMPLATE_RENDERING_H

#include "rules/template_tree.h"

struct rendering {
	const struct template *template;
	const struct template_data *data;
	struct arena arena;
	struct template_value *slots;
	struct buf *out;
	size_t start; /* of our text in out */
	unsigned steps;
	/* What is being evaluated, as Go keeps it for its complaints: where it is said to stand,
	 * and its text. */
	struct place {
		uint32_t position, offset, end;
	} at;
	char why[1600]; /* "" until it fails */
};

/* What is evaluated from now on: an operand, or a whole command by its first one. */
void rendering_at(struct rendering *r, const struct template_operand *operand);
void rendering_at_command(struct rendering *r, const struct template_operand *first);
/* It fails there, for this reason; ERR_EVAL. */
int rendering_fail(struct rendering *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Ours, of the whole rendering: it stands nowhere. */
#define rendering_fail_limit(r, ...)                                                               \
	((r)->at = (struct place){ 0 }, rendering_fail((r), __VA_ARGS__))

#endif
