/* The sections remote_write: and history: of tocsin.yml, in Prometheus' words. */
#ifndef TOCSIN_DAEMON_CONFIG_PEERS_H
#define TOCSIN_DAEMON_CONFIG_PEERS_H

#include "base/yaml.h"
#include "ingest/history.h"
#include "ingest/rw_shards.h"

#define REMOTE_WRITES_MAX 64 /* receivers */

/* Receivers of what rules write; the texts are the configuration's. */
struct remote_write_config {
	struct rw_sender_options *senders;
	size_t n;
};

/* An element of remote_write:. */
extern const struct bind_table remote_write_out_table;
/* ERR_INVALID with diagnostics; ERR_NOMEM. _fini() whatever comes of it. */
int remote_write_config_bind(const struct bind_structs *parts, const char *base_dir,
			     struct arena *arena, struct diag_list *diags,
			     struct remote_write_config *out);
void remote_write_config_fini(struct remote_write_config *config);

/* Servers that know the past. */
struct history_config {
	struct history_server *servers;
	size_t n;
};

/* An element of history:. */
extern const struct bind_table history_table;
/* As above. */
int history_config_bind(const struct bind_structs *parts, const char *base_dir, struct arena *arena,
			struct diag_list *diags, struct history_config *out);
void history_config_fini(struct history_config *config);

#endif
