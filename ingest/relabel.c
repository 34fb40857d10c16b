#include "ingest/relabel.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/regex.h"

#define TEMPORARY "__tmp"
#define MD5_BYTES 16

enum relabel_action {
#define X(id, text, target, source, replacement) id,
	RELABEL_ACTION_LIST(X)
#undef X
};

static const struct {
	const char *text;
	bool needs_target, takes_source, takes_replacement;
} actions[] = {
#define X(id, text, target, source, replacement) [id] = { text, target, source, replacement },
	RELABEL_ACTION_LIST(X)
#undef X
};

/* As written; the texts are the configuration's. */
struct relabel_part {
	struct bind_strings source_labels;
	struct slice separator, regex, target_label, replacement;
	int64_t modulus;
	int action;
	uint64_t given;
	const struct yaml_node *node;
};

enum relabel_key { SOURCE_LABELS, SEPARATOR, REGEX, MODULUS, TARGET_LABEL, REPLACEMENT, ACTION };

#define X(id, text, target, source, replacement) "," text
static const struct bind_field fields[] = {
	[SOURCE_LABELS] =
		BIND_FIELD(relabel_part, source_labels, "source_labels", BIND_STRINGS,
			   .doc = "Labels whose values, joined by the separator, are what the "
				  "rule looks at."),
	[SEPARATOR] = BIND_FIELD(relabel_part, separator, "separator", BIND_STRING,
				 .default_text = ";", .doc = "Stands between the values."),
	[REGEX] = BIND_FIELD(relabel_part, regex, "regex", BIND_STRING, .default_text = "(.*)",
			     .doc = "What they must match, in full."),
	[MODULUS] = BIND_FIELD(relabel_part, modulus, "modulus", BIND_INT, .min = 1,
			       .max = INT64_MAX, .doc = "hashmod: the number of parts."),
	[TARGET_LABEL] = BIND_FIELD(relabel_part, target_label, "target_label", BIND_STRING,
				    .doc = "The label that takes the result."),
	[REPLACEMENT] = BIND_FIELD(
		relabel_part, replacement, "replacement", BIND_STRING, .default_text = "$1",
		.doc = "The result, with groups of the pattern; empty removes the "
		       "label."),
	[ACTION] = BIND_FIELD(relabel_part, action, "action", BIND_ENUM,
			      .values = &(RELABEL_ACTION_LIST(X))[1], /* without the first comma */
			      .default_text = "replace", .doc = "What is done."),
};
#undef X

const struct bind_table relabel_table = BIND_TABLE_GIVEN(relabel_part, "relabel_configs", fields);

struct relabel_rule {
	enum relabel_action action;
	struct slice *sources;
	size_t nsources;
	struct slice separator, target, replacement;
	struct regex *regex;
	uint64_t modulus;
};

struct relabel {
	atomic_uint refs;
	uint64_t hash;
	size_t n;
	struct arena arena;
	struct relabel_rule rules[];
};

/* ---- rules ---- */

static void complain(struct diag_list *diags, const struct relabel_part *part, const char *key,
		     const char *hint, const char *why)
{
	const struct yaml_node *at = yaml_get(part->node, key);
	yaml_diag(diags, DIAG_ERROR, at ? at : part->node, hint, "relabel_configs: %s %s",
		  actions[part->action].text, why);
}

/* Else that was told, and nothing follows from what stands for it. */
static bool is_understood(const struct relabel_part *part)
{
	const struct yaml_node *action = yaml_get(part->node, "action");
	return part->node->type == YAML_MAPPING &&
	       (!action || yaml_is_null(action) || part->action != RELABEL_REPLACE ||
		slice_is(action->text, "replace"));
}

/* What an action needs, and what it would overlook: as Prometheus judges. */
static void check(const struct relabel_part *part, struct diag_list *diags)
{
	bool has_target = part->target_label.len > 0;
	if (!is_understood(part))
		return;
	if (actions[part->action].needs_target && !has_target)
		complain(diags, part, "action", NULL, "needs a target_label");
	if (!actions[part->action].needs_target && has_target)
		complain(diags, part, "target_label", "take it out", "has no use for target_label");
	if (!actions[part->action].takes_source && part->source_labels.n > 0)
		complain(diags, part, "source_labels", "take it out",
			 "looks at names of labels and has no use for source_labels");
	if (part->action == RELABEL_HASHMOD && !(part->given & 1u << MODULUS))
		complain(diags, part, "action", NULL, "needs a modulus");
	bool is_equality = part->action == RELABEL_KEEPEQUAL || part->action == RELABEL_DROPEQUAL;
	if (is_equality && (part->given & (1u << REGEX | 1u << REPLACEMENT | 1u << MODULUS)))
		complain(diags, part, "action", "take them out",
			 "takes source_labels, separator and target_label only");
}

