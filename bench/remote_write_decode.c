/*
 * How fast does one ingest thread turn remote-write bodies into batches?
 *
 * Decodes bodies of 2,000 samples of as many series, as ../shared/tools/rwload.c sends them
 * (100,000 series in turn, so that the cache of known keys is not in the processor's), under each
 * schema and encoding, and every captured body there is; prints nanoseconds of CPU a sample and
 * samples a CPU second. Usage: remote_write_decode [CAPTURES-FOLDER [NAME]]: NAME measures only
 * what has it in its name.
 */
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "ingest/remote_write.h"
#include "tests/ingest/encode.h"

#define SERIES 100000
#define BATCH 2000
#define BODIES (SERIES / BATCH)
#define BENCH_NS 1000000000ll

static const struct slice type_v1 = { "application/x-protobuf", 22 };
static const struct slice type_v2 = { "application/x-protobuf;proto=io.prometheus.write.v2.Request",
				      59 };

static const char *only = "";

struct body {
	struct buf bytes;
	struct slice type;
};

#define LABELS 7
static void series_labels(long s, char values[LABELS][96])
{
	long inst = s / 500, m = s % 500;
	snprintf(values[0], 96, "bench_metric_%03ld_total", m);
	snprintf(values[1], 96, "cluster-%ld", inst % 7);
	snprintf(values[2], 96, "10.%ld.%ld.%ld:9100", inst / 65536 % 256, inst / 256 % 256,
		 inst % 256);
	snprintf(values[3], 96, "kubernetes-pods");
	snprintf(values[4], 96, "team-%ld", inst % 23);
	snprintf(values[5], 96, "app-%ld-%08lx", inst % 41, (inst * 2654435761ul) & 0xffffffff);
	snprintf(values[6], 96, "eu-central-1");
}

static const char *const names[LABELS] = { "__name__",	"cluster", "instance", "job",
					   "namespace", "pod",	   "region" };

static double sample_value(long s)
{
	return (double)(s * 7919 % 1000003) / 997.0;
}

static void request_v1(long first, struct buf *out)
{
	char values[LABELS][96];
	struct buf series;
	buf_init(&series);
	for (long s = first; s < first + BATCH; s++) {
		series_labels(s, values);
		for (size_t i = 0; i < LABELS; i++)
			enc_label(&series, names[i], values[i]);
		enc_sample(&series, sample_value(s), 1763600000000ll + s % 1000);
		enc_message(out, 1, &series);
	}
	buf_fini(&series);
}

static void request_v2(long first, struct buf *out)
{
	static struct enc_symbols symbols;
	char values[LABELS][96];
	struct buf series, all;
	enc_symbols_init(&symbols);
	buf_init(&series);
	buf_init(&all);
	for (long s = first; s < first + BATCH; s++) {
		const char *pairs[2 * LABELS + 1] = { NULL };
		series_labels(s, values);
		for (size_t i = 0; i < LABELS; i++) {
			pairs[2 * i] = names[i];
			pairs[2 * i + 1] = values[i];
		}
		enc_refs(&series, &symbols, pairs);
		enc_sample(&series, sample_value(s), 1763600000000ll + s % 1000);
		enc_message(&all, 5, &series);
	}
	enc_symbols(out, &symbols);
	buf_add_slice(out, buf_slice(&all));
	enc_symbols_fini(&symbols);
	buf_fini(&series);
	buf_fini(&all);
}

static uint64_t decode_one(struct rw_decoder *decoder, const struct body *body)
{
	struct rw_request request = { .content_type = body->type, .body = buf_slice(&body->bytes) };
	struct batch *batch;
	char *why;
	int status = rw_decode(decoder, &request, &batch, &why);
	if (status) {
		fprintf(stderr, "refused with %d: %s\n", status, why);
		exit(1);
	}
	uint64_t n = batch->nrows;
	rw_decoder_learn(decoder, batch);
	rw_decoder_recycle(decoder, batch);
	return n;
}

/* All bodies, or the only one a few times; the number of samples. */
static uint64_t pass(struct rw_decoder *decoder, const struct body *bodies, size_t nbodies,
		     uint64_t *wire)
{
	uint64_t samples = 0;
	*wire = 0;
	for (size_t i = 0; i < (nbodies > 1 ? nbodies : 20); i++) {
		samples += decode_one(decoder, &bodies[i % nbodies]);
		*wire += bodies[i % nbodies].bytes.len;
	}
	return samples;
}

