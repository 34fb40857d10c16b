#include "rules/rule_expand.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/quote.h"
#include "base/text.h"

static const char *const dialect_texts[] = {
	[DIALECT_TOCSIN] = "tocsin",
	[DIALECT_PROMETHEUS] = "prometheus",
	[DIALECT_LOGQL] = "logql",
};
static const char *const warmup_texts[] = { [WARMUP_AUTO] = "auto", [WARMUP_OFF] = "'off'" };

/* Texts */

static bool is_letter(char c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* May it stand without quotes, and is it then no number, boolean or null? */
static bool is_plain(struct slice text)
{
	static const char *const taken[] = { "true", "false", "yes", "no", "on",
					     "off",  "null",  "y",   "n" };
	char lower[8] = { 0 };

	if (text.len == 0 || !is_letter(text.ptr[0]))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '-' && c != '.')
			return false;
		if (i < sizeof(lower) - 1)
			lower[i] = (char)(c | 0x20);
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (text.len < sizeof(lower) && strcmp(lower, taken[i]) == 0)
			return false;
	return true;
}

/* What does not print, and what YAML takes for a line's end, is escaped. */
static bool needs_escapes(struct slice text)
{
	uint32_t rune;

	for (size_t n; text.len > 0; text.ptr += n, text.len -= n) {
		n = slice_rune(text, &rune);
		if (!rune_is_print(rune))
			return true;
	}
	return false;
}

/* In double quotes. */
static void add_escaped(struct buf *out, struct slice text)
{
	uint32_t rune;

	buf_add_char(out, '"');
	for (size_t n; text.len > 0; text.ptr += n, text.len -= n) {
		n = slice_rune(text, &rune);
		if (rune == '\n')
			buf_add_str(out, "\\n");
		else if (rune == '"' || rune == '\\')
			buf_printf(out, "\\%c", (char)rune);
		else if (rune_is_print(rune))
			buf_add(out, text.ptr, n);
		else
			buf_printf(out, rune > 0xffff ? "\\U%08x" : "\\u%04x", rune);
	}
	buf_add_char(out, '"');
}

static void add_text(struct buf *out, struct slice text)
{
	if (is_plain(text)) {
		buf_add_slice(out, text);
	} else if (needs_escapes(text)) {
		add_escaped(out, text);
	} else {
		buf_add_char(out, '\'');
		for (size_t i = 0; i < text.len; i++) {
			buf_add_char(out, text.ptr[i]);
			if (text.ptr[i] == '\'')
				buf_add_char(out, '\'');
		}
		buf_add_char(out, '\'');
	}
}

static void add_duration(struct buf *out, const char *key, int64_t ms)
{
	buf_add_str(out, key);
	duration_format(ms, out);
	buf_add_char(out, '\n');
}

/* Rules */

static void add_texts(struct buf *out, const char *key, const struct rule_text *texts, uint32_t n)
{
	if (n == 0)
		return;
	buf_printf(out, "    %s:\n", key);
	for (uint32_t i = 0; i < n; i++) {
		buf_add_str(out, "      ");
		add_text(out, texts[i].name);
		buf_add_str(out, ": ");
		add_text(out, texts[i].text);
		buf_add_char(out, '\n');
	}
}

static void add_run(struct buf *out, const struct rule *rule)
{
	for (uint32_t i = 0; i < rule->nrun; i++) {
		buf_add_str(out, i ? ", " : "    run: [");
		add_text(out, rule->run[i]);
	}
	buf_add_str(out, rule->nrun ? "]\n" : "");
}

static void add_resolve(struct buf *out, const struct rule_resolve *resolve)
{
	buf_add_str(out, "    resolve_when: |-\n      ");
	buf_add_str(out, resolve->query);
	buf_add_char(out, '\n');
	if (resolve->no_data == NO_DATA_HOLD)
		buf_add_str(out, "    no_data: hold\n");
}

