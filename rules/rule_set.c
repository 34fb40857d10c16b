/* Rule sets: all files of a configuration, their groups in order, one plan. */
#include "rules/rule_build.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "rules/label_refs.h"
#include "rules/log_bucket.h"

/* Bytes of annotations that are kept of one alert, so that they fit into a label set. */
#define ANNOTATIONS_BYTES_MAX (LABELS_BYTES_MAX - 1024)

static struct rule_set *set_new(const struct rule_set_options *options)
{
	struct rule_set *set = calloc(1, sizeof(*set));
	if (!set)
		return NULL;
	arena_init(&set->arena, 0);
	atomic_init(&set->refs, 1);
	set->plan = plan_new();
	if (!set->plan) {
		arena_fini(&set->arena);
		free(set);
		return NULL;
	}
	if (options->subquery_step_ms)
		set->plan->subquery_step_ms = options->subquery_step_ms;
	set->plan->delayed_names = options->delayed_names;
	return set;
}

static void resolve_fini(struct rule_resolve *resolve)
{
	expr_fini(resolve->expr);
	expr_fini(resolve->data);
	free(resolve->when.order);
	free(resolve->has.order);
}

static void set_free(struct rule_set *set)
{
	for (uint32_t g = 0; g < set->ngroups; g++) {
		for (uint32_t r = 0; r < set->groups[g].nrules; r++) {
			struct rule *rule = &set->groups[g].rules[r];
			expr_fini(rule->expr);
			free(rule->order);
			if (rule->resolve)
				resolve_fini(rule->resolve);
		}
	}
	for (uint32_t i = 0; i < set->ndemands; i++)
		free(set->demands[i].order);
	free(set->groups);
	plan_free(set->plan);
	arena_fini(&set->arena);
	free(set);
}

uint32_t rule_set_outrun(const struct rule_set *set, int64_t lag_ms,
			 const struct rule_group **first)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < set->ngroups; i++) {
		const struct rule_group *group = &set->groups[i];
		if (group->evaluate == EVALUATE_ARRIVAL ||
		    lag_ms <= group->query_offset_ms + RULE_LAG_USUAL_MS)
			continue;
		if (n++ == 0)
			*first = group;
	}
	return n;
}

struct rule_set *rule_set_ref(struct rule_set *set)
{
	atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void rule_set_unref(struct rule_set *set)
{
	if (set && atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) == 1)
		set_free(set);
}

/* Hashes: lengths before texts, so that nothing can be shifted from one to the next. */

static void hash_texts(struct buf *out, const struct rule_text *texts, uint32_t n)
{
	buf_add_u32(out, n);
	for (uint32_t i = 0; i < n; i++) {
		buf_add_sized(out, texts[i].name);
		buf_add_sized(out, texts[i].text);
	}
}

static void hash_rule(struct buf *out, const struct rule *rule)
{
	buf_add_u32(out, rule->kind);
	buf_add_sized(out, rule->name);
	buf_add_sized(out, slice_from(rule->query ? rule->query : ""));
	buf_add_u64(out, (uint64_t)rule->for_ms);
	buf_add_u64(out, (uint64_t)rule->keep_firing_for_ms);
	buf_add_sized(out, slice_from(rule->resolve ? rule->resolve->query : ""));
	buf_add_u32(out, rule->resolve ? rule->resolve->no_data : NO_DATA_RESOLVE);
	hash_texts(out, rule->labels, rule->nlabels);
	hash_texts(out, rule->annotations, rule->nannotations);
	buf_add_u32(out, rule->nrun);
	for (uint32_t i = 0; i < rule->nrun; i++)
		buf_add_sized(out, rule->run[i]);
}

/* Hashes all that is written in a group, in the form in which it counts. ERR_NOMEM. */
static int rule_group_hash(struct rule_group *group)
{
	struct buf all;
	buf_init(&all);
	buf_add_sized(&all, group->file);
	buf_add_sized(&all, group->name);
	buf_add_u64(&all, (uint64_t)group->interval_ms);
	buf_add_u64(&all, (uint64_t)group->query_offset_ms);
	buf_add_u64(&all, (uint64_t)group->limit);
	buf_add_u32(&all, group->dialect);
	buf_add_u32(&all, group->warmup);
	buf_add_u32(&all, group->evaluate);
	buf_add_u64(&all, (uint64_t)group->min_gap_ms);
	buf_add_u64(&all, (uint64_t)group->settle_ms);
	for (uint32_t i = 0; i < group->nrules; i++)
		hash_rule(&all, &group->rules[i]);
	int error = buf_ok(&all) ? 0 : ERR_NOMEM;
	if (!error)
		group->hash = hash_checksum(all.ptr, all.len);
	buf_fini(&all);
	return error;
}

/* Loading. */

