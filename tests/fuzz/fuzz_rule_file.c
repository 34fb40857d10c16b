/*
 * Rule files from YAML to the plan: either a set, or errors; and a set of the same text is the
 * same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/lint.h"
#include "rules/rule_expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct rule_set *load(struct slice text, struct diag_list *diags)
{
	static const struct slice runbooks[] = { SLICE("restart") };
	struct rule_set_options options = {
		.interval_ms = 60000, .rules_max = 1000, .runbooks = runbooks, .nrunbooks = 1
	};
	struct rule_set *set = NULL;
	size_t errors = diags->errors;
	int error = rule_set_load_text(text, "f.yml", &options, diags, &set);
	must((error == 0) == (set != NULL));
	must((error == 0) == (diags->errors == errors));
	return set;
}

static void check_rule(const struct rule_set *set, const struct rule *rule)
{
	struct labels *labels;
	struct template_data data = { .value = 1 };
	must(rule->expr && rule->query && rule->name.len > 0);
	must(rule->norder > 0 && rule->order[rule->norder - 1] == rule->root);
	for (int i = 0; rule->resolve && i < 2; i++) {
		const struct rule_root *root = i ? &rule->resolve->has : &rule->resolve->when;
		must(root->norder > 0 && root->order[root->norder - 1] == root->root);
	}
	must(rule == &set->groups[rule->group].rules[rule->index]);
	must(rule_annotations_render(rule, &data, &labels) == 0);
	labels_unref(labels);
}

/* What the rules mean, written out, means just that. */
static void check_expansion(const struct rule_set *set, enum expand_form form)
{
	struct diag_list diags;
	struct buf first, second;
	diag_list_init(&diags);
	buf_init(&first);
	buf_init(&second);
	must(rule_set_expand(set, form, &first) == 0);
	/* Prometheus has no word for what it is that differs. */
	struct rule_set *again = load(buf_slice(&first), &diags);
	must(again || form == EXPAND_PROMETHEUS);
	if (again && form == EXPAND_FULL) {
		must(rule_set_expand(again, form, &second) == 0);
		must(slice_is_equal(buf_slice(&first), buf_slice(&second)));
	}
	rule_set_unref(again);
	buf_fini(&first);
	buf_fini(&second);
	diag_list_fini(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	struct diag_list diags;
	struct buf out;
	diag_list_init(&diags);
	buf_init(&out);
	struct rule_set *set = load(text, &diags);
	if (set) {
		struct rule_set *again = load(text, &diags);
		must(again && again->ngroups == set->ngroups && again->nrules == set->nrules);
		for (uint32_t g = 0; g < set->ngroups; g++) {
			must(set->groups[g].hash == again->groups[g].hash);
			for (uint32_t r = 0; r < set->groups[g].nrules; r++)
				check_rule(set, &set->groups[g].rules[r]);
		}
		plan_check(set->plan);
		size_t errors = diags.errors;
		must(rule_set_lint(set, &diags) == 0 && diags.errors == errors);
		check_expansion(set, EXPAND_FULL);
		check_expansion(set, EXPAND_PROMETHEUS);
		rule_set_unref(again);
		rule_set_unref(set);
	}
	diag_list_format(&diags, false, &out);
	buf_fini(&out);
	diag_list_fini(&diags);
	return 0;
}