static int rule_init(struct relabel_rule *rule, const struct relabel_part *part,
		     struct arena *arena, struct diag_list *diags)
{
	char *why = NULL;
	size_t offset;
	*rule = (struct relabel_rule){ .action = (enum relabel_action)part->action,
				       .nsources = part->source_labels.n,
				       .separator = arena_slice(arena, part->separator),
				       .target = arena_slice(arena, part->target_label),
				       .replacement = arena_slice(arena, part->replacement),
				       .modulus = (uint64_t)part->modulus };
	rule->sources = ARENA_ARRAY(arena, struct slice, rule->nsources + 1);
	if (!rule->sources)
		return ERR_NOMEM;
	for (size_t i = 0; i < rule->nsources; i++)
		rule->sources[i] = arena_slice(arena, part->source_labels.items[i]);
	int code = regex_new(part->regex, &rule->regex, &why, &offset);
	if (code == ERR_INVALID || code == ERR_LIMIT)
		yaml_diag(diags, DIAG_ERROR, yaml_get(part->node, "regex"), NULL,
			  "relabel_configs: bad pattern: %s", why ? why : error_text(code));
	free(why);
	return code == ERR_NOMEM ? code : 0;
}

static void hash_part(const struct relabel_part *part, struct buf *out)
{
	buf_add_u32(out, (uint32_t)part->action);
	buf_add_u32(out, (uint32_t)part->source_labels.n);
	for (size_t i = 0; i < part->source_labels.n; i++)
		buf_add_sized(out, part->source_labels.items[i]);
	buf_add_sized(out, part->separator);
	buf_add_sized(out, part->regex);
	buf_add_sized(out, part->target_label);
	buf_add_sized(out, part->replacement);
	buf_add_u64(out, (uint64_t)part->modulus);
}

int relabel_new(const struct bind_structs *list, struct diag_list *diags, struct relabel **out)
{
	const struct relabel_part *parts = list->items;
	size_t errors = diags->errors;
	*out = NULL;
	if (list->n == 0)
		return 0;
	if (list->n > RELABEL_RULES_MAX) {
		yaml_diag(diags, DIAG_ERROR, parts[RELABEL_RULES_MAX].node, NULL,
			  "more than %d relabel_configs", RELABEL_RULES_MAX);
		return ERR_INVALID;
	}
	struct relabel *relabel = calloc(1, sizeof(*relabel) + list->n * sizeof(relabel->rules[0]));
	if (!relabel)
		return ERR_NOMEM;
	struct buf written;
	buf_init(&written);
	arena_init(&relabel->arena, 0);
	atomic_init(&relabel->refs, 1);
	int code = 0;
	for (size_t i = 0; i < list->n && !code; i++) {
		check(&parts[i], diags);
		code = rule_init(&relabel->rules[i], &parts[i], &relabel->arena, diags);
		relabel->n = i + 1;
		hash_part(&parts[i], &written);
	}
	if (!code && !buf_ok(&written))
		code = ERR_NOMEM;
	if (!code && diags->errors > errors)
		code = ERR_INVALID;
	relabel->hash = buf_ok(&written) ? hash_checksum(written.ptr, written.len) : 0;
	buf_fini(&written);
	if (code)
		relabel_unref(relabel);
	else
		*out = relabel;
	return code;
}

struct relabel *relabel_ref(struct relabel *relabel)
{
	if (relabel)
		atomic_fetch_add_explicit(&relabel->refs, 1, memory_order_relaxed);
	return relabel;
}

