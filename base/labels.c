#include "base/labels.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/quote.h"

/*
 * One block: the head, an entry a label, then the bytes of name and value of each label in turn.
 */
struct labels {
	atomic_uint refs;
	uint32_t n;
	struct entry {
		uint32_t at; /* of the name in the bytes; the value follows it */
		uint32_t name_len, value_len;
	} entries[];
};

static const char *texts_of(const struct labels *labels)
{
	return (const char *)&labels->entries[labels->n];
}

static int pair_compare(const void *a, const void *b)
{
	return slice_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

enum empty_values { LEAVE_EMPTY_OUT, KEEP_EMPTY };

/* Copies the pairs and orders them. */
static int pairs_sort(const struct label *pairs, size_t n, enum empty_values empty,
		      struct label sorted[LABELS_COUNT_MAX], size_t *count, const char **why)
{
	bool ordered = true;
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		if (pairs[i].value.len == 0 && empty == LEAVE_EMPTY_OUT)
			continue;
		if (m == LABELS_COUNT_MAX) {
			*why = "too many labels";
			return ERR_LIMIT;
		}
		if (m > 0 && slice_compare(sorted[m - 1].name, pairs[i].name) >= 0)
			ordered = false;
		sorted[m++] = pairs[i];
	}
	if (!ordered)
		qsort(sorted, m, sizeof(*sorted), pair_compare);
	*count = m;
	return 0;
}

static int pairs_judge(const struct label *sorted, size_t n, size_t *bytes, const char **why)
{
	*bytes = 0;
	for (size_t i = 0; i < n; i++) {
		const struct label *label = &sorted[i];

		*why = label->name.len == 0	      ? "empty label name"
		       : !slice_is_utf8(label->name)  ? "label name is no UTF-8"
		       : !slice_is_utf8(label->value) ? "label value is no UTF-8"
		       : i > 0 && slice_is_equal(label[-1].name, label->name) ? "label name twice"
									      : NULL;
		if (*why)
			return ERR_INVALID;
		if (label->name.len > LABELS_BYTES_MAX || label->value.len > LABELS_BYTES_MAX ||
		    (*bytes += label->name.len + label->value.len) > LABELS_BYTES_MAX) {
			*why = "labels too long";
			return ERR_LIMIT;
		}
	}
	return 0;
}

static struct labels *labels_build(const struct label *sorted, size_t n, size_t bytes)
{
	struct labels *labels = malloc(sizeof(*labels) + n * sizeof(labels->entries[0]) + bytes);
	uint32_t at = 0;

	if (!labels)
		return NULL;
	atomic_init(&labels->refs, 1);
	labels->n = (uint32_t)n;
	char *to = (char *)&labels->entries[n];

	for (size_t i = 0; i < n; i++) {
		uint32_t name_len = (uint32_t)sorted[i].name.len;
		uint32_t value_len = (uint32_t)sorted[i].value.len;

		labels->entries[i] = (struct entry){ at, name_len, value_len };
		memcpy(to + at, sorted[i].name.ptr, name_len);
		if (value_len)
			memcpy(to + at + name_len, sorted[i].value.ptr, value_len);
		at += name_len + value_len;
	}
	return labels;
}

static int set_new(const struct label *pairs, size_t n, enum empty_values empty,
		   struct labels **out, const char **why)
{
	struct label sorted[LABELS_COUNT_MAX];
	const char *unused;
	size_t count, bytes;

	if (!why)
		why = &unused;
	int err = pairs_sort(pairs, n, empty, sorted, &count, why);

	if (!err)
		err = pairs_judge(sorted, count, &bytes, why);
	if (err)
		return err;
	struct labels *labels = labels_build(sorted, count, bytes);

	if (!labels) {
		*why = error_text(ERR_NOMEM);
		return ERR_NOMEM;
	}
	*out = labels;
	return 0;
}

int labels_new(const struct label *pairs, size_t n, struct labels **out, const char **why)
{
	return set_new(pairs, n, LEAVE_EMPTY_OUT, out, why);
}

int annotations_new(const struct label *pairs, size_t n, struct labels **out, const char **why)
{
	return set_new(pairs, n, KEEP_EMPTY, out, why);
}

struct labels *labels_ref(struct labels *labels)
{
	atomic_fetch_add_explicit(&labels->refs, 1, memory_order_relaxed);
	return labels;
}

