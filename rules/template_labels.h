/*
 * What a template shows: labels of the result by name ({{ $labels.job }}, {{ .Labels.job }}), its
 * value, and plain text.
 */
#ifndef TOCSIN_RULES_TEMPLATE_LABELS_H
#define TOCSIN_RULES_TEMPLATE_LABELS_H

#include "rules/template.h"

/* Calls fn for each; the place is that in the template's text. */
void template_each_label(const struct template *template,
			 void (*fn)(void *ctx, struct slice name, uint32_t offset, uint32_t span),
			 void *ctx);
/* Calls fn for each place where the value is part of the text, and not only looked at by an `if`.
 */
void template_each_value(const struct template *template,
			 void (*fn)(void *ctx, uint32_t offset, uint32_t span), void *ctx);
/* Calls fn for each piece of plain text between actions. */
void template_each_text(const struct template *template, void (*fn)(void *ctx, struct slice text),
			void *ctx);

#endif
