/*
 * GET, POST /api/v1/series and /api/v1/labels, GET /api/v1/label/NAME/values, /api/v1/metadata and
 * /api/v1/status/tsdb: which series are kept, as Prometheus' API tells it.
 */
#include "engine/listing.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "web/web_internal.h"

/* ---- requests ---- */

bool web_param_selectors(struct http_request *request, struct arena *arena,
			 struct engine_query *query)
{
	const char *match;

	for (size_t i = 0; (match = web_param(request, arena, "match[]", i)); i++) {
		struct diag_list diags;

		diag_list_init(&diags);
		int code = listing_selector_add(query, slice_from(match), &diags);

		if (code == ERR_INVALID)
			web_fail_parse(request, "match[]", &diags);
		else if (code)
			web_fail(request, code == ERR_LIMIT ? 400 : 500,
				 code == ERR_LIMIT ? "bad_data" : "internal",
				 "invalid parameter \"match[]\": %s", error_text(code));
		diag_list_fini(&diags);
		if (code)
			return false;
	}
	return true;
}

/* match[], start, end, limit; false: the request was answered. */
static bool read_parameters(struct http_request *request, struct arena *arena,
			    struct engine_query *query)
{
	struct listing *listing = query->listing;

	return web_param_selectors(request, arena, query) &&
	       web_param_limit(request, arena, &listing->limit) &&
	       web_param_time(request, arena, "start", &listing->start_ms) &&
	       web_param_time(request, arena, "end", &listing->end_ms);
}

static void send_listing(struct web *web, struct http_request *request, enum listing_kind kind,
			 struct slice label)
{
	struct engine_query *query;
	struct arena arena;

	if (listing_new(kind, &query)) {
		web_fail(request, 500, "internal", "out of memory");
		return;
	}
	arena_init(&arena, 0);
	query->listing->label = arena_slice(&query->arena, label);
	query->deadline_ms = web->host.now_ms(web->host.ctx) + web->query_timeout_ms;
	if (!read_parameters(request, &arena, query)) {
		engine_query_free(query);
	} else if (kind == LIST_SERIES && query->listing->nselectors == 0) {
		web_fail(request, 400, "bad_data", "no match[] parameter provided");
		engine_query_free(query);
	} else {
		web_send_query(web, request, query);
	}
	arena_fini(&arena);
}

HANDLER(on_series)
{
	send_listing(web, request, LIST_SERIES, SLICE(""));
}

HANDLER(on_labels)
{
	send_listing(web, request, LIST_LABEL_NAMES, SLICE(""));
}

/* %2E → '.', in place of where it is put; what is no escape stays. */
static struct slice decode_part(struct arena *arena, struct slice part)
{
	char *text = arena_alloc(arena, part.len + 1);
	size_t n = 0;

	for (size_t i = 0; text && i < part.len; i++) {
		int high = i + 2 < part.len ? hex_digit(part.ptr[i + 1]) : -1;
		int low = i + 2 < part.len ? hex_digit(part.ptr[i + 2]) : -1;
		bool is_escape = part.ptr[i] == '%' && high >= 0 && low >= 0;

		text[n++] = is_escape ? (char)(high << 4 | low) : part.ptr[i];
		i += is_escape ? 2 : 0;
	}
	return (struct slice){ text, text ? n : 0 };
}

static void add_utf8(struct buf *out, unsigned long code)
{
	int rest = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	static const unsigned char leads[] = { 0, 0xc0, 0xe0, 0xf0 };

	buf_add_char(out, (char)(leads[rest] | code >> (6 * rest)));
	while (rest-- > 0)
		buf_add_char(out, (char)(0x80 | (code >> (6 * rest) & 0x3f)));
}

/* A name that is no legacy one may come as U__a_2e_b: the API's own escaping of "a.b". */
static struct slice unescape_name(struct arena *arena, struct slice name)
{
	struct buf text;

	if (!slice_has_prefix(name, SLICE("U__")))
		return name;
	buf_init(&text);
	for (size_t i = 3; i < name.len; i++) {
		char *end;
		unsigned long code;

		if (name.ptr[i] != '_') {
			buf_add_char(&text, name.ptr[i]);
			continue;
		}
		if (i + 1 < name.len && name.ptr[i + 1] == '_') {
			buf_add_char(&text, '_');
			i++;
			continue;
		}
		char digits[8] = "";

		for (size_t k = 0; k < 7 && i + 1 + k < name.len && name.ptr[i + 1 + k] != '_'; k++)
			digits[k] = name.ptr[i + 1 + k];
		code = strtoul(digits, &end, 16);
		if (end == digits || *end || i + 1 + strlen(digits) >= name.len ||
		    code > 0x10ffff) {
			buf_fini(&text);
			return name;
		}
		add_utf8(&text, code);
		i += 1 + strlen(digits);
	}
	struct slice decoded = arena_slice(arena, buf_slice(&text));

	buf_fini(&text);
	return decoded;
}

