#include "base/huge_pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define SMALL_PAGE_BYTES ((size_t)4096)
#define SMALL_PAGES (HUGE_PAGE_BYTES / SMALL_PAGE_BYTES)

/* Refused: the kernel could not, for a reason of this page's own. */
enum page_state { PAGE_SMALL, PAGE_HUGE, PAGE_REFUSED };

struct area {
	char *at;
	size_t n;		/* huge pages that fit in */
	_Atomic uint8_t *state; /* of each of them: enum page_state */
};

static struct area areas[HUGE_AREAS_MAX];
static atomic_uint nareas;
static _Atomic size_t nhuge;

void huge_pages_add(void *at, size_t bytes)
{
	unsigned i = atomic_load(&nareas);
	size_t n = bytes / HUGE_PAGE_BYTES;
	if (i == HUGE_AREAS_MAX || n == 0)
		return;
	void *state = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (state == MAP_FAILED)
		return;
	areas[i] = (struct area){ .at = at, .n = n, .state = state };
	atomic_store(&nareas, i + 1);
}

static void mark(struct area *area, size_t page, enum page_state state)
{
	enum page_state before = atomic_exchange(&area->state[page], (uint8_t)state);
	atomic_fetch_add(&nhuge, (size_t)(state == PAGE_HUGE) - (size_t)(before == PAGE_HUGE));
}

void huge_pages_forget(const void *at, size_t bytes)
{
	const char *from = at, *to = from + bytes;
	for (unsigned i = 0; i < atomic_load(&nareas); i++) {
		struct area *area = &areas[i];
		const char *end = area->at + area->n * HUGE_PAGE_BYTES;
		if (to <= area->at || from >= end)
			continue;
		size_t page = from > area->at ? (size_t)(from - area->at) / HUGE_PAGE_BYTES : 0;
		for (; page < area->n && area->at + page * HUGE_PAGE_BYTES < to; page++)
			mark(area, page, PAGE_SMALL);
	}
}

static bool is_full(char *at)
{
	unsigned char is_resident[SMALL_PAGES];
	size_t n = 0;
	if (mincore(at, HUGE_PAGE_BYTES, is_resident))
		return false;
	for (size_t i = 0; i < SMALL_PAGES; i++)
		n += is_resident[i] & 1;
	return n >= SMALL_PAGES / 8 * HUGE_EIGHTHS_MIN;
}

/* Marked before: what is given back meanwhile takes the mark away. */
static enum huge_step make_huge(struct area *area, size_t page)
{
	mark(area, page, PAGE_HUGE);
	if (!madvise(area->at + page * HUGE_PAGE_BYTES, HUGE_PAGE_BYTES, MADV_COLLAPSE))
		return HUGE_TRIED;
	bool is_short = errno == ENOMEM || errno == EBUSY; /* or the control group has no more */
	bool is_never = errno == EINVAL;
	mark(area, page, is_short ? PAGE_SMALL : PAGE_REFUSED);
	return is_short ? HUGE_SHORT : is_never ? HUGE_NEVER : HUGE_TRIED;
}

enum huge_step huge_pages_step(void)
{
	if (sysconf(_SC_PAGESIZE) != (long)SMALL_PAGE_BYTES)
		return HUGE_NEVER;
	for (unsigned i = 0; i < atomic_load(&nareas); i++) {
		struct area *area = &areas[i];
		for (size_t page = 0; page < area->n; page++)
			if (atomic_load(&area->state[page]) == PAGE_SMALL &&
			    is_full(area->at + page * HUGE_PAGE_BYTES))
				return make_huge(area, page);
	}
	return HUGE_NONE;
}

size_t huge_pages_bytes(void)
{
	return atomic_load(&nhuge) * HUGE_PAGE_BYTES;
}
