#include "ingest/prefilter.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

#define GRAM 4 /* bytes */
#define NONE UINT32_MAX
/* Bits for each gram, so that few looks at other texts find one set. */
#define BITS_PER_GRAM 256
#define BITS_MIN_LOG 16 /* 8 KiB */
#define BITS_MAX_LOG 23 /* 1 MiB */

/* A text, once, with the ids that want it: ids[first_id, first_id + nids). */
struct literal {
	uint32_t at, len; /* in bytes: in lower case */
	uint32_t first_id, nids;
};

/* A gram of a literal, in the chain of all that have the same. */
struct entry {
	uint32_t literal, offset, next;
};

struct slot {
	uint32_t gram;
	uint32_t first; /* entry, or NONE: empty */
	uint32_t n;
};

struct prefilter {
	uint64_t *bits;
	unsigned shift; /* of a hash, to a bit's number */
	uint32_t stride;
	struct slot *slots; /* open addressing, by gram */
	uint32_t mask;
	struct entry *entries;
	uint32_t nentries;
	struct literal *literals;
	uint32_t nliterals;
	char *bytes;
	uint32_t *ids;
	uint32_t *foreign; /* hit by any line that is not ASCII */
	uint32_t nforeign;
};

static bool is_foreign(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.ptr[i] >= 0x80)
			return true;
	}
	return false;
}

bool prefilter_takes(struct slice literal)
{
	return literal.len >= GRAM || is_foreign(literal);
}

static char folded(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* Four bytes, letters in lower case (and some others changed: the same on both sides). */
static uint32_t gram_at(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v | 0x20202020u;
}

static uint32_t hash(uint32_t gram)
{
	return gram * 2654435761u;
}

/* Building. */

struct wanted {
	struct slice text; /* in lower case */
	uint32_t id;
};

static int wanted_order(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	int order = slice_compare(x->text, y->text);

	return order ? order : x->id < y->id ? -1 : x->id > y->id;
}

/* The same text, whoever wants it, is one literal. */
static void literals_fill(struct prefilter *p, const struct wanted *wanted, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct literal *last = p->nliterals ? &p->literals[p->nliterals - 1] : NULL;

		p->ids[i] = wanted[i].id;
		if (last && slice_is_equal(wanted[i].text, wanted[i - 1].text)) {
			last->nids++;
			continue;
		}
		p->literals[p->nliterals++] =
			(struct literal){ (uint32_t)(wanted[i].text.ptr - p->bytes),
					  (uint32_t)wanted[i].text.len, i, 1 };
		if (wanted[i].text.len - (GRAM - 1) < p->stride)
			p->stride = (uint32_t)wanted[i].text.len - (GRAM - 1);
	}
}

/* Lower-case copies in p->bytes; foreign ones apart. */
static uint32_t wanted_fill(struct prefilter *p, const struct prefilter_literal *literals, size_t n,
			    struct wanted *wanted)
{
	uint32_t at = 0, nwanted = 0;

	for (size_t i = 0; i < n; i++) {
		struct slice text = literals[i].text;

		assert(prefilter_takes(text));
		if (text.len < GRAM) {
			p->foreign[p->nforeign++] = literals[i].id;
			continue;
		}
		for (size_t k = 0; k < text.len; k++)
			p->bytes[at + k] = folded(text.ptr[k]);
		wanted[nwanted++] = (struct wanted){ { p->bytes + at, text.len }, literals[i].id };
		at += (uint32_t)text.len;
	}
	if (nwanted)
		qsort(wanted, nwanted, sizeof(*wanted), wanted_order);
	return nwanted;
}

static struct slot *slot_find(const struct prefilter *p, uint32_t gram)
{
	uint32_t i = (hash(gram) >> 7) & p->mask;

	while (p->slots[i].first != NONE && p->slots[i].gram != gram)
		i = (i + 1) & p->mask;
	return &p->slots[i];
}