void labels_unref(struct labels *labels)
{
	if (!labels)
		return;
	unsigned before = atomic_fetch_sub_explicit(&labels->refs, 1, memory_order_acq_rel);

	assert(before > 0);
	if (before == 1)
		free(labels);
}

size_t labels_count(const struct labels *labels)
{
	return labels->n;
}

size_t labels_bytes(const struct labels *labels)
{
	const struct entry *last = labels->n ? &labels->entries[labels->n - 1] : NULL;

	return last ? last->at + last->name_len + last->value_len : 0;
}

struct label labels_at(const struct labels *labels, size_t i)
{
	assert(i < labels->n);
	const struct entry *entry = &labels->entries[i];
	const char *name = texts_of(labels) + entry->at;

	return (struct label){ { name, entry->name_len },
			       { name + entry->name_len, entry->value_len } };
}

struct slice labels_get(const struct labels *labels, struct slice name)
{
	size_t low = 0, high = labels->n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		struct label label = labels_at(labels, mid);
		int order = slice_compare(label.name, name);

		if (order == 0)
			return label.value;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return (struct slice){ NULL, 0 };
}

bool labels_is_equal(const struct labels *a, const struct labels *b)
{
	if (a == b)
		return true;
	if (a->n != b->n || memcmp(a->entries, b->entries, a->n * sizeof(a->entries[0])) != 0)
		return false;
	return memcmp(texts_of(a), texts_of(b), labels_bytes(a)) == 0;
}

int labels_compare(const struct labels *a, const struct labels *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		struct label la = labels_at(a, i), lb = labels_at(b, i);
		int order = slice_compare(la.name, lb.name);

		if (order == 0)
			order = slice_compare(la.value, lb.value);
		if (order != 0)
			return order;
	}
	return (a->n > b->n) - (a->n < b->n);
}

/* The block is canonical but for its count of references: entries and bytes follow from the set. */
struct hash128 labels_hash(const struct labels *labels, const struct hash_key *key)
{
	return hash_keyed128(key, labels->entries,
			     labels->n * sizeof(*labels->entries) + labels_bytes(labels));
}

uint64_t labels_fingerprint(const struct labels *labels)
{
	uint64_t state = FNV1A64_INIT;

	for (size_t i = 0; i < labels->n; i++) {
		struct label label = labels_at(labels, i);

		state = hash_fnv1a64(state, label.name.ptr, label.name.len);
		state = hash_fnv1a64(state, "\xFF", 1);
		state = hash_fnv1a64(state, label.value.ptr, label.value.len);
		state = hash_fnv1a64(state, "\xFF", 1);
	}
	return state;
}

static void sized_add(struct buf *out, struct slice text)
{
	if (text.len < 255) {
		buf_add_char(out, (char)text.len);
	} else {
		buf_add_char(out, (char)255);
		for (int shift = 0; shift < 24; shift += 8)
			buf_add_char(out, (char)(text.len >> shift));
	}
	buf_add_slice(out, text);
}

int labels_place(const struct labels *labels, double *place)
{
	struct buf bytes = { 0 };

	for (size_t i = 0; i < labels->n; i++) {
		struct label label = labels_at(labels, i);

		sized_add(&bytes, label.name);
		sized_add(&bytes, label.value);
	}
	bool failed = bytes.failed;
	struct slice all = buf_slice(&bytes);

	if (!failed)
		*place = (double)hash_xxh64(all.len ? all.ptr : "", all.len) / (double)UINT64_MAX;
	buf_fini(&bytes);
	return failed ? ERR_NOMEM : 0;
}

static void pair_format(struct label label, struct buf *out)
{
	if (label_name_is_legacy(label.name))
		buf_add_slice(out, label.name);
	else
		text_quote(label.name, out);
	buf_add_char(out, '=');
	text_quote(label.value, out);
}

void labels_format(const struct labels *labels, struct buf *out)
{
	struct slice metric = labels_get(labels, SLICE(METRIC_NAME));
	bool bare = metric_name_is_legacy(metric);
	bool first = true;

	if (bare)
		buf_add_slice(out, metric);
	if (bare && labels->n == 1)
		return;
	buf_add_char(out, '{');
	if (metric.len && !bare) {
		text_quote(metric, out);
		first = false;
	}
	for (size_t i = 0; i < labels->n; i++) {
		struct label label = labels_at(labels, i);

		if (slice_is(label.name, METRIC_NAME))
			continue;
		if (!first)
			buf_add_str(out, ", ");
		pair_format(label, out);
		first = false;
	}
	buf_add_char(out, '}');
}

