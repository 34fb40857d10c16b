#include "web/silence_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static const char *const state_texts[] = {
	[SILENCE_PENDING] = "pending",
	[SILENCE_ACTIVE] = "active",
	[SILENCE_EXPIRED] = "expired",
};

/* ---- writing ---- */

static void add_matcher(struct json_writer *w, const struct matcher *matcher)
{
	json_begin_object(w);
	json_field_bool(w, "isEqual", matcher->type == MATCH_EQ || matcher->type == MATCH_RE);
	json_field_bool(w, "isRegex", matcher->type == MATCH_RE || matcher->type == MATCH_NRE);
	json_field_string(w, "name", matcher_name(matcher));
	json_field_string(w, "value", matcher_value(matcher));
	json_end_object(w);
}

void silence_format(struct json_writer *w, const struct silence *silence, int64_t now_ms)
{
	json_begin_object(w);
	json_field_string(w, "id", slice_from(silence->id));
	json_key(w, "status");
	json_begin_object(w);
	json_field_string(w, "state", slice_from(state_texts[silence_state_at(silence, now_ms)]));
	json_end_object(w);
	json_field_time(w, "updatedAt", silence->updated_ms);
	json_field_string(w, "comment", slice_from(silence->comment));
	json_field_string(w, "createdBy", slice_from(silence->created_by));
	json_field_time(w, "startsAt", silence->starts_ms);
	json_field_time(w, "endsAt", silence->ends_ms);
	json_key(w, "matchers");
	json_begin_array(w);
	for (size_t i = 0; i < silence->nmatchers; i++)
		add_matcher(w, &silence->matchers[i]);
	json_end_array(w);
	json_end_object(w);
}

struct listing {
	const struct silence_filter *filter;
	const struct silence **found;
	size_t n;
};

static bool is_wanted(const struct silence *silence, const struct silence_filter *filter)
{
	for (size_t i = 0; filter && i < filter->n; i++) {
		bool has = false;

		for (size_t k = 0; k < silence->nmatchers && !has; k++)
			has = matcher_is_equal(&silence->matchers[k], &filter->matchers[i]);
		if (!has)
			return false;
	}
	return true;
}

static void on_silence(void *ctx, const struct silence *silence)
{
	struct listing *listing = ctx;

	if (listing->n < SILENCES_MAX && is_wanted(silence, listing->filter))
		listing->found[listing->n++] = silence;
}

static int by_time(int64_t a_ms, int64_t b_ms)
{
	return (a_ms > b_ms) - (a_ms < b_ms);
}

static int by_state(const void *a, const void *b, void *ctx)
{
	static const int ranks[] = {
		[SILENCE_ACTIVE] = 0, [SILENCE_PENDING] = 1, [SILENCE_EXPIRED] = 2
	};
	const struct silence *x = *(const struct silence *const *)a,
			     *y = *(const struct silence *const *)b;
	const int64_t *now_ms = ctx;
	enum silence_state state = silence_state_at(x, *now_ms),
			   other = silence_state_at(y, *now_ms);

	if (state != other)
		return ranks[state] - ranks[other];
	if (state == SILENCE_ACTIVE)
		return by_time(x->ends_ms, y->ends_ms);
	return state == SILENCE_PENDING ? by_time(x->starts_ms, y->starts_ms)
					: by_time(y->ends_ms, x->ends_ms);
}

int silences_format(struct json_writer *w, const struct actions *actions,
		    const struct silence_filter *filter, size_t max, int64_t now_ms)
{
	struct listing listing = { .filter = filter,
				   .found = calloc(SILENCES_MAX, sizeof(*listing.found)) };

	if (!listing.found)
		return ERR_NOMEM;
	actions_silences_each(actions, on_silence, &listing);
	qsort_r(listing.found, listing.n, sizeof(*listing.found), by_state, &now_ms);
	json_begin_array(w);
	for (size_t i = 0; i < listing.n && i < max; i++)
		silence_format(w, listing.found[i], now_ms);
	json_end_array(w);
	free(listing.found);
	return 0;
}

/* ---- reading ---- */

static int refuse(char why[256], const char *format, const char *what)
{
	snprintf(why, 256, format, what);
	return ERR_INVALID;
}

/* A text, or "" when it may be missing. */
static int read_text(const json_t *object, const char *key, bool required, const char **out,
		     char why[256])
{
	const json_t *value = json_object_get(object, key);

	*out = "";
	if (!value || json_is_null(value))
		return required ? refuse(why, "%s in body is required", key) : 0;
	if (!json_is_string(value))
		return refuse(why, "%s in body must be a string", key);
	*out = json_string_value(value);
	return 0;
}

static int read_time(const json_t *object, const char *key, int64_t *out_ms, char why[256])
{
	const char *text;
	int code = read_text(object, key, true, &text, why);

	if (!code && time_parse(slice_from(text), out_ms))
		return refuse(why, "%s in body is no time such as 2026-11-20T10:11:12Z", key);
	return code;
}

static int read_flag(const json_t *object, const char *key, bool otherwise, bool *out,
		     char why[256])
{
	const json_t *value = json_object_get(object, key);

	*out = otherwise;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_boolean(value))
		return refuse(why, "%s in body must be a boolean", key);
	*out = json_is_true(value);
	return 0;
}

