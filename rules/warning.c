#include "rules/warning.h"

#include <stdarg.h>

static const struct {
	const char *name;
	enum diag_severity severity;
} warnings[] = {
#define WARNING(id, name, severity, doc) [id] = { name, severity },
#include "rules/warnings.def"
#undef WARNING
};

const char *rule_warning_name(enum rule_warning warning)
{
	return warnings[warning].name;
}

void rule_warn_at(struct diag_list *diags, enum rule_warning warning, const struct source *source,
		  size_t offset, size_t span, const char *hint, const char *format, ...)
{
	struct buf message;
	va_list args;

	buf_init(&message);
	va_start(args, format);
	buf_vprintf(&message, format, args);
	va_end(args);
	struct diag *diag =
		diag_add_at(diags, warnings[warning].severity, source, offset, span ? span : 1,
			    hint, "%s", buf_ok(&message) ? message.ptr : format);
	diag_name(diag, warnings[warning].name);
	buf_fini(&message);
}

void rule_warnings_reference(struct buf *out)
{
	buf_add_str(out, "| id | what |\n|---|---|\n");
#define WARNING(id, name, severity, doc) buf_add_str(out, "| `" name "` | " doc " |\n");
#define WARNING_OF_DATA(id, name, severity, doc)
#include "rules/warnings.def"
	buf_add_str(out, "\nWith `--url`, from the series of a running daemon:\n\n"
			 "| id | what |\n|---|---|\n");
#undef WARNING
#define WARNING(id, name, severity, doc)
#define WARNING_OF_DATA(id, name, severity, doc) buf_add_str(out, "| `" name "` | " doc " |\n");
#include "rules/warnings.def"
#undef WARNING
}
