#include "web/rules_filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

#define GROUPS_MAX 1000000000

/* ---- what is asked for ---- */

static bool fail_parameter(struct http_request *request, const char *name, const char *why)
{
	web_fail(request, 400, "bad_data", "invalid parameter \"%s\": %s", name, why);
	return false;
}

static bool read_type(struct http_request *request, struct arena *arena,
		      struct rules_filter *filter)
{
	const char *type = web_param_value(request, arena, "type");

	filter->alerting = !type || strcmp(type, "alert") == 0;
	filter->recording = !type || strcmp(type, "record") == 0;
	if (filter->alerting || filter->recording)
		return true;
	web_fail(request, 400, "bad_data",
		 "invalid parameter \"type\": not supported value \"%.100s\"", type);
	return false;
}

static bool read_values(struct http_request *request, struct arena *arena, const char *name,
			struct filter_values *values)
{
	const char *value;

	while ((value = web_param(request, arena, name, values->n))) {
		if (values->n == FILTER_VALUES_MAX)
			return fail_parameter(request, name, "too many values");
		values->values[values->n++] = value;
	}
	return true;
}

static bool read_selectors(struct http_request *request, struct arena *arena,
			   struct rules_filter *filter)
{
	if (!web_param(request, arena, "match[]", 0))
		return true;
	if (listing_new(LIST_SERIES, &filter->selectors)) {
		web_fail(request, 500, "internal", "out of memory");
		return false;
	}
	return web_param_selectors(request, arena, filter->selectors);
}

static bool read_page(struct http_request *request, struct arena *arena,
		      struct rules_filter *filter)
{
	const char *limit = web_param_value(request, arena, "group_limit"),
		   *token = web_param_value(request, arena, "group_next_token");
	char *end;

	if (!limit && token)
		return fail_parameter(request, "group_next_token",
				      "group_limit needs to be present in order to paginate over "
				      "the groups");
	if (limit) {
		long n = strtol(limit, &end, 10);

		if (*end)
			return fail_parameter(request, "group_limit",
					      "group_limit needs to be a valid number");
		if (n <= 0)
			return fail_parameter(request, "group_limit",
					      "group_limit needs to be greater than 0");
		filter->groups_max = n < GROUPS_MAX ? (uint32_t)n : GROUPS_MAX;
	}
	if (token)
		filter->from = strtoull(token, &end, 16);
	return !token || (filter->from && !*end) ||
	       fail_parameter(request, "group_next_token", "it is no token of an answer");
}

bool rules_filter_read(struct http_request *request, struct arena *arena,
		       struct rules_filter *filter)
{
	*filter = (struct rules_filter){ 0 };
	return read_type(request, arena, filter) &&
	       web_param_bool(request, arena, "exclude_alerts", &filter->exclude_alerts) &&
	       read_values(request, arena, "file[]", &filter->files) &&
	       read_values(request, arena, "rule_group[]", &filter->groups) &&
	       read_values(request, arena, "rule_name[]", &filter->names) &&
	       read_selectors(request, arena, filter) && read_page(request, arena, filter);
}

void rules_filter_fini(struct rules_filter *filter)
{
	if (filter->selectors)
		engine_query_free(filter->selectors);
}

/* ---- what is that ---- */

static bool has_value(const struct filter_values *values, struct slice text)
{
	for (size_t i = 0; i < values->n; i++)
		if (slice_is(text, values->values[i]))
			return true;
	return values->n == 0;
}

static bool is_literal(const struct rule_text *label)
{
	return !label->template || template_is_constant(label->template);
}

static struct slice label_of(const struct rule *rule, struct slice name)
{
	for (uint32_t i = 0; i < rule->nlabels; i++)
		if (slice_is_equal(rule->labels[i].name, name) && is_literal(&rule->labels[i]))
			return rule->labels[i].text;
	return SLICE("");
}

static bool is_selected(const struct rule *rule, const struct expr *selector)
{
	for (uint32_t i = 0; i < selector->selector.nmatchers; i++) {
		const struct matcher *matcher = &selector->selector.matchers[i];
		struct slice name = matcher_name(matcher);

		if (!matcher_is_match(matcher, label_of(rule, name)))
			return false;
	}
	return true;
}

static bool is_any_selected(const struct rules_filter *filter, const struct rule *rule)
{
	const struct listing *listing = filter->selectors ? filter->selectors->listing : NULL;

	for (uint32_t i = 0; listing && i < listing->nselectors; i++)
		if (is_selected(rule, listing->selectors[i]))
			return true;
	return !listing;
}

bool rules_filter_has(const struct rules_filter *filter, const struct rule *rule)
{
	return (rule->kind == RULE_ALERT ? filter->alerting : filter->recording) &&
	       has_value(&filter->names, rule->name) && is_any_selected(filter, rule);
}

bool rules_filter_has_group(const struct rules_filter *filter, const struct rule_group *group)
{
	if (!has_value(&filter->files, group->file) || !has_value(&filter->groups, group->name))
		return false;
	for (uint32_t i = 0; i < group->nrules; i++)
		if (rules_filter_has(filter, &group->rules[i]))
			return true;
	return false;
}

uint64_t rules_filter_token(const struct rule_group *group)
{
	uint64_t hash = hash_fnv1a64(FNV1A64_INIT, group->file.ptr, group->file.len);

	hash = hash_fnv1a64(hash, ";", 1);
	return hash_fnv1a64(hash, group->name.ptr, group->name.len) | 1;
}
