#include "ingest/profile_report.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"

struct profile_report {
	struct profile *names; /* functions of all profiles: nothing else of it is used */
	struct profile_side_sum sums[PROFILE_SIDES];
	bool no_duration[PROFILE_SIDES];		 /* of one of its profiles at least */
	struct profile_amount (*amounts)[PROFILE_SIDES]; /* by function */
	uint32_t amounts_cap;
	uint64_t *seen; /* by function: the sample it was last counted for */
	uint64_t nsamples;
	struct profile_node *nodes;
	uint32_t nnodes, nodes_cap;
	uint32_t *slots; /* of the nodes by parent and function: index + 1 */
	uint32_t slots_cap;
};

struct profile_report *profile_report_new(const struct hash_key *key)
{
	struct profile_report *report = calloc(1, sizeof(*report));

	if (!report)
		return NULL;
	report->names = profile_new(key);
	report->nodes_cap = 1024;
	report->nodes = calloc(report->nodes_cap, sizeof(*report->nodes));
	report->slots_cap = 4 * report->nodes_cap;
	report->slots = calloc(report->slots_cap, sizeof(*report->slots));
	if (!report->names || !report->nodes || !report->slots) {
		profile_report_free(report);
		return NULL;
	}
	report->nodes[0] = (struct profile_node){
		.function = PROFILE_NONE,
		.parent = PROFILE_NONE,
		.child = PROFILE_NONE,
		.next = PROFILE_NONE,
	};
	report->nnodes = 1;
	return report;
}

void profile_report_free(struct profile_report *report)
{
	if (!report)
		return;
	profile_free(report->names);
	free(report->amounts);
	free(report->seen);
	free(report->nodes);
	free(report->slots);
	free(report);
}

/* ---- functions ---- */

static int amounts_reserve(struct profile_report *report, uint32_t n)
{
	if (n <= report->amounts_cap)
		return 0;
	uint32_t cap = report->amounts_cap ? report->amounts_cap : 1024;

	while (cap < n)
		cap *= 2;
	void *amounts = reallocarray(report->amounts, cap, sizeof(*report->amounts));

	if (!amounts)
		return ERR_NOMEM;
	report->amounts = amounts;
	uint64_t *seen = reallocarray(report->seen, cap, sizeof(*seen));

	if (!seen)
		return ERR_NOMEM;
	report->seen = seen;
	memset(&report->amounts[report->amounts_cap], 0,
	       (cap - report->amounts_cap) * sizeof(*report->amounts));
	memset(&report->seen[report->amounts_cap], 0,
	       (cap - report->amounts_cap) * sizeof(*report->seen));
	report->amounts_cap = cap;
	return 0;
}

/* The profile's functions by our numbers; *map to free(). */
static int functions_map(struct profile_report *report, const struct profile *profile,
			 uint32_t **map)
{
	uint32_t *ours = reallocarray(NULL, profile->nfunctions + 1, sizeof(*ours));
	int code = ours ? 0 : ERR_NOMEM;

	for (uint32_t i = 0; code == 0 && i < profile->nfunctions; i++)
		code = profile_function_add(report->names, profile->functions[i].name, &ours[i]);
	if (code == 0)
		code = amounts_reserve(report, report->names->nfunctions);
	if (code)
		free(ours);
	else
		*map = ours;
	return code;
}

/* ---- the tree ---- */

static uint32_t *node_slot(const struct profile_report *report, uint32_t parent, uint32_t function)
{
	uint64_t hash = (((uint64_t)parent << 32 | function) * 0x9e3779b97f4a7c15u) >> 20;

	for (;; hash++) {
		uint32_t *slot = &report->slots[hash & (report->slots_cap - 1)];

		if (*slot == 0 || (report->nodes[*slot - 1].parent == parent &&
				   report->nodes[*slot - 1].function == function))
			return slot;
	}
}

static int nodes_grow(struct profile_report *report)
{
	uint32_t cap = 2 * report->nodes_cap;
	struct profile_node *nodes = reallocarray(report->nodes, cap, sizeof(*nodes));

	if (!nodes)
		return ERR_NOMEM;
	report->nodes = nodes;
	uint32_t *slots = calloc(4 * (size_t)cap, sizeof(*slots));

	if (!slots)
		return ERR_NOMEM;
	free(report->slots);
	report->slots = slots;
	report->slots_cap = 4 * cap;
	report->nodes_cap = cap;
	for (uint32_t i = 1; i < report->nnodes; i++)
		*node_slot(report, nodes[i].parent, nodes[i].function) = i + 1;
	return 0;
}

/* The child of that name; the parent itself when there is no more room. */
static int node_get(struct profile_report *report, uint32_t parent, uint32_t function,
		    uint32_t *out)
{
	uint32_t *slot = node_slot(report, parent, function);

	if (*slot) {
		*out = *slot - 1;
		return 0;
	}
	*out = parent;
	if (report->nnodes == PROFILE_REPORT_NODES_MAX)
		return 0;
	if (report->nnodes == report->nodes_cap) {
		if (nodes_grow(report))
			return ERR_NOMEM;
		slot = node_slot(report, parent, function);
	}
	*out = report->nnodes;
	report->nodes[report->nnodes] = (struct profile_node){
		.function = function,
		.parent = parent,
		.child = PROFILE_NONE,
		.next = report->nodes[parent].child,
	};
	report->nodes[parent].child = report->nnodes;
	*slot = ++report->nnodes;
	return 0;
}

