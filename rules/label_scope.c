#include "rules/label_scope.h"

#include "base/error.h"
#include "base/labels.h"

/* What finding shares. */
struct finder {
	const struct label_scope_options *options;
	struct arena *arena;
	bool failed; /* no memory */
};

static struct label_scope find(struct finder *finder, const struct expr *expr);

/* Sets of names */

static bool is_lacking(const struct label_scope *scope, struct slice name)
{
	for (uint32_t i = 0; i < scope->nlacks; i++)
		if (slice_is_equal(scope->lacks[i], name))
			return true;
	return false;
}

static bool is_mentioned(const struct label_scope *scope, struct slice name)
{
	for (uint32_t i = 0; i < scope->nhas; i++)
		if (slice_is_equal(scope->has[i].name, name))
			return true;
	return false;
}

bool label_scope_may_have(const struct label_scope *scope, struct slice name)
{
	return is_mentioned(scope, name) || (!scope->closed && !is_lacking(scope, name));
}

/* A copy with room for `more` names on either side. */
static struct label_scope copy(struct finder *finder, const struct label_scope *from, uint32_t more)
{
	struct label_scope scope = { .closed = from->closed };
	scope.has = ARENA_ARRAY(finder->arena, struct label_mention, from->nhas + more + 1);
	scope.lacks = ARENA_ARRAY(finder->arena, struct slice, from->nlacks + more + 1);
	finder->failed = finder->failed || !scope.has || !scope.lacks;
	if (finder->failed)
		return (struct label_scope){ .closed = from->closed };
	for (uint32_t i = 0; i < from->nhas; i++)
		scope.has[scope.nhas++] = from->has[i];
	for (uint32_t i = 0; i < from->nlacks; i++)
		scope.lacks[scope.nlacks++] = from->lacks[i];
	return scope;
}

/* Where the name stands: of names that were unquoted only the expression is known. */
static struct label_mention mention(const struct finder *finder, const struct expr *expr,
				    struct slice name)
{
	struct slice text = finder->options->source->text;
	if (name.len > 0 && name.ptr >= text.ptr && name.ptr + name.len <= text.ptr + text.len)
		return (struct label_mention){ name, (uint32_t)(name.ptr - text.ptr),
					       (uint32_t)name.len };
	return (struct label_mention){ name, expr->offset, expr->span };
}

/* The scope must have room. */
static void forget(struct label_scope *scope, struct slice name)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < scope->nhas; i++)
		if (!slice_is_equal(scope->has[i].name, name))
			scope->has[n++] = scope->has[i];
	scope->nhas = n;
	if (!scope->closed && !is_lacking(scope, name))
		scope->lacks[scope->nlacks++] = name;
}

static void add(struct label_scope *scope, struct label_mention mention)
{
	uint32_t n = 0;
	if (!is_mentioned(scope, mention.name))
		scope->has[scope->nhas++] = mention;
	for (uint32_t i = 0; i < scope->nlacks; i++)
		if (!slice_is_equal(scope->lacks[i], mention.name))
			scope->lacks[n++] = scope->lacks[i];
	scope->nlacks = n;
}

static struct label_scope without(struct finder *finder, struct label_scope from,
				  const struct names *names)
{
	struct label_scope scope = copy(finder, &from, names->n);
	for (uint32_t i = 0; i < names->n && !finder->failed; i++)
		forget(&scope, names->items[i]);
	return scope;
}

static struct label_scope without_one(struct finder *finder, struct label_scope from,
				      struct slice name)
{
	return without(finder, from, &(struct names){ &name, 1 });
}

/* Those names that the elements can have. */
static struct label_scope only(struct finder *finder, const struct label_scope *from,
			       const struct expr *expr, const struct names *names)
{
	struct label_scope scope = copy(finder, &(struct label_scope){ .closed = true }, names->n);
	for (uint32_t i = 0; i < names->n && !finder->failed; i++)
		if (label_scope_may_have(from, names->items[i]))
			add(&scope, mention(finder, expr, names->items[i]));
	return scope;
}

static struct label_scope with(struct finder *finder, struct label_scope from,
			       const struct expr *expr, struct slice name)
{
	struct label_scope scope = copy(finder, &from, 1);
	if (!finder->failed)
		add(&scope, mention(finder, expr, name));
	return scope;
}