static int add_one(struct silence *silence, enum match_type type, struct slice name,
		   struct slice value, char why[256])
{
	char *reason = NULL;

	if (name.len == 0)
		return refuse(why, "%s", "a matcher has an empty name");
	int code = matcher_init(&silence->matchers[silence->nmatchers], type, name, value, &reason);

	if (!code)
		silence->nmatchers++;
	else
		refuse(why, "%s", reason ? reason : error_text(code));
	free(reason);
	return code;
}

static int read_matcher(struct silence *silence, const json_t *json, char why[256])
{
	const char *name, *value;
	bool is_regex, is_equal;

	if (!json_is_object(json))
		return refuse(why, "%s", "a matcher in body must be an object");
	int code = read_text(json, "name", true, &name, why);

	if (code || (code = read_text(json, "value", true, &value, why)) ||
	    (code = read_flag(json, "isRegex", false, &is_regex, why)) ||
	    (code = read_flag(json, "isEqual", true, &is_equal, why)))
		return code;
	enum match_type type =
		is_regex ? (is_equal ? MATCH_RE : MATCH_NRE) : (is_equal ? MATCH_EQ : MATCH_NE);

	return add_one(silence, type, slice_from(name), slice_from(value), why);
}

/* Room for them. */
static int matchers_begin(struct silence *silence, size_t n, char why[256])
{
	if (n == 0)
		return refuse(why, "%s", "at least one matcher required");
	if (n > SILENCE_MATCHERS_IN_MAX)
		return refuse(why, "%s", "too many matchers");
	silence->matchers = calloc(n, sizeof(*silence->matchers));
	return silence->matchers ? 0 : ERR_NOMEM;
}

static int read_matchers(struct silence *silence, const json_t *list, char why[256])
{
	if (!json_is_array(list))
		return refuse(why, "%s", "matchers in body is required");
	int code = matchers_begin(silence, json_array_size(list), why);

	for (size_t i = 0; !code && i < json_array_size(list); i++)
		code = read_matcher(silence, json_array_get(list, i), why);
	return code;
}

/* Who and why: both say it. */
static int read_author(struct silence *silence, const json_t *root, char why[256])
{
	const char *created_by, *comment;
	int code = read_text(root, "createdBy", true, &created_by, why);

	if (code || (code = read_text(root, "comment", true, &comment, why)))
		return code;
	silence->created_by = strdup(created_by);
	silence->comment = strdup(comment);
	return silence->created_by && silence->comment ? 0 : ERR_NOMEM;
}

static int read_object(struct slice text, json_t **root, char why[256])
{
	json_error_t error;

	*root = json_loadb(text.ptr ? text.ptr : "", text.len, 0, &error);
	if (!*root)
		return refuse(why, "parsing body failed: %s", error.text);
	if (json_is_object(*root))
		return 0;
	json_decref(*root);
	return refuse(why, "%s", "the body must be an object");
}

static int read_whole(const json_t *root, struct silence *silence, char why[256])
{
	const char *id;
	int code = read_text(root, "id", false, &id, why);

	if (code)
		return code;
	if (strlen(id) >= sizeof(silence->id))
		return refuse(why, "%s", "id in body is no silence's id");
	strcpy(silence->id, id);
	if ((code = read_matchers(silence, json_object_get(root, "matchers"), why)) ||
	    (code = read_time(root, "startsAt", &silence->starts_ms, why)) ||
	    (code = read_time(root, "endsAt", &silence->ends_ms, why)))
		return code;
	return read_author(silence, root, why);
}

static int read_short(const json_t *root, struct silence *silence, int64_t now_ms, char why[256])
{
	json_t *labels = json_object_get(root, "labels");
	const char *duration, *name;
	int64_t duration_ms;
	json_t *value;
	int code = read_text(root, "duration", true, &duration, why);

	if (code)
		return code;
	if (duration_parse(slice_from(duration), &duration_ms) || duration_ms <= 0)
		return refuse(why, "%s", "duration in body is no duration such as 2h");
	if ((code = matchers_begin(silence, json_object_size(labels), why)))
		return code;
	json_object_foreach (labels, name, value) {
		if (!json_is_string(value))
			return refuse(why, "the label %s in body must be a string", name);
		if ((code = add_one(silence, MATCH_EQ, slice_from(name),
				    slice_from(json_string_value(value)), why)))
			return code;
	}
	silence->starts_ms = now_ms;
	silence->ends_ms = now_ms + duration_ms;
	return read_author(silence, root, why);
}

int silence_parse(struct slice json, struct silence *out, char why[256])
{
	struct silence silence = { .id = "" };
	json_t *root;
	int code = read_object(json, &root, why);

	if (code)
		return code;
	code = read_whole(root, &silence, why);
	json_decref(root);
	if (code)
		silence_fini(&silence);
	else
		*out = silence;
	return code;
}

int silence_parse_short(struct slice json, int64_t now_ms, struct silence *out, char why[256])
{
	struct silence silence = { .id = "" };
	json_t *root;
	int code = read_object(json, &root, why);

	if (code)
		return code;
	code = read_short(root, &silence, now_ms, why);
	json_decref(root);
	if (code)
		silence_fini(&silence);
	else
		*out = silence;
	return code;
}

void silence_fini(struct silence *silence)
{
	matchers_free(silence->matchers, silence->nmatchers);
	free(silence->created_by);
	free(silence->comment);
}
