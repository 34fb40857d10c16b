#include "rules/series_values.h"

#include "base/error.h"
#include "base/text.h"
#include "rules/expr.h"

#define ITEMS_MIN 64

struct values_parser {
	const struct source *source;
	struct arena *arena;
	struct diag_list *diags;
	struct series_values out;
	size_t cap;
	struct slice item; /* the one being read */
};

static int complain(struct values_parser *parser, int code, const char *why)
{
	size_t at = (size_t)(parser->item.ptr - parser->source->text.ptr);
	diag_add_at(parser->diags, DIAG_ERROR, parser->source, at, parser->item.len,
		    "items are numbers, a+bxN, axN, _, _xN or stale, with spaces between",
		    "%s in \"" SLICE_FMT "\"", why, SLICE_ARG(parser->item));
	return code;
}

static int add(struct values_parser *parser, struct series_value value)
{
	struct series_values *out = &parser->out;
	if (out->n == SERIES_VALUES_MAX)
		return complain(parser, ERR_LIMIT, "too many points");
	if (out->n == parser->cap) {
		size_t cap = parser->cap ? 2 * parser->cap : ITEMS_MIN;
		struct series_value *items = ARENA_ARRAY(parser->arena, struct series_value, cap);
		if (!items)
			return ERR_NOMEM;
		if (out->n > 0)
			memcpy(items, out->items, out->n * sizeof(*items));
		out->items = items;
		parser->cap = cap;
	}
	out->items[out->n++] = value;
	return 0;
}

/* Splits "…xN" behind its count. A hexadecimal number is none here, as in Prometheus. */
static int split_count(struct values_parser *parser, struct slice *text, bool *is_repeated,
		       uint64_t *count)
{
	ptrdiff_t x = slice_find(*text, 'x');
	*is_repeated = x >= 0;
	*count = 0;
	if (x < 0)
		return 0;
	struct slice digits = { text->ptr + x + 1, text->len - (size_t)x - 1 };
	text->len = (size_t)x;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return complain(parser, ERR_INVALID, "no count after x");
		*count = *count * 10 + (uint64_t)(digits.ptr[i] - '0');
		if (*count > SERIES_VALUES_MAX)
			return complain(parser, ERR_LIMIT, "too many points");
	}
	return digits.len ? 0 : complain(parser, ERR_INVALID, "no count after x");
}

/* Where the step of a+b begins: at a sign that is neither the first byte nor an exponent's. */
static size_t step_at(struct slice text)
{
	for (size_t i = 1; i < text.len; i++) {
		bool sign = text.ptr[i] == '+' || text.ptr[i] == '-';
		bool exponent = text.ptr[i - 1] == 'e' || text.ptr[i - 1] == 'E';
		if (sign && !exponent)
			return i;
	}
	return text.len;
}

static int add_numbers(struct values_parser *parser, struct slice text, bool is_repeated,
		       uint64_t count)
{
	size_t at = step_at(text);
	double value, step = 0;
	int code = number_parse((struct slice){ text.ptr, at }, &value);
	if (!code && at < text.len)
		code = is_repeated
			       ? number_parse((struct slice){ text.ptr + at, text.len - at }, &step)
			       : ERR_INVALID;
	if (code)
		return complain(parser, code, "no number");
	for (uint64_t i = 0; i <= count && !code; i++) {
		code = add(parser, (struct series_value){ value, SERIES_NUMBER });
		if (at < text.len)
			value += step;
	}
	return code;
}

static int add_item(struct values_parser *parser)
{
	struct slice text = parser->item;
	bool is_repeated, is_gap = text.ptr[0] == '_';
	uint64_t count;
	if (slice_has_prefix(text, SLICE("{{")))
		return complain(parser, ERR_INVALID, "native histograms are not supported yet");
	int code = split_count(parser, &text, &is_repeated, &count);
	if (code)
		return code;
	if (!is_gap && !slice_is(text, "stale"))
		return add_numbers(parser, text, is_repeated, count);
	if (is_gap && text.len > 1)
		return complain(parser, ERR_INVALID, "no item");
	/* _xN leaves out N points, stalexN writes N + 1 markers. */
	uint64_t n = is_gap ? (is_repeated ? count : 1) : count + 1;
	for (uint64_t i = 0; i < n && !code; i++)
		code = add(parser,
			   (struct series_value){ 0, is_gap ? SERIES_NOTHING : SERIES_STALE });
	return code;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int series_values_parse(const struct source *source, struct arena *arena, struct diag_list *diags,
			struct series_values *out)
{
	struct values_parser parser = { .source = source, .arena = arena, .diags = diags };
	struct slice text = source->text;
	int code = 0;
	for (size_t at = 0; at < text.len && !code;) {
		size_t end = at;
		while (end < text.len && !is_space(text.ptr[end]))
			end++;
		parser.item = (struct slice){ text.ptr + at, end - at };
		if (end > at)
			code = add_item(&parser);
		at = end + 1;
	}
	if (!code)
		*out = parser.out;
	return code;
}

static int labels_of(const struct source *source, const struct expr *expr, struct arena *arena,
		     struct diag_list *diags, struct labels **out)
{
	bool is_series = expr->kind == EXPR_SELECTOR && expr->type == VALUE_VECTOR &&
			 expr->selector.offset_ms == 0;
	uint32_t n = is_series ? expr->selector.nmatchers : 0;
	struct label *pairs = ARENA_ARRAY(arena, struct label, n + 1);
	const char *why = "no series: write metric{label=\"value\"}";
	if (!pairs)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct matcher *matcher = &expr->selector.matchers[i];
		is_series &= matcher->type == MATCH_EQ;
		pairs[i] = (struct label){ matcher_name(matcher), matcher_value(matcher) };
	}
	int code = is_series ? labels_new(pairs, n, out, &why) : ERR_INVALID;
	if (code && code != ERR_NOMEM)
		diag_add_at(diags, DIAG_ERROR, source, 0, source->text.len, NULL, "%s", why);
	return code == ERR_NOMEM || !code ? code : ERR_INVALID;
}

int series_labels_parse(const struct source *source, struct arena *arena, struct diag_list *diags,
			struct labels **out)
{
	struct slice text = slice_trim(source->text);
	struct expr *expr;
	if (text.len == 0 || slice_is(text, "{}"))
		return labels_new(NULL, 0, out, NULL);
	int code = expr_parse_dialect(source, EXPR_PROMETHEUS, arena, diags, &expr);
	if (code)
		return code == ERR_NOMEM ? code : ERR_INVALID;
	code = labels_of(source, expr, arena, diags, out);
	expr_fini(expr);
	return code;
}
