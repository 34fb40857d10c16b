/*
 * What does a profile cost? Unpacking, decoding and summarising each recorded one, with 200
 * functions named by rules, and, so that there are at least 1,000 series of one profile, one of
 * 60 KB summarised for three targets. The budget: 5 ms of CPU for 1,000 series out of 60 KB.
 *
 * Beside it `go tool pprof -top`, where Go is installed: a peer on the same work (unpack, decode,
 * sum by function, sort), its start-up subtracted; and zlib alone. Usage: profiles
 * [CAPTURES-FOLDER].
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "ingest/pprof.h"
#include "ingest/profile_summary.h"

#define BENCH_NS 500000000ll
#define BUDGET_MS 5.0
#define BUDGET_SERIES 1000
#define TARGETS_MAX 8
#define PEER_RUNS 5

static struct hash_key key;
static struct decompressor decompressor;
static struct buf unpacked;
static struct profile *profile;

static void must(int code)
{
	if (code) {
		fprintf(stderr, "profiles: %d\n", code);
		exit(1);
	}
}

static void unpack(struct slice bytes, struct slice *plain)
{
	const char *why;

	must(pprof_unpack(&decompressor, bytes, &unpacked, plain, &why));
}

static void decode(struct slice plain)
{
	const char *why;

	profile_clear(profile);
	must(pprof_read(plain, profile, &why));
}

/* Rules name the first 200 functions that are not on top. */
static void names_watch(struct profile_summary *summary)
{
	struct slice names[PROFILE_NAMED_MAX];
	uint32_t n = 0;

	for (uint32_t i = profile->nfunctions; i-- > 0 && n < PROFILE_NAMED_MAX;)
		names[n++] = profile->functions[i].name;
	struct profile_names *set = profile_names_new(names, n);

	profile_summary_watch(summary, set);
	profile_names_unref(set);
}

/* One arrival: unpacked and decoded once, summarised for each target. Rows. */
static uint32_t arrive(struct profile_summary *summary, struct slice bytes, int targets,
		       int64_t now_ms, struct batch *batch)
{
	struct slice plain;

	unpack(bytes, &plain);
	decode(plain);
	batch_clear(batch);
	for (int i = 0; i < targets; i++) {
		char instance[16];
		struct labels *labels;

		snprintf(instance, sizeof(instance), "host:%d", i);
		const struct label pairs[] = { { SLICE("job"), SLICE("bench") },
					       { SLICE("instance"), slice_from(instance) },
					       { SLICE("service_name"), SLICE("bench") } };

		must(labels_new(pairs, 3, &labels, NULL));
		struct profile_target target = { .labels = labels,
						 .hint = PROFILE_KIND_NONE,
						 .end_ms = now_ms,
						 .duration_ns = profile->duration_ns,
						 .is_fetched = true };

		must(profile_summary_add(summary, profile, &target, batch));
		labels_unref(labels);
	}
	return batch->nrows;
}

struct cost {
	double unpack_us, decode_us, all_us;
	uint32_t rows;
};

static struct cost measure(struct slice bytes, int targets)
{
	struct profile_summary *summary = profile_summary_new(&key);
	struct batch *batch = batch_new();
	struct cost cost = { 0 };
	struct slice plain;
	int64_t begun, n;

	unpack(bytes, &plain);
	decode(plain);
	names_watch(summary);
	arrive(summary, bytes, targets, 1000, batch);
	for (n = 0, begun = cpu_ns(); cpu_ns() - begun < BENCH_NS; n++)
		unpack(bytes, &plain);
	cost.unpack_us = (double)(cpu_ns() - begun) / 1e3 / (double)n;
	for (n = 0, begun = cpu_ns(); cpu_ns() - begun < BENCH_NS; n++)
		decode(plain);
	cost.decode_us = (double)(cpu_ns() - begun) / 1e3 / (double)n;
	for (n = 0, begun = cpu_ns(); cpu_ns() - begun < BENCH_NS; n++)
		cost.rows = arrive(summary, bytes, targets, 2000 + n, batch);
	cost.all_us = (double)(cpu_ns() - begun) / 1e3 / (double)n;
	profile_summary_free(summary);
	batch_free(batch);
	return cost;
}