/* Bytes that texts are not full of make better grams. */
static unsigned rarity(const char *text, size_t n)
{
	static const char common[] = " eationsrldc.:=0123456789";
	unsigned rare = 0;

	for (size_t i = 0; i < n; i++)
		rare += text[i] == '\0' || !strchr(common, text[i]);
	return rare;
}

/*
 * Where in the literal its grams are taken from: where the fewest others have theirs, so that what
 * many literals have in common is nobody's mark.
 */
static uint32_t window_choose(const struct prefilter *p, const struct literal *literal)
{
	const char *text = p->bytes + literal->at;
	uint32_t windows = literal->len - (GRAM - 1) - p->stride + 1, best = 0;
	uint64_t least = UINT64_MAX;

	for (uint32_t w = 0; w < windows; w++) {
		uint64_t cost = 0;

		for (uint32_t k = 0; k < p->stride; k++)
			cost += slot_find(p, gram_at(text + w + k))->n;
		cost = cost << 8 | (uint8_t)~rarity(text + w, p->stride + GRAM - 1);
		if (cost < least) {
			least = cost;
			best = w;
		}
	}
	return best;
}

static void literal_enter(struct prefilter *p, uint32_t i)
{
	const struct literal *literal = &p->literals[i];
	uint32_t window = window_choose(p, literal);

	for (uint32_t k = 0; k < p->stride; k++) {
		uint32_t gram = gram_at(p->bytes + literal->at + window + k);
		uint32_t bit = hash(gram) >> p->shift;
		struct slot *slot = slot_find(p, gram);

		p->entries[p->nentries] = (struct entry){ i, window + k, slot->first };
		*slot = (struct slot){ gram, p->nentries++, slot->n + 1 };
		p->bits[bit / 64] |= 1ull << bit % 64;
	}
}

/* Room for all grams. */
static int tables_new(struct prefilter *p)
{
	size_t grams = (size_t)p->nliterals * p->stride, slots = 16;
	unsigned log = BITS_MIN_LOG;

	while (log < BITS_MAX_LOG && (1ull << log) < grams * BITS_PER_GRAM)
		log++;
	while (slots < 2 * grams)
		slots *= 2;
	p->shift = 32 - log;
	p->mask = (uint32_t)slots - 1;
	p->bits = calloc((1ull << log) / 64, sizeof(*p->bits));
	p->slots = calloc(slots, sizeof(*p->slots));
	p->entries = calloc(grams ? grams : 1, sizeof(*p->entries));
	if (!p->bits || !p->slots || !p->entries)
		return ERR_NOMEM;
	for (size_t i = 0; i < slots; i++)
		p->slots[i].first = NONE;
	return 0;
}

static int prefilter_fill(struct prefilter *p, const struct prefilter_literal *literals, size_t n)
{
	struct wanted *wanted = calloc(n ? n : 1, sizeof(*wanted));
	size_t bytes = 0;
	int err = ERR_NOMEM;

	for (size_t i = 0; i < n; i++)
		bytes += literals[i].text.len;
	p->bytes = malloc(bytes ? bytes : 1);
	p->ids = calloc(n ? n : 1, sizeof(*p->ids));
	p->foreign = calloc(n ? n : 1, sizeof(*p->foreign));
	p->literals = calloc(n ? n : 1, sizeof(*p->literals));
	p->stride = PREFILTER_STRIDE_MAX;
	if (wanted && p->bytes && p->ids && p->foreign && p->literals) {
		literals_fill(p, wanted, wanted_fill(p, literals, n, wanted));
		err = tables_new(p);
	}
	for (uint32_t i = 0; !err && i < p->nliterals; i++)
		literal_enter(p, i);
	free(wanted);
	return err;
}

int prefilter_new(const struct prefilter_literal *literals, size_t n, uint32_t nids,
		  struct prefilter **out)
{
	struct prefilter *p = calloc(1, sizeof(*p));

	if (!p)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		assert(literals[i].id < nids);
	int err = prefilter_fill(p, literals, n);

