#include "base/bind.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "base/yaml.h"
#include "base/yaml_hint.h"

struct binder {
	struct arena *arena;
	struct diag_list *diags;
};

/* The field being bound and where. */
struct target {
	const struct bind_table *table;
	const struct bind_field *field;
	void *value; /* what the field's type says */
};

static int bind_mapping(struct binder *b, const struct bind_table *table,
			const struct yaml_node *node, void *out);

static const char *kind_of(const struct yaml_node *node)
{
	switch (node->type) {
	case YAML_MAPPING:
		return "a mapping";
	case YAML_SEQUENCE:
		return "a list";
	default:
		return yaml_is_null(node) ? "nothing" : "a text";
	}
}

/* {{ x }} without quotes: a mapping whose key is one, which has been said of it already. */
static bool is_double_brace(const struct yaml_node *node)
{
	return node->type == YAML_MAPPING && node->n > 0 && node->items[0]->type != YAML_SCALAR;
}

/* `must be a duration, not a list`; a { or [ that was meant as text gets its own hint. */
static void wrong_type(struct binder *b, const struct target *target, const struct yaml_node *node,
		       const char *wanted, const char *hint)
{
	struct buf block;
	if (is_double_brace(node))
		return;
	buf_init(&block);
	bool wants_text = target->field->type == BIND_STRING || target->field->type == BIND_CSTRING;
	if (wants_text && node->source.text.len && strchr("{[", node->source.text.ptr[0])) {
		buf_printf(&block, "YAML takes a leading %c for %s; ", node->source.text.ptr[0],
			   kind_of(node));
		yaml_hint_block(slice_from(target->field->key), &block);
		hint = buf_ok(&block) ? block.ptr : NULL;
	}
	yaml_diag(b->diags, DIAG_ERROR, node, hint, "\"%s\" in %s must be %s, not %s",
		  target->field->key, target->table->what, wanted, kind_of(node));
	buf_fini(&block);
}

static void bad_value(struct binder *b, const struct target *target, const struct yaml_node *node,
		      const char *wanted, const char *hint)
{
	yaml_diag(b->diags, DIAG_ERROR, node, hint, "\"%s\" in %s: \"" SLICE_FMT "\" is not %s",
		  target->field->key, target->table->what, SLICE_ARG(node->text), wanted);
}

/* What is bound may outlive the tree: its texts are copied into the arena of the binding. */
static int text_copy(struct binder *b, struct slice text, struct slice *out)
{
	*out = arena_slice(b->arena, text);
	return text.len && !out->ptr ? ERR_NOMEM : 0;
}

static int bind_string(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	if (node->type == YAML_SCALAR)
		return text_copy(b, node->text, target->value);
	wrong_type(b, target, node, "a text", NULL);
	return 0;
}

static int bind_cstring(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	if (node->type != YAML_SCALAR) {
		wrong_type(b, target, node, "a text", NULL);
		return 0;
	}
	if (slice_find(node->text, '\0') >= 0) {
		yaml_diag(b->diags, DIAG_ERROR, node, NULL, "\"%s\" in %s contains a NUL byte",
			  target->field->key, target->table->what);
		return 0;
	}
	char *copy = arena_strdup(b->arena, node->text);
	if (!copy)
		return ERR_NOMEM;
	*(char **)target->value = copy;
	return 0;
}

/* The booleans of YAML 1.1, as Prometheus reads them. */
static bool parse_bool(struct slice text, bool *value)
{
	static const char *const words[2][11] = {
		{ "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N" },
		{ "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y" },
	};
	for (int v = 0; v < 2; v++) {
		for (size_t i = 0; i < sizeof(words[v]) / sizeof(words[v][0]); i++) {
			if (slice_is(text, words[v][i])) {
				*value = v;
				return true;
			}
		}
	}
	return false;
}

static int bind_bool(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	bool value;
	if (node->type != YAML_SCALAR)
		wrong_type(b, target, node, "true or false", NULL);
	else if (!parse_bool(node->text, &value))
		bad_value(b, target, node, "true or false", NULL);
	else if (!node->plain)
		yaml_diag(b->diags, DIAG_ERROR, node, "leave the quotes out",
			  "\"%s\" in %s must be true or false, not a text", target->field->key,
			  target->table->what);
	else
		*(bool *)target->value = value;
	return 0;
}

