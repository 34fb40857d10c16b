/*
 * Raw profiles of the last while, found again by labels, time and trace id.
 *
 *   DIR/00000000000000a7.profile   one profile: a head (what it is and whose), then its bytes
 *
 * The index is in memory and is read back from the heads at the start; without a folder the bytes
 * are in memory, too. Bounded in bytes, number and age: the oldest leave first. Files are written
 * whole and then given their name, but not synced: a crash of the machine may cost the newest, and
 * checksums tell. For one thread. What the bytes mean is not known here.
 */
#ifndef TOCSIN_STORAGE_PROFILE_STORE_H
#define TOCSIN_STORAGE_PROFILE_STORE_H

#include "base/matcher.h"

#define PROFILE_STORE_ITEMS_MAX 100000		  /* profiles */
#define PROFILE_STORE_TRACES_MAX 256		  /* trace ids of one */
#define PROFILE_STORE_TYPES_MAX 256		  /* bytes of the list of its types */
#define PROFILE_STORE_HEAD_MAX (256 * 1024)	  /* bytes of a file before the profile itself */
#define PROFILE_STORE_BODY_MAX (32 * 1024 * 1024) /* bytes of one profile */

struct profile_store;

struct profile_trace_id {
	unsigned char bytes[16];
};

/* What is known of a profile beside its bytes. */
struct profile_entry {
	uint64_t id; /* never given out twice */
	int64_t start_ms, end_ms;
	struct labels *labels; /* the target's */
	struct slice types;    /* values of profile_type, joined by commas */
	const struct profile_trace_id *traces;
	uint32_t ntraces;
	size_t size; /* of its bytes */
};

struct profile_query {
	const struct matcher *matchers; /* on labels; profile_type matches if one type does */
	size_t nmatchers;
	struct slice type;		      /* empty: any */
	int64_t start_ms, end_ms;	      /* profiles that ended within, both included */
	const struct profile_trace_id *trace; /* NULL: any */
};

struct profile_store_stats {
	uint64_t added, expired, failed; /* failed: could not be written */
	uint64_t damaged;		 /* files found at the start, or read, that are not whole */
	uint64_t foreign;		 /* files of a version that is not known */
	size_t items;
	int64_t bytes;
};

/*
 * dir NULL: in memory. It is made if it is not there. Damaged files are removed and counted, those
 * of another version are left alone and counted. ERR_IO with *why, a text to free(); ERR_NOMEM.
 */
int profile_store_open(const char *dir, struct profile_store **out, char **why);
void profile_store_close(struct profile_store *store); /* NULL is fine */
/* 0 bytes: nothing is kept. */
void profile_store_limit(struct profile_store *store, int64_t bytes_max, int64_t age_ms_max);
/*
 * Keeps a copy of the bytes under a new id. Of `entry` labels, types, traces and times count.
 * ERR_LIMIT: it would not be kept, being larger than all that may be; ERR_IO; ERR_NOMEM.
 */
int profile_store_add(struct profile_store *store, const struct profile_entry *entry,
		      struct slice bytes, uint64_t *id);
/* What is too old, by the wall clock, leaves. */
void profile_store_expire(struct profile_store *store, int64_t now_ms);
/*
 * Calls fn for the profiles that match, the newest end first, until it returns false. The entry is
 * borrowed for the call.
 */
void profile_store_find(const struct profile_store *store, const struct profile_query *query,
			bool (*fn)(void *ctx, const struct profile_entry *entry), void *ctx);
/* NULL when there is none of that id (any more). Borrowed until the store changes. */
const struct profile_entry *profile_store_get(const struct profile_store *store, uint64_t id);
/* Appends its bytes. ERR_NOT_FOUND, ERR_IO, ERR_CORRUPT (then it is removed), ERR_NOMEM. */
int profile_store_read(struct profile_store *store, uint64_t id, struct buf *out);
const struct profile_store_stats *profile_store_stats(const struct profile_store *store);
/* Asserts the invariants, for tests. */
void profile_store_check(const struct profile_store *store);

#endif
