/*
 * What the `query` calls in the templates of alerting rules read: so that it is kept, as what the
 * rules' expressions read is.
 *
 * A query's text may have holes, which only the alert fills. It is parsed with something in their
 * place; then the matchers that have a hole are left out, so that the selectors hold whatever the
 * holes may become. A range, an offset or a log selector with a hole, or a selector of which nothing
 * is left, cannot be told: a warning says so.
 */
#include "rules/rule_build.h"
#include "rules/template_queries.h"
#include "rules/warning.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define STAND_IN "tocsin_hole" /* for a hole, where a name or a text may stand */
#define WHY_BYTES_MAX 200

/* ---- an expression of a text with holes ---- */

static bool is_hole(char c)
{
	return c == TEMPLATE_HOLE || c == TEMPLATE_NUMBER_HOLE;
}

static bool has_holes(struct slice text)
{
	return slice_find(text, TEMPLATE_HOLE) >= 0 || slice_find(text, TEMPLATE_NUMBER_HOLE) >= 0;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == ':';
}

/* Does the hole touch a word, whose part it is then? */
static bool is_part(struct slice text, size_t at)
{
	return (at > 0 && (is_word(text.ptr[at - 1]) || is_hole(text.ptr[at - 1]))) ||
	       (at + 1 < text.len && (is_word(text.ptr[at + 1]) || is_hole(text.ptr[at + 1])));
}

/* The quote that is open behind the byte; 0: none. */
static char quote_after(struct slice text, size_t at, char quote)
{
	char c = text.ptr[at];
	if (!quote)
		return c == '"' || c == '\'' || c == '`' ? c : 0;
	bool escaped = quote != '`' && at > 0 && text.ptr[at - 1] == '\\';
	return c == quote && !escaped ? 0 : quote;
}

/* What stands for holes that stand alone: a number, or (NULL) a name. */
static int fill(struct slice text, const char *number, struct arena *arena, struct source *out)
{
	struct buf filled;
	char quote = 0;
	buf_init(&filled);
	for (size_t i = 0; i < text.len; i++) {
		bool alone = !quote && !is_part(text, i);
		if (!is_hole(text.ptr[i]))
			buf_add_char(&filled, text.ptr[i]);
		else if (alone && text.ptr[i] == TEMPLATE_NUMBER_HOLE)
			buf_add_str(&filled, number ? number : "1");
		else
			buf_add_str(&filled, alone && number ? number : STAND_IN);
		quote = quote_after(text, i, quote);
	}
	struct slice copy = arena_slice(arena, buf_slice(&filled));
	int code = buf_ok(&filled) && (copy.ptr || text.len == 0) ? 0 : ERR_NOMEM;
	buf_fini(&filled);
	*out = (struct source){ .text = copy, .line0 = 1, .column0 = 1 };
	return code;
}

/* Where a rule asks. */
struct asking {
	struct rule_set *set;
	struct diag_list *diags;
	enum expr_dialect dialect;
	const struct rule_text *text;
	const struct template_query *query;
};

/* What is wrong is told to nobody but `why`, which gets the first complaint. */
static int parse(const struct asking *asking, const char *number, char why[WHY_BYTES_MAX],
		 struct expr **out)
{
	struct arena *arena = &asking->set->arena;
	struct diag_list diags;
	struct source *source = ARENA_NEW(arena, struct source);
	int code = source ? fill(asking->query->text, number, arena, source) : ERR_NOMEM;
	if (code)
		return code;
	diag_list_init(&diags);
	code = expr_parse_dialect(source, asking->dialect, arena, &diags, out);
	if (!code) {
		code = expr_resolve(*out, &(struct query_bounds){ 0, 0, 0 }, source, &diags);
		if (code)
			expr_fini(*out);
	}
	if (code && diags.n > 0)
		snprintf(why, WHY_BYTES_MAX, "%s", diags.items[0].message);
	diag_list_fini(&diags);
	return code;
}

/* ---- do its times stand firm, and what it wants of log lines? ---- */