static void number_rules(struct rule_set *set)
{
	set->nrules = 0;
	for (uint32_t g = 0; g < set->ngroups; g++) {
		for (uint32_t r = 0; r < set->groups[g].nrules; r++) {
			struct rule *rule = &set->groups[g].rules[r];
			rule->group = g;
			rule->index = r;
			rule->id = set->nrules++;
		}
	}
}

static int plan_root(struct plan *plan, const struct expr *expr, struct rule_root *root)
{
	int error = plan_add(plan, expr, &root->root);
	return error ? error : plan_order(plan, root->root, &root->order, &root->norder);
}

static int plan_rule(struct rule_set *set, const struct rule_group *group, struct rule *rule,
		     struct diag_list *diags)
{
	struct rule_root own = { 0 };
	int error = plan_root(set->plan, rule->expr, &own);
	rule->root = own.root;
	rule->order = own.order;
	rule->norder = own.norder;
	if (!error && rule->resolve)
		error = plan_root(set->plan, rule->resolve->expr, &rule->resolve->when);
	if (!error && rule->resolve)
		error = plan_root(set->plan, rule->resolve->data, &rule->resolve->has);
	bool on_arrival = !error && group->evaluate == EVALUATE_ARRIVAL;
	rule->arrival_rises = on_arrival && rule->kind == RULE_ALERT &&
			      arrival_only_rises(set->plan, rule->root);
	if (on_arrival && !rule->arrival_rises)
		rule->arrival = arrival_class_of(set->plan, rule->order, rule->norder,
						 group->settle_ms, &rule->arrival_why);
	if (error && error != ERR_NOMEM)
		yaml_diag(diags, DIAG_ERROR, rule->name_node, NULL,
			  "cannot plan rule \"" SLICE_FMT "\": %s", SLICE_ARG(rule->name),
			  error_text(error));
	return error;
}

static int plan_demand(struct rule_set *set, const struct source *source,
		       struct diag_list *diags, struct rule_root *demand)
{
	struct expr *expr;
	int error = expr_parse(source, &set->arena, diags, &expr);
	if (error)
		return error;
	error = label_refs_widen(expr);
	if (!error)
		error = expr_resolve(expr, &(struct query_bounds){ 0, 0, 0 }, source, diags);
	if (!error)
		error = plan_root(set->plan, expr, demand);
	expr_fini(expr);
	return error;
}

static int plan_demands(struct rule_set *set, const struct rule_set_options *options,
			struct diag_list *diags)
{
	set->demands_cap = (uint32_t)options->ndemands + 1;
	set->demands = ARENA_ARRAY(&set->arena, struct rule_root, set->demands_cap);
	if (!set->demands)
		return ERR_NOMEM;
	int error = 0;
	for (size_t i = 0; i < options->ndemands && !error; i++)
		error = plan_demand(set, options->demands[i], diags,
				    &set->demands[set->ndemands++]);
	return error;
}

/* All groups are read and free of errors: order, numbers, hashes, plan. */
static int finish(struct rule_set *set, const struct rule_set_options *options,
		  struct diag_list *diags)
{
	int error = options->in_file_order
			    ? rule_order_as_told(set->groups, set->ngroups, options)
			    : rule_order_groups(set->groups, set->ngroups, diags);
	number_rules(set);
	for (uint32_t g = 0; g < set->ngroups && !error; g++) {
		struct rule_group *group = &set->groups[g];
		error = rule_group_hash(group);
		for (uint32_t r = 0; r < group->nrules && !error; r++)
			error = plan_rule(set, group, &group->rules[r], diags);
	}
	if (!error)
		error = plan_demands(set, options, diags);
	if (!error)
		error = rule_queries_demand(set, diags);
	if (!error)
		error = rule_index_make(set);
	if (!error)
		log_buckets_set(set);
	return error;
}

/* Ends a loading: the set, or its end when there were errors. */
static int conclude(struct rule_set *set, struct rule_loader *loader, size_t errors_before,
		    int error, struct rule_set **out)
{
	set->groups = loader->groups;
	set->ngroups = (uint32_t)loader->ngroups;
	number_rules(set);
	bool good = !error && loader->diags->errors == errors_before;
	if (!error)
		error = rule_warn_duplicates(set, loader->diags);
	if (!error && good)
		error = finish(set, loader->options, loader->diags);
	if (!error && !good)
		error = ERR_INVALID;
	if (error)
		set_free(set);
	else
		*out = set;
	return error == ERR_NOMEM || !error ? error : ERR_INVALID;
}

static bool was_given_before(const char *const *paths, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(paths[k], paths[i]) == 0)
			return true;
	return false;
}

