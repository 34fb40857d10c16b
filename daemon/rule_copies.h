/*
 * The rule files as they were read, all at one moment: what is loaded of them is what is kept, as a
 * copy in data_dir, for a start at which the files themselves are broken (--rules.last-good).
 *
 * The copy is one file, replaced whole: a line `tocsin rule files 1 CHECKSUM`, then of each file a
 * line `LENGTH LENGTH`, its path and its bytes, each ended by a newline that does not count. The
 * number is the format's; the checksum is of all that follows that line.
 */
#ifndef TOCSIN_DAEMON_RULE_COPIES_H
#define TOCSIN_DAEMON_RULE_COPIES_H

#include "base/diag.h"
#include "rules/rule_file.h"

#define RULE_COPIES_NAME "last-good-rules" /* in data_dir */
#define RULE_COPIES_FORMAT 1
#define RULE_COPIES_BYTES_MAX (1024u * 1024 * 1024)

struct rule_copies {
	struct rule_file_text *files; /* all of this in the arena */
	size_t n, bytes;
	struct arena arena;
};

void rule_copies_init(struct rule_copies *copies);
void rule_copies_fini(struct rule_copies *copies);
/*
 * Reads the files, each once, however often it is named. All that cannot be read are told; then
 * ERR_INVALID. ERR_LIMIT, with a diagnostic: more than RULE_COPIES_BYTES_MAX. ERR_NOMEM.
 */
int rule_copies_read(struct rule_copies *copies, const char *const *paths, size_t n,
		     struct diag_list *diags);
/* The two ways between copies and the file's bytes. ERR_INVALID: damaged, or of a newer format,
 * which *why (to free) tells; ERR_NOMEM. */
int rule_copies_format(const struct rule_copies *copies, struct buf *out);
int rule_copies_parse(struct rule_copies *copies, struct slice bytes, char **why);
/* Replaces the file in the directory, unless it is the same already. As file_replace(). */
int rule_copies_save(const struct rule_copies *copies, const char *dir, char **why);
/* ERR_NOT_FOUND: there is none; ERR_IO; as rule_copies_parse(); always with *why, to free. */
int rule_copies_load(struct rule_copies *copies, const char *dir, char **why);

#endif