struct times {
	uint64_t sum; /* of all that must not depend on a hole */
	bool has_selector;
	bool has_lines_of_hole; /* a text within a log selector is filled in */
};

static void sum_add(struct times *times, uint64_t part)
{
	times->sum = times->sum * 1099511628211u + part;
}

/* Lines are counted as they come, long before an alert fills a hole. */
static void lines_add(struct times *times, const struct expr *selector)
{
	struct buf text;
	buf_init(&text);
	expr_format(selector, &text);
	for (size_t i = 0; i < text.len; i++)
		sum_add(times, (unsigned char)text.ptr[i]);
	times->has_lines_of_hole |= !buf_ok(&text) || strstr(text.ptr, STAND_IN);
	buf_fini(&text);
}

static void times_add(void *ctx, const struct expr *expr)
{
	struct times *times = ctx;
	uint64_t parts[4] = { expr->at, (uint64_t)expr->at_ms };
	if (expr->kind == EXPR_SELECTOR && expr->selector.log)
		lines_add(times, expr);
	if (expr->kind == EXPR_SELECTOR) {
		parts[2] = (uint64_t)expr->selector.range_ms;
		parts[3] = (uint64_t)expr->selector.offset_ms;
		times->has_selector = true;
	} else if (expr->kind == EXPR_SUBQUERY) {
		parts[2] = (uint64_t)expr->subquery.range_ms;
		parts[3] = (uint64_t)expr->subquery.offset_ms;
	} else {
		return;
	}
	for (size_t i = 0; i < 4; i++)
		sum_add(times, parts[i]);
}

/* With another number in the place of the holes the times would be others. */
static bool has_firm_times(const struct asking *asking, const struct times *times)
{
	struct expr *other;
	char why[WHY_BYTES_MAX];
	struct times others = { 0 };
	if (times->has_lines_of_hole)
		return false;
	if (!has_holes(asking->query->text) || parse(asking, "3", why, &other))
		return true;
	expr_walk(other, times_add, &others);
	expr_fini(other);
	return others.sum == times->sum;
}

/* ---- widening ---- */

struct widening {
	bool all; /* some selector holds everything */
};

static bool has_stand_in(const char *text, size_t len)
{
	return memmem(text, len, STAND_IN, strlen(STAND_IN)) != NULL;
}

/* The tree is ours to change. */
static void widen_selector(void *ctx, const struct expr *const_expr)
{
	struct widening *widening = ctx;
	struct expr *expr = (struct expr *)const_expr;
	uint32_t kept = 0;
	bool holds_something = false;
	if (expr->kind != EXPR_SELECTOR)
		return;
	for (uint32_t i = 0; i < expr->selector.nmatchers; i++) {
		struct matcher *matcher = &expr->selector.matchers[i];
		if (has_stand_in(matcher->name, matcher->name_len) ||
		    has_stand_in(matcher->value, matcher->value_len)) {
			if (i + 1 == expr->selector.nmatchers)
				expr->selector.is_named = false;
			matcher_fini(matcher);
			continue;
		}
		holds_something |= !matcher_is_match(matcher, SLICE(""));
		expr->selector.matchers[kept++] = *matcher;
	}
	expr->selector.nmatchers = kept;
	widening->all |= !holds_something;
}

/* ---- one query ---- */

static void warn(const struct asking *asking, const char *hint, const char *message,
		 const char *why)
{
	rule_warn_at(asking->diags, WARN_QUERY, asking->text->source, asking->query->offset,
		     asking->query->span, hint, "%s%s", message, why);
}

static void warn_unknown(const struct asking *asking)
{
	warn(asking,
	     "write metric names, ranges, offsets and log selectors out in the text of the query; "
	     "only values of metrics' labels may be filled in",
	     "cannot tell which series this query reads: it finds what rules read, and no more",
	     "");
}

/*
 * The expression to demand, in the arena. *out is NULL when there is nothing to demand, or after a
 * warning. ERR_NOMEM.
 */
