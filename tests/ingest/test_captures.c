/*
 * Every real request body that was recorded is decoded, and what comes out is held against a plain
 * second reading of the same bytes, and against what is known of some of them by name.
 *
 * The second reading shares no code with the decoder: it trusts its input (these are good bodies)
 * and builds each label set as text.
 */
#include <dirent.h>
#include <snappy-c.h>
#include <zstd.h>

#include "tests/check_main.h"
#include "tests/ingest/harness.h"

#define BODY_MAX (4 * 1024 * 1024)
#define SAMPLES_MAX 20000
#define CAPTURES_MAX 500

static char folder[3000];
static char *names[CAPTURES_MAX];
static size_t nnames;

/* --- the second reading --- */

struct sample {
	char *labels;
	uint64_t bits;
	int64_t ts_ms;
};

struct reading {
	struct sample samples[SAMPLES_MAX];
	size_t nsamples, histograms, exemplars, metadata;
	char *symbols[SAMPLES_MAX];
	size_t nsymbols;
};

static struct reading reading;

struct view {
	const unsigned char *p, *end;
};

static uint64_t view_varint(struct view *v)
{
	uint64_t value = 0;
	for (int shift = 0;; shift += 7) {
		value |= (uint64_t)(*v->p & 0x7f) << shift;
		if (!(*v->p++ & 0x80))
			return value;
	}
}

/* The next field: its number, the payload as a view (of a message) or as a number. */
static int view_field(struct view *v, struct view *inner, uint64_t *number)
{
	uint64_t tag = view_varint(v);
	switch (tag & 7) {
	case 0:
		*number = view_varint(v);
		break;
	case 1:
		memcpy(number, v->p, 8);
		v->p += 8;
		break;
	case 2: {
		uint64_t n = view_varint(v);
		*inner = (struct view){ v->p, v->p + n };
		v->p += n;
		break;
	}
	default:
		ck_abort_msg("wire type %d", (int)(tag & 7));
	}
	ck_assert(v->p <= v->end);
	return (int)(tag >> 3);
}

struct text_label {
	char name[1024], value[4096];
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct text_label *)a)->name, ((const struct text_label *)b)->name);
}

static char *labels_join(struct text_label *labels, size_t n)
{
	struct buf text;
	buf_init(&text);
	qsort(labels, n, sizeof(*labels), by_name);
	for (size_t i = 0; i < n; i++)
		if (labels[i].value[0])
			buf_printf(&text, "%s=%s;", labels[i].name, labels[i].value);
	return buf_take(&text);
}

static void text_copy(char *to, size_t size, struct view v)
{
	size_t n = (size_t)(v.end - v.p);
	ck_assert_uint_lt(n, size);
	memcpy(to, v.p, n);
	to[n] = '\0';
}

static void read_label_v1(struct view v, struct text_label *label)
{
	struct view inner = { 0 };
	uint64_t number;
	label->name[0] = label->value[0] = '\0';
	while (v.p < v.end) {
		int field = view_field(&v, &inner, &number);
		if (field == 1)
			text_copy(label->name, sizeof(label->name), inner);
		else if (field == 2)
			text_copy(label->value, sizeof(label->value), inner);
	}
}

static void read_sample(struct view v, struct sample *sample)
{
	struct view inner = { 0 };
	uint64_t number = 0;
	sample->bits = 0;
	sample->ts_ms = 0;
	while (v.p < v.end) {
		int field = view_field(&v, &inner, &number);
		if (field == 1)
			sample->bits = number;
		else if (field == 2)
			sample->ts_ms = (int64_t)number;
	}
}

/* Field numbers of a series differ between the versions for histograms and exemplars. */
static void read_series(struct view v, int version)
{
	static struct text_label labels[64];
	struct view inner = { 0 };
	uint64_t number;
	size_t n = 0, first = reading.nsamples;
	while (v.p < v.end) {
		int field = view_field(&v, &inner, &number);
		if (field == 1 && version == 1) {
			read_label_v1(inner, &labels[n++]);
		} else if (field == 1) {
			while (inner.p < inner.end) {
				strcpy(labels[n].name, reading.symbols[view_varint(&inner)]);
				strcpy(labels[n++].value, reading.symbols[view_varint(&inner)]);
			}
		} else if (field == 2) {
			read_sample(inner, &reading.samples[reading.nsamples++]);
		} else if (field == (version == 1 ? 4 : 3)) {
			reading.histograms++;
		} else if (field == (version == 1 ? 3 : 4)) {
			reading.exemplars++;
		} else if (field == 5 && version == 2) {
			reading.metadata++;
		}
	}
	for (size_t i = first; i < reading.nsamples; i++)
		reading.samples[i].labels = labels_join(labels, n);
}

static void reading_fini(void)
{
	for (size_t i = 0; i < reading.nsamples; i++)
		free(reading.samples[i].labels);
	for (size_t i = 0; i < reading.nsymbols; i++)
		free(reading.symbols[i]);
	memset(&reading, 0, sizeof(reading));
}

