#include "daemon/memory.h"

#ifdef HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/huge_pages.h"
#include "base/log.h"

/* What is free in standing memory goes back to the system after some 10 minutes, or when told. */
#define STANDING_DECAY_MS 600000
/*
 * Between two pages that become huge, so that nobody waits for long, and that what it costs, which
 * varies with the host, stays below a share of a core; and when all are.
 */
#define PAGE_PAUSE_MS 100
#define PAGE_PAUSE_TIMES 50
#define ROUND_PAUSE_MS 1000
/* When the system has none. */
#define SHORT_PAUSE_MS 60000

static extent_hooks_t *usual, standing_hooks;
static unsigned standing_arena; /* 0: there is none */

/* jemalloc asks for address space in multiples of 2 MiB. */
static void *alloc_standing(extent_hooks_t *hooks, void *at, size_t size, size_t alignment,
			    bool *zero, bool *commit, unsigned arena)
{
	(void)hooks;
	if (alignment < HUGE_PAGE_BYTES)
		alignment = HUGE_PAGE_BYTES;
	void *got = usual->alloc(usual, at, size, alignment, zero, commit, arena);
	if (got)
		huge_pages_add(got, size);
	return got;
}

/* Address space is kept. */
static bool keep_standing(extent_hooks_t *hooks, void *at, size_t size, bool committed,
			  unsigned arena)
{
	(void)hooks, (void)at, (void)size, (void)committed, (void)arena;
	return true;
}

static bool purge_lazily(extent_hooks_t *hooks, void *at, size_t size, size_t offset,
			 size_t length, unsigned arena)
{
	(void)hooks;
	huge_pages_forget((char *)at + offset, length);
	return usual->purge_lazy(usual, at, size, offset, length, arena);
}

static bool purge(extent_hooks_t *hooks, void *at, size_t size, size_t offset, size_t length,
		  unsigned arena)
{
	(void)hooks;
	huge_pages_forget((char *)at + offset, length);
	return usual->purge_forced(usual, at, size, offset, length, arena);
}

static int standing_arena_make(void)
{
	extent_hooks_t *hooks = &standing_hooks;
	size_t size = sizeof(usual);
	int err = mallctl("arena.0.extent_hooks", &usual, &size, NULL, 0);
	if (err)
		return err;
	standing_hooks = *usual;
	standing_hooks.alloc = alloc_standing;
	standing_hooks.dalloc = keep_standing;
	standing_hooks.purge_lazy = purge_lazily;
	standing_hooks.purge_forced = purge;
	size = sizeof(standing_arena);
	return mallctl("arenas.create", &standing_arena, &size, &hooks, sizeof(hooks));
}

#define ARENA_KEY_MAX 64
/* What jemalloc calls something of the standing arena. */
static const char *arena_key(char *out, const char *what)
{
	snprintf(out, ARENA_KEY_MAX, "arena.%u.%s", standing_arena, what);
	return out;
}

static int standing_decay_set(void)
{
	char key[ARENA_KEY_MAX];
	ssize_t decay_ms = STANDING_DECAY_MS;
	return mallctl(arena_key(key, "dirty_decay_ms"), NULL, NULL, &decay_ms, sizeof(decay_ms));
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* The CPU time of this thread so far. */
static long cpu_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *make_huge_pages(void *unused)
{
	pthread_setname_np(pthread_self(), "memory");
	for (;;) {
		long before_ms = cpu_ms();
		switch (huge_pages_step()) {
		case HUGE_TRIED:
			pause_ms(PAGE_PAUSE_MS + PAGE_PAUSE_TIMES * (cpu_ms() - before_ms));
			break;
		case HUGE_NONE:
			pause_ms(ROUND_PAUSE_MS);
			break;
		case HUGE_SHORT:
			pause_ms(SHORT_PAUSE_MS);
			break;
		case HUGE_NEVER:
			return unused;
		}
	}
}

/* It ends with the process. */
static int thread_start(void)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, make_huge_pages, NULL);
	return err ? err : pthread_detach(thread);
}

void memory_start(void)
{
	bool on = true;
	if (mallctl("background_thread", NULL, NULL, &on, sizeof(on)))
		log_warn("daemon", "no thread that gives memory back", NULL);
	int err = standing_arena_make();
	if (!err)
		err = standing_decay_set();
	if (!err)
		err = thread_start();
	if (err)
		log_warn("daemon", "no huge pages for standing memory", "error=%s",
			 log_quote(slice_from(strerror(err))));
}

void memory_stands(void)
{
	if (standing_arena)
		mallctl("thread.arena", NULL, NULL, &standing_arena, sizeof(standing_arena));
}

void memory_give_back(void)
{
	char key[ARENA_KEY_MAX];
	if (standing_arena)
		mallctl(arena_key(key, "purge"), NULL, NULL, NULL, 0);
}

#else

void memory_start(void)
{
}

void memory_stands(void)
{
}

void memory_give_back(void)
{
}

#endif
