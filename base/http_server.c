#include "base/http_server.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/http_internal.h"

#define BACKLOG 511
#define TIMEOUT_MS_DEFAULT 50000
#define ACCEPT_PAUSE_MS 100 /* when descriptors run out */
#define LINGER_MS 2000
#define LINGER_BYTES_MAX (16 * 1024 * 1024)
#define CHUNK_OVERHEAD_BYTES (64 * 1024)

struct slot {
	uint32_t generation;
	uint32_t next_free;
	struct http_request *request; /* NULL: free */
};

/*
 * A connection that was refused in the middle of a request. Closed at once, the kernel would answer
 * what still comes with a reset, which may overtake our reply; so we hear the peer out for a while.
 */
struct refused {
	struct refused *next, *prev;
	struct http_server *server;
	int fd;
	size_t bytes;
	struct event event;
	struct event deadline;
};

struct http_server {
	struct event_base *base;
	struct evhttp *evhttp;
	struct evhttp_bound_socket *bound; /* NULL: draining */
	struct evconnlistener *listener;
	struct event *resume; /* accepting, after a pause */
	struct event *greet;  /* completes the connections in `fresh` */
	http_handler *handler;
	void *ctx;
	size_t body_max, connections_max;
	struct timeval timeout;
	uint16_t port;
	struct http_conn *conns; /* greeted */
	struct http_conn
		*fresh; /* accepted; evhttp makes its part after asking us for a bufferevent */
	size_t nconns;	/* both */
	struct http_conn **by_fd;
	size_t nby_fd;
	struct slot *slots;
	uint32_t nslots, free_slot;
	struct refused *refused;
	int handling; /* depth of handler calls */
	bool dying;   /* http_server_free() was called from a handler */
};

static struct timeval timeval_from_ms(int64_t ms)
{
	return (struct timeval){ ms / 1000, ms % 1000 * 1000 };
}

bool http_server_is_draining(const struct http_server *server)
{
	return !server->bound;
}

/* Slots */

#define NO_SLOT UINT32_MAX

static int slots_grow(struct http_server *server)
{
	uint32_t n = server->nslots ? server->nslots * 2 : 64;
	if (server->nslots == HTTP_PENDING_MAX)
		return ERR_FULL;
	if (n > HTTP_PENDING_MAX)
		n = HTTP_PENDING_MAX;
	struct slot *slots = realloc(server->slots, n * sizeof(*slots));
	if (!slots)
		return ERR_NOMEM;
	for (uint32_t i = server->nslots; i < n; i++)
		slots[i] = (struct slot){ 1, i + 1 < n ? i + 1 : NO_SLOT, NULL };
	server->free_slot = server->nslots;
	server->slots = slots;
	server->nslots = n;
	return 0;
}

int http_slot_take(struct http_server *server, struct http_request *request,
		   struct http_token *token)
{
	if (server->free_slot == NO_SLOT) {
		int rc = slots_grow(server);
		if (rc)
			return rc;
	}
	struct slot *slot = &server->slots[server->free_slot];
	*token = (struct http_token){ server->free_slot, slot->generation };
	slot->request = request;
	server->free_slot = slot->next_free;
	return 0;
}

void http_slot_release(struct http_server *server, struct http_token token)
{
	struct slot *slot = &server->slots[token.slot];
	assert(slot->request && slot->generation == token.generation);
	slot->request = NULL;
	slot->generation++;
	slot->next_free = server->free_slot;
	server->free_slot = token.slot;
}

struct http_request *http_slot_get(struct http_server *server, struct http_token token)
{
	if (token.slot >= server->nslots ||
	    server->slots[token.slot].generation != token.generation)
		return NULL;
	return server->slots[token.slot].request;
}

/* Lingering */

static void refused_free(struct refused *refused)
{
	if (refused->prev)
		refused->prev->next = refused->next;
	else
		refused->server->refused = refused->next;
	if (refused->next)
		refused->next->prev = refused->prev;
	event_del(&refused->event);
	event_del(&refused->deadline);
	close(refused->fd);
	free(refused);
}

