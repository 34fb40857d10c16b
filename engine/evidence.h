/*
 * Evidence for alerts: as a part of a record, and how the engine gathers it.
 *
 * struct evidence itself is in rules/, where templates read it. An alert's evidence is gathered
 * once, when it goes from pending (or nothing) to firing, and goes with every event of it after.
 */
#ifndef TOCSIN_ENGINE_EVIDENCE_H
#define TOCSIN_ENGINE_EVIDENCE_H

#include "base/buf.h"
#include "base/json.h"
#include "rules/evidence.h"

#define EVIDENCE_SCAN_MAX 200000u /* series looked at in a second of told time */

/* Appends a byte of its version and what it holds; NULL is nothing. */
void evidence_encode(const struct evidence *evidence, struct buf *out);
/* Reads that; *out is NULL where there was nothing. ERR_CORRUPT, ERR_NOMEM. */
int evidence_decode(struct reader *reader, struct evidence **out);
/*
 * {"lines": ["…"], "functions": [{"name": "…", "profile_type": "cpu", "self_ratio": 0.4,
 * "total_ratio": 0.7}]}; an unknown ratio is null. NULL is empty.
 */
void evidence_json(const struct evidence *evidence, struct json_writer *w);

#endif
