/*
 * One rendering of a template: shared by template_exec.c, which makes the text, template_eval.c,
 * which evaluates what stands in it, and template_why.c, which says why it fails.
 */
#ifndef TOCSIN_RULES_TEMPLATE_RENDERING_H
#define TOCSIN_RULES_TEMPLATE_RENDERING_H

#include "rules/template_tree.h"

struct rendering {
	const struct template *template;
	const struct template_data *data;
	struct arena arena;
	/* The variables of each template that is at work; slots are those of the innermost. */
	struct template_value *stack, *slots;
	uint32_t nstack, stack_cap;
	const struct template_definition *definition; /* the innermost */
	unsigned depth;				      /* lists of nodes within one another */
	struct buf *out;
	size_t start; /* of our text in out */
	unsigned steps;
	/* What is being evaluated, as Go keeps it for its complaints: where it is said to stand,
	 * and its text. */
	struct place {
		uint32_t position, offset, end;
		const struct template_node *call; /* it is the use of a template */
	} at;
	char why[2600]; /* "" until it fails */
};

/* Counts one towards TEMPLATE_STEPS_MAX; ERR_EVAL beyond. */
int rendering_count_step(struct rendering *r);
/* The value of a pipeline, whose variables it sets. ERR_EVAL; ERR_AGAIN as template_render(). */
int template_eval_pipe(struct rendering *r, const struct template_value *dot,
		       const struct template_pipe *pipe, struct template_value *out);

/* What is evaluated from now on: an operand, or a whole command by its first one. */
void rendering_at(struct rendering *r, const struct template_operand *operand);
void rendering_at_command(struct rendering *r, const struct template_operand *first);
void rendering_at_call(struct rendering *r, const struct template_node *call);
/* It fails there, for this reason; ERR_EVAL. */
int rendering_fail(struct rendering *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, with a quoted name in the middle. */
int rendering_fail_name(struct rendering *r, const char *before, struct slice name,
			const char *behind);
/* Ours, of the whole rendering: it stands nowhere. */
#define rendering_fail_limit(r, ...)                                                               \
	((r)->at = (struct place){ 0 }, rendering_fail((r), __VA_ARGS__))

#endif