static void on_refused(evutil_socket_t fd, short what, void *ctx)
{
	struct refused *refused = ctx;
	char bytes[16384];
	(void)what;
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	refused->bytes += n > 0 ? (size_t)n : 0;
	if (n <= 0 || refused->bytes > LINGER_BYTES_MAX)
		refused_free(refused);
}

static void on_refused_deadline(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	refused_free(ctx);
}

/* evhttp shuts down and closes its descriptor; a copy keeps the socket open for reading. */
static void refused_start(struct http_server *server, int fd)
{
	struct timeval deadline = timeval_from_ms(LINGER_MS);
	struct refused *refused = calloc(1, sizeof(*refused));
	int copy = refused ? dup(fd) : -1;
	if (copy < 0) {
		free(refused);
		return;
	}
	refused->server = server;
	refused->fd = copy;
	refused->next = server->refused;
	if (refused->next)
		refused->next->prev = refused;
	server->refused = refused;
	event_assign(&refused->event, server->base, copy, EV_READ | EV_PERSIST, on_refused,
		     refused);
	evtimer_assign(&refused->deadline, server->base, on_refused_deadline, refused);
	event_add(&refused->event, NULL);
	event_add(&refused->deadline, &deadline);
}

/* Connections */

static void update_accepting(struct http_server *server)
{
	if (!server->bound)
		return;
	if (server->connections_max && server->nconns >= server->connections_max)
		evconnlistener_disable(server->listener);
	else
		evconnlistener_enable(server->listener);
}

static void conn_drop(struct http_conn *conn)
{
	conn->dropped = true;
	evhttp_connection_free(conn->evcon); /* calls on_close() */
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	conn_drop(ctx);
}

static void on_closed(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	conn_drop(ctx);
}

void http_conn_watch(struct http_conn *conn)
{
	event_assign(&conn->closed, conn->server->base, conn->fd, EV_CLOSED, on_closed, conn);
	event_add(&conn->closed, NULL);
	conn->watched = true;
}

void http_conn_unwatch(struct http_conn *conn)
{
	if (conn->watched)
		event_del(&conn->closed);
	conn->watched = false;
}

/*
 * Bytes came. evhttp's own timeout is for silence only: a request that trickles in is held to a
 * deadline, and one that wraps its body into endless chunk headers to a length.
 */
static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *ctx)
{
	struct http_conn *conn = ctx;
	(void)input;
	if (info->n_added == 0)
		return;
	conn->received += info->n_added;
	if (!conn->receiving && !conn->request) {
		conn->receiving = true;
		event_add(&conn->deadline, &conn->server->timeout);
	}
	if (conn->received / 2 >
	    conn->server->body_max + HTTP_HEADERS_BYTES_MAX + CHUNK_OVERHEAD_BYTES)
		event_active(&conn->deadline, EV_TIMEOUT, 0); /* not now: evhttp is at work on it */
}

static void conn_free(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	if (conn->prev)
		conn->prev->next = conn->next;
	else if (server->conns == conn)
		server->conns = conn->next;
	else
		server->fresh = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	if (conn->request)
		http_request_free(conn->request);
	http_conn_unwatch(conn);
	event_del(&conn->deadline);
	evbuffer_remove_cb(bufferevent_get_input(conn->bev), on_input, conn);
	free(conn);
	server->nconns--;
	update_accepting(server);
}

static void on_close(struct evhttp_connection *evcon, void *ctx)
{
	struct http_conn *conn = ctx;
	struct http_server *server = conn->server;
	(void)evcon;
	server->by_fd[conn->fd] = NULL;
	/*
	 * evhttp closes the descriptor first and takes its events out of epoll a turn later; by
	 * then the number may be another connection's, or, with a copy open, the events still come.
	 */
	bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	if (conn->receiving && !conn->dropped && !server->dying)
		refused_start(server, conn->fd);
	conn_free(conn);
}

static void conn_link(struct http_conn **list, struct http_conn *conn)
{
	conn->prev = NULL;
	conn->next = *list;
	if (conn->next)
		conn->next->prev = conn;
	*list = conn;
}