int rule_set_load(const char *const *paths, size_t n, const struct rule_set_options *options,
		  struct diag_list *diags, struct rule_set **out)
{
	struct rule_set *set = set_new(options);
	if (!set)
		return ERR_NOMEM;
	struct rule_loader loader = { .arena = &set->arena, .diags = diags, .options = options };
	size_t errors = diags->errors;
	int error = 0;
	for (size_t i = 0; i < n && error != ERR_NOMEM; i++) {
		struct yaml_node *root = NULL;
		if (was_given_before(paths, i))
			continue; /* two patterns may name one file */
		error = yaml_parse_file(paths[i], &set->arena, diags, &root);
		if (error != ERR_NOMEM)
			error = rule_file_read(&loader, root);
	}
	return conclude(set, &loader, errors, error == ERR_NOMEM ? error : 0, out);
}

int rule_set_load_texts(const struct rule_file_text *files, size_t n,
			const struct rule_set_options *options, struct diag_list *diags,
			struct rule_set **out)
{
	struct rule_set *set = set_new(options);
	if (!set)
		return ERR_NOMEM;
	struct rule_loader loader = { .arena = &set->arena, .diags = diags, .options = options };
	size_t errors = diags->errors;
	int error = 0;
	for (size_t i = 0; i < n && error != ERR_NOMEM; i++) {
		struct yaml_node *root = NULL;
		error = yaml_parse(files[i].text, files[i].path, &set->arena, diags, &root);
		if (error != ERR_NOMEM)
			error = rule_file_read(&loader, root);
	}
	return conclude(set, &loader, errors, error == ERR_NOMEM ? error : 0, out);
}

int rule_set_load_text(struct slice text, const char *file, const struct rule_set_options *options,
		       struct diag_list *diags, struct rule_set **out)
{
	return rule_set_load_texts(&(struct rule_file_text){ file, text }, 1, options, diags, out);
}

/* Annotations. */

/* What a template cut out of the middle of a character must not spoil the whole payload. */
static void add_utf8(struct slice text, struct buf *out)
{
	size_t start = 0;
	if (slice_is_utf8(text)) {
		buf_add_slice(out, text);
		return;
	}
	while (start < text.len) {
		unsigned char c = (unsigned char)text.ptr[start];
		size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
		struct slice one = { text.ptr + start, n <= text.len - start ? n : 1 };
		if (slice_is_utf8(one)) {
			buf_add_slice(out, one);
			start += one.len;
		} else {
			buf_add_str(out, "\xef\xbf\xbd");
			start++;
		}
	}
}

static void render_annotation(const struct rule_text *annotation, const struct template_data *data,
			      size_t *left, struct buf *out)
{
	struct buf raw;
	buf_init(&raw);
	if (annotation->template)
		template_render(annotation->template, data, &raw);
	else
		buf_add_slice(&raw, annotation->text);
	add_utf8(buf_slice(&raw), out);
	out->failed = out->failed || !buf_ok(&raw);
	buf_fini(&raw);
	if (out->len + annotation->name.len > *left) {
		buf_clear(out);
		buf_add_str(out, "<error expanding template: no room left for this annotation>");
	}
	size_t used = out->len + annotation->name.len;
	*left = used < *left ? *left - used : 0;
}

int rule_annotations_render(const struct rule *rule, const struct template_data *given,
			    struct labels **out)
{
	struct template_data data = *given;
	data.name = rule->name;
	uint32_t n = rule->nannotations < LABELS_COUNT_MAX ? rule->nannotations : LABELS_COUNT_MAX;
	struct label *pairs = calloc(n + 1, sizeof(*pairs));
	struct buf *texts = calloc(n + 1, sizeof(*texts));
	int error = pairs && texts ? 0 : ERR_NOMEM;
	size_t left = ANNOTATIONS_BYTES_MAX;
	for (uint32_t i = 0; i < n && !error; i++) {
		buf_init(&texts[i]);
		render_annotation(&rule->annotations[i], &data, &left, &texts[i]);
		if (!buf_ok(&texts[i]))
			error = ERR_NOMEM;
		pairs[i] = (struct label){ rule->annotations[i].name, buf_slice(&texts[i]) };
	}
	if (!error)
		error = annotations_new(pairs, n, out, NULL);
	for (uint32_t i = 0; texts && i < n; i++)
		buf_fini(&texts[i]);
	free(texts);
	free(pairs);
	return error;
}

int rule_annotations_ask(const struct rule *rule, const struct template_data *data)
{
	struct buf text;
	int code = 0;
	buf_init(&text);
	for (uint32_t i = 0; i < rule->nannotations && code != ERR_AGAIN; i++) {
		const struct template *template = rule->annotations[i].template;
		if (template && template_uses_query(template))
			code = template_render(template, data, &text);
		buf_clear(&text);
	}
	buf_fini(&text);
	return code == ERR_AGAIN ? code : 0;
}
