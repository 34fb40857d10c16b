/*
 * The section ingest.profiles of tocsin.yml: which profiles are fetched, and how long raw ones are
 * kept. Part of struct config, in whose arena everything stands.
 */
#ifndef TOCSIN_DAEMON_CONFIG_PROFILES_H
#define TOCSIN_DAEMON_CONFIG_PROFILES_H

#include "base/yaml.h"
#include "ingest/profile_fetch.h"
#include "ingest/relabel.h"

/* The section as bind_struct() fills it. */
struct profiles_part {
	int64_t store_bytes, store_for_ms;
	struct bind_structs relabel_configs, scrape;
};
extern const struct bind_table profiles_table;

struct profiles_config {
	int64_t store_bytes, store_for_ms;
	struct relabel *relabel; /* of pushed ones; NULL: none */
	struct profile_fetch_target *targets;
	size_t n;
};

/*
 * All errors are told at their place. ERR_INVALID when there were any; ERR_NOMEM. Labels are
 * references: profiles_config_fini().
 */
int profiles_config_bind(const struct profiles_part *part, struct arena *arena,
			 struct diag_list *diags, struct profiles_config *out);
void profiles_config_fini(struct profiles_config *config);

#endif
