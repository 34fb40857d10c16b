/* What the files of "tocsin replay" share. */
#ifndef TOCSIN_CLI_REPLAY_H
#define TOCSIN_CLI_REPLAY_H

#include "engine/replay.h"
#include "engine/replay_report.h"

/* All there is to be told of a replay. */
struct replay_told {
	const struct replay_report *report;
	const struct replay_result *result;
	const struct replay_report *before; /* under the old rules; NULL: not compared */
	const struct replay_difference *differences;
	size_t ndifferences;
};

/* ---- replay_text.c ---- */

void replay_text_event(const struct alert_event *event, enum replay_change change, bool colour,
		       struct buf *out);
void replay_text_end(const struct replay_told *told, bool colour, struct buf *out);

/* ---- replay_json.c: one object; begin, each event, end ---- */

void replay_json_begin(struct buf *out);
void replay_json_event(const struct alert_event *event, enum replay_change change, bool is_first,
		       struct buf *out);
void replay_json_end(const struct replay_told *told, struct buf *out);

#endif