void relabel_unref(struct relabel *relabel)
{
	if (!relabel || atomic_fetch_sub_explicit(&relabel->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < relabel->n; i++)
		regex_free(relabel->rules[i].regex);
	arena_fini(&relabel->arena);
	free(relabel);
}

uint64_t relabel_hash(const struct relabel *relabel)
{
	return relabel ? relabel->hash : 0;
}

/* ---- one label set ---- */

/* A set while rules work on it; texts that rules make are the arena's. */
struct work {
	struct labels_builder labels;
	struct arena arena;
	bool dropped;
};

static struct slice work_get(const struct work *work, struct slice name)
{
	for (size_t i = 0; i < work->labels.n; i++)
		if (slice_is_equal(work->labels.pairs[i].name, name))
			return work->labels.pairs[i].value;
	return (struct slice){ 0 };
}

/* Takes what stands in the buffer, and empties it. */
static int work_keep(struct work *work, struct buf *text, struct slice *out)
{
	*out = buf_ok(text) ? arena_slice(&work->arena, buf_slice(text)) : (struct slice){ 0 };
	int code = !buf_ok(text) || (text->len && !out->ptr) ? ERR_NOMEM : 0;
	buf_clear(text);
	return code;
}

static int join_sources(struct work *work, const struct relabel_rule *rule, struct buf *text,
			struct slice *out)
{
	for (size_t i = 0; i < rule->nsources; i++) {
		if (i > 0)
			buf_add_slice(text, rule->separator);
		buf_add_slice(text, work_get(work, rule->sources[i]));
	}
	return work_keep(work, text, out);
}

static int replace(struct work *work, const struct relabel_rule *rule, struct slice source,
		   struct buf *text)
{
	struct slice target, value;
	int matched = regex_expand(rule->regex, source, rule->target, text);
	if (matched <= 0)
		return matched;
	int code = work_keep(work, text, &target);
	if (code || target.len == 0)
		return code;
	matched = regex_expand(rule->regex, source, rule->replacement, text);
	if (matched < 0)
		return matched;
	code = work_keep(work, text, &value);
	if (!code)
		labels_builder_set(&work->labels, target, value);
	return code;
}

/* The lower eight bytes of the MD5, as Prometheus divides targets. */
static int hashmod(struct work *work, const struct relabel_rule *rule, struct slice source,
		   struct buf *text)
{
	unsigned char digest[MD5_BYTES];
	uint64_t hash = 0;
	struct slice value;
	if (!EVP_Digest(source.ptr ? source.ptr : "", source.len, digest, NULL, EVP_md5(), NULL))
		return ERR_UNSUPPORTED;
	for (int i = MD5_BYTES / 2; i < MD5_BYTES; i++)
		hash = hash << 8 | digest[i];
	buf_printf(text, "%llu", (unsigned long long)(hash % rule->modulus));
	int code = work_keep(work, text, &value);
	if (!code)
		labels_builder_set(&work->labels, rule->target, value);
	return code;
}

static int change_case(struct work *work, const struct relabel_rule *rule, struct slice source,
		       struct buf *text)
{
	bool lower = rule->action == RELABEL_LOWERCASE;
	struct slice value;
	for (size_t i = 0; i < source.len; i++) {
		char c = source.ptr[i];
		if (lower && c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		else if (!lower && c >= 'a' && c <= 'z')
			c = (char)(c - ('a' - 'A'));
		buf_add_char(text, c);
	}
	int code = work_keep(work, text, &value);
	if (!code)
		labels_builder_set(&work->labels, rule->target, value);
	return code;
}

/* Copies the labels whose names match to names made of them. */
static int labelmap(struct work *work, const struct relabel_rule *rule, struct buf *text)
{
	size_t n = work->labels.n;
	struct label *seen = ARENA_ARRAY(&work->arena, struct label, n + 1);
	if (!seen)
		return ERR_NOMEM;
	if (n)
		memcpy(seen, work->labels.pairs, n * sizeof(*seen));
	for (size_t i = 0; i < n; i++) {
		struct slice name;
		int matched = regex_expand(rule->regex, seen[i].name, rule->replacement, text);
		int code = matched > 0 ? work_keep(work, text, &name) : matched;
		if (code)
			return code;
		if (matched > 0)
			labels_builder_set(&work->labels, name, seen[i].value);
	}
	return 0;
}

static void select_names(struct work *work, const struct relabel_rule *rule)
{
	bool keep = rule->action == RELABEL_LABELKEEP;
	for (size_t i = work->labels.n; i-- > 0;)
		if (regex_is_match(rule->regex, work->labels.pairs[i].name) != keep)
			labels_builder_remove(&work->labels, work->labels.pairs[i].name);
}

static int apply(struct work *work, const struct relabel_rule *rule, struct buf *text)
{
	struct slice source;
	int code = join_sources(work, rule, text, &source);
	if (code)
		return code;
	switch (rule->action) {
	case RELABEL_REPLACE:
		return replace(work, rule, source, text);
	case RELABEL_KEEP:
		work->dropped = !regex_is_match(rule->regex, source);
		return 0;
	case RELABEL_DROP:
		work->dropped = regex_is_match(rule->regex, source);
		return 0;
	case RELABEL_KEEPEQUAL:
		work->dropped = !slice_is_equal(source, work_get(work, rule->target));
		return 0;
	case RELABEL_DROPEQUAL:
		work->dropped = slice_is_equal(source, work_get(work, rule->target));
		return 0;
	case RELABEL_HASHMOD:
		return hashmod(work, rule, source, text);
	case RELABEL_LABELMAP:
		return labelmap(work, rule, text);
	case RELABEL_LABELDROP:
	case RELABEL_LABELKEEP:
		select_names(work, rule);
		return 0;
	case RELABEL_LOWERCASE:
	case RELABEL_UPPERCASE:
		return change_case(work, rule, source, text);
	}
	return 0;
}

static void drop_temporary(struct work *work)
{
	for (size_t i = work->labels.n; i-- > 0;)
		if (slice_has_prefix(work->labels.pairs[i].name, SLICE(TEMPORARY)))
			labels_builder_remove(&work->labels, work->labels.pairs[i].name);
}

int relabel_apply(const struct relabel *relabel, struct labels *labels, struct labels **out)
{
	struct work work = { 0 };
	struct buf text;
	int code = 0;
	*out = NULL;
	if (!relabel) {
		*out = labels_ref(labels);
		return 0;
	}
	buf_init(&text);
	arena_init(&work.arena, 0);
	labels_builder_init(&work.labels);
	labels_builder_add_all(&work.labels, labels);
	for (size_t i = 0; i < relabel->n && !code && !work.dropped; i++)
		code = apply(&work, &relabel->rules[i], &text);
	drop_temporary(&work);
	if (!code && !work.dropped)
		code = labels_builder_take(&work.labels, out, NULL);
	labels_builder_fini(&work.labels);
	arena_fini(&work.arena);
	buf_fini(&text);
	return code;
}