static int widened(const struct asking *asking, struct expr **out)
{
	struct slice text = asking->query->text;
	char why[WHY_BYTES_MAX] = "";
	struct expr *expr = NULL;
	struct widening widening = { 0 };
	struct times times = { 0 };
	*out = NULL;
	if (text.len == 1 && is_hole(text.ptr[0])) {
		warn_unknown(asking);
		return 0;
	}
	int code = parse(asking, "1", why, &expr);
	if (code && code != ERR_NOMEM && has_holes(text))
		code = parse(asking, NULL, why, &expr);
	if (code == ERR_NOMEM)
		return code;
	if (code) {
		if (has_holes(text))
			warn_unknown(asking);
		else
			warn(asking, NULL, "this query will fail: ", why);
		return 0;
	}
	expr_walk(expr, times_add, &times);
	expr_walk(expr, widen_selector, &widening);
	bool is_known = !widening.all && has_firm_times(asking, &times);
	if (!is_known)
		warn_unknown(asking);
	if (is_known && times.has_selector)
		*out = expr;
	else
		expr_fini(expr);
	return 0;
}

static int demand_add(struct rule_set *set, struct expr *expr)
{
	if (set->ndemands == set->demands_cap) {
		uint32_t cap = set->demands_cap ? 2 * set->demands_cap : 8;
		struct rule_root *grown = ARENA_ARRAY(&set->arena, struct rule_root, cap);
		if (!grown)
			return ERR_NOMEM;
		if (set->ndemands)
			memcpy(grown, set->demands, set->ndemands * sizeof(*grown));
		set->demands = grown;
		set->demands_cap = cap;
	}
	struct rule_root *demand = &set->demands[set->ndemands];
	*demand = (struct rule_root){ 0 };
	int code = plan_add(set->plan, expr, &demand->root);
	if (!code)
		code = plan_order(set->plan, demand->root, &demand->order, &demand->norder);
	if (!code)
		set->ndemands++;
	return code;
}

static int demand_query(const struct asking *asking)
{
	struct expr *expr;
	int code = widened(asking, &expr);
	if (code || !expr)
		return code;
	code = demand_add(asking->set, expr);
	expr_fini(expr);
	if (code && code != ERR_NOMEM)
		diag_add_at(asking->diags, DIAG_ERROR, asking->text->source, asking->query->offset,
			    asking->query->span, NULL, "cannot plan this query: %s",
			    error_text(code));
	return code;
}

/* ---- all of them ---- */

/* What all texts ask for; *asks is set if one does. */
static int demand_texts(struct asking asking, const struct rule_text *texts, uint32_t n, bool *asks)
{
	int code = 0;
	for (uint32_t i = 0; i < n && !code; i++) {
		struct template_query *queries = NULL;
		uint32_t nqueries = 0;
		if (!texts[i].template || !template_uses_query(texts[i].template))
			continue;
		*asks = true;
		asking.text = &texts[i];
		code = template_queries(texts[i].template, &asking.set->arena, &queries, &nqueries);
		for (uint32_t k = 0; k < nqueries && !code; k++) {
			asking.query = &queries[k];
			code = demand_query(&asking);
		}
	}
	return code;
}

static int demand_rule(struct asking asking, struct rule *rule)
{
	int code = demand_texts(asking, rule->labels, rule->nlabels, &rule->labels_ask);
	return code ? code
		    : demand_texts(asking, rule->annotations, rule->nannotations,
				   &rule->annotations_ask);
}

int rule_queries_demand(struct rule_set *set, struct diag_list *diags)
{
	int code = 0;
	for (uint32_t g = 0; g < set->ngroups && !code; g++) {
		struct rule_group *group = &set->groups[g];
		struct asking asking = { .set = set,
					 .diags = diags,
					 .dialect = rule_dialect_expr(group->dialect) };
		for (uint32_t r = 0; r < group->nrules && !code; r++)
			code = demand_rule(asking, &group->rules[r]);
	}
	return code;
}
