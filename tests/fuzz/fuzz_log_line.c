/*
 * Lines from strangers, against pipelines with every parser: the first byte says which, the second
 * whether structured metadata comes along; the rest is the line.
 *
 * Whatever the line: a verdict, labels that are not empty and have sane names, and the same again
 * when the line is read anew.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "rules/expr.h"
#include "rules/log_pipeline.h"
#include "rules/plan.h"

static const char *const selectors[] = {
	"sum by (a, a_b, _1, job_extracted) (count_over_time(logs{job=\"x\"} | json [1m]))",
	"sum by (a) (count_over_time(logs{job=\"x\"} | json a=\"x.y[1]\", b=\"[\\\"k k\\\"]\" "
	"[1m]))",
	"sum by (a, b) (count_over_time(logs{job=\"x\"} | logfmt [1m]))",
	"sum by (a, b) (count_over_time(logs{job=\"x\"} | logfmt --strict --keep-empty [1m]))",
	"sum by (a, b) (count_over_time(logs{job=\"x\"} | pattern \"<a> [<_>] \\\"<b>\\\"\" [1m]))",
	"sum by (a) (count_over_time(logs{job=\"x\"} |> \"<_>=<_> <_>\" | logfmt [1m]))",
	"sum by (a, z) (count_over_time(logs{job=\"x\"} | unpack | logfmt | z=\"\" [1m]))",
	"sum by (a, b) (count_over_time(logs{job=\"x\"} | regexp \"(?P<a>[a-z]+)=(?P<b>.*)\" "
	"[1m]))",
	"sum by (a) (sum_over_time(logs{job=\"x\"} | json | b > 1.5 or c > 1s or d < 5KB | "
	"unwrap n [1m]))",
	"sum by (a) (sum_over_time(logs{job=\"x\"} | logfmt | unwrap duration(n) [1m]))",
	"sum by (a) (sum_over_time(logs{job=\"x\"} | logfmt | unwrap bytes(n) | __error__=\"\" "
	"[1m]))",
	"sum by (a) (bytes_over_time(logs{job=\"x\"} | decolorize | json | line_format "
	"\"{{.a | ToUpper | trunc 5}} {{ .b | replace \\\"a\\\" \\\"bb\\\" }}\" | logfmt [1m]))",
	"sum by (a) (count_over_time(logs{job=\"x\"} |= ip(\"10.0.0.0/8\") != ip(\"::1\") | json | "
	"a "
	"= ip(\"10.0.0.0/8\") [1m]))",
	"count_over_time(logs{job=\"x\"} | json | drop a, c=~\".+\" | keep a, b, job | "
	"label_format "
	"q=b, r=\"{{.job}}\" [1m])",
	"sum by (a) (count_over_time(logs{job=\"x\"} |~ \"(a+)+b|(?i)k[^k]*s\" [1m]))",
};
#define SELECTORS (sizeof(selectors) / sizeof(*selectors))

static struct log_pipeline *pipelines[SELECTORS];
static struct log_pipeline *all[SELECTORS]; /* the same, with all labels */
static struct log_scratch *scratch;
static struct labels *stream;

static void compile(size_t i)
{
	struct source source = { .text = slice_from(selectors[i]), .line0 = 1, .column0 = 1 };
	struct log_projection everything = { false, NULL, 0 };
	struct plan *plan = plan_new();
	struct diag_list diags;
	struct arena arena;
	struct expr *expr;
	uint32_t root;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	int err = expr_parse(&source, &arena, &diags, &expr);
	assert(err == 0);
	err = plan_add(plan, expr, &root);
	assert(err == 0 && plan->nlogs == 1);
	const struct plan_log *log = &plan->logs[0];
	enum log_value value =
		log->value == PLAN_LOG_UNWRAPPED ? LOG_VALUE_UNWRAP : LOG_VALUE_BYTES;
	struct log_projection own = { log->keep == PLAN_LOG_BY, log->labels.items, log->labels.n };

	err = log_pipeline_new(log->log->stages, log->log->nstages, value, &own, NULL, NULL,
			       &pipelines[i]);
	assert(err == 0);
	err = log_pipeline_new(log->log->stages, log->log->nstages, value, &everything, NULL, NULL,
			       &all[i]);
	assert(err == 0);
	(void)err;
	expr_fini(expr);
	plan_free(plan);
	arena_fini(&arena);
	diag_list_fini(&diags);
}

static void finish(void)
{
	for (size_t i = 0; i < SELECTORS; i++) {
		log_pipeline_free(pipelines[i]);
		log_pipeline_free(all[i]);
	}
	log_scratch_free(scratch);
	labels_unref(stream);
}

static void begin(void)
{
	struct label pairs[] = { { SLICE("job"), SLICE("x") }, { SLICE("env"), SLICE("e") } };

	for (size_t i = 0; i < SELECTORS; i++)
		compile(i);
	scratch = log_scratch_new();
	int err = labels_new(pairs, 2, &stream, NULL);
	assert(scratch && err == 0);
	(void)err;
	atexit(finish);
}

static void check(const struct log_output *out)
{
	assert(out->nlabels <= LOG_LABELS_MAX);
	for (uint32_t i = 0; i < out->nlabels; i++) {
		const struct label *label = &out->labels[i];

		assert(label->value.len > 0 && label->name.len > 0);
		assert(label_name_is_legacy(label->name));
		assert(i == 0 || slice_compare(out->labels[i - 1].name, label->name) < 0);
	}
}

/* The verdict, and something of everything else. */
static uint64_t run(const struct log_pipeline *pipeline)
{
	struct log_output out;
	uint64_t sum = 0;
	int err = log_pipeline_run(pipeline, scratch, &out);

	assert(err == 0);
	(void)err;
	check(&out);
	for (uint32_t i = 0; i < out.nlabels; i++)
		sum = sum * 31 + out.labels[i].value.len +
		      (unsigned char)out.labels[i].value.ptr[0];
	return sum * 31 + (uint64_t)out.verdict * 7 + (uint64_t)out.error + out.line.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct label metadata[] = { { SLICE("trace"), SLICE("t") }, { SLICE("a"), SLICE("m") } };

	if (!scratch)
		begin();
	if (size < 2)
		return 0;
	size_t i = data[0] % SELECTORS;
	struct log_input input = {
		{ (const char *)data + 2, size - 2 }, stream, metadata, data[1] % 3u
	};

	log_scratch_begin(scratch, &input);
	uint64_t first = run(pipelines[i]);

	run(all[i]);
	/* What others read of the line before makes no difference. */
	for (size_t k = 0; k < SELECTORS; k++)
		run(pipelines[k]);
	assert(run(pipelines[i]) == first);
	log_scratch_begin(scratch, &input);
	assert(run(pipelines[i]) == first);
	(void)first;
	return 0;
}
