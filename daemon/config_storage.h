/*
 * The section storage of tocsin.yml: where state is kept, and how surely. Part of struct config, in
 * whose arena everything stands.
 */
#ifndef TOCSIN_DAEMON_CONFIG_STORAGE_H
#define TOCSIN_DAEMON_CONFIG_STORAGE_H

#include "base/bind.h"
#include "base/yaml.h"
#include "storage/journal.h"
#include "storage/redis_log.h"

/* The section as it is written. */
struct storage_part {
	struct slice url, password_file, key_prefix;
	const struct yaml_node *tls_config, *node;
	int durability, journal_sync;
	int64_t confirm_timeout_ms, commit_timeout_ms;
};
extern const struct bind_table storage_table;

struct storage_config {
	enum journal_sync journal_sync;
	struct redis_endpoint *redis; /* NULL: memory */
	char *url;		      /* as it was written, for messages */
	char *key_prefix;
	bool confirms; /* durability storage: senders are answered once the storage has it */
	int64_t confirm_timeout_ms, commit_timeout_ms;
};

/*
 * has_data_dir: there is a journal. path: of the file, for errors in what is not written. The
 * password is read here. ERR_INVALID with diagnostics, ERR_NOMEM.
 */
int storage_config_bind(const struct storage_part *part, bool has_data_dir, const char *path,
			const char *base_dir, struct arena *arena, struct diag_list *diags,
			struct storage_config *out);
/* The same Redis, found and opened in the same way. */
bool storage_config_is_same_place(const struct storage_config *a, const struct storage_config *b);

#endif