/* Decimal, or hexadecimal after 0x; a leading 0 is refused, for YAML 1.1 takes it for octal. */
static int parse_int(struct slice text, int64_t *out)
{
	bool negative = text.len && text.ptr[0] == '-';
	size_t i = text.len && (text.ptr[0] == '-' || text.ptr[0] == '+');
	uint64_t base = 10, value = 0;
	uint64_t max = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
	if (i + 2 < text.len && text.ptr[i] == '0' && (text.ptr[i + 1] | 0x20) == 'x') {
		base = 16;
		i += 2;
	} else if (i + 1 < text.len && text.ptr[i] == '0') {
		return ERR_INVALID;
	}
	if (i == text.len)
		return ERR_INVALID;
	for (; i < text.len; i++) {
		char c = text.ptr[i], lower = (char)(c | 0x20);
		uint64_t digit = c >= '0' && c <= '9'		? (uint64_t)(c - '0')
				 : lower >= 'a' && lower <= 'f' ? (uint64_t)(lower - 'a' + 10)
								: 16;
		if (digit >= base)
			return ERR_INVALID;
		if (value > (max - digit) / base)
			return ERR_LIMIT;
		value = value * base + digit;
	}
	*out = negative ? (int64_t)(0 - value) : (int64_t)value;
	return 0;
}

static bool is_bounded(const struct bind_field *field)
{
	return field->min || field->max;
}

/* A bound as a person writes it, with the unit of the field's type. */
static void format_value(enum bind_type type, int64_t value, struct buf *out)
{
	static const struct {
		const char *unit;
		int64_t factor;
	} units[] = { { "TiB", 1ll << 40 },
		      { "GiB", 1ll << 30 },
		      { "MiB", 1ll << 20 },
		      { "KiB", 1ll << 10 } };
	if (type == BIND_DURATION) {
		duration_format(value, out);
		return;
	}
	for (size_t i = 0; type == BIND_BYTES && value && i < sizeof(units) / sizeof(units[0]);
	     i++) {
		if (value % units[i].factor == 0) {
			buf_printf(out, "%lld%s", (long long)(value / units[i].factor),
				   units[i].unit);
			return;
		}
	}
	buf_printf(out, "%lld", (long long)value);
}

/* "write 1s to 1d", "write at least 1MiB" */
static void hint_range(const struct bind_field *field, struct buf *out)
{
	bool open = field->max == INT64_MAX;
	buf_add_str(out, open ? "write at least " : "write ");
	format_value(field->type, field->min, out);
	if (!open) {
		buf_add_str(out, " to ");
		format_value(field->type, field->max, out);
	}
}

static bool check_range(struct binder *b, const struct target *target, const struct yaml_node *node,
			int64_t value)
{
	const struct bind_field *field = target->field;
	if (!is_bounded(field) || (value >= field->min && value <= field->max))
		return true;
	bool low = value < field->min;
	struct buf bound, hint;
	buf_init(&bound);
	buf_init(&hint);
	format_value(field->type, low ? field->min : field->max, &bound);
	hint_range(field, &hint);
	yaml_diag(b->diags, DIAG_ERROR, node, buf_ok(&hint) ? hint.ptr : NULL,
		  "\"%s\" in %s: \"" SLICE_FMT "\" is %s %s", field->key, target->table->what,
		  SLICE_ARG(node->text), low ? "less than" : "more than",
		  buf_ok(&bound) ? bound.ptr : "the limit");
	buf_fini(&bound);
	buf_fini(&hint);
	return false;
}

static int bind_int(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	int64_t value;
	if (node->type != YAML_SCALAR) {
		wrong_type(b, target, node, "a whole number", NULL);
		return 0;
	}
	int rc = node->plain ? parse_int(node->text, &value) : ERR_INVALID;
	if (rc == ERR_LIMIT)
		bad_value(b, target, node, "a number of 64 bits", NULL);
	else if (rc)
		bad_value(b, target, node, "a whole number",
			  node->plain ? NULL : "leave the quotes out");
	else if (check_range(b, target, node, value))
		*(int64_t *)target->value = value;
	return 0;
}

