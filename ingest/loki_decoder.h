/* What loki_push.c, loki_json.c and loki_protobuf.c share. */
#ifndef TOCSIN_INGEST_LOKI_DECODER_H
#define TOCSIN_INGEST_LOKI_DECODER_H

#include "ingest/loki_push.h"

struct loki_decoder {
	struct decompressor decompressor;
	struct buf outer, body; /* unpacked: what was wrapped twice, the message */
	struct buf texts;	/* of one stream's or line's labels, unescaped */
	struct buf line;	/* the same of a line */
	struct label labels[LABELS_COUNT_MAX];
};

/* One time through a body. */
struct loki_walk {
	struct loki_decoder *decoder;
	const struct log_sink *sink; /* NULL: only to see whether it can be read */
	struct loki_result *result;
	int64_t now_ms;
	struct labels *stream; /* of the lines that follow; NULL: it was refused */
	const char *why;       /* of ERR_INVALID: static */
};

/* The labels of the lines that follow: the first n of decoder->labels. ERR_NOMEM. */
int loki_stream(struct loki_walk *walk, size_t n);
/* Labels that cannot be read, or are too many to hold: the stream's lines are refused. */
void loki_stream_refuse(struct loki_walk *walk, const char *why);
/* A line, with the first n of decoder->labels as its own. ERR_NOMEM. */
int loki_line(struct loki_walk *walk, int64_t ts_ns, struct slice line, size_t n);

/* ERR_INVALID with walk->why, ERR_NOMEM. */
int loki_json(struct loki_walk *walk, struct slice body);
int loki_protobuf(struct loki_walk *walk, struct slice body);

#endif
