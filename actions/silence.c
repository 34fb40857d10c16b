/* Silences, by Alertmanager's rules. */
#include "actions/actions_internal.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"

#define SILENCE_KEEP_MS (120ll * 3600 * 1000) /* after their end */
#define SILENCE_MATCHERS_MAX 64
#define SILENCE_TEXT_MAX 4096

enum silence_state silence_state_at(const struct silence *silence, int64_t now_ms)
{
	if (now_ms < silence->starts_ms)
		return SILENCE_PENDING;
	return now_ms < silence->ends_ms ? SILENCE_ACTIVE : SILENCE_EXPIRED;
}

static struct silence *find(const struct actions *actions, const char *id)
{
	for (uint32_t i = 0; i < actions->nsilences; i++)
		if (strcmp(actions->silences[i].id, id) == 0)
			return &actions->silences[i];
	return NULL;
}

const struct silence *actions_silence_find(const struct actions *actions, const char *id)
{
	return find(actions, id);
}

void actions_silences_each(const struct actions *actions,
			   void (*fn)(void *ctx, const struct silence *silence), void *ctx)
{
	for (uint32_t i = 0; i < actions->nsilences; i++)
		fn(ctx, &actions->silences[i]);
}

const struct silence *actions_silenced_by(const struct actions *actions,
					  const struct labels *labels, int64_t now_ms)
{
	for (uint32_t i = 0; i < actions->nsilences; i++) {
		const struct silence *silence = &actions->silences[i];

		if (silence_state_at(silence, now_ms) == SILENCE_ACTIVE &&
		    matchers_is_match(silence->matchers, silence->nmatchers, labels))
			return silence;
	}
	return NULL;
}

/* ---- checks ---- */

static int refuse(char why[256], const char *text)
{
	snprintf(why, 256, "%s", text);
	return ERR_INVALID;
}

static int check(const struct silence *silence, int64_t now_ms, char why[256])
{
	bool any = false;

	if (silence->nmatchers == 0)
		return refuse(why, "at least one matcher required");
	if (silence->nmatchers > SILENCE_MATCHERS_MAX)
		return refuse(why, "too many matchers");
	for (size_t i = 0; i < silence->nmatchers; i++)
		any = any || !matcher_is_match(&silence->matchers[i], SLICE(""));
	if (!any)
		return refuse(why, "at least one matcher must not match the empty string");
	if (silence->ends_ms <= silence->starts_ms)
		return refuse(why, "start time must be before end time");
	if (silence->ends_ms <= now_ms)
		return refuse(why, "end time can't be in the past");
	if (strlen(silence->created_by) > SILENCE_TEXT_MAX ||
	    strlen(silence->comment) > SILENCE_TEXT_MAX)
		return refuse(why, "comment or creator is too long");
	if (!slice_is_utf8(slice_from(silence->created_by)) ||
	    !slice_is_utf8(slice_from(silence->comment)))
		return refuse(why,
			      "comment or creator is no text"); /* a record could not hold it */
	return 0;
}

static bool has_equal_matchers(const struct silence *a, const struct silence *b)
{
	if (a->nmatchers != b->nmatchers)
		return false;
	for (size_t i = 0; i < a->nmatchers; i++)
		if (!matcher_is_equal(&a->matchers[i], &b->matchers[i]))
			return false;
	return true;
}

/* May the old one be changed in place? Else it ends, and a new one begins. */
static bool can_update(const struct silence *old, const struct silence *new, int64_t now_ms)
{
	if (!has_equal_matchers(old, new))
		return false;
	switch (silence_state_at(old, now_ms)) {
	case SILENCE_ACTIVE:
		return old->starts_ms / 1000 == new->starts_ms / 1000 && new->ends_ms >= now_ms;
	case SILENCE_PENDING:
		return new->starts_ms >= now_ms;
	case SILENCE_EXPIRED:
		break;
	}
	return false;
}

/* ---- journal ---- */

static void save(struct actions *actions, const struct silence *silence)
{
	json_t *matchers = json_array();

	for (size_t i = 0; i < silence->nmatchers; i++) {
		const struct matcher *matcher = &silence->matchers[i];

		json_array_append_new(matchers,
				      json_pack("{ss% si ss%}", "name", matcher->name,
						matcher->name_len, "type", (int)matcher->type,
						"value", matcher->value, matcher->value_len));
	}
	actions_record(actions, RECORD_SILENCE,
		       json_pack("{ss so sI sI sI ss ss}", "id", silence->id, "matchers", matchers,
				 "starts", (json_int_t)silence->starts_ms, "ends",
				 (json_int_t)silence->ends_ms, "updated",
				 (json_int_t)silence->updated_ms, "created_by", silence->created_by,
				 "comment", silence->comment),
		       false);
}

static void silence_fini(struct silence *silence)
{
	matchers_free(silence->matchers, silence->nmatchers);
	free(silence->created_by);
	free(silence->comment);
}

static struct silence *add(struct actions *actions)
{
	if (!ARRAY_RESERVE(&actions->silences, actions->nsilences, &actions->silences_cap))
		return NULL;
	struct silence *silence = &actions->silences[actions->nsilences++];

	*silence = (struct silence){ 0 };
	return silence;
}

static void remove_at(struct actions *actions, uint32_t i)
{
	silence_fini(&actions->silences[i]);
	memmove(&actions->silences[i], &actions->silences[i + 1],
		(actions->nsilences - i - 1) * sizeof(actions->silences[0]));
	actions->nsilences--;
}

/* A random (version 4) UUID. */
static void make_id(char id[40])
{
	unsigned char b[16];

	int made = RAND_bytes(b, sizeof(b));

	assert(made == 1);
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(id, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		 b[13], b[14], b[15]);
}

