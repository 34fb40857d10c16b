/*
 * Which rules are asked for: the parameters of /api/v1/rules, as Prometheus has them. Private to
 * web/.
 *
 * type, file[], rule_group[], rule_name[]; match[]: the labels that are written at the rule, but
 * for those with templates. group_limit: so many groups, and a token that a further request begins
 * with.
 */
#ifndef TOCSIN_WEB_RULES_FILTER_H
#define TOCSIN_WEB_RULES_FILTER_H

#include "engine/listing.h"
#include "web/web_internal.h"

#define FILTER_VALUES_MAX 100

struct filter_values {
	const char *values[FILTER_VALUES_MAX];
	size_t n;
};

struct rules_filter {
	bool alerting, recording, exclude_alerts;
	struct filter_values files, groups, names;
	struct engine_query *selectors; /* match[], parsed; owned */
	uint32_t groups_max;		/* 0: all */
	uint64_t from;			/* the group to begin with, by its token; 0: the first */
};

/* False: the request was answered. To be given back in any case. */
bool rules_filter_read(struct http_request *request, struct arena *arena,
		       struct rules_filter *filter);
void rules_filter_fini(struct rules_filter *filter);
bool rules_filter_has(const struct rules_filter *filter, const struct rule *rule);
/* Some rule of it. */
bool rules_filter_has_group(const struct rules_filter *filter, const struct rule_group *group);
/* By which a group is found again; not 0. */
uint64_t rules_filter_token(const struct rule_group *group);

#endif
