/*
 * Hashes. XXH3 keyed with a secret for tables that hold foreign strings; FNV-1a for the
 * fingerprints that Prometheus and Alertmanager show, XXH64 for what Prometheus draws by lot.
 */
#ifndef TOCSIN_BASE_HASH_H
#define TOCSIN_BASE_HASH_H

#include <stdint.h>

#include "base/slice.h"

struct hash128 {
	uint64_t lo, hi;
};

static inline bool hash128_is_equal(struct hash128 a, struct hash128 b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

#define HASH_SECRET_BYTES 192

struct hash_key {
	unsigned char secret[HASH_SECRET_BYTES];
};

/* Fills the key from the system's random source. */
int hash_key_init(struct hash_key *key);
/* A key derived from the given bytes, for tests and stored identity. */
void hash_key_derive(struct hash_key *key, const void *bytes, size_t n);

struct hash128 hash_keyed128(const struct hash_key *key, const void *bytes, size_t n);
uint64_t hash_keyed64(const struct hash_key *key, const void *bytes, size_t n);
/* Unkeyed, for checksums only. */
uint64_t hash_checksum(const void *bytes, size_t n);
/* XXH64 with the seed 0, where others' results depend on it. */
uint64_t hash_xxh64(const void *bytes, size_t n);

#define FNV1A64_INIT 14695981039346656037ull
uint64_t hash_fnv1a64(uint64_t state, const void *bytes, size_t n);

#endif
