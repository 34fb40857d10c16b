/*
 * Templates of annotations and rule labels: the part of Go's text/template that Prometheus' rule
 * files use.
 *
 * {{ .Labels.x }}, $labels, $value, $externalLabels, $externalURL; ours: $activeAt (.Unix,
 * .UnixMilli), $evidence.lines, $evidence.functions; if/else if/else, range, with,
 * end; define, template, block; variables; pipelines; trim markers; literals; Prometheus'
 * functions. What data holds is never itself read as a template. Output, steps and nesting are
 * limited.
 *
 * Rendering evaluates nothing: `query` and `now` read what was captured when the rule was evaluated
 * (rules/query_results.h). To capture, whoever can evaluate renders with `wanted`, which stops at
 * each expression that is not there yet.
 */
#ifndef TOCSIN_RULES_TEMPLATE_H
#define TOCSIN_RULES_TEMPLATE_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/labels.h"
#include "rules/evidence.h"
#include "rules/query_results.h"

#define TEMPLATE_BYTES_MAX (64 * 1024)
#define TEMPLATE_DEPTH_MAX 64
#define TEMPLATE_DEFINITIONS_MAX 100 /* templates that one text defines */
#define TEMPLATE_NESTED_MAX 1000     /* node lists in one another: then no template begins */
#define TEMPLATE_OUTPUT_MAX (64 * 1024)
#define TEMPLATE_STEPS_MAX 100000
#define TEMPLATE_MEMORY_MAX (1024 * 1024) /* of one rendering: all texts that functions make */

struct template; /* immutable, usable from any thread */

struct template_data {
	/* The alert's name, for the texts of failures, which are then as Prometheus writes them. */
	struct slice name;
	const struct labels *labels;
	double value;
	const struct labels *external_labels; /* NULL: none */
	const char *external_url;	      /* NULL: "" */
	int64_t active_at_ms;		      /* TIME_NONE: not known, and $activeAt is nil */
	const struct evidence *evidence;      /* NULL: none */
	const struct query_results *results;  /* NULL: none, and `query` and `now` fail */
	struct buf *wanted; /* gets the expression that results lack: ERR_AGAIN; NULL: it fails */
};

/*
 * Parsed into the arena; source must live as long as the template. Every error at its place:
 * unknown functions and variables with the nearest name. ERR_INVALID, ERR_NOMEM. What will fail at
 * each rendering, but loads in Prometheus, is a warning.
 */
int template_parse(const struct source *source, struct arena *arena, struct diag_list *diags,
		   const struct template **out);
/* Does it have anything but plain text? */
bool template_is_constant(const struct template *template);
/* May its result depend on the value (not only on labels)? */
bool template_uses_value(const struct template *template);
/* Does it name $activeAt or $evidence: what only an alert that fires has? */
bool template_uses_episode(const struct template *template);
/* Does it call `query` or `now`: what only the engine knows, at the evaluation? */
bool template_uses_query(const struct template *template);
/* Appends the text. On failure appends what Prometheus shows: <error expanding template: …>, and
 * returns ERR_EVAL. ERR_AGAIN, and nothing appended: see `wanted`. */
int template_render(const struct template *template, const struct template_data *data,
		    struct buf *out);

/* The functions of templates as Markdown, from their table. */
void template_reference(struct buf *out);

#endif
