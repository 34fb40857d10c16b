#include "ingest/syslog_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "ingest/syslog_streams.h"

#define READ_BYTES (64 * 1024)
#define BACKLOG 128
#define METADATA_MAX (SYSLOG_PARAMS_MAX + 5)
#define IDLE_LOOKS 4 /* within an idle timeout */

struct conn {
	struct conn *next;
	struct syslog_server *server;
	int fd;
	struct loop_fd *watch;
	char peer[INET6_ADDRSTRLEN];
	struct buf buffer; /* what has come of messages: at most one, and what was read last */
	bool skipping;	   /* the rest of a message that was cut, up to the next LF */
	bool ended;	   /* the sender will say no more */
	int64_t heard_ms;  /* monotonic */
};

/* Datagrams that were read at once. */
struct datagrams {
	struct mmsghdr headers[SYSLOG_DATAGRAMS_MAX];
	struct iovec vectors[SYSLOG_DATAGRAMS_MAX];
	struct sockaddr_storage peers[SYSLOG_DATAGRAMS_MAX];
	char control[SYSLOG_DATAGRAMS_MAX][CMSG_SPACE(sizeof(uint32_t))];
	char *bytes;
	size_t n, next; /* read; of these the first that was not given to the door */
	uint32_t lost;	/* as the kernel counts them */
};

struct syslog_server {
	struct syslog_server_options options;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *idle_timer; /* TCP */
	struct conn *conns;
	size_t nconns;
	struct datagrams *datagrams; /* UDP */
	struct syslog_streams streams;
	struct syslog_message message;
	struct buf texts;
};

static int64_t now_ms(void)
{
	return clock_monotonic_us() / 1000;
}

/* ---- messages ---- */

static size_t metadata_of(const struct syslog_message *message, bool whole, const char *peer,
			  struct label *out)
{
	const struct label fields[] = {
		{ SLICE("peer"), slice_from(peer) },
		{ SLICE("proc_id"), message->proc_id },
		{ SLICE("msg_id"), message->msg_id },
		{ SLICE("hostname"), whole ? SLICE("") : message->hostname },
		{ SLICE("app_name"), whole ? SLICE("") : message->app_name },
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].value.len)
			out[n++] = fields[i];
	for (size_t i = 0; i < message->nparams; i++)
		out[n++] = message->params[i];
	return n;
}

/* 0, or ERR_FULL, ERR_NOMEM: it was not taken. */
static int message_give(struct syslog_server *server, struct slice bytes, const char *peer)
{
	const struct syslog_server_options *options = &server->options;
	struct syslog_message *message = &server->message;
	struct label metadata[METADATA_MAX];
	int64_t now_ns = options->now_ns();
	bool whole;

	if (syslog_parse(bytes, now_ns / 1000000, &server->texts, message))
		return ERR_NOMEM;
	struct labels *labels =
		syslog_streams_get(&server->streams, message, now_ns / 1000000, &whole);

	if (!labels || options->door.sink.stream(options->door.sink.ctx, labels))
		return ERR_NOMEM;
	struct log_entry entry = { .ts_ns = now_ns,
				   .line = message->text,
				   .metadata = metadata,
				   .nmetadata = metadata_of(message, whole, peer, metadata) };

	/* A time that nanoseconds cannot tell is none. */
	if (options->message_time && message->time_ms != TIME_NONE &&
	    __builtin_mul_overflow(message->time_ms, 1000000, &entry.ts_ns))
		entry.ts_ns = now_ns;
	int code = options->door.sink.line(options->door.sink.ctx, &entry);

	if (code == 0)
		log_count(&options->counters->malformed, message->malformed);
	return code;
}

static bool is_open(const struct syslog_server *server)
{
	return server->options.door.is_open(server->options.door.ctx);
}

static void flush(struct syslog_server *server)
{
	server->options.door.flush(server->options.door.ctx);
}

/* ---- TCP ---- */

static void conn_free(struct conn *conn)
{
	struct syslog_server *server = conn->server;
	struct conn **link = &server->conns;

	while (*link != conn)
		link = &(*link)->next;
	*link = conn->next;
	server->nconns--;
	loop_fd_free(conn->watch);
	close(conn->fd);
	buf_fini(&conn->buffer);
	free(conn);
	if (server->watch && is_open(server))
		loop_fd_set(server->watch, LOOP_READ);
}

/* Passes over the rest of a message that was cut. How many bytes. */
static size_t rest_skip(struct conn *conn, struct slice bytes)
{
	const char *end = memchr(bytes.ptr, '\n', bytes.len);

	if (!end)
		return bytes.len;
	conn->skipping = false;
	return (size_t)(end - bytes.ptr) + 1;
}

