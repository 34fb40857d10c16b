/*
 * The name that begins the ids of deliveries and runs, kept in data_dir/instance.
 *
 * Ids are numbered on from the highest that the journal knows, and nothing may ever bear one twice:
 * a receiver would take the second delivery for a repetition, and the runner would not start the
 * second script. So a journal that may not know them all has another name.
 */
#include "daemon/threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#define DIGITS 8

static bool is_name(const char *text)
{
	return strspn(text, "0123456789abcdef") == DIGITS &&
	       (text[DIGITS] == '\0' || text[DIGITS] == '\n');
}

/* As it was kept; "" when there is none, or none that makes sense. ERR_IO with *why. */
static int name_read(const char *path, char name[DIGITS + 2], char **why)
{
	FILE *file = fopen(path, "r");

	name[0] = '\0';
	if (!file && errno == ENOENT)
		return 0;
	bool read = file && (fgets(name, DIGITS + 2, file) || !ferror(file));

	if (!read && asprintf(why, "cannot read \"%s\": %s", path, strerror(errno)) < 0)
		*why = NULL;
	if (file)
		fclose(file);
	if (!read)
		return ERR_IO;
	if (!is_name(name)) {
		log_warn("daemon", "the name of this data_dir cannot be read: another one is made",
			 "file=%s", log_quote(slice_from(path)));
		name[0] = '\0';
	}
	return 0;
}

/* False: deliveries or runs may have gone out that the journal does not know. */
static bool knows_all_ids(const struct daemon *daemon, const struct journal_replay_stats *stats)
{
	return stats->records > 0 && stats->skipped == 0 && stats->torn_bytes == 0 &&
	       stats->missing == 0 && daemon->config->storage.journal_sync != JOURNAL_SYNC_NONE;
}

int instance_init(struct daemon *daemon, const struct journal_replay_stats *stats, char **why)
{
	char path[FILE_PATH_MAX], text[sizeof(daemon->instance) + 1], kept[DIGITS + 2] = "";
	struct hash_key key;
	int code = 0;

	if (stats) {
		snprintf(path, sizeof(path), "%s/instance", daemon->config->data_dir);
		code = name_read(path, kept, why);
	}
	if (code)
		return code;
	if (kept[0] && knows_all_ids(daemon, stats)) {
		snprintf(daemon->instance, sizeof(daemon->instance), "%.*s", DIGITS, kept);
		return 0;
	}
	if ((code = hash_key_init(&key)))
		return code;
	snprintf(daemon->instance, sizeof(daemon->instance), "%0*llx", DIGITS,
		 (unsigned long long)hash_checksum(key.secret, sizeof(key.secret)) & 0xffffffff);
	if (!stats)
		return 0;
	snprintf(text, sizeof(text), "%s\n", daemon->instance);
	return file_replace(path, slice_from(text), why);
}
