#include "ingest/redact.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/regex_find.h"
#include "base/yaml.h"

#define WITHHELD "[line withheld: redaction gave up on it]"

struct rule {
	struct regex_finder *finder;
	char *replace;
	size_t replace_len;
};

struct redactor {
	atomic_uint refs;
	struct rule *rules;
	size_t n;
};

static const struct bind_field rule_fields[] = {
	{ .key = "regex",
	  .type = BIND_STRING,
	  .offset = offsetof(struct redact_rule, regex),
	  .required = true,
	  .doc = "What to take out: a regular expression, found anywhere in a line." },
	{ .key = "replace",
	  .type = BIND_STRING,
	  .offset = offsetof(struct redact_rule, replace),
	  .default_text = "***",
	  .doc = "What to put in its place; `$1` and `${name}` stand for the pattern's groups." },
};

const struct bind_table redact_rule_table = BIND_TABLE_AT(redact_rule, "redaction", rule_fields);

bool redact_rules_are_equal(const struct redact_rule *a, size_t na, const struct redact_rule *b,
			    size_t nb)
{
	for (size_t i = 0; i < na && na == nb; i++)
		if (!slice_is_equal(a[i].regex, b[i].regex) ||
		    !slice_is_equal(a[i].replace, b[i].replace))
			return false;
	return na == nb;
}

static void redact_refuse(struct diag_list *diags, const struct redact_rule *rule, const char *why)
{
	const struct yaml_node *node = rule->node ? yaml_get(rule->node, "regex") : NULL;

	if (node)
		yaml_diag(diags, DIAG_ERROR, node, NULL, "\"regex\" in redact: %s", why);
	else
		diag_add(diags, DIAG_ERROR, NULL, 0, 0, NULL, NULL, "\"regex\" in redact: %s", why);
}

static int rule_init(struct rule *rule, const struct redact_rule *from, struct diag_list *diags)
{
	char *why = NULL;
	size_t offset;

	rule->replace = slice_dup(from->replace);
	rule->replace_len = from->replace.len;
	if (!rule->replace)
		return ERR_NOMEM;
	int err = regex_finder_new(from->regex, &rule->finder, &why, &offset);

	if (err && err != ERR_NOMEM)
		redact_refuse(diags, from, why ? why : error_text(err));
	free(why);
	return err;
}

int redactor_new(const struct redact_rule *rules, size_t n, struct diag_list *diags,
		 struct redactor **out)
{
	struct redactor *redactor = calloc(1, sizeof(*redactor));
	int err = 0;

	if (!redactor)
		return ERR_NOMEM;
	atomic_init(&redactor->refs, 1);
	redactor->rules = calloc(n ? n : 1, sizeof(*redactor->rules));
	if (!redactor->rules)
		err = ERR_NOMEM;
	if (n > REDACT_RULES_MAX) {
		redact_refuse(diags, &rules[REDACT_RULES_MAX], "too many rules");
		err = ERR_LIMIT;
	}
	for (size_t i = 0; !err && i < n; i++) {
		redactor->n++;
		err = rule_init(&redactor->rules[i], &rules[i], diags);
	}
	if (err)
		redactor_unref(redactor);
	else
		*out = redactor;
	return err;
}

struct redactor *redactor_ref(struct redactor *redactor)
{
	atomic_fetch_add_explicit(&redactor->refs, 1, memory_order_relaxed);
	return redactor;
}

void redactor_unref(struct redactor *redactor)
{
	if (!redactor || atomic_fetch_sub_explicit(&redactor->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < redactor->n; i++) {
		regex_finder_free(redactor->rules[i].finder);
		free(redactor->rules[i].replace);
	}
	free(redactor->rules);
	free(redactor);
}

/* What is no UTF-8 becomes U+FFFD. */
static void add_repaired(struct slice line, struct buf *out)
{
	char bytes[4];
	uint32_t rune;

	if (slice_is_utf8(line)) {
		buf_add_slice(out, line);
		return;
	}
	for (size_t i = 0; i < line.len;) {
		i += slice_rune((struct slice){ line.ptr + i, line.len - i }, &rune);
		buf_add(out, bytes, rune_encode(rune, bytes));
	}
}

/* A line's beginning, at a character. */
static struct slice cut(struct slice line)
{
	if (line.len <= REDACT_LINE_MAX)
		return line;
	line.len = REDACT_LINE_MAX;
	while (line.len > 0 && ((unsigned char)line.ptr[line.len] & 0xc0) == 0x80)
		line.len--;
	return line;
}

/* All rules, one after the other, over a text of our own. */
static int rules_apply(const struct redactor *redactor, struct buf *text)
{
	struct buf next;
	int err = 0;

	for (size_t i = 0; !err && i < redactor->n; i++) {
		const struct rule *rule = &redactor->rules[i];

		buf_init(&next);
		err = regex_finder_replace(rule->finder, buf_slice(text),
					   (struct slice){ rule->replace, rule->replace_len },
					   &next);
		buf_fini(text);
		*text = next;
	}
	return err;
}

int redact_line(const struct redactor *redactor, struct slice line, struct buf *out)
{
	struct buf text;
	int err = 0;

	buf_init(&text);
	add_repaired(cut(line), &text);
	if (!buf_ok(&text))
		err = ERR_NOMEM;
	else if (redactor)
		err = rules_apply(redactor, &text);
	if (err == ERR_LIMIT)
		buf_add_str(out, WITHHELD);
	else if (!err)
		buf_add_slice(out, cut(buf_slice(&text)));
	buf_fini(&text);
	return err == ERR_NOMEM || !buf_ok(out) ? ERR_NOMEM : 0;
}
