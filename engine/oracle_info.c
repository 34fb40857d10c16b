/* The oracle's info(): labels of the info series that have the same job and instance. */
#include "engine/oracle_internal.h"

struct info {
	struct expr selector; /* of the info series: matchers, at, at_ms, offset_ms */
	bool is_timed;	      /* the time is that of the argument's first selector */
	bool knows_itself;    /* elements that the selector would find are info series themselves */
	bool is_optional;     /* an element without an info series stays */
	struct slice *wanted; /* names of labels; none: all */
	uint32_t nwanted;
	bool identifies[2]; /* is any element, that is no info series, told by it? */
	struct samples *series;
	size_t n;
};

static struct slice identifying[] = { { "instance", 8 }, { "job", 3 } };
static const struct names identity = { identifying, 2 };

/* ---- which info series ---- */

static void note_time(void *ctx, const struct expr *expr)
{
	struct info *info = ctx;
	struct expr *to = &info->selector;
	if (info->is_timed || (expr->kind != EXPR_SELECTOR && expr->kind != EXPR_SUBQUERY))
		return;
	info->is_timed = expr->kind == EXPR_SELECTOR;
	if (expr->at != AT_NONE) {
		to->at = expr->at;
		to->at_ms = expr->at_ms;
		to->selector.offset_ms = 0;
	}
	to->selector.offset_ms +=
		info->is_timed ? expr->selector.offset_ms : expr->subquery.offset_ms;
}

/* Without a name among the matchers: target_info or, beside one that excludes names, any *_info. */
static void add_name(struct oracle *o, struct info *info, bool excludes)
{
	char *why;
	if (matcher_init(&o->info_name, excludes ? MATCH_RE : MATCH_EQ, SLICE(METRIC_NAME),
			 excludes ? SLICE(".+_info") : SLICE("target_info"), &why))
		oracle_fail(o, "no matcher");
	info->selector.selector.matchers[info->selector.selector.nmatchers++] = o->info_name;
}

/* `given`: the second argument, or NULL. */
static struct info select_info(struct oracle *o, const struct expr *given)
{
	uint32_t n = given ? given->selector.nmatchers : 0;
	struct info info = { .selector.kind = EXPR_SELECTOR, .is_optional = true };
	struct matcher *matchers = oracle_alloc(o, (n + 1) * sizeof(*matchers));
	bool has_name = false, excludes = false;
	info.wanted = oracle_alloc(o, (n + 1) * sizeof(*info.wanted));
	for (uint32_t i = 0; i < n; i++) {
		const struct matcher *m = &given->selector.matchers[i];
		matchers[i] = *m;
		if (matcher_is_metric_name(m)) {
			excludes = true;
			has_name |= m->type == MATCH_EQ || m->type == MATCH_RE;
			continue;
		}
		info.wanted[info.nwanted++] = matcher_name(m);
		info.is_optional &= matcher_is_match(m, SLICE(""));
	}
	info.selector.selector.matchers = matchers;
	info.selector.selector.nmatchers = n;
	info.knows_itself = !given || has_name;
	if (!has_name)
		add_name(o, &info, excludes);
	return info;
}

static bool is_info_series(const struct info *info, struct tags tags)
{
	struct slice name = tags_get(tags, SLICE(METRIC_NAME));
	for (uint32_t i = 0; info->knows_itself && i < info->selector.selector.nmatchers; i++) {
		const struct matcher *m = &info->selector.selector.matchers[i];
		if (matcher_is_metric_name(m) && !matcher_is_match(m, name))
			return false;
	}
	return info->knows_itself;
}

/* ---- which of an element ---- */

static bool is_identified(const struct info *info, struct tags base)
{
	bool is_any = false;
	for (uint32_t i = 0; i < identity.n; i++) {
		if (info->identifies[i] && tags_get(base, identifying[i]).len == 0)
			return false;
		is_any |= info->identifies[i];
	}
	return is_any;
}

static bool has_identity(struct oracle *o, const struct samples *series, struct tags key)
{
	return series->n > 0 && tags_compare(tags_only(o, series->tags, &identity), key) == 0;
}

/* Of this identity and, of its name, the one with the latest sample. */
static bool is_newest(struct oracle *o, const struct info *info, const struct samples *series,
		      struct tags key)
{
	if (!has_identity(o, series, key))
		return false;
	struct slice name = tags_get(series->tags, SLICE(METRIC_NAME));
	int64_t mine = series->times_ms[series->n - 1];
	bool has_rival = false;
	for (const struct samples *other = info->series; other < info->series + info->n; other++) {
		if (other == series || !has_identity(o, other, key) ||
		    slice_compare(tags_get(other->tags, SLICE(METRIC_NAME)), name))
			continue;
		int64_t theirs = other->times_ms[other->n - 1];
		if (theirs > mine)
			return false;
		has_rival |= theirs == mine;
	}
	if (has_rival)
		oracle_fail(o, "found duplicate series for info metric");
	return true;
}

static bool is_wanted(const struct info *info, struct slice name)
{
	bool is_named = info->nwanted == 0;
	for (uint32_t i = 0; i < info->nwanted; i++)
		is_named |= slice_is_equal(info->wanted[i], name);
	return is_named && !slice_is(name, METRIC_NAME);
}

/* `result` with the labels that are wanted and that `base` does not have. */
static struct tags with_labels(struct oracle *o, const struct info *info, struct tags base,
			       struct tags result, struct tags labels)
{
	for (uint32_t i = 0; i < labels.n; i++) {
		struct label label = labels.pairs[i];
		if (!is_wanted(info, label.name) || tags_get(base, label.name).len)
			continue;
		struct slice before = tags_get(result, label.name);
		if (before.len && !slice_is_equal(before, label.value))
			oracle_fail(o, "conflicting label: " SLICE_FMT, SLICE_ARG(label.name));
		result = tags_with(o, result, label.name, label.value);
	}
	return result;
}

static void add_element(struct oracle *o, const struct info *info, const struct element *element,
			struct vector *out)
{
	struct tags result = element->tags, key = tags_only(o, element->tags, &identity);
	bool is_found = is_info_series(info, element->tags);
	size_t n = is_found || !is_identified(info, element->tags) ? 0 : info->n;
	for (size_t i = 0; i < n; i++)
		if (is_newest(o, info, &info->series[i], key)) {
			is_found = true;
			result = with_labels(o, info, element->tags, result, info->series[i].tags);
		}
	if (is_found || info->is_optional)
		vector_add(o, out, result, element->value);
}

struct vector oracle_info(struct oracle *o, const struct expr *expr)
{
	struct vector in = oracle_vector(o, expr->call.args[0]), out = { NULL, 0 };
	struct info info = select_info(o, expr->call.nargs > 1 ? expr->call.args[1] : NULL);
	expr_walk(expr->call.args[0], note_time, &info);
	info.series = oracle_samples(o, &info.selector, o->lookback_ms, 0, &info.n);
	for (size_t i = 0; i < info.n; i++)
		samples_drop_if_stale(&info.series[i]);
	for (size_t i = 0; i < in.n; i++)
		for (uint32_t k = 0; k < identity.n && !is_info_series(&info, in.items[i].tags);
		     k++)
			info.identifies[k] |= tags_get(in.items[i].tags, identifying[k]).len > 0;
	for (size_t i = 0; i < in.n; i++)
		add_element(o, &info, &in.items[i], &out);
	matcher_fini(&o->info_name);
	vector_check(o, &out);
	return out;
}