static int stack_add(struct profile_report *report, enum profile_side side, double value,
		     const uint32_t *frames, uint32_t n, const uint32_t *map)
{
	uint32_t node = 0;
	int code = 0;

	report->nsamples++;
	report->nodes[0].amounts[side].total += value;
	for (uint32_t i = n; code == 0 && i-- > 0;) {
		uint32_t function = map[frames[i]], parent = node;

		if (report->seen[function] != report->nsamples) {
			report->seen[function] = report->nsamples;
			report->amounts[function][side].total += value;
		}
		code = node_get(report, parent, function, &node);
		if (code == 0 && node != parent)
			report->nodes[node].amounts[side].total += value;
	}
	report->nodes[node].amounts[side].self += value;
	if (n)
		report->amounts[map[frames[0]]][side].self += value;
	return code;
}

/* ---- one profile ---- */

static void sum_add(struct profile_report *report, enum profile_side side,
		    const struct profile *profile, const struct profile_view *view,
		    int64_t duration_ns)
{
	struct profile_side_sum *sum = &report->sums[side];

	if (duration_ns == 0)
		duration_ns = profile->duration_ns;
	sum->profiles++;
	sum->value += profile_sum(profile, view->value) * view->scale;
	if (view->count != PROFILE_NONE)
		sum->samples += profile_sum(profile, view->count);
	/* A gauge is what there is, however long somebody looked. */
	if (duration_ns <= 0 || view->mode == PROFILE_GAUGE)
		report->no_duration[side] = true;
	sum->seconds = report->no_duration[side] ? 0 : sum->seconds + (double)duration_ns / 1e9;
}

int profile_report_add(struct profile_report *report, enum profile_side side,
		       const struct profile *profile, const struct profile_view *view,
		       int64_t duration_ns)
{
	uint32_t *map;

	if (view->value == PROFILE_NONE)
		return 0;
	int code = functions_map(report, profile, &map);

	if (code)
		return code;
	for (uint32_t i = 0; code == 0 && i < profile->nsamples; i++)
		code = stack_add(report, side, profile_value(profile, i, view->value) * view->scale,
				 &profile->frames[profile->samples[i].frame],
				 profile->samples[i].nframes, map);
	if (code == 0)
		sum_add(report, side, profile, view, duration_ns);
	free(map);
	return code;
}

/* ---- what came of it ---- */

const struct profile_side_sum *profile_report_sum(const struct profile_report *report,
						  enum profile_side side)
{
	return &report->sums[side];
}

static bool has_seconds(const struct profile_report *report, enum profile_side side)
{
	return report->sums[side].profiles == 0 || report->sums[side].seconds > 0;
}

bool profile_report_is_rate(const struct profile_report *report)
{
	return has_seconds(report, PROFILE_BEFORE) && has_seconds(report, PROFILE_AFTER);
}

double profile_report_divisor(const struct profile_report *report, enum profile_side side)
{
	const struct profile_side_sum *sum = &report->sums[side];

	if (sum->profiles == 0)
		return 1;
	return profile_report_is_rate(report) ? sum->seconds : sum->profiles;
}

struct slice profile_report_name(const struct profile_report *report, uint32_t function)
{
	return function == PROFILE_NONE ? SLICE("total") : report->names->functions[function].name;
}

const struct profile_node *profile_report_nodes(const struct profile_report *report, uint32_t *n)
{
	*n = report->nnodes;
	return report->nodes;
}

struct ranked {
	struct profile_row row;
	double rank;
};

static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	if (x->row.amounts[PROFILE_AFTER].total != y->row.amounts[PROFILE_AFTER].total)
		return x->row.amounts[PROFILE_AFTER].total > y->row.amounts[PROFILE_AFTER].total
			       ? -1
			       : 1;
	return slice_compare(x->row.function, y->row.function);
}

static double quotient(double value, double by)
{
	return by > 0 ? value / by : 0;
}

static double rank_of(const struct profile_report *report, const struct profile_row *row,
		      enum profile_order order)
{
	const struct profile_amount *before = &row->amounts[PROFILE_BEFORE],
				    *after = &row->amounts[PROFILE_AFTER];

	switch (order) {
	case PROFILE_BY_SELF:
		return after->self;
	case PROFILE_BY_TOTAL:
		return after->total;
	case PROFILE_BY_SHARE_CHANGE:
		return fabs(quotient(after->self, report->sums[PROFILE_AFTER].value) -
			    quotient(before->self, report->sums[PROFILE_BEFORE].value));
	case PROFILE_BY_AMOUNT_CHANGE:
		return fabs(after->self / profile_report_divisor(report, PROFILE_AFTER) -
			    before->self / profile_report_divisor(report, PROFILE_BEFORE));
	}
	return 0;
}

int profile_report_rows(const struct profile_report *report, enum profile_order order,
			struct profile_row **rows, size_t *n)
{
	uint32_t nfunctions = report->names->nfunctions;
	struct ranked *ranked = reallocarray(NULL, nfunctions + 1, sizeof(*ranked));
	struct profile_row *sorted = reallocarray(NULL, nfunctions + 1, sizeof(*sorted));

	if (!ranked || !sorted) {
		free(ranked);
		free(sorted);
		return ERR_NOMEM;
	}
	for (uint32_t i = 0; i < nfunctions; i++) {
		ranked[i].row.function = report->names->functions[i].name;
		memcpy(ranked[i].row.amounts, report->amounts[i], sizeof(ranked[i].row.amounts));
		ranked[i].rank = rank_of(report, &ranked[i].row, order);
	}
	qsort(ranked, nfunctions, sizeof(*ranked), by_rank);
	for (uint32_t i = 0; i < nfunctions; i++)
		sorted[i] = ranked[i].row;
	free(ranked);
	*rows = sorted;
	*n = nfunctions;
	return 0;
}
