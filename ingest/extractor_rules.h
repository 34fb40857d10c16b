/* From a rule set to the extractors that its log selectors want. */
#ifndef TOCSIN_INGEST_EXTRACTOR_RULES_H
#define TOCSIN_INGEST_EXTRACTOR_RULES_H

#include "ingest/extractor.h"
#include "rules/rule_file.h"

/*
 * Compiles an extractor for each of the plan's log selectors, with buckets as wide as the rules
 * allow. As extractor_set_new(); a selector that cannot be run is told in diags (not NULL).
 */
int extractor_set_of_rules(const struct rule_set *rules, const struct extractor_options *options,
			   const struct extractor_set *before, struct diag_list *diags,
			   struct extractor_set **out);

#endif