static void read_request(struct view v, int version)
{
	struct view inner = { 0 };
	uint64_t number;
	reading_fini();
	while (v.p < v.end) {
		int field = view_field(&v, &inner, &number);
		if (version == 1 && field == 1)
			read_series(inner, 1);
		else if (version == 1 && field == 3)
			reading.metadata++;
		else if (version == 2 && field == 4)
			reading.symbols[reading.nsymbols++] =
				strndup((const char *)inner.p, (size_t)(inner.end - inner.p));
		else if (version == 2 && field == 5)
			read_series(inner, 2);
	}
}

static size_t unpack(struct slice body, char *to)
{
	size_t len = BODY_MAX;
	if (body.len > 4 && memcmp(body.ptr, "\x28\xb5\x2f\xfd", 4) == 0)
		len = ZSTD_decompress(to, BODY_MAX, body.ptr, body.len);
	else
		ck_assert_int_eq(snappy_uncompress(body.ptr, body.len, to, &len), SNAPPY_OK);
	ck_assert_uint_le(len, BODY_MAX);
	return len;
}

/* --- the captures --- */

static void file_read(const char *name, const char *suffix, struct buf *out)
{
	char path[4096], piece[4096];
	size_t n;
	snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
	FILE *f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "cannot read %s", path);
	buf_clear(out);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(out, piece, n);
	fclose(f);
}

/* The value of a header, or "". */
static void header_get(const struct buf *headers, const char *name, char *to, size_t size)
{
	const char *at = strstr(headers->ptr, name);
	to[0] = '\0';
	if (!at)
		return;
	at += strlen(name);
	snprintf(to, size, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static void decode_capture(struct harness *h, const char *name, int *version)
{
	static char raw[BODY_MAX];
	char type[200], encoding[200];
	struct buf headers, body;
	buf_init(&headers);
	buf_init(&body);
	file_read(name, ".headers", &headers);
	file_read(name, ".body", &body);
	header_get(&headers, "\nContent-Type: ", type, sizeof(type));
	header_get(&headers, "\nContent-Encoding: ", encoding, sizeof(encoding));
	int status = harness_decode_bytes(h, type, encoding, buf_slice(&body));
	ck_assert_msg(status == 0, "%s: %d: %s", name, status, h->why);
	*version = h->batch->protocol == BATCH_REMOTE_WRITE_2 ? 2 : 1;
	ck_assert_int_eq(*version, strstr(name, "_v2") ? 2 : 1);
	size_t len = unpack(buf_slice(&body), raw);
	read_request((struct view){ (unsigned char *)raw, (unsigned char *)raw + len }, *version);
	buf_fini(&headers);
	buf_fini(&body);
}

static char *labels_plain(const struct labels *labels)
{
	struct buf text;
	buf_init(&text);
	for (size_t i = 0; i < labels_count(labels); i++) {
		struct label label = labels_at(labels, i);
		buf_printf(&text, SLICE_FMT "=" SLICE_FMT ";", SLICE_ARG(label.name),
			   SLICE_ARG(label.value));
	}
	return buf_take(&text);
}

static void assert_row_is(const struct batch *batch, uint32_t row, const struct sample *sample)
{
	struct labels *labels;
	ck_assert_int_eq(batch_labels(batch, row, &labels), 0);
	char *text = labels_plain(labels);
	ck_assert_str_eq(text, sample->labels);
	ck_assert_uint_eq(batch->rows[row].bits, sample->bits);
	ck_assert_int_eq(batch->rows[row].ts_ms, sample->ts_ms);
	free(text);
	labels_unref(labels);
}

START_TEST(every_capture_is_read_as_it_was_meant)
{
	struct harness h;
	int version;
	harness_init(&h);
	for (size_t i = 0; i < nnames; i++) {
		decode_capture(&h, names[i], &version);
		const struct batch_outcome *outcome = &h.batch->outcome;
		ck_assert_msg(!batch_is_rejected(outcome), "%s: %s", names[i], outcome->error);
		ck_assert_uint_eq(h.batch->nrows, reading.nsamples);
		ck_assert_uint_eq(outcome->histograms, reading.histograms);
		ck_assert_uint_eq(outcome->exemplars, reading.exemplars);
		ck_assert_uint_eq(outcome->metadata, reading.metadata);
		for (uint32_t row = 0; row < h.batch->nrows; row++)
			assert_row_is(h.batch, row, &reading.samples[row]);
		harness_learn(&h);
	}
	reading_fini();
	harness_fini(&h);
}
END_TEST

/* What INDEX.md and the facts say of these bodies. */
START_TEST(known_captures_have_known_counts)
{
	static const struct {
		const char *name;
		uint32_t samples, histograms, exemplars, metadata;
	} known[] = {
		{ "prom_v1.00", 1529, 0, 0, 0 },
		{ "prom_v1small.00", 0, 0, 0, 514 },
		{ "prom_v1small.02", 0, 0, 0, 518 },
		{ "prom_v2.00", 1529, 11, 2, 1542 },
	};
	struct harness h;
	int version;
	harness_init(&h);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		decode_capture(&h, known[i].name, &version);
		ck_assert_msg(h.batch->nrows == known[i].samples, "%s: %u samples", known[i].name,
			      h.batch->nrows);
		ck_assert_uint_eq(h.batch->outcome.histograms, known[i].histograms);
		ck_assert_uint_eq(h.batch->outcome.exemplars, known[i].exemplars);
		ck_assert_msg(h.batch->outcome.metadata == known[i].metadata, "%s: %u metadata",
			      known[i].name, h.batch->outcome.metadata);
	}
	/* Over half of the samples of a real scrape are zeros, which are not on the wire. */
	decode_capture(&h, "prom_v1.00", &version);
	uint32_t zeros = 0;
	for (uint32_t i = 0; i < h.batch->nrows; i++)
		zeros += h.batch->rows[i].bits == 0;
	ck_assert_uint_eq(zeros, 848);
	reading_fini();
	harness_fini(&h);
}
END_TEST

static uint32_t count_bits(const struct batch *batch, uint64_t bits)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < batch->nrows; i++)
		n += batch->rows[i].bits == bits;
	return n;
}

