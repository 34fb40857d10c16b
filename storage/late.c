/* Late logs (store.h): who kept what was computed of the past finds out what has become void. */
#include "storage/store_internal.h"

static void late_log_add(struct late_log *log, int64_t ts_ms)
{
	log->count++;
	/* Whoever has not seen an earlier mark at or after this time has not seen this one either.
	 */
	while (log->n > 0 && log->marks[log->n - 1].ts_ms >= ts_ms)
		log->n--;
	if (log->n == LATE_MARKS_MAX) {
		/* The second takes the time of the first, which is the lesser. */
		for (uint32_t i = 1; i < log->n; i++) {
			int64_t least_ms = i == 1 ? log->marks[0].ts_ms : log->marks[i].ts_ms;
			log->marks[i - 1] = (struct late_mark){ log->marks[i].number, least_ms };
		}
		log->n--;
	}
	log->marks[log->n++] = (struct late_mark){ log->count, ts_ms };
}

int64_t late_log_since(const struct late_log *log, uint64_t seen)
{
	for (uint32_t i = 0; i < log->n; i++)
		if (log->marks[i].number > seen)
			return log->marks[i].ts_ms;
	return INT64_MAX;
}

void series_note_late(struct series *series, int64_t ts_ms)
{
	for (uint32_t i = 0; i < series->nmemberships; i++)
		late_log_add(&series->memberships[i].selector->late, ts_ms);
}

void store_settle(struct store *store, int64_t ts_ms)
{
	if (ts_ms > store->settled_ms)
		store->settled_ms = ts_ms;
}