	if (err)
		prefilter_free(p);
	else
		*out = p;
	return err;
}

void prefilter_free(struct prefilter *prefilter)
{
	if (!prefilter)
		return;
	free(prefilter->bits);
	free(prefilter->slots);
	free(prefilter->entries);
	free(prefilter->literals);
	free(prefilter->bytes);
	free(prefilter->ids);
	free(prefilter->foreign);
	free(prefilter);
}

uint32_t prefilter_worst(const struct prefilter *prefilter)
{
	uint32_t worst = 0;

	for (uint32_t i = 0; i <= prefilter->mask; i++) {
		if (prefilter->slots[i].n > worst)
			worst = prefilter->slots[i].n;
	}
	return worst;
}

/* Scanning. */

int prefilter_hits_init(struct prefilter_hits *hits, uint32_t nids)
{
	*hits = (struct prefilter_hits){ .nids = nids };
	hits->ids = calloc(nids ? nids : 1, sizeof(*hits->ids));
	hits->seen = calloc(nids ? nids : 1, sizeof(*hits->seen));
	if (hits->ids && hits->seen)
		return 0;
	prefilter_hits_fini(hits);
	return ERR_NOMEM;
}

void prefilter_hits_fini(struct prefilter_hits *hits)
{
	free(hits->ids);
	free(hits->seen);
	*hits = (struct prefilter_hits){ .n = 0 };
}

static void hits_clear(struct prefilter_hits *hits)
{
	hits->n = 0;
	if (++hits->mark == 0) {
		memset(hits->seen, 0, hits->nids * sizeof(*hits->seen));
		hits->mark = 1;
	}
}

static void hits_add(struct prefilter_hits *hits, const uint32_t *ids, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (hits->seen[ids[i]] == hits->mark)
			continue;
		hits->seen[ids[i]] = hits->mark;
		hits->ids[hits->n++] = ids[i];
	}
}

static bool is_equal_folded(const char *line, const char *lower, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (folded(line[i]) != lower[i])
			return false;
	}
	return true;
}

/* The bit of the gram at that place is set: which literals are really there? */
static void look_closer(const struct prefilter *p, struct slice line, size_t at,
			struct prefilter_hits *hits)
{
	const struct slot *slot = slot_find(p, gram_at(line.ptr + at));

	for (uint32_t e = slot->first; e != NONE; e = p->entries[e].next) {
		const struct entry *entry = &p->entries[e];
		const struct literal *literal = &p->literals[entry->literal];

		if (entry->offset > at || literal->len > line.len - (at - entry->offset))
			continue;
		/* Hit before: its first id stands for all of them. */
		if (hits->seen[p->ids[literal->first_id]] == hits->mark && literal->nids == 1)
			continue;
		if (is_equal_folded(line.ptr + at - entry->offset, p->bytes + literal->at,
				    literal->len))
			hits_add(hits, p->ids + literal->first_id, literal->nids);
	}
}

void prefilter_scan(const struct prefilter *prefilter, struct slice line,
		    struct prefilter_hits *hits)
{
	const uint64_t *bits = prefilter->bits;
	unsigned shift = prefilter->shift;
	size_t stride = prefilter->stride, i = 0;
	uint32_t all = 0; /* bytes seen, one over the other */

	hits_clear(hits);
	for (; i + GRAM <= line.len; i += stride) {
		uint32_t gram = gram_at(line.ptr + i), bit = hash(gram) >> shift;

		all |= gram;
		if (__builtin_expect(bits[bit / 64] >> bit % 64 & 1, 0))
			look_closer(prefilter, line, i, hits);
	}
	if (prefilter->nforeign == 0)
		return;
	/* A stride is no longer than a gram: only the last bytes were not seen. */
	for (; i < line.len; i++)
		all |= (unsigned char)line.ptr[i];
	if (all & 0x80808080u)
		hits_add(hits, prefilter->foreign, prefilter->nforeign);
}