HANDLER(on_label_values)
{
	struct arena arena;

	arena_init(&arena, 0);
	struct slice name = unescape_name(&arena, decode_part(&arena, rest));

	if (name.len == 0 || !slice_is_utf8(name))
		web_fail(request, 400, "bad_data", "invalid label name: \"" SLICE_FMT "\"",
			 SLICE_ARG(rest));
	else
		send_listing(web, request, LIST_LABEL_VALUES, name);
	arena_fini(&arena);
}

/* False: it is no number, or less than the least; then the request was answered. */
static bool check_number(struct http_request *request, struct arena *arena, const char *name,
			 long least, const char *what)
{
	const char *text = web_param_value(request, arena, name);
	char *end;
	bool is_good = !text || (strtol(text, &end, 10) >= least && !*end);

	if (!is_good)
		web_fail(request, 400, "bad_data", "%s must be a %s", name, what);
	return is_good;
}

HANDLER(on_tsdb)
{
	struct arena arena;

	arena_init(&arena, 0);
	if (check_number(request, &arena, "limit", 1, "positive number"))
		send_listing(web, request, LIST_STATISTICS, SLICE(""));
	arena_fini(&arena);
}

/* Types and help texts of metrics are not kept. */
HANDLER(on_metadata)
{
	struct arena arena;

	arena_init(&arena, 0);
	if (check_number(request, &arena, "limit", LONG_MIN, "number") &&
	    check_number(request, &arena, "limit_per_metric", LONG_MIN, "number"))
		web_reply(request, 200, JSON_TYPE, SLICE("{\"status\":\"success\",\"data\":{}}"));
	arena_fini(&arena);
}

/* ---- answers ---- */

static int by_labels(const void *a, const void *b)
{
	return labels_compare(*(struct labels *const *)a, *(struct labels *const *)b);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_count(const void *a, const void *b)
{
	const struct listing_count *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n ? 1 : -1) : strcmp(x->name, y->name);
}

static void add_counts(struct json_writer *w, const char *key, struct listing_count *counts,
		       size_t n, size_t limit)
{
	if (n)
		qsort(counts, n, sizeof(*counts), by_count);
	json_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < n && i < limit; i++) {
		json_begin_object(w);
		json_field_string(w, "name", slice_from(counts[i].name));
		json_field_int(w, "value", (int64_t)counts[i].n);
		json_end_object(w);
	}
	json_end_array(w);
}

#define TOP_DEFAULT 10

static void add_statistics(struct json_writer *w, struct listing *listing)
{
	size_t limit = listing->limit ? listing->limit : TOP_DEFAULT;
	bool any = listing->nseries > 0;

	limit = limit < LISTING_TOP_MAX ? limit : LISTING_TOP_MAX;
	json_begin_object(w);
	json_key(w, "headStats");
	json_begin_object(w);
	json_field_int(w, "numSeries", (int64_t)listing->nseries);
	json_field_int(w, "numLabelPairs", (int64_t)listing->npairs);
	json_field_int(w, "chunkCount", 0);
	json_field_int(w, "minTime", any ? listing->oldest_ms : 0);
	json_field_int(w, "maxTime", any ? listing->newest_ms : 0);
	json_end_object(w);
	add_counts(w, "seriesCountByMetricName", listing->by_metric, listing->nby_metric, limit);
	add_counts(w, "labelValueCountByLabelName", listing->by_label, listing->nby_label, limit);
	add_counts(w, "memoryInBytesByLabelName", NULL, 0, 0);
	add_counts(w, "seriesCountByLabelValuePair", NULL, 0, 0);
	json_end_object(w);
}

static void add_list(struct json_writer *w, struct listing *listing, size_t bytes_max)
{
	bool are_series = listing->kind == LIST_SERIES;
	size_t n = listing->n;

	if (listing->n && are_series)
		qsort(listing->series, listing->n, sizeof(*listing->series), by_labels);
	else if (listing->n)
		qsort(listing->texts, listing->n, sizeof(*listing->texts), by_text);
	if (listing->limit && listing->n > listing->limit) {
		n = listing->limit;
		listing->truncated = true;
	}
	json_begin_array(w);
	for (size_t i = 0; i < n && w->out->len <= bytes_max; i++)
		if (are_series)
			json_labels(w, listing->series[i]);
		else
			json_str(w, slice_from(listing->texts[i]));
	json_end_array(w);
}

void listing_format(struct engine_query *query, size_t bytes_max, struct buf *out)
{
	struct listing *listing = query->listing;
	struct json_writer w;

	envelope_begin(&w, out);
	if (listing->kind == LIST_STATISTICS)
		add_statistics(&w, listing);
	else
		add_list(&w, listing, bytes_max);
	if (listing->truncated) {
		json_key(&w, "warnings");
		json_begin_array(&w);
		json_str(&w, SLICE("results truncated due to limit"));
		json_end_array(&w);
	}
	envelope_end(&w);
}
