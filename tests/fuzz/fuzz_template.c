/*
 * Templates, as they stand in rule files, and rendered: whatever parses must end, within its
 * limits.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "rules/template_queries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The longest that an error's text may be. */
#define FAILURE_BYTES_MAX 1700

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct labels *some_labels(void)
{
	static const struct label pairs[] = {
		{ SLICE("__name__"), SLICE("up") },
		{ SLICE("instance"), SLICE("h.example:9100") },
		{ SLICE("job"), SLICE("\xc3\xa9{{ $value }}") },
	};
	struct labels *labels;
	must(labels_new(pairs, sizeof(pairs) / sizeof(*pairs), &labels, NULL) == 0);
	return labels;
}

/* As the engine does: each expression that is asked for gets a result. */
static void capture(const struct template *template, struct template_data *data)
{
	struct query_results *results = query_results_new(1700000000500);
	struct buf wanted, out;
	int error;
	buf_init(&wanted);
	buf_init(&out);
	data->results = results;
	data->wanted = &wanted;
	must(results != NULL);
	while ((error = template_render(template, data, &out)) == ERR_AGAIN) {
		struct query_result *result = query_result_new(buf_slice(&wanted));
		must(result && out.len == 0);
		for (uint32_t i = 0; i < results->n % 3; i++)
			must(query_result_add(result, (struct labels *)data->labels, i) == 0);
		must(query_results_add(results, result) == 0);
		query_result_unref(result);
		buf_clear(&out);
	}
	must(error == 0 || error == ERR_EVAL);
	/* Whoever renders it afterwards lacks nothing. */
	data->wanted = NULL;
	size_t len = out.len;
	must(template_render(template, data, &out) == error && out.len == 2 * len);
	data->results = NULL;
	buf_fini(&wanted);
	buf_fini(&out);
	query_results_unref(results);
}

static void render(const struct template *template)
{
	static const double values[] = { 0, 1234567.25, -1e300 };
	struct labels *labels = some_labels();
	struct evidence *evidence = evidence_new();
	struct buf out;
	must(evidence && evidence_line_add(evidence, SLICE("a {{ line }}")) == 0);
	must(evidence_function_add(evidence, SLICE("f"), SLICE("cpu"), 0.5, 0.75) == 0);
	buf_init(&out);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct template_data data = { .labels = labels,
					      .value = values[i],
					      .external_url = "http://h.example/p",
					      .active_at_ms = 1700000000500,
					      .evidence = evidence };
		buf_clear(&out);
		int error = template_render(template, &data, &out);
		must(error == 0 || error == ERR_EVAL);
		must(out.len <= (error ? FAILURE_BYTES_MAX : TEMPLATE_OUTPUT_MAX));
		capture(template, &data);
	}
	buf_fini(&out);
	evidence_unref(evidence);
	labels_unref(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = { .text = { (const char *)data, size }, .line0 = 1, .column0 = 1 };
	struct arena arena;
	struct diag_list diags;
	const struct template *template;
	arena_init(&arena, 0);
	diag_list_init(&diags);
	int error = template_parse(&source, &arena, &diags, &template);
	must((error == 0) == (diags.errors == 0));
	if (!error) {
		struct template_query *queries;
		uint32_t n;
		must(template_queries(template, &arena, &queries, &n) == 0);
		must((n > 0) <= template_uses_query(template));
		render(template);
	}
	diag_list_fini(&diags);
	arena_fini(&arena);
	return 0;
}
