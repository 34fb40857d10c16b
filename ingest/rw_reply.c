/*
 * Remote-write's answers. Source: specification 2.0, "Required Written Response Headers": a 2.0
 * sender takes a reply without them for "nothing was written".
 */
#include <inttypes.h>
#include <stdio.h>

#include "ingest/remote_write.h"

static const char *const written_names[] = {
	"X-Prometheus-Remote-Write-Samples-Written",
	"X-Prometheus-Remote-Write-Histograms-Written",
	"X-Prometheus-Remote-Write-Exemplars-Written",
};

static void header_add(struct rw_reply *reply, const char *name, const char *value)
{
	reply->headers[reply->nheaders++] = (struct http_header){ name, value };
}

static void written_add(struct rw_reply *reply, uint32_t samples, uint32_t histograms,
			uint32_t exemplars)
{
	const uint32_t counts[] = { samples, histograms, exemplars };
	for (size_t i = 0; i < 3; i++) {
		snprintf(reply->written[i], sizeof(reply->written[i]), "%" PRIu32, counts[i]);
		header_add(reply, written_names[i], reply->written[i]);
	}
}

/* "3 samples rejected (1 with bad labels, 2 too far ahead): " */
static size_t summary_format(const struct batch_outcome *outcome, char *to, size_t size)
{
	const struct {
		uint32_t n;
		const char *text;
	} parts[] = {
		{ outcome->invalid, "samples with bad labels" },
		{ outcome->conflict, "samples that differ from the stored one of the same time" },
		{ outcome->future, "samples too far in the future" },
		{ outcome->limited, "samples beyond the limit of series" },
		{ outcome->bad_histograms, "bad histograms" },
		{ outcome->bad_exemplars, "bad exemplars" },
	};
	size_t len = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && len < size; i++)
		if (parts[i].n > 0)
			len += (size_t)snprintf(to + len, size - len, "%s%" PRIu32 " %s",
						len > 0 ? ", " : "rejected: ", parts[i].n,
						parts[i].text);
	return len < size ? len : size - 1;
}

void rw_reply_make(const struct batch *batch, struct rw_reply *reply)
{
	const struct batch_outcome *outcome = &batch->outcome;
	reply->status = 204;
	reply->body[0] = '\0';
	reply->nheaders = 0;
	if (batch_is_rejected(outcome)) {
		reply->status = 400;
		size_t len = summary_format(outcome, reply->body, sizeof(reply->body));
		snprintf(reply->body + len, sizeof(reply->body) - len, "%s%s\n",
			 outcome->error[0] ? "; " : "", outcome->error);
	}
	if (batch->protocol == BATCH_REMOTE_WRITE_2)
		written_add(reply, batch_written(outcome), outcome->histograms, outcome->exemplars);
}

void rw_reply_refused(int status, const char *why, bool version2, struct rw_reply *reply)
{
	reply->status = status;
	reply->nheaders = 0;
	snprintf(reply->body, sizeof(reply->body), "%s\n", why ? why : "");
	if (version2)
		written_add(reply, 0, 0, 0);
}
