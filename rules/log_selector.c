#include "rules/log_selector.h"

#include <strings.h>

#include "base/error.h"
#include "base/quote.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const char *const parser_texts[] = {
	[LOG_JSON] = "json",	   [LOG_LOGFMT] = "logfmt", [LOG_REGEXP] = "regexp",
	[LOG_PATTERN] = "pattern", [LOG_UNPACK] = "unpack",
};
static const char *const line_op_texts[] = {
	[LINE_CONTAINS] = "|=",	   [LINE_NOT_CONTAINS] = "!=", [LINE_MATCHES] = "|~",
	[LINE_NOT_MATCHES] = "!~", [LINE_PATTERN] = "|>",      [LINE_NOT_PATTERN] = "!>",
};
static const char *const compare_texts[] = {
	[COMPARE_EQ] = "==", [COMPARE_NE] = "!=", [COMPARE_GT] = ">",
	[COMPARE_GE] = ">=", [COMPARE_LT] = "<",  [COMPARE_LE] = "<=",
};
static const char *const stage_words[] = {
	"json",		"logfmt",     "regexp", "pattern", "unpack", "line_format",
	"label_format", "decolorize", "keep",	"drop",	   "unwrap",
};

/* Words that begin a stage after "|": as a label's name there they are quoted. */
static bool log_word_is_stage(struct slice word)
{
	for (size_t i = 0; i < LENGTH(stage_words); i++)
		if (word.len == strlen(stage_words[i]) &&
		    strncasecmp(word.ptr, stage_words[i], word.len) == 0)
			return true;
	return false;
}

const char *log_parser_text(enum log_parser parser)
{
	return parser_texts[parser];
}

void log_selector_fini(struct log_selector *log)
{
	if (!log)
		return;
	for (struct log_matcher *link = log->matchers; link; link = link->next)
		matcher_fini(&link->matcher);
	log->matchers = NULL;
}

const struct log_stage *log_selector_unwrap(const struct log_selector *log)
{
	for (uint32_t i = 0; i < log->nstages; i++)
		if (log->stages[i].kind == LOG_UNWRAP)
			return &log->stages[i];
	return NULL;
}

const struct log_stage *log_selector_unbounded(const struct log_selector *log)
{
	const struct log_stage *found = NULL;

	for (uint32_t i = 0; i < log->nstages; i++) {
		const struct log_stage *stage = &log->stages[i];

		if (stage->kind == LOG_KEEP)
			found = NULL;
		else if (stage->kind == LOG_PARSER && stage->parse.parser != LOG_REGEXP &&
			 stage->parse.parser != LOG_PATTERN && stage->parse.nfields == 0)
			found = stage;
	}
	return found;
}

/* Printing */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_plain_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool is_letter = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';

		if (!is_letter && !(i > 0 && is_digit(c)))
			return false;
	}
	return name.len > 0;
}

/* The name of a label in a filter: what the grammar takes for something else is quoted. */
static void format_name(struct slice name, struct buf *out)
{
	if (is_plain_name(name) && !log_word_is_stage(name))
		buf_add_slice(out, name);
	else
		text_quote(name, out);
}

static void format_ip(struct slice text, struct buf *out)
{
	buf_add_str(out, "ip(");
	text_quote(text, out);
	buf_add_char(out, ')');
}

static void format_line_filter(const struct log_stage *stage, struct buf *out)
{
	buf_printf(out, " %s ", line_op_texts[stage->line.op]);
	for (uint32_t i = 0; i < stage->line.nargs; i++) {
		const struct log_line_arg *arg = &stage->line.args[i];

		if (i)
			buf_add_str(out, " or ");
		if (arg->is_ip)
			format_ip(arg->text, out);
		else
			text_quote(arg->text, out);
	}
}

/* a, b="path", c=other */
static void format_fields(const struct log_field *fields, uint32_t n, bool has_values,
			  struct buf *out)
{
	for (uint32_t i = 0; i < n; i++) {
		buf_add_str(out, i ? ", " : " ");
		buf_add_slice(out, fields[i].name);
		if (!has_values && fields[i].value.len == 0)
			continue;
		buf_add_char(out, '=');
		if (fields[i].value_is_label)
			buf_add_slice(out, fields[i].value);
		else
			text_quote(fields[i].value, out);
	}
}