/* evhttp has accepted somebody and wants a bufferevent; its connection comes only after this. */
static struct bufferevent *on_accept(struct event_base *base, void *ctx)
{
	struct http_server *server = ctx;
	struct http_conn *conn = calloc(1, sizeof(*conn));
	struct bufferevent *bev = conn ? bufferevent_socket_new(base, -1, 0) : NULL;
	if (!bev) {
		free(conn);
		return NULL;
	}
	conn->server = server;
	conn->bev = bev;
	conn->fd = -1;
	evtimer_assign(&conn->deadline, base, on_deadline, conn);
	evbuffer_add_cb(bufferevent_get_input(bev), on_input, conn);
	conn_link(&server->fresh, conn);
	server->nconns++;
	update_accepting(server);
	event_active(server->greet, EV_TIMEOUT, 0);
	return bev;
}

static bool by_fd_grow(struct http_server *server, int fd)
{
	size_t n = server->nby_fd ? server->nby_fd : 64;
	if ((size_t)fd < server->nby_fd)
		return true;
	while (n <= (size_t)fd)
		n *= 2;
	struct http_conn **by_fd = realloc(server->by_fd, n * sizeof(*by_fd));
	if (!by_fd)
		return false;
	memset(by_fd + server->nby_fd, 0, (n - server->nby_fd) * sizeof(*by_fd));
	server->by_fd = by_fd;
	server->nby_fd = n;
	return true;
}

/* Binds ours to evhttp's: what evhttp hung on the bufferevent is its connection. */
static void greet(struct http_server *server, struct http_conn *conn)
{
	int on = 1;
	void *evcon = NULL;
	bufferevent_getcb(conn->bev, NULL, NULL, NULL, &evcon);
	int fd = bufferevent_getfd(conn->bev);
	if (!evcon || fd < 0 || !by_fd_grow(server, fd)) { /* out of memory */
		struct bufferevent *bev = conn->bev;
		conn_free(conn);
		if (evcon)
			evhttp_connection_free(evcon);
		else
			bufferevent_free(bev);
		return;
	}
	server->fresh = conn->next;
	if (server->fresh)
		server->fresh->prev = NULL;
	conn_link(&server->conns, conn);
	conn->evcon = evcon;
	conn->fd = fd;
	server->by_fd[fd] = conn;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	evhttp_connection_set_closecb(evcon, on_close, conn);
}

static void on_greet(evutil_socket_t fd, short what, void *ctx)
{
	struct http_server *server = ctx;
	(void)fd;
	(void)what;
	while (server->fresh)
		greet(server, server->fresh);
}

static void server_destroy(struct http_server *server);

static void on_request(struct evhttp_request *evreq, void *ctx)
{
	struct http_server *server = ctx;
	int fd = bufferevent_getfd(
		evhttp_connection_get_bufferevent(evhttp_request_get_connection(evreq)));
	assert(fd >= 0 && (size_t)fd < server->nby_fd && server->by_fd[fd]);
	struct http_conn *conn = server->by_fd[fd];
	conn->receiving = false;
	conn->received = 0;
	event_del(&conn->deadline);
	struct http_request *request = http_request_new(conn, evreq);
	if (!request) {
		evhttp_send_error(evreq, 500, NULL);
		return;
	}
	server->handling++;
	server->handler(server->ctx, request);
	server->handling--;
	if (conn->request && !conn->request->deferred)
		http_reply(conn->request, &(struct http_reply){ .status = 500 });
	if (server->dying && !server->handling)
		server_destroy(server);
}

/* The listener */

static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
	struct http_server *server = ctx;
	struct timeval pause = timeval_from_ms(ACCEPT_PAUSE_MS);
	evconnlistener_disable(listener); /* else it would be called again and again at once */
	event_add(server->resume, &pause);
}

static void on_resume(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	update_accepting(ctx);
}