static int copy_into(struct silence *to, const struct silence *from)
{
	struct matcher *matchers = calloc(from->nmatchers, sizeof(*matchers));
	char *created_by = strdup(from->created_by), *comment = strdup(from->comment);
	size_t n = 0;

	while (matchers && n < from->nmatchers &&
	       matcher_dup(&from->matchers[n], &matchers[n]) == 0)
		n++;
	if (!matchers || n < from->nmatchers || !created_by || !comment) {
		matchers_free(matchers, n);
		free(created_by);
		free(comment);
		return ERR_NOMEM;
	}
	matchers_free(to->matchers, to->nmatchers);
	free(to->created_by);
	free(to->comment);
	to->matchers = matchers;
	to->nmatchers = n;
	to->created_by = created_by;
	to->comment = comment;
	to->starts_ms = from->starts_ms;
	to->ends_ms = from->ends_ms;
	return 0;
}

int actions_silence_set(struct actions *actions, const struct silence *wanted, int64_t now_ms,
			char id[40], char why[256])
{
	struct silence *old = wanted->id[0] ? find(actions, wanted->id) : NULL, *silence = NULL;
	int code = check(wanted, now_ms, why);

	if (code)
		return code;
	if (wanted->id[0] && !old) {
		snprintf(why, 256, "silence %.40s not found", wanted->id);
		return ERR_NOT_FOUND;
	}
	if (old && can_update(old, wanted, now_ms))
		silence = old;
	if (!silence) {
		if (actions->nsilences >= SILENCES_MAX) {
			snprintf(why, 256, "exceeded maximum number of silences: %d", SILENCES_MAX);
			return ERR_LIMIT;
		}
		silence = add(actions);
		if (!silence)
			return ERR_NOMEM;
		make_id(silence->id);
	}
	code = copy_into(silence, wanted);
	if (code) {
		if (!silence->matchers)
			remove_at(actions, actions->nsilences - 1);
		return code;
	}
	if (silence->starts_ms < now_ms && silence != old)
		silence->starts_ms = now_ms;
	silence->updated_ms = now_ms;
	save(actions, silence);
	if (wanted->id[0] && strcmp(wanted->id, silence->id) != 0)
		actions_silence_expire(actions, wanted->id, now_ms);
	snprintf(id, 40, "%s", silence->id);
	return 0;
}

int actions_silence_expire(struct actions *actions, const char *id, int64_t now_ms)
{
	struct silence *silence = find(actions, id);

	if (!silence)
		return ERR_NOT_FOUND;
	if (silence_state_at(silence, now_ms) == SILENCE_EXPIRED)
		return 0;
	if (silence->starts_ms > now_ms)
		silence->starts_ms = now_ms;
	silence->ends_ms = now_ms;
	silence->updated_ms = now_ms;
	save(actions, silence);
	return 0;
}

static int matchers_restore(struct silence *silence, const json_t *array)
{
	size_t i, n = json_array_size(array);
	const json_t *item;

	if (n == 0 || n > SILENCE_MATCHERS_MAX)
		return ERR_CORRUPT;
	silence->matchers = calloc(n, sizeof(*silence->matchers));
	if (!silence->matchers)
		return ERR_NOMEM;
	json_array_foreach (array, i, item) {
		const json_t *name = json_object_get(item, "name"),
			     *value = json_object_get(item, "value");
		json_int_t type = json_integer_value(json_object_get(item, "type"));
		char *why = NULL;

		if (!name || !value || type < MATCH_EQ || type > MATCH_NRE)
			return ERR_CORRUPT;
		int code = matcher_init(
			&silence->matchers[i], (enum match_type)type,
			(struct slice){ json_string_value(name), json_string_length(name) },
			(struct slice){ json_string_value(value), json_string_length(value) },
			&why);

		free(why);
		if (code)
			return code;
		silence->nmatchers++;
	}
	return 0;
}

void silences_restore(struct actions *actions, struct slice payload)
{
	json_t *object = record_parse(payload);
	const char *id = json_text(object, "id");
	struct silence restored = { 0 };

	if (id && strlen(id) < sizeof(restored.id) &&
	    matchers_restore(&restored, json_object_get(object, "matchers")) == 0) {
		struct silence *silence = find(actions, id);

		strcpy(restored.id, id);
		restored.starts_ms = time_from_json(json_object_get(object, "starts"));
		restored.ends_ms = time_from_json(json_object_get(object, "ends"));
		restored.updated_ms = time_from_json(json_object_get(object, "updated"));
		restored.created_by = strdup(json_text(object, "created_by") ?: "");
		restored.comment = strdup(json_text(object, "comment") ?: "");
		bool is_whole = restored.starts_ms != TIME_NONE && restored.ends_ms != TIME_NONE &&
				restored.created_by && restored.comment;

		if (is_whole && silence)
			silence_fini(silence);
		else if (is_whole)
			silence = add(actions);
		if (is_whole && silence)
			*silence = restored;
		else
			silence_fini(&restored);
	} else {
		silence_fini(&restored);
	}
	json_decref(object);
}

void silences_checkpoint(struct actions *actions)
{
	for (uint32_t i = 0; i < actions->nsilences; i++)
		save(actions, &actions->silences[i]);
}

void silences_sweep(struct actions *actions)
{
	for (uint32_t i = actions->nsilences; i-- > 0;)
		if (actions->silences[i].ends_ms + SILENCE_KEEP_MS < actions->now_ms)
			remove_at(actions, i);
}

void silences_fini(struct actions *actions)
{
	while (actions->nsilences)
		remove_at(actions, actions->nsilences - 1);
	free(actions->silences);
}