static int bind_number(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	double value;
	if (node->type != YAML_SCALAR)
		wrong_type(b, target, node, "a number", NULL);
	else if (!node->plain || number_parse(node->text, &value))
		bad_value(b, target, node, "a number", node->plain ? NULL : "leave the quotes out");
	else
		*(double *)target->value = value;
	return 0;
}

static int bind_duration(struct binder *b, const struct target *target,
			 const struct yaml_node *node)
{
	static const char hint[] = "write durations like 30s, 5m or 1h30m";
	int64_t value;
	if (node->type != YAML_SCALAR)
		wrong_type(b, target, node, "a duration", hint);
	else if (duration_parse(node->text, &value))
		bad_value(b, target, node, "a duration", hint);
	else if (check_range(b, target, node, value))
		*(int64_t *)target->value = value;
	return 0;
}

int bytes_parse(struct slice text, int64_t *out)
{
	static const struct {
		const char *unit;
		int64_t factor;
	} units[] = { { "", 1 },
		      { "B", 1 },
		      { "KB", 1000 },
		      { "kB", 1000 },
		      { "MB", 1000000 },
		      { "GB", 1000000000 },
		      { "TB", 1000000000000 },
		      { "KiB", 1ll << 10 },
		      { "MiB", 1ll << 20 },
		      { "GiB", 1ll << 30 },
		      { "TiB", 1ll << 40 } };
	size_t digits = 0;
	double number;
	while (digits < text.len &&
	       ((text.ptr[digits] >= '0' && text.ptr[digits] <= '9') || text.ptr[digits] == '.'))
		digits++;
	bool octal = digits > 1 && text.ptr[0] == '0' && text.ptr[1] != '.';
	if (digits == 0 || octal || number_parse((struct slice){ text.ptr, digits }, &number))
		return ERR_INVALID;
	struct slice unit = slice_trim((struct slice){ text.ptr + digits, text.len - digits });
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!slice_is(unit, units[i].unit))
			continue;
		double bytes = number * (double)units[i].factor;
		if (bytes >= 9007199254740992.0) /* 2^53, 8 PiB: exact up to there */
			return ERR_LIMIT;
		if (bytes != floor(bytes))
			return ERR_INVALID;
		*out = (int64_t)bytes;
		return 0;
	}
	return ERR_INVALID;
}

static int bind_bytes(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	static const char hint[] = "write sizes like 1000, 64MiB or 1GB";
	int64_t value;
	if (node->type != YAML_SCALAR)
		wrong_type(b, target, node, "a size", hint);
	else if (bytes_parse(node->text, &value))
		bad_value(b, target, node, "a size in bytes", hint);
	else if (check_range(b, target, node, value))
		*(int64_t *)target->value = value;
	return 0;
}

#define ENUM_VALUES_MAX 64

/* Splits "none,group,each" into names in the arena; their number, 0 when out of memory. */
static size_t split_values(struct binder *b, const char *values, const char **names)
{
	size_t n = 0;
	struct slice rest = slice_from(values);
	for (;;) {
		ptrdiff_t comma = slice_find(rest, ',');
		struct slice name = { rest.ptr, comma < 0 ? rest.len : (size_t)comma };
		assert(n < ENUM_VALUES_MAX);
		names[n] = arena_strdup(b->arena, name);
		if (!names[n++])
			return 0;
		if (comma < 0)
			return n;
		rest.ptr += comma + 1;
		rest.len -= (size_t)comma + 1;
	}
}

