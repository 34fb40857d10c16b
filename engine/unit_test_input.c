#include "engine/unit_test_input.h"

#include "base/error.h"
#include "base/text.h"
#include "engine/unit_test.h"

/* The text at a key, with its place in the file. */
static struct source source_of(const struct yaml_node *mapping, const char *key, struct slice text)
{
	const struct yaml_node *node = mapping ? yaml_get(mapping, key) : NULL;
	return node && node->type == YAML_SCALAR ? node->source
						 : (struct source){ .text = text, .line0 = 1 };
}

int test_labels_parse(const struct yaml_node *mapping, const char *key, struct slice text,
		      struct arena *arena, struct diag_list *diags, struct labels **out)
{
	struct source source = source_of(mapping, key, text);
	return series_labels_parse(&source, arena, diags, out);
}

int test_expr_complain(const struct yaml_node *mapping, struct slice text, struct arena *arena,
		       struct diag_list *diags)
{
	struct source source = source_of(mapping, "expr", text);
	struct expr *expr = NULL;
	int code = expr_parse(&source, arena, diags, &expr);
	if (!code) {
		diag_add_at(diags, DIAG_ERROR, &source, 0, source.text.len,
			    "give it to a function, such as rate()",
			    "a test cannot expect a range vector");
		expr_fini(expr);
	}
	return code == ERR_NOMEM ? code : 0;
}

static int series_init(struct test_input_series *series, const struct test_series *written,
		       struct arena *arena, struct diag_list *diags)
{
	struct source values = source_of(written->node, "values", written->values);
	int code = test_labels_parse(written->node, "series", written->series, arena, diags,
				     &series->labels);
	return code ? code : series_values_parse(&values, arena, diags, &series->values);
}

int test_input_init(struct test_input *input, const struct test_case *test, int64_t interval_ms,
		    int64_t start_ms, struct arena *arena, struct diag_list *diags)
{
	const struct test_series *written = test->series.items;
	uint64_t points = 0;
	*input = (struct test_input){ .test = test,
				      .interval_ms = interval_ms,
				      .start_ms = start_ms };
	input->series = ARENA_ARRAY(arena, struct test_input_series, test->series.n + 1);
	int code = input->series ? hash_key_init(&input->key) : ERR_NOMEM;
	for (size_t i = 0; i < test->series.n && !code; i++) {
		code = series_init(&input->series[i], &written[i], arena, diags);
		input->nseries = i + 1;
		points += input->series[i].values.n;
		if (!code && points > UNIT_TEST_POINTS_MAX) {
			yaml_diag(diags, DIAG_ERROR, written[i].node, NULL,
				  "more than %d samples in one test", UNIT_TEST_POINTS_MAX);
			code = ERR_LIMIT;
		}
	}
	return code;
}

void test_input_fini(struct test_input *input)
{
	for (size_t i = 0; i < input->nseries; i++)
		labels_unref(input->series[i].labels);
	input->nseries = 0;
}

static uint64_t bits_of(const struct series_value *value)
{
	uint64_t bits = STALE_NAN_BITS;
	if (value->kind == SERIES_NUMBER)
		memcpy(&bits, &value->number, sizeof(bits));
	return bits;
}

static int series_step(struct test_input *input, struct test_input_series *series, int64_t t_ms,
		       struct batch *batch)
{
	int code = 0;
	for (; series->next < series->values.n && !code; series->next++) {
		const struct series_value *value = &series->values.items[series->next];
		int64_t at_ms = input->start_ms + (int64_t)series->next * input->interval_ms;
		if (at_ms > t_ms)
			break;
		if (value->kind != SERIES_NOTHING)
			code = batch_sample_add(batch, &input->key, series->labels, at_ms,
						bits_of(value));
	}
	return code;
}

int test_input_step(struct test_input *input, struct simulation *simulation, int64_t t_ms)
{
	struct batch *batch = batch_new();
	int code = batch ? 0 : ERR_NOMEM;
	for (size_t i = 0; i < input->nseries && !code; i++)
		code = series_step(input, &input->series[i], t_ms, batch);
	if (code) {
		batch_free(batch);
		return code;
	}
	simulation_step(simulation, t_ms, batch, NULL);
	return 0;
}
