/*
 * Replays: a day of 10,000 series at 15 s, 57.6 million samples, through 100 rules.
 *
 *   bench/replay [HOURS [dump]]
 *
 * The day is a recording, as `run --record` writes it, or with `dump` a text as `promtool tsdb
 * dump` prints it, series by series (8 GB a day, in TMPDIR). Measured is the CPU time of reading
 * and replaying, not of making it.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/recording.h"
#include "engine/replay.h"
#include "engine/replay_report.h"

#define METRICS 100
#define INSTANCES 100
#define SERIES (METRICS * INSTANCES)
#define INTERVAL_MS 15000
#define BATCH_ROWS 500 /* as Prometheus sends them: max_samples_per_send */
#define START_MS 1795000005000
#define CPU_S_MAX 60.0

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "replay: %s\n", what);
		exit(1);
	}
}

/* ---- the rules: for each metric one, of five kinds ---- */

static struct rule_set *rules(void)
{
	const struct rule_set_options options = { .interval_ms = INTERVAL_MS, .rules_max = 1000 };
	struct diag_list diags;
	struct rule_set *set;
	struct buf text;
	buf_init(&text);
	diag_list_init(&diags);
	buf_add_str(&text, "groups:\n- name: day\n  rules:\n");
	for (int m = 0; m < METRICS; m++) {
		buf_printf(&text, "  - alert: A%d\n    labels: {severity: page}\n    for: %dm\n", m,
			   m % 3);
		switch (m % 5) {
		case 0:
			buf_printf(&text, "    expr: rate(metric_%d_total[5m]) > 19.5\n", m);
			break;
		case 1:
			buf_printf(&text,
				   "    expr: sum by (job) (rate(metric_%d_total[5m])) > 190\n", m);
			break;
		case 2:
			buf_printf(&text, "    expr: metric_%d > 99.9\n", m);
			break;
		case 3:
			buf_printf(&text, "    expr: avg_over_time(metric_%d[10m]) > 60\n", m);
			break;
		default:
			buf_printf(&text,
				   "    expr: max by (job) (metric_%d) > 99.5 unless on () "
				   "vector(0) > 1\n",
				   m);
		}
	}
	must(rule_set_load_text(buf_slice(&text), "day.yml", &options, &diags, &set) == 0,
	     "the rules");
	buf_fini(&text);
	diag_list_fini(&diags);
	return set;
}

/* ---- the day ---- */

static bool is_counter(int metric)
{
	return metric % 5 < 2;
}

static uint32_t mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

/* Counters rise by up to 300 a step; gauges wander between 0 and 100 with two digits. */
static double value_at(int series, int step, double before)
{
	uint32_t noise = mix((uint32_t)series * 2654435761u + (uint32_t)step);
	if (is_counter(series / INSTANCES))
		return before + noise % 300;
	return (double)(noise % 10001) / 100;
}

static int64_t time_at(int series, int step)
{
	return START_MS + step * (int64_t)INTERVAL_MS + series % INTERVAL_MS;
}

static void name_of(int series, char *name, size_t size)
{
	int metric = series / INSTANCES;
	snprintf(name, size, "metric_%d%s", metric, is_counter(metric) ? "_total" : "");
}

static struct labels *labels_of(int series)
{
	char name[32], instance[32], job[32];
	struct labels *labels;
	name_of(series, name, sizeof(name));
	snprintf(instance, sizeof(instance), "10.0.0.%d:9100", series % INSTANCES);
	snprintf(job, sizeof(job), "job-%d", series % 10);
	const struct label pairs[] = { { SLICE("__name__"), slice_from(name) },
				       { SLICE("instance"), slice_from(instance) },
				       { SLICE("job"), slice_from(job) } };
	must(labels_new(pairs, 3, &labels, NULL) == 0, "labels");
	return labels;
}

static void write_batch(struct recording_writer *writer, struct buf *inputs, int step, int first,
			double *values, struct labels **labels, const struct hash128 *keys)
{
	struct batch *batch = batch_new();
	must(batch && batch_reserve(batch, BATCH_ROWS) == 0, "memory");
	strcpy(batch->sender.name, "127.0.0.1 Prometheus/3.5.0");
	batch->sender.hash = 7;
	for (int s = first; s < first + BATCH_ROWS; s++) {
		uint64_t bits;
		values[s] = value_at(s, step, values[s]);
		memcpy(&bits, &values[s], sizeof(bits));
		batch->rows[batch->nrows++] = (struct batch_row){ keys[s], time_at(s, step), bits };
		if (step > 0)
			continue;
		must(batch_birth_add(batch, batch->nrows - 1, labels[s]) == 0, "memory");
		labels_ref(labels[s]);
	}
	buf_clear(inputs);
	input_time_add(inputs, time_at(first + BATCH_ROWS - 1, step));
	must(recording_write(writer, buf_slice(inputs), batch) == 0, "cannot write");
	batch_free(batch);
	buf_clear(inputs);
	input_steps_add(inputs, 1);
	must(recording_write(writer, buf_slice(inputs), NULL) == 0, "cannot write");
}