static int bind_enum(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	const char *names[ENUM_VALUES_MAX];
	size_t n = split_values(b, target->field->values, names);
	if (n == 0)
		return ERR_NOMEM;
	struct buf wanted, hint;
	buf_init(&wanted);
	buf_init(&hint);
	buf_add_str(&wanted, n > 1 ? "one of " : "");
	for (size_t i = 0; i < n; i++) {
		if (node->type == YAML_SCALAR && slice_is(node->text, names[i])) {
			*(int *)target->value = (int)i;
			buf_fini(&wanted);
			return 0;
		}
		buf_printf(&wanted, "%s%s", i ? ", " : "", names[i]);
	}
	const char *nearest = node->type == YAML_SCALAR ? nearest_name(node->text, names, n) : NULL;
	if (nearest)
		buf_printf(&hint, "did you mean \"%s\"?", nearest);
	if (node->type == YAML_SCALAR)
		bad_value(b, target, node, wanted.ptr, hint.ptr);
	else
		wrong_type(b, target, node, wanted.ptr, NULL);
	int rc = buf_ok(&wanted) && buf_ok(&hint) ? 0 : ERR_NOMEM;
	buf_fini(&wanted);
	buf_fini(&hint);
	return rc;
}

/* One text was given without the brackets around it. */
static void refuse_no_list(struct binder *b, const struct target *target,
			   const struct yaml_node *node)
{
	struct buf hint;
	bool is_short = node->type == YAML_SCALAR && node->plain && node->text.len < 64;
	buf_init(&hint);
	buf_printf(&hint, "write a list: [" SLICE_FMT "]",
		   SLICE_ARG(is_short ? node->text : SLICE("one, other")));
	wrong_type(b, target, node, "a list of texts", buf_ok(&hint) ? hint.ptr : NULL);
	buf_fini(&hint);
}

static int bind_strings(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	struct bind_strings *out = target->value;
	if (node->type != YAML_SEQUENCE) {
		refuse_no_list(b, target, node);
		return 0;
	}
	struct slice *items = ARENA_ARRAY(b->arena, struct slice, node->n);
	const struct yaml_node **nodes = ARENA_ARRAY(b->arena, const struct yaml_node *, node->n);
	size_t n = 0;
	if (node->n && (!items || !nodes))
		return ERR_NOMEM;
	for (size_t i = 0; i < node->n; i++) {
		const struct yaml_node *item = node->items[i];
		if (item->unread)
			continue;
		if (item->type != YAML_SCALAR || yaml_is_null(item)) {
			yaml_diag(b->diags, DIAG_ERROR, item, NULL,
				  "an entry of \"%s\" in %s must be a text, not %s",
				  target->field->key, target->table->what, kind_of(item));
			continue;
		}
		if (text_copy(b, item->text, &items[n]))
			return ERR_NOMEM;
		nodes[n++] = item;
	}
	*out = (struct bind_strings){ items, nodes, n };
	return 0;
}

static int bind_map(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	struct bind_map *out = target->value;
	if (node->type != YAML_MAPPING) {
		wrong_type(b, target, node, "a mapping of texts", "write a mapping: {name: value}");
		return 0;
	}
	struct bind_pair *pairs = ARENA_ARRAY(b->arena, struct bind_pair, node->n / 2);
	if (node->n && !pairs)
		return ERR_NOMEM;
	for (size_t i = 0; i < node->n / 2; i++) {
		const struct yaml_node *key = node->items[2 * i], *value = node->items[2 * i + 1];
		if (value->type != YAML_SCALAR && !is_double_brace(value))
			yaml_diag(b->diags, DIAG_ERROR, value,
				  "put a text that begins with { or [ in quotes",
				  "\"" SLICE_FMT "\" of \"%s\" in %s must be a text, not %s",
				  SLICE_ARG(key->text), target->field->key, target->table->what,
				  kind_of(value));
		pairs[i] = (struct bind_pair){ .key_node = key, .value_node = value };
		if (text_copy(b, key->text, &pairs[i].key) ||
		    text_copy(b, yaml_is_null(value) ? SLICE("") : value->text, &pairs[i].value))
			return ERR_NOMEM;
	}
	*out = (struct bind_map){ pairs, node->n / 2 };
	return 0;
}

static const char hint_mapping[] = "write each of its keys on a line of its own, indented";

