/* What readers of a YAML tree ask a node. */
#include "base/yaml.h"

#include <stdarg.h>

struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
	if (!mapping || mapping->type != YAML_MAPPING)
		return NULL;
	for (size_t i = 0; i + 1 < mapping->n; i += 2)
		if (slice_is(mapping->items[i]->text, key))
			return mapping->items[i + 1];
	return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	if (!node)
		return true;
	if (node->type != YAML_SCALAR || !node->plain)
		return false;
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (slice_is(node->text, nulls[i]))
			return true;
	return false;
}

struct diag *yaml_diag(struct diag_list *diags, enum diag_severity severity,
		       const struct yaml_node *node, const char *hint, const char *format, ...)
{
	struct buf message;
	va_list args;
	buf_init(&message);
	va_start(args, format);
	buf_vprintf(&message, format, args);
	va_end(args);
	/* A scalar is underlined as far as its first line goes; of anything else its first byte. */
	size_t span = 1;
	if (node->type == YAML_SCALAR && node->text.len) {
		ptrdiff_t end = slice_find(node->text, '\n');
		span = end > 0 ? (size_t)end : node->text.len;
	}
	struct diag *diag = diag_add_at(diags, severity, &node->source, 0, span, hint, "%s",
					buf_ok(&message) ? message.ptr : format);
	buf_fini(&message);
	return diag;
}
