/*
 * A source of log lines: syslog senders, over TCP or UDP.
 *
 * Labels of the stream: the source's own, and hostname, app_name, facility, severity of the
 * message. Labels of the single line: proc_id, msg_id, sd_ID_NAME of structured data, and peer, the
 * address the message came from, which is the only thing about it that cannot be made up (over
 * TCP). Host and application are the sender's to choose: beyond SYSLOG_STREAMS_MAX different ones
 * they are labels of the line, too.
 *
 * While the door is closed nothing is read: over TCP the senders wait; over UDP the kernel holds
 * what the receive buffer holds, and what it had to drop is counted.
 */
#ifndef TOCSIN_INGEST_SYSLOG_SERVER_H
#define TOCSIN_INGEST_SYSLOG_SERVER_H

#include "base/loop.h"
#include "ingest/log_counters.h"
#include "ingest/log_door.h"
#include "ingest/syslog.h"

#define SYSLOG_STREAMS_MAX 4096 /* combinations of labels of one source; anew each hour */
#define SYSLOG_DATAGRAMS_MAX 32 /* read at once */
#define SYSLOG_DATAGRAM_BYTES_MAX 65536

struct syslog_server;

struct syslog_server_options {
	struct loop *loop;
	const char *name; /* of the source, for messages */
	const char *host; /* an address or a name */
	uint16_t port;	  /* 0: a free one, see syslog_server_port() */
	bool udp;
	bool message_time;	/* lines get the time of their header, if it has one */
	size_t connections_max; /* TCP: further ones wait in the backlog */
	int64_t idle_timeout_ms;
	size_t receive_bytes; /* UDP: asked of the kernel */
	struct labels *labels;
	struct log_door door;
	struct log_counters *counters;
	int64_t (*now_ns)(void); /* wall clock */
};

/* Borrows what the options point to. ERR_IO with *why, a text to free(); ERR_NOMEM. */
int syslog_server_new(const struct syslog_server_options *options, struct syslog_server **out,
		      char **why);
/* Closes all; what was not yet read of it is the senders'. */
void syslog_server_free(struct syslog_server *server); /* NULL is fine */
/* The door is open again. */
void syslog_server_resume(struct syslog_server *server);
uint16_t syslog_server_port(const struct syslog_server *server);

#endif