static void add_rule(struct buf *out, const struct rule *rule, enum expand_form form)
{
	buf_add_str(out, rule->kind == RULE_ALERT ? "  - alert: " : "  - record: ");
	add_text(out, rule->name);
	buf_add_str(out, "\n    expr: |-\n      ");
	buf_add_str(out, rule->query);
	buf_add_char(out, '\n');
	if (rule->for_ms)
		add_duration(out, "    for: ", rule->for_ms);
	if (rule->keep_firing_for_ms)
		add_duration(out, "    keep_firing_for: ", rule->keep_firing_for_ms);
	if (rule->resolve && form == EXPAND_FULL)
		add_resolve(out, rule->resolve);
	add_texts(out, "labels", rule->labels, rule->nlabels);
	add_texts(out, "annotations", rule->annotations, rule->nannotations);
	if (form == EXPAND_FULL)
		add_run(out, rule);
}

/* Groups */

static void add_evaluate(struct buf *out, const struct rule_group *group)
{
	if (group->evaluate != EVALUATE_ARRIVAL)
		return;
	buf_add_str(out, "  evaluate: arrival\n");
	add_duration(out, "  min_gap: ", group->min_gap_ms);
	add_duration(out, "  settle: ", group->settle_ms);
}

static void add_group(struct buf *out, const struct rule_group *group, enum expand_form form)
{
	buf_add_str(out, "- name: ");
	add_text(out, group->name);
	buf_add_char(out, '\n');
	add_duration(out, "  interval: ", group->interval_ms);
	if (group->query_offset_ms || group->has_query_offset)
		add_duration(out, "  query_offset: ", group->query_offset_ms);
	if (group->limit)
		buf_printf(out, "  limit: %lld\n", (long long)group->limit);
	if (form == EXPAND_FULL) {
		buf_printf(out, "  dialect: %s\n", dialect_texts[group->dialect]);
		if (group->dialect != DIALECT_PROMETHEUS)
			buf_printf(out, "  warmup: %s\n", warmup_texts[group->warmup]);
		add_evaluate(out, group);
		buf_add_str(out, group->exact ? "  exact: true\n" : "");
	}
	buf_add_str(out, group->nrules ? "  rules:\n" : "  rules: []\n");
	for (uint32_t i = 0; i < group->nrules; i++) {
		const struct rule *rule = &group->rules[i];
		if (form == EXPAND_FULL && group->evaluate == EVALUATE_ARRIVAL)
			buf_printf(out, "  # on arrival: %s\n", arrival_class_text(rule->arrival));
		add_rule(out, rule, form);
	}
}

/* As they stand in the files: the set has them in the order of evaluation. */
static int compare_groups(const void *a, const void *b)
{
	const struct rule_group *x = *(const struct rule_group *const *)a;
	const struct rule_group *y = *(const struct rule_group *const *)b;
	int order = slice_compare(x->file, y->file);

	return order ? order : x->line < y->line ? -1 : x->line > y->line;
}

static void begin_document(struct buf *out, struct slice file, bool is_first)
{
	buf_add_str(out, is_first ? "" : "---\n");
	if (file.len > 0 && !needs_escapes(file))
		buf_printf(out, "# " SLICE_FMT "\n", SLICE_ARG(file));
	buf_add_str(out, "groups:\n");
}

int rule_set_expand(const struct rule_set *set, enum expand_form form, struct buf *out)
{
	const struct rule_group **groups = calloc(set->ngroups + 1, sizeof(*groups));

	if (!groups)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < set->ngroups; i++)
		groups[i] = &set->groups[i];
	qsort(groups, set->ngroups, sizeof(*groups), compare_groups);
	if (set->ngroups == 0)
		buf_add_str(out, "groups: []\n");
	for (uint32_t i = 0; i < set->ngroups; i++) {
		if (i == 0 || !slice_is_equal(groups[i]->file, groups[i - 1]->file))
			begin_document(out, groups[i]->file, i == 0);
		add_group(out, groups[i], form);
	}
	free(groups);
	return buf_ok(out) ? 0 : ERR_NOMEM;
}