START_TEST(special_values_of_captures_arrive)
{
	uint32_t stale = 0, nan = 0, infinite = 0;
	struct harness h;
	int version;
	harness_init(&h);
	for (size_t i = 0; i < nnames; i++) {
		if (strncmp(names[i], "prom_v2small", 12) != 0)
			continue;
		decode_capture(&h, names[i], &version);
		stale += count_bits(h.batch, STALE_NAN_BITS);
		nan += count_bits(h.batch, NORMAL_NAN_BITS);
		infinite += count_bits(h.batch, 0xfff0000000000000);
	}
	ck_assert_uint_gt(stale, 0);
	ck_assert_uint_gt(nan, 0);
	ck_assert_uint_gt(infinite, 0);
	reading_fini();
	harness_fini(&h);
}
END_TEST

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The distinct label sets of a capture's samples, sorted. */
static size_t label_sets(struct harness *h, const char *name, char **sets)
{
	size_t n = 0, distinct = 0;
	int version;
	decode_capture(h, name, &version);
	for (uint32_t row = 0; row < h->batch->nrows; row++) {
		struct labels *labels;
		ck_assert_int_eq(batch_labels(h->batch, row, &labels), 0);
		sets[n++] = labels_plain(labels);
		labels_unref(labels);
	}
	qsort(sets, n, sizeof(*sets), by_text);
	for (size_t i = 0; i < n; i++) {
		if (distinct > 0 && strcmp(sets[distinct - 1], sets[i]) == 0)
			free(sets[i]);
		else
			sets[distinct++] = sets[i];
	}
	return distinct;
}

/* The same targets, sent through 1.0 and 2.0. */
START_TEST(both_versions_of_a_scrape_name_the_same_series)
{
	static char *v1[SAMPLES_MAX], *v2[SAMPLES_MAX];
	struct harness h;
	harness_init(&h);
	size_t n1 = label_sets(&h, "prom_v1.00", v1), n2 = label_sets(&h, "prom_v2.00", v2);
	size_t i = 0, j = 0, common = 0;
	while (i < n1 && j < n2) {
		int c = strcmp(v1[i], v2[j]);
		if (c < 0)
			printf("1.0 only: %s\n", v1[i]);
		else if (c > 0)
			printf("2.0 only: %s\n", v2[j]);
		else
			common++;
		i += c <= 0;
		j += c >= 0;
	}
	printf("%zu in 1.0, %zu in 2.0, %zu in both\n", n1, n2, common);
	for (i = 0; i < n1; i++)
		free(v1[i]);
	for (j = 0; j < n2; j++)
		free(v2[j]);
	ck_assert_uint_gt(common, 1000);
	ck_assert_uint_eq(common, n1);
	ck_assert_uint_eq(common, n2);
	reading_fini();
	harness_fini(&h);
}
END_TEST

static void captures_find(void)
{
	const char *srcdir = getenv("TOCSIN_SRCDIR");
	snprintf(folder, sizeof(folder), "%s/../shared/captures", srcdir ? srcdir : ".");
	DIR *dir = opendir(folder);
	if (!dir)
		TEST_SKIP("no captures in %s", folder);
	for (struct dirent *entry; (entry = readdir(dir)) && nnames < CAPTURES_MAX;) {
		size_t len = strlen(entry->d_name);
		if (len > 5 && strcmp(entry->d_name + len - 5, ".body") == 0)
			names[nnames++] = strndup(entry->d_name, len - 5);
	}
	closedir(dir);
	if (nnames == 0)
		TEST_SKIP("no bodies in %s", folder);
}

static Suite *captures_suite(void)
{
	Suite *suite = suite_create("captures");
	TCase *tcase = tcase_create("captures");
	captures_find();
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, every_capture_is_read_as_it_was_meant);
	tcase_add_test(tcase, known_captures_have_known_counts);
	tcase_add_test(tcase, special_values_of_captures_arrive);
	tcase_add_test(tcase, both_versions_of_a_scrape_name_the_same_series);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(captures_suite)
