/* Conditions of the short form: text → tree. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "rules/lexer.h"
#include "rules/quantity.h"
#include "rules/short_form.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum short_token {
	SHORT_END,
	SHORT_WORD,    /* AND, value, avg_over_1m, a.b.c */
	SHORT_LITERAL, /* 5, 50ms, -10MB, 80% */
	SHORT_COMPARE, /* > */
	SHORT_LEFT,
	SHORT_RIGHT,
	SHORT_OTHER,
};

struct short_reader {
	const struct short_form *form;
	const struct source *source; /* the condition's, or the metric's */
	struct arena *arena;
	struct diag_list *diags;
	uint32_t at; /* behind the token */
	enum short_token token;
	uint32_t offset, span; /* of the token */
	uint32_t depth, terms;
	int error;
};

static const struct short_node *parse_condition(struct short_reader *reader);

static const struct short_function short_functions[] = {
	{ "avg", "avg_over_time", false },
	{ "min", "min_over_time", false },
	{ "max", "max_over_time", false },
	{ "sum", "sum_over_time", false },
	{ "count", "count_over_time", true },
	{ "stddev", "stddev_over_time", false },
	{ "rate", "rate", true },
	{ "increase", "increase", false },
	{ "delta", "delta", false },
	{ "changes", "changes", true },
	{ "last", "last_over_time", false },
};

static const char *const profile_types[] = {
	"cpu", "heap_inuse", "heap_alloc", "goroutine", "mutex", "block", "wall",
};

static const char *const profile_summaries[] = {
	"sample_rate",
	"samples",
	"samples_per_second",
	"duration_seconds",
	"value",
	"value_total",
	"cpu_cores",
	"cpu_utilization",
	"function_self_ratio",
	"function_total_ratio",
	"up",
};

/* What a metric's name ends in says what it counts, and in what. */
static const struct ending {
	struct slice text;
	enum quantity_kind kind;
	double divisor; /* of nanoseconds, bytes or percents */
	const char *unit; /* it is … */
} endings[] = {
	{ { "_ns", 3 }, QUANTITY_DURATION, 1, "in nanoseconds" },
	{ { "_us", 3 }, QUANTITY_DURATION, 1e3, "in microseconds" },
	{ { "_ms", 3 }, QUANTITY_DURATION, 1e6, "in milliseconds" },
	{ { "_s", 2 }, QUANTITY_DURATION, 1e9, "in seconds" },
	{ { "_seconds", 8 }, QUANTITY_DURATION, 1e9, "in seconds" },
	{ { "_minutes", 8 }, QUANTITY_DURATION, 60e9, "in minutes" },
	{ { "_hours", 6 }, QUANTITY_DURATION, 3600e9, "in hours" },
	{ { "_days", 5 }, QUANTITY_DURATION, 86400e9, "in days" },
	{ { "_bytes", 6 }, QUANTITY_BYTES, 1, "in bytes" },
	{ { "_ratio", 6 }, QUANTITY_PERCENT, 100, "a ratio" },
	{ { "_percent", 8 }, QUANTITY_PERCENT, 1, "in percents" },
};

/* Messages */