static int bind_nested(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	if (node->type == YAML_MAPPING)
		return bind_mapping(b, target->field->table, node, target->value);
	wrong_type(b, target, node, "a mapping", hint_mapping);
	return 0;
}

static int bind_structs(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	const struct bind_table *table = target->field->table;
	struct bind_structs *out = target->value;
	if (node->type != YAML_SEQUENCE) {
		wrong_type(b, target, node, "a list",
			   "write each entry on a line that begins with -");
		return 0;
	}
	char *items = arena_alloc(b->arena, table->size * node->n);
	if (node->n && !items)
		return ERR_NOMEM;
	int rc = 0;
	for (size_t i = 0; !rc && i < node->n; i++)
		rc = bind_mapping(b, table, node->items[i], items + i * table->size);
	*out = (struct bind_structs){ items, node->n };
	return rc;
}

static int refuse_later(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	const char *harmless = target->field->default_text;
	bool is_harmless =
		node->type != YAML_SCALAR
			? node->n == 0
			: node->text.len == 0 || (harmless && slice_is(node->text, harmless));

	if (!is_harmless)
		yaml_diag(b->diags, DIAG_ERROR, node, "take it out for now",
			  "\"%s\" in %s is not supported yet", target->field->key,
			  target->table->what);
	return 0;
}

static int bind_value(struct binder *b, const struct target *target, const struct yaml_node *node)
{
	switch (target->field->type) {
	case BIND_STRING:
		return bind_string(b, target, node);
	case BIND_CSTRING:
		return bind_cstring(b, target, node);
	case BIND_BOOL:
		return bind_bool(b, target, node);
	case BIND_INT:
		return bind_int(b, target, node);
	case BIND_NUMBER:
		return bind_number(b, target, node);
	case BIND_DURATION:
		return bind_duration(b, target, node);
	case BIND_BYTES:
		return bind_bytes(b, target, node);
	case BIND_ENUM:
		return bind_enum(b, target, node);
	case BIND_STRINGS:
		return bind_strings(b, target, node);
	case BIND_MAP:
		return bind_map(b, target, node);
	case BIND_STRUCT:
		return bind_nested(b, target, node);
	case BIND_STRUCTS:
		return bind_structs(b, target, node);
	case BIND_NODE:
		*(const struct yaml_node **)target->value = node;
		return 0;
	case BIND_LATER:
		return refuse_later(b, target, node);
	}
	return ERR_INVALID;
}

/* The default goes the way of a written value, so that the reference cannot lie about it. */
static int bind_default(struct binder *b, const struct target *target)
{
	const struct bind_field *field = target->field;
	size_t errors = b->diags->errors;
	if (field->type == BIND_STRUCT)
		return bind_mapping(b, field->table, NULL, target->value);
	if (!field->default_text)
		return 0;
	struct yaml_node *node = NULL;
	int rc;
	if (field->type == BIND_STRINGS || field->type == BIND_MAP || field->type == BIND_STRUCTS ||
	    field->type == BIND_NODE) {
		rc = yaml_parse(slice_from(field->default_text), NULL, b->arena, b->diags, &node);
		if (!rc && node)
			rc = bind_value(b, target, node);
	} else {
		struct yaml_node scalar = { .type = YAML_SCALAR, .plain = true };
		scalar.text = slice_from(field->default_text);
		rc = bind_value(b, target, &scalar);
	}
	assert(b->diags->errors == errors); /* a default that is none is a slip in the table */
	return rc;
}

static const struct bind_field *field_find(const struct bind_table *table, struct slice key)
{
	for (size_t i = 0; i < table->n; i++)
		if (slice_is(key, table->fields[i].key))
			return &table->fields[i];
	return NULL;
}

/* What to do with a key of a file of another kind; NULL: it looks like none. */
static const char *hint_of_elsewhere(const struct bind_elsewhere *keys, struct slice key)
{
	const char *names[BIND_ELSEWHERE_MAX];
	size_t n = 0;
	for (; keys && keys[n].key; n++) {
		assert(n < BIND_ELSEWHERE_MAX);
		names[n] = keys[n].key;
	}
	const char *nearest = nearest_name(key, names, n);
	for (size_t i = 0; nearest && i < n; i++)
		if (names[i] == nearest)
			return keys[i].hint;
	return NULL;
}

