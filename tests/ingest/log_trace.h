/*
 * A sink that writes down what it is given, a line of text each:
 *
 *   stream {a="b"}
 *   1700000000000000000 the line {metadata="…"}
 */
#ifndef TOCSIN_TESTS_INGEST_LOG_TRACE_H
#define TOCSIN_TESTS_INGEST_LOG_TRACE_H

#include "ingest/log_sink.h"

struct log_trace {
	struct buf text;
	uint32_t lines;
	size_t fail_at; /* the line that finds no memory, from 1; 0: none */
};

void log_trace_init(struct log_trace *trace);
void log_trace_fini(struct log_trace *trace);
void log_trace_clear(struct log_trace *trace);
struct log_sink log_trace_sink(struct log_trace *trace);
const char *log_trace_text(struct log_trace *trace);

#endif