static void measure(const char *what, const struct body *bodies, size_t nbodies)
{
	static struct rw_shared shared;
	uint64_t samples = 0, wire = 0;
	int64_t spent = 0;
	double best = 1e9;
	if (!strstr(what, only))
		return;
	hash_key_init(&shared.key);
	struct rw_decoder *decoder = rw_decoder_new(&shared);
	pass(decoder, bodies, nbodies, &wire); /* they become known */
	wire = 0;
	while (spent < BENCH_NS) {
		int64_t start = cpu_ns();
		uint64_t bytes, n = pass(decoder, bodies, nbodies, &bytes);
		int64_t ns = cpu_ns() - start;
		if (n > 0 && (double)ns / (double)n < best)
			best = (double)ns / (double)n;
		spent += ns;
		samples += n;
		wire += bytes;
	}
	rw_decoder_free(decoder);
	if (samples == 0)
		return;
	printf("%-28s %6.1f ns/sample (best pass %6.1f) %6.1f M samples/CPU s %6.1f wire "
	       "bytes/sample\n",
	       what, (double)spent / (double)samples, best,
	       (double)samples * 1000.0 / (double)spent, (double)wire / (double)samples);
	fflush(stdout);
}

/* Each series met for the first time, as after a start. */
static void measure_cold(const char *what, const struct body *bodies, size_t nbodies)
{
	static struct rw_shared shared;
	uint64_t samples = 0;
	int64_t spent = 0;
	if (!strstr(what, only))
		return;
	hash_key_init(&shared.key);
	while (spent < BENCH_NS / 2) {
		struct rw_decoder *decoder = rw_decoder_new(&shared);
		int64_t start = cpu_ns();
		for (size_t i = 0; i < nbodies; i++)
			samples += decode_one(decoder, &bodies[i]);
		spent += cpu_ns() - start;
		rw_decoder_free(decoder);
	}
	printf("%-28s %6.1f ns/sample\n", what, (double)spent / (double)samples);
}

static void compress(struct buf *out, const char *encoding, struct slice raw)
{
	if (strcmp(encoding, "snappy") == 0)
		enc_snappy(out, raw);
	else if (strcmp(encoding, "gzip") == 0)
		enc_gzip(out, raw);
	else
		enc_zstd(out, raw, ENC_ZSTD_DECLARED);
}

static void bench_generated(void (*make)(long, struct buf *), struct slice type,
			    const char *version)
{
	static const char *const encodings[] = { "snappy", "zstd", "gzip" };
	static struct body bodies[BODIES];
	for (size_t e = 0; e < 3; e++) {
		char what[64], cold[64];
		snprintf(what, sizeof(what), "%s %s, 2000/request", version, encodings[e]);
		snprintf(cold, sizeof(cold), "%s %s, all new", version, encodings[e]);
		if (!strstr(what, only) && !strstr(cold, only))
			continue;
		for (long i = 0; i < BODIES; i++) {
			struct buf raw;
			buf_init(&raw);
			make(i * BATCH, &raw);
			bodies[i].type = type;
			compress(&bodies[i].bytes, encodings[e], buf_slice(&raw));
			buf_fini(&raw);
		}
		measure(what, bodies, BODIES);
		if (e == 0)
			measure_cold(cold, bodies, BODIES);
		for (long i = 0; i < BODIES; i++)
			buf_fini(&bodies[i].bytes);
	}
}

static void file_read(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	char piece[4096];
	size_t n;
	while (f && (n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(out, piece, n);
	if (f)
		fclose(f);
}

static void bench_captures(const char *folder)
{
	static const char *const picked[] = { "prom_v1.00", "prom_v1full.00", "prom_v2.00",
					      "vma_auto.02", "vma_promproto.02" };
	for (size_t i = 0; i < sizeof(picked) / sizeof(picked[0]); i++) {
		struct body body = { .type = strstr(picked[i], "v2") ? type_v2 : type_v1 };
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s.body", folder, picked[i]);
		file_read(path, &body.bytes);
		if (body.bytes.len > 0)
			measure(picked[i], &body, 1);
		buf_fini(&body.bytes);
	}
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("TOCSIN_SRCDIR");
	char captures[4096 - 64];
	if (argc > 2)
		only = argv[2];
	bench_generated(request_v1, type_v1, "1.0");
	bench_generated(request_v2, type_v2, "2.0");
	snprintf(captures, sizeof(captures), "%s/../shared/captures", srcdir ? srcdir : ".");
	bench_captures(argc > 1 ? argv[1] : captures);
	return 0;
}