static void format_parser(const struct log_stage *stage, struct buf *out)
{
	buf_printf(out, " | %s", parser_texts[stage->parse.parser]);
	if (stage->parse.strict)
		buf_add_str(out, " --strict");
	if (stage->parse.keep_empty)
		buf_add_str(out, " --keep-empty");
	if (stage->parse.parser == LOG_REGEXP || stage->parse.parser == LOG_PATTERN) {
		buf_add_char(out, ' ');
		text_quote(stage->parse.text, out);
	}
	format_fields(stage->parse.fields, stage->parse.nfields, false, out);
}

static void format_comparison(const struct log_filter *filter, struct buf *out)
{
	format_name(filter->name, out);
	if (filter->kind == FILTER_STRING) {
		const struct matcher *matcher = filter->matcher;

		buf_printf(out, " %s ", match_type_text(matcher->type));
		text_quote(matcher_value(matcher), out);
	} else if (filter->kind == FILTER_IP) {
		buf_add_str(out, filter->compare == COMPARE_EQ ? " = " : " != ");
		format_ip(filter->literal, out);
	} else {
		buf_printf(out, " %s ", compare_texts[filter->compare]);
		buf_add_slice(out, filter->literal);
	}
}

/* "and" binds tighter: an "or" below one stands in parentheses. Bounded by the tree's height. */
static void format_filter(const struct log_filter *filter, bool below_and, struct buf *out)
{
	bool is_or = filter->kind == FILTER_OR;

	if (!is_or && filter->kind != FILTER_AND) {
		format_comparison(filter, out);
		return;
	}
	if (is_or && below_and)
		buf_add_char(out, '(');
	format_filter(filter->left, !is_or, out);
	buf_add_str(out, is_or ? " or " : " and ");
	format_filter(filter->right, !is_or, out);
	if (is_or && below_and)
		buf_add_char(out, ')');
}

static void format_items(const struct log_stage *stage, struct buf *out)
{
	buf_add_str(out, stage->kind == LOG_KEEP ? " | keep" : " | drop");
	for (uint32_t i = 0; i < stage->labels.nitems; i++) {
		const struct log_item *item = &stage->labels.items[i];

		buf_add_str(out, i ? ", " : " ");
		buf_add_slice(out, item->name);
		if (!item->matcher)
			continue;
		buf_add_str(out, match_type_text(item->matcher->type));
		text_quote(matcher_value(item->matcher), out);
	}
}

static void format_unwrap(const struct log_stage *stage, struct buf *out)
{
	static const char *const conversions[] = {
		[UNWRAP_NUMBER] = NULL, [UNWRAP_BYTES] = "bytes", [UNWRAP_DURATION] = "duration"
	};
	const char *conversion = conversions[stage->unwrap.how];

	buf_printf(out, " | unwrap %s%s", conversion ? conversion : "", conversion ? "(" : "");
	buf_add_slice(out, stage->unwrap.name);
	if (conversion)
		buf_add_char(out, ')');
}

static void format_stage(const struct log_stage *stage, struct buf *out)
{
	switch (stage->kind) {
	case LOG_LINE_FILTER:
		format_line_filter(stage, out);
		break;
	case LOG_PARSER:
		format_parser(stage, out);
		break;
	case LOG_LABEL_FILTER:
		buf_add_str(out, " | ");
		format_filter(stage->filter, false, out);
		break;
	case LOG_LINE_FORMAT:
		buf_add_str(out, " | line_format ");
		text_quote(stage->template, out);
		break;
	case LOG_LABEL_FORMAT:
		buf_add_str(out, " | label_format");
		format_fields(stage->format.fields, stage->format.nfields, true, out);
		break;
	case LOG_DECOLORIZE:
		buf_add_str(out, " | decolorize");
		break;
	case LOG_KEEP:
	case LOG_DROP:
		format_items(stage, out);
		break;
	case LOG_UNWRAP:
		format_unwrap(stage, out);
		break;
	}
}

void log_stages_format(const struct log_selector *log, struct buf *out)
{
	for (uint32_t i = 0; i < log->nstages; i++)
		format_stage(&log->stages[i], out);
}

/* Copies. Each gives false when out of memory. */

struct copier {
	struct arena *arena;
	struct log_selector *to;
};

