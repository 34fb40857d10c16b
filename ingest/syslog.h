/*
 * Syslog messages, and where one ends in a stream of bytes.
 *
 * Three layouts: RFC 5424; RFC 3164, as senders write it, not as its examples do; and that with an
 * ISO timestamp (rsyslog's ForwardFormat). What is none of them is a line all the same, with what
 * could be read of it: senders' mistakes must not cost a line.
 *
 * In a stream each message says for itself how it ends (RFC 6587): by a count of bytes before it
 * (`102 <13>1 …`), or by LF.
 */
#ifndef TOCSIN_INGEST_SYSLOG_H
#define TOCSIN_INGEST_SYSLOG_H

#include "base/buf.h"
#include "base/labels.h"

#define SYSLOG_MESSAGE_MAX (64 * 1024) /* bytes of a message; what is longer is cut */
#define SYSLOG_COUNT_DIGITS_MAX 7      /* of a count of bytes */
#define SYSLOG_PARAMS_MAX 64	       /* of structured data; further ones are left out */
#define SYSLOG_HOSTNAME_MAX 255	       /* RFC 5424, 6; longer fields are left out */
#define SYSLOG_APP_NAME_MAX 48
#define SYSLOG_PROC_ID_MAX 128
#define SYSLOG_MSG_ID_MAX 32
#define SYSLOG_SD_NAME_MAX 32

struct syslog_message {
	uint8_t facility, severity;
	int64_t time_ms; /* TIME_NONE: it says none, or one that cannot be read */
	/* Empty: absent. Valid UTF-8. */
	struct slice hostname, app_name, proc_id, msg_id;
	/* Structured data: sd_ID_NAME, every character a label cannot have is _. */
	struct label params[SYSLOG_PARAMS_MAX];
	size_t nparams;
	struct slice text;
	bool malformed; /* in none of the layouts */
};

/*
 * Reads a message, without its frame. Slices point into it or into `texts`, which is emptied first.
 * now_ms: what a year that is not said is near to; such times are in the zone of this machine.
 * ERR_NOMEM.
 */
int syslog_parse(struct slice bytes, int64_t now_ms, struct buf *texts, struct syslog_message *out);

const char *syslog_facility_name(uint8_t facility);
const char *syslog_severity_name(uint8_t severity);

struct syslog_frame {
	struct slice message;
	size_t used; /* bytes of the stream, the frame included */
	bool cut;    /* the message goes on behind: pass over bytes up to the next LF */
};

/*
 * The first message of what has come of a stream; ended: no more will. False: it is not complete
 * yet; of `used` bytes nothing is needed any more.
 */
bool syslog_frame_next(struct slice bytes, bool ended, struct syslog_frame *out);

#endif
