/*
 * Profiles from anybody: refused with a reason, or a profile whose invariants hold, that can be
 * written and read again, and whose summary is a batch of valid series.
 */
#include <stdlib.h>

#include "base/error.h"
#include "ingest/pprof.h"
#include "ingest/profile_summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hash_key key;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void summarise(const struct profile *profile)
{
	const struct label job = { SLICE("job"), SLICE("fuzz") };
	struct profile_summary *summary = profile_summary_new(&key);
	struct batch *batch = batch_new();
	struct labels *labels;

	must(labels_new(&job, 1, &labels, NULL) == 0);
	struct profile_target target = { .labels = labels,
					 .hint = PROFILE_KIND_NONE,
					 .end_ms = 5,
					 .is_fetched = true };

	for (int i = 0; i < 2; i++) {
		target.end_ms++;
		int code = profile_summary_add(summary, profile, &target, batch);

		/* The name of a sample type may be no label's value. */
		must(code == 0 || code == ERR_INVALID || code == ERR_LIMIT);
	}
	must(batch->nbirths == batch->nrows);
	for (uint32_t i = 0; i < batch->nrows; i++)
		labels_check(batch->births[i].labels);
	labels_unref(labels);
	batch_free(batch);
	profile_summary_free(summary);
}

static void write_and_read(const struct profile *profile)
{
	struct profile *again = profile_new(&key);
	struct decompressor decompressor;
	struct buf packed, unpacked;
	struct slice plain;
	const char *why;

	decompressor_init(&decompressor);
	buf_init(&packed);
	buf_init(&unpacked);
	must(pprof_write(profile, &packed) == 0);
	must(pprof_unpack(&decompressor, buf_slice(&packed), &unpacked, &plain, &why) == 0);
	must(pprof_read(plain, again, &why) == 0);
	profile_check(again);
	must(again->nsamples == profile->nsamples && again->nframes == profile->nframes);
	buf_fini(&packed);
	buf_fini(&unpacked);
	decompressor_fini(&decompressor);
	profile_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice plain = { (const char *)data, size };
	const char *why = NULL;

	hash_key_derive(&key, "fuzz", 4);
	struct profile *profile = profile_new(&key);
	int code = pprof_read(plain, profile, &why);

	profile_check(profile);
	if (code) {
		must((code == ERR_CORRUPT || code == ERR_LIMIT) && why);
	} else {
		summarise(profile);
		if (size < 4096)
			write_and_read(profile);
	}
	profile_free(profile);
	return 0;
}
