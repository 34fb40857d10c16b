/* tocsin check --url: compares rules with the series of a running daemon. */
#ifndef TOCSIN_CLI_CHECK_DATA_H
#define TOCSIN_CLI_CHECK_DATA_H

#include "rules/rule_file.h"

/* rule_query_offset there. An exit code, as below. */
int check_data_offset(const char *url, int64_t *offset_ms);
/* Adds its warnings, and to *compared the number of rules that run there. An exit code: 0,
 * EXIT_NO_DAEMON or 1 when the daemon cannot be asked. */
int check_data(const char *url, const struct rule_set *rules, struct diag_list *diags,
	       size_t *compared);

#endif