void labels_check(const struct labels *labels)
{
	uint32_t at = 0;

	assert(atomic_load(&labels->refs) > 0);
	assert(labels->n <= LABELS_COUNT_MAX);
	for (size_t i = 0; i < labels->n; i++) {
		struct label label = labels_at(labels, i);

		assert(labels->entries[i].at == at);
		assert(label.name.len > 0 && label.value.len > 0);
		assert(slice_is_utf8(label.name) && slice_is_utf8(label.value));
		assert(i == 0 || slice_compare(labels_at(labels, i - 1).name, label.name) < 0);
		at += labels->entries[i].name_len + labels->entries[i].value_len;
	}
	assert(at <= LABELS_BYTES_MAX);
}

void labels_builder_init(struct labels_builder *builder)
{
	*builder = (struct labels_builder){ 0 };
}

void labels_builder_fini(struct labels_builder *builder)
{
	free(builder->pairs);
	labels_builder_init(builder);
}

void labels_builder_clear(struct labels_builder *builder)
{
	builder->n = 0;
	builder->failed = builder->overflow = false;
}

void labels_builder_add_all(struct labels_builder *builder, const struct labels *labels)
{
	for (size_t i = 0; i < labels->n; i++) {
		struct label label = labels_at(labels, i);

		labels_builder_set(builder, label.name, label.value);
	}
}

static struct label *builder_find(struct labels_builder *builder, struct slice name)
{
	for (size_t i = 0; i < builder->n; i++) {
		if (slice_is_equal(builder->pairs[i].name, name))
			return &builder->pairs[i];
	}
	return NULL;
}

static bool builder_grow(struct labels_builder *builder)
{
	if (!ARRAY_RESERVE(&builder->pairs, builder->n, &builder->cap)) {
		builder->failed = true;
		return false;
	}
	return true;
}

void labels_builder_set(struct labels_builder *builder, struct slice name, struct slice value)
{
	if (value.len == 0) {
		labels_builder_remove(builder, name);
		return;
	}
	struct label *found = builder_find(builder, name);

	if (found) {
		found->value = value;
		return;
	}
	/* Bounds the search above as well. */
	if (builder->n == LABELS_COUNT_MAX)
		builder->overflow = true;
	else if (builder_grow(builder))
		builder->pairs[builder->n++] = (struct label){ name, value };
}

void labels_builder_remove(struct labels_builder *builder, struct slice name)
{
	struct label *found = builder_find(builder, name);

	if (found)
		*found = builder->pairs[--builder->n];
}

int labels_builder_take(struct labels_builder *builder, struct labels **out, const char **why)
{
	if (builder->failed || builder->overflow) {
		if (why)
			*why = builder->failed ? error_text(ERR_NOMEM) : "too many labels";
		return builder->failed ? ERR_NOMEM : ERR_LIMIT;
	}
	return labels_new(builder->pairs, builder->n, out, why);
}

static bool name_is_legacy(struct slice name, bool colon)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		    (colon && c == ':') || (i > 0 && c >= '0' && c <= '9'))
			continue;
		return false;
	}
	return name.len > 0;
}

bool metric_name_is_legacy(struct slice name)
{
	return name_is_legacy(name, true);
}

bool label_name_is_legacy(struct slice name)
{
	return name_is_legacy(name, false);
}

/* ---- in records ---- */

void labels_encode(const struct labels *labels, struct buf *out)
{
	size_t n = labels ? labels_count(labels) : 0;

	buf_add_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		struct label label = labels_at(labels, i);

		buf_add_sized(out, label.name);
		buf_add_sized(out, label.value);
	}
}

int labels_decode(struct reader *reader, struct labels **out)
{
	struct label pairs[LABELS_COUNT_MAX];
	uint32_t n = reader_u32(reader);

	if (reader->failed || n > LABELS_COUNT_MAX)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < n; i++) {
		pairs[i].name = reader_sized(reader);
		pairs[i].value = reader_sized(reader);
	}
	if (reader->failed)
		return ERR_CORRUPT;
	int code = labels_new(pairs, n, out, NULL);

	return code && code != ERR_NOMEM ? ERR_CORRUPT : code;
}