#define HINT_KEYS_MAX 11 /* of a table that are all named */

/* Which keys there are, where they are few. */
static void hint_keys(const struct bind_table *table, struct buf *out)
{
	for (size_t i = 0; table->n <= HINT_KEYS_MAX && i < table->n; i++)
		if (table->fields[i].type != BIND_LATER)
			buf_printf(out, "%s%s", out->len ? ", " : "its keys are ",
				   table->fields[i].key);
}

/* Gives the field that seems to be meant, or NULL. */
static const struct bind_field *unknown_key(struct binder *b, const struct bind_table *table,
					    const struct yaml_node *key)
{
	const char *names[BIND_FIELDS_MAX];
	for (size_t i = 0; i < table->n; i++)
		names[i] = table->fields[i].key;
	const char *nearest = nearest_name(key->text, names, table->n);
	const char *elsewhere = hint_of_elsewhere(table->elsewhere, key->text);
	struct buf hint;
	buf_init(&hint);
	if (nearest)
		buf_printf(&hint, "did you mean \"%s\"?", nearest);
	else if (elsewhere)
		buf_add_str(&hint, elsewhere);
	else
		hint_keys(table, &hint);
	yaml_diag(b->diags, DIAG_ERROR, key, hint.len && buf_ok(&hint) ? hint.ptr : NULL,
		  "unknown key \"" SLICE_FMT "\" in %s", SLICE_ARG(key->text), table->what);
	buf_fini(&hint);
	return nearest ? field_find(table, slice_from(nearest)) : NULL;
}

static int bind_defaults(struct binder *b, const struct bind_table *table, char *out)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < table->n; i++)
		rc = bind_default(b, &(struct target){ table, &table->fields[i],
						       out + table->fields[i].offset });
	return rc;
}

static void check_required(struct binder *b, const struct bind_table *table,
			   const struct yaml_node *node, uint64_t given)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->fields[i].required && !(given >> i & 1))
			yaml_diag(b->diags, DIAG_ERROR, node, NULL, "missing key \"%s\" in %s",
				  table->fields[i].key, table->what);
}

static int bind_mapping(struct binder *b, const struct bind_table *table,
			const struct yaml_node *node, void *out)
{
	char *base = out;
	uint64_t given = 0, meant = 0;
	assert(table->n <= BIND_FIELDS_MAX);
	memset(out, 0, table->size);
	int rc = bind_defaults(b, table, base);
	if (rc || !node)
		return rc;
	if (table->node_offset != SIZE_MAX)
		*(const struct yaml_node **)(base + table->node_offset) = node;
	if (node->type != YAML_MAPPING) {
		yaml_diag(b->diags, DIAG_ERROR, node, hint_mapping, "%s must be a mapping, not %s",
			  table->what, kind_of(node));
		return 0;
	}
	for (size_t i = 0; !rc && i < node->n; i += 2) {
		const struct yaml_node *key = node->items[i], *value = node->items[i + 1];
		const struct bind_field *field = field_find(table, key->text);
		if (!field && !(table->allow_x && slice_has_prefix(key->text, SLICE("x-")))) {
			const struct bind_field *near = unknown_key(b, table, key);
			meant |= near ? 1ull << (near - table->fields) : 0;
		}
		if (!field || yaml_is_null(value))
			continue;
		given |= 1ull << (field - table->fields);
		rc = bind_value(b, &(struct target){ table, field, base + field->offset }, value);
	}
	check_required(b, table, node, given | meant);
	if (table->given_offset != SIZE_MAX)
		*(uint64_t *)(base + table->given_offset) = given;
	return rc;
}

int bind_struct(const struct bind_table *table, const struct yaml_node *node, struct arena *arena,
		struct diag_list *diags, void *out)
{
	struct binder b = { arena, diags };
	size_t errors = diags->errors;
	int rc = bind_mapping(&b, table, node, out);
	return rc ? rc : diags->errors > errors ? ERR_INVALID : 0;
}