/* A listening socket, or -1 with errno. */
static int listen_on(const struct addrinfo *ai, bool reuse_port)
{
	int on = 1;
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
			ai->ai_protocol);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (!reuse_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static char *listen_error(const struct http_server_options *options, const char *cause)
{
	struct buf text;
	buf_init(&text);
	buf_printf(&text, "cannot listen on %s:%u: %s", options->address ? options->address : "*",
		   options->port, cause);
	return buf_take(&text);
}

static int server_listen(const struct http_server_options *options, char **why)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char port[8];
	snprintf(port, sizeof(port), "%u", options->port);
	int err = getaddrinfo(options->address, port, &hints, &found);
	if (err) {
		*why = listen_error(options, gai_strerror(err));
		return -1;
	}
	int fd = -1;
	for (struct addrinfo *ai = found; fd < 0 && ai; ai = ai->ai_next)
		fd = listen_on(ai, options->reuse_port);
	if (fd < 0)
		*why = listen_error(options, strerror(errno));
	freeaddrinfo(found);
	return fd;
}

static uint16_t port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = { 0 };
	socklen_t len = sizeof(address);
	getsockname(fd, &address.any, &len);
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port
						       : address.v4.sin_port);
}

static bool server_bind(struct http_server *server, int fd)
{
	server->listener = evconnlistener_new(server->base, NULL, NULL,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!server->listener) {
		close(fd);
		return false;
	}
	server->port = port_of(fd);
	server->bound = evhttp_bind_listener(server->evhttp, server->listener);
	if (!server->bound) {
		evconnlistener_free(server->listener);
		return false;
	}
	evconnlistener_set_error_cb(server->listener, on_accept_error);
	return true;
}

static void server_configure(struct http_server *server, const struct http_server_options *options)
{
	int64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS_DEFAULT;
	server->timeout = timeval_from_ms(timeout_ms);
	server->body_max = options->body_max;
	server->connections_max = options->connections_max;
	server->free_slot = NO_SLOT;
	evhttp_set_gencb(server->evhttp, on_request, server);
	evhttp_set_bevcb(server->evhttp, on_accept, server);
	evhttp_set_timeout_tv(server->evhttp, &server->timeout);
	evhttp_set_max_headers_size(server->evhttp, HTTP_HEADERS_BYTES_MAX);
	evhttp_set_max_body_size(server->evhttp, (ev_ssize_t)options->body_max);
	evhttp_set_default_content_type(server->evhttp, NULL);
	evhttp_set_allowed_methods(server->evhttp, 0xFFFF); /* which ones is the handler's affair */
}

int http_server_new(struct loop *loop, const struct http_server_options *options,
		    http_handler *handler, void *ctx, struct http_server **out, char **why)
{
	*why = NULL;
	int fd = server_listen(options, why);
	if (fd < 0)
		return ERR_IO;
	struct http_server *server = calloc(1, sizeof(*server));
	if (server) {
		server->base = loop_event_base(loop);
		server->handler = handler;
		server->ctx = ctx;
		server->evhttp = evhttp_new(server->base);
		server->greet = event_new(server->base, -1, EV_PERSIST, on_greet, server);
		server->resume = evtimer_new(server->base, on_resume, server);
	}
	if (!server || !server->evhttp || !server->greet || !server->resume) {
		close(fd);
		http_server_free(server);
		return ERR_NOMEM;
	}
	server_configure(server, options);
	if (!server_bind(server, fd)) {
		http_server_free(server);
		return ERR_NOMEM;
	}
	*out = server;
	return 0;
}

static void server_destroy(struct http_server *server)
{
	server->dying = true; /* no lingering */
	http_server_drain(server);
	on_greet(-1, 0, server); /* so that all have their on_close() */
	if (server->evhttp)
		evhttp_free(server->evhttp);
	assert(server->nconns == 0 && !server->conns);
	while (server->refused)
		refused_free(server->refused);
	if (server->greet)
		event_free(server->greet);
	if (server->resume)
		event_free(server->resume);
	free(server->by_fd);
	free(server->slots);
	free(server);
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	server->dying = true;
	if (!server->handling)
		server_destroy(server);
}

void http_server_drain(struct http_server *server)
{
	if (!server->bound)
		return;
	evhttp_del_accept_socket(server->evhttp, server->bound);
	server->bound = NULL;
	server->listener = NULL;
	event_del(server->resume);
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}