/* Gives all whole messages of the buffer to the door. False: it took no more. */
static bool conn_drain(struct conn *conn)
{
	struct syslog_server *server = conn->server;
	size_t at = 0;
	bool taken = true;

	while (taken && at < conn->buffer.len) {
		struct slice bytes = { conn->buffer.ptr + at, conn->buffer.len - at };
		struct syslog_frame frame;

		if (conn->skipping) {
			at += rest_skip(conn, bytes);
			continue;
		}
		if (!syslog_frame_next(bytes, conn->ended, &frame)) {
			at += frame.used;
			break;
		}
		taken = is_open(server) && message_give(server, frame.message, conn->peer) == 0;
		if (!taken)
			break;
		at += frame.used;
		conn->skipping = frame.cut;
		log_count(&server->options.counters->cut, frame.cut);
	}
	if (at)
		buf_drop(&conn->buffer, at);
	return taken;
}

/* Frees the connection when all of it was said. */
static void conn_step(struct conn *conn)
{
	bool taken = conn_drain(conn);

	if (taken && conn->ended) {
		conn_free(conn);
		return;
	}
	loop_fd_set(conn->watch, taken && !conn->ended && is_open(conn->server) ? LOOP_READ : 0);
}

static void on_conn(void *ctx, int what)
{
	struct conn *conn = ctx;
	struct syslog_server *server = conn->server;

	if (!is_open(server)) {
		loop_fd_set(conn->watch, 0);
		return;
	}
	char *room = buf_reserve(&conn->buffer, READ_BYTES);
	ssize_t got = room ? recv(conn->fd, room, READ_BYTES, 0) : -1;

	if (got < 0 && (!room || errno == EINTR || errno == EAGAIN))
		return;
	if (got > 0)
		conn->buffer.len += (size_t)got;
	conn->ended = got <= 0;
	conn->heard_ms = now_ms();
	conn_step(conn);
	flush(server);
}

static void peer_format(const struct sockaddr_storage *address, char *out, size_t size)
{
	if (getnameinfo((const struct sockaddr *)address, sizeof(*address), out, (socklen_t)size,
			NULL, 0, NI_NUMERICHOST))
		out[0] = '\0';
}

static void conn_new(struct syslog_server *server, int fd, const struct sockaddr_storage *peer)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (conn)
		conn->watch = loop_fd_new(server->options.loop, fd, on_conn, conn);
	if (!conn || !conn->watch) {
		free(conn);
		close(fd);
		return;
	}
	conn->server = server;
	conn->fd = fd;
	conn->heard_ms = now_ms();
	buf_init(&conn->buffer);
	peer_format(peer, conn->peer, sizeof(conn->peer));
	conn->next = server->conns;
	server->conns = conn;
	server->nconns++;
	loop_fd_set(conn->watch, LOOP_READ);
}

static void on_accept(void *ctx, int what)
{
	struct syslog_server *server = ctx;
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);

	if (server->nconns >= server->options.connections_max || !is_open(server)) {
		loop_fd_set(server->watch, 0); /* until one ends, or the door opens */
		return;
	}
	int fd = accept4(server->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		conn_new(server, fd, &peer);
}

static void on_idle_look(void *ctx)
{
	struct syslog_server *server = ctx;
	struct conn *conn, *next;
	int64_t timeout_ms = server->options.idle_timeout_ms;

	for (conn = server->conns; conn; conn = next) {
		next = conn->next;
		if (now_ms() - conn->heard_ms < timeout_ms)
			continue;
		conn->ended = true;
		conn_step(conn);
	}
	flush(server);
	loop_timer_set(server->idle_timer, timeout_ms / IDLE_LOOKS);
}

/* ---- UDP ---- */

/* What the kernel dropped, counted since the socket was made. */
static void lost_count(struct syslog_server *server, struct msghdr *header)
{
	struct datagrams *d = server->datagrams;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		uint32_t lost;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&lost, CMSG_DATA(c), sizeof(lost));
		log_count(&server->options.counters->dropped, lost - d->lost);
		d->lost = lost;
	}
}

static void datagrams_read(struct syslog_server *server)
{
	struct datagrams *d = server->datagrams;

	for (size_t i = 0; i < SYSLOG_DATAGRAMS_MAX; i++) {
		d->vectors[i] = (struct iovec){ d->bytes + i * SYSLOG_DATAGRAM_BYTES_MAX,
						SYSLOG_DATAGRAM_BYTES_MAX };
		d->headers[i].msg_hdr = (struct msghdr){ .msg_name = &d->peers[i],
							 .msg_namelen = sizeof(d->peers[i]),
							 .msg_iov = &d->vectors[i],
							 .msg_iovlen = 1,
							 .msg_control = d->control[i],
							 .msg_controllen = sizeof(d->control[i]) };
	}
	int n = recvmmsg(server->fd, d->headers, SYSLOG_DATAGRAMS_MAX, MSG_DONTWAIT, NULL);

	d->next = 0;
	d->n = n > 0 ? (size_t)n : 0;
	for (size_t i = 0; i < d->n; i++)
		lost_count(server, &d->headers[i].msg_hdr);
}

