/*
 * Recordings from anybody: their inputs are read up to what is none, and an engine that is told
 * them goes on, whatever it is told. The first byte says whether the rules count as those of then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/recording_internal.h"
#include "engine/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEP_UNITS 2000

static const char rules_text[] =
	"groups:\n"
	"- name: g\n"
	"  interval: 1s\n"
	"  rules:\n"
	"  - {alert: High, expr: 'm > 5', keep_firing_for: 2s}\n"
	"  - {alert: Sum, expr: 'sum by (k) (rate(m[5s])) > 0', for: 1s}\n"
	"  - {alert: Lines, expr: 'sum(count_over_time(logs{job=\"a\"}[10s])) > 1'}\n"
	"- {name: n, evaluate: arrival, rules: [{alert: Now, expr: 'm > 6'}]}\n";

static struct rule_set *rules;
static char dir[64];

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void clean(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/00000001" RECORDING_SUFFIX, dir);
	unlink(path);
	rmdir(dir);
}

static void load_once(void)
{
	const struct rule_set_options options = { .interval_ms = 15000, .rules_max = 100 };
	struct diag_list diags;
	if (rules)
		return;
	diag_list_init(&diags);
	must(rule_set_load_text(slice_from(rules_text), "f.yml", &options, &diags, &rules) == 0);
	diag_list_fini(&diags);
	strcpy(dir, "/tmp/fuzz_recording_XXXXXX");
	must(mkdtemp(dir));
	atexit(clean);
}

/* A file with a head, and the bytes as its only part. */
static void write_file(struct slice inputs, bool same_rules)
{
	const struct recording_settings settings = {
		.interval_ms = 15000,
		.lookback_ms = 5000,
		.sender_timeout_ms = 5000,
		.step_units = STEP_UNITS,
		.rules_hash = same_rules ? recording_rules_hash(rules) : 1
	};
	char path[128];
	struct buf head, file, packed;
	buf_init(&head);
	buf_init(&file);
	buf_init(&packed);
	buf_add_u32(&head, RECORDING_VERSION);
	buf_add_u64(&head, 1);
	buf_add_u32(&head, 1);
	settings_write(&settings, &head);
	record_encode(RECORD_RECORDING_HEAD, buf_slice(&head), &file);
	size_t bound = ZSTD_compressBound(inputs.len);
	must(buf_reserve(&packed, bound));
	packed.len = ZSTD_compress(packed.ptr, bound, inputs.ptr, inputs.len, 1);
	must(!ZSTD_isError(packed.len));
	record_encode(RECORD_RECORDING_PART, buf_slice(&packed), &file);
	snprintf(path, sizeof(path), "%s/00000001" RECORDING_SUFFIX, dir);
	FILE *out = fopen(path, "wb");
	must(out && fwrite(file.ptr, 1, file.len, out) == file.len && fclose(out) == 0);
	buf_fini(&head);
	buf_fini(&file);
	buf_fini(&packed);
}

static void on_event(void *ctx, const struct alert_event *event)
{
	must(labels_count(event->labels) > 0);
}

static void on_session(void *ctx, int64_t t_ms)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct replay_sink sink = { .event = on_event, .session = on_session };
	struct replay_result result;
	char *why = NULL;
	load_once();
	if (size == 0)
		return 0;
	struct slice inputs = { (const char *)data + 1, size - 1 };
	int code = recording_part_check(inputs);
	must(code == 0 || code == ERR_CORRUPT);
	/* Most are broken early, and an engine takes long to make: of those one in eight. */
	if (code && hash_checksum(data, size) % 8)
		return 0;
	const struct replay_options options = { .rules = rules, .to_ms = TIME_NONE };
	write_file(inputs, data[0] & 1);
	code = replay_recording(dir, &options, &sink, &result, &why);
	must(code == 0);
	return 0;
}