/* The engine is told the time and let work behind each batch, and at the tick. */
static void write_recording(const char *dir, int steps, const struct rule_set *set)
{
	static double values[SERIES];
	static struct labels *labels[SERIES];
	static struct hash128 keys[SERIES];
	const struct recording_settings settings = { .interval_ms = INTERVAL_MS,
						     .lookback_ms = 300000,
						     .sender_timeout_ms = 300000,
						     .step_units = 1000000000,
						     .rules_hash = recording_rules_hash(set) };
	struct recording_writer *writer;
	struct hash_key key;
	struct buf inputs;
	char *why = NULL;
	buf_init(&inputs);
	hash_key_derive(&key, "bench", 5);
	for (int s = 0; s < SERIES; s++) {
		labels[s] = labels_of(s);
		keys[s] = labels_hash(labels[s], &key);
	}
	must(recording_writer_new(dir, 1ll << 40, START_MS, &writer, &why) == 0, "cannot begin");
	input_rules_add(&inputs, &settings);
	input_mark_add(&inputs, INPUT_RESTORED);
	input_time_add(&inputs, START_MS - 1);
	must(recording_write(writer, buf_slice(&inputs), NULL) == 0, "cannot write");
	for (int step = 0; step < steps; step++)
		for (int s = 0; s < SERIES; s += BATCH_ROWS)
			write_batch(writer, &inputs, step, s, values, labels, keys);
	must(recording_end(writer, RECORDING_STOPPED) == 0, "cannot end");
	recording_writer_free(writer);
	buf_fini(&inputs);
	for (int s = 0; s < SERIES; s++)
		labels_unref(labels[s]);
}

static void write_dump(const char *dir, int steps)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/dump", dir);
	FILE *file = fopen(path, "w");
	must(file, "cannot write");
	for (int s = 0; s < SERIES; s++) {
		char name[32];
		double value = 0;
		name_of(s, name, sizeof(name));
		for (int step = 0; step < steps; step++) {
			value = value_at(s, step, value);
			fprintf(file,
				"{__name__=\"%s\", instance=\"10.0.0.%d:9100\", job=\"job-%d\"} "
				"%.10g %lld\n",
				name, s % INSTANCES, s % 10, value, (long long)time_at(s, step));
		}
	}
	must(fclose(file) == 0, "cannot write");
}

/* ---- measuring ---- */

static uint64_t changes;

static void on_event(void *ctx, const struct alert_event *event)
{
	changes += replay_report_event(ctx, event) != REPLAY_NOTHING;
}

static void on_session(void *ctx, int64_t t_ms)
{
	replay_report_session(ctx, t_ms);
}

static double size_mb(const char *dir)
{
	DIR *stream = opendir(dir);
	double bytes = 0;
	must(stream, "no directory");
	for (struct dirent *entry; (entry = readdir(stream));) {
		char path[8192];
		struct stat status;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
			bytes += (double)status.st_size;
	}
	closedir(stream);
	return bytes / 1e6;
}

static void clean(const char *dir)
{
	DIR *stream = opendir(dir);
	for (struct dirent *entry; stream && (entry = readdir(stream));) {
		char path[8192];
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		unlink(path);
	}
	if (stream)
		closedir(stream);
	rmdir(dir);
}

int main(int argc, char **argv)
{
	int hours = argc > 1 ? atoi(argv[1]) : 24;
	bool is_dump = argc > 2 && strcmp(argv[2], "dump") == 0;
	const char *base = getenv("TMPDIR");
	char dir[4000];
	snprintf(dir, sizeof(dir), "%s/bench-replay-XXXXXX", base ? base : "/tmp");
	must(hours > 0 && mkdtemp(dir), "usage: replay [HOURS [dump]]");
	int steps = hours * 3600 * 1000 / INTERVAL_MS;
	struct rule_set *set = rules();
	if (is_dump)
		write_dump(dir, steps);
	else
		write_recording(dir, steps, set);

	struct replay_report report;
	struct replay_result result;
	const struct replay_options options = { .rules = set,
						.lookback_ms = 300000,
						.to_ms = TIME_NONE };
	const struct replay_sink sink = { .ctx = &report,
					  .event = on_event,
					  .session = on_session };
	const char *paths[] = { dir };
	const struct replay_data_options data = { .paths = paths, .npaths = 1 };
	char *why = NULL;
	must(replay_report_init(&report, set, TIME_NONE, REPLAY_FLAP_MS) == 0, "memory");
	double before = process_cpu_s(), mb = size_mb(dir);
	int code = is_dump ? replay_data(&data, &options, &sink, &result, &why)
			   : replay_recording(dir, &options, &sink, &result, &why);
	must(code == 0, why ? why : error_text(code));
	must(replay_report_end(&report, result.from_ms, result.to_ms) == 0, "memory");
	double took = process_cpu_s() - before;
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("%d h of %d series at 15 s, %.1f M samples in a %s of %.0f MB, through %u rules:\n"
	       "  %.1f s of CPU, %.2f M samples/s, %llu evaluations, %llu changes told, %ld MB "
	       "resident at most\n",
	       hours, SERIES, (double)result.samples / 1e6, is_dump ? "dump" : "recording", mb,
	       set->nrules, took, (double)result.samples / took / 1e6,
	       (unsigned long long)result.evaluations, (unsigned long long)changes,
	       usage.ru_maxrss / 1024);
	replay_report_fini(&report);
	rule_set_unref(set);
	clean(dir);
	if (took > CPU_S_MAX * hours / 24) {
		printf("  more than the %.0f s that a day may take\n", CPU_S_MAX);
		return 1;
	}
	return 0;
}
