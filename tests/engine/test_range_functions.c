/* Range functions of many rows at once, against the same functions of each row's samples. */
#include "engine/range_functions.h"

#include <math.h>

#include "base/bits.h"
#include "tests/check_main.h"

#define T0 INT64_C(1700000000000)
#define RANGE_MS 300000
#define BLOCKS 200
#define SAMPLES_MAX 20

static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % n;
}

/* A row's samples: values that never fall. */
struct samples {
	double values[SAMPLES_MAX];
	uint32_t offsets[SAMPLES_MAX];
	size_t n;
};

static void samples_fill(struct samples *samples)
{
	static const double firsts[] = { 0, 3, 1e9 + 0.1, -7, -INFINITY, 1e308, 0.1 };
	double value = firsts[below(sizeof(firsts) / sizeof(*firsts))];
	double rise = below(4) ? below(1000) / 7.0 : 0;
	uint32_t step_ms = RANGE_MS / (SAMPLES_MAX + below(20));
	samples->n = below(10) ? 2 + below(SAMPLES_MAX - 1) : 1;
	for (uint32_t i = 0; i < samples->n; i++) {
		samples->values[i] = value;
		samples->offsets[i] = i * step_ms + 1 + below(step_ms - 1);
		value += rise * below(3);
	}
	if (below(20) == 0)
		samples->values[samples->n - 1] = INFINITY;
}

static struct range range_of(const struct samples *samples)
{
	return (struct range){
		.values = samples->values,
		.offsets = samples->offsets,
		.n = samples->n,
		.base_ms = T0,
		.start_ms = T0,
		.end_ms = T0 + RANGE_MS,
		.range_s = RANGE_MS / 1000.0,
		.t_ms = T0 + RANGE_MS,
	};
}

static void add_ends(struct range_block *block, uint32_t row, const struct samples *samples)
{
	size_t last = samples->n - 1;
	block->rows[block->n] = (uint8_t)row;
	block->ends[block->n++] = (struct range_ends){
		.first = samples->values[0],
		.last = samples->values[last],
		.first_ms = T0 + samples->offsets[0],
		.last_ms = T0 + samples->offsets[last],
		.n = samples->n,
	};
}

/* A block with some of its rows. */
static void expect_equal(const struct range_function *function)
{
	static struct samples rows[RANGE_BLOCK_ROWS];
	struct range_block block;
	double values[RANGE_BLOCK_ROWS];
	uint32_t rarity = 1 + below(4);
	block.n = 0;
	for (uint32_t row = 0; row < RANGE_BLOCK_ROWS; row++) {
		rows[row].n = 0;
		if (below(rarity))
			continue;
		samples_fill(&rows[row]);
		add_ends(&block, row, &rows[row]);
	}
	const struct range edges = range_of(&rows[0]);
	uint64_t present = function->of_ends(&edges, &block, values);
	for (uint32_t row = 0; row < RANGE_BLOCK_ROWS; row++) {
		struct range range = range_of(&rows[row]);
		double value = 0;
		bool is_present = range.n > 0 && function->eval(&range, &value);
		ck_assert_int_eq(present >> row & 1, is_present);
		if (is_present && !isnan(value))
			ck_assert_uint_eq(bits_of_double(values[row]), bits_of_double(value));
		else if (is_present)
			ck_assert(isnan(values[row]));
	}
}

START_TEST(ends_tell_what_all_samples_tell)
{
	for (int id = 0; id < FUNCTION_COUNT; id++) {
		const struct range_function *function = range_function_get(id);
		for (int i = 0; function && function->of_ends && i < BLOCKS; i++)
			expect_equal(function);
	}
}
END_TEST

static Suite *range_functions_suite(void)
{
	Suite *suite = suite_create("range_functions");
	TCase *tcase = tcase_create("range_functions");
	tcase_add_test(tcase, ends_tell_what_all_samples_tell);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(range_functions_suite)