/* CPU of a command and what it starts, in microseconds; -1: it cannot be run. */
static double command_us(const char *command)
{
	struct rusage before, after;

	getrusage(RUSAGE_CHILDREN, &before);
	if (system(command) != 0)
		return -1;
	getrusage(RUSAGE_CHILDREN, &after);
	return (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
			before.ru_stime.tv_sec) *
		       1e6 +
	       (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
			before.ru_stime.tv_usec);
}

/* Of some runs of `go tool pprof -top` on this file, less as many of its help. */
static double peer_us(const char *path)
{
	char command[6000];
	double sum = 0;

	for (int i = 0; i < PEER_RUNS; i++) {
		snprintf(command, sizeof(command), "go tool pprof -top '%s' >/dev/null 2>&1", path);
		double one = command_us(command),
		       idle = command_us("go tool pprof -help >/dev/null 2>&1; true");

		if (one < 0)
			return -1;
		sum += one - idle;
	}
	return sum / PEER_RUNS;
}

static bool load(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	char *to = buf_reserve(out, 1 << 20);

	if (!file || !to)
		return false;
	out->len = fread(to, 1, 1 << 20, file);
	fclose(file);
	return true;
}

static void show(const char *name, struct slice bytes, size_t plain_len, int targets,
		 struct cost cost)
{
	printf("%-28s %6zu B packed %6zu B plain  %d target(s) %5u series: %7.0f us"
	       " (unpack %4.0f, decode %4.0f, summarise %6.0f)\n",
	       name, bytes.len, plain_len, targets, cost.rows, cost.all_us, cost.unpack_us,
	       cost.decode_us, cost.all_us - cost.unpack_us - cost.decode_us);
}

static int bench_file(const char *folder, const char *name)
{
	char path[5000];
	struct slice plain;
	struct buf bytes;
	int over = 0;

	buf_init(&bytes);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!load(path, &bytes))
		return 0;
	unpack(buf_slice(&bytes), &plain);
	struct cost cost = measure(buf_slice(&bytes), 1);

	show(name, buf_slice(&bytes), plain.len, 1, cost);
	if (plain.len > 55000 && plain.len < 65000) {
		int targets = 1;

		while (cost.rows < BUDGET_SERIES && targets < TARGETS_MAX)
			cost = measure(buf_slice(&bytes), ++targets);
		show(name, buf_slice(&bytes), plain.len, targets, cost);
		over = cost.all_us > BUDGET_MS * 1e3;
		printf("  budget for %d series of 60 KB: %.1f ms; taken: %.2f ms%s\n",
		       BUDGET_SERIES, BUDGET_MS, cost.all_us / 1e3, over ? " TOO MUCH" : "");
		double peer = peer_us(path);

		if (peer >= 0)
			printf("  go tool pprof -top on the same file, less its start-up: %.0f "
			       "us\n",
			       peer);
	}
	buf_fini(&bytes);
	return over;
}

int main(int argc, char **argv)
{
	char folder[4000];
	struct dirent **names;
	const char *srcdir = getenv("TOCSIN_SRCDIR");
	int over = 0;

	snprintf(folder, sizeof(folder), "%s%s",
		 argc > 1 ? argv[1]
		 : srcdir ? srcdir
			  : ".",
		 argc > 1 ? "" : "/../shared/captures");
	hash_key_derive(&key, "bench", 5);
	decompressor_init(&decompressor);
	buf_init(&unpacked);
	profile = profile_new(&key);
	int n = scandir(folder, &names, NULL, alphasort);

	if (n < 0) {
		printf("SKIP: no profiles in %s\n", folder);
		return 77;
	}
	for (int i = 0; i < n; i++) {
		if (strstr(names[i]->d_name, ".pprof.gz"))
			over |= bench_file(folder, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	profile_free(profile);
	buf_fini(&unpacked);
	decompressor_fini(&decompressor);
	return over;
}
