/* Operands of the short form: functions of the rule's metric, other metrics, profiles. */
#include <stdio.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "rules/lexer.h"
#include "rules/short_form_reader.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

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

/* Metrics: a name, and {…} right behind it, whose inside is read by the parser of expressions. */

static bool parse_matchers(struct short_reader *reader, struct slice *out)
{
	uint32_t open = reader->at;
	struct lexer lexer;
	struct token token;

	if (short_byte(reader, open) != '{')
		return true;
	lexer_init(&lexer, reader->source->text);
	lexer.at = open;
	do {
		token = lexer_next(&lexer);
	} while (token.kind != TOKEN_BRACE_RIGHT && token.kind != TOKEN_END &&
		 token.kind != TOKEN_ERROR);
	if (token.kind != TOKEN_BRACE_RIGHT) {
		short_complain_at(reader, open, 1, NULL, "unclosed left brace");
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
	out->name = short_token_text(reader);
	return parse_matchers(reader, &out->matchers);
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
	short_complain_at(reader,
			  reader->offset + (uint32_t)(type.ptr - short_token_text(reader).ptr),
			  (uint32_t)type.len, hint, "unknown profile type \"" SLICE_FMT "\"",
			  SLICE_ARG(type));
	return false;
}

static bool is_profile(struct slice word)
{
	return word.len > strlen("pprof.") && strncasecmp(word.ptr, "pprof.", strlen("pprof.")) == 0;
}

static bool parse_profile(struct short_reader *reader, struct short_metric *out)
{
	struct slice word = short_token_text(reader), type = { word.ptr + strlen("pprof."), 0 },
		     summary;
	const size_t head = strlen("pprof.");
	ptrdiff_t dot = slice_find((struct slice){ type.ptr, word.len - head }, '.');
	char hint[64];

	if (dot < 0) {
		short_complain_at(reader, reader->offset, reader->span, "pprof.cpu.sample_rate",
				  "a profile's summary is pprof.KIND.SUMMARY");
		return false;
	}
	type.len = (size_t)dot;
	summary = (struct slice){ type.ptr + dot + 1, word.len - head - (size_t)dot - 1 };
	if (!check_profile_type(reader, type))
		return false;
	if (!is_one_of(summary, profile_summaries, LENGTH(profile_summaries))) {
		short_complain_at(reader, reader->offset + (uint32_t)(summary.ptr - word.ptr),
				  (uint32_t)summary.len,
				  meant(hint, sizeof(hint), summary, profile_summaries,
					LENGTH(profile_summaries)),
				  "profiles have no summary \"" SLICE_FMT "\"", SLICE_ARG(summary));
		return false;
	}
	*out = (struct short_metric){ .source = reader->source,
				      .offset = reader->offset,
				      .name = summary,
				      .profile_type = type };
	return true;
}

/* The rule's own metric: a text of its own. */
static bool use_own_metric(struct short_reader *reader, struct short_metric *out)
{
	struct slice word = short_token_text(reader);
	struct short_reader own = *reader;
	bool good;

	if (!reader->form->metric) {
		short_complain_at(reader, reader->offset, reader->span,
				  "name it: metric: http_requests_total",
				  "\"" SLICE_FMT
				  "\" is of the rule's metric, and the rule has none",
				  SLICE_ARG(word));
		return false;
	}
	own.source = reader->form->metric;
	own.at = 0;
	short_advance(&own);
	if (own.token != SHORT_WORD) {
		short_complain_at(&own, own.offset, own.span, NULL,
				  "\"metric\" is no name of a metric, with or without matchers");
		good = false;
	} else {
		good = is_profile(short_token_text(&own))
			       ? parse_profile(&own, out) && parse_matchers(&own, &out->matchers)
			       : parse_metric(&own, out);
		short_advance(&own);
		if (good && own.token != SHORT_END) {
			short_complain_at(&own, own.offset, own.span,
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

	if (word.len < 2 || word.len > 12 || (word.ptr[0] | 0x20) != 'p' ||
	    !short_is_digit(word.ptr[1]))
		return false;
	for (size_t i = 1; i < word.len; i++) {
		if (word.ptr[i] == '_' && !is_fraction && i + 1 < word.len) {
			is_fraction = true;
			continue;
		}
		if (!short_is_digit(word.ptr[i]))
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
	short_complain_at(reader, reader->offset, (uint32_t)word.len, hint,
			  "unknown function \"" SLICE_FMT "\" in \"" SLICE_FMT "\"",
			  SLICE_ARG(word), SLICE_ARG(short_token_text(reader)));
}

/* In any case, like all words: units have none that differ by it. */
static bool parse_duration(struct slice text, int64_t *ms)
{
	char lower[32];

	if (text.len > sizeof(lower))
		return false;
	for (size_t i = 0; i < text.len; i++)
		lower[i] = short_is_letter(text.ptr[i]) ? (char)(text.ptr[i] | 0x20) : text.ptr[i];
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
		short_complain_at(reader,
				  reader->offset +
					  (uint32_t)(duration.ptr - short_token_text(reader).ptr),
				  (uint32_t)duration.len, "30s, 5m, 1h30m",
				  "\"" SLICE_FMT "\" is no duration", SLICE_ARG(duration));
		return false;
	}
	return use_own_metric(reader, &node->metric);
}

/* Any of them */

bool short_operand_parse(struct short_reader *reader, struct short_node *node)
{
	struct slice word = short_token_text(reader), function, duration;

	if (reader->token != SHORT_WORD) {
		short_complain(reader,
			       reader->token == SHORT_LITERAL ? "the literal stands on the right: "
								"value > 5"
							      : NULL,
			       "a function, a metric or a profile");
		return false;
	}
	if (short_is_word(reader, "value")) {
		node->operand = SHORT_VALUE;
		return use_own_metric(reader, &node->metric);
	}
	if (split_function(word, &function, &duration))
		return parse_function(reader, function, duration, node);
	node->operand = SHORT_METRIC;
	if (is_profile(word))
		return parse_profile(reader, &node->metric);
	if (short_is_word(reader, "and") || short_is_word(reader, "or") ||
	    short_is_word(reader, "unless") || short_is_word(reader, "not")) {
		short_complain(reader,
			       short_is_word(reader, "not") ? "A UNLESS B is A without B" : NULL,
			       "a function, a metric or a profile");
		return false;
	}
	return parse_metric(reader, &node->metric);
}