static void complain_at(struct short_reader *reader, uint32_t offset, uint32_t span,
			const char *hint, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void complain_at(struct short_reader *reader, uint32_t offset, uint32_t span,
			const char *hint, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	diag_add_at(reader->diags, DIAG_ERROR, reader->source, offset, span ? span : 1, hint, "%s",
		    message);
	reader->error = ERR_INVALID;
}

static struct slice token_of(const struct short_reader *reader)
{
	return (struct slice){ reader->source->text.ptr + reader->offset, reader->span };
}

static void complain(struct short_reader *reader, const char *hint, const char *expected)
{
	struct slice text = token_of(reader);

	if (reader->token == SHORT_END)
		complain_at(reader, reader->offset, 1, hint, "the condition ends where %s is due",
			    expected);
	else
		complain_at(reader, reader->offset, reader->span, hint,
			    "unexpected \"" SLICE_FMT "\", expected %s",
			    text.len < 100 ? (int)text.len : 100, text.ptr, expected);
}

/* did you mean "x"? */
static const char *meant(char *hint, size_t size, struct slice word, const char *const *names,
			 size_t n)
{
	const char *near = nearest_name(word, names, n);

	if (!near)
		return NULL;
	snprintf(hint, size, "did you mean \"%s\"?", near);
	return hint;
}

/* Tokens */

static int byte_at(const struct short_reader *reader, uint32_t at)
{
	return at < reader->source->text.len ? (unsigned char)reader->source->text.ptr[at] : -1;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_byte(int c)
{
	return is_letter(c) || is_digit(c) || c == '.' || c == ':';
}

static uint32_t end_of_literal(const struct short_reader *reader, uint32_t at)
{
	if (byte_at(reader, at) == '-' || byte_at(reader, at) == '+')
		at++;
	for (int c; is_name_byte(c = byte_at(reader, at)) || c == '%'; at++) {
		int next = byte_at(reader, at + 1);

		if ((c | 0x20) == 'e' && (next == '+' || next == '-') &&
		    is_digit(byte_at(reader, at - 1)))
			at++;
	}
	return at;
}

static bool is_literal_start(const struct short_reader *reader, uint32_t at)
{
	if (byte_at(reader, at) == '-' || byte_at(reader, at) == '+')
		at++;
	return is_digit(byte_at(reader, at)) ||
	       (byte_at(reader, at) == '.' && is_digit(byte_at(reader, at + 1)));
}

static enum short_token comparison_at(const struct short_reader *reader, uint32_t *end)
{
	static const char *const texts[] = { "==", "!=", ">=", "<=", ">", "<" };
	struct slice rest = { reader->source->text.ptr + reader->offset,
			      reader->source->text.len - reader->offset };

	for (size_t i = 0; i < LENGTH(texts); i++) {
		if (slice_has_prefix(rest, slice_from(texts[i]))) {
			*end = reader->offset + (uint32_t)strlen(texts[i]);
			return SHORT_COMPARE;
		}
	}
	*end = reader->offset + 1;
	while ((byte_at(reader, *end) & 0xc0) == 0x80 && byte_at(reader, *end) >= 0)
		++*end;
	return SHORT_OTHER;
}

static void advance(struct short_reader *reader)
{
	uint32_t end = reader->at;
	int c;

	while ((c = byte_at(reader, end)) == ' ' || c == '\t' || c == '\n' || c == '\r')
		end++;
	reader->offset = end;
	if (c < 0) {
		reader->token = SHORT_END;
	} else if (is_literal_start(reader, end)) {
		reader->token = SHORT_LITERAL;
		end = end_of_literal(reader, end);
	} else if (is_letter(c) || c == ':') {
		reader->token = SHORT_WORD;
		while (is_name_byte(byte_at(reader, end)))
			end++;
	} else if (c == '(' || c == ')') {
		reader->token = c == '(' ? SHORT_LEFT : SHORT_RIGHT;
		end++;
	} else {
		reader->token = comparison_at(reader, &end);
	}
	reader->span = end - reader->offset;
	reader->at = end;
}

static bool is_word(const struct short_reader *reader, const char *word)
{
	struct slice text = token_of(reader);

	return reader->token == SHORT_WORD && text.len == strlen(word) &&
	       strncasecmp(text.ptr, word, text.len) == 0;
}

static struct short_node *node_new(struct short_reader *reader, enum short_kind kind)
{
	struct short_node *node = ARENA_NEW(reader->arena, struct short_node);

	if (!node) {
		reader->error = ERR_NOMEM;
		return NULL;
	}
	node->kind = kind;
	node->offset = reader->offset;
	return node;
}

/* Metrics: a name, and {…} right behind it, whose inside is read by the parser of expressions. */

static bool parse_matchers(struct short_reader *reader, struct slice *out)
{
	uint32_t open = reader->at;
	struct lexer lexer;
	struct token token;

	if (byte_at(reader, open) != '{')
		return true;
	lexer_init(&lexer, reader->source->text);
	lexer.at = open;
	do {
		token = lexer_next(&lexer);
	} while (token.kind != TOKEN_BRACE_RIGHT && token.kind != TOKEN_END &&
		 token.kind != TOKEN_ERROR);
	if (token.kind != TOKEN_BRACE_RIGHT) {
		complain_at(reader, open, 1, NULL, "unclosed left brace");
		return false;
	}
	*out = slice_trim(
		(struct slice){ reader->source->text.ptr + open + 1, token.offset - open - 1 });
	reader->at = token.offset + 1;
	return true;
}

static bool parse_metric(struct short_reader *reader, struct short_metric *out)
{
	out->source = reader->source;
	out->offset = reader->offset;
	out->name = token_of(reader);
	return parse_matchers(reader, &out->matchers);
}

/* The rule's own metric: a text of its own. */
static bool use_own_metric(struct short_reader *reader, struct short_metric *out)
{
	struct slice word = token_of(reader);
	struct short_reader own = *reader;
	bool good;

	if (!reader->form->metric) {
		complain_at(reader, reader->offset, reader->span,
			    "name it: metric: http_requests_total",
			    "\"" SLICE_FMT "\" is of the rule's metric, and the rule has none",
			    SLICE_ARG(word));
		return false;
	}
	own.source = reader->form->metric;
	own.at = 0;
	advance(&own);
	if (own.token != SHORT_WORD) {
		complain_at(&own, own.offset, own.span, NULL,
			    "\"metric\" is no name of a metric, with or without matchers");
		good = false;
	} else {
		good = parse_metric(&own, out);
		advance(&own);
		if (good && own.token != SHORT_END) {
			complain_at(&own, own.offset, own.span,
				    "conditions and functions belong into \"condition\"",
				    "\"metric\" is a name, and {matchers} if there are any");
			good = false;
		}
	}
	reader->error = own.error;
	return good;
}

/* Functions: FN_over_DURATION */

/* pNN: digits, then perhaps "_" and more digits: p99_9 is 0.999. Divided once, so that it is exact.
 */
static bool quantile_of(struct slice word, double *out)
{
	double digits = 0, scale = 100;
	bool is_fraction = false;

	if (word.len < 2 || word.len > 12 || (word.ptr[0] | 0x20) != 'p' || !is_digit(word.ptr[1]))
		return false;
	for (size_t i = 1; i < word.len; i++) {
		if (word.ptr[i] == '_' && !is_fraction && i + 1 < word.len) {
			is_fraction = true;
			continue;
		}
		if (!is_digit(word.ptr[i]))
			return false;
		digits = digits * 10 + (word.ptr[i] - '0');
		scale *= is_fraction ? 10 : 1;
	}
	*out = digits / scale;
	return *out <= 1;
}

static const struct short_function *function_of(struct slice word)
{
	for (size_t i = 0; i < LENGTH(short_functions); i++)
		if (word.len == strlen(short_functions[i].word) &&
		    strncasecmp(word.ptr, short_functions[i].word, word.len) == 0)
			return &short_functions[i];
	return NULL;
}

/* Splits a word at its last "_over_". */
static bool split_function(struct slice word, struct slice *function, struct slice *duration)
{
	static const char over[] = "_over_";
	size_t n = sizeof(over) - 1;

	for (size_t at = word.len > n ? word.len - n : 0; at > 0; at--) {
		if (strncasecmp(word.ptr + at, over, n) != 0)
			continue;
		*function = (struct slice){ word.ptr, at };
		*duration = (struct slice){ word.ptr + at + n, word.len - at - n };
		return slice_find(word, '.') < 0 && slice_find(word, ':') < 0;
	}
	return false;
}

static void complain_function(struct short_reader *reader, struct slice word)
{
	const char *names[LENGTH(short_functions)];
	char hint[96];

	for (size_t i = 0; i < LENGTH(short_functions); i++)
		names[i] = short_functions[i].word;
	if (!meant(hint, sizeof(hint), word, names, LENGTH(short_functions)))
		snprintf(hint, sizeof(hint),
			 "there are avg min max sum count stddev rate increase delta changes last, "
			 "and p50, p99_9, …");
	complain_at(reader, reader->offset, (uint32_t)word.len, hint,
		    "unknown function \"" SLICE_FMT "\" in \"" SLICE_FMT "\"", SLICE_ARG(word),
		    SLICE_ARG(token_of(reader)));
}

/* In any case, like all words: units have none that differ by it. */
static bool parse_duration(struct slice text, int64_t *ms)
{
	char lower[32];

	if (text.len > sizeof(lower))
		return false;
	for (size_t i = 0; i < text.len; i++)
		lower[i] = is_letter(text.ptr[i]) ? (char)(text.ptr[i] | 0x20) : text.ptr[i];
	return duration_parse((struct slice){ lower, text.len }, ms) == 0 && *ms > 0;
}

static bool parse_function(struct short_reader *reader, struct slice word, struct slice duration,
			   struct short_node *node)
{
	node->operand = SHORT_FUNCTION;
	node->function = function_of(word);
	if (!node->function && !quantile_of(word, &node->quantile)) {
		complain_function(reader, word);
		return false;
	}
	if (!parse_duration(duration, &node->range_ms)) {
		complain_at(reader,
			    reader->offset + (uint32_t)(duration.ptr - token_of(reader).ptr),
			    (uint32_t)duration.len, "30s, 5m, 1h30m",
			    "\"" SLICE_FMT "\" is no duration", SLICE_ARG(duration));
		return false;
	}
	return use_own_metric(reader, &node->metric);
}

/* Profiles: pprof.KIND.SUMMARY */

static bool is_one_of(struct slice word, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_is(word, names[i]))
			return true;
	return false;
}

/* Is one the beginning of the other? "heap", "goroutines" */
static const char *related_type(struct slice word)
{
	for (size_t i = 0; word.len > 0 && i < LENGTH(profile_types); i++) {
		struct slice type = slice_from(profile_types[i]);

		if (slice_has_prefix(type, word) || slice_has_prefix(word, type))
			return profile_types[i];
	}
	return NULL;
}

static bool check_profile_type(struct short_reader *reader, struct slice type)
{
	const char *near = related_type(type);
	char hint[64];

	if (is_one_of(type, profile_types, LENGTH(profile_types)))
		return true;
	if (near)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", near);
	else if (!meant(hint, sizeof(hint), type, profile_types, LENGTH(profile_types)))
		snprintf(hint, sizeof(hint),
			 "cpu heap_inuse heap_alloc goroutine mutex block wall");
	complain_at(reader, reader->offset + (uint32_t)(type.ptr - token_of(reader).ptr),
		    (uint32_t)type.len, hint, "unknown profile type \"" SLICE_FMT "\"",
		    SLICE_ARG(type));
	return false;
}

static bool parse_profile(struct short_reader *reader, struct short_node *node)
{
	struct slice word = token_of(reader), type = { word.ptr + strlen("pprof."), 0 }, summary;
	const size_t head = strlen("pprof.");
	ptrdiff_t dot = slice_find((struct slice){ type.ptr, word.len - head }, '.');
	char hint[64];

	if (dot < 0) {
		complain_at(reader, reader->offset, reader->span, "pprof.cpu.sample_rate",
			    "a profile's summary is pprof.KIND.SUMMARY");
		return false;
	}
	type.len = (size_t)dot;
	summary = (struct slice){ type.ptr + dot + 1, word.len - head - (size_t)dot - 1 };
	if (!check_profile_type(reader, type))
		return false;
	if (!is_one_of(summary, profile_summaries, LENGTH(profile_summaries))) {
		complain_at(reader, reader->offset + (uint32_t)(summary.ptr - word.ptr),
			    (uint32_t)summary.len,
			    meant(hint, sizeof(hint), summary, profile_summaries,
				  LENGTH(profile_summaries)),
			    "profiles have no summary \"" SLICE_FMT "\"", SLICE_ARG(summary));
		return false;
	}
	node->operand = SHORT_PROFILE;
	node->profile_type = type;
	node->metric = (struct short_metric){ reader->source, reader->offset, summary, { 0 } };
	return true;
}

/* Literals: into the unit of the metric */

/* The ending of a name, after _total, _sum, _count or _bucket; NULL: none that says anything. */
static const struct ending *ending_of(struct slice name)
{
	static const char *const kinds[] = { "_total", "_sum", "_count", "_bucket" };

	for (size_t i = 0; i < LENGTH(kinds); i++) {
		if (slice_has_suffix(name, slice_from(kinds[i]))) {
			name.len -= strlen(kinds[i]);
			break;
		}
	}
	for (size_t i = 0; i < LENGTH(endings); i++)
		if (slice_has_suffix(name, endings[i].text) ||
		    (name.len > endings[i].text.len &&
		     name.ptr[name.len - endings[i].text.len] == '.' &&
		     slice_has_suffix(name, (struct slice){ endings[i].text.ptr + 1,
							    endings[i].text.len - 1 })))
			return &endings[i];
	return NULL;
}

/* Is the result a number without a unit, whatever the metric's? */
static bool is_plain(const struct short_node *node)
{
	if (node->operand != SHORT_FUNCTION || !node->function)
		return false;
	return node->function->is_plain || (strcmp(node->function->word, "stddev") == 0 &&
					    slice_has_suffix(node->metric.name, SLICE("_count")));
}

static void complain_unit(struct short_reader *reader, const struct short_node *node,
			  enum quantity_kind kind, const struct ending *ending)
{
	static const char *const kinds[] = {
		[QUANTITY_DURATION] = "a time",
		[QUANTITY_BYTES] = "a size",
		[QUANTITY_PERCENT] = "a percentage",
	};
	struct slice literal = token_of(reader), name = node->metric.name;

	if (is_plain(node))
		complain_at(reader, reader->offset, reader->span, "write it without a unit",
			    "\"%s\" gives a plain number, and " SLICE_FMT " is %s",
			    node->function->word, SLICE_ARG(literal), kinds[kind]);
	else if (kind == QUANTITY_PERCENT && !ending)
		complain_at(reader, reader->offset, reader->span,
			    "write 0.8 for a ratio, 80 for percents",
			    "\"" SLICE_FMT
			    "\" ends neither in _ratio nor in _percent: what " SLICE_FMT
			    " is of it cannot be told",
			    SLICE_ARG(name), SLICE_ARG(literal));
	else
		complain_at(reader, reader->offset, reader->span, NULL,
			    "\"" SLICE_FMT "\" is %s, and " SLICE_FMT " is %s", SLICE_ARG(name),
			    ending->unit, SLICE_ARG(literal), kinds[kind]);
}

static bool convert(struct short_reader *reader, struct short_node *node, enum quantity_kind kind,
		    double value)
{
	const struct ending *ending = ending_of(node->metric.name);

	node->number = value;
	if (kind == QUANTITY_NUMBER)
		return true;
	if (is_plain(node) || (ending ? ending->kind != kind : kind == QUANTITY_PERCENT)) {
		complain_unit(reader, node, kind, ending);
		return false;
	}
	if (ending)
		node->number = value / ending->divisor;
	else if (kind == QUANTITY_DURATION)
		node->number = value / NANOSECONDS;
	return true;
}

static bool parse_literal(struct short_reader *reader, struct short_node *node)
{
	struct slice text = token_of(reader);
	bool minus = text.ptr[0] == '-';
	enum quantity_kind kind;
	double value;

	if (minus || text.ptr[0] == '+') {
		text.ptr++;
		text.len--;
	}
	if (quantity_parse(text, &kind, &value) < 0) {
		complain_at(reader, reader->offset, reader->span, "5, 0.5, 50ms, 10MB, 80%",
			    "\"" SLICE_FMT "\" is no number, duration, size or percentage",
			    SLICE_ARG(token_of(reader)));
		return false;
	}
	return convert(reader, node, kind, minus ? -value : value);
}

/* Comparisons */

static bool parse_operand(struct short_reader *reader, struct short_node *node)
{
	struct slice word = token_of(reader), function, duration;

	if (reader->token != SHORT_WORD) {
		complain(reader,
			 reader->token == SHORT_LITERAL ? "the literal stands on the right: "
							  "value > 5"
							: NULL,
			 "a function, a metric or a profile");
		return false;
	}
	if (is_word(reader, "value")) {
		node->operand = SHORT_VALUE;
		return use_own_metric(reader, &node->metric);
	}
	if (split_function(word, &function, &duration))
		return parse_function(reader, function, duration, node);
	if (word.len > strlen("pprof.") && strncasecmp(word.ptr, "pprof.", strlen("pprof.")) == 0)
		return parse_profile(reader, node);
	if (is_word(reader, "and") || is_word(reader, "or") || is_word(reader, "unless") ||
	    is_word(reader, "not")) {
		complain(reader, is_word(reader, "not") ? "A UNLESS B is A without B" : NULL,
			 "a function, a metric or a profile");
		return false;
	}
	node->operand = SHORT_METRIC;
	return parse_metric(reader, &node->metric);
}

static const struct short_node *parse_comparison(struct short_reader *reader)
{
	struct short_node *node = node_new(reader, SHORT_COMPARISON);

	if (!node || !parse_operand(reader, node))
		return NULL;
	if (++reader->terms > SHORT_FORM_TERMS_MAX) {
		complain_at(reader, node->offset, 1, NULL, "condition has more than %d comparisons",
			    SHORT_FORM_TERMS_MAX);
		return NULL;
	}
	advance(reader);
	if (reader->token != SHORT_COMPARE) {
		complain(reader, slice_is(token_of(reader), "=") ? "equal is ==" : NULL,
			 "one of == != > < >= <=");
		return NULL;
	}
	node->comparison = token_of(reader);
	advance(reader);
	if (reader->token == SHORT_WORD || reader->token == SHORT_LEFT) {
		complain_at(reader, reader->offset, reader->span, "write the rule in full",
			    "two operands against each other: use expr:");
		return NULL;
	}
	if (reader->token != SHORT_LITERAL) {
		complain(reader, NULL, "a number, duration, size or percentage");
		return NULL;
	}
	if (!parse_literal(reader, node))
		return NULL;
	advance(reader);
	return node;
}

/* Conditions */

static const struct short_node *parse_paren(struct short_reader *reader)
{
	struct short_node *node = node_new(reader, SHORT_PAREN);

	if (!node)
		return NULL;
	if (++reader->depth > SHORT_FORM_DEPTH_MAX) {
		complain_at(reader, reader->offset, 1, NULL,
			    "condition is nested deeper than %d levels", SHORT_FORM_DEPTH_MAX);
		return NULL;
	}
	advance(reader);
	node->left = parse_condition(reader);
	if (!node->left)
		return NULL;
	if (reader->token != SHORT_RIGHT) {
		complain(reader, NULL, "AND, OR, UNLESS or \")\"");
		return NULL;
	}
	reader->depth--;
	advance(reader);
	return node;
}

static const struct short_node *parse_term(struct short_reader *reader)
{
	return reader->token == SHORT_LEFT ? parse_paren(reader) : parse_comparison(reader);
}

static const struct short_node *join(struct short_reader *reader, enum short_kind kind,
				     const struct short_node *left,
				     const struct short_node *(*parse)(struct short_reader *reader))
{
	struct short_node *node = node_new(reader, kind);

	if (!node)
		return NULL;
	advance(reader);
	node->left = left;
	node->right = parse(reader);
	return node->right ? node : NULL;
}

static const struct short_node *parse_and(struct short_reader *reader)
{
	const struct short_node *left = parse_term(reader);

	while (left && (is_word(reader, "and") || is_word(reader, "unless")))
		left = join(reader, is_word(reader, "and") ? SHORT_AND : SHORT_UNLESS, left,
			    parse_term);
	return left;
}

static const struct short_node *parse_condition(struct short_reader *reader)
{
	const struct short_node *left = parse_and(reader);

	while (left && is_word(reader, "or"))
		left = join(reader, SHORT_OR, left, parse_and);
	return left;
}

const struct short_node *short_form_parse(const struct short_form *form, struct arena *arena,
					  struct diag_list *diags, int *error)
{
	struct short_reader reader = {
		.form = form, .source = form->condition, .arena = arena, .diags = diags
	};
	const struct short_node *node;

	*error = ERR_INVALID;
	if (form->condition->text.len > SHORT_FORM_BYTES_MAX) {
		complain_at(&reader, SHORT_FORM_BYTES_MAX, 1, NULL,
			    "condition is longer than %d bytes", SHORT_FORM_BYTES_MAX);
		return NULL;
	}
	advance(&reader);
	node = parse_condition(&reader);
	if (node && reader.token != SHORT_END) {
		struct slice text = token_of(&reader);

		complain(&reader,
			 slice_is(text, "&")   ? "write AND"
			 : slice_is(text, "|") ? "write OR"
					       : NULL,
			 "AND, OR, UNLESS or the end");
		node = NULL;
	}
	*error = node ? 0 : reader.error;
	return node;
}