/* False: the door took no more. */
static bool datagrams_give(struct syslog_server *server)
{
	struct datagrams *d = server->datagrams;

	for (; d->next < d->n; d->next++) {
		struct slice bytes = { d->bytes + d->next * SYSLOG_DATAGRAM_BYTES_MAX,
				       d->headers[d->next].msg_len };
		char peer[INET6_ADDRSTRLEN];

		peer_format(&d->peers[d->next], peer, sizeof(peer));
		if (!is_open(server) || message_give(server, bytes, peer))
			return false;
	}
	return true;
}

static void on_datagrams(void *ctx, int what)
{
	struct syslog_server *server = ctx;

	if (datagrams_give(server))
		datagrams_read(server);
	bool taken = datagrams_give(server);

	flush(server);
	loop_fd_set(server->watch, taken && is_open(server) ? LOOP_READ : 0);
}

/* ---- life ---- */

void syslog_server_resume(struct syslog_server *server)
{
	struct conn *conn, *next;

	if (server->options.udp) {
		on_datagrams(server, LOOP_READ);
		return;
	}
	for (conn = server->conns; conn && is_open(server); conn = next) {
		next = conn->next;
		conn_step(conn);
		flush(server);
	}
	if (is_open(server))
		loop_fd_set(server->watch, LOOP_READ);
}

/* As much as the kernel allows; root may pass its bound. */
static void receive_buffer_set(int fd, size_t bytes)
{
	int n = bytes > INT32_MAX ? INT32_MAX : (int)bytes, one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
	setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one));
}

static int listen_at(const struct syslog_server_options *options, const struct addrinfo *address,
		     int *out)
{
	int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
			address->ai_protocol);
	int one = 1;

	if (fd < 0)
		return ERR_IO;
	if (!options->udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	else
		receive_buffer_set(fd, options->receive_bytes);
	if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 ||
	    (!options->udp && listen(fd, BACKLOG) < 0)) {
		int error = errno;

		close(fd);
		errno = error;
		return ERR_IO;
	}
	*out = fd;
	return 0;
}

static int cannot_listen(const struct syslog_server_options *options, const char *cause, char **why)
{
	if (asprintf(why, "cannot listen on %s:%u: %s", options->host, options->port, cause) < 0)
		*why = NULL;
	return ERR_IO;
}

static int socket_open(struct syslog_server *server, char **why)
{
	const struct syslog_server_options *options = &server->options;
	struct addrinfo hints = { .ai_socktype = options->udp ? SOCK_DGRAM : SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found;
	char port[8];

	snprintf(port, sizeof(port), "%u", options->port);
	int code = getaddrinfo(options->host, port, &hints, &found);

	if (code)
		return cannot_listen(options, gai_strerror(code), why);
	code = listen_at(options, found, &server->fd);
	int error = errno;

	freeaddrinfo(found);
	return code ? cannot_listen(options, strerror(error), why) : 0;
}

static int parts_new(struct syslog_server *server)
{
	const struct syslog_server_options *options = &server->options;

	if (syslog_streams_init(&server->streams, options->labels))
		return ERR_NOMEM;
	server->watch = loop_fd_new(options->loop, server->fd,
				    options->udp ? on_datagrams : on_accept, server);
	if (!server->watch)
		return ERR_NOMEM;
	if (options->udp) {
		server->datagrams = calloc(1, sizeof(*server->datagrams));
		if (!server->datagrams)
			return ERR_NOMEM;
		server->datagrams->bytes =
			malloc((size_t)SYSLOG_DATAGRAMS_MAX * SYSLOG_DATAGRAM_BYTES_MAX);
		return server->datagrams->bytes ? 0 : ERR_NOMEM;
	}
	server->idle_timer = loop_timer_new(options->loop, on_idle_look, server);
	if (!server->idle_timer)
		return ERR_NOMEM;
	loop_timer_set(server->idle_timer, options->idle_timeout_ms / IDLE_LOOKS);
	return 0;
}

int syslog_server_new(const struct syslog_server_options *options, struct syslog_server **out,
		      char **why)
{
	struct syslog_server *server = calloc(1, sizeof(*server));

	*why = NULL;
	if (!server)
		return ERR_NOMEM;
	server->options = *options;
	server->fd = -1;
	buf_init(&server->texts);
	int code = socket_open(server, why);

	if (code == 0)
		code = parts_new(server);
	if (code) {
		syslog_server_free(server);
		return code;
	}
	loop_fd_set(server->watch, LOOP_READ);
	*out = server;
	return 0;
}

void syslog_server_free(struct syslog_server *server)
{
	if (!server)
		return;
	loop_fd_free(server->watch);
	server->watch = NULL;
	while (server->conns)
		conn_free(server->conns);
	if (server->idle_timer)
		loop_timer_free(server->idle_timer);
	if (server->fd >= 0)
		close(server->fd);
	if (server->datagrams)
		free(server->datagrams->bytes);
	free(server->datagrams);
	syslog_streams_fini(&server->streams);
	buf_fini(&server->texts);
	free(server);
}

uint16_t syslog_server_port(const struct syslog_server *server)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);

	getsockname(server->fd, (struct sockaddr *)&address, &len);
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}