/* Elements of either. */
static struct label_scope either(struct finder *finder, struct label_scope a, struct label_scope b)
{
	struct label_scope scope = copy(finder, &a, b.nhas + b.nlacks);
	scope.nlacks = 0;
	scope.closed = a.closed && b.closed;
	for (uint32_t i = 0; i < b.nhas && !finder->failed; i++)
		if (!is_mentioned(&scope, b.has[i].name))
			scope.has[scope.nhas++] = b.has[i];
	if (scope.closed || finder->failed)
		return scope;
	for (uint32_t i = 0; i < a.nlacks; i++)
		if (!label_scope_may_have(&b, a.lacks[i]))
			scope.lacks[scope.nlacks++] = a.lacks[i];
	for (uint32_t i = 0; i < b.nlacks; i++)
		if (!label_scope_may_have(&a, b.lacks[i]) && !is_lacking(&scope, b.lacks[i]))
			scope.lacks[scope.nlacks++] = b.lacks[i];
	return scope;
}

/* Expressions */

/* What is said with "=". Of lines a pipeline may add any label, and take any away. */
static OUT_OF_LINE struct label_scope of_selector(struct finder *finder, const struct expr *expr)
{
	static const struct label_scope any = { .closed = false };
	const struct label_scope_options *options = finder->options;
	const struct label_scope *known =
		options->recorded ? options->recorded(options->ctx, expr) : NULL;
	struct label_scope scope = copy(finder, known ? known : &any, expr->selector.nmatchers);
	for (uint32_t i = 0; i < expr->selector.nmatchers && !finder->failed; i++) {
		const struct matcher *matcher = &expr->selector.matchers[i];
		struct slice name = matcher_name(matcher);
		if (matcher->type != MATCH_EQ || slice_is(name, METRIC_NAME) || expr->selector.log)
			continue;
		if (matcher->value_len == 0)
			forget(&scope, name);
		else
			add(&scope, mention(finder, expr, name));
	}
	return scope;
}

static const struct label_scope nothing = { .closed = true };

/* The one element of absent() has what the selector says with "=". */
static struct label_scope of_absent(struct finder *finder, const struct expr *argument)
{
	while (argument->kind == EXPR_PAREN)
		argument = argument->unary.operand;
	if (argument->kind != EXPR_SELECTOR || argument->selector.log)
		return nothing;
	struct label_scope scope = of_selector(finder, argument);
	scope.closed = true;
	scope.nlacks = 0;
	return scope;
}

/*
 * label_replace(v, "name", "replacement", …), label_join(v, "name", "separator", …). scope: of v,
 * which is looked at only once: twice at each level would double the work with each.
 */
static struct label_scope of_labelling(struct finder *finder, const struct expr *expr,
				       struct label_scope scope)
{
	struct slice name = expr->call.args[1]->string;
	bool is_removal =
		expr->call.function->id == FN_LABEL_REPLACE && expr->call.args[2]->string.len == 0;
	if (slice_is(name, METRIC_NAME))
		return scope;
	return is_removal ? without_one(finder, scope, name) : with(finder, scope, expr, name);
}

static OUT_OF_LINE struct label_scope of_call(struct finder *finder, const struct expr *expr)
{
	const struct function *function = expr->call.function;
	struct label_scope scope = nothing;
	for (uint32_t i = 0; i < expr->call.nargs; i++) {
		enum value_type type = expr->call.args[i]->type;
		if (type != VALUE_SCALAR && type != VALUE_STRING && !(function->id == FN_INFO && i))
			scope = find(finder, expr->call.args[i]);
	}
	if (function->returns == 's')
		return nothing;
	if (expr->call.is_grouped)
		return expr->call.without ? without(finder, scope, &expr->call.labels)
					  : only(finder, &scope, expr, &expr->call.labels);
	switch (function->id) {
	case FN_ABSENT:
	case FN_ABSENT_OVER_TIME:
		return of_absent(finder, expr->call.args[0]);
	case FN_LABEL_REPLACE:
	case FN_LABEL_JOIN:
		return of_labelling(finder, expr, scope);
	case FN_INFO: /* adds whatever there is */
		scope.closed = false;
		scope.nlacks = 0;
		return scope;
	case FN_HISTOGRAM_QUANTILE:
	case FN_HISTOGRAM_FRACTION:
		return without_one(finder, scope, SLICE("le"));
	case FN_HISTOGRAM_QUANTILES:
		return with(finder, without_one(finder, scope, SLICE("le")), expr,
			    expr->call.args[1]->string);
	default:
		return scope;
	}
}

