#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <sys/random.h>
#include <xxhash.h>

#include "base/error.h"

#define SHA256_BYTES 32

_Static_assert(HASH_SECRET_BYTES >= XXH3_SECRET_SIZE_MIN, "XXH3 wants a longer secret");
_Static_assert(HASH_SECRET_BYTES % SHA256_BYTES == 0, "the secret is made of whole digests");

int hash_key_init(struct hash_key *key)
{
	struct hash_key made;
	size_t have = 0;

	while (have < sizeof(made.secret)) {
		ssize_t n = getrandom(made.secret + have, sizeof(made.secret) - have, 0);

		if (n < 0 && errno != EINTR)
			return ERR_IO;
		if (n > 0)
			have += (size_t)n;
	}
	*key = made;
	return 0;
}

/*
 * SHA-256 over (block number, bytes): the secret must look random, or the guarantees of XXH3 with a
 * secret are gone.
 */
void hash_key_derive(struct hash_key *key, const void *bytes, size_t n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert(ctx);
	for (unsigned char block = 0; block < HASH_SECRET_BYTES / SHA256_BYTES; block++) {
		int ok = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
			 EVP_DigestUpdate(ctx, &block, 1) && EVP_DigestUpdate(ctx, bytes, n) &&
			 EVP_DigestFinal_ex(ctx, key->secret + block * SHA256_BYTES, NULL);
		assert(ok);
		(void)ok;
	}
	EVP_MD_CTX_free(ctx);
}

/*
 * The variants with a secret, not those with a seed: a seed is known to leave collisions of long
 * inputs in place, whatever its value.
 */
struct hash128 hash_keyed128(const struct hash_key *key, const void *bytes, size_t n)
{
	XXH128_hash_t h = XXH3_128bits_withSecret(bytes, n, key->secret, sizeof(key->secret));

	return (struct hash128){ .lo = h.low64, .hi = h.high64 };
}

uint64_t hash_keyed64(const struct hash_key *key, const void *bytes, size_t n)
{
	return XXH3_64bits_withSecret(bytes, n, key->secret, sizeof(key->secret));
}

uint64_t hash_checksum(const void *bytes, size_t n)
{
	return XXH3_64bits(bytes, n);
}

uint64_t hash_xxh64(const void *bytes, size_t n)
{
	return XXH64(bytes, n, 0);
}

uint64_t hash_fnv1a64(uint64_t state, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		state = (state ^ p[i]) * 1099511628211ull;
	return state;
}
