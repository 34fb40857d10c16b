/*
 * Huge pages under memory that stands for long and is read all over, now and then.
 *
 * What was not touched for seconds is expensive to come back to: each page of 4 KiB costs a walk
 * through page tables that are out of the caches as well, and in a virtual machine the host's on
 * top, which may have taken the page away meanwhile. In pages of 2 MiB the same bytes are in 512
 * times fewer of them.
 *
 * Memory becomes huge after it is full, page after page, on a thread that has time (the kernel's
 * MADV_COLLAPSE, Linux 6.1): to ask for it in advance would make whoever touches a page first
 * clear all 2 MiB, and memory that is hardly used big.
 *
 * One at a time calls huge_pages_add(), one calls huge_pages_step(), anybody the others. None of
 * them allocates from the heap.
 */
#ifndef TOCSIN_BASE_HUGE_PAGES_H
#define TOCSIN_BASE_HUGE_PAGES_H

#include <stddef.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
/* Areas that are known; those beyond stay as they are. */
#define HUGE_AREAS_MAX 256
/* Of a huge page's bytes so many eighths are in use before it is made: the rest is lost. */
#define HUGE_EIGHTHS_MIN 7

/* From now on this area is made huge where it is full; both are multiples of HUGE_PAGE_BYTES. It
 * stays mapped for good. */
void huge_pages_add(void *at, size_t bytes);
/* Of this part pages were given back to the system. */
void huge_pages_forget(const void *at, size_t bytes);

enum huge_step {
	HUGE_TRIED, /* one, in some milliseconds at most: there may be more */
	HUGE_NONE,  /* all that is full was tried */
	HUGE_SHORT, /* the system has none to give now */
	HUGE_NEVER, /* it cannot do that at all */
};
enum huge_step huge_pages_step(void);

/* How many bytes were made huge, and are as far as we know. */
size_t huge_pages_bytes(void);

#endif
