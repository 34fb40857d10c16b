/*
 * Where the daemon's memory comes from: decisions 22 and 23. Without jemalloc, as in builds with
 * sanitizers, these do nothing.
 */
#ifndef TOCSIN_DAEMON_MEMORY_H
#define TOCSIN_DAEMON_MEMORY_H

/* Once, before all threads: what is free for some time goes back to the system, on a thread of its
 * own. */
void memory_start(void);
/*
 * What the calling thread allocates from now on stands for long, like series, windows, rules and
 * what is known of them: it lies together, and becomes huge pages (base/huge_pages.h). What is
 * freed goes back to the system later than elsewhere, since that breaks such a page.
 */
void memory_stands(void);
/* Much that stood was freed: it goes back now, which may take some 100 ms. */
void memory_give_back(void);

#endif
