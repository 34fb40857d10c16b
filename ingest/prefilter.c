#include "ingest/prefilter.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

#define HIT 0x80000000u /* flag of an entry: literals end in that state */
#define NONE UINT32_MAX
#define CLASS_OTHER 0

struct ending {
	uint32_t id;
	uint32_t next; /* or NONE */
};

struct prefilter {
	uint8_t classes[256];
	uint32_t width; /* entries of a state */
	uint32_t *next; /* states are multiples of width */
	uint32_t nstates;
	/* By state number: the first of the literals that end there, in a chain that goes on with
	 * those that end in its suffixes. */
	uint32_t *endings;
	struct ending *chain;
	uint32_t nchain;
};

static uint8_t folded(char c)
{
	return (uint8_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static size_t cut(struct slice text, size_t len_max)
{
	return text.len < len_max ? text.len : len_max;
}

static void classes_make(struct prefilter *p, const struct prefilter_literal *literals, size_t n,
			 size_t len_max)
{
	uint32_t classes = 1;

	memset(p->classes, CLASS_OTHER, sizeof(p->classes));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < cut(literals[i].text, len_max); k++) {
			uint8_t c = folded(literals[i].text.ptr[k]);

			if (p->classes[c] != CLASS_OTHER)
				continue;
			/* 230 at most: letters of one case only. */
			p->classes[c] = (uint8_t)classes++;
			if (c >= 'a' && c <= 'z')
				p->classes[c ^ 0x20] = p->classes[c];
		}
	}
	p->width = classes;
}

/* Bytes that the table might take at worst. */
static size_t bytes_needed(const struct prefilter *p, const struct prefilter_literal *literals,
			   size_t n, size_t len_max, size_t *nstates)
{
	*nstates = 1;
	for (size_t i = 0; i < n; i++)
		*nstates += cut(literals[i].text, len_max);
	return *nstates * p->width * sizeof(*p->next);
}

static bool literal_add(struct prefilter *p, const struct prefilter_literal *literal,
			size_t len_max)
{
	uint32_t state = 0;

	for (size_t k = 0; k < cut(literal->text, len_max); k++) {
		uint32_t *entry =
			&p->next[state * p->width + p->classes[(uint8_t)literal->text.ptr[k]]];

		if (*entry == NONE)
			*entry = p->nstates++;
		state = *entry;
	}
	for (uint32_t e = p->endings[state]; e != NONE; e = p->chain[e].next) {
		if (p->chain[e].id == literal->id)
			return false;
	}
	p->chain[p->nchain] = (struct ending){ literal->id, p->endings[state] };
	p->endings[state] = p->nchain++;
	return true;
}

/* The chain of a state goes on with that of its longest proper suffix. */
static void chain_join(struct prefilter *p, uint32_t state, uint32_t suffix)
{
	uint32_t *end = &p->endings[state];

	while (*end != NONE)
		end = &p->chain[*end].next;
	*end = p->endings[suffix];
}

/*
 * Breadth first: where a literal does not go on, the automaton goes where the state's longest
 * proper suffix would.
 */
static void suffixes_fill(struct prefilter *p, uint32_t *queue, uint32_t *suffix)
{
	uint32_t head = 0, tail = 0;

	for (uint32_t c = 0; c < p->width; c++) {
		uint32_t *entry = &p->next[c];

		if (*entry == NONE) {
			*entry = 0;
			continue;
		}
		suffix[*entry] = 0;
		queue[tail++] = *entry;
	}
	while (head < tail) {
		uint32_t state = queue[head++];
		const uint32_t *of_suffix = &p->next[suffix[state] * p->width];

		chain_join(p, state, suffix[state]);
		for (uint32_t c = 0; c < p->width; c++) {
			uint32_t *entry = &p->next[state * p->width + c];

			if (*entry == NONE) {
				*entry = of_suffix[c];
				continue;
			}
			suffix[*entry] = of_suffix[c];
			queue[tail++] = *entry;
		}
	}
}

/* Numbers of states become places in the table, with the flag. */
static void entries_finish(struct prefilter *p)
{
	for (size_t i = 0; i < (size_t)p->nstates * p->width; i++) {
		uint32_t state = p->next[i];

		p->next[i] = state * p->width | (p->endings[state] != NONE ? HIT : 0);
	}
}

static int table_make(struct prefilter *p, const struct prefilter_literal *literals, size_t n,
		      size_t len_max, size_t nstates)
{
	size_t entries = nstates * p->width;
	uint32_t *queue = malloc(nstates * sizeof(*queue));
	uint32_t *suffix = malloc(nstates * sizeof(*suffix));
	int err = ERR_NOMEM;

	p->next = malloc(entries * sizeof(*p->next));
	p->endings = malloc(nstates * sizeof(*p->endings));
	p->chain = malloc((n ? n : 1) * sizeof(*p->chain));
	if (queue && suffix && p->next && p->endings && p->chain) {
		memset(p->next, 0xff, entries * sizeof(*p->next));
		memset(p->endings, 0xff, nstates * sizeof(*p->endings));
		p->nstates = 1;
		for (size_t i = 0; i < n; i++)
			literal_add(p, &literals[i], len_max);
		assert(p->nstates <= nstates);
		suffixes_fill(p, queue, suffix);
		entries_finish(p);
		err = 0;
	}
	free(queue);
	free(suffix);
	return err;
}

int prefilter_new(const struct prefilter_literal *literals, size_t n, uint32_t nids,
		  struct prefilter **out)
{
	struct prefilter *p = calloc(1, sizeof(*p));
	size_t len_max = PREFILTER_LITERAL_MAX, nstates;

	if (!p)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		assert(literals[i].text.len > 0 && literals[i].id < nids);
	classes_make(p, literals, n, len_max);
	while (bytes_needed(p, literals, n, len_max, &nstates) > PREFILTER_BYTES_MAX) {
		if (len_max <= 3) {
			free(p);
			return ERR_LIMIT;
		}
		len_max = len_max * 2 / 3;
		classes_make(p, literals, n, len_max);
	}
	int err = table_make(p, literals, n, len_max, nstates);

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
	free(prefilter->next);
	free(prefilter->endings);
	free(prefilter->chain);
	free(prefilter);
}

size_t prefilter_bytes(const struct prefilter *prefilter)
{
	return sizeof(*prefilter) +
	       prefilter->nstates * (prefilter->width + 1) * sizeof(*prefilter->next) +
	       prefilter->nchain * sizeof(*prefilter->chain);
}

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

static void hits_add(const struct prefilter *p, uint32_t state, struct prefilter_hits *hits)
{
	for (uint32_t e = p->endings[state / p->width]; e != NONE; e = p->chain[e].next) {
		uint32_t id = p->chain[e].id;

		/* What ends in the state's suffixes was added with it the first time. */
		if (hits->seen[id] == hits->mark)
			continue;
		hits->seen[id] = hits->mark;
		hits->ids[hits->n++] = id;
	}
}

void prefilter_scan(const struct prefilter *prefilter, struct slice line,
		    struct prefilter_hits *hits)
{
	const uint32_t *next = prefilter->next;
	const uint8_t *classes = prefilter->classes;
	uint32_t state = 0;

	hits_clear(hits);
	for (size_t i = 0; i < line.len; i++) {
		uint32_t entry = next[state + classes[(uint8_t)line.ptr[i]]];

		state = entry & ~HIT;
		if (__builtin_expect((entry & HIT) != 0, 0))
			hits_add(prefilter, state, hits);
	}
}
