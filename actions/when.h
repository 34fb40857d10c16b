/*
 * Conditions of runbook steps: when: failed(restart) and not output(look).busy == true
 *
 *   or    = and {"or" and}      and = not {"and" not}      not = ["not"] term
 *   term  = "(" or ")" | STATE "(" ID ")" | "output" "(" ID ")" {"." KEY} CMP literal
 *   STATE = ok failed timed_out skipped refused unknown      CMP = == != < <= > >=
 *   literal = number | "text" | true | false
 *
 * An output is the JSON object that the step printed (what is none is {"text": …}). What is not
 * there, or of another type than the literal, compares as false, with != too.
 */
#ifndef TOCSIN_ACTIONS_WHEN_H
#define TOCSIN_ACTIONS_WHEN_H

#include <jansson.h>

#include "base/arena.h"
#include "base/diag.h"

#define WHEN_NODES_MAX 64
#define WHEN_DEPTH_MAX 16 /* of parentheses and negations */
#define WHEN_KEY_MAX 255  /* bytes of a key of an output */

enum when_state {
	WHEN_OK,
	WHEN_FAILED,
	WHEN_TIMED_OUT,
	WHEN_SKIPPED,
	WHEN_REFUSED,
	WHEN_UNKNOWN,
	WHEN_STATES
};

struct when; /* immutable */

/* What a condition asks about steps, by their numbers. */
struct when_steps {
	void *ctx;
	enum when_state (*state)(void *ctx, uint32_t step);
	json_t *(*output)(void *ctx, uint32_t step); /* a new reference; NULL: none */
};

/*
 * Steps are known by ids[0..n). The tree is in the arena, the text must live as long; *steps gets a
 * bit for each step that it asks about. ERR_INVALID with a complaint at its place; ERR_NOMEM.
 */
int when_parse(const struct source *source, const struct slice *ids, uint32_t n,
	       struct arena *arena, struct diag_list *diags, const struct when **out,
	       uint32_t *steps);
bool when_is_true(const struct when *when, const struct when_steps *steps);

#endif
