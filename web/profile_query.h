/* What the two files about profiles share. Private to web/. */
#ifndef TOCSIN_WEB_PROFILE_QUERY_H
#define TOCSIN_WEB_PROFILE_QUERY_H

#include <stdio.h>

#include "ingest/profile_hub.h"
#include "web/web_internal.h"

/* Which profiles are meant, with all that its query points to. */
struct profile_search {
	struct profile_query query;
	struct matcher *matchers;
	char *type; /* NULL: any */
	struct profile_trace_id trace;
};

/*
 * match, type, start, end, trace_id of a request. ERR_INVALID with *why, a text to free();
 * ERR_NOMEM. To be finished with profile_search_fini() in any case.
 */
int profile_search_read(struct web *web, struct http_request *request,
			struct profile_search *search, char **why);
void profile_search_fini(struct profile_search *search);
/* The parameter `limit`, at most max; *limit stays without one. ERR_INVALID with *why, as above. */
int profile_limit_read(struct http_request *request, size_t max, size_t *limit, char **why);
/* Answers 400 or 500; frees why. */
void profile_refuse(struct http_request *request, int code, char *why);
bool profile_id_is(struct slice text);

#endif