static bool copy_text(struct copier *copier, struct slice *text)
{
	if (text->len == 0)
		return true;
	*text = arena_slice(copier->arena, *text);
	return text->ptr != NULL;
}

static bool copy_bytes(struct copier *copier, const void *from, size_t n, void *out_pointer)
{
	void *to = NULL;

	if (n > 0) {
		to = arena_alloc(copier->arena, n);
		if (!to)
			return false;
		memcpy(to, from, n);
	}
	memcpy(out_pointer, &to, sizeof(to));
	return true;
}

static bool copy_matcher(struct copier *copier, const struct matcher **matcher)
{
	struct log_matcher *link;

	if (!*matcher)
		return true;
	link = ARENA_NEW(copier->arena, struct log_matcher);
	if (!link || matcher_dup(*matcher, &link->matcher) < 0)
		return false;
	link->next = copier->to->matchers;
	copier->to->matchers = link;
	*matcher = &link->matcher;
	return true;
}

/* Recursion is bounded by the filter's height. */
static bool copy_filter(struct copier *copier, const struct log_filter **filter)
{
	struct log_filter *copy;

	if (!copy_bytes(copier, *filter, sizeof(**filter), &copy))
		return false;
	*filter = copy;
	if (copy->kind == FILTER_AND || copy->kind == FILTER_OR)
		return copy_filter(copier, &copy->left) && copy_filter(copier, &copy->right);
	return copy_text(copier, &copy->name) && copy_text(copier, &copy->literal) &&
	       copy_matcher(copier, &copy->matcher);
}

static bool copy_args(struct copier *copier, struct log_stage *stage)
{
	if (!copy_bytes(copier, stage->line.args, stage->line.nargs * sizeof(*stage->line.args),
			&stage->line.args))
		return false;
	for (uint32_t i = 0; i < stage->line.nargs; i++)
		if (!copy_text(copier, &stage->line.args[i].text))
			return false;
	return true;
}

static bool copy_fields(struct copier *copier, struct log_field **fields, uint32_t n)
{
	if (!copy_bytes(copier, *fields, n * sizeof(**fields), fields))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!copy_text(copier, &(*fields)[i].name) ||
		    !copy_text(copier, &(*fields)[i].value))
			return false;
	return true;
}

static bool copy_items(struct copier *copier, struct log_stage *stage)
{
	uint32_t n = stage->labels.nitems;

	if (!copy_bytes(copier, stage->labels.items, n * sizeof(*stage->labels.items),
			&stage->labels.items))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!copy_text(copier, &stage->labels.items[i].name) ||
		    !copy_matcher(copier, &stage->labels.items[i].matcher))
			return false;
	return true;
}

static bool copy_stage(struct copier *copier, struct log_stage *stage)
{
	switch (stage->kind) {
	case LOG_LINE_FILTER:
		return copy_args(copier, stage);
	case LOG_PARSER:
		return copy_text(copier, &stage->parse.text) &&
		       copy_fields(copier, &stage->parse.fields, stage->parse.nfields);
	case LOG_LABEL_FILTER:
		return copy_filter(copier, &stage->filter);
	case LOG_LINE_FORMAT:
		return copy_text(copier, &stage->template);
	case LOG_LABEL_FORMAT:
		return copy_fields(copier, &stage->format.fields, stage->format.nfields);
	case LOG_DECOLORIZE:
		return true;
	case LOG_KEEP:
	case LOG_DROP:
		return copy_items(copier, stage);
	case LOG_UNWRAP:
		return copy_text(copier, &stage->unwrap.name);
	}
	return true;
}

int log_selector_dup(const struct log_selector *from, struct arena *arena,
		     struct log_selector **out)
{
	struct copier copier = { .arena = arena, .to = ARENA_NEW(arena, struct log_selector) };
	bool good = copier.to != NULL;

	if (good) {
		*copier.to = *from;
		copier.to->matchers = NULL;
		good = copy_bytes(&copier, from->stages, from->nstages * sizeof(*from->stages),
				  &copier.to->stages);
	}
	for (uint32_t i = 0; good && i < from->nstages; i++)
		good = copy_stage(&copier, &copier.to->stages[i]);
	if (!good) {
		log_selector_fini(copier.to);
		return ERR_NOMEM;
	}
	*out = copier.to;
	return 0;
}
