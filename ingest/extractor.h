/*
 * Extractors: what the rules in force want from log lines, compiled for the ingest threads.
 *
 * An extractor turns the lines of the streams that its matchers select into samples of derived
 * series; there is one for each distinct log selector of the plan. All extractors together are a
 * set: immutable, reference-counted, built on the configuration thread, used by any number of feeds
 * (log_feed.h). A set knows which literals a line must contain for each of its extractors to care,
 * and looks for all of them in one pass.
 *
 * What must outlive a set, counters and the list of derived series that count against the limit,
 * hangs on the extractor's name and is taken over by the next set.
 */
#ifndef TOCSIN_INGEST_EXTRACTOR_H
#define TOCSIN_INGEST_EXTRACTOR_H

#include "base/diag.h"
#include "base/matcher.h"
#include "ingest/redact.h"
#include "rules/log_pipeline.h"
#include "rules/plan.h"
#include "storage/window.h"

#define EXTRACTORS_MAX 100000		/* of one set */
#define EXTRACTOR_SERIES_DEFAULT 10000	/* limits.series_per_log_selector */
#define EXTRACTOR_IDLE_MS (3600 * 1000) /* without a line a series no longer counts */

/* One extractor, as the plan has it. Borrowed: a set copies what it keeps. */
struct extractor_spec {
	struct slice name;		/* of its derived series: the selector's canonical text */
	const struct matcher *matchers; /* of stream labels */
	uint32_t nmatchers;
	const struct log_stage *stages;
	uint32_t nstages;
	enum log_value value; /* what a line counts for */
	struct log_projection projection;
	enum window_kind kind; /* _SUM, _MIN, _MAX, _EVENTS */
	int64_t bucket_ms;     /* of all but _EVENTS; > 0 */
};

/* Of a derived series of the plan, of which it borrows. */
struct extractor_spec extractor_spec_of(const struct plan_log *log, int64_t bucket_ms);

struct extractor_options {
	uint32_t series_max;	   /* of each extractor, over all feeds; 0: the default */
	struct redactor *redactor; /* of example lines; may be NULL; the set takes a reference */
};

/* What became of the lines, since the extractor came first. */
struct extractor_counters {
	uint64_t seen;		     /* lines of its streams */
	uint64_t matched;	     /* that became samples */
	uint64_t errors[LOG_ERRORS]; /* left out with __error__ set, by kind */
	uint64_t cut_off;	     /* a regular expression gave up on the line */
	uint64_t limited;	     /* lines of a series over the limit */
	uint64_t series;	     /* now */
};

struct extractor_set;

/*
 * Compiles all. Takes over counters and series of extractors of the same name from `before` (NULL:
 * none). ERR_INVALID, ERR_LIMIT: *bad is the index of the spec that does not compile, diags (may be
 * NULL) says why; ERR_NOMEM.
 */
int extractor_set_new(const struct extractor_spec *specs, uint32_t n,
		      const struct extractor_options *options, const struct extractor_set *before,
		      struct diag_list *diags, uint32_t *bad, struct extractor_set **out);
struct extractor_set *extractor_set_ref(struct extractor_set *set);
void extractor_set_unref(struct extractor_set *set); /* NULL is fine */

uint32_t extractor_set_count(const struct extractor_set *set);
struct slice extractor_set_name(const struct extractor_set *set, uint32_t i);
/* From any thread. What feeds counted is in here after their next flush. */
void extractor_set_counters(const struct extractor_set *set, uint32_t i,
			    struct extractor_counters *out);
/* Does any extractor of the set want lines of this stream? */
bool extractor_set_wants(const struct extractor_set *set, const struct labels *stream);

#endif
