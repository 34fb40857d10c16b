/* Warnings about rules: each kind has a name and a line of documentation (warnings.def). */
#ifndef TOCSIN_RULES_WARNING_H
#define TOCSIN_RULES_WARNING_H

#include "base/diag.h"

enum rule_warning {
#define WARNING(id, name, severity, doc) id,
#include "rules/warnings.def"
#undef WARNING
	RULE_WARNING_COUNT
};

const char *rule_warning_name(enum rule_warning warning);
/* Adds it at source.text[offset, offset+span). */
void rule_warn_at(struct diag_list *diags, enum rule_warning warning, const struct source *source,
		  size_t offset, size_t span, const char *hint, const char *format, ...)
	__attribute__((format(printf, 7, 8)));
/* All of them as Markdown. */
void rule_warnings_reference(struct buf *out);

#endif
