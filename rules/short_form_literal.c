/* Literals of the short form: numbers with units, converted into what the metric's name ends in. */
#include "base/error.h"
#include "rules/quantity.h"
#include "rules/short_form_reader.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* What a metric's name ends in says what it counts, and in what. */
static const struct ending {
	struct slice text;
	enum quantity_kind kind;
	double divisor;	  /* of nanoseconds, bytes or percents */
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
	struct slice literal = short_token_text(reader), name = node->metric.name;

	if (is_plain(node))
		short_complain_at(reader, reader->offset, reader->span, "write it without a unit",
				  "\"%s\" gives a plain number, and " SLICE_FMT " is %s",
				  node->function->word, SLICE_ARG(literal), kinds[kind]);
	else if (kind == QUANTITY_PERCENT && !ending)
		short_complain_at(reader, reader->offset, reader->span,
				  "write 0.8 for a ratio, 80 for percents",
				  "\"" SLICE_FMT
				  "\" ends neither in _ratio nor in _percent: what " SLICE_FMT
				  " is of it cannot be told",
				  SLICE_ARG(name), SLICE_ARG(literal));
	else
		short_complain_at(reader, reader->offset, reader->span, NULL,
				  "\"" SLICE_FMT "\" is %s, and " SLICE_FMT " is %s",
				  SLICE_ARG(name), ending->unit, SLICE_ARG(literal), kinds[kind]);
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

bool short_literal_parse(struct short_reader *reader, struct short_node *node)
{
	struct slice text = short_token_text(reader);
	bool minus = text.ptr[0] == '-';
	enum quantity_kind kind;
	double value;

	if (minus || text.ptr[0] == '+') {
		text.ptr++;
		text.len--;
	}
	if (quantity_parse(text, &kind, &value) < 0) {
		short_complain_at(reader, reader->offset, reader->span, "5, 0.5, 50ms, 10MB, 80%",
				  "\"" SLICE_FMT "\" is no number, duration, size or percentage",
				  SLICE_ARG(short_token_text(reader)));
		return false;
	}
	return convert(reader, node, kind, minus ? -value : value);
}