static void visit(const struct finder *finder, const struct expr *expr,
		  const struct label_scope *operands)
{
	if (finder->options->visit && !finder->failed)
		finder->options->visit(finder->options->ctx, expr, operands);
}

static OUT_OF_LINE struct label_scope of_aggregate(struct finder *finder, const struct expr *expr)
{
	struct label_scope scope = find(finder, expr->aggregate.operand);
	visit(finder, expr, &scope);
	switch (expr->aggregate.op) {
	case AGG_TOPK:
	case AGG_BOTTOMK:
	case AGG_LIMITK:
	case AGG_LIMIT_RATIO:
		return scope;
	default:
		break;
	}
	scope = expr->aggregate.without ? without(finder, scope, &expr->aggregate.labels)
					: only(finder, &scope, expr, &expr->aggregate.labels);
	if (expr->aggregate.op == AGG_COUNT_VALUES && expr->aggregate.param->kind == EXPR_STRING)
		scope = with(finder, scope, expr, expr->aggregate.param->string);
	return scope;
}

/* The labels of the side that is many, those named taken from the other. */
static struct label_scope of_many(struct finder *finder, const struct expr *expr,
				  struct label_scope many, struct label_scope one)
{
	const struct names *include = &expr->binary.include;
	struct label_scope scope = copy(finder, &many, include->n);
	for (uint32_t i = 0; i < include->n && !finder->failed; i++) {
		if (label_scope_may_have(&one, include->items[i]))
			add(&scope, mention(finder, expr, include->items[i]));
		else
			forget(&scope, include->items[i]);
	}
	return scope;
}

static OUT_OF_LINE struct label_scope of_operands(struct finder *finder, const struct expr *expr,
						  struct label_scope left, struct label_scope right)
{
	if (expr->binary.left->type == VALUE_VECTOR && expr->binary.right->type == VALUE_VECTOR)
		visit(finder, expr, (struct label_scope[]){ left, right });
	if (expr->binary.op == OP_OR)
		return either(finder, left, right);
	if (binary_op_is_set(expr->binary.op) || expr->binary.right->type == VALUE_SCALAR)
		return left;
	if (expr->binary.left->type == VALUE_SCALAR)
		return right;
	if (expr->binary.card == CARD_MANY_TO_ONE)
		return of_many(finder, expr, left, right);
	if (expr->binary.card == CARD_ONE_TO_MANY)
		return of_many(finder, expr, right, left);
	if (expr->binary.fills[0])
		left = either(finder, left, right);
	return expr->binary.on ? only(finder, &left, expr, &expr->binary.labels)
			       : without(finder, left, &expr->binary.labels);
}

static struct label_scope of_binary(struct finder *finder, const struct expr *expr)
{
	struct label_scope left = find(finder, expr->binary.left);
	struct label_scope right = find(finder, expr->binary.right);
	return of_operands(finder, expr, left, right);
}

/* Recursion is bounded by the tree's height. */
static struct label_scope find(struct finder *finder, const struct expr *expr)
{
	switch (expr->kind) {
	case EXPR_SELECTOR:
		return of_selector(finder, expr);
	case EXPR_SUBQUERY:
		return find(finder, expr->subquery.operand);
	case EXPR_CALL:
		return of_call(finder, expr);
	case EXPR_UNARY:
	case EXPR_PAREN:
		return find(finder, expr->unary.operand);
	case EXPR_BINARY:
		return of_binary(finder, expr);
	case EXPR_AGGREGATE:
		return of_aggregate(finder, expr);
	default:
		return nothing;
	}
}

int label_scope_find(const struct expr *expr, const struct label_scope_options *options,
		     struct label_scope *out)
{
	struct finder finder = { options, options->arena, false };
	*out = find(&finder, expr);
	return finder.failed ? ERR_NOMEM : 0;
}

int label_scope_join(const struct label_scope *a, const struct label_scope *b, struct arena *arena,
		     struct label_scope *out)
{
	struct finder finder = { NULL, arena, false };
	*out = either(&finder, *a, *b);
	return finder.failed ? ERR_NOMEM : 0;
}
